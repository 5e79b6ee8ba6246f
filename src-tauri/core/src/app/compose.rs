//! Preview, test mail, Markdown: a mail looked at before anyone gets it.
//!
//! Both go through the letterhead that prepares and sends, so that what is seen is what leaves; but neither ever
//! carries a pixel, and their links bear tokens of nobody.

use super::engine::Engine;
use super::error::sentence;
use super::findings;
use super::preflight::{self, Facts, For};
use super::{campaign, sending, transports};
use crate::api::{
    CampaignPreview, CampaignTestMail, Code, DocumentFromMarkdown, DocumentResponse, Error, Finding,
    FindingLevel, Preview, Result, RouteKind, Tag, TestMailResponse,
};
use crate::clock::Instant;
use crate::delivery::letter::{Addressee, Letterhead, Look};
use crate::delivery::transport::OutgoingMail;
use crate::domain::consent::may_be_asked;
use crate::domain::contact::{AddressError, EmailAddress, isolate};
use crate::domain::message::TrackingMode;
use crate::ids::ContactId;
use crate::render::document::{Block, Document, DocumentError};
use crate::render::markdown;
use crate::render::template::{Person, RenderError};
use crate::store::{Conn, consent_event, contact, test_token};
use crate::tracking::token::Token;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Findings about a draft that belong beside its preview; the others wait for the launch page.
const SHOWN: [&str; 3] = ["no_subject", "no_postal_address", "question_without_address"];

/// Where a preview's mail would go without a contact, and from without an account. Reserved by RFC 2606.
const NOBODY: &str = "reader@example.org";

/// Turns Markdown into a document.
pub fn from_markdown(_engine: &Arc<Engine>, request: DocumentFromMarkdown) -> Result<DocumentResponse> {
    let document = markdown::from_markdown(&request.markdown).map_err(|error| refused("markdown", &error))?;
    Ok(DocumentResponse { document })
}

fn refused(field: &str, error: &DocumentError) -> Error {
    Error::field(field, sentence(&error.to_string()))
}

/// A person as a mail shows them; without an id one that was invented.
#[derive(Debug, Clone, Default)]
struct Reader {
    id: Option<ContactId>,
    email: String,
    first_name: String,
    last_name: String,
    fields: BTreeMap<String, String>,
    previous: Option<ContactId>,
    next: Option<ContactId>,
    /// Can be asked for consent.
    can_be_asked: bool,
}

impl Reader {
    fn label(&self) -> String {
        let name = format!("{} {}", self.first_name, self.last_name);
        match (self.id, name.trim()) {
            (None, _) => "a reader without data".to_owned(),
            (Some(_), "") => self.email.clone(),
            (Some(_), name) => name.to_owned(),
        }
    }

    fn addressee(&self, preference_token: Token) -> Addressee<'_> {
        Addressee {
            person: Person {
                email: &self.email,
                first_name: &self.first_name,
                last_name: &self.last_name,
                fields: &self.fields,
            },
            tracking: TrackingMode::None,
            pixel_token: None,
            preference_token,
            // A mail that only asks would show nothing without its question; a finding says who does not get it.
            asks: true,
        }
    }
}

/// Reads the contact that was asked for, or the first of the audience, with its neighbours.
fn reader(conn: &Conn, facts: &Facts, asked: Option<ContactId>) -> Result<Reader> {
    let audience = &facts.campaign.audience;
    let id = match asked {
        Some(id) => Some(id),
        None => contact::neighbours(conn, audience, ContactId(0))?.1,
    };
    let Some(id) = id else {
        return Ok(Reader {
            email: NOBODY.to_owned(),
            can_be_asked: true,
            ..Reader::default()
        });
    };
    let row = contact::row(conn, id)?.ok_or_else(|| Error::not_found("contact", id))?;
    let (previous, next) = contact::neighbours(conn, audience, id)?;
    let asked = consent_event::asked(conn, id)?;
    let asked = if facts.is_practice() {
        asked.last()
    } else {
        asked.at
    };
    Ok(Reader {
        id: Some(id),
        email: row.email,
        first_name: row.first_name,
        last_name: row.last_name,
        fields: contact::fields(conn, id)?,
        previous,
        next,
        can_be_asked: may_be_asked(row.consent, asked, facts.now),
    })
}

/// Renders a mail as one contact would get it.
///
/// Whatever is wrong with the mail is told as findings, so that the window can show the rest meanwhile.
pub fn preview(engine: &Arc<Engine>, request: CampaignPreview) -> Result<Preview> {
    let campaign = engine.read(|conn| match (&request.draft, request.id) {
        (Some(draft), _) => campaign::unsaved(conn, draft),
        (None, Some(id)) => campaign::find(conn, id),
        (None, None) => Err(Error::invalid(
            "Say which campaign to preview, or send a draft of one.",
        )),
    })?;
    let mut facts = preflight::facts_of(engine, campaign, For::Looking)?;
    if facts.route.kind == RouteKind::Local && facts.route.base_url.is_empty() {
        // Practice that has not begun: its listener will have an address of this form.
        facts.route.base_url = "http://127.0.0.1".to_owned();
    }
    let reader = engine.read(|conn| reader(conn, &facts, request.contact))?;
    let mut preview = blank(&facts, &reader);
    match letterhead(engine, &facts, request.draft.is_none())? {
        Err(errors) => preview.findings.extend(errors),
        Ok(letterhead) => fill(&mut preview, &letterhead, &reader, facts.now)?,
    }
    preview.findings.extend(without_alt(&facts.campaign.document));
    preview
        .findings
        .extend(not_asked(&facts.campaign.document, &reader));
    preview.findings.sort_by_key(|found| found.level);
    Ok(preview)
}

/// Returns the letterhead of what was prepared or sent, where there is one; else of what would be prepared now.
fn letterhead(
    engine: &Engine,
    facts: &Facts,
    is_saved: bool,
) -> Result<std::result::Result<Letterhead, Vec<Finding>>> {
    let head = &facts.campaign.head;
    let is_frozen = is_saved && facts.campaign.imprint.is_some() && head.route.is_some();
    if is_frozen && (head.state.is_launched() || head.prepared_revision == Some(head.revision)) {
        return sending::letterhead(engine, head.id).map(Ok);
    }
    Ok(facts.letterhead())
}

fn blank(facts: &Facts, reader: &Reader) -> Preview {
    Preview {
        contact: reader.id,
        contact_label: reader.label(),
        previous: reader.previous,
        next: reader.next,
        subject: String::new(),
        preheader: String::new(),
        from: facts
            .account
            .as_ref()
            .map(super::account::sender)
            .unwrap_or_default(),
        html: String::new(),
        text: String::new(),
        size: 0,
        words: 0,
        findings: facts
            .findings(1)
            .into_iter()
            .filter(|found| SHOWN.contains(&found.id.as_str()))
            .collect(),
    }
}

fn fill(preview: &mut Preview, letterhead: &Letterhead, reader: &Reader, date: Instant) -> Result<()> {
    // A token of zeroes is never given out, so the links of a preview lead to nobody's page.
    let token = Token::from_bytes(&[0; 16])
        .ok_or_else(|| Error::new(Code::Internal, "A token of sixteen bytes could not be made."))?;
    let mut shown = reader.clone();
    let rendered = loop {
        match letterhead.render(&shown.addressee(token)) {
            Ok(rendered) => break rendered,
            Err(error) => {
                preview.findings.extend(about(&error, &reader.email));
                // What is missing is shown by its name; each round fills at least one field.
                let fresh: Vec<_> = error
                    .unresolved()
                    .iter()
                    .filter(|field| !shown.fields.contains_key(*field))
                    .cloned()
                    .collect();
                if fresh.is_empty() {
                    return Ok(());
                }
                shown.fields.extend(fresh.into_iter().map(|field| {
                    let mark = format!("[{field}]");
                    (field, mark)
                }));
            }
        }
    };
    let to = shown.addressee(token);
    match letterhead.finish(&to, date) {
        Ok(finished) => {
            preview.size = count(finished.size());
            for problem in letterhead.audit(&to, &finished, Look::AtOutline) {
                let found = findings::shown(&problem);
                // A missing address may be known already, from the draft itself.
                if preview.findings.iter().all(|known| known.id != found.id) {
                    preview.findings.push(found);
                }
            }
        }
        // Without an account there is no mail yet, only its parts.
        Err(_) => preview.size = count(rendered.html.len() + rendered.text.len()),
    }
    preview.words = count(rendered.text.split_whitespace().count());
    preview.subject = rendered.subject;
    preview.preheader = rendered.preheader;
    preview.html = rendered.html;
    preview.text = rendered.text;
    Ok(())
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// What keeps a mail from being made for one reader.
fn about(error: &RenderError, email: &str) -> Vec<Finding> {
    let mut found: Vec<Finding> = error
        .unresolved()
        .iter()
        .map(|field| findings::unresolved(field))
        .collect();
    if found.is_empty() {
        found.push(findings::finding(
            FindingLevel::Error,
            "render_failed",
            sentence(&error.to_string()),
        ));
    }
    for finding in &mut found {
        finding.block = error.place().block;
        finding.recipients = 1;
        if email != NOBODY {
            finding.examples = vec![email.to_owned()];
        }
    }
    found
}

/// Pictures that say nothing to readers who do not see them.
fn without_alt(document: &Document) -> Vec<Finding> {
    document
        .blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| matches!(block, Block::Image { alt, .. } if alt.trim().is_empty()))
        .map(|(index, _)| Finding {
            block: Some(count(index)),
            ..findings::finding(
                FindingLevel::Note,
                "image_without_alt",
                "A picture has no description. Readers without pictures miss it; write what it shows.",
            )
        })
        .collect()
}

/// A reader who will not see the question that the preview shows.
fn not_asked(document: &Document, reader: &Reader) -> Option<Finding> {
    let question = document.question().filter(|_| !reader.can_be_asked)?;
    let block = document
        .blocks
        .iter()
        .position(|block| matches!(block, Block::Consent { .. }));
    let name = isolate(&reader.label()).into_owned();
    let outcome = if question.only {
        "does not get this mail"
    } else {
        "gets this mail without the question"
    };
    Some(Finding {
        block: block.map(count),
        ..findings::finding(
            FindingLevel::Note,
            "not_to_be_asked",
            format!("{name} has answered, or was asked in the last six months, and {outcome}."),
        )
    })
}

/// Sends one mail of a campaign to any address: no pixel, links that do nothing.
pub fn test_mail(engine: &Arc<Engine>, request: CampaignTestMail) -> Result<TestMailResponse> {
    let to: EmailAddress = request
        .to
        .parse()
        .map_err(|error: AddressError| Error::field("to", sentence(&error.to_string())))?;
    let campaign = engine.read(|conn| campaign::find(conn, request.id))?;
    let facts = preflight::facts_of(engine, campaign, For::Sending)?;
    let Some(account) = &facts.account else {
        return Err(Error::conflict(
            "No account is chosen. Choose the one that the mail is to be sent from.",
        ));
    };
    let letterhead = letterhead(engine, &facts, true)?.map_err(|errors| {
        Error::invalid(
            errors
                .into_iter()
                .next()
                .map_or_else(String::new, |found| found.message),
        )
    })?;
    let mut reader = engine.read(|conn| reader(conn, &facts, request.contact))?;
    reader.email = to.as_str().to_owned();
    let token = Token::generate(&*engine.entropy);
    let finished = letterhead
        .finish(&reader.addressee(token), facts.now)
        .map_err(|error| Error::invalid(sentence(&error.to_string())))?;
    // Before the mail leaves: its links must be known as a test's from the first click on.
    let now = facts.now;
    engine.write(&[], move |conn| {
        Ok(test_token::add(conn, now, &token, request.id)?)
    })?;
    let mut transport = transports::transport_for(engine, account.id)?;
    super::standing::count(engine, account.id);
    let subject = finished.subject.clone();
    let result = transport.deliver(&OutgoingMail {
        from: letterhead.from_address(),
        to: to.as_str(),
        bytes: &finished.into_bytes(),
        message: None,
        campaign: Some(request.id),
        subject: &subject,
        test: true,
    });
    transport.close();
    match result {
        Ok(accepted) => {
            engine.announce(&[Tag::Outbox]);
            Ok(TestMailResponse {
                reply: accepted.reply,
            })
        }
        Err(error) => Err(Error::new(
            Code::Unreachable,
            format!("The test mail was not sent: {}", sentence(&error.reply)),
        )),
    }
}

#[cfg(test)]
mod tests;
