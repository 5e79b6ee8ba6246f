//! Words for what is shown of a report: states, reasons, lengths of time.

use crate::domain::message::{NotTrackedReason, SkipReason, TrackingMode};
use crate::domain::open::Signal;
use chrono::TimeDelta;

/// Returns what is said of a signal.
pub fn signal(signal: Signal) -> &'static str {
    match signal {
        Signal::Human => "confirmed",
        Signal::Unknown => "unknown",
        Signal::MachineOnly => "machines only",
        Signal::None => "no signal",
    }
}

/// Returns why mails are not measured, as a part of a list.
pub fn not_tracked(reason: NotTrackedReason) -> &'static str {
    match reason {
        NotTrackedReason::Refused => "asked not to be tracked",
        NotTrackedReason::UnknownConsent => "were not asked about tracking",
        NotTrackedReason::CampaignOff => "the campaign does not track",
        NotTrackedReason::SharedPixel => "one pixel for all readers",
        NotTrackedReason::NoAddress => "no address that readers can reach",
        NotTrackedReason::FrequencyCap => "had their share of tracked mails",
        NotTrackedReason::AsksConsent => "are being asked",
        NotTrackedReason::Erased => "erased",
    }
}

/// Returns why somebody got no mail.
pub fn skipped(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Unsubscribed => "Not sent: the address had unsubscribed.",
        SkipReason::Suppressed => "Not sent: mail to the address is stopped.",
        SkipReason::Erased => "Not sent: the person was erased.",
        SkipReason::RenderFailed => "Not sent: the mail could not be made for this person.",
        SkipReason::NotToBeAsked => "Not sent: was asked in the last six months, or has answered.",
    }
}

/// Returns the sentence that says why one person's mail is not measured; `name` is what to call them.
pub fn note(name: &str, mode: TrackingMode, reason: NotTrackedReason) -> String {
    let who = if name.is_empty() { "This person" } else { name };
    match (reason, mode) {
        (NotTrackedReason::Refused, _) => {
            format!("{who} asked not to be tracked. Their mail carries no pixel.")
        }
        (NotTrackedReason::UnknownConsent, TrackingMode::Shared) => format!(
            "{who} was never asked about tracking. Their mail carries the shared pixel, which identifies nobody."
        ),
        (NotTrackedReason::UnknownConsent, _) => {
            format!("{who} was never asked about tracking. Their mail carries no pixel.")
        }
        (NotTrackedReason::CampaignOff, _) => {
            "This campaign does not track. Its mails carry no pixel.".to_owned()
        }
        (NotTrackedReason::SharedPixel, _) => {
            "All mails of this campaign carry the same pixel, which identifies nobody.".to_owned()
        }
        (NotTrackedReason::NoAddress, _) => {
            "The mail was sent without an address that readers can reach, so opens are not measured."
                .to_owned()
        }
        (NotTrackedReason::FrequencyCap, _) => format!(
            "{who} got as many tracked mails in 30 days as the cap allows. This mail carries no pixel."
        ),
        (NotTrackedReason::AsksConsent, _) => {
            format!("This mail asks {who} whether opens may be counted. It carries no pixel.")
        }
        (NotTrackedReason::Erased, _) if !name.is_empty() => {
            format!("What was recorded about {name} was erased.")
        }
        (NotTrackedReason::Erased, _) => {
            "This person was erased. What was recorded about them is gone.".to_owned()
        }
    }
}

/// Returns a length of time in its two largest units: "25 s", "2 h 45 min", "3 days 4 h".
pub fn length(delta: TimeDelta) -> String {
    let seconds = delta.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let pair = |large: String, small: i64, unit: &str| match small {
        0 => large,
        n => format!("{large} {n} {unit}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => pair(format!("{hours} h"), minutes, "min"),
        (1, ..) => pair("1 day".to_owned(), hours, "h"),
        _ => pair(format!("{days} days"), hours, "h"),
    }
}

/// Returns a fraction as a whole percentage; small ones with a digit behind the point.
pub fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if percent > 0.0 && percent < 10.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_their_two_largest_units() {
        for (seconds, words) in [
            (-5, "0 s"),
            (25, "25 s"),
            (60 * 20 + 59, "20 min"),
            (2 * 3600 + 45 * 60, "2 h 45 min"),
            (3 * 3600, "3 h"),
            (86_400 + 4 * 3600, "1 day 4 h"),
            (86_400 * 3, "3 days"),
        ] {
            assert_eq!(length(TimeDelta::seconds(seconds)), words);
        }
    }

    #[test]
    fn a_person_who_refused_is_told_of_without_a_gender() {
        assert_eq!(
            note("Ana", TrackingMode::None, NotTrackedReason::Refused),
            "Ana asked not to be tracked. Their mail carries no pixel."
        );
    }
}
