//! What an account logs in with, and the test of its connection.

use super::account::{checked, is_same_login, place, stored, typed_password};
use super::engine::Engine;
use super::{sign_in, trust};
use crate::api::{
    AccountKind, AccountSave, AccountTest, AccountTestResponse, Code, Error, Result, TestStep, TestStepKind,
    Tls,
};
use crate::delivery::transport::Transport;
use crate::mail::smtp;
use crate::secrets::Secret;
use crate::store::{self, account, trusted_certificate};
use std::sync::Arc;

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
    let same = stored.filter(|(stored, _)| is_same_login(stored, account));
    let mut login = Login::default();
    match (&signs_in, typed_password(typed), &same) {
        // What is stored is not looked for: it may be just what is gone.
        (None, Some(password), _) => login.password = Some(password.clone()),
        (None, None, Some((stored, None))) => login.password = secret(engine, stored)?,
        (None, None, _) => {}
        (Some(typed), _, Some((stored, Some(row)))) if row.is_same_client(typed) => {
            login.tokens = Some(sign_in::tokens(engine, stored.id));
        }
        (Some(_), ..) => login.tokens = Some(sign_in::no_tokens()),
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
