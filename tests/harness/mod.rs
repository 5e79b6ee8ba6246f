//! What the tests stand on: real servers, the real `casementctl`, and small clients to look at both from outside.
//!
//! - `process`: a process with its children, ended by its id when it is dropped.
//! - `mail_servers`: Postfix and Dovecot from the distribution, with folders and ports of their own.
//! - `sink`: a scripted SMTP server for what a good server would not do.
//! - `sshd`: OpenSSH's server from the distribution, on a loopback port.
//! - `dns`: dnsmasq, a name server that knows only what it is told; `caddy`: a web server that holds a certificate.
//! - `ctl`: the real binary in a home of its own.
//! - `http`, `imap`, `mime`: mail clients, played. None of them shares a parser with the code under test.
//! - `readers`: the user agents of mail clients.
//! - `raw`: a client that breaks every rule; `line`: one that keeps its connection.
//! - `witness`: an honest reader who looks all the while; `gauge`: what a process takes.
//! - `crowd`: a campaign that was sent to many, and what the workspace says of each of them.
//! - `disk`: a small disk that can be filled; `lock`: another program that holds the database.
//! - `chance`: random choices that repeat.
//!
//! Nothing here waits for a fixed time: [`until`] asks again until a deadline.

#[allow(dead_code, reason = "the core's own tests use it, too, and ask it more")]
#[path = "../../src-tauri/core/src/net/oauth/server.rs"]
pub mod authorization;
pub mod caddy;
pub mod chance;
pub mod crowd;
pub mod ctl;
pub mod disk;
pub mod dns;
pub mod gauge;
pub mod http;
pub mod imap;
pub mod line;
pub mod lock;
pub mod mail_servers;
pub mod mime;
pub mod practice;
pub mod process;
pub mod raw;
pub mod readers;
pub mod sink;
pub mod sshd;
pub mod witness;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long something may take that takes a second on a quiet machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks `look` until it finds something; fails with `what` once [`PATIENCE`] is over.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_or(|| what.to_owned(), look)
}

/// As [`until`]; `what` is told when it fails, with what is known then.
pub fn until_or<T>(what: impl Fn() -> String, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {} s in vain: {}",
            PATIENCE.as_secs(),
            what()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns a loopback port that nobody uses at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a loopback port can be had")
        .port()
}

/// Whether this run may skip nothing.
pub fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Says why a test does nothing on this machine; in CI that is a failure.
pub fn skip(test: &str, why: &str) {
    assert!(!is_ci(), "{test}: {why}; in CI nothing is skipped");
    eprintln!("{test}: skipped: {why}");
}

/// Waits until no other test needs the machine for itself, and keeps it until the guard is dropped.
///
/// For tests that flood, or that measure time. All others run beside them.
pub fn quiet() -> MutexGuard<'static, ()> {
    static QUIET: Mutex<()> = Mutex::new(());
    // A test that failed with it in hand leaves nothing in disorder.
    QUIET.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
