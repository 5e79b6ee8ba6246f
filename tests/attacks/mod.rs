//! What strangers send to a listener that the internet can reach, and that nothing comes of it.
//!
//! - `lengths`: bodies that are announced, never sent, too long, or hide a second request.
//! - `forms`: requests that no browser writes.
//! - `floods`: more of everything than a listener can take.
//! - `guesses`: tokens by the hundred thousand.
//!
//! Each test has a listener of its own and an honest reader who looks all the while. At its end the listener
//! lives, has panicked nowhere, has served the reader, and takes hardly more memory than at its start. They run
//! one at a time: a flood would disturb the others.

mod floods;
mod forms;
mod guesses;
mod lengths;

use crate::harness::chance::Chance;
use crate::harness::ctl::{Ctl, Serving};
use crate::harness::gauge::Gauge;
use crate::harness::raw::{Heard, exchange};
use crate::harness::witness::{Witness, look};
use crate::harness::{quiet, until};
use std::sync::MutexGuard;
use std::time::Duration;

/// How long an answer to a request without manners may take: it must come, but nobody waits for it.
const WAIT: Duration = Duration::from_secs(5);
/// What the listener may take more at the end than at its start.
const GROWTH_KIB: u64 = 32 * 1024;
/// Threads and descriptors that may come and go by themselves.
const LEEWAY: u64 = 12;

/// A listener under attack.
struct Siege {
    ctl: Ctl,
    serving: Serving,
    gauge: Gauge,
    resident_kib: u64,
    threads: u64,
    descriptors: u64,
    witness: Witness,
    chance: Chance,
    _alone: MutexGuard<'static, ()>,
}

impl Siege {
    fn begin() -> Self {
        Self::begin_by(&[])
    }

    /// Starts the listener by way of another program.
    fn begin_by(wrapper: &[&str]) -> Self {
        let alone = quiet();
        let ctl = Ctl::new();
        let serving = if wrapper.is_empty() {
            ctl.serve("listen")
        } else {
            ctl.serve_by(wrapper, "listen")
        };
        let mut chance = Chance::seeded(7);
        // What is set up at first use is no growth.
        for peer in [&serving.direct, &serving.proxied] {
            for _ in 0..20 {
                look(peer, &mut chance).expect("a listener without an attack answers");
            }
        }
        let gauge = Gauge::of(serving.group.child.id());
        Self {
            resident_kib: gauge.resident_kib(),
            threads: gauge.threads(),
            descriptors: gauge.descriptors(),
            witness: Witness::start(&serving.direct, &serving.proxied),
            gauge,
            ctl,
            serving,
            chance,
            _alone: alone,
        }
    }

    /// Returns both entrances.
    fn entrances(&self) -> [String; 2] {
        [self.serving.direct.clone(), self.serving.proxied.clone()]
    }

    /// Returns the path of a picture that belongs to nobody.
    fn pixel(&mut self) -> String {
        format!("/o/{}.gif", self.chance.token())
    }

    /// Returns the path of a page that belongs to nobody.
    fn page(&mut self) -> String {
        format!("/u/{}", self.chance.token())
    }

    /// Sends `bytes` to both entrances and returns what was heard at each.
    fn exchange(&self, bytes: impl AsRef<[u8]>) -> [Heard; 2] {
        self.entrances().map(|peer| exchange(&peer, bytes.as_ref(), WAIT))
    }

    /// Fails unless both entrances answer `bytes` once, with one of `statuses`.
    #[track_caller]
    fn answers(&self, what: &str, bytes: impl AsRef<[u8]>, statuses: &[u16]) -> [Heard; 2] {
        let heard = self.exchange(bytes);
        for heard in &heard {
            let told = heard.statuses();
            assert!(
                told.len() == 1 && statuses.contains(&told[0]),
                "{what} is answered once, with {statuses:?}: {:?}, closed: {}",
                heard.text(),
                heard.closed
            );
        }
        heard
    }

    /// As [`Self::answers`], and the connection is closed though the client would go on.
    #[track_caller]
    fn refuses(&self, what: &str, bytes: impl AsRef<[u8]>, statuses: &[u16]) {
        for heard in self.answers(what, bytes, statuses) {
            assert!(
                heard.closed,
                "after {what} the connection ends: {:?}",
                heard.text()
            );
        }
    }

    /// Forgets what the honest reader has seen so far.
    fn looks_count_from_now(&mut self) {
        self.witness = Witness::start(&self.serving.direct, &self.serving.proxied);
    }

    /// Fails unless nothing came of it all.
    #[track_caller]
    fn ends(mut self) {
        let pid = self.serving.group.child.id();
        assert!(
            matches!(self.serving.group.child.try_wait(), Ok(None)),
            "the listener lives: process {pid} has ended: {}",
            self.serving.errors()
        );
        self.witness.was_served();
        for peer in [&self.serving.direct, &self.serving.proxied] {
            if let Err(wrong) = look(peer, &mut self.chance) {
                panic!("after the attack {peer} answers as before: {wrong}");
            }
        }
        let gauge = self.gauge;
        until("what the attack held should be given back", || {
            let threads_are_back = gauge.threads() <= self.threads + LEEWAY;
            (threads_are_back && gauge.descriptors() <= self.descriptors + LEEWAY).then_some(())
        });
        let resident_kib = gauge.resident_kib();
        assert!(
            resident_kib <= self.resident_kib + GROWTH_KIB,
            "memory is given back: {} KiB at the start, {resident_kib} KiB at the end",
            self.resident_kib
        );
        let errors = self.serving.errors();
        assert!(!errors.contains("panicked"), "nothing panics: {errors}");
        self.serving.stop();
        self.ctl.verify();
    }
}
