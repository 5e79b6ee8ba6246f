//! `setting`: named JSON values of the workspace.

use super::{Conn, Result};
use crate::clock::Instant;
use crate::ids::CampaignId;
use rusqlite::OptionalExtension;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Returns the value called `key`, or `None` where it was never set.
pub fn get<T: DeserializeOwned>(conn: &Conn, key: &str) -> Result<Option<T>> {
    let text: Option<String> = conn
        .prepare_cached("SELECT value FROM setting WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// Sets the value called `key`.
pub fn set<T: Serialize>(conn: &Conn, key: &str, value: &T) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO setting (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )?
    .execute((key, serde_json::to_string(value)?))?;
    Ok(())
}

/// What a copy of the database knows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// When it was made.
    pub at: Instant,
    /// Its owner went on with it at another place, and nothing was sent at the old one from then on.
    pub is_move: bool,
    /// Campaigns of which all is known that happened since: the workspace that it replaced told.
    pub known: Vec<CampaignId>,
}

impl Copied {
    /// Of a copy made at `at`, which knows of nothing since.
    pub fn of(at: Instant, is_move: bool) -> Self {
        Self {
            at,
            is_move,
            known: Vec::new(),
        }
    }
}

/// Marks a database as a copy; only ever called for the copy.
pub fn set_copied(conn: &Conn, copied: &Copied) -> Result<()> {
    set(conn, COPIED, copied)
}

/// Returns what the copy knew of itself of which this database was brought back; `None` where it is no copy.
pub fn copied(conn: &Conn) -> Result<Option<Copied>> {
    get(conn, COPIED)
}

/// Forgets that this database was a copy.
pub fn forget_copied(conn: &Conn) -> Result<()> {
    conn.prepare_cached("DELETE FROM setting WHERE key = ?1")?
        .execute([COPIED])?;
    Ok(())
}

const COPIED: &str = "copied";

/// Returns the key under which addresses are hashed; made when the workspace was.
pub fn workspace_key(conn: &Conn) -> Result<[u8; 32]> {
    let text: Option<String> = get(conn, WORKSPACE_KEY)?;
    text.and_then(|text| {
        data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .ok()?
            .try_into()
            .ok()
    })
    .ok_or_else(|| super::Error::Value("the workspace's key is missing".into()))
}

/// Makes the workspace's key where there is none yet.
pub fn ensure_workspace_key(conn: &Conn, fresh: &[u8; 32]) -> Result<()> {
    if get::<String>(conn, WORKSPACE_KEY)?.is_none() {
        set(conn, WORKSPACE_KEY, &data_encoding::HEXLOWER.encode(fresh))?;
    }
    Ok(())
}

/// Gives the workspace another key; only for one that is about to be copied into the key's owner.
pub fn replace_workspace_key(conn: &Conn, key: &[u8; 32]) -> Result<()> {
    set(conn, WORKSPACE_KEY, &data_encoding::HEXLOWER.encode(key))
}

const WORKSPACE_KEY: &str = "workspace_key";

/// How much a workspace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Accounts.
    pub accounts: u32,
    /// Contacts.
    pub contacts: u32,
    /// Campaigns.
    pub campaigns: u32,
    /// Rows that are marked as sample data: accounts, contacts, lists, campaigns.
    pub sample: u32,
}

/// Counts what the workspace holds.
pub fn counts(conn: &Conn) -> Result<Counts> {
    Ok(conn
        .prepare_cached(
            "SELECT (SELECT count(*) FROM account), (SELECT count(*) FROM contact), (SELECT count(*) FROM campaign),
                    (SELECT count(*) FROM account WHERE sample) + (SELECT count(*) FROM contact WHERE sample)
                  + (SELECT count(*) FROM list WHERE sample) + (SELECT count(*) FROM campaign WHERE sample)",
        )?
        .query_row([], |row| {
            Ok(Counts { accounts: row.get(0)?, contacts: row.get(1)?, campaigns: row.get(2)?, sample: row.get(3)? })
        })?)
}
