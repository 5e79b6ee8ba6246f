//! What must hold of request lines and forms, whatever bytes come. See [`crate::fuzz`].

use super::body::{Posted, posted};
use super::routes::{Route, route};
use super::{Method, Wish};
use crate::tracking::token::Token;

/// Reads `bytes` as a method, a space and a target; and as what stands around a token.
pub fn routes(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (method, target) = text.split_once(' ').unwrap_or(("GET", &text));
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let reads = matches!(method, "GET" | "HEAD");
    let found = route(method, target);
    match found {
        Route::Pixel(token, how) => {
            assert_eq!(path, format!("/o/{token}.gif"), "one spelling");
            assert!(reads);
            assert_eq!(how == Method::Head, method == "HEAD");
        }
        Route::Show(token) => assert!(reads && path == format!("/u/{token}")),
        Route::ShowErasure(token) => assert!(reads && path == format!("/e/{token}")),
        Route::Act(token) => assert!(method == "POST" && path == format!("/u/{token}")),
        Route::Erase(token) => assert!(method == "POST" && path == format!("/e/{token}")),
        Route::Robots => assert!(reads && path == "/robots.txt"),
        Route::Health => assert!(reads && path == "/healthz"),
        Route::Watch | Route::Probe => panic!("only the gate knows paths that no reader asks for"),
        Route::WrongMethod(allowed) => {
            assert!(!allowed.split(", ").any(|allowed| allowed == method));
            assert!(!matches!(route("GET", target), Route::Unknown), "the path exists");
        }
        Route::Unknown => assert_eq!(route("GET", target), Route::Unknown, "no method makes it known"),
    }
    assert_eq!(found, route(method, path), "a query changes nothing");
    let mut of = [0; 16];
    bytes.iter().zip(&mut of).for_each(|(byte, slot)| *slot = *byte);
    let Some(token) = Token::from_bytes(&of) else {
        panic!("16 bytes are a token");
    };
    for (method, path, wanted) in [
        ("GET", format!("/o/{token}.gif"), Route::Pixel(token, Method::Get)),
        ("HEAD", format!("/u/{token}"), Route::Show(token)),
        ("POST", format!("/u/{token}"), Route::Act(token)),
        ("GET", format!("/e/{token}"), Route::ShowErasure(token)),
        ("POST", format!("/e/{token}"), Route::Erase(token)),
    ] {
        assert_eq!(route(method, &path), wanted);
        assert_eq!(route(method, &format!("{path}?{text}")), wanted, "with any query");
        let longer = route(method, &format!("{path}{text}"));
        let is_query = text.is_empty() || text.starts_with(['?', '#']);
        assert!(is_query || longer == Route::Unknown, "{text:?} behind a path");
    }
}

/// Reads `bytes` as a content type, a line end and a form; and as another field of a form that acts.
pub fn forms(bytes: &[u8]) {
    let (kind, body) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (&b""[..], bytes),
    };
    let kind = String::from_utf8_lossy(kind);
    let found = posted(&kind, body);
    let word = match found {
        Posted::Nothing => None,
        Posted::OneClick => Some("one-click"),
        Posted::Erase => Some("erase"),
        // Of the preference page and of the question: `stop_tracking`, `refuse_tracking`.
        Posted::Form(Wish::StopRecording) => Some("_tracking"),
        Posted::Form(Wish::AllowRecording) => Some("allow_tracking"),
        Posted::Form(Wish::Unsubscribe) => Some("unsubscribe"),
        Posted::Form(Wish::SendData) => Some("send_data"),
        Posted::Form(Wish::EraseRecorded) => Some("erase_recorded"),
    };
    if let Some(word) = word {
        let plain = String::from_utf8_lossy(body).to_lowercase();
        let decoded: String = url::form_urlencoded::parse(body)
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        assert!(
            plain.contains(word) || decoded.to_lowercase().contains(word),
            "{found:?} of {plain:?}"
        );
    }
    // Whatever another field holds, it neither hides a wish nor makes one.
    let encoded: String = url::form_urlencoded::byte_serialize(body).collect();
    let form = "application/x-www-form-urlencoded";
    assert_eq!(
        posted(form, format!("x={encoded}&action=unsubscribe").as_bytes()),
        Posted::Form(Wish::Unsubscribe)
    );
    assert_eq!(posted(form, format!("x={encoded}").as_bytes()), Posted::Nothing);
    const BOUNDARY: &str = "b0undary";
    if !String::from_utf8_lossy(body).contains(BOUNDARY) {
        let part = |name: &str, value: &[u8]| {
            let mut part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n")
                .into_bytes();
            part.extend_from_slice(value);
            part.extend_from_slice(b"\r\n");
            part
        };
        let mut parts = part("x", body);
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        assert_eq!(posted(&kind, &parts), Posted::Nothing);
        parts.extend(part("List-Unsubscribe", b"One-Click"));
        parts.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        assert_eq!(posted(&kind, &parts), Posted::OneClick);
    }
}
