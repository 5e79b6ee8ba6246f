//! Campaigns as drafts and rows.

use super::engine::Engine;
use crate::api::{
    Campaign, CampaignDuplicate, CampaignFile, CampaignGet, CampaignList, CampaignListResponse,
    CampaignRemove, CampaignSave, CampaignSaved, Code, Done, Error, Result,
};
use std::sync::Arc;

/// Not built yet.
pub fn list(_engine: &Arc<Engine>, _request: CampaignList) -> Result<CampaignListResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn get(_engine: &Arc<Engine>, _request: CampaignGet) -> Result<Campaign> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn save(_engine: &Arc<Engine>, _request: CampaignSave) -> Result<CampaignSaved> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn create(_engine: &Arc<Engine>, _request: CampaignFile) -> Result<CampaignSaved> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn duplicate(_engine: &Arc<Engine>, _request: CampaignDuplicate) -> Result<CampaignSaved> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn remove(_engine: &Arc<Engine>, _request: CampaignRemove) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}
