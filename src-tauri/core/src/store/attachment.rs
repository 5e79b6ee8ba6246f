//! `attachment`: the files of campaigns. Their bytes lie in the workspace, each under its digest.

use super::{Conn, Result, word};
use crate::domain::attachment::Placement;
use crate::ids::{AttachmentId, CampaignId};
use rusqlite::{OptionalExtension, Row};

/// SHA-256 of a file's bytes.
pub type Digest = [u8; 32];

/// A file to be added to a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttachment {
    /// Where it is in the mail.
    pub placement: Placement,
    /// Its name in the mail.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Of its bytes.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
}

/// A row of `attachment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// Whose it is.
    pub campaign: CampaignId,
    /// The file.
    pub file: NewAttachment,
}

fn attachment(row: &Row<'_>) -> rusqlite::Result<Attachment> {
    Ok(Attachment {
        id: AttachmentId(row.get("id")?),
        campaign: CampaignId(row.get("campaign_id")?),
        file: NewAttachment {
            placement: word(row, "placement")?,
            name: row.get("name")?,
            media_type: row.get("media_type")?,
            digest: row.get("digest")?,
            size: row.get::<_, i64>("size")?.unsigned_abs(),
        },
    })
}

/// Adds a file to a campaign.
pub fn insert(conn: &Conn, campaign: CampaignId, file: &NewAttachment) -> Result<AttachmentId> {
    Ok(conn
        .prepare_cached(
            "INSERT INTO attachment (campaign_id, placement, name, media_type, digest, size)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             RETURNING id",
        )?
        .query_row(
            (
                campaign.0,
                file.placement.as_str(),
                &file.name,
                &file.media_type,
                file.digest,
                i64::try_from(file.size).unwrap_or(i64::MAX),
            ),
            |row| row.get(0).map(AttachmentId),
        )?)
}

/// Returns a campaign's files in the order in which they were added.
pub fn of_campaign(conn: &Conn, campaign: CampaignId) -> Result<Vec<Attachment>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, campaign_id, placement, name, media_type, digest, size
         FROM attachment WHERE campaign_id = ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([campaign.0], attachment)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns one file; `None` where there is none with this id.
pub fn find(conn: &Conn, id: AttachmentId) -> Result<Option<Attachment>> {
    Ok(conn
        .prepare_cached(
            "SELECT id, campaign_id, placement, name, media_type, digest, size FROM attachment WHERE id = ?1",
        )?
        .query_row([id.0], attachment)
        .optional()?)
}

/// Returns any campaign's picture with these bytes.
pub fn picture(conn: &Conn, digest: &Digest) -> Result<Option<Attachment>> {
    Ok(conn
        .prepare_cached(
            "SELECT id, campaign_id, placement, name, media_type, digest, size
             FROM attachment WHERE digest = ?1 AND placement = 'inline' LIMIT 1",
        )?
        .query_row([digest], attachment)
        .optional()?)
}

/// Takes a file from its campaign.
pub fn remove(conn: &Conn, id: AttachmentId) -> Result<()> {
    conn.prepare_cached("DELETE FROM attachment WHERE id = ?1")?
        .execute([id.0])?;
    Ok(())
}

/// Copies the files of one campaign to another; their bytes are shared.
pub fn copy(conn: &Conn, from: CampaignId, to: CampaignId) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO attachment (campaign_id, placement, name, media_type, digest, size)
         SELECT ?2, placement, name, media_type, digest, size FROM attachment WHERE campaign_id = ?1 ORDER BY id",
    )?
    .execute((from.0, to.0))?;
    Ok(())
}

/// Tells whether any campaign has a file with these bytes.
pub fn is_used(conn: &Conn, digest: &Digest) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM attachment WHERE digest = ?1)")?
        .query_row([digest], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::store::campaign;
    use crate::store::campaign::tests::draft;
    use crate::store::db::testing;

    #[test]
    fn bytes_are_used_until_the_last_campaign_with_them_is_gone() {
        let conn = testing::memory();
        let [first, second] =
            ["A", "B"].map(|name| campaign::insert(&conn, &draft(name), from_millis(0)).unwrap());
        let file = NewAttachment {
            placement: Placement::Attached,
            name: "plan.pdf".into(),
            media_type: "application/pdf".into(),
            digest: [7; 32],
            size: 12,
        };
        let id = insert(&conn, first, &file).unwrap();
        copy(&conn, first, second).unwrap();
        let copied = of_campaign(&conn, second).unwrap();
        assert_eq!(copied.len(), 1);
        assert_eq!(copied[0].file, file);
        assert_ne!(copied[0].id, id, "a row of its own");
        remove(&conn, id).unwrap();
        assert!(find(&conn, id).unwrap().is_none());
        assert!(is_used(&conn, &[7; 32]).unwrap(), "the copy still has them");
        campaign::remove(&conn, second).unwrap();
        assert!(!is_used(&conn, &[7; 32]).unwrap());
        assert!(picture(&conn, &[7; 32]).unwrap().is_none());
    }
}
