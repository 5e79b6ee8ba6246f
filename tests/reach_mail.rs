//! Mail whose addresses lead through an own server: Postfix takes it, ssh holds the way, Caddy the certificate, and curl
//! looks as a mail program does.

use crate::harness::caddy::Caddy;
use crate::harness::ctl::{Ctl, Serving};
use crate::harness::dns::NameServer;
use crate::harness::mail_servers::{MailServers, WEB_NAME};
use crate::harness::mime::Mail;
use crate::harness::sshd::{self, Sshd};
use crate::harness::{free_port, readers, skip, until, until_or};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const READERS: [&str; 4] = [
    "ana@readers.test",
    "ben@readers.test",
    "eve@readers.test",
    "joe@readers.test",
];
const POSTAL: &str = "Harbour Club, 3 Quay Street, Exampleton";

/// A reader out on the internet: a program that takes names, certificates and connections as they are.
struct Outside {
    root: PathBuf,
    port: u16,
}

impl Outside {
    /// Asks for `url` and returns the status and the body; what curl says where nothing answered.
    fn ask(&self, agent: &str, more: &[&str], url: &str) -> Result<(u16, Vec<u8>), String> {
        let output = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--max-time",
                "20",
                "--user-agent",
                agent,
            ])
            .arg("--cacert")
            .arg(&self.root)
            .args(["--resolve", &format!("{WEB_NAME}:{}:127.0.0.1", self.port)])
            .args(["--write-out", "\n%{http_code}"])
            .args(more)
            .arg(url)
            .output()
            .map_err(|error| format!("curl: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let end = output
            .stdout
            .iter()
            .rposition(|byte| *byte == b'\n')
            .expect("it was told to write the status last");
        let status = String::from_utf8_lossy(&output.stdout[end + 1..]);
        Ok((
            status.parse().map_err(|_| format!("no status: {status}"))?,
            output.stdout[..end].to_owned(),
        ))
    }

    fn look(&self, agent: &str, url: &str) -> Vec<u8> {
        let (status, body) = self.ask(agent, &[], url).expect("the picture is answered");
        assert_eq!(status, 200);
        body
    }
}

/// Everything between a reader and this computer.
struct World {
    ctl: Ctl,
    servers: MailServers,
    sshd: Sshd,
    outside: Outside,
    base: String,
    _caddy: Caddy,
    names: NameServer,
}

impl World {
    fn make() -> Result<Self, String> {
        let mut users = READERS.to_vec();
        users.push("news@harbour.test");
        let servers = MailServers::start(&users)?;
        let sshd = Sshd::start(1)?;
        let names = NameServer::start(&[WEB_NAME])?;
        let ctl = Ctl::new().trusting(servers.root_pem());
        let (port, server_port) = (free_port(), free_port());
        let base = format!("https://{WEB_NAME}:{port}");
        let way = json!({
            "kind": "ssh", "url": base, "server": "127.0.0.1", "port": sshd.port, "user": sshd.user,
            "server_port": server_port, "host_key": sshd.host_key(),
        });
        let here = free_port();
        let steps = ctl.call("tunnel_lines", json!({ "way": way, "port": here }))["steps"]
            .as_array()
            .expect("the steps are a list")
            .clone();
        let lines: Vec<&str> = steps.iter().filter_map(|step| step["text"].as_str()).collect();
        let key = lines
            .iter()
            .flat_map(|text| text.lines())
            .find(|line| line.starts_with("restrict,"))
            .expect("a line for authorized_keys");
        sshd.allow(&[key.to_owned()]);
        let site = lines
            .iter()
            .find(|text| text.starts_with(WEB_NAME))
            .expect("lines for a Caddyfile");
        let (certificate, secret) = servers.web_certificate();
        let caddy = Caddy::start(site, port, (&certificate, &secret))?;
        ctl.call(
            "tunnel_save",
            json!({ "way": way, "port": here, "use_address": true }),
        );
        ctl.call("tunnel_up", json!({}));
        let outside = Outside {
            root: servers.root_pem(),
            port,
        };
        Ok(Self {
            ctl,
            servers,
            sshd,
            outside,
            base,
            _caddy: caddy,
            names,
        })
    }

    /// Starts the program that listens and sends, and waits until readers reach it.
    fn serve(&self) -> Serving {
        let names = format!("CASEMENT_DNS={}", self.names.addr);
        let serving = self.ctl.serve_by(&["env", &names], "serve");
        self.until_live();
        serving
    }

    fn tunnel(&self) -> Value {
        self.ctl.call("tunnel_show", json!({}))
    }

    fn until_live(&self) {
        until_or(
            || {
                format!(
                    "the tunnel should come up: {:#}\n{}",
                    self.tunnel(),
                    self.sshd.log()
                )
            },
            || (self.tunnel()["state"] == "live").then_some(()),
        );
    }

    fn send(&self) -> String {
        let csv = READERS
            .iter()
            .fold("Email\r\n".to_owned(), |csv, email| csv + email + "\r\n");
        let members = self.ctl.file("members.csv", csv);
        self.ctl.ok([
            "import",
            text(&members),
            "--list",
            "Members",
            "--consent",
            "granted",
            "--consent-source",
            "membership form",
            "--consent-wording",
            "You may record when I open your mails.",
        ]);
        self.ctl
            .call("settings_update", json!({ "organisation": "Harbour Club" }));
        self.servers.account(&self.ctl);
        let id = self
            .ctl
            .create(&json!({
                "name": "Autumn", "subject": "Harbour news", "account": "Harbour",
                "audience": { "include": ["Members"], "exclude": [] }, "window": { "days": 30 },
                "tracking": "individual", "postal_address": POSTAL,
                "markdown": "# Harbour news\n\nThe jetty is mended — come and see.\n",
            }))
            .to_string();
        let preflight = self.ctl.run(["campaign", "preflight", &id]);
        assert_eq!(preflight.code, Some(0), "nothing is wrong: {preflight:?}");
        self.ctl.ok(["campaign", "launch", &id, "--yes"]);
        self.ctl.ok(["send", "--campaign", &id]);
        id
    }

    fn mail_of(&self, reader: &str) -> Mail {
        let mails = self.servers.wait_for_mails(reader, 1);
        Mail::read(mails.last().expect("there is one"))
    }

    /// How many people's looks were recorded. So soon after delivery the judge cannot tell a person from a scanner.
    fn recorded(&self, id: &str) -> u64 {
        let report = self.ctl.ok(["report", id]);
        let n = |part: &str| report[part].as_u64().expect("a report counts");
        n("confirmed") + n("unknown")
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("ASCII")
}

#[test]
fn mail_whose_addresses_lead_through_ssh_and_caddy_is_opened_and_refused_through_them() {
    let world = match World::make() {
        Ok(world) => world,
        Err(why) => return skip("reach_mail", &why),
    };
    let serving = world.serve();
    let proved = world.ctl.run(["reach", "probe"]);
    assert_eq!(
        proved.code,
        Some(0),
        "this Casement is found from outside: {proved:?}"
    );
    assert_eq!(proved.json["url"], json!(world.base));
    assert!(proved.json["certificate_until"].is_string(), "{proved:?}");
    until("the address should be known as reachable", || {
        (world.ctl.call("listener_status", json!({}))["level"] == "reachable").then_some(())
    });
    // Nothing but a look through the tunnel itself tells how long it takes there and back.
    let tunnel = world.tunnel();
    assert!(
        tunnel["latency"].is_u64() && tunnel["unproved"].is_null(),
        "{tunnel:#}"
    );
    let id = world.send();
    let sent = Instant::now();
    let pixel = |reader: &str| {
        let pixel = world.mail_of(reader).pixels().remove(0);
        assert!(pixel.starts_with(&format!("{}/o/", world.base)), "{pixel}");
        pixel
    };
    let pixels = READERS.map(pixel);
    // Nobody reads within three seconds of the hand-over, and a proxy that does so is not taken for a person.
    until("three seconds should pass", || {
        (sent.elapsed() > Duration::from_millis(3100)).then_some(())
    });

    let gif = world.outside.look(readers::IPHONE, &pixels[0]);
    assert!(gif.starts_with(b"GIF89a"));
    assert_eq!(world.recorded(&id), 1);

    // The way is lost, and found again by itself.
    let port = world.sshd.port.to_string();
    let ssh = sshd::processes(|line| {
        !line.contains("--casement-leash") && line.contains(" -R ") && line.contains(&port)
    });
    assert_eq!(ssh.len(), 1, "one ssh holds the way");
    ssh.into_iter().for_each(sshd::stop);
    until("the look after the loss should come through again", || {
        world
            .outside
            .ask(readers::THUNDERBIRD, &[], &pixels[1])
            .ok()
            .filter(|(status, _)| *status == 200)
    });
    until("it should be counted", || {
        (world.recorded(&id) == 2).then_some(())
    });

    // One click in the mail program: RFC 8058, through the same way.
    let unsubscribe = world
        .mail_of(READERS[2])
        .unsubscribe_addresses()
        .into_iter()
        .find(|address| address.starts_with("https://"))
        .expect("an address for one click");
    let (status, _) = world
        .outside
        .ask(
            "Mozilla/5.0",
            &["--data", "List-Unsubscribe=One-Click"],
            &unsubscribe,
        )
        .expect("the wish is answered");
    assert_eq!(status, 200);
    let person = world.ctl.ok(["contacts", "show", READERS[2]]);
    assert_eq!(person["contact"]["suppressed"], "Unsubscribed", "{person:#}");

    serving.stop();
    let gone = world.outside.ask(readers::IPHONE, &[], &pixels[3]);
    assert!(
        matches!(gone, Ok((502, _))),
        "with this computer off Caddy has nothing behind it: {gone:?}"
    );
    assert_eq!(world.recorded(&id), 2);
    world.ctl.verify();
}
