//! What kind of fetch was it? Rules over one request, first match wins. Pure. What other requests say of it is found
//! by `judge` and comes in as [`Crowd`].
//!
//! Rules look for families by anchored words, never for whole strings, except for the three real prefetchers.
//! Three traps shaped them: a phone called CUBOT, browsers made by security vendors, and mail services' image
//! proxies, which every list of bots has on it. Bare WebKit without `Safari/` is a person: it is Apple Mail
//! without its privacy proxy, and Outlook for Mac.

use super::agent::Agent;
use super::client;
use super::families::{is_mail_client, is_phone, is_phone_app, is_small_browser, mail_proxy};
use super::libraries::{is_library, speaks_of_work};
use super::machines::{is_bot, is_impossible, is_scanner};
use super::masks::{is_compatible_with_nothing, is_dressed_browser, wears_a_mask};
use super::networks::Network;
use crate::domain::open::HitClass;
use chrono::TimeDelta;

/// Rises with every change of the rules; hits keep the version that judged them.
pub const RULE_VERSION: u32 = 2;

/// The rules' thresholds. Published ones run from 1 s to 60 s for times since the delivery, and from 30 s to 120 s
/// for bursts; those here were chosen inside these ranges and are tuned on the fixtures of `tests/` and by
/// `casementctl simulate` (`docs/decisions.md`).
pub mod threshold {
    use chrono::TimeDelta;

    /// A proxy that is faster than this after the delivery cannot have been asked by a person.
    pub const PROXY: TimeDelta = TimeDelta::seconds(3);
    /// Nobody has a mail on the screen so soon after the delivery.
    pub const INSTANT: TimeDelta = TimeDelta::seconds(2);
    /// Hardly anybody has: it may be a person whose mail was open just then.
    pub const FAST: TimeDelta = TimeDelta::seconds(10);
    /// As [`FAST`], where other mails to the same domain were scanned at their delivery.
    pub const FAST_AT_GATEWAY: TimeDelta = TimeDelta::seconds(60);
    /// A network that probably belongs to a mail filter scans within this; later a person may sit behind it.
    pub const PROBABLE: TimeDelta = TimeDelta::seconds(600);
}

/// What the rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts<'a> {
    /// As the client sent it; empty where it sent none.
    pub user_agent: &'a str,
    /// It asked for headers only.
    pub head_only: bool,
    /// It came before the sender's server had taken the mail.
    pub before_accept: bool,
    /// Time since the sender's server took the mail; `None` where that is not known, or means nothing: a clock was
    /// set, or the mail was only tried out on this computer.
    pub delta: Option<TimeDelta>,
    /// It says of itself that nobody looks yet.
    pub prefetch: bool,
    /// Whose network it came from, where a table names it.
    pub network: Option<Network>,
    /// What is known from other hits.
    pub crowd: Crowd,
}

/// What other hits of a campaign say of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crowd {
    /// Several networks asked for the same mail within a moment.
    pub burst: bool,
    /// One address asked for the mails of many recipients of several domains within minutes.
    pub fan_out: bool,
    /// Other mails to the recipient's domain were asked for at their delivery.
    pub gateway: bool,
    /// The same address asked for other mails at their delivery, or for many people's.
    pub scanned_before: bool,
}

/// What a fetch is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its class.
    pub class: HitClass,
    /// The rule: `apple_mpp`, `named_proxy`, `no_ua`, …
    pub reason: &'static str,
    /// The client's family, for people to read: "Gmail", "Apple Mail"; empty where it cannot be told.
    pub client: String,
}

/// What a user agent says by itself: the costly half of a verdict, and the same for every fetch that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// It fetches in advance: the rule.
    prefetcher: Option<&'static str>,
    /// It is a mail service's image proxy.
    is_proxy: bool,
    /// What it is, where it is neither.
    class: HitClass,
    reason: &'static str,
    /// The client's family.
    client: &'static str,
}

impl Told {
    /// The client's family, for people to read; empty where it cannot be told.
    pub fn client(&self) -> &'static str {
        self.client
    }

    /// Tells whether it is a mail service's own machine, which fetches from many addresses that say nothing of the
    /// reader.
    pub fn is_a_services_own(&self) -> bool {
        self.is_proxy || self.prefetcher.is_some()
    }

    /// Tells whether it is a mail service's image proxy, which fetches when somebody looks.
    pub fn is_proxy(&self) -> bool {
        self.is_proxy
    }
}

/// Reads a user agent.
pub fn tell(user_agent: &str) -> Told {
    let agent = Agent::parse(user_agent);
    let (class, reason) = if agent.text.is_empty() {
        (HitClass::Unknown, "no_ua")
    } else if is_scanner(&agent) {
        (HitClass::Scanner, "named_scanner")
    } else if is_impossible(&agent) {
        (HitClass::Scanner, "impossible_ua")
    } else if is_bot(&agent) {
        (HitClass::Bot, "named_bot")
    } else if is_mail_client(&agent) && !agent.has_contact {
        (HitClass::HumanDirect, "mail_client")
    } else if is_phone(&agent) && !agent.has_contact {
        (HitClass::HumanDirect, "browser")
    } else if is_library(&agent) {
        (HitClass::Library, "named_library")
    } else if agent.has_contact && !is_dressed_browser(&agent) || is_compatible_with_nothing(&agent) {
        (HitClass::Bot, "names_its_owner")
    } else if wears_a_mask(&agent) {
        (HitClass::Bot, "names_itself")
    } else if agent.has_engine() || is_small_browser(&agent) {
        (HitClass::HumanDirect, "browser")
    } else if agent.has_word(&["cfnetwork"]) {
        // An app on a Mac or an iPhone that loads pictures by the system's own means.
        (HitClass::HumanDirect, "apple_app")
    } else if is_phone_app(&agent) {
        (HitClass::HumanDirect, "phone_app")
    } else if speaks_of_work(&agent) {
        (HitClass::Bot, "speaks_of_work")
    } else {
        (HitClass::Unknown, "unrecognised")
    };
    let (prefetcher, proxy) = (prefetcher(&agent), mail_proxy(&agent));
    Told {
        prefetcher: prefetcher.map(|(reason, _)| reason),
        is_proxy: proxy.is_some(),
        class,
        reason,
        client: match (prefetcher, proxy, reason) {
            (Some((_, client)), ..) | (None, Some(client), _) => client,
            (.., "no_ua") => "",
            _ => client::family(&agent, class),
        },
    }
}

/// Judges one fetch.
pub fn classify(facts: &Facts) -> Verdict {
    judge(facts, &tell(facts.user_agent))
}

/// Judges one fetch whose user agent was read before. The first rule that holds decides.
pub fn judge(facts: &Facts, told: &Told) -> Verdict {
    let verdict = |class, reason| Verdict {
        class,
        reason,
        client: told.client.to_owned(),
    };
    let sooner = |limit: TimeDelta| {
        facts
            .delta
            .is_some_and(|delta| delta >= TimeDelta::zero() && delta < limit)
    };
    if facts.head_only {
        return verdict(HitClass::Scanner, "head");
    }
    if facts.before_accept {
        return verdict(HitClass::Scanner, "before_accept");
    }
    if let Some(reason) = told
        .prefetcher
        .or_else(|| facts.prefetch.then_some("says_prefetch"))
    {
        return verdict(HitClass::MachinePrefetch, reason);
    }
    if facts.network.is_some_and(Network::is_scanner) {
        return verdict(HitClass::Scanner, "network");
    }
    if told.is_proxy {
        return match sooner(threshold::PROXY) {
            true => verdict(HitClass::Unknown, "proxy_too_fast"),
            false => verdict(HitClass::HumanProxy, "named_proxy"),
        };
    }
    if told.class.is_machine() || told.reason == "no_ua" {
        return verdict(told.class, told.reason);
    }
    // From here on it looks like a person, or like nothing known.
    if facts.crowd.burst {
        return verdict(HitClass::Scanner, "burst");
    }
    if facts.crowd.fan_out {
        return verdict(HitClass::Scanner, "fan_out");
    }
    if facts.network.is_some_and(Network::is_probable) && sooner(threshold::PROBABLE) {
        return verdict(HitClass::Scanner, "probable_network");
    }
    if sooner(threshold::INSTANT) {
        return verdict(HitClass::Scanner, "instant");
    }
    if told.class.is_human() {
        if sooner(threshold::FAST) {
            return verdict(HitClass::Unknown, "fast");
        }
        if facts.crowd.gateway && sooner(threshold::FAST_AT_GATEWAY) {
            return verdict(HitClass::Unknown, "gateway_domain");
        }
        if facts.crowd.scanned_before {
            return verdict(HitClass::Unknown, "scanner_address");
        }
        if facts.network == Some(Network::AppleEgress) && told.reason == "browser" {
            // Safari behind Apple's relay: somebody reads webmail.
            return verdict(HitClass::HumanDirect, "private_relay");
        }
    }
    verdict(told.class, told.reason)
}

/// The three real prefetchers, and Apple's background sync.
fn prefetcher(agent: &Agent) -> Option<(&'static str, &'static str)> {
    let text = agent.text.as_str();
    if text == "mozilla/5.0" {
        return Some(("apple_mpp", "Apple Mail"));
    }
    if text.ends_with("edge/12.246 mozilla/5.0") || agent.has_phrase(&["gmail-content-sampling"]) {
        return Some(("gmail_prefetch", "Gmail"));
    }
    agent
        .has_word(&["dataaccessd"])
        .then_some(("apple_background", "Apple Mail"))
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
