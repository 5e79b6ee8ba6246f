//! What was answered with 200 is kept, whatever happens next, and nothing is kept twice.
//!
//! - `kill`: the process is killed under load, again and again.
//! - `power_cut`: disks as a power cut may leave them, made from a log of system calls (`trace`, `cut`).
//! - `power_cut_sending`: the same disks while a campaign is sent.
//! - `full_disk`: no room, and then room again.
//! - `flush`: a disk that says no to flushes for a while.
//! - `locked`: another program holds the database.
//!
//! Every reader does one thing once (`Deed`): what was acknowledged must be there, what is there must have been
//! asked for, and each look is one row.

mod cut;
mod flush;
mod full_disk;
mod kill;
mod locked;
mod power_cut;
mod power_cut_sending;
mod trace;

use crate::harness::crowd::{Crowd, Deed, Reader};
use crate::harness::raw::Heard;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A reader's number, and the status that they were answered with, if any.
type Told = (usize, Option<u16>);

/// The readers of a crowd, who act one after the other, and what they were told.
#[derive(Clone)]
struct Readers {
    all: Arc<Vec<Reader>>,
    next: Arc<AtomicUsize>,
    done: Arc<AtomicBool>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Readers {
    fn of(crowd: &Crowd) -> Self {
        Self {
            all: Arc::new(crowd.readers.clone()),
            next: Arc::default(),
            done: Arc::default(),
            told: Arc::default(),
        }
    }

    /// Lets `count` of them act at a time, until `end` of them have or [`Self::pause`] is called.
    fn act(&self, count: usize, peer: &str, end: usize) -> Vec<JoinHandle<()>> {
        self.done.store(false, Ordering::SeqCst);
        (0..count)
            .map(|_| {
                let (own, peer) = (self.clone(), peer.to_owned());
                std::thread::spawn(move || {
                    while !own.done.load(Ordering::SeqCst) && own.one_of(end, &peer).is_some() {}
                })
            })
            .collect()
    }

    /// Lets the next one act; returns what they were told, `None` where everyone has acted.
    fn one(&self, peer: &str) -> Option<Option<u16>> {
        self.one_of(self.all.len(), peer)
    }

    fn one_of(&self, end: usize, peer: &str) -> Option<Option<u16>> {
        let (_, heard) = self.hear_one(end, peer)?;
        Some(heard.statuses().first().copied())
    }

    /// Lets the next one of the first `end` act; returns what they did and what they heard.
    fn hear_one(&self, end: usize, peer: &str) -> Option<(Deed, Heard)> {
        let next = |index| (index < end).then_some(index + 1);
        let index = self
            .next
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .ok()?;
        let deed = Deed::of(index);
        let heard = deed.ask(self.all.get(index)?, peer);
        self.told
            .lock()
            .expect("no thread panics with the lock held")
            .push((index, heard.statuses().first().copied()));
        Some((deed, heard))
    }

    /// Lets nobody begin any more.
    fn pause(&self) {
        self.done.store(true, Ordering::SeqCst);
    }

    /// Returns how many have acted.
    fn asked(&self) -> usize {
        self.told
            .lock()
            .expect("no thread panics with the lock held")
            .len()
    }

    /// Returns how many were told 200.
    fn answered(&self) -> usize {
        let told = self.told.lock().expect("no thread panics with the lock held");
        told.iter().filter(|(_, status)| *status == Some(200)).count()
    }

    /// Returns those who did `deed` and were told so; with `all`, whatever they were told.
    fn who(&self, deed: Deed, all: bool) -> BTreeSet<String> {
        let told = self.told.lock().expect("no thread panics with the lock held");
        told.iter()
            .filter(|(index, status)| Deed::of(*index) == deed && (all || *status == Some(200)))
            .map(|(index, _)| self.all[*index].email.clone())
            .collect()
    }

    /// Returns those who were told 200 and of whom the workspace does not know it.
    fn lost(&self, crowd: &Crowd) -> Vec<(Deed, String)> {
        let deeds = [Deed::Open, Deed::OptOut, Deed::Unsubscribe];
        deeds
            .into_iter()
            .flat_map(|deed| {
                let kept = crowd.who_did(deed);
                let told = self.who(deed, false);
                told.difference(&kept)
                    .map(|email| (deed, email.clone()))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Fails unless the workspace knows what was acknowledged, nothing that nobody did, and nothing twice.
    #[track_caller]
    fn are_all_known(&self, crowd: &Crowd) {
        let lost = self.lost(crowd);
        assert!(
            lost.is_empty(),
            "what was answered with 200 is kept; {} are lost: {lost:?}",
            lost.len()
        );
        for deed in [Deed::Open, Deed::OptOut, Deed::Unsubscribe] {
            let (kept, asked) = (crowd.who_did(deed), self.who(deed, true));
            let invented: Vec<_> = kept.difference(&asked).collect();
            assert!(invented.is_empty(), "nobody did this ({deed:?}): {invented:?}");
        }
        assert_eq!(
            crowd.hits(),
            crowd.who_did(Deed::Open).len(),
            "everyone looked once: one row each, none twice"
        );
    }
}
