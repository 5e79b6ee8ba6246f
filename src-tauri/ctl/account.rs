//! Accounts, and the checks of a sender before sending.

use crate::args::Account;
use crate::incoming;
use crate::print;
use crate::run::Session;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::process::ExitCode;

impl Session {
    fn account_id(&mut self, name: &str) -> Result<Value> {
        let found = self.access.call("account_list", json!({}))?;
        found["accounts"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|account| {
                account["name"]
                    .as_str()
                    .is_some_and(|known| known.eq_ignore_ascii_case(name))
            })
            .map(|account| account["id"].clone())
            .with_context(|| format!("there is no account called {name:?}"))
    }

    /// `account …`
    pub(crate) fn account(&mut self, command: Account) -> Result<ExitCode> {
        let value = match command {
            Account::Add(options) => {
                let (from_name, from_address) = sender(&options.from)?;
                let mut request = json!({
                    "name": options.name, "kind": "smtp", "host": options.host, "port": options.port,
                    "tls": options.tls.word(), "user": options.user, "from_name": from_name,
                    "from_address": from_address, "reply_to": options.reply_to,
                    "connections": options.connections, "per_minute": options.per_minute,
                });
                if options.password_stdin {
                    request["password"] = json!(one_line_of_stdin()?);
                }
                self.access.call("account_save", request)?
            }
            Account::AddOutbox { name, from } => {
                let (from_name, from_address) = sender(&from)?;
                let request = json!({ "name": name, "kind": "outbox", "from_name": from_name, "from_address": from_address });
                self.access.call("account_save", request)?
            }
            Account::List => self.access.call("account_list", json!({}))?,
            Account::Remove { name } => {
                let id = self.account_id(&name)?;
                self.access.call("account_remove", json!({ "id": id }))?
            }
            Account::Check {
                name,
                domain,
                selector,
            } => {
                let mut request = json!({});
                if let Some(name) = name {
                    request["account"] = self.account_id(&name)?;
                }
                for (field, value) in [("domain", domain), ("selector", selector)] {
                    if let Some(value) = value {
                        request[field] = json!(value);
                    }
                }
                let value = self.access.call("domain_check", request)?;
                return Ok(self.checked(&value));
            }
            Account::CheckMail { file } => {
                let (path, _kept) = incoming::path_of(&file)?;
                let value = self.access.call("mail_check", json!({ "path": path }))?;
                return Ok(self.checked(&value));
            }
            Account::Test { name } => {
                let id = self.account_id(&name)?;
                let value = self.access.call("account_test", json!({ "id": id }))?;
                self.show(&value, || {
                    format!("{}\n", value["sentence"].as_str().unwrap_or_default())
                });
                return Ok(if value["ok"] == json!(true) {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                });
            }
        };
        print::json_document(&value);
        Ok(ExitCode::SUCCESS)
    }

    /// Prints findings, worst words in front; fails where one is bad.
    fn checked(&self, value: &Value) -> ExitCode {
        self.show(value, || {
            let mut out = String::new();
            for found in value["findings"].as_array().into_iter().flatten() {
                let text = |name: &str| found[name].as_str().unwrap_or_default();
                out.push_str(&format!("{:<8}{}\n", text("severity"), text("sentence")));
                if !text("record").is_empty() {
                    out.push_str(&format!("        {}\n", text("record")));
                }
            }
            out
        });
        match value["severity"].as_str() {
            Some("bad") => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    }
}

/// Splits `Name <address>`.
fn sender(text: &str) -> Result<(String, String)> {
    match text
        .trim()
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'))
    {
        Some((name, address)) => Ok((
            name.trim().trim_matches('"').to_owned(),
            address.trim().to_owned(),
        )),
        None if text.contains('@') => Ok((String::new(), text.trim().to_owned())),
        None => bail!("--from {text:?} is not 'Name <address>'"),
    }
}

fn one_line_of_stdin() -> Result<String> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .context("cannot read the password from standard input")?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        bail!("there was no password on standard input");
    }
    Ok(line.to_owned())
}
