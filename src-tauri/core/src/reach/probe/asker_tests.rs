//! The asker against servers on loopback that show each fault.

use super::*;
use crate::api::ProbeVerdict as V;
use crate::net::dns::peer::{Peer, Zone};
use crate::reach::probe::verdict::judge;
use crate::render::pixel::GIF;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

const HOST: &str = "news.harbour.test";
const PROVES: &str = "the proof";

/// A root and a certificate of it.
pub(crate) struct Issued {
    pub(crate) root: Vec<u8>,
    pub(crate) config: Arc<ServerConfig>,
}

#[derive(Clone, Copy)]
pub(crate) enum Term {
    Good,
    Past,
    Future,
}

pub(crate) fn issue(name: &str, term: Term) -> Issued {
    static ROOTS: AtomicUsize = AtomicUsize::new(0);
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    let called = format!("Probe root {}", ROOTS.fetch_add(1, Ordering::Relaxed));
    root.distinguished_name.push(rcgen::DnType::CommonName, called);
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let (from, until) = match term {
        Term::Good => (2020, 2090),
        Term::Past => (2020, 2021),
        Term::Future => (2090, 2091),
    };
    leaf.not_before = rcgen::date_time_ymd(from, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(until, 1, 1);
    let leaf = leaf.signed_by(&key, &root).unwrap();
    Issued {
        root: root.pem().into_bytes(),
        config: server(leaf.der().clone(), &key),
    }
}

fn server(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.serialize_der().try_into().unwrap())
        .unwrap();
    Arc::new(config)
}

/// What a server does with a connection, the n-th from 0.
type Act = Box<dyn Fn(usize, std::net::TcpStream) + Send + Sync>;

/// A server on loopback; ends when it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || {
                for (n, stream) in listener.incoming().enumerate() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let stream = stream.unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    act(n, stream);
                }
            }
        });
        Self {
            port,
            stop,
            thread: Some(thread),
        }
    }

    /// Answers over TLS what `answer` says to the n-th request, given its head.
    pub(crate) fn over_tls(
        config: Arc<ServerConfig>,
        answer: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::start(Box::new(move |n, tcp| {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, tcp);
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read(&mut byte) {
                    Ok(1) => head.push(byte[0]),
                    // The client did not trust the certificate.
                    _ => return,
                }
            }
            let answer = answer(n, &String::from_utf8(head).unwrap());
            // A client that has read enough hangs up.
            let _ = stream.write_all(&answer).and_then(|()| stream.flush());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(std::net::TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn picture(fields: &str) -> Vec<u8> {
    let mut out = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\n{fields}Content-Length: {}\r\n\r\n",
        GIF.len()
    )
    .into_bytes();
    out.extend_from_slice(&GIF);
    out
}

fn proved() -> Vec<u8> {
    picture(&format!("{PROOF}: {PROVES}\r\n"))
}

fn question(port: u16, names: &Peer, root: &[u8]) -> Question {
    Question {
        base_url: format!("https://{HOST}:{port}"),
        nonce: "a-nonce".into(),
        proof: PROVES.into(),
        twice: false,
        names: Some(names.address()),
        roots: vec![root.to_vec()],
    }
}

fn names() -> Peer {
    Peer::start(Zone::default().host(HOST, "127.0.0.1"))
}

fn seen(question: &Question) -> (Sight, Option<Duration>) {
    ask(question, &Stop::default()).unwrap().unwrap()
}

fn verdict(sight: &Sight) -> V {
    judge(sight, "2026-04-01T08:00:00Z".parse().unwrap()).verdict
}

#[test]
fn a_question_is_asked_as_a_mail_program_asks() {
    let (issued, names) = (issue(HOST, Term::Good), names());
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let server = Server::over_tls(issued.config.clone(), {
        let heard = heard.clone();
        move |_, head| {
            heard.lock().unwrap().push(head.to_owned());
            proved()
        }
    });
    let (sight, latency) = seen(&question(server.port, &names, &issued.root));
    assert_eq!(verdict(&sight), V::Ok, "{sight:?}");
    assert!(latency.is_some_and(|latency| latency < WHOLE));
    assert_eq!(sight.addresses, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
    let certificate = sight.certificate.unwrap();
    assert_eq!(certificate.until, 3_786_912_000, "the first second of 2090");
    assert_eq!(certificate.names, [HOST]);
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 1);
    let lines: Vec<&str> = heard[0].split("\r\n").collect();
    assert_eq!(lines[0], "GET /.well-known/casement/a-nonce HTTP/1.1");
    assert!(lines.contains(&format!("Host: {HOST}:{}", server.port).as_str()));
    assert!(lines.contains(&"Accept: image/*"));
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("User-Agent: Mozilla/5.0 "))
    );
    assert!(
        !lines
            .iter()
            .any(|line| line.to_lowercase().contains("casement/1") || line.starts_with("Cookie")),
        "nothing tells it from a mail program"
    );
}

#[test]
fn a_cache_answers_the_second_question_and_casement_does_not() {
    let (issued, names) = (issue(HOST, Term::Good), names());
    let nothing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    for (keeps, wanted) in [(true, V::Cached), (false, V::Ok)] {
        let server = Server::over_tls(issued.config.clone(), move |n, _| match n {
            0 => proved(),
            _ if keeps => proved(),
            _ => nothing.to_vec(),
        });
        let mut asked = question(server.port, &names, &issued.root);
        asked.twice = true;
        let (sight, _) = seen(&asked);
        assert!(
            matches!(sight.end, End::Answer { again: Some(_), .. }),
            "{sight:?}"
        );
        assert_eq!(verdict(&sight), wanted);
    }
}

#[test]
fn each_fault_of_a_certificate_is_told_from_the_others() {
    let names = names();
    let good = issue(HOST, Term::Good);
    let strange = issue(HOST, Term::Good);
    let (past, future) = (issue(HOST, Term::Past), issue(HOST, Term::Future));
    let other = issue("other.harbour.test", Term::Good);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec![HOST.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let own = server(own.der().clone(), &key);
    let table: [(&str, &Arc<ServerConfig>, &[u8], End); 5] = [
        ("over", &past.config, &past.root, End::Tls(TlsFault::Expired)),
        (
            "to come",
            &future.config,
            &future.root,
            End::Tls(TlsFault::NotYetValid),
        ),
        (
            "another name",
            &other.config,
            &other.root,
            End::Tls(TlsFault::OtherName),
        ),
        (
            "another root",
            &strange.config,
            &good.root,
            End::Tls(TlsFault::Unvouched),
        ),
        (
            "signed by itself",
            &own,
            &good.root,
            End::Tls(TlsFault::Unvouched),
        ),
    ];
    for (what, config, root, end) in table {
        let server = Server::over_tls(config.clone(), |_, _| proved());
        let (sight, latency) = seen(&question(server.port, &names, root));
        assert_eq!(sight.end, end, "{what}");
        assert_eq!(verdict(&sight), V::Certificate, "{what}");
        assert_eq!(latency, None);
        let certificate = sight.certificate.expect(what);
        assert_eq!(certificate.is_self_signed, what == "signed by itself", "{what}");
        if what == "another name" {
            assert_eq!(certificate.names, ["other.harbour.test"]);
        }
    }
}

#[test]
fn what_is_no_answer_is_told_for_what_it_is() {
    let (issued, names) = (issue(HOST, Term::Good), names());
    let plain: Act = Box::new(|_, mut tcp| {
        // The client's first words are read, or the answer would be lost with the connection.
        let _ = tcp.read(&mut [0; 1024]);
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let closed: Act = Box::new(|_, tcp| drop(tcp));
    let table = [
        ("http", Server::start(plain), V::PlainHttp),
        ("hung up at once", Server::start(closed), V::NothingBehind),
        (
            "hung up after the question",
            Server::over_tls(issued.config.clone(), |_, _| Vec::new()),
            V::NothingBehind,
        ),
        (
            "noise",
            Server::over_tls(issued.config.clone(), |_, _| {
                b"220 mail.harbour.test ESMTP\r\n".to_vec()
            }),
            V::Foreign,
        ),
        (
            "half a head",
            Server::over_tls(issued.config.clone(), |_, _| b"HTTP/1.1 200 OK\r\nX-".to_vec()),
            V::Foreign,
        ),
        (
            "a redirect, which is not followed",
            Server::over_tls(issued.config.clone(), |n, _| {
                assert_eq!(n, 0, "asked once");
                b"HTTP/1.1 302 Found\r\nLocation: https://news.harbour.test/\r\nContent-Length: 0\r\n\r\n"
                    .to_vec()
            }),
            V::Redirect,
        ),
        (
            "another's proof",
            Server::over_tls(issued.config.clone(), |_, _| {
                picture(&format!("{PROOF}: wrong\r\n"))
            }),
            V::OtherCasement,
        ),
        (
            "a page without end",
            Server::over_tls(issued.config.clone(), |_, _| {
                let mut page =
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<title>Harbour</title>".to_vec();
                page.resize(4 * 1024 * 1024, b' ');
                page
            }),
            V::Foreign,
        ),
        (
            "a head without end",
            Server::over_tls(issued.config.clone(), |_, _| {
                let mut head = b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec();
                head.resize(4 * 1024 * 1024, b'x');
                head
            }),
            V::Foreign,
        ),
    ];
    for (what, server, wanted) in &table {
        let (sight, _) = seen(&question(server.port, &names, &issued.root));
        assert_eq!(verdict(&sight), *wanted, "{what}: {:?}", sight.end);
    }
}

#[test]
fn an_answer_that_does_not_come_is_waited_for_ten_seconds_and_can_be_broken_off() {
    let (issued, names) = (issue(HOST, Term::Good), names());
    let (sender, asked) = std::sync::mpsc::channel();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let server = Server::over_tls(issued.config.clone(), move |_, _| {
        sender.send(()).unwrap();
        // As long as the test wants, and no longer.
        let _ = held.lock().unwrap().recv();
        Vec::new()
    });
    let stop = Arc::<Stop>::default();
    let asking = std::thread::spawn({
        let (question, stop) = (question(server.port, &names, &issued.root), stop.clone());
        move || ask(&question, &stop)
    });
    asked.recv().unwrap();
    stop.stop();
    assert_eq!(asking.join().unwrap(), Ok(None), "broken off");
    release.send(()).unwrap();
    let started = Instant::now();
    let (sight, latency) = seen(&question(server.port, &names, &issued.root));
    assert_eq!(sight.end, End::Timeout(Stage::Answer));
    assert_eq!(latency, None);
    assert!(started.elapsed() >= Duration::from_secs(9), "it had its time");
    assert!(started.elapsed() < Duration::from_secs(30));
    drop(release);
}

#[test]
fn a_name_that_leads_nowhere_is_told_from_one_that_nobody_answers_for() {
    let zone = Zone::default()
        .host("refused.test", "127.0.0.1")
        .broken("broken.test")
        .mute("silent.test")
        .txt("bare.test", "no address");
    let names = Peer::start(zone);
    // A port that was free a moment ago, and that nobody else on loopback takes on purpose.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for (host, end) in [
        ("nowhere.test", End::Name(NameFault::Unknown)),
        ("bare.test", End::Name(NameFault::Unknown)),
        ("broken.test", End::Name(NameFault::Failed)),
        ("silent.test", End::Name(NameFault::Silent)),
        ("refused.test", End::Refused),
    ] {
        let mut asked = question(port, &names, &[]);
        asked.base_url = format!("https://{host}:{port}");
        let (sight, _) = seen(&asked);
        assert_eq!(sight.end, end, "{host}");
    }
    let mut asked = question(port, &names, &[]);
    asked.base_url = format!("http://{HOST}:{port}");
    assert_eq!(
        seen(&asked).0.end,
        End::PlainHttp,
        "nothing is asked without encryption"
    );
}

#[test]
fn an_answer_is_whole_where_its_length_or_its_last_chunk_says_so() {
    for (text, is_whole) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\n\r\nhi", false),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
    ] {
        let found = parse(text.as_bytes(), false).unwrap();
        assert_eq!(found.is_some(), is_whole, "{text:?}");
        assert!(
            parse(text.as_bytes(), true).unwrap().is_some(),
            "what is over is whole"
        );
    }
    for text in ["", "HTTP/1.1 20"] {
        assert_eq!(parse(text.as_bytes(), true), Ok(None), "{text:?}");
    }
    assert_eq!(parse(b"hello there\r\n\r\n", false), Err(()));
}
