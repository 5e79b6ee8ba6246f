//! The page behind the link that erases, its receipt, and what a crash leaves of it.

use super::*;

#[test]
fn reading_the_page_that_erases_never_erases() {
    let reader = reader();
    let link = reader.mailed_link();
    for path in [link.clone(), format!("{link}?action=erase")] {
        let shown = page(reader.engine(), &path, None);
        assert!(shown.contains("Erase everything about me") && shown.contains("a…@example.org"));
    }
    page(reader.engine(), &link, Some("unsubscribe"));
    assert_eq!(number(reader.engine(), "SELECT count(*) FROM contact"), 1);
    assert_eq!(number(reader.engine(), "SELECT count(*) FROM suppression"), 0);
    assert_eq!(
        number(
            reader.engine(),
            "SELECT count(*) FROM erase_link WHERE asked_at IS NOT NULL"
        ),
        0
    );
}

#[test]
fn the_receipt_comes_after_the_erasure_and_can_be_read_again() {
    let reader = reader();
    let link = reader.mailed_link();
    let backups = reader.engine().workspace.backups();
    std::fs::create_dir_all(&backups).unwrap();
    std::fs::write(backups.join("casement-20260331T080000000Z.db"), "").unwrap();
    let receipt = page(reader.engine(), &link, Some("erase"));
    assert!(
        receipt.contains("Erased.") && receipt.contains("30 April 2026"),
        "{receipt}"
    );
    assert_eq!(number(reader.engine(), "SELECT count(*) FROM contact"), 0);
    // A backup that is made later does not hold them.
    std::fs::write(backups.join("casement-20260401T090000000Z.db"), "").unwrap();
    for action in [None, Some("erase")] {
        assert_eq!(page(reader.engine(), &link, action), receipt);
    }
    assert!(
        reader
            .activity()
            .contains(&"A reader had themselves erased".to_owned())
    );
    reader.stage.bench.clock.advance(TimeDelta::hours(24));
    assert!(page(reader.engine(), &link, None).contains("has expired or is not known"));
    let preferences = page(reader.engine(), &format!("/u/{}", reader.page), Some("send_data"));
    assert!(preferences.contains("nothing to mail"), "{preferences}");
}

#[test]
fn whoever_erased_themselves_is_in_no_table_and_no_file() {
    let reader = reader();
    let link = reader.mailed_link();
    assert!(page(reader.engine(), &link, Some("erase")).contains("Erased."));
    assert_eq!(number(reader.engine(), "SELECT count(*) FROM data_request"), 0);
    reader.engine().shutdown();
    let mut folders = vec![reader.engine().workspace.dir().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            assert!(!text.contains("ana@example"), "{} holds them", path.display());
        }
    }
}

#[test]
fn an_expired_link_and_an_unknown_one_get_the_same_page() {
    let reader = reader();
    let link = reader.mailed_link();
    reader.stage.bench.clock.advance(TimeDelta::hours(24));
    let unknown = format!("/e/{}", Token::generate(&SeededEntropy::new(99)));
    let expired = page(reader.engine(), &link, None);
    assert!(expired.contains("has expired or is not known"));
    for (path, action) in [
        (&link, Some("erase")),
        (&unknown, None),
        (&unknown, Some("erase")),
    ] {
        assert_eq!(page(reader.engine(), path, action), expired);
    }
    assert_eq!(number(reader.engine(), "SELECT count(*) FROM contact"), 1);
}

#[test]
fn an_erasure_that_a_crash_interrupted_is_finished_at_the_next_start() {
    let reader = reader();
    let link = reader.mailed_link();
    let token = Token::parse(link.trim_start_matches("/e/")).unwrap();
    let now = reader.stage.bench.clock.now();
    // What the button leaves on disk before anything is erased.
    let pressed = reader
        .engine()
        .db
        .write(Priority::Hits, move |conn| press(conn, &token, now, &[]))
        .unwrap();
    assert!(matches!(pressed, Page::Erasure(Erasure::Started { .. })));
    let engine = again(&reader);
    assert_eq!(number(&engine, "SELECT count(*) FROM contact"), 0);
    listen(&engine);
    assert!(page(&engine, &link, None).contains("Erased."));
    engine.shutdown();
}

#[cfg(unix)]
#[test]
fn an_erasure_that_cannot_be_finished_is_not_called_finished() {
    let reader = reader();
    let link = reader.mailed_link();
    let path = reader.engine().workspace.dir().join(&reader.copies()[0].row.path);
    // A folder where the mail's file was cannot be removed as a file.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    for _ in 0..2 {
        let said = page(reader.engine(), &link, Some("erase"));
        assert!(
            said.contains("has been started") && !said.contains("Erased."),
            "{said}"
        );
    }
    let said = reader.activity();
    let said = said.iter().filter(|text| text.contains("not finished")).count();
    assert_eq!(said, 1, "the user is told once");
    std::fs::remove_dir(&path).unwrap();
    assert!(page(reader.engine(), &link, Some("erase")).contains("Erased."));
}

#[test]
fn what_cannot_be_stored_is_not_said_to_be_mailed_or_erased() {
    let reader = reader();
    let link = reader.mailed_link();
    let base = tracking::status(reader.engine()).unwrap().entrances[0]
        .url
        .clone();
    reader.engine().db.close();
    for (path, action) in [
        (format!("/u/{}", reader.page), "action=send_data"),
        (link, "action=erase"),
    ] {
        let answer = http::request(&format!("{base}{path}"), &[], Some(action)).unwrap();
        assert_eq!(answer.status, 503, "{path}");
    }
}

#[test]
fn a_backup_is_gone_when_a_receipt_says_so() {
    let reader = reader();
    let backups = reader.engine().workspace.backups();
    std::fs::create_dir_all(&backups).unwrap();
    std::fs::write(backups.join("casement-20260401T070000000Z.db"), "").unwrap();
    reader.stage.bench.clock.advance(TimeDelta::days(29));
    prune(reader.engine());
    assert_eq!(contact::backups(reader.engine()).len(), 1);
    reader.stage.bench.clock.advance(TimeDelta::days(1));
    let engine = again(&reader);
    assert!(
        contact::backups(&engine).is_empty(),
        "also where nothing is backed up any more"
    );
    engine.shutdown();
}

#[test]
fn a_copy_that_left_while_its_reader_was_erased_does_not_outlive_them() {
    let reader = reader();
    reader.ask();
    let now = reader.stage.bench.clock.now();
    let due = reader
        .engine()
        .read(|conn| Ok(data_request::next_due(conn, now)?))
        .unwrap()
        .unwrap();
    let ids = vec![reader.id];
    contact::erase(reader.engine(), ContactErase { ids }).unwrap();
    // The transport was in the middle of this.
    let file = reader.engine().workspace.dir().join("outbox/other/late.eml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "To: ana@example.org").unwrap();
    reader
        .engine()
        .db
        .write(Priority::Sending, |conn| -> store::Result<()> {
            conn.execute_batch(
                "INSERT INTO outbox_mail (at, to_address, subject, path)
                 VALUES (0, 'ana@example.org', 's', 'outbox/other/late.eml')",
            )
            .map_err(store::Error::from)
        })
        .unwrap();
    let reply = String::new();
    settle(reader.engine(), &due, Outcome::Sent { reply }).unwrap();
    assert!(!file.exists() && reader.copies().is_empty());
    assert!(!reader.activity().iter().any(|text| text.contains("Ana")));
}
