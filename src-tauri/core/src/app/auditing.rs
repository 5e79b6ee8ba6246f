//! The audit of a preparation: every mail is made and checked as it would leave, on all cores and right behind the
//! writing of the ledger; and the mails that are worth a look before the launch.
//!
//! Threads get neighbouring mails and their findings are put together in the order of the ledger, so that the same
//! ledger gives the same answer however many threads there were.

use super::engine::Engine;
use super::error::sentence;
use super::findings::{finding, found, unresolved};
use crate::api::{Error, Finding, FindingLevel, Preflight, Result, Sample, SampleKind};
use crate::clock::Instant;
use crate::delivery::letter::{LetterError, Letterhead, Look, Reader};
use crate::domain::contact::isolate;
use crate::engine::jobs::Progress;
use crate::ids::{CampaignId, ContactId, MessageId};
use crate::render::template::RenderError;
use crate::store::message::Letter;
use crate::store::{Conn, contact, message};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

/// People named with a finding.
const EXAMPLES: usize = 5;
/// Mails that a thread makes between two looks at whether the user has cancelled.
const PER_TURN: usize = 100;
/// More threads would wait for the disk.
const MOST_THREADS: usize = 16;
/// Of the first and of the last recipients.
const ENDS: usize = 5;

/// What an audit found.
///
/// People stand in it by their ids alone, and nothing that is a reader's own: it is kept, and [`named`] reads names and
/// addresses when it is shown, so that nothing outlives an erased person.
#[derive(Debug, Default)]
pub(crate) struct Audited {
    pub(crate) findings: Vec<Finding>,
    /// The smallest and the largest mail, in bytes.
    pub(crate) size_range: Option<[u32; 2]>,
    pub(crate) samples: Vec<Sample>,
}

/// How far a preparation is: the ledger that is being written, and the audit right behind it.
pub(crate) struct Steps<'a> {
    progress: &'a Progress,
    total: u64,
    done: AtomicU64,
    grown: Mutex<Grown>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Grown {
    /// Mails that were planned.
    planned: u64,
    /// No more are.
    is_over: bool,
    /// The other side has failed: what is done now is of no use.
    is_given_up: bool,
}

impl<'a> Steps<'a> {
    /// `total` counts each person twice: once for the ledger, once for the audit.
    pub(crate) fn new(progress: &'a Progress, total: u64) -> Self {
        Self {
            progress,
            total,
            done: AtomicU64::new(0),
            grown: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Grown> {
        self.grown.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Tells that `n` more are done; fails where the user has cancelled.
    fn step(&self, n: usize) -> Result<()> {
        let done = self.done.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
        self.progress.step(done.min(self.total), Some(self.total))
    }

    /// Tells that `people` more of the audience are in the ledger, `planned` of them to be mailed.
    ///
    /// False where the audit has failed and nothing more is to be written.
    pub(crate) fn wrote(&self, people: usize, planned: u64) -> Result<bool> {
        self.step(people)?;
        let mut grown = self.lock();
        grown.planned += planned;
        self.changed.notify_all();
        Ok(!grown.is_given_up)
    }

    /// Waits until `wanted` mails were planned, or no more are; returns how many were, and whether that is all.
    fn wait_for(&self, wanted: u64) -> (u64, bool) {
        let mut grown = self.lock();
        while grown.planned < wanted && !grown.is_over {
            grown = self
                .changed
                .wait(grown)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        (grown.planned, grown.is_over)
    }

    fn give_up(&self) {
        let mut grown = self.lock();
        (grown.is_over, grown.is_given_up) = (true, true);
        self.changed.notify_all();
    }

    fn is_given_up(&self) -> bool {
        self.lock().is_given_up
    }
}

/// Gives up where one side ends without having said that all is well, by a panic too.
struct Ending<'a, 'b>(&'a Steps<'b>);

impl Ending<'_, '_> {
    fn well(self) {
        let mut grown = self.0.lock();
        grown.is_over = true;
        self.0.changed.notify_all();
        drop(grown);
        std::mem::forget(self);
    }
}

impl Drop for Ending<'_, '_> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// Makes and checks every planned mail of a campaign behind `after`, dated `date`, while `fill` plans them.
pub(crate) fn audit(
    engine: &Engine,
    letterhead: &Letterhead,
    (id, after): (CampaignId, MessageId),
    date: Instant,
    steps: &Steps<'_>,
    fill: impl FnOnce() -> Result<()>,
) -> Result<Audited> {
    std::thread::scope(|scope| {
        let audit = scope.spawn(|| {
            let ending = Ending(steps);
            let audited = read_and_check(engine, letterhead, (id, after), date, steps)?;
            ending.well();
            Ok(audited)
        });
        let ending = Ending(steps);
        let filled = fill();
        match filled {
            Ok(()) => ending.well(),
            Err(_) => drop(ending),
        }
        let audited = audit
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Where the ledger could not be written, that is what to say.
        filled.and(audited)
    })
}

fn read_and_check(
    engine: &Engine,
    letterhead: &Letterhead,
    (id, mut after): (CampaignId, MessageId),
    date: Instant,
    steps: &Steps<'_>,
) -> Result<Audited> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS));
    let turn = u32::try_from(threads * PER_TURN).unwrap_or(u32::MAX);
    let mut read = 0;
    let mut next = || -> Result<Vec<Letter>> {
        loop {
            let (planned, is_over) = steps.wait_for(read + u64::from(turn));
            let letters = engine.read(|conn| {
                if read == 0
                    && let Some(before) = message::before_planned(conn, id)?
                {
                    after = after.max(before);
                }
                Ok(message::planned(conn, id, after, turn)?)
            })?;
            if let Some(last) = letters.last() {
                after = last.id;
                read += letters.len() as u64;
                return Ok(letters);
            }
            if is_over {
                return Ok(letters);
            }
            // Some of them were settled meanwhile.
            read = planned;
        }
    };
    let mut audit = Audit {
        letterhead,
        date,
        look: Look::AtBytes,
        all: Part::default(),
    };
    let mut letters = next()?;
    while !letters.is_empty() && !steps.is_given_up() {
        let following = audit.turn_while(&letters, &mut next);
        steps.step(letters.len())?;
        letters = following?;
    }
    Ok(audit.all.end())
}

/// An audit at work.
struct Audit<'a> {
    letterhead: &'a Letterhead,
    date: Instant,
    /// How the next mail is looked at.
    look: Look,
    all: Part,
}

impl Audit<'_> {
    /// Audits the next mails of the ledger.
    ///
    /// The files are the same in all mails: their bytes are looked at in the first that can be made, before there are
    /// threads, so that it is the same one however many there are.
    #[cfg(test)]
    fn turn(&mut self, letters: &[Letter]) {
        self.turn_while(letters, || ());
    }

    /// As [`Self::turn`], and does something else meanwhile.
    fn turn_while<T>(&mut self, mut letters: &[Letter], meanwhile: impl FnOnce() -> T) -> T {
        while self.look == Look::AtBytes
            && let Some((first, rest)) = letters.split_first()
        {
            let mut part = Part::default();
            if part.check(self.letterhead, first, self.date, self.look) {
                self.look = Look::AtOutline;
            }
            self.all.append(part);
            letters = rest;
        }
        let (parts, done) = on_threads(self.letterhead, letters, self.date, meanwhile);
        for part in parts {
            self.all.append(part);
        }
        done
    }
}

/// Audits neighbouring mails on a thread each, while `meanwhile` runs on this one; the parts come in the order of the
/// mails.
fn on_threads<T>(
    letterhead: &Letterhead,
    letters: &[Letter],
    date: Instant,
    meanwhile: impl FnOnce() -> T,
) -> (Vec<Part>, T) {
    std::thread::scope(|scope| {
        let threads: Vec<_> = letters
            .chunks(PER_TURN)
            .map(|letters| {
                scope.spawn(move || {
                    let mut part = Part::default();
                    for letter in letters {
                        part.check(letterhead, letter, date, Look::AtOutline);
                    }
                    part
                })
            })
            .collect();
        let done = meanwhile();
        let parts = threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect();
        (parts, done)
    })
}

/// One mail as samples are chosen by it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    contact: ContactId,
    size: u32,
    /// Merge fields without a value.
    empty: u32,
}

/// What was found in some neighbouring mails.
#[derive(Debug, Default)]
struct Part {
    found: BTreeMap<(FindingLevel, String, String), (u32, Vec<ContactId>)>,
    first: Vec<Seen>,
    last: Vec<Seen>,
    longest: Option<Seen>,
    shortest: Option<Seen>,
    emptiest: Option<Seen>,
}

impl Part {
    /// Makes and checks one mail, as it would leave at `date`; tells whether there was one to look at.
    fn check(&mut self, letterhead: &Letterhead, letter: &Letter, date: Instant, look: Look) -> bool {
        let Some(person) = &letter.person else {
            return false;
        };
        let reader = Reader::new(person);
        let to = reader.addressee(letter);
        match letterhead.finish(&to, date) {
            Err(error) => {
                self.unmade(person.contact, &error);
                false
            }
            Ok(finished) => {
                self.see(Seen {
                    contact: person.contact,
                    size: u32::try_from(finished.size()).unwrap_or(u32::MAX),
                    empty: letterhead.empty_fields(&to),
                });
                for problem in letterhead.audit(&to, &finished, look) {
                    self.add(found(&problem), person.contact);
                }
                true
            }
        }
    }

    fn see(&mut self, seen: Seen) {
        if self.first.len() < ENDS {
            self.first.push(seen);
        }
        self.last.push(seen);
        if self.last.len() > ENDS {
            self.last.remove(0);
        }
        self.compare(seen, seen, Some(seen));
    }

    /// Of equals the first stays.
    fn compare(&mut self, long: Seen, short: Seen, empty: Option<Seen>) {
        if self.longest.is_none_or(|longest| long.size > longest.size) {
            self.longest = Some(long);
        }
        if self.shortest.is_none_or(|shortest| short.size < shortest.size) {
            self.shortest = Some(short);
        }
        let most = self.emptiest.map_or(0, |emptiest| emptiest.empty);
        if let Some(empty) = empty.filter(|empty| empty.empty > most) {
            self.emptiest = Some(empty);
        }
    }

    fn unmade(&mut self, contact: ContactId, error: &LetterError) {
        match error {
            LetterError::Render(RenderError::Unresolved { fields, .. }) => {
                for field in fields {
                    self.add(unresolved(field), contact);
                }
            }
            other => {
                let message = sentence(&other.without_value());
                self.add(finding(FindingLevel::Error, "render_failed", message), contact);
            }
        }
    }

    fn add(&mut self, found: Finding, contact: ContactId) {
        let (n, people) = self
            .found
            .entry((found.level, found.id, found.message))
            .or_default();
        *n += 1;
        if people.len() < EXAMPLES {
            people.push(contact);
        }
    }

    /// Adds what was found in the mails right behind these.
    fn append(&mut self, next: Part) {
        for (key, (n, people)) in next.found {
            let (all, known) = self.found.entry(key).or_default();
            *all += n;
            known.extend(people);
            known.truncate(EXAMPLES);
        }
        self.first.extend(next.first);
        self.first.truncate(ENDS);
        self.last.extend(next.last);
        self.last.drain(..self.last.len().saturating_sub(ENDS));
        if let (Some(longest), Some(shortest)) = (next.longest, next.shortest) {
            self.compare(longest, shortest, next.emptiest);
        }
    }

    fn end(self) -> Audited {
        let size_range = self
            .shortest
            .zip(self.longest)
            .map(|(shortest, longest)| [shortest.size, longest.size]);
        // Where all are alike, none is the largest; who is among the first need not be told as the last.
        let differ = size_range.is_some_and(|[least, most]| least < most);
        let is_first = |seen: &Seen| self.first.iter().any(|first| first.contact == seen.contact);
        let last: Vec<Seen> = self.last.iter().filter(|seen| !is_first(seen)).copied().collect();
        let chosen = [
            (
                SampleKind::Longest,
                self.longest.filter(|_| differ).into_iter().collect(),
            ),
            (
                SampleKind::Shortest,
                self.shortest.filter(|_| differ).into_iter().collect(),
            ),
            (SampleKind::Emptiest, self.emptiest.into_iter().collect()),
            (SampleKind::First, self.first.clone()),
            (SampleKind::Last, last),
        ];
        let mut samples: Vec<Sample> = Vec::new();
        for (kind, seen) in chosen {
            let seen: Vec<Seen> = seen;
            for seen in seen {
                match samples.iter_mut().find(|sample| sample.contact == seen.contact) {
                    Some(sample) => sample.kinds.push(kind),
                    None => samples.push(Sample {
                        contact: seen.contact,
                        label: String::new(),
                        kinds: vec![kind],
                        size: seen.size,
                        empty_fields: seen.empty,
                    }),
                }
            }
        }
        Audited {
            findings: self
                .found
                .into_iter()
                .map(|((level, id, message), (recipients, people))| Finding {
                    recipients,
                    people,
                    ..finding(level, &id, message)
                })
                .collect(),
            size_range,
            samples,
        }
    }
}

/// Returns what was kept with the people's names and addresses of now; who was erased is left out.
pub(crate) fn named(conn: &Conn, mut kept: Preflight) -> Result<Preflight> {
    kept.samples = labelled(conn, kept.samples)?;
    for found in &mut kept.findings {
        let mut people = Vec::with_capacity(found.people.len());
        found.examples.clear();
        for id in std::mem::take(&mut found.people) {
            if let Some(row) = contact::row(conn, id)? {
                people.push(id);
                found.examples.push(row.email);
            }
        }
        found.people = people;
    }
    Ok(kept)
}

fn labelled(conn: &Conn, samples: Vec<Sample>) -> Result<Vec<Sample>> {
    let mut labelled = Vec::with_capacity(samples.len());
    for sample in samples {
        if let Some(row) = contact::row(conn, sample.contact).map_err(Error::from)? {
            let name = format!("{} {}", row.first_name, row.last_name);
            labelled.push(Sample {
                label: match name.trim() {
                    "" => row.email,
                    name => isolate(name).into_owned(),
                },
                ..sample
            });
        }
    }
    Ok(labelled)
}

#[cfg(test)]
mod tests;
