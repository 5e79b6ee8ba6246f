//! Bad input gets a clear error and loses nothing: each through the real `casementctl`.
//!
//! Every test says which words the sentence must hold, and then that what was there before is there still.

use crate::harness::ctl::{Ctl, Outcome};
use crate::harness::mail_servers::{MailServers, PASSWORD};
use crate::harness::skip;
use serde_json::{Value, json};
use std::fs;

/// A workspace with two people on the list "Members", and choices made.
pub fn club() -> Ctl {
    furnish(Ctl::new())
}

/// The same with a practice outbox.
fn club_with_outbox() -> Ctl {
    let ctl = club();
    ctl.ok([
        "account",
        "add-outbox",
        "--from",
        "Harbour Club <news@harbour.test>",
    ]);
    ctl
}

pub fn furnish(ctl: Ctl) -> Ctl {
    let outcome = import(
        &ctl,
        b"email,first_name\nana@readers.test,Ana\nben@readers.test,Ben\n",
    );
    assert_eq!(outcome.json["added"], 2, "two people to begin with: {outcome:?}");
    ctl.call(
        "settings_update",
        json!({ "unknown_policy": "none", "organisation": "Harbour Club", "postal_address": "3 Quay Street" }),
    );
    ctl
}

pub fn import(ctl: &Ctl, csv: &[u8]) -> Outcome {
    let file = ctl.file("people.csv", csv);
    ctl.run(["import", file.to_str().expect("ASCII"), "--list", "Members"])
}

pub fn contacts(ctl: &Ctl) -> u64 {
    ctl.ok(["contacts", "list"])["total"].as_u64().expect("a number")
}

/// Fails unless the workspace is in order and has `people`.
#[track_caller]
pub fn nothing_is_lost(ctl: &Ctl, people: u64) {
    ctl.verify();
    assert_eq!(
        contacts(ctl),
        people,
        "nobody is lost and nobody came in by mistake"
    );
}

fn campaign(change: impl FnOnce(&mut Value)) -> Value {
    let mut campaign = json!({
        "name": "Spring", "subject": "Spring on the river", "account": "Practice outbox",
        "audience": { "include": ["Members"] }, "markdown": "Hello {{ first_name | fallback(\"there\") }}.\n",
    });
    change(&mut campaign);
    campaign
}

// Files of contacts.

#[test]
fn a_file_that_is_no_list_of_people_is_refused_as_a_whole() {
    let ctl = club();
    let png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00";
    let noise: Vec<u8> = (0..20_000u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let many: Vec<String> = (0..200).map(|index| format!("column{index}")).collect();
    let wide = format!("email,{}\nana@readers.test{}\n", many.join(","), ",x".repeat(200));
    let files: [(&str, &[u8], &[&str]); 6] = [
        ("an empty file", b"", &["people.csv", "empty"]),
        ("nothing but blank lines", b"\n\n\r\n", &["people.csv", "empty"]),
        (
            "no column of addresses",
            b"name,town\nAna,Porto\n",
            &["people.csv", "address", "\"name\", \"town\""],
        ),
        ("a picture", png, &["people.csv", "not a text file", "CSV"]),
        ("noise", &noise, &["people.csv", "not a text file", "CSV"]),
        (
            "two hundred columns",
            wide.as_bytes(),
            &["people.csv", "200", "100", "leave"],
        ),
    ];
    for (what, bytes, words) in files {
        let outcome = import(&ctl, bytes);
        assert_eq!(outcome.code, Some(1), "{what} is refused: {outcome:?}");
        outcome.refused(words);
    }
    ctl.run(["import", "/nowhere/people.csv"])
        .refused(&["/nowhere/people.csv", "no file"]);
    ctl.run(["import", "/"]).refused(&["not a file"]);
    nothing_is_lost(&ctl, 2);
}

#[test]
fn two_hundred_columns_come_in_once_the_user_says_which_ones() {
    let ctl = club();
    let many: Vec<String> = (0..200).map(|index| format!("column{index}")).collect();
    let wide = format!(
        "email,{}\ncleo@readers.test{}\n",
        many.join(","),
        ",x".repeat(200)
    );
    let file = ctl.file("wide.csv", wide);
    let mut args = vec!["import".to_owned(), file.display().to_string()];
    for name in &many[50..] {
        args.extend(["--map".to_owned(), format!("{name}=")]);
    }
    assert_eq!(ctl.ok(args)["added"], 1, "the advice of the refusal helps");
    nothing_is_lost(&ctl, 3);
}

#[test]
fn a_bad_row_is_named_by_its_line_and_the_good_ones_are_kept() {
    let ctl = club();
    let mut csv = b"email,first_name,note\n".to_vec();
    csv.extend(b"cleo@readers.test,Cleo,first\n"); // 2
    csv.extend(b"not an address,Nobody,\n"); // 3
    csv.extend(b"dora@readers.test,Do\0ra,\n"); // 4: a NUL in a name
    csv.extend(b"ed\0@readers.test,Ed,\n"); // 5: a NUL in an address
    csv.extend(b"\"eve@readers.test\r\nBcc: victim@readers.test\",Eve,\n"); // 6 and 7
    csv.extend(b"fay@readers.test,\"Fay\r\nBcc: victim@readers.test\",\n"); // 8 and 9
    csv.extend(b"CLEO@readers.test,Cleo again,\n"); // 10
    csv.extend(b"gus@readers.test,Gus,last\n"); // 11
    let outcome = import(&ctl, &csv);
    assert_eq!(outcome.code, Some(0), "good rows are kept: {outcome:?}");
    let said = &outcome.json;
    assert_eq!(
        (&said["added"], &said["rejected"], &said["duplicates"]),
        (&json!(2), &json!(5), &json!(1)),
        "two good, five bad, one twice: {said:#}"
    );
    let lines: Vec<u64> = said["problems"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|problem| {
            assert!(
                !problem["message"].as_str().unwrap_or_default().is_empty(),
                "{problem}"
            );
            let value = problem["value"].as_str().unwrap_or_default();
            assert!(
                !value.contains(|letter: char| letter.is_control()),
                "what is shown is clean: {problem}"
            );
            problem["line"].as_u64().expect("a line")
        })
        .collect();
    assert_eq!(
        lines,
        [3, 4, 5, 6, 8, 10],
        "each is named by the line where it begins: {said:#}"
    );
    nothing_is_lost(&ctl, 4);
    let found = ctl.ok(["contacts", "list", "--search", "victim"]);
    assert_eq!(found["total"], 0, "nothing was smuggled in");
}

#[test]
fn a_field_of_ten_megabytes_costs_its_own_row_only() {
    let ctl = club();
    let mut csv = b"email,first_name,note\ncleo@readers.test,Cleo,\ndora@readers.test,Dora,\"".to_vec();
    csv.extend(std::iter::repeat_n(b"lorem ipsum ", 10 << 20 >> 3).flatten());
    csv.extend(b"\"\ned@readers.test,Ed,\n");
    assert!(csv.len() > 10 << 20, "it is that large");
    let outcome = import(&ctl, &csv);
    assert_eq!(outcome.code, Some(0), "{}", outcome.sentence());
    assert_eq!(
        outcome.json["added"], 2,
        "the rows before and after are kept: {:#}",
        outcome.json
    );
    assert_eq!(outcome.json["rejected"], 1, "{:#}", outcome.json);
    let problem = &outcome.json["problems"][0];
    assert_eq!(problem["line"], 3, "{problem}");
    assert!(
        problem["message"]
            .as_str()
            .is_some_and(|message| message.contains("longer than")),
        "it says why: {problem}"
    );
    nothing_is_lost(&ctl, 4);
}

#[test]
fn a_trial_run_changes_nothing() {
    let ctl = club();
    let file = ctl.file("more.csv", "email\ncleo@readers.test\n");
    let said = ctl.ok(["import", file.to_str().expect("ASCII"), "--dry-run"]);
    assert_eq!(said["added"], 1, "it says what would happen: {said}");
    nothing_is_lost(&ctl, 2);
}

#[test]
fn a_grant_without_its_proof_is_refused() {
    let ctl = club();
    let file = ctl.file("more.csv", "email\ncleo@readers.test\n");
    let path = file.to_str().expect("ASCII");
    ctl.run(["import", path, "--consent", "granted", "--consent-source", "form"])
        .refused(&["wording"]);
    ctl.run(["import", path, "--consent", "granted", "--consent-wording", "yes"])
        .refused(&["source"]);
    nothing_is_lost(&ctl, 2);
}

// Launching.

/// Fails unless launching is refused with a finding `id`, with every one of `words` in its sentence.
#[track_caller]
fn launch_is_refused(ctl: &Ctl, campaign: &Value, id: &str, words: &[&str]) -> Value {
    let number = ctl.create(campaign).to_string();
    let outcome = ctl.run(["campaign", "launch", &number, "--yes"]);
    assert_eq!(outcome.code, Some(1), "--yes confirms no error: {outcome:?}");
    assert_eq!(outcome.json["launched"], false, "{outcome:?}");
    let findings = &outcome.json["preflight"]["findings"];
    let finding = findings
        .as_array()
        .and_then(|all| all.iter().find(|finding| finding["id"] == id))
        .unwrap_or_else(|| panic!("no finding {id}: {findings:#}"))
        .clone();
    assert_eq!(finding["level"], "error", "it blocks: {finding:#}");
    let message = finding["message"].as_str().expect("a sentence");
    for word in words {
        assert!(
            message.to_lowercase().contains(word),
            "the sentence should say {word:?}: {message}"
        );
    }
    let shown = ctl.ok(["campaign", "show", &number]);
    assert!(
        ["draft", "prepared"].contains(&shown["state"].as_str().unwrap_or_default()),
        "it is no running campaign: {shown:#}"
    );
    ctl.try_call("campaign_launch", json!({ "id": shown["id"], "confirmed": true }))
        .refused(&[]);
    ctl.ok(["send"]);
    assert_eq!(ctl.call("outbox_list", json!({}))["total"], 0, "nothing leaves");
    ctl.verify();
    finding
}

#[test]
fn a_campaign_without_a_subject_is_not_launched() {
    launch_is_refused(
        &club_with_outbox(),
        &campaign(|file| file["subject"] = json!("  ")),
        "no_subject",
        &["subject"],
    );
}

#[test]
fn a_campaign_to_nobody_is_not_launched() {
    let ctl = club_with_outbox();
    ctl.call("list_save", json!({ "name": "Nobody" }));
    let to = |list: &str| campaign(|file| file["audience"] = json!({ "include": [list] }));
    launch_is_refused(&ctl, &to("Nobody"), "no_recipients", &["nobody"]);
    for email in ["ana@readers.test", "ben@readers.test"] {
        ctl.ok(["contacts", "suppress", email]);
    }
    launch_is_refused(&ctl, &to("Members"), "no_recipients", &["nobody"]);
}

#[test]
fn a_campaign_without_an_account_is_not_launched() {
    let without = campaign(|file| file["account"] = Value::Null);
    launch_is_refused(&club_with_outbox(), &without, "no_account", &["account"]);
}

#[test]
fn a_merge_field_that_nobody_has_blocks_launch_and_names_itself_and_the_people() {
    let ctl = club_with_outbox();
    let broken = campaign(|file| file["markdown"] = json!("Hello {{ first_name }} of {{ town }}.\n"));
    let finding = launch_is_refused(&ctl, &broken, "unresolved_field", &["town"]);
    assert_eq!(finding["recipients"], 2, "it concerns everyone: {finding:#}");
    assert!(
        finding["examples"]
            .as_array()
            .is_some_and(|all| all.contains(&json!("ana@readers.test"))),
        "it names some of them: {finding:#}"
    );
}

#[test]
fn a_campaign_file_that_asks_for_what_does_not_exist_is_refused_by_name() {
    let ctl = club_with_outbox();
    let create = |text: &str| {
        let file = ctl.file("campaign.json", text);
        ctl.run(["campaign", "create", file.to_str().expect("ASCII")])
    };
    let with = |change: fn(&mut Value)| create(&campaign(change).to_string());
    with(|file| file["account"] = json!("Harbor")).refused(&["Harbor"]);
    with(|file| file["audience"] = json!({ "include": ["Membres"] })).refused(&["Membres"]);
    with(|file| file["window"] = json!({ "days": 0 })).refused(&["window", "days"]);
    with(|file| file["subjekt"] = json!("typo")).refused(&["subjekt"]);
    with(|file| file["document"] = json!({ "version": 99, "blocks": [] })).refused(&["document"]);
    create("{ no json").refused(&["campaign.json", "no JSON"]);
    ctl.run(["campaign", "create", "/nowhere.json"])
        .refused(&["/nowhere.json"]);
    ctl.run(["campaign", "launch", "99"]).refused(&["99"]);
    assert_eq!(
        ctl.ok(["campaign", "list"])["campaigns"],
        json!([]),
        "nothing half-made stays"
    );
    nothing_is_lost(&ctl, 2);
}

#[test]
fn an_account_that_cannot_log_in_sends_nothing_and_says_what_to_do() {
    let users = ["ana@readers.test", "ben@readers.test", "news@harbour.test"];
    let servers = match MailServers::start(&users) {
        Ok(servers) => servers,
        Err(why) => return skip("bad_input", &why),
    };
    let ctl = furnish(Ctl::new().trusting(servers.root_pem()));
    let port = servers.smtp_port.to_string();
    let added = ctl.run_with_input(
        [
            "account",
            "add",
            "--name",
            "Harbour",
            "--host",
            "localhost",
            "--port",
            &port,
            "--tls",
            "starttls",
            "--user",
            "news@harbour.test",
            "--password-stdin",
            "--from",
            "Harbour <news@harbour.test>",
        ],
        b"wrong horse\n",
    );
    assert_eq!(added.code, Some(0), "{added:?}");
    let tested = ctl.run(["account", "test", "Harbour"]);
    assert_eq!(tested.code, Some(1), "{tested:?}");
    let sentence = tested.json["sentence"].as_str().expect("a sentence");
    assert!(
        sentence.contains("535") && sentence.contains("password"),
        "the server's words, and what to do: {sentence}"
    );
    assert!(!tested.stdout.contains("wrong horse"), "a secret is never shown");

    let to_harbour = campaign(|file| file["account"] = json!("Harbour"));
    let words = ["535", "password"];
    launch_is_refused(&ctl, &to_harbour, "account_cannot_log_in", &words);

    // The password is changed at the provider's after the launch.
    set_password(&ctl, PASSWORD);
    let id = ctl.create(&to_harbour).to_string();
    ctl.ok(["campaign", "launch", &id, "--yes"]);
    set_password(&ctl, "wrong horse");
    ctl.run(["send", "--campaign", &id]);
    let shown = ctl.ok(["campaign", "show", &id]);
    let problem = shown["problem"].as_str();
    assert!(
        problem.is_some_and(|problem| problem.contains("password")),
        "it says why it stands still: {shown:#}"
    );
    assert_eq!(
        shown["counts"]["queued"], 2,
        "both mails wait in the ledger: {shown:#}"
    );
    assert_eq!(servers.mailbox("ana@readers.test").count(), 0, "nothing has left");
    nothing_is_lost(&ctl, 2);

    // With the right one it goes on where it stood.
    set_password(&ctl, PASSWORD);
    if shown["state"] == "paused" {
        ctl.ok(["campaign", "resume", &id]);
    }
    ctl.ok(["send", "--campaign", &id]);
    servers.wait_for_mails("ana@readers.test", 1);
    servers.wait_for_mails("ben@readers.test", 1);
    ctl.verify();
}

/// Gives the account "Harbour" another password; all else stays.
fn set_password(ctl: &Ctl, password: &str) {
    let accounts = ctl.ok(["account", "list"]);
    let account = accounts["accounts"]
        .as_array()
        .and_then(|all| all.iter().find(|account| account["name"] == "Harbour"))
        .expect("it is there");
    let mut save = json!({ "password": password });
    for name in [
        "id",
        "name",
        "kind",
        "host",
        "port",
        "tls",
        "user",
        "from_name",
        "from_address",
    ] {
        save[name] = account[name].clone();
    }
    ctl.call("account_save", save);
}

// Header injection.

#[test]
fn a_line_break_in_what_becomes_a_header_is_refused_where_it_comes_in() {
    let ctl = club();
    let evil = "Ana\r\nBcc: victim@readers.test";
    for (command, field, request) in [
        (
            "contact_save",
            "name",
            json!({ "email": "eve@readers.test", "first_name": evil }),
        ),
        (
            "contact_save",
            "email",
            json!({ "email": "eve@readers.test\r\nBcc: victim@readers.test" }),
        ),
        (
            "campaign_create",
            "subject",
            campaign(|file| file["subject"] = json!(evil)),
        ),
        (
            "campaign_create",
            "preheader",
            campaign(|file| file["preheader"] = json!(evil)),
        ),
        (
            "campaign_create",
            "name",
            campaign(|file| file["name"] = json!(evil)),
        ),
        ("list_save", "name", json!({ "name": evil })),
        (
            "account_save",
            "from_name",
            json!({ "name": "E", "kind": "outbox", "from_name": evil, "from_address": "e@readers.test" }),
        ),
        (
            "account_save",
            "from_address",
            json!({ "name": "E", "kind": "outbox", "from_name": "", "from_address": "e@readers.test\nBcc: v@x.test" }),
        ),
        ("settings_update", "organisation", json!({ "organisation": evil })),
    ] {
        let outcome = ctl.try_call(command, request);
        assert_eq!(
            outcome.code,
            Some(1),
            "{command} takes no line break in {field}: {outcome:?}"
        );
        outcome.refused(&[]);
        let message = outcome.json["error"]["message"].as_str().unwrap_or_default();
        assert!(message.len() > 10, "{command} says why: {outcome:?}");
    }
    nothing_is_lost(&ctl, 2);
}

#[test]
fn a_line_break_in_a_merge_field_never_becomes_a_header() {
    let ctl = club_with_outbox();
    let note = "x\r\nBcc: victim@readers.test\r\n\r\n<script>alert(1)</script>";
    let saved = ctl.try_call(
        "contact_save",
        json!({ "email": "ana@readers.test", "id": 1, "first_name": "Ana", "fields": { "note": note } }),
    );
    if saved.code == Some(1) {
        // Refused at the door is as good.
        saved.refused(&["note"]);
        return;
    }
    let sneaky = campaign(|file| {
        file["subject"] = json!("About {{ note | fallback(\"nothing\") }}");
        file["markdown"] = json!("Hello, {{ note | fallback(\"nothing\") }}.\n");
    });
    let id = ctl.create(&sneaky).to_string();
    let launched = ctl.run(["campaign", "launch", &id, "--yes"]);
    if launched.code == Some(0) {
        ctl.ok(["send", "--campaign", &id]);
        for mail in ctl.call("outbox_list", json!({}))["mails"]
            .as_array()
            .expect("a list")
        {
            let path = mail["path"].as_str().expect("a path");
            let path = ctl.workspace().join(path);
            let bytes = fs::read(path).expect("the outbox keeps its mails");
            assert_eq!(
                crate::harness::mime::raw_header(&bytes, "Bcc"),
                None,
                "a field's value never becomes a header"
            );
            let html = crate::harness::mime::Mail::read(&bytes).html;
            assert!(!html.contains("<script"), "nor markup");
        }
    }
    ctl.verify();
}
