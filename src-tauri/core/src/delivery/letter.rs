//! What one recipient's mail carries, by the campaign's route: links, pixel, headers. Pure.
//!
//! The same code makes the mail for the audit and for hand-over, so that what was checked is what leaves.

use crate::api::RouteKind;
use crate::clock::Instant;
use crate::domain::campaign::Imprint;
use crate::domain::message::TrackingMode;
use crate::ids::CampaignId;
use crate::render::audit::{self, AuditProblem, Expected, ExpectedFile};
use crate::render::document::Block;
use crate::render::mime::{self, Enclosures, Envelope, ListIdHeader, MimeError, Unsubscribe};
use crate::render::pixel::{pixel_url, preference_url};
use crate::render::template::{Links, Person, RenderError, Rendered, Source, Template, TemplateError};
use crate::render::{OPENS_FRAGMENT, QUESTION_FRAGMENT};
use crate::store::message::{Letter, LetterPerson};
use crate::tracking::token::Token;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that a campaign's mails have in common, compiled once.
pub struct Letterhead {
    campaign: CampaignId,
    template: Template,
    /// With the question, for those who can be asked; `None` where the mail asks nobody.
    asking: Option<Template>,
    imprint: Imprint,
    route: RouteKind,
    base_url: String,
    shared_token: Option<Token>,
    domain: String,
    list_id: String,
    enclosures: Option<Arc<Enclosures>>,
}

/// From what a [`Letterhead`] is made.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The campaign.
    pub campaign: CampaignId,
    /// What its author wrote; sender and postal address are those of `imprint`.
    pub source: Source<'a>,
    /// What the mails say of their sender.
    pub imprint: &'a Imprint,
    /// Which kind of address they carry.
    pub route: RouteKind,
    /// That address without a trailing slash; empty for kind *none*.
    pub base_url: &'a str,
    /// The token of the shared pixel.
    pub shared_token: Option<Token>,
    /// The files that every mail has.
    pub enclosures: Option<&'a Arc<Enclosures>>,
}

/// Whom a mail is for, and how it is tracked.
#[derive(Debug, Clone, Copy)]
pub struct Addressee<'a> {
    /// The person.
    pub person: Person<'a>,
    /// How it is tracked.
    pub tracking: TrackingMode,
    /// Where tracking is personal.
    pub pixel_token: Option<Token>,
    /// For the preference pages.
    pub preference_token: Token,
    /// Gets the question of a mail that has one.
    pub asks: bool,
}

/// A mail ready to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The subject, decoded.
    pub subject: String,
    /// What is this reader's own: all of it, where the campaign has no files.
    pub own: Vec<u8>,
    /// What follows: the files, the same for every reader.
    pub shared: Option<Arc<[u8]>>,
}

impl Finished {
    /// Returns how many bytes the mail has.
    pub fn size(&self) -> usize {
        self.own.len() + self.shared.as_ref().map_or(0, |shared| shared.len())
    }

    /// Returns the mail in one piece. To be asked for when it leaves, not before: files are copied here.
    pub fn into_bytes(self) -> Vec<u8> {
        match self.shared {
            None => self.own,
            Some(shared) => [&self.own, &*shared].concat(),
        }
    }
}

/// How far an audit looks into a mail's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Names, kinds and places: for every mail.
    AtOutline,
    /// Their bytes, too, which are the same in all mails: for one of them.
    AtBytes,
}

/// Why one person's mail cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// A merge field, a link or a loop.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// An address or a header.
    #[error(transparent)]
    Mime(#[from] MimeError),
}

impl LetterError {
    /// Says it without any value of the reader's, so that it is the same for all whom it concerns and can be kept.
    pub fn without_value(&self) -> String {
        match self {
            Self::Render(error) => error.without_value(),
            Self::Mime(error) => error.without_value(),
        }
    }
}

/// A person of the ledger, with their further fields read.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    person: &'a LetterPerson,
    fields: BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    /// Reads the fields from the JSON object that the table keeps; what is none has none.
    pub fn new(person: &'a LetterPerson) -> Self {
        Self {
            person,
            fields: serde_json::from_str(&person.fields).unwrap_or_default(),
        }
    }

    /// Returns for whom `letter` is, tracked and asked as it was planned.
    pub fn addressee(&self, letter: &Letter) -> Addressee<'_> {
        Addressee {
            person: Person {
                email: &self.person.email,
                first_name: &self.person.first_name,
                last_name: &self.person.last_name,
                fields: &self.fields,
            },
            tracking: letter.tracking,
            pixel_token: letter.pixel_token,
            preference_token: letter.preference_token,
            asks: letter.asks,
        }
    }
}

struct Ways {
    pixel: Option<String>,
    preferences: Option<String>,
    /// Where tracking is ended; of mails with a pixel of their own.
    ends_tracking: Option<String>,
    /// Where the question is answered; of mails that ask.
    question: Option<String>,
    mailto: String,
}

impl Ways {
    fn unsubscribe(&self) -> Unsubscribe<'_> {
        match &self.preferences {
            Some(url) => Unsubscribe::WebAndMailto {
                url,
                mailto: &self.mailto,
            },
            // RFC 8058 wants https, so without an address there is no one-click header.
            None => Unsubscribe::Mailto(&self.mailto),
        }
    }
}

/// Returns the address that takes unsubscribing mail: where answers go.
pub fn unsubscribe_address(imprint: &Imprint) -> &str {
    if imprint.reply_to.is_empty() {
        &imprint.from_address
    } else {
        &imprint.reply_to
    }
}

impl Letterhead {
    /// Compiles a campaign's mail.
    ///
    /// Fails with everything that is wrong with it.
    pub fn compile(parts: &Parts<'_>) -> Result<Self, Vec<TemplateError>> {
        let source = Source {
            organisation: &parts.imprint.organisation,
            postal_address: &parts.imprint.postal_address,
            ..parts.source
        };
        let domain = parts
            .imprint
            .from_address
            .rsplit('@')
            .next()
            .unwrap_or_default()
            .to_lowercase();
        // With the question first: it finds all that is wrong.
        let whole = Template::compile(&source)?;
        let missing = missing_pictures(&source, parts.enclosures.map(|enclosures| &**enclosures));
        if !missing.is_empty() {
            return Err(missing);
        }
        let (template, asking) = match source.document.question() {
            Some(_) => (Template::compile_unasked(&source)?, Some(whole)),
            None => (whole, None),
        };
        Ok(Self {
            campaign: parts.campaign,
            template,
            asking,
            imprint: parts.imprint.clone(),
            route: parts.route,
            base_url: parts.base_url.to_owned(),
            shared_token: parts.shared_token,
            // RFC 2919: the same from mail to mail, under the sender's domain, so that filters keep working.
            list_id: format!("news.{domain}"),
            domain,
            enclosures: parts.enclosures.cloned(),
        })
    }

    /// Returns the envelope's sender.
    pub fn from_address(&self) -> &str {
        &self.imprint.from_address
    }

    /// Returns the address of the pixel that this person's mail must carry; `None` where it must carry none.
    fn pixel(&self, to: &Addressee<'_>) -> Option<String> {
        if self.route == RouteKind::None || self.question(to).is_some() {
            return None;
        }
        let token = match to.tracking {
            TrackingMode::Personal => to.pixel_token,
            TrackingMode::Shared => self.shared_token,
            TrackingMode::None => None,
        };
        token.map(|token| pixel_url(&self.base_url, &token))
    }

    /// Returns the template with the question where this person gets it: an answer needs a page to be given on.
    fn question(&self, to: &Addressee<'_>) -> Option<&Template> {
        let may_ask = to.asks && self.route != RouteKind::None;
        self.asking.as_ref().filter(|_| may_ask)
    }

    fn ways(&self, to: &Addressee<'_>) -> Ways {
        let pixel = self.pixel(to);
        let page = |fragment: &str| {
            let page = preference_url(&self.base_url, &to.preference_token);
            format!("{page}{fragment}")
        };
        let tracked = to.tracking == TrackingMode::Personal && pixel.is_some();
        Ways {
            pixel,
            preferences: (self.route != RouteKind::None).then(|| page("")),
            ends_tracking: tracked.then(|| page(OPENS_FRAGMENT)),
            question: self.question(to).map(|_| page(QUESTION_FRAGMENT)),
            mailto: format!(
                "mailto:{}?subject=unsubscribe%20{}",
                unsubscribe_address(&self.imprint),
                to.preference_token
            ),
        }
    }

    /// Returns how many merge fields of this person's mail have no value.
    pub fn empty_fields(&self, to: &Addressee<'_>) -> u32 {
        self.question(to)
            .unwrap_or(&self.template)
            .empty_fields(&to.person)
    }

    /// Renders one person's mail before it is put into MIME, as a preview shows it.
    pub fn render(&self, to: &Addressee<'_>) -> Result<Rendered, RenderError> {
        let ways = self.ways(to);
        let links = Links {
            tracked: ways.ends_tracking.is_some(),
            pixel: ways.pixel,
            preferences: ways.preferences,
            unsubscribe_mailto: Some(ways.mailto),
        };
        self.question(to)
            .unwrap_or(&self.template)
            .render(&to.person, &links)
    }

    /// Makes one person's mail, dated `date`. The same arguments make the same bytes.
    pub fn finish(&self, to: &Addressee<'_>, date: Instant) -> Result<Finished, LetterError> {
        let ways = self.ways(to);
        let rendered = self.render(to)?;
        let name = format!("{} {}", to.person.first_name, to.person.last_name);
        let own = mime::build(
            &rendered,
            &Envelope {
                from_name: &self.imprint.from_name,
                from_address: &self.imprint.from_address,
                reply_to: &self.imprint.reply_to,
                to_name: name.trim(),
                to_address: to.person.email,
                message_id: &mime::message_id(self.campaign, &to.preference_token, &self.domain),
                date,
                list_id: Some(ListIdHeader {
                    name: &self.imprint.organisation,
                    id: &self.list_id,
                }),
                unsubscribe: ways.unsubscribe(),
            },
            self.enclosures.as_deref(),
        )?;
        Ok(Finished {
            subject: rendered.subject,
            own,
            shared: self
                .enclosures
                .as_ref()
                .map(|enclosures| enclosures.tail().clone()),
        })
    }

    /// Checks a finished mail against what this person's mail must carry.
    ///
    /// The files are the same in all mails, so their bytes are looked at in one of them only.
    pub fn audit(&self, to: &Addressee<'_>, finished: &Finished, look: Look) -> Vec<AuditProblem> {
        let ways = self.ways(to);
        let enclosed = self.enclosures.as_ref().map_or(&[][..], |all| all.files());
        let ids: Vec<Option<String>> = enclosed.iter().map(|file| file.content_id()).collect();
        let files: Vec<ExpectedFile<'_>> = enclosed
            .iter()
            .zip(&ids)
            .map(|(file, id)| ExpectedFile {
                name: &file.name,
                media_type: &file.media_type,
                content_id: id.as_deref(),
                digest: (look == Look::AtBytes).then_some(file.digest),
            })
            .collect();
        let rest = match (&self.enclosures, look) {
            (None, _) => &[][..],
            (Some(all), Look::AtOutline) => all.outline(),
            (Some(all), Look::AtBytes) => all.tail(),
        };
        let bytes = match rest {
            [] => Cow::Borrowed(&finished.own),
            rest => Cow::Owned([&finished.own, rest].concat()),
        };
        audit::audit(
            &bytes,
            &Expected {
                to: to.person.email,
                pixel: ways.pixel.as_deref(),
                preference_url: ways.preferences.as_deref(),
                ends_tracking: ways.ends_tracking.as_deref(),
                question: ways.question.as_deref(),
                unsubscribe: &ways.unsubscribe(),
                postal_address: &self.imprint.postal_address,
                files: &files,
            },
        )
    }
}

/// Returns an error for each block whose picture is no file of the campaign's.
fn missing_pictures(source: &Source<'_>, enclosures: Option<&Enclosures>) -> Vec<TemplateError> {
    let has = |digest: &str| {
        let id = Some(mime::content_id(digest));
        enclosures.is_some_and(|all| all.files().iter().any(|file| file.content_id() == id))
    };
    let blocks = source.document.blocks.iter().enumerate();
    blocks
        .filter(|(_, block)| match block {
            Block::Image { src, .. } => mime::picture_digest(src.trim()).is_some_and(|digest| !has(digest)),
            _ => false,
        })
        .map(|(index, _)| TemplateError {
            block: u32::try_from(index).ok(),
            place: "src".to_owned(),
            message: "the picture's file is not in this campaign; choose the picture again".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::AddressError;
    use crate::render::link::LinkError;
    use crate::render::template::Place;

    #[test]
    fn what_is_said_without_a_value_has_none() {
        let secret = || "ana@example.org".to_owned();
        let place = || Place {
            block: Some(2),
            part: "link",
        };
        let link = |error| RenderError::Link {
            place: place(),
            error,
        };
        let (place, message) = (place(), secret());
        let errors: [LetterError; 6] = [
            link(LinkError::Scheme(secret())).into(),
            link(LinkError::Picture(secret())).into(),
            link(LinkError::Syntax(secret())).into(),
            RenderError::Evaluation { place, message }.into(),
            MimeError::Value {
                header: "To",
                value: secret(),
            }
            .into(),
            MimeError::Address {
                header: "To",
                error: AddressError::Syntax(secret()),
            }
            .into(),
        ];
        for error in errors {
            assert!(error.to_string().contains("ana@"), "{error}");
            let said = error.without_value();
            assert!(!said.contains("ana@"), "{said}");
            assert!(
                said.contains("block 3 (link)") || said.contains("the To "),
                "{said}"
            );
        }
    }
}
