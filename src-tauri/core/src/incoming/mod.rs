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
use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders};
use std::borrow::Cow;

/// Largest mail that is read, in bytes.
pub const MAX_MAIL: usize = 25 << 20;
/// How often a mail may speak of a mail inside it: each such part can hold the next.
const MAX_NESTED: usize = 30;
/// How often a mail may speak of parts inside a part: for each the parser may look through all that follows.
const MAX_MULTIPARTS: usize = 100;
/// How often a mail may hold what a parameter in another language begins with: the parser compares each with all others.
const MAX_MARKS: usize = 10_000;
/// The longest encoded word that is decoded, in bytes; RFC 2047 §2 allows 75.
const MAX_WORD: usize = 2_000;
/// Parts that are looked through, at most.
const MAX_PARTS: usize = 30;
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
    pub ids: Vec<(i64, u128)>,
    /// They stand in the headers of the mail that came back: it is that mail. Else they are only spoken of somewhere, as
    /// also an answer speaks of the mail that it quotes.
    pub is_certain: bool,
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
    let Some(flat) = flat(bytes) else {
        return not_understood("It holds too many mails inside mails, or is made to be hard to read.");
    };
    let Some(mail) = MessageParser::default().parse(flat.as_ref()) else {
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
    // Before what looks like a bounce: a postmaster may unsubscribe, too, and the token is proof enough.
    if let Some(token) = unsubscribe(mail.subject().unwrap_or_default()) {
        return vec![Found::Unsubscribe(token)];
    }
    if let Some(found) = plain::bounce(&mail, bytes) {
        return vec![found];
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

/// Returns a mail as the parser may see it, which is bounded in depth and time; `None` where it speaks of more mails and
/// parts inside it than are read, or of more languages.
///
/// The parser opens `message/rfc822`, `message/global` and the parts of `multipart/digest` (RFC 2046 §5.1.5) as mails of
/// their own, also out of base64, and keeps them as a tree: one of a hundred thousand mails ends the program when it is
/// dropped. So the first letter of these words becomes an `x`, no part is taken for a mail, and there is no tree at all.
///
/// It seeks the end of every encoded word up to the end of its header, also where there is none, and then takes up again
/// where it was. So a word without an end nearby is made to be none.
fn flat(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut flat = Cow::Borrowed(bytes);
    let (mut mails, mut multiparts, mut marks) = (0, 0, 0);
    // The next two places behind `at` where an encoded word may end.
    let (mut next, mut after) = (usize::MAX, usize::MAX);
    for at in (0..bytes.len()).rev() {
        let rest = &bytes[at..];
        match bytes[at] {
            b'r' | b'R' if is_subtype(bytes, at, b"rfc822") => mails += 1,
            b'g' | b'G' if is_subtype(bytes, at, b"global") => mails += 1,
            b'd' | b'D' if is_subtype(bytes, at, b"digest") => mails += 1,
            b'm' | b'M' if starts(rest, b"multipart") => {
                multiparts += 1;
                continue;
            }
            b'*' => {
                let mark = rest[1..].iter().find(|byte| !byte.is_ascii_whitespace());
                marks += usize::from(mark.is_some_and(|byte| matches!(byte, b'=' | b'(' | b'0'..=b'9')));
                continue;
            }
            b'?' if rest.get(1) == Some(&b'=') => {
                (next, after) = (at, next);
                continue;
            }
            b'=' if rest.get(1) == Some(&b'?') => {
                let end = if next == at + 1 { after } else { next };
                if end <= at + MAX_WORD {
                    continue;
                }
            }
            _ => continue,
        }
        flat.to_mut()[at] = b'x';
        if mails > MAX_NESTED {
            return None;
        }
    }
    (multiparts <= MAX_MULTIPARTS && marks <= MAX_MARKS).then_some(flat)
}

fn starts(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|found| found.eq_ignore_ascii_case(word))
}

/// Tells whether the parser may take the word `at` for a subtype: it takes what stands behind the `/` or a comment, and
/// skips spaces, quotes and backslashes there. With a `-` behind it, the word begins another type.
fn is_subtype(bytes: &[u8], at: usize, word: &[u8]) -> bool {
    starts(&bytes[at..], word)
        && bytes.get(at + word.len()) != Some(&b'-')
        && bytes[..at]
            .iter()
            .rev()
            .find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\\'))
            .is_some_and(|byte| matches!(byte, b'/' | b')'))
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

/// Headers that name a mail of ours, and that an answer to it does not take over.
const NAMING: [&str; 2] = ["message-id:", "list-unsubscribe:"];

/// Finds the mail of ours that a mail is about: by the headers of the mail that it brings back, and only where it brings
/// none back by all that it says.
fn original(mail: &Message<'_>, bytes: &[u8]) -> Original {
    let mut found = Original::default();
    if let Some(part) = mail.parts.iter().find(|part| is_mail(part)) {
        let text = String::from_utf8_lossy(part.contents());
        let headers = text
            .trim_start()
            .lines()
            .take_while(|line| !line.trim().is_empty());
        look_for(&naming(headers), &mut found);
        found.is_certain = true;
        return found;
    }
    let texts = || {
        mail.parts
            .iter()
            .take(MAX_PARTS)
            .map(|part| String::from_utf8_lossy(part.contents()))
    };
    for text in texts() {
        if let Some(headers) = copied(&text) {
            look_for(&headers, &mut found);
            found.is_certain = true;
            return found;
        }
    }
    look_for(&String::from_utf8_lossy(bytes), &mut found);
    // What travelled encoded is found in its decoded form.
    for text in texts() {
        look_for(&text, &mut found);
    }
    found
}

/// Tells whether a part is a mail, or the headers of one (RFC 3462 §2, RFC 6533 §4), by its type after [`flat`].
fn is_mail(part: &MessagePart<'_>) -> bool {
    part.content_type().is_some_and(|kind| {
        matches!(
            (kind.ctype(), kind.subtype().unwrap_or_default()),
            ("message", "xfc822" | "xlobal") | ("text" | "message", "rfc822-headers" | "global-headers")
        )
    })
}

/// Returns the lines of the headers that name a mail.
fn naming<'a>(headers: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    let mut is_wanted = false;
    for line in headers {
        if !line.starts_with([' ', '\t']) {
            is_wanted = NAMING.iter().any(|name| begins(line, name));
        }
        if is_wanted {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Finds the headers of a mail that stands in a text as it is, and returns those that name it.
fn copied(text: &str) -> Option<String> {
    let mut block: Vec<&str> = Vec::new();
    for line in text.lines().chain([""]) {
        if !line.trim().is_empty() {
            block.push(line);
        } else if block.iter().any(|line| begins(line, NAMING[0])) {
            return Some(naming(block.into_iter()));
        } else {
            block.clear();
        }
    }
    None
}

fn begins(line: &str, name: &str) -> bool {
    line.get(..name.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(name))
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
            let id = u128::from_str_radix(hash, 16).map(|hash| (campaign, hash));
            if let Ok(id) = id
                && !found.ids.contains(&id)
            {
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
