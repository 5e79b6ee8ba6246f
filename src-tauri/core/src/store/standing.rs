//! `account_standing`, `account_minute` and `campaign_refusal`: how accounts stand with their servers, what they have
//! handed over, and which mail services refuse a campaign.

use super::{Conn, Result};
use crate::clock::{Instant, to_millis};
use crate::delivery::quota::{DAY_MINUTES, Sent, minute_of};
use crate::delivery::standing::Standing;
use crate::ids::{AccountId, CampaignId};
use rusqlite::OptionalExtension;
use std::collections::BTreeMap;

/// How long counts are kept, in minutes: a day longer than any limit looks back.
const KEPT_MINUTES: i64 = 2 * DAY_MINUTES;

/// Returns how an account stands. A row of another version that cannot be read is as none: the server will say it
/// again.
pub fn load(conn: &Conn, id: AccountId) -> Result<Standing> {
    let text: Option<String> = conn
        .prepare_cached("SELECT standing FROM account_standing WHERE account_id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    Ok(text
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default())
}

/// Keeps how an account stands.
pub fn save(conn: &Conn, id: AccountId, standing: &Standing) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO account_standing (account_id, standing) VALUES (?1, ?2)
         ON CONFLICT (account_id) DO UPDATE SET standing = ?2",
    )?
    .execute((id.0, serde_json::to_string(standing)?))?;
    Ok(())
}

/// Counts a mail that is being handed over at `now`.
pub fn count(conn: &Conn, id: AccountId, now: Instant) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO account_minute (account_id, minute, n) VALUES (?1, ?2, 1)
         ON CONFLICT (account_id, minute) DO UPDATE SET n = n + 1",
    )?
    .execute((id.0, minute_of(now)))?;
    Ok(())
}

/// Takes back the count of a mail that was counted at `at` and never reached the server.
pub fn uncount(conn: &Conn, id: AccountId, at: Instant) -> Result<()> {
    conn.prepare_cached(
        "UPDATE account_minute SET n = n - 1 WHERE account_id = ?1 AND minute = ?2 AND n > 0",
    )?
    .execute((id.0, minute_of(at)))?;
    Ok(())
}

/// Returns what an account has handed over in the last 24 hours.
pub fn sent(conn: &Conn, id: AccountId, now: Instant) -> Result<Sent> {
    let mut statement =
        conn.prepare_cached("SELECT minute, n FROM account_minute WHERE account_id = ?1 AND minute >= ?2")?;
    let rows: Vec<(i64, u32)> = statement
        .query_map((id.0, minute_of(now) - DAY_MINUTES), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Sent::new(&rows, now))
}

/// Returns what an account handed over in the last whole minute.
pub fn last_minute(conn: &Conn, id: AccountId, now: Instant) -> Result<u32> {
    Ok(conn
        .prepare_cached("SELECT n FROM account_minute WHERE account_id = ?1 AND minute = ?2")?
        .query_row((id.0, minute_of(now) - 1), |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

/// Tells whether anything is kept that no limit looks back at any more.
pub fn is_any_old(conn: &Conn, now: Instant) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM account_minute WHERE minute < ?1)")?
        .query_row([minute_of(now) - KEPT_MINUTES], |row| row.get(0))?)
}

/// Forgets what no limit looks back at any more.
pub fn prune(conn: &Conn, now: Instant) -> Result<usize> {
    Ok(conn
        .prepare_cached("DELETE FROM account_minute WHERE minute < ?1")?
        .execute([minute_of(now) - KEPT_MINUTES])?)
}

/// Keeps that a mail service refuses a campaign; tells whether that is new.
pub fn refuse(conn: &Conn, campaign: CampaignId, provider: &str, now: Instant, reply: &str) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "INSERT INTO campaign_refusal (campaign_id, provider, at, reply) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?
        .execute((campaign.0, provider, to_millis(now), reply))?
        > 0)
}

/// Returns what is to be said of a mail service that refuses a campaign; `None` where it does not.
pub fn refusal(conn: &Conn, campaign: CampaignId, provider: &str) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT reply FROM campaign_refusal WHERE campaign_id = ?1 AND provider = ?2")?
        .query_row((campaign.0, provider), |row| row.get(0))
        .optional()?)
}

/// Returns the mail services that refuse a campaign, with what is to be said of each.
pub fn refusals(conn: &Conn, campaign: CampaignId) -> Result<BTreeMap<String, String>> {
    let mut statement =
        conn.prepare_cached("SELECT provider, reply FROM campaign_refusal WHERE campaign_id = ?1")?;
    let rows = statement.query_map([campaign.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets that mail services refuse a campaign: the user wants them to be tried again.
pub fn forget_refusals(conn: &Conn, campaign: CampaignId) -> Result<()> {
    conn.prepare_cached("DELETE FROM campaign_refusal WHERE campaign_id = ?1")?
        .execute([campaign.0])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::account;
    use crate::store::db::testing;
    use chrono::TimeDelta;

    #[test]
    fn what_an_account_sent_is_counted_over_a_day_and_then_forgotten() {
        let conn = testing::memory();
        let now = crate::clock::from_millis(1_800_000_000_000);
        let id = account::save(&conn, &account::tests::outbox("Practice"), now).unwrap();
        for minutes in [0, 0, 1, 600] {
            count(&conn, id, now + TimeDelta::minutes(minutes)).unwrap();
        }
        let later = now + TimeDelta::minutes(600);
        assert_eq!(sent(&conn, id, later).unwrap().in_day(), 4);
        uncount(&conn, id, later).unwrap();
        uncount(&conn, id, later).unwrap();
        assert_eq!(sent(&conn, id, later).unwrap().in_day(), 3, "never below nothing");
        count(&conn, id, now + TimeDelta::minutes(2)).unwrap();
        uncount(&conn, id, now + TimeDelta::minutes(2)).unwrap();
        assert_eq!(
            sent(&conn, id, later).unwrap().in_day(),
            3,
            "however long the try took"
        );
        let next_day = now + TimeDelta::minutes(DAY_MINUTES + 1);
        assert_eq!(sent(&conn, id, next_day).unwrap().in_day(), 1);
        assert!(
            !is_any_old(&conn, next_day).unwrap(),
            "what a limit may look back at is kept"
        );
        assert!(is_any_old(&conn, now + TimeDelta::days(3)).unwrap());
        assert_eq!(prune(&conn, now + TimeDelta::days(3)).unwrap(), 4);
        assert!(!is_any_old(&conn, now + TimeDelta::days(3)).unwrap());
        account::remove(&conn, id).unwrap();
    }

    #[test]
    fn a_standing_is_kept_and_one_that_cannot_be_read_is_none() {
        let conn = testing::memory();
        let now = crate::clock::from_millis(1_800_000_000_000);
        let id = account::save(&conn, &account::tests::outbox("Practice"), now).unwrap();
        assert_eq!(load(&conn, id).unwrap(), Standing::default());
        let standing = Standing {
            blocked: true,
            next_at: Some(now),
            ..Standing::default()
        };
        save(&conn, id, &standing).unwrap();
        save(&conn, id, &standing).unwrap();
        assert_eq!(load(&conn, id).unwrap(), standing);
        conn.execute("UPDATE account_standing SET standing = 'x'", [])
            .unwrap();
        assert_eq!(load(&conn, id).unwrap(), Standing::default());
    }
}
