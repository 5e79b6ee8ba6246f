//! `dialogue`: what was said about a mail, for whoever has to find out why it did not arrive.

use super::{Conn, Result, instant};
use crate::clock::{Instant, to_millis};
use crate::ids::MessageId;
use chrono::SecondsFormat;
use rusqlite::OptionalExtension;

/// Lines that are kept of one mail, over all its tries: the last ones.
pub const LINES: usize = 200;
/// Accepted mails of which it is kept.
pub const ACCEPTED_KEPT: i64 = 300;
/// Mails that had trouble of which it is kept, those that were tried last: a campaign may be put off as a whole.
pub const TROUBLES_KEPT: i64 = 10_000;
/// Days after which it goes.
pub const DAYS: i64 = 30;

/// How the try ended of which the lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Accepted at the first try.
    AcceptedAtOnce,
    /// Accepted at a later one.
    Accepted,
    /// Not accepted, or nobody knows.
    Trouble,
}

/// Keeps the lines of one more try. Nothing is kept of a person who was erased meanwhile.
pub fn keep(conn: &Conn, id: MessageId, now: Instant, ending: Ending, lines: &[String]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut all = match ending {
        // Seldom any other: this is on the way of every mail.
        Ending::AcceptedAtOnce => Vec::new(),
        _ => get(conn, id)?.map(|(_, lines)| lines).unwrap_or_default(),
    };
    all.push(format!("— {}", now.to_rfc3339_opts(SecondsFormat::Secs, true)));
    all.extend_from_slice(lines);
    let last = &all[all.len().saturating_sub(LINES)..];
    let slot = (ending != Ending::Trouble).then_some(id.0 % ACCEPTED_KEPT);
    // Replaces both what was kept of this mail and who had the slot.
    conn.prepare_cached(
        "INSERT OR REPLACE INTO dialogue (message_id, at, slot, lines)
         SELECT id, ?2, ?3, ?4 FROM message WHERE id = ?1 AND contact_id IS NOT NULL",
    )?
    .execute((id.0, to_millis(now), slot, last.join("\n")))?;
    if slot.is_none() {
        // A walk over as many entries of an index as are kept. SQLite would rather sort by the index of slots.
        conn.prepare_cached(OVER_THE_CAP)?.execute([TROUBLES_KEPT])?;
    }
    Ok(())
}

const OVER_THE_CAP: &str = "DELETE FROM dialogue
     WHERE message_id IN (
       SELECT message_id FROM dialogue INDEXED BY dialogue_trouble
       WHERE slot IS NULL
       ORDER BY at DESC, message_id DESC
       LIMIT -1 OFFSET ?1
     )";

/// Returns when a mail was tried last and what was said; `None` where nothing is kept.
pub fn get(conn: &Conn, id: MessageId) -> Result<Option<(Instant, Vec<String>)>> {
    Ok(conn
        .prepare_cached("SELECT at, lines FROM dialogue WHERE message_id = ?1")?
        .query_row([id.0], |row| {
            let lines: String = row.get("lines")?;
            Ok((
                instant(row, "at")?.unwrap_or_default(),
                lines.lines().map(str::to_owned).collect(),
            ))
        })
        .optional()?)
}

/// Removes up to `limit` that are older than `before`; returns how many.
pub fn remove_old(conn: &Conn, before: Instant, limit: u32) -> Result<u32> {
    Ok(conn
        .prepare_cached(
            "DELETE FROM dialogue
             WHERE message_id IN (SELECT message_id FROM dialogue WHERE at < ?1 LIMIT ?2)",
        )?
        .execute((to_millis(before), limit))? as u32)
}

/// Tells whether any is older than `before`.
pub fn is_any_old(conn: &Conn, before: Instant) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM dialogue WHERE at < ?1)")?
        .query_row([to_millis(before)], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::testing;

    #[test]
    fn the_last_with_trouble_are_found_by_their_index() {
        let conn = testing::memory();
        let plan = testing::plan(&conn, OVER_THE_CAP, &[&TROUBLES_KEPT]);
        assert!(
            plan.contains("USING COVERING INDEX dialogue_trouble (slot=?)"),
            "{plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
