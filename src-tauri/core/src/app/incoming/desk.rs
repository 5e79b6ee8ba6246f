//! Answers what was read, row by row, inside a transaction: whose it is, whether it is news, and what is done.

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
    /// What earlier rows of the run did.
    pub(super) done: HashSet<(Vec<u8>, IncomingKind)>,
    /// The Message-IDs of campaigns that were spoken of.
    pub(super) known_ids: HashMap<i64, HashMap<String, MessageId>>,
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
        let present = suppression::get(conn, &hash)?;
        let is_news = match present {
            None => true,
            Some(present) => suppression::replaces(suppression, present) && present != suppression,
        };
        let answer = if !is_news || self.done.contains(&(hash.to_vec(), kind)) {
            let why = present.unwrap_or(suppression).describe("").to_lowercase();
            Answer::new(
                IncomingKind::Known,
                address.as_str(),
                format!("Gets no mail already: {why}."),
            )
        } else {
            let who = match contact {
                Some(_) => "Gets no more mail.",
                None => "Is none of your contacts, and gets no mail should it become one.",
            };
            Answer::new(kind, address.as_str(), who)
        };
        if answer.kind == kind {
            self.done.insert((hash.to_vec(), kind));
            self.suppress(conn, &hash, suppression, None)?;
        }
        Ok(Answer { contact, ..answer })
    }

    fn suppress(
        &self,
        conn: &Conn,
        hash: &[u8],
        kind: SuppressionKind,
        message: Option<MessageId>,
    ) -> store::Result<()> {
        if self.rules.dry_run {
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
        let was = ledger::sent(conn, reader.message)?.is_some_and(|sent| sent.unsubscribed);
        let seen = (reader.address_hash.clone(), kind);
        let is_known = was && reader.suppressed || self.done.contains(&seen);
        self.done.insert(seen);
        if !self.rules.dry_run {
            // Through the same door as the page: it is the same wish.
            tracking::unsubscribe(conn, &reader, self.rules.at)?;
        }
        let answer = if is_known {
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
    fn original(&self, conn: &Conn, original: &Original) -> Result<Option<Sent>> {
        let mut found = Vec::new();
        for token in &original.tokens {
            found.extend(ledger::by_token(conn, token)?);
        }
        for (campaign, hash) in &original.ids {
            found.extend(
                self.known_ids
                    .get(campaign)
                    .and_then(|known| known.get(hash))
                    .copied(),
            );
        }
        for id in found {
            if let Some(sent) = ledger::sent(conn, id)? {
                return Ok(Some(sent));
            }
        }
        Ok(None)
    }

    fn bounce(&mut self, conn: &Conn, bounce: &Bounce) -> Result<Answer> {
        let sent = self.original(conn, &bounce.original)?;
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
        let seen = (sent.message.0.to_be_bytes().to_vec(), kind);
        if sent.bounced || self.done.contains(&seen) {
            return Ok(
                Answer::new(IncomingKind::Known, &sent.email, "Was known to have come back.").of(&sent),
            );
        }
        self.done.insert(seen);
        self.done.insert((sent.address_hash.clone(), kind));
        self.suppress(
            conn,
            &sent.address_hash,
            SuppressionKind::Bounced,
            Some(sent.message),
        )?;
        self.mark(conn, &sent, &bounce.words)?;
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
        let seen = (sent.message.0.to_be_bytes().to_vec(), kind);
        if sent.bounced || !self.done.insert(seen) {
            return Ok(
                Answer::new(IncomingKind::Known, &sent.email, "Was known to have come back.").of(&sent),
            );
        }
        self.mark(conn, &sent, &bounce.words)?;
        Ok(Answer::new(kind, &sent.email, format!("{words}{said}")).of(&sent))
    }

    fn mark(&self, conn: &Conn, sent: &Sent, words: &str) -> store::Result<()> {
        if self.rules.dry_run {
            return Ok(());
        }
        ledger::mark_bounced(conn, sent, self.rules.at, words)
    }

    fn complaint(&mut self, conn: &Conn, recipient: &str, original: &Original) -> Result<Answer> {
        let kind = IncomingKind::Complained;
        let Some(sent) = self.original(conn, original)? else {
            let Ok(address) = recipient.parse::<EmailAddress>() else {
                return Ok(foreign(recipient));
            };
            let hash = address_hash(&self.rules.key, &address.key());
            if contact::by_email(conn, &address.key())?.is_none() && !ledger::was_mailed(conn, &hash)? {
                return Ok(foreign(recipient));
            }
            return self.address(conn, &address, kind, SuppressionKind::Complained);
        };
        let seen = (sent.message.0.to_be_bytes().to_vec(), kind);
        if sent.complained || !self.done.insert(seen) {
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
