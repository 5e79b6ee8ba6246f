//! `hit`: requests for personal pixels that may be kept, and what their tokens belong to.

use super::{Conn, Result, activity, instant, test_token, word};
use crate::clock::{Instant, from_millis, to_millis};
use crate::domain::message::MessageState;
use crate::domain::open::{HitClass, Signal};
use crate::domain::window::Window;
use crate::ids::{CampaignId, ContactId, HitId, MessageId};
use crate::tracking::judge::{Said, Timing};
use crate::tracking::networks::{self, Network};
use crate::tracking::policy::{Cap, MessageFacts, Target};
use crate::tracking::token::Token;
use rusqlite::{OptionalExtension, Row};

/// What a pixel's token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What policy must know.
    pub target: Target,
    /// The campaign; `None` for unknown and test tokens.
    pub campaign: Option<CampaignId>,
    /// The message; `None` unless the token is a message's own.
    pub message: Option<FoundMessage>,
}

/// A message as its hits need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundMessage {
    /// Its id.
    pub id: MessageId,
    /// The person; `None` once erased.
    pub contact: Option<ContactId>,
    /// Where it is.
    pub state: MessageState,
    /// When the sender's server took it.
    pub accepted_at: Option<Instant>,
    /// When its hand-over began.
    pub handing_over_at: Option<Instant>,
    /// The best that is known.
    pub signal: Signal,
    /// Stored hits.
    pub hits: u32,
    /// Of these, by machines.
    pub machine_hits: u32,
    /// The first human hit.
    pub first_open_at: Option<Instant>,
    /// Nothing was delivered: the mail was written into the outbox, or its links lead to this computer alone.
    pub tried_out: bool,
    /// When its campaign's hits are judged again.
    pub judge_at: Option<Instant>,
    /// How many hits of it are stored.
    pub cap: Cap,
}

/// Finds what `token` belongs to.
pub fn find(conn: &Conn, token: &Token) -> Result<Found> {
    if let Some(found) = conn
        .prepare_cached(FIND_MESSAGE)?
        .query_row([token.as_bytes()], message_row)
        .optional()?
    {
        return Ok(found);
    }
    if let Some(found) = conn
        .prepare_cached("SELECT id, opens_from, opens_until FROM campaign WHERE shared_token = ?1")?
        .query_row([token.as_bytes()], |row| {
            Ok(Found {
                target: Target::Shared {
                    window: window(row, 1, 2)?,
                },
                campaign: Some(CampaignId(row.get("id")?)),
                message: None,
            })
        })
        .optional()?
    {
        return Ok(found);
    }
    Ok(Found {
        target: if test_token::exists(conn, token)? {
            Target::Test
        } else {
            Target::Unknown
        },
        campaign: None,
        message: None,
    })
}

const FIND_MESSAGE: &str = "SELECT m.id, m.campaign_id, m.contact_id, m.state, m.tracking, m.opted_out_at,
           m.accepted_at, m.handing_over_at, m.signal, m.hits, m.machine_hits, m.first_open_at,
           c.opens_from, c.opens_until, p.consent,
           a.from_address IS NOT NULL AND lower(a.from_address) = lower(m.email) AS to_sender,
           c.practice OR coalesce(r.tried_out, 0) AS tried_out, c.judge_at,
           c.cap_hits, c.cap_machine_hits
    FROM message AS m
    JOIN campaign AS c ON c.id = m.campaign_id
    LEFT JOIN contact AS p ON p.id = m.contact_id
    LEFT JOIN account AS a ON a.id = c.account_id
    LEFT JOIN route AS r ON r.id = c.route_id
    WHERE m.pixel_token = ?1";

/// The columns of [`FIND_MESSAGE`] by number: looked for by name, eighteen of them cost more than the query.
mod column {
    pub const ID: usize = 0;
    pub const CAMPAIGN_ID: usize = 1;
    pub const CONTACT_ID: usize = 2;
    pub const STATE: usize = 3;
    pub const TRACKING: usize = 4;
    pub const OPTED_OUT_AT: usize = 5;
    pub const ACCEPTED_AT: usize = 6;
    pub const HANDING_OVER_AT: usize = 7;
    pub const SIGNAL: usize = 8;
    pub const HITS: usize = 9;
    pub const MACHINE_HITS: usize = 10;
    pub const FIRST_OPEN_AT: usize = 11;
    pub const OPENS_FROM: usize = 12;
    pub const OPENS_UNTIL: usize = 13;
    pub const CONSENT: usize = 14;
    pub const TO_SENDER: usize = 15;
    pub const TRIED_OUT: usize = 16;
    pub const JUDGE_AT: usize = 17;
    pub const CAP_HITS: usize = 18;
    pub const CAP_MACHINE_HITS: usize = 19;
}

fn message_row(row: &Row<'_>) -> rusqlite::Result<Found> {
    use column::*;

    let contact: Option<i64> = row.get(CONTACT_ID)?;
    Ok(Found {
        target: Target::Message(MessageFacts {
            tracking: word(row, TRACKING)?,
            opted_out: instant(row, OPTED_OUT_AT)?.is_some(),
            consent: match contact {
                Some(_) => Some(word(row, CONSENT)?),
                None => None,
            },
            to_sender: row.get(TO_SENDER)?,
            window: window(row, OPENS_FROM, OPENS_UNTIL)?,
        }),
        campaign: Some(CampaignId(row.get(CAMPAIGN_ID)?)),
        message: Some(FoundMessage {
            id: MessageId(row.get(ID)?),
            contact: contact.map(ContactId),
            state: word(row, STATE)?,
            accepted_at: instant(row, ACCEPTED_AT)?,
            handing_over_at: instant(row, HANDING_OVER_AT)?,
            signal: word(row, SIGNAL)?,
            hits: row.get(HITS)?,
            machine_hits: row.get(MACHINE_HITS)?,
            first_open_at: instant(row, FIRST_OPEN_AT)?,
            tried_out: row.get(TRIED_OUT)?,
            judge_at: instant(row, JUDGE_AT)?,
            cap: cap(row.get(CAP_HITS)?, row.get(CAP_MACHINE_HITS)?),
        }),
    })
}

/// Returns the cap of a campaign; those of before it could be set have the default.
fn cap(hits: Option<u32>, machine_hits: Option<u32>) -> Cap {
    let default = Cap::default();
    Cap {
        hits: hits.unwrap_or(default.hits),
        machine_hits: machine_hits.unwrap_or(default.machine_hits),
    }
}

fn window(row: &Row<'_>, from: usize, until: usize) -> rusqlite::Result<Option<Window>> {
    Ok(match (instant(row, from)?, instant(row, until)?) {
        (Some(opens_from), Some(opens_until)) => Some(Window {
            opens_from,
            opens_until,
        }),
        _ => None,
    })
}

/// A hit to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHit {
    /// The message's campaign.
    pub campaign: CampaignId,
    /// Whose pixel it was.
    pub message: MessageId,
    /// When it came.
    pub at: Instant,
    /// What it was taken for.
    pub class: HitClass,
    /// Why.
    pub reason: &'static str,
    /// By which version of the rules.
    pub rule_version: u32,
    /// The client's family.
    pub client: String,
    /// As it was sent, without control characters, at most 512 characters.
    pub user_agent: String,
    /// IPv4 /24 or IPv6 /48; empty where the source is unknown.
    pub network: String,
    /// The same for the same address; `None` where the source is unknown.
    pub address_hash: Option<[u8; 16]>,
    /// Hits with the same one are one client.
    pub client_hash: [u8; 16],
    /// Whose network the address lies in.
    pub label: Option<Network>,
    /// What the request said.
    pub said: Said,
    /// How far its time holds.
    pub timing: Timing,
    /// It begins a new look.
    pub new_look: bool,
}

impl Said {
    /// As the column `said` has it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Head => "head",
            Self::Prefetch => "prefetch",
        }
    }

    /// Reads the column `said`.
    pub(super) fn from_text(text: &str) -> Self {
        match text {
            "head" => Self::Head,
            "prefetch" => Self::Prefetch,
            _ => Self::Nothing,
        }
    }
}

impl Timing {
    /// As the column `timing` has it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Known => "",
            Self::BeforeAccept => "before_accept",
            Self::ClockSet => "clock_set",
        }
    }

    /// Reads the column `timing`.
    pub(super) fn from_text(text: &str) -> Self {
        match text {
            "before_accept" => Self::BeforeAccept,
            "clock_set" => Self::ClockSet,
            _ => Self::Known,
        }
    }
}

/// Stores a hit. One that begins a new look stands in the feed from then on.
pub fn insert(conn: &Conn, hit: &NewHit) -> Result<HitId> {
    let id = activity::next_id(conn)?;
    conn.prepare_cached(
        "INSERT INTO hit (id, campaign_id, message_id, at, class, reason, rule_version, client, user_agent, network,
           client_hash, new_look, address_hash, network_label, tables, said, timing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?
    .execute(rusqlite::params![
        id,
        hit.campaign.0,
        hit.message.0,
        to_millis(hit.at),
        hit.class.as_str(),
        hit.reason,
        hit.rule_version,
        &hit.client,
        &hit.user_agent,
        &hit.network,
        hit.client_hash,
        hit.new_look,
        hit.address_hash.as_ref().map_or(&[][..], |hash| &hash[..]),
        hit.label.map_or("", Network::as_str),
        networks::TABLES,
        hit.said.as_str(),
        hit.timing.as_str(),
    ])?;
    Ok(HitId(id))
}

/// Returns when the client's last stored hit of this class on this message came.
pub fn last_of_client(
    conn: &Conn,
    message: MessageId,
    client_hash: &[u8; 16],
    class: HitClass,
) -> Result<Option<Instant>> {
    let at: Option<i64> = conn
        .prepare_cached("SELECT max(at) FROM hit WHERE message_id = ?1 AND client_hash = ?2 AND class = ?3")?
        .query_row((message.0, client_hash, class.as_str()), |row| row.get(0))?;
    Ok(at.map(from_millis))
}

/// Tells whether a hit of this class and client is stored of this message.
pub fn has_kind(conn: &Conn, message: MessageId, class: HitClass, client: &str) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM hit WHERE message_id = ?1 AND class = ?2 AND client = ?3)",
        )?
        .query_row((message.0, class.as_str(), client), |row| row.get(0))?)
}

/// Returns the key under which a campaign's clients are hashed; `fresh` becomes it where there is none.
pub fn client_key(conn: &Conn, campaign: CampaignId, fresh: [u8; 32]) -> Result<[u8; 32]> {
    let stored: Option<Vec<u8>> = conn
        .prepare_cached("SELECT client_key FROM campaign WHERE id = ?1")?
        .query_row([campaign.0], |row| row.get(0))?;
    match stored.and_then(|bytes| bytes.try_into().ok()) {
        Some(key) => Ok(key),
        // None yet, or the last one was destroyed with the evidence that it stood for.
        None => {
            conn.prepare_cached("UPDATE campaign SET client_key = ?2 WHERE id = ?1")?
                .execute((campaign.0, fresh))?;
            Ok(fresh)
        }
    }
}

/// Notes that a mail arrived whose hand-over was uncertain: its pixel was fetched.
///
/// It counts as accepted from when its hand-over began, the earliest moment that is known.
pub fn prove_arrival(conn: &Conn, message: &FoundMessage, at: Instant) -> Result<()> {
    conn.prepare_cached(
        "UPDATE message
         SET state = 'accepted', accepted_at = coalesce(accepted_at, handing_over_at, ?2)
         WHERE id = ?1 AND state = 'uncertain'",
    )?
    .execute((message.id.0, to_millis(at)))?;
    conn.prepare_cached(
        "INSERT INTO message_event (message_id, at, kind, reply) VALUES (?1, ?2, 'accepted', ?3)",
    )?
    .execute((
        message.id.0,
        to_millis(at),
        "its pixel was fetched, so it has arrived",
    ))?;
    Ok(())
}

/// Asks for a campaign's hits to be judged again at `at`, or sooner where that was asked for.
pub fn judge_again(conn: &Conn, campaign: CampaignId, at: Instant) -> Result<()> {
    conn.prepare_cached("UPDATE campaign SET judge_at = min(coalesce(judge_at, ?2), ?2) WHERE id = ?1")?
        .execute((campaign.0, to_millis(at)))?;
    Ok(())
}

/// Notes the last prefetch by Apple's mail privacy for a person.
pub fn note_mpp(conn: &Conn, contact: ContactId, at: Instant) -> Result<()> {
    conn.prepare_cached("UPDATE contact SET mpp_seen_at = max(coalesce(mpp_seen_at, 0), ?2) WHERE id = ?1")?
        .execute((contact.0, to_millis(at)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::testing;

    #[test]
    fn a_token_is_found_by_an_index() {
        let conn = testing::memory();
        let plan = testing::plan(&conn, FIND_MESSAGE, &[&[0_u8; 16]]);
        assert!(plan.contains("SEARCH m USING INDEX"), "{plan}");
        assert!(!plan.contains("SCAN"), "nothing is read to its end: {plan}");
    }
}
