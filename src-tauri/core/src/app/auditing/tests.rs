//! What an audit finds, which mails it shows, and that nothing of a reader's own stays with it.

use super::super::sending_tests::Stage;
use super::super::{compose, contact as people, preflight, sending};
use super::*;
use crate::api::{CampaignPreview, Finding};
use crate::domain::consent::ConsentState;
use crate::store::campaign;
use serde_json::json;

fn seen(contact: i64, size: u32, empty: u32) -> Seen {
    Seen {
        contact: ContactId(contact),
        size,
        empty,
    }
}

fn part(mails: &[Seen], bad: &[i64]) -> Part {
    let mut part = Part::default();
    for mail in mails {
        part.see(*mail);
    }
    for contact in bad {
        part.add(unresolved("city"), ContactId(*contact));
    }
    part
}

fn kinds(audited: &Audited, contact: i64) -> Vec<SampleKind> {
    let sample = audited
        .samples
        .iter()
        .find(|sample| sample.contact == ContactId(contact));
    sample.map(|sample| sample.kinds.clone()).unwrap_or_default()
}

#[test]
fn parts_put_together_say_what_one_thread_would_have_said() {
    let mails: Vec<Seen> = (1..=40)
        .map(|n| seen(n, 1_000 + (n as u32 * 7) % 13, (n as u32 * 5) % 4))
        .collect();
    let bad = [1, 2, 3, 4, 5, 6];
    let whole = part(&mails, &bad).end();
    for cut in [1, 3, 20, 39] {
        let mut cut_up = part(&mails[..cut], &bad[..2]);
        cut_up.append(part(&mails[cut..], &bad[2..]));
        let cut_up = cut_up.end();
        assert_eq!(cut_up.samples, whole.samples, "cut behind {cut}");
        assert_eq!(cut_up.findings, whole.findings);
        assert_eq!(cut_up.size_range, whole.size_range);
    }
    assert_eq!(whole.findings[0].recipients, 6);
    let people: Vec<i64> = whole.findings[0].people.iter().map(|id| id.0).collect();
    assert_eq!(people, bad[..5], "the first five");
}

#[test]
fn a_sample_is_named_once_with_all_that_it_is() {
    let audited = part(&[seen(1, 10, 0), seen(2, 30, 2), seen(3, 20, 2)], &[]).end();
    assert_eq!(audited.samples.len(), 3);
    assert_eq!(
        kinds(&audited, 2),
        [SampleKind::Longest, SampleKind::Emptiest, SampleKind::First],
        "of two equally empty mails the first is shown"
    );
    assert_eq!(kinds(&audited, 1)[0], SampleKind::Shortest);
    assert_eq!(audited.size_range, Some([10, 30]));
    let alone = part(&[seen(1, 10, 0)], &[]).end();
    assert_eq!(
        kinds(&alone, 1),
        [SampleKind::First],
        "neither the largest of one, nor empty with nothing missing"
    );
}

#[test]
fn only_the_first_and_the_last_five_are_shown_of_many() {
    let mails: Vec<Seen> = (1..=100).map(|n| seen(n, 10, 0)).collect();
    let audited = part(&mails, &[]).end();
    let contacts: Vec<i64> = audited.samples.iter().map(|sample| sample.contact.0).collect();
    assert_eq!(contacts, [1, 2, 3, 4, 5, 96, 97, 98, 99, 100]);
}

/// A campaign whose link and picture are each reader's own, and two readers with whom both come out wrong.
fn personal() -> (Stage, CampaignId, [ContactId; 2]) {
    let stage = Stage::set();
    let people = ["ana@example.org", "bo@example.org"].map(|email| {
        let saving = json!({ "email": email, "lists": [stage.list], "fields": { "site": format!("page of {email}") } });
        people::save(&stage.bench.engine, serde_json::from_value(saving).unwrap())
            .unwrap()
            .id
    });
    let id = stage.draft_with(
        json!({ "subject": "Hello", "document": { "version": 1, "blocks": [
        { "type": "button", "label": "Your page", "link": "{{ site }}" },
    ] } }),
    );
    (stage, id, people)
}

fn found_of<'a>(preflight: &'a Preflight, id: &str) -> &'a Finding {
    let mut found = preflight.findings.iter().filter(|found| found.id == id);
    let first = found.next().unwrap_or_else(|| panic!("{preflight:?}"));
    assert_eq!(found.next(), None, "one finding for all whom it concerns");
    first
}

fn stored(stage: &Stage, id: CampaignId) -> String {
    let read = |conn: &Conn| Ok(campaign::preflight(conn, id)?);
    stage.bench.engine.read(read).unwrap().unwrap()
}

#[test]
fn a_finding_is_kept_without_anything_of_the_people_whom_it_names() {
    let (stage, id, people) = personal();
    let engine = &stage.bench.engine;
    let preflight = stage.prepare(id);
    let found = found_of(&preflight, "render_failed");
    assert_eq!(
        found.message,
        "In block 1 (link), what comes out is no address for a link; use one that begins with https://, http://, mailto: or tel:."
    );
    assert_eq!((found.recipients, &found.people[..]), (2, &people[..]));
    assert_eq!(found.examples, ["ana@example.org", "bo@example.org"]);
    for part in ["ana@", "bo@", "page of"] {
        assert!(!stored(&stage, id).contains(part), "{}", stored(&stage, id));
    }

    let standing = || preflight::standing(engine, id).unwrap();
    let moved = json!({ "id": people[0], "email": "anne@example.org", "lists": [stage.list] });
    people::save(engine, serde_json::from_value(moved).unwrap()).unwrap();
    assert_eq!(
        found_of(&standing(), "render_failed").examples,
        ["anne@example.org", "bo@example.org"],
        "the address of now"
    );
    people::erase(
        engine,
        serde_json::from_value(json!({ "ids": [people[0]] })).unwrap(),
    )
    .unwrap();
    let found = standing();
    let found = found_of(&found, "render_failed");
    assert_eq!(found.examples, ["bo@example.org"]);
    assert_eq!((found.recipients, &found.people[..]), (2, &people[1..]));
}

#[test]
fn a_foreign_pixel_of_each_reader_is_one_finding_and_a_preview_shows_it() {
    let (stage, _, people) = personal();
    let id = stage.draft_with(
        json!({ "subject": "Hello", "document": { "version": 1, "blocks": [
        { "type": "image", "src": "https://spy.example/{{ email }}.gif", "alt": "Nothing", "width": 1 },
    ] } }),
    );
    let preflight = stage.prepare(id);
    let found = found_of(&preflight, "audit_mismatch");
    assert_eq!((found.recipients, found.examples.len()), (2, 2), "{found:?}");
    assert!(!stored(&stage, id).contains("ana@"), "{}", stored(&stage, id));
    let asked = CampaignPreview {
        id: Some(id),
        draft: None,
        contact: Some(people[0]),
    };
    let preview = compose::preview(&stage.bench.engine, asked).unwrap();
    let shown = preview.findings.iter().find(|found| found.id == "audit_mismatch");
    let shown = &shown.unwrap().message;
    assert!(
        shown.contains("https://spy.example/ana@example.org.gif"),
        "{shown}"
    );
}

#[test]
fn the_bytes_of_files_are_looked_at_in_the_first_mail_that_can_be_made() {
    let stage = Stage::set();
    for email in ["a@example.org", "b@example.org", "c@example.org"] {
        stage.person(email, ConsentState::Granted);
    }
    let id = stage.draft();
    stage.prepare(id);
    let engine = &stage.bench.engine;
    let letterhead = sending::letterhead(engine, id).unwrap();
    let mut letters = engine
        .read(|conn| Ok(message::planned(conn, id, MessageId(0), 10)?))
        .unwrap();
    // The first was erased, and the second has no first name, which the mail's subject wants.
    letters[0].person = None;
    letters[1].person.as_mut().unwrap().first_name.clear();
    let mut audit = Audit {
        letterhead: &letterhead,
        date: engine.clock.now(),
        look: Look::AtBytes,
        all: Part::default(),
    };
    audit.turn(&letters[..2]);
    assert_eq!(audit.look, Look::AtBytes, "there was no mail to look at yet");
    audit.turn(&letters[2..]);
    assert_eq!(audit.look, Look::AtOutline);
    let all = audit.all.end();
    assert_eq!((all.samples.len(), all.findings[0].recipients), (1, 1), "{all:?}");
}
