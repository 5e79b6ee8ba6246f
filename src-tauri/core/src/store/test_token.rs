//! `test_token`: preference tokens of test mails. Their pages say so, and do nothing.

use super::{Conn, Result};
use crate::clock::{Instant, to_millis};
use crate::ids::CampaignId;
use crate::tracking::token::Token;
use rusqlite::OptionalExtension;

/// Notes that `token` belongs to a test mail of `campaign`.
pub fn add(conn: &Conn, at: Instant, token: &Token, campaign: CampaignId) -> Result<()> {
    conn.prepare_cached("INSERT INTO test_token (token, created_at, campaign_id) VALUES (?1, ?2, ?3)")?
        .execute((token.as_bytes(), to_millis(at), campaign.0))?;
    Ok(())
}

/// Returns the campaign of a test mail, where it is still there.
pub fn campaign(conn: &Conn, token: &Token) -> Result<Option<CampaignId>> {
    Ok(conn
        .prepare_cached(
            "SELECT campaign.id FROM test_token JOIN campaign ON campaign.id = test_token.campaign_id
             WHERE token = ?1",
        )?
        .query_row([token.as_bytes()], |row| row.get(0).map(CampaignId))
        .optional()?)
}

/// Tells whether `token` belongs to a test mail.
pub fn exists(conn: &Conn, token: &Token) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM test_token WHERE token = ?1)")?
        .query_row([token.as_bytes()], |row| row.get(0))?)
}
