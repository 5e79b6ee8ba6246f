//! Fills the ledger of a campaign, and meanwhile makes and checks every mail of it.
//!
//! The one thread that writes plans chunk after chunk; what it has planned is checked by as many threads as there are
//! processors, so that preparing takes no longer than the slower of both. Start at [`plan_and_audit`].

use crate::api::{Code, Error, Result};
use crate::app::engine::Engine;
use crate::app::preflight::{Auditor, Facts, Prepared};
use crate::app::sending;
use crate::clock::Instant;
use crate::delivery::plan::{self, Asking, Rules};
use crate::engine::jobs::Progress;
use crate::ids::{CampaignId, ContactId, MessageId};
use crate::store::message::{self, Letter};
use crate::store::{Conn, Priority};
use chrono::TimeDelta;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

/// Days over which tracked mails to one person are counted.
const CAP_DAYS: i64 = 30;
/// The most threads that check mails at once.
const AUDITORS: usize = 8;

/// Plans everyone's message, and meanwhile makes and checks every mail of those that are planned already, as the
/// ledger says it. `cap` is the campaign's, of tracked mails.
pub(super) fn plan_and_audit(
    engine: &Arc<Engine>,
    facts: &Facts,
    cap: u32,
    progress: &Progress,
) -> Result<Prepared> {
    let id = facts.campaign.head.id;
    let letterhead = engine.read(|conn| sending::letterhead(conn, id))?;
    let auditors = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(AUDITORS);
    let audited = AtomicU64::new(0);
    // Few chunks wait: planning goes no further ahead than the audit can follow.
    let (sender, receiver) = sync_channel::<Vec<Letter>>(auditors);
    let receiver = Arc::new(Mutex::new(receiver));
    let check = |letters: Arc<Mutex<Receiver<Vec<Letter>>>>| {
        let mut auditor = Auditor::default();
        loop {
            let next = letters
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .recv();
            // Everything is planned, or planning failed.
            let Ok(letters) = next else { return auditor };
            for letter in &letters {
                auditor.check(&letterhead, letter, facts.now);
                audited.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let auditor = std::thread::scope(|scope| -> Result<Auditor> {
        let threads: std::io::Result<Vec<_>> = (0..auditors)
            .map(|_| {
                let (check, letters) = (&check, receiver.clone());
                std::thread::Builder::new()
                    .name("casement-audit".into())
                    .spawn_scoped(scope, move || check(letters))
            })
            .collect();
        // Theirs alone: where all of them have ended, nothing can be handed on.
        drop(receiver);
        let threads = match threads {
            Ok(threads) => threads,
            Err(error) => {
                // Those that did start end with it.
                drop(sender);
                let sentence =
                    format!("The mails cannot be checked: {error}. Close other programs and try again.");
                return Err(Error::new(Code::Internal, sentence));
            }
        };
        let planned = fill(engine, facts, cap, progress, &audited, &sender);
        drop(sender);
        let mut all = Auditor::default();
        for thread in threads {
            all.join(thread.join().map_err(|_| not_checked())?);
        }
        planned.map(|()| all)
    })?;
    let (findings, size_range) = auditor.end();
    engine.read(|conn| {
        let (tracking, not_tracked) = message::planned_tracking(conn, id)?;
        let to_send = message::counts(conn, id)?.get("planned").copied().unwrap_or(0);
        if u64::from(to_send) != audited.load(Ordering::Relaxed) {
            return Err(Error::new(
                Code::Internal,
                "not every planned mail was checked; prepare again",
            ));
        }
        Ok(Prepared {
            to_send,
            skipped: message::skipped(conn, id)?,
            tracking,
            not_tracked,
            findings,
            size_range,
        })
    })
}

fn not_checked() -> Error {
    Error::new(
        Code::Internal,
        "The mails could not all be checked. Prepare the campaign again.",
    )
}

/// Plans one message for each person of the audience, in chunks, and hands them on to be checked.
fn fill(
    engine: &Arc<Engine>,
    facts: &Facts,
    cap: u32,
    progress: &Progress,
    audited: &AtomicU64,
    auditors: &SyncSender<Vec<Letter>>,
) -> Result<()> {
    let id = facts.campaign.head.id;
    let since = facts.now - TimeDelta::days(CAP_DAYS);
    let rules = engine
        .read(|conn| sending::rules(conn, &engine.zone, facts.campaign.head.tracking, facts.route.kind))?;
    let rules = Arc::new(Rules {
        asking: Asking::of(&facts.campaign.document),
        cap,
        ..rules
    });
    let now = facts.now;
    let audience = Arc::new(facts.campaign.audience.clone());
    let (mut after, mut done) = (ContactId(0), 0);
    let mut handed_on = MessageId(0);
    let total = u64::from(facts.audience) * 2;
    loop {
        let (rules, audience, entropy) = (rules.clone(), audience.clone(), engine.entropy.clone());
        let planned = engine.db.write(Priority::Bulk, move |conn| -> Result<_> {
            let people = message::candidates(conn, &audience, after, since, sending::CHUNK, id)?;
            for candidate in &people {
                plan_one(conn, id, candidate, &rules, now, &*entropy)?;
            }
            Ok(people.last().map(|last| (last.contact, people.len())))
        })?;
        let Some((last, n)) = planned else {
            return Ok(());
        };
        after = last;
        done += n as u64;
        let letters = engine.read(|conn| Ok(message::planned(conn, id, handed_on, sending::CHUNK)?))?;
        if let Some(last) = letters.last() {
            handed_on = last.id;
            if auditors.send(letters).is_err() {
                return Err(not_checked());
            }
        }
        progress.step((done + audited.load(Ordering::Relaxed)).min(total), Some(total))?;
    }
}

fn plan_one(
    conn: &Conn,
    id: CampaignId,
    candidate: &message::Candidate,
    rules: &Rules,
    now: Instant,
    entropy: &dyn crate::ids::Entropy,
) -> Result<()> {
    let mut row = plan::plan(candidate, None, rules, now, entropy);
    if let Some(reason) = message::suppressed(conn, &row.address_hash)? {
        row = plan::plan(candidate, Some(reason), rules, now, entropy);
    }
    message::insert(conn, id, &row)?;
    Ok(())
}
