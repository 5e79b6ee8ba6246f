//! Numbers from counts: rates with their range, series, words for what happened, and files of them.
//!
//! Pure but for what `app::report` writes: knows no database and no clock. Start at [`rate`].

pub mod rate;
