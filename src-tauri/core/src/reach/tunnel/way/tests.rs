//! Command lines, and what is said of what was typed.

use super::*;

/// A key that anybody may have.
const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

fn ssh() -> Way {
    Way::Ssh {
        url: "https://news.example.org".into(),
        server: "server.example.org".into(),
        port: 2222,
        user: "casement".into(),
        server_port: 18200,
        key_file: None,
        host_key: HOST_KEY.into(),
    }
}

fn command(argv: &[&str], url: Option<&str>, pattern: Option<&str>) -> Way {
    Way::Command {
        argv: argv.iter().map(|&one| one.to_owned()).collect(),
        url: url.map(str::to_owned),
        pattern: pattern.map(str::to_owned),
        client_header: None,
    }
}

fn line(way: &Way) -> String {
    let means = Means {
        program: Path::new("/bin/tool"),
        port: 4806,
        metrics: 5555,
        key: Path::new("/k/key"),
        known_hosts: Path::new("/k y/100%/known"),
        token_file: Path::new("/k/token"),
        empty: Path::new("/k/empty.yml"),
    };
    let plan = way.plan(&means).unwrap();
    plan.arguments
        .iter()
        .map(|one| one.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn command_lines_are_as_listed() {
    let ssh = line(&ssh());
    for part in [
        "-F none -v -N -T",
        "-o BatchMode=yes -o ExitOnForwardFailure=yes",
        "-o StrictHostKeyChecking=yes",
        "-o UserKnownHostsFile=\"/k y/100%%/known\"",
        "-i /k/key -p 2222 -l casement -R 127.0.0.1:18200:127.0.0.1:4806 -- server.example.org",
    ] {
        assert!(ssh.contains(part), "{part} in {ssh}");
    }
    let common = "tunnel --no-autoupdate --config /k/empty.yml --metrics 127.0.0.1:5555 --output json --grace-period 2s";
    assert_eq!(
        line(&Way::CloudflareNamed {
            url: "https://news.example.org".into()
        }),
        format!("{common} run --token-file /k/token")
    );
    assert_eq!(
        line(&Way::CloudflareQuick {}),
        format!("{common} --url http://127.0.0.1:4806")
    );
    assert_eq!(
        line(&command(
            &["ngrok", "http", "--log=stdout", "{port}"],
            Some("https://a.ngrok.app"),
            None
        )),
        "http --log=stdout 4806"
    );
}

#[test]
fn what_was_typed_wrong_is_said_at_its_field() {
    let broken = |change: &dyn Fn(&mut Way)| {
        let mut way = ssh();
        change(&mut way);
        way.check().unwrap_err().0
    };
    assert_eq!(ssh().check(), Ok(()));
    // An option in the place of a server would run a program.
    for server in ["-oProxyCommand=sh", "a b", "", "a;b"] {
        assert_eq!(
            broken(&|way| if let Way::Ssh { server: field, .. } = way {
                *field = server.into();
            }),
            "server"
        );
    }
    assert_eq!(
        broken(&|way| if let Way::Ssh { user, .. } = way {
            *user = "-l root".into();
        }),
        "user"
    );
    assert_eq!(
        broken(&|way| if let Way::Ssh { server_port, .. } = way {
            *server_port = 443;
        }),
        "server_port"
    );
    for key in [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        &format!("{HOST_KEY}\n* ssh-rsa AAAA"),
    ] {
        assert_eq!(
            broken(&|way| if let Way::Ssh { host_key, .. } = way {
                *host_key = key.into();
            }),
            "host_key"
        );
    }
    for (way, field) in [
        (command(&[], Some("https://a.example.org"), None), "argv"),
        (
            command(&["ngrok", "--authtoken=x"], Some("https://a.example.org"), None),
            "argv",
        ),
        (
            command(
                &["env", "NGROK_AUTHTOKEN=x", "ngrok"],
                Some("https://a.example.org"),
                None,
            ),
            "argv",
        ),
        (
            command(&["zrok", "--token", "x"], Some("https://a.example.org"), None),
            "argv",
        ),
        (command(&["frpc"], None, None), "url"),
        (command(&["frpc"], None, Some("*.*.app")), "pattern"),
        (command(&["frpc"], None, Some("https")), "pattern"),
    ] {
        assert_eq!(way.check().unwrap_err().0, field, "{way:?}");
    }
    assert_eq!(
        command(&["x", "--token-file", "f"], Some("https://a.example.org"), None).check(),
        Ok(())
    );
}

#[test]
fn how_long_an_address_lasts_follows_from_its_name_and_how_it_was_learnt() {
    let fixed = Address::Fixed(String::new());
    let said = Address::Said(String::new());
    for (address, url, permanence) in [
        (&fixed, "https://news.example.org", Permanence::Own),
        (&said, "https://news.example.org", Permanence::Temporary),
        (&fixed, "https://box.t.ts.net:8443", Permanence::Lent),
        (&said, "https://box.t.ts.net", Permanence::Lent),
        // A name of this service that is kept looks like one that is not, to the launch as well.
        (&fixed, "https://me.ngrok-free.app/", Permanence::Temporary),
        (&said, "https://blue-sky.trycloudflare.com", Permanence::Temporary),
    ] {
        assert_eq!(address.permanence(url), permanence, "{address:?} {url}");
    }
}

#[test]
fn an_address_belongs_to_the_way_that_can_offer_it() {
    for (way, url, belongs) in [
        (ssh(), ssh().url().unwrap_or_default().to_owned(), true),
        (ssh(), "https://other.example.org".into(), false),
        (
            Way::CloudflareQuick {},
            "https://blue-sky.trycloudflare.com".into(),
            true,
        ),
        (Way::CloudflareQuick {}, "https://news.example.org".into(), false),
        (
            command(&["a"], None, Some("https://*.ts.net")),
            "https://box.t.ts.net".into(),
            true,
        ),
        (
            command(&["a"], None, Some("https://*.ts.net")),
            "https://news.example.org".into(),
            false,
        ),
    ] {
        assert_eq!(way.leads_from(&url), belongs, "{way:?} {url}");
    }
}

#[test]
fn a_servers_key_is_pinned_under_its_name_and_port() {
    assert_eq!(known_host("a.example.org", 22, "t k"), "a.example.org t k\n");
    assert_eq!(
        known_host("a.example.org", 2222, "t k\n"),
        "[a.example.org]:2222 t k\n"
    );
}
