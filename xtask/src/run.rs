//! `cargo xtask run` and `cargo xtask dev`: from a fresh machine to an open window.

use std::process::Command;

use anyhow::{Result, bail};

use crate::project::Project;
use crate::system::{self, Part};
use crate::{host, sh, ui};

/// Features of the binary that carries its user interface inside instead of asking a dev server for it.
pub const WINDOW_FEATURES: &str = "desktop,tauri/custom-protocol";

/// Builds what changed and opens the window; `args` go to it, behind an optional `--`.
pub fn run(args: &[String]) -> Result<()> {
    let project = prepare()?;
    ui::build(&project)?;
    sh::run(
        project
            .cargo()
            .args(["build", "--bin", "casement", "--features", WINDOW_FEATURES]),
    )?;
    let args = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    sh::run(Command::new(project.debug_binary("casement")).args(args))
}

/// Opens the window on Vite's server, so that a change of a source shows at once.
pub fn dev(args: &[String]) -> Result<()> {
    let project = prepare()?;
    sh::run(project.tauri().arg("dev").args(args))
}

/// Installs what is missing, or says why there will be no window.
fn prepare() -> Result<Project> {
    if !host::has_display() {
        bail!(
            "there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set), so no window can open. \
             To see Casement work without one, run:\n    cargo run --bin casementctl -- demo"
        );
    }
    let project = Project::find()?;
    host::require_node()?;
    system::install(&[Part::Window])?;
    let missing = Part::Window.missing();
    if !missing.is_empty() {
        bail!("still missing on this machine: {}", missing.join(", "));
    }
    ui::install(&project)?;
    Ok(project)
}
