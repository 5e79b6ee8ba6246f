//! Why a campaign is not launched: it is not prepared, something blocks, something was not confirmed or has changed.

use crate::api::{Error, Finding, FindingLevel, Preflight, Result};
use crate::app::engine::Engine;
use crate::app::preflight::{Facts, TEMPORARY};
use crate::domain::campaign::CampaignState;
use crate::reach::route;
use crate::store::message;

/// Refuses what is not prepared, with the reason.
pub(super) fn refuse_unprepared(facts: &Facts) -> Result<()> {
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

/// Refuses where anything blocks, and where a warning was not confirmed. Whoever typed the address's host has seen that it
/// may not last.
pub(in crate::app) fn refuse_findings(
    preflight: &Preflight,
    confirmed: bool,
    typed: Option<&str>,
) -> Result<()> {
    if let Some(found) = preflight.findings.iter().find(|found| blocks(found)) {
        return Err(Error::conflict(found.message.clone()));
    }
    let is_host_typed = preflight
        .address
        .url
        .as_deref()
        .and_then(route::host)
        .is_some_and(|host| is_typed(&host, typed));
    let warnings: Vec<&str> = preflight
        .findings
        .iter()
        .filter(|found| found.level == FindingLevel::Warning)
        .filter(|found| !(is_host_typed && found.id == TEMPORARY))
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

fn is_typed(host: &str, typed: Option<&str>) -> bool {
    typed.and_then(route::host).as_deref() == Some(host)
}

/// Refuses where a host has to be typed and was not.
pub(in crate::app) fn refuse_host(host: Option<&str>, typed: Option<&str>) -> Result<()> {
    let Some(host) = host.filter(|host| !is_typed(host, typed)) else {
        return Ok(());
    };
    let message = match typed.map(str::trim) {
        None | Some("") => format!(
            "These mails would go on naming {host} long after it may be gone. Set an address that lasts, or type {host} to send \
             all the same."
        ),
        Some(typed) => format!(
            "{typed:?} is not the address's host. Type {host} to send all the same, or set an address that lasts."
        ),
    };
    Err(Error {
        field: Some("confirm_host".into()),
        ..Error::conflict(message)
    })
}

/// An error of a preparation that no longer holds.
pub(super) fn changed(name: &str, what: &str) -> Error {
    Error::conflict(format!("{name} must be prepared again: {what} since."))
}

/// Refuses where something that the audit relied on is no longer so.
pub(super) fn refuse_changes(engine: &Engine, facts: &Facts) -> Result<()> {
    let campaign = &facts.campaign;
    let (id, name) = (campaign.head.id, &campaign.head.name);
    if campaign.head.route != Some(facts.route.id) {
        return Err(changed(name, "the address that mails carry was changed"));
    }
    if campaign.imprint != facts.imprint() {
        return Err(changed(name, "the settings or the account were changed"));
    }
    // Where nobody at all was changed since, nobody of the ledger was, and it need not be read. A workspace that was
    // opened anew does not know that.
    let before = engine.prepared_people().get(&id).copied();
    let same_people = before == Some(engine.db.people_changes());
    let (ledger, changes) = engine.read(|conn| {
        let ledger: u32 = message::counts(conn, id)?.values().sum();
        let changes = match same_people {
            true => 0,
            false => message::changed_since_planned(conn, id)?,
        };
        Ok((ledger, changes))
    })?;
    if ledger != facts.audience {
        return Err(changed(name, "people joined or left its audience"));
    }
    match changes {
        0 => Ok(()),
        1 => Err(changed(name, "one of its recipients was changed")),
        n => Err(changed(name, &format!("{n} of its recipients were changed"))),
    }
}
