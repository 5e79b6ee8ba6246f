//! One integration test binary over the core and the real `casementctl` process. No GTK.
//!
//! - `architecture`: the rules of `docs/architecture.md`.
//! - `bindings`: the TypeScript that the window compiles against is made from the command table.
//! - `docs`: the tests that the documents name exist.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod architecture;
mod bindings;
mod docs;
