//! `cargo xtask bench start`: how long the command line takes to start.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::sh;

/// Starts the release build often, beside a program that does nothing.
pub fn start(project: &Project, args: &[String]) -> Result<()> {
    const RUNS: usize = 50;
    if let Some(word) = args.first() {
        bail!("`cargo xtask bench start` takes no {word:?}");
    }
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
