//! A process with its children, started in a group of its own and ended by its id.

use super::until;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A process that leads a group. Dropping it ends the whole group: SIGTERM first, SIGKILL for what stays.
pub struct Group {
    name: String,
    /// The leader.
    pub child: Child,
    pid: Pid,
}

impl Group {
    /// Starts `command` in a group of its own.
    pub fn start(name: &str, command: &mut Command) -> Self {
        Self::start_leader(name, command.process_group(0))
    }

    /// Starts a daemon that makes a group of its own by itself, and fails where it leads one already.
    pub fn start_leader(name: &str, command: &mut Command) -> Self {
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let pid = Pid::from_child(&child);
        Self {
            name: name.to_owned(),
            child,
            pid,
        }
    }

    /// Tells the leader to end, as a person or an init system would.
    pub fn terminate(&self) {
        // An error means that it has ended by itself, which is what was wanted.
        let _ = kill_process(self.pid, Signal::TERM);
    }

    /// Ends the whole group at once, as a power cut would.
    pub fn kill(&mut self) {
        // As above.
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.child.wait().expect("a child can be waited for");
    }

    /// Waits for the leader's end and returns its exit code; fails where it does not end.
    pub fn wait(&mut self) -> Option<i32> {
        let (name, child) = (&self.name, &mut self.child);
        until(&format!("{name} should end"), || {
            child.try_wait().expect("a child can be waited for")
        })
        .code()
    }

    /// Waits until every process of the group has ended by itself.
    pub fn wait_for_all(&mut self) {
        let name = self.name.clone();
        until(&format!("{name} and what it started should end"), || {
            self.ended().then_some(())
        });
    }

    fn ended(&mut self) -> bool {
        // The leader has to be waited for, or it would stay in its group as a zombie.
        let leader_ended = !matches!(self.child.try_wait(), Ok(None));
        leader_ended && test_kill_process_group(self.pid).is_err()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.ended() {
            return;
        }
        // The leader alone where it did not get as far as to make its group.
        if kill_process_group(self.pid, Signal::TERM).is_err() {
            self.terminate();
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        if !self.ended() {
            eprintln!("{} did not end by SIGTERM and is killed", self.name);
            let _ = kill_process_group(self.pid, Signal::KILL);
            drop(self.child.wait());
        }
    }
}
