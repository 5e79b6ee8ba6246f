//! From a host's name to a connection that is logged in, step by step.
//!
//! The greeting and STARTTLS are ours, before lettre begins: so each failure is known for what it is, a server
//! without STARTTLS is never spoken to any further, and words that were slipped in before the encryption are seen.

use super::login::login;
use super::problem::{CertificateProblem, Problem, Step, handshake};
use super::talk::Talk;
use super::trust::{Certificate, Excusing, Shown};
use super::wire::{Link, Meter, Wire};
use super::{Security, Settings};
use crate::delivery::transport::clean_reply;
use crate::secrets::Secret;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use rustls_platform_verifier::Verifier;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

/// For DNS, TCP and TLS, each.
const REACH: Duration = Duration::from_secs(15);
/// For the greeting and each reply to a command. Servers that delay spammers take up to half a minute.
pub(super) const REPLY: Duration = Duration::from_secs(60);
/// The longest reply before lettre takes over, in bytes.
const MAX_REPLY: usize = 64 * 1024;

/// A connection that is logged in.
pub(super) struct Open {
    pub(super) smtp: AsyncSmtpConnection,
    pub(super) meter: Meter,
    pub(super) talk: Talk,
}

/// A step that worked, with what was seen.
pub(super) type Seen = (Step, String);

pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or(Err(Problem::Timeout))
}

/// Connects, encrypts and logs in; notes each step that worked in `seen`, and what was said in `talk`.
///
/// A token that the server refuses is asked for anew once, over a new connection: servers end tokens before their
/// time, and some hang up after a refusal.
pub(super) async fn open(settings: &Settings, seen: &mut Vec<Seen>, talk: &Talk) -> Result<Open, Problem> {
    let mut token = None;
    match open_with(settings, &mut token, seen, talk).await {
        Err(Problem::TokenRefused { .. }) => {}
        other => return other,
    }
    let tokens = settings.tokens.as_ref().expect("a token was refused");
    token = Some(tokens.token(token.as_ref())?);
    seen.clear();
    open_with(settings, &mut token, seen, talk).await
}

/// `token` is the one to log in with; where it is `None` and the account has tokens, it is the one that was used.
async fn open_with(
    settings: &Settings,
    token: &mut Option<Secret>,
    seen: &mut Vec<Seen>,
    talk: &Talk,
) -> Result<Open, Problem> {
    let addresses = resolve(settings).await?;
    seen.push((Step::Dns, names(&addresses)));
    let mut tcp = reach(&addresses).await?;
    may_speak(settings.security, tcp.peer_addr().map_err(network)?.ip())?;
    let (link, greeting) = match settings.security {
        Security::Tls => {
            seen.push((Step::Port, format!("port {} is open", settings.port)));
            let mut link = encrypt(settings, tcp, seen).await?;
            let greeting = greet(&mut link).await?;
            (link, greeting)
        }
        Security::Starttls => {
            let greeting = greet(&mut tcp).await?;
            seen.push((Step::Port, greeting.text.clone()));
            starttls(&mut tcp).await?;
            talk.note("STARTTLS: encrypted from here on");
            (encrypt(settings, tcp, seen).await?, greeting)
        }
        Security::None => {
            let greeting = greet(&mut tcp).await?;
            seen.push((Step::Port, greeting.text.clone()));
            (Link::Plain(tcp), greeting)
        }
    };
    let (wire, meter) = Wire::new(link, &greeting.raw, talk.clone()).map_err(network)?;
    // An address literal: the computer's name is nobody's business.
    let hello = ClientId::default();
    let smtp = within(REPLY, async {
        AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello)
            .await
            .map_err(|error| spoken(&error))
    })
    .await?;
    let mut open = Open {
        smtp,
        meter,
        talk: talk.clone(),
    };
    login(settings, token, &mut open).await?;
    seen.push((
        Step::Login,
        match settings.user.as_str() {
            "" => "no login is wanted".to_owned(),
            _ => "accepted".to_owned(),
        },
    ));
    Ok(open)
}

/// Without encryption only this computer is spoken to: the name was checked when it was typed, and what it leads to
/// now counts.
pub(super) fn may_speak(security: Security, peer: IpAddr) -> Result<(), Problem> {
    match security {
        Security::None if !peer.is_loopback() => Err(Problem::NotLoopback),
        _ => Ok(()),
    }
}

async fn resolve(settings: &Settings) -> Result<Vec<SocketAddr>, Problem> {
    let found = tokio::time::timeout(REACH, lookup_host((settings.host.as_str(), settings.port)))
        .await
        .map_err(|_| Problem::Dns("no answer in time".into()))?
        .map_err(|error| Problem::Dns(clean_reply(&error.to_string())))?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err(Problem::Dns("it has no address".into()));
    }
    Ok(addresses)
}

fn names(addresses: &[SocketAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    texts.join(", ")
}

async fn reach(addresses: &[SocketAddr]) -> Result<TcpStream, Problem> {
    let mut last = Problem::Timeout;
    for address in addresses {
        match tokio::time::timeout(REACH, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(network)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = network(error),
            Err(_) => last = Problem::Timeout,
        }
    }
    Err(last)
}

fn network(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Problem::Refused,
        io::ErrorKind::TimedOut => Problem::Timeout,
        _ => Problem::Network(clean_reply(&error.to_string())),
    }
}

fn spoken(error: &lettre::transport::smtp::Error) -> Problem {
    match error.status() {
        Some(code) => Problem::Greeting {
            code: code.into(),
            reply: super::words_of(error),
        },
        None => Problem::Network(super::words_of(error)),
    }
}

/// A reply that was read before lettre began.
struct Reply {
    code: u16,
    text: String,
    raw: Vec<u8>,
}

async fn greet<S: AsyncReadExt + Unpin>(stream: &mut S) -> Result<Reply, Problem> {
    // A port that speaks TLS from the first byte waits for us: silence is told apart from a slow network.
    let reply = match within(REPLY / 2, read_reply(stream)).await {
        Err(Problem::Timeout) => return Err(Problem::Silent),
        other => other?,
    };
    match reply.code {
        220 => Ok(reply),
        code => Err(Problem::Greeting {
            code,
            reply: reply.text,
        }),
    }
}

/// Reads one reply and not a byte more than the server sent with it.
async fn read_reply<S: AsyncReadExt + Unpin>(stream: &mut S) -> Result<Reply, Problem> {
    let mut raw = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let n = stream.read(&mut chunk).await.map_err(network)?;
        if n == 0 {
            return Err(Problem::Silent);
        }
        raw.extend_from_slice(&chunk[..n]);
        if raw.len() > MAX_REPLY {
            return Err(Problem::Silent);
        }
        if let Some(reply) = parse(&raw)? {
            return Ok(reply);
        }
    }
}

/// Parses a whole reply (RFC 5321 §4.2); `None` while its last line is still missing.
fn parse(raw: &[u8]) -> Result<Option<Reply>, Problem> {
    if raw.len() >= 3 && !raw[..3].iter().all(u8::is_ascii_digit) {
        return Err(Problem::Silent);
    }
    let mut texts = Vec::new();
    let mut rest = raw;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let (line, after) = (&rest[..end], &rest[end + 2..]);
        let line = String::from_utf8_lossy(line);
        let code = line
            .get(..3)
            .and_then(|code| code.parse().ok())
            .ok_or(Problem::Silent)?;
        texts.push(line.get(4..).unwrap_or_default().to_owned());
        if line.as_bytes().get(3) != Some(&b'-') {
            if !after.is_empty() {
                // Nothing may follow: before the encryption that would be somebody else's words (RFC 3207 §6).
                return Err(Problem::Starttls(
                    "unasked words followed the server's reply".into(),
                ));
            }
            return Ok(Some(Reply {
                code,
                text: clean_reply(&texts.join(" ")),
                raw: raw.to_vec(),
            }));
        }
        rest = after;
    }
    Ok(None)
}

/// Asks for encryption. A server that does not offer it is told nothing else.
async fn starttls(tcp: &mut TcpStream) -> Result<(), Problem> {
    let hello = ask(tcp, &format!("EHLO {}\r\n", ClientId::default())).await?;
    let offered = String::from_utf8_lossy(&hello.raw).lines().any(|line| {
        line.get(4..)
            .is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS"))
    });
    if hello.code != 250 || !offered {
        return Err(Problem::NoStarttls);
    }
    let reply = ask(tcp, "STARTTLS\r\n").await?;
    match reply.code {
        220 => Ok(()),
        code => Err(Problem::Starttls(format!("{code} {}", reply.text))),
    }
}

async fn ask(tcp: &mut TcpStream, command: &str) -> Result<Reply, Problem> {
    within(REPLY, async {
        tcp.write_all(command.as_bytes()).await.map_err(network)?;
        read_reply(tcp).await
    })
    .await
}

/// Whom the connections of some settings trust, and what the last of them was shown.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    config: Arc<ClientConfig>,
    shown: Arc<Mutex<Shown>>,
    has_exception: bool,
}

impl Trust {
    /// Builds it of this computer's roots, those that the binary was given, and the user's exception (DER).
    pub(super) fn new(extra_roots: &[Vec<u8>], exception: Option<Vec<u8>>) -> Result<Self, String> {
        let mut roots: Vec<CertificateDer<'static>> = Vec::new();
        for pem in extra_roots {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.push(certificate.map_err(|error| {
                    format!("The extra root certificate cannot be read: {error}. Give a PEM file.")
                })?);
            }
        }
        let provider = Arc::new(ring::default_provider());
        let failed = |error: tokio_rustls::rustls::Error| {
            format!(
                "This computer's root certificates cannot be used: {error}. Install the package ca-certificates."
            )
        };
        let verifier = Verifier::new_with_extra_roots(roots, provider.clone()).map_err(failed)?;
        let shown = Arc::<Mutex<Shown>>::default();
        let has_exception = exception.is_some();
        let verifier = Excusing::new(verifier, exception, shown.clone());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            shown,
            has_exception,
        })
    }

    fn shown(&self) -> Shown {
        self.shown
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }

    /// Returns the certificate that the last handshake failed with, where the user may take it.
    pub(super) fn offered(&self) -> Option<Certificate> {
        let shown = self.shown();
        let der = shown.certificate.filter(|_| shown.excusable && !shown.excused)?;
        Certificate::read(&der)
    }
}

async fn encrypt(settings: &Settings, tcp: TcpStream, seen: &mut Vec<Seen>) -> Result<Link, Problem> {
    let name = ServerName::try_from(settings.host.clone()).map_err(|_| {
        Problem::Tls(format!(
            "{:?} is no name that a certificate can have",
            settings.host
        ))
    })?;
    let connector = TlsConnector::from(settings.trust.config.clone());
    let shaken = tokio::time::timeout(REACH, connector.connect(name, tcp))
        .await
        .map_err(|_| Problem::Tls("no answer in time".into()))?;
    match shaken {
        Ok(stream) => {
            let version = match stream.get_ref().1.protocol_version() {
                Some(version) => format!("{version:?}").replace("TLSv1_", "TLS 1."),
                None => "encrypted".to_owned(),
            };
            seen.push((Step::Tls, version));
            let trusted = match settings.trust.shown().excused {
                true => format!("not vouched for, trusted by you for {}", settings.host),
                false => format!("trusted, for {}", settings.host),
            };
            seen.push((Step::Certificate, trusted));
            Ok(Link::Tls(Box::new(stream)))
        }
        Err(error) => {
            let mut problem = handshake(&error);
            if matches!(problem, Problem::Certificate(_)) && settings.trust.has_exception {
                problem = Problem::Certificate(CertificateProblem::Changed);
            }
            if matches!(problem, Problem::Certificate(_)) {
                seen.push((Step::Tls, "the server speaks TLS".into()));
            }
            Err(problem)
        }
    }
}
