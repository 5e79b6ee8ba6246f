//! Tracking consent: what a person said, what the workspace does where nobody was asked, and the strictest of both.

use super::campaign::CampaignTracking;
use super::message::{NotTrackedReason, TrackingMode};
use super::text_enum;

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
}
