//! The window: the only target that names Tauri.
//!
//! Owns what only a desktop has: the window and its closing, native dialogs, links out of it, one instance
//! for a person. It knows nothing of campaigns: the page talks to the core through [`door`].

#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

mod args;
mod closing;
mod door;
mod links;
#[path = "../machine.rs"]
mod machine;
mod watch;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use casement_core::api::{self, Code, EngineHost, Residence};
use casement_core::app::engine::{Durability, Engine, EngineOptions};
use casement_core::app::sending;
use casement_core::clock::SystemClock;
use casement_core::ids::SystemEntropy;
use casement_core::reach::tunnel::leash;
use tauri::Manager;
use tauri_plugin_window_state::StateFlags;
use tracing_subscriber::EnvFilter;

use args::Wish;

fn main() -> ExitCode {
    // Before all else: this process may be the leash of a tunnel, and nothing more.
    if let Some(code) = leash::if_asked(std::env::args_os()) {
        return code;
    }
    let filter = EnvFilter::try_from_env("CASEMENT_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let wish = args::read_arguments(
        std::env::args_os().skip(1),
        std::env::var_os("CASEMENT_WORKSPACE"),
    );
    let workspace = match wish {
        Ok(Wish::Window(workspace)) => workspace,
        Ok(Wish::Help) => {
            println!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(Wish::Version) => {
            println!("casement {}", casement_core::VERSION);
            return ExitCode::SUCCESS;
        }
        Err(sentence) => {
            eprintln!("casement: {sentence}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(workspace) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("casement: cannot open a window: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Opens the window and returns when it has closed.
fn run(workspace: Option<PathBuf>) -> tauri::Result<()> {
    let mut builder = tauri::Builder::default();
    // A window on another workspace is another window; the engine's lock keeps two off one workspace.
    if workspace.is_none() {
        // First of all plugins: a second start ends here, before it touches anything.
        builder = builder.plugin(tauri_plugin_single_instance::init(|app, _, _| show(app)));
    }
    builder
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_opener::init())
        .plugin(tauri_plugin_notification::init())
        .plugin(
            tauri_plugin_window_state::Builder::new()
                .with_state_flags(StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED)
                .build(),
        )
        .plugin(links::plugin())
        .manage(closing::Closing::default())
        .invoke_handler(tauri::generate_handler![door::dispatch])
        .setup(move |app| {
            let handle = app.handle().clone();
            let folder = workspace.clone().or_else(machine::workspace).unwrap_or_default();
            let residence = Residence::start(folder, move || {
                let engine = open_engine(workspace.clone())?;
                if let Err(error) = watch::follow(handle.clone(), &engine) {
                    tracing::warn!("nothing watches over sending: {error}");
                }
                Ok(engine)
            })?;
            door::follow(app.handle().clone(), &residence)?;
            app.manage(residence);
            Ok(())
        })
        .build(tauri::generate_context!())?
        .run(|app, event| closing::on_event(app, &event));
    Ok(())
}

/// Opens the engine of `workspace`, or of this user's own, with all that runs while the window is open: the
/// local socket, the dispatcher, the listener.
fn open_engine(workspace: Option<PathBuf>) -> api::Result<Arc<Engine>> {
    let workspace = workspace.or_else(machine::workspace).ok_or_else(|| {
        api::Error::new(
            Code::Storage,
            "This computer names no home folder for you. Start Casement with --workspace and a folder.",
        )
    })?;
    let engine = Engine::open(EngineOptions {
        workspace,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        keys: machine::key_store(),
        zone: machine::zone(),
        machine: machine::name(),
        extra_roots: machine::extra_roots(),
        dns: machine::dns(),
        durability: Durability::Full,
        tools: machine::tools(),
    })?;
    engine.serve(Arc::new(EngineHost(Arc::downgrade(&engine))))?;
    sending::start(&engine);
    // A port in use must not keep anyone out: the foot of the sidebar says that pixels cannot reach us.
    if let Err(error) = api::dispatch(&engine, "listener_start", serde_json::json!({})) {
        tracing::warn!("the listener did not start: {error}");
    }
    Ok(engine)
}

/// Brings the window to the front, for the second start that was meant for it.
fn show(app: &tauri::AppHandle) {
    for window in app.webview_windows().values() {
        let shown = window
            .show()
            .and_then(|()| window.unminimize())
            .and_then(|()| window.set_focus());
        if let Err(error) = shown {
            tracing::warn!("the window does not come to the front: {error}");
        }
    }
}
