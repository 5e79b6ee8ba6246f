//! Stops an account that fails, before it fails for everyone. Pure.
//!
//! Only errors of the account count: a thousand unknown recipients in a row stop nothing.

use super::transport::DeliveryError;
use crate::clock::Instant;
use chrono::TimeDelta;

/// Failures in a row after which an account's campaigns are paused.
const LIMIT: u32 = 5;
/// Seconds without a new attempt after the first, second, … failure in a row.
const WAIT_SECS: [i64; 4] = [2, 5, 15, 30];

/// What a failure means for the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trip {
    /// Nothing: it was the mail's or the recipient's fault.
    Not,
    /// No attempt before this instant.
    Wait(Instant),
    /// The account's campaigns are to be paused.
    Open,
}

/// Counts an account's failures in a row.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    failures: u32,
}

impl Breaker {
    /// Takes note that a mail was taken, or that the user wants to go on.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Takes note of an error.
    ///
    /// A refusal for good (5xx) of login, sender or quota opens at once: the next mail would meet the same
    /// words, and repeated wrong logins lock accounts.
    pub fn failed(&mut self, error: &DeliveryError, now: Instant) -> Trip {
        if !error.kind.is_account_side() {
            // The dialogue came as far as this mail, so the account works.
            self.reset();
            return Trip::Not;
        }
        self.failures += 1;
        if error.is_permanent() || self.failures >= LIMIT {
            self.reset();
            return Trip::Open;
        }
        let wait = WAIT_SECS[(self.failures as usize - 1).min(WAIT_SECS.len() - 1)];
        Trip::Wait(now + TimeDelta::seconds(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::super::transport::{ErrorKind, Stage};
    use super::*;

    fn error(kind: ErrorKind, code: Option<u16>) -> DeliveryError {
        DeliveryError {
            kind,
            stage: Stage::Connecting,
            code,
            reply: String::new(),
        }
    }

    #[test]
    fn one_bad_recipient_or_a_thousand_never_stop_a_campaign() {
        let mut breaker = Breaker::default();
        for _ in 0..1000 {
            let trip = breaker.failed(
                &error(ErrorKind::Recipient, Some(550)),
                crate::clock::from_millis(0),
            );
            assert_eq!(trip, Trip::Not);
        }
    }

    #[test]
    fn a_wrong_password_stops_at_once_and_a_dead_network_after_five() {
        let now = crate::clock::from_millis(0);
        let mut breaker = Breaker::default();
        assert_eq!(
            breaker.failed(&error(ErrorKind::Auth, Some(535)), now),
            Trip::Open
        );
        let dead = error(ErrorKind::Network, None);
        for _ in 0..4 {
            assert!(matches!(breaker.failed(&dead, now), Trip::Wait(at) if at > now));
        }
        assert_eq!(breaker.failed(&dead, now), Trip::Open);
    }

    #[test]
    fn success_in_between_starts_the_count_anew() {
        let now = crate::clock::from_millis(0);
        let mut breaker = Breaker::default();
        let dead = error(ErrorKind::Network, Some(421));
        for _ in 0..20 {
            assert_ne!(breaker.failed(&dead, now), Trip::Open);
            breaker.reset();
        }
    }
}
