//! `activity`: the feed of what happened.

use super::{Conn, Error, Result, instant, word};
use crate::api::{ActivityKind, ActivityList, ActivityRow};
use crate::clock::{Instant, to_millis};
use crate::domain::open::HitClass;
use crate::ids::{CampaignId, ContactId, MessageId};

/// A line to be added to the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewActivity {
    /// What it is about.
    pub kind: ActivityKind,
    /// A sentence without the campaign's name.
    pub text: String,
    /// For a look.
    pub class: Option<HitClass>,
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
            class: None,
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

/// Adds a line to the feed.
pub fn add(conn: &Conn, at: Instant, row: &NewActivity) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO activity (at, kind, text, class, campaign_id, message_id, contact_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        to_millis(at),
        row.kind.as_str(),
        &row.text,
        row.class.map(HitClass::as_str),
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
    let of_campaign = match request.campaign {
        Some(_) => "AND a.campaign_id = :campaign",
        // Names the parameter, which SQLite wants to be there, and excludes nothing.
        None => "AND :campaign IS NULL",
    };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT a.id, a.at, a.kind, a.text, a.class, a.campaign_id, c.name, a.message_id,
                coalesce(a.contact_id, m.contact_id) AS contact_id
         FROM activity a
         LEFT JOIN campaign c ON c.id = a.campaign_id
         LEFT JOIN message m ON m.id = a.message_id
         WHERE a.id < :before {of_campaign}
         ORDER BY a.id DESC
         LIMIT :limit"
    ))?;
    let parameters = rusqlite::named_params! {
        ":before": request.before.map_or(i64::MAX, i64::from),
        ":campaign": request.campaign.map(|id| id.0),
        ":limit": limit,
    };
    let mut rows = statement.query(parameters)?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get("kind")?;
        page.push(ActivityRow {
            id: row.get("id")?,
            at: instant(row, "at")?.unwrap_or_default(),
            kind: ActivityKind::from_text(&kind)
                .ok_or_else(|| Error::Value(format!("{kind:?} is not a kind of activity")))?,
            text: row.get("text")?,
            class: match row.get::<_, Option<String>>("class")? {
                Some(_) => Some(word(row, "class")?),
                None => None,
            },
            campaign: row.get::<_, Option<i64>>("campaign_id")?.map(CampaignId),
            campaign_name: row.get::<_, Option<String>>("name")?.unwrap_or_default(),
            message: row.get::<_, Option<i64>>("message_id")?.map(MessageId),
            contact: row.get::<_, Option<i64>>("contact_id")?.map(ContactId),
        });
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::store::db::testing;

    #[test]
    fn the_feed_is_read_backwards_page_by_page() {
        let conn = testing::memory();
        conn.execute(
            "INSERT INTO campaign (id, name, document, created_at, updated_at) VALUES (1, 'Spring', '{}', 0, 0)",
            [],
        )
        .unwrap();
        for n in 0..5 {
            let mut row = NewActivity::new(ActivityKind::Look, format!("look {n}"));
            if n % 2 == 0 {
                row = row.of(CampaignId(1));
            }
            add(&conn, from_millis(n), &row).unwrap();
        }
        let ask = |before, campaign| {
            let request = ActivityList {
                before,
                campaign,
                limit: 2,
            };
            let rows = page(&conn, &request).unwrap();
            rows.iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(ask(None, None), [5, 4]);
        assert_eq!(ask(Some(4), None), [3, 2]);
        assert_eq!(ask(Some(5), Some(CampaignId(1))), [3, 1], "only of this campaign");
    }
}
