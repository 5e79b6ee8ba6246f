//! The document: versioned JSON of typed blocks, as the editor writes it and Markdown becomes it.
//!
//! Texts are MiniJinja sources: `{{ first_name | fallback("there") }}` may stand in any of them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The version of the document format that this build writes and reads.
pub const VERSION: u32 = 1;

/// A mail as its author wrote it. Unknown fields and blocks are refused, so nothing is lost silently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Always [`VERSION`].
    pub version: u32,
    /// From top to bottom; at most 500.
    pub blocks: Vec<Block>,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            version: VERSION,
            blocks: Vec::new(),
        }
    }
}

/// One block of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Block {
    /// A heading.
    Heading {
        /// 1 to 3.
        level: u8,
        /// Its text.
        spans: Vec<Span>,
    },
    /// Paragraphs.
    Text {
        /// At least one.
        paragraphs: Vec<Vec<Span>>,
    },
    /// A list.
    List {
        /// Numbered, or with bullets.
        ordered: bool,
        /// One entry for each item.
        items: Vec<Vec<Span>>,
    },
    /// A picture at an address that readers can reach.
    Image {
        /// `https:` or `http:`.
        src: String,
        /// What it shows, for those who do not see it.
        alt: String,
        /// Width in pixels, 1 to 600; missing takes the full width.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        width: Option<u32>,
        /// Where a click leads; empty leads nowhere.
        #[serde(default)]
        link: String,
    },
    /// A button.
    Button {
        /// What it says.
        label: String,
        /// Where it leads: `https:`, `http:`, `mailto:` or `tel:`.
        link: String,
    },
    /// A line across.
    Divider {},
    /// The footer: this text, then the postal address and the links that end tracking and unsubscribe.
    ///
    /// A document without one gets it at its end.
    Footer {
        /// Paragraphs above the address; may be empty.
        paragraphs: Vec<Vec<Span>>,
    },
}

/// A run of text in one style.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The text; `\n` is a line break.
    pub text: String,
    /// Bold.
    #[serde(default)]
    pub bold: bool,
    /// Italic.
    #[serde(default)]
    pub italic: bool,
    /// `https:`, `http:`, `mailto:` or `tel:`; empty is no link.
    #[serde(default)]
    pub link: String,
}
