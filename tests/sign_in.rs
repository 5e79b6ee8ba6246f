//! Signing in and trusting a certificate by the real `casementctl`, at Postfix and Dovecot.

use crate::harness::authorization::{AuthServer, CLIENT, SECRET, USER, browse};
use crate::harness::ctl::Ctl;
use crate::harness::mail_servers::MailServers;
use crate::harness::process::Group;
use crate::harness::skip;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

const READER: &str = "reader@readers.test";

fn add(ctl: &Ctl, auth: &AuthServer, port: u16) {
    let (port, authorize, token) = (port.to_string(), auth.authorize(), auth.token());
    let server = ["--host", "localhost", "--port", &port, "--tls", "starttls"];
    let who = [
        "--name",
        "Harbour",
        "--user",
        USER,
        "--from",
        "Harbour Club <news@harbour.test>",
    ];
    let client = ["--oauth", "other", "--client-id", CLIENT, "--client-secret-stdin"];
    let service = [
        "--authorize-url",
        &authorize,
        "--token-url",
        &token,
        "--scope",
        "mail offline_access",
    ];
    let args = ["account", "add"]
        .into_iter()
        .chain(server)
        .chain(who)
        .chain(client)
        .chain(service);
    let added = ctl.run_with_input(args, format!("{SECRET}\n").as_bytes());
    assert_eq!(added.code, Some(0), "the account is kept: {added:?}");
    assert!(!added.stdout.contains(SECRET), "a secret is never sent back");
    assert_eq!(added.json["sign_in"]["has_client_secret"], true);
}

/// Runs `account login` as a person does; returns how it ended and what it said on standard error.
fn login(ctl: &Ctl) -> (Option<i32>, String) {
    let mut command = ctl.command(["account", "login", "Harbour"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::start("casementctl", &mut command);
    let mut out = BufReader::new(group.child.stdout.take().unwrap());
    let mut url = String::new();
    while !url.starts_with("http") {
        url.clear();
        assert_ne!(out.read_line(&mut url).unwrap(), 0, "the address is printed");
    }
    browse(url.trim());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let mut errors = String::new();
    group
        .child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert!(
        !format!("{rest}{errors}").contains("refresh-"),
        "no token is told"
    );
    (group.wait(), errors)
}

/// Returns the SHA-256 of a PEM file's certificate, in hexadecimal digits.
fn sha256_of(pem: &std::path::Path) -> String {
    let text = std::fs::read_to_string(pem).unwrap();
    let base64: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = data_encoding::BASE64.decode(base64.as_bytes()).unwrap();
    data_encoding::HEXLOWER.encode(&Sha256::digest(der))
}

#[test]
fn who_signs_in_sends_through_postfix_whose_certificate_was_compared() {
    let auth = AuthServer::start();
    let servers = match MailServers::start_with_tokens(&[USER, READER], &auth.introspect()) {
        Ok(servers) => servers,
        Err(why) => return skip("sign_in", &why),
    };
    // The test's own authority is not trusted: nobody vouches for Postfix.
    let ctl = Ctl::new();
    add(&ctl, &auth, servers.smtp_port);
    ctl.run(["account", "test", "Harbour"]);
    let shown = ctl.ok(["account", "trust", "Harbour"]);
    let digits = sha256_of(&servers.certificate_pem());
    let said = shown["fingerprint"].as_str().unwrap().replace(' ', "");
    assert_eq!(
        said.to_lowercase(),
        digits,
        "the fingerprint is the one that openssl would say"
    );
    let wrong = "0".repeat(64);
    ctl.run(["account", "trust", "Harbour", "--sha256", &wrong])
        .refused(&["another certificate", "nothing was changed"]);
    ctl.ok(["account", "trust", "Harbour", "--sha256", &digits]);

    let test = ctl.run(["account", "test", "Harbour"]);
    assert_eq!(test.code, Some(1));
    assert!(test.stdout.contains("not signed in yet"), "{test:?}");
    auth.state.lock().unwrap().denies = true;
    let (code, errors) = login(&ctl);
    assert_eq!(code, Some(1));
    assert!(errors.contains("did not allow"), "{errors}");
    auth.state.lock().unwrap().denies = false;
    let (code, errors) = login(&ctl);
    assert_eq!(code, Some(0), "{errors}");

    let test = ctl.run(["account", "test", "Harbour"]);
    assert_eq!(test.code, Some(0), "{test:?}\n{}", servers.logs());
    let members = ctl.file("members.csv", format!("Email\n{READER}\n"));
    ctl.ok(["import", members.to_str().unwrap(), "--list", "Members"]);
    let campaign = ctl.create(&json!({
        "name": "Spring", "subject": "The jetty", "preheader": "", "account": "Harbour",
        "audience": { "include": ["Members"], "exclude": [] }, "window": { "days": 30 }, "tracking": "off",
        "postal_address": "3 Quay Street, Exampleton", "markdown": "It is mended.",
    }));
    ctl.ok(["campaign", "test", &campaign.to_string(), READER]);
    servers.wait_for_mails(READER, 1);
    assert!(
        auth.state.lock().unwrap().renewals >= 2,
        "each process asks for a token of its own, with the permission that the last one kept"
    );

    auth.revoke();
    let test = ctl.run(["account", "test", "Harbour"]);
    assert_eq!(test.code, Some(1));
    assert!(test.stdout.contains("Sign in again"), "{test:?}");
    ctl.ok(["account", "trust", "Harbour", "--remove"]);
    let test = ctl.run(["account", "test", "Harbour"]);
    assert_eq!(
        test.json["certificate"]["fingerprint"], shown["fingerprint"],
        "it is asked for again"
    );
}

#[test]
fn signing_in_is_said_whole_or_not_at_all() {
    let ctl = Ctl::new();
    let base = [
        "account",
        "add",
        "--name",
        "News",
        "--host",
        "smtp.gmail.com",
        "--port",
        "465",
        "--tls",
        "tls",
        "--from",
        "ana@example.org",
    ];
    let with = |more: &[&str]| ctl.run(base.iter().chain(more));
    for usage in [
        &["--oauth", "google", "--user", "ana@example.org"][..],
        &["--oauth", "google", "--client-id", "id"],
        &["--client-id", "id"],
        &[
            "--oauth",
            "google",
            "--client-id",
            "id",
            "--user",
            "ana",
            "--password-stdin",
        ],
    ] {
        assert_eq!(with(usage).code, Some(2), "{usage:?}");
    }
    with(&[
        "--oauth",
        "microsoft",
        "--client-id",
        "id",
        "--user",
        "ana@example.org",
    ])
    .refused(&["smtp.gmail.com", "no mail server of Microsoft"]);
    let added = with(&[
        "--oauth",
        "google",
        "--client-id",
        "id",
        "--user",
        "ana@example.org",
    ]);
    assert_eq!(added.json["sign_in"]["service"], "google", "{added:?}");
    ctl.ok(["account", "remove", "News"]);
    assert_eq!(with(&[]).code, Some(0));
    ctl.run(["account", "login", "News"])
        .refused(&["logs in with a password"]);
    ctl.run(["account", "login", "Nobody"])
        .refused(&["no account called"]);
}
