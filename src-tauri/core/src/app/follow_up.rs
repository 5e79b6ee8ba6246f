//! People who joined the audience after a campaign was sent: planned, audited and shown like a first launch, then sent
//! as a further part of the same campaign.
//!
//! Their rows stand in the campaign's ledger as `planned`, behind those of before, and nothing plans or queues them
//! while the campaign is finished. `campaign.follow_up` says that they are there: it is written before the first row
//! and cleared behind the last one, so that after a crash none is left that nobody knows of.

use super::auditing::{self, Steps};
use super::engine::Engine;
use super::findings;
use super::launch::{self, Whom};
use super::preflight::{self, Facts, For, Prepared};
use super::{after, sending, standing as terms};
use crate::api::{
    CampaignFollowUp, CampaignFollowUpDiscard, CampaignFollowUpLaunch, CampaignFollowUpPrepare,
    CampaignFollowUpResponse, Code, Done, Error, FindingLevel, JobStarted, Preflight, Result, Tag,
};
use crate::domain::campaign::CampaignState;
use crate::engine::jobs::Progress;
use crate::ids::{CampaignId, JobId, MessageId};
use crate::store::{Conn, Priority, after as ledger, message};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What `campaign.follow_up` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// The ledger's last row of before.
    after: MessageId,
    /// The job that prepares them, while it is at work.
    #[serde(default)]
    job: Option<JobId>,
    /// What the preparation found, a [`Preflight`]; `None` while it is at work, and while it is thrown away.
    ///
    /// Read only by who needs it: what another version wrote can be discarded all the same.
    preflight: Option<serde_json::Value>,
}

impl Kept {
    /// Rows are written or removed just now.
    fn is_busy(&self) -> bool {
        self.preflight.is_none()
    }

    fn preflight(&self) -> Result<Option<Preflight>> {
        let read = self.preflight.clone().map(serde_json::from_value);
        read.transpose().map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::new(
        Code::Internal,
        format!("What was prepared for new people cannot be read: {error}. Discard it."),
    )
}

fn read(text: &str) -> Result<Kept> {
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}

fn kept(conn: &Conn, id: CampaignId) -> Result<Option<Kept>> {
    ledger::follow_up(conn, id)?.map(|text| read(&text)).transpose()
}

fn keep(conn: &Conn, id: CampaignId, kept: &Kept) -> Result<()> {
    let text = serde_json::to_string(kept).map_err(|error| no_json(&error))?;
    Ok(ledger::set_follow_up(conn, id, Some(&text))?)
}

fn no_json(error: &serde_json::Error) -> Error {
    Error::new(Code::Internal, format!("a preparation is no JSON: {error}"))
}

/// Notes that rows behind `after` are being written, by `job`, or removed: until that is over nobody else touches them.
fn mark(conn: &Conn, id: CampaignId, after: MessageId, job: Option<JobId>) -> Result<()> {
    let preflight = None;
    keep(
        conn,
        id,
        &Kept {
            after,
            job,
            preflight,
        },
    )
}

/// Says why nothing can be sent to new people; `None` where it can.
fn blocked(conn: &Conn, id: CampaignId, engine: &Engine) -> Result<Option<String>> {
    let head = launch::head(conn, id)?;
    Ok(match head.state {
        CampaignState::Running | CampaignState::Paused => Some(format!(
            "{} is not finished yet. New people can get it when it is.",
            head.name
        )),
        _ => after::blocked(conn, id, engine.clock.now())?,
    })
}

/// Tells who joined since, and what is prepared for them.
pub fn get(engine: &Arc<Engine>, request: CampaignFollowUp) -> Result<CampaignFollowUpResponse> {
    let id = request.id;
    let (new_people, kept, blocked) = engine.read(|conn| {
        let audience = super::campaign::find(conn, id)?.audience;
        Ok((
            ledger::newcomers(conn, id, &audience)?,
            kept(conn, id)?,
            blocked(conn, id, engine)?,
        ))
    })?;
    let prepared = match kept.as_ref().map(Kept::preflight).transpose()?.flatten() {
        Some(preflight) => Some(standing(engine, id, preflight)?),
        None => None,
    };
    Ok(CampaignFollowUpResponse {
        new_people,
        busy: kept.as_ref().is_some_and(Kept::is_busy),
        job: kept.and_then(|kept| kept.job),
        prepared,
        blocked,
    })
}

/// Returns a preparation with the findings of now.
fn standing(engine: &Arc<Engine>, id: CampaignId, kept: Preflight) -> Result<Preflight> {
    let facts = preflight::facts(engine, id, For::Looking)?;
    let kept = engine.read(|conn| auditing::named(conn, kept))?;
    Ok(told(&facts, kept.into()))
}

/// As [`preflight::answer`], with what differs for a campaign whose mails are frozen.
fn told(facts: &Facts, prepared: Prepared) -> Preflight {
    let mut preflight = preflight::answer(facts, Some(prepared));
    // Kept ones would be told twice.
    preflight.findings.retain(|found| found.id != "sender_changed");
    if facts.campaign.imprint != facts.imprint() {
        preflight.findings.push(findings::finding(
            FindingLevel::Warning,
            "sender_changed",
            "The sender, the organisation or the postal address was changed since this campaign was sent. These mails \
             still say what the first ones said.",
        ));
        preflight.findings.sort_by_key(|found| found.level);
    }
    preflight
}

/// Prepares and audits the mails to new people, as a job.
pub fn prepare(engine: &Arc<Engine>, request: CampaignFollowUpPrepare) -> Result<JobStarted> {
    let id = request.id;
    let deputy = engine.clone();
    let (name, after) = engine.write(&[Tag::Campaigns], move |conn| {
        if let Some(sentence) = blocked(conn, id, &deputy)? {
            return Err(Error::conflict(sentence));
        }
        let campaign = super::campaign::find(conn, id)?;
        let before = kept(conn, id)?;
        if before.as_ref().is_some_and(Kept::is_busy) {
            return Err(Error::conflict(format!(
                "Mails to new people are being prepared for {} already.",
                campaign.head.name
            )));
        }
        if before.is_none() && ledger::newcomers(conn, id, &campaign.audience)? == 0 {
            return Err(Error::conflict(format!(
                "Nobody joined the audience of {} since it was sent.",
                campaign.head.name
            )));
        }
        let after = match before {
            Some(kept) => kept.after,
            None => ledger::last(conn, id)?,
        };
        mark(conn, id, after, None)?;
        Ok((campaign.head.name, after))
    })?;
    let job = engine.jobs.start(format!("Preparing {name} for new people"), {
        let engine = engine.clone();
        move |progress| {
            let job = Some(progress.id());
            let result = engine
                .write(&[Tag::Campaigns], move |conn| mark(conn, id, after, job))
                .and_then(|()| fill_and_audit(&engine, id, after, progress));
            if result.is_err() {
                clear(&engine, id, after)?;
            }
            engine.announce(&[Tag::Campaigns]);
            result
        }
    });
    Ok(JobStarted { job })
}

fn fill_and_audit(
    engine: &Arc<Engine>,
    id: CampaignId,
    after: MessageId,
    progress: &Progress,
) -> Result<Preflight> {
    progress.step(0, None)?;
    remove_rows(engine, id, after)?;
    let facts = preflight::facts(engine, id, For::Sending)?;
    let cap = facts
        .campaign
        .own
        .over(super::settings::limits(&facts.settings))
        .tracked_mails;
    let letterhead = sending::letterhead(engine, id)?;
    let steps = Steps::new(progress, u64::from(facts.audience) * 2);
    let mut audited = auditing::audit(engine, &letterhead, (id, after), facts.now, &steps, || {
        launch::fill(engine, &facts, cap, Whom::Newcomers, &steps)
    })?;
    audited.findings.extend(launch::login(engine, &facts)?);
    let planned = engine.read(|conn| Ok(ledger::planned(conn, id, after)?))?;
    let preflight = told(
        &facts,
        Prepared {
            to_send: planned.to_send,
            skipped: planned.skipped,
            tracking: planned.tracking,
            not_tracked: planned.not_tracked,
            findings: audited.findings,
            size_range: audited.size_range,
            samples: audited.samples,
        },
    );
    let done = Kept {
        after,
        job: None,
        preflight: Some(serde_json::to_value(&preflight).map_err(|error| no_json(&error))?),
    };
    engine.write(&[Tag::Campaigns], move |conn| keep(conn, id, &done))?;
    engine.read(|conn| auditing::named(conn, preflight))
}

/// Sends what was prepared.
pub fn launch(engine: &Arc<Engine>, request: CampaignFollowUpLaunch) -> Result<Done> {
    let id = request.id;
    let none = || Error::conflict("No mails to new people are prepared. Prepare them first.");
    let seen = engine.read(|conn| kept(conn, id))?.ok_or_else(none)?;
    let preflight = seen.preflight()?.ok_or_else(none)?;
    let to_send = preflight.to_send;
    let typed = request.confirm_host.as_deref();
    let standing = standing(engine, id, preflight)?;
    launch::refuse_findings(&standing, request.confirmed, typed)?;
    launch::refuse_host(standing.confirm_host.as_deref(), typed)?;
    let now = engine.clock.now();
    let deputy = engine.clone();
    engine.write(&[Tag::Campaigns, Tag::Activity], move |conn| {
        if let Some(sentence) = blocked(conn, id, &deputy)? {
            return Err(Error::conflict(sentence));
        }
        let campaign = super::campaign::find(conn, id)?;
        let same = kept(conn, id)?.as_ref() == Some(&seen)
            && ledger::planned(conn, id, seen.after)?.to_send == to_send
            && ledger::newcomers(conn, id, &campaign.audience)? == 0
            && message::changed_since_planned(conn, id)? == 0;
        if !same {
            return Err(Error::conflict(format!(
                "The mails to new people of {} must be prepared again: people joined or were changed since.",
                campaign.head.name
            )));
        }
        ledger::set_follow_up(conn, id, None)?;
        if !ledger::reopen(conn, id, now)? {
            return Err(Error::conflict(format!(
                "{} is not finished.",
                campaign.head.name
            )));
        }
        terms::unblock(conn, &terms::accounts(conn, &campaign.head)?)?;
        let first_mail_at = campaign.head.first_mail_at.unwrap_or(now);
        message::enqueue(conn, id, first_mail_at, now, sending::CHUNK)?;
        let people = if to_send == 1 { "person" } else { "people" };
        let text = format!("Launched again, to {to_send} {people} who joined since.");
        launch::note(conn, id, now, &text)
    })?;
    // The rest is queued by the dispatcher, in chunks: nobody waits for it.
    sending::wake(engine);
    Ok(Done {})
}

/// Throws away what was prepared.
pub fn discard(engine: &Arc<Engine>, request: CampaignFollowUpDiscard) -> Result<Done> {
    let id = request.id;
    // Claimed first: from then on nobody launches or prepares what is being removed, and a crash is tidied up at the
    // next start.
    let claimed = engine.write(&[Tag::Campaigns], move |conn| {
        let Some(kept) = kept(conn, id)? else {
            return Ok(None);
        };
        if kept.is_busy() {
            return Err(Error::conflict(
                "Mails to new people are being prepared. Cancel that first.",
            ));
        }
        mark(conn, id, kept.after, None)?;
        Ok(Some(kept.after))
    })?;
    if let Some(after) = claimed {
        clear(engine, id, after)?;
    }
    Ok(Done {})
}

/// Removes the rows, and then what says that they are there.
fn clear(engine: &Engine, id: CampaignId, after: MessageId) -> Result<()> {
    remove_rows(engine, id, after)?;
    engine.write(&[Tag::Campaigns], move |conn| {
        Ok(ledger::set_follow_up(conn, id, None)?)
    })
}

fn remove_rows(engine: &Engine, id: CampaignId, after: MessageId) -> Result<()> {
    while engine.db.write(Priority::Bulk, move |conn| {
        ledger::discard(conn, id, after, sending::CHUNK).map_err(Error::from)
    })? > 0
    {}
    Ok(())
}

/// Throws away what a crash left half prepared or half thrown away.
pub(crate) fn recover(engine: &Engine) -> Result<()> {
    for (id, text) in engine.read(|conn| Ok(ledger::follow_ups(conn)?))? {
        match read(&text) {
            Ok(kept) if kept.is_busy() => clear(engine, id, kept.after)?,
            Ok(_) => {}
            // No reason not to open the workspace.
            Err(error) => {
                tracing::warn!(campaign = %id, %error, "a preparation for new people is left as it is")
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
