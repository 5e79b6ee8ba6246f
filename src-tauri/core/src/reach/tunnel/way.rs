//! The ways to a public address: which program with which arguments, and how its address is learnt.
//!
//! Command lines are those of `ssh` (OpenSSH 8 and later) and cloudflared; other programs are command lines of their
//! owner, with recipes in [`super::lines`]. No secret is ever an argument: everybody on a computer can read those.

use super::super::Permanence;
use super::super::route::Lasts;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use ts_rs::TS;

/// How readers reach this computer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Way {
    /// A web server of one's own holds the certificate and hands on to the tunnel's port here: nothing is started.
    Proxy {
        /// The public address.
        url: String,
    },
    /// `ssh -R` to a server of one's own.
    Ssh {
        /// The public address, which a web server on that server answers.
        url: String,
        /// The server's name or address.
        server: String,
        /// Its port for ssh.
        port: u16,
        /// The user there.
        user: String,
        /// The port on the server's loopback that leads here.
        server_port: u16,
        /// A key file of one's own; `null` takes the one that Casement made.
        #[serde(default)]
        key_file: Option<String>,
        /// The server's key as it was at pairing: `type base64`.
        host_key: String,
    },
    /// A named tunnel of Cloudflare; its token is kept apart.
    CloudflareNamed {
        /// The public address, on a domain at Cloudflare.
        url: String,
    },
    /// A tunnel of Cloudflare with another address at every start: for trying out only.
    CloudflareQuick {},
    /// Any other program.
    Command {
        /// Program and arguments; `{port}` becomes the tunnel's port here.
        argv: Vec<String>,
        /// The address, where it stays.
        #[serde(default)]
        url: Option<String>,
        /// Where it does not: which address in the program's words it is; `*` is any part of a name.
        #[serde(default)]
        pattern: Option<String>,
        /// The header in which it names the reader's address.
        #[serde(default)]
        client_header: Option<String>,
    },
}

/// What cloudflared's quick tunnels are called.
const QUICK: &str = "*.trycloudflare.com";

/// How an address is learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// It is known before.
    Fixed(String),
    /// It is in the program's words.
    Said(String),
    /// cloudflared tells it at this port of its own, or in its words.
    Quick {
        /// Where it answers.
        metrics: u16,
        /// What it looks like in its words.
        pattern: String,
    },
}

impl Address {
    /// Returns how long `url` lasts, which was learnt so: a name that is not known as lent and stands only in a program's
    /// words is taken for a new one at each start.
    pub fn permanence(&self, url: &str) -> Permanence {
        match (Lasts::of(url).permanence(), self) {
            (Permanence::Own, Self::Said(_) | Self::Quick { .. }) => Permanence::Temporary,
            (known, _) => known,
        }
    }
}

/// How a program says that it is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It does not.
    Unsaid,
    /// By words in one of its lines.
    Words(&'static str),
    /// By status 200 of `/ready` at this port of its own.
    Metrics(u16),
}

/// What the supervisor runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// How its address is learnt.
    pub address: Address,
    /// How it says that it is connected.
    pub ready: Ready,
    /// What must not be shown of its words.
    pub secrets: Vec<String>,
    /// Files that it reads at its start, and that are removed once it is connected or has ended.
    pub first_read: Vec<PathBuf>,
}

/// What a plan is made of besides the way.
#[derive(Debug, Clone, Copy)]
pub struct Means<'a> {
    /// The program, found or picked.
    pub program: &'a Path,
    /// The port of this computer at which the listener believes the tunnel.
    pub port: u16,
    /// A port that is free just now, for cloudflared's own page.
    pub metrics: u16,
    /// The key file, for ssh.
    pub key: &'a Path,
    /// The file with the server's key, for ssh.
    pub known_hosts: &'a Path,
    /// The file with the token, for a named tunnel.
    pub token_file: &'a Path,
    /// An empty settings file, so that none of this user's is read.
    pub empty: &'a Path,
}

/// Names of hosts for ssh: no spaces, and nothing that would be taken for an option.
pub(super) fn is_plain(text: &str, more: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && !text.starts_with('-')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

impl Way {
    /// Returns the program's usual name; `None` where nothing is started.
    pub fn program(&self) -> Option<&str> {
        match self {
            Self::Proxy { .. } => None,
            Self::Ssh { .. } => Some("ssh"),
            Self::CloudflareNamed { .. } | Self::CloudflareQuick {} => Some("cloudflared"),
            Self::Command { argv, .. } => argv.first().map(String::as_str),
        }
    }

    /// Returns the address where it is known before.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Proxy { url } | Self::Ssh { url, .. } | Self::CloudflareNamed { url } => Some(url),
            Self::CloudflareQuick {} => None,
            Self::Command { url, .. } => url.as_deref(),
        }
    }

    /// Returns the header in which readers' addresses come on this way.
    pub fn client_header(&self) -> Option<&str> {
        match self {
            Self::Proxy { .. } | Self::Ssh { .. } => Some("X-Forwarded-For"),
            Self::CloudflareNamed { .. } | Self::CloudflareQuick {} => Some("CF-Connecting-IP"),
            Self::Command { client_header, .. } => client_header.as_deref(),
        }
    }

    /// Tells whether `url` is an address that this way offers, or may have offered at an earlier start.
    pub fn leads_from(&self, url: &str) -> bool {
        match (self.url(), self) {
            (Some(own), _) => own == url,
            (None, Self::CloudflareQuick {}) => super::words::address(url, QUICK).is_some(),
            (
                None,
                Self::Command {
                    pattern: Some(pattern),
                    ..
                },
            ) => super::words::address(url, pattern).is_some(),
            (None, _) => false,
        }
    }

    /// Says what is wrong with what was typed: the field and a sentence. The address itself is checked elsewhere.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        match self {
            Self::Proxy { .. } | Self::CloudflareNamed { .. } | Self::CloudflareQuick {} => Ok(()),
            Self::Ssh {
                server,
                port,
                user,
                server_port,
                host_key,
                ..
            } => {
                if !is_plain(server, ".-:_") {
                    return Err((
                        "server",
                        format!("{server:?} is no server's name. Write it like server.example.org."),
                    ));
                }
                if !is_plain(user, "._-") {
                    return Err(("user", format!("{user:?} is no user's name on a server.")));
                }
                if *port == 0 {
                    return Err((
                        "port",
                        "A server's port for ssh is 22, or a number that you chose.".into(),
                    ));
                }
                if *server_port < 1024 {
                    return Err((
                        "server_port",
                        "The port on the server must be 1024 or more: smaller ones are root's.".into(),
                    ));
                }
                if super::programs::fingerprint(host_key).is_none() || host_key.contains(['\n', '\r']) {
                    return Err((
                        "host_key",
                        "The server's own key is missing. Let it be read, and compare it.".into(),
                    ));
                }
                Ok(())
            }
            Self::Command {
                argv, url, pattern, ..
            } => {
                if argv.first().is_none_or(|program| program.trim().is_empty()) {
                    return Err(("argv", "Name the program and its arguments.".into()));
                }
                if argv.len() > 64 || argv.iter().any(|one| one.len() > 4096 || one.contains('\0')) {
                    return Err(("argv", "That is too much for one command line.".into()));
                }
                if let Some(secret) = argv.iter().skip(1).find(|one| looks_secret(one)) {
                    let name = secret.split('=').next().unwrap_or_default();
                    return Err((
                        "argv",
                        format!(
                            "{name} would show a secret to everybody on this computer. Put it into the program's own \
                             settings file."
                        ),
                    ));
                }
                match (url, pattern.as_deref().map(str::trim)) {
                    (None, None | Some("")) => Err((
                        "url",
                        "Say the address, or how it looks in the program's words, such as https://*.example.app.".into(),
                    )),
                    (None, Some(pattern))
                        if pattern.matches('*').count() > 1 || !pattern.contains('.') || pattern.contains(' ') =>
                    {
                        Err((
                            "pattern",
                            format!("{pattern:?} must be an address with one *, such as https://*.example.app."),
                        ))
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// Returns what is to be run; `None` where nothing is.
    pub fn plan(&self, means: &Means<'_>) -> Option<Plan> {
        let port = means.port;
        let (arguments, address, ready): (Vec<OsString>, _, _) = match self {
            Self::Proxy { .. } => return None,
            Self::Ssh {
                url,
                server,
                port: ssh_port,
                user,
                server_port,
                ..
            } => {
                let mut arguments = words([
                    // Nothing of this user's own settings: they may start a shell, an agent, or share a connection.
                    "-F",
                    "none",
                    // The server says only here why it refuses a port.
                    "-v",
                    "-N",
                    "-T",
                    "-o",
                    "BatchMode=yes",
                    "-o",
                    "ExitOnForwardFailure=yes",
                    "-o",
                    "ServerAliveInterval=15",
                    "-o",
                    "ServerAliveCountMax=3",
                    "-o",
                    "ConnectTimeout=10",
                    "-o",
                    "IdentitiesOnly=yes",
                    "-o",
                    "StrictHostKeyChecking=yes",
                    "-o",
                    "UpdateHostKeys=no",
                    "-o",
                    "GlobalKnownHostsFile=none",
                ]);
                arguments.push("-o".into());
                arguments.push(joined("UserKnownHostsFile=", means.known_hosts));
                arguments.push("-i".into());
                arguments.push(path_for_ssh(means.key));
                arguments.extend(words([
                    "-p",
                    &ssh_port.to_string(),
                    "-l",
                    user,
                    "-R",
                    &format!("127.0.0.1:{server_port}:127.0.0.1:{port}"),
                    "--",
                    server,
                ]));
                (
                    arguments,
                    Address::Fixed(url.clone()),
                    Ready::Words("remote forward success for: listen"),
                )
            }
            Self::CloudflareNamed { url } => {
                let mut arguments = cloudflared(means);
                arguments.extend(words(["run", "--token-file"]));
                arguments.push(means.token_file.into());
                (
                    arguments,
                    Address::Fixed(url.clone()),
                    Ready::Metrics(means.metrics),
                )
            }
            Self::CloudflareQuick {} => {
                let mut arguments = cloudflared(means);
                arguments.extend(words(["--url", &format!("http://127.0.0.1:{port}")]));
                let address = Address::Quick {
                    metrics: means.metrics,
                    pattern: QUICK.into(),
                };
                (arguments, address, Ready::Metrics(means.metrics))
            }
            Self::Command {
                argv, url, pattern, ..
            } => {
                let arguments = argv
                    .iter()
                    .skip(1)
                    .map(|one| one.replace("{port}", &port.to_string()).into())
                    .collect();
                let address = match (url, pattern) {
                    (Some(url), _) => Address::Fixed(url.clone()),
                    (None, pattern) => Address::Said(pattern.clone().unwrap_or_default()),
                };
                (arguments, address, Ready::Unsaid)
            }
        };
        Some(Plan {
            program: means.program.to_owned(),
            arguments,
            address,
            ready,
            secrets: Vec::new(),
            first_read: match self {
                Self::CloudflareNamed { .. } => vec![means.token_file.to_owned()],
                _ => Vec::new(),
            },
        })
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<OsString> {
    words.map(OsString::from).into()
}

fn joined(name: &str, path: &Path) -> OsString {
    let mut word = OsString::from(name);
    // ssh takes a space for the next file's name.
    word.push("\"");
    word.push(path_for_ssh(path));
    word.push("\"");
    word
}

/// ssh puts in what `%` and a letter stand for, in paths as well.
fn path_for_ssh(path: &Path) -> OsString {
    match path.to_str() {
        Some(text) => text.replace('%', "%%").into(),
        None => path.into(),
    }
}

fn cloudflared(means: &Means<'_>) -> Vec<OsString> {
    let mut arguments = words(["tunnel", "--no-autoupdate", "--config"]);
    arguments.push(means.empty.into());
    arguments.extend(words([
        "--metrics",
        &format!("127.0.0.1:{}", means.metrics),
        "--output",
        "json",
        "--grace-period",
        "2s",
    ]));
    arguments
}

fn looks_secret(argument: &str) -> bool {
    let name = argument
        .split('=')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    (name.starts_with('-') || argument.contains('='))
        && ["token", "password", "secret", "authkey"]
            .iter()
            .any(|word| name.contains(word))
        && !name.ends_with("-file")
}

/// Returns the line of a file of known hosts for a server's key.
pub fn known_host(server: &str, port: u16, host_key: &str) -> String {
    let name = if port == 22 {
        server.to_owned()
    } else {
        format!("[{server}]:{port}")
    };
    format!("{name} {}\n", host_key.trim())
}

#[cfg(test)]
mod tests;
