//! What is stored of a hit, what is only counted, and what readers get to see: always the same.

use super::*;

#[test]
fn every_token_gets_the_same_bytes_and_headers() {
    let desk = desk();
    let (valid, refused, late) = (desk.mail(1), desk.mail(2), desk.mail(3));
    desk.write(|conn| Ok(conn.execute("UPDATE message SET opted_out_at = 1 WHERE contact_id = 2", [])?));
    let unknown = Mail {
        id: 0,
        pixel: Token::generate(&SeededEntropy::new(9)),
        page: Token::generate(&SeededEntropy::new(9)),
    };
    let before = desk.number("SELECT n FROM counter WHERE name = 'transaction'");
    let mut answers = vec![
        desk.look(&valid, THUNDERBIRD, ""),
        desk.look(&refused, THUNDERBIRD, ""),
        desk.look(&unknown, THUNDERBIRD, ""),
        desk.look(&valid, THUNDERBIRD, "DNT: 1\r\n"),
        desk.look(&valid, "", ""),
    ];
    desk.bench.clock.advance(TimeDelta::days(60));
    answers.push(desk.look(&late, THUNDERBIRD, ""));
    for answer in &answers {
        assert_eq!(
            answer.head,
            [
                "HTTP/1.1 200 OK",
                "Content-Length: 43",
                "Content-Type: image/gif",
                "Cache-Control: no-store, no-cache, must-revalidate, private, max-age=0",
                "Pragma: no-cache",
                "Expires: 0",
                "X-Content-Type-Options: nosniff",
                "Referrer-Policy: no-referrer",
                "Cross-Origin-Resource-Policy: cross-origin",
                "X-Robots-Tag: noindex",
                "Connection: close",
            ]
        );
        assert_eq!(answer.body, GIF);
    }
    assert_eq!(
        desk.number("SELECT n FROM counter WHERE name = 'transaction'") - before,
        6,
        "each waited for a commit"
    );
    assert_eq!(
        desk.number("SELECT n FROM counter WHERE name = 'unknown_token'"),
        1
    );
}

#[test]
fn head_has_the_headers_and_no_body_and_is_no_look() {
    let desk = desk();
    let mail = desk.mail(1);
    let answer = send(
        &desk.proxied,
        &format!(
            "HEAD /o/{}.gif HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            mail.pixel
        ),
    );
    assert_eq!(answer.status, 200);
    assert!(
        answer.head.contains(&"Content-Length: 43".to_owned()),
        "{:?}",
        answer.head
    );
    assert!(answer.body.is_empty());
    assert_eq!(desk.texts("SELECT signal FROM message"), ["machine_only"]);
}

#[test]
fn requests_not_to_be_recorded_leave_only_a_number() {
    let desk = desk();
    let mail = desk.mail(1);
    let table = [
        ("DNT: 1\r\n", false),
        ("DNT:  1 \r\n", false),
        ("dnt: 1\r\n", false),
        ("sEc-GpC: 1\r\n", false),
        ("DNT: 0\r\nDNT: 1\r\n", false),
        ("Sec-GPC: 0, 1\r\n", false),
        ("DNT: 0\r\n", true),
        ("DNT: null\r\n", true),
        ("Sec-GPC: yes\r\n", true),
        ("", true),
    ];
    let (mut stored, mut kept_out) = (0, 0);
    for (fields, is_recorded) in table {
        assert_eq!(desk.look(&mail, THUNDERBIRD, fields).status, 200);
        if is_recorded {
            stored += 1;
        } else {
            kept_out += 1;
        }
        assert_eq!(desk.number(HITS), stored, "{fields:?}");
        assert_eq!(
            desk.number(
                "SELECT coalesce(sum(n), 0) FROM campaign_counter WHERE name = 'not_recorded_at_request'"
            ),
            kept_out,
            "{fields:?}"
        );
    }
}

#[test]
fn opens_count_from_the_first_instant_of_the_window_to_before_its_end() {
    let desk = desk();
    let mail = desk.mail(1);
    let from: Instant = "2026-04-01T08:00:00Z".parse().unwrap();
    let until: Instant = "2026-05-01T08:00:00Z".parse().unwrap();
    let moment = TimeDelta::milliseconds(1);
    for (at, wanted) in [
        (from - moment, [1, 0, 0]),
        (from, [1, 1, 0]),
        (until - moment, [1, 2, 0]),
        (until, [1, 2, 1]),
    ] {
        desk.bench.clock.set(at);
        desk.look(&mail, THUNDERBIRD, "");
        let counts =
            ["SELECT early FROM message", HITS, "SELECT late FROM message"].map(|sql| desk.number(sql));
        assert_eq!(counts, wanted, "at {at}");
    }
    assert_eq!(
        desk.number("SELECT sum(n) FROM hourly WHERE class = 'outside'"),
        2
    );
    assert_eq!(
        desk.number("SELECT n FROM campaign_counter WHERE name = 'early'"),
        1
    );
    assert_eq!(
        desk.number("SELECT n FROM campaign_counter WHERE name = 'late'"),
        1
    );
    desk.verify();
}

#[test]
fn beyond_the_cap_hits_are_only_counted() {
    let desk = desk();
    let mail = desk.mail(1);
    for _ in 0..12 {
        desk.look(&mail, "curl/8.0", "");
    }
    assert_eq!(desk.number(HITS), 8, "eight by machines");
    for _ in 0..15 {
        desk.look(&mail, THUNDERBIRD, "");
    }
    assert_eq!(desk.number(HITS), 20, "twenty in all");
    assert_eq!(desk.number("SELECT over_cap FROM message"), 7);
    assert_eq!(
        desk.number("SELECT n FROM campaign_counter WHERE name = 'over_cap'"),
        7
    );
    desk.look(&mail, GMAIL, "");
    assert_eq!(desk.number(HITS), 21, "the first of each kind is always kept");
    assert_eq!(desk.number("SELECT hits FROM message"), 21);
    assert_eq!(desk.number("SELECT machine_hits FROM message"), 8);
    desk.verify();
}

#[test]
fn a_campaigns_own_cap_holds() {
    let desk = desk();
    desk.write(|conn| Ok(conn.execute("UPDATE campaign SET cap_hits = 3, cap_machine_hits = 1", [])?));
    let mail = desk.mail(1);
    for agent in ["curl/8.0", "curl/8.0", THUNDERBIRD, THUNDERBIRD, THUNDERBIRD] {
        desk.look(&mail, agent, "");
    }
    assert_eq!(desk.number(HITS), 3, "one by a machine, three in all");
    assert_eq!(
        desk.number("SELECT n FROM campaign_counter WHERE name = 'over_cap'"),
        2
    );
    desk.verify();
}

#[test]
fn hits_of_one_client_within_thirty_minutes_are_one_look() {
    let desk = desk();
    let mail = desk.mail(1);
    let wait = |minutes| desk.bench.clock.advance(TimeDelta::minutes(minutes));
    desk.look(&mail, THUNDERBIRD, "");
    wait(29);
    desk.look(&mail, THUNDERBIRD, "");
    assert_eq!(desk.number(LOOKS), 1, "29 minutes later is the same look");
    wait(30);
    desk.look(&mail, THUNDERBIRD, "");
    assert_eq!(desk.number(LOOKS), 2, "30 minutes later is a new one");
    desk.look(&mail, THUNDERBIRD, "X-Client: 203.0.113.5\r\n");
    assert_eq!(desk.number(LOOKS), 3, "another address is another client");
    for host in 1..5 {
        desk.look(
            &mail,
            "YahooMailProxy; https://senders.yahooinc.com/mail-proxy-servers",
            &format!("X-Client: 203.0.113.{host}\r\n"),
        );
    }
    assert_eq!(
        desk.number(LOOKS),
        4,
        "a service fetches from many machines for one look"
    );
    assert_eq!(desk.feed().len(), 4, "each is a line of the feed");
    assert_eq!(
        desk.number("SELECT count(*) FROM activity"),
        0,
        "and is written once, as a hit"
    );
    assert_eq!(
        desk.number("SELECT sum(n) FROM hourly WHERE class = 'first_open'"),
        1
    );
    assert_eq!(
        desk.number("SELECT sum(n) FROM hourly WHERE class LIKE 'human%'"),
        4
    );
}

#[test]
fn a_prefetch_and_then_the_proxy_are_one_open() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.bench.clock.set("2026-04-01T08:00:25Z".parse().unwrap());
    desk.look(&mail, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0", "");
    assert_eq!(desk.texts("SELECT signal FROM message"), ["machine_only"]);
    desk.bench.clock.advance(TimeDelta::seconds(5));
    desk.look(&mail, GMAIL, "");
    assert_eq!(desk.texts("SELECT signal FROM message"), ["human"]);
    assert_eq!(
        desk.number("SELECT first_open_at FROM message"),
        1_775_030_430_000
    );
    assert_eq!(
        desk.feed(),
        [
            "Ana Li looked, through Gmail's image proxy",
            "Gmail fetched the picture in Ana Li's mail in advance"
        ]
    );
    desk.look(&mail, "Mozilla/5.0", "");
    assert_eq!(
        desk.texts("SELECT signal FROM message"),
        ["human"],
        "a machine takes nothing away"
    );
    assert!(desk.number("SELECT mpp_seen_at FROM contact") > 0);
    desk.verify();
}

#[test]
fn only_a_prefix_of_the_readers_address_is_on_disk() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.look(&mail, THUNDERBIRD, "X-Client: 10.0.0.1, 198.51.100.234\r\n");
    assert_eq!(
        desk.texts("SELECT network FROM hit"),
        ["198.51.100.0/24"],
        "the last entry is the proxy's own"
    );
    desk.look(&mail, THUNDERBIRD, "X-Client: unknown\r\n");
    assert_eq!(desk.texts("SELECT network FROM hit ORDER BY id")[1], "");
    let Desk { bench, .. } = desk;
    bench.engine.shutdown();
    let folder = bench.dir.path().join("workspace");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(
                !bytes.windows(14).any(|part| part == b"198.51.100.234"),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn the_senders_own_looks_are_kept_out() {
    let desk = desk();
    let (mail, own) = (desk.mail(1), desk.mail(2));
    desk.write(|conn| {
        Ok(conn.execute(
            "UPDATE message SET email = 'news@EXAMPLE.org' WHERE contact_id = 2",
            [],
        )?)
    });
    desk.look(&own, THUNDERBIRD, "");
    let request = format!(
        "GET /o/{}.gif HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Client: 198.51.100.7\r\n\r\n",
        mail.pixel
    );
    assert_eq!(send(&desk.direct, &request).body, GIF);
    assert_eq!(
        desk.number(HITS),
        0,
        "neither a mail to oneself nor a look from this computer"
    );
    assert_eq!(desk.number("SELECT n FROM counter WHERE name = 'own'"), 2);
}

#[test]
fn a_look_proves_that_an_uncertain_mail_arrived() {
    let desk = desk();
    let (looked, wished) = (desk.mail(1), desk.mail(2));
    desk.write(|conn| {
        Ok(conn.execute(
            "UPDATE message SET state = 'uncertain', accepted_at = NULL, handing_over_at = 1775030399000",
            [],
        )?)
    });
    desk.look(&looked, THUNDERBIRD, "");
    desk.look(&wished, THUNDERBIRD, "DNT: 1\r\n");
    assert_eq!(
        desk.texts("SELECT state FROM message ORDER BY id"),
        ["accepted", "uncertain"],
        "not even that is noted against a wish"
    );
    assert_eq!(
        desk.number("SELECT accepted_at FROM message WHERE contact_id = 1"),
        1_775_030_399_000
    );
    assert_eq!(desk.texts("SELECT kind FROM message_event"), ["accepted"]);
}

#[test]
fn a_shared_pixel_keeps_an_hour_and_a_class() {
    let desk = desk();
    let token =
        Token::from_bytes(b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff").unwrap();
    let mail = Mail {
        id: 0,
        pixel: token,
        page: token,
    };
    for (user_agent, fields) in [
        (GMAIL, ""),
        (GMAIL, ""),
        ("Mozilla/5.0", ""),
        (GMAIL, "DNT: 1\r\n"),
    ] {
        assert_eq!(desk.look(&mail, user_agent, fields).body, GIF);
    }
    assert_eq!(
        desk.texts("SELECT class || ' ' || n FROM hourly ORDER BY class"),
        ["shared:human_proxy 2", "shared:machine_prefetch 1"]
    );
    assert_eq!(desk.number("SELECT hour FROM hourly LIMIT 1"), 1_775_030_400_000);
    assert_eq!(
        (desk.number(HITS), desk.feed()),
        (0, Vec::new()),
        "no hit, and so no line of the feed"
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM campaign_counter"),
        0,
        "no part of any rate"
    );
}

#[test]
fn an_open_is_announced_after_its_commit() {
    let desk = desk();
    let mail = desk.mail(1);
    let events = desk.bench.engine.subscribe();
    desk.look(&mail, THUNDERBIRD, "");
    let event = events.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(
        event,
        Event::Changed {
            tags: vec![Tag::Opens, Tag::Activity]
        }
    );
}
