//! After sending: mails that failed are sent again, and of those that nobody knows of the user decides.
//!
//! Nothing here is done by itself. A finished campaign runs again only in the transaction that puts a mail into its
//! queue, and never while mails to new people are prepared: those would leave with it.

use super::engine::Engine;
use super::launch::head;
use super::{reach, sending};
use crate::api::{
    ActivityKind, CampaignRetry, CampaignTroubles, CampaignTroublesResponse, Error, MessageResolve,
    Resolution, Result, Tag, Touched,
};
use crate::clock::Instant;
use crate::domain::campaign::{CampaignState, CampaignTracking};
use crate::domain::window::Position;
use crate::ids::{CampaignId, MessageId};
use crate::store::activity::{self, NewActivity};
use crate::store::after::{self, Which};
use crate::store::{Conn, closing, standing};
use std::sync::Arc;

/// Mails that are listed.
const LISTED: u32 = 500;

/// Says why nothing more can be sent of a launched campaign; `None` where it can.
pub(super) fn blocked(conn: &Conn, id: CampaignId, now: Instant) -> Result<Option<String>> {
    let head = head(conn, id)?;
    let name = &head.name;
    let copy = "Copy it into a new campaign.";
    if !head.state.is_launched() {
        return Ok(Some(format!("{name} was not launched yet.")));
    }
    if head.state == CampaignState::Cancelled {
        return Ok(Some(format!(
            "{name} was cancelled, so nothing more of it is sent. {copy}"
        )));
    }
    if head.account.is_none() {
        return Ok(Some(format!(
            "The account of {name} was removed, so nothing more of it is sent. {copy}"
        )));
    }
    let end = closing::end(conn, id)?;
    if end.closed_at.is_some() || end.is_closing {
        return Ok(Some(format!(
            "The tracking of {name} has ended for good, so nothing more of it is sent. {copy}"
        )));
    }
    let is_over = head
        .window
        .is_some_and(|window| window.position(now) == Position::Late);
    if is_over && head.tracking != CampaignTracking::Off {
        return Ok(Some(format!(
            "The window of {name} is over, so no open of what is sent now would count. Extend the window first."
        )));
    }
    // Practice has an address of its own, which answers at whatever port its listener has.
    let has_moved = !head.practice && head.route != Some(reach::current_route(conn)?.id);
    // What is there for a campaign that is still sending holds for the rest of it, too.
    if has_moved && head.state == CampaignState::Finished {
        return Ok(Some(format!(
            "The address that mails carry was changed since {name} was sent, so its links may lead nowhere. {copy}"
        )));
    }
    Ok(None)
}

fn refuse_blocked(conn: &Conn, id: CampaignId, now: Instant) -> Result<()> {
    if let Some(sentence) = blocked(conn, id, now)? {
        return Err(Error::conflict(sentence));
    }
    if after::follow_up(conn, id)?.is_some() {
        return Err(Error::conflict(format!(
            "Mails to new people are prepared for {}. Send or discard them first.",
            head(conn, id)?.name
        )));
    }
    Ok(())
}

/// Lists what was not accepted.
pub fn troubles(engine: &Arc<Engine>, request: CampaignTroubles) -> Result<CampaignTroublesResponse> {
    let (id, now) = (request.id, engine.clock.now());
    engine.read(|conn| {
        let (failed_total, temporary_total) = after::count(conn, id, Which::Failed)?;
        let (uncertain_total, _) = after::count(conn, id, Which::Undecided)?;
        Ok(CampaignTroublesResponse {
            failed: after::troubles(conn, id, Which::Failed, LISTED)?,
            failed_total,
            temporary_total,
            uncertain: after::troubles(conn, id, Which::Undecided, LISTED)?,
            uncertain_total,
            left_total: after::left(conn, id)?,
            blocked: blocked(conn, id, now)?,
        })
    })
}

/// Sends failed mails again.
pub fn retry(engine: &Arc<Engine>, request: CampaignRetry) -> Result<Touched> {
    let id = request.id;
    let count = each(engine, id, request.messages, Which::Failed, Resolution::Again)?;
    if count == 0 {
        return Err(Error::conflict(
            "None of these mails can be sent again: they were not refused, or nothing goes there any more.",
        ));
    }
    Ok(Touched { count })
}

/// Settles uncertain mails as the user says.
pub fn resolve(engine: &Arc<Engine>, request: MessageResolve) -> Result<Touched> {
    let count = each(
        engine,
        request.id,
        request.messages,
        Which::Undecided,
        request.how,
    )?;
    if count == 0 {
        return Err(Error::conflict(match request.how {
            Resolution::Again => {
                "None of these mails can be sent again: they are not uncertain any more, or nothing goes there."
            }
            _ => "None of these mails is uncertain any more.",
        }));
    }
    Ok(Touched { count })
}

/// Does `how` to the given mails, or to all of that kind, in chunks; returns to how many.
fn each(
    engine: &Arc<Engine>,
    id: CampaignId,
    given: Option<Vec<MessageId>>,
    which: Which,
    how: Resolution,
) -> Result<u32> {
    let now = engine.clock.now();
    if how == Resolution::Again {
        engine.read(|conn| refuse_blocked(conn, id, now))?;
    }
    let mut given = given.map(|ids| ids.into_iter());
    let (mut after, mut count) = (MessageId(0), 0);
    loop {
        let ids: Vec<MessageId> = match &mut given {
            Some(given) => given.by_ref().take(sending::CHUNK as usize).collect(),
            None => engine.read(|conn| Ok(after::ids(conn, id, which, after, sending::CHUNK)?))?,
        };
        let Some(last) = ids.last() else { break };
        after = *last;
        count += engine.write(&[Tag::Campaigns, Tag::Opens, Tag::Activity], move |conn| {
            chunk(conn, id, &ids, which, how, now)
        })?;
    }
    if count > 0 {
        engine.write(&[Tag::Activity], move |conn| {
            note(conn, id, how, which, count, now)
        })?;
    }
    if how == Resolution::Again {
        sending::wake(engine);
    }
    Ok(count)
}

fn chunk(
    conn: &Conn,
    id: CampaignId,
    ids: &[MessageId],
    which: Which,
    how: Resolution,
    now: Instant,
) -> Result<u32> {
    if how == Resolution::Again {
        refuse_blocked(conn, id, now)?;
    }
    let mut count = 0;
    for message in ids {
        let is_done = match how {
            Resolution::Again => after::send_again(conn, id, *message, which, now)?,
            Resolution::Sent => after::mark_sent(conn, id, *message, now)?,
            Resolution::Leave => after::leave(conn, id, *message, now)?,
        };
        count += u32::from(is_done);
    }
    if how == Resolution::Again && count > 0 {
        if which == Which::Failed {
            // A mail service that refused the campaign is asked once more: something may have been mended since.
            standing::forget_refusals(conn, id)?;
        }
        // In the same commit: a finished campaign has nothing in its queue.
        after::reopen(conn, id, now)?;
    }
    Ok(count)
}

fn note(conn: &Conn, id: CampaignId, how: Resolution, which: Which, count: u32, now: Instant) -> Result<()> {
    let mails = match (count, which) {
        (1, Which::Failed) => "1 failed mail".to_owned(),
        (n, Which::Failed) => format!("{n} failed mails"),
        (1, Which::Undecided) => "1 uncertain mail".to_owned(),
        (n, Which::Undecided) => format!("{n} uncertain mails"),
    };
    let text = match (how, count) {
        (Resolution::Again, 1) => format!("{mails} is sent again."),
        (Resolution::Again, _) => format!("{mails} are sent again."),
        (Resolution::Sent, 1) => format!("{mails} was marked as sent."),
        (Resolution::Sent, _) => format!("{mails} were marked as sent."),
        (Resolution::Leave, 1) => format!("{mails} is left as it is."),
        (Resolution::Leave, _) => format!("{mails} are left as they are."),
    };
    let row = NewActivity::new(ActivityKind::Campaign, text);
    Ok(activity::add(conn, now, &row.of(id))?)
}

#[cfg(test)]
mod tests;
