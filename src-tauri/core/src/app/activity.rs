//! The feed of what happened.

use super::engine::Engine;
use crate::api::{ActivityList, ActivityListResponse, Code, Error, Result};
use std::sync::Arc;

/// Not built yet.
pub fn list(_engine: &Arc<Engine>, _request: ActivityList) -> Result<ActivityListResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}
