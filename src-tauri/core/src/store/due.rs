//! What of the ledger is due: a question over `campaign` and `message`.

use super::{Conn, Result, instant};
use crate::clock::{Instant, to_millis};

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Mails of running campaigns that could leave now.
    pub now: u32,
    /// Mails being handed over.
    pub in_hand: u32,
    /// When the next one that waits may leave.
    pub next_at: Option<Instant>,
}

/// Counts what is due at `now`, over all running campaigns.
pub fn due(conn: &Conn, now: Instant) -> Result<Due> {
    let sql = "SELECT
          count(*) FILTER (WHERE m.state IN ('queued', 'deferred') AND at <= ?1) AS due_now,
          count(*) FILTER (WHERE m.state = 'handing_over') AS in_hand,
          min(CASE WHEN m.state IN ('queued', 'deferred') AND at > ?1 THEN at END) AS next_at
        FROM (SELECT message.state, max(coalesce(message.next_attempt_at, 0), coalesce(campaign.first_mail_at, 0)) AS at
              FROM campaign JOIN message ON message.campaign_id = campaign.id
              WHERE campaign.state = 'running' AND message.state IN ('queued', 'deferred', 'handing_over')) AS m";
    Ok(conn.prepare_cached(sql)?.query_row([to_millis(now)], |row| {
        Ok(Due {
            now: row.get("due_now")?,
            in_hand: row.get("in_hand")?,
            next_at: instant(row, "next_at")?,
        })
    })?)
}
