//! The files of a campaign, encoded once and shared by all of its mails.
//!
//! A mail with files is `multipart/mixed` of its body and the attached files; the body is `multipart/alternative` of
//! the text and, where pictures stand in it, `multipart/related` of HTML and pictures (RFC 2046 §5.1.3-5.1.4,
//! RFC 2387). All that is a reader's own comes first, so that everything behind the HTML is the same for all: the
//! tail. Its boundaries come from the files alone.

use super::LINE;
use crate::domain::attachment::Placement;
use data_encoding::{BASE64_MIME, HEXLOWER};
use std::sync::Arc;

/// What begins the address of a picture of the campaign's own, in a document: `picture:` and its digest.
pub const PICTURE: &str = "picture:";
/// The right side of a picture's Content-ID; the left one is its digest.
const ID_DOMAIN: &str = "picture.casement";

/// A file to be enclosed.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Where it goes.
    pub placement: Placement,
    /// As [`crate::domain::attachment::clean_name`] returns it.
    pub name: &'a str,
    /// `type/subtype`.
    pub media_type: &'a str,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// What it holds.
    pub bytes: &'a [u8],
}

/// What is known of an enclosed file once it is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enclosed {
    /// Where it is.
    pub placement: Placement,
    /// Its name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
}

impl Enclosed {
    /// Returns a picture's Content-ID without `<>`; `None` of an attached file.
    pub fn content_id(&self) -> Option<String> {
        (self.placement == Placement::Inline).then(|| content_id(&HEXLOWER.encode(&self.digest)))
    }
}

/// Returns the Content-ID, without `<>`, of the picture with this digest in lower-case hexadecimal.
pub fn content_id(digest: &str) -> String {
    format!("{digest}@{ID_DOMAIN}")
}

/// Returns the digest in an address of a document, `picture:` and 64 lower-case hexadecimal digits.
pub fn picture_digest(address: &str) -> Option<&str> {
    address.strip_prefix(PICTURE).filter(|digest| {
        digest.len() == 64
            && digest
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// All files of a campaign's mails, encoded.
#[derive(Debug, PartialEq, Eq)]
pub struct Enclosures {
    files: Vec<Enclosed>,
    /// Of the files: part of every boundary.
    mark: String,
    tail: Arc<[u8]>,
    /// The tail with empty files: what an audit of one mail needs to see of it.
    outline: Vec<u8>,
}

impl Enclosures {
    /// Encodes files; `None` where there are none.
    pub fn encode(files: &[File<'_>]) -> Option<Self> {
        if files.is_empty() {
            return None;
        }
        let mut hasher = blake3::Hasher::new_derive_key("casement 2026 boundary of a mail's files");
        for file in files {
            for part in [file.placement.as_str(), file.name, file.media_type] {
                hasher.update(part.as_bytes());
                hasher.update(&[0]);
            }
            hasher.update(&file.digest);
        }
        let mark = HEXLOWER.encode(&hasher.finalize().as_bytes()[..16]);
        Some(Self {
            tail: tail(files, &mark, |file| BASE64_MIME.encode(file.bytes)).into(),
            outline: tail(files, &mark, |_| String::new()),
            mark,
            files: files
                .iter()
                .map(|file| Enclosed {
                    placement: file.placement,
                    name: file.name.to_owned(),
                    media_type: file.media_type.to_owned(),
                    digest: file.digest,
                })
                .collect(),
        })
    }

    /// Returns the files: pictures in the order of the document, attached ones in that of their adding.
    pub fn files(&self) -> &[Enclosed] {
        &self.files
    }

    /// Returns what follows the HTML in every mail.
    pub fn tail(&self) -> &Arc<[u8]> {
        &self.tail
    }

    /// Returns the tail with every file empty.
    pub fn outline(&self) -> &[u8] {
        &self.outline
    }

    fn has(&self, placement: Placement) -> bool {
        self.files.iter().any(|file| file.placement == placement)
    }

    /// Returns what opens the mail's body, up to the text part's own headers; and the boundary before the HTML.
    pub(super) fn open(&self) -> Opening {
        let Boundaries { mixed, body, related } = Boundaries::of(&self.mark);
        let alternative = format!("Content-Type: multipart/alternative;\r\n boundary=\"{body}\"\r\n\r\n");
        let head = match self.has(Placement::Attached) {
            true => {
                format!(
                    "Content-Type: multipart/mixed;\r\n boundary=\"{mixed}\"\r\n\r\n--{mixed}\r\n{alternative}"
                )
            }
            false => alternative,
        };
        let before_html = match self.has(Placement::Inline) {
            true => format!(
                "--{body}\r\nContent-Type: multipart/related; type=\"text/html\";\r\n boundary=\"{related}\"\r\n\r\n\
                 --{related}\r\n"
            ),
            false => format!("--{body}\r\n"),
        };
        Opening {
            head,
            before_text: format!("--{body}\r\n"),
            before_html,
        }
    }
}

/// What stands before the parts of a mail that are a reader's own.
pub(super) struct Opening {
    pub(super) head: String,
    pub(super) before_text: String,
    pub(super) before_html: String,
}

/// No line of base64 or quoted-printable can hold `=_`, so none of these can stand in a body; and none begins another.
struct Boundaries {
    mixed: String,
    body: String,
    related: String,
}

impl Boundaries {
    fn of(mark: &str) -> Self {
        let [mixed, body, related] = ["m", "a", "r"].map(|level| format!("=_{level}_{mark}"));
        Self { mixed, body, related }
    }
}

fn tail(files: &[File<'_>], mark: &str, encode: impl Fn(&File<'_>) -> String) -> Vec<u8> {
    let Boundaries { mixed, body, related } = Boundaries::of(mark);
    let placed = |placement| files.iter().filter(move |file| file.placement == placement);
    let mut out = String::new();
    let push = |out: &mut String, boundary: &str, file: &File<'_>| {
        out.push_str(&format!("--{boundary}\r\n"));
        push_headers(out, file);
        out.push_str(&encode(file));
        if !out.ends_with("\r\n") || out.ends_with("\r\n\r\n") {
            out.push_str("\r\n");
        }
    };
    let (mut has_pictures, mut has_attached) = (false, false);
    for file in placed(Placement::Inline) {
        push(&mut out, &related, file);
        has_pictures = true;
    }
    if has_pictures {
        out.push_str(&format!("--{related}--\r\n"));
    }
    out.push_str(&format!("--{body}--\r\n"));
    for file in placed(Placement::Attached) {
        push(&mut out, &mixed, file);
        has_attached = true;
    }
    if has_attached {
        out.push_str(&format!("--{mixed}--\r\n"));
    }
    out.into_bytes()
}

fn push_headers(out: &mut String, file: &File<'_>) {
    out.push_str(&format!("Content-Type: {}", file.media_type));
    if file.media_type.starts_with("text/") {
        out.push_str("; charset=utf-8");
    }
    // For programs that do not know RFC 2231: the name with what is not ASCII left out.
    out.push_str(&format!(
        ";\r\n name=\"{}\"\r\nContent-Transfer-Encoding: base64\r\n",
        ascii_name(file.name)
    ));
    if file.placement == Placement::Inline {
        out.push_str(&format!(
            "Content-ID: <{}>\r\n",
            content_id(&HEXLOWER.encode(&file.digest))
        ));
    }
    let way = match file.placement {
        Placement::Attached => "attachment",
        Placement::Inline => "inline",
    };
    out.push_str(&format!("Content-Disposition: {way}"));
    push_file_name(out, file.name);
    out.push_str("\r\n\r\n");
}

fn ascii_name(name: &str) -> String {
    name.chars()
        .map(|char| match char {
            ' '..='~' if !matches!(char, '"' | '\\') => char,
            _ => '_',
        })
        .take(60)
        .collect()
}

/// Adds the name: quoted where it is short ASCII, else percent-encoded in pieces (RFC 2231 §3-4).
fn push_file_name(out: &mut String, name: &str) {
    if name.is_ascii() && name.len() < 60 && ascii_name(name) == name {
        out.push_str(&format!(";\r\n filename=\"{name}\""));
        return;
    }
    let room = LINE - " filename*00*=utf-8'';".len();
    let mut pieces: Vec<String> = vec![String::new()];
    for char in name.chars() {
        let mut buffer = [0; 4];
        let encoded: String = char
            .encode_utf8(&mut buffer)
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        let piece = pieces.last_mut().expect("there is always a last piece");
        if piece.len() + encoded.len() > room {
            pieces.push(encoded);
        } else {
            piece.push_str(&encoded);
        }
    }
    if let [only] = pieces.as_slice() {
        out.push_str(&format!(";\r\n filename*=utf-8''{only}"));
        return;
    }
    for (index, piece) in pieces.iter().enumerate() {
        let charset = if index == 0 { "utf-8''" } else { "" };
        out.push_str(&format!(";\r\n filename*{index}*={charset}{piece}"));
    }
}
