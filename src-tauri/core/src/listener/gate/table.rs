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
    grace: Grace,
}

struct Unfinished {
    since: Instant,
    /// It has been answered before and may go on: its going is no refusal.
    idle: bool,
    task: AbortHandle,
}

/// How long an answered connection may wait for its next request.
pub(super) const IDLE: Duration = Duration::from_secs(5);

/// How old a silent connection is before a newcomer may have its place. A client's head follows its connection by
/// milliseconds, however far away it is; a client on a busy computer can be held up in between.
const GRACE: Duration = Duration::from_millis(50);
/// How much newcomers may wait for graces: so much at once, and then this part of the time.
const WAITING_AT_MOST: Duration = Duration::from_millis(500);
const WAITING_SHARE: u32 = 4;

/// The waiting that newcomers can be asked for, so that a burst pushes nobody out before he has spoken. Under a
/// flood that does not end it is used up: there, waiting would only fill the system's queue, and honest clients
/// stand in it too.
struct Grace {
    left: Duration,
    /// Until when `left` has been reckoned.
    at: Option<Instant>,
    /// The end of what was granted: who waits beside others costs nothing more.
    granted: Option<Instant>,
}

impl Default for Grace {
    fn default() -> Self {
        Self {
            left: WAITING_AT_MOST,
            at: None,
            granted: None,
        }
    }
}

impl Grace {
    /// Grants a wait of `wanted` or nothing.
    fn take(&mut self, wanted: Duration, now: Instant) -> Option<Duration> {
        let earned = self.at.map_or(Duration::ZERO, |at| {
            now.saturating_duration_since(at) / WAITING_SHARE
        });
        self.at = Some(now);
        self.left = (self.left + earned).min(WAITING_AT_MOST);
        let end = now + wanted;
        let from = self.granted.map_or(now, |granted| granted.max(now));
        self.left = self.left.checked_sub(end.saturating_duration_since(from))?;
        self.granted = Some(end.max(from));
        Some(wanted)
    }
}

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

    /// Returns how long a newcomer should wait before [`Table::evict`]: until the oldest that is unfinished has had
    /// the time to speak. `None` where it has had that, where there is none, and where enough has been waited.
    pub fn patience(&mut self, now: Instant) -> Option<Duration> {
        let oldest = self.unfinished.first_key_value()?.1.since;
        let wanted = GRACE.checked_sub(now.saturating_duration_since(oldest))?;
        if wanted.is_zero() {
            return None;
        }
        self.grace.take(wanted, now)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn newcomers_wait_for_whoever_has_just_come_but_not_without_end() {
        let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
        let mut table = Table::default();
        let start = Instant::now();
        assert_eq!(table.patience(start), None, "there is nobody to wait for");
        table.enter(task.clone(), start);
        let wait = table.patience(start).expect("it has just come");
        assert_eq!(wait, GRACE);
        assert_eq!(table.patience(start + wait), None, "it has had its time");
        assert!(table.evict());

        // A flood that never ends: what is waited is a part of the time only.
        let (mut now, mut waited) = (start + Duration::from_secs(60), Duration::ZERO);
        let end = now + Duration::from_secs(20);
        while now < end {
            table.enter(task.clone(), now);
            let wait = table.patience(now).unwrap_or_default();
            waited += wait;
            now += wait + Duration::from_millis(1);
            table.evict();
        }
        let allowed = WAITING_AT_MOST + Duration::from_secs(20) / WAITING_SHARE;
        assert!(waited <= allowed + GRACE, "{waited:?} of twenty seconds");
        assert!(waited >= allowed / 2, "{waited:?} of twenty seconds");
    }
}
