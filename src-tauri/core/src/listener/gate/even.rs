//! The least time that an answer takes, so that nothing can be read from the time it took.
//!
//! All tokens wait for the same commit, but a token that exists has more to commit: some tenths of a millisecond,
//! which a patient stranger can tell. So no answer leaves before a floor that lies above what either takes, and
//! that follows the disk. Where many ask at once there is none: they share their commits, and wait longer anyway.

use std::time::Duration;

/// The floor where the disk is fast.
const LEAST: Duration = Duration::from_millis(10);
/// The highest floor: a reader's picture must not wait for a disk that hangs.
const MOST: Duration = Duration::from_millis(50);
/// Beyond so many requests in hand there is no floor: known and unknown tokens share their commits, whose times
/// are everybody's, and a floor would only let the processor idle.
const CROWD: usize = 16;
/// So many answers decide.
const RECENT: usize = 64;

/// The floor, and the answers that it comes from.
pub(super) struct Even {
    recent: Vec<Duration>,
    next: usize,
    floor: Duration,
}

impl Default for Even {
    fn default() -> Self {
        Self {
            recent: Vec::with_capacity(RECENT),
            next: 0,
            floor: LEAST,
        }
    }
}

impl Even {
    /// Returns the least time from a request to its answer, while `asking` are in hand.
    pub fn floor(&self, asking: usize) -> Duration {
        if asking > CROWD {
            Duration::ZERO
        } else {
            self.floor
        }
    }

    /// Notes how long an answer took while nobody else asked.
    pub fn note(&mut self, took: Duration) {
        if self.recent.len() < RECENT {
            self.recent.push(took);
        } else {
            self.recent[self.next] = took;
        }
        self.next = (self.next + 1) % RECENT;
        if self.next.is_multiple_of(RECENT / 4) {
            let mut sorted = self.recent.clone();
            sorted.sort_unstable();
            // Twice what nine answers in ten take: those that take longer all the same must be too few to tell by,
            // also where the disk or the processor has other work.
            self.floor = (sorted[sorted.len() * 9 / 10] * 2).clamp(LEAST, MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_follows_the_disk_within_its_bounds() {
        let mut even = Even::default();
        let after = |even: &mut Even, millis: u64| {
            (0..RECENT).for_each(|_| even.note(Duration::from_millis(millis)));
            even.floor(1)
        };
        assert_eq!(even.floor(CROWD), LEAST);
        assert_eq!(
            even.floor(CROWD + 1),
            Duration::ZERO,
            "a crowd shares its commits"
        );
        assert_eq!(after(&mut even, 1), LEAST);
        assert_eq!(after(&mut even, 8), Duration::from_millis(16), "a slow disk");
        assert_eq!(after(&mut even, 900), MOST, "one that hangs");
        assert_eq!(after(&mut even, 0), LEAST, "and that is well again");
    }
}
