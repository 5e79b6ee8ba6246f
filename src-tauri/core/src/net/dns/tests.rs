//! Questions to a name server that answers, misleads, fails and is silent.

use super::peer::{Peer, Zone};
use super::*;
use crate::api::{CheckSeverity, CheckTopic};
use crate::deliverability::domain::{self, Question};

fn dns(peer: &Peer) -> Dns {
    Dns::open(Some(peer.address()), LIMIT).unwrap()
}

#[test]
fn records_of_every_kind_are_read() {
    let peer = Peer::start(
        Zone::default()
            .txt("example.org", "v=spf1 -all")
            .txt("example.org", "other")
            .mx("example.org", 20, "b.example.org")
            .mx("example.org", 10, "a.example.org")
            .mx("null.example.org", 0, ".")
            .host("a.example.org", "192.0.2.25")
            .host("a.example.org", "2001:db8::25")
            .host("six.example.org", "2001:db8::6")
            .ptr("192.0.2.25", "A.example.org")
            .ptr("2001:db8::25", "a.example.org"),
    );
    let dns = dns(&peer);
    let mut txt = dns.txt("example.org").unwrap();
    txt.sort();
    assert_eq!(txt, ["other", "v=spf1 -all"]);
    assert_eq!(
        dns.mx("EXAMPLE.org.").unwrap(),
        [(10, "a.example.org".to_owned()), (20, "b.example.org".to_owned())]
    );
    assert_eq!(dns.mx("null.example.org").unwrap(), [(0, ".".to_owned())]);
    assert_eq!(dns.addresses("a.example.org").unwrap().len(), 2);
    assert_eq!(dns.addresses("six.example.org").unwrap().len(), 1);
    for address in ["192.0.2.25", "2001:db8::25"] {
        assert_eq!(dns.names_of(address.parse().unwrap()).unwrap(), ["a.example.org"]);
    }
}

#[test]
fn no_name_no_record_a_failure_and_silence_are_told_apart() {
    let peer = Peer::start(
        Zone::default()
            .host("example.org", "192.0.2.80")
            .code("broken.example.org", RecordType::TXT, ResponseCode::ServFail)
            .code("refused.example.org", RecordType::TXT, ResponseCode::Refused)
            .silent("silent.example.org", RecordType::TXT)
            .noise("noise.example.org", RecordType::TXT),
    );
    let dns = dns(&peer);
    assert_eq!(dns.txt("gone.example.org"), Err(NameError::NoSuchName));
    assert_eq!(dns.txt("example.org"), Err(NameError::NoRecord));
    for name in ["broken.example.org", "refused.example.org", "noise.example.org"] {
        let error = dns.txt(name).unwrap_err();
        assert!(!error.is_absent(), "{name}: {error}");
    }
    let hurried = Dns::open(Some(peer.address()), Duration::from_millis(200)).unwrap();
    assert_eq!(hurried.txt("silent.example.org"), Err(NameError::TimedOut));
    assert_eq!(
        hurried.txt("example.org"),
        Err(NameError::TimedOut),
        "the time is for all questions"
    );
}

#[test]
fn a_server_that_is_not_there_is_no_missing_record() {
    let gone = Peer::start(Zone::default()).address();
    let dns = Dns::open(Some(gone), Duration::from_secs(2)).unwrap();
    let error = dns.txt("example.org").unwrap_err();
    assert!(!error.is_absent(), "{error}");
}

#[test]
fn a_long_text_comes_whole_by_tcp_and_a_huge_one_does_no_harm() {
    let long = "v=spf1 ".to_owned() + &"ip4:192.0.2.0/24 ".repeat(200) + "-all";
    let huge = "x".repeat(60_000);
    let mut zone = Zone::default()
        .txt("long.example.org", &long)
        .txt("huge.example.org", &huge);
    for n in 0..400 {
        zone = zone.txt("many.example.org", &format!("record number {n} of very many"));
    }
    let peer = Peer::start(zone);
    let dns = dns(&peer);
    assert_eq!(
        dns.txt("long.example.org").unwrap(),
        [long],
        "in pieces of 255 bytes, joined without a space"
    );
    assert_eq!(dns.txt("huge.example.org").unwrap()[0].len(), huge.len());
    assert_eq!(dns.txt("many.example.org").unwrap().len(), MAX_RECORDS);
}

#[test]
fn a_cname_is_followed_and_a_loop_ends() {
    let peer = Peer::start(
        Zone::default()
            .cname("k._domainkey.example.org", "k.provider.example")
            .txt("k.provider.example", "v=DKIM1; p=")
            .cname("a.example.org", "b.example.org")
            .cname("b.example.org", "a.example.org")
            .cname("self.example.org", "self.example.org"),
    );
    let dns = dns(&peer);
    assert_eq!(dns.txt("k._domainkey.example.org").unwrap(), ["v=DKIM1; p="]);
    for name in ["a.example.org", "self.example.org"] {
        assert!(dns.txt(name).is_err(), "{name}");
    }
}

#[test]
fn what_is_no_name_is_not_asked_for() {
    let peer = Peer::start(Zone::default());
    let dns = dns(&peer);
    let long = "a".repeat(64) + ".example.org";
    for name in ["a..example.org", long.as_str(), &"a.".repeat(200)] {
        assert!(matches!(dns.txt(name), Err(NameError::Failed(_))), "{name}");
    }
}

#[test]
fn a_domain_is_checked_over_a_real_name_server() {
    let peer = Peer::start(
        Zone::default()
            .txt("example.org", "v=spf1 mx -all")
            .txt("_dmarc.example.org", "v=DMARC1; p=none")
            .mx("example.org", 10, "mx.example.org")
            .host("mx.example.org", "192.0.2.25")
            .ptr("192.0.2.25", "mx.example.org")
            .code(
                "default._domainkey.example.org",
                RecordType::TXT,
                ResponseCode::ServFail,
            ),
    );
    let question = Question {
        domain: "example.org".into(),
        host: None,
        selector: None,
    };
    let found: Vec<_> = domain::check(&dns(&peer), &question)
        .into_iter()
        .map(|found| (found.topic, found.severity))
        .collect();
    use CheckSeverity::{Good, Unknown};
    assert_eq!(
        found,
        [
            (CheckTopic::Spf, Good),
            (CheckTopic::Dkim, Unknown),
            (CheckTopic::Dmarc, Good),
            (CheckTopic::Mx, Good),
            (CheckTopic::Ptr, Good),
        ]
    );
}
