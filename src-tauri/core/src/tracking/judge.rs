//! What hits add up to: whether a look is new, and the best that is known of a message. Pure.

use crate::clock::Instant;
use crate::domain::open::{HitClass, Signal};
use chrono::TimeDelta;

/// Hits of one client with gaps shorter than this are one look.
pub const LOOK_GAP: TimeDelta = TimeDelta::minutes(30);

/// Tells whether a hit at `at` begins a new look of its client, whose hit before was at `before`.
///
/// A hit that seems older than the one before (the clock was set back) belongs to the same look.
pub fn is_new_look(before: Option<Instant>, at: Instant) -> bool {
    before.is_none_or(|before| at - before >= LOOK_GAP)
}

/// Returns what is known of a message after a hit of `class`: evidence is only ever added.
pub fn signal_after(before: Signal, class: HitClass) -> Signal {
    before.max(Signal::of(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_under_thirty_minutes_are_one_look() {
        let at: Instant = "2026-03-01T12:00:00Z".parse().unwrap();
        assert!(is_new_look(None, at));
        assert!(!is_new_look(Some(at - TimeDelta::milliseconds(1_799_999)), at));
        assert!(is_new_look(Some(at - TimeDelta::minutes(30)), at));
        assert!(
            !is_new_look(Some(at + TimeDelta::hours(1)), at),
            "a clock set back makes no look"
        );
    }

    #[test]
    fn later_machines_take_nothing_away() {
        let mut signal = Signal::None;
        for (class, wanted) in [
            (HitClass::MachinePrefetch, Signal::MachineOnly),
            (HitClass::Unknown, Signal::Unknown),
            (HitClass::HumanProxy, Signal::Human),
            (HitClass::Scanner, Signal::Human),
        ] {
            signal = signal_after(signal, class);
            assert_eq!(signal, wanted, "after {class}");
        }
    }
}
