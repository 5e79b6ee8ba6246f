//! `message` after the sending: what failed or is uncertain, what is sent again, and people who joined since.

use super::{Conn, Result, consent_event, instant, message_event, word};
use crate::api::{Audience, Trouble};
use crate::clock::{Instant, to_millis};
use crate::domain::message::{MessageState, SkipReason};
use crate::ids::{CampaignId, ContactId, MessageId};
use crate::report::timeline::{MARKED_SENT, SENT_AGAIN};
use rusqlite::{OptionalExtension, Row};
use std::collections::BTreeMap;

/// How the server's words begin where attempts that might have worked were given up.
pub const GIVEN_UP: &str = "Given up after";

/// A mail that failed; `?1` is the campaign.
///
/// The states stand by themselves, or no index would be used.
const FAILED: &str = "m.campaign_id = ?1 AND m.state IN ('rejected', 'skipped')
           AND (m.state = 'rejected' OR m.skip_reason = 'render_failed')";
/// A mail of which nobody knows whether it left, and the user has not said that it is to be left.
const UNDECIDED: &str = "m.campaign_id = ?1 AND m.state = 'uncertain' AND m.left_at IS NULL";
/// Nothing goes there any more.
const STOPPED: &str =
    "(m.contact_id IS NULL OR EXISTS (SELECT 1 FROM suppression AS s WHERE s.address_hash = m.address_hash))";
/// Another attempt may work.
const TEMPORARY: &str = "(m.state = 'rejected' AND substr(m.reply, 1, 14) = 'Given up after')";

/// Which mails that were not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Refused, given up, or not made.
    Failed,
    /// Uncertain, and not left as they are.
    Undecided,
}

impl Which {
    fn condition(self) -> &'static str {
        match self {
            Self::Failed => FAILED,
            Self::Undecided => UNDECIDED,
        }
    }
}

fn trouble(row: &Row<'_>) -> rusqlite::Result<Trouble> {
    let email: String = row.get("email")?;
    let name: String = row.get("name")?;
    Ok(Trouble {
        message: MessageId(row.get("id")?),
        contact: row.get::<_, Option<i64>>("contact_id")?.map(ContactId),
        label: if name.is_empty() { email.clone() } else { name },
        email,
        state: word(row, "state")?,
        reply: row.get("reply")?,
        at: instant(row, "at")?,
        temporary: row.get("temporary")?,
        stopped: row.get("stopped")?,
    })
}

/// Returns up to `limit` mails that were not accepted: those that may work next time first, then by id.
pub fn troubles(conn: &Conn, id: CampaignId, which: Which, limit: u32) -> Result<Vec<Trouble>> {
    let mut statement = conn.prepare_cached(&troubles_sql(which))?;
    let rows = statement.query_map((id.0, limit), trouble)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn troubles_sql(which: Which) -> String {
    let condition = which.condition();
    format!(
        "SELECT m.id, m.contact_id, m.email, m.state, m.reply,
                trim(coalesce(c.first_name, '') || ' ' || coalesce(c.last_name, '')) AS name,
                (SELECT max(e.at) FROM message_event AS e WHERE e.message_id = m.id) AS at,
                {TEMPORARY} AS temporary, {STOPPED} AS stopped
         FROM message AS m
         LEFT JOIN contact AS c ON c.id = m.contact_id
         WHERE {condition}
         ORDER BY temporary DESC, m.id
         LIMIT ?2"
    )
}

/// Returns how many mails were not accepted, and how many of these may work next time and can be sent.
pub fn count(conn: &Conn, id: CampaignId, which: Which) -> Result<(u32, u32)> {
    Ok(conn
        .prepare_cached(&count_sql(which))?
        .query_row([id.0], |row| Ok((row.get("n")?, row.get("temporary")?)))?)
}

fn count_sql(which: Which) -> String {
    let condition = which.condition();
    format!(
        "SELECT count(*) AS n, coalesce(sum({TEMPORARY} AND NOT {STOPPED}), 0) AS temporary
         FROM message AS m WHERE {condition}"
    )
}

/// Returns how many uncertain mails the user leaves as they are.
pub fn left(conn: &Conn, id: CampaignId) -> Result<u32> {
    Ok(conn
        .prepare_cached(
            "SELECT count(*) FROM message WHERE campaign_id = ?1 AND state = 'uncertain' AND left_at IS NOT NULL",
        )?
        .query_row([id.0], |row| row.get(0))?)
}

/// Returns the mails that may work next time, or the undecided ones, behind `after`.
pub fn ids(
    conn: &Conn,
    id: CampaignId,
    which: Which,
    after: MessageId,
    limit: u32,
) -> Result<Vec<MessageId>> {
    let mut statement = conn.prepare_cached(&ids_sql(which))?;
    let rows = statement.query_map((id.0, after.0, limit), |row| row.get(0).map(MessageId))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn ids_sql(which: Which) -> String {
    let (condition, more) = match which {
        Which::Failed => (FAILED, TEMPORARY),
        Which::Undecided => (UNDECIDED, "1"),
    };
    format!("SELECT m.id FROM message AS m WHERE {condition} AND {more} AND m.id > ?2 ORDER BY m.id LIMIT ?3")
}

/// Where a mail stands, and whether anything may go there.
struct Standing {
    state: MessageState,
    skip: Option<SkipReason>,
    stopped: bool,
}

fn standing(conn: &Conn, campaign: CampaignId, id: MessageId) -> Result<Option<Standing>> {
    Ok(conn
        .prepare_cached(&format!(
            "SELECT m.state, m.skip_reason, {STOPPED} AS stopped
             FROM message AS m WHERE m.campaign_id = ?1 AND m.id = ?2"
        ))?
        .query_row((campaign.0, id.0), |row| {
            let skip = match row.get::<_, Option<String>>("skip_reason")? {
                Some(_) => Some(word(row, "skip_reason")?),
                None => None,
            };
            Ok(Standing {
                state: word(row, "state")?,
                skip,
                stopped: row.get("stopped")?,
            })
        })
        .optional()?)
}

/// Puts a mail back into the queue because the user wants it, from `from`; tells whether it was.
///
/// It keeps its tokens and so its Message-ID; its attempts count anew.
pub fn send_again(
    conn: &Conn,
    campaign: CampaignId,
    id: MessageId,
    from: Which,
    now: Instant,
) -> Result<bool> {
    let Some(standing) = standing(conn, campaign, id)? else {
        return Ok(false);
    };
    let is_of = match from {
        Which::Failed => standing.state.may_be_sent_again(standing.skip),
        Which::Undecided => standing.state == MessageState::Uncertain,
    };
    if !is_of || standing.stopped {
        return Ok(false);
    }
    conn.prepare_cached(
        "UPDATE message
         SET state = 'queued', skip_reason = NULL, next_attempt_at = ?2, queued_at = ?2, attempts = 0, left_at = NULL
         WHERE id = ?1",
    )?
    .execute((id.0, to_millis(now)))?;
    message_event::add(conn, id, now, MessageState::Queued, SENT_AGAIN)?;
    Ok(true)
}

/// Notes that an uncertain mail was sent, because the user knows; tells whether it was uncertain.
///
/// It counts as accepted from when its hand-over began, the earliest moment that is known.
pub fn mark_sent(conn: &Conn, campaign: CampaignId, id: MessageId, now: Instant) -> Result<bool> {
    let changed = conn
        .prepare_cached(
            "UPDATE message
             SET state = 'accepted', accepted_at = coalesce(accepted_at, handing_over_at, ?3), left_at = NULL
             WHERE id = ?2 AND campaign_id = ?1 AND state = 'uncertain'",
        )?
        .execute((campaign.0, id.0, to_millis(now)))?;
    if changed > 0 {
        consent_event::note_asked(conn, id, now)?;
        message_event::add(conn, id, now, MessageState::Accepted, MARKED_SENT)?;
    }
    Ok(changed > 0)
}

/// Notes that an uncertain mail is to be left as it is; tells whether it was undecided.
pub fn leave(conn: &Conn, campaign: CampaignId, id: MessageId, now: Instant) -> Result<bool> {
    let changed = conn
        .prepare_cached(
            "UPDATE message SET left_at = ?3
             WHERE id = ?2 AND campaign_id = ?1 AND state = 'uncertain' AND left_at IS NULL",
        )?
        .execute((campaign.0, id.0, to_millis(now)))?;
    Ok(changed > 0)
}

/// People of an audience who are not in a campaign's ledger, neither themselves nor with their address: who was erased
/// and came back has got it, and [`has_row`] says the same when they are planned. `?1` and `?2` as in
/// [`super::message::IN_AUDIENCE`], `?3` the campaign.
fn newcomers_sql(what: &str) -> String {
    format!(
        "SELECT {what} FROM contact
         WHERE {}
           AND NOT EXISTS (SELECT 1 FROM message WHERE campaign_id = ?3 AND contact_id = contact.id)
           AND NOT EXISTS (SELECT 1 FROM message WHERE campaign_id = ?3 AND address_hash = contact.address_hash)",
        super::message::IN_AUDIENCE
    )
}

/// Returns how many people of `audience` are not in the campaign's ledger.
pub fn newcomers(conn: &Conn, id: CampaignId, audience: &Audience) -> Result<u32> {
    Ok(conn.prepare_cached(&newcomers_sql("count(*)"))?.query_row(
        (
            serde_json::to_string(&audience.include)?,
            serde_json::to_string(&audience.exclude)?,
            id.0,
        ),
        |row| row.get(0),
    )?)
}

/// Tells whether a campaign has a row for a person, or for their address: who was erased and came back has got it.
pub fn has_row(conn: &Conn, id: CampaignId, contact: ContactId, address_hash: &[u8; 16]) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM message WHERE contact_id = ?2 AND campaign_id = ?1)
                 OR EXISTS (SELECT 1 FROM message WHERE address_hash = ?3 AND campaign_id = ?1)",
        )?
        .query_row((id.0, contact.0, address_hash), |row| row.get(0))?)
}

/// Returns the id of a campaign's last message; 0 where it has none.
pub fn last(conn: &Conn, id: CampaignId) -> Result<MessageId> {
    Ok(conn
        .prepare_cached("SELECT coalesce(max(id), 0) FROM message WHERE campaign_id = ?1")?
        .query_row([id.0], |row| row.get(0).map(MessageId))?)
}

/// Removes up to `limit` rows behind `after` that were planned or skipped with it; returns how many.
pub fn discard(conn: &Conn, id: CampaignId, after: MessageId, limit: u32) -> Result<u32> {
    Ok(conn
        .prepare_cached(
            "DELETE FROM message WHERE id IN
               (SELECT id FROM message WHERE campaign_id = ?1 AND id > ?2 AND state IN ('planned', 'skipped') LIMIT ?3)",
        )?
        .execute((id.0, after.0, limit))? as u32)
}

/// What a follow-up's rows say, without those of before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// Mails that would leave.
    pub to_send: u32,
    /// Who gets none, by reason.
    pub skipped: BTreeMap<String, u32>,
    /// By how they are tracked.
    pub tracking: BTreeMap<String, u32>,
    /// Why they are not tracked on their own.
    pub not_tracked: BTreeMap<String, u32>,
}

/// Returns what the rows behind `after` say.
pub fn planned(conn: &Conn, id: CampaignId, after: MessageId) -> Result<Planned> {
    let mut statement = conn.prepare_cached(
        "SELECT state, skip_reason, tracking, not_tracked, count(*) AS n FROM message
         WHERE campaign_id = ?1 AND id > ?2 GROUP BY state, skip_reason, tracking, not_tracked",
    )?;
    let mut rows = statement.query((id.0, after.0))?;
    let mut planned = Planned::default();
    while let Some(row) = rows.next()? {
        let n: u32 = row.get("n")?;
        if let Some(reason) = row.get::<_, Option<String>>("skip_reason")? {
            *planned.skipped.entry(reason).or_default() += n;
            continue;
        }
        planned.to_send += n;
        *planned.tracking.entry(row.get("tracking")?).or_default() += n;
        if let Some(reason) = row.get::<_, Option<String>>("not_tracked")? {
            *planned.not_tracked.entry(reason).or_default() += n;
        }
    }
    Ok(planned)
}

/// Keeps what is known of a campaign's follow-up, as the JSON text that `app::follow_up` wrote; `None` forgets it.
pub fn set_follow_up(conn: &Conn, id: CampaignId, text: Option<&str>) -> Result<()> {
    conn.prepare_cached("UPDATE campaign SET follow_up = ?2 WHERE id = ?1")?
        .execute((id.0, text))?;
    Ok(())
}

/// Returns what is known of a campaign's follow-up.
pub fn follow_up(conn: &Conn, id: CampaignId) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT follow_up FROM campaign WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .flatten())
}

/// Returns the finished campaigns of which something is prepared for new people, with what is known of it.
pub fn follow_ups(conn: &Conn) -> Result<Vec<(CampaignId, String)>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, follow_up FROM campaign WHERE state = 'finished' AND follow_up IS NOT NULL ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| Ok((CampaignId(row.get("id")?), row.get("follow_up")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Lets a finished campaign send again; tells whether it was finished. Never while mails to new people are prepared.
pub fn reopen(conn: &Conn, id: CampaignId, now: Instant) -> Result<bool> {
    let changed = conn
        .prepare_cached(
            "UPDATE campaign SET state = 'running', finished_at = NULL, problem = NULL, updated_at = ?2
             WHERE id = ?1 AND state = 'finished' AND follow_up IS NULL",
        )?
        .execute((id.0, to_millis(now)))?;
    Ok(changed > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::testing;

    #[test]
    fn the_words_that_begin_a_given_up_mail_are_the_ones_that_are_looked_for() {
        assert!(TEMPORARY.contains(&format!("substr(m.reply, 1, {}) = '{GIVEN_UP}'", GIVEN_UP.len())));
    }

    #[test]
    fn who_is_new_is_told_by_an_index() {
        let conn = testing::memory();
        let plan = testing::plan(&conn, &newcomers_sql("count(*)"), &[&"[]", &"[]", &1]);
        assert!(plan.contains("message_by_contact"), "{plan}");
        assert!(plan.contains("message_by_address"), "{plan}");
    }

    #[test]
    fn what_failed_is_found_without_reading_the_ledger() {
        let conn = testing::memory();
        for sql in [
            count_sql(Which::Failed),
            troubles_sql(Which::Failed),
            ids_sql(Which::Failed),
            count_sql(Which::Undecided),
            troubles_sql(Which::Undecided),
            ids_sql(Which::Undecided),
        ] {
            let given: [&dyn rusqlite::ToSql; 3] = [&1, &0, &500];
            let n = conn.prepare(&sql).unwrap().parameter_count();
            let plan = testing::plan(&conn, &sql, &given[..n]);
            assert!(
                plan.contains("message_by_state (campaign_id=? AND state=?)"),
                "{sql}\n{plan}"
            );
        }
    }
}
