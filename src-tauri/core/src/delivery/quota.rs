//! How many mails an account may hand over, and when all of them will have left. Pure.
//!
//! Short limits (a second, a minute, an hour) are kept by spacing mails evenly, so that no window of that length
//! holds more, however it is laid. The limit of a day is kept by counting what was handed over in the last 24 hours,
//! by the minute: a minute that has only half left the window still counts whole, so the limit is never exceeded and
//! at most a minute late.

use crate::clock::Instant;
use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Minutes over which the limit of a day looks back.
pub const DAY_MINUTES: i64 = 24 * 60;
/// The longest time that a forecast looks ahead, in minutes: 400 days.
const HORIZON: i64 = 400 * DAY_MINUTES;

/// An account's limits; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Mails in any second.
    pub per_second: u32,
    /// Mails in any minute.
    pub per_minute: u32,
    /// Mails in any hour.
    pub per_hour: u32,
    /// Mails in any 24 hours.
    pub per_day: u32,
}

impl Limits {
    /// Returns the time between two mails that keeps every limit but the day's; zero without one.
    pub fn interval(&self) -> TimeDelta {
        let of = |millis: i64, n: u32| match n {
            0 => 0,
            // Rounded up: n + 1 mails must not fit into the window.
            n => (millis + i64::from(n) - 1) / i64::from(n),
        };
        TimeDelta::milliseconds(
            of(1000, self.per_second)
                .max(of(60_000, self.per_minute))
                .max(of(3_600_000, self.per_hour)),
        )
    }

    /// Returns the stricter of both, limit by limit.
    pub fn strictest(&self, other: &Self) -> Self {
        let least = |a: u32, b: u32| match (a, b) {
            (0, n) | (n, 0) => n,
            (a, b) => a.min(b),
        };
        Self {
            per_second: least(self.per_second, other.per_second),
            per_minute: least(self.per_minute, other.per_minute),
            per_hour: least(self.per_hour, other.per_hour),
            per_day: least(self.per_day, other.per_day),
        }
    }

    /// Returns the limits with the time between two mails made `factor` times as long.
    ///
    /// Without a limit there is nothing to lengthen: one mail a second is taken for what was too fast.
    pub fn slowed(&self, factor: u32) -> Self {
        if factor <= 1 {
            return *self;
        }
        let interval = match self.interval().num_milliseconds() {
            0 => 1000,
            interval => interval,
        };
        // Said by the hour, which is the longest of the short limits.
        let per_hour = 3_600_000 / interval.saturating_mul(i64::from(factor));
        Self {
            per_hour: u32::try_from(per_hour).unwrap_or(u32::MAX).max(1),
            ..*self
        }
    }
}

/// Returns the minute in which an instant lies, since 1970-01-01T00:00:00Z.
pub fn minute_of(at: Instant) -> i64 {
    at.timestamp().div_euclid(60)
}

fn start_of(minute: i64) -> Instant {
    DateTime::from_timestamp(minute * 60, 0).unwrap_or(DateTime::UNIX_EPOCH)
}

/// What an account handed over in the last 24 hours, by the minute, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    minutes: VecDeque<(i64, u32)>,
    sum: u32,
}

impl Sent {
    /// Takes what the ledger holds; order does not matter.
    ///
    /// A minute after `now` was counted before the clock was set back; it counts as the present one, so that no
    /// limit is exceeded and none is closed for longer than a day.
    pub fn new(rows: &[(i64, u32)], now: Instant) -> Self {
        let this = minute_of(now);
        let mut rows: Vec<(i64, u32)> = rows.iter().map(|(minute, n)| ((*minute).min(this), *n)).collect();
        rows.sort_unstable();
        let mut sent = Self::default();
        for (minute, n) in rows {
            sent.add(minute, n);
        }
        sent.forget(this);
        sent
    }

    fn add(&mut self, minute: i64, n: u32) {
        match self.minutes.back_mut() {
            Some((last, count)) if *last == minute => *count += n,
            _ => self.minutes.push_back((minute, n)),
        }
        self.sum += n;
    }

    fn forget(&mut self, this: i64) {
        // The minute that began 24 hours ago still has a part in the window.
        while let Some((minute, n)) = self.minutes.front().copied()
            && minute < this - DAY_MINUTES
        {
            self.minutes.pop_front();
            self.sum -= n;
        }
    }

    /// Returns how many were handed over in the 24 hours before.
    pub fn in_day(&self) -> u32 {
        self.sum
    }

    /// Returns when the limit of a day has room for one more: `None` where it has now, or where there is none.
    pub fn full_until(&self, per_day: u32) -> Option<Instant> {
        if per_day == 0 || self.sum < per_day {
            return None;
        }
        let mut over = self.sum - per_day + 1;
        for (minute, n) in &self.minutes {
            if *n >= over {
                return Some(start_of(minute + DAY_MINUTES + 1));
            }
            over -= n;
        }
        None
    }
}

/// What a forecast needs to know of an account.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Its limits as they hold now.
    pub limits: Limits,
    /// What it has sent.
    pub sent: Sent,
    /// Mails a minute without a limit, as seen lately; `None` where nothing was seen yet.
    pub seen_per_minute: Option<f64>,
    /// It sends nothing before then.
    pub closed_until: Option<Instant>,
}

impl Sender {
    fn is_full(&self) -> bool {
        self.sent.full_until(self.limits.per_day).is_some()
    }

    /// Returns until when nothing leaves, of a minute that begins at `at`; `None` where something may in it.
    fn asleep_until(&self, at: Instant) -> Option<Instant> {
        let full = self.sent.full_until(self.limits.per_day);
        self.closed_until
            .max(full)
            .filter(|until| *until >= at + TimeDelta::minutes(1))
    }
}

/// When all will have left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// When the last one leaves.
    pub finishes_at: Instant,
    /// How many leave in each hour that has any: its first instant, and the number.
    pub by_hour: Vec<(Instant, u32)>,
    /// The limit of a day makes some wait.
    pub day_limited: bool,
}

/// Foretells how `waiting` mails leave from `from` on by the accounts in `senders`, where `is_open` says whether
/// anything leaves in a minute that begins at an instant (quiet hours).
///
/// `None` where no limit and nothing seen says how fast it goes, or where it takes longer than 400 days.
pub fn forecast(
    waiting: u32,
    from: Instant,
    senders: &[Sender],
    is_open: &dyn Fn(Instant) -> bool,
) -> Option<Forecast> {
    let mut senders: Vec<(f64, f64, Sender)> = senders
        .iter()
        .map(|sender| {
            let interval = sender.limits.interval().num_milliseconds();
            let by_limit = (interval > 0).then(|| 60_000.0 / interval as f64);
            let rate = match (by_limit, sender.seen_per_minute) {
                (Some(limit), Some(seen)) => Some(limit.min(seen)),
                (Some(limit), None) => Some(limit),
                // A day's limit without any pace: as fast as it goes, in the first minute that has room.
                (None, Some(seen)) => Some(seen),
                (None, None) => (sender.limits.per_day > 0).then_some(f64::from(sender.limits.per_day)),
            };
            rate.map(|rate| (rate, 0.0, sender.clone()))
        })
        .collect::<Option<_>>()?;
    let (mut left, mut by_hour, mut day_limited) = (waiting, Vec::<(Instant, u32)>::new(), false);
    let first = minute_of(from);
    if left == 0 || senders.is_empty() {
        return (left == 0).then_some(Forecast {
            finishes_at: from,
            by_hour,
            day_limited,
        });
    }
    let mut minute = first - 1;
    loop {
        minute += 1;
        if minute >= first + HORIZON {
            return None;
        }
        let at = start_of(minute);
        if !is_open(at) {
            continue;
        }
        // Hours in which everybody waits are not walked through minute by minute; who does not wait is `None`, the least.
        let wakes = senders.iter().map(|(.., sender)| sender.asleep_until(at));
        if let Some(Some(until)) = wakes.min() {
            day_limited |= senders.iter().any(|(.., sender)| sender.is_full());
            minute = minute_of(until) - 1;
            continue;
        }
        for (rate, carried, sender) in &mut senders {
            if sender.asleep_until(at).is_some() {
                day_limited |= sender.is_full();
                continue;
            }
            sender.sent.forget(minute);
            *carried = (*carried + *rate).min(rate.max(1.0) + 1.0);
            let mut n = (*carried as u32).min(left);
            if sender.limits.per_day > 0 {
                let room = sender.limits.per_day.saturating_sub(sender.sent.in_day());
                day_limited |= room < n;
                n = n.min(room);
            }
            if n == 0 {
                continue;
            }
            *carried -= f64::from(n);
            sender.sent.add(minute, n);
            left -= n;
            let hour = start_of(minute - minute.rem_euclid(60));
            match by_hour.last_mut() {
                Some((last, count)) if *last == hour => *count += n,
                _ => by_hour.push((hour, n)),
            }
            if left == 0 {
                let part = (f64::from(n) / *rate).min(1.0);
                return Some(Forecast {
                    finishes_at: at.max(from) + TimeDelta::milliseconds((part * 60_000.0) as i64),
                    by_hour,
                    day_limited,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::pace::Pace;

    fn at(millis: i64) -> Instant {
        crate::clock::from_millis(1_800_000_000_000 + millis)
    }

    /// The most that lie in any half-open window of a length.
    fn most_in(window: i64, times: &[i64]) -> usize {
        let mut from = 0;
        let mut most = 0;
        for (to, time) in times.iter().enumerate() {
            while times[from] <= time - window {
                from += 1;
            }
            most = most.max(to - from + 1);
        }
        most
    }

    #[test]
    fn the_interval_keeps_every_short_limit_in_any_window() {
        for limits in [
            Limits {
                per_minute: 7,
                ..Limits::default()
            },
            Limits {
                per_second: 3,
                per_minute: 100,
                ..Limits::default()
            },
            Limits {
                per_hour: 1000,
                ..Limits::default()
            },
        ] {
            let step = limits.interval().num_milliseconds();
            let times: Vec<i64> = (0..5000).map(|n| n * step).collect();
            for (window, limit) in [
                (1000, limits.per_second),
                (60_000, limits.per_minute),
                (3_600_000, limits.per_hour),
            ] {
                if limit > 0 {
                    assert!(
                        most_in(window, &times) <= limit as usize,
                        "{limits:?} in {window}"
                    );
                }
            }
        }
    }

    /// A sender that is always hungry, played by the clock with pauses, restarts and clocks set wrong.
    #[test]
    fn in_no_window_of_any_length_are_more_than_the_limit_sent() {
        for seed in 0..20u64 {
            let mut state = seed * 7919 + 1;
            let mut chance = move || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as f64 / f64::from(1u32 << 31)
            };
            let limits = Limits {
                per_minute: 1 + (chance() * 30.0) as u32,
                per_hour: 20 + (chance() * 200.0) as u32,
                per_day: 50 + (chance() * 400.0) as u32,
                ..Limits::default()
            };
            // What survives a restart: the counted minutes and when the next may leave.
            let (mut rows, mut next) = (Vec::<(i64, u32)>::new(), None);
            let mut pace = Pace::new(limits.interval(), next);
            let (mut now, mut times) = (0i64, Vec::new());
            while now < 4 * 86_400_000 {
                match chance() {
                    // Killed and started again.
                    c if c < 0.01 => pace = Pace::new(limits.interval(), next),
                    // Asleep, or nothing to do.
                    c if c < 0.02 => now += (chance() * 10_000_000.0) as i64,
                    _ => {}
                }
                if let Err(until) = pace.take(at(now), chance()) {
                    now = (until - at(0)).num_milliseconds();
                    continue;
                }
                if let Some(until) = Sent::new(&rows, at(now)).full_until(limits.per_day) {
                    let wait = (until - at(0)).num_milliseconds();
                    assert!(wait > now, "it closes for a time to come");
                    now = wait;
                    continue;
                }
                next = pace.next();
                rows.push((minute_of(at(now)), 1));
                times.push(now);
            }
            for (window, limit) in [
                (60_000, limits.per_minute),
                (3_600_000, limits.per_hour),
                (86_400_000, limits.per_day),
            ] {
                let most = most_in(window, &times);
                assert!(
                    most <= limit as usize,
                    "seed {seed}: {most} of {limit} in {window} ms"
                );
            }
            let possible = (limits.per_day * 3) as usize;
            assert!(
                times.len() >= possible.min(limits.per_hour as usize * 30),
                "and it does send: {}",
                times.len()
            );
        }
    }

    #[test]
    fn a_clock_set_back_neither_bursts_nor_stops_for_longer_than_a_day() {
        let rows = [(minute_of(at(10 * 86_400_000)), 500)];
        let sent = Sent::new(&rows, at(0));
        let until = sent.full_until(500).expect("what was sent counts");
        assert!(until <= at(86_400_000) + TimeDelta::minutes(2), "{until}");
    }

    #[test]
    fn slowing_down_halves_whatever_the_limit_is() {
        let minute = Limits {
            per_minute: 30,
            ..Limits::default()
        };
        assert_eq!(minute.slowed(2).interval(), TimeDelta::seconds(4));
        let second = Limits {
            per_second: 10,
            ..Limits::default()
        };
        assert_eq!(second.slowed(4).interval(), TimeDelta::milliseconds(400));
        assert_eq!(Limits::default().slowed(2).interval(), TimeDelta::seconds(2));
        let slow = Limits {
            per_minute: 1,
            ..Limits::default()
        };
        assert_eq!(slow.slowed(8).per_hour, 7);
        let hour = Limits {
            per_hour: 10,
            ..Limits::default()
        };
        assert_eq!(hour.slowed(2).per_hour, 5, "never faster than its own limit");
        assert_eq!(hour.slowed(64).per_hour, 1);
        assert_eq!(minute.slowed(1), minute);
    }

    #[test]
    fn a_forecast_knows_what_was_sent_and_what_the_day_allows() {
        let sender = |per_minute, per_day, sent: &[(i64, u32)]| Sender {
            limits: Limits {
                per_minute,
                per_day,
                ..Limits::default()
            },
            sent: Sent::new(sent, at(0)),
            seen_per_minute: None,
            closed_until: None,
        };
        let open = |_: Instant| true;
        // 188 of 500 are used up: 312 now, and 500 once yesterday's have left the window.
        let used = [(minute_of(at(0)) - 60, 188)];
        let found = forecast(812, at(0), &[sender(60, 500, &used)], &open).unwrap();
        assert!(found.day_limited);
        let day: u32 = found
            .by_hour
            .iter()
            .filter(|(hour, _)| *hour < at(22 * 3_600_000))
            .map(|(_, n)| n)
            .sum();
        assert_eq!(day, 312);
        // The 188 of an hour ago are free again after 23 hours, the rest after 24.
        let took = found.finishes_at - at(0);
        assert!(
            took > TimeDelta::hours(24) && took < TimeDelta::hours(25),
            "{took}"
        );
        // Two hundred days, most of whose minutes nobody can send in.
        let found = forecast(100_000, at(0), &[sender(60, 500, &[])], &open).unwrap();
        let days = (found.finishes_at - at(0)).num_days();
        assert!((199..=200).contains(&days), "{days}");
        let two = [sender(30, 0, &[]), sender(30, 0, &[])];
        let found = forecast(600, at(0), &two, &open).unwrap();
        assert_eq!(
            (found.finishes_at - at(0)).num_minutes(),
            10,
            "two accounts are twice as fast"
        );
        // Quiet between 22 and 8.
        let quiet = |at: Instant| {
            use chrono::Timelike;
            (8..22).contains(&at.hour())
        };
        let found = forecast(60 * 20, at(0), &[sender(1, 0, &[])], &quiet).unwrap();
        assert!(
            found.finishes_at - at(0) > TimeDelta::hours(29),
            "{}",
            found.finishes_at - at(0)
        );
        let unknown = Sender {
            limits: Limits::default(),
            ..sender(0, 0, &[])
        };
        assert_eq!(
            forecast(10, at(0), &[unknown], &open),
            None,
            "nobody knows how fast it goes"
        );
    }
}
