//! The real window, driven by WebDriver on a display without a screen.

#[path = "window/desk.rs"]
mod desk;
#[path = "window/driver.rs"]
mod driver;

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use desk::{Desk, Opens};
use driver::{By, Driver};
use serde_json::{Value, json};

/// Photographs the window in light and in dark.
fn photograph(window: &Driver, name: &str) {
    for theme in ["light", "dark"] {
        window
            .command("settings_update", &json!({"theme": theme}))
            .expect("the theme can be chosen");
        window.wait_for(
            theme,
            &format!("return document.documentElement.dataset.theme === '{theme}'"),
        );
        window.photograph(&pictures().join(format!("window-{name}-{theme}.png")));
    }
}

/// Where the pictures go: someone looks at them.
fn pictures() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&folder).expect("the folder of pictures can be made");
    folder
}

#[test]
fn a_workspace_that_another_process_holds_is_said_in_the_window() {
    let desk = Desk::set_up(Opens::Named);
    std::fs::create_dir_all(desk.workspace()).expect("the workspace's folder can be made");
    let lock = File::create(desk.workspace().join("casement.lock")).expect("the lock's file can be made");
    lock.lock().expect("nobody else holds the lock");

    let window = desk.open_window();
    let error = window
        .command("app_state", &json!({}))
        .expect_err("there is no engine to answer");
    assert_eq!(
        error["code"], "locked",
        "every command says why there is no engine: {error}"
    );
    let sentence = error["message"].as_str().expect("an error has a sentence");
    window.wait_for(
        "the sentence",
        &format!("return document.body.innerText.includes({})", json!(sentence)),
    );
    window.resize(1280, 800);
    window.photograph(&pictures().join("window-workspace-in-use.png"));
    window.quit();
}

#[test]
fn from_the_first_start_to_an_open_that_lands_live() {
    let desk = Desk::set_up(Opens::Named);
    let window = desk.open_window();
    window.resize(1280, 800);
    window.wait_for("the first start", "return location.hash === '#/welcome'");
    photograph(&window, "welcome");

    window.click(&By::Named("Try it with sample data"));
    let ended = "return location.hash !== '#/welcome' || document.body.innerText.includes('was not added')";
    window.wait_up_to(Duration::from_secs(120), "the sample data", ended);
    let shown = window.text();
    assert!(
        !shown.contains("was not added"),
        "the sample data fills the workspace:\n{shown}"
    );
    for place in [
        "home",
        "campaigns",
        "compose",
        "audience",
        "report",
        "activity",
        "settings",
    ] {
        window.click(&By::Css(&format!("nav li.{place} a")));
        // The page's own heading, in a place that has all its answers.
        window.wait_for(
            place,
            &format!(
                "return document.querySelector('nav li.{place} a').getAttribute('aria-current') === 'page' &&
                    (document.querySelector('main h1')?.innerText ?? '') !== '' &&
                    document.querySelector('main [aria-busy=true]') === null"
            ),
        );
        photograph(&window, place);
    }

    window.run("location.hash = '#/settings/address'");
    window.wait_for(
        "the listener's state",
        "return document.querySelector('main').innerText.includes('Listening since')",
    );
    window.run("document.querySelector('main section[aria-label=Listener]').scrollIntoView()");
    photograph(&window, "listener");

    let (campaign, mail) = an_unread_mail(&desk);
    window.run(&format!("location.hash = '#/report/{campaign}'"));
    let confirmed = desk.call("report_get", &json!({"id": campaign}))["confirmed"].as_u64();
    let confirmed = confirmed.expect("a report counts the confirmed");
    let shows = |count: u64| {
        format!(
            "return document.querySelector('main').innerText.replaceAll(',', '').includes('{count} confirmed')"
        )
    };
    window.wait_for("the report", &shows(confirmed));
    let shown = window.text();
    assert!(
        !shown.contains("1970"),
        "time starts with the campaign, not with the clock:\n{shown}"
    );

    // Another process opens the mail as a reader would; it answers when the pixel was answered.
    let opened = desk.call("outbox_open_as", &json!({"id": mail, "client": "iphone"}));
    assert_eq!(
        opened["status"], 200,
        "the pixel was stored and answered: {opened}"
    );
    let took = window.wait_up_to(Duration::from_secs(1), "the open", &shows(confirmed + 1));
    println!("the open was in the window {took:?} after its answer");
    photograph(&window, "report-live");
    window.quit();
}

#[test]
fn a_backup_takes_the_workspaces_place_under_the_open_window() {
    let desk = Desk::set_up(Opens::Named);
    let window = desk.open_window();
    window.resize(1280, 800);
    let ask = |command: &str, request: Value| {
        window
            .command(command, &request)
            .unwrap_or_else(|error| panic!("{command}: {error}"))
    };
    ask("settings_update", json!({ "unknown_policy": "none" }));
    ask(
        "contact_save",
        json!({ "email": "ana@example.org", "first_name": "Ana", "lists": [] }),
    );
    let file = desk.workspace().with_file_name("club.casement");
    let saved = ask("backup_save", json!({ "path": file, "is_move": false }));
    while desk.call("job_get", &json!({ "job": saved["job"] }))["state"] == "running" {}
    ask(
        "contact_save",
        json!({ "email": "bo@example.org", "first_name": "Bo", "lists": [] }),
    );
    ask(
        "contact_suppress",
        json!({ "email": "ana@example.org", "suppress": true }),
    );

    window.run("window.isTheOldPage = true; location.hash = '#/settings/data'");
    ask("backup_restore", json!({ "path": file }));
    window.wait_for_another_page("return window.isTheOldPage === undefined");
    window.wait_for(
        "what became of it",
        "return document.body.innerText.includes('was brought back')",
    );
    window.photograph(&pictures().join("window-backup-brought-back.png"));
    let people = desk.call("contact_list", &json!({ "search": "", "offset": 0, "limit": 10 }));
    assert_eq!(
        people["total"], 1,
        "whoever came after the backup is gone: {people}"
    );
    assert!(
        !people["contacts"][0]["suppressed"].is_null(),
        "who wants no mail gets none: {people}"
    );
    window.quit();
}

/// Finds a sample campaign whose window is open, and a mail of it that nobody opened.
fn an_unread_mail(desk: &Desk) -> (i64, i64) {
    let campaigns = desk.call("campaign_list", &json!({}));
    for campaign in campaigns["campaigns"].as_array().expect("there are campaigns") {
        let id = campaign["id"].as_i64().expect("a campaign has an id");
        let unread = json!({"id": id, "filter": "no_signal", "limit": 500});
        if campaign["rate"].is_null() {
            continue;
        }
        let unread = desk.call("report_recipients", &unread);
        let unread: Vec<&Value> = unread["recipients"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| &row["email"])
            .collect();
        let mails = desk.call("outbox_list", &json!({"campaign": id, "limit": 500}));
        let mails = mails["mails"].as_array().expect("the outbox has mails");
        if let Some(mail) = mails.iter().find(|mail| unread.contains(&&mail["to"])) {
            return (id, mail["id"].as_i64().expect("a mail has an id"));
        }
    }
    panic!("no sample campaign has a mail that nobody opened: {campaigns}");
}

#[test]
fn a_second_start_ends_at_once_and_leaves_the_first_window_open() {
    let desk = Desk::set_up(Opens::Own);
    let window = desk.open_window();
    window.wait_for("the first start", "return window.location.hash === '#/welcome'");

    let status = desk.start_again();
    assert!(
        status.success(),
        "the second start hands over to the first: {status}"
    );
    let state = window
        .command("app_state", &json!({}))
        .expect("the first window still has its engine");
    let folder = state["workspace"]
        .as_str()
        .expect("the state names its workspace");
    assert!(
        folder.ends_with("data/casement/workspace"),
        "a person's own workspace lies in {folder}"
    );
    window.quit();
}
