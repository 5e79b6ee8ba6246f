//! What the core may not ask this computer itself: its user's folders and its time zone.
//!
//! Both binaries include this file, so that `casementctl` finds the workspace that the window made.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use casement_core::app::engine::Tools;
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

/// Returns what tunnels need of this computer: where programs are, this program's own file, a folder for keys, and what of
/// this process's surroundings the programs are given.
pub fn tools() -> Tools {
    let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
    let mut places: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    // A program started from a desktop often gets a shorter PATH than a terminal does.
    places.extend(USUAL_FOLDERS.iter().map(PathBuf::from));
    places.extend(home.iter().map(|home| home.join(".local/bin")));
    // A folder without a full path would be another one wherever this program was started.
    places.retain(|place| place.is_absolute());
    Tools {
        folders: places,
        own: std::env::current_exe().ok(),
        private: Some(
            folders()
                .map_or_else(std::env::temp_dir, |folders| {
                    folders.config_local_dir().to_owned()
                })
                .join("tunnel"),
        ),
        environment: std::env::vars_os()
            .filter(|(name, _)| {
                name.to_str()
                    .is_some_and(|name| FOR_PROGRAMS.iter().any(|known| known.eq_ignore_ascii_case(name)))
            })
            .collect(),
    }
}

/// Where programs lie that PATH may not name.
const USUAL_FOLDERS: &[&str] = if cfg!(windows) {
    &[
        r"C:\Windows\System32\OpenSSH",
        r"C:\Program Files (x86)\cloudflared",
        r"C:\Program Files\cloudflared",
        r"C:\Program Files\Tailscale",
    ]
} else {
    &[
        "/usr/local/bin",
        "/opt/homebrew/bin",
        "/usr/bin",
        "/bin",
        "/snap/bin",
    ]
};

/// What other programs are told of this process's surroundings: where they find this user's settings, and the way out.
/// Nothing else: a variable may hold anybody's secret.
const FOR_PROGRAMS: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "LANG",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    // Windows.
    "SystemRoot",
    "SystemDrive",
    "USERPROFILE",
    "USERNAME",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "TEMP",
    "TMP",
];

fn folders() -> Option<ProjectDirs> {
    ProjectDirs::from("app", "", "casement")
}
