//! Checks of the database and its invariants.

use super::engine::Engine;
use crate::api::{Result, Verify, VerifyResponse};
use crate::store::check;
use std::sync::Arc;

/// Checks the file, the ledger, the rollups, and that freed pages are empty; changes nothing.
pub fn verify(engine: &Arc<Engine>, _request: Verify) -> Result<VerifyResponse> {
    let (mut checked, mut breaches) = engine.read(|conn| Ok(check::check(conn)?))?;
    match engine.db.freed_pages()? {
        Some(freed) => {
            checked.push(format!("{} freed pages of the file", freed.pages));
            if let Some(first) = freed.full.first() {
                breaches.push(format!(
                    "{} freed pages of the file still hold what was deleted, page {first} first. Another program \
                     has written to it. Close Casement and run VACUUM on the file with SQLite's own shell.",
                    freed.full_count
                ));
            }
        }
        None => breaches.push(
            "Whether freed pages are empty could not be seen: another program reads the database all the time. Close \
             it and try again."
                .into(),
        ),
    }
    Ok(VerifyResponse {
        ok: breaches.is_empty(),
        breaches,
        checked,
    })
}
