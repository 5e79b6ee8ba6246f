//! Backups: saved, looked into, brought back.

use crate::access::Access;
use crate::run::Session;
use crate::{print, serve};
use anyhow::{Context, Result, bail};
use casement_core::api::{Event, JobState};
use casement_core::engine::socket::{Client, Host};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `restore` is to do.
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// The backup, or one of the copies that `backup --list` names.
    pub file: PathBuf,
    /// Say what it is and what has happened here since, change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// What `backup` is to do.
#[derive(Debug, clap::Args)]
pub struct Save {
    /// The file to write; it must not be there yet.
    #[arg(required_unless_present = "list")]
    pub file: Option<PathBuf>,
    /// You go on with it on another computer: sending stops here, and every campaign is paused.
    #[arg(long = "move")]
    pub is_move: bool,
    /// List the copies that lie in the workspace itself.
    #[arg(long, conflicts_with_all = ["file", "is_move"])]
    pub list: bool,
}

impl Session {
    /// Saves a backup, or lists copies.
    pub(crate) fn backup(&mut self, options: &Save) -> Result<()> {
        let Some(file) = &options.file else {
            let list = self.access.call("backup_list", json!({}))?;
            self.show(&list, || {
                let copies = list["copies"].as_array().into_iter().flatten();
                copies
                    .map(|copy| {
                        let text = |name: &str| copy[name].as_str().unwrap_or_default().to_owned();
                        format!("{}  {}\n", text("made_at"), text("path"))
                    })
                    .collect()
            });
            return Ok(());
        };
        let path = std::path::absolute(file)?;
        if path.exists() {
            bail!("{} is there already; choose another name", path.display());
        }
        let started = self
            .access
            .call("backup_save", json!({ "path": path, "is_move": options.is_move }))?;
        let saved = self.job(started)?;
        self.show(&saved, || {
            format!(
                "{} ({} bytes): {} contacts, {} campaigns, {} accounts without their passwords\n",
                saved["path"].as_str().unwrap_or_default(),
                saved["size"],
                saved["contents"]["contacts"],
                saved["contents"]["campaigns"],
                saved["contents"]["accounts"],
            )
        });
        Ok(())
    }
}

/// Brings a backup back: by the engine there is, or in this process.
pub fn restore(workspace: &Path, options: &Restore, json: bool) -> Result<ExitCode> {
    let request = json!({ "path": std::path::absolute(&options.file)? });
    let first = match Access::open(workspace) {
        Ok(Access::Engine(engine)) => Some(engine),
        Err(error) if serve::is_damaged(&error) => None,
        Err(error) => return Err(error),
        Ok(mut remote) => {
            if options.dry_run {
                show_look(&remote.call("backup_look", request)?, json);
                return Ok(ExitCode::SUCCESS);
            }
            // Whoever has the workspace opens it anew; in between nobody else may.
            let mut follower = Client::connect(workspace)?;
            follower.subscribe()?;
            let started = remote.call("backup_restore", request)?;
            while let Ok(event) = follower.next_event() {
                match event {
                    Event::Job(job) if json!(job.id) == started["job"] => {
                        if let Some(error) = job.error {
                            return Err(error.into());
                        }
                    }
                    Event::Reopen {} => break,
                    _ => {}
                }
            }
            let told =
                json!({ "text": "The Casement that has this workspace open brings the backup back now." });
            return show_told(&told, json).map(|()| ExitCode::SUCCESS);
        }
    };
    let residence = serve::reside(workspace, first, |_| {})?;
    let done = if options.dry_run {
        residence
            .call("backup_look", request)
            .map(|look| show_look(&look, json))
            .map_err(Into::into)
    } else {
        bring_back(&residence, request, json)
    };
    residence.shutdown();
    done.map(|()| ExitCode::SUCCESS)
}

fn bring_back(residence: &casement_core::api::Residence, request: Value, json: bool) -> Result<()> {
    let events = residence.subscribe();
    let started = residence.call("backup_restore", request)?;
    if !started["job"].is_null() {
        for event in events {
            match event {
                Event::Job(job) if json!(job.id) == started["job"] && job.state != JobState::Running => {
                    if let Some(error) = job.error {
                        return Err(error.into());
                    }
                }
                Event::Reopen {} => break,
                _ => {}
            }
        }
    }
    // The newest line of the feed says what became of it.
    let feed = residence.call(
        "activity_list",
        json!({ "before": null, "campaign": null, "limit": 1 }),
    )?;
    show_told(&feed["rows"][0], json)
}

fn show_told(told: &Value, json: bool) -> Result<()> {
    if json {
        print::json_document(told);
    } else {
        print::out(&format!(
            "{}\n",
            told["text"].as_str().context("the feed is empty")?
        ));
    }
    if told["kind"] == json!("problem") {
        bail!("the backup was not brought back");
    }
    Ok(())
}

fn show_look(look: &Value, json: bool) {
    if json {
        return print::json_document(look);
    }
    let mut out = format!(
        "made {}: {} contacts, {} campaigns, {} accounts without their passwords\n",
        look["made_at"].as_str().unwrap_or_default(),
        look["contents"]["contacts"],
        look["contents"]["campaigns"],
        look["contents"]["accounts"],
    );
    let here = &look["here"];
    if here.is_object() && here["is_empty"] == json!(false) {
        out.push_str(if here["is_same"] == json!(true) {
            "here since then: "
        } else {
            "it is of another workspace; here: "
        });
        out.push_str(&format!(
            "{} contacts added, {} drafts changed, {} campaigns launched, {} addresses suppressed, {} refusals\n",
            here["contacts"], here["drafts"], here["launched"], here["suppressed"], here["refused"]
        ));
    }
    print::out(&out);
}
