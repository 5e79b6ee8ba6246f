//! `data_request` and `erase_link`: readers who asked for a copy of what is held about them, and the links in
//! those mails that erase them.
//!
//! A link is kept as the hash of its token only. Once its person is erased its row names nobody, and stays until
//! the link expires, so that the receipt can be read again.

use super::{Conn, Result, instant};
use crate::clock::{Instant, from_millis, to_millis};
use crate::ids::{AccountId, CampaignId, ContactId, MessageId};
use crate::tracking::token::Token;
use chrono::TimeDelta;
use rusqlite::OptionalExtension;

/// At most one copy is mailed to a person within this long.
pub const ONE_WITHIN: TimeDelta = TimeDelta::hours(24);
/// How long a link that erases is valid.
pub const LINK_VALID: TimeDelta = TimeDelta::hours(24);

/// A request whose mail is to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its row.
    pub id: i64,
    /// Who asked.
    pub contact: ContactId,
    /// The address on file.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Why it waits, as was said last.
    pub problem: Option<String>,
    /// The mail whose link it was.
    pub message: Option<MessageId>,
    /// That mail's campaign.
    pub campaign: Option<CampaignId>,
    /// The account that it was sent from, where it is still there.
    pub account: Option<AccountId>,
    /// That mail was practice.
    pub practice: bool,
    /// The address that it was sent with; empty where it had none.
    pub base_url: String,
}

/// Notes that a person asks for a copy; tells whether one will be mailed for it.
///
/// Nothing is noted while another waits, or within [`ONE_WITHIN`] of the last.
pub fn ask(conn: &Conn, contact: ContactId, message: MessageId, at: Instant) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "INSERT INTO data_request (contact_id, message_id, at, next_attempt_at)
             SELECT ?1, ?2, ?3, ?3
             WHERE NOT EXISTS (SELECT 1 FROM data_request
                               WHERE contact_id = ?1 AND (state = 'waiting' OR at > ?4))",
        )?
        .execute((contact.0, message.0, to_millis(at), to_millis(at - ONE_WITHIN)))?
        > 0)
}

/// Returns the request that has been due for longest at `now`.
pub fn next_due(conn: &Conn, now: Instant) -> Result<Option<Due>> {
    Ok(conn
        .prepare_cached(
            "SELECT d.id, d.contact_id, d.attempts, d.problem, d.message_id, p.email, p.first_name, p.last_name,
                    c.id AS campaign_id, a.id AS account_id, coalesce(c.practice, 0) AS practice,
                    coalesce(r.base_url, '') AS base_url
             FROM data_request AS d
             JOIN contact AS p ON p.id = d.contact_id
             LEFT JOIN message AS m ON m.id = d.message_id
             LEFT JOIN campaign AS c ON c.id = m.campaign_id
             LEFT JOIN account AS a ON a.id = c.account_id
             LEFT JOIN route AS r ON r.id = c.route_id
             WHERE d.state = 'waiting' AND d.next_attempt_at <= ?1
             ORDER BY d.next_attempt_at, d.id
             LIMIT 1",
        )?
        .query_row([to_millis(now)], |row| {
            Ok(Due {
                id: row.get("id")?,
                contact: ContactId(row.get("contact_id")?),
                email: row.get("email")?,
                first_name: row.get("first_name")?,
                last_name: row.get("last_name")?,
                attempts: row.get("attempts")?,
                problem: row.get("problem")?,
                message: row.get::<_, Option<i64>>("message_id")?.map(MessageId),
                campaign: row.get::<_, Option<i64>>("campaign_id")?.map(CampaignId),
                account: row.get::<_, Option<i64>>("account_id")?.map(AccountId),
                practice: row.get("practice")?,
                base_url: row.get("base_url")?,
            })
        })
        .optional()?)
}

/// Returns when the next mail may leave.
pub fn next_at(conn: &Conn) -> Result<Option<Instant>> {
    Ok(conn
        .prepare_cached("SELECT min(next_attempt_at) FROM data_request WHERE state = 'waiting'")?
        .query_row([], |row| row.get::<_, Option<i64>>(0))?
        .map(from_millis))
}

/// Counts the mails that could leave at `now`.
pub fn due(conn: &Conn, now: Instant) -> Result<u32> {
    Ok(conn
        .prepare_cached(
            "SELECT count(*) FROM data_request WHERE state = 'waiting' AND next_attempt_at <= ?1",
        )?
        .query_row([to_millis(now)], |row| row.get(0))?)
}

/// Notes an attempt before its mail leaves, with the link that the mail carries; tells whether the request still
/// waits.
pub fn begin(conn: &Conn, id: i64, token: Option<&Token>, now: Instant) -> Result<bool> {
    let begun = conn
        .prepare_cached(
            "UPDATE data_request SET attempts = attempts + 1 WHERE id = ?1 AND state = 'waiting'",
        )?
        .execute([id])?
        > 0;
    if begun && let Some(token) = token {
        conn.prepare_cached(
            "DELETE FROM erase_link WHERE expires_at <= ?1 AND (asked_at IS NULL OR erased_at IS NOT NULL)",
        )?
        .execute([to_millis(now)])?;
        conn.prepare_cached(
            "INSERT INTO erase_link (token_hash, request_id, expires_at) VALUES (?1, ?2, ?3)",
        )?
        .execute((hash(token), id, to_millis(now + LINK_VALID)))?;
    }
    Ok(begun)
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The mail was taken.
    Sent {
        /// The server's words.
        reply: String,
    },
    /// To be tried again.
    Waits {
        /// Not before then.
        until: Instant,
        /// Why, as a sentence.
        problem: String,
        /// It was not the mail's fault: the attempt does not count.
        uncounted: bool,
    },
    /// Given up.
    Failed {
        /// Why, in the server's words or as a sentence.
        reply: String,
    },
}

/// Notes how an attempt ended; tells whether the request is still there.
pub fn settle(conn: &Conn, id: i64, now: Instant, outcome: &Outcome) -> Result<bool> {
    let changed = match outcome {
        Outcome::Sent { reply } => conn
            .prepare_cached(
                "UPDATE data_request SET state = 'sent', sent_at = ?2, reply = ?3, problem = NULL WHERE id = ?1",
            )?
            .execute((id, to_millis(now), reply))?,
        Outcome::Waits {
            until,
            problem,
            uncounted,
        } => conn
            .prepare_cached(
                "UPDATE data_request
                 SET next_attempt_at = ?2, problem = ?3, attempts = max(0, attempts - ?4)
                 WHERE id = ?1",
            )?
            .execute((id, to_millis(*until), problem, *uncounted))?,
        Outcome::Failed { reply } => conn
            .prepare_cached("UPDATE data_request SET state = 'failed', reply = ?2 WHERE id = ?1")?
            .execute((id, reply))?,
    };
    Ok(changed > 0)
}

/// How things stand with a link that erases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Never given out, or expired.
    Unknown,
    /// Its button was not pressed yet.
    Open {
        /// Whom it erases.
        contact: ContactId,
        /// The address on file.
        email: String,
    },
    /// Its button was pressed, and the erasure is not finished.
    Asked,
    /// The person is erased.
    Erased {
        /// When.
        at: Instant,
    },
}

/// Finds the link of `token`.
pub fn link(conn: &Conn, token: &Token, now: Instant) -> Result<Link> {
    let found = conn
        .prepare_cached(
            "SELECT l.expires_at, l.asked_at, l.erased_at, p.id, p.email
             FROM erase_link AS l
             LEFT JOIN data_request AS d ON d.id = l.request_id
             LEFT JOIN contact AS p ON p.id = d.contact_id
             WHERE l.token_hash = ?1",
        )?
        .query_row([hash(token)], |row| {
            let is_valid = row.get::<_, i64>("expires_at")? > to_millis(now);
            let asked = instant(row, "asked_at")?;
            let erased = instant(row, "erased_at")?;
            let person = row
                .get::<_, Option<i64>>("id")?
                .zip(row.get::<_, Option<String>>("email")?);
            Ok(match (erased, asked, person) {
                (Some(at), ..) if is_valid => Link::Erased { at },
                (None, Some(_), Some(_)) => Link::Asked,
                (None, None, Some((contact, email))) if is_valid => Link::Open {
                    contact: ContactId(contact),
                    email,
                },
                _ => Link::Unknown,
            })
        })
        .optional()?;
    Ok(found.unwrap_or(Link::Unknown))
}

/// Notes that a link's button was pressed.
pub fn ask_erasure(conn: &Conn, token: &Token, at: Instant) -> Result<()> {
    conn.prepare_cached("UPDATE erase_link SET asked_at = ?2 WHERE token_hash = ?1 AND asked_at IS NULL")?
        .execute((hash(token), to_millis(at)))?;
    Ok(())
}

/// Returns the people whose erasure was asked for and is not finished.
pub fn to_erase(conn: &Conn) -> Result<Vec<ContactId>> {
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT d.contact_id
         FROM erase_link AS l JOIN data_request AS d ON d.id = l.request_id
         WHERE l.asked_at IS NOT NULL AND l.erased_at IS NULL",
    )?;
    let ids = statement.query_map([], |row| row.get(0).map(ContactId))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// Notes, in the transaction that erases a person, that their links have done their work.
pub fn note_erased(conn: &Conn, contact: ContactId, at: Instant) -> Result<()> {
    conn.prepare_cached(
        "UPDATE erase_link SET erased_at = ?2
         WHERE request_id IN (SELECT id FROM data_request WHERE contact_id = ?1)",
    )?
    .execute((contact.0, to_millis(at)))?;
    Ok(())
}

/// Tells whether anybody was erased of late: the end of a log may still hold them after a crash.
pub fn erased_of_late(conn: &Conn) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM erase_link WHERE erased_at IS NOT NULL)")?
        .query_row([], |row| row.get(0))?)
}

fn hash(token: &Token) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SeededEntropy;
    use crate::store::db::testing;

    const ANA: ContactId = ContactId(1);

    fn workspace() -> Conn {
        let conn = testing::memory();
        conn.execute_batch(
            "INSERT INTO contact (id, email, email_key, created_at) VALUES (1, 'ana@example.org', 'ana@example.org', 0);
             INSERT INTO campaign (id, name, document, created_at, updated_at) VALUES (1, 'Spring', '{}', 0, 0);
             INSERT INTO message (id, campaign_id, contact_id, email, address_hash, tracking, preference_token)
             VALUES (1, 1, 1, 'old@example.org', x'01', 'personal', x'a1');",
        )
        .unwrap();
        conn
    }

    fn hours(n: i64) -> Instant {
        from_millis(0) + TimeDelta::hours(n)
    }

    #[test]
    fn what_is_due_is_found_without_reading_what_was_sent() {
        let conn = workspace();
        let sql = "SELECT id FROM data_request WHERE state = 'waiting' AND next_attempt_at <= ?1
                   ORDER BY next_attempt_at, id LIMIT 1";
        let plan = testing::plan(&conn, sql, &[&5]);
        assert!(
            plan.contains("data_request_waiting") && !plan.contains("TEMP"),
            "{plan}"
        );
    }

    #[test]
    fn one_copy_is_mailed_in_a_day_and_none_while_one_waits() {
        let conn = workspace();
        let asks = |at| ask(&conn, ANA, MessageId(1), at).unwrap();
        assert!(asks(hours(0)));
        assert!(!asks(hours(1)));
        assert!(!asks(hours(99)), "the first still waits");
        let sent = Outcome::Sent { reply: String::new() };
        settle(&conn, 1, hours(99), &sent).unwrap();
        assert!(asks(hours(100)));
        settle(&conn, 2, hours(100), &sent).unwrap();
        assert!(!asks(hours(123)));
        assert!(asks(hours(124)));
    }

    #[test]
    fn a_link_works_until_it_expires_and_its_token_is_nowhere() {
        let conn = workspace();
        let token = Token::generate(&SeededEntropy::new(1));
        ask(&conn, ANA, MessageId(1), hours(0)).unwrap();
        assert!(begin(&conn, 1, Some(&token), hours(0)).unwrap());
        let kept: Vec<u8> = conn
            .query_row("SELECT token_hash FROM erase_link", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept.len(), 32);
        assert!(!kept.windows(8).any(|part| token.as_bytes().starts_with(part)));
        let open = Link::Open {
            contact: ANA,
            email: "ana@example.org".into(),
        };
        assert_eq!(link(&conn, &token, hours(23)).unwrap(), open);
        assert_eq!(link(&conn, &token, hours(24)).unwrap(), Link::Unknown);
        let other = Token::generate(&SeededEntropy::new(2));
        assert_eq!(link(&conn, &other, hours(0)).unwrap(), Link::Unknown);
        begin(&conn, 1, Some(&other), hours(25)).unwrap();
        let n: i64 = conn
            .query_row("SELECT count(*) FROM erase_link", [], |row| row.get(0))
            .unwrap();
        assert_eq!(n, 1, "what has expired is removed");
    }

    #[test]
    fn an_erasure_that_was_asked_for_stays_until_it_is_done() {
        let conn = workspace();
        let token = Token::generate(&SeededEntropy::new(1));
        ask(&conn, ANA, MessageId(1), hours(0)).unwrap();
        begin(&conn, 1, Some(&token), hours(0)).unwrap();
        ask_erasure(&conn, &token, hours(1)).unwrap();
        let later = Token::generate(&SeededEntropy::new(2));
        begin(&conn, 1, Some(&later), hours(30)).unwrap();
        assert_eq!(
            link(&conn, &token, hours(30)).unwrap(),
            Link::Asked,
            "not even its end undoes it"
        );
        assert_eq!(to_erase(&conn).unwrap(), [ANA]);
        note_erased(&conn, ANA, hours(31)).unwrap();
        super::super::erasure::erase(&conn, ANA, from_millis(9)).unwrap();
        assert_eq!(to_erase(&conn).unwrap(), []);
        assert_eq!(
            link(&conn, &later, hours(32)).unwrap(),
            Link::Erased { at: hours(31) }
        );
        assert_eq!(link(&conn, &later, hours(54)).unwrap(), Link::Unknown);
        let n: i64 = conn
            .query_row("SELECT count(*) FROM data_request", [], |row| row.get(0))
            .unwrap();
        assert_eq!(n, 0, "requests go with their person");
    }

    #[test]
    fn the_copy_goes_to_the_address_on_file_whatever_the_mails_was() {
        let conn = workspace();
        ask(&conn, ANA, MessageId(1), hours(0)).unwrap();
        assert_eq!(
            next_due(&conn, hours(0)).unwrap().unwrap().email,
            "ana@example.org"
        );
        conn.execute("DELETE FROM message", []).unwrap();
        let due = next_due(&conn, hours(0)).unwrap().unwrap();
        assert_eq!(
            (due.message, due.base_url.as_str()),
            (None, ""),
            "the request outlives the mail whose link it was"
        );
    }
}
