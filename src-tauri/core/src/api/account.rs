//! SMTP accounts and the embedded outbox.

use super::data;
use crate::ids::AccountId;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

data! {
    /// Asks for all accounts. Provides `accounts`.
    pub struct AccountList {}

    /// All accounts.
    pub struct AccountListResponse {
        /// By name.
        pub accounts: Vec<Account>,
    }

    /// An account, without its secret.
    pub struct Account {
        /// Its id.
        pub id: AccountId,
        /// As the user calls it; unique.
        pub name: String,
        /// SMTP server, or the outbox in the workspace.
        pub kind: AccountKind,
        /// Host name or address; empty for the outbox.
        pub host: String,
        /// 1 to 65535; 0 for the outbox.
        pub port: u16,
        /// How the connection is secured.
        pub tls: Tls,
        /// Empty where the server wants no login.
        pub user: String,
        /// The sender's name.
        pub from_name: String,
        /// The sender's address.
        pub from_address: String,
        /// Where replies go; empty means the sender's address.
        pub reply_to: String,
        /// Connections at once, 1 to 50.
        pub connections: u32,
        /// At most so many mails a minute; 0 means no limit.
        pub per_minute: u32,
        /// Where the secret is kept.
        pub secret: SecretPlace,
        /// One sentence on where the secret is kept, to be shown.
        pub secret_note: String,
        /// Part of the sample data.
        pub sample: bool,
        /// How it signs in; `null` is by password.
        pub sign_in: Option<super::SignIn>,
        /// The certificate that the user trusts for this host and port though nobody vouches for it.
        pub trusted: Option<super::Certificate>,
    }

    /// Adds an account, or changes the one with `id`. Announces `accounts`.
    pub struct AccountSave {
        /// `null` adds.
        #[serde(default)] #[ts(optional)]
        pub id: Option<AccountId>,
        /// Unique, 1 to 80 characters.
        pub name: String,
        /// See [`Account::kind`].
        pub kind: AccountKind,
        /// See [`Account::host`].
        #[serde(default)]
        pub host: String,
        /// See [`Account::port`].
        #[serde(default)]
        pub port: u16,
        /// See [`Account::tls`]; `none` only for this computer.
        #[serde(default)]
        pub tls: Tls,
        /// See [`Account::user`].
        #[serde(default)]
        pub user: String,
        /// The new secret; missing keeps the one there is. Never logged, never sent back.
        #[serde(default, skip_serializing)] #[ts(optional)]
        pub password: Option<crate::secrets::Secret>,
        /// See [`Account::from_name`].
        pub from_name: String,
        /// See [`Account::from_address`].
        pub from_address: String,
        /// See [`Account::reply_to`].
        #[serde(default)]
        pub reply_to: String,
        /// See [`Account::connections`]; 0 takes the default, 2.
        #[serde(default)]
        pub connections: u32,
        /// See [`Account::per_minute`].
        #[serde(default)]
        pub per_minute: u32,
        /// Signs in instead of a password; missing is by password.
        #[serde(default)] #[ts(optional)]
        pub sign_in: Option<super::SignInSettings>,
        /// Trusts this certificate for this host and port; missing keeps what there is for them.
        #[serde(default)] #[ts(optional)]
        pub certificate: Option<String>,
    }

    /// Removes an account and its secret; refused while a campaign is sending from it. Announces `accounts`.
    pub struct AccountRemove {
        /// Which.
        pub id: AccountId,
    }

    /// Connects and logs in, sends nothing. With `settings`, tests what was typed before it is saved.
    pub struct AccountTest {
        /// A saved account; its secret is used where `settings` brings none.
        #[serde(default)] #[ts(optional)]
        pub id: Option<AccountId>,
        /// What was typed.
        #[serde(default)] #[ts(optional)]
        pub settings: Option<AccountSave>,
    }

    /// What a test of the connection found.
    pub struct AccountTestResponse {
        /// The account can send.
        pub ok: bool,
        /// What was tried, in order; the last one is where it stopped.
        pub steps: Vec<TestStep>,
        /// One sentence: that it works, or what is wrong and what to do.
        pub sentence: String,
        /// The certificate that is wrong, where the user may trust it all the same.
        pub certificate: Option<super::Certificate>,
    }

    /// One step of a test of the connection.
    pub struct TestStep {
        /// DNS, port, TLS, certificate, login.
        pub kind: TestStepKind,
        /// It worked.
        pub ok: bool,
        /// What was seen: an address, a TLS version, the server's words.
        pub detail: String,
    }
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// A mail server.
    Smtp,
    /// Files in the workspace: for practice.
    Outbox,
}

/// How a connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Not at all; only to this computer.
    None,
    /// Plain at first, then encrypted before the login (RFC 3207); required, never given up.
    #[default]
    Starttls,
    /// Encrypted from the first byte (RFC 8314).
    Tls,
}

/// Where an account's secret is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SecretPlace {
    /// The account has none.
    None,
    /// The operating system's keychain.
    Keychain,
    /// A file that only this user can read, outside the workspace: there is no keychain here.
    File,
}

/// A step of a test of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TestStepKind {
    /// The host's name.
    Dns,
    /// The TCP connection.
    Port,
    /// The encryption.
    Tls,
    /// The server's certificate.
    Certificate,
    /// The login.
    Login,
}
