//! A club that practises: people, the practice outbox, an engine that serves and is its own address.

use super::ctl::{Ctl, Serving};
use serde_json::json;

/// Imports `people`, a CSV text, as the list Members into a fresh workspace, in which those whose consent is unknown
/// are treated as `unknown` says; returns it with the engine that serves it.
pub fn begin(people: &str, unknown: &str) -> (Ctl, Serving) {
    let ctl = Ctl::new();
    let file = ctl.file("people.csv", people);
    ctl.ok(["import", file.to_str().expect("ASCII"), "--list", "Members"]);
    ctl.call(
        "settings_update",
        json!({ "unknown_policy": unknown, "organisation": "Harbour Club", "postal_address": "3 Quay Street" }),
    );
    let from = ["--from", "Harbour <news@harbour.test>"];
    ctl.ok(["account", "add-outbox", "--name", "Sink", from[0], from[1]]);
    let serving = ctl.serve("serve");
    ctl.ok(["address", "set", &format!("http://{}", serving.direct), "--local"]);
    (ctl, serving)
}

/// Sends a campaign to all Members; returns its id.
pub fn send_spring(ctl: &Ctl) -> i64 {
    let id = ctl.create(&json!({
        "name": "Spring", "subject": "Spring", "account": "Sink", "audience": { "include": ["Members"] },
        "markdown": "The ice is gone.\n",
    }));
    ctl.ok(["campaign", "launch", &id.to_string(), "--yes"]);
    ctl.ok(["send"]);
    id
}
