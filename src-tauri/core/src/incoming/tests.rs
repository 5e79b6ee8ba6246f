//! Mails that come back, standard, odd and hostile.

use super::*;
use crate::ids::CampaignId;
use crate::render::mime::message_id;
use data_encoding::BASE64;

const TOKEN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

fn id() -> String {
    message_id(CampaignId(7), &Token::parse(TOKEN).unwrap(), "example.org")
}

fn hash() -> u128 {
    u128::from_str_radix(&id()[2..34], 16).unwrap()
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
        // Exim's constant: the reason stands in the server's words.
        (
            "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; 550-5.7.26 blocked",
            Status::MailRefused,
        ),
        (
            "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; 554 blocked, see our list",
            Status::MailRefused,
        ),
        (
            "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; 554 5.0.0 blocked",
            Status::MailRefused,
        ),
        (
            "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; 571 not authorised",
            Status::MailRefused,
        ),
        (
            "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; 451 4.7.1 greylisted",
            Status::Delayed,
        ),
        (
            "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; 550 5.1.1 unknown",
            Status::AddressGone,
        ),
        (
            "Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: x-unix; user unknown",
            Status::AddressGone,
        ),
        // Put off is put off, whatever the last server said.
        (
            "Action: failed\r\nStatus: 4.0.0\r\nDiagnostic-Code: smtp; 550 5.1.1 unknown",
            Status::Delayed,
        ),
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
fn an_answer_that_quotes_our_mail_is_not_our_mail() {
    let gone = "Final-Recipient: rfc822; bo@example.net\r\nAction: failed\r\nStatus: 5.1.1";
    let answer = format!(
        "Message-ID: <own@mail.example>\r\nReferences: <{}>\r\nFrom: news@example.org\r\nTo: ana@example.net\r\n\
         Cc: bo@example.net\r\nSubject: Re: Spring\r\n\r\nDear Ana,\r\n\r\n> https://t.example.org/u/{TOKEN}\r\n\
         > Message-ID: <{}>\r\n\r\nMessage-ID: <{}>\r\n",
        id(),
        id(),
        id()
    );
    let returned = |kind: &str, body: &str| {
        format!(
            "From: MAILER-DAEMON@example.net\r\nReferences: <{}>\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n{gone}\r\n\r\n--b\r\n\
             Content-Type: {kind}\r\n\r\n{body}\r\n--b--\r\n",
            id()
        )
    };
    let encoded = BASE64.encode(answer.as_bytes());
    let qmail = format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@old.example.net\r\nSubject: failure notice\r\n\r\n<bo@example.net>:\r\n\
         550 no such user\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n{answer}"
    );
    let of_complaint = returned("message/rfc822", &answer)
        .replace("delivery-status", "feedback-report")
        .replace("Reporting-MTA: dns; x", "Feedback-Type: abuse");
    for mail in [
        returned("message/rfc822", &answer),
        returned("MESSAGE/RFC822; charset=x", &answer.replace("\r\n", "\n")),
        // Of another mail program, without a name of its own.
        returned(
            "message/rfc822",
            &answer.replacen("Message-ID: <own@mail.example>\r\n", "", 1),
        ),
        returned("text/rfc822-headers", &answer),
        returned("message/global-headers", &answer),
        returned("message/rfc822\r\nContent-Transfer-Encoding: base64", &encoded),
        qmail.clone(),
        of_complaint,
    ] {
        let found = read(mail.as_bytes());
        let ([Found::Bounce(Bounce { original, .. })] | [Found::Complaint { original, .. }]) =
            found.as_slice()
        else {
            panic!("{found:?}");
        };
        let nothing = Original {
            is_certain: true,
            ..Original::default()
        };
        assert_eq!(original, &nothing, "{mail}");
    }
    assert_eq!(
        statuses(&qmail),
        [("bo@example.net".to_owned(), Status::AddressGone)]
    );
    // The mail itself is known by the same headers, also in base64; without them all of a report is looked through.
    let ours = format!("Message-ID: <{}>\r\nSubject: Spring\r\n\r\nHello\r\n", id());
    for (mail, is_certain) in [
        (returned("message/rfc822", &ours), true),
        (
            returned(
                "message/global\r\nContent-Transfer-Encoding: base64",
                &BASE64.encode(ours.as_bytes()),
            ),
            true,
        ),
        (returned("text/plain", "nothing"), false),
    ] {
        let found = read(mail.as_bytes());
        let [Found::Bounce(Bounce { original, .. })] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (&original.ids[..], original.is_certain),
            (&[(7, hash())][..], is_certain),
            "{mail}"
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
    for from in [
        "From: postmaster@example.net",
        "Return-Path: <>\r\nFrom: a@example.com",
        "X-Failed-Recipients: a@example.net\r\nFrom: Mailer-Daemon@example.net",
    ] {
        let mail = format!("{from}\r\nTo: news@example.org\r\nSubject: unsubscribe {TOKEN}\r\n\r\n\r\n");
        assert_eq!(
            read(mail.as_bytes()),
            [Found::Unsubscribe(Token::parse(TOKEN).unwrap())],
            "looks like a bounce, and is a wish: {from}"
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
fn no_part_of_a_mail_is_opened_as_a_mail() {
    let inside = "From: a@example.org\r\n\r\nx";
    let encoded = BASE64.encode(inside.as_bytes());
    for kind in [
        "message/rfc822",
        "MESSAGE/RFC822",
        "message/\"rfc822\"",
        "message/\\rfc822",
        "message / \\\" rfc822\"",
        "message(a)/(b)rfc822(c)",
        "message/(b) \"rfc822; x=y",
        "message/\trfc822",
        "message/global",
        "message/\"global\"",
    ] {
        let plain = format!("From: b@example.org\r\nContent-Type: {kind}\r\n\r\n{inside}\r\n");
        let in_base64 = format!(
            "From: b@example.org\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n"
        );
        for text in [plain, in_base64] {
            let opened = |bytes: &[u8]| {
                let mail = MessageParser::default().parse(bytes).unwrap();
                mail.parts
                    .iter()
                    .any(|part| matches!(part.body, mail_parser::PartType::Message(_)))
            };
            assert!(opened(text.as_bytes()), "the parser takes it for a mail: {text}");
            assert!(!opened(&flat(text.as_bytes()).unwrap()), "{text}");
        }
    }
    let digest = "Content-Type: multipart/\"digest\"; boundary=b\r\n\r\n--b\r\n\r\nFrom: a@example.org\r\n\r\nx\r\n--b--\r\n";
    let mail = flat(digest.as_bytes()).unwrap();
    let mail = MessageParser::default().parse(mail.as_ref()).unwrap();
    assert!(
        !mail
            .parts
            .iter()
            .any(|part| matches!(part.body, mail_parser::PartType::Message(_)))
    );
    for other in [
        "Final-Recipient: rfc822; ana@example.net",
        "Content-Type: text/rfc822-headers",
        "Content-Type: message/global-delivery-status",
        "Subject: =?utf-8?q?Spring_=E2=80=A6?= =?utf-8?b?4oCm?=",
        "Content-Type: text/plain; name*=utf-8'en'x; a*0=x",
    ] {
        assert_eq!(flat(other.as_bytes()).unwrap(), other.as_bytes());
    }
}

#[test]
fn hostile_mails_are_answered_and_end_nothing() {
    let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(200_000);
    let spaced = "Content-Type: message /\r\n (x) rfc822\r\n\r\n".repeat(200_000);
    let quoted = "Content-Type: message/\"rfc822\"\r\n\r\n".repeat(200_000);
    let escaped = "Content-Type: message/\\rfc822\r\n\r\n".repeat(200_000);
    let encoded = |how: &str, text: &str| {
        format!(
            "From: a@example.org\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: {how}\r\n\r\n{text}"
        )
    };
    let in_base64 = encoded("base64", &BASE64.encode(deep.as_bytes()));
    let in_quoted_printable = encoded("quoted-printable", &deep.replace("rfc822", "=72fc822"));
    let in_disguise = encoded("=?utf-8?q?base64?=", &BASE64.encode(deep.as_bytes()));
    let digests = (0..20_000).fold(String::new(), |text, n| {
        text + &format!("Content-Type: multipart/digest; boundary=b{n}\r\n\r\n--b{n}\r\n\r\n")
    });
    let deep_parts = (0..50_000).fold(String::new(), |text, n| {
        text + &format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")
    });
    // Each names a boundary that the parser then seeks to the end.
    let without_end = (0..100_000).fold(
        String::from("From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"),
        |text, _| text + "--b\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\n",
    );
    let references = format!("<7.{:032x}@example.org>\r\n ", hash()).repeat(20_000);
    for text in [
        String::new(),
        "\r\n\r\n".into(),
        "x".repeat(100_000),
        "@".repeat(1_000_000),
        deep,
        spaced,
        quoted,
        escaped,
        in_base64,
        in_quoted_printable,
        in_disguise,
        digests,
        deep_parts,
        without_end,
        // Encoded words without an end, and parameters in many languages.
        format!("Subject: {}\r\n\r\nx", "=?aa?q?x\r\n ".repeat(200_000)),
        format!("Subject: {}\r\n\r\nx", "=?=?=?aa?b?".repeat(200_000)),
        format!("From: {}\r\n\r\nx", "=?aa?q?x, ".repeat(200_000)),
        (0..200_000).fold(
            String::from("Subject: x\r\nContent-Type: text/plain"),
            |text, n| text + &format!(";a{n}*=utf-8'en'x"),
        ),
        (0..200_000).fold(
            String::from("Subject: x\r\nContent-Type: text/plain"),
            |text, n| text + &format!("; a{n}* (x) =utf-8'en'x"),
        ),
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
