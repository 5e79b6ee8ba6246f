//! What failed and what nobody knows of: sent again, left, or marked as sent.

use super::super::sending_tests::Stage;
use super::*;
use crate::api::{CampaignCancel, CampaignGet, MessageTimeline, TimelineEntry};
use crate::app::{contact, control};
use crate::domain::consent::ConsentState;
use serde_json::json;

/// A finished campaign to these people, whose rows then say what `sql` makes of them.
fn finished(emails: &[&str], sql: &'static str) -> (Stage, CampaignId) {
    let stage = Stage::set();
    for email in emails {
        stage.person(email, ConsentState::Granted);
    }
    let id = stage.draft();
    stage.launch(id, 0);
    stage.send();
    assert_eq!(stage.row(id).state, CampaignState::Finished);
    let changed = stage
        .bench
        .engine
        .write(&[], move |conn| Ok(conn.execute(sql, []).unwrap()));
    changed.unwrap();
    (stage, id)
}

const FAILED: &str = "UPDATE message SET accepted_at = NULL, state = 'rejected', attempts = 8,
      reply = CASE WHEN email LIKE 'busy%' THEN 'Given up after 8 attempts: 451 later' ELSE '550 no such user' END
    WHERE email <> 'fine@example.org'";
const UNCERTAIN: &str =
    "UPDATE message SET accepted_at = NULL, state = 'uncertain' WHERE email <> 'fine@example.org'";

fn list(stage: &Stage, id: CampaignId) -> CampaignTroublesResponse {
    troubles(&stage.bench.engine, CampaignTroubles { id }).unwrap()
}

fn states(stage: &Stage, id: CampaignId) -> Vec<(String, String)> {
    stage
        .ledger(id)
        .into_iter()
        .map(|(email, (state, ..))| (email, state))
        .collect()
}

fn timeline(stage: &Stage, message: MessageId) -> Vec<TimelineEntry> {
    crate::app::report::timeline(&stage.bench.engine, MessageTimeline { id: message })
        .unwrap()
        .entries
}

fn settle(stage: &Stage, id: CampaignId, messages: Option<Vec<MessageId>>, how: Resolution) -> Result<u32> {
    resolve(&stage.bench.engine, MessageResolve { id, messages, how }).map(|touched| touched.count)
}

fn again(stage: &Stage, id: CampaignId, messages: Option<Vec<MessageId>>) -> Result<u32> {
    retry(&stage.bench.engine, CampaignRetry { id, messages }).map(|touched| touched.count)
}

#[test]
fn what_may_work_next_time_is_sent_again_and_the_rest_only_where_it_is_chosen() {
    let (stage, id) = finished(
        &["busy@example.org", "fine@example.org", "gone@example.org"],
        FAILED,
    );
    let found = list(&stage, id);
    assert_eq!((found.failed_total, found.temporary_total), (2, 1));
    assert_eq!(
        found.failed[0].email, "busy@example.org",
        "what may work stands first"
    );
    assert!(found.failed[0].temporary && !found.failed[1].temporary);
    assert_eq!(again(&stage, id, None).unwrap(), 1);
    assert_eq!(stage.row(id).state, CampaignState::Running);
    stage.send();
    let row = stage.row(id);
    assert_eq!(row.state, CampaignState::Finished);
    assert_eq!((row.counts["accepted"], row.counts["rejected"]), (2, 1));
    assert_eq!(again(&stage, id, Some(vec![found.failed[1].message])).unwrap(), 1);
    stage.send();
    assert_eq!(stage.row(id).counts["accepted"], 3);
    let words: Vec<String> = timeline(&stage, found.failed[1].message)
        .into_iter()
        .map(|entry| entry.text)
        .collect();
    assert!(
        words.contains(&"Put into the queue again, because you asked for it.".to_owned()),
        "{words:?}"
    );
    let none = again(&stage, id, None).unwrap_err();
    assert!(none.message.contains("None of these mails"), "{none}");
}

#[test]
fn nothing_is_sent_again_that_is_uncertain_accepted_or_stopped() {
    let (stage, id) = finished(&["busy@example.org", "fine@example.org"], FAILED);
    stage.suppress("busy@example.org");
    let found = list(&stage, id);
    assert!(found.failed[0].stopped, "{found:?}");
    assert_eq!(found.temporary_total, 0, "what is stopped does not count");
    assert!(again(&stage, id, None).is_err());
    assert!(again(&stage, id, Some(vec![found.failed[0].message])).is_err());
    let before = states(&stage, id);
    let all = (1..=9).map(MessageId).collect();
    assert!(
        again(&stage, id, Some(all)).is_err(),
        "an accepted mail is not sent again"
    );
    assert_eq!(states(&stage, id), before);
    assert_eq!(
        stage.row(id).state,
        CampaignState::Finished,
        "nothing to send, nothing runs"
    );

    let (stage, id) = finished(&["a@example.org"], UNCERTAIN);
    let uncertain = list(&stage, id).uncertain[0].message;
    assert!(
        again(&stage, id, Some(vec![uncertain])).is_err(),
        "that is another question"
    );
    assert_eq!(states(&stage, id)[0].1, "uncertain");
}

#[test]
fn uncertain_mails_are_left_sent_again_or_marked_as_sent() {
    let (stage, id) = finished(&["a@example.org", "b@example.org", "c@example.org"], UNCERTAIN);
    let found = list(&stage, id);
    assert_eq!(found.uncertain_total, 3);
    let [a, b, c] = [0, 1, 2].map(|index| found.uncertain[index].message);
    assert_eq!(settle(&stage, id, Some(vec![a]), Resolution::Leave).unwrap(), 1);
    let found = list(&stage, id);
    assert_eq!((found.uncertain_total, found.left_total), (2, 1));
    assert_eq!(states(&stage, id)[0].1, "uncertain", "a look can still prove it");
    assert_eq!(settle(&stage, id, Some(vec![b]), Resolution::Sent).unwrap(), 1);
    assert_eq!(
        timeline(&stage, b).last().unwrap().text,
        "You said that it was sent."
    );
    assert_eq!(stage.row(id).state, CampaignState::Finished);
    assert_eq!(
        settle(&stage, id, None, Resolution::Again).unwrap(),
        1,
        "of all that are not decided, and not of the one that is left"
    );
    stage.send();
    let row = stage.row(id);
    assert_eq!((row.counts["accepted"], row.counts["uncertain"]), (2, 1));
    assert!(
        settle(&stage, id, Some(vec![b, c]), Resolution::Again).is_err(),
        "both are known now"
    );
    let problems =
        crate::app::verify::verify(&stage.bench.engine, serde_json::from_value(json!({})).unwrap());
    assert_eq!(problems.unwrap().breaches, [""; 0]);
}

#[test]
fn a_mail_that_is_sent_again_has_the_same_message_id() {
    let (stage, id) = finished(&["a@example.org"], UNCERTAIN);
    let folder = stage.bench.engine.workspace.outbox().join(id.to_string());
    let id_of = || {
        let path = std::fs::read_dir(&folder)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    let before = id_of();
    settle(&stage, id, None, Resolution::Again).unwrap();
    stage.send();
    assert_eq!(id_of(), before, "a mailbox can tell that it is the same mail");
    assert!(before.starts_with("Message-ID: <"), "{before}");
}

#[test]
fn nothing_is_sent_again_of_what_is_over() {
    let (stage, id) = finished(&["busy@example.org"], FAILED);
    let engine = &stage.bench.engine;
    let blocked = |words: &str| {
        let found = list(&stage, id).blocked.unwrap_or_default();
        assert!(found.contains(words), "{found}");
        let error = again(&stage, id, None).unwrap_err();
        assert_eq!(error.message, found);
    };
    assert_eq!(list(&stage, id).blocked, None);
    let before = campaign_window(&stage, id);
    stage.bench.clock.advance(before - engine.clock.now());
    blocked("The window of Spring is over");

    let (stage, id) = finished(&["busy@example.org"], FAILED);
    again(&stage, id, None).unwrap();
    control::cancel(&stage.bench.engine, CampaignCancel { id }).unwrap();
    let error = again(&stage, id, None).unwrap_err();
    assert!(error.message.contains("was cancelled"), "{error}");
}

fn campaign_window(stage: &Stage, id: CampaignId) -> Instant {
    crate::app::campaign::get(&stage.bench.engine, CampaignGet { id })
        .unwrap()
        .row
        .window
        .unwrap()
        .opens_until
}

#[test]
fn an_erased_person_gets_nothing_again() {
    let (stage, id) = finished(&["busy@example.org"], FAILED);
    let contact = list(&stage, id).failed[0].contact.unwrap();
    let erase = serde_json::from_value(json!({ "ids": [contact] })).unwrap();
    contact::erase(&stage.bench.engine, erase).unwrap();
    let found = list(&stage, id);
    assert!(
        found
            .failed
            .iter()
            .all(|trouble| trouble.stopped && trouble.email.is_empty()),
        "{found:?}"
    );
    assert!(again(&stage, id, None).is_err());
}

#[test]
fn what_a_mail_service_refused_is_forgotten_only_when_something_is_sent_again() {
    let (stage, id) = finished(&["busy@example.org", "gone@example.org"], FAILED);
    let engine = &stage.bench.engine;
    let now = engine.clock.now();
    engine
        .write(&[], move |conn| {
            Ok(standing::refuse(conn, id, "Some service", now, "550 no")?)
        })
        .unwrap();
    let refusals = || {
        engine
            .read(|conn| Ok(standing::refusals(conn, id)?))
            .unwrap()
            .len()
    };
    engine
        .write(&[], move |conn| Ok(after::set_follow_up(conn, id, Some("{}"))?))
        .unwrap();
    assert!(
        again(&stage, id, None).is_err(),
        "mails to new people are prepared"
    );
    assert_eq!(refusals(), 1, "nothing was sent again");
    engine
        .write(&[], move |conn| Ok(after::set_follow_up(conn, id, None)?))
        .unwrap();
    again(&stage, id, None).unwrap();
    assert_eq!(refusals(), 0);
}
