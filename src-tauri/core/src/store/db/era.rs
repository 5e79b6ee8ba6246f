//! What still holds from one write to the next: eras, and whether any person was changed.

use super::{Conn, Db, Priority};
use crate::store::{Error, Result};
use rusqlite::Connection;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

/// A time in which nothing was written but by [`Db::write_within_era`], and nothing was rolled back.
///
/// What one such write has read still holds in the next ones while the era lasts, unless one of them changed it: that
/// one must call [`Era::end`]. Every write runs on the one connection, so to ask inside a write is to know.
#[derive(Debug, Clone, Default)]
pub struct Era(Arc<AtomicU64>);

impl Era {
    /// Returns the number of the era, to be compared with a later one.
    pub fn number(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Ends it: what was remembered may no longer hold.
    pub fn end(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl Db {
    /// As [`Self::write`], without ending the [`Era`]: for what is written mail after mail.
    pub fn write_within_era<T, E>(
        &self,
        priority: Priority,
        write: impl FnOnce(&Conn) -> std::result::Result<T, E> + Send + 'static,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_and_wait(priority, false, write)
    }

    /// Returns the era, which goes on changing.
    pub fn era(&self) -> Era {
        self.shared.era.clone()
    }

    /// Returns how many changes of people were written since the database was opened: additions, changes of any column,
    /// removals. While it stays, nobody was changed.
    pub fn people_changes(&self) -> u64 {
        self.shared.people.load(Ordering::Acquire)
    }

    /// Runs `write` in the next commit and waits until it is on disk.
    pub(super) fn write_and_wait<T, E>(
        &self,
        priority: Priority,
        ends_era: bool,
        write: impl FnOnce(&Conn) -> std::result::Result<T, E> + Send + 'static,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        let done = move |result| {
            // The waiter may be gone after a panic; the commit stands all the same.
            let _ = sender.send(result);
        };
        self.submit_once((priority, ends_era), write, done);
        receiver.recv().unwrap_or_else(|_| Err(Error::Closed.into()))
    }
}

/// Has the one connection that writes count what it changes of people. SQLite calls it for each row, before the commit.
pub(super) fn follow_people(conn: &Connection, people: &Arc<AtomicU64>) -> Result<()> {
    let people = people.clone();
    Ok(conn.update_hook(Some(move |_, _: &str, table: &str, _| {
        if table == "contact" {
            people.fetch_add(1, Ordering::AcqRel);
        }
    }))?)
}
