//! Verifies the signatures of a mail (crate mail-auth), with keys that are looked up by [`Dns`].

use super::dns::Dns;
use crate::deliverability::mail::{Outcome, Signature};
use mail_auth::common::crypto::CryptoError;
use mail_auth::dkim::DkimError;
use mail_auth::{AuthenticatedMessage, DkimOutput, DkimResult, DnsError, Error, MessageAuthenticator};

impl Dns {
    /// Verifies every signature of a mail whose lines end in CRLF.
    ///
    /// A signature that lacks a part which all must have is left out, so there may be fewer than the mail has headers.
    pub fn signatures(&self, mail: &[u8]) -> Vec<Signature> {
        // Not strict: a signature with `l=` is verified, and what it leaves out is told.
        let Some(message) = AuthenticatedMessage::parse_with_opts(mail, None, false) else {
            return Vec::new();
        };
        let authenticator = MessageAuthenticator(self.resolver.clone());
        match self.wait(authenticator.verify_dkim(&message)) {
            Some(verified) => verified.iter().map(seen).collect(),
            None => vec![Signature {
                domain: String::new(),
                selector: String::new(),
                headers: Vec::new(),
                length: None,
                expires: None,
                outcome: Outcome::Unasked("the name server did not answer in time".into()),
            }],
        }
    }
}

fn seen(verified: &DkimOutput<'_>) -> Signature {
    let signature = verified.signature();
    Signature {
        domain: signature
            .map(|signature| signature.d.to_ascii_lowercase())
            .unwrap_or_default(),
        selector: signature.map(|signature| signature.s.clone()).unwrap_or_default(),
        headers: signature
            .map(|signature| signature.h.iter().map(|name| name.to_ascii_lowercase()).collect())
            .unwrap_or_default(),
        length: signature
            .map(|signature| signature.l)
            .filter(|length| *length > 0),
        expires: signature
            .map(|signature| signature.x)
            .filter(|expires| *expires > 0),
        outcome: match verified.result() {
            DkimResult::Pass => Outcome::Holds,
            DkimResult::Neutral(error)
            | DkimResult::Fail(error)
            | DkimResult::PermError(error)
            | DkimResult::TempError(error) => why(error),
            DkimResult::None => Outcome::Unreadable("nothing was verified".into()),
        },
    }
}

fn why(error: &Error) -> Outcome {
    match error {
        Error::Dkim(DkimError::FailedBodyHashMatch) => Outcome::BodyChanged,
        Error::Dkim(DkimError::FailedAuidMatch)
        | Error::Crypto(CryptoError::FailedVerification | CryptoError::IncompatibleAlgorithms)
        // ring says no more of a signature that does not fit its key.
        | Error::Crypto(CryptoError::Library(_)) => Outcome::Broken,
        Error::Dkim(DkimError::SignatureExpired) => Outcome::Expired,
        Error::Dkim(DkimError::RevokedPublicKey) => Outcome::Revoked,
        Error::Dns(DnsError::RecordNotFound(_) | DnsError::InvalidRecordType) => Outcome::NoKey,
        Error::Dns(DnsError::Resolver(words)) => Outcome::Unasked(words.clone()),
        other => Outcome::Unreadable(other.to_string()),
    }
}
