//! Writes a hit, inside the transaction that it is given: what does the token belong to, may it be recorded,
//! what kind of fetch was it, and then a row or a count.
//!
//! Every request waits for a commit, whatever its token: an answer that came sooner for unknown ones would tell
//! them apart. The writer sees to that: it numbers every transaction in the database.

use super::classify::{self, Facts, Told};
use super::judge::{self, Mail, Said, Timing};
use super::networks::{self, Network};
use super::policy::{self, Cap, Counted, Decision, RequestFacts, Stored, Target};
use super::signal;
use super::token::Token;
use crate::clock::Instant;
use crate::domain::message::MessageState;
use crate::domain::open::HitClass;
use crate::ids::CampaignId;
use crate::store::hit::{self, Found, FoundMessage, NewHit};
use crate::store::rollup::{self, StoredHit, Uncounted};
use crate::store::{Conn, Result, counter};
use chrono::TimeDelta;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

/// Where a hit came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A proxy did not say.
    Unknown,
    /// The reader's address; never stored.
    Address(IpAddr),
    /// What was kept of an address while the database could not be written.
    Kept {
        /// Its prefix.
        network: String,
        /// The same for the same address, until the listener was started again; tells nothing else of it.
        digest: [u8; 16],
        /// Whose network it lies in.
        label: Option<Network>,
    },
}

impl Source {
    /// Returns what may be kept of it on disk. `key` is in memory only and is gone with the process.
    pub fn kept(&self, key: &[u8; 32]) -> Self {
        match self {
            Self::Address(address) => {
                let address = address.to_canonical();
                let mut digest = [0; 16];
                let mut hasher = blake3::Hasher::new_keyed(key);
                hasher.update(address.to_string().as_bytes());
                hasher.finalize_xof().fill(&mut digest);
                Self::Kept {
                    network: network(address),
                    digest,
                    label: networks::label_of(address),
                }
            }
            other => other.clone(),
        }
    }

    fn network(&self) -> String {
        match self {
            Self::Unknown => String::new(),
            Self::Address(address) => network(*address),
            Self::Kept { network, .. } => network.clone(),
        }
    }

    fn label(&self) -> Option<Network> {
        match self {
            Self::Unknown => None,
            Self::Address(address) => networks::label_of(*address),
            Self::Kept { label, .. } => *label,
        }
    }

    /// Feeds what tells one address from another to `hasher`; nothing where it is unknown.
    fn hash_into(&self, hasher: &mut blake3::Hasher) {
        match self {
            Self::Unknown => {}
            Self::Address(address) => {
                hasher.update(address.to_canonical().to_string().as_bytes());
            }
            Self::Kept { digest, .. } => {
                hasher.update(digest);
            }
        }
    }
}

/// A request for a pixel, as the writer needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// What the address ends in.
    pub token: Token,
    /// When it came.
    pub at: Instant,
    /// It asked for headers only.
    pub head_only: bool,
    /// The peer is this computer itself, at the door where peers are readers.
    pub from_here: bool,
    /// The computer's clock had been set back when it came.
    pub clock_set: bool,
    /// Where it came from.
    pub source: Source,
    /// As it was sent, without control characters, at most 512 characters.
    pub user_agent: String,
    /// The reader's browser asks for it.
    pub not_to_be_recorded: bool,
    /// It says of itself that nobody looks yet.
    pub prefetch: bool,
    /// Becomes the key of its campaign's client hashes where there is none yet.
    pub fresh_key: [u8; 32],
}

/// What was done with a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Only a counter that nobody looks at moved.
    Nothing,
    /// A count of a campaign moved.
    Counted,
    /// It is stored.
    Stored,
}

/// Records `arrival`.
pub fn record(conn: &Conn, arrival: &Arrival) -> Result<Recorded> {
    let found = hit::find(conn, &arrival.token)?;
    let position = found.target.window().map(|window| window.position(arrival.at));
    let request = RequestFacts {
        from_here: arrival.from_here,
        not_to_be_recorded: arrival.not_to_be_recorded,
    };
    let decision = policy::decide(&found.target, request, position);
    if let Some(message) = &found.message
        && proves_arrival(message, decision)
    {
        hit::prove_arrival(conn, message, arrival.at)?;
    }
    match (decision, &found) {
        (
            Decision::Record,
            Found {
                message: Some(message),
                campaign: Some(campaign),
                ..
            },
        ) => store(conn, arrival, *campaign, message),
        (
            Decision::Record,
            Found {
                target: Target::Shared { .. },
                campaign: Some(campaign),
                ..
            },
        ) => {
            rollup::shared_load(conn, *campaign, arrival.at, by_itself(arrival))?;
            Ok(Recorded::Counted)
        }
        (Decision::Record, _) => Ok(Recorded::Nothing),
        (Decision::Count(why), found) => count(conn, arrival, found, why),
    }
}

/// A mail whose hand-over was cut off has arrived where its pixel is fetched; but not even that is noted
/// against a reader's wish.
fn proves_arrival(message: &FoundMessage, decision: Decision) -> bool {
    message.state == MessageState::Uncertain
        && matches!(
            decision,
            Decision::Record | Decision::Count(Counted::Early | Counted::Late)
        )
}

fn count(conn: &Conn, arrival: &Arrival, found: &Found, why: Counted) -> Result<Recorded> {
    let outside = match why {
        Counted::Early => Some(Uncounted::Early),
        Counted::Late => Some(Uncounted::Late),
        _ => None,
    };
    match (why, found.campaign, &found.message) {
        (Counted::UnknownToken, ..) => counter::add(conn, counter::UNKNOWN_TOKEN)?,
        (Counted::Test, ..) => counter::add(conn, counter::TEST_TOKEN)?,
        (Counted::Own, ..) => counter::add(conn, counter::OWN)?,
        (_, Some(campaign), Some(message)) => {
            match (why, outside) {
                (_, Some(why)) => rollup::uncounted(conn, campaign, message.id, arrival.at, why)?,
                (Counted::NotRecordedAtRequest, _) => {
                    rollup::campaign_counter(conn, campaign, rollup::NOT_RECORDED_AT_REQUEST)?;
                    signal::heed(conn, message, by_itself(arrival), arrival.at)?;
                }
                _ => rollup::campaign_counter(conn, campaign, rollup::REFUSED)?,
            }
            return Ok(Recorded::Counted);
        }
        // A shared pixel: such loads are no part of any rate, so the campaign's own counters stay as they are.
        (Counted::NotRecordedAtRequest, ..) => counter::add(conn, counter::SHARED_NOT_RECORDED)?,
        _ => counter::add(conn, counter::SHARED_OUTSIDE)?,
    }
    Ok(Recorded::Nothing)
}

/// Returns what a hit is taken for by what it says itself, where nothing of it is kept to judge it again.
fn by_itself(arrival: &Arrival) -> HitClass {
    let facts = Facts {
        head_only: arrival.head_only,
        prefetch: arrival.prefetch,
        network: arrival.source.label(),
        ..Facts::default()
    };
    classify::judge(&facts, &told(&arrival.user_agent)).class
}

/// Returns what a user agent says.
pub fn told(user_agent: &str) -> Rc<Told> {
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= KNOWN_AGENTS {
            known.clear();
        }
        match known.get(user_agent) {
            Some(told) => told.clone(),
            None => {
                let told = Rc::new(classify::tell(user_agent));
                known.insert(user_agent.to_owned(), told.clone());
                told
            }
        }
    })
}

/// User agents that are remembered. A campaign's readers use some hundreds, and reading one takes a tenth of what
/// recording a look does.
const KNOWN_AGENTS: usize = 1024;

thread_local! {
    /// What user agents say, on the writer's thread.
    static KNOWN: RefCell<HashMap<String, Rc<Told>>> = RefCell::default();
}

/// A hit is judged again with what came around it once so much time has passed.
pub const SETTLES_AFTER: TimeDelta = TimeDelta::minutes(3);

fn store(conn: &Conn, arrival: &Arrival, campaign: CampaignId, message: &FoundMessage) -> Result<Recorded> {
    let told = told(&arrival.user_agent);
    let (mail, timing) = timing(arrival, message);
    let (delta, before_accept) = judge::since_delivery(&mail, arrival.at, timing);
    let label = arrival.source.label();
    let verdict = classify::judge(
        &Facts {
            head_only: arrival.head_only,
            before_accept,
            delta,
            prefetch: arrival.prefetch,
            network: label,
            ..Facts::default()
        },
        &told,
    );
    if verdict.reason == "apple_mpp"
        && let Some(contact) = message.contact
    {
        hit::note_mpp(conn, contact, arrival.at)?;
    }
    let stored = Stored {
        hits: message.hits,
        machine_hits: message.machine_hits,
    };
    // A new kind is evidence, whatever the cap: asked for only where it decides.
    if !Cap::default().has_room(stored, verdict.class)
        && hit::has_kind(conn, message.id, verdict.class, &verdict.client)?
    {
        rollup::uncounted(conn, campaign, message.id, arrival.at, Uncounted::OverCap)?;
        return Ok(Recorded::Counted);
    }
    let key = hit::client_key(conn, campaign, arrival.fresh_key)?;
    let client_hash = client_hash(&key, &arrival.source, &told);
    let before = hit::last_of_client(conn, message.id, &client_hash, verdict.class)?;
    let new_look = judge::is_new_look(before, arrival.at);
    let row = NewHit {
        campaign,
        message: message.id,
        at: arrival.at,
        class: verdict.class,
        reason: verdict.reason,
        rule_version: classify::RULE_VERSION,
        client: verdict.client.clone(),
        user_agent: arrival.user_agent.clone(),
        network: arrival.source.network(),
        address_hash: address_hash(&key, &arrival.source),
        client_hash,
        label,
        said: match (arrival.head_only, arrival.prefetch) {
            (true, _) => Said::Head,
            (false, true) => Said::Prefetch,
            (false, false) => Said::Nothing,
        },
        timing,
        new_look,
    };
    hit::insert(conn, &row)?;
    let change = StoredHit {
        at: arrival.at,
        class: verdict.class,
        new_look,
        signal: judge::signal_after(message.signal, verdict.class),
        first_open_at: message.first_open_at,
    };
    rollup::stored(conn, campaign, message.id, &change)?;
    let due = arrival.at + SETTLES_AFTER;
    if message.judge_at.is_none_or(|asked| asked > due) {
        hit::judge_again(conn, campaign, due)?;
    }
    Ok(Recorded::Stored)
}

/// Returns the mail as the rules on time see it, and how far the hit's time holds.
fn timing(arrival: &Arrival, message: &FoundMessage) -> (Mail, Timing) {
    let accepted_at = message.accepted_at.or(match message.state {
        // The look itself proves that it had arrived.
        MessageState::Uncertain => message.handing_over_at,
        _ => None,
    });
    let timing = match accepted_at {
        None => Timing::BeforeAccept,
        // What is known to have been taken cannot be asked for before: a clock was set.
        Some(accepted) if arrival.clock_set || arrival.at < accepted => Timing::ClockSet,
        Some(_) => Timing::Known,
    };
    let mail = Mail {
        accepted_at,
        domain: String::new(),
        tried_out: message.tried_out,
    };
    (mail, timing)
}

/// Returns the prefix under which an address may be kept: IPv4 /24, IPv6 /48.
pub fn network(source: IpAddr) -> String {
    match source.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// Returns what tells one client of a campaign from another: its family and its address.
///
/// A mail service's own machines fetch from many addresses, which say nothing of the reader: there the family
/// alone counts.
fn client_hash(key: &[u8; 32], source: &Source, told: &Told) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(told.client().as_bytes());
    hasher.update(b"\0");
    if !told.is_a_services_own() {
        source.hash_into(&mut hasher);
    }
    short(&hasher)
}

/// Returns what tells one address of a campaign from another; `None` where the source is unknown.
fn address_hash(key: &[u8; 32], source: &Source) -> Option<[u8; 16]> {
    if *source == Source::Unknown {
        return None;
    }
    let mut hasher = blake3::Hasher::new_keyed(key);
    // Never the same as a client's hash.
    hasher.update(b"address\0");
    source.hash_into(&mut hasher);
    Some(short(&hasher))
}

fn short(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut out = [0; 16];
    hasher.finalize_xof().fill(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_source_tells_clients_apart_and_not_who_they_are() {
        let source = |text: &str| Source::Address(text.parse().unwrap());
        let key = [7; 32];
        let kept = source("203.0.113.77").kept(&key);
        assert_eq!(kept, source("::ffff:203.0.113.77").kept(&key), "one client");
        assert_ne!(kept, source("203.0.113.78").kept(&key), "its neighbour");
        assert_ne!(
            kept,
            source("203.0.113.77").kept(&[8; 32]),
            "another run of the listener"
        );
        assert_eq!(kept.kept(&[9; 32]), kept, "what was kept stays");
        assert_eq!(kept.network(), "203.0.113.0/24");
        assert!(!format!("{kept:?}").contains("203.0.113.77"));
    }

    #[test]
    fn only_a_prefix_of_an_address_is_kept() {
        for (source, kept) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ] {
            assert_eq!(network(source.parse().unwrap()), kept, "{source}");
        }
    }
}
