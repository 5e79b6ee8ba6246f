//! How the window closes: never in the middle of a mail, and not unasked while a campaign is being sent.

use std::sync::atomic::{AtomicBool, Ordering};

use casement_core::api::{self, Residence};
use casement_core::app::engine::Engine;
use serde_json::{Value, json};
use std::sync::Arc;
use tauri::{AppHandle, Manager, RunEvent, WindowEvent};
use tauri_plugin_dialog::{DialogExt, MessageDialogButtons, MessageDialogKind};

/// Whether the window is already about to close.
#[derive(Default)]
pub struct Closing(AtomicBool);

/// Takes the events that end an app, and ends it in its own order.
pub fn on_event(app: &AppHandle, event: &RunEvent) {
    match event {
        RunEvent::WindowEvent {
            event: WindowEvent::CloseRequested { api, .. },
            ..
        } => {
            api.prevent_close();
            begin(app);
        }
        // With a code it is our own `exit` below; without one, somebody chose Quit.
        RunEvent::ExitRequested { code: None, api, .. } => {
            api.prevent_exit();
            begin(app);
        }
        _ => {}
    }
}

/// Starts to close, once, on a thread that may wait for the person and for the mail in hand.
fn begin(app: &AppHandle) {
    if app.state::<Closing>().0.swap(true, Ordering::SeqCst) {
        return;
    }
    let worker = app.clone();
    let started = std::thread::Builder::new()
        .name("casement-closing".into())
        .spawn(move || close(&worker));
    if started.is_err() {
        // Without a thread there is nobody to wait: the ledger is made for that.
        app.exit(0);
    }
}

fn close(app: &AppHandle) {
    let residence = app.state::<Residence>().inner().clone();
    if let Some(engine) = residence.engine() {
        let sending = campaigns_being_sent(&engine);
        if !sending.is_empty() && !may_stop(app, &sending) {
            app.state::<Closing>().0.store(false, Ordering::SeqCst);
            return;
        }
        for window in app.webview_windows().values() {
            // A window that stays visible for the last second is no reason not to close.
            drop(window.hide());
        }
    }
    residence.shutdown();
    app.exit(0);
}

/// The names of the campaigns from which mails are leaving now.
fn campaigns_being_sent(engine: &Arc<Engine>) -> Vec<String> {
    let list = api::dispatch(engine, "campaign_list", json!({})).unwrap_or(Value::Null);
    let rows = list["campaigns"].as_array().map_or(&[][..], Vec::as_slice);
    rows.iter()
        .filter(|row| row["state"] == "running")
        .filter_map(|row| row["name"].as_str().map(str::to_owned))
        .collect()
}

fn may_stop(app: &AppHandle, sending: &[String]) -> bool {
    let names = sending
        .iter()
        .map(|name| format!("“{name}”"))
        .collect::<Vec<_>>()
        .join(", ");
    let verb = if sending.len() == 1 { "is" } else { "are" };
    app.dialog()
        .message(format!(
            "{names} {verb} being sent. If you close now, the mail in hand is finished, and the rest goes out when \
             you open Casement again. While it is closed, opens are not recorded."
        ))
        .title("Close while sending?")
        .kind(MessageDialogKind::Warning)
        .buttons(MessageDialogButtons::OkCancelCustom("Close".into(), "Keep sending".into()))
        .blocking_show()
}
