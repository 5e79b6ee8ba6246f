//! The workspace: one folder with the database, the files of campaigns, the outbox and the backups.

use crate::api::{Code, Error, Result};
use std::path::{Path, PathBuf};

/// A workspace's folder, made where it was missing, open to this user only.
#[derive(Debug, Clone)]
pub struct Workspace(PathBuf);

impl Workspace {
    /// Makes or opens the folder `dir`.
    ///
    /// On Unix the folder is 0700. Fails with a sentence where it cannot be made or written.
    pub fn open(dir: &Path) -> Result<Self> {
        let fail = |error: std::io::Error| {
            Error::new(
                Code::Storage,
                format!(
                    "Cannot use the folder {} as a workspace: {error}. Check that it is not read-only, or choose another one.",
                    dir.display()
                ),
            )
        };
        let fresh = !dir.exists();
        std::fs::create_dir_all(dir).map_err(fail)?;
        let dir = dir.canonicalize().map_err(fail)?;
        if fresh {
            restrict(&dir).map_err(fail)?;
        }
        // The sandboxed way to learn whether a folder can be written is to write.
        tempfile_in(&dir).map_err(fail)?;
        Ok(Self(dir))
    }

    /// Returns the folder.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// Returns the database file.
    pub fn database(&self) -> PathBuf {
        self.0.join("casement.db")
    }

    /// Returns the folder of backups.
    pub fn backups(&self) -> PathBuf {
        self.0.join("backups")
    }

    /// Returns the folder in which a backup waits to take this workspace's place.
    pub fn restoring(&self) -> PathBuf {
        self.0.join("restoring")
    }

    /// Returns the folder of campaigns' files, each under its SHA-256.
    pub fn attachments(&self) -> PathBuf {
        self.0.join("attachments")
    }

    /// Returns the folder of the embedded outbox.
    pub fn outbox(&self) -> PathBuf {
        self.0.join("outbox")
    }
}

/// Opens a folder to this user only.
#[cfg(unix)]
pub(crate) fn restrict(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}

/// Opens a folder to this user only: so it is made here.
#[cfg(not(unix))]
pub(crate) fn restrict(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let probe = dir.join(".casement-write-test");
    std::fs::write(&probe, b"")?;
    std::fs::remove_file(&probe)
}
