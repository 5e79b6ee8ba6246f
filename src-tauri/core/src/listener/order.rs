//! The order of answers on each connection, and how many requests are in hand.
//!
//! Requests that a client sends without waiting must be answered in their order, and tiny_http makes the thread
//! that writes a later answer wait for the earlier ones. So an answer is let through only when all before it on
//! its connection have been: whoever lets some through writes them, and waits at most for a thread that writes
//! already.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Answers of type `A` that wait for their turn.
pub(super) struct Order<A> {
    state: Mutex<State<A>>,
    changed: Condvar,
}

struct State<A> {
    in_hand: usize,
    closed: bool,
    next: u64,
    /// By connection, in the order in which its requests came; `None` until the answer is ready.
    lines: HashMap<SocketAddr, VecDeque<(u64, Option<A>)>>,
}

/// A request's place in the line of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    peer: SocketAddr,
    id: u64,
}

impl<A> Order<A> {
    /// Returns an empty order.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                in_hand: 0,
                closed: false,
                next: 0,
                lines: HashMap::new(),
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits while `limit` requests or more are in hand.
    pub fn wait_for_room(&self, limit: usize) {
        let waited = self
            .changed
            .wait_while(self.lock(), |state| state.in_hand >= limit && !state.closed);
        drop(waited.unwrap_or_else(|poisoned| poisoned.into_inner()));
    }

    /// Puts a request that came on the connection from `peer` into its line.
    pub fn enter(&self, peer: SocketAddr) -> Place {
        let mut state = self.lock();
        state.in_hand += 1;
        state.next += 1;
        let id = state.next;
        state.lines.entry(peer).or_default().push_back((id, None));
        Place { peer, id }
    }

    /// Notes that the answer of `place` is ready, and returns what may be written now, in its order. The caller
    /// writes it, and calls [`Self::written`] for each.
    pub fn ready(&self, place: Place, answer: A) -> Vec<A> {
        let mut state = self.lock();
        let Some(line) = state.lines.get_mut(&place.peer) else {
            return Vec::new();
        };
        if let Some(slot) = line.iter_mut().find(|(id, _)| *id == place.id) {
            slot.1 = Some(answer);
        }
        let mut turn = Vec::new();
        while let Some((_, Some(_))) = line.front() {
            turn.extend(line.pop_front().and_then(|(_, answer)| answer));
        }
        if line.is_empty() {
            state.lines.remove(&place.peer);
        }
        turn
    }

    /// Says that an answer was written.
    pub fn written(&self) {
        self.lock().in_hand -= 1;
        self.changed.notify_all();
    }

    /// Ends waiting for room.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Tells whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until nothing is in hand, for `limit` at most.
    pub fn finish(&self, limit: Duration) {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), limit, |state| state.in_hand > 0);
        drop(waited.unwrap_or_else(|poisoned| poisoned.into_inner()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_waits_for_those_before_it_on_its_connection_only() {
        let order = Order::new();
        let (one, two) = (
            SocketAddr::from(([127, 0, 0, 1], 1)),
            SocketAddr::from(([127, 0, 0, 1], 2)),
        );
        let (a, b, c) = (order.enter(one), order.enter(one), order.enter(one));
        let other = order.enter(two);
        assert!(order.ready(b, "b").is_empty(), "a comes first");
        assert_eq!(
            order.ready(other, "other"),
            ["other"],
            "another connection does not wait"
        );
        assert!(order.ready(c, "c").is_empty());
        assert_eq!(order.ready(a, "a"), ["a", "b", "c"]);
        (0..4).for_each(|_| order.written());
        order.finish(Duration::ZERO);
        assert_eq!(order.lock().in_hand, 0);
    }
}
