//! From a document to the finished mail: document → MJML → HTML and text, merge fields, pixel and list
//! headers, MIME. One renderer for preview and for sending.
//!
//! Pure: knows no database, no network, no clock; time and ids come in as arguments. Start at [`template`],
//! then [`mime`], then [`audit`], which trusts neither.

pub mod audit;
pub mod document;
mod footer;
pub mod link;
pub mod markdown;
pub mod mime;
mod mjml;
pub mod personalise;
pub mod pixel;
pub mod template;
#[cfg(test)]
mod tests;
mod text;

pub use footer::{OPENS_FRAGMENT, QUESTION_FRAGMENT};

/// Adds `text` to HTML, safe in text and in quoted attributes.
fn push_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}
