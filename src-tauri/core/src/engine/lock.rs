//! The lock on a workspace: who holds `casement.lock` is its engine.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

/// Holds a workspace until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct WorkspaceLock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Why a workspace could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another Casement has this workspace open")]
    Held,
    /// The lock file cannot be made.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The lock file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Takes the lock of the workspace in `dir`, or says that another process holds it.
pub fn lock(dir: &Path) -> Result<WorkspaceLock, LockError> {
    let path = dir.join("casement.lock");
    let io = |source| LockError::Io {
        path: path.display().to_string(),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(WorkspaceLock(file)),
        Err(TryLockError::WouldBlock) => Err(LockError::Held),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_has_one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        assert!(
            matches!(lock(dir.path()), Err(LockError::Held)),
            "the second one must be told"
        );
        drop(first);
        lock(dir.path()).unwrap();
    }
}
