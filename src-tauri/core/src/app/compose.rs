//! Preview, test mail, Markdown.

use super::engine::Engine;
use crate::api::{
    CampaignPreview, CampaignTestMail, Code, DocumentFromMarkdown, DocumentResponse, Error, Preview, Result,
    TestMailResponse,
};
use std::sync::Arc;

/// Not built yet.
pub fn preview(_engine: &Arc<Engine>, _request: CampaignPreview) -> Result<Preview> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn test_mail(_engine: &Arc<Engine>, _request: CampaignTestMail) -> Result<TestMailResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn from_markdown(_engine: &Arc<Engine>, _request: DocumentFromMarkdown) -> Result<DocumentResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}
