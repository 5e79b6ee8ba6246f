//! What a probe's sight means: a verdict, a sentence, and what to do. Pure.
//!
//! The sentences are for people who never heard of name servers or proxies. What other services answer is matched by
//! what their documentation or their pages say; a page that is not known is called a page, and its title is shown.

use super::PROOF;
use super::sight::{Answer, Certificate, End, NameFault, Sight, Stage, TlsFault};
use crate::api::ProbeVerdict;
use crate::clock::Instant;
use crate::render::pixel::GIF;
use chrono::DateTime;
use std::net::IpAddr;

/// A certificate that ends within so many days is spoken of: those that renew themselves do so thirty days before.
const ENDING_DAYS: i64 = 14;

/// What a sight means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In a word.
    pub verdict: ProbeVerdict,
    /// In a sentence.
    pub sentence: String,
    /// What to do about it.
    pub advice: Option<String>,
}

impl Finding {
    fn new(verdict: ProbeVerdict, sentence: impl Into<String>) -> Self {
        Self {
            verdict,
            sentence: sentence.into(),
            advice: None,
        }
    }

    fn but(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Tells whether a probe that failed like this says that readers cannot get through.
///
/// `was_proved` is that the address was proved at some time: some routers do not let an own address out and in again,
/// and from inside that looks as if nothing answered there.
pub fn is_miss(verdict: ProbeVerdict, was_proved: bool) -> bool {
    match verdict {
        ProbeVerdict::Ok | ProbeVerdict::CannotSelfTest => false,
        ProbeVerdict::Refused | ProbeVerdict::Timeout => was_proved,
        _ => true,
    }
}

/// Says what a sight means at `now`.
pub fn judge(sight: &Sight, now: Instant) -> Finding {
    let finding = match &sight.end {
        End::Answer { first, again } => answered(sight, first, again.as_ref(), now),
        other => unanswered(sight, other),
    };
    // Readers elsewhere may be led somewhere else: what was seen in here says nothing about them, good or bad.
    let says_where = !matches!(
        finding.verdict,
        ProbeVerdict::PlainHttp | ProbeVerdict::Name | ProbeVerdict::NoNetwork
    );
    match inner(sight) {
        Some(address) if says_where => Finding::new(
            ProbeVerdict::CannotSelfTest,
            format!(
                "In your network {} leads to {address}, which is inside it. What readers elsewhere reach cannot be \
                 seen from here.",
                sight.host
            ),
        )
        .but(format!(
            "Open https://{}/healthz on a phone that uses mobile data, not your Wi-Fi: it should say ok.",
            shown_host(sight)
        )),
        _ => finding,
    }
}

/// Returns the address inside a network to which the world's name servers lead, where they lead to none but such.
fn inner(sight: &Sight) -> Option<IpAddr> {
    let first = *sight.addresses.first()?;
    (sight.of_the_world && sight.addresses.iter().all(|ip| is_inner(*ip))).then_some(first)
}

/// RFC 1122 §3.2.1.3, RFC 1918, RFC 3927, RFC 4193, RFC 4291, RFC 6598.
fn is_inner(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || (ip.segments()[0] & 0xfe00) == 0xfc00
                || (ip.segments()[0] & 0xffc0) == 0xfe80
        }
    }
}

fn shown_host(sight: &Sight) -> String {
    let host = match sight.host.contains(':') {
        true => format!("[{}]", sight.host),
        false => sight.host.clone(),
    };
    match sight.port {
        443 => host,
        port => format!("{host}:{port}"),
    }
}

/// What to do where it may be the own router.
const ROUTER: &str = "If the address leads to your own connection, your router may not let it out and in again, and \
    readers get through all the same: open it once on a phone that uses mobile data, not your Wi-Fi.";

fn unanswered(sight: &Sight, end: &End) -> Finding {
    let host = &sight.host;
    match end {
        End::PlainHttp => Finding::new(
            ProbeVerdict::PlainHttp,
            "The address begins with http://, so nothing on the way is encrypted, and mail programs block its pictures.",
        )
        .but("Use an address that begins with https://."),
        End::NoNetwork => Finding::new(
            ProbeVerdict::NoNetwork,
            "This computer is not connected to the internet, so readers cannot get through to it.",
        )
        .but("Connect it. Casement looks again by itself."),
        End::Name(NameFault::Unknown) => Finding::new(
            ProbeVerdict::Name,
            format!("Nobody knows the name {host}: it is in no directory of the internet, or leads to no computer."),
        )
        .but(
            "Check its spelling. If you have just made it, it can take an hour until all know it; make sure that its \
             record (A, AAAA or CNAME) is saved where you manage the domain.",
        ),
        End::Name(NameFault::Silent | NameFault::Failed) => Finding::new(
            ProbeVerdict::Name,
            format!("The name {host} could not be looked up: the directory of names gave no answer."),
        )
        .but("Wait a few minutes. If it stays so, ask whoever manages the domain whether its name servers work."),
        End::Refused if sight.is_own => Finding::new(
            ProbeVerdict::Refused,
            format!("{host} is this computer, and no program here answers at port {}.", sight.port),
        )
        .but("Start the program that stands in front of Casement, such as Caddy or nginx."),
        End::Refused => Finding::new(
            ProbeVerdict::Refused,
            format!("{host} was found, and nothing answers there at port {}.", sight.port),
        )
        .but(format!("See that what stands in front of Casement runs there. {ROUTER}")),
        End::NoWay => Finding::new(ProbeVerdict::Timeout, format!("There is no way through the network to {host}."))
            .but(ROUTER),
        End::Timeout(Stage::Answer) => Finding::new(
            ProbeVerdict::Timeout,
            format!("{host} was reached, and gave no answer within ten seconds."),
        )
        .but("See that what stands in front of Casement leads to this computer, and that the way is not overloaded."),
        End::Timeout(_) => Finding::new(
            ProbeVerdict::Timeout,
            format!("{host} was found, and nothing there answered within ten seconds."),
        )
        .but(format!(
            "See that the computer there is on, and that no firewall keeps port {} shut. {ROUTER}",
            sight.port
        )),
        End::Tls(fault) => encrypted(sight, fault),
        End::HungUp => Finding::new(
            ProbeVerdict::NothingBehind,
            format!("{host} was reached, and closed the connection without an answer: nothing seems to be behind it."),
        )
        .but("See that the tunnel or the program in front of Casement runs."),
        End::Noise | End::Answer { .. } => Finding::new(
            ProbeVerdict::Foreign,
            format!("Something answers at {host}, and it is no web server."),
        )
        .but("Check the address and its port."),
    }
}

fn encrypted(sight: &Sight, fault: &TlsFault) -> Finding {
    let host = &sight.host;
    let wrong = |sentence: String| Finding::new(ProbeVerdict::Certificate, sentence);
    match fault {
        TlsFault::Expired => {
            let when = match sight.certificate.as_ref().and_then(until) {
                Some(until) => format!(" on {}", until.format("%-d %B %Y")),
                None => String::new(),
            };
            wrong(format!(
                "The certificate of {host}, which proves that it is {host}, ended{when}: mail programs refuse it."
            ))
            .but("Renew it, and have it renewed by itself; check that this computer's clock is right.")
        }
        TlsFault::NotYetValid => wrong(format!(
            "The certificate of {host} is not valid yet: mail programs refuse it."
        ))
        .but("Check that the clock of this computer and the one of the server are right."),
        TlsFault::OtherName => {
            let names = sight
                .certificate
                .as_ref()
                .map(|certificate| certificate.names.iter().take(3).cloned().collect::<Vec<_>>().join(", "))
                .filter(|names| !names.is_empty());
            let whose = names.map_or_else(String::new, |names| format!(" (it names {names})"));
            wrong(format!(
                "The certificate that was shown is not for {host}{whose}: mail programs refuse it."
            ))
            .but(
                "Get one for this name. If you are in a hotel, a train or a café, its network may ask you to log in \
                 first: open any page in a browser.",
            )
        }
        TlsFault::Unvouched => wrong(match sight.certificate.as_ref().is_some_and(|found| found.is_self_signed) {
            true => format!("The certificate of {host} vouches for itself only: mail programs refuse it."),
            false => format!(
                "The certificate of {host} is from nobody that this computer knows, or a part of its chain is missing: \
                 mail programs refuse it."
            ),
        })
        .but("Get a free one, from Let's Encrypt for example; Caddy does that by itself."),
        TlsFault::Certificate(why) => wrong(format!("The certificate of {host} cannot be used: {why}."))
            .but("Get a new one for this name."),
        TlsFault::Plain => Finding::new(
            ProbeVerdict::PlainHttp,
            format!("What answers at {host}, port {}, speaks http and not https.", sight.port),
        )
        .but("Let the program in front of Casement hold a certificate and answer https, or name the port at which it does."),
        TlsFault::Broken(_) => Finding::new(
            ProbeVerdict::NothingBehind,
            format!("{host} was reached, and no encrypted connection came about: nothing seems to be behind it."),
        )
        .but(
            "See that the tunnel runs, and that whoever carries it knows this name and holds a certificate for it.",
        ),
    }
}

fn until(certificate: &Certificate) -> Option<Instant> {
    DateTime::from_timestamp(certificate.until, 0)
}

fn answered(sight: &Sight, first: &Answer, again: Option<&Answer>, now: Instant) -> Finding {
    let proof = PROOF.to_ascii_lowercase();
    let proves = |answer: &Answer| answer.field(&proof) == Some(sight.expected.as_str());
    let has_picture = |answer: &Answer| answer.body.windows(GIF.len()).any(|bytes| bytes == GIF);
    if proves(first) {
        let answers_twice = again.is_some_and(&proves);
        return match (first.status, has_picture(first)) {
            (200, true) if answers_twice || first.was_kept() => kept(sight),
            (200, true) => good(sight, now),
            _ => Finding::new(
                ProbeVerdict::Foreign,
                format!(
                    "This Casement answered, and something on the way changed its answer ({}).",
                    said(first)
                ),
            )
            .but("Switch off what changes, compresses or protects pictures under this address."),
        };
    }
    if first.field(&proof).is_some() {
        return if first.was_kept() {
            kept(sight)
        } else {
            other(sight)
        };
    }
    pages::elsewhere(sight, first)
        .or_else(|| pages::standing_between(sight, first))
        .or_else(|| pages::nothing_behind(sight, first))
        .unwrap_or_else(|| foreign(sight, first, has_picture(first)))
}

fn good(sight: &Sight, now: Instant) -> Finding {
    let finding = Finding::new(ProbeVerdict::Ok, "This Casement answers at its public address.");
    let days = sight
        .certificate
        .as_ref()
        .and_then(until)
        .map(|until| (until - now).num_days());
    match days {
        Some(days) if days <= ENDING_DAYS => {
            let when = match days {
                ..1 => "today".to_owned(),
                1 => "tomorrow".to_owned(),
                days => format!("in {days} days"),
            };
            finding.but(format!(
                "Its certificate ends {when}. One that renews itself would be new by now: see to it, or every mail that \
                 you sent loses its pictures and links."
            ))
        }
        _ if sight.is_own && sight.of_the_world => finding.but(
            "The question did not leave this computer, so a firewall in front of it was not tried. Open the address once \
             on a phone that uses mobile data.",
        ),
        _ => finding,
    }
}

fn kept(sight: &Sight) -> Finding {
    Finding::new(
        ProbeVerdict::Cached,
        format!(
            "Something in front of {} keeps answers and gives them out again. A reader's second look, and other readers, \
             would never reach Casement.",
            sight.host
        ),
    )
    .but("Switch caching off for this name. Casement asks for that with every answer (no-store), and it was not heeded.")
}

fn other(sight: &Sight) -> Finding {
    Finding::new(
        ProbeVerdict::OtherCasement,
        format!("A Casement answers at {}, but not this one with this workspace.", sight.host),
    )
    .but(
        "Another computer, another workspace or an old copy may still use the address. Stop it there, or lead the \
         address here.",
    )
}

/// What a Casement answers where it knows nothing; see `listener::gate::refusal`.
const NOTHING_HERE: &[u8] = b"There is nothing here.\n";

fn foreign(sight: &Sight, answer: &Answer, has_picture: bool) -> Finding {
    let host = &sight.host;
    let is_casement = answer
        .body
        .windows(NOTHING_HERE.len())
        .any(|bytes| bytes == NOTHING_HERE);
    if answer.status == 404 && is_casement {
        return other(sight);
    }
    if answer.was_kept() {
        return kept(sight);
    }
    let sentence = match (has_picture, title(answer)) {
        (true, _) => format!("A picture came from {host}, without Casement's proof: it may be anybody's."),
        (false, Some(title)) => format!(
            "Another page answers at {host}: \u{201c}{title}\u{201d} ({}).",
            said(answer)
        ),
        (false, None) => format!("Something else answers at {host} ({}).", said(answer)),
    };
    Finding::new(ProbeVerdict::Foreign, sentence).but(
        "Let what stands in front of Casement hand on all paths of this name, unchanged, to the port at which Casement \
         answers behind a proxy.",
    )
}

/// Says an answer's status, and who gave it.
fn said(answer: &Answer) -> String {
    match answer
        .field("server")
        .map(cut)
        .filter(|server| !server.is_empty())
    {
        Some(server) => format!("{}, answer {}", server, answer.status),
        None => format!("answer {}", answer.status),
    }
}

fn title(answer: &Answer) -> Option<String> {
    let text = String::from_utf8_lossy(&answer.body);
    // Lower case of ASCII only, so that the places in both are the same.
    let lower = text.to_ascii_lowercase();
    let from = lower.find("<title")?;
    let from = from + lower[from..].find('>')? + 1;
    let until = from + lower[from..].find("</title")?;
    let title = cut(text[from..until].trim());
    (!title.is_empty()).then_some(title)
}

/// Makes words of somebody else's fit to be shown: one line, not at any length.
fn cut(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let clean: String = words
        .join(" ")
        .chars()
        .filter(|letter| !letter.is_control())
        .collect();
    match clean.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &clean[..at]),
        None => clean,
    }
}

mod pages;

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
