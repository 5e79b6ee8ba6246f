//! One integration test binary over the core and the real `casementctl` process. No GTK.
//!
//! - `architecture`: the rules of `docs/architecture.md`.
//! - `attacks`: what strangers send to the listener, and that nothing comes of it.
//! - `backup`: a workspace saved and brought back, by the real process.
//! - `bad_input`: what is wrong gets a clear sentence, and nothing is lost.
//! - `bad_places`: the same for ports, folders, disks and databases that cannot be used.
//! - `bindings`: the TypeScript that the window compiles against is made from the command table.
//! - `consent`: a reader is asked, agrees, is measured and refuses again, by the real process.
//! - `data_request`: a reader's copy and erasure, by the real process, killed after each answer.
//! - `demo`: every number of the demo follows from its mails and its log of requests.
//! - `docs`: the tests that the documents name exist.
//! - `durability`: what was answered with 200 outlives kills, power cuts, full disks and locks.
//! - `engine`: one engine per workspace, frames, crashes, pause and cancel, by the real process.
//! - `erasure`: an erased person is in no file of the workspace, nor in a new backup.
//! - `incoming`: a real bounce, a wish to unsubscribe by mail, pasted addresses, bad files.
//! - `indistinguishable`: neither bytes nor time tell one token from another.
//! - `judge_file`: what `judge` says of user agents, and of files that it cannot read.
//! - `kill_sending`: the sending process is killed, again and again, and nobody is left out or sent to twice.
//! - `listening`: what `listen` prints while it runs, and what the report says of the time it did not.
//! - `routes`: the addresses that mails were sent with, and what is typed before a launch, by the real process.
//! - `sending_on`: a campaign with files; retry, new people, copies and uncertain mails, by the real process.
//! - `sign_in`: `account login` and `account trust` at Postfix and Dovecot, which ask the authorization server.
//! - `simulate`: invented campaigns through the real judge, the report beside the truth.
//! - `reach`: tunnels over a real sshd and over stand-ins; what is left of them when this program ends.
//! - `reach_mail`: mail whose addresses lead through ssh and Caddy on a server, from Postfix to the report.
//! - `real_mail`: fifty mails through Postfix and Dovecot, read, opened, opted out of, reported.
//! - `window_end`: tracking ends with the window and its grace; what is left, and what readers still get.
//! - `harness`: Postfix, Dovecot, `casementctl` and the clients that look at them; no tests of the product.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod architecture;
mod attacks;
mod backup;
mod bad_input;
mod bad_places;
mod bindings;
mod consent;
mod data_request;
mod demo;
mod docs;
mod durability;
mod engine;
mod erasure;
mod harness;
mod incoming;
mod indistinguishable;
mod judge_file;
mod kill_sending;
mod listening;
mod outside;
mod reach;
mod reach_mail;
mod real_mail;
mod routes;
mod sending_on;
mod sign_in;
mod simulate;
mod window_end;
