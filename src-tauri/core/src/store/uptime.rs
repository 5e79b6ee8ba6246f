//! `uptime`: the intervals in which the listener answered. What came outside of them is lost, and reports say so.

use super::{Conn, Result};
use crate::clock::{Instant, to_millis};

/// Begins an interval and returns its id.
pub fn start(conn: &Conn, at: Instant) -> Result<i64> {
    conn.prepare_cached("INSERT INTO uptime (started_at, seen_at) VALUES (?1, ?1)")?
        .execute([to_millis(at)])?;
    Ok(conn.last_insert_rowid())
}

/// Notes that the listener still answers. A clock that was set back moves nothing.
pub fn seen(conn: &Conn, id: i64, at: Instant) -> Result<()> {
    conn.prepare_cached("UPDATE uptime SET seen_at = max(seen_at, ?2) WHERE id = ?1 AND ended_at IS NULL")?
        .execute((id, to_millis(at)))?;
    Ok(())
}

/// Ends an interval.
pub fn stop(conn: &Conn, id: i64, at: Instant) -> Result<()> {
    conn.prepare_cached(
        "UPDATE uptime SET seen_at = max(seen_at, ?2), ended_at = max(seen_at, ?2)
         WHERE id = ?1 AND ended_at IS NULL",
    )?
    .execute((id, to_millis(at)))?;
    Ok(())
}

/// Ends the intervals that a crash left open, at the last moment at which the listener was seen.
///
/// To be called before an interval is begun: only one process is the engine of a workspace.
pub fn end_after_crash(conn: &Conn) -> Result<()> {
    conn.execute("UPDATE uptime SET ended_at = seen_at WHERE ended_at IS NULL", [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::testing;
    use chrono::TimeDelta;

    #[test]
    fn a_crash_ends_the_interval_where_it_was_last_seen() {
        let conn = testing::memory();
        let at: Instant = "2026-03-01T12:00:00Z".parse().unwrap();
        let crashed = start(&conn, at).unwrap();
        seen(&conn, crashed, at + TimeDelta::minutes(5)).unwrap();
        seen(&conn, crashed, at - TimeDelta::hours(1)).unwrap();
        end_after_crash(&conn).unwrap();
        let stopped = start(&conn, at + TimeDelta::hours(1)).unwrap();
        stop(&conn, stopped, at + TimeDelta::hours(2)).unwrap();
        stop(&conn, stopped, at + TimeDelta::hours(9)).unwrap();
        let rows: Vec<(i64, Option<i64>)> = conn
            .prepare("SELECT started_at, ended_at FROM uptime ORDER BY id")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(std::result::Result::unwrap)
            .collect();
        let millis = |minutes| to_millis(at + TimeDelta::minutes(minutes));
        assert_eq!(
            rows,
            [(millis(0), Some(millis(5))), (millis(60), Some(millis(120)))]
        );
    }
}
