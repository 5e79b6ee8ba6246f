//! Use cases: each answers one or several commands, opens the transactions and wires the ports.
//!
//! May use `api`'s structs (plain data) but never its dispatcher. Start at [`engine`].

pub mod account;
pub mod activity;
#[cfg(test)]
mod asking_tests;
mod bell;
pub mod campaign;
pub mod checks;
pub mod compose;
pub mod contact;
pub mod control;
mod data_request;
pub mod engine;
pub mod error;
pub mod home;
pub mod import;
pub mod incoming;
pub mod jobs;
pub mod judge_file;
pub mod judging;
pub mod launch;
#[cfg(test)]
mod limits_tests;
pub mod outbox;
pub mod preflight;
pub mod reach;
pub mod readers;
pub mod rehearsal;
pub mod report;
pub mod sample;
pub mod sending;
#[cfg(test)]
mod sending_tests;
pub mod settings;
pub mod simulate;
#[cfg(test)]
pub(crate) mod testing;
pub mod tracking;
mod transports;
pub mod upkeep;
pub mod verify;
pub mod workspace;
