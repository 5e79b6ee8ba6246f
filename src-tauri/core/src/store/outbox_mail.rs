//! `outbox_mail`: mails kept in the workspace instead of being sent.

use super::{Conn, Result, instant};
use crate::api::OutboxRow;
use crate::clock::{Instant, to_millis};
use crate::ids::{CampaignId, MessageId, OutboxId};
use rusqlite::{OptionalExtension, Row};

/// A mail to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOutboxMail {
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// The file, relative to the workspace.
    pub path: String,
    /// Its campaign.
    pub campaign: Option<CampaignId>,
    /// Its row in the ledger.
    pub message: Option<MessageId>,
    /// A test mail.
    pub test: bool,
}

/// Adds a mail. One that has the same file is replaced: a mail that was requeued is written again.
pub fn add(conn: &Conn, at: Instant, mail: &NewOutboxMail) -> Result<OutboxId> {
    Ok(conn
        .prepare_cached(
            "INSERT INTO outbox_mail (at, to_address, subject, path, campaign_id, message_id, test)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (path) DO UPDATE
             SET at = excluded.at, to_address = excluded.to_address, subject = excluded.subject
             RETURNING id",
        )?
        .query_row(
            (
                to_millis(at),
                &mail.to,
                &mail.subject,
                &mail.path,
                mail.campaign.map(|id| id.0),
                mail.message.map(|id| id.0),
                mail.test,
            ),
            |row| row.get(0).map(OutboxId),
        )?)
}

/// Returns the files of all mails, relative to the workspace.
pub fn paths(conn: &Conn) -> Result<Vec<String>> {
    let mut statement = conn.prepare("SELECT path FROM outbox_mail")?;
    let paths = statement.query_map([], |row| row.get(0))?;
    Ok(paths.collect::<rusqlite::Result<_>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    Ok(OutboxRow {
        id: OutboxId(row.get("id")?),
        at: instant(row, "at")?.unwrap_or_default(),
        to: row.get("to_address")?,
        subject: row.get("subject")?,
        campaign: row.get::<_, Option<i64>>("campaign_id")?.map(CampaignId),
        test: row.get("test")?,
        path: row.get("path")?,
    })
}

/// Which mails of the outbox are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this campaign.
    pub campaign: Option<CampaignId>,
    /// Part of an address or subject; empty for all.
    pub search: String,
}

const WHERE: &str = "WHERE (?1 IS NULL OR campaign_id = ?1)
      AND (?2 = '' OR instr(lower(to_address), ?2) > 0 OR instr(lower(subject), ?2) > 0)";

/// Returns how many mails match.
pub fn count(conn: &Conn, filter: &Filter) -> Result<u32> {
    Ok(conn
        .prepare_cached(&format!("SELECT count(*) FROM outbox_mail {WHERE}"))?
        .query_row(
            (filter.campaign.map(|id| id.0), filter.search.to_lowercase()),
            |row| row.get(0),
        )?)
}

/// Returns a page of the mails that match, newest first.
pub fn list(conn: &Conn, filter: &Filter, offset: u32, limit: u32) -> Result<Vec<OutboxRow>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT id, at, to_address, subject, path, campaign_id, test FROM outbox_mail {WHERE}
         ORDER BY id DESC LIMIT ?3 OFFSET ?4"
    ))?;
    let rows = statement.query_map(
        (
            filter.campaign.map(|id| id.0),
            filter.search.to_lowercase(),
            limit,
            offset,
        ),
        read,
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns a mail, or `None` where there is none with this id.
pub fn find(conn: &Conn, id: OutboxId) -> Result<Option<OutboxRow>> {
    Ok(conn
        .prepare_cached(
            "SELECT id, at, to_address, subject, path, campaign_id, test FROM outbox_mail WHERE id = ?1",
        )?
        .query_row([id.0], read)
        .optional()?)
}
