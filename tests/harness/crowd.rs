//! A campaign that was sent to many, and what the workspace says of each of them, asked by its own commands.

use super::ctl::Ctl;
use super::mime::Mail;
use super::raw::{Heard, exchange, get, post};
use super::{PATIENCE, http, readers, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Somebody who got the mail.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The address.
    pub email: String,
    /// The path of the mail's picture.
    pub pixel: String,
    /// The path of its page.
    pub page: String,
}

impl Reader {
    /// Returns an address of the reader's own (RFC 2544): one source may not ask for all of them.
    fn address(&self) -> String {
        let number: u32 = self
            .email
            .bytes()
            .filter(u8::is_ascii_digit)
            .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        format!("198.18.{}.{}", number / 250 % 250, number % 250 + 1)
    }
}

/// What a reader does, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Looks at the mail.
    Open,
    /// Ends recording by the page's button.
    OptOut,
    /// Unsubscribes by the mail provider's button (RFC 8058).
    Unsubscribe,
}

impl Deed {
    /// Returns what the reader number `index` does: one in ten opts out, one in ten unsubscribes.
    pub fn of(index: usize) -> Self {
        match index % 10 {
            3 => Self::OptOut,
            7 => Self::Unsubscribe,
            _ => Self::Open,
        }
    }

    /// Does it at `peer`, which is behind the proxy, and returns what came back.
    pub fn ask(self, reader: &Reader, peer: &str) -> Heard {
        let address = reader.address();
        let headers = [
            (readers::CLIENT_HEADER, &*address),
            ("User-Agent", readers::IPHONE),
        ];
        let request = match self {
            Self::Open => get(&reader.pixel, &headers),
            Self::OptOut => post(&reader.page, &headers, "action=stop_tracking"),
            Self::Unsubscribe => post(&reader.page, &headers, "List-Unsubscribe=One-Click"),
        };
        exchange(peer, request, PATIENCE)
    }
}

/// The campaign and its readers.
pub struct Crowd {
    /// The workspace.
    pub ctl: Ctl,
    /// The campaign's id.
    pub campaign: String,
    /// Everyone who got a mail, by address.
    pub readers: Vec<Reader>,
}

impl Crowd {
    /// Sends a campaign to `people` by the practice outbox; all of them agreed to be tracked.
    pub fn of(people: usize) -> Self {
        Self::with(people, json!({ "days": 30 }))
    }

    /// As [`Self::of`], with another window.
    pub fn with(people: usize, window: Value) -> Self {
        let ctl = Ctl::new();
        let rows: String = (0..people)
            .map(|index| format!("reader{index:05}@readers.test\n"))
            .collect();
        let file = ctl.file("members.csv", format!("email\n{rows}"));
        let mut import = vec!["import", file.to_str().expect("ASCII"), "--list", "Members"];
        import.extend(["--consent", "granted", "--consent-source", "form"]);
        import.extend(["--consent-wording", "You may."]);
        ctl.ok(import);
        ctl.call(
            "settings_update",
            json!({ "unknown_policy": "none", "organisation": "Harbour Club", "postal_address": "3 Quay Street" }),
        );
        let from = "Harbour <news@harbour.test>";
        ctl.ok(["account", "add-outbox", "--name", "Outbox", "--from", from]);
        // Requests are sent by path: nobody listens at that port.
        ctl.ok(["address", "set", "http://127.0.0.1:9", "--local"]);
        let mut crowd = Self {
            ctl,
            campaign: String::new(),
            readers: Vec::new(),
        };
        (crowd.campaign, crowd.readers) = crowd.send(&window);
        assert_eq!(crowd.readers.len(), people, "everyone gets a mail");
        crowd
    }

    /// Sends one more campaign to everybody; returns its id and its readers.
    pub fn send(&self, window: &Value) -> (String, Vec<Reader>) {
        let ctl = &self.ctl;
        let campaign = ctl.create(&json!({
            "name": "Spring", "subject": "Spring", "account": "Outbox", "audience": { "include": ["Members"] },
            "markdown": "The ice is gone.\n", "window": window,
        }));
        let id = campaign.to_string();
        ctl.ok(["campaign", "launch", &id, "--yes"]);
        ctl.ok(["send", "--campaign", &id]);
        let outbox = ctl.workspace().join("outbox").join(&id);
        let mut readers: Vec<Reader> = std::fs::read_dir(&outbox)
            .expect("an outbox has a folder for each campaign")
            .flatten()
            .map(|entry| reader(&entry.path()))
            .collect();
        readers.sort_by(|a, b| a.email.cmp(&b.email));
        (id, readers)
    }

    /// Waits until the closed workspace is one file, and returns it.
    pub fn one_file(&self) -> PathBuf {
        let path = self.ctl.workspace().join("casement.db");
        until("a closed workspace should be one file", || {
            self.ctl.ok(["contacts", "list", "--limit", "1"]);
            (!path.with_extension("db-wal").exists()).then_some(())
        });
        path
    }

    /// Moves the workspace, without the mails that were sent, to another folder.
    pub fn moved_to(mut self, workspace: PathBuf) -> Self {
        let from = self.one_file();
        std::fs::create_dir(&workspace).expect("a new folder");
        std::fs::copy(&from, workspace.join("casement.db")).expect("the new place has room for it");
        self.ctl = self.ctl.with_workspace(workspace);
        self
    }

    /// Returns who did `deed`, by what the workspace says.
    pub fn who_did(&self, deed: Deed) -> BTreeSet<String> {
        match deed {
            Deed::Open => {
                let request = json!({ "id": self.campaign_id(), "filter": "human" });
                emails(&self.pages("report_recipients", "recipients", request))
            }
            Deed::OptOut => {
                let request = json!({ "consent": "refused" });
                emails(&self.pages("contact_list", "contacts", request))
            }
            Deed::Unsubscribe => {
                let all = self.pages("contact_list", "contacts", json!({}));
                emails(
                    &all.into_iter()
                        .filter(|row| !row["suppressed"].is_null())
                        .collect::<Vec<_>>(),
                )
            }
        }
    }

    /// Returns how many hits are stored; fails where `verify` finds something wrong.
    pub fn hits(&self) -> usize {
        let verified = self.ctl.ok(["verify"]);
        assert_eq!(verified["ok"], true, "nothing may be broken: {verified}");
        verified["checked"]
            .as_array()
            .and_then(|all| {
                all.iter()
                    .find_map(|line| line.as_str()?.strip_suffix(" rows of hit"))
            })
            .and_then(|n| n.parse().ok())
            .unwrap_or_else(|| panic!("verify counts hits: {verified}"))
    }

    fn campaign_id(&self) -> i64 {
        self.campaign.parse().expect("an id is a number")
    }

    /// Asks for every page of a list.
    fn pages(&self, command: &str, list: &str, mut request: Value) -> Vec<Value> {
        let mut rows = Vec::new();
        loop {
            request["limit"] = json!(500);
            request["offset"] = json!(rows.len());
            let page = self.ctl.call(command, request.clone());
            let found = page[list].as_array().expect("a list").clone();
            if found.is_empty() {
                return rows;
            }
            rows.extend(found);
        }
    }
}

fn emails(rows: &[Value]) -> BTreeSet<String> {
    rows.iter()
        .filter_map(|row| row["email"].as_str())
        .map(str::to_owned)
        .collect()
}

fn reader(mail: &Path) -> Reader {
    let mail = Mail::read(&std::fs::read(mail).expect("the outbox can be read"));
    let page = mail.unsubscribe_addresses().remove(0);
    Reader {
        email: mail.must("To").trim_matches(['<', '>']).to_owned(),
        pixel: format!("/o/{}.gif", mail.pixel_token().expect("everyone may be tracked")),
        page: http::split_url(&page).1.to_owned(),
    }
}
