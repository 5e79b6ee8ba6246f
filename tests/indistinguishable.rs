//! Nobody learns from an answer, or from the time it takes, whether a token exists and what became of it.

use crate::harness::chance::Chance;
use crate::harness::crowd::{Crowd, Deed};
use crate::harness::line::Line;
use crate::harness::quiet;
use crate::harness::raw::{exchange, get};
use crate::harness::{PATIENCE, readers};
use serde_json::json;
use std::time::Duration;

/// Pairs of a token that exists and one that does not.
const PAIRS: usize = 5000;
/// A message stores twenty hits and only counts the rest: each token is asked for no more often than that.
const LOOKS: usize = 20;

/// One token of every kind, and what the kind is called.
fn one_of_each(crowd: &Crowd, chance: &mut Chance) -> Vec<(&'static str, String)> {
    let ctl = &crowd.ctl;
    let (_, early) =
        crowd.send(&json!({ "from": "2099-01-01T00:00:00", "until": "2099-02-01T00:00:00", "zone": "UTC" }));
    let (ended, late) = crowd.send(&json!({ "days": 1 }));
    let shown = ctl.ok(["campaign", "show", &ended]);
    ctl.call("campaign_window_end", json!({ "id": shown["id"] }));
    let [valid, refused, opted_out, unsubscribed, erased] = &crowd.readers[..5] else {
        panic!("five readers are wanted");
    };
    ctl.ok(["contacts", "consent", &refused.email, "refused"]);
    ctl.ok(["contacts", "erase", &erased.email, "--yes"]);
    let serving = ctl.serve("listen");
    for (deed, reader) in [(Deed::OptOut, opted_out), (Deed::Unsubscribe, unsubscribed)] {
        assert_eq!(deed.ask(reader, &serving.proxied).statuses(), [200]);
    }
    serving.stop();
    vec![
        ("one that exists", valid.pixel.clone()),
        ("one that belongs to nobody", format!("/o/{}.gif", chance.token())),
        ("one whose time is to come", early[0].pixel.clone()),
        ("one whose time is over", late[0].pixel.clone()),
        ("one whose reader refused", refused.pixel.clone()),
        ("one whose reader opted out", opted_out.pixel.clone()),
        ("one whose reader unsubscribed", unsubscribed.pixel.clone()),
        ("one whose reader was erased", erased.pixel.clone()),
    ]
}

#[test]
fn every_well_formed_token_gets_the_same_bytes_and_headers() {
    let mut chance = Chance::seeded(21);
    let crowd = Crowd::of(5);
    let tokens = one_of_each(&crowd, &mut chance);
    let serving = crowd.ctl.serve("listen");
    for (entrance, peer) in [("direct", &serving.direct), ("proxied", &serving.proxied)] {
        for method in ["GET", "HEAD"] {
            let mut first = None;
            // Twice: the second look at a mail is another path than the first.
            for (kind, path) in tokens.iter().chain(&tokens) {
                let headers = [
                    (readers::CLIENT_HEADER, "198.51.100.9"),
                    ("User-Agent", readers::IPHONE),
                ];
                let request = get(path, &headers).replacen("GET", method, 1);
                let response = exchange(peer, request, PATIENCE).response();
                let fields: Vec<_> = response
                    .headers
                    .into_iter()
                    .filter(|(name, _)| name != "date")
                    .collect();
                let seen = (response.status, fields, response.body);
                let first = first.get_or_insert_with(|| seen.clone());
                assert_eq!(
                    &seen, first,
                    "{method} of {kind} at the {entrance} entrance is told from one that exists"
                );
            }
            assert_eq!(first.map(|(status, ..)| status), Some(200));
        }
    }
    serving.stop();
}

#[test]
fn the_time_of_an_answer_tells_nothing() {
    let _alone = quiet();
    let mut chance = Chance::seeded(22);
    let crowd = Crowd::of(PAIRS / LOOKS);
    let serving = crowd.ctl.serve("listen");
    let mut line = Line::to(&serving.proxied);
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        let address = chance.address();
        let of_known = &crowd.readers[pair % crowd.readers.len()].pixel;
        let of_unknown = format!("/o/{}.gif", chance.token());
        let known_first = chance.below(2) == 0;
        for turn in [known_first, !known_first] {
            let (path, times) = if turn {
                (of_known, &mut known)
            } else {
                (&of_unknown, &mut unknown)
            };
            let (response, took) = line.ask("GET", path, &address);
            assert_eq!(response.status, 200);
            times.push(took);
        }
    }
    serving.stop();
    assert_eq!(
        crowd.hits(),
        PAIRS,
        "every look at a known token was stored: it took the longest way"
    );
    let auc = auc(&known, &unknown);
    let (mut a, mut b) = (known, unknown);
    a.sort_unstable();
    b.sort_unstable();
    assert!(
        (0.45..=0.55).contains(&auc),
        "a known token is told from an unknown one by time with AUC {auc:.3}; medians {:?} and {:?}",
        a[a.len() / 2],
        b[b.len() / 2]
    );
}

/// Returns the chance that one of `a` is greater than one of `b`, ties counted half: Mann and Whitney's U
/// (1947) by way of the sum of ranks, divided by the number of pairs.
fn auc(a: &[Duration], b: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, bool)> = a.iter().map(|time| (*time, true)).collect();
    all.extend(b.iter().map(|time| (*time, false)));
    all.sort_unstable();
    let mut rank_sum = 0.0;
    let mut start = 0;
    while start < all.len() {
        let tied = all[start..]
            .iter()
            .take_while(|(time, _)| *time == all[start].0)
            .count();
        // Ranks begin at 1; those that tie share the mean of theirs.
        let rank = start as f64 + (tied as f64 + 1.0) / 2.0;
        let of_a = all[start..start + tied].iter().filter(|(_, is_a)| *is_a).count();
        rank_sum += rank * of_a as f64;
        start += tied;
    }
    let (n, m) = (a.len() as f64, b.len() as f64);
    (rank_sum - n * (n + 1.0) / 2.0) / (n * m)
}

#[test]
fn the_measure_of_times_sees_a_difference_and_only_that() {
    let times =
        |values: &[u64]| -> Vec<Duration> { values.iter().copied().map(Duration::from_millis).collect() };
    for (a, b, wanted) in [
        (&[1, 2, 3][..], &[4, 5][..], 0.0),
        (&[4, 5], &[1, 2, 3], 1.0),
        (&[1, 2, 3], &[1, 2, 3], 0.5),
        (&[7, 7], &[7, 7, 7], 0.5),
        // Of six pairs three are won, one is a tie: 3.5 of 6.
        (&[2, 4, 5], &[4, 3], 3.5 / 6.0),
    ] {
        let found = auc(&times(a), &times(b));
        assert!(
            (found - wanted).abs() < 1e-9,
            "{a:?} against {b:?}: {found}, not {wanted}"
        );
    }
}
