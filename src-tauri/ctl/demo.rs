//! The whole loop on invented people.
use crate::args::Demo;
use anyhow::Result;
use std::process::ExitCode;

/// Plays the whole loop.
pub fn demo(_options: &Demo, _json: bool, _quiet: bool) -> Result<ExitCode> {
    anyhow::bail!("not built yet")
}
