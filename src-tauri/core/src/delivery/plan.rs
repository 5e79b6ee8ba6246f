//! From an audience to the ledger: who gets a mail, and how it may be tracked; and the last look at a person
//! before their mail is handed over. Pure but for the randomness of tokens, which is an argument.

use crate::api::RouteKind;
use crate::audience::address::address_hash;
use crate::domain::campaign::CampaignTracking;
use crate::domain::consent::{ConsentState, UnknownPolicy, decide};
use crate::domain::message::{NotTrackedReason, SkipReason, TrackingMode};
use crate::ids::Entropy;
use crate::store::message::{Candidate, HandOver, Letter, NewMessage};
use crate::tracking::token::Token;

/// What holds for a whole campaign while it is planned and while it is sent.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How the campaign may look at its readers.
    pub tracking: CampaignTracking,
    /// What the workspace does where nobody was asked.
    pub unknown: UnknownPolicy,
    /// Tracked mails to one person in 30 days.
    pub cap: u32,
    /// What kind of address the mails carry.
    pub route: RouteKind,
    /// The key of address hashes.
    pub key: [u8; 32],
}

/// Returns how a person's mail may be tracked: the strictest of consent, campaign, route and cap.
fn tracking(rules: &Rules, consent: ConsentState) -> (TrackingMode, Option<NotTrackedReason>) {
    let (mode, reason) = decide(consent, rules.unknown, rules.tracking);
    // Without an address no mail can be measured. A person's or the campaign's no is the better reason.
    if rules.route == RouteKind::None && mode != TrackingMode::None {
        return (TrackingMode::None, Some(NotTrackedReason::NoAddress));
    }
    (mode, reason)
}

/// Plans the message to one person; `suppressed` says why the address gets no mail.
pub fn plan(
    candidate: &Candidate,
    suppressed: Option<SkipReason>,
    rules: &Rules,
    entropy: &dyn Entropy,
) -> NewMessage {
    let (mut mode, mut reason) = tracking(rules, candidate.consent);
    if mode == TrackingMode::Personal && candidate.tracked_lately >= rules.cap {
        (mode, reason) = (TrackingMode::None, Some(NotTrackedReason::FrequencyCap));
    }
    let pixel = mode == TrackingMode::Personal && suppressed.is_none();
    NewMessage {
        contact: candidate.contact,
        contact_revision: candidate.revision,
        email: candidate.email.clone(),
        address_hash: address_hash(&rules.key, &candidate.email_key),
        skip: suppressed,
        tracking: mode,
        not_tracked: reason,
        pixel_token: pixel.then(|| Token::generate(entropy)),
        preference_token: Token::generate(entropy),
    }
}

/// What the last look at a person before hand-over comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recheck {
    /// Send, with these facts.
    Send(HandOver),
    /// The person is gone.
    Erased,
}

/// Looks at a person again, in the transaction that claims their mail.
///
/// Tracking is the strictest of what was frozen at launch and what holds now: a refusal in between wins, a
/// consent given in between waits for the next campaign. The mail goes to the address that the person has now.
pub fn recheck(letter: &Letter, rules: &Rules) -> Recheck {
    let Some(person) = &letter.person else {
        return Recheck::Erased;
    };
    let (mut mode, mut reason) = tracking(rules, person.consent);
    if letter.tracking >= mode {
        (mode, reason) = (letter.tracking, letter.not_tracked);
    }
    Recheck::Send(HandOver {
        email: person.email.clone(),
        address_hash: if person.email == letter.email {
            letter.address_hash
        } else {
            address_hash(&rules.key, &person.email_key)
        },
        tracking: mode,
        not_tracked: reason,
        contact_revision: person.revision,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CampaignId, ContactId, MessageId, SeededEntropy};
    use crate::store::message::LetterPerson;

    fn rules() -> Rules {
        Rules {
            tracking: CampaignTracking::Individual,
            unknown: UnknownPolicy::None,
            cap: 10,
            route: RouteKind::Public,
            key: [7; 32],
        }
    }

    fn candidate(consent: ConsentState) -> Candidate {
        Candidate {
            contact: ContactId(1),
            email: "Ana@example.org".into(),
            email_key: "ana@example.org".into(),
            revision: 3,
            consent,
            tracked_lately: 0,
        }
    }

    fn letter(tracking: TrackingMode, consent: ConsentState) -> Letter {
        Letter {
            id: MessageId(1),
            campaign: CampaignId(1),
            email: "ana@example.org".into(),
            address_hash: [1; 16],
            tracking,
            not_tracked: None,
            pixel_token: None,
            preference_token: Token::generate(&SeededEntropy::new(1)),
            attempts: 0,
            audited_revision: 1,
            person: Some(LetterPerson {
                contact: ContactId(1),
                email: "ana@example.org".into(),
                email_key: "ana@example.org".into(),
                first_name: String::new(),
                last_name: String::new(),
                fields: "{}".into(),
                revision: 2,
                consent,
            }),
        }
    }

    #[test]
    fn a_mail_is_tracked_only_where_all_agree() {
        use ConsentState as S;
        use NotTrackedReason as R;
        use TrackingMode as M;
        let entropy = SeededEntropy::new(1);
        let of = |candidate: &Candidate, rules: &Rules| {
            let message = plan(candidate, None, rules, &entropy);
            assert_eq!(
                message.pixel_token.is_some(),
                message.tracking == M::Personal,
                "a pixel's token exists exactly where it is used"
            );
            (message.tracking, message.not_tracked)
        };
        assert_eq!(of(&candidate(S::Granted), &rules()), (M::Personal, None));
        assert_eq!(
            of(&candidate(S::Unknown), &rules()),
            (M::None, Some(R::UnknownConsent))
        );
        assert_eq!(of(&candidate(S::Refused), &rules()), (M::None, Some(R::Refused)));
        let nowhere = Rules {
            route: RouteKind::None,
            ..rules()
        };
        assert_eq!(
            of(&candidate(S::Granted), &nowhere),
            (M::None, Some(R::NoAddress))
        );
        assert_eq!(
            of(&candidate(S::Refused), &nowhere),
            (M::None, Some(R::Refused)),
            "the person's word names the reason"
        );
        let often = Candidate {
            tracked_lately: 10,
            ..candidate(S::Granted)
        };
        assert_eq!(of(&often, &rules()), (M::None, Some(R::FrequencyCap)));
    }

    #[test]
    fn who_is_suppressed_gets_neither_mail_nor_pixel() {
        let message = plan(
            &candidate(ConsentState::Granted),
            Some(SkipReason::Unsubscribed),
            &rules(),
            &SeededEntropy::new(1),
        );
        assert_eq!(message.skip, Some(SkipReason::Unsubscribed));
        assert_eq!(message.pixel_token, None);
    }

    #[test]
    fn at_claim_the_strictest_of_frozen_and_now_holds() {
        use ConsentState as S;
        use TrackingMode as M;
        let mode = |frozen, now| match recheck(&letter(frozen, now), &rules()) {
            Recheck::Send(hand_over) => hand_over.tracking,
            Recheck::Erased => panic!("the person is there"),
        };
        assert_eq!(mode(M::Personal, S::Granted), M::Personal);
        assert_eq!(
            mode(M::Personal, S::Refused),
            M::None,
            "a refusal in between wins"
        );
        assert_eq!(
            mode(M::None, S::Granted),
            M::None,
            "a consent in between waits for the next campaign"
        );
        let gone = Letter {
            person: None,
            ..letter(M::Personal, S::Granted)
        };
        assert_eq!(recheck(&gone, &rules()), Recheck::Erased);
    }
}
