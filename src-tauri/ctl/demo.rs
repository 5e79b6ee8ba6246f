//! `demo`: the whole loop on invented people, without network, display or questions.

use crate::args::Demo;
use crate::{machine, print};
use anyhow::{Context, Result, bail};
use casement_core::api::{self, EngineHost, Report};
use casement_core::app::engine::{Durability, Engine, EngineOptions, Tools};
use casement_core::app::rehearsal::{Rehearsal, Request, SPRING, Script};
use casement_core::clock::{Clock, ManualClock, SystemClock};
use casement_core::ids::{CampaignId, SeededEntropy};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Readers look over a week; the demo's clock begins so far back that all of it lies behind us.
const DAYS: i64 = 8;

/// Plays the whole loop and prints the report.
pub fn demo(options: &Demo, json: bool, quiet: bool) -> Result<ExitCode> {
    let place = Place::new(options.keep.as_deref())?;
    let clock = Arc::new(ManualClock::at(SystemClock.now() - TimeDelta::days(DAYS)));
    let engine = Engine::open(EngineOptions {
        workspace: place.dir.clone(),
        clock: clock.clone(),
        entropy: Arc::new(SeededEntropy::new(options.seed)),
        keys: machine::key_store(),
        zone: machine::zone(),
        machine: machine::name(),
        extra_roots: Vec::new(),
        dns: None,
        durability: Durability::Full,
        tools: Tools::default(),
    })?;
    engine.serve(Arc::new(EngineHost(Arc::downgrade(&engine))))?;
    let played = play(options, &place, &engine, &clock, quiet || json);
    engine.shutdown();
    let (report, requests) = played?;
    let result = json!({
        "people": options.people, "seed": options.seed, "workspace": place.kept(),
        "accepted": report["accepted"], "requests": requests.len(), "report": report,
    });
    if json {
        print::json_document(&result);
    } else {
        let parsed: Report = serde_json::from_value(report)?;
        let kept = match place.kept() {
            Some(dir) => format!(
                "Kept in {}: mails in outbox/, requests in requests.jsonl.",
                dir.display()
            ),
            None => "Say --keep DIR to look at the mails and the log of requests.".to_owned(),
        };
        print::out(&format!(
            "{}\n{} requests over HTTP; every number above was read back from the database.\n{kept}\n",
            print::report(&parsed),
            requests.len()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn play(
    options: &Demo,
    place: &Place,
    engine: &Arc<Engine>,
    clock: &ManualClock,
    quiet: bool,
) -> Result<(Value, Vec<Request>)> {
    let say = |text: String| {
        if !quiet {
            eprintln!("{text}");
        }
    };
    let script = Script {
        people: options.people,
        seed: options.seed,
        sample: false,
        list: "Members".into(),
    };
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    say(format!("importing {} invented people", options.people));
    let mut rehearsal = Rehearsal::begin(engine, clock, script, scratch.path())?;
    say("sending into the practice outbox".into());
    let campaign = rehearsal.send(&SPRING)?;
    say("readers fetch their pixels over HTTP".into());
    rehearsal.read(campaign)?;
    rehearsal.play(SystemClock.now(), |done, total| {
        if done > 0 && done % 500 == 0 {
            say(format!("{done} of {total}"));
        }
        Ok(())
    })?;
    let requests = rehearsal.end()?;
    let report = report(engine, campaign)?;
    if let Some(dir) = place.kept() {
        log(&dir.join("requests.jsonl"), &requests)?;
    }
    Ok((report, requests))
}

fn report(engine: &Arc<Engine>, campaign: CampaignId) -> Result<Value> {
    Ok(api::dispatch(engine, "report_get", json!({ "id": campaign }))?)
}

fn log(path: &Path, requests: &[Request]) -> Result<()> {
    let mut file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    for request in requests {
        writeln!(file, "{}", serde_json::to_string(request)?)?;
    }
    Ok(())
}

/// Where the demo plays: a folder to keep, or one that goes with the process.
struct Place {
    dir: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Place {
    fn new(keep: Option<&Path>) -> Result<Self> {
        let Some(dir) = keep else {
            let temporary = tempfile::tempdir().context("cannot make a temporary folder")?;
            return Ok(Self {
                dir: temporary.path().join("workspace"),
                temporary: Some(temporary),
            });
        };
        let dir = std::path::absolute(dir)?;
        if dir.exists()
            && std::fs::read_dir(&dir)
                .with_context(|| format!("cannot read {}", dir.display()))?
                .next()
                .is_some()
        {
            bail!(
                "{} is not empty; the demo keeps its workspace in a new or empty folder only",
                dir.display()
            );
        }
        Ok(Self { dir, temporary: None })
    }

    fn kept(&self) -> Option<&Path> {
        self.temporary.is_none().then_some(self.dir.as_path())
    }
}
