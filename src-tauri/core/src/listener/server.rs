//! tiny_http on loopback: the only file that names it.
//!
//! It answers the gate of this process and nobody else: a request without the gate's key gets 403. One thread
//! takes requests, reads what they ask and hands it to the ports of [`Site`]; whoever answers writes what has its
//! turn (`order`). What comes in is canonical: bounded, in ASCII, with its whole body behind it.

use super::body::{self, MAX_BODY, Posted};
use super::gate::Alarm;
use super::gate::head::{Asker, GATE};
use super::order::{Order, Place};
use super::pages::Page;
use super::reply::Reply;
use super::routes::{Route, route};
use super::{Hit, Outcome, Site};
use std::io::{Cursor, Read};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Requests that may be unanswered at once; beyond it no new one is taken. Above what the gate lets through.
const IN_HAND: usize = 4096;
/// How long a stop waits for answers in hand.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// A tiny_http that answers the gate.
pub(super) struct Inner {
    addr: SocketAddr,
    server: Arc<tiny_http::Server>,
    order: Arc<Order<Answer>>,
    receiver: Option<JoinHandle<()>>,
}

impl Inner {
    /// Starts it on a free port of this computer. `alarm` is raised when it ends by itself.
    pub fn start(site: Arc<Site>, key: String, alarm: Alarm) -> std::io::Result<Self> {
        let socket = TcpListener::bind(("127.0.0.1", 0))?;
        without_delay(&socket)?;
        let addr = socket.local_addr()?;
        let server = tiny_http::Server::from_listener(socket, None).map_err(std::io::Error::other)?;
        let server = Arc::new(server);
        let order = Arc::new(Order::new());
        let desk = Desk {
            site,
            key,
            order: order.clone(),
        };
        let receiver = spawn("casement-receive", {
            let server = server.clone();
            move || receive(&server, &desk, &alarm)
        })?;
        Ok(Self {
            addr,
            server,
            order,
            receiver: Some(receiver),
        })
    }

    /// Returns where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more requests and writes the answers in hand.
    pub fn stop(mut self) {
        self.order.close();
        self.server.unblock();
        if let Some(receiver) = self.receiver.take() {
            // Its panics are caught where they happen.
            let _ = receiver.join();
        }
        self.order.finish(STOP_WAIT);
    }

    /// Ends it as one of its own failures would: it takes nothing more and says nothing.
    #[cfg(test)]
    pub fn kill(&self) {
        self.server.unblock();
    }
}

/// Turns Nagle's algorithm off for the connections that `socket` accepts, which take the option from it.
///
/// tiny_http sets none of its own. With it, an answer waits until the one before it was confirmed, which the other
/// side puts off for 40 ms in the hope of something to send.
fn without_delay(socket: &TcpListener) -> std::io::Result<()> {
    #[cfg(unix)]
    rustix::net::sockopt::set_tcp_nodelay(socket, true)?;
    let _ = socket;
    Ok(())
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
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
            for answer in self.order.ready(self.place, Answer { request, reply }) {
                write(answer);
                self.order.written();
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let reply = (self.otherwise)();
        self.send(reply);
    }
}

fn write(Answer { request, reply }: Answer) {
    let done = catch_unwind(AssertUnwindSafe(|| request.respond(into_response(reply))));
    match done {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an answer could not be written"),
        Err(_) => tracing::error!("writing an answer panicked"),
    }
}

fn into_response(reply: Reply) -> tiny_http::Response<Cursor<Vec<u8>>> {
    let headers = reply
        .headers
        .into_iter()
        .filter_map(|(name, value)| tiny_http::Header::from_bytes(name, value).ok())
        .collect();
    let length = reply.body.len();
    let response = tiny_http::Response::new(
        reply.status.into(),
        headers,
        Cursor::new(reply.body),
        Some(length),
        None,
    );
    // The gate wants a length, however long a page is.
    response.with_chunked_threshold(usize::MAX)
}

/// Where requests are read.
struct Desk {
    site: Arc<Site>,
    key: String,
    order: Arc<Order<Answer>>,
}

fn receive(server: &tiny_http::Server, desk: &Desk, alarm: &Alarm) {
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
                    tracing::error!(%error, "the inner server has failed");
                    alarm.raise("the inner server stopped");
                }
                return;
            }
        }
    }
}

impl Desk {
    fn handle(&self, mut request: tiny_http::Request) {
        let asked = route(request.method().as_str(), request.url());
        // Other users of this computer can reach the port. Hashes are compared in constant time.
        let said = value(&request, GATE).unwrap_or_default();
        let (key, asker) = said.split_once(' ').unwrap_or((said, ""));
        let asker = asker.parse().ok();
        let is_gate = blake3::hash(key.as_bytes()) == blake3::hash(self.key.as_bytes());
        let mut body = Vec::new();
        if is_gate && request.body_length().is_some_and(|length| length <= MAX_BODY) {
            // The gate has the whole body before it sends the head. What is missing all the same is nothing said.
            let _ = request.as_reader().take(MAX_BODY as u64).read_to_end(&mut body);
        }
        let otherwise: fn() -> Reply = match asked {
            Route::Pixel(..) => || Reply::bare_pixel(503),
            _ => Reply::page_unavailable,
        };
        let pending = Pending {
            // The peer's address names the connection; only Unix sockets, which are never bound, have none.
            place: self.order.enter(request.remote_addr().copied().unwrap_or(NOBODY)),
            request: Some(request),
            order: self.order.clone(),
            otherwise,
        };
        if !is_gate {
            return pending.answer(Reply::text(403, "This address is not for you.\n"));
        }
        match asked {
            Route::Act(_) | Route::Erase(_) => self.act(pending, asked, &body),
            _ => self.read(pending, asked, asker),
        }
    }

    /// Answers what has no body.
    fn read(&self, pending: Pending, asked: Route, asker: Option<Asker>) {
        match asked {
            Route::Pixel(token, method) => {
                let Some(request) = &pending.request else {
                    return;
                };
                // The gate always says who asks. A word that cannot be read leaves the source open, and no more.
                let asker = asker.unwrap_or(Asker {
                    direct: false,
                    head_only: method == super::Method::Head,
                    source: None,
                });
                let hit = Hit {
                    token,
                    method: if asker.head_only {
                        super::Method::Head
                    } else {
                        method
                    },
                    direct: asker.direct,
                    source: asker.source,
                    user_agent: value(request, "User-Agent").unwrap_or_default().to_owned(),
                    dnt: values(request, "DNT").map(str::to_owned).collect(),
                    gpc: values(request, "Sec-GPC").map(str::to_owned).collect(),
                    prefetch: ["Purpose", "Sec-Purpose", "X-Purpose"]
                        .iter()
                        .flat_map(|name| values(request, name))
                        .any(|value| value.to_ascii_lowercase().starts_with("prefetch")),
                };
                self.site.hits.hit(
                    hit,
                    Box::new(move |outcome| {
                        pending.answer(match outcome {
                            Outcome::Recorded => Reply::bare_pixel(200),
                            Outcome::Unavailable => Reply::bare_pixel(503),
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
            // The gate lets through what it knows, and paths that it alone can tell: the watchdog's, and questions of this
            // process from outside, of whose answer it needs to know that there is one.
            Route::Watch | Route::Probe | Route::Unknown => {
                let path = pending
                    .request
                    .as_ref()
                    .map(|request| request.url().to_owned())
                    .unwrap_or_default();
                pending.answer(Reply::text(200, &watchword(&self.key, &path)));
            }
            Route::Act(_) | Route::Erase(_) | Route::WrongMethod(_) => {
                pending.answer(Reply::text(404, "There is nothing here.\n"));
            }
        }
    }

    /// Does what was posted.
    fn act(&self, pending: Pending, asked: Route, body: &[u8]) {
        let kind = pending
            .request
            .as_ref()
            .and_then(|request| value(request, "Content-Type"))
            .unwrap_or_default();
        let posted = body::posted(kind, body);
        let pages = &self.site.pages;
        if let (Route::Act(token), Posted::OneClick) = (asked, posted) {
            // RFC 8058 §3.1: no page, no redirect, no cookie; the machine that asks reads the status.
            let done = move |page: Option<Page>| {
                pending.answer(match page {
                    Some(_) => Reply::text(200, ""),
                    None => Reply::text(503, ""),
                });
            };
            return pages.act(token, super::Wish::Unsubscribe, Box::new(done));
        }
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

const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// Returns what only the server of this process can answer to `path`.
pub(super) fn watchword(key: &str, path: &str) -> String {
    let key = blake3::hash(key.as_bytes());
    blake3::keyed_hash(key.as_bytes(), path.as_bytes())
        .to_hex()
        .to_string()
}

fn value<'a>(request: &'a tiny_http::Request, name: &'a str) -> Option<&'a str> {
    values(request, name).next()
}

/// Returns every value of a field. The gate has made them ASCII and cut them to length.
fn values<'a>(request: &'a tiny_http::Request, name: &'a str) -> impl Iterator<Item = &'a str> {
    request
        .headers()
        .iter()
        .filter(move |header| header.field.as_str().as_str().eq_ignore_ascii_case(name))
        .map(|header| header.value.as_str())
}
