//! What comes back by mail, from files that the user brings: read in a job, and answered row by row.
//!
//! Nobody checks who wrote such a mail. So a bounce counts only for a mail or a person of this workspace, and a wish to
//! unsubscribe only with the token of a mail of ours, whoever sends it.

use super::engine::Engine;
use super::tracking;
use crate::api::{
    ActivityKind, Error, IncomingKind, IncomingResult, IncomingRow, IncomingRun, JobStarted, PastedKind,
    Result, Tag,
};
use crate::audience::address::address_hash;
use crate::clock::Instant;
use crate::domain::contact::{EmailAddress, SuppressionKind};
use crate::engine::jobs::Progress;
use crate::ids::{CampaignId, ContactId, MessageId};
use crate::incoming::{self, Bounce, Found, Original, Status, mbox, pasted};
use crate::store::activity::{self, NewActivity};
use crate::store::incoming::{self as ledger, Sent};
use crate::store::suppression::{self, NewSuppression};
use crate::store::{self, Conn, Priority, contact, preference, setting, test_token};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

/// Files of one run, at most.
const MAX_FILES: usize = 100;
/// Largest file, in bytes.
const MAX_FILE: u64 = 128 << 20;
/// Answers that one commit may hold.
const CHUNK: usize = 100;
/// Answers that are returned; the others are counted.
const ROWS: usize = 1_000;

/// Starts a run. Files that cannot be read at all are refused at once; what stands in them is answered in the job.
pub fn run(engine: &Arc<Engine>, request: IncomingRun) -> Result<JobStarted> {
    if request.paths.len() > MAX_FILES {
        return Err(Error::field(
            "paths",
            format!(
                "{} files at once are too many; take at most {MAX_FILES}.",
                request.paths.len()
            ),
        ));
    }
    if request.text.len() > pasted::MAX_TEXT {
        return Err(Error::field(
            "text",
            "The text is larger than 5 MiB. Paste it in parts.",
        ));
    }
    if request.paths.is_empty() && request.text.trim().is_empty() {
        return Err(Error::invalid("Bring a file with mails, or paste addresses."));
    }
    let mut files = Vec::new();
    for path in &request.paths {
        files.push(open(Path::new(path))?);
    }
    let title = if request.dry_run {
        "Reading what came back"
    } else {
        "Doing what came back asks for"
    };
    let job = engine.jobs.start(title.to_owned(), {
        let engine = engine.clone();
        move |progress| Run::new(engine, request)?.whole(files, progress)
    });
    Ok(JobStarted { job })
}

/// A file to be read.
struct Opened {
    name: String,
    file: File,
    is_mailbox: bool,
}

fn open(path: &Path) -> Result<Opened> {
    let failed = |error: std::io::Error| {
        Error::field(
            "paths",
            format!("Cannot read {}: {error}. Choose another file.", path.display()),
        )
    };
    let mut file = File::open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(Error::field(
            "paths",
            format!(
                "{} is no file. Choose mails that were saved as files (.eml or .mbox).",
                path.display()
            ),
        ));
    }
    if facts.len() > MAX_FILE {
        return Err(Error::field(
            "paths",
            format!(
                "{} is larger than {} MiB. Split the mailbox.",
                path.display(),
                MAX_FILE >> 20
            ),
        ));
    }
    let mut start = Vec::new();
    file.by_ref().take(5).read_to_end(&mut start).map_err(failed)?;
    file.rewind().map_err(failed)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Ok(Opened {
        name: name
            .chars()
            .filter(|letter| !letter.is_control())
            .take(120)
            .collect(),
        is_mailbox: mbox::is_mailbox(&start),
        file,
    })
}

/// Something that was read, and where.
#[derive(Debug, Clone)]
struct Item {
    place: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Line(std::result::Result<EmailAddress, String>),
    Mail(Found),
}

/// What holds for every row of a run.
#[derive(Clone)]
struct Rules {
    key: [u8; 32],
    at: Instant,
    text_is: PastedKind,
    only_unsubscribes: bool,
    dry_run: bool,
}

struct Run {
    engine: Arc<Engine>,
    rules: Rules,
    text: String,
    /// What earlier rows of the run did: with it a dry run counts as the real one does.
    done: HashSet<(Vec<u8>, IncomingKind)>,
    /// The Message-IDs of the campaigns that bounces spoke of without a token.
    known_ids: HashMap<i64, HashMap<String, MessageId>>,
    chunk: Vec<Item>,
    result: IncomingResult,
}

impl Run {
    fn new(engine: Arc<Engine>, request: IncomingRun) -> Result<Self> {
        let rules = Rules {
            key: engine.read(|conn| Ok(setting::workspace_key(conn)?))?,
            at: engine.clock.now(),
            text_is: request.text_is,
            only_unsubscribes: request.only_unsubscribes,
            dry_run: request.dry_run,
        };
        Ok(Self {
            result: IncomingResult {
                read: 0,
                counts: BTreeMap::new(),
                rows: Vec::new(),
                dry_run: rules.dry_run,
            },
            engine,
            rules,
            text: request.text,
            done: HashSet::new(),
            known_ids: HashMap::new(),
            chunk: Vec::new(),
        })
    }

    fn whole(mut self, files: Vec<Opened>, progress: &Progress) -> Result<IncomingResult> {
        let text = std::mem::take(&mut self.text);
        for line in pasted::read(&text) {
            self.take(
                format!("line {}", line.number),
                vec![What::Line(line.address)],
                progress,
            )?;
        }
        for opened in files {
            self.file(opened, progress)?;
        }
        self.keep(progress)?;
        if !self.rules.dry_run {
            self.tell()?;
        }
        Ok(self.result)
    }

    fn file(&mut self, opened: Opened, progress: &Progress) -> Result<()> {
        let Opened {
            name,
            file,
            is_mailbox,
        } = opened;
        let failed = |error: std::io::Error| {
            Error::field(
                "paths",
                format!("{name} can no longer be read: {error}. Run it again."),
            )
        };
        // What grows while it is read is not read for ever.
        let reader = BufReader::new(file.take(MAX_FILE));
        if !is_mailbox {
            let mut bytes = Vec::new();
            let mut reader = reader.take(incoming::MAX_MAIL as u64 + 1);
            reader.read_to_end(&mut bytes).map_err(failed)?;
            return self.mail(name, &bytes, progress);
        }
        for (index, mail) in mbox::mails(reader).enumerate() {
            if index >= mbox::MAX_MAILS {
                let why = "The mailbox holds more than 50,000 mails; the others were not read. Split it.";
                let rest = vec![What::Mail(Found::NotUnderstood(why))];
                return self.take(format!("{name}, mail {}", index + 1), rest, progress);
            }
            let bytes = mail.map_err(failed)?;
            self.mail(format!("{name}, mail {}", index + 1), &bytes, progress)?;
        }
        Ok(())
    }

    fn mail(&mut self, place: String, bytes: &[u8], progress: &Progress) -> Result<()> {
        let found = incoming::read(bytes).into_iter().map(What::Mail).collect();
        self.take(place, found, progress)
    }

    fn take(&mut self, place: String, found: Vec<What>, progress: &Progress) -> Result<()> {
        self.result.read += 1;
        for what in found {
            self.chunk.push(Item {
                place: place.clone(),
                what,
            });
            if self.chunk.len() >= CHUNK {
                self.keep(progress)?;
            }
        }
        Ok(())
    }

    /// Answers what was gathered, in one commit.
    fn keep(&mut self, progress: &Progress) -> Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        self.look_up_ids(&chunk)?;
        let rules = self.rules.clone();
        let mut desk = Desk {
            rules: self.rules.clone(),
            done: std::mem::take(&mut self.done),
            known_ids: std::mem::take(&mut self.known_ids),
        };
        let (rows, desk) = if rules.dry_run {
            self.engine.read(|conn| {
                let rows = desk.all(conn, &chunk)?;
                Ok((rows, desk))
            })?
        } else {
            self.engine.db.write(Priority::Bulk, move |conn| -> Result<_> {
                let rows = desk.all(conn, &chunk)?;
                Ok((rows, desk))
            })?
        };
        self.done = desk.done;
        self.known_ids = desk.known_ids;
        for row in rows {
            *self.result.counts.entry(row.kind).or_default() += 1;
            if self.result.rows.len() < ROWS {
                self.result.rows.push(row);
            }
        }
        if !rules.dry_run {
            self.engine
                .announce(&[Tag::Contacts, Tag::Opens, Tag::Campaigns, Tag::Activity]);
        }
        progress.step(u64::from(self.result.read), None)
    }

    /// Reads the Message-IDs of campaigns that are spoken of, each once, outside of any commit.
    fn look_up_ids(&mut self, chunk: &[Item]) -> Result<()> {
        for item in chunk {
            let (What::Mail(Found::Bounce(Bounce { original, .. }))
            | What::Mail(Found::Complaint { original, .. })) = &item.what
            else {
                continue;
            };
            if !original.tokens.is_empty() {
                continue;
            }
            for (campaign, _) in &original.ids {
                if !self.known_ids.contains_key(campaign) {
                    let found = self
                        .engine
                        .read(|conn| Ok(ledger::by_message_id(conn, CampaignId(*campaign))?))?;
                    self.known_ids.insert(*campaign, found);
                }
            }
        }
        Ok(())
    }

    /// Adds a line to the feed.
    fn tell(&self) -> Result<()> {
        use IncomingKind::{Bounced, Complained, Unsubscribed};
        let parts: Vec<String> = [
            (Bounced, "bounced"),
            (Unsubscribed, "unsubscribed"),
            (Complained, "reported a mail as unwanted"),
        ]
        .into_iter()
        .filter_map(|(kind, words)| self.result.counts.get(&kind).map(|n| format!("{n} {words}")))
        .collect();
        if parts.is_empty() {
            return Ok(());
        }
        let text = format!("What came back was read: {}", parts.join(", "));
        let at = self.rules.at;
        self.engine.write(&[Tag::Activity], move |conn| {
            let line = NewActivity::new(ActivityKind::Contacts, text);
            Ok(activity::add(conn, at, &line)?)
        })
    }
}

/// Answers rows inside a transaction.
struct Desk {
    rules: Rules,
    done: HashSet<(Vec<u8>, IncomingKind)>,
    known_ids: HashMap<i64, HashMap<String, MessageId>>,
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
    fn all(&mut self, conn: &Conn, chunk: &[Item]) -> Result<Vec<IncomingRow>> {
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

    fn unsubscribe(&mut self, conn: &Conn, token: &crate::tracking::token::Token) -> Result<Answer> {
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

#[cfg(test)]
mod tests;
