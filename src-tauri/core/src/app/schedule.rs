//! A campaign's times while it is sent: its first one, where it was missed, and its quiet hours.

use super::engine::Engine;
use super::sending;
use crate::api::{ActivityKind, Result, Tag};
use crate::clock::Instant;
use crate::domain::campaign::CampaignState;
use crate::domain::schedule::{LATE, WhenLate};
use crate::domain::window::parse_zone;
use crate::store::activity::{self, NewActivity};
use crate::store::campaign::{self, Head};
use crate::store::{Conn, message};

/// Returns when the quiet hours that hold for a campaign now end; `None` where none do.
pub(crate) fn quiet_until(conn: &Conn, head: &Head, now: Instant) -> Result<Option<Instant>> {
    if !head.has_quiet {
        return Ok(None);
    }
    let (plan, zone) = campaign::plan(conn, head.id)?;
    // The zone was checked at launch; one that this build does not know has no quiet hours.
    let Ok(zone) = parse_zone(&zone) else {
        return Ok(None);
    };
    Ok(plan.quiet.and_then(|quiet| quiet.ends(now, zone)))
}

/// Sees to a campaign whose chosen time has come: on time it begins; where the time was missed, what was chosen for
/// that happens.
pub(crate) fn settle_late(engine: &Engine, head: &Head, now: Instant) -> Result<()> {
    let Some(first) = head.first_mail_at.filter(|first| head.scheduled && *first <= now) else {
        return Ok(());
    };
    let id = head.id;
    let missed = now - first > LATE;
    let back = engine.write(&[Tag::Campaigns, Tag::Activity], move |conn| {
        // Paused, cancelled or launched anew since it was read: then this is not its turn.
        let still = campaign::find_head(conn, id)?.is_some_and(|head| {
            head.state == CampaignState::Running && head.scheduled && head.first_mail_at == Some(first)
        });
        if !still {
            return Ok(false);
        }
        let (plan, zone) = campaign::plan(conn, id)?;
        let Some(when_late) = plan.when_late else { return Ok(false) };
        campaign::start_over(conn, id)?;
        if !missed {
            return Ok(false);
        }
        let time = match parse_zone(&zone) {
            Ok(zone) => first.with_timezone(&zone).format("%-d %B %Y at %H:%M").to_string(),
            Err(_) => first.format("%-d %B %Y at %H:%M UTC").to_string(),
        };
        let note = |kind, text: String| activity::add(conn, now, &NewActivity::new(kind, text).of(id));
        match when_late {
            WhenLate::Run => {
                note(
                    ActivityKind::Campaign,
                    format!("It was to begin on {time}, when Casement was not running. It begins now."),
                )?;
                Ok(false)
            }
            WhenLate::Ask => {
                let problem = format!(
                    "It was to begin on {time}, when Casement was not running. Resume to send it now, or cancel to make it a \
                     draft again."
                );
                if campaign::advance(conn, id, CampaignState::Paused, now)? {
                    campaign::set_problem(conn, id, Some(&problem))?;
                    note(ActivityKind::Problem, format!("Paused. {problem}"))?;
                }
                Ok(false)
            }
            WhenLate::Skip => {
                campaign::make_draft(conn, id, now)?;
                note(
                    ActivityKind::Problem,
                    format!("It was to begin on {time}, when Casement was not running. It was not sent and is a draft again."),
                )?;
                Ok(true)
            }
        }
    })?;
    if back {
        sending::discard_ledger(engine, id)?;
    }
    Ok(())
}

/// Tells whether anything of a campaign has ever been handed over.
pub(crate) fn has_begun(conn: &Conn, head: &Head) -> Result<bool> {
    Ok(head.begun_at.is_some() || message::any_attempted(conn, head.id)?)
}
