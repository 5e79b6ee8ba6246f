//! More of everything than a listener can take: connections, bytes, resets, requests without a pause.

use super::{Siege, WAIT};
use crate::harness::gauge::allow_descriptors;
use crate::harness::raw::{Raw, exchange};
use crate::harness::witness::look;
use crate::harness::{PATIENCE, skip, until};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn three_thousand_resets_break_nothing() {
    let mut siege = Siege::begin();
    let request = crate::harness::raw::get(&siege.pixel(), &[]);
    let deadline = Instant::now() + Duration::from_secs(30);
    for index in 0..3000 {
        let peer = &siege.entrances()[index % 2];
        let Ok(mut raw) = Raw::connect(peer) else { continue };
        // Before the request, in the middle of it, after it, and with the answer on its way.
        match index % 4 {
            0 => {}
            1 => drop(raw.send(&request[..20])),
            2 => drop(raw.send(&request)),
            _ => {
                raw.send(&request);
                raw.hear_until(Duration::from_millis(5), |heard| !heard.bytes.is_empty());
            }
        }
        raw.reset();
        assert!(Instant::now() < deadline, "connections are taken all the while");
    }
    siege.ends();
}

#[test]
fn a_hundred_megabytes_of_header_are_cut_at_once() {
    let mut siege = Siege::begin();
    let first = format!("GET {} HTTP/1.1\r\n", siege.pixel());
    for (what, piece) in [
        ("fields", "a:b\r\n".repeat(13_000)),
        ("one line", "a".repeat(65_000)),
        ("empty lines in front", "\r\n".repeat(32_000)),
    ] {
        for peer in siege.entrances() {
            let mut raw = Raw::connect(&peer).expect("the entrance is open");
            if !what.contains("front") {
                raw.send(&first);
            }
            let mut sent = 0;
            while sent < 100_000_000 && raw.send(&piece) {
                sent += piece.len();
            }
            // The buffers of both sockets take some before the cut is seen.
            assert!(sent < 20_000_000, "{what}: {sent} bytes were taken");
            let told = raw.hear(WAIT).statuses();
            assert!(
                told.iter().all(|status| [400, 431].contains(status)) && told.len() <= 1,
                "{what}: {told:?}"
            );
        }
    }
    siege.ends();
}

#[test]
fn requests_without_a_pause_are_not_queued_up() {
    let mut siege = Siege::begin();
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", siege.pixel());
    let many = request.repeat(500);
    for (peer, at_most) in siege.entrances().into_iter().zip([1, 100]) {
        let deadline = Instant::now() + Duration::from_secs(4);
        while Instant::now() < deadline {
            let mut raw = Raw::connect(&peer).expect("the entrance is open");
            // Nothing is read: answers that nobody takes are no reason to read on.
            let mut sent = 0;
            while Instant::now() < deadline && raw.send(&many) {
                sent += many.len();
                assert!(sent < 100_000_000, "{sent} bytes of requests were taken");
            }
            let answers = raw.hear(WAIT).statuses().len();
            assert!(
                answers <= at_most,
                "{answers} answers on one connection, where {at_most} are given"
            );
        }
    }
    siege.ends();
}

/// Opens connections that say nothing.
fn idle(peers: &[String], count: usize) -> Vec<Raw> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut held = Vec::with_capacity(count);
    for index in 0..count {
        if Instant::now() > deadline {
            break;
        }
        let peer = &peers[index % peers.len()];
        held.extend(Raw::connect_within(peer, Duration::from_millis(500)));
    }
    held
}

#[test]
fn two_thousand_idle_connections_starve_nobody() {
    if !allow_descriptors(12_000) {
        return skip(
            "two_thousand_idle_connections_starve_nobody",
            "too few descriptors are allowed",
        );
    }
    let mut siege = Siege::begin();
    let held = idle(&siege.entrances(), 2000);
    assert!(held.len() >= 1900, "connections are taken: {}", held.len());
    // Bursts of honest readers, more than there are threads behind the gate.
    let peers = siege.entrances();
    let (mut asked, mut wrong) = (0, Vec::new());
    for burst in 0..10 {
        let looks: Vec<_> = (0..40u64)
            .map(|index| {
                let (peer, seed) = (peers[index as usize % 2].clone(), siege.chance.bits());
                std::thread::spawn(move || look(&peer, &mut crate::harness::chance::Chance::seeded(seed)))
            })
            .collect();
        for look in looks {
            asked += 1;
            let seen = look.join().expect("a look does not panic");
            wrong.extend(seen.err().map(|what| format!("burst {burst}: {what}")));
        }
    }
    assert!(
        wrong.len() * 100 <= asked,
        "99 of 100 are answered in two seconds; {} of {asked} were not: {:?}",
        wrong.len(),
        wrong.first()
    );
    drop(held);
    siege.ends();
}

#[test]
fn idle_connections_are_ended() {
    let siege = Siege::begin();
    for mut raw in idle(&siege.entrances(), 20) {
        let heard = raw.hear(Duration::from_secs(30));
        assert!(heard.closed, "whoever says nothing is not kept");
        assert!(
            heard.statuses().iter().all(|status| *status == 408),
            "nothing was asked: {:?}",
            heard.text()
        );
    }
    siege.ends();
}

#[test]
fn five_thousand_slow_connections_starve_nobody() {
    if !allow_descriptors(12_000) {
        return skip(
            "five_thousand_slow_connections_starve_nobody",
            "too few descriptors are allowed",
        );
    }
    let mut siege = Siege::begin();
    let peers = siege.entrances();
    let request = crate::harness::raw::get(&siege.pixel(), &[]);
    let mut held: Vec<(Raw, usize)> = idle(&peers, 5000).into_iter().map(|raw| (raw, 0)).collect();
    assert!(held.len() >= 4000, "connections are taken: {}", held.len());
    for (raw, _) in &held {
        raw.stream.set_nonblocking(true).expect("a socket can be made so");
    }
    let deadline = Instant::now() + Duration::from_secs(8);
    while Instant::now() < deadline {
        let mut ended = 0;
        for (raw, sent) in &mut held {
            // Never the end of the head, which would make it an honest request.
            let at = *sent % (request.len() - 4);
            match std::io::Write::write(&mut raw.stream, &request.as_bytes()[at..=at]) {
                Ok(n) => *sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => ended += 1,
            }
        }
        // Whoever was thrown out comes again.
        held.retain(|(raw, _)| matches!(raw.stream.take_error(), Ok(None)) && raw.stream.peer_addr().is_ok());
        for raw in idle(&peers, ended.min(500)) {
            raw.stream.set_nonblocking(true).expect("a socket can be made so");
            held.push((raw, 0));
        }
    }
    drop(held);
    siege.ends();
}

#[test]
fn five_thousand_idle_connections_are_held_or_ended_and_never_fatal() {
    if !allow_descriptors(12_000) {
        return skip(
            "five_thousand_idle_connections_are_held_or_ended_and_never_fatal",
            "too few descriptors are allowed",
        );
    }
    let siege = Siege::begin_by(&["sh", "-c", "ulimit -S -n 1024; exec \"$@\"", "sh"]);
    let held = idle(&siege.entrances(), 5000);
    assert!(held.len() >= 4000, "connections are taken: {}", held.len());
    // The soft limit was 1,024, and the hard one allows more.
    let gauge = siege.gauge;
    assert!(
        gauge.descriptors() > 1024,
        "the soft limit of descriptors is raised: {} are open",
        gauge.descriptors()
    );
    drop(held);
    siege.ends();
}

#[test]
fn sixty_four_descriptors_are_enough_to_live() {
    // Sixty-five is odd: a descriptor that is one of a pair is missing, and the other one there.
    for limit in [64, 65] {
        let mut siege = Siege::begin_by(&["sh", "-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"]);
        for _ in 0..3 {
            let held = idle(&siege.entrances(), 200);
            assert!(held.len() > 100, "connections are taken: {}", held.len());
        }
        // With room for sixteen, some honest look may have had to go with the flood; none after it.
        siege.looks_count_from_now();
        siege.ends();
    }
}

#[test]
fn with_256_descriptors_a_reader_is_served_whoever_else_is_there() {
    // What macOS gives to a program of its desktop, and here the hard limit allows no more.
    let mut siege = Siege::begin_by(&["sh", "-c", "ulimit -n 256; exec \"$@\"", "sh"]);
    let peers = siege.entrances();
    for round in 0..4 {
        // More than there are places for: whoever has waited longest without a word goes.
        let held = idle(&peers, 300);
        assert!(held.len() >= 250, "connections are taken: {}", held.len());
        // The system may have taken connections that the gate has not come to yet. And the silent ones may have
        // gone by now: a full table gives them a second.
        let status = until("more than a hundred have to go", || {
            let status = siege.ctl.call("listener_status", serde_json::json!({}));
            let gone: u64 = status["refused"]
                .as_array()?
                .iter()
                .filter(|refused| {
                    ["evicted", "slow"]
                        .iter()
                        .any(|reason| refused["reason"] == *reason)
                })
                .filter_map(|refused| refused["n"].as_u64())
                .sum();
            (gone >= 100).then_some(status)
        });
        let limit = &status["connections_limit"];
        assert!(
            limit.as_u64() < Some(256),
            "half of them are for readers: {limit}"
        );
        for turn in 0..40 {
            if let Err(wrong) = look(&peers[turn % 2], &mut siege.chance) {
                panic!("round {round}, look {turn}: {wrong}");
            }
        }
        drop(held);
    }
    siege.ends();
}

#[test]
fn one_source_has_a_share_of_connections() {
    let mut siege = Siege::begin();
    let source = Ipv4Addr::new(127, 0, 0, 2);
    let held: Vec<Raw> = (0..80)
        .filter_map(|_| Raw::connect_from(source, &siege.serving.direct).ok())
        .collect();
    // Those beyond its share are refused or closed at once, while the others still wait for their request.
    let mut refused = 0;
    for mut raw in held {
        let heard = raw.hear(Duration::from_millis(50));
        refused += usize::from(heard.closed || heard.statuses() == [429]);
    }
    assert!(
        refused >= 80 - 32 - 4,
        "a source may have 32 at once; {refused} of 80 were refused"
    );
    assert!(refused < 80, "and it may have these");
    let other = Ipv4Addr::new(127, 0, 0, 4);
    let request = crate::harness::raw::get(&siege.pixel(), &[]);
    let mut raw = Raw::connect_from(other, &siege.serving.direct).expect("the entrance is open");
    raw.send(request);
    assert_eq!(
        raw.hear(WAIT).statuses(),
        [200],
        "another source is not concerned"
    );
    siege.ends();
}

#[test]
fn one_source_has_a_share_of_requests() {
    let mut siege = Siege::begin();
    let source = Ipv4Addr::new(127, 0, 0, 3);
    let request = crate::harness::raw::get(&siege.pixel(), &[]);
    let direct = siege.serving.direct.clone();
    let ask = || -> Option<u16> {
        let mut raw = Raw::connect_from(source, &direct).ok()?;
        raw.send(&request);
        raw.hear(WAIT).statuses().first().copied()
    };
    // Eight at a time: each answer takes its ten milliseconds, and on a busy machine one after the other are no flood.
    let deadline = Instant::now() + PATIENCE;
    let taken = AtomicUsize::new(0);
    let refused: Mutex<Option<Option<u16>>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while refused.lock().unwrap().is_none() && Instant::now() < deadline {
                    match ask() {
                        Some(200) => taken.fetch_add(1, Ordering::Relaxed),
                        other => return *refused.lock().unwrap() = Some(other),
                    };
                }
            });
        }
    });
    let (taken, refused) = (taken.into_inner(), refused.into_inner().unwrap());
    assert!(taken >= 10, "a reader's few looks are no flood: {taken}");
    assert!(
        matches!(refused, Some(Some(429) | None)),
        "a flood is told so after {taken}: {refused:?}"
    );
    let own = exchange(&direct, &request, WAIT);
    assert_eq!(own.statuses(), [200], "this computer itself is exempt");
    until("who pauses should be let in again", || {
        (ask() == Some(200)).then_some(())
    });
    siege.ends();
}
