//! What a request line asks for. Paths under a base address never change: sent mail keeps them for ever.

use super::Method;
use crate::tracking::token::Token;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `/o/{token}.gif`
    Pixel(Token, Method),
    /// `/u/{token}` with GET or HEAD: show, never act.
    Show(Token),
    /// `/u/{token}` with POST.
    Act(Token),
    /// `/e/{token}` with GET or HEAD: show what would be erased, never erase.
    ShowErasure(Token),
    /// `/e/{token}` with POST.
    Erase(Token),
    /// `/robots.txt`
    Robots,
    /// `/healthz`: answers, and tells nothing.
    Health,
    /// The watchdog's path of the moment; only the gate knows it.
    Watch,
    /// `/.well-known/casement/{nonce}`: a question that this process asks itself from outside. Only the gate knows which
    /// it waits for; to all others there is nothing there.
    Probe,
    /// A known path with a method that it does not take; these it takes.
    WrongMethod(&'static str),
    /// Anything else.
    Unknown,
}

/// Reads method and path. A query is ignored: some proxies add one of their own.
pub fn route(method: &str, target: &str) -> Route {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let read = match method {
        "GET" => Some(Method::Get),
        "HEAD" => Some(Method::Head),
        _ => None,
    };
    if let Some(token) = path
        .strip_prefix("/o/")
        .and_then(|rest| rest.strip_suffix(".gif"))
        .and_then(Token::parse)
    {
        return read.map_or(Route::WrongMethod("GET, HEAD"), |method| {
            Route::Pixel(token, method)
        });
    }
    if let Some(token) = path.strip_prefix("/u/").and_then(Token::parse) {
        return match (read, method) {
            (Some(_), _) => Route::Show(token),
            (None, "POST") => Route::Act(token),
            _ => Route::WrongMethod("GET, HEAD, POST"),
        };
    }
    if let Some(token) = path.strip_prefix("/e/").and_then(Token::parse) {
        return match (read, method) {
            (Some(_), _) => Route::ShowErasure(token),
            (None, "POST") => Route::Erase(token),
            _ => Route::WrongMethod("GET, HEAD, POST"),
        };
    }
    match (path, read) {
        ("/robots.txt", Some(_)) => Route::Robots,
        ("/healthz", Some(_)) => Route::Health,
        ("/robots.txt" | "/healthz", None) => Route::WrongMethod("GET, HEAD"),
        _ => Route::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SeededEntropy;

    #[test]
    fn every_path_has_one_meaning() {
        let token = Token::generate(&SeededEntropy::new(1));
        let pixel = format!("/o/{token}.gif");
        let page = format!("/u/{token}");
        let erasure = format!("/e/{token}");
        let table = [
            ("GET", pixel.clone(), Route::Pixel(token, Method::Get)),
            ("HEAD", pixel.clone(), Route::Pixel(token, Method::Head)),
            ("GET", format!("{pixel}?x=1"), Route::Pixel(token, Method::Get)),
            ("POST", pixel.clone(), Route::WrongMethod("GET, HEAD")),
            ("get", pixel.clone(), Route::WrongMethod("GET, HEAD")),
            ("GET", page.clone(), Route::Show(token)),
            ("HEAD", page.clone(), Route::Show(token)),
            ("POST", page.clone(), Route::Act(token)),
            ("DELETE", page.clone(), Route::WrongMethod("GET, HEAD, POST")),
            ("GET", erasure.clone(), Route::ShowErasure(token)),
            (
                "HEAD",
                format!("{erasure}?action=erase"),
                Route::ShowErasure(token),
            ),
            ("POST", erasure.clone(), Route::Erase(token)),
            ("DELETE", erasure.clone(), Route::WrongMethod("GET, HEAD, POST")),
            ("POST", format!("{erasure}x"), Route::Unknown),
            ("GET", "/robots.txt".into(), Route::Robots),
            ("GET", "/healthz".into(), Route::Health),
            ("GET", "/".into(), Route::Unknown),
            ("GET", format!("/o/{token}"), Route::Unknown),
            ("GET", format!("/o/{token}.png"), Route::Unknown),
            ("GET", pixel.to_uppercase(), Route::Unknown),
            ("GET", format!("/o/x{token}.gif"), Route::Unknown),
            ("GET", format!("/o/../u/{token}"), Route::Unknown),
            ("GET", "http://example.org/o/x.gif".into(), Route::Unknown),
            ("GET", String::new(), Route::Unknown),
        ];
        for (method, path, wanted) in table {
            assert_eq!(route(method, &path), wanted, "{method} {path}");
        }
    }
}
