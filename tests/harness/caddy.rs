//! A real Caddy, as it holds the certificate of an own domain on an own server.

use super::process::Group;
use super::until_or;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A Caddy that runs.
pub struct Caddy {
    dir: TempDir,
    _group: Group,
}

impl Caddy {
    /// Starts it with the site that a user would paste, which must answer at `port`; or says why that cannot be.
    ///
    /// The certificate is given, since the authorities that Caddy asks by itself are not on this computer.
    pub fn start(site: &str, port: u16, (certificate, key): (&Path, &Path)) -> Result<Self, String> {
        let dir = tempfile::Builder::new()
            .prefix("casement-caddy-")
            .tempdir()
            .expect("a temporary folder can be made");
        let site = site.replacen(
            '{',
            &format!("{{\n    tls {} {}", certificate.display(), key.display()),
            1,
        );
        let file = dir.path().join("Caddyfile");
        fs::write(
            &file,
            format!("{{\n    admin off\n    auto_https disable_redirects\n}}\n{site}\n"),
        )
        .expect("own folder");
        let log = fs::File::create(dir.path().join("log")).expect("own folder");
        let mut command = Command::new("caddy");
        command
            .env("HOME", dir.path())
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if Command::new("caddy").arg("version").output().is_err() {
            return Err("Caddy is not on this machine; `cargo xtask test` installs it".to_owned());
        }
        let caddy = Self {
            _group: Group::start("caddy", &mut command),
            dir,
        };
        until_or(
            || format!("Caddy should take connections;\n{}", caddy.log()),
            || TcpStream::connect(("127.0.0.1", port)).ok(),
        );
        Ok(caddy)
    }

    /// Returns what it wrote into its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}
