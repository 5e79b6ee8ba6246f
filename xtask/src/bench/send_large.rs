//! `cargo xtask bench send --large`: what a campaign to 200,000 people takes of memory, and of everyone's patience.
//!
//! One engine serves the whole way: import, prepare, launch, send. Meanwhile a reader asks the listener for a
//! picture twenty times a second.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::figures::{ms, percentile};
use super::pixel::computer;
use super::send::{Sink, club, letter};
use super::workspace::Home;

const FEW: usize = 20_000;
const MANY: usize = 200_000;

/// What one campaign took.
struct Took {
    prepare: Duration,
    launch: Duration,
    send: Duration,
    peak_kib: Option<u64>,
    /// How long pictures took while it was prepared, shortest first.
    pictures: Vec<Duration>,
    unanswered: usize,
}

/// Measures a campaign to few and one to many.
pub(super) fn run(folder: &Path, program: &Path, sink: &Sink) -> Result<()> {
    println!("\n{}.\n", computer());
    println!(
        "| people | prepare s | launch ms | send s | peak memory MiB | a picture meanwhile: p50, p99, max ms |"
    );
    println!("|---|---|---|---|---|---|");
    let few = campaign(&folder.join("few"), program, FEW, sink)?;
    let many = campaign(&folder.join("many"), program, MANY, sink)?;
    let mib = |took: &Took| took.peak_kib.map_or(f64::NAN, |kib| kib as f64 / 1024.0);
    println!("\n| | measured | target |\n|---|---|---|");
    println!(
        "| prepare {MANY} | {:.1} s | < 15 s |",
        many.prepare.as_secs_f64()
    );
    println!("| launch | {} ms | < 100 ms |", ms(many.launch));
    println!("| peak memory with {MANY} | {:.0} MiB | < 200 MiB |", mib(&many));
    println!(
        "| the same / with {FEW} | {:.2} | ≤ 1.1 |",
        mib(&many) / mib(&few)
    );
    println!(
        "| pictures that were not answered meanwhile | {} of {} | 0 |",
        many.unanswered,
        many.pictures.len()
    );
    Ok(())
}

fn campaign(folder: &Path, program: &Path, people: usize, sink: &Sink) -> Result<Took> {
    let home = club(folder, program.to_owned(), people, sink)?;
    let workspace = home.first();
    let draft = home.file("campaign.json", &letter("Sink", "Members"))?;
    home.ask(&workspace, &["campaign", "create", &draft])?;
    let (engine, listener) = serve(&home, &workspace)?;
    let reader = Reader::start(listener);
    let start = Instant::now();
    let started = home.ask(
        &workspace,
        &["call", "campaign_prepare", &json!({ "id": 1 }).to_string()],
    )?;
    wait_for_job(&home, &workspace, &started)?;
    let prepare = start.elapsed();
    let (mut pictures, unanswered) = reader.stop();
    pictures.sort_unstable();
    let launch = launch(&home, &workspace)?;
    let start = Instant::now();
    home.ask_nothing(&workspace, &["send", "--campaign", "1"])?;
    let took = Took {
        prepare,
        launch,
        send: start.elapsed(),
        peak_kib: engine.peak_kib(),
        pictures,
        unanswered,
    };
    drop(engine);
    let shown = home.ask(&workspace, &["campaign", "show", "1"])?;
    if shown["counts"]["accepted"] != json!(people) {
        bail!("not every mail was accepted: {}", shown["counts"]);
    }
    println!(
        "| {people} | {:.1} | {} | {:.1} | {:.0} | {}, {}, {} |",
        took.prepare.as_secs_f64(),
        ms(took.launch),
        took.send.as_secs_f64(),
        took.peak_kib.map_or(f64::NAN, |kib| kib as f64 / 1024.0),
        ms(percentile(&took.pictures, 0.5)),
        ms(percentile(&took.pictures, 0.99)),
        ms(percentile(&took.pictures, 1.0)),
    );
    Ok(took)
}

/// Launches, and returns how long the command took in the engine: without the start of a program.
fn launch(home: &Home, workspace: &Path) -> Result<Duration> {
    let request =
        json!({ "id": 1, "delay_secs": 0, "confirmed": true, "confirm_host": "127.0.0.1" }).to_string();
    let empty = Instant::now();
    home.ask(workspace, &["call", "job_list", "{}"])?;
    let empty = empty.elapsed();
    let start = Instant::now();
    home.ask(workspace, &["call", "campaign_launch", &request])?;
    Ok(start.elapsed().saturating_sub(empty))
}

fn wait_for_job(home: &Home, workspace: &Path, started: &Value) -> Result<()> {
    let asked = json!({ "job": started["job"] }).to_string();
    loop {
        let job = home.ask(workspace, &["call", "job_get", &asked])?;
        if job["state"] != "running" {
            if !job["error"].is_null() {
                bail!("preparing failed: {job}");
            }
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn serve(home: &Home, workspace: &Path) -> Result<(Daemon, SocketAddr)> {
    let mut command = home.command(workspace);
    command
        .args(["serve", "--bind", "127.0.0.1:0"])
        .stdout(Stdio::piped());
    let mut daemon = Daemon::start("casementctl serve", &mut command)?;
    let stdout = daemon.child().stdout.take().context("it is piped")?;
    let mut lines = BufReader::new(stdout);
    let mut line = String::new();
    lines
        .read_line(&mut line)
        .context("serve does not say where it listens")?;
    // What it says later is of no use here, and must not stop it.
    std::thread::spawn(move || drop(std::io::copy(&mut lines, &mut std::io::sink())));
    let status: Value = serde_json::from_str(&line).with_context(|| format!("serve says {line:?}"))?;
    let address = status["entrances"][0]["url"]
        .as_str()
        .and_then(|url| url.strip_prefix("http://")?.parse().ok())
        .with_context(|| format!("an entrance is missing: {status}"))?;
    Ok((daemon, address))
}

/// Somebody who asks for a picture now and then.
struct Reader {
    done: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(Vec<Duration>, usize)>,
}

impl Reader {
    fn start(listener: SocketAddr) -> Reader {
        let done = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let done = done.clone();
            move || {
                let (mut took, mut unanswered) = (Vec::new(), 0);
                while !done.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    match look(listener) {
                        Ok(true) => took.push(start.elapsed()),
                        _ => unanswered += 1,
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
                (took, unanswered)
            }
        });
        Reader { done, thread }
    }

    fn stop(self) -> (Vec<Duration>, usize) {
        self.done.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// Asks for a picture that belongs to nobody; true where it was answered with 200.
fn look(listener: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&listener, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(
        format!(
            "GET /o/{}.gif HTTP/1.1\r\nHost: {listener}\r\nConnection: close\r\n\r\n",
            "a".repeat(26)
        )
        .as_bytes(),
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
