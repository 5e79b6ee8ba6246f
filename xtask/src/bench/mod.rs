//! `cargo xtask bench NAME`: measures one thing, and says what it measured on.
//!
//! A bench prints figures and judges nothing: whether a figure is good enough is for whoever reads it, on a
//! machine that they know. Start reading at [`bench`]; `docs/benchmarks.md` says how to read the results.

use anyhow::{Result, bail};

use crate::project::Project;

#[cfg(unix)]
mod daemon;
#[cfg(unix)]
mod figures;
#[cfg(unix)]
mod load;
#[cfg(unix)]
mod nginx;
#[cfg(unix)]
mod pixel;
mod range;
#[cfg(unix)]
mod send;
#[cfg(unix)]
mod send_large;
mod start;
#[cfg(unix)]
mod traffic;
#[cfg(unix)]
mod workspace;

/// A measurement: its name, what it measures, and how; the last gets the words after the name.
type Bench = (&'static str, &'static str, fn(&Project, &[String]) -> Result<()>);

const BENCHES: &[Bench] = &[
    (
        "start",
        "how long casementctl takes to start, and its memory",
        start::start,
    ),
    (
        "range",
        "how often the report holds the truth, over invented campaigns",
        range::range,
    ),
    // It sends signals and reads /proc.
    #[cfg(unix)]
    (
        "pixel",
        "how many looks a second are on disk, beside nginx; `pixel quick` for a first idea",
        pixel::pixel,
    ),
    #[cfg(unix)]
    (
        "send",
        "how many mails a second leave, beside postfix's smtp-source; `send --large` for memory and 200,000 people",
        send::send,
    ),
];

/// Runs the measurement that `args` name.
pub fn bench(args: &[String]) -> Result<()> {
    let list = || {
        BENCHES
            .iter()
            .map(|(name, what, _)| format!("\n  {name:8} {what}"))
            .collect::<String>()
    };
    let Some((name, rest)) = args.split_first() else {
        println!("usage: cargo xtask bench NAME; there are:{}", list());
        return Ok(());
    };
    match BENCHES.iter().find(|(known, ..)| known == name) {
        Some((.., bench)) => bench(&Project::find()?, rest),
        None => bail!("there is no bench {name:?}; there are:{}", list()),
    }
}
