//! Contacts, lists, import, consent, suppression.

use super::data;
use crate::clock::Instant;
use crate::domain::consent::ConsentState;
use crate::domain::message::MessageState;
use crate::domain::open::Signal;
use crate::ids::{CampaignId, ContactId, ListId, MessageId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ts_rs::TS;

data! {
    /// Asks for a page of contacts. Provides `contacts`.
    pub struct ContactList {
        /// Part of an address or name; empty for all.
        #[serde(default)]
        pub search: String,
        /// Only members of this list.
        #[serde(default)] #[ts(optional)]
        pub list: Option<ListId>,
        /// Only with this consent.
        #[serde(default)] #[ts(optional)]
        pub consent: Option<ConsentState>,
        /// By what to sort.
        #[serde(default)]
        pub sort: ContactSort,
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

    /// A page of contacts.
    pub struct ContactListResponse {
        /// How many match in all.
        pub total: u32,
        /// The page.
        pub contacts: Vec<ContactRow>,
    }

    /// A contact in a list.
    pub struct ContactRow {
        /// Its id.
        pub id: ContactId,
        /// The address.
        pub email: String,
        /// First name; may be empty.
        pub first_name: String,
        /// Last name; may be empty.
        pub last_name: String,
        /// Tracking consent.
        pub consent: ConsentState,
        /// Gets no mail, and why.
        pub suppressed: Option<String>,
        /// The names of its lists.
        pub lists: Vec<String>,
        /// When it came in.
        pub created_at: Instant,
        /// Part of the sample data.
        pub sample: bool,
    }

    /// Asks for one contact. Provides `contacts`, `opens`.
    pub struct ContactGet {
        /// Which.
        pub id: ContactId,
    }

    /// One contact with all that is held about it.
    pub struct ContactDetails {
        /// As in the list.
        pub contact: ContactRow,
        /// Extra columns of the import and fields added by hand.
        pub fields: BTreeMap<String, String>,
        /// Its lists.
        pub list_ids: Vec<ListId>,
        /// Every word on tracking, newest first.
        pub consent_history: Vec<ConsentEvent>,
        /// When a mail that asks for consent to tracking was taken by the server last.
        pub asked_at: Option<Instant>,
        /// Only a practice mail has asked them, which reached nobody.
        pub asked_in_practice: bool,
        /// The mails of launched campaigns, newest first, at most 200.
        pub messages: Vec<ContactMessage>,
    }

    /// A word on tracking.
    pub struct ConsentEvent {
        /// What was said.
        pub state: ConsentState,
        /// When.
        pub at: Instant,
        /// By which way: "import members.csv", "preference page", "consent page", "browser signal", "by hand".
        pub source: String,
        /// The words that the person agreed to; may be empty for a refusal.
        pub wording: String,
    }

    /// One mail to a contact.
    pub struct ContactMessage {
        /// For its timeline.
        pub message: MessageId,
        /// The campaign.
        pub campaign: CampaignId,
        /// Its name.
        pub campaign_name: String,
        /// Where the mail is.
        pub state: MessageState,
        /// What was seen; `null` where it was not measured.
        pub signal: Option<Signal>,
        /// When the server took it.
        pub accepted_at: Option<Instant>,
    }

    /// Adds a contact, or changes the one with `id`. Announces `contacts`.
    pub struct ContactSave {
        /// `null` adds.
        #[serde(default)] #[ts(optional)]
        pub id: Option<ContactId>,
        /// Unique in the workspace.
        pub email: String,
        /// No control characters, at most 200 characters.
        #[serde(default)]
        pub first_name: String,
        /// As the first name.
        #[serde(default)]
        pub last_name: String,
        /// Replaces all fields.
        #[serde(default)]
        pub fields: BTreeMap<String, String>,
        /// Replaces the lists.
        #[serde(default)]
        pub lists: Vec<ListId>,
    }

    /// Names a contact that was saved.
    pub struct ContactSaved {
        /// Its id.
        pub id: ContactId,
    }

    /// Records what a person said about tracking. Announces `contacts`, `opens`.
    ///
    /// A refusal holds for mail already sent: later looks are not recorded.
    pub struct ContactConsentSet {
        /// Who.
        pub id: ContactId,
        /// What they said.
        pub state: ConsentState,
        /// By which way; required for a grant.
        #[serde(default)]
        pub source: String,
        /// The words agreed to; required for a grant.
        #[serde(default)]
        pub wording: String,
    }

    /// Stops all mail to an address, or allows it again. Announces `contacts`.
    pub struct ContactSuppress {
        /// The address; needs no contact.
        pub email: String,
        /// `false` lifts it.
        pub suppress: bool,
        /// Shown with the contact.
        #[serde(default)]
        pub reason: String,
    }

    /// Erases people: contact, fields, consent history, hits. Suppressions stay as hashes. Announces all.
    pub struct ContactErase {
        /// Whom.
        pub ids: Vec<ContactId>,
    }

    /// What an erasure did.
    pub struct ContactEraseResponse {
        /// Contacts erased.
        pub erased: u32,
        /// Copies in the workspace that were made before may hold them until then.
        pub backups_until: Option<Instant>,
        /// A backup was saved outside the workspace, which may hold them for as long as it is kept. Bringing it back erases
        /// them again.
        pub saved_backup: bool,
    }

    /// Erases what was recorded when a person opened mails: hits, looks, first opens, and the numbers made of them.
    ///
    /// These mails are in no part of a rate from then on. The person stays, with their consent. Announces `opens`,
    /// `contacts`, `campaigns`, `activity`.
    pub struct ContactEraseOpens {
        /// Whose.
        pub id: ContactId,
    }

    /// Asks for everything held about one person, as a JSON document.
    pub struct ContactExport {
        /// Whom.
        pub id: ContactId,
    }

    /// Everything held about one person.
    pub struct ContactExportResponse {
        /// The document.
        #[ts(type = "unknown")]
        pub document: serde_json::Value,
    }

    /// Asks for all lists. Provides `lists`, `contacts`.
    pub struct ListList {}

    /// All lists.
    pub struct ListListResponse {
        /// By name.
        pub lists: Vec<List>,
        /// Contacts in all, in a list or not.
        pub contacts: u32,
        /// Contacts that get no mail.
        pub suppressed: u32,
        /// Contacts by consent: granted, refused, unknown.
        pub consent: BTreeMap<String, u32>,
    }

    /// A named set of contacts.
    pub struct List {
        /// Its id.
        pub id: ListId,
        /// Its name; unique.
        pub name: String,
        /// Members.
        pub contacts: u32,
        /// Part of the sample data.
        pub sample: bool,
    }

    /// Adds a list, or renames the one with `id`. Announces `lists`.
    pub struct ListSave {
        /// `null` adds.
        #[serde(default)] #[ts(optional)]
        pub id: Option<ListId>,
        /// Unique, 1 to 120 characters, no control characters.
        pub name: String,
    }

    /// Names a list that was saved.
    pub struct ListSaved {
        /// Its id.
        pub id: ListId,
    }

    /// Removes a list; its contacts stay. Announces `lists`, `contacts`.
    pub struct ListRemove {
        /// Which.
        pub id: ListId,
    }

    /// Reads a file's head and guesses what each column is; changes nothing.
    pub struct ImportPreview {
        /// A file on this computer.
        pub path: String,
    }

    /// What was seen in a file.
    pub struct ImportPreviewResponse {
        /// The file's columns in order.
        pub columns: Vec<ImportColumn>,
        /// The first rows, at most 8, each as long as `columns`.
        pub rows: Vec<Vec<String>>,
        /// Rows below the header, counted to the end of the file.
        pub total: u32,
        /// What was recognised: "comma, UTF-8".
        pub format: String,
    }

    /// A column of a file.
    pub struct ImportColumn {
        /// Its header.
        pub name: String,
        /// The field that it goes to: `email`, `first_name`, `last_name`, a field's name, or `""` to leave it out.
        pub field: String,
    }

    /// Imports a file: good rows are kept, bad ones reported row by row. A job; announces `contacts`, `lists`.
    ///
    /// The job's result is an [`ImportResult`].
    pub struct ImportRun {
        /// A file on this computer.
        pub path: String,
        /// Where columns go, by header; what is missing goes by the guess.
        #[serde(default)]
        pub map: BTreeMap<String, String>,
        /// Put all good rows on the list of this name, made where it is missing.
        #[serde(default)] #[ts(optional)]
        pub list: Option<String>,
        /// Say what would happen, change nothing.
        #[serde(default)]
        pub dry_run: bool,
        /// What these people said about tracking.
        #[serde(default)] #[ts(optional)]
        pub consent: Option<ConsentState>,
        /// By which way they said it; required for `granted`.
        #[serde(default)]
        pub consent_source: String,
        /// The words they agreed to; required for `granted`.
        #[serde(default)]
        pub consent_wording: String,
        /// Mark what comes in as sample data.
        #[serde(default)]
        pub sample: bool,
    }

    /// What an import did.
    pub struct ImportResult {
        /// Rows read below the header.
        pub rows: u32,
        /// New contacts.
        pub added: u32,
        /// Contacts that were there and got new values.
        pub updated: u32,
        /// Contacts that were there and stayed as they were.
        pub unchanged: u32,
        /// Rows whose address stood in the file before.
        pub duplicates: u32,
        /// Rows that could not be taken.
        pub rejected: u32,
        /// One entry for each row that was a duplicate or rejected, in order, at most 1,000.
        pub problems: Vec<ImportProblem>,
        /// The list that they are on now.
        pub list: Option<ListId>,
    }

    /// A row that was not taken as it is.
    pub struct ImportProblem {
        /// The line in the file where the row begins, from 1.
        pub line: u64,
        /// A duplicate was left out; a rejected row could not be read.
        pub kind: ImportProblemKind,
        /// The column, where one is to blame.
        pub column: String,
        /// A sentence.
        pub message: String,
        /// The start of the offending value, without control characters, at most 80 characters.
        pub value: String,
    }
}

/// By what contacts are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ContactSort {
    /// By address.
    #[default]
    Email,
    /// By last, then first name.
    Name,
    /// By the time they came in.
    Added,
}

/// What was wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ImportProblemKind {
    /// Its address stood in the file before.
    Duplicate,
    /// It could not be read.
    Rejected,
}
