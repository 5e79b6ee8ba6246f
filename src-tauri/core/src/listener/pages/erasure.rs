//! The pages behind the link that erases. It was mailed to the address on file, and is valid for a day.

use super::{document, named, set_apart};
use crate::clock::Instant;

/// What the page of a link that erases says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erasure {
    /// The button.
    Ask {
        /// The organisation's or the account's name; may be empty.
        sender: String,
        /// The address on file with most of it hidden.
        address: String,
    },
    /// It was asked for and is on disk, and will be finished whatever happens.
    Started {
        /// The organisation's or the account's name; may be empty.
        sender: String,
    },
    /// The receipt.
    Done {
        /// The organisation's or the account's name; may be empty.
        sender: String,
        /// Until when a backup may hold the person; `None` where there is no backup.
        backups_until: Option<Instant>,
        /// The sender has saved a backup elsewhere, of which nobody knows how long it is kept.
        saved_backup: bool,
    },
    /// The link is not known, or not any more: one page for both, so that a guess learns nothing.
    Expired,
}

/// Returns the page.
pub(super) fn page(erasure: &Erasure) -> String {
    let (title, body) = match erasure {
        Erasure::Ask { sender, address } => (
            "Erase everything about me",
            format!(
                "<p class=\"soft\">What {} holds about <strong>{}</strong></p>\
                 <section><h2>What is erased</h2>\
                 <p>Your address, your name and all other fields; what you said about mails and tracking, and when; \
                 everything that was recorded when you opened mails; copies of mails to you that are kept on the \
                 sender’s computer.</p></section>\
                 <section><h2>What is kept</h2>\
                 <p>That mails were sent, with a code in place of your address, from which nobody can read it. It keeps \
                 the unsubscribe links in your mails working, and what you unsubscribed from is never forgotten. \
                 Backups of the database are removed after 30 days at most.</p></section>\
                 <section><form method=\"post\"><button name=\"action\" value=\"erase\">Erase everything about me\
                 </button></form><p class=\"soft after\">This cannot be undone. Mails that you have stay in your \
                 mailbox, and their links still work.</p></section>",
                named(sender),
                set_apart(address)
            ),
        ),
        Erasure::Started { sender } => (
            "Your erasure has been started",
            format!(
                "<p class=\"said\" role=\"status\">Your erasure has been started and will be finished by the computer of \
                 {}, even if that is switched off in between. You need do nothing more; this page says when it is \
                 done.</p>",
                named(sender)
            ),
        ),
        Erasure::Done {
            sender,
            backups_until,
            saved_backup,
        } => {
            let copies = backups_until.map(|until| {
                format!(
                    "A backup made before may hold you until <strong>{}</strong>; it is removed after that.",
                    until.format("%-d %B %Y")
                )
            });
            let saved = saved_backup.then(|| {
                "A backup that the sender keeps elsewhere may hold you; if it is ever brought back, you are erased \
                 from it again."
                    .to_owned()
            });
            let backups: Vec<String> = copies.into_iter().chain(saved).collect();
            let backups = match backups.as_slice() {
                [] => "There is no backup that holds you.".to_owned(),
                some => some.join(" "),
            };
            (
                "Done",
                format!(
                    "<p class=\"said\" role=\"status\">Erased. {} holds nothing any more that names you.</p>\
                     <p>{backups}</p>\
                     <p class=\"soft\">A code made from your address stays, from which nobody can read it, so that the \
                     unsubscribe links in your mails still work. Keep a picture of this page if you want a receipt: it can be read until the link \
                     expires.</p>",
                    named(sender)
                ),
            )
        }
        Erasure::Expired => (
            "This link does not work",
            "<p>This link has expired or is not known. You can ask for a new one with the link in any mail of the \
             sender: there, press “Mail it all to me”.</p>"
                .to_owned(),
        ),
    };
    document(title, &format!("<h1>{title}</h1>{body}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_question_has_a_button() {
        let sender = "Harbour <Club>".to_owned();
        let ask = page(&Erasure::Ask {
            sender: sender.clone(),
            address: "a…@example.org".into(),
        });
        assert_eq!(ask.matches("<form method=\"post\">").count(), 1);
        assert!(ask.contains("value=\"erase\"") && ask.contains("a…@example.org"));
        for erasure in [
            Erasure::Started {
                sender: sender.clone(),
            },
            Erasure::Done {
                sender,
                backups_until: None,
                saved_backup: false,
            },
            Erasure::Expired,
        ] {
            let html = page(&erasure);
            assert!(!html.contains("<form"), "{erasure:?} asks for nothing");
            assert!(!html.contains("Club>"), "names are escaped");
        }
    }

    #[test]
    fn a_receipt_says_until_when_backups_hold_the_person() {
        let html = page(&Erasure::Done {
            sender: String::new(),
            backups_until: Some("2026-04-30T08:00:00Z".parse().unwrap()),
            saved_backup: true,
        });
        assert!(
            html.contains("30 April 2026") && html.contains("erased from it again"),
            "{html}"
        );
    }
}
