//! A desk for the window under test: a display without a screen, a driver, a home of its own.
//!
//! Everything is started here and stopped here by process id. Two traps, both seen: without
//! `TAURI_WEBVIEW_AUTOMATION` the request for a window never answers, and with one of the
//! `WEBKIT_DISABLE_…` variables the automation hangs.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::driver::Driver;

/// Display, driver and home. Dropping it stops what it started.
pub struct Desk {
    driver: Group,
    _display: Group,
    url: String,
    home: TempDir,
}

impl Desk {
    /// Starts Xvfb and WebKitWebDriver, with an empty home and no workspace yet.
    pub fn set_up() -> Desk {
        let home = TempDir::new().expect("a temporary home can be made");
        let (display, number) = display();
        let port = free_port();
        let mut command = Command::new("WebKitWebDriver");
        command
            .args(["--host=127.0.0.1".to_owned(), format!("--port={port}")])
            .envs([
                ("DISPLAY", format!(":{number}")),
                ("TAURI_WEBVIEW_AUTOMATION", "true".to_owned()),
            ])
            .env("CASEMENT_WORKSPACE", home.path().join("workspace"))
            .env("HOME", home.path())
            .envs(["CONFIG", "DATA", "CACHE", "STATE", "RUNTIME"].map(|kind| {
                let name = if kind == "RUNTIME" {
                    "XDG_RUNTIME_DIR".to_owned()
                } else {
                    format!("XDG_{kind}_HOME")
                };
                (name, home.path().join(kind.to_lowercase()))
            }))
            // A person's session must not be touched: their bus, their Wayland, their accessibility bus.
            .env("NO_AT_BRIDGE", "1")
            .env("GIO_USE_VFS", "local")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("WEBKIT_DISABLE_DMABUF_RENDERER")
            .env_remove("WEBKIT_DISABLE_COMPOSITING_MODE")
            .stdin(Stdio::null());
        for kind in ["config", "data", "cache", "state", "runtime"] {
            std::fs::create_dir(home.path().join(kind)).expect("the home can be furnished");
        }
        let driver = Group::start("WebKitWebDriver", &mut command);
        wait_until_open(port);
        Desk {
            driver,
            _display: display,
            url: format!("http://127.0.0.1:{port}"),
            home,
        }
    }

    /// Where the window under test keeps its workspace.
    pub fn workspace(&self) -> PathBuf {
        self.home.path().join("workspace")
    }

    /// Opens the window.
    pub fn open_window(&self) -> Driver {
        Driver::open(&self.url, Path::new(env!("CARGO_BIN_EXE_casement")))
    }

    /// How long the driver has left to end after it was told to.
    pub fn clear(mut self) {
        self.driver.stop();
    }
}

/// A process that leads a group of its own, stopped with all its children.
pub struct Group {
    name: &'static str,
    child: Child,
}

impl Group {
    fn start(name: &'static str, command: &mut Command) -> Group {
        let child = command
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}; `cargo xtask test` installs it"));
        Group { name, child }
    }

    /// SIGTERM, never SIGKILL: a driver that is killed leaves its window behind.
    fn stop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let group = format!("-{}", self.child.id());
        let told = Command::new("kill").args(["-TERM", "--", &group]).status();
        let ended = told.is_ok_and(|status| status.success()) && self.child.wait().is_ok();
        if !ended {
            eprintln!("cannot stop {} (process {})", self.name, self.child.id());
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts Xvfb on a display number that it finds free itself, and returns that number.
fn display() -> (Group, u32) {
    let mut command = Command::new("Xvfb");
    command
        .args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1600x1000x24",
            "-nolisten",
            "tcp",
            "-noreset",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut xvfb = Group::start("Xvfb", &mut command);
    let mut pipe = BufReader::new(xvfb.child.stdout.take().expect("its output is a pipe"));
    let mut line = String::new();
    pipe.read_line(&mut line)
        .expect("Xvfb says which display it took");
    let number = line
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("Xvfb ended without a display: {line:?}"));
    // The pipe must stay open and be read, or Xvfb would end at its next word.
    std::thread::spawn(move || pipe.read_to_end(&mut Vec::new()));
    (xvfb, number)
}

fn free_port() -> u16 {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    probe.local_addr().expect("a bound socket has an address").port()
}

/// Waits for a server that says nothing when it is ready: only its port tells.
fn wait_until_open(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(
            Instant::now() < deadline,
            "WebKitWebDriver did not open its port {port} in 20 s"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
