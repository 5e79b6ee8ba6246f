//! Marked sample data.

use super::engine::Engine;
use crate::api::{Code, Done, Error, JobStarted, Result, SampleDataAdd, SampleDataRemove};
use std::sync::Arc;

/// Not built yet.
pub fn add(_engine: &Arc<Engine>, _request: SampleDataAdd) -> Result<JobStarted> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn remove(_engine: &Arc<Engine>, _request: SampleDataRemove) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}
