//! Times of a campaign, limits of its accounts, and what their servers make of them.

use super::sending_tests::Stage;
use super::{account, campaign as campaigns, control, launch, progress, sending, standing};
use crate::api::{
    AccountState, CampaignCancel, CampaignLaunch, CampaignResume, CampaignSave, Code, SendingStatusGet,
};
use crate::clock::Clock;
use crate::domain::campaign::CampaignState;
use crate::domain::consent::ConsentState;
use crate::domain::schedule::{LocalTime, Quiet, WhenLate};
use crate::ids::{AccountId, CampaignId};
use crate::mail::smtp::peer::{Ending, Peer, Script};
use chrono::TimeDelta;
use serde_json::json;

fn people(stage: &Stage, n: usize) {
    for index in 0..n {
        stage.person(&format!("a{index}@example.org"), ConsentState::Granted);
    }
}

fn accepted(stage: &Stage, id: CampaignId) -> u32 {
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

/// Adds an account of a scripted server.
fn server(stage: &Stage, name: &str, from: &str, peer: &Peer) -> AccountId {
    let saving = json!({ "name": name, "kind": "smtp", "host": "127.0.0.1", "port": peer.address.port(), "tls": "none",
                         "from_name": "Club", "from_address": from, "connections": 1 });
    account::save(&stage.bench.engine, serde_json::from_value(saving).unwrap())
        .unwrap()
        .id
}

/// Changes the account "Server" of a scripted server.
fn change(stage: &Stage, id: AccountId, peer: &Peer, more: serde_json::Value) {
    let mut saving = json!({ "id": id, "name": "Server", "kind": "smtp", "host": "127.0.0.1",
                             "port": peer.address.port(), "tls": "none", "from_name": "Club",
                             "from_address": "club@example.org", "connections": 1 });
    saving
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    account::save(&stage.bench.engine, serde_json::from_value(saving).unwrap()).unwrap();
}

fn draft_from(stage: &Stage, own: AccountId, also: &[AccountId]) -> CampaignId {
    let id = stage.draft();
    let draft = campaigns::get(&stage.bench.engine, crate::api::CampaignGet { id }).unwrap();
    campaigns::save(
        &stage.bench.engine,
        CampaignSave {
            id: Some(id),
            name: draft.row.name,
            subject: draft.row.subject,
            preheader: draft.preheader,
            account: Some(own),
            also: Some(also.to_vec()),
            audience: draft.audience,
            window: None,
            tracking: None,
            postal_address: draft.postal_address,
            document: None,
            cap: None,
            grace_days: None,
        },
    )
    .unwrap();
    id
}

#[test]
fn two_accounts_share_a_campaign_and_one_goes_on_without_the_other() {
    let stage = Stage::set();
    people(&stage, 6);
    let good = Peer::start(Script::default());
    let locked = Peer::start(Script {
        mail: "550 5.7.1 Sender not allowed",
        ..Script::default()
    });
    let own = server(&stage, "Locked", "club@example.org", &locked);
    let other = server(&stage, "Good", "club@example.org", &good);
    let id = draft_from(&stage, own, &[other]);
    stage.launch(id, 0);
    stage.send();
    assert_eq!(accepted(&stage, id), 6, "nobody is lost");
    assert_eq!(good.mails(), 6);
    assert_eq!(stage.row(id).state, CampaignState::Finished);
    let accounts = account::list(&stage.bench.engine, crate::api::AccountList {})
        .unwrap()
        .accounts;
    let state = |name: &str| {
        accounts
            .iter()
            .find(|account| account.name == name)
            .unwrap()
            .standing
            .state
    };
    assert_eq!(
        (state("Locked"), state("Good")),
        (AccountState::Blocked, AccountState::Ready)
    );
}

#[test]
fn an_account_of_another_sender_cannot_share() {
    let stage = Stage::set();
    people(&stage, 1);
    let peer = Peer::start(Script::default());
    let own = server(&stage, "One", "club@example.org", &peer);
    let other = server(&stage, "Two", "other@example.org", &peer);
    let id = draft_from(&stage, own, &[other]);
    let preflight = stage.prepare(id);
    assert!(!preflight.ready);
    let found = preflight
        .findings
        .iter()
        .find(|found| found.id == "account_other_sender")
        .unwrap();
    assert!(
        found.message.contains("Two sends as other@example.org"),
        "{}",
        found.message
    );
    let refused = stage.try_launch(id, 0).unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
}

#[test]
fn a_server_that_closes_is_waited_for_and_costs_no_attempt() {
    let stage = Stage::set();
    people(&stage, 3);
    let peer = Peer::start(Script {
        mail: "421 4.3.2 Shutting down",
        ..Script::default()
    });
    let own = server(&stage, "Server", "club@example.org", &peer);
    let id = draft_from(&stage, own, &[]);
    stage.launch(id, 0);
    for _ in 0..30 {
        stage.send();
        stage.bench.clock.advance(TimeDelta::minutes(20));
    }
    let row = stage.row(id);
    assert_eq!(row.state, CampaignState::Running, "it waits by itself");
    assert!(row.problem.unwrap().contains("It is tried again"), "and says so");
    assert_eq!(row.counts["queued"], 3, "nobody is given up");
    let well = Peer::start(Script::default());
    change(&stage, own, &well, json!({}));
    stage.send();
    assert_eq!(accepted(&stage, id), 3);
    assert_eq!(stage.row(id).problem, None);
}

#[test]
fn a_service_that_refuses_the_sender_stops_the_campaign_there_and_nowhere_else() {
    let stage = Stage::set();
    for n in 0..4 {
        stage.person(&format!("m{n}@outlook.com"), ConsentState::Granted);
    }
    stage.person("m@hotmail.fr", ConsentState::Granted);
    for n in 0..2 {
        stage.person(&format!("c{n}@club.example"), ConsentState::Granted);
    }
    people(&stage, 2);
    let peer = Peer::start(Script {
        rcpt: |line| match line {
            line if line.contains("example.org") => "250 2.1.5 Ok",
            _ => {
                "550 5.7.515 <m0@outlook.com> Access denied, sending domain does not meet the required level"
            }
        },
        ..Script::default()
    });
    let own = server(&stage, "Server", "club@example.org", &peer);
    let id = draft_from(&stage, own, &[]);
    stage.launch(id, 0);
    stage.send();
    let row = stage.row(id);
    assert_eq!((row.counts["accepted"], row.counts["rejected"]), (2, 7));
    let asked = peer.commands().matches("RCPT TO").count();
    assert_eq!(
        asked,
        2 + 2 + 1,
        "Microsoft is asked once, a domain of nobody known for each"
    );
    let view = progress::get(&stage.bench.engine, crate::api::CampaignSendingGet { id }).unwrap();
    assert_eq!(view.refusals.len(), 1);
    assert_eq!(view.refusals[0].service, "Outlook");
    assert!(
        !view.refusals[0].reply.contains("m0@outlook.com"),
        "what is kept of a campaign names nobody: {}",
        view.refusals[0].reply
    );
    assert!(
        view.refusals[0].reply.contains("SPF, DKIM and DMARC"),
        "{}",
        view.refusals[0].reply
    );
}

#[test]
fn a_daily_limit_that_the_server_names_is_learnt_and_waited_for() {
    let stage = Stage::set();
    people(&stage, 3);
    let peer = Peer::start(Script {
        mail: "550 5.4.5 Daily user sending limit exceeded",
        ..Script::default()
    });
    let own = server(&stage, "Server", "club@example.org", &peer);
    let id = draft_from(&stage, own, &[]);
    stage.launch(id, 0);
    stage.send();
    let row = stage.row(id);
    assert_eq!(row.state, CampaignState::Running);
    assert!(row.problem.unwrap().contains("goes on by itself"));
    assert_eq!(row.counts["queued"], 3);
    let account = account::list(&stage.bench.engine, crate::api::AccountList {})
        .unwrap()
        .accounts;
    let account = account.iter().find(|account| account.id == own).unwrap();
    assert_eq!(account.standing.state, AccountState::Waiting);
    assert_eq!(account.standing.per_day, 1, "what it took before it refused");
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
fn a_campaign_that_has_ended_waits_for_nothing() {
    let stage = Stage::set();
    people(&stage, 1);
    let peer = Peer::start(Script {
        end: |_| Ending::Silence,
        ..Script::default()
    });
    let own = server(&stage, "Server", "club@example.org", &peer);
    let id = draft_from(&stage, own, &[]);
    stage.launch(id, 0);
    stage.send();
    let row = stage.row(id);
    assert_eq!((row.state, row.counts["uncertain"]), (CampaignState::Finished, 1));
    assert_eq!(
        row.problem, None,
        "the connection that broke is nobody's trouble any more"
    );
}

#[test]
fn a_blocked_account_works_again_once_it_is_changed_or_launched_from() {
    let stage = Stage::set();
    people(&stage, 1);
    let locked = Peer::start(Script {
        mail: "550 5.7.1 Sender not allowed",
        ..Script::default()
    });
    let own = server(&stage, "Server", "club@example.org", &locked);
    let state = || {
        let accounts = account::list(&stage.bench.engine, crate::api::AccountList {})
            .unwrap()
            .accounts;
        accounts
            .iter()
            .find(|account| account.id == own)
            .unwrap()
            .standing
            .state
    };
    let first = draft_from(&stage, own, &[]);
    stage.launch(first, 0);
    stage.send();
    assert_eq!(
        (stage.row(first).state, state()),
        (CampaignState::Paused, AccountState::Blocked)
    );
    let well = Peer::start(Script::default());
    change(&stage, own, &well, json!({}));
    assert_eq!(state(), AccountState::Ready, "what was changed may be mended");

    // Blocked again, and mended at the server this time: a new campaign tries once more.
    let block = move |conn: &crate::store::Conn| {
        let standing = crate::delivery::standing::Standing {
            blocked: true,
            ..Default::default()
        };
        Ok(crate::store::standing::save(conn, own, &standing)?)
    };
    stage.bench.engine.write(&[], block).unwrap();
    let second = draft_from(&stage, own, &[]);
    stage.launch(second, 0);
    stage.send();
    assert_eq!(accepted(&stage, second), 1);
}

#[test]
fn a_refused_account_is_tried_by_one_connection_and_told_of_once() {
    let stage = Stage::set();
    people(&stage, 20);
    let locked = Peer::start(Script {
        mail: "550 5.7.1 Sender not allowed",
        ..Script::default()
    });
    let own = server(&stage, "Server", "club@example.org", &locked);
    change(&stage, own, &locked, json!({ "connections": 5 }));
    let id = draft_from(&stage, own, &[]);
    stage.launch(id, 0);
    stage.send();
    assert_eq!(stage.row(id).state, CampaignState::Paused);
    assert_eq!(locked.commands().matches("MAIL FROM").count(), 1);
    assert_eq!(told(&stage, "Paused."), 1);
}

/// How many lines of the feed have these words.
fn told(stage: &Stage, words: &'static str) -> u32 {
    let read = |conn: &crate::store::Conn| {
        let sql = "SELECT count(*) FROM activity WHERE instr(text, ?1) > 0";
        Ok(conn.query_row(sql, [words], |row| row.get(0)).unwrap())
    };
    stage.bench.engine.read(read).unwrap()
}

#[test]
fn an_account_whose_password_is_gone_leaves_the_work_to_the_others_and_says_so_once() {
    let stage = Stage::set();
    people(&stage, 6);
    let peer = Peer::start(Script::default());
    let own = server(&stage, "Good", "club@example.org", &peer);
    let other = server(&stage, "Server", "club@example.org", &peer);
    let id = draft_from(&stage, own, &[other]);
    stage.launch(id, 0);
    // The stage's key store keeps nothing.
    change(
        &stage,
        other,
        &peer,
        json!({ "user": "news", "password": "secret", "connections": 3 }),
    );
    stage.send();
    assert_eq!(
        (accepted(&stage, id), stage.row(id).state),
        (6, CampaignState::Finished)
    );
    assert_eq!(told(&stage, "goes on by its other accounts"), 1);
}

#[test]
fn trouble_stays_noted_until_a_success_that_came_after_it() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    let refused = crate::delivery::transport::DeliveryError {
        kind: crate::delivery::transport::ErrorKind::Network,
        stage: crate::delivery::transport::Stage::Connecting,
        code: None,
        reply: "nobody there".into(),
    };
    assert!(standing::judge(engine, stage.account, Err(&refused)).1);
    assert!(
        standing::judge(engine, stage.account, Ok(())).1,
        "this one was on its way before"
    );
    stage.bench.clock.advance(TimeDelta::seconds(3));
    assert!(!standing::judge(engine, stage.account, Ok(())).1);
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
