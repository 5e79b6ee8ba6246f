//! Campaigns: writing, preview, preflight, launch, control.

use super::data;
use crate::clock::Instant;
use crate::delivery::transport::ErrorKind;
use crate::domain::campaign::{CampaignState, CampaignTracking};
use crate::domain::message::MessageState;
use crate::domain::schedule::{LocalTime, Quiet, WhenLate};
use crate::domain::window::{Window, WindowSpec};
use crate::ids::{AccountId, CampaignId, ContactId, ListId};
use crate::render::document::Document;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use ts_rs::TS;

data! {
    /// Asks for all campaigns. Provides `campaigns`, `opens`.
    pub struct CampaignList {}

    /// All campaigns.
    pub struct CampaignListResponse {
        /// Newest first.
        pub campaigns: Vec<CampaignRow>,
    }

    /// A campaign in a list.
    pub struct CampaignRow {
        /// Its id.
        pub id: CampaignId,
        /// Its name.
        pub name: String,
        /// Its subject.
        pub subject: String,
        /// Where it is in its life.
        pub state: CampaignState,
        /// When the first mail leaves, or left; in the future while it is starting.
        pub first_mail_at: Option<Instant>,
        /// When it was launched.
        pub launched_at: Option<Instant>,
        /// When the last mail was done.
        pub finished_at: Option<Instant>,
        /// Messages by state (`accepted`, `queued`, …).
        pub counts: BTreeMap<String, u32>,
        /// The parts of its open rate; `null` before launch.
        pub rate: Option<super::RateParts>,
        /// Its window; `null` before launch.
        pub window: Option<Window>,
        /// When sending will end at the present pace; `null` where that cannot be told.
        pub expected_end: Option<Instant>,
        /// Its first mail waits for a time that was chosen.
        pub scheduled: bool,
        /// Why it stands still, as a sentence.
        pub problem: Option<String>,
        /// Sent into the embedded outbox: practice.
        pub practice: bool,
        /// Part of the sample data.
        pub sample: bool,
        /// The last change.
        pub updated_at: Instant,
    }

    /// Asks for one campaign. Provides `campaigns`, `opens`.
    pub struct CampaignGet {
        /// Which.
        pub id: CampaignId,
    }


    /// To whom a campaign goes: everyone on one of `include` and none of `exclude`; empty `include` is nobody.
    #[derive(Default)]
    pub struct Audience {
        /// Lists.
        pub include: Vec<ListId>,
        /// Lists.
        pub exclude: Vec<ListId>,
    }

    /// Adds a campaign, or changes the one with `id` while it is a draft or prepared. Announces `campaigns`.
    pub struct CampaignSave {
        /// `null` adds.
        #[serde(default)] #[ts(optional)]
        pub id: Option<CampaignId>,
        /// 1 to 200 characters, no control characters.
        pub name: String,
        /// At most 300 characters, no control characters; may be empty in a draft.
        #[serde(default)]
        pub subject: String,
        /// As the subject.
        #[serde(default)]
        pub preheader: String,
        /// May be missing in a draft.
        #[serde(default)] #[ts(optional)]
        pub account: Option<AccountId>,
        /// Accounts of the same sender that share the work; missing keeps those there are.
        #[serde(default)] #[ts(optional)]
        pub also: Option<Vec<AccountId>>,
        /// To whom.
        #[serde(default)]
        pub audience: Audience,
        /// 30 days where it is missing.
        #[serde(default)] #[ts(optional)]
        pub window: Option<WindowSpec>,
        /// Individual where it is missing.
        #[serde(default)] #[ts(optional)]
        pub tracking: Option<CampaignTracking>,
        /// Empty takes the workspace's.
        #[serde(default)]
        pub postal_address: String,
        /// The mail; missing makes an empty document.
        #[serde(default)] #[ts(optional)]
        pub document: Option<Document>,
        /// How often it looks at one reader; missing stays as it is.
        #[serde(default)] #[ts(optional)]
        pub cap: Option<CampaignCap>,
        /// Days after the window in which loads are still counted as late, 0 to 90. `null` takes the workspace's,
        /// missing stays as it is.
        #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")] #[ts(optional)]
        pub grace_days: Option<Option<u32>>,
    }

    /// How often a campaign looks at one reader; what is missing takes the workspace's.
    #[derive(Default, Copy)]
    pub struct CampaignCap {
        /// Stored loads of one mail, 1 to 1,000. Further ones are only counted.
        #[serde(default, skip_serializing_if = "Option::is_none")] #[ts(optional)]
        pub hits: Option<u32>,
        /// Of these, by machines: 0 to `hits`. The first of each class and client is always stored.
        #[serde(default, skip_serializing_if = "Option::is_none")] #[ts(optional)]
        pub machine_hits: Option<u32>,
        /// Tracked mails to one person in 30 days, 1 to 1,000. Beyond it mails go out without a pixel.
        #[serde(default, skip_serializing_if = "Option::is_none")] #[ts(optional)]
        pub tracked_mails: Option<u32>,
    }

    /// The receipt of the end of a campaign's tracking: the addresses of its pixels were destroyed.
    #[derive(Copy)]
    pub struct Closing {
        /// When.
        pub at: Instant,
        /// Addresses of pixels that were destroyed.
        pub tokens: u32,
        /// Stored loads of which only the verdict is left.
        pub hits: u32,
    }

    /// Names a campaign that was saved or made.
    pub struct CampaignSaved {
        /// Its id.
        pub id: CampaignId,
    }

    /// A campaign as a file states it (`casementctl campaign create FILE.json`), with names for ids.
    pub struct CampaignFile {
        /// As in [`CampaignSave`].
        pub name: String,
        /// As in [`CampaignSave`].
        #[serde(default)]
        pub subject: String,
        /// As in [`CampaignSave`].
        #[serde(default)]
        pub preheader: String,
        /// The account's name.
        #[serde(default)] #[ts(optional)]
        pub account: Option<String>,
        /// Lists by name.
        #[serde(default)]
        pub audience: AudienceNames,
        /// As in [`CampaignSave`].
        #[serde(default)] #[ts(optional)]
        pub window: Option<WindowSpec>,
        /// As in [`CampaignSave`].
        #[serde(default)] #[ts(optional)]
        pub tracking: Option<CampaignTracking>,
        /// As in [`CampaignSave`].
        #[serde(default)]
        pub postal_address: String,
        /// The mail as Markdown; exclusive with `document`.
        #[serde(default)] #[ts(optional)]
        pub markdown: Option<String>,
        /// The mail as a document; exclusive with `markdown`.
        #[serde(default)] #[ts(optional)]
        pub document: Option<Document>,
        /// As in [`CampaignSave`].
        #[serde(default)] #[ts(optional)]
        pub cap: Option<CampaignCap>,
        /// Days, as in [`CampaignSave`]; missing takes the workspace's.
        #[serde(default)] #[ts(optional)]
        pub grace_days: Option<u32>,
        /// Files that go with every mail, as paths; `casementctl` reads them from the campaign file's folder.
        #[serde(default)]
        pub attachments: Vec<String>,
    }

    /// Lists by name.
    #[derive(Default)]
    pub struct AudienceNames {
        /// Lists.
        #[serde(default)]
        pub include: Vec<String>,
        /// Lists.
        #[serde(default)]
        pub exclude: Vec<String>,
    }

    /// Copies a campaign into a new draft. Announces `campaigns`.
    pub struct CampaignDuplicate {
        /// Which.
        pub id: CampaignId,
    }

    /// Removes a draft or an ended campaign with its ledger and hits. Announces `campaigns`, `opens`.
    pub struct CampaignRemove {
        /// Which.
        pub id: CampaignId,
    }

    /// Turns Markdown into a document.
    pub struct DocumentFromMarkdown {
        /// CommonMark.
        pub markdown: String,
    }

    /// A document.
    pub struct DocumentResponse {
        /// The document.
        pub document: Document,
    }

    /// Renders a campaign, or an unsaved one, as one contact would get it.
    pub struct CampaignPreview {
        /// A saved campaign.
        #[serde(default)] #[ts(optional)]
        pub id: Option<CampaignId>,
        /// An unsaved one; wins over `id`.
        #[serde(default)] #[ts(optional)]
        pub draft: Option<CampaignSave>,
        /// As whom; missing takes the first of the audience, or an invented reader without data.
        #[serde(default)] #[ts(optional)]
        pub contact: Option<ContactId>,
    }

    /// A mail as one contact would get it; never with a pixel.
    pub struct Preview {
        /// As whom.
        pub contact: Option<ContactId>,
        /// Their name or address; "a reader without data" where there is none.
        pub contact_label: String,
        /// The next and the previous contact of the audience.
        pub previous: Option<ContactId>,
        /// See `previous`.
        pub next: Option<ContactId>,
        /// Rendered.
        pub subject: String,
        /// Rendered.
        pub preheader: String,
        /// `Name <address>` of the account; empty where none is chosen.
        pub from: String,
        /// The HTML part. To be shown in a sandboxed frame only.
        pub html: String,
        /// The text part.
        pub text: String,
        /// Bytes of the finished mail.
        pub size: u32,
        /// Words in the text part.
        pub words: u32,
        /// What the reader of this preview should know: unresolved fields, a missing address, size.
        pub findings: Vec<Finding>,
    }

    /// Something that was found wrong or worth a look.
    pub struct Finding {
        /// Blocks launch, or only asks for a look.
        pub level: FindingLevel,
        /// A stable name for tests and for links: `no_subject`, `unresolved_field`.
        pub id: String,
        /// A sentence: what is wrong, and what to do.
        pub message: String,
        /// The block in question, from 0.
        pub block: Option<u32>,
        /// How many recipients it concerns; 0 where it concerns the mail itself.
        pub recipients: u32,
        /// Up to five of them; none in a preview, which is of one reader.
        #[serde(default)]
        pub people: Vec<ContactId>,
        /// Their addresses of now. Never kept: who was erased is not named.
        pub examples: Vec<String>,
    }

    /// Sends one mail of a campaign to any address. Never tracked; its links do nothing.
    pub struct CampaignTestMail {
        /// A saved campaign.
        pub id: CampaignId,
        /// To whom.
        pub to: String,
        /// Rendered as whom.
        #[serde(default)] #[ts(optional)]
        pub contact: Option<ContactId>,
    }

    /// What the server said.
    pub struct TestMailResponse {
        /// The server's words.
        pub reply: String,
    }

    /// Fills the ledger of a campaign, invisible until launch, and audits every mail. A job.
    ///
    /// The job's result is a [`Preflight`]. Announces `campaigns`.
    pub struct CampaignPrepare {
        /// Which.
        pub id: CampaignId,
    }

    /// Takes a prepared campaign back to a draft. Announces `campaigns`.
    pub struct CampaignUnprepare {
        /// Which.
        pub id: CampaignId,
    }

    /// Asks for the result of the last preparation. Provides `campaigns`.
    pub struct CampaignPreflight {
        /// Which.
        pub id: CampaignId,
    }

    /// All that should be known before a launch.
    pub struct Preflight {
        /// Which.
        pub id: CampaignId,
        /// The ledger is filled and every mail was audited; otherwise only the findings about the draft are here.
        pub prepared: bool,
        /// It may be launched: no finding blocks.
        pub ready: bool,
        /// Mails that will leave.
        pub to_send: u32,
        /// People of the audience who get none, by reason.
        pub skipped: BTreeMap<String, u32>,
        /// Mails by how they are tracked: personal, shared, none.
        pub tracking: BTreeMap<String, u32>,
        /// Why mails are not tracked on their own, by reason.
        pub not_tracked: BTreeMap<String, u32>,
        /// Problems first.
        pub findings: Vec<Finding>,
        /// `Name <address>`.
        pub from: String,
        /// The account's name.
        pub account: String,
        /// The window, if it were launched now.
        pub window: Option<Window>,
        /// The base address that the mails carry.
        pub address: super::Address,
        /// The smallest and the largest finished mail, in bytes.
        pub size_range: Option<[u32; 2]>,
        /// Mails that are worth a look: the largest, the smallest, the emptiest, the first and the last.
        #[serde(default)]
        pub samples: Vec<Sample>,
        /// How long sending takes at the account's limit, in seconds; `null` without a limit.
        pub seconds: Option<u64>,
        /// Sent into the embedded outbox: practice.
        pub practice: bool,
        /// The host that has to be typed before it is launched, because the address may be gone long before the window is
        /// over; `null` where none has to. A later time of launch may ask for it, too.
        #[serde(default)]
        pub confirm_host: Option<String>,
        /// Why the address may not last, in a sentence; `null` where it lasts, and of practice.
        #[serde(default)]
        pub lasts: Option<String>,
        /// That this computer has to be on, and how much of the last week it was, in a sentence; `null` where mails carry no
        /// public address, and of practice.
        #[serde(default)]
        pub only_while_on: Option<String>,
    }

    /// A prepared mail that is worth a look.
    pub struct Sample {
        /// Whose it is; `campaign_preview` shows it.
        pub contact: ContactId,
        /// Their name, or their address.
        pub label: String,
        /// Why; at least one.
        pub kinds: Vec<SampleKind>,
        /// Bytes of the finished mail.
        pub size: u32,
        /// Merge fields of the mail that this person has no value for.
        pub empty_fields: u32,
    }

    /// Launches a prepared campaign. Announces `campaigns`.
    pub struct CampaignLaunch {
        /// Which.
        pub id: CampaignId,
        /// Seconds before the first mail leaves, in which cancelling leaves no trace; 0 to 600.
        #[serde(default)]
        pub delay_secs: u32,
        /// When the first mail is to leave; missing is after `delay_secs`. At most 366 days ahead.
        #[serde(default)] #[ts(optional)]
        pub at: Option<LocalTime>,
        /// What becomes of it where that time passes while Casement is off; missing asks.
        #[serde(default)] #[ts(optional)]
        pub when_late: Option<WhenLate>,
        /// Hours in which nothing leaves, in the campaign's zone.
        #[serde(default)] #[ts(optional)]
        pub quiet: Option<Quiet>,
        /// Says that the warnings were seen; errors cannot be confirmed away.
        #[serde(default)]
        pub confirmed: bool,
        /// The host of an address that may not last, as the user typed it; see [`Preflight`].
        #[serde(default)] #[ts(optional)]
        pub confirm_host: Option<String>,
    }

    /// Asks how a launched campaign is being sent. Provides `campaigns`, `accounts`.
    pub struct CampaignSendingGet {
        /// Which.
        pub id: CampaignId,
    }

    /// How a campaign is being sent.
    pub struct CampaignSending {
        /// Messages that have not left.
        pub waiting: u32,
        /// Mails by its accounts in the last whole minute, of all campaigns.
        pub per_minute: u32,
        /// When the rest will have left; `null` where nothing tells.
        pub forecast: Option<SendingForecast>,
        /// Its accounts, its own first.
        pub accounts: Vec<SendingAccount>,
        /// What failed or waits, by whose fault it is; most first.
        pub errors: Vec<SendingError>,
        /// Mail services that refuse the campaign.
        pub refusals: Vec<SendingRefusal>,
        /// Quiet hours hold until then.
        pub quiet_until: Option<Instant>,
        /// The time zone of the days in the forecast.
        pub zone: String,
    }

    /// When mails will have left.
    pub struct SendingForecast {
        /// The last one.
        pub finishes_at: Instant,
        /// How many leave on each day of the campaign's zone, in order.
        pub days: Vec<SendingDay>,
        /// A limit of 24 hours makes some wait.
        pub day_limited: bool,
    }

    /// What leaves on one day.
    pub struct SendingDay {
        /// The day.
        pub date: chrono::NaiveDate,
        /// Mails.
        pub n: u32,
    }

    /// An account of a campaign.
    pub struct SendingAccount {
        /// Its id.
        pub id: AccountId,
        /// Its name.
        pub name: String,
        /// How it stands.
        pub standing: super::AccountStanding,
    }

    /// Failures of one kind.
    pub struct SendingError {
        /// Whose fault.
        pub kind: ErrorKind,
        /// What became of the messages: `deferred`, `rejected` or `uncertain`.
        pub state: MessageState,
        /// How many.
        pub n: u32,
        /// The server's words for one of them.
        pub example: String,
    }

    /// A mail service that refuses a campaign.
    pub struct SendingRefusal {
        /// The service, or the domain.
        pub service: String,
        /// Why, and its words.
        pub reply: String,
    }

    /// Stops sending after the mails in hand. Announces `campaigns`.
    pub struct CampaignPause {
        /// Which.
        pub id: CampaignId,
    }

    /// Goes on sending. Announces `campaigns`.
    pub struct CampaignResume {
        /// Which.
        pub id: CampaignId,
    }

    /// Stops for good. During the delay of a launch the campaign becomes a draft again. Announces `campaigns`.
    pub struct CampaignCancel {
        /// Which.
        pub id: CampaignId,
    }

    /// Changes the window; after launch only its end, which cannot lie in the past. Refused once the addresses of
    /// the pixels were destroyed. Announces `campaigns`, `opens`.
    pub struct CampaignWindowSet {
        /// Which.
        pub id: CampaignId,
        /// The new window; missing stays as it is.
        #[serde(default)] #[ts(optional)]
        pub window: Option<WindowSpec>,
        /// Days after the window in which loads are still counted as late, 0 to 90; missing stays as it is.
        #[serde(default)] #[ts(optional)]
        pub grace_days: Option<u32>,
    }

    /// Ends the window of a launched campaign now. Announces `campaigns`, `opens`.
    pub struct CampaignWindowEnd {
        /// Which.
        pub id: CampaignId,
    }
}

/// Tells a field that says `null` from one that is missing.
fn said<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<u32>>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

/// Why a mail is worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SampleKind {
    /// The largest.
    Longest,
    /// The smallest.
    Shortest,
    /// The most merge fields have no value.
    Emptiest,
    /// Among the first five recipients.
    First,
    /// Among the last five.
    Last,
}

/// Whether a finding blocks launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum FindingLevel {
    /// Launch is refused.
    Error,
    /// Launch asks for a confirmation.
    Warning,
    /// Good to know.
    Note,
}

/// One campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Campaign {
    /// As in the list.
    #[serde(flatten)]
    pub row: CampaignRow,
    /// What the inbox shows behind the subject.
    pub preheader: String,
    /// From which account; `null` until chosen.
    pub account: Option<AccountId>,
    /// Accounts of the same sender that share the work.
    pub also: Vec<AccountId>,
    /// To whom.
    pub audience: Audience,
    /// The window as the user states it.
    pub window_spec: WindowSpec,
    /// How it may look at its readers.
    pub tracking: CampaignTracking,
    /// Printed at the foot; empty takes the workspace's.
    pub postal_address: String,
    /// The mail.
    pub document: Document,
    /// How often it looks at one reader, as its author set it.
    pub cap: CampaignCap,
    /// Days after the window in which loads are still counted as late, as its author set it; `null` takes the
    /// workspace's.
    pub grace_days: Option<u32>,
    /// Until when loads are counted as late; then the addresses of the pixels are destroyed. `null` before launch.
    pub late_counted_until: Option<Instant>,
    /// When the addresses of the pixels were destroyed.
    pub closed_at: Option<Instant>,
    /// The receipt of that.
    pub closing: Option<Closing>,
}
