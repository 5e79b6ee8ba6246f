//! The engine over a database of its own, and a clock that passes, jumps and is set right again.

use super::*;
use crate::api::{CampaignWindowEnd, CampaignWindowSet, Code, ReportGet};
use crate::app::launch;
use crate::app::testing::{Bench, bench};
use crate::domain::window::WindowSpec;
use crate::ids::MessageId;
use crate::store::{Conn, campaign};
use std::cell::Cell;

const ID: CampaignId = CampaignId(1);
const DAY: TimeDelta = TimeDelta::days(1);

/// A finished campaign of 600 tracked mails, launched an hour ago with a window of 30 days and a grace of 7, of which
/// every third was looked at.
fn launched() -> Bench {
    let bench = bench();
    let now = bench.engine.clock.now().timestamp_millis();
    sql(
        &bench,
        format!(
            "INSERT INTO campaign (id, name, document, created_at, updated_at, state, launched_at, opens_from, opens_until,
               grace_days, shared_token, client_key)
             VALUES (1, 'Spring', '{{\"version\":1,\"blocks\":[]}}', 0, 0, 'finished', {now}, {now}, {now} + 30 * 86400000, 7, randomblob(16),
               randomblob(32));
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 600)
             INSERT INTO message (id, campaign_id, email, address_hash, state, accepted_at, tracking, pixel_token,
               preference_token, hits, signal, first_open_at, looks)
             SELECT n, 1, 'a' || n || '@example.org', x'01', 'accepted', {now}, 'personal', randomblob(16),
               randomblob(16), n % 3 = 0, iif(n % 3 = 0, 'human', 'no_signal'), iif(n % 3 = 0, {now}, NULL), n % 3 = 0
             FROM n;
             INSERT INTO hit (campaign_id, message_id, at, class, reason, rule_version, client, user_agent, network,
               network_label, address_hash, client_hash, new_look)
             SELECT 1, id, {now}, 'human_direct', 'browser', 1, 'Firefox', 'Mozilla/5.0', '192.0.2.0/24', 'label', x'01',
               x'02', 1 FROM message WHERE hits = 1;
             INSERT INTO hourly VALUES (1, {now} / 3600000 * 3600000, 'human_direct', 200),
                                       (1, {now} / 3600000 * 3600000, 'first_open', 200);"
        ),
    );
    bench.clock.advance(TimeDelta::hours(1));
    bench
}

fn sql(bench: &Bench, sql: String) {
    bench
        .engine
        .write(&[], move |conn| {
            conn.execute_batch(&sql).map_err(crate::store::Error::from)?;
            Ok(())
        })
        .unwrap();
}

fn one(bench: &Bench, sql: &str) -> i64 {
    let read = |conn: &Conn| -> Result<i64> {
        Ok(conn
            .query_row(sql, [], |row| row.get(0))
            .map_err(crate::store::Error::from)?)
    };
    bench.engine.read(read).unwrap()
}

/// Time passes, and upkeep is done every so often.
fn pass(bench: &Bench, days: i64) {
    for _ in 0..days {
        bench.clock.advance(DAY);
        tend(&bench.engine, Duration::from_secs(60 * 60)).unwrap();
    }
}

const TOKENS: &str = "SELECT count(*) FROM message WHERE pixel_token IS NOT NULL";
const KEPT_HITS: &str = "SELECT count(*) FROM hit WHERE settled = 0";

fn is_sound(bench: &Bench) {
    let (_, breaches) = bench
        .engine
        .read(|conn| Ok(crate::store::check::check(conn)?))
        .unwrap();
    assert_eq!(breaches, [""; 0]);
}

#[test]
fn tracking_ends_when_window_and_grace_are_over_and_the_receipt_says_so() {
    let bench = launched();
    pass(&bench, 37);
    assert_eq!(
        one(&bench, TOKENS),
        600,
        "the last day of the grace is not surely over"
    );
    pass(&bench, 1);
    assert_eq!(one(&bench, TOKENS), 0);
    let report = super::super::report::get(&bench.engine, ReportGet { id: ID }).unwrap();
    let closing = report.closing.unwrap();
    assert_eq!((closing.tokens, closing.hits), (600, 200));
    assert_eq!(report.closed_at, Some(closing.at));
    assert_eq!(
        report.late_counted_until,
        report.window.map(|window| window.opens_until + DAY * 7)
    );
    assert_eq!(report.parts.confirmed, 200, "what is known of opens stays");
    assert_eq!(
        one(
            &bench,
            "SELECT count(*) FROM message WHERE preference_token IS NULL"
        ),
        0
    );
    is_sound(&bench);
    pass(&bench, 2);
    assert_eq!(
        one(&bench, "SELECT count(*) FROM activity"),
        1,
        "and it is said once"
    );
}

#[test]
fn a_clock_set_forward_by_mistake_destroys_nothing() {
    let bench = launched();
    pass(&bench, 1);
    let right = bench.engine.clock.now();
    bench.clock.set(right + DAY * 400);
    for minutes in [0, 10, 20, 20] {
        tend(&bench.engine, Duration::from_secs(minutes * 60)).unwrap();
        assert_eq!(
            (one(&bench, TOKENS), one(&bench, KEPT_HITS)),
            (600, 200),
            "the clock was set, and nothing else"
        );
    }
    bench.clock.set(right + TimeDelta::hours(1));
    tend(&bench.engine, Duration::from_secs(600)).unwrap();
    tend(&bench.engine, Duration::from_secs(3600)).unwrap();
    assert_eq!((one(&bench, TOKENS), one(&bench, KEPT_HITS)), (600, 200));
    // Nor does one that is set back for a while hold it up for ever.
    bench.clock.set(right - DAY * 1000);
    tend(&bench.engine, Duration::from_secs(3600)).unwrap();
    assert_eq!((one(&bench, TOKENS), one(&bench, KEPT_HITS)), (600, 200));
    bench.clock.set(right);
    pass(&bench, 38);
    assert_eq!(one(&bench, TOKENS), 0);
}

#[test]
fn a_stop_in_the_middle_of_closing_is_finished_later_and_the_receipt_is_right() {
    for chunks in 0..5 {
        let bench = launched();
        sql(
            &bench,
            format!(
                "UPDATE campaign SET opens_until = {}",
                bench.engine.clock.now().timestamp_millis()
            ),
        );
        bench.clock.advance(DAY * 8);
        let sure = Some(bench.engine.clock.now());
        let left = Cell::new(chunks);
        close_due(&bench.engine, sure, &|| left.replace(left.get() - 1) > 0).unwrap();
        if one(&bench, TOKENS) > 0 {
            assert_eq!(
                one(
                    &bench,
                    "SELECT count(*) FROM campaign WHERE closed_at IS NOT NULL"
                ),
                0
            );
            let request = CampaignWindowSet {
                id: ID,
                window: Some(WindowSpec::Days { days: 60, zone: None }),
                grace_days: None,
            };
            let error = launch::window_set(&bench.engine, request).unwrap_err();
            assert_eq!(error.code, Code::Conflict, "there is no way back");
            is_sound(&bench);
        }
        // Nothing is sure any more to the next run, and it is finished all the same.
        close_due(&bench.engine, None, &|| true).unwrap();
        let end = bench.engine.read(|conn| Ok(closing::end(conn, ID)?)).unwrap();
        let closing = end.closing.unwrap();
        assert_eq!(
            (closing.tokens, closing.hits),
            (600, 200),
            "after a stop behind {chunks} chunks"
        );
        is_sound(&bench);
    }
}

#[test]
fn a_window_is_extended_and_ended_at_any_time_and_what_cannot_be_is_said() {
    let bench = launched();
    let set = |until: &str, grace_days: Option<u32>| {
        let window = (!until.is_empty()).then(|| WindowSpec::Dates {
            from: "2026-04-01T08:00:00".parse().unwrap(),
            until: until.parse().unwrap(),
            zone: "Europe/Berlin".into(),
        });
        let request = CampaignWindowSet {
            id: ID,
            window,
            grace_days,
        };
        launch::window_set(&bench.engine, request).map_err(|error| error.message)
    };
    let end =
        || launch::window_end(&bench.engine, CampaignWindowEnd { id: ID }).map_err(|error| error.message);
    let until = || {
        let read = |conn: &Conn| {
            Ok(campaign::find_head(conn, ID)?
                .unwrap()
                .window
                .unwrap()
                .opens_until)
        };
        bench.engine.read(read).unwrap().to_string()
    };
    let refused = |result: std::result::Result<crate::api::Done, String>, words: &str| {
        let said = result.unwrap_err();
        assert!(said.contains(words), "{said}");
    };
    // It is 09:00 UTC on 1 April; the window began at 08:00.
    set("2026-10-25T02:30:00", None).unwrap();
    assert_eq!(
        until(),
        "2026-10-25 01:30:00 UTC",
        "half past two comes twice, and the later one ends it"
    );
    refused(set("2026-04-01T09:59:00", None), "would end before it begins");
    refused(set("2026-04-01T10:30:00", None), "That end has passed");
    refused(set("", Some(91)), "0 to 90 days");
    set("2026-04-01T11:30:00", Some(0)).unwrap();
    assert_eq!(
        until(),
        "2026-04-01 09:30:00 UTC",
        "it may be shortened to any moment to come"
    );
    end().unwrap();
    assert_eq!(until(), "2026-04-01 09:00:00 UTC");
    refused(end(), "ended on 1 April 2026 at 11:00 (Europe/Berlin)");
    // While its pixels live it can be opened again.
    set("2026-04-02T11:00:00", None).unwrap();
    end().unwrap();
    set("", Some(0)).unwrap();
    pass(&bench, 2);
    assert_eq!(one(&bench, TOKENS), 0, "without a grace");
    let destroyed =
        "Its pixels' addresses were destroyed on 3 April 2026 at 09:00 (UTC); opens can no longer be told.";
    refused(set("2026-05-01T00:00:00", None), destroyed);
    refused(set("", Some(3)), destroyed);
    refused(end(), destroyed);
    let lines = "SELECT count(*) FROM activity WHERE campaign_id = 1 AND text LIKE 'Opens now count until 25 October 2026%'";
    assert_eq!(one(&bench, lines), 1);
}

#[test]
fn a_campaign_that_still_sends_is_not_closed_before_it_is_finished() {
    let bench = launched();
    sql(&bench, "UPDATE campaign SET state = 'running'".into());
    pass(&bench, 60);
    assert_eq!(one(&bench, TOKENS), 600);
    bench
        .engine
        .write(&[], |conn| {
            campaign::advance(
                conn,
                ID,
                crate::domain::campaign::CampaignState::Finished,
                Instant::UNIX_EPOCH,
            )?;
            Ok(())
        })
        .unwrap();
    pass(&bench, 1);
    assert_eq!(one(&bench, TOKENS), 0);
}

#[test]
fn evidence_goes_two_weeks_after_a_hit_and_its_user_agent_after_thirty_days() {
    let bench = launched();
    sql(
        &bench,
        "UPDATE campaign SET opens_until = opens_until + 300 * 86400000".into(),
    );
    // One that came while the clock was wrong, and one that comes on day 10.
    let at = bench.engine.clock.now() + DAY * 10;
    sql(
        &bench,
        format!(
            "UPDATE hit SET at = at + 90 * 86400000 WHERE id = 5;
             UPDATE hit SET at = {} WHERE id = 200",
            at.timestamp_millis()
        ),
    );
    let table = [
        (14, 200, 200, 1),
        (15, 2, 200, 1),
        (25, 1, 200, 1),
        (31, 1, 2, 1),
        (41, 1, 1, 1),
        (106, 0, 1, 0),
        (122, 0, 0, 0),
    ];
    let mut day = 0;
    for (until, unsettled, agents, keys) in table {
        pass(&bench, until - day);
        day = until;
        let evidence = one(
            &bench,
            "SELECT count(*) FROM hit WHERE network <> '' AND client_hash <> x'' AND address_hash <> x''",
        );
        assert_eq!(evidence, unsettled, "hits with evidence on day {day}");
        assert_eq!(one(&bench, KEPT_HITS), unsettled);
        assert_eq!(
            one(&bench, "SELECT count(*) FROM hit WHERE user_agent <> ''"),
            agents,
            "on day {day}"
        );
        let kept = one(
            &bench,
            "SELECT count(*) FROM campaign WHERE client_key IS NOT NULL",
        );
        assert_eq!(kept, keys, "keys on day {day}");
    }
    assert_eq!(
        one(
            &bench,
            "SELECT count(*) FROM hit WHERE class = 'human_direct' AND client = 'Firefox'"
        ),
        200
    );
}

#[test]
fn an_hours_look_at_hits_reads_no_more_than_came_since() {
    let bench = launched();
    pass(&bench, 20);
    let kept = kept(&bench.engine).unwrap();
    assert_eq!(kept.evidence, one(&bench, "SELECT max(id) FROM hit"));
    let behind = bench
        .engine
        .read(|conn| Ok(retention::walk(conn, Part::Evidence, kept.evidence, 9)?))
        .unwrap();
    assert_eq!(behind, [], "all that came is behind it");
}

#[test]
fn verdicts_go_after_the_months_that_the_workspace_keeps_them() {
    let bench = launched();
    sql(
        &bench,
        "INSERT INTO setting (key, value) VALUES ('verdicts_months', '1')".into(),
    );
    pass(&bench, 38 + 29);
    assert_eq!(one(&bench, "SELECT count(*) FROM hit"), 200);
    pass(&bench, 4);
    assert_eq!(one(&bench, "SELECT count(*) FROM hit"), 0);
    let report = super::super::report::get(&bench.engine, ReportGet { id: ID }).unwrap();
    assert_eq!(report.parts.confirmed, 200, "what was counted stays");
    is_sound(&bench);
    let told =
        super::super::report::timeline(&bench.engine, crate::api::MessageTimeline { id: MessageId(3) });
    assert_eq!(told.unwrap().entries.len(), 0);
}

#[test]
fn in_real_time_a_thread_does_it_and_short_runs_add_up() {
    use crate::clock::{Clock, SystemClock};
    let dir = tempfile::tempdir().unwrap();
    let open = || crate::app::testing::open(dir.path(), Arc::new(SystemClock));
    let second = Duration::from_millis(1100);
    let engine = open();
    let now = SystemClock.now();
    let kept = format!(
        "{{\"sure\":{{\"seen_at\":\"{}\",\"ran_secs\":3598,\"at\":null}}}}",
        now.to_rfc3339()
    );
    engine
        .write(&[], move |conn| {
            conn.execute_batch(&format!(
                "INSERT INTO campaign (id, name, document, created_at, updated_at, state, launched_at, opens_from,
                   opens_until, grace_days, shared_token)
                 VALUES (1, 'Spring', '{{}}', 0, 0, 'finished', 1, 1, 2, 0, randomblob(16));
                 INSERT INTO setting (key, value) VALUES ('upkeep', '{kept}')"
            ))
            .map_err(crate::store::Error::from)?;
            Ok(())
        })
        .unwrap();
    let is_closed = |engine: &Engine| {
        let end = engine.read(|conn| Ok(closing::end(conn, ID)?)).unwrap();
        end.closed_at.is_some()
    };
    std::thread::sleep(second);
    engine.shutdown();
    drop(engine);
    // One second more was noted; another one makes the hour.
    let engine = open();
    assert!(!is_closed(&engine));
    std::thread::sleep(second);
    wake(&engine);
    let begun = std::time::Instant::now();
    while !is_closed(&engine) {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the thread closes it by itself"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    engine.shutdown();
}
