//! What is seen, and what is said of it.
//!
//! Over 600 lines: most of it is one table, which is read best as one.

use super::*;
use crate::reach::probe::sight::Certificate;
use ProbeVerdict as V;

const PROVED: &str = "right";

fn now() -> Instant {
    "2026-04-01T08:00:00Z".parse().unwrap()
}

fn ending(days: i64) -> Certificate {
    Certificate {
        until: (now() + chrono::TimeDelta::days(days)).timestamp(),
        names: vec!["news.harbour-club.eu".into()],
        is_self_signed: false,
    }
}

fn sight(end: End) -> Sight {
    Sight {
        host: "news.harbour-club.eu".into(),
        port: 443,
        addresses: vec!["203.0.113.7".parse().unwrap()],
        is_own: false,
        of_the_world: true,
        certificate: Some(ending(60)),
        expected: PROVED.into(),
        end,
    }
}

fn answer(status: u16, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
    Answer {
        status,
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.as_ref().to_vec(),
    }
}

fn once(first: Answer) -> End {
    End::Answer { first, again: None }
}

fn proved(fields: &[(&str, &str)]) -> Answer {
    let mut all = vec![("x-casement-proof", PROVED), ("content-type", "image/gif")];
    all.extend(fields);
    answer(200, &all, GIF)
}

/// What a service in front answers, and what is said: the verdict, a part of the sentence, a part of the advice.
#[test]
fn what_is_seen_has_one_verdict_in_plain_words() {
    let html = [("content-type", "text/html")];
    let cloudflare = [("server", "cloudflare")];
    let chunked = [b"2b\r\n".as_slice(), &GIF, b"\r\n0\r\n\r\n"].concat();
    let table: Vec<(&str, End, V, &str, &str)> = vec![
        (
            "the right proof",
            once(proved(&[])),
            V::Ok,
            "This Casement answers",
            "",
        ),
        (
            "the right proof in chunks",
            once(answer(200, &[("x-casement-proof", PROVED)], chunked)),
            V::Ok,
            "This Casement answers",
            "",
        ),
        (
            "the right proof, passed through a cache that keeps nothing",
            once(proved(&[
                ("cf-cache-status", "DYNAMIC"),
                ("age", "0"),
                ("x-cache", "MISS"),
            ])),
            V::Ok,
            "This Casement answers",
            "",
        ),
        (
            "asked twice, the second time not answered",
            End::Answer {
                first: proved(&[]),
                again: Some(answer(404, &[], "There is nothing here.\n")),
            },
            V::Ok,
            "This Casement answers",
            "",
        ),
        (
            "asked twice, answered twice",
            End::Answer {
                first: proved(&[]),
                again: Some(proved(&[])),
            },
            V::Cached,
            "keeps answers",
            "no-store",
        ),
        (
            "an age",
            once(proved(&[("age", "12")])),
            V::Cached,
            "keeps answers",
            "no-store",
        ),
        (
            "Cloudflare's hit",
            once(proved(&[("cf-cache-status", "HIT")])),
            V::Cached,
            "keeps answers",
            "no-store",
        ),
        (
            "Varnish's and CloudFront's hit",
            once(proved(&[("x-cache", "Hit from cloudfront")])),
            V::Cached,
            "keeps answers",
            "no-store",
        ),
        (
            "a stale proof",
            once(answer(
                200,
                &[("x-casement-proof", "of before"), ("age", "300")],
                GIF,
            )),
            V::Cached,
            "keeps answers",
            "no-store",
        ),
        (
            "a page that was kept",
            once(answer(200, &[("x-cache", "HIT")], "hello")),
            V::Cached,
            "keeps answers",
            "no-store",
        ),
        (
            "the right proof without its picture",
            once(answer(200, &[("x-casement-proof", PROVED)], "<svg/>")),
            V::Foreign,
            "changed its answer",
            "Switch off",
        ),
        (
            "another workspace's proof",
            once(answer(200, &[("x-casement-proof", "wrong")], GIF)),
            V::OtherCasement,
            "not this one",
            "Stop it there",
        ),
        (
            "a Casement that does not know the question",
            once(answer(
                404,
                &[("content-type", "text/plain; charset=utf-8")],
                "There is nothing here.\n",
            )),
            V::OtherCasement,
            "not this one",
            "Stop it there",
        ),
        (
            "ngrok's warning page, by its field",
            once(answer(200, &[("ngrok-error-code", "ERR_NGROK_6024")], "<html>")),
            V::Interstitial,
            "ngrok shows a warning page",
            "paid",
        ),
        (
            "ngrok's warning page, by its words",
            once(answer(
                200,
                &html,
                "<html><title>x</title>set the header <b>ngrok-skip-browser-warning</b>",
            )),
            V::Interstitial,
            "ngrok shows a warning page",
            "paid",
        ),
        (
            "Cloudflare's challenge, by its field",
            once(answer(
                403,
                &[("cf-mitigated", "challenge"), ("server", "cloudflare")],
                "",
            )),
            V::Interstitial,
            "prove that they are people",
            "add a rule",
        ),
        (
            "Cloudflare's challenge, by its words",
            once(answer(503, &cloudflare, "<title>Just a moment...</title>")),
            V::Interstitial,
            "prove that they are people",
            "add a rule",
        ),
        (
            "Cloudflare Access",
            once(answer(
                302,
                &[(
                    "location",
                    "https://club.cloudflareaccess.com/cdn-cgi/access/login/news",
                )],
                "",
            )),
            V::Interstitial,
            "log in first",
            "without a login",
        ),
        (
            "a password",
            once(answer(401, &[("www-authenticate", "Basic realm=x")], "")),
            V::Interstitial,
            "log in first",
            "without a login",
        ),
        (
            "a network that wants a login",
            once(answer(511, &html, "")),
            V::NoNetwork,
            "asks you to log in",
            "browser",
        ),
        (
            "localtunnel's page",
            once(answer(401, &html, "send the header bypass-tunnel-reminder")),
            V::Interstitial,
            "localtunnel shows",
            "another way",
        ),
        (
            "Pinggy's page",
            once(answer(200, &html, "<title>Pinggy</title> You are about to visit")),
            V::Interstitial,
            "Pinggy shows",
            "another way",
        ),
        (
            "zrok's page",
            once(answer(200, &html, "set skip_zrok_interstitial")),
            V::Interstitial,
            "zrok shows",
            "another way",
        ),
        (
            "Cloudflare 1033 as 530",
            once(answer(530, &cloudflare, "error code: 1033")),
            V::NothingBehind,
            "1033",
            "Start the tunnel",
        ),
        (
            "Cloudflare 1033 as a page",
            once(answer(404, &cloudflare, "<title>Error 1033</title>")),
            V::NothingBehind,
            "1033",
            "Start the tunnel",
        ),
        (
            "Cloudflare 521",
            once(answer(521, &cloudflare, "")),
            V::NothingBehind,
            "error 521",
            "behind Cloudflare",
        ),
        (
            "Cloudflare 522",
            once(answer(522, &cloudflare, "")),
            V::NothingBehind,
            "error 522",
            "behind Cloudflare",
        ),
        (
            "Cloudflare 523",
            once(answer(523, &cloudflare, "")),
            V::NothingBehind,
            "error 523",
            "behind Cloudflare",
        ),
        (
            "nginx 502",
            once(answer(502, &[("server", "nginx")], "<h1>502 Bad Gateway</h1>")),
            V::NothingBehind,
            "error 502",
            "the server in front",
        ),
        (
            "Caddy 502",
            once(answer(502, &[("server", "Caddy")], "")),
            V::NothingBehind,
            "error 502",
            "the server in front",
        ),
        (
            "504",
            once(answer(504, &[], "")),
            V::NothingBehind,
            "error 504",
            "the server in front",
        ),
        (
            "our own 503",
            once(answer(503, &[], GIF)),
            V::NothingBehind,
            "cannot take anything",
            "listener",
        ),
        (
            "our own 429",
            once(answer(429, &[], GIF)),
            V::NothingBehind,
            "cannot take anything",
            "listener",
        ),
        (
            "ngrok without a tunnel",
            once(answer(404, &[("ngrok-error-code", "ERR_NGROK_3200")], "<html>")),
            V::NothingBehind,
            "ERR_NGROK_3200",
            "Start the tunnel",
        ),
        (
            "ngrok without a tunnel, by its words",
            once(answer(404, &html, "The endpoint is offline. ERR_NGROK_3200")),
            V::NothingBehind,
            "ERR_NGROK_3200",
            "Start the tunnel",
        ),
        (
            "ngrok's limit",
            once(answer(429, &[("ngrok-error-code", "ERR_NGROK_727")], "")),
            V::NothingBehind,
            "limit of your account",
            "Raise the limit",
        ),
        (
            "ngrok, Casement off",
            once(answer(502, &[("ngrok-error-code", "ERR_NGROK_8012")], "")),
            V::NothingBehind,
            "does not find Casement",
            "port",
        ),
        (
            "localhost.run",
            once(answer(503, &html, "no tunnel here :(")),
            V::NothingBehind,
            "error 503",
            "tunnel",
        ),
        (
            "frp",
            once(answer(
                404,
                &html,
                "The server is powered by <a href=\"https://github.com/fatedier/frp\">frp</a>",
            )),
            V::NothingBehind,
            "no tunnel to this computer",
            "Start the tunnel",
        ),
        (
            "https to http",
            once(answer(301, &[("location", "http://news.harbour-club.eu/x")], "")),
            V::Redirect,
            "without encryption",
            "Switch the redirect off",
        ),
        (
            "host to www",
            once(answer(308, &[("location", "https://www.harbour-club.eu/x")], "")),
            V::Redirect,
            "to www.harbour-club.eu",
            "use https://www.harbour-club.eu",
        ),
        (
            "to a page of its own",
            once(answer(302, &[("location", "/start")], "")),
            V::Redirect,
            "another page of its own",
            "Switch the redirect off",
        ),
        (
            "to nowhere",
            once(answer(302, &[], "")),
            V::Redirect,
            "to another page",
            "Switch the redirect off",
        ),
        (
            "somebody's page",
            once(answer(200, &html, "<HTML><Title>\n My\n boat </Title>")),
            V::Foreign,
            "\u{201c}My boat\u{201d}",
            "hand on all paths",
        ),
        (
            "somebody's 404",
            once(answer(404, &[("server", "nginx/1.24")], "")),
            V::Foreign,
            "nginx/1.24, answer 404",
            "hand on all paths",
        ),
        (
            "a picture without a proof",
            once(answer(200, &[], GIF)),
            V::Foreign,
            "without Casement's proof",
            "unchanged",
        ),
        (
            "http asked for",
            End::PlainHttp,
            V::PlainHttp,
            "http://",
            "https://",
        ),
        (
            "http answered",
            End::Tls(TlsFault::Plain),
            V::PlainHttp,
            "speaks http",
            "certificate",
        ),
        (
            "a certificate that is over",
            End::Tls(TlsFault::Expired),
            V::Certificate,
            "ended on 31 May 2026",
            "Renew",
        ),
        (
            "one to come",
            End::Tls(TlsFault::NotYetValid),
            V::Certificate,
            "not valid yet",
            "clock",
        ),
        (
            "one for others",
            End::Tls(TlsFault::OtherName),
            V::Certificate,
            "it names news.harbour-club.eu",
            "hotel",
        ),
        (
            "one that nobody vouches for",
            End::Tls(TlsFault::Unvouched),
            V::Certificate,
            "from nobody",
            "Let's Encrypt",
        ),
        (
            "a broken one",
            End::Tls(TlsFault::Certificate("revoked".into())),
            V::Certificate,
            "revoked",
            "new one",
        ),
        (
            "a server that does not know the name",
            End::Tls(TlsFault::Broken("unrecognised name".into())),
            V::NothingBehind,
            "no encrypted connection",
            "tunnel",
        ),
        (
            "NXDOMAIN",
            End::Name(NameFault::Unknown),
            V::Name,
            "Nobody knows the name",
            "spelling",
        ),
        (
            "silence of names",
            End::Name(NameFault::Silent),
            V::Name,
            "could not be looked up",
            "Wait",
        ),
        (
            "failure of names",
            End::Name(NameFault::Failed),
            V::Name,
            "could not be looked up",
            "Wait",
        ),
        (
            "refused",
            End::Refused,
            V::Refused,
            "nothing answers there at port 443",
            "router",
        ),
        ("no way", End::NoWay, V::Timeout, "no way through", "router"),
        (
            "silence of the port",
            End::Timeout(Stage::Connect),
            V::Timeout,
            "within ten seconds",
            "router",
        ),
        (
            "silence of the encryption",
            End::Timeout(Stage::Tls),
            V::Timeout,
            "within ten seconds",
            "firewall",
        ),
        (
            "silence of the server",
            End::Timeout(Stage::Answer),
            V::Timeout,
            "gave no answer",
            "leads to this computer",
        ),
        (
            "closed",
            End::HungUp,
            V::NothingBehind,
            "closed the connection",
            "tunnel",
        ),
        ("noise", End::Noise, V::Foreign, "no web server", "port"),
        (
            "offline",
            End::NoNetwork,
            V::NoNetwork,
            "not connected",
            "Connect it",
        ),
    ];
    for (what, end, verdict, sentence, advice) in table {
        let found = judge(&sight(end), now());
        assert_eq!(found.verdict, verdict, "{what}: {}", found.sentence);
        assert!(found.sentence.contains(sentence), "{what}: {}", found.sentence);
        let said = found.advice.clone().unwrap_or_default();
        assert!(said.contains(advice), "{what}: {said}");
        assert_eq!(
            found.advice.is_none(),
            found.verdict == V::Ok,
            "{what}: whoever is told of a fault is told what to do"
        );
        for text in [found.sentence, said] {
            assert!(text.is_empty() || text.ends_with(['.', ':']), "{what}: {text}");
            assert!(!text.contains('!'), "{what}: {text}");
            for jargon in ["DNS", "TLS", "NXDOMAIN", "nonce", "HTTP "] {
                assert!(!text.contains(jargon), "{what}: {text}");
            }
        }
    }
}

#[test]
fn a_certificate_that_ends_soon_is_good_and_spoken_of() {
    for (days, words) in [
        (60, None),
        (15, None),
        (14, Some("in 14 days")),
        (1, Some("tomorrow")),
        (0, Some("today")),
    ] {
        let mut seen = sight(once(proved(&[])));
        seen.certificate = Some(ending(days));
        let found = judge(&seen, now());
        assert_eq!(found.verdict, V::Ok);
        match words {
            Some(words) => assert!(found.advice.unwrap().contains(words), "{days}"),
            None => assert_eq!(found.advice, None, "{days}"),
        }
    }
}

#[test]
fn what_leads_back_into_the_own_network_says_nothing_of_readers() {
    for address in [
        "192.168.1.4",
        "10.0.0.2",
        "127.0.0.1",
        "100.64.0.9",
        "fd00::1",
        "::ffff:172.16.0.1",
    ] {
        for end in [
            once(proved(&[])),
            End::Refused,
            End::Timeout(Stage::Connect),
            End::Tls(TlsFault::OtherName),
            once(answer(200, &[], "<title>router</title>")),
        ] {
            let mut seen = sight(end);
            seen.addresses = vec![address.parse().unwrap()];
            let found = judge(&seen, now());
            assert_eq!(found.verdict, V::CannotSelfTest, "{address}");
            assert!(found.sentence.contains("inside"), "{}", found.sentence);
            assert!(found.advice.unwrap().contains("mobile data"));
            seen.of_the_world = false;
            assert_ne!(
                judge(&seen, now()).verdict,
                V::CannotSelfTest,
                "{address}: it was meant so"
            );
            seen.of_the_world = true;
            seen.addresses.push("203.0.113.7".parse().unwrap());
            assert_ne!(
                judge(&seen, now()).verdict,
                V::CannotSelfTest,
                "{address}: and one outside"
            );
        }
    }
    let mut seen = sight(once(proved(&[])));
    seen.is_own = true;
    let found = judge(&seen, now());
    assert_eq!(found.verdict, V::Ok, "a server's own address");
    assert!(found.advice.unwrap().contains("firewall"));
    seen.end = End::Refused;
    assert!(judge(&seen, now()).sentence.contains("is this computer"));
}

#[test]
fn an_own_router_is_not_taken_for_a_failure() {
    for verdict in [V::Refused, V::Timeout] {
        assert!(
            !is_miss(verdict, false),
            "it may only not let us out and in again"
        );
        assert!(is_miss(verdict, true), "it did before");
    }
    for verdict in [V::Ok, V::CannotSelfTest] {
        assert!(!is_miss(verdict, true) && !is_miss(verdict, false));
    }
    for verdict in [
        V::Interstitial,
        V::Redirect,
        V::Cached,
        V::PlainHttp,
        V::Certificate,
        V::OtherCasement,
        V::Foreign,
        V::NothingBehind,
        V::Name,
        V::NoNetwork,
    ] {
        assert!(is_miss(verdict, false) && is_miss(verdict, true), "{verdict:?}");
    }
}

#[test]
fn words_of_others_are_shown_on_one_line_and_not_at_any_length() {
    let body = format!("<title>\u{1b}[31m{}\n\n</title>", "boat ".repeat(100));
    let found = judge(
        &sight(once(answer(200, &[("server", &"x".repeat(500))], body))),
        now(),
    );
    assert!(found.sentence.chars().count() < 260, "{}", found.sentence);
    assert!(!found.sentence.contains(char::is_control));
}
