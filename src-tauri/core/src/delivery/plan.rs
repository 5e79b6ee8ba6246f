//! From an audience to the ledger: who gets a mail, and how it may be tracked; and the last look at a person
//! before their mail is handed over. Pure but for the randomness of tokens, which is an argument.

use crate::api::RouteKind;
use crate::audience::address::address_hash;
use crate::clock::Instant;
use crate::domain::campaign::CampaignTracking;
use crate::domain::consent::{ConsentState, UnknownPolicy, decide, may_be_asked};
use crate::domain::message::{NotTrackedReason, SkipReason, TrackingMode};
use crate::ids::Entropy;
use crate::render::document::Document;
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
    /// What the mail asks.
    pub asking: Asking,
}

/// Whether a campaign's mail asks for consent to tracking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// It does not.
    Nobody,
    /// It asks who can be asked; everybody else gets it without the question.
    WhoCanBe,
    /// It goes to nobody but those who can be asked.
    OnlyWhoCanBe,
}

impl Asking {
    /// Returns what a document asks.
    pub fn of(document: &Document) -> Self {
        match document.question() {
            None => Self::Nobody,
            Some(question) if question.only => Self::OnlyWhoCanBe,
            Some(_) => Self::WhoCanBe,
        }
    }
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

/// Plans the message to one person at `now`; `suppressed` says why the address gets no mail.
pub fn plan(
    candidate: &Candidate,
    suppressed: Option<SkipReason>,
    rules: &Rules,
    now: Instant,
    entropy: &dyn Entropy,
) -> NewMessage {
    // An answer needs a page to be given on.
    let asks = rules.asking != Asking::Nobody
        && rules.route != RouteKind::None
        && may_be_asked(candidate.consent, candidate.asked_at, now);
    let not_to_be_asked = rules.asking == Asking::OnlyWhoCanBe && !asks;
    let skip = suppressed.or(not_to_be_asked.then_some(SkipReason::NotToBeAsked));
    let (mut mode, mut reason) = tracking(rules, candidate.consent);
    if asks {
        (mode, reason) = (TrackingMode::None, Some(NotTrackedReason::AsksConsent));
    }
    if mode == TrackingMode::Personal && candidate.tracked_lately >= rules.cap {
        (mode, reason) = (TrackingMode::None, Some(NotTrackedReason::FrequencyCap));
    }
    let pixel = mode == TrackingMode::Personal && skip.is_none();
    NewMessage {
        contact: candidate.contact,
        contact_revision: candidate.revision,
        email: candidate.email.clone(),
        address_hash: address_hash(&rules.key, &candidate.email_key),
        skip,
        asks: asks && skip.is_none(),
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
/// consent given in between waits for the next campaign. Who answered or was asked in between is not asked again.
/// The mail goes to the address that the person has now.
pub fn recheck(letter: &Letter, rules: &Rules, now: Instant) -> Recheck {
    let Some(person) = &letter.person else {
        return Recheck::Erased;
    };
    let (mut mode, mut reason) = tracking(rules, person.consent);
    if letter.tracking >= mode {
        (mode, reason) = (letter.tracking, letter.not_tracked);
    }
    // A refusal destroyed the token, and a consent since does not bring it back.
    if mode == TrackingMode::Personal && letter.pixel_token.is_none() {
        (mode, reason) = (TrackingMode::None, Some(NotTrackedReason::Refused));
    }
    let asks = letter.asks && may_be_asked(person.consent, person.asked_at, now);
    if letter.asks && !asks {
        (mode, reason) = match person.consent {
            ConsentState::Refused => (TrackingMode::None, Some(NotTrackedReason::Refused)),
            _ => (TrackingMode::None, Some(NotTrackedReason::UnknownConsent)),
        };
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
        asks,
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
            asking: Asking::Nobody,
        }
    }

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn now() -> Instant {
        at("2026-09-01T08:00:00Z")
    }

    fn candidate(consent: ConsentState) -> Candidate {
        Candidate {
            contact: ContactId(1),
            email: "Ana@example.org".into(),
            email_key: "ana@example.org".into(),
            revision: 3,
            consent,
            tracked_lately: 0,
            asked_at: None,
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
            pixel_token: (tracking == TrackingMode::Personal)
                .then(|| Token::generate(&SeededEntropy::new(2))),
            preference_token: Token::generate(&SeededEntropy::new(1)),
            asks: false,
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
                asked_at: None,
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
            let message = plan(candidate, None, rules, now(), &entropy);
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
            now(),
            &SeededEntropy::new(1),
        );
        assert_eq!(message.skip, Some(SkipReason::Unsubscribed));
        assert_eq!(message.pixel_token, None);
    }

    #[test]
    fn at_claim_the_strictest_of_frozen_and_now_holds() {
        use ConsentState as S;
        use TrackingMode as M;
        let mode = |frozen, consent| match recheck(&letter(frozen, consent), &rules(), now()) {
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
        assert_eq!(recheck(&gone, &rules(), now()), Recheck::Erased);
    }

    #[test]
    fn a_token_that_a_refusal_destroyed_does_not_come_back() {
        let destroyed = Letter {
            pixel_token: None,
            ..letter(TrackingMode::Personal, ConsentState::Granted)
        };
        let Recheck::Send(sent) = recheck(&destroyed, &rules(), now()) else {
            panic!("the person is there");
        };
        assert_eq!(
            (sent.tracking, sent.not_tracked),
            (TrackingMode::None, Some(NotTrackedReason::Refused))
        );
    }

    #[test]
    fn only_who_can_be_asked_is_asked_and_then_without_a_pixel() {
        use Asking::{Nobody, OnlyWhoCanBe, WhoCanBe};
        use ConsentState as S;
        use NotTrackedReason as R;
        use SkipReason::NotToBeAsked;
        use TrackingMode as M;
        let lately = Some(at("2026-03-02T08:00:00Z"));
        let long_ago = Some(at("2026-03-01T08:00:00Z"));
        let table = [
            (Nobody, S::Unknown, None, false, None, (M::Personal, None)),
            (
                WhoCanBe,
                S::Unknown,
                None,
                true,
                None,
                (M::None, Some(R::AsksConsent)),
            ),
            (
                WhoCanBe,
                S::Unknown,
                long_ago,
                true,
                None,
                (M::None, Some(R::AsksConsent)),
            ),
            (WhoCanBe, S::Unknown, lately, false, None, (M::Personal, None)),
            (WhoCanBe, S::Granted, None, false, None, (M::Personal, None)),
            (
                WhoCanBe,
                S::Refused,
                None,
                false,
                None,
                (M::None, Some(R::Refused)),
            ),
            (
                OnlyWhoCanBe,
                S::Unknown,
                None,
                true,
                None,
                (M::None, Some(R::AsksConsent)),
            ),
            (
                OnlyWhoCanBe,
                S::Unknown,
                lately,
                false,
                Some(NotToBeAsked),
                (M::Personal, None),
            ),
            (
                OnlyWhoCanBe,
                S::Granted,
                None,
                false,
                Some(NotToBeAsked),
                (M::Personal, None),
            ),
            (
                OnlyWhoCanBe,
                S::Refused,
                None,
                false,
                Some(NotToBeAsked),
                (M::None, Some(R::Refused)),
            ),
        ];
        for (asking, consent, asked_at, asks, skip, tracked) in table {
            // Where everybody else is measured, so that the question is seen to end it.
            let rules = Rules {
                asking,
                unknown: UnknownPolicy::Personal,
                ..rules()
            };
            let person = Candidate {
                asked_at,
                ..candidate(consent)
            };
            let message = plan(&person, None, &rules, now(), &SeededEntropy::new(1));
            let found = (
                message.asks,
                message.skip,
                (message.tracking, message.not_tracked),
            );
            assert_eq!(found, (asks, skip, tracked), "{asking:?} {consent} {asked_at:?}");
            assert!(!(message.asks && message.pixel_token.is_some()));
        }
        let nowhere = Rules {
            asking: WhoCanBe,
            route: RouteKind::None,
            ..rules()
        };
        let message = plan(
            &candidate(S::Unknown),
            None,
            &nowhere,
            now(),
            &SeededEntropy::new(1),
        );
        assert!(!message.asks, "without a page nobody can answer");
    }

    #[test]
    fn who_answered_or_was_asked_since_is_not_asked_at_claim() {
        use ConsentState as S;
        let ask = |consent, asked_at| {
            let mut asking = Letter {
                asks: true,
                not_tracked: Some(NotTrackedReason::AsksConsent),
                ..letter(TrackingMode::None, consent)
            };
            if let Some(person) = &mut asking.person {
                person.asked_at = asked_at;
            }
            match recheck(&asking, &rules(), now()) {
                Recheck::Send(sent) => (sent.asks, sent.tracking, sent.not_tracked),
                Recheck::Erased => panic!("the person is there"),
            }
        };
        let none = TrackingMode::None;
        assert_eq!(
            ask(S::Unknown, None),
            (true, none, Some(NotTrackedReason::AsksConsent))
        );
        assert_eq!(
            ask(S::Unknown, Some(now())),
            (false, none, Some(NotTrackedReason::UnknownConsent)),
            "another mail asked meanwhile"
        );
        assert_eq!(
            ask(S::Granted, None),
            (false, none, Some(NotTrackedReason::UnknownConsent))
        );
        assert_eq!(
            ask(S::Refused, None),
            (false, none, Some(NotTrackedReason::Refused))
        );
        let Recheck::Send(sent) = recheck(&letter(none, S::Unknown), &rules(), now()) else {
            panic!("the person is there");
        };
        assert!(!sent.asks, "whose mail was not planned to ask is not asked");
    }
}
