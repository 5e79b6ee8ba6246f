//! Checks before sending: a sender's domain, and a test mail that came back.

use super::account::is_loopback;
use super::engine::Engine;
use super::error::sentence;
use super::mail_file;
use crate::api::{
    AccountKind, Code, DomainCheck, DomainCheckLast, DomainCheckLastResponse, DomainChecked, Error,
    MailCheck, MailChecked, Result, Tag,
};
use crate::deliverability::domain::Question;
use crate::deliverability::{self, mail};
use crate::domain::contact::EmailAddress;
use crate::net::dns::{Dns, LIMIT};
use crate::store::{account, domain_check};
use std::path::Path;
use std::sync::Arc;

/// Looks up what mail servers ask about a sender's domain, and keeps the result.
pub fn domain(engine: &Arc<Engine>, request: DomainCheck) -> Result<DomainChecked> {
    let (domain, host) = match (&request.domain, request.account) {
        (Some(domain), _) => (ascii(domain)?, None),
        (None, Some(id)) => {
            let account = engine
                .read(|conn| Ok(account::find(conn, id)?))?
                .ok_or_else(|| Error::not_found("account", id))?;
            let host =
                (account.kind == AccountKind::Smtp && !is_loopback(&account.host)).then_some(account.host);
            (domain_of(&account.from_address)?, host)
        }
        (None, None) => return Err(Error::invalid("Say which account or which domain to check.")),
    };
    let selector = match request.selector.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(text) => Some(selector(text)?),
    };
    let question = Question {
        domain,
        host,
        selector,
    };
    let names = names(engine)?;
    let findings = deliverability::domain::check(&names, &question);
    let checked = DomainChecked {
        domain: question.domain,
        at: engine.clock.now(),
        severity: deliverability::worst(&findings),
        findings,
    };
    let kept = checked.clone();
    engine.write(&[Tag::Accounts], move |conn| Ok(domain_check::put(conn, &kept)?))?;
    Ok(checked)
}

/// Returns the last result for an account's domain.
pub fn domain_last(engine: &Arc<Engine>, request: DomainCheckLast) -> Result<DomainCheckLastResponse> {
    engine.read(|conn| {
        let account = account::find(conn, request.account)?
            .ok_or_else(|| Error::not_found("account", request.account))?;
        let checked = match domain_of(&account.from_address) {
            Ok(domain) => domain_check::get(conn, &domain)?,
            Err(_) => None,
        };
        Ok(DomainCheckLastResponse { checked })
    })
}

/// Reads a test mail and checks its signatures.
pub fn mail(engine: &Arc<Engine>, request: MailCheck) -> Result<MailChecked> {
    let bytes = mail::as_sent(mail_file::read(
        Path::new(&request.path),
        "path",
        mail::MAX_BYTES,
    )?);
    let read = mail::read(&bytes).map_err(|error| Error::field("path", sentence(&error.to_string())))?;
    let names = names(engine)?;
    let signatures = if read.signatures == 0 {
        Vec::new()
    } else {
        names.signatures(&bytes)
    };
    let findings = mail::check(&names, &read, &signatures, engine.clock.now());
    Ok(MailChecked {
        from: read.from,
        subject: read.subject,
        severity: deliverability::worst(&findings),
        findings,
    })
}

fn names(engine: &Engine) -> Result<Dns> {
    Dns::open(engine.dns, LIMIT).map_err(|sentence| Error::new(Code::Unreachable, sentence))
}

fn domain_of(address: &str) -> Result<String> {
    let address: EmailAddress = address.parse()?;
    ascii(&address.domain())
}

/// Returns a domain as it is asked for: in ASCII, in lower case, without a dot at its end.
fn ascii(text: &str) -> Result<String> {
    let text = text.trim().trim_end_matches('.');
    let text = text.rsplit('@').next().unwrap_or_default();
    let wrong = || {
        Error::field(
            "domain",
            format!(
                "{:?} is no domain. Write the part behind the @ of your address, such as example.org.",
                text.chars().take(80).collect::<String>()
            ),
        )
    };
    match url::Host::parse(text) {
        Ok(url::Host::Domain(ascii)) if ascii.contains('.') && is_name(&ascii, 253) => {
            Ok(ascii.to_ascii_lowercase())
        }
        _ => Err(wrong()),
    }
}

/// Reads the name of a signing key, also from the whole name of its record.
fn selector(text: &str) -> Result<String> {
    let lower = text.to_ascii_lowercase();
    let end = lower.find("._domainkey").unwrap_or(text.len());
    let name = &text[..end];
    if is_name(name, 100) {
        return Ok(name.to_owned());
    }
    Err(Error::field(
        "selector",
        "The key's name has letters, digits, dots and hyphens, such as default or selector1; leave it empty if you do not \
         know it.",
    ))
}

/// Letters, digits, hyphens and underscores, in labels of 1 to 63.
fn is_name(text: &str, most: usize) -> bool {
    text.len() <= most
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
        })
}

#[cfg(test)]
mod tests;
