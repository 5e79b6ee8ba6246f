//! The whole loop through real mail servers: import, send by STARTTLS and login, read by IMAP, look, opt out,
//! unsubscribe, report, and mail again.
//!
//! More than 600 lines, because it is one story in one order.

use crate::harness::ctl::{Ctl, Serving};
use crate::harness::mail_servers::{MailServers, PASSWORD};
use crate::harness::mime::{self, Mail};
use crate::harness::{http, readers, skip, until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const SENDER: &str = "news@harbour.test";
const POSTAL: &str = "Harbour Club, 3 Quay Street, Exampleton";
/// The 43 bytes of the one pixel, byte for byte.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00\x21\xf9\x04\x01\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

struct Person {
    email: String,
    first: &'static str,
    town: String,
}

/// Fifty people: names of several scripts, two without a first name, a comma and a quote in the towns.
fn people() -> Vec<Person> {
    let first = [
        "Ana",
        "Jörg",
        "",
        "Νίκος",
        "Zoë",
        "Łukasz",
        "Mary Jane",
        "יעל",
        "O'Neil",
        "陈",
    ];
    (0..50)
        .map(|index: usize| Person {
            email: format!("reader{index:02}@{}", ["readers.test", "post.test"][index % 2]),
            first: if index < 30 { first[index % 10] } else { "Sam" },
            town: match index {
                0 => "Porto, by the sea".to_owned(),
                1 => "the \"old\" town".to_owned(),
                _ => format!("Town {index}"),
            },
        })
        .collect()
}

fn csv(people: &[Person]) -> String {
    let mut csv = String::from("Email,First name,Last name,Town\r\n");
    for person in people {
        let town = person.town.replace('"', "\"\"");
        csv.push_str(&format!(
            "{},{},Reader,\"{town}\"\r\n",
            person.email, person.first
        ));
    }
    csv
}

fn campaign(name: &str, list: &str) -> Value {
    json!({
        "name": name,
        "subject": "News for {{ first_name | fallback(\"dear reader\") }}",
        "preheader": "What the harbour plans",
        "account": "Harbour",
        "audience": { "include": [list], "exclude": [] },
        "window": { "days": 30 },
        "tracking": "individual",
        "postal_address": POSTAL,
        "markdown": "# Harbour news\n\nHello {{ first_name | fallback(\"there\") }},\n\n\
                     how is life in {{ town }}? The jetty is mended — come and see.\n\n\
                     [See the programme](https://harbour.example/programme)\n",
    })
}

/// A harbour club: two lists, an account on the test servers, and a listener.
struct Club {
    ctl: Ctl,
    people: Vec<Person>,
    servers: MailServers,
}

impl Club {
    fn set_up(servers: MailServers) -> Self {
        let people = people();
        let ctl = Ctl::new().trusting(servers.root_pem());
        let members = ctl.file("members.csv", csv(&people));
        let imported = ctl.ok([
            "import",
            members.to_str().expect("ASCII"),
            "--list",
            "Members",
            "--consent",
            "granted",
            "--consent-source",
            "membership form",
            "--consent-wording",
            "You may record when I open your mails.",
        ]);
        assert_eq!(imported["added"], 50, "all fifty come in: {imported}");
        assert_eq!(imported["rejected"], 0, "{imported}");
        let committee = ctl.file("committee.csv", csv(&people[..3]));
        let again = ctl.ok([
            "import",
            committee.to_str().expect("ASCII"),
            "--list",
            "Committee",
        ]);
        assert_eq!(again["added"], 0, "one address is one person: {again}");
        for person in &people[40..44] {
            ctl.ok([
                "contacts",
                "consent",
                &person.email,
                "refused",
                "--source",
                "by phone",
            ]);
        }
        ctl.call(
            "settings_update",
            json!({ "unknown_policy": "none", "organisation": "Harbour Club" }),
        );
        let added = servers.account(&ctl);
        assert!(!added.stdout.contains(PASSWORD), "a secret is never sent back");
        let tested = ctl.ok(["account", "test", "Harbour"]);
        assert_eq!(
            tested["ok"], true,
            "STARTTLS, certificate and login work: {tested}"
        );
        Self { ctl, people, servers }
    }

    /// Prepares, launches and sends a campaign through the running engine, and waits for its end.
    fn send(&self, campaign: &Value) -> String {
        let id = self.ctl.create(campaign).to_string();
        let preflight = self.ctl.run(["campaign", "preflight", &id]);
        assert_eq!(
            preflight.code,
            Some(0),
            "nothing is wrong with this campaign: {preflight:?}"
        );
        let mut launch = vec!["campaign", "launch", &id, "--yes"];
        // The servers are this computer's own, and so is the address: it may well be gone tomorrow.
        if let Some(host) = preflight.json["confirm_host"].as_str() {
            launch.extend(["--confirm-host", host]);
        }
        self.ctl.ok(launch);
        self.ctl.ok(["send", "--campaign", &id]);
        id
    }

    fn counts(&self, id: &str) -> BTreeMap<String, u64> {
        let shown = self.ctl.ok(["campaign", "show", id]);
        let counts: BTreeMap<String, u64> =
            serde_json::from_value(shown["counts"].clone()).expect("counts by state");
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn report(&self, id: &str) -> Value {
        self.ctl.ok(["report", id])
    }

    fn mail_of(&self, index: usize, count: usize) -> Vec<u8> {
        let mut mails = self.servers.wait_for_mails(&self.people[index].email, count);
        mails.pop().expect("there is one")
    }
}

/// One load of a picture, as the proxy in front of the listener passes it on.
fn fetch(serving: &Serving, pixel: &str, agent: &str, address: &str, more: &[(&str, &str)]) {
    let (host, path) = http::split_url(pixel);
    let mut headers = vec![("Host", host), (readers::CLIENT_HEADER, address)];
    if !agent.is_empty() {
        headers.push(("User-Agent", agent));
    }
    headers.extend_from_slice(more);
    let answer = http::request(&serving.proxied, "GET", path, &headers, b"");
    assert_eq!(answer.status, 200, "every pixel is answered: {answer:?}");
    assert_eq!(answer.body, GIF, "every answer is the same GIF");
    let cache = answer.header("cache-control").expect("it says how to keep it");
    assert!(
        cache.contains("no-store"),
        "a kept pixel would hide later looks: {cache}"
    );
}

#[test]
fn fifty_mails_go_through_real_servers_and_the_report_says_exactly_what_readers_did() {
    let people = people();
    let mut users: Vec<&str> = people.iter().map(|person| person.email.as_str()).collect();
    users.push(SENDER);
    let servers = match MailServers::start(&users) {
        Ok(servers) => servers,
        Err(why) => return skip("real_mail", &why),
    };
    let club = Club::set_up(servers);
    let serving = club.ctl.serve("serve");
    let base = format!("http://{}", serving.direct);
    club.ctl.ok(["address", "set", &base, "--local"]);

    let first = club.send(&campaign("Autumn", "Members"));
    let sent = Instant::now();
    assert_eq!(
        club.counts(&first),
        [("accepted".to_owned(), 50)].into(),
        "Postfix took every mail"
    );
    let mails: Vec<Mail> = (0..50)
        .map(|index| check_mail(&club, index, &club.mail_of(index, 1), &base))
        .collect();
    no_two_mails_share_a_name(&mails);

    // A mail proxy within three seconds of the hand-over is not taken for a person; nobody reads so fast.
    until("three seconds should pass", || {
        (sent.elapsed() > Duration::from_millis(3100)).then_some(())
    });
    let pixel = |index: usize| mails[index].pixels().remove(0);
    let expected = readers_look(&serving, &pixel);
    let report = club.report(&first);
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&report[name], value, "{name} of {report:#}");
    }
    rates_are_made_of_the_parts(&report);
    the_timeline_has_the_servers_words(&club, &first, &people[0].email);

    opt_out(&club, &serving, &first, &mails[30], &people[30].email);
    unsubscribe(&club, &serving, &first, &mails[31], &people[31].email);
    let after = club.report(&first);
    assert_eq!(after["opted_out"], 1, "one person ended tracking");
    assert_eq!(after["unsubscribed"], 1, "one person unsubscribed");
    for name in [
        "accepted",
        "tracked",
        "confirmed",
        "unknown",
        "machine_only",
        "no_signal",
    ] {
        assert_eq!(
            after[name], report[name],
            "a choice made later changes no verdict: {name}"
        );
    }
    club.ctl.verify();

    second_campaign(&club);
    club.ctl.verify();
    serving.stop();
    club.ctl.verify();
    assert!(
        !club.servers.logs().contains("status=bounced"),
        "every mail that Postfix took was delivered:\n{}",
        club.servers.logs()
    );
}

/// Checks one delivered mail of the first campaign from outside, and returns it.
fn check_mail(club: &Club, index: usize, bytes: &[u8], base: &str) -> Mail {
    let person = &club.people[index];
    let refused = (40..44).contains(&index);
    assert!(bytes.is_ascii(), "what leaves is safe for seven-bit servers");
    assert!(
        bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 999),
        "RFC 5322 §2.1.1 allows 998 characters a line"
    );
    let mail = Mail::read(bytes);
    let hello = if person.first.is_empty() {
        "there"
    } else {
        person.first
    };
    let dear = if person.first.is_empty() {
        "dear reader"
    } else {
        person.first
    };
    assert_eq!(
        mail.must("Subject"),
        format!("News for {dear}"),
        "the subject is personal"
    );
    assert_eq!(mail.must("From"), "Harbour Club <news@harbour.test>");
    assert!(
        mail.must("To").contains(&person.email),
        "it goes to whom it says: {}",
        mail.must("To")
    );
    let id = mail.must("Message-ID");
    assert!(
        id.starts_with('<') && id.ends_with("@harbour.test>"),
        "a Message-ID is of the sender's domain: {id}"
    );
    mailparse::dateparse(mail.must("Date")).expect("a Date is a date");
    assert!(
        mail.must("List-Id").ends_with('>'),
        "RFC 2919: {}",
        mail.must("List-Id")
    );
    assert!(is_authenticated(bytes), "it came encrypted and after a login");

    let unsubscribe = mail.unsubscribe_addresses();
    assert!(
        unsubscribe[0].starts_with(&format!("{base}/u/")) && unsubscribe[1].starts_with("mailto:"),
        "a local route offers page and mailto: {unsubscribe:?}"
    );
    assert_eq!(unsubscribe.len(), 2, "exactly one web address (RFC 8058 §4)");
    assert_eq!(mail.must("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    for part in [&mail.text, &mail.html] {
        assert!(part.contains("Harbour news"), "both parts have the heading");
        assert!(
            part.contains("Quay Street"),
            "both parts carry the postal address"
        );
        assert!(
            part.contains(&unsubscribe[0]),
            "both parts carry the reader's link"
        );
        assert!(!part.contains("{{"), "no merge field is left");
    }
    assert!(
        mail.text.contains(&format!("Hello {hello},")),
        "the text is personal: {}",
        mail.text
    );
    assert!(
        mail.text.contains(&person.town),
        "fields of the import are there: {}",
        mail.text
    );
    assert!(!mail.text.contains("/o/"), "text carries no pixel");

    let pixels = mail.pixels();
    if refused {
        assert!(pixels.is_empty(), "who refused gets no pixel");
        assert!(!mail.html.contains("/o/"), "nor anything like one");
        return mail;
    }
    assert_eq!(pixels.len(), 1, "who agreed gets one pixel");
    assert!(
        pixels[0].starts_with(&format!("{base}/o/")),
        "of this route: {}",
        pixels[0]
    );
    assert_eq!(
        mail.pixel_token().map(|token| token.len()),
        Some(26),
        "of 26 characters"
    );
    let at = mail.html.find("/o/").expect("it is there");
    let (body, heading) = (mail.html.find("<body"), mail.html.find("Harbour news"));
    assert!(
        body < Some(at) && Some(at) < heading,
        "it stands at the start of the body"
    );
    let tag = mime::pictures(&mail.html)
        .into_iter()
        .find(|tag| tag.contains("/o/"))
        .expect("it is a picture");
    assert_eq!(
        mime::attribute(tag, "alt").as_deref(),
        Some(""),
        "it says nothing aloud: {tag}"
    );
    assert!(
        !tag.contains("display:none") && !tag.contains("loading"),
        "it is honest: {tag}"
    );
    mail
}

/// Postfix writes ESMTPSA where a mail came encrypted and after a login (RFC 3848).
fn is_authenticated(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).contains("with ESMTPSA id")
}

fn no_two_mails_share_a_name(mails: &[Mail]) {
    let ids: BTreeSet<&str> = mails.iter().map(|mail| mail.must("Message-ID")).collect();
    assert_eq!(ids.len(), 50, "every mail has a Message-ID of its own");
    let tokens: BTreeSet<String> = mails.iter().filter_map(Mail::pixel_token).collect();
    assert_eq!(tokens.len(), 46, "every tracked reader has a pixel of their own");
    let pages: BTreeSet<String> = mails
        .iter()
        .map(|mail| mail.unsubscribe_addresses().remove(0))
        .collect();
    assert_eq!(pages.len(), 50, "every reader has a page of their own");
}

/// Lets twenty readers' programs load their pixels, and returns what the report must say then.
fn readers_look(serving: &Serving, pixel: &dyn Fn(usize) -> String) -> Value {
    let address = |index: usize| format!("198.51.100.{}", index + 1);
    let look = |index: usize, agent: &str| fetch(serving, &pixel(index), agent, &address(index), &[]);
    // Eleven people: by Gmail's proxy, on iPhones, in Outlook, in Thunderbird.
    (0..5).for_each(|index| look(index, readers::GMAIL));
    (5..8).for_each(|index| look(index, readers::IPHONE));
    (8..10).for_each(|index| look(index, readers::OUTLOOK));
    look(10, readers::THUNDERBIRD);
    // One of them was prefetched before, one looks twice: each is one open.
    look(0, readers::GMAIL_PREFETCH);
    look(5, readers::IPHONE);
    // Six machines and nobody behind them.
    (11..14).for_each(|index| look(index, readers::APPLE_PRIVACY));
    (14..16).for_each(|index| look(index, readers::GMAIL_PREFETCH));
    look(16, readers::BARRACUDA);
    // One that does not say what it is.
    look(17, "");
    // Two that ask not to be recorded, in either way.
    fetch(
        serving,
        &pixel(18),
        readers::THUNDERBIRD,
        &address(18),
        &[("DNT", "1")],
    );
    fetch(
        serving,
        &pixel(19),
        readers::THUNDERBIRD,
        &address(19),
        &[("sec-gpc", " 1 ")],
    );
    // Strangers: a token of nobody, and a path that is none.
    let nobody = format!("http://{}/o/aaaaaaaaaaaaaaaaaaaaaaaaaa.gif", serving.direct);
    fetch(serving, &nobody, readers::IPHONE, "203.0.113.9", &[]);
    json!({
        "accepted": 50, "tracked": 46, "confirmed": 11, "unknown": 1, "machine_only": 6, "no_signal": 28,
        "not_tracked": { "total": 4, "refused": 4 }, "not_recorded_at_request": 2,
        "early": 0, "late": 0, "over_cap": 0, "opted_out": 0, "unsubscribed": 0,
    })
}

fn rates_are_made_of_the_parts(report: &Value) {
    let number = |name: &str| {
        report[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name} of {report}"))
    };
    let tracked = number("tracked");
    assert!(
        (number("confirmed_rate") - 11.0 / tracked).abs() < 1e-9,
        "confirmed is people by tracked"
    );
    // Eleven people, one unknown, six machines, two who asked not to be recorded.
    assert!(
        (number("upper_rate") - 20.0 / tracked).abs() < 1e-9,
        "and it could be up to these"
    );
    assert!(
        number("reachable_share") > 0.99,
        "the listener was there all the time"
    );
}

fn the_timeline_has_the_servers_words(club: &Club, id: &str, email: &str) {
    let id: i64 = id.parse().expect("an id");
    let found = club
        .ctl
        .call("report_recipients", json!({ "id": id, "search": email }));
    let row = &found["recipients"][0];
    assert_eq!(row["email"], email);
    assert_eq!(row["signal"], "human");
    let timeline = club.ctl.call("message_timeline", json!({ "id": row["message"] }));
    let entries = timeline["entries"].as_array().expect("entries");
    let kinds: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["kind"].as_str())
        .collect();
    assert_eq!(
        kinds,
        ["queued", "accepted", "hit", "hit"],
        "what happened, in order: {timeline:#}"
    );
    let reply = entries[1]["reply"].as_str().expect("a reply");
    assert!(
        reply.contains("250 2.0.0 Ok: queued as"),
        "Postfix's own words: {reply}"
    );
    assert_eq!(entries[2]["class"], "human_proxy", "{timeline:#}");
    assert_eq!(entries[3]["class"], "machine_prefetch", "{timeline:#}");
}

/// Ends tracking for one reader by the page behind the link.
fn opt_out(club: &Club, serving: &Serving, id: &str, mail: &Mail, email: &str) {
    let page = mail.unsubscribe_addresses().remove(0);
    let (host, path) = http::split_url(&page);
    let browser = [
        ("Host", host),
        (readers::CLIENT_HEADER, "198.51.100.77"),
        ("User-Agent", readers::IPHONE),
    ];
    let shown = http::request(&serving.proxied, "GET", path, &browser, b"");
    assert_eq!(shown.status, 200, "the page is there");
    assert!(
        shown.text().contains("<form method=\"post\""),
        "it has a button: {}",
        shown.text()
    );
    assert!(
        !shown.text().contains(email),
        "it does not tell a stranger the whole address"
    );
    assert_eq!(
        club.report(id)["opted_out"],
        0,
        "looking at the page does nothing"
    );

    let form = [
        &browser[..],
        &[("Content-Type", "application/x-www-form-urlencoded")],
    ]
    .concat();
    let done = http::request(&serving.proxied, "POST", path, &form, b"action=stop_tracking");
    assert_eq!(done.status, 200, "the button acts: {done:?}");
    let person = club.ctl.ok(["contacts", "show", email]);
    assert_eq!(
        person["contact"]["consent"], "refused",
        "a 200 means that it is on disk: {person:#}"
    );
    assert_eq!(person["contact"]["suppressed"], Value::Null, "the mails go on");
    // A load after the refusal is answered as ever, and not recorded.
    fetch(serving, &mail.pixels()[0], readers::IPHONE, "198.51.100.77", &[]);
}

/// Unsubscribes one reader as their mail provider does (RFC 8058 §3.2).
fn unsubscribe(club: &Club, serving: &Serving, id: &str, mail: &Mail, email: &str) {
    let page = mail.unsubscribe_addresses().remove(0);
    let (host, path) = http::split_url(&page);
    let provider = [("Host", host), (readers::CLIENT_HEADER, "198.51.100.78")];
    http::request(&serving.proxied, "GET", path, &provider, b"");
    assert_eq!(
        club.report(id)["unsubscribed"],
        0,
        "a scanner that follows the link does nothing"
    );
    let form = [
        &provider[..],
        &[("Content-Type", "application/x-www-form-urlencoded")],
    ]
    .concat();
    for turn in 1..=2 {
        let done = http::request(
            &serving.proxied,
            "POST",
            path,
            &form,
            b"List-Unsubscribe=One-Click",
        );
        assert_eq!(
            done.status, 200,
            "one click is enough, and a second one does no harm (turn {turn})"
        );
    }
    let person = club.ctl.ok(["contacts", "show", email]);
    assert_ne!(
        person["contact"]["suppressed"],
        Value::Null,
        "no more mail: {person:#}"
    );
}

/// Mails everyone again by a public address, and the committee without one.
fn second_campaign(club: &Club) {
    club.ctl.ok(["address", "set", "https://opens.harbour.example"]);
    let second = club.send(&campaign("Winter", "Members"));
    assert_eq!(
        club.counts(&second),
        [("accepted".to_owned(), 49), ("skipped".to_owned(), 1)].into(),
        "who unsubscribed gets none"
    );
    club.servers.wait_until_delivered();
    let report = club.report(&second);
    assert_eq!(
        report["tracked"], 44,
        "who unsubscribed and the five who refused are out: {report:#}"
    );
    assert_eq!(report["not_tracked"]["refused"], 5, "{report:#}");
    assert_eq!(
        club.servers.mailbox(&club.people[31].email).count(),
        1,
        "nor does a mail arrive"
    );

    let opted_out = Mail::read(&club.mail_of(30, 2));
    assert!(
        opted_out.pixels().is_empty(),
        "who opted out gets no pixel any more"
    );
    assert!(!opted_out.html.contains("/o/"));
    let other = Mail::read(&club.mail_of(0, 2));
    assert!(
        other.pixels()[0].starts_with("https://opens.harbour.example/o/"),
        "others do"
    );
    assert!(other.unsubscribe_addresses()[0].starts_with("https://opens.harbour.example/u/"));
    assert_eq!(other.must("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");

    club.ctl.ok(["address", "none"]);
    let third = club.send(&campaign("Committee", "Committee"));
    assert_eq!(club.counts(&third), [("accepted".to_owned(), 3)].into());
    let plain = Mail::read(&club.mail_of(0, 3));
    assert!(
        plain.pixels().is_empty(),
        "without an address nothing is measured"
    );
    let offered = plain.unsubscribe_addresses();
    assert!(
        offered.len() == 1 && offered[0].starts_with("mailto:"),
        "unsubscribing goes by mail: {offered:?}"
    );
    assert!(
        plain.header("List-Unsubscribe-Post").is_none(),
        "RFC 8058 §3.1 wants https"
    );
    let report = club.report(&third);
    assert_eq!(report["tracked"], 0);
    assert_eq!(
        report["confirmed_rate"],
        Value::Null,
        "not measured is not 0 %: {report:#}"
    );
}
