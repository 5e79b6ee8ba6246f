//! Words for what is shown of a report: states, reasons, lengths of time.

use crate::api::Unmeasured;
use crate::domain::label::{LabelKind, Says};
use crate::domain::message::{NotTrackedReason, SkipReason, TrackingMode};
use crate::domain::open::Signal;
use chrono::TimeDelta;

/// What stands beside every estimate.
pub const ASSUMPTION: &str =
    "Estimate: assumes Apple-privacy readers behave like the others. It cannot be checked.";

/// Returns why there is no rate, in a sentence.
pub fn unmeasured(why: Unmeasured) -> &'static str {
    match why {
        Unmeasured::NothingAccepted => "No mail of this campaign was accepted yet.",
        Unmeasured::NoPixel => "No mail of this campaign carried a pixel of its own.",
        Unmeasured::NotOpen => "The window has not opened yet, and nothing came before it.",
        Unmeasured::NeverReachable => {
            "Readers' mail clients could not reach this computer at any time in the window so far. \
             Nothing came, and nothing could have come."
        }
    }
}

/// Why a request was judged as it was, in a sentence, by the reason that the judge notes.
const WHY: &[(&str, &str)] = &[
    (
        "head",
        "Taken for a scanner: it asked for the headers only, which no mail client does.",
    ),
    (
        "before_accept",
        "Taken for a scanner: it came before the mail server had taken the mail.",
    ),
    (
        "apple_mpp",
        "Apple's mail privacy fetches every picture: whether anyone looked cannot be known.",
    ),
    (
        "gmail_prefetch",
        "Gmail fetches pictures ahead of the reader: whether anyone looked cannot be known.",
    ),
    (
        "apple_background",
        "Apple's background sync fetched it: whether anyone looked cannot be known.",
    ),
    (
        "says_prefetch",
        "The request says of itself that it is ahead of the reader: whether anyone looked cannot be known.",
    ),
    (
        "network",
        "Taken for a security scanner: it came from a mail filter's own network.",
    ),
    (
        "named_proxy",
        "Taken for a person: this image proxy fetches when somebody looks.",
    ),
    (
        "proxy_too_fast",
        "Cannot be told: an image proxy, but sooner after delivery than anybody looks.",
    ),
    (
        "named_scanner",
        "Taken for a security scanner: the program names itself as one.",
    ),
    (
        "impossible_ua",
        "Taken for a security scanner: it claims to be a browser that never was.",
    ),
    (
        "named_bot",
        "Taken for a crawler: the program names itself as one.",
    ),
    (
        "names_its_owner",
        "Taken for a crawler: it names its operator, as crawlers do.",
    ),
    (
        "names_itself",
        "Taken for a crawler: a browser's user agent with the crawler's own name behind it.",
    ),
    (
        "speaks_of_work",
        "Taken for a crawler: its name says what a machine does, and nothing in it can draw a page.",
    ),
    (
        "named_library",
        "Taken for a program: it names a programming library.",
    ),
    ("no_ua", "Cannot be told: the request does not say what sent it."),
    (
        "burst",
        "Taken for a security scanner: three networks asked for it within two minutes, or three addresses \
         within 30 seconds.",
    ),
    (
        "fan_out",
        "Taken for a security scanner: one address fetched the pictures of many readers at several mail \
         domains within minutes.",
    ),
    (
        "probable_network",
        "Taken for a security scanner: it came within ten minutes of delivery from a network that mail \
         filters use.",
    ),
    (
        "instant",
        "Taken for a security scanner: it came sooner after delivery than anybody looks.",
    ),
    (
        "fast",
        "Cannot be told: it came within seconds of delivery, from a person or a scanner.",
    ),
    (
        "gateway_domain",
        "Cannot be told: other mails to the same domain were scanned at delivery, and this came as fast.",
    ),
    (
        "scanner_address",
        "Cannot be told: the same address asked for other mails faster than people do.",
    ),
    (
        "private_relay",
        "Taken for a person: a browser that reaches us through Apple's Private Relay.",
    ),
    ("mail_client", "Taken for a person: a mail program fetched it."),
    ("browser", "Taken for a person: a browser fetched it."),
    ("phone_app", "Taken for a person: an app on a phone fetched it."),
    (
        "apple_app",
        "Taken for a person: an app on a Mac or an iPhone fetched it.",
    ),
    (
        "unrecognised",
        "Cannot be told: nothing is known of the program that asked.",
    ),
    ("labelled_hit", "You said what this was."),
    (
        "labelled_domain",
        "You said so of everything that fetches mails to this domain.",
    ),
    ("labelled_network", "You said so of everything from this network."),
];

/// Returns what the user said of a look, of all to its domain, or of all from its network.
pub fn said(kind: LabelKind, says: Says) -> &'static str {
    match (kind, says) {
        (LabelKind::Hit, Says::Person) => "You said that this was a person.",
        (LabelKind::Hit, Says::Machine) => "You said that this was a machine.",
        (LabelKind::Hit, Says::Unknown) => "You said that this cannot be told.",
        (LabelKind::Domain, Says::Machine) => "You said that machines fetch all mails to this domain.",
        (LabelKind::Domain, _) => "You said that for mails to this domain it cannot be told.",
        (LabelKind::Network, Says::Machine) => "You said that all from this network are machines.",
        (LabelKind::Network, _) => "You said that for this network it cannot be told.",
    }
}

/// What is said of a verdict that cannot be judged again.
pub const KEPT: &str = "Kept verdict: the evidence is gone.";

/// Returns why a request was judged as it was; a rule of another version is named as it is.
pub fn why(reason: &str) -> String {
    match WHY.iter().find(|(known, _)| *known == reason) {
        Some((_, sentence)) => (*sentence).to_owned(),
        None if reason.is_empty() => String::new(),
        None => format!(
            "Judged by a rule of another version: {}.",
            reason.replace('_', " ")
        ),
    }
}

/// Returns a place in a row in words: "second" to "tenth", then "11th".
pub fn ordinal(n: usize) -> String {
    const WORDS: [&str; 10] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    ];
    match (n.checked_sub(1).and_then(|at| WORDS.get(at)), n % 10, n % 100) {
        (Some(word), ..) => (*word).to_owned(),
        (None, 1, tens) if tens != 11 => format!("{n}st"),
        (None, 2, tens) if tens != 12 => format!("{n}nd"),
        (None, 3, tens) if tens != 13 => format!("{n}rd"),
        _ => format!("{n}th"),
    }
}

/// Returns what is said where several clients looked at one mail; nothing where it was one. They are never called
/// readers: a phone and a computer are one person's as often as a forwarded mail is two persons'.
pub fn environments(n: u32) -> String {
    match n {
        0 | 1 => String::new(),
        n => format!(
            "Looked at in {n} environments: one person's devices and places, or somebody it was forwarded to. It counts as one."
        ),
    }
}

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
    } else if percent > 99.5 && percent < 100.0 {
        // What is not all is not said to be all.
        format!("{:.1} %", percent.min(99.9))
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

    /// What the judge may note: the rules on one request, those on several, and the user's own word.
    const REASONS: [&str; 33] = [
        "head",
        "before_accept",
        "apple_mpp",
        "gmail_prefetch",
        "apple_background",
        "says_prefetch",
        "network",
        "named_proxy",
        "proxy_too_fast",
        "named_scanner",
        "impossible_ua",
        "named_bot",
        "names_its_owner",
        "names_itself",
        "speaks_of_work",
        "named_library",
        "no_ua",
        "burst",
        "fan_out",
        "probable_network",
        "instant",
        "fast",
        "gateway_domain",
        "scanner_address",
        "private_relay",
        "mail_client",
        "browser",
        "apple_app",
        "phone_app",
        "unrecognised",
        "labelled_hit",
        "labelled_domain",
        "labelled_network",
    ];

    #[test]
    fn every_reason_has_one_sentence() {
        for reason in REASONS {
            assert_eq!(
                WHY.iter().filter(|(known, _)| *known == reason).count(),
                1,
                "{reason}"
            );
            let sentence = why(reason);
            assert!(
                sentence.ends_with('.') && !sentence.contains('_'),
                "{reason}: {sentence}"
            );
            assert_eq!(sentence.matches(". ").count(), 0, "one sentence: {sentence}");
        }
        assert_eq!(WHY.len(), REASONS.len(), "no sentence without a rule");
        assert_eq!(
            why("newer_rule"),
            "Judged by a rule of another version: newer rule."
        );
    }

    #[test]
    fn every_reason_of_the_judge_is_known() {
        let mut found = 0;
        for source in [
            include_str!("../tracking/classify.rs"),
            include_str!("../tracking/judge.rs"),
        ] {
            let texts = source.split('"').collect::<Vec<_>>();
            for pair in texts.windows(2).step_by(2) {
                let (code, text) = (pair[0].trim_end(), pair[1]);
                // A reason stands behind its class, or first in what is told of a prefetcher.
                let behind_class = code.ends_with(',')
                    && code.rsplit([' ', '(']).next().is_some_and(|word| {
                        word.starts_with("HitClass::")
                            || word.ends_with("told.class,")
                            || word.ends_with("),")
                    });
                let is_word = !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                if is_word && (behind_class || text.contains('_')) {
                    found += 1;
                    assert!(
                        WHY.iter().any(|(known, _)| *known == text),
                        "{text} has no sentence"
                    );
                }
            }
        }
        assert!(found > 25, "the judge names its reasons in its text: {found}");
    }

    #[test]
    fn places_in_a_row_are_words() {
        for (n, word) in [
            (1, "first"),
            (2, "second"),
            (10, "tenth"),
            (11, "11th"),
            (21, "21st"),
            (112, "112th"),
        ] {
            assert_eq!(ordinal(n), word);
        }
    }

    #[test]
    fn several_clients_are_environments_and_never_readers() {
        assert_eq!(environments(1), "");
        let said = environments(2);
        assert!(
            said.contains("2 environments") && !said.contains("reader"),
            "{said}"
        );
    }

    #[test]
    fn a_person_who_refused_is_told_of_without_a_gender() {
        assert_eq!(
            note("Ana", TrackingMode::None, NotTrackedReason::Refused),
            "Ana asked not to be tracked. Their mail carries no pixel."
        );
    }
}
