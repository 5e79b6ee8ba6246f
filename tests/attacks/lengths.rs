//! Bodies that are announced and never sent, that are longer than anyone needs, or that hide a second request.

use super::{Siege, WAIT};
use crate::harness::raw::{Raw, exchange};
use crate::harness::witness::look;
use std::time::Duration;

/// A request of `method` for `path`, its head ended; on keep-alive.
fn head(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: news.harbour.test\r\n{fields}\r\n")
}

#[test]
fn a_length_that_nobody_can_send_ends_neither_the_process_nor_the_service() {
    let mut siege = Siege::begin();
    let pixel = siege.pixel();
    let page = siege.page();
    for length in [
        1u64,
        5000,
        100_000_000_000,
        100_000_000_000_000,
        9_000_000_000_000_000_000,
        isize::MAX as u64,
        u64::MAX,
    ] {
        let field = format!("Content-Length: {length}\r\n");
        for method in ["GET", "HEAD"] {
            for path in [&pixel, &page] {
                siege.refuses(
                    &format!("{method} with {field:?}"),
                    head(method, path, &field),
                    &[413],
                );
            }
        }
        if length > 4096 {
            siege.refuses(
                &format!("POST with {field:?}"),
                head("POST", &page, &field),
                &[413],
            );
        }
    }
    siege.ends();
}

#[test]
fn a_length_that_is_none_is_refused() {
    let mut siege = Siege::begin();
    let (pixel, page) = (siege.pixel(), siege.page());
    for value in [
        "-1",
        "-100000000000",
        "+5",
        "0x10",
        "5 5",
        "5, 6",
        "5;",
        "1e3",
        "five",
        "5.0",
        "\u{665}",
    ] {
        let field = format!("Content-Length: {value}\r\n");
        for (method, path) in [("GET", &pixel), ("POST", &page)] {
            siege.refuses(
                &format!("{method} with {field:?}"),
                head(method, path, &field),
                &[400],
            );
        }
    }
    // More than 64 bits hold: no number that is known, or too large.
    let field = "Content-Length: 18446744073709551616\r\n";
    siege.refuses(field, head("POST", &page, field), &[400, 413]);
    siege.ends();
}

#[test]
fn two_lengths_that_differ_are_refused() {
    let mut siege = Siege::begin();
    let (pixel, page) = (siege.pixel(), siege.page());
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 0\r\nContent-Length: 44\r\n",
        "Content-Length: 44\r\ncontent-length: 0\r\n",
    ] {
        for (method, path) in [("GET", &pixel), ("POST", &page)] {
            let request = head(method, path, fields) + "hello";
            siege.refuses(&format!("{method} with {fields:?}"), request, &[400]);
        }
    }
    siege.ends();
}

#[test]
fn a_form_is_read_up_to_four_kibibytes() {
    let mut siege = Siege::begin();
    let page = siege.page();
    let post = |length: usize| {
        let fields = format!(
            "Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n"
        );
        head("POST", &page, &fields) + &"x".repeat(length)
    };
    for length in [0, 1, 1024, 1025, 4096] {
        siege.answers(&format!("a form of {length} bytes"), post(length), &[200]);
    }
    for length in [4097, 5000, 100_000] {
        siege.refuses(&format!("a form of {length} bytes"), post(length), &[413]);
    }
    siege.ends();
}

#[test]
fn bodies_that_never_come_hold_nobody_up() {
    let mut siege = Siege::begin();
    let mut held = Vec::new();
    // At first as few as could block a small pool, then many.
    for count in [4, 60] {
        for index in 0..count {
            let [direct, proxied] = siege.entrances();
            let peer = if index % 2 == 0 { direct } else { proxied };
            let mut raw = Raw::connect(&peer).expect("the entrance is open");
            let page = siege.page();
            raw.send(head("POST", &page, "Content-Length: 4000\r\n") + "List-Un");
            held.push(raw);
        }
        for peer in siege.entrances() {
            for _ in 0..10 {
                look(&peer, &mut siege.chance)
                    .unwrap_or_else(|wrong| panic!("{count} bodies that do not come: {wrong}"));
            }
        }
    }
    // Nobody waits for them for ever.
    for mut raw in held {
        let heard = raw.hear(Duration::from_secs(30));
        assert!(
            heard.closed,
            "a body that does not come is given up: {:?}",
            heard.text()
        );
        assert!(
            heard.statuses().iter().all(|status| *status == 408),
            "nothing was asked yet: {:?}",
            heard.text()
        );
    }
    siege.ends();
}

#[test]
fn a_body_in_chunks_is_one_request_with_one_answer() {
    let mut siege = Siege::begin();
    let (pixel, page, hidden) = (siege.pixel(), siege.page(), siege.pixel());
    let smuggled = format!("GET {hidden} HTTP/1.1\r\nHost: x\r\n\r\n");
    let size = format!("{:x}", smuggled.len());
    let chunked = format!("{size}\r\n{smuggled}\r\n0\r\n\r\n");
    for fields in [
        "Transfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: gzip, chunked\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding: \x0bchunked\r\n".to_owned(),
        "Transfer-Encoding:\r\n".to_owned(),
        format!(
            "Transfer-Encoding: chunked\r\nContent-Length: {}\r\n",
            chunked.len()
        ),
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n".to_owned(),
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".to_owned(),
    ] {
        for (method, path) in [
            ("POST", &page),
            ("POST", &pixel),
            ("GET", &pixel),
            ("HEAD", &pixel),
        ] {
            let request = head(method, path, &fields) + &chunked;
            siege.refuses(&format!("{method} with {fields:?}"), request, &[400, 405]);
        }
    }
    // A proxy may pass a form on in chunks, and nobody else anything.
    for fields in ["Transfer-Encoding: chunked\r\n", "transfer-encoding:Chunked\r\n"] {
        for (method, path) in [
            ("POST", &pixel),
            ("GET", &pixel),
            ("HEAD", &pixel),
            ("GET", &page),
        ] {
            let request = head(method, path, fields) + &chunked;
            siege.refuses(&format!("{method} with {fields:?}"), request, &[400, 405]);
        }
        let request = head("POST", &page, fields) + &chunked + &smuggled;
        let [direct, proxied] = siege.exchange(&request);
        assert_eq!(direct.statuses(), [400], "{:?}", direct.text());
        assert_eq!(proxied.statuses(), [200], "{:?}", proxied.text());
        assert!(
            direct.closed && proxied.closed,
            "what follows the chunks is not read"
        );
    }
    siege.ends();
}

#[test]
fn what_follows_a_form_is_no_part_of_it() {
    let mut siege = Siege::begin();
    let (page, hidden) = (siege.page(), siege.pixel());
    let smuggled = format!("GET {hidden} HTTP/1.1\r\nHost: x\r\n\r\n");
    // Zero bytes are announced, and more are sent: at the direct entrance they are never read as a request.
    let request = head("POST", &page, "Content-Length: 0\r\n") + &smuggled;
    let heard = exchange(&siege.serving.direct, request, WAIT);
    assert_eq!(
        heard.statuses(),
        [200],
        "one connection, one request, one answer: {:?}",
        heard.text()
    );
    assert!(heard.closed, "and then it ends");
    siege.ends();
}
