//! The embedded outbox.

use super::engine::Engine;
use crate::api::{
    Code, Error, OutboxGet, OutboxList, OutboxListResponse, OutboxMail, OutboxOpenAs, OutboxOpenAsResponse,
    Result,
};
use std::sync::Arc;

/// Not built yet.
pub fn list(_engine: &Arc<Engine>, _request: OutboxList) -> Result<OutboxListResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn get(_engine: &Arc<Engine>, _request: OutboxGet) -> Result<OutboxMail> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn open_as(_engine: &Arc<Engine>, _request: OutboxOpenAs) -> Result<OutboxOpenAsResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}
