//! The listener wired to the writer: hits, opt-outs, public pages.
//!
//! Implements the listener's ports over the database. Everything goes through the writer's first class, so that
//! an answer comes after the commit; where the writer cannot keep up or the disk refuses, it is 503.

use super::engine::Engine;
use super::error::sentence;
use crate::api::{Entrance, Error, ListenerStart, Refused, Result, Tag};
use crate::clock::{Instant, to_millis};
use crate::listener::front::{self, ListenError, Listening};
use crate::listener::gate::{self, Limits};
use crate::listener::pages::Page;
use crate::listener::{AnswerHit, AnswerPage, Door, Hit, HitSink, Method, Outcome, Site};
use crate::store::{self, Conn, Priority, Stored, counter, uptime};
use crate::tracking::ingest::{self, Arrival, Recorded, Source};
use crate::tracking::policy;
use beats::{Beat, Beats};
use entrances::Role;
pub(crate) use entrances::check_header;
pub(crate) use pages::unsubscribe;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// Hits and opt-outs that may wait for the writer; beyond it readers get 503 at once.
const WAITING: usize = 2048;
/// How often the listener looks at itself.
const BEAT: Duration = Duration::from_secs(5);
/// Where the listener answers if nothing else is asked: any free port of this computer.
const DEFAULT_BIND: &str = "127.0.0.1:0";

/// A listener that answers.
pub struct Running {
    listening: Listening,
    asked: ListenerStart,
    /// Whom each entrance is for, in the order of the listener's own list.
    roles: Vec<Role>,
    notes: Arc<Notes>,
    pulse: Arc<Pulse>,
    heart: Option<JoinHandle<()>>,
    interval: Arc<AtomicI64>,
    since: Instant,
}

impl Running {
    fn opened(&self) -> impl Iterator<Item = (Role, &(SocketAddr, Door))> {
        self.roles.iter().copied().zip(self.listening.entrances())
    }
}

/// What a running listener says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunningStatus {
    /// Where it answers.
    pub entrances: Vec<Entrance>,
    /// Since when.
    pub since: Option<Instant>,
    /// Connections that are open, and as many as may be.
    pub connections: (usize, usize),
    /// Requests that wait for their answer.
    pub queue: usize,
    /// What waits in the spool.
    pub spooled: usize,
    /// What was turned away since then.
    pub refused: Vec<Refused>,
    /// How often the inner server was built anew.
    pub restarts: u64,
    /// Requests stored in the last 60 seconds.
    pub hits_per_minute: u32,
    /// The last failure, as a sentence.
    pub last_error: Option<String>,
}

/// Starts the listener; nothing happens where it runs already as it is asked to.
///
/// Fails with [`crate::api::Code::Invalid`] for an address that may not be bound, and with `Conflict` where a
/// port is in use or the listener runs at other addresses.
pub fn start(engine: &Arc<Engine>, request: ListenerStart) -> Result<()> {
    let mut slot = slot(engine);
    if let Some(running) = slot.as_ref() {
        return if request == running.asked || request == nothing_asked() {
            Ok(())
        } else {
            Err(Error::conflict(
                "The listener runs already at other addresses. Stop it first.",
            ))
        };
    }
    let running = open(engine, request, &[])?;
    *slot = Some(running);
    Ok(())
}

/// Opens the entrances anew, as they were asked for, since the tunnel's is another one now. Nothing happens where no
/// listener runs.
pub(super) fn reopen(engine: &Arc<Engine>) -> Result<()> {
    let Some((asked, before)) = slot(engine).as_ref().map(|running| {
        let before: Vec<_> = running.opened().map(|(role, (addr, _))| (role, *addr)).collect();
        (running.asked.clone(), before)
    }) else {
        return Ok(());
    };
    stop(engine);
    let mut slot = slot(engine);
    if slot.is_none() {
        *slot = Some(open(engine, asked, &before)?);
    }
    Ok(())
}

fn open(engine: &Arc<Engine>, asked: ListenerStart, before: &[(Role, SocketAddr)]) -> Result<Running> {
    let planned = entrances::plan(engine, &asked, before)?;
    let notes = Arc::<Notes>::default();
    let site = Arc::new(Site {
        hits: Box::new(Ports::new(engine, &notes)),
        pages: Box::new(Ports::new(engine, &notes)),
        failed: Box::new({
            let ports = Ports::new(engine, &notes);
            move |what| ports.failed(what)
        }),
    });
    let roles = planned.iter().map(|one| one.role).collect();
    let (fields, doors): (Vec<_>, Vec<_>) = planned
        .into_iter()
        .map(|one| (one.field, (one.bind, one.door)))
        .unzip();
    let mut key = [0; 32];
    engine.entropy.fill(&mut key);
    let key = data_encoding::HEXLOWER.encode(&key);
    let limits = Limits::for_files(gate::limits::raise_file_limit());
    let listening = front::listen(doors, site, key, limits)
        .map_err(|error| refused(fields.get(error.entrance()).copied().unwrap_or("bind"), &error))?;
    engine.db.prepare_spool();
    let now = engine.clock.now();
    let interval = match engine
        .db
        .write(Priority::Window, move |conn| uptime::start(conn, now))
    {
        Ok(interval) => interval,
        Err(error) => {
            listening.stop();
            return Err(error.into());
        }
    };
    let interval = Arc::new(AtomicI64::new(interval));
    let pulse = Arc::<Pulse>::default();
    let heart = std::thread::Builder::new()
        .name("casement-heartbeat".into())
        .spawn({
            let (engine, pulse, interval) = (Arc::downgrade(engine), pulse.clone(), interval.clone());
            move || beat(&engine, &pulse, &interval, now)
        });
    super::reach_probe::start(engine);
    Ok(Running {
        listening,
        asked,
        roles,
        notes,
        pulse,
        heart: heart.ok(),
        interval,
        since: now,
    })
}

/// Stops the listener after the answers in hand.
pub fn stop(engine: &Engine) {
    let Some(mut running) = slot(engine).take() else {
        return;
    };
    super::reach_probe::stop(engine);
    running.listening.stop();
    running.pulse.stop();
    if let Some(heart) = running.heart.take() {
        // It only waits and writes; a panic of the writer is reported there.
        let _ = heart.join();
    }
    let (now, interval) = (engine.clock.now(), running.interval.load(Ordering::Relaxed));
    let ended = engine
        .db
        .write(Priority::Window, move |conn| uptime::stop(conn, interval, now));
    if let Err(error) = ended {
        tracing::warn!(%error, "the end of the listener's interval could not be noted");
    }
}

/// Tells how the listener is; `None` where it does not run.
pub fn status(engine: &Engine) -> Option<RunningStatus> {
    let slot = slot(engine);
    let running = slot.as_ref()?;
    let (hits_per_minute, last_error) = running.notes.read(engine.clock.now());
    let gate = running.listening.status();
    let problem = engine.db.problem().map(|error| Error::from(error).message);
    Some(RunningStatus {
        since: Some(running.since),
        connections: (gate.connections, gate.limit),
        queue: gate.in_hand,
        spooled: engine.db.spooled(),
        refused: gate
            .refused
            .into_iter()
            .map(|(reason, words, n)| Refused {
                reason: reason.into(),
                words: words.into(),
                n,
            })
            .collect(),
        restarts: gate.rebuilt,
        entrances: running
            .opened()
            .filter(|(role, _)| *role != Role::Practice)
            .map(|(role, (addr, door))| Entrance {
                url: format!("http://{addr}"),
                behind_proxy: *door != Door::Direct,
                is_tunnel: role == Role::Tunnel,
            })
            .collect(),
        hits_per_minute,
        // What is wrong now comes before what was.
        last_error: problem.or(last_error),
    })
}

/// Tells what there is to say while no listener runs: the database has its own troubles.
pub(crate) fn at_rest(engine: &Engine) -> RunningStatus {
    RunningStatus {
        spooled: engine.db.spooled(),
        last_error: engine.db.problem().map(|error| Error::from(error).message),
        ..RunningStatus::default()
    }
}

/// Returns where the practice outbox comes in, as a proxy would: the entrance's address and the header that names
/// clients there. `None` where there is no such entrance or no listener.
pub(crate) fn practice(engine: &Engine) -> Option<(String, String)> {
    let slot = slot(engine);
    let running = slot.as_ref()?;
    running.opened().find_map(|(role, (addr, door))| match door {
        Door::BehindProxy {
            client_header: Some(header),
        } if matches!(role, Role::Proxy | Role::Practice) => Some((format!("http://{addr}"), header.clone())),
        _ => None,
    })
}

/// Settles what a crash of the listener left: the interval in which it was up.
pub fn recover(engine: &Engine) -> Result<()> {
    Ok(engine.db.write(Priority::Window, uptime::end_after_crash)?)
}

fn slot(engine: &Engine) -> MutexGuard<'_, Option<Running>> {
    engine
        .listener
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn nothing_asked() -> ListenerStart {
    ListenerStart {
        bind: None,
        behind_proxy: None,
        client_header: None,
    }
}

fn refused(field: &str, error: &ListenError) -> Error {
    let message = sentence(&error.to_string());
    Error {
        field: Some(field.to_owned()),
        ..Error::conflict(message)
    }
}

/// Follows the listener until it stops: notes that it is up, sees when this computer slept, and tells the window
/// what changed.
fn beat(engine: &Weak<Engine>, pulse: &Pulse, interval: &AtomicI64, since: Instant) {
    let mut beats = Beats::since(since);
    let mut told = None;
    while pulse.wait(BEAT) {
        let Some(engine) = engine.upgrade() else { return };
        let now = engine.clock.now();
        match beats.at(now, engine.clock.is_played()) {
            Beat::Quiet => {}
            Beat::Seen => {
                let id = interval.load(Ordering::Relaxed);
                engine.db.submit(
                    Priority::Bulk,
                    move |conn| uptime::seen(conn, id, now),
                    |result: store::Result<()>| {
                        if let Err(error) = result {
                            tracing::warn!(%error, "the listener's uptime could not be noted");
                        }
                    },
                );
            }
            Beat::Slept { from } => {
                let id = interval.load(Ordering::Relaxed);
                let begun = engine.db.write(Priority::Window, move |conn| {
                    uptime::stop(conn, id, from)?;
                    uptime::start(conn, now)
                });
                match begun {
                    Ok(id) => interval.store(id, Ordering::Relaxed),
                    Err(error) => tracing::warn!(%error, "a sleep of this computer could not be noted"),
                }
                super::reach_probe::again(&engine);
            }
        }
        let status = status(&engine);
        if status != told {
            engine.announce(&[Tag::Reach]);
            told = status;
        }
    }
}

/// Ends a wait.
#[derive(Default)]
struct Pulse {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Pulse {
    /// Waits for `limit`; false as soon as it is stopped.
    fn wait(&self, limit: Duration) -> bool {
        let stopped = self
            .stopped
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let (stopped, _) = self
            .changed
            .wait_timeout_while(stopped, limit, |stopped| !*stopped)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        !*stopped
    }

    fn stop(&self) {
        *self
            .stopped
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
        self.changed.notify_all();
    }
}

/// What the status shows.
#[derive(Default)]
struct Notes(Mutex<NotesState>);

#[derive(Default)]
struct NotesState {
    /// Stored hits of the last minute, as second and count, oldest first: at most 60.
    seconds: std::collections::VecDeque<(i64, u32)>,
    last_error: Option<String>,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, NotesState> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn stored(&self, at: Instant) {
        let mut state = self.lock();
        let second = at.timestamp();
        match state.seconds.back_mut() {
            Some((last, n)) if *last == second => *n += 1,
            _ => state.seconds.push_back((second, 1)),
        }
        if state.seconds.len() > 60 {
            state.seconds.pop_front();
        }
        state.last_error = None;
    }

    fn failed(&self, what: String) {
        self.lock().last_error = Some(what);
    }

    fn read(&self, now: Instant) -> (u32, Option<String>) {
        let state = self.lock();
        let since = now.timestamp() - 60;
        let hits = state
            .seconds
            .iter()
            .filter(|(second, _)| *second > since)
            .map(|(_, n)| n)
            .sum();
        (hits, state.last_error.clone())
    }
}

/// The listener's ports over the engine's database. Holds no engine alive.
struct Ports {
    engine: Weak<Engine>,
    notes: Arc<Notes>,
    /// Under which the spool's records tell clients apart. In memory only.
    kept_key: [u8; 32],
    /// The latest time that a hit has come at, in milliseconds.
    latest: AtomicI64,
}

impl Ports {
    fn new(engine: &Arc<Engine>, notes: &Arc<Notes>) -> Self {
        let mut kept_key = [0; 32];
        engine.entropy.fill(&mut kept_key);
        Self {
            engine: Arc::downgrade(engine),
            notes: notes.clone(),
            kept_key,
            latest: AtomicI64::new(i64::MIN),
        }
    }

    fn failed(&self, what: String) {
        self.notes.failed(what);
        if let Some(engine) = self.engine.upgrade() {
            engine.announce(&[Tag::Reach]);
        }
    }

    /// Returns the engine where its writer can take more.
    fn ready(&self) -> Option<Arc<Engine>> {
        let engine = self.engine.upgrade()?;
        if engine.db.waiting(Priority::Hits) >= WAITING {
            self.failed(
                "More requests came in than could be stored; some readers were asked to try again.".into(),
            );
            return None;
        }
        Some(engine)
    }

    /// Tells whether the clock has shown a later time before: it was set back, and the time since a delivery means
    /// nothing until it has caught up.
    fn is_lived_again(&self, at: Instant) -> bool {
        /// Small corrections of the clock are no steps.
        const SLEW: i64 = 2000;
        let at = to_millis(at);
        self.latest.fetch_max(at, Ordering::Relaxed) > at + SLEW
    }

    fn now(&self) -> Instant {
        self.engine
            .upgrade()
            .map_or(Instant::UNIX_EPOCH, |engine| engine.clock.now())
    }

    /// Reads or writes for a page, and answers after the commit.
    fn page(
        &self,
        asked: Asked,
        mut work: impl FnMut(&Conn, Instant) -> store::Result<(Page, &'static [Tag])> + Send + 'static,
    ) {
        let Asked { answer, kept, read } = asked;
        let Some(engine) = self.ready() else {
            return answer(None);
        };
        let (now, notes, weak) = (engine.clock.now(), self.notes.clone(), self.engine.clone());
        let write = move |conn: &Conn| {
            counter::add(conn, counter::PAGES)?;
            work(conn, now)
        };
        let (record, received) = kept.unzip();
        let done = move |result: store::Result<Stored<(Page, &'static [Tag])>>| match result {
            Ok(Stored::Committed((page, tags))) => {
                answer(Some(page));
                if let Some(engine) = weak.upgrade().filter(|_| !tags.is_empty()) {
                    engine.announce(tags);
                }
            }
            Ok(Stored::Spooled) => answer(received),
            Err(error) => {
                notes.failed(Error::from(error).message);
                answer(weak.upgrade().zip(read).and_then(|(engine, read)| read(&engine)));
            }
        };
        match record {
            Some(record) => engine
                .db
                .submit_kept(Priority::OptOuts, write, move || record, done),
            None => engine.db.submit(Priority::Hits, write, move |result| {
                done(result.map(Stored::Committed));
            }),
        }
    }
}

/// What a page is asked for, and what becomes of it where the database cannot be written.
struct Asked {
    answer: AnswerPage,
    /// What the spool keeps of it, and what is said once it is kept; `None` where nothing may be done later.
    kept: Option<(Vec<u8>, Page)>,
    /// Looks the page up without writing; `None` where that would not do.
    read: Option<ReadPage>,
}

type ReadPage = Box<dyn FnOnce(&Arc<Engine>) -> Option<Page> + Send>;

impl Asked {
    /// Asks for what can only be done now.
    fn once(answer: AnswerPage) -> Self {
        Self {
            answer,
            kept: None,
            read: None,
        }
    }
}

impl HitSink for Ports {
    fn hit(&self, hit: Hit, answer: AnswerHit) {
        let Some(engine) = self.ready() else {
            return answer(Outcome::Unavailable);
        };
        let mut fresh_key = [0; 32];
        engine.entropy.fill(&mut fresh_key);
        let at = engine.clock.now();
        let arrival = Arrival {
            token: hit.token,
            at,
            clock_set: self.is_lived_again(at),
            head_only: hit.method == Method::Head,
            from_here: hit.direct
                && hit
                    .source
                    .is_some_and(|source| source.to_canonical().is_loopback()),
            source: hit.source.map_or(Source::Unknown, Source::Address),
            user_agent: hit.user_agent,
            not_to_be_recorded: policy::asks_not_to_be_recorded(&hit.dnt, &hit.gpc),
            prefetch: hit.prefetch,
            fresh_key,
        };
        let (at, notes, weak) = (arrival.at, self.notes.clone(), self.engine.clone());
        let arrival = Arc::new(arrival);
        let (kept, key) = (arrival.clone(), self.kept_key);
        engine.db.submit_kept(
            Priority::Hits,
            move |conn| ingest::record(conn, &arrival),
            move || keep::hit(&kept, &key),
            move |result| match result {
                // In the spool, and on disk: it is recorded, and will be counted.
                Ok(Stored::Spooled) => answer(Outcome::Recorded),
                Ok(Stored::Committed(recorded)) => {
                    // After the commit: a 200 that is not on disk would be a lie after a power cut.
                    answer(Outcome::Recorded);
                    if recorded == Recorded::Stored {
                        notes.stored(at);
                    }
                    if let Some(engine) = weak.upgrade().filter(|_| recorded != Recorded::Nothing) {
                        engine.announce(&[Tag::Opens, Tag::Activity]);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a hit could not be stored");
                    notes.failed(Error::from(error).message);
                    answer(Outcome::Unavailable);
                }
            },
        );
    }
}

mod asked;
mod beats;
mod entrances;
mod keep;
mod pages;
#[cfg(test)]
mod tests;

pub(crate) use asked::expect;
pub(crate) use keep::replay;
