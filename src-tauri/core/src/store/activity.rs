//! `activity`: the feed of what happened.

use super::{Conn, Result};
use crate::api::ActivityKind;
use crate::clock::{Instant, to_millis};
use crate::domain::open::HitClass;
use crate::ids::{CampaignId, ContactId, MessageId};

/// A line to be added to the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewActivity {
    /// What it is about.
    pub kind: ActivityKind,
    /// A sentence without the campaign's name.
    pub text: String,
    /// For a look.
    pub class: Option<HitClass>,
    /// The campaign; its removal takes the line along.
    pub campaign: Option<CampaignId>,
    /// The message.
    pub message: Option<MessageId>,
    /// The person; their erasure takes the line along.
    pub contact: Option<ContactId>,
}

impl NewActivity {
    /// Returns a line that is about nobody in particular.
    pub fn new(kind: ActivityKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            class: None,
            campaign: None,
            message: None,
            contact: None,
        }
    }

    /// Says which campaign it is about.
    pub fn of(mut self, campaign: CampaignId) -> Self {
        self.campaign = Some(campaign);
        self
    }
}

/// Adds a line to the feed.
pub fn add(conn: &Conn, at: Instant, row: &NewActivity) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO activity (at, kind, text, class, campaign_id, message_id, contact_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        to_millis(at),
        row.kind.as_str(),
        &row.text,
        row.class.map(HitClass::as_str),
        row.campaign.map(|id| id.0),
        row.message.map(|id| id.0),
        row.contact.map(|id| id.0),
    ))?;
    Ok(())
}
