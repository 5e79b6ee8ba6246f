//! Backups from the command line: saved, brought back by the process that has the workspace, refused.

use crate::harness::ctl::{Ctl, Rpc};
use serde_json::json;
use std::path::Path;

fn club() -> Ctl {
    let ctl = Ctl::new();
    let file = ctl.file("members.csv", "email\nana@readers.test\nbo@readers.test\n");
    ctl.ok(["import", text(&file), "--list", "Members"]);
    ctl
}

fn text(path: &Path) -> &str {
    path.to_str().expect("ASCII")
}

fn people(ctl: &Ctl) -> Vec<String> {
    let list = ctl.call("contact_list", json!({ "search": "", "offset": 0, "limit": 10 }));
    let mut emails: Vec<String> = list["contacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["email"].as_str().unwrap().to_owned())
        .collect();
    emails.sort();
    emails
}

#[test]
fn a_backup_goes_out_and_comes_back_by_the_command_line() {
    let ctl = club();
    let file = ctl.home().join("club.casement");
    let saved = ctl.ok(["backup", text(&file)]);
    assert_eq!(saved["contents"]["contacts"], 2);
    ctl.run(["backup", text(&file)]).refused(&["is there already"]);
    let more = ctl.file("more.csv", "email\ncy@readers.test\n");
    ctl.ok(["import", text(&more)]);
    ctl.call(
        "contact_suppress",
        json!({ "email": "ana@readers.test", "suppress": true }),
    );
    let look = ctl.ok(["restore", text(&file), "--dry-run"]);
    assert_eq!(
        (&look["here"]["contacts"], &look["here"]["suppressed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(people(&ctl).len(), 3, "a dry run changes nothing");
    let told = ctl.ok(["restore", text(&file)]);
    assert!(
        told["text"]
            .as_str()
            .unwrap()
            .contains("1 address that gets no mail"),
        "{told}"
    );
    assert_eq!(people(&ctl), ["ana@readers.test", "bo@readers.test"]);
    let copies = ctl.ok(["backup", "--list"]);
    let copy = copies["copies"][0]["path"]
        .as_str()
        .expect("what went is kept")
        .to_owned();
    ctl.ok(["restore", &copy]);
    assert_eq!(people(&ctl).len(), 3, "and can be brought back itself");

    let elsewhere = Ctl::new();
    elsewhere.ok(["restore", text(&file)]);
    assert_eq!(people(&elsewhere), ["ana@readers.test", "bo@readers.test"]);
    elsewhere.ok(["verify"]);
    ctl.ok(["verify"]);
}

#[test]
fn a_damaged_workspace_is_brought_back_by_the_command_line() {
    let ctl = club();
    let file = ctl.home().join("club.casement");
    ctl.ok(["backup", text(&file)]);
    std::fs::write(ctl.workspace().join("casement.db"), "rubbish ".repeat(4_000)).unwrap();
    ctl.run(["contacts", "list"]).refused(&["damaged"]);
    let told = ctl.ok(["restore", text(&file)]);
    assert!(
        told["text"].as_str().unwrap().contains("could not be read"),
        "{told}"
    );
    assert_eq!(people(&ctl).len(), 2);
}

#[test]
fn a_casement_that_runs_brings_a_backup_back_by_itself() {
    let ctl = club();
    let file = ctl.home().join("club.casement");
    ctl.ok(["backup", text(&file)]);
    let more = ctl.file("more.csv", "email\ncy@readers.test\n");
    ctl.ok(["import", text(&more)]);
    let mut engine = Rpc::start(&ctl);
    let count = |engine: &mut Rpc, id: u64| {
        let request = json!({ "search": "", "offset": 0, "limit": 10 });
        engine.send(&json!({ "id": id, "command": "contact_list", "request": request }).to_string());
        engine.frame_where("the list", |frame| frame["id"] == json!(id))["ok"]["total"].clone()
    };
    engine.send(&json!({ "id": 0, "subscribe": true }).to_string());
    assert_eq!(count(&mut engine, 1), 3);
    let told = ctl.ok(["restore", text(&file)]);
    assert!(
        told["text"]
            .as_str()
            .unwrap()
            .contains("brings the backup back now"),
        "{told}"
    );
    engine.frame_where("that it is opened anew", |frame| {
        frame["event"]["reopen"].is_object()
    });
    assert_eq!(
        count(&mut engine, 2),
        2,
        "whoever asks after that gets the backup's answer"
    );
    assert_eq!(engine.close(), Some(0));
}
