//! Mail clients that the practice outbox, the sample data and the demo can play.
//!
//! The user agents are those that the real clients send (ua-parser/uap-core fixtures; SparkPost, 25 January
//! 2022, for Gmail's prefetcher). The addresses are from the blocks for documentation (RFC 5737), so that no
//! real network is ever blamed.

use crate::api::ReaderClient;

/// A mail client as the listener sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// What it is called on screen.
    pub name: &'static str,
    /// What it sends.
    pub user_agent: &'static str,
    /// The first three numbers of its IPv4 address.
    pub network: &'static str,
    /// One sentence: who fetches, and how it is counted.
    pub meaning: &'static str,
}

/// Returns how `client` looks to the listener.
pub fn reader(client: ReaderClient) -> Reader {
    match client {
        ReaderClient::Gmail => Reader {
            name: "Gmail",
            user_agent: "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            network: "192.0.2",
            meaning: "Gmail's image proxy asks because somebody opened the mail: it counts as a person.",
        },
        ReaderClient::GmailPrefetch => Reader {
            name: "Gmail in advance",
            user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0",
            network: "192.0.2",
            meaning: "Gmail fetched the picture before anyone looked: it counts as a machine.",
        },
        ReaderClient::Iphone => Reader {
            name: "iPhone",
            user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
            network: "198.51.100",
            meaning: "Apple Mail without privacy protection shows the mail to somebody: it counts as a person.",
        },
        ReaderClient::ApplePrivacy => Reader {
            name: "Apple privacy protection",
            user_agent: "Mozilla/5.0",
            network: "203.0.113",
            meaning: "Apple fetches every picture in advance, opened or not: it counts as a machine.",
        },
        ReaderClient::Outlook => Reader {
            name: "Outlook",
            user_agent: "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/8.0; Microsoft Outlook 16.0.6366; ms-office; MSOffice 16)",
            network: "198.51.100",
            meaning: "Outlook loads pictures when somebody asks it to: it counts as a person.",
        },
        ReaderClient::Scanner => Reader {
            name: "Security scanner",
            user_agent: "Barracuda Sentinel (EE)",
            network: "203.0.113",
            meaning: "A mail gateway looks into the mail before it is delivered: it counts as a machine.",
        },
    }
}
