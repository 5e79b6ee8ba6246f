//! Settings, first start, engine state, jobs, the base address, the listener.

use super::data;
use crate::clock::Instant;
use crate::domain::consent::UnknownPolicy;
use crate::ids::JobId;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

data! {
    /// Asks for the state of the app. Provides `settings`.
    pub struct AppStateGet {}

    /// What the window needs to know before it shows anything.
    pub struct AppState {
        /// This build's version.
        pub version: String,
        /// The workspace's folder.
        pub workspace: String,
        /// Nothing was set up yet: no account, no contact, no campaign, policy not chosen.
        pub first_start: bool,
        /// Sample data is in the workspace.
        pub has_sample_data: bool,
        /// The workspace's settings.
        pub settings: Settings,
        /// The number of accounts.
        pub accounts: u32,
    }

    /// The workspace's settings.
    pub struct Settings {
        /// What to do with people whose tracking consent is unknown; `null` until the user chose.
        pub unknown_policy: Option<UnknownPolicy>,
        /// Printed at the foot of every mail; commercial mail must carry it in many countries.
        pub postal_address: String,
        /// The sender's or the organisation's name, for pages that readers see.
        pub organisation: String,
        /// IANA zone for windows and charts.
        pub zone: String,
        /// `system`, `light` or `dark`.
        pub theme: Theme,
        /// The cap on tracked mails to one person in 30 days; beyond it mails go out without a pixel.
        pub tracked_per_30_days: u32,
        /// A reader's browser that sends DNT or GPC with an open refuses tracking for its reader, from then on.
        pub signal_is_refusal: bool,
        /// Days after a window in which loads are still counted as late, for campaigns that set nothing else.
        pub grace_days: u32,
        /// Stored loads of one mail; further ones are only counted.
        pub cap_hits: u32,
        /// Of these, by machines.
        pub cap_machine_hits: u32,
        /// Months after the end of a campaign's tracking for which the verdicts on its loads are kept.
        pub verdicts_months: u32,
    }

    /// Changes settings; what is missing stays. Announces `settings`.
    pub struct SettingsUpdate {
        /// See [`Settings::unknown_policy`].
        #[serde(default)] #[ts(optional)]
        pub unknown_policy: Option<UnknownPolicy>,
        /// See [`Settings::postal_address`].
        #[serde(default)] #[ts(optional)]
        pub postal_address: Option<String>,
        /// See [`Settings::organisation`].
        #[serde(default)] #[ts(optional)]
        pub organisation: Option<String>,
        /// See [`Settings::zone`].
        #[serde(default)] #[ts(optional)]
        pub zone: Option<String>,
        /// See [`Settings::theme`].
        #[serde(default)] #[ts(optional)]
        pub theme: Option<Theme>,
        /// See [`Settings::tracked_per_30_days`]. 1 to 1,000.
        #[serde(default)] #[ts(optional)]
        pub tracked_per_30_days: Option<u32>,
        /// See [`Settings::signal_is_refusal`].
        #[serde(default)] #[ts(optional)]
        pub signal_is_refusal: Option<bool>,
        /// See [`Settings::grace_days`]. 0 to 90.
        #[serde(default)] #[ts(optional)]
        pub grace_days: Option<u32>,
        /// See [`Settings::cap_hits`]. 1 to 1,000.
        #[serde(default)] #[ts(optional)]
        pub cap_hits: Option<u32>,
        /// See [`Settings::cap_machine_hits`]. 0 to `cap_hits`.
        #[serde(default)] #[ts(optional)]
        pub cap_machine_hits: Option<u32>,
        /// See [`Settings::verdicts_months`]. 1 to 60.
        #[serde(default)] #[ts(optional)]
        pub verdicts_months: Option<u32>,
    }

    /// Fills the workspace with marked sample data, as a job. Announces everything.
    pub struct SampleDataAdd {}

    /// Removes all sample data at once. Announces everything.
    pub struct SampleDataRemove {}

    /// Names a job that was started.
    pub struct JobStarted {
        /// To follow it in events, and to cancel it.
        pub job: JobId,
    }

    /// Asks for one job. Provides `jobs`.
    pub struct JobGet {
        /// Which.
        pub job: JobId,
    }

    /// Asks a job to end at its next safe point.
    pub struct JobCancel {
        /// Which.
        pub job: JobId,
    }

    /// Asks for the jobs of this engine, newest first. Provides `jobs`.
    pub struct JobList {}

    /// The jobs of this engine.
    pub struct JobListResponse {
        /// Newest first, at most 50.
        pub jobs: Vec<Job>,
    }

    /// A long job.
    pub struct Job {
        /// Its id in this engine.
        pub id: JobId,
        /// What it does, in a few words: "Preparing Spring newsletter".
        pub title: String,
        /// Running, done, failed, cancelled.
        pub state: JobState,
        /// Steps done.
        pub done: u64,
        /// Steps in all; `null` where that cannot be known yet.
        pub total: Option<u64>,
        /// The result as JSON, once it is done.
        #[ts(type = "unknown")]
        pub result: serde_json::Value,
        /// Why it failed.
        pub error: Option<super::Error>,
    }

    /// Asks for the base address that mails carry. Provides `reach`.
    pub struct AddressShow {}

    /// Sets the base address that mails carry from now on. Announces `reach`.
    ///
    /// `https://…` is *public*; `http://` to this computer with `local: true` is *local*, for trying out;
    /// `null` is *none*: no pixel, unsubscribing by mail only.
    pub struct AddressSet {
        /// Scheme, host and port; a path and a trailing slash are refused.
        pub url: Option<String>,
        /// Must be said for an address on this computer.
        #[serde(default)]
        pub local: bool,
    }

    /// The base address in use.
    pub struct Address {
        /// Which kind of address it is.
        pub kind: RouteKind,
        /// The base URL; `null` for kind *none*.
        pub url: Option<String>,
        /// One sentence: what mails carry with it.
        pub meaning: String,
    }

    /// Starts the listener of this engine. Announces `reach`.
    pub struct ListenerStart {
        /// `ADDR:PORT`; port 0 takes a free one.
        #[serde(default)] #[ts(optional)]
        pub bind: Option<String>,
        /// `ADDR:PORT` of the entrance behind a proxy or tunnel; loopback only, since its word is believed.
        #[serde(default)] #[ts(optional)]
        pub behind_proxy: Option<String>,
        /// The header in which that proxy puts the client's address.
        #[serde(default)] #[ts(optional)]
        pub client_header: Option<String>,
    }

    /// Stops the listener. Announces `reach`.
    pub struct ListenerStop {}

    /// Asks for the listener's state. Provides `reach`.
    pub struct ListenerStatusGet {}

    /// The listener's state.
    pub struct ListenerStatus {
        /// It answers.
        pub listening: bool,
        /// `http://ADDR:PORT` of each entrance.
        pub entrances: Vec<Entrance>,
        /// The base address that mails carry.
        pub address: Address,
        /// One sentence for the foot of the sidebar: whether pixels can reach us.
        pub sentence: String,
        /// Good, only for trying out, or not at all.
        pub level: ReachLevel,
        /// Requests stored in the last 60 seconds.
        pub hits_per_minute: u32,
        /// What is wrong, or the last failure, as a sentence.
        pub last_error: Option<String>,
        /// Since when it answers.
        pub since: Option<Instant>,
        /// Connections that are open.
        pub connections: u32,
        /// As many as may be open at once.
        pub connections_limit: u32,
        /// Requests that wait for their answer.
        pub queue: u32,
        /// What readers sent that is on disk and waits for the database to be written again.
        pub spooled: u32,
        /// What was turned away since then, by reason.
        pub refused: Vec<Refused>,
        /// How often the inner server was built anew since then.
        pub restarts: u32,
        /// What the user should know of: buttons that were pressed for nobody.
        pub alarm: Option<String>,
    }

    /// What was turned away for one reason.
    pub struct Refused {
        /// A word for programs.
        pub reason: String,
        /// For people.
        pub words: String,
        /// How often.
        pub n: u64,
    }

    /// One address at which the listener answers.
    pub struct Entrance {
        /// `http://ADDR:PORT`.
        pub url: String,
        /// Requests come through a proxy that names the client in a header.
        pub behind_proxy: bool,
        /// It is the tunnel's own, see [`super::TunnelSave::port`].
        pub is_tunnel: bool,
    }

    /// Starts the dispatcher of this engine, which sends what is due. Announces `campaigns`.
    pub struct SendingStart {}

    /// Finishes the mails in hand and stops the dispatcher. Announces `campaigns`.
    pub struct SendingStop {}

    /// Asks how the dispatcher is. Provides `campaigns`, and `contacts` for readers who ask for their data.
    pub struct SendingStatusGet {}

    /// How the dispatcher is.
    pub struct SendingStatus {
        /// It is at work.
        pub running: bool,
        /// Something leaves now or within a minute: the computer is to stay awake for it.
        pub busy: bool,
        /// Mails of running campaigns that could leave now, if their accounts may.
        pub due: u32,
        /// Mails being handed over.
        pub in_hand: u32,
        /// Readers who asked for what is held about them, and to whom it could be mailed now.
        pub data_requests: u32,
        /// When the next mail that waits may leave.
        pub next_attempt_at: Option<Instant>,
    }

    /// Asks for a check of the database and the invariants of ledger and rollups.
    pub struct Verify {}

    /// The result of a check.
    pub struct VerifyResponse {
        /// Nothing was found.
        pub ok: bool,
        /// One sentence for each breach.
        pub breaches: Vec<String>,
        /// What was checked, with counts: "1,079 messages".
        pub checked: Vec<String>,
    }

    /// Asks for what the home page shows. Provides `campaigns`, `opens`, `reach`, `activity`.
    pub struct HomeGet {}

    /// The home page.
    pub struct Home {
        /// Campaigns that are starting, running or paused.
        pub running: Vec<super::CampaignRow>,
        /// The campaigns launched last, with their ranges; at most 5.
        pub recent: Vec<super::CampaignRow>,
        /// Drafts, newest first; at most 5.
        pub drafts: Vec<super::CampaignRow>,
        /// The last things that happened; at most 12.
        pub activity: Vec<super::ActivityRow>,
        /// How many people can be mailed.
        pub contacts: u32,
        /// Steps that a newcomer has not done yet.
        pub next_steps: Vec<NextStep>,
    }
}

/// A step towards a first campaign that is still to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// Set up an account.
    AddAccount,
    /// Import contacts.
    ImportContacts,
    /// Write a campaign.
    WriteCampaign,
    /// Set a public address, without which opens cannot be measured.
    SetAddress,
}

/// The look of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the desktop says.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// At work.
    Running,
    /// Ended well.
    Done,
    /// Ended with an error.
    Failed,
    /// Ended by the user.
    Cancelled,
}

/// What kind of base address a mail was sent with (`docs/glossary.md`, "route").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// https, reachable by readers.
    Public,
    /// http on this computer, for trying out.
    Local,
    /// No address: opens are not measured.
    None,
}

impl RouteKind {
    /// Returns the stable text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Local => "local",
            Self::None => "none",
        }
    }
}

/// Whether pixels can reach us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ReachLevel {
    /// The listener answers, and was seen from outside at the public address lately.
    Reachable,
    /// The listener answers, and mails carry a public address at which it was not seen from outside.
    Unproved,
    /// The listener answers on this computer only.
    LocalOnly,
    /// Nothing can reach us.
    Unreachable,
}
