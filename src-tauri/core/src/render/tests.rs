//! The whole way of a mail: document → template → MIME → audit, with hostile people and documents.

use super::audit::{AuditProblem, Expected, Severity, audit};
use super::document::{Block, Document, Span};
use super::markdown::from_markdown;
use super::mime::{Enclosures, Envelope, ListIdHeader, Unsubscribe, build, message_id};
use super::pixel::{pixel_url, preference_url};
use super::template::{Links, Person, RenderError, Rendered, Source, Template};
use crate::ids::{CampaignId, SeededEntropy};
use crate::tracking::token::Token;
use mail_parser::MessageParser;
use proptest::prelude::*;
use std::collections::BTreeMap;

mod audit_tests;
mod files_tests;

const BASE: &str = "https://news.example.org";
const POSTAL: &str = "Via Roma 1\n00100 Rome";

/// A person with data of its own.
#[derive(Clone, Default)]
struct Someone {
    email: String,
    first: String,
    last: String,
    fields: BTreeMap<String, String>,
}

impl Someone {
    fn named(first: &str, last: &str) -> Self {
        Self {
            email: "ana@example.org".into(),
            first: first.into(),
            last: last.into(),
            fields: BTreeMap::new(),
        }
    }

    fn with(mut self, field: &str, value: &str) -> Self {
        self.fields.insert(field.into(), value.into());
        self
    }

    fn person(&self) -> Person<'_> {
        Person {
            email: &self.email,
            first_name: &self.first,
            last_name: &self.last,
            fields: &self.fields,
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

fn source<'a>(document: &'a Document, subject: &'a str) -> Source<'a> {
    Source {
        document,
        subject,
        preheader: "What happened in spring",
        organisation: "Orto & Friends",
        postal_address: POSTAL,
    }
}

fn compile(markdown: &str, subject: &str) -> Template {
    let document = from_markdown(markdown).expect("this Markdown makes a document");
    Template::compile(&source(&document, subject)).expect("this document compiles")
}

struct Tokens {
    pixel: Token,
    preference: Token,
}

fn tokens() -> Tokens {
    let entropy = SeededEntropy::new(11);
    Tokens {
        pixel: Token::generate(&entropy),
        preference: Token::generate(&entropy),
    }
}

fn tracked_links() -> Links {
    let tokens = tokens();
    Links {
        pixel: Some(pixel_url(BASE, &tokens.pixel)),
        preferences: Some(preference_url(BASE, &tokens.preference)),
        unsubscribe_mailto: Some("leave@example.org".into()),
        tracked: true,
    }
}

fn mail(rendered: &Rendered, to: &Someone) -> Vec<u8> {
    mail_with(rendered, to, None)
}

/// The part of the mail that is the reader's own.
fn mail_with(rendered: &Rendered, to: &Someone, enclosures: Option<&Enclosures>) -> Vec<u8> {
    let tokens = tokens();
    let id = message_id(CampaignId(3), &tokens.preference, "example.org");
    let url = preference_url(BASE, &tokens.preference);
    build(
        rendered,
        &Envelope {
            from_name: "Orto & Friends",
            from_address: "news@example.org",
            reply_to: "",
            to_name: &to.name(),
            to_address: &to.email,
            message_id: &id,
            date: "2026-03-01T08:00:00Z".parse().expect("a date"),
            list_id: Some(ListIdHeader {
                name: "Orto & Friends",
                id: "orto.example.org",
            }),
            unsubscribe: Unsubscribe::WebAndMailto {
                url: &url,
                mailto: "leave@example.org",
            },
        },
        enclosures,
    )
    .expect("a mail with sound addresses can be built")
}

fn check(bytes: &[u8], to: &Someone) -> Vec<AuditProblem> {
    let links = tracked_links();
    let url = links.preferences.clone().expect("there is one");
    let ends = format!("{url}#opens");
    audit(
        bytes,
        &Expected {
            to: &to.email,
            pixel: links.pixel.as_deref(),
            preference_url: links.preferences.as_deref(),
            ends_tracking: Some(&ends),
            question: None,
            unsubscribe: &Unsubscribe::WebAndMailto {
                url: &url,
                mailto: "leave@example.org",
            },
            postal_address: POSTAL,
            files: &[],
        },
    )
}

const LETTER: &str = "# Spring, {{ first_name | fallback('friend') }}\n\nHello {{ name | fallback(\"there\") }}, \
    here is **what** *happened* on our [page](https://example.org/?a=1&b=2).\nA second line.\n\n- One\n- Two {{ city | fallback(\"\") }}\n\n\
    ---\n\n![A garden](https://example.org/garden.jpg)\n\n1. First\n2. Second\n";

/// A document with every block, a merge field in every text, in the order of the format.
fn every_block(field: &str) -> Document {
    let span = |text: &str| Span {
        text: text.into(),
        ..Span::default()
    };
    let words = || {
        vec![
            span(&format!("a {field} b")),
            Span {
                bold: true,
                italic: true,
                ..span(field)
            },
            Span {
                link: format!("https://example.org/?q={field}&x=1"),
                ..span(&format!("link {field}"))
            },
        ]
    };
    let blocks = vec![
        Block::Heading {
            level: 1,
            spans: words(),
        },
        Block::Heading {
            level: 2,
            spans: words(),
        },
        Block::Heading {
            level: 3,
            spans: words(),
        },
        Block::Text {
            paragraphs: vec![words(), words()],
        },
        Block::List {
            ordered: false,
            items: vec![words(), words()],
        },
        Block::List {
            ordered: true,
            items: vec![words()],
        },
        Block::Image {
            src: format!("https://example.org/{field}.png"),
            alt: format!("alt {field}"),
            width: Some(200),
            link: format!("https://example.org/{field}"),
        },
        Block::Button {
            label: format!("Go {field}"),
            link: format!("mailto:club@example.org?subject={field}"),
        },
        Block::Divider {},
        Block::Footer {
            paragraphs: vec![words()],
        },
    ];
    Document { version: 1, blocks }
}

/// The HTML with every value of an attribute and every text taken out: what is left is its structure.
fn skeleton(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let tag = &rest[at..];
        let mut names = String::new();
        let mut quote = None;
        let mut end = tag.len();
        for (at, char) in tag.char_indices() {
            match (quote, char) {
                (None, '"' | '\'') => quote = Some(char),
                (Some(open), close) if open == close => quote = None,
                (None, '>') => {
                    end = at + 1;
                    break;
                }
                (None, char) => names.push(char),
                _ => {}
            }
        }
        tags.push(names);
        rest = &tag[end..];
    }
    tags
}

fn header_names(bytes: &[u8]) -> Vec<String> {
    let message = MessageParser::default().parse(bytes).expect("a mail");
    message
        .headers()
        .iter()
        .map(|header| header.name().to_owned())
        .collect()
}

#[test]
fn a_whole_mail_passes_its_audit() {
    let someone = Someone::named("Ana", "Li");
    let template = compile(LETTER, "Hi {{ first_name }}");
    let rendered = template
        .render(&someone.person(), &tracked_links())
        .expect("all fields are there");
    let bytes = mail(&rendered, &someone);
    let problems = check(&bytes, &someone);
    assert!(problems.is_empty(), "a sound mail has no problem: {problems:#?}");
    assert_eq!(rendered.subject, "Hi Ana");
    assert!(
        rendered.text.starts_with("Spring, Ana\n===========\n"),
        "{}",
        rendered.text
    );
    assert!(
        rendered
            .text
            .contains("our page (https://example.org/?a=1&b=2). A second line."),
        "{}",
        rendered.text
    );
    assert!(
        rendered
            .html
            .contains("<a href=\"https://example.org/?a=1&amp;b=2\""),
        "{}",
        rendered.html
    );
    assert_eq!(
        mail(
            &template
                .render(&someone.person(), &tracked_links())
                .expect("the same again"),
            &someone
        ),
        bytes,
        "the same input makes the same bytes: what is previewed is what leaves"
    );
}

#[test]
fn the_pixel_is_the_first_thing_behind_the_hidden_line() {
    let someone = Someone::named("Ana", "Li");
    let links = tracked_links();
    let template = compile(LETTER, "Hi");
    let html = template
        .render(&someone.person(), &links)
        .expect("all fields are there")
        .html;
    let pixel = super::pixel::img_tag(links.pixel.as_deref().expect("it is tracked"));
    assert_eq!(html.matches("<img").count(), 2, "the garden and one pixel");
    let body = html.find("<body").expect("there is a body");
    let line = html
        .find("What happened in spring</div>")
        .expect("there is a hidden line");
    let at = html.find(&pixel).expect("there is a pixel");
    assert!(body < line && line < at && at < html.find("Spring, Ana</h1>").expect("a heading"));
    assert_eq!(
        &html[line + "What happened in spring</div>".len()..at],
        "",
        "right behind it"
    );
}

#[test]
fn the_footer_says_what_holds_for_this_mail() {
    let someone = Someone::named("Ana", "Li");
    let template = compile("Hello", "Hi");
    let render = |links: &Links| template.render(&someone.person(), links).expect("no fields");
    let tracked = render(&tracked_links());
    for part in [&tracked.html, &tracked.text] {
        for words in [
            "tells Orto &",
            "Stop recording my opens",
            "#opens",
            "Unsubscribe",
            "leave@example.org",
            "Via Roma 1",
        ] {
            assert!(part.contains(words), "a tracked mail says {words:?}: {part}");
        }
    }
    let untracked = render(&Links {
        pixel: None,
        tracked: false,
        ..tracked_links()
    });
    let none = render(&Links {
        unsubscribe_mailto: Some("mailto:leave@example.org?subject=x".into()),
        ..Links::default()
    });
    for part in [&untracked.html, &untracked.text, &none.html, &none.text] {
        assert!(
            !part.contains("picture") && !part.contains("recording") && !part.contains("<img"),
            "a mail without a pixel claims no recording: {part}"
        );
    }
    assert!(
        none.text.contains("To unsubscribe, write to leave@example.org\n"),
        "{}",
        none.text
    );
    assert!(
        none.html.contains("href=\"mailto:leave@example.org?subject=x\""),
        "{}",
        none.html
    );
    assert!(
        !none.html.contains("https://"),
        "without an address no link leads to one: {}",
        none.html
    );
}

#[test]
fn every_block_carries_hostile_values_and_stays_whole() {
    let document = every_block("{{ v }}");
    let template = Template::compile(&source(&document, "News for {{ v }}")).expect("it compiles");
    assert!(template.fields().contains("v"), "{:?}", template.fields());
    let plain = Someone::named("Ana", "Li").with("v", "plain");
    let wanted = template
        .render(&plain.person(), &tracked_links())
        .expect("it renders");
    let headers = header_names(&mail(&wanted, &plain));
    let long = "x".repeat(10_240);
    for value in [
        "</title></p></div><script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "<!-- -->",
        "a\r\nBcc: eve@example.org\r\n\r\nbody",
        "a\nb\tc\0d\u{1b}[31m",
        "x\u{2028}\u{2029}\u{85}y",
        "&lt;b&gt; &amp; &#60;",
        "casementslot0x casementslot99999x",
        "אבג שלום \u{202e}txt.exe",
        "👩‍👩‍👧 Ünï çødé",
        "=?utf-8?B?QmNjOiBl?=",
        "javascript:alert(1)",
        long.as_str(),
    ] {
        let someone = Someone::named(value, value).with("v", value);
        let rendered = template
            .render(&someone.person(), &tracked_links())
            .unwrap_or_else(|error| panic!("{value:?} renders: {error}"));
        let breaks = |html: &str| skeleton(&html.replace("<br>", ""));
        assert_eq!(
            breaks(&rendered.html),
            breaks(&wanted.html),
            "{value:?} adds no tag and no attribute"
        );
        assert!(
            !rendered.subject.contains(char::is_control),
            "a subject is one line: {:?}",
            rendered.subject
        );
        let bytes = mail(&rendered, &someone);
        assert_eq!(header_names(&bytes), headers, "{value:?} adds no header");
        let errors: Vec<_> = check(&bytes, &someone)
            .into_iter()
            .filter(|problem| problem.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let message = MessageParser::default().parse(&bytes).expect("a mail");
        assert_eq!(
            message
                .body_text(0)
                .map(|text| text.replace("\r\n", "\n").trim_end().to_owned()),
            Some(rendered.text.trim_end().to_owned()),
            "the text part reads back as it was rendered"
        );
        assert_eq!(
            message.body_html(0).map(|html| html.replace("\r\n", "\n")),
            Some(rendered.html.clone()),
            "the HTML part reads back as it was rendered"
        );
    }
}

#[test]
fn the_words_of_headers_read_back() {
    let template = compile("Hello", "{{ v }}");
    for (value, read) in [
        ("Spring news", "Spring news"),
        ("Grüße aus Köln", "Grüße aus Köln"),
        ("שלום עולם", "שלום עולם"),
        (
            "🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱",
            "🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱",
        ),
        ("a\r\nBcc: eve@example.org", "a Bcc: eve@example.org"),
        ("=?utf-8?Q?x?=", "=?utf-8?Q?x?="),
        ("Li, \"Ana\" \\ <x@y>", "Li, \"Ana\" \\ <x@y>"),
        (
            "a long subject that has to be folded since it does not fit into one line of a mail at all",
            "a long subject that has to be folded since it does not fit into one line of a mail at all",
        ),
    ] {
        let someone = Someone::named(value, "").with("v", value);
        let rendered = template
            .render(&someone.person(), &tracked_links())
            .expect("the field is there");
        let bytes = mail(&rendered, &someone);
        let message = MessageParser::default().parse(&bytes).expect("a mail");
        assert_eq!(message.subject(), Some(read), "subject");
        let to = message.to().and_then(|to| to.first()).expect("there is a reader");
        assert_eq!(to.name(), Some(read), "the reader's name");
        assert_eq!(to.address(), Some("ana@example.org"));
        assert_eq!(check(&bytes, &someone), Vec::new());
    }
}

#[test]
fn a_link_that_comes_out_wrong_is_an_error_and_not_a_mail() {
    let template = compile("[go]({{ site }})", "Hi");
    for site in [
        "javascript:alert(1)",
        "data:text/html,x",
        "example.org",
        "https://",
    ] {
        let someone = Someone::named("Ana", "Li").with("site", site);
        let error = template
            .render(&someone.person(), &tracked_links())
            .expect_err("it must not be sent");
        assert!(matches!(error, RenderError::Link { .. }), "{site}: {error}");
    }
    let someone = Someone::named("Ana", "Li").with("site", "https://example.org/a b");
    let html = template
        .render(&someone.person(), &tracked_links())
        .expect("it is a web address")
        .html;
    assert!(html.contains("href=\"https://example.org/a%20b\""), "{html}");
}

#[test]
fn a_missing_field_is_named_before_anything_is_built() {
    let template = compile(LETTER, "Hi {{ first_name }}");
    let error = template
        .render(&Someone::named("", "").person(), &tracked_links())
        .expect_err("a greeting without a name");
    assert_eq!(error.unresolved(), ["first_name"]);
    assert!(error.to_string().contains("the subject"), "{error}");
}

#[test]
fn what_is_wrong_with_a_campaign_is_told_all_at_once() {
    let mut document = every_block("{{ v | nofilter }}");
    document.blocks[7] = Block::Button {
        label: "Go".into(),
        link: "javascript:x".into(),
    };
    let errors = Template::compile(&source(&document, "{{ x"))
        .err()
        .expect("it must not compile");
    assert!(errors.iter().any(|error| error.place == "subject"), "{errors:#?}");
    assert!(
        errors
            .iter()
            .any(|error| error.block == Some(7) && error.place == "link"),
        "{errors:#?}"
    );
    assert!(errors.iter().any(|error| error.block == Some(0)), "{errors:#?}");
}

#[test]
fn a_template_is_shared_by_workers() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&compile("Hello", "Hi"));
}

proptest! {
    #![proptest_config(crate::cases::seeded(64))]

    #[test]
    fn no_value_breaks_out_of_the_html_or_adds_a_header(
        first in any::<String>(),
        value in "([<>\"'&;{}%#=\\\\\r\n\0\t ]|[a-z]|\\PC){1,60}",
    ) {
        let document = every_block("{{ v | fallback(\"x\") }}");
        let template = Template::compile(&source(&document, "News {{ v | fallback(\"x\") }}")).expect("it compiles");
        let plain = Someone::named("Ana", "Li");
        let wanted = template.render(&plain.person(), &tracked_links()).expect("it renders");
        let someone = Someone::named(&first, &value).with("v", &value);
        let rendered = template.render(&someone.person(), &tracked_links()).expect("any value renders");
        prop_assert_eq!(
            skeleton(&rendered.html.replace("<br>", "")),
            skeleton(&wanted.html.replace("<br>", ""))
        );
        let bytes = mail(&rendered, &someone);
        prop_assert_eq!(header_names(&bytes), header_names(&mail(&wanted, &plain)));
        let problems = check(&bytes, &someone);
        // Headers lose control characters, which may bring two braces of the value together.
        let has_braces = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>().contains("{{");
        prop_assert!(
            problems.iter().all(|problem| problem.id == "unresolved_field" && (has_braces(&value) || has_braces(&first))),
            "{:?}",
            problems
        );
    }
}
