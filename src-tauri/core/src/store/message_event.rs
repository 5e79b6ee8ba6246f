//! `message_event`: what the mail server said and what was decided, for the timeline.

use super::{Conn, Result};
use crate::clock::{Instant, to_millis};
use crate::domain::message::MessageState;
use crate::ids::MessageId;

/// Notes that a message came into `state`, with the words that go with it; of an erased person's message without: a
/// server's words often name the address.
pub fn add(conn: &Conn, id: MessageId, at: Instant, state: MessageState, reply: &str) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO message_event (message_id, at, kind, reply)
         SELECT id, ?2, ?3, CASE WHEN contact_id IS NULL THEN '' ELSE ?4 END FROM message WHERE id = ?1",
    )?
    .execute((id.0, to_millis(at), state.as_str(), reply))?;
    Ok(())
}
