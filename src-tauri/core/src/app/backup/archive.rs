//! The file of a backup: a ZIP archive with the database, the campaigns' files, the practice outbox, and a page that says
//! what it is. Any tool can open it; only what this module wrote is read back.

use crate::api::{BackupContents, Code, Error, Result};
use crate::clock::Instant;
use crate::engine::jobs::Progress;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The page that says what the archive is.
const PAGE: &str = "casement.json";
/// The database within an archive, and within a folder that an archive was unpacked into.
pub(super) const DATABASE: &str = "casement.db";
/// The folders that an archive may hold beside it.
pub(super) const FOLDERS: [&str; 2] = ["attachments", "outbox"];
/// The shape of archives that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// The page's largest size, in bytes.
const MAX_PAGE: u64 = 64 << 10;
/// Files in one archive, at most.
const MAX_FILES: usize = 2_000_000;

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Page {
    /// The shape of the archive.
    pub format: u32,
    /// The version of Casement that wrote it.
    pub version: String,
    /// When the copy of the database was made.
    pub made_at: Instant,
    /// A keyed hash that is the same for all backups of one workspace.
    pub workspace: String,
    /// See [`crate::api::BackupSave::is_move`].
    pub is_move: bool,
    /// What it holds.
    pub contents: BackupContents,
}

impl Page {
    /// A page of this version.
    pub(super) fn of(made_at: Instant, workspace: String, is_move: bool, contents: BackupContents) -> Self {
        Self {
            format: FORMAT,
            version: crate::VERSION.to_owned(),
            made_at,
            workspace,
            is_move,
            contents,
        }
    }
}

/// A file that goes into an archive.
#[derive(Debug)]
pub(super) struct Part {
    /// Its name there, with `/` between folders.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Its size, in bytes.
    pub size: u64,
}

/// Finds what is to go into an archive beside the database: the files in the workspace's folders.
pub(super) fn parts(workspace: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for folder in FOLDERS {
        walk(&workspace.join(folder), folder, &mut parts)?;
    }
    Ok(parts)
}

fn walk(dir: &Path, name: &str, parts: &mut Vec<Part>) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let own = format!("{name}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &own, parts)?;
        } else if kind.is_file() && is_ours(&own) {
            parts.push(Part {
                name: own,
                path: entry.path(),
                size: entry.metadata()?.len(),
            });
        }
    }
    Ok(())
}

/// Tells whether a name is one that an archive may hold beside page and database: within one of the folders, of plain
/// characters only, so that it means the same everywhere and leads nowhere else.
fn is_ours(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    let is_plain = |part: &str| {
        !part.is_empty()
            && part.len() <= 120
            && !part.starts_with('.')
            && !part.ends_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    match *parts {
        ["attachments", digest] => digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
        ["outbox", .., file] => {
            parts.len() <= 4 && parts.iter().all(|part| is_plain(part)) && file.ends_with(".eml")
        }
        _ => false,
    }
}

/// Writes an archive to `path`, which is there only once it is whole: until then it lies beside it as `.part`.
///
/// `before_the_end` is run when everything is on disk and only the name is missing.
pub(super) fn write(
    path: &Path,
    page: &Page,
    database: &Path,
    parts: &[Part],
    progress: &Progress,
    before_the_end: impl FnOnce() -> Result<()>,
) -> Result<u64> {
    let partial = partial(path);
    let result = fill(&partial, page, database, parts, progress).and_then(|()| {
        before_the_end()?;
        fs::rename(&partial, path).map_err(|error| cannot_write(path, &error))?;
        if let Some(dir) = path.parent() {
            // The name is on disk too, where the system can say so; without it the file is found under its old one.
            let _ = File::open(dir).and_then(|dir| dir.sync_all());
        }
        let size = fs::metadata(path).map_err(|error| cannot_write(path, &error))?;
        Ok(size.len())
    });
    if result.is_err() {
        // Half a backup is none. What cannot be removed is at least not called one.
        let _ = fs::remove_file(&partial);
    }
    result
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

fn fill(path: &Path, page: &Page, database: &Path, parts: &[Part], progress: &Progress) -> Result<()> {
    let failed = |error: &io::Error| cannot_write(path, error);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Addresses of people are in it.
        options.mode(0o600);
    }
    let file = options.open(path).map_err(|error| failed(&error))?;
    let mut archive = ZipWriter::new(BufWriter::new(file));
    let zipped = |error: ZipError| failed(&io::Error::from(error));
    let packed = |size: u64| {
        SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(size >= u64::from(u32::MAX))
            .unix_permissions(0o600)
    };
    let page =
        serde_json::to_vec_pretty(page).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
    archive.start_file(PAGE, packed(0)).map_err(zipped)?;
    archive.write_all(&page).map_err(|error| failed(&error))?;
    let size = fs::metadata(database).map_err(|error| failed(&error))?.len();
    let total = size + parts.iter().map(|part| part.size).sum::<u64>();
    let mut done = 0;
    let files = std::iter::once((DATABASE, database, size))
        .chain(parts.iter().map(|part| (&*part.name, &*part.path, part.size)));
    for (name, from, size) in files {
        let mut from = match File::open(from) {
            Ok(file) => file,
            // Somebody erased their person meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound && name != DATABASE => continue,
            Err(error) => return Err(failed(&error)),
        };
        archive.start_file(name, packed(size)).map_err(zipped)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let n = from.read(&mut buffer).map_err(|error| failed(&error))?;
            if n == 0 {
                break;
            }
            archive.write_all(&buffer[..n]).map_err(|error| failed(&error))?;
            done += n as u64;
            progress.step(done, Some(total))?;
        }
    }
    let mut file = archive.finish().map_err(zipped)?;
    file.flush().map_err(|error| failed(&error))?;
    let file = file.into_inner().map_err(|error| failed(error.error()))?;
    file.sync_all().map_err(|error| failed(&error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    let what = if error.kind() == io::ErrorKind::StorageFull {
        "the disk is full. Free some space, or choose another disk".to_owned()
    } else {
        format!("{error}. Choose another place")
    };
    Error::field(
        "path",
        format!("The backup cannot be written to {}: {what}.", path.display()),
    )
}

/// An archive that was opened, and found to be one.
pub(super) struct Archive {
    zip: ZipArchive<BufReader<File>>,
    path: PathBuf,
    /// What it says of itself.
    pub page: Page,
    /// The bytes that it unpacks to, as it says.
    pub size: u64,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Archive")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Archive {
    /// Opens the archive at `path`; nothing of it is believed but its shape.
    ///
    /// # Errors
    /// With a sentence where it is no backup, a newer one, or holds what no backup holds.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let strange = |why: &str| {
            Error::field(
                "path",
                format!(
                    "{} is no backup of Casement's, or is damaged: {why}. Choose another file.",
                    path.display()
                ),
            )
        };
        let broken = |error: ZipError| strange(&error.to_string());
        let file = File::open(path).map_err(|error| cannot_read(path, &error))?;
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
        if zip.len() > MAX_FILES {
            return Err(strange("it holds too many files"));
        }
        let mut text = Vec::new();
        zip.by_name(PAGE)
            .map_err(|_| strange("it does not say what it is"))?
            .take(MAX_PAGE)
            .read_to_end(&mut text)
            .map_err(|error| strange(&error.to_string()))?;
        let shape: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| strange(&error.to_string()))?;
        if shape["format"]
            .as_u64()
            .is_some_and(|format| format > u64::from(FORMAT))
        {
            return Err(Error::new(
                Code::Newer,
                format!(
                    "{} was made by a newer version of Casement. Update the app, then bring it back.",
                    path.display()
                ),
            ));
        }
        let page: Page = serde_json::from_value(shape).map_err(|error| strange(&error.to_string()))?;
        let mut has_database = false;
        let mut size = 0_u64;
        for index in 0..zip.len() {
            let entry = zip.by_index(index).map_err(broken)?;
            let name = entry.name().map_err(broken)?.into_owned();
            has_database |= name == DATABASE;
            if name != PAGE && name != DATABASE && !is_ours(&name) {
                let shown: String = name
                    .chars()
                    .filter(|letter| !letter.is_control())
                    .take(60)
                    .collect();
                return Err(strange(&format!(
                    "it holds a file that does not belong there ({shown})"
                )));
            }
            size = size.saturating_add(entry.size());
        }
        if !has_database {
            return Err(strange("the database is missing"));
        }
        Ok(Self {
            zip,
            path: path.to_owned(),
            page,
            size,
        })
    }

    /// Unpacks everything into the empty folder `dir`, flushed to disk.
    pub(super) fn unpack(mut self, dir: &Path, progress: &Progress) -> Result<()> {
        let damaged = |error: &io::Error| {
            Error::field(
                "path",
                format!(
                    "{} is damaged: {error}. Choose another backup.",
                    self.path.display()
                ),
            )
        };
        let unwritten = |error: &io::Error| {
            Error::new(
                Code::Storage,
                format!(
                    "The backup cannot be unpacked into {}: {error}. Free some space and try again.",
                    dir.display()
                ),
            )
        };
        let mut done = 0;
        for index in 0..self.zip.len() {
            let mut entry = self.zip.by_index(index).map_err(|error| damaged(&error.into()))?;
            let name = entry.name().map_err(|error| damaged(&error.into()))?.into_owned();
            if name == PAGE {
                continue;
            }
            let target = dir.join(&name);
            // `open` has looked at the names; this is what would happen if it had not.
            if !Path::new(&name)
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
            {
                return Err(damaged(&io::Error::other("a name leads out of it")));
            }
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(|error| unwritten(&error))?;
            }
            let mut file = File::create_new(&target).map_err(|error| unwritten(&error))?;
            // No more than it says: what says little and unpacks to much fills no disk.
            let said = entry.size();
            let mut left = said;
            let mut buffer = vec![0; 256 << 10];
            loop {
                let n = entry.read(&mut buffer).map_err(|error| damaged(&error))?;
                if n == 0 {
                    break;
                }
                left = left
                    .checked_sub(n as u64)
                    .ok_or_else(|| damaged(&io::Error::other("it unpacks to more than it says")))?;
                file.write_all(&buffer[..n]).map_err(|error| unwritten(&error))?;
                done += n as u64;
                progress.step(done, Some(self.size))?;
            }
            if left > 0 {
                return Err(damaged(&io::Error::other("a file in it is too short")));
            }
            file.sync_all().map_err(|error| unwritten(&error))?;
        }
        Ok(())
    }
}

/// Says that a file cannot be read.
pub(super) fn cannot_read(path: &Path, error: &io::Error) -> Error {
    Error::field(
        "path",
        format!("Cannot read {}: {error}. Choose another file.", path.display()),
    )
}
