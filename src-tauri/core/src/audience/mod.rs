//! Who: files into contacts, rules into people, addresses into keyed hashes.

pub mod address;
pub mod import;
