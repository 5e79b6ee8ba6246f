//! `consent_event`: what a person said about tracking, only ever added to.

use super::{Conn, Result, instant, word};
use crate::api::ConsentEvent;
use crate::clock::{Instant, from_millis, to_millis};
use crate::domain::consent::{ConsentState, ConsentWord};
use crate::ids::{ContactId, MessageId};

/// The source of refusals that a reader's browser sent with a request (DNT, GPC).
pub const BROWSER_SIGNAL: &str = "browser signal";

const DAY_MS: i64 = 86_400_000;

/// Records a word and makes it the one that holds; nothing happens where there is no such contact.
///
/// The contact's revision rises: a mail that was audited before is audited again, since its pixel may have to go.
/// A refusal, by whatever way it came, destroys the pixels' tokens of all mails to the person for good: this is the
/// only place that does so, and every way comes through here.
pub fn record(conn: &Conn, contact: ContactId, word: &ConsentWord, at: Instant) -> Result<()> {
    let known = conn
        .prepare_cached("UPDATE contact SET consent = ?2, revision = revision + 1 WHERE id = ?1")?
        .execute((contact.0, word.state().as_str()))?;
    if known > 0 {
        append(conn, contact, word, at)?;
        if word.state() == ConsentState::Refused {
            conn.prepare_cached("UPDATE message SET pixel_token = NULL WHERE contact_id = ?1")?
                .execute([contact.0])?;
        }
    }
    Ok(())
}

/// Records a refusal that a reader's browser sent at `at`, of which only the day is kept.
///
/// Nothing happens where the person has refused, or has agreed after `at`. Tells whether something did.
pub fn refuse_by_signal(conn: &Conn, contact: ContactId, at: Instant) -> Result<bool> {
    let held = super::contact::consent(conn, contact)?;
    if held.is_none_or(|held| held == ConsentState::Refused) || granted_after(conn, contact, at)? {
        return Ok(false);
    }
    let millis = to_millis(at);
    let day = from_millis(millis - millis.rem_euclid(DAY_MS));
    record(conn, contact, &ConsentWord::refusal(BROWSER_SIGNAL), day)?;
    Ok(true)
}

/// Ends the tracking of mails of before `at`, at which the person refused, though they have agreed again since.
pub(super) fn destroy_tokens_until(conn: &Conn, contact: ContactId, at: Instant) -> Result<()> {
    conn.prepare_cached(
        "UPDATE message SET pixel_token = NULL WHERE contact_id = ?1 AND coalesce(handing_over_at, 0) <= ?2",
    )?
    .execute((contact.0, to_millis(at)))?;
    Ok(())
}

/// Tells whether the person has refused at `at` or since. A day that a browser sent counts to its end.
pub(super) fn refused_since(conn: &Conn, contact: ContactId, at: Instant) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM consent_event
                            WHERE contact_id = ?1 AND state = 'refused'
                              AND (at >= ?2 OR source = ?3 AND at + ?4 > ?2))",
        )?
        .query_row((contact.0, to_millis(at), BROWSER_SIGNAL, DAY_MS), |row| {
            row.get(0)
        })?)
}

/// Tells whether the person has agreed after `at`.
pub(super) fn granted_after(conn: &Conn, contact: ContactId, at: Instant) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM consent_event
                            WHERE contact_id = ?1 AND state = 'granted' AND at > ?2)",
        )?
        .query_row((contact.0, to_millis(at)), |row| row.get(0))?)
}

/// Notes that the server took a mail to the person, or may have taken it, where it asks: for six months nobody asks them again.
pub(super) fn note_asked(conn: &Conn, id: MessageId, now: Instant) -> Result<()> {
    conn.prepare_cached(
        "UPDATE contact SET asked_at = max(coalesce(asked_at, ?2), ?2)
         WHERE id = (SELECT contact_id FROM message WHERE id = ?1 AND asks = 1)",
    )?
    .execute((id.0, to_millis(now)))?;
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
