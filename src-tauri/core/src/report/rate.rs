//! The parts of an open rate and what may be said from them.
//!
//! A rate is a range: people seen at least, people possible at most (`docs/glossary.md`). Where nothing could
//! be measured there is no rate: 0 of 0 is not 0 %.

use crate::api::{NotTracked, RateParts, Unmeasured};
use crate::clock::Instant;
use crate::domain::message::NotTrackedReason;
use crate::domain::open::Signal;
use std::collections::BTreeMap;

/// The 97.5th percentile of the standard normal distribution: 95 % lie within ± this.
const Z: f64 = 1.959_963_984_540_054;

/// What was counted in the ledger of one campaign, over accepted messages alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tracked messages by what was seen.
    pub tracked: BTreeMap<Signal, u32>,
    /// Messages without a pixel of their own, by reason.
    pub not_tracked: BTreeMap<NotTrackedReason, u32>,
    /// Loads that were not recorded because the reader's browser asks for it.
    pub not_recorded_at_request: u32,
    /// Whether anything could have been seen at all.
    pub reach: Reach,
}

impl Counts {
    /// Tells whether any request came for a pixel of the campaign's own inside its window.
    ///
    /// Where one did, the listener was reachable, whatever its uptime says.
    pub fn saw_something(&self) -> bool {
        let seen = |(signal, n): (&Signal, &u32)| *signal != Signal::None && *n > 0;
        self.not_recorded_at_request > 0 || self.tracked.iter().any(seen)
    }
}

/// Whether readers' mail clients could reach the listener inside the window so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// At some time, or that is not known.
    #[default]
    Reached,
    /// The window has not opened yet.
    NotOpen,
    /// Never.
    Never,
}

impl Reach {
    /// Judges by the window's first instant and the share of it so far in which the listener was up (`[0, 1]`,
    /// `None` while no time has passed).
    pub fn of(opens_from: Instant, now: Instant, reachable_share: Option<f64>) -> Self {
        match reachable_share {
            None if now < opens_from => Self::NotOpen,
            Some(0.0) => Self::Never,
            _ => Self::Reached,
        }
    }
}

/// Returns the parts and rates of a campaign.
///
/// Rates are fractions in `[0, 1]`, or `None` where nothing could be measured: nothing tracked was accepted, or
/// nothing came and nothing could have come. `unmeasured` then says which.
pub fn parts(counts: &Counts) -> RateParts {
    let of = |signal| counts.tracked.get(&signal).copied().unwrap_or(0);
    let tracked = counts.tracked.values().sum();
    let not_tracked: u32 = counts.not_tracked.values().sum();
    let (confirmed, unknown, machine_only) =
        (of(Signal::Human), of(Signal::Unknown), of(Signal::MachineOnly));
    let no_signal = of(Signal::None);
    // A load that was not recorded may have been any reader of whom nothing else is known, and each only once.
    let unrecorded = counts.not_recorded_at_request.min(no_signal);
    let accepted = tracked + not_tracked;
    let unmeasured = match counts.reach {
        _ if accepted == 0 => Some(Unmeasured::NothingAccepted),
        _ if tracked == 0 => Some(Unmeasured::NoPixel),
        _ if counts.saw_something() => None,
        Reach::NotOpen => Some(Unmeasured::NotOpen),
        Reach::Never => Some(Unmeasured::NeverReachable),
        Reach::Reached => None,
    };
    // 0 % would say that nobody opened it, where nobody could have been seen.
    let rate = |part| share(part, tracked).filter(|_| unmeasured.is_none());
    RateParts {
        accepted,
        tracked,
        confirmed,
        unknown,
        machine_only,
        no_signal,
        not_tracked: NotTracked {
            total: not_tracked,
            by_reason: counts.not_tracked.clone(),
        },
        not_recorded_at_request: counts.not_recorded_at_request,
        confirmed_rate: rate(confirmed),
        upper_rate: rate(confirmed + unknown + machine_only + unrecorded),
        unmeasured,
    }
}

/// Returns `part / whole`, or `None` where `whole` is 0.
pub fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

/// Returns the 95 % score interval `[low, high]` of `successes / n` (Wilson 1927), or `None` where `n` is 0.
///
/// Unlike the usual ± it stays in `[0, 1]` and holds for small `n`.
pub fn wilson(successes: u32, n: u32) -> Option<[f64; 2]> {
    let p = share(successes, n)?;
    let n = f64::from(n);
    let z2 = Z * Z;
    let scale = 1.0 + z2 / n;
    let centre = (p + z2 / (2.0 * n)) / scale;
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / scale;
    // At 0 and at n the bound is the rate itself; rounding may put it a hair beyond.
    Some([(centre - half).clamp(0.0, p), (centre + half).clamp(p, 1.0)])
}

/// Readers whose opens can be told: no prefetch by Apple's mail privacy was seen from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cohort {
    /// How many there are.
    pub readers: u32,
    /// How many of them were seen to look.
    pub opened: u32,
    /// How many of them were seen only in a way that cannot be told from a person.
    pub unknown: u32,
}

/// How far the readers outside the cohort may be from it, as shares of the cohort's own bounds.
///
/// A choice and no measurement: nobody can see how often these readers look. Half as often is taken to be
/// possible, and twice as often. Set against simulated audiences, in which the truth is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slack {
    /// Taken off the lower bound: 0 trusts them to look as often as the cohort, 1 not to look at all.
    pub below: f64,
    /// Added to the upper bound: 0 trusts them to look no more often than the cohort.
    pub above: f64,
    /// The share of them for whom Apple fetches, in `(0, 1]`: the others stand in the cohort, silent.
    pub fetched: f64,
}

/// The slack of every interval that is shown.
pub const SLACK: Slack = Slack {
    below: 0.5,
    above: 1.0,
    fetched: 2.0 / 3.0,
};

impl Cohort {
    /// Below this the share of a cohort says nothing about the others.
    const LEAST_READERS: u32 = 100;
    const LEAST_OPENED: u32 = 10;
    const LEAST_SHARE: f64 = 0.2;

    /// Tells whether `parts` leave room for a cohort at all, so that nobody counts one in vain.
    pub fn is_possible(parts: &RateParts) -> bool {
        parts.tracked >= Self::LEAST_READERS && parts.confirmed >= Self::LEAST_OPENED
    }

    /// Returns the estimated rate among all tracked readers, in `[0, 1]`, or `None` where the cohort is too small
    /// for one.
    ///
    /// Takes everybody to behave like the cohort, which cannot be checked; whoever shows it says so beside it
    /// ([`super::words::ASSUMPTION`]).
    pub fn estimate(self, tracked: u32) -> Option<f64> {
        let share_of_all = share(self.readers, tracked)?;
        let enough = self.readers >= Self::LEAST_READERS
            && self.opened >= Self::LEAST_OPENED
            && share_of_all >= Self::LEAST_SHARE;
        if enough {
            share(self.opened, self.readers)
        } else {
            None
        }
    }

    /// Returns the interval `[low, high]` of the estimate, in `[0, 1]`; `None` exactly where there is no estimate.
    ///
    /// The cohort's share of the readers has Wilson's 95 % bounds: the lower one of those who were seen to look,
    /// the upper one as if every load in it that cannot be told, or was not recorded at a reader's request, were a
    /// person's. The others' share has the same bounds widened by [`SLACK`], because they are only assumed to behave
    /// alike, and their upper one leaves those out of the cohort who may belong to them: from them nothing is seen
    /// until Apple fetches. Neither end lies outside what was counted (`confirmed_rate` and `upper_rate`), but for
    /// holding the estimate itself. Where the cohort is everybody and everything in it can be told, nothing is
    /// assumed, and it is Wilson's interval as it stands.
    ///
    /// `reached` is the share of the first hours in which the listener could be reached, in `[0, 1]`: what Apple asked
    /// for while it could not is not asked for again until somebody looks.
    pub fn interval(self, parts: &RateParts, reached: f64) -> Option<[f64; 2]> {
        let estimate = self.estimate(parts.tracked)?;
        let (confirmed, upper) = (parts.confirmed_rate?, parts.upper_rate?);
        let silent = self.readers.saturating_sub(self.opened + self.unknown);
        let possible = self.opened + self.unknown + parts.not_recorded_at_request.min(silent);
        let [least, _] = wilson(self.opened, self.readers)?;
        let [_, most] = wilson(possible, self.readers)?;
        if self.readers == parts.tracked && possible == self.opened {
            return Some([least, most]);
        }
        let others = parts.tracked.saturating_sub(self.readers);
        // Of each reader whom Apple hides, a fetch is seen with this share at least.
        let seen = (SLACK.fetched * reached.clamp(0.0, 1.0)).max(f64::MIN_POSITIVE);
        let strays = (f64::from(others) * (1.0 / seen - 1.0)) as u32;
        let [_, most_of_others] = wilson(possible, self.readers.saturating_sub(strays).max(possible))?;
        let own = share(self.readers, parts.tracked)?;
        let low = own * least + (1.0 - own) * least * (1.0 - SLACK.below);
        let high = own * most + (1.0 - own) * (most_of_others * (1.0 + SLACK.above)).min(1.0);
        Some([
            low.clamp(confirmed, upper).min(estimate),
            high.clamp(confirmed, upper).max(estimate),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(human: u32, unknown: u32, machine: u32, none: u32) -> Counts {
        Counts {
            tracked: BTreeMap::from([
                (Signal::Human, human),
                (Signal::Unknown, unknown),
                (Signal::MachineOnly, machine),
                (Signal::None, none),
            ]),
            ..Counts::default()
        }
    }

    #[test]
    fn where_nothing_could_be_measured_there_is_no_rate() {
        let parts = parts(&Counts {
            not_tracked: BTreeMap::from([(NotTrackedReason::Refused, 7)]),
            ..Counts::default()
        });
        assert_eq!(
            (parts.accepted, parts.tracked, parts.not_tracked.total),
            (7, 0, 7)
        );
        assert_eq!(
            (parts.confirmed_rate, parts.upper_rate),
            (None, None),
            "0 of 0 is not 0 %"
        );
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn unrecorded_loads_raise_the_upper_bound_by_no_more_than_the_silent() {
        let mut few = counts(410, 54, 97, 518);
        few.not_recorded_at_request = 10;
        let result = parts(&few);
        assert_eq!(result.tracked, 1079);
        assert_eq!(result.confirmed_rate, Some(410.0 / 1079.0));
        assert_eq!(result.upper_rate, Some(571.0 / 1079.0));
        few.not_recorded_at_request = 9_999;
        assert_eq!(
            parts(&few).upper_rate,
            Some(1.0),
            "no more readers than there are without a signal"
        );
    }

    #[test]
    fn at_both_ends_the_interval_holds_the_rate() {
        for n in 1..=2000 {
            assert_eq!(wilson(0, n).unwrap()[0], 0.0, "0 of {n}");
            assert_eq!(wilson(n, n).unwrap()[1], 1.0, "{n} of {n}");
        }
    }

    #[test]
    fn wilsons_interval_agrees_with_published_figures() {
        // Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
        for (successes, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let [a, b] = wilson(successes, n).unwrap();
            assert!(
                (a - low).abs() < 5e-5 && (b - high).abs() < 5e-5,
                "{successes} of {n}: {a} {b}"
            );
        }
    }

    #[test]
    fn an_estimate_is_given_only_where_its_conditions_hold() {
        let cohort = |readers, opened| Cohort {
            readers,
            opened,
            unknown: 0,
        };
        assert_eq!(cohort(100, 40).estimate(500), Some(0.4));
        assert_eq!(cohort(99, 40).estimate(100), None, "fewer than 100 readers");
        assert_eq!(cohort(100, 9).estimate(500), None, "fewer than 10 opens");
        assert_eq!(
            cohort(100, 40).estimate(501),
            None,
            "less than a fifth of the tracked"
        );
        assert_eq!(cohort(0, 0).estimate(0), None);
    }

    #[test]
    fn where_nobody_could_be_seen_nothing_is_zero() {
        for (reach, unmeasured) in [
            (Reach::Never, Unmeasured::NeverReachable),
            (Reach::NotOpen, Unmeasured::NotOpen),
        ] {
            let mut silent = counts(0, 0, 0, 40);
            silent.reach = reach;
            let result = parts(&silent);
            assert_eq!((result.tracked, result.no_signal), (40, 40), "the counts stay");
            assert_eq!((result.confirmed_rate, result.upper_rate), (None, None));
            assert_eq!(result.unmeasured, Some(unmeasured));
            silent.not_recorded_at_request = 1;
            assert_eq!(
                parts(&silent).upper_rate,
                Some(1.0 / 40.0),
                "whatever came has reached us"
            );
        }
        assert_eq!(
            parts(&counts(0, 0, 0, 40)).confirmed_rate,
            Some(0.0),
            "reachable and silent is a measurement"
        );
        assert_eq!(
            parts(&Counts::default()).unmeasured,
            Some(Unmeasured::NothingAccepted)
        );
    }

    #[test]
    fn a_window_is_unreachable_only_once_time_has_passed_in_it() {
        let at = |text: &str| format!("2026-04-01T{text}Z").parse().unwrap();
        let from = at("09:00:00");
        for (now, share, reach) in [
            (at("08:59:59"), None, Reach::NotOpen),
            (from, None, Reach::Reached),
            (at("10:00:00"), Some(0.0), Reach::Never),
            (at("10:00:00"), Some(0.001), Reach::Reached),
        ] {
            assert_eq!(Reach::of(from, now, share), reach, "{now}");
        }
    }

    #[test]
    fn where_everybody_can_be_told_the_interval_is_wilsons() {
        let cohort = Cohort {
            readers: 200,
            opened: 80,
            unknown: 0,
        };
        assert_eq!(
            cohort.interval(&parts(&counts(80, 0, 0, 120)), 1.0),
            wilson(80, 200)
        );
    }

    #[test]
    fn readers_whom_apple_hides_widen_the_interval() {
        // 500 readers, of whom Apple hides 300: 80 of the other 200 looked, and 10 more may have.
        let cohort = Cohort {
            readers: 200,
            opened: 80,
            unknown: 10,
        };
        let parts = parts(&counts(80, 10, 300, 110));
        let [low, high] = cohort.interval(&parts, 1.0).unwrap();
        let (least, most) = (wilson(80, 200).unwrap()[0], wilson(90, 200).unwrap()[1]);
        assert!((low - (0.4 * least + 0.6 * least * 0.5)).abs() < 1e-12, "{low}");
        assert!(high > most && high <= parts.upper_rate.unwrap(), "{high}");
        assert!(
            (high - parts.upper_rate.unwrap()).abs() < 1e-12,
            "0.4 × 0.519 + 0.6 × 1 lies beyond what was counted at all"
        );
    }

    #[test]
    fn an_estimate_outside_the_range_stays_in_its_interval() {
        // Apple hid these 400 half a year ago and did not fetch this mail.
        let cohort = Cohort {
            readers: 100,
            opened: 80,
            unknown: 0,
        };
        let [low, high] = cohort.interval(&parts(&counts(80, 0, 0, 420)), 1.0).unwrap();
        assert_eq!(
            [low, high],
            [0.16, 0.8],
            "images may be off, so the range holds no truth"
        );
    }

    #[test]
    fn what_apple_asked_for_in_vain_widens_the_interval() {
        let cohort = Cohort {
            readers: 300,
            opened: 60,
            unknown: 0,
        };
        let parts = parts(&counts(60, 0, 200, 240));
        let high = |reached| cohort.interval(&parts, reached).unwrap()[1];
        assert!(high(1.0) < high(0.8) && high(0.8) <= high(0.3));
        assert_eq!(
            high(0.0),
            parts.upper_rate.unwrap(),
            "nobody of them could be seen: nothing is known of them"
        );
    }

    proptest! {
        #![proptest_config(crate::cases::seeded(256))]

        #[test]
        fn the_parts_add_up_and_the_range_is_a_range(
            human in 0u32..1000, unknown in 0u32..1000, machine in 0u32..1000, none in 0u32..1000,
            refused in 0u32..1000, unrecorded in 0u32..5000,
        ) {
            let mut counts = counts(human, unknown, machine, none);
            counts.not_tracked.insert(NotTrackedReason::Refused, refused);
            counts.not_recorded_at_request = unrecorded;
            let parts = parts(&counts);
            prop_assert_eq!(parts.confirmed + parts.unknown + parts.machine_only + parts.no_signal, parts.tracked);
            prop_assert_eq!(parts.accepted, parts.tracked + parts.not_tracked.total);
            if let (Some(low), Some(high)) = (parts.confirmed_rate, parts.upper_rate) {
                prop_assert!(0.0 <= low && low <= high && high <= 1.0);
                let [from, to] = wilson(parts.confirmed, parts.tracked).unwrap();
                prop_assert!(from <= low && low <= to, "the interval holds the rate");
            }
        }

        #[test]
        fn an_interval_holds_its_estimate_and_stays_in_what_was_counted(
            opened in 0u32..800, unknown in 0u32..300, machine in 0u32..300, silent in 0u32..800,
            others in [0u32..400, 0u32..400, 0u32..400, 0u32..400],
        ) {
            let [human, doubtful, fetched, quiet] = others;
            let all = counts(opened + human, unknown + doubtful, machine + fetched, silent + quiet);
            let parts = parts(&all);
            let cohort = Cohort { readers: opened + unknown + machine + silent, opened, unknown };
            let (estimate, interval) = (cohort.estimate(parts.tracked), cohort.interval(&parts, 1.0));
            prop_assert_eq!(estimate.is_some(), interval.is_some(), "an estimate never stands alone");
            if let (Some(p), Some([low, high])) = (estimate, interval) {
                prop_assert!(0.0 <= low && low <= p && p <= high && high <= 1.0, "{} {} {}", low, p, high);
                let is_wilsons = cohort.readers == parts.tracked && unknown == 0;
                let (confirmed, upper) = (parts.confirmed_rate.unwrap(), parts.upper_rate.unwrap());
                if is_wilsons {
                    prop_assert_eq!(interval, wilson(opened, cohort.readers));
                } else {
                    prop_assert!(low >= confirmed.min(p) && high <= upper.max(p));
                }
            }
        }

        #[test]
        fn a_load_that_becomes_unknown_never_narrows_the_upper_end(
            opened in 10u32..400, unknown in 0u32..100, silent in 90u32..400, hidden in 1u32..400,
        ) {
            let interval = |unknown, silent| {
                let parts = parts(&counts(opened, unknown, hidden, silent));
                let readers = opened + unknown + silent;
                Cohort { readers, opened, unknown }.interval(&parts, 1.0)
            };
            if let (Some(before), Some(after)) = (interval(unknown, silent), interval(unknown + 1, silent - 1)) {
                prop_assert!(after[1] >= before[1] - 1e-12, "{:?} {:?}", before, after);
                prop_assert_eq!(after[0], before[0]);
            }
        }
    }
}
