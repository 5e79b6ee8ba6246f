//! Backups: everything of a workspace but its passwords in one file; looked into; brought back.
//!
//! A backup is never brought back over an open database: it is unpacked and looked through beside it, and takes its place
//! when the workspace is opened next ([`restore::finish`]).

mod archive;
#[cfg(test)]
mod file_tests;
pub(crate) mod restore;
#[cfg(test)]
mod tests;

use super::engine::Engine;
use super::workspace::Workspace;
use super::{control, copied, sending};
use crate::api::{
    BackupContents, BackupCopy, BackupHere, BackupList, BackupListResponse, BackupLook, BackupLookResponse,
    BackupSave, BackupSaved, Code, Error, JobStarted, Result, SendingStart, SendingStop, Tag,
};
use crate::audience::address::address_hash;
use crate::clock::Instant;
use crate::store::{self, Conn, backup, setting};
use archive::Archive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// When a backup was saved last.
const SAVED_AT: &str = "backup_saved_at";

/// Tells whether a backup was ever saved outside the workspace.
pub(crate) fn was_saved(conn: &Conn) -> store::Result<bool> {
    Ok(setting::get::<Instant>(conn, SAVED_AT)?.is_some())
}

/// Starts to write a backup.
pub fn save(engine: &Arc<Engine>, request: BackupSave) -> Result<JobStarted> {
    let path = PathBuf::from(&request.path);
    if !path.is_absolute() || path.file_name().is_none() {
        return Err(Error::field(
            "path",
            "Name the file to write, with its whole path.",
        ));
    }
    if path.is_dir() {
        return Err(Error::field(
            "path",
            format!("{} is a folder. Name a file in it.", path.display()),
        ));
    }
    let job = engine.jobs.start("Saving a backup", {
        let engine = engine.clone();
        move |progress| {
            let was_sending = request.is_move && sending::is_running(&engine);
            if was_sending {
                // The mails in hand are finished, so the copy knows of every one.
                control::stop(&engine, SendingStop {})?;
            }
            let saved = write(&engine, &path, request.is_move, progress);
            if was_sending {
                control::start(&engine, SendingStart {})?;
            }
            saved
        }
    });
    Ok(JobStarted { job })
}

fn write(
    engine: &Arc<Engine>,
    path: &Path,
    is_move: bool,
    progress: &crate::engine::jobs::Progress,
) -> Result<BackupSaved> {
    let now = engine.clock.now();
    let copy = Scratch(
        engine
            .workspace
            .dir()
            .join(format!("backup-{}.new", progress.id().0)),
    );
    copy.remove();
    backup::copy(&engine.workspace.database(), &copy.0, now, is_move)?;
    let facts = backup::facts_of(&copy.0)?;
    let contents = contents(&facts);
    let page = archive::Page::of(now, fingerprint(&facts.key), is_move, contents.clone());
    let parts = archive::parts(engine.workspace.dir()).map_err(|error| {
        Error::new(
            Code::Storage,
            format!("The files of the workspace cannot be read: {error}. Try again."),
        )
    })?;
    let size = archive::write(path, &page, &copy.0, &parts, progress, || {
        engine.write(&[Tag::Settings, Tag::Campaigns, Tag::Activity], move |conn| {
            if is_move {
                let day = now.format("%-d %B %Y, %H:%M UTC");
                copied::pause(
                    conn,
                    |_| {
                        format!(
                            "This workspace was moved to another computer on {day}, and goes on there. Resume here only if \
                             it does not: two computers would send everything twice."
                        )
                    },
                    now,
                )?;
            }
            Ok(setting::set(conn, SAVED_AT, &now)?)
        })
    })?;
    Ok(BackupSaved {
        path: path.display().to_string(),
        size,
        contents,
    })
}

/// A file that is removed when it goes out of scope.
struct Scratch(PathBuf);

impl Scratch {
    fn remove(&self) {
        for ending in ["", "-journal", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(ending);
            // Where it is not there, nothing has to go; where it cannot go, the next start tries again.
            let _ = std::fs::remove_file(name);
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes copies that a crash left in the middle of a backup.
pub(crate) fn sweep(workspace: &Workspace) {
    let Ok(entries) = std::fs::read_dir(workspace.dir()) else {
        return;
    };
    for entry in entries.filter_map(std::result::Result::ok) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("backup-") && name.contains(".new") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn contents(facts: &backup::Facts) -> BackupContents {
    BackupContents {
        contacts: facts.counts.contacts,
        campaigns: facts.counts.campaigns,
        accounts: facts.counts.accounts,
    }
}

/// The same for all backups of one workspace, and for no other; tells nothing of its key.
fn fingerprint(key: &[u8; 32]) -> String {
    data_encoding::HEXLOWER.encode(&address_hash(key, "the workspace itself"))
}

/// Lists the copies in the workspace.
pub fn list(engine: &Arc<Engine>, _request: BackupList) -> Result<BackupListResponse> {
    Ok(BackupListResponse {
        copies: copies(&engine.workspace),
        saved_at: engine.read(|conn| Ok(setting::get(conn, SAVED_AT)?))?,
    })
}

/// Lists the copies in a workspace that could not be opened.
pub(crate) fn list_closed(workspace: &Path) -> BackupListResponse {
    BackupListResponse {
        copies: Workspace::open(workspace).map_or_else(|_| Vec::new(), |workspace| copies(&workspace)),
        saved_at: None,
    }
}

fn copies(workspace: &Workspace) -> Vec<BackupCopy> {
    let mut copies: Vec<BackupCopy> = store::migrate::copies(&workspace.backups())
        .into_iter()
        .filter_map(|(path, made_at)| {
            Some(BackupCopy {
                size: std::fs::metadata(&path).ok()?.len(),
                path: path.display().to_string(),
                made_at,
            })
        })
        .collect();
    copies.sort_by_key(|copy| std::cmp::Reverse(copy.made_at));
    copies
}

/// What a file turned out to be.
enum Source {
    Archive(Box<Archive>),
    /// A copy of the database alone.
    Copy(Box<backup::Facts>, Instant),
}

impl Source {
    /// Opens what may be a backup. Only copies of the workspace's own folder may be bare databases.
    fn open(workspace: &Workspace, path: &Path) -> Result<Self> {
        // Before it is opened: opening a pipe waits for somebody to write into it.
        let about = std::fs::metadata(path).map_err(|error| archive::cannot_read(path, &error))?;
        if !about.is_file() {
            return Err(Error::field(
                "path",
                format!("{} is no file. Choose a backup.", path.display()),
            ));
        }
        let is_copy = path
            .canonicalize()
            .ok()
            .and_then(|path| Some(path.parent()? == workspace.backups()))
            == Some(true);
        if !is_copy {
            return Ok(Self::Archive(Box::new(Archive::open(path)?)));
        }
        let facts = backup::facts_of(path)?;
        let made_at = facts.copied.as_ref().map(|copied| copied.at);
        let made_at = made_at.ok_or_else(|| {
            Error::field(
                "path",
                format!(
                    "{} does not say when it was made. Choose another copy.",
                    path.display()
                ),
            )
        })?;
        Ok(Self::Copy(Box::new(facts), made_at))
    }

    fn look(&self, here: Option<BackupHere>) -> BackupLookResponse {
        match self {
            Self::Archive(archive) => BackupLookResponse {
                made_at: archive.page.made_at,
                contents: archive.page.contents.clone(),
                is_move: archive.page.is_move,
                here,
            },
            Self::Copy(facts, made_at) => BackupLookResponse {
                made_at: *made_at,
                contents: contents(facts),
                is_move: false,
                here,
            },
        }
    }
}

/// Looks into a backup, and compares it with what is here.
pub fn look(engine: &Arc<Engine>, request: BackupLook) -> Result<BackupLookResponse> {
    let source = Source::open(&engine.workspace, Path::new(&request.path))?;
    let (is_same, made_at) = match &source {
        Source::Archive(archive) => {
            let key = engine.read(|conn| Ok(setting::workspace_key(conn)?))?;
            (archive.page.workspace == fingerprint(&key), archive.page.made_at)
        }
        Source::Copy(_, made_at) => (true, *made_at),
    };
    let here = engine.read(|conn| {
        let counts = setting::counts(conn)?;
        let since = backup::since(
            conn,
            if is_same {
                made_at
            } else {
                crate::clock::from_millis(0)
            },
        )?;
        Ok(BackupHere {
            is_same,
            is_empty: counts.contacts + counts.campaigns + counts.accounts == 0,
            contacts: since.contacts,
            drafts: since.drafts,
            launched: since.launched,
            suppressed: since.suppressed,
            refused: since.refused,
        })
    })?;
    Ok(source.look(Some(here)))
}

/// Looks into a backup for a workspace that could not be opened.
pub(crate) fn look_closed(workspace: &Path, request: &BackupLook) -> Result<BackupLookResponse> {
    let workspace = Workspace::open(workspace)?;
    Ok(Source::open(&workspace, Path::new(&request.path))?.look(None))
}
