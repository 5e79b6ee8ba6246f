//! Bringing a backup back: unpacked and looked through beside the workspace, then, when that is opened next, in its place.
//!
//! A crash at any point leaves either the old workspace as it was or the new one whole: the folder `restoring` counts only
//! once its marker is on disk, and each step after that can be done again.

use super::{Source, archive};
use crate::api::{ActivityKind, BackupRestore, BackupRestoreResponse, Code, Error, Event, Result};
use crate::app::engine::Engine;
use crate::app::tracking;
use crate::app::workspace::{self, Workspace};
use crate::clock::{Clock, Instant};
use crate::engine::jobs::{Jobs, Progress};
use crate::engine::lock;
use crate::ids::Entropy;
use crate::store::activity::{self, NewActivity};
use crate::store::takeover::{self, Taken};
use crate::store::{Conn, Db, Durability, Priority, backup, migrate, outbox_mail, setting};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file in the folder that says that all of it is there.
const READY: &str = "ready";

/// Starts to bring a backup back.
pub fn start(engine: &Arc<Engine>, request: BackupRestore) -> Result<BackupRestoreResponse> {
    let path = PathBuf::from(&request.path);
    let source = Source::open(&engine.workspace, &path)?;
    let job = engine.jobs.start("Reading the backup", {
        let engine = engine.clone();
        move |progress| {
            stage(&engine.workspace, &path, source, progress)?;
            engine.tell(Event::Reopen {});
            Ok(serde_json::Value::Null)
        }
    });
    Ok(BackupRestoreResponse { job: Some(job) })
}

/// As [`start`], for a workspace that could not be opened; returns when the backup waits to take its place.
pub(crate) fn start_closed(workspace: &Path, request: &BackupRestore) -> Result<BackupRestoreResponse> {
    let workspace = Workspace::open(workspace)?;
    // Whoever holds it works with it.
    let _held = lock::lock(workspace.dir())?;
    let path = PathBuf::from(&request.path);
    let source = Source::open(&workspace, &path)?;
    let jobs = Jobs::new(|_| {});
    let (sender, staged) = std::sync::mpsc::channel();
    jobs.start("Reading the backup", move |progress| {
        // Who asked waits below.
        let _ = sender.send(stage(&workspace, &path, source, progress));
        Ok(())
    });
    staged.recv().unwrap_or_else(|_| {
        Err(Error::new(
            Code::Internal,
            "Casement stumbled over a fault of its own. Nothing was changed; try again.",
        ))
    })?;
    Ok(BackupRestoreResponse { job: None })
}

/// Unpacks a backup beside the workspace and looks all of it through.
fn stage(workspace: &Workspace, path: &Path, source: Source, progress: &Progress) -> Result<()> {
    let folder = workspace.restoring();
    let failed = |error: io::Error| {
        Error::new(
            Code::Storage,
            format!(
                "The backup cannot be unpacked into {}: {error}.",
                folder.display()
            ),
        )
    };
    remove(&folder).map_err(failed)?;
    fs::create_dir_all(&folder).map_err(failed)?;
    workspace::restrict(&folder).map_err(failed)?;
    let result = fill(workspace, &folder, path, source, progress).and_then(|()| {
        // From here on it takes the workspace's place at the next start, whatever happens.
        let marker = File::create_new(folder.join(READY)).map_err(failed)?;
        marker.sync_all().map_err(failed)?;
        flush(&folder).map_err(failed)
    });
    if result.is_err()
        && let Err(error) = remove(&folder)
    {
        tracing::warn!(%error, "a backup that was not brought back is still unpacked");
    }
    result
}

fn fill(
    workspace: &Workspace,
    folder: &Path,
    path: &Path,
    source: Source,
    progress: &Progress,
) -> Result<()> {
    let database = folder.join(archive::DATABASE);
    let copied = match source {
        Source::Archive(archive) => {
            let free = crate::store::free_space(workspace.dir());
            if archive.size > free {
                return Err(Error::new(
                    Code::Storage,
                    format!(
                        "The backup needs {} MiB, and the disk has {} MiB left. Free some space and try again.",
                        archive.size >> 20,
                        free >> 20
                    ),
                ));
            }
            let copied = setting::Copied::of(archive.page.made_at, archive.page.is_move);
            archive.unpack(folder, progress)?;
            copied
        }
        Source::Copy(_, made_at) => {
            fs::copy(path, &database).map_err(|error| archive::cannot_read(path, &error))?;
            setting::Copied::of(made_at, false)
        }
    };
    progress.step(0, None)?;
    backup::inspect(&database, &copied).map_err(|error| match error {
        // The sentence names the file that the user knows.
        crate::store::Error::Damaged { detail, .. } => Error::field(
            "path",
            format!("{} is damaged: {detail}. Choose another backup.", path.display()),
        ),
        crate::store::Error::Newer { .. } => Error::new(
            Code::Newer,
            format!(
                "{} was made by a newer version of Casement. Update the app, then bring it back.",
                path.display()
            ),
        ),
        other => other.into(),
    })?;
    Ok(())
}

/// What became of a backup that waited when the workspace was opened.
#[derive(Debug)]
pub(crate) enum Finished {
    /// There was none.
    Nothing,
    /// It is in place.
    Restored {
        /// What went over from the workspace that it replaced; `None` where that could not be read.
        taken: Option<Taken>,
    },
    /// It could not be; the workspace is as it was.
    Failed(String),
}

/// Lets a backup that waits take the workspace's place. To be called with the workspace's lock held and its database
/// closed.
///
/// # Errors
/// Where the present database cannot be opened, for another reason than that it is damaged.
pub(crate) fn finish(
    workspace: &Workspace,
    clock: &dyn Clock,
    entropy: &Arc<dyn Entropy>,
    durability: Durability,
) -> Result<Finished> {
    let folder = workspace.restoring();
    if !folder.exists() {
        return Ok(Finished::Nothing);
    }
    if !folder.join(READY).exists() {
        // A crash in the middle of unpacking.
        if let Err(error) = remove(&folder) {
            tracing::warn!(%error, "half a backup is still unpacked");
        }
        return Ok(Finished::Nothing);
    }
    let back = folder.join(archive::DATABASE);
    let mut finished = Finished::Restored { taken: None };
    if back.exists() {
        let gone = open_gone(workspace, clock, entropy, durability)?;
        match replace(workspace, &back, gone, clock.now()) {
            Ok(taken) => finished = Finished::Restored { taken },
            Err(error) => finished = Finished::Failed(error.to_string()),
        }
    }
    remove(&folder).map_err(|error| cannot_use(&folder, &error))?;
    Ok(finished)
}

/// The present database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// It is closed, up to date, and all that waited in the spool is in it that could be.
    Sound,
    Damaged,
    Missing,
}

fn open_gone(
    workspace: &Workspace,
    clock: &dyn Clock,
    entropy: &Arc<dyn Entropy>,
    durability: Durability,
) -> Result<Gone> {
    if !workspace.database().exists() {
        return Ok(Gone::Missing);
    }
    match Db::open(&workspace.database(), &workspace.backups(), clock, durability) {
        Ok(db) => {
            db.replay_with(tracking::replay(entropy));
            // Behind it is all that waited, or it cannot be applied now and goes on waiting.
            let settled: crate::store::Result<()> = db.write(Priority::Window, |_| Ok(()));
            db.close();
            settled?;
            Ok(Gone::Sound)
        }
        Err(error) if error.is_damaged() => Ok(Gone::Damaged),
        Err(error) => Err(error.into()),
    }
}

fn replace(workspace: &Workspace, back: &Path, gone: Gone, now: Instant) -> Result<Option<Taken>> {
    let database = workspace.database();
    let taken = match gone {
        Gone::Sound => takeover::take_over(back, &database)?,
        Gone::Damaged => takeover::take_nothing(back, true)?.and(None),
        Gone::Missing => takeover::take_nothing(back, false)?.and(None),
    };
    let failed = |error: io::Error| cannot_use(workspace.dir(), &error);
    let folder = workspace.restoring();
    for name in archive::FOLDERS {
        let from = folder.join(name);
        if from.exists() {
            bring(&from, &workspace.dir().join(name)).map_err(failed)?;
        }
    }
    fs::create_dir_all(workspace.backups()).map_err(failed)?;
    match gone {
        Gone::Sound => backup::set_aside(&database, &migrate::copy_name(&workspace.backups(), now), now)?,
        Gone::Damaged => {
            for ending in ["-wal", "-shm", ""] {
                let part = |path: &Path| {
                    let mut name = path.to_owned().into_os_string();
                    name.push(ending);
                    PathBuf::from(name)
                };
                let aside = migrate::damaged_name(&workspace.backups(), now);
                match fs::rename(part(&database), part(&aside)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                    _ => {}
                }
            }
        }
        Gone::Missing => {}
    }
    fs::rename(back, &database).map_err(failed)?;
    flush(workspace.dir()).map_err(failed)?;
    Ok(taken)
}

/// Moves the files of a folder into another, over those of the same name.
fn bring(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            bring(&entry.path(), &target)?;
        } else {
            fs::rename(entry.path(), target)?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Flushes the names in a folder, where the system can.
#[cfg(unix)]
fn flush(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Flushes the names in a folder: Windows writes them with the files.
#[cfg(not(unix))]
fn flush(_: &Path) -> io::Result<()> {
    Ok(())
}

fn cannot_use(path: &Path, error: &io::Error) -> Error {
    Error::new(
        Code::Storage,
        format!(
            "Cannot use {}: {error}. Check that the disk is there and can be written.",
            path.display()
        ),
    )
}

/// Tells in the feed what became of a backup, and removes what belongs to nothing any more. Before anything else is
/// done with the workspace.
pub(crate) fn tell(engine: &Engine, finished: Finished) -> Result<()> {
    let (kind, text) = match finished {
        Finished::Nothing => return Ok(()),
        Finished::Failed(why) => (
            ActivityKind::Problem,
            format!("The backup was not brought back, and everything is as it was. {why}"),
        ),
        Finished::Restored { taken } => {
            sweep_outbox(engine)?;
            let made_at = engine
                .read(|conn| Ok(setting::copied(conn)?))?
                .map(|copied| copied.at);
            (ActivityKind::Contacts, sentence(made_at, taken.as_ref()))
        }
    };
    let now = engine.clock.now();
    engine.write(&[], move |conn| {
        takeover::forget(conn)?;
        Ok(activity::add(conn, now, &NewActivity::new(kind, text))?)
    })
}

fn sentence(made_at: Option<Instant>, taken: Option<&Taken>) -> String {
    let mut text = match made_at {
        Some(at) => format!(
            "The backup of {} was brought back.",
            at.format("%-d %B %Y, %H:%M UTC")
        ),
        None => "A backup was brought back.".to_owned(),
    };
    let Some(taken) = taken else {
        text.push_str(" What was here could not be read, so what people have asked for since is not known.");
        return text;
    };
    let campaigns = u32::try_from(taken.campaigns.len()).unwrap_or(u32::MAX);
    let kept: Vec<String> = [
        (
            taken.suppressed,
            "address that gets no mail",
            "addresses that get no mail",
        ),
        (taken.refused, "refusal to be tracked", "refusals to be tracked"),
        (taken.erased, "erasure", "erasures"),
        (campaigns, "campaign that was sent", "campaigns that were sent"),
    ]
    .into_iter()
    .filter(|(n, ..)| *n > 0)
    .map(|(n, one, many)| format!("{n} {}", if n == 1 { one } else { many }))
    .collect();
    if !kept.is_empty() {
        text.push_str(&format!(" Kept from what was here: {}.", kept.join(", ")));
    }
    text
}

/// Removes mails of the practice outbox that no row names: they were of the workspace that went.
fn sweep_outbox(engine: &Engine) -> Result<()> {
    let named: HashSet<String> = engine
        .read(|conn: &Conn| Ok(outbox_mail::paths(conn)?))?
        .into_iter()
        .collect();
    let parts = archive::parts(engine.workspace.dir()).unwrap_or_default();
    for part in parts.into_iter().filter(|part| part.name.starts_with("outbox/")) {
        if !named.contains(&part.name)
            && let Err(error) = fs::remove_file(&part.path)
        {
            tracing::warn!(%error, "a practice mail that belongs to nothing is still there");
        }
    }
    Ok(())
}
