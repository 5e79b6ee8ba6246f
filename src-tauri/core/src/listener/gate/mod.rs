//! The gate: owns the sockets that the internet can reach.
//!
//! tiny_http has no timeouts and no limits, and one hostile `Content-Length` ends its process. So it listens on
//! loopback only, and everything that comes in is read here first: bounded, in time, and written anew. What is
//! hostile never reaches it. One thread with an event loop serves all connections; each costs a task and, once
//! it speaks, a buffer.
//!
//! Start reading in `connection`; `head` is what a request may say, `table` who has to go when it is full.

pub mod bind;
mod connection;
mod even;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod head;
mod lanes;
pub mod limits;
pub mod nonces;
mod refusal;
mod sources;
mod table;

pub use bind::{Bind, BindError, parse, parse_loopback};
pub use limits::Limits;
pub use refusal::Refusal;

use super::Door;
use super::reply::PIXEL_FIELDS;
use connection::Seat;
use even::Even;
use lanes::{Kind, Lanes};
use nonces::{Nonces, Ours};
use refusal::Refused;
use sources::Sources;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use table::Table;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;

/// How long a stop waits for answers in hand.
const STOP: Duration = Duration::from_secs(5);
/// How long a start waits for its lanes.
const START: Duration = Duration::from_secs(10);
/// How often unfinished heads are looked through, while there are any.
const SWEEP: Duration = Duration::from_millis(250);
/// The longest pause after an accept that failed.
const BACK_OFF: Duration = Duration::from_secs(1);
/// Connections that the system may hold for us until they are accepted.
const BACKLOG: u32 = 4096;

/// Tells the watchdog that something is wrong, without waiting for it.
#[derive(Clone)]
pub struct Alarm(pub SyncSender<&'static str>);

impl Alarm {
    /// Raises it. One that has been raised and not heard yet is enough.
    pub fn raise(&self, what: &'static str) {
        let _ = self.0.try_send(what);
    }
}

/// The path that the watchdog asks for just now. Nobody else knows it, so to strangers there is nothing there.
#[derive(Default)]
pub struct Watch(Mutex<Option<String>>);

impl Watch {
    /// Sets the path that is answered from now on.
    pub fn expect(&self, path: Option<String>) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = path;
    }

    fn is(&self, path: &str) -> bool {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .as_deref()
            == Some(path)
    }
}

/// What a gate counts, readable from any thread.
#[derive(Default)]
pub struct Stats {
    /// Connections that are open.
    pub open: AtomicUsize,
    /// Requests that wait for the inner server.
    pub in_hand: AtomicUsize,
    /// What was turned away, by reason.
    pub refused: Refused,
    /// How often the inner server refused a lane.
    pub lanes_refused: AtomicU64,
}

/// A gate that answers.
pub struct Gate {
    control: mpsc::UnboundedSender<Control>,
    thread: Option<JoinHandle<()>>,
    /// What it counts.
    pub stats: Arc<Stats>,
    /// The watchdog's path.
    pub watch: Arc<Watch>,
    /// What this process asks itself from outside.
    pub nonces: Arc<Nonces>,
}

enum Control {
    Inner(SocketAddr),
    Stop,
}

/// What a gate needs to be told.
pub struct Plan {
    /// Bound sockets, each with what is trusted there.
    pub entrances: Vec<(std::net::TcpListener, Door)>,
    /// Where tiny_http listens.
    pub inner: SocketAddr,
    /// Proves to it that a request comes from here.
    pub key: String,
    /// A request that it answers at once.
    pub warming: Vec<u8>,
    /// How much to take on.
    pub limits: Limits,
    /// Is raised when the inner server seems to be gone.
    pub alarm: Alarm,
}

/// Binds a socket; waiting connections of an earlier run do not keep the port from us.
pub fn bind(addr: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    // tokio's socket, which knows the backlog, wants a runtime to be there; std's listener does not.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _inside = runtime.enter();
    let socket = match addr {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
    }?;
    // On Windows the option would let two programs have one port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)?.into_std()
}

impl Gate {
    /// Opens the gate. Returns once requests can go through it.
    pub fn start(plan: Plan) -> std::io::Result<Self> {
        let (control, orders) = mpsc::unbounded_channel();
        let stats = Arc::<Stats>::default();
        let watch = Arc::<Watch>::default();
        let nonces = Arc::<Nonces>::default();
        let (started, start) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("casement-gate".into()).spawn({
            let (stats, watch, nonces) = (stats.clone(), watch.clone(), nonces.clone());
            move || {
                let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(started.send(Err(error))),
                };
                LocalSet::new().block_on(&runtime, run(plan, orders, (stats, watch, nonces), started));
            }
        })?;
        let mut gate = Self {
            control,
            thread: Some(thread),
            stats,
            watch,
            nonces,
        };
        match start.recv() {
            Ok(Ok(())) => Ok(gate),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                gate.join();
                Err(std::io::Error::other("the gate ended at its start"))
            }
        }
    }

    /// Sends requests to another inner server from now on.
    pub fn redirect(&self, inner: SocketAddr) {
        // A gate that has ended needs no server.
        let _ = self.control.send(Control::Inner(inner));
    }

    /// Takes no more connections, waits for the answers in hand, and gives the ports back.
    pub fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        let _ = self.control.send(Control::Stop);
        if let Some(thread) = self.thread.take() {
            // Its panics are reported where they happen.
            let _ = thread.join();
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.join();
    }
}

/// What the tasks of a gate share; they all run on one thread.
pub(super) struct Core {
    limits: Limits,
    key: String,
    /// The fields of every answer with the picture, as they are written.
    pixel_fields: Vec<u8>,
    stats: Arc<Stats>,
    watch: Arc<Watch>,
    nonces: Arc<Nonces>,
    table: RefCell<Table>,
    sources: RefCell<Sources>,
    even: RefCell<Even>,
    lanes: Rc<Lanes>,
    /// A connection has become unfinished.
    woken: Notify,
    /// A connection has ended.
    left: Notify,
    /// A request in hand was answered.
    idle: Notify,
}

impl Core {
    fn is_full(&self) -> bool {
        self.table.borrow().open() >= self.limits.connections
    }

    /// Waits until there is a place, or until somebody may be asked for his.
    async fn forbear(&self) {
        while self.is_full() {
            let patience = self.table.borrow_mut().patience(Instant::now());
            let Some(patience) = patience else { return };
            let _ = tokio::time::timeout(patience, self.left.notified()).await;
        }
    }

    /// Says what a path is that no reader asks for; a question that is waited for is answered to whoever asks first.
    fn ours(&self, method: &str, path: &str) -> Ours {
        if self.watch.is(path) {
            return Ours::Watch;
        }
        match method {
            "GET" => self.nonces.take(path, Instant::now()),
            _ => Ours::No,
        }
    }

    fn note_open(&self) {
        self.stats
            .open
            .store(self.table.borrow().open(), Ordering::Relaxed);
    }
}

/// A socket, and what is trusted there.
pub(super) struct Entrance {
    door: Door,
}

async fn run(
    plan: Plan,
    mut orders: mpsc::UnboundedReceiver<Control>,
    (stats, watch, nonces): (Arc<Stats>, Arc<Watch>, Arc<Nonces>),
    started: SyncSender<std::io::Result<()>>,
) {
    let kinds = std::iter::repeat_n(Kind::Pixel, plan.limits.pixel_lanes)
        .chain(std::iter::repeat_n(Kind::Page, plan.limits.page_lanes));
    let lanes = Lanes::new(kinds, plan.inner, plan.warming, stats.clone(), plan.alarm);
    lanes.run();
    let core = Rc::new(Core {
        limits: plan.limits,
        key: plan.key,
        pixel_fields: PIXEL_FIELDS
            .iter()
            .flat_map(|(name, value)| format!("{name}: {value}\r\n").into_bytes())
            .collect(),
        stats,
        watch,
        nonces,
        table: RefCell::default(),
        sources: RefCell::default(),
        even: RefCell::default(),
        lanes,
        woken: Notify::new(),
        left: Notify::new(),
        idle: Notify::new(),
    });
    let mut accepting = Vec::new();
    let mut ready = Ok(());
    if !core.lanes.ready(START).await {
        ready = Err(std::io::Error::other("the inner server does not answer"));
    }
    for (socket, door) in plan.entrances {
        match socket
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(socket))
        {
            Ok(listener) => {
                let entrance = Rc::new(Entrance { door });
                accepting.push(tokio::task::spawn_local(accept(listener, entrance, core.clone())));
            }
            Err(error) => ready = Err(error),
        }
    }
    let failed = ready.is_err();
    drop(started.send(ready));
    if failed {
        return;
    }
    let sweeping = tokio::task::spawn_local(sweep(core.clone()));
    while let Some(Control::Inner(inner)) = orders.recv().await {
        core.lanes.redirect(inner);
    }
    for task in accepting {
        task.abort();
        // It is gone, and its socket with it, once it has been waited for.
        let _ = task.await;
    }
    sweeping.abort();
    let answered = async {
        loop {
            let idle = core.idle.notified();
            if core.stats.in_hand.load(Ordering::Relaxed) == 0 {
                return;
            }
            idle.await;
        }
    };
    let _ = tokio::time::timeout(STOP, answered).await;
    // The tasks that hold the last answers have been woken: they write them before this one goes on.
    tokio::task::yield_now().await;
}

async fn accept(listener: TcpListener, entrance: Rc<Entrance>, core: Rc<Core>) {
    const FIRST: Duration = Duration::from_millis(5);
    let mut pause = FIRST;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                pause = FIRST;
                let is_full = core.is_full();
                if is_full {
                    // Whoever came just before is given the time to speak, or a burst of silent connections would
                    // push out those who do.
                    core.forbear().await;
                }
                admit(stream, peer.ip(), &entrance, &core);
                if is_full {
                    // What has arrived meanwhile is read before the next one needs a place.
                    tokio::task::yield_now().await;
                }
            }
            Err(error) => {
                // A listener that gave up here would be closed for ever: no descriptor is free now, but one will be.
                core.stats.refused.count(Refusal::Accept);
                tracing::debug!(%error, "a connection could not be accepted");
                if core.table.borrow_mut().evict() {
                    core.stats.refused.count(Refusal::Evicted);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACK_OFF);
            }
        }
    }
}

fn admit(stream: TcpStream, peer: IpAddr, entrance: &Rc<Entrance>, core: &Rc<Core>) {
    let turn_away = |refusal: Refusal| {
        core.stats.refused.count(refusal);
        if let Some(reply) = refusal.reply() {
            // As much as its buffer takes; it is not waited for.
            let _ = stream.try_write(&connection::own(&reply, false, false));
        }
    };
    let peer = peer.to_canonical();
    let capped = (entrance.door == Door::Direct && !core.sources.borrow().is_exempt(peer)).then_some(peer);
    if let Some(source) = capped
        && !core.sources.borrow_mut().open(source, Instant::now())
    {
        return turn_away(Refusal::SourceBusy);
    }
    // From here on the seat gives back what was taken.
    let seat = Rc::new(RefCell::new(Seat::new(core, capped)));
    if core.is_full() {
        if !core.table.borrow_mut().evict() {
            return turn_away(Refusal::Full);
        }
        core.stats.refused.count(Refusal::Evicted);
    }
    let task = tokio::task::spawn_local(connection::serve(stream, peer, entrance.clone(), seat.clone()));
    seat.borrow_mut().take(task.abort_handle());
}

/// Ends the connections whose time is up. Sleeps where there are none.
async fn sweep(core: Rc<Core>) {
    loop {
        if !core.table.borrow().has_unfinished() {
            core.woken.notified().await;
        }
        tokio::time::sleep(SWEEP).await;
        let mut table = core.table.borrow_mut();
        let deadline = core.limits.head_deadline(table.open());
        for _ in 0..table.sweep(Instant::now(), deadline).slow {
            core.stats.refused.count(Refusal::Slow);
        }
    }
}
