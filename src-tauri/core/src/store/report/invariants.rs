//! Recomputes the rollups from what they roll up, and names each that disagrees.

use crate::store::{Conn, Result};

/// How many breaches of one kind are named.
const NAMED: usize = 20;

/// A query whose every row is a breach: its columns are the numbers of the sentence.
struct Rule {
    sql: &'static str,
    sentence: fn(&[i64]) -> String,
}

const RULES: &[Rule] = &[
    Rule {
        sql: "SELECT m.id, m.hits, count(h.id), m.machine_hits,
                count(*) FILTER (WHERE h.class NOT IN ('human_direct', 'human_proxy', 'unknown')),
                m.looks, count(*) FILTER (WHERE h.class IN ('human_direct', 'human_proxy') AND h.new_look = 1)
              FROM message m JOIN campaign c ON c.id = m.campaign_id AND c.verdicts_gone_at IS NULL
              LEFT JOIN hit h ON h.message_id = m.id
              GROUP BY m.id
              HAVING m.hits <> count(h.id)
                 OR m.machine_hits <> count(*) FILTER (WHERE h.class NOT IN ('human_direct', 'human_proxy', 'unknown'))
                 OR m.looks <> count(*) FILTER (WHERE h.class IN ('human_direct', 'human_proxy') AND h.new_look = 1)",
        sentence: |n| {
            format!(
                "Message {} says {} hits, {} by machines, {} looks; its rows say {}, {} and {}.",
                n[0], n[1], n[3], n[5], n[2], n[4], n[6]
            )
        },
    },
    Rule {
        sql: "SELECT m.id
              FROM message m JOIN campaign c ON c.id = m.campaign_id AND c.verdicts_gone_at IS NULL
              LEFT JOIN hit h ON h.message_id = m.id
              GROUP BY m.id
              HAVING m.first_open_at IS NOT min(h.at) FILTER (WHERE h.class IN ('human_direct', 'human_proxy'))",
        sentence: |n| format!("The first open of message {} is not its first hit by a person.", n[0]),
    },
    Rule {
        sql: "SELECT m.id
              FROM message m JOIN campaign c ON c.id = m.campaign_id AND c.verdicts_gone_at IS NULL
              LEFT JOIN hit h ON h.message_id = m.id
              GROUP BY m.id
              HAVING m.signal <> CASE
                WHEN count(*) FILTER (WHERE h.class IN ('human_direct', 'human_proxy')) > 0 THEN 'human'
                WHEN count(*) FILTER (WHERE h.class = 'unknown') > 0 THEN 'unknown'
                WHEN count(h.id) > 0 THEN 'machine_only'
                ELSE 'no_signal' END",
        sentence: |n| format!("The signal of message {} is not the best of its hits.", n[0]),
    },
    Rule {
        sql: "SELECT m.id FROM message m WHERE m.tracking <> 'personal' AND m.hits > 0",
        sentence: |n| format!("Message {} is not tracked, yet hits of it are stored.", n[0]),
    },
    Rule {
        sql: "WITH told AS (
                SELECT campaign_id, hour, class, n FROM hourly
                WHERE class <> 'outside' AND class NOT LIKE 'shared:%'),
              counted AS (
                SELECT m.campaign_id, h.at / 3600000 * 3600000 AS hour, h.class, count(*) AS n
                FROM hit h JOIN message m ON m.id = h.message_id WHERE h.new_look = 1 GROUP BY 1, 2, 3
                UNION ALL
                SELECT campaign_id, first_open_at / 3600000 * 3600000, 'first_open', count(*)
                FROM message WHERE first_open_at IS NOT NULL GROUP BY 1, 2)
              SELECT campaign_id, hour, sum(told), sum(counted) FROM (
                SELECT campaign_id, hour, class, n AS told, 0 AS counted FROM told
                UNION ALL
                SELECT campaign_id, hour, class, 0, n FROM counted)
              WHERE campaign_id IN (SELECT id FROM campaign WHERE verdicts_gone_at IS NULL)
              GROUP BY campaign_id, hour, class
              HAVING sum(told) <> sum(counted)",
        sentence: |n| {
            format!(
                "Campaign {} counts {} in the hour that begins at {} where its rows say {}.",
                n[0],
                n[2],
                crate::clock::from_millis(n[1]),
                n[3]
            )
        },
    },
    Rule {
        sql: "SELECT campaign_id, sum(told), sum(counted) FROM (
                SELECT campaign_id, name, n AS told, 0 AS counted FROM campaign_counter
                WHERE name IN ('early', 'late', 'over_cap')
                UNION ALL SELECT campaign_id, 'early', 0, sum(early) FROM message GROUP BY campaign_id
                UNION ALL SELECT campaign_id, 'late', 0, sum(late) FROM message GROUP BY campaign_id
                UNION ALL SELECT campaign_id, 'over_cap', 0, sum(over_cap) FROM message GROUP BY campaign_id)
              GROUP BY campaign_id, name
              HAVING sum(told) <> sum(counted)",
        sentence: |n| {
            format!(
                "Campaign {} counts {} loads outside its window or beyond the cap where its messages say {}.",
                n[0], n[1], n[2]
            )
        },
    },
    Rule {
        sql: "SELECT campaign_id, count(*),
                count(*) FILTER (WHERE tracking = 'personal'
                  AND signal IN ('human', 'unknown', 'machine_only', 'no_signal')),
                count(*) FILTER (WHERE tracking <> 'personal' AND not_tracked IS NOT NULL)
              FROM message WHERE state = 'accepted'
              GROUP BY campaign_id
              HAVING count(*) <> count(*) FILTER (WHERE tracking = 'personal'
                  AND signal IN ('human', 'unknown', 'machine_only', 'no_signal'))
                + count(*) FILTER (WHERE tracking <> 'personal' AND not_tracked IS NOT NULL)",
        sentence: |n| {
            format!(
                "Of {} mails that campaign {} has sent, {} are measured and {} are not, with a reason; the sum is off.",
                n[1], n[0], n[2], n[3]
            )
        },
    },
];

/// Recomputes every rollup from hits and messages; returns a sentence for each breach, at most 20 of a kind.
///
/// Where verdicts were removed after their time, the rollups are all that is left, and stand for themselves.
///
/// Reads all hits: for `verify`, not for a report.
pub fn invariants(conn: &Conn) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for rule in RULES {
        let mut statement = conn.prepare_cached(rule.sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut named = 0;
        while let Some(row) = rows.next()?
            && named < NAMED
        {
            let numbers = (0..columns)
                .map(|index| row.get(index))
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            breaches.push((rule.sentence)(&numbers));
            named += 1;
        }
    }
    Ok(breaches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::testing;

    fn sound() -> Conn {
        let conn = testing::memory();
        conn.execute_batch(
            "INSERT INTO campaign (id, name, document, created_at, updated_at) VALUES (1, 'Spring', '{}', 0, 0);
             INSERT INTO message (id, campaign_id, email, address_hash, state, tracking, preference_token, signal,
               first_open_at, looks, hits, machine_hits, late)
             VALUES (1, 1, 'a@example.org', x'01', 'accepted', 'personal', x'a1', 'human', 7200500, 1, 3, 1, 2),
                    (2, 1, 'b@example.org', x'02', 'accepted', 'personal', x'a2', 'no_signal', NULL, 0, 0, 0, 0);
             INSERT INTO hit (campaign_id, message_id, at, class, reason, rule_version, client_hash, new_look)
             VALUES (1, 1, 7200100, 'machine_prefetch', 'gmail', 1, x'01', 1),
                    (1, 1, 7200500, 'human_proxy', 'named_proxy', 1, x'02', 1),
                    (1, 1, 7200600, 'human_proxy', 'named_proxy', 1, x'02', 0);
             INSERT INTO hourly VALUES (1, 7200000, 'machine_prefetch', 1), (1, 7200000, 'human_proxy', 1),
                                       (1, 7200000, 'first_open', 1), (1, 7200000, 'outside', 2);
             INSERT INTO campaign_counter VALUES (1, 'late', 2);",
        )
        .unwrap();
        conn
    }

    #[test]
    fn sound_rollups_have_no_breach() {
        assert_eq!(invariants(&sound()).unwrap(), [""; 0]);
    }

    #[test]
    fn every_rollup_that_disagrees_is_named() {
        for (damage, words) in [
            (
                "UPDATE message SET looks = 2 WHERE id = 1",
                "Message 1 says 3 hits, 1 by machines, 2 looks; its rows say 3, 1 and 1.",
            ),
            (
                "UPDATE message SET first_open_at = 7200600 WHERE id = 1",
                "The first open of message 1",
            ),
            (
                "UPDATE message SET signal = 'unknown' WHERE id = 1",
                "The signal of message 1",
            ),
            (
                "UPDATE message SET signal = 'human' WHERE id = 2",
                "The signal of message 2",
            ),
            (
                "UPDATE message SET tracking = 'none', not_tracked = 'refused' WHERE id = 1",
                "Message 1 is not tracked",
            ),
            (
                "UPDATE hourly SET n = 5 WHERE class = 'human_proxy'",
                "Campaign 1 counts 5 in the hour",
            ),
            (
                "DELETE FROM hourly WHERE class = 'first_open'",
                "Campaign 1 counts 0 in the hour",
            ),
            (
                "UPDATE campaign_counter SET n = 1",
                "Campaign 1 counts 1 loads outside",
            ),
            (
                "UPDATE message SET tracking = 'none' WHERE id = 2",
                "the sum is off",
            ),
        ] {
            let conn = sound();
            conn.execute(damage, []).unwrap();
            let breaches = invariants(&conn).unwrap();
            assert!(
                breaches.iter().any(|breach| breach.contains(words)),
                "{damage}: {breaches:?}"
            );
        }
    }
}
