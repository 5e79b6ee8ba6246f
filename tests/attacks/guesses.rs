//! Tokens that were guessed: they find nothing, store nothing, and slow nobody down.

use crate::harness::chance::Chance;
use crate::harness::crowd::Crowd;
use crate::harness::ctl::{Ctl, Serving};
use crate::harness::gauge::Gauge;
use crate::harness::line::Line;
use crate::harness::quiet;
use crate::harness::witness::{GIF, Witness};
use std::time::{Duration, Instant};

/// Connections of the guesser.
const LINES: u64 = 48;
/// Guesses in all. A million takes minutes; what grows with them shows in fewer.
const GUESSES: usize = 48_000;

#[test]
fn guessed_tokens_store_nothing_and_slow_nobody_down() {
    let _alone = quiet();
    let crowd = Crowd::of(3);
    let before = crowd.ctl.ok(["report", &crowd.campaign]);
    let serving = crowd.ctl.serve("listen");
    let gauge = Gauge::of(serving.group.child.id());
    let resident_kib = gauge.resident_kib();
    let witness = Witness::start(&serving.direct, &serving.proxied);
    let deadline = Instant::now() + Duration::from_secs(60);
    let guessers: Vec<_> = (0..LINES)
        .map(|seed| {
            let peer = serving.proxied.clone();
            std::thread::spawn(move || guess(&peer, seed, deadline))
        })
        .collect();
    let made: usize = guessers
        .into_iter()
        .map(|guesser| guesser.join().expect("every guess is answered"))
        .sum();
    witness.was_served();
    assert!(
        made >= GUESSES / 4,
        "a minute is enough for more than {made} guesses"
    );
    let grown = gauge.resident_kib().saturating_sub(resident_kib);
    assert!(grown <= 32 * 1024, "guesses take no memory: {grown} KiB more");
    slows_down_nobody(&serving);
    serving.stop();

    assert_eq!(crowd.hits(), 0, "a guess is no row");
    let mut after = crowd.ctl.ok(["report", &crowd.campaign]);
    // These two tell of the time and of the listener, not of readers.
    for name in ["as_of", "reachable_share"] {
        after[name] = before[name].clone();
    }
    assert_eq!(after, before, "a guess is in no number of the report");
}

/// Compares it with a listener that nobody has guessed at, look by look, so that other work on this machine
/// slows down both.
fn slows_down_nobody(worn: &Serving) {
    let other = Ctl::new();
    let fresh = other.serve("listen");
    let mut lines = [Line::to(&worn.proxied), Line::to(&fresh.proxied)];
    let mut waits = [Vec::new(), Vec::new()];
    let mut chance = Chance::seeded(5);
    for _ in 0..400 {
        for (line, waits) in lines.iter_mut().zip(&mut waits) {
            let path = format!("/o/{}.gif", chance.token());
            waits.push(line.ask("GET", &path, &chance.address()).1);
        }
    }
    let [worn, new] = waits.map(|mut waits| {
        waits.sort_unstable();
        waits[waits.len() / 2]
    });
    assert!(
        worn <= new * 2,
        "guesses do not slow a listener down: {worn:?} after them, {new:?} without"
    );
    fresh.stop();
}

/// Guesses one token after the other; returns how many.
fn guess(peer: &str, seed: u64, deadline: Instant) -> usize {
    let mut chance = Chance::seeded(1000 + seed);
    let mut line = Line::to(peer);
    for made in 0..GUESSES / LINES as usize {
        if Instant::now() >= deadline {
            return made;
        }
        let path = format!("/o/{}.gif", chance.token());
        let (response, _) = line.ask("GET", &path, &chance.address());
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.body, GIF, "a guess gets what everybody gets");
    }
    GUESSES / LINES as usize
}
