//! The port through which mails leave; `mail::smtp` and `mail::outbox` are its adapters.
//!
//! Its errors say what the ledger must know: whose fault it was, and whether the mail may have left.

use crate::domain::text_enum;
use crate::ids::{CampaignId, MessageId};

/// A finished mail on its way out.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingMail<'a> {
    /// The envelope's sender.
    pub from: &'a str,
    /// The envelope's only recipient.
    pub to: &'a str,
    /// The finished mail, with CRLF line ends.
    pub bytes: &'a [u8],
    /// The row of the ledger; `None` for test mails and copies of what is held.
    pub message: Option<MessageId>,
    /// The campaign.
    pub campaign: Option<CampaignId>,
    /// The subject, decoded, for lists of mails.
    pub subject: &'a str,
    /// A test mail: never tracked.
    pub test: bool,
}

/// The server took the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its words, cleaned by [`clean_reply`].
    pub reply: String,
}

text_enum! {
    /// Whose fault an error is.
    ErrorKind {
        /// The recipient's address or mailbox.
        Recipient = "recipient",
        /// The account: the sender's address, a right to send.
        Account = "account",
        /// The account's limit of mails.
        Quota = "quota",
        /// The login.
        Auth = "auth",
        /// The connection, DNS, TLS, or a server that closes.
        Network = "network",
        /// This mail: its size or content.
        Message = "message",
    }
}

impl ErrorKind {
    /// Tells whether every other mail of the account would meet the same error.
    pub fn is_account_side(self) -> bool {
        matches!(self, Self::Account | Self::Quota | Self::Auth | Self::Network)
    }
}

/// How far the dialogue was when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// No connection or no login: the mail was not begun.
    Connecting,
    /// The end of the mail was not written: it cannot have left.
    BeforeBody,
    /// The end of the mail was written. Without a reply nobody knows whether it left.
    AfterBody,
}

/// Why a mail was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reply}")]
pub struct DeliveryError {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// How far the dialogue was.
    pub stage: Stage,
    /// The server's reply code; `None` where it gave no reply.
    pub code: Option<u16>,
    /// The server's words, or what happened instead; cleaned by [`clean_reply`].
    pub reply: String,
}

impl DeliveryError {
    /// Tells whether the mail may have been taken all the same: it ended, and no reply came.
    pub fn is_uncertain(&self) -> bool {
        self.stage == Stage::AfterBody && self.code.is_none()
    }

    /// Tells whether the server refused for good (5xx).
    pub fn is_permanent(&self) -> bool {
        self.code.is_some_and(|code| code >= 500)
    }
}

/// Hands mails over, one after the other, and keeps its connection between them.
pub trait Transport: Send {
    /// Hands over one mail and returns the server's words.
    fn deliver(&mut self, mail: &OutgoingMail<'_>) -> Result<Accepted, DeliveryError>;

    /// Takes what was said to the server and by it since the last mail was begun, for its timeline: lines that begin
    /// with `>` or `<`, without secrets and without the mail. Empty where nothing is said.
    fn take_dialogue(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Ends the connection politely; the next delivery makes a new one.
    fn close(&mut self);
}

/// Returns `text` as the ledger keeps a server's words: no control characters, at most 1,000 characters.
pub fn clean_reply(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        let character = if character.is_control() { ' ' } else { character };
        if character == ' ' && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        out.push(character);
    }
    out.chars().take(1000).collect::<String>().trim_end().to_owned()
}

/// Returns a server's words without the addresses in them, for what is kept of an account or a campaign: they often
/// name the recipient, and nothing but that person's own rows may.
pub fn without_addresses(reply: &str) -> String {
    reply
        .split(' ')
        .map(|word| if word.contains('@') { "(an address)" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_kept_without_control_characters_and_not_for_ever() {
        assert_eq!(
            clean_reply("250 2.0.0 \u{1b}[31mOk\r\nqueued\0as 1\r\n"),
            "250 2.0.0 [31mOk queued as 1"
        );
        assert_eq!(clean_reply(&"x".repeat(5000)).chars().count(), 1000);
    }

    #[test]
    fn words_that_are_kept_of_an_account_name_nobody() {
        assert_eq!(
            without_addresses("450 4.2.1 <ana@example.org>: The user ana@example.org receives mail too fast"),
            "450 4.2.1 (an address) The user (an address) receives mail too fast"
        );
        assert_eq!(
            without_addresses("421 4.3.2 Shutting down"),
            "421 4.3.2 Shutting down"
        );
    }

    #[test]
    fn only_silence_after_the_end_is_uncertain() {
        let error = |stage, code| DeliveryError {
            kind: ErrorKind::Network,
            stage,
            code,
            reply: String::new(),
        };
        assert!(error(Stage::AfterBody, None).is_uncertain());
        assert!(
            !error(Stage::AfterBody, Some(451)).is_uncertain(),
            "a reply says what happened"
        );
        assert!(
            !error(Stage::BeforeBody, None).is_uncertain(),
            "the mail had not ended, so no server took it"
        );
    }
}
