//! What depends on an address, told of campaigns that were sent.

use super::super::sending_tests::Stage;
use super::*;
use crate::api::{AddressSet, Code, ProbeVerdict, ReachGet};
use crate::clock::from_millis;
use crate::domain::consent::ConsentState;
use crate::ids::CampaignId;
use crate::store::Priority;
use crate::store::db::testing;
use chrono::TimeDelta;
use serde_json::json;

const OLD: &str = "https://old.harbour-club.eu";
const NEW: &str = "https://new.harbour-club.eu";

fn set(stage: &Stage, url: Option<&str>, local: bool) {
    let url = url.map(str::to_owned);
    reach::address_set(&stage.bench.engine, AddressSet { url, local }).unwrap();
}

fn asked(stage: &Stage, url: Option<&str>) -> AddressPreviewed {
    let url = url.map(str::to_owned);
    preview(&stage.bench.engine, AddressPreview { url, local: false }).unwrap()
}

fn routes(stage: &Stage) -> Vec<RouteRow> {
    get(&stage.bench.engine, RoutesGet {}).unwrap().routes
}

/// Sends a campaign to everybody with `url`, as if by a mail server.
fn sent(stage: &Stage, url: &str, more: serde_json::Value) -> CampaignId {
    set(stage, Some(url), false);
    let id = stage.draft_with(more);
    stage.launch(id, 0);
    stage.send();
    stage
        .bench
        .engine
        .db
        .write(Priority::Window, move |conn| {
            conn.execute("UPDATE campaign SET practice = 0 WHERE id = ?1", [id.0])
                .map_err(crate::store::Error::from)
        })
        .unwrap();
    id
}

#[test]
fn every_address_that_was_mailed_stays_in_the_table() {
    let stage = Stage::set();
    for n in 0..3 {
        stage.person(&format!("p{n}@example.org"), ConsentState::Granted);
    }
    sent(&stage, OLD, json!({ "window": { "days": 30 } }));
    sent(&stage, OLD, json!({ "window": { "days": 2 } }));
    sent(&stage, "https://laptop.tail0123.ts.net", json!({}));
    set(&stage, Some("https://never-mailed.harbour-club.eu"), false);
    set(&stage, Some(NEW), false);
    let found = routes(&stage);
    let seen: Vec<(&str, bool, u32, u32, u32)> = found
        .iter()
        .map(|row| {
            (
                row.url.as_str(),
                row.current,
                row.messages,
                row.live_messages,
                row.live_campaigns,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (NEW, true, 0, 0, 0),
            ("https://laptop.tail0123.ts.net", false, 3, 3, 1),
            (OLD, false, 6, 6, 2),
        ],
        "the one in use first, then the latest"
    );
    assert_eq!(found[1].permanence, Some(Permanence::Lent));
    assert!(found[1].lasts.as_ref().unwrap().contains("Tailscale"));
    assert_eq!(
        (found[2].permanence, &found[2].lasts),
        (Some(Permanence::Own), &None)
    );
    assert_eq!(found[2].until, Some("2026-05-01T08:00:00Z".parse().unwrap()));
    // Three days on, the shorter window is over.
    stage.bench.clock.advance(TimeDelta::days(3));
    let old = routes(&stage).pop().unwrap();
    assert_eq!((old.messages, old.live_messages, old.live_campaigns), (6, 3, 1));
    stage.bench.clock.advance(TimeDelta::days(40));
    let old = routes(&stage).pop().unwrap();
    assert_eq!((old.messages, old.live_messages, old.until), (6, 0, None));
}

#[test]
fn practice_is_in_no_row_and_what_was_tried_out_is_marked() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    // Practice, with an address of its own.
    set(&stage, Some(OLD), false);
    let id = stage.draft();
    stage.launch(id, 0);
    stage.send();
    sent(&stage, "https://news.harbour.test", json!({}));
    set(&stage, None, false);
    let found = routes(&stage);
    let seen: Vec<(&str, RouteKind, bool, u32)> = found
        .iter()
        .map(|row| (row.url.as_str(), row.kind, row.tried_out, row.messages))
        .collect();
    assert_eq!(
        seen,
        [
            ("", RouteKind::None, false, 0),
            ("https://news.harbour.test", RouteKind::Public, true, 1)
        ]
    );
    assert_eq!((found[0].permanence, &found[0].lasts), (None, &None));
}

#[test]
fn an_erased_readers_mail_still_names_its_address() {
    let stage = Stage::set();
    let ana = stage.person("a@example.org", ConsentState::Granted);
    sent(&stage, OLD, json!({}));
    let erase = serde_json::from_value(json!({ "ids": [ana] })).unwrap();
    crate::app::contact::erase(&stage.bench.engine, erase).unwrap();
    assert_eq!(
        routes(&stage)[0].messages,
        1,
        "its link to unsubscribe works for ever"
    );
}

#[test]
fn a_change_says_what_goes_on_pointing_at_the_old_address() {
    let stage = Stage::set();
    for n in 0..3 {
        stage.person(&format!("p{n}@example.org"), ConsentState::Granted);
    }
    let unsent = asked(&stage, Some(NEW));
    assert!(
        unsent.changed && !unsent.ask,
        "nothing was sent with it: {unsent:?}"
    );
    assert!(unsent.keeps.is_empty());

    sent(&stage, OLD, json!({ "window": { "days": 30 } }));
    sent(&stage, OLD, json!({ "window": { "days": 2 } }));
    let same = asked(&stage, Some("https://OLD.harbour-club.eu/"));
    assert!(!same.changed && !same.ask && same.keeps.is_empty(), "{same:?}");
    let change = asked(&stage, Some(NEW));
    assert!(change.changed && change.ask);
    assert_eq!(change.live_messages, 6);
    assert_eq!(
        change.keeps,
        [format!(
            "6 mails of 2 campaigns still point to {OLD}, until 1 May 2026. They keep working as long as that address leads \
             to this computer."
        )]
    );
    assert_eq!(
        asked(&stage, None).keeps,
        change.keeps,
        "to have none is a change, too"
    );

    stage.bench.clock.advance(TimeDelta::days(3));
    let later = asked(&stage, Some("https://brave.trycloudflare.com"));
    assert_eq!(later.keeps.len(), 2);
    assert!(
        later.keeps[0].starts_with("3 mails of 1 campaign still point"),
        "{later:?}"
    );
    assert!(
        later.keeps[1].starts_with("3 mails of campaigns that are over name it as well"),
        "{later:?}"
    );
    assert_eq!(later.permanence, Some(Permanence::Temporary));
    assert!(later.lasts.unwrap().contains("Cloudflare"));

    // After one change the address before it is still said at the next, for as long as a window is open.
    set(&stage, Some(NEW), false);
    let third = asked(&stage, Some("https://third.harbour-club.eu"));
    assert!(!third.ask, "the one in use has no mails");
    assert_eq!(third.keeps.len(), 2);
    let back = asked(&stage, Some(OLD));
    assert!(back.keeps.is_empty(), "{back:?}");
    stage.bench.clock.advance(TimeDelta::days(40));
    assert!(
        asked(&stage, Some("https://third.harbour-club.eu"))
            .keeps
            .is_empty()
    );
}

#[test]
fn mails_that_wait_carry_the_address_that_they_were_prepared_with() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    set(&stage, Some(OLD), false);
    let id = stage.draft();
    stage.launch(id, 600);
    stage
        .bench
        .engine
        .db
        .write(Priority::Window, move |conn| {
            conn.execute("UPDATE campaign SET practice = 0 WHERE id = ?1", [id.0])
                .map_err(crate::store::Error::from)
        })
        .unwrap();
    let change = asked(&stage, Some(NEW));
    assert!(change.ask, "{change:?}");
    assert_eq!(
        change.keeps,
        [format!(
            "1 mail still to be sent will carry {OLD} too, because it was prepared with it."
        )]
    );
    set(&stage, Some(NEW), false);
    stage.bench.clock.advance(TimeDelta::minutes(11));
    stage.send();
    let pixel = stage.mail("a@example.org").unwrap().pixel.unwrap();
    assert!(pixel.starts_with(OLD), "{pixel}");
}

#[test]
fn what_could_not_be_set_cannot_be_looked_at_either() {
    let stage = Stage::set();
    for url in [
        "http://news.harbour-club.eu",
        "https://192.168.1.4",
        "nonsense",
        "https://a.example/x",
    ] {
        let request = AddressPreview {
            url: Some(url.into()),
            local: false,
        };
        let error = preview(&stage.bench.engine, request).unwrap_err();
        assert_eq!(
            (error.code, error.field.as_deref()),
            (Code::Invalid, Some("url")),
            "{url}"
        );
    }
}

#[test]
fn how_much_of_the_time_this_computer_is_on_is_said_as_far_as_it_is_known() {
    let now = from_millis(1_775_030_400_000);
    let share = |days: i64, share| {
        Some(uptime::Share {
            from: now - TimeDelta::days(days),
            share,
        })
    };
    for (share, ends) in [
        (None, "How much of the time it is on is not known yet."),
        (share(7, 0.614), "In the last 7 days it was on 61 % of the time."),
        (share(7, 1.0), "In the last 7 days it was on 100 % of the time."),
        (share(2, 0.5), "Since 30 March 2026 it was on 50 % of the time."),
    ] {
        let said = only_while_on(share, now, "UTC");
        assert!(
            said.starts_with("Links and pixels in these mails work only while this computer is on. "),
            "{said}"
        );
        assert!(said.ends_with(ends), "{said}");
    }
}

/// The table is asked for whenever Settings is open and something was sent: it has to be quick with a large ledger.
#[test]
fn the_table_is_quick_with_two_hundred_thousand_mails() {
    let conn = testing::memory();
    let old = route::ensure(&conn, RouteKind::Public, OLD, from_millis(0)).unwrap();
    conn.execute_batch(&format!(
        "WITH RECURSIVE up (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM up WHERE i < 40)
         INSERT INTO campaign (id, name, document, state, created_at, updated_at, launched_at, opens_until, route_id)
         SELECT i, 'Spring', '{{}}', 'finished', 0, 0, 0, i * 1000, {} FROM up;
         WITH RECURSIVE up (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM up WHERE i < 200000)
         INSERT INTO message (campaign_id, email, address_hash, state, tracking, preference_token)
         SELECT 1 + i % 40, 'reader@example.org', x'00', 'accepted', 'personal', randomblob(16) FROM up;",
        old.id.0
    ))
    .unwrap();
    let start = std::time::Instant::now();
    let found = route::mailed(&conn, from_millis(20_000)).unwrap();
    let took = start.elapsed();
    let found = found.into_iter().find(|one| one.route.id == old.id).unwrap();
    assert_eq!(
        (found.messages, found.live_messages, found.live_campaigns),
        (200_000, 100_000, 20)
    );
    println!("200,000 mails of 40 campaigns: {took:?}");
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
}

#[test]
fn what_was_seen_of_an_address_stands_beside_it() {
    let stage = Stage::set();
    stage.person("ana@example.org", ConsentState::Granted);
    sent(&stage, OLD, json!({ "window": { "days": 30 } }));
    assert!(routes(&stage)[0].probe.is_none(), "nobody looked");
    let now = stage.bench.engine.clock.now();
    let seen = Probe {
        url: OLD.into(),
        at: now,
        verdict: ProbeVerdict::Ok,
        sentence: "This Casement answers.".into(),
        advice: None,
        latency_ms: Some(31),
        certificate_until: Some(now + TimeDelta::days(40)),
    };
    let kept = seen.clone();
    stage
        .bench
        .engine
        .write(&[], move |conn| {
            let route = reach::current_route(conn)?;
            probe::put(conn, route.id, &kept, probe::Count::Good)?;
            Ok(())
        })
        .unwrap();
    let row = routes(&stage).remove(0);
    assert_eq!((row.probe, row.last_good), (Some(seen), Some(now)));
    let reach = super::super::reach_probe::get(&stage.bench.engine, ReachGet {}).unwrap();
    assert_eq!(reach.last_good, Some(now));
    assert_eq!(reach.permanence, Some(Permanence::Own));
    assert_eq!(reach.running_last_week, None, "a day is not over");
}
