//! The project's own commands: set-up, run, test, bench, package.
//!
//! Owns what a newcomer types and what CI calls. It installs what is missing, and always says so first; it
//! never asks a question, because there may be nobody to answer. It knows nothing of Casement's code: it
//! only calls Cargo, npm and the system's package manager. Start reading at [`check::test`].

mod bench;
mod check;
mod host;
mod package;
mod project;
mod run;
mod sh;
mod system;
mod tally;
mod ui;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  run [-- ARGS]   install what is missing, build, and open the window
  test            install what is missing, and run every check
  dev             the window with hot reload
  bindings        write the TypeScript that the window compiles against
  bench NAME      measure one thing; without NAME, list what can be measured
  package         build the .deb and the .rpm, and check what is in them";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("", &[][..]),
    };
    let outcome = match command {
        "run" => run::run(rest),
        "dev" => run::dev(rest),
        "test" => check::test(),
        "bindings" => check::write_bindings(),
        "bench" => bench::bench(rest),
        "package" => package::package(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
