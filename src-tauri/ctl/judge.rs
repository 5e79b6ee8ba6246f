//! What user agents are taken for, without a workspace.

use crate::print;
use anyhow::Result;
use casement_core::app::judge_file::{judge_file, to_csv};
use std::path::Path;
use std::process::ExitCode;

/// Judges a file and prints its rows: CSV, or an array with `--json`.
pub fn judge(file: &Path, json: bool) -> Result<ExitCode> {
    let judged = judge_file(file)?;
    if json {
        print::json_document(&serde_json::to_value(&judged)?);
    } else {
        print::out(&to_csv(&judged));
    }
    Ok(ExitCode::SUCCESS)
}
