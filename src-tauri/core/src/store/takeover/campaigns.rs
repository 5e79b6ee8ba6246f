//! Whole campaigns that were sent, or went on being sent, after the backup was made: the ledger of the workspace that
//! goes is the truth about them, and the links in their mails must work for ever.

use super::super::{Conn, Result};
use crate::ids::CampaignId;
use rusqlite::OptionalExtension;

/// What a column that points elsewhere becomes.
enum Link {
    /// The campaign itself.
    Campaign,
    /// A row that went over with it, of this table.
    With(&'static str),
    /// The person with the same address.
    Contact,
    /// The account with the same name.
    Account,
    /// The same address of pixels.
    Route,
}

/// A table whose rows belong to a campaign.
struct Table {
    name: &'static str,
    /// Its rows have a number of their own, in the column `id`.
    numbered: bool,
    /// A row is left out whose account or person is not here, or whose place is taken.
    may_miss: bool,
    links: &'static [(&'static str, Link)],
    /// Which rows `t` of it are those of campaign `?1`.
    of: &'static str,
}

const OF_CAMPAIGN: &str = "t.campaign_id = ?1";
const OF_MESSAGE: &str = "t.message_id IN (SELECT id FROM gone.message WHERE campaign_id = ?1)";

/// In an order in which every link finds its row.
const TABLES: &[Table] = &[
    Table {
        name: "campaign",
        numbered: false,
        may_miss: false,
        links: &[
            ("id", Link::Campaign),
            ("account_id", Link::Account),
            ("route_id", Link::Route),
        ],
        of: "t.id = ?1",
    },
    Table {
        name: "campaign_account",
        numbered: false,
        may_miss: true,
        links: &[("campaign_id", Link::Campaign), ("account_id", Link::Account)],
        of: OF_CAMPAIGN,
    },
    Table {
        name: "campaign_refusal",
        numbered: false,
        may_miss: false,
        links: &[("campaign_id", Link::Campaign)],
        of: OF_CAMPAIGN,
    },
    Table {
        name: "campaign_counter",
        numbered: false,
        may_miss: false,
        links: &[("campaign_id", Link::Campaign)],
        of: OF_CAMPAIGN,
    },
    Table {
        name: "hourly",
        numbered: false,
        may_miss: false,
        links: &[("campaign_id", Link::Campaign)],
        of: OF_CAMPAIGN,
    },
    Table {
        name: "attachment",
        numbered: true,
        may_miss: false,
        links: &[("campaign_id", Link::Campaign)],
        of: OF_CAMPAIGN,
    },
    Table {
        name: "message",
        numbered: true,
        may_miss: false,
        links: &[("campaign_id", Link::Campaign), ("contact_id", Link::Contact)],
        of: OF_CAMPAIGN,
    },
    Table {
        name: "message_event",
        numbered: true,
        may_miss: false,
        links: &[("message_id", Link::With("message"))],
        of: OF_MESSAGE,
    },
    Table {
        name: "dialogue",
        numbered: false,
        may_miss: true,
        links: &[("message_id", Link::With("message"))],
        of: OF_MESSAGE,
    },
    Table {
        name: "hit",
        numbered: true,
        may_miss: false,
        links: &[
            ("campaign_id", Link::Campaign),
            ("message_id", Link::With("message")),
        ],
        of: OF_CAMPAIGN,
    },
    Table {
        name: "activity",
        numbered: true,
        may_miss: false,
        links: &[
            ("campaign_id", Link::Campaign),
            ("message_id", Link::With("message")),
            ("contact_id", Link::Contact),
        ],
        of: OF_CAMPAIGN,
    },
    Table {
        name: "outbox_mail",
        numbered: true,
        may_miss: true,
        links: &[
            ("campaign_id", Link::Campaign),
            ("message_id", Link::With("message")),
        ],
        of: OF_CAMPAIGN,
    },
    Table {
        name: "data_request",
        numbered: true,
        may_miss: true,
        links: &[
            ("message_id", Link::With("message")),
            ("contact_id", Link::Contact),
        ],
        of: OF_MESSAGE,
    },
];

/// Returns the SQL of how far the mail `of` a ledger is: more than another's means that more of it is known.
pub(super) fn rank(of: &str) -> String {
    format!(
        "CASE {of}.state WHEN 'accepted' THEN 6 WHEN 'rejected' THEN 5 WHEN 'uncertain' THEN 4 WHEN 'handing_over' THEN 4
         WHEN 'cancelled' THEN 3 WHEN 'deferred' THEN 2 WHEN 'queued' THEN 1 ELSE 0 END"
    )
}

/// Copies every campaign that was launched there and of which `main` knows nothing that it does not; returns them, by
/// their numbers here.
pub(super) fn take_over(conn: &Conn) -> Result<Vec<CampaignId>> {
    let mut launched = conn.prepare(
        "SELECT id, created_at FROM gone.campaign
         WHERE launched_at IS NOT NULL AND (begun_at IS NOT NULL OR state IN ('running', 'paused'))
         ORDER BY id",
    )?;
    let launched = launched
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    if launched.is_empty() {
        return Ok(Vec::new());
    }
    conn.execute_batch(
        "INSERT OR IGNORE INTO main.route (kind, base_url, created_at, tried_out)
         SELECT kind, base_url, created_at, tried_out FROM gone.route ORDER BY id",
    )?;
    let mut taken = Vec::new();
    for (id, created_at) in launched {
        let here: Option<i64> = conn
            .prepare_cached("SELECT created_at FROM main.campaign WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        let is_twin = here == Some(created_at);
        if is_twin {
            if knows_more(conn, id)? {
                continue;
            }
            conn.prepare_cached(
                "DELETE FROM main.label WHERE kind = 'hit'
                   AND value IN (SELECT CAST(id AS TEXT) FROM main.hit WHERE campaign_id = ?1)",
            )?
            .execute([id])?;
            conn.prepare_cached("DELETE FROM main.campaign WHERE id = ?1")?
                .execute([id])?;
        }
        people(conn, id)?;
        let new = if here.is_none() || is_twin {
            id
        } else {
            beyond(conn, "campaign")?
        };
        copy(conn, id, new)?;
        taken.push(CampaignId(new));
    }
    Ok(taken)
}

/// Tells whether `main` knows of a mail of campaign `id` that it went further than the other side knows.
fn knows_more(conn: &Conn, id: i64) -> Result<bool> {
    Ok(conn
        .prepare_cached(&format!(
            "SELECT EXISTS (
               SELECT 1 FROM main.message n LEFT JOIN gone.message o ON o.preference_token = n.preference_token
               WHERE n.campaign_id = ?1 AND {} > iif(o.id IS NULL, 0, {}))",
            rank("n"),
            rank("o")
        ))?
        .query_row([id], |row| row.get(0))?)
}

/// Whoever got such a mail is known here, too: in no list, for nobody knows which is wanted.
fn people(conn: &Conn, id: i64) -> Result<()> {
    let columns = columns(conn, "contact")?
        .into_iter()
        .filter(|column| column != "id" && column != "consent")
        .collect::<Vec<_>>()
        .join(", ");
    conn.prepare_cached(&format!(
        "INSERT INTO main.contact ({columns})
         SELECT {columns} FROM gone.contact o
         WHERE o.id IN (SELECT contact_id FROM gone.message WHERE campaign_id = ?1)
           AND NOT EXISTS (SELECT 1 FROM main.contact n WHERE n.email_key = o.email_key)
         ORDER BY o.id"
    ))?
    .execute([id])?;
    Ok(())
}

fn columns(conn: &Conn, table: &str) -> Result<Vec<String>> {
    let mut statement = conn.prepare_cached("SELECT name FROM pragma_table_info(?1, 'main') ORDER BY cid")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

/// Returns a number that no row of the table ever had.
fn beyond(conn: &Conn, table: &str) -> Result<i64> {
    Ok(conn
        .prepare_cached(&format!(
            "SELECT 1 + max(coalesce((SELECT max(id) FROM main.{table}), 0),
                            coalesce((SELECT seq FROM main.sqlite_sequence WHERE name = '{table}'), 0))"
        ))?
        .query_row([], |row| row.get(0))?)
}

/// Returns by how much the numbers of a table's rows must move: not at all where nobody has them here.
fn shift(conn: &Conn, tables: &[&Table], id: i64) -> Result<i64> {
    let mut shift = 0;
    for (table, here) in tables
        .iter()
        .flat_map(|table| tables.iter().map(move |here| (table, here.name)))
    {
        let is_taken: bool = conn
            .prepare_cached(&format!(
                "SELECT EXISTS (SELECT 1 FROM gone.{name} t JOIN main.{here} n ON n.id = t.id WHERE {of})",
                name = table.name,
                of = table.of
            ))?
            .query_row([id], |row| row.get(0))?;
        if is_taken {
            for table in tables {
                shift = shift.max(beyond(conn, table.name)?);
            }
        }
    }
    Ok(shift)
}

/// Copies campaign `id` of the other side as `new`.
fn copy(conn: &Conn, id: i64, new: i64) -> Result<()> {
    let find = |name: &str| {
        TABLES
            .iter()
            .filter(|table| table.name == name)
            .collect::<Vec<_>>()
    };
    // The feed goes through both by number: they move as one, or they would lose their common order.
    let feed = [find("hit"), find("activity")].concat();
    let feed = shift(conn, &feed, id)?;
    let mut shifts = std::collections::HashMap::from([("hit", feed), ("activity", feed)]);
    for table in TABLES.iter().filter(|table| table.numbered) {
        if !shifts.contains_key(table.name) {
            shifts.insert(table.name, shift(conn, &[table], id)?);
        }
    }
    for table in TABLES {
        let names = columns(conn, table.name)?;
        let values: Vec<String> = names
            .iter()
            .map(
                |column| match table.links.iter().find(|(link, _)| link == column) {
                    None if table.numbered && column == "id" => format!("t.id + {}", shifts[table.name]),
                    None => format!("t.{column}"),
                    Some((_, link)) => value(link, column, &shifts),
                },
            )
            .collect();
        let how = if table.may_miss {
            "INSERT OR IGNORE"
        } else {
            "INSERT"
        };
        conn.prepare_cached(&format!(
            "{how} INTO main.{name} ({names}) SELECT {values} FROM gone.{name} t
             WHERE {of} AND ?2 IS NOT NULL",
            name = table.name,
            names = names.join(", "),
            values = values.join(", "),
            of = table.of
        ))?
        .execute((id, new))?;
    }
    conn.prepare_cached(&format!(
        "INSERT OR IGNORE INTO main.label (kind, value, says, at, was_class, was_reason, was_version)
         SELECT t.kind, CAST(h.id + {feed} AS TEXT), t.says, t.at, t.was_class, t.was_reason, t.was_version
         FROM gone.hit h JOIN gone.label t ON t.kind = 'hit' AND t.value = CAST(h.id AS TEXT)
         WHERE h.campaign_id = ?1"
    ))?
    .execute([id])?;
    Ok(())
}

fn value(link: &Link, column: &str, shifts: &std::collections::HashMap<&str, i64>) -> String {
    match link {
        Link::Campaign => "?2".to_owned(),
        Link::With(table) => format!("t.{column} + {}", shifts[table]),
        Link::Contact => format!(
            "(SELECT n.id FROM gone.contact o JOIN main.contact n ON n.email_key = o.email_key WHERE o.id = t.{column})"
        ),
        Link::Account => format!(
            "(SELECT n.id FROM gone.account o JOIN main.account n ON n.name = o.name COLLATE NOCASE
              WHERE o.id = t.{column})"
        ),
        Link::Route => format!(
            "(SELECT n.id FROM gone.route o JOIN main.route n ON n.kind = o.kind AND n.base_url = o.base_url
              WHERE o.id = t.{column})"
        ),
    }
}
