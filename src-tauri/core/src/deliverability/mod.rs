//! What decides whether a mail is believed: the names of its sender's domain, and its signatures. Pure.
//!
//! Asks names through the port [`Names`], which `net::dns` answers, and turns what it hears into sentences for people
//! who never saw a DNS record. Start at [`domain::check`] and [`mail::check`].

pub mod dkim;
pub mod dmarc;
pub mod domain;
pub mod hosts;
pub mod mail;
pub mod senders;
pub mod spf;

#[cfg(test)]
pub(crate) mod played;

use crate::api::{CheckFinding, CheckSeverity, CheckTopic};
use std::net::IpAddr;

/// Why a name has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is no such name (NXDOMAIN).
    #[error("there is no such name")]
    NoSuchName,
    /// The name is there, and has no record of the kind.
    #[error("there is no such record")]
    NoRecord,
    /// No answer came in time.
    #[error("the name server did not answer in time")]
    TimedOut,
    /// The name server failed or refused (SERVFAIL, REFUSED), or its answer cannot be used.
    #[error("the name server failed: {0}")]
    Failed(String),
}

impl NameError {
    /// Tells whether the answer is that there is nothing, as against no answer.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NoSuchName | Self::NoRecord)
    }
}

/// Answers questions about names. Names are in ASCII form, without a dot at their end.
pub trait Names {
    /// Returns the TXT records of a name, the pieces of each joined without anything between them (RFC 7208 §3.3).
    fn txt(&self, name: &str) -> Result<Vec<String>, NameError>;
    /// Returns the MX records of a name with their preferences, best first. `.` is "takes no mail" (RFC 7505).
    fn mx(&self, name: &str) -> Result<Vec<(u16, String)>, NameError>;
    /// Returns the addresses of a host, IPv4 and IPv6.
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NameError>;
    /// Returns the names that an address leads back to (PTR).
    fn names_of(&self, address: IpAddr) -> Result<Vec<String>, NameError>;
}

/// The most characters of a record that are shown.
const RECORD_CHARS: usize = 2_000;

/// Makes a finding; the record is shown without control characters and not at any length.
pub(crate) fn finding(
    topic: CheckTopic,
    severity: CheckSeverity,
    sentence: impl Into<String>,
    record: &str,
) -> CheckFinding {
    CheckFinding {
        topic,
        severity,
        sentence: sentence.into(),
        record: shown(record, RECORD_CHARS),
    }
}

/// Makes a finding of a name that could not be asked.
pub(crate) fn unasked(topic: CheckTopic, name: &str, error: &NameError) -> CheckFinding {
    finding(
        topic,
        CheckSeverity::Unknown,
        format!("{name} could not be looked up: {error}. Check the network and try again in a few minutes."),
        "",
    )
}

/// Returns the start of a text from elsewhere, without control characters.
pub(crate) fn shown(text: &str, chars: usize) -> String {
    text.trim()
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(chars)
        .collect()
}

/// Returns the worst of some findings; `Unknown` where there are none.
pub fn worst(findings: &[CheckFinding]) -> CheckSeverity {
    findings
        .iter()
        .map(|finding| finding.severity)
        .max()
        .unwrap_or(CheckSeverity::Unknown)
}

/// Returns a tag's value from `a=b; c=d`, as DKIM keys and DMARC records are written (RFC 6376 §3.2).
pub(crate) fn tag<'a>(record: &'a str, name: &str) -> Option<&'a str> {
    record.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Tells whether `name` is `parent` or below it. Case does not matter.
pub(crate) fn is_within(name: &str, parent: &str) -> bool {
    let (name, parent) = (name.to_ascii_lowercase(), parent.to_ascii_lowercase());
    name == parent || name.strip_suffix(&parent).is_some_and(|rest| rest.ends_with('.'))
}
