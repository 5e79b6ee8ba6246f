//! Signing in to send, and the certificates of mail servers.

use super::data;
use crate::clock::Instant;
use crate::ids::{AccountId, JobId};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

data! {
    /// How an account signs in where it has no password, as it is typed.
    pub struct SignInSettings {
        /// Whose accounts they are.
        pub service: SignInService,
        /// The user's own client id, 1 to 400 characters.
        pub client_id: String,
        /// The client's secret, where it has one; missing keeps the one there is. Never logged, never sent back.
        #[serde(default, skip_serializing)] #[ts(optional)]
        pub client_secret: Option<crate::secrets::Secret>,
        /// Microsoft's tenant: a name, a domain or an id; empty is `common`.
        #[serde(default)]
        pub tenant: String,
        /// Of another service: where the browser goes. https, or http to this computer.
        #[serde(default)]
        pub authorize_url: String,
        /// Of another service: where tokens come from. https, or http to this computer.
        #[serde(default)]
        pub token_url: String,
        /// Of another service: what is asked for, one or several words.
        #[serde(default)]
        pub scope: String,
    }

    /// How an account signs in, without its secrets.
    pub struct SignIn {
        /// See [`SignInSettings::service`].
        pub service: SignInService,
        /// See [`SignInSettings::client_id`].
        pub client_id: String,
        /// A client secret is kept.
        pub has_client_secret: bool,
        /// See [`SignInSettings::tenant`].
        pub tenant: String,
        /// See [`SignInSettings::authorize_url`].
        pub authorize_url: String,
        /// See [`SignInSettings::token_url`].
        pub token_url: String,
        /// See [`SignInSettings::scope`].
        pub scope: String,
        /// Since when the permission holds; `null`: to sign in.
        pub signed_in_at: Option<Instant>,
    }

    /// Begins to sign in: the browser is to open the address, and the job waits for its answer for five minutes.
    /// One login at a time for an account: another one ends the one before. Announces `accounts` at its end.
    pub struct AccountSignIn {
        /// A saved account with a service to sign in with.
        pub id: AccountId,
    }

    /// A login that was begun.
    pub struct AccountSignInStarted {
        /// Waits for the browser; its result is an [`Account`](super::Account). Cancel it to end the login.
        pub job: JobId,
        /// What the browser opens.
        pub url: String,
    }

    /// A mail server's certificate.
    pub struct Certificate {
        /// SHA-256 of the certificate in groups of four hexadecimal digits.
        pub fingerprint: String,
        /// Whom it is for, as it says itself.
        pub subject: String,
        /// Who signed it, as it says itself.
        pub issuer: String,
        /// Its beginning.
        pub valid_from: Instant,
        /// Its end.
        pub valid_until: Instant,
        /// The certificate itself, DER in base64: what is sent back to trust it.
        pub certificate: String,
    }

    /// Trusts one certificate for an account's server, in place of the one before; without one, trusts none any
    /// more. Announces `accounts`.
    pub struct AccountTrust {
        /// Which account; the exception is for its host and port.
        pub id: AccountId,
        /// See [`Certificate::certificate`].
        #[serde(default)] #[ts(optional)]
        pub certificate: Option<String>,
    }
}

/// Whose accounts one signs in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SignInService {
    /// Gmail and Google Workspace.
    Google,
    /// Microsoft 365 and Outlook.com.
    Microsoft,
    /// Another one, by its addresses.
    Other,
}
