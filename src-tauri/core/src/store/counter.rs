//! `counter`: what the listener counts without knowing of whom, and the writer's own numbers.

use super::{Conn, Result, instant};
use crate::clock::{Instant, to_millis};
use rusqlite::OptionalExtension;

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

/// What was posted to pages of tokens that belong to nobody. A few are crawlers or cut links; many mean that an
/// old backup was restored, or that somebody guesses.
pub const UNMATCHED_POSTS: &str = "unmatched_posts";

/// Counts one more under `name`, and keeps when.
pub fn add_at(conn: &Conn, name: &str, at: Instant) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO counter (name, n, last_at) VALUES (?1, 1, ?2)
         ON CONFLICT (name) DO UPDATE SET n = n + 1, last_at = excluded.last_at",
    )?
    .execute((name, to_millis(at)))?;
    Ok(())
}

/// Returns the count under `name` and when it moved last; `None` where it never did under [`add_at`].
pub fn last(conn: &Conn, name: &str) -> Result<Option<(u64, Instant)>> {
    let found = conn
        .prepare_cached("SELECT n, last_at FROM counter WHERE name = ?1")?
        .query_row([name], |row| {
            Ok((row.get::<_, i64>("n")?, instant(row, "last_at")?))
        })
        .optional()?;
    Ok(found.and_then(|(n, at)| Some((n.unsigned_abs(), at?))))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::store::db::testing;

    #[test]
    fn an_alarm_knows_how_often_and_when_last() {
        let conn = testing::memory();
        assert_eq!(last(&conn, UNMATCHED_POSTS).unwrap(), None);
        for millis in [5, 9] {
            add_at(&conn, UNMATCHED_POSTS, from_millis(millis)).unwrap();
        }
        assert_eq!(last(&conn, UNMATCHED_POSTS).unwrap(), Some((2, from_millis(9))));
        assert_eq!(get(&conn, UNMATCHED_POSTS).unwrap(), 2);
    }
}
