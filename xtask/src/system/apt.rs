//! Debian and Ubuntu: install packages, and start no server that a package brings.
//!
//! The tests run Postfix, Dovecot, sshd and Caddy, and a bench nginx, with folders and ports of their own. The packages would
//! also start them for the whole machine, now and at every boot; nobody who runs a project's tests asked for that.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::sh;

/// Where Debian's maintainer scripts ask whether they may start a service (Debian policy §9.3.3).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// The servers that we install for their programs only, with their systemd units.
const SERVERS: &[(&str, &[&str])] = &[
    ("postfix", &["postfix.service"]),
    ("dovecot-core", &["dovecot.service", "dovecot.socket"]),
    ("openssh-server", &["ssh.service", "ssh.socket"]),
    ("caddy", &["caddy.service", "caddy-api.service"]),
    ("nginx-light", &["nginx.service"]),
];

/// What [`install`] does, for someone who has to do it by hand.
pub fn commands(packages: &[&str]) -> Vec<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    vec![
        words(&["apt-get", "update"]),
        words(
            &[
                &["apt-get", "install", "-y", "-q", "--no-install-recommends"],
                packages,
            ]
            .concat(),
        ),
    ]
}

/// Installs `packages` without a question, and without starting a server now or at the next boot.
pub fn install(packages: &[&str], sudo: bool) -> Result<()> {
    let servers: Vec<_> = SERVERS
        .iter()
        .filter(|(package, _)| packages.contains(package))
        .collect();
    if packages.contains(&"postfix") {
        // Without an answer Debian's default is an "Internet Site", which listens on port 25.
        preseed("postfix postfix/main_mailer_type select No configuration", sudo)?;
    }
    let hold = if servers.is_empty() {
        None
    } else {
        Hold::place(Path::new(POLICY), sudo)?
    };
    let outcome = commands(packages).iter().try_for_each(|words| {
        let mut words = words.clone();
        if sudo {
            words = [
                &["sudo", "env", "DEBIAN_FRONTEND=noninteractive"].map(str::to_owned)[..],
                &words,
            ]
            .concat();
        }
        let mut command = super::as_root(&words, false);
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null());
        sh::run(&mut command)
    });
    drop(hold);
    outcome?;
    if Path::new("/run/systemd/system").exists() {
        for unit in servers.iter().flat_map(|(_, units)| units.iter()) {
            let words = ["systemctl", "disable", "--now", unit].map(str::to_owned);
            // A unit that this release does not have is no reason to stop.
            sh::succeeds(&mut super::as_root(&words, sudo));
        }
    }
    Ok(())
}

/// Answers a question of debconf beforehand.
fn preseed(line: &str, sudo: bool) -> Result<()> {
    let mut child = super::as_root(&["debconf-set-selections".to_owned()], sudo)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start `debconf-set-selections`")?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{line}").context("cannot write to `debconf-set-selections`")?;
    }
    if !child.wait()?.success() {
        bail!("`debconf-set-selections` refused `{line}`");
    }
    Ok(())
}

/// A policy that holds services back while this process lives; it goes when dropped.
struct Hold<'a> {
    path: &'a Path,
    sudo: bool,
}

impl Hold<'_> {
    /// Writes the policy, unless the machine has one (containers do: theirs starts nothing either).
    fn place(path: &Path, sudo: bool) -> Result<Option<Hold<'_>>> {
        if path.exists() {
            return Ok(None);
        }
        let mut child = super::as_root(&["install", "-m", "755", "/dev/stdin"].map(str::to_owned), sudo)
            .arg(path)
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start `install`")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin
                .write_all(policy(std::process::id()).as_bytes())
                .context("cannot write the policy")?;
        }
        if !child.wait()?.success() {
            bail!(
                "cannot write {}, which keeps packages from starting servers",
                path.display()
            );
        }
        Ok(Some(Hold { path, sudo }))
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let words = ["rm".to_owned(), "-f".to_owned(), self.path.display().to_string()];
        if !sh::succeeds(&mut super::as_root(&words, self.sudo)) {
            eprintln!(
                "xtask: cannot remove {}; it has no effect any more",
                self.path.display()
            );
        }
    }
}

/// A policy that forbids only while process `pid` lives: should we be killed, nothing stays forbidden.
fn policy(pid: u32) -> String {
    format!(
        "#!/bin/sh\n# Written by `cargo xtask`; may be deleted.\nif [ -d /proc/{pid} ]; then exit 101; fi\nexit 0\n"
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_policy_ends_with_the_process_that_wrote_it() {
        let verdict = |pid| {
            Command::new("sh")
                .arg("-c")
                .arg(policy(pid))
                .status()
                .expect("sh runs")
                .code()
                .expect("sh exits")
        };
        if Path::new("/proc/self").exists() {
            assert_eq!(
                verdict(std::process::id()),
                101,
                "no service starts while we install"
            );
        }
        assert_eq!(verdict(u32::MAX), 0, "a policy left behind forbids nothing");
    }

    #[test]
    fn a_hold_goes_when_it_is_dropped_and_leaves_a_policy_of_the_machine_alone() {
        let folder = std::env::temp_dir().join(format!("xtask-hold-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
        let path = folder.join("policy-rc.d");
        let hold = Hold::place(&path, false).expect("the policy is written");
        assert!(hold.is_some() && path.exists(), "the policy is in place");
        assert!(
            Hold::place(&path, false).expect("nothing to do").is_none(),
            "a policy there is left alone"
        );
        drop(hold);
        assert!(!path.exists(), "the policy goes with the hold");
        std::fs::remove_dir_all(&folder).expect("the temporary folder can be removed");
    }
}
