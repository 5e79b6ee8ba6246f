//! What a file is: text or not, its encoding, its delimiter, its line ends.

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// How much of a file is looked at before it is believed to be text.
const HEAD_BYTES: usize = 1 << 16;
const CHUNK_BYTES: usize = 1 << 16;

/// Why a file cannot be read as a table.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing there.
    #[error("there is no file {path}; check the name")]
    Missing {
        /// As it was asked for.
        path: String,
    },
    /// A folder or a device.
    #[error("{name} is not a file; choose a CSV file")]
    NotAFile {
        /// Its name.
        name: String,
    },
    /// No permission, or a failing disk.
    #[error("{name} cannot be read: {source}")]
    Read {
        /// Its name.
        name: String,
        /// The system's word.
        source: io::Error,
    },
    /// Nothing in it.
    #[error("{name} is empty")]
    Empty {
        /// Its name.
        name: String,
    },
    /// Larger than is read.
    #[error("{name} has {} MB; at most {} MB are read, so split it", bytes >> 20, super::FILE_BYTES >> 20)]
    TooLarge {
        /// Its name.
        name: String,
        /// Its size.
        bytes: u64,
    },
    /// Not text.
    #[error("{name} is not a text file but {what}; save the table as CSV and import that")]
    Binary {
        /// Its name.
        name: String,
        /// What it seems to be: "a ZIP archive or a spreadsheet".
        what: &'static str,
    },
    /// The first row cannot be read.
    #[error("the header of {name} on line {line} cannot be read: {problem}")]
    Header {
        /// Its name.
        name: String,
        /// Where the header begins.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// More columns than any table of people has.
    #[error("{name} has {found} columns; at most {} are read", super::COLUMNS)]
    Columns {
        /// Its name.
        name: String,
        /// How many.
        found: usize,
    },
}

/// Returns the last part of a path, to show.
pub(super) fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// How a file is to be read.
#[derive(Debug, Clone)]
pub(super) struct Format {
    encoding: &'static Encoding,
    pub(super) delimiter: u8,
    /// `\n`, or `\r` for files of the old Macintosh kind.
    pub(super) line_end: u8,
    /// Excel's first line `sep=;`, which is no header.
    pub(super) has_separator_line: bool,
    /// Line ends in the file; a little off where values span lines.
    pub(super) lines: u64,
}

impl Format {
    /// Opens the file, decoded to UTF-8 without a byte order mark.
    pub(super) fn open(&self, path: &Path, name: &str) -> Result<Decoded, FileError> {
        let file = File::open(path).map_err(|source| FileError::Read {
            name: name.to_owned(),
            source,
        })?;
        Ok(Decoded {
            source: file,
            decoder: self.encoding.new_decoder_with_bom_removal(),
            input: vec![0; CHUNK_BYTES].into_boxed_slice(),
            from: 0,
            to: 0,
            is_at_end: false,
            is_done: false,
        })
    }

    pub(super) fn describe(&self) -> String {
        let delimiter = match self.delimiter {
            b';' => "semicolon",
            b'\t' => "tab",
            _ => "comma",
        };
        let encoding = match self.encoding {
            encoding if encoding == UTF_8 => "UTF-8",
            encoding if encoding == WINDOWS_1252 => "Windows-1252 (the file is not UTF-8)",
            _ => "UTF-16",
        };
        format!("{delimiter}, {encoding}")
    }
}

/// A file as UTF-8 text.
pub(super) struct Decoded {
    source: File,
    decoder: Decoder,
    input: Box<[u8]>,
    from: usize,
    to: usize,
    is_at_end: bool,
    is_done: bool,
}

impl Read for Decoded {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        while !self.is_done {
            if self.from == self.to && !self.is_at_end {
                self.from = 0;
                self.to = self.source.read(&mut self.input)?;
                self.is_at_end = self.to == 0;
            }
            let (result, read, written, _) =
                self.decoder
                    .decode_to_utf8(&self.input[self.from..self.to], output, self.is_at_end);
            self.from += read;
            self.is_done = self.is_at_end && result == encoding_rs::CoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

/// Recognises the file at `path`.
pub(super) fn recognise(path: &Path, name: &str) -> Result<Format, FileError> {
    let read_error = |source| FileError::Read {
        name: name.to_owned(),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing {
            path: path.display().to_string(),
        },
        _ => read_error(source),
    })?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile {
            name: name.to_owned(),
        });
    }
    if metadata.len() > super::FILE_BYTES {
        return Err(FileError::TooLarge {
            name: name.to_owned(),
            bytes: metadata.len(),
        });
    }
    let mut file = File::open(path).map_err(read_error)?;
    let mut head = Vec::new();
    file.by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(read_error)?;
    if let Some(what) = magic(&head) {
        return Err(FileError::Binary {
            name: name.to_owned(),
            what,
        });
    }
    let by_mark = Encoding::for_bom(&head).map(|(encoding, _)| encoding);
    let utf16 = by_mark
        .filter(|encoding| *encoding != UTF_8)
        .or_else(|| unmarked_utf16(&head));
    let pass = Pass::over(&head, file).map_err(read_error)?;
    let encoding = match utf16 {
        Some(encoding) => encoding,
        None if pass.is_utf8 => UTF_8,
        None => WINDOWS_1252,
    };
    let text = encoding.decode_with_bom_removal(&head).0;
    if text.trim().is_empty() {
        return Err(FileError::Empty {
            name: name.to_owned(),
        });
    }
    if utf16.is_none() && is_binary(&head, pass.is_utf8) {
        return Err(FileError::Binary {
            name: name.to_owned(),
            what: "some other kind of data",
        });
    }
    let line_end = if text.contains('\n') || !text.contains('\r') {
        b'\n'
    } else {
        b'\r'
    };
    let separator = separator_line(&text);
    Ok(Format {
        encoding,
        delimiter: separator.unwrap_or_else(|| delimiter(&text)),
        line_end,
        has_separator_line: separator.is_some(),
        lines: if line_end == b'\n' {
            pass.lines
        } else {
            pass.returns
        },
    })
}

/// Says what a file is that its first bytes give away.
fn magic(head: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 11] = [
        (b"PK\x03\x04", "a ZIP archive or a spreadsheet (.xlsx, .ods)"),
        (b"\xd0\xcf\x11\xe0", "an old Excel or Word document (.xls, .doc)"),
        (b"\x89PNG", "a picture (PNG)"),
        (b"\xff\xd8\xff", "a picture (JPEG)"),
        (b"GIF8", "a picture (GIF)"),
        (b"%PDF-", "a PDF document"),
        (b"\x1f\x8b", "a compressed file (gzip)"),
        (b"BZh", "a compressed file (bzip2)"),
        (b"\xfd7zXZ", "a compressed file (xz)"),
        (b"7z\xbc\xaf", "a compressed file (7-Zip)"),
        (b"SQLite format 3\0", "a database (SQLite)"),
    ];
    KINDS
        .iter()
        .find(|(start, _)| head.starts_with(start))
        .map(|(_, what)| *what)
}

/// Recognises UTF-16 without a mark by where its zero bytes stand: Latin letters have one each, on one side.
fn unmarked_utf16(head: &[u8]) -> Option<&'static Encoding> {
    let zeros = |side: usize| {
        head.iter()
            .skip(side)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    // Most of a table of addresses is Latin, whatever the names are.
    let most = head.len() * 3 / 10;
    match head.len() {
        0..8 => None,
        _ if odd > most && even == 0 => Some(UTF_16LE),
        _ if even > most && odd == 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// Tells text with a stray control character from data that is no text at all.
fn is_binary(head: &[u8], is_utf8: bool) -> bool {
    let controls = head
        .iter()
        .filter(|byte| **byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'))
        .count();
    // Random bytes have 11 %.
    (controls > 0 && !is_utf8) || controls * 10 > head.len()
}

/// One pass over all bytes: are they UTF-8, and how many lines are there.
struct Pass {
    is_utf8: bool,
    lines: u64,
    returns: u64,
}

impl Pass {
    fn over(head: &[u8], mut rest: File) -> io::Result<Self> {
        let mut pass = Self {
            is_utf8: true,
            lines: 0,
            returns: 0,
        };
        let mut buffer = head.to_vec();
        loop {
            let is_last = buffer.len() < HEAD_BYTES;
            let kept = pass.take(&buffer, is_last);
            if is_last {
                return Ok(pass);
            }
            buffer.drain(..buffer.len() - kept);
            let wanted = HEAD_BYTES - buffer.len();
            rest.by_ref().take(wanted as u64).read_to_end(&mut buffer)?;
        }
    }

    /// Looks at one piece and returns how many bytes at its end belong to a letter that goes on in the next.
    fn take(&mut self, bytes: &[u8], is_last: bool) -> usize {
        let valid = if self.is_utf8 {
            Encoding::utf8_valid_up_to(bytes)
        } else {
            bytes.len()
        };
        let open = bytes.len() - valid;
        let kept = if open > 0 && open < 4 && !is_last { open } else { 0 };
        if open > kept {
            self.is_utf8 = false;
        }
        let counted = &bytes[..bytes.len() - kept];
        self.lines += counted.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.returns += counted.iter().filter(|byte| **byte == b'\r').count() as u64;
        kept
    }
}

/// Reads the delimiter out of a first line `sep=;`.
fn separator_line(text: &str) -> Option<u8> {
    let line = text.lines().next()?.trim_end();
    let delimiter = line.strip_prefix("sep=")?;
    match delimiter {
        "," | ";" | "\t" => Some(delimiter.as_bytes()[0]),
        _ => None,
    }
}

/// Guesses the delimiter: the one that cuts most of the first rows as it cuts the header; the comma in doubt.
fn delimiter(text: &str) -> u8 {
    let score = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let widths: Vec<usize> = reader
            .byte_records()
            .take(20)
            .filter_map(|record| Some(record.ok()?.len()))
            .collect();
        let Some(header) = widths.first().copied().filter(|width| *width > 1) else {
            return (0, 0);
        };
        (widths.iter().filter(|width| **width == header).count(), header)
    };
    let mut best = (b',', score(b','));
    for candidate in [b';', b'\t'] {
        let score = score(candidate);
        if score > best.1 {
            best = (candidate, score);
        }
    }
    best.0
}
