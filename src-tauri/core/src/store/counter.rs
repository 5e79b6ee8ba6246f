//! `counter`: what the listener counts without knowing of whom. Every request writes one, so that all of them
//! wait for the same commit.

use super::{Conn, Result};
use rusqlite::OptionalExtension;

/// Requests for pixels.
pub const REQUESTS: &str = "requests";
/// Requests for preference pages, and what was posted there.
pub const PAGES: &str = "pages";
/// Pixels and pages of tokens that belong to nothing.
pub const UNKNOWN_TOKEN: &str = "unknown_token";
/// Pixels and pages of test mails.
pub const TEST_TOKEN: &str = "test_token";
/// The sender's own looks.
pub const OWN: &str = "own";
/// Loads of a shared pixel outside its window.
pub const SHARED_OUTSIDE: &str = "shared_outside";
/// Loads of a shared pixel that were not counted at readers' request.
pub const SHARED_NOT_RECORDED: &str = "shared_not_recorded";
/// The number of the last transaction, written by itself: so it can be told whether one that failed is there.
pub const TRANSACTION: &str = "transaction";
/// The last record of the spool that was applied.
pub const REPLAYED: &str = "replayed";

/// Sets what is under `name`.
pub fn set(conn: &Conn, name: &str, n: u64) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO counter (name, n) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET n = excluded.n",
    )?
    .execute((name, n.cast_signed()))?;
    Ok(())
}

/// Counts one more under `name`.
pub fn add(conn: &Conn, name: &str) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO counter (name, n) VALUES (?1, 1)
         ON CONFLICT (name) DO UPDATE SET n = n + 1",
    )?
    .execute([name])?;
    Ok(())
}

/// Returns the count under `name`.
pub fn get(conn: &Conn, name: &str) -> Result<u64> {
    Ok(conn
        .prepare_cached("SELECT n FROM counter WHERE name = ?1")?
        .query_row([name], |row| row.get::<_, i64>(0))
        .optional()?
        .map_or(0, |n| n.unsigned_abs()))
}
