//! The way from the gate to tiny_http: a few connections on loopback that stay.
//!
//! Requests follow one another on a lane without waiting; tiny_http reads them in turn, and the answers come in
//! the same order. Lanes connect one after the other and each is warmed by one request, because tiny_http may
//! starve connections that come at once: its pool counts a waiting thread twice.

use super::{Alarm, Stats};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::time::timeout;

/// How long an answer may take. The writer waits for the disk, and a lock of another process for seconds.
const ANSWER: Duration = Duration::from_secs(20);
/// How long a request waits where no lane is up, which is while the inner server is built anew.
const REPAIR: Duration = Duration::from_secs(3);
/// Longest answer of the inner server, in bytes: pages have some thousands.
const MAX_ANSWER: usize = 256 * 1024;

/// What the inner server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status.
    pub status: u16,
    /// Status line and fields, each with its line end; without `Server`, `Connection` and the empty line.
    pub head: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}

/// Which lanes a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pixel,
    Page,
}

/// All lanes of a gate.
pub(super) struct Lanes {
    lanes: Vec<Rc<Lane>>,
    inner: Cell<SocketAddr>,
    /// One lane connects at a time.
    turn: Mutex<()>,
    /// A lane has come up.
    up: Notify,
    stats: std::sync::Arc<Stats>,
    alarm: Alarm,
    warming: Vec<u8>,
}

struct Lane {
    kind: Kind,
    is_up: Cell<bool>,
    /// Bytes of requests that wait to be written.
    out: RefCell<Vec<u8>>,
    written: Notify,
    /// Who waits for an answer, in the order of the requests.
    pending: RefCell<VecDeque<oneshot::Sender<Answer>>>,
    /// The inner server was replaced.
    reset: Notify,
}

impl Lanes {
    /// Makes the lanes, which connect once [`Self::run`] is polled.
    pub fn new(
        kinds: impl IntoIterator<Item = Kind>,
        inner: SocketAddr,
        warming: Vec<u8>,
        stats: std::sync::Arc<Stats>,
        alarm: Alarm,
    ) -> Rc<Self> {
        let lanes = kinds
            .into_iter()
            .map(|kind| {
                Rc::new(Lane {
                    kind,
                    is_up: Cell::new(false),
                    out: RefCell::default(),
                    written: Notify::new(),
                    pending: RefCell::default(),
                    reset: Notify::new(),
                })
            })
            .collect();
        Rc::new(Self {
            lanes,
            inner: Cell::new(inner),
            turn: Mutex::new(()),
            up: Notify::new(),
            stats,
            alarm,
            warming,
        })
    }

    /// Keeps every lane connected, on tasks of the current set.
    pub fn run(self: &Rc<Self>) {
        for lane in &self.lanes {
            let (lanes, lane) = (self.clone(), lane.clone());
            tokio::task::spawn_local(async move { lanes.keep(&lane).await });
        }
    }

    /// Waits until every lane is up, for `limit` at most.
    pub async fn ready(&self, limit: Duration) -> bool {
        let all = async {
            loop {
                let up = self.up.notified();
                if self.lanes.iter().all(|lane| lane.is_up.get()) {
                    return;
                }
                up.await;
            }
        };
        timeout(limit, all).await.is_ok()
    }

    /// Sends requests to another server from now on. Those in hand are lost with the old one.
    pub fn redirect(&self, inner: SocketAddr) {
        self.inner.set(inner);
        for lane in &self.lanes {
            lane.is_up.set(false);
            lane.reset.notify_one();
        }
    }

    /// Asks the inner server; `None` where it does not answer.
    pub async fn ask(&self, kind: Kind, request: &[u8]) -> Option<Answer> {
        let lane = match self.least_busy(kind) {
            Some(lane) => lane,
            None => {
                let repaired = async {
                    loop {
                        let up = self.up.notified();
                        if let Some(lane) = self.least_busy(kind) {
                            return lane;
                        }
                        up.await;
                    }
                };
                timeout(REPAIR, repaired).await.ok()?
            }
        };
        let (sender, receiver) = oneshot::channel();
        lane.out.borrow_mut().extend_from_slice(request);
        lane.pending.borrow_mut().push_back(sender);
        lane.written.notify_one();
        timeout(ANSWER, receiver).await.ok()?.ok()
    }

    fn least_busy(&self, kind: Kind) -> Option<&Rc<Lane>> {
        self.lanes
            .iter()
            .filter(|lane| lane.kind == kind && lane.is_up.get())
            .min_by_key(|lane| lane.pending.borrow().len())
    }

    async fn keep(&self, lane: &Lane) {
        let mut wait = Duration::from_millis(20);
        loop {
            match self.connect().await {
                Ok(stream) => {
                    wait = Duration::from_millis(20);
                    lane.is_up.set(true);
                    self.up.notify_waiters();
                    let end = lane.converse(stream).await;
                    lane.fail();
                    if let Err(error) = end {
                        tracing::warn!(%error, "a lane to the inner server broke");
                        self.alarm.raise("a connection to the inner server broke");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the inner server cannot be reached");
                    self.stats.lanes_refused.fetch_add(1, Ordering::Relaxed);
                    self.alarm.raise("the inner server refused a connection");
                    // A new one may be announced at any moment.
                    let _ = timeout(wait, lane.reset.notified()).await;
                    wait = (wait * 2).min(Duration::from_secs(1));
                }
            }
        }
    }

    /// Connects in turn, and lets one request warm the connection.
    async fn connect(&self) -> std::io::Result<TcpStream> {
        let _turn = self.turn.lock().await;
        let slow = || std::io::Error::from(std::io::ErrorKind::TimedOut);
        let warm = async {
            let mut stream = TcpStream::connect(self.inner.get()).await?;
            stream.set_nodelay(true)?;
            stream.write_all(&self.warming).await?;
            let mut bytes = Vec::new();
            loop {
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                if read_answer(&bytes)?.is_some() {
                    return Ok(stream);
                }
            }
        };
        timeout(Duration::from_secs(5), warm).await.map_err(|_| slow())?
    }
}

impl Lane {
    /// Writes requests and reads answers until the connection breaks, or the server is replaced.
    async fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let (reader, writer) = stream.split();
        tokio::select! {
            end = self.read(reader) => end,
            end = self.write(writer) => end,
            () = self.reset.notified() => Ok(()),
        }
    }

    async fn write(&self, mut writer: WriteHalf<'_>) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            std::mem::swap(&mut *self.out.borrow_mut(), &mut bytes);
            if bytes.is_empty() {
                self.written.notified().await;
                continue;
            }
            writer.write_all(&bytes).await?;
            bytes.clear();
            bytes.shrink_to(64 * 1024);
        }
    }

    async fn read(&self, mut reader: ReadHalf<'_>) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            if reader.read_buf(&mut bytes).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let mut used = 0;
            while let Some((answer, length)) = read_answer(&bytes[used..])? {
                used += length;
                let waiting = self.pending.borrow_mut().pop_front();
                match waiting {
                    // Who asked may have gone.
                    Some(waiting) => drop(waiting.send(answer)),
                    None => return Err(invalid("an answer that nobody asked for")),
                }
            }
            bytes.drain(..used);
        }
    }

    /// Lets go of what was in hand: its askers answer 503.
    fn fail(&self) {
        self.is_up.set(false);
        self.out.borrow_mut().clear();
        self.pending.borrow_mut().clear();
    }
}

fn invalid(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what)
}

/// Reads one answer of the inner server and how many bytes it took; `None` while it is not whole.
pub(super) fn read_answer(bytes: &[u8]) -> std::io::Result<Option<(Answer, usize)>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_ANSWER => return Ok(None),
        _ => return Err(invalid("the inner server's answer cannot be read")),
    };
    let length = response
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("Content-Length"))
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok())
        .filter(|length| *length <= MAX_ANSWER)
        .ok_or_else(|| invalid("the inner server's answer has no length"))?;
    if bytes.len() < head + length {
        return Ok(None);
    }
    let status = response
        .code
        .filter(|code| (100..=599).contains(code))
        .ok_or_else(|| invalid("the inner server's answer has no status"))?;
    let mut out = Vec::with_capacity(head);
    out.extend_from_slice(format!("HTTP/1.1 {status} ").as_bytes());
    out.extend_from_slice(response.reason.unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for field in response.headers.iter() {
        if ["Server", "Connection"]
            .iter()
            .any(|name| field.name.eq_ignore_ascii_case(name))
        {
            continue;
        }
        out.extend_from_slice(field.name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(field.value);
        out.extend_from_slice(b"\r\n");
    }
    let answer = Answer {
        status,
        head: out,
        body: bytes[head..head + length].to_vec(),
    };
    Ok(Some((answer, head + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        let text = b"HTTP/1.1 200 OK\r\nServer: tiny-http (Rust)\r\nDate: now\r\nContent-Length: 3\r\n\r\nGIFHTTP/1.1";
        for end in 0..text.len() - 8 {
            assert_eq!(read_answer(&text[..end]).unwrap(), None, "{end} bytes");
        }
        let (answer, used) = read_answer(text).unwrap().unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"GIF"[..]));
        assert_eq!(
            answer.head, b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 3\r\n",
            "the inner server's name stays inside"
        );
        assert_eq!(used, text.len() - 8);
    }

    #[test]
    fn what_is_no_answer_breaks_the_lane() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"\0\0\0\0",
        ] {
            assert!(read_answer(bytes).is_err(), "{bytes:?}");
        }
    }
}
