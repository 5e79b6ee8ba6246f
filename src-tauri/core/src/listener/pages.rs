//! The pages that readers see, as plain HTML: no script, nothing from elsewhere, readable without CSS.

mod erasure;
mod held;

use super::Wish;
use crate::domain::consent::ConsentState;
use crate::domain::contact::isolate;
pub use erasure::Erasure;

/// A page to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Of a preference link.
    Preferences(View),
    /// Of a link that erases.
    Erasure(Erasure),
}

impl Page {
    /// Returns the page as HTML.
    pub fn html(&self) -> String {
        match self {
            Self::Preferences(view) => preferences(view),
            Self::Erasure(erasure) => erasure::page(erasure),
        }
    }
}

/// What a preference page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The organisation's or the account's name; empty where it may not be told.
    pub sender: String,
    /// The reader's address with most of it hidden; `None` where it is not known any more.
    pub address: Option<String>,
    /// The address on file, hidden alike; another one where the reader's has changed since the mail.
    pub on_file: Option<String>,
    /// Whose link it is, and how things stand.
    pub standing: Standing,
    /// The words that the mail asks its reader to agree to; `None` where it does not ask.
    pub question: Option<String>,
    /// What was done just now.
    pub done: Option<Wish>,
}

/// Whose link it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody's. The page has the same shape, so that a guess learns nothing.
    Stranger,
    /// A test mail's: its buttons do nothing.
    Test,
    /// A reader's.
    Reader {
        /// Whether opens are recorded.
        recording: Recording,
        /// Whether more mails will come.
        subscribed: bool,
        /// What the reader said about tracking; `None` once they are erased.
        consent: Option<ConsentState>,
    },
}

/// Whether opens of a reader's mails are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// They are.
    On,
    /// The reader asked that they are not.
    Refused,
    /// They are not, and the reader was not asked.
    Off,
}

/// The words to which a reader agrees who turns recording on again. Shown and stored alike.
pub fn grant_wording(sender: &str) -> String {
    format!(
        "I agree that {} records when I open the mails sent to me, to learn whether they are read. \
         I can end this at any time with the link in every mail.",
        if sender.is_empty() {
            "the sender".into()
        } else {
            isolate(sender)
        }
    )
}

/// The policy that goes with every page: its own style by hash, its own forms, and nothing else.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
     style-src 'sha256-/uGzxrvjmhom+jncYpRn1rZC+oRaq8OGYRcMgN+KiPU='; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark;--page:#f7f6f3;--card:#fff;--ink:#1d2126;--soft:#5b6570;--line:#d9d6cf;--button:#1f5f5b;--on:#fff}\
@media(prefers-color-scheme:dark){:root{--page:#16191c;--card:#1f2327;--ink:#eceae6;--soft:#a7b0b8;--line:#3a4147;--button:#7fc9c1;--on:#10201f}}\
*{box-sizing:border-box}\
body{margin:0;padding:clamp(1rem,6vw,3rem) clamp(.75rem,3vw,1rem);background:var(--page);color:var(--ink);font:1.0625rem/1.6 system-ui,sans-serif}\
main{max-width:36rem;margin:0 auto;padding:clamp(1.25rem,5vw,2rem);background:var(--card);border:1px solid var(--line);border-radius:12px}\
h1{margin:0 0 .25rem;font-size:1.5rem;line-height:1.25}\
h2{margin:0 0 .25rem;font-size:1.0625rem}\
p{margin:0 0 1rem;overflow-wrap:anywhere}\
.soft{color:var(--soft)}\
.address{display:inline-block;max-width:100%}\
.said{margin-top:1rem;padding:.75rem 1rem;border-left:4px solid var(--button);background:var(--page)}\
dl{margin:0 0 1rem}\
dl div{display:flex;flex-wrap:wrap;gap:0 .5rem;padding:.25rem 0}\
dt{color:var(--soft)}\
dd{margin:0;overflow-wrap:anywhere}\
.after{margin:1rem 0 0}\
.after+form{margin-top:.5rem}\
.words{padding:1rem;border:1px solid var(--line);border-radius:8px}\
.answers{display:flex;flex-wrap:wrap;gap:.75rem}\
.answers form{flex:1 1 12rem}\
.answers button{width:100%;height:100%}\
main>:last-child{margin-bottom:0}\
section{margin-top:1.5rem;padding-top:1.5rem;border-top:1px solid var(--line)}\
button{padding:.625rem 1.125rem;border:1px solid var(--button);border-radius:8px;background:var(--button);color:var(--on);font:inherit;font-weight:600;cursor:pointer}\
button.quiet{background:transparent;color:var(--ink);border-color:var(--soft)}\
button:focus-visible{outline:3px solid var(--ink);outline-offset:3px}";

/// Returns the preference page.
pub fn preferences(view: &View) -> String {
    let mut body = String::new();
    body.push_str("<h1>Your choices</h1>");
    body.push_str(&about(view, &named(&view.sender)));
    let said = said(view)
        .map(|said| format!("<p class=\"said\" role=\"status\">{said}</p>"))
        .unwrap_or_default();
    // A link into this part of the page goes on pointing there behind a press, so its answer stands there.
    let is_about_recording = matches!(
        view.done,
        Some(Wish::StopRecording | Wish::AllowRecording | Wish::EraseRecorded)
    );
    let (said, said_of_recording) = if is_about_recording {
        (String::new(), said)
    } else {
        (said, String::new())
    };
    body.push_str(&said);
    let (recording, subscribed) = match view.standing {
        Standing::Reader {
            recording,
            subscribed,
            ..
        } => (recording, subscribed),
        Standing::Stranger | Standing::Test => (Recording::On, true),
    };
    match &view.question {
        Some(wording) => body.push_str(&question_section(wording, recording, &said_of_recording)),
        None => body.push_str(&recording_section(view, recording, &said_of_recording)),
    }
    body.push_str(&subscription_section(subscribed));
    body.push_str(&held::section(view));
    document("Your choices", &body)
}

/// Returns the page for a workspace that cannot be read or written just now.
pub fn unavailable() -> String {
    document(
        "Please try again",
        "<h1>Please try again in a minute</h1>\
         <p>Your choice could not be saved just now, and nothing was changed. Your link stays valid.</p>",
    )
}

/// Returns a sender's name as HTML, set apart from the sentence's direction.
fn named(sender: &str) -> String {
    if sender.is_empty() {
        "the sender".to_owned()
    } else {
        format!("<bdi>{}</bdi>", escape(sender))
    }
}

/// Returns a masked address as HTML; a short one is not broken over lines.
fn set_apart(address: &str) -> String {
    let class = if address.chars().count() <= 30 {
        " class=\"address\""
    } else {
        ""
    };
    format!("<bdi{class}>{}</bdi>", escape(address))
}

fn about(view: &View, from: &str) -> String {
    match (&view.standing, &view.address) {
        (Standing::Test, _) => format!(
            "<p>This link belongs to a <strong>test mail</strong> of {from}. It shows what readers will see; \
             its buttons do nothing.</p>"
        ),
        (_, Some(address)) => format!(
            "<p class=\"soft\">Mails from {from} to <strong>{}</strong></p>",
            set_apart(address)
        ),
        (_, None) => {
            format!("<p class=\"soft\">Mails from {from} to the address that this link was sent to</p>")
        }
    }
}

/// Says in HTML what was done.
fn said(view: &View) -> Option<String> {
    let done = view.done?;
    Some(match (view.standing, done) {
        (Standing::Test, Wish::SendData) => "This is a test mail, so nothing was mailed.".into(),
        (Standing::Test, _) => "This is a test mail, so nothing was changed.".into(),
        (Standing::Stranger, Wish::SendData) => {
            "A mail is on its way to the address that this link was sent to, if anything is held about it. If none \
             has come within a day, ask here again."
                .into()
        }
        (Standing::Stranger, _) => {
            "Your choice was received. It holds from now on for the mails that this link belongs to.".into()
        }
        (_, Wish::StopRecording) if view.question.is_some() => {
            "Done. You said no. Nothing is recorded when you open these mails, those already sent included. \
             You still receive them."
                .into()
        }
        (_, Wish::AllowRecording) if view.question.is_some() => {
            "Thank you. You said yes. Opens of the mails to come are recorded, until you say otherwise here.".into()
        }
        (_, Wish::EraseRecorded) => {
            "Done. What was recorded when you opened these mails is erased, and in no number any more.".into()
        }
        (_, Wish::StopRecording) => {
            "Done. From now on nothing is recorded when you open these mails, those already sent included. \
             You still receive them."
                .into()
        }
        (_, Wish::AllowRecording) => {
            "Thank you. Opens are recorded again, until you say otherwise here.".into()
        }
        (_, Wish::Unsubscribe) => "Done. You will receive no more of these mails.".into(),
        (_, Wish::SendData) => match &view.on_file {
            Some(address) => format!(
                "A mail is on its way to {}, with everything that is held about you. There is one a day at most; if \
                 none has come within a day, ask here again.",
                set_apart(address)
            ),
            None => "Nothing that names you is held any more, so there is nothing to mail.".into(),
        },
    })
}

fn recording_section(view: &View, recording: Recording, said: &str) -> String {
    let (state, choice, label, class) = match recording {
        Recording::On => (
            "When you open one of these mails, the sender can learn that you did, through a small picture \
             in it. You can end that and still receive the mails."
                .to_owned(),
            "stop_tracking",
            "Stop recording when I open these mails",
            "",
        ),
        Recording::Off => (
            "Opens of this mail are not recorded for you. You can make sure that none ever are, and still \
             receive the mails."
                .to_owned(),
            "stop_tracking",
            "Never record when I open these mails",
            "",
        ),
        Recording::Refused => (
            format!(
                "Opens are not recorded: you asked for that. To turn it on again, agree to this: “{}”",
                grant_wording(&view.sender)
            ),
            "allow_tracking",
            "I agree, record when I open these mails",
            " class=\"quiet\"",
        ),
    };
    format!(
        "<section id=\"opens\"><h2>Recording of opens</h2>{said}<p>{}</p>\
         <form method=\"post\"><button{class} name=\"action\" value=\"{choice}\">{label}</button></form>{}</section>",
        escape(&state),
        erasing(recording)
    )
}

/// The question of a mail that asks. Its two buttons are equal: the same size and look, none chosen before.
fn question_section(wording: &str, recording: Recording, said: &str) -> String {
    let words = escape(wording).replace('\n', "<br>");
    let button = |choice: &str, label: &str| {
        format!(
            "<form method=\"post\"><button class=\"quiet\" name=\"action\" value=\"{choice}\">{label}</button></form>"
        )
    };
    let fragment = crate::render::QUESTION_FRAGMENT.trim_start_matches('#');
    format!(
        "<section id=\"{fragment}\"><h2>May your opens be recorded?</h2>{said}\
         <p>You receive these mails whatever you answer, and can change your answer here at any time.</p>\
         <p class=\"words\" dir=\"auto\">{words}</p><div class=\"answers\">{}{}</div>{}</section>",
        button("allow_tracking", "Yes, I agree"),
        button("refuse_tracking", "No, I do not agree"),
        erasing(recording)
    )
}

/// What was recorded before stays until the reader asks for its end as well.
fn erasing(recording: Recording) -> &'static str {
    if recording != Recording::Refused {
        return "";
    }
    "<p class=\"after\">What was recorded before, if anything, is still held and counted.</p>\
     <form method=\"post\"><button class=\"quiet\" name=\"action\" value=\"erase_recorded\">\
     Also erase what was recorded</button></form>"
}

fn subscription_section(subscribed: bool) -> String {
    if subscribed {
        "<section><h2>Subscription</h2><p>You can end all mails of this sender to your address.</p>\
         <form method=\"post\"><button class=\"quiet\" name=\"action\" value=\"unsubscribe\">Unsubscribe</button>\
         </form></section>"
            .to_owned()
    } else {
        "<section><h2>Subscription</h2><p>You are unsubscribed: no more mails are sent to your address.</p></section>"
            .to_owned()
    }
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(recording: Recording) -> View {
        View {
            sender: "Harbour <Club> & Co".into(),
            address: Some("a…@example.org".into()),
            on_file: Some("a…@example.org".into()),
            standing: Standing::Reader {
                recording,
                subscribed: true,
                consent: Some(ConsentState::Granted),
            },
            question: None,
            done: None,
        }
    }

    #[test]
    fn a_mail_that_asks_has_a_page_with_two_equal_buttons() {
        let ask = |recording| {
            preferences(&View {
                question: Some("You may <count>.\nI can end it.".into()),
                ..view(recording)
            })
        };
        let html = ask(Recording::Off);
        assert!(html.contains("You may &lt;count&gt;.<br>I can end it."), "{html}");
        let fragment = crate::render::QUESTION_FRAGMENT.trim_start_matches('#');
        assert!(html.contains(&format!("<section id=\"{fragment}\">")));
        let form = |choice: &str| {
            let at = html.find(&format!("value=\"{choice}\"")).unwrap();
            let from = html[..at].rfind("<form").unwrap();
            html[from..at].to_owned()
        };
        assert_eq!(form("allow_tracking"), form("refuse_tracking"), "the same look");
        for forbidden in [
            "autofocus",
            "checked",
            "selected",
            "value=\"stop_tracking\"",
            "erase_recorded",
        ] {
            assert!(!html.contains(forbidden), "{forbidden} must not be in the page");
        }
        let question = html.find("allow_tracking").unwrap();
        assert!(
            question < html.find("unsubscribe").unwrap() && question < html.find("send_data").unwrap(),
            "the question comes first, and the rest of the page below"
        );
        assert!(ask(Recording::Refused).contains("value=\"erase_recorded\""));
    }

    #[test]
    fn what_a_press_did_stands_in_the_part_that_its_link_points_to() {
        for question in [None, Some("You may.".to_owned())] {
            for done in [
                Wish::StopRecording,
                Wish::AllowRecording,
                Wish::EraseRecorded,
                Wish::Unsubscribe,
            ] {
                let html = preferences(&View {
                    question: question.clone(),
                    done: Some(done),
                    ..view(Recording::Refused)
                });
                assert_eq!(html.matches("role=\"status\"").count(), 1);
                let is_inside = html.find("role=\"status\"") > html.find("<section");
                assert_eq!(is_inside, done != Wish::Unsubscribe, "{done:?} {question:?}");
            }
        }
    }

    #[test]
    fn what_was_recorded_can_be_erased_once_recording_has_ended() {
        for (recording, offered) in [
            (Recording::On, false),
            (Recording::Off, false),
            (Recording::Refused, true),
        ] {
            let html = preferences(&view(recording));
            assert_eq!(
                html.contains("value=\"erase_recorded\""),
                offered,
                "{recording:?}"
            );
        }
    }

    #[test]
    fn the_policy_allows_this_style_and_no_other() {
        use sha2::Digest;
        let hash = data_encoding::BASE64.encode(&sha2::Sha256::digest(STYLE.as_bytes()));
        assert!(
            CONTENT_SECURITY_POLICY.contains(&format!("'sha256-{hash}'")),
            "the style changed: its hash is sha256-{hash}"
        );
    }

    #[test]
    fn a_page_holds_separate_forms_and_no_script() {
        let html = preferences(&view(Recording::On));
        assert_eq!(html.matches("<form method=\"post\">").count(), 3);
        let fragment = crate::render::OPENS_FRAGMENT.trim_start_matches('#');
        assert!(
            html.contains(&format!("<section id=\"{fragment}\">")),
            "mails link to this part"
        );
        assert!(html.contains("value=\"stop_tracking\"") && html.contains("value=\"unsubscribe\""));
        for forbidden in ["<script", "http://", "https://", "src=", "url(", "Club>"] {
            assert!(!html.contains(forbidden), "{forbidden} must not be in the page");
        }
        assert!(
            html.contains("Harbour &lt;Club&gt; &amp; Co"),
            "names are escaped"
        );
    }

    #[test]
    fn the_words_that_are_agreed_to_stand_on_the_page() {
        let html = preferences(&view(Recording::Refused));
        assert!(html.contains(&escape(&grant_wording("Harbour <Club> & Co"))));
        assert!(html.contains("value=\"allow_tracking\"") && !html.contains("value=\"stop_tracking\""));
    }

    #[test]
    fn a_strangers_page_has_the_shape_of_a_readers() {
        // Names of tags in their order. An address is set apart where there is one.
        let shape = |html: &str| -> Vec<String> {
            html.split('<')
                .skip(1)
                .filter_map(|tag| tag.split(['>', ' ']).next())
                .filter(|name| !matches!(name.trim_start_matches('/'), "strong" | "bdi"))
                .map(str::to_owned)
                .collect()
        };
        for done in [None, Some(Wish::SendData), Some(Wish::Unsubscribe)] {
            let reader = View {
                done,
                ..view(Recording::On)
            };
            for standing in [Standing::Stranger, Standing::Test] {
                let other = View {
                    sender: String::new(),
                    address: None,
                    on_file: None,
                    standing,
                    question: None,
                    done,
                };
                assert_eq!(
                    shape(&preferences(&reader)),
                    shape(&preferences(&other)),
                    "{standing:?}"
                );
            }
        }
    }

    #[test]
    fn a_page_says_no_more_than_the_masked_address_and_the_consent() {
        for (consent, said) in [
            (ConsentState::Granted, "you agreed"),
            (ConsentState::Refused, "you refused"),
            (ConsentState::Unknown, "you were not asked"),
        ] {
            let mut view = view(Recording::Off);
            view.standing = Standing::Reader {
                recording: Recording::Off,
                subscribed: false,
                consent: Some(consent),
            };
            let html = held::section(&view);
            assert!(html.contains(said) && html.contains("unsubscribed"), "{html}");
            assert!(html.contains("a…@example.org") && html.contains("value=\"send_data\""));
        }
    }

    #[test]
    fn an_erased_readers_page_offers_no_copy() {
        let erased = View {
            address: None,
            on_file: None,
            standing: Standing::Reader {
                recording: Recording::Off,
                subscribed: false,
                consent: None,
            },
            done: Some(Wish::SendData),
            ..view(Recording::Off)
        };
        let html = preferences(&erased);
        assert!(html.contains("it has been erased") && html.contains("nothing to mail"));
        assert!(!html.contains("send_data"));
    }
}
