//! A client without manners: it sends any bytes, from any loopback address, and hangs up as it likes.

use super::http::{self, Response};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

/// A connection.
pub struct Raw {
    /// The socket.
    pub stream: TcpStream,
}

/// What was heard on a connection.
#[derive(Debug, Default)]
pub struct Heard {
    /// Every byte.
    pub bytes: Vec<u8>,
    /// The other side closed or reset it.
    pub closed: bool,
}

impl Heard {
    /// Returns the status of each answer, in order.
    pub fn statuses(&self) -> Vec<u16> {
        let text = String::from_utf8_lossy(&self.bytes);
        text.split("HTTP/1.")
            .skip(1)
            .filter_map(|rest| rest.get(2..5)?.parse().ok())
            .collect()
    }

    /// Returns the only answer; fails where there are more or none.
    #[track_caller]
    pub fn response(&self) -> Response {
        assert_eq!(
            self.statuses().len(),
            1,
            "one request has one answer: {:?}",
            self.text()
        );
        http::parse(&self.bytes)
    }

    /// Returns the bytes as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Raw {
    /// Connects to `HOST:PORT` from 127.0.0.1.
    pub fn connect(peer: &str) -> std::io::Result<Self> {
        Self::connect_within(peer, Duration::from_secs(2))
    }

    /// As [`Self::connect`], with a deadline.
    pub fn connect_within(peer: &str, within: Duration) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address(peer), within)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Connects from another address of this computer.
    pub fn connect_from(source: Ipv4Addr, peer: &str) -> std::io::Result<Self> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddrV4::new(source, 0))?;
        connect(&socket, &address(peer))?;
        Ok(Self {
            stream: TcpStream::from(socket),
        })
    }

    /// Sends `bytes`; tells whether all of them were taken within two seconds.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let timeout = self.stream.set_write_timeout(Some(Duration::from_secs(2)));
        timeout.is_ok() && self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Reads until the other side closes, or `enough` says so, or the time is over.
    pub fn hear_until(&mut self, within: Duration, mut enough: impl FnMut(&Heard) -> bool) -> Heard {
        let deadline = Instant::now() + within;
        let mut heard = Heard::default();
        let mut buffer = [0; 16 * 1024];
        while !enough(&heard) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                break;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => heard.closed = true,
                Ok(n) => heard.bytes.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(_) => heard.closed = true,
            }
            if heard.closed {
                break;
            }
        }
        heard
    }

    /// Reads until the other side closes or the time is over.
    pub fn hear(&mut self, within: Duration) -> Heard {
        self.hear_until(within, |_| false)
    }

    /// Says that no more comes from this side.
    pub fn end(&self) {
        // A connection that the other side has reset cannot be ended twice.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Breaks the connection off: a reset, no goodbye.
    pub fn reset(self) {
        let lingering = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
        lingering.expect("a socket's linger time can be set");
    }
}

fn address(peer: &str) -> SocketAddr {
    peer.parse()
        .unwrap_or_else(|error| panic!("{peer} is no HOST:PORT: {error}"))
}

/// Sends `bytes` on a connection of their own and returns what is heard within `within`.
///
/// A connection that cannot be had is one that was closed without a word.
pub fn exchange(peer: &str, bytes: impl AsRef<[u8]>, within: Duration) -> Heard {
    let Ok(mut raw) = Raw::connect(peer) else {
        return Heard {
            closed: true,
            ..Heard::default()
        };
    };
    raw.send(bytes);
    raw.hear(within)
}

/// Returns a request without a body. It asks to close, so that every entrance ends the connection after it.
pub fn get(path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("GET {path} HTTP/1.1\r\nHost: news.harbour.test\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

/// Returns a form that is posted to `path`.
pub fn post(path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: news.harbour.test\r\nConnection: close\r\n");
    head.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}
