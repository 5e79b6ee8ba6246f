//! How an account stands with its server: when it may go on after a failure, and how much slower. Pure.
//!
//! It is kept between starts, so that a restart neither forgets a limit nor tries a wrong password once more. Only
//! errors of the account count: a thousand unknown recipients in a row stop nothing. What the account waits for costs
//! no mail an attempt.

use super::retry::{self, Slow};
use super::transport::{DeliveryError, ErrorKind, without_addresses};
use crate::clock::Instant;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// Seconds without a new attempt after the first, second, … failure in a row.
const NETWORK_SECS: [i64; 9] = [2, 5, 15, 30, 60, 120, 300, 600, 900];
/// The same after a temporary refusal of login or sender, in minutes: servers lock out who insists.
const REFUSED_MINUTES: [i64; 4] = [1, 5, 15, 60];
/// The same after a short limit of the server's.
const BUSY_MINUTES: [i64; 4] = [5, 15, 30, 60];
/// The same after its limit of a day: it is tried with one mail.
const DAY_MINUTES: [i64; 3] = [60, 180, 360];
/// How long an account is slower after the server has asked for it; then it is half as slow, and so on.
const SLOW_HOURS: i64 = 1;
/// The most that it becomes slower.
const SLOWEST: u32 = 64;
/// How long a limit of a day that was learnt is kept. Part of it may have been used up elsewhere, by webmail say: a day
/// later the server says it again, or does not.
const LEARNT_DAYS: i64 = 1;
/// Requests to slow down within this time are one: connections at the same time are told together.
const ONE_REQUEST: TimeDelta = TimeDelta::minutes(1);

/// How an account stands with its server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// The next mail leaves no sooner, by its limits.
    pub next_at: Option<Instant>,
    /// Failures in a row.
    pub failures: u32,
    /// No attempt before.
    pub closed_until: Option<Instant>,
    /// No attempt before the user wants it.
    pub blocked: bool,
    /// What it waits for, or why it is slower.
    pub trouble: Option<Trouble>,
    /// It is slower for a while.
    pub slow: Option<Slower>,
    /// The server's limit of a day, as it turned out.
    pub learnt: Option<Learnt>,
}

/// A failure of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Whose fault.
    pub kind: ErrorKind,
    /// The server's words without addresses, or what happened instead.
    pub reply: String,
    /// When.
    pub at: Instant,
}

/// An account is slower than its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slower {
    /// So many times as long between two mails: 2 to 64.
    pub factor: u32,
    /// Half as slow from then on.
    pub until: Instant,
    /// The server's words.
    pub reply: String,
}

/// A limit of a day that a server was found to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt {
    /// Mails in 24 hours.
    pub per_day: u32,
    /// Kept until then.
    pub until: Instant,
    /// The server's words.
    pub reply: String,
}

/// What a failure means for the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trip {
    /// Nothing: it was the mail's or the recipient's fault.
    Not,
    /// No attempt before this instant.
    Wait(Instant),
    /// No attempt before the user wants it.
    Block,
}

impl Standing {
    /// Takes note that a mail was taken, or refused for a reason of its own; tells whether that changed anything.
    ///
    /// While the account is closed that mail was on its way before, so it says nothing of what came after.
    pub fn went_well(&mut self, now: Instant) -> bool {
        let changed = self.failures > 0 || self.trouble.is_some() || self.closed_until.is_some();
        if self.blocked || self.closed(now).is_some() || !changed {
            return false;
        }
        self.open();
        true
    }

    /// Takes note that the user wants to go on.
    pub fn go_on(&mut self) {
        self.open();
        self.blocked = false;
        // The user may know better than what an answer of yesterday says.
        self.learnt = None;
    }

    fn open(&mut self) {
        self.failures = 0;
        self.closed_until = None;
        self.trouble = None;
    }

    /// Takes note of an error. `in_day` is what the account handed over in the last 24 hours, this mail included.
    ///
    /// A refusal for good (5xx) of login or sender blocks at once: the next mail would meet the same words, and
    /// repeated wrong logins lock accounts.
    pub fn failed(&mut self, error: &DeliveryError, in_day: u32, now: Instant) -> Trip {
        match retry::slow_down(error) {
            Some(Slow::Pace) => self.slow_down(error, now),
            Some(Slow::Day) => self.learn(error, in_day, now),
            None => {}
        }
        if !error.kind.is_account_side() {
            // The dialogue came as far as this mail, so the account works.
            self.went_well(now);
            return Trip::Not;
        }
        // Connections at the same time fail for one reason: those of the first moments count once.
        let again = self.trouble.as_ref().is_some_and(|before| {
            before.kind == error.kind && self.closed_until.is_some_and(|until| now < until)
        });
        if !again {
            self.failures += 1;
        }
        self.trouble = Some(Trouble {
            kind: error.kind,
            reply: without_addresses(&error.reply),
            at: now,
        });
        let nth = |steps: &[i64]| steps[(self.failures.max(1) as usize - 1).min(steps.len() - 1)];
        let wait = match error.kind {
            ErrorKind::Auth | ErrorKind::Account if error.is_permanent() => {
                self.blocked = true;
                return Trip::Block;
            }
            ErrorKind::Auth | ErrorKind::Account => TimeDelta::minutes(nth(&REFUSED_MINUTES)),
            ErrorKind::Quota if retry::slow_down(error) == Some(Slow::Day) => {
                TimeDelta::minutes(nth(&DAY_MINUTES))
            }
            ErrorKind::Quota => TimeDelta::minutes(nth(&BUSY_MINUTES)),
            _ => TimeDelta::seconds(nth(&NETWORK_SECS)),
        };
        let until = self
            .closed_until
            .map_or(now + wait, |before| before.max(now + wait));
        self.closed_until = Some(until);
        Trip::Wait(until)
    }

    fn slow_down(&mut self, error: &DeliveryError, now: Instant) {
        let before = self.slow_factor(now);
        let was_told = self
            .slow
            .as_ref()
            .is_some_and(|slow| now < slow.until - TimeDelta::hours(SLOW_HOURS) + ONE_REQUEST);
        if was_told {
            return;
        }
        self.slow = Some(Slower {
            factor: (before * 2).min(SLOWEST),
            until: now + TimeDelta::hours(SLOW_HOURS),
            reply: without_addresses(&error.reply),
        });
    }

    fn learn(&mut self, error: &DeliveryError, in_day: u32, now: Instant) {
        let before = self.learnt_per_day(now);
        let found = in_day.saturating_sub(1).max(1);
        self.learnt = Some(Learnt {
            per_day: if before == 0 { found } else { before.min(found) },
            until: now + TimeDelta::days(LEARNT_DAYS),
            reply: without_addresses(&error.reply),
        });
    }

    /// Returns how many times as long the time between two mails is now; 1 is as usual.
    pub fn slow_factor(&self, now: Instant) -> u32 {
        let Some(slow) = &self.slow else { return 1 };
        if now < slow.until {
            return slow.factor;
        }
        let hours = (now - slow.until).num_hours() / SLOW_HOURS + 1;
        // Half as slow with every hour.
        slow.factor
            .checked_shr(u32::try_from(hours).unwrap_or(u32::MAX))
            .unwrap_or(0)
            .max(1)
    }

    /// Returns the limit of a day that was learnt; 0 is none.
    pub fn learnt_per_day(&self, now: Instant) -> u32 {
        match &self.learnt {
            Some(learnt) if now < learnt.until => learnt.per_day,
            _ => 0,
        }
    }

    /// Returns before when the account does nothing; `None` where it may work now.
    ///
    /// A clock that was set back must not close an account for ever: nothing waits for longer than the longest step.
    pub fn closed(&self, now: Instant) -> Option<Instant> {
        let longest = now + TimeDelta::minutes(DAY_MINUTES[DAY_MINUTES.len() - 1]);
        self.closed_until
            .filter(|until| *until > now)
            .map(|until| until.min(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::super::transport::Stage;
    use super::*;

    fn at(minutes: i64) -> Instant {
        crate::clock::from_millis(minutes * 60_000)
    }

    fn error(kind: ErrorKind, code: Option<u16>, reply: &str) -> DeliveryError {
        DeliveryError {
            kind,
            stage: Stage::BeforeBody,
            code,
            reply: reply.into(),
        }
    }

    #[test]
    fn the_network_is_waited_for_ever_longer_and_never_blocks() {
        let mut standing = Standing::default();
        let (mut now, mut waits) = (at(0), Vec::new());
        for _ in 0..11 {
            let Trip::Wait(until) = standing.failed(&error(ErrorKind::Network, None, "refused"), 1, now)
            else {
                panic!("a network never blocks")
            };
            waits.push((until - now).num_seconds());
            now = until;
        }
        assert_eq!(waits, [2, 5, 15, 30, 60, 120, 300, 600, 900, 900, 900]);
        assert!(
            !standing.went_well(now - TimeDelta::seconds(1)),
            "what was on its way before says nothing"
        );
        assert!(standing.went_well(now));
        assert_eq!(standing, Standing::default());
        assert!(!standing.went_well(now), "the second time nothing changes");
    }

    #[test]
    fn twenty_connections_that_fail_together_count_once() {
        let mut standing = Standing::default();
        for _ in 0..20 {
            standing.failed(
                &error(ErrorKind::Network, Some(421), "4.3.2 Shutting down"),
                1,
                at(0),
            );
        }
        assert_eq!(standing.failures, 1);
    }

    #[test]
    fn a_wrong_password_is_tried_once() {
        let mut standing = Standing::default();
        let trip = standing.failed(&error(ErrorKind::Auth, Some(535), "5.7.8 no"), 1, at(0));
        assert_eq!(trip, Trip::Block);
        assert!(standing.blocked);
        standing.go_on();
        assert!(!standing.blocked);
        let trip = standing.failed(&error(ErrorKind::Auth, Some(454), "4.7.0 later"), 1, at(0));
        assert_eq!(trip, Trip::Wait(at(1)), "a temporary one waits");
    }

    #[test]
    fn recipients_and_mails_stop_no_account() {
        let mut standing = Standing::default();
        standing.failed(&error(ErrorKind::Network, None, "gone"), 1, at(0));
        for _ in 0..1000 {
            let trip = standing.failed(&error(ErrorKind::Recipient, Some(550), "5.1.1 unknown"), 1, at(1));
            assert_eq!(trip, Trip::Not);
        }
        assert_eq!(standing.failures, 0, "the server answers again");
    }

    #[test]
    fn a_server_that_asks_for_it_is_sent_to_more_slowly_for_a_while() {
        for (kind, code, reply) in [
            (ErrorKind::Quota, 421, "4.7.28 Gmail has detected an unusual rate"),
            (ErrorKind::Network, 421, "4.7.0 Try again later"),
            (ErrorKind::Recipient, 450, "4.2.1 receiving mail at a rate"),
        ] {
            let mut standing = Standing::default();
            standing.failed(&error(kind, Some(code), reply), 1, at(0));
            standing.failed(&error(kind, Some(code), reply), 1, at(0));
            assert_eq!(
                standing.slow_factor(at(1)),
                2,
                "{reply}: told by two connections together"
            );
            standing.failed(&error(kind, Some(code), reply), 1, at(10));
            assert_eq!(standing.slow_factor(at(11)), 4);
            assert_eq!(standing.slow_factor(at(71)), 2, "an hour later half as slow");
            assert_eq!(standing.slow_factor(at(131)), 1, "and then as before");
        }
    }

    #[test]
    fn the_limit_of_a_day_is_learnt_from_the_server() {
        let mut standing = Standing::default();
        let reply = error(
            ErrorKind::Quota,
            Some(550),
            "5.4.5 Daily user sending limit exceeded",
        );
        assert_eq!(standing.failed(&reply, 301, at(0)), Trip::Wait(at(60)));
        assert_eq!(standing.learnt_per_day(at(1)), 300);
        assert_eq!(standing.failed(&reply, 250, at(60)), Trip::Wait(at(240)));
        assert_eq!(standing.learnt_per_day(at(61)), 249, "the least that was found");
        assert_eq!(standing.learnt_per_day(at(2 * 24 * 60)), 0, "kept for a day");
        standing.failed(&reply, 100, at(3 * 24 * 60));
        standing.go_on();
        assert_eq!(
            standing.learnt_per_day(at(3 * 24 * 60)),
            0,
            "the user may know better"
        );
        assert!(!standing.blocked, "a limit is waited for");
    }

    #[test]
    fn a_clock_set_back_closes_no_account_for_ever() {
        let mut standing = Standing::default();
        standing.failed(&error(ErrorKind::Network, None, "gone"), 1, at(1_000_000));
        assert_eq!(standing.closed(at(0)), Some(at(360)));
    }

    #[test]
    fn what_is_kept_is_read_again_and_older_rows_too() {
        let mut standing = Standing::default();
        standing.failed(
            &error(ErrorKind::Quota, Some(550), "5.4.5 Daily limit"),
            10,
            at(0),
        );
        let text = serde_json::to_string(&standing).unwrap();
        assert_eq!(serde_json::from_str::<Standing>(&text).unwrap(), standing);
        assert_eq!(
            serde_json::from_str::<Standing>("{}").unwrap(),
            Standing::default()
        );
    }
}
