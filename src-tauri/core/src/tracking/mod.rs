//! May a hit be recorded, what kind of fetch was it, and the way into the database.
//!
//! `token`, `policy`, `classify` and `judge` are pure; `ingest` writes what the listener hands on, inside the
//! transaction that it is given.

mod agent;
pub mod classify;
mod client;
mod families;
pub mod ingest;
pub mod judge;
mod libraries;
mod machines;
mod masks;
pub mod networks;
pub mod policy;
pub mod signal;
pub mod token;
