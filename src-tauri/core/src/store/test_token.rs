//! `test_token`: preference tokens of test mails. Their pages say so, and do nothing.

use super::{Conn, Result};
use crate::clock::{Instant, to_millis};
use crate::tracking::token::Token;

/// Notes that `token` belongs to a test mail.
pub fn add(conn: &Conn, at: Instant, token: &Token) -> Result<()> {
    conn.prepare_cached("INSERT INTO test_token (token, created_at) VALUES (?1, ?2)")?
        .execute((token.as_bytes(), to_millis(at)))?;
    Ok(())
}

/// Tells whether `token` belongs to a test mail.
pub fn exists(conn: &Conn, token: &Token) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM test_token WHERE token = ?1)")?
        .query_row([token.as_bytes()], |row| row.get(0))?)
}
