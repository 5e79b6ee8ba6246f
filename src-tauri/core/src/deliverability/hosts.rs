//! Where mails to a domain go (MX), and what a mail server's address leads back to (PTR). Pure but for the names it asks.

use super::{NameError, Names, finding, unasked};
use crate::api::{CheckFinding, CheckSeverity, CheckTopic};
use std::net::IpAddr;

/// Addresses of one host that are looked at, at most.
const MAX_ADDRESSES: usize = 4;

/// Says whether answers and bounces to `domain` can arrive.
pub fn mx(names: &dyn Names, domain: &str) -> CheckFinding {
    let topic = CheckTopic::Mx;
    let raw = |hosts: &[(u16, String)]| {
        let all: Vec<String> = hosts
            .iter()
            .map(|(preference, host)| format!("{domain} MX {preference} {host}"))
            .collect();
        all.join(" | ")
    };
    match names.mx(domain) {
        Ok(hosts) if hosts.iter().all(|(_, host)| host.is_empty() || host == ".") => finding(
            topic,
            CheckSeverity::Bad,
            format!(
                "{domain} says that it takes no mail, so answers and bounces come back to nobody, and many receivers refuse \
                 its mails. Send from an address that can be answered."
            ),
            &raw(&hosts),
        ),
        Ok(hosts) => finding(
            topic,
            CheckSeverity::Good,
            format!(
                "Answers and bounces can arrive: mail to {domain} goes to {}.",
                hosts[0].1
            ),
            &raw(&hosts),
        ),
        Err(NameError::NoSuchName) => finding(
            topic,
            CheckSeverity::Bad,
            format!("There is no domain {domain}. Check the spelling of the sender's address."),
            "",
        ),
        Err(NameError::NoRecord) => match names.addresses(domain) {
            Ok(_) => finding(
                topic,
                CheckSeverity::Warn,
                format!(
                    "{domain} does not name a server that takes its mail, so senders try its web address. Add an MX record, \
                     or answers and bounces may be lost."
                ),
                "",
            ),
            Err(_) => finding(
                topic,
                CheckSeverity::Bad,
                format!(
                    "No server takes mail for {domain}, so answers and bounces come back to nobody. Add an MX record, or \
                     send from an address that can be answered."
                ),
                "",
            ),
        },
        Err(error) => unasked(topic, &format!("The MX record of {domain}"), &error),
    }
}

/// Says what the addresses of a mail server lead back to. `whose` names it in a sentence: "your mail server".
pub fn ptr(names: &dyn Names, host: &str, whose: &str) -> Option<CheckFinding> {
    let topic = CheckTopic::Ptr;
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => match names.addresses(host) {
            Ok(addresses) => addresses,
            Err(error) if error.is_absent() => {
                return Some(finding(
                    topic,
                    CheckSeverity::Bad,
                    format!("{host}, {whose}, has no address. Check its name."),
                    "",
                ));
            }
            Err(error) => return Some(unasked(topic, &format!("The address of {host}"), &error)),
        },
    };
    // This computer's own address has no name that others could ask.
    let public: Vec<IpAddr> = addresses
        .into_iter()
        .filter(|address| !address.is_loopback())
        .take(MAX_ADDRESSES)
        .collect();
    let mut worst: Option<CheckFinding> = None;
    for address in public {
        let found = one(names, host, whose, address);
        if worst.as_ref().is_none_or(|worst| found.severity > worst.severity) {
            worst = Some(found);
        }
    }
    worst
}

fn one(names: &dyn Names, host: &str, whose: &str, address: IpAddr) -> CheckFinding {
    let topic = CheckTopic::Ptr;
    let found = match names.names_of(address) {
        Ok(found) => found,
        Err(error) if error.is_absent() => {
            return finding(
                topic,
                CheckSeverity::Warn,
                format!(
                    "The address {address} of {host}, {whose}, leads back to no name. A server that delivers mail itself is \
                     refused for that: ask whoever runs it for a PTR record."
                ),
                &format!("{address} PTR"),
            );
        }
        Err(error) => return unasked(topic, &format!("The name of {address}, which is {host},"), &error),
    };
    let raw: Vec<String> = found.iter().map(|name| format!("{address} PTR {name}")).collect();
    let mut failed = None;
    let confirmed = found
        .iter()
        .take(MAX_ADDRESSES)
        .find(|name| match names.addresses(name) {
            Ok(back) => back.contains(&address),
            Err(error) => {
                if !error.is_absent() {
                    failed = Some(error);
                }
                false
            }
        });
    match (confirmed, failed) {
        (Some(name), _) => finding(
            topic,
            CheckSeverity::Good,
            format!("The address {address} of {host}, {whose}, leads to {name} and back."),
            &raw.join(" | "),
        ),
        (None, Some(error)) => unasked(topic, &format!("The name that {address} leads to"), &error),
        (None, None) => finding(
            topic,
            CheckSeverity::Warn,
            format!(
                "The address {address} of {host}, {whose}, leads to {}, and that name does not lead back. Ask whoever runs \
                 the server to make both agree.",
                found.first().map_or("no name", String::as_str)
            ),
            &raw.join(" | "),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::played::Played;
    use super::*;
    use CheckSeverity::{Bad, Good, Warn};

    #[test]
    fn a_domain_takes_mail_or_says_why_not() {
        let takes = Played::default().mx("example.org", &["mx.example.org"]);
        assert_eq!(mx(&takes, "example.org").severity, Good);
        let null = Played::default().mx("example.org", &["."]);
        assert_eq!(mx(&null, "example.org").severity, Bad, "RFC 7505");
        let web = Played::default().host("example.org", "192.0.2.80");
        assert_eq!(mx(&web, "example.org").severity, Warn);
        assert_eq!(mx(&Played::default(), "example.org").severity, Bad);
    }

    #[test]
    fn an_address_leads_to_a_name_and_back_or_not() {
        let there = || Played::default().host("mail.example.org", "192.0.2.25");
        let good = there()
            .ptr("192.0.2.25", "out.example.org")
            .host("out.example.org", "192.0.2.25");
        let found = ptr(&good, "mail.example.org", "your mail server").unwrap();
        assert_eq!(found.severity, Good);
        assert!(
            found
                .sentence
                .contains("192.0.2.25 of mail.example.org, your mail server"),
            "{found:?}"
        );
        let astray = there()
            .ptr("192.0.2.25", "out.example.org")
            .host("out.example.org", "192.0.2.26");
        assert_eq!(ptr(&astray, "mail.example.org", "x").unwrap().severity, Warn);
        assert_eq!(ptr(&there(), "mail.example.org", "x").unwrap().severity, Warn);
        assert_eq!(
            ptr(&Played::default(), "gone.example.org", "x").unwrap().severity,
            Bad
        );
        assert_eq!(ptr(&Played::default(), "127.0.0.1", "x"), None);
    }
}
