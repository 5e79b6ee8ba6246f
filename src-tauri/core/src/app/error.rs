//! What the errors of the parts mean to a user.

use crate::api::{Code, Error};
use crate::domain::consent::ConsentError;
use crate::domain::contact::{AddressError, PersonError};
use crate::domain::window::WindowError;
use crate::engine::lock::LockError;
use crate::store;

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        if error.is_disk_full() {
            return Self::new(
                Code::Storage,
                "The disk is full, so this could not be saved. Free some space and try again; nothing was lost.",
            );
        }
        if error.is_read_only() {
            return Self::new(
                Code::Storage,
                format!(
                    "The workspace cannot be written ({error}). Check that the folder is not read-only, and try again."
                ),
            );
        }
        match error {
            damaged if damaged.is_damaged() => Self::new(Code::Damaged, sentence(&damaged.to_string())),
            store::Error::Newer { .. } => Self::new(Code::Newer, sentence(&error.to_string())),
            other => Self::new(Code::Storage, sentence(&other.to_string())),
        }
    }
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held => Self::new(
                Code::Locked,
                "Another Casement has this workspace open. Close it, or choose another workspace.",
            ),
            LockError::Io { .. } => Self::new(
                Code::Storage,
                format!("The workspace cannot be written: {error}."),
            ),
        }
    }
}

impl From<WindowError> for Error {
    fn from(error: WindowError) -> Self {
        Self::field("window", sentence(&error.to_string()))
    }
}

impl From<AddressError> for Error {
    fn from(error: AddressError) -> Self {
        Self::field("email", sentence(&error.to_string()))
    }
}

impl From<PersonError> for Error {
    fn from(error: PersonError) -> Self {
        let field = match error {
            PersonError::NameTooLong | PersonError::NameControlCharacter => "name",
            _ => "fields",
        };
        Self::field(field, sentence(&error.to_string()))
    }
}

impl From<ConsentError> for Error {
    fn from(error: ConsentError) -> Self {
        let field = match error {
            ConsentError::WordingMissing => "wording",
            _ => "source",
        };
        Self::field(field, sentence(&error.to_string()))
    }
}

/// Makes an error's text into a sentence: a capital at its head, a period at its end.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let mut out: String = chars
        .next()
        .map(|first| first.to_uppercase().collect())
        .unwrap_or_default();
    out.push_str(chars.as_str());
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}
