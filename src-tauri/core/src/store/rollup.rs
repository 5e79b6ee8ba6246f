//! The counts that are kept with every hit, in its own transaction, so that no report scans hits: the rollup
//! columns of `message`, and the tables `hourly` and `campaign_counter`.
//!
//! Invariants that `verify` can check, for every message: `hits` and `machine_hits` are the numbers of its rows
//! in `hit`, `looks` those with `new_look` and a human class, `first_open_at` the earliest human one; and
//! `early`, `late` and `over_cap` of a campaign's messages add up to its counters.

use super::{Conn, Result};
use crate::clock::{Instant, to_millis};
use crate::domain::open::{HitClass, Signal};
use crate::ids::{CampaignId, MessageId};

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
    /// The message had no human hit before.
    pub first_open: bool,
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
        hit.first_open,
        to_millis(hit.at),
    ))?;
    if hit.new_look {
        hourly(conn, campaign, hit.at, hit.class.as_str())?;
    }
    if hit.first_open {
        hourly(conn, campaign, hit.at, "first_open")?;
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
        hourly(conn, campaign, at, "outside")?;
    }
    campaign_counter(conn, campaign, name)
}

/// Counts a load of a campaign's shared pixel: the hour and the class, and nothing else.
pub fn shared_load(conn: &Conn, campaign: CampaignId, at: Instant, class: HitClass) -> Result<()> {
    hourly(conn, campaign, at, &format!("shared:{class}"))
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

/// `hour` is the hour's first instant, in milliseconds as every time in the database.
fn hourly(conn: &Conn, campaign: CampaignId, at: Instant, class: &str) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO hourly (campaign_id, hour, class, n) VALUES (?1, ?2, ?3, 1)
         ON CONFLICT (campaign_id, hour, class) DO UPDATE SET n = n + 1",
    )?
    .execute((campaign.0, to_millis(at).div_euclid(HOUR_MS) * HOUR_MS, class))?;
    Ok(())
}
