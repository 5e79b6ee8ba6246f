//! `reach …`: the way that readers take to this computer.

use crate::access::Access;
use crate::print;
use anyhow::{Context, Result};
use casement_core::api::Tunnel;
use casement_core::reach::tunnel::state::State;
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};

/// What is asked of it.
#[derive(Debug, Subcommand)]
pub enum Reach {
    /// Start the tunnel and print its address once it is connected.
    ///
    /// Where the app or another process has the workspace, it is started there, and this command ends. Where none has, this
    /// process takes readers in until it is told to end, and the tunnel ends with it. With --json: one document a line
    /// at every change.
    Up,
    /// Say how the public address is: what mails carry, and when it was last seen from outside.
    Status,
    /// Ask an address for a proof that this Casement answers behind it. Exit 1 where it does not.
    Probe {
        /// Scheme, host and port [default: the address in use].
        url: Option<String>,
    },
    /// Every address that mails were sent with: what depends on it, and until when.
    Routes,
}

/// Starts the tunnel, and stays with it where this process is the engine.
pub fn up(workspace: &Path, json: bool, quiet: bool) -> Result<ExitCode> {
    let (sender, ended) = channel::<()>();
    ctrlc::set_handler(move || {
        // The receiver lives until the process ends.
        let _ = sender.send(());
    })
    .context("cannot be told to end by a signal")?;
    let mut access = Access::open(workspace)?;
    let stays = matches!(access, Access::Engine(_));
    let result = follow(&mut access, stays, &ended, json, quiet);
    access.close();
    result
}

fn follow(
    access: &mut Access,
    stays: bool,
    ended: &Receiver<()>,
    json: bool,
    quiet: bool,
) -> Result<ExitCode> {
    access.call("tunnel_up", json!({}))?;
    let mut told = Told::default();
    access.until(|access| {
        if ended.try_recv().is_ok() {
            return Ok(Some(ExitCode::SUCCESS));
        }
        let tunnel: Tunnel = access.ask("tunnel_show", json!({}))?;
        let is_up = !tunnel.runs_program || tunnel.state == State::Live;
        if json {
            told.document(&tunnel)?;
        } else {
            told.words(&tunnel, is_up, quiet);
        }
        let is_wanted = tunnel.chosen.as_ref().is_some_and(|chosen| chosen.is_on);
        Ok(match tunnel.state {
            State::NeedsUser => Some(ExitCode::FAILURE),
            _ if is_up && !stays => Some(ExitCode::SUCCESS),
            // Somebody else ended it.
            State::Stopped if tunnel.runs_program && !is_wanted => Some(ExitCode::FAILURE),
            _ => None,
        })
    })
}

/// What was said last.
#[derive(Default)]
struct Told {
    document: Value,
    sentence: String,
    address: Option<String>,
}

impl Told {
    /// Prints how it is, one document a line, where that changed.
    fn document(&mut self, tunnel: &Tunnel) -> Result<()> {
        let mut value = serde_json::to_value(tunnel)?;
        // What passes by itself is no change, and the lines are for whoever asks for them.
        for field in ["lines", "again_in", "latency"] {
            value[field].take();
        }
        if value != self.document {
            let mut whole = serde_json::to_value(tunnel)?;
            whole["lines"] = json!([]);
            print::out(&format!("{whole}\n"));
            self.document = value;
        }
        Ok(())
    }

    fn words(&mut self, tunnel: &Tunnel, is_up: bool, quiet: bool) {
        if tunnel.sentence != self.sentence {
            if !quiet {
                eprintln!("{}", tunnel.sentence);
                let words = tunnel.last_words.as_ref().filter(|_| tunnel.trouble.is_some());
                if let Some(words) = words {
                    eprintln!("  {words}");
                }
            }
            self.sentence.clone_from(&tunnel.sentence);
        }
        if is_up && tunnel.url != self.address {
            print::out(&format!("{}\n", tunnel.url.as_deref().unwrap_or_default()));
            self.address.clone_from(&tunnel.url);
        }
    }
}
