//! Typed identifiers, and randomness as an argument.

use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use ts_rs::TS;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
        #[serde(transparent)]
        #[ts(as = "i32")]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

ids! {
    /// A row of `account`.
    AccountId;
    /// A row of `contact`.
    ContactId;
    /// A row of `list`.
    ListId;
    /// A row of `campaign`.
    CampaignId;
    /// A row of `message`: one campaign to one contact.
    MessageId;
    /// A row of `hit`: one request for a pixel.
    HitId;
    /// A row of `attachment`: a file of a campaign.
    AttachmentId;
    /// A row of `label`: what the user says of hits.
    LabelId;
    /// A row of `route`: a base address that mails were sent with.
    RouteId;
    /// A row of `outbox_mail`: a mail kept in the workspace instead of being sent.
    OutboxId;
    /// A long-running job of this engine; not kept over a restart.
    JobId;
}

/// Gives random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random data.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's random source.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes)
            .expect("an operating system without randomness cannot make unguessable tokens");
    }
}

/// A repeatable source for tests and sample data; never for mail that leaves this computer.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<blake3::OutputReader>);

impl SeededEntropy {
    /// Returns the source that always gives the same bytes for the same `seed`.
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"casement seeded entropy");
        hasher.update(&seed.to_le_bytes());
        Self(Mutex::new(hasher.finalize_xof()))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .fill(bytes);
    }
}
