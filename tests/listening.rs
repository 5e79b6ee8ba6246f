//! What `casementctl listen` prints while it runs, and what the report says of the time in which it did not.

use crate::harness::crowd::Crowd;
use crate::harness::ctl::Ctl;
use crate::harness::process::Group;
use crate::harness::{http, readers};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How often the listener looks at itself, and a little more.
const BEAT: Duration = Duration::from_secs(6);
/// How long a killed listener stays away.
const AWAY: Duration = Duration::from_secs(3);

/// Reads a line of `listen --json`, which is the listener's state.
fn state(line: &str) -> Value {
    let state: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is no JSON document: {error}"));
    assert!(
        state["entrances"].is_array() && state["refused"].is_array(),
        "each line is the whole state: {line}"
    );
    state
}

fn refused(state: &Value, reason: &str) -> u64 {
    let all = state["refused"].as_array().expect("it is a list");
    all.iter()
        .find(|one| one["reason"] == reason)
        .and_then(|one| one["n"].as_u64())
        .unwrap_or(0)
}

#[test]
fn a_listener_says_what_changes_in_one_json_document_a_line() {
    let ctl = Ctl::new();
    let mut serving = ctl.serve("listen");
    for n in 1..=2 {
        let response = http::request(&serving.direct, "GET", "/admin.php", &[], b"");
        assert_eq!(response.status, 404, "{response:?}");
        // Other changes may be told before.
        while refused(&state(&serving.line()), "unknown_path") < n {}
    }
    serving.group.terminate();
    assert_eq!(serving.group.wait(), Some(0), "it ends in good order");
    for line in serving.last_lines() {
        state(&line);
    }
}

#[test]
fn for_people_a_listener_prints_its_entrances_and_nothing_else() {
    let ctl = Ctl::new();
    let mut command = ctl.command(["listen", "--bind", "127.0.0.1:0", "--behind-proxy", "127.0.0.1:0"]);
    command
        .args(["--client-header", readers::CLIENT_HEADER])
        .stdout(Stdio::piped());
    let mut listening = Group::start("casementctl listen", &mut command);
    let mut stdout = BufReader::new(listening.child.stdout.take().expect("it is piped"));
    let mut entrance = || {
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it is text");
        let url = line.trim_end().strip_prefix("listening on http://127.0.0.1:");
        let port = url.unwrap_or_else(|| panic!("an entrance is expected: {line:?}"));
        format!("127.0.0.1:{port}")
    };
    let entrances = [entrance(), entrance()];
    assert_ne!(entrances[0], entrances[1]);
    for peer in &entrances {
        assert_eq!(http::request(peer, "GET", "/admin.php", &[], b"").status, 404);
    }
    // Until the next look at itself, at which it would tell a program what has changed.
    std::thread::sleep(BEAT);
    listening.terminate();
    assert_eq!(listening.wait(), Some(0), "it ends in good order");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("it is text");
    assert_eq!(rest, "", "nothing but its entrances");
}

#[test]
fn the_report_says_for_how_long_a_killed_listener_was_away() {
    let begun = Instant::now();
    let crowd = Crowd::of(1);
    let mut killed = crowd.ctl.serve("listen");
    killed.group.kill();
    let away = Instant::now();
    std::thread::sleep(AWAY / 2);
    let meanwhile = crowd.ctl.ok(["report", &crowd.campaign])["as_of"].clone();
    let meanwhile = meanwhile.as_str().expect("an instant");
    std::thread::sleep(AWAY / 2);
    let away = away.elapsed();

    let serving = crowd.ctl.serve("listen");
    let back = Instant::now();
    std::thread::sleep(Duration::from_secs(1));
    let back = back.elapsed();
    let report = crowd.ctl.ok(["report", &crowd.campaign]);
    let share = report["reachable_share"].as_f64().expect("the window has opened");
    // The window opened after this test began, so that either part weighs at least so much in it.
    let all = begun.elapsed().as_secs_f64();
    assert!(
        share <= 1.0 - away.as_secs_f64() / all,
        "away for {away:?} of {all:.1} s at most: {share}"
    );
    assert!(
        share >= back.as_secs_f64() / all,
        "back for {back:?} of {all:.1} s at most: {share}"
    );

    let id: i64 = crowd.campaign.parse().expect("an id");
    let series = crowd.ctl.call("report_series", json!({ "id": id }));
    let up: Vec<[String; 2]> = serde_json::from_value(series["up"].clone()).expect("pairs of instants");
    assert!(
        up.iter()
            .all(|[from, to]| &**to < meanwhile || meanwhile < &**from),
        "the chart shows the gap around {meanwhile}: {up:?}"
    );
    assert!(
        up.iter().any(|[from, _]| meanwhile < &**from),
        "and that it is back: {up:?}"
    );
    serving.stop();
}

#[test]
fn a_listener_ends_when_it_is_told_to_though_its_socket_is_gone() {
    let ctl = Ctl::new();
    let serving = ctl.serve("listen");
    std::fs::remove_file(ctl.workspace().join("casement.sock")).expect("it is there");
    serving.stop();
}
