//! Ways to a public address.

use super::data;
use crate::reach::Permanence;
use crate::reach::tunnel::lines::{Lines, Recipe};
use crate::reach::tunnel::state::State;
use crate::reach::tunnel::way::Way;
use crate::reach::tunnel::words::Trouble;
use crate::secrets::Secret;

data! {
    /// Asks how the way to this computer is. Provides `reach`.
    pub struct TunnelShow {}

    /// Starts the tunnel, now and with every listener from now on. Announces `reach`.
    pub struct TunnelUp {}

    /// Ends the tunnel, until it is started again. Announces `reach`.
    pub struct TunnelDown {}

    /// The way that was chosen.
    pub struct TunnelChosen {
        /// The way.
        pub way: Way,
        /// The port of this computer at which its traffic comes in.
        pub port: u16,
        /// The program's file, where one was picked.
        pub program: Option<String>,
        /// A token is kept.
        pub has_token: bool,
        /// It is to be up whenever the listener is.
        pub is_on: bool,
    }

    /// How the way to this computer is.
    pub struct Tunnel {
        /// The way; `null` where none was chosen.
        pub chosen: Option<TunnelChosen>,
        /// Something is started for it: all ways but a web server of one's own.
        pub runs_program: bool,
        /// Where it is.
        pub state: State,
        /// The state in a sentence, with what to do.
        pub sentence: String,
        /// The address that it offers now.
        pub url: Option<String>,
        /// How long that address lasts.
        pub permanence: Option<Permanence>,
        /// What went wrong last.
        pub trouble: Option<Trouble>,
        /// More about that.
        pub detail: Option<String>,
        /// The program's last words, as it said them.
        pub last_words: Option<String>,
        /// Its last lines, oldest first; at most 200.
        pub lines: Vec<String>,
        /// Seconds until it is started again.
        pub again_in: Option<u32>,
        /// How long it took to ask for this computer through the address, in milliseconds.
        pub latency: Option<u32>,
        /// Why it cannot be told whether readers come through.
        pub unproved: Option<String>,
        /// How often the program was started since the listener was.
        pub starts: u32,
    }

    /// Asks for the lines to paste for a way that need not be saved.
    pub struct TunnelLines {
        /// The way.
        pub way: Way,
        /// See [`TunnelSave::port`].
        #[serde(default)] #[ts(optional)]
        pub port: Option<u16>,
    }

    /// What is to be done elsewhere.
    pub struct TunnelLinesResponse {
        /// Step by step.
        pub steps: Vec<Lines>,
    }

    /// Asks a server for its own key.
    pub struct TunnelHostKey {
        /// Its name or address.
        pub server: String,
        /// Its port for ssh.
        pub port: u16,
    }

    /// A server's own key, as somebody at that address shows it.
    pub struct TunnelHostKeyResponse {
        /// `type base64`.
        pub host_key: String,
        /// To be compared with what the server itself says.
        pub fingerprint: String,
    }

    /// Asks for this computer's key for servers; it is made where there is none.
    pub struct TunnelKey {
        /// A key file of one's own.
        #[serde(default)] #[ts(optional)]
        pub key_file: Option<String>,
    }

    /// This computer's key for servers.
    pub struct TunnelKeyResponse {
        /// The line that a server is to know.
        pub public_key: String,
        /// The file with the other half, which stays here.
        pub file: String,
    }

    /// Asks which programs are on this computer.
    pub struct TunnelPrograms {}

    /// The programs of the ways.
    pub struct TunnelProgramsResponse {
        /// Each that is known, found or not.
        pub programs: Vec<TunnelProgram>,
        /// Command lines for those that have no steps of their own.
        pub recipes: Vec<Recipe>,
    }

    /// A program.
    pub struct TunnelProgram {
        /// Its name.
        pub name: String,
        /// Where it is; `null` where it was not found.
        pub path: Option<String>,
        /// What it says of its version.
        pub version: Option<String>,
    }
}

/// Chooses a way, or none. Announces `reach`.
///
/// A listener that runs takes the tunnel's port in at once, and a tunnel that is up is started anew.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, ts_rs::TS)]
#[serde(deny_unknown_fields)]
pub struct TunnelSave {
    /// The way; `null` forgets it, and its token.
    pub way: Option<Way>,
    /// The port of this computer at which its traffic comes in, 1024 to 65535; 4806 where nothing is said.
    #[serde(default)]
    #[ts(optional)]
    pub port: Option<u16>,
    /// The program's file; it is looked for where nothing is said.
    #[serde(default)]
    #[ts(optional)]
    pub program: Option<String>,
    /// The token of a named tunnel; the one that is kept stays where nothing is said.
    #[serde(default)]
    #[ts(optional)]
    pub token: Option<Secret>,
    /// Mails carry the way's address from now on, where it is known.
    #[serde(default)]
    pub use_address: bool,
}
