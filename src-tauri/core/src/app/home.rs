//! The home page.

use super::engine::Engine;
use crate::api::{Code, Error, Home, HomeGet, Result};
use std::sync::Arc;

/// Not built yet.
pub fn get(_engine: &Arc<Engine>, _request: HomeGet) -> Result<Home> {
    Err(Error::new(Code::Internal, "not built yet"))
}
