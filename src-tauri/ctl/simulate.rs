//! `simulate`: an invented campaign through the real judge, with its report beside the truth.

use crate::args::Simulate;
use crate::{machine, print};
use anyhow::{Context, Result};
use casement_core::app::engine::{Durability, Engine, EngineOptions, Tools};
use casement_core::app::simulate::{self, Simulated};
use casement_core::clock::{Clock, Instant, ManualClock, SystemClock};
use casement_core::ids::SeededEntropy;
use casement_core::report::words::percent;
use casement_core::simulate::Audience;
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;

/// Plays one campaign, or several with seeds that follow one another, and prints what came of it.
pub fn simulate(options: &Simulate, json: bool, quiet: bool) -> Result<ExitCode> {
    let mut audience = match &options.audience {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            Audience::parse(&text).with_context(|| format!("{} states no audience", path.display()))?
        }
        None => Audience::default(),
    };
    if let Some(people) = options.people {
        audience.people = people;
    }
    // The window lies behind us, whole.
    let start = SystemClock.now() - TimeDelta::days(i64::from(audience.days) + 1);
    let mut tally = Tally::default();
    for seed in options.seed..options.seed + u64::from(options.runs) {
        let simulated = run(&audience, seed, start)?;
        tally.add(&simulated);
        if options.runs == 1 {
            show(&simulated, &audience, seed, json)?;
        } else if !quiet && !json {
            eprintln!("{}", line(&simulated, seed));
        }
    }
    if options.runs > 1 {
        let document = tally.json(&audience, options);
        if json {
            print::json_document(&document);
        } else {
            print::out(&tally.text());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn run(audience: &Audience, seed: u64, start: Instant) -> Result<Simulated> {
    let place = tempfile::tempdir().context("cannot make a temporary folder")?;
    let clock = Arc::new(ManualClock::at(start));
    let engine = Engine::open(EngineOptions {
        workspace: place.path().join("workspace"),
        clock: clock.clone(),
        entropy: Arc::new(SeededEntropy::new(seed)),
        keys: machine::key_store(),
        zone: "UTC".into(),
        machine: String::new(),
        extra_roots: Vec::new(),
        dns: None,
        // It is gone with the process.
        durability: Durability::Normal,
        tools: Tools::default(),
    })?;
    let simulated = simulate::run(&engine, &clock, audience, seed);
    engine.shutdown();
    Ok(simulated?)
}

fn show(simulated: &Simulated, audience: &Audience, seed: u64, json: bool) -> Result<()> {
    if json {
        print::json_document(&json!({
            "seed": seed,
            "audience": audience,
            "true_rate": simulated.true_rate,
            "report": simulated.report,
        }));
    } else {
        print::out(&format!(
            "{}\n{}\n",
            print::report(&simulated.report),
            line(simulated, seed)
        ));
    }
    Ok(())
}

/// Says how the report stands to the truth.
fn line(simulated: &Simulated, seed: u64) -> String {
    let parts = &simulated.report.parts;
    let (Some(truth), Some(low), Some(high)) = (simulated.true_rate, parts.confirmed_rate, parts.upper_rate)
    else {
        return format!("Seed {seed}: nothing could be measured.");
    };
    let estimate = match (simulated.report.estimate, simulated.report.interval) {
        (Some(rate), Some([from, until])) => format!(
            "; estimated {}, {} to {}",
            percent(rate),
            percent(from),
            percent(until)
        ),
        _ => String::new(),
    };
    format!(
        "Seed {seed}: true {}; reported {} to {}{estimate}",
        percent(truth),
        percent(low),
        percent(high)
    )
}

/// How often the report held the truth.
#[derive(Debug, Default)]
struct Tally {
    measured: u32,
    in_range: u32,
    estimated: u32,
    in_interval: u32,
    above: u32,
    range_width: f64,
    interval_width: f64,
}

impl Tally {
    fn add(&mut self, simulated: &Simulated) {
        let parts = &simulated.report.parts;
        let (Some(truth), Some(low), Some(high)) =
            (simulated.true_rate, parts.confirmed_rate, parts.upper_rate)
        else {
            return;
        };
        self.measured += 1;
        self.in_range += u32::from(low <= truth && truth <= high);
        self.above += u32::from(truth > high);
        self.range_width += high - low;
        if let Some([from, until]) = simulated.report.interval {
            self.estimated += 1;
            self.in_interval += u32::from(from <= truth && truth <= until);
            self.interval_width += until - from;
        }
    }

    fn json(&self, audience: &Audience, options: &Simulate) -> Value {
        let mean = |sum: f64, n: u32| (n > 0).then(|| sum / f64::from(n));
        json!({
            "audience": audience,
            "seed": options.seed,
            "runs": options.runs,
            "measured": self.measured,
            "in_range": self.in_range,
            "truth_above_range": self.above,
            "mean_range_width": mean(self.range_width, self.measured),
            "estimated": self.estimated,
            "in_interval": self.in_interval,
            "mean_interval_width": mean(self.interval_width, self.estimated),
        })
    }

    fn text(&self) -> String {
        let width = |sum: f64, n: u32| match n {
            0 => String::new(),
            n => format!(", {} wide on average", percent(sum / f64::from(n))),
        };
        format!(
            "The range held the truth in {} of {} runs{}.\nThe estimate's interval held it in {} of the {} in which it was shown{}.\n",
            self.in_range,
            self.measured,
            width(self.range_width, self.measured),
            self.in_interval,
            self.estimated,
            width(self.interval_width, self.estimated),
        )
    }
}
