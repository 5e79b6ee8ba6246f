//! What can be asked of Casement: request and response structs, error codes, the one table of commands.
//!
//! The window, `casementctl` and the local socket all call [`dispatch`]; the TypeScript that the window
//! compiles against is made from the same table (`ui/src/lib/bindings/api.ts`). The structs here are plain
//! data, and the only part of this module that `app` may use.

mod account;
mod activity;
mod after;
mod attachment;
mod audience;
mod backup;
mod campaign;
mod checks;
mod commands;
mod error;
mod incoming;
mod label;
mod outbox;
mod reach;
mod report;
mod residence;
mod sign_in;
mod system;
mod tunnel;

pub use account::*;
pub use activity::*;
pub use after::*;
pub use attachment::*;
pub use audience::*;
pub use backup::*;
pub use campaign::*;
pub use checks::*;
pub use commands::{COMMANDS, CommandInfo, EngineHost, dispatch, typescript};
pub use error::{Code, Error, Result};
pub use incoming::*;
pub use label::*;
pub use outbox::*;
pub use reach::*;
pub use report::*;
pub use residence::Residence;
pub use sign_in::*;
pub use system::*;
pub use tunnel::*;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The answer of a command that has nothing to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Done {}

/// Declares structs that cross the command line, the socket and the window's bridge.
///
/// Unknown fields are refused, so that a misspelt one is an error and not silence. Answers that flatten
/// another struct stand outside the macro, since serde cannot refuse unknown fields there.
macro_rules! data {
    ($($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($body)* }
    )+};
}
pub(crate) use data;

/// A topic of which a commit says that it changed. Reads provide tags, writes announce them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// Settings, policy, first start.
    Settings,
    /// Accounts.
    Accounts,
    /// The base address and the listener's state.
    Reach,
    /// Contacts, consent, suppressions.
    Contacts,
    /// Lists.
    Lists,
    /// Campaigns and their progress.
    Campaigns,
    /// Hits, reports, timelines.
    Opens,
    /// The activity feed.
    Activity,
    /// The embedded outbox.
    Outbox,
    /// Long jobs.
    Jobs,
}

/// What the engine tells everyone who listens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A commit changed these topics; whoever shows them asks again. At most 4 a second for hits.
    Changed {
        /// Sorted, without repeats.
        tags: Vec<Tag>,
    },
    /// A long job moved on or ended.
    Job(Job),
    /// A backup waits to take the workspace's place: whoever runs the engine is to close it and open it again.
    Reopen {},
}
