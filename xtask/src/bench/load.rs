//! A load generator: blocking clients, each on a thread, that send prepared requests and check every answer.
//!
//! It knows nothing of who answers, so that two servers get the same requests from the same code.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::figures::Round;

/// How long a client waits for a connection, and then for bytes; longer than any answer that is still of use.
const PATIENCE: Duration = Duration::from_secs(10);
/// Enough for a loop; 64 of the usual 2 MiB are a lot of address space.
const STACK: usize = 256 << 10;

/// Whether a client makes a connection for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// One for each: connect, ask, read to the end.
    New,
    /// One for as many as the server allows.
    Kept,
}

/// What is to be sent, and how.
pub struct Load<'a> {
    /// To whom.
    pub target: SocketAddr,
    /// Whole requests; each is sent once.
    pub requests: &'a [Vec<u8>],
    /// The requests must say the same in their `Connection` header.
    pub connections: Connections,
    /// Clients at once.
    pub clients: usize,
    /// No request is begun later than this after the start.
    pub at_most: Duration,
}

impl Load<'_> {
    /// Sends the requests and returns what came back.
    pub fn run(&self) -> Result<Round> {
        let next = AtomicUsize::new(0);
        let gate = Barrier::new(self.clients + 1);
        thread::scope(|scope| {
            let clients = (0..self.clients)
                .map(|_| {
                    thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || {
                        gate.wait();
                        self.client(&next)
                    })
                })
                .collect::<io::Result<Vec<_>>>()
                .context("cannot start the threads of the clients")?;
            gate.wait();
            let start = Instant::now();
            let mut round = Round::default();
            for client in clients {
                let tally = client.join().expect("a client does not panic");
                round.good += tally.good;
                round.not_200 += tally.not_200;
                round.no_picture += tally.no_picture;
                round.failed += tally.failed;
                round.first_failure = round.first_failure.or(tally.first_failure);
                round.took.extend(tally.took);
            }
            round.elapsed = start.elapsed();
            round.took.sort_unstable();
            Ok(round)
        })
    }

    fn client(&self, next: &AtomicUsize) -> Round {
        let end = Instant::now() + self.at_most;
        let mut tally = Round::default();
        let mut kept = None;
        let mut bytes = Vec::with_capacity(4096);
        while let Some(request) = self.requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            if start >= end {
                break;
            }
            let answer = match self.connections {
                Connections::New => self.once(request, &mut bytes),
                Connections::Kept => self.on_kept(&mut kept, request, &mut bytes),
            };
            match answer {
                Ok(answer) if answer.status != 200 => tally.not_200 += 1,
                Ok(answer) if !is_gif(answer.body) => tally.no_picture += 1,
                Ok(_) => {
                    tally.good += 1;
                    tally.took.push(start.elapsed());
                }
                Err(error) => {
                    tally.failed += 1;
                    tally.first_failure.get_or_insert_with(|| words(&error));
                }
            }
        }
        tally
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.target, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn once<'b>(&self, request: &[u8], bytes: &'b mut Vec<u8>) -> io::Result<Answer<'b>> {
        let mut stream = self.connect()?;
        stream.write_all(request)?;
        bytes.clear();
        stream.read_to_end(bytes)?;
        Answer::read(bytes)?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    fn on_kept<'b>(
        &self,
        kept: &mut Option<TcpStream>,
        request: &[u8],
        bytes: &'b mut Vec<u8>,
    ) -> io::Result<Answer<'b>> {
        let mut done = Err(ErrorKind::NotConnected.into());
        if let Some(stream) = kept {
            done = converse(stream, request, bytes);
        }
        // A server may close a kept connection between two requests (RFC 9112 §9.3.1): ask again on a new one.
        let closed = |error: &io::Error| !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        if done.as_ref().is_err_and(closed) && (kept.is_none() || bytes.is_empty()) {
            done = converse(kept.insert(self.connect()?), request, bytes);
        }
        if let Err(error) = done {
            *kept = None;
            return Err(error);
        }
        let answer = Answer::read(bytes)?.ok_or(ErrorKind::UnexpectedEof)?;
        if answer.closes {
            *kept = None;
        }
        Ok(answer)
    }
}

/// Sends a request and reads until the answer is whole.
fn converse(stream: &mut TcpStream, request: &[u8], bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.clear();
    stream.write_all(request)?;
    let mut some = [0; 4096];
    while Answer::read(bytes)?.is_none() {
        match stream.read(&mut some)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&some[..n]),
        }
    }
    Ok(())
}

/// An answer with a body of known length.
#[derive(Debug, PartialEq, Eq)]
struct Answer<'a> {
    status: u16,
    closes: bool,
    body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Reads an answer; `None` while it is not whole.
    fn read(bytes: &'a [u8]) -> io::Result<Option<Answer<'a>>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let (head, rest) = bytes.split_at(end);
        let body = &rest[4..];
        let head = std::str::from_utf8(head).map_err(|_| strange("its head is not text"))?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .ok_or_else(|| strange("it has no status"))?;
        let (mut length, mut closes) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("Content-Length") {
                length = value.trim().parse().ok();
            } else if name.eq_ignore_ascii_case("Connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
        let length: usize = length.ok_or_else(|| strange("it does not say how long it is"))?;
        Ok(body.get(..length).map(|body| Answer { status, closes, body }))
    }
}

/// The system's own words for a timeout are "resource temporarily unavailable".
fn words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("nothing came for {} s", PATIENCE.as_secs())
        }
        _ => error.to_string(),
    }
}

fn strange(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("an answer is no HTTP: {what}"))
}

/// Whether these are the first and the last byte of a GIF; its length was checked with the answer's.
fn is_gif(body: &[u8]) -> bool {
    body.starts_with(b"GIF8") && body.ends_with(b";")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    const PICTURE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nGIF89a;";

    /// Answers `answers` on one connection after the other, one request each, and then goes.
    fn server(answers: Vec<Vec<&'static str>>) -> (SocketAddr, thread::JoinHandle<()>) {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let addr = socket.local_addr().expect("it is bound");
        let server = thread::spawn(move || {
            for connection in answers {
                let (stream, _) = socket.accept().expect("a client comes");
                let mut lines = BufReader::new(&stream).lines();
                for answer in connection {
                    while lines
                        .next()
                        .is_some_and(|line| !line.expect("it is text").is_empty())
                    {}
                    (&stream).write_all(answer.as_bytes()).expect("it reads");
                }
            }
        });
        (addr, server)
    }

    fn load(target: SocketAddr, requests: &[Vec<u8>], connections: Connections) -> Round {
        let load = Load {
            target,
            requests,
            connections,
            clients: 1,
            at_most: PATIENCE,
        };
        load.run().expect("threads can be started")
    }

    fn requests(n: usize) -> Vec<Vec<u8>> {
        vec![b"GET / HTTP/1.1\r\n\r\n".to_vec(); n]
    }

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let whole = PICTURE.as_bytes();
        for end in 0..whole.len() {
            let answer = Answer::read(&whole[..end]).expect("it is HTTP so far");
            assert_eq!(answer, None, "{end} bytes are not all");
        }
        let answer = Answer::read(whole).expect("it is HTTP").expect("it is whole");
        assert_eq!((answer.status, answer.body), (200, &b"GIF89a;"[..]));
        assert!(
            Answer::read(b"HTTP/1.1 200 OK\r\n\r\n").is_err(),
            "of no known length"
        );
        assert!(Answer::read(b"nonsense\r\n\r\n").is_err(), "no status");
    }

    #[test]
    fn only_a_picture_with_200_is_a_good_answer() {
        let (addr, server) = server(vec![
            vec![PICTURE],
            vec!["HTTP/1.1 503 Later\r\nContent-Length: 7\r\n\r\nGIF89a;"],
            vec!["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"],
            vec!["HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nGIF"],
        ]);
        let round = load(addr, &requests(4), Connections::New);
        server.join().expect("it served");
        assert_eq!(
            (round.good, round.not_200, round.no_picture, round.failed),
            (1, 1, 1, 1)
        );
        assert_eq!(round.took.len(), 1, "only good answers are timed");
        assert_eq!(round.bad(), 3);
    }

    #[test]
    fn a_connection_is_kept_until_the_server_closes_it() {
        let (addr, server) = server(vec![
            vec![PICTURE, PICTURE],
            vec!["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\nGIF89a;"],
            vec![PICTURE],
        ]);
        let round = load(addr, &requests(4), Connections::Kept);
        server.join().expect("it served");
        assert_eq!(
            (round.good, round.failed),
            (4, 0),
            "a closed connection is no failure: {:?}",
            round.first_failure
        );
    }
}
