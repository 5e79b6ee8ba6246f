//! `account login` and `account trust`, and what `account add` says of signing in.

use crate::access::Access;
use crate::print;
use anyhow::{Context, Result, bail};
use clap::{Args as ClapArgs, ValueEnum};
use serde_json::{Value, json};

/// Options of `account add` for signing in instead of a password; `account login` does it then.
#[derive(Debug, ClapArgs)]
pub struct SignIn {
    /// Sign in with this service instead of a password.
    #[arg(long, value_enum, requires_all = ["client_id", "user"], conflicts_with = "password_stdin")]
    pub oauth: Option<Service>,
    /// Your own client id.
    #[arg(long, value_name = "ID", requires = "oauth")]
    pub client_id: Option<String>,
    /// Read the client's secret from standard input: one line.
    #[arg(long, requires = "oauth")]
    pub client_secret_stdin: bool,
    /// Microsoft's tenant: a domain or an id [default: common].
    #[arg(long, default_value = "", requires = "oauth")]
    pub tenant: String,
    /// Of another service: where the browser goes.
    #[arg(long, value_name = "URL", default_value = "", requires = "oauth")]
    pub authorize_url: String,
    /// Of another service: where tokens come from.
    #[arg(long, value_name = "URL", default_value = "", requires = "oauth")]
    pub token_url: String,
    /// Of another service: what is asked for.
    #[arg(long, value_name = "WORDS", default_value = "", requires = "oauth")]
    pub scope: String,
}

/// Whom one signs in with.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Service {
    /// Gmail and Google Workspace.
    Google,
    /// Microsoft 365 and Outlook.com.
    Microsoft,
    /// Another one, by its addresses.
    Other,
}

impl Service {
    /// Returns the word of the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Microsoft => "microsoft",
            Self::Other => "other",
        }
    }
}

/// Returns what the table wants to know of signing in; `None` where the account has a password.
pub fn sign_in(options: &SignIn) -> Result<Option<Value>> {
    let Some(service) = options.oauth else {
        return Ok(None);
    };
    let mut request = json!({
        "service": service.word(), "client_id": options.client_id, "tenant": options.tenant,
        "authorize_url": options.authorize_url, "token_url": options.token_url, "scope": options.scope,
    });
    if options.client_secret_stdin {
        request["client_secret"] = json!(one_line_of_stdin()?);
    }
    Ok(Some(request))
}

/// Signs in: prints where the browser is to go, and waits for it.
pub fn login(access: &mut Access, id: &Value, json: bool) -> Result<Value> {
    let started = access.call("account_sign_in", json!({ "id": id }))?;
    let url = started["url"].as_str().context("a login has an address")?;
    let words = format!("Open this address in your browser, and sign in there:\n{url}\n");
    // With --json standard output has one document, and that is the answer.
    if json {
        eprint!("{words}");
    } else {
        print::out(&words);
    }
    access.wait_job(started, |_| {})
}

/// Shows the certificate of an account's server, or trusts it where its fingerprint is `sha256`.
pub fn trust(access: &mut Access, id: &Value, sha256: Option<&str>) -> Result<Value> {
    let test = access.call("account_test", json!({ "id": id }))?;
    let certificate = &test["certificate"];
    if certificate.is_null() {
        bail!(
            "there is no certificate to decide on: {}",
            test["sentence"].as_str().unwrap_or_default()
        );
    }
    let Some(sha256) = sha256 else {
        return Ok(certificate.clone());
    };
    let digits = |text: &str| -> String {
        let digits = text.chars().filter(|c| !c.is_whitespace() && *c != ':');
        digits.collect::<String>().to_ascii_uppercase()
    };
    let shown = certificate["fingerprint"].as_str().unwrap_or_default();
    if digits(shown) != digits(sha256) {
        bail!("the server shows another certificate, with the fingerprint {shown}; nothing was changed");
    }
    access.call(
        "account_trust",
        json!({ "id": id, "certificate": certificate["certificate"] }),
    )
}

/// Reads a secret: arguments are seen by every program of this computer.
pub fn one_line_of_stdin() -> Result<String> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .context("cannot read the secret from standard input")?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        bail!("there was no secret on standard input");
    }
    Ok(line.to_owned())
}
