//! What is kept of a way, who is told of its port, and that no secret goes astray.

use super::*;
use crate::api::{ListenerStatusGet, ListenerStop, ReachLevel, RouteKind};
use crate::app::testing;
use crate::secrets::Secret;

fn command(url: Option<&str>, pattern: Option<&str>, header: Option<&str>) -> Way {
    Way::Command {
        argv: vec!["frpc".into(), "-c".into(), "frpc.toml".into()],
        url: url.map(str::to_owned),
        pattern: pattern.map(str::to_owned),
        client_header: header.map(str::to_owned),
    }
}

fn choose(way: Option<Way>) -> TunnelSave {
    TunnelSave {
        way,
        port: Some(free_port().unwrap()),
        program: None,
        token: None,
        use_address: false,
    }
}

#[test]
fn the_listener_has_a_port_for_the_tunnel_while_there_is_a_way() {
    let bench = testing::bench();
    let engine = &bench.engine;
    reach::listener_start(engine, reach::here()).unwrap();
    let entrances = || {
        let status = reach::listener_status(engine, ListenerStatusGet {}).unwrap();
        status
            .entrances
            .into_iter()
            .filter(|entrance| entrance.is_tunnel)
            .map(|entrance| entrance.url)
            .collect::<Vec<_>>()
    };
    assert!(entrances().is_empty());
    let request = choose(Some(Way::Proxy {
        url: "https://news.example.org/".into(),
    }));
    let port = request.port.unwrap();
    let tunnel = save(
        engine,
        TunnelSave {
            use_address: true,
            ..request
        },
    )
    .unwrap();
    assert_eq!(entrances(), [format!("http://127.0.0.1:{port}")]);
    assert_eq!(tunnel.url.as_deref(), Some("https://news.example.org"));
    assert!(
        !tunnel.runs_program && tunnel.sentence.contains(&port.to_string()),
        "{}",
        tunnel.sentence
    );
    let status = reach::listener_status(engine, ListenerStatusGet {}).unwrap();
    assert_eq!(status.address.kind, RouteKind::Public);
    assert_eq!(status.address.url.as_deref(), Some("https://news.example.org"));
    // Practice mails are not opened by way of it.
    let practice = reach::practice_entrance(engine).unwrap();
    assert!(!practice.url.ends_with(&format!(":{port}")));
    save(engine, choose(None)).unwrap();
    assert!(entrances().is_empty(), "no way, no port");
    reach::listener_stop(engine, ListenerStop {}).unwrap();
}

#[test]
fn what_cannot_be_a_way_is_refused_at_its_field_and_nothing_is_kept() {
    let bench = testing::bench();
    let engine = &bench.engine;
    for (request, field) in [
        (
            choose(Some(Way::Proxy {
                url: "http://news.example.org".into(),
            })),
            "url",
        ),
        (
            choose(Some(Way::Proxy {
                url: "https://192.168.1.2".into(),
            })),
            "url",
        ),
        (choose(Some(command(None, None, None))), "url"),
        (
            choose(Some(command(Some("https://a.example.org"), None, Some("X Y")))),
            "client_header",
        ),
        (
            choose(Some(Way::CloudflareNamed {
                url: "https://a.example.org".into(),
            })),
            "token",
        ),
        (
            TunnelSave {
                token: Some(Secret::new("cloudflared service install eyJh")),
                ..choose(Some(Way::CloudflareNamed {
                    url: "https://a.example.org".into(),
                }))
            },
            "token",
        ),
        (
            TunnelSave {
                port: Some(80),
                ..choose(Some(Way::CloudflareQuick {}))
            },
            "port",
        ),
        (
            TunnelSave {
                program: Some("/no/such/program".into()),
                ..choose(Some(Way::CloudflareQuick {}))
            },
            "program",
        ),
    ] {
        let error = save(engine, request.clone()).unwrap_err();
        assert_eq!(
            error.field.as_deref(),
            Some(field),
            "{request:?}: {}",
            error.message
        );
        assert_eq!(show(engine, TunnelShow {}).unwrap().chosen, None);
    }
}

#[test]
fn a_token_is_in_the_key_store_and_not_in_the_database() {
    let bench = testing::bench_with(Arc::new(testing::Keys::default()));
    let engine = &bench.engine;
    let named = || Way::CloudflareNamed {
        url: "https://news.example.org".into(),
    };
    let token = "eyJhIjoiNThmMmQ2In0";
    let saved = save(
        engine,
        TunnelSave {
            token: Some(Secret::new(format!(" {token}\n"))),
            ..choose(Some(named()))
        },
    )
    .unwrap();
    assert!(saved.chosen.unwrap().has_token);
    let kept = engine.read(kept).unwrap().unwrap();
    assert_eq!(kept.token.reveal(engine).unwrap().reveal(), token);
    assert!(!serde_json::to_string(&kept).unwrap().contains(token));
    // Saved again without it, it stays; with another way it goes.
    save(engine, choose(Some(named()))).unwrap();
    assert!(kept.token.reveal(engine).is_ok());
    save(engine, choose(Some(Way::CloudflareQuick {}))).unwrap();
    assert!(kept.token.reveal(engine).is_err(), "nobody needs it any more");
}

#[test]
fn a_tunnel_without_a_way_cannot_be_started() {
    let bench = testing::bench();
    let error = up(&bench.engine, TunnelUp {}).unwrap_err();
    assert!(error.message.contains("No way"), "{}", error.message);
}

#[test]
fn a_workspace_at_another_place_does_not_take_the_readers_of_the_old_one() {
    let bench = testing::bench();
    let own = Some("https://a.example.org");
    save(&bench.engine, choose(Some(command(own, None, None)))).unwrap();
    bench.engine.shutdown();
    let is_on = |engine: &Arc<Engine>| show(engine, TunnelShow {}).unwrap().chosen.unwrap().is_on;
    let again = testing::open(bench.dir.path(), bench.clock.clone());
    assert!(is_on(&again), "at its own place it stays on");
    again.shutdown();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::rename(
        bench.dir.path().join("workspace"),
        elsewhere.path().join("workspace"),
    )
    .unwrap();
    let moved = testing::open(elsewhere.path(), bench.clock.clone());
    assert!(!is_on(&moved));
    moved.shutdown();
}

#[test]
fn practice_goes_on_where_a_proxy_names_no_client_and_where_the_listener_is_everywhere() {
    let bench = testing::bench();
    let engine = &bench.engine;
    let status = reach::listener_start(
        engine,
        ListenerStart {
            bind: Some("127.0.0.1:0".into()),
            behind_proxy: Some("127.0.0.1:0".into()),
            client_header: None,
        },
    )
    .unwrap();
    assert_eq!(status.entrances.len(), 2, "practice is nothing to be shown");
    let practice = reach::practice_entrance(engine).unwrap();
    assert!(!practice.client_header.is_empty());
    assert!(
        status
            .entrances
            .iter()
            .all(|entrance| entrance.url != practice.url)
    );
    for (url, here) in [
        ("http://0.0.0.0:4805", "http://127.0.0.1:4805"),
        ("http://[::]:4805", "http://[::1]:4805"),
        ("http://192.0.2.1:4805", "http://192.0.2.1:4805"),
    ] {
        assert_eq!(reach::from_here(url), here);
    }
}

#[test]
fn the_providers_word_is_believed_at_a_port_that_this_computer_alone_reaches() {
    let bench = testing::bench();
    let engine = &bench.engine;
    let request = choose(Some(Way::CloudflareQuick {}));
    let port = request.port.unwrap();
    save(engine, request).unwrap();
    let (bind, door) = entrance(engine).unwrap().unwrap();
    assert_eq!(
        bind.addr(),
        (Ipv4Addr::LOCALHOST, port).into(),
        "nobody else gets there"
    );
    assert_eq!(
        door,
        Door::BehindProxy {
            client_header: Some("CF-Connecting-IP".into())
        }
    );
}

#[test]
fn an_address_whose_tunnel_is_down_is_not_called_reachable() {
    let bench = testing::bench();
    let engine = &bench.engine;
    // Nothing can be started here: this test knows no program that could be the leash.
    reach::listener_start(engine, reach::here()).unwrap();
    let request = TunnelSave {
        use_address: true,
        ..choose(Some(command(Some("https://a.example.org"), None, None)))
    };
    let error = save(engine, request).unwrap_err();
    assert!(error.message.contains("can start no tunnel"), "{}", error.message);
    let status = || reach::listener_status(engine, ListenerStatusGet {}).unwrap();
    assert_eq!(status().level, ReachLevel::Unreachable);
    assert!(
        status().sentence.starts_with("It is off"),
        "{}",
        status().sentence
    );
    // Mails that carry another address do not depend on it.
    reach::address_set(
        engine,
        AddressSet {
            url: Some("https://b.example.org".into()),
            local: false,
        },
    )
    .unwrap();
    assert_ne!(status().level, ReachLevel::Unreachable);
    // Nor those whose own address never came from a tunnel that has another one at each start.
    let quick = save(engine, choose(Some(Way::CloudflareQuick {}))).unwrap_err();
    assert!(quick.message.contains("can start no tunnel"), "{}", quick.message);
    assert_ne!(status().level, ReachLevel::Unreachable);
}
