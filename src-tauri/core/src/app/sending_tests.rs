//! From a draft to the outbox: prepare, launch, the last look at claim, pause, cancel, and what a crash leaves.
//!
//! Longer than 600 lines because every test plays on the same stage, which stands at the top.

use super::testing::{Bench, bench};
use super::{account, campaign, contact, control, launch, outbox, reach, sending};
use crate::api::*;
use crate::clock::Clock;
use crate::domain::campaign::CampaignState;
use crate::domain::consent::ConsentState;
use crate::ids::{AccountId, CampaignId, ContactId, ListId};
use crate::mail::smtp::peer::{Ending, Peer, Script};
use crate::store::{self, Priority};
use chrono::TimeDelta;
use serde_json::json;
use std::collections::BTreeMap;

/// A workspace with an outbox, a public address and a list.
pub(crate) struct Stage {
    pub(crate) bench: Bench,
    pub(crate) account: AccountId,
    pub(crate) list: ListId,
}

fn from<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

impl Stage {
    pub(crate) fn set() -> Self {
        let stage = Self::bare();
        reach::address_set(
            &stage.bench.engine,
            AddressSet {
                url: Some("https://t.example.org".into()),
                local: false,
            },
        )
        .unwrap();
        stage
    }

    /// As [`Stage::set`], with the address that was never chosen.
    pub(crate) fn bare() -> Self {
        let bench = bench();
        let engine = &bench.engine;
        super::settings::update(
            engine,
            from(
                json!({ "unknown_policy": "none", "postal_address": "1 Lane, Town", "organisation": "Club" }),
            ),
        )
        .unwrap();
        let account = account::save(
            engine,
            from(json!({ "name": "Practice", "kind": "outbox", "from_name": "Club", "from_address": "club@example.org" })),
        )
        .unwrap()
        .id;
        let list = contact::list_save(engine, from(json!({ "name": "Members" })))
            .unwrap()
            .id;
        Self { bench, account, list }
    }

    pub(crate) fn person(&self, email: &str, consent: ConsentState) -> ContactId {
        let engine = &self.bench.engine;
        let saving = json!({ "email": email, "first_name": "Ana", "last_name": "Li", "lists": [self.list] });
        let id = contact::save(engine, from(saving)).unwrap().id;
        if consent != ConsentState::Unknown {
            self.consents(id, consent);
        }
        id
    }

    pub(crate) fn consents(&self, id: ContactId, consent: ConsentState) {
        let said = json!({ "id": id, "state": consent, "source": "by hand", "wording": "yes" });
        contact::consent_set(&self.bench.engine, from(said)).unwrap();
    }

    pub(crate) fn suppress(&self, email: &str) {
        let asked = json!({ "email": email, "suppress": true });
        contact::suppress(&self.bench.engine, from(asked)).unwrap();
    }

    pub(crate) fn draft(&self) -> CampaignId {
        self.draft_with(json!({}))
    }

    pub(crate) fn draft_with(&self, more: serde_json::Value) -> CampaignId {
        let mut saving = json!({
            "name": "Spring", "subject": "Hello {{ first_name }}", "account": self.account,
            "audience": { "include": [self.list], "exclude": [] },
            "document": { "version": 1, "blocks": [
                { "type": "text", "paragraphs": [[{ "text": "Dear {{ first_name }}" }]] }
            ] },
        });
        let object = saving.as_object_mut().unwrap();
        for (key, value) in more.as_object().unwrap() {
            object.insert(key.clone(), value.clone());
        }
        campaign::save(&self.bench.engine, from(saving)).unwrap().id
    }

    pub(crate) fn prepare(&self, id: CampaignId) -> Preflight {
        let job = self
            .bench
            .finish(launch::prepare(&self.bench.engine, CampaignPrepare { id }));
        assert_eq!(job.error, None);
        from(job.result)
    }

    pub(crate) fn launch(&self, id: CampaignId, delay_secs: u32) {
        let preflight = self.prepare(id);
        assert!(preflight.ready, "{:?}", preflight.findings);
        self.try_launch(id, delay_secs).unwrap();
    }

    pub(crate) fn try_launch(&self, id: CampaignId, delay_secs: u32) -> Result<Done> {
        launch::launch(
            &self.bench.engine,
            CampaignLaunch {
                id,
                delay_secs,
                at: None,
                when_late: None,
                quiet: None,
                confirmed: true,
                confirm_host: None,
            },
        )
    }

    pub(crate) fn send(&self) {
        sending::start(&self.bench.engine);
        sending::wait_idle(&self.bench.engine);
        sending::stop(&self.bench.engine);
    }

    pub(crate) fn row(&self, id: CampaignId) -> CampaignRow {
        campaign::get(&self.bench.engine, CampaignGet { id }).unwrap().row
    }

    /// State, tracking and reason of everyone's message, by address.
    pub(crate) fn ledger(&self, id: CampaignId) -> BTreeMap<String, (String, String, String)> {
        self.bench
            .engine
            .read(|conn| {
                let mut statement = conn
                    .prepare("SELECT email, state, tracking, coalesce(skip_reason, not_tracked, '') FROM message WHERE campaign_id = ?1")
                    .unwrap();
                let rows = statement
                    .query_map([id.0], |row| {
                        Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))
                    })
                    .unwrap();
                Ok(rows.map(std::result::Result::unwrap).collect())
            })
            .unwrap()
    }

    pub(crate) fn mail(&self, to: &str) -> Option<OutboxMail> {
        let engine = &self.bench.engine;
        let page = outbox::list(engine, from(json!({ "search": to }))).unwrap();
        let row = page.mails.into_iter().next()?;
        Some(outbox::get(engine, OutboxGet { id: row.id }).unwrap())
    }
}

fn entry(state: &str, tracking: &str, reason: &str) -> (String, String, String) {
    (state.into(), tracking.into(), reason.into())
}

#[test]
fn a_campaign_goes_into_the_outbox_and_every_mail_carries_what_its_reader_allows() {
    let stage = Stage::set();
    stage.person("yes@example.org", ConsentState::Granted);
    stage.person("no@example.org", ConsentState::Refused);
    stage.person("unknown@example.org", ConsentState::Unknown);
    stage.person("left@example.org", ConsentState::Granted);
    stage.suppress("left@example.org");
    let id = stage.draft();
    stage.launch(id, 0);
    stage.send();
    let ledger = stage.ledger(id);
    assert_eq!(ledger["yes@example.org"], entry("accepted", "personal", ""));
    assert_eq!(ledger["no@example.org"], entry("accepted", "none", "refused"));
    assert_eq!(
        ledger["unknown@example.org"],
        entry("accepted", "none", "unknown_consent")
    );
    assert_eq!(ledger["left@example.org"].0, "skipped");
    let row = stage.row(id);
    assert_eq!(row.state, CampaignState::Finished);
    assert!(row.practice, "the outbox is practice");
    assert_eq!(row.rate.unwrap().tracked, 1);
    let yes = stage.mail("yes@example.org").unwrap();
    assert!(yes.pixel.unwrap().starts_with("https://t.example.org/o/"));
    assert_eq!(yes.row.subject, "Hello Ana");
    assert!(
        yes.headers
            .iter()
            .any(|[name, value]| name == "List-Unsubscribe-Post" && value == "List-Unsubscribe=One-Click")
    );
    assert_eq!(
        stage.mail("no@example.org").unwrap().pixel,
        None,
        "who refused has no pixel"
    );
    assert!(stage.mail("left@example.org").is_none());
}

#[test]
fn who_refused_or_left_since_the_launch_gets_no_pixel_or_no_mail() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    let refuses = stage.person("refuses@example.org", ConsentState::Granted);
    stage.person("leaves@example.org", ConsentState::Granted);
    let erased = stage.person("erased@example.org", ConsentState::Granted);
    let moved = stage.person("moved@example.org", ConsentState::Granted);
    let id = stage.draft();
    stage.launch(id, 0);
    stage.consents(refuses, ConsentState::Refused);
    stage.suppress("leaves@example.org");
    contact::erase(engine, from(json!({ "ids": [erased] }))).unwrap();
    let saving =
        json!({ "id": moved, "email": "new@example.org", "first_name": "Ana", "lists": [stage.list] });
    contact::save(engine, from(saving)).unwrap();
    stage.send();
    let ledger = stage.ledger(id);
    assert_eq!(
        ledger["refuses@example.org"],
        entry("accepted", "none", "refused")
    );
    assert_eq!(stage.mail("refuses@example.org").unwrap().pixel, None);
    assert_eq!(ledger["leaves@example.org"].0, "skipped");
    assert!(stage.mail("leaves@example.org").is_none());
    assert!(stage.mail("erased@example.org").is_none());
    assert_eq!(
        ledger["new@example.org"].0, "accepted",
        "the mail goes to the address that the person has now"
    );
    assert!(stage.mail("moved@example.org").is_none());
    assert_eq!(
        stage.row(id).counts.get("cancelled"),
        Some(&1),
        "who was erased gets none"
    );
}

#[test]
fn before_the_first_mail_a_launch_can_be_taken_back_without_a_trace() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft();
    stage.launch(id, 30);
    sending::start(&stage.bench.engine);
    assert_eq!(stage.row(id).state, CampaignState::Running);
    control::cancel(&stage.bench.engine, CampaignCancel { id }).unwrap();
    let row = stage.row(id);
    assert_eq!((row.state, row.launched_at), (CampaignState::Draft, None));
    assert_eq!(stage.ledger(id), BTreeMap::new());
    stage.bench.clock.advance(TimeDelta::seconds(60));
    stage.send();
    assert!(stage.mail("a@example.org").is_none());
}

#[test]
fn a_paused_campaign_sends_nothing_until_it_goes_on() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft();
    stage.launch(id, 0);
    control::pause(&stage.bench.engine, CampaignPause { id }).unwrap();
    stage.send();
    assert_eq!(stage.ledger(id)["a@example.org"].0, "queued");
    control::resume(&stage.bench.engine, CampaignResume { id }).unwrap();
    stage.send();
    assert_eq!(stage.ledger(id)["a@example.org"].0, "accepted");
}

#[test]
fn cancelling_stops_what_has_not_left() {
    let stage = Stage::set();
    for n in 0..3 {
        stage.person(&format!("a{n}@example.org"), ConsentState::Granted);
    }
    let id = stage.draft();
    stage.launch(id, 0);
    stage.bench.clock.advance(TimeDelta::seconds(1));
    control::cancel(&stage.bench.engine, CampaignCancel { id }).unwrap();
    stage.send();
    let row = stage.row(id);
    assert_eq!(row.state, CampaignState::Cancelled);
    assert_eq!(row.counts, BTreeMap::from([("cancelled".to_owned(), 3)]));
}

#[test]
fn what_a_crash_left_in_hand_is_uncertain_and_never_sent_again_by_itself() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft();
    stage.launch(id, 0);
    let engine = &stage.bench.engine;
    engine
        .db
        .write(Priority::Window, |conn| {
            conn.execute("UPDATE message SET state = 'handing_over'", [])?;
            Ok::<_, store::Error>(())
        })
        .unwrap();
    sending::recover(engine).unwrap();
    stage.send();
    assert_eq!(stage.ledger(id)["a@example.org"].0, "uncertain");
    assert!(
        stage.mail("a@example.org").is_none(),
        "it may have left: not again"
    );
    assert_eq!(stage.row(id).state, CampaignState::Finished);
}

#[test]
fn a_preparation_that_a_crash_cut_off_is_a_draft_again() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft();
    stage.prepare(id);
    let engine = &stage.bench.engine;
    engine
        .db
        .write(Priority::Window, |conn| {
            conn.execute("UPDATE campaign SET state = 'preparing'", [])?;
            Ok::<_, store::Error>(())
        })
        .unwrap();
    sending::recover(engine).unwrap();
    assert_eq!(stage.row(id).state, CampaignState::Draft);
    assert_eq!(stage.ledger(id), BTreeMap::new());
}

#[test]
fn what_was_prepared_must_still_be_so_at_launch() {
    let refused = |change: &dyn Fn(&Stage, ContactId)| {
        let stage = Stage::set();
        let person = stage.person("a@example.org", ConsentState::Granted);
        let id = stage.draft();
        assert!(stage.prepare(id).ready);
        change(&stage, person);
        let error = stage.try_launch(id, 0).unwrap_err();
        assert_eq!(error.code, Code::Conflict);
        error.message
    };
    let message = refused(&|stage, person| stage.consents(person, ConsentState::Refused));
    assert!(message.contains("one of its recipients was changed"), "{message}");
    let message = refused(&|stage, _| {
        stage.person("b@example.org", ConsentState::Granted);
    });
    assert!(message.contains("joined or left"), "{message}");
    let message = refused(&|stage, _| {
        let none = AddressSet {
            url: None,
            local: false,
        };
        reach::address_set(&stage.bench.engine, none).unwrap();
    });
    assert!(message.contains("address"), "{message}");
    let message = refused(&|stage, _| {
        super::settings::update(
            &stage.bench.engine,
            from(json!({ "postal_address": "2 Lane, Town" })),
        )
        .unwrap();
    });
    assert!(message.contains("settings"), "{message}");
}

#[test]
fn a_change_of_the_mail_makes_its_preparation_void_and_a_new_name_does_not() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft();
    stage.prepare(id);
    stage.draft_with(json!({ "id": id, "name": "Summer" }));
    assert_eq!(stage.row(id).state, CampaignState::Prepared);
    stage.draft_with(json!({ "id": id, "subject": "Other" }));
    assert_eq!(stage.row(id).state, CampaignState::Draft);
    assert_eq!(stage.ledger(id), BTreeMap::new());
}

#[test]
fn an_account_sends_evenly_at_its_limit() {
    let stage = Stage::set();
    let saving = json!({ "id": stage.account, "name": "Practice", "kind": "outbox", "from_name": "Club",
                         "from_address": "club@example.org", "per_minute": 60 });
    account::save(&stage.bench.engine, from(saving)).unwrap();
    for n in 0..2 {
        stage.person(&format!("a{n}@example.org"), ConsentState::Granted);
    }
    let id = stage.draft();
    stage.launch(id, 0);
    let now = stage.bench.clock.now();
    assert_eq!(
        stage.row(id).expected_end,
        Some(now + TimeDelta::seconds(2)),
        "two mails at one a second"
    );
}

/// Makes the account one of a scripted mail server.
pub(crate) fn serve(stage: &Stage, script: Script) -> Peer {
    let peer = Peer::start(script);
    let saving = json!({ "id": stage.account, "name": "Server", "kind": "smtp", "host": "127.0.0.1",
                         "port": peer.address.port(), "tls": "none", "from_name": "Club",
                         "from_address": "club@example.org", "connections": 1 });
    account::save(&stage.bench.engine, from(saving)).unwrap();
    peer
}

/// State and last words of everyone's message, by address.
pub(super) fn words(stage: &Stage, id: CampaignId) -> BTreeMap<String, (String, String)> {
    let read = |conn: &store::Conn| {
        let mut statement = conn
            .prepare("SELECT email, state, reply FROM message WHERE campaign_id = ?1")
            .unwrap();
        let rows = statement
            .query_map([id.0], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))
            .unwrap();
        Ok(rows.map(std::result::Result::unwrap).collect())
    };
    stage.bench.engine.read(read).unwrap()
}

#[test]
fn a_servers_refusals_concern_one_mail_each_and_its_words_are_kept() {
    let stage = Stage::set();
    for name in ["taken", "later", "never"] {
        stage.person(&format!("{name}@example.org"), ConsentState::Granted);
    }
    let peer = serve(
        &stage,
        Script {
            rcpt: |line| match line {
                line if line.contains("later") => "451 4.7.1 Greylisted",
                line if line.contains("never") => "550 5.1.1 User unknown",
                _ => "250 2.1.5 Ok",
            },
            ..Script::default()
        },
    );
    let id = stage.draft();
    stage.launch(id, 0);
    stage.send();
    let word = |state: &str, reply: &str| (state.to_owned(), reply.to_owned());
    let ledger = words(&stage, id);
    assert_eq!(
        ledger["taken@example.org"],
        word("accepted", "250 2.0.0 Ok: queued")
    );
    assert_eq!(
        ledger["later@example.org"],
        word("deferred", "451 4.7.1 Greylisted")
    );
    assert_eq!(
        ledger["never@example.org"],
        word("rejected", "550 5.1.1 User unknown")
    );
    assert_eq!(
        stage.row(id).state,
        CampaignState::Running,
        "one mail waits for its retry"
    );
    stage.bench.clock.advance(TimeDelta::minutes(4));
    stage.send();
    assert_eq!(
        words(&stage, id)["later@example.org"].0,
        "deferred",
        "not before five minutes"
    );
    assert_eq!(peer.mails(), 1, "nothing went twice");
}

#[test]
fn silence_after_a_mails_end_is_uncertain_and_the_rest_goes_on() {
    let stage = Stage::set();
    for name in ["a", "b"] {
        stage.person(&format!("{name}@example.org"), ConsentState::Granted);
    }
    let peer = serve(
        &stage,
        Script {
            end: |index| match index {
                0 => Ending::Silence,
                _ => Ending::Reply("250 2.0.0 Ok: queued"),
            },
            ..Script::default()
        },
    );
    let id = stage.draft();
    stage.launch(id, 0);
    let events = stage.bench.engine.subscribe();
    sending::start(&stage.bench.engine);
    // The account rests for a moment after a broken connection; the clock stands still until it is moved.
    while !stage.row(id).counts.contains_key("uncertain") {
        events.recv().unwrap();
    }
    stage.bench.clock.advance(TimeDelta::seconds(10));
    sending::wake(&stage.bench.engine);
    sending::wait_idle(&stage.bench.engine);
    sending::stop(&stage.bench.engine);
    let row = stage.row(id);
    assert_eq!(
        row.counts,
        BTreeMap::from([("accepted".to_owned(), 1), ("uncertain".to_owned(), 1)])
    );
    assert_eq!((row.state, peer.mails()), (CampaignState::Finished, 2));
}

#[test]
fn a_server_that_forbids_the_sender_pauses_the_campaign_with_its_reason() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let _peer = serve(
        &stage,
        Script {
            mail: "553 5.7.1 Sender address rejected",
            ..Script::default()
        },
    );
    let id = stage.draft();
    stage.launch(id, 0);
    stage.send();
    let row = stage.row(id);
    assert_eq!(row.state, CampaignState::Paused);
    let problem = row.problem.unwrap();
    assert!(problem.contains("553 5.7.1 Sender address rejected"), "{problem}");
    assert_eq!(
        stage.ledger(id)["a@example.org"].0,
        "queued",
        "it is not the mail's fault"
    );
}

#[test]
fn each_reason_against_a_launch_has_its_finding() {
    let ids = |preflight: &Preflight| -> Vec<String> {
        preflight.findings.iter().map(|found| found.id.clone()).collect()
    };
    let stage = Stage::set();
    let nobody = stage.draft_with(json!({ "subject": "", "account": null }));
    let preflight = stage.prepare(nobody);
    assert!(!preflight.prepared && !preflight.ready);
    for id in ["no_subject", "no_recipients", "no_account"] {
        assert!(ids(&preflight).contains(&id.to_owned()), "{id}: {preflight:?}");
    }
    assert!(stage.try_launch(nobody, 0).is_err());

    stage.person("a@example.org", ConsentState::Granted);
    let field = stage.draft_with(json!({ "subject": "Hello {{ town }}" }));
    let preflight = stage.prepare(field);
    let found = preflight
        .findings
        .iter()
        .find(|found| found.id == "unresolved_field")
        .unwrap();
    assert_eq!(
        (found.recipients, found.examples.as_slice()),
        (1, &["a@example.org".to_owned()][..])
    );
    assert!(found.message.contains("town"), "{found:?}");
    assert_eq!(stage.try_launch(field, 0).unwrap_err().code, Code::Conflict);

    let gone = Peer::start(Script::default()).address.port();
    let saving = json!({ "id": stage.account, "name": "Server", "kind": "smtp", "host": "127.0.0.1", "port": gone,
                         "tls": "none", "from_name": "Club", "from_address": "club@example.org" });
    account::save(&stage.bench.engine, from(saving)).unwrap();
    let unreachable = stage.draft();
    let preflight = stage.prepare(unreachable);
    assert!(
        ids(&preflight).contains(&"account_cannot_log_in".to_owned()),
        "{preflight:?}"
    );
    assert!(stage.try_launch(unreachable, 0).is_err());

    super::settings::update(&stage.bench.engine, from(json!({ "postal_address": "" }))).unwrap();
    assert!(ids(&stage.prepare(unreachable)).contains(&"no_postal_address".to_owned()));
    let none = AddressSet {
        url: None,
        local: false,
    };
    reach::address_set(&stage.bench.engine, none).unwrap();
    assert!(ids(&stage.prepare(unreachable)).contains(&"no_address".to_owned()));
}

#[test]
fn what_could_end_a_header_is_refused_by_name() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    let account = |key: &str, value: &str| {
        let mut saving = json!({ "name": "Other", "kind": "smtp", "host": "smtp.example.org", "port": 587,
                                 "tls": "starttls", "from_name": "Club", "from_address": "club@example.org" });
        saving
            .as_object_mut()
            .unwrap()
            .insert(key.to_owned(), json!(value));
        account::save(engine, from(saving)).unwrap_err().field
    };
    assert_eq!(
        account("from_name", "Club\r\nBcc: x@example.org").as_deref(),
        Some("from_name")
    );
    assert_eq!(
        account("from_address", "a@example.org\r\nBcc: x").as_deref(),
        Some("from_address")
    );
    assert_eq!(
        account("tls", "none").as_deref(),
        Some("tls"),
        "only this computer may go without"
    );
    assert_eq!(
        account("name", "practice").as_deref(),
        Some("name"),
        "names are unique"
    );
    let subject = json!({ "name": "Spring", "subject": "Hello\r\nBcc: x@example.org" });
    let error = campaign::save(engine, from(subject)).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("subject"));
}
