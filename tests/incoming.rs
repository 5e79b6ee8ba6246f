//! What comes back: a real report by Postfix, a wish to unsubscribe on standard input, pasted addresses, bad files.

use crate::harness::ctl::Ctl;
use crate::harness::mail_servers::MailServers;
use crate::harness::{mime, skip};
use serde_json::{Value, json};

const SENDER: &str = "news@harbour.test";
const READER: &str = "ana@harbour.test";
/// Postfix takes mail for it, and Dovecot does not know it.
const GONE: &str = "bo@harbour.test";

/// Imports two people and adds the account on the servers.
fn set_up(servers: &MailServers) -> Ctl {
    let ctl = Ctl::new().trusting(servers.root_pem());
    let file = ctl.file("members.csv", format!("email\n{READER}\n{GONE}\n"));
    ctl.ok(["import", file.to_str().expect("ASCII"), "--list", "Members"]);
    ctl.call(
        "settings_update",
        json!({ "unknown_policy": "none", "organisation": "Harbour Club" }),
    );
    servers.account(&ctl);
    ctl
}

fn campaign() -> Value {
    json!({
        "name": "Autumn", "subject": "Harbour news", "account": "Harbour",
        "audience": { "include": ["Members"], "exclude": [] }, "window": { "days": 30 }, "tracking": "individual",
        "postal_address": "Harbour Club, 3 Quay Street, Exampleton", "markdown": "The jetty is mended.\n",
    })
}

fn suppressed(ctl: &Ctl, email: &str) -> Value {
    let list = ctl.call("contact_list", json!({ "search": email }));
    list["contacts"][0]["suppressed"].clone()
}

#[test]
fn a_report_by_a_real_postfix_and_a_wish_by_mail_are_understood_and_acted_on_once() {
    let servers = match MailServers::start_with_gone(&[SENDER, READER], &[GONE]) {
        Ok(servers) => servers,
        Err(why) => return skip("incoming", &why),
    };
    let ctl = set_up(&servers);
    let id = ctl.create(&campaign()).to_string();
    ctl.ok(["campaign", "launch", &id, "--yes"]);
    ctl.ok(["send", "--campaign", &id]);

    // Nobody opens the mailbox while it is being made.
    servers.wait_until_delivered();
    let report = servers.wait_for_mails(SENDER, 1).remove(0);
    let file = ctl.file("report.eml", &report);
    let path = file.to_str().expect("ASCII");
    let dry = ctl.ok(["incoming", path, "--dry-run"]);
    assert_eq!(dry["counts"], json!({ "bounced": 1 }), "{dry:#}");
    assert_eq!(dry["addresses"], 1, "{dry:#}");
    assert_eq!(suppressed(&ctl, GONE), Value::Null, "a dry run changes nothing");
    let done = ctl.ok(["incoming", path]);
    assert_eq!(done["rows"][0]["address"], GONE, "{done:#}");
    assert!(
        done["rows"][0]["message"].is_i64(),
        "the mail of ours is known: {done:#}"
    );
    assert_eq!(suppressed(&ctl, GONE), "Mail came back");
    let again = ctl.ok(["incoming", path]);
    assert_eq!(again["counts"], json!({ "known": 1 }), "{again:#}");

    let shown = ctl.ok(["report", &id]);
    assert_eq!(
        (shown["accepted"].as_u64(), shown["bounced_later"].as_u64()),
        (Some(2), Some(1)),
        "the server had accepted it: {shown:#}"
    );
    let timeline = ctl.call("message_timeline", json!({ "id": done["rows"][0]["message"] }));
    let kinds: Vec<&str> = timeline["entries"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["kind"].as_str())
        .collect();
    assert_eq!(kinds.last(), Some(&"bounced"), "{timeline:#}");

    // The reader's mail program writes to the address in List-Unsubscribe; here from another address.
    let mail = servers.wait_for_mails(READER, 1).remove(0);
    let list = mime::Mail::read(&mail)
        .header("List-Unsubscribe")
        .expect("it is there")
        .to_owned();
    let token = list.rsplit("unsubscribe%20").next().expect("a token");
    let token = token.trim_end_matches('>');
    let wish = format!("From: other@example.com\r\nTo: {SENDER}\r\nSubject: Unsubscribe {token}\r\n\r\n\r\n");
    let read = ctl.run_with_input(["unsubscribe", "--eml", "-"], wish.as_bytes());
    assert_eq!(read.code, Some(0), "{read:?}");
    assert_eq!(read.json["counts"], json!({ "unsubscribed": 1 }), "{read:?}");
    assert_eq!(suppressed(&ctl, READER), "Unsubscribed");
    ctl.verify();
}

#[test]
fn addresses_are_pasted_from_a_file_and_bad_input_is_said() {
    let ctl = Ctl::new();
    let members = ctl.file("members.csv", "email\nana@example.org\nbo@example.org\n");
    ctl.ok(["import", members.to_str().expect("ASCII")]);
    let pasted = ctl.file("pasted.txt", "Ana <ana@example.org>,\nnobody\n");
    let pasted = pasted.to_str().expect("ASCII");
    let dry = ctl.ok(["contacts", "bounced", "--paste-file", pasted, "--dry-run"]);
    assert_eq!(
        dry["counts"],
        json!({ "bounced": 1, "not_understood": 1 }),
        "{dry:#}"
    );
    ctl.ok(["contacts", "bounced", "--paste-file", pasted]);
    assert_eq!(suppressed(&ctl, "ana@example.org"), "Mail came back");
    let said = ctl.run_with_input(
        ["contacts", "unsubscribed", "--paste-file", "-"],
        b"bo@example.org\n",
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(suppressed(&ctl, "bo@example.org"), "Unsubscribed");

    let latin = ctl.file("latin.txt", b"J\xfcrgen <j@example.org>");
    ctl.run([
        "contacts",
        "bounced",
        "--paste-file",
        latin.to_str().expect("ASCII"),
    ])
    .refused(&["latin.txt", "not UTF-8"]);
    ctl.run(["incoming", "/nowhere/at/all.eml"])
        .refused(&["/nowhere/at/all.eml", "Choose another file"]);
    ctl.run(["contacts", "bounced", "--paste-file", "/nowhere/at/all"])
        .refused(&["/nowhere/at/all"]);
    ctl.run_with_input(
        ["contacts", "bounced", "--paste-file", "-"],
        &vec![b'\n'; (5 << 20) + 1],
    )
    .refused(&["longer than 5 MiB", "in parts"]);
    #[cfg(unix)]
    ctl.run(["contacts", "bounced", "--paste-file", "/dev/zero"])
        .refused(&["/dev/zero", "longer than 5 MiB"]);
    ctl.run(["account", "check", "Nobody"]).refused(&["Nobody"]);
    ctl.run(["account", "check", "--domain", "no domain"])
        .refused(&["no domain", "example.org"]);
    let text = ctl.file("text.eml", "Dear all");
    ctl.run(["account", "check-mail", text.to_str().expect("ASCII")])
        .refused(&["no mail", ".eml"]);
}
