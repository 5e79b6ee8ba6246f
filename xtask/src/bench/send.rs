//! `cargo xtask bench send`: mails that were handed over and noted in the ledger, a second, beside postfix's own
//! `smtp-source` with a fixed message of the same size.
//!
//! Every mail is made for its reader, carries a pixel and the list headers, and its row is on disk before and after
//! it leaves. Prints Markdown, so that `docs/benchmarks.md` can take it over. Start reading at [`send`].

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::daemon::{Daemon, cpu_of_ended_children};
use super::figures::{median, ms};
use super::pixel::{FLUSHES, Scratch, computer, flush};
use super::send_large;
use super::workspace::Home;
use crate::host;
use crate::project::Project;
use crate::sh;
use crate::system::{self, Part};

const MAILS: usize = 10_000;
pub(super) const CONNECTIONS: usize = 20;
const ROUNDS: usize = 3;
/// Of the lesser reference.
const BAR: f64 = 0.7;
/// What lies between a mail and the next on one connection at least: its own round trips beside the flush.
const FLUSH_SHARE: f64 = 1.5;
/// The address that mails carry. Nobody listens there.
const BASE: &str = "http://127.0.0.1:4805";

/// Measures sending beside `smtp-source`; `--large` measures what many people take instead.
///
/// `CASEMENT_BENCH_PROGRAM` names another `casementctl` to measure than the one that is built here.
pub fn send(project: &Project, args: &[String]) -> Result<()> {
    let large = match args {
        [] => false,
        [word] if word == "--large" => true,
        _ => bail!("usage: cargo xtask bench send [--large]"),
    };
    system::install(&[Part::SendBench])?;
    if let [what, ..] = Part::SendBench.missing()[..] {
        bail!("{what} is still missing");
    }
    let program = match std::env::var_os("CASEMENT_BENCH_PROGRAM") {
        Some(other) => PathBuf::from(other),
        None => {
            sh::run(
                project
                    .cargo()
                    .args(["build", "--release", "--bin", "casementctl"]),
            )?;
            project.release("casementctl")
        }
    };
    let scratch = Scratch::new(project.stamp(&format!("bench-send-{}", std::process::id())))?;
    let sink = Sink::start()?;
    if large {
        return send_large::run(&scratch.0, &program, &sink);
    }
    let home = prepared(&scratch.0.join("home"), program, MAILS, &sink)?;
    let size = mail_size(&home)?;
    let flush = flush(&scratch.0)?;
    println!(
        "\n{}. Writing 4 KiB and flushing them: {} ms (median of {FLUSHES}).\n\
         {MAILS} mails of {size} bytes over {CONNECTIONS} connections into smtp-sink, over loopback.\n",
        computer(),
        ms(flush)
    );
    println!("| | mails/s | CPU µs/mail |\n|---|---|---|");
    let (mut theirs, mut kept, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=ROUNDS {
        theirs.push(source(&sink, size, false)?.print(&format!("smtp-source, round {number}")));
        kept.push(
            source(&sink, size, true)?.print(&format!("smtp-source, connections kept, round {number}")),
        );
        ours.push(ours_once(&home, number)?.print(&format!("casementctl, round {number}")));
    }
    let (theirs, kept, ours) = (median(theirs), median(kept), median(ours));
    let by_flush = CONNECTIONS as f64 / (FLUSH_SHARE * flush.as_secs_f64());
    let lesser = theirs.min(by_flush);
    println!("\n| | measured | target |\n|---|---|---|");
    println!(
        "| casementctl / the lesser of smtp-source and {CONNECTIONS} ÷ (1.5 flushes) | {:.2} ({ours:.0} of {theirs:.0} \
         and {by_flush:.0} a second) | ≥ {BAR} |",
        ours / lesser
    );
    println!(
        "| casementctl / smtp-source that keeps its connections | {:.2} ({kept:.0} a second) | none |",
        ours / kept
    );
    Ok(())
}

/// How fast mails went.
struct Went {
    elapsed: Duration,
    cpu: Option<Duration>,
}

impl Went {
    /// Prints a line of the table and returns mails a second.
    fn print(&self, name: &str) -> f64 {
        let rate = MAILS as f64 / self.elapsed.as_secs_f64().max(1e-9);
        let cpu = self.cpu.map_or_else(
            || "?".to_owned(),
            |cpu| format!("{:.0}", cpu.as_secs_f64() * 1e6 / MAILS as f64),
        );
        println!("| {name} | {rate:.0} | {cpu} |");
        rate
    }
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Went> {
    let (before, start) = (cpu_of_ended_children(), Instant::now());
    work()?;
    let elapsed = start.elapsed();
    let cpu = cpu_of_ended_children()
        .zip(before)
        .and_then(|(now, before)| now.checked_sub(before));
    Ok(Went { elapsed, cpu })
}

/// Sends the campaign of a fresh copy, from the start of the program to its end, and fails unless all were accepted.
fn ours_once(home: &Home, number: usize) -> Result<Went> {
    let workspace = home.fresh(&format!("copy-{number}"))?;
    // A copied workspace sends nothing by itself.
    home.ask_nothing(&workspace, &["campaign", "resume", "1"])?;
    let went = timed(|| home.ask_nothing(&workspace, &["send", "--campaign", "1"]))?;
    let shown = home.ask(&workspace, &["campaign", "show", "1"])?;
    if shown["counts"]["accepted"] != json!(MAILS) {
        bail!("not every mail was accepted: {}", shown["counts"]);
    }
    let verified = home.ask(&workspace, &["verify"])?;
    if verified["ok"] != json!(true) {
        bail!("`casementctl verify` finds something wrong: {verified}");
    }
    fs::remove_dir_all(&workspace).context("cannot remove a workspace")?;
    Ok(went)
}

/// Sends as many fixed messages of `size` bytes; `keeps` one connection for many, as we do.
fn source(sink: &Sink, size: usize, keeps: bool) -> Result<Went> {
    let program = host::program("smtp-source").context("there is no smtp-source")?;
    let mut command = Command::new(program);
    command.args(keeps.then_some("-d"));
    command.args([
        "-s",
        &CONNECTIONS.to_string(),
        "-m",
        &MAILS.to_string(),
        "-l",
        &size.to_string(),
    ]);
    command.args(["-f", "news@harbour.test", "-t", "reader@readers.test"]);
    command.arg(sink.address.to_string());
    timed(|| sh::output(&mut command).map(drop))
}

/// Postfix's own server that throws all mails away.
pub(super) struct Sink {
    _daemon: Daemon,
    pub(super) address: SocketAddr,
}

impl Sink {
    fn start() -> Result<Sink> {
        let program = host::program("smtp-sink").context("there is no smtp-sink")?;
        // Somebody else could take the port before the sink does; it then says so and ends.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|socket| socket.local_addr())
            .context("no port is free")?;
        let mut command = Command::new(program);
        if rustix::process::geteuid().is_root() {
            // It will not run as root.
            command.args(["-u", "nobody"]);
        }
        command.args([&address.to_string(), "200"]).stdin(Stdio::null());
        let mut daemon = Daemon::start("smtp-sink", &mut command)?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            if let Some(status) = daemon.ended() {
                bail!("smtp-sink ended at once ({status})");
            }
            if Instant::now() > deadline {
                bail!("smtp-sink does not answer at {address}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Sink {
            _daemon: daemon,
            address,
        })
    }
}

/// A campaign's file: a letter of about 12 KB once it is a mail, to everyone of `list` from `account`.
pub(super) fn letter(account: &str, list: &str) -> String {
    let sentence = "The harbour is free of ice since Monday, and the jetty has been mended over the winter. Come and \
                    see it, bring your friends and something to eat. ";
    let paragraphs = vec![sentence.repeat(3); 5].join("\n\n");
    json!({
        "name": "Spring", "subject": "News for {{ first_name | fallback(\"you\") }}", "account": account,
        "audience": { "include": [list] },
        "markdown": format!(
            "# Harbour news\n\nHello {{{{ first_name | fallback(\"there\") }}}},\n\n{paragraphs}\n\n\
             [See the programme](https://harbour.example/programme)\n"
        ),
    })
    .to_string()
}

/// Makes a workspace with `people` who agreed to be tracked, on the list Members, and an account on `sink`.
pub(super) fn club(folder: &Path, program: PathBuf, people: usize, sink: &Sink) -> Result<Home> {
    let home = Home::empty(folder, program)?;
    let first = home.first();
    let rows: String = (0..people)
        .map(|index| format!("reader{index:06}@readers.test,Ana{index},Li\n"))
        .collect();
    let settings = json!({
        "unknown_policy": "none", "organisation": "Harbour Club", "postal_address": "3 Quay Street",
    });
    let consent = [
        "--consent",
        "granted",
        "--consent-source",
        "form",
        "--consent-wording",
        "You may.",
    ];
    for (name, rows) in [
        ("Members", rows.as_str()),
        ("One", "reader000000@readers.test,Ana0,Li\n"),
    ] {
        let list = home.file("people.csv", &format!("email,first_name,last_name\n{rows}"))?;
        let words = ["import", list.as_str(), "--list", name];
        home.ask(&first, &[&words[..], &consent[..]].concat())?;
    }
    home.ask(&first, &["call", "settings_update", &settings.to_string()])?;
    let from = ["--from", "Harbour <news@harbour.test>"];
    home.ask(
        &first,
        &["account", "add-outbox", "--name", "Outbox", from[0], from[1]],
    )?;
    let (port, connections) = (sink.address.port().to_string(), CONNECTIONS.to_string());
    let words = [
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
        from[0],
        from[1],
        "--connections",
        &connections,
    ];
    home.ask(&first, &words)?;
    home.ask(&first, &["address", "set", BASE, "--local"])?;
    Ok(home)
}

/// Makes a workspace whose campaign 1 was launched to `people` and waits to be sent into `sink`.
fn prepared(folder: &Path, program: PathBuf, people: usize, sink: &Sink) -> Result<Home> {
    println!("\npreparing {people} mails");
    let home = club(folder, program, people, sink)?;
    let first = home.first();
    let draft = home.file("campaign.json", &letter("Sink", "Members"))?;
    home.ask(&first, &["campaign", "create", &draft])?;
    let launch = ["campaign", "launch", "1", "--yes", "--confirm-host", "127.0.0.1"];
    home.ask(&first, &launch)?;
    Ok(home)
}

/// The size of one of the mails, from a copy that goes into the practice outbox.
fn mail_size(home: &Home) -> Result<usize> {
    let workspace = home.fresh("one")?;
    let draft = home.file("one.json", &letter("Outbox", "One"))?;
    let created = home.ask(&workspace, &["campaign", "create", &draft])?;
    let id = created["id"].to_string();
    home.ask(&workspace, &["campaign", "launch", &id, "--yes"])?;
    home.ask_nothing(&workspace, &["send", "--campaign", &id])?;
    let mails = workspace.join("outbox").join(&id);
    let mail = fs::read_dir(&mails)
        .with_context(|| format!("no mail in {}", mails.display()))?
        .flatten()
        .next()
        .context("one mail was sent")?;
    Ok(mail.metadata()?.len() as usize)
}
