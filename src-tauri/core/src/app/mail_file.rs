//! Mails that the user saved as files: opened and read within a limit.

use crate::api::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Opens a file of at most `most` bytes. Errors are about the request's `field`.
///
/// It may grow afterwards: read no more than `most` of it.
pub(super) fn open(path: &Path, field: &str, most: u64) -> Result<File> {
    let failed = |error: std::io::Error| unreadable(path, field, &error);
    // Before it is opened: opening a pipe waits for somebody to write into it.
    let facts = std::fs::metadata(path).map_err(failed)?;
    if !facts.is_file() {
        return Err(Error::field(
            field,
            format!(
                "{} is no file. Choose mail that was saved as a file (.eml).",
                path.display()
            ),
        ));
    }
    if facts.len() > most {
        return Err(too_large(path, field, most));
    }
    File::open(path).map_err(failed)
}

/// Reads a whole file of at most `most` bytes. Errors are about the request's `field`.
pub(super) fn read(path: &Path, field: &str, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, field, most)?
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, field, &error))?;
    if bytes.len() as u64 > most {
        return Err(too_large(path, field, most));
    }
    Ok(bytes)
}

/// Says that a file cannot be read.
pub(super) fn unreadable(path: &Path, field: &str, error: &std::io::Error) -> Error {
    Error::field(
        field,
        format!("Cannot read {}: {error}. Choose another file.", path.display()),
    )
}

fn too_large(path: &Path, field: &str, most: u64) -> Error {
    Error::field(
        field,
        format!(
            "{} is larger than {} MiB. Choose another file; a mailbox can be split.",
            path.display(),
            most >> 20
        ),
    )
}
