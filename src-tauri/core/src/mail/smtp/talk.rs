//! What was said to a mail server and by it, without secrets and without mails.
//!
//! Kept for whoever has to find out why a mail did not arrive. Credentials never come into it: of AUTH only the
//! mechanism is noted, and of everything that is said up to its end only that something was.

use super::END;
use crate::delivery::transport::clean_reply;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// The last so many lines are kept.
const LINES: usize = 200;
/// Characters of a line.
const LINE: usize = 500;
const HIDDEN: &str = "(not kept)";

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
    }

    /// Tells whether a mail is being said.
    pub(super) fn is_in_body(&self) -> bool {
        self.notes().next == Next::Body
    }

    /// Notes words of ours, as lettre writes them: a command, an answer, a mail or its end at a time.
    pub(super) fn said(&self, bytes: &[u8]) {
        let mut notes = self.notes();
        match notes.next {
            Next::Secret => notes.add(&format!("> {HIDDEN}")),
            // A mail cannot hold that: a dot that begins a line of its own is doubled.
            Next::Body if bytes.ends_with(END.as_bytes()) => {
                let bytes = std::mem::take(&mut notes.body_bytes) + bytes.len() - END.len();
                notes.add(&format!("> … {} bytes", thousands(bytes)));
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
                    }
                    _ => notes.add(&format!("> {text}")),
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
            notes.add(&format!("< {}", clean_reply(line)));
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

/// Writes `12,345`.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
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
