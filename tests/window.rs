//! The real window, driven by WebDriver on a display without a screen.

#[path = "window/desk.rs"]
mod desk;
#[path = "window/driver.rs"]
mod driver;

use serde_json::json;

#[test]
fn the_window_opens_and_shows_its_frame() {
    let desk = desk::Desk::set_up();
    let window = desk.open_window();
    window.wait_for("the frame", "return document.querySelector('#main') !== null");
    window.resize(1280, 800);
    let pictures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&pictures).expect("the folder of pictures can be made");
    println!("{:?}", window.command("app_state", &json!({})));
    println!("{}", window.text());
    window.photograph(&pictures.join("first.png"));
    window.quit();
}

#[test]
fn a_workspace_in_use_is_said_in_the_window() {
    let desk = desk::Desk::set_up();
    std::fs::create_dir_all(desk.workspace()).expect("the workspace's folder can be made");
    let lock =
        std::fs::File::create(desk.workspace().join("casement.lock")).expect("the lock's file can be made");
    lock.lock().expect("nobody else holds the lock");
    let window = desk.open_window();
    window.wait_for("the frame", "return document.querySelector('#main') !== null");
    println!("{:?}", window.command("app_state", &json!({})));
    println!("{}", window.text());
    let pictures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&pictures).expect("the folder of pictures can be made");
    window.photograph(&pictures.join("locked.png"));
    window.quit();
}
