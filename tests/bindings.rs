//! The committed TypeScript is what the command table says.

use std::path::Path;

#[test]
fn committed_bindings_are_what_the_command_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/src/lib/bindings/api.ts");
    let made = casement_core::api::typescript();
    // `cargo xtask bindings` sets this to write the file instead of comparing it.
    if std::env::var_os("CASEMENT_WRITE_BINDINGS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "{} is stale; run `cargo xtask bindings` and commit it",
        path.display()
    );
}
