//! The page of its own on which cloudflared says its address and whether it is connected.

use crate::net::http;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it is asked until it is connected.
const POLL: Duration = Duration::from_millis(500);

/// How often it is asked for its address once it is connected.
const PATIENCE: u32 = 20;

/// What it says.
pub(super) enum Said {
    /// The address of a quick tunnel.
    Address(String),
    /// It is connected.
    Ready,
}

/// Asks on a thread of its own until it is connected and has said its address where that is wanted, `over` is set, or
/// `hear` returns false.
pub(super) fn ask(
    port: u16,
    wants_address: bool,
    over: Arc<AtomicBool>,
    hear: impl Fn(Said) -> bool + Send + 'static,
) {
    std::thread::spawn(move || {
        let (mut has_address, mut is_ready) = (!wants_address, false);
        // Its words may have said the address all along: once it is connected it is not asked for ever.
        let mut left = PATIENCE;
        while !over.load(Ordering::Relaxed) && left > 0 {
            if !has_address && let Some(url) = quick_address(port) {
                has_address = true;
                if !hear(Said::Address(url)) {
                    return;
                }
            }
            if !is_ready {
                let answer = http::request(&format!("http://127.0.0.1:{port}/ready"), &[], None);
                is_ready = answer.is_ok_and(|answer| answer.status == 200);
                if is_ready && !hear(Said::Ready) {
                    return;
                }
            }
            match (is_ready, has_address) {
                (true, true) => return,
                (true, false) => left -= 1,
                (false, _) => {}
            }
            std::thread::sleep(POLL);
        }
    });
}

fn quick_address(port: u16) -> Option<String> {
    let answer = http::request(&format!("http://127.0.0.1:{port}/quicktunnel"), &[], None).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let host = value["hostname"].as_str().filter(|host| !host.is_empty())?;
    Some(format!("https://{host}"))
}
