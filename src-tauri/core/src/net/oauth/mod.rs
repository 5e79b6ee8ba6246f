//! Signing in with OAuth 2.0 as a program on a computer does (RFC 8252): the system's browser, a listener on
//! loopback for this one login, PKCE (RFC 7636), the code exchanged for tokens (RFC 6749).
//!
//! Knows nothing of accounts and keeps nothing. No token, code or secret is in any `Debug` form or error. Start at
//! [`ask`]; `callback` waits for the browser, `service` says where to ask.

mod callback;
mod service;

pub use callback::{Callback, NoAnswer};
pub use service::{Client, Service, endpoint, is_tenant, other};

use super::http;
use crate::secrets::Secret;
use oauth2::basic::{BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, TokenResponse, TokenUrl,
};
use std::time::Duration;

/// What a service said no with, as far as callers act on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OauthError {
    /// `invalid_grant`: the permission has ended, was taken back, or was used before.
    #[error("the permission is no longer valid")]
    Ended,
    /// `invalid_client` or `unauthorized_client`: the client's id or secret.
    #[error("the service does not know this client ({0})")]
    Client(String),
    /// Another refusal, in the service's words.
    #[error("the service refused ({0})")]
    Refused(String),
    /// No answer.
    #[error("{0}")]
    Unreachable(String),
    /// An answer that is none.
    #[error("the service answered in a way that cannot be read")]
    Odd,
}

/// One login that was begun: where the browser goes, and what only we know of it.
pub struct Asked {
    /// What the browser opens.
    pub url: String,
    /// Comes back with the answer (RFC 6749 §10.12).
    pub state: String,
    redirect: String,
    verifier: String,
}

/// Tokens, fresh from a service.
#[derive(Debug, Clone)]
pub struct Granted {
    /// Shown to the mail server.
    pub access: Secret,
    /// For the next access token; missing keeps the one there is (RFC 6749 §6).
    pub refresh: Option<Secret>,
    /// How long the access token is good for; `None` where the service does not say.
    pub lasts: Option<Duration>,
}

type Ready = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

fn ready(client: &Client) -> Ready {
    let mut ready = BasicClient::new(ClientId::new(client.id.clone()))
        .set_auth_uri(AuthUrl::from_url(client.authorize.clone()))
        .set_token_uri(TokenUrl::from_url(client.token.clone()))
        // Google and Microsoft document the body; a client without a secret has nothing for a header.
        .set_auth_type(AuthType::RequestBody);
    if let Some(secret) = &client.secret {
        ready = ready.set_client_secret(ClientSecret::new(secret.reveal().to_owned()));
    }
    ready
}

fn redirect(text: &str) -> Result<RedirectUrl, OauthError> {
    RedirectUrl::new(text.to_owned()).map_err(|_| OauthError::Odd)
}

/// Begins a login whose answer comes to `port` of this computer.
///
/// `hint` is the address that the service may fill in. `random` is 64 bytes: 32 for the state, 32 for the verifier,
/// 256 bits each (RFC 7636 §7.1).
pub fn ask(client: &Client, port: u16, hint: &str, random: &[u8; 64]) -> Result<Asked, OauthError> {
    let word = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    let (state, verifier) = (word(&random[..32]), word(&random[32..]));
    let back = client.redirect.replace("{port}", &port.to_string());
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()));
    let ready = ready(client).set_redirect_uri(redirect(&back)?);
    let mut request = ready
        .authorize_url(|| CsrfToken::new(state.clone()))
        .set_pkce_challenge(challenge)
        .add_scopes(client.scopes.iter().cloned().map(Scope::new));
    for (name, value) in &client.parameters {
        request = request.add_extra_param(name, value);
    }
    if !hint.is_empty() {
        request = request.add_extra_param("login_hint", hint);
    }
    let (url, _) = request.url();
    Ok(Asked {
        url: url.into(),
        state,
        redirect: back,
        verifier,
    })
}

/// Exchanges the code that came back for tokens.
pub fn exchange(client: &Client, asked: &Asked, code: &Secret) -> Result<Granted, OauthError> {
    let ready = ready(client).set_redirect_uri(redirect(&asked.redirect)?);
    let answer = ready
        .exchange_code(AuthorizationCode::new(code.reveal().to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(asked.verifier.clone()))
        .request(&post);
    granted(answer)
}

/// Asks for a fresh access token.
pub fn refresh(client: &Client, token: &Secret) -> Result<Granted, OauthError> {
    let token = RefreshToken::new(token.reveal().to_owned());
    granted(ready(client).exchange_refresh_token(&token).request(&post))
}

fn granted(
    answer: Result<BasicTokenResponse, RequestTokenError<http::HttpError, BasicErrorResponse>>,
) -> Result<Granted, OauthError> {
    let tokens = answer.map_err(|error| match error {
        RequestTokenError::ServerResponse(response) => refusal(&response),
        RequestTokenError::Request(error) => OauthError::Unreachable(error.to_string()),
        // Both may hold the body, and with it a token: nothing of them is passed on.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => OauthError::Odd,
    })?;
    Ok(Granted {
        access: Secret::new(tokens.access_token().secret().clone()),
        refresh: tokens
            .refresh_token()
            .map(|token| Secret::new(token.secret().clone())),
        lasts: tokens.expires_in(),
    })
}

fn refusal(response: &BasicErrorResponse) -> OauthError {
    let word = response.error().as_ref().to_owned();
    let words = match response.error_description() {
        Some(description) => format!("{word}: {}", callback::clean(description)),
        None => callback::clean(&word),
    };
    match response.error() {
        BasicErrorResponseType::InvalidGrant => OauthError::Ended,
        BasicErrorResponseType::InvalidClient | BasicErrorResponseType::UnauthorizedClient => {
            OauthError::Client(words)
        }
        // Microsoft's word for "the person has to be asked again" (its error reference, AADSTS50076 and others).
        BasicErrorResponseType::Extension(word) if word == "interaction_required" => OauthError::Ended,
        // RFC 6749 §4.1.2.1; services say it at the token endpoint, too.
        BasicErrorResponseType::Extension(word)
            if word == "temporarily_unavailable" || word == "server_error" =>
        {
            OauthError::Unreachable(format!("the service is busy ({words})"))
        }
        _ => OauthError::Refused(words),
    }
}

/// The crate's way to ask, over ours.
fn post(request: HttpRequest) -> Result<HttpResponse, http::HttpError> {
    let url = request.uri().to_string();
    let odd = |reason: &str| http::HttpError {
        url: url.clone(),
        reason: reason.to_owned(),
    };
    let body = std::str::from_utf8(request.body()).map_err(|_| odd("the request is no text"))?;
    let answer = http::request(&url, &[("Accept", "application/json")], Some(body))?;
    // Whatever it says beside: that is no word on the permission.
    if answer.status == 429 || answer.status >= 500 {
        return Err(odd(&format!("it is busy (HTTP {})", answer.status)));
    }
    let mut response = HttpResponse::new(answer.body);
    *response.status_mut() =
        oauth2::http::StatusCode::from_u16(answer.status).map_err(|_| odd("the status is no HTTP status"))?;
    // The crate refuses other kinds; some servers leave the charset or the field out.
    response.headers_mut().insert(
        oauth2::http::header::CONTENT_TYPE,
        oauth2::http::HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

#[cfg(test)]
#[allow(dead_code, reason = "the integration tests use it, too, and ask it more")]
pub(crate) mod server;
#[cfg(test)]
mod tests;
