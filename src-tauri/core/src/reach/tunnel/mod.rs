//! Tunnels: a program of somebody else's that brings readers from a public address to a port of this computer.
//!
//! - `way`: which program, with which arguments, and how its address is learnt; pure.
//! - `lines`: what is to be pasted on a server; pure.
//! - `words`: what a program's words mean; pure.
//! - `state`: what is done next; pure.
//! - `leash`: nothing that was started outlives this program, not even by `kill -9`.
//! - `child`: one program on its leash, both pipes read always.
//! - `status`: how it is, for whoever shows it.
//! - `supervisor`: the thread that follows one tunnel.
//! - `watch`: sees that this computer slept, or is in another network.
//! - `page`: the page on which cloudflared says how it is.
//! - `programs`: where programs are found, and the keys that ssh wants.

pub mod child;
pub mod leash;
pub mod lines;
mod page;
pub mod programs;
pub mod state;
pub mod status;
pub mod supervisor;
mod watch;
pub mod way;
pub mod words;

use std::ffi::OsString;
use std::time::Duration;

/// What a program is told of the surroundings that it runs in, by name and value; it gets nothing else.
pub type Environment = [(OsString, OsString)];

/// What came of asking for oneself through a public address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeResult {
    /// This very instance answered.
    Good {
        /// How long it took.
        latency: Duration,
    },
    /// It did not, with the reason as a sentence.
    Missed(String),
    /// Somebody else answered, or the address itself is not in order, with the reason as a sentence: to start the
    /// program anew does not help.
    Hindered(String),
    /// It cannot be told from here, with the reason as a sentence: not a failure.
    CannotTell(String),
}

/// Asks for this instance through a public address. Declared here for whoever probes.
pub trait Prober: Send + Sync {
    /// Asks once; blocks for ten seconds at most.
    fn probe(&self, base_url: &str) -> ProbeResult;
}
