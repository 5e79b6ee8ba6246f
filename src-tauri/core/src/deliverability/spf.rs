//! SPF: which servers may send for a domain (RFC 7208). Pure but for the names it asks.

use super::senders::{self, Sender};
use super::{NameError, Names, finding, unasked};
use crate::api::{CheckFinding, CheckSeverity, CheckTopic};
use std::net::IpAddr;

/// Terms that may ask names, at most (RFC 7208 §4.6.4).
const MAX_LOOKUPS: usize = 10;

/// What a record, with all that it includes, says.
#[derive(Debug, Default)]
struct Read {
    /// Terms that ask names.
    lookups: usize,
    /// Domains whose records were included, in lower case.
    included: Vec<String>,
    /// Networks that may send.
    networks: Vec<(IpAddr, u8)>,
    /// Hosts whose addresses may send.
    hosts: Vec<String>,
    /// Domains whose MX hosts may send.
    mx_of: Vec<String>,
    /// What makes the whole record void.
    broken: Option<String>,
    /// A name on the way could not be asked.
    unasked: Option<(String, NameError)>,
    /// A macro stands in for a name: where it leads is known for a real mail only.
    macros: bool,
}

/// How a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With `all`, and its sign.
    All(char),
    /// Nothing is said of other servers.
    Open,
    /// As another record does that cannot be read here.
    Elsewhere,
}

/// Whether what a record allows counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    Yes,
    /// It stands behind a sign that allows nothing: a server of which it speaks may be refused.
    No,
}

fn is_spf(record: &str) -> bool {
    let head = record.get(..6).unwrap_or_default();
    head.eq_ignore_ascii_case("v=spf1") && matches!(record.as_bytes().get(6), None | Some(b' '))
}

/// Says what the SPF of `domain` is worth, and whether it names the server `host` that its mails are handed to.
pub fn check(names: &dyn Names, domain: &str, host: Option<&str>) -> Vec<CheckFinding> {
    let topic = CheckTopic::Spf;
    let records = match names.txt(domain) {
        Ok(records) => records,
        Err(error) if error.is_absent() => Vec::new(),
        Err(error) => return vec![unasked(topic, &format!("The SPF record of {domain}"), &error)],
    };
    let found: Vec<&String> = records.iter().filter(|record| is_spf(record)).collect();
    let record = match found.as_slice() {
        [] => {
            return vec![finding(
                topic,
                CheckSeverity::Bad,
                format!(
                    "{domain} does not say which servers may send its mail, so receivers trust it less. Add a TXT record \
                     to {domain} that begins with v=spf1; your mail provider's help has it under SPF."
                ),
                "",
            )];
        }
        [record] => record.as_str(),
        several => {
            let all: Vec<String> = several
                .iter()
                .map(|record| format!("{domain} TXT {record}"))
                .collect();
            return vec![finding(
                topic,
                CheckSeverity::Bad,
                format!(
                    "{domain} has {} SPF records and may have one: receivers then use none of them. Merge them into one \
                     and remove the others.",
                    several.len()
                ),
                &all.join(" | "),
            )];
        }
    };
    let mut read = Read::default();
    let end = follow(names, domain, record, Counts::Yes, &mut read);
    let raw = format!("{domain} TXT {record}");
    let mut out = vec![whole(domain, &read, end, &raw)];
    if read.broken.is_none()
        && let Some(host) = host
    {
        out.extend(covers(names, domain, host, &read, &raw));
    }
    out
}

/// Reads a record and all that it includes, no further than a receiver would.
fn follow(names: &dyn Names, domain: &str, record: &str, counts: Counts, read: &mut Read) -> End {
    let mut end = End::Open;
    let mut redirect = None;
    for term in record.split_ascii_whitespace().skip(1) {
        if read.broken.is_some() || matches!(end, End::All(_)) {
            break;
        }
        let lower = term.to_ascii_lowercase();
        if let Some(target) = lower.strip_prefix("redirect=") {
            redirect = Some(target.to_owned());
            continue;
        }
        let (qualifier, mechanism) = match lower.chars().next() {
            Some(sign @ ('+' | '-' | '~' | '?')) => (sign, &lower[1..]),
            _ => ('+', lower.as_str()),
        };
        let name_end = mechanism.find([':', '/', '=']).unwrap_or(mechanism.len());
        let (name, rest) = mechanism.split_at(name_end);
        let argument = rest.strip_prefix(':').unwrap_or_default();
        let target = argument.split('/').next().unwrap_or_default();
        let allows = qualifier == '+' && counts == Counts::Yes;
        match name {
            "all" => end = End::All(qualifier),
            "include" => {
                let counts = if allows { Counts::Yes } else { Counts::No };
                // It speaks of whom the other record allows (RFC 7208 §5.2): of everybody, where that allows them.
                if step_into(names, argument, counts, read) == End::All('+') {
                    end = End::All(qualifier);
                }
            }
            "ip4" | "ip6" => match network(argument) {
                Some(network) if allows => read.networks.push(network),
                Some(_) => {}
                None => read.broken = Some(format!("“{term}” holds no address that can be read")),
            },
            "a" | "mx" => {
                read.lookups += 1;
                let of = if target.is_empty() { domain } else { target };
                if of.contains('%') {
                    read.macros = true;
                } else if allows && name == "a" {
                    read.hosts.push(of.to_owned());
                } else if allows {
                    read.mx_of.push(of.to_owned());
                }
            }
            "ptr" | "exists" => {
                read.lookups += 1;
                read.macros = true;
            }
            // Modifiers that nobody knows are passed over (RFC 7208 §6).
            _ if rest.starts_with('=') => {}
            _ => read.broken = Some(format!("“{term}” is nothing that SPF knows")),
        }
        if read.lookups > MAX_LOOKUPS {
            break;
        }
    }
    match redirect {
        // Counts only without an `all` (RFC 7208 §6.1), and then the record ends as the other does.
        Some(target) if end == End::Open && read.broken.is_none() && read.lookups <= MAX_LOOKUPS => {
            step_into(names, &target, counts, read)
        }
        _ => end,
    }
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?),
        None => {
            let address = text.parse::<IpAddr>().ok()?;
            (address, if address.is_ipv4() { 32 } else { 128 })
        }
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    (bits <= most).then_some((address, bits))
}

/// Reads the record of another domain, and returns how it ends.
fn step_into(names: &dyn Names, target: &str, counts: Counts, read: &mut Read) -> End {
    read.lookups += 1;
    // Beyond the limit a receiver stops, and an include that includes itself ends here.
    if read.lookups > MAX_LOOKUPS {
        return End::Elsewhere;
    }
    if target.contains('%') {
        read.macros = true;
        return End::Elsewhere;
    }
    let target = target.trim_end_matches('.');
    if target.is_empty() {
        read.broken = Some("a part of it leads to another domain and names none".to_owned());
        return End::Elsewhere;
    }
    if counts == Counts::Yes {
        read.included.push(target.to_owned());
    }
    let records = match names.txt(target) {
        Ok(records) => records,
        Err(error) if error.is_absent() => Vec::new(),
        Err(error) => {
            read.unasked.get_or_insert((target.to_owned(), error));
            return End::Elsewhere;
        }
    };
    let mut found = records.iter().filter(|record| is_spf(record));
    match (found.next(), found.next()) {
        (Some(record), None) => return follow(names, target, record, counts, read),
        (None, _) => read.broken = Some(format!("it includes {target}, which has no SPF record")),
        (Some(_), Some(_)) => {
            read.broken = Some(format!("it includes {target}, which has several SPF records"))
        }
    }
    End::Elsewhere
}

/// Judges the record as a whole.
fn whole(domain: &str, read: &Read, end: End, raw: &str) -> CheckFinding {
    let (severity, sentence) = if let Some(why) = &read.broken {
        (
            CheckSeverity::Bad,
            format!(
                "The SPF record of {domain} cannot be used: {why}. Receivers ignore all of it; correct that part."
            ),
        )
    } else if read.lookups > MAX_LOOKUPS {
        (
            CheckSeverity::Bad,
            format!(
                "The SPF record of {domain} asks for more than {MAX_LOOKUPS} further names, and receivers then ignore all \
                 of it. Remove services that you no longer send with."
            ),
        )
    } else if let Some((name, error)) = &read.unasked {
        (
            CheckSeverity::Unknown,
            format!(
                "The SPF record of {domain} includes {name}, which could not be looked up: {error}. Try again in a few \
                 minutes."
            ),
        )
    } else {
        match end {
            End::All('+') => (
                CheckSeverity::Bad,
                format!(
                    "The SPF record of {domain} allows every server in the world to send as you. End it with ~all instead \
                     of +all."
                ),
            ),
            End::All('?') => (
                CheckSeverity::Warn,
                format!(
                    "The SPF record of {domain} says nothing of other servers. End it with ~all instead of ?all."
                ),
            ),
            End::Open => (
                CheckSeverity::Warn,
                format!(
                    "The SPF record of {domain} does not say what holds for all other servers. End it with ~all."
                ),
            ),
            End::Elsewhere => (
                CheckSeverity::Unknown,
                format!(
                    "The SPF record of {domain} leads to a name that is known for a real mail only. Send yourself a test \
                     mail and check that."
                ),
            ),
            End::All(_) => (
                CheckSeverity::Good,
                format!(
                    "{domain} says which servers may send its mail ({} of {MAX_LOOKUPS} look-ups).",
                    read.lookups
                ),
            ),
        }
    };
    finding(CheckTopic::Spf, severity, sentence, raw)
}

/// Says whether the account's server is one of those.
fn covers(names: &dyn Names, domain: &str, host: &str, read: &Read, raw: &str) -> Option<CheckFinding> {
    let topic = CheckTopic::Spf;
    if let Some(sender) = senders::of(host)
        && sender.includes().next().is_some()
    {
        return Some(covers_provider(domain, sender, read, raw));
    }
    let own: Vec<IpAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => names.addresses(host).unwrap_or_default(),
    };
    if own.is_empty() || own.iter().all(IpAddr::is_loopback) {
        return None;
    }
    let mut allowed = read.networks.clone();
    let mut hosts = read.hosts.clone();
    for of in &read.mx_of {
        let found = names.mx(of).unwrap_or_default();
        hosts.extend(found.into_iter().take(MAX_LOOKUPS).map(|(_, host)| host));
    }
    for host in &hosts {
        let found = names.addresses(host).unwrap_or_default();
        allowed.extend(
            found
                .into_iter()
                .map(|address| (address, if address.is_ipv4() { 32 } else { 128 })),
        );
    }
    Some(
        if own
            .iter()
            .any(|address| allowed.iter().any(|network| is_in(*address, *network)))
        {
            finding(
                topic,
                CheckSeverity::Good,
                format!("Your mail server {host} is among the servers that {domain} allows."),
                raw,
            )
        } else {
            finding(
                topic,
                CheckSeverity::Unknown,
                format!(
                    "The address of {host} is not among those that {domain} allows. Your provider may pass your mail on from \
                 other servers, so send yourself a test mail and check that."
                ),
                raw,
            )
        },
    )
}

fn covers_provider(domain: &str, sender: &Sender, read: &Read, raw: &str) -> CheckFinding {
    let named = sender.includes().any(|wanted| {
        // A provider's own domain is covered by what it is.
        is_same(domain, wanted) || read.included.iter().any(|included| is_same(included, wanted))
    });
    let (severity, sentence) = if named {
        (
            CheckSeverity::Good,
            format!(
                "{domain} allows the servers of {} to send its mail.",
                sender.provider
            ),
        )
    } else if read.macros || read.unasked.is_some() || read.lookups > MAX_LOOKUPS {
        (
            CheckSeverity::Unknown,
            format!(
                "Whether {domain} allows the servers of {} cannot be told from its record. Send yourself a test mail and \
                 check that.",
                sender.provider
            ),
        )
    } else {
        let wanted = sender.includes().next().unwrap_or_default();
        (
            CheckSeverity::Bad,
            format!(
                "{domain} does not allow the servers of {}, from which your mail leaves. Add include:{wanted} to its SPF \
                 record.",
                sender.provider
            ),
        )
    };
    finding(CheckTopic::Spf, severity, sentence, raw)
}

fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn is_in(address: IpAddr, (network, bits): (IpAddr, u8)) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (u128::from(address.to_bits()), u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let shift = width - u32::from(bits);
    // A shift by all bits is none in Rust; /0 holds everything.
    shift >= 128 || address.checked_shr(shift) == network.checked_shr(shift)
}

#[cfg(test)]
mod tests {
    use super::super::played::Played;
    use super::*;
    use CheckSeverity::{Bad, Good, Unknown, Warn};

    fn severities(names: &Played, host: Option<&str>) -> Vec<CheckSeverity> {
        check(names, "example.org", host)
            .iter()
            .map(|finding| finding.severity)
            .collect()
    }

    #[test]
    fn a_records_end_decides_how_good_it_is() {
        for (record, severity) in [
            ("v=spf1 ip4:192.0.2.0/24 -all", Good),
            ("V=SPF1 ip6:2001:db8::/32 ~ALL", Good),
            ("v=spf1 ?all", Warn),
            ("v=spf1 ip4:192.0.2.1", Warn),
            ("v=spf1", Warn),
            ("v=spf1 +all", Bad),
            ("v=spf1 all", Bad),
            ("v=spf1 ip4:192.0.2.0/33 -all", Bad),
            ("v=spf1 ip4:mail.example.org -all", Bad),
            ("v=spf1 inlcude:_spf.example.net -all", Bad),
            ("v=spf1 include: -all", Bad),
            ("v=spf1 unheard-of=1 -all", Good),
        ] {
            let names = Played::default().txt("example.org", &["something else", record]);
            assert_eq!(severities(&names, None), [severity], "{record}");
        }
        for (record, severity) in [
            ("v=spf1 redirect=all.example", Bad),
            ("v=spf1 redirect=neutral.example", Warn),
            ("v=spf1 redirect=open.example", Warn),
            ("v=spf1 redirect=good.example", Good),
            ("v=spf1 redirect=there.example", Bad),
            ("v=spf1 redirect=gone.example", Bad),
            ("v=spf1 redirect=", Bad),
            ("v=spf1 redirect=%{d}.example", Unknown),
            ("v=spf1 redirect=all.example -all", Good),
            ("v=spf1 ~all redirect=all.example", Good),
            ("v=spf1 include:all.example -all", Bad),
            ("v=spf1 include:there.example -all", Bad),
            ("v=spf1 ?include:all.example -all", Warn),
            ("v=spf1 -include:all.example", Good),
            ("v=spf1 include:neutral.example -all", Good),
            ("v=spf1 include:open.example", Warn),
        ] {
            let names = Played::default()
                .txt("example.org", &[record])
                .txt("all.example", &["v=spf1 +all"])
                .txt("neutral.example", &["v=spf1 ?all"])
                .txt("open.example", &["v=spf1 ip4:192.0.2.1"])
                .txt("good.example", &["v=spf1 ip4:192.0.2.1 -all"])
                .txt("there.example", &["v=spf1 redirect=all.example"]);
            assert_eq!(severities(&names, None), [severity], "{record}");
        }
    }

    #[test]
    fn there_is_exactly_one_record() {
        let none = Played::default().txt("example.org", &["v=spf10 -all", "google-site-verification=x"]);
        assert_eq!(severities(&none, None), [Bad]);
        assert_eq!(severities(&Played::default(), None), [Bad], "NXDOMAIN");
        let two = Played::default().txt("example.org", &["v=spf1 -all", "v=spf1 mx -all"]);
        let found = check(&two, "example.org", None);
        assert!(found[0].sentence.contains("has 2 SPF records"), "{found:?}");
    }

    #[test]
    fn a_name_server_that_fails_is_no_missing_record() {
        for error in [NameError::TimedOut, NameError::Failed("SERVFAIL".into())] {
            let names = Played::default().fails("example.org", error);
            assert_eq!(severities(&names, None), [Unknown]);
        }
        let names = Played::default()
            .txt("example.org", &["v=spf1 include:a.example -all"])
            .fails("a.example", NameError::TimedOut);
        assert_eq!(severities(&names, None), [Unknown]);
    }

    #[test]
    fn eleven_look_ups_are_one_too_many_and_a_loop_ends() {
        let ten = "v=spf1 ".to_owned() + &"a:h.example ".repeat(10) + "-all";
        assert_eq!(
            severities(&Played::default().txt("example.org", &[&ten]), None),
            [Good]
        );
        let eleven = "v=spf1 ".to_owned() + &"a:h.example ".repeat(11) + "-all";
        assert_eq!(
            severities(&Played::default().txt("example.org", &[&eleven]), None),
            [Bad]
        );
        let names = Played::default()
            .txt("example.org", &["v=spf1 include:a.example -all"])
            .txt("a.example", &["v=spf1 include:b.example -all"])
            .txt("b.example", &["v=spf1 include:a.example -all"]);
        assert_eq!(severities(&names, None), [Bad]);
        assert!(names.asked.borrow().len() <= 11, "{:?}", names.asked);
        let wide = "v=spf1 ".to_owned() + &"include:a.example ".repeat(3_000) + "-all";
        let names = Played::default()
            .txt("example.org", &[&wide])
            .txt("a.example", &["v=spf1 -all"]);
        assert_eq!(severities(&names, None), [Bad]);
        assert!(
            names.asked.borrow().len() <= 11,
            "a huge record is not followed to its end"
        );
    }

    #[test]
    fn an_include_without_a_record_makes_the_whole_void() {
        let names = Played::default().txt("example.org", &["v=spf1 include:gone.example -all"]);
        assert_eq!(severities(&names, Some("smtp.gmail.com")), [Bad]);
    }

    #[test]
    fn a_known_providers_servers_are_looked_for_by_name() {
        let names = Played::default()
            .txt("example.org", &["v=spf1 include:relay.example ~all"])
            .txt("relay.example", &["v=spf1 include:_spf.google.com ~all"])
            .txt("_spf.google.com", &["v=spf1 ip4:192.0.2.0/24 ~all"]);
        assert_eq!(severities(&names, Some("smtp.gmail.com")), [Good, Good]);
        let found = check(&names, "example.org", Some("smtp.office365.com"));
        assert_eq!(found[1].severity, Bad);
        assert!(
            found[1].sentence.contains("include:spf.protection.outlook.com"),
            "{found:?}"
        );
        for (record, severity) in [
            ("v=spf1 -include:_spf.google.com ~all", Bad),
            ("v=spf1 ?include:relay.example ~all", Bad),
            ("v=spf1 include:refuses.example ~all", Bad),
            ("v=spf1 redirect=relay.example", Good),
        ] {
            let names = Played::default()
                .txt("example.org", &[record])
                .txt("relay.example", &["v=spf1 include:_spf.google.com ~all"])
                .txt("refuses.example", &["v=spf1 -include:_spf.google.com ~all"])
                .txt("_spf.google.com", &["v=spf1 ip4:192.0.2.0/24 ~all"]);
            assert_eq!(
                severities(&names, Some("smtp.gmail.com")),
                [Good, severity],
                "{record}"
            );
        }
        let names = Played::default().txt("example.org", &["v=spf1 exists:%{i}.x.example ~all"]);
        assert_eq!(severities(&names, Some("smtp.gmail.com")), [Good, Unknown]);
    }

    #[test]
    fn an_own_server_is_looked_for_by_its_address() {
        let base = || {
            Played::default()
                .host("mail.example.org", "192.0.2.25")
                .mx("example.org", &["mail.example.org"])
        };
        for record in [
            "v=spf1 mx -all",
            "v=spf1 a:mail.example.org -all",
            "v=spf1 ip4:192.0.2.0/24 -all",
            "v=spf1 ip4:0.0.0.0/0 -all",
        ] {
            let names = base().txt("example.org", &[record]);
            assert_eq!(
                severities(&names, Some("mail.example.org")),
                [Good, Good],
                "{record}"
            );
        }
        for record in [
            "v=spf1 -mx -all",
            "v=spf1 ip4:192.0.3.0/24 -all",
            "v=spf1 ip6:::/0 -all",
            "v=spf1 -include:net.example -all",
        ] {
            let names = base()
                .txt("example.org", &[record])
                .txt("net.example", &["v=spf1 ip4:192.0.2.0/24 mx:example.org -all"]);
            assert_eq!(
                severities(&names, Some("mail.example.org")),
                [Good, Unknown],
                "{record}"
            );
        }
        let names = base().txt("example.org", &["v=spf1 -all"]);
        assert_eq!(
            severities(&names, Some("127.0.0.1")),
            [Good],
            "nothing is said of this computer"
        );
    }
}
