//! The sub-commands of `campaign`.

use crate::args::Campaign;
use crate::run::{Session, text_or_stdin};
use crate::{after, print, routes, tables};
use anyhow::{Context, Result};
use casement_core::api::{self, Code, Preflight};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

impl Session {
    pub(crate) fn campaign(&mut self, command: Campaign) -> Result<ExitCode> {
        let value = match command {
            Campaign::Create { file } => {
                let text = if file == Path::new("-") {
                    text_or_stdin("-")?
                } else {
                    std::fs::read_to_string(&file)
                        .with_context(|| format!("cannot read {}", file.display()))?
                };
                let mut request: Value =
                    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
                after::resolve_attachments(&mut request, &file)?;
                self.access.call("campaign_create", request)?
            }
            Campaign::List => {
                let value = self.access.call("campaign_list", json!({}))?;
                self.show(&value, || tables::campaigns(&value));
                return Ok(ExitCode::SUCCESS);
            }
            Campaign::Show { id } => self.access.call("campaign_get", json!({ "id": id }))?,
            Campaign::Preview { id, contact, html } => {
                let mut request = json!({ "id": id });
                if let Some(who) = contact {
                    request["contact"] = self.contact_id(&who)?;
                }
                let value = self.access.call("campaign_preview", request)?;
                let part = if html { "html" } else { "text" };
                self.show(&value, || {
                    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
                    format!(
                        "From: {}\nSubject: {}\n\n{}\n",
                        text("from"),
                        text("subject"),
                        text(part)
                    )
                });
                return Ok(ExitCode::SUCCESS);
            }
            Campaign::Preflight { id } => {
                let preflight = self.preflight(id)?;
                self.show(&serde_json::to_value(&preflight)?, || {
                    print::preflight(&preflight)
                });
                return Ok(if preflight.ready {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                });
            }
            Campaign::Launch {
                id,
                yes,
                delay,
                at,
                zone,
                when_late,
                quiet_hours,
                confirm_host,
            } => {
                let mut request = json!({ "id": id, "delay_secs": delay, "confirmed": yes });
                if let Some(at) = at {
                    let zone = match zone {
                        Some(zone) => zone,
                        None => self.zone()?,
                    };
                    request["at"] = json!({ "time": whole_time(&at), "zone": zone });
                }
                if let Some(when_late) = when_late {
                    request["when_late"] = json!(when_late.word());
                }
                if let Some(hours) = quiet_hours {
                    let (from, until) = hours.split_once('-').with_context(|| {
                        format!("{hours:?} are no quiet hours. Write them as 21:00-08:00.")
                    })?;
                    request["quiet"] =
                        json!({ "from": format!("{from}:00"), "until": format!("{until}:00") });
                }
                if let Some(host) = confirm_host {
                    request["confirm_host"] = json!(host);
                }
                return self.launch(id, request);
            }
            Campaign::Progress { id } => self.access.call("campaign_sending", json!({ "id": id }))?,
            Campaign::Dialogue { message } => {
                let value = self.access.call("message_dialogue", json!({ "id": message }))?;
                self.show(&value, || print::dialogue(&value));
                return Ok(ExitCode::SUCCESS);
            }
            Campaign::Pause { id } => self.access.call("campaign_pause", json!({ "id": id }))?,
            Campaign::Resume { id } => self.access.call("campaign_resume", json!({ "id": id }))?,
            Campaign::Cancel { id } => self.access.call("campaign_cancel", json!({ "id": id }))?,
            Campaign::Window(change) => {
                let (command, request) = change.request()?;
                self.access.call(command, request)?
            }
            Campaign::Duplicate { id } => self.access.call("campaign_duplicate", json!({ "id": id }))?,
            Campaign::Retry(options) => return self.retry(&options),
            Campaign::AddNew(options) => return self.add_new(&options),
            Campaign::Uncertain(options) => return self.uncertain(&options),
            Campaign::Test { id, to } => self
                .access
                .call("campaign_test_mail", json!({ "id": id, "to": to }))?,
        };
        print::json_document(&value);
        Ok(ExitCode::SUCCESS)
    }

    fn preflight(&mut self, id: i64) -> Result<Preflight> {
        let state = self.access.call("campaign_get", json!({ "id": id }))?["state"].take();
        if matches!(state.as_str(), Some("draft" | "prepared")) {
            let started = self.access.call("campaign_prepare", json!({ "id": id }))?;
            self.job(started)?;
        }
        self.access.ask("campaign_preflight", json!({ "id": id }))
    }

    /// Returns the workspace's time zone.
    fn zone(&mut self) -> Result<String> {
        let state = self.access.call("app_state", json!({}))?;
        state["settings"]["zone"]
            .as_str()
            .map(str::to_owned)
            .context("the workspace names no time zone; say --zone")
    }

    fn launch(&mut self, id: i64, request: serde_json::Value) -> Result<ExitCode> {
        let yes = request["confirmed"] == true;
        let preflight = self.preflight(id)?;
        if !preflight.ready {
            self.show(&json!({ "launched": false, "preflight": preflight }), || {
                print::preflight(&preflight)
            });
            eprintln!("casementctl: campaign {id} was not launched");
            return Ok(ExitCode::FAILURE);
        }
        if !self.json && !self.quiet {
            eprint!("{}", print::preflight(&preflight));
        }
        match self.access.call("campaign_launch", request) {
            Ok(_) => {}
            Err(error) if routes::asks_for_host(&error) => {
                return Err(error.context("not launched; say --confirm-host HOST if you mean that address"));
            }
            Err(error)
                if !yes
                    && error
                        .downcast_ref::<api::Error>()
                        .is_some_and(|error| error.code == Code::Conflict) =>
            {
                return Err(
                    error.context("not launched; look at the warnings above, and say --yes if they are fine")
                );
            }
            Err(error) => return Err(error),
        }
        self.show(&json!({ "launched": true, "preflight": preflight }), || {
            format!(
                "Launched. {} mails are queued; `casementctl send` sends them.\n",
                preflight.to_send
            )
        });
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns a local time with its seconds.
fn whole_time(text: &str) -> String {
    if text.matches(':').count() == 1 {
        format!("{text}:00")
    } else {
        text.to_owned()
    }
}
