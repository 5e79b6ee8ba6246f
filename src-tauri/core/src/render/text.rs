//! The plain text part, made from the document itself: what a reader without HTML gets is written for them.

use super::document::Block as Source;
use super::personalise::{TextId, Texts};
use super::template::{Block, Piece, Slot, settle};

/// Lays out the text part.
pub(super) fn lay_out(blocks: &[Block], texts: &Texts) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for block in blocks {
        push_block(&mut pieces, block);
        pieces.push(fixed("\n"));
    }
    settle(pieces, texts, |out, slot, text| match slot {
        Slot::Words { indent, .. } => push_words(out, text, indent),
        _ => out.push_str(text),
    })
}

fn fixed(text: &str) -> Piece {
    Piece::Static(text.to_owned())
}

fn push_block(pieces: &mut Vec<Piece>, block: &Block) {
    let mut spans = block.spans.iter().copied();
    let sources: Vec<_> = block.source.spans().collect();
    let mut sources = sources.into_iter();
    let mut run = |pieces: &mut Vec<Piece>, count: usize, indent: usize| {
        for ((text, link), source) in spans.by_ref().zip(sources.by_ref()).take(count) {
            pieces.push(Piece::Slot(Slot::Words { text, indent }));
            if let Some(link) = link.filter(|_| !says_its_link(&source.text, &source.link)) {
                push_link(pieces, link);
            }
        }
    };
    match block.source {
        Source::Heading { level, spans } => {
            run(pieces, spans.len(), 0);
            pieces.push(fixed("\n"));
            if let Some(char) = match level {
                1 => Some('='),
                2 => Some('-'),
                _ => None,
            } {
                pieces.push(Piece::Slot(Slot::Underline(char)));
            }
        }
        Source::Text { paragraphs } => {
            for (index, paragraph) in paragraphs.iter().enumerate() {
                if index > 0 {
                    pieces.push(fixed("\n"));
                }
                run(pieces, paragraph.len(), 0);
                pieces.push(fixed("\n"));
            }
        }
        Source::List { ordered, items } => {
            for (index, item) in items.iter().enumerate() {
                let mark = if *ordered {
                    format!("{}. ", index + 1)
                } else {
                    "- ".to_owned()
                };
                pieces.push(fixed(&mark));
                run(pieces, item.len(), mark.len());
                pieces.push(fixed("\n"));
            }
        }
        Source::Image { alt, .. } => push_image(pieces, block, alt.trim().is_empty()),
        Source::Button { .. } => {
            if let (Some(label), Some(link)) = (block.part("label"), block.part("link")) {
                pieces.push(Piece::Slot(Slot::Line(label)));
                pieces.push(fixed(": "));
                pieces.push(Piece::Slot(Slot::Href(link)));
                pieces.push(fixed("\n"));
            }
        }
        Source::Consent { .. } => {
            if let (Some(wording), Some(label)) = (block.part("wording"), block.part("label")) {
                pieces.push(fixed("> "));
                pieces.push(Piece::Slot(Slot::Words {
                    text: wording,
                    indent: 2,
                }));
                pieces.push(fixed("\n\n"));
                pieces.push(Piece::Slot(Slot::Line(label)));
                pieces.push(fixed(": "));
                pieces.push(Piece::Slot(Slot::Question));
                pieces.push(fixed("\n"));
            }
        }
        Source::Divider {} => pieces.push(fixed("----------------------------------------\n")),
        Source::Footer { paragraphs } => {
            pieces.push(fixed("----------------------------------------\n"));
            for paragraph in paragraphs {
                run(pieces, paragraph.len(), 0);
                pieces.push(fixed("\n\n"));
            }
            pieces.push(Piece::Slot(Slot::Footer));
        }
    }
}

/// A picture that says nothing and leads nowhere is left out.
fn push_image(pieces: &mut Vec<Piece>, block: &Block, is_silent: bool) {
    if let (Some(alt), false) = (block.part("alt"), is_silent) {
        pieces.push(fixed("["));
        pieces.push(Piece::Slot(Slot::Line(alt)));
        pieces.push(fixed("]"));
    }
    if let Some(link) = block.part("link") {
        push_link(pieces, link);
    }
    pieces.push(fixed("\n"));
}

fn push_link(pieces: &mut Vec<Piece>, link: TextId) {
    pieces.push(fixed(" ("));
    pieces.push(Piece::Slot(Slot::Href(link)));
    pieces.push(fixed(")"));
}

/// Tells whether a link's words are its address already.
fn says_its_link(text: &str, link: &str) -> bool {
    let bare = |text: &str| {
        let text = text.trim();
        let text = ["https://", "http://", "mailto:", "tel:"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .unwrap_or(text);
        text.trim_end_matches('/').to_owned()
    };
    bare(text) == bare(link)
}

/// Adds words; lines after the first begin with `indent` spaces.
pub(super) fn push_words(out: &mut String, words: &str, indent: usize) {
    for (index, line) in words.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push_str(line);
    }
}

/// Adds a line of `char` as long as the line before, at most 72.
pub(super) fn push_underline(out: &mut String, char: char) {
    let body = out.strip_suffix('\n').unwrap_or(out);
    let last = body.rsplit('\n').next().unwrap_or_default();
    let length = last.chars().count().min(72);
    out.extend(std::iter::repeat_n(char, length));
    out.push('\n');
}

/// Takes out blanks at the ends of lines, and more than one empty line in a row.
pub(super) fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.trim().lines() {
        let line = line.trim_end();
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}
