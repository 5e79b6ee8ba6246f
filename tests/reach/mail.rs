//! A campaign whose address is carried by ssh: from Postfix to the reader, and back through the server.

use super::reach_up;
use super::ssh::{allow_by_its_lines, pair};
use crate::harness::ctl::Ctl;
use crate::harness::mail_servers::MailServers;
use crate::harness::mime::Mail;
use crate::harness::{http, readers, skip, until};
use serde_json::json;
use std::time::{Duration, Instant};

const ADDRESS: &str = "https://news.harbour.test";

#[test]
fn mails_carry_the_address_of_the_tunnel_and_are_opened_through_it() {
    let name = "mails_carry_the_address_of_the_tunnel_and_are_opened_through_it";
    let people = ["ana@readers.test", "ben@readers.test", "eva@readers.test"];
    let servers = match MailServers::start(&[&people[..], &["news@harbour.test"]].concat()) {
        Ok(servers) => servers,
        Err(why) => return skip(name, &why),
    };
    let Some(pair) = pair(name) else { return };
    let ctl = Ctl::new().trusting(servers.root_pem());
    let csv = ctl.file("members.csv", format!("Email\n{}\n", people.join("\n")));
    ctl.ok([
        "import",
        csv.to_str().unwrap(),
        "--list",
        "Members",
        "--consent",
        "granted",
        "--consent-source",
        "membership form",
        "--consent-wording",
        "You may record when I open your mails.",
    ]);
    ctl.call("settings_update", json!({ "organisation": "Harbour Club" }));
    servers.account(&ctl);
    ctl.ok(["account", "test", "Harbour"]);

    let serving = ctl.serve("serve");
    allow_by_its_lines(&ctl, &pair, ADDRESS);
    let (mut group, address) = reach_up(&ctl);
    assert_eq!((group.wait(), address.as_str()), (Some(0), ADDRESS));
    assert_eq!(ctl.ok(["address", "show"])["url"], ADDRESS);

    let id = ctl
        .create(&json!({
            "name": "Autumn", "subject": "News", "account": "Harbour",
            "audience": { "include": ["Members"], "exclude": [] }, "window": { "days": 30 },
            "tracking": "individual", "postal_address": "Harbour Club, 3 Quay Street, Exampleton",
            "markdown": "The jetty is mended.\n",
        }))
        .to_string();
    ctl.ok(["campaign", "launch", &id, "--yes"]);
    ctl.ok(["send", "--campaign", &id]);
    let sent = Instant::now();
    let mails: Vec<Mail> = people
        .iter()
        .map(|person| Mail::read(&servers.wait_for_mails(person, 1)[0]))
        .collect();
    until("three seconds should pass: nobody reads so fast", || {
        (sent.elapsed() > Duration::from_millis(3100)).then_some(())
    });
    // The web server on the server has the certificate, and hands on to the port that ssh holds there.
    let server = format!("127.0.0.1:{}", pair.server_port);
    for (mail, source) in mails.iter().zip(["203.0.113.7", "198.51.100.9"]) {
        let pixel = mail.pixels().remove(0);
        let path = pixel
            .strip_prefix(ADDRESS)
            .expect("it is at the tunnel's address");
        let headers = [
            ("Host", "news.harbour.test"),
            ("X-Forwarded-For", source),
            ("User-Agent", readers::THUNDERBIRD),
        ];
        let answer = http::request(&server, "GET", path, &headers, b"");
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("image/gif"))
        );
    }
    let report = ctl.ok(["report", &id]);
    assert_eq!(
        (&report["tracked"], &report["confirmed"]),
        (&json!(3), &json!(2)),
        "{report:#}"
    );
    // The third one unsubscribes by one click, through the same way.
    let unsubscribe = mails[2].unsubscribe_addresses().remove(0);
    let path = unsubscribe
        .strip_prefix(ADDRESS)
        .expect("it is at the tunnel's address");
    let answer = http::request(
        &server,
        "POST",
        path,
        &[
            ("Host", "news.harbour.test"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ],
        b"List-Unsubscribe=One-Click",
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(ctl.ok(["report", &id])["unsubscribed"], 1);
    serving.stop();
    until("the server should let the port go", || {
        std::net::TcpListener::bind(("127.0.0.1", pair.server_port)).ok()
    });
    ctl.verify();
}
