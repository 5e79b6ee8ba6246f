//! One program on its leash: both pipes are read always, so that it never waits for us, and it ends when this is
//! dropped.

use super::leash;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// The longest piece of a line, in bytes; more is another piece.
const LONGEST: u64 = 8 * 1024;
/// How long the last words may take after the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Order {
    /// This program itself, which is the leash.
    pub leash: PathBuf,
    /// Where the leash notes what runs.
    pub note: PathBuf,
    /// The program.
    pub program: PathBuf,
    /// Its arguments; everybody on this computer can read them.
    pub arguments: Vec<OsString>,
    /// All that it is told of its surroundings.
    pub environment: Vec<(OsString, OsString)>,
}

/// What comes of it, told on threads of its own.
#[derive(Debug)]
pub enum Heard {
    /// A line of one of its pipes.
    Line(String),
    /// It has ended, with this exit code; nothing comes after it.
    Ended(Option<i32>),
}

/// A program that runs.
pub struct Child {
    id: u32,
    note: PathBuf,
    line: Option<ChildStdin>,
}

impl Child {
    /// Starts it; `hear` is told all that comes of it.
    pub fn start(order: &Order, hear: impl Fn(Heard) + Send + Sync + 'static) -> std::io::Result<Self> {
        let mut command = Command::new(&order.leash);
        command
            .arg(leash::ARGUMENT)
            .arg(&order.note)
            .arg(&order.program)
            .args(&order.arguments)
            .env_clear()
            .envs(order.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C in a terminal is for this program, which then ends the tunnel in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn()?;
        let (id, line) = (process.id(), process.stdin.take());
        let hear = Arc::new(hear);
        let (reading, has_read) = channel::<()>();
        let pipes: [Option<Box<dyn Read + Send>>; 2] = [
            process.stdout.take().map(|pipe| Box::new(pipe) as _),
            process.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        for pipe in pipes.into_iter().flatten() {
            let (hear, reading) = (hear.clone(), reading.clone());
            std::thread::spawn(move || read(pipe, &*hear, reading));
        }
        drop(reading);
        std::thread::spawn(move || {
            let code = process.wait().ok().and_then(|status| status.code());
            // Its last words are why it ended. Nobody sends here; both readers let go.
            let _ = has_read.recv_timeout(LAST_WORDS);
            hear(Heard::Ended(code));
        });
        Ok(Self {
            id,
            note: order.note.clone(),
            line,
        })
    }

    /// Has it end in order; [`Heard::Ended`] follows within a few seconds.
    pub fn end(&mut self) {
        self.line.take();
    }

    /// Ends the leash itself, which has not done its work in time, and what it noted.
    pub fn kill(&mut self) {
        self.line.take();
        leash::kill(self.id);
        leash::sweep(&self.note);
    }
}

fn read(pipe: impl Read, hear: &impl Fn(Heard), _until_read: Sender<()>) {
    let mut pipe = BufReader::new(pipe);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match (&mut pipe).take(LONGEST).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&bytes);
                hear(Heard::Line(text.trim_end_matches(['\r', '\n']).to_owned()));
            }
        }
    }
}
