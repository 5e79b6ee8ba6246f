//! Checks a finished mail against what its reader should get.
//!
//! Reads the bytes with a parser of its own (mail-parser) and trusts neither the renderer nor the builder:
//! what it finds is what a reader's program would find.

mod files;

use super::mime::{Unsubscribe, ascii_address};
use files::{Parts, check_pictures, parts};
use mail_parser::{HeaderValue, Message, MessageParser};
use std::borrow::Cow;

/// From here on a mail is near the size at which Gmail clips it.
const LARGE_HTML: usize = 90 * 1024;
/// Gmail clips a mail's HTML above this size.
const CLIPPED_HTML: usize = 102_400;

/// Every header that a mail may have: another one was smuggled in.
const HEADERS: [&str; 12] = [
    "Message-ID",
    "Date",
    "From",
    "Reply-To",
    "To",
    "Subject",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// What a mail should be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The reader's address.
    pub to: &'a str,
    /// The address of its one pixel; `None` where it must have none.
    pub pixel: Option<&'a str>,
    /// The preference page that both parts must name.
    pub preference_url: Option<&'a str>,
    /// Where the reader ends tracking: in both parts of every mail with a pixel of its own.
    pub ends_tracking: Option<&'a str>,
    /// Where the reader answers the question: once in either part of a mail that asks, which has no pixel. `None`
    /// where it must not ask.
    pub question: Option<&'a str>,
    /// The headers of its route.
    pub unsubscribe: &'a Unsubscribe<'a>,
    /// Must stand in both parts, line by line; empty is a problem.
    pub postal_address: &'a str,
    /// The files that it must have, pictures first, and no others.
    pub files: &'a [ExpectedFile<'a>],
}

/// A file that a mail should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedFile<'a> {
    /// Its name.
    pub name: &'a str,
    /// `type/subtype`.
    pub media_type: &'a str,
    /// Of a picture, which the HTML must show; `None` of an attached file.
    pub content_id: Option<&'a str>,
    /// SHA-256 of its bytes; `None` where they are not looked at.
    pub digest: Option<[u8; 32]>,
}

/// Whether a problem keeps a mail from leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The mail must not leave.
    Error,
    /// It may, once someone has looked.
    Warning,
}

/// Something wrong with a finished mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditProblem {
    /// Whether it keeps the mail from leaving.
    pub severity: Severity,
    /// A stable name: `pixel`, `foreign_pixel`, `unresolved_field`, `no_postal_address`, `headers`, `recipient`,
    /// `preference_link`, `tracking_link`, `question`, `files`, `large`, `clipped`, `format`.
    pub id: &'static str,
    /// A sentence: what is wrong and what to do. Nothing of the reader's own stands in it.
    pub message: String,
    /// The start of what it is about, which may hold the reader's own data; empty where nothing is quoted.
    pub quote: String,
}

/// Checks a finished mail; an empty answer is a clean one.
pub fn audit(mime: &[u8], expected: &Expected) -> Vec<AuditProblem> {
    let mut found = Found(Vec::new());
    check_lines(mime, &mut found);
    let Some(message) = MessageParser::default().parse(mime) else {
        found.error("format", "The mail cannot be read back.");
        return found.0;
    };
    check_headers(&message, expected, &mut found);
    let Some(Parts { text, html }) = parts(&message, expected, &mut found) else {
        found.error(
            "format",
            "The mail does not have one text part and one HTML part.",
        );
        return found.0;
    };
    let seen = visible(html);
    check_fields(&message, text, html, &seen, &mut found);
    check_pixels(html, expected, &mut found);
    check_pictures(html, expected, &mut found);
    check_postal(text, &seen, expected, &mut found);
    check_links(text, html, expected, &mut found);
    check_question(text, html, expected, &mut found);
    if html.len() > CLIPPED_HTML {
        found.warning(
            "clipped",
            format!(
                "The HTML has {} KB; Gmail shows only the first 102 KB. Shorten the mail.",
                html.len() / 1024
            ),
        );
    } else if html.len() >= LARGE_HTML {
        found.warning(
            "large",
            format!(
                "The HTML has {} KB; from 102 KB on Gmail clips it. Shorten the mail.",
                html.len() / 1024
            ),
        );
    }
    found.0
}

struct Found(Vec<AuditProblem>);

impl Found {
    fn error(&mut self, id: &'static str, message: impl Into<String>) {
        self.0.push(AuditProblem {
            severity: Severity::Error,
            id,
            message: message.into(),
            quote: String::new(),
        });
    }

    fn warning(&mut self, id: &'static str, message: impl Into<String>) {
        self.0.push(AuditProblem {
            severity: Severity::Warning,
            id,
            message: message.into(),
            quote: String::new(),
        });
    }
}

/// RFC 5321 §4.5.3.1.6 and RFC 5322 §2.1.1: CRLF only, at most 998 bytes a line; and 7 bits for every server.
fn check_lines(mime: &[u8], found: &mut Found) {
    const UNFIT: &str = "The mail has a line that is too long or has bytes that no mail server takes.";
    // As text, in which the end of a line is found many bytes at a time: this is done for every mail of a campaign.
    let text = match std::str::from_utf8(mime) {
        Ok(text) if text.is_ascii() => text,
        _ => return found.error("format", UNFIT),
    };
    let mut lines = text.split('\n').peekable();
    let (mut ends, mut longest) = (0, 0);
    while let Some(line) = lines.next() {
        match line.strip_suffix('\r') {
            Some(body) => longest = longest.max(body.len()),
            None if lines.peek().is_none() && line.is_empty() => break,
            None => return found.error("format", "The mail has a line that does not end in CRLF."),
        }
        ends += 1;
    }
    let count = |wanted: u8| mime.iter().filter(|byte| **byte == wanted).count();
    if longest > 998 || count(0) > 0 || count(b'\r') != ends {
        found.error("format", UNFIT);
    }
}

fn check_headers(message: &Message, expected: &Expected, found: &mut Found) {
    let count = |name: &str| {
        message
            .headers()
            .iter()
            .filter(|header| header.name().eq_ignore_ascii_case(name))
            .count()
    };
    for header in message.headers() {
        if !HEADERS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(header.name()))
        {
            found.error(
                "headers",
                format!(
                    "The mail has a header {:?} that does not belong in it.",
                    header.name()
                ),
            );
        }
    }
    for name in [
        "Message-ID",
        "Date",
        "From",
        "To",
        "Subject",
        "MIME-Version",
        "Content-Type",
    ] {
        if count(name) != 1 {
            found.error(
                "headers",
                format!("The mail has {} headers {name}; it must have one.", count(name)),
            );
        }
    }
    let to: Vec<&str> = message
        .to()
        .map(|to| to.iter().filter_map(|address| address.address()).collect())
        .unwrap_or_default();
    let wanted = ascii_address("To", expected.to).unwrap_or_else(|_| expected.to.to_owned());
    if to.len() != 1 || !to[0].eq_ignore_ascii_case(&wanted) {
        found.error("recipient", "The mail is not addressed to its reader alone.");
    }
    check_unsubscribe(message, expected, found);
}

fn check_unsubscribe(message: &Message, expected: &Expected, found: &mut Found) {
    let raw = |name: &'static str| message.header_raw(name).map(str::trim);
    let list = raw("List-Unsubscribe");
    let post = raw("List-Unsubscribe-Post");
    let link = |mailto: &str| super::footer::mailto_uri(mailto).into_owned();
    let (wanted, one_click) = match expected.unsubscribe {
        Unsubscribe::None => (None, None),
        Unsubscribe::Mailto(mailto) => (Some(format!("<{}>", link(mailto))), None),
        Unsubscribe::WebAndMailto { url, mailto } => (
            Some(format!("<{url}>, <{}>", link(mailto))),
            Some("List-Unsubscribe=One-Click"),
        ),
    };
    // Folding may stand between the addresses, never inside them.
    let list = list.map(|list| list.replace("\r\n", ""));
    if list != wanted || post != one_click {
        found.error(
            "headers",
            "The mail's unsubscribe headers are not those of the address in use. Prepare the campaign again.",
        );
    }
}

fn check_fields(message: &Message, text: &str, html: &str, seen: &str, found: &mut Found) {
    let subject = match message.header("Subject") {
        Some(HeaderValue::Text(subject)) => subject.as_ref(),
        _ => "",
    };
    if [subject, text, html, seen].iter().any(|part| part.contains("{{")) {
        found.error(
            "unresolved_field",
            "The finished mail has \"{{\" in it: a merge field was not filled in, or this person's data holds one.",
        );
    }
}

fn check_pixels(html: &str, expected: &Expected, found: &mut Found) {
    let mut own = 0;
    for image in images(html) {
        let src = attribute(image, "src").unwrap_or_default();
        let is_own = expected.pixel == Some(src.as_ref());
        if is_own {
            own += 1;
        }
        if is_own && attribute(image, "alt").as_deref() != Some("") {
            found.error("pixel", "The pixel has no empty alt text.");
        }
        if !is_own && (is_tiny(image) || has_token_path(&src)) {
            found.0.push(AuditProblem {
                severity: Severity::Error,
                id: "foreign_pixel",
                message: "The mail loads a tracking picture that is not this reader's. Take it out."
                    .to_owned(),
                quote: src.chars().take(80).collect(),
            });
        }
    }
    let wanted = usize::from(expected.pixel.is_some());
    if own != wanted {
        found.error(
            "pixel",
            format!("The mail has {own} pixels of this reader's; it must have {wanted}."),
        );
    }
}

/// A picture that nobody can see is there to watch.
fn is_tiny(image: &str) -> bool {
    ["width", "height"].iter().any(|name| {
        attribute(image, name).is_some_and(|size| {
            size.trim_end_matches("px")
                .trim()
                .parse::<u32>()
                .is_ok_and(|size| size <= 1)
        })
    })
}

/// Tells whether an address has the form of Casement's own pixels, whoever's they are.
fn has_token_path(src: &str) -> bool {
    src.rsplit_once("/o/").is_some_and(|(_, name)| {
        name.strip_suffix(".gif")
            .is_some_and(|token| crate::tracking::token::Token::parse(token).is_some())
    })
}

fn check_postal(text: &str, seen: &str, expected: &Expected, found: &mut Found) {
    let mut lines = expected
        .postal_address
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .peekable();
    if lines.peek().is_none() {
        found.error(
            "no_postal_address",
            "The mail has no postal address. Enter one in the campaign or in Settings.",
        );
    } else if !lines.all(|line| text.contains(line) && seen.contains(line)) {
        found.error(
            "no_postal_address",
            "The postal address does not stand in both parts of the mail.",
        );
    }
}

fn check_links(text: &str, html: &str, expected: &Expected, found: &mut Found) {
    if let Some(url) = expected.preference_url {
        let href = format!("href=\"{}\"", url.replace('&', "&amp;"));
        if !html.contains(&href) || !text.contains(url) {
            found.error(
                "preference_link",
                "The link to unsubscribe does not stand in both parts of the mail.",
            );
        }
    }
    if let Some(url) = expected.ends_tracking {
        let href = format!("href=\"{}\"", url.replace('&', "&amp;"));
        if !html.contains(&href) || !text.contains(url) {
            found.error(
                "tracking_link",
                "The mail has a pixel, and the link that ends tracking does not stand in both parts of it.",
            );
        }
    }
}

/// A mail asks those who can be asked, once, with the link to their own page and without any pixel; nobody else.
fn check_question(text: &str, html: &str, expected: &Expected, found: &mut Found) {
    let asked = [questions(text), questions(html)];
    let Some(url) = expected.question else {
        if asked != [0, 0] {
            found.error(
                "question",
                "The mail asks a reader for consent who is not to be asked.",
            );
        }
        return;
    };
    let href = format!("href=\"{}\"", url.replace('&', "&amp;"));
    if asked != [1, 1] || !text.contains(url) || !html.contains(&href) {
        found.error(
            "question",
            "The link to the reader's answer does not stand once in both parts of the mail.",
        );
    }
    let has_pixel = images(html)
        .filter_map(|image| attribute(image, "src"))
        .any(|src| expected.pixel == Some(src.as_ref()) || has_token_path(&src));
    if has_pixel {
        found.error(
            "question",
            "The mail asks for consent and carries a pixel, which would not wait for the answer.",
        );
    }
}

/// Counts links to the question of anybody's page.
fn questions(part: &str) -> usize {
    // Most mails have none, and to know that is faster than to look for each.
    if !part.contains(super::QUESTION_FRAGMENT) {
        return 0;
    }
    part.match_indices(super::QUESTION_FRAGMENT)
        .filter(|(at, _)| {
            let token = part[..*at].rsplit_once("/u/").map(|(_, token)| token);
            token.is_some_and(|token| crate::tracking::token::Token::parse(token).is_some())
        })
        .count()
}

/// Returns every `<img …>` in HTML, comments included: some clients read conditional ones.
fn images(html: &str) -> impl Iterator<Item = &str> {
    html.match_indices('<').filter_map(move |(at, _)| {
        let rest = &html[at..];
        let is_image = rest
            .get(..4)
            .is_some_and(|name| name.eq_ignore_ascii_case("<img"))
            && rest[4..].starts_with(|char: char| char.is_ascii_whitespace() || char == '/' || char == '>');
        is_image.then(|| &rest[..end_of_tag(rest)])
    })
}

/// Returns where a tag ends, past its `>`; a `>` inside quotes does not end it.
fn end_of_tag(tag: &str) -> usize {
    let bytes = tag.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'>' => return at,
            // Styles are long: what is in quotes is passed in one go.
            b'"' | b'\'' => match tag[at..].find(char::from(*byte)) {
                Some(length) => at += length + 1,
                None => break,
            },
            _ => {}
        }
    }
    tag.len()
}

/// Returns an attribute of a tag, with its entities read.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<Cow<'t, str>> {
    let mut rest = tag.strip_suffix('>').unwrap_or(tag);
    rest = &rest[rest.find(|char: char| char.is_ascii_whitespace())?..];
    loop {
        rest = rest.trim_start_matches(|char: char| char.is_ascii_whitespace() || char == '/');
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .find(|char: char| char.is_ascii_whitespace() || matches!(char, '=' | '/'))
            .unwrap_or(rest.len());
        // A stray `=` at the head must not stop the walk.
        let (key, after) = rest.split_at(end.max(1).min(rest.len()));
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('=').map(str::trim_start) {
            None => ("", after),
            Some(value) => match value.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    let body = &value[1..];
                    let close = body.find(quote).unwrap_or(body.len());
                    (&body[..close], body.get(close + 1..).unwrap_or_default())
                }
                _ => value.split_at(
                    value
                        .find(|char: char| char.is_ascii_whitespace())
                        .unwrap_or(value.len()),
                ),
            },
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(entities(value));
        }
        rest = next;
    }
}

/// Returns what a reader sees of HTML: no tags, no style sheet, entities read. A tag separates nothing.
fn visible(html: &str) -> String {
    let mut tags = html.match_indices('<').map(|(at, _)| &html[at..]);
    let mut rest = tags.find(|rest| rest.starts_with("<body")).unwrap_or(html);
    let mut out = String::with_capacity(rest.len() / 4);
    while let Some(at) = rest.find('<') {
        out.push_str(&entities(&rest[..at]));
        rest = &rest[at..];
        rest = match rest.strip_prefix("<!--") {
            Some(comment) => &comment[comment.find("-->").map_or(comment.len(), |end| end + 3)..],
            None => &rest[end_of_tag(rest)..],
        };
    }
    out.push_str(&entities(rest));
    out
}

/// Reads the entities that HTML escaping uses, named and numeric.
fn entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.as_bytes().iter().take(12).position(|byte| *byte == b';');
        match end.and_then(|end| Some((entity(&rest[1..end])?, end))) {
            Some((char, end)) => {
                out.push(char);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
