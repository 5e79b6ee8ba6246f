//! Prepare, audit, launch, control.
//!
//! Preparing fills the ledger, invisible until launch, and audits every mail; a crash in between is discarded at
//! the next start. Launching is one small transaction: what was prepared must still be so.

mod fill;

use super::engine::Engine;
use super::preflight::{self, Facts, For};
use super::{sending, settings, upkeep};
use crate::api::{
    ActivityKind, CampaignCancel, CampaignLaunch, CampaignPause, CampaignPreflight, CampaignPrepare,
    CampaignResume, CampaignUnprepare, CampaignWindowEnd, CampaignWindowSet, Code, Done, Error, Finding,
    FindingLevel, JobStarted, Preflight, Result, Settings, Tag,
};
use crate::clock::Instant;
use crate::domain::campaign::CampaignState;
use crate::domain::window::{Position, Window, WindowSpec, parse_zone};
use crate::engine::jobs::Progress;
use crate::ids::CampaignId;
use crate::store::activity::{self, NewActivity};
use crate::store::campaign::{self, Change, Frozen, Head, Launch};
use crate::store::{Conn, Priority, closing, message};
use crate::tracking::token::Token;
use chrono::TimeDelta;
use std::sync::Arc;

/// The longest delay before the first mail, in seconds.
const MAX_DELAY_SECS: u32 = 600;

fn head(conn: &Conn, id: CampaignId) -> Result<Head> {
    campaign::find_head(conn, id)?.ok_or_else(|| Error::not_found("campaign", id))
}

/// Notes in the feed what happened to a campaign.
fn note(conn: &Conn, id: CampaignId, now: Instant, text: &str) -> Result<()> {
    Ok(activity::add(
        conn,
        now,
        &NewActivity::new(ActivityKind::Campaign, text).of(id),
    )?)
}

/// Fills the ledger of a campaign and audits every mail, as a job whose result is a [`Preflight`].
pub fn prepare(engine: &Arc<Engine>, request: CampaignPrepare) -> Result<JobStarted> {
    let id = request.id;
    let now = engine.clock.now();
    let name = engine.write(&[Tag::Campaigns], move |conn| {
        let head = head(conn, id)?;
        match head.state {
            CampaignState::Draft => {}
            CampaignState::Prepared => campaign::make_draft(conn, id, now)?,
            CampaignState::Preparing => {
                return Err(Error::conflict(format!(
                    "{} is being prepared already.",
                    head.name
                )));
            }
            _ => {
                return Err(Error::conflict(format!(
                    "{} was launched. Copy it into a new campaign to send it again.",
                    head.name
                )));
            }
        }
        campaign::advance(conn, id, CampaignState::Preparing, now)?;
        Ok(head.name)
    })?;
    let job = engine.jobs.start(format!("Preparing {name}"), {
        let engine = engine.clone();
        move |progress| {
            let result = fill_and_audit(&engine, id, progress);
            if !matches!(&result, Ok(preflight) if preflight.prepared) {
                back_to_draft(&engine, id)?;
            }
            engine.announce(&[Tag::Campaigns]);
            result
        }
    });
    Ok(JobStarted { job })
}

fn back_to_draft(engine: &Engine, id: CampaignId) -> Result<()> {
    let now = engine.clock.now();
    engine.write(&[Tag::Campaigns], move |conn| {
        Ok(campaign::make_draft(conn, id, now)?)
    })?;
    sending::discard_ledger(engine, id)
}

fn fill_and_audit(engine: &Arc<Engine>, id: CampaignId, progress: &Progress) -> Result<Preflight> {
    progress.step(0, None)?;
    sending::discard_ledger(engine, id)?;
    let facts = preflight::facts(engine, id, For::Sending)?;
    let Some(imprint) = facts.imprint() else {
        return Ok(preflight::answer(&facts, None));
    };
    if facts.audience == 0 || facts.letterhead().is_err() {
        return Ok(preflight::answer(&facts, None));
    }
    let frozen = Frozen {
        route: facts.route.id,
        imprint,
        shared_token: Token::generate(&*engine.entropy),
        practice: facts.is_practice(),
        limits: facts.campaign.own.over(settings::limits(&facts.settings)),
    };
    let cap = frozen.limits.tracked_mails;
    engine
        .db
        .write(Priority::Bulk, move |conn| campaign::freeze(conn, id, &frozen))
        .map_err(Error::from)?;
    let mut prepared = fill::plan_and_audit(engine, &facts, cap, progress)?;
    prepared.findings.extend(login(engine, &facts)?);
    let preflight = preflight::answer(&facts, Some(prepared));
    let (now, revision) = (engine.clock.now(), facts.campaign.head.revision);
    let text = serde_json::to_string(&preflight).map_err(|error| {
        Error::new(
            Code::Internal,
            format!("the preparation's result is no JSON: {error}"),
        )
    })?;
    engine.write(&[Tag::Campaigns], move |conn| {
        campaign::set_preflight(conn, id, revision, &text)?;
        campaign::advance(conn, id, CampaignState::Prepared, now)?;
        Ok(())
    })?;
    Ok(preflight)
}

/// Checks that the account can log in; what is wrong blocks the launch.
fn login(engine: &Arc<Engine>, facts: &Facts) -> Result<Option<Finding>> {
    let Some(account) = &facts.account else {
        return Ok(None);
    };
    let result = super::account::probe(engine, account)?;
    Ok((!result.ok).then(|| Finding {
        level: FindingLevel::Error,
        id: "account_cannot_log_in".into(),
        message: result.sentence,
        block: None,
        recipients: 0,
        examples: Vec::new(),
    }))
}

/// Tells how a campaign stands: what is wrong with it, what was prepared.
pub fn preflight(engine: &Arc<Engine>, request: CampaignPreflight) -> Result<Preflight> {
    preflight::standing(engine, request.id)
}

/// Takes a prepared campaign back to a draft.
pub fn unprepare(engine: &Arc<Engine>, request: CampaignUnprepare) -> Result<Done> {
    let (id, now) = (request.id, engine.clock.now());
    engine.write(&[Tag::Campaigns], move |conn| {
        let head = head(conn, id)?;
        if head.state != CampaignState::Prepared {
            return Err(Error::conflict(format!("{} is not prepared.", head.name)));
        }
        Ok(campaign::make_draft(conn, id, now)?)
    })?;
    sending::discard_ledger(engine, id)?;
    Ok(Done {})
}

/// Launches a prepared campaign.
///
/// Refused where anything blocks, where warnings were not confirmed, and where what was prepared has changed.
pub fn launch(engine: &Arc<Engine>, request: CampaignLaunch) -> Result<Done> {
    let id = request.id;
    if request.delay_secs > MAX_DELAY_SECS {
        return Err(Error::field(
            "delay_secs",
            format!("The first mail can wait for at most {MAX_DELAY_SECS} seconds."),
        ));
    }
    let facts = preflight::facts(engine, id, For::Sending)?;
    refuse_unprepared(&facts)?;
    refuse_findings(&preflight::standing_of(engine, &facts)?, request.confirmed)?;
    engine.read(|conn| refuse_changes(conn, &facts))?;
    let now = engine.clock.now();
    let first_mail_at = now + TimeDelta::seconds(i64::from(request.delay_secs));
    let launched = facts.campaign.clone();
    let zone = match &launched.window_spec {
        WindowSpec::Days { zone: Some(zone), .. } | WindowSpec::Dates { zone, .. } => zone.clone(),
        WindowSpec::Days { zone: None, .. } => facts.settings.zone.clone(),
    };
    let window = launched.window_spec.resolve(now, &zone)?;
    engine.write(&[Tag::Campaigns, Tag::Activity], move |conn| {
        let head = head(conn, id)?;
        let same = head.state == CampaignState::Prepared
            && head.revision == launched.head.revision
            && head.route == launched.head.route;
        if !same {
            return Err(changed(&head.name, "it was changed"));
        }
        campaign::launch(
            conn,
            id,
            &Launch {
                at: now,
                first_mail_at,
                window,
                zone,
            },
        )?;
        message::enqueue(conn, id, first_mail_at, now, sending::CHUNK)?;
        note(conn, id, now, "Launched.")
    })?;
    // The rest is queued by the dispatcher, in chunks: nobody waits for it.
    sending::wake(engine);
    Ok(Done {})
}

fn refuse_unprepared(facts: &Facts) -> Result<()> {
    let head = &facts.campaign.head;
    match head.state {
        CampaignState::Prepared if head.prepared_revision == Some(head.revision) => Ok(()),
        CampaignState::Draft | CampaignState::Prepared => {
            Err(match facts.findings(facts.audience).into_iter().find(blocks) {
                Some(found) => Error::conflict(found.message),
                None => Error::conflict(format!("{} is not prepared. Prepare it first.", head.name)),
            })
        }
        CampaignState::Preparing => Err(Error::conflict(format!("{} is still being prepared.", head.name))),
        _ => Err(Error::conflict(format!("{} was launched already.", head.name))),
    }
}

fn blocks(found: &Finding) -> bool {
    found.level == FindingLevel::Error
}

fn refuse_findings(preflight: &Preflight, confirmed: bool) -> Result<()> {
    if let Some(found) = preflight.findings.iter().find(|found| blocks(found)) {
        return Err(Error::conflict(found.message.clone()));
    }
    let warnings: Vec<&str> = preflight
        .findings
        .iter()
        .filter(|found| found.level == FindingLevel::Warning)
        .map(|found| found.message.as_str())
        .collect();
    if !warnings.is_empty() && !confirmed {
        return Err(Error::conflict(format!(
            "{} Confirm the launch to send all the same.",
            warnings.join(" ")
        )));
    }
    Ok(())
}

fn changed(name: &str, what: &str) -> Error {
    Error::conflict(format!("{name} must be prepared again: {what} since."))
}

/// Refuses where something that the audit relied on is no longer so.
fn refuse_changes(conn: &Conn, facts: &Facts) -> Result<()> {
    let campaign = &facts.campaign;
    let name = &campaign.head.name;
    if campaign.head.route != Some(facts.route.id) {
        return Err(changed(name, "the address that mails carry was changed"));
    }
    if campaign.imprint != facts.imprint() {
        return Err(changed(name, "the settings or the account were changed"));
    }
    let ledger: u32 = message::counts(conn, campaign.head.id)?.values().sum();
    if ledger != facts.audience {
        return Err(changed(name, "people joined or left its audience"));
    }
    match message::changed_since_planned(conn, campaign.head.id)? {
        0 => Ok(()),
        1 => Err(changed(name, "one of its recipients was changed")),
        n => Err(changed(name, &format!("{n} of its recipients were changed"))),
    }
}

/// Stops sending after the mails in hand.
pub fn pause(engine: &Arc<Engine>, request: CampaignPause) -> Result<Done> {
    let (id, now) = (request.id, engine.clock.now());
    engine.write(&[Tag::Campaigns, Tag::Activity], move |conn| {
        let head = head(conn, id)?;
        if head.state != CampaignState::Running || !campaign::advance(conn, id, CampaignState::Paused, now)? {
            return Err(Error::conflict(format!("{} is not sending.", head.name)));
        }
        note(conn, id, now, "Paused.")
    })?;
    sending::wake(engine);
    Ok(Done {})
}

/// Goes on sending.
pub fn resume(engine: &Arc<Engine>, request: CampaignResume) -> Result<Done> {
    let (id, now) = (request.id, engine.clock.now());
    let account = engine.write(&[Tag::Campaigns, Tag::Activity], move |conn| {
        let head = head(conn, id)?;
        let Some(account) = head.account else {
            return Err(Error::conflict(format!(
                "{} has no account any more, so it cannot go on. Cancel it.",
                head.name
            )));
        };
        if head.state != CampaignState::Paused || !campaign::advance(conn, id, CampaignState::Running, now)? {
            return Err(Error::conflict(format!("{} is not paused.", head.name)));
        }
        campaign::set_problem(conn, id, None)?;
        note(conn, id, now, "Resumed.")?;
        Ok(account)
    })?;
    sending::go_on(engine, account);
    Ok(Done {})
}

/// What cancelling leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing has left yet: a draft again.
    Draft,
    /// What was sent stays sent.
    Cancelled,
}

/// Stops for good; before the first mail the campaign becomes a draft again.
pub fn cancel(engine: &Arc<Engine>, request: CampaignCancel) -> Result<Done> {
    let (id, now) = (request.id, engine.clock.now());
    let left = engine.write(&[Tag::Campaigns, Tag::Activity], move |conn| {
        let head = head(conn, id)?;
        if !matches!(head.state, CampaignState::Running | CampaignState::Paused) {
            return Err(Error::conflict(format!("{} is not sending.", head.name)));
        }
        // No claim happens before the first instant, so until then not a byte has left.
        if head.first_mail_at.is_some_and(|first| first > now) {
            campaign::make_draft(conn, id, now)?;
            note(conn, id, now, "The launch was taken back before the first mail.")?;
            return Ok(Left::Draft);
        }
        campaign::advance(conn, id, CampaignState::Cancelled, now)?;
        campaign::set_problem(conn, id, None)?;
        note(conn, id, now, "Cancelled. What had not left never will.")?;
        Ok(Left::Cancelled)
    })?;
    match left {
        Left::Draft => sending::discard_ledger(engine, id)?,
        Left::Cancelled => sending::cancel_rest(engine, id)?,
    }
    sending::wake(engine);
    Ok(Done {})
}

/// Changes the window and its grace; after launch only its end, which cannot lie in the past.
pub fn window_set(engine: &Arc<Engine>, request: CampaignWindowSet) -> Result<Done> {
    let (id, now, default_zone) = (request.id, engine.clock.now(), engine.zone.clone());
    engine.write(&[Tag::Campaigns, Tag::Opens, Tag::Activity], move |conn| {
        let mut found = super::campaign::find(conn, id)?;
        let workspace = settings::load(conn, &default_zone)?;
        if found.head.state == CampaignState::Preparing {
            return Err(Error::conflict(format!("{} is being prepared.", found.head.name)));
        }
        refuse_closed(conn, id, &workspace)?;
        if let Some(spec) = request.window {
            set_end(conn, &found.head, &spec, &workspace, now)?;
            found.window_spec = spec;
        }
        if let Some(days) = request.grace_days {
            found.own.grace_days = Some(days);
            found
                .own
                .over(settings::limits(&workspace))
                .check()
                .map_err(|error| {
                    settings::refuse(
                        error,
                        ["grace_days", "cap.hits", "cap.machine_hits", "cap.tracked_mails"],
                    )
                })?;
            if found.head.state != CampaignState::Draft {
                campaign::set_grace(conn, id, days)?;
            }
        }
        Ok(campaign::update(conn, &found, Change::Label, now)?)
    })?;
    upkeep::wake(engine);
    Ok(Done {})
}

/// Checks a window, and gives its end to a campaign that was launched.
fn set_end(conn: &Conn, head: &Head, spec: &WindowSpec, workspace: &Settings, now: Instant) -> Result<()> {
    let zone = match spec {
        WindowSpec::Days { zone: Some(zone), .. } | WindowSpec::Dates { zone, .. } => zone,
        WindowSpec::Days { zone: None, .. } => &workspace.zone,
    };
    let end = spec.resolve(head.launched_at.unwrap_or(now), zone)?.opens_until;
    let Some(window) = head.window else {
        return Ok(());
    };
    if end <= window.opens_from {
        return Err(Error::field(
            "window",
            "The window would end before it begins. Choose a later end.",
        ));
    }
    if end <= now && end != window.opens_until {
        return Err(Error::field(
            "window",
            "That end has passed, and opens since then were counted. End the window now, or choose a later end.",
        ));
    }
    let window = Window {
        opens_until: end,
        ..window
    };
    campaign::set_window(conn, head.id, &window, zone)?;
    if Some(window) == head.window {
        return Ok(());
    }
    note(
        conn,
        head.id,
        now,
        &format!("Opens now count until {}.", local(end, zone)?),
    )
}

/// Ends the window of a launched campaign now: what is loaded from now on is late.
pub fn window_end(engine: &Arc<Engine>, request: CampaignWindowEnd) -> Result<Done> {
    let (id, now, default_zone) = (request.id, engine.clock.now(), engine.zone.clone());
    engine.write(&[Tag::Campaigns, Tag::Opens, Tag::Activity], move |conn| {
        let mut found = super::campaign::find(conn, id)?;
        let workspace = settings::load(conn, &default_zone)?;
        refuse_closed(conn, id, &workspace)?;
        let name = &found.head.name;
        let Some(window) = found.head.window else {
            return Err(Error::conflict(format!(
                "{name} was not launched yet, so it has no window to end."
            )));
        };
        let zone = campaign::zone(conn, id)?;
        match window.position(now) {
            Position::Inside if now > window.opens_from => {}
            Position::Late => {
                return Err(Error::conflict(format!(
                    "The window of {name} ended on {}.",
                    local(window.opens_until, &zone)?
                )));
            }
            _ => {
                return Err(Error::conflict(format!(
                    "The window of {name} begins on {}, so it cannot end now. Change its dates.",
                    local(window.opens_from, &zone)?
                )));
            }
        }
        let ended = Window {
            opens_until: now,
            ..window
        };
        campaign::set_window(conn, id, &ended, &zone)?;
        let at = parse_zone(&zone)?;
        found.window_spec = WindowSpec::Dates {
            from: window.opens_from.with_timezone(&at).naive_local(),
            until: now.with_timezone(&at).naive_local(),
            zone,
        };
        campaign::update(conn, &found, Change::Label, now)?;
        note(conn, id, now, "The window was ended. Loads from now on are late.")
    })?;
    upkeep::wake(engine);
    Ok(Done {})
}

/// Refuses what cannot be once the addresses of a campaign's pixels are destroyed, or begin to be.
fn refuse_closed(conn: &Conn, id: CampaignId, workspace: &Settings) -> Result<()> {
    let end = closing::end(conn, id)?;
    let sentence = match end.closed_at {
        Some(at) => format!(
            "Its pixels' addresses were destroyed on {}; opens can no longer be told.",
            local(at, &workspace.zone)?
        ),
        None if end.is_closing => {
            "Its pixels' addresses are being destroyed just now; opens can no longer be told.".to_owned()
        }
        None => return Ok(()),
    };
    Err(Error::conflict(sentence))
}

/// Returns a moment in a zone's own time, for sentences.
fn local(at: Instant, zone: &str) -> Result<String> {
    let at = at.with_timezone(&parse_zone(zone)?);
    Ok(format!("{} ({zone})", at.format("%-d %B %Y at %H:%M")))
}
