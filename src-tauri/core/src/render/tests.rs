//! The whole way of a mail: document → template → MIME → audit, with hostile people and documents.

use super::audit::{AuditProblem, Expected, audit};
use super::document::Document;
use super::markdown::from_markdown;
use super::mime::{Envelope, ListIdHeader, Unsubscribe, build, message_id};
use super::pixel::{pixel_url, preference_url};
use super::template::{Links, Person, Rendered, Source, Template};
use crate::ids::{CampaignId, SeededEntropy};
use crate::tracking::token::Token;
use std::collections::BTreeMap;

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
    )
    .expect("a mail with sound addresses can be built")
}

fn check(bytes: &[u8], to: &Someone) -> Vec<AuditProblem> {
    let links = tracked_links();
    let url = links.preferences.clone().expect("there is one");
    audit(
        bytes,
        &Expected {
            to: &to.email,
            pixel: links.pixel.as_deref(),
            preference_url: links.preferences.as_deref(),
            unsubscribe: &Unsubscribe::WebAndMailto {
                url: &url,
                mailto: "leave@example.org",
            },
            postal_address: POSTAL,
        },
    )
}

const LETTER: &str = "# Spring, {{ first_name | fallback('friend') }}\n\nHello {{ name | fallback(\"there\") }}, \
    here is **what** *happened* on our [page](https://example.org/?a=1&b=2).\nA second line.\n\n- One\n- Two {{ city | fallback(\"\") }}\n\n\
    ---\n\n![A garden](https://example.org/garden.jpg)\n\n1. First\n2. Second\n";

#[test]
fn a_whole_mail_passes_its_audit() {
    let someone = Someone::named("Ana", "Li");
    let template = compile(LETTER, "Hi {{ first_name }}");
    let rendered = template
        .render(&someone.person(), &tracked_links())
        .expect("all fields are there");
    let problems = check(&mail(&rendered, &someone), &someone);
    assert!(problems.is_empty(), "a sound mail has no problem: {problems:#?}");
}
