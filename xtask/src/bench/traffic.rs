//! The requests of a bench: random, and the same at every run.

use std::net::Ipv4Addr;

use super::load::Connections;

/// The header in which the played proxy names its client.
pub const CLIENT_HEADER: &str = "X-Client-Address";

/// How many addresses the readers have: enough that no limit for one address is met.
const READERS: u32 = 20_000;

/// As mail programs say who they are: a proxy, people on three systems, and a machine that fetches in advance.
const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/8.0; .NET4.0C; .NET4.0E; Microsoft Outlook 16.0.6366; ms-office; MSOffice 16)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 Thunderbird/128.4.0",
    "Mozilla/5.0",
];

/// Returns `count` requests for pictures out of `paths`, the same for the same `seed`.
pub fn requests(paths: &[String], count: usize, connections: Connections, seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    let connection = match connections {
        Connections::New => "close",
        Connections::Kept => "keep-alive",
    };
    (0..count)
        .map(|_| {
            let path = &paths[random.below(paths.len())];
            let agent = AGENTS[random.below(AGENTS.len())];
            let reader = reader(random.below(READERS as usize) as u32);
            format!(
                "GET {path} HTTP/1.1\r\nHost: pixel.test\r\nConnection: {connection}\r\nUser-Agent: {agent}\r\n\
                 Accept: image/*\r\nAccept-Encoding: gzip, deflate\r\n{CLIENT_HEADER}: {reader}\r\n\r\n"
            )
            .into_bytes()
        })
        .collect()
}

/// An address of the network that is set apart for benchmarks (RFC 2544).
fn reader(index: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 1)) + index)
}

/// SplitMix64: good enough to pick mails, and five lines.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_asks_the_same_and_another_does_not() {
        let paths = ["/o/a.gif".to_owned(), "/o/b.gif".to_owned()];
        let ask = |seed| requests(&paths, 50, Connections::New, seed);
        assert_eq!(ask(1), ask(1));
        assert_ne!(ask(1), ask(2));
    }

    #[test]
    fn requests_are_spread_over_mails_programs_and_readers() {
        let paths: Vec<String> = (0..100).map(|n| format!("/o/{n}.gif")).collect();
        let all = requests(&paths, 4000, Connections::Kept, 7);
        let lines = |name: &str| -> BTreeSet<String> {
            all.iter()
                .filter_map(|request| {
                    let text = std::str::from_utf8(request).expect("ASCII");
                    text.lines()
                        .find(|line| line.starts_with(name))
                        .map(str::to_owned)
                })
                .collect()
        };
        assert_eq!(lines("GET ").len(), 100, "every mail is looked at");
        assert_eq!(lines("User-Agent: ").len(), AGENTS.len());
        assert!(
            lines(CLIENT_HEADER).len() > 3000,
            "no address comes often enough to meet a limit"
        );
    }

    #[test]
    fn readers_live_in_the_network_for_benchmarks() {
        for (index, wanted) in [(0, "198.18.0.1"), (READERS - 1, "198.18.78.32")] {
            assert_eq!(reader(index).to_string(), wanted);
        }
    }
}
