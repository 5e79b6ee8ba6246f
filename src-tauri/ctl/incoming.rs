//! What comes back by mail: files, standard input, pasted addresses.

use crate::args::Paste;
use crate::print;
use crate::run::Session;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The most that is read from standard input, in bytes; what the core takes of a file.
const MAX_INPUT: u64 = 128 << 20;
/// The most that is read of pasted addresses, in bytes; what the core takes.
const MAX_TEXT: u64 = 5 << 20;

/// Returns the whole path of a file, or that of a private copy of standard input for `-`, which goes with the second.
pub(crate) fn path_of(file: &Path) -> Result<(PathBuf, Option<tempfile::NamedTempFile>)> {
    if file != Path::new("-") {
        return Ok((std::path::absolute(file)?, None));
    }
    let mut copy = tempfile::Builder::new()
        .prefix("casement-input-")
        .tempfile()
        .context("standard input cannot be kept for reading")?;
    let n = std::io::copy(&mut std::io::stdin().take(MAX_INPUT + 1), &mut copy)
        .context("cannot read standard input")?;
    if n > MAX_INPUT {
        bail!("standard input is longer than 128 MiB; split it");
    }
    copy.flush()
        .context("standard input cannot be kept for reading")?;
    Ok((copy.path().to_owned(), Some(copy)))
}

impl Session {
    /// Reads mails and does what they say.
    pub(crate) fn incoming(
        &mut self,
        files: &[PathBuf],
        dry_run: bool,
        only_unsubscribes: bool,
    ) -> Result<()> {
        let mut paths = Vec::new();
        let mut kept = Vec::new();
        for file in files {
            let (path, copy) = path_of(file)?;
            paths.push(path);
            kept.extend(copy);
        }
        let request = json!({ "paths": paths, "dry_run": dry_run, "only_unsubscribes": only_unsubscribes });
        self.incoming_run(request)
    }

    /// Reads pasted addresses.
    pub(crate) fn pasted(&mut self, options: &Paste, text_is: &str) -> Result<()> {
        let text = pasted_text(&options.paste_file)?;
        self.incoming_run(json!({ "text": text, "text_is": text_is, "dry_run": options.dry_run }))
    }

    fn incoming_run(&mut self, request: Value) -> Result<()> {
        let started = self.access.call("incoming_run", request)?;
        let result = self.job(started)?;
        self.show(&result, || words(&result));
        Ok(())
    }
}

/// Reads pasted text, from standard input for `-`. It is kept in memory alone, for it names people.
fn pasted_text(file: &Path) -> Result<String> {
    let from: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(file).with_context(|| format!("cannot read {}", file.display()))?)
    };
    let mut bytes = Vec::new();
    from.take(MAX_TEXT + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", file.display()))?;
    if bytes.len() as u64 > MAX_TEXT {
        bail!("{} is longer than 5 MiB; paste it in parts", file.display());
    }
    String::from_utf8(bytes)
        .ok()
        .with_context(|| format!("{} is not UTF-8; save it as UTF-8", file.display()))
}

fn words(result: &Value) -> String {
    let counts: Vec<String> = result["counts"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(kind, n)| format!("{n} {}", kind.replace('_', " ")))
        .collect();
    let mut out = match counts.as_slice() {
        [] => "nothing was read\n".to_owned(),
        counts => format!("{}\n", counts.join(", ")),
    };
    if result["dry_run"] == json!(true) {
        out.push_str("nothing was changed (--dry-run)\n");
    }
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows: Vec<Vec<String>> = result["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            vec![
                text(row, "place"),
                text(row, "kind").replace('_', " "),
                text(row, "address"),
                text(row, "sentence"),
            ]
        })
        .collect();
    out.push_str(&print::table(&["where", "what", "address", ""], &rows));
    out
}
