//! From a look inside the window to the receipt: what the real process stores, counts, destroys and still answers.
//!
//! The hour of running that makes a time sure is played: it is written into the database between two runs.

use crate::harness::ctl::{Ctl, Serving};
use crate::harness::{http, practice, readers, until};
use casement_core::store::Conn;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Three people whose mail was sent with a pixel each, by an engine that listens.
pub struct Sent {
    pub ctl: Ctl,
    pub serving: Serving,
    pub id: i64,
}

pub fn sent(people: &str) -> Sent {
    let (ctl, serving) = practice::begin(people, "personal");
    let id = practice::send_spring(&ctl);
    Sent { ctl, serving, id }
}

impl Sent {
    /// Returns the paths of a mail's pixel and page.
    pub fn paths(&self, to: &str) -> (String, String) {
        let list = self.ctl.call("outbox_list", json!({ "search": to }));
        let mail = self
            .ctl
            .call("outbox_get", json!({ "id": list["mails"][0]["id"] }));
        let pixel = mail["pixel"].as_str().expect("a tracked mail has a pixel");
        let text = mail["text"].as_str().expect("a mail has a text");
        let at = text.find("/u/").expect("a mail has a link to its page");
        let page = &text[at..at + 3 + 26];
        (http::split_url(pixel).1.to_owned(), page.to_owned())
    }
}

pub fn look(serving: &Serving, path: &str, agent: &str, address: &str) -> http::Response {
    let fields = [(readers::CLIENT_HEADER, address), ("User-Agent", agent)];
    let mut answer = http::request(&serving.proxied, "GET", path, &fields, b"");
    assert_eq!(answer.status, 200);
    answer.headers.retain(|(name, _)| name != "date");
    answer
}

/// Returns the bytes of the token in a path.
pub fn token(path: &str) -> Vec<u8> {
    let text = path.trim_end_matches(".gif").rsplit('/').next().expect("a path");
    data_encoding::BASE32_NOPAD
        .decode(text.to_uppercase().as_bytes())
        .expect("a token is base32")
}

/// Opens the workspace's database beside the engine.
pub fn database(ctl: &Ctl) -> Conn {
    Conn::open(ctl.workspace().join("casement.db")).expect("the database is there")
}

/// Returns the files under `folder` that hold `trace`.
pub fn holding(folder: &Path, trace: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder can be listed") {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .unwrap_or_default()
                .windows(trace.len())
                .any(|bytes| bytes == trace)
            {
                found.push(path);
            }
        }
    }
    found
}

fn looks(report: &Value) -> u64 {
    ["confirmed", "unknown", "machine_only"]
        .iter()
        .filter_map(|part| report[part].as_u64())
        .sum()
}

#[test]
fn tracking_ends_with_the_window_and_its_grace_and_what_readers_get_stays_the_same() {
    let sent = sent("email,first_name\nana@readers.test,Ana\nbo@readers.test,Bo\ncy@readers.test,Cy\n");
    let (ctl, id) = (&sent.ctl, sent.id.to_string());
    let (pixel, page) = sent.paths("ana@readers.test");
    let alive = look(&sent.serving, &pixel, readers::THUNDERBIRD, "203.0.113.7");
    let report = ctl.ok(["report", &id]);
    assert_eq!(
        (looks(&report), report["late"].as_u64()),
        (1, Some(0)),
        "{report}"
    );

    ctl.ok(["campaign", "window", &id, "--end"]);
    ctl.run(["campaign", "window", &id, "--end"])
        .refused(&["The window of Spring ended on"]);
    look(&sent.serving, &pixel, readers::THUNDERBIRD, "203.0.113.7");
    let report = ctl.ok(["report", &id]);
    assert_eq!(
        (looks(&report), report["late"].as_u64()),
        (1, Some(1)),
        "late loads are counted"
    );
    assert_eq!(report["closed_at"], Value::Null, "there are seven days of grace");
    ctl.ok(["campaign", "window", &id, "--grace", "0"]);
    sent.serving.stop();
    // In the database or its log: which of them depends on who read last.
    let held = holding(ctl.workspace(), &token(&pixel));
    assert!(!held.is_empty(), "the pixel lives");

    // An hour of running later.
    let now = present(ctl);
    database(ctl)
        .execute_batch(&format!(
            "INSERT INTO setting (key, value) VALUES ('upkeep', '{{\"sure\":{{\"at\":\"{now}\"}}}}')
             ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        ))
        .expect("the hour can be played");
    let serving = ctl.serve("listen");
    let campaign = until("the receipt", || {
        let campaign = ctl.ok(["campaign", "show", &id]);
        (!campaign["closed_at"].is_null()).then_some(campaign)
    });
    assert_eq!(campaign["closing"]["tokens"], 3, "{campaign}");
    assert_eq!(campaign["closing"]["hits"], 1);
    let dead = look(&serving, &pixel, readers::THUNDERBIRD, "203.0.113.7");
    assert_eq!(
        (dead.headers, dead.body),
        (alive.headers, alive.body),
        "nobody can tell"
    );
    let form = [
        (readers::CLIENT_HEADER, "203.0.113.7"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let left = http::request(&serving.proxied, "POST", &page, &form, b"action=unsubscribe");
    assert_eq!(left.status, 200, "the page works for ever");
    serving.stop();

    for path in ["ana", "bo", "cy"].map(|who| sent_pixel(ctl, who)) {
        let held = holding(ctl.workspace(), &token(&path));
        assert!(held.is_empty(), "the token of {path} is held: {held:?}");
    }
    let report = ctl.ok(["report", &id]);
    assert_eq!(
        (looks(&report), report["late"].as_u64()),
        (1, Some(1)),
        "what was known stays: {report}"
    );
    assert_eq!(report["unsubscribed"], 1);
    assert_eq!(report["closing"], campaign["closing"]);
    ctl.run(["campaign", "window", &id, "--days", "90"]).refused(&[
        "Its pixels' addresses were destroyed on",
        "opens can no longer be told",
    ]);
    ctl.verify();
}

fn sent_pixel(ctl: &Ctl, who: &str) -> String {
    let list = ctl.call("outbox_list", json!({ "search": who }));
    let mail = ctl.call("outbox_get", json!({ "id": list["mails"][0]["id"] }));
    let pixel = mail["pixel"]
        .as_str()
        .expect("the mail still shows what it carried");
    http::split_url(pixel).1.to_owned()
}

/// Returns the present time as the report tells it.
fn present(ctl: &Ctl) -> String {
    let report = ctl.call("report_get", json!({ "id": 1 }));
    report["as_of"]
        .as_str()
        .expect("a report has its moment")
        .to_owned()
}

#[test]
fn freed_pages_that_another_program_left_full_are_found_by_verify() {
    let ctl = Ctl::new();
    ctl.verify();
    database(&ctl)
        .execute_batch(
            "PRAGMA secure_delete = OFF;
             CREATE TABLE careless (x TEXT);
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
             INSERT INTO careless SELECT 'somebody-' || n || '@readers.test' FROM n;
             DROP TABLE careless;",
        )
        .expect("another program can write");
    let outcome = ctl.run(["verify"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome.stdout.contains("still hold what was deleted"),
        "{outcome:?}"
    );
    database(&ctl)
        .execute_batch("VACUUM")
        .expect("the file can be written anew");
    ctl.verify();
}

#[test]
fn killed_again_and_again_while_it_destroys_the_receipt_still_counts_each_address_once() {
    const MAILS: i64 = 20_000;
    let ctl = Ctl::new();
    ctl.verify();
    database(&ctl)
        .execute_batch(&format!(
            "BEGIN;
             INSERT INTO campaign (id, name, document, created_at, updated_at, state, launched_at, opens_from, opens_until,
               grace_days, shared_token, client_key)
             VALUES (1, 'Spring', '{{\"version\":1,\"blocks\":[]}}', 0, 0, 'finished', 1, 1, 2, 0, randomblob(16),
               randomblob(32));
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MAILS})
             INSERT INTO message (id, campaign_id, email, address_hash, state, accepted_at, tracking, pixel_token,
               preference_token, hits, signal, first_open_at, looks)
             SELECT n, 1, 'a' || n || '@readers.test', randomblob(16), 'accepted', 1, 'personal', randomblob(16),
               randomblob(16), n % 2, iif(n % 2, 'human', 'no_signal'), iif(n % 2, 1, NULL), n % 2 FROM n;
             INSERT INTO hit (campaign_id, message_id, at, class, reason, rule_version, user_agent, network, client_hash,
               new_look)
             SELECT 1, id, 1, 'human_direct', 'browser', 1, 'Mozilla/5.0', '192.0.2.0/24', randomblob(16), 1
             FROM message WHERE hits = 1;
             INSERT INTO hourly VALUES (1, 0, 'human_direct', {half}), (1, 0, 'first_open', {half});
             INSERT INTO setting (key, value) VALUES ('upkeep', '{{\"sure\":{{\"at\":\"2026-01-01T00:00:00Z\"}}}}');
             COMMIT;",
            half = MAILS / 2
        ))
        .expect("a campaign can be made");
    let number = |sql: &str| -> i64 {
        database(&ctl)
            .query_row(sql, [], |row| row.get(0))
            .expect("a count can be read")
    };
    let mut kills = 0;
    let mut halves = 0;
    while number("SELECT count(*) FROM campaign WHERE closed_at IS NOT NULL") == 0 {
        assert!(kills < 200, "each run goes on where the last was killed");
        let mut serving = ctl.serve("listen");
        std::thread::sleep(std::time::Duration::from_millis(20 + 10 * (kills % 7)));
        serving.group.kill();
        kills += 1;
        let left = number("SELECT count(*) FROM message WHERE pixel_token IS NOT NULL");
        halves += i64::from(left > 0 && left < MAILS);
    }
    assert!(halves > 0, "it was killed in the middle at least once");
    let report = ctl.ok(["report", "1"]);
    assert_eq!(
        (&report["closing"]["tokens"], &report["closing"]["hits"]),
        (&json!(MAILS), &json!(MAILS / 2)),
        "after {kills} kills, {halves} in the middle"
    );
    assert_eq!(
        number("SELECT count(*) FROM message WHERE pixel_token IS NOT NULL"),
        0
    );
    assert_eq!(
        number("SELECT count(*) FROM activity WHERE text LIKE 'Tracking has ended%'"),
        1
    );
    ctl.verify();
}
