//! The stream under lettre's dialogue: no delay, writes gathered, bytes counted, words in step.
//!
//! lettre 0.11.23 leaves Nagle's algorithm on and writes a body and its end apart, which costs 40 ms a mail on every
//! network: the second write waits for the peer's delayed acknowledgement. Here everything that is written leaves
//! together when the next reply is awaited. Fixed upstream (lettre pull request 1159); that part goes with that release.
//!
//! What the server says reaches lettre by way of `replies`, one reply for each request, and both directions are noted
//! in `talk`.

use super::replies::Replies;
use super::talk::Talk;
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
    replies: Replies,
    out: Vec<u8>,
    /// How much of `out` was written: what is left is not moved to its front each time, since TLS takes a large mail in
    /// small pieces.
    sent: usize,
    meter: Meter,
    talk: Talk,
    /// The server refused a mail before its end: what is left of it may never leave.
    is_broken: bool,
}

impl Wire {
    /// Takes over a connection; `greeting` is what was read before lettre began, and is read from here again.
    pub(super) fn new(link: Link, greeting: &[u8], talk: Talk) -> io::Result<(Self, Meter)> {
        let meter = Meter::default();
        let mut replies = Replies::default();
        replies.ask();
        replies.push(greeting)?;
        talk.connected();
        let wire = Self {
            link,
            replies,
            out: Vec::new(),
            sent: 0,
            meter: meter.clone(),
            talk,
            is_broken: false,
        };
        Ok((wire, meter))
    }

    /// Looks whether the server says anything before it is asked.
    ///
    /// A refusal in the middle of a mail is its answer, and ends the mail; anything else is nobody's answer.
    fn listen(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut chunk = [0; 1024];
        let mut buf = ReadBuf::new(&mut chunk);
        match Pin::new(&mut self.link).poll_read(cx, &mut buf) {
            Poll::Ready(Ok(())) if buf.filled().is_empty() => {
                return Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    "the server has hung up",
                ));
            }
            Poll::Ready(Ok(())) => self.replies.push(buf.filled())?,
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => {}
        }
        match self.replies.first() {
            None => Ok(()),
            Some(b'4' | b'5') if self.talk.is_in_body() => {
                self.is_broken = true;
                self.out.clear();
                self.sent = 0;
                Ok(())
            }
            Some(_) => {
                self.is_broken = true;
                Err(self.replies.unasked())
            }
        }
    }

    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sent < self.out.len() {
            self.listen(cx)?;
        }
        while self.sent < self.out.len() {
            match ready!(Pin::new(&mut self.link).poll_write(cx, &self.out[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => {
                    self.sent += n;
                    self.meter.written.fetch_add(n as u64, Ordering::Release);
                }
            }
        }
        self.out.clear();
        self.sent = 0;
        // A large mail's room is given back.
        self.out.shrink_to(2 * GATHER_BYTES);
        Pin::new(&mut self.link).poll_flush(cx)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A reply is awaited: all that was gathered leaves, the end of a mail together with its body.
        ready!(self.drain(cx))?;
        while !self.replies.is_ready() {
            if let Some(line) = self.replies.next_line()? {
                self.talk.heard(&line.text, line.is_last);
                continue;
            }
            if !self.replies.is_awaited() {
                return Poll::Ready(Err(self.replies.unasked()));
            }
            let mut chunk = [0; 4096];
            let mut came = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut self.link).poll_read(cx, &mut came))?;
            if came.filled().is_empty() {
                self.talk.note("the server hung up");
                return Poll::Ready(Ok(()));
            }
            self.replies.push(came.filled())?;
        }
        buf.put_slice(&self.replies.take(buf.remaining()));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_broken {
            if !self.replies.is_awaited() {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            // The rest of a mail whose refusal is there to be read: it counts as not written, and is not.
            self.meter.queued.fetch_add(buf.len() as u64, Ordering::Release);
            return Poll::Ready(Ok(buf.len()));
        }
        if self.out.len() - self.sent >= GATHER_BYTES {
            ready!(self.drain(cx))?;
        }
        if !self.replies.is_awaited() {
            if self.replies.first().is_some() {
                self.is_broken = true;
                // Not written: the mail's end cannot have left.
                self.meter.queued.fetch_add(buf.len() as u64, Ordering::Release);
                return Poll::Ready(Err(self.replies.unasked()));
            }
            self.replies.ask();
        }
        self.talk.said(buf);
        self.out.extend_from_slice(buf);
        self.meter.queued.fetch_add(buf.len() as u64, Ordering::Release);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // lettre flushes after every write; the next read is what sends.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_broken {
            ready!(self.drain(cx))?;
        }
        Pin::new(&mut self.link).poll_shutdown(cx)
    }
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.link.tcp().peer_addr()
    }
}
