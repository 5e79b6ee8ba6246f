//! The stream under lettre's dialogue: no delay, writes gathered, bytes counted.
//!
//! lettre 0.11.23 leaves Nagle's algorithm on and writes a body and its end apart, which costs 40 ms a mail on every
//! network: the second write waits for the peer's delayed acknowledgement. Here everything that is written leaves
//! together when the next reply is awaited. Fixed upstream (lettre pull request 1159); this goes with that release.

use lettre::transport::smtp::client::AsyncTokioStream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Written at once where so much has gathered, so that a large mail is not held twice.
const GATHER_BYTES: usize = 256 * 1024;

/// How much has been written, seen from outside the stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    queued: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
}

impl Meter {
    /// Tells whether every byte that was given to the stream may have left.
    ///
    /// Under TLS a byte counts as soon as it is handed to the encryption: it may have left.
    pub(super) fn all_may_have_left(&self) -> bool {
        self.written.load(Ordering::Acquire) >= self.queued.load(Ordering::Acquire)
    }
}

/// The connection itself.
#[derive(Debug)]
pub(super) enum Link {
    /// To this computer only.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Link {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// The stream that lettre talks through.
#[derive(Debug)]
pub(super) struct Wire {
    link: Link,
    /// What was read before lettre began, the greeting: it is read from here again.
    replay: Vec<u8>,
    out: Vec<u8>,
    /// How much of `out` was written: what is left is not moved to its front each time, since TLS takes a large mail in
    /// small pieces.
    sent: usize,
    meter: Meter,
}

impl Wire {
    pub(super) fn new(link: Link, replay: Vec<u8>) -> (Self, Meter) {
        let meter = Meter::default();
        let wire = Self {
            link,
            replay,
            out: Vec::new(),
            sent: 0,
            meter: meter.clone(),
        };
        (wire, meter)
    }

    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let left = &self.out[self.sent..];
            let n = match &mut self.link {
                Link::Plain(stream) => ready!(Pin::new(stream).poll_write(cx, left))?,
                Link::Tls(stream) => ready!(Pin::new(stream).poll_write(cx, left))?,
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += n;
            self.meter.written.fetch_add(n as u64, Ordering::Release);
        }
        self.out.clear();
        self.sent = 0;
        // A large mail's room is given back.
        self.out.shrink_to(2 * GATHER_BYTES);
        match &mut self.link {
            Link::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Link::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.replay.is_empty() {
            let n = self.replay.len().min(buf.remaining());
            buf.put_slice(&self.replay[..n]);
            self.replay.drain(..n);
            return Poll::Ready(Ok(()));
        }
        // A reply is awaited: all that was gathered leaves, the end of a mail together with its body.
        ready!(self.drain(cx))?;
        match &mut self.link {
            Link::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Link::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.out.len() - self.sent >= GATHER_BYTES {
            ready!(self.drain(cx))?;
        }
        self.out.extend_from_slice(buf);
        self.meter.queued.fetch_add(buf.len() as u64, Ordering::Release);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // lettre flushes after every write; the next read is what sends.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        match &mut self.link {
            Link::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Link::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.link.tcp().peer_addr()
    }
}
