//! How accounts stand: which may send now and how fast, what a failure means for their campaigns, and when all will
//! have left.
//!
//! Pace and waits are kept by the steady clock, which setting the computer's clock does not move; a counted minute is
//! one of that clock too.

use super::engine::Engine;
use super::sending;
use crate::api::{AccountStanding, AccountState, ActivityKind, Result, Tag};
use crate::clock::Instant;
use crate::delivery::quota::{self, Forecast, Limits, Sender, Sent};
use crate::delivery::standing::{Standing, Trip, Trouble};
use crate::delivery::transport::{DeliveryError, ErrorKind};
use crate::domain::campaign::CampaignState;
use crate::domain::contact::domain_of;
use crate::domain::window::parse_zone;
use crate::ids::AccountId;
use crate::store::account::Account;
use crate::store::activity::{self, NewActivity};
use crate::store::campaign::Head;
use crate::store::{Conn, Priority, account, campaign, standing};
use chrono::TimeDelta;
use std::collections::BTreeMap;

/// Failures in a row from which on the feed speaks of them: what is over in seconds is not worth a line.
const WORTH_A_LINE: u32 = 4;

/// How an account may work at an instant.
pub(crate) struct Terms {
    /// Its limits, with what was learnt from its server.
    pub limits: Limits,
    /// How it stands.
    pub standing: Standing,
    /// What it handed over in the last 24 hours.
    pub sent: Sent,
}

impl Terms {
    /// Reads an account's terms; `now` is steady.
    pub fn read(conn: &Conn, account: &Account, now: Instant) -> Result<Self> {
        Self::of(conn, account, &standing::load(conn, account.id)?, now)
    }

    /// Returns the terms of an account whose standing is known; `now` is steady.
    pub fn of(conn: &Conn, account: &Account, standing: &Standing, now: Instant) -> Result<Self> {
        let learnt = Limits {
            per_day: standing.learnt_per_day(now),
            ..Limits::default()
        };
        let limits = account
            .limits
            .strictest(&learnt)
            .slowed(standing.slow_factor(now));
        let sent = if limits.per_day > 0 {
            standing::sent(conn, account.id, now)?
        } else {
            Sent::default()
        };
        Ok(Self {
            limits,
            standing: standing.clone(),
            sent,
        })
    }

    /// Returns before when nothing leaves: its server asked for that, or the day's limit is reached. `None` is now.
    pub fn closed(&self, now: Instant) -> Option<Instant> {
        let full = self.sent.full_until(self.limits.per_day);
        self.standing.closed(now).max(full.filter(|until| *until > now))
    }
}

/// Takes note of a hand-over's result; returns what follows, and whether anything is wrong with the account after it.
pub(crate) fn judge(
    engine: &Engine,
    id: AccountId,
    result: std::result::Result<(), &DeliveryError>,
) -> (Trip, bool) {
    let (now, wall) = (engine.clock.steady(), engine.clock.now());
    let error = result.err().cloned();
    let judged = engine
        .db
        .write(Priority::Sending, move |conn| -> Result<(Trip, bool)> {
            let before = standing::load(conn, id)?;
            let mut after = before.clone();
            let trip = match &error {
                None => {
                    after.went_well(now);
                    Trip::Not
                }
                Some(error) => after.failed(error, standing::sent(conn, id, now)?.in_day(), now),
            };
            if after != before {
                standing::save(conn, id, &after)?;
                tell(conn, id, &before, &after, Moment { now, wall }, trip)?;
            }
            Ok((trip, after.trouble.is_some()))
        });
    engine.announce(&[Tag::Accounts, Tag::Campaigns, Tag::Activity]);
    judged.unwrap_or_else(|error| {
        tracing::error!(%error, "an account's standing could not be kept");
        (Trip::Wait(now + TimeDelta::seconds(2)), true)
    })
}

/// Lets an account wait for the user, because nothing can be handed over by it: its password is gone, say.
pub(crate) fn block(conn: &Conn, id: AccountId, why: &str, steady: Instant, now: Instant) -> Result<()> {
    let mut standing = standing::load(conn, id)?;
    if standing.blocked {
        return Ok(());
    }
    standing.blocked = true;
    standing.trouble = Some(Trouble {
        kind: ErrorKind::Auth,
        reply: why.to_owned(),
        at: steady,
    });
    standing::save(conn, id, &standing)?;
    sending::pause_account(conn, id, why, now)
}

/// One instant by both clocks.
#[derive(Clone, Copy)]
struct Moment {
    now: Instant,
    wall: Instant,
}

impl Moment {
    /// Returns a steady instant as the computer's clock will show it.
    fn on_the_wall(self, at: Instant) -> Instant {
        self.wall + (at - self.now)
    }
}

/// Says in the feed and at the campaigns what has changed of an account.
fn tell(
    conn: &Conn,
    id: AccountId,
    before: &Standing,
    after: &Standing,
    moment: Moment,
    trip: Trip,
) -> Result<()> {
    let Some(account) = account::find(conn, id)? else {
        return Ok(());
    };
    let note =
        |text: String| activity::add(conn, moment.wall, &NewActivity::new(ActivityKind::Problem, text));
    if let (Some(slow), true) = (
        &after.slow,
        after.slow_factor(moment.now) > before.slow_factor(moment.now),
    ) {
        note(format!(
            "{} sends {} times more slowly for an hour: its server asked for it ({}).",
            account.name, slow.factor, slow.reply
        ))?;
    }
    if let Some(learnt) = &after.learnt
        && before.learnt_per_day(moment.now) != learnt.per_day
    {
        note(format!(
            "{} has a limit of {} mails in 24 hours, as its server says ({}). The rest waits for it.",
            account.name, learnt.per_day, learnt.reply
        ))?;
    }
    let Some(trouble) = &after.trouble else {
        if before.trouble.is_some() {
            for head in sending_from(conn, id)? {
                campaign::set_problem(conn, head.id, None)?;
            }
            if before.failures >= WORTH_A_LINE {
                note(format!("{} can send again.", account.name))?;
            }
        }
        return Ok(());
    };
    let error = DeliveryError {
        kind: trouble.kind,
        stage: crate::delivery::transport::Stage::Connecting,
        code: None,
        reply: trouble.reply.clone(),
    };
    match trip {
        // Connections that were refused together are told of once.
        Trip::Block if before.blocked => {}
        Trip::Block => {
            sending::pause_account(conn, id, &account_sentence(&account.name, &error), moment.wall)?
        }
        Trip::Wait(until) => {
            let sentence = waiting_sentence(&account.name, &error);
            for head in sending_from(conn, id)? {
                campaign::set_problem(conn, head.id, Some(&sentence))?;
            }
            if after.failures == WORTH_A_LINE && before.failures < WORTH_A_LINE {
                tracing::info!(account = %id, until = %moment.on_the_wall(until), "an account waits for its server");
                note(sentence)?;
            }
        }
        Trip::Not => {}
    }
    Ok(())
}

/// Returns the running campaigns that send from an account and from no other.
fn sending_from(conn: &Conn, id: AccountId) -> Result<Vec<Head>> {
    let mut found = Vec::new();
    for head in campaign::in_state(conn, CampaignState::Running)? {
        if account::of_campaign(conn, head.id, head.account)? == [id] {
            found.push(head);
        }
    }
    Ok(found)
}

/// Takes note that the user wants a campaign's accounts to go on.
pub(crate) fn go_on(conn: &Conn, ids: &[AccountId]) -> Result<()> {
    for id in ids {
        let mut standing = standing::load(conn, *id)?;
        if standing.blocked || standing.trouble.is_some() || standing.closed_until.is_some() {
            standing.go_on();
            standing::save(conn, *id, &standing)?;
        }
    }
    Ok(())
}

/// Lets accounts try again that wait for the user: a launch, whose preparation has just logged in, is his word.
pub(crate) fn unblock(conn: &Conn, ids: &[AccountId]) -> Result<()> {
    for id in ids {
        let mut standing = standing::load(conn, *id)?;
        if standing.blocked {
            standing.go_on();
            standing::save(conn, *id, &standing)?;
        }
    }
    Ok(())
}

/// Counts a mail that leaves beside the ledger: a test mail, a reader's copy.
pub(crate) fn count(engine: &Engine, id: AccountId) {
    let now = engine.clock.steady();
    if let Err(error) = engine
        .db
        .write(Priority::Sending, move |conn| standing::count(conn, id, now))
    {
        tracing::warn!(%error, "a mail could not be counted against its account's limits");
    }
}

/// Says what keeps an account from sending, and what to do.
pub(crate) fn account_sentence(name: &str, error: &DeliveryError) -> String {
    let words = &error.reply;
    match error.kind {
        ErrorKind::Auth => format!(
            "The account {name} could not log in ({words}). Check its password, or sign in again, in Settings, then \
             resume."
        ),
        ErrorKind::Quota => format!(
            "The account {name} has reached its provider's limit ({words}). Resume when the provider allows more."
        ),
        ErrorKind::Account => format!(
            "The server does not let the account {name} send ({words}). Check the sender's address, then resume."
        ),
        _ => format!(
            "The account {name} cannot reach its server ({words}). Check the connection and the account's settings, \
             then resume."
        ),
    }
}

/// Says what an account waits for by itself.
fn waiting_sentence(name: &str, error: &DeliveryError) -> String {
    let words = &error.reply;
    match error.kind {
        ErrorKind::Quota => format!(
            "{name} has reached its provider's limit ({words}). Sending goes on by itself when there is room."
        ),
        ErrorKind::Auth => {
            format!("The server of {name} cannot log in just now ({words}). It is tried again.")
        }
        ErrorKind::Account => {
            format!("The server of {name} takes no mail from it just now ({words}). It is tried again.")
        }
        _ => format!("{name} cannot reach its server ({words}). It is tried again until it can."),
    }
}

/// Returns how an account stands, as the window shows it.
pub(crate) fn shown(conn: &Conn, engine: &Engine, account: &Account) -> Result<AccountStanding> {
    let moment = Moment {
        now: engine.clock.steady(),
        wall: engine.clock.now(),
    };
    let terms = Terms::read(conn, account, moment.now)?;
    let closed = terms.standing.closed(moment.now);
    let full = terms.sent.full_until(terms.limits.per_day);
    let slow = terms.standing.slow_factor(moment.now);
    let as_error = |trouble: &Trouble| DeliveryError {
        kind: trouble.kind,
        stage: crate::delivery::transport::Stage::Connecting,
        code: None,
        reply: trouble.reply.clone(),
    };
    let trouble = terms.standing.trouble.as_ref().map(as_error);
    let (state, until, sentence) = if terms.standing.blocked {
        let sentence = trouble.map(|error| account_sentence(&account.name, &error));
        (AccountState::Blocked, None, sentence)
    } else if let Some(until) = closed {
        let sentence = trouble.map(|error| waiting_sentence(&account.name, &error));
        (AccountState::Waiting, Some(until), sentence)
    } else if let Some(until) = full {
        let sentence = format!(
            "{} mails were handed over in the last 24 hours, which is the limit. Sending goes on by itself when there is room.",
            terms.sent.in_day()
        );
        (AccountState::Full, Some(until), Some(sentence))
    } else if slow > 1 {
        let words = terms.standing.slow.as_ref().map_or("", |slow| &slow.reply);
        let until = terms.standing.slow.as_ref().map(|slow| slow.until);
        let sentence =
            format!("Sends {slow} times more slowly for a while: the server asked for it ({words}).");
        (AccountState::Slow, until, Some(sentence))
    } else {
        (AccountState::Ready, None, None)
    };
    let sent = match terms.limits.per_day {
        0 => standing::sent(conn, account.id, moment.now)?,
        _ => terms.sent,
    };
    Ok(AccountStanding {
        state,
        until: until.map(|until| moment.on_the_wall(until)),
        sentence,
        sent_in_day: sent.in_day(),
        per_day: terms.limits.per_day,
    })
}

/// Returns what a forecast needs to know of the accounts; `seen_per_minute` is a campaign's pace so far.
pub(crate) fn senders(
    conn: &Conn,
    engine: &Engine,
    ids: &[AccountId],
    seen_per_minute: Option<f64>,
) -> Result<Vec<Sender>> {
    let moment = Moment {
        now: engine.clock.steady(),
        wall: engine.clock.now(),
    };
    let mut senders = Vec::new();
    for id in ids {
        let Some(account) = account::find(conn, *id)? else {
            continue;
        };
        let terms = Terms::read(conn, &account, moment.now)?;
        if terms.standing.blocked {
            continue;
        }
        senders.push(Sender {
            limits: terms.limits,
            closed_until: terms
                .standing
                .closed(moment.now)
                .map(|until| moment.on_the_wall(until)),
            sent: terms.sent,
            seen_per_minute: seen_per_minute.map(|seen| seen / ids.len() as f64),
        });
    }
    Ok(senders)
}

/// Foretells when what a launched campaign has left will have left.
pub(crate) fn of_campaign(
    conn: &Conn,
    engine: &Engine,
    head: &Head,
    counts: &BTreeMap<String, u32>,
    now: Instant,
) -> Result<Option<Forecast>> {
    let Some(first) = head.first_mail_at else {
        return Ok(None);
    };
    let waiting = super::campaign::waiting(counts);
    let seen = super::campaign::pace_so_far(head, counts, now);
    let senders = senders(conn, engine, &accounts(conn, head)?, seen)?;
    let (plan, zone) = campaign::plan(conn, head.id)?;
    let zone = parse_zone(&zone).unwrap_or(chrono_tz::UTC);
    let is_open = |at: Instant| plan.quiet.is_none_or(|quiet| !quiet.is_quiet(at, zone));
    Ok(quota::forecast(waiting, now.max(first), &senders, &is_open))
}

/// Tells whether every one of the accounts waits for the user.
pub(crate) fn is_blocked(conn: &Conn, ids: &[AccountId]) -> Result<bool> {
    for id in ids {
        if !standing::load(conn, *id)?.blocked {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the campaign's accounts, its own first.
pub(crate) fn accounts(conn: &Conn, head: &Head) -> Result<Vec<AccountId>> {
    Ok(account::of_campaign(conn, head.id, head.account)?)
}

/// Returns why a mail service refuses a campaign, where it is one of `refusals`: the sentence for one more mail to it.
pub(crate) fn refusal(refusals: &BTreeMap<String, String>, email: &str) -> Option<String> {
    if refusals.is_empty() {
        return None;
    }
    let reply = refusals.get(service(email)?)?;
    Some(format!(
        "Not sent: this mail service refused the campaign. {reply}"
    ))
}

/// Returns the mail service of an address, where its domain is one of a known service's.
pub(crate) fn service(email: &str) -> Option<&'static str> {
    match crate::report::provider::of(&domain_of(email)) {
        crate::api::Provider::Other => None,
        provider => Some(provider.name()),
    }
}
