//! Disks as a power cut may leave them, made from a log of the listener's own system calls.
//!
//! One run under strace is the log. For each of 400 moments a disk is made that holds what was synced by then,
//! and of the rest what chance leaves; a second SQLite opens it and tells what it knows. Whoever had been
//! answered with 200 before that moment must be there.
//!
//! Another log is of a listener that cannot write its database for a while and keeps what comes elsewhere. What
//! is left of that only the program itself can read.

use super::Readers;
use super::cut::{Disk, Syncs};
use super::trace::{self, Call, Time, What};
use crate::harness::chance::Chance;
use crate::harness::crowd::{Crowd, Deed};
use crate::harness::ctl::{Ctl, Serving, run_to_end};
use crate::harness::lock::Lock;
use crate::harness::{readers, skip, until};
use casement_core::api;
use casement_core::app::engine::{Durability, Engine, EngineOptions, Tools};
use casement_core::clock::SystemClock;
use casement_core::ids::SystemEntropy;
use casement_core::secrets::FileStore;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How often the power is cut.
const CUTS: usize = 400;
/// So many that what they do fills SQLite's log, at nine or ten of its 8,000 pages for each of them.
const PEOPLE: usize = 1000;
/// Every so many, the program itself opens what is left.
const OPENED: usize = 50;
/// What a database says of its readers.
const KNOWN: &str =
    "SELECT email, hits, (SELECT count(*) FROM hit WHERE message_id = m.id), opted_out_at IS NOT NULL,
      unsubscribed_at IS NOT NULL
    FROM message m WHERE hits > 0 OR opted_out_at IS NOT NULL OR unsubscribed_at IS NOT NULL;";

/// How often the power is cut where the program itself has to read what is left.
const CUTS_BY_PROGRAM: usize = 50;
const DEEDS: [Deed; 3] = [Deed::Open, Deed::OptOut, Deed::Unsubscribe];

/// A run that was written down.
struct Log {
    /// The workspace's folder, which is gone by now.
    workspace: PathBuf,
    campaign: String,
    /// Its files as they were before the run.
    before: Vec<(PathBuf, Vec<u8>)>,
    calls: Vec<Call>,
    /// Who was answered with 200, and when the answer left at the earliest.
    told: Vec<(Time, Deed, String)>,
}

impl Log {
    /// The log of a listener without troubles; `None` where this machine lacks the programs.
    fn get(test: &str) -> Option<&'static Self> {
        static LOG: OnceLock<Option<Log>> = OnceLock::new();
        let log = LOG.get_or_init(|| {
            is_possible(test).then(|| {
                Log::write(PEOPLE, |readers, _, entrance| {
                    for thread in readers.act(3, entrance, PEOPLE) {
                        thread.join().expect("a reader does not panic");
                    }
                })
            })
        });
        log.as_ref()
    }

    /// Writes the log of what `people` do in `scene`.
    fn write(people: usize, scene: impl FnOnce(&Readers, &Crowd, &str)) -> Self {
        Self::write_of(people, |crowd, words| crowd.ctl.serve_by(words, "listen"), scene)
    }

    /// The same of another listener, which `start` starts behind the words it gets.
    fn write_of(
        people: usize,
        start: impl FnOnce(&Crowd, &[&str]) -> Serving,
        scene: impl FnOnce(&Readers, &Crowd, &str),
    ) -> Self {
        let crowd = Crowd::of(people);
        crowd.one_file();
        let workspace = crowd.ctl.workspace().to_owned();
        let before = files(&workspace);
        let logs = tempfile::tempdir().expect("a temporary folder can be made");
        let prefix = logs.path().join("calls");
        let words = trace::strace(&prefix);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut serving = start(&crowd, &words);
        let entrance = serving.proxied.clone();
        let readers = Readers::of(&crowd);
        scene(&readers, &crowd, &entrance);
        serving.group.terminate();
        serving.group.wait();
        // Waits for the tracer too: it is in the same group.
        drop(serving);
        let calls = trace::read(&prefix);
        let told = answers(&calls, &entrance, &crowd);
        let outside: BTreeSet<(Deed, String)> = DEEDS
            .into_iter()
            .flat_map(|deed| {
                readers
                    .who(deed, false)
                    .into_iter()
                    .map(move |email| (deed, email))
            })
            .collect();
        let inside: BTreeSet<(Deed, String)> = told
            .iter()
            .map(|(_, deed, email)| (*deed, email.clone()))
            .collect();
        assert_eq!(
            inside, outside,
            "the log tells of the same answers that readers got"
        );
        Self {
            workspace,
            campaign: crowd.campaign,
            before,
            calls,
            told,
        }
    }

    /// Cuts the power `times` times and asks `known` what is left; returns in how many cases answers were lost,
    /// and how many at worst.
    fn cut(
        &self,
        times: usize,
        syncs: Syncs,
        known: impl Fn(Ctl) -> BTreeSet<(Deed, String)>,
    ) -> (usize, usize) {
        let mut chance = Chance::seeded(41);
        let mut disk = Disk::holding(&self.workspace, &self.before);
        let events: Vec<Time> = self.told.iter().map(|(at, ..)| *at).collect();
        let cuts = moments(&events, &self.calls, times, &mut chance);
        let (mut cases, mut worst, mut turn) = (0, 0, 0);
        disk.play(&self.calls, syncs, &cuts, |disk, at| {
            let ctl = Ctl::new();
            fs::create_dir(ctl.workspace()).expect("own folder");
            disk.cut(&mut chance, ctl.workspace());
            turn += 1;
            if turn % OPENED == 0 {
                ctl.verify();
            }
            let known = known(ctl);
            let lost = self
                .told
                .iter()
                .filter(|(told, deed, email)| *told < at && !known.contains(&(*deed, email.clone())))
                .count();
            cases += usize::from(lost > 0);
            worst = worst.max(lost);
        });
        assert_eq!(turn, times, "the power was cut so often");
        eprintln!(
            "{times} cuts among {} answers, syncs {syncs:?}: answers lost in {cases}, {worst} at worst",
            self.told.len()
        );
        (cases, worst)
    }
}

/// Moments at which the power goes: half of them right behind one of `events`, where a lie would show; the others
/// anywhere.
pub(super) fn moments(events: &[Time], calls: &[Call], times: usize, chance: &mut Chance) -> Vec<Time> {
    let mut cuts: Vec<Time> = (0..times)
        .map(|index| {
            if index % 2 == 0 {
                events[chance.below(events.len() as u64) as usize] + 1
            } else {
                let call = &calls[chance.below(calls.len() as u64) as usize];
                call.start + chance.below(call.end - call.start + 1)
            }
        })
        .collect();
    cuts.sort_unstable();
    cuts
}

/// Whether this machine has the programs; says so where it has not.
pub(super) fn is_possible(test: &str) -> bool {
    let is_there = |name: &str| Command::new(name).arg("--version").output().is_ok();
    let is_possible = is_there("strace") && is_there("sqlite3");
    if !is_possible {
        skip(test, "there is no strace, or no sqlite3");
    }
    is_possible
}

pub(super) fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    fs::read_dir(folder)
        .expect("the folder is there")
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.path(), fs::read(entry.path()).expect("a file can be read")))
        .collect()
}

/// Finds who was answered with 200 at `entrance`. The gate's own connections, further in, are others' business.
fn answers(calls: &[Call], entrance: &str, crowd: &Crowd) -> Vec<(Time, Deed, String)> {
    let by_path: BTreeMap<&str, &str> = crowd
        .readers
        .iter()
        .flat_map(|reader| [(&*reader.pixel, &*reader.email), (&*reader.page, &*reader.email)])
        .collect();
    let ours = format!("{entrance}->");
    let mut heard: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let mut told = Vec::new();
    for call in calls {
        match &call.what {
            What::Heard { connection, bytes } if connection.starts_with(&ours) => {
                heard.entry(connection).or_default().extend(bytes);
            }
            What::Said { connection, bytes }
                if connection.starts_with(&ours) && bytes.starts_with(b"HTTP/1.1 200") =>
            {
                let request = heard.remove(connection.as_str()).unwrap_or_default();
                let request = String::from_utf8_lossy(&request).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let deed = if request.starts_with("GET") {
                    Deed::Open
                } else if request.contains("One-Click") {
                    Deed::Unsubscribe
                } else {
                    Deed::OptOut
                };
                let email = by_path
                    .get(path)
                    .unwrap_or_else(|| panic!("whose is {request:?}?"));
                told.push((call.start, deed, (*email).to_owned()));
            }
            _ => {}
        }
    }
    told
}

/// Asks a second SQLite, whose first answer must be that the file is sound; returns the lines of the others.
pub(super) fn ask_sqlite(ctl: &Ctl, sql: &str) -> Vec<String> {
    let mut command = Command::new("sqlite3");
    command
        .arg("-batch")
        .arg(ctl.workspace().join("casement.db"))
        .arg(format!("PRAGMA synchronous = OFF; PRAGMA integrity_check; {sql}"));
    let said = run_to_end(command, b"");
    let mut lines = said.stdout.lines();
    assert_eq!(lines.next(), Some("ok"), "a power cut damages nothing: {said:?}");
    lines.map(str::to_owned).collect()
}

fn by_sqlite(ctl: Ctl) -> BTreeSet<(Deed, String)> {
    let mut known = BTreeSet::new();
    for line in ask_sqlite(&ctl, KNOWN) {
        let mut columns = line.split('|');
        let email = columns.next().unwrap_or_default();
        let numbers: Vec<u32> = columns.filter_map(|column| column.parse().ok()).collect();
        let [hits, rows, opted_out, unsubscribed] = numbers[..] else {
            panic!("{line:?} is no row")
        };
        assert_eq!(hits, rows, "a look is counted with its row: {line}");
        assert!(hits <= 1, "everyone looked once: {line}");
        for (deed, n) in [
            (Deed::Open, hits),
            (Deed::OptOut, opted_out),
            (Deed::Unsubscribe, unsubscribed),
        ] {
            if n > 0 {
                known.insert((deed, email.to_owned()));
            }
        }
    }
    known
}

#[test]
fn four_hundred_power_cuts_lose_nothing_that_was_acknowledged() {
    let Some(log) = Log::get("four_hundred_power_cuts_lose_nothing_that_was_acknowledged") else {
        return;
    };
    let database = log.workspace.join("casement.db");
    let between = log.told[0].0..log.told[log.told.len() - 1].0;
    assert!(
        log.calls.iter().any(|call| between.contains(&call.start)
            && matches!(&call.what, What::Write { path, .. } if *path == database)),
        "the log was folded into the database at least once between answers"
    );
    let (cases, worst) = log.cut(CUTS, Syncs::All, by_sqlite);
    assert_eq!(
        cases, 0,
        "what was answered with 200 is on the disk; in {cases} of {CUTS} cuts it was not, {worst} at worst"
    );
}

#[test]
fn the_same_cuts_find_losses_where_commits_are_not_synced() {
    let Some(log) = Log::get("the_same_cuts_find_losses_where_commits_are_not_synced") else {
        return;
    };
    let (cases, worst) = log.cut(CUTS, Syncs::AsInNormal, by_sqlite);
    assert!(
        cases > CUTS / 2,
        "without a sync at each commit answers must be lost, or the test sees nothing: {cases} of {CUTS}, \
         {worst} at worst"
    );
}

/// Names the workspace of the listener that [`plays_a_listener_without_syncs`] is, where it is one.
const WITHOUT_SYNCS: &str = "CASEMENT_TEST_LISTEN_WITHOUT_SYNCS";

/// No test by itself: the next one runs it as a program, since the real one cannot be told to be careless.
#[test]
fn plays_a_listener_without_syncs() {
    let Some(workspace) = std::env::var_os(WITHOUT_SYNCS) else {
        return;
    };
    let engine = Engine::open(EngineOptions {
        workspace: PathBuf::from(&workspace),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        keys: Arc::new(FileStore::new(PathBuf::from(workspace).join("keys"))),
        zone: "UTC".to_owned(),
        machine: String::new(),
        extra_roots: Vec::new(),
        dns: None,
        durability: Durability::Normal,
        tools: Tools::default(),
    })
    .expect("the workspace can be opened");
    let request = json!({
        "bind": "127.0.0.1:0", "behind_proxy": "127.0.0.1:0", "client_header": readers::CLIENT_HEADER,
    });
    let status = api::dispatch(&engine, "listener_start", request).expect("it listens");
    println!("\n{status}");
    // Until it is told to end, by a signal; for ever would outlive a test that fails.
    std::thread::sleep(Duration::from_secs(120));
}

#[test]
fn a_listener_that_does_not_sync_its_commits_loses_answers_in_most_power_cuts() {
    let test = "a_listener_that_does_not_sync_its_commits_loses_answers_in_most_power_cuts";
    if !is_possible(test) {
        return;
    }
    let start = |crowd: &Crowd, words: &[&str]| {
        let own = std::env::current_exe().expect("this program has a path");
        let mut program = Command::new(own);
        program
            .args(["--exact", "durability::power_cut::plays_a_listener_without_syncs"])
            .arg("--nocapture")
            .env(WITHOUT_SYNCS, crowd.ctl.workspace());
        crowd.ctl.serve_other(words, &program)
    };
    let log = Log::write_of(200, start, |readers, _, entrance| {
        for thread in readers.act(3, entrance, 200) {
            thread.join().expect("a reader does not panic");
        }
    });
    let (cases, worst) = log.cut(CUTS_BY_PROGRAM, Syncs::All, by_sqlite);
    assert!(
        cases > CUTS_BY_PROGRAM / 2,
        "a test that can see a loss sees it here: {cases} of {CUTS_BY_PROGRAM}, {worst} at worst"
    );
}

#[test]
fn power_cuts_while_the_database_is_locked_lose_nothing_either() {
    let test = "power_cuts_while_the_database_is_locked_lose_nothing_either";
    if !is_possible(test) {
        return;
    }
    let log = Log::write(160, |readers, crowd, entrance| {
        let some = |count: usize| {
            for _ in 0..count {
                readers.one(entrance);
            }
        };
        some(20);
        let database = crowd.ctl.workspace().join("casement.db");
        let lock = Lock::take(&database).expect("sqlite3 is there");
        // The first of them waits until the listener gives up on the lock.
        some(60);
        lock.give_back_after(Duration::ZERO);
        until("what was acknowledged meanwhile should be known", || {
            readers.lost(crowd).is_empty().then_some(())
        });
        some(60);
    });
    assert!(
        log.told.len() >= 80,
        "enough were acknowledged to lose some: {}",
        log.told.len()
    );
    let (cases, worst) = log.cut(CUTS_BY_PROGRAM, Syncs::All, |ctl| {
        let crowd = Crowd {
            ctl,
            campaign: log.campaign.clone(),
            readers: Vec::new(),
        };
        let known: BTreeSet<(Deed, String)> = DEEDS
            .into_iter()
            .flat_map(|deed| crowd.who_did(deed).into_iter().map(move |email| (deed, email)))
            .collect();
        assert_eq!(
            crowd.hits(),
            known.iter().filter(|(deed, _)| *deed == Deed::Open).count(),
            "everyone looked once: one row each, none twice"
        );
        known
    });
    assert_eq!(
        cases, 0,
        "what was answered with 200 is on the disk; in {cases} of {CUTS_BY_PROGRAM} cuts it was not, {worst} at \
         worst"
    );
}
