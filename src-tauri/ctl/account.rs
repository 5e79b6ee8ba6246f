//! Accounts, and the checks of a sender before sending.

use crate::args::Account;
use crate::incoming;
use crate::print;
use crate::run::Session;
use crate::sign_in;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::process::ExitCode;

impl Session {
    pub(crate) fn account_id(&mut self, name: &str) -> Result<Value> {
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
                    "connections": options.connections, "provider": options.provider,
                    "per_second": options.per_second, "per_minute": options.per_minute,
                    "per_hour": options.per_hour, "per_day": options.per_day, "per_domain": options.per_domain,
                });
                self.fill_limits(&mut request)?;
                if options.password_stdin {
                    request["password"] = json!(sign_in::one_line_of_stdin()?);
                }
                if let Some(sign_in) = sign_in::sign_in(&options.sign_in)? {
                    request["sign_in"] = sign_in;
                }
                self.access.call("account_save", request)?
            }
            Account::AddOutbox { name, from } => {
                let (from_name, from_address) = sender(&from)?;
                let request = json!({ "name": name, "kind": "outbox", "from_name": from_name, "from_address": from_address });
                self.access.call("account_save", request)?
            }
            Account::Providers => self.access.call("account_providers", json!({}))?,
            Account::List => self.access.call("account_list", json!({}))?,
            Account::Login { name } => {
                let id = self.account_id(&name)?;
                sign_in::login(&mut self.access, &id, self.json)?
            }
            Account::Trust { name, sha256, remove } => {
                let id = self.account_id(&name)?;
                match remove {
                    true => self.access.call("account_trust", json!({ "id": id }))?,
                    false => sign_in::trust(&mut self.access, &id, sha256.as_deref())?,
                }
            }
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

    /// Fills limits that were not given with those of the provider.
    fn fill_limits(&mut self, request: &mut serde_json::Value) -> Result<()> {
        let known = self.access.call("account_providers", json!({}))?;
        let provider = known["providers"]
            .as_array()
            .and_then(|rows| rows.iter().find(|row| row["id"] == request["provider"]));
        let Some(provider) = provider else { return Ok(()) };
        let fields = ["per_second", "per_minute", "per_hour", "per_day"];
        if fields.iter().all(|field| request[field] == 0) {
            for field in fields {
                request[field] = provider[field].clone();
            }
        }
        Ok(())
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
