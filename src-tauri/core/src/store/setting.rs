//! `setting`: named JSON values of the workspace.

use super::{Conn, Result};
use crate::clock::Instant;
use rusqlite::OptionalExtension;
use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// Marks a database as a copy that was made at an instant; only ever called for the copy.
pub fn set_copied_at(conn: &Conn, at: Instant) -> Result<()> {
    set(conn, COPIED_AT, &at)
}

/// Returns when the copy was made of which this database was brought back.
pub fn copied_at(conn: &Conn) -> Result<Option<Instant>> {
    get(conn, COPIED_AT)
}

/// Forgets that this database was a copy.
pub fn forget_copied_at(conn: &Conn) -> Result<()> {
    conn.prepare_cached("DELETE FROM setting WHERE key = ?1")?
        .execute([COPIED_AT])?;
    Ok(())
}

const COPIED_AT: &str = "copied_at";

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
