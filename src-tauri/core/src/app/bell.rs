//! Wakes a thread that waits for something to do, and ends it.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Wakes a thread, and ends it.
#[derive(Default)]
pub(crate) struct Bell {
    state: Mutex<Rung>,
    changed: Condvar,
}

#[derive(Default)]
struct Rung {
    rang: bool,
    stopped: bool,
}

impl Bell {
    /// Wakes whoever waits.
    pub(crate) fn ring(&self) {
        held(&self.state).rang = true;
        self.changed.notify_all();
    }

    /// Ends every wait.
    pub(crate) fn stop(&self) {
        held(&self.state).stopped = true;
        self.changed.notify_all();
    }

    /// Waits until it rings, for `limit` at most; false once it is stopped.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let (mut state, _) = self
            .changed
            .wait_timeout_while(held(&self.state), limit, |state| !state.rang && !state.stopped)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        state.rang = false;
        !state.stopped
    }

    /// Tells whether every wait was ended.
    pub(crate) fn is_stopped(&self) -> bool {
        held(&self.state).stopped
    }

    /// Waits for `pause`, whether it rings or not; false once it is stopped.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(held(&self.state), pause, |state| !state.stopped)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        !state.stopped
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
