//! The order of answers on each connection, and how many requests are in hand.
//!
//! Requests that a client sends without waiting must be answered in their order, and tiny_http makes the thread
//! that writes a later answer wait for the earlier ones. So an answer is let through only when all before it on
//! its connection have been: the one writing thread never waits for an answer that stands behind it.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
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
    /// To the writing thread; `None` once it is to end.
    out: Option<Sender<A>>,
}

/// A request's place in the line of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    peer: SocketAddr,
    id: u64,
}

impl<A> Order<A> {
    /// Returns an empty order, and the answers whose turn has come.
    pub fn new() -> (Self, Receiver<A>) {
        let (out, turn) = channel();
        let state = State {
            in_hand: 0,
            closed: false,
            next: 0,
            lines: HashMap::new(),
            out: Some(out),
        };
        let order = Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        };
        (order, turn)
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

    /// Notes that the answer of `place` is ready, and lets through what its line was waiting for.
    pub fn ready(&self, place: Place, answer: A) {
        let mut state = self.lock();
        if let Some(slot) = state
            .lines
            .get_mut(&place.peer)
            .and_then(|line| line.iter_mut().find(|(id, _)| *id == place.id))
        {
            slot.1 = Some(answer);
        }
        let late = state.let_through(place.peer);
        drop(state);
        drop(late);
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

    /// Waits until nothing is in hand, for `limit` at most, and then ends the writing thread; tells whether
    /// everything was written.
    pub fn finish(&self, limit: Duration) -> bool {
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |state| state.in_hand > 0)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        state.out = None;
        state.in_hand == 0
    }
}

impl<A> State<A> {
    /// Hands over the answers at the head of a line, under the lock, so that no two threads mix up their order.
    /// Returns those that come after the end.
    fn let_through(&mut self, peer: SocketAddr) -> Vec<A> {
        let mut late = Vec::new();
        if let Some(line) = self.lines.get_mut(&peer) {
            while line.front().is_some_and(|(_, answer)| answer.is_some()) {
                let Some((_, Some(answer))) = line.pop_front() else {
                    break;
                };
                match &self.out {
                    Some(out) => late.extend(out.send(answer).err().map(|unsent| unsent.0)),
                    None => late.push(answer),
                }
            }
            if line.is_empty() {
                self.lines.remove(&peer);
            }
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(receiver: &Receiver<&'static str>) -> Vec<&'static str> {
        receiver.try_iter().collect()
    }

    #[test]
    fn an_answer_waits_for_those_before_it_on_its_connection_only() {
        let (order, out) = Order::new();
        let (one, two) = (
            SocketAddr::from(([127, 0, 0, 1], 1)),
            SocketAddr::from(([127, 0, 0, 1], 2)),
        );
        let (a, b, c) = (order.enter(one), order.enter(one), order.enter(one));
        let other = order.enter(two);
        order.ready(b, "b");
        assert!(turn(&out).is_empty(), "a comes first");
        order.ready(other, "other");
        assert_eq!(turn(&out), ["other"], "another connection does not wait");
        order.ready(c, "c");
        order.ready(a, "a");
        assert_eq!(turn(&out), ["a", "b", "c"]);
    }

    #[test]
    fn the_end_comes_after_the_last_answer() {
        let (order, out) = Order::new();
        let place = order.enter(SocketAddr::from(([127, 0, 0, 1], 1)));
        order.ready(place, "a");
        assert_eq!(turn(&out), ["a"]);
        order.written();
        assert!(order.finish(Duration::ZERO));
        assert!(out.recv().is_err(), "the writing thread ends");
    }
}
