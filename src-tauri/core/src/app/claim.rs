//! What is due, and the claim: which mail of an account leaves next, if any may.
//!
//! The claim runs in the transaction that writes `handing_over`: the last look at the person, at the account's limits
//! and at what is known of the recipient's mail service. Start at [`take`].

use super::standing::{self as terms, Terms};
use super::{schedule, sending};
use crate::api::{ActivityKind, Result, RouteKind};
use crate::clock::Instant;
use crate::delivery::office::{Agenda, Work};
use crate::delivery::plan::{self, Asking, Recheck, Rules};
use crate::delivery::standing::Standing;
use crate::delivery::transport::without_addresses;
use crate::domain::campaign::CampaignState;
use crate::domain::contact::domain_of;
use crate::domain::message::SkipReason;
use crate::ids::{AccountId, MessageId};
use crate::store::activity::{self, NewActivity};
use crate::store::campaign::Head;
use crate::store::message::{Letter, Outcome};
use crate::store::{Conn, Era, account, campaign, message, route, standing};
use chrono::TimeDelta;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex};

/// Messages that one claim may settle without sending, such as those of people who unsubscribed since.
const SETTLED_PER_CLAIM: usize = 64;
/// Domains whose turns are remembered before those that are over are forgotten.
const DOMAINS: usize = 100_000;

/// Returns what is to do, over all running campaigns. `now` is the computer's clock, `steady` the other one, by which
/// the agenda's times are.
pub(crate) fn agenda(conn: &Conn, now: Instant, steady: Instant) -> Result<Agenda> {
    let mut agenda = Agenda::default();
    let sooner = |a: Option<Instant>, b: Instant| Some(a.map_or(b, |a| a.min(b)));
    let mut known: BTreeMap<AccountId, (account::Account, Terms)> = BTreeMap::new();
    for head in campaign::in_state(conn, CampaignState::Running)? {
        let Some(first) = head.first_mail_at else { continue };
        if first > now {
            // One that is scheduled for another day is nothing to wait for.
            agenda.starting |= !head.scheduled;
            agenda.next = sooner(agenda.next, steady + (first - now));
            continue;
        }
        // Its chosen time has come; whether it came in time is settled before anything leaves.
        if head.scheduled {
            agenda.next = sooner(agenda.next, steady);
            continue;
        }
        if let Some(end) = schedule::quiet_until(conn, &head, now)? {
            if message::is_unfinished(conn, head.id)? {
                agenda.next = sooner(agenda.next, steady + (end - now));
            }
            continue;
        }
        for id in terms::accounts(conn, &head)? {
            let (account, terms) = match known.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let account = account::get(conn, id)?;
                    let terms = Terms::read(conn, &account, steady)?;
                    new.insert((account, terms))
                }
            };
            let (due, next) = message::due(conn, head.id, now, account.connections)?;
            if let Some(next) = next {
                agenda.next = sooner(agenda.next, steady + (next - now));
            }
            if due == 0 || terms.standing.blocked {
                continue;
            }
            if let Some(until) = terms.closed(steady) {
                agenda.next = sooner(agenda.next, until);
                continue;
            }
            match agenda.work.iter_mut().find(|work| work.account == id) {
                Some(work) => work.due += due,
                None => agenda.work.push(Work {
                    account: id,
                    connections: account.connections,
                    interval: terms.limits.interval(),
                    next_at: terms.standing.next_at,
                    due,
                }),
            }
        }
    }
    Ok(agenda)
}

/// What the claims of a dispatcher remember from mail to mail.
pub(super) struct Memory {
    /// When the next mail of an account may go to a domain.
    domains: Mutex<Domains>,
    /// What is the same for mail after mail.
    known: Mutex<BTreeMap<AccountId, Known>>,
    /// While it lasts, `known` holds.
    pub era: Era,
}

impl Memory {
    pub fn new(era: Era) -> Self {
        Self {
            domains: Mutex::default(),
            known: Mutex::default(),
            era,
        }
    }
}

/// An account that mails are claimed for, with the running campaigns that it sends, the one that may send first at the
/// head. To be used in the era in which it was read, and in no other.
struct Known {
    era: u64,
    account: account::Account,
    standing: Standing,
    campaigns: Vec<KnownCampaign>,
}

struct KnownCampaign {
    head: Head,
    rules: Rules,
    /// Mail services that refuse it, with what is to be said of each.
    refusals: BTreeMap<String, String>,
}

impl Known {
    /// Reads all that a claim needs to know of an account; `None` where there is no such account.
    fn read(conn: &Conn, id: AccountId, era: u64) -> Result<Option<Self>> {
        let Some(account) = account::find(conn, id)? else {
            return Ok(None);
        };
        let mut campaigns = Vec::new();
        for head in campaign::in_state(conn, CampaignState::Running)? {
            if !terms::accounts(conn, &head)?.contains(&id) {
                continue;
            }
            let kind = match head.route {
                Some(id) => route::get(conn, id)?.kind,
                None => RouteKind::None,
            };
            campaigns.push(KnownCampaign {
                rules: sending::rules(conn, head.tracking, kind)?,
                refusals: standing::refusals(conn, head.id)?,
                head,
            });
        }
        Ok(Some(Self {
            era,
            account,
            standing: standing::load(conn, id)?,
            campaigns,
        }))
    }
}

/// When the next mail of an account may go to a domain.
type Domains = BTreeMap<(AccountId, String), Queue>;

/// The mails of an account that wait for a domain's turn, by the clock that limits are kept by.
pub(super) struct Queue {
    /// The next one leaves no sooner.
    next: Instant,
    /// The turn of whoever queues up now: each of those before has one of its own.
    end: Instant,
}

/// A mail that was claimed, before it is made.
pub(super) struct Taken {
    pub letter: Letter,
    pub hand_over: message::HandOver,
    /// When, and by the clock by which limits are kept.
    pub at: Instant,
    pub steady: Instant,
}

/// A worker's turn to claim.
pub(super) struct Turn {
    pub account: AccountId,
    pub now: Instant,
    /// The clock by which limits are kept.
    pub steady: Instant,
    /// Before when the account's next mail may not leave.
    pub next_at: Option<Instant>,
    pub memory: Arc<Memory>,
}

/// Claims the account's next mail: the oldest campaign first.
///
/// The last look at the person happens here, in the transaction that writes `handing_over`; so does the last look at
/// the account's limits, whose count is a part of the same commit.
pub(super) fn take(conn: &Conn, turn: &Turn) -> Result<Option<Taken>> {
    let (account, now, era) = (turn.account, turn.now, &turn.memory.era);
    let mut known = turn
        .memory
        .known
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let known = match known.entry(account) {
        Entry::Occupied(known) if known.get().era == era.number() => known.into_mut(),
        stale => match Known::read(conn, account, era.number())? {
            Some(read) => stale.insert_entry(read).into_mut(),
            None => return Ok(None),
        },
    };
    let terms = Terms::of(conn, &known.account, &known.standing, turn.steady)?;
    if known.standing.blocked || terms.closed(turn.steady).is_some() {
        return Ok(None);
    }
    let mut settled = 0;
    for KnownCampaign {
        head,
        rules,
        refusals,
    } in &known.campaigns
    {
        // One whose chosen time has come waits until it is known whether it came in time.
        let Some(first) = head
            .first_mail_at
            .filter(|first| *first <= now && !head.scheduled)
        else {
            continue;
        };
        if schedule::quiet_until(conn, head, now)?.is_some() {
            continue;
        }
        while let Some(letter) = message::next_due(conn, head.id, first, now)? {
            let checked = match check(conn, &letter, (rules, refusals), now)? {
                Checked::Send(hand_over) => match domain_turn(turn, &known.account, &hand_over.email) {
                    None => Checked::Send(hand_over),
                    Some(at) => Checked::Not(Outcome::Requeued { at }),
                },
                not => not,
            };
            match checked {
                Checked::Send(hand_over) => {
                    message::hand_over(conn, &letter, now, &hand_over)?;
                    if head.begun_at.is_none() {
                        campaign::begin(conn, head.id, now)?;
                        era.end();
                    }
                    standing::count(conn, account, turn.steady)?;
                    if let Some(next_at) = turn.next_at {
                        known.standing.next_at = Some(next_at);
                        standing::save(conn, account, &known.standing)?;
                    }
                    return Ok(Some(Taken {
                        letter,
                        hand_over,
                        at: now,
                        steady: turn.steady,
                    }));
                }
                // Another domain's turn may be now.
                Checked::Not(Outcome::Requeued { at }) => message::postpone(conn, letter.id, at)?,
                Checked::Not(outcome) => {
                    message::settle(conn, letter.id, now, &outcome)?;
                }
            }
            settled += 1;
            // The rest waits for the next transaction: none may take long.
            if settled >= SETTLED_PER_CLAIM {
                return Ok(None);
            }
        }
    }
    Ok(None)
}

/// Returns when a mail's domain has its turn, where that is not now.
fn domain_turn(turn: &Turn, account: &account::Account, email: &str) -> Option<Instant> {
    if account.per_domain == 0 {
        return None;
    }
    let interval = TimeDelta::milliseconds(60_000_i64.div_euclid(i64::from(account.per_domain)) + 1);
    let domain = domain_of(email);
    let mut domains = turn
        .memory
        .domains
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if domains.len() > DOMAINS {
        domains.retain(|_, queue| queue.next > turn.steady);
    }
    let queue = domains.entry((account.id, domain)).or_insert(Queue {
        next: turn.steady,
        end: turn.steady,
    });
    if queue.next <= turn.steady {
        queue.next = turn.steady + interval;
        queue.end = queue.end.max(queue.next);
        return None;
    }
    let at = queue.end.max(queue.next);
    queue.end = at + interval;
    Some(turn.now + (at - turn.steady))
}

/// Keeps that a mail's service refuses everything of its campaign. Of a domain that is no known service's nothing is
/// kept: it may be one person's own, and a list of firms has thousands.
pub(super) fn refuse_service(conn: &Conn, id: MessageId, why: &str, reply: &str, now: Instant) -> Result<()> {
    let Some((campaign, email)) = message::whose(conn, id)? else {
        return Ok(());
    };
    let Some(service) = terms::service(&email) else {
        return Ok(());
    };
    let words = format!("{why} Its words: {}", without_addresses(reply));
    if standing::refuse(conn, campaign, service, now, &words)? {
        let text = format!(
            "{service} refuses this campaign, so its other mails there are not sent. {words} Mend that, then send again \
             to those who did not get it."
        );
        activity::add(
            conn,
            now,
            &NewActivity::new(ActivityKind::Problem, text).of(campaign),
        )?;
    }
    Ok(())
}

enum Checked {
    Send(message::HandOver),
    Not(Outcome),
}

fn check(
    conn: &Conn,
    letter: &Letter,
    (rules, refusals): (&Rules, &BTreeMap<String, String>),
    now: Instant,
) -> Result<Checked> {
    let hand_over = match plan::recheck(letter, rules, now) {
        Recheck::Erased => return Ok(Checked::Not(Outcome::Cancelled)),
        Recheck::Send(hand_over) => hand_over,
    };
    if let Some(reply) = terms::refusal(refusals, &hand_over.email) {
        return Ok(Checked::Not(Outcome::Rejected { reply }));
    }
    let mut skip = message::suppressed(conn, &hand_over.address_hash)?;
    // Seldom: the person answered or was asked since the launch. Only then is the document read for it.
    if skip.is_none() && letter.asks && !hand_over.asks {
        let campaign = campaign::find(conn, letter.campaign)?;
        let only = campaign.is_some_and(|campaign| Asking::of(&campaign.document) == Asking::OnlyWhoCanBe);
        skip = only.then_some(SkipReason::NotToBeAsked);
    }
    Ok(match skip {
        Some(reason) => Checked::Not(Outcome::Skipped {
            reason,
            reply: String::new(),
        }),
        None => Checked::Send(hand_over),
    })
}

#[cfg(test)]
mod tests {
    use super::super::launch;
    use super::super::sending_tests::Stage;
    use super::*;
    use crate::api::CampaignLaunch;
    use crate::clock::Clock;
    use crate::domain::consent::ConsentState;
    use crate::domain::schedule::LocalTime;
    use crate::ids::CampaignId;
    use crate::store::Priority;

    #[test]
    fn a_chosen_time_that_has_come_is_settled_before_anything_is_claimed() {
        let stage = Stage::set();
        stage.person("a@example.org", ConsentState::Granted);
        let id = stage.draft();
        assert!(stage.prepare(id).ready);
        let time = LocalTime {
            time: "2026-04-01T09:00:00".parse().unwrap(),
            zone: "UTC".into(),
        };
        let request = CampaignLaunch {
            id,
            delay_secs: 0,
            at: Some(time),
            when_late: None,
            quiet: None,
            confirmed: true,
            confirm_host: None,
        };
        launch::launch(&stage.bench.engine, request).unwrap();
        stage.bench.clock.advance(TimeDelta::hours(9));
        let turn = Turn {
            account: stage.account,
            now: stage.bench.clock.now(),
            steady: stage.bench.clock.steady(),
            next_at: None,
            memory: Arc::new(Memory::new(stage.bench.engine.db.era())),
        };
        let claim = |start_over: bool| {
            let turn = Turn {
                memory: turn.memory.clone(),
                ..turn
            };
            stage
                .bench
                .engine
                .db
                .write(Priority::Sending, move |conn| -> Result<bool> {
                    if start_over {
                        campaign::start_over(conn, id)?;
                    }
                    Ok(take(conn, &turn)?.is_some())
                })
                .unwrap()
        };
        assert!(
            !claim(false),
            "a worker of another campaign does not take it unasked"
        );
        assert!(claim(true));
    }
    #[test]
    fn what_is_written_between_two_claims_holds_at_the_second() {
        let stage = Stage::set();
        for email in ["a@example.org", "b@example.org", "c@example.org"] {
            stage.person(email, ConsentState::Granted);
        }
        let id = stage.draft();
        assert!(stage.prepare(id).ready);
        stage.try_launch(id, 0).unwrap();
        let (db, now) = (&stage.bench.engine.db, stage.bench.clock.now());
        let memory = Arc::new(Memory::new(db.era()));
        let claim = || {
            let turn = Turn {
                account: stage.account,
                now,
                steady: stage.bench.clock.steady(),
                next_at: None,
                memory: memory.clone(),
            };
            db.write_within_era(Priority::Sending, move |conn| take(conn, &turn))
                .unwrap()
                .map(|taken| taken.letter.email)
        };
        let change = |change: fn(&Conn, CampaignId, AccountId, Instant) -> Result<()>| {
            let account = stage.account;
            db.write(Priority::Window, move |conn| change(conn, id, account, now))
                .unwrap();
        };
        assert_eq!(claim().as_deref(), Some("a@example.org"));
        change(|conn, id, _, now| Ok(campaign::advance(conn, id, CampaignState::Paused, now).map(drop)?));
        assert_eq!(claim(), None, "a campaign that was paused");
        change(|conn, id, _, now| Ok(campaign::advance(conn, id, CampaignState::Running, now).map(drop)?));
        assert_eq!(claim().as_deref(), Some("b@example.org"));
        change(|conn, _, account, now| terms::block(conn, account, "Its password is gone.", now, now));
        assert_eq!(claim(), None, "an account that waits for its user");
        change(|conn, id, account, now| {
            campaign::advance(conn, id, CampaignState::Running, now)?;
            terms::unblock(conn, &[account])
        });
        assert_eq!(claim().as_deref(), Some("c@example.org"));
    }
}
