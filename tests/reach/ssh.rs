//! `ssh -R` to a real sshd.

use super::{Bench, Found, Through, Wanted, get, reach_up, ssh_program, web_server};
use crate::harness::ctl::Ctl;
use crate::harness::sshd::{Sshd, is_gone, make_key, processes, signal};
use crate::harness::{free_port, skip, until};
use casement_core::reach::tunnel::lines::authorized_key;
use casement_core::reach::tunnel::state::State;
use casement_core::reach::tunnel::way::{Way, known_host};
use casement_core::reach::tunnel::words::Trouble;
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::net::TcpListener;

/// A server, a key that it knows, and what a tunnel to it wants.
pub(super) struct Pair {
    pub(super) sshd: Sshd,
    pub(super) bench: Bench,
    wanted: Wanted,
    pub(super) server_port: u16,
}

pub(super) fn pair(test: &str) -> Option<Pair> {
    pair_at("127.0.0.1", test)
}

/// As [`pair`], with the server at another address of this computer.
pub(super) fn pair_at(address: &'static str, test: &str) -> Option<Pair> {
    let sshd = match Sshd::start_at(address, 1) {
        Ok(sshd) => sshd,
        Err(why) => {
            skip(test, &why);
            return None;
        }
    };
    let bench = Bench::new();
    let public = make_key(&bench.path("key"));
    let server_port = free_port();
    sshd.allow(&[authorized_key(server_port, &public)]);
    fs::write(
        bench.path("known_hosts"),
        known_host(address, sshd.port, &sshd.host_key()),
    )
    .unwrap();
    let wanted = Wanted {
        way: Way::Ssh {
            url: "https://news.example.org".into(),
            server: address.into(),
            port: sshd.port,
            user: sshd.user.clone(),
            server_port,
            key_file: None,
            host_key: sshd.host_key(),
        },
        program: ssh_program(),
        key: bench.path("key"),
        port: web_server(|_| (200, "it is me".into())),
        metrics: 0,
        secrets: Vec::new(),
    };
    Some(Pair {
        sshd,
        bench,
        wanted,
        server_port,
    })
}

impl Pair {
    pub(super) fn follow(&mut self) {
        let through = Through::port(self.server_port);
        self.bench.follow(&self.wanted, through);
    }

    /// Returns the ssh that this pair's tunnel runs.
    fn ssh(&self) -> i32 {
        let mark = self.bench.path("known_hosts").display().to_string();
        let found = processes(|line| {
            line.starts_with(&format!("{} ", ssh_program().display())) && line.contains(&mark)
        });
        assert_eq!(found.len(), 1, "one ssh runs");
        found[0]
    }
}

/// Goes through the steps as a person does: compares the server's key, pastes the lines there, saves.
pub(super) fn allow_by_its_lines(ctl: &Ctl, pair: &Pair, url: &str) {
    let shown = ctl.call(
        "tunnel_host_key",
        json!({ "server": "127.0.0.1", "port": pair.sshd.port }),
    );
    assert_eq!(shown["host_key"], pair.sshd.host_key());
    let way = json!({
        "kind": "ssh", "url": url, "server": "127.0.0.1", "port": pair.sshd.port,
        "user": pair.sshd.user, "server_port": pair.server_port, "host_key": shown["host_key"],
    });
    let port = free_port();
    let lines = ctl.call("tunnel_lines", json!({ "way": way, "port": port }));
    let text = lines["steps"][0]["text"].as_str().unwrap();
    let line = text.lines().find(|line| line.starts_with("restrict,")).unwrap();
    pair.sshd.allow(&[line.to_owned()]);
    ctl.call(
        "tunnel_save",
        json!({ "way": way, "port": port, "use_address": true }),
    );
}

#[test]
fn readers_come_through_ssh_and_nothing_is_left_when_it_stops() {
    let Some(mut pair) = pair("readers_come_through_ssh_and_nothing_is_left_when_it_stops") else {
        return;
    };
    pair.follow();
    let status = pair.bench.until_state(State::Live);
    assert_eq!(status.seen.unwrap().url, "https://news.example.org");
    assert!(status.latency.is_some() && status.trouble.is_none());
    assert!(get(pair.server_port).unwrap().ends_with("it is me"));
    let ssh = pair.ssh();
    pair.bench.tunnel().stop();
    pair.bench.until_state(State::Stopped);
    pair.bench.end();
    assert!(is_gone(ssh));
    until("the server should let the port go", || {
        TcpListener::bind(("127.0.0.1", pair.server_port)).ok()
    });
}

#[test]
fn what_a_server_refuses_is_told_apart_and_not_tried_again() {
    let name = "what_a_server_refuses_is_told_apart_and_not_tried_again";
    for trouble in [Trouble::Login, Trouble::NotPermitted, Trouble::HostKeyChanged] {
        let Some(mut pair) = pair(name) else { return };
        match trouble {
            Trouble::Login => {
                make_key(&pair.bench.path("other"));
                pair.wanted.key = pair.bench.path("other");
            }
            Trouble::NotPermitted => {
                let public = fs::read_to_string(pair.bench.path("key.pub")).unwrap();
                pair.sshd
                    .allow(&[authorized_key(pair.server_port ^ 1, public.trim())]);
            }
            _ => {
                let other = make_key(&pair.bench.path("other"));
                let line = known_host("127.0.0.1", pair.sshd.port, &other);
                fs::write(pair.bench.path("known_hosts"), line).unwrap();
            }
        }
        pair.follow();
        let status = pair.bench.until_state(State::NeedsUser);
        assert_eq!(status.trouble, Some(trouble), "{:#?}", status.lines);
        assert_eq!(status.starts, 1, "{trouble:?} is not tried again by itself");
        assert!(status.last_words.is_some(), "its words are shown");
    }
}

#[test]
fn a_port_that_another_program_holds_is_tried_again_until_it_is_free() {
    let Some(mut pair) = pair("a_port_that_another_program_holds_is_tried_again_until_it_is_free") else {
        return;
    };
    let holder = TcpListener::bind(("127.0.0.1", pair.server_port)).unwrap();
    pair.follow();
    let status = pair.bench.until_state(State::Backoff);
    assert_eq!(status.trouble, Some(Trouble::PortHeld), "{:#?}", status.lines);
    assert_eq!(
        status.last_words.as_deref(),
        Some(&*format!(
            "Error: remote port forwarding failed for listen port {}",
            pair.server_port
        ))
    );
    drop(holder);
    pair.bench.until_state(State::Live);
}

#[test]
fn a_frozen_session_holds_the_port_until_the_server_notices() {
    let Some(mut frozen) = pair("a_frozen_session_holds_the_port_until_the_server_notices") else {
        return;
    };
    frozen.follow();
    frozen.bench.until_state(State::Live);
    let ssh = frozen.ssh();
    signal(ssh, Signal::STOP);
    // This computer wakes up and connects anew, while the server still believes in the old session.
    let mut next = Bench::new();
    for file in ["key", "known_hosts"] {
        fs::copy(frozen.bench.path(file), next.path(file)).unwrap();
    }
    next.follow(
        &Wanted {
            key: next.path("key"),
            ..frozen.wanted.clone()
        },
        Through::port(frozen.server_port),
    );
    next.until(|status| status.trouble == Some(Trouble::PortHeld));
    let status = next.until_state(State::Live);
    assert!(status.starts > 1);
    // A frozen program ends with its tunnel all the same.
    frozen.bench.end();
    assert!(is_gone(ssh));
}

#[test]
fn a_server_that_was_away_is_found_again() {
    let Some(mut pair) = pair("a_server_that_was_away_is_found_again") else {
        return;
    };
    pair.follow();
    pair.bench.until_state(State::Live);
    pair.sshd.end();
    pair.bench
        .until(|status| status.trouble == Some(Trouble::ServerAway));
    pair.sshd.run();
    pair.bench.tunnel().wake();
    pair.bench.until_state(State::Live);
}

#[test]
fn a_key_that_the_server_was_told_of_opens_one_port_and_no_shell() {
    let Some(mut pair) = pair("a_key_that_the_server_was_told_of_opens_one_port_and_no_shell") else {
        return;
    };
    pair.bench.follow(&pair.wanted, std::sync::Arc::new(Found));
    pair.bench.until_state(State::Live);
    let output = std::process::Command::new(ssh_program())
        .args([
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-p",
        ])
        .arg(pair.sshd.port.to_string())
        .arg("-o")
        .arg(format!(
            "UserKnownHostsFile={}",
            pair.bench.path("known_hosts").display()
        ))
        .arg("-i")
        .arg(pair.bench.path("key"))
        .arg(format!("{}@127.0.0.1", pair.sshd.user))
        .arg("echo in")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn the_whole_way_from_a_key_to_a_reader_by_the_real_program() {
    let Some(pair) = pair("the_whole_way_from_a_key_to_a_reader_by_the_real_program") else {
        return;
    };
    let ctl = Ctl::new();
    allow_by_its_lines(&ctl, &pair, "https://news.example.org");
    ctl.call("tunnel_down", json!({}));
    let (group, address) = reach_up(&ctl);
    assert_eq!(address, "https://news.example.org");
    // A stranger's token: the picture comes all the same, and nothing tells that it is one.
    let pixel = crate::harness::http::request(
        &format!("127.0.0.1:{}", pair.server_port),
        "GET",
        "/o/aaaaaaaaaaaaaaaaaaaaaaaaaa.gif",
        &[("X-Forwarded-For", "203.0.113.7")],
        b"",
    );
    assert_eq!(
        (pixel.status, pixel.header("content-type")),
        (200, Some("image/gif"))
    );
    let key = ctl.call("tunnel_key", json!({}));
    assert!(
        !key["file"]
            .as_str()
            .unwrap()
            .starts_with(ctl.workspace().to_str().unwrap()),
        "a copied workspace carries no key"
    );
    let mut group = group;
    group.terminate();
    assert_eq!(group.wait(), Some(0), "it ends in good order");
    until("the server should let the port go", || {
        TcpListener::bind(("127.0.0.1", pair.server_port)).ok()
    });
}

#[test]
fn an_ssh_that_hangs_is_ended_and_started_anew() {
    let Some(mut pair) = pair("an_ssh_that_hangs_is_ended_and_started_anew") else {
        return;
    };
    pair.follow();
    pair.bench.until_state(State::Live);
    let ssh = pair.ssh();
    signal(ssh, Signal::STOP);
    // As after a sleep of this computer. It does not answer three times, and is ended though it takes no signal.
    pair.bench.tunnel().wake();
    pair.bench.until_state(State::Degraded);
    pair.bench
        .until(|status| status.trouble == Some(Trouble::NotReached));
    let status = pair.bench.until_state(State::Live);
    assert!(status.starts > 1);
    assert!(is_gone(ssh));
    assert_ne!(pair.ssh(), ssh);
}
