//! The dispatcher wired to the ledger and the accounts.
//!
//! Every transaction of sending is opened here: the result of a mail, together with the claim of the next (`claim`).
//! Start at [`Desk`].
//!
//! Longer than 600 lines so that all transitions of a message on its way can be read in one place.

use super::claim::{self, Taken, Turn};
use super::engine::Engine;
use super::error::sentence;
use super::standing as terms;
use super::{attachments, data_request, schedule, settings, transports};
use crate::api::{ActivityKind, Error, Result, RouteKind, Tag};
use crate::clock::Instant;
use crate::delivery::dispatcher::Dispatcher;
use crate::delivery::letter::{self, Addressee, Letterhead, Look, Parts, Reader};
use crate::delivery::office::{Agenda, Claim, Claimed, Done, Ended, LedgerError, Office};
use crate::delivery::plan::{Asking, Rules};
use crate::delivery::retry::{self, Verdict};
use crate::delivery::standing::Trip;
use crate::delivery::transport::{DeliveryError, Transport};
use crate::domain::campaign::{CampaignState, CampaignTracking};
use crate::domain::message::SkipReason;
use crate::ids::{AccountId, CampaignId};
use crate::render::audit::Severity;
use crate::render::template::Source;
use crate::store::activity::{self, NewActivity};
use crate::store::after::GIVEN_UP;
use crate::store::campaign::Head;
use crate::store::message::Outcome;
use crate::store::{self, Conn, Priority, account, campaign, dialogue, message, route, setting, standing};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

/// Rows of the ledger that one bulk write touches: far below 50 ms.
pub(crate) const CHUNK: u32 = 500;

/// A dispatcher at work.
pub struct Running {
    dispatcher: Dispatcher,
}

fn slot(engine: &Engine) -> MutexGuard<'_, Option<Running>> {
    engine
        .sender
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Tells whether the dispatcher is there, at work or not.
pub(crate) fn is_running(engine: &Engine) -> bool {
    engine
        .sender
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .is_some()
}

/// Starts the dispatcher, and what mails readers' copies beside it; nothing happens where it runs already.
pub fn start(engine: &Arc<Engine>) {
    data_request::start(engine);
    let mut slot = slot(engine);
    if slot.is_some() {
        return;
    }
    let desk = Arc::new(Desk {
        engine: Arc::downgrade(engine),
        letterheads: Mutex::default(),
        memory: Arc::new(claim::Memory::new(engine.db.era())),
        troubled: Mutex::new(None),
    });
    match Dispatcher::start(desk) {
        Ok(dispatcher) => *slot = Some(Running { dispatcher }),
        Err(error) => tracing::error!(%error, "no thread for the dispatcher; nothing is sent"),
    }
}

/// Finishes the mails in hand and stops the dispatcher.
pub fn stop(engine: &Engine) {
    // Taken out first: the workers' last steps must not find the slot locked.
    let running = slot(engine).take();
    if let Some(running) = running {
        running.dispatcher.stop();
    }
    data_request::stop(engine);
}

/// Tells the dispatcher that something may have become due, or is due no more.
pub(crate) fn wake(engine: &Engine) {
    if let Some(running) = slot(engine).as_ref() {
        running.dispatcher.wake();
    }
}

/// Tells the dispatcher that the user wants accounts to go on after failures.
pub(crate) fn go_on(engine: &Engine, accounts: &[AccountId]) {
    if let Some(running) = slot(engine).as_ref() {
        for account in accounts {
            running.dispatcher.reset(*account);
        }
        running.dispatcher.wake();
    }
}

/// Waits until no campaign has anything due. Returns at once where the dispatcher does not run.
pub fn wait_idle(engine: &Engine) {
    let idle = slot(engine).as_ref().map(|running| running.dispatcher.idle());
    if let Some(idle) = idle {
        idle.wait();
    }
}

/// Settles what a crash left: what was being handed over is uncertain, what was being prepared is a draft.
pub fn recover(engine: &Engine) -> Result<()> {
    let now = engine.clock.now();
    while engine.db.write(Priority::Bulk, move |conn| {
        message::uncertain_after_crash(conn, now, CHUNK)
    })? > 0
    {}
    let unfinished = engine.read(|conn| {
        let mut ids: Vec<(CampaignId, CampaignState)> = Vec::new();
        for state in [
            CampaignState::Preparing,
            CampaignState::Draft,
            CampaignState::Cancelled,
        ] {
            ids.extend(
                campaign::in_state(conn, state)?
                    .into_iter()
                    .map(|head| (head.id, state)),
            );
        }
        Ok(ids)
    })?;
    for (id, state) in unfinished {
        match state {
            CampaignState::Cancelled => cancel_rest(engine, id)?,
            _ => {
                if state == CampaignState::Preparing {
                    engine
                        .db
                        .write(Priority::Window, move |conn| campaign::make_draft(conn, id, now))?;
                }
                discard_ledger(engine, id)?;
            }
        }
    }
    Ok(())
}

/// Removes the ledger of a campaign that was never sent, in chunks.
pub(crate) fn discard_ledger(engine: &Engine, id: CampaignId) -> Result<()> {
    while engine.db.write(Priority::Bulk, move |conn| {
        message::discard(conn, id, CHUNK).map_err(Error::from)
    })? > 0
    {}
    Ok(())
}

/// Cancels what a cancelled campaign has not sent, in chunks.
pub(crate) fn cancel_rest(engine: &Engine, id: CampaignId) -> Result<()> {
    let now = engine.clock.now();
    while engine.db.write(Priority::Bulk, move |conn| {
        message::cancel(conn, id, now, CHUNK).map_err(Error::from)
    })? > 0
    {}
    Ok(())
}

/// Puts what a launched campaign has planned into the queue, in chunks; until then nothing of it can leave.
pub(crate) fn enqueue(engine: &Engine, id: CampaignId, first_mail_at: Instant) -> Result<()> {
    let now = engine.clock.now();
    while engine.db.write(Priority::Bulk, move |conn| {
        // Cancelled in between: the rows are not to be woken.
        match campaign::find_head(conn, id)? {
            Some(head) if matches!(head.state, CampaignState::Running | CampaignState::Paused) => {
                message::enqueue(conn, id, first_mail_at, now, CHUNK)
            }
            _ => Ok(0),
        }
        .map_err(Error::from)
    })? > 0
    {}
    Ok(())
}

/// Returns the rules that hold for a campaign now.
pub(crate) fn rules(conn: &Conn, tracking: CampaignTracking, kind: RouteKind) -> Result<Rules> {
    Ok(Rules {
        tracking,
        unknown: settings::unknown_policy(conn)?,
        cap: settings::tracked_mails(conn)?,
        route: kind,
        key: setting::workspace_key(conn)?,
        // Asked while the ledger is planned; afterwards its rows say it.
        asking: Asking::Nobody,
    })
}

/// Compiles the mail of a prepared campaign; the error is a sentence.
pub(crate) fn letterhead(engine: &Engine, id: CampaignId) -> Result<Letterhead> {
    let campaign = engine.read(|conn| super::campaign::find(conn, id))?;
    let (Some(imprint), Some(route_id)) = (&campaign.imprint, campaign.head.route) else {
        return Err(Error::conflict(format!(
            "{} is not prepared.",
            campaign.head.name
        )));
    };
    let route = engine.read(|conn| Ok(route::get(conn, route_id)?))?;
    let enclosures = attachments::enclosures(engine, id, &campaign.document)?;
    Letterhead::compile(&Parts {
        campaign: id,
        source: Source {
            document: &campaign.document,
            subject: &campaign.head.subject,
            preheader: &campaign.preheader,
            organisation: "",
            postal_address: "",
        },
        imprint,
        route: route.kind,
        base_url: &route.base_url,
        shared_token: campaign.shared_token,
        enclosures: enclosures.as_ref(),
    })
    .map_err(|errors| {
        let first = errors
            .first()
            .map(|error| error.message.clone())
            .unwrap_or_default();
        Error::invalid(sentence(&first))
    })
}

/// The dispatcher's view of the workspace.
struct Desk {
    engine: Weak<Engine>,
    letterheads: Mutex<BTreeMap<CampaignId, Arc<Letterhead>>>,
    memory: Arc<claim::Memory>,
    /// Accounts of which something is wrong, so that most mails that are taken cost no look; `None` before the first.
    troubled: Mutex<Option<BTreeSet<AccountId>>>,
}

impl Desk {
    fn engine(&self) -> std::result::Result<Arc<Engine>, LedgerError> {
        self.engine
            .upgrade()
            .ok_or_else(|| LedgerError("the workspace is closed".into()))
    }

    /// Returns a campaign's compiled mail, from the second time on without reading anything.
    fn letterhead(&self, engine: &Engine, id: CampaignId) -> Result<Arc<Letterhead>> {
        let mut letterheads = self
            .letterheads
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(letterhead) = letterheads.get(&id) {
            return Ok(letterhead.clone());
        }
        let letterhead = Arc::new(letterhead(engine, id)?);
        letterheads.insert(id, letterhead.clone());
        Ok(letterhead)
    }

    /// Makes the mail. What was changed since the audit is audited again; what fails does not leave.
    fn make(&self, engine: &Engine, taken: &Taken) -> std::result::Result<letter::Finished, String> {
        let letterhead = self
            .letterhead(engine, taken.letter.campaign)
            .map_err(|error| error.message)?;
        let Some(person) = &taken.letter.person else {
            return Err("the person was erased".into());
        };
        let reader = Reader::new(person);
        let to = Addressee {
            tracking: taken.hand_over.tracking,
            asks: taken.hand_over.asks,
            ..reader.addressee(&taken.letter)
        };
        let finished = letterhead
            .finish(&to, taken.at)
            .map_err(|error| error.to_string())?;
        let audited = taken.letter.audited_revision == person.revision
            && taken.letter.tracking == taken.hand_over.tracking
            && taken.letter.asks == taken.hand_over.asks;
        if !audited
            && let Some(problem) = letterhead
                .audit(&to, &finished, Look::AtOutline)
                .into_iter()
                .find(|problem| problem.severity == Severity::Error)
        {
            return Err(problem.message);
        }
        Ok(finished)
    }
}

impl From<store::Error> for LedgerError {
    fn from(error: store::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Error> for LedgerError {
    fn from(error: Error) -> Self {
        Self(error.message)
    }
}

impl Office for Desk {
    fn now(&self) -> Instant {
        match self.engine.upgrade() {
            Some(engine) => engine.clock.steady(),
            None => Instant::UNIX_EPOCH,
        }
    }

    fn chance(&self) -> f64 {
        self.engine.upgrade().map_or(0.0, |engine| chance(&engine))
    }

    fn agenda(&self) -> std::result::Result<Agenda, LedgerError> {
        let engine = self.engine()?;
        let now = engine.clock.now();
        let running = engine.read(|conn| Ok(campaign::in_state(conn, CampaignState::Running)?))?;
        self.letterheads
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .retain(|id, _| running.iter().any(|head| head.id == *id));
        for head in &running {
            // A mail that cannot be made for anyone is no recipient's fault: nothing of it is skipped.
            match self.letterhead(&engine, head.id) {
                Ok(_) => settle_campaign(&engine, head)?,
                Err(error) => pause_campaign(&engine, head.id, &error.message)?,
            }
            schedule::settle_late(&engine, head, now)?;
        }
        let steady = engine.clock.steady();
        Ok(engine.read(|conn| claim::agenda(conn, now, steady))?)
    }

    fn is_due(&self, account: AccountId) -> std::result::Result<bool, LedgerError> {
        let engine = self.engine()?;
        let (now, steady) = (engine.clock.now(), engine.clock.steady());
        let agenda = engine.read(|conn| claim::agenda(conn, now, steady))?;
        Ok(agenda.work.iter().any(|work| work.account == account))
    }

    fn exchange(
        &self,
        account: AccountId,
        done: Option<&Done>,
        claim: Claim,
        next_at: Option<Instant>,
    ) -> std::result::Result<Option<Claimed>, LedgerError> {
        if done.is_none() && claim == Claim::Nothing {
            return Ok(None);
        }
        let engine = self.engine()?;
        let now = engine.clock.now();
        let steady = engine.clock.steady();
        let settled = done.map(|done| {
            let outcome = outcome(&engine, done, now);
            let ending = ending(&outcome, done.attempts);
            (done.message, outcome, ending, done.dialogue.clone())
        });
        let refused = done.and_then(|done| match &done.result {
            Ended::Failed(error) => retry::refuses_sender(error).map(|why| (why, error.reply.clone())),
            _ => None,
        });
        let claimed_at = done.map(|done| done.claimed_at);
        let is_first = done.is_none_or(|done| done.attempts <= 1);
        let kind = done.and_then(|done| match &done.result {
            Ended::Failed(error) => Some(error.kind),
            _ => None,
        });
        let turn = Turn {
            account,
            now,
            steady,
            next_at,
            memory: self.memory.clone(),
        };
        let taken = engine
            .db
            .write_within_era(Priority::Sending, move |conn| -> Result<Option<Taken>> {
                if let Some((id, outcome, ending, said)) = settled {
                    if message::settle(conn, id, now, &outcome)?
                        && let Some(ending) = ending
                    {
                        dialogue::keep(conn, id, now, ending, &said)?;
                    }
                    // The first try leaves nothing to take back.
                    if kind.is_some() || !is_first {
                        message::set_error(conn, id, kind)?;
                    }
                    // What was not taken through no fault of its own, or was never made, counts against no limit.
                    if let (Outcome::Requeued { .. } | Outcome::Skipped { .. }, Some(at)) =
                        (&outcome, claimed_at)
                    {
                        standing::uncount(conn, account, at)?;
                    }
                    if let Some((why, reply)) = refused {
                        claim::refuse_service(conn, id, why, &reply, now)?;
                        turn.memory.era.end();
                    }
                }
                match claim {
                    Claim::Nothing => Ok(None),
                    Claim::Next => claim::take(conn, &turn),
                }
            })?;
        engine.announce(&[Tag::Campaigns]);
        Ok(taken.map(|taken| self.ready(&engine, &taken)))
    }

    fn transport(&self, account: AccountId) -> std::result::Result<Box<dyn Transport>, String> {
        let engine = self.engine().map_err(|error| error.0)?;
        transports::transport_for(&engine, account).map_err(|error| error.message)
    }

    fn judge(&self, account: AccountId, result: std::result::Result<(), &DeliveryError>) -> Trip {
        let Ok(engine) = self.engine() else {
            return Trip::Not;
        };
        // What concerns one mail alone says that the account works.
        let result = result.or_else(|error| match error.concerns_account() {
            true => Err(error),
            false => Ok(()),
        });
        if result.is_ok() && !self.is_troubled(&engine, account) {
            return Trip::Not;
        }
        // Taken out before and put back after, so that what another connection finds meanwhile is not overwritten.
        self.troubled().get_or_insert_default().remove(&account);
        let (trip, is_troubled) = terms::judge(&engine, account, result);
        if is_troubled {
            self.troubled().get_or_insert_default().insert(account);
        }
        trip
    }

    fn pause(&self, account: AccountId, why: &str) {
        let Ok(engine) = self.engine() else { return };
        let (now, steady, why) = (engine.clock.now(), engine.clock.steady(), why.to_owned());
        let paused = engine.db.write(Priority::Sending, move |conn| {
            terms::block(conn, account, &why, steady, now)
        });
        if let Err(error) = paused {
            tracing::error!(%error, "a failing account's campaigns could not be paused");
        }
        engine.announce(&[Tag::Campaigns, Tag::Activity]);
        wake(&engine);
    }
}

impl Desk {
    fn troubled(&self) -> MutexGuard<'_, Option<BTreeSet<AccountId>>> {
        self.troubled
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn is_troubled(&self, engine: &Engine, account: AccountId) -> bool {
        let mut troubled = self.troubled();
        if troubled.is_none() {
            // An earlier run may have left some.
            let found = engine.read(|conn| {
                let mut found = BTreeSet::new();
                for account in account::list(conn)? {
                    if standing::load(conn, account.id)?.trouble.is_some() {
                        found.insert(account.id);
                    }
                }
                Ok(found)
            });
            *troubled = found.ok();
        }
        troubled
            .as_ref()
            .is_none_or(|troubled| troubled.contains(&account))
    }

    fn ready(&self, engine: &Engine, taken: &Taken) -> Claimed {
        let made = self.make(engine, taken);
        let from = self
            .letterhead(engine, taken.letter.campaign)
            .map(|letterhead| letterhead.from_address().to_owned())
            .unwrap_or_default();
        let (subject, bytes) = match made {
            Ok(finished) => (finished.subject.clone(), Ok(finished.into_bytes())),
            Err(why) => (String::new(), Err(why)),
        };
        Claimed {
            message: taken.letter.id,
            campaign: taken.letter.campaign,
            attempts: taken.letter.attempts + 1,
            claimed_at: taken.steady,
            from,
            to: taken.hand_over.email.clone(),
            subject,
            bytes,
        }
    }
}

/// Queues what a launch left planned, and ends a campaign that has nothing left.
fn settle_campaign(engine: &Engine, head: &Head) -> Result<()> {
    let id = head.id;
    if let Some(first) = head.first_mail_at {
        enqueue(engine, id, first)?;
    }
    if engine.read(|conn| Ok(message::is_unfinished(conn, id)?))? {
        return Ok(());
    }
    let now = engine.clock.now();
    engine.write(&[Tag::Campaigns, Tag::Activity], move |conn| {
        if message::is_unfinished(conn, id)? || !campaign::advance(conn, id, CampaignState::Finished, now)? {
            return Ok(());
        }
        // Whatever it waited for last, it waits no more.
        campaign::set_problem(conn, id, None)?;
        let accepted = message::counts(conn, id)?.get("accepted").copied().unwrap_or(0);
        let people = if accepted == 1 { "person" } else { "people" };
        let row = NewActivity::new(ActivityKind::Campaign, format!("Sent to {accepted} {people}."));
        Ok(activity::add(conn, now, &row.of(id))?)
    })
}

/// Returns how a try ended of which what was said is kept; `None` where it is not kept.
fn ending(outcome: &Outcome, attempts: u32) -> Option<dialogue::Ending> {
    match outcome {
        Outcome::Accepted { .. } if attempts <= 1 => Some(dialogue::Ending::AcceptedAtOnce),
        Outcome::Accepted { .. } => Some(dialogue::Ending::Accepted),
        Outcome::Deferred { .. } | Outcome::Rejected { .. } | Outcome::Uncertain { .. } => {
            Some(dialogue::Ending::Trouble)
        }
        Outcome::Requeued { .. } | Outcome::Skipped { .. } | Outcome::Cancelled => None,
    }
}

/// Returns what the ledger is to say of a mail that was handed over.
fn outcome(engine: &Engine, done: &Done, now: Instant) -> Outcome {
    let error = match &done.result {
        Ended::Accepted(accepted) => {
            return Outcome::Accepted {
                reply: accepted.reply.clone(),
            };
        }
        Ended::Unmade(why) => {
            return Outcome::Skipped {
                reason: SkipReason::RenderFailed,
                reply: sentence(why),
            };
        }
        Ended::Failed(error) => error,
    };
    let reply = error.reply.clone();
    match retry::judge(error, done.attempts, now, chance(engine)) {
        Verdict::Requeue { at } => Outcome::Requeued { at },
        Verdict::Defer { at } => Outcome::Deferred { at, reply },
        Verdict::Reject { gave_up: false } => Outcome::Rejected { reply },
        Verdict::Reject { gave_up: true } => Outcome::Rejected {
            reply: format!("{GIVEN_UP} {} attempts: {reply}", done.attempts),
        },
        Verdict::Uncertain => Outcome::Uncertain { reply },
    }
}

/// Returns a number in `[0, 1)` by chance.
fn chance(engine: &Engine) -> f64 {
    let mut byte = [0];
    engine.entropy.fill(&mut byte);
    f64::from(byte[0]) / 256.0
}

/// Pauses a campaign of which no mail can be made.
fn pause_campaign(engine: &Engine, id: CampaignId, problem: &str) -> Result<()> {
    let (now, problem) = (engine.clock.now(), problem.to_owned());
    engine.write(&[Tag::Campaigns, Tag::Activity], move |conn| {
        if !campaign::advance(conn, id, CampaignState::Paused, now)? {
            return Ok(());
        }
        campaign::set_problem(conn, id, Some(&problem))?;
        let row = NewActivity::new(ActivityKind::Problem, format!("Paused. {problem}"));
        Ok(activity::add(conn, now, &row.of(id))?)
    })
}

/// Pauses the running campaigns that no other account of theirs can carry on.
pub(crate) fn pause_account(conn: &Conn, id: AccountId, problem: &str, now: Instant) -> Result<()> {
    for head in campaign::in_state(conn, CampaignState::Running)? {
        let mut accounts = terms::accounts(conn, &head)?;
        if !accounts.contains(&id) {
            continue;
        }
        accounts.retain(|other| *other != id);
        let goes_on = !accounts.is_empty() && !terms::is_blocked(conn, &accounts)?;
        let text = if goes_on {
            format!("{problem} The campaign goes on by its other accounts.")
        } else if campaign::advance(conn, head.id, CampaignState::Paused, now)? {
            campaign::set_problem(conn, head.id, Some(problem))?;
            format!("Paused. {problem}")
        } else {
            continue;
        };
        let row = NewActivity::new(ActivityKind::Problem, text);
        activity::add(conn, now, &row.of(head.id))?;
    }
    Ok(())
}
