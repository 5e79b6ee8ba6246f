//! A mail of plain text with one file: for what is written to one person and is no campaign.

use super::{Envelope, MimeError, headers, push_quoted_printable};
use data_encoding::{BASE64, HEXLOWER};

/// Bytes that make a base64 line of 76 characters (RFC 2045 §6.8).
const BASE64_LINE: usize = 57;

/// A file that goes with a mail.
#[derive(Debug, Clone, Copy)]
pub struct AttachedFile<'a> {
    /// Letters, digits, dots and dashes.
    pub name: &'a str,
    /// Its media type.
    pub media_type: &'a str,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// Builds a mail of plain text with a file: the bytes that go to the server after `DATA`, without dot-stuffing.
///
/// It says that a program wrote it, so that no absence notice answers it (RFC 3834 §5).
pub fn build_with_file(
    subject: &str,
    text: &str,
    file: AttachedFile<'_>,
    envelope: &Envelope<'_>,
) -> Result<Vec<u8>, MimeError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '/' | '+');
    for value in [file.name, file.media_type] {
        if value.is_empty() || value.len() > 60 || !value.chars().all(is_plain) {
            return Err(MimeError::Value {
                header: "Content-Disposition",
                value: value.chars().take(60).collect(),
            });
        }
    }
    let mut out = headers(subject, envelope)?;
    let hash = blake3::hash(envelope.message_id.as_bytes());
    // No line of quoted-printable or base64 can hold `=_`.
    let boundary = format!("=_{}", HEXLOWER.encode(&hash.as_bytes()[..16]));
    out.push_str(&format!(
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n \
         boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ));
    let mut bytes = out.into_bytes();
    push_quoted_printable(&mut bytes, text)?;
    bytes.extend_from_slice(
        format!(
            "\r\n--{boundary}\r\nContent-Type: {}; name=\"{}\"\r\nContent-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=\"{}\"\r\n\r\n",
            file.media_type, file.name, file.name
        )
        .as_bytes(),
    );
    for line in file.bytes.chunks(BASE64_LINE) {
        bytes.extend_from_slice(BASE64.encode(line).as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::mime::Unsubscribe;
    use mail_parser::{MessageParser, MimeHeaders};

    fn envelope<'a>(to: &'a str) -> Envelope<'a> {
        Envelope {
            from_name: "Club",
            from_address: "club@example.org",
            reply_to: "",
            to_name: "Ana",
            to_address: to,
            message_id: "1@example.org",
            date: crate::clock::from_millis(0),
            list_id: None,
            unsubscribe: Unsubscribe::None,
        }
    }

    #[test]
    fn a_file_comes_out_of_the_mail_as_it_went_in() {
        let file: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let attached = AttachedFile {
            name: "held.json",
            media_type: "application/json",
            bytes: &file,
        };
        let text = "Grüße, and a line of more than seventy-six characters, which has to be broken somewhere.";
        let bytes = build_with_file("What Café holds", text, attached, &envelope("ana@example.org")).unwrap();
        assert!(
            bytes.is_ascii() && bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 998),
            "every server takes it"
        );
        let mail = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(mail.subject(), Some("What Café holds"));
        assert_eq!(mail.body_text(0).unwrap().trim_end(), text);
        let part = mail.attachment(0).unwrap();
        assert_eq!(
            (part.contents(), part.attachment_name()),
            (&*file, Some("held.json"))
        );
        assert_eq!(mail.html_bodies().filter(|part| part.is_text_html()).count(), 0);
    }

    #[test]
    fn a_file_name_cannot_end_a_header() {
        let attached = AttachedFile {
            name: "a\"\r\nBcc: x@example.org",
            media_type: "application/json",
            bytes: b"",
        };
        assert!(build_with_file("s", "t", attached, &envelope("ana@example.org")).is_err());
    }
}
