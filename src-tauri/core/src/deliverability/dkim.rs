//! DKIM keys: with what a domain's mails are signed (RFC 6376 §3.6.1, RFC 8301). Pure but for the names it asks.

use super::{NameError, Names, finding, senders, tag, unasked};
use crate::api::{CheckFinding, CheckSeverity, CheckTopic};
use data_encoding::BASE64;

/// What a key record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// RSA, with its size in bits.
    Rsa(usize),
    /// Ed25519 (RFC 8463).
    Ed25519,
    /// Withdrawn: `p=` is empty.
    Revoked,
    /// A type that this build does not know.
    Strange,
    /// No key.
    Unreadable,
}

/// Says what keys `domain` has: under `typed`, or under the names that are likely for its server `host`.
pub fn check(names: &dyn Names, domain: &str, host: Option<&str>, typed: Option<&str>) -> Vec<CheckFinding> {
    let topic = CheckTopic::Dkim;
    if let Some(selector) = typed {
        return vec![one(names, domain, selector)];
    }
    let mut out = Vec::new();
    let mut failed = None;
    for selector in senders::selectors(host.and_then(senders::of)) {
        let name = key_name(selector, domain);
        match names.txt(&name) {
            // Under a wildcard every name has some record; only a key is an answer to a guess.
            Ok(records) if records.iter().any(|record| key(record) != Key::Unreadable) => {
                out.push(judge(selector, &name, &records));
            }
            Ok(_) => {}
            Err(error) if error.is_absent() => {}
            Err(error) => {
                failed = Some((name, error));
                break;
            }
        }
    }
    // A working key makes those that were withdrawn or are spare a matter of course.
    if out.iter().any(|found| found.severity == CheckSeverity::Good) {
        out.retain(|found| found.severity == CheckSeverity::Good);
    }
    match failed {
        Some((name, error)) if out.is_empty() => out.push(unasked(topic, &name, &error)),
        _ if out.is_empty() => out.push(finding(
            topic,
            CheckSeverity::Unknown,
            format!(
                "No signing key of {domain} was found under the usual names. Your provider's help has the name, often called \
                 selector; type it and check again, or check a test mail."
            ),
            "",
        )),
        _ => {}
    }
    out
}

fn key_name(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// Judges the key with the name that the user typed.
fn one(names: &dyn Names, domain: &str, selector: &str) -> CheckFinding {
    let name = key_name(selector, domain);
    match names.txt(&name) {
        Ok(records) => judge(selector, &name, &records),
        Err(error @ (NameError::NoSuchName | NameError::NoRecord)) => finding(
            CheckTopic::Dkim,
            CheckSeverity::Bad,
            format!(
                "{name} has no key ({error}), so mails that are signed with it cannot be checked. Compare the name with \
                 that in your provider's help, or add the record that it shows you."
            ),
            "",
        ),
        Err(error) => unasked(CheckTopic::Dkim, &name, &error),
    }
}

fn judge(selector: &str, name: &str, records: &[String]) -> CheckFinding {
    let found: Vec<&String> = records
        .iter()
        .filter(|record| key(record) != Key::Unreadable)
        .collect();
    let raw = |record: &str| format!("{name} TXT {record}");
    let record = match found.as_slice() {
        [] => {
            return finding(
                CheckTopic::Dkim,
                CheckSeverity::Bad,
                format!(
                    "What stands at {name} is no signing key. Copy the record from your provider's help again, whole."
                ),
                &raw(&records.join(" | ")),
            );
        }
        [record] => record.as_str(),
        several => {
            return finding(
                CheckTopic::Dkim,
                CheckSeverity::Bad,
                format!(
                    "{name} has {} keys, and receivers may take the wrong one. Remove all but one.",
                    several.len()
                ),
                &raw(&several
                    .iter()
                    .map(|record| record.as_str())
                    .collect::<Vec<_>>()
                    .join(" | ")),
            );
        }
    };
    let takes_sha256 = tag(record, "h").is_none_or(|hashes| {
        hashes
            .split(':')
            .any(|hash| hash.trim().eq_ignore_ascii_case("sha256"))
    });
    let is_test = tag(record, "t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y"));
    let (severity, sentence) = match key(record) {
        Key::Revoked => (
            CheckSeverity::Bad,
            format!(
                "The key “{selector}” was withdrawn: mails signed with it count as unsigned. Sign with another one."
            ),
        ),
        _ if !takes_sha256 => (
            CheckSeverity::Bad,
            format!(
                "The key “{selector}” forbids the hash that everybody signs with. Take the part h= out of its record."
            ),
        ),
        _ if is_test => (
            CheckSeverity::Warn,
            format!(
                "The key “{selector}” says that it is on trial, and receivers may pass it over. Take t=y out of its record."
            ),
        ),
        Key::Rsa(bits) if bits < 1024 => (
            CheckSeverity::Bad,
            format!(
                "The key “{selector}” has {bits} bits, and receivers refuse such short ones. Make one of 2048 bits."
            ),
        ),
        Key::Rsa(bits) if bits < 2048 => (
            CheckSeverity::Warn,
            format!(
                "The key “{selector}” has {bits} bits. It is still taken; make one of 2048 bits when you can."
            ),
        ),
        Key::Rsa(bits) => (
            CheckSeverity::Good,
            format!("There is a signing key “{selector}” (RSA, {bits} bits)."),
        ),
        Key::Ed25519 => (
            CheckSeverity::Warn,
            format!(
                "The key “{selector}” is of a kind (Ed25519) that some receivers cannot read. Sign with an RSA key as well."
            ),
        ),
        Key::Strange | Key::Unreadable => (
            CheckSeverity::Bad,
            format!(
                "The key “{selector}” is of a kind that receivers do not know. Make an RSA key of 2048 bits."
            ),
        ),
    };
    finding(CheckTopic::Dkim, severity, sentence, &raw(record))
}

fn key(record: &str) -> Key {
    // RFC 6376 §3.6.1: where there is a version it is this one.
    if tag(record, "v").is_some_and(|version| version != "DKIM1") {
        return Key::Unreadable;
    }
    let Some(public) = tag(record, "p") else {
        return Key::Unreadable;
    };
    let public: String = public.split_ascii_whitespace().collect();
    if public.is_empty() {
        return Key::Revoked;
    }
    let kind = tag(record, "k").unwrap_or("rsa").to_ascii_lowercase();
    let Ok(bytes) = BASE64.decode(public.as_bytes()) else {
        return Key::Unreadable;
    };
    match kind.as_str() {
        "rsa" => rsa_bits(&bytes).map_or(Key::Unreadable, Key::Rsa),
        "ed25519" if bytes.len() == 32 => Key::Ed25519,
        "ed25519" => Key::Unreadable,
        _ => Key::Strange,
    }
}

/// Returns the size of an RSA key in DER: SubjectPublicKeyInfo, or RSAPublicKey alone as some write it (RFC 8017 A.1.1).
fn rsa_bits(der: &[u8]) -> Option<usize> {
    let (inner, _) = element(der, 0x30)?;
    let key = match element(inner, 0x30) {
        Some((_, rest)) => {
            let (bits, _) = element(rest, 0x03)?;
            // The first byte tells how many bits of the last are unused: none.
            element(bits.get(1..)?, 0x30)?.0
        }
        None => inner,
    };
    let (modulus, _) = element(key, 0x02)?;
    let first = modulus.iter().position(|byte| *byte != 0)?;
    let significant = &modulus[first..];
    Some(significant.len() * 8 - significant[0].leading_zeros() as usize)
}

/// Returns the content of the DER element with this tag at the front, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    if *found != tag {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let digits = usize::from(*first & 0x7f);
        if digits == 0 || digits > 3 {
            return None;
        }
        let (bytes, rest) = rest.split_at_checked(digits)?;
        (
            bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            rest,
        )
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::super::played::Played;
    use super::*;
    use CheckSeverity::{Bad, Good, Unknown, Warn};

    fn length(out: &mut Vec<u8>, n: usize) {
        match n {
            0..=127 => out.push(n as u8),
            128..=255 => out.extend([0x81, n as u8]),
            _ => out.extend([0x82, (n >> 8) as u8, n as u8]),
        }
    }

    fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        length(&mut out, content.len());
        out.extend(content);
        out
    }

    /// The public part of an RSA key with a modulus of so many bits.
    fn rsa(bits: usize, alone: bool) -> String {
        let mut modulus = vec![0];
        modulus.extend(vec![0x80; bits / 8]);
        let key = wrapped(0x30, &[wrapped(2, &modulus), wrapped(2, &[1, 0, 1])].concat());
        let der = if alone {
            key
        } else {
            let algorithm = wrapped(0x30, &[6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 1, 5, 0]);
            let bits = [&[0], key.as_slice()].concat();
            wrapped(0x30, &[algorithm, wrapped(3, &bits)].concat())
        };
        BASE64.encode(&der)
    }

    fn of(record: &str) -> CheckFinding {
        let names = Played::default().txt("k._domainkey.example.org", &[record]);
        check(&names, "example.org", None, Some("k")).remove(0)
    }

    #[test]
    fn a_keys_type_size_and_flags_are_judged() {
        let (short, old, new) = (rsa(512, false), rsa(1024, false), rsa(2048, false));
        let ed25519 = BASE64.encode(&[7; 32]);
        for (record, severity) in [
            (format!("v=DKIM1; k=rsa; p={new}"), Good),
            (format!("v=DKIM1; p={}", rsa(4096, true)), Good),
            (format!("p={new}"), Good),
            (format!("v=DKIM1; p={} {}", &new[..50], &new[50..]), Good),
            (format!("v=DKIM1; h=sha1:sha256; p={new}"), Good),
            (format!("v=DKIM1; p={old}"), Warn),
            (format!("v=DKIM1; k=ed25519; p={ed25519}"), Warn),
            (format!("v=DKIM1; t=y:s; p={new}"), Warn),
            (format!("v=DKIM1; p={short}"), Bad),
            (format!("v=DKIM1; h=sha1; p={new}"), Bad),
            ("v=DKIM1; p=".to_owned(), Bad),
            ("v=DKIM1; k=rsa; p=AAAA".to_owned(), Bad),
            (format!("v=DKIM1; k=dsa; p={new}"), Bad),
            ("v=DKIM1; k=ed25519; p=AAAA".to_owned(), Bad),
            (format!("v=DKIM1; p={}", &new[..new.len() - 9]), Bad),
            (format!("v=DKIM2; p={new}"), Bad),
            ("hello".to_owned(), Bad),
            (String::new(), Bad),
        ] {
            let found = of(&record);
            assert_eq!(found.severity, severity, "{record}: {}", found.sentence);
        }
        assert!(of("v=DKIM1; p=").sentence.contains("withdrawn"));
        assert!(of(&format!("p={new}")).sentence.contains("2048 bits"));
    }

    #[test]
    fn a_typed_name_without_a_key_is_bad_and_a_guess_is_unknown() {
        let names = Played::default();
        assert_eq!(check(&names, "example.org", None, Some("k"))[0].severity, Bad);
        assert_eq!(check(&names, "example.org", None, None)[0].severity, Unknown);
        let names = Played::default().fails("k._domainkey.example.org", NameError::TimedOut);
        assert_eq!(check(&names, "example.org", None, Some("k"))[0].severity, Unknown);
    }

    #[test]
    fn a_key_is_found_under_the_providers_names() {
        let record = format!("v=DKIM1; p={}", rsa(2048, false));
        let names = Played::default()
            .txt("fm2._domainkey.example.org", &[&record])
            .txt("fm1._domainkey.example.org", &["v=DKIM1; p="]);
        let found = check(&names, "example.org", Some("smtp.fastmail.com"), None);
        assert_eq!(
            found.len(),
            1,
            "a spare key that was withdrawn is a matter of course: {found:?}"
        );
        assert!(found[0].sentence.contains("fm2"), "{found:?}");
    }

    #[test]
    fn a_wildcard_that_answers_everything_is_no_key() {
        let mut names = Played::default();
        for selector in senders::selectors(None) {
            names = names.txt(&format!("{selector}._domainkey.example.org"), &["v=spf1 -all"]);
        }
        let found = check(&names, "example.org", None, None);
        assert_eq!((found.len(), found[0].severity), (1, Unknown), "{found:?}");
    }

    #[test]
    fn two_keys_under_one_name_are_one_too_many() {
        let record = format!("p={}", rsa(2048, false));
        let names = Played::default().txt("k._domainkey.example.org", &[&record, &record]);
        assert_eq!(check(&names, "example.org", None, Some("k"))[0].severity, Bad);
    }

    #[test]
    fn the_first_name_that_gets_no_answer_ends_the_guessing() {
        let first = senders::selectors(None)[0];
        let names = Played::default().fails(&format!("{first}._domainkey.example.org"), NameError::TimedOut);
        assert_eq!(check(&names, "example.org", None, None)[0].severity, Unknown);
        assert_eq!(names.asked.borrow().len(), 1);
    }
}
