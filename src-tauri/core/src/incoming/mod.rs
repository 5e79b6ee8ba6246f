//! Reads mails that come back: bounces, complaints, and mails that ask to unsubscribe. Pure; never fails on a mail.
//!
//! Start at [`read`]. Whoever sends such a mail can write anything into it: what is found here is a claim, and `app` acts
//! on it only where it is about a mail or a person of ours.

pub mod mbox;
pub mod pasted;
mod plain;
mod report;
mod status;

pub use status::Status;

use crate::tracking::token::Token;
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

/// Largest mail that is read, in bytes.
pub const MAX_MAIL: usize = 25 << 20;
/// How often a mail may speak of a mail inside it: each such part can hold the next.
const MAX_NESTED: usize = 30;
/// Recipients of one report, at most.
const MAX_RECIPIENTS: usize = 200;
/// References to mails of ours that are taken from one mail, at most.
const MAX_REFERENCES: usize = 50;
/// The most characters of a server's words that are kept.
const WORDS: usize = 500;

/// What a mail says about one recipient, or wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A mail did not reach somebody, or not yet.
    Bounce(Bounce),
    /// Somebody reported a mail as unwanted (RFC 5965).
    Complaint {
        /// Who, as the report names them; may be empty.
        recipient: String,
        /// Which mail.
        original: Original,
    },
    /// Somebody wants no more mail: the token that the link in their mail carries.
    Unsubscribe(Token),
    /// None of these, with the reason as a sentence.
    NotUnderstood(&'static str),
}

/// A mail that did not reach somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounce {
    /// Who, as the report names them; may be empty.
    pub recipient: String,
    /// What became of it.
    pub status: Status,
    /// The server's words; may be empty.
    pub words: String,
    /// Which mail.
    pub original: Original,
}

/// The mail that something is about, by what only a mail of ours carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Original {
    /// Preference tokens that it names.
    pub tokens: Vec<Token>,
    /// Message-IDs that it names: the campaign's number, and the hash of the token
    /// ([`crate::render::mime::message_id`]).
    pub ids: Vec<(i64, String)>,
}

/// Reads a mail; there is always at least one answer.
pub fn read(bytes: &[u8]) -> Vec<Found> {
    let not_understood = |why| vec![Found::NotUnderstood(why)];
    if bytes.len() > MAX_MAIL {
        return not_understood("The mail is larger than 25 MiB and was not read.");
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return not_understood("There is nothing in it.");
    }
    // The parser keeps a mail inside a mail inside a mail as a tree, and a tree of any depth ends the program.
    if nested(bytes) > MAX_NESTED {
        return not_understood("It holds mails inside mails, too many to be read.");
    }
    let Some(mail) = MessageParser::default().parse(bytes) else {
        return not_understood("It is no mail.");
    };
    if mail.from().is_none() && mail.subject().is_none() && mail.date().is_none() && !has_report(&mail) {
        return not_understood("It is no mail.");
    }
    if let Some(found) = report::delivery(&mail, bytes) {
        return found;
    }
    if let Some(found) = report::complaint(&mail, bytes) {
        return found;
    }
    if let Some(found) = plain::bounce(&mail, bytes) {
        return vec![found];
    }
    if let Some(token) = unsubscribe(mail.subject().unwrap_or_default()) {
        return vec![Found::Unsubscribe(token)];
    }
    if !original(&mail, bytes).ids.is_empty() {
        return not_understood("It is an answer to a mail of yours, to be read by a person.");
    }
    not_understood("It is no bounce, no complaint and no wish to unsubscribe.")
}

fn has_report(mail: &Message<'_>) -> bool {
    mail.parts
        .iter()
        .any(|part| part.content_type().is_some_and(|kind| kind.ctype() == "message"))
}

/// Counts what may open a mail inside the mail: `message/rfc822`, `message/global`, and `multipart/digest`, whose parts
/// are mails without saying so (RFC 2046 §5.1.5). The type `rfc822` of an address in a report is none of them.
fn nested(bytes: &[u8]) -> usize {
    let opens = |at: usize, word: &[u8]| {
        bytes
            .get(at..at + word.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(word))
            && bytes[..at]
                .iter()
                .rev()
                .find(|byte| !byte.is_ascii_whitespace())
                .is_some_and(|byte| matches!(byte, b'/' | b')'))
    };
    bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'r' | b'R' | b'g' | b'G' | b'd' | b'D'))
        .filter(|(at, _)| {
            [&b"rfc822"[..], b"global", b"digest"]
                .iter()
                .any(|word| opens(*at, word))
        })
        .take(MAX_NESTED + 1)
        .count()
}

/// Returns the token of a mail that the link in a `List-Unsubscribe` header opens: its subject is `unsubscribe` and the
/// token, with whatever mail programs put around them.
fn unsubscribe(subject: &str) -> Option<Token> {
    let lower = subject.to_ascii_lowercase();
    let behind = lower.find("unsubscribe")? + "unsubscribe".len();
    words(&lower[behind..]).find_map(Token::parse)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// Finds the mails of ours that a mail speaks of: in its own references, and in the mail that it brings back.
fn original(mail: &Message<'_>, bytes: &[u8]) -> Original {
    let mut found = Original::default();
    look_for(&String::from_utf8_lossy(bytes), &mut found);
    // What travelled encoded is found in its decoded form.
    for part in mail.parts.iter().take(MAX_NESTED) {
        match &part.body {
            PartType::Text(text) | PartType::Html(text) => look_for(text, &mut found),
            PartType::Message(inner) => {
                for part in inner.parts.iter().take(MAX_NESTED) {
                    if let PartType::Text(text) | PartType::Html(text) = &part.body {
                        look_for(text, &mut found);
                    }
                }
            }
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                look_for(&String::from_utf8_lossy(bytes), &mut found);
            }
            PartType::Multipart(_) => {}
        }
    }
    found
}

fn look_for(text: &str, found: &mut Original) {
    // `12.0123456789abcdef0123456789abcdef@`
    for (at, _) in text.match_indices('@') {
        if found.ids.len() >= MAX_REFERENCES {
            break;
        }
        let Some(hash) = at.checked_sub(32).and_then(|start| text.get(start..at)) else {
            continue;
        };
        let is_hash = hash
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let Some(before) = text[..at - 32].strip_suffix('.').filter(|_| is_hash) else {
            continue;
        };
        let digits = before
            .bytes()
            .rev()
            .take_while(u8::is_ascii_digit)
            .take(18)
            .count();
        if let Ok(campaign) = before[before.len() - digits..].parse::<i64>() {
            let id = (campaign, hash.to_owned());
            if !found.ids.contains(&id) {
                found.ids.push(id);
            }
        }
    }
    for mark in ["/u/", "unsubscribe%20", "unsubscribe "] {
        for (at, _) in text.match_indices(mark) {
            if found.tokens.len() >= MAX_REFERENCES {
                return;
            }
            let start = at + mark.len();
            let token = text.get(start..start + Token::TEXT_LEN).and_then(Token::parse);
            if let Some(token) = token
                && !found.tokens.contains(&token)
            {
                found.tokens.push(token);
            }
        }
    }
}

/// Returns a server's words on one line, without control characters.
fn one_line(text: &str) -> String {
    let text: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|letter| !letter.is_control())
        .take(WORDS)
        .collect();
    text
}

#[cfg(test)]
mod tests;
