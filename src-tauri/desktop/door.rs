//! The one way from the page to the core: `dispatch` in, `casement` events out.
//!
//! The engine is opened beside the window, not before it: a long migration must not look like a program that
//! does not start, and a workspace that cannot be opened must be said in a window.

use casement_core::api::{self, Code, Residence};
use casement_core::engine::socket::Host;
use serde_json::Value;
use tauri::{AppHandle, Emitter, State};

/// The name under which the page hears what the engine tells.
const EVENT: &str = "casement";

/// Passes the engine's events on to the page, on a thread of its own, for as long as the window is there.
///
/// # Errors
/// When the system gives no thread.
pub fn follow(app: AppHandle, residence: &Residence) -> std::io::Result<()> {
    let events = residence.subscribe();
    std::thread::Builder::new()
        .name("casement-door".into())
        .spawn(move || {
            for event in events {
                if let Err(error) = app.emit(EVENT, event) {
                    tracing::warn!("the window did not take an event: {error}");
                }
            }
        })?;
    Ok(())
}

/// Answers a command of the core's table; the only command that the page may call.
#[tauri::command]
pub async fn dispatch(residence: State<'_, Residence>, name: String, request: Value) -> api::Result<Value> {
    let residence = residence.inner().clone();
    // The core blocks on disk and network: never on the threads that keep the window alive.
    match tauri::async_runtime::spawn_blocking(move || residence.call(&name, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(api::Error::new(
            Code::Internal,
            "Casement stumbled over a fault of its own; what was on disk is safe. Try again.",
        )),
    }
}
