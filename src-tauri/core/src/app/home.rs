//! The home page.

use super::engine::Engine;
use super::{activity, campaign, reach};
use crate::api::{ActivityList, CampaignList, CampaignRow, Home, HomeGet, NextStep, Result, RouteKind};
use crate::domain::campaign::CampaignState;
use crate::store::setting;
use std::sync::Arc;

/// Answers what is running, what came in, and what a newcomer has still to do.
pub fn get(engine: &Arc<Engine>, _request: HomeGet) -> Result<Home> {
    let campaigns = campaign::list(engine, CampaignList {})?.campaigns;
    let newest = |wanted: &dyn Fn(CampaignState) -> bool, most: usize| -> Vec<CampaignRow> {
        campaigns
            .iter()
            .filter(|row| wanted(row.state))
            .take(most)
            .cloned()
            .collect()
    };
    let (counts, address) = engine.read(|conn| Ok((setting::counts(conn)?, reach::address(conn)?)))?;
    let steps = [
        (counts.accounts == 0, NextStep::AddAccount),
        (counts.contacts == 0, NextStep::ImportContacts),
        (counts.campaigns == 0, NextStep::WriteCampaign),
        (address.kind != RouteKind::Public, NextStep::SetAddress),
    ];
    let mut recent = newest(&|state| state.is_launched(), usize::MAX);
    recent.sort_by_key(|row| std::cmp::Reverse(row.launched_at));
    recent.truncate(5);
    Ok(Home {
        running: newest(
            &|state| matches!(state, CampaignState::Running | CampaignState::Paused),
            10,
        ),
        recent,
        drafts: newest(&|state| !state.is_launched(), 5),
        activity: activity::list(
            engine,
            ActivityList {
                before: None,
                campaign: None,
                limit: 12,
            },
        )?
        .rows,
        contacts: counts.contacts,
        next_steps: steps
            .into_iter()
            .filter(|(missing, _)| *missing)
            .map(|(_, step)| step)
            .collect(),
    })
}
