//! How much the gate takes on: by the number of files that this process may open.

use std::time::Duration;

/// What a gate may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once.
    pub connections: usize,
    /// Persistent connections to tiny_http for pixels, each with two descriptors and a thread on its side.
    pub pixel_lanes: usize,
    /// The same for pages, so that an opt-out never stands behind a thousand pixels.
    pub page_lanes: usize,
    /// Requests that may wait for tiny_http at once.
    pub in_hand: usize,
}

/// The longest time that a head may take, where the gate is empty, and where it is full.
const HEAD_EMPTY: Duration = Duration::from_secs(10);
const HEAD_FULL: Duration = Duration::from_secs(1);

impl Limits {
    /// Returns the limits for a process that may open `files` files.
    ///
    /// Half of them are for readers: the database, the window and the mail servers need theirs.
    pub fn for_files(files: u64) -> Self {
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let small = files < 256;
        Self {
            connections: (files / 2)
                .saturating_sub(if small { 16 } else { 0 })
                .clamp(16, 8192),
            pixel_lanes: if small { 1 } else { 4 },
            page_lanes: if small { 1 } else { 2 },
            in_hand: 1024,
        }
    }

    /// Returns how long a head may take in all, with `open` connections open: the fuller, the shorter.
    pub fn head_deadline(&self, open: usize) -> Duration {
        let half = self.connections / 2;
        if open <= half {
            return HEAD_EMPTY;
        }
        let over =
            (open - half).min(self.connections - half) as f64 / (self.connections - half).max(1) as f64;
        HEAD_EMPTY.saturating_sub((HEAD_EMPTY - HEAD_FULL).mul_f64(over))
    }
}

/// Lets this process open as many files as its hard limit allows, and returns how many those are.
///
/// macOS starts programs of its desktop with 256.
pub fn raise_file_limit() -> u64 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        /// macOS refuses more than OPEN_MAX whatever its hard limit says.
        const ENOUGH: u64 = if cfg!(target_os = "macos") { 10_240 } else { 65_536 };
        let limit = getrlimit(Resource::Nofile);
        let now = limit.current.unwrap_or(ENOUGH);
        let wanted = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH).max(now);
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => wanted,
            Err(error) => {
                tracing::warn!(%error, "the limit of open files could not be raised");
                now
            }
        }
    }
    #[cfg(not(unix))]
    {
        // Windows has no such limit: a socket is no file there.
        16_384
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_get_half_of_the_files() {
        assert_eq!(Limits::for_files(64).connections, 16);
        assert_eq!(Limits::for_files(128).connections, 48);
        assert_eq!(Limits::for_files(1024).connections, 512);
        assert!(Limits::for_files(16_384).connections >= 5_000);
        assert_eq!(Limits::for_files(u64::MAX).connections, 8192);
    }

    #[test]
    fn the_fuller_the_gate_the_shorter_the_wait() {
        let limits = Limits::for_files(1024);
        assert_eq!(limits.head_deadline(0), HEAD_EMPTY);
        assert_eq!(limits.head_deadline(256), HEAD_EMPTY);
        assert_eq!(limits.head_deadline(512), HEAD_FULL);
        assert_eq!(limits.head_deadline(9_999), HEAD_FULL);
        let mut last = HEAD_EMPTY;
        for open in 256..=512 {
            let now = limits.head_deadline(open);
            assert!(now <= last, "it never grows");
            last = now;
        }
    }
}
