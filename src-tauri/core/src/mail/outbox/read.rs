//! A kept mail, taken apart to be shown: headers, text, HTML without anything that is fetched from elsewhere.

use crate::domain::attachment::picture_type;
use crate::tracking::token::Token;
use data_encoding::BASE64;
use lol_html::html_content::ContentType;
use lol_html::{RewriteStrSettings, element, rewrite_str};
use mail_parser::{MessageParser, MimeHeaders};
use std::collections::BTreeMap;

/// A mail's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// `Name <address>`.
    pub from: String,
    /// The HTML part without remote pictures, scripts and forms; each picture's place says that it was left out.
    pub html: String,
    /// The text part.
    pub text: String,
    /// Header fields in order, decoded.
    pub headers: Vec<[String; 2]>,
    /// The address of the pixel; `None` where there is none.
    pub pixel: Option<String>,
    /// Attached files: name and size in bytes.
    pub files: Vec<(String, u64)>,
}

/// Takes a mail apart; `None` for bytes that are none.
pub fn parts(bytes: &[u8]) -> Option<Parts> {
    let mail = MessageParser::default().parse(bytes)?;
    let headers = mail
        .headers_raw()
        .map(|(name, value)| [name.to_owned(), decoded(&mail, name, value)])
        .collect();
    let from = mail
        .from()
        .and_then(|from| from.first())
        .map(|from| match (from.name(), from.address()) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (_, address) => address.unwrap_or_default().to_owned(),
        })
        .unwrap_or_default();
    // Only parts of these types: mail-parser would make one out of the other.
    let part = |kind: &str| {
        mail.parts
            .iter()
            .find(|part| {
                part.content_type().is_some_and(|given| {
                    given.ctype() == "text" && given.subtype().is_some_and(|sub| sub == kind)
                })
            })
            .and_then(|part| part.text_contents())
            .unwrap_or_default()
            .to_owned()
    };
    let html = part("html");
    let own = pictures(&mail);
    let (html, pixel) = harmless(&html, &own);
    let files = mail
        .parts
        .iter()
        .filter(|part| {
            part.content_disposition()
                .is_some_and(|way| way.ctype() == "attachment")
        })
        .map(|part| {
            let name = part.attachment_name().unwrap_or_default();
            (name.to_owned(), part.contents().len() as u64)
        })
        .collect();
    Some(Parts {
        from,
        html,
        text: part("plain"),
        headers,
        pixel,
        files,
    })
}

/// Returns the pictures that a mail carries, by Content-ID, as addresses that hold them.
fn pictures(mail: &mail_parser::Message<'_>) -> BTreeMap<String, String> {
    let parts = mail.parts.iter();
    parts
        .filter_map(|part| {
            let id = part.content_id()?;
            // Whatever its headers say, it is shown as what it is, or not at all.
            let media_type = picture_type(part.contents()).ok()?;
            let bytes = BASE64.encode(part.contents());
            Some((id.to_owned(), format!("data:{media_type};base64,{bytes}")))
        })
        .collect()
}

fn decoded(mail: &mail_parser::Message<'_>, name: &str, raw: &str) -> String {
    let unfolded = || raw.split_whitespace().collect::<Vec<_>>().join(" ");
    // Encoded words stand in these; everything else is shown as it travels.
    match name.to_ascii_lowercase().as_str() {
        "subject" => mail.subject().map_or_else(unfolded, str::to_owned),
        _ => unfolded(),
    }
}

/// Tells whether an address is a pixel of ours, by its path.
fn is_pixel(address: &str) -> bool {
    address
        .rsplit_once("/o/")
        .and_then(|(_, rest)| rest.strip_suffix(".gif"))
        .is_some_and(|token| Token::parse(token).is_some())
}

fn is_remote(address: &str) -> bool {
    !address.trim_start().to_ascii_lowercase().starts_with("data:")
}

/// Returns HTML from which nothing is fetched, and the pixel's address.
/// `own` are the pictures that it carries.
fn harmless(html: &str, own: &BTreeMap<String, String>) -> (String, Option<String>) {
    let mut pixel = None;
    let handlers = vec![
        element!("img", |img| {
            let src = img.get_attribute("src").unwrap_or_default();
            if is_pixel(&src) {
                pixel.get_or_insert(src);
                img.remove();
            } else if let Some(own) = src.strip_prefix("cid:").and_then(|id| own.get(id)) {
                img.set_attribute("src", own)?;
                img.remove_attribute("srcset");
            } else if is_remote(&src) || img.has_attribute("srcset") {
                let alt = img.get_attribute("alt").unwrap_or_default();
                let words = match alt.trim() {
                    "" => "[picture left out]".to_owned(),
                    alt => format!("[picture left out: {alt}]"),
                };
                img.replace(&words, ContentType::Text);
            }
            Ok(())
        }),
        element!(
            "script, iframe, frame, object, embed, link, base, form, video, audio, source, svg, input[type=image]",
            |found| {
                found.remove();
                Ok(())
            }
        ),
        element!("[background]", |found| {
            found.remove_attribute("background");
            Ok(())
        }),
        element!("head", |head| {
            // Whatever the rules above do not know is not fetched either: the frame's own policy.
            head.prepend(
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
                 img-src data:\">",
                ContentType::Html,
            );
            Ok(())
        }),
    ];
    let settings = handlers
        .into_iter()
        .fold(RewriteStrSettings::new(), |settings, handler| {
            settings.append_element_content_handler(handler)
        });
    // HTML that cannot be rewritten is not shown at all.
    let safe = rewrite_str(html, settings).unwrap_or_default();
    (safe, pixel)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIXEL: &str = "https://t.example.org/o/aaaaaaaaaaaaaaaaaaaaaaaaaa.gif";

    #[test]
    fn a_shown_mail_fetches_nothing_and_says_what_was_left_out() {
        let html = format!(
            "<html><head><link rel=stylesheet href=https://x.example/a.css></head><body background=https://x.example/b>\
             <img src=\"{PIXEL}\" width=1><img src=\"https://x.example/boat.png\" alt=\"Our boat\">\
             <img src='data:image/gif;base64,AAAA'><script>x()</script><p style=\"color:red\">Hello</p></body></html>"
        );
        let (safe, pixel) = harmless(&html, &BTreeMap::new());
        assert_eq!(pixel.as_deref(), Some(PIXEL));
        assert!(
            !safe.contains("x.example") && !safe.contains("t.example"),
            "{safe}"
        );
        assert!(!safe.contains("x()"), "{safe}");
        assert!(safe.contains("[picture left out: Our boat]"), "{safe}");
        assert!(
            safe.contains("data:image/gif") && safe.contains("Hello"),
            "{safe}"
        );
        assert!(safe.contains("default-src 'none'"), "{safe}");
    }

    #[test]
    fn a_mail_is_taken_apart_and_its_headers_are_decoded() {
        let bytes = format!(
            "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
             List-Unsubscribe: <https://t.example.org/u/x>,\r\n <mailto:j@example.org>\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n--b\r\nContent-Type: text/html\r\n\r\n\
             <p>Hello<img src=\"{PIXEL}\"></p>\r\n--b--\r\n"
        );
        let parts = parts(bytes.as_bytes()).unwrap();
        assert_eq!(parts.from, "Jürgen <j@example.org>");
        assert_eq!(parts.text.trim(), "Hello");
        assert_eq!(parts.headers[1], ["Subject".to_owned(), "Grüße".to_owned()]);
        assert_eq!(
            parts.headers[2][1],
            "<https://t.example.org/u/x>, <mailto:j@example.org>"
        );
        assert_eq!(parts.pixel.as_deref(), Some(PIXEL));
    }
}
