//! What a reader says through the link in a mail: consent, opt-out and unsubscription, over the tables that
//! remember them. Every step can be repeated and then changes nothing.

use super::suppression::{self, NewSuppression};
use super::{Conn, Result, consent_event, instant, word};
use crate::clock::{Instant, to_millis};
use crate::domain::consent::{ConsentState, ConsentWord};
use crate::domain::contact::SuppressionKind;
use crate::domain::message::TrackingMode;
use crate::ids::{CampaignId, ContactId, MessageId};
use crate::tracking::token::Token;
use rusqlite::OptionalExtension;

/// Where consent events come from that a reader made on the page.
const SOURCE: &str = "preference page";

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
    /// Under which a refusal of mail outlives the person's data.
    pub address_hash: Vec<u8>,
}

/// Finds the reader of a preference token; `None` for unknown tokens and those of test mails.
pub fn find(conn: &Conn, token: &Token) -> Result<Option<Reader>> {
    Ok(conn
        .prepare_cached(
            "SELECT m.id, m.campaign_id, m.contact_id, m.email, m.tracking, m.opted_out_at, m.address_hash,
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
            Ok(Reader {
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
                address_hash: row.get("address_hash")?,
            })
        })
        .optional()?)
}

/// Ends recording for the person, and for this mail even once they are erased. Tells whether that is new.
pub fn stop_recording(conn: &Conn, reader: &Reader, at: Instant) -> Result<bool> {
    let mut is_new = false;
    if let Some(contact) = reader.contact
        && reader.consent != Some(ConsentState::Refused)
    {
        consent_event::record(conn, contact, &ConsentWord::refusal(SOURCE), at)?;
        is_new = true;
    }
    if !reader.opted_out {
        conn.prepare_cached("UPDATE message SET opted_out_at = ?2 WHERE id = ?1")?
            .execute((reader.message.0, to_millis(at)))?;
        event(conn, reader.message, at, "opted_out")?;
        is_new = true;
    }
    Ok(is_new)
}

/// Records again for a person who refused, and keeps the words that they agreed to. Tells whether that is new.
///
/// Only a refusal can be taken back here: nobody else was shown the words. An erased person cannot be granted
/// anything.
pub fn allow_recording(conn: &Conn, reader: &Reader, at: Instant, wording: &str) -> Result<bool> {
    let Some(contact) = reader.contact else {
        return Ok(false);
    };
    if reader.consent != Some(ConsentState::Refused) && !reader.opted_out {
        return Ok(false);
    }
    let granted = ConsentWord::new(ConsentState::Granted, SOURCE, wording)
        .map_err(|error| super::Error::Value(error.to_string()))?;
    consent_event::record(conn, contact, &granted, at)?;
    conn.prepare_cached(
        "UPDATE message SET opted_out_at = NULL WHERE contact_id = ?1 AND opted_out_at IS NOT NULL",
    )?
    .execute([contact.0])?;
    Ok(true)
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
