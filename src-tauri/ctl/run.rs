//! Turns each sub-command into commands of the table.

use crate::access::{self, Access};
use crate::args::{Address, Args, Command, Contacts, Import};
use crate::reach::Reach;
use crate::{demo, judge, print, routes, serve, simulate, tables};
use anyhow::{Context, Result, bail};
use casement_core::api::{self, Report, SendingStatus};
use casement_core::engine::socket;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// One run of the program: how it reaches the engine, and how it is to answer.
pub(crate) struct Session {
    pub(crate) access: Access,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

/// Runs one sub-command.
pub fn run(args: Args) -> Result<ExitCode> {
    let Args {
        workspace,
        json,
        quiet,
        command,
    } = args;
    match &command {
        Command::Demo(options) => return demo::demo(options, json, quiet),
        Command::Simulate(options) => return simulate::simulate(options, json, quiet),
        Command::Judge { ua_file } => return judge::judge(ua_file, json),
        Command::Call { list: true, .. } => {
            api::COMMANDS
                .iter()
                .for_each(|command| print::out(&format!("{}\n", command.name)));
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let workspace = access::workspace(workspace)?;
    match command {
        Command::Rpc => return serve::rpc(&workspace),
        Command::Listen(options) => return serve::listen(&workspace, &options, json, false),
        Command::Serve(options) => return serve::listen(&workspace, &options, json, true),
        Command::Reach(Reach::Up) => return crate::reach::up(&workspace, json, quiet),
        Command::Restore(options) => return crate::backup::restore(&workspace, &options, json),
        _ => {}
    }
    let mut session = Session {
        access: Access::open(&workspace)?,
        json,
        quiet,
    };
    let code = session.run(command);
    session.access.close();
    code
}

impl Session {
    fn run(&mut self, command: Command) -> Result<ExitCode> {
        match command {
            Command::Import(options) => self.import(&options)?,
            Command::Address(command) => self.address(command)?,
            Command::Reach(command) => return self.reach(command),
            Command::Contacts(command) => self.contacts(command)?,
            Command::Account(command) => return self.account(command),
            Command::Campaign(command) => return self.campaign(command),
            Command::Incoming { files, dry_run } => self.incoming(&files, dry_run, false)?,
            Command::Unsubscribe { eml, dry_run } => self.incoming(&eml, dry_run, true)?,
            Command::Backup(options) => self.backup(&options)?,
            Command::Send { campaign } => self.send(campaign)?,
            Command::Report { campaign, csv, html } => {
                self.report(campaign, csv.as_deref(), html.as_deref())?
            }
            Command::Verify => return self.verify(),
            Command::Call { command, request, .. } => {
                let command = command.expect("clap requires it without --list");
                let request =
                    serde_json::from_str(&text_or_stdin(&request)?).context("the request is no JSON")?;
                print::json_document(&self.access.call(&command, request)?);
            }
            Command::Demo(_)
            | Command::Simulate(_)
            | Command::Judge { .. }
            | Command::Rpc
            | Command::Restore(_)
            | Command::Listen(_)
            | Command::Serve(_) => {
                unreachable!("handled before a session is opened")
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Prints `value` with `--json`, and `words` of it otherwise.
    pub(crate) fn show(&self, value: &Value, words: impl FnOnce() -> String) {
        if self.json {
            print::json_document(value);
        } else {
            print::out(&words());
        }
    }

    pub(crate) fn job(&mut self, started: Value) -> Result<Value> {
        let quiet = self.quiet || self.json;
        let mut told = 0;
        self.access.wait_job(started, |job| {
            if !quiet && job.done > told {
                told = job.done;
                match job.total {
                    Some(total) => eprintln!("{}: {} of {total}", job.title, job.done),
                    None => eprintln!("{}: {}", job.title, job.done),
                }
            }
        })
    }

    fn import(&mut self, options: &Import) -> Result<()> {
        let mut map = serde_json::Map::new();
        for pair in &options.map {
            let (column, field) = pair
                .split_once('=')
                .with_context(|| format!("--map {pair:?} is not COLUMN=FIELD"))?;
            map.insert(column.to_owned(), json!(field));
        }
        let path = std::path::absolute(&options.file)?;
        let mut request = json!({
            "path": path, "map": map, "dry_run": options.dry_run,
            "consent_source": options.consent_source, "consent_wording": options.consent_wording,
        });
        if let Some(list) = &options.list {
            request["list"] = json!(list);
        }
        if let Some(consent) = options.consent {
            request["consent"] = json!(consent.word());
        }
        let started = self.access.call("import_run", request)?;
        let result = self.job(started)?;
        self.show(&result, || {
            let mut out = format!(
                "{} rows: {} added, {} updated, {} unchanged, {} duplicates, {} rejected\n",
                result["rows"],
                result["added"],
                result["updated"],
                result["unchanged"],
                result["duplicates"],
                result["rejected"]
            );
            for problem in result["problems"].as_array().into_iter().flatten() {
                let text = problem["message"].as_str().unwrap_or_default();
                out.push_str(&format!("  line {}: {text}\n", problem["line"]));
            }
            out
        });
        Ok(())
    }

    fn address(&mut self, command: Address) -> Result<()> {
        match command {
            Address::Set { url, local } => self.set_address(&json!({ "url": url, "local": local })),
            Address::None => self.set_address(&json!({ "url": null })),
            Address::Show => {
                let address = self.access.call("address_show", json!({}))?;
                self.show(&address, || routes::address(&address));
                Ok(())
            }
        }
    }

    /// Finds a contact by id or address.
    pub(crate) fn contact_id(&mut self, who: &str) -> Result<Value> {
        if let Ok(id) = who.parse::<i64>() {
            return Ok(json!(id));
        }
        let found = self
            .access
            .call("contact_list", json!({ "search": who, "limit": 500 }))?;
        found["contacts"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|contact| {
                contact["email"]
                    .as_str()
                    .is_some_and(|email| email.eq_ignore_ascii_case(who))
            })
            .map(|contact| contact["id"].clone())
            .with_context(|| format!("there is no contact with the address {who}"))
    }

    fn contacts(&mut self, command: Contacts) -> Result<()> {
        let value = match command {
            Contacts::List {
                search,
                limit,
                offset,
            } => {
                let value = self.access.call(
                    "contact_list",
                    json!({ "search": search, "limit": limit, "offset": offset }),
                )?;
                self.show(&value, || tables::contacts(&value));
                return Ok(());
            }
            Contacts::Show { who } => {
                let id = self.contact_id(&who)?;
                self.access.call("contact_get", json!({ "id": id }))?
            }
            Contacts::Export { who } => {
                let id = self.contact_id(&who)?;
                self.access.call("contact_export", json!({ "id": id }))?["document"].take()
            }
            Contacts::Erase { who, yes } => {
                if !yes {
                    bail!("erasing cannot be undone; say --yes");
                }
                let ids = who
                    .iter()
                    .map(|who| self.contact_id(who))
                    .collect::<Result<Vec<_>>>()?;
                self.access.call("contact_erase", json!({ "ids": ids }))?
            }
            Contacts::EraseOpens { who, yes } => {
                if !yes {
                    bail!("erasing cannot be undone; say --yes");
                }
                let id = self.contact_id(&who)?;
                self.access.call("contact_erase_opens", json!({ "id": id }))?
            }
            Contacts::Bounced(options) => return self.pasted(&options, "bounced"),
            Contacts::Unsubscribed(options) => return self.pasted(&options, "unsubscribed"),
            Contacts::Suppress { email, reason, lift } => self.access.call(
                "contact_suppress",
                json!({ "email": email, "suppress": !lift, "reason": reason }),
            )?,
            Contacts::Consent {
                who,
                state,
                source,
                wording,
            } => {
                let id = self.contact_id(&who)?;
                let request =
                    json!({ "id": id, "state": state.word(), "source": source, "wording": wording });
                self.access.call("contact_consent_set", request)?
            }
        };
        print::json_document(&value);
        Ok(())
    }

    fn send(&mut self, campaign: Option<i64>) -> Result<()> {
        let before: SendingStatus = self.access.ask("sending_status", json!({}))?;
        self.access.call("sending_start", json!({}))?;
        let quiet = self.quiet || self.json;
        let mut last = None;
        let done = self.access.until(|access| match campaign {
            Some(id) => {
                let row = access.call("campaign_get", json!({ "id": id }))?;
                let counts = &row["counts"];
                let waiting: u64 = ["queued", "handing_over"]
                    .iter()
                    .filter_map(|state| counts[state].as_u64())
                    .sum();
                if !quiet && last.replace(waiting) != Some(waiting) {
                    eprintln!("{waiting} to send");
                }
                let status: SendingStatus = access.ask("sending_status", json!({}))?;
                // An account that waits for hours, or a time that was chosen, is not waited for here.
                let is_over = waiting == 0 || row["state"] != json!("running") || !status.busy;
                // Readers who asked for what is held about them are not kept waiting for another campaign.
                Ok((is_over && status.data_requests == 0).then_some(row))
            }
            None => {
                let status: SendingStatus = access.ask("sending_status", json!({}))?;
                let waiting = [status.due, status.in_hand, status.data_requests]
                    .iter()
                    .map(|n| u64::from(*n))
                    .sum();
                if !quiet && last.replace(waiting) != Some(waiting) {
                    eprintln!("{waiting} to send");
                }
                let is_over = !status.busy && status.in_hand == 0 && status.data_requests == 0;
                Ok(is_over.then(|| serde_json::to_value(status)).transpose()?)
            }
        });
        if !before.running {
            self.access.call("sending_stop", json!({}))?;
        }
        let done = done?;
        self.show(&done, || match done["problem"].as_str() {
            Some(problem) => format!("Stopped: {problem}\n"),
            None => match (&done["next_attempt_at"], done["due"].as_u64()) {
                (_, Some(due)) if due > 0 => {
                    format!("{due} mails wait for their accounts' limits or quiet hours.\n")
                }
                (Value::String(at), _) => format!("Nothing is due before {at}.\n"),
                _ => "Nothing is due.\n".to_owned(),
            },
        });
        Ok(())
    }

    fn report(&mut self, id: i64, csv: Option<&Path>, html: Option<&Path>) -> Result<()> {
        for (path, format) in [(csv, "csv"), (html, "html")] {
            if let Some(path) = path {
                let request = json!({ "id": id, "path": std::path::absolute(path)?, "format": format });
                let value = self.access.call("report_export", request)?;
                self.show(&value, || {
                    format!("{}\n", value["path"].as_str().unwrap_or_default())
                });
                return Ok(());
            }
        }
        let value = self.access.call("report_get", json!({ "id": id }))?;
        let report: Report = serde_json::from_value(value.clone())?;
        self.show(&value, || print::report(&report));
        Ok(())
    }

    fn verify(&mut self) -> Result<ExitCode> {
        let value = self.access.call("verify", json!({}))?;
        self.show(&value, || {
            let list = |name: &str| -> Vec<String> {
                value[name]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|v| v.as_str().map(str::to_owned))
                    .collect()
            };
            let mut out: String = list("checked")
                .iter()
                .map(|line| format!("checked {line}\n"))
                .collect();
            out.extend(list("breaches").iter().map(|line| format!("breach: {line}\n")));
            out.push_str(if value["ok"] == json!(true) {
                "All is well.\n"
            } else {
                "Something is wrong.\n"
            });
            out
        });
        Ok(if value["ok"] == json!(true) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

pub(crate) fn text_or_stdin(text: &str) -> Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut out = String::new();
    std::io::stdin()
        .take(socket::MAX_FRAME)
        .read_to_string(&mut out)
        .context("cannot read standard input")?;
    Ok(out)
}
