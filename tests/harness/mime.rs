//! A mail as its reader's program sees it, by a parser that the code under test does not use (crate mailparse).

use mailparse::{MailHeaderMap, ParsedMail, parse_mail};

/// A mail that was read.
#[derive(Debug)]
pub struct Mail {
    /// Header fields in order, decoded.
    pub headers: Vec<(String, String)>,
    /// The parts of the HTML alternative.
    pub html: String,
    /// The text alternative.
    pub text: String,
}

impl Mail {
    /// Reads a mail; fails unless it is one `multipart/alternative` of a text and an HTML part, text first.
    pub fn read(bytes: &[u8]) -> Self {
        let parsed = parse_mail(bytes).expect("an independent parser reads every mail");
        assert_eq!(
            parsed.ctype.mimetype, "multipart/alternative",
            "text and HTML say the same"
        );
        let kinds: Vec<&str> = parsed
            .subparts
            .iter()
            .map(|part| part.ctype.mimetype.as_str())
            .collect();
        assert_eq!(
            kinds,
            ["text/plain", "text/html"],
            "the richest alternative comes last (RFC 2046 §5.1.4)"
        );
        for part in &parsed.subparts {
            assert_eq!(
                part.ctype.charset.to_ascii_lowercase(),
                "utf-8",
                "both parts say their charset"
            );
        }
        let body = |part: &ParsedMail<'_>| part.get_body().expect("the parser decodes every part");
        Self {
            headers: parsed
                .headers
                .iter()
                .map(|header| (header.get_key(), header.get_value()))
                .collect(),
            text: body(&parsed.subparts[0]),
            html: body(&parsed.subparts[1]),
        }
    }

    /// Returns the only header field called `name`; fails where there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        let first = found.next();
        assert!(found.next().is_none(), "a mail has one {name} field at most");
        first
    }

    /// As [`Self::header`]; fails where there is none.
    pub fn must(&self, name: &str) -> &str {
        self.header(name)
            .unwrap_or_else(|| panic!("a mail has a {name} field"))
    }

    /// Returns the addresses of all pictures of one pixel.
    pub fn pixels(&self) -> Vec<String> {
        pictures(&self.html)
            .into_iter()
            .filter(|tag| attribute(tag, "width").as_deref() == Some("1"))
            .map(|tag| attribute(tag, "src").expect("a picture has a source"))
            .collect()
    }

    /// Returns the addresses that List-Unsubscribe offers, in order.
    pub fn unsubscribe_addresses(&self) -> Vec<String> {
        let field = self.must("List-Unsubscribe");
        field
            .split(',')
            .map(|part| {
                part.trim()
                    .strip_prefix('<')
                    .and_then(|part| part.strip_suffix('>'))
                    .unwrap_or_else(|| panic!("RFC 2369 §2 puts addresses into angle brackets: {field}"))
                    .to_owned()
            })
            .collect()
    }

    /// Returns the token of the address that ends with `/o/TOKEN.gif`, if the mail carries one pixel.
    pub fn pixel_token(&self) -> Option<String> {
        let pixels = self.pixels();
        assert!(pixels.len() <= 1, "a mail has one pixel at most: {pixels:?}");
        let name = pixels.first()?.rsplit('/').next()?;
        Some(
            name.strip_suffix(".gif")
                .expect("a pixel's address ends with .gif")
                .to_owned(),
        )
    }
}

/// Returns every `<img …>` tag.
pub fn pictures(html: &str) -> Vec<&str> {
    html.match_indices("<img")
        .map(|(at, _)| {
            let end = html[at..].find('>').expect("a tag ends");
            &html[at..=at + end]
        })
        .collect()
}

/// Returns an attribute's value, the entity `&amp;` undone.
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let end = tag[start..].find('"')?;
    Some(tag[start..start + end].replace("&amp;", "&"))
}

/// Returns the first field of a mail that may not parse as a whole.
pub fn raw_header(bytes: &[u8], name: &str) -> Option<String> {
    parse_mail(bytes).ok()?.headers.get_first_value(name)
}
