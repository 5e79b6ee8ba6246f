//! The lines that every mail ends in: who sends it, from where, why to this reader, and the ways out.
//!
//! What it says follows from the reader's links: a mail without a pixel claims no recording, and a mail without a
//! web address names the mail address only.

use super::personalise::Person;
use super::push_escaped;
use super::template::Links;
use std::borrow::Cow;

/// The part of the preference page that ends recording; a fragment never reaches the server.
pub const OPENS_FRAGMENT: &str = "#opens";

/// The part of the preference page that asks for consent; only the question's link has it.
pub const QUESTION_FRAGMENT: &str = "#question";

/// What stands above the links in every mail of a campaign.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) organisation: String,
    pub(super) postal_address: String,
}

/// A piece of a line.
enum Piece {
    Words(String),
    Link { words: String, url: String },
}

fn lines(sender: &Sender, person: &Person, links: &Links) -> Vec<Vec<Piece>> {
    let words = |text: &str| Piece::Words(text.to_owned());
    let who = match sender.organisation.trim() {
        "" => "the sender",
        name => name,
    };
    let mut lines = vec![vec![Piece::Words(format!(
        "This mail was sent to {}, an address on a mailing list of {who}.",
        person.email
    ))]];
    if let (Some(url), true) = (links.preferences.as_deref(), links.tracked) {
        lines.push(vec![
            Piece::Words(format!(
                "A small picture in this mail tells {who} when it is opened. "
            )),
            Piece::Link {
                words: "Stop recording my opens".to_owned(),
                url: format!("{url}{OPENS_FRAGMENT}"),
            },
        ]);
    }
    // A draft without an account has no address yet.
    let mailto = links
        .unsubscribe_mailto
        .as_deref()
        .filter(|mailto| !mailbox(mailto).is_empty());
    let mailto = mailto.map(|mailto| Piece::Link {
        words: mailbox(mailto).to_owned(),
        url: mailto_uri(mailto).into_owned(),
    });
    let web = links.preferences.as_deref().map(|url| Piece::Link {
        words: "Unsubscribe".to_owned(),
        url: url.to_owned(),
    });
    match (web, mailto) {
        (Some(web), Some(mailto)) => lines.push(vec![web, words(" or write to "), mailto]),
        (Some(web), None) => lines.push(vec![web]),
        (None, Some(mailto)) => lines.push(vec![words("To unsubscribe, write to "), mailto]),
        (None, None) => {}
    }
    lines
}

/// Adds the footer as HTML: paragraphs without a frame, for a text block of the mail.
pub(super) fn push_html(out: &mut String, sender: &Sender, person: &Person, links: &Links) {
    let address = postal(sender);
    if !address.is_empty() {
        out.push_str("<p style=\"margin:0 0 8px\">");
        for (index, line) in address.iter().enumerate() {
            if index > 0 {
                out.push_str("<br>");
            }
            push_escaped(out, line);
        }
        out.push_str("</p>");
    }
    for line in lines(sender, person, links) {
        out.push_str("<p style=\"margin:0 0 8px\">");
        for piece in &line {
            match piece {
                Piece::Words(text) => push_escaped(out, text),
                Piece::Link { words, url } => {
                    out.push_str("<a class=\"c-quiet\" href=\"");
                    push_escaped(out, url);
                    out.push_str("\" style=\"color:#5C636E;text-decoration:underline\">");
                    push_escaped(out, words);
                    out.push_str("</a>");
                }
            }
        }
        out.push_str("</p>");
    }
}

/// Adds the footer as plain text, one line each.
pub(super) fn push_text(out: &mut String, sender: &Sender, person: &Person, links: &Links) {
    let address = postal(sender);
    for line in &address {
        out.push_str(line);
        out.push('\n');
    }
    if !address.is_empty() {
        out.push('\n');
    }
    for line in lines(sender, person, links) {
        for piece in &line {
            match piece {
                Piece::Words(text) => out.push_str(text),
                Piece::Link { words, url } if url.starts_with("mailto:") => out.push_str(words),
                Piece::Link { words, url } => {
                    out.push_str(words);
                    out.push_str(": ");
                    out.push_str(url);
                }
            }
        }
        out.push('\n');
    }
}

/// Returns organisation and postal address, line by line.
fn postal(sender: &Sender) -> Vec<String> {
    std::iter::once(sender.organisation.as_str())
        .chain(sender.postal_address.lines())
        .map(|line| {
            line.chars()
                .filter(|char| !char.is_control())
                .collect::<String>()
                .trim()
                .to_owned()
        })
        .filter(|line| !line.is_empty())
        .collect()
}

/// Returns a mail address as a link; a `mailto:` link stays what it is.
pub(super) fn mailto_uri(mailto: &str) -> Cow<'_, str> {
    if mailto.starts_with("mailto:") {
        Cow::Borrowed(mailto)
    } else {
        Cow::Owned(format!("mailto:{mailto}"))
    }
}

/// Returns the address that a `mailto:` link writes to.
fn mailbox(mailto: &str) -> &str {
    let rest = mailto.strip_prefix("mailto:").unwrap_or(mailto);
    rest.split('?').next().unwrap_or(rest)
}
