//! Outgoing connections other than mail.

pub mod http;
