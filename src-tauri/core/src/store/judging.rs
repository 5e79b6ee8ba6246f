//! Reading a campaign's hits with their evidence, to judge them again. What comes of it is written by `rollup`.

use super::{Conn, Result, instant, word};
use crate::clock::{Instant, from_millis, to_millis};
use crate::domain::open::HitClass;
use crate::ids::{CampaignId, HitId, MessageId};
use crate::tracking::judge::{Mail, Said, Timing};
use crate::tracking::networks::Network;
use rusqlite::OptionalExtension;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

/// A hit with its evidence and the verdict that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub id: HitId,
    /// Whose pixel it was.
    pub message: MessageId,
    /// When it came.
    pub at: Instant,
    /// Its class.
    pub class: HitClass,
    /// The rule.
    pub reason: String,
    /// The rules' version.
    pub rule_version: u32,
    /// It begins a look.
    pub new_look: bool,
    /// As it was sent. Thousands of hits share a few.
    pub user_agent: Rc<str>,
    /// What the request said.
    pub said: Said,
    /// How far its time holds.
    pub timing: Timing,
    /// IPv4 /24 or IPv6 /48; empty where the source is unknown.
    pub network: String,
    /// The same for the same address; empty where the source is unknown.
    pub address: Vec<u8>,
    /// Whose network it came from.
    pub label: Option<Network>,
    /// Hits with the same one are one client.
    pub client: Vec<u8>,
}

/// Returns a campaign's hits that still have their evidence, and the mails that they belong to.
///
/// Reads them all: what a hit means depends on the others. About 300 bytes of memory for each.
pub fn load(conn: &Conn, campaign: CampaignId) -> Result<(HashMap<MessageId, Mail>, Vec<Row>)> {
    let tried_out: bool = conn
        .prepare_cached(
            "SELECT c.practice OR coalesce(r.tried_out, 0)
             FROM campaign c LEFT JOIN route r ON r.id = c.route_id WHERE c.id = ?1",
        )?
        .query_row([campaign.0], |row| row.get(0))
        .optional()?
        .unwrap_or(false);
    // The ledger is walked, and each message's hits are found by their index: hits of all campaigns stand together.
    let mut statement = conn.prepare_cached(
        "SELECT h.id, h.message_id, h.at, h.class, h.reason, h.rule_version, h.new_look, h.user_agent, h.said, h.timing,
           h.network, h.address_hash, h.network_label, h.client_hash, m.accepted_at,
           iif(m.state = 'uncertain', m.handing_over_at, NULL) AS handed_at,
           lower(substr(m.email, instr(m.email, '@') + 1)) AS domain
         FROM message m CROSS JOIN hit h ON h.message_id = m.id
         WHERE m.campaign_id = ?1 AND m.hits > 0 AND h.settled = 0",
    )?;
    let mut mails = HashMap::new();
    let mut agents: HashMap<String, Rc<str>> = HashMap::new();
    let mut hits = Vec::new();
    let mut rows = statement.query([campaign.0])?;
    while let Some(row) = rows.next()? {
        let message = MessageId(row.get(1)?);
        if let Entry::Vacant(place) = mails.entry(message) {
            place.insert(Mail {
                accepted_at: instant(row, 14)?.or(instant(row, 15)?),
                domain: row.get(16)?,
                tried_out,
            });
        }
        let agent: String = row.get(7)?;
        let user_agent = match agents.get(&agent) {
            Some(known) => known.clone(),
            None => {
                let kept: Rc<str> = agent.as_str().into();
                agents.insert(agent, kept.clone());
                kept
            }
        };
        hits.push(Row {
            id: HitId(row.get(0)?),
            message,
            at: from_millis(row.get(2)?),
            class: word(row, 3)?,
            reason: row.get(4)?,
            rule_version: row.get(5)?,
            new_look: row.get(6)?,
            user_agent,
            said: Said::from_text(&row.get::<_, String>(8)?),
            timing: Timing::from_text(&row.get::<_, String>(9)?),
            network: row.get(10)?,
            address: row.get(11)?,
            label: Network::parse(&row.get::<_, String>(12)?),
            client: row.get(13)?,
        });
    }
    Ok((mails, hits))
}

/// Tells whether a campaign has hits whose evidence is gone: what they would show of the others is not known any more.
pub fn has_settled(conn: &Conn, campaign: CampaignId) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM message m CROSS JOIN hit h ON h.message_id = m.id
                            WHERE m.campaign_id = ?1 AND m.hits > 0 AND h.settled = 1)",
        )?
        .query_row([campaign.0], |row| row.get(0))?)
}

/// Takes a campaign's hits to be judged, until `lease`: another pass is due then, unless this one settles what comes
/// next. A hit that comes in between asks for its own.
pub fn claim(conn: &Conn, campaign: CampaignId, lease: Instant) -> Result<()> {
    conn.prepare_cached("UPDATE campaign SET judge_at = ?2 WHERE id = ?1")?
        .execute((campaign.0, to_millis(lease)))?;
    Ok(())
}

/// Notes that a campaign's hits were judged at `now`, and when that is due again; `None` for never.
pub fn done(
    conn: &Conn,
    campaign: CampaignId,
    lease: Instant,
    now: Instant,
    next: Option<Instant>,
) -> Result<()> {
    conn.prepare_cached(
        "UPDATE campaign
         SET judged_at = ?4, judge_at = CASE WHEN judge_at = ?2 THEN ?3 ELSE min(judge_at, coalesce(?3, judge_at)) END
         WHERE id = ?1",
    )?
    .execute((campaign.0, to_millis(lease), next.map(to_millis), to_millis(now)))?;
    Ok(())
}

/// Returns the campaign whose hits are to be judged next, and when.
pub fn next(conn: &Conn) -> Result<Option<(CampaignId, Instant)>> {
    Ok(conn
        .prepare_cached(
            "SELECT id, judge_at FROM campaign WHERE judge_at IS NOT NULL ORDER BY judge_at LIMIT 1",
        )?
        .query_row([], |row| Ok((CampaignId(row.get(0)?), from_millis(row.get(1)?))))
        .optional()?)
}

/// Returns when a campaign's hits are to be judged next.
pub fn due(conn: &Conn, campaign: CampaignId) -> Result<Option<Instant>> {
    Ok(conn
        .prepare_cached("SELECT judge_at FROM campaign WHERE id = ?1")?
        .query_row([campaign.0], |row| instant(row, 0))
        .optional()?
        .flatten())
}

/// Asks for all hits to be judged again at `now` that have their evidence; returns of how many campaigns.
///
/// For another version of the rules or tables: looks at each campaign's mails once.
pub fn all_again(conn: &Conn, now: Instant) -> Result<usize> {
    Ok(conn.execute(
        "UPDATE campaign SET judge_at = min(coalesce(judge_at, ?1), ?1)
         WHERE id IN (SELECT m.campaign_id FROM message m
                      WHERE m.hits > 0 AND EXISTS (SELECT 1 FROM hit WHERE message_id = m.id AND settled = 0))",
        [to_millis(now)],
    )?)
}

/// Returns the campaigns that have hits with their evidence.
pub fn campaigns(conn: &Conn) -> Result<Vec<CampaignId>> {
    let mut statement = conn.prepare_cached(
        "SELECT id FROM campaign c
         WHERE EXISTS (SELECT 1 FROM message m CROSS JOIN hit h ON h.message_id = m.id
                       WHERE m.campaign_id = c.id AND m.hits > 0 AND h.settled = 0)
         ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| row.get(0).map(CampaignId))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
