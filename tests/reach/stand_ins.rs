//! Programs that behave as cloudflared, ngrok and Tailscale do, on their good and on their bad days.

use super::{Bench, Found, Wanted, web_server};
use crate::harness::sshd::{is_gone, wait_until_gone};
use crate::harness::until;
use casement_core::reach::Permanence;
use casement_core::reach::tunnel::lines::recipes;
use casement_core::reach::tunnel::state::State;
use casement_core::reach::tunnel::way::Way;
use casement_core::reach::tunnel::words::Trouble;
use casement_core::reach::tunnel::{ProbeResult, Prober};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Stays, by way of a child of its own.
const STAY: &str = "sleep 600 & echo $! > $(dirname \"$0\")/grandchild; wait";

fn wanted(way: Way, program: PathBuf) -> Wanted {
    Wanted {
        way,
        program,
        key: PathBuf::new(),
        port: 4806,
        metrics: 0,
        secrets: Vec::new(),
    }
}

fn command(url: Option<&str>, pattern: Option<&str>) -> Way {
    Way::Command {
        argv: vec!["tool".into(), "http".into(), "{port}".into()],
        url: url.map(str::to_owned),
        pattern: pattern.map(str::to_owned),
        client_header: None,
    }
}

fn quick(bench: &Bench, body: &str, metrics: u16) -> Wanted {
    Wanted {
        metrics,
        ..wanted(Way::CloudflareQuick {}, bench.script("cloudflared", body))
    }
}

#[test]
fn a_quick_tunnels_address_comes_from_its_own_page() {
    let mut bench = Bench::new();
    let metrics = web_server(|path| match path {
        "/quicktunnel" => (200, r#"{"hostname":"blue-sky.trycloudflare.com"}"#.into()),
        "/ready" => (200, r#"{"readyConnections":1}"#.into()),
        _ => (404, String::new()),
    });
    let wanted = quick(&bench, STAY, metrics);
    bench.follow(&wanted, Arc::new(Found));
    let status = bench.until_state(State::Live);
    let seen = status.seen.unwrap();
    assert_eq!(seen.url, "https://blue-sky.trycloudflare.com");
    assert_eq!(seen.permanence, Permanence::Temporary);
    let arguments = bench.arguments();
    assert!(arguments.contains("--url http://127.0.0.1:4806"), "{arguments}");
    assert!(
        arguments.contains(&format!("--metrics 127.0.0.1:{metrics}")),
        "{arguments}"
    );
}

#[test]
fn a_quick_tunnels_address_comes_from_its_words_where_its_page_does_not_say_it() {
    let mut bench = Bench::new();
    let metrics = web_server(|path| match path {
        "/ready" => (200, String::new()),
        _ => (404, String::new()),
    });
    let words = format!("echo '|  https://red-sea.trycloudflare.com  |' >&2; {STAY}");
    let wanted = quick(&bench, &words, metrics);
    bench.follow(&wanted, Arc::new(Found));
    let status = bench.until(|status| status.seen.is_some());
    assert_eq!(status.seen.unwrap().url, "https://red-sea.trycloudflare.com");
}

#[test]
fn a_program_that_is_never_ready_is_not_called_live_and_a_page_that_hangs_delays_no_end() {
    let mut bench = Bench::new();
    // Accepts, and never says anything.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = Wanted {
        metrics: silent.local_addr().unwrap().port(),
        ..wanted(
            Way::CloudflareNamed {
                url: "https://news.example.org".into(),
            },
            bench.script("cloudflared", STAY),
        )
    };
    bench.follow(&wanted, Arc::new(Found));
    bench.until_state(State::UrlKnown);
    let (pid, asked) = (bench.pid(), silent.accept());
    assert!(asked.is_ok(), "its page is asked");
    let took = bench.end();
    assert!(is_gone(pid));
    assert!(took < Duration::from_secs(5), "the end took {took:?}");
}

#[test]
fn a_service_that_was_asked_too_often_is_left_alone_for_long() {
    let mut bench = Bench::new();
    let words = "echo 'failed to request quick Tunnel: 429 Too Many Requests' >&2; exit 1";
    let wanted = quick(&bench, words, 1);
    bench.follow(&wanted, Arc::new(Found));
    let status = bench.until_state(State::Backoff);
    assert_eq!(status.trouble, Some(Trouble::Quota));
    assert!(
        status.again_in.unwrap() > Duration::from_secs(590),
        "{:?}",
        status.again_in
    );
    bench.tunnel().wake();
    assert_eq!(
        bench.until(|_| true).starts,
        1,
        "not even another network makes it ask"
    );
}

#[test]
fn a_refused_token_needs_its_owner_and_is_shown_nowhere() {
    let mut bench = Bench::new();
    let words =
        "echo 'token eyJhIjoi is bad' >&2; echo 'ERROR Provided Tunnel token is not valid.' >&2; exit 255";
    let mut wanted = wanted(
        Way::CloudflareNamed {
            url: "https://news.example.org".into(),
        },
        bench.script("cloudflared", words),
    );
    wanted.secrets = vec!["eyJhIjoi".into()];
    bench.follow(&wanted, Arc::new(Found));
    let status = bench.until_state(State::NeedsUser);
    assert_eq!(status.trouble, Some(Trouble::Login));
    assert_eq!(
        status.lines,
        ["token … is bad", "ERROR Provided Tunnel token is not valid."]
    );
    assert_eq!(
        status.last_words.as_deref(),
        Some("ERROR Provided Tunnel token is not valid.")
    );
    assert!(!bench.arguments().contains("eyJhIjoi"));
}

#[test]
fn a_flood_of_words_neither_blocks_the_program_nor_is_kept() {
    let mut bench = Bench::new();
    let at = bench.path("flooded");
    let body = format!(
        "yes 'a line that says nothing new to anybody who reads it' | head -n 300000 >&2\n\
         yes x | tr -d '\\n' | head -c 3000000\n\
         touch {}\n{STAY}",
        at.display()
    );
    let wanted = wanted(
        command(Some("https://a.example.org"), None),
        bench.script("tool", &body),
    );
    bench.follow(&wanted, Arc::new(Found));
    until("the program should get through its flood", || {
        at.exists().then_some(())
    });
    let status = bench.until_state(State::Live);
    assert_eq!(status.lines.len(), 200);
    assert!(status.lines.iter().all(|line| line.len() < 1100));
    assert!(bench.end() < Duration::from_secs(5));
}

#[test]
fn another_address_is_noticed_while_it_runs() {
    let mut bench = Bench::new();
    let go = bench.named_pipe("go");
    let body = format!(
        "echo 'started tunnel url=https://one.ngrok-free.app'\nread x < {}\necho 'started tunnel url=https://two.ngrok-free.app'\n{STAY}",
        go.display()
    );
    let wanted = wanted(
        command(None, Some("https://*.ngrok-free.app")),
        bench.script("ngrok", &body),
    );
    bench.follow(&wanted, Arc::new(Found));
    let status = bench.until_state(State::Live);
    assert_eq!(status.seen.unwrap().url, "https://one.ngrok-free.app");
    fs::write(&go, "now\n").unwrap();
    let status = bench.until(|status| {
        status.state == State::Live
            && status
                .seen
                .as_ref()
                .is_some_and(|seen| seen.url == "https://two.ngrok-free.app")
    });
    assert_eq!(status.starts, 1);
    assert_eq!(bench.arguments().trim(), "http 4806");
}

/// Finds this computer at one address only, and counts how often it was asked for another.
struct OnlyAt {
    url: &'static str,
    others: AtomicU32,
    is_there: AtomicBool,
}

impl OnlyAt {
    fn new(url: &'static str) -> Arc<Self> {
        Arc::new(Self {
            url,
            others: AtomicU32::new(0),
            is_there: AtomicBool::new(true),
        })
    }
}

impl Prober for OnlyAt {
    fn probe(&self, url: &str) -> ProbeResult {
        if url == self.url && self.is_there.load(Ordering::Relaxed) {
            return ProbeResult::Good {
                latency: Duration::from_millis(1),
            };
        }
        if url != self.url {
            self.others.fetch_add(1, Ordering::Relaxed);
        }
        ProbeResult::Missed("Somebody else answered.".into())
    }
}

#[test]
fn an_address_that_a_stranger_has_a_program_say_is_not_believed() {
    let mut bench = Bench::new();
    let go = bench.named_pipe("go");
    // It logs what is asked for, as ngrok does.
    let body = format!(
        "echo 'url=https://mine.ngrok-free.app'\n\
         while :; do read x < {} && echo 'GET /?https://evil.ngrok-free.app unauthorized'; done",
        go.display()
    );
    let wanted = wanted(
        command(None, Some("https://*.ngrok-free.app")),
        bench.script("ngrok", &body),
    );
    let prober = OnlyAt::new("https://mine.ngrok-free.app");
    bench.follow(&wanted, prober.clone());
    bench.until_state(State::Live);
    for asked in 1..=3 {
        // While the one before is being dealt with another one is not asked, and what is written while the script turns
        // round is lost: it is said until it is asked.
        until("it should be asked", || {
            let _ = fs::write(&go, "now\n");
            (prober.others.load(Ordering::Relaxed) >= asked).then_some(())
        });
    }
    let status = bench.tunnel().status();
    assert_eq!(status.state, State::Live);
    assert_eq!(status.seen.unwrap().url, "https://mine.ngrok-free.app");
    // Nor do a stranger's words keep it from being started again.
    crate::harness::sshd::stop(bench.pid());
    let status = bench.until(|status| status.starts == 2 && status.state == State::Live);
    assert_eq!(status.trouble, None);
}

#[test]
fn a_program_through_which_nobody_comes_any_more_is_started_anew() {
    let mut bench = Bench::new();
    let wanted = wanted(
        command(Some("https://a.example.org"), None),
        bench.script("tool", STAY),
    );
    let prober = OnlyAt::new("https://a.example.org");
    bench.follow(&wanted, prober.clone());
    bench.until_state(State::Live);
    let first = bench.pid();
    prober.is_there.store(false, Ordering::Relaxed);
    bench.tunnel().wake();
    let status = bench.until_state(State::Degraded);
    assert_eq!(status.detail.as_deref(), Some("Somebody else answered."));
    assert!(status.seen.is_some() && status.latency.is_none());
    bench.until(|status| status.trouble == Some(Trouble::NotReached));
    prober.is_there.store(true, Ordering::Relaxed);
    let status = bench.until_state(State::Live);
    assert!(status.starts > 1);
    assert!(is_gone(first));
}

#[test]
fn a_program_is_told_of_its_surroundings_only_what_it_is_given() {
    let mut bench = Bench::new();
    let body = format!("env > {}\n{STAY}", bench.path("environment").display());
    let wanted = wanted(
        command(Some("https://a.example.org"), None),
        bench.script("tool", &body),
    );
    bench.follow(&wanted, Arc::new(Found));
    let text = until("it should note its surroundings", || {
        // The program goes on after it: what it wrote is whole then.
        fs::read_to_string(bench.path("grandchild")).ok()?;
        fs::read_to_string(bench.path("environment")).ok()
    });
    assert!(text.contains("PATH="));
    // Cargo tells this test a great deal.
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    assert!(!text.contains("CARGO"), "{text}");
}

#[test]
fn tailscales_words_are_read_by_its_recipe() {
    let mut bench = Bench::new();
    let recipe = recipes()
        .into_iter()
        .find(|recipe| recipe.name.starts_with("Tailscale"))
        .unwrap();
    let way = Way::Command {
        argv: recipe.argv,
        url: None,
        pattern: recipe.pattern,
        client_header: recipe.client_header,
    };
    let body = format!(
        "printf 'Available on the internet:\\n\\nhttps://box.tail1234.ts.net/\\n|-- proxy http://127.0.0.1:4806\\n'\n{STAY}"
    );
    let wanted = wanted(way, bench.script("tailscale", &body));
    bench.follow(&wanted, Arc::new(Found));
    let seen = bench.until_state(State::Live).seen.unwrap();
    assert_eq!(seen.url, "https://box.tail1234.ts.net");
    assert_eq!(seen.permanence, Permanence::Lent);
}

#[test]
fn a_program_that_dies_is_started_again() {
    let mut bench = Bench::new();
    let wanted = wanted(
        command(Some("https://a.example.org"), None),
        bench.script("tool", STAY),
    );
    bench.follow(&wanted, Arc::new(Found));
    bench.until_state(State::Live);
    let first = bench.pid();
    fs::remove_file(bench.path("pid")).unwrap();
    crate::harness::sshd::stop(first);
    let status = bench.until(|status| status.state == State::Live && status.starts == 2);
    assert_ne!(bench.pid(), first);
    assert_eq!(status.trouble, None, "what was is over");
}

#[test]
fn a_program_that_will_not_end_is_killed_with_its_children() {
    let mut bench = Bench::new();
    let body = "trap '' TERM\n(trap '' TERM; echo $(exec sh -c 'echo $PPID') > $(dirname \"$0\")/grandchild; while :; do sleep 600; done) &\nwhile :; do wait; done";
    let wanted = wanted(
        command(Some("https://a.example.org"), None),
        bench.script("tool", body),
    );
    bench.follow(&wanted, Arc::new(Found));
    bench.until_state(State::Live);
    let pid = bench.pid();
    let grandchild = until("its child should start", || {
        fs::read_to_string(bench.path("grandchild"))
            .ok()?
            .trim()
            .parse()
            .ok()
    });
    let took = bench.end();
    assert!(is_gone(pid));
    wait_until_gone(grandchild);
    assert!(
        took > Duration::from_secs(2),
        "it had its three seconds: {took:?}"
    );
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn what_a_program_started_goes_with_it() {
    let mut bench = Bench::new();
    let body = "sleep 600 & echo $! > $(dirname \"$0\")/grandchild; exit 3";
    let wanted = wanted(
        command(Some("https://a.example.org"), None),
        bench.script("tool", body),
    );
    bench.follow(&wanted, Arc::new(Found));
    let status = bench.until_state(State::Backoff);
    assert_eq!(status.trouble, Some(Trouble::Ended));
    let grandchild = fs::read_to_string(bench.path("grandchild")).unwrap();
    wait_until_gone(grandchild.trim().parse().unwrap());
}

#[test]
fn a_program_that_is_not_there_or_cannot_be_run_is_said() {
    let mut bench = Bench::new();
    let way = || command(Some("https://a.example.org"), None);
    bench.follow(&wanted(way(), bench.path("nothing")), Arc::new(Found));
    let status = bench.until_state(State::NeedsUser);
    assert_eq!(status.trouble, Some(Trouble::ProgramMissing));
    assert!(status.detail.unwrap().contains("nothing"));
    let broken = bench.script("broken", "");
    fs::write(&broken, [0x7f, b'E', b'L', b'F', 0, 0]).unwrap();
    bench.follow(&wanted(way(), broken), Arc::new(Found));
    let status = bench.until_state(State::NeedsUser);
    assert_eq!(
        status.trouble,
        Some(Trouble::ProgramMissing),
        "{:?}",
        status.lines
    );
}
