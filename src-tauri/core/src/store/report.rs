//! Queries behind reports. They read the ledger's rollups and hourly counts, never `hit`; only the timeline of
//! one message does, and the check of the rollups.

mod invariants;
mod recipients;

pub use invariants::invariants;
pub use recipients::{each_recipient, page, timeline};

use super::{Conn, Result, instant, probe, word};
use crate::api::RateParts;
use crate::clock::{Instant, from_millis, to_millis};
use crate::domain::campaign::CampaignTracking;
use crate::domain::message::TrackingMode;
use crate::domain::open::{HitClass, Signal};
use crate::domain::window::Window;
use crate::ids::CampaignId;
use crate::report::rate::{self, Cohort, Counts, Reach};
use crate::report::series;
use chrono::TimeDelta;
use rusqlite::OptionalExtension;
use std::collections::BTreeMap;

/// Rates' parts by tracking mode, signal and reason. Answered from the index `message_by_state` alone.
const PARTS: &str = "SELECT tracking, signal, not_tracked, count(*) AS n
    FROM message
    WHERE campaign_id = ?1 AND state = 'accepted'
    GROUP BY tracking, signal, not_tracked";

/// The moment for which a report holds.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The moment itself.
    pub now: Instant,
    /// A listener runs in this engine.
    pub is_listening: bool,
}

impl Moment {
    /// Returns the end of an interval of uptime that goes on; `None` where no listener runs.
    pub fn running(self) -> Option<Instant> {
        self.is_listening.then_some(self.now)
    }
}

/// Returns the parts of a campaign's open rate; all zero where it does not exist or sent nothing.
pub fn rate_parts(conn: &Conn, id: CampaignId, moment: Moment) -> Result<RateParts> {
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
    // Whoever was seen was reached: only silence asks whether anybody could have been seen.
    if !counts.tracked.is_empty() && !counts.saw_something() {
        counts.reach = reach(conn, id, moment)?;
    }
    Ok(rate::parts(&counts))
}

fn reach(conn: &Conn, id: CampaignId, moment: Moment) -> Result<Reach> {
    let Some(window) = facts(conn, id)?.and_then(|facts| facts.window) else {
        return Ok(Reach::default());
    };
    let up = up(conn, id, window.opens_from, moment.running())?;
    let share = series::reachable_share(&up, Some(window), moment.now);
    Ok(Reach::of(window.opens_from, moment.now, share))
}

/// Returns how many accepted mails went to each domain, by what was seen of them: `None` where not tracked.
///
/// Reads every message of the campaign.
pub fn by_domain(conn: &Conn, id: CampaignId) -> Result<Vec<(String, Option<Signal>, u32)>> {
    let mut statement = conn.prepare_cached(
        "SELECT lower(substr(email, instr(email, '@') + 1)) AS domain, tracking,
           signal, count(*) AS n
         FROM message
         WHERE campaign_id = ?1 AND state = 'accepted'
         GROUP BY domain, tracking, signal",
    )?;
    let rows = statement.query_map([id.0], |row| {
        let signal = match word::<TrackingMode>(row, "tracking")? {
            TrackingMode::Personal => Some(word(row, "signal")?),
            _ => None,
        };
        Ok((row.get("domain")?, signal, row.get("n")?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns a count of the campaign that belongs to no person; 0 where there is none.
pub fn counter(conn: &Conn, id: CampaignId, name: &str) -> Result<u32> {
    Ok(conn
        .prepare_cached("SELECT n FROM campaign_counter WHERE campaign_id = ?1 AND name = ?2")?
        .query_row((id.0, name), |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

/// What a report says of its campaign.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// Its window; `None` before launch.
    pub window: Option<Window>,
    /// The window's zone.
    pub zone: String,
    /// When it was launched.
    pub launched_at: Option<Instant>,
    /// Sent into the embedded outbox.
    pub practice: bool,
    /// How it may look at its readers.
    pub tracking: CampaignTracking,
}

/// Returns what a report says of its campaign; `None` where there is none.
pub fn facts(conn: &Conn, id: CampaignId) -> Result<Option<Facts>> {
    Ok(conn
        .prepare_cached(
            "SELECT name, subject, opens_from, opens_until, zone, launched_at, practice, tracking
             FROM campaign WHERE id = ?1",
        )?
        .query_row([id.0], |row| {
            let window = match (instant(row, "opens_from")?, instant(row, "opens_until")?) {
                (Some(opens_from), Some(opens_until)) => Some(Window {
                    opens_from,
                    opens_until,
                }),
                _ => None,
            };
            Ok(Facts {
                name: row.get("name")?,
                subject: row.get("subject")?,
                window,
                zone: row.get("zone")?,
                launched_at: instant(row, "launched_at")?,
                practice: row.get("practice")?,
                tracking: word(row, "tracking")?,
            })
        })
        .optional()?)
}

/// Returns how many people unsubscribed, and how many ended tracking, through a campaign's mails.
pub fn withdrawals(conn: &Conn, id: CampaignId) -> Result<(u32, u32)> {
    let count = |sql: &str| conn.prepare_cached(sql)?.query_row([id.0], |row| row.get(0));
    Ok((
        count("SELECT count(*) FROM message WHERE campaign_id = ?1 AND unsubscribed_at IS NOT NULL")?,
        count("SELECT count(*) FROM message WHERE campaign_id = ?1 AND opted_out_at IS NOT NULL")?,
    ))
}

/// Returns the loads of the shared pixel by class.
pub fn shared_loads(conn: &Conn, id: CampaignId) -> Result<BTreeMap<HitClass, u32>> {
    let mut statement = conn.prepare_cached(
        "SELECT substr(class, 8) AS class, sum(n) AS n FROM hourly
         WHERE campaign_id = ?1 AND class >= 'shared:' AND class < 'shared;'
         GROUP BY class",
    )?;
    let rows = statement.query_map([id.0], |row| Ok((word(row, "class")?, row.get("n")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns a campaign's hourly counts in time order: the hour's first instant, the class, how many.
pub fn hourly(conn: &Conn, id: CampaignId) -> Result<Vec<(Instant, String, u32)>> {
    let mut statement =
        conn.prepare_cached("SELECT hour, class, n FROM hourly WHERE campaign_id = ?1 ORDER BY hour, class")?;
    let rows = statement.query_map([id.0], |row| {
        Ok((from_millis(row.get("hour")?), row.get("class")?, row.get("n")?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns the intervals that end after `since` in which opens of a campaign could arrive, in order: the listener was up,
/// and the address of its mails was not known to lead elsewhere. What nobody looked at from outside counts as good.
///
/// One that was never ended goes on until `running`, or, where no listener runs, ended when it was last seen.
pub fn up(
    conn: &Conn,
    id: CampaignId,
    since: Instant,
    running: Option<Instant>,
) -> Result<Vec<[Instant; 2]>> {
    let outages = probe::outages(conn, id, since, running)?;
    Ok(series::without(listening(conn, since, running)?, &outages))
}

/// Returns the intervals that end after `since` in which the listener was up, in order.
fn listening(conn: &Conn, since: Instant, running: Option<Instant>) -> Result<Vec<[Instant; 2]>> {
    let mut statement = conn.prepare_cached(
        "SELECT started_at, seen_at, ended_at FROM uptime
         WHERE ended_at IS NULL OR ended_at > ?1
         ORDER BY started_at",
    )?;
    let rows = statement.query_map([to_millis(since)], |row| {
        let started = instant(row, "started_at")?.unwrap_or_default();
        let seen = instant(row, "seen_at")?.unwrap_or_default();
        let end = match instant(row, "ended_at")? {
            Some(ended) => ended,
            None => running.unwrap_or(seen).max(seen),
        };
        Ok([started, end])
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How long a prefetch by Apple's mail privacy keeps a person out of the cohort.
const MPP_DAYS: i64 = 180;

/// Counts the tracked readers from whom no prefetch by Apple was seen for half a year before `launched_at`, nor
/// since.
///
/// Reads a row of `contact` for each tracked message; to be asked for only where [`Cohort::is_possible`].
pub fn cohort(conn: &Conn, id: CampaignId, launched_at: Instant) -> Result<Cohort> {
    let since = launched_at - TimeDelta::days(MPP_DAYS);
    Ok(conn
        .prepare_cached(
            "SELECT count(*) AS readers, count(*) FILTER (WHERE m.signal = 'human') AS opened,
               count(*) FILTER (WHERE m.signal = 'unknown') AS unknown
             FROM message m JOIN contact c ON c.id = m.contact_id
             WHERE m.campaign_id = ?1 AND m.state = 'accepted' AND m.tracking = 'personal'
               AND (c.mpp_seen_at IS NULL OR c.mpp_seen_at < ?2)",
        )?
        .query_row((id.0, to_millis(since)), |row| {
            Ok(Cohort {
                readers: row.get("readers")?,
                opened: row.get("opened")?,
                unknown: row.get("unknown")?,
            })
        })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Unmeasured;
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

    fn now(is_listening: bool) -> Moment {
        Moment {
            now: from_millis(3_600_000),
            is_listening,
        }
    }

    #[test]
    fn silence_is_a_measurement_only_where_somebody_listened_in_the_window() {
        for (uptime, is_listening, unmeasured) in [
            ("", true, Some(Unmeasured::NeverReachable)),
            ("(0, 500, 900)", false, Some(Unmeasured::NeverReachable)),
            ("(0, 900, NULL)", false, Some(Unmeasured::NeverReachable)),
            ("(0, 900, NULL)", true, None),
            ("(2000, 2001, 2001)", false, None),
        ] {
            let conn = testing::memory();
            messages(&conn, &[(3, "personal", "no_signal", None)]);
            conn.execute("UPDATE campaign SET opens_from = 1000, opens_until = 9000000", [])
                .unwrap();
            if !uptime.is_empty() {
                let sql = format!("INSERT INTO uptime (started_at, seen_at, ended_at) VALUES {uptime}");
                conn.execute(&sql, []).unwrap();
            }
            let parts = rate_parts(&conn, CampaignId(1), now(is_listening)).unwrap();
            assert_eq!(parts.unmeasured, unmeasured, "{uptime} {is_listening}");
            assert_eq!(parts.confirmed_rate.is_none(), unmeasured.is_some());
            conn.execute("UPDATE message SET signal = 'machine_only' WHERE id = 1", [])
                .unwrap();
            let parts = rate_parts(&conn, CampaignId(1), now(is_listening)).unwrap();
            assert_eq!(parts.confirmed_rate, Some(0.0), "what came in has reached us");
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
        let parts = rate_parts(&conn, CampaignId(1), now(true)).unwrap();
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

    #[test]
    fn the_cohort_leaves_out_whom_apple_hides() {
        let conn = testing::memory();
        let launched = from_millis(1_800_000_000_000);
        let day = 86_400_000;
        conn.execute_batch(
            "INSERT INTO campaign (id, name, document, created_at, updated_at) VALUES (1, 'Spring', '{}', 0, 0)",
        )
        .unwrap();
        let ages: [(Option<i64>, &str); 6] = [
            (None, "unknown"),
            (None, "human"),
            (None, "no_signal"),
            (Some(-181), "human"),
            (Some(-179), "human"),
            (Some(1), "machine_only"),
        ];
        for (index, (days, signal)) in ages.iter().enumerate() {
            let seen = days.map(|days| to_millis(launched) + days * day);
            conn.execute(
                "INSERT INTO contact (id, email, email_key, mpp_seen_at, created_at) VALUES (?1, ?1, ?1, ?2, 0)",
                (index as i64, seen),
            )
            .unwrap();
            conn.execute(
                "INSERT INTO message (campaign_id, contact_id, email, address_hash, state, tracking, signal, preference_token)
                 VALUES (1, ?1, 'x', x'00', 'accepted', 'personal', ?2, randomblob(16))",
                (index as i64, signal),
            )
            .unwrap();
        }
        assert_eq!(
            cohort(&conn, CampaignId(1), launched).unwrap(),
            Cohort {
                readers: 4,
                opened: 2,
                unknown: 1
            },
            "seen half a year before launch or later, they cannot be told from others"
        );
    }

    #[test]
    fn a_listener_that_ended_without_a_word_was_up_until_last_seen() {
        let conn = testing::memory();
        let at = |minutes: i64| from_millis(minutes * 60_000);
        conn.execute_batch(
            "INSERT INTO uptime (started_at, seen_at, ended_at) VALUES (0, 60000, 60000), (600000, 1200000, 1260000),
                                                                       (6000000, 6600000, NULL)",
        )
        .unwrap();
        assert_eq!(
            up(&conn, CampaignId(1), at(5), Some(at(111))).unwrap(),
            [[at(10), at(21)], [at(100), at(111)]],
            "it runs now"
        );
        assert_eq!(
            up(&conn, CampaignId(1), at(30), None).unwrap(),
            [[at(100), at(110)]]
        );
    }

    #[test]
    fn loads_of_the_shared_pixel_stand_apart() {
        let conn = testing::memory();
        messages(&conn, &[]);
        conn.execute_batch(
            "INSERT INTO hourly VALUES (1, 0, 'shared:human_direct', 2), (1, 3600000, 'shared:human_direct', 3),
                                       (1, 0, 'shared:scanner', 1), (1, 0, 'human_direct', 9), (1, 0, 'unknown', 4)",
        )
        .unwrap();
        let loads = shared_loads(&conn, CampaignId(1)).unwrap();
        assert_eq!(
            loads,
            BTreeMap::from([(HitClass::HumanDirect, 5), (HitClass::Scanner, 1)])
        );
    }
}
