//! The dispatcher, started and asked about from outside.

use super::engine::Engine;
use super::sending;
use crate::api::{Result, SendingStart, SendingStatus, SendingStatusGet, SendingStop, Tag};
use crate::store::{data_request, due};
use std::sync::Arc;

/// Starts the dispatcher.
pub fn start(engine: &Arc<Engine>, _request: SendingStart) -> Result<SendingStatus> {
    sending::start(engine);
    engine.announce(&[Tag::Campaigns]);
    status(engine, SendingStatusGet {})
}

/// Finishes the mails in hand and stops the dispatcher.
pub fn stop(engine: &Arc<Engine>, _request: SendingStop) -> Result<SendingStatus> {
    sending::stop(engine);
    engine.announce(&[Tag::Campaigns]);
    status(engine, SendingStatusGet {})
}

/// Answers how the dispatcher is.
pub fn status(engine: &Arc<Engine>, _request: SendingStatusGet) -> Result<SendingStatus> {
    let running = engine
        .sender
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .is_some();
    let now = engine.clock.now();
    let (due, data_requests) =
        engine.read(|conn| Ok((due::due(conn, now)?, data_request::due(conn, now)?)))?;
    Ok(SendingStatus {
        running,
        due: due.now,
        in_hand: due.in_hand,
        data_requests,
        next_attempt_at: due.next_at,
    })
}
