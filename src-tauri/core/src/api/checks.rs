//! Checks before sending: what the names of a sender's domain say, and what a test mail shows.

use super::data;
use crate::clock::Instant;
use crate::ids::AccountId;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

data! {
    /// Looks up what mail servers ask about a sender: SPF, DKIM, DMARC, MX and PTR. Takes up to 20 seconds; the result
    /// is kept for [`DomainCheckLast`]. Announces `accounts`.
    pub struct DomainCheck {
        /// Checks the domain of this account's sender, and its server.
        #[serde(default)] #[ts(optional)]
        pub account: Option<AccountId>,
        /// Checks this domain instead, such as `example.org`.
        #[serde(default)] #[ts(optional)]
        pub domain: Option<String>,
        /// The name of the signing key, where the user knows it: the `s=` of a DKIM signature.
        #[serde(default)] #[ts(optional)]
        pub selector: Option<String>,
    }

    /// What was found of a domain.
    pub struct DomainChecked {
        /// The domain, in its ASCII form.
        pub domain: String,
        /// When.
        pub at: Instant,
        /// The worst of the findings.
        pub severity: CheckSeverity,
        /// In the order of [`CheckTopic`]; a topic may have several.
        pub findings: Vec<CheckFinding>,
    }

    /// One finding.
    pub struct CheckFinding {
        /// What it is about.
        pub topic: CheckTopic,
        /// How good it is.
        pub severity: CheckSeverity,
        /// What is so, and what to do where something is to be done.
        pub sentence: String,
        /// The record or header as it was read, with its name in front; empty where there is none.
        pub record: String,
    }

    /// Asks for the last result for an account's domain. Provides `accounts`.
    pub struct DomainCheckLast {
        /// Whose.
        pub account: AccountId,
    }

    /// The last result, if there is one.
    pub struct DomainCheckLastResponse {
        /// `null` where it was never checked.
        pub checked: Option<DomainChecked>,
    }

    /// Reads a test mail that came back as a file, and checks its signatures. Changes nothing.
    pub struct MailCheck {
        /// A file with one mail, at most 25 MiB.
        pub path: String,
    }

    /// What a test mail shows.
    pub struct MailChecked {
        /// From whom it says it is; empty where it does not.
        pub from: String,
        /// Its subject, at most 200 characters.
        pub subject: String,
        /// The worst of the findings.
        pub severity: CheckSeverity,
        /// In the order of [`CheckTopic`].
        pub findings: Vec<CheckFinding>,
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CheckTopic {
    /// Which servers may send for the domain (RFC 7208).
    Spf,
    /// The keys that its mails are signed with (RFC 6376).
    Dkim,
    /// What is to become of mails that are neither (RFC 7489).
    Dmarc,
    /// Where mails to the domain go.
    Mx,
    /// The name that a server's address leads back to.
    Ptr,
    /// A test mail's signature.
    Signature,
    /// What it signs of the headers for one-click unsubscription (RFC 8058 §4).
    OneClick,
    /// Whether the signature speaks for the sender that readers see (RFC 7489 §3.1).
    Alignment,
    /// What the server that received a test mail said of it.
    Received,
}

/// How good a finding is, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CheckSeverity {
    /// As it should be.
    Good,
    /// It could not be found out, or cannot be from here.
    Unknown,
    /// Mail arrives, and less surely than it could.
    Warn,
    /// Mail is likely to be refused or filed as spam.
    Bad,
}
