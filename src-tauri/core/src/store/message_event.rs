//! `message_event`: what the mail server said and what was decided, for the timeline.

use super::{Conn, Result};
use crate::clock::{Instant, to_millis};
use crate::domain::message::MessageState;
use crate::ids::MessageId;

/// Notes that a message came into `state`, with the words that go with it.
pub fn add(conn: &Conn, id: MessageId, at: Instant, state: MessageState, reply: &str) -> Result<()> {
    conn.prepare_cached("INSERT INTO message_event (message_id, at, kind, reply) VALUES (?1, ?2, ?3, ?4)")?
        .execute((id.0, to_millis(at), state.as_str(), reply))?;
    Ok(())
}
