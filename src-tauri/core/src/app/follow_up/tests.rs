//! New people of a finished campaign: planned, audited, shown, sent; and nobody twice.

use super::super::sending_tests::Stage;
use super::*;
use crate::api::{CampaignRetry, JobState};
use crate::app::{contact, verify};
use crate::domain::consent::ConsentState;
use crate::domain::contact::Person;
use crate::store::contact::Adding;
use crate::store::{self, setting};
use serde_json::json;

fn finished(emails: &[&str]) -> (Stage, CampaignId) {
    let stage = Stage::set();
    for email in emails {
        stage.person(email, ConsentState::Granted);
    }
    let id = stage.draft();
    stage.launch(id, 0);
    stage.send();
    (stage, id)
}

fn asked(stage: &Stage, id: CampaignId) -> CampaignFollowUpResponse {
    get(&stage.bench.engine, CampaignFollowUp { id }).unwrap()
}

fn prepared(stage: &Stage, id: CampaignId) -> Preflight {
    let job = stage
        .bench
        .finish(prepare(&stage.bench.engine, CampaignFollowUpPrepare { id }));
    assert_eq!((job.error, job.state), (None, JobState::Done));
    serde_json::from_value(job.result).unwrap()
}

fn launched(stage: &Stage, id: CampaignId) -> Result<Done> {
    launch(
        &stage.bench.engine,
        CampaignFollowUpLaunch {
            id,
            confirmed: true,
            confirm_host: None,
        },
    )
}

fn mails(stage: &Stage, id: CampaignId) -> usize {
    let folder = stage.bench.engine.workspace.outbox().join(id.to_string());
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn only_new_people_get_a_campaign_that_is_sent_on() {
    let (stage, id) = finished(&["a@example.org", "b@example.org"]);
    assert_eq!(asked(&stage, id).new_people, 0);
    let none = prepare(&stage.bench.engine, CampaignFollowUpPrepare { id }).unwrap_err();
    assert!(none.message.contains("Nobody joined"), "{none}");
    stage.person("c@example.org", ConsentState::Granted);
    stage.person("d@example.org", ConsentState::Refused);
    let gone = stage.person("e@example.org", ConsentState::Granted);
    stage.suppress("e@example.org");
    assert_eq!(asked(&stage, id).new_people, 3);
    let window = stage.row(id).window;

    let preflight = prepared(&stage, id);
    assert_eq!(preflight.to_send, 2, "{preflight:?}");
    assert_eq!(preflight.skipped.values().sum::<u32>(), 1);
    assert_eq!(
        preflight.tracking["personal"], 1,
        "the first mails are not counted again"
    );
    let labels: Vec<_> = preflight.samples.iter().map(|sample| sample.contact).collect();
    assert!(labels.len() == 2 && !labels.contains(&gone), "{preflight:?}");
    assert_eq!(stage.row(id).state, CampaignState::Finished, "nothing leaves yet");
    stage.send();
    assert_eq!(mails(&stage, id), 2, "nothing left");

    launched(&stage, id).unwrap();
    stage.send();
    let row = stage.row(id);
    assert_eq!((row.state, row.counts["accepted"]), (CampaignState::Finished, 4));
    assert_eq!(row.window, window, "the window stays as it was");
    assert_eq!(mails(&stage, id), 4);
    assert_eq!(asked(&stage, id).new_people, 0);
    let found = verify::verify(&stage.bench.engine, serde_json::from_value(json!({})).unwrap()).unwrap();
    assert_eq!(found.breaches, [""; 0]);
}

#[test]
fn who_was_erased_and_came_back_does_not_get_it_twice() {
    let (stage, id) = finished(&["a@example.org"]);
    let engine = &stage.bench.engine;
    let contact = engine.read(|conn| Ok(message_contact(conn, id))).unwrap();
    let erase = serde_json::from_value(json!({ "ids": [contact] })).unwrap();
    contact::erase(engine, erase).unwrap();
    stage.person("a@example.org", ConsentState::Granted);
    stage.person("b@example.org", ConsentState::Granted);
    let before = mails(&stage, id);
    let preflight = prepared(&stage, id);
    assert_eq!(
        preflight.to_send, 1,
        "the old row keeps its keyed hash, and so the address is known: {preflight:?}"
    );
    launched(&stage, id).unwrap();
    stage.send();
    assert_eq!(mails(&stage, id), before + 1);
    assert_eq!(asked(&stage, id).new_people, 0, "whoever came back is not new");
}

fn message_contact(conn: &Conn, id: CampaignId) -> i64 {
    let sql = "SELECT contact_id FROM message WHERE campaign_id = ?1";
    conn.query_row(sql, [id.0], |row| row.get(0)).unwrap()
}

#[test]
fn what_changed_since_is_prepared_again() {
    let (stage, id) = finished(&["a@example.org"]);
    let c = stage.person("c@example.org", ConsentState::Granted);
    prepared(&stage, id);
    stage.person("d@example.org", ConsentState::Granted);
    assert!(
        launched(&stage, id)
            .unwrap_err()
            .message
            .contains("prepared again"),
        "one more joined"
    );
    assert_eq!(prepared(&stage, id).to_send, 2, "prepared anew, not beside");
    stage.consents(c, ConsentState::Refused);
    assert!(
        launched(&stage, id)
            .unwrap_err()
            .message
            .contains("prepared again"),
        "one was changed"
    );
    let preflight = prepared(&stage, id);
    assert_eq!(preflight.tracking["personal"], 1, "{preflight:?}");
    launched(&stage, id).unwrap();
    stage.send();
    assert_eq!(stage.row(id).counts["accepted"], 3);
    assert!(launched(&stage, id).is_err(), "once");
}

#[test]
fn what_is_prepared_leaves_no_other_way() {
    let (stage, id) = finished(&["a@example.org"]);
    let engine = &stage.bench.engine;
    stage.person("c@example.org", ConsentState::Granted);
    prepared(&stage, id);
    let error = crate::app::after::retry(engine, CampaignRetry { id, messages: None }).unwrap_err();
    assert!(error.message.contains("Send or discard them first"), "{error}");
    assert!(asked(&stage, id).prepared.is_some());
    discard(engine, CampaignFollowUpDiscard { id }).unwrap();
    let after = asked(&stage, id);
    assert_eq!((after.new_people, after.prepared), (1, None));
    assert_eq!(stage.row(id).counts.get("planned"), None);
}

#[test]
fn a_preparation_that_a_crash_cut_off_is_thrown_away() {
    let (stage, id) = finished(&["a@example.org"]);
    let engine = &stage.bench.engine;
    stage.person("c@example.org", ConsentState::Granted);
    prepared(&stage, id);
    engine
        .write(&[], move |conn| {
            let mut cut_off = kept(conn, id)?.unwrap();
            cut_off.preflight = None;
            keep(conn, id, &cut_off)
        })
        .unwrap();
    assert!(
        discard(engine, CampaignFollowUpDiscard { id }).is_err(),
        "what is at work is cancelled, not discarded"
    );
    recover(engine).unwrap();
    assert_eq!(asked(&stage, id).new_people, 1);
    assert_eq!(stage.row(id).counts.get("planned"), None);
}

fn sql(stage: &Stage, text: &'static str) {
    let run = move |conn: &Conn| {
        conn.execute_batch(text).unwrap();
        Ok(())
    };
    stage.bench.engine.write(&[], run).unwrap();
}

#[test]
fn what_is_being_thrown_away_is_neither_launched_nor_prepared_again() {
    let (stage, id) = finished(&["a@example.org"]);
    let engine = &stage.bench.engine;
    stage.person("c@example.org", ConsentState::Granted);
    prepared(&stage, id);
    sql(
        &stage,
        "CREATE TRIGGER full BEFORE DELETE ON message BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    assert!(discard(engine, CampaignFollowUpDiscard { id }).is_err());
    sql(&stage, "DROP TRIGGER full");
    let found = asked(&stage, id);
    assert_eq!((found.busy, found.job, found.prepared), (true, None, None));
    let error = launched(&stage, id).unwrap_err();
    assert!(error.message.contains("Prepare them first"), "{error}");
    assert!(prepare(engine, CampaignFollowUpPrepare { id }).is_err());
    recover(engine).unwrap();
    let found = asked(&stage, id);
    assert_eq!((found.busy, found.new_people), (false, 1));
    assert_eq!(stage.row(id).counts.get("planned"), None);
}

#[test]
fn what_another_version_prepared_keeps_no_workspace_shut_and_can_be_discarded() {
    let (stage, id) = finished(&["a@example.org"]);
    let engine = &stage.bench.engine;
    stage.person("c@example.org", ConsentState::Granted);
    prepared(&stage, id);
    let foreign =
        r#"UPDATE campaign SET follow_up = json_set(follow_up, '$.preflight', json('{"mails":1}'))"#;
    sql(&stage, foreign);
    recover(engine).unwrap();
    for error in [
        get(engine, CampaignFollowUp { id }).unwrap_err(),
        launched(&stage, id).unwrap_err(),
    ] {
        assert!(
            error.message.contains("cannot be read") && error.message.contains("Discard it"),
            "{error}"
        );
    }
    assert_eq!(
        stage.row(id).counts["planned"],
        1,
        "nothing is thrown away unasked"
    );
    discard(engine, CampaignFollowUpDiscard { id }).unwrap();
    assert_eq!(asked(&stage, id).new_people, 1);
    assert_eq!(stage.row(id).counts.get("planned"), None);

    sql(&stage, "UPDATE campaign SET follow_up = '{}'");
    recover(engine).unwrap();
}

#[test]
fn whoever_asks_while_it_is_prepared_is_told_the_job() {
    let (stage, id) = finished(&["a@example.org"]);
    let engine = &stage.bench.engine;
    stage.person("c@example.org", ConsentState::Granted);
    // A server that says nothing holds up the login at the end of the preparation.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let saving = json!({ "id": stage.account, "name": "Server", "kind": "smtp", "host": "127.0.0.1",
                         "port": server.local_addr().unwrap().port(), "tls": "none", "from_name": "Club",
                         "from_address": "club@example.org" });
    crate::app::account::save(engine, serde_json::from_value(saving).unwrap()).unwrap();
    let job = prepare(engine, CampaignFollowUpPrepare { id }).unwrap().job;
    let (stream, _) = server.accept().unwrap();
    let found = asked(&stage, id);
    assert_eq!((found.busy, found.job, found.prepared), (true, Some(job), None));
    let error = prepare(engine, CampaignFollowUpPrepare { id }).unwrap_err();
    assert!(error.message.contains("being prepared"), "{error}");
    drop((stream, server));
    assert_eq!(engine.jobs.wait(job).unwrap().state, JobState::Done);
    let found = asked(&stage, id);
    assert_eq!((found.busy, found.job), (false, None));
    let ids: Vec<String> = found
        .prepared
        .unwrap()
        .findings
        .into_iter()
        .map(|found| found.id)
        .collect();
    assert!(ids.contains(&"account_cannot_log_in".to_owned()), "{ids:?}");
}

#[test]
fn an_account_that_waited_for_the_user_sends_to_new_people() {
    let (stage, id) = finished(&["a@example.org"]);
    let (engine, account) = (&stage.bench.engine, stage.account);
    stage.person("c@example.org", ConsentState::Granted);
    let (now, steady) = (engine.clock.now(), engine.clock.steady());
    engine
        .write(&[], move |conn| {
            terms::block(conn, account, "Its password is gone.", steady, now)
        })
        .unwrap();
    prepared(&stage, id);
    launched(&stage, id).unwrap();
    stage.send();
    let row = stage.row(id);
    assert_eq!((row.state, row.counts["accepted"]), (CampaignState::Finished, 2));
}

#[test]
fn nobody_waits_at_a_launch_until_all_new_people_are_in_the_queue() {
    let (stage, id) = finished(&["a@example.org"]);
    let (list, now) = (stage.list, stage.bench.engine.clock.now());
    let join = move |conn: &Conn| {
        let key = setting::workspace_key(conn)?;
        for n in 0..=sending::CHUNK {
            let email = format!("new{n}@example.org").parse().unwrap();
            let person = Person::new(email, "Ana", "", Default::default()).unwrap();
            let adding = Adding {
                key: &key,
                at: now,
                sample: false,
                consent: None,
            };
            let contact = store::contact::add(conn, &person, &adding)?.unwrap();
            store::list::join(conn, list, contact)?;
        }
        Ok(())
    };
    stage.bench.engine.write(&[], join).unwrap();
    assert_eq!(prepared(&stage, id).to_send, sending::CHUNK + 1);
    launched(&stage, id).unwrap();
    let counts = stage.row(id).counts;
    assert_eq!(
        (counts["queued"], counts["planned"]),
        (sending::CHUNK, 1),
        "the rest is the dispatcher's"
    );
    stage.send();
    assert_eq!(stage.row(id).counts["accepted"], sending::CHUNK + 2);
}

#[test]
fn a_campaign_that_is_still_sending_waits() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft();
    assert!(
        asked(&stage, id)
            .blocked
            .unwrap()
            .contains("was not launched yet")
    );
    stage.launch(id, 0);
    stage.person("b@example.org", ConsentState::Granted);
    let found = asked(&stage, id);
    assert!(found.blocked.unwrap().contains("is not finished yet"));
    assert!(prepare(&stage.bench.engine, CampaignFollowUpPrepare { id }).is_err());
}
