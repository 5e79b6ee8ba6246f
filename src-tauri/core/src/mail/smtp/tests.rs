//! The transport against a scripted peer: faults before and after a mail's end, encryption, logins, speed.

use super::peer::{Ending, Peer, Script};
use super::*;
use crate::ids::{CampaignId, MessageId};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

/// A root of our own and a certificate that it signed, as a server would have it.
pub(crate) struct Issued {
    pub(crate) root_pem: Vec<u8>,
    pub(crate) config: Arc<ServerConfig>,
}

pub(crate) enum Validity {
    Now,
    Past,
}

pub(crate) fn issue(name: &str, validity: Validity) -> Issued {
    static ROOTS: AtomicU32 = AtomicU32::new(0);
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    let called = format!("Root {}", ROOTS.fetch_add(1, Ordering::Relaxed));
    root.distinguished_name.push(DnType::CommonName, called);
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if matches!(validity, Validity::Past) {
        leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    let leaf = leaf.signed_by(&key, &root).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    Issued {
        root_pem: root.pem().into_bytes(),
        config: Arc::new(config),
    }
}

/// A certificate that signed itself and calls itself an authority.
pub(super) fn own_authority(name: &str) -> Issued {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            key.serialize_der().try_into().unwrap(),
        )
        .unwrap();
    Issued {
        root_pem: certificate.pem().into_bytes(),
        config: Arc::new(config),
    }
}

/// A server's configuration that shows `certificate` and signs with a key that is not its own.
pub(super) fn impostor(
    certificate: &[u8],
    version: &'static tokio_rustls::rustls::SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
    use tokio_rustls::rustls::sign::CertifiedKey;

    #[derive(Debug)]
    struct Fixed(Arc<CertifiedKey>);
    impl ResolvesServerCert for Fixed {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(self.0.clone())
        }
    }

    let key = KeyPair::generate().unwrap().serialize_der();
    let key = ring::sign::any_supported_type(&PrivateKeyDer::try_from(key).unwrap()).unwrap();
    let certified = CertifiedKey::new(vec![certificate.to_vec().into()], key);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Fixed(Arc::new(certified))));
    Arc::new(config)
}

pub(super) fn server(peer: &Peer, security: Security) -> Server {
    Server {
        host: "127.0.0.1".into(),
        port: peer.address.port(),
        security,
        user: String::new(),
        password: None,
        tokens: None,
        exception: None,
    }
}

pub(super) fn plain(peer: &Peer) -> SmtpTransport {
    // A root of our own, so that the test needs none of this computer's.
    let root = issue("localhost", Validity::Now).root_pem;
    SmtpTransport::new(Settings::new(server(peer, Security::None), &[root]).unwrap()).unwrap()
}

pub(super) fn mail(bytes: &[u8]) -> OutgoingMail<'_> {
    OutgoingMail {
        from: "club@example.org",
        to: "ana@example.org",
        bytes,
        message: Some(MessageId(1)),
        campaign: Some(CampaignId(1)),
        subject: "Hello",
        test: false,
    }
}

pub(super) const SMALL: &[u8] = b"Subject: Hello\r\n\r\n.dot\r\nHello\r\n";

pub(super) fn error_of(script: Script, bytes: &[u8]) -> DeliveryError {
    let peer = Peer::start(script);
    plain(&peer).deliver(&mail(bytes)).unwrap_err()
}

#[test]
fn a_dot_that_begins_a_line_is_doubled_and_no_other() {
    for (mail, wire) in [
        ("a\r\n.b\r\n", "a\r\n..b\r\n"),
        (".", ".."),
        (".\r\n.\r\n.", "..\r\n..\r\n.."),
        ("a.\r\nb.c\r\n", "a.\r\nb.c\r\n"),
        ("\r\r\n..\r\n\r\n.", "\r\r\n...\r\n\r\n.."),
        ("a\n.b\r.c", "a\n.b\r.c"),
        ("", ""),
    ] {
        assert_eq!(
            stuffed(mail.as_bytes()).unwrap(),
            format!("{wire}\r\n.\r\n"),
            "{mail:?}"
        );
    }
    assert_eq!(
        stuffed(&[b'x'; LARGE + 1]),
        None,
        "lettre's own way, without a copy"
    );
    assert_eq!(stuffed(b"\xff"), None);
}

#[test]
fn many_mails_leave_over_one_connection_and_dots_are_doubled() {
    let peer = Peer::start(Script::default());
    let mut transport = plain(&peer);
    for _ in 0..3 {
        let accepted = transport.deliver(&mail(SMALL)).unwrap();
        assert_eq!(accepted.reply, "250 2.0.0 Ok: queued");
    }
    transport.close();
    let seen = peer.seen.lock().unwrap();
    assert_eq!((seen.connections, seen.mails.len()), (1, 3));
    assert!(seen.mails[0].windows(7).any(|part| part == b"\r\n..dot"));
    assert_eq!(seen.commands.last().unwrap(), "QUIT");
}

#[test]
fn a_refused_recipient_is_told_with_the_servers_words_and_the_next_mail_goes_on() {
    let script = Script {
        rcpt: |line| match line.contains("ana") {
            true => "550 5.1.1 No such\x1b user",
            false => "250 Ok",
        },
        ..Script::default()
    };
    let peer = Peer::start(script);
    let mut transport = plain(&peer);
    let error = transport.deliver(&mail(SMALL)).unwrap_err();
    assert_eq!(
        (error.kind, error.stage, error.code),
        (ErrorKind::Recipient, Stage::BeforeBody, Some(550))
    );
    assert_eq!(error.reply, "550 5.1.1 No such user");
    let other = OutgoingMail {
        to: "bo@example.org",
        ..mail(SMALL)
    };
    transport.deliver(&other).unwrap();
    assert_eq!(
        peer.seen.lock().unwrap().connections,
        1,
        "a refused recipient costs no connection"
    );
}

#[test]
fn temporary_refusals_are_known_by_their_codes() {
    let later = Script {
        rcpt: |_| "451 4.7.1 Greylisted",
        ..Script::default()
    };
    let error = error_of(later, SMALL);
    assert_eq!((error.kind, error.code), (ErrorKind::Recipient, Some(451)));
    let closing = Script {
        mail: "421 4.3.2 Shutting down",
        ..Script::default()
    };
    let error = error_of(closing, SMALL);
    assert_eq!((error.kind, error.code), (ErrorKind::Network, Some(421)));
    let content = Script {
        end: |_| Ending::Reply("554 5.7.1 Spam"),
        ..Script::default()
    };
    let error = error_of(content, SMALL);
    assert_eq!(
        (error.kind, error.stage, error.is_uncertain()),
        (ErrorKind::Message, Stage::AfterBody, false)
    );
}

#[test]
fn a_drop_before_the_mails_end_left_is_safe_to_try_again() {
    let at_data = Script {
        end: |_| Ending::HangUpAtData,
        ..Script::default()
    };
    let error = error_of(at_data, SMALL);
    assert_eq!((error.stage, error.code), (Stage::BeforeBody, None));
    // Far more than sockets buffer, so that its end cannot have been written.
    let large = [
        b"Subject: Large\r\n\r\n".as_slice(),
        &b"0123456789abcde\r\n".repeat(2_000_000),
    ]
    .concat();
    let in_body = Script {
        end: |_| Ending::HangUpInBody(10_000),
        ..Script::default()
    };
    let error = error_of(in_body, &large);
    assert_eq!(
        (error.stage, error.is_uncertain()),
        (Stage::BeforeBody, false),
        "{error}"
    );
}

#[test]
fn a_drop_after_the_mails_end_is_uncertain() {
    let script = Script {
        end: |_| Ending::Silence,
        ..Script::default()
    };
    let error = error_of(script, SMALL);
    assert!(
        error.is_uncertain(),
        "{error:?}: nobody knows whether it was taken"
    );
}

#[test]
fn a_mail_with_large_files_arrives_as_it_left() {
    let large: Vec<u8> = (0..120_000u32)
        .flat_map(|line| format!("{line:076}\r\n").into_bytes())
        .collect();
    let issued = issue("localhost", Validity::Now);
    for security in [Security::None, Security::Tls] {
        let peer = Peer::start(Script {
            tls: (security == Security::Tls).then(|| issued.config.clone()),
            ..Script::default()
        });
        let mut to = server(&peer, security);
        to.host = "localhost".into();
        let settings = Settings::new(to, std::slice::from_ref(&issued.root_pem)).unwrap();
        let mut transport = SmtpTransport::new(settings).unwrap();
        for _ in 0..2 {
            transport.deliver(&mail(&large)).unwrap();
        }
        let seen = peer.seen.lock().unwrap();
        for arrived in &seen.mails {
            // lettre ends every body with a line end of its own.
            let body = arrived.strip_suffix(b"\r\n.\r\n");
            assert!(body == Some(&*large), "{security:?}: every byte, in its order");
        }
        assert_eq!((seen.connections, seen.mails.len()), (1, 2), "{security:?}");
    }
}

#[test]
fn a_connection_that_was_closed_while_idle_is_made_anew() {
    let script = Script {
        mails_per_connection: 1,
        ..Script::default()
    };
    let peer = Peer::start(script);
    let mut transport = plain(&peer);
    transport.deliver(&mail(SMALL)).unwrap();
    transport.deliver(&mail(SMALL)).unwrap();
    assert_eq!(peer.seen.lock().unwrap().connections, 2);
    assert_eq!(peer.mails(), 2, "each mail went once");
}

#[test]
fn nobody_there_is_said_before_any_mail_is_begun() {
    let address = Peer::start(Script::default()).address;
    let gone = Server {
        host: "127.0.0.1".into(),
        port: address.port(),
        security: Security::None,
        user: String::new(),
        password: None,
        tokens: None,
        exception: None,
    };
    let root = issue("localhost", Validity::Now).root_pem;
    let settings = Settings::new(gone, &[root]).unwrap();
    let probe = probe(&settings).unwrap();
    let (problem, sentence) = probe.problem.unwrap();
    assert_eq!(problem, Problem::Refused);
    assert!(sentence.contains("refuses connections on port"), "{sentence}");
    let error = SmtpTransport::new(settings)
        .unwrap()
        .deliver(&mail(SMALL))
        .unwrap_err();
    assert_eq!((error.stage, error.kind), (Stage::Connecting, ErrorKind::Network));
}

#[test]
fn a_server_whose_starttls_was_stripped_hears_no_password_and_no_mail() {
    let peer = Peer::start(Script {
        mechanisms: Some("PLAIN LOGIN"),
        ..Script::default()
    });
    let mut to = server(&peer, Security::Starttls);
    (to.user, to.password) = ("news".into(), Some(Secret::new("secret")));
    let root = issue("localhost", Validity::Now).root_pem;
    let settings = Settings::new(to, &[root]).unwrap();
    let (problem, sentence) = probe(&settings).unwrap().problem.unwrap();
    assert_eq!(
        (problem, problem_step(&settings)),
        (Problem::NoStarttls, Step::Tls)
    );
    assert!(sentence.contains("does not offer STARTTLS"), "{sentence}");
    let error = SmtpTransport::new(settings)
        .unwrap()
        .deliver(&mail(SMALL))
        .unwrap_err();
    assert_eq!(error.stage, Stage::Connecting);
    let commands = peer.commands();
    assert!(
        !commands.contains("AUTH") && !commands.contains("MAIL"),
        "never downgraded: {commands}"
    );
}

fn problem_step(settings: &Settings) -> Step {
    probe(settings).unwrap().problem.unwrap().0.step()
}

#[test]
fn starttls_and_tls_log_in_by_plain_and_by_login() {
    let issued = issue("localhost", Validity::Now);
    for security in [Security::Starttls, Security::Tls] {
        for mechanisms in ["PLAIN LOGIN", "LOGIN"] {
            let peer = Peer::start(Script {
                starttls: (security == Security::Starttls).then(|| issued.config.clone()),
                tls: (security == Security::Tls).then(|| issued.config.clone()),
                mechanisms: Some(mechanisms),
                ..Script::default()
            });
            let mut to = server(&peer, security);
            to.host = "localhost".into();
            (to.user, to.password) = ("news".into(), Some(Secret::new("secret")));
            let settings = Settings::new(to.clone(), std::slice::from_ref(&issued.root_pem)).unwrap();
            let mut transport = SmtpTransport::new(settings).unwrap();
            transport.deliver(&mail(SMALL)).unwrap();
            transport.close();
            assert_eq!(peer.mails(), 1, "{security:?} {mechanisms}");
            to.password = Some(Secret::new("wrong"));
            let settings = Settings::new(to, std::slice::from_ref(&issued.root_pem)).unwrap();
            let (problem, sentence) = probe(&settings).unwrap().problem.unwrap();
            assert_eq!(problem.step(), Step::Login);
            assert_eq!(
                sentence,
                "The server localhost refused the login for \"news\" (535 5.7.8 Error: authentication failed). \
                 Check the password, or create an app password."
            );
            let error = SmtpTransport::new(settings)
                .unwrap()
                .deliver(&mail(SMALL))
                .unwrap_err();
            assert_eq!((error.kind, error.code), (ErrorKind::Auth, Some(535)));
        }
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_apart() {
    let good = issue("localhost", Validity::Now);
    let other = issue("localhost", Validity::Now);
    let named = issue("mail.example.org", Validity::Now);
    let past = issue("localhost", Validity::Past);
    let table = [
        (&good, &other.root_pem, CertificateProblem::UnknownIssuer),
        (&named, &named.root_pem, CertificateProblem::WrongName),
        (&past, &past.root_pem, CertificateProblem::Expired),
    ];
    for (issued, root, expected) in table {
        let peer = Peer::start(Script {
            tls: Some(issued.config.clone()),
            ..Script::default()
        });
        let mut to = server(&peer, Security::Tls);
        to.host = "localhost".into();
        let probe = probe(&Settings::new(to, std::slice::from_ref(root)).unwrap()).unwrap();
        let (problem, sentence) = probe.problem.unwrap();
        assert_eq!(problem, Problem::Certificate(expected), "{sentence}");
        assert_eq!(problem.step(), Step::Certificate);
    }
}

#[test]
fn tls_at_a_port_that_begins_in_the_clear_points_to_starttls() {
    let peer = Peer::start(Script::default());
    let root = issue("localhost", Validity::Now).root_pem;
    let mut to = server(&peer, Security::Tls);
    to.host = "localhost".into();
    let (problem, sentence) = probe(&Settings::new(to, &[root]).unwrap())
        .unwrap()
        .problem
        .unwrap();
    assert_eq!(problem.step(), Step::Tls);
    assert!(sentence.contains("choose STARTTLS"), "{sentence}");
}

/// One mail by hand: each command in one write, as a plain client does.
fn by_hand(talk: &mut BufReader<TcpStream>, bytes: &[u8]) {
    let mut ask = |out: &[u8]| {
        talk.get_mut().write_all(out).unwrap();
        let mut line = String::new();
        talk.read_line(&mut line).unwrap();
    };
    ask(b"MAIL FROM:<club@example.org>\r\n");
    ask(b"RCPT TO:<ana@example.org>\r\n");
    ask(b"DATA\r\n");
    ask(&[bytes, b"\r\n.\r\n"].concat());
}

/// sending.md: lettre's own stream waits 40 ms a mail for the peer's delayed acknowledgement.
#[test]
fn no_mail_waits_for_a_delayed_acknowledgement() {
    let body = [
        b"Subject: Hello\r\n\r\n".as_slice(),
        &b"0123456789abcdef\r\n".repeat(600),
    ]
    .concat();
    let (warm_up, mails) = (20, 40);
    let peer = Peer::start(Script::default());
    let stream = TcpStream::connect(peer.address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut talk = BufReader::new(stream);
    talk.read_line(&mut String::new()).unwrap();
    (0..warm_up).for_each(|_| by_hand(&mut talk, &body));
    let start = Instant::now();
    (0..mails).for_each(|_| by_hand(&mut talk, &body));
    let reference = start.elapsed();

    let mut transport = plain(&peer);
    (0..warm_up).for_each(|_| drop(transport.deliver(&mail(&body)).unwrap()));
    let start = Instant::now();
    (0..mails).for_each(|_| drop(transport.deliver(&mail(&body)).unwrap()));
    let ours = start.elapsed();
    // A millisecond a mail at least, so that neither a fast machine's noise nor a busy one is a ratio: the wait is 40.
    let reference = reference.max(Duration::from_millis(1) * mails);
    assert!(
        ours < reference * 10,
        "{mails} mails took {ours:?}, by hand {reference:?}: the end of a mail waits for an acknowledgement"
    );
}
