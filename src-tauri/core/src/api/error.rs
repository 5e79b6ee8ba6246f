//! How an error crosses to the window and the command line: a code to act on, a sentence to show.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a caller can do about an error. A new code is added only where a caller tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request is wrong; `field` names the part where that is known.
    Invalid,
    /// What it is about does not exist.
    NotFound,
    /// The state of things forbids it now.
    Conflict,
    /// The user cancelled it.
    Cancelled,
    /// The mail server, the network or DNS failed.
    Unreachable,
    /// The workspace cannot be written: disk full, read-only.
    Storage,
    /// The workspace's database is damaged.
    Damaged,
    /// Another process holds the workspace.
    Locked,
    /// The workspace was written by a newer version.
    Newer,
    /// A fault of Casement itself.
    Internal,
}

/// An error as the window and the command line see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What can be done about it.
    pub code: Code,
    /// A sentence: what failed, with what, what to do.
    pub message: String,
    /// The request's field that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub field: Option<String>,
}

/// The result of a command.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Returns an error with `code` and `message`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
        }
    }

    /// Returns an error of a request whose `field` is wrong.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self {
            code: Code::Invalid,
            message: message.into(),
            field: Some(field.to_owned()),
        }
    }

    /// Returns an error of a wrong request.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// Returns an error about something that does not exist: `not_found("campaign", id)`.
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("There is no {what} {id}."))
    }

    /// Returns an error of a state that forbids what was asked.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Code::Conflict, message)
    }
}
