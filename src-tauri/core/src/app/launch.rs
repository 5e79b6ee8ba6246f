//! Prepare, audit, launch, control.

use super::engine::Engine;
use crate::api::{
    CampaignCancel, CampaignLaunch, CampaignPause, CampaignPreflight, CampaignPrepare, CampaignResume,
    CampaignUnprepare, CampaignWindowSet, Code, Done, Error, JobStarted, Preflight, Result,
};
use std::sync::Arc;

/// Not built yet.
pub fn prepare(_engine: &Arc<Engine>, _request: CampaignPrepare) -> Result<JobStarted> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn unprepare(_engine: &Arc<Engine>, _request: CampaignUnprepare) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn preflight(_engine: &Arc<Engine>, _request: CampaignPreflight) -> Result<Preflight> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn launch(_engine: &Arc<Engine>, _request: CampaignLaunch) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn pause(_engine: &Arc<Engine>, _request: CampaignPause) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn resume(_engine: &Arc<Engine>, _request: CampaignResume) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn cancel(_engine: &Arc<Engine>, _request: CampaignCancel) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn window_set(_engine: &Arc<Engine>, _request: CampaignWindowSet) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}
