//! How random tests choose their cases.

use proptest::test_runner::{Config, RngSeed};

/// The same `cases` in every run, so that a red one can be repeated; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` look
/// further.
pub(crate) fn seeded(cases: u32) -> Config {
    let asked = Config::default();
    match asked.rng_seed {
        RngSeed::Random => Config {
            rng_seed: RngSeed::Fixed(2026),
            cases,
            failure_persistence: None,
            ..asked
        },
        RngSeed::Fixed(_) => Config {
            failure_persistence: None,
            ..asked
        },
    }
}
