//! The leash: a process between this program and a tunnel's, so that nothing is left of a tunnel when this program is.
//!
//! It is the same binary with a hidden argument. It holds the reading end of a pipe whose only writing end is here:
//! however this program ends, `kill -9` included, the system closes that, and the leash ends the tunnel's group of
//! processes: SIGTERM, three seconds, SIGKILL. An orderly end goes the same way.
//! On Windows a job object that ends with the leash does what a group does here.
//! What runs is noted in a file with its start and its program's path, for the case that the leash was killed as well:
//! [`sweep`] ends exactly that and nothing else.

use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// The hidden argument. After it come the file to note in, the program and its arguments.
pub const ARGUMENT: &str = "--casement-leash";
/// How long a program has to end by itself.
const GRACE: Duration = Duration::from_secs(3);
/// Exit code where the program cannot be run.
pub const CANNOT_RUN: u8 = 127;
/// Exit code where the leash itself cannot do its work.
const CANNOT_HOLD: u8 = 125;

/// Runs the leash and returns how it ended, where these arguments ask for it; `None` where they do not.
///
/// Binaries call it before anything else.
pub fn if_asked(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != ARGUMENT {
        return None;
    }
    let (Some(note), Some(program)) = (arguments.next(), arguments.next()) else {
        eprintln!("casement: a leash needs a file and a program");
        return Some(ExitCode::from(CANNOT_HOLD));
    };
    Some(ExitCode::from(hold(Path::new(&note), &program, arguments)))
}

fn hold(note: &Path, program: &OsStr, arguments: impl Iterator<Item = OsString>) -> u8 {
    let held = match Held::new() {
        Ok(held) => held,
        Err(error) => {
            eprintln!("casement: the system gives no hold on programs: {error}");
            return CANNOT_HOLD;
        }
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    in_a_group(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("casement: cannot run {}: {error}", program.to_string_lossy());
            return CANNOT_RUN;
        }
    };
    if let Some(runs) = Runs::of(child.id())
        && let Err(error) = runs.write(note)
    {
        eprintln!("casement: cannot write {}: {error}", note.display());
        held.end(child.id(), true);
        drop(child.wait());
        return CANNOT_HOLD;
    }
    let (ending, has_ended) = channel::<()>();
    let id = child.id();
    std::thread::spawn(move || follow(id, &held, &has_ended));
    let code = wait(&mut child);
    drop(ending);
    // A missing file is what is wanted.
    let _ = std::fs::remove_file(note);
    code
}

/// Waits for the end of whoever holds the other end of standard input, and ends the program `id` then.
fn follow(id: u32, held: &Held, has_ended: &Receiver<()>) {
    let mut bytes = [0; 64];
    let mut input = std::io::stdin();
    while matches!(input.read(&mut bytes), Ok(1..)) {}
    held.end(id, false);
    if has_ended.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
        held.end(id, true);
    }
}

/// What can end a program with all that it started.
#[cfg(unix)]
struct Held;

#[cfg(unix)]
impl Held {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere the system may refuse")]
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "elsewhere it is a handle")]
    fn end(&self, id: u32, at_once: bool) {
        use rustix::process::{Signal, kill_process_group};
        let signal = if at_once { Signal::KILL } else { Signal::TERM };
        if let Some(group) = pid(id) {
            // It may have ended by itself.
            let _ = kill_process_group(group, signal);
        }
    }
}

#[cfg(unix)]
fn pid(id: u32) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(id).ok()?)
}

/// Ends one process at once. Its number must be its own still: somebody waits for it.
#[cfg(unix)]
pub(super) fn kill(id: u32) {
    if let Some(pid) = pid(id) {
        // It may have ended at this moment.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Ends one process at once. Its number must be its own still: somebody waits for it.
#[cfg(windows)]
pub(super) fn kill(id: u32) {
    // As above.
    let _ = Command::new("taskkill")
        .args(["/F", "/PID", &id.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

#[cfg(unix)]
fn in_a_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

/// Waits for the program's end, and ends what it started and left behind.
#[cfg(unix)]
fn wait(child: &mut std::process::Child) -> u8 {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    use std::os::unix::process::ExitStatusExt;
    if let Some(pid) = pid(child.id()) {
        // Its number stays taken until it is asked for below, so that the group is surely its own.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        Held.end(child.id(), true);
    }
    match child.wait() {
        Ok(status) => {
            let code = status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
            u8::try_from(code).unwrap_or(u8::MAX)
        }
        Err(_) => CANNOT_HOLD,
    }
}

/// What can end a program with all that it started: the job that the leash itself is in.
#[cfg(windows)]
struct Held {
    // The system ends all that is in the job when its last handle closes, and that is with the leash.
    _job: win32job::Job,
}

#[cfg(windows)]
impl Held {
    fn new() -> std::io::Result<Self> {
        let mut limits = win32job::ExtendedLimitInfo::new();
        limits.limit_kill_on_job_close();
        let job = win32job::Job::create_with_limit_info(&limits).map_err(std::io::Error::other)?;
        job.assign_current_process().map_err(std::io::Error::other)?;
        Ok(Self { _job: job })
    }

    fn end(&self, _id: u32, at_once: bool) {
        // There is no way to ask a program without a window to end.
        if at_once {
            std::process::exit(i32::from(CANNOT_HOLD));
        }
    }
}

#[cfg(windows)]
fn in_a_group(_: &mut Command) {}

#[cfg(windows)]
fn wait(child: &mut std::process::Child) -> u8 {
    child
        .wait()
        .ok()
        .and_then(|status| u8::try_from(status.code()?).ok())
        .unwrap_or(CANNOT_HOLD)
}

/// What tells one process from every other that has or will have its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// Its number, and that of its group.
    pub pid: u32,
    /// When it started, in the system's own count.
    pub start: String,
    /// Its program's path.
    pub exe: PathBuf,
}

impl Runs {
    /// Looks at the process `pid`; `None` where there is none or the system does not say.
    #[cfg(target_os = "linux")]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything; the 22nd field is the start (proc(5)).
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        let start = fields.nth(18)?.to_owned();
        let exe = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        Some(Self { pid, start, exe })
    }

    /// Looks at the process `pid`; `None` where there is none or the system does not say.
    #[cfg(all(unix, not(target_os = "linux")))]
    pub fn of(pid: u32) -> Option<Self> {
        let ask = |what: &str| {
            let output = Command::new("/bin/ps")
                .args(["-p", &pid.to_string(), "-o", what])
                .output()
                .ok()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        Some(Self {
            pid,
            start: ask("lstart=")?,
            exe: ask("comm=")?.into(),
        })
    }

    /// On Windows nothing outlives its job.
    #[cfg(windows)]
    pub fn of(_: u32) -> Option<Self> {
        None
    }

    fn write(&self, note: &Path) -> std::io::Result<()> {
        std::fs::write(note, serde_json::to_vec(self)?)
    }
}

/// Ends what an earlier leash noted in `note` and could not end, where it is exactly that; tells whether it did.
pub fn sweep(note: &Path) -> bool {
    let Ok(bytes) = std::fs::read(note) else {
        return false;
    };
    let noted: Option<Runs> = serde_json::from_slice(&bytes).ok();
    let _ = std::fs::remove_file(note);
    let Some(noted) = noted else { return false };
    if Runs::of(noted.pid).as_ref() != Some(&noted) {
        return false;
    }
    tracing::warn!(pid = noted.pid, program = %noted.exe.display(), "a tunnel of an earlier run is ended");
    #[cfg(unix)]
    Held.end(noted.pid, true);
    true
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn only_exactly_what_was_noted_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("runs.json");
        assert!(!sweep(&note), "nothing was noted");
        let mut command = Command::new("sleep");
        command.arg("600");
        in_a_group(&mut command);
        let mut child = command.spawn().unwrap();
        let runs = Runs::of(child.id()).unwrap();
        for other in [
            Runs {
                start: "1".into(),
                ..runs.clone()
            },
            Runs {
                exe: "/usr/bin/other".into(),
                ..runs.clone()
            },
        ] {
            other.write(&note).unwrap();
            assert!(!sweep(&note), "{other:?} is another process");
            assert!(!note.exists());
            assert_eq!(Runs::of(child.id()).as_ref(), Some(&runs), "it lives");
        }
        std::fs::write(&note, "not what was written").unwrap();
        assert!(!sweep(&note));
        runs.write(&note).unwrap();
        assert!(sweep(&note));
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        runs.write(&note).unwrap();
        assert!(!sweep(&note), "it is gone");
    }
}
