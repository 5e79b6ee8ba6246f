//! The user interface: its npm packages and its build, each only when something changed.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::project::Project;
use crate::{host, sh};

/// Folders of `ui/` that are made by tools, or that the build does not read.
const NOT_SOURCES: &[&str] = &["node_modules", "dist", "test-results", "playwright-report", "e2e"];

/// Runs `npm ci` if the lock changed since the last time.
pub fn install(project: &Project) -> Result<()> {
    host::require_node()?;
    let ui = project.ui();
    let lock = fs::read(ui.join("package-lock.json"))
        .with_context(|| format!("cannot read {}", ui.join("package-lock.json").display()))?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&lock);
    let stamp = Stamp {
        file: project.stamp("npm-ci"),
        now: hasher.finish(),
    };
    // npm writes this file last, so its absence tells of an install that was cut short.
    if stamp.holds() && ui.join("node_modules/.package-lock.json").exists() {
        return Ok(());
    }
    println!("Installing the npm packages of ui/package-lock.json into ui/node_modules.");
    sh::run(project.npm().args(["ci", "--no-audit", "--no-fund"]))?;
    stamp.set()
}

/// Runs `vite build` if a source changed since the last time.
pub fn build(project: &Project) -> Result<()> {
    let ui = project.ui();
    let stamp = Stamp {
        file: project.stamp("ui-build"),
        now: sources_hash(&ui)?,
    };
    if stamp.holds() && ui.join("dist/index.html").exists() {
        return Ok(());
    }
    println!("Building the user interface.");
    sh::run(project.npm().args(["run", "build"]))?;
    stamp.set()
}

/// A file that holds the hash of what was last made from it.
struct Stamp {
    file: PathBuf,
    now: u64,
}

impl Stamp {
    fn holds(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|then| then == self.text())
    }

    fn set(&self) -> Result<()> {
        let folder = self.file.parent().context("a stamp lies in a folder")?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&self.file, self.text()))
            .with_context(|| format!("cannot write {}", self.file.display()))
    }

    fn text(&self) -> String {
        format!("{:016x}\n", self.now)
    }
}

/// A hash over the names and contents of all sources below `ui`: a fresh checkout has fresh times, and a
/// branch switched back and forth has the same contents.
fn sources_hash(ui: &Path) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    let mut waiting = vec![ui.to_path_buf()];
    let mut files = BTreeSet::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            let is_ours = folder != ui || !NOT_SOURCES.iter().any(|name| entry.file_name() == *name);
            if entry.file_type()?.is_dir() && is_ours {
                waiting.push(entry.path());
            } else if entry.file_type()?.is_file() {
                files.insert(entry.path());
            }
        }
    }
    for file in files {
        let contents = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        hasher.write(file.strip_prefix(ui)?.as_os_str().as_encoded_bytes());
        hasher.write_usize(contents.len());
        hasher.write(&contents);
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_follows_sources_and_nothing_else() {
        let ui = std::env::temp_dir().join(format!("xtask-ui-{}", std::process::id()));
        for folder in ["src/lib", "node_modules/x", "dist"] {
            fs::create_dir_all(ui.join(folder)).expect("a temporary folder can be made");
        }
        let write = |name: &str, text: &str| fs::write(ui.join(name), text).expect("the file can be written");
        let hash = || sources_hash(&ui).expect("the folder can be read");
        write("src/lib/a.ts", "one");
        let first = hash();
        write("dist/index.html", "built");
        write("node_modules/x/index.js", "installed");
        assert_eq!(hash(), first, "what tools make is no source");
        write("src/lib/a.ts", "two");
        assert_ne!(hash(), first, "another content is another hash");
        write("src/lib/a.ts", "one");
        assert_eq!(
            hash(),
            first,
            "the same content is the same hash, whatever the time of the file"
        );
        fs::rename(ui.join("src/lib/a.ts"), ui.join("src/lib/b.ts")).expect("the file can be renamed");
        assert_ne!(hash(), first, "another name is another hash");
        fs::remove_dir_all(&ui).expect("the temporary folder can be removed");
    }
}
