//! Caps and grace from where they are set to where they hold: workspace, campaign, file, preparation, report.

use super::sending_tests::Stage;
use super::{campaign, launch, report, settings};
use crate::api::*;
use crate::domain::consent::ConsentState;
use crate::domain::message::NotTrackedReason;
use crate::ids::CampaignId;
use serde_json::{Value, json};

fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn set(stage: &Stage, change: Value) -> Result<Settings> {
    settings::update(&stage.bench.engine, from(change))
}

/// What a prepared campaign is held to: grace in days, hits, hits by machines, tracked mails.
fn frozen(stage: &Stage, id: CampaignId) -> [Option<u32>; 4] {
    let read = |conn: &crate::store::Conn| {
        let row = conn.query_row(
            "SELECT grace_days, cap_hits, cap_machine_hits, cap_tracked_mails FROM campaign WHERE id = ?1",
            [id.0],
            |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]),
        );
        Ok(row.unwrap())
    };
    stage.bench.engine.read(read).unwrap()
}

#[test]
fn a_setting_out_of_its_range_is_refused_with_a_sentence_and_changes_nothing() {
    let stage = Stage::set();
    let before = set(&stage, json!({})).unwrap();
    let table = [
        (
            json!({ "grace_days": 91 }),
            "grace_days",
            "The grace after a window is 0 to 90 days.",
        ),
        (
            json!({ "cap_hits": 0 }),
            "cap_hits",
            "Choose 1 to 1,000 stored loads of one mail.",
        ),
        (
            json!({ "cap_hits": 1001 }),
            "cap_hits",
            "Choose 1 to 1,000 stored loads of one mail.",
        ),
        (
            json!({ "cap_machine_hits": 21 }),
            "cap_machine_hits",
            "Of the stored loads of one mail, 0 to 20 can be by machines.",
        ),
        (
            json!({ "cap_hits": 7 }),
            "cap_machine_hits",
            "Of the stored loads of one mail, 0 to 7 can be by machines.",
        ),
        (
            json!({ "tracked_per_30_days": 0 }),
            "tracked_per_30_days",
            "Choose 1 to 1,000 tracked mails in 30 days.",
        ),
        (
            json!({ "verdicts_months": 0 }),
            "verdicts_months",
            "Verdicts are kept for 1 to 60 months.",
        ),
        (
            json!({ "verdicts_months": 61 }),
            "verdicts_months",
            "Verdicts are kept for 1 to 60 months.",
        ),
    ];
    for (change, field, sentence) in table {
        let error = set(&stage, change.clone()).unwrap_err();
        assert_eq!(
            (error.field.as_deref(), &*error.message),
            (Some(field), sentence),
            "{change}"
        );
    }
    assert_eq!(set(&stage, json!({})).unwrap(), before);
    let after = set(
        &stage,
        json!({ "grace_days": 0, "cap_hits": 5, "cap_machine_hits": 0, "verdicts_months": 60 }),
    )
    .unwrap();
    assert_eq!(
        (
            after.grace_days,
            after.cap_hits,
            after.cap_machine_hits,
            after.verdicts_months
        ),
        (0, 5, 0, 60)
    );
}

#[test]
fn a_campaigns_limits_are_checked_and_kept_and_can_be_given_back() {
    let stage = Stage::set();
    let id = stage.draft();
    let save = |more: Value| {
        let mut saving = json!({ "id": id, "name": "Spring" });
        saving
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        campaign::save(&stage.bench.engine, from(saving))
    };
    let table = [
        (json!({ "cap": { "hits": 0 } }), "cap.hits"),
        (
            json!({ "cap": { "hits": 4, "machine_hits": 5 } }),
            "cap.machine_hits",
        ),
        (json!({ "cap": { "machine_hits": 21 } }), "cap.machine_hits"),
        (json!({ "cap": { "tracked_mails": 0 } }), "cap.tracked_mails"),
        (json!({ "grace_days": 91 }), "grace_days"),
    ];
    for (more, field) in table {
        let error = save(more.clone()).unwrap_err();
        assert_eq!(error.field.as_deref(), Some(field), "{more}: {}", error.message);
    }
    let get = || {
        let campaign = campaign::get(&stage.bench.engine, CampaignGet { id }).unwrap();
        (serde_json::to_value(campaign.cap).unwrap(), campaign.grace_days)
    };
    save(json!({ "cap": { "hits": 4 }, "grace_days": 2 })).unwrap();
    let cap = json!({ "hits": 4 });
    assert_eq!(get(), (cap.clone(), Some(2)));
    save(json!({})).unwrap();
    assert_eq!(get(), (cap.clone(), Some(2)), "what is missing stays");
    save(json!({ "grace_days": null })).unwrap();
    assert_eq!(get(), (cap, None), "and null takes the workspace's");
    let copy = campaign::duplicate(&stage.bench.engine, CampaignDuplicate { id })
        .unwrap()
        .id;
    let copy = campaign::get(&stage.bench.engine, CampaignGet { id: copy }).unwrap();
    assert_eq!(copy.cap.hits, Some(4), "a copy has them too");
}

#[test]
fn limits_are_frozen_when_a_campaign_is_prepared() {
    let stage = Stage::set();
    stage.person("ana@example.org", ConsentState::Granted);
    let file = json!({
        "name": "Spring", "subject": "Hello", "account": "Practice", "audience": { "include": ["Members"] },
        "markdown": "Hello", "cap": { "hits": 6, "tracked_mails": 3 }, "grace_days": 1,
    });
    let id = campaign::create(&stage.bench.engine, from(file)).unwrap().id;
    assert_eq!(frozen(&stage, id), [None; 4], "a draft follows the workspace");
    stage.launch(id, 0);
    assert_eq!(frozen(&stage, id), [Some(1), Some(6), Some(6), Some(3)]);
    let plain = stage.draft();
    stage.prepare(plain);
    set(
        &stage,
        json!({ "grace_days": 30, "cap_hits": 100, "cap_machine_hits": 50, "tracked_per_30_days": 99 }),
    )
    .unwrap();
    assert_eq!(
        frozen(&stage, plain),
        [Some(7), Some(20), Some(8), Some(10)],
        "as it was then"
    );
    let ends = report::get(&stage.bench.engine, ReportGet { id }).unwrap();
    let window = ends.window.unwrap();
    assert_eq!(
        ends.late_counted_until,
        Some(window.opens_until + chrono::TimeDelta::days(1))
    );
    launch::unprepare(&stage.bench.engine, CampaignUnprepare { id: plain }).unwrap();
    assert_eq!(frozen(&stage, plain), [None; 4]);
}

#[test]
fn beyond_the_cap_of_its_campaign_a_persons_mail_goes_out_without_a_pixel_and_the_report_says_so() {
    let stage = Stage::set();
    stage.person("ana@example.org", ConsentState::Granted);
    let send = |more: Value| {
        let id = stage.draft_with(more);
        stage.launch(id, 0);
        stage.send();
        let report = report::get(&stage.bench.engine, ReportGet { id }).unwrap();
        let by_reason = report.parts.not_tracked.by_reason;
        let capped = by_reason.get(&NotTrackedReason::FrequencyCap).copied();
        (report.parts.tracked, capped.unwrap_or(0))
    };
    assert_eq!(
        send(json!({ "cap": { "tracked_mails": 1 } })),
        (1, 0),
        "the first one"
    );
    assert_eq!(send(json!({ "cap": { "tracked_mails": 1 } })), (0, 1));
    assert_eq!(send(json!({})), (1, 0), "the workspace allows ten");
    set(&stage, json!({ "tracked_per_30_days": 2 })).unwrap();
    assert_eq!(send(json!({})), (0, 1));
    assert_eq!(
        send(json!({ "cap": { "tracked_mails": 3 } })),
        (1, 0),
        "a campaign may say more, too"
    );
    stage.bench.clock.advance(chrono::TimeDelta::days(31));
    assert_eq!(send(json!({})), (1, 0), "and thirty days later all begins anew");
}
