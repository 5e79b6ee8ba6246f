//! What comes back by mail: bounces, complaints, wishes to unsubscribe; from files or pasted.

use super::data;
use crate::ids::{ContactId, MessageId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ts_rs::TS;

data! {
    /// Reads mails or addresses and does what they say, or with `dry_run` says what it would do. Starts a job whose
    /// result is an [`IncomingResult`]. Announces `contacts`, `opens`, `campaigns`, `activity`.
    pub struct IncomingRun {
        /// Files with one mail (.eml) or many (mbox), at most 128 MiB each and 100 of them.
        #[serde(default)]
        pub paths: Vec<String>,
        /// Addresses, one a line; at most 5 MiB.
        #[serde(default)]
        pub text: String,
        /// What the addresses of `text` are.
        #[serde(default)]
        pub text_is: PastedKind,
        /// Passes over everything but wishes to unsubscribe.
        #[serde(default)]
        pub only_unsubscribes: bool,
        /// Changes nothing.
        #[serde(default)]
        pub dry_run: bool,
    }

    /// What became of what was read.
    pub struct IncomingResult {
        /// Mails and lines that were read.
        pub read: u32,
        /// Answers by kind, kinds without any left out. A mail may have several.
        pub counts: BTreeMap<IncomingKind, u32>,
        /// Addresses that got mail until now and get no more.
        pub addresses: u32,
        /// The first 1,000 answers, in the order of the files.
        pub rows: Vec<IncomingRow>,
        /// Nothing was changed.
        pub dry_run: bool,
    }

    /// The answer to one mail, one recipient of a report, or one line.
    pub struct IncomingRow {
        /// Where it stands: `bounces.mbox, mail 3`, or `line 4`.
        pub place: String,
        /// What it is.
        pub kind: IncomingKind,
        /// Whose it is; may be empty.
        pub address: String,
        /// The person, where there is one.
        pub contact: Option<ContactId>,
        /// The mail of ours that it is about.
        pub message: Option<MessageId>,
        /// What it says, and what was done.
        pub sentence: String,
    }
}

/// What pasted addresses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PastedKind {
    /// Mail to them comes back.
    #[default]
    Bounced,
    /// Their owners want no more mail.
    Unsubscribed,
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum IncomingKind {
    /// The address is no good: it gets no more mail.
    Bounced,
    /// Its owner wants no more mail, and gets none.
    Unsubscribed,
    /// Its owner reported a mail as unwanted, and gets no more.
    Complained,
    /// The mail was refused for good, and not because of the address.
    Refused,
    /// The mail has not arrived yet, or was given up after a fault that may pass. Nothing is done.
    Delayed,
    /// It was known already.
    Known,
    /// It is about no mail and no person of this workspace.
    Foreign,
    /// Nothing that could be acted on.
    NotUnderstood,
}
