//! Use cases: each answers one or several commands, opens the transactions and wires the ports.
//!
//! May use `api`'s structs (plain data) but never its dispatcher. Start at [`engine`].

pub mod account;
#[cfg(test)]
mod account_sending_tests;
#[cfg(test)]
mod account_tests;
pub mod activity;
pub mod after;
#[cfg(test)]
mod asking_tests;
pub mod attachments;
mod auditing;
pub mod backup;
mod bell;
pub mod campaign;
pub mod checks;
mod claim;
pub mod compose;
pub mod contact;
pub mod control;
mod copied;
mod data_request;
pub mod engine;
pub mod error;
mod findings;
pub mod follow_up;
pub mod home;
pub mod import;
pub mod incoming;
pub mod jobs;
pub mod judge_file;
pub mod judging;
pub mod launch;
#[cfg(test)]
mod limits_tests;
pub mod login;
#[cfg(test)]
mod login_tests;
mod mail_file;
pub mod outbox;
pub mod preflight;
pub mod progress;
pub mod reach;
pub mod reach_probe;
pub mod readers;
pub mod rehearsal;
pub mod report;
pub mod routes;
pub mod sample;
mod schedule;
#[cfg(test)]
mod schedule_tests;
pub mod sending;
#[cfg(test)]
mod sending_faults_tests;
#[cfg(test)]
mod sending_tests;
pub mod settings;
pub mod sign_in;
pub mod simulate;
pub(crate) mod standing;
#[cfg(test)]
pub(crate) mod testing;
pub mod tracking;
mod transports;
pub mod trust;
pub mod tunnel;
pub mod upkeep;
pub mod verify;
pub mod workspace;
