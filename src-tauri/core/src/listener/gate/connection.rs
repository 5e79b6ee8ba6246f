//! One reader's connection: read a head, forward it, hand back the answer.

use super::head::{self, Body, Head, MAX_HEAD, Parsed};
use super::lanes::Kind;
use super::refusal::Refusal;
use super::{Core, Entrance};
use crate::listener::Door;
use crate::listener::body::MAX_BODY;
use crate::listener::reply::Reply;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Requests on one connection of the proxy's entrance.
const REQUESTS: u32 = 100;
/// How long a client may take to take its answer.
const WRITE: Duration = Duration::from_secs(3);
/// How long and how much a refused client may go on talking, so that it can read why: a connection that is
/// closed with bytes unread is reset, and the answer lost with it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// A connection's place in the table and among its source's; given back when it is dropped.
pub(super) struct Seat {
    core: Rc<Core>,
    place: u64,
    task: Option<AbortHandle>,
    /// The peer, where caps hold for it.
    capped: Option<IpAddr>,
}

impl Seat {
    pub fn new(core: &Rc<Core>, capped: Option<IpAddr>) -> Self {
        Self {
            core: core.clone(),
            place: 0,
            task: None,
            capped,
        }
    }

    /// Takes a place for `task`, which serves it.
    pub fn take(&mut self, task: AbortHandle) {
        self.place = self.core.table.borrow_mut().enter(task.clone(), Instant::now());
        self.task = Some(task);
        self.core.note_open();
        self.core.woken.notify_one();
    }

    fn speaks(&self) {
        self.core.table.borrow_mut().speaks(self.place, Instant::now());
    }

    fn finished(&self) {
        self.core.table.borrow_mut().finished(self.place);
    }

    fn again(&mut self) {
        if let Some(task) = &self.task {
            self.place = self.core.table.borrow_mut().again(task.clone(), Instant::now());
            self.core.woken.notify_one();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.task.is_some() {
            self.core.table.borrow_mut().leave(self.place);
            self.core.note_open();
            self.core.left.notify_one();
        }
        if let Some(source) = self.capped {
            self.core.sources.borrow_mut().close(source);
        }
    }
}

/// What came on the connection.
enum Next {
    /// A whole request with its body; this many bytes of the buffer were it.
    Request(Head, Vec<u8>, usize),
    /// The client is gone.
    Closed,
    Refused(Refusal),
}

/// Serves a connection to its end.
pub(super) async fn serve(
    mut stream: TcpStream,
    peer: IpAddr,
    entrance: Rc<Entrance>,
    seat: Rc<std::cell::RefCell<Seat>>,
) {
    let core = seat.borrow().core.clone();
    let may_stay = entrance.door != Door::Direct;
    if may_stay {
        // Nagle's algorithm would hold the second answer back until the first is confirmed. Not fatal without.
        let _ = stream.set_nodelay(true);
    }
    let mut bytes = Vec::new();
    for n in 1.. {
        let request = match next(&core, &mut stream, peer, &entrance, &mut bytes, &seat).await {
            Next::Closed => return,
            Next::Refused(refusal) => return refuse(&core, &mut stream, refusal).await,
            Next::Request(head, body, length) => (head, body, length),
        };
        seat.borrow().finished();
        let (head, body, length) = request;
        // After a body in chunks the connection ends: nobody can be made to disagree on where it did.
        let stays = may_stay && head.keep_alive && n < REQUESTS && head.body != Body::Chunked;
        let answer = answer(&core, &entrance, &head, &body, stays).await;
        bytes.drain(..length);
        if !write(&mut stream, &answer).await {
            core.stats.refused.count(Refusal::NotTaken);
            return;
        }
        if !stays {
            if !bytes.is_empty() {
                linger(&mut stream).await;
            }
            return;
        }
        seat.borrow_mut().again();
    }
}

/// Reads until a request is whole, or cannot become one.
async fn next(
    core: &Core,
    stream: &mut TcpStream,
    peer: IpAddr,
    entrance: &Entrance,
    bytes: &mut Vec<u8>,
    seat: &std::cell::RefCell<Seat>,
) -> Next {
    let mut head: Option<Head> = None;
    let mut scanned = 0;
    let mut spoke = !bytes.is_empty();
    loop {
        if head.is_none()
            && (scanned == 0 || ends_in(bytes, scanned) || bytes.len() >= MAX_HEAD)
            && !bytes.is_empty()
        {
            match head::parse(bytes, peer, &entrance.door, |method, path| {
                core.ours(method, path)
            }) {
                Ok(Parsed::Partial) => {}
                Ok(Parsed::Whole(whole)) => {
                    if whole.expects_continue && bytes.len() == whole.length {
                        // RFC 9110 §10.1.1: the body comes after this word.
                        if !write(stream, b"HTTP/1.1 100 Continue\r\n\r\n").await {
                            return Next::Closed;
                        }
                    }
                    head = Some(whole);
                }
                Err(refusal) => return Next::Refused(refusal),
            }
        }
        scanned = bytes.len();
        if let Some(whole) = &head {
            match body(whole, &bytes[whole.length..]) {
                Ok(None) => {}
                Ok(Some((body, length))) => {
                    let length = whole.length + length;
                    return head.map_or(Next::Closed, |head| Next::Request(head, body, length));
                }
                Err(refusal) => return Next::Refused(refusal),
            }
        }
        if stream.readable().await.is_err() {
            return Next::Closed;
        }
        // Room is made only for who speaks: thousands of silent connections cost next to nothing.
        if bytes.capacity() == bytes.len() {
            bytes.reserve(
                bytes
                    .len()
                    .clamp(512, MAX_HEAD + MAX_BODY - bytes.len().min(MAX_HEAD)),
            );
        }
        match stream.try_read_buf(bytes) {
            Ok(0) => return Next::Closed,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return Next::Closed,
        }
        if !spoke {
            spoke = true;
            seat.borrow().speaks();
        }
    }
}

/// Reads a body from what came behind its head: its bytes, and how many those were; `None` while it is not whole.
pub(super) fn body(head: &Head, bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Refusal> {
    match head.body {
        Body::Length(length) => Ok(bytes.get(..length).map(|body| (body.to_vec(), length))),
        Body::Chunked => head::dechunk(bytes),
    }
}

/// Tells whether an empty line ends in what came after the first `from` bytes. Without this a head that comes
/// byte by byte would be parsed thousands of times.
pub(super) fn ends_in(bytes: &[u8], from: usize) -> bool {
    let tail = &bytes[from.saturating_sub(3)..];
    tail.windows(2).any(|two| two == b"\n\n") || tail.windows(3).any(|three| three == b"\n\r\n")
}

/// Returns the bytes that answer a whole request.
async fn answer(core: &Core, entrance: &Entrance, head: &Head, body: &[u8], stays: bool) -> Vec<u8> {
    // At the direct entrance the connection was counted when it was accepted.
    let behind_proxy = entrance.door != Door::Direct;
    let capped = head
        .source
        .filter(|source| !core.sources.borrow().is_exempt(*source));
    let mut busy = None;
    if let Some(source) = capped {
        let now = Instant::now();
        let mut sources = core.sources.borrow_mut();
        let refusal = if !sources.ask(source, now) {
            Some(Refusal::SourceRate)
        } else if behind_proxy && !sources.open(source, now) {
            Some(Refusal::SourceBusy)
        } else {
            busy = behind_proxy.then_some(source);
            None
        };
        if let Some(refusal) = refusal {
            core.stats.refused.count(refusal);
            let reply = if head.route.is_pixel() {
                let mut reply = Reply::pixel(429);
                reply.headers.push(("Retry-After", "10"));
                reply
            } else {
                refusal.reply().unwrap_or_else(Reply::page_unavailable)
            };
            return own(&reply, head.head_only, stays);
        }
    }
    let _busy = busy.map(|source| Busy { core, source });
    let kind = if head.route.is_pixel() {
        Kind::Pixel
    } else {
        Kind::Page
    };
    let _hand = Hand::new(core);
    let since = Instant::now();
    let answer = if core.stats.in_hand.load(Ordering::Relaxed) > core.limits.in_hand {
        None
    } else {
        let request = head.canonical(&core.key, &entrance.door, body);
        core.lanes.ask(kind, &request).await
    };
    if head.route.has_token() {
        // Those included who wait for the floor.
        let asking = core.stats.in_hand.load(Ordering::Relaxed);
        if asking == 1 {
            core.even.borrow_mut().note(since.elapsed());
        }
        let floor = core.even.borrow().floor(asking);
        if since.elapsed() < floor {
            tokio::time::sleep_until((since + floor).into()).await;
        }
    }
    // The inner server has answered a question of this process's own as it would answer a reader; the field that proves
    // it is known to the gate alone.
    if let (Some(proof), Some(200)) = (&head.proof, answer.as_ref().map(|answer| answer.status)) {
        return proved(proof, stays);
    }
    let answer = answer.filter(|_| head.proof.is_none());
    match answer {
        Some(answer) => {
            if answer.status == 503 {
                core.stats.refused.count(Refusal::Unavailable);
            }
            let mut out = answer.head;
            if head.route.is_pixel() {
                out.extend_from_slice(&core.pixel_fields);
            }
            out.extend_from_slice(connection(stays));
            if !head.head_only {
                out.extend_from_slice(&answer.body);
            }
            out
        }
        None => {
            core.stats.refused.count(Refusal::Unavailable);
            let reply = if head.route.is_pixel() {
                Reply::pixel_unavailable()
            } else {
                Reply::page_unavailable()
            };
            own(&reply, head.head_only, stays)
        }
    }
}

/// A request in hand.
struct Hand<'a>(&'a Core);

impl<'a> Hand<'a> {
    fn new(core: &'a Core) -> Self {
        core.stats.in_hand.fetch_add(1, Ordering::Relaxed);
        Self(core)
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        self.0.stats.in_hand.fetch_sub(1, Ordering::Relaxed);
        self.0.idle.notify_waiters();
    }
}

/// A request that counts among its source's, behind a proxy.
struct Busy<'a> {
    core: &'a Core,
    source: IpAddr,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.core.sources.borrow_mut().close(self.source);
    }
}

fn connection(stays: bool) -> &'static [u8] {
    if stays {
        b"Connection: keep-alive\r\n\r\n"
    } else {
        b"Connection: close\r\n\r\n"
    }
}

/// Returns the picture with one field more.
fn proved(field: &str, stays: bool) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 200 OK\r\n{field}\r\n").into_bytes();
    let picture = own(&Reply::pixel(200), false, stays);
    let behind = picture
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    out.extend_from_slice(&picture[behind..]);
    out
}

/// Returns the bytes of a reply of the gate's own.
pub(super) fn own(reply: &Reply, head_only: bool, stays: bool) -> Vec<u8> {
    let reason = match reply.status {
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    };
    let mut out = format!("HTTP/1.1 {} {reason}\r\n", reply.status).into_bytes();
    for (name, value) in &reply.headers {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(format!("Content-Length: {}\r\n", reply.body.len()).as_bytes());
    out.extend_from_slice(connection(stays));
    if !head_only {
        out.extend_from_slice(&reply.body);
    }
    out
}

/// Says why, and gives the client the time to read it.
async fn refuse(core: &Core, stream: &mut TcpStream, refusal: Refusal) {
    core.stats.refused.count(refusal);
    if let Some(reply) = refusal.reply()
        && write(stream, &own(&reply, false, false)).await
    {
        linger(stream).await;
    }
}

/// Writes all of `bytes`; false where the client does not take them in time.
async fn write(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    // A fresh socket's buffer takes any answer of ours at once: no timer is needed then.
    match stream.try_write(bytes) {
        Ok(n) if n == bytes.len() => true,
        Ok(n) => write_rest(stream, &bytes[n..]).await,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => write_rest(stream, bytes).await,
        Err(_) => false,
    }
}

async fn write_rest(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    matches!(timeout(WRITE, stream.write_all(bytes)).await, Ok(Ok(())))
}

/// Ends our side, and reads on for a moment what the client still says.
async fn linger(stream: &mut TcpStream) {
    let rest = async {
        stream.shutdown().await?;
        let mut scrap = [0; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 {
            stream.readable().await?;
            match stream.try_read(&mut scrap) {
                Ok(0) => break,
                Ok(n) => left = left.saturating_sub(n),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok::<_, std::io::Error>(())
    };
    // Whatever comes of it, the connection ends now.
    let _ = timeout(LINGER, rest).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_head_is_seen_however_it_is_cut() {
        for head in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\nHost: x\n\n",
            "GET / HTTP/1.1\r\n\r\n",
        ] {
            for cut in 1..head.len() {
                assert!(ends_in(head.as_bytes(), cut), "{head:?} cut at {cut}");
            }
            let unfinished = &head.as_bytes()[..head.len() - 1];
            assert!(!ends_in(unfinished, 1), "{head:?} without its end");
        }
    }
}
