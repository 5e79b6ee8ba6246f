//! Plays an invented campaign through the real policy, judge and report, and sets the report beside the truth.

use super::engine::Engine;
use super::{judging, report};
use crate::api::{CampaignJudge, Report, ReportGet, Result, RouteKind};
use crate::clock::{Clock, ManualClock};
use crate::domain::campaign::CampaignTracking;
use crate::domain::consent::{self, UnknownPolicy};
use crate::ids::{CampaignId, SeededEntropy};
use crate::simulate::{self, Audience, Played};
use crate::store::played::{self, Sent};
use crate::store::{self, Priority, route};
use crate::tracking::ingest::{self, Arrival, Source};
use crate::tracking::token::Token;
use chrono::TimeDelta;
use std::collections::HashMap;
use std::sync::Arc;

/// Rows written in one commit.
const CHUNK: usize = 500;

/// A campaign that was played to the end of its window.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// The share of tracked people whose client showed them the picture while the listener could be reached.
    pub true_rate: Option<f64>,
    /// What Casement says.
    pub report: Report,
}

/// Plays `audience` in an empty workspace, on a clock that stands at the campaign's beginning.
pub fn run(engine: &Arc<Engine>, clock: &ManualClock, audience: &Audience, seed: u64) -> Result<Simulated> {
    let played = Arc::new(simulate::play(audience, seed, clock.now()));
    let (campaign, pixels) = send(engine, &played, &audience.name, seed)?;
    fetch(engine, clock, &played, &pixels)?;
    clock.set(played.window.opens_until);
    judging::judge_now(engine, CampaignJudge { id: campaign })?;
    Ok(Simulated {
        true_rate: played.true_rate(),
        report: report::get(engine, ReportGet { id: campaign })?,
    })
}

/// Puts the campaign into the workspace; returns the pixels' tokens of the people who are tracked.
fn send(
    engine: &Arc<Engine>,
    played: &Arc<Played>,
    name: &str,
    seed: u64,
) -> Result<(CampaignId, HashMap<usize, Token>)> {
    let entropy = SeededEntropy::new(seed);
    let mut pixels = HashMap::new();
    let mut mails = Vec::new();
    for (index, person) in played.people.iter().enumerate() {
        let tracking = consent::decide(person.consent, UnknownPolicy::None, CampaignTracking::Individual);
        let pixel = Token::generate(&entropy);
        if person.is_tracked() {
            pixels.insert(index, pixel);
        }
        mails.push(Sent {
            email: person.email.clone(),
            consent: person.consent,
            tracking,
            accepted_at: person.accepted_at,
            pixel,
            page: Token::generate(&entropy),
        });
    }
    let (name, window, up) = (name.to_owned(), played.window, played.up.clone());
    let campaign = engine.db.write(Priority::Window, move |conn| {
        let route = route::ensure(
            conn,
            RouteKind::Public,
            "https://news.simulated",
            window.opens_from,
        )?
        .id;
        played::up(conn, &up)?;
        played::campaign(conn, &name, route, window)
    })?;
    for chunk in mails.chunks(CHUNK) {
        let chunk = chunk.to_vec();
        engine
            .db
            .write(Priority::Bulk, move |conn| played::sent(conn, campaign, &chunk))?;
    }
    Ok((campaign, pixels))
}

/// Lets every fetch come in at its time.
fn fetch(
    engine: &Arc<Engine>,
    clock: &ManualClock,
    played: &Played,
    pixels: &HashMap<usize, Token>,
) -> Result<()> {
    let mut key = [0; 32];
    engine.entropy.fill(&mut key);
    let arrivals: Vec<Arrival> = played
        .fetches
        .iter()
        .filter_map(|fetch| {
            Some(Arrival {
                token: *pixels.get(&fetch.person)?,
                at: fetch.at,
                head_only: false,
                from_here: false,
                clock_set: false,
                source: Source::Address(fetch.source),
                user_agent: fetch.user_agent.clone(),
                not_to_be_recorded: fetch.not_to_be_recorded,
                prefetch: false,
                fresh_key: key,
            })
        })
        .collect();
    for chunk in arrivals.chunks(CHUNK) {
        let last = chunk.last().map_or_else(|| clock.now(), |arrival| arrival.at);
        let chunk = chunk.to_vec();
        engine.db.write(Priority::Hits, move |conn| {
            for arrival in &chunk {
                ingest::record(conn, arrival)?;
            }
            Ok::<_, store::Error>(())
        })?;
        clock.set(last + TimeDelta::milliseconds(1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::bench;

    #[test]
    fn a_report_is_set_beside_the_truth_and_its_range_holds_it() {
        let bench = bench();
        let audience = Audience {
            people: 400,
            downtime_hours: 5.0,
            ..Audience::default()
        };
        let simulated = run(&bench.engine, &bench.clock, &audience, 3).unwrap();
        let parts = &simulated.report.parts;
        assert_eq!(parts.accepted, 400);
        assert!(parts.tracked > 350 && parts.not_tracked.total > 5);
        let truth = simulated.true_rate.unwrap();
        assert!(
            parts.confirmed_rate.unwrap() <= truth && truth <= parts.upper_rate.unwrap(),
            "{truth} {parts:?}"
        );
        assert!(simulated.report.reachable_share.unwrap() < 1.0);
        let (_, breaches) = bench.engine.db.read(store::check::check).unwrap();
        assert!(breaches.is_empty(), "{breaches:#?}");
    }
}
