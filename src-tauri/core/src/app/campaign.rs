//! Campaigns as drafts and rows: what their author writes, and what lists show of them.

use super::engine::Engine;
use super::error::sentence;
use super::{attachments, sending, settings, standing};
use crate::api::{
    AccountKind, Audience, Campaign, CampaignCap, CampaignDuplicate, CampaignFile, CampaignGet, CampaignList,
    CampaignListResponse, CampaignRemove, CampaignRow, CampaignSave, CampaignSaved, Done, Error, Result, Tag,
};
use crate::clock::Instant;
use crate::domain::campaign::{CampaignState, CampaignTracking};
use crate::domain::limits::Own;
use crate::domain::window::WindowSpec;
use crate::ids::{AccountId, CampaignId, ListId};
use crate::render::document::{self, Document, MAX_BLOCKS};
use crate::render::markdown;
use crate::store::campaign::{self, Change, Head};
use crate::store::{Conn, account, attachment, closing, list, message, report};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Mails after which the pace so far says when sending will end, for accounts without a limit.
const ENOUGH_FOR_PACE: u32 = 20;

/// Lists all campaigns, newest first.
pub fn list(engine: &Arc<Engine>, _request: CampaignList) -> Result<CampaignListResponse> {
    let moment = super::report::moment(engine);
    engine.read(|conn| {
        Ok(CampaignListResponse {
            campaigns: campaign::list(conn)?
                .iter()
                .map(|head| row(conn, engine, head, moment))
                .collect::<Result<_>>()?,
        })
    })
}

/// Returns one campaign with its document.
pub fn get(engine: &Arc<Engine>, request: CampaignGet) -> Result<Campaign> {
    let moment = super::report::moment(engine);
    engine.read(|conn| {
        let campaign = find(conn, request.id)?;
        let end = closing::end(conn, request.id)?;
        Ok(Campaign {
            row: row(conn, engine, &campaign.head, moment)?,
            preheader: campaign.preheader,
            account: campaign.head.account,
            also: campaign.also,
            audience: campaign.audience,
            window_spec: campaign.window_spec,
            tracking: campaign.head.tracking,
            postal_address: campaign.postal_address,
            document: campaign.document,
            cap: CampaignCap {
                hits: campaign.own.hits,
                machine_hits: campaign.own.machine_hits,
                tracked_mails: campaign.own.tracked_mails,
            },
            grace_days: campaign.own.grace_days,
            late_counted_until: end.late_counted_until,
            closed_at: end.closed_at,
            closing: end.closing,
        })
    })
}

/// Returns a campaign, or the error that there is none.
pub(crate) fn find(conn: &Conn, id: CampaignId) -> Result<campaign::Campaign> {
    campaign::find(conn, id)?.ok_or_else(|| Error::not_found("campaign", id))
}

/// Returns what lists show of a campaign.
pub(crate) fn row(conn: &Conn, engine: &Engine, head: &Head, moment: report::Moment) -> Result<CampaignRow> {
    // A draft may still have rows of a preparation that is being thrown away.
    let counts = match head.state {
        CampaignState::Draft => BTreeMap::new(),
        _ => message::counts(conn, head.id)?,
    };
    let expected_end = match head.state {
        CampaignState::Running => expected_end(conn, engine, head, &counts, moment.now)?,
        _ => None,
    };
    Ok(CampaignRow {
        id: head.id,
        name: head.name.clone(),
        subject: head.subject.clone(),
        state: head.state,
        first_mail_at: head.first_mail_at,
        launched_at: head.launched_at,
        finished_at: head.finished_at,
        rate: match head.state.is_launched() {
            true => Some(report::rate_parts(conn, head.id, moment)?),
            false => None,
        },
        counts,
        window: head.window,
        expected_end,
        scheduled: head.scheduled && head.begun_at.is_none(),
        problem: head.problem.clone(),
        practice: head.practice,
        sample: head.sample,
        updated_at: head.updated_at,
    })
}

/// Returns how many of a campaign's messages have not left.
pub(crate) fn waiting(counts: &BTreeMap<String, u32>) -> u32 {
    ["planned", "queued", "deferred", "handing_over"]
        .iter()
        .filter_map(|state| counts.get(*state))
        .sum()
}

/// Returns how many mails a minute a campaign has sent so far; `None` before that says anything.
pub(crate) fn pace_so_far(head: &Head, counts: &BTreeMap<String, u32>, now: Instant) -> Option<f64> {
    let accepted = counts.get("accepted").copied().unwrap_or(0);
    let passed = (now - head.begun_at?).num_milliseconds();
    if accepted < ENOUGH_FOR_PACE || passed <= 0 {
        return None;
    }
    Some(f64::from(accepted) * 60_000.0 / passed as f64)
}

/// Returns when sending will end: by the accounts' limits and what they have sent, or by the pace so far.
fn expected_end(
    conn: &Conn,
    engine: &Engine,
    head: &Head,
    counts: &BTreeMap<String, u32>,
    now: Instant,
) -> Result<Option<Instant>> {
    Ok(standing::of_campaign(conn, engine, head, counts, now)?.map(|forecast| forecast.finishes_at))
}

/// Returns a campaign as `request` would save it, so that it can be looked at while it is being written.
pub(crate) fn unsaved(conn: &Conn, request: &CampaignSave) -> Result<campaign::Campaign> {
    let before = match request.id {
        Some(id) => find(conn, id)?,
        None => blank(),
    };
    written(conn, request, before)
}

/// Adds a campaign or changes one.
pub fn save(engine: &Arc<Engine>, request: CampaignSave) -> Result<CampaignSaved> {
    check_texts(&request)?;
    let (now, zone) = (engine.clock.now(), engine.zone.clone());
    let (id, void) = engine.write(&[Tag::Campaigns], move |conn| {
        check_references(conn, &request, now, &zone)?;
        match request.id {
            None => {
                let campaign = written(conn, &request, blank())?;
                Ok((campaign::insert(conn, &campaign, now)?, false))
            }
            Some(id) => change(conn, id, &request, now).map(|void| (id, void)),
        }
    })?;
    if void {
        sending::discard_ledger(engine, id)?;
    }
    Ok(CampaignSaved { id })
}

/// Changes a draft or a prepared campaign; tells whether a preparation became void by it.
fn change(conn: &Conn, id: CampaignId, request: &CampaignSave, now: Instant) -> Result<bool> {
    let before = find(conn, id)?;
    let name = &before.head.name;
    if !before.head.state.is_editable() {
        return Err(Error::conflict(match before.head.state {
            CampaignState::Preparing => {
                format!("{name} is being prepared. Wait until that has ended, or cancel it.")
            }
            _ => {
                format!("{name} was launched, so it cannot be changed any more. Copy it into a new campaign.")
            }
        }));
    }
    let after = written(conn, request, before.clone())?;
    let same = before.head.subject == after.head.subject
        && before.preheader == after.preheader
        && before.head.account == after.head.account
        && before.audience == after.audience
        && before.document == after.document
        && before.head.tracking == after.head.tracking
        && before.postal_address == after.postal_address
        && before.own == after.own;
    let change = if same { Change::Label } else { Change::Content };
    campaign::update(conn, &after, change, now)?;
    let void = !same && before.head.state == CampaignState::Prepared;
    if void {
        campaign::make_draft(conn, id, now)?;
    }
    Ok(void)
}

/// Writes a request into `campaign`. What it leaves out stays.
fn written(
    conn: &Conn,
    request: &CampaignSave,
    mut campaign: campaign::Campaign,
) -> Result<campaign::Campaign> {
    campaign.head.practice = match request.account {
        Some(id) => account::get(conn, id)?.kind == AccountKind::Outbox,
        None => false,
    };
    campaign.head.name = request.name.trim().to_owned();
    campaign.head.subject = request.subject.trim().to_owned();
    campaign.head.account = request.account;
    if let Some(also) = &request.also {
        campaign.also = also
            .iter()
            .copied()
            .filter(|id| Some(*id) != request.account)
            .collect();
    }
    if let Some(tracking) = request.tracking {
        campaign.head.tracking = tracking;
    }
    campaign.preheader = request.preheader.trim().to_owned();
    campaign.audience = request.audience.clone();
    campaign.postal_address = request.postal_address.trim().to_owned();
    if let Some(window) = &request.window {
        campaign.window_spec = window.clone();
    }
    if let Some(document) = &request.document {
        campaign.document = document.clone();
    }
    if let Some(cap) = request.cap {
        campaign.own = Own {
            grace_days: campaign.own.grace_days,
            hits: cap.hits,
            machine_hits: cap.machine_hits,
            tracked_mails: cap.tracked_mails,
        };
    }
    if let Some(days) = request.grace_days {
        campaign.own.grace_days = days;
    }
    Ok(campaign)
}

/// Returns an empty draft; the store fills in its times.
fn blank() -> campaign::Campaign {
    campaign::Campaign {
        head: Head {
            id: CampaignId(0),
            name: String::new(),
            subject: String::new(),
            account: None,
            state: CampaignState::Draft,
            updated_at: Instant::UNIX_EPOCH,
            revision: 1,
            prepared_revision: None,
            route: None,
            launched_at: None,
            first_mail_at: None,
            finished_at: None,
            window: None,
            tracking: CampaignTracking::Individual,
            begun_at: None,
            scheduled: false,
            has_quiet: false,
            problem: None,
            practice: false,
            sample: false,
        },
        preheader: String::new(),
        audience: Audience::default(),
        window_spec: WindowSpec::Days { days: 30, zone: None },
        document: Document::default(),
        postal_address: String::new(),
        shared_token: None,
        imprint: None,
        own: Own::default(),
        also: Vec::new(),
    }
}

/// Checks what can be told without the database: lengths, and characters that could end a header.
fn check_texts(request: &CampaignSave) -> Result<()> {
    let name = request.name.trim();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(Error::field(
            "name",
            "A campaign's name has 1 to 200 characters and no line breaks.",
        ));
    }
    for (field, text) in [("subject", &request.subject), ("preheader", &request.preheader)] {
        if text.trim().chars().any(char::is_control) {
            return Err(Error::field(
                field,
                format!("The {field} contains a line break or another control character. Take it out."),
            ));
        }
        if text.chars().count() > 300 {
            return Err(Error::field(
                field,
                format!("The {field} is longer than 300 characters. Shorten it."),
            ));
        }
    }
    let address = &request.postal_address;
    if address.trim().chars().any(|c| c.is_control() && c != '\n') || address.chars().count() > 500 {
        return Err(Error::field(
            "postal_address",
            "The postal address has at most 500 characters, and no control characters but line breaks.",
        ));
    }
    if let Some(document) = &request.document
        // Half-written blocks are fine in a draft; preview and preflight say what is missing.
        && (document.version != document::VERSION || document.blocks.len() > MAX_BLOCKS)
    {
        return Err(Error::field(
            "document",
            format!(
                "The mail must be a document of version {} with at most {MAX_BLOCKS} blocks.",
                document::VERSION
            ),
        ));
    }
    Ok(())
}

/// Checks that what a request names exists.
fn check_references(conn: &Conn, request: &CampaignSave, now: Instant, zone: &str) -> Result<()> {
    if let Some(id) = request.account
        && account::find(conn, id)?.is_none()
    {
        return Err(Error::field("account", format!("There is no account {id}.")));
    }
    for id in request.audience.include.iter().chain(&request.audience.exclude) {
        if list::name(conn, *id)?.is_none() {
            return Err(Error::field("audience", format!("There is no list {id}.")));
        }
    }
    let settings = settings::load(conn, zone)?;
    if let Some(window) = &request.window {
        window.resolve(now, &settings.zone)?;
    }
    let cap = request.cap.unwrap_or_default();
    let own = Own {
        grace_days: request.grace_days.flatten(),
        hits: cap.hits,
        machine_hits: cap.machine_hits,
        tracked_mails: cap.tracked_mails,
    };
    if own == Own::default() {
        return Ok(());
    }
    own.over(settings::limits(&settings)).check().map_err(|error| {
        settings::refuse(
            error,
            ["grace_days", "cap.hits", "cap.machine_hits", "cap.tracked_mails"],
        )
    })
}

/// Adds a campaign as a file describes it.
pub fn create(engine: &Arc<Engine>, request: CampaignFile) -> Result<CampaignSaved> {
    let document = match (request.markdown, request.document) {
        (Some(_), Some(_)) => {
            return Err(Error::field(
                "markdown",
                "The file has both \"markdown\" and \"document\". Keep one of them.",
            ));
        }
        (Some(text), None) => Some(
            markdown::from_markdown(&text)
                .map_err(|error| Error::field("markdown", sentence(&error.to_string())))?,
        ),
        (None, document) => document,
    };
    let (account, audience) = engine.read(|conn| {
        let account = match &request.account {
            Some(name) => Some(account_called(conn, name)?),
            None => None,
        };
        let audience = Audience {
            include: lists_called(conn, &request.audience.include)?,
            exclude: lists_called(conn, &request.audience.exclude)?,
        };
        Ok((account, audience))
    })?;
    let paths: Vec<PathBuf> = request.attachments.iter().map(PathBuf::from).collect();
    let saved = save(
        engine,
        CampaignSave {
            id: None,
            name: request.name,
            subject: request.subject,
            preheader: request.preheader,
            account,
            also: None,
            audience,
            window: request.window,
            tracking: request.tracking,
            postal_address: request.postal_address,
            document,
            cap: request.cap,
            grace_days: request.grace_days.map(Some),
        },
    )?;
    // All of it or nothing: a campaign without one of its files would be another one.
    if let Err(error) = attachments::add_all(engine, saved.id, &paths) {
        remove(engine, CampaignRemove { id: saved.id })?;
        return Err(error);
    }
    Ok(saved)
}

fn account_called(conn: &Conn, name: &str) -> Result<AccountId> {
    account::find_by_name(conn, name)?
        .map(|account| account.id)
        .ok_or_else(|| Error::field("account", format!("There is no account called {name:?}.")))
}

fn lists_called(conn: &Conn, names: &[String]) -> Result<Vec<ListId>> {
    names
        .iter()
        .map(|name| {
            list::by_name(conn, name)?
                .ok_or_else(|| Error::field("audience", format!("There is no list called {name:?}.")))
        })
        .collect()
}

/// Copies a campaign into a new draft: what its author wrote and its files, nothing of its ledger.
pub fn duplicate(engine: &Arc<Engine>, request: CampaignDuplicate) -> Result<CampaignSaved> {
    let now = engine.clock.now();
    engine.write(&[Tag::Campaigns], move |conn| {
        let mut campaign = find(conn, request.id)?;
        let name: String = campaign.head.name.chars().take(190).collect();
        campaign.head.name = format!("Copy of {name}");
        campaign.head.sample = false;
        campaign.head.practice = match campaign.head.account {
            Some(id) => account::get(conn, id)?.kind == AccountKind::Outbox,
            None => false,
        };
        let id = campaign::insert(conn, &campaign, now)?;
        attachment::copy(conn, request.id, id)?;
        Ok(CampaignSaved { id })
    })
}

/// Removes a draft or an ended campaign with all that belongs to it.
pub fn remove(engine: &Arc<Engine>, request: CampaignRemove) -> Result<Done> {
    let (now, id) = (engine.clock.now(), request.id);
    engine.write(&[Tag::Campaigns, Tag::Opens], move |conn| {
        let head = campaign::find_head(conn, id)?.ok_or_else(|| Error::not_found("campaign", id))?;
        match head.state {
            CampaignState::Preparing | CampaignState::Running | CampaignState::Paused => {
                Err(Error::conflict(format!(
                    "{} is not over. Cancel it first, then remove it.",
                    head.name
                )))
            }
            // Out of sight first: its ledger goes in chunks, and half a ledger must not be reported on.
            _ => Ok(campaign::make_draft(conn, id, now)?),
        }
    })?;
    sending::discard_ledger(engine, id)?;
    engine.write(
        &[Tag::Campaigns, Tag::Opens, Tag::Outbox, Tag::Activity],
        move |conn| Ok(campaign::remove(conn, id)?),
    )?;
    attachments::sweep(engine);
    let folder = engine.workspace.outbox().join(id.to_string());
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the mails of a removed campaign are still in {}", folder.display());
        }
        _ => {}
    }
    Ok(Done {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_told_by_enough_mails_only() {
        let at = |secs: i64| crate::clock::from_millis(secs * 1000);
        let head = Head {
            begun_at: Some(at(0)),
            ..blank().head
        };
        let counts = |n| BTreeMap::from([("accepted".to_owned(), n), ("queued".to_owned(), 100)]);
        assert_eq!(
            pace_so_far(&head, &counts(50), at(100)),
            Some(30.0),
            "a mail every two seconds"
        );
        assert_eq!(
            pace_so_far(&head, &counts(3), at(1)),
            None,
            "three mails tell nothing"
        );
        assert_eq!(
            pace_so_far(&blank().head, &counts(50), at(1)),
            None,
            "it has not begun"
        );
        assert_eq!(waiting(&counts(50)), 100);
    }
}
