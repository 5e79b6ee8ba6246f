//! After sending: what failed, what nobody knows of, and who joined the audience since.

use super::{Preflight, data};
use crate::clock::Instant;
use crate::domain::message::MessageState;
use crate::ids::{CampaignId, ContactId, JobId, MessageId};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

data! {
    /// Asks for a campaign's mails that were not accepted: refused, given up, or uncertain. Provides `campaigns`,
    /// `contacts`.
    pub struct CampaignTroubles {
        /// Which.
        pub id: CampaignId,
    }

    /// Mails that were not accepted.
    pub struct CampaignTroublesResponse {
        /// Mails that failed: the first 500, those that may work next time at the head.
        pub failed: Vec<Trouble>,
        /// How many failed, and how many of these may work next time.
        pub failed_total: u32,
        /// See `failed_total`.
        pub temporary_total: u32,
        /// Mails of which nobody knows whether they left, without those that the user leaves as they are: the first 500.
        pub uncertain: Vec<Trouble>,
        /// How many are uncertain, and how many are left as they are.
        pub uncertain_total: u32,
        /// See `uncertain_total`.
        pub left_total: u32,
        /// Why none of them can be sent again, as a sentence; `null` where they can.
        pub blocked: Option<String>,
    }

    /// A mail that was not accepted.
    pub struct Trouble {
        /// The mail.
        pub message: MessageId,
        /// To whom; `null` once the person is erased.
        pub contact: Option<ContactId>,
        /// Their name, or their address.
        pub label: String,
        /// Their address.
        pub email: String,
        /// `rejected`, `skipped` (it could not be made) or `uncertain`.
        pub state: MessageState,
        /// The server's words, or what happened.
        pub reply: String,
        /// When that was.
        pub at: Option<Instant>,
        /// It was given up after attempts that might have worked: another one may.
        pub temporary: bool,
        /// It cannot be sent again: the person was erased, or this address gets no mail any more.
        pub stopped: bool,
    }

    /// Sends mails again that failed. Announces `campaigns`, `activity`.
    ///
    /// Never one that is uncertain, or to somebody who gets no mail any more. A finished campaign runs again.
    pub struct CampaignRetry {
        /// Which.
        pub id: CampaignId,
        /// These; missing takes all that may work next time.
        #[serde(default)] #[ts(optional)]
        pub messages: Option<Vec<MessageId>>,
    }

    /// How many mails a command put into the queue or settled.
    pub struct Touched {
        /// How many.
        pub count: u32,
    }

    /// Says what is to become of mails of which nobody knows whether they left. Announces `campaigns`, `opens`,
    /// `activity`.
    pub struct MessageResolve {
        /// Of which campaign.
        pub id: CampaignId,
        /// These; missing takes all that are not left as they are already.
        #[serde(default)] #[ts(optional)]
        pub messages: Option<Vec<MessageId>>,
        /// What is to become of them.
        pub how: Resolution,
    }

    /// Asks who joined the audience since, and for the mails that are prepared for them. Provides `campaigns`,
    /// `contacts`, `lists`.
    pub struct CampaignFollowUp {
        /// Which.
        pub id: CampaignId,
    }

    /// Who joined the audience since.
    pub struct CampaignFollowUpResponse {
        /// People of the audience that are not in the ledger.
        pub new_people: u32,
        /// Mails to them are being prepared or thrown away; until that is over nothing else can be done.
        pub busy: bool,
        /// The job that prepares them; `null` where none is at work.
        pub job: Option<JobId>,
        /// What their preparation found; `null` where none is prepared.
        pub prepared: Option<Preflight>,
        /// Why it cannot be sent to them, as a sentence; `null` where it can.
        pub blocked: Option<String>,
    }

    /// Prepares the mails to people who joined the audience since, and audits each. A job whose result is a
    /// [`Preflight`] of these mails alone. Announces `campaigns`.
    pub struct CampaignFollowUpPrepare {
        /// Which; it must be finished.
        pub id: CampaignId,
    }

    /// Sends what was prepared to the people who joined since. Announces `campaigns`, `activity`.
    pub struct CampaignFollowUpLaunch {
        /// Which.
        pub id: CampaignId,
        /// Says that the warnings were seen; errors cannot be confirmed away.
        #[serde(default)]
        pub confirmed: bool,
        /// The host of an address that may not last, as the user typed it; see [`Preflight`].
        #[serde(default)] #[ts(optional)]
        pub confirm_host: Option<String>,
    }

    /// Throws away what was prepared for people who joined since. Announces `campaigns`.
    pub struct CampaignFollowUpDiscard {
        /// Which.
        pub id: CampaignId,
    }
}

/// What is to become of a mail of which nobody knows whether it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Nothing: it stays uncertain, and a look at its pixel still proves its arrival.
    Leave,
    /// It is sent again; who got it already gets it twice, with the same Message-ID.
    Again,
    /// It was sent: the user knows.
    Sent,
}
