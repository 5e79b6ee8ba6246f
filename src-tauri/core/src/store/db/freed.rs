//! Checks that freed pages of the database file hold nothing: what was deleted is to be gone from the file itself.
//!
//! Read from the file and not by SQL, which does not show them. Limits: free room inside pages in use is not looked
//! at, nor are the write-ahead log, the spool and backups; and an entry of the list of freed pages that is out of use
//! is taken for what it is as long as it could be a page's number.

use super::{Conn, Db, Priority, Result};
use crate::store::Error;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

/// How often a state is waited for in which the log is wholly in the file: other readers may hold it.
const TRIES: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(100);

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freed {
    /// Freed pages.
    pub pages: u64,
    /// Of these, the numbers of those that are not empty: the first 20.
    pub full: Vec<u32>,
    /// Their number.
    pub full_count: u64,
}

impl Db {
    /// Looks at every freed page of the file; `None` where other readers let no consistent state of it come about.
    ///
    /// # Errors
    /// Where the file cannot be read, or its list of freed pages makes no sense.
    pub fn freed_pages(&self) -> Result<Option<Freed>> {
        // So that little is left to be moved while others wait to write.
        self.checkpoint()?;
        for _ in 0..TRIES {
            if let Some(snapshot) = self.settled()? {
                let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let io = |source| Error::Io {
                    path: self.path.display().to_string(),
                    source,
                };
                let file = match &mut *file {
                    Some(file) => file,
                    none => none.insert(File::open(&self.path).map_err(io)?),
                };
                let freed = look(file).map_err(io)?;
                drop(snapshot);
                return Ok(Some(freed));
            }
            std::thread::sleep(BETWEEN);
        }
        Ok(None)
    }

    /// Returns a reader for whose time the file holds exactly what the reader sees; `None` where an older reader kept
    /// some of the log out of the file.
    ///
    /// No commit comes in between, because this is done in the writer's turn; and no later checkpoint moves anything
    /// that came after the reader's beginning.
    fn settled(&self) -> Result<Option<Connection>> {
        let path = self.path.clone();
        self.write(Priority::Bulk, move |_: &Conn| {
            let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            reader.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
            let mover = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            let (long, moved): (i64, i64) = mover.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get(1)?, row.get(2)?))
            })?;
            Ok((moved >= long).then_some(reader))
        })
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn nonsense(what: &str) -> std::io::Error {
    std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        format!("the list of freed pages is damaged: {what}"),
    )
}

/// Reads the list of freed pages (SQLite's file format, §1.3 and §1.5): trunks, each with the next one's number, a
/// count and so many leaves.
fn look(file: &mut File) -> std::io::Result<Freed> {
    let mut head = [0; 100];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut head)?;
    let page_size = match u16::from_be_bytes([head[16], head[17]]) {
        1 => 65_536,
        n => usize::from(n),
    };
    let (in_file, mut trunk, listed) = (number(&head, 28), number(&head, 32), number(&head, 36));
    if page_size < 512 {
        return Err(nonsense("no size of pages"));
    }
    let mut page = vec![0; page_size];
    let mut read = |number: u32, page: &mut Vec<u8>| -> std::io::Result<()> {
        if number == 0 || number > in_file {
            return Err(nonsense("a page outside of the file"));
        }
        file.seek(SeekFrom::Start(u64::from(number - 1) * page_size as u64))?;
        file.read_exact(page)
    };
    let mut freed = Freed {
        pages: 0,
        full: Vec::new(),
        full_count: 0,
    };
    let mut note = |number: u32, is_empty: bool| {
        if !is_empty {
            freed.full_count += 1;
            if freed.full.len() < 20 {
                freed.full.push(number);
            }
        }
    };
    let mut pages = 0_u64;
    let mut leaf = vec![0; page_size];
    while trunk != 0 {
        read(trunk, &mut page)?;
        let leaves = number(&page, 4) as usize;
        if leaves > page_size / 4 - 2 || pages > u64::from(listed) {
            return Err(nonsense("more entries than pages"));
        }
        for entry in 0..leaves {
            let at = number(&page, 8 + 4 * entry);
            read(at, &mut leaf)?;
            note(at, leaf.iter().all(|byte| *byte == 0));
        }
        // Behind the entries stand those that were taken off the list. Four letters make a far greater number than
        // any page has.
        let rest = page[8 + 4 * leaves..].chunks_exact(4);
        note(
            trunk,
            rest.map(|word| number(word, 0)).all(|word| word <= in_file),
        );
        pages += 1 + leaves as u64;
        trunk = number(&page, 0);
    }
    if pages != u64::from(listed) {
        return Err(nonsense("another number of entries than it says"));
    }
    freed.pages = pages;
    Ok(freed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::store::Durability;
    use std::path::Path;

    fn open(dir: &Path) -> Db {
        Db::open(
            &dir.join("casement.db"),
            &dir.join("backups"),
            &SystemClock,
            Durability::Full,
        )
        .unwrap()
    }

    /// Fills pages with readers' addresses and deletes all but the first hundred rows.
    const FILL_AND_DELETE: &str = "CREATE TABLE t (x TEXT);
        WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
        INSERT INTO t SELECT 'somebody-' || n || '@example.org, and more that nobody is to find' FROM n;
        DELETE FROM t WHERE rowid > 100;";

    #[test]
    fn freed_pages_are_empty_while_others_read_and_write() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        db.write(Priority::Bulk, |conn| -> Result<()> {
            Ok(conn.execute_batch(FILL_AND_DELETE)?)
        })
        .unwrap();
        std::thread::scope(|scope| {
            let (db, stop) = (
                &db,
                std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)),
            );
            let is_over = stop.clone();
            scope.spawn(move || {
                use std::sync::atomic::Ordering;
                while !is_over.load(Ordering::Relaxed) {
                    db.write(Priority::Hits, |conn| -> Result<()> {
                        Ok(conn
                            .execute_batch("INSERT INTO t VALUES ('x'); DELETE FROM t WHERE rowid % 7 = 1")?)
                    })
                    .unwrap();
                    db.read(|conn| -> Result<i64> {
                        Ok(conn.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)
                    })
                    .unwrap();
                }
            });
            for _ in 0..20 {
                let freed = db
                    .freed_pages()
                    .unwrap()
                    .expect("readers' transactions are short");
                assert!(freed.pages > 200, "{freed:?}");
                assert_eq!(freed.full, [0; 0], "secure_delete leaves nothing");
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn pages_that_were_freed_without_being_emptied_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let careless = Connection::open(db.path()).unwrap();
        careless.execute_batch("PRAGMA secure_delete = OFF").unwrap();
        careless.execute_batch(FILL_AND_DELETE).unwrap();
        let freed = db.freed_pages().unwrap().unwrap();
        assert!(freed.full_count > 200, "{freed:?}");
        assert_eq!(freed.full.len(), 20);
        careless
            .execute_batch("PRAGMA secure_delete = ON; VACUUM")
            .unwrap();
        let freed = db.freed_pages().unwrap().unwrap();
        assert_eq!(
            (freed.full_count, freed.pages),
            (0, 0),
            "a file that was written anew has none"
        );
    }

    #[test]
    fn an_older_reader_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let older = Connection::open(db.path()).unwrap();
        older
            .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")
            .unwrap();
        db.write(Priority::Bulk, |conn| -> Result<()> {
            Ok(conn.execute_batch(FILL_AND_DELETE)?)
        })
        .unwrap();
        assert!(db.settled().unwrap().is_none());
        older.execute_batch("ROLLBACK").unwrap();
        assert!(db.settled().unwrap().is_some());
    }
}
