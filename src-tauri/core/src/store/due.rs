//! What of the ledger is due: a question over `campaign` and `message`.

use super::{Conn, Result};
use crate::clock::{Instant, from_millis, to_millis};
use rusqlite::OptionalExtension;

/// What is due.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Mails of running campaigns that could leave now.
    pub now: u32,
    /// Mails being handed over.
    pub in_hand: u32,
    /// When the next one that waits may leave.
    pub next_at: Option<Instant>,
}

/// Counts what is due at `now`, over all running campaigns.
///
/// Asked up to four times a second while mails leave: what waits is counted by an index alone, and only what waits for
/// a later time is looked at.
pub fn due(conn: &Conn, now: Instant) -> Result<Due> {
    let mut running =
        conn.prepare_cached("SELECT id, coalesce(first_mail_at, 0) FROM campaign WHERE state = 'running'")?;
    let running: Vec<(i64, i64)> = running
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let count = |sql: &str, campaign: i64| -> Result<u32> {
        Ok(conn
            .prepare_cached(sql)?
            .query_row([campaign], |row| row.get(0))?)
    };
    let (mut due, now) = (Due::default(), to_millis(now));
    let mut next: Option<i64> = None;
    for (campaign, first) in running {
        due.in_hand += count(IN_HAND, campaign)?;
        let later = if first > now {
            // None of them before its campaign begins.
            let soonest: Option<Option<i64>> = conn
                .prepare_cached(SOONEST)?
                .query_row([campaign], |row| row.get(0))
                .optional()?;
            soonest.map(|at| at.unwrap_or(0).max(first))
        } else {
            let (later, at): (u32, Option<i64>) = conn
                .prepare_cached(LATER)?
                .query_row((campaign, now), |row| Ok((row.get(0)?, row.get(1)?)))?;
            due.now += count(WAITING, campaign)? - later;
            at
        };
        next = next.into_iter().chain(later).min();
    }
    due.next_at = next.map(from_millis);
    Ok(due)
}

const IN_HAND: &str = "SELECT count(*) FROM message WHERE campaign_id = ?1 AND state = 'handing_over'";
const WAITING: &str =
    "SELECT count(*) FROM message WHERE campaign_id = ?1 AND state IN ('queued', 'deferred')";
const LATER: &str = "SELECT count(*), min(next_attempt_at) FROM message
                     WHERE campaign_id = ?1 AND state IN ('queued', 'deferred') AND next_attempt_at > ?2";
const SOONEST: &str =
    "SELECT next_attempt_at FROM message WHERE campaign_id = ?1 AND state IN ('queued', 'deferred')
                       ORDER BY next_attempt_at LIMIT 1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::testing;

    /// The question as one reads it: over every row.
    fn by_every_row(conn: &Conn, now: i64) -> (u32, u32, Option<i64>) {
        let sql = "SELECT count(*) FILTER (WHERE m.state IN ('queued', 'deferred') AND at <= ?1),
                          count(*) FILTER (WHERE m.state = 'handing_over'),
                          min(CASE WHEN m.state IN ('queued', 'deferred') AND at > ?1 THEN at END)
            FROM (SELECT message.state,
                         max(coalesce(message.next_attempt_at, 0), coalesce(campaign.first_mail_at, 0)) AS at
                  FROM campaign JOIN message ON message.campaign_id = campaign.id
                  WHERE campaign.state = 'running' AND message.state IN ('queued', 'deferred', 'handing_over')) AS m";
        conn.query_row(sql, [now], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
    }

    #[test]
    fn what_is_due_is_counted_by_indexes_as_over_every_row() {
        let conn = testing::memory();
        for (id, state, first) in [
            (1, "running", Some(50)),
            (2, "running", Some(500)),
            (3, "running", None),
            (4, "paused", Some(0)),
            (5, "running", Some(10)),
        ] {
            conn.execute(
                "INSERT INTO campaign (id, name, document, state, first_mail_at, created_at, updated_at)
                 VALUES (?1, 'Spring', '{}', ?2, ?3, 0, 0)",
                (id, state, first),
            )
            .unwrap();
        }
        let mut id = 0;
        for campaign in 1..=4 {
            for state in ["queued", "deferred", "handing_over", "accepted", "planned"] {
                for at in [None, Some(10), Some(100), Some(200), Some(700)] {
                    id += 1;
                    conn.execute(
                        "INSERT INTO message (campaign_id, email, address_hash, tracking, preference_token, state,
                                              next_attempt_at)
                         VALUES (?1, 'a@example.org', x'', 'none', ?2, ?3, ?4)",
                        (campaign, format!("{id:016}").into_bytes(), state, at),
                    )
                    .unwrap();
                }
            }
        }
        for now in [0, 10, 49, 50, 99, 100, 150, 200, 499, 500, 600, 700, 1000] {
            let found = due(&conn, from_millis(now)).unwrap();
            let found = (found.now, found.in_hand, found.next_at.map(to_millis));
            assert_eq!(found, by_every_row(&conn, now), "at {now}");
        }
        let plan = testing::plan(&conn, WAITING, &[&1]);
        assert!(plan.contains("COVERING INDEX message_by_state"), "{plan}");
        let plans = [
            testing::plan(&conn, LATER, &[&1, &2]),
            testing::plan(&conn, SOONEST, &[&1]),
        ];
        for plan in plans {
            assert!(plan.contains("INDEX message_to_send"), "{plan}");
        }
    }
}
