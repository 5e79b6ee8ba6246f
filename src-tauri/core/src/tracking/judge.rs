//! What hits say of each other, and what they add up to. Pure.
//!
//! One request is judged by `classify`; some machines show only together: several networks ask for one mail within
//! a moment, one address asks for many people's mails. [`judge`] looks at all hits of a campaign at once, so that the
//! order in which they came, or were written down, decides nothing.

use super::classify::{self, Crowd, Facts, RULE_VERSION, Told};
use super::networks::Network;
use crate::clock::Instant;
use crate::domain::label::Says;
use crate::domain::open::{HitClass, Signal};
use crate::ids::{HitId, MessageId};
use chrono::TimeDelta;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Hits of one client with gaps shorter than this are one look.
pub const LOOK_GAP: TimeDelta = TimeDelta::minutes(30);
/// So many networks within [`BURST_NETWORKS_WITHIN`], or addresses within [`BURST_ADDRESSES_WITHIN`], are a burst.
const BURST: usize = 3;
const BURST_NETWORKS_WITHIN: TimeDelta = TimeDelta::seconds(120);
const BURST_ADDRESSES_WITHIN: TimeDelta = TimeDelta::seconds(30);
/// One address that asks for the mails of so many people of so many domains within this time reads none of them.
const FAN_OUT_PEOPLE: usize = 10;
const FAN_OUT_DOMAINS: usize = 3;
const FAN_OUT_WITHIN: TimeDelta = TimeDelta::seconds(600);
/// A domain has a gateway where so many of its mails were asked for faster than people do within [`GATEWAY_WITHIN`] of
/// their delivery, and no fewer than one in [`GATEWAY_SHARE`] of those that were asked for in that time.
const GATEWAY: usize = 3;
const GATEWAY_SHARE: usize = 10;
const GATEWAY_WITHIN: TimeDelta = TimeDelta::seconds(600);
/// An address scans where it asked for so many mails faster than people do, or for many people's at once, and for no
/// fewer than one in [`SCANS_SHARE`] of those that it ever asked for.
const SCANS: usize = 3;
const SCANS_SHARE: usize = 5;

/// How far the time of a hit can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timing {
    /// As it is.
    #[default]
    Known,
    /// The mail had not been taken yet, as far as was known then.
    BeforeAccept,
    /// A clock had been set back: no time since the delivery holds.
    ClockSet,
}

/// What the request itself said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Said {
    /// Nothing in particular.
    #[default]
    Nothing,
    /// It asked for headers only.
    Head,
    /// Nobody looks yet.
    Prefetch,
}

/// A mail of the campaign that is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// When the sender's server took it.
    pub accepted_at: Option<Instant>,
    /// The recipient's mail domain in lower case; empty where it is not known any more.
    pub domain: String,
    /// It was only tried out on this computer: nothing was delivered, so no time since then means anything.
    pub tried_out: bool,
}

/// A hit with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// Which.
    pub id: HitId,
    /// Whose pixel it was.
    pub message: MessageId,
    /// When it came.
    pub at: Instant,
    /// What its user agent says.
    pub told: &'a Told,
    /// What the request said.
    pub said: Said,
    /// How far its time holds.
    pub timing: Timing,
    /// IPv4 /24 or IPv6 /48; empty where the source is unknown.
    pub network: &'a str,
    /// The same for the same address; empty where the source is unknown.
    pub address: &'a [u8],
    /// Whose network it came from.
    pub label: Option<Network>,
    /// Hits with the same one are one client.
    pub client: &'a [u8],
}

/// What the user says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// Of single hits.
    pub hits: HashMap<HitId, Says>,
    /// Of the recipients of a mail domain.
    pub domains: HashMap<String, Says>,
    /// Of a network, as in [`Evidence::network`].
    pub networks: HashMap<String, Says>,
}

/// What a hit is taken for, and whether it begins a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// Which.
    pub id: HitId,
    /// Its class.
    pub class: HitClass,
    /// The rule.
    pub reason: &'static str,
    /// The rules' version.
    pub rule_version: u32,
    /// It begins a new look of its client.
    pub new_look: bool,
}

/// Tells whether a hit at `at` begins a new look of its client, whose hit before was at `before`.
///
/// A hit that seems older than the one before (the clock was set back) belongs to the same look.
pub fn is_new_look(before: Option<Instant>, at: Instant) -> bool {
    before.is_none_or(|before| at - before >= LOOK_GAP)
}

/// Returns what is known of a message after a hit of `class`: evidence is only ever added.
pub fn signal_after(before: Signal, class: HitClass) -> Signal {
    before.max(Signal::of(class))
}

/// Returns the time between a mail's acceptance and a hit, where it means something, and whether the hit came before.
///
/// A hit that came when nothing was known of an acceptance, and whose time lies before it, came before. One that came
/// when the acceptance was known cannot have: there a clock was set back, and rules on time abstain.
pub fn since_delivery(mail: &Mail, at: Instant, timing: Timing) -> (Option<TimeDelta>, bool) {
    match (mail.accepted_at, timing) {
        (None, Timing::BeforeAccept) => (None, true),
        (Some(accepted), Timing::BeforeAccept) if at < accepted => (None, true),
        _ if mail.tried_out => (None, false),
        (Some(accepted), Timing::Known | Timing::BeforeAccept) if at >= accepted => {
            (Some(at - accepted), false)
        }
        _ => (None, false),
    }
}

/// Judges all hits of a campaign that still have their evidence, in any order; returns a verdict for each, in the
/// order of their times.
///
/// Hits of messages that `mails` does not name are left out.
pub fn judge(mails: &HashMap<MessageId, Mail>, hits: &[Evidence<'_>], labels: &Labels) -> Vec<Judged> {
    let mut order: Vec<usize> = (0..hits.len())
        .filter(|index| mails.contains_key(&hits[*index].message))
        .collect();
    order.sort_unstable_by_key(|index| (hits[*index].message, hits[*index].at, hits[*index].id));
    let mut crowds = vec![Crowd::default(); hits.len()];
    for index in fan_out(mails, hits, &order) {
        crowds[index].fan_out = true;
    }
    for mail in order.chunk_by(|a, b| hits[*a].message == hits[*b].message) {
        for index in bursts(hits, mail) {
            crowds[index].burst = true;
        }
    }
    let own = |index: usize, crowd: Crowd| {
        let hit = &hits[index];
        let mail = &mails[&hit.message];
        let (delta, before_accept) = since_delivery(mail, hit.at, hit.timing);
        let facts = Facts {
            head_only: hit.said == Said::Head,
            prefetch: hit.said == Said::Prefetch,
            before_accept,
            delta,
            network: hit.label,
            crowd,
            ..Facts::default()
        };
        (classify::judge(&facts, hit.told), delta)
    };
    let first: Vec<First> = order
        .iter()
        .map(|index| {
            let (verdict, delta) = own(*index, crowds[*index]);
            First {
                index: *index,
                delta,
                is_scan: verdict.class == HitClass::Scanner || verdict.reason == "fast",
            }
        })
        .collect();
    let gateways = gateways(mails, hits, &first);
    let scanners = scanners(hits, &first);
    let mut last: HashMap<(MessageId, &[u8], HitClass), Instant> = HashMap::new();
    order
        .iter()
        .map(|index| {
            let hit = &hits[*index];
            let domain = mails[&hit.message].domain.as_str();
            let crowd = Crowd {
                gateway: gateways.contains(domain),
                scanned_before: scanners.contains(hit.address),
                ..crowds[*index]
            };
            let verdict = own(*index, crowd).0;
            let (class, reason) = labelled(labels, hit, domain, verdict.class, verdict.reason);
            let before = last.insert((hit.message, hit.client, class), hit.at);
            Judged {
                id: hit.id,
                class,
                reason,
                rule_version: RULE_VERSION,
                new_look: is_new_look(before, hit.at),
            }
        })
        .collect()
}

/// Returns what the user says instead of the rules, if anything.
///
/// Of one hit the user may say anything. Of a domain or a network only what takes a person's look away: a rule over
/// many hits must never make people of machines.
fn labelled(
    labels: &Labels,
    hit: &Evidence<'_>,
    domain: &str,
    class: HitClass,
    reason: &'static str,
) -> (HitClass, &'static str) {
    if let Some(says) = labels.hits.get(&hit.id) {
        return (says.class(class, hit.told.is_proxy()), "labelled_hit");
    }
    if !class.is_human() {
        return (class, reason);
    }
    let found = |table: &HashMap<String, Says>, key: &str| {
        (!key.is_empty())
            .then(|| table.get(key).copied())
            .flatten()
            .filter(|says| *says != Says::Person)
    };
    if let Some(says) = found(&labels.domains, domain) {
        return (says.class(class, false), "labelled_domain");
    }
    if let Some(says) = found(&labels.networks, hit.network) {
        return (says.class(class, false), "labelled_network");
    }
    (class, reason)
}

/// Returns the hits of one mail, which `mail` names in order of time, that are part of a burst.
fn bursts(hits: &[Evidence<'_>], mail: &[usize]) -> HashSet<usize> {
    let counted: Vec<usize> = mail
        .iter()
        .copied()
        .filter(|index| !hits[*index].told.is_a_services_own() && !hits[*index].address.is_empty())
        .collect();
    let mut found = HashSet::new();
    for (start, first) in counted.iter().enumerate() {
        for (within, of) in [
            (
                BURST_NETWORKS_WITHIN,
                by_network as for<'a> fn(&Evidence<'a>) -> &'a [u8],
            ),
            (BURST_ADDRESSES_WITHIN, by_address),
        ] {
            let window = counted[start..]
                .iter()
                .take_while(|index| hits[**index].at - hits[*first].at <= within);
            let different: HashSet<&[u8]> = window.clone().map(|index| of(&hits[*index])).collect();
            if different.len() >= BURST {
                found.extend(window.copied());
            }
        }
    }
    found
}

fn by_network<'a>(hit: &Evidence<'a>) -> &'a [u8] {
    hit.network.as_bytes()
}

fn by_address<'a>(hit: &Evidence<'a>) -> &'a [u8] {
    hit.address
}

/// Returns the hits of addresses that ask for many people's mails.
fn fan_out(mails: &HashMap<MessageId, Mail>, hits: &[Evidence<'_>], order: &[usize]) -> Vec<usize> {
    let mut by_address: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for index in order {
        let hit = &hits[*index];
        if !hit.address.is_empty() && !hit.told.is_a_services_own() {
            by_address.entry(hit.address).or_default().push(*index);
        }
    }
    let mut found = Vec::new();
    for (_, mut asked) in by_address {
        if asked.len() < FAN_OUT_PEOPLE {
            continue;
        }
        asked.sort_unstable_by_key(|index| (hits[*index].at, hits[*index].id));
        let mut window = Window::default();
        // Hits before this one are found already.
        let (mut start, mut marked) = (0, 0);
        for end in 0..asked.len() {
            window.add(mails, &hits[asked[end]]);
            while hits[asked[end]].at - hits[asked[start]].at > FAN_OUT_WITHIN {
                window.remove(mails, &hits[asked[start]]);
                start += 1;
            }
            if window.people.len() >= FAN_OUT_PEOPLE && window.domains.len() >= FAN_OUT_DOMAINS {
                found.extend(&asked[start.max(marked)..=end]);
                marked = end + 1;
            }
        }
    }
    found
}

/// Who was asked for within a window of time, and how often.
#[derive(Default)]
struct Window<'a> {
    people: HashMap<MessageId, usize>,
    domains: HashMap<&'a str, usize>,
}

impl<'a> Window<'a> {
    fn add(&mut self, mails: &'a HashMap<MessageId, Mail>, hit: &Evidence<'_>) {
        *self.people.entry(hit.message).or_default() += 1;
        let domain = mails[&hit.message].domain.as_str();
        if !domain.is_empty() {
            *self.domains.entry(domain).or_default() += 1;
        }
    }

    fn remove(&mut self, mails: &'a HashMap<MessageId, Mail>, hit: &Evidence<'_>) {
        fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
            if let std::collections::hash_map::Entry::Occupied(mut entry) = counts.entry(key) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
        less(&mut self.people, hit.message);
        less(&mut self.domains, mails[&hit.message].domain.as_str());
    }
}

/// What a hit was taken for before it was known whose gateway or address it came from.
struct First {
    index: usize,
    /// Time since the delivery, where it means something.
    delta: Option<TimeDelta>,
    /// No person asks so: a scanner, or too fast.
    is_scan: bool,
}

/// Returns the mail domains whose mails are asked for at their delivery.
fn gateways<'a>(
    mails: &'a HashMap<MessageId, Mail>,
    hits: &[Evidence<'_>],
    first: &[First],
) -> HashSet<&'a str> {
    let early = first
        .iter()
        .filter(|first| first.delta.is_some_and(|delta| delta < GATEWAY_WITHIN));
    let asked = early.map(|first| {
        let message = hits[first.index].message;
        (mails[&message].domain.as_str(), message, first.is_scan)
    });
    mostly_scanned(
        asked.filter(|(domain, ..)| !domain.is_empty()),
        GATEWAY,
        GATEWAY_SHARE,
    )
}

/// Returns the addresses that ask for mails as no person does. A mail service's own are none of them: its proxies
/// fetch for everybody.
fn scanners<'a>(hits: &[Evidence<'a>], first: &[First]) -> HashSet<&'a [u8]> {
    let asked = first.iter().map(|first| {
        let hit = &hits[first.index];
        (hit.address, hit.message, first.is_scan)
    });
    let with_address = asked.filter(|(address, ..)| !address.is_empty());
    mostly_scanned(with_address, SCANS, SCANS_SHARE)
}

/// Returns the keys of which at least `least` mails were scanned, and one in `share` of those that were asked for.
fn mostly_scanned<K: std::hash::Hash + Eq>(
    asked: impl Iterator<Item = (K, MessageId, bool)>,
    least: usize,
    share: usize,
) -> HashSet<K> {
    let mut keys: HashMap<K, (HashSet<MessageId>, HashSet<MessageId>)> = HashMap::new();
    for (key, message, is_scan) in asked {
        let (asked, scanned) = keys.entry(key).or_default();
        asked.insert(message);
        if is_scan {
            scanned.insert(message);
        }
    }
    keys.into_iter()
        .filter(|(_, (asked, scanned))| scanned.len() >= least && scanned.len() * share >= asked.len())
        .map(|(key, _)| key)
        .collect()
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
