//! A time that has surely passed, told by a clock that may have been set. Pure.
//!
//! What upkeep destroys does not come back. A clock that was set forward by mistake must not destroy it at once: a
//! time counts as passed only once the clock has shown a later one while Casement ran for an hour more, with no step
//! back before it in between. An hour of running, not of the clock: a sleep or a step adds nothing to it.

use crate::clock::Instant;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long Casement must have run since the clock showed a time, in one piece or in several.
pub(crate) const NEEDED: Duration = Duration::from_secs(60 * 60);

/// What the clock has shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sure {
    /// What the clock showed when the present hour began.
    #[serde(default)]
    seen_at: Option<Instant>,
    /// Seconds of running since.
    #[serde(default)]
    ran_secs: u64,
    /// The latest time that has surely passed.
    #[serde(default)]
    at: Option<Instant>,
}

impl Sure {
    /// Looks at the clock, `ran` after the last look.
    pub(crate) fn look(&mut self, now: Instant, ran: Duration) {
        match self.seen_at.filter(|seen| *seen <= now) {
            Some(seen) => {
                self.ran_secs += ran.as_secs();
                if self.ran_secs >= NEEDED.as_secs() {
                    self.at = Some(seen);
                    self.seen_at = Some(now);
                    self.ran_secs = 0;
                }
            }
            // The first look, or the clock was set back: what it showed before proves nothing.
            None => {
                self.seen_at = Some(now);
                self.ran_secs = 0;
            }
        }
        self.at = self.at.map(|at| at.min(now));
    }

    /// Returns the latest time that has surely passed; `None` before the first hour.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Returns how long Casement must still run until the time of the last look, or one shortly before, is sure.
    pub(crate) fn left(&self, wanted: Instant) -> Duration {
        // The hour that runs may have begun before what is wanted had passed; then it takes another one.
        let first = NEEDED.saturating_sub(Duration::from_secs(self.ran_secs));
        match self.seen_at {
            Some(seen) if seen >= wanted => first,
            _ => first + NEEDED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;

    const MINUTE: u64 = 60;

    /// Looks at what the clock shows, in minutes, so many minutes of running after the last look; tells what is sure.
    fn after(looks: &[(i64, u64)]) -> Option<i64> {
        let mut sure = Sure::default();
        for (shown, ran) in looks {
            sure.look(from_millis(shown * 60_000), Duration::from_secs(ran * MINUTE));
        }
        sure.at().map(|at| at.timestamp() / 60)
    }

    #[test]
    fn a_time_is_sure_after_an_hour_of_running_in_which_the_clock_was_not_before_it() {
        const YEAR: i64 = 525_600;
        type Case<'a> = (&'a str, &'a [(i64, u64)], Option<i64>);
        let table: &[Case<'_>] = &[
            ("nothing is sure at first", &[(0, 0), (59, 59)], None),
            ("an hour later the beginning is", &[(0, 0), (60, 60)], Some(0)),
            (
                "and goes on by the hour",
                &[(0, 0), (60, 60), (90, 30), (120, 30)],
                Some(60),
            ),
            (
                "short runs add up",
                &[(0, 0), (20, 20), (2000, 20), (4000, 20)],
                Some(0),
            ),
            (
                "a clock set forward a year proves nothing at once",
                &[(0, 0), (60, 60), (YEAR, 0), (YEAR + 59, 59)],
                Some(0),
            ),
            (
                "set right again it has proved nothing",
                &[(0, 0), (60, 60), (YEAR, 59), (120, 1), (180, 60)],
                Some(120),
            ),
            (
                "nor has the hour in which it was wrong",
                &[(0, 0), (60, 60), (90, 30), (YEAR, 30), (YEAR + 30, 30), (130, 10)],
                Some(60),
            ),
            ("a sleep is no running", &[(0, 0), (60, 60), (600, 1)], Some(0)),
            (
                "a clock that stays there is believed in the end",
                &[(0, 0), (YEAR, 60), (YEAR + 60, 60)],
                Some(YEAR),
            ),
            (
                "set back, what was sure is so no more",
                &[(0, 0), (YEAR, 60), (YEAR + 60, 60), (120, 1)],
                Some(120),
            ),
        ];
        for (what, looks, expected) in table {
            assert_eq!(after(looks), *expected, "{what}");
        }
    }

    #[test]
    fn the_next_look_comes_when_something_may_be_sure() {
        let mut sure = Sure::default();
        sure.look(from_millis(0), Duration::ZERO);
        let hour = NEEDED;
        assert_eq!(sure.left(from_millis(0)), hour);
        assert_eq!(sure.left(from_millis(1)), hour * 2, "this hour began before");
        sure.look(from_millis(600_000), hour / 6);
        assert_eq!(sure.left(from_millis(0)), hour / 6 * 5);
    }
}
