//! Outgoing connections other than mail, and names.

pub mod dkim;
pub mod dns;
pub mod http;
pub mod oauth;
