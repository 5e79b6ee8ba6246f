//! The transport of an account: its mail server, or the practice outbox with its list of kept mails.

use super::engine::Engine;
use crate::api::{AccountKind, Error, Result, Tag};
use crate::delivery::transport::Transport;
use crate::ids::AccountId;
use crate::mail::outbox::{Kept, OutboxTransport, Shelf};
use crate::store::{Conn, Priority, account, outbox_mail};
use std::sync::{Arc, Weak};

/// Returns a transport of the account, not yet connected.
///
/// Fails with a sentence where the account does not exist or its password is gone.
pub(crate) fn transport_for(engine: &Arc<Engine>, account: AccountId) -> Result<Box<dyn Transport>> {
    let account = engine
        .read(|conn| Ok(account::find(conn, account)?))?
        .ok_or_else(|| Error::not_found("account", account))?;
    match account.kind {
        AccountKind::Outbox => Ok(Box::new(OutboxTransport::new(
            engine.workspace.dir().to_owned(),
            Box::new(Notes(Arc::downgrade(engine))),
        ))),
        AccountKind::Smtp => super::login::smtp_transport(engine, &account),
    }
}

/// The outbox's list, kept in the database.
struct Notes(Weak<Engine>);

impl Shelf for Notes {
    fn keep(&self, mail: Kept) -> std::result::Result<(), String> {
        let Some(engine) = self.0.upgrade() else {
            return Err("the workspace is closed".into());
        };
        let now = engine.clock.now();
        let of_ledger = mail.message.is_some();
        let row = outbox_mail::NewOutboxMail {
            to: mail.to,
            subject: mail.subject,
            path: mail.path,
            campaign: mail.campaign,
            message: mail.message,
            test: mail.test,
        };
        let add = move |conn: &Conn| outbox_mail::add(conn, now, &row);
        let announcer = engine.clone();
        if of_ledger {
            // The row of the ledger that says "accepted" is queued behind this one, in the same class: they are
            // committed together, or this one first.
            engine
                .db
                .submit(Priority::Sending, add, move |result| match result {
                    Ok(_) => announcer.announce(&[Tag::Outbox]),
                    Err(error) => tracing::error!(%error, "a mail lies in the outbox and is not listed"),
                });
            return Ok(());
        }
        engine
            .db
            .write(Priority::Sending, add)
            .map_err(|error| error.to_string())?;
        engine.announce(&[Tag::Outbox]);
        Ok(())
    }
}
