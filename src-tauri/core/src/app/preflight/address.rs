//! What the address that mails carry means for them: which one it is, and what is wrong with it.

use super::{Facts, For};
use crate::api::{AccountKind, Finding, FindingLevel, Result, RouteKind};
use crate::app::account::is_loopback;
use crate::app::engine::Engine;
use crate::app::findings::finding;
use crate::app::{reach, routes, tracking};
use crate::delivery::plan::Asking;
use crate::domain::campaign::CampaignTracking;
use crate::domain::window::Window;
use crate::reach::Permanence;
use crate::store::account::Account;
use crate::store::route::Route;
use crate::store::setting;
use chrono::TimeDelta;
use std::sync::Arc;

/// The finding that an address can be gone soon; its host is typed to send all the same.
pub(crate) const TEMPORARY: &str = "address_temporary";
/// The finding that an address is somebody else's.
pub(super) const LENT: &str = "address_lent";
/// The finding that this computer has to be on.
pub(super) const ONLY_WHILE_ON: &str = "only_while_on";

/// A campaign that lasts longer needs an address that does. The day on which clocks are set back has 25 hours.
const A_DAY: TimeDelta = TimeDelta::hours(25);

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
        self.about_lasting(found);
        self.about_listener(found);
    }

    /// Adds what is good to know and nothing to mend: told before a launch, and not while one writes.
    pub(super) fn note_address(&self, found: &mut Vec<Finding>) {
        if let Some(lasts) = self.lasts()
            && routes::permanence(&self.route) == Some(Permanence::Lent)
        {
            found.push(finding(FindingLevel::Note, LENT, lasts));
        }
        if let Some(sentence) = self.only_while_on() {
            found.push(finding(FindingLevel::Note, ONLY_WHILE_ON, sentence));
        }
    }

    /// Says why the address may not last; practice asks nothing of it.
    pub(super) fn lasts(&self) -> Option<String> {
        routes::lasts(&self.route).filter(|_| !self.is_practice())
    }

    /// Says that this computer has to be on, where readers are to reach it.
    pub(super) fn only_while_on(&self) -> Option<String> {
        let is_for_readers = self.route.kind == RouteKind::Public && !self.is_practice();
        is_for_readers.then(|| routes::only_while_on(self.on, self.now, &self.settings.zone))
    }

    /// Tells whether mails would leave with an address that can be gone soon.
    fn is_short_lived(&self) -> bool {
        !self.is_practice()
            && !self.is_local_for_readers()
            && routes::permanence(&self.route) == Some(Permanence::Temporary)
    }

    /// Returns the host that has to be typed before mails with this window leave: the address may be gone long before its
    /// end. Without tracking nothing ends, and the links to unsubscribe are to work for good.
    pub(crate) fn host_to_confirm(&self, window: Option<Window>) -> Option<String> {
        let is_measured = self.campaign.head.tracking != CampaignTracking::Off;
        let is_short = window.is_some_and(|window| is_measured && window.opens_until - self.now <= A_DAY);
        if is_short || !self.is_short_lived() {
            return None;
        }
        crate::reach::route::host(&self.route.base_url)
    }

    fn about_lasting(&self, found: &mut Vec<Finding>) {
        if !self.is_short_lived() {
            return;
        }
        let Some(lasts) = self.lasts() else { return };
        let window = self.window();
        let rest = match (self.host_to_confirm(window), window) {
            (None, _) => {
                "Mails keep it for good: once it is gone, opens are missed and their links lead nowhere."
                    .to_owned()
            }
            (Some(host), Some(window)) if self.campaign.head.tracking != CampaignTracking::Off => format!(
                "Mails keep it for good, and opens of this campaign count until {}. Set an address that lasts, or type {host} \
                 at the launch to send all the same.",
                routes::day(window.opens_until, &self.settings.zone)
            ),
            (Some(host), _) => format!(
                "Mails keep it for good, and their links to unsubscribe lead there. Set an address that lasts, or type {host} \
                 at the launch to send all the same."
            ),
        };
        found.push(finding(
            FindingLevel::Warning,
            TEMPORARY,
            format!("{lasts} {rest}"),
        ));
    }

    /// Tells whether mails to people elsewhere would name this computer.
    fn is_local_for_readers(&self) -> bool {
        self.account.as_ref().is_some_and(|account| {
            account.kind == AccountKind::Smtp
                && self.route.kind == RouteKind::Local
                && !is_loopback(&account.host)
        })
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
        if self.is_local_for_readers() {
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
