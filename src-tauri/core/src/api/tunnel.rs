//! Ways to a public address: settings, the tunnel's state, what to paste on the other side.

use super::{Permanence, data};
use crate::clock::Instant;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

data! {
    /// Asks for the way to the public address, and how its tunnel is. Provides `reach`.
    pub struct TunnelShow {}

    /// Sets the way to the public address. Announces `reach`. A tunnel that runs is ended; none is started.
    pub struct TunnelSave {
        /// `null` forgets the way, and what was kept for it.
        pub way: Option<Way>,
        /// The provider's token, which is kept apart and never shown again; `null` leaves the one that is kept.
        #[serde(default)] #[ts(optional)]
        pub secret: Option<String>,
    }

    /// Starts the tunnel, now and with Casement from now on. Announces `reach`.
    pub struct TunnelUp {}

    /// Ends the tunnel, and does not start it with Casement. Announces `reach`.
    pub struct TunnelDown {}

    /// The way to the public address, and how its tunnel is.
    pub struct Tunnel {
        /// As it is set.
        pub way: Option<Way>,
        /// A token is kept for it.
        pub has_secret: bool,
        /// It is to run whenever Casement does.
        pub wanted: bool,
        /// Where it stands.
        pub state: TunnelState,
        /// The same in a sentence.
        pub sentence: String,
        /// What stands in the way.
        pub problem: Option<TunnelProblem>,
        /// What to do about it.
        pub advice: Option<String>,
        /// The address that it offers, once that is known.
        pub url: Option<String>,
        /// How long that lasts.
        pub permanence: Option<Permanence>,
        /// Since when it is in this state.
        pub since: Option<Instant>,
        /// When it is tried again.
        pub retry_at: Option<Instant>,
        /// The program's last lines, oldest first, without secrets; at most 200.
        pub last_words: Vec<String>,
        /// `http://127.0.0.1:PORT` of the entrance that only this way uses.
        pub entrance: Option<String>,
    }

    /// Asks for what is to be pasted on the other side of a way, as it would be set.
    pub struct TunnelLines {
        /// The way.
        pub way: Way,
    }

    /// What is to be pasted on the other side.
    pub struct TunnelLinesResponse {
        /// In the order in which they are to be done.
        pub parts: Vec<Lines>,
    }

    /// Lines to paste in one place.
    pub struct Lines {
        /// What they are for.
        pub title: String,
        /// Where they go: a file, or a program to type them into.
        pub place: String,
        /// What they do, and what to do afterwards.
        pub about: String,
        /// The lines.
        pub text: String,
    }

    /// Asks for the key with which Casement logs in to an own server by ssh; made where there is none.
    pub struct TunnelKey {}

    /// That key's public half.
    pub struct TunnelKeyResponse {
        /// The file of the private half, on this computer.
        pub path: String,
        /// `ssh-ed25519 AAAA… casement`.
        pub public: String,
    }

    /// Asks an ssh server for its host key, to be compared and pinned.
    pub struct TunnelHostKey {
        /// Name or address.
        pub host: String,
        /// Usually 22.
        pub port: u16,
    }

    /// A server's host key.
    pub struct TunnelHostKeyResponse {
        /// `ssh-ed25519 AAAA…`, to be set in the way.
        pub key: String,
        /// `SHA256:…`, to be compared with what the server itself says.
        pub fingerprint: String,
    }

    /// Asks which of the programs that ways need are on this computer.
    pub struct TunnelPrograms {}

    /// The programs.
    pub struct TunnelProgramsResponse {
        /// In the order of the ways.
        pub programs: Vec<Program>,
    }

    /// A program that a way needs.
    pub struct Program {
        /// `ssh`, `cloudflared`, `tailscale`, `ngrok`, `frpc`, `zrok`.
        pub name: String,
        /// Where it was found.
        pub path: Option<String>,
        /// What it says of its version.
        pub version: Option<String>,
    }
}

/// A way to a public address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Way {
    /// An own domain, and a reverse proxy that holds its certificate and reaches this computer.
    Proxy {
        /// `https://HOST`.
        url: String,
        /// The port of the entrance that the proxy hands readers to.
        port: u16,
        /// The header in which it names the client.
        client_header: Option<String>,
    },
    /// An own server, to which the system's ssh opens a way back.
    Ssh {
        /// `https://HOST` of the proxy on that server.
        url: String,
        /// Name or address of the server.
        host: String,
        /// Its ssh port.
        port: u16,
        /// The user there.
        user: String,
        /// The port on the server's loopback that its proxy hands readers to.
        remote_port: u16,
        /// The server's key, as [`TunnelHostKeyResponse`] gave it and the user compared it.
        host_key: String,
        /// A key file of the user's; `null` for Casement's own.
        key_file: Option<String>,
        /// The program; `null` for the one that is found.
        program: Option<String>,
    },
    /// Cloudflare, with an own domain there. Its token is the secret.
    Cloudflare {
        /// `https://HOST`, as it is set at Cloudflare.
        url: String,
        /// The port of the entrance, which Cloudflare's settings name.
        port: u16,
        /// The program; `null` for the one that is found.
        program: Option<String>,
    },
    /// A tunnel of Cloudflare's without an account, whose name is new with each start: for trying out.
    Quick {
        /// The program; `null` for the one that is found.
        program: Option<String>,
    },
    /// A program of the user's.
    Command {
        /// The program.
        program: String,
        /// What it is called with; `{port}` becomes the entrance's port.
        args: Vec<String>,
        /// The address, where it is always the same.
        url: Option<String>,
        /// Otherwise a pattern (regular expression) that finds the address in the program's words.
        pattern: Option<String>,
        /// The header in which it names the client.
        client_header: Option<String>,
    },
}

/// Where a tunnel stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TunnelState {
    /// It is not to run.
    #[default]
    Stopped,
    /// Its program was started.
    Starting,
    /// Its address is known.
    UrlKnown,
    /// It is asked from outside for the first time.
    Probing,
    /// It was proved from outside.
    Live,
    /// It was, and three probes failed.
    Degraded,
    /// It ended, and is started again later.
    Backoff,
    /// Only the user can mend it.
    NeedsUser,
}

/// What stands in a tunnel's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TunnelProblem {
    /// The program is not there, or cannot be started.
    Program,
    /// Key, token or user are refused.
    Login,
    /// The server's host key is not the pinned one.
    HostKey,
    /// The server forbids the port.
    Forbidden,
    /// An old session still holds the port.
    PortHeld,
    /// The provider says that it is too much.
    Quota,
    /// This computer has no way to the internet.
    NoNetwork,
    /// The server's name is not known.
    Name,
    /// It runs and says nothing, or never becomes ready.
    Silent,
    /// It ended by itself.
    Ended,
    /// It runs, and what comes back from outside is not this Casement.
    Probe,
}
