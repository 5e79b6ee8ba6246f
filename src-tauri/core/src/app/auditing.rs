//! The audit of a preparation: every mail is made and checked as it would leave, on all cores; and the mails that are
//! worth a look before the launch.
//!
//! Threads get neighbouring mails and their findings are put together in the order of the ledger, so that the same
//! ledger gives the same answer however many threads there were.

use super::engine::Engine;
use super::error::sentence;
use super::findings::{finding, found, unresolved};
use crate::api::{Error, Finding, FindingLevel, Result, Sample, SampleKind};
use crate::clock::Instant;
use crate::delivery::letter::{self, Addressee, LetterError, Letterhead, Look};
use crate::domain::contact::isolate;
use crate::engine::jobs::Progress;
use crate::ids::{CampaignId, ContactId, MessageId};
use crate::render::template::{Person, RenderError};
use crate::store::message::Letter;
use crate::store::{Conn, contact, message};
use std::collections::BTreeMap;

/// Addresses named with a finding.
const EXAMPLES: usize = 5;
/// Mails that a thread makes between two looks at whether the user has cancelled.
const PER_TURN: usize = 50;
/// More threads would wait for the disk.
const MOST_THREADS: usize = 16;
/// Of the first and of the last recipients.
const ENDS: usize = 5;

/// What an audit found.
#[derive(Debug, Default)]
pub(crate) struct Audited {
    pub(crate) findings: Vec<Finding>,
    /// The smallest and the largest mail, in bytes.
    pub(crate) size_range: Option<[u32; 2]>,
    /// Without labels: they are read when they are shown, so that nothing outlives an erased person.
    pub(crate) samples: Vec<Sample>,
}

/// How an audit tells how far it is.
pub(crate) struct Steps<'a> {
    pub(crate) progress: &'a Progress,
    /// Done before.
    pub(crate) done: u64,
    pub(crate) total: u64,
}

/// Makes and checks every planned mail of a campaign behind `after`, dated `date`.
pub(crate) fn audit(
    engine: &Engine,
    letterhead: &Letterhead,
    id: CampaignId,
    after: MessageId,
    date: Instant,
    steps: Steps<'_>,
) -> Result<Audited> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS));
    let turn = u32::try_from(threads * PER_TURN).unwrap_or(u32::MAX);
    let (mut after, mut done) = (after, steps.done);
    let mut all = Part::default();
    let mut look = Look::AtBytes;
    loop {
        let letters = engine.read(|conn| Ok(message::planned(conn, id, after, turn)?))?;
        let Some(last) = letters.last() else { break };
        after = last.id;
        for part in on_threads(letterhead, &letters, date, look) {
            all.append(part);
        }
        look = Look::AtOutline;
        done += letters.len() as u64;
        steps.progress.step(done.min(steps.total), Some(steps.total))?;
    }
    Ok(all.end())
}

/// Audits neighbouring mails on a thread each; the parts come in the order of the mails.
fn on_threads(letterhead: &Letterhead, letters: &[Letter], date: Instant, look: Look) -> Vec<Part> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = letters
            .chunks(PER_TURN)
            .enumerate()
            .map(|(index, letters)| {
                // The files are the same in all mails: their bytes are looked at in the first.
                let mut look = if index == 0 { look } else { Look::AtOutline };
                scope.spawn(move || {
                    let mut part = Part::default();
                    for letter in letters {
                        part.check(letterhead, letter, date, look);
                        look = Look::AtOutline;
                    }
                    part
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
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
    found: BTreeMap<(FindingLevel, String, String), (u32, Vec<String>)>,
    first: Vec<Seen>,
    last: Vec<Seen>,
    longest: Option<Seen>,
    shortest: Option<Seen>,
    emptiest: Option<Seen>,
}

impl Part {
    /// Makes and checks one mail, as it would leave at `date`.
    fn check(&mut self, letterhead: &Letterhead, letter: &Letter, date: Instant, look: Look) {
        let Some(person) = &letter.person else { return };
        let fields = letter::fields(&person.fields);
        let to = Addressee {
            person: Person {
                email: &person.email,
                first_name: &person.first_name,
                last_name: &person.last_name,
                fields: &fields,
            },
            tracking: letter.tracking,
            pixel_token: letter.pixel_token,
            preference_token: letter.preference_token,
            asks: letter.asks,
        };
        match letterhead.finish(&to, date) {
            Err(error) => self.unmade(&person.email, error),
            Ok(finished) => {
                self.see(Seen {
                    contact: person.contact,
                    size: u32::try_from(finished.size()).unwrap_or(u32::MAX),
                    empty: letterhead.empty_fields(&to),
                });
                for problem in letterhead.audit(&to, &finished, look) {
                    self.add(found(&problem), &person.email);
                }
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

    fn unmade(&mut self, email: &str, error: LetterError) {
        match error {
            LetterError::Render(RenderError::Unresolved { fields, .. }) => {
                for field in fields {
                    self.add(unresolved(&field), email);
                }
            }
            other => {
                let message = sentence(&other.to_string());
                self.add(finding(FindingLevel::Error, "render_failed", message), email);
            }
        }
    }

    fn add(&mut self, found: Finding, email: &str) {
        let (n, examples) = self
            .found
            .entry((found.level, found.id, found.message))
            .or_default();
        *n += 1;
        if examples.len() < EXAMPLES {
            examples.push(email.to_owned());
        }
    }

    /// Adds what was found in the mails right behind these.
    fn append(&mut self, next: Part) {
        for (key, (n, examples)) in next.found {
            let (all, known) = self.found.entry(key).or_default();
            *all += n;
            known.extend(examples);
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
                .map(|((level, id, message), (recipients, examples))| Finding {
                    recipients,
                    examples,
                    ..finding(level, &id, message)
                })
                .collect(),
            size_range,
            samples,
        }
    }
}

/// Returns samples with the people's names or addresses of now; who was erased is left out.
pub(crate) fn labelled(conn: &Conn, samples: Vec<Sample>) -> Result<Vec<Sample>> {
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
mod tests {
    use super::*;

    fn seen(contact: i64, size: u32, empty: u32) -> Seen {
        Seen {
            contact: ContactId(contact),
            size,
            empty,
        }
    }

    fn part(mails: &[Seen], bad: &[&str]) -> Part {
        let mut part = Part::default();
        for mail in mails {
            part.see(*mail);
        }
        for email in bad {
            part.add(unresolved("city"), email);
        }
        part
    }

    fn kinds(audited: &Audited, contact: i64) -> Vec<SampleKind> {
        let sample = audited
            .samples
            .iter()
            .find(|sample| sample.contact == ContactId(contact));
        sample.map(|sample| sample.kinds.clone()).unwrap_or_default()
    }

    #[test]
    fn parts_put_together_say_what_one_thread_would_have_said() {
        let mails: Vec<Seen> = (1..=40)
            .map(|n| seen(n, 1_000 + (n as u32 * 7) % 13, (n as u32 * 5) % 4))
            .collect();
        let bad = ["a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org", "f@x.org"];
        let whole = part(&mails, &bad).end();
        for cut in [1, 3, 20, 39] {
            let mut cut_up = part(&mails[..cut], &bad[..2]);
            cut_up.append(part(&mails[cut..], &bad[2..]));
            let cut_up = cut_up.end();
            assert_eq!(cut_up.samples, whole.samples, "cut behind {cut}");
            assert_eq!(cut_up.findings, whole.findings);
            assert_eq!(cut_up.size_range, whole.size_range);
        }
        assert_eq!(whole.findings[0].recipients, 6);
        assert_eq!(whole.findings[0].examples, bad[..5], "the first five");
    }

    #[test]
    fn a_sample_is_named_once_with_all_that_it_is() {
        let audited = part(&[seen(1, 10, 0), seen(2, 30, 2), seen(3, 20, 2)], &[]).end();
        assert_eq!(audited.samples.len(), 3);
        assert_eq!(
            kinds(&audited, 2),
            [SampleKind::Longest, SampleKind::Emptiest, SampleKind::First],
            "of two equally empty mails the first is shown"
        );
        assert_eq!(kinds(&audited, 1)[0], SampleKind::Shortest);
        assert_eq!(audited.size_range, Some([10, 30]));
        let alone = part(&[seen(1, 10, 0)], &[]).end();
        assert_eq!(
            kinds(&alone, 1),
            [SampleKind::First],
            "neither the largest of one, nor empty with nothing missing"
        );
    }

    #[test]
    fn only_the_first_and_the_last_five_are_shown_of_many() {
        let mails: Vec<Seen> = (1..=100).map(|n| seen(n, 10, 0)).collect();
        let audited = part(&mails, &[]).end();
        let contacts: Vec<i64> = audited.samples.iter().map(|sample| sample.contact.0).collect();
        assert_eq!(contacts, [1, 2, 3, 4, 5, 96, 97, 98, 99, 100]);
    }
}
