//! Times of a campaign, and the limits of its account.

use super::sending_tests::Stage;
use super::{account, control, launch, progress, sending};
use crate::api::{AccountState, CampaignCancel, CampaignLaunch, CampaignResume, SendingStatusGet};
use crate::clock::Clock;
use crate::domain::campaign::CampaignState;
use crate::domain::consent::ConsentState;
use crate::domain::schedule::{LocalTime, Quiet, WhenLate};
use crate::ids::CampaignId;
use chrono::TimeDelta;
use serde_json::json;

pub(super) fn people(stage: &Stage, n: usize) {
    for index in 0..n {
        stage.person(&format!("a{index}@example.org"), ConsentState::Granted);
    }
}

pub(super) fn accepted(stage: &Stage, id: CampaignId) -> u32 {
    stage.row(id).counts.get("accepted").copied().unwrap_or(0)
}

/// Launches for `minutes` from now on the stage's clock.
fn schedule(stage: &Stage, minutes: i64, when_late: Option<WhenLate>, quiet: Option<Quiet>) -> CampaignId {
    let id = stage.draft();
    assert!(stage.prepare(id).ready);
    let time = (stage.bench.clock.now() + TimeDelta::minutes(minutes)).naive_utc();
    launch::launch(
        &stage.bench.engine,
        CampaignLaunch {
            id,
            delay_secs: 0,
            at: Some(LocalTime {
                time,
                zone: "UTC".into(),
            }),
            when_late,
            quiet,
            confirmed: true,
            confirm_host: None,
        },
    )
    .unwrap();
    id
}

fn limit(stage: &Stage, more: serde_json::Value) {
    let mut saving = json!({ "id": stage.account, "name": "Practice", "kind": "outbox", "from_name": "Club",
                             "from_address": "club@example.org", "connections": 1 });
    saving
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    account::save(&stage.bench.engine, serde_json::from_value(saving).unwrap()).unwrap();
}

#[test]
fn a_campaign_begins_at_its_time_and_its_window_with_it() {
    let stage = Stage::set();
    people(&stage, 1);
    let id = schedule(&stage, 120, None, None);
    let row = stage.row(id);
    assert!(row.scheduled);
    assert_eq!(row.window.unwrap().opens_from, row.first_mail_at.unwrap());
    stage.bench.clock.advance(TimeDelta::minutes(119));
    stage.send();
    assert_eq!(accepted(&stage, id), 0, "not before");
    stage.bench.clock.advance(TimeDelta::minutes(2));
    stage.send();
    assert_eq!(accepted(&stage, id), 1);
    assert!(!stage.row(id).scheduled);
}

#[test]
fn a_time_that_was_missed_is_run_asked_about_or_skipped() {
    for (when_late, state) in [
        (None, CampaignState::Paused),
        (Some(WhenLate::Ask), CampaignState::Paused),
        (Some(WhenLate::Run), CampaignState::Finished),
        (Some(WhenLate::Skip), CampaignState::Draft),
    ] {
        let stage = Stage::set();
        people(&stage, 1);
        let id = schedule(&stage, 60, when_late, None);
        stage.bench.clock.advance(TimeDelta::minutes(60 + 31));
        stage.send();
        let row = stage.row(id);
        assert_eq!(row.state, state, "{when_late:?}");
        match state {
            CampaignState::Paused => {
                assert!(
                    row.problem
                        .unwrap()
                        .contains("was to begin on 1 April 2026 at 09:00")
                );
                control::resume(&stage.bench.engine, CampaignResume { id }).unwrap();
                stage.send();
                assert_eq!(accepted(&stage, id), 1, "it is asked about once");
            }
            CampaignState::Draft => assert_eq!(stage.ledger(id).len(), 0),
            _ => assert_eq!(accepted(&stage, id), 1),
        }
    }
}

#[test]
fn a_campaign_that_missed_its_time_can_become_a_draft_again() {
    let stage = Stage::set();
    people(&stage, 1);
    let id = schedule(&stage, 60, None, None);
    stage.bench.clock.advance(TimeDelta::hours(9));
    stage.send();
    control::cancel(&stage.bench.engine, CampaignCancel { id }).unwrap();
    assert_eq!(stage.row(id).state, CampaignState::Draft);
}

#[test]
fn a_time_in_the_past_or_in_no_zone_is_refused() {
    let stage = Stage::set();
    people(&stage, 1);
    let id = stage.draft();
    stage.prepare(id);
    for (time, zone, words) in [
        ("2026-04-01T07:59:59", "UTC", "has passed"),
        ("2028-04-01T07:59:59", "UTC", "a year ahead"),
        ("2026-05-01T07:59:59", "Europe/Nowhere", "Nowhere"),
    ] {
        let refused = launch::launch(
            &stage.bench.engine,
            CampaignLaunch {
                id,
                delay_secs: 0,
                at: Some(LocalTime {
                    time: time.parse().unwrap(),
                    zone: zone.into(),
                }),
                when_late: None,
                quiet: None,
                confirmed: true,
                confirm_host: None,
            },
        )
        .unwrap_err();
        assert!(refused.message.contains(words), "{}", refused.message);
        assert_eq!(refused.field.as_deref(), Some("at"));
    }
}

#[test]
fn nothing_leaves_in_quiet_hours() {
    let stage = Stage::set();
    people(&stage, 1);
    // The stage's clock stands at 08:00.
    let quiet = Quiet {
        from: "21:00:00".parse().unwrap(),
        until: "10:30:00".parse().unwrap(),
    };
    let id = schedule(&stage, 1, None, Some(quiet));
    stage.bench.clock.advance(TimeDelta::minutes(5));
    stage.send();
    assert_eq!(accepted(&stage, id), 0);
    let view = progress::get(&stage.bench.engine, crate::api::CampaignSendingGet { id }).unwrap();
    assert_eq!(
        view.quiet_until.unwrap().to_rfc3339(),
        "2026-04-01T10:30:00+00:00"
    );
    stage.bench.clock.advance(TimeDelta::minutes(146));
    stage.send();
    assert_eq!(accepted(&stage, id), 1);
}

#[test]
fn the_limit_of_a_day_counts_all_campaigns_and_survives_a_restart_and_a_clock_set_forward() {
    let stage = Stage::set();
    people(&stage, 3);
    limit(&stage, json!({ "per_day": 4 }));
    let first = stage.draft();
    stage.launch(first, 0);
    stage.send();
    assert_eq!(accepted(&stage, first), 3);
    let second = stage.draft();
    stage.launch(second, 0);
    stage.send();
    assert_eq!(accepted(&stage, second), 1, "of both campaigns");
    // Stopped and started again, and somebody sets the clock a week forward.
    let now = stage.bench.clock.now();
    stage.bench.clock.set(now + TimeDelta::days(7));
    stage.send();
    assert_eq!(
        accepted(&stage, second),
        1,
        "a clock that is set forward frees nothing"
    );
    stage.bench.clock.set(now);
    let account = &account::list(&stage.bench.engine, crate::api::AccountList {})
        .unwrap()
        .accounts[0];
    assert_eq!(account.standing.state, AccountState::Full);
    assert_eq!((account.standing.sent_in_day, account.standing.per_day), (4, 4));
    let view = progress::get(&stage.bench.engine, crate::api::CampaignSendingGet { id: second }).unwrap();
    let forecast = view.forecast.unwrap();
    assert!(forecast.day_limited);
    assert_eq!(forecast.days.iter().map(|day| day.n).sum::<u32>(), 2);
    stage.bench.clock.advance(TimeDelta::minutes(24 * 60 + 2));
    stage.send();
    assert_eq!(accepted(&stage, second), 3);
}

#[test]
fn one_domain_gets_no_more_a_minute_than_it_may_and_the_others_do_not_wait() {
    let stage = Stage::set();
    people(&stage, 3);
    stage.person("b@example.net", ConsentState::Granted);
    limit(&stage, json!({ "per_domain": 1 }));
    let id = stage.draft();
    stage.launch(id, 0);
    stage.send();
    assert_eq!(accepted(&stage, id), 2, "one to each domain");
    stage.bench.clock.advance(TimeDelta::seconds(61));
    stage.send();
    assert_eq!(accepted(&stage, id), 3);
    stage.bench.clock.advance(TimeDelta::seconds(61));
    stage.send();
    assert_eq!(accepted(&stage, id), 4);
}

#[test]
fn a_computer_is_kept_awake_for_what_leaves_now_and_only_then() {
    let stage = Stage::set();
    people(&stage, 2);
    limit(&stage, json!({ "per_day": 1 }));
    let engine = &stage.bench.engine;
    let busy = || control::status(engine, SendingStatusGet {}).unwrap().busy;
    let id = stage.draft();
    stage.launch(id, 60);
    assert!(!busy(), "nothing leaves while the dispatcher does not run");
    sending::start(engine);
    assert!(busy(), "the first mail leaves in a minute");
    stage.bench.clock.advance(TimeDelta::seconds(61));
    sending::wake(engine);
    sending::wait_idle(engine);
    assert_eq!(accepted(&stage, id), 1);
    assert!(!busy(), "the second one waits for tomorrow");
    sending::stop(engine);
}

#[test]
fn a_campaign_that_was_paused_meanwhile_is_not_skipped_for_being_late() {
    let stage = Stage::set();
    people(&stage, 1);
    let id = schedule(&stage, 60, Some(WhenLate::Skip), None);
    stage.bench.clock.advance(TimeDelta::hours(9));
    let read = |conn: &crate::store::Conn| Ok(crate::store::campaign::find_head(conn, id)?.unwrap());
    let head = stage.bench.engine.read(read).unwrap();
    control::pause(&stage.bench.engine, crate::api::CampaignPause { id }).unwrap();
    super::schedule::settle_late(&stage.bench.engine, &head, stage.bench.clock.now()).unwrap();
    assert_eq!(stage.row(id).state, CampaignState::Paused);
    control::resume(&stage.bench.engine, CampaignResume { id }).unwrap();
    stage.send();
    assert_eq!(
        accepted(&stage, id),
        1,
        "going on after its time is the user's answer"
    );
}
