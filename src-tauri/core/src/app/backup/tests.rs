//! Backups from end to end, over real files.

use super::*;
use crate::api::{ActivityList, BackupRestore, CampaignResume, Code, ContactErase, ContactGet, Event};
use crate::app::sending_tests::Stage;
use crate::app::{account, activity, contact, control, sending, testing};
use crate::clock::{Clock, ManualClock};
use crate::domain::campaign::CampaignState;
use crate::domain::consent::ConsentState;
use crate::ids::{AccountId, CampaignId, ContactId};
use crate::store::{campaign, check, message};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn save_as(engine: &Arc<Engine>, path: &Path, is_move: bool) -> crate::api::Job {
    let request = BackupSave {
        path: path.display().to_string(),
        is_move,
    };
    engine.jobs.wait(save(engine, request).unwrap().job).unwrap()
}

/// Brings a backup back over the workspace of `stage`, and returns the engine that then has it.
fn restored(stage: &Stage, path: &Path) -> Arc<Engine> {
    over(stage, &stage.bench.engine, path)
}

/// The same where another engine has the workspace by now.
fn over(stage: &Stage, engine: &Arc<Engine>, path: &Path) -> Arc<Engine> {
    let events = engine.subscribe();
    let request = BackupRestore {
        path: path.display().to_string(),
    };
    let job = restore::start(engine, request).unwrap().job.unwrap();
    let job = engine.jobs.wait(job).unwrap();
    assert_eq!(job.error, None);
    assert!(
        events.try_iter().any(|event| matches!(event, Event::Reopen {})),
        "whoever runs the engine is told to open it again"
    );
    engine.shutdown();
    testing::open(stage.bench.dir.path(), stage.bench.clock.clone())
}

fn later(clock: &ManualClock, minutes: i64) {
    clock.advance(chrono::TimeDelta::minutes(minutes));
}

fn feed(engine: &Arc<Engine>) -> String {
    let asked = ActivityList {
        before: None,
        campaign: None,
        limit: 1,
    };
    activity::list(engine, asked).unwrap().rows[0].text.clone()
}

fn counts(engine: &Engine, id: CampaignId) -> BTreeMap<String, u32> {
    engine.read(|conn| Ok(message::counts(conn, id)?)).unwrap()
}

fn state(engine: &Engine, id: CampaignId) -> (CampaignState, String) {
    engine
        .read(|conn| {
            let head = campaign::find_head(conn, id)?.unwrap();
            Ok((head.state, head.problem.unwrap_or_default()))
        })
        .unwrap()
}

fn sound(engine: &Engine) {
    let breaches = engine.read(|conn| Ok(check::check(conn)?.1)).unwrap();
    assert_eq!(breaches, [""; 0]);
}

#[test]
fn what_people_asked_for_since_holds_in_a_backup_that_is_brought_back() {
    let stage = Stage::set();
    let engine = stage.bench.engine.clone();
    let [ana, bo, cy, di]: [ContactId; 4] = ["ana", "bo", "cy", "di"]
        .map(|name| stage.person(&format!("{name}@example.org"), ConsentState::Granted));
    let file = stage.bench.dir.path().join("club.casement");
    assert_eq!(save_as(&engine, &file, false).error, None);
    later(&stage.bench.clock, 5);
    stage.suppress("ana@example.org");
    stage.consents(bo, ConsentState::Refused);
    contact::erase(&engine, ContactErase { ids: vec![cy] }).unwrap();
    let new = stage.person("eve@example.org", ConsentState::Granted);
    let look = look(
        &engine,
        BackupLook {
            path: file.display().to_string(),
        },
    )
    .unwrap();
    let here = look.here.unwrap();
    assert_eq!(
        (
            here.is_same,
            here.is_empty,
            here.contacts,
            here.suppressed,
            here.refused
        ),
        (true, false, 1, 1, 1)
    );
    assert_eq!(look.contents.contacts, 4);
    drop(engine);

    let engine = restored(&stage, &file);
    let people = engine
        .read(|conn| {
            let is_there = |id| crate::store::contact::row(conn, id).map(|found| found.is_some());
            Ok([
                is_there(ana)?,
                is_there(bo)?,
                is_there(cy)?,
                is_there(di)?,
                is_there(new)?,
            ])
        })
        .unwrap();
    assert_eq!(
        people,
        [true, true, false, true, false],
        "cy stays erased; eve came after the backup"
    );
    let of = |id| contact::get(&engine, ContactGet { id }).unwrap().contact;
    assert!(of(ana).suppressed.is_some());
    assert_eq!(of(bo).consent, ConsentState::Refused);
    assert_eq!(of(di).consent, ConsentState::Granted);
    let told = feed(&engine);
    for part in [
        "1 address that gets no mail",
        "1 refusal to be tracked",
        "1 erasure",
    ] {
        assert!(told.contains(part), "{told}");
    }
    sound(&engine);
    let copies = list(&engine, BackupList {}).unwrap().copies;
    assert_eq!(copies.len(), 1, "what was here is set aside");

    // And back again: what was set aside is a backup like any other.
    later(&stage.bench.clock, 5);
    let engine = over(&stage, &engine, Path::new(&copies[0].path));
    assert!(contact::get(&engine, ContactGet { id: new }).is_ok());
    assert_eq!(
        contact::get(&engine, ContactGet { id: cy }).unwrap_err().code,
        Code::NotFound
    );
    sound(&engine);
    engine.shutdown();
}

#[test]
fn nobody_gets_a_mail_twice_that_was_sent_after_the_backup() {
    let stage = Stage::set();
    for n in 0..3 {
        stage.person(&format!("a{n}@example.org"), ConsentState::Granted);
    }
    let (begun, planned) = (stage.draft(), stage.draft());
    stage.launch(begun, 0);
    let file = stage.bench.dir.path().join("club.casement");
    save_as(&stage.bench.engine, &file, false);
    later(&stage.bench.clock, 5);
    stage.send();
    stage.launch(planned, 0);
    stage.send();
    assert_eq!(counts(&stage.bench.engine, begun)["accepted"], 3);
    let token = |engine: &Engine, id: CampaignId| {
        engine
            .read(|conn| {
                let mut statement = conn
                    .prepare("SELECT preference_token FROM message WHERE campaign_id = ?1 ORDER BY id")
                    .unwrap();
                let tokens = statement.query_map([id.0], |row| row.get(0)).unwrap();
                Ok(tokens.map(std::result::Result::unwrap).collect::<Vec<Vec<u8>>>())
            })
            .unwrap()
    };
    let links = token(&stage.bench.engine, planned);

    let engine = restored(&stage, &file);
    for id in [begun, planned] {
        assert_eq!(counts(&engine, id)["accepted"], 3, "all is known of what left");
        assert_eq!(state(&engine, id).0, CampaignState::Finished);
    }
    assert_eq!(
        token(&engine, planned),
        links,
        "the links in sent mails go on to work"
    );
    assert!(
        feed(&engine).contains("2 campaigns that were sent"),
        "{}",
        feed(&engine)
    );
    sending::start(&engine);
    sending::wait_idle(&engine);
    sending::stop(&engine);
    assert_eq!(counts(&engine, begun)["accepted"], 3);
    sound(&engine);
    engine.shutdown();
}

#[test]
fn a_campaign_in_mid_sending_waits_to_be_resumed_and_loses_and_repeats_nobody() {
    let stage = Stage::set();
    for n in 0..3 {
        stage.person(&format!("a{n}@example.org"), ConsentState::Granted);
    }
    let id = stage.draft();
    stage.launch(id, 0);
    let file = stage.bench.dir.path().join("club.casement");
    save_as(&stage.bench.engine, &file, false);
    later(&stage.bench.clock, 5);
    stage
        .bench
        .engine
        .write(&[], move |conn| {
            conn_accept_one(conn, id);
            Ok(())
        })
        .unwrap();
    let engine = restored(&stage, &file);
    let (found, problem) = state(&engine, id);
    assert_eq!(found, CampaignState::Paused);
    assert!(problem.contains("nothing is sent by itself"), "{problem}");
    let there = counts(&engine, id);
    assert_eq!((there["accepted"], there["queued"]), (1, 2));
    control::resume(&engine, CampaignResume { id }).unwrap();
    sending::start(&engine);
    sending::wait_idle(&engine);
    sending::stop(&engine);
    assert_eq!(counts(&engine, id)["accepted"], 3);
    sound(&engine);
    engine.shutdown();
}

fn conn_accept_one(conn: &crate::store::Conn, id: CampaignId) {
    conn.execute(
        "UPDATE message SET state = 'accepted', accepted_at = 1, handing_over_at = 1, attempts = 1, next_attempt_at = NULL
         WHERE id = (SELECT min(id) FROM message WHERE campaign_id = ?1)",
        [id.0],
    )
    .unwrap();
    conn.execute("UPDATE campaign SET begun_at = 1 WHERE id = ?1", [id.0])
        .unwrap();
}

#[test]
fn a_move_takes_the_queue_along_and_leaves_the_old_place_paused() {
    let stage = Stage::set();
    stage.person("ana@example.org", ConsentState::Granted);
    let id = stage.draft();
    stage.launch(id, 0);
    let engine = &stage.bench.engine;
    let file = stage.bench.dir.path().join("move.casement");
    assert_eq!(save_as(engine, &file, true).error, None);
    let (found, problem) = state(engine, id);
    assert_eq!(found, CampaignState::Paused);
    assert!(problem.contains("moved to another computer"), "{problem}");

    let new = Stage::bare();
    new.bench.clock.set(stage.bench.clock.now());
    let there = restored(&new, &file);
    let (found, problem) = state(&there, id);
    assert_eq!(found, CampaignState::Paused);
    assert!(problem.contains("moved here"), "{problem}");
    assert_eq!(
        counts(&there, id)["queued"],
        1,
        "nothing is uncertain after a move"
    );
    there.shutdown();

    // Much later the same file is a backup like any other: the old place may have gone on.
    let new = Stage::bare();
    new.bench
        .clock
        .set(stage.bench.clock.now() + chrono::TimeDelta::days(2));
    let there = restored(&new, &file);
    assert_eq!(counts(&there, id)["uncertain"], 1);
    there.shutdown();
}

#[test]
fn refusals_follow_the_person_from_one_workspace_into_another() {
    let stage = Stage::set();
    let [ana, bo]: [ContactId; 2] =
        ["ana", "bo"].map(|name| stage.person(&format!("{name}@example.org"), ConsentState::Granted));
    let file = stage.bench.dir.path().join("club.casement");
    save_as(&stage.bench.engine, &file, false);
    let other = Stage::set();
    let key = other
        .bench
        .engine
        .write(&[], |conn| Ok(setting::replace_workspace_key(conn, &[9; 32])?));
    key.unwrap();
    other
        .bench
        .clock
        .set(stage.bench.clock.now() + chrono::TimeDelta::minutes(5));
    other.person("ana@example.org", ConsentState::Unknown);
    other.suppress("ana@example.org");
    let theirs = other.person("bo@example.org", ConsentState::Granted);
    other.consents(theirs, ConsentState::Refused);
    let engine = restored(&other, &file);
    let of = |id| contact::get(&engine, ContactGet { id }).unwrap().contact;
    assert!(of(ana).suppressed.is_some());
    assert_eq!(of(bo).consent, ConsentState::Refused);
    sound(&engine);
    engine.shutdown();
}

#[test]
fn no_password_goes_to_a_server_that_a_backup_names() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    let add = |engine: &Arc<Engine>, id: Option<AccountId>, host: &str| {
        let saving = json!({ "id": id, "name": "Server", "kind": "smtp", "host": host, "port": 587, "tls": "starttls",
                             "user": "club", "from_name": "Club", "from_address": "club@example.org",
                             "password": id.is_none().then_some("secret") });
        account::save(engine, serde_json::from_value(saving).unwrap())
            .unwrap()
            .id
    };
    let id = add(engine, None, "mail.example.org");
    let file = stage.bench.dir.path().join("club.casement");
    save_as(engine, &file, false);
    let has = |engine: &Arc<Engine>| {
        engine
            .read(|conn| Ok(crate::store::account::find(conn, id)?.unwrap().secret_name))
            .unwrap()
            != ""
    };
    let same = restored(&stage, &file);
    assert!(has(&same), "the same server keeps its password");
    later(&stage.bench.clock, 5);
    same.write(&[], move |conn| {
        conn.execute(
            "UPDATE account SET host = 'other.example.org' WHERE id = ?1",
            [id.0],
        )
        .unwrap();
        Ok(())
    })
    .unwrap();
    let changed = over(&stage, &same, &file);
    assert!(!has(&changed), "another server has to be given it again");
    changed.shutdown();
}

#[test]
fn a_damaged_workspace_can_be_brought_back_without_being_opened() {
    let stage = Stage::set();
    let ana = stage.person("ana@example.org", ConsentState::Granted);
    let file = stage.bench.dir.path().join("club.casement");
    save_as(&stage.bench.engine, &file, false);
    let workspace = stage.bench.engine.workspace.clone();
    stage.bench.engine.shutdown();
    std::fs::write(workspace.database(), b"rubbish where a database was".repeat(400)).unwrap();
    let error = testing::try_open(stage.bench.dir.path(), stage.bench.clock.clone())
        .err()
        .unwrap();
    assert_eq!(error.code, Code::Damaged, "{error}");
    let path = file.display().to_string();
    let seen = look_closed(workspace.dir(), &BackupLook { path: path.clone() }).unwrap();
    assert_eq!((seen.contents.contacts, seen.here), (1, None));
    restore::start_closed(workspace.dir(), &BackupRestore { path }).unwrap();
    let engine = testing::open(stage.bench.dir.path(), stage.bench.clock.clone());
    assert!(contact::get(&engine, ContactGet { id: ana }).is_ok());
    assert!(feed(&engine).contains("could not be read"), "{}", feed(&engine));
    let kept = std::fs::read_dir(workspace.backups()).unwrap();
    let kept: Vec<_> = kept
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(kept.iter().any(|name| name.starts_with("damaged-")), "{kept:?}");
    engine.shutdown();
}

#[test]
fn a_crash_at_any_step_of_bringing_back_leaves_one_of_the_two_whole() {
    let stage = Stage::set();
    let ana = stage.person("ana@example.org", ConsentState::Granted);
    let file = stage.bench.dir.path().join("club.casement");
    save_as(&stage.bench.engine, &file, false);
    later(&stage.bench.clock, 5);
    stage.suppress("ana@example.org");
    let workspace = stage.bench.engine.workspace.clone();
    let staged = || {
        let request = BackupRestore {
            path: file.display().to_string(),
        };
        let job = restore::start(&stage.bench.engine, request).unwrap().job.unwrap();
        stage.bench.engine.jobs.wait(job).unwrap();
    };
    // Half unpacked: it never was.
    staged();
    std::fs::remove_file(workspace.restoring().join("ready")).unwrap();
    stage.bench.engine.shutdown();
    let engine = testing::open(stage.bench.dir.path(), stage.bench.clock.clone());
    assert!(!workspace.restoring().exists());
    assert!(!feed(&engine).contains("backup"), "{}", feed(&engine));
    // Taken over and set aside, and not in its place yet: it goes on from there.
    let request = BackupRestore {
        path: file.display().to_string(),
    };
    let job = restore::start(&engine, request).unwrap().job.unwrap();
    engine.jobs.wait(job).unwrap();
    engine.shutdown();
    drop(engine);
    let back = workspace.restoring().join("casement.db");
    crate::store::takeover::take_over(&back, &workspace.database())
        .unwrap()
        .unwrap();
    std::fs::create_dir_all(workspace.backups()).unwrap();
    let aside = crate::store::migrate::copy_name(&workspace.backups(), stage.bench.clock.now());
    backup::set_aside(&workspace.database(), &aside, stage.bench.clock.now()).unwrap();
    let engine = testing::open(stage.bench.dir.path(), stage.bench.clock.clone());
    assert!(
        contact::get(&engine, ContactGet { id: ana })
            .unwrap()
            .contact
            .suppressed
            .is_some()
    );
    assert!(!workspace.restoring().exists());
    sound(&engine);
    engine.shutdown();
}
