//! `suppression`: addresses that get no mail, as keyed hashes that survive the person's erasure.

use super::{Conn, Result, word};
use crate::clock::{Instant, to_millis};
use crate::domain::contact::SuppressionKind;
use crate::ids::MessageId;
use rusqlite::OptionalExtension;

/// An address that is to get no mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSuppression<'a> {
    /// See [`crate::audience::address::address_hash`].
    pub address_hash: &'a [u8],
    /// Why.
    pub kind: SuppressionKind,
    /// The user's words; empty for all other kinds.
    pub reason: &'a str,
    /// The mail whose link was used.
    pub message: Option<MessageId>,
}

/// Tells whether a new reason takes the place of the present one.
///
/// What a person said themselves replaces what the user set by hand or a server said, never the reverse: a bounce that is
/// lifted must not lift an unsubscription.
pub fn replaces(new: SuppressionKind, present: SuppressionKind) -> bool {
    use SuppressionKind::{Bounced, Complained, Manual, Unsubscribed};
    present == Manual || present == Bounced && matches!(new, Unsubscribed | Complained)
}

/// Suppresses an address, unless what is known of it counts for more; see [`replaces`].
///
/// To be called in a transaction that writes.
pub fn add(conn: &Conn, at: Instant, new: &NewSuppression<'_>) -> Result<()> {
    if get(conn, new.address_hash)?.is_some_and(|present| !replaces(new.kind, present)) {
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT INTO suppression (address_hash, kind, reason, at, message_id) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (address_hash) DO UPDATE
         SET kind = excluded.kind, reason = excluded.reason, at = excluded.at, message_id = excluded.message_id",
    )?
    .execute((
        new.address_hash,
        new.kind.as_str(),
        new.reason,
        to_millis(at),
        new.message.map(|id| id.0),
    ))?;
    Ok(())
}

/// Allows mail to an address again; tells whether it was suppressed.
pub fn remove(conn: &Conn, address_hash: &[u8]) -> Result<bool> {
    Ok(conn
        .prepare_cached("DELETE FROM suppression WHERE address_hash = ?1")?
        .execute([address_hash])?
        > 0)
}

/// Returns why an address gets no mail, or `None` where it may.
pub fn get(conn: &Conn, address_hash: &[u8]) -> Result<Option<SuppressionKind>> {
    Ok(conn
        .prepare_cached("SELECT kind FROM suppression WHERE address_hash = ?1")?
        .query_row([address_hash], |row| word(row, "kind"))
        .optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::store::db::testing;

    #[test]
    fn what_a_person_said_is_not_overwritten_by_hand() {
        let conn = testing::memory();
        let set = |kind| {
            let new = NewSuppression {
                address_hash: &[1; 16],
                kind,
                reason: "",
                message: None,
            };
            add(&conn, from_millis(0), &new).unwrap();
            get(&conn, &[1; 16]).unwrap()
        };
        assert_eq!(set(SuppressionKind::Manual), Some(SuppressionKind::Manual));
        assert_eq!(
            set(SuppressionKind::Unsubscribed),
            Some(SuppressionKind::Unsubscribed)
        );
        assert_eq!(set(SuppressionKind::Manual), Some(SuppressionKind::Unsubscribed));
        assert!(remove(&conn, &[1; 16]).unwrap());
        assert_eq!(get(&conn, &[1; 16]).unwrap(), None);
        assert!(!remove(&conn, &[1; 16]).unwrap(), "it was not there any more");
    }

    #[test]
    fn a_reason_that_counts_for_less_is_not_written() {
        use SuppressionKind::{Bounced, Complained, Manual, Unsubscribed};
        for (present, new, stays) in [
            (Manual, Manual, Manual),
            (Manual, Bounced, Bounced),
            (Manual, Unsubscribed, Unsubscribed),
            (Manual, Complained, Complained),
            (Bounced, Manual, Bounced),
            (Bounced, Bounced, Bounced),
            (Bounced, Unsubscribed, Unsubscribed),
            (Bounced, Complained, Complained),
            (Unsubscribed, Manual, Unsubscribed),
            (Unsubscribed, Bounced, Unsubscribed),
            (Unsubscribed, Unsubscribed, Unsubscribed),
            (Unsubscribed, Complained, Unsubscribed),
            (Complained, Manual, Complained),
            (Complained, Bounced, Complained),
            (Complained, Unsubscribed, Complained),
            (Complained, Complained, Complained),
        ] {
            let conn = testing::memory();
            for (kind, at, reason) in [(present, 0, "one"), (new, 1, "two")] {
                let new = NewSuppression {
                    address_hash: &[1; 16],
                    kind,
                    reason,
                    message: None,
                };
                add(&conn, from_millis(at), &new).unwrap();
            }
            let (at, reason): (i64, String) = conn
                .query_row("SELECT at, reason FROM suppression", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .unwrap();
            assert_eq!(get(&conn, &[1; 16]).unwrap(), Some(stays), "{present:?}, {new:?}");
            let written = (at, reason.as_str()) == (1, "two");
            assert_eq!(written, replaces(new, present), "{present:?}, {new:?}");
        }
    }
}
