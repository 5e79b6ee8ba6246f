//! Markdown → document.
//!
//! CommonMark without extensions. Merge fields survive untouched, whatever Markdown would make of the characters in
//! them; raw HTML becomes text, since a mail is laid out by Casement.

use super::document::{Block, Document, DocumentError, MAX_BYTES, Span, VERSION};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// Turns Markdown into a document; fails as [`Document::problems`] says.
pub fn from_markdown(markdown: &str) -> Result<Document, DocumentError> {
    if markdown.len() > MAX_BYTES {
        return Err(DocumentError::TooLarge {
            bytes: markdown.len(),
        });
    }
    let fields = Fields::hide(markdown);
    let mut writer = Writer::new(&fields);
    for event in Parser::new_ext(&fields.hidden, Options::empty()) {
        writer.event(event);
    }
    writer.end_block();
    let document = Document {
        version: VERSION,
        blocks: writer.blocks,
    };
    match document.problems() {
        problems if problems.is_empty() => Ok(document),
        problems => Err(DocumentError::Invalid(problems)),
    }
}

/// Returns where merge fields, statements and comments stand in `text`; quotes inside them are respected.
fn find_fields(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|offset| at + offset) {
        let close: &[u8] = match bytes.get(open + 1) {
            Some(b'{') => b"}}",
            Some(b'%') => b"%}",
            Some(b'#') => b"#}",
            _ => {
                at = open + 1;
                continue;
            }
        };
        let mut quote = None;
        let mut end = None;
        let mut next = open + 2;
        while next < bytes.len() {
            let byte = bytes[next];
            match quote {
                Some(_) if byte == b'\\' => next += 1,
                Some(mark) if byte == mark => quote = None,
                Some(_) => {}
                None if bytes[next..].starts_with(close) => {
                    end = Some(next + 2);
                    break;
                }
                None if matches!(byte, b'"' | b'\'') && close != b"#}" => quote = Some(byte),
                None => {}
            }
            next += 1;
        }
        match end {
            Some(end) => {
                found.push(open..end);
                at = end;
            }
            None => at = open + 2,
        }
    }
    found
}

/// Markdown with a word in place of each merge field.
struct Fields {
    hidden: String,
    mark: String,
    sources: Vec<String>,
}

impl Fields {
    fn hide(markdown: &str) -> Self {
        // Letters only, so that Markdown sees a plain word; one that the author did not write.
        let mark = (0..)
            .map(|number| format!("casementfield{number}q"))
            .find(|mark| !markdown.contains(mark.as_str()))
            .expect("a finite text does not hold every word");
        let mut hidden = String::with_capacity(markdown.len());
        let mut sources = Vec::new();
        let mut from = 0;
        for range in find_fields(markdown) {
            hidden.push_str(&markdown[from..range.start]);
            hidden.push_str(&format!("{mark}{}z", sources.len()));
            sources.push(markdown[range.clone()].to_owned());
            from = range.end;
        }
        hidden.push_str(&markdown[from..]);
        Self {
            hidden,
            mark,
            sources,
        }
    }

    fn restore(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(&self.mark) {
            out.push_str(&rest[..at]);
            let number = &rest[at + self.mark.len()..];
            let source = number
                .find('z')
                .and_then(|end| Some((number[..end].parse::<usize>().ok()?, end)))
                .and_then(|(index, end)| Some((self.sources.get(index)?, end)));
            match source {
                Some((source, end)) => {
                    out.push_str(source);
                    rest = &number[end + 1..];
                }
                None => {
                    out.push_str(&self.mark);
                    rest = number;
                }
            }
        }
        out.push_str(rest);
        out
    }
}

struct Writer<'f> {
    fields: &'f Fields,
    blocks: Vec<Block>,
    /// The paragraphs since the last other block.
    paragraphs: Vec<Vec<Span>>,
    /// The runs since the last paragraph, heading or item began.
    spans: Vec<Span>,
    style: Span,
    links: Vec<String>,
    bold: usize,
    italic: usize,
    /// Open lists, outermost first: ordered or not, with the number of the next item.
    lists: Vec<Option<u64>>,
    items: Vec<Vec<Span>>,
    /// Inside a picture: its address and alt text so far.
    image: Option<(String, String)>,
    /// Pictures met inside a paragraph; they follow it.
    images: Vec<Block>,
}

impl<'f> Writer<'f> {
    fn new(fields: &'f Fields) -> Self {
        Self {
            fields,
            blocks: Vec::new(),
            paragraphs: Vec::new(),
            spans: Vec::new(),
            style: Span::default(),
            links: Vec::new(),
            bold: 0,
            italic: 0,
            lists: Vec::new(),
            items: Vec::new(),
            image: None,
            images: Vec::new(),
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.text(&text)
            }
            Event::SoftBreak => self.text(" "),
            Event::HardBreak => self.text("\n"),
            Event::Rule => {
                self.end_block();
                self.blocks.push(Block::Divider {});
            }
            // Extensions that are not turned on.
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag) {
        match tag {
            Tag::Heading { .. } => self.end_block(),
            Tag::List(first) => {
                // A paragraph before an inner list is the head of its item.
                if self.lists.is_empty() {
                    self.end_block();
                } else {
                    self.end_item();
                }
                self.lists.push(first);
            }
            Tag::Strong => self.bold += 1,
            Tag::Emphasis => self.italic += 1,
            Tag::Link { dest_url, .. } => self.links.push(self.fields.restore(&dest_url)),
            Tag::Image { dest_url, .. } => self.image = Some((self.fields.restore(&dest_url), String::new())),
            _ => {}
        }
        self.style = Span {
            text: String::new(),
            bold: self.bold > 0,
            italic: self.italic > 0,
            link: self.links.last().cloned().unwrap_or_default(),
        };
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => {
                let spans = self.take_spans();
                if !spans.is_empty() {
                    let level = match level {
                        HeadingLevel::H1 => 1,
                        HeadingLevel::H2 => 2,
                        _ => 3,
                    };
                    self.blocks.push(Block::Heading { level, spans });
                }
                self.blocks.append(&mut self.images);
            }
            TagEnd::Paragraph | TagEnd::CodeBlock | TagEnd::HtmlBlock => {
                if self.lists.is_empty() {
                    self.end_paragraph();
                } else if !self.spans.is_empty() {
                    // Further paragraphs of an item stand on lines of their own.
                    self.text("\n");
                }
            }
            TagEnd::Item => self.end_item(),
            TagEnd::List(ordered) => {
                self.lists.pop();
                if self.lists.is_empty() {
                    let items = std::mem::take(&mut self.items);
                    if !items.is_empty() {
                        self.blocks.push(Block::List { ordered, items });
                    }
                    self.blocks.append(&mut self.images);
                }
            }
            TagEnd::Strong => self.bold = self.bold.saturating_sub(1),
            TagEnd::Emphasis => self.italic = self.italic.saturating_sub(1),
            TagEnd::Link => drop(self.links.pop()),
            TagEnd::Image => {
                if let Some((src, alt)) = self.image.take() {
                    self.images.push(Block::Image {
                        src,
                        alt,
                        width: None,
                        link: self.links.last().cloned().unwrap_or_default(),
                    });
                }
            }
            _ => {}
        }
        self.style = Span {
            text: String::new(),
            bold: self.bold > 0,
            italic: self.italic > 0,
            link: self.links.last().cloned().unwrap_or_default(),
        };
    }

    fn text(&mut self, text: &str) {
        let text = self.fields.restore(text);
        if let Some((_, alt)) = &mut self.image {
            alt.push_str(&text);
            return;
        }
        match self.spans.last_mut() {
            Some(last)
                if last.bold == self.style.bold
                    && last.italic == self.style.italic
                    && last.link == self.style.link =>
            {
                last.text.push_str(&text);
            }
            _ => self.spans.push(Span {
                text,
                ..self.style.clone()
            }),
        }
    }

    /// Ends a run of spans; blanks alone are none.
    fn take_spans(&mut self) -> Vec<Span> {
        let mut spans = std::mem::take(&mut self.spans);
        if let Some(last) = spans.last_mut() {
            last.text.truncate(last.text.trim_end().len());
        }
        spans.retain(|span| !span.text.is_empty());
        if spans.iter().all(|span| span.text.trim().is_empty()) {
            spans.clear();
        }
        spans
    }

    fn end_paragraph(&mut self) {
        let spans = self.take_spans();
        if !spans.is_empty() {
            self.paragraphs.push(spans);
        }
        if !self.images.is_empty() {
            self.end_text();
            self.blocks.append(&mut self.images);
        }
    }

    fn end_item(&mut self) {
        let spans = self.take_spans();
        if !spans.is_empty() {
            self.items.push(spans);
        }
    }

    /// Makes one text block of the paragraphs so far.
    fn end_text(&mut self) {
        let paragraphs = std::mem::take(&mut self.paragraphs);
        if !paragraphs.is_empty() {
            self.blocks.push(Block::Text { paragraphs });
        }
    }

    fn end_block(&mut self) {
        self.end_paragraph();
        self.end_text();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Span {
        Span {
            text: text.into(),
            ..Span::default()
        }
    }

    fn linked(text: &str, link: &str) -> Span {
        Span {
            link: link.into(),
            ..span(text)
        }
    }

    fn text(spans: Vec<Span>) -> Block {
        Block::Text {
            paragraphs: vec![spans],
        }
    }

    fn image(src: &str, alt: &str, link: &str) -> Block {
        Block::Image {
            src: src.into(),
            alt: alt.into(),
            width: None,
            link: link.into(),
        }
    }

    #[test]
    fn every_form_of_markdown_becomes_its_block() {
        let bold = |text| Span {
            bold: true,
            ..span(text)
        };
        let italic = |text| Span {
            italic: true,
            ..span(text)
        };
        let table = [
            ("", vec![]),
            (
                "# One\n\nTwo\n===\n\n#### Four",
                vec![
                    Block::Heading {
                        level: 1,
                        spans: vec![span("One")],
                    },
                    Block::Heading {
                        level: 1,
                        spans: vec![span("Two")],
                    },
                    Block::Heading {
                        level: 3,
                        spans: vec![span("Four")],
                    },
                ],
            ),
            (
                "a **b** *c*\nd  \ne\n\nf",
                vec![Block::Text {
                    paragraphs: vec![
                        vec![span("a "), bold("b"), span(" "), italic("c"), span(" d\ne")],
                        vec![span("f")],
                    ],
                }],
            ),
            (
                "[page](https://example.org/?a=1&b=2)",
                vec![text(vec![linked("page", "https://example.org/?a=1&b=2")])],
            ),
            (
                "<https://example.org>",
                vec![text(vec![linked("https://example.org", "https://example.org")])],
            ),
            (
                "- a\n- b\n  - c\n\n1. d",
                vec![
                    Block::List {
                        ordered: false,
                        items: vec![vec![span("a")], vec![span("b")], vec![span("c")]],
                    },
                    Block::List {
                        ordered: true,
                        items: vec![vec![span("d")]],
                    },
                ],
            ),
            (
                "- a\n\n  more\n- b",
                vec![Block::List {
                    ordered: false,
                    items: vec![vec![span("a\nmore")], vec![span("b")]],
                }],
            ),
            (
                "![alt](https://example.org/a.png)",
                vec![image("https://example.org/a.png", "alt", "")],
            ),
            (
                "before ![alt](https://example.org/a.png) after",
                vec![
                    text(vec![span("before  after")]),
                    image("https://example.org/a.png", "alt", ""),
                ],
            ),
            (
                "[![alt](https://example.org/a.png)](https://example.org)",
                vec![image("https://example.org/a.png", "alt", "https://example.org")],
            ),
            (
                "a\n\n---\n\nb",
                vec![text(vec![span("a")]), Block::Divider {}, text(vec![span("b")])],
            ),
            ("a <b>c</b>", vec![text(vec![span("a <b>c</b>")])]),
            (
                "<script>alert(1)</script>\n",
                vec![text(vec![span("<script>alert(1)</script>")])],
            ),
            (
                "> quoted\n\n    code",
                vec![Block::Text {
                    paragraphs: vec![vec![span("quoted")], vec![span("code")]],
                }],
            ),
            ("`a < b`", vec![text(vec![span("a < b")])]),
        ];
        for (markdown, blocks) in table {
            let document = from_markdown(markdown).expect("it makes a document");
            assert_eq!(document.blocks, blocks, "{markdown}");
        }
    }

    #[test]
    fn merge_fields_survive_whatever_markdown_makes_of_their_characters() {
        for field in [
            "{{ first_name | fallback(\"there\") }}",
            "{{ a_b_c * d * e }}",
            "{{ x | fallback('<b> & [y](z)') }}",
            "{{ \"}} still inside\" }}",
            "{% if a < b %}",
            "{# a *comment* #}",
        ] {
            let document = from_markdown(&format!("Hello {field}, *you*")).expect("it makes a document");
            let Some(Block::Text { paragraphs }) = document.blocks.first() else {
                panic!("{field} stands in a paragraph");
            };
            assert_eq!(paragraphs[0][0].text, format!("Hello {field}, "), "untouched");
        }
        let document =
            from_markdown("**{{ first_name }}** [go]({{ link | fallback(\"https://example.org\") }})")
                .expect("it makes a document");
        assert_eq!(
            document.blocks,
            vec![text(vec![
                Span {
                    bold: true,
                    ..span("{{ first_name }}")
                },
                span(" "),
                linked("go", "{{ link | fallback(\"https://example.org\") }}"),
            ])]
        );
    }

    #[test]
    fn the_authors_own_words_are_never_taken_for_a_hidden_field() {
        let document = from_markdown("casementfield0q0z {{ a }}").expect("it makes a document");
        assert_eq!(
            document.blocks,
            vec![text(vec![span("casementfield0q0z {{ a }}")])]
        );
    }

    #[test]
    fn a_bad_link_and_a_huge_text_are_refused() {
        assert!(matches!(
            from_markdown("[x](javascript:alert)"),
            Err(DocumentError::Invalid(_))
        ));
        assert!(matches!(
            from_markdown(&"x".repeat(MAX_BYTES + 1)),
            Err(DocumentError::TooLarge { .. })
        ));
    }
}
