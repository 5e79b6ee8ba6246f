//! Bounces that are not written for machines: known by who sends them, and by the mail of ours that they bring back.

use super::{Bounce, Found, Status, one_line, original, status};
use mail_parser::{HeaderValue, Message, PartType};

/// The most of a text that is looked through, in bytes.
const LOOKED_AT: usize = 64 << 10;

/// Reads a bounce of no standard form; `None` where the mail is none.
pub(super) fn bounce(mail: &Message<'_>, bytes: &[u8]) -> Option<Found> {
    let failed = header(mail, "X-Failed-Recipients");
    if failed.is_none() && !is_from_daemon(mail) {
        return None;
    }
    let original = original(mail, bytes);
    let text = first_text(mail);
    let recipient = failed
        .as_deref()
        .and_then(|list| list.split(',').next())
        .or_else(|| named(&text))
        .map(one_line)
        .unwrap_or_default();
    if original.ids.is_empty() && original.tokens.is_empty() && recipient.is_empty() {
        return Some(Found::NotUnderstood(
            "It looks like a bounce, and does not say of which mail or which address.",
        ));
    }
    let (status, words) = line_with_status(&text, failed.is_some());
    Some(Found::Bounce(Bounce {
        recipient,
        status,
        words,
        original,
    }))
}

fn header(mail: &Message<'_>, name: &'static str) -> Option<String> {
    mail.headers_raw()
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
}

/// Tells whether a mail server wrote it: by its name, or by the empty sender that only they may use (RFC 5321 §4.5.5).
fn is_from_daemon(mail: &Message<'_>) -> bool {
    let by_name = mail
        .from()
        .and_then(|from| from.first())
        .and_then(|from| from.address())
        .and_then(|address| address.split('@').next())
        .is_some_and(|local| {
            ["mailer-daemon", "postmaster", "mail-daemon"]
                .iter()
                .any(|name| local.eq_ignore_ascii_case(name))
        });
    let without_sender = header(mail, "Return-Path").is_some_and(|path| path == "<>");
    let is_answer = match mail.header("Auto-Submitted") {
        Some(HeaderValue::Text(text)) => text.to_ascii_lowercase().starts_with("auto-replied"),
        _ => false,
    };
    // Whoever is away answers with an empty sender, too (RFC 3834 §3.3).
    by_name || without_sender && !is_answer && !looks_away(mail.subject().unwrap_or_default())
}

fn looks_away(subject: &str) -> bool {
    let lower = subject.to_lowercase();
    [
        "out of office",
        "automatic reply",
        "auto:",
        "abwesen",
        "vacation",
        "away from",
    ]
    .iter()
    .any(|words| lower.contains(words))
}

/// Returns the text above the mail that it brings back.
fn first_text(mail: &Message<'_>) -> String {
    let text = mail
        .parts
        .iter()
        .find_map(|part| match &part.body {
            PartType::Text(text) | PartType::Html(text) => Some(text.as_ref()),
            _ => None,
        })
        .unwrap_or_default();
    let mut end = text.len().min(LOOKED_AT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// Finds whom qmail names: `<ana@example.org>:` on a line of its own.
fn named(text: &str) -> Option<&str> {
    text.lines()
        .filter_map(|line| line.trim_end().strip_prefix('<')?.strip_suffix(">:"))
        .find(|address| address.contains('@'))
}

/// Finds the first line that says what became of the mail.
fn line_with_status(text: &str, is_final: bool) -> (Status, String) {
    for line in text.lines() {
        let of_line = status::of_words(line)
            .filter(|status| *status != Status::Delivered)
            .or_else(|| status::reply(line));
        if let Some(status) = of_line {
            return (status, one_line(line));
        }
    }
    // Exim names the recipients that failed for good, and only those.
    match is_final {
        true => (Status::AddressGone, String::new()),
        false => (Status::Unclear, String::new()),
    }
}
