//! What was said to a mail server and by it, without secrets and without mails.
//!
//! Kept for whoever has to find out why a mail did not arrive. Credentials never come into it: of AUTH only the
//! mechanism is noted, and of everything that is said up to its end only that something was. What the server repeats of
//! them is taken out of its replies.

use super::END;
use crate::delivery::transport::clean_reply;
use crate::domain::number::grouped;
use crate::secrets::Secret;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// The last so many lines are kept.
const LINES: usize = 200;
/// Characters of a line.
const LINE: usize = 500;
const HIDDEN: &str = "(not kept)";
/// A reply that has so many bytes in a row of a credential repeats it; of a shorter one, all of it.
const RUN: usize = 12;
/// A word of so many bytes that stands in a credential as it was said repeats it: base64 has none by chance.
const WORD: usize = 4;

/// What the next words of ours are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Next {
    #[default]
    Command,
    /// An answer to a challenge.
    Secret,
    /// A mail.
    Body,
}

#[derive(Debug, Default)]
struct Notes {
    lines: VecDeque<String>,
    next: Next,
    was_data: bool,
    body_bytes: usize,
    /// What was logged in with.
    credentials: Vec<Credential>,
}

/// A line of a login, in lower case: servers repeat commands as they please.
#[derive(Debug)]
struct Credential {
    /// As it was said, in base64 mostly.
    said: Secret,
    /// What that stands for: a password, a token. Empty where it is no base64.
    meant: Secret,
}

impl Credential {
    fn of(line: &str) -> Self {
        let said = line.trim();
        let decoded = data_encoding::BASE64.decode(said.as_bytes()).unwrap_or_default();
        // PLAIN is user and password after a zero byte each (RFC 4616 §2), XOAUTH2 user and token before a 1 each.
        let mut parts = decoded.rsplit(|byte| *byte < 2).filter(|part| !part.is_empty());
        let meant = String::from_utf8_lossy(parts.next().unwrap_or_default()).to_ascii_lowercase();
        Self {
            said: Secret::new(said.to_ascii_lowercase()),
            meant: Secret::new(meant.strip_prefix("auth=bearer ").unwrap_or(&meant)),
        }
    }

    /// Marks the bytes of `reply`, which is in lower case, that repeat it.
    fn mark(&self, reply: &[u8], marks: &mut [bool]) {
        for secret in [&self.said, &self.meant] {
            let secret = secret.reveal().as_bytes();
            let run = secret.len().min(RUN);
            if run < WORD {
                continue;
            }
            for (start, part) in reply.windows(run).enumerate() {
                if is_in(part, secret) {
                    marks[start..start + run].fill(true);
                }
            }
        }
    }

    /// Tells whether a word, in lower case, is one of it.
    fn has(&self, word: &str) -> bool {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let meant = self.meant.reveal();
        bare.len() >= WORD && self.said.reveal().contains(bare)
            || !meant.is_empty() && [bare, word].contains(&meant)
    }
}

fn is_in(part: &[u8], whole: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

/// The notes of a connection; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Talk(Arc<Mutex<Notes>>);

impl Notes {
    fn add(&mut self, line: &str) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.chars().take(LINE).collect());
    }

    /// Returns a reply without the words that repeat a credential.
    fn hushed(&self, reply: &str) -> String {
        if self.credentials.is_empty() {
            return reply.to_owned();
        }
        let low = reply.to_ascii_lowercase();
        let mut marks = vec![false; low.len()];
        for credential in &self.credentials {
            credential.mark(low.as_bytes(), &mut marks);
        }
        let mut start = 0;
        let words = reply.split(' ').map(|word| {
            let place = start..start + word.len();
            start = place.end + 1;
            let has = |credential: &Credential| credential.has(&low[place.clone()]);
            match marks[place.clone()].contains(&true) || self.credentials.iter().any(has) {
                true => HIDDEN,
                false => word,
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

impl Talk {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Notes what happened beside the words.
    pub(super) fn note(&self, what: &str) {
        self.notes().add(&format!("({what})"));
    }

    /// Begins anew with a connection: what is said next is a command.
    pub(super) fn connected(&self) {
        let mut notes = self.notes();
        (notes.next, notes.was_data, notes.body_bytes) = (Next::Command, false, 0);
        notes.credentials.clear();
    }

    /// Returns a reply to a login, or what is made of one, without the words that repeat what was logged in with.
    pub(super) fn hushed(&self, reply: &str) -> String {
        self.notes().hushed(reply)
    }

    /// Tells whether a mail is being said.
    pub(super) fn is_in_body(&self) -> bool {
        self.notes().next == Next::Body
    }

    /// Notes words of ours, as lettre writes them: a command, an answer, a mail or its end at a time.
    pub(super) fn said(&self, bytes: &[u8]) {
        let mut notes = self.notes();
        match notes.next {
            Next::Secret => {
                notes.add(&format!("> {HIDDEN}"));
                notes
                    .credentials
                    .push(Credential::of(&String::from_utf8_lossy(bytes)));
            }
            // A mail cannot hold that: a dot that begins a line of its own is doubled.
            Next::Body if bytes.ends_with(END.as_bytes()) => {
                let bytes = std::mem::take(&mut notes.body_bytes) + bytes.len() - END.len();
                notes.add(&format!("> … {} bytes", grouped(bytes as u64)));
            }
            Next::Body => notes.body_bytes += bytes.len(),
            Next::Command => {
                let text = clean_reply(&String::from_utf8_lossy(bytes));
                let mut words = text.split_ascii_whitespace();
                let verb = words.next().unwrap_or_default().to_ascii_uppercase();
                notes.was_data = verb == "DATA";
                match verb.as_str() {
                    "AUTH" => {
                        let mechanism = words.next().unwrap_or_default();
                        notes.add(&format!("> AUTH {mechanism} {HIDDEN}"));
                        let credentials = words.map(Credential::of).collect::<Vec<_>>();
                        notes.credentials.extend(credentials);
                    }
                    _ => {
                        notes.add(&format!("> {text}"));
                        if verb == "MAIL" {
                            // The login is over: no reply to it is to come.
                            notes.credentials.clear();
                        }
                    }
                }
            }
        }
    }

    /// Notes a line of the server's, and what is said next by it.
    pub(super) fn heard(&self, line: &str, is_last: bool) {
        let mut notes = self.notes();
        if line.starts_with("334") {
            notes.add(&format!("< 334 {HIDDEN}"));
        } else {
            let line = notes.hushed(&clean_reply(line));
            notes.add(&format!("< {line}"));
        }
        if is_last {
            notes.next = match line.as_bytes() {
                [b'3', b'3', b'4', ..] => Next::Secret,
                [b'3', ..] if notes.was_data => Next::Body,
                _ => Next::Command,
            };
            notes.was_data = false;
        }
    }

    /// Takes the lines out.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.notes().lines).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_replies_are_kept_and_neither_secrets_nor_mails_are() {
        let talk = Talk::default();
        talk.heard("220 peer ESMTP", true);
        talk.said(b"AUTH PLAIN AG5ld3MAc2VjcmV0\r\n");
        talk.heard("235 2.7.0 Ok", true);
        talk.said(b"auth login\r\n");
        talk.heard("334 VXNlcm5hbWU6", true);
        talk.said(b"bmV3cw==\r\n");
        talk.heard("334 UGFzc3dvcmQ6", true);
        talk.said(b"c2VjcmV0\r\n");
        talk.heard("535 5.7.8 \x1b[31mNo", true);
        talk.said(b"AUTH XOAUTH2 dXNlcj1uZXdzAWF1dGg9QmVhcmVyIHNlY3JldAEB\r\n");
        talk.heard("334 eyJzdGF0dXMiOiI0MDEifQ==", true);
        talk.said(b"\r\n");
        talk.heard("535 5.7.8 Bad token", true);
        talk.said(b"DATA\r\n");
        talk.heard("354 Go", true);
        talk.said(&[b'x'; 12_345]);
        talk.said(b"\r\n.\r\n");
        talk.heard("250-2.0.0 Ok", false);
        talk.heard("250 queued", true);
        talk.said(b"DATA\r\n");
        talk.heard("354 Go", true);
        talk.said(b"Subject: Hello\r\n\r\nin one piece\r\n.\r\n");
        talk.heard("250 queued", true);
        talk.said(b"RSET\r\n");
        assert_eq!(
            talk.take(),
            [
                "< 220 peer ESMTP",
                "> AUTH PLAIN (not kept)",
                "< 235 2.7.0 Ok",
                "> AUTH login (not kept)",
                "< 334 (not kept)",
                "> (not kept)",
                "< 334 (not kept)",
                "> (not kept)",
                "< 535 5.7.8 [31mNo",
                "> AUTH XOAUTH2 (not kept)",
                "< 334 (not kept)",
                "> (not kept)",
                "< 535 5.7.8 Bad token",
                "> DATA",
                "< 354 Go",
                "> … 12,345 bytes",
                "< 250-2.0.0 Ok",
                "< 250 queued",
                "> DATA",
                "< 354 Go",
                "> … 30 bytes",
                "< 250 queued",
                "> RSET",
            ]
        );
        assert!(talk.take().is_empty(), "what was taken is gone");
    }

    #[test]
    fn no_more_than_the_last_lines_are_kept_and_none_for_ever() {
        let talk = Talk::default();
        for n in 0..1000 {
            talk.heard(&format!("250-{n} {}", "x".repeat(900)), false);
        }
        let lines = talk.take();
        assert_eq!(lines.len(), LINES);
        assert!(lines[0].starts_with("< 250-800 "), "{}", lines[0]);
        assert!(lines.iter().all(|line| line.chars().count() <= LINE));
    }
}
