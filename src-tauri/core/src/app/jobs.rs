//! Long jobs, asked about from outside.

use super::engine::Engine;
use crate::api::{Code, Done, Error, Job, JobCancel, JobGet, JobList, JobListResponse, Result};
use std::sync::Arc;

/// Not built yet.
pub fn list(_engine: &Arc<Engine>, _request: JobList) -> Result<JobListResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn get(_engine: &Arc<Engine>, _request: JobGet) -> Result<Job> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn cancel(_engine: &Arc<Engine>, _request: JobCancel) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}
