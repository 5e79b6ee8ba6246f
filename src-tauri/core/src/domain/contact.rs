//! A person, an address that is safe to put into a mail, and why an address gets none.

use super::text_enum;
use std::borrow::Cow;
use std::collections::BTreeMap;
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
        domain_of(&self.0)
    }
}

/// Returns the part of an address behind the last `@`, in lower case.
pub fn domain_of(address: &str) -> String {
    address.rsplit('@').next().unwrap_or_default().to_lowercase()
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

text_enum! {
    /// Why an address gets no mail.
    SuppressionKind {
        /// Its owner unsubscribed.
        Unsubscribed = "unsubscribed",
        /// The user stopped it.
        Manual = "manual",
        /// Mail to it came back for good.
        Bounced = "bounced",
        /// Its owner reported a mail as unwanted.
        Complained = "complained",
    }
}

impl SuppressionKind {
    /// Returns the words to show, with the user's reason where there is one.
    pub fn describe(self, reason: &str) -> String {
        let kind = match self {
            Self::Unsubscribed => "Unsubscribed",
            Self::Manual => "Stopped by hand",
            Self::Bounced => "Mail came back",
            Self::Complained => "Reported a mail as unwanted",
        };
        if reason.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}: {reason}")
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

/// What is known of a person beside consent: checked, so that it is safe to keep and to merge into a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The address.
    pub email: EmailAddress,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// By merge name; no empty values.
    pub fields: BTreeMap<String, String>,
}

/// Why something about a person cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PersonError {
    /// The name is too long.
    #[error("the name is longer than {} characters", Person::NAME_CHARS)]
    NameTooLong,
    /// A line break in a name would be a header injection (RFC 5322 §2.2).
    #[error("the name contains a line break or another control character")]
    NameControlCharacter,
    /// No merge name.
    #[error("{0:?} is not a field's name; use small letters, digits and _, not beginning with a digit")]
    FieldName(String),
    /// A value is too long.
    #[error("the value of {0:?} is longer than {max} characters", max = Person::VALUE_CHARS)]
    ValueTooLong(String),
    /// A NUL or another character that no text has.
    #[error("the value of {0:?} contains a control character")]
    ValueControlCharacter(String),
    /// Too many fields.
    #[error("there are {0} fields; a contact has at most {max}", max = Person::FIELDS)]
    TooManyFields(usize),
}

impl Person {
    /// The longest first or last name, in characters.
    pub const NAME_CHARS: usize = 200;
    /// The longest value of a field, in characters.
    pub const VALUE_CHARS: usize = 10_000;
    /// The most fields of one contact.
    pub const FIELDS: usize = 100;

    /// Checks and trims what is to be kept of a person; empty fields are dropped.
    pub fn new(
        email: EmailAddress,
        first_name: &str,
        last_name: &str,
        fields: BTreeMap<String, String>,
    ) -> Result<Self, PersonError> {
        let mut kept = BTreeMap::new();
        for (name, value) in fields {
            if !Self::is_field_name(&name) {
                return Err(PersonError::FieldName(name.chars().take(80).collect()));
            }
            let value = field_value(&name, &value)?;
            if !value.is_empty() {
                kept.insert(name, value);
            }
        }
        if kept.len() > Self::FIELDS {
            return Err(PersonError::TooManyFields(kept.len()));
        }
        Ok(Self {
            email,
            first_name: person_name(first_name)?,
            last_name: person_name(last_name)?,
            fields: kept,
        })
    }

    /// Tells whether `name` can be a field's: what a merge field can name, and none of the built-in names.
    pub fn is_field_name(name: &str) -> bool {
        let is_part = |letter: char| {
            (letter.is_alphabetic() && !letter.is_uppercase()) || letter.is_ascii_digit() || letter == '_'
        };
        name.len() <= 64
            && name.chars().all(is_part)
            && name.starts_with(|first: char| !first.is_ascii_digit())
            && !["email", "first_name", "last_name"].contains(&name)
    }
}

fn person_name(text: &str) -> Result<String, PersonError> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(PersonError::NameControlCharacter);
    }
    if text.chars().count() > Person::NAME_CHARS {
        return Err(PersonError::NameTooLong);
    }
    Ok(text.to_owned())
}

fn field_value(name: &str, text: &str) -> Result<String, PersonError> {
    let text = text.trim();
    // Line breaks and tabs are fine in a postal address; what builds headers folds them.
    if text
        .chars()
        .any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
    {
        return Err(PersonError::ValueControlCharacter(name.to_owned()));
    }
    if text.chars().count() > Person::VALUE_CHARS {
        return Err(PersonError::ValueTooLong(name.to_owned()));
    }
    Ok(text.to_owned())
}

/// Returns `name` ready to stand in a sentence: one that is written from right to left is isolated
/// (Unicode Annex 9, FSI … PDI), or it would turn the whole sentence round.
pub fn isolate(name: &str) -> Cow<'_, str> {
    let is_rtl =
        |c: char| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
    match name.chars().any(is_rtl) {
        true => Cow::Owned(format!("\u{2068}{name}\u{2069}")),
        false => Cow::Borrowed(name),
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

    fn person(first: &str, fields: &[(&str, &str)]) -> Result<Person, PersonError> {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        Person::new("ana@example.org".parse().unwrap(), first, "Li", fields)
    }

    #[test]
    fn a_name_that_could_break_a_header_is_refused() {
        assert_eq!(
            person("Ana\r\nBcc: x@example.org", &[]),
            Err(PersonError::NameControlCharacter)
        );
        assert_eq!(person(&"x".repeat(201), &[]), Err(PersonError::NameTooLong));
        assert_eq!(
            person(" Ana ", &[]).unwrap().first_name,
            "Ana",
            "spaces around are dropped"
        );
    }

    #[test]
    fn fields_have_merge_names_and_bounded_values() {
        for name in ["", "Company", "2024", "first_name", "email", "a-b", "a b"] {
            assert!(
                matches!(person("", &[(name, "x")]), Err(PersonError::FieldName(_))),
                "{name:?} cannot be a merge field"
            );
        }
        assert!(matches!(
            person("", &[("note", &"x".repeat(10_001))]),
            Err(PersonError::ValueTooLong(_))
        ));
        assert!(matches!(
            person("", &[("note", "a\0b")]),
            Err(PersonError::ValueControlCharacter(_))
        ));
        let kept = person("", &[("street", "Hill 1\nTown"), ("fax", " ")]).unwrap();
        assert_eq!(kept.fields.len(), 1, "an empty value is no value");
    }

    #[test]
    fn a_name_from_right_to_left_does_not_turn_its_sentence_round() {
        assert_eq!(isolate("Ana Li"), "Ana Li");
        assert_eq!(isolate("נועה Li"), "\u{2068}נועה Li\u{2069}");
    }
}
