//! Mails that come back, standard, odd and hostile.

use super::*;
use crate::ids::CampaignId;
use crate::render::mime::message_id;

const TOKEN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

fn id() -> String {
    message_id(CampaignId(7), &Token::parse(TOKEN).unwrap(), "example.org")
}

fn hash() -> String {
    id()[2..34].to_owned()
}

/// A report as Postfix writes it.
fn dsn(recipients: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example.net (Mail Delivery System)\r\nTo: news@example.org\r\nSubject: Undelivered Mail\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nI'm sorry.\r\n\
         --b\r\nContent-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example.net\r\nArrival-Date: Wed, 1 Apr 2026 08:00:00 +0000\r\n\r\n{recipients}\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{}>\r\nFrom: news@example.org\r\nSubject: Spring\r\n\
         List-Unsubscribe: <https://t.example.org/u/{TOKEN}>,\r\n <mailto:news@example.org?subject=unsubscribe%20{TOKEN}>\r\n\r\n\
         Hello\r\n--b--\r\n",
        id()
    )
}

fn statuses(mail: &str) -> Vec<(String, Status)> {
    read(mail.as_bytes())
        .into_iter()
        .map(|found| match found {
            Found::Bounce(bounce) => (bounce.recipient, bounce.status),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_report_names_its_recipient_its_status_and_our_mail() {
    let text = dsn(
        "Final-Recipient: rfc822; ana@example.net\r\nOriginal-Recipient: rfc822;ana@example.net\r\nAction: failed\r\n\
         Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 <ana@example.net>: Recipient address rejected:\r\n    User unknown",
    );
    for text in [text.clone(), text.replace("\r\n", "\n")] {
        let found = read(text.as_bytes());
        let [Found::Bounce(bounce)] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(bounce.recipient, "ana@example.net");
        assert_eq!(bounce.status, Status::AddressGone);
        assert_eq!(
            bounce.words,
            "550 5.1.1 <ana@example.net>: Recipient address rejected: User unknown"
        );
        assert_eq!(bounce.original.tokens, [Token::parse(TOKEN).unwrap()]);
        assert_eq!(bounce.original.ids, [(7, hash())]);
    }
}

#[test]
fn only_what_failed_for_good_because_of_the_address_is_gone() {
    for (fields, status) in [
        (
            "Action: failed\r\nStatus: 5.1.1 (bad mailbox)",
            Status::AddressGone,
        ),
        ("Action: Failed\r\nStatus: 5.0.0", Status::AddressGone),
        (
            "Action: failed\r\nDiagnostic-Code: smtp; 550 5.2.1 disabled",
            Status::AddressGone,
        ),
        ("Action: failed\r\nStatus: 5.7.1", Status::MailRefused),
        ("Action: failed\r\nStatus: 4.4.7", Status::Delayed),
        ("Action: delayed\r\nStatus: 5.1.1", Status::Delayed),
        ("Action: delayed\r\nStatus: 4.0.0", Status::Delayed),
        ("Action: delivered\r\nStatus: 2.0.0", Status::Delivered),
        ("Action: relayed\r\nStatus: 2.0.0", Status::Delivered),
        ("Action: failed", Status::Unclear),
        ("Action: failed\r\nStatus: 2.0.0", Status::Unclear),
        ("Status: 5.1.1", Status::Unclear),
        ("Action: exploded\r\nStatus: 5.1.1", Status::Unclear),
    ] {
        let text = dsn(&format!("Final-Recipient: rfc822; ana@example.net\r\n{fields}"));
        assert_eq!(
            statuses(&text),
            [("ana@example.net".to_owned(), status)],
            "{fields}"
        );
    }
}

#[test]
fn a_report_of_several_recipients_answers_for_each_and_not_for_too_many() {
    let one = |n: usize| {
        format!("Final-Recipient: rfc822; <p{n}@example.net>\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n")
    };
    let text = dsn(&(one(1) + &one(2)));
    let gone = Status::AddressGone;
    assert_eq!(
        statuses(&text),
        [
            ("p1@example.net".to_owned(), gone),
            ("p2@example.net".to_owned(), gone)
        ]
    );
    let many: String = (0..5_000).map(one).collect();
    assert_eq!(statuses(&dsn(&many)).len(), MAX_RECIPIENTS);
    let found = read(dsn("X-Nothing: here").as_bytes());
    assert!(matches!(found.as_slice(), [Found::NotUnderstood(_)]), "{found:?}");
}

#[test]
fn a_complaint_names_our_mail_and_other_reports_are_no_complaint() {
    let report = |kind: &str| {
        format!(
            "From: fbl@example.net\r\nSubject: FW: Spring\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\nText\r\n--b\r\n\
             Content-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nUser-Agent: x/1\r\nVersion: 1\r\n\
             Original-Rcpt-To: <ana@example.net>\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{}>\r\n\
             From: news@example.org\r\n\r\nHello\r\n--b--\r\n",
            id()
        )
    };
    let found = read(report("abuse").as_bytes());
    let [Found::Complaint { recipient, original }] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(recipient, "ana@example.net");
    assert_eq!(original.ids, [(7, hash())]);
    for kind in ["not-spam", "virus", "other", "auth-failure", ""] {
        let found = read(report(kind).as_bytes());
        assert!(
            matches!(found.as_slice(), [Found::NotUnderstood(_)]),
            "{kind}: {found:?}"
        );
    }
}

#[test]
fn a_wish_to_unsubscribe_is_known_by_the_token_alone() {
    for subject in [
        format!("unsubscribe {TOKEN}"),
        format!("Unsubscribe {}", TOKEN.to_uppercase()),
        format!("Re: Fwd: UNSUBSCRIBE [{TOKEN}]"),
        format!("unsubscribe%20{TOKEN}").replace("%20", "  "),
        format!("=?utf-8?q?unsubscribe_{TOKEN}?="),
        format!("unsubscribe\r\n {TOKEN}"),
    ] {
        let mail = format!(
            "From: someone-else@example.com\r\nTo: news@example.org\r\nSubject: {subject}\r\n\r\n\r\n"
        );
        assert_eq!(
            read(mail.as_bytes()),
            [Found::Unsubscribe(Token::parse(TOKEN).unwrap())],
            "{subject}"
        );
    }
    for subject in [
        "unsubscribe",
        "unsubscribe me please",
        TOKEN,
        "unsubscribe aaaaaaaaaaaaaaaaaaaaaaaaa",
        "unsubscribe aaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "unsubscribe 11111111111111111111111111",
    ] {
        let mail = format!("From: a@example.com\r\nSubject: {subject}\r\n\r\nunsubscribe {TOKEN}\r\n");
        let found = read(mail.as_bytes());
        assert!(
            matches!(found.as_slice(), [Found::NotUnderstood(_)]),
            "{subject}: {found:?}"
        );
    }
}

#[test]
fn bounces_of_no_standard_form_are_known_by_the_mail_that_they_bring_back() {
    let qmail = format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@old.example.net\r\nSubject: failure notice\r\n\r\nHi. This is the \
         qmail-send program.\r\n\r\n<ana@example.net>:\r\n192.0.2.7 does not like recipient.\r\nRemote host said: 550 no \
         such user\r\n\r\n--- Below this line is a copy of the message.\r\n\r\nMessage-ID: <{}>\r\nSubject: Spring\r\n",
        id()
    );
    let exim = "From: Mail Delivery System <Mailer-Daemon@example.net>\r\nX-Failed-Recipients: ana@example.net\r\nSubject: \
                Mail delivery failed\r\n\r\nThe following address failed:\r\n  ana@example.net\r\n    Unrouteable address\r\n";
    let answered = format!(
        "From: postmaster@example.net\r\nIn-Reply-To: <{}>\r\nSubject: Undeliverable\r\n\r\nYour mail waits: 451 4.7.1 \
         greylisted\r\n",
        id()
    );
    let unclear = format!(
        "From: postmaster@example.net\r\nReferences: <x@y.example>\r\n <{}>\r\nSubject: Problem\r\n\r\nSomething is wrong.\r\n",
        id()
    );
    let policy = format!(
        "From: postmaster@example.net\r\nIn-Reply-To: <{}>\r\nSubject: x\r\n\r\n550 5.7.1 blocked\r\n",
        id()
    );
    for (mail, status) in [
        (qmail.as_str(), Status::AddressGone),
        (exim, Status::AddressGone),
        (&answered, Status::Delayed),
        (&unclear, Status::Unclear),
        (&policy, Status::MailRefused),
    ] {
        assert_eq!(statuses(mail)[0].1, status, "{mail}");
    }
    let found = read(b"From: MAILER-DAEMON@example.net\r\nSubject: failure\r\n\r\n550 no such user\r\n");
    assert!(
        matches!(found.as_slice(), [Found::NotUnderstood(_)]),
        "of which mail? {found:?}"
    );
}

#[test]
fn answers_of_people_and_of_their_machines_are_left_alone() {
    let reply = format!(
        "From: ana@example.net\r\nIn-Reply-To: <{}>\r\nSubject: Re: Spring\r\n\r\n550 thanks\r\n",
        id()
    );
    let away = format!(
        "Return-Path: <>\r\nFrom: ana@example.net\r\nAuto-Submitted: auto-replied\r\nIn-Reply-To: <{}>\r\nSubject: Spring\r\n\r\n\
         I am away until 5.1.1\r\n",
        id()
    );
    for mail in [reply, away] {
        let found = read(mail.as_bytes());
        assert!(matches!(found.as_slice(), [Found::NotUnderstood(_)]), "{found:?}");
    }
}

#[test]
fn hostile_mails_are_answered_and_end_nothing() {
    let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(200_000);
    let spaced = "Content-Type: message /\r\n (x) rfc822\r\n\r\n".repeat(200_000);
    let digests = (0..20_000).fold(String::new(), |text, n| {
        text + &format!("Content-Type: multipart/digest; boundary=b{n}\r\n\r\n--b{n}\r\n\r\n")
    });
    let deep_parts = (0..50_000).fold(String::new(), |text, n| {
        text + &format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")
    });
    let references = format!("<7.{}@example.org>\r\n ", hash()).repeat(20_000);
    for text in [
        String::new(),
        "\r\n\r\n".into(),
        "x".repeat(100_000),
        "@".repeat(1_000_000),
        deep,
        spaced,
        digests,
        deep_parts,
        format!("From: MAILER-DAEMON@x.example\r\nReferences: {references}\r\n\r\n"),
        dsn(&"Final-Recipient: rfc822;".repeat(50_000)),
        dsn(&" folded".repeat(200_000)),
    ] {
        assert!(!read(text.as_bytes()).is_empty());
    }
    let mut noise =
        dsn("Final-Recipient: rfc822; ana@example.net\r\nAction: failed\r\nStatus: 5.1.1").into_bytes();
    for at in 0..noise.len() {
        noise[at] ^= 0x80;
        assert!(!read(&noise).is_empty());
        noise[at] ^= 0x80;
    }
    assert!(matches!(
        read(&vec![b'a'; MAX_MAIL + 1]).as_slice(),
        [Found::NotUnderstood(_)]
    ));
}
