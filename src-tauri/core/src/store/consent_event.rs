//! `consent_event`: what a person said about tracking, only ever added to.

use super::{Conn, Result, instant, word};
use crate::api::ConsentEvent;
use crate::clock::{Instant, to_millis};
use crate::domain::consent::ConsentWord;
use crate::ids::ContactId;

/// Records a word and makes it the one that holds; nothing happens where there is no such contact.
///
/// The contact's revision rises: a mail that was audited before is audited again, since its pixel may have to go.
pub fn record(conn: &Conn, contact: ContactId, word: &ConsentWord, at: Instant) -> Result<()> {
    let known = conn
        .prepare_cached("UPDATE contact SET consent = ?2, revision = revision + 1 WHERE id = ?1")?
        .execute((contact.0, word.state().as_str()))?;
    if known > 0 {
        append(conn, contact, word, at)?;
    }
    Ok(())
}

/// Adds a word to the history of a contact whose row holds it already.
pub(super) fn append(conn: &Conn, contact: ContactId, word: &ConsentWord, at: Instant) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO consent_event (contact_id, state, at, source, wording) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        contact.0,
        word.state().as_str(),
        to_millis(at),
        word.source(),
        word.wording(),
    ))?;
    Ok(())
}

/// Returns every word of a contact, newest first.
pub fn history(conn: &Conn, contact: ContactId) -> Result<Vec<ConsentEvent>> {
    let mut statement = conn.prepare_cached(
        "SELECT state, at, source, wording FROM consent_event WHERE contact_id = ?1 ORDER BY id DESC",
    )?;
    let rows = statement.query_map([contact.0], |row| {
        Ok(ConsentEvent {
            state: word(row, "state")?,
            at: instant(row, "at")?.unwrap_or_default(),
            source: row.get("source")?,
            wording: row.get("wording")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
