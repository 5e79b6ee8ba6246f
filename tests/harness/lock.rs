//! Another program that holds the database's write lock.

use super::process::Group;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// The lock, held by `sqlite3`.
pub struct Lock {
    holder: Group,
    say: ChildStdin,
    since: Instant,
}

impl Lock {
    /// Takes it; `None` where there is no `sqlite3`.
    pub fn take(database: &Path) -> Option<Self> {
        Command::new("sqlite3").arg("--version").output().ok()?;
        let mut command = Command::new("sqlite3");
        command
            .arg("-batch")
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut holder = Group::start("sqlite3", &mut command);
        let mut say = holder.child.stdin.take().expect("it is piped");
        let mut hear = BufReader::new(holder.child.stdout.take().expect("it is piped"));
        say.write_all(b"PRAGMA busy_timeout = 10000;\nBEGIN IMMEDIATE;\nSELECT 'held';\n")
            .expect("sqlite3 reads");
        let mut line = String::new();
        while line.trim() != "held" {
            line.clear();
            let read = hear.read_line(&mut line).expect("sqlite3 answers");
            assert_ne!(read, 0, "sqlite3 takes the lock");
        }
        Some(Self {
            holder,
            say,
            since: Instant::now(),
        })
    }

    /// Gives it back once it has been held for `held`.
    pub fn give_back_after(mut self, held: Duration) {
        // The time itself is what is tested: a program that is slow, not one that says when it is done.
        std::thread::sleep(held.saturating_sub(self.since.elapsed()));
        self.say.write_all(b"ROLLBACK;\n.quit\n").expect("sqlite3 reads");
        assert_eq!(self.holder.wait(), Some(0), "sqlite3 ends in good order");
    }
}
