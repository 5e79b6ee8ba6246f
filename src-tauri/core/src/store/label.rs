//! `label`: what the user says of one hit, of the readers of a mail domain, or of a network.

use super::{Conn, Result, instant, word};
use crate::clock::{Instant, to_millis};
use crate::domain::label::{LabelKind, Says};
use crate::domain::open::HitClass;
use crate::ids::{CampaignId, HitId, LabelId, MessageId};
use crate::tracking::judge::Labels;
use rusqlite::{OptionalExtension, Row};

/// A label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its id.
    pub id: LabelId,
    /// What it is about.
    pub kind: LabelKind,
    /// The hit's id, the domain, or the prefix.
    pub value: String,
    /// What the user says.
    pub says: Says,
    /// When.
    pub at: Instant,
}

/// What a hit was taken for when it was labelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Was {
    /// Its class.
    pub class: HitClass,
    /// The rule.
    pub reason: String,
    /// The rules' version.
    pub rule_version: u32,
}

/// A hit as labelling needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its message.
    pub message: MessageId,
    /// When it came.
    pub at: Instant,
    /// Its present verdict.
    pub verdict: Was,
    /// It begins a look.
    pub new_look: bool,
    /// Its evidence is gone.
    pub settled: bool,
}

fn label(row: &Row<'_>) -> rusqlite::Result<Label> {
    Ok(Label {
        id: LabelId(row.get("id")?),
        kind: word(row, "kind")?,
        value: row.get("value")?,
        says: word(row, "says")?,
        at: instant(row, "at")?.unwrap_or_default(),
    })
}

/// Returns all labels, newest first.
pub fn list(conn: &Conn) -> Result<Vec<Label>> {
    let mut statement =
        conn.prepare_cached("SELECT id, kind, value, says, at FROM label ORDER BY at DESC, id DESC")?;
    let rows = statement.query_map([], label)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns one label.
pub fn get(conn: &Conn, id: LabelId) -> Result<Option<Label>> {
    Ok(conn
        .prepare_cached("SELECT id, kind, value, says, at FROM label WHERE id = ?1")?
        .query_row([id.0], label)
        .optional()?)
}

/// Says something of `value`, in place of what was said before. `was` is kept from the first time on.
pub fn set(
    conn: &Conn,
    kind: LabelKind,
    value: &str,
    says: Says,
    at: Instant,
    was: Option<&Was>,
) -> Result<LabelId> {
    Ok(conn
        .prepare_cached(
            "INSERT INTO label (kind, value, says, at, was_class, was_reason, was_version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (kind, value) DO UPDATE SET says = excluded.says, at = excluded.at
             RETURNING id",
        )?
        .query_row(
            (
                kind.as_str(),
                value,
                says.as_str(),
                to_millis(at),
                was.map(|was| was.class.as_str()),
                was.map(|was| was.reason.as_str()),
                was.map(|was| was.rule_version),
            ),
            |row| row.get(0).map(LabelId),
        )?)
}

/// Takes a label away; returns what its hit was taken for before.
pub fn remove(conn: &Conn, id: LabelId) -> Result<Option<Was>> {
    Ok(conn
        .prepare_cached("DELETE FROM label WHERE id = ?1 RETURNING was_class, was_reason, was_version")?
        .query_row([id.0], |row| {
            Ok(match row.get::<_, Option<String>>(0)? {
                None => None,
                Some(_) => Some(Was {
                    class: word(row, 0)?,
                    reason: row.get(1)?,
                    rule_version: row.get(2)?,
                }),
            })
        })
        .optional()?
        .flatten())
}

/// Returns a hit as labelling needs it.
pub fn hit(conn: &Conn, id: HitId) -> Result<Option<Labelled>> {
    Ok(conn
        .prepare_cached(
            "SELECT campaign_id, message_id, at, class, reason, rule_version, new_look, settled FROM hit WHERE id = ?1",
        )?
        .query_row([id.0], |row| {
            Ok(Labelled {
                campaign: CampaignId(row.get(0)?),
                message: MessageId(row.get(1)?),
                at: instant(row, 2)?.unwrap_or_default(),
                verdict: Was {
                    class: word(row, 3)?,
                    reason: row.get(4)?,
                    rule_version: row.get(5)?,
                },
                new_look: row.get(6)?,
                settled: row.get(7)?,
            })
        })
        .optional()?)
}

/// Returns all labels as the rules read them.
pub fn all(conn: &Conn) -> Result<Labels> {
    let mut labels = Labels::default();
    for label in list(conn)? {
        match label.kind {
            LabelKind::Hit => {
                if let Ok(id) = label.value.parse() {
                    labels.hits.insert(id, label.says);
                }
            }
            LabelKind::Domain => {
                labels.domains.insert(label.value, label.says);
            }
            LabelKind::Network => {
                labels.networks.insert(label.value, label.says);
            }
        }
    }
    Ok(labels)
}

/// Returns the label of one hit.
pub fn of_hit(conn: &Conn, id: HitId) -> Result<Option<Label>> {
    Ok(conn
        .prepare_cached("SELECT id, kind, value, says, at FROM label WHERE kind = 'hit' AND value = ?1")?
        .query_row([id.to_string()], label)
        .optional()?)
}
