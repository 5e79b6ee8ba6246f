//! A client that keeps its connection, as a proxy does.

use super::http::Response;
use super::raw::{Heard, Raw};
use super::{http, readers};
use std::time::{Duration, Instant};

/// Requests on one connection, fewer than the listener allows: it never closes while one is under way.
const AT_MOST: usize = 90;
/// How long an answer may take on a machine with other work.
const WAIT: Duration = Duration::from_secs(20);

/// A connection to the entrance behind the proxy.
pub struct Line {
    peer: String,
    raw: Option<Raw>,
    used: usize,
}

impl Line {
    /// Connects to `HOST:PORT` at the first request, and again whenever a connection has served its time.
    pub fn to(peer: &str) -> Self {
        Self {
            peer: peer.to_owned(),
            raw: None,
            used: 0,
        }
    }

    /// Asks for `path` as the reader at `address`; returns the answer and how long it took.
    ///
    /// # Panics
    /// Where there is no whole answer in time.
    pub fn ask(&mut self, method: &str, path: &str, address: &str) -> (Response, Duration) {
        if self.used >= AT_MOST {
            self.raw = None;
        }
        let raw = self.raw.get_or_insert_with(|| {
            self.used = 0;
            Raw::connect(&self.peer).unwrap_or_else(|error| panic!("nobody at {}: {error}", self.peer))
        });
        self.used += 1;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: news.harbour.test\r\nUser-Agent: {}\r\n{}: {address}\r\n\r\n",
            readers::IPHONE,
            readers::CLIENT_HEADER
        );
        let begun = Instant::now();
        assert!(raw.send(request), "{path} was not taken");
        let heard = raw.hear_until(WAIT, |heard| is_whole(method, heard));
        let took = begun.elapsed();
        assert!(
            is_whole(method, &heard),
            "no whole answer to {path}: {:?}, closed: {}",
            heard.text(),
            heard.closed
        );
        let response = http::parse(&heard.bytes);
        let closes = response
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if heard.closed || closes {
            self.raw = None;
        }
        (response, took)
    }
}

/// Whether an answer with a `Content-Length` is there as a whole.
fn is_whole(method: &str, heard: &Heard) -> bool {
    let Some(end) = heard.bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&heard.bytes[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    method == "HEAD" || heard.bytes.len() >= end + 4 + length
}
