//! The entrances: what they refuse, what they survive, and how they stop.

use super::*;

#[test]
fn what_cannot_be_stored_is_not_acknowledged() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.bench.engine.db.close();
    let answer = desk.look(&mail, THUNDERBIRD, "");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body, GIF, "the mail looks as it should");
    assert!(
        answer
            .head
            .iter()
            .any(|line| line.starts_with("Cache-Control: no-store"))
    );
    assert_eq!(desk.post(&mail.page, FORM, "action=unsubscribe").status, 503);
    assert_eq!(
        desk.post(&mail.page, FORM, "List-Unsubscribe=One-Click").status,
        503
    );
    assert!(
        status(&desk.bench.engine).unwrap().last_error.is_some(),
        "and the window says so"
    );
}

#[test]
fn what_readers_send_while_the_database_is_locked_is_kept_and_done_later() {
    let desk = desk();
    let (mail, other) = (desk.mail(1), desk.mail(2));
    let held = store::db::testing::lock(desk.bench.engine.db.path());
    assert_eq!(desk.look(&mail, THUNDERBIRD, "").status, 200, "it is on disk");
    assert_eq!(desk.look(&other, THUNDERBIRD, "").status, 200);
    let page = desk.get(&format!("/u/{}", mail.page), "");
    assert!(
        page.text().contains("r…@example.net"),
        "the page can be read: {}",
        page.text()
    );
    let said = desk.post(&mail.page, FORM, "action=unsubscribe");
    assert_eq!(said.status, 200);
    assert!(
        said.text().contains("Your choice was received."),
        "{}",
        said.text()
    );
    let stopped = desk.post(&other.page, FORM, "action=stop_tracking");
    assert_eq!(stopped.status, 200);
    assert_eq!(desk.number(HITS), 0, "nothing could be written");
    let waiting = status(&desk.bench.engine).unwrap().spooled;
    assert_eq!(waiting, 4, "the window can say what waits");
    let at_rest = super::super::at_rest(&desk.bench.engine);
    assert_eq!(at_rest.spooled, 4, "a listener that is off hides nothing");
    assert!(at_rest.last_error.is_some(), "nor why it waits");
    let spool = std::fs::read(desk.bench.engine.db.path().with_file_name("spool")).unwrap();
    assert!(
        !spool.windows(12).any(|window| window == b"198.51.100.7"),
        "the spool holds no reader's address either"
    );
    drop(held);
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while status(&desk.bench.engine).unwrap().spooled > 0 {
        assert!(std::time::Instant::now() < end, "what was kept should be applied");
        std::thread::yield_now();
    }
    assert_eq!(desk.number("SELECT count(*) FROM suppression"), 1);
    assert_eq!(desk.number("SELECT sum(hits) FROM message"), 2);
    assert_eq!(
        desk.number("SELECT count(*) FROM message WHERE opted_out_at IS NOT NULL"),
        1
    );
    desk.verify();
}

#[test]
fn every_acknowledged_hit_is_a_row() {
    let desk = desk();
    let mails: Vec<Mail> = (1..=64).map(|n| desk.mail(n)).collect();
    // Each reader from a place of their own: one place may not ask so often.
    let from = |mail: &Mail| format!("{HEADER}: 198.51.100.{}\r\n", mail.id);
    let acknowledged: usize = std::thread::scope(|scope| {
        let desk = &desk;
        let threads: Vec<_> = mails
            .iter()
            .map(|mail| {
                scope.spawn(move || {
                    (0..5)
                        .filter(|_| desk.look(mail, THUNDERBIRD, &from(mail)).status == 200)
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(acknowledged, 320, "nobody is turned away");
    assert_eq!(desk.number(HITS), 320);
    assert_eq!(desk.number("SELECT sum(hits) FROM message"), 320);
    assert_eq!(desk.number(LOOKS), 64);
    desk.verify();
    assert_eq!(status(&desk.bench.engine).unwrap().hits_per_minute, 320);
}

#[test]
fn every_address_that_mails_ever_named_is_served_whatever_is_set_now() {
    let desk = desk();
    let engine = &desk.bench.engine;
    let set = |url: Option<&str>| {
        let url = url.map(str::to_owned);
        crate::app::reach::address_set(engine, crate::api::AddressSet { url, local: false }).unwrap();
    };
    set(Some("https://old.harbour-club.eu"));
    let mails: Vec<Mail> = (1..=3).map(|n| desk.mail(n)).collect();
    let asked = |mail: &Mail, host: &str| {
        send(
            &desk.proxied,
            &format!(
                "GET /o/{}.gif HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {THUNDERBIRD}\r\nX-Client: 198.51.100.7\r\n\
                 Connection: close\r\n\r\n",
                mail.pixel
            ),
        )
    };
    assert_eq!(asked(&mails[0], "old.harbour-club.eu").status, 200);
    set(Some("https://new.harbour-club.eu"));
    assert_eq!(asked(&mails[1], "old.harbour-club.eu").status, 200);
    // None from now on: what was sent before is measured all the same, and can be left.
    set(None);
    assert_eq!(asked(&mails[2], "old.harbour-club.eu").status, 200);
    assert_eq!(desk.number(HITS), 3);
    assert_eq!(
        desk.post(&mails[2].page, FORM, "List-Unsubscribe=One-Click")
            .status,
        200
    );
    assert_eq!(desk.number("SELECT count(*) FROM suppression"), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let desk = desk();
    let mail = desk.mail(1);
    let pixel = format!(
        "GET /o/{}.gif HTTP/1.1\r\nHost: x\r\nX-Client: 198.51.100.7\r\n\r\n",
        mail.pixel
    );
    let last = "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut stream = connect(&desk.proxied);
    stream
        .write_all(format!("{}{last}", pixel.repeat(40)).as_bytes())
        .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 40);
    assert!(
        text.trim_end().ends_with("There is nothing here."),
        "the last answer is the last"
    );
}

#[test]
fn unwanted_bodies_are_refused_and_hurt_nobody() {
    let desk = desk();
    let mail = desk.mail(1);
    let pixel = format!("/o/{}.gif", mail.pixel);
    let page = format!("/u/{}", mail.page);
    let begins = |request: String, wanted: &str| {
        let mut stream = connect(&desk.proxied);
        stream.write_all(request.as_bytes()).unwrap();
        let mut start = vec![0; wanted.len()];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(String::from_utf8_lossy(&start), wanted, "{request:?}");
    };
    for length in ["5", "3000", "100000000000"] {
        let body = if length == "5" { "hello" } else { "" };
        begins(
            format!("GET {pixel} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"),
            "HTTP/1.1 413",
        );
    }
    begins(
        format!("GET {pixel} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
        "HTTP/1.1 400",
    );
    for length in ["4097", "1000000", "9223372036854775807"] {
        begins(
            format!("POST {page} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"),
            "HTTP/1.1 413",
        );
    }
    let long = "0".repeat(5000);
    begins(
        format!(
            "POST {page} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n{long}\r\n0\r\n\r\n"
        ),
        "HTTP/1.1 413",
    );
    begins(
        format!(
            "POST {page} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\nList-Unsubscribe=One-Click\r\n0\r\n\r\n"
        ),
        "HTTP/1.1 200",
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM suppression"),
        1,
        "a small body in chunks is understood"
    );
    assert_eq!(
        desk.look(&mail, THUNDERBIRD, "").status,
        200,
        "readers are answered all the while"
    );
}

#[test]
fn a_slow_poster_holds_nobody_up() {
    let desk = desk();
    let mail = desk.mail(1);
    let mut slow = connect(&desk.proxied);
    slow.write_all(
        format!(
            "POST /u/{} HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\naction=",
            mail.page
        )
        .as_bytes(),
    )
    .unwrap();
    assert_eq!(desk.look(&mail, THUNDERBIRD, "").status, 200);
    slow.write_all(format!("unsubscribe&x={}", "y".repeat(1979)).as_bytes())
        .unwrap();
    let mut start = [0; 12];
    slow.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    assert_eq!(desk.number("SELECT count(*) FROM suppression"), 1);
}

#[test]
fn other_addresses_tell_nothing() {
    let desk = desk();
    assert_eq!(desk.get("/healthz", "").text(), "ok\n");
    assert_eq!(desk.get("/robots.txt", "").text(), "User-agent: *\nDisallow: /\n");
    for path in ["/", "/o/", "/o/abc.gif", "/u/abc", "/../etc/passwd"] {
        assert_eq!(desk.get(path, "").status, 404, "{path}");
    }
    let mail = desk.mail(1);
    let answer = send(
        &desk.proxied,
        &format!(
            "PUT /o/{}.gif HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            mail.pixel
        ),
    );
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains(&"Allow: GET, HEAD".to_owned()));
}

#[test]
fn a_port_in_use_is_named() {
    let desk = desk();
    let other = bench();
    let error = start(
        &other.engine,
        ListenerStart {
            bind: Some(desk.direct.clone()),
            behind_proxy: None,
            client_header: None,
        },
    )
    .unwrap_err();
    let port = desk.direct.rsplit(':').next().unwrap();
    assert_eq!(
        (error.code, error.field.as_deref()),
        (Code::Conflict, Some("bind"))
    );
    assert!(
        error.message.contains(port) && error.message.contains("choose another port"),
        "{}",
        error.message
    );
    assert!(status(&other.engine).is_none());
}

#[test]
fn what_may_not_be_bound_is_refused_with_its_reason() {
    let bench = bench();
    for (bind, behind_proxy, header, field) in [
        (None, Some("0.0.0.0:0"), Some("X-Client"), "behind_proxy"),
        (Some("nonsense"), None, None, "bind"),
        (None, Some("192.168.1.4:80"), None, "behind_proxy"),
        (None, Some("127.0.0.1:0"), Some("X Bad\r\n"), "client_header"),
        (Some("127.0.0.1:0"), None, Some("X-Client"), "client_header"),
    ] {
        let request = ListenerStart {
            bind: bind.map(str::to_owned),
            behind_proxy: behind_proxy.map(str::to_owned),
            client_header: header.map(str::to_owned),
        };
        let error = start(&bench.engine, request).unwrap_err();
        assert_eq!(
            (error.code, error.field.as_deref()),
            (Code::Invalid, Some(field)),
            "{}",
            error.message
        );
    }
}

#[test]
fn a_stopped_listener_gives_its_port_back_and_can_start_there_again() {
    let desk = desk();
    let engine = &desk.bench.engine;
    let again = asked(&desk.direct, &desk.proxied);
    start(engine, nothing_asked()).unwrap();
    assert_eq!(
        start(engine, again.clone()).unwrap_err().code,
        Code::Conflict,
        "it runs already"
    );
    desk.bench.clock.advance(TimeDelta::hours(1));
    stop(engine);
    assert!(status(engine).is_none());
    assert!(
        TcpStream::connect(&desk.direct).is_err(),
        "nobody answers any more"
    );
    for _ in 0..3 {
        start(engine, again.clone()).unwrap();
        assert_eq!(desk.get("/healthz", "").status, 200);
        stop(engine);
    }
    assert_eq!(
        desk.number("SELECT ended_at - started_at FROM uptime ORDER BY id LIMIT 1"),
        3_600_000
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM uptime WHERE ended_at IS NULL"),
        0
    );
}
