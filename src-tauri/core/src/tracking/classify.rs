//! What kind of fetch was it? Rules over one request, first match wins. Pure.
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
use crate::domain::open::HitClass;
use chrono::TimeDelta;

/// Rises with every change of the rules; hits keep the version that judged them.
pub const RULE_VERSION: u32 = 1;

/// A proxy that is faster than this after hand-over cannot have been asked by a person.
const TOO_FAST: TimeDelta = TimeDelta::seconds(3);

/// What the rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// As the client sent it; empty where it sent none.
    pub user_agent: &'a str,
    /// It asked for headers only.
    pub head_only: bool,
    /// Time since the sender's server took the mail; `None` where that is not known, or lies in the future
    /// because a clock was set.
    pub delta: Option<TimeDelta>,
    /// It says of itself that nobody looks yet.
    pub prefetch: bool,
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
    /// It fetches in advance: the rule, and the client.
    prefetcher: Option<(&'static str, &'static str)>,
    /// A mail service's image proxy, by its name.
    proxy: Option<&'static str>,
    /// What it is, where it is neither.
    class: HitClass,
    reason: &'static str,
    client: &'static str,
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
    Told {
        prefetcher: prefetcher(&agent),
        proxy: mail_proxy(&agent),
        class,
        reason,
        client: match reason {
            "no_ua" => "",
            _ => client::family(&agent, class),
        },
    }
}

/// Judges one fetch.
pub fn classify(facts: &Facts) -> Verdict {
    judge(facts, &tell(facts.user_agent))
}

/// Judges one fetch whose user agent was read before.
pub fn judge(facts: &Facts, told: &Told) -> Verdict {
    let verdict = |class, reason, client: &str| Verdict {
        class,
        reason,
        client: client.to_owned(),
    };
    if facts.head_only {
        return verdict(HitClass::Scanner, "head", "");
    }
    let prefetcher = told
        .prefetcher
        .or_else(|| facts.prefetch.then_some(("says_prefetch", "")));
    if let Some((reason, client)) = prefetcher {
        return verdict(HitClass::MachinePrefetch, reason, client);
    }
    if let Some(client) = told.proxy {
        return match facts.delta {
            Some(delta) if delta >= TimeDelta::zero() && delta < TOO_FAST => {
                verdict(HitClass::Unknown, "proxy_too_fast", client)
            }
            _ => verdict(HitClass::HumanProxy, "named_proxy", client),
        };
    }
    verdict(told.class, told.reason, told.client)
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
