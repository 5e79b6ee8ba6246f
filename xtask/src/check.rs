//! `cargo xtask test`: every check there is, each with its own closing line, and one line for all.
//!
//! A failed check does not stop the ones after it: the report is complete. Outside CI a check whose parts
//! are missing is skipped, and said to be; in CI nothing may be skipped.
//!
//! All of Cargo's work uses one set of features and `--workspace`, because another set would compile the
//! dependencies again: cold, on two cores, that is minutes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::system::{self, Part};
use crate::tally::Tally;
use crate::{host, sh, ui};

/// The test that measures times: it has the machine for itself.
const TIMES: &str = "the_time_of_an_answer_tells_nothing";

/// Runs all checks.
///
/// # Errors
/// When a check failed, or, in CI, when one was skipped.
pub fn test() -> Result<()> {
    let project = Project::find()?;
    let mut checks = Checks::default();

    checks.install();
    // Reading order: the cheap checks first, and the user interface before Cargo, which embeds it.
    checks.run("rustfmt", &[], project.cargo().args(["fmt", "--all", "--check"]));
    checks.prepare("npm packages", || ui::install(&project));
    checks.run("svelte-check", &[], project.npm().args(["run", "check"]));
    checks.run("vitest", &[], project.npm().args(["run", "test"]));
    checks.prepare("user interface build", || ui::build(&project));

    let has_window = Part::Window.missing().is_empty();
    let features = [
        "--workspace",
        "--features",
        if has_window { "window-tests" } else { "ctl" },
    ];
    checks.prepare("plain build without GTK", || plain_build_has_no_gtk(&project));
    let clippy = ["--all-targets", "--", "-D", "warnings"];
    checks.run(
        "clippy",
        &[],
        project.cargo().arg("clippy").args(features).args(clippy),
    );
    // The default targets but the window test, which has its own step below.
    let targets = [
        "--lib",
        "--bins",
        "--test",
        "it",
        "--no-fail-fast",
        "--",
        "--skip",
        TIMES,
    ];
    checks.run(
        "rust tests",
        &[Part::MailTest, Part::TunnelTest, Part::CrashTest],
        project.cargo().arg("test").args(features).args(targets),
    );
    // Times can be compared only where nothing else runs.
    checks.run(
        "test of times",
        &[],
        project
            .cargo()
            .arg("test")
            .args(features)
            .args(["--test", "it", TIMES]),
    );
    checks.run(
        "doc tests",
        &[],
        project.cargo().arg("test").args(features).arg("--doc"),
    );
    // `cargo test` has just built casementctl, which the browser tests drive.
    // Without `npm run e2e`, which would build the user interface again and with it the window.
    let mut browser = project.npm();
    browser.args(["exec", "--", "vitest", "run", "--config", "e2e/vitest.config.ts"]);
    browser.env("CASEMENTCTL", project.debug_binary("casementctl"));
    browser.envs(system::chromium().map(|file| ("CHROMIUM", file)));
    checks.run("browser tests", &[Part::BrowserTest], &mut browser);
    let window = ["--test", "window", "--", "--nocapture"];
    checks.run(
        "window tests",
        &[Part::Window, Part::WindowTest],
        project.cargo().arg("test").args(features).args(window),
    );
    checks.close()
}

/// Writes the TypeScript of the command table into the user interface's sources: the test that compares the
/// two writes instead, when it is told so.
pub fn write_bindings() -> Result<()> {
    let mut test = Project::find()?.cargo();
    test.args(["test", "--quiet", "--test", "it", "committed_bindings"])
        .env("CASEMENT_WRITE_BINDINGS", "1");
    sh::run(&mut test)
}

/// Plain `cargo build` and `cargo test` must not compile GTK: the core and its command line work on servers.
fn plain_build_has_no_gtk(project: &Project) -> Result<()> {
    let tree = sh::output(
        project
            .cargo()
            .args(["tree", "--prefix", "none", "--edges", "normal,build,dev"]),
    )?;
    match tree.lines().find(|line| {
        ["gtk ", "webkit2gtk ", "tauri "]
            .iter()
            .any(|name| line.starts_with(name))
    }) {
        Some(line) => bail!("the default features depend on {line}"),
        None => Ok(()),
    }
}

/// How a check ended.
enum End {
    Passed,
    Failed(String),
    Skipped(String),
}

/// The checks that ran, in order.
#[derive(Default)]
struct Checks {
    done: Vec<(&'static str, End, Duration)>,
    tally: Tally,
}

impl Checks {
    /// Installs what the machine lacks. Where it may not, the checks that need it are skipped one by one, and
    /// in CI that fails them.
    fn install(&mut self) {
        let name = "packages of the system";
        headline(name);
        let start = Instant::now();
        let end = match system::install(&Part::ALL) {
            Ok(()) => End::Passed,
            Err(error) => End::Skipped(format!("{error:#}")),
        };
        self.note(name, end, start.elapsed());
    }

    /// Does something that the checks after it build upon.
    fn prepare(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) {
        headline(name);
        let start = Instant::now();
        let end = match work() {
            Ok(()) => End::Passed,
            Err(error) => End::Failed(format!("{error:#}")),
        };
        self.note(name, end, start.elapsed());
    }

    /// Runs a check whose `parts` are there, and counts what its runner reports.
    fn run(&mut self, name: &'static str, parts: &[Part], command: &mut Command) {
        headline(name);
        let missing: Vec<_> = parts.iter().flat_map(|part| part.missing()).collect();
        // The tests that want these are a few among the Rust tests, so the others run all the same.
        if !missing.is_empty() && !parts.contains(&Part::MailTest) {
            let why = format!("not on this machine: {}", missing.join(", "));
            return self.note(name, End::Skipped(why), Duration::ZERO);
        }
        let start = Instant::now();
        let (end, tally) = match stream(command) {
            Ok((true, tally)) => (End::Passed, tally),
            Ok((false, tally)) => (End::Failed(format!("`{}` failed", sh::shown(command))), tally),
            Err(error) => (End::Failed(format!("{error:#}")), Tally::default()),
        };
        self.tally.add(tally);
        self.note(name, end, start.elapsed());
        if tally.skipped > 0 {
            let why = format!("{} of its tests are marked to be skipped", tally.skipped);
            self.note(name, End::Skipped(why), Duration::ZERO);
        }
        if !missing.is_empty() {
            let why = format!(
                "its tests that need what is not on this machine: {}",
                missing.join(", ")
            );
            self.note(name, End::Skipped(why), Duration::ZERO);
        }
    }

    fn note(&mut self, name: &'static str, end: End, took: Duration) {
        match &end {
            End::Passed => println!("{name}: ok in {:.1} s", took.as_secs_f64()),
            End::Failed(why) => println!("{name}: FAILED: {why}"),
            End::Skipped(why) => println!("{name}: skipped: {why}"),
        }
        self.done.push((name, end, took));
    }

    /// Prints what happened, and the closing line: tests, and one more for each check that has no tests.
    fn close(self) -> Result<()> {
        headline("summary");
        let (mut failed, mut skipped) = (0, 0);
        let mut total = self.tally;
        for (name, end, took) in &self.done {
            let took = took.as_secs();
            match end {
                End::Passed => {
                    println!("  ok       {:>3} min {:02} s  {name}", took / 60, took % 60);
                }
                End::Failed(why) => {
                    failed += 1;
                    println!(
                        "  FAILED   {:>3} min {:02} s  {name}: {why}",
                        took / 60,
                        took % 60
                    );
                }
                End::Skipped(why) => {
                    skipped += 1;
                    println!("  skipped                {name}: {why}");
                }
            }
        }
        // A check that failed without a failed test (a compiler's error) must show in the last line too.
        total.failed = total.failed.max(failed);
        let refused = host::is_ci() && skipped > 0;
        if refused {
            total.failed += skipped;
        }
        println!("\n{} passed, {} failed", total.passed, total.failed);
        if refused {
            bail!("in CI nothing may be skipped");
        }
        if failed > 0 {
            bail!("{failed} of {} checks failed", self.done.len());
        }
        Ok(())
    }
}

fn headline(name: &str) {
    println!("\n=== {name} ===");
}

/// Runs `command` with its output passed on line by line, and counts what it reports.
fn stream(command: &mut Command) -> Result<(bool, Tally)> {
    use std::io::IsTerminal;
    println!("$ {}", sh::shown(command));
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", sh::shown(command)))?;
    let (lines, heard) = mpsc::sync_channel(256);
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child
            .stdout
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child
            .stderr
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ];
    let readers: Vec<_> = pipes
        .into_iter()
        .flatten()
        .map(|pipe| {
            let lines = lines.clone();
            std::thread::spawn(move || pass_on(pipe, &lines))
        })
        .collect();
    drop(lines);
    let mut tally = Tally::default();
    for line in heard {
        println!("{line}");
        tally.read(&line);
    }
    for reader in readers {
        // A reader ends with its pipe and panics never; its lines have all been heard.
        drop(reader.join());
    }
    Ok((child.wait()?.success(), tally))
}

fn pass_on(pipe: impl Read, lines: &mpsc::SyncSender<String>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    // Bytes, not `lines()`: one byte that is not UTF-8 must not end the report.
    while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned();
        if lines.send(text).is_err() {
            return;
        }
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_is_heard_on_both_pipes_and_its_end_is_known() {
        let script = "echo 'test result: ok. 2 passed; 0 failed'; echo '1 passed, 3 failed' >&2; exit 1";
        let (ok, tally) = stream(Command::new("sh").args(["-c", script])).expect("sh runs");
        assert!(!ok, "exit code 1 is a failure");
        assert_eq!((tally.passed, tally.failed), (3, 3), "both pipes count");
    }

    #[test]
    fn a_failed_check_without_tests_shows_in_the_total() {
        let mut checks = Checks::default();
        checks.run("compiler", &[], Command::new("sh").args(["-c", "exit 101"]));
        assert!(checks.close().is_err(), "one failed check fails the whole");
    }
}
