//! Accounts: save, test, remove.

use super::engine::Engine;
use crate::api::{
    Account, AccountList, AccountListResponse, AccountRemove, AccountSave, AccountTest, AccountTestResponse,
    Code, Done, Error, Result,
};
use std::sync::Arc;

/// Not built yet.
pub fn list(_engine: &Arc<Engine>, _request: AccountList) -> Result<AccountListResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn save(_engine: &Arc<Engine>, _request: AccountSave) -> Result<Account> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn remove(_engine: &Arc<Engine>, _request: AccountRemove) -> Result<Done> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn test(_engine: &Arc<Engine>, _request: AccountTest) -> Result<AccountTestResponse> {
    Err(Error::new(Code::Internal, "not built yet"))
}
