//! Queries behind reports. They read the ledger's rollups and hourly counts, never `hit`.

use super::{Conn, Result, word};
use crate::api::RateParts;
use crate::domain::message::TrackingMode;
use crate::ids::CampaignId;
use crate::report::rate::{self, Counts};

/// Rates' parts by tracking mode, signal and reason. Answered from the index `message_by_state` alone.
const PARTS: &str = "SELECT tracking, signal, not_tracked, count(*) AS n
    FROM message
    WHERE campaign_id = ?1 AND state = 'accepted'
    GROUP BY tracking, signal, not_tracked";

/// Returns the parts of a campaign's open rate; all zero where it does not exist or sent nothing.
pub fn rate_parts(conn: &Conn, id: CampaignId) -> Result<RateParts> {
    let mut counts = Counts::default();
    let mut statement = conn.prepare_cached(PARTS)?;
    let mut rows = statement.query([id.0])?;
    while let Some(row) = rows.next()? {
        let n: u32 = row.get("n")?;
        if word::<TrackingMode>(row, "tracking")? == TrackingMode::Personal {
            *counts.tracked.entry(word(row, "signal")?).or_default() += n;
        } else {
            *counts.not_tracked.entry(word(row, "not_tracked")?).or_default() += n;
        }
    }
    counts.not_recorded_at_request = counter(conn, id, "not_recorded_at_request")?;
    Ok(rate::parts(&counts))
}

/// Returns a count of the campaign that belongs to no person; 0 where there is none.
pub fn counter(conn: &Conn, id: CampaignId, name: &str) -> Result<u32> {
    use rusqlite::OptionalExtension;
    Ok(conn
        .prepare_cached("SELECT n FROM campaign_counter WHERE campaign_id = ?1 AND name = ?2")?
        .query_row((id.0, name), |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::NotTrackedReason;
    use crate::store::db::testing;

    /// Adds accepted messages: how many, tracking mode, signal, reason.
    fn messages(conn: &Conn, rows: &[(u32, &str, &str, Option<&str>)]) {
        conn.execute(
            "INSERT INTO campaign (id, name, document, created_at, updated_at) VALUES (1, 'Spring', '{}', 0, 0)",
            [],
        )
        .unwrap();
        for (n, tracking, signal, reason) in rows {
            for _ in 0..*n {
                conn.execute(
                    "INSERT INTO message (campaign_id, email, address_hash, state, tracking, signal, not_tracked, preference_token)
                     VALUES (1, 'a@example.org', x'00', 'accepted', ?1, ?2, ?3, randomblob(16))",
                    (tracking, signal, reason),
                )
                .unwrap();
            }
        }
    }

    #[test]
    fn every_accepted_mail_is_in_exactly_one_part() {
        let conn = testing::memory();
        messages(
            &conn,
            &[
                (5, "personal", "human", None),
                (2, "personal", "unknown", None),
                (3, "personal", "machine_only", None),
                (7, "personal", "no_signal", None),
                (4, "none", "no_signal", Some("refused")),
                (1, "shared", "no_signal", Some("shared_pixel")),
            ],
        );
        conn.execute(
            "INSERT INTO message (campaign_id, email, address_hash, state, tracking, preference_token)
             VALUES (1, 'b@example.org', x'01', 'rejected', 'personal', randomblob(16))",
            [],
        )
        .unwrap();
        let parts = rate_parts(&conn, CampaignId(1)).unwrap();
        assert_eq!(parts.accepted, 22, "a rejected mail is in no part");
        assert_eq!(parts.tracked, 17);
        assert_eq!(
            (
                parts.confirmed,
                parts.unknown,
                parts.machine_only,
                parts.no_signal
            ),
            (5, 2, 3, 7)
        );
        assert_eq!(parts.not_tracked.total, 5);
        assert_eq!(parts.not_tracked.by_reason[&NotTrackedReason::Refused], 4);
    }

    #[test]
    fn the_parts_are_read_from_the_index_alone() {
        let conn = testing::memory();
        let plan = testing::plan(&conn, PARTS, &[&1]);
        assert!(plan.contains("USING COVERING INDEX message_by_state"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "nothing is sorted: {plan}");
    }
}
