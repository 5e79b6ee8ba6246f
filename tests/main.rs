//! One integration test binary over the core and the real `casementctl` process. No GTK.
//!
//! - `bindings`: the TypeScript that the window compiles against is made from the command table.

mod bindings;
