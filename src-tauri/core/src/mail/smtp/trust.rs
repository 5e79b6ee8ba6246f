//! Whom a connection trusts: this computer's roots, and the one certificate that the user took all the same.
//!
//! An exception is for exactly one certificate, compared byte by byte, and the account keeps it for one host and port.
//! It stands in for the issuer's word only: the server still has to prove in the handshake that the key is its own.

use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, Mutex};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate as it is shown before it is taken or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// As the server sent it (X.509, DER).
    pub der: Vec<u8>,
    /// SHA-256 of it, 32 bytes.
    pub sha256: [u8; 32],
    /// Whom it is for.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Its beginning, in seconds since 1970.
    pub from: i64,
    /// Its end, in seconds since 1970.
    pub until: i64,
}

impl Certificate {
    /// Reads a certificate; `None` where `der` is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        // It is shown to the user, and anybody can have written it.
        let shown = |name: String| {
            crate::delivery::transport::clean_reply(&name)
                .chars()
                .take(200)
                .collect()
        };
        Some(Self {
            sha256: Sha256::digest(der).into(),
            subject: shown(parsed.subject().to_string()),
            issuer: shown(parsed.issuer().to_string()),
            from: parsed.validity().not_before.timestamp(),
            until: parsed.validity().not_after.timestamp(),
            der: der.to_vec(),
        })
    }

    /// Returns the fingerprint in groups of four hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let digits: Vec<String> = self
            .sha256
            .chunks(2)
            .map(|pair| data_encoding::HEXUPPER.encode(pair))
            .collect();
        digits.join(" ")
    }
}

/// What the verifier saw in the last handshake.
#[derive(Debug, Default, Clone)]
pub(super) struct Shown {
    /// The server's certificate.
    pub(super) certificate: Option<Vec<u8>>,
    /// It was taken because the user said so, and for no other reason.
    pub(super) excused: bool,
    /// The user may take it all the same.
    pub(super) excusable: bool,
}

/// Asks `roots` first, then the exception.
pub(super) struct Excusing<V> {
    roots: V,
    exception: Option<Vec<u8>>,
    shown: Arc<Mutex<Shown>>,
}

impl<V> Excusing<V> {
    pub(super) fn new(roots: V, exception: Option<Vec<u8>>, shown: Arc<Mutex<Shown>>) -> Self {
        Self {
            roots,
            exception,
            shown,
        }
    }
}

impl<V> fmt::Debug for Excusing<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Excusing").finish_non_exhaustive()
    }
}

impl<V: ServerCertVerifier> ServerCertVerifier for Excusing<V> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.roots
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let is_excusable = verified.as_ref().err().is_some_and(is_excusable)
            // What the handshake's signature cannot be checked with is of no use, whoever says so.
            && ParsedCertificate::try_from(end_entity).is_ok();
        let is_excused = is_excusable && self.exception.as_deref() == Some(end_entity.as_ref());
        *self.shown.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Shown {
            certificate: Some(end_entity.to_vec()),
            excused: is_excused,
            excusable: is_excusable,
        };
        match verified {
            Err(_) if is_excused => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.roots.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.roots.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.roots.supported_verify_schemes()
    }
}

/// A certificate that its issuer took back, or that cannot be read, is taken for nobody's word.
fn is_excusable(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(why) => !matches!(
            why,
            CertificateError::Revoked
                | CertificateError::BadEncoding
                | CertificateError::ApplicationVerificationFailure
        ),
        _ => false,
    }
}
