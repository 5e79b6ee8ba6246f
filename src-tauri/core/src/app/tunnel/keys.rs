//! Keys, tokens and programs of tunnels: files that only this user can read, outside the workspace.

use super::super::engine::Engine;
use super::PORT;
use crate::api::{
    Code, Error, Result, TunnelHostKey, TunnelHostKeyResponse, TunnelKey, TunnelKeyResponse, TunnelLines,
    TunnelLinesResponse, TunnelProgram, TunnelPrograms, TunnelProgramsResponse,
};
use crate::reach::tunnel::lines as paste;
use crate::reach::tunnel::programs::{self as tools, fingerprint};
use crate::reach::tunnel::way::Way;
use crate::secrets::{Place, Secret, private_folder, write_private};
use crate::store::setting;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file with this computer's own half of its key for servers.
const KEY: &str = "key";
/// Programs that the ways know.
const KNOWN: &[&str] = &["ssh", "cloudflared", "tailscale", "ngrok", "frpc", "zrok"];

/// Where a token is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(default)]
    name: String,
    #[serde(default)]
    in_keychain: bool,
}

impl Kept {
    pub(super) fn is_there(&self) -> bool {
        !self.name.is_empty()
    }

    fn place(&self) -> Place {
        if self.in_keychain {
            Place::Keychain
        } else {
            Place::File
        }
    }

    /// Keeps `secret` in the place of what was kept.
    pub(super) fn replace(&mut self, engine: &Engine, secret: &Secret) -> Result<()> {
        let text = secret.reveal().trim();
        if text.is_empty() || text.len() > 8192 || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Error::field(
                "token",
                "That is no token. Copy the long word behind --token in the install command.",
            ));
        }
        let name = format!("tunnel-{}", id(engine)?);
        let place = engine
            .keys
            .put(&name, &Secret::new(text))
            .map_err(|error| not_kept(&error.to_string()))?;
        *self = Self {
            name,
            in_keychain: place == Place::Keychain,
        };
        Ok(())
    }

    pub(super) fn forget(&self, engine: &Engine) -> Result<()> {
        if self.is_there() {
            engine
                .keys
                .remove(self.place(), &self.name)
                .map_err(|error| not_kept(&error.to_string()))?;
        }
        Ok(())
    }

    pub(super) fn reveal(&self, engine: &Engine) -> Result<Secret> {
        engine
            .keys
            .get(self.place(), &self.name)
            .map_err(|_| Error::conflict("The tunnel's token is not on this computer. Paste it again."))
    }
}

fn not_kept(why: &str) -> Error {
    Error::new(Code::Storage, format!("The token cannot be kept: {why}."))
}

/// Returns what tells this workspace's files from another one's, and tells nothing else.
fn id(engine: &Engine) -> Result<String> {
    let key = engine.read(|conn| Ok(setting::workspace_key(conn)?))?;
    let hash = blake3::keyed_hash(&key, b"tunnel");
    Ok(data_encoding::HEXLOWER.encode(&hash.as_bytes()[..8]))
}

/// The folder with a workspace's keys and tokens for programs: 0700, its files 0600.
pub(super) struct Files(PathBuf);

impl Files {
    /// Makes it where it is missing.
    pub(super) fn of(engine: &Engine) -> Result<Self> {
        let Some(private) = &engine.tools.private else {
            return Err(Error::conflict(
                "This computer names no folder for keys, so no tunnel can be started.",
            ));
        };
        let folder = private.join(id(engine)?);
        private_folder(&folder).map_err(|error| Self::failed(&folder, &error))?;
        Ok(Self(folder))
    }

    fn failed(path: &Path, error: &std::io::Error) -> Error {
        Error::new(
            Code::Storage,
            format!("{} cannot be written: {error}.", path.display()),
        )
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn key(&self) -> PathBuf {
        self.path(KEY)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        write_private(&path, text.as_bytes()).map_err(|error| Self::failed(&path, &error))
    }
}

/// Removes the token's file: it is in the key store, and nobody needs it while no program runs.
pub(super) fn forget_files(engine: &Engine) {
    if let Some(private) = &engine.tools.private
        && let Ok(id) = id(engine)
    {
        // There is none on most ways.
        let _ = std::fs::remove_file(private.join(id).join("token"));
    }
}

fn tool(engine: &Engine, name: &str) -> Result<PathBuf> {
    tools::find(name, &engine.tools.folders).ok_or_else(|| {
        Error::conflict(format!(
            "The program {name} is not on this computer. It belongs to OpenSSH: install that."
        ))
    })
}

/// Answers this computer's key for servers, and makes it where there is none.
pub fn key(engine: &Arc<Engine>, request: TunnelKey) -> Result<TunnelKeyResponse> {
    let picked = request.key_file.filter(|file| !file.trim().is_empty());
    let file = match &picked {
        Some(file) => PathBuf::from(file.trim()),
        None => Files::of(engine)?.key(),
    };
    let public_key = tools::public_key(
        &tool(engine, "ssh-keygen")?,
        &file,
        picked.is_none(),
        &engine.tools.environment,
    )
    .map_err(|sentence| Error::field("key_file", sentence))?;
    Ok(TunnelKeyResponse {
        public_key,
        file: file.display().to_string(),
    })
}

/// Asks a server for its own key.
pub fn host_key(engine: &Arc<Engine>, request: TunnelHostKey) -> Result<TunnelHostKeyResponse> {
    let server = request.server.trim();
    if server.is_empty() || server.starts_with('-') || server.contains(char::is_whitespace) {
        return Err(Error::field(
            "server",
            format!("{server:?} is no server's name. Write it like server.example.org."),
        ));
    }
    let host_key = tools::host_key(
        &tool(engine, "ssh-keyscan")?,
        server,
        request.port,
        &engine.tools.environment,
    )
    .map_err(|sentence| Error::field("server", sentence))?;
    let fingerprint = fingerprint(&host_key)
        .ok_or_else(|| Error::field("server", format!("{server} shows a key that cannot be read.")))?;
    Ok(TunnelHostKeyResponse {
        host_key,
        fingerprint,
    })
}

/// Answers what is to be pasted elsewhere.
pub fn lines(engine: &Arc<Engine>, request: TunnelLines) -> Result<TunnelLinesResponse> {
    let public_key = match &request.way {
        Way::Ssh { key_file, .. } => Some(
            key(
                engine,
                TunnelKey {
                    key_file: key_file.clone(),
                },
            )?
            .public_key,
        ),
        _ => None,
    };
    let steps = paste::of(&request.way, public_key.as_deref(), request.port.unwrap_or(PORT))
        .map_err(|(field, sentence)| Error::field(field, sentence))?;
    Ok(TunnelLinesResponse { steps })
}

/// Answers which programs are on this computer.
pub fn programs(engine: &Arc<Engine>, _request: TunnelPrograms) -> Result<TunnelProgramsResponse> {
    let found = KNOWN
        .iter()
        .map(|name| {
            let path = tools::find(name, &engine.tools.folders);
            TunnelProgram {
                name: (*name).to_owned(),
                version: path
                    .as_deref()
                    .and_then(|path| tools::version(name, path, &engine.tools.environment)),
                path: path.map(|path| path.display().to_string()),
            }
        })
        .collect();
    Ok(TunnelProgramsResponse {
        programs: found,
        recipes: paste::recipes(),
    })
}
