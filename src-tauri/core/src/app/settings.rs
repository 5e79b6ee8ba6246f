//! Settings and the state of the app.

use super::engine::Engine;
use crate::api::{AppState, AppStateGet, Error, Result, Settings, SettingsUpdate, Tag, Theme};
use crate::domain::window::parse_zone;
use crate::store::{self, Conn, setting};
use crate::tracking::signal;
use std::sync::Arc;

/// Tracked mails to one person in 30 days where nothing else was chosen (`docs/decisions.md`).
const TRACKED_PER_30_DAYS: u32 = 10;

/// Returns the workspace's settings; `engine_zone` is this computer's, for workspaces that have chosen none.
pub(crate) fn load(conn: &Conn, engine_zone: &str) -> Result<Settings> {
    Ok(Settings {
        unknown_policy: setting::get(conn, "unknown_policy")?,
        postal_address: setting::get(conn, "postal_address")?.unwrap_or_default(),
        organisation: setting::get(conn, "organisation")?.unwrap_or_default(),
        zone: setting::get(conn, "zone")?.unwrap_or_else(|| engine_zone.to_owned()),
        theme: setting::get(conn, "theme")?.unwrap_or(Theme::System),
        tracked_per_30_days: setting::get(conn, "tracked_per_30_days")?.unwrap_or(TRACKED_PER_30_DAYS),
        signal_is_refusal: setting::get(conn, signal::SETTING)?.unwrap_or(false),
    })
}

/// Answers what the window needs to know before it shows anything.
pub fn state(engine: &Arc<Engine>, _request: AppStateGet) -> Result<AppState> {
    engine.read(|conn| {
        let settings = load(conn, &engine.zone)?;
        let counts = store::setting::counts(conn)?;
        Ok(AppState {
            version: crate::VERSION.to_owned(),
            workspace: engine.workspace.dir().display().to_string(),
            first_start: settings.unknown_policy.is_none()
                && counts.accounts == 0
                && counts.contacts == 0
                && counts.campaigns == 0,
            has_sample_data: counts.sample > 0,
            settings,
            accounts: counts.accounts,
        })
    })
}

/// Changes settings.
pub fn update(engine: &Arc<Engine>, request: SettingsUpdate) -> Result<Settings> {
    check(&request)?;
    let zone = engine.zone.clone();
    // What a mail shows and who is tracked depend on these: prepared campaigns must be prepared anew.
    engine.write(&[Tag::Settings, Tag::Campaigns], move |conn| {
        if let Some(policy) = request.unknown_policy {
            setting::set(conn, "unknown_policy", &policy)?;
        }
        if let Some(address) = &request.postal_address {
            setting::set(conn, "postal_address", &address.trim())?;
        }
        if let Some(name) = &request.organisation {
            setting::set(conn, "organisation", &name.trim())?;
        }
        if let Some(zone) = &request.zone {
            setting::set(conn, "zone", zone)?;
        }
        if let Some(theme) = &request.theme {
            setting::set(conn, "theme", theme)?;
        }
        if let Some(cap) = &request.tracked_per_30_days {
            setting::set(conn, "tracked_per_30_days", cap)?;
        }
        if let Some(is_refusal) = &request.signal_is_refusal {
            setting::set(conn, signal::SETTING, is_refusal)?;
        }
        load(conn, &zone)
    })
}

fn check(request: &SettingsUpdate) -> Result<()> {
    if let Some(zone) = &request.zone {
        parse_zone(zone).map_err(|error| Error::field("zone", super::error::sentence(&error.to_string())))?;
    }
    if let Some(name) = &request.organisation
        && (name.chars().any(char::is_control) || name.chars().count() > 200)
    {
        return Err(Error::field(
            "organisation",
            "The name must be one line of at most 200 characters.",
        ));
    }
    if let Some(address) = &request.postal_address
        && (address.chars().any(|c| c.is_control() && c != '\n') || address.chars().count() > 500)
    {
        return Err(Error::field(
            "postal_address",
            "The postal address must be text of at most 500 characters.",
        ));
    }
    if request.tracked_per_30_days.is_some_and(|cap| cap > 1000) {
        return Err(Error::field(
            "tracked_per_30_days",
            "Choose 0 to 1,000 tracked mails in 30 days.",
        ));
    }
    Ok(())
}
