//! The window: the only target that names Tauri.
//!
//! Owns what only a desktop has (the window, its dialogs, one instance) and knows nothing of campaigns.
fn main() -> tauri::Result<()> {
    tauri::Builder::default()
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_opener::init())
        .run(tauri::generate_context!())
}
