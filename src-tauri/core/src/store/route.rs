//! `route`: every base address that mails were sent with.

mod mailed;

pub use mailed::{Mailed, mailed, opens_last_day};

use super::{Conn, Result};
use crate::api::RouteKind;
use crate::clock::{Instant, to_millis};
use crate::ids::RouteId;
use rusqlite::OptionalExtension;

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
        "INSERT INTO route (kind, base_url, created_at, tried_out) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (kind, base_url) DO NOTHING",
    )?
    .execute((
        kind.as_str(),
        base_url,
        to_millis(now),
        kind == RouteKind::Local || has_reserved_name(base_url),
    ))?;
    find(conn, kind, base_url)
}

/// Tells whether an address has a name that no reader can reach: RFC 2606 and RFC 6761 reserve it.
pub fn has_reserved_name(base_url: &str) -> bool {
    let host = base_url.split("://").nth(1).unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default().to_lowercase();
    let mut labels = host.trim_end_matches('.').rsplit('.');
    matches!(
        (labels.next(), labels.next()),
        (Some("test" | "example" | "invalid" | "localhost"), _)
            | (Some("com" | "net" | "org"), Some("example"))
    )
}

/// Returns the row of an address; `None` where no mail ever carried it.
pub fn search(conn: &Conn, kind: RouteKind, base_url: &str) -> Result<Option<Route>> {
    Ok(conn
        .prepare_cached("SELECT id FROM route WHERE kind = ?1 AND base_url = ?2")?
        .query_row((kind.as_str(), base_url), |row| row.get(0))
        .optional()?
        .map(|id| Route {
            id: RouteId(id),
            kind,
            base_url: base_url.to_owned(),
        }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::store::db::testing;

    #[test]
    fn what_no_reader_can_reach_is_only_tried_out() {
        let conn = testing::memory();
        for (kind, url, tried_out) in [
            (RouteKind::Public, "https://news.harbour-club.eu", false),
            (RouteKind::Public, "https://testing.org/example", false),
            (RouteKind::Public, "https://news.harbour.test", true),
            (RouteKind::Public, "https://News.Example.org:8443/x", true),
            (RouteKind::Public, "https://example", true),
            (RouteKind::Local, "http://127.0.0.1:8080", true),
            (RouteKind::None, "", false),
        ] {
            let route = ensure(&conn, kind, url, from_millis(0)).unwrap();
            let found: bool = conn
                .query_row("SELECT tried_out FROM route WHERE id = ?1", [route.id.0], |row| {
                    row.get(0)
                })
                .unwrap();
            assert_eq!(found, tried_out, "{url}");
        }
    }
}
