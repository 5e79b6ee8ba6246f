//! Networks that an address can be told by: filters of mail, and services that fetch for people. Pure.
//!
//! Owns the table `data/networks.csv`, which is read once; a row names where its fact is from and when that was
//! looked at. What a label means for a hit is for `classify` to say. A company's whole network is not in it where
//! people stand behind it, too: Outlook on the web fetches pictures from Microsoft's, when somebody looks.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

/// Rises with every change of the table; whoever keeps a label keeps the version that gave it.
pub const TABLES: u32 = 1;

const TABLE: &str = include_str!("../../data/networks.csv");

/// Whose network an address is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Exchange Online Protection: every mail to Microsoft 365 passes it, and nobody reads mail there.
    MicrosoftEop,
    /// Barracuda's mail gateways.
    Barracuda,
    /// Proofpoint's mail gateways. Its browser isolation puts people behind its addresses, too.
    Proofpoint,
    /// Mimecast's mail gateways, with people behind them as with Proofpoint's.
    Mimecast,
    /// Cisco's mail gateways. No range of theirs was published anywhere that could be read: no row yet.
    Cisco,
    /// Where Apple's privacy relay comes out: Mail's background fetches, and people in Safari.
    AppleEgress,
    /// Google's own, without what its customers rent: Gmail's image proxy, its prefetcher, and its crawlers.
    Google,
    /// Yahoo's and AOL's: their image proxy.
    Yahoo,
}

impl Network {
    /// Every network.
    pub const ALL: [Self; 8] = [
        Self::MicrosoftEop,
        Self::Barracuda,
        Self::Proofpoint,
        Self::Mimecast,
        Self::Cisco,
        Self::AppleEgress,
        Self::Google,
        Self::Yahoo,
    ];

    /// Returns the label, as the table and the database have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MicrosoftEop => "microsoft_eop",
            Self::Barracuda => "barracuda",
            Self::Proofpoint => "proofpoint",
            Self::Mimecast => "mimecast",
            Self::Cisco => "cisco",
            Self::AppleEgress => "apple_egress",
            Self::Google => "google",
            Self::Yahoo => "yahoo",
        }
    }

    /// Returns the network of a label.
    pub fn parse(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|network| network.as_str() == label)
    }

    /// Returns the name for a sentence: "Microsoft's mail filter".
    pub fn name(self) -> &'static str {
        match self {
            Self::MicrosoftEop => "Microsoft's mail filter",
            Self::Barracuda => "Barracuda's mail filter",
            Self::Proofpoint => "Proofpoint's mail filter",
            Self::Mimecast => "Mimecast's mail filter",
            Self::Cisco => "Cisco's mail filter",
            Self::AppleEgress => "Apple's privacy relay",
            Self::Google => "Google",
            Self::Yahoo => "Yahoo",
        }
    }

    /// Tells whether only machines fetch from here, at any time.
    pub fn is_scanner(self) -> bool {
        matches!(self, Self::MicrosoftEop | Self::Barracuda)
    }

    /// Tells whether a fetch from here soon after delivery is a machine's, and a later one may be a person's.
    pub fn is_probable(self) -> bool {
        matches!(self, Self::Proofpoint | Self::Mimecast | Self::Cisco)
    }

    /// Tells whether thousands of readers stand behind single addresses of it, so that no cap on one source may hold.
    ///
    /// Too wide a network here only lets somebody ask more often; too narrow a one costs a service's readers their
    /// opens.
    pub fn serves_many(self) -> bool {
        matches!(
            self,
            Self::Google | Self::Yahoo | Self::AppleEgress | Self::MicrosoftEop
        )
    }
}

/// Returns the network that `address` is in; where networks lie in one another, the smallest.
///
/// An IPv4 address means the same in its IPv6 form (`::ffff:192.0.2.1`).
pub fn label_of(address: IpAddr) -> Option<Network> {
    static SEGMENTS: LazyLock<Vec<(u128, Option<Network>)>> = LazyLock::new(|| segments(&rows()));
    let address = number(address);
    let at = SEGMENTS.partition_point(|(start, _)| *start <= address);
    SEGMENTS[at.checked_sub(1)?].1
}

/// A range of addresses, both ends included, as numbers of the IPv6 kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u128,
    last: u128,
}

impl Range {
    /// Reads `address/length`; `None` where that is no network's name, or bits beyond its length are set.
    fn parse(prefix: &str) -> Option<Self> {
        let (address, length) = prefix.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let length: u32 = length.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        // The whole address space is nobody's network.
        if length == 0 || length > width {
            return None;
        }
        let hosts = u128::MAX.checked_shr(128 - (width - length)).unwrap_or(0);
        let first = number(address);
        (first & hosts == 0).then_some(Self {
            first,
            last: first | hosts,
        })
    }
}

/// IPv4 addresses have their place among the IPv6 ones: `::ffff:0:0/96`.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(address) => Ipv6Addr::into(address),
    }
}

/// The table's rows. One that cannot be read is left out; a test says that there is none.
fn rows() -> Vec<(Range, Network)> {
    csv::Reader::from_reader(TABLE.as_bytes())
        .records()
        .filter_map(|row| {
            let row = row.ok()?;
            Some((Range::parse(row.get(0)?)?, Network::parse(row.get(1)?)?))
        })
        .collect()
}

/// Cuts ranges that lie in one another into ones that do not: where each begins, and whose it is.
fn segments(rows: &[(Range, Network)]) -> Vec<(u128, Option<Network>)> {
    let mut starts: Vec<u128> = rows
        .iter()
        .flat_map(|(range, _)| [Some(range.first), range.last.checked_add(1)])
        .flatten()
        .collect();
    starts.sort_unstable();
    starts.dedup();
    starts
        .into_iter()
        .map(|start| (start, smallest(rows, start)))
        .collect()
}

fn smallest(rows: &[(Range, Network)], address: u128) -> Option<Network> {
    rows.iter()
        .filter(|(range, _)| range.first <= address && address <= range.last)
        .min_by_key(|(range, _)| range.last - range.first)
        .map(|(_, network)| *network)
}

#[cfg(test)]
#[path = "networks_tests.rs"]
mod tests;
