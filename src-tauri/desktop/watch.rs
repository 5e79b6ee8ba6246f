//! What a desktop does for mails that leave: the computer stays awake, the dock shows how far it is, and a
//! notification says when it is over.
//!
//! It hears the engine's events and asks the same commands that the page asks. Nothing here changes anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use casement_core::api::{self, Event, Tag};
use casement_core::app::engine::Engine;
use serde_json::{Value, json};
use tauri::window::{ProgressBarState, ProgressBarStatus};
use tauri::{AppHandle, Manager};
use tauri_plugin_notification::NotificationExt;

/// Follows an engine on a thread of its own, until it shuts down.
///
/// # Errors
/// When the system gives no thread.
pub fn follow(app: AppHandle, engine: &Arc<Engine>) -> std::io::Result<()> {
    let events = engine.subscribe();
    let engine = Arc::downgrade(engine);
    std::thread::Builder::new()
        .name("casement-watch".into())
        .spawn(move || {
            let mut watch = Watch::new(app);
            if let Some(engine) = engine.upgrade() {
                watch.look(&engine);
            }
            for event in events {
                let Some(engine) = engine.upgrade() else { return };
                if matches!(&event, Event::Changed { tags } if tags.contains(&Tag::Campaigns)) {
                    watch.look(&engine);
                }
            }
        })?;
    Ok(())
}

struct Watch {
    app: AppHandle,
    awake: Option<keepawake::KeepAwake>,
    /// It could not be had once: it is not asked for with every mail.
    cannot_stay_awake: bool,
    /// The state of each campaign when it was looked at last; empty before the first look.
    seen: Option<BTreeMap<i64, String>>,
}

impl Watch {
    fn new(app: AppHandle) -> Self {
        Self {
            app,
            awake: None,
            cannot_stay_awake: false,
            seen: None,
        }
    }

    fn look(&mut self, engine: &Arc<Engine>) {
        let ask = |command| api::dispatch(engine, command, json!({})).unwrap_or(Value::Null);
        let status = ask("sending_status");
        self.stay_awake(status["busy"] == json!(true));
        let list = ask("campaign_list");
        let rows = list["campaigns"].as_array().map_or(&[][..], Vec::as_slice);
        self.show_progress(progress(rows));
        let (seen, news) = news(self.seen.as_ref(), rows);
        self.seen = Some(seen);
        for (title, body) in news {
            let shown = self.app.notification().builder().title(title).body(body).show();
            if let Err(error) = shown {
                tracing::warn!("the desktop shows no notifications: {error}");
            }
        }
    }

    fn stay_awake(&mut self, wanted: bool) {
        if !wanted {
            self.awake = None;
            return;
        }
        if self.awake.is_some() || self.cannot_stay_awake {
            return;
        }
        let asked = keepawake::Builder::default()
            .idle(true)
            .reason("A campaign is being sent")
            .app_name("Casement")
            .app_reverse_domain("app.casement.desktop")
            .create();
        match asked {
            Ok(awake) => self.awake = Some(awake),
            Err(error) => {
                self.cannot_stay_awake = true;
                tracing::warn!("this computer cannot be kept awake while sending: {error}");
            }
        }
    }

    fn show_progress(&self, percent: Option<u64>) {
        let Some(window) = self.app.get_webview_window("main") else {
            return;
        };
        let status = match percent {
            Some(_) => ProgressBarStatus::Normal,
            None => ProgressBarStatus::None,
        };
        // A desktop without a dock shows nothing, and that is no fault.
        drop(window.set_progress_bar(ProgressBarState {
            status: Some(status),
            progress: percent,
        }));
    }
}

/// Sums states of a row's messages.
fn count(row: &Value, states: &[&str]) -> u64 {
    states
        .iter()
        .filter_map(|state| row["counts"][state].as_u64())
        .sum()
}

/// Returns how much of all running campaigns is done, in per cent; `None` where none runs.
fn progress(rows: &[Value]) -> Option<u64> {
    let running = rows
        .iter()
        .filter(|row| row["state"] == "running" && row["scheduled"] != json!(true));
    let (mut done, mut all) = (0, 0);
    for row in running {
        let ended = count(row, &["accepted", "rejected", "uncertain"]);
        done += ended;
        all += ended + count(row, &["planned", "queued", "deferred", "handing_over"]);
    }
    (all > 0).then(|| done * 100 / all)
}

/// Returns the states of all campaigns, and what is to be said of those that have changed since `before`.
fn news(
    before: Option<&BTreeMap<i64, String>>,
    rows: &[Value],
) -> (BTreeMap<i64, String>, Vec<(String, String)>) {
    let (mut now, mut said) = (BTreeMap::new(), Vec::new());
    for row in rows {
        let (Some(id), Some(state)) = (row["id"].as_i64(), row["state"].as_str()) else {
            continue;
        };
        now.insert(id, state.to_owned());
        let was_running = before
            .and_then(|before| before.get(&id))
            .is_some_and(|state| state == "running");
        if !was_running {
            continue;
        }
        let name = row["name"].as_str().unwrap_or_default();
        match (state, row["problem"].as_str()) {
            ("finished", _) => said.push((format!("“{name}” was sent"), summary(row))),
            ("paused", Some(problem)) => said.push((format!("“{name}” stands still"), problem.to_owned())),
            _ => {}
        }
    }
    (now, said)
}

fn summary(row: &Value) -> String {
    let people = |n: u64| {
        if n == 1 {
            "1 person".to_owned()
        } else {
            format!("{n} people")
        }
    };
    let mut words = format!("It went to {}.", people(count(row, &["accepted"])));
    match count(row, &["rejected"]) {
        0 => {}
        1 => words.push_str(" One was refused."),
        n => words.push_str(&format!(" {n} were refused.")),
    }
    match count(row, &["uncertain"]) {
        0 => {}
        1 => words.push_str(" Of one nobody knows whether it left."),
        n => words.push_str(&format!(" Of {n} nobody knows whether they left.")),
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, state: &str, counts: Value) -> Value {
        json!({ "id": id, "name": "Spring", "state": state, "counts": counts, "problem": null, "scheduled": false })
    }

    #[test]
    fn a_campaign_that_ends_is_told_once_and_never_one_that_ended_before() {
        let sent = row(
            1,
            "finished",
            json!({ "accepted": 1204, "rejected": 3, "uncertain": 1 }),
        );
        let (seen, said) = news(None, std::slice::from_ref(&sent));
        assert_eq!(said, [], "what was so at the start is no news");
        let running = BTreeMap::from([(1, "running".to_owned())]);
        let (now, said) = news(Some(&running), std::slice::from_ref(&sent));
        assert_eq!(now, seen);
        assert_eq!(
            said,
            [(
                "“Spring” was sent".to_owned(),
                "It went to 1204 people. 3 were refused. Of one nobody knows whether it left.".to_owned()
            )]
        );
        assert_eq!(news(Some(&now), &[sent]).1, []);
    }

    #[test]
    fn a_pause_is_told_where_nobody_pressed_a_button() {
        let running = BTreeMap::from([(1, "running".to_owned())]);
        let mut paused = row(1, "paused", json!({}));
        assert_eq!(news(Some(&running), std::slice::from_ref(&paused)).1, []);
        paused["problem"] = json!("The server refused the login.");
        assert_eq!(
            news(Some(&running), &[paused]).1,
            [(
                "“Spring” stands still".to_owned(),
                "The server refused the login.".to_owned()
            )]
        );
    }

    #[test]
    fn the_dock_shows_all_running_campaigns_together_and_nothing_else() {
        let rows = [
            row(1, "running", json!({ "accepted": 10, "queued": 30 })),
            row(
                2,
                "running",
                json!({ "accepted": 20, "rejected": 20, "skipped": 99 }),
            ),
            row(3, "finished", json!({ "accepted": 1000 })),
        ];
        assert_eq!(progress(&rows), Some(62));
        assert_eq!(progress(&rows[2..]), None);
        let mut scheduled = row(4, "running", json!({ "queued": 5 }));
        scheduled["scheduled"] = json!(true);
        assert_eq!(progress(&[scheduled]), None);
    }
}
