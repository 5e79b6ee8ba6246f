//! Invented campaigns: the report beside the truth.

use crate::harness::ctl::Ctl;
use serde_json::Value;

/// Campaigns of each audience. `cargo xtask bench range` plays a hundred of five thousand people.
const RUNS: &str = "4";
const PEOPLE: &str = "1500";

fn audiences() -> Vec<std::path::PathBuf> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src-tauri/core/data/audiences");
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .expect("the audiences lie there")
        .map(|entry| entry.expect("a folder can be read").path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn the_range_holds_the_truth_for_every_audience() {
    let ctl = Ctl::new();
    for path in audiences() {
        let file = path.to_str().expect("a path in ASCII");
        let tally = ctl.ok([
            "simulate",
            "--seed",
            "1000",
            "--runs",
            RUNS,
            "--people",
            PEOPLE,
            "--audience",
            file,
        ]);
        let n = |key: &str| tally[key].as_u64().unwrap_or_else(|| panic!("{key} in {tally}"));
        assert_eq!(n("measured"), 4, "{file}: {tally}");
        assert_eq!(n("in_range"), 4, "{file}: {tally}");
        assert!(
            n("in_interval") + 1 >= n("estimated"),
            "at most one in twenty is outside in the long run, {file}: {tally}"
        );
    }
}

#[test]
fn one_campaign_is_printed_with_its_truth_and_its_whole_report() {
    let ctl = Ctl::new();
    let twice: Vec<Value> = (0..2)
        .map(|_| ctl.ok(["simulate", "--seed", "7", "--people", "500"]))
        .collect();
    let truth = twice[0]["true_rate"].as_f64().expect("somebody is tracked");
    assert!((0.0..=1.0).contains(&truth));
    let report = &twice[0]["report"];
    let n = |key: &str| report[key].as_u64().expect("a number");
    assert_eq!(
        n("confirmed") + n("unknown") + n("machine_only") + n("no_signal"),
        n("tracked")
    );
    for key in ["true_rate", "seed", "audience"] {
        assert_eq!(twice[0][key], twice[1][key]);
    }
    for key in [
        "confirmed",
        "unknown",
        "machine_only",
        "no_signal",
        "estimate",
        "interval",
    ] {
        assert_eq!(
            report[key], twice[1]["report"][key],
            "the same seed plays the same campaign"
        );
    }
}

#[test]
fn what_is_no_audience_is_refused_with_a_sentence() {
    let ctl = Ctl::new();
    for (name, text, words) in [
        ("a.json", "{\"read\": 2}", "it must lie between 0 and 1"),
        ("b.json", "{\"reader\": 1}", "unknown field `reader`"),
        ("c.json", "nonsense", "states no audience"),
    ] {
        let path = ctl.file(name, text);
        let path = path.to_str().expect("ASCII");
        ctl.run(["simulate", "--audience", path]).refused(&[words]);
    }
    ctl.run(["simulate", "--audience", "/nowhere/at/all.json"])
        .refused(&["cannot be read"]);
}
