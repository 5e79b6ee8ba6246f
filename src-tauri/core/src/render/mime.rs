//! The finished mail: headers and a multipart body, byte for byte the same for the same input.
//!
//! Headers are assembled here, since an unsubscribe address must not be folded inside its `<>` and no value
//! may end a header; mail-builder encodes the bodies. Nothing here adds a header that the caller did not ask for.

mod attached;
mod enclosed;

use super::template::Rendered;
use crate::clock::Instant;
use crate::domain::contact::EmailAddress;
use crate::ids::CampaignId;
use crate::tracking::token::Token;
use data_encoding::{BASE64, HEXLOWER};
use lettre::message::Body;
use lettre::message::header::ContentTransferEncoding;
use mail_builder::encoders::QuotedPrintableEncoder;

pub use attached::{AttachedFile, build_with_file};
pub use enclosed::{Enclosed, Enclosures, File, PICTURE, content_id, picture_digest};

/// The most characters of a display name; longer ones are cut, since no client shows them.
const MAX_NAME: usize = 100;
/// RFC 5322 §2.1.1: a line should have no more than 78 characters.
const LINE: usize = 76;

/// Whom a mail is from and to, and how it can be left.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The sender's name; may be empty.
    pub from_name: &'a str,
    /// The sender's address.
    pub from_address: &'a str,
    /// Where answers go; empty where they go to the sender.
    pub reply_to: &'a str,
    /// The reader's name; may be empty.
    pub to_name: &'a str,
    /// The reader's address.
    pub to_address: &'a str,
    /// Without `<>`; see [`message_id`].
    pub message_id: &'a str,
    /// When it was made; seconds are kept.
    pub date: Instant,
    /// Which list it belongs to.
    pub list_id: Option<ListIdHeader<'a>>,
    /// How it can be left.
    pub unsubscribe: Unsubscribe<'a>,
}

/// Names a list to mail clients and filters (RFC 2919).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListIdHeader<'a> {
    /// For people; may be empty.
    pub name: &'a str,
    /// For programs: letters, digits, dots and dashes; stays the same from mail to mail.
    pub id: &'a str,
}

/// How a mail can be left by a button of the mail client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsubscribe<'a> {
    /// Not at all: a test mail.
    None,
    /// By a mail to this address or `mailto:` link.
    Mailto(&'a str),
    /// By one click (RFC 8058) or by mail.
    WebAndMailto {
        /// Takes the POST.
        url: &'a str,
        /// Address or `mailto:` link.
        mailto: &'a str,
    },
}

/// Why a mail could not be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MimeError {
    /// Not a mail address.
    #[error("the {header} address cannot be used: {error}")]
    Address {
        /// `From`, `To` or `Reply-To`.
        header: &'static str,
        /// Why.
        error: crate::domain::contact::AddressError,
    },
    /// Letters beyond ASCII before the `@`.
    #[error(
        "the {header} address has letters beyond ASCII before the @, which most mail servers do not take; use another one"
    )]
    Local {
        /// `From`, `To` or `Reply-To`.
        header: &'static str,
    },
    /// An id or address with characters that a header cannot carry.
    #[error("the {header} header cannot carry {value:?}")]
    Value {
        /// The header.
        header: &'static str,
        /// The start of the value.
        value: String,
    },
    /// The body has bytes that quoted-printable cannot carry.
    #[error("the mail's body cannot be encoded")]
    Body,
}

impl MimeError {
    /// Says it without the value, which may be the reader's.
    pub fn without_value(&self) -> String {
        match self {
            Self::Address { header, .. } => format!("the {header} address cannot be used; check it"),
            Self::Value { header, .. } => format!("the {header} header cannot carry what stands in it"),
            Self::Local { .. } | Self::Body => self.to_string(),
        }
    }
}

/// Returns the Message-ID, without `<>`, of the mail with this preference token: the same at every retry.
///
/// It says nothing of the token, since answers quote it to others.
pub fn message_id(campaign: CampaignId, token: &Token, from_domain: &str) -> String {
    let hash = message_id_hash(token);
    let domain: String = ascii_domain(from_domain)
        .unwrap_or_default()
        .chars()
        .filter(|char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-'))
        .collect();
    let domain = if domain.is_empty() { "localhost" } else { &domain };
    format!("{campaign}.{hash}@{domain}")
}

/// Returns the part of a Message-ID that tells the mails of a campaign apart: 32 hexadecimal digits.
pub fn message_id_hash(token: &Token) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("casement 2026 message-id of a preference token");
    hasher.update(token.as_bytes());
    HEXLOWER.encode(&hasher.finalize().as_bytes()[..16])
}

/// Builds the mail: the bytes that go to the server after `DATA`, without dot-stuffing.
///
/// Lines end in CRLF and have at most 998 bytes, all of them ASCII. With `enclosures` it is not whole: their tail
/// follows, the same for every reader.
pub fn build(
    rendered: &Rendered,
    envelope: &Envelope,
    enclosures: Option<&Enclosures>,
) -> Result<Vec<u8>, MimeError> {
    let mut out = headers(&rendered.subject, envelope)?;
    out.push_str("MIME-Version: 1.0\r\n");
    // No line of quoted-printable can hold `=_`, so the boundary cannot stand in a body.
    let hash = blake3::hash(envelope.message_id.as_bytes());
    let boundary = format!("=_{}", HEXLOWER.encode(&hash.as_bytes()[..16]));
    let opening = match enclosures {
        Some(enclosures) => enclosures.open(),
        None => enclosed::Opening {
            head: format!("Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n\r\n"),
            before_text: format!("--{boundary}\r\n"),
            before_html: format!("--{boundary}\r\n"),
        },
    };
    out.push_str(&opening.head);
    let mut bytes = out.into_bytes();
    // What quoted-printable adds to most mails: a break in each 76 bytes, and two bytes for each `=`.
    let body = rendered.text.len() + rendered.html.len();
    bytes.reserve(body + body / 8 + 512);
    for (before, kind, body) in [
        (opening.before_text, "plain", &rendered.text),
        (opening.before_html, "html", &rendered.html),
    ] {
        bytes.extend_from_slice(
            format!(
                "{before}Content-Type: text/{kind}; charset=utf-8\r\n\
                 Content-Transfer-Encoding: quoted-printable\r\n\r\n"
            )
            .as_bytes(),
        );
        push_quoted_printable(&mut bytes, body)?;
        bytes.extend_from_slice(b"\r\n");
    }
    if enclosures.is_none() {
        bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    }
    Ok(bytes)
}

fn headers(subject: &str, envelope: &Envelope) -> Result<String, MimeError> {
    let mut out = String::with_capacity(1024);
    let id = checked("Message-ID", envelope.message_id, 200)?;
    out.push_str(&format!("Message-ID: <{id}>\r\n"));
    out.push_str(&format!("Date: {}\r\n", envelope.date.to_rfc2822()));
    push_mailbox(&mut out, "From", envelope.from_name, envelope.from_address)?;
    if !envelope.reply_to.is_empty() {
        push_mailbox(&mut out, "Reply-To", "", envelope.reply_to)?;
    }
    push_mailbox(&mut out, "To", envelope.to_name, envelope.to_address)?;
    push_subject(&mut out, subject);
    if let Some(list) = envelope.list_id {
        let id = checked("List-Id", list.id, 200)?;
        out.push_str("List-Id: ");
        push_phrase(&mut out, list.name, "List-Id: ".len());
        push_bracketed(&mut out, id);
    }
    match envelope.unsubscribe {
        Unsubscribe::None => {}
        Unsubscribe::Mailto(mailto) => {
            let mailto = super::footer::mailto_uri(mailto);
            let mailto = checked("List-Unsubscribe", &mailto, 900)?;
            out.push_str(&format!("List-Unsubscribe: <{mailto}>\r\n"));
        }
        Unsubscribe::WebAndMailto { url, mailto } => {
            let mailto = super::footer::mailto_uri(mailto);
            let url = checked("List-Unsubscribe", url, 900)?;
            let mailto = checked("List-Unsubscribe", &mailto, 900)?;
            out.push_str(&format!(
                "List-Unsubscribe: <{url}>,\r\n <{mailto}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
            ));
        }
    }
    Ok(out)
}

/// Passes a value that stands between `<>` as it is, and refuses what would end it.
fn checked<'a>(header: &'static str, value: &'a str, limit: usize) -> Result<&'a str, MimeError> {
    let is_safe = !value.is_empty()
        && value.len() <= limit
        && value
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'));
    if is_safe {
        return Ok(value);
    }
    Err(MimeError::Value {
        header,
        value: value.chars().take(60).collect(),
    })
}

fn push_mailbox(out: &mut String, header: &'static str, name: &str, address: &str) -> Result<(), MimeError> {
    let address = ascii_address(header, address)?;
    out.push_str(header);
    out.push_str(": ");
    push_phrase(out, name, header.len() + 2);
    push_bracketed(out, &address);
    Ok(())
}

/// Ends a header with `<value>`, on a line of its own where the last one is long already.
fn push_bracketed(out: &mut String, value: &str) {
    let last = out.len() - out.rfind('\n').map_or(0, |at| at + 1);
    if last + value.len() + 2 > LINE && out.ends_with(' ') {
        out.pop();
        // A header may not begin with an empty line.
        out.push_str(if out.ends_with(':') { " " } else { "\r\n " });
    }
    out.push_str(&format!("<{value}>\r\n"));
}

/// Returns an address with its domain in ASCII.
pub(super) fn ascii_address(header: &'static str, address: &str) -> Result<String, MimeError> {
    let parsed: EmailAddress = address
        .parse()
        .map_err(|error| MimeError::Address { header, error })?;
    let (local, domain) = parsed
        .as_str()
        .rsplit_once('@')
        .expect("an EmailAddress has an @");
    if !local.is_ascii() {
        return Err(MimeError::Local { header });
    }
    let domain = ascii_domain(domain).ok_or_else(|| MimeError::Value {
        header,
        value: domain.chars().take(60).collect(),
    })?;
    checked(header, &format!("{local}@{domain}"), 320).map(str::to_owned)
}

/// Returns a domain in ASCII (RFC 5891); `None` where it has no such form.
fn ascii_domain(domain: &str) -> Option<String> {
    if domain.is_ascii() {
        return Some(domain.to_owned());
    }
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) => Some(ascii),
        _ => None,
    }
}

/// Adds a name and a space, quoted or encoded as it needs; nothing where it is empty.
fn push_phrase(out: &mut String, name: &str, column: usize) {
    let name: String = header_text(name).chars().take(MAX_NAME).collect();
    let name = name.trim();
    if name.is_empty() {
        return;
    }
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'_'));
    if is_plain && column + name.len() < LINE {
        out.push_str(name);
    } else if name.is_ascii() && column + name.len() < LINE && !name.contains("=?") {
        out.push('"');
        for char in name.chars() {
            if matches!(char, '"' | '\\') {
                out.push('\\');
            }
            out.push(char);
        }
        out.push('"');
    } else {
        push_encoded(out, name, column);
    }
    out.push(' ');
}

fn push_subject(out: &mut String, subject: &str) {
    let subject = header_text(subject);
    out.push_str("Subject: ");
    let mut column = "Subject: ".len();
    let is_plain = subject.is_ascii()
        && !subject.contains("=?")
        && subject.split(' ').all(|word| word.len() < LINE - 10);
    if !is_plain {
        push_encoded(out, &subject, column);
        out.push_str("\r\n");
        return;
    }
    for (index, word) in subject.split(' ').enumerate() {
        if index > 0 {
            if column + 1 + word.len() > LINE {
                out.push_str("\r\n");
                column = 0;
            }
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out.push_str("\r\n");
}

/// Adds text as RFC 2047 encoded words of at most 75 characters, cut between characters.
fn push_encoded(out: &mut String, text: &str, column: usize) {
    const FRAME: usize = "=?utf-8?B??=".len();
    let mut room = LINE.saturating_sub(column + FRAME) / 4 * 3;
    let mut rest = text;
    let mut is_first = true;
    while !rest.is_empty() {
        let mut end = rest.len().min(room.min(45));
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        if end == 0 {
            end = rest.chars().next().map_or(rest.len(), char::len_utf8);
        }
        if !is_first {
            out.push_str("\r\n ");
        }
        out.push_str("=?utf-8?B?");
        out.push_str(&BASE64.encode(&rest.as_bytes()[..end]));
        out.push_str("?=");
        rest = &rest[end..];
        room = 45;
        is_first = false;
    }
}

/// Makes a text fit for a header: one line, single spaces, no control characters.
///
/// This is where a `\r\n` in a name ends; the encoders above never see one.
fn header_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        let is_space = char.is_control() || matches!(char, ' ' | '\u{2028}' | '\u{2029}');
        if !is_space {
            out.push(char);
        } else if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Adds text as quoted-printable (RFC 2045 §6.7), with its line breaks as breaks.
fn push_quoted_printable(out: &mut Vec<u8>, text: &str) -> Result<(), MimeError> {
    // mail-builder is many times as fast as lettre, and passes control characters as they are; nothing that we make
    // has any.
    // Looked at to the end in any case: so the compiler takes many bytes at a time.
    let control = |byte: u8| (byte < b' ') & (byte != b'\n') & (byte != b'\t');
    if !text.bytes().fold(false, |found, byte| found | control(byte)) {
        QuotedPrintableEncoder::new()
            .preserve_line_breaks()
            .encode_into(text.as_bytes(), out);
        return Ok(());
    }
    let body = Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::QuotedPrintable);
    out.extend(body.map_err(|_| MimeError::Body)?.into_vec());
    Ok(())
}
