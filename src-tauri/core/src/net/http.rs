//! Outgoing HTTP and HTTPS (crate ureq): no redirects, no cookies, no proxy, ten seconds at most.
//!
//! A server is trusted by this computer's roots, as a mail server is.

use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;
use ureq::tls::{RootCerts, TlsConfig};

/// The most that is read of an answer, in bytes.
const MAX_BODY: u64 = 1024 * 1024;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status, whatever it is.
    pub status: u16,
    /// At most 1 MiB.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{url} did not answer: {reason}")]
pub struct HttpError {
    /// What was asked.
    pub url: String,
    /// Why.
    pub reason: String,
}

/// Asks `url` with GET, or with POST where there is a `body`, and these header fields.
pub fn request(url: &str, fields: &[(&str, &str)], body: Option<&str>) -> Result<Answer, HttpError> {
    let failed = |error: ureq::Error| HttpError {
        url: url.to_owned(),
        reason: error.to_string(),
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(10)))
        .user_agent("")
        // The core reads no environment: ureq would take a proxy from it.
        .proxy(None)
        .tls_config(
            TlsConfig::builder()
                .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
                .root_certs(RootCerts::PlatformVerifier)
                .build(),
        )
        .build()
        .into();
    let response = match body {
        Some(body) => {
            let request = fields.iter().fold(agent.post(url), |request, (name, value)| {
                request.header(*name, *value)
            });
            request
                .header("Content-Type", "application/x-www-form-urlencoded")
                .send(body)
        }
        None => fields
            .iter()
            .fold(agent.get(url), |request, (name, value)| {
                request.header(*name, *value)
            })
            .call(),
    };
    let mut response = response.map_err(failed)?;
    let status = response.status().as_u16();
    let body = response
        .body_mut()
        .with_config()
        .limit(MAX_BODY)
        .read_to_vec()
        .map_err(failed)?;
    Ok(Answer { status, body })
}
