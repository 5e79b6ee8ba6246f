//! SMTP accounts and the embedded outbox.

use super::data;
use crate::clock::Instant;
use crate::ids::AccountId;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

data! {
    /// Asks for all accounts. Provides `accounts`, and `campaigns` for what they sent.
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
        /// Which provider's figures its limits began with: an id of [`AccountProviders`], or `custom`.
        pub provider: String,
        /// At most so many mails in any second; 0 means no limit.
        pub per_second: u32,
        /// At most so many mails in any minute; 0 means no limit.
        pub per_minute: u32,
        /// At most so many mails in any hour; 0 means no limit.
        pub per_hour: u32,
        /// At most so many mails in any 24 hours, whatever campaign; 0 means no limit.
        pub per_day: u32,
        /// At most so many mails a minute to one domain of recipients; 0 means no limit.
        pub per_domain: u32,
        /// How it stands with its server, and what it sent.
        pub standing: AccountStanding,
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
        /// See [`Account::provider`]; missing is `custom`.
        #[serde(default)] #[ts(optional)]
        pub provider: Option<String>,
        /// See [`Account::per_second`].
        #[serde(default)]
        pub per_second: u32,
        /// See [`Account::per_minute`].
        #[serde(default)]
        pub per_minute: u32,
        /// See [`Account::per_hour`].
        #[serde(default)]
        pub per_hour: u32,
        /// See [`Account::per_day`].
        #[serde(default)]
        pub per_day: u32,
        /// See [`Account::per_domain`].
        #[serde(default)]
        pub per_domain: u32,
        /// Signs in instead of a password; missing is by password.
        #[serde(default)] #[ts(optional)]
        pub sign_in: Option<super::SignInSettings>,
        /// Trusts this certificate for this host and port; missing keeps what there is for them.
        #[serde(default)] #[ts(optional)]
        pub certificate: Option<String>,
    }

    /// How an account stands with its server.
    pub struct AccountStanding {
        /// May it send now.
        pub state: AccountState,
        /// Until then, where that is known.
        pub until: Option<Instant>,
        /// What the server said and what follows; `null` where nothing is wrong.
        pub sentence: Option<String>,
        /// Mails handed over in the last 24 hours, tests included.
        pub sent_in_day: u32,
        /// The limit of 24 hours as it holds now, the server's where that was met; 0 is none.
        pub per_day: u32,
    }

    /// Asks for the mail providers whose servers and limits are known.
    pub struct AccountProviders {}

    /// Mail providers.
    pub struct AccountProvidersResponse {
        /// In the order in which they are offered.
        pub providers: Vec<AccountProvider>,
    }

    /// A mail provider: where its submission server is and what it allows.
    pub struct AccountProvider {
        /// Kept with the account.
        pub id: String,
        /// Its name.
        pub name: String,
        /// Its submission server.
        pub host: String,
        /// The server's port.
        pub port: u16,
        /// How the connection is secured.
        pub tls: Tls,
        /// Mails in any second; 0 is none that is known.
        pub per_second: u32,
        /// Mails in any minute; 0 is none that is known.
        pub per_minute: u32,
        /// Mails in any hour; 0 is none that is known.
        pub per_hour: u32,
        /// Mails in any 24 hours; 0 is none that is known.
        pub per_day: u32,
        /// Connections at once that are wise.
        pub connections: u32,
        /// What to know before, as a sentence; may be empty.
        pub note: String,
        /// Where the figures are from, and when they were read.
        pub source: String,
        /// Files a copy of each mail with the recipient's pixel in it.
        pub keeps_copy: bool,
        /// The domains of its addresses, in lower case; none where its customers have their own.
        pub domains: Vec<String>,
        /// Whom to sign in with there instead of a password; `None` where that is not known.
        pub sign_in: Option<super::SignInService>,
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

impl AccountSave {
    /// Returns a new practice outbox, with every default.
    pub fn outbox(name: &str, from_name: &str, from_address: &str) -> Self {
        Self {
            id: None,
            name: name.to_owned(),
            kind: AccountKind::Outbox,
            host: String::new(),
            port: 0,
            tls: Tls::None,
            user: String::new(),
            password: None,
            from_name: from_name.to_owned(),
            from_address: from_address.to_owned(),
            reply_to: String::new(),
            connections: 0,
            provider: None,
            per_second: 0,
            per_minute: 0,
            per_hour: 0,
            per_day: 0,
            per_domain: 0,
            sign_in: None,
            certificate: None,
        }
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

/// Whether an account may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// It may.
    Ready,
    /// More slowly than usual, for a while: its server asked for it.
    Slow,
    /// Its limit of 24 hours is reached.
    Full,
    /// It waits for its server, and goes on by itself.
    Waiting,
    /// It waits for the user.
    Blocked,
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
