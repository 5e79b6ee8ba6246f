//! A desk for the window under test: a display without a screen, a driver, a home of its own.
//!
//! Everything is started here and stopped here by process id. Two traps, both seen: without
//! `TAURI_WEBVIEW_AUTOMATION` the request for a window never answers, and with one of the
//! `WEBKIT_DISABLE_…` variables the automation hangs.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::driver::Driver;

/// Display, driver and home. Dropping it stops what it started, the driver first.
pub struct Desk {
    _driver: Group,
    _bus: Option<Group>,
    _display: Group,
    url: String,
    environment: Vec<(&'static str, OsString)>,
    home: TempDir,
}

/// What the window under test opens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// A workspace that is named to it.
    Named,
    /// The workspace of the person whose home it is, of which there is one window: D-Bus tells.
    Own,
}

impl Desk {
    /// Starts Xvfb and WebKitWebDriver, with an empty home and no workspace yet.
    pub fn set_up(opens: Opens) -> Desk {
        let home = TempDir::new().expect("a temporary home can be made");
        let (display, number) = display();
        let mut environment = vec![
            ("DISPLAY", OsString::from(format!(":{number}"))),
            ("HOME", home.path().into()),
            // No accessibility bus: it would be the person's.
            ("NO_AT_BRIDGE", "1".into()),
            ("GIO_USE_VFS", "local".into()),
        ];
        for (variable, folder) in [
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_RUNTIME_DIR", "runtime"),
        ] {
            let folder = home.path().join(folder);
            std::fs::create_dir(&folder).expect("the home can be furnished");
            environment.push((variable, folder.into()));
        }
        let bus = (opens == Opens::Own).then(bus);
        match &bus {
            Some((_, address)) => environment.push(("DBUS_SESSION_BUS_ADDRESS", address.into())),
            None => environment.push(("CASEMENT_WORKSPACE", home.path().join("workspace").into())),
        }

        let port = free_port();
        let mut command = tied("WebKitWebDriver");
        command.args(["--host=127.0.0.1".to_owned(), format!("--port={port}")]);
        command.env("TAURI_WEBVIEW_AUTOMATION", "true");
        let driver = Group::start("WebKitWebDriver", furnish(&mut command, &environment));
        wait_until_open(port);
        let bus = bus.map(|(bus, _)| bus);
        let url = format!("http://127.0.0.1:{port}");
        Desk {
            _driver: driver,
            _bus: bus,
            _display: display,
            url,
            environment,
            home,
        }
    }

    /// Where a window on a named workspace keeps it.
    pub fn workspace(&self) -> PathBuf {
        self.home.path().join("workspace")
    }

    /// Calls a command by `casementctl`, another process: the window's engine answers it.
    pub fn call(&self, command: &str, request: &Value) -> Value {
        let mut ctl = Command::new(env!("CARGO_BIN_EXE_casementctl"));
        ctl.args(["--json", "call", command, &request.to_string()]);
        let done = furnish(&mut ctl, &self.environment)
            .output()
            .expect("casementctl starts");
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(
            done.status.success(),
            "{command} failed: {said}{}",
            String::from_utf8_lossy(&done.stderr)
        );
        serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{command} answered no JSON: {error}: {said}"))
    }

    /// Opens the window under the driver.
    pub fn open_window(&self) -> Driver {
        Driver::open(&self.url, Path::new(CASEMENT))
    }

    /// Starts the program as a person would, beside the window under the driver, and waits for its end.
    pub fn start_again(&self) -> ExitStatus {
        let mut command = Command::new(CASEMENT);
        let mut second = Group::start("casement", furnish(&mut command, &self.environment));
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match second.child.try_wait().expect("a child can be waited for") {
                Some(status) => return status,
                None => assert!(Instant::now() < deadline, "the second start did not end in 20 s"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The program under test.
const CASEMENT: &str = env!("CARGO_BIN_EXE_casement");

/// Gives `command` the desk's environment instead of the person's.
fn furnish<'a>(command: &'a mut Command, environment: &[(&str, OsString)]) -> &'a mut Command {
    for variable in [
        "CASEMENT_WORKSPACE",
        "DBUS_SESSION_BUS_ADDRESS",
        "WAYLAND_DISPLAY",
        "WEBKIT_DISABLE_DMABUF_RENDERER",
        "WEBKIT_DISABLE_COMPOSITING_MODE",
    ] {
        command.env_remove(variable);
    }
    command
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
}

/// Starts a session bus that knows no services, and returns its address.
fn bus() -> (Group, String) {
    let mut command = tied("dbus-daemon");
    command.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut bus = Group::start("dbus-daemon", &mut command);
    let address = first_line(&mut bus);
    (bus, address)
}

/// A command for `program` that ends with this process however that ends, by Ctrl-C too. The window needs no
/// such tie: it ends with its display.
fn tied(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", program]);
    command
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
    let mut command = tied("Xvfb");
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
    let number = first_line(&mut xvfb);
    let number = number
        .parse()
        .unwrap_or_else(|_| panic!("Xvfb ended without a display: {number:?}"));
    (xvfb, number)
}

/// What a server says when it is ready; the rest of what it says is heard and dropped.
fn first_line(server: &mut Group) -> String {
    let mut pipe = BufReader::new(server.child.stdout.take().expect("its output is a pipe"));
    let mut line = String::new();
    pipe.read_line(&mut line).expect("a pipe can be read");
    // The pipe must stay open, or the server would end at its next word.
    std::thread::spawn(move || pipe.read_to_end(&mut Vec::new()));
    line.trim().to_owned()
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
