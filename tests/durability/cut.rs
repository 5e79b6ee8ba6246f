//! A disk that loses power: what was brought to it by fsync is there, and of the rest whatever chance leaves.
//!
//! Each later write is there, or is not, or is torn at sectors of 512 bytes, whatever its order. New names,
//! renames and removals are there up to some point after the last fsync of their folder.

use super::trace::{Call, Time, What};
use crate::harness::chance::Chance;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a disk writes at once.
const SECTOR: usize = 512;

/// Which fsyncs are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    /// All that succeeded.
    All,
    /// Those that SQLite would have made in mode NORMAL: of its log none at a commit.
    AsInNormal,
}

/// A change that is not known to be on the disk.
#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLength(usize),
    Reserve(usize),
}

struct Pending {
    change: Change,
    end: Time,
}

/// A file, whatever it is called.
#[derive(Default)]
struct File {
    safe: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone)]
enum Naming {
    Give { path: PathBuf, file: usize },
    Take { path: PathBuf },
    Move { from: PathBuf, to: PathBuf },
}

/// A folder on that disk.
pub struct Disk {
    root: PathBuf,
    files: Vec<File>,
    /// Names that survive.
    safe: BTreeMap<PathBuf, usize>,
    /// Names as the program sees them.
    seen: BTreeMap<PathBuf, usize>,
    pending: Vec<(Naming, Time)>,
}

/// What happens to the disk, at its moment.
enum Step<'a> {
    Change(&'a Call),
    /// The sync of this path, which began at this moment.
    Safe(&'a Path, Time),
}

impl Disk {
    /// Makes one whose folder `root` holds `files`, all of them safe.
    pub fn holding(root: &Path, files: &[(PathBuf, Vec<u8>)]) -> Self {
        let names: BTreeMap<PathBuf, usize> = files
            .iter()
            .enumerate()
            .map(|(index, (path, _))| (path.clone(), index))
            .collect();
        let files = files.iter().map(|(_, bytes)| File {
            safe: bytes.clone(),
            pending: Vec::new(),
        });
        Self {
            root: root.to_owned(),
            files: files.collect(),
            safe: names.clone(),
            seen: names,
            pending: Vec::new(),
        }
    }

    /// Plays `calls` and calls `each` at every moment of `cuts`, which are in order.
    pub fn play(&mut self, calls: &[Call], syncs: Syncs, cuts: &[Time], mut each: impl FnMut(&Self, Time)) {
        let mut steps: Vec<(Time, Step<'_>)> = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            match &call.what {
                What::Sync { path } => {
                    if syncs == Syncs::All || is_made_in_normal(path, &calls[..index], &calls[index + 1..]) {
                        steps.push((call.end, Step::Safe(path, call.start)));
                    }
                }
                // From its entry on any part of it may be there.
                _ => steps.push((call.start, Step::Change(call))),
            }
        }
        steps.sort_by_key(|(time, _)| *time);
        let mut cuts = cuts.iter().peekable();
        for (time, step) in steps {
            while let Some(cut) = cuts.next_if(|cut| **cut < time) {
                each(self, *cut);
            }
            match step {
                Step::Change(call) => self.change(call),
                Step::Safe(path, begun) => self.make_safe(path, begun),
            }
        }
        cuts.for_each(|cut| each(self, *cut));
    }

    fn change(&mut self, call: &Call) {
        let (path, change) = match &call.what {
            What::Open { path, may_create } => {
                if *may_create && self.is_ours(path) && !self.seen.contains_key(path) {
                    let file = self.files.len();
                    self.files.push(File::default());
                    self.seen.insert(path.clone(), file);
                    let path = path.clone();
                    self.pending.push((Naming::Give { path, file }, call.end));
                }
                return;
            }
            What::Rename { from, to } => {
                if let Some(file) = self.seen.remove(from) {
                    self.seen.insert(to.clone(), file);
                    let (from, to) = (from.clone(), to.clone());
                    self.pending.push((Naming::Move { from, to }, call.end));
                }
                return;
            }
            What::Unlink { path } => {
                if self.seen.remove(path).is_some() {
                    self.pending.push((Naming::Take { path: path.clone() }, call.end));
                }
                return;
            }
            What::Write { path, offset, bytes } => {
                let (offset, bytes) = (*offset as usize, bytes.clone());
                (path, Change::Write { offset, bytes })
            }
            What::SetLength { path, length } => (path, Change::SetLength(*length as usize)),
            What::Reserve { path, length } => (path, Change::Reserve(*length as usize)),
            What::Sync { .. } | What::Heard { .. } | What::Said { .. } => return,
        };
        if let Some(file) = self.seen.get(path) {
            let end = call.end;
            self.files[*file].pending.push(Pending { change, end });
        }
    }

    /// The shared-memory index is made anew from the log.
    fn is_ours(&self, path: &Path) -> bool {
        path.starts_with(&self.root) && !path.to_string_lossy().ends_with("-shm")
    }

    /// Brings to the disk what was done with `path` before `begun`.
    fn make_safe(&mut self, path: &Path, begun: Time) {
        if let Some(file) = self.seen.get(path) {
            let File { safe, pending } = &mut self.files[*file];
            for done in pending.extract_if(.., |pending| pending.end <= begun) {
                apply(safe, &done.change, |_| true);
            }
            return;
        }
        let named = std::mem::take(&mut self.pending);
        for (naming, end) in named {
            if end <= begun && naming.folder() == Some(path) {
                name(&mut self.safe, &naming);
            } else {
                self.pending.push((naming, end));
            }
        }
    }

    /// Writes what a power cut at this moment may leave into the folder `to`.
    pub fn cut(&self, chance: &mut Chance, to: &Path) {
        let mut names = self.safe.clone();
        let survive = chance.below(self.pending.len() as u64 + 1) as usize;
        for (naming, _) in &self.pending[..survive] {
            name(&mut names, naming);
        }
        // One in four times nothing is there that need not be.
        let is_strict = chance.below(4) == 0;
        for (path, file) in names {
            let file = &self.files[file];
            let mut left = file.safe.clone();
            for pending in file.pending.iter().filter(|_| !is_strict) {
                match chance.below(3) {
                    0 => {}
                    1 => apply(&mut left, &pending.change, |_| true),
                    _ => apply(&mut left, &pending.change, |_| chance.below(2) == 0),
                }
            }
            let name = path.file_name().expect("a file has a name");
            fs::write(to.join(name), left).expect("there is room for a copy");
        }
    }
}

impl Naming {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Give { path, .. } | Self::Take { path } => path.parent(),
            Self::Move { to, .. } => to.parent(),
        }
    }
}

fn name(names: &mut BTreeMap<PathBuf, usize>, naming: &Naming) {
    match naming {
        Naming::Give { path, file } => {
            names.insert(path.clone(), *file);
        }
        Naming::Take { path } => {
            names.remove(path);
        }
        Naming::Move { from, to } => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
    }
}

/// Applies `change` to `bytes`, sector by sector where `keeps` says so.
fn apply(bytes: &mut Vec<u8>, change: &Change, mut keeps: impl FnMut(usize) -> bool) {
    match change {
        Change::Write { offset, bytes: new } => {
            let (mut at, end) = (*offset, offset + new.len());
            while at < end {
                let until = end.min((at / SECTOR + 1) * SECTOR);
                if keeps(at / SECTOR) {
                    if bytes.len() < until {
                        bytes.resize(until, 0);
                    }
                    bytes[at..until].copy_from_slice(&new[at - offset..until - offset]);
                }
                at = until;
            }
        }
        Change::SetLength(length) => {
            if keeps(0) {
                bytes.resize(*length, 0);
            }
        }
        Change::Reserve(length) => {
            if keeps(0) && bytes.len() < *length {
                bytes.resize(*length, 0);
            }
        }
    }
}

/// In mode NORMAL SQLite syncs its log when it begins anew, and before its pages go to the database
/// (https://sqlite.org/pragma.html#pragma_synchronous): where the last thing written is the log's header, or the
/// next thing is the database itself.
fn is_made_in_normal(synced: &Path, before: &[Call], after: &[Call]) -> bool {
    let name = synced.to_string_lossy();
    let Some(database) = name.strip_suffix("-wal") else {
        return true;
    };
    let written = |call: &Call| match &call.what {
        What::Write { path, offset, .. } if path == synced => Some((true, *offset)),
        What::Write { path, offset, .. } if path == Path::new(database) => Some((false, *offset)),
        _ => None,
    };
    let last_is_header = before.iter().rev().find_map(written) == Some((true, 0));
    let next_is_database = after.iter().find_map(written).is_some_and(|(is_log, _)| !is_log);
    last_is_header || next_is_database
}

#[test]
fn a_cut_keeps_what_was_synced_and_may_tear_what_was_not() {
    let path = PathBuf::from("/workspace/a.db");
    let mut disk = Disk::holding(Path::new("/workspace"), &[(path.clone(), vec![1; 1024])]);
    let call = |start: Time, what: What| Call {
        start,
        end: start + 1,
        what,
    };
    let write = |offset: u64, byte: u8| What::Write {
        path: path.clone(),
        offset,
        bytes: vec![byte; 1024],
    };
    let sync = What::Sync { path: path.clone() };
    let calls = [call(10, write(0, 2)), call(20, sync), call(30, write(512, 3))];
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut chance = Chance::seeded(1);
    let cuts: Vec<Time> = (0..200).map(|index| if index < 100 { 15 } else { 35 }).collect();
    let copy = tempfile::tempdir().expect("a temporary folder can be made");
    disk.play(&calls, Syncs::All, &cuts, |disk, at| {
        disk.cut(&mut chance, copy.path());
        let left = fs::read(copy.path().join("a.db")).expect("it is there");
        if at == 15 { &mut before } else { &mut after }.push(left);
    });
    let sectors = |left: &Vec<u8>| -> Vec<u8> { left.chunks(SECTOR).map(|sector| sector[0]).collect() };
    let mut seen: Vec<Vec<u8>> = before.iter().map(sectors).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(
        seen,
        [vec![1, 1], vec![1, 2], vec![2, 1], vec![2, 2]],
        "an unsynced write is there, is not, or is torn"
    );
    let mut seen: Vec<Vec<u8>> = after.iter().map(sectors).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(
        seen,
        [vec![2, 2], vec![2, 2, 3], vec![2, 3], vec![2, 3, 3]],
        "what was synced is there in every case"
    );
}
