//! `cargo xtask package`: the .deb and the .rpm, and a look inside them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::system::{self, Part};
use crate::{host, sh, ui};

/// What every package must hold, by the end of its path.
const CONTENTS: &[&str] = &[
    "/usr/bin/casement",
    "/usr/bin/casementctl",
    "/usr/share/applications/Casement.desktop",
    "/usr/share/icons/hicolor/128x128/apps/casement.png",
    "/usr/share/doc/casement/LICENSE-MIT",
    "/usr/share/doc/casement/LICENSE-APACHE",
];

/// Builds both packages by the Tauri bundler and checks their contents.
pub fn package() -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("packages are made on Linux only, today: .deb and .rpm");
    }
    let project = Project::find()?;
    system::install(&[Part::Window])?;
    ui::install(&project)?;
    // Old packages would be taken for new ones below.
    for kind in ["deb", "rpm"] {
        let folder = project.release("bundle").join(kind);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    sh::run(project.tauri().args(["build", "--ci", "--bundles", "deb,rpm"]))?;

    let deb = only_file(&project.release("bundle/deb"), "deb")?;
    let rpm = only_file(&project.release("bundle/rpm"), "rpm")?;
    look_inside(&deb, "dpkg-deb", "-c")?;
    look_inside(&rpm, "rpm", "-qlp")
}

/// Lists `file` by `program`, and misses what [`CONTENTS`] names.
fn look_inside(file: &Path, program: &str, option: &str) -> Result<()> {
    let size = file
        .metadata()
        .with_context(|| format!("cannot read {}", file.display()))?
        .len();
    println!("{} ({:.1} MiB)", file.display(), size as f64 / f64::from(1 << 20));
    if host::program(program).is_none() {
        println!("  not looked into: `{program}` is not on this machine");
        return Ok(());
    }
    let list = sh::output(Command::new(program).arg(option).arg(file))?;
    let missing: Vec<_> = CONTENTS
        .iter()
        .filter(|path| !list.lines().any(|line| line.ends_with(*path)))
        .copied()
        .collect();
    if !missing.is_empty() {
        bail!(
            "{} lacks {}; it holds:\n{list}",
            file.display(),
            missing.join(", ")
        );
    }
    println!("  holds {}", CONTENTS.join(", "));
    Ok(())
}

fn only_file(folder: &Path, extension: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    match (files.pop(), files.is_empty()) {
        (Some(file), true) => Ok(file),
        _ => bail!("{} should hold one .{extension}", folder.display()),
    }
}
