//! The demo's numbers, recomputed: from the mails it sent and the log of requests, and nothing else.
//!
//! The mails are read by an independent parser, the requests are judged here by a table of seven user agents,
//! and every number of the report has to come out the same. Several sizes and seeds.

use crate::harness::ctl::Ctl;
use crate::harness::mime::Mail;
use crate::harness::readers;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a fetch proves, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Proof {
    Machine,
    Unknown,
    Person,
}

/// What opens.md says of a user agent that the demo's readers have.
fn proof(agent: &str) -> Proof {
    match agent {
        "" => Proof::Unknown,
        readers::APPLE_PRIVACY | readers::GMAIL_PREFETCH | readers::BARRACUDA => Proof::Machine,
        readers::GMAIL | readers::IPHONE => Proof::Person,
        agent if agent.contains("Microsoft Outlook") || agent.contains("Thunderbird") => Proof::Person,
        agent => panic!("the demo plays a reader that this test does not know: {agent:?}"),
    }
}

/// What the mails and the log say.
#[derive(Default)]
struct Count {
    accepted: u64,
    tracked: u64,
    signals: BTreeMap<String, Proof>,
    apple: BTreeSet<String>,
    not_recorded: u64,
    opted_out: BTreeSet<String>,
    unsubscribed: BTreeSet<String>,
}

impl Count {
    fn of(workspace: &Path) -> Self {
        let mut count = Self::default();
        // By the last part of an address: who it belongs to.
        let (mut pixels, mut pages) = (BTreeMap::new(), BTreeMap::new());
        for path in mails_below(&workspace.join("outbox")) {
            let mail = Mail::read(&std::fs::read(&path).expect("the outbox can be read"));
            let to = mail.must("To").to_owned();
            count.accepted += 1;
            if let Some(token) = mail.pixel_token() {
                count.tracked += 1;
                assert!(
                    pixels.insert(token, to.clone()).is_none(),
                    "each pixel belongs to one reader"
                );
            }
            let page = mail.unsubscribe_addresses().remove(0);
            pages.insert(page.rsplit('/').next().unwrap_or_default().to_owned(), to);
        }
        let log = std::fs::read_to_string(workspace.join("requests.jsonl")).expect("the demo keeps its log");
        for line in log.lines() {
            let request: Value = serde_json::from_str(line).expect("a line of the log is JSON");
            count.hear(&request, &pixels, &pages);
        }
        count
    }

    fn hear(&mut self, request: &Value, pixels: &BTreeMap<String, String>, pages: &BTreeMap<String, String>) {
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(request["status"], 200, "every request is answered: {request}");
        let name = text("url").rsplit('/').next().unwrap_or_default().to_owned();
        let Some(token) = name.strip_suffix(".gif") else {
            let reader = pages.get(&name).expect("a page belongs to a reader").clone();
            match text("body").as_str() {
                "List-Unsubscribe=One-Click" => self.unsubscribed.insert(reader),
                body if body.contains("stop") => self.opted_out.insert(reader),
                body => panic!("the demo posts something that this test does not know: {body:?}"),
            };
            return;
        };
        let reader = pixels.get(token).expect("a pixel belongs to a reader");
        if request["asks_not_to_be_tracked"] == true {
            self.not_recorded += 1;
        } else if !self.opted_out.contains(reader) {
            let agent = text("user_agent");
            if agent == readers::APPLE_PRIVACY {
                self.apple.insert(reader.clone());
            }
            let known = self.signals.entry(reader.clone()).or_insert(Proof::Machine);
            *known = (*known).max(proof(&agent));
        }
    }

    fn with(&self, proof: Proof) -> u64 {
        self.signals.values().filter(|known| **known == proof).count() as u64
    }

    /// The estimate: the rate among those whom Apple did not hide, where these are many enough.
    fn estimate(&self) -> Option<f64> {
        let readers = self.tracked - self.apple.len() as u64;
        let opened = self
            .signals
            .iter()
            .filter(|(reader, known)| **known == Proof::Person && !self.apple.contains(*reader))
            .count() as u64;
        let enough = readers >= 100 && opened >= 10 && readers * 5 >= self.tracked;
        enough.then(|| opened as f64 / readers as f64)
    }
}

fn mails_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the outbox is a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(mails_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "eml") {
            found.push(path);
        }
    }
    found
}

/// Wilson's interval (1927), written out a second time.
fn wilson(successes: f64, n: f64) -> (f64, f64) {
    let (z, p) = (1.96, successes / n);
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (
        (middle - half) / (1.0 + z * z / n),
        (middle + half) / (1.0 + z * z / n),
    )
}

fn close(value: &Value, expected: f64, what: &str) {
    let number = value
        .as_f64()
        .unwrap_or_else(|| panic!("{what} is a number, not {value}"));
    assert!(
        (number - expected).abs() < 1e-4,
        "{what} is {number}, and {expected} by the mails and the log"
    );
}

fn demo(ctl: &Ctl, people: u32, seed: u32, keep: &str) -> (Value, Duration) {
    let (people, seed) = (people.to_string(), seed.to_string());
    let begun = Instant::now();
    let played = ctl.ok(["demo", "--people", &people, "--seed", &seed, "--keep", keep]);
    (played, begun.elapsed())
}

#[test]
fn every_number_of_the_demo_follows_from_its_mails_and_its_log() {
    for (people, seed) in [(120, 1), (1, 3), (17, 42), (260, 7)] {
        let home = Ctl::new();
        let kept = home.home().join("kept");
        let (played, took) = demo(&home, people, seed, kept.to_str().expect("ASCII"));
        if people == 120 {
            assert!(
                took < Duration::from_secs(15),
                "the demo's default size took {took:?}"
            );
        }
        let report = &played["report"];
        assert_eq!(played["accepted"], report["accepted"], "said twice, meant once");
        let count = Count::of(&kept);
        assert_eq!(count.accepted, u64::from(people), "everyone invented gets a mail");
        let (person, unknown, machine) = (
            count.with(Proof::Person),
            count.with(Proof::Unknown),
            count.with(Proof::Machine),
        );
        let silent = count.tracked - person - unknown - machine;
        for (name, expected) in [
            ("accepted", count.accepted),
            ("tracked", count.tracked),
            ("confirmed", person),
            ("unknown", unknown),
            ("machine_only", machine),
            ("no_signal", silent),
            ("not_recorded_at_request", count.not_recorded),
            ("opted_out", count.opted_out.len() as u64),
            ("unsubscribed", count.unsubscribed.len() as u64),
            ("early", 0),
            ("late", 0),
            ("over_cap", 0),
        ] {
            assert_eq!(
                report[name], expected,
                "{name} of {people} people and seed {seed}: {report:#}"
            );
        }
        let ctl = Ctl::new().with_workspace(kept);
        not_tracked_are_those_who_did_not_agree(&ctl, report, &count);
        if count.tracked == 0 {
            assert_eq!(report["confirmed_rate"], Value::Null, "not measured is not 0 %");
            continue;
        }
        let tracked = count.tracked as f64;
        close(
            &report["confirmed_rate"],
            person as f64 / tracked,
            "confirmed_rate",
        );
        let upper = person + unknown + machine + count.not_recorded.min(silent);
        close(&report["upper_rate"], upper as f64 / tracked, "upper_rate");
        let (low, high) = wilson(person as f64, tracked);
        close(
            &report["confirmed_interval"][0],
            low.max(0.0),
            "the interval's low end",
        );
        close(
            &report["confirmed_interval"][1],
            high.min(1.0),
            "the interval's high end",
        );
        match count.estimate() {
            Some(estimate) => {
                close(&report["estimate"], estimate, "estimate");
                let end = |at: usize| report["interval"][at].as_f64().expect("an end of the interval");
                assert!(
                    end(0) <= estimate && estimate <= end(1) && end(0) < end(1),
                    "the interval holds its estimate: {report:#}"
                );
                assert!(
                    end(0) >= person as f64 / tracked - 1e-9 && end(1) <= upper as f64 / tracked + 1e-9,
                    "no end lies outside what was counted: {report:#}"
                );
            }
            None => assert_eq!(
                (&report["estimate"], &report["interval"]),
                (&Value::Null, &Value::Null),
                "too few for an estimate"
            ),
        }
        the_kept_workspace_says_the_same(&ctl, report);
    }
}

fn not_tracked_are_those_who_did_not_agree(ctl: &Ctl, report: &Value, count: &Count) {
    let not_tracked = &report["not_tracked"];
    assert_eq!(not_tracked["total"], count.accepted - count.tracked, "{report:#}");
    let id = report["id"].clone();
    let mut by_reason = BTreeMap::<String, u64>::new();
    for row in recipients(ctl, &id) {
        if let Some(reason) = row["not_tracked"].as_str() {
            *by_reason.entry(reason.to_owned()).or_default() += 1;
        }
    }
    for (reason, number) in by_reason {
        assert_eq!(not_tracked[&reason], number, "{reason} of {report:#}");
    }
}

fn recipients(ctl: &Ctl, id: &Value) -> Vec<Value> {
    let found = ctl.call("report_recipients", json!({ "id": id, "limit": 500 }));
    found["recipients"].as_array().expect("a list").clone()
}

/// The report can be read again, and its table and its series add up to it.
fn the_kept_workspace_says_the_same(ctl: &Ctl, report: &Value) {
    ctl.verify();
    let again = ctl.ok(["report", &report["id"].to_string()]);
    for name in [
        "accepted",
        "tracked",
        "confirmed",
        "unknown",
        "machine_only",
        "no_signal",
        "upper_rate",
    ] {
        assert_eq!(
            again[name], report[name],
            "{name} is the same when it is read again"
        );
    }
    let rows = recipients(ctl, &report["id"]);
    assert_eq!(
        rows.len() as u64,
        report["accepted"].as_u64().expect("a number"),
        "one row a reader"
    );
    for (signal, name) in [
        ("human", "confirmed"),
        ("machine_only", "machine_only"),
        ("no_signal", "no_signal"),
    ] {
        let number = rows.iter().filter(|row| row["signal"] == signal).count();
        assert_eq!(report[name], number, "the table has as many rows of {signal}");
    }
    let series = ctl.call("report_series", json!({ "id": report["id"] }));
    let firsts: u64 = series["points"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|point| point["first_opens"].as_u64())
        .sum();
    assert_eq!(
        report["confirmed"], firsts,
        "every first look stands somewhere in time"
    );
}

#[test]
fn the_same_seed_plays_the_same_demo_and_another_one_another() {
    let ctl = Ctl::new();
    let played = |seed: u32, name: &str| {
        let keep = ctl.home().join(name);
        let (played, _) = demo(&ctl, 60, seed, keep.to_str().expect("ASCII"));
        let names = [
            "tracked",
            "confirmed",
            "machine_only",
            "no_signal",
            "not_recorded_at_request",
        ];
        names.map(|name| played["report"][name].clone())
    };
    let first = played(5, "a");
    assert_eq!(first, played(5, "b"), "a seed repeats");
    assert_ne!(first, played(6, "c"), "another seed is another story");
}

#[test]
fn the_demo_keeps_nothing_in_a_folder_that_holds_something() {
    let ctl = Ctl::new();
    let keep = ctl.home().join("photos");
    std::fs::create_dir(&keep).expect("own folder");
    std::fs::write(keep.join("cat.jpg"), b"cat").expect("own folder");
    ctl.run(["demo", "--keep", keep.to_str().expect("ASCII")])
        .refused(&["photos", "not empty"]);
    assert_eq!(
        std::fs::read_dir(&keep).expect("own folder").count(),
        1,
        "nothing is added"
    );
}
