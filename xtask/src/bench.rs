//! `cargo xtask bench NAME`: measures one thing, and says what it measured on.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::sh;

/// A measurement: its name, what it measures, and how.
type Bench = (&'static str, &'static str, fn(&Project) -> Result<()>);

const BENCHES: &[Bench] = &[(
    "start",
    "how long casementctl takes to start, and its memory",
    start,
)];

/// Runs the measurement that `args` name.
pub fn bench(args: &[String]) -> Result<()> {
    let list = || {
        BENCHES
            .iter()
            .map(|(name, what, _)| format!("\n  {name:8} {what}"))
            .collect::<String>()
    };
    let Some(name) = args.first() else {
        println!("usage: cargo xtask bench NAME; there are:{}", list());
        return Ok(());
    };
    match BENCHES.iter().find(|(known, ..)| known == name) {
        Some((.., bench)) => bench(&Project::find()?),
        None => bail!("there is no bench {name:?}; there are:{}", list()),
    }
}

/// Starts the release build often, beside a program that does nothing.
fn start(project: &Project) -> Result<()> {
    const RUNS: usize = 50;
    sh::run(
        project
            .cargo()
            .args(["build", "--release", "--bin", "casementctl"]),
    )?;
    let ours = project.release(&format!("casementctl{}", std::env::consts::EXE_SUFFIX));
    let nothing = median(RUNS, || Command::new("true"))?;
    let version = median(RUNS, || {
        let mut command = Command::new(&ours);
        command.arg("--version");
        command
    })?;
    println!("{RUNS} starts each, median:");
    println!("  true                   {:8.2} ms", nothing.as_secs_f64() * 1e3);
    println!("  casementctl --version  {:8.2} ms", version.as_secs_f64() * 1e3);
    Ok(())
}

fn median(runs: usize, command: impl Fn() -> Command) -> Result<Duration> {
    let mut took = Vec::with_capacity(runs);
    for _ in 0..runs {
        let mut command = command();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let start = Instant::now();
        let status = command
            .status()
            .with_context(|| format!("cannot start `{}`", sh::shown(&command)))?;
        took.push(start.elapsed());
        if !status.success() {
            bail!("`{}` failed ({status})", sh::shown(&command));
        }
    }
    took.sort_unstable();
    took.get(runs / 2)
        .copied()
        .context("a median wants at least one run")
}
