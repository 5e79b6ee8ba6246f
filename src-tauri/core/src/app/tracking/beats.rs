//! What a beat of the listener's heart means: that it was up, or that this computer slept.

use crate::clock::Instant;
use chrono::TimeDelta;

/// How often the interval of uptime is moved on: what a crash can take off its end.
const NOTED: TimeDelta = TimeDelta::seconds(60);
/// A beat that comes so late was not late: this computer slept, or the process stood still.
const SLEPT: TimeDelta = TimeDelta::seconds(30);

/// When the listener was seen last.
#[derive(Debug)]
pub(super) struct Beats {
    last: Instant,
    /// When that was written down.
    noted: Instant,
}

/// What a beat of the heart means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Quiet,
    /// To be noted.
    Seen,
    /// Nobody was answered between this instant and now.
    Slept {
        from: Instant,
    },
}

impl Beats {
    pub fn since(start: Instant) -> Self {
        Self {
            last: start,
            noted: start,
        }
    }

    /// Takes a beat. Time that is played jumps, and nobody sleeps then.
    pub fn at(&mut self, now: Instant, is_played: bool) -> Beat {
        let last = std::mem::replace(&mut self.last, now);
        if now - last > SLEPT && !is_played {
            self.noted = now;
            return Beat::Slept { from: last };
        }
        // A clock that was set back begins anew.
        if now - self.noted >= NOTED || now < self.noted {
            self.noted = now;
            return Beat::Seen;
        }
        Beat::Quiet
    }
}
