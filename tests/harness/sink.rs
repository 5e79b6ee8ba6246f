//! A scripted SMTP server on loopback: it keeps what it takes, and answers only as fast as the test lets it.

use super::ctl::Ctl;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The server. It ends with the test's process.
pub struct Sink {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Recipients whose mail came to its end, whatever was answered, and the mails.
    taken: Vec<(String, Vec<u8>)>,
    /// How many of them may still be answered; `None` answers all.
    permits: Option<usize>,
    /// Mails at their end that wait for their answer.
    waiting: usize,
    /// Answers to RCPT by recipient, each given once, first first.
    replies: BTreeMap<String, Vec<String>>,
    /// Recipients for whose mail a 250 was written: the client may have it.
    answered: Vec<String>,
    /// Connections that neither side has ended.
    open: usize,
}

impl Sink {
    /// Listens. With `permits`, only so many mails are answered until [`Self::allow`] is called.
    pub fn start(permits: Option<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port can be had");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        shared.lock().permits = permits;
        let served = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = served.clone();
                shared.lock().open += 1;
                std::thread::spawn(move || {
                    // A client that hangs up in mid-sentence is what some tests want.
                    drop(converse(stream, &shared));
                    shared.lock().open -= 1;
                    shared.changed.notify_all();
                });
            }
        });
        Self { port, shared }
    }

    /// Answers RCPT for `recipient` with `reply`, once; several are given in turn.
    pub fn reply_to(&self, recipient: &str, reply: &str) {
        let mut state = self.shared.lock();
        state
            .replies
            .entry(recipient.to_owned())
            .or_default()
            .push(reply.to_owned());
    }

    /// Lets `count` more mails be answered; `None` lets all.
    pub fn allow(&self, count: Option<usize>) {
        let mut state = self.shared.lock();
        state.permits = match (state.permits, count) {
            (Some(left), Some(more)) => Some(left + more),
            _ => None,
        };
        self.shared.changed.notify_all();
    }

    /// Waits until `count` mails wait for their answer.
    pub fn wait_for_waiting(&self, count: usize) {
        self.wait(&format!("{count} mails should wait"), |state| {
            state.waiting >= count
        });
    }

    /// Returns the recipients of all mails that came to their end, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.shared
            .lock()
            .taken
            .iter()
            .map(|(to, _)| to.clone())
            .collect()
    }

    /// Returns the mails that came to their end, with their recipients, in order.
    pub fn mails(&self) -> Vec<(String, Vec<u8>)> {
        self.shared.lock().taken.clone()
    }

    /// Returns the recipients of the mails for which a 250 was written, in order.
    pub fn answered(&self) -> Vec<String> {
        self.shared.lock().answered.clone()
    }

    /// Returns how many mails came to their end.
    pub fn count(&self) -> usize {
        self.shared.lock().taken.len()
    }

    /// Waits until `count` mails have come to their end, or until `given_up` says that none will.
    pub fn wait_for_count(&self, count: usize, given_up: impl Fn() -> bool) {
        self.wait(&format!("{count} mails should come"), |state| {
            state.taken.len() >= count || given_up()
        });
    }

    /// Waits until every connection has ended: what a killed client had sent is read to its end by then.
    pub fn wait_until_all_have_hung_up(&self) {
        self.wait("all connections should end", |state| state.open == 0);
    }

    fn wait(&self, what: &str, done: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + super::PATIENCE;
        let mut state = self.shared.lock();
        while !done(&state) {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            state = self
                .shared
                .changed
                .wait_timeout(state, Duration::from_millis(50))
                .expect("no test panics with the lock held")
                .0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with the lock held")
    }

    /// Keeps a mail, and returns once it may be answered.
    fn take(&self, to: &str, mail: Vec<u8>) {
        let mut state = self.lock();
        state.taken.push((to.to_owned(), mail));
        state.waiting += 1;
        self.changed.notify_all();
        loop {
            match &mut state.permits {
                None => break,
                Some(0) => {}
                Some(left) => {
                    *left -= 1;
                    break;
                }
            }
            state = self
                .changed
                .wait(state)
                .expect("no test panics with the lock held");
        }
        state.waiting -= 1;
        self.changed.notify_all();
    }
}

fn converse(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    // The sink's own replies are not to wait for anybody.
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    let mut say = |line: &str| out.write_all(format!("{line}\r\n").as_bytes());
    say("220 sink.casement.test ESMTP")?;
    let mut to = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let command = line.trim_end();
        let verb = command.to_ascii_uppercase();
        if verb.starts_with("EHLO") || verb.starts_with("HELO") {
            say("250-sink.casement.test\r\n250 8BITMIME")?;
        } else if verb.starts_with("RCPT TO:") {
            to = command["RCPT TO:".len()..].trim().to_owned();
            to = to
                .split('>')
                .next()
                .unwrap_or_default()
                .trim_start_matches('<')
                .to_owned();
            let scripted = shared
                .lock()
                .replies
                .get_mut(&to)
                .filter(|replies| !replies.is_empty())
                .map(|replies| replies.remove(0));
            say(scripted.as_deref().unwrap_or("250 2.1.5 Ok"))?;
        } else if verb == "DATA" {
            say("354 End data with <CR><LF>.<CR><LF>")?;
            let mut mail = Vec::new();
            while !mail.ends_with(b"\r\n.\r\n") {
                if input.read_until(b'\n', &mut mail)? == 0 {
                    return Ok(());
                }
            }
            shared.take(&to, mail);
            // Before it is written: a client that has read it is never ahead of this.
            shared.lock().answered.push(to.clone());
            say(&format!("250 2.0.0 Ok: kept for {to}"))?;
        } else if verb == "QUIT" {
            return say("221 2.0.0 Bye");
        } else {
            say("250 2.0.0 Ok")?;
        }
    }
}

/// A workspace with `people` on one list and an account on `sink`.
pub fn club(sink: &Sink, people: usize, connections: usize) -> Ctl {
    let ctl = Ctl::new();
    let rows: String = (0..people).map(|index| format!("{}\n", reader(index))).collect();
    let file = ctl.file("members.csv", format!("email\n{rows}"));
    ctl.ok(["import", file.to_str().expect("ASCII"), "--list", "Members"]);
    ctl.call(
        "settings_update",
        json!({ "unknown_policy": "none", "organisation": "Harbour Club", "postal_address": "3 Quay Street" }),
    );
    let (port, connections) = (sink.port.to_string(), connections.to_string());
    ctl.ok([
        "account",
        "add",
        "--name",
        "Sink",
        "--host",
        "127.0.0.1",
        "--port",
        &port,
        "--tls",
        "none",
        "--from",
        "Harbour <news@harbour.test>",
        "--connections",
        &connections,
    ]);
    ctl
}

/// The address of one of them.
pub fn reader(index: usize) -> String {
    format!("reader{index:03}@readers.test")
}

/// Launches a campaign to all of them, which then waits for somebody to send it; returns its id.
pub fn launch(ctl: &Ctl) -> String {
    let id = ctl
        .create(&json!({
            "name": "Spring", "subject": "Spring", "account": "Sink", "audience": { "include": ["Members"] },
            "markdown": "The ice is gone.\n",
        }))
        .to_string();
    ctl.ok(["campaign", "launch", &id, "--yes"]);
    id
}

/// Makes a workspace with a campaign to `people`, over up to `connections` to `sink`, that was launched and waits for
/// somebody to send it; returns the campaign's id, too.
pub fn launched(sink: &Sink, people: usize, connections: usize) -> (Ctl, String) {
    let ctl = club(sink, people, connections);
    let id = launch(&ctl);
    (ctl, id)
}
