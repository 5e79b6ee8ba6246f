//! A copy of the database for a backup, and whether a file that was brought is one.

use super::{Error, Result, migrate, setting, takeover};
use crate::clock::{Instant, to_millis};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Writes a copy of the database at `path` to `target`, which must not exist, without disturbing who uses it.
///
/// The copy knows that it is one ([`setting::Copied`]); `is_move` says that its owner goes on with it elsewhere and that
/// nothing is sent from here any more.
pub fn copy(path: &Path, target: &Path, now: Instant, is_move: bool) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    // Never a copy of the open file: it could be torn (https://sqlite.org/howtocorrupt.html §1.2).
    conn.execute("VACUUM INTO ?1", [target.to_string_lossy()])?;
    let copy = Connection::open(target)?;
    setting::set_copied(&copy, &setting::Copied::of(now, is_move))?;
    copy.close().map_err(|(_, error)| Error::Sqlite(error))?;
    let file = std::fs::File::open(target).and_then(|file| file.sync_all());
    file.map_err(|source| Error::Io {
        path: target.display().to_string(),
        source,
    })
}

/// Looks through all of a database that was brought from elsewhere, and brings it up to date. What it does not know of
/// itself is `copied`.
///
/// Nothing in it is trusted: its schema must be, word for word, one that a version of Casement made, so that it holds no
/// trigger or view of anybody else; and SQLite's own check must find nothing. `backups` gets no copy.
///
/// # Errors
/// [`Error::Newer`] where a newer version wrote it, [`Error::Damaged`] where it is no database of Casement's or is
/// damaged.
pub fn inspect(path: &Path, copied: &setting::Copied) -> Result<()> {
    let damaged = |detail: String| Error::Damaged {
        path: path.display().to_string(),
        detail,
    };
    let unreadable = |error: rusqlite::Error| damaged(error.to_string());
    let mut conn = Connection::open(path)?;
    conn.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY")
        .map_err(unreadable)?;
    let version: i64 = conn
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(unreadable)?;
    if version > migrate::known() {
        return Err(Error::Newer {
            path: path.display().to_string(),
            found: version,
            known: migrate::known(),
        });
    }
    let made = usize::try_from(version).ok().filter(|version| *version > 0);
    let Some(made) = made else {
        return Err(damaged("it says of itself that it is none".into()));
    };
    if schema(&conn).map_err(unreadable)? != schema(&migrate::at_version(made)?)? {
        return Err(damaged("its tables are not those that Casement made".into()));
    }
    let said: String = conn
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(unreadable)?;
    if said != "ok" {
        return Err(damaged(said));
    }
    let dangling = conn
        .prepare("PRAGMA foreign_key_check")?
        .exists([])
        .map_err(unreadable)?;
    if dangling {
        return Err(damaged("rows of it point to nothing".into()));
    }
    migrate::to_latest(&mut conn, path)?;
    if setting::copied(&conn)?.is_none() {
        setting::set_copied(&conn, copied)?;
    }
    takeover::forget(&conn)?;
    setting::workspace_key(&conn)?;
    conn.close().map_err(|(_, error)| Error::Sqlite(error))
}

/// What a copy is and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The key of its workspace.
    pub key: [u8; 32],
    /// What it knows of itself; `None` where it is no copy.
    pub copied: Option<setting::Copied>,
    /// How much it holds.
    pub counts: setting::Counts,
}

/// Reads what the database behind `conn` is and holds.
pub fn facts(conn: &Connection) -> Result<Facts> {
    Ok(Facts {
        key: setting::workspace_key(conn)?,
        copied: setting::copied(conn)?,
        counts: setting::counts(conn)?,
    })
}

/// Reads the facts of the copy at `path`, which is not changed.
pub fn facts_of(path: &Path) -> Result<Facts> {
    let damaged = |error: rusqlite::Error| Error::Damaged {
        path: path.display().to_string(),
        detail: error.to_string(),
    };
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(damaged)?;
    let version: i64 = conn
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(damaged)?;
    if version > migrate::known() {
        return Err(Error::Newer {
            path: path.display().to_string(),
            found: version,
            known: migrate::known(),
        });
    }
    facts(&conn)
}

/// What is in a workspace, or has come into it since an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Since {
    /// Contacts added.
    pub contacts: u32,
    /// Campaigns changed and not launched.
    pub drafts: u32,
    /// Campaigns launched.
    pub launched: u32,
    /// Addresses that get no mail.
    pub suppressed: u32,
    /// People who refused to be tracked.
    pub refused: u32,
}

/// Counts what has come since `at`.
pub fn since(conn: &Connection, at: Instant) -> Result<Since> {
    Ok(conn.query_row(
        "SELECT (SELECT count(*) FROM contact WHERE created_at > ?1),
                (SELECT count(*) FROM campaign WHERE updated_at > ?1 AND launched_at IS NULL),
                (SELECT count(*) FROM campaign WHERE launched_at > ?1),
                (SELECT count(*) FROM suppression WHERE at > ?1),
                (SELECT count(DISTINCT contact_id) FROM consent_event WHERE state = 'refused' AND at > ?1)",
        [to_millis(at)],
        |row| {
            Ok(Since {
                contacts: row.get(0)?,
                drafts: row.get(1)?,
                launched: row.get(2)?,
                suppressed: row.get(3)?,
                refused: row.get(4)?,
            })
        },
    )?)
}

/// Sets the database at `path` aside as `target`, marked as the copy that it is from now on. Nobody may have it open.
pub fn set_aside(path: &Path, target: &Path, now: Instant) -> Result<()> {
    let conn = Connection::open(path)?;
    // So that all of it is in the one file that is moved.
    let mode: String = conn.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    if mode != "delete" {
        return Err(Error::Value(format!(
            "the database is still in use (journal mode {mode})"
        )));
    }
    setting::set_copied(&conn, &setting::Copied::of(now, false))?;
    conn.close().map_err(|(_, error)| Error::Sqlite(error))?;
    std::fs::rename(path, target).map_err(|source| Error::Io {
        path: target.display().to_string(),
        source,
    })
}

/// What makes up a schema: kind, name, table and text of everything but SQLite's own.
fn schema(conn: &Connection) -> rusqlite::Result<Vec<[String; 4]>> {
    let mut statement = conn.prepare(
        "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         ORDER BY type, name",
    )?;
    statement
        .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::testing;

    fn now() -> Instant {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn other() -> setting::Copied {
        setting::Copied::of(crate::clock::from_millis(1), true)
    }

    /// A copy of a small workspace.
    fn made(dir: &Path) -> std::path::PathBuf {
        let (path, target) = (dir.join("casement.db"), dir.join("copy.db"));
        let conn = testing::file(&path);
        setting::ensure_workspace_key(&conn, &[7; 32]).unwrap();
        copy(&path, &target, now(), false).unwrap();
        target
    }

    #[test]
    fn a_copy_says_that_it_is_one_and_passes() {
        let dir = tempfile::tempdir().unwrap();
        let path = made(dir.path());
        inspect(&path, &other()).unwrap();
        let facts = facts_of(&path).unwrap();
        assert_eq!(facts.key, [7; 32]);
        assert_eq!(facts.copied, Some(setting::Copied::of(now(), false)));
    }

    #[test]
    fn a_database_of_another_shape_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = made(dir.path());
        for trick in [
            "CREATE TRIGGER evil AFTER INSERT ON suppression BEGIN DELETE FROM suppression; END",
            "CREATE VIEW evil AS SELECT * FROM contact",
            "DROP INDEX message_by_address",
        ] {
            let own = dir.path().join("own.db");
            std::fs::copy(&path, &own).unwrap();
            Connection::open(&own).unwrap().execute_batch(trick).unwrap();
            let error = inspect(&own, &other()).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{trick}: {error}");
        }
    }

    #[test]
    fn a_newer_a_damaged_and_a_strange_file_are_refused_with_their_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = made(dir.path());
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", migrate::known() + 1)
            .unwrap();
        assert!(matches!(
            inspect(&path, &other()).unwrap_err(),
            Error::Newer { .. }
        ));
        let strange = dir.path().join("strange.db");
        std::fs::write(
            &strange,
            b"no database at all, and long enough to be looked at as one",
        )
        .unwrap();
        assert!(matches!(
            inspect(&strange, &other()).unwrap_err(),
            Error::Damaged { .. }
        ));
        let empty = dir.path().join("empty.db");
        std::fs::write(&empty, b"").unwrap();
        assert!(matches!(
            inspect(&empty, &other()).unwrap_err(),
            Error::Damaged { .. }
        ));
    }
}
