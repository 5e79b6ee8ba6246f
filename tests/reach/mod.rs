//! Tunnels: the supervisor over a real sshd and over scripted stand-ins, and what is left when this program ends.

mod network;
mod orphans;
mod program;
mod ssh;
mod stand_ins;

use crate::harness::ctl::Ctl;
use crate::harness::process::Group;
use crate::harness::{PATIENCE, until_or};
use casement_core::clock::SystemClock;
use casement_core::ids::SystemEntropy;
use casement_core::reach::tunnel::state::State;
use casement_core::reach::tunnel::supervisor::{Needs, Status, Tunnel};
use casement_core::reach::tunnel::way::{Means, Plan, Way};
use casement_core::reach::tunnel::{ProbeResult, Prober};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A folder with what a plan wants, and a tunnel that is followed in it.
struct Bench {
    dir: TempDir,
    tunnel: Option<Tunnel>,
}

/// What changes between two plans of one tunnel.
#[derive(Clone)]
struct Wanted {
    way: Way,
    program: PathBuf,
    key: PathBuf,
    port: u16,
    metrics: u16,
    secrets: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("casement-reach-")
            .tempdir()
            .expect("a temporary folder can be made");
        for file in ["known_hosts", "empty.yml", "token"] {
            fs::write(dir.path().join(file), "").expect("own folder");
        }
        Self { dir, tunnel: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a program of /bin/sh that notes its number and its arguments first.
    fn script(&self, name: &str, body: &str) -> PathBuf {
        let (path, at) = (self.path(name), self.dir.path().display());
        let text = format!(
            "#!/bin/sh\necho $$ > {at}/pid.new; mv {at}/pid.new {at}/pid\necho \"$*\" > {at}/arguments.new; mv {at}/arguments.new {at}/arguments\n{body}\n"
        );
        // Another thread's child could hold a file open that this process wrote by itself: "text file busy".
        let mut shell = std::process::Command::new("/bin/sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("there is a shell");
        shell
            .stdin
            .take()
            .expect("it is piped")
            .write_all(text.as_bytes())
            .expect("the shell reads");
        assert!(shell.wait().expect("it is a child").success());
        path
    }

    /// Makes a pipe with a name: a script waits in its opening, and for nothing else.
    fn named_pipe(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("every Unix has mkfifo").success());
        path
    }

    /// Returns what the script was called with. A tunnel can be up before its program has said anything.
    fn arguments(&self) -> String {
        until_or(
            || "the script should note its arguments".to_owned(),
            || fs::read_to_string(self.path("arguments")).ok(),
        )
    }

    /// Returns the number of the script that runs.
    fn pid(&self) -> i32 {
        until_or(
            || "the script should start".to_owned(),
            || fs::read_to_string(self.path("pid")).ok()?.trim().parse().ok(),
        )
    }

    fn plan(dir: &Path, wanted: &Wanted) -> Plan {
        let means = Means {
            program: &wanted.program,
            port: wanted.port,
            metrics: wanted.metrics,
            key: &wanted.key,
            known_hosts: &dir.join("known_hosts"),
            token_file: &dir.join("token"),
            empty: &dir.join("empty.yml"),
        };
        let plan = wanted.way.plan(&means).expect("something is started");
        Plan {
            secrets: wanted.secrets.clone(),
            ..plan
        }
    }

    /// Follows a tunnel and starts it.
    fn follow(&mut self, wanted: &Wanted, prober: Arc<dyn Prober>) -> &Tunnel {
        let (dir, wanted) = (self.dir.path().to_owned(), wanted.clone());
        let needs = Needs {
            leash: env!("CARGO_BIN_EXE_casementctl").into(),
            note: self.path("note.json"),
            environment: vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default())],
            plan: Box::new(move || Ok(Self::plan(&dir, &wanted))),
            prober: Some(prober),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            changed: Box::new(|| {}),
        };
        let tunnel = self
            .tunnel
            .insert(Tunnel::follow(needs).expect("the system gives threads"));
        tunnel.start();
        tunnel
    }

    fn tunnel(&self) -> &Tunnel {
        self.tunnel.as_ref().expect("it is followed")
    }

    /// Waits until the tunnel is as `wanted`.
    fn until(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        until_or(
            || {
                format!(
                    "the tunnel should come there; it is {:#?}",
                    self.tunnel().status()
                )
            },
            || Some(self.tunnel().status()).filter(|status| wanted(status)),
        )
    }

    fn until_state(&self, state: State) -> Status {
        self.until(|status| status.state == state)
    }

    /// Ends the tunnel and tells how long that took.
    fn end(&mut self) -> Duration {
        let begun = Instant::now();
        self.tunnel.take();
        begun.elapsed()
    }
}

/// A small web server on loopback that answers every request by `answer(path)`, until the test ends.
fn web_server(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port can be had");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = [0; 4096];
            let n = stream.read(&mut bytes).unwrap_or(0);
            let head = String::from_utf8_lossy(&bytes[..n]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
            let (status, body) = answer(&path);
            // The client may have gone.
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    port
}

/// Asks a port of loopback, whatever the address is: the web server in front is not part of these tests.
struct Through(AtomicU16);

impl Through {
    fn port(port: u16) -> Arc<Self> {
        Arc::new(Self(AtomicU16::new(port)))
    }
}

fn get(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

impl Prober for Through {
    fn probe(&self, _: &str) -> ProbeResult {
        let begun = Instant::now();
        match get(self.0.load(Ordering::Relaxed)) {
            Ok(text) if text.ends_with("it is me") => ProbeResult::Good {
                latency: begun.elapsed(),
            },
            Ok(text) => ProbeResult::Missed(format!("Somebody else answered: {text}")),
            Err(error) => ProbeResult::Missed(format!("Nobody answered: {error}.")),
        }
    }
}

/// Somebody who finds this computer always.
struct Found;

impl Prober for Found {
    fn probe(&self, _: &str) -> ProbeResult {
        ProbeResult::Good {
            latency: Duration::from_millis(1),
        }
    }
}

fn ssh_program() -> PathBuf {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|dir| dir.join("ssh"))
        .find(|file| file.is_file())
        .expect("the OpenSSH client is on every machine that has its server")
}

/// A `casementctl` that says line by line how it is.
struct Announced {
    group: Group,
    said: Receiver<String>,
}

impl Announced {
    fn start(ctl: &Ctl, arguments: &[&str]) -> Self {
        let mut command = ctl.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Group::start("casementctl reach up", &mut command);
        let (sender, said) = channel();
        let stdout = group.child.stdout.take().expect("it is piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { group, said }
    }

    /// Returns the next line; fails where none comes.
    fn line(&mut self) -> String {
        match self.said.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("a line should come"),
            Err(RecvTimeoutError::Disconnected) => {
                let mut errors = String::new();
                let stderr = self.group.child.stderr.as_mut().expect("it is piped");
                drop(stderr.read_to_string(&mut errors));
                panic!("it ended before it said a line: {errors}");
            }
        }
    }
}

/// Starts `casementctl reach up` and returns it with the first line that it prints: the address.
fn reach_up(ctl: &Ctl) -> (Group, String) {
    let mut said = Announced::start(ctl, &["reach", "up"]);
    let line = said.line();
    (said.group, line)
}
