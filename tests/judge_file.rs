//! `casementctl judge`: the listener's classifier over a file of user agents, by the real process.

use crate::harness::ctl::{Ctl, Outcome, run_to_end};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsStr;

/// Real strings with the public fixture that each was found in.
const DATA: &[u8] = include_bytes!("../src-tauri/core/tests/data/user_agents.csv");

fn judge(ctl: &Ctl, bytes: impl AsRef<[u8]>) -> Outcome {
    let file = ctl.file("agents.csv", bytes);
    let args = [OsStr::new("judge"), OsStr::new("--ua-file"), file.as_os_str()];
    run_to_end(ctl.command(args), b"")
}

/// Reads CSV with another reader than the program's (RFC 4180).
fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = vec![vec![String::new()]];
    let mut quoted = false;
    let mut letters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(letter) = letters.next() {
        let record = records.last_mut().unwrap();
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                record.last_mut().unwrap().extend(letters.next())
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\n' if !quoted => records.push(vec![String::new()]),
            '\r' if !quoted => {}
            letter => record.last_mut().unwrap().push(letter),
        }
    }
    records.retain(|record| record.len() > 1 || !record[0].is_empty());
    records
}

fn rows(outcome: &Outcome) -> Vec<[String; 3]> {
    assert_eq!(outcome.code, Some(0), "this must succeed: {outcome:?}");
    let mut records = records(&outcome.stdout).into_iter();
    assert_eq!(records.next().unwrap(), ["ua", "class", "reason"]);
    records
        .map(|record| record.try_into().expect("three fields"))
        .collect()
}

#[test]
fn a_file_is_judged_row_by_row_in_its_order() {
    let ctl = Ctl::new();
    let given = "source,ua,label\n\
         a,curl/8.5.0,x\n\
         b,,x\n\
         c,\"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.1, \"\"say\"\"\",x\n\
         d,Mozilla/5.0,x\n\
         e,\"YahooMailProxy; https://senders.yahooinc.com/mail-proxy-servers\",x\n\
         f,curl/8.5.0,x\n";
    for (bytes, form) in [
        (given.to_owned(), "plain"),
        (format!("\u{feff}{given}"), "with a mark"),
        (given.replace('\n', "\r\n"), "of Windows"),
        (given.trim_end().to_owned(), "without a last line's end"),
    ] {
        let outcome = judge(&ctl, bytes);
        let said: Vec<(String, String)> = rows(&outcome)
            .into_iter()
            .map(|[ua, class, reason]| {
                assert!(!reason.is_empty(), "every verdict has its rule");
                (ua, class)
            })
            .collect();
        let wanted = [
            ("curl/8.5.0", "library"),
            ("", "unknown"),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.1, \"say\"",
                "human_direct",
            ),
            ("Mozilla/5.0", "machine_prefetch"),
            (
                "YahooMailProxy; https://senders.yahooinc.com/mail-proxy-servers",
                "human_proxy",
            ),
            ("curl/8.5.0", "library"),
        ]
        .map(|(ua, class)| (ua.to_owned(), class.to_owned()));
        assert_eq!(said, wanted, "{form}");
    }
    assert!(
        !ctl.workspace().exists(),
        "no workspace is needed, and none is made"
    );
    let left: Vec<_> = std::fs::read_dir(ctl.home()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left but the file itself: {left:?}");
}

#[test]
fn the_real_strings_come_out_as_the_acceptance_asks() {
    let ctl = Ctl::new();
    let data = records(std::str::from_utf8(DATA).unwrap());
    let column = data[0].iter().position(|name| name == "label").unwrap();
    let labels: Vec<&str> = data[1..].iter().map(|record| record[column].as_str()).collect();
    let judged = rows(&judge(&ctl, DATA));
    assert_eq!(judged.len(), labels.len(), "a row for each");
    let mut counts = BTreeMap::<(&str, &str), u32>::new();
    for ([_, class, _], label) in judged.iter().zip(&labels) {
        let side = |word: &str| match word {
            "human_direct" | "human_proxy" => "human",
            "unknown" => "unknown",
            "machine_prefetch" | "scanner" | "bot" | "library" => "machine",
            other => panic!("no such class: {other}"),
        };
        *counts.entry((side(label), side(class))).or_default() += 1;
    }
    let n = |label, class| f64::from(counts.get(&(label, class)).copied().unwrap_or(0));
    let of = |label| {
        ["human", "unknown", "machine"]
            .map(|class| n(label, class))
            .iter()
            .sum::<f64>()
    };
    assert!(n("human", "machine") <= 0.005 * of("human"), "{counts:?}");
    assert!(n("human", "unknown") <= 0.02 * of("human"), "{counts:?}");
    assert!(n("machine", "human") <= 0.02 * of("machine"), "{counts:?}");
    assert!(
        n("machine", "human") + n("machine", "unknown") <= 0.05 * of("machine"),
        "{counts:?}"
    );
}

#[test]
fn with_json_it_is_an_array_of_objects() {
    let ctl = Ctl::new();
    let file = ctl.file("agents.csv", "ua\nWget/1.21\n\"\"\n");
    let judged = ctl.ok([OsStr::new("judge"), OsStr::new("--ua-file"), file.as_os_str()]);
    assert_eq!(
        judged,
        json!([
            { "ua": "Wget/1.21", "class": "library", "reason": "named_library" },
            { "ua": "", "class": "unknown", "reason": "no_ua" },
        ])
    );
    let none = ctl.file("none.csv", "ua\n");
    let judged = ctl.ok([OsStr::new("judge"), OsStr::new("--ua-file"), none.as_os_str()]);
    assert_eq!(judged, Value::Array(Vec::new()), "no rows are no fault");
}

#[test]
fn what_cannot_be_read_gets_one_sentence() {
    let ctl = Ctl::new();
    for (bytes, words) in [
        (&b""[..], "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (
            b"user_agent,label\ncurl/8,library\n",
            "has no column ua; its columns are: user_agent, label",
        ),
        (b"{\"ua\": \"curl/8\"}\n", "has no column ua"),
        (b"ua,x\ncurl/8\xff,1\n", "is not UTF-8: byte 12"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is not UTF-8"),
        (b"ua\ncurl\0/8\n", "is not a CSV file"),
        (
            b"ua,x\ncurl/8,1\nwget/1,2,3\n",
            "is not a CSV file: line 3 has 3 fields, the first has 2",
        ),
        (
            b"ua,x\n\"curl/8,1\nwget/1,2\n",
            "the quote opened in line 2 is never closed",
        ),
    ] {
        let outcome = judge(&ctl, bytes);
        outcome.refused(&[words]);
        assert_eq!(
            outcome.stdout, "",
            "a part of an answer could be taken for the whole"
        );
        assert_eq!(outcome.stderr.lines().count(), 1, "one sentence: {outcome:?}");
    }
    let missing = ctl.home().join("missing.csv");
    for path in [missing.as_os_str(), ctl.home().as_os_str()] {
        let args = [OsStr::new("judge"), OsStr::new("--ua-file"), path];
        let outcome = run_to_end(ctl.command(args), b"");
        outcome.refused(&["cannot read"]);
        assert_eq!(outcome.stderr.lines().count(), 1, "one sentence: {outcome:?}");
    }
    for args in [&["judge"][..], &["judge", "--ua-file"], &["judge", "agents.csv"]] {
        assert_eq!(ctl.run(args).code, Some(2), "wrong usage: {args:?}");
    }
    assert!(!ctl.workspace().exists(), "and still there is no workspace");
}
