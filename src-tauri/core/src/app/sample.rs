//! Marked sample data: a rehearsal in a second workspace, copied in, and removed as one.

use super::engine::{Engine, EngineOptions};
use super::reach;
use super::rehearsal::{Mailing, Rehearsal, SPRING, Script};
use crate::api::{
    AddressSet, Code, Done, Error, JobStarted, ListenerStatusGet, Result, RouteKind, SampleDataAdd,
    SampleDataRemove, Tag,
};
use crate::clock::{Clock, ManualClock};
use crate::engine::jobs::Progress;
use crate::ids::SeededEntropy;
use crate::store::{Priority, merge, setting};
use chrono::TimeDelta;
use std::path::Path;
use std::sync::Arc;

const PEOPLE: u32 = 180;
const ALL: &[Tag] = &[
    Tag::Settings,
    Tag::Accounts,
    Tag::Reach,
    Tag::Contacts,
    Tag::Lists,
    Tag::Campaigns,
    Tag::Opens,
    Tag::Activity,
    Tag::Outbox,
];

/// Fills the workspace with marked sample data, as a job.
pub fn add(engine: &Arc<Engine>, _request: SampleDataAdd) -> Result<JobStarted> {
    if engine.read(|conn| Ok(setting::counts(conn)?))?.sample > 0 {
        return Err(Error::conflict(
            "The sample data is here already. Remove it in Settings to have it made anew.",
        ));
    }
    let own = engine.clone();
    let job = engine.jobs.start("Making sample data", move |progress| {
        let scratch = own.workspace.dir().join(".sample");
        // Left by a crash in the middle of this.
        remove_folder(&scratch)?;
        let made = make(&own, &scratch, progress);
        let cleaned = remove_folder(&scratch);
        own.announce(ALL);
        made.and(cleaned).map(|()| Done {})
    });
    Ok(JobStarted { job })
}

fn remove_folder(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::new(
            Code::Storage,
            format!("Cannot remove {}: {error}.", dir.display()),
        )),
        _ => Ok(()),
    }
}

/// Plays sixteen days of a rowing club in a workspace of its own, and copies what came of them.
fn make(engine: &Arc<Engine>, scratch: &Path, progress: &Progress) -> Result<()> {
    progress.step(0, Some(100))?;
    let now = engine.clock.now();
    let clock = Arc::new(ManualClock::at(now - TimeDelta::days(16)));
    let stage = Engine::open(EngineOptions {
        workspace: scratch.to_owned(),
        clock: clock.clone(),
        // Tokens of sample mails guard nothing: their links answer on this computer only.
        entropy: Arc::new(SeededEntropy::new(now.timestamp_millis().unsigned_abs())),
        zone: engine.zone.clone(),
        ..EngineOptions::like(engine)
    })?;
    // Under the same key, so that an address that unsubscribed is the same address here.
    let key = engine.read(|conn| Ok(setting::workspace_key(conn)?))?;
    stage.write(&[], move |conn| Ok(setting::replace_workspace_key(conn, &key)?))?;
    let played = play(&stage, &clock, scratch, progress);
    let snapshot = played.and_then(|()| stage.read(|conn| Ok(merge::snapshot(conn)?)));
    stage.shutdown();
    copy(engine, scratch, snapshot?)?;
    give_address(engine)
}

fn play(stage: &Arc<Engine>, clock: &ManualClock, scratch: &Path, progress: &Progress) -> Result<()> {
    let now = clock.now() + TimeDelta::days(16);
    let ago = |days: i64, hours: i64| now - TimeDelta::days(days) - TimeDelta::hours(hours);
    let script = Script {
        people: PEOPLE,
        seed: 7,
        sample: true,
        list: "Rowing club members".into(),
    };
    let mut club = Rehearsal::begin(stage, clock, script, scratch)?;
    progress.step(10, Some(100))?;
    let first = club.send(&OPEN_DAY)?;
    progress.step(30, Some(100))?;
    club.read(first)?;
    club.play(ago(13, 9), |done, total| {
        progress.step(30 + done * 20 / total.max(1), Some(100))
    })?;
    club.sleep(ago(12, 20))?;
    club.play(ago(2, 5), |done, total| {
        progress.step(50 + done * 5 / total.max(1), Some(100))
    })?;
    let second = club.send(&SPRING)?;
    progress.step(75, Some(100))?;
    club.read(second)?;
    club.play(ago(1, 14), |done, total| {
        progress.step(75 + done * 10 / total.max(1), Some(100))
    })?;
    club.sleep(ago(1, 6))?;
    club.play(now, |done, total| {
        progress.step(85 + done * 10 / total.max(1), Some(100))
    })?;
    club.draft(&REGATTA)?;
    club.end()?;
    progress.step(97, Some(100))
}

fn copy(engine: &Arc<Engine>, scratch: &Path, snapshot: merge::Snapshot) -> Result<()> {
    let moved = engine.db.write(Priority::Bulk, move |conn| -> Result<_> {
        let campaigns = merge::merge(conn, &snapshot).map_err(|error| match error.is_taken() {
            true => Error::conflict(
                "A list, an account or a contact of yours has the same name as one of the sample data. Rename it and try again.",
            ),
            false => error.into(),
        })?;
        let mut moved = Vec::new();
        for campaign in campaigns.values() {
            moved.extend(merge::move_outbox(conn, *campaign, &format!("outbox/sample-{campaign}"))?);
        }
        Ok(moved)
    })?;
    for (old, new) in moved {
        let (old, new) = (scratch.join(old), engine.workspace.dir().join(new));
        let result = new
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::rename(&old, &new));
        result
            .map_err(|error| Error::new(Code::Storage, format!("Cannot move {}: {error}.", old.display())))?;
    }
    Ok(())
}

/// Turns the listener on for this computer, so that the sample mails can be opened; an address that the user
/// chose stays.
fn give_address(engine: &Arc<Engine>) -> Result<()> {
    let status = match reach::listener_status(engine, ListenerStatusGet {})? {
        status if status.listening => status,
        _ => reach::listener_start(engine, reach::here())?,
    };
    if status.address.kind == RouteKind::None
        && let Some(entrance) = status.entrances.iter().find(|entrance| !entrance.behind_proxy)
    {
        reach::address_set(
            engine,
            AddressSet {
                url: Some(reach::from_here(&entrance.url)),
                local: true,
            },
        )?;
        engine.write(&[], |conn| Ok(setting::set(conn, "sample_address", &true)?))?;
    }
    Ok(())
}

/// Removes all sample data at once.
pub fn remove(engine: &Arc<Engine>, _request: SampleDataRemove) -> Result<Done> {
    let files = engine.db.write(Priority::Bulk, |conn| {
        merge::remove_sample(conn).map_err(Error::from)
    })?;
    for file in files {
        let path = engine.workspace.dir().join(file);
        // What cannot be removed now is a mail to an invented person.
        if std::fs::remove_file(&path).is_ok()
            && let Some(folder) = path.parent()
        {
            // Only an empty folder goes.
            let _ = std::fs::remove_dir(folder);
        }
    }
    let ours = engine.read(|conn| Ok(setting::get::<bool>(conn, "sample_address")?))?;
    if ours == Some(true) {
        reach::address_set(
            engine,
            AddressSet {
                url: None,
                local: false,
            },
        )?;
        engine.write(&[], |conn| Ok(setting::set(conn, "sample_address", &false)?))?;
    }
    engine.announce(ALL);
    Ok(Done {})
}

const OPEN_DAY: Mailing = Mailing {
    name: "Open day invitation",
    subject: "Bring a friend to the open day",
    preheader: "Sunday at ten, and there will be cake",
    markdown: "# Bring a friend\n\n\
        Dear {{ first_name | fallback(\"member\") }},\n\n\
        on **Sunday at ten** the boathouse is open to everyone. \
        Please bring somebody who has always wanted to try.\n\n\
        1. Coffee and cake on the jetty\n\
        2. First strokes in the training barge\n\
        3. A short row for the brave\n\n\
        [Tell us that you are coming](https://riverside.example/open-day)\n",
};

const REGATTA: Mailing = Mailing {
    name: "Summer regatta",
    subject: "Who rows, who steers, who bakes?",
    preheader: "The lists are open until the end of the month",
    markdown: "# The regatta needs you\n\n\
        Hello {{ first_name | fallback(\"there\") }},\n\n\
        the summer regatta is six weeks away. We still look for:\n\n\
        - two coxes\n- somebody with a loud voice\n- cakes\n\n\
        [Put your name down](https://riverside.example/regatta)\n",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{
        AppStateGet, CampaignList, JobState, ListList, OutboxList, OutboxOpenAs, ReaderClient, ReportGet,
        ReportSeries, Verify,
    };
    use crate::app::{campaign, contact, outbox, report, settings, testing, verify};
    use crate::domain::campaign::CampaignState;

    #[test]
    fn sample_data_fills_every_place_and_goes_as_one() {
        let bench = testing::bench();
        let engine = &bench.engine;
        let started = add(engine, SampleDataAdd {}).unwrap();
        let job = engine.jobs.wait(started.job).unwrap();
        assert_eq!(job.state, JobState::Done, "{:?}", job.error);
        assert!(
            add(engine, SampleDataAdd {}).is_err(),
            "there is one set of sample data, not two"
        );

        let campaigns = campaign::list(engine, CampaignList {}).unwrap().campaigns;
        assert!(campaigns.iter().all(|row| row.sample), "all of it is marked");
        let sent: Vec<_> = campaigns
            .iter()
            .filter(|row| row.state == CampaignState::Finished)
            .collect();
        assert_eq!(
            (campaigns.len(), sent.len()),
            (3, 2),
            "two that were sent and a draft"
        );
        for row in &sent {
            let report = report::get(engine, ReportGet { id: row.id }).unwrap();
            let series = report::series(engine, ReportSeries { id: row.id }).unwrap();
            let drawn: u32 = series.points.iter().map(|point| point.first_opens).sum();
            assert_eq!(
                drawn, report.parts.confirmed,
                "the chart draws what the range counts"
            );
            assert!(
                report.parts.confirmed > 0 && report.parts.machine_only > 0 && report.parts.no_signal > 0
            );
        }
        let checked = verify::verify(engine, Verify {}).unwrap();
        assert_eq!(checked.breaches, Vec::<String>::new());

        let mails = outbox::list(
            engine,
            OutboxList {
                campaign: Some(sent[0].id),
                search: String::new(),
                offset: 0,
                limit: 500,
            },
        );
        let tracked = mails.unwrap().mails.into_iter().find_map(|mail| {
            let opened = outbox::open_as(
                engine,
                OutboxOpenAs {
                    id: mail.id,
                    client: ReaderClient::Iphone,
                },
            )
            .unwrap();
            opened.status
        });
        assert_eq!(
            tracked,
            Some(200),
            "a sample mail can be opened, at the port of today"
        );

        remove(engine, SampleDataRemove {}).unwrap();
        let state = settings::state(engine, AppStateGet {}).unwrap();
        assert!(
            state.first_start && !state.has_sample_data,
            "nothing of it is left"
        );
        assert_eq!(contact::lists(engine, ListList {}).unwrap().contacts, 0);
        assert_eq!(
            verify::verify(engine, Verify {}).unwrap().breaches,
            Vec::<String>::new()
        );
        let outbox = engine.workspace.outbox();
        let left = std::fs::read_dir(&outbox).map_or(0, Iterator::count);
        assert_eq!(left, 0, "its mails are gone from {}", outbox.display());
    }
}
