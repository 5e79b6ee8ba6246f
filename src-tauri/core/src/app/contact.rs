//! Contacts, lists, consent, suppression, erasure.

use super::engine::Engine;
use super::error::sentence;
use crate::api::{
    ActivityKind, Code, ContactConsentSet, ContactDetails, ContactErase, ContactEraseOpens,
    ContactEraseResponse, ContactExport, ContactExportResponse, ContactGet, ContactList, ContactListResponse,
    ContactSave, ContactSaved, ContactSuppress, Done, Error, ListList, ListListResponse, ListRemove,
    ListSave, ListSaved, Result, Tag,
};
use crate::audience::address::address_hash;
use crate::clock::Instant;
use crate::domain::consent::{ConsentState, ConsentWord};
use crate::domain::contact::{EmailAddress, Person, SuppressionKind, isolate};
use crate::domain::message::NotTrackedReason;
use crate::ids::{ContactId, ListId};
use crate::store::activity::{self, NewActivity};
use crate::store::contact::{self, Adding};
use crate::store::migrate::{self, BACKUP_DAYS};
use crate::store::suppression::{self, NewSuppression};
use crate::store::{Conn, Priority, consent_event, data_request, erasure, list, setting};
use std::path::Path;
use std::sync::Arc;

/// People erased in one commit: each may have hundreds of hits.
const ERASE_CHUNK: usize = 20;

/// Returns a page of contacts.
pub fn list(engine: &Arc<Engine>, request: ContactList) -> Result<ContactListResponse> {
    let (total, contacts) = engine.read(|conn| Ok(contact::page(conn, &request)?))?;
    Ok(ContactListResponse { total, contacts })
}

/// Returns one contact with all that is shown of it.
pub fn get(engine: &Arc<Engine>, request: ContactGet) -> Result<ContactDetails> {
    engine.read(|conn| contact::details(conn, request.id)?.ok_or_else(|| missing(request.id)))
}

fn missing(id: ContactId) -> Error {
    Error::not_found("contact", id)
}

/// Adds a contact or changes one.
pub fn save(engine: &Arc<Engine>, request: ContactSave) -> Result<ContactSaved> {
    let email: EmailAddress = request.email.parse()?;
    let person = Person::new(email, &request.first_name, &request.last_name, request.fields)?;
    let at = engine.clock.now();
    let (asked, lists) = (request.id, request.lists);
    let id = engine.write(&[Tag::Contacts, Tag::Lists], move |conn| {
        let key = setting::workspace_key(conn)?;
        if let Some(holder) = contact::by_email(conn, &person.email.key())?
            && Some(holder) != asked
        {
            let message = format!(
                "{} is in the workspace already; open that contact instead.",
                person.email
            );
            return Err(Error {
                code: Code::Conflict,
                message,
                field: Some("email".into()),
            });
        }
        let id = match asked {
            Some(id) if contact::replace(conn, &key, id, &person)? => id,
            Some(id) => return Err(missing(id)),
            None => {
                let adding = Adding {
                    key: &key,
                    at,
                    sample: false,
                    consent: None,
                };
                contact::add(conn, &person, &adding)?
                    .ok_or_else(|| Error::conflict("The address is in the workspace already."))?
            }
        };
        for list in &lists {
            if list::name(conn, *list)?.is_none() {
                return Err(Error::not_found("list", list));
            }
        }
        list::set(conn, id, &lists)?;
        Ok(id)
    })?;
    Ok(ContactSaved { id })
}

/// Records what a person said about tracking; a refusal holds for mail that was sent before, too.
pub fn consent_set(engine: &Arc<Engine>, request: ContactConsentSet) -> Result<Done> {
    let word = ConsentWord::new(request.state, &request.source, &request.wording)?;
    let (id, at) = (request.id, engine.clock.now());
    engine.write(&[Tag::Contacts, Tag::Opens, Tag::Activity], move |conn| {
        let row = contact::row(conn, id)?.ok_or_else(|| missing(id))?;
        consent_event::record(conn, id, &word, at)?;
        if word.state() == ConsentState::Refused && row.consent != ConsentState::Refused {
            let line = NewActivity {
                contact: Some(id),
                ..NewActivity::new(
                    ActivityKind::OptedOut,
                    format!("{} asked not to be tracked", called(&row)),
                )
            };
            activity::add(conn, at, &line)?;
        }
        Ok(Done {})
    })
}

/// Erases what was recorded when a person opened mails; the person stays.
pub fn erase_opens(engine: &Arc<Engine>, request: ContactEraseOpens) -> Result<Done> {
    let (id, at) = (request.id, engine.clock.now());
    let tags = [Tag::Contacts, Tag::Opens, Tag::Campaigns, Tag::Activity];
    let erased = engine.write(&tags, move |conn| {
        let row = contact::row(conn, id)?.ok_or_else(|| missing(id))?;
        let reason = match row.consent {
            ConsentState::Refused => NotTrackedReason::Refused,
            ConsentState::Granted | ConsentState::Unknown => NotTrackedReason::Erased,
        };
        let erased = erasure::erase_opens(conn, id, reason)?;
        if erased {
            let line = NewActivity {
                contact: Some(id),
                ..NewActivity::new(
                    ActivityKind::Contacts,
                    format!("What was recorded of {} was erased", isolate(&called(&row))),
                )
            };
            activity::add(conn, at, &line)?;
        }
        Ok(erased)
    })?;
    // The log still holds the rows as they were.
    if erased && let Err(error) = engine.db.checkpoint() {
        tracing::warn!(%error, "the log could not be emptied after what was recorded of a person was erased");
    }
    Ok(Done {})
}

/// Returns what to call a contact: their name, or their address.
pub(crate) fn called(row: &crate::api::ContactRow) -> String {
    let name = format!("{} {}", row.first_name, row.last_name);
    match name.trim() {
        "" => row.email.clone(),
        name => name.to_owned(),
    }
}

/// Stops all mail to an address, or allows it again.
pub fn suppress(engine: &Arc<Engine>, request: ContactSuppress) -> Result<Done> {
    let email: EmailAddress = request.email.parse()?;
    let reason = request.reason.trim().to_owned();
    if reason.chars().count() > 200 || reason.chars().any(char::is_control) {
        return Err(Error::field(
            "reason",
            "The reason has line breaks or is longer than 200 characters; make it one short line.",
        ));
    }
    let at = engine.clock.now();
    engine.write(&[Tag::Contacts], move |conn| {
        let hash = address_hash(&setting::workspace_key(conn)?, &email.key());
        if request.suppress {
            let new = NewSuppression {
                address_hash: &hash,
                kind: SuppressionKind::Manual,
                reason: &reason,
                message: None,
            };
            suppression::add(conn, at, &new)?;
        } else if !suppression::remove(conn, &hash)? {
            return Err(Error::new(
                Code::NotFound,
                format!("Mail to {email} was not stopped, so there is nothing to lift."),
            ));
        }
        Ok(Done {})
    })
}

/// Who wants people erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The user.
    User,
    /// They themselves.
    Reader,
}

/// Erases people in chunks, each of which is whole: a crash in between leaves the others for another try.
pub fn erase(engine: &Arc<Engine>, request: ContactErase) -> Result<ContactEraseResponse> {
    erase_for(engine, request, By::User)
}

/// As [`erase`], and says at whose wish.
pub(crate) fn erase_for(engine: &Arc<Engine>, request: ContactErase, by: By) -> Result<ContactEraseResponse> {
    let at = engine.clock.now();
    let mut erased = 0;
    for ids in request.ids.chunks(ERASE_CHUNK) {
        let ids = ids.to_vec();
        // Files first: should the rows stay because of a crash, the erasure can be asked for again.
        let files = engine.read(|conn| outbox_files(conn, &ids))?;
        remove_files(engine.workspace.dir(), &files)?;
        let (n, late) = engine.db.write(Priority::Bulk, move |conn| -> Result<_> {
            let late = outbox_files(conn, &ids)?;
            let mut n = 0;
            for id in ids {
                data_request::note_erased(conn, id, at)?;
                n += u32::from(erasure::erase(conn, id, at)?);
            }
            Ok((n, late))
        })?;
        // A mail may have gone into the outbox in between.
        remove_files(engine.workspace.dir(), &late)?;
        erased += n;
    }
    if erased > 0 {
        super::incoming::forget_rows(engine);
        let text = match (erased, by) {
            (1, By::User) => "A contact was erased".to_owned(),
            (n, By::User) => format!("{n} contacts were erased"),
            (1, By::Reader) => "A reader had themselves erased".to_owned(),
            (n, By::Reader) => format!("{n} readers had themselves erased"),
        };
        engine.write(EVERYTHING, move |conn| {
            Ok(activity::add(
                conn,
                at,
                &NewActivity::new(ActivityKind::Contacts, text),
            )?)
        })?;
        engine.db.checkpoint()?;
    }
    Ok(ContactEraseResponse {
        erased,
        backups_until: backups_until(&backups(engine), at),
        saved_backup: engine.read(|conn| Ok(super::backup::was_saved(conn)?))?,
    })
}

/// Returns until when a backup may hold who was erased `at`.
pub(crate) fn backups_until(backups: &[Instant], at: Instant) -> Option<Instant> {
    let before = backups.iter().filter(|made| **made <= at);
    before
        .max()
        .map(|made| *made + chrono::TimeDelta::days(BACKUP_DAYS))
}

const EVERYTHING: &[Tag] = &[
    Tag::Contacts,
    Tag::Lists,
    Tag::Campaigns,
    Tag::Opens,
    Tag::Activity,
    Tag::Outbox,
];

fn outbox_files(conn: &Conn, ids: &[ContactId]) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for id in ids {
        files.extend(erasure::outbox_files(conn, *id)?);
    }
    Ok(files)
}

pub(crate) fn remove_files(workspace: &Path, files: &[String]) -> Result<()> {
    for file in files {
        match std::fs::remove_file(workspace.join(file)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::new(
                    Code::Storage,
                    format!(
                        "Cannot remove {file} from the outbox: {error}. Close programs that use it and erase again."
                    ),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns when each backup was made: their names carry it.
pub(crate) fn backups(engine: &Engine) -> Vec<Instant> {
    let copies = migrate::copies(&engine.workspace.backups());
    copies.into_iter().map(|(_, made_at)| made_at).collect()
}

/// Returns everything held about one person.
pub fn export(engine: &Arc<Engine>, request: ContactExport) -> Result<ContactExportResponse> {
    let document =
        engine.read(|conn| erasure::everything(conn, request.id)?.ok_or_else(|| missing(request.id)))?;
    Ok(ContactExportResponse { document })
}

/// Returns all lists and the audience's figures.
pub fn lists(engine: &Arc<Engine>, _request: ListList) -> Result<ListListResponse> {
    engine.read(|conn| {
        let (contacts, suppressed, consent) = contact::counts(conn)?;
        Ok(ListListResponse {
            lists: list::all(conn)?,
            contacts,
            suppressed,
            consent,
        })
    })
}

/// Adds a list or renames one.
pub fn list_save(engine: &Arc<Engine>, request: ListSave) -> Result<ListSaved> {
    let name = list_name(&request.name)?;
    let at = engine.clock.now();
    let id = engine.write(&[Tag::Lists, Tag::Contacts], move |conn| {
        if let Some(holder) = list::by_name(conn, &name)?
            && Some(holder) != request.id
        {
            return Err(Error {
                code: Code::Conflict,
                message: format!("There is a list called {name:?} already; choose another name."),
                field: Some("name".into()),
            });
        }
        match request.id {
            Some(id) if list::rename(conn, id, &name)? => Ok(id),
            Some(id) => Err(Error::not_found("list", id)),
            None => Ok(list::add(conn, &name, false, at)?),
        }
    })?;
    Ok(ListSaved { id })
}

/// Checks a list's name.
pub(crate) fn list_name(name: &str) -> Result<String> {
    let name = name.trim();
    let wrong = if name.is_empty() {
        "the list has no name; give it one"
    } else if name.chars().count() > 120 {
        "the list's name is longer than 120 characters; shorten it"
    } else if name.chars().any(char::is_control) {
        "the list's name contains a line break or another control character; remove it"
    } else {
        return Ok(name.to_owned());
    };
    Err(Error::field("name", sentence(wrong)))
}

/// Removes a list; its contacts stay. Refused while a campaign that is yet to be launched names it.
pub fn list_remove(engine: &Arc<Engine>, request: ListRemove) -> Result<Done> {
    let id: ListId = request.id;
    engine.write(&[Tag::Lists, Tag::Contacts], move |conn| {
        if let Some(campaign) = list::used_by(conn, id)? {
            return Err(Error::conflict(format!(
                "The campaign {campaign:?} uses this list. Take it out of that campaign's audience first."
            )));
        }
        if !list::remove(conn, id)? {
            return Err(Error::not_found("list", id));
        }
        Ok(Done {})
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ContactRow, Tag};
    use crate::app::testing::{Bench, bench};

    fn saving(email: &str) -> ContactSave {
        serde_json::from_value(serde_json::json!({ "email": email, "first_name": "Ana", "last_name": "Li" }))
            .unwrap()
    }

    fn all(bench: &Bench) -> Vec<ContactRow> {
        let request = serde_json::from_str("{}").unwrap();
        list(&bench.engine, request).unwrap().contacts
    }

    #[test]
    fn an_address_belongs_to_one_contact() {
        let bench = bench();
        let ana = save(&bench.engine, saving("ana@example.org")).unwrap().id;
        let error = save(&bench.engine, saving("ANA@example.org")).unwrap_err();
        assert_eq!(
            (error.code, error.field.as_deref()),
            (Code::Conflict, Some("email"))
        );
        let same = ContactSave {
            id: Some(ana),
            ..saving("Ana@example.org")
        };
        save(&bench.engine, same).unwrap();
        assert_eq!(all(&bench)[0].email, "Ana@example.org", "its spelling may change");
    }

    #[test]
    fn a_line_break_in_a_name_or_address_is_refused() {
        let bench = bench();
        let injected = ContactSave {
            first_name: "Ana\r\nBcc: x@example.org".into(),
            ..saving("ana@example.org")
        };
        assert_eq!(
            save(&bench.engine, injected).unwrap_err().field.as_deref(),
            Some("name")
        );
        let error = save(&bench.engine, saving("ana@example.org\r\nBcc: x@example.org")).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("email"));
        assert!(all(&bench).is_empty());
    }

    #[test]
    fn a_grant_without_its_words_is_refused_and_a_refusal_needs_none() {
        let bench = bench();
        let id = save(&bench.engine, saving("ana@example.org")).unwrap().id;
        let say = |state, source: &str, wording: &str| {
            let request = ContactConsentSet {
                id,
                state,
                source: source.into(),
                wording: wording.into(),
            };
            consent_set(&bench.engine, request)
        };
        let error = say(ConsentState::Granted, "phone", "").unwrap_err();
        assert_eq!(error.field.as_deref(), Some("wording"));
        say(ConsentState::Granted, "phone", "You may measure opens").unwrap();
        say(ConsentState::Refused, "", "").unwrap();
        let details = get(&bench.engine, ContactGet { id }).unwrap();
        let states: Vec<ConsentState> = details.consent_history.iter().map(|event| event.state).collect();
        assert_eq!(
            states,
            [ConsentState::Refused, ConsentState::Granted],
            "the history is only ever added to"
        );
    }

    #[test]
    fn a_suppression_survives_the_contact() {
        let bench = bench();
        let stop = |suppress| ContactSuppress {
            email: "ANA@example.org".into(),
            suppress,
            reason: String::new(),
        };
        suppress(&bench.engine, stop(true)).unwrap();
        let id = save(&bench.engine, saving("ana@example.org")).unwrap().id;
        assert!(
            all(&bench)[0].suppressed.is_some(),
            "it was stopped before the contact came in"
        );
        let erased = erase(&bench.engine, ContactErase { ids: vec![id] }).unwrap();
        assert_eq!((erased.erased, erased.backups_until), (1, None));
        save(&bench.engine, saving("ana@example.org")).unwrap();
        assert!(
            all(&bench)[0].suppressed.is_some(),
            "and it holds after the erasure"
        );
        suppress(&bench.engine, stop(false)).unwrap();
        assert_eq!(all(&bench)[0].suppressed, None);
        assert_eq!(
            suppress(&bench.engine, stop(false)).unwrap_err().code,
            Code::NotFound
        );
    }

    #[test]
    fn an_erased_address_is_in_no_file_of_the_workspace() {
        let bench = bench();
        let id = save(&bench.engine, saving("erasable-person@example.org"))
            .unwrap()
            .id;
        let folder = bench.engine.workspace.outbox();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("1.eml"), "To: erasable-person@example.org").unwrap();
        bench
            .engine
            .write(&[Tag::Outbox], |conn| {
                conn.execute_batch(
                    "INSERT INTO outbox_mail (at, to_address, subject, path, test)
                     VALUES (0, 'erasable-person@example.org', 's', 'outbox/1.eml', 1)",
                )
                .map_err(crate::store::Error::from)?;
                Ok(())
            })
            .unwrap();
        let backups = bench.engine.workspace.backups();
        std::fs::create_dir_all(&backups).unwrap();
        std::fs::write(backups.join("casement-20260331T080000000Z.db"), "").unwrap();
        let erased = erase(&bench.engine, ContactErase { ids: vec![id] }).unwrap();
        assert_eq!(
            erased.backups_until,
            Some("2026-04-30T08:00:00Z".parse().unwrap()),
            "the receipt says how long a backup may hold them"
        );
        bench.engine.db.close();
        let mut folders = vec![bench.engine.workspace.dir().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let bytes = std::fs::read(&path).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                assert!(
                    !text.contains("erasable-person"),
                    "{} holds the address",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn a_list_in_use_stays_and_names_are_unique() {
        let bench = bench();
        let name = |name: &str| ListSave {
            id: None,
            name: name.into(),
        };
        let id = list_save(&bench.engine, name("Members")).unwrap().id;
        assert_eq!(
            list_save(&bench.engine, name("members")).unwrap_err().code,
            Code::Conflict
        );
        assert_eq!(
            list_save(&bench.engine, name(" \t ")).unwrap_err().code,
            Code::Invalid
        );
        list_remove(&bench.engine, ListRemove { id }).unwrap();
        assert_eq!(
            list_remove(&bench.engine, ListRemove { id }).unwrap_err().code,
            Code::NotFound
        );
    }
}
