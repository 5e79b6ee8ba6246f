//! What a tunnel's program says, and what it means.
//!
//! Texts are those of OpenSSH 9, cloudflared, ngrok and Tailscale. Where none fits, the program "ended", and its own
//! words are shown.

use serde::{Deserialize, Serialize};

/// Why a tunnel does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
#[ts(rename = "TunnelTrouble")]
pub enum Trouble {
    /// The key, token or account was refused.
    Login,
    /// The service was asked too often, or its allowance is used up.
    Quota,
    /// An old session still has the port on the server.
    PortHeld,
    /// The server's key is another one than at pairing.
    HostKeyChanged,
    /// The server does not let this key forward this port.
    NotPermitted,
    /// This computer has no network.
    NoNetwork,
    /// The server or service does not answer.
    ServerAway,
    /// The connection broke.
    Lost,
    /// The program cannot be found or run.
    ProgramMissing,
    /// What it needs is not there: a key file, a token.
    Unfinished,
    /// It did not connect in time.
    NeverReady,
    /// It was connected, and this computer was not found behind the address.
    NotReached,
    /// It is connected, and something else than this computer answers at the address.
    Hindered,
    /// It ended without words that are known here.
    Ended,
}

impl Trouble {
    /// Tells whether trying again is of no use before somebody has done something.
    pub fn needs_user(self) -> bool {
        matches!(
            self,
            Self::Login | Self::HostKeyChanged | Self::NotPermitted | Self::ProgramMissing | Self::Unfinished
        )
    }

    /// Says what happened and what to do, in one or two sentences.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Login => {
                "The key or token was not accepted. Check that the line for this computer was pasted on the server, or \
                 paste the token again."
            }
            Self::Quota => {
                "The service was asked too often or its allowance is used up. It is tried again later; opens until then \
                 are lost."
            }
            Self::PortHeld => {
                "An old session still holds the port on the server. It is tried again until the server lets go; the \
                 line ClientAliveInterval on the server makes that a matter of seconds."
            }
            Self::HostKeyChanged => {
                "The server shows another key than at pairing. If you set it up anew, read its key again; otherwise \
                 somebody may stand between."
            }
            Self::NotPermitted => {
                "The server does not let this key open that port. Compare the pasted line: permitlisten must name the \
                 same port."
            }
            Self::NoNetwork => {
                "This computer has no network, or nobody knows a server by that name. It is tried again, and at once \
                 when the network changes."
            }
            Self::ServerAway => "The server does not answer. It is tried again.",
            Self::Lost => "The connection broke. It is made anew.",
            Self::ProgramMissing => {
                "The program for this way cannot be run. Install it, or choose the file that it is."
            }
            Self::Unfinished => "Something is missing for this way. Go through its steps again.",
            Self::NeverReady => "It did not connect within a minute. It is tried again.",
            Self::NotReached => {
                "It is connected, but asking for this computer through the address failed. It is started anew."
            }
            Self::Hindered => {
                "It is connected, but what answers at the address is not this Casement. To start it anew would not help: \
                 the name, the certificate or what stands in front has to be mended. It is asked again every minute."
            }
            Self::Ended => "The program ended. It is started again; its last words are below.",
        }
    }
}

/// Words, in lower case, and what they mean; the first that occurs anywhere counts.
const MEANINGS: &[(&str, Trouble)] = &[
    // OpenSSH. The server says why a port is refused only at -v ("Remote: …").
    ("remote host identification has changed", Trouble::HostKeyChanged),
    ("host key verification failed", Trouble::HostKeyChanged),
    ("remote: port forwarding refused", Trouble::NotPermitted),
    (
        "remote: server has disabled port forwarding",
        Trouble::NotPermitted,
    ),
    ("remote port forwarding failed for listen port", Trouble::PortHeld),
    ("permission denied (", Trouble::Login),
    ("too many authentication failures", Trouble::Login),
    ("unprotected private key file", Trouble::Login),
    ("no such identity", Trouble::Unfinished),
    // ngrok, by its numbers (https://ngrok.com/docs/errors).
    ("err_ngrok_727", Trouble::Quota),
    ("err_ngrok_725", Trouble::Quota),
    ("err_ngrok_334", Trouble::PortHeld),
    ("err_ngrok_108", Trouble::PortHeld),
    ("err_ngrok_105", Trouble::Login),
    ("err_ngrok_107", Trouble::Login),
    ("err_ngrok_4018", Trouble::Login),
    // Any service over HTTP.
    ("429 too many requests", Trouble::Quota),
    ("status code 429", Trouble::Quota),
    ("error code: 1015", Trouble::Quota),
    ("rate limit", Trouble::Quota),
    ("quota", Trouble::Quota),
    // cloudflared.
    ("provided tunnel token is not valid", Trouble::Login),
    ("unauthorized", Trouble::Login),
    ("invalid tunnel secret", Trouble::Login),
    // Tailscale.
    ("needslogin", Trouble::Login),
    ("logged out", Trouble::Login),
    ("funnel not available", Trouble::NotPermitted),
    // The network, as C libraries and Go say it.
    ("network is unreachable", Trouble::NoNetwork),
    ("temporary failure in name resolution", Trouble::NoNetwork),
    ("could not resolve hostname", Trouble::NoNetwork),
    ("no such host", Trouble::NoNetwork),
    ("server misbehaving", Trouble::NoNetwork),
    ("connection refused", Trouble::ServerAway),
    ("connection timed out", Trouble::ServerAway),
    ("operation timed out", Trouble::ServerAway),
    ("no route to host", Trouble::ServerAway),
    ("i/o timeout", Trouble::ServerAway),
    ("not responding", Trouble::Lost),
    ("broken pipe", Trouble::Lost),
    ("connection reset", Trouble::Lost),
    ("closed by remote host", Trouble::Lost),
    ("connection closed by", Trouble::Lost),
    ("kex_exchange_identification", Trouble::ServerAway),
];

/// Says what the end of a program means by its last `lines`.
pub fn classify<'a>(lines: impl IntoIterator<Item = &'a str>) -> Trouble {
    let text = lines.into_iter().collect::<Vec<_>>().join("\n").to_lowercase();
    MEANINGS
        .iter()
        .find(|(words, _)| text.contains(words))
        .map_or(Trouble::Ended, |(_, trouble)| *trouble)
}

/// Says what the end of a program means that had brought a reader here before.
///
/// Strangers may have put words into its lines since then, by what they ask for: those must not have it left alone. Had
/// it really been refused, it is refused again at its next start.
pub fn classify_after_success<'a>(lines: impl IntoIterator<Item = &'a str>) -> Trouble {
    match classify(lines) {
        Trouble::Quota | Trouble::PortHeld => Trouble::Lost,
        trouble if trouble.needs_user() => Trouble::Lost,
        trouble => trouble,
    }
}

/// Tells whether a line is for those who look into programs, and not what one says last.
pub fn is_detail(line: &str) -> bool {
    line.starts_with("debug1: ") || line.trim().is_empty()
}

/// Takes `secrets` and control characters out of a line, and shortens it.
pub fn clean(line: &str, secrets: &[String]) -> String {
    /// Nobody reads more of one line.
    const LONGEST: usize = 1000;
    let mut clean: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        clean = clean.replace(secret.as_str(), "…");
    }
    if clean.chars().count() > LONGEST {
        clean = clean.chars().take(LONGEST).chain(['…']).collect();
    }
    clean
}

/// Returns the first https address of `line` whose host fits `pattern`, in which `*` is any part of a name:
/// `*.trycloudflare.com`. Without a path and a trailing slash.
pub fn address(line: &str, pattern: &str) -> Option<String> {
    let pattern = pattern
        .trim()
        .trim_start_matches("https://")
        .trim_end_matches('/');
    line.match_indices("https://").find_map(|(at, scheme)| {
        let host: String = line[at + scheme.len()..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'))
            .collect();
        let host = host.trim_end_matches(['.', ':']);
        (host.contains('.') && fits(host, pattern)).then(|| format!("https://{}", host.to_ascii_lowercase()))
    })
}

fn fits(host: &str, pattern: &str) -> bool {
    let (host, pattern) = (host.to_ascii_lowercase(), pattern.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => host == pattern,
        Some((before, after)) => {
            // One star is all that an address needs: a name that the service invents.
            host.len() > before.len() + after.len() && host.starts_with(before) && host.ends_with(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_last_words_are_understood() {
        for (words, trouble) in [
            ("news@192.0.2.1: Permission denied (publickey).", Trouble::Login),
            (
                "Error: remote port forwarding failed for listen port 18200",
                Trouble::PortHeld,
            ),
            (
                "debug1: Remote: port forwarding refused\nError: remote port forwarding failed for listen port 18201",
                Trouble::NotPermitted,
            ),
            (
                "debug1: Remote: Server has disabled port forwarding.\nError: remote port forwarding failed for listen port 1",
                Trouble::NotPermitted,
            ),
            (
                "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
                Trouble::HostKeyChanged,
            ),
            (
                "ssh: connect to host 192.0.2.1 port 22: Network is unreachable",
                Trouble::NoNetwork,
            ),
            (
                "ssh: connect to host 192.0.2.1 port 22: Connection refused",
                Trouble::ServerAway,
            ),
            ("Timeout, server 192.0.2.1 not responding.", Trouble::Lost),
            ("client_loop: send disconnect: Broken pipe", Trouble::Lost),
            (
                "failed to request quick Tunnel: 429 Too Many Requests",
                Trouble::Quota,
            ),
            ("ERR_NGROK_727", Trouble::Quota),
            ("ERROR: Provided Tunnel token is not valid.", Trouble::Login),
            (
                "dial tcp: lookup api.trycloudflare.com: no such host",
                Trouble::NoNetwork,
            ),
            ("it is what it is", Trouble::Ended),
            ("", Trouble::Ended),
        ] {
            assert_eq!(classify(words.lines()), trouble, "{words}");
        }
    }

    #[test]
    fn what_strangers_can_have_a_program_say_stops_nothing_that_worked() {
        for (words, before, after) in [
            ("GET /unauthorized 404", Trouble::Login, Trouble::Lost),
            ("GET /quota 404", Trouble::Quota, Trouble::Lost),
            (
                "GET /Host%20key%20verification%20failed 404",
                Trouble::Ended,
                Trouble::Ended,
            ),
            (
                "Connection to 192.0.2.1 closed by remote host.",
                Trouble::Lost,
                Trouble::Lost,
            ),
        ] {
            assert_eq!(classify(words.lines()), before, "{words}");
            assert_eq!(classify_after_success(words.lines()), after, "{words}");
        }
    }

    #[test]
    fn an_address_is_read_out_of_a_line() {
        let any = "*.trycloudflare.com";
        for (line, pattern, found) in [
            (
                "INF |  https://blue-sky-tea.trycloudflare.com   |",
                any,
                Some("https://blue-sky-tea.trycloudflare.com"),
            ),
            (
                "see https://developers.cloudflare.com/x https://A-b.trycloudflare.com/",
                any,
                Some("https://a-b.trycloudflare.com"),
            ),
            ("https://trycloudflare.com", any, None),
            ("https://evil.example/?x=.trycloudflare.com", any, None),
            ("http://a.trycloudflare.com", any, None),
            (
                "url=https://box.tail1234.ts.net:8443",
                "https://*.ts.net:8443",
                Some("https://box.tail1234.ts.net:8443"),
            ),
            (
                "at https://news.example.org.",
                "news.example.org",
                Some("https://news.example.org"),
            ),
            ("https://x", "*", None),
        ] {
            assert_eq!(address(line, pattern).as_deref(), found, "{line}");
        }
    }

    #[test]
    fn secrets_and_control_characters_are_taken_out_of_words() {
        let secrets = ["s3cret-token".to_owned(), String::new()];
        assert_eq!(
            clean("a \u{1b}[31mtoken=s3cret-token\u{7}", &secrets),
            "a [31mtoken=…"
        );
        assert_eq!(clean(&"x".repeat(5000), &[]).chars().count(), 1001);
        assert!(is_detail("debug1: pledge: network") && !is_detail("Host key verification failed."));
    }
}
