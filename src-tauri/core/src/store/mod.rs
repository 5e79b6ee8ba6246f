//! The workspace's database. The only module that knows SQLite.
//!
//! `db` opens it and owns the one writing connection; `migrate` brings its schema up to date; then one file
//! for each table, with the row struct, the SQL and the tests side by side. Functions take a
//! [`Conn`] and are called inside `Db::read` or `Db::write`; they open no transactions of their own.

pub mod account;
pub mod activity;
pub mod after;
pub mod attachment;
pub mod backup;
pub mod campaign;
pub mod check;
pub mod closing;
pub mod consent_event;
pub mod contact;
pub mod counter;
pub mod data_request;
pub mod db;
pub mod dialogue;
pub mod domain_check;
pub mod due;
pub mod erasure;
pub mod hit;
pub mod incoming;
pub mod judging;
pub mod label;
pub mod list;
pub mod merge;
pub mod message;
pub mod message_event;
pub mod migrate;
pub mod outbox_mail;
pub mod played;
pub mod preference;
pub mod probe;
pub mod report;
pub mod retention;
pub mod rollup;
pub mod route;
pub mod setting;
pub mod sign_in;
mod spool;
pub mod standing;
pub mod suppression;
pub mod takeover;
pub mod test_token;
pub mod trusted_certificate;
pub mod uptime;

#[cfg(any(test, feature = "fuzzing"))]
pub use spool::fuzz as spool_fuzz;

pub use spool::free_space;

pub use db::{Conn, Db, Durability, Era, Priority, Replay, Stored};

/// Why the database could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite's own word.
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Written by a newer version of Casement.
    #[error(
        "{path} was written by a newer version of Casement (schema {found}, this build knows {known}); update the app"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: i64,
        /// The newest schema this build knows.
        known: i64,
    },
    /// The file is no database of Casement's, or is damaged.
    #[error("{path} is no Casement database or is damaged: {detail}")]
    Damaged {
        /// The file.
        path: String,
        /// What was seen.
        detail: String,
    },
    /// The folder or file cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A stored value does not fit its type.
    #[error("the database holds a value that this build cannot read: {0}")]
    Value(String),
    /// The writer has ended.
    #[error("the database is closed")]
    Closed,
    /// A write stopped in the middle of a fault of Casement itself; it was rolled back.
    #[error("a write was rolled back after an internal fault")]
    Panicked,
}

/// The result of a store function.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Tells whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        self.sqlite_code() == Some(rusqlite::ErrorCode::DiskFull)
    }

    /// Tells whether the file or its folder cannot be written.
    pub fn is_read_only(&self) -> bool {
        matches!(
            self.sqlite_code(),
            Some(
                rusqlite::ErrorCode::ReadOnly
                    | rusqlite::ErrorCode::CannotOpen
                    | rusqlite::ErrorCode::PermissionDenied
            )
        ) || matches!(self, Self::Io { source, .. } if matches!(source.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem))
    }

    /// Tells whether the file is damaged, or no database at all.
    pub fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged { .. })
            || matches!(
                self.sqlite_code(),
                Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
            )
    }

    /// Tells whether a unique value is taken already.
    pub fn is_taken(&self) -> bool {
        self.sqlite_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
    }

    fn sqlite_code(&self) -> Option<rusqlite::ErrorCode> {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            _ => None,
        }
    }
}

impl From<crate::domain::UnknownWord> for Error {
    fn from(word: crate::domain::UnknownWord) -> Self {
        Self::Value(word.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Value(error.to_string())
    }
}

/// Reads a column that holds one of `T`'s words.
pub(crate) fn word<T: std::str::FromStr>(
    row: &rusqlite::Row<'_>,
    column: impl rusqlite::RowIndex,
) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// Reads a column that holds milliseconds since the epoch, or NULL.
pub(crate) fn instant(
    row: &rusqlite::Row<'_>,
    column: impl rusqlite::RowIndex,
) -> rusqlite::Result<Option<crate::clock::Instant>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(crate::clock::from_millis))
}
