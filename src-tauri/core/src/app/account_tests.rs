//! Accounts that are saved: what is kept of them, and what goes when they change.

use super::testing::{Bench, Keys, bench_with};
use super::{account, login, standing, trust};
use crate::api::{
    Account, AccountKind, AccountList, AccountProviders, AccountSave, AccountState, AccountTest,
    AccountTrust, SignInService, Tls,
};
use crate::delivery::standing::Trip;
use crate::delivery::transport::{DeliveryError, ErrorKind, OutgoingMail};
use crate::mail::smtp::peer::{Peer, Script};
use crate::mail::smtp::tests::{Validity, issue};
use crate::secrets::Secret;
use std::sync::Arc;

struct Scene {
    keys: Arc<Keys>,
    bench: Bench,
}

fn scene() -> Scene {
    let keys = Arc::<Keys>::default();
    Scene {
        keys: keys.clone(),
        bench: bench_with(keys),
    }
}

/// An account that logs in at `peer` with its right password.
fn typed(peer: &Peer) -> AccountSave {
    AccountSave {
        kind: AccountKind::Smtp,
        host: "127.0.0.1".into(),
        port: peer.address.port(),
        tls: Tls::None,
        user: "news".into(),
        password: Some(Secret::new("secret")),
        ..AccountSave::outbox("News", "Ana", "ana@example.org")
    }
}

fn peer() -> Peer {
    Peer::start(Script {
        mechanisms: Some("PLAIN"),
        ..Script::default()
    })
}

impl Scene {
    fn save(&self, request: AccountSave) -> Account {
        account::save(&self.bench.engine, request).unwrap()
    }

    fn test(&self, settings: AccountSave) -> crate::api::AccountTestResponse {
        let request = AccountTest {
            id: settings.id,
            settings: Some(settings),
        };
        login::test(&self.bench.engine, request).unwrap()
    }

    fn only(&self) -> Account {
        let list = account::list(&self.bench.engine, AccountList {}).unwrap();
        list.accounts.into_iter().next().unwrap()
    }

    fn deliver(&self) -> Result<(), DeliveryError> {
        let mail = OutgoingMail {
            from: "ana@example.org",
            to: "bo@example.org",
            bytes: b"Subject: Hello\r\n\r\nHello\r\n",
            message: None,
            campaign: None,
            subject: "Hello",
            test: true,
        };
        let transport = super::transports::transport_for(&self.bench.engine, self.only().id);
        transport.unwrap().deliver(&mail).map(drop)
    }
}

#[test]
fn a_typed_password_is_tested_though_the_stored_one_is_gone() {
    let (scene, peer) = (scene(), peer());
    let id = scene.save(typed(&peer)).id;
    scene.keys.entries().clear();
    let again = AccountSave {
        id: Some(id),
        ..typed(&peer)
    };
    let test = scene.test(again.clone());
    assert!(test.ok, "{}", test.sentence);
    let gone = AccountTest {
        id: Some(id),
        settings: None,
    };
    let gone = login::test(&scene.bench.engine, gone).unwrap();
    assert!(gone.sentence.contains("Type it again"), "{}", gone.sentence);
    scene.save(again);
    scene.deliver().unwrap();
}

#[test]
fn a_stored_password_goes_to_the_server_that_it_was_typed_for_and_to_no_other() {
    let (scene, peer) = (scene(), peer());
    let id = scene.save(typed(&peer)).id;
    let moved = AccountSave {
        id: Some(id),
        host: "localhost".into(),
        password: None,
        ..typed(&peer)
    };
    let error = account::save(&scene.bench.engine, moved.clone()).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("password"), "{error}");
    assert!(
        error.message.contains("127.0.0.1") && error.message.contains("localhost"),
        "{error}"
    );
    assert_eq!(scene.only().host, "127.0.0.1", "nothing was saved");
    scene.deliver().unwrap();

    let elsewhere = AccountSave {
        port: 1,
        ..moved.clone()
    };
    let same_host = AccountSave {
        host: "127.0.0.1".into(),
        ..elsewhere
    };
    scene.save(same_host);
    assert!(
        scene.keys.shown().contains("secret"),
        "another port is the same server"
    );

    let without_login = AccountSave {
        user: String::new(),
        ..moved.clone()
    };
    let saved = scene.save(without_login);
    assert_eq!(
        saved.secret_note, "No password is stored.",
        "there is no login that wants one"
    );
    assert_eq!(scene.keys.shown(), "{}");

    scene.save(AccountSave {
        password: Some(Secret::new("secret")),
        ..moved
    });
    scene.deliver().unwrap();
}

#[test]
fn a_certificate_that_is_trusted_lets_a_waiting_account_go_on_and_is_kept_where_it_is_used_only() {
    let scene = scene();
    // Signed by a root that nobody trusts.
    let peer = Peer::start(Script {
        starttls: Some(issue("localhost", Validity::Now).config),
        mechanisms: Some("PLAIN"),
        ..Script::default()
    });
    let mut request = AccountSave {
        host: "localhost".into(),
        tls: Tls::Starttls,
        ..typed(&peer)
    };
    let id = scene.save(request.clone()).id;
    request.id = Some(id);
    let engine = &scene.bench.engine;
    let error = scene.deliver().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network);
    let trip = standing::judge(engine, id, Err(&error)).0;
    assert!(matches!(trip, Trip::Wait(_)), "{trip:?}");
    assert_eq!(scene.only().standing.state, AccountState::Waiting);

    let shown = scene.test(request.clone()).certificate.unwrap();
    let choice = AccountTrust {
        id,
        certificate: Some(shown.certificate.clone()),
    };
    let account = trust::trust(engine, choice).unwrap();
    assert_eq!(
        account.standing.state,
        AccountState::Ready,
        "it waited for nothing else"
    );
    scene.deliver().unwrap();
    standing::judge(engine, id, Err(&error));
    let account = trust::trust(
        engine,
        AccountTrust {
            id,
            certificate: None,
        },
    )
    .unwrap();
    assert_eq!(
        account.standing.state,
        AccountState::Waiting,
        "trusting less mends nothing"
    );

    let unused = AccountSave {
        tls: Tls::None,
        certificate: Some(shown.certificate),
        ..request
    };
    scene.save(unused.clone());
    let outbox = AccountSave {
        kind: AccountKind::Outbox,
        ..unused
    };
    scene.save(outbox);
    let rows = engine
        .read(|conn| Ok(crate::store::trusted_certificate::find(conn, id)?))
        .unwrap();
    assert!(rows.is_none(), "a certificate without encryption is none");
}

#[test]
fn who_signs_in_has_one_provider_for_each_domain_and_one_for_organisations() {
    let scene = scene();
    let answer = account::providers(&scene.bench.engine, AccountProviders {}).unwrap();
    for service in [SignInService::Google, SignInService::Microsoft] {
        let of_service = answer
            .providers
            .iter()
            .filter(|provider| provider.sign_in == Some(service));
        let for_organisations = of_service.filter(|provider| provider.domains.is_empty());
        assert_eq!(for_organisations.count(), 1, "the window takes it: {service:?}");
    }
    let of = |domain: &str| {
        let has = |domains: &[String]| domains.iter().any(|one| one == domain);
        answer
            .providers
            .iter()
            .find(|provider| has(&provider.domains))
            .unwrap()
    };
    assert_eq!(of("googlemail.com").sign_in, Some(SignInService::Google));
    assert_eq!(of("hotmail.com").sign_in, Some(SignInService::Microsoft));
    assert_eq!(of("fastmail.com").sign_in, None);
    assert_eq!(
        (of("mailbox.org").host.as_str(), of("mailbox.org").tls),
        ("smtp.mailbox.org", Tls::Tls)
    );
}
