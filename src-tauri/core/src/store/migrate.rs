//! Brings the schema up to date, with a backup before each step.
//!
//! Migrations are `migrations/NNNN_what.sql`, only ever added. The schema's number is SQLite's
//! `user_version` (crate rusqlite_migration). A file with a higher number is refused.

use super::{Error, Result};
use crate::clock::Instant;
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use std::path::{Path, PathBuf};

const STEPS: &[&str] = &[
    include_str!("migrations/0001_init.sql"),
    include_str!("migrations/0002_data_request.sql"),
    include_str!("migrations/0003_hit_indexes.sql"),
];

/// How many backups are kept, and for how long.
pub const BACKUPS_KEPT: usize = 3;
/// The age at which a backup is removed: erased people are gone from every copy then.
pub const BACKUP_DAYS: i64 = 30;

/// The schema that this build knows.
pub fn known() -> i64 {
    i64::try_from(STEPS.len()).expect("a handful of migrations")
}

/// Brings the database at `path` up to date and returns whether anything was done.
///
/// Refuses a newer schema before it touches the file.
pub fn migrate(conn: &mut Connection, path: &Path, backups: &Path, now: Instant) -> Result<bool> {
    let found: i64 = conn
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|error| damaged(path, &error))?;
    if found > known() {
        return Err(Error::Newer {
            path: path.display().to_string(),
            found,
            known: known(),
        });
    }
    if found == known() {
        return Ok(false);
    }
    if found > 0 {
        backup(conn, backups, now)?;
    }
    let migrations = Migrations::new(STEPS.iter().map(|sql| M::up(sql)).collect());
    migrations.to_latest(conn).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => Error::Sqlite(err),
        other => Error::Damaged {
            path: path.display().to_string(),
            detail: other.to_string(),
        },
    })?;
    Ok(true)
}

fn damaged(path: &Path, error: &rusqlite::Error) -> Error {
    Error::Damaged {
        path: path.display().to_string(),
        detail: error.to_string(),
    }
}

/// Writes a copy of the open database into `backups`, and removes copies that are too many or too old.
pub fn backup(conn: &Connection, backups: &Path, now: Instant) -> Result<PathBuf> {
    let io = |source| Error::Io {
        path: backups.display().to_string(),
        source,
    };
    std::fs::create_dir_all(backups).map_err(io)?;
    let target = backups.join(format!("casement-{}.db", now.format("%Y%m%dT%H%M%S%3fZ")));
    // Never a copy of the open file: it could be torn (https://sqlite.org/howtocorrupt.html §1.2).
    conn.execute("VACUUM INTO ?1", [target.to_string_lossy()])?;
    prune(backups, now).map_err(io)?;
    Ok(target)
}

/// Removes copies in `backups` that are too many or too old.
pub fn prune(backups: &Path, now: Instant) -> std::io::Result<()> {
    if !backups.exists() {
        return Ok(());
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(backups)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "db"))
        .collect();
    // Names begin with the time, so the alphabet is the order of time.
    files.sort();
    let oldest = format!(
        "casement-{}",
        (now - chrono::TimeDelta::days(BACKUP_DAYS)).format("%Y%m%dT%H%M%S%3fZ")
    );
    let surplus = files.len().saturating_sub(BACKUPS_KEPT);
    for (index, path) in files.iter().enumerate() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if index < surplus || *name < *oldest {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("casement.db");
        let mut conn = Connection::open(&path).unwrap();
        conn.pragma_update(None, "user_version", known() + 2).unwrap();
        let error = migrate(&mut conn, &path, &dir.path().join("backups"), now()).unwrap_err();
        assert!(
            error.to_string().contains("newer version"),
            "the sentence says why: {error}"
        );
        let found: i64 = conn
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(found, known() + 2, "a refused file is not touched");
    }

    #[test]
    fn three_backups_are_kept_and_none_older_than_thirty_days() {
        let dir = tempfile::tempdir().unwrap();
        let backups = dir.path().join("backups");
        let mut conn = Connection::open(dir.path().join("casement.db")).unwrap();
        migrate(&mut conn, &dir.path().join("casement.db"), &backups, now()).unwrap();
        for day in 0..5 {
            backup(&conn, &backups, now() + chrono::TimeDelta::days(day)).unwrap();
        }
        assert_eq!(std::fs::read_dir(&backups).unwrap().count(), BACKUPS_KEPT);
        backup(&conn, &backups, now() + chrono::TimeDelta::days(60)).unwrap();
        assert_eq!(
            std::fs::read_dir(&backups).unwrap().count(),
            1,
            "all others are too old by then"
        );
    }
}
