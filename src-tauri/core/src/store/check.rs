//! What must hold in every workspace: SQLite's own checks, and the ledger's invariants.

use super::{Conn, Result};

/// A question whose answer must be 0, and the sentence for any other.
const LEDGER: &[(&str, &str)] = &[
    (
        // A refusal destroys them for good, whatever the person said since; so does the end of tracking.
        "SELECT count(*) FROM message JOIN campaign ON campaign.id = message.campaign_id
         WHERE message.tracking = 'personal' AND message.state = 'accepted' AND pixel_token IS NULL
           AND opted_out_at IS NULL AND contact_id IS NOT NULL AND campaign.closing IS NULL
           AND NOT EXISTS (SELECT 1 FROM consent_event
                           WHERE consent_event.contact_id = message.contact_id AND consent_event.state = 'refused')",
        "tracked messages have no pixel token",
    ),
    (
        "SELECT count(*) FROM message JOIN contact ON contact.id = message.contact_id
         WHERE contact.consent = 'refused' AND message.pixel_token IS NOT NULL",
        "mails to people who refused have a pixel token",
    ),
    (
        "SELECT count(*) FROM message WHERE asks = 1 AND (tracking <> 'none' OR pixel_token IS NOT NULL)",
        "mails that ask for consent are tracked",
    ),
    (
        "SELECT count(*) FROM message WHERE tracking <> 'personal' AND not_tracked IS NULL",
        "untracked messages do not say why",
    ),
    (
        "SELECT count(*) FROM message WHERE state = 'accepted' AND accepted_at IS NULL",
        "accepted messages have no time of acceptance",
    ),
    (
        "SELECT count(*) FROM message WHERE state = 'skipped' AND skip_reason IS NULL",
        "skipped messages do not say why",
    ),
    (
        "SELECT count(*) FROM message JOIN campaign ON campaign.id = message.campaign_id
         WHERE campaign.state IN ('draft', 'preparing', 'prepared') AND message.state NOT IN ('planned', 'skipped')",
        "messages of campaigns that were not launched have left the plan",
    ),
    (
        "SELECT count(*) FROM message JOIN campaign ON campaign.id = message.campaign_id
         WHERE campaign.state = 'finished' AND campaign.follow_up IS NULL AND message.state = 'planned'",
        "finished campaigns have planned messages that nothing knows of",
    ),
    (
        "SELECT count(*) FROM (SELECT 1 FROM message WHERE contact_id IS NOT NULL
           GROUP BY campaign_id, contact_id HAVING count(*) > 1)",
        "people stand in one campaign's ledger more than once",
    ),
    (
        "SELECT count(*) FROM campaign WHERE state IN ('running', 'paused', 'finished')
           AND (opens_from IS NULL OR opens_until IS NULL OR opens_until <= opens_from)",
        "launched campaigns have no valid window",
    ),
    (
        "SELECT count(*) FROM contact WHERE consent <> coalesce((SELECT state FROM consent_event
           WHERE contact_id = contact.id ORDER BY id DESC LIMIT 1), 'unknown')",
        "contacts' consent is not the last word of its history",
    ),
    (
        "SELECT count(*) FROM data_request WHERE (state = 'sent') <> (sent_at IS NOT NULL)",
        "copies of what is held do not say when they were mailed",
    ),
    (
        "SELECT count(*) FROM activity CROSS JOIN hit ON hit.id = activity.id",
        "lines of the feed have the number of a hit",
    ),
    (
        "SELECT count(*) FROM hit JOIN message ON message.id = hit.message_id
         WHERE hit.campaign_id <> message.campaign_id",
        "hits stand under another campaign than their message",
    ),
    (
        "SELECT count(*) FROM campaign WHERE closed_at IS NOT NULL AND (closing IS NULL OR shared_token IS NOT NULL
           OR client_key IS NOT NULL OR EXISTS (SELECT 1 FROM message
             WHERE campaign_id = campaign.id AND pixel_token IS NOT NULL))",
        "campaigns whose tracking has ended still have tokens of pixels, or a key",
    ),
    (
        "SELECT count(*) FROM hit JOIN campaign ON campaign.id = hit.campaign_id
         WHERE campaign.closed_at IS NOT NULL AND (hit.settled = 0 OR hit.user_agent <> '' OR hit.network <> ''
           OR hit.network_label <> '' OR hit.address_hash <> x'' OR hit.client_hash <> x'')",
        "hits of campaigns whose tracking has ended still have evidence",
    ),
    (
        "SELECT count(*) FROM erase_link WHERE erased_at IS NOT NULL AND request_id IS NOT NULL",
        "links of erased people still lead to them",
    ),
];

/// Checks everything; returns what was checked, with counts, and a sentence for each breach.
pub fn check(conn: &Conn) -> Result<(Vec<String>, Vec<String>)> {
    let mut checked = Vec::new();
    let mut breaches = Vec::new();
    let mut integrity = conn.prepare("PRAGMA integrity_check(20)")?;
    for line in integrity.query_map([], |row| row.get::<_, String>(0))? {
        let line = line?;
        if line != "ok" {
            breaches.push(format!("The database file is damaged: {line}."));
        }
    }
    let mut dangling = conn.prepare("PRAGMA foreign_key_check")?;
    let dangling = dangling
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for table in dangling {
        breaches.push(format!("A row of {table} points to nothing."));
    }
    for table in ["contact", "campaign", "message", "hit", "suppression"] {
        let n: i64 = conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        checked.push(format!("{n} rows of {table}"));
    }
    for (sql, sentence) in LEDGER {
        let n: i64 = conn.query_row(sql, [], |row| row.get(0))?;
        if n > 0 {
            breaches.push(format!("{n} {sentence}."));
        }
    }
    checked.push(format!("{} rules of the ledger", LEDGER.len()));
    breaches.extend(super::report::invariants(conn)?);
    checked.push("the rollups of every message and hour".into());
    Ok((checked, breaches))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::testing;

    #[test]
    fn a_feed_that_would_be_read_wrongly_is_a_breach() {
        let conn = testing::memory();
        conn.execute_batch(
            "INSERT INTO campaign (id, name, document, created_at, updated_at)
             VALUES (1, 'Spring', '{}', 0, 0), (2, 'Summer', '{}', 0, 0);
             INSERT INTO message (id, campaign_id, email, address_hash, tracking, preference_token)
             VALUES (1, 1, 'ana@example.org', x'01', 'personal', x'01');
             INSERT INTO hit (id, campaign_id, message_id, at, class, reason, rule_version, client_hash, new_look)
             VALUES (7, 2, 1, 20, 'bot', 'named', 1, x'01', 0);
             INSERT INTO activity (id, at, kind, text) VALUES (7, 20, 'reach', 'new address');",
        )
        .unwrap();
        let (_, breaches) = check(&conn).unwrap();
        for words in [
            "1 lines of the feed have the number of a hit.",
            "1 hits stand under another campaign than their message.",
        ] {
            assert!(breaches.iter().any(|breach| breach == words), "{breaches:?}");
        }
    }
}
