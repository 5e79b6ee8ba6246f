//! See `casement_core::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("casement-spool-{}", std::process::id()));
    casement_core::fuzz::spool_file(bytes, &path);
});
