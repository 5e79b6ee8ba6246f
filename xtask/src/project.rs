//! Where things lie: the repository, Cargo's target folder, the user interface, our own stamps.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::sh;

/// The checkout that this `xtask` belongs to.
pub struct Project {
    root: PathBuf,
    target: PathBuf,
}

impl Project {
    /// Asks Cargo where the target folder is, so that `CARGO_TARGET_DIR` and `.cargo/config.toml` hold.
    pub fn find() -> Result<Project> {
        // At run time, not with `env!`: a checkout that was moved keeps its old binary for a while.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .context("xtask lies in a folder of the repository")?
            .to_path_buf();
        let mut metadata = cargo_in(&root);
        metadata.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
        let metadata: serde_json::Value = serde_json::from_str(&sh::output(&mut metadata)?)
            .context("cannot read what `cargo metadata` printed")?;
        let target = metadata["target_directory"]
            .as_str()
            .context("`cargo metadata` names no target_directory")?;
        Ok(Project {
            target: PathBuf::from(target),
            root,
        })
    }

    /// The folder of the audiences that campaigns are simulated for.
    pub fn audiences(&self) -> PathBuf {
        self.root.join("src-tauri/core/data/audiences")
    }

    /// The folder of `package.json`.
    pub fn ui(&self) -> PathBuf {
        self.root.join("ui")
    }

    /// A binary of the dev profile.
    pub fn debug_binary(&self, name: &str) -> PathBuf {
        self.target
            .join("debug")
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// A path below the release folder, such as a binary or `bundle/deb`.
    pub fn release(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name)
    }

    /// A file in which `xtask` notes what it did last, so that it need not do it again.
    pub fn stamp(&self, name: &str) -> PathBuf {
        self.target.join("xtask").join(name)
    }

    /// Cargo, in the root of the repository.
    pub fn cargo(&self) -> Command {
        cargo_in(&self.root)
    }

    /// npm, in the folder of the user interface.
    pub fn npm(&self) -> Command {
        let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
        command.current_dir(self.ui());
        command
    }

    /// The Tauri command line that `npm ci` brought, in the root: there it finds `tauri.conf.json`.
    pub fn tauri(&self) -> Command {
        let name = if cfg!(windows) { "tauri.cmd" } else { "tauri" };
        let mut command = Command::new(self.ui().join("node_modules").join(".bin").join(name));
        command.current_dir(&self.root);
        sh::forget_cargo_run(&mut command);
        command
    }
}

fn cargo_in(root: &Path) -> Command {
    // Not `$CARGO`: rustup's `cargo` on the path leads to the same toolchain, and can be typed by a person.
    let mut command = Command::new("cargo");
    command.current_dir(root);
    sh::forget_cargo_run(&mut command);
    command
}
