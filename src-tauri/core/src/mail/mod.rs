//! Adapters of the port `delivery::transport::Transport`: a mail server, and the outbox in the workspace.
//!
//! Knows neither the database nor the use cases; what an adapter needs of them it declares as a port.

pub mod outbox;
pub mod smtp;
