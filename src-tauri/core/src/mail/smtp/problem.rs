//! What can be wrong with a connection to a mail server, and the sentence that says what to do about it.

use super::{Security, TokenError};
use crate::delivery::transport::{DeliveryError, ErrorKind, Stage, clean_reply};
use tokio_rustls::rustls;

/// A step on the way to a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The host's name.
    Dns,
    /// The TCP connection and the server's greeting.
    Port,
    /// The encryption.
    Tls,
    /// The server's certificate.
    Certificate,
    /// The login.
    Login,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateProblem {
    /// Nobody whom this computer trusts has signed it.
    UnknownIssuer,
    /// It is for another name.
    WrongName,
    /// It is past its end.
    Expired,
    /// It is before its beginning: mostly this computer's clock.
    NotYetValid,
    /// It is not the one that the user took, and nobody vouches for it.
    Changed,
    /// Anything else, as the verifier says it.
    Other(String),
}

/// Why there is no connection that can send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The name leads nowhere.
    Dns(String),
    /// Nobody listens at the port.
    Refused,
    /// No answer in time.
    Timeout,
    /// The network failed.
    Network(String),
    /// Without encryption, but the host is not this computer.
    NotLoopback,
    /// A port that greets as no mail server does, or not at all.
    Silent,
    /// The server wants no mail from us.
    Greeting {
        /// Its code.
        code: u16,
        /// Its words.
        reply: String,
    },
    /// STARTTLS is not offered: stripped on the way, or not supported.
    NoStarttls,
    /// STARTTLS was refused, or came with words that were not encrypted.
    Starttls(String),
    /// The server does not speak TLS, or no version that is safe.
    Tls(String),
    /// The certificate cannot be trusted.
    Certificate(CertificateProblem),
    /// The server offers neither PLAIN nor LOGIN.
    NoMechanism,
    /// The server does not offer XOAUTH2, and the account has no password.
    NoXoauth2,
    /// There is no token to log in with.
    Token(TokenError),
    /// The server did not take the token.
    TokenRefused {
        /// The server's code.
        code: u16,
        /// Its words.
        reply: String,
    },
    /// A user name without a password.
    NoPassword,
    /// The login was refused.
    Login {
        /// The server's code.
        code: u16,
        /// Its words.
        reply: String,
    },
}

impl Problem {
    /// Returns the step that failed.
    pub fn step(&self) -> Step {
        match self {
            Self::Dns(_) => Step::Dns,
            Self::Refused
            | Self::Timeout
            | Self::Network(_)
            | Self::NotLoopback
            | Self::Silent
            | Self::Greeting { .. } => Step::Port,
            Self::NoStarttls | Self::Starttls(_) | Self::Tls(_) => Step::Tls,
            Self::Certificate(_) => Step::Certificate,
            Self::NoMechanism
            | Self::NoXoauth2
            | Self::NoPassword
            | Self::Token(_)
            | Self::TokenRefused { .. }
            | Self::Login { .. } => Step::Login,
        }
    }

    /// Returns what was seen, in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Dns(why) => format!("the name was not found: {why}"),
            Self::Refused => "the connection was refused".into(),
            Self::Timeout => "there was no answer in time".into(),
            Self::Network(why) => why.clone(),
            Self::NotLoopback => "it is not this computer".into(),
            Self::Silent => "it does not answer as a mail server".into(),
            Self::Greeting { code, reply }
            | Self::Login { code, reply }
            | Self::TokenRefused { code, reply } => format!("{code} {reply}"),
            Self::Token(TokenError::NotSignedIn) => "nobody is signed in".into(),
            Self::Token(TokenError::SignInAgain) => {
                "the permission to send has ended; sign in again in the account's settings".into()
            }
            Self::Token(TokenError::Failed { words, .. }) => words.clone(),
            Self::NoXoauth2 => "XOAUTH2 is not offered".into(),
            Self::NoStarttls => "STARTTLS is not offered".into(),
            Self::Starttls(why) | Self::Tls(why) => why.clone(),
            Self::Certificate(CertificateProblem::UnknownIssuer) => {
                "the certificate is from an unknown issuer".into()
            }
            Self::Certificate(CertificateProblem::WrongName) => "the certificate is for another name".into(),
            Self::Certificate(CertificateProblem::Expired) => "the certificate has expired".into(),
            Self::Certificate(CertificateProblem::NotYetValid) => "the certificate is not valid yet".into(),
            Self::Certificate(CertificateProblem::Changed) => {
                "the certificate is not the one that was trusted".into()
            }
            Self::Certificate(CertificateProblem::Other(why)) => why.clone(),
            Self::NoMechanism => "neither PLAIN nor LOGIN is offered".into(),
            Self::NoPassword => "no password is stored".into(),
        }
    }

    /// Returns a sentence that says what is wrong, with what, and what to do.
    pub fn sentence(&self, host: &str, port: u16, security: Security, user: &str) -> String {
        match self {
            Self::Dns(_) => format!(
                "There is no server called {host:?}. Check its spelling, and that this computer is online."
            ),
            Self::Refused => format!(
                "The server {host} refuses connections on port {port}. Check the port: 587 for STARTTLS, 465 for TLS."
            ),
            Self::Timeout => format!(
                "The server {host} did not answer on port {port}. Check the port; some networks block it, and 587 or 465 \
                 mostly work."
            ),
            Self::Network(why) => {
                format!("The server {host} cannot be reached: {why}. Check that this computer is online.")
            }
            Self::NotLoopback => format!(
                "{host} is not this computer, so it is not used without encryption. Choose STARTTLS or TLS."
            ),
            Self::Silent if security != Security::Tls => format!(
                "The server {host} did not greet on port {port}. If that port speaks TLS from the first byte, as 465 does, \
                 choose TLS instead."
            ),
            Self::Silent => {
                format!("Port {port} of {host} does not answer as a mail server. Check the port.")
            }
            Self::Greeting { .. } => format!(
                "The server {host} takes no mail from here ({}). Check that it is your provider's server for sending.",
                self.words()
            ),
            Self::NoStarttls => format!(
                "The server {host} does not offer STARTTLS on port {port}, so the password would travel unprotected. \
                 Choose TLS with port 465; if STARTTLS worked before, somebody on the network may be removing it."
            ),
            Self::Starttls(why) => format!(
                "The server {host} refused to encrypt the connection ({why}). Choose TLS with port 465, or ask your \
                 provider."
            ),
            Self::Tls(why) if security == Security::Tls => format!(
                "The server {host} does not speak TLS on port {port} ({why}). If the port is 587 or 25, choose STARTTLS \
                 instead."
            ),
            Self::Tls(why) => {
                format!("The connection to {host} could not be encrypted ({why}). Ask your provider.")
            }
            Self::Certificate(problem) => certificate(problem, host),
            Self::NoMechanism => format!(
                "The server {host} offers no login by password. It may want another port, such as 587, or that you sign in \
                 with Google or Microsoft instead."
            ),
            Self::NoXoauth2 => format!(
                "The server {host} takes no sign-in of this kind. Check the host, or choose a password instead."
            ),
            Self::Token(TokenError::NotSignedIn) => {
                format!("{user} is not signed in yet. Sign in, and test again.")
            }
            Self::Token(TokenError::SignInAgain) => {
                format!(
                    "The permission to send as {user} has ended. Sign in again in the account's settings."
                )
            }
            Self::Token(TokenError::Failed {
                words,
                is_passing: true,
            }) => {
                format!(
                    "The sign-in of {user} could not be renewed: {words}. Check that this computer is online."
                )
            }
            Self::Token(TokenError::Failed { words, .. }) => format!(
                "The sign-in of {user} could not be renewed: {words}. Check the client ID and its secret, and sign in \
                 again."
            ),
            Self::TokenRefused { .. } => format!(
                "The server {host} did not take the sign-in of {user:?} ({}). Sign in again with the account that the \
                 user name belongs to; its owner or administrator must allow it to send by SMTP.",
                self.words()
            ),
            Self::NoPassword => {
                format!("No password is stored for {user:?}. Type it in the account's settings.")
            }
            Self::Login { .. } => format!(
                "The server {host} refused the login for {user:?} ({}). Check the password, or create an app password.",
                self.words()
            ),
        }
    }

    /// Returns the error of a mail that could not be begun.
    pub(super) fn into_error(self, host: &str, port: u16) -> DeliveryError {
        let (kind, code) = match &self {
            Self::Login { code, .. } | Self::TokenRefused { code, .. } => (ErrorKind::Auth, Some(*code)),
            Self::Greeting { code, .. } => (ErrorKind::Network, Some(*code)),
            Self::NoMechanism | Self::NoXoauth2 | Self::NoPassword => (ErrorKind::Auth, None),
            Self::Token(TokenError::Failed { is_passing: true, .. }) => (ErrorKind::Network, None),
            Self::Token(_) => (ErrorKind::Auth, None),
            _ => (ErrorKind::Network, None),
        };
        let reply = match &self {
            Self::Login { .. } | Self::TokenRefused { .. } | Self::Token(_) => self.words(),
            _ => format!("{host} port {port}: {}", self.words()),
        };
        DeliveryError {
            kind,
            stage: Stage::Connecting,
            code,
            reply: clean_reply(&reply),
        }
    }
}

fn certificate(problem: &CertificateProblem, host: &str) -> String {
    match problem {
        CertificateProblem::UnknownIssuer => format!(
            "The certificate of {host} is from an issuer that this computer does not know. If the server is your own, \
             compare the fingerprint with its owner's and trust it; if not, do not send a password there."
        ),
        CertificateProblem::WrongName => format!(
            "The certificate of {host} is for another name. Use the name that your provider states for its mail server."
        ),
        CertificateProblem::Expired => format!(
            "The certificate of {host} has expired. Tell whoever runs the server, and check this computer's clock."
        ),
        CertificateProblem::NotYetValid => {
            format!("The certificate of {host} is not valid yet. Check this computer's clock.")
        }
        CertificateProblem::Changed => format!(
            "The certificate of {host} is not the one that you trusted. If whoever runs the server has replaced it, \
             compare its fingerprint with them and trust it anew; if not, do not send a password there."
        ),
        CertificateProblem::Other(why) => {
            format!("The certificate of {host} cannot be trusted: {why}. Ask your provider.")
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

/// Reads a failed handshake.
pub(super) fn handshake(error: &std::io::Error) -> Problem {
    let Some(error) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
        return Problem::Tls(clean_reply(&error.to_string()));
    };
    match error {
        rustls::Error::InvalidCertificate(why) => {
            use rustls::CertificateError as C;
            Problem::Certificate(match why {
                // A root with a known name and another key has not issued it either.
                C::UnknownIssuer | C::BadSignature => CertificateProblem::UnknownIssuer,
                C::NotValidForName | C::NotValidForNameContext { .. } => CertificateProblem::WrongName,
                C::Expired | C::ExpiredContext { .. } => CertificateProblem::Expired,
                C::NotValidYet | C::NotValidYetContext { .. } => CertificateProblem::NotYetValid,
                // What `openssl req -x509` makes when it is told nothing else: an authority of its own, as a server.
                other if other.to_string().contains("CaUsedAsEndEntity") => CertificateProblem::UnknownIssuer,
                other => CertificateProblem::Other(clean_reply(&other.to_string())),
            })
        }
        other => Problem::Tls(clean_reply(&other.to_string())),
    }
}
