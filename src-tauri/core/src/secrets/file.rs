//! One file that only this user can read, for computers without a keychain.

use super::{KeyStore, KeyStoreError, Place, Secret};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Keeps secrets in `secrets.json` of a folder: mode 0600 in a folder of mode 0700.
pub struct FileStore {
    dir: PathBuf,
    // Two accounts saved at once must not lose one another's secret.
    turn: Mutex<()>,
}

impl FileStore {
    /// Returns the store in `dir`, which is made at the first secret.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            turn: Mutex::new(()),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.join("secrets.json")
    }

    fn failed(&self) -> impl Fn(io::Error) -> KeyStoreError + '_ {
        |source| KeyStoreError::File {
            path: self.path().display().to_string(),
            source,
        }
    }

    fn load(&self) -> Result<BTreeMap<String, String>, KeyStoreError> {
        match fs::read(self.path()) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| self.failed()(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(self.failed()(error)),
        }
    }

    /// Replaces the file in one step, so that a crash leaves the old one or the new one.
    fn save(&self, secrets: &BTreeMap<String, String>) -> Result<(), KeyStoreError> {
        let failed = self.failed();
        private_folder(&self.dir).map_err(&failed)?;
        let bytes = serde_json::to_vec(secrets).map_err(|error| failed(error.into()))?;
        write_private(&self.path(), &bytes).map_err(&failed)
    }
}

impl KeyStore for FileStore {
    fn put(&self, name: &str, secret: &Secret) -> Result<Place, KeyStoreError> {
        FileStore::put(self, name, secret).map(|()| Place::File)
    }

    fn get(&self, _place: Place, name: &str) -> Result<Secret, KeyStoreError> {
        FileStore::get(self, name)
    }

    fn remove(&self, _place: Place, name: &str) -> Result<(), KeyStoreError> {
        FileStore::remove(self, name)
    }

    fn note(&self, _place: Place) -> String {
        format!(
            "There is no keychain here, so the password is kept unencrypted in {}, a file that only your user can \
             read.",
            self.path().display()
        )
    }
}

impl FileStore {
    pub(super) fn put(&self, name: &str, secret: &Secret) -> Result<(), KeyStoreError> {
        let _turn = self.turn.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut secrets = self.load()?;
        secrets.insert(name.to_owned(), secret.reveal().to_owned());
        self.save(&secrets)
    }

    pub(super) fn get(&self, name: &str) -> Result<Secret, KeyStoreError> {
        self.load()?
            .remove(name)
            .map(Secret::new)
            .ok_or(KeyStoreError::Missing)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), KeyStoreError> {
        let _turn = self.turn.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut secrets = self.load()?;
        match secrets.remove(name) {
            Some(_) => self.save(&secrets),
            None => Ok(()),
        }
    }
}

/// Makes a folder that only this user can look into, with those above it, where it is missing.
pub fn private_folder(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    restrict(dir, 0o700)
}

/// Writes a file that only this user can read, in one step: a crash leaves the old one or the new one.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    // What a crash left; there is none most of the time.
    let _ = fs::remove_file(&fresh);
    let mut file = private_file(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

#[cfg(unix)]
fn private_file(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    // The mode is there from the first moment: no instant in which another user could open it.
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(not(unix))]
fn private_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_kept_for_this_user_only_and_can_be_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStore::new(dir.path().join("casement"));
        store.put("a", &Secret::new("one")).unwrap();
        store.put("b", &Secret::new("two")).unwrap();
        assert_eq!(store.get("a").unwrap().reveal(), "one");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(store.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "nobody else may read it");
        }
        store.remove("a").unwrap();
        store.remove("a").unwrap();
        assert!(matches!(store.get("a"), Err(KeyStoreError::Missing)));
        assert_eq!(
            store.get("b").unwrap().reveal(),
            "two",
            "forgetting one keeps the others"
        );
        assert_eq!(
            format!("{:?}", Secret::new("two")),
            "Secret(…)",
            "a secret never prints"
        );
    }
}
