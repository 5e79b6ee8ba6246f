//! The real window, driven by WebDriver on a display without a screen.

#[path = "window/desk.rs"]
mod desk;
#[path = "window/driver.rs"]
mod driver;

use std::fs::File;
use std::path::PathBuf;

use desk::{Desk, Opens};
use serde_json::json;

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
    window.photograph(&pictures().join("workspace-in-use.png"));
    window.quit();
}

#[test]
fn the_first_start_asks_what_it_has_to_ask() {
    let desk = Desk::set_up(Opens::Named);
    let window = desk.open_window();
    window.wait_for("the first start", "return window.location.hash === '#/welcome'");
    println!("{}", window.text());
    window.resize(1280, 800);
    window.photograph(&pictures().join("welcome.png"));
    window.quit();
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
