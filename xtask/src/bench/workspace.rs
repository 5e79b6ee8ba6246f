//! A workspace with a campaign that was sent, made and asked by `casementctl` alone.
//!
//! It has a home of its own: no keychain, no configuration and no workspace of whoever runs the bench.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::traffic::CLIENT_HEADER;
use crate::sh;

/// The address that mails carry. Nobody listens there: a bench takes their paths only.
const BASE: &str = "http://127.0.0.1:4805";

/// A home with a campaign in it.
pub struct Home {
    folder: PathBuf,
    program: PathBuf,
    campaign: String,
    /// The path of each mail's pixel.
    pub paths: Vec<String>,
}

impl Home {
    /// Makes one in `folder` without anything in it, for the `casementctl` at `program`.
    pub fn empty(folder: &Path, program: PathBuf) -> Result<Home> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Home {
            folder: folder.to_owned(),
            program,
            campaign: String::new(),
            paths: Vec::new(),
        })
    }

    /// Sends a campaign to `people` who may be tracked, all in `folder`, by the `casementctl` at `program`.
    pub fn with_campaign(folder: &Path, program: PathBuf, people: usize) -> Result<Home> {
        let mut home = Home::empty(folder, program)?;
        let list = home.file("people.csv", &people_csv(people))?;
        let draft = json!({
            "name": "Spring", "subject": "Spring", "account": "Outbox", "audience": { "include": ["Members"] },
            "markdown": "The ice is gone.\n",
        });
        let draft = home.file("campaign.json", &draft.to_string())?;
        let settings = json!({
            "unknown_policy": "none", "organisation": "Harbour Club", "postal_address": "3 Quay Street",
        });
        let first = home.first();
        home.ask(
            &first,
            &[
                "import",
                &list,
                "--list",
                "Members",
                "--consent",
                "granted",
                "--consent-source",
                "form",
                "--consent-wording",
                "You may.",
            ],
        )?;
        home.ask(&first, &["call", "settings_update", &settings.to_string()])?;
        let from = "Harbour <news@harbour.test>";
        home.ask(
            &first,
            &["account", "add-outbox", "--name", "Outbox", "--from", from],
        )?;
        home.ask(&first, &["address", "set", BASE, "--local"])?;
        let created = home.ask(&first, &["campaign", "create", &draft])?;
        home.campaign = created["id"].to_string();
        home.ask(&first, &["campaign", "launch", &home.campaign, "--yes"])?;
        home.ask(&first, &["send", "--campaign", &home.campaign])?;
        home.paths = pixel_paths(&first.join("outbox").join(&home.campaign))?;
        if home.paths.len() != people {
            bail!(
                "{people} mails were sent, and {} of them have a pixel",
                home.paths.len()
            );
        }
        Ok(home)
    }

    /// The workspace in which everything was made.
    pub fn first(&self) -> PathBuf {
        self.folder.join("workspace")
    }

    /// Writes a file and returns its path.
    pub fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Copies the workspace as it was after sending, without the mails, so that each round begins alike.
    pub fn fresh(&self, name: &str) -> Result<PathBuf> {
        let copy = self.folder.join(name);
        fs::create_dir_all(&copy).with_context(|| format!("cannot make {}", copy.display()))?;
        for entry in fs::read_dir(self.first()).context("cannot read the workspace")? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), copy.join(entry.file_name()))
                    .with_context(|| format!("cannot copy into {}", copy.display()))?;
            }
        }
        Ok(copy)
    }

    /// `casementctl --json --quiet` on `workspace`, in this home.
    pub fn command(&self, workspace: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .env("XDG_CONFIG_HOME", self.folder.join("config"))
            .env("XDG_DATA_HOME", self.folder.join("data"))
            .env("XDG_CACHE_HOME", self.folder.join("cache"))
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .args(["--json", "--quiet", "--workspace"])
            .arg(workspace);
        command
    }

    /// Runs `casementctl ARGS` on `workspace` and returns its JSON document.
    pub fn ask(&self, workspace: &Path, args: &[&str]) -> Result<Value> {
        let said = sh::output(self.command(workspace).args(args))?;
        serde_json::from_str(&said)
            .with_context(|| format!("`casementctl {}` printed no JSON", args.join(" ")))
    }

    /// As [`Self::ask`], of a command that prints what is of no interest.
    pub fn ask_nothing(&self, workspace: &Path, args: &[&str]) -> Result<()> {
        sh::output(self.command(workspace).args(args)).map(drop)
    }

    /// Starts the listener on `workspace` with both entrances.
    pub fn listen(&self, workspace: &Path) -> Result<Listener> {
        let mut command = self.command(workspace);
        command
            .args(["listen", "--bind", "127.0.0.1:0", "--behind-proxy", "127.0.0.1:0"])
            .args(["--client-header", CLIENT_HEADER])
            .stdout(Stdio::piped());
        let mut daemon = Daemon::start("casementctl listen", &mut command)?;
        let stdout = daemon.child().stdout.take().context("it is piped")?;
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .context("the listener does not say where it listens")?;
        let status: Value = serde_json::from_str(&line)
            .with_context(|| format!("the listener says {line:?} instead of where it listens"))?;
        let entrance = |behind_proxy: bool| {
            status["entrances"]
                .as_array()
                .and_then(|all| all.iter().find(|one| one["behind_proxy"] == behind_proxy))
                .and_then(|one| one["url"].as_str()?.strip_prefix("http://")?.parse().ok())
                .with_context(|| format!("an entrance is missing: {status}"))
        };
        Ok(Listener {
            direct: entrance(false)?,
            proxied: entrance(true)?,
            daemon,
        })
    }

    /// What `workspace` holds of the campaign, after `casementctl verify` found nothing wrong.
    pub fn recorded(&self, workspace: &Path) -> Result<Recorded> {
        let verified = self.ask(workspace, &["verify"])?;
        if verified["ok"] != true {
            bail!("`casementctl verify` finds something wrong: {verified}");
        }
        let report = self.ask(workspace, &["report", &self.campaign])?;
        let stored =
            rows_of_hit(&verified).context("`casementctl verify` does not say how many hits there are")?;
        let count = |name: &str| report[name].as_u64().unwrap_or(0);
        Ok(Recorded {
            stored,
            over_cap: count("over_cap"),
            outside: count("early") + count("late"),
        })
    }
}

/// A running listener.
pub struct Listener {
    /// The process.
    pub daemon: Daemon,
    /// The entrance where peers are readers.
    pub direct: SocketAddr,
    /// The entrance behind a proxy.
    pub proxied: SocketAddr,
}

/// What became of the looks at a campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Rows.
    pub stored: u64,
    /// Only counted: their mail has its share of rows.
    pub over_cap: u64,
    /// Only counted: outside the campaign's window.
    pub outside: u64,
}

impl Recorded {
    /// All that are on disk.
    pub fn total(self) -> u64 {
        self.stored + self.over_cap + self.outside
    }
}

fn people_csv(people: usize) -> String {
    let rows: String = (0..people)
        .map(|index| format!("reader{index:05}@readers.test\n"))
        .collect();
    format!("email\n{rows}")
}

/// The number in `N rows of hit`.
fn rows_of_hit(verified: &Value) -> Option<u64> {
    verified["checked"]
        .as_array()?
        .iter()
        .find_map(|line| line.as_str()?.strip_suffix(" rows of hit")?.parse().ok())
}

/// Reads the pixel's path out of every mail in `folder`.
fn pixel_paths(folder: &Path) -> Result<Vec<String>> {
    let mut files = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .with_context(|| format!("cannot read the mails in {}", folder.display()))?;
    // In no order that depends on the disk: the same seed must ask for the same mails.
    files.sort_unstable();
    let mut paths = Vec::with_capacity(files.len());
    for file in files {
        let mail = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        paths.extend(pixel_path(&mail));
    }
    Ok(paths)
}

/// The path of the one pixel in a mail's quoted-printable HTML.
fn pixel_path(mail: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&unquoted(mail)).into_owned();
    let start = text.find(&format!("src=\"{BASE}/o/"))? + "src=\"".len() + BASE.len();
    let path = text[start..].split('"').next()?;
    path.ends_with(".gif").then(|| path.to_owned())
}

/// Undoes quoted-printable (RFC 2045 §6.7); what is not of it stays as it is.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, after) {
            (b'=', [b'\r', b'\n', after @ ..] | [b'\n', after @ ..]) => rest = after,
            (b'=', [_, _, after @ ..]) => match (hex(0), hex(1)) {
                (Some(high), Some(low)) => {
                    plain.push((high * 16 + low) as u8);
                    rest = after;
                }
                _ => plain.push(b'='),
            },
            _ => plain.push(byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_printable_is_undone() {
        for (coded, plain) in [
            ("a=3Db", "a=b"),
            ("src=\r\n=3D\"x", "src=\"x"),
            ("soft=\nbreak", "softbreak"),
            ("f=C3=BCr", "für"),
            ("lower=3d", "lower="),
            ("no code =ZZ", "no code =ZZ"),
            ("cut off =3", "cut off =3"),
            ("cut off =", "cut off ="),
            ("", ""),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&unquoted(coded.as_bytes())),
                plain,
                "{coded:?}"
            );
        }
    }

    #[test]
    fn the_pixels_path_is_found_across_a_broken_line() {
        let mail = "<a href=3D\"http://127.0.0.1:4805/u/other\"><img src=\r\n=3D\"http://127.0.0.1:4805/o/pop22=\r\n\
                    drl4.gif\" width=3D\"1\">";
        assert_eq!(pixel_path(mail.as_bytes()).as_deref(), Some("/o/pop22drl4.gif"));
        assert_eq!(pixel_path(b"<p>http://127.0.0.1:4805/u/other</p>"), None);
    }

    #[test]
    fn rows_are_read_from_what_verify_says() {
        let verified = json!({ "checked": ["5 rows of message", "41 rows of hit"], "ok": true });
        assert_eq!(rows_of_hit(&verified), Some(41));
        assert_eq!(rows_of_hit(&json!({ "checked": [] })), None);
    }
}
