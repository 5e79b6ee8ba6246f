//! What a reader says through the link in a mail: consent, opt-out and unsubscription, over the tables that
//! remember them. Every step can be repeated and then changes nothing.

use super::suppression::{self, NewSuppression};
use super::{Conn, Result, consent_event, erasure, instant, word};
use crate::clock::{Instant, to_millis};
use crate::domain::consent::{ConsentState, ConsentWord};
use crate::domain::contact::SuppressionKind;
use crate::domain::message::{NotTrackedReason, TrackingMode};
use crate::ids::{CampaignId, ContactId, MessageId};
use crate::render::document::Document;
use crate::tracking::token::Token;
use rusqlite::OptionalExtension;

/// Where consent events come from that a reader made on the page.
const SOURCE: &str = "preference page";
/// The same where the mail had asked.
const CONSENT_SOURCE: &str = "consent page";

/// When a reader said something, as against what is known of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Just now: nothing that is known is newer.
    Now,
    /// While the database could not be written: another word may have come in since.
    Before,
}

/// The reader whose link it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The mail that the link is in.
    pub message: MessageId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// The person; `None` once erased.
    pub contact: Option<ContactId>,
    /// Where the mail went; empty once erased.
    pub email: String,
    /// The address on file, which may be another by now; empty once erased.
    pub on_file: String,
    /// The person's name, or their address where they have none; empty once erased.
    pub name: String,
    /// What the person says; `None` once erased.
    pub consent: Option<ConsentState>,
    /// How the mail is tracked.
    pub tracking: TrackingMode,
    /// Recording was ended through this mail.
    pub opted_out: bool,
    /// The address gets no mail, for whatever reason.
    pub suppressed: bool,
    /// The name that the mail came from.
    pub from_name: String,
    /// The words that the mail asks the reader to agree to; `None` where it does not ask.
    pub question: Option<String>,
    /// Under which a refusal of mail outlives the person's data.
    pub address_hash: Vec<u8>,
}

/// Finds the reader of a preference token; `None` for unknown tokens and those of test mails.
pub fn find(conn: &Conn, token: &Token) -> Result<Option<Reader>> {
    let found = conn
        .prepare_cached(
            "SELECT m.id, m.campaign_id, m.contact_id, m.email, m.tracking, m.opted_out_at, m.address_hash, m.asks,
                    p.consent, p.email AS on_file, p.first_name, p.last_name, a.from_name,
                    EXISTS (SELECT 1 FROM suppression AS s WHERE s.address_hash = m.address_hash) AS suppressed
             FROM message AS m
             JOIN campaign AS c ON c.id = m.campaign_id
             LEFT JOIN contact AS p ON p.id = m.contact_id
             LEFT JOIN account AS a ON a.id = c.account_id
             WHERE m.preference_token = ?1",
        )?
        .query_row([token.as_bytes()], |row| {
            let contact: Option<i64> = row.get("contact_id")?;
            let first: Option<String> = row.get("first_name")?;
            let last: Option<String> = row.get("last_name")?;
            let email: String = row.get("email")?;
            let name = format!("{} {}", first.unwrap_or_default(), last.unwrap_or_default());
            let from_name: Option<String> = row.get("from_name")?;
            let asks: bool = row.get("asks")?;
            let reader = Reader {
                message: MessageId(row.get("id")?),
                campaign: CampaignId(row.get("campaign_id")?),
                contact: contact.map(ContactId),
                name: match name.trim() {
                    "" => email.clone(),
                    name => name.to_owned(),
                },
                email,
                on_file: row.get::<_, Option<String>>("on_file")?.unwrap_or_default(),
                consent: match contact {
                    Some(_) => Some(word(row, "consent")?),
                    None => None,
                },
                tracking: word(row, "tracking")?,
                opted_out: instant(row, "opted_out_at")?.is_some(),
                suppressed: row.get("suppressed")?,
                from_name: from_name.unwrap_or_default(),
                question: None,
                address_hash: row.get("address_hash")?,
            };
            Ok((reader, asks))
        })
        .optional()?;
    let Some((mut reader, asks)) = found else {
        return Ok(None);
    };
    if asks && reader.contact.is_some() {
        reader.question = question(conn, reader.campaign)?;
    }
    Ok(Some(reader))
}

/// Returns the words of a campaign's question, as they stood in the mail: after launch its document is frozen.
pub fn question(conn: &Conn, campaign: CampaignId) -> Result<Option<String>> {
    let text: String = conn
        .prepare_cached("SELECT document FROM campaign WHERE id = ?1")?
        .query_row([campaign.0], |row| row.get(0))?;
    // A document that this build cannot read was sent by a newer one; the rest of the page holds without it.
    Ok(Document::parse(&text)
        .ok()
        .and_then(|document| document.question().map(|question| question.wording.to_owned())))
}

/// Ends recording for the person, and for this mail even once they are erased. Tells whether that is new.
pub fn stop_recording(conn: &Conn, reader: &Reader, at: Instant, said: Said) -> Result<bool> {
    let mut is_new = false;
    if let Some(contact) = reader.contact
        && reader.consent != Some(ConsentState::Refused)
    {
        let word = match &reader.question {
            Some(wording) => answer(ConsentState::Refused, CONSENT_SOURCE, wording)?,
            None => ConsentWord::refusal(SOURCE),
        };
        if said == Said::Before && consent_event::granted_after(conn, contact, at)? {
            consent_event::record_late_refusal(conn, contact, &word, at)?;
            return Ok(true);
        }
        consent_event::record(conn, contact, &word, at)?;
        is_new = true;
    }
    // A no to the question ends nothing of this mail, which has no pixel.
    if !reader.opted_out && reader.question.is_none() {
        conn.prepare_cached("UPDATE message SET opted_out_at = ?2 WHERE id = ?1")?
            .execute((reader.message.0, to_millis(at)))?;
        event(conn, reader.message, at, "opted_out")?;
        is_new = true;
    }
    Ok(is_new)
}

fn answer(state: ConsentState, source: &str, wording: &str) -> Result<ConsentWord> {
    ConsentWord::new(state, source, wording).map_err(|error| super::Error::Value(error.to_string()))
}

/// Records for a person who was asked, or again for one who refused, and keeps the words that they agreed to: those
/// of the mail, or `wording`. Tells whether that is new.
///
/// Where the mail did not ask, only a refusal can be taken back here: nobody else was shown the words. An erased
/// person cannot be granted anything. What was said before another refusal came in does not undo that.
pub fn allow_recording(conn: &Conn, reader: &Reader, at: Instant, wording: &str, said: Said) -> Result<bool> {
    let Some(contact) = reader.contact else {
        return Ok(false);
    };
    let was_shown = match &reader.question {
        Some(_) => reader.consent != Some(ConsentState::Granted),
        None => reader.consent == Some(ConsentState::Refused) || reader.opted_out,
    };
    if !was_shown || said == Said::Before && consent_event::refused_since(conn, contact, at)? {
        return Ok(false);
    }
    let granted = match &reader.question {
        Some(wording) => answer(ConsentState::Granted, CONSENT_SOURCE, wording)?,
        None => answer(ConsentState::Granted, SOURCE, wording)?,
    };
    consent_event::record(conn, contact, &granted, at)?;
    conn.prepare_cached(
        "UPDATE message SET opted_out_at = NULL WHERE contact_id = ?1 AND opted_out_at IS NOT NULL",
    )?
    .execute([contact.0])?;
    Ok(true)
}

/// Erases what was recorded of a person who has ended recording. `None` where they have not; else tells whether
/// there was anything.
pub fn erase_recorded(conn: &Conn, reader: &Reader, said: Said) -> Result<Option<bool>> {
    // With the person all of it was erased.
    let Some(contact) = reader.contact else {
        return Ok(Some(false));
    };
    // Who has agreed again since was still told that it would be done.
    let had_ended = reader.opted_out
        || reader.consent == Some(ConsentState::Refused)
        || said == Said::Before && consent_event::refused_since(conn, contact, Instant::UNIX_EPOCH)?;
    if !had_ended {
        return Ok(None);
    }
    erasure::erase_opens(conn, contact, NotTrackedReason::Refused).map(Some)
}

/// Keeps all mail from the reader's address. Tells whether that is new.
pub fn unsubscribe(conn: &Conn, reader: &Reader, at: Instant) -> Result<bool> {
    let was_suppressed = reader.suppressed;
    suppression::add(
        conn,
        at,
        &NewSuppression {
            address_hash: &reader.address_hash,
            kind: SuppressionKind::Unsubscribed,
            reason: "",
            message: Some(reader.message),
        },
    )?;
    let marked = conn
        .prepare_cached("UPDATE message SET unsubscribed_at = ?2 WHERE id = ?1 AND unsubscribed_at IS NULL")?
        .execute((reader.message.0, to_millis(at)))?;
    if marked > 0 {
        event(conn, reader.message, at, "unsubscribed")?;
    }
    Ok(!was_suppressed || marked > 0)
}

fn event(conn: &Conn, message: MessageId, at: Instant, kind: &str) -> Result<()> {
    conn.prepare_cached("INSERT INTO message_event (message_id, at, kind) VALUES (?1, ?2, ?3)")?
        .execute((message.0, to_millis(at), kind))?;
    Ok(())
}
