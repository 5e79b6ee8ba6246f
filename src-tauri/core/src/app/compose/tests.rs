//! Previews as anyone, of anything; test mails that do nothing; Markdown.

use super::super::sending_tests::Stage;
use super::*;
use crate::api::{Audience, CampaignSave, OutboxList};
use crate::app::outbox;
use crate::domain::consent::ConsentState;
use crate::ids::CampaignId;
use crate::render::document::Span;
use crate::store::test_token;
use serde_json::json;

fn asked(id: CampaignId, contact: Option<ContactId>) -> CampaignPreview {
    CampaignPreview {
        id: Some(id),
        draft: None,
        contact,
    }
}

fn ids(preview: &Preview) -> Vec<&str> {
    preview.findings.iter().map(|found| found.id.as_str()).collect()
}

#[test]
fn a_preview_walks_through_the_audience_and_never_has_a_pixel() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    let people: Vec<ContactId> = ["a@example.org", "b@example.org", "c@example.org"]
        .into_iter()
        .map(|email| stage.person(email, ConsentState::Granted))
        .collect();
    let id = stage.draft();
    let first = preview(engine, asked(id, None)).unwrap();
    assert_eq!(first.contact, Some(people[0]), "the first of the audience");
    assert_eq!((first.previous, first.next), (None, Some(people[1])));
    assert_eq!(first.contact_label, "Ana Li");
    assert_eq!(first.subject, "Hello Ana");
    assert_eq!(first.from, "Club <club@example.org>");
    assert_eq!(ids(&first), [""; 0], "a sound mail has no finding");
    assert!(first.size > 2000 && first.words > 10, "{first:?}");
    for part in [&first.html, &first.text] {
        assert!(part.contains("Dear Ana"), "{part}");
        assert!(
            part.contains("https://t.example.org/u/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
            "a link to nobody's page: {part}"
        );
        assert!(
            !part.contains("/o/") && !part.contains("<img") && !part.contains("Stop recording"),
            "{part}"
        );
    }
    let second = preview(engine, asked(id, first.next)).unwrap();
    assert_eq!((second.previous, second.next), (Some(people[0]), Some(people[2])));
    let error = preview(engine, asked(id, Some(ContactId(99)))).unwrap_err();
    assert_eq!(error.code, Code::NotFound, "{error}");
}

#[test]
fn what_is_missing_is_shown_by_its_name_and_told() {
    let stage = Stage::bare();
    let engine = &stage.bench.engine;
    let shown = preview(engine, asked(stage.draft(), None)).unwrap();
    assert_eq!(shown.contact, None, "nobody is in the audience");
    assert_eq!(shown.contact_label, "a reader without data");
    assert_eq!(shown.subject, "Hello [first_name]");
    assert!(shown.text.starts_with("Dear [first_name]\n"), "{}", shown.text);
    assert_eq!(ids(&shown), ["unresolved_field"]);
    let found = &shown.findings[0];
    assert!(
        found.message.contains("first_name") && found.examples.is_empty(),
        "{found:?}"
    );
}

#[test]
fn an_unsaved_draft_without_anything_can_be_looked_at() {
    let stage = Stage::bare();
    let engine = &stage.bench.engine;
    let draft: CampaignSave = serde_json::from_value(json!({ "name": "" })).unwrap();
    let shown = preview(
        engine,
        CampaignPreview {
            id: None,
            draft: Some(draft.clone()),
            contact: None,
        },
    )
    .unwrap();
    assert_eq!(ids(&shown), ["no_subject"], "the workspace has an address");
    assert_eq!(shown.from, "");
    assert!(shown.html.contains("1 Lane, Town") && shown.size > 0, "{shown:?}");

    let broken = CampaignSave {
        subject: "{{ x".into(),
        audience: Audience::default(),
        document: Some(Document {
            version: 1,
            blocks: vec![
                Block::Heading {
                    level: 1,
                    spans: vec![Span::default()],
                },
                Block::Button {
                    label: "Go".into(),
                    link: "javascript:x".into(),
                },
            ],
        }),
        ..draft
    };
    let shown = preview(
        engine,
        CampaignPreview {
            id: None,
            draft: Some(broken),
            contact: None,
        },
    )
    .unwrap();
    assert_eq!(
        shown.html, "",
        "nothing can be shown of a mail that cannot be read"
    );
    assert!(
        shown.findings.iter().any(|found| found.block == Some(1)),
        "the block in question is named: {:?}",
        shown.findings
    );
    assert!(
        preview(
            engine,
            CampaignPreview {
                id: None,
                draft: None,
                contact: None
            }
        )
        .is_err()
    );
}

#[test]
fn a_preview_without_account_or_address_says_what_such_a_mail_carries() {
    let stage = Stage::bare();
    let engine = &stage.bench.engine;
    let id = stage.draft_with(json!({ "account": null, "postal_address": "Elsewhere 2" }));
    let shown = preview(engine, asked(id, None)).unwrap();
    assert!(
        shown.text.contains("Elsewhere 2"),
        "the campaign's address wins: {}",
        shown.text
    );
    assert!(!shown.text.contains("/u/"), "there is no page: {}", shown.text);
}

#[test]
fn what_a_preview_shows_is_what_leaves() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    stage.person("refused@example.org", ConsentState::Refused);
    let id = stage.draft();
    stage.launch(id, 0);
    stage.send();
    let sent = stage.mail("refused@example.org").unwrap();
    let shown = preview(engine, asked(id, None)).unwrap();
    // Only the token differs: a preview's leads to nobody.
    let neutral = |text: &str| {
        let at = text.find("/u/").unwrap() + 3;
        text.replace(&text[at..at + Token::TEXT_LEN], "TOKEN")
            .replace("\r\n", "\n")
            .trim_end()
            .to_owned()
    };
    assert_eq!(neutral(&shown.text), neutral(&sent.text));
    // The outbox shows a mail behind a policy of its own, which stands before the title.
    let body = |html: &str| neutral(&html[html.find("<title>").unwrap()..]);
    assert_eq!(body(&shown.html), body(&sent.html));
    assert_eq!(shown.subject, sent.row.subject);
}

#[test]
fn a_test_mail_is_never_tracked_and_its_links_are_a_tests() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft();
    let send = |to: &str| {
        test_mail(
            engine,
            CampaignTestMail {
                id,
                to: to.into(),
                contact: None,
            },
        )
    };
    let answer = send("me@example.org").unwrap();
    assert!(!answer.reply.is_empty());
    let mail = stage.mail("me@example.org").unwrap();
    assert!(mail.row.test);
    assert_eq!(
        mail.row.subject, "Hello Ana",
        "rendered as the first of the audience, without a mark"
    );
    assert_eq!(mail.pixel, None);
    assert!(!mail.text.contains("Stop recording"), "{}", mail.text);
    let at = mail.text.find("/u/").unwrap() + 3;
    let token = Token::parse(&mail.text[at..at + Token::TEXT_LEN]).unwrap();
    let is_test = engine.read(|conn| Ok(test_token::exists(conn, &token)?)).unwrap();
    assert!(is_test, "its page says so, and does nothing");
    for wrong in ["", "me", "me@example.org\r\nBcc: eve@example.org"] {
        let error = send(wrong).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("to"), "{wrong:?}: {error}");
    }
    let all: OutboxList = serde_json::from_value(json!({})).unwrap();
    assert_eq!(
        outbox::list(engine, all).unwrap().total,
        1,
        "a refused test sends nothing"
    );
}

#[test]
fn a_test_mail_that_cannot_be_made_says_why() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    let send = |id| {
        test_mail(
            engine,
            CampaignTestMail {
                id,
                to: "me@example.org".into(),
                contact: None,
            },
        )
        .unwrap_err()
    };
    let error = send(stage.draft());
    assert!(
        error.message.contains("first_name"),
        "no data, no fallback: {error}"
    );
    let error = send(stage.draft_with(json!({ "account": null })));
    assert_eq!(error.code, Code::Conflict, "{error}");
    assert_eq!(send(CampaignId(77)).code, Code::NotFound);
}

#[test]
fn markdown_becomes_a_document_or_a_sentence() {
    let stage = Stage::bare();
    let ask = |markdown: &str| {
        from_markdown(
            &stage.bench.engine,
            DocumentFromMarkdown {
                markdown: markdown.into(),
            },
        )
    };
    assert_eq!(ask("# A\n\nb").unwrap().document.blocks.len(), 2);
    let error = ask("[x](javascript:alert)").unwrap_err();
    assert_eq!(error.field.as_deref(), Some("markdown"));
    assert!(error.message.ends_with('.'), "{error}");
}
