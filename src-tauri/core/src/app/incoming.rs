//! What comes back by mail, from files that the user brings: read in a job, and answered row by row.
//!
//! Nobody checks who wrote such a mail. So a bounce counts only for a mail or a person of this workspace, and a wish to
//! unsubscribe only with the token of a mail of ours, whoever sends it.

use super::engine::Engine;
use super::mail_file;
use crate::api::{
    ActivityKind, Error, IncomingKind, IncomingResult, IncomingRun, JobStarted, PastedKind, Result, Tag,
};
use crate::clock::Instant;
use crate::domain::contact::EmailAddress;
use crate::engine::jobs::Progress;
use crate::incoming::{self, Bounce, Found, mbox, pasted};
use crate::store::activity::{self, NewActivity};
use crate::store::incoming as ledger;
use crate::store::{Priority, setting};
use desk::{Desk, Memory};
use named::{Kept, Named};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

/// Files of one run, at most.
const MAX_FILES: usize = 100;
/// Largest file, in bytes.
const MAX_FILE: u64 = 128 << 20;
/// Answers that one commit may hold.
const CHUNK: usize = 100;
/// Answers that are returned; the others are counted.
const ROWS: usize = 1_000;

/// What its jobs are called: those that read, and those that act.
const TITLES: [&str; 2] = ["Reading what came back", "Doing what came back asks for"];

/// Starts a run. Files that cannot be read at all are refused at once; what stands in them is answered in the job.
pub fn run(engine: &Arc<Engine>, request: IncomingRun) -> Result<JobStarted> {
    if request.paths.len() > MAX_FILES {
        return Err(Error::field(
            "paths",
            format!(
                "{} files at once are too many; take at most {MAX_FILES}.",
                request.paths.len()
            ),
        ));
    }
    if request.text.len() > pasted::MAX_TEXT {
        return Err(Error::field(
            "text",
            "The text is larger than 5 MiB. Paste it in parts.",
        ));
    }
    if request.paths.is_empty() && request.text.trim().is_empty() {
        return Err(Error::invalid("Bring a file with mails, or paste addresses."));
    }
    let mut files = Vec::new();
    for path in &request.paths {
        files.push(open(Path::new(path))?);
    }
    let [reading, doing] = TITLES;
    let title = if request.dry_run { reading } else { doing };
    let job = engine.jobs.start(title.to_owned(), {
        let engine = engine.clone();
        move |progress| Run::new(engine, request)?.whole(files, progress)
    });
    Ok(JobStarted { job })
}

/// Forgets the answers of runs that have ended, for they name people, and somebody was erased. The numbers stay.
pub(super) fn forget_rows(engine: &Engine) {
    engine.jobs.amend(|job| {
        if TITLES.contains(&job.title.as_str())
            && let Some(rows) = job.result.get_mut("rows")
        {
            *rows = serde_json::Value::Array(Vec::new());
        }
    });
}

/// A file to be read.
struct Opened {
    name: String,
    file: File,
    is_mailbox: bool,
}

fn open(path: &Path) -> Result<Opened> {
    // Apple Mail exports a mailbox as a folder with a file of this name.
    let inside = path.join("mbox");
    let mut file = mail_file::open(if inside.is_file() { &inside } else { path }, "paths", MAX_FILE)?;
    let mut start = Vec::new();
    file.by_ref()
        .take(5)
        .read_to_end(&mut start)
        .and_then(|_| file.rewind())
        .map_err(|error| mail_file::unreadable(path, "paths", &error))?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Ok(Opened {
        name: name
            .chars()
            .filter(|letter| !letter.is_control())
            .take(120)
            .collect(),
        is_mailbox: mbox::is_mailbox(&start),
        file,
    })
}

/// Something that was read, and where.
#[derive(Debug, Clone)]
struct Item {
    place: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Line(std::result::Result<EmailAddress, String>),
    Mail(Found),
}

/// What holds for every row of a run.
#[derive(Clone)]
struct Rules {
    key: [u8; 32],
    at: Instant,
    text_is: PastedKind,
    only_unsubscribes: bool,
    dry_run: bool,
}

struct Run {
    engine: Arc<Engine>,
    rules: Rules,
    text: String,
    memory: Memory,
    kept: Kept,
    chunk: Vec<Item>,
    result: IncomingResult,
}

impl Run {
    fn new(engine: Arc<Engine>, request: IncomingRun) -> Result<Self> {
        let rules = Rules {
            key: engine.read(|conn| Ok(setting::workspace_key(conn)?))?,
            at: engine.clock.now(),
            text_is: request.text_is,
            only_unsubscribes: request.only_unsubscribes,
            dry_run: request.dry_run,
        };
        Ok(Self {
            result: IncomingResult {
                read: 0,
                counts: BTreeMap::new(),
                addresses: 0,
                rows: Vec::new(),
                dry_run: rules.dry_run,
            },
            engine,
            rules,
            text: request.text,
            memory: Memory::default(),
            kept: Kept::default(),
            chunk: Vec::new(),
        })
    }

    fn whole(mut self, files: Vec<Opened>, progress: &Progress) -> Result<IncomingResult> {
        let text = std::mem::take(&mut self.text);
        for line in pasted::read(&text) {
            self.take(
                format!("line {}", line.number),
                vec![What::Line(line.address)],
                progress,
            )?;
        }
        for opened in files {
            self.file(opened, progress)?;
        }
        self.keep(progress)?;
        if !self.rules.dry_run {
            self.tell()?;
        }
        Ok(self.result)
    }

    fn file(&mut self, opened: Opened, progress: &Progress) -> Result<()> {
        let Opened {
            name,
            file,
            is_mailbox,
        } = opened;
        let failed = |error: std::io::Error| {
            Error::field(
                "paths",
                format!("{name} can no longer be read: {error}. Run it again."),
            )
        };
        // What grows while it is read is not read for ever.
        let reader = BufReader::new(file.take(MAX_FILE));
        if !is_mailbox {
            let mut bytes = Vec::new();
            let mut reader = reader.take(incoming::MAX_MAIL as u64 + 1);
            reader.read_to_end(&mut bytes).map_err(failed)?;
            return self.mail(name, &bytes, progress);
        }
        for (index, mail) in mbox::mails(reader).enumerate() {
            if index >= mbox::MAX_MAILS {
                let why = "The mailbox holds more than 50,000 mails; the others were not read. Split it.";
                let rest = vec![What::Mail(Found::NotUnderstood(why))];
                return self.take(format!("{name}, mail {}", index + 1), rest, progress);
            }
            let bytes = mail.map_err(failed)?;
            self.mail(format!("{name}, mail {}", index + 1), &bytes, progress)?;
        }
        Ok(())
    }

    fn mail(&mut self, place: String, bytes: &[u8], progress: &Progress) -> Result<()> {
        let found = incoming::read(bytes).into_iter().map(What::Mail).collect();
        self.take(place, found, progress)
    }

    fn take(&mut self, place: String, found: Vec<What>, progress: &Progress) -> Result<()> {
        self.result.read += 1;
        for what in found {
            self.chunk.push(Item {
                place: place.clone(),
                what,
            });
            if self.chunk.len() >= CHUNK {
                self.keep(progress)?;
            }
        }
        Ok(())
    }

    /// Answers what was gathered, in one commit.
    fn keep(&mut self, progress: &Progress) -> Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        let rules = self.rules.clone();
        let mut desk = Desk {
            rules: self.rules.clone(),
            named: self.named(&chunk)?,
            memory: std::mem::take(&mut self.memory),
        };
        let (rows, desk) = if rules.dry_run {
            self.engine.read(|conn| {
                let rows = desk.all(conn, &chunk)?;
                Ok((rows, desk))
            })?
        } else {
            self.engine.db.write(Priority::Bulk, move |conn| -> Result<_> {
                let rows = desk.all(conn, &chunk)?;
                Ok((rows, desk))
            })?
        };
        self.memory = desk.memory;
        self.result.addresses = self.memory.stopped;
        for row in rows {
            *self.result.counts.entry(row.kind).or_default() += 1;
            if self.result.rows.len() < ROWS {
                self.result.rows.push(row);
            }
        }
        if !rules.dry_run {
            self.engine
                .announce(&[Tag::Contacts, Tag::Opens, Tag::Campaigns, Tag::Activity]);
        }
        progress.step(u64::from(self.result.read), None)
    }

    /// Finds the mails that are named without a token, outside of any commit.
    fn named(&mut self, chunk: &[Item]) -> Result<Named> {
        let mut wanted: BTreeMap<i64, BTreeSet<u128>> = BTreeMap::new();
        for item in chunk {
            if let What::Mail(Found::Bounce(Bounce { original, .. }) | Found::Complaint { original, .. }) =
                &item.what
                && original.tokens.is_empty()
            {
                for (campaign, hash) in &original.ids {
                    wanted.entry(*campaign).or_default().insert(*hash);
                }
            }
        }
        let engine = &self.engine;
        self.kept.find(&wanted, |campaign| {
            engine.read(|conn| Ok(ledger::by_message_id(conn, campaign)?))
        })
    }

    /// Adds a line to the feed.
    fn tell(&self) -> Result<()> {
        use IncomingKind::{Bounced, Complained, Unsubscribed};
        let parts: Vec<String> = [
            (Bounced, "bounced"),
            (Unsubscribed, "unsubscribed"),
            (Complained, "reported a mail as unwanted"),
        ]
        .into_iter()
        .filter_map(|(kind, words)| self.result.counts.get(&kind).map(|n| format!("{n} {words}")))
        .collect();
        if parts.is_empty() {
            return Ok(());
        }
        let text = format!("What came back was read: {}", parts.join(", "));
        let at = self.rules.at;
        self.engine.write(&[Tag::Activity], move |conn| {
            let line = NewActivity::new(ActivityKind::Contacts, text);
            Ok(activity::add(conn, at, &line)?)
        })
    }
}

mod desk;
mod named;
#[cfg(test)]
mod tests;
