//! Files into contacts.

use super::engine::Engine;
use crate::api::{Code, Error, ImportPreview, ImportPreviewResponse, ImportRun, JobStarted, Result};
use std::sync::Arc;

/// Not built yet.
pub fn preview(_engine: &Arc<Engine>, _request: ImportPreview) -> Result<ImportPreviewResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn run(_engine: &Arc<Engine>, _request: ImportRun) -> Result<JobStarted> {
    Err(Error::new(Code::Internal, "not built yet"))
}
