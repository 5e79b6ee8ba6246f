//! Public addresses, seen from outside: when they are asked, what is kept of it, and what is said.
//!
//! One thread while the listener runs in real time. It asks the address in use again and again (`reach::probe::schedule`),
//! and once an hour each other address that live mails carry. Names that RFC 2606 and RFC 6761 reserve are asked only
//! when somebody wants it, or where the name server was named by hand and is on this computer: no other knows them. Start
//! reading at [`turn`].

use super::bell::Bell;
use super::engine::Engine;
use super::reach::{self, Route};
use super::{routes, tracking};
use crate::api::{
    ActivityKind, Error, Probe, ProbeVerdict, Reach, ReachGet, ReachLevel, ReachProbe, Result, RouteKind, Tag,
};
use crate::clock::Instant;
use crate::ids::RouteId;
use crate::reach::probe::asker::{self, Question, Stop};
use crate::reach::probe::schedule::{MISSES, OTHERS, Rounds};
use crate::reach::probe::{PATH, PROOF, nonce, proof, verdict};
use crate::store::activity::{self, NewActivity};
use crate::store::probe::{self, Change, Count, Known};
use crate::store::{Conn, Priority, route, setting};
use chrono::{DateTime, TimeDelta};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// The longest wait: another way out of this computer is seen then.
const LOOK: Duration = Duration::from_secs(5);
/// A proof is believed for so long: a question and its neighbour may be lost.
const PROVED_FOR: TimeDelta = TimeDelta::minutes(5);
/// The chance at which what is good is asked twice, to see whether something new keeps answers.
const RARELY: f64 = 0.05;
/// A moment so far away was set by a clock that has been set back since.
const TOO_FAR: TimeDelta = TimeDelta::minutes(2);

/// The thread, while it runs, and how far it is.
#[derive(Default)]
pub(crate) struct Desk {
    prober: Mutex<Option<Prober>>,
    rounds: Mutex<Option<Rounds>>,
}

struct Prober {
    bell: Arc<Bell>,
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Starts asking. Where time is played nobody asks by himself: whoever plays it calls [`turn`].
pub(crate) fn start(engine: &Arc<Engine>) {
    *lock(&engine.probes.rounds) = Some(Rounds::begin(engine.clock.steady()));
    if engine.clock.is_played() {
        return;
    }
    let (bell, stop) = (Arc::<Bell>::default(), Arc::<Stop>::default());
    let thread = std::thread::Builder::new().name("casement-probe".into()).spawn({
        let (weak, bell, stop) = (Arc::downgrade(engine), bell.clone(), stop.clone());
        move || run(&weak, &bell, &stop)
    });
    match thread {
        Ok(thread) => *lock(&engine.probes.prober) = Some(Prober { bell, stop, thread }),
        Err(error) => tracing::error!(%error, "no thread to look at the public address from outside"),
    }
}

/// Ends asking; a question that is being asked is broken off.
pub(crate) fn stop(engine: &Engine) {
    let prober = lock(&engine.probes.prober).take();
    if let Some(prober) = prober {
        prober.bell.stop();
        prober.stop.stop();
        // Its failures are logged where they happen.
        let _ = prober.thread.join();
    }
    *lock(&engine.probes.rounds) = None;
}

/// Asks at once, and often until it is good: this computer woke, or something about the address changed.
pub(crate) fn again(engine: &Engine) {
    if let Some(rounds) = lock(&engine.probes.rounds).as_mut() {
        *rounds = Rounds::begin(engine.clock.steady());
    }
    if let Some(prober) = lock(&engine.probes.prober).as_ref() {
        prober.bell.ring();
    }
}

fn run(weak: &Weak<Engine>, bell: &Bell, stop: &Stop) {
    let mut way: Option<IpAddr> = asker::way_out();
    loop {
        let wait = {
            let Some(engine) = weak.upgrade() else { return };
            let out = asker::way_out();
            if out != way {
                way = out;
                again(&engine);
            }
            let mut random = [0; 4];
            engine.entropy.fill(&mut random);
            let chance = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
            match turn(&engine, stop, chance) {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(error = %error.message, "the public address could not be looked at from outside");
                    LOOK
                }
            }
        };
        if !bell.wait(wait.min(LOOK)) {
            return;
        }
    }
}

/// Asks what is due now, one address at most, and returns how long there is nothing to do.
///
/// `chance` is in `[0, 1)`.
///
/// # Errors
/// Where the database cannot be used, or this computer lets nothing be asked.
pub(crate) fn turn(engine: &Arc<Engine>, stop: &Stop, chance: f64) -> Result<Duration> {
    let steady = engine.clock.steady();
    let current = engine.read(|conn| {
        let route = reach::current_route(conn)?;
        Ok(is_asked(engine, conn, &route)?.then_some(route))
    })?;
    if let Some(route) = current {
        let rounds = *lock(&engine.probes.rounds);
        let due = rounds.map(|rounds| rounds.next());
        if due.is_some_and(|due| due <= steady || due > steady + TOO_FAR) {
            let known = engine.read(|conn| Ok(probe::known(conn, route.id)?))?;
            // What is good was asked twice before. A cache that is new is seen all the same, within twenty rounds or so.
            let twice = known.is_none_or(|known| known.probe.verdict != ProbeVerdict::Ok) || chance < RARELY;
            let Some(found) = ask(engine, &route.base_url, twice, stop)? else {
                return Ok(LOOK);
            };
            let is_good = found.verdict == ProbeVerdict::Ok;
            keep(engine, &route, found, move |before| {
                rounds.map_or(before + 1, |rounds| rounds.misses(steady, before))
            })?;
            // Where something changed meanwhile it begins anew, and this was of before.
            let mut held = lock(&engine.probes.rounds);
            if *held == rounds
                && let Some(rounds) = held.as_mut()
            {
                rounds.asked(engine.clock.steady(), is_good, chance);
            }
            drop(held);
            engine.announce(&[Tag::Reach]);
            return Ok(Duration::ZERO);
        }
    }
    let now = engine.clock.now();
    let other = engine.read(|conn| {
        let current = reach::current_route(conn)?.id;
        for route in probe::waiting(conn, now, now - OTHERS)? {
            if route.id != current && is_asked(engine, conn, &route)? {
                return Ok(Some(route));
            }
        }
        Ok(None)
    })?;
    if let Some(route) = other {
        let Some(found) = ask(engine, &route.base_url, true, stop)? else {
            return Ok(LOOK);
        };
        keep(engine, &route, found, |before| before + 1)?;
        return Ok(Duration::ZERO);
    }
    let next = lock(&engine.probes.rounds).map(|rounds| rounds.next());
    let wait = next.and_then(|next| (next - engine.clock.steady()).to_std().ok());
    Ok(wait.unwrap_or(LOOK))
}

/// Tells whether an address is asked without anybody wanting it.
fn is_asked(engine: &Engine, conn: &Conn, route: &Route) -> Result<bool> {
    Ok(route.kind == RouteKind::Public && (knows_all(engine) || !probe::is_tried_out(conn, route.id)?))
}

/// Tells whether the names that are reserved may lead somewhere, as they do in tests: a name server on this computer was
/// named by hand.
fn knows_all(engine: &Engine) -> bool {
    engine.dns.is_some_and(|server| server.ip().is_loopback())
}

/// Asks an address for a proof of this Casement. `None` where it was broken off, or where no listener runs that could
/// answer.
fn ask(engine: &Arc<Engine>, base_url: &str, twice: bool, stop: &Stop) -> Result<Option<Probe>> {
    let mut random = [0; 16];
    engine.entropy.fill(&mut random);
    let nonce = nonce(random);
    let key = engine.read(|conn| Ok(setting::workspace_key(conn)?))?;
    let proof = proof(&key, &nonce);
    if !tracking::expect(engine, &format!("{PATH}{nonce}"), format!("{PROOF}: {proof}")) {
        return Ok(None);
    }
    let question = Question {
        base_url: base_url.to_owned(),
        nonce,
        proof,
        twice,
        names: engine.dns,
        roots: engine.extra_roots.clone(),
    };
    let Some((sight, latency)) = asker::ask(&question, stop).map_err(Error::conflict)? else {
        return Ok(None);
    };
    let now = engine.clock.now();
    let finding = verdict::judge(&sight, now);
    Ok(Some(Probe {
        url: base_url.to_owned(),
        at: now,
        verdict: finding.verdict,
        sentence: finding.sentence,
        advice: finding.advice,
        latency_ms: latency.map(|latency| u32::try_from(latency.as_millis()).unwrap_or(u32::MAX)),
        certificate_until: sight
            .certificate
            .and_then(|certificate| DateTime::from_timestamp(certificate.until, 0)),
    }))
}

/// Keeps what was seen, and says once that an address was lost and once that it is back.
fn keep(
    engine: &Engine,
    route: &Route,
    found: Probe,
    misses: impl FnOnce(u32) -> u32 + Send + 'static,
) -> Result<()> {
    let route = route.clone();
    let told = engine.db.write(Priority::Window, move |conn| -> Result<bool> {
        let known = probe::known(conn, route.id)?;
        let (before, was_proved) = known
            .map(|known| (known.misses, known.good_at.is_some()))
            .unwrap_or_default();
        let count = match found.verdict {
            ProbeVerdict::Ok => Count::Good,
            verdict if verdict::is_miss(verdict, was_proved) => Count::Miss {
                misses: misses(before),
                outage: MISSES,
            },
            _ => Count::Neither,
        };
        let Some(change) = probe::put(conn, route.id, &found, count)? else {
            return Ok(false);
        };
        let text = match change {
            Change::Lost(from) => format!(
                "{} does not lead here any more, since {}: {}",
                route.base_url,
                from.format("%H:%M UTC"),
                found.sentence
            ),
            Change::Back(from) => format!(
                "{} leads here again; it did not from {} on",
                route.base_url,
                from.format("%-d %B, %H:%M UTC")
            ),
        };
        activity::add(conn, found.at, &NewActivity::new(ActivityKind::Reach, text))?;
        Ok(true)
    })?;
    if told {
        engine.announce(&[Tag::Activity, Tag::Opens]);
    }
    Ok(())
}

/// Asks an address because somebody wants to know. Where mails carry it, what was seen is kept.
pub fn probe(engine: &Arc<Engine>, request: ReachProbe) -> Result<Probe> {
    let (kind, base_url) = match request.url.as_deref().map(str::trim) {
        Some(text) => reach::parse_base(text, false)?,
        None => {
            let route = engine.read(reach::current_route)?;
            (route.kind, route.base_url)
        }
    };
    if kind != RouteKind::Public {
        return Err(Error::conflict(
            "Mails carry no public address, so there is nothing to look at from outside. Set one first.",
        ));
    }
    let off =
        || Error::conflict("The listener is off, so nothing here could answer. Start it, and look again.");
    let found = ask(engine, &base_url, true, &Stop::default())?.ok_or_else(off)?;
    let known = engine.read(|conn| Ok(route::search(conn, kind, &base_url)?))?;
    if let Some(route) = known {
        // A look by hand is one look: three in a second are not three in a row.
        keep(engine, &route, found.clone(), |before| before.max(1))?;
    }
    engine.announce(&[Tag::Reach]);
    Ok(found)
}

/// Asks an address once for a tunnel, which has rounds of its own; nothing is kept of it.
///
/// `None` where no listener runs that could answer.
///
/// # Errors
/// Where this computer lets nothing be asked, and for names that are reserved for examples: see [`start`].
pub(crate) fn look(engine: &Arc<Engine>, base_url: &str) -> Result<Option<Probe>> {
    if !knows_all(engine) && route::has_reserved_name(base_url) {
        return Err(Error::conflict(format!(
            "{base_url} has a name that is reserved for examples and tests, which leads nowhere."
        )));
    }
    ask(engine, base_url, false, &Stop::default())
}

/// Answers how the public address is.
pub fn get(engine: &Arc<Engine>, _request: ReachGet) -> Result<Reach> {
    let now = engine.clock.now();
    let (route, known, opens_last_day, is_asked) = engine.read(|conn| {
        let route = reach::current_route(conn)?;
        let known = probe::known(conn, route.id)?;
        let opens = route::opens_last_day(conn, route.id, now)?;
        let is_asked = is_asked(engine, conn, &route)?;
        Ok((route, known, opens, is_asked))
    })?;
    let steady = engine.clock.steady();
    let next = lock(&engine.probes.rounds)
        .filter(|_| is_asked)
        .map(|rounds| now + (rounds.next() - steady).max(TimeDelta::zero()));
    let (probe, last_good, misses) = match known {
        Some(known) => (Some(known.probe), known.good_at, known.misses),
        None => (None, None, 0),
    };
    Ok(Reach {
        address: reach::describe(route.kind, &route.base_url),
        listening: tracking::status(engine).is_some(),
        permanence: routes::permanence(&route),
        running_last_week: routes::running_last_week(engine)?.map(|share| share.share),
        probe,
        last_good,
        misses,
        next_probe_at: next,
        opens_last_day,
    })
}

/// Says whether readers get through to a listener that runs at a public address.
pub(crate) fn level(conn: &Conn, route: RouteId, now: Instant) -> Result<(ReachLevel, String)> {
    let known = probe::known(conn, route)?;
    Ok(seen(known.as_ref(), now))
}

fn seen(known: Option<&Known>, now: Instant) -> (ReachLevel, String) {
    let Some(Known {
        probe,
        good_at,
        misses,
    }) = known
    else {
        return (
            ReachLevel::Unproved,
            "Listening. The public address was not yet seen from outside.".to_owned(),
        );
    };
    if *misses >= MISSES {
        return (
            ReachLevel::Unreachable,
            format!("Readers cannot get through. {}", probe.sentence),
        );
    }
    match good_at {
        Some(at) if now - *at <= PROVED_FOR && probe.verdict != ProbeVerdict::CannotSelfTest => (
            ReachLevel::Reachable,
            "Seen from outside: this Casement answers at the public address, for as long as this computer is on."
                .to_owned(),
        ),
        _ if probe.verdict == ProbeVerdict::Ok => (
            ReachLevel::Unproved,
            format!(
                "Listening. The public address was last seen from outside on {}.",
                probe.at.format("%-d %B, %H:%M UTC")
            ),
        ),
        _ => (
            ReachLevel::Unproved,
            format!("Listening, and not seen from outside. {}", probe.sentence),
        ),
    }
}

#[cfg(test)]
#[path = "reach_probe_tests.rs"]
mod tests;
