//! What is to be pasted on a server, or typed for a program that is not ours, step by step.

use super::way::Way;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One step, with lines to paste.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Lines {
    /// What is done here, as a sentence.
    pub title: String,
    /// Where the lines go: "on the server, as root", or a file.
    pub place: String,
    /// The lines.
    pub text: String,
}

fn step(title: &str, place: &str, text: String) -> Lines {
    Lines {
        title: title.into(),
        place: place.into(),
        text,
    }
}

/// Returns the steps for a way; `public_key` is this computer's line, `port` the tunnel's here.
pub fn of(way: &Way, public_key: Option<&str>, port: u16) -> Vec<Lines> {
    match way {
        Way::Proxy { url } => web_server(host(url), port, "this computer"),
        Way::Ssh {
            url,
            user,
            server_port,
            ..
        } => {
            let key = public_key.unwrap_or("(this computer's key stands here once it is made)");
            let mut steps = vec![
                step(
                    "Make a user on the server who can do nothing but hold the tunnel, and let this computer in as that user.",
                    "On the server, as root",
                    format!(
                        "useradd --create-home --shell /usr/sbin/nologin {user}\n\
                         install -d -m 700 -o {user} -g {user} /home/{user}/.ssh\n\
                         cat >> /home/{user}/.ssh/authorized_keys <<'END'\n\
                         {}\n\
                         END\n\
                         chown {user}:{user} /home/{user}/.ssh/authorized_keys",
                        authorized_key(*server_port, key)
                    ),
                ),
                step(
                    "Have the server notice within seconds that this computer went to sleep. Without it an old session \
                     holds the port for hours.",
                    "On the server, as root",
                    format!(
                        "cat > /etc/ssh/sshd_config.d/casement.conf <<'END'\n\
                         Match User {user}\n    \
                         ClientAliveInterval 5\n    \
                         ClientAliveCountMax 2\n\
                         END\n\
                         systemctl reload ssh || systemctl reload sshd"
                    ),
                ),
            ];
            steps.extend(web_server(host(url), *server_port, "the server"));
            steps
        }
        Way::CloudflareNamed { .. } => vec![step(
            "At Cloudflare, open Zero Trust → Networks → Tunnels, make a tunnel, and give it a public hostname with this \
             service. Then copy the token that stands in its install command.",
            "Service of the public hostname",
            format!("http://127.0.0.1:{port}"),
        )],
        Way::CloudflareQuick {} | Way::Command { .. } => Vec::new(),
    }
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

fn web_server(host: &str, port: u16, whose: &str) -> Vec<Lines> {
    vec![
        step(
            &format!(
                "Have a web server on {whose} hold the certificate. With Caddy this is all; it gets one by itself."
            ),
            "Caddyfile",
            format!("{host} {{\n    reverse_proxy 127.0.0.1:{port}\n}}"),
        ),
        step(
            "Or with nginx, where you have a certificate already.",
            "A site of nginx",
            format!(
                "server {{\n    \
                     listen 443 ssl;\n    \
                     listen [::]:443 ssl;\n    \
                     server_name {host};\n    \
                     ssl_certificate /etc/letsencrypt/live/{host}/fullchain.pem;\n    \
                     ssl_certificate_key /etc/letsencrypt/live/{host}/privkey.pem;\n    \
                     location / {{\n        \
                         proxy_pass http://127.0.0.1:{port};\n        \
                         proxy_set_header Host $host;\n        \
                         proxy_set_header X-Forwarded-For $remote_addr;\n    \
                     }}\n\
                 }}"
            ),
        ),
    ]
}

fn host(url: &str) -> &str {
    let host = url.trim().trim_start_matches("https://").trim_end_matches('/');
    if host.is_empty() { "news.example.org" } else { host }
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
            "Sign in to Tailscale on this computer, and allow Funnel for it once. The address stays as long as the computer's name there.",
            "tailscale funnel {port}",
            Some("https://*.ts.net"),
        ),
        recipe(
            "ngrok",
            "Put your token into ngrok's own settings once, and write the domain that ngrok gave you as the address. Free accounts end at 20,000 requests a month and may show readers a page in between.",
            "ngrok http --url=YOUR-DOMAIN {port} --log stdout --log-format json",
            None,
        ),
        recipe(
            "frp",
            "Write frpc.toml with localPort = the port below and your server; set customDomains there, and type that address.",
            "frpc -c /path/to/frpc.toml",
            None,
        ),
        recipe(
            "zrok",
            "Enable zrok on this computer and reserve a share once. The free tier lets 25 readers in a second.",
            "zrok share reserved YOUR-SHARE --headless --override-endpoint http://127.0.0.1:{port}",
            None,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_for_a_server_name_its_user_its_port_and_nothing_more_is_allowed() {
        let way = Way::Ssh {
            url: "https://news.example.org/".into(),
            server: "server.example.org".into(),
            port: 22,
            user: "casement".into(),
            server_port: 18200,
            key_file: None,
            host_key: String::new(),
        };
        let steps = of(&way, Some("ssh-ed25519 AAAA casement"), 4806);
        let text: String = steps.iter().map(|step| step.text.as_str()).collect();
        for part in [
            "restrict,port-forwarding,permitlisten=\"127.0.0.1:18200\",command=\"/bin/false\" ssh-ed25519 AAAA casement",
            "Match User casement\n    ClientAliveInterval 5\n    ClientAliveCountMax 2",
            "news.example.org {\n    reverse_proxy 127.0.0.1:18200\n}",
            "proxy_set_header X-Forwarded-For $remote_addr;",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("4806"), "that port is on another computer");
        let here = of(
            &Way::Proxy {
                url: "https://a.example.org".into(),
            },
            None,
            4806,
        );
        assert!(here[0].text.contains("reverse_proxy 127.0.0.1:4806"));
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
