//! Launches with an address that may not last, with one that does, and with none.

use super::super::sending_tests::{Stage, serve};
use super::*;
use crate::api::{
    AddressSet, CampaignCancel, CampaignFollowUpLaunch, CampaignFollowUpPrepare, ReportGet, Unmeasured,
};
use crate::app::{control, follow_up, reach, report, tracking};
use crate::domain::consent::ConsentState;
use crate::domain::schedule::LocalTime;
use crate::mail::smtp::peer::{Peer, Script};
use serde_json::json;

const QUICK: &str = "https://brave-red-fox.trycloudflare.com";
const HOST: &str = "brave-red-fox.trycloudflare.com";

/// A campaign to one person by a mail server, with `url` as the address.
fn prepared_with(
    url: Option<&str>,
    local: bool,
    more: serde_json::Value,
) -> (Stage, Peer, CampaignId, Preflight) {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let peer = serve(&stage, Script::default());
    set(&stage, url, local);
    let id = stage.draft_with(more);
    let preflight = stage.prepare(id);
    assert!(preflight.ready, "{:?}", preflight.findings);
    (stage, peer, id, preflight)
}

fn set(stage: &Stage, url: Option<&str>, local: bool) {
    let url = url.map(str::to_owned);
    reach::address_set(&stage.bench.engine, AddressSet { url, local }).unwrap();
}

fn request(id: CampaignId, typed: Option<&str>) -> CampaignLaunch {
    CampaignLaunch {
        id,
        delay_secs: 0,
        at: None,
        when_late: None,
        quiet: None,
        confirmed: true,
        confirm_host: typed.map(str::to_owned),
    }
}

fn launched(stage: &Stage, id: CampaignId, typed: Option<&str>) -> Result<Done> {
    launch(&stage.bench.engine, request(id, typed))
}

fn message<'a>(preflight: &'a Preflight, id: &str) -> Option<(FindingLevel, &'a str)> {
    let found = preflight.findings.iter().find(|found| found.id == id)?;
    Some((found.level, found.message.as_str()))
}

fn feed(stage: &Stage) -> Vec<String> {
    let request = serde_json::from_value(json!({ "limit": 20 })).unwrap();
    let feed = crate::app::activity::list(&stage.bench.engine, request).unwrap();
    feed.rows.into_iter().map(|row| row.text).collect()
}

#[test]
fn an_address_that_may_be_gone_is_typed_before_mails_leave_with_it() {
    let (stage, peer, id, preflight) = prepared_with(Some(QUICK), false, json!({ "window": { "days": 30 } }));
    assert_eq!(preflight.confirm_host.as_deref(), Some(HOST));
    let (level, said) = message(&preflight, "address_temporary").unwrap();
    assert_eq!(level, FindingLevel::Warning);
    for words in ["Cloudflare", "until 1 May 2026", HOST] {
        assert!(said.contains(words), "{said}");
    }
    for typed in [
        None,
        Some(""),
        Some("yes"),
        Some("trycloudflare.com"),
        Some("t.example.org"),
    ] {
        let error = launched(&stage, id, typed).unwrap_err();
        assert_eq!(
            (error.code, error.field.as_deref()),
            (Code::Conflict, Some("confirm_host")),
            "{typed:?}"
        );
        assert!(error.message.contains(HOST), "{error}");
    }
    assert_eq!(
        stage.row(id).state,
        CampaignState::Prepared,
        "nothing was launched"
    );
    // The host alone says that its warning was seen; what else is worth a look has its own yes.
    let mut unseen = request(id, Some(&format!("https://{}/", HOST.to_uppercase())));
    unseen.confirmed = false;
    let error = launch(&stage.bench.engine, unseen.clone()).unwrap_err();
    assert!(error.message.contains("listener does not run"), "{error}");
    assert!(!error.message.contains(HOST), "{error}");
    tracking::start(&stage.bench.engine, reach::here()).unwrap();
    launch(&stage.bench.engine, unseen).unwrap();
    stage.send();
    assert_eq!(peer.mails(), 1);
    let noted = feed(&stage);
    assert!(
        noted
            .iter()
            .any(|text| text.contains(HOST) && text.contains("was typed to confirm")),
        "{noted:?}"
    );
}

#[test]
fn for_a_day_a_warning_is_enough() {
    let (stage, _peer, id, preflight) = prepared_with(Some(QUICK), false, json!({ "window": { "days": 1 } }));
    assert_eq!(preflight.confirm_host, None);
    assert_eq!(
        message(&preflight, "address_temporary").unwrap().0,
        FindingLevel::Warning
    );
    let mut unseen = request(id, None);
    unseen.confirmed = false;
    let error = launch(&stage.bench.engine, unseen).unwrap_err();
    assert!(error.message.contains("gives out for a while"), "{error}");
    assert_eq!(error.field, None);
    launched(&stage, id, None).unwrap();
}

#[test]
fn a_day_that_begins_later_is_no_day() {
    let (stage, _peer, id, preflight) = prepared_with(Some(QUICK), false, json!({ "window": { "days": 1 } }));
    assert_eq!(preflight.confirm_host, None, "launched now it lasts a day");
    let at = |typed| CampaignLaunch {
        at: Some(LocalTime {
            time: "2026-04-10T09:00:00".parse().unwrap(),
            zone: "UTC".into(),
        }),
        ..request(id, typed)
    };
    let error = launch(&stage.bench.engine, at(None)).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("confirm_host"), "{error}");
    launch(&stage.bench.engine, at(Some(HOST))).unwrap();
    assert!(stage.row(id).scheduled);
    // Called off, it is a draft: what was typed for it is void.
    control::cancel(&stage.bench.engine, CampaignCancel { id }).unwrap();
    stage.prepare(id);
    let error = launch(&stage.bench.engine, at(None)).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("confirm_host"));
}

#[test]
fn what_was_typed_holds_until_a_scheduled_campaign_begins() {
    let (stage, peer, id, _) = prepared_with(Some(QUICK), false, json!({ "window": { "days": 30 } }));
    let scheduled = CampaignLaunch {
        at: Some(LocalTime {
            time: "2026-04-03T09:00:00".parse().unwrap(),
            zone: "UTC".into(),
        }),
        ..request(id, Some(HOST))
    };
    launch(&stage.bench.engine, scheduled).unwrap();
    // Mails that were launched keep their address, whatever is set since.
    set(&stage, Some("https://news.harbour-club.eu"), false);
    stage
        .bench
        .clock
        .advance(TimeDelta::days(2) + TimeDelta::minutes(61));
    stage.send();
    assert_eq!(peer.mails(), 1);
    assert!(peer.mail(0).contains(HOST));
}

#[test]
fn without_tracking_the_links_are_to_last_however_short_the_window() {
    let off = json!({ "window": { "days": 1 }, "tracking": "off" });
    let (stage, _peer, id, preflight) = prepared_with(Some(QUICK), false, off);
    assert_eq!(preflight.confirm_host.as_deref(), Some(HOST));
    let said = message(&preflight, "address_temporary").unwrap().1;
    assert!(said.contains("links to unsubscribe"), "{said}");
    assert!(launched(&stage, id, None).is_err());
    launched(&stage, id, Some(HOST)).unwrap();
}

#[test]
fn this_computer_as_the_address_is_typed_too() {
    let (stage, _peer, id, preflight) = prepared_with(
        Some("http://127.0.0.1:4805"),
        true,
        json!({ "window": { "days": 30 } }),
    );
    assert_eq!(preflight.confirm_host.as_deref(), Some("127.0.0.1"));
    assert!(
        message(&preflight, "address_temporary")
            .unwrap()
            .1
            .contains("this computer itself")
    );
    assert_eq!(
        preflight.only_while_on, None,
        "said of addresses that readers can reach"
    );
    assert!(launched(&stage, id, Some("localhost")).is_err());
    launched(&stage, id, Some("127.0.0.1:4805")).unwrap();
}

#[test]
fn names_inside_a_network_and_bare_numbers_are_typed_too() {
    for (url, host) in [
        ("https://nas.home.arpa", "nas.home.arpa"),
        ("https://203.0.113.9", "203.0.113.9"),
        ("https://[2001:db8::9]:8443", "2001:db8::9"),
    ] {
        let (stage, _peer, id, preflight) = prepared_with(Some(url), false, json!({}));
        assert_eq!(preflight.confirm_host.as_deref(), Some(host), "{url}");
        assert!(launched(&stage, id, None).is_err(), "{url}");
        launched(&stage, id, Some(url)).unwrap();
    }
}

#[test]
fn practice_is_asked_for_nothing() {
    for (url, local) in [(QUICK, false), ("http://127.0.0.1:4805", true)] {
        let stage = Stage::set();
        stage.person("a@example.org", ConsentState::Granted);
        set(&stage, Some(url), local);
        let id = stage.draft();
        let preflight = stage.prepare(id);
        assert_eq!(
            (
                preflight.confirm_host.as_ref(),
                preflight.lasts.as_ref(),
                preflight.only_while_on.as_ref()
            ),
            (None, None, None)
        );
        assert_eq!(message(&preflight, "address_temporary"), None);
        launched(&stage, id, None).unwrap();
    }
}

#[test]
fn what_is_lent_is_a_note_and_what_is_ones_own_needs_no_word() {
    let (stage, _peer, id, preflight) = prepared_with(
        Some("https://laptop.tail0123.ts.net"),
        false,
        json!({ "window": { "days": 30 } }),
    );
    assert_eq!(preflight.confirm_host, None);
    let (level, said) = message(&preflight, "address_lent").unwrap();
    assert_eq!(level, FindingLevel::Note);
    assert!(said.contains("Tailscale"), "{said}");
    assert_eq!(preflight.lasts.as_deref(), Some(said));
    launched(&stage, id, None).unwrap();

    let (.., preflight) = prepared_with(Some("https://news.harbour-club.eu"), false, json!({}));
    assert_eq!(
        (preflight.lasts.as_ref(), message(&preflight, "address_lent")),
        (None, None)
    );
}

#[test]
fn every_launch_to_readers_says_that_this_computer_has_to_be_on() {
    let (stage, _peer, id, preflight) = prepared_with(Some("https://news.harbour-club.eu"), false, json!({}));
    let said = preflight.only_while_on.unwrap();
    assert!(said.contains("not known yet"), "{said}");
    assert_eq!(
        message(&stage.prepare(id), "only_while_on"),
        Some((FindingLevel::Note, said.as_str())),
        "a note, which nobody has to confirm"
    );
    // Eight days on, of which it answered on four.
    tracking::start(&stage.bench.engine, reach::here()).unwrap();
    tracking::stop(&stage.bench.engine);
    stage
        .bench
        .engine
        .write(&[], |conn| {
            let now = crate::clock::to_millis("2026-04-01T08:00:00Z".parse().unwrap());
            let hour = 3_600_000;
            conn.execute_batch(&format!(
                "DELETE FROM uptime;
                 INSERT INTO uptime (started_at, seen_at, ended_at) VALUES ({now} - 200 * {hour}, {now} - 84 * {hour},
                                                                            {now} - 84 * {hour});"
            ))
            .map_err(crate::store::Error::from)?;
            Ok(())
        })
        .unwrap();
    let said = preflight_of(&stage, id).only_while_on.unwrap();
    assert!(
        said.ends_with("In the last 7 days it was on 50 % of the time."),
        "{said}"
    );
}

fn preflight_of(stage: &Stage, id: CampaignId) -> Preflight {
    preflight(&stage.bench.engine, CampaignPreflight { id }).unwrap()
}

#[test]
fn people_who_joined_since_get_the_same_address_and_it_is_typed_for_them_again() {
    let (stage, peer, id, _) = prepared_with(Some(QUICK), false, json!({ "window": { "days": 30 } }));
    launched(&stage, id, Some(HOST)).unwrap();
    stage.send();
    stage.person("b@example.org", ConsentState::Granted);
    let engine = &stage.bench.engine;
    let job = stage
        .bench
        .finish(follow_up::prepare(engine, CampaignFollowUpPrepare { id }));
    let preflight: Preflight = serde_json::from_value(job.result).unwrap();
    assert_eq!(preflight.address.url.as_deref(), Some(QUICK));
    assert_eq!(preflight.confirm_host.as_deref(), Some(HOST));
    let again = |typed: Option<&str>| {
        follow_up::launch(
            engine,
            CampaignFollowUpLaunch {
                id,
                confirmed: true,
                confirm_host: typed.map(str::to_owned),
            },
        )
    };
    let error = again(None).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("confirm_host"), "{error}");
    again(Some(HOST)).unwrap();
    stage.send();
    assert_eq!(peer.mails(), 2);
    assert!(peer.mail(1).contains(HOST));
}

#[test]
fn an_address_that_was_changed_since_the_preparation_is_not_what_is_typed() {
    let (stage, _peer, id, _) = prepared_with(Some(QUICK), false, json!({}));
    set(&stage, Some("https://news.harbour-club.eu"), false);
    let error = launched(&stage, id, Some(HOST)).unwrap_err();
    assert!(error.message.contains("must be prepared again"), "{error}");
    assert!(stage.prepare(id).confirm_host.is_none());
    launched(&stage, id, None).unwrap();
}

#[test]
fn a_campaign_without_an_address_measures_nothing_and_is_left_by_mail() {
    let (stage, peer, id, preflight) = prepared_with(None, false, json!({ "window": { "days": 30 } }));
    let (level, said) = message(&preflight, "no_address").unwrap();
    assert_eq!(level, FindingLevel::Warning);
    assert!(
        said.contains("will not be measured") && said.contains("by mail"),
        "{said}"
    );
    assert_eq!(
        (preflight.confirm_host, preflight.lasts, preflight.only_while_on),
        (None, None, None)
    );
    assert_eq!(preflight.not_tracked.get("no_address"), Some(&1));
    launched(&stage, id, None).unwrap();
    stage.send();
    assert_eq!(peer.mails(), 1);
    let mail = peer.mail(0);
    for trace in ["https:", "href=3D\"http", "src=3D", "<img", "t.example.org"] {
        assert!(!mail.contains(trace), "no link, no pixel: {mail}");
    }
    assert!(
        mail.contains("List-Unsubscribe: <mailto:club@example.org"),
        "{mail}"
    );
    assert!(!mail.contains("List-Unsubscribe-Post"), "{mail}");
    assert!(
        mail.matches("mailto:").count() >= 2,
        "the footer says it, too: {mail}"
    );
    let report = report::get(&stage.bench.engine, ReportGet { id }).unwrap();
    assert_eq!(report.parts.unmeasured, Some(Unmeasured::NoPixel));
    assert_eq!(
        (report.parts.confirmed_rate, report.parts.upper_rate),
        (None, None),
        "never 0 %"
    );
    assert_eq!(report.parts.accepted, 1);
    let reasons: Vec<String> = report
        .parts
        .not_tracked
        .by_reason
        .iter()
        .map(|(reason, n)| format!("{} {n}", reason.as_str()))
        .collect();
    assert_eq!(reasons, ["no_address 1"]);
}
