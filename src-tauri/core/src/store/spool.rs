//! The spool: where hits and opt-outs go that the database cannot take just now.
//!
//! One file beside the database, written full of zeros while there was room, so that a full disk does not stop it:
//! overwriting needs no new space (but on copy-on-write file systems, where it can still fail). Records are
//! appended and flushed before anybody is told that they are kept; the writer replays them, in order, in
//! transactions that also note how far it came, so that no record is applied twice. What was applied is
//! overwritten with zeros.
//!
//! A commit that failed may be in the file all the same, if the process ends right then. So a record carries the
//! number of the transaction that failed with it, and is left out where the database turns out to hold that one.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The file's size where there is plenty of room: some 44,000 hits.
const SIZE: u64 = 16 << 20;
/// The least that is worth having.
const SMALLEST: u64 = 64 << 10;
/// The header takes a block of its own, so that flushing it never tears a record.
const HEADER: u64 = 4096;
const MAGIC: &[u8; 8] = b"casespl1";
/// Bytes before a record's payload: length, check, sequence, transaction, state.
const FRAME: usize = 4 + 8 + 8 + 8 + 1;
/// Longest payload, in bytes.
pub const MAX_PAYLOAD: usize = 64 << 10;
const WAITING: u8 = 1;
const LEFT_OUT: u8 = 2;

/// A record that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the order; rises over the spool's whole life.
    pub sequence: u64,
    /// The transaction that failed with it.
    pub transaction: u64,
    /// It was in the database already.
    pub left_out: bool,
    /// What to replay.
    pub payload: Vec<u8>,
    at: u64,
}

/// An open spool.
#[derive(Debug)]
pub struct Spool {
    file: File,
    size: u64,
    /// Where the next record goes.
    end: u64,
    next: u64,
    waiting: Vec<Record>,
}

impl Spool {
    /// Opens the spool at `path`; `None` where there is none. `applied` is the last record that the database holds.
    ///
    /// # Errors
    /// Where the file cannot be used, or is no spool.
    pub fn open(path: &Path, applied: u64) -> io::Result<Option<Self>> {
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.len();
        let mut header = [0; 16];
        let whole = size > HEADER && file.read_exact(&mut header).is_ok();
        if !whole || header[..8] != *MAGIC {
            // A crash while it was being made. Nothing was ever acknowledged from it.
            return Ok(None);
        }
        let mut spool = Self {
            file,
            size,
            end: HEADER,
            next: applied + 1,
            waiting: Vec::new(),
        };
        if header[8] != 0 {
            spool.scan(applied)?;
            if spool.waiting.is_empty() {
                spool.clear()?;
            }
        }
        Ok(Some(spool))
    }

    /// Makes the spool at `path`, with its room taken from the disk now; `None` where there is too little.
    ///
    /// `free` is how many bytes the disk has; at most an eighth of them is taken.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn create(path: &Path, free: u64, applied: u64) -> io::Result<Option<Self>> {
        let size = SIZE.min(free / 8) / HEADER * HEADER;
        if size < SMALLEST {
            return Ok(None);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let made = (|| {
            let zeros = vec![0; 1 << 16];
            let mut left = size;
            while left > 0 {
                let n = left.min(zeros.len() as u64);
                file.write_all(&zeros[..usize::try_from(n).unwrap_or(zeros.len())])?;
                left -= n;
            }
            file.sync_all()?;
            // Last, so that a half-made file is no spool.
            file.seek(SeekFrom::Start(0))?;
            file.write_all(MAGIC)?;
            file.sync_all()?;
            sync_folder(path)
        })();
        if let Err(error) = made {
            drop(std::fs::remove_file(path));
            return Err(error);
        }
        Ok(Some(Self {
            file,
            size,
            end: HEADER,
            next: applied + 1,
            waiting: Vec::new(),
        }))
    }

    /// Returns the records that wait, in order.
    pub fn waiting(&self) -> &[Record] {
        &self.waiting
    }

    /// Returns the highest number of a failed transaction among them, so that it is not given again.
    pub fn last_transaction(&self) -> u64 {
        self.waiting
            .iter()
            .map(|record| record.transaction)
            .max()
            .unwrap_or(0)
    }

    /// Keeps `payloads`, which failed with `transaction`; once this returns they survive a power cut.
    ///
    /// # Errors
    /// Where they do not fit or the disk refuses; then none of them is kept.
    pub fn append(&mut self, transaction: u64, payloads: &[Vec<u8>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut records = Vec::new();
        for payload in payloads {
            if payload.len() > MAX_PAYLOAD {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let sequence = self.next + records.len() as u64;
            records.push(Record {
                sequence,
                transaction,
                left_out: false,
                payload: payload.clone(),
                at: self.end + bytes.len() as u64,
            });
            frame(&mut bytes, sequence, transaction, payload)?;
        }
        // The end is known by an empty length behind the last record.
        if self.end + bytes.len() as u64 + 4 > self.size {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let is_first = self.waiting.is_empty() && self.end == HEADER;
        let kept = (|| {
            self.file.seek(SeekFrom::Start(self.end))?;
            self.file.write_all(&bytes)?;
            if is_first {
                self.mark(true)?;
            }
            self.file.sync_data()
        })();
        if let Err(error) = kept {
            // Whatever reached the disk must not be read later: its senders are told that it was not kept.
            let zeros = vec![0; bytes.len()];
            let undone = self
                .file
                .seek(SeekFrom::Start(self.end))
                .and_then(|_| self.file.write_all(&zeros))
                .and_then(|()| self.file.sync_data());
            if let Err(error) = undone {
                tracing::error!(%error, "the spool could not take back what it had not kept");
            }
            return Err(error);
        }
        self.end += bytes.len() as u64;
        self.next += records.len() as u64;
        self.waiting.append(&mut records);
        Ok(())
    }

    /// Leaves out what failed with `transaction`: the database holds it after all.
    ///
    /// # Errors
    /// Where that cannot be noted.
    pub fn leave_out(&mut self, transaction: u64) -> io::Result<()> {
        let mut any = false;
        for record in &mut self.waiting {
            if record.transaction == transaction && !record.left_out {
                record.left_out = true;
                any = true;
                self.file.seek(SeekFrom::Start(record.at + FRAME as u64 - 1))?;
                self.file.write_all(&[LEFT_OUT])?;
            }
        }
        if any { self.file.sync_data() } else { Ok(()) }
    }

    /// Forgets what the database holds by now: all up to `applied`. With the last of them, all is overwritten.
    ///
    /// # Errors
    /// Where the disk refuses; the records are not replayed again all the same.
    pub fn applied(&mut self, applied: u64) -> io::Result<()> {
        self.waiting.retain(|record| record.sequence > applied);
        if self.waiting.is_empty() {
            self.clear()
        } else {
            Ok(())
        }
    }

    fn mark(&mut self, used: bool) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(8))?;
        self.file.write_all(&[u8::from(used)])
    }

    /// Overwrites everything with zeros.
    fn clear(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(HEADER))?;
        let zeros = vec![0; 1 << 16];
        let mut left = self.end.max(HEADER) - HEADER;
        while left > 0 {
            let n = left.min(zeros.len() as u64);
            self.file
                .write_all(&zeros[..usize::try_from(n).unwrap_or(zeros.len())])?;
            left -= n;
        }
        self.file.sync_data()?;
        self.mark(false)?;
        self.file.sync_data()?;
        self.end = HEADER;
        Ok(())
    }

    /// Reads what a run before left.
    fn scan(&mut self, applied: u64) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(HEADER))?;
        self.file.read_to_end(&mut bytes)?;
        let Found { mut records, end: at } = records(&bytes);
        let last = records.last().map_or(0, |record| record.sequence);
        records.retain(|record| record.sequence > applied);
        self.waiting = records;
        // What comes behind is a torn record that nobody was told of; it is overwritten with the rest.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        if used > at {
            self.file.seek(SeekFrom::Start(HEADER + at as u64))?;
            self.file.write_all(&vec![0; used - at])?;
            self.file.sync_data()?;
        }
        self.end = HEADER + at as u64;
        self.next = self.next.max(last.saturating_add(1));
        Ok(())
    }
}

/// Writes one record.
fn frame(out: &mut Vec<u8>, sequence: u64, transaction: u64, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&check(sequence, transaction, payload));
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&transaction.to_le_bytes());
    out.push(WAITING);
    out.extend_from_slice(payload);
    Ok(())
}

/// What stands behind the header.
struct Found {
    records: Vec<Record>,
    /// Where the last of them ends, counted from the header.
    end: usize,
}

/// Reads the whole records at the beginning of `bytes`, which stand behind the header.
fn records(bytes: &[u8]) -> Found {
    let mut records: Vec<Record> = Vec::new();
    let mut end = 0;
    while let Some((record, length)) = parse(
        &bytes[end..],
        HEADER + end as u64,
        records.last().map(|last| last.sequence),
    ) {
        end += length;
        records.push(record);
    }
    Found { records, end }
}

fn check(sequence: u64, transaction: u64, payload: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&sequence.to_le_bytes());
    hasher.update(&transaction.to_le_bytes());
    hasher.update(payload);
    let mut out = [0; 8];
    hasher.finalize_xof().fill(&mut out);
    out
}

/// Reads a record and its length; `None` at the end, or where one is torn.
fn parse(bytes: &[u8], at: u64, last: Option<u64>) -> Option<(Record, usize)> {
    let frame = bytes.get(..FRAME)?;
    let number = |from: usize| -> Option<u64> {
        Some(u64::from_le_bytes(frame.get(from..from + 8)?.try_into().ok()?))
    };
    let length = u32::from_le_bytes(frame[..4].try_into().ok()?) as usize;
    if length == 0 || length > MAX_PAYLOAD {
        return None;
    }
    let (sequence, transaction) = (number(12)?, number(20)?);
    let payload = bytes.get(FRAME..FRAME + length)?;
    let is_next = last.is_none_or(|last| last.checked_add(1) == Some(sequence));
    if !is_next || frame[4..12] != check(sequence, transaction, payload) {
        return None;
    }
    let record = Record {
        sequence,
        transaction,
        left_out: frame[FRAME - 1] == LEFT_OUT,
        payload: payload.to_vec(),
        at,
    };
    Some((record, FRAME + length))
}

/// Flushes a new name: a file that was flushed is lost all the same where its folder was not.
fn sync_folder(path: &Path) -> io::Result<()> {
    // Windows has no such call, and writes names with the file.
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    let _ = path;
    Ok(())
}

/// Returns how many bytes the disk under `dir` has free; a great many where the system does not say.
pub fn free_space(dir: &Path) -> u64 {
    #[cfg(unix)]
    {
        rustix::fs::statvfs(dir).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn texts(spool: &Spool) -> Vec<String> {
        spool
            .waiting()
            .iter()
            .map(|record| String::from_utf8(record.payload.clone()).unwrap())
            .collect()
    }

    fn spool() -> (tempfile::TempDir, PathBuf, Spool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        let spool = Spool::create(&path, 1 << 20, 0).unwrap().unwrap();
        (dir, path, spool)
    }

    #[test]
    fn what_was_kept_is_there_after_a_crash_and_gone_once_it_was_applied() {
        let (_dir, path, mut spool) = spool();
        spool.append(7, &[b"one".to_vec(), b"two".to_vec()]).unwrap();
        spool.append(8, &[b"three".to_vec()]).unwrap();
        drop(spool);
        let mut spool = Spool::open(&path, 0).unwrap().unwrap();
        assert_eq!(texts(&spool), ["one", "two", "three"]);
        assert_eq!(spool.last_transaction(), 8);
        spool.applied(2).unwrap();
        assert_eq!(texts(&spool), ["three"]);
        drop(spool);
        let mut spool = Spool::open(&path, 2).unwrap().unwrap();
        assert_eq!(texts(&spool), ["three"], "the database says how far it came");
        spool.append(9, &[b"four".to_vec()]).unwrap();
        spool.applied(4).unwrap();
        drop(spool);
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            bytes[16..].iter().all(|byte| *byte == 0),
            "nothing of a reader stays"
        );
        let spool = Spool::open(&path, 4).unwrap().unwrap();
        assert!(spool.waiting().is_empty());
        assert_eq!(spool.next, 5, "numbers are not given twice");
    }

    #[test]
    fn a_crash_between_the_last_replay_and_the_overwriting_leaves_nothing_either() {
        let (_dir, path, mut spool) = spool();
        spool.append(1, &[b"a reader".to_vec()]).unwrap();
        drop(spool);
        let spool = Spool::open(&path, 1).unwrap().unwrap();
        assert!(spool.waiting().is_empty());
        drop(spool);
        assert!(std::fs::read(&path).unwrap()[16..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_transaction_that_is_there_after_all_is_left_out() {
        let (_dir, path, mut spool) = spool();
        spool.append(7, &[b"one".to_vec()]).unwrap();
        spool.append(8, &[b"two".to_vec()]).unwrap();
        spool.leave_out(7).unwrap();
        drop(spool);
        let spool = Spool::open(&path, 0).unwrap().unwrap();
        let left_out: Vec<bool> = spool.waiting().iter().map(|record| record.left_out).collect();
        assert_eq!(left_out, [true, false]);
    }

    #[test]
    fn a_torn_record_is_not_read_and_those_before_it_are() {
        let (_dir, path, mut spool) = spool();
        spool.append(1, &[b"whole".to_vec()]).unwrap();
        let torn_from = spool.end;
        spool.append(2, &[b"this one is torn".to_vec()]).unwrap();
        let end = spool.end;
        drop(spool);
        let bytes = std::fs::read(&path).unwrap();
        for cut in torn_from..end {
            let mut torn = bytes.clone();
            torn[usize::try_from(cut).unwrap()..].fill(0);
            std::fs::write(&path, &torn).unwrap();
            let mut spool = Spool::open(&path, 0).unwrap().unwrap();
            assert_eq!(texts(&spool), ["whole"], "cut at {cut}");
            spool.append(3, &[b"next".to_vec()]).unwrap();
            drop(spool);
            assert_eq!(texts(&Spool::open(&path, 0).unwrap().unwrap()), ["whole", "next"]);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_was_kept_stays() {
        let (_dir, path, mut spool) = spool();
        let large = vec![b'x'; MAX_PAYLOAD];
        let mut kept = 0;
        while spool.append(1, std::slice::from_ref(&large)).is_ok() {
            kept += 1;
        }
        assert!(kept > 0, "some fit");
        assert!(spool.append(1, &[vec![0; MAX_PAYLOAD + 1]]).is_err());
        drop(spool);
        assert_eq!(Spool::open(&path, 0).unwrap().unwrap().waiting().len(), kept);
    }

    #[test]
    fn a_small_disk_gets_a_small_spool_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        let small = Spool::create(&path, 2 << 20, 0).unwrap().unwrap();
        assert_eq!(small.size, 256 << 10);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 256 << 10);
        assert!(Spool::create(&path, 100 << 10, 0).unwrap().is_none());
    }

    #[test]
    fn a_file_that_is_no_spool_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        assert!(Spool::open(&path, 0).unwrap().is_none(), "there is none");
        for bytes in [&b""[..], b"casespl1", &[0; 8192], &[0xff; 8192]] {
            std::fs::write(&path, bytes).unwrap();
            assert!(Spool::open(&path, 0).unwrap().is_none());
        }
    }
}
