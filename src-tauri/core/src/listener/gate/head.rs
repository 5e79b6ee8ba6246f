//! Reads the head of a request from hostile bytes, and writes the canonical one that tiny_http gets instead.
//!
//! Plain functions over bytes, so that they can be fuzzed. Nothing of a request goes on but what is named here:
//! method, path, the reader's address as the entrance knows it, and a few fields, in ASCII and cut to length.

use super::nonces::Ours;
use super::refusal::Refusal;
use crate::listener::body::MAX_BODY;
use crate::listener::routes::{Route, route};
use crate::listener::{Door, MAX_HEADER};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};

/// Longest head, in bytes, request line included.
pub const MAX_HEAD: usize = 16 * 1024;
/// Most header fields.
pub const MAX_FIELDS: usize = 100;
/// Longest request target, in bytes: ours have 34.
const MAX_TARGET: usize = 512;
/// Most values of one field that go on.
const MAX_VALUES: usize = 8;

/// The fields that go on, by the name under which they do.
const FORWARDED: [&str; 7] = [
    "User-Agent",
    "DNT",
    "Sec-GPC",
    "Purpose",
    "Sec-Purpose",
    "X-Purpose",
    "Content-Type",
];

/// The head of a request that may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Where it goes; never [`Route::Unknown`] or [`Route::WrongMethod`].
    pub route: Route,
    /// It asked for headers only.
    pub head_only: bool,
    /// Without query.
    pub path: String,
    /// The reader's address; `None` where a proxy did not say.
    pub source: Option<IpAddr>,
    /// How its body ends.
    pub body: Body,
    /// The client allows another request on the connection.
    pub keep_alive: bool,
    /// The client waits for a word before it sends its body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// Bytes of the head, its empty line included.
    pub length: usize,
    /// The field that proves the answer of [`Route::Probe`].
    pub proof: Option<String>,
    /// Names and values to be forwarded, in ASCII.
    fields: Vec<(&'static str, String)>,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// It has this many bytes, at most [`MAX_BODY`].
    Length(usize),
    /// By its last chunk. Only a proxy's POST may have such a body: it forwards what came to it over HTTP/2
    /// without a length, and an unsubscription must not be lost to that.
    Chunked,
}

/// What a look at the bytes so far gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// The head has not ended yet.
    Partial,
    /// It is whole and may go on.
    Whole(Head),
}

/// Reads the bytes of a head that came from `peer` through `door`.
///
/// `ours` says what a path is that no reader asks for. It is asked once for each head that has come to its end, by
/// method and path.
///
/// # Errors
/// The refusal to answer with, after which the connection is closed: what follows a head that is not understood
/// cannot be.
pub fn parse(
    bytes: &[u8],
    peer: IpAddr,
    door: &Door,
    ours: impl Fn(&str, &str) -> Ours,
) -> Result<Parsed, Refusal> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(Parsed::Partial),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Refusal::LargeHead),
        Err(httparse::Error::Version) => return Err(Refusal::Version),
        Err(_) => return Err(Refusal::Malformed),
    };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Refusal::Malformed);
    };
    let fields: &[httparse::Header<'_>] = request.headers;
    if fields.iter().any(|field| {
        field
            .value
            .iter()
            .any(|&byte| byte == 0x7f || (byte < 0x20 && byte != b'\t'))
    }) {
        return Err(Refusal::Malformed);
    }
    let path = path(target)?;
    let body = body_length(fields, version)?;
    let (route, proof) = match route(method, path) {
        Route::Unknown => match ours(method, path) {
            Ours::No => (Route::Unknown, None),
            Ours::Watch => (Route::Watch, None),
            Ours::Proof(proof) => (Route::Probe, Some(proof)),
            Ours::Spent => return Err(Refusal::Spent),
        },
        route => (route, None),
    };
    match route {
        Route::Unknown => return Err(Refusal::Unknown),
        Route::WrongMethod(allowed) => return Err(Refusal::Method(allowed)),
        _ if body == Body::Length(0) => {}
        Route::Act(_) | Route::Erase(_) if matches!(body, Body::Length(n) if n <= MAX_BODY) => {}
        Route::Act(_) | Route::Erase(_) if body == Body::Chunked && *door != Door::Direct => {}
        _ if body == Body::Chunked => return Err(Refusal::Coding),
        _ => return Err(Refusal::LargeBody),
    }
    Ok(Parsed::Whole(Head {
        route,
        head_only: method == "HEAD",
        path: path.to_owned(),
        source: source(fields, peer, door),
        body,
        keep_alive: keeps_alive(fields, version),
        expects_continue: body != Body::Length(0)
            && values(fields, "Expect").any(|value| value.eq_ignore_ascii_case(b"100-continue")),
        length,
        proof,
        fields: forwarded(fields),
    }))
}

/// Returns the path of an origin-form target (RFC 9112 §3.2.1); a proxy's absolute form is not for us.
fn path(target: &str) -> Result<&str, Refusal> {
    if !target.starts_with('/') {
        return Err(Refusal::Malformed);
    }
    if target.len() > MAX_TARGET {
        return Err(Refusal::Unknown);
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::Malformed);
    }
    // A query is ignored: some proxies add one of their own.
    Ok(target.split(['?', '#']).next().unwrap_or_default())
}

/// RFC 9112 §6.3: whoever disagrees on a body's length can be made to read it as the next request. So lengths
/// that are not plain digits or differ are refused, and so is any coding but a lone `chunked`.
fn body_length(fields: &[httparse::Header<'_>], minor: u8) -> Result<Body, Refusal> {
    let mut codings = values(fields, "Transfer-Encoding");
    if let Some(coding) = codings.next() {
        let is_plain = coding.eq_ignore_ascii_case(b"chunked") && minor == 1;
        let is_alone = codings.next().is_none() && values(fields, "Content-Length").next().is_none();
        return if is_plain && is_alone {
            Ok(Body::Chunked)
        } else {
            Err(Refusal::Coding)
        };
    }
    let mut length = None;
    for value in values(fields, "Content-Length") {
        let digits = std::str::from_utf8(value)
            .ok()
            .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or(Refusal::Malformed)?;
        // More digits than fit are a length all the same: too large.
        let n = digits.parse().unwrap_or(usize::MAX);
        if length.is_some_and(|known| known != n) {
            return Err(Refusal::Malformed);
        }
        length = Some(n);
    }
    Ok(Body::Length(length.unwrap_or(0)))
}

/// Decodes a body in chunks (RFC 9112 §7.1): its bytes, and how many of `bytes` it took; `None` while its end is
/// not there. Extensions and trailer fields are passed over.
///
/// # Errors
/// For what is no chunk, and for a body over [`MAX_BODY`], in whatever wrapping.
pub fn dechunk(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Refusal> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        if at > 4 * MAX_BODY {
            return Err(Refusal::LargeBody);
        }
        // httparse takes a line without digits for 0, and any byte but a line end for an extension.
        if bytes.get(at).is_some_and(|byte| !byte.is_ascii_hexdigit()) {
            return Err(Refusal::Malformed);
        }
        let (line, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete(found)) if found.0 <= MAX_BODY => found,
            Ok(httparse::Status::Partial) if bytes.len() - at <= MAX_BODY => return Ok(None),
            Ok(_) => return Err(Refusal::LargeBody),
            Err(_) => return Err(Refusal::Malformed),
        };
        if bytes[at..at + line - 2].contains(&b'\n') {
            return Err(Refusal::Malformed);
        }
        at += line;
        if size == 0 {
            // The trailer section ends with an empty line.
            let mut fields = [httparse::EMPTY_HEADER; 8];
            return match httparse::parse_headers(&bytes[at..], &mut fields) {
                Ok(httparse::Status::Complete((length, _))) if length <= MAX_BODY => {
                    Ok(Some((body, at + length)))
                }
                Ok(httparse::Status::Partial) if bytes.len() - at <= MAX_BODY => Ok(None),
                _ => Err(Refusal::Malformed),
            };
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > MAX_BODY - body.len() {
            return Err(Refusal::LargeBody);
        }
        let Some(chunk) = bytes.get(at..at + size) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        at += size;
        match bytes.get(at..at + 2) {
            Some(b"\r\n") => at += 2,
            Some(_) => return Err(Refusal::Malformed),
            None => return Ok(None),
        }
    }
}

fn keeps_alive(fields: &[httparse::Header<'_>], minor: u8) -> bool {
    let says = |word: &[u8]| {
        values(fields, "Connection")
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(word))
    };
    if minor == 0 {
        says(b"keep-alive")
    } else {
        !says(b"close")
    }
}

/// Decides who asks. What a proxy says is believed at its own door only.
fn source(fields: &[httparse::Header<'_>], peer: IpAddr, door: &Door) -> Option<IpAddr> {
    match door {
        Door::Direct => Some(peer.to_canonical()),
        // The last entry is the one that the proxy itself added; those before it came from outside.
        Door::BehindProxy { client_header } => {
            let last = values(fields, client_header.as_deref()?).last()?;
            let last = last.rsplit(|&byte| byte == b',').next()?;
            parse_source(std::str::from_utf8(last).ok()?)
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

fn values<'a>(fields: &'a [httparse::Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
    fields
        .iter()
        .filter(move |field| field.name.eq_ignore_ascii_case(name))
        .map(|field| field.value)
}

fn forwarded(fields: &[httparse::Header<'_>]) -> Vec<(&'static str, String)> {
    let mut out = Vec::with_capacity(2);
    for name in FORWARDED {
        out.extend(
            values(fields, name)
                .take(MAX_VALUES)
                .map(|value| (name, printable(value))),
        );
    }
    out
}

/// tiny_http hangs up on a byte that is not ASCII, and a lost connection is a lost open.
pub fn printable(value: &[u8]) -> String {
    String::from_utf8_lossy(value)
        .chars()
        .take(MAX_HEADER)
        .map(|c| match c {
            ' '..='~' => c,
            '\t' => ' ',
            _ => '?',
        })
        .collect()
}

/// The field in which the gate says to the inner server what nobody else may: its key, which proves that it is the
/// gate of this process, and the [`Asker`].
pub const GATE: &str = "X-Gate";

/// Who asks, and how, as the gate knows it. Its text form is one field, for each costs tiny_http some allocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// It came through the direct entrance.
    pub direct: bool,
    /// Only headers are asked for; the gate leaves the body out itself.
    pub head_only: bool,
    /// The reader's address; `None` where a proxy did not say.
    pub source: Option<IpAddr>,
}

impl std::fmt::Display for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let door = if self.direct { 'd' } else { 'p' };
        let method = if self.head_only { 'h' } else { 'g' };
        write!(f, "{door}{method}")?;
        match self.source {
            Some(source) => write!(f, " {source}"),
            None => Ok(()),
        }
    }
}

impl std::str::FromStr for Asker {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (how, source) = match text.split_once(' ') {
            Some((how, source)) => (how, Some(source.parse().map_err(|_| ())?)),
            None => (text, None),
        };
        let (direct, head_only) = match how {
            "dg" => (true, false),
            "dh" => (true, true),
            "pg" => (false, false),
            "ph" => (false, true),
            _ => return Err(()),
        };
        Ok(Self {
            direct,
            head_only,
            source,
        })
    }
}

impl Head {
    /// Returns the request that tiny_http gets instead, up to its body.
    pub fn canonical(&self, key: &str, door: &Door, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + body.len());
        let method = if matches!(self.route, Route::Act(_) | Route::Erase(_)) {
            "POST"
        } else {
            "GET"
        };
        line(&mut out, &[method, " ", &self.path, " HTTP/1.1"]);
        let asker = Asker {
            direct: *door == Door::Direct,
            head_only: self.head_only,
            source: self.source,
        };
        line(&mut out, &[GATE, ": ", key, " ", &asker.to_string()]);
        for (name, value) in &self.fields {
            line(&mut out, &[name, ": ", value]);
        }
        if !body.is_empty() {
            line(&mut out, &["Content-Length: ", &body.len().to_string()]);
        }
        line(&mut out, &[]);
        out.extend_from_slice(body);
        out
    }
}

fn line(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

impl Route {
    /// Tells whether a token decides what is answered.
    pub(super) fn has_token(self) -> bool {
        !matches!(
            self,
            Self::Robots | Self::Health | Self::Watch | Self::Probe | Self::WrongMethod(_) | Self::Unknown
        )
    }

    /// Tells whether a picture is asked for.
    pub(super) fn is_pixel(self) -> bool {
        matches!(self, Self::Pixel(..) | Self::Probe)
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
