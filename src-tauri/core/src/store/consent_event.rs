//! `consent_event`: what a person said about tracking, only ever added to.

use super::{Conn, Result, instant, word};
use crate::api::ConsentEvent;
use crate::clock::{Instant, from_millis, to_millis};
use crate::domain::consent::{ConsentState, ConsentWord};
use crate::ids::{ContactId, MessageId};
use rusqlite::OptionalExtension;

/// The source of refusals that a reader's browser sent with a request (DNT, GPC).
pub const BROWSER_SIGNAL: &str = "browser signal";

const DAY_MS: i64 = 86_400_000;

/// Records a word and makes it the one that holds; nothing happens where there is no such contact.
///
/// The contact's revision rises: a mail that was audited before is audited again, since its pixel may have to go.
/// A refusal, by whatever way it came, destroys the pixels' tokens of all mails to the person for good: every way comes
/// through here, so no other place has to remember it.
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

/// Records a refusal of `at` that is heard of only after the person has agreed again: that consent goes on to hold, and
/// is written behind it once more, so that the history ends with what holds. The mails of before `at` stay ended.
pub(super) fn record_late_refusal(
    conn: &Conn,
    contact: ContactId,
    refusal: &ConsentWord,
    at: Instant,
) -> Result<()> {
    append(conn, contact, refusal, at)?;
    conn.prepare_cached(
        "INSERT INTO consent_event (contact_id, state, at, source, wording)
         SELECT contact_id, state, at, source, wording FROM consent_event
         WHERE contact_id = ?1 AND state = 'granted' ORDER BY id DESC LIMIT 1",
    )?
    .execute([contact.0])?;
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

/// Notes that the server took a mail to the person, or may have taken it, where it asks: for six months nobody asks
/// them again. A practice mail keeps other practice mails from asking, and no real one: it has reached nobody.
pub(super) fn note_asked(conn: &Conn, id: MessageId, now: Instant) -> Result<()> {
    conn.prepare_cached(
        "UPDATE contact
         SET asked_at = iif(m.practice, asked_at, max(coalesce(asked_at, ?2), ?2)),
             asked_practice_at = iif(m.practice, max(coalesce(asked_practice_at, ?2), ?2), asked_practice_at)
         FROM (SELECT contact_id, practice FROM message JOIN campaign ON campaign.id = message.campaign_id
               WHERE message.id = ?1 AND asks = 1) AS m
         WHERE contact.id = m.contact_id",
    )?
    .execute((id.0, to_millis(now)))?;
    Ok(())
}

/// Returns when a contact was asked last, as SQL: `practice` tells whether practice mails count, too.
pub(super) fn asked_sql(contact: &str, practice: &str) -> String {
    format!(
        "iif({practice}, max(coalesce({contact}.asked_at, {contact}.asked_practice_at),
                             coalesce({contact}.asked_practice_at, {contact}.asked_at)), {contact}.asked_at)"
    )
}

/// When a person was asked for consent to tracking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// By a real mail, last.
    pub at: Option<Instant>,
    /// By a practice mail, last.
    pub practice_at: Option<Instant>,
}

impl Asked {
    /// Returns the later of both.
    pub fn last(self) -> Option<Instant> {
        self.at.max(self.practice_at)
    }
}

/// Returns when a contact was asked; never, where there is none.
pub fn asked(conn: &Conn, contact: ContactId) -> Result<Asked> {
    Ok(conn
        .prepare_cached("SELECT asked_at, asked_practice_at FROM contact WHERE id = ?1")?
        .query_row([contact.0], |row| {
            Ok(Asked {
                at: instant(row, "asked_at")?,
                practice_at: instant(row, "asked_practice_at")?,
            })
        })
        .optional()?
        .unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Audience;
    use crate::ids::{CampaignId, ListId};
    use crate::store::db::testing;
    use crate::store::message::{self, Outcome};

    #[test]
    fn a_practice_mail_that_asks_keeps_no_real_one_from_asking() {
        let conn = testing::memory();
        conn.execute_batch(
            "INSERT INTO contact (id, email, email_key, created_at) VALUES (1, 'ana@example.org', 'ana@example.org', 0);
             INSERT INTO list (id, name, created_at) VALUES (1, 'Members', 0);
             INSERT INTO list_member VALUES (1, 1);
             INSERT INTO campaign (id, name, document, created_at, updated_at, practice)
             VALUES (1, 'Practice', '{}', 0, 0, 1), (2, 'Real', '{}', 0, 0, 0);
             INSERT INTO message (id, campaign_id, contact_id, email, address_hash, state, tracking, not_tracked,
               preference_token, asks)
             VALUES (1, 1, 1, 'ana@example.org', x'01', 'handing_over', 'none', 'asks_consent', x'a1', 1),
                    (2, 2, 1, 'ana@example.org', x'01', 'handing_over', 'none', 'asks_consent', x'a2', 1);",
        )
        .unwrap();
        let audience = Audience {
            include: vec![ListId(1)],
            exclude: Vec::new(),
        };
        let asked_for = |campaign| {
            let people = message::candidates(
                &conn,
                &audience,
                ContactId(0),
                from_millis(0),
                9,
                CampaignId(campaign),
            );
            people.unwrap()[0].asked_at
        };
        let accept = |id, at| {
            let outcome = Outcome::Accepted { reply: "250".into() };
            assert!(message::settle(&conn, MessageId(id), from_millis(at), &outcome).unwrap());
        };
        accept(1, 5_000);
        assert_eq!((asked_for(1), asked_for(2)), (Some(from_millis(5_000)), None));
        accept(2, 4_000);
        assert_eq!(
            (asked_for(1), asked_for(2)),
            (Some(from_millis(5_000)), Some(from_millis(4_000)))
        );
        let found = asked(&conn, ContactId(1)).unwrap();
        assert_eq!(
            (found.at, found.last()),
            (Some(from_millis(4_000)), Some(from_millis(5_000)))
        );
        assert_eq!(asked(&conn, ContactId(2)).unwrap(), Asked::default());
    }
}
