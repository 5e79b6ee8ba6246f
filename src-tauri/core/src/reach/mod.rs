//! Public addresses: the tunnels that lead to one, the probe that proves it from outside in, how long it lasts.
//!
//! An adapter: knows neither the database nor the listener. What it needs of them it declares as ports, which `app`
//! wires.

pub mod probe;
pub mod route;
pub mod tunnel;

use serde::{Deserialize, Serialize};

/// How long an address lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Permanence {
    /// On a domain of one's own: it lasts whatever carries it.
    Own,
    /// Somebody else's name that stays as long as the account does.
    Lent,
    /// A name that is another one at the next start, or that a provider takes back; this computer, or its own network.
    Temporary,
}

/// A base address at which readers reach this computer, as a way offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `https://HOST`, without a trailing slash.
    pub url: String,
    /// How long it lasts.
    pub permanence: Permanence,
}
