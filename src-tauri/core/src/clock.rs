//! Time as an argument.
//!
//! The only place that asks the operating system what time it is. Everything else takes a [`Clock`] or an
//! instant, so that windows, caps and back-off can be tested at any moment.

use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Mutex;

/// A UTC instant, as everywhere in the core.
pub type Instant = DateTime<Utc>;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Returns the present instant.
    fn now(&self) -> Instant;

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
}

/// A clock that stands still until it is moved, for tests and for sample data.
#[derive(Debug)]
pub struct ManualClock(Mutex<Instant>);

impl ManualClock {
    /// Returns a clock that shows `start`.
    pub fn at(start: Instant) -> Self {
        Self(Mutex::new(start))
    }

    /// Moves the clock by `by`, backwards where it is negative.
    pub fn advance(&self, by: TimeDelta) {
        let mut now = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *now += by;
    }

    /// Sets the clock to `to`.
    pub fn set(&self, to: Instant) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = to;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
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
