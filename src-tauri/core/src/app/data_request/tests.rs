//! From a button of the page to the mail, and from the mail's link to the receipt: real sockets, real database.

mod erasing;

use super::*;
use crate::api::{
    AddressSet, ContactExport, ListenerStart, OutboxGet, OutboxList, OutboxMail, SendingStatusGet,
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
                conn.execute("UPDATE campaign SET practice = 0", [])
                    .map_err(store::Error::from)?;
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
fn a_copy_that_is_put_off_is_tried_again_later_each_time_and_then_given_up() {
    let reader = reader();
    let peer = Peer::start(Script {
        rcpt: |_| "451 4.7.1 Greylisted",
        ..Script::default()
    });
    reader.smtp(peer.address.port());
    reader.ask();
    let told = reader.activity().len();
    for minutes in [5, 10, 20, 40, 60, 120, 240, 480] {
        reader.deliver();
        assert_eq!(reader.activity().len(), told, "it may mend itself");
        reader.stage.bench.clock.advance(TimeDelta::minutes(minutes));
    }
    reader.deliver();
    let said = reader.activity().pop().unwrap();
    assert!(
        said.contains("Given up after 9 attempts: 451 4.7.1 Greylisted"),
        "{said}"
    );
    reader.stage.bench.clock.advance(TimeDelta::hours(24));
    reader.ask();
    assert_eq!(
        number(
            reader.engine(),
            "SELECT count(*) FROM data_request WHERE state = 'waiting'"
        ),
        1,
        "a day later the reader may ask again"
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
    let events = reader.engine().subscribe();
    sending::start(reader.engine());
    while status().data_requests > 0 {
        events.recv_timeout(Duration::from_secs(10)).unwrap();
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
