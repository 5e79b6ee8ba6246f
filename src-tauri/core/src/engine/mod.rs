//! One engine per workspace: the lock that makes it so, the local socket by which others reach it, and its
//! long jobs.
//!
//! Knows nothing of campaigns or mail; `app::engine` puts the parts together.

pub mod jobs;
pub mod lock;
pub mod socket;
