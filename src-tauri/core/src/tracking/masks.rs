//! Machines in a browser's clothes: what no browser says of itself. Pure.

use super::agent::Agent;

/// A name hung on a browser's user agent where browsers have none: after the last version, or after the engine's
/// `like Gecko`.
pub(super) fn wears_a_mask(agent: &Agent) -> bool {
    const NAMES: &[&str] = &[
        "tv",
        "mobile",
        "mrchrome",
        "steamdeck",
        "xfce",
        "gnome",
        "kde",
        "ubuntu",
        "desktop",
        "webview",
        "beta",
        "safari",
        "chrome",
        "gecko",
        "lite",
        "sputnik",
        "stable",
        "google",
    ];
    // "like Gecko, Safari/419" was WebKit's own way once; televisions list what they can play.
    const AFTER_ENGINE: &[&str] = &["safari", "hevc", "gzip", "googleweblight", "chrome"];
    let browser = agent.products.iter().any(|product| {
        product.versioned && matches!(product.name.as_str(), "safari" | "chrome" | "firefox" | "edg")
    });
    let is_name = |name: &str| {
        name.len() > 2
            && name.starts_with(char::is_alphabetic)
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
            && !NAMES.contains(&name)
            && !["browser", "android", "iphone", "ipad", "tv"]
                .iter()
                .any(|ending| name.ends_with(ending))
            && !name.starts_with("gtb")
    };
    let named_last = agent.ends_outside
        && agent
            .products
            .last()
            .is_some_and(|product| !product.versioned && is_name(&product.name));
    let named_inside = ["like gecko;", "like gecko,"].iter().any(|engine| {
        agent.text.split_once(engine).is_some_and(|(_, rest)| {
            let rest = rest.trim_start();
            rest.starts_with(char::is_alphabetic) && !AFTER_ENGINE.iter().any(|name| rest.starts_with(name))
        })
    });
    // Televisions hang on whatever their makers like.
    browser && !agent.has_word(&["hbbtv", "tv"]) && (named_last || named_inside)
}

/// `compatible;` in a comment names a real browser, or it is a crawler's mask.
pub(super) fn is_compatible_with_nothing(agent: &Agent) -> bool {
    agent.has_phrase(&["compatible;"])
        && !agent.has_phrase(&["compatible; u;"])
        && !agent.has_word(&[
            "msie",
            "trident",
            "konqueror",
            "opera",
            "icab",
            "netfront",
            "netpositive",
            "omniweb",
            "aol",
            "webtv",
            "planetweb",
        ])
}

/// Browsers built on Internet Explorer, which named their makers' addresses.
pub(super) fn is_dressed_browser(agent: &Agent) -> bool {
    agent.has_word(&["msie"]) && agent.has_ending(&["browser"], &[])
}
