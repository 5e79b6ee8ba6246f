//! The listener over real sockets and a real database.

mod consent;
mod doors;
mod fixtures;
mod hits;
mod pages;

use super::*;
use crate::api::{Code, Event};
use crate::app::testing::{Bench, bench};
use crate::ids::{CampaignId, SeededEntropy};
use crate::render::pixel::GIF;
use crate::store::test_token;
use crate::tracking::token::Token;
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
    // A minute after the mails were taken: nobody is too fast for a person.
    bench.clock.advance(TimeDelta::minutes(1));
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

    /// Panics where a rollup differs from what it counts.
    fn verify(&self) {
        let (_, breaches) = self.bench.engine.db.read(store::check::check).unwrap();
        assert!(breaches.is_empty(), "{breaches:#?}");
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

    /// What the feed says, newest first.
    fn feed(&self) -> Vec<String> {
        let request = crate::api::ActivityList {
            before: None,
            campaign: None,
            limit: 0,
        };
        let feed = crate::app::activity::list(&self.bench.engine, request).unwrap();
        feed.rows.into_iter().map(|row| row.text).collect()
    }

    fn texts(&self, sql: &'static str) -> Vec<String> {
        self.bench
            .engine
            .db
            .read(|conn| {
                let mut statement = conn.prepare(sql)?;
                let rows = statement.query_map([], |row| row.get(0))?;
                rows.collect::<std::result::Result<Vec<String>, _>>()
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
                "INSERT INTO consent_event (contact_id, state, at, source, wording)
                 VALUES (?1, 'granted', 0, 'a form', 'yes')",
                [n],
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
fn a_beat_that_comes_late_is_a_sleep_and_time_that_is_played_is_none() {
    let at = |seconds: i64| crate::clock::from_millis(seconds * 1000);
    let mut beats = Beats::since(at(0));
    for second in (5..60).step_by(5) {
        assert_eq!(beats.at(at(second), false), Beat::Quiet);
    }
    assert_eq!(beats.at(at(60), false), Beat::Seen);
    assert_eq!(
        beats.at(at(90), false),
        Beat::Quiet,
        "a busy computer is late, too"
    );
    assert_eq!(beats.at(at(4000), false), Beat::Slept { from: at(90) });
    assert_eq!(beats.at(at(4005), false), Beat::Quiet);
    assert_eq!(beats.at(at(10), false), Beat::Seen, "the clock was set back");
    let mut played = Beats::since(at(0));
    assert_eq!(played.at(at(86_400), true), Beat::Seen);
}
