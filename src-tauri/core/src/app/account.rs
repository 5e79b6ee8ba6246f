//! Accounts: save, test, remove.

use super::engine::Engine;
use super::preflight::is_loopback;
use crate::api::{
    Account, AccountKind, AccountList, AccountListResponse, AccountRemove, AccountSave, AccountTest,
    AccountTestResponse, Code, Done, Error, Result, SecretPlace, Tag, Tls,
};
use crate::delivery::transport::Transport;
use crate::domain::contact::EmailAddress;
use crate::ids::AccountId;
use crate::secrets::{KeyStoreError, Place, Secret};
use crate::store::{self, account};
use std::sync::Arc;

/// Connections at once where nothing else was chosen.
const DEFAULT_CONNECTIONS: u32 = 2;

/// Lists all accounts by name, without their secrets.
pub fn list(engine: &Arc<Engine>, _request: AccountList) -> Result<AccountListResponse> {
    engine.read(|conn| {
        Ok(AccountListResponse {
            accounts: account::list(conn)?
                .into_iter()
                .map(|account| shown(engine, account))
                .collect(),
        })
    })
}

fn place(account: &account::Account) -> Option<Place> {
    match account.secret_place {
        SecretPlace::None => None,
        SecretPlace::Keychain => Some(Place::Keychain),
        SecretPlace::File => Some(Place::File),
    }
}

fn shown(engine: &Engine, account: account::Account) -> Account {
    let secret_note = match place(&account) {
        None => "No password is stored.".to_owned(),
        Some(place) => engine.keys.note(place),
    };
    Account {
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
        per_minute: account.per_minute,
        secret: account.secret_place,
        secret_note,
        sample: account.sample,
    }
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
        per_minute: request.per_minute,
        secret_place: SecretPlace::None,
        secret_name: String::new(),
        sample: false,
    };
    if request.kind == AccountKind::Smtp {
        server(request, &mut account)?;
    }
    Ok(account)
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

/// Adds an account or changes one. Its secret goes into the key store, never into the database.
pub fn save(engine: &Arc<Engine>, request: AccountSave) -> Result<Account> {
    let mut account = checked(&request)?;
    let before = match request.id {
        None => None,
        Some(id) => Some(
            engine
                .read(|conn| Ok(account::find(conn, id)?))?
                .ok_or_else(|| Error::not_found("account", id))?,
        ),
    };
    if let Some(before) = &before {
        account.sample = before.sample;
        account.secret_place = before.secret_place;
        account.secret_name = before.secret_name.clone();
        engine.read(|conn| refuse_in_hand(conn, before, &account))?;
    }
    if account.kind == AccountKind::Smtp
        && let Some(password) = request
            .password
            .as_ref()
            .filter(|password| !password.reveal().is_empty())
    {
        if account.secret_name.is_empty() {
            let mut bytes = [0; 16];
            engine.entropy.fill(&mut bytes);
            account.secret_name = format!("account-{}", data_encoding::HEXLOWER.encode(&bytes));
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
            account::save(conn, &row, now).map_err(Error::from)
        })
        .map_err(|error| taken(engine, error, &name))?;
    Ok(shown(engine, account))
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

/// Returns a transport to the account's server, not yet connected.
pub(crate) fn smtp_transport(engine: &Engine, account: &account::Account) -> Result<Box<dyn Transport>> {
    let _ = secret(engine, account)?;
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Connects and logs in, sends nothing.
pub fn test(engine: &Arc<Engine>, request: AccountTest) -> Result<AccountTestResponse> {
    let account = match (&request.settings, request.id) {
        (Some(settings), _) => checked(settings)?,
        (None, Some(id)) => engine
            .read(|conn| Ok(account::find(conn, id)?))?
            .ok_or_else(|| Error::not_found("account", id))?,
        (None, None) => {
            return Err(Error::invalid(
                "Say which account to test, or with which settings.",
            ));
        }
    };
    probe(engine, &account)
}

/// Tries an account's connection and login.
pub(crate) fn probe(engine: &Engine, account: &account::Account) -> Result<AccountTestResponse> {
    let _ = engine;
    if account.kind == AccountKind::Outbox {
        return Ok(AccountTestResponse {
            ok: true,
            steps: Vec::new(),
            sentence: "The practice outbox needs no connection: its mails stay on this computer.".into(),
        });
    }
    Err(Error::new(Code::Internal, "not built yet"))
}
