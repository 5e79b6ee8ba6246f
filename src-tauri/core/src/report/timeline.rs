//! What happened to one message, as sentences in time order.

use super::words;
use crate::api::{LabelMark, TimelineEntry, TimelineKind};
use crate::clock::Instant;
use crate::domain::message::{NotTrackedReason, SkipReason, TrackingMode};
use crate::domain::open::HitClass;
use crate::domain::window::Window;
use crate::ids::HitId;
use chrono::TimeDelta;

/// What is stored of one message.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The first name, or what else to call the person; empty once erased.
    pub name: String,
    /// Where the mail went out: a host's name; empty for the practice outbox.
    pub host: String,
    /// Written into the workspace instead of being sent.
    pub practice: bool,
    /// When the server took it.
    pub accepted_at: Option<Instant>,
    /// How it was tracked, and why not.
    pub not_tracked: Option<(TrackingMode, NotTrackedReason)>,
    /// Why it was not sent.
    pub skipped: Option<SkipReason>,
    /// What the ledger noted: when, what, the server's words.
    pub events: Vec<(Instant, TimelineKind, String)>,
    /// When the person refused tracking on any way.
    pub refusals: Vec<Instant>,
    /// Requests for its pixel.
    pub hits: Vec<Hit>,
    /// Requests that were only counted: before the window, after it, beyond the cap.
    pub uncounted: [u32; 3],
    /// The last request that was counted or stored.
    pub last_hit_at: Option<Instant>,
    /// The campaign's window.
    pub window: Option<Window>,
    /// Clients with which people looked at it.
    pub environments: u32,
}

/// How long a look may still be judged otherwise by what comes beside it: until then it is shown as being checked.
pub const CHECKING: TimeDelta = TimeDelta::minutes(3);

/// A stored request for a pixel.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Its id.
    pub id: HitId,
    /// When.
    pub at: Instant,
    /// What it was taken for.
    pub class: HitClass,
    /// The rule.
    pub reason: String,
    /// The client's family; may be empty.
    pub client: String,
    /// It begins a new look.
    pub new_look: bool,
    /// Its evidence is gone.
    pub settled: bool,
    /// The network it came from.
    pub network: String,
    /// What the user says of it.
    pub label: Option<LabelMark>,
}

/// Tells what happened, in time order, as of `now`.
pub fn entries(source: &Source, now: Instant) -> Vec<TimelineEntry> {
    let mut entries: Vec<TimelineEntry> = source
        .events
        .iter()
        .map(|(at, kind, reply)| match by_user(*kind, reply) {
            Some(text) => entry(*at, *kind, text.to_owned()),
            None => TimelineEntry {
                reply: reply.clone(),
                ..entry(*at, *kind, event_text(source, *kind))
            },
        })
        .collect();
    // A refusal on the mail's own page is an event already, at the same instant.
    let known: Vec<Instant> = of_kind(&entries, TimelineKind::OptedOut);
    let sent = source.accepted_at;
    for at in &source.refusals {
        if sent.is_some_and(|sent| *at >= sent) && !known.contains(at) {
            entries.push(entry(*at, TimelineKind::OptedOut, OPTED_OUT.to_owned()));
        }
    }
    let mut looks = 0;
    for hit in &source.hits {
        looks += usize::from(counts(hit));
        entries.push(hit_entry(source, hit, looks, now));
    }
    entries.extend(uncounted(source));
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// The words of events that the user caused.
pub const SENT_AGAIN: &str = "you asked for it to be sent again";
/// As [`SENT_AGAIN`].
pub const MARKED_SENT: &str = "you said that it was sent";

const OPTED_OUT: &str = "Opted out of tracking. Later looks are not recorded.";

fn of_kind(entries: &[TimelineEntry], kind: TimelineKind) -> Vec<Instant> {
    entries
        .iter()
        .filter(|entry| entry.kind == kind)
        .map(|entry| entry.at)
        .collect()
}

fn entry(at: Instant, kind: TimelineKind, text: String) -> TimelineEntry {
    TimelineEntry {
        at,
        kind,
        text,
        reply: String::new(),
        class: None,
        reason: String::new(),
        hit: None,
        counted: false,
        client: String::new(),
        why: String::new(),
        checking_until: None,
        settled: false,
        network: String::new(),
        label: None,
    }
}

/// Says what the user did by hand; `None` of everything else.
fn by_user(kind: TimelineKind, reply: &str) -> Option<&'static str> {
    match (kind, reply) {
        (TimelineKind::Queued, SENT_AGAIN) => Some("Put into the queue again, because you asked for it."),
        (TimelineKind::Accepted, MARKED_SENT) => Some("You said that it was sent."),
        _ => None,
    }
}

fn event_text(source: &Source, kind: TimelineKind) -> String {
    match kind {
        TimelineKind::Queued => "Put into the queue at launch.",
        TimelineKind::Accepted if source.practice => "Written into the practice outbox.",
        TimelineKind::Accepted if !source.host.is_empty() => {
            return format!("Accepted by {}.", source.host);
        }
        TimelineKind::Accepted => "Accepted by the mail server.",
        TimelineKind::Deferred => "The mail server asked to try again later.",
        TimelineKind::Rejected => "The mail server refused it.",
        TimelineKind::Uncertain => {
            "The connection broke while the mail was handed over. Whether it left cannot be known; it is not sent again by itself."
        }
        TimelineKind::Skipped => match source.skipped {
            Some(reason) => words::skipped(reason),
            None => "Not sent.",
        },
        TimelineKind::Cancelled => "Cancelled before it left.",
        TimelineKind::OptedOut => OPTED_OUT,
        TimelineKind::Unsubscribed => "Unsubscribed. This address gets no more mail.",
        TimelineKind::Bounced => "It came back.",
        TimelineKind::Complained => "Reported as unwanted. This address gets no more mail.",
        TimelineKind::Hit | TimelineKind::Counted => "",
    }
    .to_owned()
}

/// A look of its own by a person: what a rate may count.
fn counts(hit: &Hit) -> bool {
    hit.new_look && hit.class.is_human()
}

/// `looks` is how many looks by people there were up to this one.
fn hit_entry(source: &Source, hit: &Hit, looks: usize, now: Instant) -> TimelineEntry {
    let until = hit.at + CHECKING;
    TimelineEntry {
        class: Some(hit.class),
        reason: hit.reason.clone(),
        hit: Some(hit.id),
        counted: counts(hit),
        client: hit.client.clone(),
        why: why(hit),
        // What came around a look makes it a machine's at most; what was a machine's stays one.
        checking_until: (now < until && !hit.class.is_machine()).then_some(until),
        settled: hit.settled,
        network: hit.network.clone(),
        label: hit.label.clone(),
        ..entry(hit.at, TimelineKind::Hit, hit_text(source, hit, looks))
    }
}

/// What the user said, or else the rule; and that it stays so where it can no longer be judged.
fn why(hit: &Hit) -> String {
    match &hit.label {
        Some(label) => words::said(label.kind, label.says).to_owned(),
        None if hit.settled => format!("{} {}", words::why(&hit.reason), words::KEPT),
        None => words::why(&hit.reason),
    }
}

fn hit_text(source: &Source, hit: &Hit, looks: usize) -> String {
    if !hit.new_look {
        return match hit.class.is_human() {
            true => "Again within 30 minutes, counted once.".to_owned(),
            false => "Again by the same machine or client.".to_owned(),
        };
    }
    let client = hit.client.as_str();
    let mut text = match (hit.class, client) {
        (HitClass::HumanProxy, "" | "Mail service") => "Looked, via a mail service's image proxy".to_owned(),
        (HitClass::HumanProxy, client) => format!("Looked, via {client}'s image proxy"),
        (HitClass::HumanDirect, "") => "Looked".to_owned(),
        (HitClass::HumanDirect, client) => format!("Looked, with {client}"),
        (HitClass::MachinePrefetch, "") => "Fetched in advance, not counted".to_owned(),
        (HitClass::MachinePrefetch, client) => format!("Fetched by {client} in advance, not counted"),
        _ if hit.label.is_some() && hit.class.is_machine() => "Fetched by a machine, not counted".to_owned(),
        // Others only seem to be the client that they name.
        (HitClass::Scanner, client) if hit.reason == "named_scanner" && !client.is_empty() => {
            format!("Fetched by a security scanner, {client}, not counted")
        }
        (HitClass::Scanner, _) => "Fetched by a security scanner, not counted".to_owned(),
        (HitClass::Bot, _) => "Fetched by a crawler or link previewer, not counted".to_owned(),
        (HitClass::Library, _) => "Fetched by a program, not counted".to_owned(),
        (HitClass::Unknown, _) => "Fetched by something that cannot be told from a person".to_owned(),
    };
    if let Some(accepted) = source.accepted_at
        && hit.at >= accepted
    {
        text.push_str(&format!(", {} after delivery", words::length(hit.at - accepted)));
    }
    if hit.class.is_human() && looks > 1 {
        text.push_str(&format!(", {} look", words::ordinal(looks)));
    }
    text
}

/// Requests outside the window or beyond the cap leave no time of their own: they stand at the window's edge,
/// or at the last request.
fn uncounted(source: &Source) -> Vec<TimelineEntry> {
    let [early, late, over_cap] = source.uncounted;
    let places = [
        (
            early,
            source.window.map(|window| window.opens_from),
            "before the window opened",
        ),
        (
            late,
            source.window.map(|window| window.opens_until),
            "after the window closed",
        ),
        (over_cap, source.last_hit_at, "beyond what is kept of one mail"),
    ];
    places
        .into_iter()
        .filter_map(|(n, at, words)| {
            let text = match n {
                0 => return None,
                1 => format!("1 more load {words}, only counted."),
                n => format!("{n} more loads {words}, only counted."),
            };
            Some(entry(at?, TimelineKind::Counted, text))
        })
        .collect()
}

/// Returns the one sentence on tracking where there is something to say; else nothing.
pub fn note(source: &Source) -> String {
    if let Some((mode, reason)) = source.not_tracked {
        return words::note(&source.name, mode, reason);
    }
    let said = |at: &Instant| source.accepted_at.is_some_and(|sent| *at >= sent);
    if source.refusals.iter().any(said) {
        let who = if source.name.is_empty() {
            "This person"
        } else {
            &source.name
        };
        return format!(
            "{who} asked not to be tracked after this mail was sent. Later looks are not recorded."
        );
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::label::{LabelKind, Says};
    use crate::ids::LabelId;

    fn at(text: &str) -> Instant {
        format!("2026-04-01T{text}Z").parse().unwrap()
    }

    fn hit(id: i64, time: &str, class: HitClass, client: &str, new_look: bool) -> Hit {
        Hit {
            id: HitId(id),
            at: at(time),
            class,
            reason: "rule".into(),
            client: client.into(),
            new_look,
            settled: false,
            network: String::new(),
            label: None,
        }
    }

    #[test]
    fn a_message_tells_its_story_in_time_order() {
        let source = Source {
            name: "Ana".into(),
            host: "mx.example.org".into(),
            accepted_at: Some(at("09:02:11")),
            events: vec![
                (at("09:02:00"), TimelineKind::Queued, String::new()),
                (
                    at("09:02:11"),
                    TimelineKind::Accepted,
                    "250 2.0.0 Ok: queued".into(),
                ),
                (at("20:15:00"), TimelineKind::OptedOut, String::new()),
            ],
            refusals: vec![at("20:15:00")],
            hits: vec![
                hit(1, "09:02:36", HitClass::MachinePrefetch, "Gmail", true),
                hit(2, "11:47:11", HitClass::HumanProxy, "Gmail", true),
                hit(3, "11:49:00", HitClass::HumanProxy, "Gmail", false),
                hit(4, "15:02:11", HitClass::HumanDirect, "Thunderbird", true),
            ],
            uncounted: [0, 2, 0],
            window: Some(Window {
                opens_from: at("09:00:00"),
                opens_until: at("09:00:00") + TimeDelta::days(30),
            }),
            ..Source::default()
        };
        let told: Vec<(TimelineKind, String, bool)> = entries(&source, at("23:00:00"))
            .into_iter()
            .map(|entry| (entry.kind, entry.text, entry.counted))
            .collect();
        let expected = [
            (TimelineKind::Queued, "Put into the queue at launch.", false),
            (TimelineKind::Accepted, "Accepted by mx.example.org.", false),
            (
                TimelineKind::Hit,
                "Fetched by Gmail in advance, not counted, 25 s after delivery",
                false,
            ),
            (
                TimelineKind::Hit,
                "Looked, via Gmail's image proxy, 2 h 45 min after delivery",
                true,
            ),
            (TimelineKind::Hit, "Again within 30 minutes, counted once.", false),
            (
                TimelineKind::Hit,
                "Looked, with Thunderbird, 6 h after delivery, second look",
                true,
            ),
            (
                TimelineKind::OptedOut,
                "Opted out of tracking. Later looks are not recorded.",
                false,
            ),
            (
                TimelineKind::Counted,
                "2 more loads after the window closed, only counted.",
                false,
            ),
        ];
        let expected: Vec<(TimelineKind, String, bool)> = expected
            .into_iter()
            .map(|(kind, text, counted)| (kind, text.to_owned(), counted))
            .collect();
        assert_eq!(told, expected, "a refusal on the mail's page is told once");
        assert_eq!(
            note(&source),
            "Ana asked not to be tracked after this mail was sent. Later looks are not recorded."
        );
    }

    #[test]
    fn a_look_says_why_and_is_checked_for_three_minutes() {
        let mut scanned = hit(1, "09:00:10", HitClass::Scanner, "", true);
        scanned.reason = "burst".into();
        let source = Source {
            hits: vec![scanned],
            ..Source::default()
        };
        let told = |now| entries(&source, at(now)).remove(0);
        let entry = told("09:03:09");
        assert_eq!(entry.text, "Fetched by a security scanner, not counted");
        assert!(
            entry
                .why
                .starts_with("Taken for a security scanner: three networks")
        );
        assert_eq!(entry.checking_until, None, "what was a machine's stays one");
        let looked = Source {
            hits: vec![hit(1, "09:00:10", HitClass::HumanDirect, "", true)],
            ..Source::default()
        };
        let until = |now| entries(&looked, at(now)).remove(0).checking_until;
        assert_eq!(until("09:03:09"), Some(at("09:03:10")));
        assert_eq!(until("09:03:10"), None, "its verdict has had its time");
        let mut kept = hit(2, "09:00:10", HitClass::HumanDirect, "", true);
        kept.reason = "browser".into();
        kept.settled = true;
        assert_eq!(
            why(&kept),
            "Taken for a person: a browser fetched it. Kept verdict: the evidence is gone."
        );
        kept.label = Some(LabelMark {
            id: LabelId(1),
            kind: LabelKind::Hit,
            says: Says::Machine,
        });
        assert_eq!(
            why(&kept),
            "You said that this was a machine.",
            "what the user says needs no evidence"
        );
        kept.class = HitClass::Scanner;
        kept.client = "Chrome".into();
        assert_eq!(
            hit_text(&source, &kept, 0),
            "Fetched by a machine, not counted",
            "nobody said that it was a scanner"
        );
    }

    #[test]
    fn an_untracked_mail_says_why() {
        let source = Source {
            name: "Ana".into(),
            not_tracked: Some((TrackingMode::None, NotTrackedReason::Refused)),
            refusals: vec![at("08:00:00")],
            accepted_at: Some(at("09:00:00")),
            ..Source::default()
        };
        assert_eq!(
            note(&source),
            "Ana asked not to be tracked. Their mail carries no pixel."
        );
        assert!(
            entries(&source, at("23:00:00")).is_empty(),
            "what was said before the mail is not part of its story"
        );
    }
}
