//! A campaign's recipients as a table, and what happened to one of them.

use crate::api::{LabelMark, RecipientFilter, RecipientRow, RecipientSort, ReportRecipients, TimelineKind};
use crate::domain::message::{MessageState, TrackingMode};
use crate::domain::window::Window;
use crate::ids::{CampaignId, ContactId, HitId, LabelId, MessageId};
use crate::report::timeline::{Hit, Source};
use crate::store::{Conn, Result, contact, instant, word};
use rusqlite::{OptionalExtension, Row, ToSql};

const FROM: &str = "FROM message m
    JOIN campaign ON campaign.id = m.campaign_id AND campaign.launched_at IS NOT NULL
    LEFT JOIN contact c ON c.id = m.contact_id";
const ROW: &str =
    "SELECT m.id, m.contact_id, m.email, c.first_name, c.last_name, m.state, m.tracking, m.not_tracked,
    m.signal, m.first_open_at, m.looks, m.accepted_at, m.early, m.late, m.over_cap, m.bounced_at";

fn read_row(row: &Row<'_>) -> rusqlite::Result<RecipientRow> {
    let state: MessageState = word(row, "state")?;
    let is_tracked = word::<TrackingMode>(row, "tracking")? == TrackingMode::Personal;
    let is_measured = state == MessageState::Accepted && is_tracked;
    let first: Option<String> = row.get("first_name")?;
    let last: Option<String> = row.get("last_name")?;
    let name = format!("{} {}", first.unwrap_or_default(), last.unwrap_or_default());
    Ok(RecipientRow {
        message: MessageId(row.get("id")?),
        contact: row.get::<_, Option<i64>>("contact_id")?.map(ContactId),
        email: row.get("email")?,
        name: name.trim().to_owned(),
        state,
        signal: if is_measured {
            Some(word(row, "signal")?)
        } else {
            None
        },
        not_tracked: match row.get::<_, Option<String>>("not_tracked")? {
            Some(_) if !is_tracked => Some(word(row, "not_tracked")?),
            _ => None,
        },
        first_open_at: instant(row, "first_open_at")?,
        looks: row.get("looks")?,
        accepted_at: instant(row, "accepted_at")?,
        early: row.get("early")?,
        late: row.get("late")?,
        over_cap: row.get("over_cap")?,
        bounced_at: instant(row, "bounced_at")?,
    })
}

/// Fixed fragments only; values are parameters.
fn condition(filter: RecipientFilter) -> &'static str {
    match filter {
        RecipientFilter::Human => "m.state = 'accepted' AND m.tracking = 'personal' AND m.signal = 'human'",
        RecipientFilter::Unknown => {
            "m.state = 'accepted' AND m.tracking = 'personal' AND m.signal = 'unknown'"
        }
        RecipientFilter::MachineOnly => {
            "m.state = 'accepted' AND m.tracking = 'personal' AND m.signal = 'machine_only'"
        }
        RecipientFilter::NoSignal => {
            "m.state = 'accepted' AND m.tracking = 'personal' AND m.signal = 'no_signal'"
        }
        RecipientFilter::NotTracked => "m.state = 'accepted' AND m.tracking <> 'personal'",
        RecipientFilter::NotDelivered => "m.state IN ('rejected', 'uncertain', 'cancelled')",
    }
}

/// What is not known comes last in either direction.
fn order(sort: RecipientSort, descending: bool) -> &'static str {
    match (sort, descending) {
        (RecipientSort::Email, false) => "m.email, m.id",
        (RecipientSort::Email, true) => "m.email DESC, m.id DESC",
        (RecipientSort::FirstOpen, false) => "m.first_open_at IS NULL, m.first_open_at, m.id",
        (RecipientSort::FirstOpen, true) => "m.first_open_at IS NULL, m.first_open_at DESC, m.id",
        (RecipientSort::Signal, false) => {
            "m.state <> 'accepted', m.tracking <> 'personal',
             CASE m.signal WHEN 'human' THEN 0 WHEN 'unknown' THEN 1 WHEN 'machine_only' THEN 2 ELSE 3 END, m.email"
        }
        (RecipientSort::Signal, true) => {
            "m.state <> 'accepted', m.tracking <> 'personal',
             CASE m.signal WHEN 'human' THEN 3 WHEN 'unknown' THEN 2 WHEN 'machine_only' THEN 1 ELSE 0 END, m.email"
        }
        (RecipientSort::Accepted, false) => "m.accepted_at IS NULL, m.accepted_at, m.id",
        (RecipientSort::Accepted, true) => "m.accepted_at IS NULL, m.accepted_at DESC, m.id",
    }
}

/// Returns how many recipients match, and the page that was asked for; none before launch.
pub fn page(conn: &Conn, request: &ReportRecipients) -> Result<(u32, Vec<RecipientRow>)> {
    let search = contact::folded(&request.search);
    let mut filter = "WHERE m.campaign_id = :id".to_owned();
    let mut parameters: Vec<(&str, &dyn ToSql)> = vec![(":id", &request.id.0)];
    if let Some(wanted) = request.filter {
        filter.push_str(" AND ");
        filter.push_str(condition(wanted));
    }
    if !search.is_empty() {
        filter.push_str(" AND instr(c.search_key, :search) > 0");
        parameters.push((":search", &search));
    }
    let total = conn
        .prepare_cached(&format!("SELECT count(*) {FROM} {filter}"))?
        .query_row(&*parameters, |row| row.get(0))?;
    let limit = match request.limit {
        0 => 100,
        n => n.min(500),
    };
    parameters.push((":limit", &limit));
    parameters.push((":offset", &request.offset));
    let order = order(request.sort, request.descending);
    let mut statement = conn.prepare_cached(&format!(
        "{ROW} {FROM} {filter} ORDER BY {order} LIMIT :limit OFFSET :offset"
    ))?;
    let rows = statement.query_map(&*parameters, read_row)?;
    Ok((total, rows.collect::<rusqlite::Result<_>>()?))
}

/// Calls `each` with every recipient of a launched campaign by address; ends at its first error.
pub fn each_recipient<E: From<crate::store::Error>>(
    conn: &Conn,
    id: CampaignId,
    mut each: impl FnMut(RecipientRow) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let read = |error: rusqlite::Error| E::from(error.into());
    let mut statement = conn
        .prepare_cached(&format!(
            "{ROW} {FROM} WHERE m.campaign_id = ?1 ORDER BY m.email, m.id"
        ))
        .map_err(read)?;
    let mut rows = statement.query([id.0]).map_err(read)?;
    while let Some(row) = rows.next().map_err(read)? {
        each(read_row(row).map_err(read)?)?;
    }
    Ok(())
}

/// Returns a message of a launched campaign as a table shows it, its campaign's name, and all that happened.
pub fn timeline(conn: &Conn, id: MessageId) -> Result<Option<(RecipientRow, CampaignId, String, Source)>> {
    let found = conn
        .prepare_cached(&format!(
            "{ROW}, m.campaign_id, campaign.name AS campaign, campaign.practice, a.host, m.skip_reason,
               m.last_hit_at, campaign.opens_from, campaign.opens_until
             {FROM} LEFT JOIN account a ON a.id = campaign.account_id
             WHERE m.id = ?1"
        ))?
        .query_row([id.0], |row| {
            let recipient = read_row(row)?;
            let tracking: TrackingMode = word(row, "tracking")?;
            let window = match (instant(row, "opens_from")?, instant(row, "opens_until")?) {
                (Some(opens_from), Some(opens_until)) => Some(Window {
                    opens_from,
                    opens_until,
                }),
                _ => None,
            };
            let first: Option<String> = row.get("first_name")?;
            let source = Source {
                name: match first.unwrap_or_default() {
                    first if first.is_empty() => recipient.email.clone(),
                    first => first,
                },
                host: row.get::<_, Option<String>>("host")?.unwrap_or_default(),
                practice: row.get("practice")?,
                accepted_at: recipient.accepted_at,
                not_tracked: recipient.not_tracked.map(|reason| (tracking, reason)),
                skipped: match row.get::<_, Option<String>>("skip_reason")? {
                    Some(_) => Some(word(row, "skip_reason")?),
                    None => None,
                },
                uncounted: [recipient.early, recipient.late, recipient.over_cap],
                last_hit_at: instant(row, "last_hit_at")?,
                window,
                ..Source::default()
            };
            let campaign = CampaignId(row.get("campaign_id")?);
            Ok((recipient, campaign, row.get::<_, String>("campaign")?, source))
        })
        .optional()?;
    let Some((recipient, campaign, name, mut source)) = found else {
        return Ok(None);
    };
    source.events = events(conn, id)?;
    source.hits = hits(conn, id)?;
    source.environments = environments(conn, id)?;
    if let Some(contact) = recipient.contact {
        source.refusals = refusals(conn, contact)?;
    }
    Ok(Some((recipient, campaign, name, source)))
}

fn events(conn: &Conn, id: MessageId) -> Result<Vec<(crate::clock::Instant, TimelineKind, String)>> {
    let mut statement =
        conn.prepare_cached("SELECT at, kind, reply FROM message_event WHERE message_id = ?1 ORDER BY id")?;
    let mut rows = statement.query([id.0])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        // Notes that no timeline shows, such as `planned`, are passed over.
        if let Some(kind) = kind(&row.get::<_, String>("kind")?) {
            events.push((instant(row, "at")?.unwrap_or_default(), kind, row.get("reply")?));
        }
    }
    Ok(events)
}

fn kind(word: &str) -> Option<TimelineKind> {
    Some(match word {
        "queued" => TimelineKind::Queued,
        "accepted" => TimelineKind::Accepted,
        "deferred" => TimelineKind::Deferred,
        "rejected" => TimelineKind::Rejected,
        "uncertain" => TimelineKind::Uncertain,
        "skipped" => TimelineKind::Skipped,
        "cancelled" => TimelineKind::Cancelled,
        "opted_out" => TimelineKind::OptedOut,
        "unsubscribed" => TimelineKind::Unsubscribed,
        "bounced" => TimelineKind::Bounced,
        "complained" => TimelineKind::Complained,
        _ => return None,
    })
}

fn environments(conn: &Conn, id: MessageId) -> Result<u32> {
    Ok(conn
        .prepare_cached(
            "SELECT count(DISTINCT client_hash) FROM hit
             WHERE message_id = ?1 AND class IN ('human_direct', 'human_proxy')",
        )?
        .query_row([id.0], |row| row.get(0))?)
}

fn hits(conn: &Conn, id: MessageId) -> Result<Vec<Hit>> {
    let mut statement = conn.prepare_cached(
        "SELECT h.id, h.at, h.class, h.reason, h.client, h.new_look, h.settled, h.network, l.id AS label, l.kind, l.says
         FROM hit h
         JOIN message m ON m.id = h.message_id
         LEFT JOIN label l ON l.kind = CASE h.reason WHEN 'labelled_hit' THEN 'hit' WHEN 'labelled_domain' THEN 'domain'
                                                     WHEN 'labelled_network' THEN 'network' END
           AND l.value = CASE h.reason WHEN 'labelled_hit' THEN CAST(h.id AS TEXT)
                                       WHEN 'labelled_domain' THEN lower(substr(m.email, instr(m.email, '@') + 1))
                                       ELSE h.network END
         WHERE h.message_id = ?1 ORDER BY h.at, h.id",
    )?;
    let rows = statement.query_map([id.0], |row| {
        Ok(Hit {
            id: HitId(row.get("id")?),
            at: instant(row, "at")?.unwrap_or_default(),
            class: word(row, "class")?,
            reason: row.get("reason")?,
            client: row.get("client")?,
            new_look: row.get("new_look")?,
            settled: row.get("settled")?,
            network: row.get("network")?,
            label: match row.get::<_, Option<i64>>("label")? {
                Some(label) => Some(LabelMark {
                    id: LabelId(label),
                    kind: word(row, "kind")?,
                    says: word(row, "says")?,
                }),
                None => None,
            },
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn refusals(conn: &Conn, id: ContactId) -> Result<Vec<crate::clock::Instant>> {
    let mut statement = conn.prepare_cached(
        "SELECT at FROM consent_event WHERE contact_id = ?1 AND state = 'refused' ORDER BY id",
    )?;
    let rows = statement.query_map([id.0], |row| Ok(instant(row, "at")?.unwrap_or_default()))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::NotTrackedReason;
    use crate::domain::open::Signal;
    use crate::store::db::testing;

    fn asking() -> ReportRecipients {
        serde_json::from_str("{\"id\": 1}").unwrap()
    }

    /// Six messages of one launched campaign, one in each filter, and one of a campaign that is being planned.
    fn ledger() -> Conn {
        let conn = testing::memory();
        conn.execute_batch(
            "INSERT INTO campaign (id, name, document, created_at, updated_at, launched_at, opens_from, opens_until)
             VALUES (1, 'Spring', '{}', 0, 0, 1000, 1000, 9000), (2, 'Draft', '{}', 0, 0, NULL, NULL, NULL);
             INSERT INTO contact (id, email, email_key, first_name, last_name, search_key, created_at, consent) VALUES
               (1, 'ana@example.org', 'ana@example.org', 'Ana', 'Li', 'ana li ana@example.org', 0, 'refused'),
               (2, 'bo@example.org', 'bo@example.org', '', '', 'bo@example.org', 0, 'unknown');
             INSERT INTO consent_event (contact_id, state, at, source) VALUES (1, 'refused', 7000, 'by hand');
             INSERT INTO message (id, campaign_id, contact_id, email, address_hash, state, tracking, not_tracked, signal,
               first_open_at, looks, accepted_at, preference_token) VALUES
               (1, 1, 1, 'ana@example.org', x'01', 'accepted', 'personal', NULL, 'human', 3000, 2, 2000, x'01'),
               (2, 1, 2, 'bo@example.org', x'02', 'accepted', 'personal', NULL, 'unknown', NULL, 0, 2100, x'02'),
               (3, 1, NULL, 'c@example.org', x'03', 'accepted', 'personal', NULL, 'machine_only', NULL, 0, 2200, x'03'),
               (4, 1, NULL, 'd@example.org', x'04', 'accepted', 'personal', NULL, 'no_signal', NULL, 0, 2300, x'04'),
               (5, 1, NULL, 'e@example.org', x'05', 'accepted', 'none', 'refused', 'no_signal', NULL, 0, 2400, x'05'),
               (6, 1, NULL, 'f@example.org', x'06', 'rejected', 'personal', NULL, 'no_signal', NULL, 0, NULL, x'06'),
               (7, 2, 1, 'ana@example.org', x'01', 'planned', 'personal', NULL, 'no_signal', NULL, 0, NULL, x'07');
             INSERT INTO message_event (message_id, at, kind, reply) VALUES
               (1, 1500, 'queued', ''), (1, 1600, 'handing_over', ''), (1, 2000, 'accepted', '250 ok');
             INSERT INTO hit (id, campaign_id, message_id, at, class, reason, rule_version, client, client_hash, new_look)
             VALUES
               (9, 1, 1, 3000, 'human_proxy', 'named_proxy', 1, 'Gmail', x'01', 1),
               (10, 1, 1, 3100, 'human_proxy', 'named_proxy', 1, 'Gmail', x'01', 0),
               (11, 1, 1, 9900, 'human_direct', 'mail_client', 1, 'Thunderbird', x'02', 1),
               (12, 1, 1, 9900, 'scanner', 'network', 1, '', x'03', 1);",
        )
        .unwrap();
        conn
    }

    fn ids(conn: &Conn, request: &ReportRecipients) -> Vec<i64> {
        let (total, rows) = page(conn, request).unwrap();
        assert_eq!(total as usize, rows.len());
        rows.iter().map(|row| row.message.0).collect()
    }

    #[test]
    fn each_accepted_mail_is_in_one_filter() {
        let conn = ledger();
        use RecipientFilter::*;
        let filters = [Human, Unknown, MachineOnly, NoSignal, NotTracked, NotDelivered];
        for (index, filter) in filters.into_iter().enumerate() {
            let request = ReportRecipients {
                filter: Some(filter),
                ..asking()
            };
            assert_eq!(ids(&conn, &request), [index as i64 + 1], "{filter:?}");
        }
        let unlaunched = ReportRecipients {
            id: CampaignId(2),
            ..asking()
        };
        assert_eq!(ids(&conn, &unlaunched), [0; 0], "a plan is nobody's business");
    }

    #[test]
    fn rows_say_what_was_measured_and_why_not() {
        let conn = ledger();
        let (_, rows) = page(&conn, &asking()).unwrap();
        assert_eq!(
            (rows[0].name.as_str(), rows[0].signal),
            ("Ana Li", Some(Signal::Human))
        );
        assert_eq!(
            (rows[4].signal, rows[4].not_tracked),
            (None, Some(NotTrackedReason::Refused)),
            "who was not measured has no signal, not even none"
        );
        assert_eq!(
            (rows[5].signal, rows[5].not_tracked),
            (None, None),
            "a mail that was refused measures nothing"
        );
    }

    #[test]
    fn sorts_put_the_unknown_last() {
        let conn = ledger();
        for (sort, descending, first) in [
            (RecipientSort::Email, true, 6),
            (RecipientSort::FirstOpen, false, 1),
            (RecipientSort::FirstOpen, true, 1),
            (RecipientSort::Signal, false, 1),
            (RecipientSort::Signal, true, 4),
            (RecipientSort::Accepted, true, 5),
        ] {
            let request = ReportRecipients {
                sort,
                descending,
                ..asking()
            };
            assert_eq!(ids(&conn, &request)[0], first, "{sort:?} {descending}");
        }
        let search = ReportRecipients {
            search: "LI".into(),
            ..asking()
        };
        assert_eq!(ids(&conn, &search), [1]);
    }

    #[test]
    fn recipients_by_address_are_read_in_the_order_of_an_index() {
        let conn = ledger();
        let sql = format!("{ROW} {FROM} WHERE m.campaign_id = 1 ORDER BY m.email, m.id LIMIT 100");
        let plan = testing::plan(&conn, &sql, &[]);
        assert!(plan.contains("USING INDEX message_by_email"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }

    #[test]
    fn a_timeline_is_read_from_events_hits_and_refusals() {
        let conn = ledger();
        let (row, campaign, name, source) = timeline(&conn, MessageId(1)).unwrap().unwrap();
        assert_eq!((row.message.0, campaign.0, name.as_str()), (1, 1, "Spring"));
        let kinds: Vec<TimelineKind> = source.events.iter().map(|(_, kind, _)| *kind).collect();
        assert_eq!(
            kinds,
            [TimelineKind::Queued, TimelineKind::Accepted],
            "inner states are not told"
        );
        assert_eq!(source.hits.len(), 4);
        assert_eq!(source.environments, 2, "two clients of people; a scanner is none");
        assert_eq!(source.refusals.len(), 1);
        assert!(timeline(&conn, MessageId(7)).unwrap().is_none(), "not launched");
        assert!(timeline(&conn, MessageId(99)).unwrap().is_none());
    }
}
