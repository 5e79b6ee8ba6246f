//! A reader asks what is held about them and has it erased, while the process is killed after each answer.

use crate::harness::ctl::Ctl;
use crate::harness::{http, practice, readers};
use serde_json::{Value, json};

const FORM: [(&str, &str); 2] = [
    (readers::CLIENT_HEADER, "198.51.100.7"),
    ("Content-Type", "application/x-www-form-urlencoded"),
];

/// Posts `action` to the page at `path` of a new listener, and kills that as soon as it has answered.
fn post_and_kill(ctl: &Ctl, path: &str, action: &str) -> String {
    let mut serving = ctl.serve("listen");
    let body = format!("action={action}");
    let answer = http::request(&serving.proxied, "POST", path, &FORM, body.as_bytes());
    serving.group.kill();
    assert_eq!(answer.status, 200);
    answer.text()
}

fn mails(ctl: &Ctl) -> Vec<Value> {
    let list = ctl.call("outbox_list", json!({}));
    let mails = list["mails"].as_array().expect("a list");
    mails
        .iter()
        .map(|mail| ctl.call("outbox_get", json!({ "id": mail["id"] })))
        .collect()
}

/// Returns the path of the first address under `/e/` or `/u/` in a mail's text.
fn path(mail: &Value, under: &str) -> String {
    let text = mail["text"].as_str().expect("a mail has a text");
    let at = text.find(under).unwrap_or_else(|| panic!("no {under} in {text}"));
    text[at..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '/')
        .collect()
}

#[test]
fn what_a_reader_was_answered_holds_when_the_power_goes() {
    let (ctl, serving) = practice::begin("email,first_name\nana@readers.test,Ana\n", "none");
    practice::send_spring(&ctl);
    serving.stop();

    let page = path(&mails(&ctl)[0], "/u/");
    let said = post_and_kill(&ctl, &page, "send_data");
    assert!(said.contains("A mail is on its way"), "{said}");
    assert_eq!(
        mails(&ctl).len(),
        1,
        "nothing is sent where only the listener runs"
    );
    ctl.ok(["send"]);
    let sent = mails(&ctl);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0]["row"]["to"], "ana@readers.test");
    assert_eq!(sent[0]["row"]["subject"], "What Harbour Club holds about you");
    assert_eq!(sent[0]["pixel"], Value::Null);

    let receipt = post_and_kill(&ctl, &path(&sent[0], "/e/"), "erase");
    assert!(receipt.contains("Erased."), "{receipt}");
    assert_eq!(ctl.call("contact_list", json!({}))["total"], 0);
    assert!(mails(&ctl).is_empty(), "their mails are gone from the outbox");
    ctl.verify();
}
