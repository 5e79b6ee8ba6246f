//! Networks that are known to belong to mail filters and mail services. Pure.

use crate::domain::text_enum;
use std::net::IpAddr;

/// The version of the tables; hits keep the one that they were looked up in.
pub const TABLES: u32 = 1;

text_enum! {
    /// Whose network an address lies in.
    Network {
        /// Microsoft's mail filter (Exchange Online Protection).
        MicrosoftEop = "microsoft_eop",
        /// Barracuda's mail gateway.
        Barracuda = "barracuda",
        /// Proofpoint.
        Proofpoint = "proofpoint",
        /// Mimecast.
        Mimecast = "mimecast",
        /// Cisco's mail filter.
        Cisco = "cisco",
        /// Apple's relay, for mail privacy and for Safari.
        AppleEgress = "apple_egress",
        /// Google.
        Google = "google",
        /// Yahoo.
        Yahoo = "yahoo",
    }
}

impl Network {
    /// Tells whether only machines ask from there.
    pub fn is_scanner(self) -> bool {
        matches!(self, Self::MicrosoftEop | Self::Barracuda)
    }

    /// Tells whether machines ask from there, and people too.
    pub fn is_probable(self) -> bool {
        matches!(self, Self::Proofpoint | Self::Mimecast | Self::Cisco)
    }
}

/// Returns whose network `address` lies in.
pub fn label_of(address: IpAddr) -> Option<Network> {
    match address.to_canonical() {
        IpAddr::V4(ip)
            if [40, 104].contains(&ip.octets()[0]) && matches!(ip.octets()[1], 92 | 93 | 107 | 47) =>
        {
            Some(Network::MicrosoftEop)
        }
        _ => None,
    }
}
