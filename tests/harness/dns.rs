//! A real name server on loopback, dnsmasq, that knows the names that a test tells it and nothing else.

use super::process::Group;
use super::{free_port, until_or};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// A name server that runs.
pub struct NameServer {
    /// Where it answers.
    pub addr: String,
    _group: Group,
}

impl NameServer {
    /// Starts it, or says why that cannot be. Each of `names` leads to this computer; every other one is not known.
    pub fn start(names: &[&str]) -> Result<Self, String> {
        let program = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
            .map(|dir: PathBuf| dir.join("dnsmasq"))
            .find(|file| file.is_file())
            .ok_or("dnsmasq is not on this machine; `cargo xtask test` installs it")?;
        let port = free_port();
        let mut command = Command::new(program);
        command
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--no-resolv",
                "--no-hosts",
            ])
            .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file="])
            .arg(format!("--port={port}"))
            .args(names.iter().map(|name| format!("--address=/{name}/127.0.0.1")));
        let group = Group::start("dnsmasq", &mut command);
        let addr = format!("127.0.0.1:{port}");
        until_or(
            || format!("dnsmasq should answer at {addr}"),
            || answers(&addr).then_some(()),
        );
        Ok(Self { addr, _group: group })
    }
}

/// Asks for the root's name servers (RFC 1035 §4.1): any answer will do.
fn answers(addr: &str) -> bool {
    let ask = || {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        socket.send_to(&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1], addr)?;
        socket.recv(&mut [0; 512])
    };
    ask().is_ok()
}
