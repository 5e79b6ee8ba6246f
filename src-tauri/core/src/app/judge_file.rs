//! Judges a file of user agents, one after the other, as the listener would one hit that says nothing else.

use crate::domain::open::HitClass;
use crate::listener::gate::head::printable;
use crate::tracking::classify;
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest file that is read. It is held whole, and has some hundred thousand user agents.
pub const MAX_FILE: u64 = 64 << 20;

/// What one user agent is taken for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JudgedAgent {
    /// As the file has it.
    pub ua: String,
    /// The class of a hit with it.
    pub class: HitClass,
    /// The rule that said so.
    pub reason: &'static str,
}

/// Why a file cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeFileError {
    /// It is not there, or may not be read.
    #[error("cannot read {0}: {1}")]
    Read(String, std::io::Error),
    /// More than is read at once.
    #[error("{0} is larger than 64 MiB; split it")]
    TooLarge(String),
    /// Nothing is in it.
    #[error("{0} is empty; it needs a line of column names, one of them ua")]
    Empty(String),
    /// A byte that is no UTF-8.
    #[error("{0} is not UTF-8: byte {1} is the first that cannot be read; save it as UTF-8")]
    NotUtf8(String, usize),
    /// Its first line names no such column.
    #[error("{0} has no column ua; its columns are: {1}")]
    NoColumn(String, String),
    /// A quote that is never closed, or a line with more or fewer fields than the first.
    #[error("{0} is not a CSV file: {1}")]
    NotCsv(String, String),
}

/// Judges every row of the CSV file at `path` by its column `ua`, in the file's order.
///
/// Nothing is known of a hit but its user agent: it asks for the picture's bytes, and no delivery is known that it
/// could come too soon after.
///
/// # Errors
///
/// Fails on the first thing that is wrong with the file: a part of an answer could be taken for the whole.
pub fn judge_file(path: &Path) -> Result<Vec<JudgedAgent>, JudgeFileError> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| JudgeFileError::Read(name.clone(), error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(JudgeFileError::TooLarge(name));
    }
    judge_bytes(&name, &bytes)
}

fn judge_bytes(name: &str, bytes: &[u8]) -> Result<Vec<JudgedAgent>, JudgeFileError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| JudgeFileError::NotUtf8(name.to_owned(), error.valid_up_to() + 1))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(JudgeFileError::Empty(name.to_owned()));
    }
    let not_csv = |why: String| JudgeFileError::NotCsv(name.to_owned(), why);
    if text.contains('\0') {
        return Err(not_csv("it has NUL bytes".to_owned()));
    }
    if let Some(line) = open_quote(text) {
        return Err(not_csv(format!(
            "the quote opened in line {line} is never closed"
        )));
    }
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let columns = reader
        .headers()
        .map_err(|error| not_csv(error.to_string()))?
        .clone();
    let column = columns
        .iter()
        .position(|column| column.trim().eq_ignore_ascii_case("ua"))
        .ok_or_else(|| {
            let columns: Vec<_> = columns.iter().map(shortened).collect();
            JudgeFileError::NoColumn(name.to_owned(), shortened(&columns.join(", ")))
        })?;
    reader
        .records()
        .map(|record| {
            let record = record.map_err(|error| not_csv(row_error(&error)))?;
            Ok(judge(record.get(column).unwrap_or_default()))
        })
        .collect()
}

fn judge(ua: &str) -> JudgedAgent {
    let verdict = classify::classify(&classify::Facts {
        user_agent: &printable(ua.as_bytes()),
        ..classify::Facts::default()
    });
    JudgedAgent {
        ua: ua.to_owned(),
        class: verdict.class,
        reason: verdict.reason,
    }
}

/// Returns the line in which a quoted field begins that has no end. The reader takes all that follows for the field.
fn open_quote(text: &str) -> Option<usize> {
    let mut opened = None;
    let mut at_start = true;
    let mut line = 1;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\n' {
            line += 1;
        }
        match (letter, opened) {
            ('"', Some(_)) if letters.peek() == Some(&'"') => {
                letters.next();
            }
            ('"', Some(_)) => opened = None,
            ('"', None) if at_start => opened = Some(line),
            _ => {}
        }
        at_start = opened.is_none() && matches!(letter, ',' | '\n' | '\r');
    }
    opened
}

fn row_error(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("line {line} has {len} fields, the first has {expected_len}")
        }
        _ => error.to_string(),
    }
}

fn shortened(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Writes judged agents as CSV: `ua,class,reason`, a row each.
pub fn to_csv(judged: &[JudgedAgent]) -> String {
    let mut writer = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Necessary)
        .from_writer(Vec::new());
    let in_memory = "memory can always be written to";
    writer.write_record(["ua", "class", "reason"]).expect(in_memory);
    for JudgedAgent { ua, class, reason } in judged {
        writer
            .write_record([ua.as_str(), class.as_str(), reason])
            .expect(in_memory);
    }
    String::from_utf8(writer.into_inner().expect(in_memory)).expect("text was written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_cut_and_cleaned_as_the_listener_does() {
        // The bot's name lies beyond what the listener keeps.
        let long = format!(
            "Mozilla/5.0 (X11; {}) Gecko/20100101 Firefox/128.0 xbot",
            "x".repeat(600)
        );
        let short = format!(
            "Mozilla/5.0 (X11; {}) Gecko/20100101 Firefox/128.0 xbot",
            "x".repeat(60)
        );
        assert_ne!(judge(&long).class, HitClass::Bot);
        assert_eq!(judge(&short).class, HitClass::Bot);
        assert_eq!(judge("curl/8\t").class, HitClass::Library);
        assert_eq!(judge(&long).ua, long, "what comes out is what went in");
    }

    #[test]
    fn a_quote_that_is_never_closed_is_seen() {
        for (text, line) in [
            ("ua\n\"a\"\"b\",\n", None),
            ("ua\nsay \"hi\"\n", None),
            ("ua\n\"a\nb\"\n", None),
            ("ua\n\"a\n", Some(2)),
            ("ua,b\nx,\"\"\"\n", Some(2)),
        ] {
            assert_eq!(open_quote(text), line, "{text:?}");
        }
    }
}
