//! Everything held about one person, over all tables: its export and its end.
//!
//! What stays after an erasure identifies nobody without the address itself: the suppression's hash, the
//! preference token (the link in an old mail must work for ever) and counts.

use super::{Conn, Result, consent_event, contact, domain_check};
use crate::clock::{Instant, to_millis};
use crate::domain::message::NotTrackedReason;
use crate::ids::{ContactId, MessageId};
use rusqlite::OptionalExtension;
use serde_json::{Map, Value, json};

/// Returns everything that is held about a person; `None` where there is no such contact.
pub fn everything(conn: &Conn, id: ContactId) -> Result<Option<Value>> {
    let Some(row) = contact::row(conn, id)? else {
        return Ok(None);
    };
    let more = rows(
        conn,
        "SELECT revision, mpp_seen_at, asked_at, asked_practice_at FROM contact WHERE id = ?1",
        id,
    )?;
    let mut messages = rows(
        conn,
        "SELECT m.id, campaign.name AS campaign, campaign.subject, m.email, m.state, m.skip_reason, m.tracking,
           m.not_tracked, m.queued_at, m.accepted_at, m.reply, m.attempts, m.opted_out_at, m.unsubscribed_at,
           m.bounced_at, m.address_gone, m.complained_at, m.asks, m.signal, m.first_open_at, m.looks, m.hits, m.machine_hits, m.early, m.late, m.over_cap, m.last_hit_at
         FROM message m JOIN campaign ON campaign.id = m.campaign_id
         WHERE m.contact_id = ?1
         ORDER BY m.id",
        id,
    )?;
    for message in &mut messages {
        let message_id = ContactId(message["id"].as_i64().unwrap_or_default());
        let hits = rows(
            conn,
            "SELECT at, class, reason, rule_version, client, user_agent, network, network_label, said, timing,
               settled, new_look,
               (SELECT says FROM label WHERE kind = 'hit' AND value = CAST(hit.id AS TEXT)) AS corrected_to
             FROM hit
             WHERE message_id = ?1 ORDER BY at, id",
            message_id,
        )?;
        let events = rows(
            conn,
            "SELECT at, kind, reply FROM message_event WHERE message_id = ?1 ORDER BY id",
            message_id,
        )?;
        message["requests"] = Value::Array(hits);
        message["events"] = Value::Array(events);
        let said = super::dialogue::get(conn, MessageId(message_id.0))?;
        message["dialogue"] = json!(said.map(|(_, lines)| lines).unwrap_or_default());
    }
    let activity = rows(
        conn,
        "SELECT at, kind, text FROM activity
         WHERE contact_id = ?1 OR message_id IN (SELECT id FROM message WHERE contact_id = ?1)
         ORDER BY id",
        id,
    )?;
    let requests = rows(
        conn,
        "SELECT at, state, attempts, sent_at, reply FROM data_request WHERE contact_id = ?1 ORDER BY id",
        id,
    )?;
    Ok(Some(json!({
        "contact": row,
        "fields": contact::fields(conn, id)?,
        "record": more,
        "tracking_consent": consent_event::history(conn, id)?,
        "messages": messages,
        "activity": activity,
        "requests_for_a_copy": requests,
    })))
}

/// Reads rows of `sql` as JSON objects: columns by name, times (`…_at`, `at`) as RFC 3339.
fn rows(conn: &Conn, sql: &str, id: ContactId) -> Result<Vec<Value>> {
    use rusqlite::types::ValueRef;
    let mut statement = conn.prepare_cached(sql)?;
    let names: Vec<String> = statement.column_names().into_iter().map(String::from).collect();
    let read = statement.query_map([id.0], |row| {
        let mut object = Map::new();
        for (index, name) in names.iter().enumerate() {
            let value = match row.get_ref(index)? {
                ValueRef::Integer(n) if name == "at" || name.ends_with("_at") => {
                    json!(crate::clock::from_millis(n))
                }
                ValueRef::Integer(n) => json!(n),
                ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                ValueRef::Real(x) => json!(x),
                ValueRef::Null | ValueRef::Blob(_) => Value::Null,
            };
            object.insert(name.clone(), value);
        }
        Ok(Value::Object(object))
    })?;
    Ok(read.collect::<rusqlite::Result<_>>()?)
}

/// Returns the files of a person's mails in the embedded outbox, relative to the workspace.
pub fn outbox_files(conn: &Conn, id: ContactId) -> Result<Vec<String>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT path FROM outbox_mail WHERE id IN ({OUTBOX_MAILS})"
    ))?;
    let paths = statement.query_map([id.0], |row| row.get(0))?;
    Ok(paths.collect::<rusqlite::Result<_>>()?)
}

/// Their mails, and mails of no ledger to their address: test mails, and copies of what is held.
///
/// The index is named, or SQLite would take the one of `message_id` and read every mail that has none.
const OUTBOX_MAILS: &str =
    "SELECT o.id FROM outbox_mail o JOIN message m ON m.id = o.message_id WHERE m.contact_id = ?1
    UNION ALL
    SELECT id FROM outbox_mail INDEXED BY outbox_mail_loose
    WHERE message_id IS NULL AND to_address = (SELECT email FROM contact WHERE id = ?1) COLLATE NOCASE";

/// Takes the mails of no ledger to an address out of the outbox, and returns their files.
pub fn take_copies(conn: &Conn, email: &str) -> Result<Vec<String>> {
    let mut statement = conn.prepare_cached(
        "DELETE FROM outbox_mail INDEXED BY outbox_mail_loose
         WHERE message_id IS NULL AND to_address = ?1 COLLATE NOCASE
         RETURNING path",
    )?;
    let paths = statement.query_map([email], |row| row.get(0))?;
    Ok(paths.collect::<rusqlite::Result<_>>()?)
}

/// Erases a person; tells whether there was such a contact. Their outbox files are the caller's to remove.
///
/// Mail that has not left is cancelled. The mails that did leave are counted as not tracked from now on, so
/// that the person is in no part of any rate. A keyed hash of the address stays behind, so that a backup of before `at`
/// brings nobody back.
pub fn erase(conn: &Conn, id: ContactId, at: Instant) -> Result<bool> {
    let found: Option<(Vec<u8>, String)> = conn
        .prepare_cached("SELECT address_hash, email FROM contact WHERE id = ?1")?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((hash, email)) = found else {
        return Ok(false);
    };
    domain_check::take_out(conn, &email)?;
    take_out_hits(conn, id)?;
    for sql in [
        &*format!("DELETE FROM outbox_mail WHERE id IN ({OUTBOX_MAILS})"),
        "DELETE FROM activity WHERE contact_id = ?1
            OR message_id IN (SELECT id FROM message WHERE contact_id = ?1)",
        "DELETE FROM dialogue WHERE message_id IN (SELECT id FROM message WHERE contact_id = ?1)",
        // Servers like to repeat the address in their answer.
        "UPDATE message_event SET reply = '' WHERE message_id IN (SELECT id FROM message WHERE contact_id = ?1)",
        // A plan is skipped, a queue is left: the states' legal ways out.
        "UPDATE message
         SET state = iif(state = 'planned', 'skipped', 'cancelled'), skip_reason = 'erased', next_attempt_at = NULL
         WHERE contact_id = ?1 AND state IN ('planned', 'queued', 'deferred')",
        "UPDATE message
         SET contact_id = NULL, email = '', reply = '', pixel_token = NULL, tracking = 'none',
             not_tracked = 'erased', signal = 'no_signal', first_open_at = NULL, looks = 0, hits = 0,
             machine_hits = 0, last_hit_at = NULL, contact_revision = 0
         WHERE contact_id = ?1",
        // With it go their fields, history, places in lists and requests for a copy. What preparations found names people
        // by this row's id alone.
        "DELETE FROM contact WHERE id = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([id.0])?;
    }
    conn.prepare_cached("UPDATE suppression SET reason = '' WHERE address_hash = ?1")?
        .execute([&hash])?;
    note_erased(conn, &hash, at)?;
    Ok(true)
}

/// Notes that whoever has this address was erased at `at`.
pub(super) fn note_erased(conn: &Conn, address_hash: &[u8], at: Instant) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO erased (address_hash, at) VALUES (?1, ?2)
         ON CONFLICT (address_hash) DO UPDATE SET at = max(at, excluded.at)",
    )?
    .execute((address_hash, to_millis(at)))?;
    Ok(())
}

/// Erases what was recorded when a person opened mails; tells whether there was anything to erase.
///
/// The person stays. Every mail of theirs that has left and was measured is counted as not tracked for `reason` from
/// now on, also where nothing was recorded of it: so they are in no part of any rate, and nobody can tell from it
/// which mails they had opened. Its pixel's token is destroyed.
pub fn erase_opens(conn: &Conn, id: ContactId, reason: NotTrackedReason) -> Result<bool> {
    take_out_hits(conn, id)?;
    for name in ["early", "late", "over_cap"] {
        conn.prepare_cached(&format!(
            "UPDATE campaign_counter SET n = campaign_counter.n - gone.n
             FROM (SELECT campaign_id, sum({name}) AS n FROM message WHERE contact_id = ?1 GROUP BY 1) AS gone
             WHERE campaign_counter.campaign_id = gone.campaign_id AND campaign_counter.name = '{name}'"
        ))?
        .execute([id.0])?;
    }
    // An uncertain mail's arrival was noted with the time of the hit that proved it.
    conn.prepare_cached(
        "DELETE FROM message_event
         WHERE kind = 'accepted' AND reply = 'its pixel was fetched, so it has arrived'
           AND message_id IN (SELECT id FROM message WHERE contact_id = ?1)",
    )?
    .execute([id.0])?;
    conn.prepare_cached("UPDATE contact SET mpp_seen_at = NULL WHERE id = ?1")?
        .execute([id.0])?;
    let changed = conn
        .prepare_cached(
            "UPDATE message
             SET pixel_token = NULL, signal = 'no_signal', first_open_at = NULL, looks = 0, hits = 0,
                 machine_hits = 0, early = 0, late = 0, over_cap = 0, last_hit_at = NULL,
                 not_tracked = iif(tracking = 'personal', ?2, not_tracked),
                 tracking = iif(tracking = 'personal', 'none', tracking)
             WHERE contact_id = ?1 AND state NOT IN ('planned', 'queued', 'deferred')
               AND (tracking = 'personal' OR hits + early + late + over_cap > 0)",
        )?
        .execute((id.0, reason.as_str()))?;
    Ok(changed > 0)
}

/// Takes a person's hits out of all that was counted of them, and removes them with what the user said of them.
fn take_out_hits(conn: &Conn, id: ContactId) -> Result<()> {
    take_out_of_hourly(conn, id)?;
    for sql in [
        "DELETE FROM label WHERE kind = 'hit' AND value IN (
           SELECT CAST(hit.id AS TEXT) FROM hit JOIN message m ON m.id = hit.message_id WHERE m.contact_id = ?1)",
        "DELETE FROM hit WHERE message_id IN (SELECT id FROM message WHERE contact_id = ?1)",
    ] {
        conn.prepare_cached(sql)?.execute([id.0])?;
    }
    Ok(())
}

/// Takes a person's looks out of the hourly counts, so that a chart agrees with its rate.
///
/// `hour` is its first millisecond, as `rollup` writes it.
fn take_out_of_hourly(conn: &Conn, id: ContactId) -> Result<()> {
    for sql in [
        "UPDATE hourly SET n = hourly.n - gone.n
         FROM (SELECT m.campaign_id, hit.at / 3600000 * 3600000 AS hour, hit.class, count(*) AS n
               FROM message m JOIN hit ON hit.message_id = m.id
               WHERE m.contact_id = ?1 AND hit.new_look = 1
               GROUP BY 1, 2, 3) AS gone
         WHERE hourly.campaign_id = gone.campaign_id AND hourly.hour = gone.hour AND hourly.class = gone.class",
        "UPDATE hourly SET n = hourly.n - gone.n
         FROM (SELECT campaign_id, first_open_at / 3600000 * 3600000 AS hour, count(*) AS n
               FROM message WHERE contact_id = ?1 AND first_open_at IS NOT NULL
               GROUP BY 1, 2) AS gone
         WHERE hourly.campaign_id = gone.campaign_id AND hourly.hour = gone.hour AND hourly.class = 'first_open'",
    ] {
        conn.prepare_cached(sql)?.execute([id.0])?;
    }
    conn.prepare_cached(
        "DELETE FROM hourly
         WHERE n <= 0 AND campaign_id IN (SELECT campaign_id FROM message WHERE contact_id = ?1)",
    )?
    .execute([id.0])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ActivityList;
    use crate::clock::from_millis;
    use crate::domain::consent::{ConsentState, ConsentWord};
    use crate::domain::contact::Person;
    use crate::domain::message::MessageState;
    use crate::domain::open::Signal;
    use crate::ids::{CampaignId, MessageId};
    use crate::store::activity;
    use crate::store::contact::Adding;
    use crate::store::db::testing;
    use crate::store::hit::{self, FoundMessage};
    use crate::store::report;
    use std::collections::BTreeMap;

    /// Ana with a mail that was looked at, one that waits, a refusal and traces in every table; and Bo.
    fn workspace() -> (Conn, ContactId) {
        let conn = testing::memory();
        let word = ConsentWord::new(ConsentState::Granted, "form", "You may measure opens").unwrap();
        let adding = Adding {
            key: &[7; 32],
            at: from_millis(0),
            sample: false,
            consent: Some(&word),
        };
        let mut ids = Vec::new();
        for email in ["ana@example.org", "bo@example.org"] {
            let fields = BTreeMap::from([("town".to_owned(), "Ulm".to_owned())]);
            let person = Person::new(email.parse().unwrap(), "Ana", "Li", fields).unwrap();
            ids.push(contact::add(&conn, &person, &adding).unwrap().unwrap());
        }
        conn.execute_batch(
            "INSERT INTO campaign (id, name, document, created_at, updated_at, launched_at, state, opens_from, opens_until)
             VALUES (1, 'Spring', '{}', 0, 0, 5, 'running', 5, 9000000),
                    (2, 'Plan', '{}', 0, 0, NULL, 'prepared', NULL, NULL),
                    (3, 'Summer', '{}', 0, 0, 5, 'running', 5, 9000000);
             INSERT INTO message (id, campaign_id, contact_id, email, address_hash, state, tracking, preference_token)
             VALUES (4, 2, 1, 'ana@example.org', x'01', 'planned', 'personal', x'a4');
             INSERT INTO message (id, campaign_id, contact_id, email, address_hash, state, tracking, pixel_token,
               preference_token, reply, signal, first_open_at, looks, hits, accepted_at)
             VALUES (1, 1, 1, 'ana@example.org', x'01', 'accepted', 'personal', x'aa', x'a1', '250 <ana@example.org> ok',
                     'human', 7200000, 1, 2, 6),
                    (2, 3, 1, 'ana@example.org', x'01', 'queued', 'personal', x'ab', x'a2', '', 'no_signal', NULL, 0, 0, NULL),
                    (3, 1, 2, 'bo@example.org', x'02', 'accepted', 'personal', x'ac', x'a3', '', 'human', 7200001, 1, 1, 6);
             INSERT INTO hit (campaign_id, message_id, at, class, reason, rule_version, user_agent, client_hash, new_look)
             VALUES (1, 1, 7200000, 'human_direct', 'browser', 1, 'Firefox', x'01', 1),
                    (1, 1, 7200500, 'human_direct', 'browser', 1, 'Firefox', x'01', 0),
                    (1, 3, 7200001, 'human_direct', 'browser', 1, 'Firefox', x'02', 1);
             UPDATE hit SET network = '192.0.2.0/24', network_label = 'outlook', settled = 1 WHERE message_id = 1;
             INSERT INTO label (kind, value, says, at)
             SELECT 'hit', id, 'machine', 9 FROM hit WHERE new_look = 1;
             INSERT INTO hourly VALUES (1, 7200000, 'human_direct', 2), (1, 7200000, 'first_open', 2);
             INSERT INTO message_event (message_id, at, kind, reply) VALUES (1, 6, 'accepted', '250 <ana@example.org> ok');
             INSERT INTO activity (id, at, kind, text, message_id, contact_id)
             VALUES (4, 7, 'contacts', 'ana@example.org asked', 1, 1), (5, 8, 'opted_out', 'ana@example.org left', 1, NULL);
             INSERT INTO outbox_mail (at, to_address, subject, path, message_id, test)
             VALUES (1, 'ana@example.org', 's', 'outbox/1.eml', 1, 0), (2, 'ANA@example.org', 's', 'outbox/t.eml', NULL, 1),
                    (3, 'bo@example.org', 's', 'outbox/3.eml', 3, 0);
             INSERT INTO data_request (contact_id, message_id, at, state, next_attempt_at, sent_at, reply, problem)
             VALUES (1, 1, 9, 'sent', 9, 9, '250 <ana@example.org> ok', 'ana@example.org waits');
             INSERT INTO outbox_mail (at, to_address, subject, path) VALUES (4, 'ana@example.org', 's', 'outbox/other/c.eml');
             INSERT INTO domain_check (domain, at, findings)
             VALUES ('example.org', 9, '[{\"record\":\"v=DMARC1; rua=mailto:Ana@example.org,mailto:bo@example.org\"}]');
             INSERT INTO suppression (address_hash, kind, reason, at)
             SELECT address_hash, 'manual', 'ana@example.org called', 9 FROM contact WHERE id = 1;",
        )
        .unwrap();
        (conn, ids[0])
    }

    fn moment() -> report::Moment {
        report::Moment {
            now: from_millis(0),
            is_listening: true,
        }
    }

    /// Tells whether any column of any table holds `text`.
    fn is_anywhere(conn: &Conn, text: &str) -> Option<String> {
        let tables: Vec<String> = {
            let mut statement = conn
                .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
                .unwrap();
            let names = statement.query_map([], |row| row.get(0)).unwrap();
            names.map(rusqlite::Result::unwrap).collect()
        };
        tables.into_iter().find(|table| {
            let mut statement = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                for column in 0..columns {
                    if format!(
                        "{:?}",
                        row.get_ref(column).unwrap().as_str_or_null().unwrap_or_default()
                    )
                    .to_lowercase()
                    .contains(text)
                    {
                        return true;
                    }
                }
            }
            false
        })
    }

    #[test]
    fn an_erased_person_is_in_no_table() {
        let (conn, ana) = workspace();
        assert_eq!(
            outbox_files(&conn, ana).unwrap(),
            ["outbox/1.eml", "outbox/t.eml", "outbox/other/c.eml"],
            "their mails, the test mails to them and the copies of what is held"
        );
        assert!(erase(&conn, ana, from_millis(9)).unwrap());
        assert_eq!(is_anywhere(&conn, "ana@"), None, "the address is in no table");
        assert_eq!(
            conn.query_row("SELECT findings FROM domain_check", [], |row| row
                .get::<_, String>(0))
                .unwrap(),
            r#"[{"record":"v=DMARC1; rua=mailto:(erased),mailto:bo@example.org"}]"#,
            "another's stays"
        );
        let count = |sql: &str| -> i64 { conn.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(count("SELECT count(*) FROM hit WHERE message_id = 1"), 0);
        assert_eq!(
            count("SELECT count(*) FROM label"),
            1,
            "what was said of another's look stays"
        );
        assert_eq!(
            count("SELECT count(*) FROM consent_event WHERE contact_id = 1"),
            0
        );
        assert_eq!(count("SELECT count(*) FROM activity"), 0);
        let all = ActivityList {
            before: None,
            campaign: None,
            limit: 0,
        };
        let feed = activity::page(&conn, &all).unwrap();
        assert_eq!(
            feed.iter().map(|row| row.id).collect::<Vec<_>>(),
            [3],
            "another's look"
        );
        assert_eq!(
            count("SELECT count(*) FROM outbox_mail"),
            1,
            "another's mail stays"
        );
        assert_eq!(count("SELECT count(*) FROM suppression"), 1, "the hash stays");
        assert_eq!(
            count(
                "SELECT count(*) FROM message WHERE preference_token IN (x'a1', x'a2') AND contact_id IS NULL"
            ),
            2,
            "the link in an old mail works for ever"
        );
        assert_eq!(
            count("SELECT count(*) FROM message WHERE id = 2 AND state = 'cancelled'"),
            1,
            "mail that has not left never will"
        );
        assert!(
            !erase(&conn, ana, from_millis(9)).unwrap(),
            "there is nobody left to erase"
        );
    }

    #[test]
    fn an_erasure_leaves_every_rule_of_the_workspace_as_it_was() {
        let (conn, ana) = workspace();
        let breaches = |conn: &Conn| crate::store::check::check(conn).unwrap().1;
        assert_eq!(breaches(&conn), [""; 0]);
        erase(&conn, ana, from_millis(9)).unwrap();
        assert_eq!(breaches(&conn), [""; 0]);
    }

    #[test]
    fn an_erased_person_is_in_no_part_of_a_rate() {
        let (conn, ana) = workspace();
        erase(&conn, ana, from_millis(9)).unwrap();
        let parts = report::rate_parts(&conn, CampaignId(1), moment()).unwrap();
        assert_eq!((parts.accepted, parts.tracked, parts.confirmed), (2, 1, 1));
        assert_eq!(parts.not_tracked.by_reason[&NotTrackedReason::Erased], 1);
        let hourly: i64 = conn
            .query_row("SELECT sum(n) FROM hourly", [], |row| row.get(0))
            .unwrap();
        assert_eq!(
            hourly, 2,
            "the chart holds the other person's look and first open alone"
        );
    }

    #[test]
    fn what_was_recorded_is_erased_and_the_person_stays() {
        let (conn, ana) = workspace();
        conn.execute_batch(
            "UPDATE message SET early = 1, late = 2, over_cap = 3 WHERE id = 1;
             UPDATE message SET late = 5 WHERE id = 3;
             INSERT INTO campaign_counter VALUES (1, 'early', 1), (1, 'late', 7), (1, 'over_cap', 3);
             INSERT OR IGNORE INTO label (kind, value, says, at) SELECT 'hit', CAST(id AS TEXT), 'machine', 0 FROM hit;
             UPDATE contact SET mpp_seen_at = 7;",
        )
        .unwrap();
        let uncertain = FoundMessage {
            id: MessageId(1),
            contact: Some(ana),
            state: MessageState::Uncertain,
            accepted_at: None,
            handing_over_at: None,
            signal: Signal::None,
            hits: 0,
            machine_hits: 0,
            first_open_at: None,
            tried_out: false,
            judge_at: None,
            cap: Default::default(),
        };
        hit::prove_arrival(&conn, &uncertain, from_millis(7_200_000)).unwrap();
        let breaches = |conn: &Conn| crate::store::check::check(conn).unwrap().1;
        assert_eq!(breaches(&conn), [""; 0]);
        assert!(erase_opens(&conn, ana, NotTrackedReason::Refused).unwrap());
        assert_eq!(breaches(&conn), [""; 0], "every count agrees with its rows");
        let count = |sql: &str| -> i64 { conn.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(count("SELECT count(*) FROM hit"), 1, "another's stays");
        assert_eq!(count("SELECT count(*) FROM label"), 1);
        assert_eq!(count("SELECT count(*) FROM contact WHERE mpp_seen_at IS NULL"), 1);
        assert_eq!(
            count("SELECT count(*) FROM message_event"),
            1,
            "the server's answer stays, the hit that proved an arrival does not"
        );
        assert_eq!(
            count(
                "SELECT count(*) FROM message WHERE id = 1 AND state = 'accepted' AND contact_id = 1
                   AND pixel_token IS NULL AND early + late + over_cap + hits + looks = 0 AND last_hit_at IS NULL"
            ),
            1
        );
        assert_eq!(
            count("SELECT count(*) FROM message WHERE id IN (2, 4) AND tracking = 'personal'"),
            2,
            "what has not left is not recorded yet"
        );
        let parts = report::rate_parts(&conn, CampaignId(1), moment()).unwrap();
        assert_eq!((parts.accepted, parts.tracked, parts.confirmed), (2, 1, 1));
        assert_eq!(parts.not_tracked.by_reason[&NotTrackedReason::Refused], 1);
        let document = everything(&conn, ana).unwrap().unwrap();
        assert_eq!(document["messages"][0]["requests"].as_array().unwrap().len(), 0);
        assert_eq!(document["messages"][0]["first_open_at"], Value::Null);
        assert!(!erase_opens(&conn, ana, NotTrackedReason::Refused).unwrap());
    }

    #[test]
    fn an_export_says_when_the_person_was_asked() {
        let (conn, ana) = workspace();
        conn.execute("UPDATE contact SET asked_at = 3600000 WHERE id = 1", [])
            .unwrap();
        let document = everything(&conn, ana).unwrap().unwrap();
        assert_eq!(document["record"][0]["asked_at"], "1970-01-01T01:00:00Z");
        assert_eq!(document["messages"][0]["asks"], 0);
    }

    #[test]
    fn an_export_holds_what_is_held() {
        let (conn, ana) = workspace();
        let document = everything(&conn, ana).unwrap().unwrap();
        assert_eq!(document["contact"]["email"], "ana@example.org");
        assert_eq!(document["fields"]["town"], "Ulm");
        assert_eq!(
            document["tracking_consent"][0]["wording"], "You may measure opens",
            "who, when, to which words"
        );
        assert_eq!(document["messages"][0]["campaign"], "Spring");
        assert_eq!(document["messages"][0]["requests"].as_array().unwrap().len(), 2);
        assert_eq!(
            document["messages"][0]["requests"][0]["at"],
            "1970-01-01T02:00:00Z"
        );
        for (name, value) in [
            ("class", json!("human_direct")),
            ("reason", json!("browser")),
            ("rule_version", json!(1)),
            ("network", json!("192.0.2.0/24")),
            ("network_label", json!("outlook")),
            ("settled", json!(1)),
            ("said", json!("")),
            ("timing", json!("")),
            ("corrected_to", json!("machine")),
        ] {
            assert_eq!(document["messages"][0]["requests"][0][name], value, "{name}");
        }
        assert_eq!(document["activity"].as_array().unwrap().len(), 2);
        assert_eq!(document["requests_for_a_copy"][0]["state"], "sent");
        assert_eq!(
            document["contact"]["suppressed"],
            "Stopped by hand: ana@example.org called"
        );
    }
}
