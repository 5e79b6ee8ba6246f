//! Spreads an account's mails evenly. Pure: time and chance are arguments.

use crate::clock::Instant;
use chrono::TimeDelta;

/// Intervals from which on a little chance is added: below, it would cost speed and hide nothing.
const JITTER_FROM: TimeDelta = TimeDelta::seconds(1);
/// The part of an interval that chance may add, in per cent.
const JITTER: f64 = 10.0;

/// When the next mail of an account may leave.
///
/// A slot that was given and not used is lost: after a pause mails do not come in a burst.
#[derive(Debug, Clone)]
pub struct Pace {
    interval: TimeDelta,
    next: Option<Instant>,
}

impl Pace {
    /// Returns a pace with a time between two mails; `next` is what [`Pace::next`] said before a restart.
    pub fn new(interval: TimeDelta, next: Option<Instant>) -> Self {
        Self { interval, next }
    }

    /// Takes on a changed interval; a slot that was given stays given.
    pub fn set(&mut self, interval: TimeDelta) {
        self.interval = interval;
    }

    /// Returns before which instant no mail leaves.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Takes the next slot if it has come; otherwise returns when it will. `chance` in `[0, 1)` lengthens the time to
    /// the one after by up to a tenth: a machine's exact beat is what filters look for.
    pub fn take(&mut self, now: Instant, chance: f64) -> Result<(), Instant> {
        let longest = self.interval + self.jitter(1.0);
        match self.next {
            // A clock that was set back must not stop an account for longer than one interval.
            Some(next) if next > now => {
                let next = next.min(now + longest);
                self.next = Some(next);
                Err(next)
            }
            _ => {
                self.next = (!self.interval.is_zero()).then(|| now + self.interval + self.jitter(chance));
                Ok(())
            }
        }
    }

    /// Gives back the slot after which `next` was to be the first, where nothing left in it and no other was taken.
    pub fn give_back(&mut self, next: Option<Instant>) {
        if self.next == next {
            self.next = None;
        }
    }

    fn jitter(&self, chance: f64) -> TimeDelta {
        if self.interval < JITTER_FROM {
            return TimeDelta::zero();
        }
        let most = self.interval.num_milliseconds() as f64 * JITTER / 100.0;
        TimeDelta::milliseconds((most * chance.clamp(0.0, 1.0)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Instant {
        crate::clock::from_millis(1_000_000 + ms)
    }

    #[test]
    fn mails_are_spread_evenly_and_never_in_bursts() {
        let mut pace = Pace::new(TimeDelta::seconds(1), None);
        assert_eq!(pace.take(at(0), 0.0), Ok(()));
        assert_eq!(pace.take(at(0), 0.0), Err(at(1000)), "one mail a second");
        assert_eq!(pace.take(at(999), 0.0), Err(at(1000)));
        assert_eq!(
            pace.take(at(60_000), 0.999),
            Ok(()),
            "after a pause one mail leaves at once"
        );
        let Err(next) = pace.take(at(60_001), 0.0) else {
            panic!("and not sixty for the minute that was missed")
        };
        assert!(next > at(61_050) && next <= at(61_100), "chance only lengthens");
    }

    #[test]
    fn a_slot_in_which_nothing_left_is_given_back_and_no_other() {
        let mut pace = Pace::new(TimeDelta::seconds(1), None);
        assert_eq!(pace.take(at(0), 0.0), Ok(()));
        let next = pace.next();
        pace.give_back(next);
        assert_eq!(pace.take(at(1), 0.0), Ok(()), "nothing left");
        pace.give_back(next);
        assert_eq!(pace.take(at(2), 0.0), Err(at(1001)), "another's slot stays taken");
    }

    #[test]
    fn a_restart_does_not_shorten_the_wait() {
        let mut pace = Pace::new(TimeDelta::seconds(60), None);
        assert_eq!(pace.take(at(0), 0.5), Ok(()));
        let next = pace.next();
        let mut again = Pace::new(TimeDelta::seconds(60), next);
        assert_eq!(again.take(at(1), 0.0), Err(at(63_000)));
    }

    #[test]
    fn a_wrong_time_before_a_restart_stops_nobody_for_longer_than_an_interval() {
        let mut pace = Pace::new(TimeDelta::seconds(1), Some(at(3_600_000)));
        assert_eq!(pace.take(at(0), 0.0), Err(at(1100)));
        assert_eq!(pace.take(at(1100), 0.0), Ok(()));
    }

    #[test]
    fn no_limit_never_waits() {
        let mut pace = Pace::new(TimeDelta::zero(), None);
        for _ in 0..100 {
            assert_eq!(pace.take(at(0), 0.5), Ok(()));
        }
    }
}
