//! The whole login against a strict server, and what else can come to its port.

use super::server::{AuthServer, CLIENT, SECRET, browse, raw};
use super::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const SOON: Duration = Duration::from_secs(20);

fn client(server: &AuthServer) -> Client {
    let secret = Some(Secret::new(SECRET));
    other(
        &server.authorize(),
        &server.token(),
        "mail offline_access",
        CLIENT,
        secret,
    )
    .unwrap()
}

fn begin(client: &Client) -> (Callback, Asked) {
    let callback = Callback::bind().unwrap();
    let mut random = [7; 64];
    random[32..].fill(9);
    let asked = ask(client, callback.port(), "ana@example.org", &random).unwrap();
    (callback, asked)
}

/// Waits beside `act`, which gets the port.
fn waiting(
    callback: Callback,
    asked: &Asked,
    limit: Duration,
    act: impl FnOnce(u16) + Send,
) -> Result<Secret, NoAnswer> {
    let port = callback.port();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| callback.wait(&asked.state, limit, &|| false));
        act(port);
        waiter.join().unwrap()
    })
}

fn get(port: u16, target: &str) -> String {
    raw(
        port,
        &format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"),
    )
    .unwrap()
}

#[test]
fn a_login_ends_with_tokens_and_each_renewal_replaces_the_permission() {
    let server = AuthServer::start();
    let client = client(&server);
    let (callback, asked) = begin(&client);
    let code = waiting(callback, &asked, SOON, |_| {
        let (status, page) = browse(&asked.url);
        assert_eq!(status, 200);
        assert!(page.contains("You can close this tab"), "{page}");
    })
    .unwrap();
    let granted = exchange(&client, &asked, &code).unwrap();
    assert_eq!(granted.lasts, Some(Duration::from_secs(3600)));
    let first = granted.refresh.unwrap();
    let next = refresh(&client, &first).unwrap();
    assert_ne!(next.access, granted.access);
    assert!(next.refresh.is_some_and(|next| next != first));
    assert_eq!(
        refresh(&client, &first).unwrap_err(),
        OauthError::Ended,
        "a permission that was used is dead"
    );
    assert_eq!(
        exchange(&client, &asked, &code).unwrap_err(),
        OauthError::Ended,
        "a code is good once"
    );
}

#[test]
fn a_code_is_worth_nothing_without_the_verifier_that_only_we_have() {
    let server = AuthServer::start();
    let client = client(&server);
    let (callback, asked) = begin(&client);
    let code = waiting(callback, &asked, SOON, |_| drop(browse(&asked.url))).unwrap();
    let thief = ask(&client, 1, "", &[1; 64]).unwrap();
    let thief = Asked {
        redirect: asked.redirect.clone(),
        ..thief
    };
    assert_eq!(exchange(&client, &thief, &code).unwrap_err(), OauthError::Ended);
}

#[test]
fn a_person_who_says_no_is_heard() {
    let server = AuthServer::start();
    server.state.lock().unwrap().denies = true;
    let (callback, asked) = begin(&client(&server));
    let answer = waiting(callback, &asked, SOON, |_| {
        let (_, page) = browse(&asked.url);
        assert!(page.contains("You were not signed in"), "{page}");
    });
    assert_eq!(answer.unwrap_err(), NoAnswer::Denied);
}

#[test]
fn what_does_not_carry_the_logins_state_is_refused_and_changes_nothing() {
    let server = AuthServer::start();
    let (callback, asked) = begin(&client(&server));
    let state = asked.state.clone();
    let answer = waiting(callback, &asked, SOON, |port| {
        // A connection that a browser opens ahead and never uses keeps nobody waiting.
        let _idle = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let strangers = [
            "/?code=stolen&state=wrong".to_owned(),
            "/?code=stolen".to_owned(),
            format!("/?state={state}"),
            format!("/?code=&state={state}"),
            format!("/other?code=stolen&state={state}"),
            format!("/?code=stolen&state={state}&state={state}"),
            format!("/?code=stolen&error=access_denied&state={state}"),
            "/favicon.ico".to_owned(),
        ];
        for target in strangers {
            let reply = get(port, &target);
            assert!(reply.starts_with("HTTP/1.1 404"), "{target}: {reply}");
            assert!(!reply.contains("stolen"), "nothing is echoed: {reply}");
        }
        let elsewhere =
            format!("GET /?code=stolen&state={state} HTTP/1.1\r\nHost: rebound.example.org:{port}\r\n\r\n");
        assert!(raw(port, &elsewhere).unwrap().starts_with("HTTP/1.1 404"));
        let posted = format!("POST /?code=stolen&state={state} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        assert!(raw(port, &posted).unwrap().starts_with("HTTP/1.1 404"));
        let reply = get(
            port,
            &format!("/?code=ours&state={state}&iss=https%3A%2F%2Fexample.org"),
        );
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
        assert!(
            reply.contains("Cache-Control: no-store") && reply.contains("Referrer-Policy: no-referrer"),
            "the code stays in no cache and goes to no other page: {reply}"
        );
    });
    assert_eq!(answer.unwrap(), Secret::new("ours"));
}

#[test]
fn the_first_answer_closes_the_port() {
    let server = AuthServer::start();
    let (callback, asked) = begin(&client(&server));
    let port = callback.port();
    let target = format!("/?code=ours&state={}", asked.state);
    waiting(callback, &asked, SOON, |port| drop(get(port, &target))).unwrap();
    let second = std::net::TcpStream::connect(("127.0.0.1", port));
    assert!(second.is_err(), "nobody listens once the login has its answer");
}

#[test]
fn a_login_that_nobody_finishes_ends_by_itself_or_when_it_is_cancelled() {
    let server = AuthServer::start();
    let (callback, asked) = begin(&client(&server));
    let answer = waiting(callback, &asked, Duration::from_millis(50), |_| {});
    assert_eq!(answer.unwrap_err(), NoAnswer::Timeout);

    let (callback, asked) = begin(&client(&server));
    let cancelled = AtomicBool::new(true);
    let answer = callback.wait(&asked.state, SOON, &|| cancelled.load(Ordering::SeqCst));
    assert_eq!(answer.unwrap_err(), NoAnswer::Cancelled);
}

#[test]
fn who_guesses_states_is_stopped() {
    let server = AuthServer::start();
    let (callback, asked) = begin(&client(&server));
    let answer = waiting(callback, &asked, SOON, |port| {
        let request = format!("GET /?code=x&state=wrong HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        while raw(port, &request).is_ok() {}
    });
    assert_eq!(answer.unwrap_err(), NoAnswer::Strangers);
}

#[test]
fn a_services_odd_words_become_errors_without_its_secrets() {
    let server = AuthServer::start();
    let known = client(&server);
    let token = Secret::new("refresh-of-ours");
    let stranger = Client {
        secret: Some(Secret::new("another secret")),
        ..known.clone()
    };
    assert!(matches!(
        refresh(&stranger, &token).unwrap_err(),
        OauthError::Client(_)
    ));
    let table = [
        (200, r#"{"access_token":"leak","token_type":7}"#, OauthError::Odd),
        (200, "leak", OauthError::Odd),
        (302, "", OauthError::Odd),
        (
            400,
            r#"{"error":"invalid_scope","error_description":"no\nmail"}"#,
            OauthError::Refused("invalid_scope: no mail".into()),
        ),
        (400, r#"{"error":"interaction_required"}"#, OauthError::Ended),
    ];
    for (status, body, expected) in table {
        server.state.lock().unwrap().answers = Some((status, body));
        let error = refresh(&known, &token).unwrap_err();
        assert_eq!(error, expected, "{status} {body}");
        assert!(!format!("{error:?} {error}").contains("leak"));
    }
    for (status, body) in [
        (500, "leak"),
        (503, r#"{"error":"invalid_grant","error_description":"leak"}"#),
        (429, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"temporarily_unavailable"}"#),
        (400, r#"{"error":"server_error"}"#),
    ] {
        server.state.lock().unwrap().answers = Some((status, body));
        let error = refresh(&known, &token).unwrap_err();
        assert!(
            matches!(&error, OauthError::Unreachable(words) if words.contains("busy")),
            "{status} {body} {error:?}"
        );
        assert!(!format!("{error:?}").contains("leak"), "{error:?}");
    }
    drop(server);
    let error = refresh(&known, &token).unwrap_err();
    assert!(matches!(error, OauthError::Unreachable(_)), "{error:?}");
    let shown = format!("{known:?} {error:?} {error}");
    assert!(
        !shown.contains("refresh-of-ours") && !shown.contains(SECRET),
        "{shown}"
    );
}

#[test]
fn google_and_microsoft_are_asked_as_they_document_it() {
    let parts = |client: &Client| -> std::collections::BTreeMap<String, String> {
        let url = ask(client, 4321, "ana@example.org", &[3; 64]).unwrap().url;
        url::Url::parse(&url)
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect()
    };
    let google = parts(&Service::Google.client("id", None, ""));
    assert_eq!(google["scope"], "https://mail.google.com/");
    assert_eq!(google["redirect_uri"], "http://127.0.0.1:4321/");
    assert_eq!(
        (&*google["access_type"], &*google["code_challenge_method"]),
        ("offline", "S256")
    );
    let microsoft = parts(&Service::Microsoft.client("id", None, "common"));
    assert_eq!(
        microsoft["scope"],
        "https://outlook.office.com/SMTP.Send offline_access"
    );
    assert_eq!(microsoft["redirect_uri"], "http://localhost:4321");
    assert_eq!(microsoft["login_hint"], "ana@example.org");
    assert!(!microsoft.contains_key("client_secret"));
}
