//! Numbers from counts: rates with their range, series over time, words for what happened, and files of them.
//!
//! Pure: knows no database, no file and no clock. Start at [`rate`].

pub mod csv;
pub mod page;
pub mod provider;
pub mod rate;
pub mod series;
pub mod timeline;
pub mod words;
