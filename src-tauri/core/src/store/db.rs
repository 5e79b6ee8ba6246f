//! Opens the database; one writing connection behind one fair queue, a few readers.
//!
//! Writers queue by [`Priority`]. One thread drains what waits, runs each piece in its own savepoint and
//! commits all of them at once, so that many small writes share one fsync and nobody is told "done" before
//! the commit. A piece that fails is rolled back alone.

use super::{Error, Result, migrate};
use crate::clock::Clock;
use rusqlite::{Connection, OpenFlags};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A connection inside a transaction, as store functions take it.
pub type Conn = Connection;

/// Who goes first. Every class gets its turn in every commit; the order decides who waits when time is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Opt-outs and hits: a reader waits for the answer.
    Hits,
    /// The ledger.
    Sending,
    /// The user waits.
    Window,
    /// Import, prepare, erase: in chunks of at most 50 ms.
    Bulk,
}

const CLASSES: usize = 4;
/// Pieces taken into one commit, by class.
const TAKE: [usize; CLASSES] = [1024, 256, 64, 1];
/// No commit takes on further pieces after this long.
const BATCH: Duration = Duration::from_millis(50);
/// Pieces that may wait in one class; beyond it writers wait before they queue.
const QUEUED: usize = 4096;
/// WAL-reset corruption is possible before this version (https://sqlite.org/wal.html#walresetbug).
const OLDEST_SQLITE: i32 = 3_051_003;

type Run = Box<dyn FnOnce(&Conn) -> std::result::Result<(), ()> + Send>;
type Done = Box<dyn FnOnce(Result<()>) + Send>;

struct Piece {
    run: Run,
    done: Done,
}

#[derive(Default)]
struct Queue {
    waiting: [VecDeque<Piece>; CLASSES],
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    left: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The workspace's database.
pub struct Db {
    path: PathBuf,
    shared: Arc<Shared>,
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Db {
    /// Opens the database at `path`, made where it is missing, and brings it up to date.
    ///
    /// Backups before a migration go into `backups`. Fails with a sentence where the file is newer than this
    /// build, damaged, or cannot be written.
    pub fn open(path: &Path, backups: &Path, clock: &dyn Clock) -> Result<Self> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Error::Value(format!(
                "SQLite {} is too old; 3.51.3 is needed",
                rusqlite::version()
            )));
        }
        let mut conn = Connection::open(path)?;
        configure(&conn, path)?;
        migrate::migrate(&mut conn, path, backups, clock.now())?;
        conn.execute_batch("PRAGMA foreign_keys = ON")?;
        let shared = Arc::<Shared>::default();
        let writer = std::thread::Builder::new()
            .name("casement-writer".into())
            .spawn({
                let shared = shared.clone();
                move || work(&mut conn, &shared)
            })
            .map_err(|source| Error::Io {
                path: path.display().to_string(),
                source,
            })?;
        Ok(Self {
            path: path.to_owned(),
            shared,
            readers: Mutex::default(),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Runs `read` in a read transaction on a connection of its own; it cannot write.
    pub fn read<T, E: From<Error>>(
        &self,
        read: impl FnOnce(&Conn) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let pooled = self
            .readers
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .pop();
        let conn = match pooled {
            Some(conn) => conn,
            None => self.reader()?,
        };
        conn.execute_batch("BEGIN DEFERRED").map_err(Error::from)?;
        let result = read(&conn);
        // A connection that cannot end its transaction is dropped, not pooled.
        if conn.execute_batch("ROLLBACK").is_ok() {
            let mut readers = self
                .readers
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            if readers.len() < 4 {
                readers.push(conn);
            }
        }
        result
    }

    fn reader(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.path, flags)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        conn.set_prepared_statement_cache_capacity(128);
        Ok(conn)
    }

    /// Runs `write` in the next commit and waits until it is on disk.
    ///
    /// An error that `write` returns rolls back what it did, and nothing else. It must be quick: 50 ms.
    pub fn write<T, E>(
        &self,
        priority: Priority,
        write: impl FnOnce(&Conn) -> std::result::Result<T, E> + Send + 'static,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(priority, write, move |result| {
            // The waiter may be gone after a panic; the commit stands all the same.
            let _ = sender.send(result);
        });
        receiver.recv().unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// Queues `write` and returns; `done` is called on the writer's thread after the commit.
    ///
    /// Waits while too many pieces of the class are queued already.
    pub fn submit<T, E>(
        &self,
        priority: Priority,
        write: impl FnOnce(&Conn) -> std::result::Result<T, E> + Send + 'static,
        done: impl FnOnce(std::result::Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let slot = Arc::new(Mutex::new(None));
        let run: Run = {
            let slot = slot.clone();
            Box::new(move |conn| {
                let result = write(conn);
                let outcome = if result.is_ok() { Ok(()) } else { Err(()) };
                *slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(result);
                outcome
            })
        };
        let done: Done = Box::new(move |committed| {
            let result = slot
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .take();
            done(match (committed, result) {
                (Ok(()), Some(result)) | (Err(_), Some(result @ Err(_))) => result,
                (Err(error), _) => Err(error.into()),
                (Ok(()), None) => Err(Error::Panicked.into()),
            });
        });
        let class = priority as usize;
        let mut queue = self.shared.lock();
        while queue.waiting[class].len() >= QUEUED && !queue.closed {
            queue = self
                .shared
                .left
                .wait(queue)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        if queue.closed {
            drop(queue);
            return done(Err(Error::Closed));
        }
        queue.waiting[class].push_back(Piece { run, done });
        drop(queue);
        self.shared.arrived.notify_one();
    }

    /// Returns how many pieces of `priority` wait.
    pub fn waiting(&self, priority: Priority) -> usize {
        self.shared.lock().waiting[priority as usize].len()
    }

    /// Moves what was committed out of the write-ahead log and empties it, so that erased rows are in no file.
    ///
    /// Waits for readers up to five seconds; whatever they still hold is moved by the next checkpoint.
    pub fn checkpoint(&self) -> Result<()> {
        // Its own connection: the writer's is inside a transaction whenever a piece runs.
        let conn = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 {
            tracing::warn!("a checkpoint had to leave the end of the log to the next one");
        }
        Ok(())
    }

    /// Returns the database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what is queued, closes the file and ends the writer.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.arrived.notify_all();
        self.shared.left.notify_all();
        // Readers first: the writer's connection, closed last, folds the log into the file, which readers may not.
        self.readers
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clear();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take();
        if let Some(writer) = writer {
            // A panic of the writer was reported where it happened.
            let _ = writer.join();
        }
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        self.close();
    }
}

fn configure(conn: &Connection, path: &Path) -> Result<()> {
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.set_prepared_statement_cache_capacity(256);
    let damaged = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => Error::Damaged {
            path: path.display().to_string(),
            detail: error.to_string(),
        },
        _ => Error::Sqlite(error),
    };
    // FULL: a 200 that is not on disk would be a lie after a power cut. secure_delete: erased means gone.
    // fullfsync: macOS's fsync does not flush the drive's own cache.
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA wal_autocheckpoint = 4000;",
    )
    .map_err(damaged)
}

fn work(conn: &mut Connection, shared: &Shared) {
    loop {
        let mut queue = shared.lock();
        while queue.waiting.iter().all(VecDeque::is_empty) {
            if queue.closed {
                return;
            }
            queue = shared
                .arrived
                .wait(queue)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        drop(queue);
        commit(conn, shared);
    }
}

/// Takes pieces, runs them, commits, and only then tells their owners.
fn commit(conn: &mut Connection, shared: &Shared) {
    let mut finished: Vec<(Done, std::result::Result<(), ()>)> = Vec::new();
    let begun = conn.execute_batch("BEGIN IMMEDIATE");
    if let Err(error) = begun {
        let (code, text) = (error.sqlite_error_code(), error.to_string());
        for (class, limit) in TAKE.iter().enumerate() {
            for _ in 0..*limit {
                let Some(piece) = take(shared, class) else { break };
                (piece.done)(Err(storage_error(code, &text)));
            }
        }
        return;
    }
    let start = Instant::now();
    'batch: for (class, limit) in TAKE.iter().enumerate() {
        for _ in 0..*limit {
            if !finished.is_empty() && start.elapsed() > BATCH {
                break 'batch;
            }
            let Some(piece) = take(shared, class) else { break };
            let outcome = run(conn, piece.run);
            finished.push((piece.done, outcome));
        }
    }
    match conn.execute_batch("COMMIT") {
        Ok(()) => {
            for (done, outcome) in finished {
                tell(done, outcome.map_err(|()| Error::Panicked));
            }
        }
        Err(error) => {
            tracing::error!(%error, "a commit failed; its writes are rolled back");
            let (code, text) = (error.sqlite_error_code(), error.to_string());
            if !conn.is_autocommit() && conn.execute_batch("ROLLBACK").is_err() {
                tracing::error!("a rollback failed; the next write begins anew");
            }
            for (done, _) in finished {
                tell(done, Err(storage_error(code, &text)));
            }
        }
    }
}

fn take(shared: &Shared, class: usize) -> Option<Piece> {
    let piece = shared.lock().waiting[class].pop_front();
    if piece.is_some() {
        shared.left.notify_one();
    }
    piece
}

/// Runs one piece in a savepoint, so that its failure takes nothing else along.
fn run(conn: &Connection, run: Run) -> std::result::Result<(), ()> {
    if conn.execute_batch("SAVEPOINT piece").is_err() {
        return Err(());
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| run(conn))).unwrap_or_else(|_| {
        tracing::error!("a write panicked and was rolled back");
        Err(())
    });
    let end = if outcome.is_ok() {
        "RELEASE piece"
    } else {
        "ROLLBACK TO piece; RELEASE piece"
    };
    // After some failures SQLite has rolled back the whole transaction; the COMMIT will say so.
    if conn.execute_batch(end).is_err() {
        Err(())
    } else {
        outcome
    }
}

fn tell(done: Done, result: Result<()>) {
    if catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
        tracing::error!("telling a writer of its commit panicked; the commit stands");
    }
}

/// Makes one error into as many as there are owners; rusqlite's cannot be cloned.
fn storage_error(code: Option<rusqlite::ErrorCode>, text: &str) -> Error {
    let extended_code = match code {
        Some(rusqlite::ErrorCode::DiskFull) => rusqlite::ffi::SQLITE_FULL,
        Some(rusqlite::ErrorCode::ReadOnly) => rusqlite::ffi::SQLITE_READONLY,
        Some(rusqlite::ErrorCode::DatabaseBusy) => rusqlite::ffi::SQLITE_BUSY,
        _ => rusqlite::ffi::SQLITE_IOERR,
    };
    Error::Sqlite(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(extended_code),
        Some(text.to_owned()),
    ))
}

/// A database for the tests of store functions.
#[cfg(test)]
pub(crate) mod testing {
    use super::Conn;
    use crate::clock::Clock;
    use crate::store::migrate;
    use std::path::Path;

    /// Opens an empty database in memory, with the present schema and foreign keys on.
    pub(crate) fn memory() -> Conn {
        let mut conn = Conn::open_in_memory().unwrap();
        let now = crate::clock::SystemClock.now();
        migrate::migrate(&mut conn, Path::new(":memory:"), Path::new("unused"), now).unwrap();
        conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        conn
    }

    /// Returns SQLite's plan for `sql`, a line for each step.
    pub(crate) fn plan(conn: &Conn, sql: &str, parameters: &[&dyn rusqlite::ToSql]) -> String {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement
            .query_map(parameters, |row| row.get::<_, String>("detail"))
            .unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::store::setting;

    fn open() -> (tempfile::TempDir, Db) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(
            &dir.path().join("casement.db"),
            &dir.path().join("backups"),
            &SystemClock,
        )
        .unwrap();
        (dir, db)
    }

    #[test]
    fn a_write_that_fails_is_rolled_back_alone() {
        let (_dir, db) = open();
        let failed: Result<()> = db.write(Priority::Window, |conn| {
            setting::set(conn, "half", &1)?;
            Err(Error::Value("on purpose".into()))
        });
        assert!(failed.is_err());
        db.write(Priority::Window, |conn| setting::set(conn, "whole", &2))
            .unwrap();
        let (half, whole) = db
            .read(|conn| {
                Ok::<_, Error>((
                    setting::get::<i32>(conn, "half")?,
                    setting::get::<i32>(conn, "whole")?,
                ))
            })
            .unwrap();
        assert_eq!(
            (half, whole),
            (None, Some(2)),
            "the failed write left nothing, the other one stands"
        );
    }

    #[test]
    fn a_write_that_panics_is_reported_and_the_writer_lives_on() {
        let (_dir, db) = open();
        let failed: Result<()> = db.write(Priority::Hits, |_| panic!("on purpose"));
        assert!(matches!(failed, Err(Error::Panicked)), "{failed:?}");
        db.write(Priority::Hits, |conn| setting::set(conn, "after", &true))
            .unwrap();
    }

    #[test]
    fn a_reader_cannot_write() {
        let (_dir, db) = open();
        let result: Result<()> = db.read(|conn| setting::set(conn, "x", &1));
        assert!(result.is_err(), "reads go through a read-only connection");
    }

    #[test]
    fn a_file_that_is_no_database_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("casement.db");
        std::fs::write(
            &path,
            b"this is no database, but long enough to be read as one, surely, is it not?".repeat(20),
        )
        .unwrap();
        let error = Db::open(&path, &dir.path().join("backups"), &SystemClock)
            .err()
            .unwrap();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
}
