//! The write-ahead log: how long it is, and moving it into the file.
//!
//! In place of SQLite's own checkpoints, whose errors nobody hears.

use rusqlite::Connection;
use std::cell::Cell;

/// Pages of the log after which it is moved into the file: 32 MB.
const LONG: i32 = 8000;

thread_local! {
    /// How many pages the log had after the last commit of this thread.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

/// Has `conn` note how long the log is, and make no checkpoint by itself any more.
pub(super) fn follow(conn: &Connection) {
    conn.wal_hook(Some(|_, pages| {
        PAGES.set(pages);
        Ok(())
    }));
}

/// Tells whether the log is to be moved into the file.
pub(super) fn is_long() -> bool {
    PAGES.get() >= LONG
}

/// Moves the log into the file, as far as readers let it.
///
/// # Errors
/// Where the disk refuses: then it is in doubt which pages are on it.
pub(super) fn shorten(conn: &Connection) -> rusqlite::Result<()> {
    let (long, moved): (i32, i32) = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok((row.get(1)?, row.get(2)?))
    })?;
    if moved >= long {
        PAGES.set(0);
    }
    Ok(())
}
