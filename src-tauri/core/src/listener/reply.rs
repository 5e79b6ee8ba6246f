//! What requests are answered with, as plain data: status, headers, bytes.

use super::pages::{self, CONTENT_SECURITY_POLICY, Page};
use crate::render::pixel::GIF;

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Vec<u8>,
}

const NO_STORE: (&str, &str) = (
    "Cache-Control",
    "no-store, no-cache, must-revalidate, private, max-age=0",
);

/// The fields of every answer with the picture. The gate adds them: written by tiny_http, each costs allocations
/// on the hottest path there is.
pub(super) const PIXEL_FIELDS: [(&str, &str); 8] = [
    ("Content-Type", "image/gif"),
    NO_STORE,
    ("Pragma", "no-cache"),
    ("Expires", "0"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    ("X-Robots-Tag", "noindex"),
];

impl Reply {
    pub fn pixel(status: u16) -> Self {
        Self {
            status,
            headers: PIXEL_FIELDS.to_vec(),
            body: GIF.to_vec(),
        }
    }

    /// The picture as the inner server answers it, without the fields that the gate adds.
    pub fn bare_pixel(status: u16) -> Self {
        Self {
            status,
            // Without one of its own tiny_http would name itself, which the gate has to take out again.
            headers: vec![("Server", "-")],
            body: GIF.to_vec(),
        }
    }

    pub fn pixel_unavailable() -> Self {
        Self::pixel(503)
    }

    pub fn page(status: u16, html: String) -> Self {
        Self {
            status,
            headers: vec![
                ("Content-Type", "text/html; charset=utf-8"),
                ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
                NO_STORE,
                ("X-Content-Type-Options", "nosniff"),
                ("Referrer-Policy", "no-referrer"),
                ("X-Robots-Tag", "noindex"),
            ],
            body: html.into_bytes(),
        }
    }

    pub fn page_unavailable() -> Self {
        Self::page(503, pages::unavailable())
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![
                ("Content-Type", "text/plain; charset=utf-8"),
                NO_STORE,
                ("X-Content-Type-Options", "nosniff"),
                ("X-Robots-Tag", "noindex"),
            ],
            body: body.as_bytes().to_vec(),
        }
    }

    pub fn of_page(page: Option<Page>) -> Self {
        match page {
            Some(page) => Self::page(200, page.html()),
            None => Self::page_unavailable(),
        }
    }
}
