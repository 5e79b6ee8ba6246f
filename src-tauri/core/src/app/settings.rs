//! Settings and the state of the app.

use super::engine::Engine;
use crate::api::{AppState, AppStateGet, Code, Error, Result, Settings, SettingsUpdate};
use std::sync::Arc;

/// Not built yet.
pub fn state(_engine: &Arc<Engine>, _request: AppStateGet) -> Result<AppState> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn update(_engine: &Arc<Engine>, _request: SettingsUpdate) -> Result<Settings> {
    Err(Error::new(Code::Internal, "not built yet"))
}
