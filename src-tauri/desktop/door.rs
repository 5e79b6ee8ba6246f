//! The one way from the page to the core: `dispatch` in, `casement` events out.
//!
//! The engine is opened beside the window, not before it: a long migration must not look like a program that
//! does not start, and a workspace that cannot be opened must be said in a window. Until it is open, commands
//! wait; if it cannot be opened, each of them answers with the reason.

use std::sync::{Arc, OnceLock};

use casement_core::api::{self, Code};
use casement_core::app::engine::Engine;
use serde_json::Value;
use tauri::{AppHandle, Emitter, State};

use crate::watch;

/// The name under which the page hears what the engine tells.
const EVENT: &str = "casement";

/// The engine, once it is open, or the reason why it could not be opened.
#[derive(Clone, Default)]
pub struct Door(Arc<OnceLock<api::Result<Arc<Engine>>>>);

impl Door {
    /// Opens the engine by `open` on a thread of its own, and then passes its events on to the page.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn open(
        &self,
        app: AppHandle,
        open: impl FnOnce() -> api::Result<Arc<Engine>> + Send + 'static,
    ) -> std::io::Result<()> {
        let door = self.clone();
        std::thread::Builder::new()
            .name("casement-door".into())
            .spawn(move || {
                let opened = door.0.get_or_init(open);
                match opened {
                    Ok(engine) => {
                        if let Err(error) = watch::follow(app.clone(), engine) {
                            tracing::warn!("nothing watches over sending: {error}");
                        }
                        // Ends when the engine shuts down and with it the channel.
                        for event in engine.subscribe() {
                            if let Err(error) = app.emit(EVENT, event) {
                                tracing::warn!("the window did not take an event: {error}");
                            }
                        }
                    }
                    Err(error) => tracing::error!("the workspace cannot be opened: {error}"),
                }
            })?;
        Ok(())
    }

    /// Returns the engine if it is open by now.
    pub fn engine(&self) -> Option<&Arc<Engine>> {
        self.0.get()?.as_ref().ok()
    }
}

/// Answers a command of the core's table; the only command that the page may call.
#[tauri::command]
pub async fn dispatch(door: State<'_, Door>, name: String, request: Value) -> api::Result<Value> {
    let door = door.inner().clone();
    let work = move || {
        let engine = door.0.wait().as_ref().map_err(Clone::clone)?;
        api::dispatch(engine, &name, request)
    };
    // The core blocks on disk and network: never on the threads that keep the window alive.
    match tauri::async_runtime::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(_) => Err(api::Error::new(
            Code::Internal,
            "Casement stumbled over a fault of its own; what was on disk is safe. Try again.",
        )),
    }
}
