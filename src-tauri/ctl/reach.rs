//! `reach …`: the way that readers take to this computer.

use crate::access::Access;
use crate::print;
use anyhow::{Context, Result};
use casement_core::api::Tunnel;
use casement_core::reach::tunnel::state::State;
use clap::Subcommand;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};

/// What is asked of it.
#[derive(Debug, Subcommand)]
pub enum Reach {
    /// Start the tunnel and print its address once it is connected. Stays until it is told to end where no other
    /// process is this workspace's engine.
    Up,
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
    let mut printed: Option<String> = None;
    let mut told = String::new();
    access.until(|access| {
        if ended.try_recv().is_ok() {
            return Ok(Some(ExitCode::SUCCESS));
        }
        let tunnel: Tunnel = access.ask("tunnel_show", json!({}))?;
        if !quiet && tunnel.sentence != told {
            eprintln!("{}", tunnel.sentence);
            if let Some(words) = tunnel.last_words.as_ref().filter(|_| tunnel.trouble.is_some()) {
                eprintln!("  {words}");
            }
            told.clone_from(&tunnel.sentence);
        }
        let is_up = !tunnel.runs_program || tunnel.state == State::Live;
        if is_up && tunnel.url != printed {
            printed.clone_from(&tunnel.url);
            if json {
                print::json_document(&serde_json::to_value(&tunnel)?);
            } else {
                print::out(&format!("{}\n", tunnel.url.as_deref().unwrap_or_default()));
            }
        }
        Ok(match tunnel.state {
            State::NeedsUser => Some(ExitCode::FAILURE),
            _ if is_up && !stays => Some(ExitCode::SUCCESS),
            State::Stopped if tunnel.runs_program => Some(ExitCode::FAILURE),
            _ => None,
        })
    })
}
