//! The listener over real sockets and a real database.

use super::*;
use crate::api::{Code, Event};
use crate::app::testing::{Bench, bench};
use crate::ids::SeededEntropy;
use crate::render::pixel::GIF;
use chrono::TimeDelta;
use std::io::{Read, Write};
use std::net::TcpStream;

const HEADER: &str = "X-Client";
const THUNDERBIRD: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.9.0";
const GMAIL: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const FORM: &str = "application/x-www-form-urlencoded";

/// A listening engine with one launched campaign, whose window is 2026-04-01 08:00 to 2026-05-01 08:00.
struct Desk {
    bench: Bench,
    direct: String,
    proxied: String,
}

/// A mail that was sent.
struct Mail {
    id: i64,
    pixel: Token,
    page: Token,
}

struct Answer {
    status: u16,
    /// Lines without `Date`.
    head: Vec<String>,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn asked(bind: &str, behind_proxy: &str) -> ListenerStart {
    ListenerStart {
        bind: Some(bind.into()),
        behind_proxy: Some(behind_proxy.into()),
        client_header: Some(HEADER.into()),
    }
}

fn desk() -> Desk {
    let bench = bench();
    bench
        .engine
        .db
        .write(Priority::Window, |conn| {
            conn.execute_batch(
                "INSERT INTO account (id, name, kind, from_name, from_address, created_at)
                 VALUES (1, 'News', 'outbox', 'Harbour Club', 'News@Example.org', 0);
                 INSERT INTO campaign (id, name, account_id, document, state, opens_from, opens_until, shared_token,
                                       created_at, updated_at)
                 VALUES (1, 'Spring', 1, '{}', 'running', 1775030400000, 1777622400000, x'00112233445566778899aabbccddeeff',
                         0, 0);",
            )
            .map_err(store::Error::from)
        })
        .unwrap();
    start(&bench.engine, asked("127.0.0.1:0", "127.0.0.1:0")).unwrap();
    let urls: Vec<String> = status(&bench.engine)
        .unwrap()
        .entrances
        .into_iter()
        .map(|entrance| entrance.url.trim_start_matches("http://").to_owned())
        .collect();
    Desk {
        direct: urls[0].clone(),
        proxied: urls[1].clone(),
        bench,
    }
}

impl Desk {
    fn write<T: Send + 'static>(&self, write: impl FnOnce(&Conn) -> store::Result<T> + Send + 'static) -> T {
        self.bench.engine.db.write(Priority::Window, write).unwrap()
    }

    fn number(&self, sql: &'static str) -> i64 {
        self.bench
            .engine
            .db
            .read(|conn| {
                conn.query_row(sql, [], |row| row.get(0))
                    .map_err(store::Error::from)
            })
            .unwrap()
    }

    fn texts(&self, sql: &'static str) -> Vec<String> {
        self.bench
            .engine
            .db
            .read(|conn| {
                let mut statement = conn.prepare(sql)?;
                let rows = statement.query_map([], |row| row.get(0))?;
                rows.collect::<rusqlite::Result<Vec<String>>>()
                    .map_err(store::Error::from)
            })
            .unwrap()
    }

    /// Adds a person who granted tracking, and a mail to them that was accepted at 08:00.
    fn mail(&self, n: u8) -> Mail {
        let entropy = SeededEntropy::new(1000 + u64::from(n));
        let (pixel, page) = (Token::generate(&entropy), Token::generate(&entropy));
        let id = self.write(move |conn| {
            conn.execute(
                "INSERT INTO contact (id, email, email_key, first_name, last_name, consent, created_at)
                 VALUES (?1, ?2, ?2, 'Ana', 'Li', 'granted', 0)
                 ON CONFLICT DO NOTHING",
                (n, format!("reader{n}@example.net")),
            )?;
            conn.execute(
                "INSERT INTO message (campaign_id, contact_id, email, address_hash, state, tracking, pixel_token,
                                      preference_token, accepted_at)
                 VALUES (1, ?1, ?2, ?3, 'accepted', 'personal', ?4, ?5, 1775030400000)",
                (n, format!("reader{n}@example.net"), [n; 16], pixel.as_bytes(), page.as_bytes()),
            )?;
            Ok(conn.last_insert_rowid())
        });
        Mail { id, pixel, page }
    }

    fn look(&self, mail: &Mail, user_agent: &str, fields: &str) -> Answer {
        let from = if fields.contains(HEADER) {
            ""
        } else {
            "X-Client: 198.51.100.7\r\n"
        };
        self.get(
            &format!("/o/{}.gif", mail.pixel),
            &format!("User-Agent: {user_agent}\r\n{from}{fields}"),
        )
    }

    fn get(&self, path: &str, fields: &str) -> Answer {
        send(
            &self.proxied,
            &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n"),
        )
    }

    fn post(&self, mail: &Token, kind: &str, body: &str) -> Answer {
        send(
            &self.proxied,
            &format!(
                "POST /u/{mail} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        )
    }
}

fn connect(addr: &str) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn send(addr: &str, request: &str) -> Answer {
    let mut stream = connect(addr);
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    read(&bytes)
}

fn read(bytes: &[u8]) -> Answer {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head
            .lines()
            .filter(|line| !line.starts_with("Date:"))
            .map(str::to_owned)
            .collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

const HITS: &str = "SELECT count(*) FROM hit";
const LOOKS: &str = "SELECT coalesce(sum(looks), 0) FROM message";

#[test]
fn every_token_gets_the_same_bytes_and_headers() {
    let desk = desk();
    let (valid, refused, late) = (desk.mail(1), desk.mail(2), desk.mail(3));
    desk.write(|conn| Ok(conn.execute("UPDATE message SET opted_out_at = 1 WHERE contact_id = 2", [])?));
    let unknown = Mail {
        id: 0,
        pixel: Token::generate(&SeededEntropy::new(9)),
        page: Token::generate(&SeededEntropy::new(9)),
    };
    let mut answers = vec![
        desk.look(&valid, THUNDERBIRD, ""),
        desk.look(&refused, THUNDERBIRD, ""),
        desk.look(&unknown, THUNDERBIRD, ""),
        desk.look(&valid, THUNDERBIRD, "DNT: 1\r\n"),
        desk.look(&valid, "", ""),
    ];
    desk.bench.clock.advance(TimeDelta::days(60));
    answers.push(desk.look(&late, THUNDERBIRD, ""));
    for answer in &answers {
        assert_eq!(
            answer.head,
            [
                "HTTP/1.1 200 OK",
                "Server: tiny-http (Rust)",
                "Content-Type: image/gif",
                "Cache-Control: no-store, no-cache, must-revalidate, private, max-age=0",
                "Pragma: no-cache",
                "Expires: 0",
                "X-Content-Type-Options: nosniff",
                "Referrer-Policy: no-referrer",
                "Cross-Origin-Resource-Policy: cross-origin",
                "X-Robots-Tag: noindex",
                "Content-Length: 43",
            ]
        );
        assert_eq!(answer.body, GIF);
    }
    assert_eq!(
        desk.number("SELECT n FROM counter WHERE name = 'requests'"),
        6,
        "each waited for a commit"
    );
    assert_eq!(
        desk.number("SELECT n FROM counter WHERE name = 'unknown_token'"),
        1
    );
}

#[test]
fn head_has_the_headers_and_no_body_and_is_no_look() {
    let desk = desk();
    let mail = desk.mail(1);
    let answer = send(
        &desk.proxied,
        &format!(
            "HEAD /o/{}.gif HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            mail.pixel
        ),
    );
    assert_eq!(answer.status, 200);
    assert!(
        answer.head.contains(&"Content-Length: 43".to_owned()),
        "{:?}",
        answer.head
    );
    assert!(answer.body.is_empty());
    assert_eq!(desk.texts("SELECT signal FROM message"), ["machine_only"]);
}

#[test]
fn requests_not_to_be_recorded_leave_only_a_number() {
    let desk = desk();
    let mail = desk.mail(1);
    let table = [
        ("DNT: 1\r\n", false),
        ("DNT:  1 \r\n", false),
        ("dnt: 1\r\n", false),
        ("sEc-GpC: 1\r\n", false),
        ("DNT: 0\r\nDNT: 1\r\n", false),
        ("Sec-GPC: 0, 1\r\n", false),
        ("DNT: 0\r\n", true),
        ("DNT: null\r\n", true),
        ("Sec-GPC: yes\r\n", true),
        ("", true),
    ];
    let (mut stored, mut kept_out) = (0, 0);
    for (fields, is_recorded) in table {
        assert_eq!(desk.look(&mail, THUNDERBIRD, fields).status, 200);
        if is_recorded {
            stored += 1;
        } else {
            kept_out += 1;
        }
        assert_eq!(desk.number(HITS), stored, "{fields:?}");
        assert_eq!(
            desk.number(
                "SELECT coalesce(sum(n), 0) FROM campaign_counter WHERE name = 'not_recorded_at_request'"
            ),
            kept_out,
            "{fields:?}"
        );
    }
}

#[test]
fn opens_count_from_the_first_instant_of_the_window_to_before_its_end() {
    let desk = desk();
    let mail = desk.mail(1);
    let from: Instant = "2026-04-01T08:00:00Z".parse().unwrap();
    let until: Instant = "2026-05-01T08:00:00Z".parse().unwrap();
    let moment = TimeDelta::milliseconds(1);
    for (at, wanted) in [
        (from - moment, [1, 0, 0]),
        (from, [1, 1, 0]),
        (until - moment, [1, 2, 0]),
        (until, [1, 2, 1]),
    ] {
        desk.bench.clock.set(at);
        desk.look(&mail, THUNDERBIRD, "");
        let counts =
            ["SELECT early FROM message", HITS, "SELECT late FROM message"].map(|sql| desk.number(sql));
        assert_eq!(counts, wanted, "at {at}");
    }
    assert_eq!(
        desk.number("SELECT sum(n) FROM hourly WHERE class = 'outside'"),
        2
    );
    assert_eq!(
        desk.number("SELECT n FROM campaign_counter WHERE name = 'early'"),
        1
    );
    assert_eq!(
        desk.number("SELECT n FROM campaign_counter WHERE name = 'late'"),
        1
    );
}

#[test]
fn beyond_the_cap_hits_are_only_counted() {
    let desk = desk();
    let mail = desk.mail(1);
    for _ in 0..12 {
        desk.look(&mail, "curl/8.0", "");
    }
    assert_eq!(desk.number(HITS), 8, "eight by machines");
    for _ in 0..15 {
        desk.look(&mail, THUNDERBIRD, "");
    }
    assert_eq!(desk.number(HITS), 20, "twenty in all");
    assert_eq!(desk.number("SELECT over_cap FROM message"), 7);
    assert_eq!(
        desk.number("SELECT n FROM campaign_counter WHERE name = 'over_cap'"),
        7
    );
    desk.look(&mail, GMAIL, "");
    assert_eq!(desk.number(HITS), 21, "the first of each kind is always kept");
    assert_eq!(desk.number("SELECT hits FROM message"), 21);
    assert_eq!(desk.number("SELECT machine_hits FROM message"), 8);
}

#[test]
fn hits_of_one_client_within_thirty_minutes_are_one_look() {
    let desk = desk();
    let mail = desk.mail(1);
    let wait = |minutes| desk.bench.clock.advance(TimeDelta::minutes(minutes));
    desk.look(&mail, THUNDERBIRD, "");
    wait(29);
    desk.look(&mail, THUNDERBIRD, "");
    assert_eq!(desk.number(LOOKS), 1, "29 minutes later is the same look");
    wait(30);
    desk.look(&mail, THUNDERBIRD, "");
    assert_eq!(desk.number(LOOKS), 2, "30 minutes later is a new one");
    desk.look(&mail, THUNDERBIRD, "X-Client: 203.0.113.5\r\n");
    assert_eq!(desk.number(LOOKS), 3, "another address is another client");
    for host in 1..5 {
        desk.look(
            &mail,
            "YahooMailProxy; https://senders.yahooinc.com/mail-proxy-servers",
            &format!("X-Client: 203.0.113.{host}\r\n"),
        );
    }
    assert_eq!(
        desk.number(LOOKS),
        4,
        "a service fetches from many machines for one look"
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM activity WHERE kind = 'look'"),
        4
    );
    assert_eq!(
        desk.number("SELECT sum(n) FROM hourly WHERE class = 'first_open'"),
        1
    );
    assert_eq!(
        desk.number("SELECT sum(n) FROM hourly WHERE class LIKE 'human%'"),
        4
    );
}

#[test]
fn a_prefetch_and_then_the_proxy_are_one_open() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.bench.clock.advance(TimeDelta::seconds(25));
    desk.look(&mail, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0", "");
    assert_eq!(desk.texts("SELECT signal FROM message"), ["machine_only"]);
    desk.bench.clock.advance(TimeDelta::seconds(5));
    desk.look(&mail, GMAIL, "");
    assert_eq!(desk.texts("SELECT signal FROM message"), ["human"]);
    assert_eq!(
        desk.number("SELECT first_open_at FROM message"),
        1_775_030_430_000
    );
    assert_eq!(
        desk.texts("SELECT text FROM activity ORDER BY id"),
        [
            "Gmail fetched the picture in Ana Li's mail in advance",
            "Ana Li looked, through Gmail's image proxy"
        ]
    );
    desk.look(&mail, "Mozilla/5.0", "");
    assert_eq!(
        desk.texts("SELECT signal FROM message"),
        ["human"],
        "a machine takes nothing away"
    );
    assert!(desk.number("SELECT mpp_seen_at FROM contact") > 0);
}

#[test]
fn only_a_prefix_of_the_readers_address_is_on_disk() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.look(&mail, THUNDERBIRD, "X-Client: 10.0.0.1, 198.51.100.234\r\n");
    assert_eq!(
        desk.texts("SELECT network FROM hit"),
        ["198.51.100.0/24"],
        "the last entry is the proxy's own"
    );
    desk.look(&mail, THUNDERBIRD, "X-Client: unknown\r\n");
    assert_eq!(desk.texts("SELECT network FROM hit ORDER BY id")[1], "");
    let Desk { bench, .. } = desk;
    bench.engine.shutdown();
    let folder = bench.dir.path().join("workspace");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(
                !bytes.windows(14).any(|part| part == b"198.51.100.234"),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn the_senders_own_looks_are_kept_out() {
    let desk = desk();
    let (mail, own) = (desk.mail(1), desk.mail(2));
    desk.write(|conn| {
        Ok(conn.execute(
            "UPDATE message SET email = 'news@EXAMPLE.org' WHERE contact_id = 2",
            [],
        )?)
    });
    desk.look(&own, THUNDERBIRD, "");
    let request = format!(
        "GET /o/{}.gif HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Client: 198.51.100.7\r\n\r\n",
        mail.pixel
    );
    assert_eq!(send(&desk.direct, &request).body, GIF);
    assert_eq!(
        desk.number(HITS),
        0,
        "neither a mail to oneself nor a look from this computer"
    );
    assert_eq!(desk.number("SELECT n FROM counter WHERE name = 'own'"), 2);
}

#[test]
fn an_opt_out_holds_for_mail_already_sent() {
    let desk = desk();
    let (first, other) = (desk.mail(1), desk.mail(2));
    desk.write(move |conn| {
        conn.execute("UPDATE message SET contact_id = 1 WHERE id = ?1", [other.id])?;
        Ok(())
    });
    assert_eq!(desk.look(&first, THUNDERBIRD, "").status, 200);
    let answer = desk.post(&first.page, FORM, "action=stop_tracking");
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .text()
            .contains("nothing is recorded when you open these mails"),
        "{}",
        answer.text()
    );
    let before = desk.number(HITS);
    desk.look(&first, THUNDERBIRD, "");
    desk.look(&desk.mail_of(other.id), THUNDERBIRD, "");
    assert_eq!(
        desk.number(HITS),
        before,
        "neither that mail nor the person's others are recorded"
    );
    assert_eq!(
        desk.number("SELECT n FROM campaign_counter WHERE name = 'refused'"),
        2
    );
    assert_eq!(
        desk.texts("SELECT consent FROM contact WHERE id = 1"),
        ["refused"]
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM suppression"),
        0,
        "the subscription stands"
    );
    desk.post(&first.page, FORM, "action=stop_tracking");
    assert_eq!(
        desk.number("SELECT count(*) FROM consent_event"),
        1,
        "saying it again changes nothing"
    );
    assert_eq!(desk.texts("SELECT kind FROM message_event"), ["opted_out"]);
    assert_eq!(
        desk.number("SELECT count(*) FROM activity WHERE kind = 'opted_out'"),
        1
    );
}

impl Desk {
    fn mail_of(&self, id: i64) -> Mail {
        self.bench
            .engine
            .db
            .read(|conn| {
                conn.query_row(
                    "SELECT pixel_token, preference_token FROM message WHERE id = ?1",
                    [id],
                    |row| {
                        let token = |n| {
                            Ok::<_, rusqlite::Error>(Token::from_bytes(&row.get::<_, Vec<u8>>(n)?).unwrap())
                        };
                        Ok(Mail {
                            id,
                            pixel: token(0)?,
                            page: token(1)?,
                        })
                    },
                )
                .map_err(store::Error::from)
            })
            .unwrap()
    }
}

#[test]
fn recording_again_needs_the_words_on_the_page() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.post(&mail.page, FORM, "action=allow_tracking");
    assert_eq!(
        desk.number("SELECT count(*) FROM consent_event"),
        0,
        "nobody was shown the words yet"
    );
    desk.post(&mail.page, FORM, "action=stop_tracking");
    let page = desk.get(&format!("/u/{}", mail.page), "").text();
    assert!(page.contains("value=\"allow_tracking\""), "{page}");
    desk.post(&mail.page, FORM, "action=allow_tracking");
    let wording = &desk.texts("SELECT wording FROM consent_event WHERE state = 'granted'")[0];
    assert!(
        page.contains(wording.as_str()),
        "what is kept is what was shown: {wording}"
    );
    assert!(wording.contains("Harbour Club"));
    desk.look(&mail, THUNDERBIRD, "");
    assert_eq!(desk.number(HITS), 1, "recording is on again");
}

#[test]
fn reading_a_page_never_acts() {
    let desk = desk();
    let mail = desk.mail(1);
    let path = format!("/u/{}", mail.page);
    let answer = desk.get(&path, "");
    assert_eq!(answer.status, 200);
    let page = answer.text();
    for wanted in ["Harbour Club", "r…@example.net", "Stop recording", "Unsubscribe"] {
        assert!(page.contains(wanted), "{wanted} is on the page");
    }
    assert!(!page.contains("reader1@"), "the address is masked");
    let policy = answer
        .head
        .iter()
        .find(|line| line.starts_with("Content-Security-Policy:"))
        .unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    for line in ["Referrer-Policy: no-referrer", "X-Robots-Tag: noindex"] {
        assert!(answer.head.contains(&line.to_owned()), "{line}");
    }
    desk.get(
        &format!("{path}?action=unsubscribe&List-Unsubscribe=One-Click"),
        "",
    );
    send(
        &desk.proxied,
        &format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    );
    desk.post(&mail.page, FORM, "something=else");
    assert_eq!(desk.number("SELECT count(*) FROM suppression"), 0);
    assert_eq!(desk.number("SELECT count(*) FROM consent_event"), 0);
    assert_eq!(desk.number("SELECT count(*) FROM message_event"), 0);
}

#[test]
fn one_click_unsubscribes_in_both_encodings() {
    let desk = desk();
    let (first, second) = (desk.mail(1), desk.mail(2));
    let answer = desk.post(&first.page, FORM, "List-Unsubscribe=One-Click");
    assert_eq!(
        (answer.status, answer.body.len()),
        (200, 0),
        "a machine reads the status only"
    );
    let parts =
        "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    assert_eq!(
        desk.post(&second.page, "multipart/form-data; boundary=x", parts)
            .status,
        200
    );
    for _ in 0..2 {
        assert_eq!(
            desk.post(&first.page, FORM, "List-Unsubscribe=One-Click").status,
            200
        );
    }
    assert_eq!(
        desk.number("SELECT count(*) FROM suppression WHERE kind = 'unsubscribed'"),
        2
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM message WHERE unsubscribed_at IS NOT NULL"),
        2
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM message_event WHERE kind = 'unsubscribed'"),
        2
    );
    assert_eq!(
        desk.texts("SELECT consent FROM contact"),
        ["granted", "granted"],
        "tracking is another matter"
    );
}

#[test]
fn a_strange_token_learns_nothing() {
    let desk = desk();
    let token = Token::generate(&SeededEntropy::new(77));
    let shown = desk.get(&format!("/u/{token}"), "");
    assert_eq!(shown.status, 200);
    assert!(
        !shown.text().contains("Harbour Club"),
        "whose computer this is stays untold"
    );
    for body in [
        "action=stop_tracking",
        "action=unsubscribe",
        "List-Unsubscribe=One-Click",
    ] {
        assert_eq!(desk.post(&token, FORM, body).status, 200, "{body}");
    }
    assert_eq!(desk.number("SELECT count(*) FROM suppression"), 0);
    assert_eq!(desk.number("SELECT n FROM counter WHERE name = 'pages'"), 4);
}

#[test]
fn a_test_mails_links_say_so_and_do_nothing() {
    let desk = desk();
    let token = Token::generate(&SeededEntropy::new(78));
    desk.write(move |conn| test_token::add(conn, Instant::UNIX_EPOCH, &token));
    assert!(desk.get(&format!("/u/{token}"), "").text().contains("test mail"));
    for body in [
        "action=stop_tracking",
        "action=unsubscribe",
        "List-Unsubscribe=One-Click",
    ] {
        let answer = desk.post(&token, FORM, body);
        assert_eq!(answer.status, 200, "{body}");
        assert!(answer.body.is_empty() || answer.text().contains("nothing was changed"));
    }
    assert_eq!(desk.number("SELECT count(*) FROM suppression"), 0);
    assert_eq!(desk.number("SELECT count(*) FROM consent_event"), 0);
}

#[test]
fn an_erased_person_can_still_unsubscribe() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.write(|conn| {
        conn.execute("UPDATE message SET contact_id = NULL, email = '', pixel_token = NULL, tracking = 'none', not_tracked = 'erased'", [])?;
        Ok(conn.execute("DELETE FROM contact", [])?)
    });
    assert_eq!(desk.look(&mail, THUNDERBIRD, "").body, GIF);
    assert_eq!(desk.get(&format!("/u/{}", mail.page), "").status, 200);
    assert_eq!(desk.post(&mail.page, FORM, "action=stop_tracking").status, 200);
    assert_eq!(desk.post(&mail.page, FORM, "action=unsubscribe").status, 200);
    assert_eq!(
        desk.number(
            "SELECT count(*) FROM suppression WHERE address_hash = x'01010101010101010101010101010101'"
        ),
        1,
        "by the hash that is left"
    );
}

#[test]
fn what_cannot_be_stored_is_not_acknowledged() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.bench.engine.db.close();
    let answer = desk.look(&mail, THUNDERBIRD, "");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body, GIF, "the mail looks as it should");
    assert!(
        answer
            .head
            .iter()
            .any(|line| line.starts_with("Cache-Control: no-store"))
    );
    assert_eq!(desk.post(&mail.page, FORM, "action=unsubscribe").status, 503);
    assert_eq!(
        desk.post(&mail.page, FORM, "List-Unsubscribe=One-Click").status,
        503
    );
    assert!(
        status(&desk.bench.engine).unwrap().last_error.is_some(),
        "and the window says so"
    );
}

#[test]
fn every_acknowledged_hit_is_a_row() {
    let desk = desk();
    let mails: Vec<Mail> = (1..=64).map(|n| desk.mail(n)).collect();
    let acknowledged: usize = std::thread::scope(|scope| {
        let desk = &desk;
        let threads: Vec<_> = mails
            .iter()
            .map(|mail| {
                scope.spawn(move || {
                    (0..5)
                        .filter(|_| desk.look(mail, THUNDERBIRD, "").status == 200)
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(acknowledged, 320, "nobody is turned away");
    assert_eq!(desk.number(HITS), 320);
    assert_eq!(desk.number("SELECT sum(hits) FROM message"), 320);
    assert_eq!(desk.number(LOOKS), 64);
    assert_eq!(status(&desk.bench.engine).unwrap().hits_per_minute, 320);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let desk = desk();
    let mail = desk.mail(1);
    let pixel = format!(
        "GET /o/{}.gif HTTP/1.1\r\nHost: x\r\nX-Client: 198.51.100.7\r\n\r\n",
        mail.pixel
    );
    let last = "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut stream = connect(&desk.proxied);
    stream
        .write_all(format!("{}{last}", pixel.repeat(40)).as_bytes())
        .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 40);
    assert!(
        text.trim_end().ends_with("There is nothing here."),
        "the last answer is the last"
    );
}

#[test]
fn unwanted_bodies_are_refused_and_hurt_nobody() {
    let desk = desk();
    let mail = desk.mail(1);
    let pixel = format!("/o/{}.gif", mail.pixel);
    let page = format!("/u/{}", mail.page);
    let begins = |request: String, wanted: &str| {
        let mut stream = connect(&desk.proxied);
        stream.write_all(request.as_bytes()).unwrap();
        let mut start = vec![0; wanted.len()];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(String::from_utf8_lossy(&start), wanted, "{request:?}");
    };
    for length in ["5", "3000", "100000000000"] {
        let body = if length == "5" { "hello" } else { "" };
        begins(
            format!("GET {pixel} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"),
            "HTTP/1.1 400",
        );
    }
    begins(
        format!("GET {pixel} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
        "HTTP/1.1 400",
    );
    for length in ["4097", "1000000", "9223372036854775807"] {
        begins(
            format!("POST {page} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"),
            "HTTP/1.1 413",
        );
    }
    let long = "0".repeat(5000);
    begins(
        format!(
            "POST {page} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n{long}\r\n0\r\n\r\n"
        ),
        "HTTP/1.1 413",
    );
    begins(
        format!(
            "POST {page} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\nList-Unsubscribe=One-Click\r\n0\r\n\r\n"
        ),
        "HTTP/1.1 200",
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM suppression"),
        1,
        "a small body in chunks is understood"
    );
    assert_eq!(
        desk.look(&mail, THUNDERBIRD, "").status,
        200,
        "readers are answered all the while"
    );
}

#[test]
fn a_slow_poster_holds_nobody_up() {
    let desk = desk();
    let mail = desk.mail(1);
    let mut slow = connect(&desk.proxied);
    slow.write_all(
        format!(
            "POST /u/{} HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\naction=",
            mail.page
        )
        .as_bytes(),
    )
    .unwrap();
    assert_eq!(desk.look(&mail, THUNDERBIRD, "").status, 200);
    slow.write_all(format!("unsubscribe&x={}", "y".repeat(1979)).as_bytes())
        .unwrap();
    let mut start = [0; 12];
    slow.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    assert_eq!(desk.number("SELECT count(*) FROM suppression"), 1);
}

#[test]
fn a_look_proves_that_an_uncertain_mail_arrived() {
    let desk = desk();
    let (looked, wished) = (desk.mail(1), desk.mail(2));
    desk.write(|conn| {
        Ok(conn.execute(
            "UPDATE message SET state = 'uncertain', accepted_at = NULL, handing_over_at = 1775030399000",
            [],
        )?)
    });
    desk.look(&looked, THUNDERBIRD, "");
    desk.look(&wished, THUNDERBIRD, "DNT: 1\r\n");
    assert_eq!(
        desk.texts("SELECT state FROM message ORDER BY id"),
        ["accepted", "uncertain"],
        "not even that is noted against a wish"
    );
    assert_eq!(
        desk.number("SELECT accepted_at FROM message WHERE contact_id = 1"),
        1_775_030_399_000
    );
    assert_eq!(desk.texts("SELECT kind FROM message_event"), ["accepted"]);
}

#[test]
fn a_shared_pixel_keeps_an_hour_and_a_class() {
    let desk = desk();
    let token =
        Token::from_bytes(b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff").unwrap();
    let mail = Mail {
        id: 0,
        pixel: token,
        page: token,
    };
    for (user_agent, fields) in [
        (GMAIL, ""),
        (GMAIL, ""),
        ("Mozilla/5.0", ""),
        (GMAIL, "DNT: 1\r\n"),
    ] {
        assert_eq!(desk.look(&mail, user_agent, fields).body, GIF);
    }
    assert_eq!(
        desk.texts("SELECT class || ' ' || n FROM hourly ORDER BY class"),
        ["shared:human_proxy 2", "shared:machine_prefetch 1"]
    );
    assert_eq!(
        desk.number("SELECT hour FROM hourly LIMIT 1"),
        1_775_030_400 / 3600
    );
    assert_eq!(
        desk.number(HITS) + desk.number("SELECT count(*) FROM activity"),
        0
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM campaign_counter"),
        0,
        "no part of any rate"
    );
}

#[test]
fn an_open_is_announced_after_its_commit() {
    let desk = desk();
    let mail = desk.mail(1);
    let events = desk.bench.engine.subscribe();
    desk.look(&mail, THUNDERBIRD, "");
    let event = events.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(
        event,
        Event::Changed {
            tags: vec![Tag::Opens, Tag::Activity]
        }
    );
}

#[test]
fn other_addresses_tell_nothing() {
    let desk = desk();
    assert_eq!(desk.get("/healthz", "").text(), "ok\n");
    assert_eq!(desk.get("/robots.txt", "").text(), "User-agent: *\nDisallow: /\n");
    for path in ["/", "/o/", "/o/abc.gif", "/u/abc", "/../etc/passwd"] {
        assert_eq!(desk.get(path, "").status, 404, "{path}");
    }
    let mail = desk.mail(1);
    let answer = send(
        &desk.proxied,
        &format!(
            "PUT /o/{}.gif HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            mail.pixel
        ),
    );
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains(&"Allow: GET, HEAD".to_owned()));
}

#[test]
fn a_port_in_use_is_named() {
    let desk = desk();
    let other = bench();
    let error = start(
        &other.engine,
        ListenerStart {
            bind: Some(desk.direct.clone()),
            behind_proxy: None,
            client_header: None,
        },
    )
    .unwrap_err();
    let port = desk.direct.rsplit(':').next().unwrap();
    assert_eq!(
        (error.code, error.field.as_deref()),
        (Code::Conflict, Some("bind"))
    );
    assert!(
        error.message.contains(port) && error.message.contains("choose another port"),
        "{}",
        error.message
    );
    assert!(status(&other.engine).is_none());
}

#[test]
fn what_may_not_be_bound_is_refused_with_its_reason() {
    let bench = bench();
    for (bind, behind_proxy, header, field) in [
        (Some("0.0.0.0:0"), None, None, "bind"),
        (Some("nonsense"), None, None, "bind"),
        (None, Some("192.168.1.4:80"), None, "behind_proxy"),
        (None, Some("127.0.0.1:0"), Some("X Bad\r\n"), "client_header"),
        (Some("127.0.0.1:0"), None, Some("X-Client"), "client_header"),
    ] {
        let request = ListenerStart {
            bind: bind.map(str::to_owned),
            behind_proxy: behind_proxy.map(str::to_owned),
            client_header: header.map(str::to_owned),
        };
        let error = start(&bench.engine, request).unwrap_err();
        assert_eq!(
            (error.code, error.field.as_deref()),
            (Code::Invalid, Some(field)),
            "{}",
            error.message
        );
    }
}

#[test]
fn a_stopped_listener_gives_its_port_back_and_can_start_there_again() {
    let desk = desk();
    let engine = &desk.bench.engine;
    let again = asked(&desk.direct, &desk.proxied);
    start(engine, nothing_asked()).unwrap();
    assert_eq!(
        start(engine, again.clone()).unwrap_err().code,
        Code::Conflict,
        "it runs already"
    );
    desk.bench.clock.advance(TimeDelta::hours(1));
    stop(engine);
    assert!(status(engine).is_none());
    assert!(
        TcpStream::connect(&desk.direct).is_err(),
        "nobody answers any more"
    );
    for _ in 0..3 {
        start(engine, again.clone()).unwrap();
        assert_eq!(desk.get("/healthz", "").status, 200);
        stop(engine);
    }
    assert_eq!(
        desk.number("SELECT ended_at - started_at FROM uptime ORDER BY id LIMIT 1"),
        3_600_000
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM uptime WHERE ended_at IS NULL"),
        0
    );
}
