//! What a head may say, and what may not go on of it.

use super::*;
use crate::ids::SeededEntropy;
use crate::tracking::token::Token;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

fn at(door: &Door, bytes: &[u8]) -> Result<Parsed, Refusal> {
    parse(bytes, PEER, door, |_, _| Ours::No)
}

fn whole(bytes: &[u8]) -> Head {
    match at(&Door::Direct, bytes) {
        Ok(Parsed::Whole(head)) => head,
        other => panic!("{}: {other:?}", String::from_utf8_lossy(bytes)),
    }
}

fn pixel() -> String {
    format!("/o/{}.gif", Token::generate(&SeededEntropy::new(1)))
}

fn page() -> String {
    format!("/u/{}", Token::generate(&SeededEntropy::new(1)))
}

#[test]
fn a_head_is_whole_at_its_empty_line_and_not_before() {
    let text = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", pixel());
    for end in 0..text.len() {
        assert_eq!(
            at(&Door::Direct, &text.as_bytes()[..end]),
            Ok(Parsed::Partial),
            "{end} bytes"
        );
    }
    let head = whole(text.as_bytes());
    assert_eq!(
        (head.length, head.body, head.keep_alive),
        (text.len(), Body::Length(0), true)
    );
}

#[test]
fn mail_clients_that_are_a_little_off_are_served() {
    let pixel = pixel();
    for text in [
        format!("GET {pixel} HTTP/1.0\r\n\r\n"),
        format!("GET {pixel} HTTP/1.1\nHost: x\n\n"),
        format!("\r\n\r\nGET {pixel} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET {pixel}?utm=1#x HTTP/1.1\r\nUser-Agent: Postb\u{f6}te \u{1f4ec}\r\n\r\n"),
        format!("HEAD {pixel} HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
    ] {
        assert_eq!(whole(text.as_bytes()).path, pixel, "{text:?}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let (pixel, page) = (pixel(), page());
    let line = format!("GET {pixel} HTTP/1.1\r\n");
    let post = format!("POST {page} HTTP/1.1\r\n");
    for (text, refusal) in [
        (
            format!("{line}Content-Length: 100000000000\r\n\r\n"),
            Refusal::LargeBody,
        ),
        (
            format!("{line}Content-Length: 18446744073709551615\r\n\r\n"),
            Refusal::LargeBody,
        ),
        (
            format!("{line}Content-Length: 99999999999999999999999\r\n\r\n"),
            Refusal::LargeBody,
        ),
        (format!("{line}Content-Length: -1\r\n\r\n"), Refusal::Malformed),
        (format!("{line}Content-Length: +5\r\n\r\n"), Refusal::Malformed),
        (format!("{line}Content-Length: 0x5\r\n\r\n"), Refusal::Malformed),
        (format!("{line}Content-Length:\r\n\r\n"), Refusal::Malformed),
        (format!("{post}Content-Length: 4097\r\n\r\n"), Refusal::LargeBody),
        (
            format!("{post}Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
            Refusal::Malformed,
        ),
        (
            format!("{post}Transfer-Encoding: chunked\r\n\r\n"),
            Refusal::Coding,
        ),
        (
            format!("{post}Content-Length: 5\r\ntransfer-encoding: identity\r\n\r\n"),
            Refusal::Coding,
        ),
        (format!("{line}X: a\0b\r\n\r\n"), Refusal::Malformed),
        (format!("{line}X: a\x7fb\r\n\r\n"), Refusal::Malformed),
        (format!("{line}X: a\r\n folded\r\n\r\n"), Refusal::Malformed),
        (format!("{line}X : a\r\n\r\n"), Refusal::Malformed),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), Refusal::Version),
        (format!("GET {pixel} HTTP/3.0\r\n\r\n"), Refusal::Version),
        (format!("GET {pixel} HTTP/0.9\r\n\r\n"), Refusal::Version),
        (format!("GET {pixel}\r\n\r\n"), Refusal::Malformed),
        (
            format!("GET http://x{pixel} HTTP/1.1\r\n\r\n"),
            Refusal::Malformed,
        ),
        ("OPTIONS * HTTP/1.1\r\n\r\n".into(), Refusal::Malformed),
        (format!("GET /{pixel} HTTP/1.1\r\n\r\n"), Refusal::Unknown),
        ("GET /o/../etc HTTP/1.1\r\n\r\n".into(), Refusal::Unknown),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(600)),
            Refusal::Unknown,
        ),
        (
            format!("POST {pixel} HTTP/1.1\r\n\r\n"),
            Refusal::Method("GET, HEAD"),
        ),
        (
            format!("DELETE {page} HTTP/1.1\r\n\r\n"),
            Refusal::Method("GET, HEAD, POST"),
        ),
    ] {
        assert_eq!(at(&Door::Direct, text.as_bytes()), Err(refusal), "{text:?}");
    }
}

#[test]
fn a_proxy_may_post_in_chunks_and_nobody_else() {
    let text = format!("POST {} HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", page());
    let proxy = Door::BehindProxy { client_header: None };
    assert_eq!(at(&Door::Direct, text.as_bytes()), Err(Refusal::Coding));
    assert!(matches!(at(&proxy, text.as_bytes()), Ok(Parsed::Whole(head)) if head.body == Body::Chunked));
    for (line, extra) in [
        (format!("GET {}", pixel()), "Transfer-Encoding: chunked"),
        (format!("POST {}", page()), "Transfer-Encoding: gzip, chunked"),
        (
            format!("POST {}", page()),
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        ),
        (
            format!("POST {}", page()),
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
        ),
        (format!("POST {}", page()), "Transfer-Encoding: xchunked"),
    ] {
        let text = format!("{line} HTTP/1.1\r\n{extra}\r\n\r\n");
        assert_eq!(at(&proxy, text.as_bytes()), Err(Refusal::Coding), "{text:?}");
    }
}

#[test]
fn chunks_are_put_together_and_nothing_else_is() {
    let text = b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\nGET /";
    for end in 0..text.len() - 5 {
        assert_eq!(dechunk(&text[..end]), Ok(None), "{end} bytes");
    }
    assert_eq!(dechunk(text), Ok(Some((b"abcde".to_vec(), text.len() - 5))));
    for (bytes, refusal) in [
        (&b"zz\r\n"[..], Refusal::Malformed),
        (b"-1\r\n", Refusal::Malformed),
        (b"3\r\nabcde", Refusal::Malformed),
        (b"\r\n\r\n", Refusal::Malformed),
        (b";x\r\n\r\n", Refusal::Malformed),
        (b" \r\n\r\n", Refusal::Malformed),
        (b"1;x\n\r\na\r\n0\r\n\r\n", Refusal::Malformed),
        (b"1001\r\n", Refusal::LargeBody),
        (b"ffffffffffffffff\r\n", Refusal::LargeBody),
        (b"fffffffffffffffff\r\n", Refusal::Malformed),
    ] {
        assert_eq!(dechunk(bytes), Err(refusal), "{bytes:?}");
    }
    assert_eq!(
        dechunk(b"1\r\na\r\n".repeat(MAX_BODY + 1).as_slice()),
        Err(Refusal::LargeBody),
        "many small ones are large together"
    );
    for (long, refusal) in [
        (
            format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(MAX_BODY)),
            Refusal::LargeBody,
        ),
        (
            format!("0\r\na: {}\r\n\r\n", "x".repeat(MAX_BODY)),
            Refusal::Malformed,
        ),
    ] {
        assert_eq!(
            dechunk(long.as_bytes()),
            Err(refusal),
            "however much of it came at once"
        );
    }
}

#[test]
fn heads_have_limits() {
    let line = format!("GET {} HTTP/1.1\r\n", pixel());
    let many = format!("{line}{}\r\n", "a: b\r\n".repeat(MAX_FIELDS + 1));
    assert_eq!(at(&Door::Direct, many.as_bytes()), Err(Refusal::LargeHead));
    let just = format!("{line}{}\r\n", "a: b\r\n".repeat(MAX_FIELDS));
    assert!(matches!(at(&Door::Direct, just.as_bytes()), Ok(Parsed::Whole(_))));
    let long = format!("{line}a: {}", "b".repeat(MAX_HEAD));
    assert_eq!(at(&Door::Direct, long.as_bytes()), Err(Refusal::LargeHead));
}

#[test]
fn a_proxys_address_is_read_in_every_spelling() {
    for (text, wanted) in [
        ("203.0.113.9", Some("203.0.113.9")),
        (" 203.0.113.9 ", Some("203.0.113.9")),
        ("203.0.113.9:51000", Some("203.0.113.9")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("[2001:db8::1]", Some("2001:db8::1")),
        ("[2001:db8::1]:443", Some("2001:db8::1")),
        ("::ffff:203.0.113.9", Some("203.0.113.9")),
        ("unknown", None),
        ("", None),
        ("_hidden", None),
    ] {
        assert_eq!(
            parse_source(text),
            wanted.map(|ip| ip.parse().unwrap()),
            "{text:?}"
        );
    }
}

#[test]
fn a_header_is_believed_at_the_proxys_door_only() {
    let text = format!(
        "GET {} HTTP/1.1\r\nX-Client: 198.51.100.1\r\nX-Client: 198.51.100.2, 198.51.100.3\r\n\r\n",
        pixel()
    );
    let source = |door: &Door| match at(door, text.as_bytes()) {
        Ok(Parsed::Whole(head)) => head.source,
        other => panic!("{other:?}"),
    };
    let named = |name: Option<&str>| Door::BehindProxy {
        client_header: name.map(str::to_owned),
    };
    assert_eq!(source(&Door::Direct), Some(PEER), "the peer, whatever it says");
    assert_eq!(
        source(&named(Some("x-client"))),
        Some("198.51.100.3".parse().unwrap()),
        "the entry that the proxy added"
    );
    assert_eq!(source(&named(Some("X-Other"))), None);
    assert_eq!(source(&named(None)), None);
}

#[test]
fn what_goes_on_is_ascii_and_says_nothing_that_the_client_made_up() {
    let text = format!(
        "POST {}?x=1 HTTP/1.1\r\nHost: evil\r\nX-Gate: mine pg 1.2.3.4\r\n\
         User-Agent: Bl\u{fc}te\tNine {}\r\nDNT: 1\r\nCookie: a=b\r\nContent-Type: text/plain\r\n\
         Content-Length: 3\r\n\r\nabc",
        page(),
        "x".repeat(600)
    );
    let head = whole(text.as_bytes());
    let body = &text.as_bytes()[head.length..];
    assert_eq!(head.body, Body::Length(3));
    let canonical = head.canonical("secret", &Door::Direct, body);
    let canonical = String::from_utf8(canonical).unwrap();
    assert!(canonical.is_ascii());
    let wanted = format!(
        "POST {} HTTP/1.1\r\nX-Gate: secret dg 203.0.113.9\r\nUser-Agent: Bl?te Nine ",
        page()
    );
    assert!(canonical.starts_with(&wanted), "{canonical}");
    assert!(canonical.ends_with("DNT: 1\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc"));
    for absent in ["evil", "mine", "1.2.3.4", "Cookie"] {
        assert!(!canonical.contains(absent), "{absent}: {canonical}");
    }
    let agent = canonical
        .lines()
        .find(|line| line.starts_with("User-Agent"))
        .unwrap();
    assert_eq!(agent.len(), "User-Agent: ".len() + MAX_HEADER);
}

#[test]
fn who_asks_crosses_to_the_inner_server_unchanged() {
    for direct in [true, false] {
        for head_only in [true, false] {
            for source in [None, Some("203.0.113.9"), Some("2001:db8::1")] {
                let asker = Asker {
                    direct,
                    head_only,
                    source: source.map(|text| text.parse().unwrap()),
                };
                assert_eq!(asker.to_string().parse(), Ok(asker));
            }
        }
    }
    for text in ["", "x", "dg ", "dg nobody", "dgh", "gd 1.2.3.4"] {
        assert_eq!(text.parse::<Asker>(), Err(()), "{text:?}");
    }
}
