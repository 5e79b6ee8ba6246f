//! Accounts: list, save, remove. What they log in with and their test is in `login`.

use super::engine::Engine;
use super::sign_in::lock;
use super::{sign_in, standing, trust};
use crate::api::{
    Account, AccountKind, AccountList, AccountListResponse, AccountProvider, AccountProviders,
    AccountProvidersResponse, AccountRemove, AccountSave, Code, Done, Error, Result, SecretPlace,
    SignInService, Tag, Tls,
};
use crate::delivery::provider;
use crate::delivery::quota::Limits;
use crate::delivery::transport::ErrorKind;
use crate::domain::contact::EmailAddress;
use crate::ids::AccountId;
use crate::mail::smtp;
use crate::net::oauth::Service;
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
pub(super) fn checked(request: &AccountSave) -> Result<account::Account> {
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
        domains: preset.domains().map(str::to_owned).collect(),
        sign_in: signs_in_with(&preset.host),
    };
    Ok(AccountProvidersResponse {
        providers: provider::presets().iter().map(shown).collect(),
    })
}

/// Returns the service that one signs in with at a mail server of its own.
fn signs_in_with(host: &str) -> Option<SignInService> {
    let services = [
        (Service::Google, SignInService::Google),
        (Service::Microsoft, SignInService::Microsoft),
    ];
    let mut owners = services.into_iter().filter(|(service, _)| service.owns(host));
    owners.next().map(|(_, service)| service)
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
    // Held throughout: no connection renews a permission while the key store's entry is read and written.
    let slot = request.id.map(|id| engine.sign_ins.slot(id));
    let mut access = slot.as_deref().map(lock);
    let before = engine.read(|conn| {
        // Before the key store is changed, which a refusal of the database's would not undo.
        refuse_taken(conn, &account.name, request.id)?;
        request.id.map(|id| stored(conn, id)).transpose()
    })?;
    if let Some((before, ..)) = &before {
        account.sample = before.sample;
        account.secret_place = before.secret_place;
        account.secret_name = before.secret_name.clone();
        engine.read(|conn| refuse_in_hand(conn, before, &account))?;
    }
    let was = before.as_ref().map(|(before, row)| (before, row.as_ref()));
    let password = match (account.kind, &signs_in) {
        (AccountKind::Smtp, None) => typed_password(&request),
        _ => None,
    };
    if let Some((before, None)) = was
        && signs_in.is_none()
        && password.is_none()
        && is_elsewhere(before, &account)
    {
        if !account.user.is_empty() {
            return Err(Error::field(
                "password",
                format!(
                    "The password that is stored was typed for {}. Type the one for {}.",
                    before.host, account.host
                ),
            ));
        }
        sign_in::forget(engine, &mut account)?;
    }
    let signs_in = sign_in::settle(engine, &request, &mut account, signs_in, was)?;
    if let Some(password) = password {
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
    // Another port or encryption may take what this one did not.
    let is_other_way = was.is_none_or(|(before, _)| (before.port, before.tls) != (account.port, account.tls));
    let is_mended = is_other_way || sign_in::typed_secret(&request).is_some();
    let (row, name) = (account.clone(), account.name.clone());
    let (id, goes_on) = engine
        .write(&[Tag::Accounts, Tag::Campaigns], move |conn| {
            let id = account::save(conn, &row, now)?;
            store::sign_in::save(conn, id, signs_in.as_ref())?;
            let certificate = match certificate {
                Some(certificate) => Some(trust::row(&row, certificate, now)),
                None => trusted_certificate::find(conn, id)?,
            };
            trusted_certificate::save(conn, id, trust::of(certificate, &row).as_ref())?;
            // Whatever was wrong may have been mended by this.
            let goes_on = !waits_for_sign_in(conn, id, is_mended)?;
            if goes_on {
                standing::go_on(conn, &[id])?;
            }
            Ok((id, goes_on))
        })
        .map_err(|error| taken(engine, error, &name, request.id))?;
    account.id = id;
    // Of another user or client, perhaps; what still holds is asked for anew.
    if let Some(access) = &mut access {
        **access = None;
    }
    drop(access);
    if goes_on {
        super::sending::go_on(engine, &[id]);
    }
    engine.read(|conn| shown(engine, conn, account))
}

/// Returns the password that was typed; an empty field keeps the one that there is.
pub(super) fn typed_password(request: &AccountSave) -> Option<&Secret> {
    let password = request.password.as_ref();
    password.filter(|password| !password.reveal().is_empty())
}

/// Tells whether the person has to sign in before an account can go on: a change of its settings, which the window
/// saves first, would only meet the same refusal again.
///
/// `is_mended` says that what was refused will not be tried in the same way.
pub(super) fn waits_for_sign_in(conn: &Conn, id: AccountId, is_mended: bool) -> Result<bool> {
    let Some(row) = store::sign_in::find(conn, id)? else {
        return Ok(false);
    };
    let trouble = store::standing::load(conn, id)?.trouble;
    let was_refused = trouble.is_some_and(|trouble| trouble.kind == ErrorKind::Auth);
    Ok(row.signed_in_at.is_none() || was_refused && !is_mended)
}

/// Returns a stored account, and how it signs in.
pub(super) fn stored(
    conn: &Conn,
    id: AccountId,
) -> Result<(account::Account, Option<store::sign_in::SignIn>)> {
    let account = account::find(conn, id)?.ok_or_else(|| Error::not_found("account", id))?;
    let signs_in = store::sign_in::find(conn, id)?;
    Ok((account, signs_in))
}

/// Tells whether two accounts log in at the same server as the same user: what is stored of one is for the other.
pub(super) fn is_same_login(one: &account::Account, other: &account::Account) -> bool {
    one.host.eq_ignore_ascii_case(&other.host) && one.user == other.user
}

/// Tells whether what is stored for an account would go to another server now: a password goes to the one that it was
/// typed for, and to no other.
fn is_elsewhere(before: &account::Account, after: &account::Account) -> bool {
    after.kind == AccountKind::Smtp
        && place(before).is_some()
        && !before.host.eq_ignore_ascii_case(&after.host)
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

/// Refuses a name that another account than `id` has.
fn refuse_taken(conn: &Conn, name: &str, id: Option<AccountId>) -> Result<()> {
    match account::find_by_name(conn, name)? {
        Some(other) if Some(other.id) != id => Err(Error::field(
            "name",
            format!("There is an account called {name} already. Choose another name."),
        )),
        _ => Ok(()),
    }
}

/// Reads a refusal of the database's: another account may have got the name meanwhile.
fn taken(engine: &Engine, error: Error, name: &str, id: Option<AccountId>) -> Error {
    match engine.read(|conn| refuse_taken(conn, name, id)) {
        Err(refused) if error.code == Code::Storage && refused.field.is_some() => refused,
        _ => error,
    }
}

/// Removes an account and its secret.
pub fn remove(engine: &Arc<Engine>, request: AccountRemove) -> Result<Done> {
    let id = request.id;
    // Held throughout: a renewal that is under way would put the permission back.
    let slot = engine.sign_ins.slot(id);
    let mut access = lock(&slot);
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
    *access = None;
    if let Some(place) = place(&account)
        && let Err(error) = engine.keys.remove(place, &account.secret_name)
    {
        tracing::warn!(%error, "the password of a removed account is still in the key store");
    }
    Ok(Done {})
}
