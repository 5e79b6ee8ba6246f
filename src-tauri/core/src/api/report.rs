//! Reports: parts and rates, series, recipients, one recipient's timeline.

use super::data;
use crate::clock::Instant;
use crate::domain::message::{MessageState, NotTrackedReason};
use crate::domain::open::{HitClass, Signal};
use crate::domain::window::Window;
use crate::ids::{CampaignId, ContactId, HitId, MessageId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ts_rs::TS;

data! {
    /// Asks for a campaign's report. Provides `opens`, `campaigns`.
    pub struct ReportGet {
        /// Which.
        pub id: CampaignId,
    }

    /// The parts of an open rate. `confirmed + unknown + machine_only + no_signal == tracked`.
    pub struct RateParts {
        /// Mails that the sender's server took.
        pub accepted: u32,
        /// Of these, with a pixel of their own.
        pub tracked: u32,
        /// A person looked.
        pub confirmed: u32,
        /// Something looked that cannot be told from a person.
        pub unknown: u32,
        /// Only machines fetched the pixel.
        pub machine_only: u32,
        /// Nothing was seen; never "not opened".
        pub no_signal: u32,
        /// Accepted mails that cannot be measured on their own: `total`, and a number for each reason.
        pub not_tracked: NotTracked,
        /// Loads that were not recorded because the reader's browser asks for it (DNT, GPC).
        pub not_recorded_at_request: u32,
        /// `confirmed / tracked`; `null` where nothing could be measured.
        pub confirmed_rate: Option<f64>,
        /// `(confirmed + unknown + machine_only + min(not_recorded_at_request, no_signal)) / tracked`; `null` where
        /// nothing could be measured.
        pub upper_rate: Option<f64>,
        /// Why the rates are `null`; `null` where they are not.
        #[serde(default)]
        pub unmeasured: Option<Unmeasured>,
    }

    /// Asks for a campaign's parts by the providers of its recipients. Provides `opens`.
    ///
    /// Reads every message of the campaign: to be asked for only where it is shown.
    pub struct ReportProviders {
        /// Which.
        pub id: CampaignId,
    }

    /// Parts by provider, those without a mail left out.
    pub struct ReportProvidersResponse {
        /// In the order of [`Provider`].
        pub providers: Vec<ProviderParts>,
    }

    /// The mails to one provider. `confirmed + unknown + machine_only + no_signal == tracked`.
    pub struct ProviderParts {
        /// Whose mailboxes.
        pub provider: Provider,
        /// Mails that the sender's server took.
        pub accepted: u32,
        /// Of these, with a pixel of their own.
        pub tracked: u32,
        /// See [`RateParts`].
        pub confirmed: u32,
        /// See [`RateParts`].
        pub unknown: u32,
        /// See [`RateParts`].
        pub machine_only: u32,
        /// See [`RateParts`].
        pub no_signal: u32,
    }

    /// Asks for looks over time. Provides `opens`.
    pub struct ReportSeries {
        /// Which.
        pub id: CampaignId,
    }

    /// Looks over time, at most 500 points.
    pub struct ReportSeriesResponse {
        /// Length of a point in minutes: 60, or more for long windows.
        pub minutes: u32,
        /// In time order, only where something happened.
        pub points: Vec<SeriesPoint>,
        /// Intervals in which opens could arrive, cut to the chart: the listener was up, and the address of the mails was
        /// not known to lead elsewhere.
        pub up: Vec<[Instant; 2]>,
        /// The window.
        pub window: Option<Window>,
        /// The chart's first and last instant.
        pub span: Option<[Instant; 2]>,
    }

    /// Counts of one point in time.
    pub struct SeriesPoint {
        /// Its beginning.
        pub at: Instant,
        /// Messages whose first human look fell here.
        pub first_opens: u32,
        /// Looks by signal: human, unknown, machine_only.
        pub human: u32,
        /// See `human`.
        pub unknown: u32,
        /// See `human`.
        pub machine: u32,
        /// Outside the window, only counted.
        pub outside: u32,
    }

    /// Asks for a page of a report's recipients. Provides `opens`.
    pub struct ReportRecipients {
        /// Which campaign.
        pub id: CampaignId,
        /// Only these; `null` for all.
        #[serde(default)] #[ts(optional)]
        pub filter: Option<RecipientFilter>,
        /// Part of an address or name.
        #[serde(default)]
        pub search: String,
        /// By what to sort.
        #[serde(default)]
        pub sort: RecipientSort,
        /// Last first.
        #[serde(default)]
        pub descending: bool,
        /// Rows to skip.
        #[serde(default)]
        pub offset: u32,
        /// Rows wanted, at most 500; 0 means 100.
        #[serde(default)]
        pub limit: u32,
    }

    /// A page of recipients.
    pub struct ReportRecipientsResponse {
        /// How many match in all.
        pub total: u32,
        /// The page.
        pub recipients: Vec<RecipientRow>,
    }

    /// A recipient in a report.
    pub struct RecipientRow {
        /// For the timeline.
        pub message: MessageId,
        /// `null` once erased.
        pub contact: Option<ContactId>,
        /// Empty once erased.
        pub email: String,
        /// May be empty.
        pub name: String,
        /// Where the mail is.
        pub state: MessageState,
        /// What was seen; `null` where it is not measured.
        pub signal: Option<Signal>,
        /// Why it is not measured.
        pub not_tracked: Option<NotTrackedReason>,
        /// The first human look.
        pub first_open_at: Option<Instant>,
        /// Looks by people (gaps under 30 minutes count once).
        pub looks: u32,
        /// When the server took it.
        pub accepted_at: Option<Instant>,
        /// Requests before the window; only counted.
        pub early: u32,
        /// Requests after the window; only counted.
        pub late: u32,
        /// Requests beyond the cap; only counted.
        pub over_cap: u32,
        /// When it was read that the mail had come back.
        pub bounced_at: Option<Instant>,
    }

    /// Asks for what happened to one message. Provides `opens`, `contacts`.
    pub struct MessageTimeline {
        /// Which.
        pub id: MessageId,
    }

    /// What happened to one message.
    pub struct MessageTimelineResponse {
        /// As in the table.
        pub recipient: RecipientRow,
        /// The campaign.
        pub campaign: CampaignId,
        /// Its name.
        pub campaign_name: String,
        /// In time order.
        pub entries: Vec<TimelineEntry>,
        /// One sentence on tracking where there is something to say: "Ana asked not to be tracked. …".
        pub note: String,
        /// Clients with which people looked at it. Not a number of readers.
        pub environments: u32,
        /// What that means, where there are several; else empty.
        pub environments_note: String,
    }

    /// One thing that happened to a message.
    pub struct TimelineEntry {
        /// When.
        pub at: Instant,
        /// What.
        pub kind: TimelineKind,
        /// A sentence to show.
        pub text: String,
        /// The server's words, verbatim, for `accepted`, `deferred`, `rejected`.
        pub reply: String,
        /// For a hit: its class.
        pub class: Option<HitClass>,
        /// For a hit: why it was classed so.
        pub reason: String,
        /// For a hit: its id.
        pub hit: Option<HitId>,
        /// For a hit: it counts as a new look, not as part of the one before.
        pub counted: bool,
        /// For a hit: the mail client, where its user agent names it.
        pub client: String,
        /// For a hit: why it was classed so, in a sentence.
        pub why: String,
        /// For a hit whose verdict may still change by what comes beside it: until when.
        pub checking_until: Option<Instant>,
        /// For a hit: its evidence is gone; the verdict stays as it is.
        pub settled: bool,
        /// For a hit: the network it came from; empty where that is not known, or not kept any more.
        pub network: String,
        /// For a hit: what the user says of it, or of its domain or network.
        pub label: Option<super::LabelMark>,
    }

    /// Asks for what was said to the mail server about one message, and by it. Provides `campaigns`.
    pub struct MessageDialogue {
        /// Which.
        pub id: MessageId,
    }

    /// What was said about one message.
    pub struct MessageDialogueResponse {
        /// Of all tries, at most the last 200: ours begin with `>`, the server's with `<`, and a try with `—` and its
        /// time. Secrets and the mail itself are not among them. Empty where nothing is kept.
        pub lines: Vec<String>,
        /// When it was tried last; `null` where nothing is kept.
        pub at: Option<Instant>,
        /// Why nothing is kept, as a sentence; empty where something is.
        pub note: String,
    }

    /// Writes a report into a file.
    pub struct ReportExport {
        /// Which campaign.
        pub id: CampaignId,
        /// Where to.
        pub path: String,
        /// As what.
        pub format: ExportFormat,
    }

    /// What was written.
    pub struct ReportExportResponse {
        /// Where.
        pub path: String,
        /// Bytes.
        pub bytes: u64,
    }
}

/// Which recipients of a report to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RecipientFilter {
    /// A person looked.
    Human,
    /// Something looked that cannot be told from a person.
    Unknown,
    /// Only machines.
    MachineOnly,
    /// Tracked and nothing seen.
    NoSignal,
    /// Accepted, not measured.
    NotTracked,
    /// Rejected, uncertain or cancelled.
    NotDelivered,
}

/// By what recipients are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RecipientSort {
    /// By address.
    #[default]
    Email,
    /// By the first human look.
    FirstOpen,
    /// By signal.
    Signal,
    /// By the time the server took it.
    Accepted,
}

/// What a timeline entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TimelineKind {
    /// Put into the ledger at launch.
    Queued,
    /// The server took it.
    Accepted,
    /// The server asked to try later.
    Deferred,
    /// The server refused it.
    Rejected,
    /// Whether it left cannot be known.
    Uncertain,
    /// Not sent.
    Skipped,
    /// Cancelled before it left.
    Cancelled,
    /// A request for the pixel.
    Hit,
    /// Requests that were only counted.
    Counted,
    /// The person ended tracking.
    OptedOut,
    /// The person unsubscribed.
    Unsubscribed,
    /// It came back.
    Bounced,
    /// The person reported it as unwanted.
    Complained,
}

/// The form of an exported report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// One line for each recipient; cells that a spreadsheet would run are made harmless.
    Csv,
    /// One self-contained page.
    Html,
}

/// Accepted mails without a pixel of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct NotTracked {
    /// The sum of the reasons.
    pub total: u32,
    /// By reason.
    #[serde(flatten)]
    pub by_reason: BTreeMap<NotTrackedReason, u32>,
}

/// Who keeps a mailbox, by the domain of its address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Google's own addresses.
    Gmail,
    /// Apple's own addresses.
    Apple,
    /// Yahoo's and AOL's own addresses.
    Yahoo,
    /// Outlook.com, Hotmail, Live, MSN.
    Microsoft,
    /// Every other domain, an organisation's own at any provider among them.
    Other,
}

impl Provider {
    /// Returns its name as people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gmail => "Gmail",
            Self::Apple => "iCloud",
            Self::Yahoo => "Yahoo",
            Self::Microsoft => "Outlook",
            Self::Other => "Other",
        }
    }
}

/// Why there is no rate. Never shown as 0 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Unmeasured {
    /// The server has taken no mail yet.
    NothingAccepted,
    /// No mail carried a pixel of its own.
    NoPixel,
    /// The window has not opened, and nothing came.
    NotOpen,
    /// The listener was not reachable for one moment of the window so far, and nothing came.
    NeverReachable,
}

/// A campaign's report. The parts of the rate stand at the top level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Report {
    /// Which.
    pub id: CampaignId,
    /// Its name.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// See [`RateParts`].
    #[serde(flatten)]
    pub parts: RateParts,
    /// Looks before the window; only counted.
    pub early: u32,
    /// Looks after the window; only counted.
    pub late: u32,
    /// Looks beyond the cap; only counted.
    pub over_cap: u32,
    /// An estimate of the true rate, in `[0, 1]`, only where its conditions hold. It assumes that readers whom
    /// Apple's mail privacy hides behave like the others, which cannot be checked.
    pub estimate: Option<f64>,
    /// The interval of the estimate, `[low, high]`; `null` exactly where the estimate is. Wilson's 95 % interval
    /// where everybody can be told, wider the more readers are only assumed to be like the others.
    pub interval: Option<[f64; 2]>,
    /// The share of the window so far in which the listener was up and the address of the mails was not known to lead
    /// elsewhere; `null` before the window opens.
    pub reachable_share: Option<f64>,
    /// Messages by state.
    pub counts: BTreeMap<String, u32>,
    /// People of the audience who got no mail, by reason.
    pub skipped: BTreeMap<String, u32>,
    /// People who unsubscribed through this campaign.
    pub unsubscribed: u32,
    /// People who ended tracking through this campaign.
    pub opted_out: u32,
    /// Accepted mails that came back later. They stay in every rate: what the server accepted is what was sent.
    pub bounced_later: u32,
    /// Mails that their readers reported as unwanted.
    pub complained: u32,
    /// Loads of the shared pixel by class; not a rate and not a number of readers.
    pub shared_loads: BTreeMap<HitClass, u32>,
    /// The window.
    pub window: Option<Window>,
    /// The window's zone.
    pub zone: String,
    /// When it was launched.
    pub launched_at: Option<Instant>,
    /// Sent into the embedded outbox: practice.
    pub practice: bool,
    /// 95 % interval of the confirmed rate, `[low, high]` (Wilson 1927); `null` where the rate is.
    pub confirmed_interval: Option<[f64; 2]>,
    /// The moment for which the numbers hold.
    pub as_of: Instant,
    /// When the addresses of the pixels were destroyed: no load can be told since.
    pub closed_at: Option<Instant>,
    /// The receipt of that.
    pub closing: Option<super::Closing>,
    /// Until when loads after the window are counted as late; `null` before launch.
    pub late_counted_until: Option<Instant>,
}
