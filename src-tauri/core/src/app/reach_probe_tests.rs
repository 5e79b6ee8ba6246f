//! The listener, a server with a certificate in front of it, and a name server: an address seen from outside.

use super::*;
use crate::api::{ActivityList, AddressSet, Code, ListenerStatusGet};
use crate::app::testing::{Bench, bench, bench_outside, open_outside};
use crate::clock::SystemClock;
use crate::net::dns::peer::{Peer, Zone};
use crate::reach::probe::asker::tests::{Issued, Server, Term, issue};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const HOST: &str = "news.harbour.test";

/// What stands in front of a listener, and what it does.
struct Front {
    server: Server,
    url: String,
    names: Peer,
    issued: Issued,
    behind: Arc<Mutex<String>>,
    does: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

/// Hands on, as it should.
const HANDS_ON: usize = 0;
/// Says that nothing is behind it.
const SAYS_502: usize = 1;
/// Keeps the first answer, and gives it to all who ask the same again.
const KEEPS: usize = 2;

fn front() -> Front {
    let issued = issue(HOST, Term::Good);
    let behind = Arc::<Mutex<String>>::default();
    let (does, asked) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let server = Server::over_tls(issued.config.clone(), {
        let (behind, does, asked) = (behind.clone(), does.clone(), asked.clone());
        let kept = Mutex::new(None);
        move |_, head| {
            asked.fetch_add(1, Ordering::SeqCst);
            let hand_on = || {
                let mut stream = TcpStream::connect(behind.lock().unwrap().as_str()).unwrap();
                stream.write_all(head.as_bytes()).unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).unwrap();
                answer
            };
            match does.load(Ordering::SeqCst) {
                SAYS_502 => b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n".to_vec(),
                KEEPS => kept.lock().unwrap().get_or_insert_with(hand_on).clone(),
                _ => hand_on(),
            }
        }
    });
    Front {
        url: format!("https://{HOST}:{}", server.port),
        server,
        names: Peer::start(Zone::default().host(HOST, "127.0.0.1")),
        issued,
        behind,
        does,
        asked,
    }
}

impl Front {
    fn bench(&self) -> Bench {
        let bench = bench_outside(self.names.address(), &self.issued.root);
        self.lead_to(&bench.engine);
        bench
    }

    /// Starts the listener and the address of an engine, and leads here to it.
    fn lead_to(&self, engine: &Arc<Engine>) {
        let set = AddressSet {
            url: Some(self.url.clone()),
            local: false,
        };
        reach::address_set(engine, set).unwrap();
        let status = reach::listener_start(engine, reach::here()).unwrap();
        let direct = status
            .entrances
            .iter()
            .find(|entrance| !entrance.behind_proxy)
            .unwrap();
        *self.behind.lock().unwrap() = direct.url.trim_start_matches("http://").to_owned();
    }
}

/// Lets a round pass and asks.
fn round(bench: &Bench) {
    bench.clock.advance(TimeDelta::seconds(61));
    assert_eq!(
        turn(&bench.engine, &Stop::default(), 0.5).unwrap(),
        Duration::ZERO,
        "it was due"
    );
}

fn status(engine: &Arc<Engine>) -> (ReachLevel, String) {
    let status = reach::listener_status(engine, ListenerStatusGet {}).unwrap();
    (status.level, status.sentence)
}

fn told(engine: &Arc<Engine>) -> Vec<String> {
    let request: ActivityList = serde_json::from_str("{}").unwrap();
    let rows = crate::app::activity::list(engine, request).unwrap().rows;
    rows.into_iter()
        .map(|row| row.text)
        .filter(|text| text.contains("lead here") || text.contains("leads here"))
        .collect()
}

#[test]
fn a_listener_is_called_reachable_once_it_was_seen_from_outside() {
    let front = front();
    let bench = front.bench();
    let engine = &bench.engine;
    let (level, sentence) = status(engine);
    assert_eq!(level, ReachLevel::Unproved, "nobody has asked");
    assert!(sentence.contains("not yet seen from outside"), "{sentence}");
    let before = get(engine, ReachGet {}).unwrap();
    assert_eq!(
        (before.probe, before.next_probe_at),
        (None, Some(engine.clock.now()))
    );

    assert_eq!(turn(engine, &Stop::default(), 0.5).unwrap(), Duration::ZERO);
    let found = get(engine, ReachGet {}).unwrap();
    let probe = found.probe.unwrap();
    assert_eq!(probe.verdict, ProbeVerdict::Ok, "{}", probe.sentence);
    assert_eq!(
        (probe.url.as_str(), probe.at),
        (front.url.as_str(), engine.clock.now())
    );
    assert!(probe.latency_ms.is_some_and(|latency| latency < 10_000));
    assert_eq!(
        probe.certificate_until.unwrap().to_rfc3339(),
        "2090-01-01T00:00:00+00:00"
    );
    assert_eq!((found.last_good, found.misses), (Some(engine.clock.now()), 0));
    assert_eq!(
        found.next_probe_at,
        Some(engine.clock.now() + TimeDelta::seconds(60))
    );
    assert_eq!(status(engine).0, ReachLevel::Reachable);
    assert_eq!(
        front.asked.load(Ordering::SeqCst),
        2,
        "the second answer is none: no cache"
    );
    let listener = reach::listener_status(engine, ListenerStatusGet {}).unwrap();
    assert_eq!(listener.refused, [], "what was asked twice was nobody's fault");
    assert_eq!(listener.hits_per_minute, 0, "and no open");

    let wait = turn(engine, &Stop::default(), 0.5).unwrap();
    assert_eq!(wait, Duration::from_secs(60), "not before its time");
    round(&bench);
    assert_eq!(
        front.asked.load(Ordering::SeqCst),
        3,
        "what is good is asked once"
    );
    bench.clock.advance(TimeDelta::minutes(6));
    let (level, sentence) = status(engine);
    assert_eq!(level, ReachLevel::Unproved, "a proof is old after five minutes");
    assert!(
        sentence.contains("last seen from outside on 1 April"),
        "{sentence}"
    );
    reach::listener_stop(engine, crate::api::ListenerStop {}).unwrap();
    assert_eq!(get(engine, ReachGet {}).unwrap().next_probe_at, None);
}

#[test]
fn three_misses_in_a_row_are_said_once_and_so_is_the_return() {
    let front = front();
    let bench = front.bench();
    let engine = &bench.engine;
    turn(engine, &Stop::default(), 0.5).unwrap();
    front.does.store(SAYS_502, Ordering::SeqCst);
    round(&bench);
    let lost = engine.clock.now();
    round(&bench);
    assert_eq!(status(engine).0, ReachLevel::Reachable, "two may be bad luck");
    assert_eq!(told(engine), [""; 0]);
    round(&bench);
    let (level, sentence) = status(engine);
    assert_eq!(level, ReachLevel::Unreachable);
    assert!(
        sentence.starts_with("Readers cannot get through.") && sentence.contains("502"),
        "{sentence}"
    );
    round(&bench);
    round(&bench);
    assert_eq!(told(engine).len(), 1, "{:?}", told(engine));
    assert!(told(engine)[0].contains(&lost.format("since %H:%M UTC").to_string()));
    assert_eq!(get(engine, ReachGet {}).unwrap().misses, 5);
    front.does.store(HANDS_ON, Ordering::SeqCst);
    round(&bench);
    assert_eq!(status(engine).0, ReachLevel::Reachable);
    round(&bench);
    let told = told(engine);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("leads here again"), "the latest first: {told:?}");
}

#[test]
fn a_wake_and_another_address_are_asked_at_once_and_often() {
    let front = front();
    let bench = front.bench();
    let engine = &bench.engine;
    turn(engine, &Stop::default(), 0.5).unwrap();
    front.does.store(SAYS_502, Ordering::SeqCst);
    again(engine);
    for _ in 0..20 {
        assert_eq!(turn(engine, &Stop::default(), 0.5).unwrap(), Duration::ZERO);
        bench.clock.advance(TimeDelta::seconds(2));
    }
    assert_eq!(
        get(engine, ReachGet {}).unwrap().misses,
        2,
        "a tunnel needs its time"
    );
    assert_eq!(told(engine), [""; 0]);
    let set = AddressSet {
        url: Some(front.url.clone()),
        local: false,
    };
    reach::address_set(engine, set).unwrap();
    let found = get(engine, ReachGet {}).unwrap();
    assert_eq!(found.next_probe_at, Some(engine.clock.now()), "at once");
}

#[test]
fn a_cache_and_another_casement_are_found_out() {
    let front = front();
    let bench = front.bench();
    let engine = &bench.engine;
    front.does.store(KEEPS, Ordering::SeqCst);
    let probe = super::probe(engine, ReachProbe { url: None }).unwrap();
    assert_eq!(probe.verdict, ProbeVerdict::Cached, "{}", probe.sentence);
    front.does.store(HANDS_ON, Ordering::SeqCst);
    // Another workspace has taken the address over.
    let other = front.bench();
    let probe = super::probe(engine, ReachProbe { url: None }).unwrap();
    assert_eq!(probe.verdict, ProbeVerdict::OtherCasement, "{}", probe.sentence);
    let probe = super::probe(&other.engine, ReachProbe { url: None }).unwrap();
    assert_eq!(probe.verdict, ProbeVerdict::Ok, "{}", probe.sentence);
    assert_eq!(
        get(engine, ReachGet {}).unwrap().misses,
        1,
        "looks by hand, in a second, are one"
    );
}

#[test]
fn an_address_of_live_mails_is_asked_every_hour_after_it_was_given_up() {
    let front = front();
    let bench = front.bench();
    let engine = &bench.engine;
    engine
        .write(&[], |conn| {
            conn.execute_batch(
                "INSERT INTO campaign (id, name, document, created_at, updated_at, route_id, launched_at, opens_from, opens_until)
                 SELECT 1, 'Spring', '{}', 0, 0, id, 0, 0, 4000000000000 FROM route WHERE kind = 'public'",
            )
            .map_err(crate::store::Error::from)?;
            Ok(())
        })
        .unwrap();
    let route = engine.read(reach::current_route).unwrap();
    reach::address_set(
        engine,
        AddressSet {
            url: None,
            local: false,
        },
    )
    .unwrap();
    assert_eq!(turn(engine, &Stop::default(), 0.5).unwrap(), Duration::ZERO);
    let known = || {
        engine
            .read(|conn| Ok(probe::known(conn, route.id)?))
            .unwrap()
            .unwrap()
    };
    assert_eq!(known().probe.verdict, ProbeVerdict::Ok);
    let asked = front.asked.load(Ordering::SeqCst);
    bench.clock.advance(TimeDelta::minutes(59));
    turn(engine, &Stop::default(), 0.5).unwrap();
    assert_eq!(front.asked.load(Ordering::SeqCst), asked);
    bench.clock.advance(TimeDelta::minutes(1));
    turn(engine, &Stop::default(), 0.5).unwrap();
    assert!(front.asked.load(Ordering::SeqCst) > asked);
    assert_eq!(known().probe.at, engine.clock.now());
    assert_eq!(
        get(engine, ReachGet {}).unwrap().next_probe_at,
        None,
        "the one in use is none"
    );
}

#[test]
fn names_that_are_reserved_for_examples_are_left_alone() {
    let bench = bench();
    let set = AddressSet {
        url: Some("https://news.example.org".into()),
        local: false,
    };
    reach::address_set(&bench.engine, set).unwrap();
    reach::listener_start(&bench.engine, reach::here()).unwrap();
    bench.clock.advance(TimeDelta::minutes(5));
    turn(&bench.engine, &Stop::default(), 0.5).unwrap();
    let found = get(&bench.engine, ReachGet {}).unwrap();
    assert_eq!((found.probe, found.next_probe_at), (None, None));
    assert_eq!(status(&bench.engine).0, ReachLevel::Unproved);
}

#[test]
fn what_cannot_be_asked_is_said() {
    let front = front();
    let bench = bench_outside(front.names.address(), &front.issued.root);
    let ask = |url: Option<&str>| {
        let url = url.map(str::to_owned);
        super::probe(&bench.engine, ReachProbe { url }).unwrap_err()
    };
    let error = ask(None);
    assert_eq!(error.code, Code::Conflict);
    assert!(error.message.contains("no public address"), "{}", error.message);
    let error = ask(Some(&front.url));
    assert!(error.message.contains("listener is off"), "{}", error.message);
    for text in ["", "news", "http://news.example.org", "https://127.0.0.1"] {
        assert_eq!(ask(Some(text)).field.as_deref(), Some("url"), "{text:?}");
    }
    front.lead_to(&bench.engine);
    let elsewhere = format!("https://nowhere.test:{}", front.server.port);
    let found = super::probe(&bench.engine, ReachProbe { url: Some(elsewhere) }).unwrap();
    assert_eq!(found.verdict, ProbeVerdict::Name);
    assert_eq!(
        get(&bench.engine, ReachGet {}).unwrap().probe,
        None,
        "no mail carries it"
    );
}

#[test]
fn a_listener_in_real_time_is_asked_by_itself_and_ends_in_the_middle_of_a_question() {
    let issued = issue(HOST, Term::Good);
    let names = Peer::start(Zone::default().host(HOST, "127.0.0.1"));
    let hangs = Arc::<AtomicBool>::default();
    let behind = Arc::<Mutex<String>>::default();
    let (sender, asked) = std::sync::mpsc::channel();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let server = Server::over_tls(issued.config.clone(), {
        let (hangs, behind) = (hangs.clone(), behind.clone());
        move |_, head| {
            if hangs.load(Ordering::SeqCst) {
                sender.send(()).unwrap();
                let _ = held.lock().unwrap().recv();
                return Vec::new();
            }
            let mut stream = TcpStream::connect(behind.lock().unwrap().as_str()).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            answer
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let engine = open_outside(dir.path(), Arc::new(SystemClock), names.address(), &issued.root);
    let events = engine.subscribe();
    let status_of = reach::listener_start(&engine, reach::here()).unwrap();
    let direct = status_of
        .entrances
        .iter()
        .find(|entrance| !entrance.behind_proxy)
        .unwrap();
    *behind.lock().unwrap() = direct.url.trim_start_matches("http://").to_owned();
    let set = AddressSet {
        url: Some(format!("https://{HOST}:{}", server.port)),
        local: false,
    };
    reach::address_set(&engine, set).unwrap();
    while status(&engine).0 != ReachLevel::Reachable {
        let event = events
            .recv_timeout(Duration::from_secs(60))
            .expect("it is seen, and said");
        drop(event);
    }
    hangs.store(true, Ordering::SeqCst);
    again(&engine);
    asked.recv_timeout(Duration::from_secs(60)).unwrap();
    let started = std::time::Instant::now();
    engine.shutdown();
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "nobody waits for an answer that does not come"
    );
    release.send(()).unwrap();
    drop(release);
}
