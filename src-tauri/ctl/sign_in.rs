//! `account login` and `account trust`, and what `account add` says of signing in.

use crate::access::Access;
use crate::args::SignIn;
use crate::print;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

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
