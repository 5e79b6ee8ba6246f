//! What a workspace does when it finds itself copied: brought back from a backup, or opened at another place or on
//! another computer. It sends nothing by itself then.
//!
//! Of what left after a copy was made the copy knows nothing, so nobody of a campaign that was being sent can be said
//! not to have got it.

use super::engine::Engine;
use super::sending::{self, CHUNK};
use super::tunnel;
use crate::api::{ActivityKind, Error, Result};
use crate::audience::address::address_hash;
use crate::clock::Instant;
use crate::domain::campaign::CampaignState;
use crate::ids::CampaignId;
use crate::store::activity::{self, NewActivity};
use crate::store::{Conn, Priority, campaign, message, setting};

/// Where the workspace was opened last: a keyed hash of computer and folder.
const HOME: &str = "home";

/// How long a copy that was made for a move is taken at its word that nothing was sent since: whoever brings it back
/// later may have resumed at the old place meanwhile.
const MOVE: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// Looks whether this workspace is a copy, and settles what follows. Before anything can be sent.
pub(crate) fn settle(engine: &Engine, machine: &str) -> Result<()> {
    let folder = engine.workspace.dir().to_string_lossy().into_owned();
    let machine = machine.to_owned();
    let (copied, is_home, moved, home) = engine.read(|conn| {
        let key = setting::workspace_key(conn)?;
        let home = data_encoding::HEXLOWER.encode(&address_hash(&key, &format!("{machine}\n{folder}")));
        let before: Option<String> = setting::get(conn, HOME)?;
        Ok((
            setting::copied(conn)?,
            before.as_ref() == Some(&home),
            before.is_some_and(|before| before != home),
            home,
        ))
    })?;
    let now = engine.clock.now();
    if let Some(copied) = copied {
        let is_fresh_move = copied.is_move && now < copied.at + MOVE;
        for (id, first_mail_at) in being_sent(engine)? {
            if is_fresh_move || copied.known.contains(&id) {
                continue;
            }
            // What a launch had planned and not queued yet may have left as well.
            if let Some(first) = first_mail_at {
                sending::enqueue(engine, id, first)?;
            }
            let reply = "This workspace was brought back from a copy; the mail may have left after the copy was made.";
            while engine.db.write(Priority::Bulk, move |conn| {
                message::doubt(conn, id, now, reply, CHUNK).map_err(Error::from)
            })? > 0
            {}
        }
        engine.write(&[], move |conn| {
            let day = copied.at.format("%-d %B %Y, %H:%M UTC");
            pause(
                conn,
                |id| {
                    if is_fresh_move {
                        format!(
                            "This workspace was moved here on {day}. Resume here, and nowhere else: two computers would send \
                             everything twice."
                        )
                    } else if copied.known.contains(&id) {
                        format!("A backup of {day} was brought back, and nothing is sent by itself. Resume when you want to.")
                    } else {
                        format!(
                            "This workspace was brought back from a copy of {day}. Mails that were waiting then may have left \
                             since, so they are uncertain, and nothing is sent by itself."
                        )
                    }
                },
                now,
            )?;
            if !is_home {
                tunnel::hold(conn, now)?;
            }
            setting::forget_copied(conn)?;
            Ok(setting::set(conn, HOME, &home)?)
        })
    } else if is_home {
        // Nothing is written at most starts.
        Ok(())
    } else {
        engine.write(&[], move |conn| {
            if moved {
                tunnel::hold(conn, now)?;
                pause(
                    conn,
                    |_| {
                        "This workspace was opened at another place or on another computer than before. If Casement still \
                         sends from the old one, people would get the mail twice. Resume here only if it does not."
                            .into()
                    },
                    now,
                )?;
            }
            Ok(setting::set(conn, HOME, &home)?)
        })
    }
}

fn being_sent(engine: &Engine) -> Result<Vec<(CampaignId, Option<Instant>)>> {
    engine.read(|conn| {
        let mut ids = Vec::new();
        for state in [CampaignState::Running, CampaignState::Paused] {
            ids.extend(
                campaign::in_state(conn, state)?
                    .into_iter()
                    .map(|head| (head.id, head.first_mail_at)),
            );
        }
        Ok(ids)
    })
}

/// Pauses every campaign that is being sent, and says why there and in the feed.
pub(super) fn pause(conn: &Conn, why: impl Fn(CampaignId) -> String, now: Instant) -> Result<()> {
    for head in campaign::in_state(conn, CampaignState::Running)? {
        if campaign::advance(conn, head.id, CampaignState::Paused, now)? {
            let problem = why(head.id);
            campaign::set_problem(conn, head.id, Some(&problem))?;
            let row = NewActivity::new(ActivityKind::Problem, format!("Paused. {problem}"));
            activity::add(conn, now, &row.of(head.id))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sending_tests::Stage;
    use super::super::{control, sending, testing};
    use super::*;
    use crate::api::CampaignResume;
    use crate::clock::{Clock, ManualClock};
    use crate::domain::consent::ConsentState;
    use crate::store::migrate;
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    /// A campaign of two people, launched and not sent.
    fn launched() -> (Stage, CampaignId) {
        let stage = Stage::set();
        for n in 0..2 {
            stage.person(&format!("a{n}@example.org"), ConsentState::Granted);
        }
        let id = stage.draft();
        stage.launch(id, 0);
        (stage, id)
    }

    fn state(engine: &Engine, id: CampaignId) -> (CampaignState, String) {
        engine
            .read(|conn| {
                let head = campaign::find_head(conn, id)?.unwrap();
                Ok((head.state, head.problem.unwrap_or_default()))
            })
            .unwrap()
    }

    fn copy_files(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(std::result::Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }

    /// Ends a stage, and returns where its workspace lay, what was in it, and its clock.
    fn end(stage: Stage) -> (PathBuf, tempfile::TempDir, Arc<ManualClock>) {
        let (place, clock) = (stage.bench.dir.path().to_owned(), stage.bench.clock.clone());
        stage.bench.engine.shutdown();
        let kept = tempfile::tempdir().unwrap();
        copy_files(&place.join("workspace"), &kept.path().join("workspace"));
        (place, kept, clock)
    }

    #[test]
    fn a_workspace_that_stays_where_it_is_goes_on_by_itself() {
        let (stage, id) = launched();
        let (place, kept, clock) = end(stage);
        copy_files(&kept.path().join("workspace"), &place.join("workspace"));
        let again = testing::open(&place, clock);
        assert_eq!(state(&again, id).0, CampaignState::Running);
        again.shutdown();
        std::fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn a_workspace_at_another_place_sends_nothing_by_itself() {
        let (stage, id) = launched();
        let (_, kept, clock) = end(stage);
        let moved = testing::open(kept.path(), clock);
        let (found, problem) = state(&moved, id);
        assert_eq!(found, CampaignState::Paused);
        assert!(problem.contains("another computer"), "{problem}");
        control::resume(&moved, CampaignResume { id }).unwrap();
        settle(&moved, "here").unwrap();
        assert_eq!(
            state(&moved, id).0,
            CampaignState::Running,
            "it is asked about once"
        );
        settle(&moved, "there").unwrap();
        assert_eq!(
            state(&moved, id).0,
            CampaignState::Paused,
            "another computer is another place"
        );
        moved.shutdown();
    }

    #[test]
    fn a_backup_that_is_brought_back_sends_to_nobody_by_itself() {
        let (stage, id) = launched();
        let copies = tempfile::tempdir().unwrap();
        let database = stage.bench.engine.workspace.database();
        let conn = rusqlite::Connection::open(&database).unwrap();
        let copy = migrate::backup(&conn, copies.path(), stage.bench.clock.now()).unwrap();
        drop(conn);
        // As if the copy had been made while the launch was still queueing.
        rusqlite::Connection::open(&copy)
            .unwrap()
            .execute(
                "UPDATE message SET state = 'planned' WHERE id = (SELECT min(id) FROM message)",
                [],
            )
            .unwrap();
        // What leaves after the copy was made is not known to it.
        stage.send();
        let (place, _, clock) = end(stage);
        std::fs::create_dir_all(place.join("workspace")).unwrap();
        std::fs::copy(copy, place.join("workspace").join(database.file_name().unwrap())).unwrap();
        let restored = testing::open(&place, clock);
        let (found, problem) = state(&restored, id);
        assert_eq!(found, CampaignState::Paused);
        assert!(
            problem.contains("brought back from a copy of 1 April 2026"),
            "{problem}"
        );
        let counts = || restored.read(|conn| Ok(message::counts(conn, id)?)).unwrap();
        assert_eq!(counts(), BTreeMap::from([("uncertain".to_owned(), 2)]));
        control::resume(&restored, CampaignResume { id }).unwrap();
        sending::start(&restored);
        sending::wait_idle(&restored);
        sending::stop(&restored);
        assert_eq!(counts()["uncertain"], 2, "never again by itself");
        restored.shutdown();
        std::fs::remove_dir_all(place).unwrap();
    }
}
