//! `message`: the ledger. One row for each recipient of a campaign, the unit of sending and of measuring.
//!
//! Rollups of hits stand in the same table and are kept by `store::rollup`.
//!
//! Longer than 600 lines so that every step of a row, from the plan to its last state, can be read in one place.

use super::{Conn, Result, consent_event, instant, message_event, word};
use crate::api::Audience;
use crate::clock::{Instant, to_millis};
use crate::delivery::transport::ErrorKind;
use crate::domain::consent::ConsentState;
use crate::domain::message::{MessageState, NotTrackedReason, SkipReason, TrackingMode};
use crate::ids::{CampaignId, ContactId, MessageId};
use crate::tracking::token::Token;
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A row to be added to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// The person.
    pub contact: ContactId,
    /// The person's revision that was read.
    pub contact_revision: i64,
    /// To which address.
    pub email: String,
    /// Its keyed hash.
    pub address_hash: [u8; 16],
    /// Why it is not to be sent; `None` plans it.
    pub skip: Option<SkipReason>,
    /// How it may be tracked.
    pub tracking: TrackingMode,
    /// Why it is not tracked on its own.
    pub not_tracked: Option<NotTrackedReason>,
    /// Where tracking is personal.
    pub pixel_token: Option<Token>,
    /// For the preference pages.
    pub preference_token: Token,
    /// The mail asks for consent to tracking.
    pub asks: bool,
}

/// Adds a row: `planned`, or `skipped` with its reason.
pub fn insert(conn: &Conn, campaign: CampaignId, message: &NewMessage) -> Result<MessageId> {
    let state = match message.skip {
        Some(_) => MessageState::Skipped,
        None => MessageState::Planned,
    };
    // Without RETURNING, which SQLite carries out as a trigger: each row would get a savepoint of its own, whose journal
    // is walked from its beginning, and a chunk takes twice as long.
    conn.prepare_cached(
        "INSERT INTO message (campaign_id, contact_id, email, address_hash, state, skip_reason, tracking,
                              not_tracked, pixel_token, preference_token, contact_revision, asks)
         VALUES (:campaign, :contact, :email, :hash, :state, :skip, :tracking, :not_tracked, :pixel,
                 :preference, :revision, :asks)",
    )?
    .execute(rusqlite::named_params! {
        ":campaign": campaign.0, ":contact": message.contact.0, ":email": message.email,
        ":hash": message.address_hash, ":state": state.as_str(),
        ":skip": message.skip.map(SkipReason::as_str), ":tracking": message.tracking.as_str(),
        ":not_tracked": message.not_tracked.map(NotTrackedReason::as_str),
        ":pixel": message.pixel_token.as_ref().map(Token::as_bytes),
        ":preference": message.preference_token.as_bytes(), ":revision": message.contact_revision,
        ":asks": message.asks,
    })?;
    Ok(MessageId(conn.last_insert_rowid()))
}

/// A person of an audience, as planning sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub contact: ContactId,
    /// The address.
    pub email: String,
    /// The address in lower case.
    pub email_key: String,
    /// The row's revision.
    pub revision: i64,
    /// Tracking consent.
    pub consent: ConsentState,
    /// Mails with a pixel of their own since the instant that was asked for.
    pub tracked_lately: u32,
    /// When they were asked for consent last.
    pub asked_at: Option<Instant>,
}

/// Members of one of `?1` and none of `?2`, both JSON arrays of list ids.
pub(super) const IN_AUDIENCE: &str = "EXISTS (SELECT 1 FROM list_member
                    WHERE contact_id = contact.id AND list_id IN (SELECT value FROM json_each(?1)))
      AND NOT EXISTS (SELECT 1 FROM list_member
                      WHERE contact_id = contact.id AND list_id IN (SELECT value FROM json_each(?2)))";

/// Returns up to `limit` people of `audience` behind `after`, with their tracked mails since `since`, and when they
/// were asked for consent by mails that count for `campaign`.
pub fn candidates(
    conn: &Conn,
    audience: &Audience,
    after: ContactId,
    since: Instant,
    limit: u32,
    campaign: CampaignId,
) -> Result<Vec<Candidate>> {
    let asked = consent_event::asked_sql("contact", "(SELECT practice FROM campaign WHERE id = ?6)");
    let mut statement = conn.prepare_cached(&format!(
        "SELECT id, email, email_key, revision, consent, {asked} AS asked_at,
                (SELECT count(*) FROM message
                 WHERE contact_id = contact.id AND accepted_at >= ?4 AND tracking = 'personal') AS tracked_lately
         FROM contact
         WHERE id > ?3 AND {IN_AUDIENCE}
         ORDER BY id
         LIMIT ?5"
    ))?;
    let rows = statement.query_map(
        (
            serde_json::to_string(&audience.include)?,
            serde_json::to_string(&audience.exclude)?,
            after.0,
            to_millis(since),
            limit,
            campaign.0,
        ),
        |row| {
            Ok(Candidate {
                contact: ContactId(row.get("id")?),
                email: row.get("email")?,
                email_key: row.get("email_key")?,
                revision: row.get("revision")?,
                consent: word(row, "consent")?,
                tracked_lately: row.get("tracked_lately")?,
                asked_at: instant(row, "asked_at")?,
            })
        },
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns how many people are in `audience`.
///
/// Counted by the lists' members, which a preparation of 200,000 would wait for otherwise: a person is on a list by a
/// row, and on one list once.
pub fn audience_size(conn: &Conn, audience: &Audience) -> Result<u32> {
    let what = match audience.include.len() {
        1 => "*",
        _ => "DISTINCT contact_id",
    };
    let but = match audience.exclude.is_empty() {
        true => "?2 IS NOT NULL",
        false => {
            "NOT EXISTS (SELECT 1 FROM list_member AS other
                         WHERE other.contact_id = m.contact_id
                           AND other.list_id IN (SELECT value FROM json_each(?2)))"
        }
    };
    Ok(conn
        .prepare_cached(&format!(
            "SELECT count({what}) FROM list_member AS m
             WHERE m.list_id IN (SELECT value FROM json_each(?1)) AND {but}"
        ))?
        .query_row(
            (
                serde_json::to_string(&audience.include)?,
                serde_json::to_string(&audience.exclude)?,
            ),
            |row| row.get(0),
        )?)
}

/// Returns why an address gets no mail: `Unsubscribed`, or `Suppressed` for every other reason.
pub fn suppressed(conn: &Conn, address_hash: &[u8; 16]) -> Result<Option<SkipReason>> {
    let kind: Option<String> = conn
        .prepare_cached("SELECT kind FROM suppression WHERE address_hash = ?1")?
        .query_row([address_hash], |row| row.get(0))
        .optional()?;
    Ok(kind.map(|kind| match kind.as_str() {
        "unsubscribed" => SkipReason::Unsubscribed,
        _ => SkipReason::Suppressed,
    }))
}

/// A message with the person it goes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The row.
    pub id: MessageId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// The address that it was planned for.
    pub email: String,
    /// That address's keyed hash.
    pub address_hash: [u8; 16],
    /// How it may be tracked.
    pub tracking: TrackingMode,
    /// Why it is not tracked on its own.
    pub not_tracked: Option<NotTrackedReason>,
    /// Where tracking is personal.
    pub pixel_token: Option<Token>,
    /// For the preference pages.
    pub preference_token: Token,
    /// It was planned to ask for consent to tracking.
    pub asks: bool,
    /// Attempts so far.
    pub attempts: u32,
    /// The person's revision that the audit read.
    pub audited_revision: i64,
    /// The person; `None` once erased.
    pub person: Option<LetterPerson>,
}

/// A person as a mail shows them.
#[derive(Debug, Clone, PartialEq)]
pub struct LetterPerson {
    /// Who.
    pub contact: ContactId,
    /// The present address.
    pub email: String,
    /// The address in lower case.
    pub email_key: String,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// Further fields, as the JSON object that the table keeps.
    pub fields: String,
    /// The present revision.
    pub revision: i64,
    /// Tracking consent.
    pub consent: ConsentState,
    /// When they were asked for it last.
    pub asked_at: Option<Instant>,
}

impl Letter {
    /// Tells whether the row says already what it would be handed over with.
    fn is_as_planned(&self, hand_over: &HandOver) -> bool {
        let planned = HandOver {
            email: self.email.clone(),
            address_hash: self.address_hash,
            tracking: self.tracking,
            not_tracked: self.not_tracked,
            asks: self.asks,
            contact_revision: self.audited_revision,
        };
        planned == *hand_over && (self.tracking == TrackingMode::Personal || self.pixel_token.is_none())
    }
}

/// Its columns are read by their places: [`letter`] is on the way of every mail.
fn letter_sql() -> String {
    let asked = consent_event::asked_sql("c", "(SELECT practice FROM campaign WHERE id = m.campaign_id)");
    format!(
        "SELECT m.id, m.campaign_id, m.email, m.address_hash, m.tracking, m.not_tracked, m.pixel_token,
           m.preference_token, m.asks, m.attempts, m.contact_revision,
           c.id AS contact_id, c.email AS contact_email, c.email_key, c.first_name, c.last_name, c.fields,
           c.revision, c.consent, {asked} AS asked_at
    FROM message AS m
    LEFT JOIN contact AS c ON c.id = m.contact_id"
    )
}

fn letter(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let token = |column: usize| -> rusqlite::Result<Option<Token>> {
        Ok(row
            .get_ref(column)?
            .as_blob_or_null()?
            .and_then(Token::from_bytes))
    };
    let person = match row.get::<_, Option<i64>>(11)? {
        None => None,
        Some(id) => Some(LetterPerson {
            contact: ContactId(id),
            email: row.get(12)?,
            email_key: row.get(13)?,
            first_name: row.get(14)?,
            last_name: row.get(15)?,
            fields: row.get(16)?,
            revision: row.get(17)?,
            consent: word(row, 18)?,
            asked_at: instant(row, 19)?,
        }),
    };
    let not_tracked = match row.get_ref(5)? {
        ValueRef::Null => None,
        _ => Some(word(row, 5)?),
    };
    Ok(Letter {
        id: MessageId(row.get(0)?),
        campaign: CampaignId(row.get(1)?),
        email: row.get(2)?,
        // An erased person's hash may be gone; nothing is sent to them.
        address_hash: row.get_ref(3)?.as_blob()?.try_into().unwrap_or_default(),
        tracking: word(row, 4)?,
        not_tracked,
        pixel_token: token(6)?,
        preference_token: token(7)?.ok_or(rusqlite::Error::InvalidQuery)?,
        asks: row.get(8)?,
        attempts: row.get(9)?,
        audited_revision: row.get(10)?,
        person,
    })
}

// Walks the table from `?2` on, where a campaign's rows stand side by side. The plus signs keep it from the index by
// state, which is in another order: all that is planned would be sorted for each few.
static PLANNED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} WHERE +m.campaign_id = ?1 AND +m.state = 'planned' AND m.id > ?2 ORDER BY m.id LIMIT ?3",
        letter_sql()
    )
});

/// Returns up to `limit` planned messages of a campaign behind `after`, for the audit.
///
/// Reads every row in between: `after` is to be near the campaign's own (see [`before_planned`]).
pub fn planned(conn: &Conn, campaign: CampaignId, after: MessageId, limit: u32) -> Result<Vec<Letter>> {
    let mut statement = conn.prepare_cached(&PLANNED)?;
    let rows = statement.query_map((campaign.0, after.0, limit), letter)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns an id right before the first planned message of a campaign; `None` where none is planned.
pub fn before_planned(conn: &Conn, campaign: CampaignId) -> Result<Option<MessageId>> {
    let first: Option<i64> = conn
        .prepare_cached("SELECT min(id) FROM message WHERE campaign_id = ?1 AND state = 'planned'")?
        .query_row([campaign.0], |row| row.get(0))?;
    Ok(first.map(|first| MessageId(first - 1)))
}

static RETRY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} WHERE m.campaign_id = ?1 AND m.state IN ('queued', 'deferred')
           AND m.next_attempt_at > ?2 AND m.next_attempt_at <= ?3
         ORDER BY m.next_attempt_at LIMIT 1",
        letter_sql()
    )
});

static FIRST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} WHERE m.campaign_id = ?1 AND m.state IN ('queued', 'deferred')
           AND m.next_attempt_at = ?2 AND ?2 <= ?3
         ORDER BY m.id LIMIT 1",
        letter_sql()
    )
});

/// Returns the next message of a running campaign that may leave at `now`.
///
/// Retries that are due go first, so that a long campaign does not make them wait for its end; then the rest
/// in the order of the ledger. Both from the index `message_to_send`.
pub fn next_due(
    conn: &Conn,
    campaign: CampaignId,
    first_mail_at: Instant,
    now: Instant,
) -> Result<Option<Letter>> {
    let first = to_millis(first_mail_at);
    let retry = conn
        .prepare_cached(&RETRY)?
        .query_row((campaign.0, first, to_millis(now)), letter)
        .optional()?;
    if retry.is_some() {
        return Ok(retry);
    }
    Ok(conn
        .prepare_cached(&FIRST)?
        .query_row((campaign.0, first, to_millis(now)), letter)
        .optional()?)
}

/// What a mail is handed over with, after the last look at the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// The address it goes to.
    pub email: String,
    /// Its keyed hash.
    pub address_hash: [u8; 16],
    /// How it may be tracked: never looser than before.
    pub tracking: TrackingMode,
    /// Why it is not tracked on its own.
    pub not_tracked: Option<NotTrackedReason>,
    /// It asks for consent to tracking: never where it was not planned to.
    pub asks: bool,
    /// The person's revision that the mail is made from.
    pub contact_revision: i64,
}

/// Claims a message: the commit that holds this must be on disk before the mail's end can leave.
///
/// A mode stricter than personal destroys the pixel's token: no hit can ever be matched to this person.
pub fn hand_over(conn: &Conn, letter: &Letter, now: Instant, hand_over: &HandOver) -> Result<()> {
    if letter.is_as_planned(hand_over) {
        // Most are: then the indexes of what stays the same, half of all, are left alone.
        conn.prepare_cached(
            "UPDATE message SET state = 'handing_over', handing_over_at = ?2, attempts = attempts + 1 WHERE id = ?1",
        )?
        .execute((letter.id.0, to_millis(now)))?;
        return Ok(());
    }
    conn.prepare_cached(
        "UPDATE message
         SET state = 'handing_over', handing_over_at = :now, attempts = attempts + 1, email = :email,
             address_hash = :hash, tracking = :tracking, not_tracked = :not_tracked,
             pixel_token = CASE WHEN :tracking = 'personal' THEN pixel_token END, contact_revision = :revision,
             asks = :asks
         WHERE id = :id",
    )?
    .execute(rusqlite::named_params! {
        ":id": letter.id.0, ":now": to_millis(now), ":email": hand_over.email, ":hash": hand_over.address_hash,
        ":tracking": hand_over.tracking.as_str(),
        ":not_tracked": hand_over.not_tracked.map(NotTrackedReason::as_str),
        ":revision": hand_over.contact_revision, ":asks": hand_over.asks,
    })?;
    Ok(())
}

/// Lets a message that waits leave no sooner than `at`.
pub fn postpone(conn: &Conn, id: MessageId, at: Instant) -> Result<()> {
    conn.prepare_cached(
        "UPDATE message SET next_attempt_at = ?2 WHERE id = ?1 AND state IN ('queued', 'deferred')",
    )?
    .execute((id.0, to_millis(at)))?;
    Ok(())
}

/// Returns a message's campaign and address; `None` where it is gone.
pub fn whose(conn: &Conn, id: MessageId) -> Result<Option<(CampaignId, String)>> {
    Ok(conn
        .prepare_cached("SELECT campaign_id, email FROM message WHERE id = ?1")?
        .query_row([id.0], |row| Ok((row.get(0).map(CampaignId)?, row.get(1)?)))
        .optional()?)
}

/// What became of a message that was handed over, or that is not to be sent after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server took it.
    Accepted {
        /// Its words.
        reply: String,
    },
    /// To be tried again.
    Deferred {
        /// Not before then.
        at: Instant,
        /// The server's words.
        reply: String,
    },
    /// Never left, through no fault of its own: the attempt does not count.
    Requeued {
        /// Not before then.
        at: Instant,
    },
    /// Refused for good.
    Rejected {
        /// The server's words.
        reply: String,
    },
    /// Nobody knows whether it left.
    Uncertain {
        /// What happened.
        reply: String,
    },
    /// Not to be sent.
    Skipped {
        /// Why.
        reason: SkipReason,
        /// What happened, where the reason alone does not say it.
        reply: String,
    },
    /// Not to be sent: the person was erased, or the campaign cancelled.
    Cancelled,
}

impl Outcome {
    fn state(&self) -> MessageState {
        match self {
            Self::Accepted { .. } => MessageState::Accepted,
            Self::Deferred { .. } => MessageState::Deferred,
            Self::Requeued { .. } => MessageState::Queued,
            Self::Rejected { .. } => MessageState::Rejected,
            Self::Uncertain { .. } => MessageState::Uncertain,
            Self::Skipped { .. } => MessageState::Skipped,
            Self::Cancelled => MessageState::Cancelled,
        }
    }
}

/// Settles a message, and notes it for its timeline.
///
/// Nothing happens where its state does not allow that any more, for instance because a look at its pixel has
/// proved its arrival; tells whether something did.
pub fn settle(conn: &Conn, id: MessageId, now: Instant, outcome: &Outcome) -> Result<bool> {
    let state = outcome.state();
    let present: Option<(MessageState, bool)> = conn
        .prepare_cached("SELECT state, asks FROM message WHERE id = ?1")?
        .query_row([id.0], |row| Ok((word(row, 0)?, row.get(1)?)))
        .optional()?;
    let Some((_, asks)) = present.filter(|(present, _)| present.may_become(state)) else {
        return Ok(false);
    };
    let (reply, at, skip) = match outcome {
        Outcome::Accepted { reply } | Outcome::Rejected { reply } | Outcome::Uncertain { reply } => {
            (reply.as_str(), None, None)
        }
        Outcome::Deferred { at, reply } => (reply.as_str(), Some(*at), None),
        Outcome::Requeued { at } => ("", Some(*at), None),
        Outcome::Skipped { reason, reply } => (reply.as_str(), None, Some(*reason)),
        Outcome::Cancelled => ("", None, None),
    };
    conn.prepare_cached(
        "UPDATE message
         SET state = :state, next_attempt_at = :at, skip_reason = :skip,
             -- An erased person's row takes no more words: a server's often name the address.
             reply = CASE WHEN contact_id IS NULL THEN '' WHEN :reply = '' THEN reply ELSE :reply END,
             attempts = attempts - :uncount,
             accepted_at = CASE WHEN :state = 'accepted' THEN :now ELSE accepted_at END
         WHERE id = :id",
    )?
    .execute(rusqlite::named_params! {
        ":id": id.0, ":state": state.as_str(), ":at": at.map(to_millis), ":reply": reply, ":now": to_millis(now),
        ":skip": skip.map(SkipReason::as_str),
        ":uncount": i64::from(matches!(outcome, Outcome::Requeued { .. })),
    })?;
    // A mail of which nobody knows whether it left may have asked.
    if asks && matches!(state, MessageState::Accepted | MessageState::Uncertain) {
        consent_event::note_asked(conn, id, now)?;
    }
    if state != MessageState::Queued {
        message_event::add(conn, id, now, state, reply)?;
    }
    Ok(true)
}

/// Puts up to `limit` planned messages of a launched campaign into the queue; returns how many.
pub fn enqueue(
    conn: &Conn,
    campaign: CampaignId,
    first_mail_at: Instant,
    now: Instant,
    limit: u32,
) -> Result<u32> {
    let ids: Vec<i64> = conn
        .prepare_cached("SELECT id FROM message WHERE campaign_id = ?1 AND state = 'planned' LIMIT ?2")?
        .query_map((campaign.0, limit), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    // One by one, for the reason that `insert` has.
    let mut statement = conn.prepare_cached(
        "UPDATE message SET state = 'queued', queued_at = ?2, next_attempt_at = ?3 WHERE id = ?1",
    )?;
    for id in &ids {
        statement.execute((id, to_millis(now), to_millis(first_mail_at)))?;
        message_event::add(conn, MessageId(*id), now, MessageState::Queued, "")?;
    }
    Ok(ids.len() as u32)
}

/// Cancels up to `limit` messages of a campaign that have not left; returns how many.
pub fn cancel(conn: &Conn, campaign: CampaignId, now: Instant, limit: u32) -> Result<u32> {
    let mut statement = conn.prepare_cached(
        "UPDATE message
         SET state = 'cancelled', next_attempt_at = NULL
         WHERE id IN (SELECT id FROM message
                      WHERE campaign_id = ?1 AND state IN ('planned', 'queued', 'deferred') LIMIT ?2)
         RETURNING id",
    )?;
    let ids: Vec<i64> = statement
        .query_map((campaign.0, limit), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in &ids {
        message_event::add(conn, MessageId(*id), now, MessageState::Cancelled, "")?;
    }
    Ok(ids.len() as u32)
}

/// Removes up to `limit` rows of a campaign's ledger; returns how many.
pub fn discard(conn: &Conn, campaign: CampaignId, limit: u32) -> Result<u32> {
    Ok(conn
        .prepare_cached(
            "DELETE FROM message WHERE id IN (SELECT id FROM message WHERE campaign_id = ?1 LIMIT ?2)",
        )?
        .execute((campaign.0, limit))? as u32)
}

/// Settles up to `limit` messages that a crash left between hand-over and reply: nobody knows whether they left.
pub fn uncertain_after_crash(conn: &Conn, now: Instant, limit: u32) -> Result<u32> {
    let mut statement =
        conn.prepare_cached("SELECT id FROM message WHERE state = 'handing_over' LIMIT ?1")?;
    let ids: Vec<i64> = statement
        .query_map([limit], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let outcome = Outcome::Uncertain {
        reply: "Casement ended before the server's reply; it may have left.".into(),
    };
    for id in &ids {
        settle(conn, MessageId(*id), now, &outcome)?;
    }
    Ok(ids.len() as u32)
}

/// Keeps whose fault a message's last failure was; `None` where it did not fail.
pub fn set_error(conn: &Conn, id: MessageId, kind: Option<ErrorKind>) -> Result<()> {
    conn.prepare_cached("UPDATE message SET error_kind = ?2 WHERE id = ?1 AND error_kind IS NOT ?2")?
        .execute((id.0, kind.map(ErrorKind::as_str)))?;
    Ok(())
}

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    /// Whose fault.
    pub kind: ErrorKind,
    /// `deferred`, `rejected` or `uncertain`.
    pub state: MessageState,
    /// How many.
    pub n: u32,
    /// The server's words for one of them.
    pub example: String,
}

/// Returns a campaign's failures by kind and state, most first.
pub fn errors(conn: &Conn, campaign: CampaignId) -> Result<Vec<Errors>> {
    let mut statement = conn.prepare_cached(
        "SELECT error_kind, state, count(*) AS n, max(reply) AS example FROM message
         WHERE campaign_id = ?1 AND state IN ('deferred', 'rejected', 'uncertain') AND error_kind IS NOT NULL
         GROUP BY error_kind, state ORDER BY n DESC",
    )?;
    let rows = statement.query_map([campaign.0], |row| {
        Ok(Errors {
            kind: word(row, "error_kind")?,
            state: word(row, "state")?,
            n: row.get("n")?,
            example: row.get("example")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Makes up to `limit` messages of a campaign uncertain that were to leave or were leaving; returns how many.
pub fn doubt(conn: &Conn, campaign: CampaignId, now: Instant, reply: &str, limit: u32) -> Result<u32> {
    let mut statement = conn.prepare_cached(
        "SELECT id FROM message
         WHERE campaign_id = ?1 AND state IN ('queued', 'deferred', 'handing_over') LIMIT ?2",
    )?;
    let ids: Vec<i64> = statement
        .query_map((campaign.0, limit), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let outcome = Outcome::Uncertain { reply: reply.into() };
    for id in &ids {
        settle(conn, MessageId(*id), now, &outcome)?;
    }
    Ok(ids.len() as u32)
}

/// Returns a campaign's messages by state, states without any left out.
pub fn counts(conn: &Conn, campaign: CampaignId) -> Result<BTreeMap<String, u32>> {
    let mut statement = conn
        .prepare_cached("SELECT state, count(*) AS n FROM message WHERE campaign_id = ?1 GROUP BY state")?;
    let rows = statement.query_map([campaign.0], |row| Ok((row.get("state")?, row.get("n")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns a campaign's skipped messages by reason.
pub fn skipped(conn: &Conn, campaign: CampaignId) -> Result<BTreeMap<String, u32>> {
    let mut statement = conn.prepare_cached(
        "SELECT coalesce(skip_reason, '') AS reason, count(*) AS n FROM message
         WHERE campaign_id = ?1 AND state = 'skipped' GROUP BY skip_reason",
    )?;
    let rows = statement.query_map([campaign.0], |row| Ok((row.get("reason")?, row.get("n")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns how many messages are planned by tracking mode, and by the reason why not.
pub fn planned_tracking(
    conn: &Conn,
    campaign: CampaignId,
) -> Result<(BTreeMap<String, u32>, BTreeMap<String, u32>)> {
    let mut statement = conn.prepare_cached(
        "SELECT tracking, not_tracked, count(*) AS n FROM message
         WHERE campaign_id = ?1 AND state <> 'skipped' GROUP BY tracking, not_tracked",
    )?;
    let mut rows = statement.query([campaign.0])?;
    let (mut modes, mut reasons) = (BTreeMap::new(), BTreeMap::new());
    while let Some(row) = rows.next()? {
        let n: u32 = row.get("n")?;
        *modes.entry(row.get::<_, String>("tracking")?).or_default() += n;
        if let Some(reason) = row.get::<_, Option<String>>("not_tracked")? {
            *reasons.entry(reason).or_default() += n;
        }
    }
    Ok((modes, reasons))
}

/// Returns how many people of the ledger were changed or erased since it was filled.
pub fn changed_since_planned(conn: &Conn, campaign: CampaignId) -> Result<u32> {
    Ok(conn
        .prepare_cached(
            "SELECT count(*) FROM message AS m LEFT JOIN contact AS c ON c.id = m.contact_id
             WHERE m.campaign_id = ?1 AND m.state = 'planned'
               AND (c.id IS NULL OR c.revision <> m.contact_revision)",
        )?
        .query_row([campaign.0], |row| row.get(0))?)
}

/// Tells whether any message of a campaign was ever handed over.
pub fn any_attempted(conn: &Conn, campaign: CampaignId) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM message WHERE campaign_id = ?1 AND handing_over_at IS NOT NULL)",
        )?
        .query_row([campaign.0], |row| row.get(0))?)
}

/// Tells whether anything of a campaign is still to be sent or in hand.
pub fn is_unfinished(conn: &Conn, campaign: CampaignId) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM message
                            WHERE campaign_id = ?1 AND state IN ('planned', 'queued', 'deferred', 'handing_over'))",
        )?
        .query_row([campaign.0], |row| row.get(0))?)
}

/// Returns how many messages of a campaign may leave at `now`, counting no further than `most`; and when the
/// next of the others may.
pub fn due(conn: &Conn, campaign: CampaignId, now: Instant, most: u32) -> Result<(u32, Option<Instant>)> {
    let n = conn
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM message
                                   WHERE campaign_id = ?1 AND state IN ('queued', 'deferred')
                                     AND next_attempt_at <= ?2 LIMIT ?3)",
        )?
        .query_row((campaign.0, to_millis(now), most), |row| row.get(0))?;
    let next: Option<i64> = conn
        .prepare_cached(
            "SELECT min(next_attempt_at) FROM message
             WHERE campaign_id = ?1 AND state IN ('queued', 'deferred') AND next_attempt_at > ?2",
        )?
        .query_row((campaign.0, to_millis(now)), |row| row.get(0))?;
    Ok((n, next.map(crate::clock::from_millis)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::testing;

    #[test]
    fn the_next_mail_is_found_by_its_index_however_long_the_ledger_is() {
        let conn = testing::memory();
        for sql in [&*RETRY, &*FIRST] {
            let plan = testing::plan(&conn, sql, &[&1, &2, &3]);
            assert!(plan.contains("USING INDEX message_to_send"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "nothing is sorted: {plan}");
        }
        let plan = testing::plan(&conn, &PLANNED, &[&1, &2, &3]);
        assert!(
            plan.contains("SEARCH m USING INTEGER PRIMARY KEY (rowid>?)"),
            "{plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "nothing is sorted: {plan}");
    }
    #[test]
    fn an_audience_has_as_many_people_as_are_planned() {
        let conn = testing::memory();
        conn.execute_batch(
            "INSERT INTO list (id, name, created_at) VALUES (1, 'A', 0), (2, 'B', 0), (3, 'C', 0);
             INSERT INTO contact (id, email, email_key, created_at)
             SELECT value, value, value, 0 FROM json_each('[1, 2, 3, 4, 5, 6, 7]');
             INSERT INTO list_member (list_id, contact_id)
             VALUES (1, 1), (1, 2), (1, 3), (2, 3), (2, 4), (2, 5), (3, 2), (3, 5), (3, 6);",
        )
        .unwrap();
        let since = crate::clock::from_millis(0);
        for (include, exclude, size) in [
            ("[1]", "[]", 3),
            ("[1, 2]", "[]", 5),
            ("[1, 1]", "[]", 3),
            ("[1]", "[3]", 2),
            ("[1, 2]", "[3]", 3),
            ("[1]", "[1]", 0),
            ("[9]", "[]", 0),
            ("[]", "[]", 0),
        ] {
            let audience: Audience =
                serde_json::from_str(&format!("{{\"include\":{include},\"exclude\":{exclude}}}")).unwrap();
            assert_eq!(
                audience_size(&conn, &audience).unwrap(),
                size,
                "{include} but {exclude}"
            );
            let planned = candidates(&conn, &audience, ContactId(0), since, 100, CampaignId(1)).unwrap();
            assert_eq!(planned.len(), size as usize, "{include} but {exclude}");
        }
    }
}
