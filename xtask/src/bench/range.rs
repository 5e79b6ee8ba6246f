//! How often the report's range and the estimate's interval hold the truth, over invented campaigns.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

use crate::project::Project;
use crate::sh;

/// Campaigns of each audience, with seeds from 1 on.
const RUNS: u32 = 100;

/// Plays every audience that comes with Casement; `args` may name files with others.
pub fn range(project: &Project, args: &[String]) -> Result<()> {
    sh::run(
        project
            .cargo()
            .args(["build", "--release", "--bin", "casementctl"]),
    )?;
    let program = project.release(&format!("casementctl{}", std::env::consts::EXE_SUFFIX));
    let mut audiences: Vec<PathBuf> = args.iter().map(PathBuf::from).collect();
    if audiences.is_empty() {
        let dir = project.audiences();
        for entry in std::fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
            audiences.push(entry?.path());
        }
        audiences.sort();
    }
    println!("{RUNS} campaigns each\n");
    println!(
        "| audience | range holds the truth | its mean width | estimate shown | interval holds the truth | its mean width |"
    );
    println!("|---|---|---|---|---|---|");
    for path in audiences {
        let output = Command::new(&program)
            .args([
                "--json",
                "simulate",
                "--seed",
                "1",
                "--runs",
                &RUNS.to_string(),
                "--audience",
            ])
            .arg(&path)
            .output()
            .with_context(|| format!("cannot run {}", program.display()))?;
        if !output.status.success() {
            bail!("{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
        }
        let tally: Value = serde_json::from_slice(&output.stdout).context("the tally is no JSON")?;
        let width = |key: &str| match tally[key].as_f64() {
            Some(width) => format!("{:.1} %", width * 100.0),
            None => "–".to_owned(),
        };
        println!(
            "| {} | {} of {} | {} | {} | {} | {} |",
            path.file_stem().unwrap_or_default().to_string_lossy(),
            tally["in_range"],
            tally["measured"],
            width("mean_range_width"),
            tally["estimated"],
            tally["in_interval"],
            width("mean_interval_width"),
        );
    }
    Ok(())
}
