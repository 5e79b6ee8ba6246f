//! `cargo xtask bench pixel`: looks that are on disk, a second, beside what nginx takes for the same requests.
//!
//! Prints Markdown, so that `docs/benchmarks.md` can take it over. Start reading at [`pixel`]. Every round of
//! ours begins on a fresh copy of one workspace, and ends with a count of what is on disk: figures of a
//! listener that lost a look it had acknowledged would be worth nothing.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::daemon::{Daemon, cpu_of, cpu_of_all};
use super::figures::{HEAD, Round, median, ms, percentile};
use super::load::{Connections, Load};
use super::nginx::Nginx;
use super::traffic;
use super::workspace::{Home, Listener, Recorded};
use crate::project::Project;
use crate::sh;
use crate::system::{self, Part};

const CLIENTS: usize = 64;
const PEOPLE: usize = 5_000;
/// Open connections that ask nothing.
const IDLE: usize = 5_000;
/// Open files that are asked for: today's listener takes two for each connection.
const FILES: u64 = 16_384;
/// A round that takes longer is cut off.
const AT_MOST: Duration = Duration::from_secs(60);
/// How long a server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);

/// How much is measured.
struct Plan {
    rounds: usize,
    requests: usize,
    /// How long processor time without any request is counted.
    idle: Option<Duration>,
}

const FULL: Plan = Plan {
    rounds: 3,
    requests: 60_000,
    idle: Some(Duration::from_secs(60)),
};

/// For a first idea while one changes something.
const QUICK: Plan = Plan {
    rounds: 1,
    requests: 20_000,
    idle: None,
};

/// Measures the listener beside nginx; `quick` does so once and with fewer requests.
///
/// `CASEMENT_BENCH_PROGRAM` names another `casementctl` to measure than the one that is built here.
pub fn pixel(project: &Project, args: &[String]) -> Result<()> {
    let plan = match args {
        [] => FULL,
        [word] if word == "quick" => QUICK,
        _ => bail!("usage: cargo xtask bench pixel [quick]"),
    };
    if cfg!(debug_assertions) {
        // Servers and clients share the processors: what unoptimised clients waste, the servers lack.
        let words = [
            "run",
            "--quiet",
            "--release",
            "--package",
            "xtask",
            "--",
            "bench",
            "pixel",
        ];
        return sh::run(project.cargo().args(words).args(args));
    }
    system::install(&[Part::PixelBench])?;
    if let [what, ..] = Part::PixelBench.missing()[..] {
        bail!("{what} is still missing");
    }
    sh::run(
        project
            .cargo()
            .args(["build", "--release", "--bin", "casementctl"]),
    )?;
    raise_file_limit()?;
    let scratch = Scratch::new(project.stamp(&format!("bench-pixel-{}", std::process::id())))?;
    let program = match std::env::var_os("CASEMENT_BENCH_PROGRAM") {
        Some(other) => PathBuf::from(other),
        None => project.release("casementctl"),
    };
    println!("\nsending {PEOPLE} mails into the practice outbox");
    let home = Home::with_campaign(&scratch.0.join("home"), program, PEOPLE)?;
    let nginx = Nginx::start(&scratch.0.join("nginx"))?;
    let mut bench = Bench {
        plan,
        home,
        nginx,
        copies: 0,
        wrong: Vec::new(),
    };
    println!("\n{}\n", bench.machine(&scratch.0)?);
    bench.run()
}

/// A folder that goes with the bench.
///
/// It lies with the build's results: the usual folder for temporary files is in memory on many systems, where
/// a flush to disk costs nothing.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(folder: PathBuf) -> Result<Scratch> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Scratch(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("xtask: cannot remove {}: {error}", self.0.display());
        }
    }
}

/// For this process and the servers that it starts.
fn raise_file_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")?;
    }
    Ok(())
}

/// Which of the listener's entrances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Direct,
    Proxied,
}

struct Bench {
    plan: Plan,
    home: Home,
    nginx: Nginx,
    copies: usize,
    /// What may not be, in sentences.
    wrong: Vec<String>,
}

impl Bench {
    fn run(&mut self) -> Result<()> {
        println!("{HEAD}");
        let (mut theirs, mut ours, mut on_disk) = (Vec::new(), Vec::new(), Recorded::default());
        for number in 1..=self.plan.rounds {
            let seed = number as u64;
            theirs.push(self.theirs(&format!("nginx, round {number}"), Connections::New, seed)?);
            let name = format!("casementctl, round {number}");
            let (round, recorded) = self.ours(&name, Door::Proxied, Connections::New, seed)?;
            ours.push(round);
            on_disk.stored += recorded.stored;
            on_disk.over_cap += recorded.over_cap;
        }
        let kept = Connections::Kept;
        let (ours_kept, _) = self.ours("casementctl, keep-alive", Door::Proxied, kept, 11)?;
        self.theirs("nginx, keep-alive", kept, 11)?;
        self.ours(
            "casementctl, direct entrance (own looks, only counted)",
            Door::Direct,
            Connections::New,
            12,
        )?;
        let idle = self.idle()?;
        println!("\n| | measured | target |\n|---|---|---|");
        self.compare(&theirs, &ours, &ours_kept);
        println!(
            "| looks acknowledged, and on disk after them | {}, {} ({} rows, {} counted over the cap) | all |",
            ours.iter().map(|round| round.good).sum::<usize>(),
            on_disk.total(),
            on_disk.stored,
            on_disk.over_cap
        );
        idle.print();
        if !self.wrong.is_empty() {
            bail!(
                "not everything was answered as it must be: {}",
                self.wrong.join("; ")
            );
        }
        Ok(())
    }

    /// What was measured on.
    fn machine(&self, folder: &Path) -> Result<String> {
        Ok(format!(
            "{}. Writing 4 KiB and flushing them: {} ms (median of {FLUSHES}).\n\
             {CLIENTS} clients on the same cores, over loopback; {} requests a round to the pixels of {PEOPLE} mails.",
            computer(),
            ms(flush(folder)?),
            self.plan.requests,
        ))
    }

    fn load(
        &self,
        server: &Daemon,
        target: SocketAddr,
        connections: Connections,
        seed: u64,
    ) -> Result<Round> {
        let requests = traffic::requests(&self.home.paths, self.plan.requests, connections, seed);
        let load = Load {
            target,
            requests: &requests,
            connections,
            clients: CLIENTS,
            at_most: AT_MOST,
        };
        measured(&load, server)
    }

    fn theirs(&mut self, name: &str, connections: Connections, seed: u64) -> Result<Round> {
        let round = self.load(&self.nginx.daemon, self.nginx.addr, connections, seed)?;
        self.print(name, &round);
        Ok(round)
    }

    fn ours(
        &mut self,
        name: &str,
        door: Door,
        connections: Connections,
        seed: u64,
    ) -> Result<(Round, Recorded)> {
        let workspace = self.fresh()?;
        let mut listener = self.home.listen(&workspace)?;
        let round = self.load(&listener.daemon, listener.at(door), connections, seed)?;
        listener.daemon.stop();
        self.print(name, &round);
        let recorded = self.home.recorded(&workspace)?;
        fs::remove_dir_all(&workspace).context("cannot remove a workspace")?;
        // More is no fault: a client may give up on an answer that was on its way.
        if door == Door::Proxied && recorded.total() < round.good as u64 {
            self.wrong.push(format!(
                "{name}: {} looks were acknowledged, and {} are on disk",
                round.good,
                recorded.total()
            ));
        }
        Ok((round, recorded))
    }

    fn fresh(&mut self) -> Result<PathBuf> {
        self.copies += 1;
        self.home.fresh(&format!("copy-{}", self.copies))
    }

    fn print(&mut self, name: &str, round: &Round) {
        println!("{}", round.row(name));
        if round.bad() > 0 {
            self.wrong.push(format!(
                "{name}: {} answers were not 200, {} were no picture, {} requests had no answer ({})",
                round.not_200,
                round.no_picture,
                round.failed,
                round.first_failure.as_deref().unwrap_or("-")
            ));
        }
    }

    fn compare(&self, theirs: &[Round], ours: &[Round], kept: &Round) {
        let rate = |rounds: &[Round]| median(rounds.iter().map(Round::per_second));
        let p99 = |rounds: &[Round]| median(rounds.iter().map(|round| ms_of(&round.took, 0.99)));
        let each: Vec<String> = theirs
            .iter()
            .zip(ours)
            .map(|(theirs, ours)| format!("{:.2}", ours.per_second() / theirs.per_second()))
            .collect();
        println!(
            "| new connections: casementctl / nginx | {:.2} ({:.0} / {:.0} a second; by round {}) | ≥ 0.5 |",
            rate(ours) / rate(theirs),
            rate(ours),
            rate(theirs),
            each.join(", ")
        );
        let cpu = |rounds: &[Round]| median(rounds.iter().filter_map(Round::cpu_us));
        println!(
            "| new connections: server CPU for a request, casementctl / nginx | {:.1} ({:.0} / {:.0} µs) | none |",
            cpu(ours) / cpu(theirs),
            cpu(ours),
            cpu(theirs)
        );
        println!(
            "| new connections: p99 | {:.1} ms (nginx {:.1} ms) | < 50 ms |",
            p99(ours),
            p99(theirs)
        );
        println!(
            "| casementctl: keep-alive / new connections | {:.2} | ≥ 1.3 |",
            kept.per_second() / rate(ours)
        );
    }

    /// Measures a listener that nobody asks anything.
    fn idle(&mut self) -> Result<Idle> {
        let workspace = self.fresh()?;
        let listener = self.home.listen(&workspace)?;
        sleep(SETTLE);
        let alone_kib = listener.daemon.resident_kib();
        let cpu = self.plan.idle.map(|long| {
            let before = listener.daemon.cpu();
            sleep(long);
            since(listener.daemon.cpu(), before).map(|cpu| cpu.as_secs_f64() * 60.0 / long.as_secs_f64())
        });
        let mut open = Vec::with_capacity(IDLE);
        while open.len() < IDLE {
            match TcpStream::connect(listener.proxied) {
                Ok(stream) => open.push(stream),
                Err(error) => {
                    self.wrong.push(format!(
                        "connection {} of {IDLE} was refused: {error}",
                        open.len() + 1
                    ));
                    break;
                }
            }
        }
        sleep(SETTLE);
        let crowded_kib = listener.daemon.resident_kib();
        let still_open = open.iter().filter(|stream| is_open(stream)).count();
        // Somebody comes while all of these sit there.
        let few = traffic::requests(&self.home.paths, 1_000, Connections::New, 13);
        let load = Load {
            target: listener.proxied,
            requests: &few,
            connections: Connections::New,
            clients: 1,
            at_most: AT_MOST,
        };
        let round = measured(&load, &listener.daemon)?;
        self.print("casementctl, one client beside idle connections", &round);
        Ok(Idle {
            alone_kib,
            crowded_kib,
            opened: open.len(),
            still_open,
            cpu,
        })
    }
}

impl Listener {
    fn at(&self, door: Door) -> SocketAddr {
        match door {
            Door::Direct => self.direct,
            Door::Proxied => self.proxied,
        }
    }
}

/// What a listener takes that nobody asks anything.
struct Idle {
    alone_kib: Option<u64>,
    crowded_kib: Option<u64>,
    opened: usize,
    still_open: usize,
    /// Seconds of processor time in a minute; `None` where it was not measured.
    cpu: Option<Option<f64>>,
}

impl Idle {
    fn print(&self) {
        let mib =
            |kib: Option<u64>| kib.map_or_else(|| "?".into(), |kib| format!("{:.1}", kib as f64 / 1024.0));
        println!(
            "| memory with {} idle connections | {} MiB ({} MiB without; {} still open after {} s) | < 64 MiB |",
            self.opened,
            mib(self.crowded_kib),
            mib(self.alone_kib),
            self.still_open,
            SETTLE.as_secs()
        );
        if let Some(cpu) = self.cpu {
            let cpu = cpu.map_or_else(|| "?".into(), |seconds| format!("{seconds:.2}"));
            println!("| processor time while idle | {cpu} s a minute | < 0.1 s a minute |");
        }
    }
}

/// Runs `load`, and takes the processor time of both sides and of the rest of the machine.
fn measured(load: &Load<'_>, server: &Daemon) -> Result<Round> {
    let own = std::process::id();
    let (before, own_before, all_before) = (server.cpu(), cpu_of(own), cpu_of_all());
    let mut round = load.run()?;
    round.cpu = since(server.cpu(), before);
    round.clients_cpu = since(cpu_of(own), own_before);
    let all = since(cpu_of_all(), all_before);
    if let (Some(all), Some(server), Some(clients)) = (all, round.cpu, round.clients_cpu) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let others = all.saturating_sub(server + clients).as_secs_f64();
        round.others = Some(others / (round.elapsed.as_secs_f64() * cores as f64).max(1e-9));
    }
    Ok(round)
}

fn since(now: Option<Duration>, before: Option<Duration>) -> Option<Duration> {
    now?.checked_sub(before?)
}

fn ms_of(sorted: &[Duration], share: f64) -> f64 {
    percentile(sorted, share).as_secs_f64() * 1e3
}

/// Whether the other side has left a connection alone, on which nothing was ever sent.
fn is_open(stream: &TcpStream) -> bool {
    let looked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    matches!(looked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// The processor and how busy it is.
pub(super) fn computer() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("of a model unknown");
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown");
    format!("{cores} cores ({model}), load {load} at the start")
}

pub(super) const FLUSHES: usize = 200;

/// The median of how long 4 KiB take to the disk on which `folder` lies: what one commit costs at least.
pub(super) fn flush(folder: &Path) -> Result<Duration> {
    let path = folder.join("flush");
    let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut took = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        let start = Instant::now();
        file.write_all(&[7; 4096])
            .and_then(|()| file.sync_all())
            .context("cannot flush to the disk")?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    Ok(percentile(&took, 0.5))
}
