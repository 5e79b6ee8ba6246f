//! Secrets that do not print, and the `KeyStore` port.
//!
//! The adapters are the operating system's keychain and, where there is none, a file that only this user
//! can read, outside the workspace.

mod file;
mod keychain;

pub use file::{FileStore, private_folder, write_private};

use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// A password or token. Its `Debug` form is redacted, and it cannot be serialised.
#[derive(Clone, PartialEq, Eq, Deserialize, ts_rs::TS)]
#[serde(transparent)]
#[ts(as = "String")]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the secret itself, to be handed to a login and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The operating system's keychain.
    Keychain,
    /// A 0600 file outside the workspace.
    File,
}

/// Why a secret could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// There is none under this name.
    #[error("no secret is stored under this name")]
    Missing,
    /// The keychain refused.
    #[error("the keychain refused: {0}")]
    Keychain(String),
    /// The file could not be read or written.
    #[error("cannot use the secrets file {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Keeps secrets by name.
pub trait KeyStore: Send + Sync {
    /// Keeps `secret` under `name`, replacing what was there; tells where.
    fn put(&self, name: &str, secret: &Secret) -> Result<Place, KeyStoreError>;
    /// Returns the secret that was put at `place` under `name`.
    fn get(&self, place: Place, name: &str) -> Result<Secret, KeyStoreError>;
    /// Forgets it; nothing happens where there is none.
    fn remove(&self, place: Place, name: &str) -> Result<(), KeyStoreError>;
    /// Says in one sentence where a secret at `place` is kept, to be shown to its owner.
    fn note(&self, place: Place) -> String {
        match place {
            Place::Keychain => "The password is kept in this computer's keychain.",
            Place::File => {
                "There is no keychain here, so the password is kept in a file that only your user can read."
            }
        }
        .to_owned()
    }
}

/// The keychain of this computer, and a file where it has none.
pub struct SystemKeyStore {
    file: file::FileStore,
}

impl SystemKeyStore {
    /// Returns the key store that falls back on files in `dir`, which must lie outside every workspace.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            file: file::FileStore::new(dir),
        }
    }
}

impl KeyStore for SystemKeyStore {
    fn put(&self, name: &str, secret: &Secret) -> Result<Place, KeyStoreError> {
        if keychain::is_there() {
            match keychain::put(name, secret) {
                Ok(()) => return Ok(Place::Keychain),
                // A locked or broken keychain must not keep anyone from working; the account says where it is.
                Err(error) => tracing::warn!(%error, "the keychain refused; the secret goes into the file"),
            }
        }
        self.file.put(name, secret).map(|()| Place::File)
    }

    fn get(&self, place: Place, name: &str) -> Result<Secret, KeyStoreError> {
        match place {
            Place::Keychain => keychain::get(name),
            Place::File => self.file.get(name),
        }
    }

    fn remove(&self, place: Place, name: &str) -> Result<(), KeyStoreError> {
        match place {
            Place::Keychain => keychain::remove(name),
            Place::File => self.file.remove(name),
        }
    }

    fn note(&self, place: Place) -> String {
        match place {
            Place::Keychain => "The password is kept in this computer's keychain.".to_owned(),
            Place::File => self.file.note(place),
        }
    }
}
