//! Addresses in a mail: which may stand in it, and their safe spelling.
//!
//! A link is checked twice: as its author wrote it, and as it came out for one reader, since a merge field
//! may bring in anything.

use super::mime;
use std::borrow::Cow;

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something to click.
    Link,
    /// A picture: to load, or `picture:` and the digest of a file of the campaign's own.
    Picture,
}

/// Why an address may not stand in a mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nothing there.
    #[error("an address is empty; give it one that begins with https://")]
    Empty,
    /// `javascript:` and its kin, or no scheme at all.
    #[error("{0:?} is no address for a link; use one that begins with https://, http://, mailto: or tel:")]
    Scheme(String),
    /// A picture that readers cannot load.
    #[error("{0:?} is no address of a picture; use one that begins with https:// or http://")]
    Picture(String),
    /// The scheme is right, the rest is not.
    #[error("{0:?} is no complete address; check it for typing errors")]
    Syntax(String),
}

impl LinkError {
    /// Says it without the address, which may hold a reader's own data.
    pub fn without_value(&self) -> &'static str {
        match self {
            Self::Empty => "an address is empty; give it one that begins with https://",
            Self::Scheme(_) => {
                "what comes out is no address for a link; use one that begins with https://, http://, mailto: or tel:"
            }
            Self::Picture(_) => {
                "what comes out is no address of a picture; use one that begins with https:// or http://"
            }
            Self::Syntax(_) => "what comes out is no complete address; check it for typing errors",
        }
    }
}

/// Checks an address as its author wrote it: a merge field may stand in it or be all of it.
pub fn check_source(source: &str, kind: Kind) -> Result<(), LinkError> {
    let source = source.trim();
    if source.starts_with("{{") || source.starts_with("{%") {
        return Ok(());
    }
    if source.contains("{{") || source.contains("{%") {
        // No field says which file of the campaign's own it is: those go with every mail.
        return scheme(source, kind).map(drop);
    }
    clean(source, kind).map(drop)
}

/// Returns an address that is safe inside an HTML attribute once it is escaped: an allowed scheme, no spaces,
/// no control characters, no quotes; letters beyond ASCII encoded. A picture of the campaign's own becomes its `cid:`
/// (RFC 2392).
pub fn clean(address: &str, kind: Kind) -> Result<Cow<'_, str>, LinkError> {
    let address = address.trim();
    if address.chars().any(char::is_control) {
        return Err(LinkError::Syntax(shown(address)));
    }
    if kind == Kind::Picture
        && let Some(digest) = mime::picture_digest(address)
    {
        return Ok(Cow::Owned(format!("cid:{}", mime::content_id(digest))));
    }
    let is_plain = address
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'`' | b'\''));
    match scheme(address, kind)? {
        Scheme::Web => {
            let url = url::Url::parse(address).map_err(|_| LinkError::Syntax(shown(address)))?;
            if is_plain {
                Ok(Cow::Borrowed(address))
            } else {
                Ok(Cow::Owned(url.as_str().replace('\'', "%27")))
            }
        }
        Scheme::Other(rest) => {
            if rest.trim().is_empty() {
                return Err(LinkError::Syntax(shown(address)));
            }
            if is_plain {
                return Ok(Cow::Borrowed(address));
            }
            let mut out = String::with_capacity(address.len() + 16);
            for byte in address.bytes() {
                if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'`' | b'\'') {
                    out.push(char::from(byte));
                } else {
                    out.push_str(&format!("%{byte:02X}"));
                }
            }
            Ok(Cow::Owned(out))
        }
    }
}

enum Scheme<'a> {
    Web,
    Other(&'a str),
}

fn scheme(address: &str, kind: Kind) -> Result<Scheme<'_>, LinkError> {
    if address.is_empty() {
        return Err(LinkError::Empty);
    }
    let has = |prefix: &str| {
        address
            .get(..prefix.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    if has("https://") || has("http://") {
        return Ok(Scheme::Web);
    }
    match kind {
        Kind::Picture => Err(LinkError::Picture(shown(address))),
        Kind::Link => ["mailto:", "tel:"]
            .iter()
            .find(|prefix| has(prefix))
            .map(|prefix| Scheme::Other(&address[prefix.len()..]))
            .ok_or_else(|| LinkError::Scheme(shown(address))),
    }
}

/// Shortens an address for a message.
fn shown(address: &str) -> String {
    address
        .chars()
        .filter(|char| !char.is_control())
        .take(80)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_a_mail_may_carry_pass() {
        let table = [
            ("https://example.org", true),
            ("HTTP://example.org/a?b=c&d=e#f", true),
            ("mailto:ana@example.org", true),
            ("tel:+391234567", true),
            ("{{ link }}", true),
            ("https://example.org/{{ email | urlencode }}", true),
            ("javascript:alert(1)", false),
            ("JaVaScRiPt:alert(1)", false),
            ("data:text/html,x", false),
            ("vbscript:x", false),
            ("javascript:{{ email }}", false),
            ("example.org", false),
            ("//example.org", false),
            ("https://", false),
            ("mailto:", false),
            ("file:///etc/passwd", false),
            ("", false),
            ("java\nscript:x", false),
            ("https://example.org/\r\nx", false),
        ];
        for (source, allowed) in table {
            assert_eq!(check_source(source, Kind::Link).is_ok(), allowed, "{source:?}");
        }
        for source in [
            "mailto:a@example.org",
            "tel:1",
            "data:image/gif;base64,R0",
            "cid:x",
        ] {
            assert!(
                check_source(source, Kind::Picture).is_err(),
                "{source:?} is nothing that a reader can load"
            );
        }
    }

    #[test]
    fn what_could_end_an_attribute_is_encoded() {
        let table = [
            ("https://example.org/a b", "https://example.org/a%20b"),
            (
                "https://example.org/\"onclick=x",
                "https://example.org/%22onclick=x",
            ),
            (
                "https://münchen.example/ü",
                "https://xn--mnchen-3ya.example/%C3%BC",
            ),
            (
                "mailto:a b\"<c>@example.org",
                "mailto:a%20b%22%3Cc%3E@example.org",
            ),
            ("https://example.org/?a=1&b=2", "https://example.org/?a=1&b=2"),
        ];
        for (address, cleaned) in table {
            assert_eq!(clean(address, Kind::Link).unwrap(), cleaned);
        }
    }
}
