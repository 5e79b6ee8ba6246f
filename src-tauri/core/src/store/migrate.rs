//! Brings the schema up to date, with a backup before each step.
//!
//! Migrations are `migrations/NNNN_what.sql`, only ever added. The schema's number is SQLite's
//! `user_version` (crate rusqlite_migration). A file with a higher number is refused.

use super::{Error, Result, setting};
use crate::clock::Instant;
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use std::path::{Path, PathBuf};

const STEPS: &[&str] = &[
    include_str!("migrations/0001_init.sql"),
    include_str!("migrations/0002_data_request.sql"),
    include_str!("migrations/0003_hit_indexes.sql"),
    include_str!("migrations/0004_feed.sql"),
    include_str!("migrations/0005_truth.sql"),
    include_str!("migrations/0006_sending.sql"),
    include_str!("migrations/0007_attachments.sql"),
    include_str!("migrations/0008_auth.sql"),
    include_str!("migrations/0009_dialogue.sql"),
    include_str!("migrations/0010_incoming.sql"),
    include_str!("migrations/0011_erased.sql"),
    include_str!("migrations/0012_probe.sql"),
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
    to_latest(conn, path)?;
    Ok(true)
}

fn steps() -> Migrations<'static> {
    Migrations::new(STEPS.iter().map(|sql| M::up(sql)).collect())
}

/// Brings the database at `path` up to date, without a backup of it.
pub(super) fn to_latest(conn: &mut Connection, path: &Path) -> Result<()> {
    steps().to_latest(conn).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => Error::Sqlite(err),
        other => Error::Damaged {
            path: path.display().to_string(),
            detail: other.to_string(),
        },
    })
}

/// Returns an empty database in memory as the version made it that knew `version` steps.
pub(super) fn at_version(version: usize) -> Result<Connection> {
    let mut conn = Connection::open_in_memory()?;
    steps()
        .to_version(&mut conn, version)
        .map_err(|error| Error::Value(error.to_string()))?;
    Ok(conn)
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
    let target = copy_name(backups, now);
    // Never a copy of the open file: it could be torn (https://sqlite.org/howtocorrupt.html §1.2).
    conn.execute("VACUUM INTO ?1", [target.to_string_lossy()])?;
    // Whoever opens it later knows that more may have happened since than it tells.
    setting::set_copied(&Connection::open(&target)?, &setting::Copied::of(now, false))?;
    prune(backups, now).map_err(io)?;
    Ok(target)
}

/// The time in the names of copies.
const TIME: &str = "%Y%m%dT%H%M%S%3fZ";

/// Returns where a copy of the database that is made at `at` goes.
pub fn copy_name(backups: &Path, at: Instant) -> PathBuf {
    backups.join(format!("casement-{}.db", at.format(TIME)))
}

/// Returns where a database goes that was found damaged at `at`.
pub fn damaged_name(backups: &Path, at: Instant) -> PathBuf {
    backups.join(format!("damaged-{}.db", at.format(TIME)))
}

/// Lists the copies in `backups` with when each was made, oldest first.
pub fn copies(backups: &Path) -> Vec<(PathBuf, Instant)> {
    named(backups, "casement-", "casement-%Y%m%dT%H%M%S%3fZ.db")
}

/// Files of `backups` whose names begin with `kind` and hold a time as `format` writes it, oldest first.
fn named(backups: &Path, kind: &str, format: &str) -> Vec<(PathBuf, Instant)> {
    let Ok(entries) = std::fs::read_dir(backups) else {
        return Vec::new();
    };
    let mut files: Vec<(PathBuf, Instant)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.to_owned();
            let whole = name.starts_with(kind).then_some(name)?;
            // SQLite's own files beside it are as old as it is.
            let name = whole.trim_end_matches("-wal").trim_end_matches("-shm");
            let made = chrono::NaiveDateTime::parse_from_str(name, format)
                .ok()?
                .and_utc();
            Some((path, made))
        })
        .collect();
    files.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    files
}

/// Removes copies in `backups` that are too many or too old, and damaged databases that are too old.
pub fn prune(backups: &Path, now: Instant) -> std::io::Result<()> {
    let oldest = now - chrono::TimeDelta::days(BACKUP_DAYS);
    let copies = copies(backups);
    let surplus = copies.len().saturating_sub(BACKUPS_KEPT);
    let surplus = copies
        .iter()
        .enumerate()
        .filter(|(index, (_, made))| *index < surplus || *made < oldest)
        .map(|(_, (path, _))| path);
    let damaged = named(backups, "damaged-", "damaged-%Y%m%dT%H%M%S%3fZ.db");
    let damaged = damaged
        .iter()
        .filter(|(_, made)| *made < oldest)
        .map(|(path, _)| path);
    for path in surplus.chain(damaged) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ActivityKind, ActivityList};
    use crate::ids::CampaignId;
    use crate::store::activity::{self, NewActivity};
    use crate::store::check;

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

    /// The schema as it was while looks stood in the feed's table, with hits and lines of all kinds in it.
    fn before_0004(path: &Path) -> Connection {
        let mut conn = Connection::open(path).unwrap();
        let former = Migrations::new(STEPS[..3].iter().map(|sql| M::up(sql)).collect());
        former.to_latest(&mut conn).unwrap();
        conn.execute_batch(
            "INSERT INTO campaign (id, name, document, created_at, updated_at, state, opens_from, opens_until)
             VALUES (1, 'Spring', '{}', 0, 0, 'running', 5, 99), (2, 'Summer', '{}', 0, 0, 'running', 5, 99);
             INSERT INTO contact (id, email, email_key, first_name, created_at)
             VALUES (1, 'ana@example.org', 'ana@example.org', 'Ana', 0);
             INSERT INTO message (id, campaign_id, contact_id, email, address_hash, state, tracking, pixel_token,
               preference_token, accepted_at, signal, first_open_at, looks, hits)
             VALUES (1, 1, 1, 'ana@example.org', x'01', 'accepted', 'personal', x'01', x'11', 10, 'human', 20, 2, 3),
                    (2, 2, 1, 'ana@example.org', x'01', 'accepted', 'personal', x'02', x'12', 10, 'human', 30, 1, 1);
             INSERT INTO hit (id, message_id, at, class, reason, rule_version, client, user_agent, network, client_hash,
               new_look)
             VALUES (1, 1, 20, 'human_direct', 'browser', 3, 'Firefox', 'Mozilla/5.0', '192.0.2.0/24', x'01', 1),
                    (2, 1, 21, 'human_direct', 'browser', 3, 'Firefox', '', '', x'01', 0),
                    (4, 1, 50, 'human_direct', 'browser', 3, '', '', '', x'02', 1),
                    -- Kept in the spool for a while.
                    (5, 2, 30, 'human_proxy', 'named_proxy', 3, 'Gmail', '', '', x'03', 1);
             INSERT INTO hourly VALUES (1, 0, 'human_direct', 2), (1, 0, 'first_open', 1),
               (2, 0, 'human_proxy', 1), (2, 0, 'first_open', 1);
             INSERT INTO activity (id, at, kind, text, class, campaign_id, message_id, contact_id)
             VALUES (1, 10, 'campaign', 'launched', NULL, 1, NULL, NULL),
                    (2, 20, 'look', 'Ana looked, with Firefox', 'human_direct', 1, 1, NULL),
                    (3, 40, 'opted_out', 'Ana left', NULL, 2, 2, 1),
                    (4, 50, 'look', 'Ana looked', 'human_direct', 1, 1, NULL),
                    (6, 30, 'look', 'Ana looked, through Gmail''s image proxy', 'human_proxy', 2, 2, NULL),
                    (7, 60, 'reach', 'address', NULL, NULL, NULL, NULL);",
        )
        .unwrap();
        conn
    }

    #[test]
    fn a_feed_in_which_looks_were_rows_reads_the_same_from_hits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("casement.db");
        let mut conn = before_0004(&path);
        let backups = dir.path().join("backups");
        assert!(migrate(&mut conn, &path, &backups, now()).unwrap());
        assert_eq!(
            std::fs::read_dir(&backups).unwrap().count(),
            1,
            "a backup came first"
        );
        let request = |campaign| ActivityList {
            before: None,
            campaign,
            limit: 0,
        };
        let told = |campaign| {
            let rows = activity::page(&conn, &request(campaign)).unwrap();
            let told = rows.into_iter().map(|row| (row.id, row.text));
            told.collect::<Vec<_>>()
        };
        let all = [
            (7, "address"),
            (6, "Ana looked"),
            (5, "Ana left"),
            (4, "Ana looked, through Gmail's image proxy"),
            (2, "Ana looked, with Firefox"),
            (1, "launched"),
        ]
        .map(|(id, text)| (id, text.to_owned()));
        assert_eq!(told(None), all, "by time, and each under a number of its own");
        assert_eq!(
            told(Some(CampaignId(2))),
            all[2..4],
            "a hit knows its message's campaign"
        );
        let number = |sql: &str| -> i64 { conn.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(
            number(
                "SELECT count(*) FROM hit WHERE id = 2 AND message_id = 1 AND at = 20 AND reason = 'browser'
                   AND rule_version = 3 AND client = 'Firefox' AND user_agent = 'Mozilla/5.0'
                   AND network = '192.0.2.0/24' AND client_hash = x'01' AND new_look = 1"
            ),
            1,
            "the facts are as they were"
        );
        assert_eq!(
            number("SELECT count(*) FROM hit"),
            4,
            "a hit that began no look is kept"
        );
        assert_eq!(check::check(&conn).unwrap().1, [""; 0]);
        activity::add(&conn, now(), &NewActivity::new(ActivityKind::Reach, "new")).unwrap();
        assert_eq!(
            told(None)[0],
            (8, "new".into()),
            "the next number is beyond both tables"
        );
        conn.execute_batch("PRAGMA foreign_keys = ON; DELETE FROM campaign")
            .unwrap();
        assert_eq!(told(None).len(), 2, "what belongs to a campaign goes with it");
        assert_eq!(number("SELECT count(*) FROM hit"), 0);
    }

    #[test]
    fn what_older_preparations_found_names_nobody_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("casement.db");
        let mut conn = before_0004(&path);
        conn.execute_batch(
            r#"UPDATE campaign SET preflight = '{"id":1,"to_send":2,"findings":[
                 {"level":"error","id":"render_failed","message":"\"ana@example.org\" is no address for a link.","examples":["ana@example.org"]},
                 {"level":"warning","id":"unresolved_field","message":"No value for town.","recipients":2,"examples":["ana@example.org"]}
               ],"from":"Club"}' WHERE id = 1;
               UPDATE campaign SET preflight = 'no JSON' WHERE id = 2;"#,
        )
        .unwrap();
        migrate(&mut conn, &path, &dir.path().join("backups"), now()).unwrap();
        let kept = |id: i64| -> String {
            conn.query_row("SELECT preflight FROM campaign WHERE id = ?1", [id], |row| {
                row.get(0)
            })
            .unwrap()
        };
        let after: serde_json::Value = serde_json::from_str(&kept(1)).unwrap();
        assert!(!kept(1).contains("ana@"), "{after:#}");
        let findings = after["findings"].as_array().unwrap();
        assert_eq!(
            (findings.len(), &after["to_send"], &after["from"]),
            (2, &2.into(), &"Club".into())
        );
        assert_eq!(findings[0]["level"], "error", "what blocked still blocks");
        assert_eq!(
            (&findings[1]["message"], &findings[1]["recipients"]),
            (&"No value for town.".into(), &2.into())
        );
        assert_eq!(kept(2), "no JSON", "what cannot be read is left as it is");
    }

    #[test]
    fn a_large_feed_is_brought_up_to_date_in_seconds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("casement.db");
        let mut conn = before_0004(&path);
        conn.execute_batch(
            "WITH RECURSIVE n (id) AS (SELECT 100 UNION ALL SELECT id + 1 FROM n WHERE id < 100099)
             INSERT INTO hit (id, message_id, at, class, reason, rule_version, client_hash, new_look)
             SELECT id, 1, id, 'bot', 'named', 1, x'01', 1 FROM n;
             INSERT INTO activity (at, kind, text, campaign_id, message_id)
             SELECT at, 'look', 'a crawler', 1, message_id FROM hit WHERE id >= 100;",
        )
        .unwrap();
        let began = std::time::Instant::now();
        migrate(&mut conn, &path, &dir.path().join("backups"), now()).unwrap();
        let (hits, lines): (i64, i64) = conn
            .query_row(
                "SELECT (SELECT count(*) FROM hit), (SELECT count(*) FROM activity)",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!((hits, lines), (100_004, 3));
        let spent = began.elapsed();
        assert!(spent.as_secs() < 30, "no step is quadratic: {spent:?}");
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
