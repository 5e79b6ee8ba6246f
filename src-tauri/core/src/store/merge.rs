//! Copies the rows of another workspace into this one under new ids, marked as sample data; and removes them.

use super::{Conn, Result};
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// A table to copy: its id column, and the columns that point elsewhere.
struct Table {
    name: &'static str,
    id: Option<&'static str>,
    links: &'static [(&'static str, &'static str)],
    only: &'static str,
}

/// In an order in which every link finds its row.
const TABLES: &[Table] = &[
    Table {
        name: "route",
        id: Some("id"),
        links: &[],
        only: "kind = 'local'",
    },
    Table {
        name: "account",
        id: Some("id"),
        links: &[],
        only: "1",
    },
    Table {
        name: "contact",
        id: Some("id"),
        links: &[],
        only: "1",
    },
    Table {
        name: "list",
        id: Some("id"),
        links: &[],
        only: "1",
    },
    Table {
        name: "list_member",
        id: None,
        links: &[("list_id", "list"), ("contact_id", "contact")],
        only: "1",
    },
    Table {
        name: "consent_event",
        id: Some("id"),
        links: &[("contact_id", "contact")],
        only: "1",
    },
    Table {
        name: "campaign",
        id: Some("id"),
        links: &[("account_id", "account"), ("route_id", "route")],
        only: "1",
    },
    Table {
        name: "message",
        id: Some("id"),
        links: &[("campaign_id", "campaign"), ("contact_id", "contact")],
        only: "1",
    },
    Table {
        name: "message_event",
        id: Some("id"),
        links: &[("message_id", "message")],
        only: "1",
    },
    Table {
        name: "suppression",
        id: None,
        links: &[("message_id", "message")],
        only: "message_id IS NOT NULL",
    },
    Table {
        name: "hit",
        id: Some("id"),
        links: &[("campaign_id", "campaign"), ("message_id", "message")],
        only: "1",
    },
    Table {
        name: "hourly",
        id: None,
        links: &[("campaign_id", "campaign")],
        only: "1",
    },
    Table {
        name: "campaign_counter",
        id: None,
        links: &[("campaign_id", "campaign")],
        only: "1",
    },
    Table {
        name: "uptime",
        id: Some("id"),
        links: &[],
        only: "1",
    },
    Table {
        name: "activity",
        id: Some("id"),
        links: &[
            ("campaign_id", "campaign"),
            ("message_id", "message"),
            ("contact_id", "contact"),
        ],
        only: "campaign_id IS NOT NULL",
    },
    Table {
        name: "outbox_mail",
        id: Some("id"),
        links: &[("campaign_id", "campaign"), ("message_id", "message")],
        only: "1",
    },
];

/// Rows of one table, as read from the other workspace.
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// Everything that is to be copied.
pub struct Snapshot(Vec<Rows>);

/// Reads all that can be copied from another workspace.
pub fn snapshot(conn: &Conn) -> Result<Snapshot> {
    TABLES
        .iter()
        .map(|table| {
            let mut statement =
                conn.prepare(&format!("SELECT * FROM {} WHERE {}", table.name, table.only))?;
            let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
            let width = columns.len();
            let rows = statement
                .query_map([], |row| {
                    (0..width)
                        .map(|index| row.get(index))
                        .collect::<rusqlite::Result<Vec<Value>>>()
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(Rows { columns, rows })
        })
        .collect::<Result<Vec<_>>>()
        .map(Snapshot)
}

/// Writes a snapshot into this workspace and returns the new ids of its campaigns, by their old ones.
///
/// Fails as a whole where a name or an address is taken.
pub fn merge(conn: &Conn, snapshot: &Snapshot) -> Result<BTreeMap<i64, i64>> {
    let offsets = offsets(conn)?;
    let mut campaigns = BTreeMap::new();
    for (table, rows) in TABLES.iter().zip(&snapshot.0) {
        let marks: Vec<String> = (1..=rows.columns.len()).map(|n| format!("?{n}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            table.name,
            rows.columns.join(", "),
            marks.join(", ")
        );
        let mut insert = conn.prepare(&sql)?;
        for row in &rows.rows {
            let values = rows.columns.iter().zip(row).map(|(column, value)| {
                let target = match table.links.iter().find(|(link, _)| link == column) {
                    Some((_, target)) => Some(*target),
                    None if table.id == Some(column.as_str()) => Some(table.name),
                    None => None,
                };
                match (value, target) {
                    (Value::Integer(id), Some(target)) => {
                        Value::Integer(id + offsets.get(target).copied().unwrap_or(0))
                    }
                    (_, None) if column == "sample" => Value::Integer(1),
                    (value, _) => value.clone(),
                }
            });
            let values: Vec<Value> = values.collect();
            insert.execute(rusqlite::params_from_iter(values))?;
            if let ("campaign", Some(Value::Integer(old))) = (table.name, row.first()) {
                campaigns.insert(*old, old + offsets["campaign"]);
            }
        }
    }
    relink_audiences(conn, &campaigns, offsets["list"])?;
    Ok(campaigns)
}

/// Returns by table how far the ids of copied rows are moved: beyond all that were ever used here.
fn offsets(conn: &Conn) -> Result<BTreeMap<&'static str, i64>> {
    let mut offsets = BTreeMap::<_, i64>::new();
    for table in TABLES {
        if let Some(id) = table.id {
            // sqlite_sequence too: an id that was used once must not come back for something else.
            let sql = format!(
                "SELECT max(coalesce((SELECT max({id}) FROM {name}), 0),
                            coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{name}'), 0))",
                name = table.name
            );
            offsets.insert(table.name, conn.query_row(&sql, [], |row| row.get(0))?);
        }
    }
    // The feed goes through both by id: they are moved as one sequence, or they would lose their common order.
    let feed = offsets["hit"].max(offsets["activity"]);
    offsets.extend([("hit", feed), ("activity", feed)]);
    Ok(offsets)
}

/// An audience names its lists inside a JSON document, where no column could be moved.
fn relink_audiences(conn: &Conn, campaigns: &BTreeMap<i64, i64>, offset: i64) -> Result<()> {
    for id in campaigns.values() {
        let text: String = conn.query_row("SELECT audience FROM campaign WHERE id = ?1", [id], |row| {
            row.get(0)
        })?;
        let mut audience: crate::api::Audience = serde_json::from_str(&text)?;
        audience
            .include
            .iter_mut()
            .chain(&mut audience.exclude)
            .for_each(|list| list.0 += offset);
        conn.execute(
            "UPDATE campaign SET audience = ?2 WHERE id = ?1",
            (id, serde_json::to_string(&audience)?),
        )?;
    }
    Ok(())
}

/// Moves the outbox files of a campaign: their rows name `folder` from now on. Returns old and new paths.
pub fn move_outbox(conn: &Conn, campaign: i64, folder: &str) -> Result<Vec<(String, String)>> {
    let mut select = conn.prepare("SELECT id, path FROM outbox_mail WHERE campaign_id = ?1")?;
    let rows = select
        .query_map([campaign], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter()
        .map(|(id, old)| {
            let file = old.rsplit(['/', '\\']).next().unwrap_or_default();
            let new = format!("{folder}/{file}");
            conn.execute("UPDATE outbox_mail SET path = ?2 WHERE id = ?1", (id, &new))?;
            Ok((old, new))
        })
        .collect()
}

/// Removes all sample data and returns the outbox files that belonged to it.
pub fn remove_sample(conn: &Conn) -> Result<Vec<String>> {
    let mut select = conn.prepare(
        "SELECT path FROM outbox_mail WHERE campaign_id IN (SELECT id FROM campaign WHERE sample)",
    )?;
    let files = select
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    conn.execute_batch(
        "DELETE FROM suppression WHERE message_id IN (SELECT message.id FROM message
           JOIN campaign ON campaign.id = message.campaign_id WHERE campaign.sample);
         DELETE FROM campaign WHERE sample;
         DELETE FROM contact WHERE sample;
         DELETE FROM list WHERE sample;
         DELETE FROM account WHERE sample;
         DELETE FROM uptime WHERE sample;",
    )?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ActivityList;
    use crate::store::db::testing;
    use crate::store::{activity, check};

    /// A campaign with a launch, two looks and an opt-out, in this order; `first` is the first one's id.
    fn workspace(name: &str, first: i64) -> Conn {
        let conn = testing::memory();
        conn.execute_batch(&format!(
            "INSERT INTO campaign (id, name, document, created_at, updated_at, state, opens_from, opens_until)
             VALUES (1, '{name}', '{{}}', 0, 0, 'running', 5, 99);
             INSERT INTO message (id, campaign_id, email, address_hash, state, tracking, pixel_token, preference_token,
               accepted_at, signal, first_open_at, looks, hits)
             VALUES (1, 1, '{name}@example.org', x'01', 'accepted', 'personal', randomblob(16), randomblob(16), 10,
               'human', 20, 2, 2);
             INSERT INTO activity (id, at, kind, text, campaign_id) VALUES ({first}, 10, 'campaign', 'launched', 1);
             INSERT INTO hit (id, campaign_id, message_id, at, class, reason, rule_version, client_hash, new_look)
             VALUES ({first} + 1, 1, 1, 20, 'human_direct', 'browser', 1, x'01', 1),
                    ({first} + 3, 1, 1, 40, 'human_direct', 'browser', 1, x'02', 1);
             INSERT INTO activity (id, at, kind, text, campaign_id, message_id)
             VALUES ({first} + 2, 30, 'opted_out', 'left', 1, 1);
             INSERT INTO hourly VALUES (1, 0, 'human_direct', 2), (1, 0, 'first_open', 1);"
        ))
        .unwrap();
        conn
    }

    #[test]
    fn a_copied_feed_keeps_its_order_and_takes_nobodys_number() {
        let own = workspace("own", 1);
        let snapshot = snapshot(&workspace("copied", 3)).unwrap();
        merge(&own, &snapshot).unwrap();
        let asking = |campaign| ActivityList {
            before: None,
            campaign,
            limit: 0,
        };
        let feed = activity::page(&own, &asking(None)).unwrap();
        let ids: Vec<_> = feed.iter().map(|row| row.id).collect();
        assert_eq!(
            ids,
            [10, 9, 8, 7, 4, 3, 2, 1],
            "of both workspaces and both tables"
        );
        let copied = activity::page(&own, &asking(feed[0].campaign)).unwrap();
        let times: Vec<_> = copied.iter().map(|row| row.at.timestamp_millis()).collect();
        assert_eq!(times, [40, 30, 20, 10]);
        assert_eq!(check::check(&own).unwrap().1, [""; 0]);
        assert_eq!(activity::next_id(&own).unwrap(), 11);
    }
}
