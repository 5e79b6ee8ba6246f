//! From a document to the finished mail: document → MJML → HTML and text, merge fields, pixel and list
//! headers, MIME. One renderer for preview and for sending.
//!
//! Pure: knows no database, no network, no clock; time and ids come in as arguments.

pub mod document;
