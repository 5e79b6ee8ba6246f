//! `campaign retry`, `add-new` and `uncertain`: what can be done after a campaign was sent.

use crate::print;
use crate::run::Session;
use anyhow::{Context, Result};
use casement_core::api::Preflight;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// Options of `campaign retry`.
#[derive(Debug, clap::Args)]
pub struct Retry {
    /// Its id.
    id: i64,
    /// This mail, by its id in the list; missing takes all that may work next time.
    #[arg(long = "message", value_name = "ID")]
    messages: Vec<i64>,
    /// List what failed instead.
    #[arg(long)]
    list: bool,
}

/// Options of `campaign add-new`.
#[derive(Debug, clap::Args)]
pub struct AddNew {
    /// Its id.
    id: i64,
    /// Send at once where nothing is wrong, and confirm the warnings.
    #[arg(long)]
    yes: bool,
    /// Send with an address that may be gone soon: its host, typed out.
    #[arg(long, value_name = "HOST")]
    confirm_host: Option<String>,
    /// Throw away what was prepared instead.
    #[arg(long, conflicts_with = "yes")]
    discard: bool,
}

/// Options of `campaign uncertain`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("how").args(["leave", "again", "sent"]))]
pub struct Uncertain {
    /// Its id.
    id: i64,
    /// Leave them as they are; a look at the pixel still proves that one arrived.
    #[arg(long)]
    leave: bool,
    /// Send them again: who got the mail already may get it twice.
    #[arg(long)]
    again: bool,
    /// Mark them as sent.
    #[arg(long)]
    sent: bool,
    /// This mail, by its id in the list; missing takes all.
    #[arg(long = "message", value_name = "ID", requires = "how")]
    messages: Vec<i64>,
}

/// Reads `attachments` of a campaign file as paths from the folder that the file lies in.
pub fn resolve_attachments(request: &mut Value, file: &Path) -> Result<()> {
    let folder = std::path::absolute(file)?
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default();
    // Not by index: that would put a null where there is none.
    let paths = request.get_mut("attachments").and_then(Value::as_array_mut);
    for path in paths.into_iter().flatten() {
        if let Some(relative) = path.as_str() {
            *path = json!(
                folder
                    .join(relative)
                    .to_str()
                    .context("a path is no Unicode text")?
            );
        }
    }
    Ok(())
}

fn with_messages(mut request: Value, messages: &[i64]) -> Value {
    if !messages.is_empty() {
        request["messages"] = json!(messages);
    }
    request
}

fn table(troubles: &Value) -> String {
    let rows: Vec<Vec<String>> = troubles
        .as_array()
        .into_iter()
        .flatten()
        .map(|trouble| {
            let text = |name: &str| trouble[name].as_str().unwrap_or_default().to_owned();
            let note = match (
                trouble["stopped"] == json!(true),
                trouble["temporary"] == json!(true),
            ) {
                (true, _) => "gets no mail any more",
                (false, true) => "may work next time",
                (false, false) => "",
            };
            vec![
                trouble["message"].to_string(),
                text("email"),
                text("state"),
                note.to_owned(),
                text("reply"),
            ]
        })
        .collect();
    print::table(&["id", "address", "state", "", "what was said"], &rows)
}

fn touched(value: &Value, did: &str) -> String {
    match value["count"].as_u64() {
        Some(1) => format!("1 mail {did}.\n"),
        _ => format!("{} mails {did}.\n", value["count"]),
    }
}

impl Session {
    /// Sends failed mails again, or lists them.
    pub fn retry(&mut self, options: &Retry) -> Result<ExitCode> {
        if options.list {
            let value = self
                .access
                .call("campaign_troubles", json!({ "id": options.id }))?;
            self.show(&value, || table(&value["failed"]));
            return Ok(ExitCode::SUCCESS);
        }
        let request = with_messages(json!({ "id": options.id }), &options.messages);
        let value = self.access.call("campaign_retry", request)?;
        self.show(&value, || {
            touched(&value, "in the queue again; `casementctl send` sends")
        });
        Ok(ExitCode::SUCCESS)
    }

    /// Lists uncertain mails, or settles them.
    pub fn uncertain(&mut self, options: &Uncertain) -> Result<ExitCode> {
        let (how, did) = match (options.leave, options.again, options.sent) {
            (true, ..) => ("leave", "left as it is"),
            (_, true, _) => ("again", "in the queue again; `casementctl send` sends"),
            (.., true) => ("sent", "marked as sent"),
            _ => {
                let value = self
                    .access
                    .call("campaign_troubles", json!({ "id": options.id }))?;
                self.show(&value, || table(&value["uncertain"]));
                return Ok(ExitCode::SUCCESS);
            }
        };
        let request = with_messages(json!({ "id": options.id, "how": how }), &options.messages);
        let value = self.access.call("message_resolve", request)?;
        self.show(&value, || touched(&value, did));
        Ok(ExitCode::SUCCESS)
    }

    /// Prepares the mails to people who joined since, and sends them with `--yes`.
    pub fn add_new(&mut self, options: &AddNew) -> Result<ExitCode> {
        let id = options.id;
        if options.discard {
            let value = self
                .access
                .call("campaign_follow_up_discard", json!({ "id": id }))?;
            print::json_document(&value);
            return Ok(ExitCode::SUCCESS);
        }
        let started = self
            .access
            .call("campaign_follow_up_prepare", json!({ "id": id }))?;
        self.job(started)?;
        let found = self.access.call("campaign_follow_up", json!({ "id": id }))?;
        let preflight: Preflight = serde_json::from_value(found["prepared"].clone())?;
        let mut launched = false;
        if preflight.ready && options.yes {
            let mut request = json!({ "id": id, "confirmed": true });
            if let Some(host) = &options.confirm_host {
                request["confirm_host"] = json!(host);
            }
            self.access.call("campaign_follow_up_launch", request)?;
            launched = true;
        }
        self.show(&json!({ "launched": launched, "preflight": preflight }), || {
            let next = match (launched, preflight.ready) {
                (true, _) => "Launched; `casementctl send` sends them.",
                (false, true) => "Prepared, not sent. Say --yes to send them, or --discard.",
                (false, false) => "Not sent. Mend what is wrong, or say --discard.",
            };
            format!("{}{next}\n", print::preflight(&preflight))
        });
        Ok(if preflight.ready {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
