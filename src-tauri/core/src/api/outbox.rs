//! The embedded outbox: mails kept in the workspace, opened as a reader would.

use super::data;
use crate::clock::Instant;
use crate::ids::{CampaignId, OutboxId};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

data! {
    /// Asks for a page of the outbox. Provides `outbox`.
    pub struct OutboxList {
        /// Only of this campaign.
        #[serde(default)] #[ts(optional)]
        pub campaign: Option<CampaignId>,
        /// Part of an address or subject.
        #[serde(default)]
        pub search: String,
        /// Rows to skip.
        #[serde(default)]
        pub offset: u32,
        /// At most 500; 0 means 100.
        #[serde(default)]
        pub limit: u32,
    }

    /// A page of the outbox.
    pub struct OutboxListResponse {
        /// How many match in all.
        pub total: u32,
        /// Newest first.
        pub mails: Vec<OutboxRow>,
    }

    /// A mail in the outbox.
    pub struct OutboxRow {
        /// Its id.
        pub id: OutboxId,
        /// When it was "sent".
        pub at: Instant,
        /// To whom.
        pub to: String,
        /// Its subject.
        pub subject: String,
        /// Its campaign; `null` for other mails.
        pub campaign: Option<CampaignId>,
        /// A test mail: never tracked.
        pub test: bool,
        /// The file.
        pub path: String,
    }

    /// Asks for one mail of the outbox. Provides `outbox`.
    pub struct OutboxGet {
        /// Which.
        pub id: OutboxId,
    }

    /// One mail of the outbox.
    pub struct OutboxMail {
        /// As in the list.
        pub row: OutboxRow,
        /// `Name <address>`.
        pub from: String,
        /// The HTML part without its remote pictures. To be shown in a sandboxed frame only.
        pub html: String,
        /// The text part.
        pub text: String,
        /// Header fields in order, decoded.
        pub headers: Vec<[String; 2]>,
        /// The pixel's address in the mail; `null` where there is none.
        pub pixel: Option<String>,
        /// Attached files.
        pub files: Vec<OutboxFile>,
    }

    /// A file attached to a mail.
    pub struct OutboxFile {
        /// Its name.
        pub name: String,
        /// In bytes.
        pub size: u64,
    }

    /// Opens a mail as a reader would: the core fetches its pixel as the chosen client. Announces `opens`.
    pub struct OutboxOpenAs {
        /// Which.
        pub id: OutboxId,
        /// As what.
        pub client: ReaderClient,
    }

    /// What the fetch came to.
    pub struct OutboxOpenAsResponse {
        /// HTTP status; `null` where the mail has no pixel.
        pub status: Option<u16>,
        /// One sentence: what happened, and how it will be counted.
        pub sentence: String,
    }
}

/// A mail client that the outbox can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ReaderClient {
    /// Gmail shows the mail: its image proxy asks.
    Gmail,
    /// Gmail fetches the picture in advance.
    GmailPrefetch,
    /// An iPhone whose owner looks, Mail privacy protection off.
    Iphone,
    /// Apple Mail privacy protection fetches in advance.
    ApplePrivacy,
    /// Outlook on Windows.
    Outlook,
    /// A security scanner that names itself.
    Scanner,
}
