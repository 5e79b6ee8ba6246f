//! `probe`, `reach_interval`: what public addresses look like from outside, now and over time.

use super::{Conn, Error, Result, instant};
use crate::api::{Probe, ProbeVerdict};
use crate::clock::{Instant, from_millis, to_millis};
use crate::ids::{CampaignId, RouteId};
use crate::store::route::{self, Route};
use chrono::{Months, TimeDelta};
use rusqlite::{OptionalExtension, Row};

/// Proofs so far apart are one interval: one that failed in between would have been seen.
const JOINED: TimeDelta = TimeDelta::minutes(5);
/// An outage that was not looked at for so long is not known to go on.
const KNOWN_FOR: TimeDelta = TimeDelta::hours(2);
/// How long intervals are kept: a campaign's window ends before.
const KEPT: Months = Months::new(13);

/// What is known of an address.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// What its last probe saw.
    pub probe: Probe,
    /// When it was last proved.
    pub good_at: Option<Instant>,
    /// Probes in a row that said that readers cannot get through.
    pub misses: u32,
}

/// How a probe counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// This Casement answered.
    Good,
    /// Readers cannot get through; so many in a row, and from so many on it is an outage.
    Miss {
        /// This one included.
        misses: u32,
        /// At which they are one.
        outage: u32,
    },
    /// It says nothing of readers.
    Neither,
}

/// What a probe changed that people should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// An outage began at this instant.
    Lost(Instant),
    /// One that began at this instant is over.
    Back(Instant),
}

/// Returns what is known of an address; `None` where it was never asked.
pub fn known(conn: &Conn, route: RouteId) -> Result<Option<Known>> {
    conn.prepare_cached(
        "SELECT base_url, at, verdict, sentence, advice, latency_ms, certificate_until, good_at, misses
         FROM probe JOIN route ON route.id = probe.route_id
         WHERE route_id = ?1",
    )?
    .query_row([route.0], |row| Ok(read(row)))
    .optional()?
    .transpose()
}

fn read(row: &Row<'_>) -> Result<Known> {
    let verdict: String = row.get("verdict")?;
    Ok(Known {
        probe: Probe {
            url: row.get("base_url")?,
            at: from_millis(row.get("at")?),
            verdict: serde_json::from_value(verdict.clone().into())
                .map_err(|_| Error::Value(format!("{verdict:?} is no verdict of a probe")))?,
            sentence: row.get("sentence")?,
            advice: row.get("advice")?,
            latency_ms: row.get("latency_ms")?,
            certificate_until: instant(row, "certificate_until")?,
        },
        good_at: instant(row, "good_at")?,
        misses: row.get("misses")?,
    })
}

fn word(verdict: ProbeVerdict) -> Result<String> {
    match serde_json::to_value(verdict)? {
        serde_json::Value::String(word) => Ok(word),
        other => Err(Error::Value(format!("{other} is no verdict of a probe"))),
    }
}

/// Keeps what a probe saw, and moves the intervals on.
pub fn put(conn: &Conn, route: RouteId, probe: &Probe, count: Count) -> Result<Option<Change>> {
    let at = to_millis(probe.at);
    let missed_from: Option<i64> = conn
        .prepare_cached("SELECT missed_from FROM probe WHERE route_id = ?1")?
        .query_row([route.0], |row| row.get(0))
        .optional()?
        .flatten();
    let (misses, missed_from) = match count {
        Count::Good => (Some(0), None),
        Count::Miss { misses, .. } => (Some(misses), Some(missed_from.unwrap_or(at))),
        Count::Neither => (None, missed_from),
    };
    conn.prepare_cached(
        "INSERT INTO probe (route_id, at, verdict, sentence, advice, latency_ms, certificate_until, good_at, misses,
           missed_from)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, iif(?8, ?2, NULL), coalesce(?9, 0), ?10)
         ON CONFLICT (route_id) DO UPDATE SET at = excluded.at, verdict = excluded.verdict,
           sentence = excluded.sentence, advice = excluded.advice, latency_ms = excluded.latency_ms,
           certificate_until = coalesce(excluded.certificate_until, certificate_until),
           good_at = coalesce(excluded.good_at, good_at), misses = coalesce(?9, misses), missed_from = ?10",
    )?
    .execute((
        route.0,
        at,
        word(probe.verdict)?,
        &probe.sentence,
        &probe.advice,
        probe.latency_ms,
        probe.certificate_until.map(to_millis),
        count == Count::Good,
        misses,
        missed_from,
    ))?;
    match count {
        Count::Good => good(conn, route, probe.at),
        Count::Miss { misses, outage } if misses >= outage => {
            missed(conn, route, probe.at, from_millis(missed_from.unwrap_or(at)))
        }
        Count::Miss { .. } | Count::Neither => Ok(None),
    }
}

fn good(conn: &Conn, route: RouteId, at: Instant) -> Result<Option<Change>> {
    let now = to_millis(at);
    let outage: Option<i64> = conn
        .prepare_cached(
            "UPDATE reach_interval SET ended = 1, until_at = iif(until_at >= ?3, max(until_at, ?2), until_at)
             WHERE route_id = ?1 AND good = 0 AND ended = 0
             RETURNING from_at",
        )?
        .query_map((route.0, now, to_millis(at - KNOWN_FOR)), |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?
        .into_iter()
        .min();
    let joined = conn
        .prepare_cached(
            "UPDATE reach_interval SET until_at = max(until_at, ?2)
             WHERE route_id = ?1 AND good = 1 AND ended = 0 AND until_at >= ?3 AND from_at <= ?2",
        )?
        .execute((route.0, now, to_millis(at - JOINED)))?;
    if joined == 0 {
        conn.prepare_cached(
            "UPDATE reach_interval SET ended = 1 WHERE route_id = ?1 AND good = 1 AND ended = 0",
        )?
        .execute([route.0])?;
        begin(conn, route, true, at, at)?;
    }
    Ok(outage.map(|from| Change::Back(from_millis(from))))
}

fn missed(conn: &Conn, route: RouteId, at: Instant, from: Instant) -> Result<Option<Change>> {
    conn.prepare_cached(
        "UPDATE reach_interval SET ended = 1 WHERE route_id = ?1 AND good = 1 AND ended = 0",
    )?
    .execute([route.0])?;
    let goes_on = conn
        .prepare_cached(
            "UPDATE reach_interval SET until_at = max(until_at, ?2)
             WHERE route_id = ?1 AND good = 0 AND ended = 0",
        )?
        .execute((route.0, to_millis(at)))?;
    if goes_on > 0 {
        return Ok(None);
    }
    begin(conn, route, false, from, at)?;
    Ok(Some(Change::Lost(from)))
}

/// Begins an interval, and lets go of those that nobody asks for any more.
fn begin(conn: &Conn, route: RouteId, good: bool, from: Instant, until: Instant) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO reach_interval (route_id, good, from_at, until_at) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((route.0, good, to_millis(from.min(until)), to_millis(until)))?;
    if let Some(oldest) = until.checked_sub_months(KEPT) {
        conn.prepare_cached("DELETE FROM reach_interval WHERE until_at < ?1")?
            .execute([to_millis(oldest)])?;
    }
    Ok(())
}

/// Returns the intervals that end after `since` in which the address of a campaign's mails is known not to have led here.
///
/// One that nothing ended goes on until `running`, where it was looked at not long before.
pub fn outages(
    conn: &Conn,
    campaign: CampaignId,
    since: Instant,
    running: Option<Instant>,
) -> Result<Vec<[Instant; 2]>> {
    let mut statement = conn.prepare_cached(
        "SELECT from_at, until_at, ended FROM reach_interval
         WHERE route_id = (SELECT route_id FROM campaign WHERE id = ?1) AND good = 0
         ORDER BY from_at",
    )?;
    let rows = statement.query_map([campaign.0], |row| {
        let from = from_millis(row.get("from_at")?);
        let until = from_millis(row.get("until_at")?);
        let goes_on = running.filter(|now| !row.get("ended").unwrap_or(true) && *now - until <= KNOWN_FOR);
        Ok([from, goes_on.map_or(until, |now| now.max(until))])
    })?;
    let all = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(all.into_iter().filter(|[_, until]| *until > since).collect())
}

/// Returns the public addresses that mails of windows which last beyond `now` carry, and that were not asked since
/// `before`; those that wait longest first.
pub fn waiting(conn: &Conn, now: Instant, before: Instant) -> Result<Vec<Route>> {
    let mut statement = conn.prepare_cached(
        "SELECT route.id FROM route LEFT JOIN probe ON probe.route_id = route.id
         WHERE kind = 'public' AND coalesce(at, 0) <= ?2
           AND EXISTS (SELECT 1 FROM campaign WHERE route_id = route.id AND launched_at IS NOT NULL AND opens_until > ?1)
         ORDER BY coalesce(at, 0), route.id",
    )?;
    let ids: Vec<i64> = statement
        .query_map([to_millis(now), to_millis(before)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    ids.into_iter().map(|id| route::get(conn, RouteId(id))).collect()
}

/// Tells whether an address has a name that only tests and trials know.
pub fn is_tried_out(conn: &Conn, route: RouteId) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT tried_out FROM route WHERE id = ?1")?
        .query_row([route.0], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RouteKind;
    use crate::store::db::testing;

    fn at(minutes: i64) -> Instant {
        let start: Instant = "2026-04-01T08:00:00Z".parse().unwrap();
        start + TimeDelta::minutes(minutes)
    }

    fn probe(minutes: i64, verdict: ProbeVerdict) -> Probe {
        Probe {
            url: "https://news.harbour-club.eu".into(),
            at: at(minutes),
            verdict,
            sentence: "A sentence.".into(),
            advice: None,
            latency_ms: Some(31),
            certificate_until: None,
        }
    }

    fn workspace() -> (Conn, RouteId) {
        let conn = testing::memory();
        let route = route::ensure(&conn, RouteKind::Public, "https://news.harbour-club.eu", at(0)).unwrap();
        conn.execute(
            "INSERT INTO campaign (id, name, document, created_at, updated_at, route_id, launched_at, opens_from, opens_until)
             VALUES (1, 'Spring', '{}', 0, 0, ?1, ?2, ?2, ?3)",
            (route.id.0, to_millis(at(0)), to_millis(at(60 * 24 * 30))),
        )
        .unwrap();
        (conn, route.id)
    }

    fn miss(conn: &Conn, route: RouteId, minutes: i64) -> Option<Change> {
        let misses = known(conn, route).unwrap().map_or(0, |known| known.misses) + 1;
        let count = Count::Miss { misses, outage: 3 };
        put(conn, route, &probe(minutes, ProbeVerdict::NothingBehind), count).unwrap()
    }

    fn prove(conn: &Conn, route: RouteId, minutes: i64) -> Option<Change> {
        put(conn, route, &probe(minutes, ProbeVerdict::Ok), Count::Good).unwrap()
    }

    fn intervals(conn: &Conn) -> Vec<(bool, i64, i64)> {
        conn.prepare("SELECT good, from_at, until_at FROM reach_interval ORDER BY id")
            .unwrap()
            .query_map([], |row| {
                let minutes = |millis: i64| (from_millis(millis) - at(0)).num_minutes();
                Ok((row.get(0)?, minutes(row.get(1)?), minutes(row.get(2)?)))
            })
            .unwrap()
            .map(std::result::Result::unwrap)
            .collect()
    }

    #[test]
    fn an_outage_is_from_the_first_of_three_misses_until_the_next_proof() {
        let (conn, route) = workspace();
        assert_eq!(known(&conn, route).unwrap(), None);
        assert_eq!(prove(&conn, route, 0), None);
        assert_eq!(prove(&conn, route, 1), None);
        assert_eq!(miss(&conn, route, 2), None);
        assert_eq!(miss(&conn, route, 3), None);
        assert_eq!(prove(&conn, route, 4), None, "two are none");
        assert_eq!(intervals(&conn), [(true, 0, 4)]);
        for (minutes, told) in [
            (10, None),
            (11, None),
            (12, Some(Change::Lost(at(10)))),
            (13, None),
        ] {
            assert_eq!(miss(&conn, route, minutes), told, "once, and with the first");
        }
        let neither = probe(14, ProbeVerdict::CannotSelfTest);
        assert_eq!(put(&conn, route, &neither, Count::Neither).unwrap(), None);
        let found = known(&conn, route).unwrap().unwrap();
        assert_eq!((found.misses, found.good_at), (4, Some(at(4))));
        assert_eq!(found.probe, neither);
        assert_eq!(
            outages(&conn, CampaignId(1), at(0), Some(at(15))).unwrap(),
            [[at(10), at(15)]]
        );
        assert_eq!(
            outages(&conn, CampaignId(1), at(0), None).unwrap(),
            [[at(10), at(13)]]
        );
        assert_eq!(
            outages(&conn, CampaignId(1), at(0), Some(at(600))).unwrap(),
            [[at(10), at(13)]],
            "nobody looked for hours"
        );
        assert_eq!(prove(&conn, route, 20), Some(Change::Back(at(10))));
        assert_eq!(prove(&conn, route, 21), None);
        assert_eq!(intervals(&conn), [(true, 0, 4), (false, 10, 20), (true, 20, 21)]);
        assert_eq!(
            outages(&conn, CampaignId(1), at(0), Some(at(600))).unwrap(),
            [[at(10), at(20)]]
        );
        assert!(outages(&conn, CampaignId(1), at(20), None).unwrap().is_empty());
        assert!(
            outages(&conn, CampaignId(2), at(0), None).unwrap().is_empty(),
            "another's address"
        );
    }

    #[test]
    fn time_that_nobody_looked_at_is_in_no_interval() {
        let (conn, route) = workspace();
        prove(&conn, route, 0);
        prove(&conn, route, 4);
        prove(&conn, route, 30);
        assert_eq!(intervals(&conn), [(true, 0, 4), (true, 30, 30)]);
        for minutes in 31..34 {
            miss(&conn, route, minutes);
        }
        assert_eq!(prove(&conn, route, 6000), Some(Change::Back(at(31))));
        assert_eq!(
            intervals(&conn)[2],
            (false, 31, 33),
            "it is not known how long it went on"
        );
        // A clock that was set back tears nothing apart.
        prove(&conn, route, 5);
        assert!(intervals(&conn).iter().all(|(_, from, until)| from <= until));
    }

    #[test]
    fn intervals_are_kept_for_thirteen_months() {
        let (conn, route) = workspace();
        let month = 31 * 24 * 60;
        prove(&conn, route, 0);
        prove(&conn, route, 12 * month);
        assert_eq!(intervals(&conn).len(), 2);
        prove(&conn, route, 14 * month);
        assert_eq!(intervals(&conn).len(), 2, "the first had to go");
    }

    #[test]
    fn addresses_of_live_mails_wait_to_be_asked() {
        let (conn, route) = workspace();
        let hour = |hours: i64| at(60 * hours);
        let urls = |now: Instant| -> Vec<String> {
            waiting(&conn, now, now - TimeDelta::hours(1))
                .unwrap()
                .into_iter()
                .map(|route| route.base_url)
                .collect()
        };
        assert_eq!(urls(hour(1)), ["https://news.harbour-club.eu"], "never asked");
        prove(&conn, route, 60);
        assert_eq!(urls(at(119)), [""; 0], "an hour has to pass");
        assert_eq!(urls(hour(2)), ["https://news.harbour-club.eu"]);
        assert_eq!(urls(hour(24 * 31)), [""; 0], "the window is over");
        conn.execute("UPDATE campaign SET launched_at = NULL", [])
            .unwrap();
        assert_eq!(urls(hour(2)), [""; 0], "nothing was sent");
    }
}
