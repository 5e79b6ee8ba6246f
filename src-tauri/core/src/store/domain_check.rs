//! `domain_check`: the last check of a sender's domain.

use super::{Conn, Result};
use crate::api::{CheckFinding, DomainChecked};
use crate::clock::{from_millis, to_millis};
use crate::deliverability;
use rusqlite::OptionalExtension;

/// Keeps a result in place of the one before.
pub fn put(conn: &Conn, checked: &DomainChecked) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO domain_check (domain, at, findings) VALUES (?1, ?2, ?3)
         ON CONFLICT (domain) DO UPDATE SET at = excluded.at, findings = excluded.findings",
    )?
    .execute((
        &checked.domain,
        to_millis(checked.at),
        serde_json::to_string(&checked.findings)?,
    ))?;
    Ok(())
}

/// Returns the last result for a domain.
pub fn get(conn: &Conn, domain: &str) -> Result<Option<DomainChecked>> {
    let row: Option<(i64, String)> = conn
        .prepare_cached("SELECT at, findings FROM domain_check WHERE domain = ?1")?
        .query_row([domain], |row| Ok((row.get("at")?, row.get("findings")?)))
        .optional()?;
    row.map(|(at, findings)| {
        let findings: Vec<CheckFinding> = serde_json::from_str(&findings)?;
        Ok(DomainChecked {
            domain: domain.to_owned(),
            at: from_millis(at),
            severity: deliverability::worst(&findings),
            findings,
        })
    })
    .transpose()
}
