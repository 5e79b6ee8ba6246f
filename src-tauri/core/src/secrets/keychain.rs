//! The operating system's keychain: Keychain on macOS, Credential Manager on Windows, the Secret Service
//! over D-Bus elsewhere (crate keyring).

use super::{KeyStoreError, Secret};
use keyring::{Entry, Error};

const SERVICE: &str = "app.casement";

/// Tells whether this computer has a keychain that answers.
pub(super) fn is_there() -> bool {
    Entry::store_status().is_ok()
}

fn entry(name: &str) -> Result<Entry, KeyStoreError> {
    Entry::new(SERVICE, name).map_err(failed)
}

fn failed(error: Error) -> KeyStoreError {
    match error {
        Error::NoEntry => KeyStoreError::Missing,
        // The error's text names the store and the reason, never the secret.
        other => KeyStoreError::Keychain(other.to_string()),
    }
}

pub(super) fn put(name: &str, secret: &Secret) -> Result<(), KeyStoreError> {
    entry(name)?.set_password(secret.reveal()).map_err(failed)
}

pub(super) fn get(name: &str) -> Result<Secret, KeyStoreError> {
    entry(name)?.get_password().map(Secret::new).map_err(failed)
}

pub(super) fn remove(name: &str) -> Result<(), KeyStoreError> {
    match entry(name)?.delete_credential() {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
