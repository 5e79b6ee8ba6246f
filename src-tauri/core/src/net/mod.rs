//! Outgoing connections other than mail.

pub mod http;
pub mod oauth;
