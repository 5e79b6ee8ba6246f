//! The live feed of what happened.

use super::data;
use crate::clock::Instant;
use crate::domain::open::HitClass;
use crate::ids::{CampaignId, ContactId, MessageId};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

data! {
    /// Asks for the newest things that happened. Provides `activity`, `opens`.
    pub struct ActivityList {
        /// Only older than this id; `null` begins at the newest.
        #[serde(default)] #[ts(optional)]
        pub before: Option<i32>,
        /// Only of this campaign.
        #[serde(default)] #[ts(optional)]
        pub campaign: Option<CampaignId>,
        /// At most 200; 0 means 50.
        #[serde(default)]
        pub limit: u32,
    }

    /// What happened.
    pub struct ActivityListResponse {
        /// Newest first.
        pub rows: Vec<ActivityRow>,
    }

    /// One thing that happened.
    pub struct ActivityRow {
        /// Rising with time.
        pub id: i32,
        /// When.
        pub at: Instant,
        /// What.
        pub kind: ActivityKind,
        /// A sentence to show: "Ana Li looked, through Gmail's image proxy".
        pub text: String,
        /// For a look: its class.
        pub class: Option<HitClass>,
        /// The campaign.
        pub campaign: Option<CampaignId>,
        /// Its name; empty where there is none.
        pub campaign_name: String,
        /// For the timeline.
        pub message: Option<MessageId>,
        /// The person.
        pub contact: Option<ContactId>,
    }
}

/// What an activity row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ActivityKind {
    /// Somebody or something looked.
    Look,
    /// A person ended tracking.
    OptedOut,
    /// A person unsubscribed.
    Unsubscribed,
    /// A campaign was launched, paused, resumed, finished or cancelled.
    Campaign,
    /// Contacts came in or were erased.
    Contacts,
    /// The listener or the address changed.
    Reach,
    /// Something failed.
    Problem,
}

impl ActivityKind {
    /// Returns the stable text form that the database keeps.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::OptedOut => "opted_out",
            Self::Unsubscribed => "unsubscribed",
            Self::Campaign => "campaign",
            Self::Contacts => "contacts",
            Self::Reach => "reach",
            Self::Problem => "problem",
        }
    }

    /// Reads what [`ActivityKind::as_str`] wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        [
            Self::Look,
            Self::OptedOut,
            Self::Unsubscribed,
            Self::Campaign,
            Self::Contacts,
            Self::Reach,
            Self::Problem,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}
