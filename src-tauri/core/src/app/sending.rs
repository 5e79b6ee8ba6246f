//! The dispatcher wired to the ledger and the accounts.
