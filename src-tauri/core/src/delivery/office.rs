//! What the dispatcher needs of the world: a port over the ledger, the accounts and the clock.
//!
//! [`Office`] is implemented by `app::sending` over the database; the rest are the words that the two exchange.

use super::standing::Trip;
use super::transport::{Accepted, DeliveryError, Transport};
use crate::clock::Instant;
use crate::ids::{AccountId, CampaignId, MessageId};
use chrono::TimeDelta;

/// A mail that was claimed: `handing_over` is on disk, and it is ready to leave.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its row in the ledger.
    pub message: MessageId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Attempts, with this one.
    pub attempts: u32,
    /// When, by [`Office::now`]: it counts against the limits of then.
    pub claimed_at: Instant,
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipient.
    pub to: String,
    /// The subject, decoded.
    pub subject: String,
    /// The mail; or why it could not be made, so that nothing leaves.
    pub bytes: Result<Vec<u8>, String>,
}

/// What became of a claimed mail.
#[derive(Debug, Clone)]
pub struct Done {
    /// Its row in the ledger.
    pub message: MessageId,
    /// Attempts, with this one.
    pub attempts: u32,
    /// When it was claimed, by [`Office::now`].
    pub claimed_at: Instant,
    /// What happened.
    pub result: Ended,
    /// What was said to the server and by it ([`Transport::take_dialogue`]).
    pub dialogue: Vec<String>,
}

/// How a hand-over ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// The server took it.
    Accepted(Accepted),
    /// It did not, or did not say.
    Failed(DeliveryError),
    /// The mail could not be made; nothing left.
    Unmade(String),
}

/// What an account has to do.
#[derive(Debug, Clone)]
pub struct Work {
    /// The account.
    pub account: AccountId,
    /// Connections at once.
    pub connections: u32,
    /// The time between two mails that its limits ask for; zero without one.
    pub interval: TimeDelta,
    /// The next mail leaves no sooner, by [`Office::now`]: what an earlier run left.
    pub next_at: Option<Instant>,
    /// Mails that may leave now, counted no further than is worth it.
    pub due: u32,
}

/// All that is to do.
#[derive(Debug, Clone, Default)]
pub struct Agenda {
    /// Accounts with mails that may leave now.
    pub work: Vec<Work>,
    /// When the next mail that waits may leave, by [`Office::now`].
    pub next: Option<Instant>,
    /// A launched campaign waits for its first mail to leave.
    pub starting: bool,
}

/// The ledger cannot be read or written; the text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(pub String);

/// Whether a worker wants another mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Record only.
    Nothing,
    /// Record, and claim the next mail in the same commit.
    Next,
}

/// What the dispatcher needs of the world; `app::sending` implements it over the database.
pub trait Office: Send + Sync {
    /// Returns an instant that only the passing of time moves; pace and waits are kept by it.
    fn now(&self) -> Instant;

    /// Returns a number in `[0, 1)` by chance.
    fn chance(&self) -> f64;

    /// Settles what needs no mail (queues, ends of campaigns) and returns what is to do.
    fn agenda(&self) -> Result<Agenda, LedgerError>;

    /// Records what became of a mail and claims the account's next one, in one commit. `next_at` is before when the
    /// account's one after that may not leave, kept for the next start.
    ///
    /// Returns after the commit. `None` where nothing is due or nothing was asked for.
    fn exchange(
        &self,
        account: AccountId,
        done: Option<&Done>,
        claim: Claim,
        next_at: Option<Instant>,
    ) -> Result<Option<Claimed>, LedgerError>;

    /// Tells whether any mail of the account may leave now.
    fn is_due(&self, account: AccountId) -> Result<bool, LedgerError>;

    /// Returns a transport of the account, not yet connected; or why there is none, as a sentence.
    fn transport(&self, account: AccountId) -> Result<Box<dyn Transport>, String>;

    /// Takes note of how a hand-over went for the account, and says what follows. A blocked account's campaigns are
    /// paused when this returns.
    fn judge(&self, account: AccountId, result: Result<(), &DeliveryError>) -> Trip;

    /// Pauses the account's campaigns for the reason in the sentence.
    fn pause(&self, account: AccountId, why: &str);
}
