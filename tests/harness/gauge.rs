//! What a process takes, read from `/proc`.

use std::fs;

/// A process under observation.
#[derive(Clone, Copy)]
pub struct Gauge {
    pid: u32,
}

impl Gauge {
    /// Observes the process `pid`.
    pub fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// Returns its resident memory in KiB.
    pub fn resident_kib(self) -> u64 {
        self.status("VmRSS:")
    }

    /// Returns how many threads it has.
    pub fn threads(self) -> u64 {
        self.status("Threads:")
    }

    /// Returns how many descriptors it has open.
    pub fn descriptors(self) -> u64 {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0, |open| open.count() as u64)
    }

    fn status(self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
            .unwrap_or_else(|| panic!("process {} is gone: no {name} in its status", self.pid))
    }
}

/// Raises this process's limit of open descriptors; tells whether `wanted` can be open at once.
///
/// Children inherit it.
pub fn allow_descriptors(wanted: u64) -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if !enough(limit.current) && enough(limit.maximum) {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        return setrlimit(Resource::Nofile, raised).is_ok();
    }
    enough(limit.current)
}
