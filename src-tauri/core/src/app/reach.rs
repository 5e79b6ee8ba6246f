//! The base address and the listener.

use super::engine::Engine;
use crate::api::{
    Address, AddressSet, AddressShow, Code, Error, ListenerStart, ListenerStatus, ListenerStatusGet,
    ListenerStop, Result,
};
use std::sync::Arc;

/// Not built yet.
pub fn address_show(_engine: &Arc<Engine>, _request: AddressShow) -> Result<Address> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn address_set(_engine: &Arc<Engine>, _request: AddressSet) -> Result<Address> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn listener_status(_engine: &Arc<Engine>, _request: ListenerStatusGet) -> Result<ListenerStatus> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn listener_start(_engine: &Arc<Engine>, _request: ListenerStart) -> Result<ListenerStatus> {
    Err(Error::new(Code::Internal, "not built yet"))
}

/// Not built yet.
pub fn listener_stop(_engine: &Arc<Engine>, _request: ListenerStop) -> Result<ListenerStatus> {
    Err(Error::new(Code::Internal, "not built yet"))
}
