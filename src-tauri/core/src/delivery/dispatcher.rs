//! The worker loop: claim, wait for the pace, make the mail, hand it over, record the server's words.
//!
//! One supervisor thread asks the [`Office`] what is due and keeps up to an account's number of connections
//! busy, each on a thread of its own. Everything waits on one condition variable: a launch, a pause or a stop
//! wakes it, and timed waits are for the pace and for later attempts only. Knows neither SQL nor SMTP.

use super::office::{Claim, Claimed, Done, Ended, Office, Work};
use super::pace::Pace;
use super::standing::Trip;
use super::transport::{Accepted, DeliveryError, OutgoingMail, Transport};
use crate::clock::Instant;
use crate::ids::AccountId;
use chrono::TimeDelta;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a worker waits before it asks a ledger again that could not be written.
const LEDGER_RETRY: Duration = Duration::from_secs(2);

/// The longest that the supervisor sleeps while anything waits: a computer that slept, or a clock that was set, is
/// noticed then.
const LOOK: TimeDelta = TimeDelta::seconds(20);

/// How long a stop waits for a server's answer.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// What the workers of one account share.
struct Lane {
    pace: Pace,
    closed_until: Option<Instant>,
    /// A hand-over has shown that the account works. Until then one connection tries: a wrong password is tried once,
    /// and not by every connection at the same time.
    proven: bool,
    workers: u32,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    stopped: bool,
    /// Rises with everything that may change what is due.
    generation: u64,
    /// The generation at which nothing was due and nobody at work.
    idle_at: Option<u64>,
    lanes: BTreeMap<AccountId, Lane>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    office: Arc<dyn Office>,
}

/// A dispatcher at work. Dropping it tells its threads to end; [`Dispatcher::stop`] also waits for them.
pub struct Dispatcher {
    shared: Arc<Shared>,
    supervisor: Option<JoinHandle<()>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wake(&self) {
        self.lock().generation += 1;
        self.changed.notify_all();
    }

    /// Waits until `until` by the office's clock, or until something changes.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        now: Instant,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        match until {
            None => self
                .changed
                .wait(state)
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
            Some(until) => {
                // A millisecond more, so that the instant has come when the wait ends.
                let left = (until - now).to_std().unwrap_or_default() + Duration::from_millis(1);
                self.changed
                    .wait_timeout(state, left)
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .0
            }
        }
    }
}

impl Dispatcher {
    /// Starts the supervisor. Fails where the system gives no thread.
    pub fn start(office: Arc<dyn Office>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            office,
        });
        let supervisor = std::thread::Builder::new()
            .name("casement-dispatcher".into())
            .spawn({
                let shared = shared.clone();
                move || supervise(&shared)
            })?;
        Ok(Self {
            shared,
            supervisor: Some(supervisor),
        })
    }

    /// Says that something may have become due, or be due no more.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// Forgets an account's failures: the user wants to go on.
    pub fn reset(&self, account: AccountId) {
        if let Some(lane) = self.shared.lock().lanes.get_mut(&account) {
            lane.closed_until = None;
        }
        self.shared.wake();
    }

    /// Returns a handle by which others can wait until nothing is due.
    pub fn idle(&self) -> Idle {
        Idle(self.shared.clone())
    }

    /// Finishes the mails in hand and ends all threads.
    ///
    /// A server that takes longer than [`STOP_GRACE`] to answer is left: its mail is found as `handing_over` at the
    /// next start and becomes uncertain.
    pub fn stop(mut self) {
        self.signal();
        if let Some(supervisor) = self.supervisor.take() {
            // A panic of the supervisor was reported where it happened.
            let _ = supervisor.join();
        }
        let end = std::time::Instant::now() + STOP_GRACE;
        let mut state = self.shared.lock();
        while state.lanes.values().any(|lane| lane.workers > 0) {
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                tracing::warn!("a mail server does not answer; its mail is left uncertain");
                return;
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .0;
        }
        let lanes = std::mem::take(&mut state.lanes);
        drop(state);
        for thread in lanes.into_values().flat_map(|lane| lane.threads) {
            let _ = thread.join();
        }
    }

    fn signal(&self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        // Only told, not joined: the last owner may be one of the threads themselves.
        self.signal();
    }
}

/// Waits for a dispatcher to have nothing due.
pub struct Idle(Arc<Shared>);

impl Idle {
    /// Waits until nothing is due, nobody is at work and no campaign is starting, or until the dispatcher stops.
    pub fn wait(&self) {
        let mut state = self.0.lock();
        while !state.stopped && state.idle_at != Some(state.generation) {
            state = self
                .0
                .changed
                .wait(state)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

fn supervise(shared: &Arc<Shared>) {
    loop {
        let seen = {
            let state = shared.lock();
            if state.stopped {
                return;
            }
            state.generation
        };
        let agenda = shared.office.agenda();
        let now = shared.office.now();
        let until = match &agenda {
            Ok(agenda) => {
                let rests = agenda.work.iter().filter_map(|work| employ(shared, work)).min();
                agenda
                    .next
                    .into_iter()
                    .chain(rests)
                    .min()
                    .map(|next| next.min(now + LOOK))
            }
            Err(error) => {
                tracing::warn!(%error, "the ledger cannot be read; sending waits");
                Some(now + LEDGER_RETRY)
            }
        };
        let mut state = shared.lock();
        let busy = state.lanes.values().any(|lane| lane.workers > 0);
        if let Ok(agenda) = &agenda
            && !busy
            && agenda.work.is_empty()
            && !agenda.starting
            && state.generation == seen
        {
            state.idle_at = Some(seen);
            shared.changed.notify_all();
        }
        while state.generation == seen && !state.stopped {
            let now = shared.office.now();
            if until.is_some_and(|until| until <= now) {
                break;
            }
            state = shared.wait(state, now, until);
        }
    }
}

/// Brings an account's workers up to what its work is worth. Returns when to ask again, where it rests until then.
fn employ(shared: &Arc<Shared>, work: &Work) -> Option<Instant> {
    let now = shared.office.now();
    let mut state = shared.lock();
    let lane = state.lanes.entry(work.account).or_insert_with(|| Lane {
        pace: Pace::new(work.interval, work.next_at),
        closed_until: None,
        proven: false,
        workers: 0,
        threads: Vec::new(),
    });
    lane.pace.set(work.interval);
    lane.threads.retain(|thread| !thread.is_finished());
    if let Some(until) = lane.closed_until.filter(|until| *until > now) {
        return Some(until);
    }
    let most = if lane.proven {
        work.connections.min(work.due)
    } else {
        1
    };
    while lane.workers < most {
        let spawned = std::thread::Builder::new()
            .name(format!("casement-send-{}", work.account))
            .spawn({
                let (shared, account) = (shared.clone(), work.account);
                move || {
                    let ended = catch_unwind(AssertUnwindSafe(|| work_lane(&shared, account)));
                    if ended.is_err() {
                        tracing::error!(%account, "a sending worker stopped by an internal fault");
                    }
                    if let Some(lane) = shared.lock().lanes.get_mut(&account) {
                        lane.workers -= 1;
                    }
                    shared.wake();
                }
            });
        match spawned {
            Ok(thread) => {
                lane.workers += 1;
                lane.threads.push(thread);
            }
            Err(error) => {
                tracing::warn!(%error, "no thread for another connection");
                break;
            }
        }
    }
    None
}

/// What a worker may do next.
enum Slot {
    /// A mail may leave; the one after no sooner than this.
    Go(Option<Instant>),
    /// Not before `until`; `seen` is the generation at which that was so.
    Wait {
        until: Instant,
        seen: u64,
    },
    Stop,
}

fn slot(shared: &Shared, account: AccountId) -> Slot {
    let now = shared.office.now();
    let mut state = shared.lock();
    if state.stopped {
        return Slot::Stop;
    }
    let seen = state.generation;
    let Some(lane) = state.lanes.get_mut(&account) else {
        return Slot::Stop;
    };
    if let Some(until) = lane.closed_until.filter(|until| *until > now) {
        return Slot::Wait { until, seen };
    }
    lane.closed_until = None;
    match lane.pace.take(now, shared.office.chance()) {
        Ok(()) => Slot::Go(lane.pace.next()),
        Err(until) => Slot::Wait { until, seen },
    }
}

/// One connection's work: until nothing is due, or the dispatcher stops.
fn work_lane(shared: &Shared, account: AccountId) {
    let office = &*shared.office;
    let mut transport = match office.transport(account) {
        Ok(transport) => transport,
        Err(sentence) => {
            office.pause(account, &sentence);
            // Should the pause itself fail, nobody tries again in the same moment.
            if let Some(lane) = shared.lock().lanes.get_mut(&account) {
                lane.closed_until = Some(office.now() + LEDGER_RETRY);
            }
            return;
        }
    };
    let mut done: Option<Done> = None;
    loop {
        let next_at = match slot(shared, account) {
            Slot::Go(next_at) => next_at,
            Slot::Wait { until, seen } => {
                // The result of the mail before does not wait for the next one's turn.
                record(shared, account, done.take());
                if !office.is_due(account).unwrap_or(true) {
                    break;
                }
                pause_until(shared, until, seen);
                continue;
            }
            Slot::Stop => {
                record(shared, account, done.take());
                break;
            }
        };
        let claimed = match office.exchange(account, done.as_ref(), Claim::Next, next_at) {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, "the ledger cannot be written; sending waits");
                if wait_for_ledger(shared) {
                    continue;
                }
                break;
            }
        };
        let Some(claimed) = claimed else {
            // What it waits for is not this turn: whoever comes first takes it.
            if let Some(lane) = shared.lock().lanes.get_mut(&account) {
                lane.pace.give_back(next_at);
            }
            break;
        };
        done = Some(deliver(shared, account, &mut transport, claimed));
    }
    transport.close();
}

/// Hands one mail over. Whatever happens, something is known of it afterwards.
fn deliver(
    shared: &Shared,
    account: AccountId,
    transport: &mut Box<dyn Transport>,
    claimed: Claimed,
) -> Done {
    let Claimed {
        message,
        attempts,
        claimed_at,
        ..
    } = claimed;
    let done = |result, dialogue| Done {
        message,
        attempts,
        claimed_at,
        result,
        dialogue,
    };
    let bytes = match &claimed.bytes {
        Ok(bytes) => bytes,
        Err(why) => return done(Ended::Unmade(why.clone()), Vec::new()),
    };
    let mail = OutgoingMail {
        from: &claimed.from,
        to: &claimed.to,
        bytes,
        message: Some(message),
        campaign: Some(claimed.campaign),
        subject: &claimed.subject,
        test: false,
    };
    let result = catch_unwind(AssertUnwindSafe(|| transport.deliver(&mail))).unwrap_or_else(|_| {
        // Nobody knows how far it came.
        Err(DeliveryError {
            kind: super::transport::ErrorKind::Message,
            stage: super::transport::Stage::AfterBody,
            code: None,
            reply: "Casement stopped by an internal fault while handing it over; it may have left.".into(),
        })
    });
    judge_account(shared, account, &result);
    let ended = match result {
        Ok(accepted) => Ended::Accepted(accepted),
        Err(error) => Ended::Failed(error),
    };
    done(ended, transport.take_dialogue())
}

/// Lets the account's standing see how a mail went.
fn judge_account(shared: &Shared, account: AccountId, result: &Result<Accepted, DeliveryError>) {
    let trip = shared.office.judge(account, result.as_ref().map(|_| ()));
    let mut state = shared.lock();
    let Some(lane) = state.lanes.get_mut(&account) else {
        return;
    };
    let was_proven = lane.proven;
    lane.proven = trip == Trip::Not;
    if let Trip::Wait(until) = trip {
        lane.closed_until = Some(until);
    }
    if lane.proven && !was_proven {
        drop(state);
        // There is work for further connections.
        shared.wake();
    }
}

/// Records a result that is still in hand, as long as it takes; a stop ends the attempts, and the row is found as
/// `handing_over` at the next start.
fn record(shared: &Shared, account: AccountId, done: Option<Done>) {
    let Some(done) = done else { return };
    while let Err(error) = shared.office.exchange(account, Some(&done), Claim::Nothing, None) {
        tracing::warn!(%error, "the ledger cannot be written; a result waits");
        if !wait_for_ledger(shared) {
            return;
        }
    }
}

/// Waits a moment; tells whether the dispatcher still runs.
fn wait_for_ledger(shared: &Shared) -> bool {
    let state = shared.lock();
    if state.stopped {
        return false;
    }
    let state = shared
        .changed
        .wait_timeout(state, LEDGER_RETRY)
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .0;
    !state.stopped
}

/// Waits until `until`, or until something changes: a pause or a cancel must be seen at once.
fn pause_until(shared: &Shared, until: Instant, seen: u64) {
    let mut state = shared.lock();
    loop {
        let now = shared.office.now();
        if state.stopped || state.generation != seen || until <= now {
            return;
        }
        state = shared.wait(state, now, Some(until));
    }
}
