//! The writer over real files: what fails alone, what fails together, and what is kept all the same.

use super::*;
use crate::clock::SystemClock;
use crate::store::setting;

fn open() -> (tempfile::TempDir, Db) {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(
        &dir.path().join("casement.db"),
        &dir.path().join("backups"),
        &SystemClock,
        Durability::Full,
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
    let error = Db::open(&path, &dir.path().join("backups"), &SystemClock, Durability::Full)
        .err()
        .unwrap();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

fn reopen(dir: &tempfile::TempDir) -> Db {
    Db::open(
        &dir.path().join("casement.db"),
        &dir.path().join("backups"),
        &SystemClock,
        Durability::Full,
    )
    .unwrap()
}

/// Keeps `word` under the name of its own.
fn keep(db: &Db, word: &str) -> Result<Stored<()>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let (name, record) = (word.to_owned(), word.as_bytes().to_vec());
    db.submit_kept(
        Priority::Hits,
        move |conn| setting::set(conn, &name, &"x".repeat(20_000)),
        move || record,
        move |result| sender.send(result).unwrap(),
    );
    receiver.recv_timeout(Duration::from_secs(60)).unwrap()
}

/// Applies a record by noting its word: twice is seen.
fn note(conn: &Conn, bytes: &[u8]) -> Result<()> {
    counter::add(conn, std::str::from_utf8(bytes).unwrap())
}

fn wait_replayed(db: &Db) {
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while db.spooled() > 0 {
        assert!(std::time::Instant::now() < end, "the spool should empty itself");
        std::thread::yield_now();
    }
}

fn count(db: &Db, word: &'static str) -> u64 {
    db.read(|conn| counter::get(conn, word)).unwrap()
}

/// Lets the database grow no more, as a full disk would.
fn fill(db: &Db) {
    db.write(Priority::Window, |conn| -> Result<()> {
        let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let _: i64 = conn.query_row(&format!("PRAGMA max_page_count = {}", pages + 1), [], |row| {
            row.get(0)
        })?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_a_full_disk_does_not_take_is_kept_and_applied_when_there_is_room() {
    let (_dir, db) = open();
    db.replay_with(Box::new(note));
    db.prepare_spool();
    fill(&db);
    assert_eq!(keep(&db, "one").unwrap(), Stored::Spooled);
    assert!(db.problem().unwrap().is_disk_full(), "the window can say so");
    assert_eq!(keep(&db, "two").unwrap(), Stored::Spooled);
    wait_replayed(&db);
    // The notes are small and fit; what was kept is applied once.
    assert_eq!((count(&db, "one"), count(&db, "two")), (1, 1));
    assert!(db.problem().is_none(), "all is well again");
}

#[test]
fn without_a_spool_what_cannot_be_stored_is_refused() {
    let (_dir, db) = open();
    db.replay_with(Box::new(note));
    fill(&db);
    assert!(keep(&db, "one").unwrap_err().is_disk_full());
}

#[test]
fn what_was_kept_before_a_crash_is_applied_at_the_next_start_and_only_once() {
    let (dir, db) = open();
    db.prepare_spool();
    fill(&db);
    // Nobody has said how to apply it, so it stays in the spool.
    assert_eq!(keep(&db, "one").unwrap(), Stored::Spooled);
    assert_eq!(db.spooled(), 1);
    drop(db);
    let before = std::fs::read(dir.path().join("spool")).unwrap();
    let db = reopen(&dir);
    assert_eq!(db.spooled(), 1);
    db.replay_with(Box::new(note));
    wait_replayed(&db);
    assert_eq!(count(&db, "one"), 1);
    drop(db);
    // As if the power had gone before the spool was overwritten.
    std::fs::write(dir.path().join("spool"), before).unwrap();
    let db = reopen(&dir);
    db.replay_with(Box::new(note));
    assert_eq!(db.spooled(), 0, "the database knows how far it came");
    assert_eq!(count(&db, "one"), 1);
}

#[test]
fn what_failed_with_a_transaction_that_is_there_after_all_is_not_applied_again() {
    let (dir, db) = open();
    db.prepare_spool();
    db.write(Priority::Window, |conn| setting::set(conn, "something", &1))
        .unwrap();
    let there = count(&db, counter::TRANSACTION);
    assert!(there > 0);
    drop(db);
    let mut spool = Spool::open(&dir.path().join("spool"), 0).unwrap().unwrap();
    // Its commit was reported as failed, and the crash that followed brought it to the file.
    spool.append(there, &[b"one".to_vec()]).unwrap();
    spool.append(there + 1, &[b"two".to_vec()]).unwrap();
    drop(spool);
    let db = reopen(&dir);
    db.replay_with(Box::new(note));
    wait_replayed(&db);
    assert_eq!((count(&db, "one"), count(&db, "two")), (0, 1));
}

#[test]
fn a_record_that_cannot_be_applied_holds_up_nobody() {
    let (_dir, db) = open();
    db.prepare_spool();
    fill(&db);
    assert_eq!(keep(&db, "broken").unwrap(), Stored::Spooled);
    assert_eq!(keep(&db, "whole").unwrap(), Stored::Spooled);
    db.replay_with(Box::new(|conn, bytes| match bytes {
        b"broken" => Err(Error::Value("on purpose".into())),
        bytes => note(conn, bytes),
    }));
    wait_replayed(&db);
    assert_eq!((count(&db, "broken"), count(&db, "whole")), (0, 1));
}

#[test]
fn who_holds_the_lock_delays_a_reader_by_no_more_than_the_patience_and_loses_nothing() {
    let (dir, db) = open();
    db.replay_with(Box::new(note));
    db.prepare_spool();
    let other = Connection::open(dir.path().join("casement.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(keep(&db, "one").unwrap(), Stored::Spooled);
    other.execute_batch("ROLLBACK").unwrap();
    wait_replayed(&db);
    assert_eq!(count(&db, "one"), 1);
    assert_eq!(keep(&db, "two").unwrap(), Stored::Committed(()));
}

#[test]
fn a_failure_of_a_kept_write_that_is_not_the_disks_is_not_spooled() {
    let (_dir, db) = open();
    db.prepare_spool();
    let (sender, receiver) = mpsc::sync_channel(1);
    db.submit_kept(
        Priority::Hits,
        |_| -> Result<()> { Err(Error::Value("on purpose".into())) },
        || b"never".to_vec(),
        move |result| sender.send(result).unwrap(),
    );
    let result = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(matches!(result, Err(Error::Value(_))), "{result:?}");
    assert_eq!(db.spooled(), 0);
}

#[test]
fn what_a_failed_transaction_replayed_that_is_there_after_all_is_not_replayed_again() {
    let (dir, db) = open();
    db.prepare_spool();
    fill(&db);
    assert_eq!(keep(&db, "one").unwrap(), Stored::Spooled);
    assert_eq!(keep(&db, "two").unwrap(), Stored::Spooled);
    // As if a commit that was reported as failed had applied the first, and had come to the file with a reopening.
    let other = Connection::open(dir.path().join("casement.db")).unwrap();
    counter::set(&other, counter::REPLAYED, 1).unwrap();
    drop(other);
    db.replay_with(Box::new(note));
    wait_replayed(&db);
    assert_eq!((count(&db, "one"), count(&db, "two")), (0, 1));
    assert_eq!(count(&db, counter::REPLAYED), 2);
}

#[test]
fn closing_folds_the_log_into_the_file_whoever_has_read() {
    for _ in 0..40 {
        let (dir, db) = open();
        db.write(Priority::Window, |conn| {
            conn.execute_batch("INSERT INTO setting VALUES ('a', '1')")
                .map_err(Error::from)
        })
        .unwrap();
        db.read(|conn| conn.query_row("SELECT 1", [], |_| Ok(())).map_err(Error::from))
            .unwrap();
        db.close();
        assert!(
            !dir.path().join("casement.db-wal").exists(),
            "the log is left behind"
        );
        let refused: Result<()> = db.read(|_| Ok(()));
        assert!(matches!(refused, Err(Error::Closed)));
    }
}

#[test]
fn an_era_ends_with_any_other_write_and_with_whatever_is_rolled_back() {
    let (_dir, db) = open();
    let era = db.era();
    let within = |fails: bool| -> Result<()> {
        db.write_within_era(Priority::Sending, move |conn| {
            setting::set(conn, "within", &1)?;
            match fails {
                true => Err(Error::Value("on purpose".into())),
                false => Ok(()),
            }
        })
    };
    let first = era.number();
    within(false).unwrap();
    within(false).unwrap();
    assert_eq!(era.number(), first, "what it read itself still holds");
    within(true).unwrap_err();
    let second = era.number();
    assert!(second > first, "what it may have read of its own is not there");
    db.write(Priority::OptOuts, |conn| setting::set(conn, "other", &2))
        .unwrap();
    let third = era.number();
    assert!(third > second, "whoever writes may have changed what was read");
    let seen = era.clone();
    let inside: u64 = db
        .write(Priority::Window, move |_| Ok::<_, Error>(seen.number()))
        .unwrap();
    assert!(
        inside > third,
        "it has ended before the write begins, not after it is on disk"
    );
    db.write_within_era(Priority::Sending, |_| Err::<(), _>(Error::Closed))
        .unwrap_err();
    assert!(era.number() > inside);
}

#[test]
fn every_change_of_a_person_is_counted_and_nothing_else_is() {
    let (_dir, db) = open();
    let mut before = db.people_changes();
    let mut changes = |sql: &'static str| {
        db.write(Priority::Window, move |conn| {
            conn.execute_batch(sql).map_err(Error::from)
        })
        .unwrap();
        let now = db.people_changes();
        now - std::mem::replace(&mut before, now)
    };
    let people = "INSERT INTO contact (email, email_key, created_at)
                  VALUES ('a@example.org', 'a@example.org', 0), ('b@example.org', 'b@example.org', 0)";
    assert_eq!(changes(people), 2);
    assert_eq!(
        changes("INSERT INTO list (name, created_at) VALUES ('Members', 0)"),
        0
    );
    assert_eq!(
        changes("UPDATE contact SET revision = revision + 1 WHERE email = 'a@example.org'"),
        1
    );
    assert_eq!(changes("UPDATE contact SET consent = 'refused'"), 2);
    assert_eq!(changes("DELETE FROM contact WHERE email = 'b@example.org'"), 1);
    assert_eq!(
        changes("DELETE FROM contact"),
        1,
        "all at once are removed row by row, too"
    );
}
