//! What is to be pasted on a server, or typed for a program that is not ours, step by step.

use super::way::{Way, is_plain};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What lines are for. Of the two web servers one is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(rename = "LinesPart")]
pub enum Part {
    /// Lets this computer in at a server, to hold one port and do nothing else.
    Login,
    /// Has a server notice that this computer is gone.
    KeepAlive,
    /// The web server Caddy.
    Caddy,
    /// The web server nginx.
    Nginx,
    /// What a service is told of this computer.
    Service,
}

/// One step, with lines to paste.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Lines {
    /// What they are for.
    pub part: Part,
    /// What is done here, in a sentence or two.
    pub title: String,
    /// Where the lines go: "On the server, as root", or a file.
    pub place: String,
    /// The lines.
    pub text: String,
}

fn step(part: Part, title: &str, place: &str, text: String) -> Lines {
    Lines {
        part,
        title: title.into(),
        place: place.into(),
        text,
    }
}

/// Returns the steps for a way; `public_key` is this computer's line, `port` the tunnel's here.
///
/// Fails with the field and a sentence where something that was typed would make other lines of them: they are pasted
/// by the owner of a server, who trusts them.
pub fn of(way: &Way, public_key: Option<&str>, port: u16) -> Result<Vec<Lines>, (&'static str, String)> {
    Ok(match way {
        Way::Proxy { url } => web_server(&Site::of(url)?, port, "this computer"),
        Way::Ssh {
            url,
            user,
            server_port,
            ..
        } => {
            if !is_plain(user, "._-") {
                return Err(("user", format!("{user:?} is no user's name on a server.")));
            }
            let site = Site::of(url)?;
            let mut steps = server(user, *server_port, public_key.unwrap_or_default());
            steps.extend(web_server(&site, *server_port, "the server"));
            steps
        }
        Way::CloudflareNamed { .. } => vec![step(
            Part::Service,
            "Write this as the service of the public hostname: HTTP, and then the address.",
            "At Cloudflare, as the service",
            format!("http://127.0.0.1:{port}"),
        )],
        Way::CloudflareQuick {} | Way::Command { .. } => Vec::new(),
    })
}

/// Returns the line of `authorized_keys` that lets a key open one port and do nothing else.
///
/// Without the command a key with `restrict` could still not get a shell, but could run whatever the account's shell
/// runs; measured: with it forwarding works and a login ends at once.
pub fn authorized_key(server_port: u16, public_key: &str) -> String {
    format!(
        "restrict,port-forwarding,permitlisten=\"127.0.0.1:{server_port}\",command=\"/bin/false\" {public_key}"
    )
}

/// The lines may be pasted twice, and with another port: the server goes by the first line that has a key, so an old
/// one is taken out.
fn server(user: &str, server_port: u16, public_key: &str) -> Vec<Lines> {
    /// A folder of files that newer servers read beside their main one.
    const CONF: &str = "/etc/ssh/sshd_config.d/casement.conf";
    let key = public_key.split_whitespace().nth(1).unwrap_or_default();
    vec![
        step(
            Part::Login,
            "These make a user on the server who can hold this one line and do nothing else, and let this computer in as \
             that user.",
            "On the server, as root",
            format!(
                "id -u {user} >/dev/null 2>&1 || useradd --create-home --shell /usr/sbin/nologin {user}\n\
                 keys=$(getent passwd {user} | cut -d: -f6)/.ssh/authorized_keys\n\
                 mkdir -p -m 700 \"${{keys%/*}}\"\n\
                 touch \"$keys\"\n\
                 sed -i '\\|{key}|d' \"$keys\"\n\
                 cat >> \"$keys\" <<'END'\n\
                 {}\n\
                 END\n\
                 chmod 600 \"$keys\"\n\
                 chown -R {user}: \"${{keys%/*}}\"",
                authorized_key(server_port, public_key)
            ),
        ),
        step(
            Part::KeepAlive,
            "These have the server notice within seconds that this computer went to sleep. Without them the old session \
             holds the line for hours, and a new one is refused. The last line shows what holds: it should say \
             clientaliveinterval 5.",
            "On the server, as root",
            format!(
                "cat > {CONF} <<'END'\n\
                 Match User {user}\n    \
                 ClientAliveInterval 5\n    \
                 ClientAliveCountMax 2\n\
                 END\n\
                 sshd -t && {{ systemctl reload ssh || systemctl reload sshd; }}\n\
                 sshd -T -C user={user},host=localhost,addr=127.0.0.1 | grep clientaliveinterval"
            ),
        ),
    ]
}

fn web_server(site: &Site<'_>, port: u16, whose: &str) -> Vec<Lines> {
    let Site { host, port: https } = site;
    let caddy = if *https == 443 {
        (*host).to_owned()
    } else {
        format!("{host}:{https}")
    };
    vec![
        step(
            Part::Caddy,
            &format!(
                "The web server Caddy on {whose} answers readers by https. It fetches the certificate for that by itself, \
                 and renews it."
            ),
            "At the end of the file Caddyfile (on Linux /etc/caddy/Caddyfile); then reload Caddy: systemctl reload caddy",
            format!("{caddy} {{\n    reverse_proxy 127.0.0.1:{port}\n}}"),
        ),
        step(
            Part::Nginx,
            "With nginx you need a certificate first, for instance by certbot. The two lines about it name where certbot \
             puts it.",
            "A file of its own in /etc/nginx/conf.d/; then reload nginx: nginx -t && systemctl reload nginx",
            format!(
                "server {{\n    \
                     listen {https} ssl;\n    \
                     listen [::]:{https} ssl;\n    \
                     server_name {host};\n    \
                     ssl_certificate /etc/letsencrypt/live/{host}/fullchain.pem;\n    \
                     ssl_certificate_key /etc/letsencrypt/live/{host}/privkey.pem;\n    \
                     location / {{\n        \
                         proxy_pass http://127.0.0.1:{port};\n        \
                         proxy_set_header Host $http_host;\n        \
                         proxy_set_header X-Forwarded-For $remote_addr;\n    \
                     }}\n\
                 }}"
            ),
        ),
    ]
}

/// The name and port at which a web server answers.
struct Site<'a> {
    host: &'a str,
    port: u16,
}

impl<'a> Site<'a> {
    fn of(url: &'a str) -> Result<Self, (&'static str, String)> {
        let wrong = || {
            (
                "url",
                format!("{url:?} is no public address. Write it like https://news.example.org."),
            )
        };
        let text = url.trim().strip_prefix("https://").ok_or_else(wrong)?;
        let text = text.trim_end_matches('/');
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (text, 443),
        };
        if is_plain(host, ".-") && host.contains('.') && port > 0 {
            Ok(Self { host, port })
        } else {
            Err(wrong())
        }
    }
}

/// A command line for a program that many have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Recipe {
    /// The service.
    pub name: String,
    /// What must be done before, in a sentence.
    pub before: String,
    /// The command line.
    pub argv: Vec<String>,
    /// How the address looks in its words; `null` where it is to be typed.
    pub pattern: Option<String>,
    /// The header in which it names the reader's address.
    pub client_header: Option<String>,
}

/// Returns the recipes.
pub fn recipes() -> Vec<Recipe> {
    let recipe = |name: &str, before: &str, line: &str, pattern: Option<&str>| Recipe {
        name: name.into(),
        before: before.into(),
        argv: line.split(' ').map(str::to_owned).collect(),
        pattern: pattern.map(str::to_owned),
        client_header: Some("X-Forwarded-For".into()),
    };
    vec![
        recipe(
            "Tailscale Funnel",
            "Install Tailscale and sign in to it on this computer. On Linux, let your own user manage it: sudo tailscale \
             set --operator=$USER. Then type “tailscale funnel 4806” in a terminal once: the first time it names a page \
             on which you allow Funnel. The address stays as long as your account and this computer's name there.",
            "tailscale funnel {port}",
            Some("https://*.ts.net"),
        ),
        recipe(
            "ngrok",
            "Make an account, put its token into ngrok's own settings once (ngrok config add-authtoken), and replace \
             YOUR-DOMAIN by the domain that ngrok gave you; type it as the address below, too. The free tier ends at 20,000 \
             requests a month, which one mailing can use up, and it may show readers a page in between.",
            "ngrok http --url=YOUR-DOMAIN {port} --log stdout --log-format json",
            None,
        ),
        recipe(
            "frp",
            "For a server of yours that runs frps. In frpc.toml write your server, and a proxy of type http with \
             localPort = 4806 and your name under customDomains; a web server in front of frps holds the certificate. \
             Name that file in the line.",
            "frpc -c /path/to/frpc.toml",
            None,
        ),
        recipe(
            "zrok",
            "For zrok 1. Make an account, and type “zrok enable” with its token and “zrok reserve public http://127.0.0.1:4806” once. \
             Replace YOUR-SHARE by the share that it names, and type its address below. The free tier lets 25 readers \
             through in a second.",
            "zrok share reserved YOUR-SHARE --headless --override-endpoint http://127.0.0.1:{port}",
            None,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh(url: &str, user: &str) -> Way {
        Way::Ssh {
            url: url.into(),
            server: "server.example.org".into(),
            port: 22,
            user: user.into(),
            server_port: 18200,
            key_file: None,
            host_key: String::new(),
        }
    }

    fn proxy(url: &str) -> Way {
        Way::Proxy { url: url.into() }
    }

    #[test]
    fn the_lines_for_a_server_name_its_user_its_port_and_nothing_more_is_allowed() {
        let way = ssh("https://news.example.org/", "casement");
        let steps = of(&way, Some("ssh-ed25519 AAAA casement"), 4806).unwrap();
        let text: String = steps.iter().map(|step| step.text.as_str()).collect();
        for part in [
            "\nrestrict,port-forwarding,permitlisten=\"127.0.0.1:18200\",command=\"/bin/false\" ssh-ed25519 AAAA casement\n",
            "sed -i '\\|AAAA|d' \"$keys\"",
            "Match User casement\n    ClientAliveInterval 5\n    ClientAliveCountMax 2\n",
            "news.example.org {\n    reverse_proxy 127.0.0.1:18200\n}",
            "proxy_set_header X-Forwarded-For $remote_addr;",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("4806"), "that port is on another computer");
        let parts: Vec<Part> = steps.iter().map(|step| step.part).collect();
        assert_eq!(parts, [Part::Login, Part::KeepAlive, Part::Caddy, Part::Nginx]);
    }

    #[test]
    fn a_web_server_here_hands_on_to_the_tunnels_port_and_listens_where_the_address_says() {
        let steps = of(&proxy("https://a.example.org:8443"), None, 4806).unwrap();
        assert_eq!(
            steps[0].text,
            "a.example.org:8443 {\n    reverse_proxy 127.0.0.1:4806\n}"
        );
        assert!(steps[1].text.contains("listen 8443 ssl;"), "{}", steps[1].text);
        assert!(
            steps[1].text.contains("server_name a.example.org;"),
            "{}",
            steps[1].text
        );
    }

    #[test]
    fn what_would_make_other_lines_is_refused_at_its_field() {
        for (way, field) in [
            (proxy("http://a.example.org"), "url"),
            (proxy("https://a.example.org/b"), "url"),
            (proxy("https://a.example.org {\n respond hi\n}"), "url"),
            (proxy("https://a;b.example.org"), "url"),
            (proxy("https://localhost"), "url"),
            (proxy("https://a.example.org:0"), "url"),
            (proxy("https://a.example.org:https"), "url"),
            (ssh("https://a.example.org", "news; reboot"), "user"),
            (ssh("https://a.example.org", "$(reboot)"), "user"),
            (ssh("https://a.example.org", ""), "user"),
            (ssh("", "casement"), "url"),
        ] {
            let (blamed, sentence) = of(&way, Some("ssh-ed25519 AAAA"), 4806).unwrap_err();
            assert_eq!(blamed, field, "{way:?}: {sentence}");
        }
    }

    /// A shell of the system reads them as they are meant; nothing of it is run.
    #[cfg(unix)]
    #[test]
    fn the_lines_for_a_server_can_be_read_by_a_shell() {
        for step in of(
            &ssh("https://a.example.org", "casement"),
            Some("ssh-ed25519 AA+/= it's me"),
            4806,
        )
        .unwrap()
        .iter()
        .filter(|step| matches!(step.part, Part::Login | Part::KeepAlive))
        {
            let output = std::process::Command::new("/bin/sh")
                .args(["-n", "-c", &step.text])
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}\n{}",
                step.text,
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }

    /// Only who a user is, and whom files belong to, is played.
    #[cfg(target_os = "linux")]
    #[test]
    fn lines_that_are_pasted_again_let_this_computer_in_by_the_last_port_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let stub = |name: &str, body: &str| {
            let file = dir.path().join(name);
            std::fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        stub("id", "exit 1");
        stub(
            "useradd",
            &format!("echo \"$@\" >> {}/useradd.log", dir.path().display()),
        );
        stub(
            "getent",
            &format!("echo casement:x:1000:1000::{}:/usr/sbin/nologin", home.display()),
        );
        stub("chown", "exit 0");
        let paste = |server_port: u16, key: &str| {
            let [login, ..] = &server("casement", server_port, key)[..] else {
                panic!("the first lines let this computer in");
            };
            let output = std::process::Command::new("/bin/sh")
                .args(["-e", "-c", &login.text])
                .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()))
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        paste(18200, "ssh-ed25519 AAAA/b+c= casement");
        paste(18200, "ssh-ed25519 OTHER another computer");
        paste(18200, "ssh-ed25519 AAAA/b+c= casement");
        paste(18300, "ssh-ed25519 AAAA/b+c= casement");
        let keys = home.join(".ssh/authorized_keys");
        assert_eq!(
            std::fs::read_to_string(&keys).unwrap(),
            format!(
                "{}\n{}\n",
                authorized_key(18200, "ssh-ed25519 OTHER another computer"),
                authorized_key(18300, "ssh-ed25519 AAAA/b+c= casement")
            )
        );
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&keys), mode(&home.join(".ssh"))), (0o600, 0o700));
        let made = std::fs::read_to_string(dir.path().join("useradd.log")).unwrap();
        assert!(
            made.starts_with("--create-home --shell /usr/sbin/nologin casement\n"),
            "{made}"
        );
    }

    #[test]
    fn every_recipe_can_be_saved_once_its_words_are_filled_in() {
        for recipe in recipes() {
            let way = Way::Command {
                argv: recipe.argv.clone(),
                url: recipe
                    .pattern
                    .is_none()
                    .then(|| "https://a.example.org".to_owned()),
                pattern: recipe.pattern.clone(),
                client_header: recipe.client_header.clone(),
            };
            assert_eq!(way.check(), Ok(()), "{}", recipe.name);
        }
    }
}
