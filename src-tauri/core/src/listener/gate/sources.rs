//! Per-source caps: how many connections one source may hold, and how often it may ask.
//!
//! A source is an IPv4 address or an IPv6 /64, which is what one customer gets. Mail services put thousands of
//! readers behind one address, so their networks are exempt, and so is this computer.

use crate::tracking::networks::{self, Network};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Connections of one source at once.
pub const CONNECTIONS: u32 = 32;
/// Requests that a source may make at once, after a rest.
const BURST: f64 = 200.0;
/// Requests a second that a source may go on with.
const PER_SECOND: f64 = 20.0;
/// Sources that are remembered. 64 Ki of them need some megabytes; what is idle is forgotten first.
const REMEMBERED: usize = 65_536;

/// What is known of the sources that came lately.
#[derive(Default)]
pub struct Sources {
    by_key: HashMap<u64, Source>,
}

struct Source {
    open: u32,
    tokens: f64,
    at: Instant,
}

/// Returns what one customer has: an IPv4 address, or an IPv6 /64.
fn key(source: IpAddr) -> u64 {
    match source.to_canonical() {
        // Above 2^32 so that no IPv6 network meets it: `::/32` is not given to anybody.
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
    }
}

impl Sources {
    /// Tells whether caps do not hold for `source`.
    ///
    /// Of this computer only 127.0.0.1 and ::1: the rest of 127.0.0.0/8 is how tests play strangers.
    pub fn is_exempt(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        source == IpAddr::from([127, 0, 0, 1])
            || source == IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)
            || networks::label_of(source).is_some_and(Network::serves_many)
    }

    /// Notes a new connection; false where the source has too many.
    pub fn open(&mut self, source: IpAddr, now: Instant) -> bool {
        let source = self.source(source, now);
        if source.open >= CONNECTIONS {
            return false;
        }
        source.open += 1;
        true
    }

    /// Notes the end of a connection that [`Self::open`] let in.
    pub fn close(&mut self, source: IpAddr) {
        if let Some(source) = self.by_key.get_mut(&key(source)) {
            source.open = source.open.saturating_sub(1);
        }
    }

    /// Takes a token for a request; false where none is left.
    pub fn ask(&mut self, source: IpAddr, now: Instant) -> bool {
        let source = self.source(source, now);
        if source.tokens < 1.0 {
            return false;
        }
        source.tokens -= 1.0;
        true
    }

    fn source(&mut self, source: IpAddr, now: Instant) -> &mut Source {
        let key = key(source);
        if self.by_key.len() >= REMEMBERED && !self.by_key.contains_key(&key) {
            self.forget(now);
        }
        let source = self.by_key.entry(key).or_insert(Source {
            open: 0,
            tokens: BURST,
            at: now,
        });
        let rest = now.saturating_duration_since(source.at);
        source.tokens = (source.tokens + rest.as_secs_f64() * PER_SECOND).min(BURST);
        source.at = now;
        source
    }

    /// Forgets sources whose bucket is full again, and, where those are few, all that hold no connection.
    fn forget(&mut self, now: Instant) {
        let full = Duration::from_secs_f64(BURST / PER_SECOND);
        self.by_key
            .retain(|_, source| source.open > 0 || now.saturating_duration_since(source.at) < full);
        if self.by_key.len() > REMEMBERED / 2 {
            self.by_key.retain(|_, source| source.open > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_may_ask_in_a_burst_and_then_at_its_pace() {
        let mut sources = Sources::default();
        let start = Instant::now();
        let reader = ip("203.0.113.9");
        let asked = (0..1000).filter(|_| sources.ask(reader, start)).count();
        assert_eq!(asked, BURST as usize);
        assert!(
            sources.ask(ip("203.0.113.10"), start),
            "its neighbour has a bucket of its own"
        );
        let later = start + Duration::from_secs(1);
        let asked = (0..1000).filter(|_| sources.ask(reader, later)).count();
        assert_eq!(asked, PER_SECOND as usize);
    }

    #[test]
    fn one_customers_ipv6_addresses_share_a_bucket() {
        let mut sources = Sources::default();
        let now = Instant::now();
        for _ in 0..CONNECTIONS {
            assert!(sources.open(ip("2001:db8:1:2::7"), now));
        }
        assert!(!sources.open(ip("2001:db8:1:2:ffff::1"), now), "the same /64");
        assert!(sources.open(ip("2001:db8:1:3::1"), now), "another customer");
        sources.close(ip("2001:db8:1:2::9"));
        assert!(sources.open(ip("2001:db8:1:2::7"), now), "a place is free again");
    }

    #[test]
    fn mail_services_and_this_computer_are_exempt() {
        let sources = Sources::default();
        for exempt in [
            "127.0.0.1",
            "::1",
            "66.249.93.84",
            "::ffff:66.249.93.84",
            "98.137.1.2",
            "40.92.1.2",
        ] {
            assert!(sources.is_exempt(ip(exempt)), "{exempt}");
        }
        for capped in ["127.0.0.2", "203.0.113.9", "2001:db8::1", "209.222.82.9"] {
            assert!(!sources.is_exempt(ip(capped)), "{capped}");
        }
    }

    #[test]
    fn a_flood_of_sources_does_not_grow_the_memory() {
        let mut sources = Sources::default();
        let now = Instant::now();
        assert!(sources.open(ip("198.51.100.1"), now));
        for n in 0..200_000_u32 {
            assert!(sources.ask(IpAddr::from(n.wrapping_mul(2_654_435_761).to_be_bytes()), now));
        }
        assert!(sources.by_key.len() <= REMEMBERED);
        for _ in 1..CONNECTIONS {
            assert!(sources.open(ip("198.51.100.1"), now));
        }
        assert!(
            !sources.open(ip("198.51.100.1"), now),
            "who holds connections is not forgotten"
        );
    }
}
