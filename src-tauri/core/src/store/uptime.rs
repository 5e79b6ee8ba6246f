//! `uptime`: the intervals in which the listener answered. What came outside of them is lost, and reports say so.

use super::{Conn, Result};
use crate::clock::{Instant, from_millis, to_millis};
use crate::domain::window::Window;
use crate::report::series;
use chrono::TimeDelta;

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

/// How much of a time the listener was up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// From when on it is counted.
    pub from: Instant,
    /// 0 to 1.
    pub share: f64,
}

/// Returns the share of the last `days` in which the listener was up, counted from its first start where that is later;
/// `None` before a day has passed since. Sample data plays no part. An interval that was never ended goes on until now
/// where `is_listening`, and ended when it was last seen where not.
pub fn share(conn: &Conn, now: Instant, days: i64, is_listening: bool) -> Result<Option<Share>> {
    let first: Option<i64> = conn
        .prepare_cached("SELECT min(started_at) FROM uptime WHERE NOT sample")?
        .query_row([], |row| row.get(0))?;
    let Some(first) = first.map(from_millis) else {
        return Ok(None);
    };
    if now - first < TimeDelta::days(1) {
        return Ok(None);
    }
    let from = first.max(now - TimeDelta::days(days));
    let mut statement = conn.prepare_cached(
        "SELECT started_at, coalesce(ended_at, max(seen_at, iif(?2, ?3, 0))) AS ended FROM uptime
         WHERE NOT sample AND (ended_at IS NULL OR ended_at > ?1) AND started_at < ?3",
    )?;
    let rows = statement.query_map((to_millis(from), is_listening, to_millis(now)), |row| {
        Ok([
            from_millis(row.get("started_at")?),
            from_millis(row.get("ended")?),
        ])
    })?;
    let up = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let week = Window {
        opens_from: from,
        opens_until: now,
    };
    Ok(series::reachable_share(&up, Some(week), now).map(|share| Share { from, share }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::testing;

    fn hours(n: i64) -> Instant {
        from_millis(n * 3_600_000)
    }

    fn up(rows: &[(i64, i64, Option<i64>, bool)]) -> Conn {
        let conn = testing::memory();
        for (started, seen, ended, sample) in rows {
            conn.execute(
                "INSERT INTO uptime (started_at, seen_at, ended_at, sample)
                 VALUES (?1 * 3600000, ?2 * 3600000, ?3 * 3600000, ?4)",
                (started, seen, ended, sample),
            )
            .unwrap();
        }
        conn
    }

    #[test]
    fn the_share_of_a_week_is_known_once_a_day_is_over() {
        assert_eq!(share(&up(&[]), hours(1000), 7, true).unwrap(), None, "never on");
        let young = up(&[(100, 110, None, false)]);
        assert_eq!(share(&young, hours(123), 7, true).unwrap(), None, "the first day");
        let sample = up(&[(0, 500, Some(500), true)]);
        assert_eq!(
            share(&sample, hours(1000), 7, false).unwrap(),
            None,
            "only played"
        );
        for (rows, is_listening, from, expected) in [
            (&[(100, 112, Some(112), false)][..], false, 100, 0.5),
            (&[(100, 106, None, false)], false, 100, 0.25),
            (&[(100, 106, None, false)], true, 100, 1.0),
            (
                &[(100, 101, Some(101), false), (112, 118, Some(118), true)],
                false,
                100,
                1.0 / 24.0,
            ),
            (
                &[
                    (100, 106, Some(106), false),
                    (103, 109, Some(109), false),
                    (104, 105, Some(105), false),
                ],
                false,
                100,
                0.375,
            ),
        ] {
            let found = share(&up(rows), hours(124), 7, is_listening).unwrap().unwrap();
            assert_eq!((found.from, found.share), (hours(from), expected), "{rows:?}");
        }
        // A year of use: only the last week counts, and what reaches into it counts from there on.
        let old = up(&[
            (0, 1000, Some(1000), false),
            (8000, 8840, Some(8840), false),
            (8900, 9000, None, false),
        ]);
        let found = share(&old, hours(8924), 7, false).unwrap().unwrap();
        assert_eq!(found.from, hours(8924 - 168));
        assert_eq!(found.share, (84 + 24) as f64 / 168.0);
        // The clock was set back behind what is written.
        let ahead = up(&[(0, 10, Some(10), false), (5000, 5010, Some(5010), false)]);
        assert_eq!(
            share(&ahead, hours(48), 7, false).unwrap().unwrap().share,
            10.0 / 48.0
        );
    }

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
