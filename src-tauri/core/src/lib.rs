//! Everything of Casement but the window.
//!
//! Start reading at [`api`] (what can be asked), then [`app`] (what happens), then the modules that a
//! use case wires together. Which module may know which is written in `docs/architecture.md` and checked
//! by `tests/architecture.rs`. Nothing here reads the environment, a home directory or a config file:
//! binaries pass values in.

pub mod api;
pub mod app;
pub mod audience;
#[cfg(test)]
mod cases;
pub mod clock;
pub mod deliverability;
pub mod delivery;
pub mod domain;
pub mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod ids;
pub mod incoming;
pub mod listener;
pub mod mail;
pub mod net;
pub mod reach;
pub mod render;
pub mod report;
pub mod secrets;
pub mod simulate;
pub mod store;
pub mod tracking;

/// The version of this build, as `MAJOR.MINOR.PATCH`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
