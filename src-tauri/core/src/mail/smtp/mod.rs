//! A mail server as a transport: lettre's dialogue over a stream of our own, one connection at a time.
//!
//! Each transport has its own current-thread runtime, so that a worker blocks on its connection and on nothing
//! else. Start at [`SmtpTransport`]; `connect` is the way to a login, `wire` why it is fast and never
//! out of step, `talk` what is kept of the words, `problem` what can fail.

mod connect;
mod login;
mod problem;
mod replies;
mod talk;
mod trust;
mod wire;

pub use login::{TokenError, Tokens};
pub use problem::{CertificateProblem, Problem, Step};
pub use trust::Certificate;

use crate::delivery::retry::{Phase, kind_of};
use crate::delivery::transport::{
    Accepted, DeliveryError, ErrorKind, OutgoingMail, Stage, Transport, clean_reply,
};
use crate::secrets::Secret;
use connect::{Open, REPLY, Trust};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::response::Response;
use lettre::{Address, transport::smtp::Error};
use std::error::Error as _;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use talk::Talk;
use tokio::runtime::Runtime;

/// For the reply to the end of a mail. RFC 5321 §4.5.3.2.6: a server may need ten minutes, and giving up earlier
/// makes an uncertain mail of one that was taken.
const END_REPLY: Duration = Duration::from_secs(600);

/// What ends a mail, behind its last line.
const END: &str = "\r\n.\r\n";

/// A mail of more bytes is not copied.
const LARGE: usize = 64 * 1024;

/// How a connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all: to this computer only.
    None,
    /// By STARTTLS, which is required.
    Starttls,
    /// From the first byte.
    Tls,
}

/// A server and a login.
#[derive(Clone)]
pub struct Settings {
    host: String,
    port: u16,
    security: Security,
    user: String,
    password: Option<Secret>,
    tokens: Option<Arc<dyn Tokens>>,
    trust: Trust,
}

/// What [`Settings`] are made of.
#[derive(Clone)]
pub struct Server {
    /// A name or an IP address without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// Empty where no login is wanted.
    pub user: String,
    /// The password.
    pub password: Option<Secret>,
    /// Gives access tokens, in place of a password: the login is by XOAUTH2 and by nothing else.
    pub tokens: Option<Arc<dyn Tokens>>,
    /// A certificate (DER) that the user takes though nobody vouches for it: at this host and port.
    pub exception: Option<Vec<u8>>,
}

impl Settings {
    /// Returns the settings for `server`, which is trusted by this computer's roots and by `extra_roots` (PEM).
    ///
    /// Fails with a sentence where those cannot be read.
    pub fn new(server: Server, extra_roots: &[Vec<u8>]) -> Result<Self, String> {
        Ok(Self {
            host: server.host,
            port: server.port,
            security: server.security,
            user: server.user,
            password: server.password,
            tokens: server.tokens,
            trust: Trust::new(extra_roots, server.exception)?,
        })
    }
}

fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("No connection can be made: {error}. Close other programs and try again."))
}

/// What a test of a connection found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Steps that worked, with what was seen.
    pub seen: Vec<(Step, String)>,
    /// What is wrong, if anything, as a sentence.
    pub problem: Option<(Problem, String)>,
    /// The certificate that is wrong, where the user may take it all the same.
    pub certificate: Option<Certificate>,
}

/// Connects and logs in, sends nothing.
pub fn probe(settings: &Settings) -> Result<Probe, String> {
    let runtime = runtime()?;
    let mut seen = Vec::new();
    let problem = runtime.block_on(async {
        match connect::open(settings, &mut seen, &Talk::default()).await {
            Ok(mut open) => {
                // The result is known; a server that does not say goodbye changes nothing.
                let _ = tokio::time::timeout(Duration::from_secs(5), open.smtp.quit()).await;
                None
            }
            Err(problem) => Some(problem),
        }
    });
    let problem = problem.map(|problem| {
        let sentence = problem.sentence(&settings.host, settings.port, settings.security, &settings.user);
        (problem, sentence)
    });
    let certificate = match &problem {
        Some((Problem::Certificate(_), _)) => settings.trust.offered(),
        _ => None,
    };
    Ok(Probe {
        seen,
        problem,
        certificate,
    })
}

/// Hands mails to a server over one connection, made at the first mail and kept.
pub struct SmtpTransport {
    settings: Settings,
    runtime: Runtime,
    open: Option<Open>,
    talk: Talk,
}

impl SmtpTransport {
    /// Returns a transport that is not connected yet. Fails with a sentence where the system gives no runtime.
    pub fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            settings,
            runtime: runtime()?,
            open: None,
            talk: Talk::default(),
        })
    }

    fn connect(&mut self) -> Result<(), DeliveryError> {
        if self.open.is_none() {
            let opened = self
                .runtime
                .block_on(connect::open(&self.settings, &mut Vec::new(), &self.talk));
            self.open =
                Some(opened.map_err(|problem| problem.into_error(&self.settings.host, self.settings.port))?);
        }
        Ok(())
    }
}

impl Transport for SmtpTransport {
    fn deliver(&mut self, mail: &OutgoingMail<'_>) -> Result<Accepted, DeliveryError> {
        // What was said at the last mail, and nobody asked for.
        self.talk.take();
        let envelope = Envelope::of(mail)?;
        let mut reused = self.open.is_some();
        loop {
            self.connect()?;
            let open = self.open.as_mut().expect("a connection was just made");
            let error = match self.runtime.block_on(dialogue(open, &envelope, mail.bytes)) {
                Ok(accepted) => return Ok(accepted),
                Err(error) => error,
            };
            let lost = error.code.is_none() || error.code == Some(421);
            if lost || self.runtime.block_on(reset(open)).is_err() {
                self.open = None;
            }
            // A server may close a kept connection while it is idle; that says nothing about this mail.
            if reused && lost && error.stage == Stage::BeforeBody {
                reused = false;
                continue;
            }
            return Err(error);
        }
    }

    fn take_dialogue(&mut self) -> Vec<String> {
        self.talk.take()
    }

    fn close(&mut self) {
        if let Some(mut open) = self.open.take() {
            // All mails have their replies; nobody waits for a goodbye.
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(Duration::from_secs(2), open.smtp.quit()).await });
        }
    }
}

/// An envelope that lettre takes.
struct Envelope {
    from: Address,
    to: Address,
}

impl Envelope {
    fn of(mail: &OutgoingMail<'_>) -> Result<Self, DeliveryError> {
        let refused = |kind, text: &str| DeliveryError {
            kind,
            stage: Stage::BeforeBody,
            code: None,
            reply: format!("{text} cannot stand in an envelope"),
        };
        Ok(Self {
            from: ascii(mail.from).ok_or_else(|| refused(ErrorKind::Message, "the sender's address"))?,
            to: ascii(mail.to).ok_or_else(|| refused(ErrorKind::Recipient, "the recipient's address"))?,
        })
    }
}

/// Returns an address with its domain in ASCII, as servers without SMTPUTF8 want it.
fn ascii(address: &str) -> Option<Address> {
    let (local, domain) = address.rsplit_once('@')?;
    let domain = match url::Host::parse(domain) {
        Ok(url::Host::Domain(domain)) => domain,
        _ => domain.to_owned(),
    };
    Address::new(local, domain).ok().filter(|_| local.is_ascii())
}

async fn reset(open: &mut Open) -> Result<(), DeliveryError> {
    command(open, Rset, Phase::Sender).await.map(|_| ())
}

async fn command(open: &mut Open, command: impl Display, phase: Phase) -> Result<Response, DeliveryError> {
    match tokio::time::timeout(REPLY, open.smtp.command(command)).await {
        Ok(Ok(response)) => in_step(response, phase == Phase::Data, Stage::BeforeBody),
        Ok(Err(error)) => Err(failed(&error, phase, Stage::BeforeBody)),
        Err(_) => Err(silent(Stage::BeforeBody)),
    }
}

/// Refuses a reply that says yes to something else than what was asked: DATA is answered by 354, all others by 2xx
/// (RFC 5321 §4.3.2). lettre takes any of them, and a connection that is out of step would go on.
fn in_step(response: Response, wants_mail: bool, stage: Stage) -> Result<Response, DeliveryError> {
    if (300..400).contains(&u16::from(response.code())) == wants_mail {
        return Ok(response);
    }
    Err(DeliveryError {
        kind: ErrorKind::Network,
        stage,
        code: None,
        reply: format!("the server's replies are out of step: {}", reply_of(&response)),
    })
}

async fn dialogue(open: &mut Open, envelope: &Envelope, bytes: &[u8]) -> Result<Accepted, DeliveryError> {
    let from = Mail::new(Some(envelope.from.clone()), Vec::new());
    command(open, from, Phase::Sender).await?;
    let to = Rcpt::new(envelope.to.clone(), Vec::new());
    command(open, to, Phase::Recipient).await?;
    command(open, Data, Phase::Data).await?;
    let replied = match stuffed(bytes) {
        Some(body) => tokio::time::timeout(END_REPLY, open.smtp.command(body)).await,
        None => tokio::time::timeout(END_REPLY, open.smtp.message(bytes)).await,
    };
    // Only now: whether the mail's end may have left decides whether it may be sent again.
    let stage = if open.meter.all_may_have_left() {
        Stage::AfterBody
    } else {
        Stage::BeforeBody
    };
    match replied {
        Ok(Ok(response)) => in_step(response, false, stage).map(|response| Accepted {
            reply: reply_of(&response),
        }),
        Ok(Err(error)) => Err(failed(&error, Phase::Data, stage)),
        Err(_) => Err(silent(stage)),
    }
}

/// Returns a mail as it stands on the wire, with its end (RFC 5321 §4.5.2); `None` of a large one, and of one that is no
/// text.
///
/// The same bytes as lettre's `message` would write. That one looks at each byte for itself, which is a tenth of what a
/// mail takes; a large mail is left to it, since what is made here is held a second time.
fn stuffed(bytes: &[u8]) -> Option<String> {
    const NEXT: &str = "\r\n.";
    if bytes.len() > LARGE {
        return None;
    }
    let mut rest = std::str::from_utf8(bytes).ok()?;
    let mut out = String::with_capacity(rest.len() + 64);
    if rest.starts_with('.') {
        out.push('.');
    }
    // Nearly always there is none, and to know that is many times as fast as to look where it would be.
    while rest.contains(NEXT)
        && let Some(at) = rest.find(NEXT)
    {
        let (line, after) = rest.split_at(at + NEXT.len());
        out.push_str(line);
        out.push('.');
        rest = after;
    }
    out.push_str(rest);
    out.push_str(END);
    Some(out)
}

fn reply_of(response: &Response) -> String {
    let lines: Vec<&str> = response.message().collect();
    clean_reply(&format!("{} {}", response.code(), lines.join(" ")))
}

fn silent(stage: Stage) -> DeliveryError {
    DeliveryError {
        kind: ErrorKind::Network,
        stage,
        code: None,
        reply: "the server did not reply in time".into(),
    }
}

/// Returns what a server or the network said, without lettre's own words around it.
fn words_of(error: &Error) -> String {
    match error.source() {
        Some(source) => clean_reply(&source.to_string()),
        None => clean_reply(&error.to_string()),
    }
}

fn failed(error: &Error, phase: Phase, stage: Stage) -> DeliveryError {
    let words = words_of(error);
    match error.status().map(u16::from) {
        Some(code) => DeliveryError {
            kind: kind_of(phase, code, &words),
            stage,
            code: Some(code),
            reply: clean_reply(&format!("{code} {words}")),
        },
        None => DeliveryError {
            kind: ErrorKind::Network,
            stage,
            code: None,
            reply: format!("the connection broke: {words}"),
        },
    }
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
pub(crate) mod peer;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod trust_tests;
