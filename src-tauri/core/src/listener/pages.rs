//! The pages that readers see, as plain HTML: no script, nothing from elsewhere, readable without CSS.

use super::Wish;

/// What a preference page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The organisation's or the account's name; empty where it may not be told.
    pub sender: String,
    /// The reader's address with most of it hidden; `None` where it is not known any more.
    pub address: Option<String>,
    /// Whose link it is, and how things stand.
    pub standing: Standing,
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
        if sender.is_empty() { "the sender" } else { sender }
    )
}

/// The policy that goes with every page: its own style by hash, its own forms, and nothing else.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
     style-src 'sha256-W5vf0V6Ezy1cJtiKCpwbmR0gwMYQTsV+sP1LHoL2IMc='; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark;--page:#f7f6f3;--card:#fff;--ink:#1d2126;--soft:#5b6570;--line:#d9d6cf;--button:#1f5f5b;--on:#fff}\
@media(prefers-color-scheme:dark){:root{--page:#16191c;--card:#1f2327;--ink:#eceae6;--soft:#a7b0b8;--line:#3a4147;--button:#7fc9c1;--on:#10201f}}\
*{box-sizing:border-box}\
body{margin:0;padding:3rem 1rem;background:var(--page);color:var(--ink);font:1.0625rem/1.6 system-ui,sans-serif}\
main{max-width:36rem;margin:0 auto;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:12px}\
h1{margin:0 0 .25rem;font-size:1.5rem;line-height:1.25}\
h2{margin:0 0 .25rem;font-size:1.0625rem}\
p{margin:0 0 1rem;overflow-wrap:anywhere}\
.soft{color:var(--soft)}\
.said{padding:.75rem 1rem;border-left:4px solid var(--button);background:var(--page)}\
section{margin-top:1.5rem;padding-top:1.5rem;border-top:1px solid var(--line)}\
button{padding:.625rem 1.125rem;border:1px solid var(--button);border-radius:8px;background:var(--button);color:var(--on);font:inherit;font-weight:600;cursor:pointer}\
button.quiet{background:transparent;color:var(--ink);border-color:var(--soft)}\
button:focus-visible{outline:3px solid var(--ink);outline-offset:3px}";

/// Returns the preference page.
pub fn preferences(view: &View) -> String {
    let mut body = String::new();
    let sender = escape(&view.sender);
    body.push_str("<h1>Your choices</h1>");
    body.push_str(&about(view, &sender));
    if let Some(said) = said(view) {
        body.push_str(&format!(
            "<p class=\"said\" role=\"status\">{}</p>",
            escape(&said)
        ));
    }
    let (recording, subscribed) = match view.standing {
        Standing::Reader {
            recording,
            subscribed,
        } => (recording, subscribed),
        Standing::Stranger | Standing::Test => (Recording::On, true),
    };
    body.push_str(&recording_section(view, recording));
    body.push_str(&subscription_section(subscribed));
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

fn about(view: &View, sender: &str) -> String {
    let from = if sender.is_empty() { "the sender" } else { sender };
    match (&view.standing, &view.address) {
        (Standing::Test, _) => format!(
            "<p>This link belongs to a <strong>test mail</strong> of {from}. It shows what readers will see; \
             its buttons do nothing.</p>"
        ),
        (_, Some(address)) => format!(
            "<p class=\"soft\">Mails from {from} to <strong>{}</strong></p>",
            escape(address)
        ),
        (_, None) => {
            format!("<p class=\"soft\">Mails from {from} to the address that this link was sent to</p>")
        }
    }
}

fn said(view: &View) -> Option<String> {
    let done = view.done?;
    Some(match (view.standing, done) {
        (Standing::Test, _) => "This is a test mail, so nothing was changed.".into(),
        (Standing::Stranger, _) => {
            "Your choice was received. It holds from now on for the mails that this link belongs to.".into()
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
    })
}

fn recording_section(view: &View, recording: Recording) -> String {
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
        "<section id=\"opens\"><h2>Recording of opens</h2><p>{}</p>\
         <form method=\"post\"><button{class} name=\"action\" value=\"{choice}\">{label}</button></form></section>",
        escape(&state)
    )
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
            standing: Standing::Reader {
                recording,
                subscribed: true,
            },
            done: None,
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
    fn a_page_holds_two_separate_forms_and_no_script() {
        let html = preferences(&view(Recording::On));
        assert_eq!(html.matches("<form method=\"post\">").count(), 2);
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
        let stranger = View {
            sender: String::new(),
            address: None,
            standing: Standing::Stranger,
            done: None,
        };
        let html = preferences(&stranger);
        assert_eq!(html.matches("<form method=\"post\">").count(), 2);
        assert!(html.contains("Stop recording") && html.contains("Unsubscribe"));
    }
}
