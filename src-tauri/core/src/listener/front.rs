//! The whole listener: the gate, tiny_http behind it, and the watchdog that builds tiny_http anew.

use super::gate::{self, Alarm, Bind, Gate, Limits, Plan};
use super::server::{Inner, watchword};
use super::{Door, Site};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the watchdog asks.
const WATCH: Duration = Duration::from_secs(5);
/// How long it waits for its answer.
const WATCH_ANSWER: Duration = Duration::from_secs(3);
/// Misses in a row after which the inner server is built anew.
const MISSES: u32 = 2;

/// An open listener.
pub struct Listening {
    entrances: Vec<(SocketAddr, Door)>,
    state: Arc<State>,
    watchdog: Option<JoinHandle<()>>,
    bark: SyncSender<&'static str>,
}

struct State {
    gate: Mutex<Option<Gate>>,
    inner: Mutex<Option<Inner>>,
    stats: Arc<gate::Stats>,
    watch: Arc<gate::Watch>,
    nonces: Arc<gate::nonces::Nonces>,
    limits: Limits,
    rebuilt: AtomicU64,
    key: String,
    site: Arc<Site>,
    alarm: Alarm,
}

/// What a listener says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Connections that are open.
    pub connections: usize,
    /// As many as may be open.
    pub limit: usize,
    /// Requests that wait for their answer.
    pub in_hand: usize,
    /// What was turned away since the start: a word for programs, words for people, how often.
    pub refused: Vec<(&'static str, &'static str, u64)>,
    /// How often the inner server was built anew.
    pub rebuilt: u64,
}

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program listens there.
    #[error(
        "port {port} is in use by another program; stop that program, or choose another port (0 takes any free one)"
    )]
    InUse {
        /// Which of the entrances.
        entrance: usize,
        /// The port.
        port: u16,
    },
    /// The operating system refused an address.
    #[error("cannot listen at {addr}: {reason}")]
    Refused {
        /// Which of the entrances.
        entrance: usize,
        /// The address.
        addr: SocketAddr,
        /// Its words.
        reason: String,
    },
    /// The operating system refused something else.
    #[error("the listener cannot be started: {0}")]
    Start(std::io::Error),
}

impl ListenError {
    /// Returns which of the entrances it is about.
    pub fn entrance(&self) -> usize {
        match self {
            Self::InUse { entrance, .. } | Self::Refused { entrance, .. } => *entrance,
            Self::Start(_) => 0,
        }
    }
}

/// Opens the entrances and answers there until [`Listening::stop`].
///
/// `key` proves to tiny_http that a request comes from the gate: 32 random letters or more.
pub fn listen(
    doors: Vec<(Bind, Door)>,
    site: Arc<Site>,
    key: String,
    limits: Limits,
) -> Result<Listening, ListenError> {
    let mut sockets = Vec::new();
    let mut entrances = Vec::new();
    for (entrance, (bind, door)) in doors.into_iter().enumerate() {
        let addr = bind.addr();
        let socket = gate::bind(addr).map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => ListenError::InUse {
                entrance,
                port: addr.port(),
            },
            _ => ListenError::Refused {
                entrance,
                addr,
                reason: error.to_string(),
            },
        })?;
        let bound = socket.local_addr().map_err(ListenError::Start)?;
        entrances.push((bound, door.clone()));
        sockets.push((socket, door));
    }
    let (bark, barks) = sync_channel(1);
    let alarm = Alarm(bark.clone());
    let inner = Inner::start(site.clone(), key.clone(), alarm.clone()).map_err(ListenError::Start)?;
    let plan = Plan {
        entrances: sockets,
        inner: inner.addr(),
        key: key.clone(),
        warming: warming(&key),
        limits,
        alarm: alarm.clone(),
    };
    let gate = Gate::start(plan).map_err(ListenError::Start)?;
    let state = Arc::new(State {
        stats: gate.stats.clone(),
        watch: gate.watch.clone(),
        nonces: gate.nonces.clone(),
        gate: Mutex::new(Some(gate)),
        inner: Mutex::new(Some(inner)),
        limits,
        rebuilt: AtomicU64::new(0),
        key,
        site,
        alarm,
    });
    let watched = entrances.first().map(|(addr, _)| reachable(*addr));
    let watchdog = std::thread::Builder::new()
        .name("casement-watchdog".into())
        .spawn({
            let state = state.clone();
            move || watched.into_iter().for_each(|addr| state.watch(addr, &barks))
        })
        .map_err(ListenError::Start)?;
    Ok(Listening {
        entrances,
        state,
        watchdog: Some(watchdog),
        bark,
    })
}

/// A request that the inner server answers at once.
fn warming(key: &str) -> Vec<u8> {
    format!("GET /warm HTTP/1.1\r\n{}: {key}\r\n\r\n", gate::head::GATE).into_bytes()
}

/// Returns where this computer reaches what is bound at `addr`.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// The word that ends the watchdog.
const STOP: &str = "stop";

impl Listening {
    /// Returns where it answers, with the ports that were taken for port 0.
    pub fn entrances(&self) -> &[(SocketAddr, Door)] {
        &self.entrances
    }

    /// Answers `path` once within a minute, at every entrance: with a picture and the field `proof`, `Name: value`. To all
    /// who ask for another path, or ask again, there is nothing there.
    pub fn expect(&self, path: &str, proof: String) {
        self.state.nonces.expect(path, proof, std::time::Instant::now());
    }

    /// Tells how it is.
    pub fn status(&self) -> Status {
        let state = &self.state;
        Status {
            connections: state.stats.open.load(Ordering::Relaxed),
            limit: state.limits.connections,
            in_hand: state.stats.in_hand.load(Ordering::Relaxed),
            refused: state.stats.refused.read(),
            rebuilt: state.rebuilt.load(Ordering::Relaxed),
        }
    }

    /// Takes no more requests, writes the answers in hand, and gives the ports back.
    pub fn stop(mut self) {
        self.close();
    }

    fn close(&mut self) {
        if let Some(gate) = lock(&self.state.gate).take() {
            gate.stop();
        }
        let Some(watchdog) = self.watchdog.take() else {
            return;
        };
        // It may have been told of a lane that broke just now: the word has to wait until that is heard.
        let _ = self.bark.send(STOP);
        let _ = watchdog.join();
        if let Some(inner) = lock(&self.state.inner).take() {
            inner.stop();
        }
    }

    /// Ends the inner server as one of its own failures would.
    #[cfg(test)]
    pub(crate) fn kill_inner(&self) {
        if let Some(inner) = lock(&self.state.inner).as_ref() {
            inner.kill();
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl State {
    /// Asks for a word through the public socket, again and again, and builds the inner server anew where it
    /// does not come twice, or where something else says that the server is gone.
    fn watch(&self, addr: SocketAddr, barks: &Receiver<&'static str>) {
        let mut misses = 0;
        let mut n: u64 = 0;
        loop {
            match barks.recv_timeout(WATCH) {
                Ok(STOP) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(what) => {
                    misses = 0;
                    self.rebuild(what);
                    // All lanes break at once, and each says so: one new server is enough.
                    if barks.try_iter().any(|bark| bark == STOP) {
                        return;
                    }
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            n += 1;
            match self.ask(addr, n) {
                Ok(()) => misses = 0,
                Err(error) => {
                    misses += 1;
                    tracing::warn!(%error, misses, "the watchdog got no answer");
                    if misses >= MISSES {
                        misses = 0;
                        self.rebuild("it did not answer twice in a row");
                    }
                }
            }
        }
    }

    /// Asks once, through gate, lane and inner server.
    fn ask(&self, addr: SocketAddr, n: u64) -> std::io::Result<()> {
        // What the inner server would say, used as what nobody can guess.
        let path = format!("/w/{}", &watchword(&self.key, &format!("watch {n}"))[..26]);
        self.watch.expect(Some(path.clone()));
        let answer = (|| {
            let mut stream = TcpStream::connect_timeout(&addr, WATCH_ANSWER)?;
            stream.set_read_timeout(Some(WATCH_ANSWER))?;
            stream.set_write_timeout(Some(WATCH_ANSWER))?;
            stream.write_all(
                format!("GET {path} HTTP/1.1\r\nHost: watchdog\r\nConnection: close\r\n\r\n").as_bytes(),
            )?;
            let mut answer = String::new();
            stream.take(4096).read_to_string(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        })();
        self.watch.expect(None);
        let answer = answer?;
        if answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&watchword(&self.key, &path)) {
            Ok(())
        } else {
            let line = answer.lines().next().unwrap_or("nothing");
            Err(std::io::Error::other(format!("the answer was {line:?}")))
        }
    }

    /// Puts a new inner server in the place of the old one. The public sockets stay open meanwhile.
    fn rebuild(&self, why: &'static str) {
        // Not while it is being stopped: the gate goes first.
        if lock(&self.gate).is_none() {
            return;
        }
        let inner = match Inner::start(self.site.clone(), self.key.clone(), self.alarm.clone()) {
            Ok(inner) => inner,
            Err(error) => {
                (self.site.failed)(format!(
                    "The listener's inner server is gone ({why}), and a new one cannot be started: {error}. \
                     Readers are asked to try again."
                ));
                return;
            }
        };
        let addr = inner.addr();
        let old = lock(&self.inner).replace(inner);
        if let Some(gate) = lock(&self.gate).as_ref() {
            gate.redirect(addr);
        }
        self.rebuilt.fetch_add(1, Ordering::Relaxed);
        (self.site.failed)(format!(
            "The listener's inner server was started anew: {why}. Nothing that was confirmed is lost."
        ));
        if let Some(old) = old {
            // It may hang: it is not waited for.
            let ended = std::thread::Builder::new()
                .name("casement-old-server".into())
                .spawn(move || old.stop());
            if let Err(error) = ended {
                tracing::warn!(%error, "an inner server that was replaced could not be ended");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::{AnswerHit, AnswerPage, Hit, HitSink, Outcome, Pages, Wish};
    use crate::tracking::token::Token;
    use std::sync::Condvar;

    /// Answers everything at once.
    struct Yes;

    impl HitSink for Yes {
        fn hit(&self, _: Hit, answer: AnswerHit) {
            answer(Outcome::Recorded);
        }
    }

    impl Pages for Yes {
        fn show(&self, _: Token, answer: AnswerPage) {
            answer(None);
        }

        fn act(&self, _: Token, _: Wish, answer: AnswerPage) {
            answer(None);
        }

        fn show_erasure(&self, _: Token, answer: AnswerPage) {
            answer(None);
        }

        fn erase(&self, _: Token, answer: AnswerPage) {
            answer(None);
        }
    }

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>, Condvar);

    impl Heard {
        /// Waits until something was said.
        fn wait(&self) -> String {
            let (said, _) = self
                .1
                .wait_timeout_while(lock(&self.0), Duration::from_secs(60), |said| said.is_empty())
                .unwrap();
            said.first().cloned().unwrap_or_default()
        }
    }

    fn open(doors: Vec<(Bind, Door)>) -> (Listening, Arc<Heard>) {
        let heard = Arc::<Heard>::default();
        let site = Site {
            hits: Box::new(Yes),
            pages: Box::new(Yes),
            failed: Box::new({
                let heard = heard.clone();
                move |what| {
                    lock(&heard.0).push(what);
                    heard.1.notify_all();
                }
            }),
        };
        let listening = listen(
            doors,
            Arc::new(site),
            "0123456789abcdef".repeat(2),
            Limits::for_files(1024),
        );
        (listening.unwrap(), heard)
    }

    fn here() -> Bind {
        gate::parse("127.0.0.1:0").unwrap()
    }

    fn get(addr: SocketAddr, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    const PIXEL: &str = "/o/aaaaaaaaaaaaaaaaaaaaaaaaaa.gif";

    #[test]
    fn a_dead_inner_server_is_replaced_and_the_public_socket_stays() {
        let (listening, heard) = open(vec![(here(), Door::Direct)]);
        let addr = listening.entrances()[0].0;
        // A connection that was there before must be served afterwards: the public socket never closed.
        let mut early = TcpStream::connect(addr).unwrap();
        assert!(get(addr, PIXEL).unwrap().starts_with("HTTP/1.1 200 "));
        listening.kill_inner();
        let said = heard.wait();
        assert!(said.contains("started anew"), "{said}");
        assert_eq!(listening.status().rebuilt, 1);
        assert!(get(addr, PIXEL).unwrap().starts_with("HTTP/1.1 200 "));
        early
            .write_all(format!("GET {PIXEL} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        early.take(12).read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "HTTP/1.1 200");
        assert_eq!(listening.status().rebuilt, 1, "one death, one new server");
        listening.stop();
    }

    #[test]
    fn the_watchdogs_path_is_there_for_nobody_else() {
        let (listening, _) = open(vec![(here(), Door::Direct)]);
        let addr = listening.entrances()[0].0;
        listening.state.ask(addr, 1).unwrap();
        let path = format!("/w/{}", &watchword(&listening.state.key, "watch 1")[..26]);
        assert!(
            get(addr, &path).unwrap().starts_with("HTTP/1.1 404 "),
            "even the path of before is nothing any more"
        );
        listening.stop();
    }

    #[test]
    fn a_question_of_its_own_is_answered_once_and_is_nothing_to_strangers() {
        let proxy = Door::BehindProxy { client_header: None };
        let (listening, _) = open(vec![(here(), Door::Direct), (here(), proxy)]);
        let doors: Vec<SocketAddr> = listening.entrances().iter().map(|(addr, _)| *addr).collect();
        let (ours, other) = ("/.well-known/casement/AAAA", "/.well-known/casement/BBBB");
        // Both connections end after their answer, at either door.
        let bare = |answer: String| {
            answer
                .lines()
                .filter(|line| !line.starts_with("Date"))
                .collect::<String>()
        };
        let unknown = bare(get(doors[0], "/nothing").unwrap());
        assert!(unknown.starts_with("HTTP/1.1 404 "));
        let counted = |n: u64| assert_eq!(listening.status().refused[0].2, n, "unknown paths");
        for (n, door) in doors.iter().enumerate() {
            assert_eq!(bare(get(*door, other).unwrap()), unknown, "not waited for");
            counted(2 + n as u64 * 4);
            listening.expect(ours, format!("X-Proof: {n}"));
            for head in ["HEAD", "POST"] {
                let mut stream = TcpStream::connect(door).unwrap();
                stream
                    .write_all(format!("{head} {ours} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes())
                    .unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 404 "), "{head}: {answer}");
            }
            counted(4 + n as u64 * 4);
            let answer = get(*door, &format!("{ours}?added=by-a-proxy")).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            for field in [
                format!("\r\nX-Proof: {n}\r\n"),
                "\r\nContent-Type: image/gif\r\n".into(),
                "\r\nCache-Control: no-store,".into(),
            ] {
                assert!(answer.contains(&field), "{field} is missing in {answer}");
            }
            assert!(answer.contains("\r\n\r\nGIF89a"), "{answer}");
            assert_eq!(bare(get(*door, ours).unwrap()), unknown, "once");
            counted(4 + n as u64 * 4);
            assert!(!get(*door, "/nothing").unwrap().contains("X-Proof"));
        }
        listening.expect(ours, "X-Proof: late".into());
        let inner = lock(&listening.state.inner).as_ref().map(Inner::addr).unwrap();
        assert!(
            get(inner, ours).unwrap().starts_with("HTTP/1.1 403 "),
            "not past the gate"
        );
        listening.stop();
    }

    #[test]
    fn the_inner_server_answers_the_gate_alone() {
        let (listening, _) = open(vec![(here(), Door::Direct)]);
        let inner = lock(&listening.state.inner).as_ref().map(Inner::addr).unwrap();
        assert!(get(inner, PIXEL).unwrap().starts_with("HTTP/1.1 403 "));
        listening.stop();
    }

    #[test]
    fn ports_are_free_after_a_stop_and_a_second_listener_is_refused_before() {
        let (listening, _) = open(vec![(here(), Door::Direct)]);
        let addr = listening.entrances()[0].0;
        let again = gate::parse(&addr.to_string()).unwrap();
        let refused = gate::bind(again.addr()).map(drop);
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        listening.stop();
        let (listening, _) = open(vec![(again, Door::Direct)]);
        assert!(get(addr, PIXEL).unwrap().starts_with("HTTP/1.1 200 "));
        listening.stop();
    }
}
