//! May a hit be recorded, what kind of fetch was it, and the way into the database.
//!
//! `token`, `policy`, `classify` and `judge` are pure; `ingest` queues what the listener hands on.

pub mod token;
