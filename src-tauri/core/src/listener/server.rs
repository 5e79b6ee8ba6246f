//! tiny_http on loopback: the only file that names it.
//!
//! Each entrance has its own port and two threads. One takes requests, reads what they ask and hands it to the
//! ports of [`Site`]; the other writes answers whose turn has come (`order`). The database's writer never
//! touches a reader's connection, which could bring it to a stand.
//!
//! tiny_http has no limits of its own, which is why `gate` lets nothing but this computer in. The traps that
//! remain (bodies that are announced and not sent) are handled in `refuse`.

use super::body::{self, MAX_BODY, Posted};
use super::gate::Bind;
use super::order::{Order, Place};
use super::pages::Page;
use super::reply::Reply;
use super::routes::{Route, route};
use super::{Door, Hit, MAX_HEADER, Outcome, Site};
use std::io::{Cursor, Read};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Requests of one entrance that may be unanswered at once; beyond it no new one is taken.
const IN_HAND: usize = 1024;
/// Threads that may wait for slow or unwanted bodies at once.
const SLOW: usize = 32;
/// Largest unwanted body that is read to its end, so that the connection can go on.
///
/// tiny_http makes a buffer of the whole rest of a body that nobody read; a larger one ends the process.
const DRAIN: usize = 1 << 20;
/// How long a stop waits for answers in hand.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// An open entrance.
pub struct Listening {
    addr: SocketAddr,
    server: Arc<tiny_http::Server>,
    order: Arc<Order<Answer>>,
    receiver: Option<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
}

/// Why an entrance could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program listens there.
    #[error(
        "port {port} is in use by another program; stop that program, or choose another port (0 takes any free one)"
    )]
    InUse {
        /// The port.
        port: u16,
    },
    /// The operating system refused.
    #[error("cannot listen at {addr}: {reason}")]
    Refused {
        /// The address.
        addr: SocketAddr,
        /// Its words.
        reason: String,
    },
}

/// Opens an entrance at `bind` and answers there until [`Listening::stop`].
pub fn listen(bind: Bind, door: Door, site: Arc<Site>) -> Result<Listening, ListenError> {
    let refused = |reason: String| ListenError::Refused {
        addr: bind.addr(),
        reason,
    };
    let socket = TcpListener::bind(bind.addr()).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => ListenError::InUse {
            port: bind.addr().port(),
        },
        _ => refused(error.to_string()),
    })?;
    let addr = socket.local_addr().map_err(|error| refused(error.to_string()))?;
    let server =
        tiny_http::Server::from_listener(socket, None).map_err(|error| refused(error.to_string()))?;
    let server = Arc::new(server);
    let (order, ready) = Order::new();
    let order = Arc::new(order);
    let writer = spawn(&format!("casement-answer-{}", addr.port()), {
        let order = order.clone();
        move || write(&ready, &order)
    })
    .map_err(|error| refused(error.to_string()))?;
    let desk = Desk {
        door,
        site,
        order: order.clone(),
        slow: Arc::default(),
    };
    let receiver = spawn(&format!("casement-receive-{}", addr.port()), {
        let server = server.clone();
        move || receive(&server, &desk)
    })
    .map_err(|error| refused(error.to_string()))?;
    Ok(Listening {
        addr,
        server,
        order,
        receiver: Some(receiver),
        writer: Some(writer),
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

impl Listening {
    /// Returns where it answers, with the port that was taken for port 0.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more requests, writes the answers in hand, and gives the port back.
    pub fn stop(mut self) {
        self.order.close();
        self.server.unblock();
        if let Some(receiver) = self.receiver.take() {
            // Its panics are caught where they happen.
            let _ = receiver.join();
        }
        // The writer ends with the last answer; a reader who does not take it is not waited for any longer.
        if self.order.finish(STOP_WAIT)
            && let Some(writer) = self.writer.take()
        {
            let _ = writer.join();
        }
        let addr = self.addr;
        drop(self);
        wait_free(addr);
    }
}

/// Waits until tiny_http's own thread has let go of the port, which it does after its `Server` is gone.
fn wait_free(addr: SocketAddr) {
    let end = Instant::now() + Duration::from_secs(1);
    while TcpListener::bind(addr).is_err() && Instant::now() < end {
        // There is no event to wait for: the thread is not ours.
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// A request that waits for its answer. Dropped without one, it is answered with 503.
struct Pending {
    request: Option<tiny_http::Request>,
    place: Place,
    order: Arc<Order<Answer>>,
    /// What a reader gets where nobody answers: the picture, or the page.
    otherwise: fn() -> Reply,
}

struct Answer {
    request: tiny_http::Request,
    reply: Reply,
}

impl Pending {
    fn answer(mut self, reply: Reply) {
        self.send(reply);
    }

    fn send(&mut self, reply: Reply) {
        if let Some(request) = self.request.take() {
            self.order.ready(self.place, Answer { request, reply });
        }
    }

    /// Answers by other means than the writing thread.
    fn apart(mut self, answer: impl FnOnce(tiny_http::Request)) {
        if let Some(request) = self.request.take() {
            answer(request);
            self.order.leave(self.place);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let reply = (self.otherwise)();
        self.send(reply);
    }
}

fn write(ready: &Receiver<Answer>, order: &Order<Answer>) {
    while let Ok(Answer { request, reply }) = ready.recv() {
        let done = catch_unwind(AssertUnwindSafe(|| request.respond(into_response(reply))));
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "an answer could not be written"),
            Err(_) => tracing::error!("writing an answer panicked"),
        }
        order.written();
    }
}

fn into_response(reply: Reply) -> tiny_http::Response<Cursor<Vec<u8>>> {
    let headers = reply
        .headers
        .into_iter()
        .filter_map(|(name, value)| tiny_http::Header::from_bytes(name, value).ok())
        .collect();
    let length = reply.body.len();
    tiny_http::Response::new(
        reply.status.into(),
        headers,
        Cursor::new(reply.body),
        Some(length),
        None,
    )
}

/// Where one entrance's requests are read.
#[derive(Clone)]
struct Desk {
    door: Door,
    site: Arc<Site>,
    order: Arc<Order<Answer>>,
    slow: Arc<AtomicUsize>,
}

fn receive(server: &tiny_http::Server, desk: &Desk) {
    loop {
        desk.order.wait_for_room(IN_HAND);
        match server.recv() {
            Ok(request) => {
                if catch_unwind(AssertUnwindSafe(|| desk.handle(request))).is_err() {
                    tracing::error!("reading a request panicked; its sender was asked to try again");
                }
            }
            Err(error) => {
                if !desk.order.is_closed() {
                    // tiny_http ends for good at its first failed accept.
                    tracing::error!(%error, "an entrance has failed");
                    (desk.site.failed)(format!(
                        "The listener stopped by itself ({error}). Stop it and start it again."
                    ));
                }
                return;
            }
        }
    }
}

impl Desk {
    fn handle(&self, request: tiny_http::Request) {
        let asked = route(request.method().as_str(), request.url());
        let otherwise: fn() -> Reply = match asked {
            Route::Pixel(..) => Reply::pixel_unavailable,
            _ => Reply::page_unavailable,
        };
        let body = Announced::of(&request);
        let pending = Pending {
            // The peer's address names the connection; only Unix sockets, which are never bound, have none.
            place: self.order.enter(request.remote_addr().copied().unwrap_or(NOBODY)),
            request: Some(request),
            order: self.order.clone(),
            otherwise,
        };
        match (asked, body) {
            (Route::Act(_) | Route::Erase(_), Announced::Buffered | Announced::Nothing) => {
                self.act(pending, asked);
            }
            (Route::Act(_) | Route::Erase(_), Announced::Coming(n)) if n <= MAX_BODY => {
                self.apart(pending, move |desk, pending| desk.act(pending, asked));
            }
            (Route::Act(_) | Route::Erase(_), Announced::Chunked) => {
                self.apart(pending, move |desk, pending| desk.act(pending, asked));
            }
            (Route::Act(_) | Route::Erase(_), Announced::Coming(n)) => {
                self.refuse(pending, n, Reply::text(413, "The request is too large.\n"));
            }
            (_, Announced::Nothing) => self.read(pending, asked),
            (_, Announced::Buffered) => pending.answer(Reply::text(400, NO_BODY)),
            (_, Announced::Coming(n)) => self.refuse(pending, n, Reply::text(400, NO_BODY)),
            (_, Announced::Chunked) => self.refuse(pending, usize::MAX, Reply::text(400, NO_BODY)),
        }
    }

    /// Answers what has no body.
    fn read(&self, pending: Pending, asked: Route) {
        match asked {
            Route::Pixel(token, method) => {
                let Some(request) = &pending.request else {
                    return;
                };
                let hit = Hit {
                    token,
                    method,
                    direct: self.door == Door::Direct,
                    source: self.source(request),
                    user_agent: values(request, "User-Agent")
                        .into_iter()
                        .next()
                        .unwrap_or_default(),
                    dnt: values(request, "DNT"),
                    gpc: values(request, "Sec-GPC"),
                    prefetch: ["Purpose", "Sec-Purpose", "X-Purpose"]
                        .iter()
                        .flat_map(|name| values(request, name))
                        .any(|value| value.to_ascii_lowercase().starts_with("prefetch")),
                };
                self.site.hits.hit(
                    hit,
                    Box::new(move |outcome| {
                        pending.answer(match outcome {
                            Outcome::Recorded => Reply::pixel(200),
                            Outcome::Unavailable => Reply::pixel_unavailable(),
                        });
                    }),
                );
            }
            Route::Show(token) => self
                .site
                .pages
                .show(token, Box::new(move |page| pending.answer(Reply::of_page(page)))),
            Route::ShowErasure(token) => self
                .site
                .pages
                .show_erasure(token, Box::new(move |page| pending.answer(Reply::of_page(page)))),
            Route::Robots => pending.answer(Reply::text(200, "User-agent: *\nDisallow: /\n")),
            Route::Health => pending.answer(Reply::text(200, "ok\n")),
            Route::WrongMethod(allowed) => {
                let mut reply = Reply::text(405, "This method is not for this address.\n");
                reply.headers.push(("Allow", allowed));
                pending.answer(reply);
            }
            Route::Act(_) | Route::Erase(_) | Route::Unknown => {
                pending.answer(Reply::text(404, "There is nothing here.\n"))
            }
        }
    }

    /// Reads what was posted and does it.
    fn act(&self, mut pending: Pending, asked: Route) {
        let Some(request) = &mut pending.request else {
            return;
        };
        let kind = values(request, "Content-Type")
            .into_iter()
            .next()
            .unwrap_or_default();
        let mut body = Vec::new();
        let read = request
            .as_reader()
            .take(MAX_BODY as u64 + 1)
            .read_to_end(&mut body);
        if read.is_err() || body.len() > MAX_BODY {
            // Only a body in chunks comes here: its rest must not be read as the next request.
            return self.refuse(
                pending,
                usize::MAX,
                Reply::text(413, "The request is too large.\n"),
            );
        }
        let pages = &self.site.pages;
        let posted = body::posted(&kind, &body);
        match (asked, posted) {
            (Route::Act(token), Posted::OneClick) => {
                // RFC 8058 §3.1: no page, no redirect, no cookie; the machine that asks reads the status.
                let done = move |page: Option<Page>| {
                    pending.answer(match page {
                        Some(_) => Reply::text(200, ""),
                        None => Reply::text(503, ""),
                    });
                };
                pages.act(token, super::Wish::Unsubscribe, Box::new(done));
            }
            _ => {
                let answer = Box::new(move |page| pending.answer(Reply::of_page(page)));
                match (asked, posted) {
                    (Route::Act(token), Posted::Form(wish)) => pages.act(token, wish, answer),
                    (Route::Act(token), _) => pages.show(token, answer),
                    (Route::Erase(token), Posted::Erase) => pages.erase(token, answer),
                    (Route::Erase(token), _) => pages.show_erasure(token, answer),
                    // Nothing else is posted to; without an answer it is told to try again.
                    _ => {}
                }
            }
        }
    }

    /// Does `work` on a thread of its own, since it waits for bytes that may never come.
    fn apart(&self, pending: Pending, work: impl FnOnce(&Desk, Pending) + Send + 'static) {
        if self.slow.fetch_add(1, Ordering::Relaxed) >= SLOW {
            self.slow.fetch_sub(1, Ordering::Relaxed);
            return abandon(pending, Reply::page_unavailable());
        }
        let desk = self.clone();
        let run = move || {
            let slow = desk.slow.clone();
            if catch_unwind(AssertUnwindSafe(|| work(&desk, pending))).is_err() {
                tracing::error!("reading a body panicked");
            }
            slow.fetch_sub(1, Ordering::Relaxed);
        };
        if spawn("casement-body", run).is_err() {
            self.slow.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Answers a request whose body of `n` bytes is not wanted, without reading it here.
    fn refuse(&self, pending: Pending, n: usize, reply: Reply) {
        if n > DRAIN {
            return abandon(pending, reply);
        }
        // Dropping the request reads the rest of its body: not here, where others wait.
        self.apart(pending, move |_, pending| {
            pending.apart(|request| {
                if let Err(error) = request.respond(into_response(reply)) {
                    tracing::debug!(%error, "a refusal could not be written");
                }
            });
        });
    }
}

const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
const NO_BODY: &str = "This address takes no body.\n";

/// Answers and lets go of the connection without reading on.
///
/// tiny_http can neither close a connection nor skip a body, and allocates what was announced; so the
/// connection is leaked on purpose: a thread and two descriptors, against the end of the process.
fn abandon(pending: Pending, reply: Reply) {
    pending.apart(|request| std::mem::forget(request.upgrade("close", into_response(reply))));
}

/// What a request says of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    Nothing,
    /// tiny_http has read it already: at most 1,024 bytes.
    Buffered,
    /// Still to be read.
    Coming(usize),
    /// Of unknown length.
    Chunked,
}

impl Announced {
    fn of(request: &tiny_http::Request) -> Self {
        let has = |name: &'static str| request.headers().iter().any(|header| header.field.equiv(name));
        match request.body_length() {
            _ if has("Transfer-Encoding") => Self::Chunked,
            None | Some(0) => Self::Nothing,
            Some(n) if n <= 1024 && !has("Expect") => Self::Buffered,
            Some(n) => Self::Coming(n),
        }
    }
}

impl Desk {
    fn source(&self, request: &tiny_http::Request) -> Option<IpAddr> {
        match &self.door {
            Door::Direct => request.remote_addr().map(|addr| addr.ip().to_canonical()),
            // The last entry is the one that the proxy itself added; those before it came from outside.
            Door::BehindProxy { client_header } => values(request, client_header.as_deref()?)
                .last()?
                .rsplit(',')
                .next()
                .and_then(parse_source),
        }
    }
}

/// Reads an address with or without a port or brackets.
fn parse_source(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let ip: Option<IpAddr> = text.parse().ok();
    ip.or_else(|| text.parse::<SocketAddr>().ok().map(|addr| addr.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
        .map(|ip| ip.to_canonical())
}

/// Returns every value of a header, without control characters, cut to [`MAX_HEADER`].
fn values(request: &tiny_http::Request, name: &str) -> Vec<String> {
    request
        .headers()
        .iter()
        .filter(|header| header.field.as_str().as_str().eq_ignore_ascii_case(name))
        .map(|header| {
            String::from_utf8_lossy(header.value.as_bytes())
                .chars()
                .filter(|c| !c.is_control())
                .take(MAX_HEADER)
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_address_is_read_in_every_spelling() {
        for (text, wanted) in [
            ("203.0.113.9", Some("203.0.113.9")),
            (" 203.0.113.9 ", Some("203.0.113.9")),
            ("203.0.113.9:51000", Some("203.0.113.9")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("::ffff:203.0.113.9", Some("203.0.113.9")),
            ("unknown", None),
            ("", None),
            ("_hidden", None),
        ] {
            assert_eq!(
                parse_source(text),
                wanted.map(|ip| ip.parse().unwrap()),
                "{text:?}"
            );
        }
    }
}
