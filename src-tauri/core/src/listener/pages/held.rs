//! The part of a preference page that says what is held. It shows next to nothing: the link travels with every
//! mail that is forwarded, so everything else goes by mail, to the address on file.

use super::{Standing, View, set_apart};
use crate::domain::consent::ConsentState;

/// Returns the section.
pub(super) fn section(view: &View) -> String {
    let (consent, subscribed) = match view.standing {
        Standing::Reader {
            consent: Some(consent),
            subscribed,
            ..
        } => (consent, subscribed),
        Standing::Reader { consent: None, .. } => return nothing(),
        Standing::Stranger | Standing::Test => (ConsentState::Unknown, true),
    };
    let address = match &view.on_file {
        Some(address) => set_apart(address),
        None => "the one that this link was sent to".to_owned(),
    };
    let said = match consent {
        ConsentState::Granted => "you agreed",
        ConsentState::Refused => "you refused",
        ConsentState::Unknown if view.question.is_some() => "you have not answered yet",
        ConsentState::Unknown => "you were not asked",
    };
    let mails = if subscribed { "subscribed" } else { "unsubscribed" };
    format!(
        "<section id=\"data\"><h2>{TITLE}</h2>\
         <dl><div><dt>Address:</dt><dd>{address}</dd></div>\
         <div><dt>Recording of opens:</dt><dd>{said}</dd></div>\
         <div><dt>Mails:</dt><dd>{mails}</dd></div></dl>\
         <p>There may be more: your name, the mails that you got, what was recorded of them. This link travels with \
         every mail that is forwarded, so the rest is not shown here. It can be mailed to your address, together \
         with a link that erases all of it.</p>\
         <form method=\"post\"><button class=\"quiet\" name=\"action\" value=\"send_data\">Mail it all to me</button>\
         </form></section>"
    )
}

const TITLE: &str = "What this sender holds about you";

fn nothing() -> String {
    format!(
        "<section id=\"data\"><h2>{TITLE}</h2><p>Nothing that names you: it has been erased. A code made from your \
         address is kept, from which nobody can read it, so that you can still unsubscribe here.</p></section>"
    )
}
