//! Every address that mails were sent with: what depends on it, and what a change of the one in use leaves behind.
//!
//! Also how long an address lasts, and how much of the time this computer answers at it.

use super::engine::Engine;
use super::reach::{self, Route};
use super::{settings, tracking};
use crate::api::{AddressPreview, AddressPreviewed, Probe, Result, RouteKind, RouteRow, Routes, RoutesGet};
use crate::clock::Instant;
use crate::domain::number::grouped;
use crate::domain::window::parse_zone;
use crate::reach::Permanence;
use crate::reach::route::{Lasts, host};
use crate::report::words::percent;
use crate::store::route::{self, Mailed};
use crate::store::{Conn, probe, uptime};
use std::sync::Arc;

/// Days over which it is counted how much of the time this computer was on.
const WEEK: i64 = 7;

/// Answers every address that mails were sent with, and the one in use.
pub fn get(engine: &Arc<Engine>, _request: RoutesGet) -> Result<Routes> {
    let now = engine.clock.now();
    engine.read(|conn| {
        let current = reach::current_route(conn)?.id;
        let mut routes = Vec::new();
        // Ids rise with time.
        for mailed in route::mailed(conn, now)?.into_iter().rev() {
            let is_current = mailed.route.id == current;
            if is_current || mailed.messages + mailed.waiting > 0 {
                routes.push(row(conn, mailed, is_current)?);
            }
        }
        routes.sort_by_key(|row| !row.current);
        Ok(Routes { routes })
    })
}

fn row(conn: &Conn, mailed: Mailed, current: bool) -> Result<RouteRow> {
    let (probe, last_good) = last_probe(conn, &mailed.route)?;
    let is_none = mailed.route.kind == RouteKind::None;
    Ok(RouteRow {
        permanence: permanence(&mailed.route),
        lasts: lasts(&mailed.route),
        kind: mailed.route.kind,
        url: mailed.route.base_url,
        current,
        tried_out: mailed.tried_out,
        since: mailed.since,
        // Where mails name no address, nothing of them depends on one.
        live_messages: if is_none { 0 } else { mailed.live_messages },
        live_campaigns: if is_none { 0 } else { mailed.live_campaigns },
        waiting: mailed.waiting,
        messages: mailed.messages,
        until: mailed.until.filter(|_| !is_none),
        probe,
        last_good,
        opens_last_day: mailed.opens_last_day,
    })
}

/// Returns what the last probe of an address saw, and when it was last proved from outside.
fn last_probe(conn: &Conn, route: &Route) -> Result<(Option<Probe>, Option<Instant>)> {
    Ok(match probe::known(conn, route.id)? {
        Some(known) => (Some(known.probe), known.good_at),
        None => (None, None),
    })
}

/// Returns how long an address lasts; `None` for kind *none*.
pub(crate) fn permanence(route: &Route) -> Option<Permanence> {
    (route.kind != RouteKind::None).then(|| Lasts::of(&route.base_url).permanence())
}

/// Says why an address may not last.
pub(crate) fn lasts(route: &Route) -> Option<String> {
    (route.kind != RouteKind::None)
        .then(|| Lasts::of(&route.base_url).sentence(&host(&route.base_url)?))
        .flatten()
}

/// Returns how much of the last week this computer answered; `None` before the first day is over.
pub(crate) fn running_last_week(engine: &Engine) -> Result<Option<uptime::Share>> {
    let is_listening = tracking::status(engine).is_some();
    let now = engine.clock.now();
    engine.read(|conn| Ok(uptime::share(conn, now, WEEK, is_listening)?))
}

/// Says that this computer has to be on, and how much of the time it was.
pub(crate) fn only_while_on(share: Option<uptime::Share>, now: Instant, zone: &str) -> String {
    let known = match share {
        None => "How much of the time it is on is not known yet.".to_owned(),
        Some(found) => {
            let since = match (now - found.from).num_days() {
                WEEK.. => "In the last 7 days".to_owned(),
                _ => format!("Since {}", day(found.from, zone)),
            };
            format!("{since} it was on {} of the time.", percent(found.share))
        }
    };
    format!("Links and pixels in these mails work only while this computer is on. {known}")
}

/// Answers what another base address would change.
pub fn preview(engine: &Arc<Engine>, request: AddressPreview) -> Result<AddressPreviewed> {
    let (kind, base_url) = reach::asked_for(request.url.as_deref(), request.local)?;
    let now = engine.clock.now();
    engine.read(|conn| {
        let current = reach::current_route(conn)?;
        let changed = (current.kind, &current.base_url) != (kind, &base_url);
        let zone = settings::load(conn, &engine.zone)?.zone;
        let mut keeps = Vec::new();
        let mut live_messages = 0;
        let mut ask = false;
        for mailed in route::mailed(conn, now)?.into_iter().rev() {
            let is_new = (mailed.route.kind, &mailed.route.base_url) == (kind, &base_url);
            if is_new || mailed.route.kind == RouteKind::None {
                continue;
            }
            if mailed.route.id == current.id {
                live_messages = mailed.live_messages;
                ask = mailed.messages + mailed.waiting > 0;
                keeps.splice(0..0, sentences(&mailed, &zone));
            } else if mailed.live_messages + mailed.waiting > 0 {
                keeps.extend(sentences(&mailed, &zone));
            }
        }
        let new = Route {
            kind,
            base_url,
            ..current
        };
        Ok(AddressPreviewed {
            address: reach::describe(kind, &new.base_url),
            changed,
            ask,
            live_messages,
            keeps,
            permanence: permanence(&new),
            lasts: lasts(&new),
        })
    })
}

/// Says what goes on pointing at an address.
fn sentences(mailed: &Mailed, zone: &str) -> Vec<String> {
    let url = &mailed.route.base_url;
    let mut out = Vec::new();
    if mailed.live_messages > 0 {
        let until = mailed
            .until
            .map(|until| format!(", until {}", day(until, zone)))
            .unwrap_or_default();
        out.push(format!(
            "{} of {} still {} to {url}{until}. {} working as long as that address leads to this computer.",
            counted(mailed.live_messages, "mail", "mails"),
            counted(mailed.live_campaigns, "campaign", "campaigns"),
            if mailed.live_messages == 1 {
                "points"
            } else {
                "point"
            },
            if mailed.live_messages == 1 {
                "It keeps"
            } else {
                "They keep"
            },
        ));
    }
    if mailed.waiting > 0 {
        out.push(format!(
            "{} still to be sent will carry {url} too, because {} prepared with it.",
            counted(mailed.waiting, "mail", "mails"),
            if mailed.waiting == 1 {
                "it was"
            } else {
                "they were"
            },
        ));
    }
    let older = mailed.messages - mailed.live_messages;
    if older > 0 {
        out.push(format!(
            "{} of campaigns that are over {} it as well: the links to unsubscribe in them end with it.",
            counted(older, "mail", "mails"),
            if older == 1 { "names" } else { "name" },
        ));
    }
    out
}

fn counted(n: u32, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n.into()), if n == 1 { one } else { many })
}

/// Returns a day of a zone, for sentences.
pub(crate) fn day(at: Instant, zone: &str) -> String {
    // The zone was checked when it was set; one that this build does not know is shown as UTC.
    match parse_zone(zone) {
        Ok(zone) => at.with_timezone(&zone).format("%-d %B %Y").to_string(),
        Err(_) => at.format("%-d %B %Y").to_string(),
    }
}

#[cfg(test)]
mod tests;
