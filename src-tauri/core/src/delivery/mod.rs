//! From a finished campaign to accepted mails: the plan, the letter, the pace, and what to do about errors.
//!
//! `plan`, `pace`, `quota`, `retry`, `standing`, `letter` and `provider` are pure. `transport` is the port that adapters in `mail`
//! implement; `dispatcher` is the worker loop, which sees the ledger through the port in `office`. Knows neither
//! SQL nor SMTP; `app::sending` wires it. Start at [`dispatcher`].

pub mod dispatcher;
pub mod letter;
pub mod office;
pub mod pace;
pub mod plan;
pub mod provider;
pub mod quota;
pub mod retry;
pub mod standing;
pub mod transport;
