//! Asks an address as a mail program asks for a picture: https, no redirects, ten seconds at most.
//!
//! Names are looked up by `net::dns` anew each time. The system's own resolver would be less to write, but it keeps
//! answers, also that there is none, and believes this computer's list of hosts: both say what this computer sees and
//! not what readers see. It also tells a name that does not exist from a name server that does not answer.

use super::sight::{Answer, Certificate, End, NameFault, Sight, Stage, TlsFault};
use super::{PATH, PROOF};
use crate::deliverability::{NameError, Names};
use crate::net::dns::Dns;
use rustls_platform_verifier::Verifier;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// For everything.
const WHOLE: Duration = Duration::from_secs(10);
/// For the name.
const NAME: Duration = Duration::from_secs(5);
/// For each address of it.
const CONNECT: Duration = Duration::from_secs(4);
/// For the second answer, which nobody has to give.
const AGAIN: Duration = Duration::from_secs(4);
/// The most that is read of an answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;
/// Apple Mail's, which passes for a browser's: pages that stand in front of a picture are shown to it as well.
const USER_AGENT: &str =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)";

/// What is to be asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// `https://HOST`, without a trailing slash.
    pub base_url: String,
    /// What the listener is waiting for.
    pub nonce: String,
    /// What it answers then.
    pub proof: String,
    /// Ask once more with the same nonce, which must not be answered: a cache would.
    pub twice: bool,
    /// The name server to ask; `None` asks this computer's.
    pub names: Option<SocketAddr>,
    /// PEM texts of root certificates to trust besides this computer's.
    pub roots: Vec<Vec<u8>>,
}

/// Ends a question from another thread.
#[derive(Debug, Default)]
pub struct Stop(Notify);

impl Stop {
    /// Ends the question that is being asked, or the next one at once.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

/// Asks, and returns what was seen and how long the answer took, lookups of the name left out; `None` where it was
/// stopped.
///
/// # Errors
/// Where this computer cannot ask anybody: no root certificates, no event loop.
pub fn ask(question: &Question, stop: &Stop) -> Result<Option<(Sight, Option<Duration>)>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("This computer lets nothing be asked: {error}."))?;
    let asked = runtime.block_on(async {
        tokio::select! {
            seen = whole(question) => seen.map(Some),
            () = stop.0.notified() => Ok(None),
        }
    });
    // A name server that does not answer is not waited for: its thread ends by itself.
    runtime.shutdown_background();
    asked
}

/// Returns the address under which this computer would go out into the internet; `None` where it has no way there.
/// Nothing is sent.
pub fn way_out() -> Option<IpAddr> {
    // RFC 5737 and RFC 3849: nobody's.
    let far = [
        SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 443)),
        SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 443)),
    ];
    far.into_iter().find_map(from)
}

/// Returns the address from which this computer speaks to `to`.
fn from(to: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    socket.local_addr().ok().map(|addr| addr.ip())
}

async fn whole(question: &Question) -> Result<(Sight, Option<Duration>), String> {
    let url = url::Url::parse(&question.base_url)
        .map_err(|error| format!("{:?} is no address: {error}.", question.base_url))?;
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let mut sight = Sight {
        host,
        port,
        addresses: Vec::new(),
        is_own: false,
        of_the_world: !question.names.is_some_and(|server| server.ip().is_loopback()),
        certificate: None,
        expected: question.proof.clone(),
        end: End::PlainHttp,
    };
    if url.scheme() != "https" {
        return Ok((sight, None));
    }
    let shown = Arc::<Mutex<Option<Vec<u8>>>>::default();
    let call = Call {
        config: Arc::new(config(&question.roots, shown.clone())?),
        authority: url[url::Position::BeforeHost..url::Position::AfterPort].to_owned(),
        path: format!("{PATH}{}", question.nonce),
        until: tokio::time::Instant::now() + WHOLE,
    };
    let mut latency = None;
    sight.end = match call.run(&mut sight, question, &mut latency).await {
        Ok(end) | Err(end) => end,
    };
    let der = shown
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .take();
    sight.certificate = der.as_deref().and_then(read_certificate);
    Ok((sight, latency))
}

/// One question on its way.
struct Call {
    config: Arc<ClientConfig>,
    authority: String,
    path: String,
    until: tokio::time::Instant,
}

impl Call {
    /// Goes step by step; the step that fails is the end.
    async fn run(
        &self,
        sight: &mut Sight,
        question: &Question,
        latency: &mut Option<Duration>,
    ) -> Result<End, End> {
        sight.addresses = self.resolve(&sight.host, question.names).await?;
        let started = Instant::now();
        let tcp = self.connect(sight).await?;
        let peer = tcp.peer_addr().map_err(|_| End::HungUp)?;
        sight.is_own = from(peer).is_some_and(|local| local == peer.ip());
        let first = self.over(tcp, &sight.host).await?;
        *latency = Some(started.elapsed());
        let proves = first.field(&PROOF.to_ascii_lowercase()) == Some(sight.expected.as_str());
        let again = if question.twice && proves {
            let again = async {
                self.over(TcpStream::connect(peer).await.ok()?, &sight.host)
                    .await
                    .ok()
            };
            timeout(AGAIN, again).await.ok().flatten()
        } else {
            None
        };
        Ok(End::Answer { first, again })
    }

    async fn resolve(&self, host: &str, server: Option<SocketAddr>) -> Result<Vec<IpAddr>, End> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        let name = host.to_owned();
        let looked = tokio::task::spawn_blocking(move || {
            Dns::open(server, NAME)
                .map_err(NameError::Failed)?
                .addresses(&name)
        });
        let found = timeout(NAME, looked)
            .await
            .map_err(|_| NameError::TimedOut)
            .and_then(|joined| joined.map_err(|error| NameError::Failed(error.to_string())))
            .and_then(|found| found);
        let is_offline = || server.is_none_or(|server| !server.ip().is_loopback()) && way_out().is_none();
        match found {
            Ok(addresses) if addresses.is_empty() => Err(End::Name(NameFault::Unknown)),
            Ok(addresses) => Ok(addresses),
            Err(error) if error.is_absent() => Err(End::Name(NameFault::Unknown)),
            Err(_) if is_offline() => Err(End::NoNetwork),
            Err(NameError::TimedOut) => Err(End::Name(NameFault::Silent)),
            Err(_) => Err(End::Name(NameFault::Failed)),
        }
    }

    /// Connects to the first address that answers. Where none does, the end is that of the first.
    async fn connect(&self, sight: &mut Sight) -> Result<TcpStream, End> {
        let mut end = None;
        for ip in sight.addresses.iter().take(MAX_ADDRESSES) {
            let to = SocketAddr::new(*ip, sight.port);
            let until = self.until.min(tokio::time::Instant::now() + CONNECT);
            let failed = match timeout_at(until, TcpStream::connect(to)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => match error.kind() {
                    io::ErrorKind::ConnectionRefused => End::Refused,
                    io::ErrorKind::TimedOut => End::Timeout(Stage::Connect),
                    _ if !ip.is_loopback() && way_out().is_none() => End::NoNetwork,
                    _ => End::NoWay,
                },
                Err(_) => End::Timeout(Stage::Connect),
            };
            if end.is_none() {
                sight.is_own = from(to).is_some_and(|local| local == *ip);
                end = Some(failed);
            }
        }
        Err(end.unwrap_or(End::Name(NameFault::Unknown)))
    }

    /// Encrypts, asks and reads.
    async fn over(&self, tcp: TcpStream, host: &str) -> Result<Answer, End> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| End::Name(NameFault::Unknown))?;
        let connector = TlsConnector::from(self.config.clone());
        let mut stream = timeout_at(self.until, connector.connect(name, tcp))
            .await
            .map_err(|_| End::Timeout(Stage::Tls))?
            .map_err(|error| handshake(&error))?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {USER_AGENT}\r\nAccept: image/*\r\nAccept-Language: en\r\n\
             Connection: close\r\n\r\n",
            self.path, self.authority
        );
        let talk = async {
            stream
                .write_all(request.as_bytes())
                .await
                .map_err(|_| End::HungUp)?;
            read(&mut stream).await
        };
        timeout_at(self.until, talk)
            .await
            .map_err(|_| End::Timeout(Stage::Answer))?
    }
}

/// Reads one answer, up to its limit.
async fn read(stream: &mut TlsStream<TcpStream>) -> Result<Answer, End> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        // Many servers do not say that they close: what came counts.
        let n = stream.read(&mut chunk).await.unwrap_or(0);
        bytes.extend_from_slice(&chunk[..n]);
        let is_over = n == 0 || bytes.len() >= MAX_ANSWER;
        match parse(&bytes, is_over) {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) if is_over && bytes.is_empty() => return Err(End::HungUp),
            Ok(None) if is_over => return Err(End::Noise),
            Ok(None) => {}
            Err(()) => return Err(End::Noise),
        }
    }
}

/// Reads an answer from its bytes; `None` while it is not whole. An answer that is over is whole as it is.
///
/// A body in chunks stays so: it is only looked through for what is known.
fn parse(bytes: &[u8], is_over: bool) -> Result<Option<Answer>, ()> {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut fields);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(()),
    };
    let answer = Answer {
        status: response.code.unwrap_or(0),
        fields: response
            .headers
            .iter()
            .map(|field| {
                let value = String::from_utf8_lossy(field.value).trim().to_owned();
                (field.name.to_ascii_lowercase(), value)
            })
            .collect(),
        body: bytes[head..].to_vec(),
    };
    let is_whole = match (answer.field("content-length"), answer.field("transfer-encoding")) {
        (Some(length), None) => length
            .parse::<usize>()
            .is_ok_and(|length| answer.body.len() >= length),
        (_, Some(_)) => answer.body.ends_with(b"0\r\n\r\n"),
        (None, None) => matches!(answer.status, 204 | 304),
    };
    Ok((is_over || is_whole).then_some(answer))
}

/// Reads a handshake that failed.
fn handshake(error: &io::Error) -> End {
    let Some(error) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                End::Tls(TlsFault::Broken("it hung up".into()))
            }
            _ => End::Tls(TlsFault::Broken(error.to_string())),
        };
    };
    End::Tls(match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::Unvouched,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFault::OtherName
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsFault::NotYetValid
            }
            // An authority of its own, as a server.
            other if other.to_string().contains("CaUsedAsEndEntity") => TlsFault::Unvouched,
            CertificateError::Revoked => TlsFault::Certificate("its issuer took it back".into()),
            _ => TlsFault::Certificate("it cannot be read".into()),
        },
        // Words of HTTP where a record of TLS should begin.
        rustls::Error::InvalidMessage(_) => TlsFault::Plain,
        other => TlsFault::Broken(other.to_string()),
    })
}

fn config(roots: &[Vec<u8>], shown: Arc<Mutex<Option<Vec<u8>>>>) -> Result<ClientConfig, String> {
    let failed = |error: &dyn fmt::Display| {
        format!(
            "This computer's root certificates cannot be used: {error}. Install the package ca-certificates."
        )
    };
    let mut extra = Vec::new();
    for pem in roots {
        for found in CertificateDer::pem_slice_iter(pem) {
            extra.push(found.map_err(|error| failed(&error))?);
        }
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(extra, provider.clone()).map_err(|error| failed(&error))?;
    let verifier = Noting { verifier, shown };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Asks this computer's verifier, and keeps what was shown to it.
struct Noting {
    verifier: Verifier,
    shown: Arc<Mutex<Option<Vec<u8>>>>,
}

impl fmt::Debug for Noting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noting").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.shown.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(end_entity.to_vec());
        self.verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn read_certificate(der: &[u8]) -> Option<Certificate> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let names = parsed
        .extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        })
        .flatten()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(
                name.chars()
                    .filter(|letter| !letter.is_control())
                    .take(100)
                    .collect(),
            ),
            _ => None,
        })
        .take(8)
        .collect();
    Some(Certificate {
        until: parsed.validity().not_after.timestamp(),
        names,
        is_self_signed: parsed.subject() == parsed.issuer(),
    })
}

#[cfg(test)]
#[path = "asker_tests.rs"]
pub(crate) mod tests;
