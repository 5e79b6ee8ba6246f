//! Judging hits again: once what came around them is known, when rules change, and when the user says otherwise.
//!
//! A hit is judged on arrival by what it says itself. What only shows together with others (several networks for one
//! mail, one address for many people's) is seen three minutes later, and looked at again after five minutes, every
//! hour for a day and every day for a week, because hits may come late: from the spool of a full disk, from a server
//! that collected them.

use super::bell::Bell;
use super::engine::Engine;
use crate::api::{
    CampaignJudge, Error, Judged, LabelList, LabelListResponse, LabelRemove, LabelRow, LabelSaved, LabelSet,
    Result, Tag,
};
use crate::clock::Instant;
use crate::domain::label::{LabelKind, Says};
use crate::domain::open::{HitClass, Signal};
use crate::ids::{CampaignId, HitId, MessageId};
use crate::store::label::{Labelled, Was};
use crate::store::rollup::{self, Changed};
use crate::store::{self, Conn, Priority, judging, label, report, setting};
use crate::tracking::judge::{self, Evidence};
use crate::tracking::{classify, ingest, networks};
use chrono::TimeDelta;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// How the reasons of verdicts begin that are the user's own.
const LABELLED: &str = "labelled_";
/// Hits written in one commit: some milliseconds.
const CHUNK: usize = 200;
/// How long a pass may take before another one may begin.
const LEASE: TimeDelta = TimeDelta::hours(1);
/// The longest wait for the next pass: a clock that is set is noticed within it.
const LONGEST: Duration = Duration::from_secs(60);

/// The engine's part that judges again.
#[derive(Default)]
pub(crate) struct Bench {
    /// One pass at a time.
    pass: Mutex<()>,
    thread: Mutex<Option<(Arc<Bell>, JoinHandle<()>)>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Starts the thread that judges when it is time. Hits that older rules or tables judged are due at once.
pub(crate) fn start(engine: &Arc<Engine>) -> Result<()> {
    let now = engine.clock.now();
    // Every command opens the engine: only another version of the rules is worth a commit.
    if !engine.read(|conn| Ok(is_by_these_rules(conn)?))? {
        engine
            .db
            .write(Priority::Window, move |conn| by_these_rules(conn, now))?;
    }
    let (bell, weak) = (Arc::<Bell>::default(), Arc::downgrade(engine));
    let thread = std::thread::Builder::new().name("casement-judge".into()).spawn({
        let bell = bell.clone();
        move || run(&weak, &bell)
    });
    match thread {
        Ok(thread) => *held(&engine.judging.thread) = Some((bell, thread)),
        Err(error) => tracing::error!(%error, "no thread to judge hits; it is done when reports are read"),
    }
    Ok(())
}

/// Ends that thread after the commit in hand.
pub(crate) fn stop(engine: &Engine) {
    let thread = held(&engine.judging.thread).take();
    if let Some((bell, thread)) = thread {
        bell.stop();
        // The last engine may be dropped on the thread itself; it cannot wait for its own end.
        if thread.thread().id() != std::thread::current().id() {
            // Its panics are reported where they happen.
            let _ = thread.join();
        }
    }
}

/// The setting that names the versions of the rules and tables by which hits were judged.
const JUDGED_BY: &str = "judged_by";
const THESE: [u32; 2] = [classify::RULE_VERSION, networks::TABLES];

fn is_by_these_rules(conn: &Conn) -> store::Result<bool> {
    Ok(setting::get::<[u32; 2]>(conn, JUDGED_BY)? == Some(THESE))
}

/// Makes all hits due: other rules or tables judged them.
fn by_these_rules(conn: &Conn, now: Instant) -> store::Result<()> {
    judging::all_again(conn, now)?;
    setting::set(conn, JUDGED_BY, &THESE)
}

fn run(engine: &Weak<Engine>, bell: &Bell) {
    loop {
        let wait = {
            let Some(engine) = engine.upgrade() else { return };
            let begun = std::time::Instant::now();
            let wait = match catch_unwind(AssertUnwindSafe(|| run_due(&engine))) {
                Ok(Ok(next)) => next.map_or(LONGEST, |next| {
                    (next - engine.clock.now())
                        .to_std()
                        .unwrap_or_default()
                        .clamp(Duration::from_secs(1), LONGEST)
                }),
                Ok(Err(error)) => {
                    tracing::warn!(error = %error.message, "hits could not be judged again; it is tried later");
                    LONGEST
                }
                Err(_) => {
                    tracing::error!("judging again panicked; it is tried later");
                    LONGEST
                }
            };
            // A campaign of hundreds of thousands takes seconds: no more than a twentieth of a processor.
            wait.max(begun.elapsed() * 20)
        };
        if !bell.wait(wait) {
            return;
        }
    }
}

/// Judges what is due; returns when something is due next.
pub(crate) fn run_due(engine: &Arc<Engine>) -> Result<Option<Instant>> {
    loop {
        match engine.read(|conn| Ok(judging::next(conn)?))? {
            Some((campaign, at)) if at <= engine.clock.now() => {
                catch_up(engine, campaign)?;
            }
            next => return Ok(next.map(|(_, at)| at)),
        }
    }
}

/// Judges a campaign's hits where that is due.
pub(crate) fn catch_up(engine: &Arc<Engine>, campaign: CampaignId) -> Result<()> {
    let is_due = |engine: &Engine| -> Result<bool> {
        let due = engine.read(|conn| Ok(judging::due(conn, campaign)?))?;
        Ok(due.is_some_and(|due| due <= engine.clock.now()))
    };
    if is_due(engine)? {
        let alone = held(&engine.judging.pass);
        // Another pass may just have ended.
        if is_due(engine)? {
            pass(engine, campaign, &alone)?;
        }
    }
    Ok(())
}

/// Judges all hits of a campaign that have their evidence; returns how many verdicts changed.
fn pass(engine: &Arc<Engine>, campaign: CampaignId, _alone: &MutexGuard<'_, ()>) -> Result<u32> {
    let now = engine.clock.now();
    let lease = now + LEASE;
    engine
        .db
        .write(Priority::Bulk, move |conn| judging::claim(conn, campaign, lease))?;
    let (changes, newest) = engine.read(|conn| Ok(changes(conn, campaign)?))?;
    let mut changed = 0;
    let mut changes = changes.into_iter().peekable();
    while changes.peek().is_some() {
        let mut chunk = Vec::new();
        let mut hits = 0;
        while hits < CHUNK
            && let Some(of_message) = changes.next()
        {
            hits += of_message.1.len();
            chunk.push(of_message);
        }
        changed += engine.db.write(Priority::Bulk, move |conn| {
            let mut written = 0;
            for (message, changes) in &chunk {
                written += rollup::judged(conn, campaign, *message, changes)?;
            }
            Ok::<_, store::Error>(written)
        })?;
    }
    let next = newest.and_then(|newest| next_pass(now, newest));
    engine.db.write(Priority::Bulk, move |conn| {
        judging::done(conn, campaign, lease, now, next)
    })?;
    if changed > 0 {
        engine.announce(&[Tag::Opens, Tag::Activity]);
    }
    Ok(changed)
}

/// Returns when hits are judged again after a pass at `now`, the newest of them being `newest`.
fn next_pass(now: Instant, newest: Instant) -> Option<Instant> {
    let age = now - newest;
    let pause = if age < TimeDelta::hours(1) {
        TimeDelta::minutes(5)
    } else if age < TimeDelta::hours(24) {
        TimeDelta::hours(1)
    } else if age < TimeDelta::days(7) {
        TimeDelta::days(1)
    } else {
        return None;
    };
    Some(now + pause)
}

type Changes = BTreeMap<MessageId, Vec<Changed>>;

/// Returns the verdicts of a campaign that differ from those on disk, and when its newest hit came.
fn changes(conn: &Conn, campaign: CampaignId) -> store::Result<(Changes, Option<Instant>)> {
    let (mails, rows) = judging::load(conn, campaign)?;
    let labels = label::all(conn)?;
    let told: Vec<_> = rows.iter().map(|row| ingest::told(&row.user_agent)).collect();
    let evidence: Vec<Evidence<'_>> = rows
        .iter()
        .zip(&told)
        .map(|(row, told)| Evidence {
            id: row.id,
            message: row.message,
            at: row.at,
            told,
            said: row.said,
            timing: row.timing,
            network: &row.network,
            address: &row.address,
            label: row.label,
            client: &row.client,
        })
        .collect();
    let has_settled = judging::has_settled(conn, campaign)?;
    let by_id: BTreeMap<HitId, &judging::Row> = rows.iter().map(|row| (row.id, row)).collect();
    let mut changes = Changes::new();
    for judged in judge::judge(&mails, &evidence, &labels) {
        let row = by_id[&judged.id];
        // Scanners that show only together are not seen any more once the evidence of some is gone. What they took away
        // from a look is not given back for that; only where the user takes a word back.
        let is_given_back = Signal::of(judged.class) > Signal::of(row.class);
        if has_settled
            && is_given_back
            && !row.reason.starts_with(LABELLED)
            && !judged.reason.starts_with(LABELLED)
        {
            continue;
        }
        let is_same = (row.class, row.new_look, row.rule_version)
            == (judged.class, judged.new_look, judged.rule_version)
            && row.reason == judged.reason;
        if !is_same {
            changes.entry(row.message).or_default().push(Changed {
                id: row.id,
                message: row.message,
                at: row.at,
                was: (row.class, row.new_look),
                is: (judged.class, judged.new_look),
                reason: judged.reason.to_owned(),
                rule_version: judged.rule_version,
            });
        }
    }
    Ok((changes, rows.iter().map(|row| row.at).max()))
}

/// Judges a campaign's hits again, now.
pub fn judge_now(engine: &Arc<Engine>, request: CampaignJudge) -> Result<Judged> {
    if engine
        .read(|conn| Ok(report::facts(conn, request.id)?))?
        .is_none()
    {
        return Err(Error::not_found("campaign", request.id));
    }
    let alone = held(&engine.judging.pass);
    let changed = pass(engine, request.id, &alone)?;
    Ok(Judged { changed })
}

/// Returns all labels.
pub fn labels(engine: &Arc<Engine>, _request: LabelList) -> Result<LabelListResponse> {
    let labels = engine.read(|conn| Ok(label::list(conn)?))?;
    let labels = labels
        .into_iter()
        .map(|label| LabelRow {
            id: label.id,
            kind: label.kind,
            value: label.value,
            says: label.says,
            at: label.at,
        })
        .collect();
    Ok(LabelListResponse { labels })
}

/// Keeps what the user says, and judges by it.
pub fn label_set(engine: &Arc<Engine>, request: LabelSet) -> Result<LabelSaved> {
    let at = engine.clock.now();
    let (kind, says) = (request.kind, request.says);
    if kind != LabelKind::Hit && says == Says::Person {
        return Err(Error::field(
            "says",
            "A whole domain or network cannot be called people: machines would count as readers. Correct single looks instead.",
        ));
    }
    let value = value(kind, &request.value)?;
    let alone = held(&engine.judging.pass);
    let hit = match kind {
        LabelKind::Hit => Some(found(engine, &value)?),
        _ => None,
    };
    let was = hit.as_ref().map(|hit| hit.verdict.clone());
    let id = engine.db.write(Priority::Window, move |conn| {
        label::set(conn, kind, &value, says, at, was.as_ref())
    })?;
    let changed = match hit {
        Some(hit) if hit.settled => {
            let class = says.class(hit.verdict.class, hit.verdict.class == HitClass::HumanProxy);
            let is = Was {
                class,
                reason: "labelled_hit".into(),
                rule_version: classify::RULE_VERSION,
            };
            overwrite(engine, request.value.trim(), hit, is)?
        }
        Some(hit) => pass(engine, hit.campaign, &alone)?,
        None => pass_all(engine, &alone)?,
    };
    engine.announce(&[Tag::Opens, Tag::Activity]);
    Ok(LabelSaved { id, changed })
}

/// Takes a label away, and judges without it.
pub fn label_remove(engine: &Arc<Engine>, request: LabelRemove) -> Result<Judged> {
    let id = request.id;
    let alone = held(&engine.judging.pass);
    let Some(label) = engine.read(|conn| Ok(label::get(conn, id)?))? else {
        return Err(Error::not_found("label", id));
    };
    let was = engine
        .db
        .write(Priority::Window, move |conn| label::remove(conn, id))?;
    let changed = match label.kind {
        LabelKind::Hit => match (found(engine, &label.value), was) {
            // The hit is gone: erased, or past the time that verdicts are kept.
            (Err(_), _) => 0,
            (Ok(hit), Some(was)) if hit.settled => overwrite(engine, &label.value, hit, was)?,
            (Ok(hit), _) => pass(engine, hit.campaign, &alone)?,
        },
        _ => pass_all(engine, &alone)?,
    };
    engine.announce(&[Tag::Opens, Tag::Activity]);
    Ok(Judged { changed })
}

fn pass_all(engine: &Arc<Engine>, alone: &MutexGuard<'_, ()>) -> Result<u32> {
    let mut changed = 0;
    for campaign in engine.read(|conn| Ok(judging::campaigns(conn)?))? {
        changed += pass(engine, campaign, alone)?;
    }
    Ok(changed)
}

/// Gives a hit whose evidence is gone another verdict.
fn overwrite(engine: &Arc<Engine>, id: &str, hit: Labelled, is: Was) -> Result<u32> {
    let id = hit_id(id)?;
    Ok(engine.db.write(Priority::Window, move |conn| {
        let change = Changed {
            id,
            message: hit.message,
            at: hit.at,
            was: (hit.verdict.class, hit.new_look),
            is: (is.class, hit.new_look),
            reason: is.reason,
            rule_version: is.rule_version,
        };
        rollup::judged(conn, hit.campaign, hit.message, &[change])
    })?)
}

fn hit_id(value: &str) -> Result<HitId> {
    value
        .parse()
        .map_err(|_| Error::field("value", format!("{value:?} is not the number of a look.")))
}

fn found(engine: &Arc<Engine>, value: &str) -> Result<Labelled> {
    let id = hit_id(value)?;
    engine
        .read(|conn| Ok(label::hit(conn, id)?))?
        .ok_or_else(|| Error::not_found("look", id))
}

/// Reads what a label is about into the form in which hits have it.
fn value(kind: LabelKind, text: &str) -> Result<String> {
    let text = text.trim();
    match kind {
        LabelKind::Hit => hit_id(text).map(|id| id.to_string()),
        LabelKind::Domain => {
            let domain = text.trim_start_matches('@').to_lowercase();
            let is_one = domain.contains('.')
                && domain.len() <= 253
                && domain
                    .split('.')
                    .all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '-'));
            if is_one {
                Ok(domain)
            } else {
                Err(Error::field(
                    "value",
                    format!("{text:?} is not a mail domain. Write it like example.org."),
                ))
            }
        }
        LabelKind::Network => {
            let address = text.split('/').next().unwrap_or_default();
            let address = address.parse().map_err(|_| {
                Error::field(
                    "value",
                    format!("{text:?} is not a network. Write it like 203.0.113.0/24 or 2001:db8:1::/48."),
                )
            })?;
            Ok(ingest::network(address))
        }
    }
}
