//! Keeps the window on its own page: a link to elsewhere opens in the person's browser or mail program.

use tauri::plugin::TauriPlugin;
use tauri::{Manager, Url, Webview, Wry};
use tauri_plugin_opener::OpenerExt;

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
enum Leads {
    /// To the page itself, or to a preview that it shows in a frame.
    Here,
    /// Out, to a program of the person's choice.
    Out,
    /// To something that no link of ours should lead to.
    Nowhere,
}

/// Decides where `url` leads; `dev_server` is Vite's address during development.
fn leads(url: &Url, dev_server: Option<&Url>) -> Leads {
    let is_dev_server = dev_server.is_some_and(|dev| dev.origin() == url.origin());
    match (url.scheme(), url.host_str()) {
        ("tauri" | "about" | "blob", _) => Leads::Here,
        ("http" | "https", Some("tauri.localhost")) => Leads::Here,
        ("http" | "https", _) if is_dev_server => Leads::Here,
        ("http" | "https" | "mailto", _) => Leads::Out,
        _ => Leads::Nowhere,
    }
}

/// The plugin that asks at every navigation.
pub fn plugin() -> TauriPlugin<Wry> {
    tauri::plugin::Builder::new("casement-links")
        .on_navigation(on_navigation)
        .build()
}

fn on_navigation(webview: &Webview, url: &Url) -> bool {
    let app = webview.app_handle();
    let dev_server = if tauri::is_dev() {
        app.config().build.dev_url.as_ref()
    } else {
        None
    };
    match leads(url, dev_server) {
        Leads::Here => true,
        Leads::Out => {
            if let Err(error) = app.opener().open_url(url.as_str(), None::<&str>) {
                tracing::warn!("no program opens links of the kind {}: {error}", url.scheme());
            }
            false
        }
        Leads::Nowhere => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_page_opens_in_the_window() {
        let dev = Url::parse("http://127.0.0.1:5173").expect("a URL");
        let table = [
            ("tauri://localhost/index.html#/report/1", Leads::Here),
            ("http://tauri.localhost/", Leads::Here),
            ("about:srcdoc", Leads::Here),
            ("http://127.0.0.1:5173/#/", Leads::Here),
            ("http://127.0.0.1:8080/u/abc", Leads::Out),
            ("https://example.org/", Leads::Out),
            ("mailto:ana@example.org", Leads::Out),
            ("file:///etc/passwd", Leads::Nowhere),
            ("javascript:alert(1)", Leads::Nowhere),
            ("data:text/html,x", Leads::Nowhere),
        ];
        for (url, expected) in table {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(leads(&url, Some(&dev)), expected, "where {url} leads");
        }
    }
}
