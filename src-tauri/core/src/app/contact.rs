//! Contacts, lists, consent, suppression, erasure.

use super::engine::Engine;
use crate::api::{
    Code, ContactConsentSet, ContactDetails, ContactErase, ContactEraseResponse, ContactExport,
    ContactExportResponse, ContactGet, ContactList, ContactListResponse, ContactSave, ContactSaved,
    ContactSuppress, Done, Error, ListList, ListListResponse, ListRemove, ListSave, ListSaved, Result,
};
use std::sync::Arc;

/// Not built yet.
pub fn list(_engine: &Arc<Engine>, _request: ContactList) -> Result<ContactListResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn get(_engine: &Arc<Engine>, _request: ContactGet) -> Result<ContactDetails> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn save(_engine: &Arc<Engine>, _request: ContactSave) -> Result<ContactSaved> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn consent_set(_engine: &Arc<Engine>, _request: ContactConsentSet) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn suppress(_engine: &Arc<Engine>, _request: ContactSuppress) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn erase(_engine: &Arc<Engine>, _request: ContactErase) -> Result<ContactEraseResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn export(_engine: &Arc<Engine>, _request: ContactExport) -> Result<ContactExportResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn lists(_engine: &Arc<Engine>, _request: ListList) -> Result<ListListResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn list_save(_engine: &Arc<Engine>, _request: ListSave) -> Result<ListSaved> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn list_remove(_engine: &Arc<Engine>, _request: ListRemove) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}
