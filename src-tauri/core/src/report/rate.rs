//! The parts of an open rate and what may be said from them.
//!
//! A rate is a range: people seen at least, people possible at most (`docs/glossary.md`). Where nothing could
//! be measured there is no rate: 0 of 0 is not 0 %.

use crate::api::{NotTracked, RateParts};
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
}

/// Returns the parts and rates of a campaign.
///
/// Rates are fractions in `[0, 1]`, or `None` where nothing tracked was accepted.
pub fn parts(counts: &Counts) -> RateParts {
    let of = |signal| counts.tracked.get(&signal).copied().unwrap_or(0);
    let tracked = counts.tracked.values().sum();
    let not_tracked: u32 = counts.not_tracked.values().sum();
    let (confirmed, unknown, machine_only) =
        (of(Signal::Human), of(Signal::Unknown), of(Signal::MachineOnly));
    let no_signal = of(Signal::None);
    // A load that was not recorded may have been any reader of whom nothing else is known, and each only once.
    let unrecorded = counts.not_recorded_at_request.min(no_signal);
    RateParts {
        accepted: tracked + not_tracked,
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
        confirmed_rate: share(confirmed, tracked),
        upper_rate: share(confirmed + unknown + machine_only + unrecorded, tracked),
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
}

impl Cohort {
    /// Below this the share of a cohort says nothing about the others.
    const LEAST_READERS: u32 = 100;
    const LEAST_OPENED: u32 = 10;
    const LEAST_SHARE: f64 = 0.2;

    /// Tells whether `parts` leave room for a cohort at all, so that nobody counts one in vain.
    pub fn is_possible(parts: &RateParts) -> bool {
        parts.tracked >= Self::LEAST_READERS && parts.confirmed >= Self::LEAST_OPENED
    }

    /// Returns the estimated rate among all tracked readers, or `None` where the cohort is too small for one.
    ///
    /// Takes everybody to behave like the cohort, which cannot be checked; the interface says so beside it.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

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
        let cohort = |readers, opened| Cohort { readers, opened };
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

    proptest! {
        // The same cases in every run, so that a red one can be repeated; `PROPTEST_RNG_SEED` looks further.
        #![proptest_config(ProptestConfig {
            rng_seed: match ProptestConfig::default().rng_seed {
                RngSeed::Random => RngSeed::Fixed(2026),
                asked => asked,
            },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

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
    }
}
