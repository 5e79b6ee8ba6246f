//! Sending, steered from outside: the dispatcher started and stopped, a campaign paused, resumed and cancelled.

use super::engine::Engine;
use super::launch::{head, note};
use super::{claim, schedule, sending, standing};
use crate::api::{
    CampaignCancel, CampaignPause, CampaignResume, Done, Error, Result, SendingStart, SendingStatus,
    SendingStatusGet, SendingStop, Tag,
};
use crate::domain::campaign::CampaignState;
use crate::store::{campaign, data_request, due};
use chrono::TimeDelta;
use std::sync::Arc;

/// Waits up to this are part of the work, longer ones are not.
const SOON: TimeDelta = TimeDelta::minutes(1);

/// Starts the dispatcher.
pub fn start(engine: &Arc<Engine>, _request: SendingStart) -> Result<SendingStatus> {
    sending::start(engine);
    engine.announce(&[Tag::Campaigns]);
    status(engine, SendingStatusGet {})
}

/// Finishes the mails in hand and stops the dispatcher.
pub fn stop(engine: &Arc<Engine>, _request: SendingStop) -> Result<SendingStatus> {
    sending::stop(engine);
    engine.announce(&[Tag::Campaigns]);
    status(engine, SendingStatusGet {})
}

/// Answers how the dispatcher is.
pub fn status(engine: &Arc<Engine>, _request: SendingStatusGet) -> Result<SendingStatus> {
    let running = sending::is_running(engine);
    let now = engine.clock.now();
    let steady = engine.clock.steady();
    let (due, data_requests, agenda) = engine.read(|conn| {
        Ok((
            due::due(conn, now)?,
            data_request::due(conn, now)?,
            claim::agenda(conn, now, steady)?,
        ))
    })?;
    let soon = agenda.next.is_some_and(|next| next - steady <= SOON);
    let busy = running && (due.in_hand > 0 || agenda.starting || !agenda.work.is_empty() || soon);
    Ok(SendingStatus {
        running,
        busy,
        due: due.now,
        in_hand: due.in_hand,
        data_requests,
        next_attempt_at: due.next_at,
    })
}

/// Stops sending after the mails in hand.
pub fn pause(engine: &Arc<Engine>, request: CampaignPause) -> Result<Done> {
    let (id, now) = (request.id, engine.clock.now());
    engine.write(&[Tag::Campaigns, Tag::Activity], move |conn| {
        let head = head(conn, id)?;
        if head.state != CampaignState::Running || !campaign::advance(conn, id, CampaignState::Paused, now)? {
            return Err(Error::conflict(format!("{} is not sending.", head.name)));
        }
        // It stands still because the user wants it.
        campaign::set_problem(conn, id, None)?;
        note(conn, id, now, "Paused.")
    })?;
    sending::wake(engine);
    Ok(Done {})
}

/// Goes on sending.
pub fn resume(engine: &Arc<Engine>, request: CampaignResume) -> Result<Done> {
    let (id, now) = (request.id, engine.clock.now());
    let accounts = engine.write(&[Tag::Campaigns, Tag::Accounts, Tag::Activity], move |conn| {
        let head = head(conn, id)?;
        let accounts = standing::accounts(conn, &head)?;
        if accounts.is_empty() {
            return Err(Error::conflict(format!(
                "{} has no account any more, so it cannot go on. Cancel it.",
                head.name
            )));
        }
        if head.state != CampaignState::Paused || !campaign::advance(conn, id, CampaignState::Running, now)? {
            return Err(Error::conflict(format!("{} is not paused.", head.name)));
        }
        campaign::set_problem(conn, id, None)?;
        // Whoever goes on after its time has answered what to do when that was missed.
        if head.first_mail_at.is_some_and(|first| first <= now) {
            campaign::start_over(conn, id)?;
        }
        standing::go_on(conn, &accounts)?;
        note(conn, id, now, "Resumed.")?;
        Ok(accounts)
    })?;
    sending::go_on(engine, &accounts);
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
        // No claim happens before the first instant, and every claim leaves a trace in its own commit: without either
        // not a byte has left.
        let missed = head.state == CampaignState::Paused && !schedule::has_begun(conn, &head)?;
        if missed || head.first_mail_at.is_some_and(|first| first > now) {
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
