//! A person, and an address that is safe to put into a mail.

use std::fmt;
use std::str::FromStr;

/// A syntactically valid mail address, at most 254 characters, without control characters.
///
/// RFC 5321 §4.5.3.1 limits the length; a line break in an address would be a header injection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Returns the address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form under which two spellings are the same person: all in lower case.
    ///
    /// RFC 5321 §2.4 lets a server tell `Ana@` from `ana@`; no mailbox provider does.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// Returns the part behind the last `@`, in lower case.
    pub fn domain(&self) -> String {
        self.0.rsplit('@').next().unwrap_or_default().to_lowercase()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("the address is empty")]
    Empty,
    /// Longer than RFC 5321 allows.
    #[error("the address is longer than 254 characters")]
    TooLong,
    /// A line break or another control character.
    #[error("the address contains a line break or another control character")]
    ControlCharacter,
    /// Anything else, as the parser says it.
    #[error("{0:?} is not a mail address")]
    Syntax(String),
}

impl FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(AddressError::ControlCharacter);
        }
        if text.len() > 254 {
            return Err(AddressError::TooLong);
        }
        let options = email_address::Options::default()
            .with_required_tld()
            .without_display_text();
        match email_address::EmailAddress::parse_with_options(text, options) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(AddressError::Syntax(text.chars().take(80).collect())),
        }
    }
}

/// Returns `address` with all but its first letter and its domain hidden: `a…@example.org`.
///
/// For pages and logs that others may see.
pub fn mask(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!(
            "{}…@{domain}",
            local.chars().next().map(String::from).unwrap_or_default()
        ),
        None => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_line_break_is_refused() {
        for text in [
            "a@example.org\r\nBcc: x@example.org",
            "a\n@example.org",
            "a@exa\0mple.org",
        ] {
            assert_eq!(
                text.parse::<EmailAddress>(),
                Err(AddressError::ControlCharacter),
                "{text:?}"
            );
        }
    }

    #[test]
    fn common_spellings_are_one_person() {
        let address: EmailAddress = " Ana.Li@Example.ORG ".parse().unwrap();
        assert_eq!(address.key(), "ana.li@example.org");
        assert_eq!(address.domain(), "example.org");
        assert_eq!(mask(address.as_str()), "A…@Example.ORG");
    }

    #[test]
    fn what_is_no_address_is_named() {
        assert_eq!("".parse::<EmailAddress>(), Err(AddressError::Empty));
        for text in [
            "ana",
            "ana@",
            "@example.org",
            "a b@example.org",
            "Ana <a@example.org>",
        ] {
            assert!(
                matches!(text.parse::<EmailAddress>(), Err(AddressError::Syntax(_))),
                "{text:?}"
            );
        }
    }
}
