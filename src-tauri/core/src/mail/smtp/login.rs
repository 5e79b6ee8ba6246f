//! The login, over a connection that is encrypted or leads to this computer: a password by PLAIN or LOGIN, or a token
//! by XOAUTH2.

use super::connect::{Open, REPLY, within};
use super::problem::Problem;
use super::{Settings, words_of};
use crate::delivery::transport::clean_reply;
use crate::secrets::Secret;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::response::Response;

/// Why there is no access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// Nobody has signed in.
    NotSignedIn,
    /// The permission has ended or was taken back: the person has to sign in again.
    SignInAgain,
    /// The service could not be asked, or said no for another reason, in a few words.
    Failed {
        /// What happened.
        words: String,
        /// It may work later by itself.
        is_passing: bool,
    },
}

/// Gives the access tokens that XOAUTH2 logs in with.
pub trait Tokens: Send + Sync {
    /// Returns a token that is good for a while.
    ///
    /// `refused` is one that the server did not take: another one is asked for. May ask the service, which takes ten
    /// seconds at most.
    fn token(&self, refused: Option<&Secret>) -> Result<Secret, TokenError>;
}

/// `token` is the one to log in with; where there is none yet, it is asked for here, and left for the caller.
pub(super) async fn login(
    settings: &Settings,
    token: &mut Option<Secret>,
    open: &mut Open,
) -> Result<(), Problem> {
    if let Some(tokens) = &settings.tokens {
        let token = match token {
            Some(token) => token,
            None => token.insert(tokens.token(None)?),
        };
        return within(REPLY, by_token(settings, token, open)).await;
    }
    if settings.user.is_empty() {
        return Ok(());
    }
    within(REPLY, by_password(settings, open)).await
}

async fn by_password(settings: &Settings, open: &mut Open) -> Result<(), Problem> {
    let Some(password) = &settings.password else {
        return Err(Problem::NoPassword);
    };
    let credentials = Credentials::new(settings.user.clone(), password.reveal().to_owned());
    let mechanisms = [Mechanism::Plain, Mechanism::Login];
    match open.smtp.auth(&mechanisms, &credentials).await {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.status() {
            Some(code) => Problem::Login {
                code: code.into(),
                reply: open.talk.hushed(&words_of(&error)),
            },
            None if error.is_client() => Problem::NoMechanism,
            None => Problem::Network(open.talk.hushed(&words_of(&error))),
        }),
    }
}

/// <https://developers.google.com/workspace/gmail/imap/xoauth2-protocol>
///
/// Not by lettre's own: it takes the challenge that tells of a refusal for a fault of ours and hangs up.
async fn by_token(settings: &Settings, token: &Secret, open: &mut Open) -> Result<(), Problem> {
    if !open
        .smtp
        .server_info()
        .supports_auth_mechanism(Mechanism::Xoauth2)
    {
        return Err(Problem::NoXoauth2);
    }
    let line = format!("user={}\x01auth=Bearer {}\x01\x01", settings.user, token.reveal());
    let line = data_encoding::BASE64.encode(line.as_bytes());
    let answer = open.smtp.command(format!("AUTH XOAUTH2 {line}\r\n")).await;
    let (answer, detail) = match answer {
        Ok(response) if response.has_code(334) => {
            let detail = challenge(&response);
            // The refusal itself comes after an empty line.
            (open.smtp.command("\r\n").await, detail)
        }
        other => (other, String::new()),
    };
    // Kept and shown: some servers repeat the line that they did not take.
    let words = |reply: &str| open.talk.hushed(&clean_reply(reply));
    match answer {
        Ok(response) if response.has_code(235) => Ok(()),
        Ok(response) => Err(Problem::TokenRefused {
            code: response.code().into(),
            reply: words(&response.message().collect::<Vec<_>>().join(" ")),
        }),
        Err(error) => Err(match error.status().map(u16::from) {
            // 4xx: the server's own trouble, which a new token does not mend.
            Some(code @ 400..=499) => Problem::Login {
                code,
                reply: words(&words_of(&error)),
            },
            Some(code) => Problem::TokenRefused {
                code,
                reply: words(&format!("{} {detail}", words_of(&error))),
            },
            None => Problem::Network(words(&words_of(&error))),
        }),
    }
}

/// Reads what a server says of a refusal: `{"status":"401","schemes":"bearer","scope":"…"}` in base64.
fn challenge(response: &Response) -> String {
    let text = response.first_word().unwrap_or_default();
    let status = data_encoding::BASE64
        .decode(text.as_bytes())
        .ok()
        .and_then(|json| serde_json::from_slice::<serde_json::Value>(&json).ok())
        .and_then(|json| match &json["status"] {
            serde_json::Value::String(status) => Some(status.clone()),
            serde_json::Value::Number(status) => Some(status.to_string()),
            _ => None,
        });
    match status {
        // Short words only: it is the server's, and shown.
        Some(status) => format!("(status {})", status.chars().take(40).collect::<String>()),
        None => String::new(),
    }
}
