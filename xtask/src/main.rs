//! The project's own commands: set-up, run, test, bench, package.
fn main() {}
