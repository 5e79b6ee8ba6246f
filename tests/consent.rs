//! A reader is asked for consent, agrees and refuses again, by the real process: mails in the practice outbox, the
//! page behind their link, and what is recorded in between.

use crate::harness::ctl::{Ctl, Serving};
use crate::harness::mime::Mail;
use crate::harness::{http, practice, readers};
use serde_json::{Value, json};
use std::path::Path;

const WORDING: &str = "You may record when I open your mails, to learn whether they are read. I can end this at any time \
                       with the link in every mail.";
const FROM: (&str, &str) = (readers::CLIENT_HEADER, "198.51.100.7");

fn question(only: bool) -> Value {
    json!({ "version": 1, "blocks": [
        { "type": "text", "paragraphs": [[{ "text": "Dear {{ first_name }}" }]] },
        { "type": "consent", "wording": WORDING, "label": "Answer: yes or no", "only": only },
    ] })
}

/// Sends a campaign of `document` to everybody and returns its ledger's numbers.
fn send(ctl: &Ctl, name: &str, document: Value) -> Value {
    let lists = ctl.call("list_list", json!({}));
    let accounts = ctl.call("account_list", json!({}));
    let saved = ctl.call(
        "campaign_save",
        json!({
            "name": name, "subject": name, "account": accounts["accounts"][0]["id"],
            "audience": { "include": [lists["lists"][0]["id"]], "exclude": [] }, "document": document,
        }),
    );
    let id = saved["id"].to_string();
    ctl.ok(["campaign", "launch", &id, "--yes"]);
    ctl.ok(["send"]);
    ctl.call("campaign_preflight", json!({ "id": saved["id"] }))
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the outbox can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "eml") {
            found.push(path);
        }
    }
}

/// Reads the `.eml` file of the mail with this subject to this person.
fn mail(ctl: &Ctl, subject: &str, to: &str) -> Option<Mail> {
    let mut found = Vec::new();
    files(&ctl.workspace().join("outbox"), &mut found);
    found
        .iter()
        .map(|path| Mail::read(&std::fs::read(path).expect("a mail can be read")))
        .find(|mail| mail.must("Subject") == subject && mail.must("To").contains(to))
}

/// Returns the path of the preference page that the mail unsubscribes by.
fn page(mail: &Mail) -> String {
    http::split_url(&mail.unsubscribe_addresses()[0]).1.to_owned()
}

fn get(serving: &Serving, path: &str) -> http::Response {
    let headers = [FROM, ("User-Agent", readers::THUNDERBIRD)];
    http::request(&serving.proxied, "GET", path, &headers, b"")
}

fn post(serving: &Serving, path: &str, action: &str) -> String {
    let headers = [FROM, ("Content-Type", "application/x-www-form-urlencoded")];
    let body = format!("action={action}");
    let answer = http::request(&serving.proxied, "POST", path, &headers, body.as_bytes());
    assert_eq!(answer.status, 200);
    answer.text()
}

fn ana(ctl: &Ctl) -> Value {
    ctl.ok(["contacts", "show", "ana@readers.test"])
}

/// Mails that Ana is known to have opened, and the requests that are stored of them.
fn recorded(ctl: &Ctl) -> (usize, usize) {
    let held = ctl.ok(["contacts", "export", "ana@readers.test"]);
    let messages = held["messages"].as_array().expect("a list");
    let opened = messages.iter().filter(|message| message["hits"] != 0).count();
    let requests = messages
        .iter()
        .map(|message| message["requests"].as_array().expect("a list").len())
        .sum();
    (opened, requests)
}

#[test]
fn a_reader_is_asked_agrees_is_measured_and_refuses_again() {
    let people = "email,first_name\nana@readers.test,Ana\nbo@readers.test,Bo\n";
    let (ctl, serving) = practice::begin(people, "none");
    ctl.ok(["contacts", "consent", "bo@readers.test", "refused"]);

    let told = send(&ctl, "May we?", question(true));
    assert_eq!(
        (&told["to_send"], &told["skipped"]["not_to_be_asked"]),
        (&json!(1), &json!(1))
    );
    assert!(
        mail(&ctl, "May we?", "bo@").is_none(),
        "who has answered is not asked"
    );
    let asking = mail(&ctl, "May we?", "ana@").expect("Ana is asked");
    for part in [&asking.html, &asking.text] {
        assert!(!part.contains("/o/"), "a mail that asks has no pixel: {part}");
        assert_eq!(part.matches("#question").count(), 1, "{part}");
    }
    assert!(asking.pixels().is_empty() && asking.html.contains(WORDING));
    let door = page(&asking);
    assert!(asking.html.contains(&format!("{door}#question\"")));

    for _ in 0..2 {
        let shown = get(&serving, &door).text();
        assert!(shown.contains(WORDING), "the words of the mail: {shown}");
        assert!(shown.contains("allow_tracking") && shown.contains("refuse_tracking"));
        assert!(!shown.contains("ana@"), "the link travels with a forward");
    }
    let before = ana(&ctl);
    assert_eq!(
        (&before["contact"]["consent"], &before["consent_history"]),
        (&json!("unknown"), &json!([])),
        "reading the page answers nothing"
    );
    assert!(before["asked_at"].is_string(), "but that she was asked is known");

    assert!(post(&serving, &door, "allow_tracking").contains("You said yes."));
    let agreed = ana(&ctl);
    let word = &agreed["consent_history"][0];
    assert_eq!(
        (&word["state"], &word["source"], &word["wording"]),
        (&json!("granted"), &json!("consent page"), &json!(WORDING))
    );
    assert!(word["at"].is_string(), "with its time");

    send(
        &ctl,
        "News",
        json!({ "version": 1, "blocks": [{ "type": "divider" }] }),
    );
    let news = mail(&ctl, "News", "ana@").expect("Ana gets the news");
    let token = news.pixel_token().expect("with a pixel now");
    assert!(
        news.html.contains(&format!("{}#opens\"", page(&news))),
        "and with the link that ends it"
    );
    assert!(
        mail(&ctl, "News", "bo@")
            .expect("Bo gets it too")
            .pixels()
            .is_empty()
    );
    let pixel = format!("/o/{token}.gif");
    let known = get(&serving, &pixel);
    assert_eq!(recorded(&ctl), (1, 1));

    assert!(post(&serving, &door, "refuse_tracking").contains("You said no."));
    let after = get(&serving, &pixel);
    assert_eq!((after.status, after.body), (known.status, known.body));
    assert_eq!(recorded(&ctl), (1, 1), "the old pixel records nothing more");
    post(&serving, &door, "erase_recorded");
    assert_eq!(recorded(&ctl), (0, 0), "and what it had recorded is erased");
    let words = ana(&ctl);
    let states: Vec<&Value> = words["consent_history"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|word| &word["state"])
        .collect();
    assert_eq!(states, ["refused", "granted"]);
    serving.stop();
    ctl.verify();
}

#[test]
fn who_does_not_answer_is_not_asked_again_within_six_months() {
    let (ctl, serving) = practice::begin("email,first_name\nana@readers.test,Ana\n", "none");
    send(&ctl, "May we?", question(true));
    assert!(mail(&ctl, "May we?", "ana@").is_some());
    send(&ctl, "News and may we?", question(false));
    let news = mail(&ctl, "News and may we?", "ana@").expect("the mail itself comes");
    assert!(!news.html.contains("#question") && !news.text.contains(WORDING));
    let lists = ctl.call("list_list", json!({}));
    let accounts = ctl.call("account_list", json!({}));
    let again = ctl.call(
        "campaign_save",
        json!({
            "name": "Again", "subject": "Again", "account": accounts["accounts"][0]["id"],
            "audience": { "include": [lists["lists"][0]["id"]], "exclude": [] }, "document": question(true),
        }),
    );
    let refused = ctl.run(["campaign", "launch", &again["id"].to_string(), "--yes"]);
    assert_ne!(refused.code, Some(0), "there is nobody to ask");
    let told = ctl.call("campaign_preflight", json!({ "id": again["id"] }));
    assert_eq!(told["skipped"]["not_to_be_asked"], 1, "{told:#}");
    assert!(
        mail(&ctl, "Again", "ana@").is_none(),
        "a mail that only asks does not"
    );
    serving.stop();
    ctl.verify();
}
