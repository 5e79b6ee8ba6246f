//! The connections that are open, and which of them have not said yet what they want.
//!
//! A real client sends its head within a round trip. So where a place is needed, or time is up, it is the oldest
//! unfinished one that goes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// The open connections of a gate.
#[derive(Default)]
pub(super) struct Table {
    open: usize,
    next: u64,
    unfinished: BTreeMap<u64, Unfinished>,
}

struct Unfinished {
    since: Instant,
    /// It has been answered before and may go on: its going is no refusal.
    idle: bool,
    task: AbortHandle,
}

/// How long an answered connection may wait for its next request.
pub(super) const IDLE: Duration = Duration::from_secs(5);

/// Who was let go by [`Table::sweep`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    /// Those whose head took too long.
    pub slow: usize,
    /// Those that had been answered and asked nothing more.
    pub idle: usize,
}

impl Table {
    /// Returns how many connections are open.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Notes a connection, served by `task`, that has said nothing yet; returns its place.
    pub fn enter(&mut self, task: AbortHandle, now: Instant) -> u64 {
        self.open += 1;
        self.wait(task, now, false)
    }

    /// Notes that an open connection may say something more; returns its new place.
    pub fn again(&mut self, task: AbortHandle, now: Instant) -> u64 {
        self.wait(task, now, true)
    }

    fn wait(&mut self, task: AbortHandle, since: Instant, idle: bool) -> u64 {
        self.next += 1;
        self.unfinished
            .insert(self.next, Unfinished { since, idle, task });
        self.next
    }

    /// Notes the first byte of a request. Where it is a further one, its time begins now; that of the first
    /// began with the connection.
    pub fn speaks(&mut self, place: u64, now: Instant) {
        if let Some(unfinished) = self.unfinished.get_mut(&place).filter(|it| it.idle) {
            unfinished.idle = false;
            unfinished.since = now;
        }
    }

    /// Notes that its request is whole.
    pub fn finished(&mut self, place: u64) {
        self.unfinished.remove(&place);
    }

    /// Notes its end.
    pub fn leave(&mut self, place: u64) {
        self.open -= 1;
        self.unfinished.remove(&place);
    }

    /// Ends the oldest that is unfinished; tells whether there was one.
    pub fn evict(&mut self) -> bool {
        match self.unfinished.pop_first() {
            Some((_, unfinished)) => {
                unfinished.task.abort();
                true
            }
            None => false,
        }
    }

    /// Ends those whose time is up.
    pub fn sweep(&mut self, now: Instant, deadline: Duration) -> Swept {
        let mut swept = Swept::default();
        self.unfinished.retain(|_, unfinished| {
            let limit = if unfinished.idle { IDLE } else { deadline };
            let over = now.saturating_duration_since(unfinished.since) >= limit;
            if over {
                unfinished.task.abort();
                if unfinished.idle {
                    swept.idle += 1;
                } else {
                    swept.slow += 1;
                }
            }
            !over
        });
        swept
    }

    /// Tells whether any is unfinished.
    pub fn has_unfinished(&self) -> bool {
        !self.unfinished.is_empty()
    }
}
