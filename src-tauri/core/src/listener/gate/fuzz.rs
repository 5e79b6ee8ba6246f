//! What must hold of heads, chunked bodies and inner answers, whatever bytes come.
//!
//! Each function takes any bytes and panics where a law is broken. See [`crate::fuzz`].

#![expect(clippy::unwrap_used, reason = "a law that is broken is told by a panic")]

use super::connection::{body, ends_in};
use super::head::{Asker, Body, GATE, Head, MAX_HEAD, Parsed, dechunk, parse};
use super::lanes::read_answer;
use super::nonces::Ours;
use super::refusal::Refusal;
use crate::listener::body::MAX_BODY;
use crate::listener::routes::Route;
use crate::listener::{Door, MAX_HEADER};
use std::net::{IpAddr, Ipv4Addr};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
const KEY: &str = "key-of-the-gate";
/// The watchdog's path.
const WATCHED: &str = "/w/watched";
/// A path that is waited for, and one that was answered before.
const WAITED: &str = "/.well-known/casement/waited";
const SPENT: &str = "/.well-known/casement/spent";

fn ours(method: &str, path: &str) -> Ours {
    match (method, path) {
        (_, WATCHED) => Ours::Watch,
        ("GET", WAITED) => Ours::Proof("proof".into()),
        ("GET", SPENT) => Ours::Spent,
        _ => Ours::No,
    }
}

/// Reads `bytes` as a reader's request, at every kind of door.
pub fn head(bytes: &[u8]) {
    for door in [
        Door::Direct,
        Door::BehindProxy { client_header: None },
        Door::BehindProxy {
            client_header: Some("X-Forwarded-For".into()),
        },
    ] {
        head_at(bytes, &door);
    }
}

fn head_at(bytes: &[u8], door: &Door) {
    let read = |bytes: &[u8]| parse(bytes, PEER, door, ours);
    let all = read(bytes);
    for cut in cuts(bytes.len()) {
        match read(&bytes[..cut]) {
            Ok(Parsed::Partial) => {}
            Ok(whole) => assert_eq!(Ok(whole), all, "what follows a head changes nothing of it"),
            Err(refusal) => assert!(all.is_err(), "{refusal:?} after {cut} bytes, and then {all:?}"),
        }
    }
    match all {
        Ok(Parsed::Partial) => assert!(bytes.len() < MAX_HEAD, "a head has a limit"),
        Ok(Parsed::Whole(head)) => goes_on(bytes, &head, door),
        Err(_) => {}
    }
}

/// Checks what may be known of a head that goes on, and the request that is made of it.
fn goes_on(bytes: &[u8], head: &Head, door: &Door) {
    assert!((1..=bytes.len().min(MAX_HEAD)).contains(&head.length));
    for cut in cuts(head.length).skip(1) {
        assert!(
            ends_in(&bytes[..head.length], cut),
            "the end is seen when the first {cut} bytes came before the rest"
        );
    }
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut asked = httparse::Request::new(&mut fields);
    assert!(asked.parse(&bytes[..head.length]).unwrap().is_complete());
    let (method, target) = (asked.method.unwrap(), asked.path.unwrap());
    assert_eq!(target.split(['?', '#']).next(), Some(head.path.as_str()));
    assert_eq!(head.head_only, method == "HEAD");
    let acts = matches!(head.route, Route::Act(_) | Route::Erase(_));
    match head.route {
        Route::Unknown | Route::WrongMethod(_) => panic!("{:?} goes on", head.route),
        Route::Watch => assert_eq!(head.path, WATCHED),
        Route::Probe => assert_eq!((head.path.as_str(), method), (WAITED, "GET")),
        _ => assert_eq!(acts, method == "POST", "{method} {target}"),
    }
    assert_eq!(head.proof.is_some(), head.route == Route::Probe);
    match head.body {
        Body::Length(0) => {}
        Body::Length(n) => assert!(acts && n <= MAX_BODY, "{n} bytes behind {method}"),
        Body::Chunked => assert!(acts && *door != Door::Direct, "chunks from a stranger"),
    }
    if *door == Door::Direct {
        assert_eq!(head.source, Some(PEER), "a stranger's word is not believed");
    }
    let sent = match body(head, &bytes[head.length..]) {
        Ok(Some((sent, _))) => sent,
        // The rest has not come, or is refused: any body of that length will do.
        _ => match head.body {
            Body::Length(n) => vec![b'\n'; n],
            Body::Chunked => Vec::new(),
        },
    };
    canonical(head, door, &sent, if acts { "POST" } else { "GET" });
}

/// Checks that tiny_http can read what it gets in one way only.
fn canonical(head: &Head, door: &Door, sent: &[u8], method: &str) {
    let bytes = head.canonical(KEY, door, sent);
    let (text, behind) = bytes.split_at(bytes.len() - sent.len());
    assert_eq!(behind, sent);
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut read = httparse::Request::new(&mut fields);
    assert_eq!(
        read.parse(&bytes),
        Ok(httparse::Status::Complete(text.len())),
        "one request and nothing else"
    );
    assert_eq!(
        (read.method, read.path, read.version),
        (Some(method), Some(head.path.as_str()), Some(1))
    );
    let text = std::str::from_utf8(text).unwrap();
    assert!(
        text.bytes()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n'))
    );
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines.len(), read.headers.len() + 3, "a line for each field");
    assert!(
        lines.iter().all(|line| !line.contains(['\r', '\n'])),
        "no line end within a line"
    );
    let named = |name: &str| -> Vec<String> {
        read.headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| String::from_utf8(field.value.to_vec()).unwrap())
            .collect()
    };
    let only = |is: bool, value: String| if is { vec![value] } else { Vec::new() };
    let asker = Asker {
        direct: *door == Door::Direct,
        head_only: head.head_only,
        source: head.source,
    };
    assert_eq!(named(GATE), [format!("{KEY} {asker}")], "the gate's word, once");
    assert_eq!(asker.to_string().parse(), Ok(asker));
    assert_eq!(
        named("Content-Length"),
        only(!sent.is_empty(), sent.len().to_string())
    );
    assert!(named("Transfer-Encoding").is_empty());
    let longest = read.headers.iter().map(|field| field.value.len()).max();
    assert!(longest.unwrap_or(0) <= MAX_HEADER);
}

/// Decodes `bytes` as a body in chunks; and puts them into chunks and takes them out again.
pub fn chunks(bytes: &[u8]) {
    let all = dechunk(bytes);
    for cut in cuts(bytes.len()) {
        match dechunk(&bytes[..cut]) {
            Ok(None) => {}
            Ok(whole) => assert_eq!(Ok(whole), all, "what follows a body changes nothing of it"),
            Err(refusal) => assert!(all.is_err(), "{refusal:?} after {cut} bytes, and then {all:?}"),
        }
    }
    if let Ok(Some((body, length))) = all {
        assert!(body.len() <= MAX_BODY && length <= bytes.len());
        assert_eq!(
            Some((body, length)),
            strictly(bytes),
            "read as RFC 9112 §7.1 has it"
        );
    }
    let body = &bytes[..bytes.len().min(MAX_BODY)];
    let mut wrapped = Vec::new();
    let mut rest = body;
    while let Some(&first) = rest.first() {
        let (chunk, after) = rest.split_at((usize::from(first) * 3 + 1).min(rest.len()));
        wrapped.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wrapped.extend_from_slice(chunk);
        wrapped.extend_from_slice(b"\r\n");
        rest = after;
    }
    wrapped.extend_from_slice(b"0\r\n\r\n");
    let length = wrapped.len();
    wrapped.extend_from_slice(bytes);
    match dechunk(&wrapped) {
        Ok(Some(found)) => assert_eq!(found, (body.to_vec(), length)),
        // Thousands of chunks of a few bytes are refused for their wrapping.
        other => assert!(
            other == Err(Refusal::LargeBody) && length > 4 * MAX_BODY,
            "{other:?}"
        ),
    }
}

/// A second decoder, by lines, without limits; `None` for what is not whole or not valid.
fn strictly(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    fn line(bytes: &[u8]) -> Option<&[u8]> {
        bytes
            .windows(2)
            .position(|two| two == b"\r\n")
            .map(|end| &bytes[..end])
    }
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let size = line(&bytes[at..])?;
        at += size.len() + 2;
        let digits = size.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let extension = size[digits..].trim_ascii_start();
        if digits == 0 || !(extension.is_empty() || extension[0] == b';') || extension.contains(&b'\n') {
            return None;
        }
        let n = usize::from_str_radix(std::str::from_utf8(&size[..digits]).ok()?, 16).ok()?;
        if n == 0 {
            break;
        }
        body.extend_from_slice(bytes.get(at..at.checked_add(n)?)?);
        at += n;
        if bytes.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
    loop {
        let end = bytes[at..].iter().position(|byte| *byte == b'\n')?;
        let field = &bytes[at..at + end];
        at += end + 1;
        match field.strip_suffix(b"\r").unwrap_or(field) {
            b"" => return Some((body, at)),
            field if field.contains(&b':') => {}
            _ => return None,
        }
    }
}

/// Reads `bytes` as an answer of the inner server.
pub fn answer(bytes: &[u8]) {
    let all = read_answer(bytes).map_err(|error| error.to_string());
    for cut in cuts(bytes.len()) {
        match read_answer(&bytes[..cut]) {
            Ok(None) => {}
            Ok(whole) => assert_eq!(Ok(whole), all, "what follows an answer changes nothing of it"),
            Err(error) => assert!(all.is_err(), "{error} after {cut} bytes, and then {all:?}"),
        }
    }
    let Ok(Some((answer, used))) = all else {
        return;
    };
    assert!(used <= bytes.len());
    assert!(bytes[..used].ends_with(&answer.body));
    let mut out = answer.head;
    out.extend_from_slice(b"Connection: close\r\n\r\n");
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut read = httparse::Response::new(&mut fields);
    assert_eq!(read.parse(&out), Ok(httparse::Status::Complete(out.len())));
    assert_eq!(read.code, Some(answer.status));
    let named = |name: &str| {
        read.headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name))
            .count()
    };
    assert_eq!((named("Server"), named("Connection")), (0, 1));
}

/// Where to cut `length` bytes: at each of the first and the last, and here and there between; never at the end.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    let step = (length / 16).max(1);
    (0..length).filter(move |at| at % step == 0 || *at < 4 || at + 6 > length)
}
