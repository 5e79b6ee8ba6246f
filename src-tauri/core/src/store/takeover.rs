//! What a workspace still knows that a backup is to replace: refusals, erasures, and what was sent since. It goes over
//! into the database that was brought back, before that takes its place.
//!
//! `main` is the database that was brought back, `gone` the one that goes. All in one transaction; doing it again changes
//! nothing. Where the two are of different workspaces, their numbers mean nothing to each other: then only what can be
//! found by a person's address goes over.

mod campaigns;
#[cfg(test)]
mod tests;

use super::suppression::{self, NewSuppression};
use super::{Conn, Result, consent_event, erasure, setting, word};
use crate::audience::address::address_hash;
use crate::clock::from_millis;
use crate::domain::consent::{ConsentState, ConsentWord};
use crate::domain::contact::SuppressionKind;
use crate::domain::message::NotTrackedReason;
use crate::ids::{CampaignId, ContactId, MessageId};
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;
use std::path::Path;

/// What went over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Addresses that get no mail, and of which the backup did not know it.
    pub suppressed: u32,
    /// People who have refused to be tracked since.
    pub refused: u32,
    /// People who were erased since, and are again.
    pub erased: u32,
    /// Campaigns that were sent, or went on being sent, since.
    pub campaigns: Vec<CampaignId>,
    /// The two are of one workspace.
    pub is_same: bool,
}

/// Where a database that was brought back remembers that all was taken over.
const DONE: &str = "taken_over";

/// Takes over into the database at `back` what the one at `gone` knows; both are of the present schema, and nobody has
/// them open. `None` where that was done already.
pub fn take_over(back: &Path, gone: &Path) -> Result<Option<Taken>> {
    let mut conn = open(back)?;
    conn.execute("ATTACH ?1 AS gone", [gone.to_string_lossy()])?;
    let taken = within(&mut conn, whole);
    conn.execute_batch("DETACH gone")?;
    taken
}

/// As [`take_over`], where nothing is here that could be read: `is_here` says that there is something all the same.
pub fn take_nothing(back: &Path, is_here: bool) -> Result<Option<Taken>> {
    within(&mut open(back)?, |conn| {
        if !is_here {
            forget_trust(conn)?;
        }
        Ok(Taken::default())
    })
}

/// Takes over when each address was proved, and when it led elsewhere: reports leave that time out.
fn seen_from_outside(conn: &Conn) -> Result<()> {
    conn.execute_batch(
        "UPDATE main.reach_interval AS m SET until_at = max(m.until_at, t.until_at), ended = max(m.ended, t.ended)
         FROM gone.reach_interval t
         JOIN gone.route o ON o.id = t.route_id
         JOIN main.route n ON n.kind = o.kind AND n.base_url = o.base_url
         WHERE m.route_id = n.id AND m.good = t.good AND m.from_at = t.from_at;
         INSERT INTO main.reach_interval (route_id, good, from_at, until_at, ended)
         SELECT n.id, t.good, t.from_at, t.until_at, t.ended
         FROM gone.reach_interval t
         JOIN gone.route o ON o.id = t.route_id
         JOIN main.route n ON n.kind = o.kind AND n.base_url = o.base_url
         WHERE t.from_at > coalesce((SELECT max(from_at) FROM main.reach_interval WHERE route_id = n.id), 0)
         ORDER BY t.id;",
    )?;
    Ok(())
}

/// Forgets that anything was taken over: the database is in its place.
pub fn forget(conn: &Conn) -> Result<bool> {
    Ok(conn
        .prepare_cached("DELETE FROM setting WHERE key = ?1")?
        .execute([DONE])?
        > 0)
}

fn open(back: &Path) -> Result<Connection> {
    let conn = Connection::open(back)?;
    conn.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY",
    )?;
    Ok(conn)
}

fn within(conn: &mut Connection, take: impl FnOnce(&Conn) -> Result<Taken>) -> Result<Option<Taken>> {
    let transaction = conn.transaction()?;
    if setting::get::<bool>(&transaction, DONE)?.is_some() {
        return Ok(None);
    }
    let taken = take(&transaction)?;
    setting::set(&transaction, DONE, &true)?;
    transaction.commit()?;
    Ok(Some(taken))
}

fn whole(conn: &Conn) -> Result<Taken> {
    let key = setting::workspace_key(conn)?;
    let gone_key = gone_key(conn)?;
    let mut taken = Taken {
        is_same: gone_key == Some(key),
        ..Taken::default()
    };
    let erased = known_of(
        conn,
        gone_key.as_ref(),
        "SELECT address_hash, at FROM gone.erased",
    )?;
    for (contact, at) in erased {
        let since: bool = conn
            .prepare_cached("SELECT created_at <= ?2 FROM contact WHERE id = ?1")?
            .query_row((contact.id.0, at), |row| row.get(0))?;
        if since && erasure::erase(conn, contact.id, from_millis(at))? {
            taken.erased += 1;
        }
    }
    if taken.is_same {
        conn.execute_batch(
            "INSERT INTO main.erased (address_hash, at) SELECT address_hash, at FROM gone.erased WHERE true
             ON CONFLICT (address_hash) DO UPDATE SET at = max(at, excluded.at)",
        )?;
        taken.campaigns = campaigns::take_over(conn)?;
        marks(conn)?;
    }
    taken.refused = words(conn)?;
    taken.suppressed = if taken.is_same {
        suppressions(conn)?
    } else {
        suppressed_people(conn, gone_key.as_ref())?
    };
    accounts(conn)?;
    if taken.is_same {
        conn.execute_batch(
            "INSERT INTO main.uptime (started_at, seen_at, ended_at, sample)
             SELECT started_at, seen_at, ended_at, sample FROM gone.uptime
             WHERE started_at > (SELECT coalesce(max(seen_at), 0) FROM main.uptime) ORDER BY id;
             INSERT OR IGNORE INTO main.test_token SELECT * FROM gone.test_token;",
        )?;
        seen_from_outside(conn)?;
    }
    for name in [super::counter::REPLAYED, super::counter::TRANSACTION] {
        // What the spool counts goes on from where it is, not from where it was.
        conn.execute(
            "INSERT INTO main.counter (name, n) SELECT name, n FROM gone.counter WHERE name = ?1
             ON CONFLICT (name) DO UPDATE SET n = max(n, excluded.n)",
            [name],
        )?;
    }
    if let Some(mut copied) = setting::copied(conn)? {
        copied.known = taken.campaigns.clone();
        setting::set_copied(conn, &copied)?;
    }
    Ok(taken)
}

/// `None` where the workspace that goes has none yet.
fn gone_key(conn: &Conn) -> Result<Option<[u8; 32]>> {
    let text: Option<String> = conn
        .query_row(
            "SELECT value FROM gone.setting WHERE key = 'workspace_key'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(text.and_then(|text| {
        let hex: String = serde_json::from_str(&text).ok()?;
        data_encoding::HEXLOWER
            .decode(hex.as_bytes())
            .ok()?
            .try_into()
            .ok()
    }))
}

struct Found {
    id: ContactId,
    hash: Vec<u8>,
}

/// Finds the people of `main` whose addresses `gone` knows by a hash of its own, with what stands beside it in `sql`.
fn known_of<T: rusqlite::types::FromSql>(
    conn: &Conn,
    gone_key: Option<&[u8; 32]>,
    sql: &str,
) -> Result<Vec<(Found, T)>> {
    let Some(gone_key) = gone_key else {
        return Ok(Vec::new());
    };
    let mut statement = conn.prepare(sql)?;
    let mut known = statement
        .query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, T>(1)?)))?
        .collect::<rusqlite::Result<HashMap<_, _>>>()?;
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut people = conn.prepare("SELECT id, email_key, address_hash FROM main.contact ORDER BY id")?;
    let mut rows = people.query([])?;
    while let Some(row) = rows.next()? {
        let email: String = row.get("email_key")?;
        if let Some(value) = known.remove(address_hash(gone_key, &email).as_slice()) {
            let id = ContactId(row.get("id")?);
            found.push((
                Found {
                    id,
                    hash: row.get("address_hash")?,
                },
                value,
            ));
        }
    }
    Ok(found)
}

/// Suppressions of the same workspace, whoever's.
fn suppressions(conn: &Conn) -> Result<u32> {
    let mut statement = conn.prepare(
        "SELECT s.address_hash, s.kind, s.reason, s.at, n.id AS message_id
         FROM gone.suppression s
         LEFT JOIN gone.message o ON o.id = s.message_id
         LEFT JOIN main.message n ON n.preference_token = o.preference_token
         ORDER BY s.at",
    )?;
    let mut rows = statement.query([])?;
    let mut taken = 0;
    while let Some(row) = rows.next()? {
        let (hash, reason): (Vec<u8>, String) = (row.get("address_hash")?, row.get("reason")?);
        let new = NewSuppression {
            address_hash: &hash,
            kind: word(row, "kind")?,
            reason: &reason,
            message: row.get::<_, Option<i64>>("message_id")?.map(MessageId),
        };
        taken += u32::from(suppress(conn, row.get("at")?, &new)?);
    }
    Ok(taken)
}

/// Suppressions of people whom both workspaces know.
fn suppressed_people(conn: &Conn, gone_key: Option<&[u8; 32]>) -> Result<u32> {
    let found = known_of::<String>(
        conn,
        gone_key,
        "SELECT address_hash, kind || ' ' || at FROM gone.suppression",
    )?;
    let mut taken = 0;
    for (person, what) in found {
        let (kind, at) = what.split_once(' ').unwrap_or_default();
        let new = NewSuppression {
            address_hash: &person.hash,
            kind: kind.parse::<SuppressionKind>()?,
            reason: "",
            message: None,
        };
        taken += u32::from(suppress(conn, at.parse().unwrap_or_default(), &new)?);
    }
    Ok(taken)
}

/// Tells whether the address was not suppressed before.
fn suppress(conn: &Conn, at: i64, new: &NewSuppression<'_>) -> Result<bool> {
    let before = suppression::get(conn, new.address_hash)?;
    if before.is_none_or(|before| suppression::replaces(new.kind, before)) {
        suppression::add(conn, from_millis(at), new)?;
    }
    Ok(before.is_none())
}

/// What people have said of tracking since; returns how many refuse now who did not.
fn words(conn: &Conn) -> Result<u32> {
    let mut statement = conn.prepare(
        "SELECT n.id, e.state, e.at, e.source, e.wording
         FROM gone.consent_event e
         JOIN gone.contact o ON o.id = e.contact_id
         JOIN main.contact n ON n.email_key = o.email_key
         WHERE NOT EXISTS (SELECT 1 FROM main.consent_event x
                           WHERE x.contact_id = n.id AND x.state = e.state AND x.at = e.at AND x.source = e.source
                             AND x.wording = e.wording)
         ORDER BY n.id, e.id",
    )?;
    let news = statement
        .query_map([], |row| {
            Ok((
                ContactId(row.get(0)?),
                word::<ConsentState>(row, 1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, String>(4)?,
            ))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut refused = 0;
    for (contact, state, at, source, wording) in news {
        let (held, last): (String, i64) = conn
            .prepare_cached(
                "SELECT consent, coalesce((SELECT max(at) FROM main.consent_event WHERE contact_id = contact.id), 0)
                 FROM contact WHERE id = ?1",
            )?
            .query_row([contact.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let held: ConsentState = held.parse()?;
        let said = ConsentWord::new(state, &source, &wording)
            .map_err(|error| super::Error::Value(error.to_string()))?;
        if at >= last {
            consent_event::record(conn, contact, &said, from_millis(at))?;
            refused += u32::from(state == ConsentState::Refused && held != ConsentState::Refused);
        } else if state == ConsentState::Refused && held == ConsentState::Granted {
            consent_event::record_late_refusal(conn, contact, &said, from_millis(at))?;
        }
        // An older word that is no refusal changes nothing, and the history ends with what holds.
    }
    conn.execute_batch(
        "UPDATE main.contact
         SET asked_at = nullif(max(coalesce(main.contact.asked_at, 0), coalesce(o.asked_at, 0)), 0),
             asked_practice_at =
               nullif(max(coalesce(main.contact.asked_practice_at, 0), coalesce(o.asked_practice_at, 0)), 0)
         FROM gone.contact o
         WHERE o.email_key = main.contact.email_key
           AND (coalesce(o.asked_at, 0) > coalesce(main.contact.asked_at, 0)
             OR coalesce(o.asked_practice_at, 0) > coalesce(main.contact.asked_practice_at, 0))",
    )?;
    Ok(refused)
}

/// What happened to mails that both know, where the campaign itself did not go over: it went on at both places.
fn marks(conn: &Conn) -> Result<()> {
    conn.execute_batch(
        "UPDATE main.message
         SET opted_out_at = coalesce(main.message.opted_out_at, o.opted_out_at),
             unsubscribed_at = coalesce(main.message.unsubscribed_at, o.unsubscribed_at),
             bounced_at = coalesce(main.message.bounced_at, o.bounced_at),
             address_gone = max(main.message.address_gone, o.address_gone),
             complained_at = coalesce(main.message.complained_at, o.complained_at),
             pixel_token = iif(o.opted_out_at IS NULL, main.message.pixel_token, NULL)
         FROM gone.message o
         WHERE o.preference_token = main.message.preference_token
           AND (o.opted_out_at IS NOT NULL OR o.unsubscribed_at IS NOT NULL OR o.bounced_at IS NOT NULL
             OR o.complained_at IS NOT NULL)",
    )?;
    conn.execute_batch(&format!(
        "UPDATE main.message
         SET state = o.state, skip_reason = o.skip_reason, attempts = o.attempts, next_attempt_at = o.next_attempt_at,
             queued_at = o.queued_at, handing_over_at = o.handing_over_at, accepted_at = o.accepted_at,
             reply = o.reply, error_kind = o.error_kind
         FROM gone.message o
         WHERE o.preference_token = main.message.preference_token AND {} > {}",
        campaigns::rank("o"),
        campaigns::rank("main.message")
    ))?;
    // What was recorded of a person's opens, and erased since, is erased again.
    let mut statement = conn.prepare(
        "SELECT DISTINCT n.contact_id, o.not_tracked
         FROM gone.message o JOIN main.message n ON n.preference_token = o.preference_token
         WHERE o.tracking = 'none' AND n.tracking = 'personal' AND n.contact_id IS NOT NULL
           AND o.not_tracked IS NOT NULL",
    )?;
    let ended = statement
        .query_map([], |row| {
            Ok((ContactId(row.get(0)?), word::<NotTrackedReason>(row, 1)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (contact, reason) in ended {
        erasure::erase_opens(conn, contact, reason)?;
    }
    Ok(())
}

/// What accounts have handed over counts on; and no secret or trust of this computer goes to a server that it was not
/// given for: a file could name any.
fn accounts(conn: &Conn) -> Result<()> {
    conn.execute_batch(
        "INSERT INTO main.account_minute (account_id, minute, n)
         SELECT n.id, t.minute, t.n FROM gone.account_minute t
         JOIN gone.account o ON o.id = t.account_id
         JOIN main.account n ON n.name = o.name COLLATE NOCASE
         WHERE true
         ON CONFLICT (account_id, minute) DO UPDATE SET n = max(n, excluded.n);
         UPDATE main.account SET secret_place = 'none', secret_name = ''
         WHERE secret_name <> '' AND NOT EXISTS (
           SELECT 1 FROM gone.account o
           LEFT JOIN gone.sign_in b ON b.account_id = o.id
           LEFT JOIN main.sign_in a ON a.account_id = account.id
           WHERE o.secret_name = account.secret_name AND o.host = account.host AND o.port = account.port
             AND o.tls = account.tls AND o.user = account.user
             AND (a.service, a.client_id, a.tenant, a.token_url, a.authorize_url)
               IS (b.service, b.client_id, b.tenant, b.token_url, b.authorize_url));
         UPDATE main.sign_in SET signed_in_at = NULL, has_client_secret = 0
         WHERE account_id IN (SELECT id FROM main.account WHERE secret_name = '');
         DELETE FROM main.trusted_certificate
         WHERE NOT EXISTS (SELECT 1 FROM gone.trusted_certificate o
           WHERE o.host = trusted_certificate.host AND o.port = trusted_certificate.port
             AND o.certificate = trusted_certificate.certificate);",
    )?;
    Ok(())
}

/// Forgets every secret and every trusted certificate: there is nothing on this computer that they could belong to.
fn forget_trust(conn: &Conn) -> Result<()> {
    conn.execute_batch(
        "UPDATE sign_in SET signed_in_at = NULL, has_client_secret = 0;
         UPDATE account SET secret_place = 'none', secret_name = '' WHERE secret_name <> '';
         DELETE FROM trusted_certificate;",
    )?;
    Ok(())
}
