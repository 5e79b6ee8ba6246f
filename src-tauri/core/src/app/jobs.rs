//! Long jobs, asked about from outside.

use super::engine::Engine;
use crate::api::{Done, Error, Job, JobCancel, JobGet, JobList, JobListResponse, Result};
use std::sync::Arc;

/// Answers the jobs of this engine.
pub fn list(engine: &Arc<Engine>, _request: JobList) -> Result<JobListResponse> {
    Ok(JobListResponse {
        jobs: engine.jobs.list(),
    })
}

/// Answers one job.
pub fn get(engine: &Arc<Engine>, request: JobGet) -> Result<Job> {
    engine
        .jobs
        .get(request.job)
        .ok_or_else(|| Error::not_found("job", request.job))
}

/// Asks a job to end at its next safe point.
pub fn cancel(engine: &Arc<Engine>, request: JobCancel) -> Result<Done> {
    if engine.jobs.cancel(request.job) {
        Ok(Done {})
    } else {
        Err(Error::not_found("job", request.job))
    }
}
