//! Servers that break the protocol: words that nobody asked for, no text, no end, no patience.

use super::peer::{Ending, Peer, Script};
use super::tests::{SMALL, Validity, error_of, issue, mail, plain};
use super::{Secret, Security, Server, Settings, SmtpTransport, TokenError, Tokens, probe};
use crate::delivery::transport::{ErrorKind, OutgoingMail, Stage, Transport};
use std::sync::Arc;

fn to(email: &str) -> OutgoingMail<'_> {
    OutgoingMail {
        to: email,
        ..mail(SMALL)
    }
}

#[test]
fn words_that_nobody_asked_for_are_never_the_reply_to_the_next_mail() {
    // One reply too many after the first mail: in step with it, the second mail's 550 would be read as its DATA's
    // reply, and its 354 as the reply to its end.
    let peer = Peer::start(Script {
        end: |index| match index {
            0 => Ending::Raw(b"250 2.0.0 Ok: queued\r\n250 2.0.0 Ok: and another\r\n"),
            _ => Ending::Reply("550 5.7.1 Not this one"),
        },
        ..Script::default()
    });
    let mut transport = plain(&peer);
    assert_eq!(
        transport.deliver(&to("ana@example.org")).unwrap().reply,
        "250 2.0.0 Ok: queued"
    );
    let error = transport.deliver(&to("bo@example.org")).unwrap_err();
    assert_eq!(
        error.reply, "550 5.7.1 Not this one",
        "its own reply, and no other mail's"
    );
    let seen = peer.seen.lock().unwrap();
    assert_eq!(seen.connections, 2, "a connection that is out of step is left");
    let mails = seen
        .commands
        .iter()
        .filter(|line| line.starts_with("MAIL"))
        .count();
    assert_eq!(mails, 2, "nothing was begun on it: {:?}", seen.commands);
}

#[test]
fn words_that_nobody_asked_for_on_a_new_connection_are_an_error_that_names_them() {
    for script in [
        Script {
            mail: "250 Ok\r\n250 Ok",
            ..Script::default()
        },
        Script {
            rcpt: |_| "250 Ok\r\n550 No",
            ..Script::default()
        },
        // The reply to the mail's end is there before the mail.
        Script {
            data: "354 Go\r\n250 2.0.0 Ok: queued",
            ..Script::default()
        },
    ] {
        let error = error_of(script, SMALL);
        assert_eq!(
            (error.kind, error.stage, error.code),
            (ErrorKind::Network, Stage::BeforeBody, None),
            "{error}"
        );
        assert!(error.reply.contains("nobody had asked for"), "{error}");
    }
}

#[test]
fn a_yes_to_another_question_is_no_yes() {
    let no_mail_wanted = error_of(
        Script {
            data: "250 2.0.0 Ok",
            ..Script::default()
        },
        SMALL,
    );
    assert_eq!(
        (no_mail_wanted.stage, no_mail_wanted.code),
        (Stage::BeforeBody, None)
    );
    assert!(
        no_mail_wanted.reply.contains("out of step: 250 2.0.0 Ok"),
        "{no_mail_wanted}"
    );
    let go_on = error_of(
        Script {
            end: |_| Ending::Reply("354 Go on"),
            ..Script::default()
        },
        SMALL,
    );
    assert!(
        go_on.is_uncertain(),
        "the mail's end was said, and not answered: {go_on:?}"
    );
    let early = error_of(
        Script {
            mail: "354 Go",
            ..Script::default()
        },
        SMALL,
    );
    assert_eq!((early.stage, early.code), (Stage::BeforeBody, None));
}

#[test]
fn replies_that_are_no_text_or_come_byte_by_byte_or_are_bare_are_replies() {
    for (end, reply) in [
        (Ending::Raw(b"250 2.0.0 re\xe7u\r\n"), "250 2.0.0 re\u{fffd}u"),
        (
            Ending::Raw(b"250-2.0.0 \xff\xfe\r\n250 two\r\n"),
            "250 2.0.0 \u{fffd}\u{fffd} two",
        ),
        (Ending::Raw(b"250 2.0.0 Ok\n"), "250 2.0.0 Ok"),
        (Ending::Raw(b"250\r\n"), "250"),
        (Ending::Slowly("250 2.0.0 Ok: queued"), "250 2.0.0 Ok: queued"),
    ] {
        static ENDING: std::sync::Mutex<Option<Ending>> = std::sync::Mutex::new(None);
        *ENDING.lock().unwrap() = Some(end);
        let peer = Peer::start(Script {
            end: |_| ENDING.lock().unwrap().expect("it was set"),
            ..Script::default()
        });
        let mut transport = plain(&peer);
        for _ in 0..2 {
            assert_eq!(transport.deliver(&mail(SMALL)).unwrap().reply, reply);
        }
        assert_eq!(
            peer.seen.lock().unwrap().connections,
            1,
            "{reply}: the connection is kept"
        );
    }
}

#[test]
fn a_reply_of_a_megabyte_is_given_up_by_name_and_a_long_one_is_cut() {
    static MEGABYTE: [u8; 1 << 20] = [b'2'; 1 << 20];
    let error = error_of(
        Script {
            end: |_| Ending::Raw(&MEGABYTE),
            ..Script::default()
        },
        SMALL,
    );
    assert!(error.is_uncertain(), "nobody knows what it was to say: {error:?}");
    assert!(
        error.reply.contains("a line of more than 65536 bytes: 222"),
        "{error}"
    );
    assert!(error.reply.len() < 1000, "and it is not kept");

    static LONG: std::sync::LazyLock<Vec<u8>> =
        std::sync::LazyLock::new(|| [b"250 2.0.0 ".as_slice(), &[b'x'; 30_000], b"\r\n"].concat());
    let peer = Peer::start(Script {
        end: |_| Ending::Raw(&LONG),
        ..Script::default()
    });
    let accepted = plain(&peer).deliver(&mail(SMALL)).unwrap();
    assert!(accepted.reply.starts_with("250 2.0.0 xxx") && accepted.reply.len() <= 1000);
}

#[test]
fn what_is_no_reply_is_an_error_that_names_it() {
    let error = error_of(
        Script {
            mail: "HTTP/1.1 400 Bad Request",
            ..Script::default()
        },
        SMALL,
    );
    assert_eq!((error.stage, error.code), (Stage::BeforeBody, None));
    assert!(error.reply.contains("no reply: HTTP/1.1 400"), "{error}");
}

#[test]
fn a_refusal_in_the_middle_of_a_mail_is_its_answer_and_its_end_never_leaves() {
    // More than sockets buffer, so that the refusal is there before the mail's end could be written.
    let large = [
        b"Subject: Large\r\n\r\n".as_slice(),
        &b"0123456789abcde\r\n".repeat(2_000_000),
    ]
    .concat();
    let peer = Peer::start(Script {
        end: |index| match index {
            0 => Ending::Refuse(10_000, "552 5.3.4 Message too big"),
            _ => Ending::Reply("250 Ok"),
        },
        ..Script::default()
    });
    let mut transport = plain(&peer);
    let error = transport.deliver(&mail(&large)).unwrap_err();
    assert_eq!(
        (error.kind, error.stage, error.code),
        (ErrorKind::Message, Stage::BeforeBody, Some(552)),
        "{error}"
    );
    assert_eq!(peer.mails(), 0, "its end never left");
}

#[test]
fn no_password_is_among_what_was_said_however_one_logs_in() {
    for (mechanisms, password) in [("PLAIN LOGIN", "secret"), ("LOGIN", "secret"), ("LOGIN", "wrong")] {
        let peer = Peer::start(Script {
            mechanisms: Some(mechanisms),
            ..Script::default()
        });
        let root = issue("localhost", Validity::Now).root_pem;
        let server = Server {
            host: "127.0.0.1".into(),
            port: peer.address.port(),
            security: Security::None,
            user: "news".into(),
            password: Some(Secret::new(password)),
            tokens: None,
            exception: None,
        };
        let mut transport = SmtpTransport::new(Settings::new(server, &[root]).unwrap()).unwrap();
        let result = transport.deliver(&mail(SMALL));
        assert_eq!(result.is_ok(), password == "secret");
        let said = transport.take_dialogue().join("\n");
        assert!(said.contains("> AUTH "), "{said}");
        // The same in base64: of the user with the password, and of the password.
        for secret in [password, "AG5ld3MAc2VjcmV0", "c2VjcmV0", "d3Jvbmc", "bmV3cw"] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
        assert_eq!(said.contains("535 5.7.8"), password == "wrong", "{said}");
    }
}

/// Gives one token, whatever is asked.
struct OneToken(&'static str);

impl Tokens for OneToken {
    fn token(&self, _: Option<&Secret>) -> Result<Secret, TokenError> {
        Ok(Secret::new(self.0))
    }
}

#[test]
fn what_a_server_repeats_of_a_login_is_kept_nowhere() {
    let token = "ya29.a0AfB_byC-quiet-harbour-and-more";
    for (mechanism, secret) in [
        ("PLAIN", "quiet harbour lane"),
        ("PLAIN", "k4t"),
        ("LOGIN", "quiet-harbour"),
        ("XOAUTH2", token),
    ] {
        let peer = Peer::start(Script {
            mechanisms: Some(mechanism),
            bearer: Some(Arc::new(|_: &str| false)),
            echoes: true,
            ..Script::default()
        });
        let is_token = mechanism == "XOAUTH2";
        let server = Server {
            host: "127.0.0.1".into(),
            port: peer.address.port(),
            security: Security::None,
            user: "news".into(),
            password: (!is_token).then(|| Secret::new(secret)),
            tokens: is_token.then(|| Arc::new(OneToken(token)) as Arc<dyn Tokens>),
            exception: None,
        };
        let root = issue("localhost", Validity::Now).root_pem;
        let settings = Settings::new(server, &[root]).unwrap();
        let probed = probe(&settings).unwrap().problem.unwrap();
        let mut transport = SmtpTransport::new(settings).unwrap();
        let error = transport.deliver(&mail(SMALL)).unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Auth, Some(535)), "{error}");
        let said = transport.take_dialogue().join("\n");
        let kept = format!("{said}\n{}\n{}\n{}", error.reply, probed.1, probed.0.words());
        let line = match mechanism {
            "PLAIN" => format!("\0news\0{secret}"),
            "LOGIN" => secret.to_owned(),
            _ => format!("user=news\x01auth=Bearer {secret}\x01\x01"),
        };
        let line = data_encoding::BASE64.encode(line.as_bytes());
        let (half, capitals) = (&line[..line.len() / 2], line.to_uppercase());
        for repeated in [line.as_str(), half, capitals.as_str()]
            .into_iter()
            .chain(secret.split(' '))
        {
            assert!(!kept.contains(repeated), "{repeated} of {mechanism} in {kept}");
        }
        // What else it says is there.
        for part in [&said, &error.reply, &probed.1] {
            assert!(part.contains("5.7.8") && part.contains("(not kept)"), "{part}");
            let words = ["authentication failed", "not accepted"];
            assert!(words.iter().any(|words| part.contains(words)), "{part}");
        }
    }
}

#[test]
fn what_was_said_is_kept_for_each_mail_without_the_mail() {
    let peer = Peer::start(Script {
        rcpt: |line| match line.contains("ana") {
            true => "550 5.1.1 No such user",
            false => "250 Ok",
        },
        ..Script::default()
    });
    let mut transport = plain(&peer);
    transport.deliver(&to("ana@example.org")).unwrap_err();
    let first = transport.take_dialogue();
    assert_eq!(first[0], "< 220 peer ESMTP");
    assert_eq!(
        first[first.len() - 6..],
        [
            "> MAIL FROM:<club@example.org>",
            "< 250 2.1.0 Ok",
            "> RCPT TO:<ana@example.org>",
            "< 550 5.1.1 No such user",
            "> RSET",
            "< 250 2.0.0 Ok",
        ]
    );
    transport.deliver(&to("bo@example.org")).unwrap();
    let bytes = SMALL.len() + 1;
    assert_eq!(
        transport.take_dialogue(),
        [
            "> MAIL FROM:<club@example.org>".to_owned(),
            "< 250 2.1.0 Ok".into(),
            "> RCPT TO:<bo@example.org>".into(),
            "< 250 Ok".into(),
            "> DATA".into(),
            "< 354 Go".into(),
            format!("> … {bytes} bytes"),
            "< 250 2.0.0 Ok: queued".into(),
        ],
        "of this mail only, and of its bytes the number, the doubled dot with them"
    );
}
