//! What is wrong with the storage, and what follows from it.

use crate::store::Error;
use rusqlite::ErrorCode;

/// What is wrong with the database, in a form that can be told to many.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub code: Option<rusqlite::ErrorCode>,
    pub text: String,
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self {
            code: error.sqlite_error_code(),
            text: error.to_string(),
        }
    }
}

impl Problem {
    /// Returns what is wrong with the storage; `None` where the error is not the storage's.
    pub fn of(error: &Error) -> Option<Self> {
        let Error::Sqlite(sqlite) = error else {
            return None;
        };
        let code = sqlite.sqlite_error_code()?;
        matches!(
            code,
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
        )
        .then(|| Self {
            code: Some(code),
            text: error.to_string(),
        })
    }

    pub fn closed() -> Self {
        Self {
            code: None,
            text: "the database is closed".into(),
        }
    }

    pub fn rolled_back() -> Self {
        Self {
            code: Some(ErrorCode::DiskFull),
            text: "the database rolled back a transaction by itself: the disk is full".into(),
        }
    }

    pub fn leaves_pages_in_doubt(&self) -> bool {
        !matches!(
            self.code,
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::OutOfMemory
                    | ErrorCode::OperationInterrupted
            )
        )
    }

    /// Makes one error into as many as there are owners; rusqlite's cannot be cloned.
    pub fn error(&self) -> Error {
        let extended_code = match self.code {
            Some(ErrorCode::DiskFull) => rusqlite::ffi::SQLITE_FULL,
            Some(ErrorCode::ReadOnly) => rusqlite::ffi::SQLITE_READONLY,
            Some(ErrorCode::DatabaseBusy) => rusqlite::ffi::SQLITE_BUSY,
            Some(ErrorCode::DatabaseCorrupt) => rusqlite::ffi::SQLITE_CORRUPT,
            Some(ErrorCode::CannotOpen) => rusqlite::ffi::SQLITE_CANTOPEN,
            _ => rusqlite::ffi::SQLITE_IOERR,
        };
        Error::Sqlite(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(extended_code),
            Some(self.text.clone()),
        ))
    }
}
