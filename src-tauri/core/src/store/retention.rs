//! What of hits is given up with time: their evidence, the keys of their hashes, and at last their verdicts.
//!
//! Hits are walked in the order in which they came, and the place is remembered, so that an hour's look reads the
//! rows of that hour and not the table.

use super::closing::{HAS_EVIDENCE, REDUCE};
use super::{Conn, Result, instant};
use crate::clock::{Instant, to_millis};
use crate::ids::CampaignId;

/// What is given up of a hit when it is old enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The network, its label and the hashes; then the verdict is settled.
    Evidence,
    /// The user agent.
    UserAgent,
}

impl Part {
    fn held(self) -> &'static str {
        match self {
            Self::Evidence => {
                "(settled = 0 OR network <> '' OR network_label <> '' OR address_hash <> x'' OR client_hash <> x'')"
            }
            Self::UserAgent => "user_agent <> ''",
        }
    }

    fn reduce(self) -> &'static str {
        match self {
            Self::Evidence => {
                "network = '', network_label = '', address_hash = x'', client_hash = x'', settled = 1"
            }
            // As old as that, nothing of it is to stay whatever was done before.
            Self::UserAgent => REDUCE,
        }
    }
}

/// A hit as the walk sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aged {
    /// Its id.
    pub id: i64,
    /// When it came.
    pub at: Instant,
    /// There is something to give up.
    pub is_held: bool,
}

/// Returns up to `limit` hits behind `after`, in the order of their ids.
pub fn walk(conn: &Conn, part: Part, after: i64, limit: u32) -> Result<Vec<Aged>> {
    let held = part.held();
    let mut statement = conn.prepare_cached(&format!(
        "SELECT id, at, {held} AS is_held FROM hit NOT INDEXED WHERE id > ?1 ORDER BY id LIMIT ?2"
    ))?;
    let rows = statement.query_map((after, limit), |row| {
        Ok(Aged {
            id: row.get("id")?,
            at: instant(row, "at")?.unwrap_or_default(),
            is_held: row.get("is_held")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Gives up a part of the hits with `ids`.
pub fn reduce(conn: &Conn, part: Part, ids: &[i64]) -> Result<()> {
    let mut statement = conn.prepare_cached(&format!("UPDATE hit SET {} WHERE id = ?1", part.reduce()))?;
    for id in ids {
        statement.execute([id])?;
    }
    Ok(())
}

/// The newest hit that begins a look, from the index `hit_looks`; 0 where there is none.
const NEWEST: &str = "coalesce((SELECT max(id) FROM hit INDEXED BY hit_looks
    WHERE campaign_id = campaign.id AND new_look = 1), 0)";

/// Returns the campaigns whose key no hit needs any more: hits up to `settled` have no hashes.
///
/// Reads the hits behind `settled` for each campaign that may be one: few, and not while others wait to write.
pub fn spent_keys(conn: &Conn, settled: i64) -> Result<Vec<CampaignId>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT id FROM campaign
         WHERE client_key IS NOT NULL AND {NEWEST} <= ?1
           AND NOT EXISTS (SELECT 1 FROM hit NOT INDEXED
                           WHERE hit.id > ?1 AND hit.campaign_id = campaign.id AND {HAS_EVIDENCE})"
    ))?;
    let ids = statement.query_map([settled], |row| row.get(0).map(CampaignId))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// Destroys the key of a campaign's hashes, unless a look has come since; a later hit makes a new one.
pub fn destroy_key(conn: &Conn, id: CampaignId, settled: i64) -> Result<()> {
    conn.prepare_cached(&format!(
        "UPDATE campaign SET client_key = NULL WHERE id = ?1 AND {NEWEST} <= ?2"
    ))?
    .execute((id.0, settled))?;
    Ok(())
}

/// Returns the campaigns closed before `before` whose verdicts are still there, or half so.
pub fn old_verdicts(conn: &Conn, before: Instant) -> Result<Vec<CampaignId>> {
    let mut statement = conn.prepare_cached(
        "SELECT id FROM campaign
         WHERE verdicts_after IS NOT NULL OR (closed_at < ?1 AND verdicts_gone_at IS NULL)",
    )?;
    let ids = statement.query_map([to_millis(before)], |row| row.get(0).map(CampaignId))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// Removes up to `limit` hits of a campaign, and what the user said of them; tells whether there are more. What was
/// counted of them on the messages stays. `span` is the campaign's ([`super::closing::span`]).
pub fn remove_verdicts(
    conn: &Conn,
    id: CampaignId,
    span: (i64, i64),
    now: Instant,
    limit: u32,
) -> Result<bool> {
    let after: i64 = conn
        .prepare_cached("SELECT coalesce(verdicts_after, ?2) FROM campaign WHERE id = ?1")?
        .query_row((id.0, span.0 - 1), |row| row.get(0))?;
    let to = span.1.min(after + i64::from(limit));
    let ids: Vec<i64> = conn
        .prepare_cached(
            "SELECT hit.id FROM message NOT INDEXED CROSS JOIN hit ON hit.message_id = message.id
             WHERE message.id > ?2 AND message.id <= ?3 AND message.campaign_id = ?1
             LIMIT ?4",
        )?
        .query_map((id.0, after, to, limit), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for hit in &ids {
        conn.prepare_cached("DELETE FROM label WHERE kind = 'hit' AND value = ?1")?
            .execute([hit.to_string()])?;
        conn.prepare_cached("DELETE FROM hit WHERE id = ?1")?
            .execute([hit])?;
    }
    let after = if ids.len() < limit as usize { to } else { after };
    let is_unfinished = after < span.1;
    // From the first one on the rollups stand for themselves: `verify` knows it by this.
    conn.prepare_cached(
        "UPDATE campaign SET verdicts_gone_at = coalesce(verdicts_gone_at, ?2), verdicts_after = ?3 WHERE id = ?1",
    )?
    .execute((id.0, to_millis(now), is_unfinished.then_some(after)))?;
    Ok(is_unfinished)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::store::db::testing;

    fn one(conn: &Conn, sql: &str) -> i64 {
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Two campaigns of two mails, whose first has three hits each.
    fn looked_at() -> Conn {
        let conn = testing::memory();
        conn.execute_batch(
            "INSERT INTO campaign (id, name, document, created_at, updated_at, state, closed_at, closing, client_key)
             VALUES (1, 'Spring', '{}', 0, 0, 'finished', 100, '{}', x'01'), (2, 'Summer', '{}', 0, 0, 'finished', 200,
               '{}', x'01');
             INSERT INTO message (id, campaign_id, email, address_hash, state, accepted_at, tracking, preference_token,
               hits, signal, first_open_at, looks)
             SELECT value, 1 + value % 2, 'a', x'01', 'accepted', 6, 'personal', randomblob(16), 3 * (value < 3),
               iif(value < 3, 'human', 'no_signal'), iif(value < 3, 7, NULL), value < 3
             FROM json_each('[1, 2, 3, 4]');
             INSERT INTO hit (campaign_id, message_id, at, class, reason, rule_version, user_agent, network,
               network_label, address_hash, client_hash, new_look)
             SELECT 1 + m.value % 2, m.value, at.value, 'human_direct', 'browser', 1, 'Mozilla/5.0', '192.0.2.0/24',
               'label', x'01', x'02', at.value = 7
             FROM json_each('[1, 2]') AS m, json_each('[7, 8, 9]') AS at;
             INSERT INTO label (kind, value, says, at) SELECT 'hit', id, 'machine', 0 FROM hit;
             INSERT INTO hourly SELECT campaign_id, 0, class, 1 FROM hit WHERE new_look = 1;
             INSERT INTO hourly SELECT campaign_id, 0, 'first_open', 1 FROM message WHERE first_open_at IS NOT NULL;",
        )
        .unwrap();
        conn
    }

    #[test]
    fn evidence_and_user_agent_go_and_the_verdict_stays() {
        let conn = looked_at();
        let rows = walk(&conn, Part::Evidence, 0, 4).unwrap();
        assert_eq!(rows.len(), 4);
        let first = Aged {
            id: 1,
            at: from_millis(7),
            is_held: true,
        };
        assert_eq!(rows[0], first);
        reduce(&conn, Part::Evidence, &[1, 2]).unwrap();
        let settled = "SELECT count(*) FROM hit WHERE settled = 1 AND network = '' AND network_label = ''
            AND address_hash = x'' AND client_hash = x'' AND user_agent <> '' AND reason = 'browser'";
        assert_eq!(one(&conn, settled), 2);
        assert!(!walk(&conn, Part::Evidence, 0, 1).unwrap()[0].is_held);
        assert!(walk(&conn, Part::UserAgent, 0, 1).unwrap()[0].is_held);
        reduce(&conn, Part::UserAgent, &[1]).unwrap();
        assert_eq!(
            one(
                &conn,
                "SELECT count(*) FROM hit WHERE user_agent = '' AND class = 'human_direct'"
            ),
            1
        );
        let plan = testing::plan(
            &conn,
            "SELECT id FROM hit NOT INDEXED WHERE id > ?1 ORDER BY id LIMIT ?2",
            &[&0, &9],
        );
        assert!(plan.contains("USING INTEGER PRIMARY KEY"), "{plan}");
    }

    #[test]
    fn a_key_goes_with_the_last_hit_that_needs_it() {
        let conn = looked_at();
        assert_eq!(spent_keys(&conn, 0).unwrap(), []);
        // Of campaign 2, the hits of message 1.
        reduce(&conn, Part::Evidence, &[1, 2]).unwrap();
        assert_eq!(
            spent_keys(&conn, 2).unwrap(),
            [],
            "the third needs it, though it begins no look"
        );
        reduce(&conn, Part::Evidence, &[3]).unwrap();
        assert_eq!(spent_keys(&conn, 3).unwrap(), [CampaignId(2)]);
        destroy_key(&conn, CampaignId(2), 3).unwrap();
        assert_eq!(
            one(&conn, "SELECT count(*) FROM campaign WHERE client_key IS NULL"),
            1
        );
        destroy_key(&conn, CampaignId(1), 3).unwrap();
        assert_eq!(
            one(&conn, "SELECT count(*) FROM campaign WHERE client_key IS NULL"),
            1,
            "a look came since"
        );
    }

    #[test]
    fn old_verdicts_go_and_what_was_counted_of_them_stays_sound() {
        for limit in [1, 2, 100] {
            let conn = looked_at();
            let breaches = || super::super::report::invariants(&conn).unwrap();
            assert_eq!(breaches(), [""; 0]);
            assert_eq!(old_verdicts(&conn, from_millis(100)).unwrap(), []);
            assert_eq!(old_verdicts(&conn, from_millis(101)).unwrap(), [CampaignId(1)]);
            let span = super::super::closing::span(&conn, CampaignId(1)).unwrap();
            while remove_verdicts(&conn, CampaignId(1), span, from_millis(300), limit).unwrap() {
                assert_eq!(
                    old_verdicts(&conn, from_millis(0)).unwrap(),
                    [CampaignId(1)],
                    "half-done is due"
                );
                assert_eq!(breaches(), [""; 0]);
            }
            assert_eq!(old_verdicts(&conn, from_millis(101)).unwrap(), []);
            assert_eq!(breaches(), [""; 0]);
            let counts = [
                ("SELECT count(*) FROM hit WHERE campaign_id = 1", 0),
                ("SELECT count(*) FROM hit WHERE campaign_id = 2", 3),
                ("SELECT count(*) FROM label", 3),
                ("SELECT sum(hits) FROM message WHERE campaign_id = 1", 3),
            ];
            for (sql, n) in counts {
                assert_eq!(one(&conn, sql), n, "{sql}");
            }
        }
    }
}
