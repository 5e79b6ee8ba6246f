//! Time as an argument.
//!
//! The only place that asks the operating system what time it is. Everything else takes a [`Clock`] or an
//! instant, so that windows, caps and back-off can be tested at any moment.

use chrono::{DateTime, TimeDelta, Utc};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// A UTC instant, as everywhere in the core.
pub type Instant = DateTime<Utc>;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Returns the present instant.
    fn now(&self) -> Instant;

    /// Returns an instant that only the passing of time moves: setting the clock does not, and sleep does count (on
    /// Linux; elsewhere time asleep may be left out). It agrees with [`Clock::now`] at the program's start.
    ///
    /// Limits are kept by it: a clock that is set forward would forget a day's mails.
    fn steady(&self) -> Instant {
        self.now()
    }

    /// Tells whether time is played: then it jumps, and a jump says nothing of this computer.
    fn is_played(&self) -> bool {
        false
    }
}

/// The computer's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one door to the computer's clock")]
    fn now(&self) -> Instant {
        Utc::now()
    }

    fn steady(&self) -> Instant {
        static START: OnceLock<(Instant, Duration)> = OnceLock::new();
        let (start, passed) = START.get_or_init(|| (self.now(), since_boot()));
        *start + TimeDelta::from_std(since_boot().saturating_sub(*passed)).unwrap_or_default()
    }
}

/// Returns how long the computer has run, asleep or not.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Returns how long this program has run.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// A clock that stands still until it is moved, for tests and for sample data.
///
/// [`ManualClock::advance`] is time that passes, [`ManualClock::set`] a clock that somebody sets.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Instant>,
    steady: Mutex<Instant>,
}

impl ManualClock {
    /// Returns a clock that shows `start`.
    pub fn at(start: Instant) -> Self {
        Self {
            now: Mutex::new(start),
            steady: Mutex::new(start),
        }
    }

    /// Lets `by` pass; where it is negative the clock is set back.
    pub fn advance(&self, by: TimeDelta) {
        *lock(&self.now) += by;
        if by > TimeDelta::zero() {
            *lock(&self.steady) += by;
        }
    }

    /// Sets the clock to `to`.
    pub fn set(&self, to: Instant) {
        *lock(&self.now) = to;
    }
}

fn lock(instant: &Mutex<Instant>) -> std::sync::MutexGuard<'_, Instant> {
    instant.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        *lock(&self.now)
    }

    fn steady(&self) -> Instant {
        *lock(&self.steady)
    }

    fn is_played(&self) -> bool {
        true
    }
}

/// Returns `at` as milliseconds since 1970-01-01T00:00:00Z, the form in which the database keeps time.
pub fn to_millis(at: Instant) -> i64 {
    at.timestamp_millis()
}

/// Returns the instant that [`to_millis`] wrote; values outside chrono's range become the epoch.
pub fn from_millis(millis: i64) -> Instant {
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::UNIX_EPOCH)
}
