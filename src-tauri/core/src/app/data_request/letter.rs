//! The mail with a copy of all that is held about its reader.

use crate::api::Result;
use crate::clock::Instant;
use crate::domain::contact::isolate;
use crate::ids::CampaignId;
use crate::render::mime::{self, AttachedFile, Envelope, Unsubscribe};
use crate::render::pixel::erase_url;
use crate::store::account::Account;
use crate::store::data_request::{Due, LINK_VALID};
use crate::store::{self, Conn, erasure, setting};
use crate::tracking::token::Token;

/// The file that is attached.
const FILE: &str = "what-is-held.json";

/// The mail, ready to leave.
pub(super) struct Letter {
    /// The subject, decoded.
    pub(super) subject: String,
    /// The mail.
    pub(super) bytes: Vec<u8>,
}

/// Makes the mail; the inner error says why it cannot be made.
pub(super) fn write(
    conn: &Conn,
    due: &Due,
    account: &Account,
    token: &Token,
    now: Instant,
) -> Result<std::result::Result<Letter, String>> {
    let Some(document) = erasure::everything(conn, due.contact)? else {
        return Ok(Err("The person was erased.".into()));
    };
    let document = serde_json::to_vec_pretty(&document).map_err(store::Error::from)?;
    let organisation: String = setting::get(conn, "organisation")?.unwrap_or_default();
    let sender = [&organisation, &account.from_name, &account.from_address]
        .into_iter()
        .find(|name| !name.is_empty())
        .map(|name| isolate(name).into_owned())
        .unwrap_or_default();
    let name = format!("{} {}", due.first_name, due.last_name);
    let subject = format!("What {sender} holds about you");
    let link = (!due.base_url.is_empty()).then(|| erase_url(&due.base_url, token));
    let text = words(&sender, name.trim(), link.as_deref(), now + LINK_VALID);
    let domain = account.from_address.rsplit('@').next().unwrap_or_default();
    let message_id = mime::message_id(due.campaign.unwrap_or(CampaignId(0)), token, domain);
    let bytes = mime::build_with_file(
        &subject,
        &text,
        AttachedFile {
            name: FILE,
            media_type: "application/json",
            bytes: &document,
        },
        &Envelope {
            from_name: &account.from_name,
            from_address: &account.from_address,
            reply_to: &account.reply_to,
            to_name: name.trim(),
            to_address: &due.email,
            message_id: &message_id,
            date: now,
            list_id: None,
            unsubscribe: Unsubscribe::None,
        },
    );
    Ok(bytes
        .map(|bytes| Letter { subject, bytes })
        .map_err(|error| error.to_string()))
}

fn words(sender: &str, name: &str, link: Option<&str>, until: Instant) -> String {
    let greeting = match name {
        "" => "Hello,".to_owned(),
        name => format!("Hello {},", isolate(name)),
    };
    let erasing = match link {
        Some(link) => format!(
            "To have all of it erased, open this page and press its button. The link works until {} UTC. Whoever has \
             it can erase you, so do not pass this mail on:\r\n\r\n{link}",
            until.format("%-d %B %Y, %H:%M")
        ),
        None => "To have all of it erased, answer this mail and say so.".to_owned(),
    };
    format!(
        "{greeting}\r\n\r\n\
         you asked what {sender} holds about you, with the link in a mail. All of it is in the attached file \
         {FILE}: your address and name, what else was noted of you, what you said about mails and tracking, the mails \
         that were sent to you, and what was recorded when their pictures were loaded. Any text editor or browser \
         shows the file.\r\n\r\n\
         {erasing}\r\n\r\n\
         If you did not ask: somebody pressed the button in a mail that you passed on. They were shown nothing, and \
         you need do nothing.\r\n\r\n\
         No picture in this mail tells whether you read it.\r\n\r\n\
         {sender}\r\n"
    )
}
