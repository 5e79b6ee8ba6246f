//! Signing in and sending by XOAUTH2: a strict authorization server, a mail server that asks it, a real engine.

use super::*;
use crate::api::{AccountKind, AccountRemove, AccountState, AccountTest, JobState, SignInSettings, Tls};
use crate::app::account as accounts;
use crate::app::testing::{Bench, Keys, bench_with};
use crate::app::{login, standing};
use crate::delivery::standing::Trip;
use crate::delivery::transport::{ErrorKind, OutgoingMail, Stage};
use crate::mail::smtp::peer::{Peer, Script};
use crate::net::oauth::server::{AuthServer, CLIENT, SECRET, browse};
use std::sync::atomic::{AtomicBool, Ordering};

struct Scene {
    auth: AuthServer,
    mail: Peer,
    keys: Arc<Keys>,
    bench: Bench,
}

fn scene() -> Scene {
    scene_with(Some("PLAIN XOAUTH2"))
}

fn scene_with(mechanisms: Option<&'static str>) -> Scene {
    let auth = AuthServer::start();
    let state = auth.state.clone();
    let mail = Peer::start(Script {
        mechanisms,
        bearer: Some(Arc::new(move |token: &str| {
            state.lock().unwrap().access.contains(token)
        })),
        ..Script::default()
    });
    let keys = Arc::<Keys>::default();
    Scene {
        auth,
        mail,
        keys: keys.clone(),
        bench: bench_with(keys),
    }
}

impl Scene {
    fn typed(&self) -> AccountSave {
        AccountSave {
            name: "News".into(),
            kind: AccountKind::Smtp,
            host: "127.0.0.1".into(),
            port: self.mail.address.port(),
            tls: Tls::None,
            user: "news".into(),
            connections: 1,
            sign_in: Some(SignInSettings {
                service: SignInService::Other,
                client_id: CLIENT.into(),
                client_secret: Some(Secret::new(SECRET)),
                tenant: String::new(),
                authorize_url: self.auth.authorize(),
                token_url: self.auth.token(),
                scope: "mail offline_access".into(),
            }),
            ..AccountSave::outbox("News", "Ana", "ana@example.org")
        }
    }

    fn added(&self) -> Account {
        accounts::save(&self.bench.engine, self.typed()).unwrap()
    }

    /// Signs in as a person does, and returns how the login's job ended.
    fn sign_in(&self, id: AccountId) -> crate::api::Job {
        let started = start(&self.bench.engine, AccountSignIn { id }).unwrap();
        browse(&started.url);
        self.bench.engine.jobs.wait(started.job).unwrap()
    }

    fn signed_in(&self) -> AccountId {
        let id = self.added().id;
        let job = self.sign_in(id);
        assert_eq!(job.state, JobState::Done, "{:?}", job.error);
        id
    }

    fn deliver(&self, id: AccountId) -> std::result::Result<(), crate::delivery::transport::DeliveryError> {
        let mut transport = super::super::transports::transport_for(&self.bench.engine, id).unwrap();
        let mail = OutgoingMail {
            from: "ana@example.org",
            to: "bo@example.org",
            bytes: b"Subject: Hello\r\n\r\nHello\r\n",
            message: None,
            campaign: None,
            subject: "Hello",
            test: true,
        };
        transport.deliver(&mail).map(drop)
    }

    fn shown(&self, id: AccountId) -> Account {
        let list = accounts::list(&self.bench.engine, crate::api::AccountList {}).unwrap();
        list.accounts
            .into_iter()
            .find(|account| account.id == id)
            .unwrap()
    }

    fn kept(&self) -> String {
        self.keys.shown()
    }
}

#[test]
fn who_has_signed_in_sends_by_xoauth2_and_nothing_secret_is_in_the_database() {
    let scene = scene();
    let account = scene.added();
    assert_eq!(account.secret_note, "Nobody is signed in.");
    let job = scene.sign_in(account.id);
    assert_eq!(job.state, JobState::Done, "{:?}", job.error);
    let shown = scene.shown(account.id);
    assert_eq!(
        shown.sign_in.unwrap().signed_in_at,
        Some(scene.bench.engine.clock.now())
    );
    scene.deliver(account.id).unwrap();
    scene.deliver(account.id).unwrap();
    assert_eq!(scene.mail.mails(), 2);
    assert_eq!(
        scene.auth.state.lock().unwrap().renewals,
        0,
        "a token that is good is used again"
    );
    assert!(
        scene.kept().contains("refresh-"),
        "the permission is in the key store"
    );
    assert!(
        !scene.kept().contains("access-"),
        "access tokens are in memory only"
    );
    let said =
        serde_json::to_string(&job).unwrap() + &serde_json::to_string(&scene.shown(account.id)).unwrap();
    let database = std::fs::read(scene.bench.engine.workspace.database()).unwrap();
    let wal = std::fs::read(scene.bench.dir.path().join("workspace/casement.db-wal")).unwrap_or_default();
    for word in ["refresh-", "access-", "code-", SECRET] {
        assert!(!said.contains(word), "{word} is told: {said}");
        for bytes in [&database, &wal] {
            let found = bytes.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!found, "{word} is in the database");
        }
    }
    accounts::remove(&scene.bench.engine, AccountRemove { id: account.id }).unwrap();
    assert_eq!(scene.kept(), "{}", "the permission goes with its account");
}

#[test]
fn a_token_is_renewed_before_it_ends_and_its_successor_is_kept() {
    let scene = scene();
    let id = scene.signed_in();
    let before = scene.kept();
    scene.bench.clock.advance(chrono::TimeDelta::minutes(59));
    scene.deliver(id).unwrap();
    assert_eq!(scene.auth.state.lock().unwrap().renewals, 1);
    assert_ne!(
        scene.kept(),
        before,
        "the new permission replaced the one that was used"
    );
    scene.bench.clock.advance(chrono::TimeDelta::hours(1));
    scene.deliver(id).unwrap();
    assert_eq!(
        scene.auth.state.lock().unwrap().renewals,
        2,
        "with the permission that came last"
    );
}

#[test]
fn a_token_that_the_server_refuses_is_renewed_once() {
    let scene = scene();
    let id = scene.signed_in();
    scene.auth.state.lock().unwrap().access.clear();
    scene.deliver(id).unwrap();
    assert_eq!(scene.auth.state.lock().unwrap().renewals, 1);
    assert_eq!(scene.mail.mails(), 1);
    let commands = scene.mail.commands();
    assert_eq!(commands.matches("AUTH XOAUTH2").count(), 2, "{commands}");
}

#[test]
fn a_server_that_takes_no_token_is_asked_twice_and_no_more() {
    let auth = AuthServer::start();
    let mail = Peer::start(Script {
        mechanisms: Some("XOAUTH2"),
        bearer: Some(Arc::new(|_: &str| false)),
        ..Script::default()
    });
    let keys = Arc::<Keys>::default();
    let scene = Scene {
        auth,
        mail,
        keys: keys.clone(),
        bench: bench_with(keys),
    };
    let id = scene.signed_in();
    let error = scene.deliver(id).unwrap_err();
    assert_eq!(
        (error.kind, error.code, error.stage),
        (ErrorKind::Auth, Some(535), Stage::Connecting)
    );
    assert!(error.reply.contains("status 401"), "{}", error.reply);
    assert!(!error.reply.contains("access-"), "{}", error.reply);
    assert_eq!(scene.mail.commands().matches("AUTH XOAUTH2").count(), 2);
    let test = AccountTest {
        id: Some(id),
        settings: None,
    };
    let test = login::test(&scene.bench.engine, test).unwrap();
    assert!(
        test.sentence.contains("did not take the sign-in"),
        "{}",
        test.sentence
    );
}

#[test]
fn a_permission_that_was_taken_back_asks_for_a_new_sign_in() {
    let scene = scene();
    let id = scene.signed_in();
    scene.auth.revoke();
    let error = scene.deliver(id).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    assert!(error.reply.contains("sign in again"), "{}", error.reply);
    let shown = scene.shown(id);
    assert_eq!(shown.sign_in.unwrap().signed_in_at, None, "the account says so");
    assert!(!scene.kept().contains("refresh-"), "what is dead is not kept");
    assert!(scene.kept().contains(SECRET), "the client's secret is");
    assert_eq!(scene.sign_in(id).state, JobState::Done);
    scene.deliver(id).unwrap();
}

#[test]
fn a_service_out_of_reach_ends_no_permission() {
    let scene = scene();
    let id = scene.signed_in();
    scene.bench.clock.advance(chrono::TimeDelta::hours(2));
    let busy = r#"{"error":"temporarily_unavailable"}"#;
    let table = [
        (503, "later"),
        (503, busy),
        (
            429,
            r#"{"error":"invalid_request","error_description":"rate limit"}"#,
        ),
        (500, r#"{"error":"invalid_grant"}"#),
        (400, busy),
        (400, r#"{"error":"server_error"}"#),
    ];
    for answer in table {
        scene.auth.state.lock().unwrap().answers = Some(answer);
        let error = scene.deliver(id).unwrap_err();
        assert_eq!(
            error.kind,
            ErrorKind::Network,
            "it may work later by itself: {answer:?} {error}"
        );
        let trip = standing::judge(&scene.bench.engine, id, Err(&error)).0;
        assert!(matches!(trip, Trip::Wait(_)), "{answer:?} {trip:?}");
    }
    scene.auth.state.lock().unwrap().answers = None;
    scene.deliver(id).unwrap();
}

#[test]
fn a_server_without_xoauth2_is_named_and_gets_no_token() {
    let scene = scene_with(Some("PLAIN LOGIN"));
    let id = scene.signed_in();
    let error = scene.deliver(id).unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::Auth, None));
    assert!(error.reply.contains("XOAUTH2 is not offered"), "{}", error.reply);
    assert!(
        !scene.mail.commands().contains("AUTH"),
        "{}",
        scene.mail.commands()
    );
}

#[test]
fn a_sign_in_that_is_refused_cancelled_or_too_late_changes_nothing() {
    let scene = scene();
    let engine = &scene.bench.engine;
    let id = scene.added().id;
    scene.auth.state.lock().unwrap().denies = true;
    let job = scene.sign_in(id);
    assert_eq!(job.state, JobState::Failed);
    assert!(job.error.unwrap().message.contains("did not allow"));
    scene.auth.state.lock().unwrap().denies = false;

    scene.auth.state.lock().unwrap().gives_no_refresh = true;
    let job = scene.sign_in(id);
    assert!(job.error.unwrap().message.contains("no lasting permission"));
    scene.auth.state.lock().unwrap().gives_no_refresh = false;

    let first = start(engine, AccountSignIn { id }).unwrap();
    let second = start(engine, AccountSignIn { id }).unwrap();
    assert_eq!(
        engine.jobs.wait(first.job).unwrap().state,
        JobState::Cancelled,
        "a new login ends the one before"
    );
    engine.jobs.cancel(second.job);
    assert_eq!(engine.jobs.wait(second.job).unwrap().state, JobState::Cancelled);

    let late = start_within(engine, AccountSignIn { id }, Duration::from_millis(20)).unwrap();
    let job = engine.jobs.wait(late.job).unwrap();
    assert!(job.error.unwrap().message.contains("Nobody signed in"));

    assert_eq!(scene.shown(id).sign_in.unwrap().signed_in_at, None);
    let error = scene.deliver(id).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
}

#[test]
fn a_permission_is_for_one_user_and_one_client() {
    let scene = scene();
    let engine = &scene.bench.engine;
    let id = scene.signed_in();
    let with = |change: fn(&mut AccountSave)| {
        let mut request = scene.typed();
        request.id = Some(id);
        request.sign_in.as_mut().unwrap().client_secret = None;
        change(&mut request);
        accounts::save(engine, request).unwrap()
    };
    let same = with(|request| request.name = "Letters".into());
    assert!(
        same.sign_in.unwrap().signed_in_at.is_some(),
        "a new name changes nothing"
    );
    scene.deliver(id).unwrap();
    let other = with(|request| request.user = "other".into()).sign_in.unwrap();
    assert_eq!((other.signed_in_at, other.has_client_secret), (None, true));
    assert!(!scene.kept().contains("refresh-"));
    let other = with(|request| request.sign_in.as_mut().unwrap().client_id = "another".into());
    assert!(!other.sign_in.unwrap().has_client_secret);
    assert_eq!(scene.kept(), "{}");

    let password = with(|request| {
        request.sign_in = None;
        request.password = Some(Secret::new("secret"));
    });
    assert_eq!(password.sign_in, None);
    scene.deliver(id).unwrap();
    assert!(scene.mail.commands().contains("AUTH PLAIN"));
    assert_eq!(
        start(engine, AccountSignIn { id }).unwrap_err().code,
        Code::Conflict
    );
    let back = with(|_| {});
    assert_eq!(
        (back.secret, back.sign_in.unwrap().signed_in_at),
        (SecretPlace::None, None)
    );
    assert_eq!(scene.kept(), "{}", "a password is not kept beside a sign-in");
}

#[test]
fn bad_input_is_refused_with_its_field() {
    let scene = scene();
    let taken = AccountSave::outbox("Practice", "Ana", "ana@example.org");
    accounts::save(&scene.bench.engine, taken).unwrap();
    type Change = fn(&mut AccountSave);
    let table: [(&str, Change); 13] = [
        ("name", |r| r.name = "PRACTICE".into()),
        ("name", |r| {
            r.name = "practice".into();
            r.sign_in = None;
            r.password = Some(Secret::new("secret"));
        }),
        // Neither a token nor a password leaves this computer in the clear.
        ("tls", |r| r.host = "mail.example.org".into()),
        ("certificate", |r| {
            r.certificate = Some("bm8gY2VydGlmaWNhdGU=".into())
        }),
        ("client_id", |r| {
            r.sign_in.as_mut().unwrap().client_id = " ".into()
        }),
        ("client_id", |r| {
            r.sign_in.as_mut().unwrap().client_id = "a b".into()
        }),
        ("user", |r| r.user = String::new()),
        ("authorize_url", |r| {
            r.sign_in.as_mut().unwrap().authorize_url = "http://login.example.org/".into();
        }),
        ("token_url", |r| {
            r.sign_in.as_mut().unwrap().token_url = "file:///etc".into()
        }),
        ("scope", |r| r.sign_in.as_mut().unwrap().scope = " ".into()),
        ("host", |r| {
            r.sign_in.as_mut().unwrap().service = SignInService::Google
        }),
        ("host", |r| {
            r.sign_in.as_mut().unwrap().service = SignInService::Microsoft;
            r.host = "smtp.office365.com.example.org".into();
            r.tls = Tls::Tls;
        }),
        ("tenant", |r| {
            r.sign_in.as_mut().unwrap().service = SignInService::Microsoft;
            r.sign_in.as_mut().unwrap().tenant = "../common".into();
            r.host = "smtp.office365.com".into();
            r.tls = Tls::Starttls;
        }),
    ];
    for (field, change) in table {
        let mut request = scene.typed();
        change(&mut request);
        let error = accounts::save(&scene.bench.engine, request).unwrap_err();
        assert_eq!(error.field.as_deref(), Some(field), "{error}");
    }
    assert_eq!(scene.kept(), "{}", "what was refused left nothing behind");
}

#[test]
fn a_sign_in_is_tested_at_its_own_server_only() {
    let scene = scene();
    let id = scene.signed_in();
    let test = |change: fn(&mut AccountSave)| {
        let mut settings = scene.typed();
        change(&mut settings);
        let request = AccountTest {
            id: Some(id),
            settings: Some(settings),
        };
        login::test(&scene.bench.engine, request).unwrap()
    };
    assert!(test(|_| {}).ok);
    let elsewhere = test(|settings| settings.host = "localhost".into());
    assert!(!elsewhere.ok);
    assert!(
        elsewhere.sentence.contains("not signed in yet"),
        "{}",
        elsewhere.sentence
    );
    assert_eq!(
        scene.mail.commands().matches("AUTH XOAUTH2").count(),
        1,
        "a stored permission is shown to the server that it was given for"
    );

    let mut moved = scene.typed();
    moved.id = Some(id);
    moved.host = "localhost".into();
    let moved = accounts::save(&scene.bench.engine, moved).unwrap();
    assert_eq!(
        moved.sign_in.unwrap().signed_in_at,
        None,
        "another server asks for another permission"
    );
    assert!(!scene.kept().contains("refresh-"), "{}", scene.kept());
    assert_eq!(scene.deliver(id).unwrap_err().kind, ErrorKind::Auth);
}

#[test]
fn a_blocked_account_goes_on_once_the_person_has_signed_in_and_not_before() {
    let is_known = Arc::new(AtomicBool::new(true));
    let takes = is_known.clone();
    let mut scene = scene();
    let state = scene.auth.state.clone();
    scene.mail = Peer::start(Script {
        mechanisms: Some("XOAUTH2"),
        bearer: Some(Arc::new(move |token: &str| {
            takes.load(Ordering::SeqCst) && state.lock().unwrap().access.contains(token)
        })),
        ..Script::default()
    });
    let engine = &scene.bench.engine;
    let id = scene.signed_in();
    let state = || scene.shown(id).standing.state;
    let save = |change: fn(&mut AccountSave)| {
        let mut request = scene.typed();
        request.id = Some(id);
        request.sign_in.as_mut().unwrap().client_secret = None;
        change(&mut request);
        accounts::save(engine, request).unwrap();
    };
    let fails = |stands: AccountState| {
        let error = scene.deliver(id).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Auth, "{error}");
        standing::judge(engine, id, Err(&error));
        assert_eq!(state(), stands, "{error}");
    };
    let ends: [(&dyn Fn(), AccountState); 2] = [
        // The server refuses what the service gave; then the service takes the permission back.
        (&|| is_known.store(false, Ordering::SeqCst), AccountState::Blocked),
        (&|| scene.auth.revoke(), AccountState::Waiting),
    ];
    for (end, stands) in ends {
        end();
        fails(stands);
        // As the window does before it opens the browser.
        save(|_| {});
        assert_eq!(state(), stands, "nothing is mended yet");
        is_known.store(true, Ordering::SeqCst);
        assert_eq!(scene.sign_in(id).state, JobState::Done);
        assert_eq!(state(), AccountState::Ready);
        scene.deliver(id).unwrap();
    }

    is_known.store(false, Ordering::SeqCst);
    fails(AccountState::Blocked);
    save(|request| request.sign_in.as_mut().unwrap().client_secret = Some(Secret::new(SECRET)));
    assert_eq!(
        state(),
        AccountState::Ready,
        "another secret may be what was wanted"
    );
    fails(AccountState::Blocked);
    save(|request| {
        request.sign_in = None;
        request.password = Some(Secret::new("secret"));
    });
    assert_eq!(state(), AccountState::Ready, "a password asks for no sign-in");
}

#[test]
fn a_change_and_a_removal_wait_for_a_renewal_that_is_under_way() {
    type Change = fn(&Arc<Engine>, AccountSave);
    let table: [(Change, bool); 2] = [
        (
            |engine, mut request| {
                request.sign_in = None;
                request.password = Some(Secret::new("horse"));
                accounts::save(engine, request).unwrap();
            },
            true,
        ),
        (
            |engine, request| {
                let id = request.id.unwrap();
                accounts::remove(engine, AccountRemove { id }).unwrap();
            },
            false,
        ),
    ];
    for (change, has_password) in table {
        let scene = scene();
        let id = scene.signed_in();
        scene.bench.clock.advance(chrono::TimeDelta::hours(2));
        let slot = scene.bench.engine.sign_ins.slot(id);
        let (told, ended) = std::sync::mpsc::channel();
        let is_early = std::thread::scope(|threads| {
            // The service keeps the renewal waiting for as long as this is held.
            let service = scene.auth.state.lock().unwrap();
            threads.spawn(|| drop(scene.deliver(id)));
            while slot.try_lock().is_ok() {
                std::thread::yield_now();
            }
            let mut request = scene.typed();
            request.id = Some(id);
            let engine = &scene.bench.engine;
            threads.spawn(move || {
                change(engine, request);
                told.send(()).unwrap();
            });
            let is_early = ended.recv_timeout(Duration::from_millis(300)).is_ok();
            drop(service);
            is_early
        });
        assert!(!is_early, "it waits for the renewal");
        let kept = scene.kept();
        assert!(!kept.contains("refresh-"), "the renewal came first: {kept}");
        assert_eq!(kept.contains("horse"), has_password, "{kept}");
    }
}
