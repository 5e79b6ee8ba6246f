//! What the core may not ask this computer itself: its user's folders and its time zone.
//!
//! Both binaries include this file, so that `casementctl` finds the workspace that the window made.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use casement_core::secrets::{KeyStore, SystemKeyStore};
use directories::ProjectDirs;

/// Returns this user's workspace, `~/.local/share/casement/workspace` on Linux, or `None` without a home.
///
/// On Windows it is not in the folder that roams from computer to computer.
pub fn workspace() -> Option<PathBuf> {
    folders().map(|folders| folders.data_local_dir().join("workspace"))
}

/// The accounts' secrets: the keychain, and a file where there is none, such as in `~/.config/casement`.
///
/// The file lies outside the workspace, so that a copied workspace carries no password. Someone without a home
/// (a service in a container) gets it in the folder for temporary files.
pub fn key_store() -> Arc<dyn KeyStore> {
    let folder = folders().map_or_else(std::env::temp_dir, |folders| {
        folders.config_local_dir().to_owned()
    });
    Arc::new(SystemKeyStore::new(folder))
}

/// Returns the IANA name of this computer's time zone; `UTC` where it cannot be told.
pub fn zone() -> String {
    iana_time_zone::get_timezone().unwrap_or_else(|_| "UTC".to_owned())
}

/// Returns what tells this computer from others: the system's own id; empty where it has none.
pub fn name() -> String {
    machine_uid::get().unwrap_or_default()
}

/// Returns the root certificates in the PEM file that `CASEMENT_EXTRA_ROOT_PEM` names, for a mail server with a
/// certificate of one's own.
///
/// A file that cannot be read is reported and left out: the test of the account then says what it misses.
pub fn extra_roots() -> Vec<Vec<u8>> {
    let Some(path) = std::env::var_os("CASEMENT_EXTRA_ROOT_PEM") else {
        return Vec::new();
    };
    match std::fs::read(&path) {
        Ok(pem) => vec![pem],
        Err(error) => {
            tracing::warn!(
                "the root certificate {} cannot be read: {error}",
                PathBuf::from(path).display()
            );
            Vec::new()
        }
    }
}

/// Returns the name server that `CASEMENT_DNS` gives as `ADDR:PORT`, for networks whose own does not tell what the world
/// sees.
///
/// What cannot be read is reported and left out.
pub fn dns() -> Option<SocketAddr> {
    let text = std::env::var("CASEMENT_DNS").ok()?;
    let server = text.parse().ok();
    if server.is_none() {
        tracing::warn!("CASEMENT_DNS is {text:?}; it has to be an address and a port, such as 192.0.2.53:53");
    }
    server
}

fn folders() -> Option<ProjectDirs> {
    ProjectDirs::from("app", "", "casement")
}
