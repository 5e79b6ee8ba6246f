//! `cargo xtask package`: the .deb and the .rpm, and a look inside them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::system::{self, Part};
use crate::{host, sh, ui};

/// What every package must hold.
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
        .filter(|path| !list.lines().any(|line| names(line, path)))
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

/// Tells whether a line of a listing ends in `path`, written as `/usr/…`, `./usr/…` or `usr/…`.
///
/// dpkg-deb prints names as the archive has them, and bundlers differ in that.
fn names(line: &str, path: &str) -> bool {
    line.split_whitespace().next_back().is_some_and(|name| {
        name.trim_start_matches('.').trim_start_matches('/') == path.trim_start_matches('/')
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_name_is_known_however_its_root_is_written() {
        for line in [
            "-rwxr-xr-x 0/0 27742512 2026-11-23 16:17 usr/bin/casement",
            "-rwxr-xr-x 0/0 27742512 2026-11-23 16:17 ./usr/bin/casement",
            "/usr/bin/casement",
        ] {
            assert!(names(line, "/usr/bin/casement"), "{line}");
            assert!(
                !names(line, "/usr/bin/casementctl"),
                "another program is not this one: {line}"
            );
        }
    }
}
