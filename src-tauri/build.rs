//! Runs tauri-build for the window; does nothing for the command line.
fn main() {
    // Without a `rerun-if-changed` of our own, Cargo would rerun this for every file under `ui/`.
    for path in ["src-tauri/build.rs", "src-tauri/capabilities", "tauri.conf.json"] {
        println!("cargo:rerun-if-changed={path}");
    }
    #[cfg(feature = "desktop")]
    {
        println!("cargo:rerun-if-changed=ui/dist");
        tauri_build::try_build(
            tauri_build::Attributes::new().capabilities_path_pattern("src-tauri/capabilities/**/*.json"),
        )
        .expect("tauri-build reads tauri.conf.json and src-tauri/capabilities");
    }
}
