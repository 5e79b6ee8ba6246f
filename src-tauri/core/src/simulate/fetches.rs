//! What clients, image proxies and mail filters fetch, and when.

use super::{Audience, Client, Fetch, Person};
use crate::clock::Instant;
use crate::domain::consent::ConsentState;
use crate::domain::window::Window;
use chrono::TimeDelta;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand_distr::{Distribution, Exp, LogNormal, weighted::WeightedIndex};
use std::net::{IpAddr, Ipv4Addr};

const MPP: &str = "Mozilla/5.0";
const GMAIL: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const GMAIL_PREFETCH: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";
const YAHOO: &str = "YahooMailProxy; https://senders.yahooinc.com/mail-proxy-servers";
const APPLE: &[&str] = &[
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
];
const OUTLOOK: &[&str] = &[
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.6326; Pro)",
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/8.0; Microsoft Outlook 16.0.6366; ms-office; MSOffice 16)",
    "Outlook-iOS/726.5856270.prod.iphone (4.57.0)",
];
const THUNDERBIRD: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:109.0) Gecko/20100101 Firefox/115.0 Thunderbird/115.8.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.9.0",
];
const ANDROID: &[&str] = &[
    "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UD1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.122 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; SM-A546B; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/124.0.6367.82 Mobile Safari/537.36",
];
const SENTINEL: &str = "Barracuda Sentinel (EE)";

/// Returns so many hours.
pub(super) fn hours(hours: f64) -> TimeDelta {
    seconds(hours * 3600.0)
}

fn seconds(seconds: f64) -> TimeDelta {
    TimeDelta::milliseconds((seconds * 1000.0) as i64)
}

/// How a mail filter opens the mails of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// From several networks at once, as a browser.
    Burst,
    /// From a mail filter's known network.
    KnownNetwork,
    /// From one of a few addresses that open the mails of many domains.
    Shared,
    /// From one address of the domain's own.
    Own,
    /// Under its own name.
    Named,
}

/// The draws of one run.
pub(super) struct World<'a> {
    audience: &'a Audience,
    window: Window,
    up: &'a [[Instant; 2]],
    rng: StdRng,
    clients: Vec<Client>,
    weights: WeightedIndex<f64>,
    /// How many of their mails Apple's devices fetch in advance; nobody has published it.
    apple_fetches: f64,
    /// How long people take to read, in hours.
    delay: LogNormal<f64>,
    /// Of each domain behind a gateway: how it is opened.
    filters: Vec<Filter>,
    fetches: Vec<Fetch>,
}

impl<'a> World<'a> {
    pub fn new(audience: &'a Audience, window: Window, up: &'a [[Instant; 2]], mut rng: StdRng) -> Self {
        let (clients, weights): (Vec<Client>, Vec<f64>) = audience
            .clients
            .iter()
            .map(|(client, weight)| (*client, *weight))
            .unzip();
        let domains = (f64::from(audience.people) * audience.gateways / 12.0)
            .ceil()
            .max(3.0) as usize;
        let kinds = [
            (Filter::Burst, 50.0),
            (Filter::KnownNetwork, 22.0),
            (Filter::Shared, 15.0),
            (Filter::Own, 8.0),
            (Filter::Named, 5.0),
        ];
        let filters = (0..domains)
            .map(|_| {
                kinds
                    .choose_weighted(&mut rng, |(_, weight)| *weight)
                    .expect("weights above 0")
                    .0
            })
            .collect();
        Self {
            audience,
            window,
            up,
            clients,
            weights: WeightedIndex::new(weights).expect("an audience has clients"),
            apple_fetches: rng.random_range(0.75..0.98),
            delay: LogNormal::new(rng.random_range(0.7..1.4), 1.7).expect("a spread above 0"),
            filters,
            fetches: Vec::new(),
            rng,
        }
    }

    /// Returns all fetches that reach the listener, in order of time.
    pub fn into_fetches(mut self) -> Vec<Fetch> {
        self.fetches.sort_by_key(|fetch| (fetch.at, fetch.person));
        self.fetches
    }

    fn chance(&mut self, share: f64) -> bool {
        self.rng.random_bool(share.clamp(0.0, 1.0))
    }

    fn is_up(&self, at: Instant) -> bool {
        self.up.iter().any(|[from, until]| (*from..*until).contains(&at))
    }

    /// Invents a person and all that is fetched of their mail.
    pub fn person(&mut self, index: usize, accepted_at: Instant) -> Person {
        let client = self.clients[self.weights.sample(&mut self.rng)];
        let refused = self.chance(self.audience.refused);
        let gateway = self
            .chance(self.audience.gateways)
            .then(|| self.rng.random_range(0..self.filters.len()));
        let (domain, home) = self.place(client, gateway, index);
        let mut person = Person {
            email: format!("reader{index}@{domain}"),
            consent: if refused {
                ConsentState::Refused
            } else {
                ConsentState::Granted
            },
            accepted_at,
            looked: false,
        };
        let mut one = One {
            index,
            client,
            home,
            accepted_at,
            has_copy: false,
            is_blocked: can_block(client) && self.chance(self.audience.images_blocked),
            asks: matches!(client, Client::Webmail | Client::Thunderbird)
                && self.chance(self.audience.do_not_track),
            agent: self.agent(client),
        };
        let reads = self.reads(accepted_at);
        if refused {
            // Their mail has no picture.
            return person;
        }
        if let Some(gateway) = gateway
            && self.chance(0.92)
        {
            self.filtered(&one, gateway);
            if self.chance(0.03) {
                let again = accepted_at + hours(self.rng.random_range(0.5..24.0));
                self.filtered(
                    &One {
                        accepted_at: again,
                        ..one.clone()
                    },
                    gateway,
                );
            }
        }
        self.in_advance(&mut one, &reads);
        for at in reads {
            person.looked |= self.looked(&mut one, at);
        }
        person
    }

    /// Returns a person's mail domain and the address from which they read at home or at work.
    fn place(&mut self, client: Client, gateway: Option<usize>, index: usize) -> (String, IpAddr) {
        let own = Ipv4Addr::from(0x0a00_0000 | (index as u32).wrapping_mul(0x9e37_79b1) >> 8);
        if let Some(domain) = gateway {
            // One address for the whole office, of each such domain.
            let office = Ipv4Addr::new(172, 20, (domain / 250) as u8, (domain % 250) as u8 + 1);
            let reads_at_work = self.chance(0.6);
            return (
                format!("firm{domain}.example"),
                if reads_at_work { office.into() } else { own.into() },
            );
        }
        let consumer: &[&str] = match client {
            Client::ApplePrivacy | Client::Apple => &["icloud.example", "me.example", "gmail.example"],
            Client::Gmail => &["gmail.example"],
            Client::Yahoo => &["yahoo.example", "aol.example"],
            Client::Outlook => &["outlook.example", "hotmail.example"],
            Client::Webmail | Client::Thunderbird | Client::Android => {
                &["web.example", "gmx.example", "orange.example", "posteo.example"]
            }
        };
        if self.chance(0.25) && !matches!(client, Client::Gmail | Client::Yahoo) {
            let office = self.rng.random_range(0..60_u8);
            return (
                format!("office{office}.example"),
                Ipv4Addr::new(172, 21, 0, office + 1).into(),
            );
        }
        // A mobile network puts many behind a few addresses.
        let home = if self.chance(0.1) {
            Ipv4Addr::new(100, 64, 0, self.rng.random_range(1..40_u8))
        } else {
            own
        };
        let domain = consumer.choose(&mut self.rng).expect("a domain for each");
        ((*domain).to_owned(), home.into())
    }

    fn agent(&mut self, client: Client) -> String {
        let one_of: &[&str] = match client {
            Client::ApplePrivacy => return MPP.into(),
            Client::Gmail => return GMAIL.into(),
            Client::Yahoo => return YAHOO.into(),
            Client::Webmail => return self.browser(),
            Client::Apple => APPLE,
            Client::Outlook => OUTLOOK,
            Client::Thunderbird => THUNDERBIRD,
            Client::Android => ANDROID,
        };
        (*one_of.choose(&mut self.rng).expect("an agent for each")).to_owned()
    }

    fn browser(&mut self) -> String {
        let version = self.rng.random_range(95..140_u32);
        format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
        )
    }

    /// Returns when a person reads the mail, if they do.
    fn reads(&mut self, accepted_at: Instant) -> Vec<Instant> {
        let mut reads = Vec::new();
        if !self.chance(self.audience.read) {
            return reads;
        }
        let mut at = accepted_at + seconds(4.0) + hours(self.delay.sample(&mut self.rng));
        reads.push(at);
        let pause = Exp::new(1.0 / 20.0).expect("a mean above 0");
        while reads.len() < 5 && self.chance(0.3) {
            at += hours(pause.sample(&mut self.rng));
            reads.push(at);
        }
        reads.retain(|at| *at < self.window.opens_until);
        reads
    }

    /// What is fetched before anybody looks.
    fn in_advance(&mut self, one: &mut One, reads: &[Instant]) {
        match one.client {
            Client::ApplePrivacy if self.chance(self.apple_fetches) => {
                let pause = Exp::new(1.0 / 3.0).expect("a mean above 0").sample(&mut self.rng);
                let at = one.accepted_at + seconds(20.0) + hours(pause);
                // Who reads sooner has the picture fetched then.
                if reads.first().is_none_or(|read| at < *read) && self.is_up(at) {
                    one.has_copy = true;
                    let source = self.relay();
                    self.fetch(one, at, MPP, source, false);
                }
            }
            Client::Gmail if self.chance(0.03) => {
                let at = one.accepted_at + seconds(self.rng.random_range(2.0..60.0));
                let source = self.service(108, 177);
                self.fetch(one, at, GMAIL_PREFETCH, source, false);
            }
            _ => {}
        }
    }

    /// A person looks at the mail; tells whether the picture was shown to them while the listener could be reached.
    fn looked(&mut self, one: &mut One, at: Instant) -> bool {
        if one.is_blocked || !self.is_up(at) {
            return false;
        }
        let agent = one.agent.clone();
        match one.client {
            // Shown from the device: no request tells of it.
            Client::ApplePrivacy if one.has_copy => {}
            Client::ApplePrivacy => {
                one.has_copy = true;
                let source = self.relay();
                self.fetch(one, at, MPP, source, false);
            }
            Client::Gmail | Client::Yahoo => {
                for _ in 0..self.rng.random_range(1..=3) {
                    let later = at + seconds(self.rng.random_range(0.0..1.5));
                    let source = match one.client {
                        Client::Gmail => self.service(66, 249),
                        _ => self.service(98, 137),
                    };
                    self.fetch(one, later, &agent, source, false);
                }
            }
            _ => {
                let source = match self.chance(0.12) {
                    // On the way, with the phone.
                    true => Ipv4Addr::new(100, 64, 1, self.rng.random_range(1..40_u8)).into(),
                    false => one.home,
                };
                self.fetch(one, at, &agent, source, one.asks);
                if self.chance(0.1) {
                    let again = at + seconds(self.rng.random_range(0.2..20.0));
                    self.fetch(one, again, &agent, source, one.asks);
                }
            }
        }
        true
    }

    /// A security gateway opens the mail.
    fn filtered(&mut self, one: &One, gateway: usize) {
        let soon = Exp::new(1.0 / 6.0).expect("a mean above 0");
        let begin = one.accepted_at + seconds(0.3 + soon.sample(&mut self.rng));
        match self.filters[gateway] {
            Filter::Burst => {
                let agents = self.rng.random_range(3..=8);
                // Most are done within seconds; some detonate the mail a little later.
                let begin = match self.chance(0.15) {
                    true => begin + seconds(self.rng.random_range(20.0..600.0)),
                    false => begin,
                };
                let networks = rand::seq::index::sample(&mut self.rng, 90, agents);
                for network in networks {
                    let at = begin + seconds(self.rng.random_range(0.0..25.0));
                    let source = Ipv4Addr::new(3, 120, network as u8, self.rng.random_range(1..250));
                    let agent = self.browser();
                    self.fetch(one, at, &agent, source.into(), false);
                }
            }
            Filter::KnownNetwork => {
                for _ in 0..self.rng.random_range(1..=2) {
                    let at = begin + seconds(self.rng.random_range(0.0..90.0));
                    let source = Ipv4Addr::new(40, 92, self.rng.random(), self.rng.random_range(1..250));
                    let agent = self.browser();
                    self.fetch(one, at, &agent, source.into(), false);
                }
            }
            Filter::Shared => {
                let source = Ipv4Addr::new(3, 64, 10, self.rng.random_range(1..=3_u8));
                let agent = self.browser();
                self.fetch(one, begin, &agent, source.into(), false);
            }
            Filter::Own => {
                let source = Ipv4Addr::new(172, 22, (gateway / 250) as u8, (gateway % 250) as u8 + 1);
                let agent = self.browser();
                self.fetch(one, begin, &agent, source.into(), false);
            }
            Filter::Named => {
                let source = self.service(35, 157);
                self.fetch(one, begin, SENTINEL, source, false);
            }
        }
    }

    fn relay(&mut self) -> IpAddr {
        Ipv4Addr::new(104, 28, self.rng.random(), self.rng.random_range(1..250)).into()
    }

    fn service(&mut self, a: u8, b: u8) -> IpAddr {
        Ipv4Addr::new(a, b, self.rng.random(), self.rng.random_range(1..250)).into()
    }

    fn fetch(&mut self, one: &One, at: Instant, agent: &str, source: IpAddr, asks: bool) {
        if self.is_up(at) && at < self.window.opens_until {
            self.fetches.push(Fetch {
                at,
                person: one.index,
                user_agent: agent.to_owned(),
                source,
                not_to_be_recorded: asks,
            });
        }
    }
}

fn can_block(client: Client) -> bool {
    !matches!(client, Client::ApplePrivacy | Client::Gmail | Client::Yahoo)
}

/// A person while their mail is played.
#[derive(Debug, Clone)]
struct One {
    index: usize,
    client: Client,
    home: IpAddr,
    accepted_at: Instant,
    /// The picture is on their device.
    has_copy: bool,
    is_blocked: bool,
    asks: bool,
    agent: String,
}
