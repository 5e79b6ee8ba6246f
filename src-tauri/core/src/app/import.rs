//! Files into contacts.
//!
//! A job reads rows in a stream and keeps the good ones in chunks; every row that is not taken is reported with
//! its line. What a chunk committed stays, whatever happens later.

use super::contact::list_name;
use super::engine::Engine;
use super::error::sentence;
use crate::api::{
    ActivityKind, Code, Error, ImportColumn, ImportPreview, ImportPreviewResponse, ImportProblem,
    ImportProblemKind, ImportResult, ImportRun, JobStarted, Result, Tag,
};
use crate::audience::address::address_hash;
use crate::audience::import::{self, Columns, FileError, OpenError, Table};
use crate::clock::Instant;
use crate::domain::consent::{ConsentState, ConsentWord};
use crate::domain::contact::Person;
use crate::engine::jobs::Progress;
use crate::ids::ListId;
use crate::store::activity::{self, NewActivity};
use crate::store::contact::{self, Adding};
use crate::store::{self, Conn, Priority, consent_event, list, setting};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Rows of a chunk at first; then as many as fit into [`CHUNK_MILLIS`].
const CHUNK_ROWS: usize = 500;
const CHUNK_ROWS_MOST: usize = 10_000;
const CHUNK_MILLIS: u128 = 40;
/// Text of a chunk in bytes, so that long rows do not fill the memory.
const CHUNK_BYTES: usize = 4 << 20;
const PROBLEMS: usize = 1_000;
const PREVIEW_ROWS: usize = 8;

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::field("path", sentence(&error.to_string()))
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::File(error) => error.into(),
            OpenError::Map(error) => Self::field("map", sentence(&error.to_string())),
        }
    }
}

/// Reads a file's head and guesses what each column is.
pub fn preview(_engine: &Arc<Engine>, request: ImportPreview) -> Result<ImportPreviewResponse> {
    let mut head = import::look(Path::new(&request.path), PREVIEW_ROWS)?;
    let mut total = head.passed;
    while head.table.next_row()?.is_some() {
        total = total.saturating_add(1);
    }
    let columns: Vec<ImportColumn> = head
        .table
        .headers()
        .iter()
        .zip(&head.guess)
        .map(|(name, target)| ImportColumn {
            name: name.clone(),
            field: target.as_text().to_owned(),
        })
        .collect();
    let rows = head
        .rows
        .iter()
        .map(|row| {
            (0..columns.len())
                .map(|index| shown(row.cell(index), 200))
                .collect()
        })
        .collect();
    Ok(ImportPreviewResponse {
        columns,
        rows,
        total,
        format: head.table.format(),
    })
}

/// Returns the start of a value without control characters.
fn shown(value: &str, chars: usize) -> String {
    value
        .trim()
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(chars)
        .collect()
}

/// Starts an import. A file that cannot be read at all is refused at once; its rows are judged in the job.
pub fn run(engine: &Arc<Engine>, request: ImportRun) -> Result<JobStarted> {
    let (table, columns) = import::open(Path::new(&request.path), &request.map)?;
    let list = request
        .list
        .as_deref()
        .map(list_name)
        .transpose()
        .map_err(|error| Error {
            field: Some("list".into()),
            ..error
        })?;
    let state = request.consent.unwrap_or(ConsentState::Unknown);
    let source = match request.consent_source.trim() {
        "" if state != ConsentState::Granted => shown(&format!("import {}", table.name()), 200),
        source => source.to_owned(),
    };
    let consent = ConsentWord::new(state, &source, &request.consent_wording).map_err(|error| {
        let error = Error::from(error);
        let field = error.field.as_deref().map(|field| format!("consent_{field}"));
        Error { field, ..error }
    })?;
    let rules = Arc::new(Rules {
        key: engine.read(|conn| Ok(setting::workspace_key(conn)?))?,
        at: engine.clock.now(),
        consent,
        list,
        sample: request.sample,
        effect: if request.dry_run {
            Effect::Try
        } else {
            Effect::Keep
        },
    });
    let title = match rules.effect {
        Effect::Keep => format!("Importing {}", table.name()),
        Effect::Try => format!("Checking {}", table.name()),
    };
    let job = engine.jobs.start(title, {
        let engine = engine.clone();
        move |progress| Import::new(engine, rules, table, columns).run(progress)
    });
    Ok(JobStarted { job })
}

/// Whether an import changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Keep,
    Try,
}

/// What holds for every row of an import.
struct Rules {
    key: [u8; 32],
    at: Instant,
    consent: ConsentWord,
    list: Option<String>,
    sample: bool,
    effect: Effect,
}

/// What a chunk did.
#[derive(Debug, Default)]
struct Tally {
    added: u32,
    updated: u32,
    unchanged: u32,
    /// Rows that turned out too much for the contact they belong to.
    rejected: Vec<ImportProblem>,
    list: Option<ListId>,
    millis: u128,
}

struct Import {
    engine: Arc<Engine>,
    rules: Arc<Rules>,
    table: Table,
    columns: Columns,
    /// Addresses that stood in the file, with their line.
    seen: HashMap<[u8; 16], u64>,
    chunk: Vec<(u64, Person)>,
    chunk_bytes: usize,
    chunk_rows: usize,
    result: ImportResult,
}

impl Import {
    fn new(engine: Arc<Engine>, rules: Arc<Rules>, table: Table, columns: Columns) -> Self {
        Self {
            engine,
            rules,
            table,
            columns,
            seen: HashMap::new(),
            chunk: Vec::new(),
            chunk_bytes: 0,
            chunk_rows: CHUNK_ROWS,
            result: ImportResult {
                rows: 0,
                added: 0,
                updated: 0,
                unchanged: 0,
                duplicates: 0,
                rejected: 0,
                problems: Vec::new(),
                list: None,
            },
        }
    }

    fn run(mut self, progress: &Progress) -> Result<ImportResult> {
        let outcome = self.read(progress);
        let told = if self.result.added + self.result.updated > 0 && self.rules.effect == Effect::Keep {
            self.tell()
        } else {
            Ok(())
        };
        // What ended the import comes first: on a full disk the line for the feed finds no room either.
        outcome.and(told).map_err(|error| self.say_what_stays(error))?;
        self.result.problems.sort_by_key(|problem| problem.line);
        Ok(self.result)
    }

    fn read(&mut self, progress: &Progress) -> Result<()> {
        let lines = self.table.lines();
        while let Some(row) = self.table.next_row()? {
            self.result.rows += 1;
            if u64::from(self.result.rows) > import::ROWS {
                return Err(Error::field(
                    "path",
                    format!("The file has more than {} rows; split it.", import::ROWS),
                ));
            }
            let line = match &row {
                Ok(row) => row.line,
                Err(bad) => bad.line,
            };
            match row {
                Ok(row) => match self.columns.person(&row) {
                    Ok(person) => self.take(line, person),
                    Err(rejected) => self.problem(ImportProblem {
                        line,
                        kind: ImportProblemKind::Rejected,
                        column: rejected.column,
                        message: sentence(&rejected.message),
                        value: shown(&rejected.value, 80),
                    }),
                },
                Err(bad) => self.problem(ImportProblem {
                    line,
                    kind: ImportProblemKind::Rejected,
                    column: String::new(),
                    message: sentence(&bad.problem.to_string()),
                    value: shown(&bad.start, 80),
                }),
            }
            if self.chunk.len() >= self.chunk_rows || self.chunk_bytes >= CHUNK_BYTES {
                self.keep()?;
                progress.step(line, Some(lines.max(line)))?;
            }
        }
        self.keep()?;
        progress.step(lines, Some(lines))
    }

    /// Puts a good row into the chunk unless its address stood in the file before.
    fn take(&mut self, line: u64, person: Person) {
        let hash = address_hash(&self.rules.key, &person.email.key());
        if let Some(before) = self.seen.get(&hash) {
            let problem = ImportProblem {
                line,
                kind: ImportProblemKind::Duplicate,
                column: String::new(),
                message: format!("This address stands on line {before} already; that row was taken."),
                value: shown(person.email.as_str(), 80),
            };
            return self.problem(problem);
        }
        self.seen.insert(hash, line);
        self.chunk_bytes += person.fields.values().map(String::len).sum::<usize>();
        self.chunk.push((line, person));
    }

    fn problem(&mut self, problem: ImportProblem) {
        match problem.kind {
            ImportProblemKind::Duplicate => self.result.duplicates += 1,
            ImportProblemKind::Rejected => self.result.rejected += 1,
        }
        if self.result.problems.len() < PROBLEMS {
            self.result.problems.push(problem);
        }
    }

    /// Writes the chunk, or asks what writing it would do.
    fn keep(&mut self) -> Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        self.chunk_bytes = 0;
        let rules = self.rules.clone();
        let tally = match rules.effect {
            Effect::Keep => self
                .engine
                .db
                .write(Priority::Bulk, move |conn| write_chunk(conn, &rules, &chunk))?,
            Effect::Try => self.engine.read(|conn| Ok(try_chunk(conn, &rules, &chunk)?))?,
        };
        if tally.millis < CHUNK_MILLIS / 2 {
            self.chunk_rows = (self.chunk_rows * 2).min(CHUNK_ROWS_MOST);
        } else if tally.millis > CHUNK_MILLIS {
            self.chunk_rows = (self.chunk_rows / 2).max(50);
        }
        self.result.added += tally.added;
        self.result.updated += tally.updated;
        self.result.unchanged += tally.unchanged;
        self.result.list = tally.list.or(self.result.list);
        for problem in tally.rejected {
            self.problem(problem);
        }
        if self.rules.effect == Effect::Keep {
            self.engine.announce(&[Tag::Contacts, Tag::Lists]);
        }
        Ok(())
    }

    /// Adds a line to the feed.
    fn tell(&self) -> Result<()> {
        let text = format!(
            "{} was imported: {} new, {} changed, {} left out",
            self.table.name(),
            self.result.added,
            self.result.updated,
            self.result.duplicates + self.result.rejected
        );
        let at = self.engine.clock.now();
        self.engine.write(&[Tag::Activity], move |conn| {
            Ok(activity::add(
                conn,
                at,
                &NewActivity::new(ActivityKind::Contacts, text),
            )?)
        })
    }

    /// Says in an error that ends the import how many of its rows are in.
    fn say_what_stays(&self, error: Error) -> Error {
        let (added, updated) = (self.result.added, self.result.updated);
        let message = match (self.rules.effect, error.code) {
            (Effect::Try, _) => return error,
            (Effect::Keep, Code::Cancelled) => {
                format!("Cancelled. {added} new and {updated} changed contacts are in and stay.")
            }
            (Effect::Keep, _) => format!(
                "{} {added} new and {updated} changed contacts are in; the import can be run again.",
                error.message
            ),
        };
        Error { message, ..error }
    }
}

/// Adds or merges the people of a chunk.
fn write_chunk(conn: &Conn, rules: &Rules, chunk: &[(u64, Person)]) -> Result<Tally> {
    let begun = std::time::Instant::now();
    let mut tally = Tally::default();
    if let Some(name) = &rules.list
        && !chunk.is_empty()
    {
        tally.list = Some(match list::by_name(conn, name)? {
            Some(id) => id,
            None => list::add(conn, name, rules.sample, rules.at)?,
        });
    }
    let adding = Adding {
        key: &rules.key,
        at: rules.at,
        sample: rules.sample,
        consent: Some(&rules.consent),
    };
    for (line, person) in chunk {
        let id = match contact::add(conn, person, &adding)? {
            Some(id) => {
                tally.added += 1;
                id
            }
            None => match write_known(conn, rules, *line, person, &mut tally)? {
                Some(id) => id,
                None => continue,
            },
        };
        if let Some(list) = tally.list {
            list::join(conn, list, id)?;
        }
    }
    tally.millis = begun.elapsed().as_millis();
    Ok(tally)
}

/// Merges a row into the contact that has its address; `None` where that would be too much for one contact.
fn write_known(
    conn: &Conn,
    rules: &Rules,
    line: u64,
    person: &Person,
    tally: &mut Tally,
) -> store::Result<Option<crate::ids::ContactId>> {
    let Some(merge) = contact::merge(conn, person, Some(&rules.consent))? else {
        return Ok(None);
    };
    if let Some(problem) = too_many_fields(line, merge.person.as_ref()) {
        tally.rejected.push(problem);
        return Ok(None);
    }
    if let Some(merged) = &merge.person {
        contact::replace(conn, &rules.key, merge.id, merged)?;
    }
    if merge.changes_consent {
        consent_event::record(conn, merge.id, &rules.consent, rules.at)?;
    }
    if merge.person.is_some() || merge.changes_consent {
        tally.updated += 1;
    } else {
        tally.unchanged += 1;
    }
    Ok(Some(merge.id))
}

fn too_many_fields(line: u64, merged: Option<&Person>) -> Option<ImportProblem> {
    let merged = merged.filter(|person| person.fields.len() > Person::FIELDS)?;
    Some(ImportProblem {
        line,
        kind: ImportProblemKind::Rejected,
        column: String::new(),
        message: format!(
            "This contact would have {} fields with those it has already; a contact has at most {}.",
            merged.fields.len(),
            Person::FIELDS
        ),
        value: shown(merged.email.as_str(), 80),
    })
}

/// Says what [`write_chunk`] would do.
fn try_chunk(conn: &Conn, rules: &Rules, chunk: &[(u64, Person)]) -> store::Result<Tally> {
    let begun = std::time::Instant::now();
    let mut tally = Tally::default();
    if let Some(name) = &rules.list {
        tally.list = list::by_name(conn, name)?;
    }
    for (line, person) in chunk {
        match contact::merge(conn, person, Some(&rules.consent))? {
            None => tally.added += 1,
            Some(merge) => match too_many_fields(*line, merge.person.as_ref()) {
                Some(problem) => tally.rejected.push(problem),
                None if merge.person.is_some() || merge.changes_consent => tally.updated += 1,
                None => tally.unchanged += 1,
            },
        }
    }
    tally.millis = begun.elapsed().as_millis();
    Ok(tally)
}

#[cfg(test)]
mod tests;
