//! What the pages that readers see say, and what their buttons do, inside the writer's transaction.

use super::{Asked, Ports, keep};
use crate::api::{ActivityKind, Tag};
use crate::app::data_request;
use crate::clock::Instant;
use crate::domain::consent::ConsentState;
use crate::domain::contact::{isolate, mask};
use crate::domain::message::TrackingMode;
use crate::listener::pages::{Page, Recording, Standing, View, grant_wording};
use crate::listener::{AnswerPage, Pages, Wish};
use crate::store::activity::{self, NewActivity};
use crate::store::preference::{self, Reader, Said};
use crate::store::{self, Conn, counter, setting, test_token};
use crate::tracking::token::Token;

impl Pages for Ports {
    fn show(&self, token: Token, answer: AnswerPage) {
        self.page(
            Asked {
                answer,
                kept: None,
                // Where the disk is full a reader must still be able to say what they want.
                read: Some(Box::new(move |engine| {
                    let view = engine.db.read(|conn| view(conn, &token)).ok()?;
                    Some(Page::Preferences(view.0))
                })),
            },
            move |conn, _| {
                let (view, _) = view(conn, &token)?;
                count(conn, &view)?;
                Ok((Page::Preferences(view), &[]))
            },
        );
    }

    fn act(&self, token: Token, wish: Wish, answer: AnswerPage) {
        let answer = match wish {
            Wish::SendData => data_request::waking(self.engine.clone(), answer),
            _ => answer,
        };
        let at = self.now();
        self.page(
            Asked {
                answer,
                // On disk, and to be done; whose it is could not be looked up.
                kept: Some((keep::wish(&token, wish, at), Page::Preferences(received(wish)))),
                read: None,
            },
            move |conn, now| wished(conn, &token, wish, now, Said::Now),
        );
    }

    fn show_erasure(&self, token: Token, answer: AnswerPage) {
        let backups = data_request::backups(&self.engine);
        self.page(Asked::once(answer), move |conn, now| {
            Ok((data_request::view(conn, &token, now, &backups)?, &[]))
        });
    }

    fn erase(&self, token: Token, answer: AnswerPage) {
        let backups = data_request::backups(&self.engine);
        let answer = data_request::erasing(self.engine.clone(), token, answer);
        self.page(Asked::once(answer), move |conn, now| {
            Ok((data_request::press(conn, &token, now, &backups)?, &[]))
        });
    }
}

/// Does `wish` for the reader of `token`, and returns what the page says then.
pub(super) fn wished(
    conn: &Conn,
    token: &Token,
    wish: Wish,
    now: Instant,
    said: Said,
) -> store::Result<(Page, &'static [Tag])> {
    let (before, reader) = view(conn, token)?;
    count(conn, &before)?;
    let Some(reader) = reader else {
        let mut tags: &[Tag] = &[];
        if before.standing == Standing::Stranger {
            counter::add_at(conn, counter::UNMATCHED_POSTS, now)?;
            // The listener's status warns of it.
            tags = &[Tag::Reach];
        }
        let done = Some(wish);
        return Ok((Page::Preferences(View { done, ..before }), tags));
    };
    let done = act(conn, &reader, &before.sender, wish, (now, said))?;
    let (after, _) = view(conn, token)?;
    let tags: &[Tag] = match done {
        Done::Now => &[Tag::Opens, Tag::Activity, Tag::Contacts],
        Done::Before | Done::Refused => &[],
    };
    let done = (done != Done::Refused).then_some(wish);
    Ok((Page::Preferences(View { done, ..after }), tags))
}

/// What the page says of a wish that is kept and not done yet: the same for everybody.
fn received(wish: Wish) -> View {
    View {
        sender: String::new(),
        address: None,
        on_file: None,
        standing: Standing::Stranger,
        question: None,
        done: Some(wish),
    }
}

/// Counts a page of nobody's.
fn count(conn: &Conn, view: &View) -> store::Result<()> {
    match view.standing {
        Standing::Stranger => counter::add(conn, counter::UNKNOWN_TOKEN),
        Standing::Test => counter::add(conn, counter::TEST_TOKEN),
        Standing::Reader { .. } => Ok(()),
    }
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// It was done.
    Now,
    /// It was so already.
    Before,
    /// It cannot be done here.
    Refused,
}

fn act(
    conn: &Conn,
    reader: &Reader,
    sender: &str,
    wish: Wish,
    (now, said): (Instant, Said),
) -> store::Result<Done> {
    let (is_new, kind, what) = match wish {
        Wish::StopRecording => (
            preference::stop_recording(conn, reader, now, said)?,
            ActivityKind::OptedOut,
            "asked not to be recorded",
        ),
        Wish::AllowRecording => {
            let is_new = preference::allow_recording(conn, reader, now, &grant_wording(sender), said)?;
            if !is_new && reader.consent != Some(ConsentState::Granted) {
                return Ok(Done::Refused);
            }
            let what = match reader.question {
                Some(_) => "agreed that opens are recorded",
                None => "agreed to be recorded again",
            };
            (is_new, ActivityKind::Contacts, what)
        }
        Wish::Unsubscribe => (
            preference::unsubscribe(conn, reader, now)?,
            ActivityKind::Unsubscribed,
            "unsubscribed",
        ),
        Wish::SendData => (
            data_request::ask(conn, reader, now)?,
            ActivityKind::Contacts,
            "asked for what is held about them",
        ),
        Wish::EraseRecorded => match preference::erase_recorded(conn, reader, said)? {
            Some(is_new) => (
                is_new,
                ActivityKind::Contacts,
                "had what was recorded of them erased",
            ),
            None => return Ok(Done::Refused),
        },
    };
    if !is_new {
        return Ok(Done::Before);
    }
    let who = if reader.name.is_empty() {
        "An erased reader".into()
    } else {
        isolate(&reader.name)
    };
    let row = NewActivity {
        campaign: Some(reader.campaign),
        message: Some(reader.message),
        contact: reader.contact,
        ..NewActivity::new(kind, format!("{who} {what}"))
    };
    activity::add(conn, now, &row)?;
    Ok(Done::Now)
}

/// Keeps all mail from a reader who asked for that by mail, as the page does. Tells whether that is new.
pub(crate) fn unsubscribe(conn: &Conn, reader: &Reader, now: Instant) -> store::Result<bool> {
    Ok(act(conn, reader, "", Wish::Unsubscribe, (now, Said::Now))? == Done::Now)
}

/// Returns what the page of `token` shows now, and whose it is.
fn view(conn: &Conn, token: &Token) -> store::Result<(View, Option<Reader>)> {
    let organisation: String = setting::get(conn, "organisation")?.unwrap_or_default();
    let reader = preference::find(conn, token)?;
    let Some(reader) = reader else {
        let is_test = test_token::exists(conn, token)?;
        let question = match test_token::campaign(conn, token)? {
            Some(campaign) => preference::question(conn, campaign)?,
            None => None,
        };
        return Ok((
            View {
                sender: if is_test { organisation } else { String::new() },
                address: None,
                on_file: None,
                standing: if is_test {
                    Standing::Test
                } else {
                    Standing::Stranger
                },
                question,
                done: None,
            },
            None,
        ));
    };
    let recording = match reader.consent {
        Some(consent) if reader.opted_out || consent == ConsentState::Refused => Recording::Refused,
        Some(_) if reader.tracking == TrackingMode::Personal => Recording::On,
        _ => Recording::Off,
    };
    let view = View {
        sender: if organisation.is_empty() {
            reader.from_name.clone()
        } else {
            organisation
        },
        address: (!reader.email.is_empty()).then(|| mask(&reader.email)),
        on_file: (!reader.on_file.is_empty()).then(|| mask(&reader.on_file)),
        standing: Standing::Reader {
            recording,
            subscribed: !reader.suppressed,
            consent: reader.consent,
        },
        question: reader.question.clone(),
        done: None,
    };
    Ok((view, Some(reader)))
}
