//! From a button of the page to the mail, and from the mail's link to the receipt: real sockets, real database.

use super::*;
use crate::api::{
    AddressSet, Code, ContactExport, ListenerStart, OutboxGet, OutboxList, OutboxMail, SendingStatusGet,
};
use crate::app::engine::EngineOptions;
use crate::app::sending_tests::Stage;
use crate::app::{account as accounts, control, outbox, reach, sending, tracking};
use crate::clock::Clock;
use crate::domain::consent::ConsentState;
use crate::ids::{ContactId, SeededEntropy};
use crate::mail::smtp::peer::{Ending, Peer, Script};
use crate::net::http;
use mail_parser::{MessageParser, MimeHeaders};
use serde_json::{Value, json};

fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// One person with a mail that was sent, and a listener that answers.
struct Reader {
    stage: Stage,
    id: ContactId,
    page: Token,
}

fn reader() -> Reader {
    let stage = Stage::set();
    let id = stage.person("ana@example.org", ConsentState::Granted);
    let campaign = stage.draft();
    stage.launch(campaign, 0);
    stage.send();
    listen(&stage.bench.engine);
    let page = stage.bench.engine.read(|conn| Ok(token_of(conn))).unwrap();
    Reader { stage, id, page }
}

fn token_of(conn: &Conn) -> Token {
    let bytes: Vec<u8> = conn
        .query_row("SELECT preference_token FROM message", [], |row| row.get(0))
        .unwrap();
    Token::from_bytes(&bytes).unwrap()
}

fn listen(engine: &Arc<Engine>) {
    let asked = ListenerStart {
        bind: Some("127.0.0.1:0".into()),
        behind_proxy: None,
        client_header: None,
    };
    tracking::start(engine, asked).unwrap();
}

fn number(engine: &Engine, sql: &str) -> i64 {
    engine
        .read(|conn| Ok(conn.query_row(sql, [], |row| row.get(0)).unwrap()))
        .unwrap()
}

/// Posts `action` to a page, or reads it, and returns the page.
fn page(engine: &Engine, path: &str, action: Option<&str>) -> String {
    let base = tracking::status(engine).unwrap().entrances[0].url.clone();
    let body = action.map(|action| format!("action={action}"));
    let answer = http::request(&format!("{base}{path}"), &[], body.as_deref()).unwrap();
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.body).unwrap()
}

fn on_its_way_to(page: &str, address: &str) -> bool {
    page.contains(&format!(
        "A mail is on its way to <bdi class=\"address\">{address}</bdi>"
    ))
}

impl Reader {
    fn engine(&self) -> &Arc<Engine> {
        &self.stage.bench.engine
    }

    fn ask(&self) -> String {
        page(self.engine(), &format!("/u/{}", self.page), Some("send_data"))
    }

    fn deliver(&self) {
        deliver_due(self.engine(), &|_| true).unwrap();
    }

    /// Returns the copies in the outbox, newest first.
    fn copies(&self) -> Vec<OutboxMail> {
        let all = outbox::list(self.engine(), from::<OutboxList>(json!({}))).unwrap();
        all.mails
            .into_iter()
            .filter(|mail| mail.subject.contains("holds about you"))
            .map(|mail| outbox::get(self.engine(), OutboxGet { id: mail.id }).unwrap())
            .collect()
    }

    /// Returns the path of the link that erases in the newest copy.
    fn link(&self) -> String {
        let text = self.copies()[0].text.clone();
        let at = text
            .find("https://t.example.org/e/")
            .expect("the mail has the link");
        let start = at + "https://t.example.org".len();
        text[start..].split_whitespace().next().unwrap().to_owned()
    }

    fn mailed_link(&self) -> String {
        self.ask();
        self.deliver();
        self.link()
    }

    fn activity(&self) -> Vec<String> {
        self.engine()
            .read(|conn| {
                let mut statement = conn.prepare("SELECT text FROM activity ORDER BY id").unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                Ok(rows.map(|row| row.unwrap()).collect())
            })
            .unwrap()
    }

    /// Makes the campaign's account one of a mail server.
    fn smtp(&self, port: u16) {
        self.engine()
            .db
            .write(Priority::Window, move |conn| -> store::Result<()> {
                conn.execute(
                    "UPDATE account SET kind = 'smtp', host = '127.0.0.1', port = ?1, tls = 'none'",
                    [port],
                )
                .map_err(store::Error::from)?;
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn the_copy_goes_to_the_address_on_file_and_is_never_on_the_page() {
    let reader = reader();
    let said = reader.ask();
    assert!(on_its_way_to(&said, "a…@example.org"), "{said}");
    for secret in ["ana@", "Ana", "Li<", "Spring"] {
        assert!(!said.contains(secret), "{secret} is not on the page");
    }
    assert!(reader.copies().is_empty(), "it is mailed by another thread");
    reader.deliver();
    let copies = reader.copies();
    assert_eq!(copies.len(), 1);
    let copy = &copies[0];
    assert_eq!(copy.row.to, "ana@example.org");
    assert_eq!(copy.row.subject, "What Club holds about you");
    assert_eq!((copy.pixel.as_deref(), copy.row.test), (None, false), "no pixel");
    let bytes = std::fs::read(reader.engine().workspace.dir().join(&copy.row.path)).unwrap();
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(
        mail.to().unwrap().first().unwrap().address(),
        Some("ana@example.org")
    );
    let file = mail.attachment(0).unwrap();
    assert_eq!(file.attachment_name(), Some("what-is-held.json"));
    let document: Value = serde_json::from_slice(file.contents()).unwrap();
    let exported = contact::export(reader.engine(), ContactExport { id: reader.id }).unwrap();
    for part in ["contact", "fields", "tracking_consent", "messages"] {
        assert_eq!(
            document[part], exported.document[part],
            "the document of an export"
        );
    }
    assert_eq!(exported.document["requests_for_a_copy"][0]["state"], "sent");
    assert_eq!(number(reader.engine(), "SELECT count(*) FROM hit"), 0);
}

#[test]
fn an_address_that_was_corrected_since_gets_the_copy() {
    let reader = reader();
    let saving = json!({ "id": reader.id, "email": "bea@example.net" });
    contact::save(reader.engine(), from(saving)).unwrap();
    assert!(on_its_way_to(&reader.ask(), "b…@example.net"));
    reader.deliver();
    assert_eq!(reader.copies()[0].row.to, "bea@example.net");
}

#[test]
fn a_person_gets_one_copy_a_day_however_often_it_is_asked_for() {
    let reader = reader();
    let first = reader.ask();
    assert_eq!(reader.ask(), first, "the page says the same");
    reader.deliver();
    reader.ask();
    reader.deliver();
    assert_eq!(reader.copies().len(), 1);
    let asked = |reader: &Reader| {
        reader
            .activity()
            .iter()
            .filter(|text| text.ends_with("about them"))
            .count()
    };
    assert_eq!(asked(&reader), 1, "nor is it told twice");
    reader.stage.bench.clock.advance(TimeDelta::hours(24));
    reader.ask();
    reader.deliver();
    assert_eq!(reader.copies().len(), 2);
}

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
fn an_account_that_cannot_send_leaves_the_request_waiting_and_says_so_once() {
    let reader = reader();
    let gone = Peer::start(Script::default()).address.port();
    reader.smtp(gone);
    reader.ask();
    for _ in 0..3 {
        reader.deliver();
        reader.stage.bench.clock.advance(ACCOUNT_REST);
    }
    assert_eq!(
        number(
            reader.engine(),
            "SELECT count(*) FROM data_request WHERE state = 'waiting' AND attempts = 0 AND problem IS NOT NULL"
        ),
        1,
        "not the mail's fault: no attempt is counted"
    );
    let said: Vec<String> = reader.activity();
    let said: Vec<&String> = said
        .iter()
        .filter(|text| text.contains("not mailed yet"))
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("Practice") && said[0].contains("Settings"),
        "{said:?}"
    );
    let peer = Peer::start(Script::default());
    reader.smtp(peer.address.port());
    reader.deliver();
    assert_eq!(peer.mails(), 1);
    assert_eq!(
        number(
            reader.engine(),
            "SELECT count(*) FROM data_request WHERE state = 'sent'"
        ),
        1
    );
}

#[test]
fn a_refused_copy_is_given_up_and_the_user_is_told_what_to_do() {
    let reader = reader();
    let peer = Peer::start(Script {
        rcpt: |_| "550 5.1.1 User unknown",
        ..Script::default()
    });
    reader.smtp(peer.address.port());
    reader.ask();
    reader.deliver();
    assert_eq!(
        number(
            reader.engine(),
            "SELECT count(*) FROM data_request WHERE state = 'failed'"
        ),
        1
    );
    let said = reader.activity().pop().unwrap();
    assert!(
        said.contains("550 5.1.1 User unknown") && said.contains("Export it"),
        "{said}"
    );
}

#[test]
fn a_copy_that_may_be_lost_is_mailed_again_and_both_links_work() {
    let reader = reader();
    let peer = Peer::start(Script {
        end: |index| match index {
            0 => Ending::Silence,
            _ => Ending::Reply("250 2.0.0 Ok: queued"),
        },
        ..Script::default()
    });
    reader.smtp(peer.address.port());
    reader.ask();
    reader.deliver();
    reader.deliver();
    assert_eq!(peer.mails(), 1, "not at once");
    reader.stage.bench.clock.advance(ACCOUNT_REST);
    reader.deliver();
    assert_eq!(peer.mails(), 2);
    assert_eq!(number(reader.engine(), "SELECT count(*) FROM erase_link"), 2);
}

#[test]
fn attempts_that_ended_in_crashes_are_not_repeated_for_ever() {
    let reader = reader();
    reader.ask();
    reader
        .engine()
        .db
        .write(Priority::Window, |conn| -> store::Result<()> {
            let token = Token::generate(&SeededEntropy::new(5));
            for _ in 0..retry::MAX_ATTEMPTS {
                data_request::begin(conn, 1, None, Instant::UNIX_EPOCH)?;
            }
            data_request::begin(conn, 1, Some(&token), Instant::UNIX_EPOCH)?;
            Ok(())
        })
        .unwrap();
    reader.deliver();
    assert!(reader.copies().is_empty());
    assert_eq!(
        number(
            reader.engine(),
            "SELECT count(*) FROM data_request WHERE state = 'failed'"
        ),
        1
    );
}

#[test]
fn where_the_account_is_gone_another_of_its_kind_mails_the_copy() {
    let reader = reader();
    reader.ask();
    reader
        .engine()
        .db
        .write(Priority::Window, |conn| -> store::Result<()> {
            conn.execute_batch(
                "UPDATE campaign SET account_id = NULL;
                 UPDATE account SET name = 'Old', kind = 'smtp', host = '127.0.0.1', port = 1, tls = 'none'",
            )
            .map_err(store::Error::from)
        })
        .unwrap();
    reader.deliver();
    assert!(
        reader.activity().pop().unwrap().contains("There is no account"),
        "practice is not mailed to a real address"
    );
    let other =
        json!({ "name": "Other", "kind": "outbox", "from_name": "Club", "from_address": "club@example.org" });
    accounts::save(reader.engine(), from(other)).unwrap();
    reader.stage.bench.clock.advance(ACCOUNT_REST);
    reader.deliver();
    assert_eq!(reader.copies().len(), 1);
}

#[test]
fn without_an_address_of_our_own_the_copy_says_how_else_to_be_erased() {
    let reader = reader();
    let none = AddressSet {
        url: None,
        local: false,
    };
    reach::address_set(reader.engine(), none).unwrap();
    reader
        .engine()
        .db
        .write(Priority::Window, |conn| -> store::Result<()> {
            conn.execute_batch("UPDATE campaign SET route_id = (SELECT id FROM route WHERE kind = 'none')")
                .map_err(store::Error::from)
        })
        .unwrap();
    reader.ask();
    reader.deliver();
    let text = &reader.copies()[0].text;
    assert!(
        text.contains("answer this mail") && !text.contains("/e/"),
        "{text}"
    );
    assert_eq!(number(reader.engine(), "SELECT count(*) FROM erase_link"), 0);
}

#[test]
fn a_request_waits_until_an_engine_sends_and_is_then_mailed_by_itself() {
    let reader = reader();
    reader.ask();
    let status = || control::status(reader.engine(), SendingStatusGet {}).unwrap();
    assert_eq!(status().data_requests, 1);
    sending::start(reader.engine());
    let events = reader.engine().subscribe();
    while status().data_requests > 0 {
        events.recv_timeout(Duration::from_secs(10)).ok();
    }
    sending::stop(reader.engine());
    assert_eq!(reader.copies().len(), 1);
}

#[test]
fn a_button_pressed_while_the_engine_sends_wakes_the_mailer() {
    let reader = reader();
    sending::start(reader.engine());
    let events = reader.engine().subscribe();
    reader.ask();
    while reader.copies().is_empty() {
        events.recv_timeout(Duration::from_secs(10)).unwrap();
    }
    sending::stop(reader.engine());
}

/// Opens the reader's workspace again, as after a crash.
fn again(reader: &Reader) -> Arc<Engine> {
    reader.engine().shutdown();
    let source = reader.engine().workspace.dir();
    let copy = reader.stage.bench.dir.path().join("again");
    // The first engine holds its lock as long as it lives, so the second gets a copy of the folder.
    copy_folder(source, &copy);
    let options = EngineOptions {
        workspace: copy,
        ..EngineOptions::like(reader.engine())
    };
    Engine::open(options).unwrap()
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_request_that_was_answered_is_mailed_after_a_crash() {
    let reader = reader();
    reader.ask();
    let engine = again(&reader);
    deliver_due(&engine, &|_| true).unwrap();
    assert_eq!(
        number(&engine, "SELECT count(*) FROM data_request WHERE state = 'sent'"),
        1
    );
    engine.shutdown();
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
    assert_eq!(
        contact::export(reader.engine(), ContactExport { id: ContactId(99) })
            .unwrap_err()
            .code,
        Code::NotFound,
        "the workspace can still be read"
    );
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
