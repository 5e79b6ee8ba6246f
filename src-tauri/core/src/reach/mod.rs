//! Public addresses: the tunnels that lead to one, the probe that proves it from outside in, how long it lasts.
//!
//! An adapter: knows neither the database nor the listener. What it needs of them it declares as ports, which `app`
//! wires.

use crate::api::{Permanence, Probe};

/// A base address that a way offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `https://HOST`, without a trailing slash.
    pub url: String,
    /// How long it lasts.
    pub permanence: Permanence,
}

/// Asks an address, from outside in, whether this Casement answers behind it.
pub trait Prober: Send + Sync {
    /// Asks once; takes ten seconds at most.
    fn probe(&self, base_url: &str) -> Probe;
}
