//! A real sshd of the distribution on a loopback port, with keys of its own, ended with its sessions when dropped.

use super::process::Group;
use super::{free_port, until, until_or};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An sshd that runs.
pub struct Sshd {
    /// Where it takes connections.
    pub port: u16,
    /// A user who may log in.
    pub user: String,
    address: &'static str,
    dir: TempDir,
    group: Option<Group>,
    program: PathBuf,
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes a key without a passphrase and returns its public line.
pub fn make_key(file: &Path) -> String {
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(file));
    fs::read_to_string(file.with_extension("pub"))
        .expect("ssh-keygen wrote it")
        .trim()
        .to_owned()
}

impl Sshd {
    /// Starts it, or says why that cannot be. A frozen session is noticed after `alive` × 2 seconds; never for 0.
    pub fn start(alive: u32) -> Result<Self, String> {
        Self::start_at("127.0.0.1", alive)
    }

    /// As [`Self::start`], at another address of this computer.
    pub fn start_at(address: &'static str, alive: u32) -> Result<Self, String> {
        let program = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
            .map(|dir| dir.join("sshd"))
            .find(|file| file.is_file())
            .ok_or("sshd is not on this machine; `cargo xtask test` installs it")?;
        // As root it wants this folder, which an init system makes elsewhere.
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").map_err(|error| format!("/run/sshd: {error}"))?;
        }
        let user = Command::new("id").arg("-un").output().expect("every Unix has id");
        let dir = tempfile::Builder::new()
            .prefix("casement-sshd-")
            .tempdir()
            .expect("a temporary folder can be made");
        make_key(&dir.path().join("host"));
        let port = free_port();
        let at = dir.path().display();
        fs::write(
            dir.path().join("conf"),
            format!(
                "Port {port}\n\
                 ListenAddress {address}\n\
                 HostKey {at}/host\n\
                 PidFile none\n\
                 AuthorizedKeysFile {at}/authorized_keys\n\
                 StrictModes no\n\
                 UsePAM no\n\
                 PasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\n\
                 MaxStartups 100\n\
                 ClientAliveInterval {alive}\n\
                 ClientAliveCountMax 2\n"
            ),
        )
        .expect("own folder");
        let mut sshd = Self {
            port,
            user: String::from_utf8_lossy(&user.stdout).trim().to_owned(),
            address,
            dir,
            group: None,
            program,
        };
        sshd.allow(&[]);
        sshd.run();
        Ok(sshd)
    }

    /// Starts it again after [`Self::end`].
    pub fn run(&mut self) {
        let mut command = Command::new(&self.program);
        command
            .args(["-D", "-f"])
            .arg(self.dir.path().join("conf"))
            .arg("-E")
            .arg(self.dir.path().join("log"));
        self.group = Some(Group::start("sshd", &mut command));
        until_or(
            || format!("sshd should take connections;\n{}", self.log()),
            || TcpStream::connect((self.address, self.port)).ok(),
        );
    }

    /// Ends it and its sessions, as a server does that is switched off.
    pub fn end(&mut self) {
        if let Some(group) = self.group.take() {
            // Sessions make groups of their own.
            let sessions = descendants(group.child.id());
            drop(group);
            sessions.into_iter().for_each(stop);
        }
    }

    /// Lets in whoever has one of these keys, each with its options in front.
    pub fn allow(&self, lines: &[String]) {
        fs::write(self.dir.path().join("authorized_keys"), lines.join("\n") + "\n").expect("own folder");
    }

    /// Returns its own key as `type base64`.
    pub fn host_key(&self) -> String {
        let text = fs::read_to_string(self.dir.path().join("host.pub")).expect("it was made");
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// Returns what it wrote into its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns the processes that come from the process `pid`.
fn descendants(pid: u32) -> Vec<i32> {
    let parents: Vec<(i32, i32)> = fs::read_dir("/proc")
        .expect("this is Linux")
        .flatten()
        .filter_map(|entry| {
            let own = entry.file_name().into_string().ok()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((own, parent))
        })
        .collect();
    let mut found = vec![i32::try_from(pid).expect("a process has a number")];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(own, _)| *own),
        );
        at += 1;
    }
    found.split_off(1)
}

/// Returns the processes whose command line `fits`.
pub fn processes(fits: impl Fn(&str) -> bool) -> Vec<i32> {
    let own = std::process::id().to_string();
    fs::read_dir("/proc")
        .expect("this is Linux")
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let pid = name.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            (name != own && !line.is_empty() && fits(&line)).then_some(pid)
        })
        .collect()
}

/// Kills one process that a test found by its own temporary folder.
pub fn stop(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Sends a signal to one process.
pub fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).expect("a process has a number"), signal).expect("it is there");
}

/// Waits until the process is gone.
pub fn wait_until_gone(pid: i32) {
    until(&format!("process {pid} should be gone"), || {
        is_gone(pid).then_some(())
    });
}

/// Tells whether the process is gone, or dead and not asked for yet.
pub fn is_gone(pid: i32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(_) => true,
        Ok(stat) => stat
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])),
    }
}
