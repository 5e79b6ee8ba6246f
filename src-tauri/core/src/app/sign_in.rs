//! Signing in to send: one login in the browser, the permission kept in the key store, access tokens in memory.
//!
//! What is typed is checked by [`checked`], a login begins with [`start`], and a connection asks [`tokens`]. The key
//! store holds the refresh token and the client's secret as one entry, so that they are kept and lost together.

use super::account::is_same_login;
use super::engine::Engine;
use super::standing;
use crate::api::{
    Account, AccountSave, AccountSignIn, AccountSignInStarted, Code, Error, Result, SecretPlace, SignIn,
    SignInService, Tag,
};
use crate::clock::Instant;
use crate::engine::jobs::Progress;
use crate::ids::{AccountId, JobId};
use crate::mail::smtp::{TokenError, Tokens};
use crate::net::oauth::{self, Asked, Callback, Client, NoAnswer, OauthError, Service};
use crate::secrets::{Place, Secret};
use crate::store::{Conn, account, sign_in};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

/// How long a login waits for the browser.
const LIMIT: Duration = Duration::from_secs(5 * 60);
/// A token is renewed so long before it ends: a login must not begin with one that ends on the way.
const MARGIN: chrono::TimeDelta = chrono::TimeDelta::seconds(90);
/// Of tokens whose service does not say how long they last.
const UNSAID: Duration = Duration::from_secs(10 * 60);

/// Logins that are under way, and the access tokens that are in use. Nothing of it is ever on disk.
#[derive(Default)]
pub(crate) struct Desk {
    logins: Mutex<BTreeMap<AccountId, JobId>>,
    slots: Mutex<BTreeMap<AccountId, Slot>>,
}

/// One token for all connections of an account: it is renewed once, while the others wait.
pub(super) type Slot = Arc<Mutex<Option<Access>>>;

/// An access token in use.
pub(super) struct Access {
    token: Secret,
    until: Instant,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Desk {
    /// Returns the place of an account's access token. Who holds it may change the account's entry in the key store,
    /// and nobody else may.
    pub(super) fn slot(&self, id: AccountId) -> Slot {
        lock(&self.slots).entry(id).or_default().clone()
    }
}

/// What the key store has of an account that signs in, as JSON.
#[derive(Default, PartialEq, Eq, Clone, Serialize, Deserialize)]
struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

impl Kept {
    fn read(engine: &Engine, account: &account::Account) -> std::result::Result<Self, String> {
        let Some(place) = super::account::place(account) else {
            return Ok(Self::default());
        };
        let secret = engine
            .keys
            .get(place, &account.secret_name)
            .map_err(|error| error.to_string())?;
        serde_json::from_str(secret.reveal()).map_err(|_| "what is kept is no permission".to_owned())
    }

    /// Keeps it under the account's name and sets where; with nothing to keep, forgets what was there.
    fn write(&self, engine: &Engine, account: &mut account::Account) -> Result<()> {
        if *self == Self::default() {
            if let Some(place) = super::account::place(account) {
                engine
                    .keys
                    .remove(place, &account.secret_name)
                    .map_err(|error| key_store(&error.to_string()))?;
            }
            account.secret_place = SecretPlace::None;
            return Ok(());
        }
        if account.secret_name.is_empty() {
            account.secret_name = super::account::secret_name(engine);
        }
        let text = serde_json::to_string(self).expect("two texts are always JSON");
        let kept = engine
            .keys
            .put(&account.secret_name, &Secret::new(text))
            .map_err(|error| key_store(&error.to_string()))?;
        account.secret_place = match kept {
            Place::Keychain => SecretPlace::Keychain,
            Place::File => SecretPlace::File,
        };
        Ok(())
    }
}

/// Forgets what the key store has of an account.
pub(super) fn forget(engine: &Engine, account: &mut account::Account) -> Result<()> {
    Kept::default().write(engine, account)
}

fn key_store(why: &str) -> Error {
    Error::new(
        Code::Storage,
        format!("The permission to send cannot be kept: {why}. Nothing was saved."),
    )
}

/// Returns how the account signs in, to be shown.
pub(super) fn shown(row: sign_in::SignIn) -> SignIn {
    SignIn {
        service: row.service,
        client_id: row.client_id,
        has_client_secret: row.has_client_secret,
        tenant: row.tenant,
        authorize_url: row.authorize_url,
        token_url: row.token_url,
        scope: row.scope,
        signed_in_at: row.signed_in_at,
    }
}

/// Says in one sentence where the permission is kept.
pub(super) fn note(row: &sign_in::SignIn, place: Option<Place>) -> &'static str {
    match (row.signed_in_at, place) {
        (None, _) | (_, None) => "Nobody is signed in.",
        (Some(_), Some(Place::Keychain)) => "The permission to send is kept in this computer's keychain.",
        (Some(_), Some(Place::File)) => {
            "There is no keychain here, so the permission to send is kept unencrypted in a file outside the workspace \
             that only your user can read."
        }
    }
}

/// Checks what was typed about signing in; `None` where the account logs in by password.
pub(super) fn checked(request: &AccountSave, account: &account::Account) -> Result<Option<sign_in::SignIn>> {
    let Some(typed) = &request.sign_in else {
        return Ok(None);
    };
    let client_id = typed.client_id.trim();
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
    if client_id.is_empty() || client_id.len() > 400 || !plain(client_id) {
        return Err(Error::field(
            "client_id",
            "Paste the client ID that the service gave you, without spaces around it.",
        ));
    }
    if account.user.is_empty() {
        return Err(Error::field(
            "user",
            "Write the user that you sign in as; it is mostly your whole address.",
        ));
    }
    let mut row = sign_in::SignIn {
        service: typed.service,
        client_id: client_id.to_owned(),
        tenant: String::new(),
        authorize_url: String::new(),
        token_url: String::new(),
        scope: String::new(),
        has_client_secret: false,
        signed_in_at: None,
    };
    let owned = |service: Service, name: &str, example: &str| match service.owns(&account.host) {
        true => Ok(()),
        // A token of a service opens its mailbox: no other server is to see it.
        false => Err(Error::field(
            "host",
            format!(
                "{} is no mail server of {name}, so it gets no sign-in of {name}. Write {example}.",
                account.host
            ),
        )),
    };
    match typed.service {
        SignInService::Google => owned(Service::Google, "Google", "smtp.gmail.com")?,
        SignInService::Microsoft => {
            owned(Service::Microsoft, "Microsoft", "smtp.office365.com")?;
            row.tenant = match typed.tenant.trim() {
                "" => "common".to_owned(),
                tenant if oauth::is_tenant(tenant) => tenant.to_owned(),
                _ => {
                    return Err(Error::field(
                        "tenant",
                        "Write the tenant's ID or domain as Microsoft shows it, or leave this empty.",
                    ));
                }
            };
        }
        SignInService::Other => {
            let address = |field: &str, text: &str| {
                oauth::endpoint(text)
                    .map(|url| url.to_string())
                    .map_err(|sentence| Error::field(field, sentence))
            };
            row.authorize_url = address("authorize_url", &typed.authorize_url)?;
            row.token_url = address("token_url", &typed.token_url)?;
            row.scope = typed.scope.split_whitespace().collect::<Vec<_>>().join(" ");
            oauth::other(&row.authorize_url, &row.token_url, &row.scope, client_id, None)
                .map_err(|sentence| Error::field("scope", sentence))?;
        }
    }
    Ok(Some(row))
}

/// Returns the client's secret that was typed; an empty field keeps the one that there is.
pub(super) fn typed_secret(request: &AccountSave) -> Option<&str> {
    let typed = request.sign_in.as_ref()?.client_secret.as_ref()?;
    Some(typed.reveal().trim()).filter(|secret| !secret.is_empty())
}

/// Settles what a change of an account means for what the key store has: a permission is for one client, one user and
/// one server.
///
/// `account` is what will be saved, with the secret's place of before; `was` is what was saved before.
pub(super) fn settle(
    engine: &Engine,
    request: &AccountSave,
    account: &mut account::Account,
    mut row: Option<sign_in::SignIn>,
    was: Option<(&account::Account, Option<&sign_in::SignIn>)>,
) -> Result<Option<sign_in::SignIn>> {
    let before = was.and_then(|(_, row)| row);
    let Some(row) = &mut row else {
        if before.is_some() {
            forget(engine, account)?;
        }
        return Ok(None);
    };
    let mut kept = match before {
        // The permission may be gone from the key store; signing in mends that.
        Some(_) => Kept::read(engine, account).unwrap_or_default(),
        None => Kept::default(),
    };
    let is_same_client = before.is_some_and(|before| before.is_same_client(row));
    let is_same_login = was.is_some_and(|(before, _)| is_same_login(before, account));
    if is_same_client && is_same_login {
        row.signed_in_at = before.and_then(|before| before.signed_in_at);
    } else {
        kept.refresh_token = None;
    }
    if !is_same_client {
        kept.client_secret = None;
    }
    if let Some(secret) = typed_secret(request) {
        kept.client_secret = Some(secret.to_owned());
    }
    row.has_client_secret = kept.client_secret.is_some();
    kept.write(engine, account)?;
    Ok(Some(row.clone()))
}

fn client(row: &sign_in::SignIn, kept: &Kept) -> std::result::Result<Client, String> {
    let secret = kept.client_secret.clone().map(Secret::new);
    match row.service {
        SignInService::Google => Ok(Service::Google.client(&row.client_id, secret, "")),
        SignInService::Microsoft => Ok(Service::Microsoft.client(&row.client_id, secret, &row.tenant)),
        SignInService::Other => oauth::other(
            &row.authorize_url,
            &row.token_url,
            &row.scope,
            &row.client_id,
            secret,
        ),
    }
}

fn find(conn: &Conn, id: AccountId) -> Result<(account::Account, sign_in::SignIn)> {
    let account = account::find(conn, id)?.ok_or_else(|| Error::not_found("account", id))?;
    match sign_in::find(conn, id)? {
        Some(row) => Ok((account, row)),
        None => Err(Error::conflict(format!(
            "{} logs in with a password. Choose in its settings whom to sign in with, and save.",
            account.name
        ))),
    }
}

/// Begins a login: binds its port, and returns the address that the browser is to open.
pub fn start(engine: &Arc<Engine>, request: AccountSignIn) -> Result<AccountSignInStarted> {
    start_within(engine, request, LIMIT)
}

fn start_within(
    engine: &Arc<Engine>,
    request: AccountSignIn,
    limit: Duration,
) -> Result<AccountSignInStarted> {
    let (account, row) = engine.read(|conn| find(conn, request.id))?;
    let kept = Kept::read(engine, &account).unwrap_or_default();
    let client = client(&row, &kept).map_err(Error::invalid)?;
    let no_port = |why: String| {
        Error::new(
            Code::Unreachable,
            format!("No port of this computer could be opened for the answer ({why}). Try again."),
        )
    };
    let callback = Callback::bind().map_err(|error| no_port(error.to_string()))?;
    let mut random = [0; 64];
    engine.entropy.fill(&mut random);
    let asked = oauth::ask(&client, callback.port(), &account.user, &random)
        .map_err(|error| refused(&account.name, &error))?;
    let url = asked.url.clone();
    let login = Login {
        engine: engine.clone(),
        account,
        row,
        client,
        asked,
    };
    let title = format!("Sign in for {}", login.account.name);
    let mut logins = lock(&engine.sign_ins.logins);
    let job = engine
        .jobs
        .start(title, move |progress| login.finish(callback, limit, progress));
    // Its port is closed, so that an old tab cannot end the new login.
    if let Some(former) = logins.insert(request.id, job) {
        engine.jobs.cancel(former);
    }
    Ok(AccountSignInStarted { job, url })
}

struct Login {
    engine: Arc<Engine>,
    account: account::Account,
    row: sign_in::SignIn,
    client: Client,
    asked: Asked,
}

impl Login {
    fn finish(self, callback: Callback, limit: Duration, progress: &Progress) -> Result<Account> {
        let name = &self.account.name;
        let code = callback
            .wait(&self.asked.state, limit, &|| progress.is_cancelled())
            .map_err(|why| unanswered(name, why))?;
        let granted =
            oauth::exchange(&self.client, &self.asked, &code).map_err(|error| refused(name, &error))?;
        let Some(refresh) = granted.refresh else {
            return Err(Error::conflict(format!(
                "The service let {name} in for this moment only and gave no lasting permission. Check that the client \
                 may have offline access, and sign in again."
            )));
        };
        let engine = &self.engine;
        let id = self.account.id;
        let slot = engine.sign_ins.slot(id);
        // Held throughout: no connection renews an old permission meanwhile.
        let mut access = lock(&slot);
        let (mut account, row) = engine.read(|conn| find(conn, id))?;
        if !row.is_same_client(&self.row) || !is_same_login(&account, &self.account) {
            return Err(Error::conflict(format!(
                "{name} was changed while you signed in. Sign in again."
            )));
        }
        // As it is by now: the client's secret may have been typed anew. Where it is gone, the one that was used is kept.
        let mut kept = Kept::read(engine, &account).unwrap_or_else(|_| Kept {
            client_secret: self
                .client
                .secret
                .as_ref()
                .map(|secret| secret.reveal().to_owned()),
            refresh_token: None,
        });
        kept.refresh_token = Some(refresh.reveal().to_owned());
        kept.write(engine, &mut account)?;
        let now = engine.clock.now();
        let stored = account.clone();
        engine.write(&[Tag::Accounts, Tag::Campaigns], move |conn| {
            account::set_secret(conn, &stored)?;
            sign_in::set_signed_in(conn, id, Some(now))?;
            standing::go_on(conn, &[id])
        })?;
        *access = Some(Access::new(granted.access, granted.lasts, now));
        drop(access);
        super::sending::go_on(engine, &[id]);
        engine.read(|conn| super::account::shown(engine, conn, account))
    }
}

impl Access {
    fn new(token: Secret, lasts: Option<Duration>, now: Instant) -> Self {
        let lasts = chrono::TimeDelta::from_std(lasts.unwrap_or(UNSAID).min(Duration::from_secs(86_400)));
        Self {
            token,
            until: now + lasts.expect("a day is a span"),
        }
    }
}

fn unanswered(name: &str, why: NoAnswer) -> Error {
    match why {
        NoAnswer::Denied => Error::conflict(
            "You did not allow Casement to send, so nothing was changed. Sign in again if that was not meant.",
        ),
        NoAnswer::Refused(words) => Error::conflict(format!(
            "The service refused to sign {name} in ({words}). Check the client ID and what it is allowed to do, and sign \
             in again."
        )),
        NoAnswer::Timeout => Error::new(
            Code::Unreachable,
            "Nobody signed in within five minutes, so nothing was changed. Sign in again when you are ready.",
        ),
        NoAnswer::Cancelled => Error::new(Code::Cancelled, "The sign-in was cancelled; nothing was changed."),
        NoAnswer::Strangers => Error::conflict(
            "Something on this computer kept sending wrong answers to this sign-in, so it was ended. Sign in again.",
        ),
        NoAnswer::Io(why) => Error::new(
            Code::Unreachable,
            format!("The sign-in's port could not be used ({why}). Sign in again."),
        ),
    }
}

fn refused(name: &str, error: &OauthError) -> Error {
    match error {
        OauthError::Ended => Error::conflict(format!(
            "The service no longer takes what the browser brought for {name}. Sign in again."
        )),
        OauthError::Client(words) => Error::field(
            "client_id",
            format!("The service does not take this client ID or its secret ({words}). Check both."),
        ),
        OauthError::Refused(words) => Error::conflict(format!(
            "The service refused to sign {name} in ({words}). Check the client ID and what it is allowed to do."
        )),
        OauthError::Unreachable(words) => Error::new(
            Code::Unreachable,
            format!(
                "The sign-in could not be finished: {words}. Check that this computer is online, and sign in again."
            ),
        ),
        OauthError::Odd => Error::new(
            Code::Unreachable,
            format!(
                "The sign-in of {name} could not be finished: {error}. Check the addresses of the service."
            ),
        ),
    }
}

/// Returns the tokens of a saved account that signs in.
pub(super) fn tokens(engine: &Arc<Engine>, account: AccountId) -> Arc<dyn Tokens> {
    Arc::new(Source {
        engine: Arc::downgrade(engine),
        account,
        slot: engine.sign_ins.slot(account),
    })
}

/// Returns the tokens of somebody who has not signed in.
pub(super) fn no_tokens() -> Arc<dyn Tokens> {
    struct None;
    impl Tokens for None {
        fn token(&self, _: Option<&Secret>) -> std::result::Result<Secret, TokenError> {
            Err(TokenError::NotSignedIn)
        }
    }
    Arc::new(None)
}

struct Source {
    engine: Weak<Engine>,
    account: AccountId,
    slot: Slot,
}

impl Tokens for Source {
    fn token(&self, refused: Option<&Secret>) -> std::result::Result<Secret, TokenError> {
        let engine = self
            .engine
            .upgrade()
            .ok_or_else(|| passing("the workspace is being closed"))?;
        let mut access = lock(&self.slot);
        let now = engine.clock.now();
        // Another connection may have renewed what this one was refused with.
        if let Some(access) = &*access
            && refused != Some(&access.token)
            && now + MARGIN < access.until
        {
            return Ok(access.token.clone());
        }
        *access = None;
        let fresh = renew(&engine, self.account, now)?;
        let token = fresh.token.clone();
        *access = Some(fresh);
        Ok(token)
    }
}

fn passing(words: &str) -> TokenError {
    TokenError::Failed {
        words: words.to_owned(),
        is_passing: true,
    }
}

fn lasting(words: impl Into<String>) -> TokenError {
    TokenError::Failed {
        words: words.into(),
        is_passing: false,
    }
}

fn renew(engine: &Engine, id: AccountId, now: Instant) -> std::result::Result<Access, TokenError> {
    let (mut account, row) = engine
        .read(|conn| find(conn, id))
        .map_err(|error| lasting(error.message))?;
    if row.signed_in_at.is_none() {
        return Err(TokenError::NotSignedIn);
    }
    let mut kept = Kept::read(engine, &account).map_err(lasting)?;
    let refresh = kept.refresh_token.clone().ok_or(TokenError::NotSignedIn)?;
    let client = client(&row, &kept).map_err(lasting)?;
    match oauth::refresh(&client, &Secret::new(refresh.clone())) {
        Ok(granted) => {
            if let Some(next) = granted.refresh
                && next.reveal() != refresh
            {
                // The one before may be dead already (RFC 6749 §6): kept before anything else is done.
                kept.refresh_token = Some(next.reveal().to_owned());
                keep(engine, &mut account, &kept, Some(now))?;
            }
            Ok(Access::new(granted.access, granted.lasts, now))
        }
        Err(OauthError::Ended) => {
            kept.refresh_token = None;
            keep(engine, &mut account, &kept, None)?;
            Err(TokenError::SignInAgain)
        }
        Err(error @ (OauthError::Unreachable(_) | OauthError::Odd)) => Err(passing(&error.to_string())),
        Err(error) => Err(lasting(error.to_string())),
    }
}

/// Keeps a changed permission; `at` is `None` where it has ended.
fn keep(
    engine: &Engine,
    account: &mut account::Account,
    kept: &Kept,
    at: Option<Instant>,
) -> std::result::Result<(), TokenError> {
    let failed = |error: Error| lasting(error.message);
    kept.write(engine, account).map_err(failed)?;
    let stored = account.clone();
    engine
        .write(&[Tag::Accounts], move |conn| {
            account::set_secret(conn, &stored)?;
            match at {
                // The day on which the person signed in stays what it was.
                Some(_) => Ok(()),
                None => Ok(sign_in::set_signed_in(conn, stored.id, None)?),
            }
        })
        .map_err(failed)
}

#[cfg(test)]
mod tests;
