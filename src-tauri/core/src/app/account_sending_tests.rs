//! What a campaign makes of its accounts' servers: shared work, refusals, waits.

use super::schedule_tests::{accepted, people};
use super::sending_tests::Stage;
use super::{account, campaign as campaigns, progress, standing};
use crate::api::{AccountState, CampaignSave, Code};
use crate::domain::campaign::CampaignState;
use crate::domain::consent::ConsentState;
use crate::ids::{AccountId, CampaignId};
use crate::mail::smtp::peer::{Ending, Peer, Script};
use chrono::TimeDelta;
use serde_json::json;

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
