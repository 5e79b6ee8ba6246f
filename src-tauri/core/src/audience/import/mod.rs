//! A file into people: what it is, which column is what, and each row on its own.
//!
//! Reads in a stream: memory does not grow with the file. Knows no database; `app::import` keeps what comes
//! out. Start at [`Table`]. `file` opens and decodes, `rows` cuts into rows and finds its feet again after a
//! broken one, `columns` makes a row into a person.

mod columns;
mod file;
mod rows;

pub use columns::{Columns, MapError, Rejected, Target};
pub use file::FileError;
pub use rows::{BadRow, Row};

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;

/// The largest file, in bytes.
pub const FILE_BYTES: u64 = 1 << 30;
/// The most rows of one file; beyond it the addresses that were seen would fill the memory.
pub const ROWS: u64 = 2_000_000;
/// The longest row, in bytes: a hundred values of the longest kind.
pub const ROW_BYTES: usize = 1 << 20;
/// The most columns of a file.
pub const COLUMNS: usize = 1_000;

/// A file with headers, opened at its first row.
pub struct Table {
    name: String,
    format: file::Format,
    headers: Vec<String>,
    rows: rows::Rows<BufReader<file::Decoded>>,
}

impl Table {
    /// Opens the file at `path`, recognises its encoding and delimiter, and reads its header.
    ///
    /// Reads the file once to its end, since a byte that is no UTF-8 may come late.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let name = file::name(path);
        let format = file::recognise(path, &name)?;
        let mut rows = rows::Rows::new(
            BufReader::with_capacity(1 << 16, format.open(path, &name)?),
            format.delimiter,
            format.line_end,
        );
        let failed = |source| FileError::Read {
            name: name.clone(),
            source,
        };
        if format.has_separator_line {
            rows.skip_line().map_err(failed)?;
        }
        let header = match rows.next_row().map_err(failed)? {
            None => return Err(FileError::Empty { name }),
            Some(Err(bad)) => {
                return Err(FileError::Header {
                    name,
                    line: bad.line,
                    problem: bad.problem.to_string(),
                });
            }
            Some(Ok(row)) => row,
        };
        if header.len() > COLUMNS {
            return Err(FileError::Columns {
                name,
                found: header.len(),
            });
        }
        let headers: Vec<String> = (0..header.len())
            .map(|index| header.cell(index).trim().to_owned())
            .collect();
        rows.expect_width(header.len());
        Ok(Self {
            name,
            format,
            headers,
            rows,
        })
    }

    /// Returns the file's name without its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the headers in order.
    pub fn headers(&self) -> &[String] {
        &self.headers
    }

    /// Says what was recognised: "comma, UTF-8".
    pub fn format(&self) -> String {
        self.format.describe()
    }

    /// Returns how many lines the file has, to tell progress by.
    pub fn lines(&self) -> u64 {
        self.format.lines
    }

    /// Returns the next row that is not blank, or what is wrong with it; `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<Result<Row, BadRow>>, FileError> {
        loop {
            let row = self.rows.next_row().map_err(|source| FileError::Read {
                name: self.name.clone(),
                source,
            })?;
            if !matches!(&row, Some(Ok(row)) if row.is_blank()) {
                return Ok(row);
            }
        }
    }
}

/// The head of a file.
pub struct Head {
    /// The file, to be read on.
    pub table: Table,
    /// The first rows that could be read.
    pub rows: Vec<Row>,
    /// How many rows were read, those included that could not be.
    pub passed: u32,
    /// What each column seems to be.
    pub guess: Vec<Target>,
}

/// Reads the head of a file with at most `n` good rows.
pub fn look(path: &Path, n: usize) -> Result<Head, FileError> {
    let mut table = Table::open(path)?;
    let (mut rows, mut passed) = (Vec::new(), 0);
    while rows.len() < n
        && let Some(row) = table.next_row()?
    {
        passed += 1;
        rows.extend(row);
    }
    let guess = columns::guess(table.headers(), &rows);
    Ok(Head {
        table,
        rows,
        passed,
        guess,
    })
}

/// Opens a file for import: at its first row, with where its columns go by `map` and by guess.
pub fn open(path: &Path, map: &BTreeMap<String, String>) -> Result<(Table, Columns), OpenError> {
    let head = look(path, 20)?;
    let columns = Columns::new(head.table.name(), head.table.headers(), head.guess, map)?;
    Ok((Table::open(path)?, columns))
}

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its columns.
    #[error(transparent)]
    Map(#[from] MapError),
}
