//! The dispatcher wired to the ledger and the accounts.
//!
//! Every transaction of sending is opened here: the claim with its last look at the person, and the result of a
//! mail together with the claim of the next. Start at [`Desk`].
//!
//! Longer than 600 lines so that all transitions of a message on its way can be read in one place.

use super::engine::Engine;
use super::error::sentence;
use super::{data_request, settings, transports};
use crate::api::{ActivityKind, Error, Result, RouteKind, Tag};
use crate::clock::Instant;
use crate::delivery::dispatcher::{
    Agenda, Claim, Claimed, Dispatcher, Done, Ended, LedgerError, Office, Why, Work,
};
use crate::delivery::letter::{self, Addressee, Letterhead, Parts};
use crate::delivery::plan::{self, Asking, Recheck, Rules};
use crate::delivery::retry::{self, Verdict};
use crate::delivery::transport::{DeliveryError, ErrorKind, Transport};
use crate::domain::campaign::{CampaignState, CampaignTracking};
use crate::domain::consent::UnknownPolicy;
use crate::domain::message::SkipReason;
use crate::ids::{AccountId, CampaignId};
use crate::render::audit::Severity;
use crate::render::template::{Person, Source};
use crate::store::activity::{self, NewActivity};
use crate::store::campaign::Head;
use crate::store::message::{Letter, Outcome};
use crate::store::{self, Conn, Priority, account, campaign, dialogue, message, route, setting};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

/// Rows of the ledger that one bulk write touches: far below 50 ms.
pub(crate) const CHUNK: u32 = 500;
/// Messages that one claim may settle without sending, such as those of people who unsubscribed since.
const SETTLED_PER_CLAIM: usize = 64;

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

/// Tells the dispatcher that the user wants an account to go on after failures.
pub(crate) fn go_on(engine: &Engine, account: AccountId) {
    if let Some(running) = slot(engine).as_ref() {
        running.dispatcher.reset(account);
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
pub(crate) fn rules(conn: &Conn, zone: &str, tracking: CampaignTracking, kind: RouteKind) -> Result<Rules> {
    let settings = settings::load(conn, zone)?;
    Ok(Rules {
        tracking,
        // Until the user has chosen, nobody is tracked who has not agreed.
        unknown: settings.unknown_policy.unwrap_or(UnknownPolicy::None),
        cap: settings.tracked_per_30_days,
        route: kind,
        key: setting::workspace_key(conn)?,
        // Asked while the ledger is planned; afterwards its rows say it.
        asking: Asking::Nobody,
    })
}

/// Compiles the mail of a prepared campaign; the error is a sentence.
pub(crate) fn letterhead(conn: &Conn, id: CampaignId) -> Result<Letterhead> {
    let missing = || Error::not_found("campaign", id);
    let campaign = campaign::find(conn, id)?.ok_or_else(missing)?;
    let (Some(imprint), Some(route_id)) = (&campaign.imprint, campaign.head.route) else {
        return Err(Error::conflict(format!(
            "{} is not prepared.",
            campaign.head.name
        )));
    };
    let route = route::get(conn, route_id)?;
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
}

/// A mail that was claimed, before it is made.
struct Taken {
    letter: Letter,
    hand_over: message::HandOver,
    at: Instant,
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
        let letterhead = Arc::new(engine.read(|conn| letterhead(conn, id))?);
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
        let fields = letter::fields(&person.fields);
        let to = Addressee {
            person: Person {
                email: &person.email,
                first_name: &person.first_name,
                last_name: &person.last_name,
                fields: &fields,
            },
            tracking: taken.hand_over.tracking,
            pixel_token: taken.letter.pixel_token,
            preference_token: taken.letter.preference_token,
            asks: taken.hand_over.asks,
        };
        let finished = letterhead
            .finish(&to, taken.at)
            .map_err(|error| error.to_string())?;
        let audited = taken.letter.audited_revision == person.revision
            && taken.letter.tracking == taken.hand_over.tracking
            && taken.letter.asks == taken.hand_over.asks;
        if !audited
            && let Some(problem) = letterhead
                .audit(&to, &finished.bytes)
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
            Some(engine) => engine.clock.now(),
            None => Instant::UNIX_EPOCH,
        }
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
            settle_campaign(&engine, head)?;
        }
        Ok(engine.read(|conn| agenda(conn, now))?)
    }

    fn is_due(&self, account: AccountId) -> std::result::Result<bool, LedgerError> {
        let engine = self.engine()?;
        let now = engine.clock.now();
        let agenda = engine.read(|conn| agenda(conn, now))?;
        Ok(agenda.work.iter().any(|work| work.account == account))
    }

    fn exchange(
        &self,
        account: AccountId,
        done: Option<&Done>,
        claim: Claim,
    ) -> std::result::Result<Option<Claimed>, LedgerError> {
        if done.is_none() && claim == Claim::Nothing {
            return Ok(None);
        }
        let engine = self.engine()?;
        let now = engine.clock.now();
        let settled = done.map(|done| {
            let outcome = outcome(&engine, done, now);
            let ending = ending(&outcome, done.attempts);
            (done.message, outcome, ending, done.dialogue.clone())
        });
        let zone = engine.zone.clone();
        let taken = engine
            .db
            .write(Priority::Sending, move |conn| -> Result<Option<Taken>> {
                if let Some((id, outcome, ending, said)) = settled
                    && message::settle(conn, id, now, &outcome)?
                    && let Some(ending) = ending
                {
                    dialogue::keep(conn, id, now, ending, &said)?;
                }
                match claim {
                    Claim::Nothing => Ok(None),
                    Claim::Next => take(conn, account, &zone, now),
                }
            })?;
        engine.announce(&[Tag::Campaigns]);
        Ok(taken.map(|taken| self.ready(&engine, &taken)))
    }

    fn transport(&self, account: AccountId) -> std::result::Result<Box<dyn Transport>, String> {
        let engine = self.engine().map_err(|error| error.0)?;
        transports::transport_for(&engine, account).map_err(|error| error.message)
    }

    fn pause(&self, account: AccountId, why: Why<'_>) {
        let Ok(engine) = self.engine() else { return };
        if let Err(error) = pause_account(&engine, account, why) {
            tracing::error!(%error, "a failing account's campaigns could not be paused");
        }
    }
}

impl Desk {
    fn ready(&self, engine: &Engine, taken: &Taken) -> Claimed {
        let made = self.make(engine, taken);
        let from = self
            .letterhead(engine, taken.letter.campaign)
            .map(|letterhead| letterhead.from_address().to_owned())
            .unwrap_or_default();
        let (subject, bytes) = match made {
            Ok(finished) => (finished.subject, Ok(finished.bytes)),
            Err(why) => (String::new(), Err(why)),
        };
        Claimed {
            message: taken.letter.id,
            campaign: taken.letter.campaign,
            attempts: taken.letter.attempts + 1,
            from,
            to: taken.hand_over.email.clone(),
            subject,
            bytes,
        }
    }
}

/// Returns what is to do, over all running campaigns.
fn agenda(conn: &Conn, now: Instant) -> Result<Agenda> {
    let mut agenda = Agenda::default();
    let sooner = |a: Option<Instant>, b: Instant| Some(a.map_or(b, |a| a.min(b)));
    for head in campaign::in_state(conn, CampaignState::Running)? {
        let (Some(id), Some(first)) = (head.account, head.first_mail_at) else {
            continue;
        };
        if first > now {
            agenda.starting = true;
            agenda.next = sooner(agenda.next, first);
            continue;
        }
        let account = account::get(conn, id)?;
        let (due, next) = message::due(conn, head.id, now, account.connections)?;
        if let Some(next) = next {
            agenda.next = sooner(agenda.next, next);
        }
        match agenda.work.iter_mut().find(|work| work.account == id) {
            _ if due == 0 => {}
            Some(work) => work.due += due,
            None => agenda.work.push(Work {
                account: id,
                connections: account.connections,
                per_minute: account.per_minute,
                due,
            }),
        }
    }
    Ok(agenda)
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
        let accepted = message::counts(conn, id)?.get("accepted").copied().unwrap_or(0);
        let people = if accepted == 1 { "person" } else { "people" };
        let row = NewActivity::new(ActivityKind::Campaign, format!("Sent to {accepted} {people}."));
        Ok(activity::add(conn, now, &row.of(id))?)
    })
}

/// Claims the account's next mail: the oldest campaign first.
///
/// The last look at the person happens here, in the transaction that writes `handing_over`.
fn take(conn: &Conn, account: AccountId, zone: &str, now: Instant) -> Result<Option<Taken>> {
    let mut settled = 0;
    for head in campaign::in_state(conn, CampaignState::Running)? {
        let Some(first) = head.first_mail_at.filter(|first| *first <= now) else {
            continue;
        };
        if head.account != Some(account) {
            continue;
        }
        let kind = match head.route {
            Some(id) => route::get(conn, id)?.kind,
            None => RouteKind::None,
        };
        let rules = rules(conn, zone, head.tracking, kind)?;
        while let Some(letter) = message::next_due(conn, head.id, first, now)? {
            match check(conn, &letter, &rules, now)? {
                Checked::Send(hand_over) => {
                    message::hand_over(conn, letter.id, now, &hand_over)?;
                    let at = now;
                    return Ok(Some(Taken {
                        letter,
                        hand_over,
                        at,
                    }));
                }
                Checked::Not(outcome) => {
                    message::settle(conn, letter.id, now, &outcome)?;
                    settled += 1;
                }
            }
            // The rest waits for the next transaction: none may take long.
            if settled >= SETTLED_PER_CLAIM {
                return Ok(None);
            }
        }
    }
    Ok(None)
}

enum Checked {
    Send(message::HandOver),
    Not(Outcome),
}

fn check(conn: &Conn, letter: &Letter, rules: &Rules, now: Instant) -> Result<Checked> {
    let hand_over = match plan::recheck(letter, rules, now) {
        Recheck::Erased => return Ok(Checked::Not(Outcome::Cancelled)),
        Recheck::Send(hand_over) => hand_over,
    };
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
    let mut byte = [0];
    engine.entropy.fill(&mut byte);
    match retry::judge(error, done.attempts, now, f64::from(byte[0]) / 256.0) {
        Verdict::Requeue { at } => Outcome::Requeued { at },
        Verdict::Defer { at } => Outcome::Deferred { at, reply },
        Verdict::Reject { gave_up: false } => Outcome::Rejected { reply },
        Verdict::Reject { gave_up: true } => Outcome::Rejected {
            reply: format!("Given up after {} attempts: {reply}", done.attempts),
        },
        Verdict::Uncertain => Outcome::Uncertain { reply },
    }
}

/// Says what keeps an account from sending, and what to do.
pub(crate) fn account_sentence(name: &str, error: &DeliveryError) -> String {
    let words = &error.reply;
    match error.kind {
        ErrorKind::Auth => format!(
            "The server refused the login of the account {name} ({words}). Check the password, or create an app \
             password, then resume."
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

fn pause_account(engine: &Engine, id: AccountId, why: Why<'_>) -> Result<()> {
    let name = engine
        .read(|conn| Ok(account::find(conn, id)?))?
        .map(|account| account.name)
        .unwrap_or_default();
    let problem = match why {
        Why::Error(error) => account_sentence(&name, error),
        Why::Sentence(sentence) => sentence.to_owned(),
    };
    let now = engine.clock.now();
    engine.db.write(Priority::Sending, move |conn| -> Result<()> {
        for head in campaign::in_state(conn, CampaignState::Running)? {
            if head.account != Some(id) || !campaign::advance(conn, head.id, CampaignState::Paused, now)? {
                continue;
            }
            campaign::set_problem(conn, head.id, Some(&problem))?;
            let row = NewActivity::new(ActivityKind::Problem, format!("Paused. {problem}"));
            activity::add(conn, now, &row.of(head.id))?;
        }
        Ok(())
    })?;
    engine.announce(&[Tag::Campaigns, Tag::Activity]);
    wake(engine);
    Ok(())
}
