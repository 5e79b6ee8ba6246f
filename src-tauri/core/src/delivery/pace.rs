//! How fast an account may send: evenly, so many mails a minute. Pure.

use crate::clock::Instant;
use chrono::TimeDelta;

/// Spreads an account's mails evenly over the minute.
///
/// There are no bursts: after a pause the next mail leaves at once, and the one after it an interval later.
#[derive(Debug, Clone)]
pub struct Pace {
    interval: TimeDelta,
    next: Option<Instant>,
}

impl Pace {
    /// Returns the pace of `per_minute` mails; 0 is no limit.
    pub fn new(per_minute: u32) -> Self {
        let interval = match per_minute {
            0 => TimeDelta::zero(),
            n => TimeDelta::milliseconds((60_000 / i64::from(n)).max(1)),
        };
        Self { interval, next: None }
    }

    /// Takes on a changed limit; a slot that was given stays given.
    pub fn set(&mut self, per_minute: u32) {
        let next = self.next;
        *self = Self::new(per_minute);
        self.next = next;
    }

    /// Takes the next slot if it has come; otherwise returns when it will.
    pub fn take(&mut self, now: Instant) -> Result<(), Instant> {
        match self.next {
            // A clock that was set back must not stop an account for longer than one interval.
            Some(next) if next > now && next - now <= self.interval => Err(next),
            _ => {
                self.next = Some(now + self.interval);
                Ok(())
            }
        }
    }

    /// Returns how long `n` mails take; `None` without a limit.
    pub fn duration_of(per_minute: u32, n: u32) -> Option<TimeDelta> {
        (per_minute > 0).then(|| Self::new(per_minute).interval * n.min(i32::MAX as u32) as i32)
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
        let mut pace = Pace::new(60);
        assert_eq!(pace.take(at(0)), Ok(()));
        assert_eq!(pace.take(at(0)), Err(at(1000)), "one mail a second");
        assert_eq!(pace.take(at(999)), Err(at(1000)));
        assert_eq!(
            pace.take(at(60_000)),
            Ok(()),
            "after a pause one mail leaves at once"
        );
        assert_eq!(
            pace.take(at(60_001)),
            Err(at(61_000)),
            "and not sixty for the minute that was missed"
        );
    }

    #[test]
    fn a_clock_set_back_stops_nobody() {
        let mut pace = Pace::new(60);
        assert_eq!(pace.take(at(3_600_000)), Ok(()));
        assert_eq!(
            pace.take(at(0)),
            Ok(()),
            "an hour back is no reason to wait an hour"
        );
    }

    #[test]
    fn no_limit_never_waits() {
        let mut pace = Pace::new(0);
        for _ in 0..100 {
            assert_eq!(pace.take(at(0)), Ok(()));
        }
        assert_eq!(Pace::duration_of(0, 10), None);
        assert_eq!(Pace::duration_of(30, 10), Some(TimeDelta::seconds(20)));
    }
}
