//! Files that go with a campaign's mails: taken in, kept, encoded, thrown away.
//!
//! Their bytes lie in the workspace's folder `attachments`, each under its SHA-256, so that campaigns share what is the
//! same. A mail's files are encoded once and kept for the next preview, audit or worker: [`enclosures`].

use super::campaign;
use super::engine::Engine;
use super::error::sentence;
use super::sending;
use crate::api::{
    Attachment, AttachmentAdd, AttachmentList, AttachmentListResponse, AttachmentRemove, Code, Done, Error,
    Picture, PictureGet, Result, Tag,
};
use crate::clock::Instant;
use crate::domain::attachment::{self as rules, Placement};
use crate::domain::campaign::CampaignState;
use crate::ids::CampaignId;
use crate::render::document::Document;
use crate::render::mime::{self, Enclosures};
use crate::store::attachment::{self, Digest, NewAttachment};
use crate::store::{Conn, campaign as row};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// Campaigns whose encoded files are kept in memory; each may have [`rules::BUDGET`].
const KEPT: usize = 3;

/// The files of a workspace: one at a time adds or throws away, so that none is lost between file and row.
#[derive(Default)]
pub struct Shelf {
    turn: Mutex<()>,
    encoded: Mutex<Vec<Arc<Enclosures>>>,
}

impl Shelf {
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Adds a file to a campaign.
pub fn add(engine: &Arc<Engine>, request: AttachmentAdd) -> Result<Attachment> {
    engine.read(|conn| editable(conn, request.campaign).map(drop))?;
    let turn = engine.files.turn();
    let taken = take_in(engine, Path::new(&request.path), request.placement)?;
    let (id, now) = (request.campaign, engine.clock.now());
    let added = engine.write(&[Tag::Campaigns], move |conn| {
        let state = editable(conn, id)?;
        let file = put(conn, id, taken)?;
        let is_void = touch(conn, id, state, now)?;
        Ok((file, is_void))
    });
    drop(turn);
    // A refusal leaves bytes that no campaign has.
    let (file, is_void) = added.inspect_err(|_| sweep(engine))?;
    if is_void {
        sending::discard_ledger(engine, id)?;
    }
    Ok(file)
}

/// Puts files that were taken in into a campaign that was just made.
pub(crate) fn add_all(engine: &Arc<Engine>, id: CampaignId, paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        let path = path.to_string_lossy().into_owned();
        let placement = Placement::Attached;
        add(
            engine,
            AttachmentAdd {
                campaign: id,
                path,
                placement,
            },
        )
        .map_err(|error| Error {
            field: Some("attachments".into()),
            ..error
        })?;
    }
    Ok(())
}

fn editable(conn: &Conn, id: CampaignId) -> Result<CampaignState> {
    let head = row::find_head(conn, id)?.ok_or_else(|| Error::not_found("campaign", id))?;
    if head.state.is_editable() {
        return Ok(head.state);
    }
    Err(Error::conflict(match head.state {
        CampaignState::Preparing => format!(
            "{} is being prepared. Wait until that has ended, or cancel it.",
            head.name
        ),
        _ => format!(
            "{} was launched, so its files cannot be changed any more. Copy it into a new campaign.",
            head.name
        ),
    }))
}

/// Notes that what the audit read has changed; tells whether a preparation became void by it.
fn touch(conn: &Conn, id: CampaignId, state: CampaignState, now: Instant) -> Result<bool> {
    let campaign = campaign::find(conn, id)?;
    row::update(conn, &campaign, row::Change::Content, now)?;
    let is_void = state == CampaignState::Prepared;
    if is_void {
        row::make_draft(conn, id, now)?;
    }
    Ok(is_void)
}

/// Adds the row, where the mail has room for the file.
fn put(conn: &Conn, id: CampaignId, mut file: NewAttachment) -> Result<Attachment> {
    let others = attachment::of_campaign(conn, id)?;
    let same = |other: &&attachment::Attachment| {
        other.file.placement == file.placement && other.file.digest == file.digest
    };
    if let Some(known) = others.iter().find(same) {
        return match file.placement {
            // Choosing a picture again is no mistake: two blocks may show it.
            Placement::Inline => Ok(shown(known)),
            Placement::Attached => Err(Error::field(
                "path",
                format!("“{}” is attached already.", known.file.name),
            )),
        };
    }
    let document = campaign::find(conn, id)?.document;
    let beside: Vec<_> = others.iter().filter(|other| is_sent(other, &document)).collect();
    if beside.len() >= rules::MAX_FILES {
        return Err(Error::field(
            "path",
            format!(
                "A mail can have {} files. Put several into one zip, or link to them.",
                rules::MAX_FILES
            ),
        ));
    }
    let used: u64 = beside
        .iter()
        .map(|other| rules::encoded_size(other.file.size))
        .sum();
    refuse_heavy(&file.name, file.size, used)?;
    let is_taken = |name: &str| {
        others.iter().any(|other| {
            other.file.placement == file.placement && other.file.name.to_lowercase() == name.to_lowercase()
        })
    };
    let free = (2..).map(|number| rules::numbered(&file.name, number));
    let name = std::iter::once(file.name.clone())
        .chain(free)
        .find(|name| !is_taken(name));
    file.name = name.expect("among all numbers one is free");
    let id = attachment::insert(conn, id, &file)?;
    Ok(shown(&attachment::Attachment {
        id,
        campaign: CampaignId(0),
        file,
    }))
}

fn refuse_heavy(name: &str, size: u64, used: u64) -> Result<()> {
    let encoded = rules::encoded_size(size);
    if used + encoded <= rules::BUDGET {
        return Ok(());
    }
    let beside = match used {
        0 => String::new(),
        used => format!(", beside {} of other files", rules::size_words(used)),
    };
    Err(Error::field(
        "path",
        format!(
            "“{name}” would take {} of each mail{beside}; a mail may have {} of files. Make it smaller, or put it on a \
             web page and link to it.",
            rules::size_words(encoded),
            rules::size_words(rules::BUDGET)
        ),
    ))
}

/// Tells whether a file leaves with the mail: a picture that no block shows stays at home.
fn is_sent(row: &attachment::Attachment, document: &Document) -> bool {
    match row.file.placement {
        Placement::Attached => true,
        Placement::Inline => document
            .pictures()
            .contains(&HEXLOWER.encode(&row.file.digest).as_str()),
    }
}

fn shown(row: &attachment::Attachment) -> Attachment {
    Attachment {
        id: row.id,
        placement: row.file.placement,
        name: row.file.name.clone(),
        media_type: row.file.media_type.clone(),
        size: row.file.size,
        digest: HEXLOWER.encode(&row.file.digest),
    }
}

/// Reads a file, checks it, and lays its bytes into the workspace.
fn take_in(engine: &Engine, path: &Path, placement: Placement) -> Result<NewAttachment> {
    let given = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name = rules::clean_name(&given);
    let refuse = |message: String| Error::field("path", message);
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => refuse(format!(
            "There is no file “{name}” any more. Was it moved or renamed?"
        )),
        io::ErrorKind::PermissionDenied => refuse(format!(
            "“{name}” cannot be read: you have no right to. Copy it to a folder of yours and attach the copy."
        )),
        _ => refuse(format!("“{name}” cannot be read: {error}.")),
    };
    // Looked at before it is opened: to open a pipe would wait for ever.
    let about = fs::metadata(path).map_err(cannot)?;
    if about.is_dir() {
        return Err(refuse(format!(
            "“{name}” is a folder. Attach its files one by one, or as a zip."
        )));
    }
    if !about.is_file() {
        return Err(refuse(format!("“{name}” is no file that can be attached.")));
    }
    if placement == Placement::Attached && rules::is_blocked(&name) {
        return Err(refuse(format!(
            "“{name}” would not arrive: mail services refuse .{} files because they can carry programs. Put it on a web \
             page and link to it.",
            rules::ending(&name)
        )));
    }
    refuse_heavy(&name, about.len(), 0)?;
    let mut bytes = Vec::new();
    // It may grow while it is read.
    File::open(path)
        .and_then(|file| file.take(rules::BUDGET + 1).read_to_end(&mut bytes))
        .map_err(cannot)?;
    if bytes.is_empty() {
        return Err(refuse(format!("“{name}” is empty. Was it saved?")));
    }
    let size = bytes.len() as u64;
    refuse_heavy(&name, size, 0)?;
    let media_type = match placement {
        Placement::Attached => rules::media_type(&name, &bytes),
        Placement::Inline => rules::picture_type(&bytes)
            .map_err(|error| refuse(format!("“{name}” cannot be shown: {error}.")))?,
    };
    let digest: Digest = Sha256::digest(&bytes).into();
    lay(&engine.workspace.attachments(), &digest, &bytes).map_err(|error| {
        Error::new(
            Code::Storage,
            format!("“{name}” cannot be kept in the workspace: {error}. Is the disk full?"),
        )
    })?;
    Ok(NewAttachment {
        placement,
        name,
        media_type: media_type.to_owned(),
        digest,
        size,
    })
}

/// Writes beside and renames, so that what lies under a digest is whole; open to this user only.
fn lay(folder: &Path, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
    let path = folder.join(HEXLOWER.encode(digest));
    if read(folder, digest).is_ok() {
        return Ok(());
    }
    if !folder.exists() {
        fs::create_dir_all(folder)?;
        super::workspace::restrict(folder)?;
    }
    let beside = path.with_extension("new");
    // What a crash left there has its own rights.
    let _ = fs::remove_file(&beside);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, &path)?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Reads what lies under a digest; an error where it is not that any more.
fn read(folder: &Path, digest: &Digest) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(folder.join(HEXLOWER.encode(digest)))?
        .take(rules::BUDGET + 1)
        .read_to_end(&mut bytes)?;
    if Digest::from(Sha256::digest(&bytes)) == *digest {
        Ok(bytes)
    } else {
        Err(io::Error::other("it was changed"))
    }
}

/// Removes the bytes that no campaign has any more. What cannot be removed is tried again at the next start.
pub(crate) fn sweep(engine: &Engine) {
    let _turn = engine.files.turn();
    let folder = engine.workspace.attachments();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return tracing::warn!(%error, "the folder of attachments cannot be read"),
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let digest = path
            .file_name()
            .and_then(|name| HEXLOWER.decode(name.as_encoded_bytes()).ok())
            .and_then(|bytes| Digest::try_from(bytes).ok());
        let is_used = match digest {
            Some(digest) => engine.read(|conn| Ok(attachment::is_used(conn, &digest)?)),
            // Half a file that a crash left; others' files are none of ours.
            None => Ok(path.extension().is_none_or(|ending| ending != "new")),
        };
        match is_used {
            Ok(true) => {}
            Ok(false) => {
                if let Err(error) = fs::remove_file(&path) {
                    tracing::warn!(%error, "a file that no campaign has any more is still in the workspace");
                }
            }
            Err(error) => tracing::warn!(%error, "whether a file is still used cannot be told; it stays"),
        }
    }
}

/// Lists a campaign's files.
pub fn list(engine: &Arc<Engine>, request: AttachmentList) -> Result<AttachmentListResponse> {
    engine.read(|conn| {
        let document = campaign::find(conn, request.campaign)?.document;
        let rows = attachment::of_campaign(conn, request.campaign)?;
        let (attached, pictures): (Vec<_>, Vec<_>) = rows
            .iter()
            .filter(|row| is_sent(row, &document))
            .partition(|row| row.file.placement == Placement::Attached);
        Ok(AttachmentListResponse {
            encoded: attached
                .iter()
                .chain(&pictures)
                .map(|row| rules::encoded_size(row.file.size))
                .sum(),
            attachments: attached.into_iter().chain(pictures).map(shown).collect(),
            budget: rules::BUDGET,
            heavy: rules::HEAVY,
        })
    })
}

/// Takes a file from its campaign.
pub fn remove(engine: &Arc<Engine>, request: AttachmentRemove) -> Result<Done> {
    let now = engine.clock.now();
    let (id, is_void) = engine.write(&[Tag::Campaigns], move |conn| {
        let found =
            attachment::find(conn, request.id)?.ok_or_else(|| Error::not_found("attachment", request.id))?;
        let state = editable(conn, found.campaign)?;
        attachment::remove(conn, request.id)?;
        Ok((found.campaign, touch(conn, found.campaign, state, now)?))
    })?;
    if is_void {
        sending::discard_ledger(engine, id)?;
    }
    sweep(engine);
    Ok(Done {})
}

/// Returns a picture's bytes.
pub fn picture(engine: &Arc<Engine>, request: PictureGet) -> Result<Picture> {
    let missing = || {
        Error::new(
            Code::NotFound,
            "The picture's file is not in the workspace. Choose the picture again.",
        )
    };
    let digest: Digest = HEXLOWER
        .decode(request.digest.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(missing)?;
    let row = engine
        .read(|conn| Ok(attachment::picture(conn, &digest)?))?
        .ok_or_else(missing)?;
    let bytes = read(&engine.workspace.attachments(), &digest).map_err(|_| missing())?;
    Ok(Picture {
        media_type: row.file.media_type,
        base64: BASE64.encode(&bytes),
    })
}

/// Returns the files that go with a campaign's mails, encoded; `None` where it has none.
///
/// Fails with a sentence where one of them is not in the workspace as it was added.
pub(crate) fn enclosures(
    engine: &Engine,
    id: CampaignId,
    document: &Document,
) -> Result<Option<Arc<Enclosures>>> {
    let rows = engine.read(|conn| Ok(attachment::of_campaign(conn, id)?))?;
    let pictures = document.pictures().into_iter().filter_map(|digest| {
        rows.iter().find(|row| {
            row.file.placement == Placement::Inline && HEXLOWER.encode(&row.file.digest) == digest
        })
    });
    let attached = rows
        .iter()
        .filter(|row| row.file.placement == Placement::Attached);
    let files: Vec<&NewAttachment> = pictures.chain(attached).map(|row| &row.file).collect();
    if files.is_empty() {
        return Ok(None);
    }
    let mut encoded = engine
        .files
        .encoded
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let known = encoded.iter().position(|known| is_of(known, &files));
    if let Some(at) = known {
        let known = encoded.remove(at);
        encoded.push(known.clone());
        return Ok(Some(known));
    }
    let folder = engine.workspace.attachments();
    let bytes = files
        .iter()
        .map(|file| {
            read(&folder, &file.digest).map_err(|error| {
                let why = sentence(&error.to_string());
                Error::new(
                    Code::Storage,
                    format!(
                        "The file “{}” of this mail is not in the workspace as it was added. Take it out and add it \
                         again. ({why})",
                        file.name
                    ),
                )
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let parts: Vec<mime::File<'_>> = files
        .iter()
        .zip(&bytes)
        .map(|(file, bytes)| mime::File {
            placement: file.placement,
            name: &file.name,
            media_type: &file.media_type,
            digest: file.digest,
            bytes,
        })
        .collect();
    let fresh = Enclosures::encode(&parts).map(Arc::new);
    if let Some(fresh) = &fresh {
        if encoded.len() >= KEPT {
            encoded.remove(0);
        }
        encoded.push(fresh.clone());
    }
    Ok(fresh)
}

fn is_of(known: &Enclosures, files: &[&NewAttachment]) -> bool {
    known.files().len() == files.len()
        && known.files().iter().zip(files).all(|(known, file)| {
            (known.placement, &known.name, &known.media_type, known.digest)
                == (file.placement, &file.name, &file.media_type, file.digest)
        })
}

#[cfg(test)]
mod tests;
