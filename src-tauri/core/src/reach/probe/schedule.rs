//! When the address in use is asked again. Pure: time and chance are arguments.

use crate::clock::Instant;
use chrono::TimeDelta;

/// How long a start may take: tunnels need some seconds.
const WARM_UP: TimeDelta = TimeDelta::seconds(60);
/// How often is asked while it does.
const SOON: TimeDelta = TimeDelta::seconds(2);
/// How often is asked afterwards, give or take a fifth.
const PERIOD: f64 = 60.0;
/// Misses in a row after which an address counts as not reachable.
pub const MISSES: u32 = 3;
/// How often an address is asked that is not in use any more, and that live mails still name.
pub const OTHERS: TimeDelta = TimeDelta::hours(1);

/// The rounds of asking since something changed: a start, a wake, another address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounds {
    since: Instant,
    is_proved: bool,
    next: Instant,
}

impl Rounds {
    /// Begins rounds at `now`: the first question is due at once.
    pub fn begin(now: Instant) -> Self {
        Self {
            since: now,
            is_proved: false,
            next: now,
        }
    }

    /// Returns when to ask next.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Tells whether what changed may still be coming about: a failure says little then.
    pub fn is_warming_up(&self, now: Instant) -> bool {
        !self.is_proved && now - self.since < WARM_UP
    }

    /// Notes how a question ended at `now`. `chance` is in `[0, 1)`: computers that started together do not stay
    /// together.
    pub fn asked(&mut self, now: Instant, is_good: bool, chance: f64) {
        self.is_proved |= is_good;
        let wait = if self.is_warming_up(now) {
            SOON
        } else {
            let seconds = PERIOD * (0.8 + 0.4 * chance.clamp(0.0, 1.0));
            TimeDelta::milliseconds((seconds * 1000.0) as i64)
        };
        self.next = now + wait;
    }

    /// Returns how many misses in a row there are after one more: while something comes about they do not add up to
    /// [`MISSES`].
    pub fn misses(&self, now: Instant, before: u32) -> u32 {
        let misses = before.saturating_add(1);
        if self.is_warming_up(now) && before < MISSES {
            misses.min(MISSES - 1)
        } else {
            misses
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        let start: Instant = "2026-04-01T08:00:00Z".parse().unwrap();
        start + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_start_is_asked_every_two_seconds_until_it_is_good() {
        let mut rounds = Rounds::begin(at(0));
        assert_eq!(rounds.next(), at(0), "at once");
        let mut asked = 0;
        while rounds.next() < at(60) {
            let now = rounds.next();
            assert!(rounds.is_warming_up(now));
            rounds.asked(now, false, 0.5);
            asked += 1;
        }
        assert_eq!(asked, 30);
        rounds.asked(at(60), false, 0.5);
        assert_eq!(rounds.next(), at(120), "then once a minute");
        let mut rounds = Rounds::begin(at(0));
        rounds.asked(at(2), true, 0.5);
        assert_eq!(rounds.next(), at(62), "what is proved has come about");
    }

    #[test]
    fn a_minute_is_give_or_take_a_fifth() {
        for (chance, wait) in [(0.0, 48), (0.5, 60), (1.0, 72), (7.0, 72)] {
            let mut rounds = Rounds::begin(at(0));
            rounds.asked(at(10), true, chance);
            assert_eq!(rounds.next(), at(10 + wait), "{chance}");
        }
    }

    #[test]
    fn what_is_just_starting_is_not_called_unreachable() {
        let rounds = Rounds::begin(at(0));
        let told = |from: i64| (0..10).fold(0, |before, n| rounds.misses(at(from + 2 * n), before));
        assert_eq!(told(0), MISSES - 1);
        assert_eq!(rounds.misses(at(60), told(0)), MISSES, "after its minute it is");
        assert_eq!(told(100), 10);
        assert_eq!(
            rounds.misses(at(2), 7),
            8,
            "a wake makes nothing good of what was not"
        );
    }
}
