//! A campaign with files, and what comes after it, by the real process: retry, new people, copies, uncertain mails.

use crate::bad_input::{club, import};
use crate::harness::ctl::Ctl;
use serde_json::{Value, json};
use std::fs;

/// A club with a practice outbox, and a campaign with a file beside its own.
fn campaign(ctl: &Ctl) -> i64 {
    ctl.ok([
        "account",
        "add-outbox",
        "--from",
        "Harbour Club <news@harbour.test>",
    ]);
    ctl.file("Tide table – März.pdf", b"%PDF tides");
    ctl.create(&json!({
        "name": "Spring", "subject": "Spring on the river", "account": "Practice outbox",
        "audience": { "include": ["Members"] }, "markdown": "Hello {{ first_name | fallback(\"there\") }}.\n",
        "attachments": ["Tide table – März.pdf"],
    }))
}

fn sent(ctl: &Ctl, id: i64) {
    let id = id.to_string();
    ctl.ok(["campaign", "launch", &id, "--yes"]);
    ctl.ok(["send"]);
}

fn mails(ctl: &Ctl, id: i64) -> Vec<Vec<u8>> {
    fs::read_dir(ctl.workspace().join("outbox").join(id.to_string()))
        .expect("the campaign was sent")
        .map(|entry| fs::read(entry.expect("a file").path()).expect("a mail"))
        .collect()
}

#[test]
fn files_of_a_campaign_file_are_found_beside_it_and_go_with_every_mail() {
    let ctl = club();
    let id = campaign(&ctl);
    sent(&ctl, id);
    let mails = mails(&ctl, id);
    assert_eq!(mails.len(), 2);
    for bytes in &mails {
        // By a parser that the core does not use.
        let mail = mailparse::parse_mail(bytes).expect("a mail");
        let file = mail.subparts.last().expect("a file");
        let name = &file.get_content_disposition().params["filename"];
        assert_eq!(name, "Tide table – März.pdf");
        assert_eq!(file.get_body_raw().expect("base64"), b"%PDF tides");
    }
    let copy = ctl.ok(["campaign", "duplicate", &id.to_string()])["id"].clone();
    let shown = ctl.ok(["campaign", "show", &copy.to_string()]);
    assert_eq!(
        (&shown["name"], &shown["state"]),
        (&json!("Copy of Spring"), &json!("draft"))
    );
    assert_eq!(shown["counts"], json!({}), "nothing of the ledger");
    let files = ctl.call("attachment_list", json!({ "campaign": copy }));
    assert_eq!(files["attachments"][0]["name"], "Tide table – März.pdf");
    ctl.verify();
}

#[test]
fn a_campaign_file_with_a_missing_or_forbidden_file_makes_nothing() {
    let ctl = club();
    campaign(&ctl);
    ctl.file("setup.exe", b"MZ");
    for (path, words) in [
        ("gone.pdf", "There is no file “gone.pdf”"),
        ("setup.exe", "refuse .exe files"),
    ] {
        let file = json!({ "name": "Broken", "markdown": "Hello.\n", "attachments": [path] });
        let file = ctl.file("broken.json", file.to_string());
        ctl.run(["campaign", "create", file.to_str().expect("ASCII")])
            .refused(&[words]);
    }
    let campaigns = ctl.ok(["campaign", "list"]);
    assert_eq!(
        campaigns["campaigns"].as_array().map(Vec::len),
        Some(1),
        "{campaigns:#}"
    );
}

#[test]
fn new_people_get_it_after_a_look_and_nobody_gets_it_twice() {
    let ctl = club();
    let id = campaign(&ctl);
    let name = id.to_string();
    sent(&ctl, id);
    ctl.run(["campaign", "add-new", &name])
        .refused(&["Nobody joined"]);
    import(
        &ctl,
        b"email,first_name\ncara@readers.test,Cara\nana@readers.test,Ana\n",
    );
    let looked = ctl.ok(["campaign", "add-new", &name]);
    assert_eq!(
        (&looked["launched"], &looked["preflight"]["to_send"]),
        (&json!(false), &json!(1)),
        "{looked:#}"
    );
    assert_eq!(looked["preflight"]["samples"][0]["label"], "Cara");
    ctl.ok(["send"]);
    assert_eq!(mails(&ctl, id).len(), 2, "a look sends nothing");
    // Another process finds what was prepared, and may throw it away.
    ctl.run(["campaign", "retry", &name])
        .refused(&["Send or discard them first"]);
    ctl.ok(["campaign", "add-new", &name, "--discard"]);
    let sent = ctl.ok(["campaign", "add-new", &name, "--yes"]);
    assert_eq!(sent["launched"], json!(true));
    ctl.ok(["send"]);
    assert_eq!(mails(&ctl, id).len(), 3);
    let counts: Value = ctl.ok(["campaign", "show", &name])["counts"].clone();
    assert_eq!(counts, json!({ "accepted": 3 }));
    ctl.verify();
}

#[test]
fn where_nothing_failed_nothing_is_sent_again() {
    let ctl = club();
    let id = campaign(&ctl);
    let name = id.to_string();
    ctl.run(["campaign", "retry", &name])
        .refused(&["was not launched yet"]);
    sent(&ctl, id);
    let listed = ctl.ok(["campaign", "retry", &name, "--list"]);
    assert_eq!(listed["failed"], json!([]));
    assert_eq!(ctl.ok(["campaign", "uncertain", &name])["uncertain"], json!([]));
    ctl.run(["campaign", "retry", &name])
        .refused(&["None of these mails"]);
    ctl.run(["campaign", "uncertain", &name, "--again"])
        .refused(&["None of these mails"]);
    let usage = ctl.run(["campaign", "uncertain", &name, "--again", "--sent"]);
    assert_eq!(usage.code, Some(2), "one choice: {usage:?}");
    assert_eq!(mails(&ctl, id).len(), 2);
}
