//! What comes back: finds the mail of ours that a bounce or complaint is about, and marks it. Over `message`.
//!
//! The ledger's state stays as it is: the server had accepted the mail, and rates go by that.

use super::{Conn, Result};
use crate::clock::{Instant, to_millis};
use crate::ids::{CampaignId, ContactId, MessageId};
use crate::render::mime::message_id_hash;
use crate::tracking::token::Token;
use rusqlite::OptionalExtension;
use std::collections::HashMap;

/// A mail of ours that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The row.
    pub message: MessageId,
    /// Its campaign's name.
    pub campaign: String,
    /// The person; `None` once erased.
    pub contact: Option<ContactId>,
    /// Where it went; empty once erased.
    pub email: String,
    /// The address's keyed hash.
    pub address_hash: Vec<u8>,
    /// It is known to have come back.
    pub bounced: bool,
    /// It is known to have come back because the address is no good.
    pub gone: bool,
    /// It is known to have been reported as unwanted.
    pub complained: bool,
    /// Its reader unsubscribed through it.
    pub unsubscribed: bool,
}

/// Returns a mail that was handed to a server; `None` where it never was.
pub fn sent(conn: &Conn, id: MessageId) -> Result<Option<Sent>> {
    Ok(conn
        .prepare_cached(
            "SELECT m.id, c.name, m.contact_id, m.email, m.address_hash, m.bounced_at IS NOT NULL AS bounced,
                    m.address_gone AS gone, m.complained_at IS NOT NULL AS complained, m.unsubscribed_at IS NOT NULL AS unsubscribed
             FROM message AS m JOIN campaign AS c ON c.id = m.campaign_id
             WHERE m.id = ?1 AND m.handing_over_at IS NOT NULL",
        )?
        .query_row([id.0], |row| {
            Ok(Sent {
                message: MessageId(row.get("id")?),
                campaign: row.get("name")?,
                contact: row.get::<_, Option<i64>>("contact_id")?.map(ContactId),
                email: row.get("email")?,
                address_hash: row.get("address_hash")?,
                bounced: row.get("bounced")?,
                gone: row.get("gone")?,
                complained: row.get("complained")?,
                unsubscribed: row.get("unsubscribed")?,
            })
        })
        .optional()?)
}

/// Returns the mail with this preference token.
pub fn by_token(conn: &Conn, token: &Token) -> Result<Option<MessageId>> {
    Ok(conn
        .prepare_cached("SELECT id FROM message WHERE preference_token = ?1")?
        .query_row([token.as_bytes()], |row| row.get(0).map(MessageId))
        .optional()?)
}

/// Returns the mails of a campaign by the hash in their Message-ID.
///
/// The hash is made from the token and stands in no column: a bounce seldom comes without the token beside it.
/// 200,000 mails take 10 MB.
pub fn by_message_id(conn: &Conn, campaign: CampaignId) -> Result<HashMap<u128, MessageId>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, preference_token FROM message WHERE campaign_id = ?1 AND handing_over_at IS NOT NULL",
    )?;
    let mut rows = statement.query([campaign.0])?;
    let mut found = HashMap::new();
    while let Some(row) = rows.next()? {
        let token: Vec<u8> = row.get("preference_token")?;
        let hash = Token::from_bytes(&token).map(|token| u128::from_str_radix(&message_id_hash(&token), 16));
        if let Some(Ok(hash)) = hash {
            found.insert(hash, MessageId(row.get("id")?));
        }
    }
    Ok(found)
}

/// Tells whether a mail of ours ever went to an address.
pub fn was_mailed(conn: &Conn, address_hash: &[u8]) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM message WHERE address_hash = ?1 AND handing_over_at IS NOT NULL)",
        )?
        .query_row([address_hash], |row| row.get(0))?)
}

/// Notes that a mail came back because its address is no good, with the server's words; of an erased person without
/// them, which name the address.
pub fn mark_gone(conn: &Conn, sent: &Sent, at: Instant, words: &str) -> Result<()> {
    conn.prepare_cached(
        "UPDATE message SET bounced_at = coalesce(bounced_at, ?2), address_gone = 1 WHERE id = ?1",
    )?
    .execute((sent.message.0, to_millis(at)))?;
    event(conn, sent, at, "bounced", words)
}

/// As [`mark_gone`], for a mail that was refused for what it is or who sent it.
pub fn mark_refused(conn: &Conn, sent: &Sent, at: Instant, words: &str) -> Result<()> {
    conn.prepare_cached("UPDATE message SET bounced_at = ?2 WHERE id = ?1 AND bounced_at IS NULL")?
        .execute((sent.message.0, to_millis(at)))?;
    event(conn, sent, at, "bounced", words)
}

/// Notes that a mail was reported as unwanted.
pub fn mark_complained(conn: &Conn, sent: &Sent, at: Instant) -> Result<()> {
    conn.prepare_cached("UPDATE message SET complained_at = ?2 WHERE id = ?1 AND complained_at IS NULL")?
        .execute((sent.message.0, to_millis(at)))?;
    event(conn, sent, at, "complained", "")
}

fn event(conn: &Conn, sent: &Sent, at: Instant, kind: &str, words: &str) -> Result<()> {
    let words = match sent.contact {
        Some(_) => words,
        None => "",
    };
    conn.prepare_cached("INSERT INTO message_event (message_id, at, kind, reply) VALUES (?1, ?2, ?3, ?4)")?
        .execute((sent.message.0, to_millis(at), kind, words))?;
    Ok(())
}

/// Returns how many mails of a campaign came back later, and how many were reported as unwanted.
pub fn counts(conn: &Conn, campaign: CampaignId) -> Result<(u32, u32)> {
    let count = |sql: &str| {
        conn.prepare_cached(sql)?
            .query_row([campaign.0], |row| row.get(0))
    };
    Ok((
        count("SELECT count(*) FROM message WHERE campaign_id = ?1 AND bounced_at IS NOT NULL")?,
        count("SELECT count(*) FROM message WHERE campaign_id = ?1 AND complained_at IS NOT NULL")?,
    ))
}
