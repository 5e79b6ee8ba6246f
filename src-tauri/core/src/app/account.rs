//! Accounts: save, test, remove.

use super::engine::Engine;
use super::{sign_in, standing, trust};
use crate::api::{
    Account, AccountKind, AccountList, AccountListResponse, AccountProvider, AccountProviders,
    AccountProvidersResponse, AccountRemove, AccountSave, AccountTest, AccountTestResponse, Code, Done,
    Error, Result, SecretPlace, Tag, TestStep, TestStepKind, Tls,
};
use crate::delivery::provider;
use crate::delivery::quota::Limits;
use crate::delivery::transport::Transport;
use crate::domain::contact::EmailAddress;
use crate::ids::AccountId;
use crate::mail::smtp;
use crate::secrets::{KeyStoreError, Place, Secret};
use crate::store::{self, Conn, account, trusted_certificate};
use std::sync::Arc;

/// Connections at once where nothing else was chosen.
const DEFAULT_CONNECTIONS: u32 = 2;

/// Lists all accounts by name, without their secrets.
pub fn list(engine: &Arc<Engine>, _request: AccountList) -> Result<AccountListResponse> {
    engine.read(|conn| {
        let accounts = account::list(conn)?.into_iter();
        Ok(AccountListResponse {
            accounts: accounts
                .map(|account| shown(engine, conn, account))
                .collect::<Result<_>>()?,
        })
    })
}

pub(super) fn place(account: &account::Account) -> Option<Place> {
    match account.secret_place {
        SecretPlace::None => None,
        SecretPlace::Keychain => Some(Place::Keychain),
        SecretPlace::File => Some(Place::File),
    }
}

/// Returns a stored account as it is shown, without its secrets.
pub(super) fn shown(engine: &Engine, conn: &Conn, account: account::Account) -> Result<Account> {
    let sign_in = store::sign_in::find(conn, account.id)?;
    let standing = standing::shown(conn, engine, &account)?;
    let trusted = trust::of(trusted_certificate::find(conn, account.id)?, &account);
    let secret_note = match (&sign_in, place(&account)) {
        (Some(row), place) => sign_in::note(row, place).to_owned(),
        (None, None) => "No password is stored.".to_owned(),
        (None, Some(place)) => engine.keys.note(place),
    };
    Ok(Account {
        id: account.id,
        name: account.name,
        kind: account.kind,
        host: account.host,
        port: account.port,
        tls: account.tls,
        user: account.user,
        from_name: account.from_name,
        from_address: account.from_address,
        reply_to: account.reply_to,
        connections: account.connections,
        provider: account.provider.clone(),
        per_second: account.limits.per_second,
        per_minute: account.limits.per_minute,
        per_hour: account.limits.per_hour,
        per_day: account.limits.per_day,
        per_domain: account.per_domain,
        standing,
        secret: account.secret_place,
        secret_note,
        sample: account.sample,
        sign_in: sign_in.map(sign_in::shown),
        trusted: trusted
            .and_then(|row| smtp::Certificate::read(&row.certificate))
            .map(|certificate| trust::shown(&certificate)),
    })
}

/// Checks what was typed and returns it as the table keeps it, without its secret.
fn checked(request: &AccountSave) -> Result<account::Account> {
    let name = request.name.trim();
    if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
        return Err(Error::field(
            "name",
            "An account's name has 1 to 80 characters and no line breaks.",
        ));
    }
    let from_name = request.from_name.trim();
    if from_name.chars().any(char::is_control) || from_name.chars().count() > 200 {
        return Err(Error::field(
            "from_name",
            "The sender's name has at most 200 characters and no line breaks: one would end the header.",
        ));
    }
    let address = |field: &str, text: &str| -> Result<String> {
        text.parse::<EmailAddress>()
            .map(|address| address.as_str().to_owned())
            .map_err(|error| Error {
                field: Some(field.to_owned()),
                ..Error::from(error)
            })
    };
    let from_address = address("from_address", &request.from_address)?;
    let reply_to = match request.reply_to.trim() {
        "" => String::new(),
        text => address("reply_to", text)?,
    };
    let connections = match request.connections {
        0 => DEFAULT_CONNECTIONS,
        n @ 1..=50 => n,
        n => {
            return Err(Error::field(
                "connections",
                format!("{n} connections at once are too many. Choose 1 to 50."),
            ));
        }
    };
    let mut account = account::Account {
        id: request.id.unwrap_or(AccountId(0)),
        name: name.to_owned(),
        kind: request.kind,
        host: String::new(),
        port: 0,
        tls: Tls::None,
        user: String::new(),
        from_name: from_name.to_owned(),
        from_address,
        reply_to,
        connections,
        provider: known_provider(request.provider.as_deref())?,
        limits: limits(request)?,
        per_domain: count("per_domain", request.per_domain)?,
        secret_place: SecretPlace::None,
        secret_name: String::new(),
        sample: false,
    };
    if request.kind == AccountKind::Smtp {
        server(request, &mut account)?;
    }
    Ok(account)
}

/// The greatest limit that can be set.
const MOST: u32 = 10_000_000;

fn count(field: &str, n: u32) -> Result<u32> {
    if n > MOST {
        return Err(Error::field(
            field,
            "That is more than any server takes. Leave it empty for no limit.",
        ));
    }
    Ok(n)
}

fn limits(request: &AccountSave) -> Result<Limits> {
    Ok(Limits {
        per_second: count("per_second", request.per_second)?,
        per_minute: count("per_minute", request.per_minute)?,
        per_hour: count("per_hour", request.per_hour)?,
        per_day: count("per_day", request.per_day)?,
    })
}

fn known_provider(id: Option<&str>) -> Result<String> {
    match id.unwrap_or(provider::CUSTOM) {
        id if id == provider::CUSTOM || provider::by_id(id).is_some() => Ok(id.to_owned()),
        id => Err(Error::field(
            "provider",
            format!("No provider called {id:?} is known. Choose one of the list, or custom."),
        )),
    }
}

/// Returns the mail providers whose servers and limits are known.
pub fn providers(_engine: &Arc<Engine>, _request: AccountProviders) -> Result<AccountProvidersResponse> {
    let shown = |preset: &provider::Preset| AccountProvider {
        id: preset.id.clone(),
        name: preset.name.clone(),
        host: preset.host.clone(),
        port: preset.port,
        tls: match preset.port {
            465 => Tls::Tls,
            _ => Tls::Starttls,
        },
        per_second: preset.per_second,
        per_minute: preset.per_minute,
        per_hour: preset.per_hour,
        per_day: preset.per_day,
        connections: preset.connections,
        note: preset.note.clone(),
        source: format!("{}, {}", preset.source, preset.date),
        keeps_copy: provider::of(&preset.host).is_some_and(|provider| provider.keeps_copy),
    };
    Ok(AccountProvidersResponse {
        providers: provider::presets().iter().map(shown).collect(),
    })
}

/// Tells whether a host is this computer: the only one that mails may reach unencrypted.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Returns `Name <address>` of an account.
pub(crate) fn sender(account: &account::Account) -> String {
    match account.from_name.as_str() {
        "" => account.from_address.clone(),
        name => format!("{name} <{}>", account.from_address),
    }
}

/// Checks the server's part.
fn server(request: &AccountSave, account: &mut account::Account) -> Result<()> {
    let host = request.host.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if host.is_empty() || host.len() > 253 || !host.chars().all(plain) {
        return Err(Error::field(
            "host",
            "Write the mail server's name, such as smtp.example.org, without a port.",
        ));
    }
    if request.port == 0 {
        return Err(Error::field(
            "port",
            "Write the mail server's port: 587 for STARTTLS or 465 for TLS.",
        ));
    }
    if request.tls == Tls::None && !is_loopback(host) {
        return Err(Error::field(
            "tls",
            format!(
                "Without encryption everyone on the way to {host} could read the password and the mails. Choose STARTTLS \
                 or TLS; only this computer may do without."
            ),
        ));
    }
    let user = request.user.trim();
    if user.chars().any(char::is_control) || user.chars().count() > 320 {
        return Err(Error::field(
            "user",
            "The user name has at most 320 characters and no control characters.",
        ));
    }
    account.host = host.trim_matches(['[', ']']).to_owned();
    account.port = request.port;
    account.tls = request.tls;
    account.user = user.to_owned();
    Ok(())
}

fn key_store(error: &KeyStoreError) -> Error {
    Error::new(
        Code::Storage,
        format!("The password cannot be kept: {error}. Nothing was saved."),
    )
}

/// Returns a new name for the key store.
pub(super) fn secret_name(engine: &Engine) -> String {
    let mut bytes = [0; 16];
    engine.entropy.fill(&mut bytes);
    format!("account-{}", data_encoding::HEXLOWER.encode(&bytes))
}

/// Adds an account or changes one. Its secret goes into the key store, never into the database.
pub fn save(engine: &Arc<Engine>, request: AccountSave) -> Result<Account> {
    let mut account = checked(&request)?;
    let signs_in = match account.kind {
        AccountKind::Smtp => sign_in::checked(&request, &account)?,
        AccountKind::Outbox => None,
    };
    let certificate = trust::typed(&request)?;
    let before = request
        .id
        .map(|id| engine.read(|conn| stored(conn, id)))
        .transpose()?;
    if let Some((before, ..)) = &before {
        account.sample = before.sample;
        account.secret_place = before.secret_place;
        account.secret_name = before.secret_name.clone();
        engine.read(|conn| refuse_in_hand(conn, before, &account))?;
    }
    let was = before.as_ref().map(|(before, row)| (before, row.as_ref()));
    let signs_in = sign_in::settle(engine, &request, &mut account, signs_in, was)?;
    if account.kind == AccountKind::Smtp
        && signs_in.is_none()
        && let Some(password) = request
            .password
            .as_ref()
            .filter(|password| !password.reveal().is_empty())
    {
        if account.secret_name.is_empty() {
            account.secret_name = secret_name(engine);
        }
        let kept = engine
            .keys
            .put(&account.secret_name, password)
            .map_err(|error| key_store(&error))?;
        account.secret_place = match kept {
            Place::Keychain => SecretPlace::Keychain,
            Place::File => SecretPlace::File,
        };
    }
    let now = engine.clock.now();
    let (row, name) = (account.clone(), account.name.clone());
    account.id = engine
        .write(&[Tag::Accounts, Tag::Campaigns], move |conn| {
            let id = account::save(conn, &row, now)?;
            store::sign_in::save(conn, id, signs_in.as_ref())?;
            let trusted = match certificate {
                Some(certificate) => Some(trust::row(&row, certificate, now)),
                None => trust::of(trusted_certificate::find(conn, id)?, &row),
            };
            trusted_certificate::save(conn, id, trusted.as_ref())?;
            // Whatever was wrong may have been mended by this.
            standing::go_on(conn, &[id])?;
            Ok(id)
        })
        .map_err(|error| taken(engine, error, &name))?;
    // Of another user or client, perhaps; what still holds is asked for anew.
    engine.sign_ins.forget(account.id);
    super::sending::go_on(engine, &[account.id]);
    engine.read(|conn| shown(engine, conn, account))
}

/// Returns a stored account, and how it signs in.
fn stored(conn: &Conn, id: AccountId) -> Result<(account::Account, Option<store::sign_in::SignIn>)> {
    let account = account::find(conn, id)?.ok_or_else(|| Error::not_found("account", id))?;
    let signs_in = store::sign_in::find(conn, id)?;
    Ok((account, signs_in))
}

/// A campaign that is being sent keeps its sender: what was audited is what leaves.
fn refuse_in_hand(conn: &store::Conn, before: &account::Account, after: &account::Account) -> Result<()> {
    let same_sender = before.kind == after.kind
        && before.from_name == after.from_name
        && before.from_address == after.from_address
        && before.reply_to == after.reply_to;
    if same_sender {
        return Ok(());
    }
    match account::campaign_in_hand(conn, before.id)? {
        None => Ok(()),
        Some(campaign) => Err(Error::conflict(format!(
            "{campaign} is being sent from {}. Its sender can be changed once that has ended; server, password and \
             limits can be changed now.",
            before.name
        ))),
    }
}

fn taken(engine: &Engine, error: Error, name: &str) -> Error {
    let exists = engine.read(|conn| Ok(account::find_by_name(conn, name)?.is_some()));
    if matches!(exists, Ok(true)) && error.code == Code::Storage {
        return Error::field(
            "name",
            format!("There is an account called {name} already. Choose another name."),
        );
    }
    error
}

/// Removes an account and its secret.
pub fn remove(engine: &Arc<Engine>, request: AccountRemove) -> Result<Done> {
    let id = request.id;
    let account = engine.write(&[Tag::Accounts, Tag::Campaigns], move |conn| {
        let account = account::find(conn, id)?.ok_or_else(|| Error::not_found("account", id))?;
        if let Some(campaign) = account::campaign_in_hand(conn, id)? {
            return Err(Error::conflict(format!(
                "{campaign} is being sent from {}. Cancel it, or wait until it has ended.",
                account.name
            )));
        }
        account::remove(conn, id)?;
        Ok(account)
    })?;
    engine.sign_ins.forget(id);
    if let Some(place) = place(&account)
        && let Err(error) = engine.keys.remove(place, &account.secret_name)
    {
        tracing::warn!(%error, "the password of a removed account is still in the key store");
    }
    Ok(Done {})
}

/// Returns the account's secret; `None` where it has none.
fn secret(engine: &Engine, account: &account::Account) -> Result<Option<Secret>> {
    let Some(place) = place(account) else {
        return Ok(None);
    };
    match engine.keys.get(place, &account.secret_name) {
        Ok(secret) => Ok(Some(secret)),
        Err(error) => Err(Error::new(
            Code::Storage,
            format!(
                "The password of the account {} cannot be read ({error}). Type it again in Settings.",
                account.name
            ),
        )),
    }
}

/// What a login needs beside the account itself.
#[derive(Default)]
struct Login {
    password: Option<Secret>,
    tokens: Option<Arc<dyn smtp::Tokens>>,
    exception: Option<Vec<u8>>,
}

/// Returns what a stored account logs in with.
fn login(engine: &Arc<Engine>, account: &account::Account) -> Result<Login> {
    let (signs_in, trusted) = engine.read(|conn| {
        let signs_in = store::sign_in::find(conn, account.id)?;
        Ok((signs_in, trusted_certificate::find(conn, account.id)?))
    })?;
    let exception = trust::of(trusted, account).map(|row| row.certificate);
    Ok(match signs_in {
        Some(_) => Login {
            password: None,
            tokens: Some(sign_in::tokens(engine, account.id)),
            exception,
        },
        None => Login {
            password: secret(engine, account)?,
            tokens: None,
            exception,
        },
    })
}

/// Returns how to reach the account's server.
fn settings(engine: &Engine, account: &account::Account, login: Login) -> Result<smtp::Settings> {
    let server = smtp::Server {
        host: account.host.clone(),
        port: account.port,
        security: match account.tls {
            Tls::None => smtp::Security::None,
            Tls::Starttls => smtp::Security::Starttls,
            Tls::Tls => smtp::Security::Tls,
        },
        user: account.user.clone(),
        password: login.password,
        tokens: login.tokens,
        exception: login.exception,
    };
    smtp::Settings::new(server, &engine.extra_roots)
        .map_err(|sentence| Error::new(Code::Unreachable, sentence))
}

/// Returns a transport to the account's server, not yet connected.
pub(crate) fn smtp_transport(engine: &Arc<Engine>, account: &account::Account) -> Result<Box<dyn Transport>> {
    let settings = settings(engine, account, login(engine, account)?)?;
    let transport =
        smtp::SmtpTransport::new(settings).map_err(|sentence| Error::new(Code::Unreachable, sentence))?;
    Ok(Box::new(transport))
}

/// Connects and logs in, sends nothing. What was typed is tested before it is saved.
pub fn test(engine: &Arc<Engine>, request: AccountTest) -> Result<AccountTestResponse> {
    let id = request
        .id
        .or(request.settings.as_ref().and_then(|settings| settings.id));
    let stored = id.map(|id| engine.read(|conn| stored(conn, id))).transpose()?;
    match (request.settings, stored) {
        (None, Some((stored, _))) => probe(engine, &stored),
        (None, None) => Err(Error::invalid(
            "Say which account to test, or with which settings.",
        )),
        (Some(typed), stored) => {
            let account = checked(&typed)?;
            let login = match account.kind {
                AccountKind::Smtp => login_typed(engine, &typed, &account, stored)?,
                AccountKind::Outbox => Login::default(),
            };
            probe_with(engine, &account, login)
        }
    }
}

/// Returns what typed settings log in with: what was typed, and what is stored for the same server and user.
fn login_typed(
    engine: &Arc<Engine>,
    typed: &AccountSave,
    account: &account::Account,
    stored: Option<(account::Account, Option<store::sign_in::SignIn>)>,
) -> Result<Login> {
    let signs_in = sign_in::checked(typed, account)?;
    let certificate = trust::typed(typed)?;
    // A stored secret goes to the server that it was typed for, and to no other.
    let same = stored.filter(|(stored, _)| stored.host == account.host && stored.user == account.user);
    let mut login = Login::default();
    match (&signs_in, &same) {
        (None, Some((stored, None))) => login.password = secret(engine, stored)?,
        (None, _) => {}
        (Some(typed), Some((stored, Some(row)))) if row.is_same_client(typed) => {
            login.tokens = Some(sign_in::tokens(engine, stored.id));
        }
        (Some(_), _) => login.tokens = Some(sign_in::no_tokens()),
    }
    if let Some(password) = typed
        .password
        .as_ref()
        .filter(|password| signs_in.is_none() && !password.reveal().is_empty())
    {
        login.password = Some(password.clone());
    }
    login.exception = match (certificate, same) {
        (Some(certificate), _) => Some(certificate),
        (None, Some((stored, _))) => {
            let row = engine.read(|conn| Ok(trusted_certificate::find(conn, stored.id)?))?;
            trust::of(row, account).map(|row| row.certificate)
        }
        (None, None) => None,
    };
    Ok(login)
}

/// Tries a stored account's connection and login.
pub(crate) fn probe(engine: &Arc<Engine>, account: &account::Account) -> Result<AccountTestResponse> {
    match login(engine, account) {
        Ok(login) => probe_with(engine, account, login),
        Err(error) => Ok(AccountTestResponse {
            ok: false,
            steps: Vec::new(),
            sentence: error.message,
            certificate: None,
        }),
    }
}

fn probe_with(engine: &Engine, account: &account::Account, login: Login) -> Result<AccountTestResponse> {
    if account.kind == AccountKind::Outbox {
        return Ok(AccountTestResponse {
            ok: true,
            steps: Vec::new(),
            sentence: "The practice outbox needs no connection: its mails stay on this computer.".into(),
            certificate: None,
        });
    }
    let settings = settings(engine, account, login)?;
    let probe = smtp::probe(&settings).map_err(|sentence| Error::new(Code::Unreachable, sentence))?;
    let step = |step: smtp::Step, ok, detail| TestStep {
        kind: match step {
            smtp::Step::Dns => TestStepKind::Dns,
            smtp::Step::Port => TestStepKind::Port,
            smtp::Step::Tls => TestStepKind::Tls,
            smtp::Step::Certificate => TestStepKind::Certificate,
            smtp::Step::Login => TestStepKind::Login,
        },
        ok,
        detail,
    };
    let mut steps: Vec<TestStep> = probe
        .seen
        .into_iter()
        .map(|(kind, detail)| step(kind, true, detail))
        .collect();
    let sentence = match &probe.problem {
        None => format!(
            "{} can send: {} answered and took the login.",
            account.name, account.host
        ),
        Some((problem, sentence)) => {
            steps.push(step(problem.step(), false, problem.words()));
            sentence.clone()
        }
    };
    Ok(AccountTestResponse {
        ok: probe.problem.is_none(),
        steps,
        sentence,
        certificate: probe.certificate.as_ref().map(trust::shown),
    })
}
