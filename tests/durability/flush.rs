//! A disk that says no to flushes for a while: strace answers them with an input or output error.
//!
//! SQLite flushes by `fsync` and the spool by `fdatasync`, so that either can be made to fail without the other.
//! The system may drop what it could not write and say yes the next time; so a flush that failed is never tried
//! again on the same descriptor.

use super::{Readers, trace};
use crate::harness::crowd::{Crowd, Deed};
use crate::harness::ctl::{Ctl, Serving};
use crate::harness::witness::GIF;
use crate::harness::{skip, until};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The flushes of the writer's thread that fail, counted from its start: the first few make the spool and
/// begin the listener's interval, and the next ones are readers' commits.
const FLUSHES: &str = "inject=fsync:error=EIO:when=20..25";
/// How many these are.
const FAILED: usize = 6;

/// A listener on such a disk.
struct Sick {
    crowd: Crowd,
    readers: Readers,
    serving: Serving,
    logs: TempDir,
}

impl Sick {
    /// `None` where there is no strace.
    fn start(test: &str, faults: &[&str]) -> Option<Self> {
        if Command::new("strace").arg("--version").output().is_err() {
            skip(test, "there is no strace");
            return None;
        }
        let crowd = Crowd::of(600);
        let logs = tempfile::tempdir().expect("a temporary folder can be made");
        let prefix = logs.path().join("calls").display().to_string();
        let words = "strace -D -f -ff --seccomp-bpf -y --absolute-timestamps=format:unix,precision:ns \
                     -e signal=none -e trace=openat,close,fsync,fdatasync";
        let mut wrapper: Vec<&str> = words.split_whitespace().collect();
        faults.iter().for_each(|fault| wrapper.extend(["-e", fault]));
        wrapper.extend(["-o", &prefix]);
        let serving = crowd.ctl.serve_by(&wrapper, "listen");
        Some(Self {
            readers: Readers::of(&crowd),
            crowd,
            serving,
            logs,
        })
    }

    /// Lets readers come until nothing waits in the spool any more, and then some more, who are all answered.
    /// Returns how many of the first were refused.
    fn recovers(&self) -> usize {
        let mut refused = 0;
        until("the listener should recover by itself", || {
            let (deed, heard) = self
                .readers
                .hear_one(self.readers.all.len() - 20, &self.serving.proxied)
                .expect("it recovers before everyone has come");
            let response = heard.response();
            assert!([200, 503].contains(&response.status), "{response:?}");
            if deed == Deed::Open {
                assert_eq!(response.body, GIF, "the mail looks as it should: {response:?}");
            }
            if response.status == 503 {
                refused += 1;
                return None;
            }
            let status = self.crowd.ctl.call("listener_status", serde_json::json!({}));
            (status["spooled"] == 0 && self.failures() >= FAILED).then_some(())
        });
        for _ in 0..20 {
            assert_eq!(
                self.readers.one(&self.serving.proxied),
                Some(Some(200)),
                "and it goes on"
            );
        }
        refused
    }

    fn failures(&self) -> usize {
        let all = calls(&self.logs.path().join("calls"));
        all.iter()
            .filter(|call| call.name == "fsync" && call.has_failed)
            .count()
    }

    /// Stops it and checks what it has left, and what it has asked of the disk.
    fn ends(mut self) {
        self.serving.group.terminate();
        assert_eq!(self.serving.group.wait(), Some(0), "it ends in good order");
        // Waits for the tracer too: it is in the same group.
        drop(self.serving);
        self.readers.are_all_known(&self.crowd);
        let calls = calls(&self.logs.path().join("calls"));
        assert_eq!(
            tried_again(&calls),
            Vec::<String>::new(),
            "no flush is tried again"
        );
        let is_log = |call: &Asked| call.file.ends_with("/casement.db-wal");
        let first = calls
            .iter()
            .position(|call| is_log(call) && call.name == "fsync" && call.has_failed)
            .expect("a flush of the database failed");
        assert!(
            calls[first..]
                .iter()
                .any(|call| is_log(call) && call.name == "openat"),
            "the database is opened anew"
        );
    }
}

/// A call that asks something of a descriptor.
#[derive(Debug)]
struct Asked {
    name: String,
    descriptor: u64,
    file: String,
    has_failed: bool,
}

impl Asked {
    /// `TIME NAME(DESCRIPTOR<FILE>) = RESULT`; an `openat` has its descriptor in the result.
    fn read(line: &str) -> Option<Self> {
        let (_, call) = line.split_once(' ')?;
        let (name, rest) = call.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(") = ").or_else(|| rest.rsplit_once(" = "))?;
        let descriptor = if name == "openat" { result } else { arguments };
        let (number, file) = descriptor.split_once('<')?;
        Some(Self {
            name: name.to_owned(),
            descriptor: number.trim().parse().ok()?,
            file: file.split('>').next()?.to_owned(),
            has_failed: result.trim_start().starts_with('-'),
        })
    }
}

fn calls(prefix: &Path) -> Vec<Asked> {
    trace::lines(prefix)
        .iter()
        .filter_map(|(_, line)| Asked::read(&String::from_utf8_lossy(line)))
        .collect()
}

/// Returns the flushes that came after a failed one of the same descriptor, which was not closed in between.
fn tried_again(calls: &[Asked]) -> Vec<String> {
    let mut doubtful: BTreeMap<u64, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for call in calls {
        match call.name.as_str() {
            "close" => {
                doubtful.remove(&call.descriptor);
            }
            "fsync" => {
                if let Some(file) = doubtful.get(&call.descriptor) {
                    found.push(format!("{} of {file}", call.descriptor));
                }
                if call.has_failed {
                    doubtful.insert(call.descriptor, &call.file);
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_flush_that_fails_is_not_tried_again_and_loses_nothing() {
    let test = "a_flush_that_fails_is_not_tried_again_and_loses_nothing";
    let Some(sick) = Sick::start(test, &[FLUSHES]) else {
        return;
    };
    for thread in sick.readers.act(2, &sick.serving.proxied, 200) {
        thread.join().expect("a reader does not panic");
    }
    assert_eq!(
        sick.readers.answered(),
        200,
        "the spool takes what the database cannot"
    );
    let refused = sick.recovers();
    assert_eq!(refused, 0, "nobody is refused while the spool can be flushed");
    sick.ends();
}

#[test]
fn where_no_flush_works_nothing_is_acknowledged_and_nothing_is_lost() {
    let test = "where_no_flush_works_nothing_is_acknowledged_and_nothing_is_lost";
    let spool = "inject=fdatasync:error=EIO:when=1..40";
    let Some(sick) = Sick::start(test, &[FLUSHES, spool]) else {
        return;
    };
    let refused = sick.recovers();
    assert!(refused > 5, "what is on no disk is not acknowledged: {refused}");
    sick.ends();
}

#[test]
fn a_flush_that_was_tried_again_is_found_in_a_log() {
    let log = "1.1 openat(AT_FDCWD</w>, \"/w/a\", O_RDWR) = 5</w/a>
1.2 fsync(5</w/a>) = 0
1.3 fsync(5</w/a>)       = -1 EIO (Input/output error) (INJECTED)
1.4 fsync(6</w/b>)       = 0
1.5 close(5</w/a>) = 0
1.6 openat(AT_FDCWD</w>, \"/w/a\", O_RDWR) = 5</w/a>
1.7 fsync(5</w/a>) = -1 EIO (Input/output error) (INJECTED)
1.8 fsync(5</w/a>) = 0";
    let calls: Vec<Asked> = log.lines().filter_map(Asked::read).collect();
    assert_eq!(calls.len(), 8, "every line is read: {calls:?}");
    assert_eq!(
        tried_again(&calls),
        ["5 of /w/a"],
        "the one that was not opened anew"
    );
}

#[test]
fn a_checkpoint_whose_flush_fails_is_not_tried_again_on_the_same_descriptor() {
    let test = "a_checkpoint_whose_flush_fails_is_not_tried_again_on_the_same_descriptor";
    if Command::new("strace").arg("--version").output().is_err() {
        return skip(test, "there is no strace");
    }
    let ctl = Ctl::new();
    ctl.verify();
    let logs = tempfile::tempdir().expect("a temporary folder can be made");
    let prefix = logs.path().join("calls").display().to_string();
    let database = ctl.workspace().join("casement.db").display().to_string();
    let words = "strace -D -f -ff --seccomp-bpf -y --absolute-timestamps=format:unix,precision:ns \
                 -e signal=none -e trace=openat,close,fsync -e inject=fsync:error=EIO:when=1..3";
    let mut wrapper: Vec<&str> = words.split_whitespace().collect();
    // Of the database's own file: its flushes are those of checkpoints.
    wrapper.extend(["-P", &database, "-o", &prefix]);
    let mut serving = ctl.serve_by(&wrapper, "listen");
    // More than the 8,000 pages after which a commit moves its log into the database.
    let rows: String = (0..120_000)
        .map(|index| format!("reader{index:06}@readers.test\n"))
        .collect();
    let file = ctl.file("members.csv", format!("email\n{rows}"));
    ctl.ok(["import", file.to_str().expect("ASCII"), "--list", "Members"]);
    serving.group.terminate();
    assert_eq!(serving.group.wait(), Some(0), "it ends in good order");
    drop(serving);
    ctl.verify();
    let calls = calls(&logs.path().join("calls"));
    assert!(
        calls.iter().any(|call| call.has_failed),
        "a checkpoint's flush failed"
    );
    assert_eq!(
        tried_again(&calls),
        Vec::<String>::new(),
        "no flush is tried again"
    );
}
