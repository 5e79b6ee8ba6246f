//! The addresses of mails, by the real process: what is typed before a launch, what a change leaves behind.

use crate::harness::ctl::Ctl;
use crate::harness::sink::{self, Sink};
use serde_json::{Value, json};

const QUICK: &str = "https://brave-red-fox.trycloudflare.com";
const HOST: &str = "brave-red-fox.trycloudflare.com";
const OWN: &str = "https://news.harbour-club.eu";

fn campaign(ctl: &Ctl) -> String {
    ctl.create(&json!({
        "name": "Spring", "subject": "Spring", "account": "Sink", "audience": { "include": ["Members"] },
        "markdown": "The ice is gone.\n",
    }))
    .to_string()
}

fn routes(ctl: &Ctl) -> Vec<Value> {
    let found = ctl.ok(["reach", "routes"]);
    found["routes"].as_array().expect("a list").clone()
}

#[test]
fn an_address_that_may_be_gone_is_typed_and_stays_in_the_table_for_ever() {
    let sink = Sink::start(None);
    let ctl = sink::club(&sink, 4, 1);
    ctl.ok(["address", "set", QUICK]);
    let id = campaign(&ctl);
    let refused = ctl.run(["campaign", "launch", &id, "--yes"]);
    refused.refused(&[HOST, "type", "--confirm-host"]);
    assert_eq!(refused.json["error"]["field"], "confirm_host");
    ctl.run([
        "campaign",
        "launch",
        &id,
        "--yes",
        "--confirm-host",
        "trycloudflare.com",
    ])
    .refused(&[HOST, "is not the address's host"]);
    assert_eq!(ctl.ok(["campaign", "show", &id])["state"], "prepared");

    let launched = ctl.ok(["campaign", "launch", &id, "--yes", "--confirm-host", HOST]);
    assert_eq!(launched["preflight"]["confirm_host"], HOST);
    let said = launched["preflight"]["only_while_on"]
        .as_str()
        .expect("a sentence");
    assert!(said.contains("only while this computer is on"), "{said}");
    ctl.ok(["send", "--campaign", &id]);
    assert_eq!(sink.count(), 4);

    let change = ctl.call("address_preview", json!({ "url": OWN }));
    let keeps = change["keeps"][0].as_str().expect("a sentence");
    assert!(
        keeps.starts_with(&format!("4 mails of 1 campaign still point to {QUICK}, until ")),
        "{keeps}"
    );
    let mut set = ctl.command(["address", "set", OWN]);
    let told = String::from_utf8(set.output().expect("it runs").stdout).expect("words");
    assert!(told.contains(OWN) && told.contains(keeps), "{told}");

    let found = routes(&ctl);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(
        (&found[0]["url"], &found[0]["current"]),
        (&json!(OWN), &json!(true))
    );
    assert_eq!(
        (&found[0]["permanence"], &found[0]["messages"]),
        (&json!("own"), &json!(0))
    );
    assert_eq!(
        (&found[1]["url"], &found[1]["permanence"]),
        (&json!(QUICK), &json!("temporary"))
    );
    for (name, n) in [
        ("messages", 4),
        ("live_messages", 4),
        ("live_campaigns", 1),
        ("waiting", 0),
    ] {
        assert_eq!(found[1][name], n, "{name}");
    }
    let mut table = ctl.command(["reach", "routes"]);
    let table = String::from_utf8(table.output().expect("it runs").stdout).expect("words");
    let line = table
        .lines()
        .find(|line| line.starts_with(QUICK))
        .expect("its line");
    assert!(line.contains("for a while") && line.contains(" 4 "), "{table}");
}

#[test]
fn without_an_address_nothing_in_a_mail_leads_to_this_computer() {
    let sink = Sink::start(None);
    let ctl = sink::club(&sink, 2, 1);
    ctl.ok(["address", "none"]);
    let id = campaign(&ctl);
    let launched = ctl.ok(["campaign", "launch", &id, "--yes"]);
    let findings = launched["preflight"]["findings"].as_array().expect("a list");
    assert!(
        findings.iter().any(|found| found["id"] == "no_address"),
        "{findings:?}"
    );
    assert_eq!(launched["preflight"]["only_while_on"], Value::Null);
    ctl.ok(["send", "--campaign", &id]);
    for (_, bytes) in sink.mails() {
        // By a parser that the core does not use.
        let mail = mailparse::parse_mail(&bytes).expect("a mail");
        let header = |name: &str| {
            let found = mail.headers.iter().find(|header| header.get_key_ref() == name);
            found.map(|header| header.get_value())
        };
        let leave = header("List-Unsubscribe").expect("a way out");
        assert!(
            leave.starts_with("<mailto:") && !leave.contains("http"),
            "{leave}"
        );
        assert_eq!(header("List-Unsubscribe-Post"), None, "RFC 8058 wants https");
        for part in mail.parts() {
            let text = part.get_body().expect("text");
            for trace in ["127.0.0.1", "href=\"http", "<img", "https:"] {
                assert!(!text.contains(trace), "{trace} in {text}");
            }
        }
    }
    let report = ctl.ok(["report", &id]);
    assert_eq!(
        (&report["confirmed_rate"], &report["unmeasured"]),
        (&Value::Null, &json!("no_pixel"))
    );
    assert_eq!(
        report["not_tracked"]["no_address"].as_u64().unwrap_or(0)
            + report["not_tracked"]["unknown_consent"].as_u64().unwrap_or(0),
        2
    );
}
