//! What was mailed with each address: how many mails name it, until when that matters, what comes in through it.
//!
//! Practice and sample data are left out: their mails reached nobody.

use super::{Route, parse};
use crate::clock::{Instant, from_millis, to_millis};
use crate::ids::RouteId;
use crate::store::{Conn, Result, instant};
use chrono::TimeDelta;
use std::collections::HashMap;

/// An address and what depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailed {
    /// The address.
    pub route: Route,
    /// When it was used first.
    pub since: Instant,
    /// Nobody elsewhere can reach it: it was tried out.
    pub tried_out: bool,
    /// Mails that were sent with it, or may have been. An erased person's is one: its links still name the address.
    pub messages: u32,
    /// Those of campaigns whose window is not over.
    pub live_messages: u32,
    /// The campaigns of those.
    pub live_campaigns: u32,
    /// Mails of launched campaigns that are still to be sent and will carry it.
    pub waiting: u32,
    /// When the last of those windows ends.
    pub until: Option<Instant>,
    /// Messages that were opened first in the last 24 hours, by whole hours.
    pub opens_last_day: u32,
}

/// The time over which opens are counted.
const DAY: TimeDelta = TimeDelta::hours(24);

/// The states in which a mail has left or may have.
const SENT: &str = "('accepted', 'uncertain', 'handing_over')";
/// The states in which a mail of a launched campaign is still to leave.
const WAITING: &str = "('planned', 'queued', 'deferred')";

/// Campaigns that went to readers.
const FOR_READERS: &str = "c.launched_at IS NOT NULL AND NOT c.practice AND NOT c.sample";
/// How many of a campaign's mails were opened for the first time after the instant `?1`, by whole hours.
const OPENED: &str = "(SELECT coalesce(sum(h.n), 0) FROM hourly h
            WHERE h.campaign_id = c.id AND h.hour > ?1 AND h.class = 'first_open')";

fn sql() -> String {
    // A count by an index for each campaign, and no look at a mail itself.
    format!(
        "SELECT c.route_id, c.opens_until,
           (SELECT count(*) FROM message m WHERE m.campaign_id = c.id AND m.state IN {SENT}) AS sent,
           iif(c.state IN ('running', 'paused'),
             (SELECT count(*) FROM message m WHERE m.campaign_id = c.id AND m.state IN {WAITING}), 0) AS waiting,
           {OPENED} AS opens
         FROM campaign c
         WHERE c.route_id IS NOT NULL AND {FOR_READERS}"
    )
}

/// Returns every address that was ever set, in the order in which they were used first.
pub fn mailed(conn: &Conn, now: Instant) -> Result<Vec<Mailed>> {
    let mut statement =
        conn.prepare_cached("SELECT id, kind, base_url, created_at, tried_out FROM route ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        Ok(Mailed {
            route: Route {
                id: RouteId(row.get("id")?),
                kind: parse(&row.get::<_, String>("kind")?),
                base_url: row.get("base_url")?,
            },
            since: from_millis(row.get("created_at")?),
            tried_out: row.get("tried_out")?,
            messages: 0,
            live_messages: 0,
            live_campaigns: 0,
            waiting: 0,
            until: None,
            opens_last_day: 0,
        })
    })?;
    let mut found = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let places: HashMap<RouteId, usize> = found.iter().map(|one| one.route.id).zip(0..).collect();
    let mut statement = conn.prepare_cached(&sql())?;
    let mut rows = statement.query([to_millis(now - DAY)])?;
    while let Some(row) = rows.next()? {
        let Some(&place) = places.get(&RouteId(row.get("route_id")?)) else {
            continue;
        };
        let mailed = &mut found[place];
        let (sent, waiting): (u32, u32) = (row.get("sent")?, row.get("waiting")?);
        mailed.messages += sent;
        mailed.waiting += waiting;
        mailed.opens_last_day += row.get::<_, u32>("opens")?;
        if let Some(until) = instant(row, "opens_until")?
            && now < until
            && sent + waiting > 0
        {
            mailed.live_messages += sent;
            mailed.live_campaigns += u32::from(sent > 0);
            mailed.until = mailed.until.max(Some(until));
        }
    }
    Ok(found)
}

/// Returns [`Mailed::opens_last_day`] of one address, without a look at its mails.
pub fn opens_last_day(conn: &Conn, route: RouteId, now: Instant) -> Result<u32> {
    Ok(conn
        .prepare_cached(&format!(
            "SELECT coalesce(sum({OPENED}), 0) FROM campaign c WHERE c.route_id = ?2 AND {FOR_READERS}"
        ))?
        .query_row((to_millis(now - DAY), route.0), |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RouteKind;
    use crate::store::db::testing;
    use crate::store::route;

    const HOUR: i64 = 3_600_000;
    /// Noon of day 100.
    const NOW: i64 = 2400 * HOUR + 12 * HOUR;

    fn workspace() -> Conn {
        let conn = testing::memory();
        for (url, at) in [
            ("https://old.harbour-club.eu", 0),
            ("https://new.harbour-club.eu", HOUR),
        ] {
            route::ensure(&conn, RouteKind::Public, url, from_millis(at)).unwrap();
        }
        conn
    }

    fn campaign(conn: &Conn, id: i64, url: &str, state: &str, until: i64, more: &str) {
        conn.execute(
            "INSERT INTO campaign (id, name, document, state, created_at, updated_at, launched_at, opens_from, opens_until,
                                   route_id)
             VALUES (?1, 'Spring', '{}', ?2, 0, 0, 0, 0, ?3, (SELECT id FROM route WHERE base_url = ?4))",
            (id, state, until, url),
        )
        .unwrap();
        if !more.is_empty() {
            conn.execute(&format!("UPDATE campaign SET {more} WHERE id = {id}"), [])
                .unwrap();
        }
    }

    fn messages(conn: &Conn, campaign: i64, state: &str, n: u32) {
        conn.execute(
            "WITH RECURSIVE up (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM up WHERE i < ?3)
             INSERT INTO message (campaign_id, email, address_hash, state, tracking, preference_token)
             SELECT ?1, 'a@example.org', x'00', ?2, 'personal', randomblob(16) FROM up",
            (campaign, state, n),
        )
        .unwrap();
    }

    fn one(conn: &Conn, url: &str) -> Mailed {
        let found = mailed(conn, from_millis(NOW)).unwrap();
        found.into_iter().find(|one| one.route.base_url == url).unwrap()
    }

    #[test]
    fn what_depends_on_an_address_is_counted_over_its_campaigns() {
        let conn = workspace();
        let old = "https://old.harbour-club.eu";
        campaign(&conn, 1, old, "finished", NOW + 24 * HOUR, "");
        for (state, n) in [
            ("accepted", 5),
            ("uncertain", 1),
            ("rejected", 2),
            ("skipped", 3),
            ("cancelled", 1),
        ] {
            messages(&conn, 1, state, n);
        }
        campaign(&conn, 2, old, "running", NOW + 48 * HOUR, "");
        for (state, n) in [
            ("accepted", 2),
            ("handing_over", 1),
            ("queued", 4),
            ("deferred", 1),
        ] {
            messages(&conn, 2, state, n);
        }
        // Its window is over: its links to unsubscribe are not.
        campaign(&conn, 3, old, "finished", NOW, "");
        messages(&conn, 3, "accepted", 7);
        // Prepared for people who joined since, and not launched: nothing of that has to leave.
        messages(&conn, 3, "planned", 2);
        conn.execute_batch(&format!(
            "INSERT INTO hourly VALUES (1, {0}, 'first_open', 2), (2, {0}, 'first_open', 1), (1, {0}, 'human_direct', 9),
                                       (1, {1}, 'first_open', 50);
             UPDATE message SET contact_id = NULL, email = '', pixel_token = NULL WHERE campaign_id = 1",
            NOW - 3 * HOUR,
            NOW - 24 * HOUR
        ))
        .unwrap();
        let found = one(&conn, old);
        assert_eq!(
            found,
            Mailed {
                route: found.route.clone(),
                since: from_millis(0),
                tried_out: false,
                messages: 6 + 3 + 7,
                live_messages: 6 + 3,
                live_campaigns: 2,
                waiting: 5,
                until: Some(from_millis(NOW + 48 * HOUR)),
                opens_last_day: 3,
            }
        );
        let day = |route| opens_last_day(&conn, route, from_millis(NOW)).unwrap();
        assert_eq!(day(found.route.id), 3, "asked alone");
        let new = one(&conn, "https://new.harbour-club.eu");
        assert_eq!((new.messages, day(new.route.id)), (0, 0));
    }

    #[test]
    fn practice_samples_drafts_and_campaigns_without_an_address_depend_on_none() {
        let conn = workspace();
        let old = "https://old.harbour-club.eu";
        for (id, more) in [
            (1, "practice = 1"),
            (2, "sample = 1"),
            (3, "launched_at = NULL"),
            // Of a workspace from before addresses were kept.
            (4, "route_id = NULL"),
        ] {
            campaign(&conn, id, old, "finished", NOW + HOUR, more);
            messages(&conn, id, "accepted", 3);
        }
        let found = one(&conn, old);
        assert_eq!((found.messages, found.live_messages, found.until), (0, 0, None));
    }

    #[test]
    fn a_campaign_of_which_nothing_left_keeps_no_address() {
        let conn = workspace();
        let old = "https://old.harbour-club.eu";
        campaign(&conn, 1, old, "cancelled", NOW + HOUR, "");
        messages(&conn, 1, "cancelled", 3);
        let found = one(&conn, old);
        assert_eq!((found.live_campaigns, found.waiting, found.until), (0, 0, None));
    }

    #[test]
    fn mails_are_counted_by_an_index_however_many_there_are() {
        let conn = workspace();
        let plan: Vec<String> = conn
            .prepare(&format!("EXPLAIN QUERY PLAN {}", sql()))
            .unwrap()
            .query_map([0], |row| row.get(3))
            .unwrap()
            .map(std::result::Result::unwrap)
            .collect();
        let mails: Vec<&String> = plan.iter().filter(|line| line.contains(" m ")).collect();
        assert_eq!(mails.len(), 2, "{plan:#?}");
        for line in mails {
            assert!(
                line.contains("COVERING INDEX message_by_state (campaign_id=? AND state=?)"),
                "{plan:#?}"
            );
        }
        assert!(
            plan.iter()
                .any(|line| line.contains(" h ") && line.contains("campaign_id=? AND hour>?")),
            "{plan:#?}"
        );
    }
}
