//! A test mail that came back: does its signature hold, what does it cover, for whom does it speak. Pure but for the
//! names it asks; the signatures are verified by `net::dkim`.

use super::dmarc::{self, Alignment};
use super::{Names, finding, shown, unasked};
use crate::api::{CheckFinding, CheckSeverity, CheckTopic};
use crate::clock::Instant;
use mail_parser::MessageParser;

/// Largest mail that is read, in bytes. Providers take 25 MiB at most.
pub const MAX_BYTES: u64 = 25 << 20;
/// Signatures of one mail, at most: each costs a look-up and a hash over the whole body.
pub const MAX_SIGNATURES: usize = 20;

/// What a signature turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// The text below the headers was changed after it was signed.
    BodyChanged,
    /// It does not fit the headers, or the key.
    Broken,
    /// Its time is over.
    Expired,
    /// The domain has no such key.
    NoKey,
    /// The key was withdrawn.
    Revoked,
    /// It cannot be read, or is of a kind that nobody knows; with the reason.
    Unreadable(String),
    /// The key could not be looked up; with the reason.
    Unasked(String),
}

/// A verified signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Whose it is; empty where it cannot be read.
    pub domain: String,
    /// The key's name.
    pub selector: String,
    /// The headers that it covers, in lower case.
    pub headers: Vec<String>,
    /// It covers only so many bytes of the text (`l=`).
    pub length: Option<u64>,
    /// When its time is over, in seconds since 1970.
    pub expires: Option<u64>,
    /// What it turned out to be.
    pub outcome: Outcome,
}

/// What stands in the headers of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The sender's address.
    pub from: String,
    /// The subject.
    pub subject: String,
    /// How many signatures it has.
    pub signatures: usize,
    /// `List-Unsubscribe` is there.
    pub has_list: bool,
    /// `List-Unsubscribe-Post` is there.
    pub has_post: bool,
    /// The outermost `Authentication-Results`, as it was written.
    pub received: Option<String>,
}

/// Why bytes are no mail that can be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Nothing there.
    #[error("the file is empty")]
    Empty,
    /// No headers, or no sender among them.
    #[error(
        "the file is no mail: it has no sender. Save the mail from your mail program as a file (.eml) and take that"
    )]
    NoMail,
    /// More than one sender (RFC 5322 §3.6.2 allows it, DMARC does not).
    #[error("the mail names several senders, and receivers then check none of them")]
    SeveralSenders,
    /// More signatures than are checked.
    #[error("the mail has {0} signatures; at most {MAX_SIGNATURES} are checked")]
    TooManySignatures(usize),
}

/// Reads the headers of a mail.
pub fn read(bytes: &[u8]) -> Result<Mail, MailError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(MailError::Empty);
    }
    let mail = MessageParser::default()
        .parse_headers(bytes)
        .ok_or(MailError::NoMail)?;
    let named = |name: &'static str| {
        mail.headers_raw()
            .filter(move |(found, _)| found.trim().eq_ignore_ascii_case(name))
    };
    let senders: Vec<String> = mail
        .header_values("From")
        .filter_map(|value| value.as_address())
        .flat_map(|from| from.iter())
        .filter_map(|from| from.address())
        .filter(|address| address.contains('@'))
        .map(str::to_owned)
        .collect();
    let from = match senders.as_slice() {
        [] => return Err(MailError::NoMail),
        [from] => from.clone(),
        _ => return Err(MailError::SeveralSenders),
    };
    let signatures = named("DKIM-Signature").count();
    // What forwarders sign costs its hash over the body as well, though it is not verified (RFC 8617 §4.1.2).
    let all = signatures + named("ARC-Message-Signature").count();
    if all > MAX_SIGNATURES {
        return Err(MailError::TooManySignatures(all));
    }
    Ok(Mail {
        from: shown(&from, 254),
        subject: shown(mail.subject().unwrap_or_default(), 200),
        signatures,
        has_list: named("List-Unsubscribe").next().is_some(),
        has_post: named("List-Unsubscribe-Post").next().is_some(),
        received: named("Authentication-Results")
            .next()
            .map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" ")),
    })
}

/// Returns the mail with its lines ended by CRLF, as it travelled: mail programs on Unix save it without.
pub fn as_sent(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.windows(2).any(|pair| pair == b"\r\n") {
        return bytes;
    }
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    for byte in bytes {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

/// Says what a mail with these signatures is worth to a receiver at `now`.
pub fn check(names: &dyn Names, mail: &Mail, signatures: &[Signature], now: Instant) -> Vec<CheckFinding> {
    let signatures: Vec<Signature> = signatures
        .iter()
        .map(|signature| aged(signature.clone(), now))
        .collect();
    let mut out = of_signatures(mail, &signatures);
    let holding: Vec<&Signature> = signatures
        .iter()
        .filter(|signature| signature.outcome == Outcome::Holds)
        .collect();
    out.push(one_click(mail, &holding));
    out.push(alignment(names, mail, &holding));
    out.push(received(mail));
    out
}

/// The verifier goes by the computer's clock; what is over by ours is over as well.
fn aged(signature: Signature, now: Instant) -> Signature {
    let over = signature
        .expires
        .is_some_and(|expires| i64::try_from(expires).is_ok_and(|expires| expires <= now.timestamp()));
    match signature.outcome {
        Outcome::Holds if over => Signature {
            outcome: Outcome::Expired,
            ..signature
        },
        _ => signature,
    }
}

fn of_signatures(mail: &Mail, signatures: &[Signature]) -> Vec<CheckFinding> {
    let topic = CheckTopic::Signature;
    if mail.signatures == 0 {
        return vec![finding(
            topic,
            CheckSeverity::Bad,
            "The mail is not signed, and receivers trust it less. Turn on DKIM at your mail provider, whose help tells how.",
            "",
        )];
    }
    let holds = signatures
        .iter()
        .any(|signature| signature.outcome == Outcome::Holds && signature.length.is_none());
    let mut out: Vec<CheckFinding> = signatures
        .iter()
        .map(|signature| {
            let mut found = of_signature(signature);
            // One that holds is enough; receivers pass over the others (RFC 6376 §6.1).
            if holds && found.severity > CheckSeverity::Warn {
                found.severity = CheckSeverity::Warn;
            }
            found
        })
        .collect();
    if signatures.len() < mail.signatures {
        out.push(finding(
            topic,
            if holds { CheckSeverity::Warn } else { CheckSeverity::Bad },
            "A signature of the mail cannot be read: a part that every signature needs is missing. Sign it again.",
            "",
        ));
    }
    out
}

fn of_signature(signature: &Signature) -> CheckFinding {
    let raw = match signature.domain.as_str() {
        "" => String::new(),
        domain => format!(
            "d={domain}; s={}; h={}",
            signature.selector,
            signature.headers.join(":")
        ),
    };
    let whose = match signature.domain.as_str() {
        "" => "A signature of the mail".to_owned(),
        domain => format!("The signature of {}", shown(domain, 253)),
    };
    let (severity, rest) = match &signature.outcome {
        Outcome::Holds => match signature.length {
            None => (CheckSeverity::Good, "holds.".to_owned()),
            Some(bytes) => (
                CheckSeverity::Warn,
                format!(
                    "holds, and covers only the first {bytes} bytes of the text (l=): anybody could add more, so many \
                     receivers do not trust it. Sign without l=."
                ),
            ),
        },
        Outcome::BodyChanged => (
            CheckSeverity::Bad,
            "does not hold: the text was changed after it was signed. Some server on the way, such as a mailing list or a \
             virus scanner, added something; also save the mail itself and not a forwarded copy."
                .to_owned(),
        ),
        Outcome::Broken => (
            CheckSeverity::Bad,
            "does not hold: it fits neither the headers nor the key. Compare the key in your domain's records with that at \
             your provider; also save the mail itself and not a forwarded copy."
                .to_owned(),
        ),
        Outcome::Expired => (
            CheckSeverity::Bad,
            "is over: it held for a limited time (x=). Send a new test mail and check it today.".to_owned(),
        ),
        Outcome::NoKey => (
            CheckSeverity::Bad,
            format!(
                "cannot be checked: {}._domainkey.{} has no key. Add the record that your provider shows you.",
                shown(&signature.selector, 100),
                shown(&signature.domain, 253)
            ),
        ),
        Outcome::Revoked => (
            CheckSeverity::Bad,
            "counts for nothing: its key was withdrawn. Sign with another key.".to_owned(),
        ),
        Outcome::Unreadable(reason) => (
            CheckSeverity::Bad,
            format!("cannot be read ({}). Sign it again.", shown(reason, 200)),
        ),
        Outcome::Unasked(reason) => (
            CheckSeverity::Unknown,
            format!("could not be checked: {}. Try again in a few minutes.", shown(reason, 200)),
        ),
    };
    finding(CheckTopic::Signature, severity, format!("{whose} {rest}"), &raw)
}

fn one_click(mail: &Mail, holding: &[&Signature]) -> CheckFinding {
    let topic = CheckTopic::OneClick;
    if !mail.has_post {
        let (severity, sentence) = if mail.has_list {
            (
                CheckSeverity::Warn,
                "The mail offers to unsubscribe by mail only. Gmail and Yahoo ask for one click: set a public address in \
                 Settings, and send another test mail.",
            )
        } else {
            (
                CheckSeverity::Warn,
                "The mail has no headers to unsubscribe by. Casement adds them to every campaign; check a mail of one.",
            )
        };
        return finding(topic, severity, sentence, "");
    }
    let covers = |signature: &&&Signature| {
        ["list-unsubscribe", "list-unsubscribe-post"]
            .iter()
            .all(|name| signature.headers.iter().any(|header| header == name))
    };
    match holding.iter().find(covers) {
        Some(signature) => finding(
            topic,
            CheckSeverity::Good,
            "Unsubscribing with one click works: its headers are signed.",
            &format!("d={}; h={}", signature.domain, signature.headers.join(":")),
        ),
        None if holding.is_empty() => finding(
            topic,
            CheckSeverity::Bad,
            "Mail programs will not offer to unsubscribe with one click: its headers must be signed, and no signature holds.",
            "",
        ),
        None => finding(
            topic,
            CheckSeverity::Bad,
            "Mail programs will not offer to unsubscribe with one click: the signature leaves out List-Unsubscribe or \
             List-Unsubscribe-Post. Ask your mail provider to sign both.",
            &format!("h={}", holding[0].headers.join(":")),
        ),
    }
}

fn alignment(names: &dyn Names, mail: &Mail, holding: &[&Signature]) -> CheckFinding {
    let topic = CheckTopic::Alignment;
    let from = mail.from.rsplit('@').next().unwrap_or_default();
    let mut not_exactly = None;
    let mut failed = None;
    for signature in holding {
        match dmarc::aligns(names, from, &signature.domain) {
            Alignment::Aligned => {
                return finding(
                    topic,
                    CheckSeverity::Good,
                    format!(
                        "The signature of {} speaks for {from}, the sender that readers see.",
                        signature.domain
                    ),
                    "",
                );
            }
            Alignment::NotExactly => not_exactly = Some(&signature.domain),
            Alignment::Apart => {}
            Alignment::Unasked(name, error) => failed = Some((name, error)),
        }
    }
    if let Some((name, error)) = failed {
        return unasked(topic, &name, &error);
    }
    let sentence = match (not_exactly, holding.first()) {
        (Some(domain), _) => format!(
            "The signature is of {domain}, and the DMARC record of {from} wants exactly {from}. Sign with {from}, or take \
             adkim=s out of that record."
        ),
        (None, Some(signature)) => format!(
            "The signature is of {}, which does not speak for {from}, the sender that readers see. Set up DKIM for {from} at \
             your mail provider.",
            shown(&signature.domain, 253)
        ),
        (None, None) => format!("No signature that holds speaks for {from}, the sender that readers see."),
    };
    finding(topic, CheckSeverity::Bad, sentence, "")
}

/// Whoever wrote the header further down may be anybody: only the outermost is of the server that the mail came to.
fn received(mail: &Mail) -> CheckFinding {
    let topic = CheckTopic::Received;
    match &mail.received {
        Some(words) => finding(
            topic,
            CheckSeverity::Good,
            "This is what the receiving server noted. It is shown as it stands, and was not checked.",
            &format!("Authentication-Results: {words}"),
        ),
        None => finding(
            topic,
            CheckSeverity::Unknown,
            "The receiving server noted nothing in the mail. Save it from the mailbox that it was sent to, not from your \
             own folder of sent mails.",
            "",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::played::Played;
    use super::*;
    use CheckSeverity::{Bad, Good, Warn};

    fn now() -> Instant {
        "2026-04-01T08:00:00Z".parse().unwrap()
    }

    fn signature(outcome: Outcome) -> Signature {
        Signature {
            domain: "example.org".into(),
            selector: "k".into(),
            headers: ["from", "list-unsubscribe", "list-unsubscribe-post"]
                .map(str::to_owned)
                .to_vec(),
            length: None,
            expires: None,
            outcome,
        }
    }

    const MAIL: &str = "Authentication-Results: mx.example.net;\r\n dkim=pass\r\nAuthentication-Results: forged; spf=pass\r\n\
        DKIM-Signature: x\r\nFrom: Club <news@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
        List-Unsubscribe: <https://t.example.org/u/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nHello\r\n";

    fn severities(mail: &str, signatures: &[Signature]) -> Vec<(CheckTopic, CheckSeverity)> {
        let mail = read(mail.as_bytes()).unwrap();
        check(&Played::default(), &mail, signatures, now())
            .iter()
            .map(|found| (found.topic, found.severity))
            .collect()
    }

    #[test]
    fn a_good_mail_is_good_in_all_parts() {
        use CheckTopic::*;
        assert_eq!(
            severities(MAIL, &[signature(Outcome::Holds)]),
            [
                (Signature, Good),
                (OneClick, Good),
                (Alignment, Good),
                (Received, Good)
            ]
        );
        let mail = read(MAIL.as_bytes()).unwrap();
        assert_eq!(mail.subject, "Grüße");
        assert_eq!(
            mail.received.as_deref(),
            Some("mx.example.net; dkim=pass"),
            "the outermost only: others may be anybody's"
        );
    }

    #[test]
    fn each_way_to_fail_is_told_from_the_others() {
        let mut seen = std::collections::BTreeSet::new();
        for outcome in [
            Outcome::BodyChanged,
            Outcome::Broken,
            Outcome::Expired,
            Outcome::NoKey,
            Outcome::Revoked,
            Outcome::Unreadable("no".into()),
            Outcome::Unasked("no".into()),
        ] {
            let found = check(
                &Played::default(),
                &read(MAIL.as_bytes()).unwrap(),
                &[signature(outcome)],
                now(),
            );
            assert!(found[0].severity != Good, "{found:?}");
            assert_eq!((found[1].severity, found[2].severity), (Bad, Bad), "{found:?}");
            assert!(seen.insert(found[0].sentence.clone()), "{found:?}");
        }
    }

    #[test]
    fn a_signature_that_leaves_out_the_one_click_headers_does_not_count_for_them() {
        let mut leaves_out = signature(Outcome::Holds);
        leaves_out.headers.pop();
        assert_eq!(severities(MAIL, &[leaves_out.clone()])[1].1, Bad);
        // Only one of two covers them, and that one is broken.
        assert_eq!(
            severities(MAIL, &[leaves_out, signature(Outcome::Broken)])[2].1,
            Bad
        );
    }

    #[test]
    fn a_limited_length_and_a_signature_of_others_are_told() {
        let limited = Signature {
            length: Some(12),
            ..signature(Outcome::Holds)
        };
        assert_eq!(severities(MAIL, &[limited])[0].1, Warn);
        let other = Signature {
            domain: "relay.example".into(),
            ..signature(Outcome::Holds)
        };
        assert_eq!(severities(MAIL, std::slice::from_ref(&other))[2].1, Bad);
        assert_eq!(
            severities(MAIL, &[other, signature(Outcome::Holds)])[3].1,
            Good,
            "one of two is enough"
        );
    }

    #[test]
    fn a_signature_that_is_over_by_our_clock_is_over() {
        let over = Signature {
            expires: Some(u64::try_from(now().timestamp()).unwrap()),
            ..signature(Outcome::Holds)
        };
        assert_eq!(severities(MAIL, &[over])[0].1, Bad);
    }

    #[test]
    fn what_is_no_mail_is_refused_and_said() {
        for (text, error) in [
            ("", MailError::Empty),
            ("\r\n \n", MailError::Empty),
            ("Hello", MailError::NoMail),
            ("Subject: x\r\n\r\ny", MailError::NoMail),
            ("From: nobody\r\n\r\ny", MailError::NoMail),
            (
                "From: a@example.org, b@example.org\r\n\r\ny",
                MailError::SeveralSenders,
            ),
            (
                "From: a@example.org\r\nFrom: b@example.org\r\n\r\ny",
                MailError::SeveralSenders,
            ),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err(), error, "{text:?}");
        }
        let many = "DKIM-Signature: v=1\r\n".repeat(21) + "From: a@example.org\r\n\r\n";
        assert_eq!(
            read(many.as_bytes()).unwrap_err(),
            MailError::TooManySignatures(21)
        );
        // The verifier hashes the body for each, whoever signed.
        let forwarded = "DKIM-Signature: v=1\r\n".to_owned() + &"ARC-Message-Signature: i=1\r\n".repeat(20);
        assert_eq!(
            read((forwarded + "From: a@example.org\r\n\r\n").as_bytes()).unwrap_err(),
            MailError::TooManySignatures(21)
        );
        assert!(read(&[0xff; 4096]).is_err());
        assert!(read(&[b'\n'; 4096]).is_err());
    }

    #[test]
    fn lines_are_ended_as_they_travelled() {
        assert_eq!(as_sent(b"a\nb\n".to_vec()), b"a\r\nb\r\n");
        assert_eq!(
            as_sent(b"a\r\nb\n".to_vec()),
            b"a\r\nb\n",
            "what has both is as it was"
        );
    }
}
