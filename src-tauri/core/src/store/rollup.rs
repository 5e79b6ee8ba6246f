//! The counts that are kept with every hit, in its own transaction, so that no report scans hits: the rollup
//! columns of `message`, and the tables `hourly` and `campaign_counter`.
//!
//! Invariants that `verify` can check, for every message: `hits` and `machine_hits` are the numbers of its rows
//! in `hit`, `looks` those with `new_look` and a human class, `first_open_at` the earliest human one; and
//! `early`, `late` and `over_cap` of a campaign's messages add up to its counters.

use super::{Conn, Result, instant, word};
use crate::clock::{Instant, from_millis, to_millis};
use crate::domain::open::{HitClass, Signal};
use crate::ids::{CampaignId, HitId, MessageId};

/// What a stored hit changes in its message's rollups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredHit {
    /// When.
    pub at: Instant,
    /// What it was taken for.
    pub class: HitClass,
    /// It begins a new look.
    pub new_look: bool,
    /// What is known of the message from now on.
    pub signal: Signal,
    /// The message's first human hit so far.
    pub first_open_at: Option<Instant>,
}

/// Why a hit of a message is only counted on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncounted {
    /// Before the window.
    Early,
    /// After the window.
    Late,
    /// Beyond the cap.
    OverCap,
}

/// A count of a campaign that belongs to no person.
pub const NOT_RECORDED_AT_REQUEST: &str = "not_recorded_at_request";
/// A count of a campaign that belongs to no person.
pub const REFUSED: &str = "refused";

/// Adds a stored hit to its message's and its campaign's counts.
pub fn stored(conn: &Conn, campaign: CampaignId, message: MessageId, hit: &StoredHit) -> Result<()> {
    // What was kept in the spool may be older than what came after it.
    let is_first = hit.class.is_human() && hit.first_open_at.is_none_or(|first| hit.at < first);
    conn.prepare_cached(
        "UPDATE message
         SET signal = ?2,
             hits = hits + 1,
             machine_hits = machine_hits + ?3,
             looks = looks + ?4,
             first_open_at = CASE WHEN ?5 THEN ?6 ELSE first_open_at END,
             last_hit_at = ?6
         WHERE id = ?1",
    )?
    .execute((
        message.0,
        hit.signal.as_str(),
        hit.class.is_machine(),
        hit.new_look && hit.class.is_human(),
        is_first,
        to_millis(hit.at),
    ))?;
    if hit.new_look {
        hourly(conn, campaign, hit.at, hit.class.as_str(), 1)?;
    }
    if is_first {
        move_first_open(conn, campaign, hit.first_open_at, Some(hit.at))?;
    }
    Ok(())
}

/// A verdict that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Which hit.
    pub id: HitId,
    /// Whose pixel it was.
    pub message: MessageId,
    /// When it came.
    pub at: Instant,
    /// Its class and whether it began a look, as they were read.
    pub was: (HitClass, bool),
    /// As they are from now on.
    pub is: (HitClass, bool),
    /// The rule.
    pub reason: String,
    /// The rules' version.
    pub rule_version: u32,
}

/// Writes verdicts of one message's hits, and moves all that is counted of them.
///
/// Verdicts that changed since they were read are left: they are judged again. Returns how many were written.
pub fn judged(conn: &Conn, campaign: CampaignId, message: MessageId, changes: &[Changed]) -> Result<u32> {
    let mut written = 0;
    for change in changes {
        let n = conn
            .prepare_cached(
                "UPDATE hit SET class = ?2, reason = ?3, rule_version = ?4, new_look = ?5
                 WHERE id = ?1 AND class = ?6 AND new_look = ?7",
            )?
            .execute((
                change.id.0,
                change.is.0.as_str(),
                &change.reason,
                change.rule_version,
                change.is.1,
                change.was.0.as_str(),
                change.was.1,
            ))?;
        if n == 0 {
            continue;
        }
        written += 1;
        if change.was != change.is {
            if change.was.1 {
                hourly(conn, campaign, change.at, change.was.0.as_str(), -1)?;
            }
            if change.is.1 {
                hourly(conn, campaign, change.at, change.is.0.as_str(), 1)?;
            }
        }
    }
    if written > 0 {
        sum_up(conn, campaign, message)?;
    }
    Ok(written)
}

/// Counts a message's hits anew.
fn sum_up(conn: &Conn, campaign: CampaignId, message: MessageId) -> Result<()> {
    let mut hits = conn.prepare_cached("SELECT class, new_look, at FROM hit WHERE message_id = ?1")?;
    let mut rows = hits.query([message.0])?;
    let (mut signal, mut looks, mut n, mut machines) = (Signal::None, 0_u32, 0_u32, 0_u32);
    let mut first: Option<Instant> = None;
    while let Some(row) = rows.next()? {
        let class: HitClass = word(row, 0)?;
        let at = from_millis(row.get(2)?);
        signal = signal.max(Signal::of(class));
        n += 1;
        machines += u32::from(class.is_machine());
        if class.is_human() {
            looks += u32::from(row.get::<_, bool>(1)?);
            first = Some(first.map_or(at, |first| first.min(at)));
        }
    }
    let before = conn
        .prepare_cached("SELECT first_open_at FROM message WHERE id = ?1")?
        .query_row([message.0], |row| instant(row, 0))?;
    conn.prepare_cached(
        "UPDATE message SET signal = ?2, looks = ?3, hits = ?4, machine_hits = ?5, first_open_at = ?6 WHERE id = ?1",
    )?
    .execute((message.0, signal.as_str(), looks, n, machines, first.map(to_millis)))?;
    move_first_open(conn, campaign, before, first)
}

fn move_first_open(
    conn: &Conn,
    campaign: CampaignId,
    from: Option<Instant>,
    to: Option<Instant>,
) -> Result<()> {
    if from == to {
        return Ok(());
    }
    if let Some(at) = from {
        hourly(conn, campaign, at, "first_open", -1)?;
    }
    if let Some(at) = to {
        hourly(conn, campaign, at, "first_open", 1)?;
    }
    Ok(())
}

/// Counts a hit on its message and its campaign without storing it.
pub fn uncounted(
    conn: &Conn,
    campaign: CampaignId,
    message: MessageId,
    at: Instant,
    why: Uncounted,
) -> Result<()> {
    let (sql, name) = match why {
        Uncounted::Early => ("UPDATE message SET early = early + 1 WHERE id = ?1", "early"),
        Uncounted::Late => ("UPDATE message SET late = late + 1 WHERE id = ?1", "late"),
        Uncounted::OverCap => (
            "UPDATE message SET over_cap = over_cap + 1, last_hit_at = ?2 WHERE id = ?1",
            "over_cap",
        ),
    };
    let mut statement = conn.prepare_cached(sql)?;
    if why == Uncounted::OverCap {
        statement.execute((message.0, to_millis(at)))?;
    } else {
        statement.execute([message.0])?;
        hourly(conn, campaign, at, "outside", 1)?;
    }
    campaign_counter(conn, campaign, name)
}

/// Counts a load of a campaign's shared pixel: the hour and the class, and nothing else.
pub fn shared_load(conn: &Conn, campaign: CampaignId, at: Instant, class: HitClass) -> Result<()> {
    hourly(conn, campaign, at, &format!("shared:{class}"), 1)
}

/// Counts one more of a campaign under `name`.
pub fn campaign_counter(conn: &Conn, campaign: CampaignId, name: &str) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO campaign_counter (campaign_id, name, n) VALUES (?1, ?2, 1)
         ON CONFLICT (campaign_id, name) DO UPDATE SET n = n + 1",
    )?
    .execute((campaign.0, name))?;
    Ok(())
}

const HOUR_MS: i64 = 3_600_000;

/// Adds `n` to an hour's count; one that comes to nothing goes.
///
/// `hour` is the hour's first instant, in milliseconds as every time in the database.
fn hourly(conn: &Conn, campaign: CampaignId, at: Instant, class: &str, n: i32) -> Result<()> {
    let hour = to_millis(at).div_euclid(HOUR_MS) * HOUR_MS;
    conn.prepare_cached(
        "INSERT INTO hourly (campaign_id, hour, class, n) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (campaign_id, hour, class) DO UPDATE SET n = n + excluded.n",
    )?
    .execute((campaign.0, hour, class, n))?;
    if n < 0 {
        conn.prepare_cached(
            "DELETE FROM hourly WHERE campaign_id = ?1 AND hour = ?2 AND class = ?3 AND n = 0",
        )?
        .execute((campaign.0, hour, class))?;
    }
    Ok(())
}
