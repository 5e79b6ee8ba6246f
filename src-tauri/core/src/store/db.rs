//! Opens the database; one writing connection behind one fair queue, a few readers.
//!
//! Writers queue by [`Priority`]. One thread (`writer`) drains what waits, runs each piece in its own savepoint
//! and commits all of them at once, so that many small writes share one fsync and nobody is told "done" before
//! the commit. A piece that fails is rolled back alone. What readers ask of us is kept in the spool where the
//! database cannot take it.

mod era;
mod freed;
mod log;
mod problem;
mod teller;
mod writer;

use super::spool::Spool;
use super::{Error, Result, counter, migrate};
use crate::clock::Clock;
pub use era::Era;
use era::follow_people;
use problem::Problem;
use rusqlite::{Connection, OpenFlags};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use writer::Writer;

/// A connection inside a transaction, as store functions take it.
pub type Conn = Connection;

/// Who goes first. Every class gets its turn in every commit; the order decides who waits when time is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// What readers decide: never behind a flood of hits.
    OptOuts,
    /// Hits and pages: a reader waits for the answer.
    Hits,
    /// The ledger.
    Sending,
    /// The user waits.
    Window,
    /// Import, prepare, erase: in chunks of at most 50 ms.
    Bulk,
}

const CLASSES: usize = 5;
/// Pieces that may wait in one class; beyond it writers wait before they queue.
const QUEUED: usize = 4096;
/// WAL-reset corruption is possible before this version (https://sqlite.org/wal.html#walresetbug).
const OLDEST_SQLITE: i32 = 3_051_003;

/// How far a commit goes before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// To the disk: it survives a power cut.
    #[default]
    Full,
    /// To the operating system. For the test that proves that power-cut replays can see a loss; nothing else may
    /// use it.
    Normal,
}

/// How a piece ended, before the commit.
enum Ran {
    Done,
    /// It failed by itself, and was rolled back alone.
    Failed,
    /// The database failed under it.
    Storage(Problem),
}

/// Where a write was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Committed,
    Spooled,
}

/// What became of a write that may be spooled.
#[derive(Debug, PartialEq, Eq)]
pub enum Stored<T> {
    /// It is in the database.
    Committed(T),
    /// The database could not take it; it is on disk in the spool, and will be replayed.
    Spooled,
}

/// A write. One that may be kept can be run again, and needs no savepoint of its own: where one in a batch fails,
/// all of them are run anew, each apart.
enum Run {
    Once(Box<dyn FnOnce(&Conn) -> Ran + Send>),
    Again(Box<dyn FnMut(&Conn) -> Ran + Send>),
}

type Done = Box<dyn FnOnce(Result<Kept>) + Send>;
/// Applies a spooled record, by the rules of now.
pub type Replay = Box<dyn Fn(&Conn, &[u8]) -> Result<()> + Send>;

struct Piece {
    run: Run,
    done: Done,
    /// The era ends with it.
    ends_era: bool,
    /// What to keep of it in the spool; `None` where it is not to be kept there.
    record: Option<Box<dyn FnOnce() -> Vec<u8> + Send>>,
}

#[derive(Default)]
struct Queue {
    waiting: [VecDeque<Piece>; CLASSES],
    /// Somebody waits for the spool to be made.
    make_spool: Vec<mpsc::SyncSender<()>>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    left: Condvar,
    replay: Mutex<Option<Replay>>,
    /// Reading connections that nobody uses just now.
    readers: Mutex<Vec<Connection>>,
    /// Nobody may read any more.
    is_closing: AtomicBool,
    /// How many are in use.
    reading: Mutex<usize>,
    /// One less is.
    read: Condvar,
    /// Records that wait in the spool.
    spooled: AtomicUsize,
    /// Why the last commit failed; `None` since one succeeded.
    problem: Mutex<Option<Problem>>,
    era: Era,
    /// Rows of `contact` that were written, in whatever way.
    people: Arc<AtomicU64>,
}

/// A reading connection in use.
struct Reading<'a>(&'a Shared);

impl<'a> Reading<'a> {
    fn begin(shared: &'a Shared) -> Self {
        *shared
            .reading
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) += 1;
        Self(shared)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        *self
            .0
            .reading
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) -= 1;
        self.0.read.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// How long closing waits for reads in hand.
const CLOSE: Duration = Duration::from_secs(5);

/// The workspace's database.
pub struct Db {
    path: PathBuf,
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// The file itself, once it was looked into. Kept open: with the first descriptor of a file that a process closes
    /// go all its locks on it, SQLite's among them (https://sqlite.org/howtocorrupt.html §2.2).
    file: Mutex<Option<std::fs::File>>,
}

impl Db {
    /// Opens the database at `path`, made where it is missing, and brings it up to date.
    ///
    /// Backups before a migration go into `backups`. Fails with a sentence where the file is newer than this
    /// build, damaged, or cannot be written.
    pub fn open(path: &Path, backups: &Path, clock: &dyn Clock, durability: Durability) -> Result<Self> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Error::Value(format!(
                "SQLite {} is too old; 3.51.3 is needed",
                rusqlite::version()
            )));
        }
        let mut conn = Connection::open(path)?;
        configure(&conn, path, durability)?;
        migrate::migrate(&mut conn, path, backups, clock.now())?;
        conn.execute_batch("PRAGMA foreign_keys = ON")?;
        let shared = Arc::<Shared>::default();
        follow_people(&conn, &shared.people)?;
        let spool_path = path.with_file_name("spool");
        let unusable = |source| Error::Io {
            path: spool_path.display().to_string(),
            source,
        };
        let spool = Spool::open(&spool_path, counter::get(&conn, counter::REPLAYED)?).map_err(unusable)?;
        let transaction = counter::get(&conn, counter::TRANSACTION)?;
        let writer = Writer::new(path, durability, conn, shared.clone(), spool, transaction);
        let writer = std::thread::Builder::new()
            .name("casement-writer".into())
            .spawn(move || writer.work())
            .map_err(|source| Error::Io {
                path: path.display().to_string(),
                source,
            })?;
        Ok(Self {
            path: path.to_owned(),
            shared,
            writer: Mutex::new(Some(writer)),
            file: Mutex::default(),
        })
    }

    /// Runs `read` in a read transaction on a connection of its own; it cannot write.
    pub fn read<T, E: From<Error>>(
        &self,
        read: impl FnOnce(&Conn) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let _reading = Reading::begin(&self.shared);
        if self.shared.is_closing.load(Ordering::SeqCst) {
            return Err(Error::Closed.into());
        }
        let pooled = self
            .shared
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
        // A connection that cannot end its transaction is dropped, not pooled; so is one of a database that closes.
        if conn.execute_batch("ROLLBACK").is_ok() && !self.shared.is_closing.load(Ordering::SeqCst) {
            let mut readers = self
                .shared
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
        self.write_and_wait(priority, true, write)
    }

    /// Queues `write` and returns; `done` is called after the commit, on a thread that may not
    /// wait for another write.
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
        self.submit_once((priority, true), write, done);
    }

    fn submit_once<T, E>(
        &self,
        (priority, ends_era): (Priority, bool),
        write: impl FnOnce(&Conn) -> std::result::Result<T, E> + Send + 'static,
        done: impl FnOnce(std::result::Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let slot = Arc::new(Mutex::new(None));
        let run = Run::Once({
            let slot = slot.clone();
            Box::new(move |conn| {
                let result = write(conn);
                let ran = if result.is_ok() { Ran::Done } else { Ran::Failed };
                *slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(result);
                ran
            })
        });
        let done: Done = Box::new(move |kept| {
            let result = slot
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .take();
            done(match (kept, result) {
                (Ok(_), Some(result)) | (Err(_), Some(result @ Err(_))) => result,
                (Err(error), _) => Err(error.into()),
                (Ok(_), None) => Err(Error::Panicked.into()),
            });
        });
        self.enqueue(
            priority,
            Piece {
                run,
                done,
                ends_era,
                record: None,
            },
        );
    }

    /// As [`Self::submit`], for what must not be lost while the database cannot be written: then `record` of it
    /// goes into the spool, and `done` hears so once that is on disk. `write` may be run again after a rollback.
    pub fn submit_kept<T: Send + 'static>(
        &self,
        priority: Priority,
        mut write: impl FnMut(&Conn) -> Result<T> + Send + 'static,
        record: impl FnOnce() -> Vec<u8> + Send + 'static,
        done: impl FnOnce(Result<Stored<T>>) + Send + 'static,
    ) {
        let slot = Arc::new(Mutex::new(None));
        let run = Run::Again({
            let slot = slot.clone();
            Box::new(move |conn| {
                let result = write(conn);
                let ran = match &result {
                    Ok(_) => Ran::Done,
                    Err(error) => Problem::of(error).map_or(Ran::Failed, Ran::Storage),
                };
                *slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(result);
                ran
            })
        });
        let done: Done = Box::new(move |kept| {
            let result = slot
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .take();
            done(match (kept, result) {
                (Ok(Kept::Spooled), _) => Ok(Stored::Spooled),
                (Ok(Kept::Committed), Some(result)) => result.map(Stored::Committed),
                (Err(_), Some(Err(error))) | (Err(error), _) => Err(error),
                (Ok(Kept::Committed), None) => Err(Error::Panicked),
            });
        });
        self.enqueue(
            priority,
            Piece {
                run,
                done,
                ends_era: true,
                record: Some(Box::new(record)),
            },
        );
    }

    fn enqueue(&self, priority: Priority, piece: Piece) {
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
            return (piece.done)(Err(Error::Closed));
        }
        queue.waiting[class].push_back(piece);
        drop(queue);
        self.shared.arrived.notify_one();
    }

    /// Says how spooled records are applied. What waits from a run before is applied from now on.
    pub fn replay_with(&self, replay: Replay) {
        *self
            .shared
            .replay
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(replay);
        self.shared.arrived.notify_one();
    }

    /// Takes the room for the spool from the disk, where that was not done yet. Without it, what the database
    /// cannot take is refused.
    pub fn prepare_spool(&self) {
        let (sender, made) = mpsc::sync_channel(1);
        {
            let mut queue = self.shared.lock();
            if queue.closed {
                return;
            }
            queue.make_spool.push(sender);
        }
        self.shared.arrived.notify_one();
        // A writer that has ended makes none.
        let _ = made.recv();
    }

    /// Returns how many records wait in the spool.
    pub fn spooled(&self) -> usize {
        self.shared.spooled.load(Ordering::Relaxed)
    }

    /// Returns why the last commit failed; `None` since one succeeded.
    pub fn problem(&self) -> Option<Error> {
        self.shared
            .problem
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .as_ref()
            .map(Problem::error)
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
        // Readers first: the writer's connection, closed last, folds the log into the file, which readers may not.
        self.shared.is_closing.store(true, Ordering::SeqCst);
        let reading = self
            .shared
            .reading
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let (reading, waited) = self
            .shared
            .read
            .wait_timeout_while(reading, CLOSE, |reading| *reading > 0)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if waited.timed_out() {
            tracing::warn!(
                reading = *reading,
                "the log stays beside the database: somebody still reads"
            );
        }
        drop(reading);
        self.shared
            .readers
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clear();
        self.shared.lock().closed = true;
        self.shared.arrived.notify_all();
        self.shared.left.notify_all();
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

fn configure(conn: &Connection, path: &Path, durability: Durability) -> Result<()> {
    // Beyond it readers' requests go to the spool, so that they need not wait for whoever holds the lock.
    conn.busy_timeout(Duration::from_secs(2))?;
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
         PRAGMA cache_size = -16384;",
    )
    .map_err(damaged)?;
    if durability == Durability::Normal {
        conn.execute_batch("PRAGMA synchronous = NORMAL")?;
    }
    log::follow(conn);
    Ok(())
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

    /// Makes an empty database at `path`, with the present schema and foreign keys on.
    pub(crate) fn file(path: &Path) -> Conn {
        let mut conn = Conn::open(path).unwrap();
        migrate::migrate(
            &mut conn,
            path,
            Path::new("unused"),
            crate::clock::SystemClock.now(),
        )
        .unwrap();
        conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        conn
    }

    /// Holds the write lock of the database at `path`, as another process would, until it is dropped.
    pub(crate) fn lock(path: &Path) -> Conn {
        let conn = Conn::open(path).unwrap();
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
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
mod tests;
