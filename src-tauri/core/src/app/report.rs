//! Reports and timelines.

use super::engine::Engine;
use crate::api::{
    Code, Error, MessageTimeline, MessageTimelineResponse, Report, ReportExport, ReportExportResponse,
    ReportGet, ReportRecipients, ReportRecipientsResponse, ReportSeries, ReportSeriesResponse, Result,
};
use std::sync::Arc;

/// Not built yet.
pub fn get(_engine: &Arc<Engine>, _request: ReportGet) -> Result<Report> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn series(_engine: &Arc<Engine>, _request: ReportSeries) -> Result<ReportSeriesResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn recipients(_engine: &Arc<Engine>, _request: ReportRecipients) -> Result<ReportRecipientsResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn timeline(_engine: &Arc<Engine>, _request: MessageTimeline) -> Result<MessageTimelineResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn export(_engine: &Arc<Engine>, _request: ReportExport) -> Result<ReportExportResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}
