//! A server that a bench started: what it uses, and its end.
//!
//! It is ended by its id alone. It stays in this process's group, so that Ctrl-C at a terminal ends it too.

use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::sh;

/// How long a server may take to end in good order.
const END: Duration = Duration::from_secs(10);

/// A running server. Dropping it ends it: SIGTERM first, SIGKILL if it stays.
pub struct Daemon {
    name: &'static str,
    child: Child,
}

impl Daemon {
    /// Starts `command`, which must stay in the foreground.
    pub fn start(name: &'static str, command: &mut Command) -> Result<Daemon> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start `{}`", sh::shown(command)))?;
        Ok(Daemon { name, child })
    }

    /// The process, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Memory in use, in KiB; `None` where the system does not say.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        field_kib(&status, "VmRSS")
    }

    /// The most memory that was in use so far, in KiB; `None` where the system does not say.
    pub fn peak_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        field_kib(&status, "VmHWM")
    }

    /// Processor time so far, with that of its children; `None` where the system does not say.
    pub fn cpu(&self) -> Option<Duration> {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let ids = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(own).chain(ids).map(cpu_of).sum()
    }

    /// Tells it to end and waits for that; kills it if it does not.
    pub fn stop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        // An error means that it has ended by itself, which is what was wanted.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + END;
        while self.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.ended().is_none() {
            eprintln!("xtask: {} did not end by SIGTERM and is killed", self.name);
            // As above.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Processor time of process `id` so far; `None` where the system does not say.
pub fn cpu_of(id: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_secs_f64(
        cpu_ticks(&stat)? as f64 / per_second as f64,
    ))
}

/// Processor time of all children of this process that have ended and were waited for.
pub fn cpu_of_ended_children() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    // Fields 16 and 17 of proc(5), counted from behind the program's name.
    let mut fields = rest.split_whitespace().skip(13);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_secs_f64(
        (user + system) as f64 / per_second as f64,
    ))
}

/// Processor time so far that this machine did not idle, over all cores; `None` where it does not say.
pub fn cpu_of_all() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_secs_f64(
        busy_ticks(&stat)? as f64 / per_second as f64,
    ))
}

/// The first line of `/proc/stat` without `idle` and `iowait` (proc(5)).
fn busy_ticks(stat: &str) -> Option<u64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    fields
        // What guests took is in `user` and `nice` already.
        .take(8)
        .enumerate()
        .filter(|(at, _)| !matches!(at, 3 | 4))
        .map(|(_, ticks)| ticks.parse::<u64>().ok())
        .sum()
}

/// User and system time in a line of `/proc/PID/stat` (proc(5)).
fn cpu_ticks(stat: &str) -> Option<u64> {
    // The second field is the program's name in parentheses, which may hold anything: count from its end.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// A line such as `VmRSS:      5012 kB` of `/proc/PID/status`.
fn field_kib(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        (field == name)
            .then(|| value.trim().strip_suffix("kB")?.trim().parse().ok())
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_whatever_the_program_is_called() {
        let line = "41 (a b) c) S 1 41 41 0 -1 4194560 900 0 3 0 17 25 0 0 20 0 9 0 1234 1000 200 18446744073709551615";
        assert_eq!(cpu_ticks(line), Some(42), "fields 14 and 15");
        assert_eq!(cpu_ticks("41 (x"), None);
    }

    #[test]
    fn a_machine_that_idles_or_waits_for_its_disk_is_not_busy() {
        let stat = "cpu  10 1 20 5000 700 2 3 4 99 99\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(busy_ticks(stat), Some(40));
        assert_eq!(busy_ticks("intr 5"), None);
    }

    #[test]
    fn memory_is_read_by_its_name() {
        let status = "Name:\tx\nVmHWM:\t    9000 kB\nVmRSS:\t    5012 kB\nThreads:\t3\n";
        assert_eq!(field_kib(status, "VmRSS"), Some(5012));
        assert_eq!(field_kib(status, "VmSwap"), None);
    }

    #[test]
    fn a_server_ends_when_it_is_told_to() {
        let mut daemon = Daemon::start("sleep", Command::new("sleep").arg("60")).expect("sleep is there");
        assert!(daemon.ended().is_none(), "it runs");
        daemon.stop();
        assert!(daemon.ended().is_some(), "it has ended");
    }
}
