//! The long-lived ways to run: the engine without a window, the listener alone, frames on standard input.

use crate::access::{self, Access};
use crate::args::Listen;
use anyhow::{Context, Result};
use casement_core::api::{self, Code, Event, ListenerStatus, Tag};
use casement_core::app::engine::Engine;
use casement_core::engine::socket;
use casement_core::ids::SystemEntropy;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Speaks frames on standard input and output, for the engine here or the one there is.
pub fn rpc(workspace: &Path) -> Result<ExitCode> {
    match Access::open(workspace)? {
        Access::Engine(engine) => {
            // The bridge of the window's tests: dispatcher on, listener on request.
            casement_core::app::sending::start(&engine);
            let host = api::EngineHost(Arc::downgrade(&engine));
            let result = socket::converse(
                &host,
                std::io::stdin(),
                Box::new(std::io::stdout()),
                &AtomicBool::new(false),
            );
            engine.shutdown();
            result.context("the conversation on standard input ended badly")?;
        }
        Access::Remote(client, _) => {
            let (mut from_engine, mut to_engine) = client.into_parts();
            std::thread::spawn(move || std::io::copy(&mut from_engine, &mut std::io::stdout()));
            std::io::copy(&mut std::io::stdin(), &mut to_engine)
                .context("the engine ended the conversation")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the listener, and the dispatcher with it where `sending`, until the process is told to end.
pub fn listen(workspace: &Path, options: &Listen, json: bool, sending: bool) -> Result<ExitCode> {
    let (sender, ended) = std::sync::mpsc::channel::<()>();
    ctrlc::set_handler(move || {
        // The receiver lives until the process ends.
        let _ = sender.send(());
    })
    .context("cannot be told to end by a signal")?;
    let engine = access::engine(workspace, Arc::new(SystemEntropy)).map_err(|error| match error.code {
        Code::Locked => anyhow::Error::new(error).context("this workspace has an engine already"),
        _ => error.into(),
    })?;
    let request = json!({
        "bind": options.bind, "behind_proxy": options.behind_proxy, "client_header": options.client_header,
    });
    let status = match api::dispatch(&engine, "listener_start", request) {
        Ok(status) => status,
        Err(error) => {
            engine.shutdown();
            return Err(error.into());
        }
    };
    let parsed: ListenerStatus = serde_json::from_value(status.clone())?;
    if json {
        println!("{status}");
    } else {
        for entrance in &parsed.entrances {
            println!("listening on {}", entrance.url);
        }
    }
    std::io::stdout().flush()?;
    if sending {
        casement_core::app::sending::start(&engine);
    }
    if json {
        follow(&engine);
    }
    ended.recv().context("the process was told to end")?;
    engine.shutdown();
    Ok(ExitCode::SUCCESS)
}

/// Prints the listener's state, one JSON document a line, whenever it changes: at most four times a second.
fn follow(engine: &Arc<Engine>) {
    let events = engine.subscribe();
    let engine = Arc::downgrade(engine);
    // Ends with the engine, whose events end; until then it only waits.
    std::thread::spawn(move || {
        let mut told = Value::Null;
        for event in events {
            if !matches!(&event, Event::Changed { tags } if tags.contains(&Tag::Reach)) {
                continue;
            }
            let Some(engine) = engine.upgrade() else { return };
            let Ok(status) = api::dispatch(&engine, "listener_status", json!({})) else {
                return;
            };
            if status == told {
                continue;
            }
            // Who reads may have gone: the listener goes on all the same.
            let mut out = std::io::stdout().lock();
            if writeln!(out, "{status}").and_then(|()| out.flush()).is_err() {
                return;
            }
            told = status;
        }
    });
}
