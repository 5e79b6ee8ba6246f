//! A campaign's mail, compiled once and rendered for each reader. Start reading here.
//!
//! Compiling checks the document, compiles every merge field and lays out HTML and text. Rendering evaluates the
//! fields and puts the pieces together: no parsing, so that a run over a whole audience stays cheap.

use super::document::Document;
use super::personalise::{Evaluated, TextId, Texts, has_value};
pub use super::personalise::{Person, Place, RenderError, TemplateError};
use super::{footer, link, mjml, push_escaped, text};
use std::collections::BTreeSet;

/// What a campaign's author wrote.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The mail.
    pub document: &'a Document,
    /// May hold merge fields.
    pub subject: &'a str,
    /// What the inbox shows behind the subject; may hold merge fields.
    pub preheader: &'a str,
    /// Who sends; may be empty.
    pub organisation: &'a str,
    /// Printed at the foot; may be empty here, but the audit asks for one.
    pub postal_address: &'a str,
}

/// The addresses that one reader's mail carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// The pixel's; `None` for a mail without one.
    pub pixel: Option<String>,
    /// The preference page's; `None` where there is no web address.
    pub preferences: Option<String>,
    /// A mail address, or a `mailto:` link, that takes unsubscribing mail.
    pub unsubscribe_mailto: Option<String>,
    /// Say in the footer that opens are recorded, with the link that ends it.
    pub tracked: bool,
}

/// A mail as one reader gets it, before it is put into MIME.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line, without control characters.
    pub subject: String,
    /// As the subject.
    pub preheader: String,
    /// The HTML part.
    pub html: String,
    /// The text part; lines end in `\n`.
    pub text: String,
}

/// A campaign's mail, compiled. Workers share it.
pub struct Template {
    texts: Texts,
    subject: TextId,
    preheader: TextId,
    sender: footer::Sender,
    html: Vec<Piece>,
    text: Vec<Piece>,
}

/// A piece of a laid-out part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// The same for every reader.
    Static(String),
    /// Filled in for each.
    Slot(Slot),
}

/// What is filled in for each reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A text: escaped in HTML with `<br>` for line breaks; in plain text as it is, following lines indented.
    Words { text: TextId, indent: usize },
    /// A text inside an attribute, or on one line.
    Line(TextId),
    /// An address to click.
    Href(TextId),
    /// The address of a picture.
    Src(TextId),
    /// The hidden line behind the subject, and the pixel right after it.
    Head,
    /// Underlines the line before, in plain text.
    Underline(char),
    /// The address at which the reader answers the question.
    Question,
    /// Sender, reason and ways out.
    Footer,
}

impl Template {
    /// Compiles a mail.
    ///
    /// Fails with everything that is wrong with it: syntax of merge fields, links, limits.
    pub fn compile(source: &Source) -> Result<Self, Vec<TemplateError>> {
        Self::compile_blocks(source, |_| true)
    }

    /// Compiles a mail as those get it who are not to be asked: without the question. Fails as [`Self::compile`].
    pub fn compile_unasked(source: &Source) -> Result<Self, Vec<TemplateError>> {
        use super::document::Block as Source;
        Self::compile_blocks(source, |block| !matches!(block, Source::Consent { .. }))
    }

    fn compile_blocks(
        source: &Source,
        is_in: fn(&super::document::Block) -> bool,
    ) -> Result<Self, Vec<TemplateError>> {
        let mut errors: Vec<TemplateError> = source
            .document
            .problems()
            .into_iter()
            .map(|problem| TemplateError {
                block: problem.block,
                place: problem.place.to_owned(),
                message: problem.message,
            })
            .collect();
        let mut texts = Texts::new();
        let whole = |part| Place { block: None, part };
        let subject = texts.add(source.subject, whole("subject"));
        let preheader = texts.add(source.preheader, whole("preheader"));
        let blocks = layout(source.document, is_in, &mut texts);
        let texts = match texts.finish() {
            Ok(texts) if errors.is_empty() => texts,
            Ok(_) => return Err(errors),
            Err(more) => {
                errors.extend(more);
                return Err(errors);
            }
        };
        let html = mjml::lay_out(&blocks, &texts, subject).map_err(|message| {
            vec![TemplateError {
                block: None,
                place: "document".to_owned(),
                message,
            }]
        })?;
        Ok(Self {
            text: text::lay_out(&blocks, &texts),
            html,
            subject,
            preheader,
            sender: footer::Sender {
                organisation: source.organisation.to_owned(),
                postal_address: source.postal_address.to_owned(),
            },
            texts,
        })
    }

    /// Returns the merge fields that the mail reads.
    pub fn fields(&self) -> &BTreeSet<String> {
        self.texts.fields()
    }

    /// Returns how many of the merge fields that the mail reads have no value for this reader.
    pub fn empty_fields(&self, person: &Person) -> u32 {
        let fields = self.fields().iter();
        fields.filter(|field| !has_value(person, field)).count() as u32
    }

    /// Renders the mail for one reader.
    ///
    /// Fails, naming it, where a field without a fallback is missing or empty for this reader, where a link
    /// comes out wrong, or where a loop runs for too long.
    pub fn render(&self, person: &Person, links: &Links) -> Result<Rendered, RenderError> {
        let texts = self.texts.evaluate(person)?;
        let preheader = one_line(texts.get(self.preheader));
        let filling = Filling {
            texts: &texts,
            person,
            links,
            sender: &self.sender,
            preheader: &preheader,
        };
        Ok(Rendered {
            subject: one_line(texts.get(self.subject)),
            html: filling.html(&self.html)?,
            text: filling.text(&self.text)?,
            preheader,
        })
    }
}

/// The blocks of a document with their texts compiled; the input of both layouts.
pub(super) struct Block<'a> {
    pub(super) source: &'a super::document::Block,
    /// In the order of [`super::document::Block::spans`]: text, and link where there is one.
    pub(super) spans: Vec<(TextId, Option<TextId>)>,
    /// Of a picture: `src`, `alt`, `link`; of a button: `label`, `link`; of a question: `wording`, `label`.
    pub(super) parts: Vec<(&'static str, TextId)>,
}

impl Block<'_> {
    pub(super) fn part(&self, name: &str) -> Option<TextId> {
        self.parts
            .iter()
            .find(|(part, _)| *part == name)
            .map(|(_, text)| *text)
    }
}

/// The footer of a document that has none.
static PLAIN_FOOTER: super::document::Block = super::document::Block::Footer {
    paragraphs: Vec::new(),
};

fn layout<'a>(
    document: &'a Document,
    is_in: fn(&super::document::Block) -> bool,
    texts: &mut Texts,
) -> Vec<Block<'a>> {
    use super::document::Block as Source;
    let has_footer = document
        .blocks
        .iter()
        .any(|block| matches!(block, Source::Footer { .. }));
    let footer = (!has_footer).then_some(&PLAIN_FOOTER);
    document
        .blocks
        .iter()
        .chain(footer)
        .enumerate()
        // Behind the numbers: an error names the block as its author counts them.
        .filter(|(_, source)| is_in(source))
        .map(|(index, source)| {
            let place = |part| Place {
                block: Some(index as u32),
                part,
            };
            let spans = source
                .spans()
                .map(|span| {
                    let text = texts.add(&span.text, place("text"));
                    let link = (!span.link.is_empty()).then(|| texts.add(&span.link, place("link")));
                    (text, link)
                })
                .collect();
            let mut parts = Vec::new();
            let mut part = |name, text: &str| parts.push((name, texts.add(text, place(name))));
            match source {
                Source::Image { src, alt, link, .. } => {
                    part("src", src);
                    part("alt", alt);
                    if !link.is_empty() {
                        part("link", link);
                    }
                }
                Source::Button { label, link } => {
                    part("label", label);
                    part("link", link);
                }
                Source::Consent { wording, label, .. } => {
                    part("wording", wording.trim());
                    part("label", label);
                }
                _ => {}
            }
            Block { source, spans, parts }
        })
        .collect()
}

/// All that the slots are filled from.
struct Filling<'a> {
    texts: &'a Evaluated<'a>,
    person: &'a Person<'a>,
    links: &'a Links,
    sender: &'a footer::Sender,
    preheader: &'a str,
}

impl Filling<'_> {
    fn html(&self, pieces: &[Piece]) -> Result<String, RenderError> {
        let mut out = String::with_capacity(size(pieces));
        for piece in pieces {
            match piece {
                Piece::Static(text) => out.push_str(text),
                Piece::Slot(Slot::Words { text, .. }) => push_words(&mut out, self.texts.get(*text)),
                Piece::Slot(Slot::Line(text)) => push_escaped(&mut out, &one_line(self.texts.get(*text))),
                Piece::Slot(Slot::Href(text)) => {
                    push_escaped(&mut out, &self.address(*text, link::Kind::Link)?)
                }
                Piece::Slot(Slot::Src(text)) => {
                    push_escaped(&mut out, &self.address(*text, link::Kind::Picture)?);
                }
                Piece::Slot(Slot::Head) => {
                    mjml::push_head(&mut out, self.preheader, self.links.pixel.as_deref())
                }
                Piece::Slot(Slot::Footer) => {
                    footer::push_html(&mut out, self.sender, self.person, self.links)
                }
                Piece::Slot(Slot::Question) => push_escaped(&mut out, &self.question()),
                Piece::Slot(Slot::Underline(_)) => {}
            }
        }
        Ok(out)
    }

    fn text(&self, pieces: &[Piece]) -> Result<String, RenderError> {
        let mut out = String::with_capacity(size(pieces));
        for piece in pieces {
            match piece {
                Piece::Static(text) => out.push_str(text),
                Piece::Slot(Slot::Words { text, indent }) => {
                    text::push_words(&mut out, self.texts.get(*text), *indent)
                }
                Piece::Slot(Slot::Line(text)) => out.push_str(&one_line(self.texts.get(*text))),
                Piece::Slot(Slot::Href(text)) => out.push_str(&self.address(*text, link::Kind::Link)?),
                Piece::Slot(Slot::Src(text)) => out.push_str(&self.address(*text, link::Kind::Picture)?),
                Piece::Slot(Slot::Underline(char)) => text::push_underline(&mut out, *char),
                Piece::Slot(Slot::Footer) => {
                    footer::push_text(&mut out, self.sender, self.person, self.links)
                }
                Piece::Slot(Slot::Question) => out.push_str(&self.question()),
                Piece::Slot(Slot::Head) => {}
            }
        }
        Ok(text::tidy(&out))
    }

    /// A mail without a web address asks nobody, so there always is one.
    fn question(&self) -> String {
        let page = self.links.preferences.as_deref().unwrap_or_default();
        format!("{page}{}", footer::QUESTION_FRAGMENT)
    }

    fn address(&self, text: TextId, kind: link::Kind) -> Result<String, RenderError> {
        // A line break in a value that stands in a link becomes a space, as in every other line.
        link::clean(&one_line(self.texts.get(text)), kind)
            .map(Into::into)
            .map_err(|error| RenderError::Link {
                place: self.texts.place(text).clone(),
                error,
            })
    }
}

fn size(pieces: &[Piece]) -> usize {
    let fixed: usize = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Static(text) => text.len(),
            Piece::Slot(_) => 64,
        })
        .sum();
    fixed + 1024
}

/// Adds text to HTML, with `<br>` for line breaks.
pub(super) fn push_words(out: &mut String, words: &str) {
    for (index, line) in words.split('\n').enumerate() {
        if index > 0 {
            out.push_str("<br>");
        }
        push_escaped(out, line);
    }
}

/// Makes a text one line: what would break it becomes a space, other control characters go.
///
/// U+2028 and U+2029 are line breaks to some readers of headers.
fn one_line(text: &str) -> String {
    let text = text.trim();
    text.chars()
        .filter_map(|char| match char {
            '\n' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
            char if char.is_control() => None,
            char => Some(char),
        })
        .collect()
}

/// Folds static neighbours into one piece, and texts that are the same for every reader into their surroundings.
pub(super) fn settle(pieces: Vec<Piece>, texts: &Texts, fill: fn(&mut String, Slot, &str)) -> Vec<Piece> {
    let mut settled: Vec<Piece> = Vec::new();
    for piece in pieces {
        let fixed = match &piece {
            Piece::Static(text) => Some(text.clone()),
            Piece::Slot(slot) => fixed_text(*slot, texts).map(|text| {
                let mut out = String::new();
                fill(&mut out, *slot, &text);
                out
            }),
        };
        match (fixed, settled.last_mut()) {
            (Some(text), Some(Piece::Static(last))) => last.push_str(&text),
            (Some(text), _) => settled.push(Piece::Static(text)),
            (None, _) => settled.push(piece),
        }
    }
    settled
}

/// Returns the text of a slot that every reader gets alike.
fn fixed_text(slot: Slot, texts: &Texts) -> Option<String> {
    match slot {
        Slot::Words { text, .. } => texts.plain(text).map(str::to_owned),
        Slot::Line(text) => texts.plain(text).map(one_line),
        // The document's own check has passed, so the address is clean.
        Slot::Href(text) => texts
            .plain(text)
            .and_then(|url| link::clean(url, link::Kind::Link).ok().map(Into::into)),
        Slot::Src(text) => texts
            .plain(text)
            .and_then(|url| link::clean(url, link::Kind::Picture).ok().map(Into::into)),
        Slot::Head | Slot::Underline(_) | Slot::Question | Slot::Footer => None,
    }
}
