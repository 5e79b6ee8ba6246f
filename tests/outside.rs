//! The public address seen from outside, through the real `casementctl`.
//!
//! What a probe sees through a server with a certificate is tested in the core (`app::reach_probe`) and in the window's
//! own tests; here is what a script gets.

use crate::harness::ctl::Ctl;
use crate::harness::skip;
use serde_json::{Value, json};
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

#[test]
fn without_a_public_address_there_is_nothing_to_look_at() {
    let ctl = Ctl::new();
    let status = ctl.ok(["reach", "status"]);
    assert_eq!(status["address"]["kind"], "none");
    assert_eq!(
        (&status["probe"], &status["next_probe_at"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&status["listening"], &status["misses"]),
        (&json!(false), &json!(0))
    );
    ctl.run(["reach", "probe"])
        .refused(&["no public address", "set one first"]);
    ctl.run(["reach", "probe", "news"]).refused(&["no address"]);
    ctl.run(["reach", "probe", "http://news.example.org"])
        .refused(&["https://"]);
    ctl.run(["reach", "probe", "https://news.example.org"])
        .refused(&["listener is off", "start it"]);
}

#[test]
fn a_script_is_told_what_was_seen_and_fails_where_it_was_not_this_casement() {
    let ctl = Ctl::new();
    // A name server that says no to every question: nothing leaves this computer.
    let names = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = names.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let mut bytes = [0; 1500];
        while let Ok((n, from)) = names.recv_from(&mut bytes) {
            if n == 0 {
                return;
            }
            // RFC 1035 §4.1.1: an answer, recursion available, NXDOMAIN.
            bytes[2] |= 0x80;
            bytes[3] = 0x83;
            let _ = names.send_to(&bytes[..n], from);
        }
    });
    ctl.ok(["address", "set", "https://news.harbour.test"]);
    let serving = ctl.serve_by(&["env", &format!("CASEMENT_DNS={server}")], "listen");
    let probe = ctl.run(["reach", "probe"]);
    assert_eq!(probe.code, Some(1), "{probe:?}");
    assert_eq!(probe.json["verdict"], "name");
    assert_eq!(probe.json["url"], "https://news.harbour.test");
    assert!(
        probe.json["sentence"]
            .as_str()
            .unwrap()
            .contains("Nobody knows the name")
    );
    // A port that answers nobody.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let probe = ctl.run(["reach", "probe", &format!("https://other.harbour.test:{port}")]);
    assert_eq!(probe.json["verdict"], "name", "{probe:?}");
    let status = ctl.ok(["reach", "status"]);
    assert_eq!(status["probe"]["verdict"], "name");
    assert!(
        status["probe"]["url"] == "https://news.harbour.test",
        "what no mail carries is not kept"
    );
    serving.stop();
    UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.send_to(b"", &server))
        .unwrap();
    answering.join().unwrap();
}

#[test]
fn without_a_network_nobody_else_is_blamed() {
    // A network of its own in which there is nothing but loopback (Linux, `unshare` of util-linux).
    // Who is not root becomes it in a space of users of his own, which not every machine gives.
    let alone: &[&str] = if rustix::process::geteuid().is_root() {
        &["unshare", "--net"]
    } else {
        &["unshare", "--map-root-user", "--net"]
    };
    let alone = [alone, &["sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]].concat();
    let is_possible = Command::new(alone[0])
        .args(&alone[1..])
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success());
    if !is_possible {
        return skip(
            "without_a_network_nobody_else_is_blamed",
            "this system lets nobody make a network of his own",
        );
    }
    let ctl = Ctl::new();
    ctl.ok(["address", "set", "https://news.harbour.test"]);
    let serving = ctl.serve_by(&alone, "listen");
    let probe = ctl.run(["reach", "probe"]);
    assert_eq!(probe.code, Some(1), "{probe:?}");
    assert_eq!(probe.json["verdict"], "no_network", "{probe:?}");
    assert!(
        probe.json["sentence"]
            .as_str()
            .unwrap()
            .contains("not connected to the internet")
    );
    let probe = ctl.run(["reach", "probe", "https://203.0.113.7"]);
    assert_eq!(
        probe.json["verdict"], "no_network",
        "a bare address neither: {probe:?}"
    );
    serving.stop();
}
