//! A campaign: one document to one audience from one account, with a window.

use super::text_enum;
use serde::{Deserialize, Serialize};

text_enum! {
    /// How a campaign may look at its readers; the strictest of this and each person's consent wins.
    CampaignTracking {
        /// A pixel of its own for each recipient whose consent allows it.
        Individual = "individual",
        /// One pixel URL for all: loads are counted, nobody is identified.
        Aggregate = "aggregate",
        /// No pixel.
        Off = "off",
    }
}

text_enum! {
    /// Where a campaign is in its life.
    CampaignState {
        /// Being written; nothing is in the ledger.
        Draft = "draft",
        /// The ledger is being filled; a crash here is resumed or discarded.
        Preparing = "preparing",
        /// Every message is planned and waits for launch.
        Prepared = "prepared",
        /// Launched. Mails leave from `first_mail_at` on.
        Running = "running",
        /// Stopped by the user or by an account's failure; goes on where it was.
        Paused = "paused",
        /// Nothing is left to send.
        Finished = "finished",
        /// Stopped for good; what was not sent never will be.
        Cancelled = "cancelled",
    }
}

impl CampaignState {
    /// Tells whether a campaign may go from this state to `next`.
    pub fn may_become(self, next: CampaignState) -> bool {
        use CampaignState::*;
        matches!(
            (self, next),
            (Draft, Preparing)
                | (Preparing, Prepared | Draft)
                | (Prepared, Running | Draft)
                // Back to a draft: cancelled before the first mail left.
                | (Running, Paused | Finished | Cancelled | Draft)
                | (Paused, Running | Cancelled | Draft)
        )
    }

    /// Tells whether subject, document and audience may still be changed.
    pub fn is_editable(self) -> bool {
        matches!(self, Self::Draft | Self::Prepared)
    }

    /// Tells whether the ledger is visible: the campaign was launched.
    pub fn is_launched(self) -> bool {
        matches!(
            self,
            Self::Running | Self::Paused | Self::Finished | Self::Cancelled
        )
    }
}

/// What the mails of a campaign say of their sender, frozen at preparation.
///
/// Launch refuses where the settings or the account say something else by then; what is changed later concerns
/// later campaigns only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imprint {
    /// The sender's or the organisation's name.
    pub organisation: String,
    /// Printed at the foot.
    pub postal_address: String,
    /// The sender's name.
    pub from_name: String,
    /// The sender's address.
    pub from_address: String,
    /// Where replies go; empty means the sender's address.
    pub reply_to: String,
}
