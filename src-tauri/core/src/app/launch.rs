//! Prepare, audit, launch, control.
//!
//! Preparing fills the ledger, invisible until launch, and audits every mail; a crash in between is discarded at
//! the next start. Launching is one small transaction: what was prepared must still be so.

mod refusals;

use super::auditing::{self, Steps};
use super::engine::Engine;
use super::preflight::{self, Facts, For, Prepared};
use super::{sending, settings, standing, upkeep};
use crate::api::{
    ActivityKind, CampaignLaunch, CampaignPreflight, CampaignPrepare, CampaignUnprepare, CampaignWindowEnd,
    CampaignWindowSet, Code, Done, Error, Finding, FindingLevel, JobStarted, Preflight, Result, Settings,
    Tag,
};
use crate::clock::Instant;
use crate::delivery::plan::{self, Asking, Rules};
use crate::domain::campaign::{CampaignState, CampaignTracking};
use crate::domain::schedule::{FARTHEST, Plan, WhenLate};
use crate::domain::window::{Position, Window, WindowSpec, parse_zone};
use crate::engine::jobs::Progress;
use crate::ids::{CampaignId, ContactId, MessageId};
use crate::store::activity::{self, NewActivity};
use crate::store::campaign::{self, Change, Frozen, Head, Launch};
use crate::store::{Conn, Priority, after, closing, message};
use crate::tracking::token::Token;
use chrono::TimeDelta;
use std::sync::Arc;

use refusals::{changed, refuse_changes, refuse_unprepared};
pub(super) use refusals::{refuse_findings, refuse_host};

/// Days over which tracked mails to one person are counted.
const CAP_DAYS: i64 = 30;
/// The longest delay before the first mail, in seconds.
const MAX_DELAY_SECS: u32 = 600;

pub(super) fn head(conn: &Conn, id: CampaignId) -> Result<Head> {
    campaign::find_head(conn, id)?.ok_or_else(|| Error::not_found("campaign", id))
}

/// Notes in the feed what happened to a campaign.
pub(super) fn note(conn: &Conn, id: CampaignId, now: Instant, text: &str) -> Result<()> {
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
    let people = engine.db.people_changes();
    let letterhead = sending::letterhead(engine, id)?;
    let steps = Steps::new(progress, u64::from(facts.audience) * 2);
    let audited = auditing::audit(engine, &letterhead, (id, MessageId(0)), facts.now, &steps, || {
        fill(engine, &facts, cap, Whom::Everyone, &steps)
    })?;
    let mut prepared = prepared(engine, id, audited)?;
    engine.prepared_people().insert(id, people);
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
    engine.read(|conn| auditing::named(conn, preflight))
}

/// For whom messages are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// The audience; the ledger is empty.
    Everyone,
    /// Those of the audience who are not in the ledger.
    Newcomers,
}

/// Plans one message for each person of the audience, in chunks. `cap` is the campaign's, of tracked mails.
pub(super) fn fill(
    engine: &Arc<Engine>,
    facts: &Facts,
    cap: u32,
    whom: Whom,
    steps: &Steps<'_>,
) -> Result<()> {
    let id = facts.campaign.head.id;
    let since = facts.now - TimeDelta::days(CAP_DAYS);
    let rules = engine.read(|conn| sending::rules(conn, facts.campaign.head.tracking, facts.route.kind))?;
    let rules = Arc::new(Rules {
        asking: Asking::of(&facts.campaign.document),
        cap,
        ..rules
    });
    let now = facts.now;
    let audience = Arc::new(facts.campaign.audience.clone());
    let mut after = ContactId(0);
    loop {
        let (rules, audience, entropy) = (rules.clone(), audience.clone(), engine.entropy.clone());
        let planned = engine.db.write(Priority::Bulk, move |conn| -> Result<_> {
            let people = message::candidates(conn, &audience, after, since, sending::CHUNK, id)?;
            let mut planned = 0;
            for candidate in &people {
                planned += u64::from(plan_one(conn, (id, whom), candidate, &rules, now, &*entropy)?);
            }
            Ok(people.last().map(|last| (last.contact, people.len(), planned)))
        })?;
        let Some((last, people, planned)) = planned else {
            return Ok(());
        };
        after = last;
        // Where the audit has failed, it says why.
        if !steps.wrote(people, planned)? {
            return Ok(());
        }
    }
}

/// Writes one person's row, where there is to be one; tells whether a mail is planned by it.
fn plan_one(
    conn: &Conn,
    (id, whom): (CampaignId, Whom),
    candidate: &message::Candidate,
    rules: &Rules,
    now: Instant,
    entropy: &dyn crate::ids::Entropy,
) -> Result<bool> {
    let mut row = plan::plan(candidate, None, rules, now, entropy);
    if whom == Whom::Newcomers && after::has_row(conn, id, candidate.contact, &row.address_hash)? {
        return Ok(false);
    }
    if let Some(reason) = message::suppressed(conn, &row.address_hash)? {
        row = plan::plan(candidate, Some(reason), rules, now, entropy);
    }
    message::insert(conn, id, &row)?;
    Ok(row.skip.is_none())
}

/// Puts what the audit found together with what the ledger says.
fn prepared(engine: &Engine, id: CampaignId, audited: auditing::Audited) -> Result<Prepared> {
    engine.read(|conn| {
        let (tracking, not_tracked) = message::planned_tracking(conn, id)?;
        Ok(Prepared {
            to_send: message::counts(conn, id)?.get("planned").copied().unwrap_or(0),
            skipped: message::skipped(conn, id)?,
            tracking,
            not_tracked,
            findings: audited.findings,
            size_range: audited.size_range,
            samples: audited.samples,
        })
    })
}

/// Checks that each account that may send can log in; what is wrong blocks the launch.
pub(super) fn login(engine: &Arc<Engine>, facts: &Facts) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for account in facts.account.iter().chain(&facts.also) {
        let result = super::login::probe(engine, account)?;
        if !result.ok {
            found.push(Finding {
                level: FindingLevel::Error,
                id: "account_cannot_log_in".into(),
                message: format!("{} cannot send yet. {}", account.name, result.sentence),
                block: None,
                recipients: 0,
                people: Vec::new(),
                examples: Vec::new(),
            });
        }
    }
    Ok(found)
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
    let typed = request.confirm_host.as_deref();
    refuse_findings(&preflight::standing_of(engine, &facts)?, request.confirmed, typed)?;
    refuse_changes(engine, &facts)?;
    let now = engine.clock.now();
    let first_mail_at = first_mail_at(&request, now)?;
    if let Some(quiet) = &request.quiet
        && quiet.from == quiet.until
    {
        return Err(Error::field(
            "quiet",
            "Quiet hours that begin and end at the same time are none. Choose two times.",
        ));
    }
    let plan = Plan {
        when_late: request
            .at
            .is_some()
            .then(|| request.when_late.unwrap_or(WhenLate::Ask)),
        quiet: request.quiet,
    };
    let is_scheduled = request.at.is_some();
    let launched = facts.campaign.clone();
    let zone = match &launched.window_spec {
        WindowSpec::Days { zone: Some(zone), .. } | WindowSpec::Dates { zone, .. } => zone.clone(),
        WindowSpec::Days { zone: None, .. } => facts.settings.zone.clone(),
    };
    let window = launched
        .window_spec
        .resolve(if is_scheduled { first_mail_at } else { now }, &zone)?;
    // At once is told by the findings; a later time is not known before it is chosen.
    if is_scheduled && window.opens_until <= first_mail_at && launched.head.tracking != CampaignTracking::Off
    {
        return Err(Error::field(
            "at",
            "The campaign's window is over by then. Choose an earlier time or a later end.",
        ));
    }
    // How long the address has to last is told by the window that it really gets.
    let host = facts.host_to_confirm(Some(window));
    refuse_host(host.as_deref(), typed)?;
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
                plan,
            },
        )?;
        standing::unblock(conn, &standing::accounts(conn, &head)?)?;
        message::enqueue(conn, id, first_mail_at, now, sending::CHUNK)?;
        let done = if is_scheduled { "Scheduled." } else { "Launched." };
        let said = host.map_or(String::new(), |host| {
            format!(" {host}, which may not last, was typed to confirm.")
        });
        note(conn, id, now, &format!("{done}{said}"))
    })?;
    // The rest is queued by the dispatcher, in chunks: nobody waits for it.
    sending::wake(engine);
    Ok(Done {})
}

/// Returns when the first mail of a launch may leave.
fn first_mail_at(request: &CampaignLaunch, now: Instant) -> Result<Instant> {
    let Some(at) = &request.at else {
        return Ok(now + TimeDelta::seconds(i64::from(request.delay_secs)));
    };
    let first = at.resolve().map_err(|error| Error {
        field: Some("at".into()),
        ..Error::from(error)
    })?;
    if first <= now {
        return Err(Error::field(
            "at",
            "That time has passed. Choose a later one, or send now.",
        ));
    }
    if first - now > FARTHEST {
        return Err(Error::field(
            "at",
            "A campaign can be scheduled for at most a year ahead.",
        ));
    }
    Ok(first)
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
    // Of a scheduled campaign days count from its first mail, not from when its time was chosen.
    let start = match (head.launched_at, head.window) {
        (Some(at), Some(window)) => at.max(window.opens_from),
        (at, _) => at.unwrap_or(now),
    };
    let end = spec.resolve(start, zone)?.opens_until;
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

#[cfg(test)]
mod lasting_tests;
#[cfg(test)]
mod tests;
