//! The window of a campaign that is launched for a later time.

use super::super::sending_tests::Stage;
use super::*;
use crate::domain::consent::ConsentState;
use crate::domain::schedule::LocalTime;
use crate::domain::window::Window;
use serde_json::json;

/// A prepared campaign to one person; the clock stands at 08:00 on 1 April 2026.
fn prepared(more: serde_json::Value) -> (Stage, CampaignId) {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft_with(more);
    let preflight = stage.prepare(id);
    assert!(preflight.ready, "{:?}", preflight.findings);
    (stage, id)
}

fn scheduled(stage: &Stage, id: CampaignId, time: &str) -> Result<Done> {
    launch(
        &stage.bench.engine,
        CampaignLaunch {
            id,
            delay_secs: 0,
            at: Some(LocalTime {
                time: time.parse().unwrap(),
                zone: "UTC".into(),
            }),
            when_late: None,
            quiet: None,
            confirmed: true,
            confirm_host: None,
        },
    )
}

fn set(stage: &Stage, id: CampaignId, window: serde_json::Value) -> Window {
    let request = CampaignWindowSet {
        id,
        window: Some(serde_json::from_value(window).unwrap()),
        grace_days: None,
    };
    window_set(&stage.bench.engine, request).unwrap();
    stage.row(id).window.unwrap()
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

#[test]
fn a_campaign_is_not_scheduled_for_when_its_window_is_over() {
    let dates = json!({ "from": "2026-04-01T00:00:00", "until": "2026-04-05T00:00:00", "zone": "UTC" });
    let (stage, id) = prepared(json!({ "window": dates }));
    for time in ["2026-04-05T00:00:00", "2026-04-20T09:00:00"] {
        let error = scheduled(&stage, id, time).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("at"), "{error}");
        assert!(error.message.contains("window is over by then"), "{error}");
    }
    assert_eq!(stage.row(id).state, CampaignState::Prepared);
    scheduled(&stage, id, "2026-04-04T09:00:00").unwrap();

    let (stage, id) = prepared(json!({ "window": dates, "tracking": "off" }));
    scheduled(&stage, id, "2026-04-20T09:00:00").unwrap();
}

#[test]
fn a_window_that_is_over_is_nothing_to_a_campaign_without_tracking() {
    let past = json!({ "from": "2026-03-01T00:00:00", "until": "2026-03-05T00:00:00", "zone": "UTC" });
    let (stage, id) = prepared(json!({ "window": past, "tracking": "off" }));
    stage.try_launch(id, 0).unwrap();
}

#[test]
fn days_of_a_scheduled_campaign_count_from_its_first_mail() {
    let (stage, id) = prepared(json!({ "window": { "days": 14 } }));
    scheduled(&stage, id, "2026-04-20T09:00:00").unwrap();
    let before = stage.row(id).window.unwrap();
    assert_eq!(before.opens_until, at("2026-05-04T09:00:00Z"));
    assert_eq!(
        set(&stage, id, json!({ "days": 14 })),
        before,
        "the same days, the same window"
    );
    let longer = set(&stage, id, json!({ "days": 20 }));
    assert_eq!(
        (longer.opens_from, longer.opens_until),
        (before.opens_from, at("2026-05-10T09:00:00Z"))
    );
    let dates = json!({ "from": "2026-04-20T09:00:00", "until": "2026-06-01T00:00:00", "zone": "UTC" });
    assert_eq!(
        set(&stage, id, dates).opens_until,
        at("2026-06-01T00:00:00Z"),
        "dates are their own"
    );
}

#[test]
fn days_of_a_window_that_began_before_the_launch_count_from_the_launch() {
    let dates = json!({ "from": "2026-03-01T00:00:00", "until": "2026-04-05T00:00:00", "zone": "UTC" });
    let (stage, id) = prepared(json!({ "window": dates }));
    stage.try_launch(id, 0).unwrap();
    assert_eq!(
        set(&stage, id, json!({ "days": 14 })).opens_until,
        at("2026-04-15T08:00:00Z")
    );
}
