//! `route`: every base address that mails were sent with.

use super::{Conn, Result};
use crate::api::RouteKind;
use crate::clock::{Instant, to_millis};
use crate::ids::RouteId;

/// A base address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its row.
    pub id: RouteId,
    /// Public, local or none.
    pub kind: RouteKind,
    /// Without a trailing slash; empty for kind *none*.
    pub base_url: String,
}

/// Returns the row of an address, made where it is missing.
pub fn ensure(conn: &Conn, kind: RouteKind, base_url: &str, now: Instant) -> Result<Route> {
    conn.prepare_cached(
        "INSERT INTO route (kind, base_url, created_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (kind, base_url) DO NOTHING",
    )?
    .execute((kind.as_str(), base_url, to_millis(now)))?;
    find(conn, kind, base_url)
}

/// Returns the row of an address that was made before.
pub fn find(conn: &Conn, kind: RouteKind, base_url: &str) -> Result<Route> {
    let id = conn
        .prepare_cached("SELECT id FROM route WHERE kind = ?1 AND base_url = ?2")?
        .query_row((kind.as_str(), base_url), |row| row.get(0))?;
    Ok(Route {
        id: RouteId(id),
        kind,
        base_url: base_url.to_owned(),
    })
}

/// Returns a row, which exists for as long as a campaign names it.
pub fn get(conn: &Conn, id: RouteId) -> Result<Route> {
    let (kind, base_url): (String, String) = conn
        .prepare_cached("SELECT kind, base_url FROM route WHERE id = ?1")?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Route {
        id,
        kind: parse(&kind),
        base_url,
    })
}

fn parse(kind: &str) -> RouteKind {
    match kind {
        "public" => RouteKind::Public,
        "local" => RouteKind::Local,
        _ => RouteKind::None,
    }
}
