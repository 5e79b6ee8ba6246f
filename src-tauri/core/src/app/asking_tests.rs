//! A campaign that asks for consent, from the draft to the outbox: who is asked, what the mail carries, who gets none.

use super::sending_tests::Stage;
use super::{compose, contact, sending};
use crate::api::*;
use crate::domain::consent::ConsentState;
use crate::ids::CampaignId;
use crate::store::{self, Conn, Priority};
use chrono::TimeDelta;
use serde_json::json;

const WORDING: &str = "You may record when I open your mails.\nI can end it at any time.";

fn asking(stage: &Stage, only: bool) -> CampaignId {
    stage.draft_with(json!({ "document": { "version": 1, "blocks": [
        { "type": "text", "paragraphs": [[{ "text": "Dear {{ first_name }}" }]] },
        { "type": "consent", "wording": WORDING, "label": "Answer here", "only": only },
    ] } }))
}

fn entry(state: &str, tracking: &str, reason: &str) -> (String, String, String) {
    (state.into(), tracking.into(), reason.into())
}

/// Everyone's address and whether their mail asks; `None` where they got none.
fn asked(stage: &Stage, to: &str) -> Option<bool> {
    let mail = stage.mail(to)?;
    let question = format!("{}#question", preference(&mail));
    let text = mail.text.replace("\r\n", "\n");
    let counts = [&mail.text, &mail.html].map(|part| part.matches("#question").count());
    assert!(
        counts == [0, 0] || counts == [1, 1],
        "once in either part: {counts:?}"
    );
    if counts == [1, 1] {
        assert!(mail.text.contains(&question) && mail.html.contains(&format!("href=\"{question}\"")));
        assert!(text.contains("> You may record when I open your mails.\n  I can end it at any time."));
        assert!(
            mail.html
                .contains("You may record when I open your mails.<br>I can end it")
        );
        assert_eq!(mail.pixel, None);
        for part in [&mail.text, &mail.html] {
            assert!(!part.contains("/o/"), "a mail that asks has no pixel of any kind");
        }
        assert!(!mail.text.contains("Stop recording"), "nor does it claim one");
    }
    Some(counts == [1, 1])
}

/// The address of the preference page that the mail unsubscribes by.
fn preference(mail: &OutboxMail) -> String {
    let at = mail.text.find("https://t.example.org/u/").unwrap();
    mail.text[at..]
        .chars()
        .take("https://t.example.org/u/".len() + 26)
        .collect()
}

#[test]
fn only_who_has_not_answered_is_asked_and_nobody_else_sees_the_question() {
    for policy in ["personal", "shared", "none"] {
        let stage = Stage::set();
        let request = json!({ "unknown_policy": policy });
        super::settings::update(&stage.bench.engine, serde_json::from_value(request).unwrap()).unwrap();
        stage.person("yes@example.org", ConsentState::Granted);
        stage.person("no@example.org", ConsentState::Refused);
        stage.person("new@example.org", ConsentState::Unknown);
        let id = asking(&stage, false);
        stage.launch(id, 0);
        stage.send();
        let ledger = stage.ledger(id);
        assert_eq!(
            ledger["new@example.org"],
            entry("accepted", "none", "asks_consent"),
            "{policy}"
        );
        assert_eq!(ledger["yes@example.org"], entry("accepted", "personal", ""));
        assert_eq!(ledger["no@example.org"], entry("accepted", "none", "refused"));
        assert_eq!(asked(&stage, "new@example.org"), Some(true));
        assert_eq!(asked(&stage, "yes@example.org"), Some(false));
        assert_eq!(asked(&stage, "no@example.org"), Some(false));
        let tracked = stage.mail("yes@example.org").unwrap();
        assert!(tracked.pixel.is_some());
        assert!(
            tracked.html.contains(&format!("{}#opens", preference(&tracked))),
            "a tracked mail has the link that ends tracking, apart from unsubscribing"
        );
    }
}

#[test]
fn a_mail_that_only_asks_goes_to_nobody_else_and_to_nobody_twice_in_six_months() {
    let stage = Stage::set();
    stage.person("yes@example.org", ConsentState::Granted);
    stage.person("no@example.org", ConsentState::Refused);
    let new = stage.person("new@example.org", ConsentState::Unknown);
    let first = asking(&stage, true);
    let preflight = stage.prepare(first);
    assert_eq!((preflight.to_send, preflight.skipped["not_to_be_asked"]), (1, 2));
    assert_eq!(preflight.not_tracked["asks_consent"], 1);
    stage.launch(first, 0);
    stage.send();
    let skipped = |tracking: &str| entry("skipped", tracking, "not_to_be_asked");
    let ledger = stage.ledger(first);
    assert_eq!(ledger["new@example.org"].0, "accepted");
    assert_eq!(
        (
            ledger["yes@example.org"].clone(),
            ledger["no@example.org"].clone()
        ),
        (skipped("personal"), skipped("none"))
    );
    let request = ContactGet { id: new };
    let details = contact::get(&stage.bench.engine, request).unwrap();
    assert_eq!(details.asked_at, Some("2026-04-01T08:00:00Z".parse().unwrap()));

    stage.bench.clock.advance(TimeDelta::days(182));
    let again = asking(&stage, true);
    let preflight = stage.prepare(again);
    assert_eq!(
        (preflight.to_send, preflight.ready),
        (0, false),
        "1 October comes a day later"
    );
    assert!(
        preflight
            .findings
            .iter()
            .any(|found| found.message.contains("was asked in the last six months")),
        "{:?}",
        preflight.findings
    );
    stage.bench.clock.advance(TimeDelta::days(1));
    assert_eq!(stage.prepare(again).to_send, 1);
}

#[test]
fn at_hand_over_nobody_is_asked_who_answered_or_was_asked_since_the_launch() {
    let stage = Stage::set();
    let yes = stage.person("yes@example.org", ConsentState::Unknown);
    let no = stage.person("no@example.org", ConsentState::Unknown);
    stage.person("silent@example.org", ConsentState::Unknown);
    let (only, whole) = (asking(&stage, true), asking(&stage, false));
    stage.launch(only, 0);
    stage.launch(whole, 0);
    stage.consents(yes, ConsentState::Granted);
    stage.consents(no, ConsentState::Refused);
    stage.send();
    let ledger = stage.ledger(only);
    assert_eq!(ledger["yes@example.org"].2, "not_to_be_asked");
    assert_eq!(ledger["no@example.org"].2, "not_to_be_asked");
    assert_eq!(
        ledger["silent@example.org"],
        entry("accepted", "none", "asks_consent")
    );
    let ledger = stage.ledger(whole);
    assert_eq!(
        ledger["yes@example.org"],
        entry("accepted", "none", "unknown_consent")
    );
    assert_eq!(ledger["no@example.org"], entry("accepted", "none", "refused"));
    assert_eq!(
        ledger["silent@example.org"],
        entry("accepted", "none", "unknown_consent"),
        "the first of the two campaigns has asked"
    );
    assert_eq!(asked(&stage, "yes@example.org"), Some(false));
}

#[test]
fn without_an_address_nobody_is_asked_and_the_launch_says_so() {
    let stage = Stage::set();
    let request = AddressSet {
        url: None,
        local: false,
    };
    super::reach::address_set(&stage.bench.engine, request).unwrap();
    stage.person("new@example.org", ConsentState::Unknown);
    let levels = |only| -> Vec<FindingLevel> {
        let preflight = stage.prepare(asking(&stage, only));
        let findings = preflight.findings.into_iter();
        findings
            .filter(|found| found.id == "question_without_address")
            .map(|found| found.level)
            .collect()
    };
    assert_eq!(levels(false), [FindingLevel::Warning]);
    assert_eq!(levels(true), [FindingLevel::Error]);
}

#[test]
fn a_preview_shows_the_question_and_says_who_does_not_get_it() {
    let stage = Stage::set();
    let new = stage.person("new@example.org", ConsentState::Unknown);
    let yes = stage.person("yes@example.org", ConsentState::Granted);
    for (only, words) in [(false, "without the question"), (true, "does not get this mail")] {
        let id = asking(&stage, only);
        let preview = |contact| {
            let request = CampaignPreview {
                id: Some(id),
                draft: None,
                contact: Some(contact),
            };
            compose::preview(&stage.bench.engine, request).unwrap()
        };
        let found = |preview: &Preview| {
            let mut found = preview
                .findings
                .iter()
                .filter(|found| found.id == "not_to_be_asked");
            found.next().map(|found| (found.block, found.message.clone()))
        };
        let shown = preview(new);
        assert_eq!(found(&shown), None, "{:?}", shown.findings);
        assert!(shown.html.contains("#question") && !shown.html.contains("/o/"));
        let (block, message) = found(&preview(yes)).unwrap();
        assert!(block == Some(1) && message.contains(words), "{message}");
    }
}

#[test]
fn who_may_have_been_asked_is_not_asked_again() {
    let stage = Stage::set();
    let new = stage.person("new@example.org", ConsentState::Unknown);
    let first = asking(&stage, true);
    stage.launch(first, 0);
    let engine = &stage.bench.engine;
    let damage = move |conn: &Conn| {
        conn.execute(
            "UPDATE message SET state = 'handing_over' WHERE campaign_id = ?1",
            [first.0],
        )
        .map_err(store::Error::from)
    };
    engine.db.write(Priority::Window, damage).unwrap();
    sending::recover(engine).unwrap();
    assert_eq!(stage.ledger(first)["new@example.org"].0, "uncertain");
    let request = ContactGet { id: new };
    assert!(contact::get(engine, request).unwrap().asked_at.is_some());
}
