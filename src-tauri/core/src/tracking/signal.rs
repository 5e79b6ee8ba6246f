//! A browser's DNT or GPC taken for a lasting refusal, where the workspace has chosen that. Off by default: absence
//! of a signal says nothing, and its presence at least that this one load is not to be recorded.

use crate::clock::Instant;
use crate::domain::open::HitClass;
use crate::store::hit::FoundMessage;
use crate::store::{Conn, Result, consent_event, setting};

/// The setting that turns it on.
pub const SETTING: &str = "signal_is_refusal";

/// Records a refusal for the reader of `message`, whose load at `at` asked not to be recorded, where the workspace has
/// chosen that and `class` is a person's: what a machine sends is not the reader's word.
///
/// Only the day is kept, and nothing of the load itself.
pub fn heed(conn: &Conn, message: &FoundMessage, class: HitClass, at: Instant) -> Result<()> {
    let Some(contact) = message.contact.filter(|_| class.is_human()) else {
        return Ok(());
    };
    if setting::get(conn, SETTING)? == Some(true) {
        consent_event::refuse_by_signal(conn, contact, at)?;
    }
    Ok(())
}
