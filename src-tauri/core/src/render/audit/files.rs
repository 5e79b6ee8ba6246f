//! The structure of a finished mail: its two texts, its files, and the pictures that it shows.

use super::{Expected, ExpectedFile, Found, attribute, images};
use mail_parser::{Message, MessagePart, MimeHeaders, PartType};
use sha2::Digest;

/// What a reader sees of a mail.
pub(super) struct Parts<'m> {
    pub(super) text: &'m str,
    pub(super) html: &'m str,
}

/// Returns the text and the HTML of a mail that has just these two and the expected files, each in its place:
/// `multipart/mixed` of the body and the attached files, the body `multipart/alternative` of text and HTML, with
/// pictures `multipart/related` of HTML and pictures. `None` where it has not; the files' faults are noted.
pub(super) fn parts<'m>(message: &'m Message, expected: &Expected, found: &mut Found) -> Option<Parts<'m>> {
    let (pictures, attached): (Vec<_>, Vec<_>) =
        expected.files.iter().partition(|file| file.content_id.is_some());
    let mut seen = 1;
    let mut body = 0;
    if !attached.is_empty() {
        let parts = children(message, body, "mixed")?;
        body = *parts.first()?;
        seen += parts.len();
        check_files(message, &parts[1..], &attached, found);
    }
    let [text, mut html] = children(message, body, "alternative")?[..] else {
        return None;
    };
    seen += 2;
    if !pictures.is_empty() {
        let parts = children(message, html, "related")?;
        html = *parts.first()?;
        seen += parts.len();
        check_files(message, &parts[1..], &pictures, found);
    }
    // Nothing else stands anywhere in it.
    if message.parts.len() != seen {
        return None;
    }
    let body = |id: u32| message.parts.get(id as usize).map(|part| &part.body);
    match (body(text)?, body(html)?) {
        (PartType::Text(text), PartType::Html(html)) => Some(Parts { text, html }),
        _ => None,
    }
}

/// Returns the parts of a `multipart/KIND`.
fn children<'m>(message: &'m Message, part: u32, kind: &str) -> Option<&'m [u32]> {
    let part = message.parts.get(part as usize)?;
    let is_kind = part
        .content_type()
        .is_some_and(|found| found.ctype() == "multipart" && found.subtype() == Some(kind));
    part.sub_parts().filter(|_| is_kind)
}

fn check_files(message: &Message, parts: &[u32], expected: &[&ExpectedFile], found: &mut Found) {
    if parts.len() != expected.len() {
        found.error(
            "files",
            format!(
                "The mail has {} files in a place where it must have {}.",
                parts.len(),
                expected.len()
            ),
        );
        return;
    }
    for (part, file) in parts.iter().zip(expected) {
        let is_right = message
            .parts
            .get(*part as usize)
            .is_some_and(|part| is_file(part, file));
        if !is_right {
            found.error(
                "files",
                format!(
                    "The mail does not have the file \"{}\" as it was added.",
                    file.name
                ),
            );
        }
    }
}

fn is_file(part: &MessagePart, file: &ExpectedFile) -> bool {
    let media_type = part.content_type().map(|found| match found.subtype() {
        Some(subtype) => format!("{}/{subtype}", found.ctype()),
        None => found.ctype().to_owned(),
    });
    let way = part.content_disposition().map(|found| found.ctype());
    let wanted = match file.content_id {
        Some(_) => "inline",
        None => "attachment",
    };
    media_type.is_some_and(|found| found.eq_ignore_ascii_case(file.media_type))
        && way == Some(wanted)
        && part.attachment_name() == Some(file.name)
        && part.content_id() == file.content_id
        && file
            .digest
            .is_none_or(|digest| <[u8; 32]>::from(sha2::Sha256::digest(part.contents())) == digest)
}

/// A picture of the mail's own is shown at least once, and no other one is asked for.
pub(super) fn check_pictures(html: &str, expected: &Expected, found: &mut Found) {
    let shown: Vec<String> = images(html)
        .filter_map(|image| attribute(image, "src")?.strip_prefix("cid:").map(str::to_owned))
        .collect();
    let has = |id: &str| expected.files.iter().any(|file| file.content_id == Some(id));
    let is_shown = |file: &ExpectedFile| {
        file.content_id
            .is_none_or(|id| shown.iter().any(|shown| shown == id))
    };
    if !shown.iter().all(|id| has(id)) || !expected.files.iter().all(is_shown) {
        found.error(
            "files",
            "The pictures that the mail shows are not those that it carries. Choose the picture again.",
        );
    }
}
