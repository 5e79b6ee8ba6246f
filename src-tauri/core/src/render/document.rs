//! The document: versioned JSON of typed blocks, as the editor writes it and Markdown becomes it.
//!
//! Texts are MiniJinja sources: `{{ first_name | fallback("there") }}` may stand in any of them.

use super::link;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The largest document in its JSON form.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The most blocks of a document.
pub const MAX_BLOCKS: usize = 500;

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
    /// A picture: at an address that readers can reach, or a file of the campaign's own that goes with every mail.
    Image {
        /// `https:` or `http:`; or `picture:` and the 64 hexadecimal digits of the file's SHA-256.
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
    /// The question whether opens may be recorded: the words that are agreed to, and one link to the reader's page
    /// with its two buttons.
    ///
    /// Only people who have not answered and were not asked of late get it; everybody else's mail leaves it out.
    /// A mail with it carries no pixel. At most one in a document.
    Consent {
        /// What the person agrees to, as it is kept with their answer: the same for everyone, so no merge fields.
        wording: String,
        /// What the link says.
        label: String,
        /// Send this mail only to people who can be asked.
        #[serde(default)]
        only: bool,
    },
    /// The footer: this text, then the postal address and the links that end tracking and unsubscribe.
    ///
    /// A document without one gets it at its end.
    Footer {
        /// Paragraphs above the address; may be empty.
        paragraphs: Vec<Vec<Span>>,
    },
}

/// The question of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The words that are agreed to, without blanks around them.
    pub wording: &'a str,
    /// The mail goes to nobody who would get it without the question.
    pub only: bool,
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

/// Why a text is no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Above [`MAX_BYTES`].
    #[error("the mail has {bytes} bytes; a document may have 1 MiB, so shorten it or link to pictures")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A version that this build does not know.
    #[error(
        "the mail was written by a newer version of Casement (document version {found}, this build knows {VERSION}); update the app"
    )]
    Newer {
        /// The version found.
        found: u64,
    },
    /// Not the JSON of a document.
    #[error("the mail is no document that this build can read: {0}")]
    Syntax(String),
    /// It reads, but cannot be sent as it is.
    #[error("{}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Invalid(Vec<Problem>),
}

/// Something in a document that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The block, from 0; `None` where it concerns the document itself.
    pub block: Option<u32>,
    /// The part of the block: `link`, `src`, `level`.
    pub place: &'static str,
    /// What is wrong and what to do; lower case, no period.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.block {
            Some(block) => write!(f, "block {}: {}", block + 1, self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Document {
    /// Reads the JSON form and checks it as [`Document::problems`] does.
    pub fn parse(json: &str) -> Result<Self, DocumentError> {
        if json.len() > MAX_BYTES {
            return Err(DocumentError::TooLarge { bytes: json.len() });
        }
        let value: serde_json::Value =
            serde_json::from_str(json).map_err(|error| DocumentError::Syntax(error.to_string()))?;
        // The version first: what a newer build added would otherwise be reported as a misspelt field.
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(found) if found > u64::from(VERSION) => return Err(DocumentError::Newer { found }),
            _ => {
                return Err(DocumentError::Syntax(format!(
                    "its version is missing or unknown; this build writes version {VERSION}"
                )));
            }
        }
        let document: Self =
            serde_json::from_value(value).map_err(|error| DocumentError::Syntax(error.to_string()))?;
        let problems = document.problems();
        if problems.is_empty() {
            Ok(document)
        } else {
            Err(DocumentError::Invalid(problems))
        }
    }

    /// Returns what the mail asks its readers, if it asks.
    pub fn question(&self) -> Option<Question<'_>> {
        self.blocks.iter().find_map(|block| match block {
            Block::Consent { wording, only, .. } => Some(Question {
                wording: wording.trim(),
                only: *only,
            }),
            _ => None,
        })
    }

    /// Returns the digests of the campaign's own pictures that the mail shows, in their order, none twice.
    pub fn pictures(&self) -> Vec<&str> {
        let mut found = Vec::new();
        for block in &self.blocks {
            if let Block::Image { src, .. } = block
                && let Some(digest) = super::mime::picture_digest(src.trim())
                && !found.contains(&digest)
            {
                found.push(digest);
            }
        }
        found
    }

    /// Returns all that keeps this document from being sent: limits, levels, links, pictures.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut whole = |message: String| {
            problems.push(Problem {
                block: None,
                place: "document",
                message,
            });
        };
        if self.version != VERSION {
            whole(format!(
                "document version {} is unknown; this build knows {VERSION}",
                self.version
            ));
        }
        if self.blocks.len() > MAX_BLOCKS {
            whole(format!(
                "the mail has {} blocks; it may have {MAX_BLOCKS}",
                self.blocks.len()
            ));
        }
        let bytes: usize = self.blocks.iter().map(Block::text_bytes).sum();
        if bytes > MAX_BYTES {
            whole(format!("the mail's text has {bytes} bytes; it may have 1 MiB"));
        }
        let many = |is_one: fn(&Block) -> bool| self.blocks.iter().filter(|block| is_one(block)).count() > 1;
        if many(|block| matches!(block, Block::Footer { .. })) {
            whole("the mail has more than one footer; remove all but one".to_owned());
        }
        if many(|block| matches!(block, Block::Consent { .. })) {
            whole("the mail asks for consent more than once; remove all but one question".to_owned());
        }
        for (index, block) in self.blocks.iter().enumerate() {
            block.check(index as u32, &mut problems);
        }
        problems
    }
}

impl Block {
    /// Returns every run of text in the block, in order.
    pub fn spans(&self) -> Box<dyn Iterator<Item = &Span> + '_> {
        match self {
            Self::Heading { spans, .. } => Box::new(spans.iter()),
            Self::Text { paragraphs } | Self::Footer { paragraphs } => Box::new(paragraphs.iter().flatten()),
            Self::List { items, .. } => Box::new(items.iter().flatten()),
            Self::Image { .. } | Self::Button { .. } | Self::Divider {} | Self::Consent { .. } => {
                Box::new(std::iter::empty())
            }
        }
    }

    fn text_bytes(&self) -> usize {
        let own = match self {
            Self::Image { src, alt, link, .. } => src.len() + alt.len() + link.len(),
            Self::Button { label, link } => label.len() + link.len(),
            Self::Consent { wording, label, .. } => wording.len() + label.len(),
            _ => 0,
        };
        own + self
            .spans()
            .map(|span| span.text.len() + span.link.len())
            .sum::<usize>()
    }

    fn check(&self, block: u32, problems: &mut Vec<Problem>) {
        let mut wrong = |place, message: String| {
            problems.push(Problem {
                block: Some(block),
                place,
                message,
            });
        };
        match self {
            Self::Heading { level, .. } if !(1..=3).contains(level) => {
                wrong("level", format!("a heading has level 1 to 3, not {level}"));
            }
            Self::Text { paragraphs } if paragraphs.is_empty() => {
                wrong(
                    "paragraphs",
                    "a text block has no paragraph; remove the block".to_owned(),
                );
            }
            Self::List { items, .. } if items.is_empty() => {
                wrong("items", "a list has no item; remove the block".to_owned());
            }
            Self::Image { src, width, link, .. } => {
                if let Err(error) = link::check_source(src, link::Kind::Picture) {
                    wrong("src", error.to_string());
                }
                if width.is_some_and(|width| !(1..=600).contains(&width)) {
                    wrong("width", "a picture is 1 to 600 pixels wide".to_owned());
                }
                if !link.is_empty()
                    && let Err(error) = link::check_source(link, link::Kind::Link)
                {
                    wrong("link", error.to_string());
                }
            }
            Self::Button { label, link } => {
                if label.trim().is_empty() {
                    wrong("label", "a button says nothing; give it a label".to_owned());
                }
                if let Err(error) = link::check_source(link, link::Kind::Link) {
                    wrong("link", error.to_string());
                }
            }
            Self::Consent { wording, label, .. } => {
                if label.trim().is_empty() {
                    wrong(
                        "label",
                        "the link to the answer says nothing; give it a label".to_owned(),
                    );
                }
                if let Some(message) = wrong_wording(wording) {
                    wrong("wording", message.to_owned());
                }
            }
            _ => {}
        }
        for span in self.spans().filter(|span| !span.link.is_empty()) {
            if let Err(error) = link::check_source(&span.link, link::Kind::Link) {
                wrong("link", error.to_string());
            }
        }
    }
}

/// Says what keeps words from being agreed to and kept as they are.
fn wrong_wording(wording: &str) -> Option<&'static str> {
    if wording.trim().is_empty() {
        return Some("the question has no words to agree to; write what is recorded, and for what");
    }
    if ["{{", "{%", "{#"].iter().any(|tag| wording.contains(tag)) {
        return Some("the words that people agree to are the same for everyone; take out the merge field");
    }
    // Of those that `ConsentWord` keeps; a carriage return would be shown and kept in two ways.
    let is_bad = |char: char| char.is_control() && !matches!(char, '\n' | '\t');
    if wording.chars().count() > 10_000 || wording.chars().any(is_bad) {
        return Some("the words that people agree to are too long or have a control character; shorten them");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str, link: &str) -> Span {
        Span {
            text: text.into(),
            link: link.into(),
            ..Span::default()
        }
    }

    fn question(wording: &str) -> Block {
        Block::Consent {
            wording: wording.into(),
            label: "Answer".into(),
            only: true,
        }
    }

    #[test]
    fn words_that_are_agreed_to_are_the_same_for_everyone_and_can_be_kept() {
        let problems = |blocks| {
            let document = Document {
                version: VERSION,
                blocks,
            };
            let problems = document.problems();
            problems
                .first()
                .map(|problem| (problem.place, problem.message.clone()))
        };
        assert_eq!(problems(vec![question("Yes.\nYou may.")]), None);
        for (wording, part) in [
            (" \n", "no words"),
            ("You may, {{ first_name }}", "merge field"),
            ("{% if x %}yes{% endif %}", "merge field"),
            ("{# a remark #} yes", "merge field"),
            ("You\rmay", "control character"),
            (&*"x".repeat(10_001), "too long"),
        ] {
            let (place, message) = problems(vec![question(wording)]).unwrap();
            assert!(
                place == "wording" && message.contains(part),
                "{wording:.20}: {message}"
            );
        }
        let twice = problems(vec![question("Yes."), question("Yes.")]).unwrap();
        assert!(twice.1.contains("more than once"), "{twice:?}");
        let mute = Block::Consent {
            wording: "Yes.".into(),
            label: " ".into(),
            only: false,
        };
        assert_eq!(problems(vec![mute]).unwrap().0, "label");
        let asks = Document {
            version: VERSION,
            blocks: vec![Block::Divider {}, question(" Yes. ")],
        };
        let wanted = Question {
            wording: "Yes.",
            only: true,
        };
        assert_eq!(asks.question(), Some(wanted));
    }

    #[test]
    fn a_document_reads_back_as_it_was_written() {
        let document = Document {
            version: VERSION,
            blocks: vec![
                Block::Heading {
                    level: 1,
                    spans: vec![span("Hello {{ first_name }}", "")],
                },
                Block::Text {
                    paragraphs: vec![vec![span("a\nb", "https://example.org")]],
                },
                Block::List {
                    ordered: true,
                    items: vec![vec![span("x", "")]],
                },
                Block::Image {
                    src: "https://example.org/a.png".into(),
                    alt: String::new(),
                    width: Some(600),
                    link: String::new(),
                },
                Block::Button {
                    label: "Go".into(),
                    link: "{{ link }}".into(),
                },
                Block::Divider {},
                question("You may record when I open your mails."),
                Block::Footer {
                    paragraphs: Vec::new(),
                },
            ],
        };
        let json = serde_json::to_string(&document).expect("a document is JSON");
        assert_eq!(Document::parse(&json), Ok(document));
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_reason() {
        let large = format!("{{\"version\":1,\"blocks\":[]}}{}", " ".repeat(MAX_BYTES));
        let table = [
            ("", "no document"),
            ("[]", "version"),
            ("{\"blocks\":[]}", "version"),
            ("{\"version\":\"1\",\"blocks\":[]}", "version"),
            (
                "{\"version\":2,\"blocks\":[],\"theme\":1}",
                "newer version of Casement",
            ),
            ("{\"version\":1,\"blocks\":[],\"theme\":1}", "theme"),
            ("{\"version\":1,\"blocks\":[{\"type\":\"video\"}]}", "video"),
            ("{\"version\":1,\"blocks\":[{\"type\":\"divider\",\"x\":1}]}", "x"),
            (large.as_str(), "1 MiB"),
        ];
        for (json, part) in table {
            let error = Document::parse(json).expect_err("it is no document of this version");
            assert!(error.to_string().contains(part), "{error} should say {part:?}");
        }
    }

    #[test]
    fn every_block_that_cannot_be_sent_is_named() {
        let table = [
            (
                Block::Heading {
                    level: 4,
                    spans: Vec::new(),
                },
                "level",
            ),
            (
                Block::Text {
                    paragraphs: vec![vec![span("x", "javascript:alert(1)")]],
                },
                "link",
            ),
            (
                Block::Image {
                    src: "data:image/gif;base64,R0".into(),
                    alt: String::new(),
                    width: None,
                    link: String::new(),
                },
                "src",
            ),
            (
                Block::Image {
                    src: "https://example.org/a.png".into(),
                    alt: String::new(),
                    width: Some(601),
                    link: "file:///etc/passwd".into(),
                },
                "width",
            ),
            (
                Block::Button {
                    label: " ".into(),
                    link: "https://example.org".into(),
                },
                "label",
            ),
            (
                Block::Button {
                    label: "Go".into(),
                    link: String::new(),
                },
                "link",
            ),
            (
                Block::List {
                    ordered: false,
                    items: Vec::new(),
                },
                "items",
            ),
        ];
        for (block, place) in table {
            let document = Document {
                version: VERSION,
                blocks: vec![Block::Divider {}, block.clone()],
            };
            let problems = document.problems();
            assert_eq!(
                problems.first().map(|problem| (problem.block, problem.place)),
                Some((Some(1), place)),
                "{block:?}"
            );
        }
    }

    #[test]
    fn limits_hold_for_a_document_that_was_never_json() {
        let blocks = |count| Document {
            version: VERSION,
            blocks: vec![Block::Divider {}; count],
        };
        assert_eq!(blocks(MAX_BLOCKS).problems(), Vec::new());
        assert_eq!(blocks(MAX_BLOCKS + 1).problems().len(), 1);
        let footer = Block::Footer {
            paragraphs: Vec::new(),
        };
        let document = Document {
            version: VERSION,
            blocks: vec![footer.clone(), footer],
        };
        assert_eq!(document.problems().len(), 1, "a mail has one footer");
        let document = Document {
            version: VERSION,
            blocks: vec![Block::Heading {
                level: 1,
                spans: vec![span(&"x".repeat(MAX_BYTES + 1), "")],
            }],
        };
        assert_eq!(document.problems().len(), 1, "1 MiB of text is the most");
    }
}
