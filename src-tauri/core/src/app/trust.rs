//! Certificates that the user trusts for one server though nobody vouches for them.

use super::engine::Engine;
use super::standing;
use crate::api::{self, Account, AccountKind, AccountSave, AccountTrust, Error, Result, Tag, Tls};
use crate::clock::Instant;
use crate::mail::smtp;
use crate::store::{account, trusted_certificate};
use chrono::DateTime;
use std::sync::Arc;

/// Returns a certificate to be shown.
pub(super) fn shown(certificate: &smtp::Certificate) -> api::Certificate {
    let at = |secs: i64| DateTime::from_timestamp(secs, 0).unwrap_or_default();
    api::Certificate {
        fingerprint: certificate.fingerprint(),
        subject: certificate.subject.clone(),
        issuer: certificate.issuer.clone(),
        valid_from: at(certificate.from),
        valid_until: at(certificate.until),
        certificate: data_encoding::BASE64.encode(&certificate.der),
    }
}

fn read(text: &str) -> Result<Vec<u8>> {
    let der = data_encoding::BASE64
        .decode(text.trim().as_bytes())
        .unwrap_or_default();
    match smtp::Certificate::read(&der) {
        Some(_) => Ok(der),
        None => Err(Error::field(
            "certificate",
            "This is no certificate. Test the connection and take the one that it shows.",
        )),
    }
}

/// Returns the certificate that was typed with an account's settings.
pub(super) fn typed(request: &AccountSave) -> Result<Option<Vec<u8>>> {
    request.certificate.as_deref().map(read).transpose()
}

/// Returns the exception for the account's server: one for another host or port is none.
pub(super) fn of(
    row: Option<trusted_certificate::Trusted>,
    account: &account::Account,
) -> Option<trusted_certificate::Trusted> {
    row.filter(|row| {
        row.host == account.host
            && row.port == account.port
            && account.kind == AccountKind::Smtp
            && account.tls != Tls::None
    })
}

/// Returns the row that trusts `certificate` for the account's server from `now` on.
pub(super) fn row(
    account: &account::Account,
    certificate: Vec<u8>,
    now: Instant,
) -> trusted_certificate::Trusted {
    trusted_certificate::Trusted {
        host: account.host.clone(),
        port: account.port,
        certificate,
        trusted_at: now,
    }
}

/// Trusts one certificate for an account's server, or none any more.
pub fn trust(engine: &Arc<Engine>, request: AccountTrust) -> Result<Account> {
    let certificate = request.certificate.as_deref().map(read).transpose()?;
    let now = engine.clock.now();
    let (account, goes_on) = engine.write(&[Tag::Accounts, Tag::Campaigns], move |conn| {
        let account =
            account::find(conn, request.id)?.ok_or_else(|| Error::not_found("account", request.id))?;
        if certificate.is_some() && (account.kind != AccountKind::Smtp || account.tls == Tls::None) {
            return Err(Error::conflict(format!(
                "{} uses no encryption, so there is no certificate to trust.",
                account.name
            )));
        }
        let row = certificate.map(|certificate| row(&account, certificate, now));
        trusted_certificate::save(conn, account.id, row.as_ref())?;
        // It may have waited for nothing else; trusting less mends nothing.
        let goes_on = row.is_some() && !super::account::waits_for_sign_in(conn, account.id, false)?;
        if goes_on {
            standing::go_on(conn, &[account.id])?;
        }
        Ok((account, goes_on))
    })?;
    if goes_on {
        super::sending::go_on(engine, &[account.id]);
    }
    engine.read(|conn| super::account::shown(engine, conn, account))
}
