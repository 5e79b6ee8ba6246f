//! See `casement_core::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| casement_core::fuzz::routes(bytes));
