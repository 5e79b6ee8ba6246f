//! What is to be done with time, whether anybody asks or not: tracking ends with a campaign's window and grace, the
//! evidence of hits goes when it has served, and verdicts go when they are old.
//!
//! One thread for each engine that runs in real time; it waits for the next moment, looks at the clock every hour at
//! least, and has no timer of its own for each campaign, so a clock that is set or a computer that slept only moves
//! the moment. Everything is done in chunks and goes on after a crash. Start at [`tend`].

mod sure;

use super::bell::Bell;
use super::engine::Engine;
use super::settings;
use crate::api::{Error, Result, Tag};
use crate::clock::Instant;
use crate::ids::CampaignId;
use crate::store::closing::{self, Step};
use crate::store::retention::{self, Part};
use crate::store::{Priority, dialogue, setting, standing};
use chrono::{Months, TimeDelta};
use serde::{Deserialize, Serialize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use sure::Sure;

/// Rows that one write touches: far below 50 ms.
const CHUNK: u32 = 250;
/// The longest wait: the clock may be set, or the computer have slept.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// The shortest: whatever wants more looks has to wait for it.
const REST: Duration = Duration::from_secs(60);
/// When the evidence of a hit goes: a week after its last verdict, which falls a week after it came.
const EVIDENCE: TimeDelta = TimeDelta::days(14);
/// When its user agent goes.
const USER_AGENT: TimeDelta = TimeDelta::days(30);
/// A hit that came so far in the future came while the clock was wrong.
const FUTURE: TimeDelta = TimeDelta::days(1);
/// Hits that one look passes at most, so that a wrong clock cannot have it read the whole table again and again.
const PASSED: usize = 1_000_000;
/// The setting that remembers how far upkeep is.
const KEPT: &str = "upkeep";

/// The thread, while it runs.
#[derive(Default)]
pub(crate) struct Desk(Mutex<Option<Keeper>>);

struct Keeper {
    bell: Arc<Bell>,
    thread: JoinHandle<()>,
}

/// How far upkeep is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// What time has surely passed.
    #[serde(default)]
    sure: Sure,
    /// Hits up to this id have no evidence any more.
    #[serde(default)]
    evidence: i64,
    /// Hits up to this id have no user agent any more.
    #[serde(default)]
    user_agents: i64,
}

fn held(engine: &Engine) -> MutexGuard<'_, Option<Keeper>> {
    engine
        .upkeep
        .0
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Starts the thread. Where time is played there is none: whoever plays it calls [`tend`].
pub(crate) fn start(engine: &Arc<Engine>) {
    if engine.clock.is_played() {
        return;
    }
    let (bell, weak) = (Arc::<Bell>::default(), Arc::downgrade(engine));
    let thread = std::thread::Builder::new().name("casement-upkeep".into()).spawn({
        let bell = bell.clone();
        move || run(&weak, &bell)
    });
    match thread {
        Ok(thread) => *held(engine) = Some(Keeper { bell, thread }),
        Err(error) => tracing::error!(%error, "no thread for upkeep; tracking ends with the next start"),
    }
}

/// Ends the thread at its next chunk.
pub(crate) fn stop(engine: &Engine) {
    let keeper = held(engine).take();
    if let Some(keeper) = keeper {
        keeper.bell.stop();
        // Its failures are logged where they happen.
        let _ = keeper.thread.join();
    }
}

/// Tells the thread that a window or a setting was changed.
pub(crate) fn wake(engine: &Engine) {
    if let Some(keeper) = held(engine).as_ref() {
        keeper.bell.ring();
    }
}

/// Empties the log where it may still hold tokens that were destroyed just before the last end.
fn recover(engine: &Engine) -> Result<()> {
    let since = engine.clock.now() - TimeDelta::days(1);
    if engine.read(|conn| Ok(closing::is_closed_since(conn, since)?))? {
        engine.db.checkpoint()?;
    }
    Ok(())
}

fn run(weak: &Weak<Engine>, bell: &Bell) {
    if let Some(engine) = weak.upgrade()
        && let Err(error) = recover(&engine)
    {
        tracing::warn!(error = %error.message, "the log could not be emptied after the end of tracking");
    }
    let mut looked = std::time::Instant::now();
    let mut ran = Duration::ZERO;
    loop {
        let wait = {
            let Some(engine) = weak.upgrade() else { return };
            let go_on = || !bell.is_stopped();
            match catch_unwind(AssertUnwindSafe(|| look(&engine, ran, &go_on))) {
                Ok(Ok(wait)) => wait,
                Ok(Err(error)) => {
                    tracing::warn!(error = %error.message, "upkeep failed; it is tried again");
                    LOOK
                }
                Err(_) => {
                    tracing::error!("upkeep panicked; it is tried again");
                    LOOK
                }
            }
        };
        let goes_on = bell.wait(wait);
        ran = looked.elapsed();
        looked = std::time::Instant::now();
        if !goes_on {
            // Short runs must add up, or somebody who never runs for an hour would never be done.
            if let Some(engine) = weak.upgrade()
                && let Err(error) = remember(&engine, ran)
            {
                tracing::warn!(error = %error.message, "how long Casement ran was not kept");
            }
            return;
        }
    }
}

/// Does everything that is due at the engine's time, `ran` of running after the last call.
///
/// # Errors
/// Where the database cannot be used. What was done stays; the next call goes on.
pub fn tend(engine: &Arc<Engine>, ran: Duration) -> Result<()> {
    look(engine, ran, &|| true).map(drop)
}

fn kept(engine: &Engine) -> Result<Kept> {
    engine.read(|conn| Ok(setting::get(conn, KEPT)?.unwrap_or_default()))
}

fn keep(engine: &Engine, kept: Kept) -> Result<()> {
    engine
        .db
        .write(Priority::Bulk, move |conn| setting::set(conn, KEPT, &kept))
        .map_err(Error::from)
}

/// Tells whether a campaign's grace is over by the clock.
fn is_waiting(engine: &Engine, now: Instant) -> Result<bool> {
    let next = engine.read(|conn| Ok(closing::next(conn)?))?;
    Ok(next.is_some_and(|due| due <= now))
}

/// Notes that Casement ran, where something waits for that.
fn remember(engine: &Engine, ran: Duration) -> Result<()> {
    let (mut kept, now) = (kept(engine)?, engine.clock.now());
    if ran < REST && !is_waiting(engine, now)? {
        return Ok(());
    }
    kept.sure.look(now, ran);
    keep(engine, kept)
}

/// Does what is due while `go_on` says so, and returns how long nothing can be due.
fn look(engine: &Arc<Engine>, ran: Duration, go_on: &dyn Fn() -> bool) -> Result<Duration> {
    let (mut kept, now) = (kept(engine)?, engine.clock.now());
    let before = kept;
    kept.sure.look(now, ran);
    let waits = is_waiting(engine, now)?;
    // A start that finds nothing to note writes nothing: most commands end before a minute is over.
    if kept != before && (ran >= REST || waits || before.sure != Sure::default()) {
        keep(engine, kept)?;
    }
    let sure = kept.sure.at();
    let mut destroyed = close_due(engine, sure, go_on)?;
    if let Some(sure) = sure {
        destroyed |= give_up(engine, &mut kept, Part::Evidence, sure, now, go_on)?;
        destroyed |= give_up(engine, &mut kept, Part::UserAgent, sure, now, go_on)?;
        destroyed |= destroy_keys(engine, kept.evidence)?;
        destroyed |= remove_verdicts(engine, sure, now, go_on)?;
        destroyed |= remove_dialogues(engine, sure, go_on)?;
        forget_counts(engine, sure)?;
    }
    if destroyed {
        // The log's end still holds it.
        engine.db.checkpoint()?;
    }
    let next = engine.read(|conn| Ok(closing::next(conn)?))?;
    let wait = match next {
        None => LOOK,
        Some(due) if due > now => (due - now).to_std().unwrap_or(LOOK),
        Some(due) => kept.sure.left(due),
    };
    Ok(wait.clamp(REST, LOOK))
}

/// Ends the tracking of every campaign whose window and grace are over.
fn close_due(engine: &Arc<Engine>, sure: Option<Instant>, go_on: &dyn Fn() -> bool) -> Result<bool> {
    let mut any = false;
    for id in engine.read(|conn| Ok(closing::due(conn, sure)?))? {
        any = true;
        close(engine, id, sure, go_on)?;
        engine.announce(&[Tag::Campaigns, Tag::Opens, Tag::Activity]);
    }
    Ok(any)
}

fn close(engine: &Engine, id: CampaignId, sure: Option<Instant>, go_on: &dyn Fn() -> bool) -> Result<()> {
    let span = engine.read(|conn| Ok(closing::span(conn, id)?))?;
    let begun = engine
        .db
        .write(Priority::Bulk, move |conn| closing::begin(conn, id, sure, span))?;
    while begun && go_on() {
        let now = engine.clock.now();
        let step = engine
            .db
            .write(Priority::Bulk, move |conn| closing::step(conn, id, now, CHUNK))?;
        if step != Step::More {
            break;
        }
    }
    Ok(())
}

/// Gives up a part of every hit that is old enough; tells whether there was one.
///
/// A hit that bears a time in the future is passed and looked at again, so that it neither holds up those behind it
/// nor loses its evidence while the clock is wrong.
fn give_up(
    engine: &Engine,
    kept: &mut Kept,
    part: Part,
    sure: Instant,
    now: Instant,
    go_on: &dyn Fn() -> bool,
) -> Result<bool> {
    let (age, done) = match part {
        Part::Evidence => (EVIDENCE, kept.evidence),
        Part::UserAgent => (USER_AGENT, kept.user_agents),
    };
    let (before, future) = (sure - age, now + FUTURE);
    let (mut after, mut done, mut is_passing) = (done, done, false);
    let (mut any, mut passed) = (false, 0);
    let mut saved = *kept;
    while go_on() && passed < PASSED {
        let rows = engine.read(|conn| Ok(retention::walk(conn, part, after, CHUNK)?))?;
        passed += rows.len();
        let is_last = rows.len() < CHUNK as usize;
        let mut due = Vec::new();
        let mut is_young = false;
        for row in rows {
            if row.at > future {
                is_passing = true;
            } else if row.at > before {
                is_young = true;
                break;
            } else if row.is_held {
                due.push(row.id);
            }
            after = row.id;
            if !is_passing {
                done = row.id;
            }
        }
        any |= !due.is_empty();
        match part {
            Part::Evidence => kept.evidence = done,
            Part::UserAgent => kept.user_agents = done,
        }
        let state = *kept;
        if !due.is_empty() {
            saved = state;
            engine.db.write(Priority::Bulk, move |conn| {
                retention::reduce(conn, part, &due)?;
                setting::set(conn, KEPT, &state)
            })?;
        }
        if is_young || is_last {
            break;
        }
    }
    if *kept != saved {
        keep(engine, *kept)?;
    }
    Ok(any)
}

fn destroy_keys(engine: &Engine, settled: i64) -> Result<bool> {
    let spent = engine.read(|conn| Ok(retention::spent_keys(conn, settled)?))?;
    for id in &spent {
        let id = *id;
        engine.db.write(Priority::Bulk, move |conn| {
            retention::destroy_key(conn, id, settled)
        })?;
    }
    Ok(!spent.is_empty())
}

/// Removes the verdicts of campaigns that were closed longer ago than the workspace keeps them.
fn remove_verdicts(engine: &Engine, sure: Instant, now: Instant, go_on: &dyn Fn() -> bool) -> Result<bool> {
    let months = engine
        .read(|conn| settings::load(conn, &engine.zone))?
        .verdicts_months;
    let Some(before) = sure.checked_sub_months(Months::new(months)) else {
        return Ok(false);
    };
    let old = engine.read(|conn| Ok(retention::old_verdicts(conn, before)?))?;
    for id in &old {
        let id = *id;
        let span = engine.read(|conn| Ok(closing::span(conn, id)?))?;
        while go_on()
            && engine.db.write(Priority::Bulk, move |conn| {
                retention::remove_verdicts(conn, id, span, now, CHUNK)
            })?
        {}
    }
    if !old.is_empty() {
        engine.announce(&[Tag::Campaigns, Tag::Opens, Tag::Activity]);
    }
    Ok(!old.is_empty())
}

/// Forgets what accounts handed over before any limit looks back. Numbers that name nobody: the log may keep them.
fn forget_counts(engine: &Engine, sure: Instant) -> Result<()> {
    if engine.read(|conn| Ok(standing::is_any_old(conn, sure)?))? {
        engine
            .db
            .write(Priority::Bulk, move |conn| standing::prune(conn, sure))?;
    }
    Ok(())
}

/// Removes what was said about mails longer ago than it is kept.
fn remove_dialogues(engine: &Engine, sure: Instant, go_on: &dyn Fn() -> bool) -> Result<bool> {
    let before = sure - TimeDelta::days(dialogue::DAYS);
    let any = engine.read(|conn| Ok(dialogue::is_any_old(conn, before)?))?;
    while any
        && go_on()
        && engine.db.write(Priority::Bulk, move |conn| {
            dialogue::remove_old(conn, before, CHUNK)
        })? > 0
    {}
    Ok(any)
}

#[cfg(test)]
mod tests;
