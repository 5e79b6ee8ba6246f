//! The process is killed under load, again and again.

use super::Readers;
use crate::harness::PATIENCE;
use crate::harness::chance::Chance;
use crate::harness::crowd::{Crowd, Deed};
use std::time::{Duration, Instant};

/// How often it is killed.
const ROUNDS: usize = 60;
/// Readers who act in a round at most, and how many of them at once.
const SHARE: usize = 50;
const AT_ONCE: usize = 6;

#[test]
fn sixty_kills_under_load_lose_nothing_and_double_nothing() {
    let crowd = Crowd::of(ROUNDS * SHARE);
    let readers = Readers::of(&crowd);
    let mut chance = Chance::seeded(31);
    let mut in_hand = 0;
    for round in 1..=ROUNDS {
        let mut serving = crowd.ctl.serve("listen");
        assert_eq!(
            readers.one(&serving.proxied),
            Some(Some(200)),
            "whoever comes after a kill is answered"
        );
        let acting = readers.act(AT_ONCE, &serving.proxied, round * SHARE);
        // After some answers, and then at any moment of the next few commits.
        let answers = readers.asked() + chance.below(25) as usize;
        let deadline = Instant::now() + PATIENCE;
        while readers.asked() < answers && Instant::now() < deadline {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_micros(chance.below(3_000)));
        // Nobody begins any more, and those who have begun are in the middle of it.
        readers.pause();
        let asked = readers.asked();
        serving.group.kill();
        for thread in acting {
            thread.join().expect("a reader who gets no answer does not panic");
        }
        in_hand += readers.asked() - asked;
    }
    let (asked, told) = (readers.asked(), readers.answered());
    eprintln!("{ROUNDS} kills: {asked} asked, {told} were told 200, {in_hand} were in hand");
    assert!(
        in_hand >= ROUNDS,
        "requests were in hand when the process was killed: {in_hand} in {ROUNDS} rounds"
    );
    for deed in [Deed::Open, Deed::OptOut, Deed::Unsubscribe] {
        let told = readers.who(deed, false).len();
        assert!(
            told >= ROUNDS / 3,
            "enough of {deed:?} were acknowledged to lose some: {told}"
        );
    }
    readers.are_all_known(&crowd);
}
