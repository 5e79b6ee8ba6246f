//! The engine: everything that belongs to one open workspace, wired together.

use super::workspace::Workspace;
use crate::api::{Code, Error, Event, Result, RouteKind, Tag};
use crate::clock::Clock;
use crate::engine::jobs::Jobs;
use crate::engine::lock::{self, WorkspaceLock};
use crate::engine::socket::{Host, Server};
use crate::ids::{CampaignId, Entropy};
use crate::secrets::KeyStore;
use crate::store::{Conn, Db, Priority, route, setting};

pub use super::tunnel::Tools;
pub use crate::store::Durability;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What a binary hands to the engine: the core reads no environment of its own.
pub struct EngineOptions {
    /// The workspace's folder; made where it is missing.
    pub workspace: PathBuf,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives tokens.
    pub entropy: Arc<dyn Entropy>,
    /// Keeps the accounts' secrets.
    pub keys: Arc<dyn KeyStore>,
    /// IANA name of this computer's time zone, for new workspaces; `UTC` where it is not known.
    pub zone: String,
    /// What tells this computer from others; empty where that is not known.
    pub machine: String,
    /// PEM texts of root certificates to trust for mail servers, besides this computer's.
    pub extra_roots: Vec<Vec<u8>>,
    /// The name server to ask in the checks before sending; `None` asks this computer's.
    pub dns: Option<SocketAddr>,
    /// How far a commit goes before it is called done.
    pub durability: Durability,
    /// What tunnels need of this computer.
    pub tools: Tools,
}

impl EngineOptions {
    /// Returns the options under which `engine` runs, to open another workspace beside it.
    pub(crate) fn like(engine: &Engine) -> Self {
        Self {
            workspace: engine.workspace.dir().to_owned(),
            clock: engine.clock.clone(),
            entropy: engine.entropy.clone(),
            keys: engine.keys.clone(),
            zone: engine.zone.clone(),
            machine: String::new(),
            extra_roots: engine.extra_roots.clone(),
            dns: engine.dns,
            durability: Durability::Full,
            // Whatever is done beside it is not for readers.
            tools: Tools::default(),
        }
    }
}

/// One open workspace.
pub struct Engine {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) workspace: Workspace,
    pub(crate) zone: String,
    pub(crate) extra_roots: Vec<Vec<u8>>,
    pub(crate) dns: Option<SocketAddr>,
    /// The listener, while it runs.
    pub(crate) listener: Mutex<Option<super::tracking::Running>>,
    /// The tunnel, while it is followed.
    pub(crate) tunnel: super::tunnel::Desk,
    pub(crate) tools: Tools,
    /// Looks at the public address from outside.
    pub(crate) probes: super::reach_probe::Desk,
    /// The dispatcher, while it runs.
    pub(crate) sender: Mutex<Option<super::sending::Running>>,
    /// Readers who asked for what is held about them.
    pub(crate) data_requests: super::data_request::Desk,
    /// What is to be done with time.
    pub(crate) upkeep: super::upkeep::Desk,
    /// Judges hits again.
    pub(crate) judging: super::judging::Bench,
    /// The files of campaigns.
    pub(crate) files: super::attachments::Shelf,
    /// Logins under way, and access tokens.
    pub(crate) sign_ins: super::sign_in::Desk,
    /// How often people had been changed when each campaign was prepared.
    prepared_people: Mutex<BTreeMap<CampaignId, u64>>,
    /// Long jobs.
    pub jobs: Jobs,
    events: Arc<Events>,
    socket: Mutex<Option<Server>>,
    // Let go last: the workspace is free only once all else is closed.
    lock: Mutex<Option<WorkspaceLock>>,
}

impl Engine {
    /// Opens a workspace: takes its lock, brings its database up to date, settles what a crash left.
    ///
    /// Fails with [`crate::api::Code::Locked`] where another process is its engine, with `Newer` where a newer
    /// version wrote it, with `Storage` where it cannot be used.
    pub fn open(options: EngineOptions) -> Result<Arc<Self>> {
        let workspace = Workspace::open(&options.workspace)?;
        let held = lock::lock(workspace.dir())?;
        super::backup::sweep(&workspace);
        let restored = super::backup::restore::finish(
            &workspace,
            &*options.clock,
            &options.entropy,
            options.durability,
        )?;
        let db = Db::open(
            &workspace.database(),
            &workspace.backups(),
            &*options.clock,
            options.durability,
        )?;
        db.replay_with(super::tracking::replay(&options.entropy));
        let events = Events::start();
        let jobs = Jobs::new({
            let events = events.clone();
            move |job| events.send(Event::Job(job))
        });
        let mut key = [0; 32];
        options.entropy.fill(&mut key);
        let now = options.clock.now();
        db.write(Priority::Window, move |conn| {
            setting::ensure_workspace_key(conn, &key)?;
            // So that the address in use always has its row, from the first start on.
            route::ensure(conn, RouteKind::None, "", now).map(|_| ())
        })?;
        let engine = Arc::new(Self {
            db,
            clock: options.clock,
            entropy: options.entropy,
            keys: options.keys,
            workspace,
            zone: options.zone,
            extra_roots: options.extra_roots,
            dns: options.dns,
            listener: Mutex::default(),
            tunnel: super::tunnel::Desk::default(),
            tools: options.tools,
            probes: super::reach_probe::Desk::default(),
            sender: Mutex::default(),
            data_requests: super::data_request::Desk::default(),
            upkeep: super::upkeep::Desk::default(),
            judging: super::judging::Bench::default(),
            files: super::attachments::Shelf::default(),
            sign_ins: super::sign_in::Desk::default(),
            prepared_people: Mutex::default(),
            jobs,
            events,
            socket: Mutex::default(),
            lock: Mutex::new(Some(held)),
        });
        super::backup::restore::tell(&engine, restored)?;
        super::copied::settle(&engine, &options.machine)?;
        super::sending::recover(&engine)?;
        super::follow_up::recover(&engine)?;
        super::tracking::recover(&engine)?;
        super::tunnel::recover(&engine);
        super::attachments::sweep(&engine);
        super::data_request::recover(&engine);
        super::upkeep::start(&engine);
        super::judging::start(&engine)?;
        Ok(engine)
    }

    /// Answers other processes of this computer on the workspace's local socket from now on.
    ///
    /// `host` is the dispatcher for this engine: `app` does not know the table of commands.
    pub fn serve(&self, host: Arc<dyn Host>) -> Result<()> {
        let server = Server::start(self.workspace.dir(), host).map_err(|error| {
            Error::new(
                Code::Storage,
                format!("The workspace's local socket cannot be made: {error}."),
            )
        })?;
        *self
            .socket
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(server);
        Ok(())
    }

    /// Returns a channel of everything that happens from now on.
    pub fn subscribe(&self) -> Receiver<Event> {
        self.events.subscribe()
    }

    /// Tells everyone who listens of one event, at once.
    pub(crate) fn tell(&self, event: Event) {
        self.events.send(event);
    }

    /// Tells everyone who listens that these topics changed; at most four times a second.
    pub fn announce(&self, tags: &[Tag]) {
        self.events.announce(tags);
    }

    /// Returns [`Db::people_changes`] as it was before each campaign's people were read for its preparation.
    pub(crate) fn prepared_people(&self) -> MutexGuard<'_, BTreeMap<CampaignId, u64>> {
        self.prepared_people
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Reads in one transaction.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Conn) -> Result<T>) -> Result<T> {
        self.db.read(read)
    }

    /// Writes on behalf of the user, and announces `tags` once it is on disk.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        tags: &[Tag],
        write: impl FnOnce(&Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let result = self.db.write(Priority::Window, write)?;
        self.announce(tags);
        Ok(result)
    }

    /// Ends what runs at its next safe point and closes the database. Nothing in hand is lost.
    pub fn shutdown(&self) {
        self.socket
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take();
        super::upkeep::stop(self);
        super::tunnel::end(self);
        super::tracking::stop(self);
        super::sending::stop(self);
        super::judging::stop(self);
        super::data_request::finish(self);
        self.jobs.cancel_all();
        self.jobs.wait_idle();
        self.db.close();
        self.events.stop();
        // Somebody may still hold this engine; the workspace is free all the same.
        drop(
            self.lock
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .take(),
        );
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.events.stop();
    }
}

/// Spreads events; gathers announcements so that a flood of opens costs the window four refreshes a second.
struct Events {
    state: Mutex<EventsState>,
    changed: Condvar,
}

#[derive(Default)]
struct EventsState {
    listeners: Vec<Sender<Event>>,
    pending: BTreeSet<Tag>,
    stopped: bool,
}

impl Events {
    const GAP: Duration = Duration::from_millis(250);

    fn start() -> Arc<Self> {
        let events = Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let spread = events.clone();
        std::thread::Builder::new()
            .name("casement-events".into())
            .spawn(move || spread.spread())
            .expect("a process that has just started can start a thread");
        events
    }

    fn lock(&self) -> MutexGuard<'_, EventsState> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn subscribe(&self) -> Receiver<Event> {
        let (sender, receiver) = channel();
        self.lock().listeners.push(sender);
        receiver
    }

    fn send(&self, event: Event) {
        self.lock()
            .listeners
            .retain(|listener| listener.send(event.clone()).is_ok());
    }

    fn announce(&self, tags: &[Tag]) {
        let mut state = self.lock();
        let was_empty = state.pending.is_empty();
        state.pending.extend(tags);
        drop(state);
        // Ten thousand hits a second announce the same few tags: only the first has to wake anybody.
        if was_empty {
            self.changed.notify_all();
        }
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.listeners.clear();
        drop(state);
        self.changed.notify_all();
    }

    fn spread(&self) {
        let mut state = self.lock();
        loop {
            while state.pending.is_empty() && !state.stopped {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            if state.stopped {
                return;
            }
            let tags = std::mem::take(&mut state.pending).into_iter().collect();
            let event = Event::Changed { tags };
            state
                .listeners
                .retain(|listener| listener.send(event.clone()).is_ok());
            let end = std::time::Instant::now() + Self::GAP;
            // The first change is told at once, those of the next quarter second together.
            while !state.stopped {
                let left = end.saturating_duration_since(std::time::Instant::now());
                if left.is_zero() {
                    break;
                }
                state = self
                    .changed
                    .wait_timeout(state, left)
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .0;
            }
        }
    }
}
