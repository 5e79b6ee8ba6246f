//! Puts an invented campaign into an empty workspace, as if it had been sent.

use super::{Conn, Result, uptime};
use crate::clock::{Instant, to_millis};
use crate::domain::consent::ConsentState;
use crate::domain::message::{NotTrackedReason, TrackingMode};
use crate::domain::window::Window;
use crate::ids::{CampaignId, RouteId};
use crate::tracking::token::Token;

/// A mail that was taken.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The recipient's address.
    pub email: String,
    /// What they said about tracking.
    pub consent: ConsentState,
    /// How it is tracked, and why not.
    pub tracking: (TrackingMode, Option<NotTrackedReason>),
    /// When the server took it.
    pub accepted_at: Instant,
    /// The pixel's token, where tracking is personal.
    pub pixel: Token,
    /// The preference page's.
    pub page: Token,
}

/// Adds a campaign that was sent with the address `route`.
pub fn campaign(conn: &Conn, name: &str, route: RouteId, window: Window) -> Result<CampaignId> {
    let (from, until) = (to_millis(window.opens_from), to_millis(window.opens_until));
    Ok(conn
        .prepare_cached(
            "INSERT INTO campaign (name, subject, document, state, route_id, created_at, updated_at, launched_at,
                                   first_mail_at, finished_at, opens_from, opens_until)
             VALUES (?1, ?1, '{\"version\":1,\"blocks\":[]}', 'finished', ?2, ?3, ?3, ?3, ?3, ?3, ?3, ?4)
             RETURNING id",
        )?
        .query_row((name, route.0, from, until), |row| row.get(0).map(CampaignId))?)
}

/// Adds people with a mail each.
pub fn sent(conn: &Conn, campaign: CampaignId, mails: &[Sent]) -> Result<()> {
    for mail in mails {
        let contact: i64 = conn
            .prepare_cached(
                "INSERT INTO contact (email, email_key, consent, created_at) VALUES (?1, ?1, ?2, ?3) RETURNING id",
            )?
            .query_row(
                (&mail.email, mail.consent.as_str(), to_millis(mail.accepted_at)),
                |row| row.get(0),
            )?;
        conn.prepare_cached(
            "INSERT INTO consent_event (contact_id, state, at, source, wording) VALUES (?1, ?2, ?3, 'played', 'played')",
        )?
        .execute((contact, mail.consent.as_str(), to_millis(mail.accepted_at)))?;
        let (mode, reason) = mail.tracking;
        let is_tracked = mode == TrackingMode::Personal;
        conn.prepare_cached(
            "INSERT INTO message (campaign_id, contact_id, email, address_hash, state, tracking, not_tracked, pixel_token,
                                  preference_token, accepted_at)
             VALUES (?1, ?2, ?3, ?4, 'accepted', ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            campaign.0,
            contact,
            &mail.email,
            mail.page.as_bytes(),
            mode.as_str(),
            reason.map(NotTrackedReason::as_str),
            is_tracked.then(|| mail.pixel.as_bytes()),
            mail.page.as_bytes(),
            to_millis(mail.accepted_at),
        ))?;
    }
    Ok(())
}

/// Notes when the listener could be reached.
pub fn up(conn: &Conn, intervals: &[[Instant; 2]]) -> Result<()> {
    for [from, until] in intervals {
        let id = uptime::start(conn, *from)?;
        uptime::stop(conn, id, *until)?;
    }
    Ok(())
}
