//! The listener wired to the writer: hits, opt-outs, public pages.

use super::engine::Engine;
use crate::api::{Code, Entrance, Error, ListenerStart, Result};
use std::sync::Arc;

/// A listener that answers.
pub struct Running {}

/// What a running listener says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunningStatus {
    /// Where it answers.
    pub entrances: Vec<Entrance>,
    /// Requests stored in the last 60 seconds.
    pub hits_per_minute: u32,
    /// The last failure, as a sentence.
    pub last_error: Option<String>,
}

/// Starts the listener; nothing happens where it runs already.
pub fn start(_engine: &Arc<Engine>, _request: ListenerStart) -> Result<()> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Stops the listener after the answers in hand.
pub fn stop(engine: &Engine) {
    engine
        .listener
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .take();
}

/// Tells how the listener is; `None` where it does not run.
pub fn status(engine: &Engine) -> Option<RunningStatus> {
    engine
        .listener
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .as_ref()
        .map(|_| RunningStatus::default())
}

/// Settles what a crash of the listener left: the interval in which it was up.
pub fn recover(_engine: &Engine) -> Result<()> {
    Ok(())
}
