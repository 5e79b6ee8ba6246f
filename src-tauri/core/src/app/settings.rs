//! Settings and the state of the app.

use super::engine::Engine;
use crate::api::{AppState, AppStateGet, Error, Result, Settings, SettingsUpdate, Tag, Theme};
use crate::domain::consent::UnknownPolicy;
use crate::domain::limits::{LimitError, Limits};
use crate::domain::window::parse_zone;
use crate::store::{self, Conn, setting};
use crate::tracking::signal;
use std::sync::Arc;

/// Months for which verdicts are kept where nothing else was chosen, and the longest.
const VERDICTS_MONTHS: u32 = 13;
const MAX_VERDICTS_MONTHS: u32 = 60;

/// Returns the workspace's settings; `engine_zone` is this computer's, for workspaces that have chosen none.
pub(crate) fn load(conn: &Conn, engine_zone: &str) -> Result<Settings> {
    let limits = Limits::default();
    Ok(Settings {
        unknown_policy: setting::get(conn, "unknown_policy")?,
        postal_address: setting::get(conn, "postal_address")?.unwrap_or_default(),
        organisation: setting::get(conn, "organisation")?.unwrap_or_default(),
        zone: setting::get(conn, "zone")?.unwrap_or_else(|| engine_zone.to_owned()),
        theme: setting::get(conn, "theme")?.unwrap_or(Theme::System),
        tracked_per_30_days: tracked_mails(conn)?,
        signal_is_refusal: setting::get(conn, signal::SETTING)?.unwrap_or(false),
        grace_days: setting::get(conn, "grace_days")?.unwrap_or(limits.grace_days),
        cap_hits: setting::get(conn, "cap_hits")?.unwrap_or(limits.hits),
        cap_machine_hits: setting::get(conn, "cap_machine_hits")?.unwrap_or(limits.machine_hits),
        verdicts_months: setting::get(conn, "verdicts_months")?.unwrap_or(VERDICTS_MONTHS),
    })
}

/// Returns what is done where nobody was asked: until the user has chosen, nobody is tracked who has not agreed.
pub(crate) fn unknown_policy(conn: &Conn) -> Result<UnknownPolicy> {
    Ok(setting::get(conn, "unknown_policy")?.unwrap_or(UnknownPolicy::None))
}

/// Returns how many tracked mails a person gets in 30 days.
pub(crate) fn tracked_mails(conn: &Conn) -> Result<u32> {
    Ok(setting::get(conn, "tracked_per_30_days")?.unwrap_or(Limits::default().tracked_mails))
}

/// Returns what holds for campaigns that set nothing for themselves.
pub(crate) fn limits(settings: &Settings) -> Limits {
    Limits {
        grace_days: settings.grace_days,
        hits: settings.cap_hits,
        machine_hits: settings.cap_machine_hits,
        tracked_mails: settings.tracked_per_30_days,
    }
}

/// Says what is wrong with a limit; `fields` names the grace, the hits, the machines' hits and the tracked mails.
pub(crate) fn refuse(error: LimitError, fields: [&str; 4]) -> Error {
    let field = match error {
        LimitError::Grace => fields[0],
        LimitError::Hits => fields[1],
        LimitError::MachineHits(_) => fields[2],
        LimitError::TrackedMails => fields[3],
    };
    Error::field(field, super::error::sentence(&error.to_string()))
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
    let is_limit = [
        request.tracked_per_30_days,
        request.grace_days,
        request.cap_hits,
        request.cap_machine_hits,
    ]
    .iter()
    .any(Option::is_some);
    // What a mail shows and who is tracked depend on these: prepared campaigns must be prepared anew.
    let settings = engine.write(&[Tag::Settings, Tag::Campaigns], move |conn| {
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
        for (name, n) in [
            ("tracked_per_30_days", request.tracked_per_30_days),
            ("grace_days", request.grace_days),
            ("cap_hits", request.cap_hits),
            ("cap_machine_hits", request.cap_machine_hits),
            ("verdicts_months", request.verdicts_months),
        ] {
            if let Some(n) = n {
                setting::set(conn, name, &n)?;
            }
        }
        if let Some(is_refusal) = &request.signal_is_refusal {
            setting::set(conn, signal::SETTING, is_refusal)?;
        }
        let settings = load(conn, &zone)?;
        // Together with what stays: machines cannot have more than all. A workspace of before these ranges keeps
        // what it has until it is changed.
        if is_limit {
            limits(&settings).check().map_err(|error| {
                refuse(
                    error,
                    [
                        "grace_days",
                        "cap_hits",
                        "cap_machine_hits",
                        "tracked_per_30_days",
                    ],
                )
            })?;
        }
        Ok(settings)
    })?;
    super::upkeep::wake(engine);
    Ok(settings)
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
    if let Some(months) = request.verdicts_months
        && !(1..=MAX_VERDICTS_MONTHS).contains(&months)
    {
        return Err(Error::field(
            "verdicts_months",
            format!("Verdicts are kept for 1 to {MAX_VERDICTS_MONTHS} months."),
        ));
    }
    Ok(())
}
