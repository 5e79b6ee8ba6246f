//! The embedded outbox: writes each mail as a file into the workspace instead of sending it, so that the whole
//! app works before anyone has an account. [`read`] takes such a file apart again.

pub mod read;

use crate::delivery::transport::{Accepted, DeliveryError, ErrorKind, OutgoingMail, Stage, Transport};
use crate::ids::{CampaignId, MessageId};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A mail that lies in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its file, relative to the workspace, with `/`.
    pub path: String,
    /// Its campaign.
    pub campaign: Option<CampaignId>,
    /// Its row in the ledger.
    pub message: Option<MessageId>,
    /// A test mail.
    pub test: bool,
}

/// Takes note of mails that lie in the outbox, so that they can be listed.
pub trait Shelf: Send {
    /// Notes one; the error is a sentence.
    ///
    /// For a mail of the ledger the note need not be on disk when this returns, but must be no later than any
    /// write that is queued afterwards.
    fn keep(&self, mail: Kept) -> Result<(), String>;
}

/// Hands mails over by writing files.
pub struct OutboxTransport {
    workspace: PathBuf,
    shelf: Box<dyn Shelf>,
}

impl OutboxTransport {
    /// Returns a transport into the folder `outbox` of `workspace`.
    pub fn new(workspace: PathBuf, shelf: Box<dyn Shelf>) -> Self {
        Self { workspace, shelf }
    }
}

/// Returns a mail's file: the same for the same mail, so that a repeated hand-over makes no second one.
fn path(mail: &OutgoingMail<'_>) -> String {
    match (mail.campaign, mail.message) {
        (Some(campaign), Some(message)) => format!("outbox/{campaign}/{message}.eml"),
        _ => format!(
            "outbox/{}/{}.eml",
            if mail.test { "tests" } else { "other" },
            &blake3::hash(mail.bytes).to_hex().as_str()[..16]
        ),
    }
}

impl Transport for OutboxTransport {
    fn deliver(&mut self, mail: &OutgoingMail<'_>) -> Result<Accepted, DeliveryError> {
        let relative = path(mail);
        let failed = |reply: String| DeliveryError {
            kind: ErrorKind::Network,
            stage: Stage::Connecting,
            code: None,
            reply,
        };
        write(&self.workspace.join(&relative), mail.bytes)
            .map_err(|error| failed(format!("cannot write {relative} in the workspace: {error}")))?;
        self.shelf
            .keep(Kept {
                to: mail.to.to_owned(),
                subject: mail.subject.to_owned(),
                path: relative.clone(),
                campaign: mail.campaign,
                message: mail.message,
                test: mail.test,
            })
            .map_err(failed)?;
        Ok(Accepted {
            reply: format!("250 kept in {relative}"),
        })
    }

    fn close(&mut self) {}
}

/// Writes beside and renames, so that no half mail is ever seen; on disk before it counts as sent.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_folder(folder)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    struct List(Arc<Mutex<Vec<Kept>>>);

    impl Shelf for List {
        fn keep(&self, mail: Kept) -> Result<(), String> {
            self.0.lock().unwrap().push(mail);
            Ok(())
        }
    }

    fn mail(bytes: &[u8]) -> OutgoingMail<'_> {
        OutgoingMail {
            from: "a@example.org",
            to: "b@example.org",
            bytes,
            message: Some(MessageId(7)),
            campaign: Some(CampaignId(3)),
            subject: "Hello",
            test: false,
        }
    }

    #[test]
    fn a_mail_becomes_one_file_however_often_it_is_handed_over() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Arc::<Mutex<Vec<Kept>>>::default();
        let mut transport = OutboxTransport::new(dir.path().to_owned(), Box::new(List(kept.clone())));
        transport.deliver(&mail(b"one")).unwrap();
        transport.deliver(&mail(b"two")).unwrap();
        assert_eq!(fs::read(dir.path().join("outbox/3/7.eml")).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path().join("outbox/3")).unwrap().count(), 1);
        assert_eq!(kept.lock().unwrap()[1].path, "outbox/3/7.eml");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_written_is_no_sent_mail() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("outbox"), b"a file in the way").unwrap();
        let mut transport = OutboxTransport::new(dir.path().to_owned(), Box::new(List(Arc::default())));
        let error = transport.deliver(&mail(b"one")).unwrap_err();
        assert_eq!(error.stage, Stage::Connecting, "{error}: it may be tried again");
    }
}
