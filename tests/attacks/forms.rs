//! Requests that no browser writes: other versions, broken lines, strange bytes and targets, too many fields.

use super::{Siege, WAIT};
use crate::harness::chance::Chance;
use crate::harness::raw::{Raw, exchange};
use crate::harness::until;
use crate::harness::witness::{GIF, is_the_picture};
use std::time::{Duration, Instant};

/// A request for `path` that closes after it; `fields` end in line ends.
fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: news.harbour.test\r\nConnection: close\r\n{fields}\r\n")
}

#[test]
fn odd_but_honest_requests_are_answered() {
    let mut siege = Siege::begin();
    let pixel = siege.pixel();
    let plain = get(&pixel, "");
    for (what, bytes) in [
        (
            "UTF-8 in a value",
            get(&pixel, "User-Agent: Pösti/1.0 (日本)\r\n").into_bytes(),
        ),
        (
            "Latin-1 in a value",
            get(&pixel, "User-Agent: P#sti\r\n")
                .replace('#', "\u{1}")
                .into_bytes()
                .into_iter()
                .map(|byte| if byte == 1 { 0xf6 } else { byte })
                .collect(),
        ),
        ("bare line feeds", plain.replace("\r\n", "\n").into_bytes()),
        ("an empty line in front", format!("\r\n{plain}").into_bytes()),
        ("HTTP/1.0", format!("GET {pixel} HTTP/1.0\r\n\r\n").into_bytes()),
        (
            "no Host",
            format!("GET {pixel} HTTP/1.1\r\nConnection: close\r\n\r\n").into_bytes(),
        ),
        (
            "a query of a proxy's own",
            get(&format!("{pixel}?x=1&y=2"), "").into_bytes(),
        ),
        (
            "an empty value",
            get(&pixel, "User-Agent:\r\nReferer: \r\n").into_bytes(),
        ),
        (
            "a tab in a value",
            get(&pixel, "User-Agent: a\tb\r\n").into_bytes(),
        ),
        (
            "a length of zero",
            get(&pixel, "Content-Length: 0\r\n").into_bytes(),
        ),
        ("100 fields", get(&pixel, &fields(98)).into_bytes()),
        (
            "a head of 15 KiB",
            get(&pixel, &format!("Cookie: {}\r\n", "c".repeat(15 * 1024))).into_bytes(),
        ),
    ] {
        for heard in siege.answers(what, bytes, &[200]) {
            is_the_picture(&heard).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        }
    }
    siege.ends();
}

fn fields(count: usize) -> String {
    (0..count).map(|index| format!("x{index}: y\r\n")).collect()
}

#[test]
fn a_head_that_comes_byte_by_byte_is_answered() {
    let mut siege = Siege::begin();
    let request = get(&siege.pixel(), "");
    for peer in siege.entrances() {
        let mut raw = Raw::connect(&peer).expect("the entrance is open");
        for byte in request.as_bytes() {
            assert!(raw.send([*byte]), "every byte is taken");
        }
        let heard = raw.hear(WAIT);
        is_the_picture(&heard).unwrap_or_else(|wrong| panic!("byte by byte: {wrong}"));
    }
    siege.ends();
}

#[test]
fn control_bytes_in_a_head_are_refused() {
    let mut siege = Siege::begin();
    let pixel = siege.pixel();
    for byte in [0u8, 1, 7, 8, 0x0b, 0x0c, 0x1b, 0x7f] {
        let spoilt = |place: &str| -> Vec<u8> {
            let request = match place {
                "a value" => get(&pixel, "User-Agent: a#b\r\n"),
                "a name" => get(&pixel, "User#Agent: ab\r\n"),
                "the path" => get(&format!("{pixel}#"), ""),
                "the method" => get(&pixel, "").replacen("GET", "GE#T", 1),
                _ => get(&pixel, "").replacen("HTTP/1.1", "HTTP/1.1#", 1),
            };
            let bytes = request.into_bytes().into_iter();
            bytes.map(|own| if own == b'#' { byte } else { own }).collect()
        };
        siege.refuses(&format!("{byte:#04x} in a value"), spoilt("a value"), &[400]);
        siege.refuses(&format!("{byte:#04x} in a name"), spoilt("a name"), &[400]);
        siege.refuses(
            &format!("{byte:#04x} in the path"),
            spoilt("the path"),
            &[400, 404],
        );
        siege.refuses(
            &format!("{byte:#04x} in the method"),
            spoilt("the method"),
            &[400, 405],
        );
        siege.refuses(
            &format!("{byte:#04x} in the version"),
            spoilt("the version"),
            &[400, 505],
        );
    }
    siege.ends();
}

#[test]
fn only_plain_paths_of_this_host_exist() {
    let mut siege = Siege::begin();
    let (pixel, page) = (siege.pixel(), siege.page());
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for absolute in [
        format!("http://news.harbour.test{pixel}"),
        format!("https://news.harbour.test{pixel}"),
        format!("HTTP://127.0.0.1{page}"),
        "news.harbour.test:443".to_owned(),
    ] {
        siege.refuses(&absolute, target(&absolute), &[400]);
    }
    for nowhere in [
        format!("/{pixel}"),
        format!("//news.harbour.test{pixel}"),
        format!("/x/..{pixel}"),
        format!("/.{pixel}"),
        pixel.to_uppercase(),
        pixel.replace(".gif", ".png"),
        pixel.replace("/o/", "/o//"),
        pixel.replace(".gif", "%2egif"),
        "/".to_owned(),
        "/index.php".to_owned(),
        "/.env".to_owned(),
        "/o/".to_owned(),
        format!("/{}", "a".repeat(4000)),
    ] {
        siege.answers(&nowhere, target(&nowhere), &[404]);
    }
    siege.ends();
}

#[test]
fn other_methods_are_refused() {
    let mut siege = Siege::begin();
    let (pixel, page) = (siege.pixel(), siege.page());
    for method in [
        "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get", "GETT",
    ] {
        for path in [&pixel, &page] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            siege.answers(&format!("{method} {path}"), request, &[405]);
        }
    }
    let post = format!("POST {pixel} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    siege.answers("POST to a picture", post, &[405]);
    siege.ends();
}

#[test]
fn noise_is_refused() {
    let siege = Siege::begin();
    let mut chance = Chance::seeded(11);
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let mut noises: Vec<Vec<u8>> = vec![
        tls.to_vec(),
        b"\r\n\r\n\r\n\r\nQUIT\r\n\r\n".to_vec(),
        b"EHLO scanner\r\n\r\n".to_vec(),
        b"SSH-2.0-scanner\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET  /\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n: no name\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nUser-Agent : space\r\n\r\n".to_vec(),
        b"\xff\xfe\xfd\xfc\r\n\r\n".to_vec(),
    ];
    noises.extend((0..40).map(|_| (0..200).map(|_| chance.below(256) as u8).collect()));
    for noise in noises {
        for peer in siege.entrances() {
            let Ok(mut raw) = Raw::connect(&peer) else {
                panic!("the entrance at {peer} is open")
            };
            raw.send(&noise);
            raw.end();
            let heard = raw.hear(WAIT);
            assert!(
                heard.statuses().iter().all(|status| (400..500).contains(status)),
                "{noise:?} is no request: {:?}",
                heard.text()
            );
            assert!(
                heard.closed,
                "after {noise:?} the connection ends: {:?}",
                heard.text()
            );
        }
    }
    siege.ends();
}

#[test]
fn other_versions_are_refused_and_leave_nothing_behind() {
    let mut siege = Siege::begin();
    let pixel = siege.pixel();
    for version in [
        "HTTP/2.0",
        "HTTP/3.0",
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/11.1",
        "HTTPS/1.1",
        "FTP/1.1",
    ] {
        let request = format!("GET {pixel} {version}\r\nHost: x\r\n\r\n");
        siege.refuses(version, request, &[400, 505]);
    }
    let (threads, descriptors) = (siege.gauge.threads(), siege.gauge.descriptors());
    for _ in 0..150 {
        for peer in siege.entrances() {
            let Ok(mut raw) = Raw::connect(&peer) else {
                continue;
            };
            raw.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        }
    }
    let gauge = siege.gauge;
    until(
        "300 prefaces of HTTP/2 should hold no thread and no descriptor",
        || {
            let (now, open) = (gauge.threads(), gauge.descriptors());
            (now <= threads + 8 && open <= descriptors + 8).then_some(())
        },
    );
    siege.refuses(
        "the preface of HTTP/2",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[400, 505],
    );
    siege.ends();
}

#[test]
fn a_head_without_end_is_cut() {
    let mut siege = Siege::begin();
    let pixel = siege.pixel();
    for (what, request) in [
        ("101 fields", get(&pixel, &fields(99))),
        ("1,000 fields", get(&pixel, &fields(1000))),
        (
            "a field of 17 KiB",
            get(&pixel, &format!("Cookie: {}\r\n", "c".repeat(17 * 1024))),
        ),
        (
            "a name of 17 KiB",
            get(&pixel, &format!("{}: x\r\n", "c".repeat(17 * 1024))),
        ),
        ("fields of 17 KiB", get(&pixel, &"a: b\r\n".repeat(17 * 1024 / 6))),
    ] {
        siege.refuses(what, request, &[431]);
    }
    siege.refuses(
        "a path of 17 KiB",
        get(&format!("/{}", "a".repeat(17 * 1024)), ""),
        &[414, 431],
    );
    siege.ends();
}

#[test]
fn the_direct_entrance_takes_one_request_a_connection() {
    let mut siege = Siege::begin();
    let (first, second) = (siege.pixel(), siege.pixel());
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    let heard = exchange(&siege.serving.direct, request(&first) + &request(&second), WAIT);
    let response = heard.response();
    assert_eq!(response.status, 200);
    assert_eq!(
        response.header("connection"),
        Some("close"),
        "it says so: {response:?}"
    );
    assert!(heard.closed, "and does so");
    siege.ends();
}

#[test]
fn the_proxys_entrance_keeps_a_connection_for_a_hundred_requests() {
    let mut siege = Siege::begin();
    let mut raw = Raw::connect(&siege.serving.proxied).expect("the entrance is open");
    let mut answers = 0;
    // One after the other, as a proxy sends them.
    for _ in 0..150 {
        let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", siege.pixel());
        if !raw.send(request) {
            break;
        }
        let heard = raw.hear_until(WAIT, |heard| heard.bytes.ends_with(GIF));
        answers += heard.statuses().len();
        if heard.statuses().is_empty() {
            assert!(heard.closed, "a connection that is kept answers");
            break;
        }
    }
    assert_eq!(answers, 100, "a hundred are answered, then it ends");

    let mut idle = Raw::connect(&siege.serving.proxied).expect("the entrance is open");
    assert!(idle.send(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", siege.pixel())));
    let heard = idle.hear_until(WAIT, |heard| heard.bytes.ends_with(GIF));
    assert_eq!(heard.statuses(), [200]);
    let begun = Instant::now();
    let heard = idle.hear(Duration::from_secs(20));
    assert!(
        heard.closed && heard.bytes.is_empty(),
        "an idle connection is closed: {heard:?}"
    );
    assert!(
        begun.elapsed() > Duration::from_secs(2),
        "but not before a proxy could use it again: {:?}",
        begun.elapsed()
    );
    siege.ends();
}

#[test]
fn no_answer_names_the_server_behind_the_gate() {
    let mut siege = Siege::begin();
    let (pixel, page) = (siege.pixel(), siege.page());
    for request in [
        get(&pixel, ""),
        get(&page, ""),
        get("/robots.txt", ""),
        get("/healthz", ""),
        get("/nowhere", ""),
        get(&pixel, "Content-Length: 9\r\n"),
        get(&pixel, "").replacen("GET", "PUT", 1),
        get(&pixel, "").replacen("GET", "HEAD", 1),
    ] {
        for heard in siege.exchange(&request) {
            let response = heard.response();
            assert_eq!(response.header("server"), None, "{request:?}: {response:?}");
            assert!(
                !heard.text().to_ascii_lowercase().contains("tiny"),
                "{request:?}: {:?}",
                heard.text()
            );
        }
    }
    siege.ends();
}
