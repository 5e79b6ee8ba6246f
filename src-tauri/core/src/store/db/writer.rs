//! The writer's thread: the one connection that writes, and what it does when the disk does not.

use super::log;
use super::problem::Problem;
use super::teller::Teller;
use super::{CLASSES, Durability, Era, Kept, Piece, Ran, Run, Shared, configure, follow_people};
use crate::store::spool::{self, Spool};
use crate::store::{Error, Result, counter};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Pieces taken into one commit, by class.
const TAKE: [usize; CLASSES] = [1024, 1024, 256, 64, 1];
/// No commit takes on further pieces after this long.
const BATCH: Duration = Duration::from_millis(50);
/// Spooled records that one commit replays.
const REPLAY: usize = 256;
/// How long the database is left alone after it failed, while only what can be spooled waits.
const REST: Duration = Duration::from_millis(500);
/// So often in a row may another process hold the lock before the window is told.
const BUSY: u32 = 3;

/// The writer.
pub(super) struct Writer {
    path: PathBuf,
    durability: Durability,
    /// `None` after an error that leaves the file's pages in doubt: it is opened anew then.
    conn: Option<Connection>,
    shared: Arc<Shared>,
    spool: Option<Spool>,
    /// The last number that was given to a transaction. One that failed keeps its own.
    transaction: u64,
    rest_until: Option<Instant>,
    busy: u32,
    /// The file has to be looked through before it is written again.
    doubted: bool,
    teller: Teller,
}

impl Writer {
    pub fn new(
        path: &Path,
        durability: Durability,
        conn: Connection,
        shared: Arc<Shared>,
        spool: Option<Spool>,
        transaction: u64,
    ) -> Self {
        let transaction = transaction.max(spool.as_ref().map_or(0, Spool::last_transaction));
        let writer = Self {
            path: path.to_owned(),
            durability,
            conn: Some(conn),
            shared,
            spool,
            transaction,
            rest_until: None,
            busy: 0,
            doubted: false,
            teller: Teller::start(),
        };
        writer.note_spooled();
        writer
    }

    /// Writes until the queue is closed and empty.
    pub fn work(mut self) {
        while self.wait() {
            self.make_spool();
            if self.rests() {
                self.divert();
            } else {
                self.commit();
            }
        }
    }

    /// Waits for something to do; false at the end.
    fn wait(&self) -> bool {
        let mut queue = self.shared.lock();
        loop {
            if queue.waiting.iter().any(|class| !class.is_empty()) || !queue.make_spool.is_empty() {
                return true;
            }
            if queue.closed {
                return false;
            }
            queue = if self.can_replay() {
                let left = self.rest_until.map_or(Duration::ZERO, |until| {
                    until.saturating_duration_since(Instant::now())
                });
                if left.is_zero() {
                    return true;
                }
                let woken = self.shared.arrived.wait_timeout(queue, left);
                woken.unwrap_or_else(|poisoned| poisoned.into_inner()).0
            } else {
                let woken = self.shared.arrived.wait(queue);
                woken.unwrap_or_else(|poisoned| poisoned.into_inner())
            };
        }
    }

    fn can_replay(&self) -> bool {
        self.spool
            .as_ref()
            .is_some_and(|spool| !spool.waiting().is_empty())
            && self
                .shared
                .replay
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .is_some()
    }

    /// Tells whether the database failed a moment ago and nobody waits who needs it.
    fn rests(&self) -> bool {
        self.rest_until.is_some_and(|until| Instant::now() < until)
            && self
                .shared
                .lock()
                .waiting
                .iter()
                .flatten()
                .all(|piece| piece.record.is_some())
    }

    fn make_spool(&mut self) {
        let wanted = std::mem::take(&mut self.shared.lock().make_spool);
        if wanted.is_empty() {
            return;
        }
        if self.spool.is_none() {
            let path = self.path.with_file_name("spool");
            let free = spool::free_space(path.parent().unwrap_or(Path::new(".")));
            let applied = self
                .conn
                .as_ref()
                .and_then(|conn| counter::get(conn, counter::REPLAYED).ok());
            match applied.map(|applied| Spool::create(&path, free, applied)) {
                Some(Ok(Some(spool))) => self.spool = Some(spool),
                Some(Ok(None)) | None => {
                    tracing::warn!("there is no room for a spool: hits are refused while the disk is full");
                }
                Some(Err(error)) => tracing::warn!(%error, "a spool could not be made"),
            }
        }
        for waiting in wanted {
            // Whoever waited may have given up.
            let _ = waiting.send(());
        }
    }

    /// Returns the connection, opened anew where the last one failed.
    fn open(&mut self) -> std::result::Result<(), Problem> {
        if self.conn.is_some() {
            return Ok(());
        }
        let open = || -> Result<Connection> {
            // Not made anew where it is gone: an empty database is not the one that was lost.
            let conn = Connection::open_with_flags(
                &self.path,
                rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?;
            configure(&conn, &self.path, self.durability)?;
            follow_people(&conn, &self.shared.people)?;
            conn.execute_batch("PRAGMA foreign_keys = ON")?;
            if self.doubted {
                let said: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
                if said != "ok" {
                    return Err(Error::Damaged {
                        path: self.path.display().to_string(),
                        detail: said,
                    });
                }
            }
            Ok(conn)
        };
        let conn = open().map_err(|error| {
            Problem::of(&error).unwrap_or_else(|| Problem {
                code: Some(ErrorCode::DatabaseCorrupt),
                text: error.to_string(),
            })
        })?;
        tracing::info!("the database was opened anew");
        self.shared.era.end();
        self.conn = Some(conn);
        self.doubted = false;
        Ok(())
    }

    /// Takes pieces, runs them, commits, and only then tells their owners.
    fn commit(&mut self) {
        let begun = self.open().and_then(|()| {
            let conn = self.conn.as_ref().ok_or_else(Problem::closed)?;
            conn.execute_batch("BEGIN IMMEDIATE").map_err(Problem::from)
        });
        if let Err(problem) = begun {
            return self.not_begun(problem);
        }
        self.transaction += 1;
        let mut taken: Vec<(Taken, Ran)> = Vec::new();
        let outcome = self.fill(&mut taken);
        let outcome = outcome.and_then(|replayed| {
            let conn = self.conn.as_ref().ok_or_else(Problem::closed)?;
            if replayed.is_none() && !taken.iter().any(|(_, ran)| matches!(ran, Ran::Done)) {
                // Everything was rolled back already: nothing is written, not even the number.
                conn.execute_batch("ROLLBACK").map_err(Problem::from)?;
                return Ok(None);
            }
            counter::set(conn, counter::TRANSACTION, self.transaction)
                .map_err(|error| Problem::of(&error).unwrap_or_else(Problem::closed))?;
            conn.execute_batch("COMMIT").map_err(Problem::from)?;
            Ok(replayed)
        });
        match outcome {
            Ok(replayed) => {
                self.succeeded(replayed);
                let told = taken.into_iter().map(|(piece, ran)| {
                    let told = match ran {
                        Ran::Done => Ok(Kept::Committed),
                        Ran::Failed | Ran::Storage(_) => Err(Error::Panicked),
                    };
                    (piece.done, told)
                });
                self.teller.tell(told.collect());
                self.checkpoint();
            }
            Err(problem) => {
                tracing::error!(
                    problem = problem.text,
                    "a commit failed; its writes are rolled back"
                );
                if let Some(conn) = &self.conn
                    && !conn.is_autocommit()
                    && conn.execute_batch("ROLLBACK").is_err()
                {
                    tracing::error!("a rollback failed; the next write begins anew");
                }
                let pieces = taken.into_iter().map(|(piece, _)| piece).collect();
                self.failed(&problem, pieces, self.transaction);
            }
        }
    }

    /// Replays what was spooled, and runs the pieces of one commit. Returns the last record that was replayed.
    fn fill(&mut self, taken: &mut Vec<(Taken, Ran)>) -> std::result::Result<Option<u64>, Problem> {
        let replayed = self.replay()?;
        let start = Instant::now();
        let is_over = || start.elapsed() > BATCH;
        for (class, limit) in TAKE.iter().enumerate() {
            let mut waiting = take(&self.shared, class, *limit);
            let conn = self.conn.as_ref().ok_or_else(Problem::closed)?;
            let mut stop = None;
            while stop.is_none() && !waiting.is_empty() && (taken.is_empty() || !is_over()) {
                let before = taken.len();
                let left = run_group(conn, &self.shared.era, group(&mut waiting), taken, &is_over);
                left.into_iter().rev().for_each(|piece| waiting.push_front(piece));
                stop = taken[before..].iter().find_map(|(_, ran)| match ran {
                    Ran::Storage(problem) => Some(problem.clone()),
                    _ => None,
                });
                if stop.is_none() && conn.is_autocommit() {
                    // After some failures SQLite has rolled back the whole transaction by itself.
                    stop = Some(Problem::rolled_back());
                }
            }
            put_back(&self.shared, class, waiting);
            if let Some(problem) = stop {
                return Err(problem);
            }
        }
        Ok(replayed)
    }

    fn replay(&mut self) -> std::result::Result<Option<u64>, Problem> {
        let (Some(spool), Some(conn)) = (&mut self.spool, &self.conn) else {
            return Ok(None);
        };
        if spool.waiting().is_empty() {
            return Ok(None);
        }
        let replay = self
            .shared
            .replay
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(replay) = replay.as_ref() else {
            return Ok(None);
        };
        let storage = |error: &Error| Problem::of(error).unwrap_or_else(Problem::closed);
        let there = counter::get(conn, counter::TRANSACTION).map_err(|error| storage(&error))?;
        if let Err(error) = spool.leave_out(there) {
            // Noted in memory all the same; and after a crash the same number is found again.
            tracing::warn!(%error, "the spool could not be written");
        }
        // A transaction that failed, and is there all the same, may have replayed some of them already.
        let applied = counter::get(conn, counter::REPLAYED).map_err(|error| storage(&error))?;
        self.shared.era.end();
        let mut last = None;
        for record in spool.waiting().iter().take(REPLAY) {
            last = Some(record.sequence);
            if record.left_out || record.sequence <= applied {
                continue;
            }
            let payload = &record.payload;
            let applied = apart(conn, &self.shared.era, || match replay(conn, payload) {
                Ok(()) => Ran::Done,
                Err(error) => Problem::of(&error).map_or_else(
                    || {
                        tracing::error!(%error, "a spooled record could not be applied and is passed over");
                        Ran::Failed
                    },
                    Ran::Storage,
                ),
            });
            if let Ran::Storage(problem) = applied {
                return Err(problem);
            }
        }
        if let Some(last) = last {
            counter::set(conn, counter::REPLAYED, last.max(applied)).map_err(|error| storage(&error))?;
        }
        Ok(last)
    }

    fn succeeded(&mut self, replayed: Option<u64>) {
        self.rest_until = None;
        self.busy = 0;
        *self
            .shared
            .problem
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
        if let (Some(spool), Some(last)) = (&mut self.spool, replayed) {
            if let Err(error) = spool.applied(last) {
                tracing::warn!(%error, "the spool could not be emptied");
            }
            self.note_spooled();
        }
    }

    /// Moves the log into the file once it is long.
    fn checkpoint(&mut self) {
        let Some(conn) = self.conn.as_ref().filter(|_| log::is_long()) else {
            return;
        };
        if let Err(error) = log::shorten(conn) {
            let problem = Problem::from(error);
            tracing::error!(problem = problem.text, "the log could not be moved into the file");
            self.failed(&problem, Vec::new(), self.transaction);
        }
    }

    /// Another process holds the lock, or the file cannot be used at all.
    fn not_begun(&mut self, problem: Problem) {
        let is_busy = problem.code == Some(ErrorCode::DatabaseBusy);
        self.busy = if is_busy { self.busy + 1 } else { 0 };
        // The window's own writes wait a little longer for the lock than readers can.
        let wait = is_busy && self.busy < BUSY;
        let pieces = self.take_all(wait);
        let next = self.transaction + 1;
        self.failed(&problem, pieces, next);
    }

    /// Keeps what can be kept while the database is left alone.
    fn divert(&mut self) {
        let pieces = self.take_all(true);
        let problem = self
            .shared
            .problem
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
            .unwrap_or_else(Problem::closed);
        let next = self.transaction + 1;
        self.keep(&problem, pieces, next);
    }

    fn take_all(&self, only_to_be_kept: bool) -> Vec<Taken> {
        let mut queue = self.shared.lock();
        let mut pieces = Vec::new();
        for (class, limit) in queue.waiting.iter_mut().zip(TAKE) {
            let all: VecDeque<Piece> = std::mem::take(class);
            for piece in all {
                if pieces.len() < limit && (piece.record.is_some() || !only_to_be_kept) {
                    pieces.push(Taken::split(piece).1);
                } else {
                    class.push_back(piece);
                }
            }
        }
        drop(queue);
        self.shared.left.notify_all();
        pieces
    }

    /// Notes a failure, and keeps what can be kept.
    fn failed(&mut self, problem: &Problem, pieces: Vec<Taken>, transaction: u64) {
        self.shared.era.end();
        self.rest_until = Some(Instant::now() + REST);
        *self
            .shared
            .problem
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(problem.clone());
        if problem.leaves_pages_in_doubt() {
            // An fsync that failed must not be tried again: the system may have dropped the pages, and say yes. So
            // the files are let go of, by readers too, and without the checkpoint that closing makes.
            if let Some(conn) = self.conn.take()
                && let Err(error) = conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            {
                tracing::warn!(%error, "a connection that failed may flush once more as it closes");
            }
            self.shared
                .readers
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .clear();
            self.doubted |= matches!(
                problem.code,
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            );
        }
        self.keep(problem, pieces, transaction);
    }

    fn keep(&mut self, problem: &Problem, pieces: Vec<Taken>, transaction: u64) {
        let (mut records, mut owners, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for piece in pieces {
            match piece.record {
                Some(record) => {
                    records.push(record());
                    owners.push(piece.done);
                }
                None => told.push((piece.done, Err(problem.error()))),
            }
        }
        if owners.is_empty() {
            return self.teller.tell(told);
        }
        // The number is used up: the records carry it, and no other transaction may.
        self.transaction = self.transaction.max(transaction);
        let kept = match &mut self.spool {
            Some(spool) => spool.append(transaction, &records).map_err(|error| {
                tracing::error!(%error, "the spool cannot take more");
            }),
            None => Err(()),
        };
        self.note_spooled();
        told.extend(owners.into_iter().map(|done| {
            let kept = kept.map(|()| Kept::Spooled).map_err(|()| problem.error());
            (done, kept)
        }));
        self.teller.tell(told);
    }

    fn note_spooled(&self) {
        let n = self.spool.as_ref().map_or(0, |spool| spool.waiting().len());
        self.shared.spooled.store(n, Ordering::Relaxed);
    }
}

/// A piece that has run, or will not.
struct Taken {
    done: super::Done,
    record: Option<Box<dyn FnOnce() -> Vec<u8> + Send>>,
}

impl Taken {
    fn split(piece: Piece) -> (Run, Self) {
        let Piece {
            run, done, record, ..
        } = piece;
        (run, Self { done, record })
    }
}

fn take(shared: &Shared, class: usize, limit: usize) -> VecDeque<Piece> {
    let mut queue = shared.lock();
    let waiting = &mut queue.waiting[class];
    let taken: VecDeque<Piece> = if waiting.len() <= limit {
        std::mem::take(waiting)
    } else {
        waiting.drain(..limit).collect()
    };
    drop(queue);
    if !taken.is_empty() {
        shared.left.notify_all();
    }
    taken
}

/// Gives back what the commit has no time for, in front of what came since.
fn put_back(shared: &Shared, class: usize, mut pieces: VecDeque<Piece>) {
    if pieces.is_empty() {
        return;
    }
    let mut queue = shared.lock();
    pieces.append(&mut queue.waiting[class]);
    queue.waiting[class] = pieces;
}

/// Takes the next piece, and with one that can be run again all of its kind that follow.
fn group(waiting: &mut VecDeque<Piece>) -> VecDeque<Piece> {
    let again = waiting
        .iter()
        .take_while(|piece| matches!(piece.run, Run::Again(_)))
        .count();
    waiting.drain(..again.max(1)).collect()
}

/// Runs a group in one savepoint; where one of it fails, each in a savepoint of its own, so that its failure takes
/// nothing else along. Returns what there was no time for.
fn run_group(
    conn: &Connection,
    era: &Era,
    mut group: VecDeque<Piece>,
    taken: &mut Vec<(Taken, Ran)>,
    is_over: &dyn Fn() -> bool,
) -> VecDeque<Piece> {
    if group.iter().any(|piece| piece.ends_era) {
        era.end();
    }
    if group.len() > 1 {
        let mut done = 0;
        let ran = apart(conn, era, || {
            for piece in &mut group {
                if done > 0 && is_over() {
                    break;
                }
                let Run::Again(run) = &mut piece.run else {
                    return Ran::Failed;
                };
                match run(conn) {
                    Ran::Done => done += 1,
                    failed => return failed,
                }
            }
            Ran::Done
        });
        if matches!(ran, Ran::Done) {
            let left = group.split_off(done);
            taken.extend(group.into_iter().map(|piece| (Taken::split(piece).1, Ran::Done)));
            return left;
        }
    }
    while let Some(piece) = group.pop_front() {
        let (run, piece) = Taken::split(piece);
        let ran = apart(conn, era, || match run {
            Run::Once(run) => run(conn),
            Run::Again(mut run) => run(conn),
        });
        let is_storage = matches!(ran, Ran::Storage(_));
        taken.push((piece, ran));
        if is_storage || is_over() {
            break;
        }
    }
    group
}

fn apart(conn: &Connection, era: &Era, work: impl FnOnce() -> Ran) -> Ran {
    let say = |sql: &str| {
        conn.prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
    };
    if let Err(error) = say("SAVEPOINT piece") {
        return Ran::Storage(error.into());
    }
    let ran = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        tracing::error!("a write panicked and was rolled back");
        Ran::Failed
    });
    if !matches!(ran, Ran::Done) {
        era.end();
    }
    let ended = match ran {
        Ran::Done => say("RELEASE piece"),
        _ => say("ROLLBACK TO piece").and_then(|_| say("RELEASE piece")),
    };
    match (ended, ran) {
        (Ok(_), ran) | (Err(_), ran @ Ran::Storage(_)) => ran,
        (Err(error), _) => Ran::Storage(error.into()),
    }
}
