//! Reports for machines: of delivery (RFC 3464) and of complaints (RFC 5965).

use super::{Bounce, Found, MAX_RECIPIENTS, Status, one_line, original, status};
use mail_parser::{Message, MimeHeaders};

/// A group of fields, names in lower case, values on one line.
type Fields = Vec<(String, String)>;

/// Reads a report of delivery; `None` where the mail is none.
pub(super) fn delivery(mail: &Message<'_>, bytes: &[u8]) -> Option<Vec<Found>> {
    let text = part(mail, &["delivery-status", "global-delivery-status"])?;
    let original = original(mail, bytes);
    let mut found = Vec::new();
    for fields in groups(&text) {
        let named = |name: &str| value(&fields, name);
        // The first group is about the mail as a whole; what names a recipient is about one.
        let Some(recipient) = named("final-recipient").or_else(|| named("original-recipient")) else {
            continue;
        };
        if found.len() >= MAX_RECIPIENTS {
            break;
        }
        let diagnostic = named("diagnostic-code").unwrap_or_default();
        let status = match (
            named("action").map(str::to_ascii_lowercase).as_deref(),
            failed(named("status"), diagnostic),
        ) {
            (Some("failed"), Some(Status::Delivered)) => Status::Unclear,
            (Some("failed"), Some(status)) => status,
            (Some("delayed"), _) => Status::Delayed,
            (Some("delivered" | "relayed" | "expanded"), _) => Status::Delivered,
            _ => Status::Unclear,
        };
        found.push(Found::Bounce(Bounce {
            recipient: address(recipient),
            status,
            words: one_line(if diagnostic.is_empty() {
                named("status").unwrap_or_default()
            } else {
                diagnostic.split_once(';').map_or(diagnostic, |(_, words)| words)
            }),
            original: original.clone(),
        }));
    }
    if found.is_empty() {
        found.push(Found::NotUnderstood(
            "It is a report of delivery that names nobody.",
        ));
    }
    Some(found)
}

/// Returns what the status and the server's words say of a mail that failed; `None` where they do not say.
fn failed(status: Option<&str>, diagnostic: &str) -> Option<Status> {
    let said = status.and_then(status::code);
    match said {
        // Exim writes 5.0.0 whatever the reason was; that stands in the server's words.
        Some(status::NO_REASON) => status::of_words(diagnostic).or(said.map(status::of_code)),
        _ => said.or_else(|| status::code(diagnostic)).map(status::of_code),
    }
}

/// Reads a complaint; `None` where the mail is none.
pub(super) fn complaint(mail: &Message<'_>, bytes: &[u8]) -> Option<Vec<Found>> {
    let text = part(mail, &["feedback-report"])?;
    let fields: Fields = groups(&text).into_iter().flatten().collect();
    let kind = value(&fields, "feedback-type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    Some(vec![match kind.as_str() {
        "abuse" | "fraud" | "opt-out" => Found::Complaint {
            recipient: value(&fields, "original-rcpt-to")
                .map(address)
                .unwrap_or_default(),
            original: original(mail, bytes),
        },
        "not-spam" => Found::NotUnderstood("It says that a mail was wanted; there is nothing to do."),
        _ => Found::NotUnderstood("It is a report that is no complaint; there is nothing to do."),
    }])
}

/// Returns the text of the first part of type `message/` with one of these names.
fn part(mail: &Message<'_>, names: &[&str]) -> Option<String> {
    mail.parts.iter().find_map(|part| {
        let kind = part.content_type()?;
        let named = kind.ctype().eq_ignore_ascii_case("message")
            && kind
                .subtype()
                .is_some_and(|sub| names.iter().any(|name| sub.eq_ignore_ascii_case(name)));
        if !named {
            return None;
        }
        Some(String::from_utf8_lossy(part.contents()).into_owned())
    })
}

/// Reads groups of fields that are separated by empty lines (RFC 3464 §2.1).
fn groups(text: &str) -> Vec<Fields> {
    let mut groups: Vec<Fields> = vec![Vec::new()];
    for line in text.lines() {
        let last = groups.last_mut().expect("there is one from the start");
        if line.trim().is_empty() {
            if !last.is_empty() {
                groups.push(Vec::new());
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = last.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            last.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    groups
}

fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

/// Returns the address of `rfc822; ana@example.org`, also where it is in `<>` or written as xtext (RFC 3461 §4).
fn address(value: &str) -> String {
    let text = value.split_once(';').map_or(value, |(_, address)| address).trim();
    one_line(text.trim_matches(['<', '>', ' ']))
}
