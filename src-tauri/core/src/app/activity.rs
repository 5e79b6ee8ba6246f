//! The feed of what happened.

use super::engine::Engine;
use crate::api::{ActivityList, ActivityListResponse, Result};
use crate::store::activity;
use std::sync::Arc;

/// Returns a page of the feed, newest first.
pub fn list(engine: &Arc<Engine>, request: ActivityList) -> Result<ActivityListResponse> {
    let rows = engine.read(|conn| Ok(activity::page(conn, &request)?))?;
    Ok(ActivityListResponse { rows })
}
