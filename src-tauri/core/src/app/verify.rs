//! Checks of the database and its invariants.

use super::engine::Engine;
use crate::api::{Result, Verify, VerifyResponse};
use crate::store::check;
use std::sync::Arc;

/// Checks the file, the ledger and the rollups; changes nothing.
pub fn verify(engine: &Arc<Engine>, _request: Verify) -> Result<VerifyResponse> {
    let (checked, breaches) = engine.read(|conn| Ok(check::check(conn)?))?;
    Ok(VerifyResponse {
        ok: breaches.is_empty(),
        breaches,
        checked,
    })
}
