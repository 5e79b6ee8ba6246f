//! Tracking consent: what a person said, what the workspace does where nobody was asked, and the strictest of both.

use super::campaign::CampaignTracking;
use super::message::{NotTrackedReason, TrackingMode};
use super::text_enum;
use crate::clock::Instant;
use chrono::Months;

/// For how many calendar months nobody is asked again, whether they answered or not.
pub const ASK_AGAIN_MONTHS: u32 = 6;

text_enum! {
    /// What a person said about being tracked; apart from whether they want the mail.
    ConsentState {
        /// Said yes; time, source and wording are kept.
        Granted = "granted",
        /// Said no.
        Refused = "refused",
        /// Was never asked, or did not answer.
        Unknown = "unknown",
    }
}

text_enum! {
    /// What the workspace does with people whose tracking consent is unknown.
    UnknownPolicy {
        /// Their mail carries a pixel of its own.
        Personal = "personal",
        /// Their mail carries the campaign's shared pixel, which identifies nobody.
        Shared = "shared",
        /// Their mail carries no pixel: the choice for readers in the EU and the UK.
        None = "none",
    }
}

/// One thing that a person said about tracking, with its proof.
///
/// A grant without source and wording cannot be made: it would prove nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentWord {
    state: ConsentState,
    source: String,
    wording: String,
}

/// Why a word on tracking cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// A grant without source.
    #[error("consent that was granted needs its source: by which way the person said yes")]
    SourceMissing,
    /// A grant without wording.
    #[error("consent that was granted needs its wording: the words that the person agreed to")]
    WordingMissing,
    /// Longer than anybody reads.
    #[error("source or wording is too long; at most 200 and 10,000 characters are kept")]
    TooLong,
    /// A NUL or the like.
    #[error("source or wording contains a control character")]
    ControlCharacter,
}

impl ConsentWord {
    /// Checks a word; a grant needs `source` and `wording`.
    pub fn new(state: ConsentState, source: &str, wording: &str) -> Result<Self, ConsentError> {
        let (source, wording) = (source.trim(), wording.trim());
        if state == ConsentState::Granted && source.is_empty() {
            return Err(ConsentError::SourceMissing);
        }
        if state == ConsentState::Granted && wording.is_empty() {
            return Err(ConsentError::WordingMissing);
        }
        if source.chars().count() > 200 || wording.chars().count() > 10_000 {
            return Err(ConsentError::TooLong);
        }
        let is_bad = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
        if source.chars().any(char::is_control) || wording.chars().any(is_bad) {
            return Err(ConsentError::ControlCharacter);
        }
        Ok(Self {
            state,
            source: source.to_owned(),
            wording: wording.to_owned(),
        })
    }

    /// Returns a refusal that came by the way `source`; it needs no more proof than that.
    pub fn refusal(source: &'static str) -> Self {
        Self {
            state: ConsentState::Refused,
            source: source.to_owned(),
            wording: String::new(),
        }
    }

    /// What was said.
    pub fn state(&self) -> ConsentState {
        self.state
    }

    /// By which way; may be empty unless granted.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The words agreed to; may be empty unless granted.
    pub fn wording(&self) -> &str {
        &self.wording
    }

    /// Tells whether a bulk import with this word changes a person who is `held` now.
    ///
    /// An import never overrides what a person said themselves: a refusal stays, and so does a grant unless the
    /// import brings a refusal.
    pub fn import_changes(&self, held: ConsentState) -> bool {
        match (held, self.state) {
            (ConsentState::Refused, _) | (_, ConsentState::Unknown) => false,
            (ConsentState::Granted, ConsentState::Granted) => false,
            (ConsentState::Unknown | ConsentState::Granted, _) => true,
        }
    }
}

/// Tells whether a person may be asked at `now` for consent to tracking: who has not answered, and was not asked
/// within the last [`ASK_AGAIN_MONTHS`], by the calendar in UTC.
pub fn may_be_asked(consent: ConsentState, asked_at: Option<Instant>, now: Instant) -> bool {
    let is_over = |asked: Instant| {
        asked
            .checked_add_months(Months::new(ASK_AGAIN_MONTHS))
            .is_some_and(|again| again <= now)
    };
    consent == ConsentState::Unknown && asked_at.is_none_or(is_over)
}

/// Decides how one mail may be tracked: the strictest of person and campaign wins.
///
/// The one rule behind planning, rendering, recording and reporting (`docs/privacy.md`).
/// Returns the mode and, unless it is personal, the reason.
pub fn decide(
    consent: ConsentState,
    policy: UnknownPolicy,
    campaign: CampaignTracking,
) -> (TrackingMode, Option<NotTrackedReason>) {
    let (person, person_reason) = match (consent, policy) {
        (ConsentState::Refused, _) => (TrackingMode::None, Some(NotTrackedReason::Refused)),
        (ConsentState::Granted, _) | (ConsentState::Unknown, UnknownPolicy::Personal) => {
            (TrackingMode::Personal, None)
        }
        (ConsentState::Unknown, UnknownPolicy::Shared) => {
            (TrackingMode::Shared, Some(NotTrackedReason::UnknownConsent))
        }
        (ConsentState::Unknown, UnknownPolicy::None) => {
            (TrackingMode::None, Some(NotTrackedReason::UnknownConsent))
        }
    };
    let (campaign, campaign_reason) = match campaign {
        CampaignTracking::Individual => (TrackingMode::Personal, None),
        CampaignTracking::Aggregate => (TrackingMode::Shared, Some(NotTrackedReason::SharedPixel)),
        CampaignTracking::Off => (TrackingMode::None, Some(NotTrackedReason::CampaignOff)),
    };
    // A person's own word names the reason where both are as strict as each other.
    if person >= campaign {
        (person, person_reason)
    } else {
        (campaign, campaign_reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_never_tracked_whatever_the_campaign_says() {
        for policy in UnknownPolicy::ALL {
            for campaign in CampaignTracking::ALL {
                let (mode, reason) = decide(ConsentState::Refused, *policy, *campaign);
                assert_eq!(mode, TrackingMode::None, "refused means no pixel of any kind");
                assert_eq!(
                    reason,
                    Some(NotTrackedReason::Refused),
                    "the person's word is the reason"
                );
            }
        }
    }

    #[test]
    fn the_strictest_of_person_and_campaign_wins() {
        use CampaignTracking as C;
        use ConsentState as S;
        use TrackingMode as M;
        use UnknownPolicy as P;
        let table = [
            (S::Granted, P::None, C::Individual, M::Personal),
            (S::Granted, P::Personal, C::Aggregate, M::Shared),
            (S::Granted, P::Personal, C::Off, M::None),
            (S::Unknown, P::Personal, C::Individual, M::Personal),
            (S::Unknown, P::Shared, C::Individual, M::Shared),
            (S::Unknown, P::None, C::Individual, M::None),
            (S::Unknown, P::Personal, C::Aggregate, M::Shared),
            (S::Unknown, P::Shared, C::Off, M::None),
        ];
        for (consent, policy, campaign, mode) in table {
            assert_eq!(
                decide(consent, policy, campaign).0,
                mode,
                "{consent} {policy} {campaign}"
            );
        }
    }

    #[test]
    fn nobody_is_asked_twice_within_six_months_nor_after_an_answer() {
        use ConsentState as S;
        let at = |text: &str| -> Instant { text.parse().unwrap() };
        let now = at("2026-08-31T09:00:00Z");
        for (consent, asked, may) in [
            (S::Unknown, None, true),
            (S::Granted, None, false),
            (S::Refused, None, false),
            (S::Unknown, Some("2026-08-31T08:59:59Z"), false),
            (S::Unknown, Some("2026-03-01T00:00:00Z"), false),
            (S::Unknown, Some("2026-02-28T23:59:59Z"), true),
            (S::Unknown, Some("2025-02-28T09:00:00Z"), true),
            // The clock was set back since: nobody is asked sooner for that.
            (S::Unknown, Some("2027-01-01T00:00:00Z"), false),
            (S::Granted, Some("2020-01-01T00:00:00Z"), false),
            (S::Refused, Some("2020-01-01T00:00:00Z"), false),
        ] {
            assert_eq!(
                may_be_asked(consent, asked.map(at), now),
                may,
                "{consent} {asked:?}"
            );
        }
        let leap = at("2025-08-31T00:00:00Z");
        assert!(
            may_be_asked(S::Unknown, Some(leap), at("2026-02-28T00:00:00Z")),
            "six months behind the 31st is the month's last day"
        );
    }

    #[test]
    fn a_grant_without_its_proof_cannot_be_made() {
        use ConsentState::*;
        assert_eq!(
            ConsentWord::new(Granted, " ", "yes"),
            Err(ConsentError::SourceMissing)
        );
        assert_eq!(
            ConsentWord::new(Granted, "form", " "),
            Err(ConsentError::WordingMissing)
        );
        assert!(ConsentWord::new(Granted, "form 2026-03", "You may measure opens").is_ok());
        assert!(
            ConsentWord::new(Refused, "", "").is_ok(),
            "a refusal needs no proof"
        );
    }

    #[test]
    fn an_import_never_overrides_a_refusal() {
        use ConsentState::*;
        let word = |state| ConsentWord::new(state, "form", "words").unwrap();
        for (held, said, changes) in [
            (Refused, Granted, false),
            (Refused, Unknown, false),
            (Refused, Refused, false),
            (Granted, Refused, true),
            (Granted, Unknown, false),
            (Granted, Granted, false),
            (Unknown, Granted, true),
            (Unknown, Refused, true),
            (Unknown, Unknown, false),
        ] {
            assert_eq!(word(said).import_changes(held), changes, "{said} over {held}");
        }
    }
}
