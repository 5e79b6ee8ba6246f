//! Answers what was read, row by row, inside a transaction: whose it is, whether it is news, and what is done.

use super::named::Named;
use super::{Item, Rules, What};
use crate::api::{IncomingKind, IncomingRow, PastedKind, Result};
use crate::app::tracking;
use crate::audience::address::address_hash;
use crate::domain::contact::{EmailAddress, SuppressionKind};
use crate::ids::{ContactId, MessageId};
use crate::incoming::{Bounce, Found, Original, Status};
use crate::store::incoming::{self as ledger, Sent};
use crate::store::suppression::{self, NewSuppression};
use crate::store::{self, Conn, contact, preference, test_token};
use crate::tracking::token::Token;
use std::collections::{HashMap, HashSet};

/// Answers rows inside a transaction.
pub(super) struct Desk {
    pub(super) rules: Rules,
    pub(super) memory: Memory,
    /// Mails that the rows name by their Message-IDs.
    pub(super) named: Named,
}

/// What earlier rows of a run did: with it a dry run answers as the real one does.
#[derive(Default)]
pub(super) struct Memory {
    done: HashSet<(About, IncomingKind)>,
    /// Why addresses get no more mail since.
    said: HashMap<Vec<u8>, SuppressionKind>,
    /// Addresses that got mail until then.
    pub(super) stopped: u32,
}

/// What an answer holds for.
#[derive(PartialEq, Eq, Hash)]
enum About {
    Mail(MessageId),
    /// By its keyed hash.
    Address(Vec<u8>),
}

/// An answer without its place.
struct Answer {
    kind: IncomingKind,
    address: String,
    contact: Option<ContactId>,
    message: Option<MessageId>,
    sentence: String,
}

impl Answer {
    fn new(kind: IncomingKind, address: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self {
            kind,
            address: address.into(),
            contact: None,
            message: None,
            sentence: sentence.into(),
        }
    }

    fn of(self, sent: &Sent) -> Self {
        Self {
            contact: sent.contact,
            message: Some(sent.message),
            ..self
        }
    }
}

impl Desk {
    /// Answers items in their order, and does what they say unless it is a dry run.
    pub(super) fn all(&mut self, conn: &Conn, chunk: &[Item]) -> Result<Vec<IncomingRow>> {
        let mut rows = Vec::new();
        for item in chunk {
            let answer = match &item.what {
                What::Line(line) => self.line(conn, line)?,
                What::Mail(found) => self.found(conn, found)?,
            };
            rows.push(IncomingRow {
                place: item.place.clone(),
                kind: answer.kind,
                address: answer.address,
                contact: answer.contact,
                message: answer.message,
                sentence: answer.sentence,
            });
        }
        Ok(rows)
    }

    fn line(&mut self, conn: &Conn, line: &std::result::Result<EmailAddress, String>) -> Result<Answer> {
        let address = match line {
            Ok(address) => address,
            Err(text) => {
                return Ok(Answer::new(
                    IncomingKind::NotUnderstood,
                    text,
                    "There is no mail address in this line.",
                ));
            }
        };
        let (kind, suppression) = match self.rules.text_is {
            PastedKind::Bounced => (IncomingKind::Bounced, SuppressionKind::Bounced),
            PastedKind::Unsubscribed => (IncomingKind::Unsubscribed, SuppressionKind::Unsubscribed),
        };
        self.address(conn, address, kind, suppression)
    }

    /// Stops mail to an address that is about no mail of ours in particular.
    fn address(
        &mut self,
        conn: &Conn,
        address: &EmailAddress,
        kind: IncomingKind,
        suppression: SuppressionKind,
    ) -> Result<Answer> {
        let key = address.key();
        let hash = address_hash(&self.rules.key, &key);
        let contact = contact::by_email(conn, &key)?;
        let present = self.present(conn, &hash)?;
        let answer = match present {
            Some(present) if present == suppression || !suppression::replaces(suppression, present) => {
                let why = present.describe("").to_lowercase();
                Answer::new(
                    IncomingKind::Known,
                    address.as_str(),
                    format!("Gets no mail already: {why}."),
                )
            }
            _ => {
                let who = match contact {
                    Some(_) => "Gets no more mail.",
                    None => "Is none of your contacts, and gets no mail should it become one.",
                };
                self.memory.done.insert((About::Address(hash.to_vec()), kind));
                self.suppress(conn, &hash, suppression, None)?;
                Answer::new(kind, address.as_str(), who)
            }
        };
        Ok(Answer { contact, ..answer })
    }

    /// Returns why an address gets no mail, as far as the run has come.
    fn present(&self, conn: &Conn, hash: &[u8]) -> store::Result<Option<SuppressionKind>> {
        match self.memory.said.get(hash) {
            Some(said) => Ok(Some(*said)),
            None => suppression::get(conn, hash),
        }
    }

    /// Remembers why an address gets no more mail; tells whether that is to be written.
    fn say(&mut self, conn: &Conn, hash: &[u8], kind: SuppressionKind) -> store::Result<bool> {
        let present = self.present(conn, hash)?;
        if present.is_some_and(|present| !suppression::replaces(kind, present)) {
            return Ok(false);
        }
        self.memory.stopped += u32::from(present.is_none());
        self.memory.said.insert(hash.to_vec(), kind);
        Ok(!self.rules.dry_run)
    }

    fn suppress(
        &mut self,
        conn: &Conn,
        hash: &[u8],
        kind: SuppressionKind,
        message: Option<MessageId>,
    ) -> store::Result<()> {
        if !self.say(conn, hash, kind)? {
            return Ok(());
        }
        let new = NewSuppression {
            address_hash: hash,
            kind,
            reason: "",
            message,
        };
        suppression::add(conn, self.rules.at, &new)
    }

    fn found(&mut self, conn: &Conn, found: &Found) -> Result<Answer> {
        if self.rules.only_unsubscribes && !matches!(found, Found::Unsubscribe(_)) {
            return Ok(Answer::new(
                IncomingKind::NotUnderstood,
                "",
                "It is no wish to unsubscribe, and nothing else was asked for.",
            ));
        }
        match found {
            Found::NotUnderstood(why) => Ok(Answer::new(IncomingKind::NotUnderstood, "", *why)),
            Found::Unsubscribe(token) => self.unsubscribe(conn, token),
            Found::Bounce(bounce) => self.bounce(conn, bounce),
            Found::Complaint { recipient, original } => self.complaint(conn, recipient, original),
        }
    }

    fn unsubscribe(&mut self, conn: &Conn, token: &Token) -> Result<Answer> {
        let Some(reader) = preference::find(conn, token)? else {
            return Ok(if test_token::exists(conn, token)? {
                Answer::new(
                    IncomingKind::NotUnderstood,
                    "",
                    "It answers a test mail; there is nothing to do.",
                )
            } else {
                Answer::new(
                    IncomingKind::Foreign,
                    "",
                    "It answers a mail that this workspace did not send.",
                )
            });
        };
        let kind = IncomingKind::Unsubscribed;
        let was = ledger::sent(conn, reader.message)?.is_some_and(|sent| sent.unsubscribed)
            && self.present(conn, &reader.address_hash)?.is_some();
        let is_news = self
            .memory
            .done
            .insert((About::Address(reader.address_hash.clone()), kind));
        self.say(conn, &reader.address_hash, SuppressionKind::Unsubscribed)?;
        if !self.rules.dry_run {
            // Through the same door as the page: it is the same wish.
            tracking::unsubscribe(conn, &reader, self.rules.at)?;
        }
        let answer = if was || !is_news {
            Answer::new(IncomingKind::Known, &reader.email, "Had unsubscribed already.")
        } else {
            Answer::new(kind, &reader.email, "Wants no more mail, and gets none.")
        };
        Ok(Answer {
            contact: reader.contact,
            message: Some(reader.message),
            ..answer
        })
    }

    /// Finds the mail of ours that something is about: by its token, or else by its Message-ID.
    ///
    /// A mail that is only spoken of counts unless the report names somebody else: then it is about another mail, which
    /// quotes ours. A mail that came back itself counts for whom it went to: what was forwarded fails somewhere else.
    fn original(&self, conn: &Conn, original: &Original, recipient: &str) -> Result<Option<Sent>> {
        let mut found = Vec::new();
        for token in &original.tokens {
            found.extend(ledger::by_token(conn, token)?);
        }
        found.extend(original.ids.iter().filter_map(|id| self.named.get(id)).copied());
        let named = match recipient.parse::<EmailAddress>() {
            Ok(address) if !original.is_certain => Some(address_hash(&self.rules.key, &address.key())),
            _ => None,
        };
        for id in found {
            if let Some(sent) = ledger::sent(conn, id)?
                && named.is_none_or(|hash| sent.address_hash == hash)
            {
                return Ok(Some(sent));
            }
        }
        Ok(None)
    }

    fn bounce(&mut self, conn: &Conn, bounce: &Bounce) -> Result<Answer> {
        let sent = self.original(conn, &bounce.original, &bounce.recipient)?;
        let said = match bounce.words.as_str() {
            "" => String::new(),
            words => format!(" The server said: {words}"),
        };
        let (kind, sentence) = match bounce.status {
            Status::AddressGone => return self.gone(conn, bounce, sent),
            Status::MailRefused => return self.refused(conn, bounce, sent, &said),
            Status::Delayed => (
                IncomingKind::Delayed,
                "The mail was put off, or given up after a fault that may pass. Nothing was changed.",
            ),
            Status::Delivered => (
                IncomingKind::NotUnderstood,
                "The report says that the mail arrived; there is nothing to do.",
            ),
            Status::Unclear => (
                IncomingKind::NotUnderstood,
                "It is a bounce that does not say whether the address is no good. Read it yourself.",
            ),
        };
        let address = sent.as_ref().map_or(&bounce.recipient, |sent| &sent.email);
        let answer = Answer::new(kind, address, format!("{sentence}{said}"));
        Ok(match &sent {
            Some(sent) => answer.of(sent),
            None => answer,
        })
    }

    /// The address is no good.
    fn gone(&mut self, conn: &Conn, bounce: &Bounce, sent: Option<Sent>) -> Result<Answer> {
        let kind = IncomingKind::Bounced;
        let Some(sent) = sent else {
            // Of another mail of the user's: it counts where the person is one of theirs.
            let Ok(address) = bounce.recipient.parse::<EmailAddress>() else {
                return Ok(foreign(&bounce.recipient));
            };
            let hash = address_hash(&self.rules.key, &address.key());
            if contact::by_email(conn, &address.key())?.is_none() && !ledger::was_mailed(conn, &hash)? {
                return Ok(foreign(&bounce.recipient));
            }
            return self.address(conn, &address, kind, SuppressionKind::Bounced);
        };
        // A refusal before it said nothing of the address.
        if sent.gone || !self.memory.done.insert((About::Mail(sent.message), kind)) {
            return Ok(
                Answer::new(IncomingKind::Known, &sent.email, "Was known to have come back.").of(&sent),
            );
        }
        self.suppress(
            conn,
            &sent.address_hash,
            SuppressionKind::Bounced,
            Some(sent.message),
        )?;
        if !self.rules.dry_run {
            ledger::mark_gone(conn, &sent, self.rules.at, &bounce.words)?;
        }
        let said = match bounce.words.as_str() {
            "" => "Gets no more mail.".to_owned(),
            words => format!("Gets no more mail. The server said: {words}"),
        };
        Ok(Answer::new(kind, &sent.email, said).of(&sent))
    }

    /// The mail is to blame, not the address.
    fn refused(&mut self, conn: &Conn, bounce: &Bounce, sent: Option<Sent>, said: &str) -> Result<Answer> {
        let kind = IncomingKind::Refused;
        let words =
            "The mail was refused because of what it is or who sends it. The address still gets mail.";
        let Some(sent) = sent else {
            return Ok(Answer::new(kind, &bounce.recipient, format!("{words}{said}")));
        };
        let was = self
            .memory
            .done
            .contains(&(About::Mail(sent.message), IncomingKind::Bounced));
        if sent.bounced || was || !self.memory.done.insert((About::Mail(sent.message), kind)) {
            return Ok(
                Answer::new(IncomingKind::Known, &sent.email, "Was known to have come back.").of(&sent),
            );
        }
        if !self.rules.dry_run {
            ledger::mark_refused(conn, &sent, self.rules.at, &bounce.words)?;
        }
        Ok(Answer::new(kind, &sent.email, format!("{words}{said}")).of(&sent))
    }

    fn complaint(&mut self, conn: &Conn, recipient: &str, original: &Original) -> Result<Answer> {
        let kind = IncomingKind::Complained;
        let Some(sent) = self.original(conn, original, recipient)? else {
            let Ok(address) = recipient.parse::<EmailAddress>() else {
                return Ok(foreign(recipient));
            };
            let hash = address_hash(&self.rules.key, &address.key());
            if contact::by_email(conn, &address.key())?.is_none() && !ledger::was_mailed(conn, &hash)? {
                return Ok(foreign(recipient));
            }
            return self.address(conn, &address, kind, SuppressionKind::Complained);
        };
        if sent.complained || !self.memory.done.insert((About::Mail(sent.message), kind)) {
            return Ok(Answer::new(
                IncomingKind::Known,
                &sent.email,
                "Had reported this mail already.",
            )
            .of(&sent));
        }
        self.suppress(
            conn,
            &sent.address_hash,
            SuppressionKind::Complained,
            Some(sent.message),
        )?;
        if !self.rules.dry_run {
            ledger::mark_complained(conn, &sent, self.rules.at)?;
        }
        let answer = Answer::new(
            kind,
            &sent.email,
            "Reported a mail as unwanted, and gets no more.",
        );
        Ok(answer.of(&sent))
    }
}

fn foreign(address: &str) -> Answer {
    Answer::new(
        IncomingKind::Foreign,
        address,
        "It is about no mail and no contact of yours; nothing was changed.",
    )
}
