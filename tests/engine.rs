//! One engine per workspace, seen from outside: commands by way of it, frames, a crash in mid-campaign, control.

use crate::harness::ctl::{Ctl, Rpc};
use crate::harness::process::Group;
use crate::harness::sink::{Sink, club, launch, reader};
use crate::harness::{http, readers, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Stdio;

fn count(ctl: &Ctl, id: &str, state: &str) -> u64 {
    ctl.ok(["campaign", "show", id])["counts"][state]
        .as_u64()
        .unwrap_or(0)
}

fn nobody_twice(sink: &Sink) {
    let all = sink.recipients();
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "nobody gets a campaign twice: {all:?}");
}

#[test]
fn a_campaign_killed_in_the_middle_goes_on_and_nobody_gets_it_twice() {
    let sink = Sink::start(Some(7));
    let ctl = club(&sink, 20, 2);
    let id = launch(&ctl);
    let mut command = ctl.command(["send", "--campaign", &id]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut sending = Group::start("casementctl send", &mut command);
    // Seven were answered, and each connection holds one more whose answer never comes.
    sink.wait_for_waiting(2);
    sending.kill();
    sink.allow(None);

    let shown = ctl.ok(["campaign", "show", &id]);
    assert_eq!(
        shown["counts"]["accepted"], 7,
        "what was answered is on disk: {shown:#}"
    );
    assert_eq!(
        shown["counts"]["uncertain"], 2,
        "what was in hand is said to be uncertain: {shown:#}"
    );
    assert_eq!(
        count(&ctl, &id, "handing_over"),
        0,
        "nothing is in hand after a start"
    );
    ctl.verify();

    ctl.ok(["send", "--campaign", &id]);
    let shown = ctl.ok(["campaign", "show", &id]);
    assert_eq!(
        shown["counts"]["accepted"], 18,
        "the rest has gone out: {shown:#}"
    );
    assert_eq!(
        shown["counts"]["uncertain"], 2,
        "and who may have it gets no second one: {shown:#}"
    );
    nobody_twice(&sink);
    assert_eq!(sink.recipients().len(), 20, "everyone was sent one");
    ctl.verify();
}

#[test]
fn pause_stops_after_the_mails_in_hand_and_resume_goes_on() {
    let sink = Sink::start(Some(3));
    let ctl = club(&sink, 12, 1);
    let serving = ctl.serve("serve");
    let id = launch(&ctl);
    sink.wait_for_waiting(1);
    ctl.ok(["campaign", "pause", &id]);
    sink.allow(None);
    until("the mail in hand should be done", || {
        (count(&ctl, &id, "handing_over") == 0).then_some(())
    });
    let shown = ctl.ok(["campaign", "show", &id]);
    assert_eq!(shown["state"], "paused");
    assert_eq!(
        shown["counts"]["accepted"], 4,
        "three and the one in hand: {shown:#}"
    );
    assert_eq!(shown["counts"]["queued"], 8, "the others wait: {shown:#}");
    ctl.run(["campaign", "pause", &id]).refused(&[]);
    ctl.ok(["campaign", "resume", &id]);
    until("all should be sent", || {
        (count(&ctl, &id, "accepted") == 12).then_some(())
    });
    until("the campaign should end", || {
        (ctl.ok(["campaign", "show", &id])["state"] == "finished").then_some(())
    });
    nobody_twice(&sink);
    serving.stop();
    ctl.verify();
}

#[test]
fn a_cancelled_campaign_sends_nothing_more_and_the_ledger_says_so() {
    let sink = Sink::start(Some(2));
    let ctl = club(&sink, 10, 1);
    let serving = ctl.serve("serve");
    let id = launch(&ctl);
    sink.wait_for_waiting(1);
    ctl.ok(["campaign", "cancel", &id]);
    sink.allow(None);
    until("the mail in hand should be done", || {
        (count(&ctl, &id, "handing_over") == 0).then_some(())
    });
    serving.stop();
    let shown = ctl.ok(["campaign", "show", &id]);
    assert_eq!(shown["state"], "cancelled");
    assert_eq!(
        shown["counts"]["accepted"], 3,
        "two and the one in hand: {shown:#}"
    );
    assert_eq!(shown["counts"]["cancelled"], 7, "nobody else: {shown:#}");
    ctl.run(["campaign", "resume", &id]).refused(&[]);
    ctl.ok(["send"]);
    assert_eq!(sink.recipients().len(), 3, "nothing leaves after it");
    ctl.verify();
}

#[test]
fn a_launch_that_is_cancelled_in_its_delay_leaves_no_trace() {
    let sink = Sink::start(None);
    let ctl = club(&sink, 3, 1);
    let serving = ctl.serve("serve");
    let id = ctl
        .create(&json!({
            "name": "Spring", "subject": "Spring", "account": "Sink", "audience": { "include": ["Members"] },
            "markdown": "The ice is gone.\n",
        }))
        .to_string();
    ctl.ok(["campaign", "launch", &id, "--yes", "--delay", "600"]);
    ctl.ok(["campaign", "cancel", &id]);
    let state = ctl.ok(["campaign", "show", &id])["state"].clone();
    assert!(
        state == "draft" || state == "prepared",
        "it can be edited again: {state}"
    );
    assert!(sink.recipients().is_empty(), "nothing has left");
    serving.stop();
    ctl.verify();
}

#[test]
fn the_servers_answers_to_single_recipients_are_kept_word_for_word() {
    let sink = Sink::start(None);
    sink.reply_to(
        &reader(1),
        "451 4.7.1 Greylisted, please come back in five minutes",
    );
    sink.reply_to(&reader(2), "550 5.1.1 No such mailbox here");
    let ctl = club(&sink, 4, 1);
    let id = launch(&ctl);
    ctl.ok(["send", "--campaign", &id]);
    let shown = ctl.ok(["campaign", "show", &id]);
    for (state, number) in [("accepted", 2), ("deferred", 1), ("rejected", 1)] {
        assert_eq!(shown["counts"][state], number, "{state}: {shown:#}");
    }
    let found = ctl.call(
        "report_recipients",
        json!({ "id": id.parse::<i64>().expect("an id") }),
    );
    for (index, kind, words) in [
        (1, "deferred", "Greylisted, please come back in five minutes"),
        (2, "rejected", "550 5.1.1 No such mailbox here"),
        (3, "accepted", "kept for reader003@readers.test"),
    ] {
        let row = found["recipients"]
            .as_array()
            .and_then(|all| all.iter().find(|row| row["email"] == reader(index)))
            .unwrap_or_else(|| panic!("{} is in the ledger: {found:#}", reader(index)));
        let timeline = ctl.call("message_timeline", json!({ "id": row["message"] }));
        let entry = timeline["entries"]
            .as_array()
            .and_then(|all| all.iter().find(|entry| entry["kind"] == kind))
            .unwrap_or_else(|| panic!("no {kind} in {timeline:#}"))
            .clone();
        assert!(
            entry["reply"].as_str().is_some_and(|reply| reply.contains(words)),
            "{entry:#}"
        );
    }
    nobody_twice(&sink);
    ctl.verify();
}

#[test]
fn a_command_answers_by_way_of_the_engine_that_runs() {
    let sink = Sink::start(None);
    let ctl = club(&sink, 5, 1);
    let serving = ctl.serve("listen");
    assert_eq!(ctl.ok(["contacts", "list"])["total"], 5);
    let status = ctl.call("listener_status", json!({}));
    assert_eq!(
        status["listening"], true,
        "the listener of the other process is seen: {status:#}"
    );
    let id = launch(&ctl);
    assert!(sink.recipients().is_empty(), "a listener alone sends nothing");
    ctl.ok(["send", "--campaign", &id]);
    assert_eq!(count(&ctl, &id, "accepted"), 5, "`send` lets the engine send");
    let stopped = ctl.call("sending_status", json!({}));
    assert_eq!(stopped["running"], false, "and leaves it as it was: {stopped:#}");
    ctl.verify();
    serving.stop();
    assert_eq!(ctl.call("listener_status", json!({}))["listening"], false);
}

#[test]
fn frames_are_answered_one_by_one_and_a_bad_one_ends_nothing() {
    let ctl = Ctl::new();
    let mut rpc = Rpc::start(&ctl);
    rpc.send(r#"{"id":1,"command":"app_state","request":{}}"#);
    let answer = rpc.frame();
    assert_eq!(
        (&answer["id"], &answer["ok"]["first_start"]),
        (&json!(1), &json!(true)),
        "{answer:#}"
    );
    rpc.send("this is no frame");
    assert_eq!(rpc.frame()["error"]["code"], "invalid", "it is told so");
    rpc.send(r#"{"id":2,"command":"fly"}"#);
    assert_eq!(rpc.frame()["error"]["code"], "not_found");
    rpc.send(r#"{"id":3,"command":"contact_save","request":{"email":"ana@readers.test","wings":2}}"#);
    let refused = rpc.frame();
    assert_eq!(
        refused["error"]["code"], "invalid",
        "an unknown field is no request: {refused:#}"
    );
    rpc.send(r#"{"id":4,"subscribe":true}"#);
    assert_eq!(rpc.frame()["id"], 4);
    rpc.send(r#"{"id":5,"command":"contact_save","request":{"email":"ana@readers.test"}}"#);
    let mut seen = (false, false);
    while seen != (true, true) {
        let frame = rpc.frame();
        seen.0 |= frame["id"] == 5 && frame["ok"]["id"].is_number();
        seen.1 |= frame["event"].to_string().contains("contacts");
    }
    assert_eq!(
        rpc.close(),
        Some(0),
        "the end of input is the end of the conversation"
    );
    assert_eq!(
        ctl.ok(["contacts", "list"])["total"],
        1,
        "and the workspace is free again"
    );
}

#[test]
fn a_look_is_announced_to_whoever_listens_within_a_second() {
    let ctl = Ctl::new();
    let file = ctl.file("people.csv", "email\nana@readers.test\n");
    ctl.ok([
        "import",
        file.to_str().expect("ASCII"),
        "--list",
        "Members",
        "--consent",
        "granted",
        "--consent-source",
        "form",
        "--consent-wording",
        "You may.",
    ]);
    ctl.call(
        "settings_update",
        json!({ "unknown_policy": "none", "postal_address": "3 Quay Street" }),
    );
    ctl.ok([
        "account",
        "add-outbox",
        "--name",
        "Sink",
        "--from",
        "Harbour <news@harbour.test>",
    ]);
    let serving = ctl.serve("serve");
    ctl.ok(["address", "set", &format!("http://{}", serving.direct), "--local"]);
    let id = launch(&ctl);
    ctl.ok(["send", "--campaign", &id]);
    let mail = ctl.call("outbox_list", json!({}))["mails"][0].clone();
    let pixel = ctl.call("outbox_get", json!({ "id": mail["id"] }))["pixel"].clone();
    let pixel = pixel.as_str().expect("a tracked mail has a pixel").to_owned();

    let mut rpc = Rpc::start(&ctl);
    rpc.send(r#"{"id":1,"subscribe":true}"#);
    rpc.frame_where("the subscription should be confirmed", |frame| frame["id"] == 1);
    let headers = [
        (readers::CLIENT_HEADER, "198.51.100.7"),
        ("User-Agent", readers::IPHONE),
    ];
    let (_, path) = http::split_url(&pixel);
    let answer = http::request(&serving.proxied, "GET", path, &headers, b"");
    let answered = std::time::Instant::now();
    assert_eq!(answer.status, 200);
    rpc.frame_where("the look should be announced", |frame| {
        frame["event"].to_string().contains("opens")
    });
    assert!(
        answered.elapsed().as_millis() < 1000,
        "an open is shown within a second of its 200"
    );
    // The report has it already: the announcement comes after the commit.
    let report = ctl.ok(["report", &id]);
    assert_eq!(report["confirmed"], 1, "{report:#}");
    assert_eq!(rpc.close(), Some(0));
    serving.stop();
}

#[test]
fn an_answer_of_the_listener_is_on_disk_when_the_power_goes() {
    let ctl = Ctl::new();
    let file = ctl.file("people.csv", "email\nana@readers.test\nben@readers.test\n");
    ctl.ok([
        "import",
        file.to_str().expect("ASCII"),
        "--list",
        "Members",
        "--consent",
        "granted",
        "--consent-source",
        "form",
        "--consent-wording",
        "You may.",
    ]);
    ctl.call(
        "settings_update",
        json!({ "unknown_policy": "none", "postal_address": "3 Quay Street" }),
    );
    ctl.ok([
        "account",
        "add-outbox",
        "--name",
        "Sink",
        "--from",
        "Harbour <news@harbour.test>",
    ]);
    let mut serving = ctl.serve("serve");
    ctl.ok(["address", "set", &format!("http://{}", serving.direct), "--local"]);
    let id = launch(&ctl);
    ctl.ok(["send", "--campaign", &id]);
    let mails = ctl.call("outbox_list", json!({}))["mails"].clone();
    let mails: Vec<Value> = mails
        .as_array()
        .expect("a list")
        .iter()
        .map(|mail| ctl.call("outbox_get", json!({ "id": mail["id"] })))
        .collect();
    let headers = [
        (readers::CLIENT_HEADER, "198.51.100.7"),
        ("User-Agent", readers::IPHONE),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let (_, pixel) = http::split_url(mails[0]["pixel"].as_str().expect("a pixel"));
    assert_eq!(
        http::request(&serving.proxied, "GET", pixel, &headers, b"").status,
        200
    );
    let field = mails[1]["headers"]
        .as_array()
        .and_then(|all| all.iter().find(|field| field[0] == "List-Unsubscribe"))
        .and_then(|field| field[1].as_str())
        .expect("every mail can be unsubscribed");
    let page = field.split(['<', '>']).nth(1).expect("an address");
    let (_, page) = http::split_url(page);
    let gone = http::request(
        &serving.proxied,
        "POST",
        page,
        &headers,
        b"List-Unsubscribe=One-Click",
    );
    assert_eq!(gone.status, 200);
    serving.group.kill();

    let report = ctl.ok(["report", &id]);
    assert_eq!(report["confirmed"], 1, "a 200 means on disk: {report:#}");
    assert_eq!(report["unsubscribed"], 1, "for an unsubscription too: {report:#}");
    ctl.verify();
}

#[test]
fn what_was_said_to_the_mail_server_about_a_mail_can_be_read() {
    let sink = Sink::start(None);
    let ctl = club(&sink, 2, 1);
    sink.reply_to(&reader(1), "550 5.1.1 Nobody of that name");
    let id = launch(&ctl);
    ctl.ok(["send", "--campaign", &id]);
    let request = json!({ "id": id.parse::<i64>().expect("a number") });
    let recipients = ctl.call("report_recipients", request);
    let message = |email: String| {
        let rows = recipients["recipients"].as_array().expect("a table");
        let row = rows
            .iter()
            .find(|row| row["email"] == json!(email))
            .expect("everyone is in it");
        row["message"].to_string()
    };
    let said = ctl.ok(["campaign", "dialogue", &message(reader(1))]);
    let lines: Vec<&str> = said["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let rcpt = format!("> RCPT TO:<{}>", reader(1));
    let at = lines
        .iter()
        .position(|line| **line == rcpt)
        .expect("its recipient was named");
    assert_eq!(lines[at + 1], "< 550 5.1.1 Nobody of that name", "{lines:?}");
    let taken = ctl.ok(["campaign", "dialogue", &message(reader(0))]);
    assert!(
        taken["lines"].to_string().contains("kept for reader000"),
        "{taken}"
    );
    assert!(
        !taken["lines"].to_string().contains("The ice"),
        "the mail is not in it: {taken}"
    );
    ctl.run(["campaign", "dialogue", "999"]).refused(&["message"]);
}
