//! Backups: saved to a file, looked into, brought back.

use super::data;
use crate::clock::Instant;
use crate::ids::JobId;

data! {
    /// Writes everything of the workspace but passwords into one file. Starts a job whose result is a [`BackupSaved`].
    pub struct BackupSave {
        /// The file; one that is there already is replaced once the new one is whole.
        pub path: String,
        /// The user goes on with it on another computer: sending stops here, and every campaign is paused.
        #[serde(default)]
        pub is_move: bool,
    }

    /// A backup that was written.
    pub struct BackupSaved {
        /// The file.
        pub path: String,
        /// Its size, in bytes.
        pub size: u64,
        /// What is in it.
        pub contents: BackupContents,
    }

    /// What a backup holds.
    pub struct BackupContents {
        /// Contacts.
        pub contacts: u32,
        /// Campaigns.
        pub campaigns: u32,
        /// Accounts, without their passwords.
        pub accounts: u32,
    }

    /// Asks for the copies that lie in the workspace itself, and when a backup was saved last.
    pub struct BackupList {}

    /// Copies on this computer.
    pub struct BackupListResponse {
        /// Newest first; none is older than 30 days.
        pub copies: Vec<BackupCopy>,
        /// When a backup was saved last; `None` where none ever was.
        pub saved_at: Option<Instant>,
    }

    /// A copy of the database in the workspace, made before a new version changed it or a backup replaced it.
    pub struct BackupCopy {
        /// The file.
        pub path: String,
        /// When it was made.
        pub made_at: Instant,
        /// Its size, in bytes.
        pub size: u64,
    }

    /// Looks into a backup, and at what would be lost by bringing it back. Changes nothing.
    pub struct BackupLook {
        /// The file: a backup, or one of the copies.
        pub path: String,
    }

    /// What a backup is, and what has happened here since it was made.
    pub struct BackupLookResponse {
        /// When it was made.
        pub made_at: Instant,
        /// What it holds.
        pub contents: BackupContents,
        /// It was made to go on at another computer.
        pub is_move: bool,
        /// What is here since; `None` where the workspace here cannot be read.
        pub here: Option<BackupHere>,
    }

    /// What is in this workspace and not in a backup.
    pub struct BackupHere {
        /// The backup is of this workspace, so that all it knows of mails goes over.
        pub is_same: bool,
        /// Nothing is here that could be lost.
        pub is_empty: bool,
        /// Contacts added since, or all where it is another workspace.
        pub contacts: u32,
        /// Campaigns written or changed since and not sent, or all.
        pub drafts: u32,
        /// Campaigns launched since, or all.
        pub launched: u32,
        /// Addresses that get no mail since, or all.
        pub suppressed: u32,
        /// People who refused to be tracked since, or all.
        pub refused: u32,
    }

    /// Puts a backup in the place of what is here, with everything that may not be lost taken over: who gets no mail, who
    /// refused, who was erased, and what was sent since. Starts a job; at its end [`super::Event::Reopen`] is told.
    pub struct BackupRestore {
        /// The file: a backup, or one of the copies.
        pub path: String,
    }

    /// A restoration that began.
    pub struct BackupRestoreResponse {
        /// Its job; `None` where the workspace could not be opened and the backup waits to take its place already.
        pub job: Option<JobId>,
    }
}
