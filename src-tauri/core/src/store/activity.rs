//! The feed of what happened: `activity` holds what is no look, and looks are read from `hit`.
//!
//! A look is written once, as a hit; its line is made when somebody reads it. Both tables take their ids from
//! one sequence ([`next_id`]), in which time rises, so a page is the newest of both below one id.

use super::{Conn, Error, Result, instant, word};
use crate::api::{ActivityKind, ActivityList, ActivityRow};
use crate::clock::{Instant, to_millis};
use crate::domain::open::HitClass;
use crate::ids::{CampaignId, ContactId, MessageId};
use rusqlite::{Row, ToSql};

/// A line to be added to the feed. Looks are no such lines: they stand in `hit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewActivity {
    /// What it is about.
    pub kind: ActivityKind,
    /// A sentence without the campaign's name.
    pub text: String,
    /// The campaign; its removal takes the line along.
    pub campaign: Option<CampaignId>,
    /// The message.
    pub message: Option<MessageId>,
    /// The person, where it is about no message of theirs; their erasure takes the line along.
    pub contact: Option<ContactId>,
}

impl NewActivity {
    /// Returns a line that is about nobody in particular.
    pub fn new(kind: ActivityKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            campaign: None,
            message: None,
            contact: None,
        }
    }

    /// Says which campaign it is about.
    pub fn of(mut self, campaign: CampaignId) -> Self {
        self.campaign = Some(campaign);
        self
    }
}

/// Returns the id of the next hit or line of the feed, inside the transaction that will insert it.
///
/// Reads what SQLite keeps for AUTOINCREMENT, which every insert into either table moves on, and not the
/// greatest ids: an erasure may remove the newest row, and its id must not come back for something else.
pub(super) fn next_id(conn: &Conn) -> Result<i64> {
    Ok(conn
        .prepare_cached(
            "SELECT 1 + coalesce(max(seq), 0) FROM sqlite_sequence WHERE name IN ('hit', 'activity')",
        )?
        .query_row([], |row| row.get(0))?)
}

/// Adds a line to the feed.
pub fn add(conn: &Conn, at: Instant, row: &NewActivity) -> Result<()> {
    let id = next_id(conn)?;
    conn.prepare_cached(
        "INSERT INTO activity (id, at, kind, text, campaign_id, message_id, contact_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        id,
        to_millis(at),
        row.kind.as_str(),
        &row.text,
        row.campaign.map(|id| id.0),
        row.message.map(|id| id.0),
        row.contact.map(|id| id.0),
    ))?;
    Ok(())
}

/// Returns lines of the feed, newest first.
pub fn page(conn: &Conn, request: &ActivityList) -> Result<Vec<ActivityRow>> {
    let limit = match request.limit {
        0 => 50,
        n => n.min(200),
    };
    let before = request.before.map_or(i64::MAX, i64::from);
    let mut asked: Vec<(&str, &dyn ToSql)> = vec![(":before", &before), (":limit", &limit)];
    if let Some(CampaignId(campaign)) = &request.campaign {
        asked.push((":campaign", campaign));
    }
    let mut page = rows(conn, &lines_sql(request.campaign), &asked, line)?;
    page.extend(rows(conn, &looks_sql(request.campaign), &asked, look)?);
    page.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
    page.truncate(limit as usize);
    Ok(page)
}

fn lines_sql(campaign: Option<CampaignId>) -> String {
    let of_campaign = campaign.map_or("", |_| "AND a.campaign_id = :campaign");
    format!(
        "SELECT a.id, a.at, a.kind, a.text, a.campaign_id, c.name, a.message_id,
           coalesce(a.contact_id, m.contact_id) AS contact_id
         FROM activity a
         LEFT JOIN campaign c ON c.id = a.campaign_id
         LEFT JOIN message m ON m.id = a.message_id
         WHERE a.id < :before {of_campaign}
         ORDER BY a.id DESC
         LIMIT :limit"
    )
}

/// Of all campaigns hits are read backwards, past those that begin no look: a few, because the first of each client
/// begins one. Of one campaign index `hit_looks` has the looks alone: its last may lie a million hits back.
///
/// The way is named each time and CROSS JOIN holds it: SQLite must not collect all looks to sort them.
fn looks_sql(campaign: Option<CampaignId>) -> String {
    let (way, of_campaign) = match campaign {
        None => ("NOT INDEXED", ""),
        Some(_) => ("INDEXED BY hit_looks", "AND h.campaign_id = :campaign"),
    };
    format!(
        "SELECT h.id, h.at, h.class, h.client, h.campaign_id, c.name, h.message_id, m.contact_id, m.email,
           p.first_name, p.last_name
         FROM hit h {way}
         CROSS JOIN message m ON m.id = h.message_id
         CROSS JOIN campaign c ON c.id = h.campaign_id
         LEFT JOIN contact p ON p.id = m.contact_id
         WHERE h.new_look = 1 AND h.id < :before {of_campaign}
         ORDER BY h.id DESC
         LIMIT :limit"
    )
}

fn rows(
    conn: &Conn,
    sql: &str,
    asked: &[(&str, &dyn ToSql)],
    read: impl Fn(&Row<'_>) -> Result<ActivityRow>,
) -> Result<Vec<ActivityRow>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut found = statement.query(asked)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(read(row)?);
    }
    Ok(rows)
}

fn line(row: &Row<'_>) -> Result<ActivityRow> {
    let kind: String = row.get("kind")?;
    Ok(ActivityRow {
        id: row.get("id")?,
        at: instant(row, "at")?.unwrap_or_default(),
        kind: ActivityKind::from_text(&kind)
            .ok_or_else(|| Error::Value(format!("{kind:?} is not a kind of activity")))?,
        text: row.get("text")?,
        class: None,
        campaign: row.get::<_, Option<i64>>("campaign_id")?.map(CampaignId),
        campaign_name: row.get::<_, Option<String>>("name")?.unwrap_or_default(),
        message: row.get::<_, Option<i64>>("message_id")?.map(MessageId),
        contact: row.get::<_, Option<i64>>("contact_id")?.map(ContactId),
    })
}

fn look(row: &Row<'_>) -> Result<ActivityRow> {
    let class: HitClass = word(row, "class")?;
    let first: Option<String> = row.get("first_name")?;
    let last: Option<String> = row.get("last_name")?;
    let name = format!("{} {}", first.unwrap_or_default(), last.unwrap_or_default());
    let name = match name.trim() {
        "" => row.get("email")?,
        name => name.to_owned(),
    };
    Ok(ActivityRow {
        id: row.get("id")?,
        at: instant(row, "at")?.unwrap_or_default(),
        kind: ActivityKind::Look,
        text: class.sentence(&name, &row.get::<_, String>("client")?),
        class: Some(class),
        campaign: Some(CampaignId(row.get("campaign_id")?)),
        campaign_name: row.get("name")?,
        message: Some(MessageId(row.get("message_id")?)),
        contact: row.get::<_, Option<i64>>("contact_id")?.map(ContactId),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::store::db::testing;
    use crate::store::hit::{self, NewHit};
    use std::time::{Duration, Instant as Stopwatch};

    /// Two campaigns, each with a mail to Ana, who has a name, and to Bo, who has none.
    fn workspace() -> Conn {
        let conn = testing::memory();
        conn.execute_batch(
            "INSERT INTO campaign (id, name, document, created_at, updated_at)
             VALUES (1, 'Spring', '{}', 0, 0), (2, 'Summer', '{}', 0, 0), (3, 'Autumn', '{}', 0, 0);
             INSERT INTO contact (id, email, email_key, first_name, last_name, created_at)
             VALUES (1, 'ana@example.org', 'ana@example.org', 'Ana', 'Li', 0),
                    (2, 'bo@example.org', 'bo@example.org', '', '', 0);
             INSERT INTO message (id, campaign_id, contact_id, email, address_hash, tracking, preference_token)
             VALUES (11, 1, 1, 'ana@example.org', x'01', 'personal', x'11'),
                    (12, 1, 2, 'bo@example.org', x'02', 'personal', x'12'),
                    (21, 2, 1, 'ana@example.org', x'01', 'personal', x'21'),
                    (22, 2, 2, 'bo@example.org', x'02', 'personal', x'22');",
        )
        .unwrap();
        conn
    }

    fn add_hit(conn: &Conn, message: i64, new_look: bool) -> i32 {
        let hit = NewHit {
            campaign: CampaignId(message / 10),
            message: MessageId(message),
            at: from_millis(0),
            class: HitClass::HumanProxy,
            reason: "named_proxy",
            rule_version: 1,
            client: "Gmail".into(),
            user_agent: String::new(),
            network: String::new(),
            client_hash: [1; 16],
            address_hash: None,
            label: None,
            said: Default::default(),
            timing: Default::default(),
            new_look,
        };
        hit::insert(conn, &hit).unwrap().0.try_into().unwrap()
    }

    fn add_line(conn: &Conn, text: &str, campaign: Option<i64>) {
        let row = NewActivity {
            campaign: campaign.map(CampaignId),
            ..NewActivity::new(ActivityKind::Campaign, text)
        };
        add(conn, from_millis(0), &row).unwrap();
    }

    fn asking(before: Option<i32>, campaign: Option<i64>, limit: u32) -> ActivityList {
        ActivityList {
            before,
            campaign: campaign.map(CampaignId),
            limit,
        }
    }

    fn ids(conn: &Conn, before: Option<i32>, campaign: Option<i64>) -> Vec<i32> {
        let rows = page(conn, &asking(before, campaign, 3)).unwrap();
        rows.iter().map(|row| row.id).collect()
    }

    #[test]
    fn looks_and_all_else_are_read_backwards_page_by_page() {
        let conn = workspace();
        add_line(&conn, "one", Some(1));
        add_hit(&conn, 11, true);
        add_line(&conn, "three", None);
        add_hit(&conn, 21, true);
        add_hit(&conn, 11, true);
        add_hit(&conn, 11, false);
        add_line(&conn, "seven", Some(1));
        assert_eq!(ids(&conn, None, None), [7, 5, 4], "6 began no look");
        assert_eq!(ids(&conn, Some(4), None), [3, 2, 1]);
        assert_eq!(ids(&conn, Some(1), None), [0; 0]);
        assert_eq!(ids(&conn, None, Some(1)), [7, 5, 2], "only of this campaign");
        assert_eq!(ids(&conn, Some(2), Some(1)), [1]);
        assert_eq!(ids(&conn, None, Some(3)), [0; 0]);
    }

    #[test]
    fn a_look_says_who_as_they_are_called_now() {
        let conn = workspace();
        add_hit(&conn, 11, true);
        add_hit(&conn, 22, true);
        let said = || {
            let rows = page(&conn, &asking(None, None, 0)).unwrap();
            rows.into_iter().map(|row| row.text).collect::<Vec<_>>()
        };
        assert_eq!(
            said(),
            [
                "bo@example.org looked, through Gmail's image proxy",
                "Ana Li looked, through Gmail's image proxy"
            ]
        );
        conn.execute_batch(
            "UPDATE contact SET last_name = 'Lind' WHERE id = 1;
             UPDATE message SET email = '', contact_id = NULL WHERE id = 22;",
        )
        .unwrap();
        assert_eq!(
            said(),
            [
                "Someone looked, through Gmail's image proxy",
                "Ana Lind looked, through Gmail's image proxy"
            ],
            "a married name, and a reader whom nobody knows any more"
        );
        let rows = page(&conn, &asking(None, Some(1), 0)).unwrap();
        let row = &rows[0];
        assert_eq!(
            (
                row.kind,
                row.class,
                row.campaign_name.as_str(),
                row.message,
                row.contact
            ),
            (
                ActivityKind::Look,
                Some(HitClass::HumanProxy),
                "Spring",
                Some(MessageId(11)),
                Some(ContactId(1))
            )
        );
    }

    #[test]
    fn the_id_of_what_was_erased_does_not_come_back() {
        let conn = workspace();
        add_line(&conn, "one", None);
        assert_eq!(add_hit(&conn, 11, true), 2);
        conn.execute_batch("DELETE FROM hit; DELETE FROM activity")
            .unwrap();
        add_line(&conn, "three", None);
        assert_eq!(ids(&conn, None, None), [3]);
        assert_eq!(add_hit(&conn, 11, true), 4);
    }

    #[test]
    fn a_page_is_read_along_ids_and_nothing_is_sorted() {
        let conn = workspace();
        for (campaign, wanted) in [
            (None, "SEARCH h USING INTEGER PRIMARY KEY (rowid<?)"),
            (
                Some(CampaignId(1)),
                "SEARCH h USING INDEX hit_looks (campaign_id=? AND id<?)",
            ),
        ] {
            for sql in [looks_sql(campaign), lines_sql(campaign)] {
                let plan = testing::plan(&conn, &sql.replace(":campaign", "1"), &[&9, &9]);
                assert!(!plan.contains("SCAN"), "nothing is read to its end: {plan}");
                assert!(!plan.contains("TEMP B-TREE"), "nothing is sorted: {plan}");
                assert!(sql.contains("FROM activity") || plan.contains(wanted), "{plan}");
            }
        }
    }

    #[test]
    fn a_million_hits_make_no_page_slow() {
        let conn = workspace();
        // Spring's 200 looks, then a million hits on Summer: one look in twenty hits, and
        // at last fifty thousand that begin none.
        conn.execute_batch(
            "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 1000200)
             INSERT INTO hit (id, campaign_id, message_id, at, class, reason, rule_version, client, user_agent, network,
               client_hash, new_look)
             SELECT id, iif(id <= 200, 1, 2), iif(id <= 200, 11, 21), id, 'human_proxy', 'named_proxy', 1, 'Gmail',
               'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)',
               '66.249.84.0/24', x'00112233445566778899aabbccddeeff', id <= 200 OR id % 20 = 0 AND id < 950000
             FROM n",
        )
        .unwrap();
        for (before, campaign, newest) in [
            (None, None, Some(949_980)),
            (Some(500_001), None, Some(500_000)),
            (None, Some(1), Some(200)),
            (Some(1_000_000), Some(1), Some(200)),
            (None, Some(2), Some(949_980)),
            (None, Some(3), None),
        ] {
            let request = asking(before, campaign, 200);
            let began = Stopwatch::now();
            let rows = page(&conn, &request).unwrap();
            assert_eq!(rows.first().map(|row| row.id), newest);
            // A page takes 10 ms, debug build. A scan of all looks, sorted, would take some seconds.
            assert!(
                began.elapsed() < Duration::from_secs(2),
                "{request:?} took {:?} with a million hits",
                began.elapsed()
            );
        }
    }
}
