//! Readers who ask what is held about them: the copy that is mailed to them, and the erasure that its link asks for.
//!
//! Both are on disk before the reader is answered, and are finished after a crash: the mails by a thread that runs
//! while the dispatcher does, the erasures by one that runs while there are any. A copy goes to the address on file
//! and nowhere else; whoever holds a forwarded link can at most have one mail a day sent to the person themselves.

mod letter;

use super::bell::Bell;
use super::contact::{self, By};
use super::engine::Engine;
use super::error::sentence;
use super::transports;
use crate::api::{AccountKind, ActivityKind, ContactErase, Error, Result, Tag};
use crate::clock::Instant;
use crate::delivery::retry::{self, Verdict};
use crate::delivery::transport::{DeliveryError, OutgoingMail};
use crate::domain::contact::{isolate, mask};
use crate::listener::AnswerPage;
use crate::listener::pages::{Erasure, Page};
use crate::store::account::{self, Account};
use crate::store::activity::{self, NewActivity};
use crate::store::data_request::{self, Due, Link, Outcome};
use crate::store::preference::Reader;
use crate::store::{self, Conn, Priority, erasure, setting};
use crate::tracking::token::Token;
use chrono::TimeDelta;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a request waits for an account that cannot send.
const ACCOUNT_REST: TimeDelta = TimeDelta::minutes(15);
/// How often the thread looks at the clock while something waits: it may be set, or the computer have slept.
const LOOK: Duration = Duration::from_secs(60);
/// How often it looks at the backups' age while nothing waits.
const IDLE: Duration = Duration::from_secs(6 * 60 * 60);
/// How long a stop waits for a server's answer.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// The two threads, while they run.
#[derive(Default)]
pub(crate) struct Desk {
    mailer: Mutex<Option<Mailer>>,
    erasures: Mutex<Erasures>,
    /// Why erasures are unfinished, as was said last.
    said: Mutex<Option<String>>,
}

struct Mailer {
    bell: Arc<Bell>,
    ended: Receiver<()>,
}

/// Readers who wait for the end of their erasure.
#[derive(Default)]
struct Erasures {
    waiting: Vec<(Token, AnswerPage)>,
    is_running: bool,
    thread: Option<JoinHandle<()>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Notes that a reader asks for a copy, in the transaction that answers them.
///
/// Tells whether one will be mailed: another may wait, or have been mailed within a day. Nobody is told which.
pub(crate) fn ask(conn: &Conn, reader: &Reader, now: Instant) -> store::Result<bool> {
    let Some(contact) = reader.contact else {
        return Ok(false);
    };
    data_request::ask(conn, contact, reader.message, now)
}

/// Returns `answer`, which wakes the mailer behind itself.
pub(crate) fn waking(engine: Weak<Engine>, answer: AnswerPage) -> AnswerPage {
    Box::new(move |page| {
        answer(page);
        if let Some(engine) = engine.upgrade() {
            wake(&engine);
        }
    })
}

/// Starts the thread that mails copies; nothing happens where it runs already.
pub(crate) fn start(engine: &Arc<Engine>) {
    let mut mailer = held(&engine.data_requests.mailer);
    if mailer.is_some() {
        return;
    }
    let (bell, weak) = (Arc::<Bell>::default(), Arc::downgrade(engine));
    let (ends, ended) = channel::<()>();
    let thread = std::thread::Builder::new().name("casement-copies".into()).spawn({
        let bell = bell.clone();
        move || {
            let _ends = ends;
            run(&weak, &bell);
        }
    });
    match thread {
        Ok(_) => *mailer = Some(Mailer { bell, ended }),
        Err(error) => tracing::error!(%error, "no thread for readers who asked for their data; they wait"),
    }
}

/// Ends that thread after the mail in hand.
pub(crate) fn stop(engine: &Engine) {
    let mailer = held(&engine.data_requests.mailer).take();
    if let Some(mailer) = mailer {
        mailer.bell.stop();
        // It ends with its thread. A server that does not answer is not waited for: the request is on disk.
        let _ = mailer.ended.recv_timeout(STOP_GRACE);
    }
}

/// Waits for the erasures in hand.
pub(crate) fn finish(engine: &Engine) {
    let thread = held(&engine.data_requests.erasures).thread.take();
    if let Some(thread) = thread {
        // Its failures are logged where they happen.
        let _ = thread.join();
    }
}

/// Tells the mailer that something may be due.
pub(crate) fn wake(engine: &Engine) {
    if let Some(mailer) = held(&engine.data_requests.mailer).as_ref() {
        mailer.bell.ring();
    }
}

/// Finishes the erasures that a crash left, and removes backups that are older than receipts say.
pub(crate) fn recover(engine: &Arc<Engine>) {
    prune(engine);
    erase_asked(engine);
    // The log's end may still hold who was erased just before the crash.
    let of_late = engine.read(|conn| Ok(data_request::erased_of_late(conn)?));
    if matches!(of_late, Ok(true))
        && let Err(error) = engine.db.checkpoint()
    {
        tracing::warn!(%error, "the log could not be emptied after an erasure");
    }
}

fn prune(engine: &Engine) {
    if let Err(error) = store::migrate::prune(&engine.workspace.backups(), engine.clock.now()) {
        tracing::warn!(%error, "backups that are too old could not be removed");
    }
}

fn run(engine: &Weak<Engine>, bell: &Bell) {
    loop {
        let wait = {
            let Some(engine) = engine.upgrade() else { return };
            prune(&engine);
            erase_asked(&engine);
            let deliver = || deliver_due(&engine, &|pause| bell.pause(pause));
            match catch_unwind(AssertUnwindSafe(deliver)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(error = %error.message, "copies of what is held could not be mailed");
                }
                Err(_) => tracing::error!("mailing a copy of what is held panicked; it is tried again"),
            }
            let waits = engine.read(|conn| {
                Ok(data_request::next_at(conn)?.is_some() || !data_request::to_erase(conn)?.is_empty())
            });
            !matches!(waits, Ok(false))
        };
        if !bell.wait(if wait { LOOK } else { IDLE }) {
            return;
        }
    }
}

/// Mails every copy that is due. `pause` waits between two of them, and says whether to go on.
pub(crate) fn deliver_due(engine: &Arc<Engine>, pause: &dyn Fn(Duration) -> bool) -> Result<()> {
    loop {
        let now = engine.clock.now();
        let Some(due) = engine.read(|conn| Ok(data_request::next_due(conn, now)?))? else {
            return Ok(());
        };
        let rest = attempt(engine, &due, now)?;
        if !pause(rest) {
            return Ok(());
        }
    }
}

/// Tries to mail one copy, and returns how long the account wants to rest.
fn attempt(engine: &Arc<Engine>, due: &Due, now: Instant) -> Result<Duration> {
    let Some(account) = engine.read(|conn| account_for(conn, due))? else {
        let problem = "There is no account to send it from. Add one in Settings.".to_owned();
        settle(engine, due, account_rests(now, problem))?;
        return Ok(Duration::ZERO);
    };
    let rest = account.limits.interval().to_std().unwrap_or_default();
    if due.attempts >= retry::MAX_ATTEMPTS {
        // Attempts that ended in crashes.
        let reply = "It was begun several times and never ended.".to_owned();
        settle(engine, due, Outcome::Failed { reply })?;
        return Ok(rest);
    }
    let mut transport = match transports::transport_for(engine, account.id) {
        Ok(transport) => transport,
        Err(error) => {
            settle(engine, due, account_rests(now, error.message))?;
            return Ok(rest);
        }
    };
    let token = Token::generate(&*engine.entropy);
    let (id, link) = (due.id, (!due.base_url.is_empty()).then_some(token));
    // On disk before it leaves: the link must be known from the first click on.
    let begun = engine.db.write(Priority::Sending, move |conn| {
        data_request::begin(conn, id, link.as_ref(), now)
    })?;
    if !begun {
        return Ok(rest);
    }
    let letter = engine.read(|conn| letter::write(conn, due, &account, &token, now))?;
    let outcome = match letter {
        Err(reply) => Outcome::Failed { reply },
        Ok(letter) => {
            super::standing::count(engine, account.id);
            let delivered = transport.deliver(&OutgoingMail {
                from: &account.from_address,
                to: &due.email,
                bytes: &letter.bytes,
                message: None,
                campaign: due.campaign,
                subject: &letter.subject,
                test: false,
            });
            transport.close();
            match delivered {
                Ok(accepted) => Outcome::Sent {
                    reply: accepted.reply,
                },
                Err(error) => judge(engine, due, &account, &error),
            }
        }
    };
    settle(engine, due, outcome)?;
    Ok(rest)
}

/// Returns the account that the mail was sent from; where it is gone, one of the same kind: practice must not
/// reach anybody, and a real reader must not be answered into the practice outbox.
fn account_for(conn: &Conn, due: &Due) -> Result<Option<Account>> {
    let kind = if due.practice {
        AccountKind::Outbox
    } else {
        AccountKind::Smtp
    };
    let mut accounts = account::list(conn)?;
    accounts.retain(|account| account.kind == kind);
    // Its own first.
    accounts.sort_by_key(|account| Some(account.id) != due.account);
    Ok(accounts.into_iter().next())
}

fn account_rests(now: Instant, problem: String) -> Outcome {
    Outcome::Waits {
        until: now + ACCOUNT_REST,
        problem,
        uncounted: true,
    }
}

fn judge(engine: &Engine, due: &Due, account: &Account, error: &DeliveryError) -> Outcome {
    let now = engine.clock.now();
    let words = || error.reply.clone();
    match retry::judge(error, due.attempts + 1, now, 0.0) {
        Verdict::Requeue { .. } => account_rests(
            now,
            format!(
                "The account {} cannot send ({}). Check it in Settings.",
                account.name, error.reply
            ),
        ),
        Verdict::Defer { at } => Outcome::Waits {
            until: at,
            problem: format!("The mail server put it off ({}).", error.reply),
            uncounted: false,
        },
        Verdict::Reject { gave_up: false } => Outcome::Failed { reply: words() },
        Verdict::Reject { gave_up: true } => Outcome::Failed {
            reply: format!("Given up after {} attempts: {}", due.attempts + 1, error.reply),
        },
        // Unlike a campaign's mail: a person's data is better mailed twice than never.
        Verdict::Uncertain if due.attempts + 1 < retry::MAX_ATTEMPTS => Outcome::Waits {
            until: now + ACCOUNT_REST,
            problem: format!("Nobody knows whether the mail left ({}).", error.reply),
            uncounted: false,
        },
        Verdict::Uncertain => Outcome::Failed { reply: words() },
    }
}

/// Notes how an attempt ended, and tells the user what they should know.
fn settle(engine: &Arc<Engine>, due: &Due, outcome: Outcome) -> Result<()> {
    let now = engine.clock.now();
    let due = due.clone();
    let left_over = engine.db.write(Priority::Sending, move |conn| -> Result<_> {
        if !data_request::settle(conn, due.id, now, &outcome)? {
            // Erased in between: a copy in the outbox must not outlive them.
            return Ok(erasure::take_copies(conn, &due.email)?);
        }
        let name = format!("{} {}", due.first_name, due.last_name);
        let who = match name.trim() {
            "" => due.email.clone(),
            name => isolate(name).into_owned(),
        };
        let line = match &outcome {
            Outcome::Sent { .. } => Some((
                ActivityKind::Contacts,
                format!("{who} asked for what is held about them; it was mailed to them"),
            )),
            // Greylisting and its kin mend themselves; an account does not, and its reason is said once.
            Outcome::Waits { uncounted: false, .. } => None,
            Outcome::Waits { problem, .. } if due.problem.as_ref() == Some(problem) => None,
            Outcome::Waits { problem, .. } => Some((
                ActivityKind::Problem,
                format!(
                    "{who} asked for what is held about them, and it was not mailed yet. {} It is tried again by \
                     itself.",
                    sentence(problem)
                ),
            )),
            Outcome::Failed { reply } => Some((
                ActivityKind::Problem,
                format!(
                    "{who} asked for what is held about them, and it could not be mailed. {} Export it from their \
                     page in Audience and give it to them.",
                    sentence(reply)
                ),
            )),
        };
        if let Some((kind, text)) = line {
            let row = NewActivity {
                campaign: due.campaign,
                message: due.message,
                contact: Some(due.contact),
                ..NewActivity::new(kind, text)
            };
            activity::add(conn, now, &row)?;
        }
        Ok(Vec::new())
    })?;
    contact::remove_files(engine.workspace.dir(), &left_over)?;
    engine.announce(&[Tag::Activity, Tag::Contacts, Tag::Outbox, Tag::Campaigns]);
    Ok(())
}

/// Returns when each copy of the database was made.
pub(crate) fn backups(engine: &Weak<Engine>) -> Vec<Instant> {
    let engine = engine.upgrade();
    engine.map(|engine| contact::backups(&engine)).unwrap_or_default()
}

/// Says what the page of a link that erases shows now.
///
/// `backups` are the times of the copies of the database that there are.
pub(crate) fn view(conn: &Conn, token: &Token, now: Instant, backups: &[Instant]) -> store::Result<Page> {
    let link = data_request::link(conn, token, now)?;
    let sender = sender(conn)?;
    Ok(Page::Erasure(match link {
        Link::Unknown => Erasure::Expired,
        Link::Open { email, .. } => Erasure::Ask {
            sender,
            address: mask(&email),
        },
        Link::Asked => Erasure::Started { sender },
        Link::Erased { at } => Erasure::Done {
            sender,
            backups_until: contact::backups_until(backups, at),
            saved_backup: super::backup::was_saved(conn)?,
        },
    }))
}

/// Notes that the button of a link was pressed, and says how things stand.
pub(crate) fn press(conn: &Conn, token: &Token, now: Instant, backups: &[Instant]) -> store::Result<Page> {
    if matches!(data_request::link(conn, token, now)?, Link::Open { .. }) {
        data_request::ask_erasure(conn, token, now)?;
    }
    view(conn, token, now, backups)
}

/// Returns `answer`, which is held back until an erasure that was started is finished.
///
/// It is called on the writer's thread, which the erasure needs; so that is done on another.
pub(crate) fn erasing(engine: Weak<Engine>, token: Token, answer: AnswerPage) -> AnswerPage {
    Box::new(move |page| {
        let started = matches!(page, Some(Page::Erasure(Erasure::Started { .. })));
        match engine.upgrade().filter(|_| started) {
            Some(engine) => enqueue(&engine, token, answer),
            None => answer(page),
        }
    })
}

fn enqueue(engine: &Arc<Engine>, token: Token, answer: AnswerPage) {
    let mut erasures = held(&engine.data_requests.erasures);
    erasures.waiting.push((token, answer));
    if erasures.is_running {
        return;
    }
    let weak = Arc::downgrade(engine);
    let thread = std::thread::Builder::new()
        .name("casement-erase".into())
        .spawn(move || erase_all(&weak));
    match thread {
        Ok(thread) => {
            erasures.is_running = true;
            erasures.thread = Some(thread);
        }
        // Whoever waits is told to try again, and the next start finishes what is on disk.
        Err(error) => {
            tracing::error!(%error, "no thread for an erasure");
            let waiting = std::mem::take(&mut erasures.waiting);
            drop(erasures);
            waiting.into_iter().for_each(|(_, answer)| answer(None));
        }
    }
}

/// Erases until nobody waits.
fn erase_all(engine: &Weak<Engine>) {
    while let Some(engine) = engine.upgrade() {
        let waiting = {
            let mut erasures = held(&engine.data_requests.erasures);
            let waiting = std::mem::take(&mut erasures.waiting);
            erasures.is_running = !waiting.is_empty();
            waiting
        };
        if waiting.is_empty() {
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| erase_asked(&engine))).is_err() {
            tracing::error!("an erasure panicked; it stays asked for");
        }
        let (now, backups) = (engine.clock.now(), contact::backups(&engine));
        for (token, answer) in waiting {
            // Read again: the page says what is so, not what should be.
            let page = engine.read(|conn| Ok(view(conn, &token, now, &backups)?));
            answer(page.ok());
        }
    }
}

/// Erases everybody who asked for it. What fails stays asked for.
fn erase_asked(engine: &Arc<Engine>) {
    let asked = engine.read(|conn| Ok(data_request::to_erase(conn)?));
    let result = asked.and_then(|ids| {
        if ids.is_empty() {
            return Ok(());
        }
        contact::erase_for(engine, ContactErase { ids }, By::Reader).map(|_| ())
    });
    let mut said = held(&engine.data_requests.said);
    match result {
        Ok(()) => *said = None,
        Err(error) => {
            tracing::error!(error = %error.message, "an erasure that a reader asked for is not finished");
            if said.replace(error.message.clone()) != Some(error.message.clone()) {
                say_unfinished(engine, &error);
            }
        }
    }
}

fn say_unfinished(engine: &Arc<Engine>, error: &Error) {
    let now = engine.clock.now();
    let text = format!(
        "A reader asked to be erased, and that is not finished. {} It is tried again by itself.",
        sentence(&error.message)
    );
    let said = engine.write(&[Tag::Activity], move |conn| {
        Ok(activity::add(
            conn,
            now,
            &NewActivity::new(ActivityKind::Problem, text),
        )?)
    });
    if let Err(error) = said {
        tracing::warn!(error = %error.message, "nor could that be said");
    }
}

fn sender(conn: &Conn) -> store::Result<String> {
    Ok(setting::get(conn, "organisation")?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
