//! The real `casementctl`, in a home of its own: no keychain, no configuration and no workspace of this machine.

use super::process::Group;
use super::{PATIENCE, readers, until};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use tempfile::TempDir;

/// The program under test.
const CASEMENTCTL: &str = env!("CARGO_BIN_EXE_casementctl");

/// How a run of `casementctl` ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// The JSON document on standard output; null where there is none.
    pub json: Value,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Returns the error's sentence, wherever it was put.
    pub fn sentence(&self) -> String {
        match self.json["error"]["message"].as_str() {
            Some(message) => format!("{message}\n{}", self.stderr),
            None => self.stderr.clone(),
        }
    }

    /// Fails unless the run ended with code 1 and a sentence that holds every one of `words`, in any case.
    #[track_caller]
    pub fn refused(&self, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(1), "this must fail with code 1: {self:?}");
        let sentence = self.sentence();
        for word in words {
            assert!(
                sentence.to_lowercase().contains(&word.to_lowercase()),
                "the sentence should say {word:?}: {sentence}"
            );
        }
        assert!(
            !sentence.contains("panicked"),
            "bad input is no panic: {sentence}"
        );
        self
    }
}

/// A home with a workspace, and `casementctl` in it.
pub struct Ctl {
    home: TempDir,
    workspace: PathBuf,
    root_pem: Option<PathBuf>,
    run_as: Option<u32>,
    program: PathBuf,
}

impl Default for Ctl {
    fn default() -> Self {
        Self::new()
    }
}

impl Ctl {
    /// Makes an empty home; the workspace is made by the first command.
    pub fn new() -> Self {
        let home = tempfile::Builder::new()
            .prefix("casement-home-")
            .tempdir()
            .expect("a temporary home can be made");
        let workspace = home.path().join("workspace");
        Self {
            home,
            workspace,
            root_pem: None,
            run_as: None,
            program: CASEMENTCTL.into(),
        }
    }

    /// Trusts one more certificate authority.
    pub fn trusting(mut self, root_pem: PathBuf) -> Self {
        self.root_pem = Some(root_pem);
        self
    }

    /// Uses another folder as the workspace.
    pub fn with_workspace(mut self, workspace: PathBuf) -> Self {
        self.workspace = workspace;
        self
    }

    /// Runs as somebody whom permissions bind: as root they bind nobody. Somebody else runs as who they are.
    pub fn without_root(mut self) -> Self {
        if rustix::process::geteuid().is_root() {
            // The program may lie where only root gets.
            self.program = self.home.path().join("casementctl");
            std::fs::copy(CASEMENTCTL, &self.program).expect("the program can be copied");
            open_to_all(self.home.path());
            self.run_as = Some(65534);
        }
        self
    }

    /// Returns the home's folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Returns the workspace's folder.
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// Writes a file into the home and returns its path.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, bytes).expect("the home can be written");
        path
    }

    /// Returns the command, its home and its workspace set.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        self.furnish(&mut command);
        command.arg("--workspace").arg(&self.workspace).args(args);
        command
    }

    /// Gives `command` the home's environment and none of this process's.
    pub fn furnish(&self, command: &mut Command) {
        let home = self.home.path();
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_DATA_HOME", home.join("data"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("TMPDIR", std::env::temp_dir())
            .env("TZ", "UTC")
            .current_dir("/")
            .stdin(Stdio::null());
        if let Some(pem) = &self.root_pem {
            command.env("CASEMENT_EXTRA_ROOT_PEM", pem);
        }
        if let Some(user) = self.run_as {
            use std::os::unix::process::CommandExt;
            command.uid(user).gid(user);
        }
    }

    /// Runs `casementctl --json ARGS` to its end.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Outcome {
        self.run_with_input(args, b"")
    }

    /// As [`Self::run`], with standard input.
    pub fn run_with_input<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Outcome {
        let mut command = self.command(["--json"]);
        command.args(args);
        run_to_end(command, input)
    }

    /// Runs a command that must succeed and returns its JSON document.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Value {
        let outcome = self.run(args);
        assert_eq!(outcome.code, Some(0), "this must succeed: {outcome:?}");
        outcome.json
    }

    /// Asks a command of the table, which must succeed.
    #[track_caller]
    pub fn call(&self, command: &str, request: Value) -> Value {
        self.ok(["call", command, &request.to_string()])
    }

    /// Asks a command of the table.
    pub fn try_call(&self, command: &str, request: Value) -> Outcome {
        self.run(["call", command, &request.to_string()])
    }

    /// Makes a campaign of a file's JSON and returns its id.
    #[track_caller]
    pub fn create(&self, campaign: &Value) -> i64 {
        let file = self.file("campaign.json", campaign.to_string());
        let created = self.ok([OsStr::new("campaign"), OsStr::new("create"), file.as_os_str()]);
        created["id"].as_i64().expect("a campaign has an id")
    }

    /// Fails unless `verify` finds nothing wrong.
    #[track_caller]
    pub fn verify(&self) {
        let outcome = self.run(["verify"]);
        assert_eq!(outcome.code, Some(0), "nothing may be broken: {outcome:?}");
        assert_eq!(
            outcome.json["ok"],
            Value::Bool(true),
            "nothing may be broken: {outcome:?}"
        );
    }

    /// Starts `serve` or `listen` with both entrances on free ports, and waits until it listens.
    pub fn serve(&self, verb: &str) -> Serving {
        Serving::start(self.serving(verb))
    }

    /// As [`Self::serve`], by way of another program: `wrapper` is followed by the program and its arguments.
    ///
    /// The wrapper must become the program: signals go to the process that is started here.
    pub fn serve_by(&self, wrapper: &[&str], verb: &str) -> Serving {
        Serving::start(self.wrapped(wrapper, &self.serving(verb)))
    }

    /// As [`Self::serve_by`], with another program that prints a listener's state as `casementctl` does.
    pub fn serve_other(&self, wrapper: &[&str], program: &Command) -> Serving {
        let mut command = self.wrapped(wrapper, program);
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        Serving::start(command)
    }

    /// Returns `program` by way of another one, in this home; see [`Self::serve_by`].
    pub fn wrapped(&self, wrapper: &[&str], program: &Command) -> Command {
        let mut command = Command::new(wrapper[0]);
        self.furnish(&mut command);
        command
            .args(&wrapper[1..])
            .arg(program.get_program())
            .args(program.get_args());
        command
    }

    fn serving(&self, verb: &str) -> Command {
        self.command([
            "--json",
            verb,
            "--bind",
            "127.0.0.1:0",
            "--behind-proxy",
            "127.0.0.1:0",
            "--client-header",
            readers::CLIENT_HEADER,
        ])
    }
}

fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o777)).expect("own folder");
}

/// Runs `command` to its end, with a deadline.
pub fn run_to_end(mut command: Command, input: &[u8]) -> Outcome {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut group = Group::start("casementctl", &mut command);
    let mut stdin = group.child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    // A program that ends without reading closes the pipe: no fault of this side.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let stdout = whole(group.child.stdout.take().expect("it is piped"));
    let stderr = whole(group.child.stderr.take().expect("it is piped"));
    let said = |pipe: &Receiver<String>| {
        pipe.recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("{command:?} did not end in {} s", PATIENCE.as_secs()))
    };
    let (stdout, stderr) = (said(&stdout), said(&stderr));
    let code = group.wait();
    drop(writer.join());
    Outcome {
        code,
        json: serde_json::from_str(&stdout).unwrap_or_default(),
        stdout,
        stderr,
    }
}

/// Reads a pipe to its end on a thread.
fn whole(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        drop(sender.send(String::from_utf8_lossy(&bytes).into_owned()));
    });
    receiver
}

/// Reads a pipe line by line on a thread.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A `casementctl` that stays: `serve` or `listen`.
pub struct Serving {
    /// The process.
    pub group: Group,
    /// `HOST:PORT` of the direct entrance.
    pub direct: String,
    /// `HOST:PORT` of the entrance behind the played proxy.
    pub proxied: String,
    errors: tempfile::NamedTempFile,
    said: Receiver<String>,
}

impl Serving {
    fn start(mut command: Command) -> Self {
        let errors = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        command
            .stdout(Stdio::piped())
            .stderr(errors.reopen().expect("the file is there"));
        let mut group = Group::start("casementctl serve", &mut command);
        let said = lines(group.child.stdout.take().expect("it is piped"));
        let said_next = || {
            said.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!(
                    "it should say where it listens: {}",
                    std::fs::read_to_string(errors.path()).unwrap_or_default()
                )
            })
        };
        // A test that plays the program has a word of its harness in front.
        let mut first = said_next();
        while !first.starts_with('{') {
            first = said_next();
        }
        let status: Value = serde_json::from_str(&first).expect("--json prints the listener's state");
        let entrance = |behind_proxy: bool| {
            status["entrances"]
                .as_array()
                .and_then(|all| {
                    all.iter()
                        .find(|one| one["behind_proxy"] == Value::Bool(behind_proxy))
                })
                .and_then(|one| one["url"].as_str()?.strip_prefix("http://"))
                .unwrap_or_else(|| panic!("an entrance is missing: {status}"))
                .to_owned()
        };
        Self {
            direct: entrance(false),
            proxied: entrance(true),
            group,
            errors,
            said,
        }
    }

    /// Returns the next line of standard output; fails where none comes.
    pub fn line(&self) -> String {
        self.said
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("a further line should come: {}", self.errors()))
    }

    /// Waits for the end of standard output and returns the lines that nobody has asked for yet.
    pub fn last_lines(&self) -> Vec<String> {
        self.said.iter().collect()
    }

    /// Returns what it has said on standard error.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.errors.path()).unwrap_or_default()
    }

    /// Tells it to end, and fails unless it does so in good order.
    pub fn stop(mut self) {
        self.group.terminate();
        assert_eq!(
            self.group.wait(),
            Some(0),
            "serve ends in good order when it is told to"
        );
    }
}

/// A conversation with `casementctl rpc`.
pub struct Rpc {
    /// The process.
    pub group: Group,
    stdin: Option<ChildStdin>,
    frames: Receiver<String>,
}

impl Rpc {
    /// Starts it.
    pub fn start(ctl: &Ctl) -> Self {
        let mut command = ctl.command(["rpc"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut group = Group::start("casementctl rpc", &mut command);
        let stdin = group.child.stdin.take();
        let frames = lines(group.child.stdout.take().expect("it is piped"));
        Self { group, stdin, frames }
    }

    /// Sends a line as it is.
    pub fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the conversation is open");
        stdin.write_all(line.as_bytes()).expect("rpc reads");
        stdin.write_all(b"\n").expect("rpc reads");
        stdin.flush().expect("rpc reads");
    }

    /// Returns the next frame.
    pub fn frame(&mut self) -> Value {
        let line = self.frames.recv_timeout(PATIENCE).expect("rpc answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?} is no frame: {error}"))
    }

    /// Returns the next frame of which `wanted` is true; passes over others.
    pub fn frame_where(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, || {
            let frame = self.frame();
            wanted(&frame).then_some(frame)
        })
    }

    /// Ends the conversation and returns the exit code.
    pub fn close(mut self) -> Option<i32> {
        self.stdin.take();
        self.group.wait()
    }
}
