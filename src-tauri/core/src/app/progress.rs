//! How a launched campaign is being sent: its pace, its forecast, its accounts, its errors.

use super::engine::Engine;
use super::{campaign as campaigns, schedule, standing};
use crate::api::{
    CampaignSending, CampaignSendingGet, Error, Result, SendingAccount, SendingDay, SendingError,
    SendingForecast, SendingRefusal,
};
use crate::delivery::quota::Forecast;
use crate::domain::window::parse_zone;
use crate::store::{account, campaign, message, standing as store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Answers how a campaign is being sent.
pub fn get(engine: &Arc<Engine>, request: CampaignSendingGet) -> Result<CampaignSending> {
    let (now, steady) = (engine.clock.now(), engine.clock.steady());
    engine.read(|conn| {
        let head =
            campaign::find_head(conn, request.id)?.ok_or_else(|| Error::not_found("campaign", request.id))?;
        let counts = message::counts(conn, head.id)?;
        let waiting = campaigns::waiting(&counts);
        let (_, zone) = campaign::plan(conn, head.id)?;
        let forecast = match head.state.is_launched() && waiting > 0 {
            true => standing::of_campaign(conn, engine, &head, &counts, now)?,
            false => None,
        };
        let (mut accounts, mut per_minute) = (Vec::new(), 0);
        for id in standing::accounts(conn, &head)? {
            let Some(account) = account::find(conn, id)? else {
                continue;
            };
            per_minute += store::last_minute(conn, id, steady)?;
            accounts.push(SendingAccount {
                id,
                standing: standing::shown(conn, engine, &account)?,
                name: account.name,
            });
        }
        let errors = message::errors(conn, head.id)?
            .into_iter()
            .map(|found| SendingError {
                kind: found.kind,
                state: found.state,
                n: found.n,
                example: found.example,
            })
            .collect();
        let refusals = store::refusals(conn, head.id)?
            .into_iter()
            .map(|(service, reply)| SendingRefusal { service, reply })
            .collect();
        Ok(CampaignSending {
            waiting,
            per_minute,
            forecast: forecast.map(|forecast| by_day(&forecast, &zone)),
            accounts,
            errors,
            refusals,
            quiet_until: schedule::quiet_until(conn, &head, now)?,
            zone,
        })
    })
}

/// Adds a forecast up by the days of a zone.
fn by_day(forecast: &Forecast, zone: &str) -> SendingForecast {
    let zone = parse_zone(zone).unwrap_or(chrono_tz::UTC);
    let mut days = BTreeMap::new();
    for (hour, n) in &forecast.by_hour {
        *days.entry(hour.with_timezone(&zone).date_naive()).or_insert(0) += n;
    }
    SendingForecast {
        finishes_at: forecast.finishes_at,
        days: days.into_iter().map(|(date, n)| SendingDay { date, n }).collect(),
        day_limited: forecast.day_limited,
    }
}
