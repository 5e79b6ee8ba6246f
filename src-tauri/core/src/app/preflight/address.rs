//! What the address that mails carry means for them: which one it is, and what is wrong with it.

use super::{Facts, For};
use crate::api::{AccountKind, Finding, FindingLevel, Result, RouteKind};
use crate::app::account::is_loopback;
use crate::app::engine::Engine;
use crate::app::findings::finding;
use crate::app::{reach, tracking};
use crate::delivery::plan::Asking;
use crate::domain::campaign::CampaignTracking;
use crate::store::account::Account;
use crate::store::route::Route;
use crate::store::setting;
use std::sync::Arc;

/// Returns the address that mails from `account` carry.
///
/// Practice is measured at this computer's own listener, until the user has chosen an address or none.
pub(super) fn route(engine: &Arc<Engine>, account: Option<&Account>, purpose: For) -> Result<Route> {
    let (route, chosen) = engine.read(|conn| {
        let chosen = setting::get::<serde_json::Value>(conn, "address")?.is_some();
        Ok((reach::current_route(conn)?, chosen))
    })?;
    let practice = account.is_some_and(|account| account.kind == AccountKind::Outbox);
    if chosen || !practice {
        return Ok(route);
    }
    if purpose == For::Sending || tracking::status(engine).is_some() {
        return reach::practice_route(engine);
    }
    Ok(Route {
        kind: RouteKind::Local,
        ..route
    })
}

impl Facts {
    pub(super) fn about_address(&self, found: &mut Vec<Finding>) {
        self.about_question(found);
        self.about_readers(found);
        self.about_listener(found);
    }

    /// A question needs a page on which it is answered.
    fn about_question(&self, found: &mut Vec<Finding>) {
        use FindingLevel::{Error, Warning};
        match Asking::of(&self.campaign.document) {
            _ if self.route.kind != RouteKind::None => {}
            Asking::Nobody => {}
            Asking::WhoCanBe => found.push(finding(
                Warning,
                "question_without_address",
                "The question will be left out: mails carry no address that readers can reach, so nobody could answer.",
            )),
            Asking::OnlyWhoCanBe => found.push(finding(
                Error,
                "question_without_address",
                "Nobody could answer the question: mails carry no address that readers can reach. Set one in Settings.",
            )),
        }
    }

    /// An address is for the people who get it.
    fn about_readers(&self, found: &mut Vec<Finding>) {
        let Some(account) = &self.account else { return };
        if account.kind == AccountKind::Smtp
            && self.route.kind == RouteKind::Local
            && !is_loopback(&account.host)
        {
            found.push(finding(
                FindingLevel::Error,
                "local_address_real_account",
                format!(
                    "Mails would carry the address {}, which only this computer can reach, but {} sends to real people. \
                     Set a public address or none, or use the practice outbox.",
                    self.route.base_url, account.name
                ),
            ));
        }
    }

    fn about_listener(&self, found: &mut Vec<Finding>) {
        use FindingLevel::Warning;
        match self.route.kind {
            RouteKind::None if self.campaign.head.tracking != CampaignTracking::Off => found.push(finding(
                Warning,
                "no_address",
                "Opens will not be measured: mails carry no address that readers can reach, so no pixel. Readers \
                 unsubscribe by mail.",
            )),
            // Practice starts the listener by itself.
            RouteKind::Public | RouteKind::Local if !self.listening && !self.is_practice() => found.push(finding(
                Warning,
                "listener_not_running",
                "The listener does not run, so opens are missed and the links in the mail lead nowhere until it does.",
            )),
            _ => {}
        }
    }
}
