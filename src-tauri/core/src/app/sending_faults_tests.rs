//! Mail servers at their worst, over the whole way: ledger, dispatcher, transport, and a scripted peer.
//!
//! Whatever a server does: who got a mail is accepted or uncertain, who is deferred got none, and nobody gets two.

use super::sending_tests::{Stage, serve, words};
use super::{account, contact, report, sending, upkeep};
use crate::api::{MessageDialogue, MessageDialogueResponse};
use crate::domain::campaign::CampaignState;
use crate::domain::consent::ConsentState;
use crate::ids::{CampaignId, MessageId};
use crate::mail::smtp::peer::{Ending, Peer, Script};
use crate::mail::smtp::tests::{Validity, issue};
use crate::store::Priority;
use crate::store::dialogue::{self, Ending as Tried};
use chrono::TimeDelta;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A campaign to three people that was launched while its server was a good one.
fn launched() -> (Stage, CampaignId) {
    let stage = Stage::set();
    for name in ["ana", "bo", "cy"] {
        stage.person(&format!("{name}@example.org"), ConsentState::Granted);
    }
    let _good = serve(&stage, Script::default());
    let id = stage.draft();
    stage.launch(id, 0);
    (stage, id)
}

fn states(stage: &Stage, id: CampaignId) -> BTreeMap<String, u32> {
    stage.row(id).counts
}

/// Sends until `done`, while the clock goes on: an account rests for a while after each failure.
fn drive(stage: &Stage, done: impl Fn() -> bool) {
    let engine = &stage.bench.engine;
    let events = engine.subscribe();
    sending::start(engine);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "it does not come to its end");
        // An event, or a moment in which nothing changes until the clock does.
        let _ = events.recv_timeout(Duration::from_millis(20));
        stage.bench.clock.advance(TimeDelta::seconds(1));
        sending::wake(engine);
    }
    sending::stop(engine);
}

/// Sends the campaign to a peer that follows `script`, until everyone's message is in one of the `wanted` states.
fn play(script: Script, wanted: &[(&str, u32)]) -> (Stage, CampaignId, Peer) {
    let (stage, id) = launched();
    let peer = serve(&stage, script);
    let wanted: BTreeMap<String, u32> = wanted
        .iter()
        .map(|(state, n)| ((*state).to_owned(), *n))
        .collect();
    let settled = |counts: &BTreeMap<String, u32>| {
        !counts.contains_key("queued") && !counts.contains_key("handing_over")
    };
    drive(&stage, || {
        let counts = states(&stage, id);
        counts == wanted || (settled(&counts) && !counts.contains_key("deferred"))
    });
    assert_eq!(states(&stage, id), wanted, "{:?}", words(&stage, id));
    (stage, id, peer)
}

/// The header field called `name` of a mail.
fn field(mail: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(mail);
    let line = text.lines().find(|line| line.starts_with(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

fn nobody_twice(peer: &Peer, mails: usize) {
    let seen = peer.seen.lock().unwrap();
    let mut to: Vec<String> = seen.mails.iter().map(|mail| field(mail, "To:")).collect();
    assert_eq!(to.len(), mails, "{to:?}");
    to.sort();
    to.dedup();
    assert_eq!(to.len(), mails, "nobody gets two: {to:?}");
}

#[test]
fn a_server_that_closes_in_mid_campaign_delays_nobody() {
    let (.., peer) = play(
        Script {
            closing_after: Some(1),
            ..Script::default()
        },
        &[("accepted", 3)],
    );
    nobody_twice(&peer, 3);
    assert_eq!(peer.seen.lock().unwrap().connections, 2);
}

#[test]
fn a_server_that_closes_after_each_mail_gets_each_once() {
    let (.., peer) = play(
        Script {
            end: |_| Ending::Close("250 2.0.0 Ok: queued"),
            ..Script::default()
        },
        &[("accepted", 3)],
    );
    nobody_twice(&peer, 3);
    assert_eq!(peer.seen.lock().unwrap().connections, 3);
}

#[test]
fn a_server_that_hangs_up_before_it_greets_is_tried_again_and_costs_nobody_an_attempt() {
    let (stage, id, peer) = play(
        Script {
            hang_ups: 3,
            ..Script::default()
        },
        &[("accepted", 3)],
    );
    nobody_twice(&peer, 3);
    let attempts: u32 = stage
        .bench
        .engine
        .read(|conn| {
            let sql = "SELECT max(attempts) FROM message WHERE campaign_id = ?1";
            Ok(conn.query_row(sql, [id.0], |row| row.get(0)).unwrap())
        })
        .unwrap();
    assert_eq!(attempts, 1);
}

#[test]
fn refusals_for_now_and_for_good_concern_one_recipient() {
    for (reply, state) in [
        ("451 4.7.1 Greylisted", "deferred"),
        ("452 4.2.2 Mailbox full", "deferred"),
        ("450 4.2.1 Busy", "deferred"),
        ("550 5.1.1 No such user", "rejected"),
        ("553 5.1.3 Bad address", "rejected"),
    ] {
        static REPLY: std::sync::Mutex<&str> = std::sync::Mutex::new("");
        *REPLY.lock().unwrap() = reply;
        let script = Script {
            rcpt: |line| match line.contains("bo@") {
                true => *REPLY.lock().unwrap(),
                false => "250 2.1.5 Ok",
            },
            ..Script::default()
        };
        let (stage, id, peer) = play(script, &[("accepted", 2), (state, 1)]);
        assert_eq!(
            words(&stage, id)["bo@example.org"],
            (state.to_owned(), reply.to_owned())
        );
        nobody_twice(&peer, 2);
    }
}

#[test]
fn a_mail_that_was_refused_after_its_end_comes_again_under_the_same_message_id() {
    let (stage, _, peer) = play(
        Script {
            end: |index| match index {
                0 => Ending::Reply("451 4.3.0 Try later"),
                _ => Ending::Reply("250 2.0.0 Ok"),
            },
            ..Script::default()
        },
        // Five minutes and more go by on the clock.
        &[("accepted", 3)],
    );
    let seen = peer.seen.lock().unwrap();
    assert_eq!(
        seen.mails.len(),
        4,
        "one of them twice, since its first was refused"
    );
    let first = &seen.mails[0];
    let again = seen.mails[1..]
        .iter()
        .find(|mail| field(mail, "To:") == field(first, "To:"));
    let again = again.expect("it was tried again");
    for name in ["Message-ID:", "Subject:"] {
        assert_eq!(field(first, name), field(again, name));
    }
    drop(stage);
}

#[test]
fn a_connection_that_breaks_before_a_mails_end_costs_a_minute_and_not_the_mail() {
    static TRIES: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    for (index, end) in [
        (|_| match TRIES[0].fetch_add(1, Ordering::SeqCst) {
            1 => Ending::HangUpAtData,
            _ => Ending::Reply("250 2.0.0 Ok"),
        }) as fn(usize) -> Ending,
        |_| match TRIES[1].fetch_add(1, Ordering::SeqCst) {
            0 => Ending::HangUpAtData,
            _ => Ending::Reply("250 2.0.0 Ok"),
        },
    ]
    .into_iter()
    .enumerate()
    {
        let (.., peer) = play(
            Script {
                end,
                ..Script::default()
            },
            &[("accepted", 3)],
        );
        nobody_twice(&peer, 3);
        assert_eq!(
            TRIES[index].load(Ordering::SeqCst),
            4,
            "the one that broke was tried again"
        );
    }
}

#[test]
fn what_a_server_says_after_a_mails_end_decides_about_that_mail_alone() {
    static MEGABYTE: [u8; 1 << 20] = [b'2'; 1 << 20];
    type Case = (
        &'static str,
        fn(usize) -> Ending,
        &'static [(&'static str, u32)],
        &'static str,
    );
    let table: &[Case] = &[
        (
            "silence",
            |index| match index {
                0 => Ending::Silence,
                _ => Ending::Reply("250 Ok"),
            },
            &[("accepted", 2), ("uncertain", 1)],
            "the connection broke",
        ),
        (
            "a megabyte",
            |index| match index {
                0 => Ending::Raw(&MEGABYTE),
                _ => Ending::Reply("250 Ok"),
            },
            &[("accepted", 2), ("uncertain", 1)],
            "a line of more than 65536 bytes",
        ),
        (
            "no text",
            |index| match index {
                0 => Ending::Raw(b"250 re\xe7u\r\n"),
                _ => Ending::Reply("250 Ok"),
            },
            &[("accepted", 3)],
            "250 re\u{fffd}u",
        ),
        (
            "too much",
            |index| match index {
                0 => Ending::Raw(b"250 Ok\r\n550 5.7.1 And no\r\n250 Ok\r\n"),
                _ => Ending::Reply("250 Ok"),
            },
            &[("accepted", 3)],
            "250 Ok",
        ),
        (
            "slow",
            |_| Ending::Slowly("250 2.0.0 Slowly but surely"),
            &[("accepted", 3)],
            "250 2.0.0 Slowly but surely",
        ),
        (
            "refused for good",
            |index| match index {
                0 => Ending::Reply("554 5.7.1 Spam"),
                _ => Ending::Reply("250 Ok"),
            },
            &[("accepted", 2), ("rejected", 1)],
            "554 5.7.1 Spam",
        ),
    ];
    for (what, end, wanted, reply) in table {
        let script = Script {
            end: *end,
            ..Script::default()
        };
        let (stage, id, peer) = play(script, wanted);
        assert_eq!(peer.mails(), 3, "{what}: each left once");
        let replies = words(&stage, id);
        assert!(
            replies.values().any(|(_, words)| words.contains(reply)),
            "{what}: the server's words are kept: {replies:?}"
        );
    }
}

#[test]
fn a_server_that_closes_after_a_mails_end_has_not_taken_it_and_gets_it_again() {
    let script = Script {
        end: |index| match index {
            0 => Ending::Close("421 4.3.2 Shutting down"),
            _ => Ending::Reply("250 Ok"),
        },
        ..Script::default()
    };
    let (stage, id, peer) = play(script, &[("accepted", 3)]);
    assert_eq!(peer.mails(), 4, "the one that it did not take came twice");
    let attempts = stage.bench.engine.read(|conn| {
        let sql = "SELECT max(attempts) FROM message WHERE campaign_id = ?1";
        Ok(conn.query_row(sql, [id.0], |row| row.get::<_, u32>(0)).unwrap())
    });
    assert_eq!(attempts.unwrap(), 1, "and it costs no attempt");
}

fn said(stage: &Stage, id: CampaignId, email: &str) -> MessageDialogueResponse {
    let message = stage.bench.engine.read(|conn| {
        let sql = "SELECT id FROM message WHERE campaign_id = ?1 AND email = ?2";
        Ok(conn
            .query_row(sql, (id.0, email), |row| row.get(0).map(MessageId))
            .unwrap())
    });
    report::dialogue(&stage.bench.engine, MessageDialogue { id: message.unwrap() }).unwrap()
}

#[test]
fn what_was_said_about_a_mail_is_kept_over_its_tries_for_thirty_days_and_goes_with_its_reader() {
    let (stage, id, _peer) = play(
        Script {
            end: |index| match index {
                0 => Ending::Reply("451 4.3.0 Try later, ana@example.org"),
                _ => Ending::Reply("250 2.0.0 Ok"),
            },
            ..Script::default()
        },
        &[("accepted", 3)],
    );
    let engine = &stage.bench.engine;
    let ana = said(&stage, id, "ana@example.org");
    assert_eq!(ana.note, "");
    let words = ana.lines.join("\n");
    let tries: Vec<&String> = ana.lines.iter().filter(|line| line.starts_with('—')).collect();
    assert_eq!(tries.len(), 2, "{words}");
    assert!(tries[0].starts_with("— 2026-04-01T08:"), "{words}");
    let (first, second) = (
        words.find("< 451 4.3.0").unwrap(),
        words.find("< 250 2.0.0 Ok").unwrap(),
    );
    assert!(first < second, "{words}");
    assert!(!words.contains("Dear Ana"), "the mail is not in it: {words}");
    assert!(
        said(&stage, id, "bo@example.org")
            .lines
            .contains(&"> DATA".to_owned())
    );

    let erased: i64 = engine
        .read(|conn| {
            let sql = "SELECT id FROM contact WHERE email = 'ana@example.org'";
            Ok(conn.query_row(sql, [], |row| row.get(0)).unwrap())
        })
        .unwrap();
    let everything = engine
        .read(|conn| {
            Ok(crate::store::erasure::everything(
                conn,
                crate::ids::ContactId(erased),
            )?)
        })
        .unwrap()
        .unwrap();
    let copy = everything["messages"][0]["dialogue"].as_array().unwrap();
    assert_eq!(copy.len(), ana.lines.len(), "it is in the copy of what is held");
    contact::erase(
        engine,
        serde_json::from_value(json!({ "ids": [erased] })).unwrap(),
    )
    .unwrap();
    let left = || {
        engine
            .read(|conn| {
                let sql = "SELECT coalesce(group_concat(lines, ' '), '') FROM dialogue";
                Ok(conn.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap())
            })
            .unwrap()
    };
    assert!(!left().contains("ana@") && left().contains("bo@"), "{}", left());

    // Upkeep believes a clock only once it has run long enough.
    stage.bench.clock.advance(TimeDelta::days(31));
    for _ in 0..4 {
        upkeep::tend(engine, Duration::from_secs(24 * 60 * 60)).unwrap();
        stage.bench.clock.advance(TimeDelta::days(1));
    }
    assert_eq!(left(), "");
    assert!(
        said(&stage, id, "bo@example.org")
            .note
            .starts_with("Nothing is kept.")
    );
}

#[test]
fn of_mails_that_went_well_only_the_last_are_kept_and_of_one_mail_only_the_last_lines() {
    let (stage, id) = launched();
    let engine = &stage.bench.engine;
    let now = crate::clock::Clock::now(&*stage.bench.clock);
    engine
        .db
        .write(Priority::Bulk, move |conn| {
            let sql = "INSERT INTO message (campaign_id, contact_id, email, address_hash, state, tracking, preference_token)
                       VALUES (?1, (SELECT min(id) FROM contact), '', ?2, 'accepted', 'none', ?2) RETURNING id";
            for n in 0..1000_u128 {
                let row = conn.query_row(sql, (id.0, n.to_be_bytes()), |row| row.get(0).map(MessageId))?;
                dialogue::keep(conn, row, now, Tried::AcceptedAtOnce, &["> QUIT".into()])?;
            }
            let refused = conn.query_row("SELECT min(id) FROM message", [], |row| row.get(0).map(MessageId))?;
            for n in 0..50 {
                let lines: Vec<String> = (0..10).map(|line| format!("< 451 {n} {line}")).collect();
                dialogue::keep(conn, refused, now, Tried::Trouble, &lines)?;
            }
            let kept = dialogue::get(conn, refused)?.unwrap().1;
            assert_eq!(kept.len(), dialogue::LINES);
            assert_eq!(kept.last().unwrap(), "< 451 49 9");
            let rows: i64 = conn.query_row("SELECT count(*) FROM dialogue", [], |row| row.get(0))?;
            assert_eq!(rows, dialogue::ACCEPTED_KEPT + 1, "beside the one that was refused");

            // A campaign that is put off as a whole; its first mail was tried last.
            let mut put_off = Vec::new();
            for n in 0..dialogue::TROUBLES_KEPT + 50 {
                let row = conn.query_row(sql, (id.0, (n as u128 + 5000).to_be_bytes()), |row| {
                    row.get(0).map(MessageId)
                })?;
                let at = now + TimeDelta::milliseconds(n + 1);
                dialogue::keep(conn, row, at, Tried::Trouble, &["< 451 Later".into()])?;
                put_off.push(row);
                if n == 100 {
                    let last = now + TimeDelta::hours(1);
                    dialogue::keep(conn, put_off[0], last, Tried::Trouble, &["< 451 Again".into()])?;
                }
            }
            let rows: i64 = conn.query_row("SELECT count(*) FROM dialogue", [], |row| row.get(0))?;
            assert_eq!(rows, dialogue::ACCEPTED_KEPT + dialogue::TROUBLES_KEPT);
            for (row, is_kept) in [
                (refused, false),
                (put_off[0], true),
                (put_off[1], false),
                (put_off[50], false),
                (put_off[51], true),
                (*put_off.last().unwrap(), true),
            ] {
                assert_eq!(dialogue::get(conn, row)?.is_some(), is_kept, "{row}");
            }
            Ok::<_, crate::store::Error>(())
        })
        .unwrap();
}

/// Changes the account to one that wants STARTTLS of `peer`; the campaign was launched before.
fn wants_starttls(stage: &Stage, peer: &Peer) {
    let saving = json!({ "id": stage.account, "name": "Server", "kind": "smtp", "host": "localhost",
                         "port": peer.address.port(), "tls": "starttls", "from_name": "Club",
                         "from_address": "club@example.org", "connections": 1 });
    account::save(&stage.bench.engine, serde_json::from_value(saving).unwrap()).unwrap();
}

#[test]
fn a_server_that_cannot_be_trusted_gets_no_mail_and_the_campaign_waits_with_the_reason() {
    // Signed by a root that nobody trusts.
    let issued = issue("localhost", Validity::Now);
    for (starttls, reason) in [(None, "STARTTLS"), (Some(issued.config.clone()), "certificate")] {
        let (stage, id) = launched();
        let peer = Peer::start(Script {
            starttls,
            ..Script::default()
        });
        wants_starttls(&stage, &peer);
        drive(&stage, || stage.row(id).problem.is_some());
        assert_eq!(stage.row(id).state, CampaignState::Running, "it waits by itself");
        assert_eq!(states(&stage, id), BTreeMap::from([("queued".to_owned(), 3)]));
        let problem = stage.row(id).problem.unwrap();
        assert!(problem.contains(reason), "{problem}");
        let commands = peer.commands();
        assert!(
            !commands.contains("MAIL") && !commands.contains("AUTH"),
            "{commands}"
        );
        assert_eq!(peer.mails(), 0);
    }
}
