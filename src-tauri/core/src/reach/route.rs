//! How long a base address lasts, told by its host alone. Pure.
//!
//! Owns the table `data/addresses.csv` of names that somebody else gives out or lends; a row names where its fact is from
//! and when that was looked at, or that nothing was found. Where one name is kept and its neighbour is not, the row says
//! *temporary*: to type a host is less trouble than mails whose links are dead.

use super::Permanence;
use serde::Deserialize;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::LazyLock;
use url::{Host, Url};

const TABLE: &str = include_str!("../../data/addresses.csv");

/// Names that never leave this computer or its network: RFC 6761 §6.3, RFC 6762, RFC 8375, what ICANN set aside, and
/// what routers and offices make up.
const INSIDE: &[&str] = &[
    "local",
    "lan",
    "home.arpa",
    "internal",
    "home",
    "corp",
    "intranet",
    "private",
    "localdomain",
];

/// A name that others give out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Row {
    /// A host, or the end of one behind a dot.
    suffix: String,
    permanence: Permanence,
    /// Whose name it is.
    who: String,
    /// Where that is from.
    source: String,
    /// When it was looked at.
    date: String,
}

/// Why an address lasts as long as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// A name of one's own, as far as the name tells.
    Own,
    /// Lent for as long as an account stays.
    Lent(&'static str),
    /// Given out for a while.
    ForAWhile(&'static str),
    /// A bare number on the internet.
    Number,
    /// A name or number inside one network.
    Inside,
    /// This computer itself.
    Here,
}

impl Lasts {
    /// Tells how long an address lasts by its host. What cannot be read lasts for no time: nobody can reach it.
    pub fn of(base_url: &str) -> Self {
        let Some(host) = parse(base_url) else {
            return Self::Inside;
        };
        match host {
            Host::Ipv4(ip) => Self::number(ip.into()),
            Host::Ipv6(ip) => Self::number(ip.into()),
            Host::Domain(name) => Self::name(name.trim_end_matches('.')),
        }
    }

    fn number(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        if ip.is_loopback() {
            Self::Here
        } else if is_inside(ip) {
            Self::Inside
        } else {
            Self::Number
        }
    }

    fn name(name: &str) -> Self {
        if ends(name, "localhost") {
            return Self::Here;
        }
        if !name.contains('.') || INSIDE.iter().any(|suffix| ends(name, suffix)) {
            return Self::Inside;
        }
        match lender(name) {
            Some(row) if row.permanence == Permanence::Lent => Self::Lent(&row.who),
            Some(row) => Self::ForAWhile(&row.who),
            None => Self::Own,
        }
    }

    /// Returns the word for it.
    pub fn permanence(self) -> Permanence {
        match self {
            Self::Own => Permanence::Own,
            Self::Lent(_) => Permanence::Lent,
            Self::ForAWhile(_) | Self::Number | Self::Inside | Self::Here => Permanence::Temporary,
        }
    }

    /// Says it in a sentence about `host`; `None` of a name of one's own.
    pub fn sentence(self, host: &str) -> Option<String> {
        Some(match self {
            Self::Own => return None,
            Self::Lent(who) => {
                format!("{host} is a name that {who} lends you: it lasts as long as your account there does.")
            }
            Self::ForAWhile(who) => {
                format!(
                    "{host} is a name that {who} gives out for a while; it can be gone with the next start."
                )
            }
            Self::Number => {
                format!("{host} is a number that your internet provider lends you and can change any day.")
            }
            Self::Inside => {
                format!("{host} is a name inside your own network, which readers elsewhere cannot reach.")
            }
            Self::Here => format!("{host} is this computer itself, which nobody else can reach."),
        })
    }
}

/// Tells how long a base address lasts.
pub fn permanence(base_url: &str) -> Permanence {
    Lasts::of(base_url).permanence()
}

/// Returns the host of an address as it is written everywhere: lower case, without port and end dot, foreign letters as in
/// DNS. The scheme may be missing, as in what people type.
pub fn host(text: &str) -> Option<String> {
    Some(match parse(text)? {
        Host::Domain(name) => name.trim_end_matches('.').to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    })
}

fn parse(text: &str) -> Option<Host<String>> {
    let text = text.trim();
    let url = if text.contains("://") {
        Url::parse(text)
    } else if text.parse::<std::net::Ipv6Addr>().is_ok() {
        Url::parse(&format!("https://[{text}]"))
    } else {
        Url::parse(&format!("https://{text}"))
    };
    url.ok()?.host().map(|host| host.to_owned())
}

/// Tells whether `name` is `suffix`, or ends with it behind a dot: `evil-ts.net` is no name under `ts.net`.
fn ends(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Returns the row of the longest suffix that holds a name.
fn lender(name: &str) -> Option<&'static Row> {
    static ROWS: LazyLock<HashMap<String, Row>> =
        LazyLock::new(|| rows().into_iter().map(|row| (row.suffix.clone(), row)).collect());
    let mut rest = name;
    loop {
        if let Some(row) = ROWS.get(rest) {
            return Some(row);
        }
        rest = rest.split_once('.')?.1;
    }
}

/// The table's rows. One that cannot be read is left out; a test says that there is none.
fn rows() -> Vec<Row> {
    csv::Reader::from_reader(TABLE.as_bytes())
        .deserialize()
        .filter_map(|row| row.ok())
        .collect()
}

/// RFC 1918, RFC 3927, RFC 6598, RFC 4193, RFC 4291 §2.5.6.
fn is_inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => {
            ip.is_unspecified()
                || (ip.segments()[0] & 0xfe00) == 0xfc00
                || (ip.segments()[0] & 0xffc0) == 0xfe80
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_can_be_read_and_names_its_source() {
        let rows = rows();
        assert_eq!(rows.len(), TABLE.lines().count() - 1, "no row is left out");
        for row in &rows {
            assert_ne!(row.permanence, Permanence::Own, "{}", row.suffix);
            assert_eq!(
                host(&row.suffix).as_deref(),
                Some(row.suffix.as_str()),
                "written as it is compared"
            );
            assert!(
                !row.who.is_empty() && !row.source.is_empty() && row.date.len() == 10,
                "{row:?}"
            );
        }
        let mut names: Vec<&str> = rows.iter().map(|row| row.suffix.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows.len(), "one row for a name");
    }

    #[test]
    fn how_long_an_address_lasts_is_told_by_its_host() {
        use Lasts::{ForAWhile, Here, Inside, Lent, Number, Own};
        for (url, lasts) in [
            ("https://news.harbour-club.eu", Own),
            ("https://news.harbour-club.eu:8443", Own),
            ("https://häfen.example", Own),
            ("https://brave-red-fox.trycloudflare.com", ForAWhile("Cloudflare")),
            ("https://BRAVE.TryCloudflare.com.", ForAWhile("Cloudflare")),
            ("https://trycloudflare.com", ForAWhile("Cloudflare")),
            ("https://9490551445c1.ngrok-free.app", ForAWhile("ngrok")),
            ("https://9490551445c1.ngrok.io", ForAWhile("ngrok")),
            ("https://abc.eu.ngrok.io", ForAWhile("ngrok")),
            ("https://club.ngrok.app", ForAWhile("ngrok")),
            ("https://abc123xyz.ngrok-free.dev", Lent("ngrok")),
            ("https://laptop.tail0123.ts.net", Lent("Tailscale")),
            ("https://laptop.tail0123.ts.net:8443", Lent("Tailscale")),
            ("https://0a1b2c.lhr.life", ForAWhile("localhost.run")),
            ("https://club.serveo.net", ForAWhile("Serveo")),
            ("https://club.serveousercontent.com", ForAWhile("Serveo")),
            ("http://bore.pub:12345", ForAWhile("bore")),
            ("https://rnckk-2405.a.free.pinggy.link", ForAWhile("Pinggy")),
            ("https://ten-towns-join.loca.lt", ForAWhile("localtunnel")),
            ("https://dslno640nct4.share.zrok.io", Lent("zrok")),
            (
                "https://club-3978.usw2.devtunnels.ms",
                ForAWhile("Microsoft dev tunnels"),
            ),
            ("https://club.duckdns.org", Lent("Duck DNS")),
            ("https://club.ddns.net", Lent("No-IP")),
            ("https://club.dyndns.org", Lent("Dyn")),
            ("https://203-0-113-9.sslip.io", ForAWhile("sslip.io")),
            ("https://203.0.113.9", Number),
            ("https://3405803785", Number),
            ("https://[2001:db8::9]:8443", Number),
            ("https://192.168.1.4", Inside),
            ("https://100.64.0.9", Inside),
            ("https://[fd00::1]", Inside),
            ("https://[::ffff:10.0.0.1]", Inside),
            ("https://nas", Inside),
            ("https://nas.local", Inside),
            ("https://nas.fritz.box.lan", Inside),
            ("https://nas.home.arpa", Inside),
            ("http://127.0.0.1:4805", Here),
            ("http://[::1]:4805", Here),
            ("http://[::ffff:127.0.0.1]", Here),
            ("http://localhost:4805", Here),
            ("https://casement.localhost", Here),
            ("", Inside),
            ("https://", Inside),
        ] {
            assert_eq!(Lasts::of(url), lasts, "{url}");
        }
    }

    #[test]
    fn a_name_that_only_looks_like_a_lent_one_is_its_owners() {
        for url in [
            "https://evil-ts.net",
            "https://mytrycloudflare.com",
            "https://ts.net.harbour-club.eu",
            "https://trycloudflare.com.harbour-club.eu",
            "https://duckdns.org.uk",
            "https://zrok.io",
            "https://github.dev",
            "https://thelocal",
        ] {
            let expected = if url == "https://thelocal" {
                Permanence::Temporary
            } else {
                Permanence::Own
            };
            assert_eq!(permanence(url), expected, "{url}");
        }
    }

    #[test]
    fn a_host_is_the_same_however_it_is_typed() {
        for typed in [
            "brave.trycloudflare.com",
            " Brave.TryCloudflare.com. ",
            "https://brave.trycloudflare.com/",
            "brave.trycloudflare.com:443",
        ] {
            assert_eq!(
                host(typed).as_deref(),
                Some("brave.trycloudflare.com"),
                "{typed:?}"
            );
        }
        assert_eq!(host("häfen.example").as_deref(), Some("xn--hfen-loa.example"));
        assert_eq!(host("::1").as_deref(), Some("::1"));
        assert_eq!(host("[::1]:80").as_deref(), Some("::1"));
        assert_eq!(host("http://127.0.0.1:4805").as_deref(), Some("127.0.0.1"));
        for nothing in ["", "  ", "yes please", "https://"] {
            assert_eq!(host(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn every_address_that_does_not_last_says_why() {
        for lasts in [
            Lasts::Lent("Tailscale"),
            Lasts::ForAWhile("ngrok"),
            Lasts::Number,
            Lasts::Inside,
            Lasts::Here,
        ] {
            let sentence = lasts.sentence("a.example").unwrap();
            assert!(
                sentence.starts_with("a.example is ") && sentence.ends_with('.'),
                "{sentence}"
            );
        }
        assert_eq!(Lasts::Own.sentence("a.example"), None);
    }
}
