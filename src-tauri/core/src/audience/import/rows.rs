//! Cuts text into rows, each bounded, and goes on after a broken one.
//!
//! csv-core does the cutting; fed line by line, it tells when a row is whole. A quotation mark that is never
//! closed would swallow the rest of the file, so after a bound its line is given up and the next one begins
//! anew: one broken row never takes good ones along.

use csv_core::{ReadRecordResult, Reader};
use std::collections::VecDeque;
use std::io::{self, BufRead};

/// The most lines that one row may span.
const ROW_LINES: usize = 500;

/// A row of cells.
#[derive(Debug, Clone)]
pub struct Row {
    /// The line on which it begins, from 1.
    pub line: u64,
    text: String,
    ends: Vec<usize>,
}

impl Row {
    /// Returns how many cells there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Tells whether there are no cells.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the cell at `index`, empty beyond the row's end.
    pub fn cell(&self, index: usize) -> &str {
        let Some(end) = self.ends.get(index) else {
            return "";
        };
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start..*end]
    }

    /// Tells whether all cells are blank.
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: RowProblem,
    /// Its first characters.
    pub start: String,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// Longer than [`super::ROW_BYTES`].
    #[error("the row is longer than {} MB", super::ROW_BYTES >> 20)]
    TooLong,
    /// Quotes do not pair up.
    #[error("a quotation mark is opened and not closed in its row")]
    OpenQuote,
}

enum Line {
    Text { number: u64, bytes: Vec<u8> },
    TooLong { number: u64, start: String },
}

pub(super) struct Rows<R> {
    source: R,
    delimiter: u8,
    line_end: u8,
    number: u64,
    /// The header's cells: a row over several lines with another number has its quotes wrong.
    width: Option<usize>,
    /// Lines to be read again after a broken row.
    again: VecDeque<Line>,
    parser: Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
}

impl<R: BufRead> Rows<R> {
    pub(super) fn new(source: R, delimiter: u8, line_end: u8) -> Self {
        Self {
            source,
            delimiter,
            line_end,
            number: 0,
            width: None,
            again: VecDeque::new(),
            parser: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            output: vec![0; 4096],
            ends: vec![0; 64],
        }
    }

    /// Says how many cells a row has.
    pub(super) fn expect_width(&mut self, cells: usize) {
        self.width = Some(cells);
    }

    /// Passes over one line.
    pub(super) fn skip_line(&mut self) -> io::Result<()> {
        self.next_line().map(|_| ())
    }

    /// Returns the next row that is not an empty line; `None` at the end of the file.
    pub(super) fn next_row(&mut self) -> io::Result<Option<Result<Row, BadRow>>> {
        loop {
            match self.next_line()? {
                None => return Ok(None),
                Some(Line::TooLong { number, start }) => {
                    return Ok(Some(Err(BadRow {
                        line: number,
                        problem: RowProblem::TooLong,
                        start,
                    })));
                }
                Some(Line::Text { bytes, .. })
                    if bytes.iter().all(u8::is_ascii_whitespace) && bytes.len() < 2 => {}
                Some(Line::Text { number, bytes }) => return self.row(number, bytes).map(Some),
            }
        }
    }

    /// Reads the row that begins with the line `first`, taking further lines while a quote is open.
    fn row(&mut self, number: u64, first: Vec<u8>) -> io::Result<Result<Row, BadRow>> {
        self.parser.reset();
        let mut taken = vec![(number, first)];
        let (mut bytes, mut written, mut cells) = (0, 0, 0);
        loop {
            let (line, text) = taken.last().expect("the first line is there");
            let line = *line;
            bytes += text.len();
            let mut input = &text[..];
            loop {
                let (result, read, wrote, ended) =
                    self.parser
                        .read_record(input, &mut self.output[written..], &mut self.ends[cells..]);
                input = &input[read..];
                written += wrote;
                cells += ended;
                match result {
                    ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2, 0),
                    ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                    ReadRecordResult::InputEmpty => break,
                    ReadRecordResult::Record | ReadRecordResult::End => {
                        if taken.len() > 1 && !self.is_sound(&taken, cells) {
                            return Ok(Err(self.give_up(taken)));
                        }
                        // A lone carriage return ends a row, too; what follows it is the next one.
                        if input.iter().any(|byte| !matches!(byte, b'\n' | b'\r')) {
                            let bytes = input.to_vec();
                            self.again.push_front(Line::Text { number: line, bytes });
                        }
                        return Ok(Ok(self.whole(number, written, cells)));
                    }
                }
            }
            let next = if taken.len() < ROW_LINES && bytes < super::ROW_BYTES {
                self.next_line()?
            } else {
                None
            };
            match next {
                Some(Line::Text { number, bytes }) => taken.push((number, bytes)),
                other => {
                    if let Some(line) = other {
                        self.again.push_front(line);
                    }
                    return Ok(Err(self.give_up(taken)));
                }
            }
        }
    }

    /// Tells whether a row over several lines is one: as wide as the header, and nothing behind a closing quote.
    ///
    /// Two open quotes pair up over the rows between them; csv-core alone would take all of that for one value.
    fn is_sound(&self, taken: &[(u64, Vec<u8>)], cells: usize) -> bool {
        enum At {
            Start,
            Plain,
            Quoted,
            Closed,
        }
        let mut at = At::Start;
        for byte in taken.iter().flat_map(|(_, text)| text) {
            at = match (at, *byte) {
                (At::Start | At::Closed, b'"') => At::Quoted,
                (At::Quoted, b'"') => At::Closed,
                (At::Quoted, _) => At::Quoted,
                (At::Start | At::Plain | At::Closed, b'\n') => At::Start,
                (At::Start | At::Plain | At::Closed, byte) if byte == self.delimiter => At::Start,
                (At::Closed, _) => return false,
                (At::Start | At::Plain, _) => At::Plain,
            };
        }
        self.width.is_none_or(|width| width == cells)
    }

    fn whole(&self, line: u64, written: usize, cells: usize) -> Row {
        let text = String::from_utf8_lossy(&self.output[..written]);
        Row {
            line,
            text: text.into_owned(),
            ends: self.ends[..cells].to_vec(),
        }
    }

    /// Rejects the first line and has the others read again.
    fn give_up(&mut self, taken: Vec<(u64, Vec<u8>)>) -> BadRow {
        let mut lines = taken.into_iter();
        let (line, first) = lines.next().expect("the first line is there");
        let rest: Vec<Line> = lines
            .map(|(number, bytes)| Line::Text { number, bytes })
            .collect();
        for line in rest.into_iter().rev() {
            self.again.push_front(line);
        }
        BadRow {
            line,
            problem: RowProblem::OpenQuote,
            start: start_of(&first),
        }
    }

    /// Returns the next line with `\n` at its end, whatever it had.
    fn next_line(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.again.pop_front() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::with_capacity(128);
        let mut is_too_long = false;
        loop {
            let available = self.source.fill_buf()?;
            if available.is_empty() {
                break;
            }
            let end = available.iter().position(|byte| *byte == self.line_end);
            let piece = &available[..end.unwrap_or(available.len())];
            if bytes.len() + piece.len() > super::ROW_BYTES {
                is_too_long = true;
            } else if !is_too_long {
                bytes.extend_from_slice(piece);
            }
            let used = end.map_or(available.len(), |end| end + 1);
            self.source.consume(used);
            if end.is_some() {
                bytes.push(b'\n');
                break;
            }
        }
        if bytes.is_empty() && !is_too_long {
            return Ok(None);
        }
        self.number += 1;
        if is_too_long {
            return Ok(Some(Line::TooLong {
                number: self.number,
                start: start_of(&bytes),
            }));
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        bytes.push(b'\n');
        Ok(Some(Line::Text {
            number: self.number,
            bytes,
        }))
    }
}

fn start_of(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(400)];
    String::from_utf8_lossy(head).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<(u64, Vec<String>), (u64, RowProblem)>;

    fn read(text: &str) -> Vec<Read> {
        let mut rows = Rows::new(text.as_bytes(), b',', b'\n');
        let mut out = Vec::new();
        while let Some(row) = rows.next_row().unwrap() {
            out.push(
                row.map(|row| {
                    let cells = (0..row.len()).map(|index| row.cell(index).to_owned()).collect();
                    (row.line, cells)
                })
                .map_err(|bad| (bad.line, bad.problem)),
            );
        }
        out
    }

    fn good(line: u64, cells: &[&str]) -> Read {
        Ok((line, cells.iter().map(|cell| cell.to_string()).collect()))
    }

    #[test]
    fn rows_know_the_line_on_which_they_begin() {
        assert_eq!(
            read("a,b\r\n\r\n\"x\ny\",\"say \"\"hi\"\"\"\nc,\n"),
            [
                good(1, &["a", "b"]),
                good(3, &["x\ny", "say \"hi\""]),
                good(5, &["c", ""])
            ]
        );
        assert_eq!(read("a,5\" pipe\n"), [good(1, &["a", "5\" pipe"])]);
        assert_eq!(read("a\rb\n"), [good(1, &["a"]), good(1, &["b"])]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn an_open_quote_costs_its_own_row_and_no_other() {
        assert_eq!(
            read("a,b\n1,\"open\nc,d\ne,f\n"),
            [
                good(1, &["a", "b"]),
                Err((2, RowProblem::OpenQuote)),
                good(3, &["c", "d"]),
                good(4, &["e", "f"]),
            ]
        );
        let many = format!("1,\"open\n{}", "x,y\n".repeat(2_000));
        let rows = read(&many);
        assert_eq!(rows.len(), 2_001, "rows beyond the bound are kept, too");
        assert_eq!(rows.iter().filter(|row| row.is_err()).count(), 1);
    }

    #[test]
    fn two_open_quotes_that_find_each_other_cost_their_own_rows_alone() {
        let text = "1,\"open\n2,two\n3,three\n4,\"open too\n5,five\n";
        let mut rows = Rows::new(text.as_bytes(), b',', b'\n');
        rows.expect_width(2);
        let mut good = Vec::new();
        while let Some(row) = rows.next_row().unwrap() {
            good.extend(row.map(|row| row.cell(0).to_owned()));
        }
        assert_eq!(good, ["2", "3", "5"]);
    }

    #[test]
    fn a_row_that_is_too_long_is_passed_over_without_being_kept() {
        let text = format!("a,b\n{},x\nc,d\n", "y".repeat(10 << 20));
        assert_eq!(
            read(&text),
            [
                good(1, &["a", "b"]),
                Err((2, RowProblem::TooLong)),
                good(3, &["c", "d"])
            ]
        );
        let quoted = format!("\"{}\",x\nc,d", "y".repeat(10 << 20));
        assert_eq!(
            read(&quoted),
            [Err((1, RowProblem::TooLong)), good(2, &["c", "d"])]
        );
    }
}
