//! The long-lived ways to run: the engine without a window, the listener alone, frames on standard input.

use crate::access::{self, Access};
use crate::args::Listen;
use anyhow::{Context, Result};
use casement_core::api::{self, Code, Event, ListenerStatus, Residence, Tag};
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
    let first = match Access::open(workspace) {
        Ok(Access::Engine(engine)) => Some(engine),
        // It can be asked for what mends it.
        Err(error) if is_damaged(&error) => None,
        Err(error) => return Err(error),
        Ok(Access::Remote(client, _)) => {
            let (mut from_engine, mut to_engine) = client.into_parts();
            std::thread::spawn(move || std::io::copy(&mut from_engine, &mut std::io::stdout()));
            std::io::copy(&mut std::io::stdin(), &mut to_engine)
                .context("the engine ended the conversation")?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    // As the window has it. The bridge of its tests: dispatcher on, listener on request.
    let residence = reside(workspace, first, casement_core::app::sending::start)?;
    speak(&residence)?;
    Ok(ExitCode::SUCCESS)
}

/// Tells whether a workspace could not be opened because it is damaged.
pub fn is_damaged(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<api::Error>()
        .is_some_and(|error| error.code == Code::Damaged)
}

/// Has the engine of a workspace, `first` to begin with, in a place where it can be opened again; `begin` is done with
/// every one.
pub fn reside(
    workspace: &Path,
    mut first: Option<Arc<Engine>>,
    begin: impl Fn(&Arc<Engine>) + Send + 'static,
) -> Result<Residence> {
    let folder = workspace.to_owned();
    let open = move || {
        let engine = match first.take() {
            Some(engine) => engine,
            None => access::engine(&folder, Arc::new(SystemEntropy))?,
        };
        begin(&engine);
        Ok(engine)
    };
    Residence::start(workspace.to_owned(), open).context("the system gives no thread")
}

fn speak(residence: &Residence) -> Result<()> {
    let result = socket::converse(
        residence,
        std::io::stdin(),
        Box::new(std::io::stdout()),
        &AtomicBool::new(false),
    );
    residence.shutdown();
    result.context("the conversation on standard input ended badly")
}

/// Runs the listener, and the dispatcher with it where `sending`, until the process is told to end.
pub fn listen(workspace: &Path, options: &Listen, json: bool, sending: bool) -> Result<ExitCode> {
    let (sender, ended) = std::sync::mpsc::channel::<End>();
    let told = sender.clone();
    ctrlc::set_handler(move || {
        // The receiver lives until the process ends.
        let _ = told.send(End::Signal);
    })
    .context("cannot be told to end by a signal")?;
    loop {
        let engine =
            access::engine(workspace, Arc::new(SystemEntropy)).map_err(|error| match error.code {
                Code::Locked => anyhow::Error::new(error).context("this workspace has an engine already"),
                _ => error.into(),
            })?;
        let events = engine.subscribe();
        let sender = sender.clone();
        // Ends with the engine, whose events end.
        std::thread::spawn(move || {
            if events.into_iter().any(|event| matches!(event, Event::Reopen {})) {
                let _ = sender.send(End::Reopen);
            }
        });
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
        let end = ended.recv().context("the process was told to end")?;
        engine.shutdown();
        match end {
            End::Signal => return Ok(ExitCode::SUCCESS),
            End::Reopen if json => {}
            End::Reopen => println!("bringing the backup back"),
        }
    }
}

/// Why the engine is shut down.
enum End {
    Signal,
    /// A backup waits to take the workspace's place.
    Reopen,
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
