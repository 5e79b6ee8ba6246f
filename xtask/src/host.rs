//! What kind of machine this is: a display, CI, root, a program on the path.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::sh;

/// Says whether this run is CI's, where a missing part is a failure and not a reason to skip.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Says whether a window could be opened here.
pub fn has_display() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Looks a program up on `PATH`, and then where Debian keeps servers, which is not on everyone's path.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
        .find(|file| is_executable(file))
}

/// How a command gets the rights to install packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// We are root.
    Root,
    /// `sudo` works without a question, or there is a person at the terminal whom it may ask.
    Sudo,
    /// Neither.
    None,
}

/// Finds out which [`Rights`] this process has.
pub fn rights() -> Rights {
    use std::io::IsTerminal;
    if user_id().as_deref() == Some("0") {
        Rights::Root
    } else if sh::succeeds(Command::new("sudo").args(["-n", "true"]))
        || (program("sudo").is_some() && std::io::stdin().is_terminal())
    {
        Rights::Sudo
    } else {
        Rights::None
    }
}

/// Refuses a Node that cannot build the user interface, with a sentence.
pub fn require_node() -> Result<()> {
    let found = sh::output(Command::new("node").arg("--version"))
        .context("Node.js is missing: install version 20 or newer (https://nodejs.org), then start again")?;
    let major = found
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|n| n.parse::<u32>().ok());
    if major.is_none_or(|major| major < 20) {
        bail!(
            "Node.js {} is too old: install version 20 or newer (https://nodejs.org)",
            found.trim()
        );
    }
    Ok(())
}

fn user_id() -> Option<String> {
    sh::output(Command::new("id").arg("-u"))
        .ok()
        .map(|id| id.trim().to_owned())
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}
