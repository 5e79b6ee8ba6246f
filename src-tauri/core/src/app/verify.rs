//! Checks of the database and its invariants.

use super::engine::Engine;
use crate::api::{Code, Error, Result, Verify, VerifyResponse};
use std::sync::Arc;

/// Not built yet.
pub fn verify(_engine: &Arc<Engine>, _request: Verify) -> Result<VerifyResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}
