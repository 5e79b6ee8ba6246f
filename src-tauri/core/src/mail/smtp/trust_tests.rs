//! Certificates that the user trusts: exactly one, proved by the server, and never a way around encryption.

use super::peer::{Peer, Script};
use super::tests::{Issued, SMALL, Validity, issue, mail, server};
use super::*;

fn peer_of(issued: &Issued, security: Security) -> Peer {
    Peer::start(Script {
        starttls: (security == Security::Starttls).then(|| issued.config.clone()),
        tls: (security == Security::Tls).then(|| issued.config.clone()),
        mechanisms: Some("PLAIN"),
        ..Script::default()
    })
}

fn settings(peer: &Peer, security: Security, exception: Option<Vec<u8>>) -> Settings {
    let mut to = server(peer, security);
    to.host = "localhost".into();
    (to.user, to.password) = ("news".into(), Some(Secret::new("secret")));
    to.exception = exception;
    // A root of our own that signed nothing here.
    Settings::new(to, &[issue("localhost", Validity::Now).root_pem]).unwrap()
}

fn problem(settings: &Settings) -> CertificateProblem {
    let found = probe(settings).unwrap();
    match found.problem {
        Some((Problem::Certificate(problem), _)) => problem,
        other => panic!("{other:?} is no problem of a certificate"),
    }
}

#[test]
fn a_certificate_that_was_seen_and_taken_is_taken_again_and_no_other() {
    for security in [Security::Tls, Security::Starttls] {
        let ours = issue("localhost", Validity::Now);
        let peer = peer_of(&ours, security);
        let seen = probe(&settings(&peer, security, None))
            .unwrap()
            .certificate
            .unwrap();
        assert_eq!(seen.fingerprint().len(), 16 * 4 + 15, "{}", seen.fingerprint());
        assert!(seen.issuer.contains("CN=Root"), "{}", seen.issuer);
        assert!(seen.from < seen.until);
        assert!(
            !peer.commands().contains("AUTH"),
            "nothing is said before it is taken"
        );

        let taken = settings(&peer, security, Some(seen.der.clone()));
        let found = probe(&taken).unwrap();
        assert_eq!(found.problem, None);
        assert_eq!(found.certificate, None);
        assert!(
            found
                .seen
                .iter()
                .any(|(_, words)| words.contains("trusted by you")),
            "{:?}",
            found.seen
        );
        SmtpTransport::new(taken).unwrap().deliver(&mail(SMALL)).unwrap();
        assert_eq!(peer.mails(), 1);

        // The same name and issuer's kind, another key: a new certificate, or somebody in between.
        let changed = issue("localhost", Validity::Now);
        let peer = peer_of(&changed, security);
        let found = settings(&peer, security, Some(seen.der));
        assert_eq!(problem(&found), CertificateProblem::Changed);
        let (_, sentence) = probe(&found).unwrap().problem.unwrap();
        assert!(sentence.contains("is not the one that you trusted"), "{sentence}");
        assert!(
            !peer.commands().contains("AUTH"),
            "no password goes to a stranger"
        );
        assert!(
            probe(&found).unwrap().certificate.is_some(),
            "the new one can be looked at"
        );
    }
}

#[test]
fn a_taken_certificate_may_be_for_another_name_or_past_its_end() {
    for issued in [
        issue("mail.example.org", Validity::Now),
        issue("localhost", Validity::Past),
    ] {
        let peer = peer_of(&issued, Security::Tls);
        let seen = probe(&settings(&peer, Security::Tls, None)).unwrap().certificate;
        let taken = settings(&peer, Security::Tls, Some(seen.unwrap().der));
        assert_eq!(probe(&taken).unwrap().problem, None);
    }
}

#[test]
fn a_server_that_shows_the_taken_certificate_without_its_key_is_refused() {
    let real = issue("localhost", Validity::Now);
    let peer = peer_of(&real, Security::Tls);
    let seen = probe(&settings(&peer, Security::Tls, None))
        .unwrap()
        .certificate
        .unwrap();
    // The certificate is public; the key is not. TLS 1.2 and 1.3 prove it in different ways.
    for version in [
        &tokio_rustls::rustls::version::TLS12,
        &tokio_rustls::rustls::version::TLS13,
    ] {
        let impostor = super::tests::impostor(&seen.der, version);
        let peer = Peer::start(Script {
            tls: Some(impostor),
            mechanisms: Some("PLAIN"),
            ..Script::default()
        });
        let found = probe(&settings(&peer, Security::Tls, Some(seen.der.clone()))).unwrap();
        assert!(found.problem.is_some(), "the handshake's signature is checked");
        assert_eq!(
            found.certificate, None,
            "and the certificate is not offered again"
        );
        assert!(!peer.commands().contains("AUTH"));
    }
}

#[test]
fn a_certificate_that_is_its_own_authority_is_of_an_unknown_issuer_and_can_be_taken() {
    let ours = super::tests::own_authority("localhost");
    let peer = peer_of(&ours, Security::Tls);
    let found = probe(&settings(&peer, Security::Tls, None)).unwrap();
    let (problem, _) = found.problem.unwrap();
    assert_eq!(problem, Problem::Certificate(CertificateProblem::UnknownIssuer));
    let taken = settings(&peer, Security::Tls, Some(found.certificate.unwrap().der));
    assert_eq!(probe(&taken).unwrap().problem, None);
}

/// X.509 version 1, as `openssl x509 -req` makes it without extensions; rustls reads version 3 only.
const VERSION_1: &str = "\
    MIIBIzCByQIUZEBRX4Gmg+3uPcMs3LTTk6UyiV8wCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJbG9jYWxob3N0MB4XDTI2MTEy\
    NzAwNTY0NloXDTM2MTEyNDAwNTY0NlowFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\
    j6EuKcMinchpDuhCHgPH1dYW9ISmBsgycgEx8a8R7Z3dteD3dAJLnSd4YyctA57zbmP1U0Vpb9fiCmRhTkQT/zAKBggqhkjO\
    PQQDAgNJADBGAiEA4L8mugLmKC0B911jQoPtTWgsIrPvJsTeukxgiPpBm18CIQCdltREDucjKtfoK9nEynaOSXC6QC4lbXAn\
    6+zkXvMzMA==";

#[test]
fn a_certificate_that_no_handshake_can_be_checked_with_is_not_offered() {
    let der = data_encoding::BASE64.decode(VERSION_1.as_bytes()).unwrap();
    assert_eq!(Certificate::read(&der).unwrap().subject, "CN=localhost");
    let peer = Peer::start(Script {
        tls: Some(super::tests::impostor(
            &der,
            &tokio_rustls::rustls::version::TLS13,
        )),
        ..Script::default()
    });
    for exception in [None, Some(der)] {
        let found = probe(&settings(&peer, Security::Tls, exception)).unwrap();
        assert!(matches!(found.problem, Some((Problem::Certificate(_), _))));
        assert_eq!(found.certificate, None, "trusting it would lead nowhere");
    }
}

#[test]
fn a_certificate_whose_issuer_is_known_needs_no_exception() {
    let known = issue("localhost", Validity::Now);
    let peer = peer_of(&known, Security::Tls);
    let other = issue("localhost", Validity::Now);
    let der = probe(&settings(&peer_of(&other, Security::Tls), Security::Tls, None))
        .unwrap()
        .certificate
        .unwrap()
        .der;
    let mut to = server(&peer, Security::Tls);
    to.host = "localhost".into();
    to.exception = Some(der);
    let settings = Settings::new(to, std::slice::from_ref(&known.root_pem)).unwrap();
    assert_eq!(
        probe(&settings).unwrap().problem,
        None,
        "a server that got itself a good certificate is trusted by that"
    );
}

#[test]
fn without_encryption_only_this_computer_is_spoken_to_whatever_its_name_leads_to() {
    let table = [
        ("127.0.0.1", true),
        ("127.8.9.10", true),
        ("::1", true),
        ("192.0.2.1", false),
        ("10.0.0.1", false),
        ("2001:db8::1", false),
        ("169.254.1.1", false),
    ];
    for (ip, spoken_to) in table {
        let ip = ip.parse().unwrap();
        for security in [Security::Starttls, Security::Tls] {
            assert_eq!(connect::may_speak(security, ip), Ok(()), "{ip}");
        }
        let expected = if spoken_to {
            Ok(())
        } else {
            Err(Problem::NotLoopback)
        };
        assert_eq!(connect::may_speak(Security::None, ip), expected, "{ip}");
    }
}
