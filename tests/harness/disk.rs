//! A small disk that can be filled.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A small disk: a tmpfs on a folder of its own, where this process may mount one.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts one of `size` (`3m`); `None` where that is not allowed.
    pub fn mount(size: &str) -> Option<Self> {
        let at = tempfile::tempdir().expect("a temporary folder can be made");
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "casement-test"])
            .arg(at.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self(at))
    }

    /// Returns its folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills what is free, to the last byte, with a file that it returns.
    pub fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut ballast = File::create(&path).expect("an empty file fits");
        for piece in [4096, 512, 1] {
            while ballast.write_all(&vec![1; piece]).is_ok() {}
        }
        path
    }

    /// Gives it another size.
    pub fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let done = Command::new("mount")
            .args(["-o", &options])
            .arg(self.path())
            .status();
        assert!(
            done.is_ok_and(|status| status.success()),
            "what is mounted can be resized"
        );
    }

    /// Takes the ballast away and makes room for more than was ever there.
    pub fn give_back(&self, ballast: &Path) {
        fs::remove_file(ballast).expect("own file");
        self.resize("256m");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.0.path().display());
        }
    }
}
