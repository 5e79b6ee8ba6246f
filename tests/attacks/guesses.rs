//! Tokens that were guessed: they find nothing, store nothing, and slow nobody down.

use crate::harness::chance::Chance;
use crate::harness::crowd::Crowd;
use crate::harness::ctl::{Ctl, Serving};
use crate::harness::gauge::Gauge;
use crate::harness::line::Line;
use crate::harness::witness::{GIF, Witness};
use crate::harness::{is_ci, quiet};
use std::time::{Duration, Instant};

/// Connections of the guesser.
const LINES: usize = 50;

/// Returns how many guesses are made, and how long they may take.
///
/// In CI a million, all of which have to be made: the limit of memory then finds a leak of 34 bytes a guess, and
/// a table that grows with guesses is long enough to be felt. They take minutes. Elsewhere there are 48,000, of
/// which a slow machine may leave some out.
fn guesses() -> (usize, Duration) {
    if is_ci() {
        (1_000_000, Duration::from_secs(900))
    } else {
        (48_000, Duration::from_secs(60))
    }
}

#[test]
fn guessed_tokens_store_nothing_and_slow_nobody_down() {
    let _alone = quiet();
    let crowd = Crowd::of(3);
    let before = crowd.ctl.ok(["report", &crowd.campaign]);
    let serving = crowd.ctl.serve("listen");
    let gauge = Gauge::of(serving.group.child.id());
    let resident_kib = gauge.resident_kib();
    let witness = Witness::start(&serving.direct, &serving.proxied);
    let verified = crowd.ctl.ok(["verify"]);
    let (wanted, within) = guesses();
    let begun = Instant::now();
    let guessers: Vec<_> = (0..LINES)
        .map(|line| {
            let peer = serving.proxied.clone();
            std::thread::spawn(move || guess(&peer, line as u64, wanted / LINES, begun + within))
        })
        .collect();
    let made: usize = guessers
        .into_iter()
        .map(|guesser| guesser.join().expect("every guess is answered"))
        .sum();
    let took = begun.elapsed();
    eprintln!("{made} guesses in {} s", took.as_secs());
    witness.was_served();
    let enough = if is_ci() { wanted } else { wanted / 4 };
    assert!(made >= enough, "{made} of {wanted} guesses in {took:?}");
    let grown = gauge.resident_kib().saturating_sub(resident_kib);
    assert!(grown <= 32 * 1024, "guesses take no memory: {grown} KiB more");
    slows_down_nobody(&serving);
    serving.stop();

    assert_eq!(crowd.hits(), 0, "a guess is no row");
    let verified_after = crowd.ctl.ok(["verify"]);
    assert_eq!(verified_after, verified, "nor does it change any other row");
    let mut after = crowd.ctl.ok(["report", &crowd.campaign]);
    // These tell of the time and of the listener, not of readers: no rate is given before anybody could be seen.
    for name in [
        "as_of",
        "reachable_share",
        "unmeasured",
        "confirmed_rate",
        "confirmed_interval",
        "upper_rate",
    ] {
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

/// Guesses `count` tokens, one after the other; returns how many.
fn guess(peer: &str, seed: u64, count: usize, deadline: Instant) -> usize {
    let mut chance = Chance::seeded(1000 + seed);
    let mut line = Line::to(peer);
    for made in 0..count {
        if Instant::now() >= deadline {
            return made;
        }
        let path = format!("/o/{}.gif", chance.token());
        let (response, _) = line.ask("GET", &path, &chance.address());
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.body, GIF, "a guess gets what everybody gets");
    }
    count
}
