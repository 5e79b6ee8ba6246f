//! `casementctl`: what the window does, for scripts, servers and tests.
//!
//! `args` is what can be typed, `access` finds the workspace's engine or becomes it, `run` turns each
//! sub-command into commands of the table, `serve` stays, `demo` plays the whole loop, `judge`
//! reads user agents and needs no workspace. Results go to standard output,
//! progress and errors to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage.

mod access;
mod account;
mod after;
mod args;
mod backup;
mod campaign;
mod demo;
mod incoming;
mod judge;
#[path = "../machine.rs"]
mod machine;
mod print;
mod reach;
mod reach_probe;
mod routes;
mod run;
mod serve;
mod sign_in;
mod simulate;
mod tables;
mod window;

use casement_core::reach::tunnel::leash;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before all else: this process may be the leash of a tunnel, and nothing more.
    if let Some(code) = leash::if_asked(std::env::args_os()) {
        return code;
    }
    let args = args::Args::parse();
    let level = std::env::var("CASEMENT_LOG").unwrap_or_else(|_| "warn".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .init();
    let json = args.json;
    match run::run(args) {
        Ok(code) => code,
        Err(error) => {
            print::failure(&error, json);
            ExitCode::FAILURE
        }
    }
}
