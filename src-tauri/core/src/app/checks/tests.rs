//! The checks over a real name server, with mails that are signed here and elsewhere.

use super::*;
use crate::api::{AccountSave, CheckSeverity, CheckTopic};
use crate::app::account::save;
use crate::app::testing::{Bench, bench_asking};
use crate::net::dns::peer::{Peer, Zone};
use CheckSeverity::{Bad, Good, Unknown, Warn};
use data_encoding::BASE64;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{DkimSigner, Done};

fn account(bench: &Bench, host: &str, from: &str) -> crate::ids::AccountId {
    let request: AccountSave = serde_json::from_value(serde_json::json!({
        "name": format!("Club {host}"), "kind": "smtp", "host": host, "port": 587, "tls": "starttls",
        "from_name": "Club", "from_address": from,
    }))
    .unwrap();
    save(&bench.engine, request).unwrap().id
}

fn of_account(account: crate::ids::AccountId) -> DomainCheck {
    DomainCheck {
        account: Some(account),
        domain: None,
        selector: None,
    }
}

fn of_domain(domain: &str) -> DomainCheck {
    DomainCheck {
        account: None,
        domain: Some(domain.into()),
        selector: None,
    }
}

#[test]
fn an_accounts_domain_and_server_are_checked_and_the_result_is_kept() {
    let peer = Peer::start(
        Zone::default()
            .txt("example.org", "v=spf1 include:_spf.google.com ~all")
            .txt("_spf.google.com", "v=spf1 ip4:192.0.2.0/24 ~all")
            .txt("_dmarc.example.org", "v=DMARC1; p=none")
            .mx("example.org", 1, "mx.example.net"),
    );
    let bench = bench_asking(peer.address());
    let id = account(&bench, "smtp.gmail.com", "news@Example.ORG");
    let last = || {
        domain_last(&bench.engine, DomainCheckLast { account: id })
            .unwrap()
            .checked
    };
    assert_eq!(last(), None);
    let checked = domain(&bench.engine, of_account(id)).unwrap();
    assert_eq!(checked.domain, "example.org");
    let found: Vec<_> = checked
        .findings
        .iter()
        .map(|found| (found.topic, found.severity))
        .collect();
    assert_eq!(
        found,
        [
            (CheckTopic::Spf, Good),
            (CheckTopic::Spf, Good),
            (CheckTopic::Dkim, Unknown),
            (CheckTopic::Dmarc, Good),
            (CheckTopic::Mx, Good),
            (CheckTopic::Ptr, Bad),
        ],
        "{:?}",
        checked.findings
    );
    assert_eq!(last(), Some(checked));
}

#[test]
fn what_is_no_domain_or_no_key_name_is_said() {
    let peer = Peer::start(Zone::default());
    let bench = bench_asking(peer.address());
    for wrong in [
        "",
        "example",
        "a b.org",
        "192.0.2.1",
        "exa\nmple.org",
        "http://example.org",
        &"a.".repeat(200),
    ] {
        let error = domain(&bench.engine, of_domain(wrong)).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("domain"), "{wrong:?}");
    }
    let asked = DomainCheck {
        selector: Some("a b".into()),
        ..of_domain("example.org")
    };
    assert_eq!(
        domain(&bench.engine, asked).unwrap_err().field.as_deref(),
        Some("selector")
    );
    let nothing = DomainCheck {
        account: None,
        domain: None,
        selector: None,
    };
    assert_eq!(domain(&bench.engine, nothing).unwrap_err().code, Code::Invalid);
}

#[test]
fn a_whole_records_name_and_an_address_are_understood() {
    let peer = Peer::start(Zone::default().txt("key1._domainkey.xn--bcher-kva.example", "v=DKIM1; p="));
    let bench = bench_asking(peer.address());
    let asked = DomainCheck {
        selector: Some("key1._domainkey.bücher.example".into()),
        ..of_domain("News@Bücher.example.")
    };
    let checked = domain(&bench.engine, asked).unwrap();
    assert_eq!(checked.domain, "xn--bcher-kva.example");
    let dkim = checked
        .findings
        .iter()
        .find(|found| found.topic == CheckTopic::Dkim)
        .unwrap();
    assert!(dkim.sentence.contains("withdrawn"), "{dkim:?}");
}

/// A key, and its record.
struct Signing {
    pkcs8: Vec<u8>,
    record: String,
}

impl Signing {
    fn new() -> Self {
        let pkcs8 = Ed25519Key::generate_pkcs8().unwrap();
        let public = Ed25519Key::from_pkcs8_der(&pkcs8).unwrap().public_key();
        Self {
            record: format!("v=DKIM1; k=ed25519; p={}", BASE64.encode(&public)),
            pkcs8,
        }
    }

    /// Signs a mail with all headers for one click, and what `more` asks for.
    fn sign(
        &self,
        mail: &str,
        more: fn(DkimSigner<Ed25519Key, Done>) -> DkimSigner<Ed25519Key, Done>,
    ) -> String {
        let signer = DkimSigner::from_key(Ed25519Key::from_pkcs8_der(&self.pkcs8).unwrap())
            .domain("example.org")
            .selector("k")
            .headers(["From", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"]);
        let signature = more(signer).sign(mail.as_bytes()).unwrap();
        format!("{}{mail}", signature.to_header())
    }
}

const MAIL: &str = "From: Club <news@example.org>\r\nSubject: Spring\r\nList-Unsubscribe: <https://t.example.org/u/x>\r\n\
    List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nHello\r\nYour club\r\n";

/// Checks a mail whose key stands in `record`; returns the signature's sentence and what was found by topic.
fn checked(record: Option<&str>, text: &[u8]) -> (String, Vec<CheckSeverity>) {
    let mut zone = Zone::default().txt("_dmarc.example.org", "v=DMARC1; p=none");
    if let Some(record) = record {
        zone = zone.txt("k._domainkey.example.org", record);
    }
    let peer = Peer::start(zone);
    let bench = bench_asking(peer.address());
    let path = bench.file("test.eml", text);
    let found = mail(&bench.engine, MailCheck { path }).unwrap().findings;
    (
        found[0].sentence.clone(),
        found.iter().map(|found| found.severity).collect(),
    )
}

#[test]
fn a_signature_by_our_own_key_holds_with_either_line_end() {
    let signing = Signing::new();
    let signed = signing.sign(MAIL, |signer| signer);
    assert_eq!(
        checked(Some(&signing.record), signed.as_bytes()).1,
        [Good, Good, Good, Unknown]
    );
    let unix = signed.replace("\r\n", "\n");
    assert_eq!(checked(Some(&signing.record), unix.as_bytes()).1[0], Good);
}

#[test]
fn a_signature_that_another_program_made_holds() {
    let signed = include_bytes!("../../../tests/data/mails/signed-rsa.eml");
    let record = include_str!("../../../tests/data/mails/signed-rsa.key.txt").trim();
    let peer = Peer::start(Zone::default().txt("rsa._domainkey.example.org", record));
    let bench = bench_asking(peer.address());
    let path = bench.file("test.eml", signed);
    let checked = mail(&bench.engine, MailCheck { path }).unwrap();
    let found: Vec<_> = checked.findings.iter().map(|found| found.severity).collect();
    assert_eq!(found, [Good, Good, Good, Unknown], "{:?}", checked.findings);
    assert_eq!(
        (checked.from.as_str(), checked.subject.as_str()),
        ("news@example.org", "Spring")
    );
}

#[test]
fn a_changed_text_changed_headers_and_missing_keys_are_told_apart() {
    let signing = Signing::new();
    let signed = signing.sign(MAIL, |signer| signer);
    let other = Signing::new();
    for (record, text, part) in [
        (
            Some(signing.record.as_str()),
            signed.replace("Hello", "Hullo"),
            "changed after it was signed",
        ),
        (
            Some(signing.record.as_str()),
            signed.replace("Spring", "Summer"),
            "neither the headers nor the key",
        ),
        (
            Some(other.record.as_str()),
            signed.clone(),
            "neither the headers nor the key",
        ),
        (Some("v=DKIM1; k=ed25519; p="), signed.clone(), "withdrawn"),
        (None, signed.clone(), "has no key"),
        (Some(signing.record.as_str()), MAIL.to_owned(), "not signed"),
        (
            Some(signing.record.as_str()),
            format!("DKIM-Signature: v=1; a=b\r\n{MAIL}"),
            "cannot be read",
        ),
        (
            Some(signing.record.as_str()),
            signed.replace("a=ed25519-sha256", "a=rot13-sha256"),
            "cannot be read",
        ),
    ] {
        let (sentence, found) = checked(record, text.as_bytes());
        assert!(sentence.contains(part), "{part}: {sentence}");
        assert_eq!(found[..3], [Bad, Bad, Bad], "{sentence}");
    }
}

#[test]
fn a_limited_length_is_seen_through() {
    let signing = Signing::new();
    let signed = signing.sign(MAIL, |signer| signer.body_length(true));
    let (sentence, found) = checked(Some(&signing.record), signed.as_bytes());
    assert!(sentence.contains("l="), "{sentence}");
    assert_eq!(found[0], Warn);
    let added = format!("{signed}Buy this\r\n");
    let (sentence, found) = checked(Some(&signing.record), added.as_bytes());
    assert_eq!(
        found[0], Warn,
        "what was added is not covered, and it is said: {sentence}"
    );
}

#[test]
fn a_signature_that_is_over_counts_for_nothing() {
    let signing = Signing::new();
    let signed = signing.sign(MAIL, |signer| signer.expiration(3_600));
    assert_eq!(checked(Some(&signing.record), signed.as_bytes()).1[0], Good);
    let x = signed.find("x=").unwrap();
    let end = x + signed[x..].find(';').unwrap();
    let over = format!("{}x=1000000000{}", &signed[..x], &signed[end..]);
    let (sentence, found) = checked(Some(&signing.record), over.as_bytes());
    assert!(sentence.contains("is over"), "{sentence}");
    assert_eq!(found[..3], [Bad, Bad, Bad]);
}

#[test]
fn a_key_that_gets_no_answer_is_no_broken_signature() {
    let signed = Signing::new().sign(MAIL, |signer| signer);
    let zone = Zone::default().fails("k._domainkey.example.org");
    let peer = Peer::start(zone);
    let bench = bench_asking(peer.address());
    let path = bench.file("test.eml", signed);
    let found = mail(&bench.engine, MailCheck { path }).unwrap().findings;
    assert_eq!(found[0].severity, Unknown, "{found:?}");
}

#[test]
fn files_that_are_no_mail_are_refused_with_a_sentence() {
    let peer = Peer::start(Zone::default());
    let bench = bench_asking(peer.address());
    let refused = |path: String, part: &str| {
        let error = mail(&bench.engine, MailCheck { path }).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("path"), "{error:?}");
        assert!(error.message.contains(part), "{part}: {}", error.message);
    };
    refused(bench.file("empty.eml", ""), "empty");
    refused(bench.file("text.eml", "Hello"), "no mail");
    refused(bench.file("noise.eml", [0xfe; 5_000]), "no mail");
    refused(bench.dir.path().to_str().unwrap().to_owned(), "no file");
    refused(
        bench.dir.path().join("gone.eml").to_str().unwrap().to_owned(),
        "Cannot read",
    );
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let pipe = bench.dir.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        refused(pipe.to_str().unwrap().to_owned(), "no file");
    }
    let huge = bench.dir.path().join("huge.eml");
    std::fs::File::create(&huge)
        .unwrap()
        .set_len(mail::MAX_BYTES + 1)
        .unwrap();
    refused(huge.to_str().unwrap().to_owned(), "larger than 25 MiB");
}
