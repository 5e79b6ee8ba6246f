//! The end of a campaign's tracking: its pixels' tokens are destroyed, its hits are reduced to their verdicts, and a
//! receipt says so. In chunks; a crash in between is finished later, and its counts are right.
//!
//! While `campaign.closed_at` is NULL, `closing` holds how far it is; afterwards the receipt ([`crate::api::Closing`]).

use super::{Conn, Result, activity, instant, setting};
use crate::api::{ActivityKind, Closing};
use crate::clock::{Instant, from_millis, to_millis};
use crate::domain::limits::Limits;
use crate::ids::CampaignId;
use crate::store::activity::NewActivity;
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};

/// What takes the evidence from a hit: the verdict stays as it is.
pub(super) const REDUCE: &str =
    "user_agent = '', network = '', network_label = '', address_hash = x'', client_hash = x'', settled = 1";
/// A hit that has evidence.
pub(super) const HAS_EVIDENCE: &str = "(hit.settled = 0 OR hit.user_agent <> '' OR hit.network <> ''
    OR hit.network_label <> '' OR hit.address_hash <> x'' OR hit.client_hash <> x'')";

/// How far the destruction is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// Messages up to this id are done.
    after: i64,
    /// The last message's.
    last: i64,
    tokens: u32,
    hits: u32,
}

/// When a campaign's tracking ends, or ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Until when loads are counted as late; `None` before launch.
    pub late_counted_until: Option<Instant>,
    /// When its tokens were destroyed.
    pub closed_at: Option<Instant>,
    /// The receipt of that.
    pub closing: Option<Closing>,
    /// Tokens are being destroyed: there is no way back.
    pub is_closing: bool,
}

/// Returns the workspace's grace after a window, in days.
fn grace_days(conn: &Conn) -> Result<u32> {
    Ok(setting::get(conn, "grace_days")?.unwrap_or(Limits::default().grace_days))
}

/// Returns when a campaign's tracking ends, or ended; all `None` where there is no such campaign.
pub fn end(conn: &Conn, id: CampaignId) -> Result<End> {
    let grace = grace_days(conn)?;
    let found = conn
        .prepare_cached(
            "SELECT opens_until + coalesce(grace_days, ?2) * 86400000 AS until, closed_at, closing
             FROM campaign WHERE id = ?1",
        )?
        .query_row((id.0, grace), |row| {
            let closing: Option<String> = row.get("closing")?;
            Ok((instant(row, "until")?, instant(row, "closed_at")?, closing))
        })
        .optional()?;
    let (late_counted_until, closed_at, closing) = found.unwrap_or_default();
    Ok(End {
        late_counted_until,
        closed_at,
        is_closing: closed_at.is_none() && closing.is_some(),
        closing: match (closed_at, closing) {
            (Some(_), Some(text)) => Some(serde_json::from_str(&text)?),
            _ => None,
        },
    })
}

/// Tells whether a campaign was closed since `since`.
pub fn is_closed_since(conn: &Conn, since: Instant) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM campaign WHERE closed_at >= ?1)")?
        .query_row([to_millis(since)], |row| row.get(0))?)
}

/// Nothing of it will be sent any more, and its window and grace were over at `?1`.
const IS_DUE: &str = "closed_at IS NULL AND state IN ('finished', 'cancelled')
    AND opens_until <= ?1 - coalesce(grace_days, ?2) * 86400000";

/// Returns the campaigns that are to be closed: what was begun first, then those whose grace was over at `sure`.
pub fn due(conn: &Conn, sure: Option<Instant>) -> Result<Vec<CampaignId>> {
    let grace = grace_days(conn)?;
    let sql = format!(
        "SELECT id FROM campaign WHERE closed_at IS NULL AND closing IS NOT NULL
         UNION
         SELECT id FROM campaign WHERE {IS_DUE}"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let ids = statement.query_map((sure.map_or(i64::MIN, to_millis), grace), |row| {
        row.get(0).map(CampaignId)
    })?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// Returns when the next campaign's grace is over; a moment that has passed where one waits to be closed.
pub fn next(conn: &Conn) -> Result<Option<Instant>> {
    let at: Option<i64> = conn
        .prepare_cached(
            "SELECT min(opens_until + coalesce(grace_days, ?1) * 86400000) FROM campaign
             WHERE closed_at IS NULL AND state IN ('finished', 'cancelled') AND opens_until IS NOT NULL",
        )?
        .query_row([grace_days(conn)?], |row| row.get(0))?;
    Ok(at.map(from_millis))
}

/// Returns the ids of a campaign's first and last message; 0 and -1 where it has none.
///
/// Reads an index entry for each: not to be asked for while others wait to write.
pub fn span(conn: &Conn, id: CampaignId) -> Result<(i64, i64)> {
    Ok(conn
        .prepare_cached(
            "SELECT coalesce(min(id), 0), coalesce(max(id), -1) FROM message WHERE campaign_id = ?1",
        )?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Begins to close a campaign, unless its window was extended in between; tells whether there is something to do.
pub fn begin(conn: &Conn, id: CampaignId, sure: Option<Instant>, span: (i64, i64)) -> Result<bool> {
    if end(conn, id)?.is_closing {
        return Ok(true);
    }
    let sql = format!("UPDATE campaign SET closing = ?3 WHERE id = ?4 AND {IS_DUE}");
    let progress = serde_json::to_string(&Progress {
        after: span.0 - 1,
        last: span.1,
        ..Progress::default()
    })?;
    Ok(conn.prepare_cached(&sql)?.execute((
        sure.map_or(i64::MIN, to_millis),
        grace_days(conn)?,
        progress,
        id.0,
    ))? > 0)
}

/// Destroys the next tokens and evidence, at most `limit` of each.
///
/// The last step, in which nothing is left to destroy, closes the campaign and returns the receipt.
pub fn step(conn: &Conn, id: CampaignId, now: Instant, limit: u32) -> Result<Step> {
    let text: Option<String> = conn
        .prepare_cached("SELECT closing FROM campaign WHERE id = ?1 AND closed_at IS NULL")?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .flatten();
    let Some(text) = text else {
        return Ok(Step::Gone);
    };
    let mut progress: Progress = serde_json::from_str(&text)?;
    if progress.after >= progress.last {
        return finish(conn, id, progress, now).map(Step::Closed);
    }
    // A ledger is written in one go, so its ids lie close together: ranges of them need no index.
    let first = progress.after + 1;
    let to = progress.last.min(progress.after + i64::from(limit));
    let tokens = conn
        .prepare_cached(
            "UPDATE message SET pixel_token = NULL
             WHERE id BETWEEN ?2 AND ?3 AND campaign_id + 0 = ?1 AND +pixel_token IS NOT NULL",
        )?
        .execute((id.0, first, to))?;
    let reduced = conn
        .prepare_cached(&format!(
            "UPDATE hit SET {REDUCE}
             WHERE id IN (SELECT hit.id FROM message NOT INDEXED CROSS JOIN hit ON hit.message_id = message.id
                          WHERE message.id BETWEEN ?2 AND ?3 AND message.campaign_id = ?1 AND {HAS_EVIDENCE}
                          LIMIT ?4)"
        ))?
        .execute((id.0, first, to, limit))?;
    progress.tokens += tokens as u32;
    if reduced < limit as usize {
        // All of these are done: counted once, when they are passed.
        progress.hits += conn
            .prepare_cached(
                "SELECT count(*) FROM message NOT INDEXED CROSS JOIN hit ON hit.message_id = message.id
                 WHERE message.id BETWEEN ?2 AND ?3 AND message.campaign_id = ?1",
            )?
            .query_row((id.0, first, to), |row| row.get::<_, u32>(0))?;
        progress.after = to;
    }
    conn.prepare_cached("UPDATE campaign SET closing = ?2 WHERE id = ?1")?
        .execute((id.0, serde_json::to_string(&progress)?))?;
    Ok(Step::More)
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// There is more to destroy.
    More,
    /// It is closed; this is the receipt.
    Closed(Closing),
    /// There is nothing to close: the campaign was removed, or is closed already.
    Gone,
}

fn finish(conn: &Conn, id: CampaignId, progress: Progress, now: Instant) -> Result<Closing> {
    let closing = Closing {
        at: now,
        tokens: progress.tokens,
        hits: progress.hits,
    };
    conn.prepare_cached(
        "UPDATE campaign
         SET closed_at = ?2, closing = ?3, shared_token = NULL, client_key = NULL, judge_at = NULL
         WHERE id = ?1",
    )?
    .execute((id.0, to_millis(now), serde_json::to_string(&closing)?))?;
    let were = match closing.tokens {
        1 => "1 pixel address was".to_owned(),
        n => format!("{n} pixel addresses were"),
    };
    let text = format!("Tracking has ended: {were} destroyed; what is known of opens stays as verdicts.");
    activity::add(conn, now, &NewActivity::new(ActivityKind::Campaign, text).of(id))?;
    Ok(closing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::testing;

    const ID: CampaignId = CampaignId(1);
    const DAY_MS: i64 = 86_400_000;

    /// A campaign of 25 tracked mails with three hits each, between the mails of another; its window ended on day 30.
    fn ended() -> Conn {
        let conn = testing::memory();
        conn.execute_batch(
            "INSERT INTO campaign (id, name, document, created_at, updated_at, state, opens_from, opens_until, grace_days,
               shared_token, client_key, launched_at, judge_at)
             VALUES (1, 'Spring', '{}', 0, 0, 'finished', 5, 30 * 86400000, 7, randomblob(16), randomblob(32), 5, 9),
                    (2, 'Summer', '{}', 0, 0, 'finished', 5, 30 * 86400000, 90, randomblob(16), randomblob(32), 5, 9);
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 50)
             INSERT INTO message (id, campaign_id, email, address_hash, state, accepted_at, tracking, pixel_token,
               preference_token)
             SELECT n, 1 + n % 2, 'a' || n || '@example.org', x'01', 'accepted', 6, 'personal', randomblob(16),
               randomblob(16) FROM n;
             INSERT INTO hit (campaign_id, message_id, at, class, reason, rule_version, client, user_agent, network,
               network_label, address_hash, client_hash, new_look)
             SELECT campaign_id, message.id, value, 'human_direct', 'browser', 1, 'Firefox', 'Mozilla/5.0', '192.0.2.0/24',
               'label', randomblob(16), randomblob(16), value = 7 FROM message, json_each('[7, 8, 9]');",
        )
        .unwrap();
        conn
    }

    fn day(n: i64) -> Option<Instant> {
        Some(from_millis(n * DAY_MS))
    }

    fn one(conn: &Conn, sql: &str) -> i64 {
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_campaign_is_due_when_window_and_grace_are_over_and_nothing_is_left_to_send() {
        let conn = ended();
        let table = [
            ("", None, false),
            ("", day(36), false),
            ("", day(37), true),
            ("UPDATE campaign SET grace_days = 8", day(37), false),
            ("UPDATE campaign SET grace_days = 0", day(30), true),
            // The workspace's: seven days.
            ("UPDATE campaign SET grace_days = NULL", day(36), false),
            ("UPDATE campaign SET grace_days = NULL", day(37), true),
            ("UPDATE campaign SET state = 'running'", day(99), false),
            ("UPDATE campaign SET state = 'paused'", day(99), false),
            ("UPDATE campaign SET state = 'cancelled'", day(37), true),
            ("UPDATE campaign SET closed_at = 1", day(99), false),
            // What was begun is finished, whatever the clock says.
            ("UPDATE campaign SET closing = '{}'", None, true),
        ];
        for (change, sure, expected) in table {
            conn.execute_batch(&format!("SAVEPOINT s; {change}")).unwrap();
            assert_eq!(
                due(&conn, sure).unwrap().contains(&ID),
                expected,
                "{change:?} at {sure:?}"
            );
            conn.execute_batch("ROLLBACK TO s; RELEASE s").unwrap();
        }
        assert_eq!(next(&conn).unwrap(), day(37));
    }

    #[test]
    fn closing_destroys_tokens_and_evidence_in_chunks_and_leaves_the_verdicts() {
        for limit in [1, 4, 500] {
            let conn = ended();
            let span = span(&conn, ID).unwrap();
            assert!(begin(&conn, ID, day(37), span).unwrap());
            let now = from_millis(38 * DAY_MS);
            let mut steps = 0;
            let closing = loop {
                match step(&conn, ID, now, limit).unwrap() {
                    Step::More => steps += 1,
                    Step::Closed(closing) => break closing,
                    Step::Gone => panic!("it was there"),
                }
                assert!(
                    end(&conn, ID).unwrap().closed_at.is_none(),
                    "the receipt comes last"
                );
            };
            assert!(steps >= 1);
            assert_eq!((closing.tokens, closing.hits), (25, 75), "in chunks of {limit}");
            let end = end(&conn, ID).unwrap();
            assert_eq!((end.closed_at, end.closing), (Some(now), Some(closing)));
            let counts = [
                (
                    "SELECT count(*) FROM message WHERE campaign_id = 1 AND pixel_token IS NOT NULL",
                    0,
                ),
                (
                    "SELECT count(*) FROM message WHERE campaign_id = 1 AND preference_token IS NOT NULL",
                    25,
                ),
                (
                    "SELECT count(*) FROM message WHERE campaign_id = 2 AND pixel_token IS NOT NULL",
                    25,
                ),
                (
                    "SELECT count(*) FROM campaign WHERE id = 1 AND shared_token IS NULL AND client_key IS NULL",
                    1,
                ),
                (
                    "SELECT count(*) FROM campaign WHERE id = 2 AND shared_token IS NOT NULL AND client_key IS NOT NULL",
                    1,
                ),
                (
                    "SELECT count(*) FROM hit WHERE campaign_id = 1 AND settled = 1 AND client = 'Firefox'
                    AND class = 'human_direct' AND reason = 'browser' AND at IN (7, 8, 9)",
                    75,
                ),
                (
                    "SELECT count(*) FROM hit WHERE campaign_id = 1 AND new_look = 1",
                    25,
                ),
                (
                    "SELECT count(*) FROM hit WHERE campaign_id = 2 AND settled = 0 AND user_agent <> ''",
                    75,
                ),
            ];
            for (sql, n) in counts {
                assert_eq!(one(&conn, sql), n, "{sql}");
            }
            let kept = one(
                &conn,
                &format!("SELECT count(*) FROM hit WHERE campaign_id = 1 AND {HAS_EVIDENCE}"),
            );
            assert_eq!(kept, 0);
            let said: String = conn
                .query_row("SELECT text FROM activity WHERE campaign_id = 1", [], |row| {
                    row.get(0)
                })
                .unwrap();
            assert_eq!(
                said,
                "Tracking has ended: 25 pixel addresses were destroyed; what is known of opens stays as verdicts."
            );
            assert_eq!(step(&conn, ID, now, limit).unwrap(), Step::Gone, "once is enough");
        }
    }

    #[test]
    fn a_window_that_was_extended_in_between_is_not_closed() {
        let conn = ended();
        assert_eq!(due(&conn, day(37)).unwrap(), [ID]);
        conn.execute_batch("UPDATE campaign SET opens_until = 60 * 86400000")
            .unwrap();
        let span = span(&conn, ID).unwrap();
        assert!(!begin(&conn, ID, day(37), span).unwrap());
        assert_eq!(step(&conn, ID, from_millis(0), 9).unwrap(), Step::Gone);
        assert_eq!(
            one(&conn, "SELECT count(*) FROM message WHERE pixel_token IS NULL"),
            0
        );
    }

    #[test]
    fn what_is_to_be_closed_is_found_by_an_index() {
        let conn = ended();
        let sql = format!("SELECT id FROM campaign WHERE {IS_DUE}");
        let plan = testing::plan(&conn, &sql, &[&0, &0]);
        assert!(plan.contains("campaign_to_close"), "{plan}");
    }
}
