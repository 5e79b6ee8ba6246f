//! What is known of real fetchers, played over the real listener, judged at once and again later.
//!
//! F1 to F13 are published observations; `docs/decisions.md` names whose.

use super::*;
use crate::api::{CampaignJudge, LabelRemove, LabelSet, RateParts};
use crate::app::judging;
use crate::domain::label::{LabelKind, Says};
use crate::ids::CampaignId;
use crate::store::report;

const MPP: &str = "Mozilla/5.0";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148";
const WEBKIT: &str =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)";
const GMAIL_PREFETCH: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";
const YAHOO: &str = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html";
const CAMPAIGN: CampaignId = CampaignId(1);

fn chrome(version: u32) -> String {
    format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    )
}

impl Desk {
    /// Moves the clock to so many seconds after the mails were taken.
    fn at(&self, seconds: i64) {
        self.bench
            .clock
            .set(crate::clock::from_millis(1_775_030_400_000 + seconds * 1000));
    }

    fn from(&self, mail: &Mail, user_agent: &str, address: &str) {
        let answer = self.look(mail, user_agent, &format!("{HEADER}: {address}\r\n"));
        assert_eq!((answer.status, answer.body.as_slice()), (200, &GIF[..]));
    }

    /// Puts a mail's reader at another domain.
    fn moved_to(&self, mail: &Mail, domain: &str) {
        let (id, address) = (mail.id, format!("reader{}@{domain}", mail.id));
        self.write(move |conn| {
            Ok(conn.execute("UPDATE message SET email = ?2 WHERE id = ?1", (id, address))?)
        });
    }

    /// Judges what is due, as the engine's thread does, and checks that all that is counted agrees.
    fn settle(&self) {
        self.bench.clock.advance(ingest::SETTLES_AFTER);
        judging::run_due(&self.bench.engine).unwrap();
        self.verify();
    }

    fn parts(&self) -> RateParts {
        let moment = report::Moment {
            now: self.bench.engine.clock.now(),
            is_listening: true,
        };
        self.bench
            .engine
            .db
            .read(|conn| report::rate_parts(conn, CAMPAIGN, moment))
            .unwrap()
    }

    /// Human, unknown, only machines.
    fn signals(&self) -> [u32; 3] {
        let parts = self.parts();
        [parts.confirmed, parts.unknown, parts.machine_only]
    }

    fn reasons(&self) -> Vec<String> {
        self.texts("SELECT class || '/' || reason FROM hit ORDER BY id")
    }
}

#[test]
fn f1_apples_prefetch_alone_is_no_open() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(1800);
    desk.from(&mail, MPP, "104.28.30.1");
    desk.settle();
    assert_eq!(desk.signals(), [0, 0, 1]);
    assert_eq!(desk.reasons(), ["machine_prefetch/apple_mpp"]);
    assert!(
        desk.number("SELECT mpp_seen_at FROM contact") > 0,
        "remembered of the person"
    );
}

#[test]
fn f2_a_person_after_apples_prefetch_is_an_open() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(1800);
    desk.from(&mail, MPP, "104.28.30.1");
    desk.at(7200);
    desk.from(&mail, IPHONE, "203.0.113.20");
    desk.settle();
    assert_eq!(desk.signals(), [1, 0, 0]);
}

#[test]
fn f3_gmails_prefetch_and_its_proxy_are_exactly_one_open() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(25);
    desk.from(&mail, GMAIL_PREFETCH, "108.177.2.32");
    desk.at(30);
    desk.from(&mail, GMAIL, "66.249.93.55");
    desk.settle();
    assert_eq!(desk.signals(), [1, 0, 0]);
    assert_eq!(
        desk.reasons(),
        ["machine_prefetch/gmail_prefetch", "human_proxy/named_proxy"]
    );
    assert_eq!(desk.number(LOOKS), 1);
}

#[test]
fn f4_four_fetches_by_yahoo_are_one_open() {
    let desk = desk();
    let mail = desk.mail(1);
    for n in 0..4 {
        desk.at(600);
        desk.bench.clock.advance(TimeDelta::milliseconds(500 * n));
        desk.from(&mail, YAHOO, &format!("98.137.{n}.7"));
    }
    desk.settle();
    assert_eq!(desk.signals(), [1, 0, 0]);
    assert_eq!(desk.number(LOOKS), 1);
    assert_eq!(desk.number(HITS), 4);
}

#[test]
fn f5_a_gateway_with_many_addresses_is_no_open() {
    let desk = desk();
    let mail = desk.mail(1);
    for n in 0..4 {
        desk.at(15 + 2 * n);
        desk.from(&mail, &chrome(100 + n as u32), &format!("198.51.{}.9", 100 + n));
    }
    assert_eq!(desk.signals(), [1, 0, 0], "each by itself looks like a person");
    desk.settle();
    assert_eq!(desk.signals(), [0, 0, 1], "together they are a burst");
    assert_eq!(desk.reasons(), ["scanner/burst"; 4], "backwards, too");
    assert_eq!(desk.number(LOOKS), 0);
    assert_eq!(
        desk.number("SELECT count(*) FROM hourly WHERE class = 'first_open'"),
        0
    );
}

#[test]
fn f6_an_office_behind_one_address_is_forty_people() {
    let desk = desk();
    for n in 1..=40 {
        let mail = desk.mail(n);
        desk.at(60 + i64::from(n) * 180);
        desk.from(&mail, &chrome(131), "203.0.113.5");
    }
    desk.settle();
    assert_eq!(desk.signals(), [40, 0, 0]);
}

#[test]
fn f7_one_address_for_a_dozen_people_of_five_domains_is_no_open() {
    let desk = desk();
    for n in 1..=12 {
        let mail = desk.mail(n);
        desk.moved_to(&mail, &format!("domain{}.example", n % 5));
        desk.at(30 + i64::from(n) * 5);
        desk.from(&mail, &chrome(131), "203.0.113.5");
    }
    desk.settle();
    assert_eq!(desk.signals(), [0, 0, 12]);
    assert_eq!(desk.reasons(), ["scanner/fan_out"; 12]);
}

#[test]
fn f8_bare_webkit_after_a_while_is_a_person() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(24 * 60);
    desk.from(&mail, WEBKIT, "203.0.113.20");
    desk.settle();
    assert_eq!(desk.signals(), [1, 0, 0]);
}

#[test]
fn f9_a_mail_filters_network_is_a_scanner_whatever_it_calls_itself() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(3600);
    desk.from(&mail, &chrome(101), "40.92.10.4");
    desk.settle();
    assert_eq!(desk.signals(), [0, 0, 1]);
    assert_eq!(desk.reasons(), ["scanner/network"]);
    assert_eq!(desk.texts("SELECT network_label FROM hit"), ["microsoft_eop"]);
}

#[test]
fn f10_a_forwarded_mail_is_one_open_in_two_environments() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(3600);
    desk.from(&mail, THUNDERBIRD, "203.0.113.20");
    desk.at(3 * 86_400);
    desk.from(&mail, IPHONE, "198.51.100.77");
    desk.settle();
    assert_eq!(desk.signals(), [1, 0, 0], "never two readers");
    assert_eq!(desk.number("SELECT count(DISTINCT client_hash) FROM hit"), 2);
    assert_eq!(desk.number(LOOKS), 2);
}

#[test]
fn f11_a_hit_before_the_server_took_the_mail_is_a_scanners() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.write(|conn| {
        Ok(conn.execute(
            "UPDATE message SET state = 'handing_over', accepted_at = NULL",
            [],
        )?)
    });
    desk.at(-2);
    desk.bench.clock.advance(TimeDelta::seconds(10));
    desk.from(&mail, &chrome(131), "203.0.113.5");
    // The server's answer came five seconds later.
    desk.write(|conn| {
        Ok(conn.execute(
            "UPDATE message SET state = 'accepted', accepted_at = 1775030413000",
            [],
        )?)
    });
    desk.settle();
    assert_eq!(desk.signals(), [0, 0, 1]);
    assert_eq!(desk.reasons(), ["scanner/before_accept"]);
}

#[test]
fn an_answer_that_was_only_written_down_later_makes_nobody_a_scanner() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.write(|conn| {
        Ok(conn.execute(
            "UPDATE message SET state = 'handing_over', accepted_at = NULL",
            [],
        )?)
    });
    desk.at(40);
    desk.from(&mail, THUNDERBIRD, "203.0.113.5");
    desk.write(|conn| {
        Ok(conn.execute(
            "UPDATE message SET state = 'accepted', accepted_at = 1775030400000",
            [],
        )?)
    });
    desk.settle();
    assert_eq!(desk.signals(), [1, 0, 0]);
}

#[test]
fn f12_where_the_clock_was_set_back_rules_on_time_abstain() {
    let desk = desk();
    let (mail, other) = (desk.mail(1), desk.mail(2));
    desk.at(20);
    desk.from(&other, THUNDERBIRD, "203.0.113.6");
    desk.bench.clock.advance(TimeDelta::hours(-1));
    // The window begins with the mails: it is put back with the clock.
    desk.write(|conn| Ok(conn.execute("UPDATE campaign SET opens_from = opens_from - 7200000", [])?));
    desk.from(&mail, THUNDERBIRD, "203.0.113.5");
    desk.bench
        .clock
        .advance(TimeDelta::minutes(59) + TimeDelta::seconds(41));
    // One second after the delivery, says the clock that shows this time for the second time.
    desk.from(&mail, &chrome(131), "203.0.113.5");
    desk.settle();
    assert_eq!(
        desk.reasons()[1..],
        ["human_direct/mail_client", "human_direct/browser"]
    );
    assert_eq!(
        desk.texts("SELECT timing FROM hit"),
        ["", "clock_set", "clock_set"]
    );
}

#[test]
fn f13_who_asks_not_to_be_recorded_leaves_a_number() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(600);
    desk.look(&mail, THUNDERBIRD, "X-Client: 203.0.113.5\r\nDNT: 1\r\n");
    desk.settle();
    let parts = desk.parts();
    assert_eq!(
        (parts.confirmed, parts.no_signal, parts.not_recorded_at_request),
        (0, 1, 1)
    );
    assert_eq!(
        parts.upper_rate,
        Some(1.0),
        "it may have been anybody of whom nothing is known"
    );
    assert_eq!(desk.number(HITS), 0);
}

#[test]
fn what_was_only_tried_out_is_never_too_fast() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(1);
    desk.from(&mail, THUNDERBIRD, "203.0.113.5");
    assert_eq!(desk.reasons(), ["scanner/instant"]);
    desk.write(|conn| Ok(conn.execute("UPDATE campaign SET practice = 1", [])?));
    desk.settle();
    assert_eq!(
        desk.reasons(),
        ["human_direct/mail_client"],
        "nothing was delivered anywhere"
    );
}

#[test]
fn a_verdict_settles_by_itself_and_is_looked_at_for_a_week() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(600);
    desk.from(&mail, THUNDERBIRD, "203.0.113.5");
    let due = || desk.number("SELECT coalesce(judge_at, 0) FROM campaign") - 1_775_030_400_000;
    assert_eq!(due(), (600 + 180) * 1000, "three minutes later");
    desk.settle();
    assert_eq!(due(), (780 + 300) * 1000, "then every five minutes");
    let minutes = |n: i64| n * 60_000;
    for (at, wanted) in [
        (3600 + 600, Some(minutes(60))),
        (86_400 + 600, Some(minutes(24 * 60))),
        (7 * 86_400 + 600, None),
    ] {
        desk.at(at);
        judging::run_due(&desk.bench.engine).unwrap();
        let next = match due() {
            due if due < 0 => None,
            due => Some(due - at * 1000),
        };
        assert_eq!(next, wanted, "after {at} s");
    }
    assert_eq!(
        judging::run_due(&desk.bench.engine).unwrap(),
        None,
        "nothing can change any more"
    );
}

#[test]
fn hits_that_older_rules_judged_are_judged_anew_at_the_next_start() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(600);
    desk.from(&mail, THUNDERBIRD, "203.0.113.5");
    desk.write(|conn| {
        conn.execute(
            "UPDATE hit SET class = 'bot', reason = 'outdated', rule_version = 1",
            [],
        )?;
        conn.execute("UPDATE campaign SET judge_at = NULL", [])?;
        Ok(conn.execute("UPDATE setting SET value = '[1,1]' WHERE key = 'judged_by'", [])?)
    });
    judging::stop(&desk.bench.engine);
    judging::start(&desk.bench.engine).unwrap();
    // Its thread may have a commit of it in hand: who asks beside it finds nothing due and reads too soon.
    judging::stop(&desk.bench.engine);
    judging::run_due(&desk.bench.engine).unwrap();
    assert_eq!(desk.reasons(), ["human_direct/mail_client"]);
    assert_eq!(
        desk.number("SELECT rule_version FROM hit"),
        i64::from(crate::tracking::classify::RULE_VERSION)
    );
}

#[test]
fn the_user_can_say_otherwise_and_take_it_back() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(600);
    desk.from(&mail, &chrome(131), "203.0.113.5");
    desk.settle();
    let hit = desk.number("SELECT id FROM hit").to_string();
    let engine = &desk.bench.engine;
    for (kind, value, says, signals) in [
        (LabelKind::Hit, hit.as_str(), Says::Machine, [0, 0, 1]),
        (LabelKind::Domain, "@Example.NET", Says::Machine, [0, 0, 1]),
        (LabelKind::Network, "203.0.113.99", Says::Unknown, [0, 1, 0]),
        (LabelKind::Hit, hit.as_str(), Says::Person, [1, 0, 0]),
    ] {
        let saved = judging::label_set(
            engine,
            LabelSet {
                kind,
                value: value.into(),
                says,
            },
        )
        .unwrap();
        assert_eq!((saved.changed, desk.signals()), (1, signals), "{kind} {says}");
        desk.verify();
        assert_eq!(
            judging::labels(engine, crate::api::LabelList {})
                .unwrap()
                .labels
                .len(),
            1
        );
        judging::label_remove(engine, LabelRemove { id: saved.id }).unwrap();
        assert_eq!(desk.signals(), [1, 0, 0], "undone: {kind} {says}");
        assert_eq!(desk.reasons(), ["human_direct/browser"]);
        desk.verify();
    }
    assert_eq!(
        judging::judge_now(engine, CampaignJudge { id: CAMPAIGN })
            .unwrap()
            .changed,
        0,
        "judging again changes nothing"
    );
}

#[test]
fn a_verdict_without_evidence_stays_but_for_the_users_own_word() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(600);
    desk.from(&mail, &chrome(131), "203.0.113.5");
    desk.settle();
    desk.write(|conn| {
        Ok(conn.execute(
            "UPDATE hit SET settled = 1, user_agent = '', network = '', address_hash = x'', client_hash = x''",
            [],
        )?)
    });
    let engine = &desk.bench.engine;
    judging::judge_now(engine, CampaignJudge { id: CAMPAIGN }).unwrap();
    assert_eq!(
        desk.reasons(),
        ["human_direct/browser"],
        "nothing is left to judge it by"
    );
    let label = |kind, value: &str, says| {
        judging::label_set(
            engine,
            LabelSet {
                kind,
                value: value.into(),
                says,
            },
        )
        .unwrap()
    };
    assert_eq!(label(LabelKind::Domain, "example.net", Says::Machine).changed, 0);
    let hit = desk.number("SELECT id FROM hit").to_string();
    let saved = label(LabelKind::Hit, &hit, Says::Unknown);
    assert_eq!((saved.changed, desk.signals()), (1, [0, 1, 0]));
    desk.verify();
    judging::label_remove(engine, LabelRemove { id: saved.id }).unwrap();
    assert_eq!(desk.reasons(), ["human_direct/browser"]);
    desk.verify();
}

#[test]
fn what_was_taken_from_a_look_is_not_given_back_when_the_evidence_of_others_goes() {
    let desk = desk();
    for n in 1..=3 {
        let mail = desk.mail(n);
        desk.at(1);
        desk.from(&mail, &chrome(131), "203.0.113.5");
    }
    let later = desk.mail(4);
    desk.at(8 * 86_400);
    desk.from(&later, &chrome(131), "203.0.113.5");
    desk.settle();
    assert_eq!(desk.reasons()[3], "unknown/scanner_address");
    desk.write(|conn| {
        Ok(conn.execute(
            "UPDATE hit SET settled = 1, network = '', address_hash = x'', client_hash = x'' WHERE reason = 'instant'",
            [],
        )?)
    });
    desk.at(15 * 86_400);
    judging::run_due(&desk.bench.engine).unwrap();
    let engine = &desk.bench.engine;
    assert_eq!(
        judging::judge_now(engine, CampaignJudge { id: CAMPAIGN })
            .unwrap()
            .changed,
        0
    );
    assert_eq!(desk.reasons()[3], "unknown/scanner_address");
    let saved = judging::label_set(
        engine,
        LabelSet {
            kind: LabelKind::Domain,
            value: "example.net".into(),
            says: Says::Machine,
        },
    )
    .unwrap();
    judging::label_remove(engine, LabelRemove { id: saved.id }).unwrap();
    let hit = desk.number("SELECT id FROM hit WHERE settled = 0").to_string();
    let saved = judging::label_set(
        engine,
        LabelSet {
            kind: LabelKind::Hit,
            value: hit,
            says: Says::Person,
        },
    )
    .unwrap();
    assert_eq!(saved.changed, 1, "the user's own word holds all the same");
    judging::label_remove(engine, LabelRemove { id: saved.id }).unwrap();
    desk.verify();
}

#[test]
fn a_thread_judges_when_it_is_time_and_whoever_listens_is_told() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(600);
    desk.from(&mail, THUNDERBIRD, "203.0.113.5");
    desk.write(|conn| {
        conn.execute("UPDATE hit SET reason = 'outdated'", [])?;
        Ok(conn.execute("UPDATE campaign SET judge_at = 0", [])?)
    });
    let engine = &desk.bench.engine;
    let events = engine.subscribe();
    // Another start finds what is due at once.
    judging::stop(engine);
    judging::start(engine).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while desk.reasons() != ["human_direct/mail_client"] {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        events
            .recv_timeout(left)
            .expect("a verdict that changes is announced");
    }
    desk.verify();
}

#[test]
fn labels_that_cannot_be_are_refused_with_a_sentence() {
    let desk = desk();
    let engine = &desk.bench.engine;
    for (kind, value, says, field) in [
        (LabelKind::Domain, "example.org", Says::Person, Some("says")),
        (LabelKind::Network, "203.0.113.0/24", Says::Person, Some("says")),
        (LabelKind::Domain, "no domain", Says::Machine, Some("value")),
        (LabelKind::Network, "300.1.1.1", Says::Machine, Some("value")),
        (LabelKind::Hit, "x", Says::Machine, Some("value")),
        (LabelKind::Hit, "99", Says::Machine, None),
    ] {
        let error = judging::label_set(
            engine,
            LabelSet {
                kind,
                value: value.into(),
                says,
            },
        )
        .unwrap_err();
        assert_eq!(error.field.as_deref(), field, "{}", error.message);
        assert!(error.message.ends_with('.'), "{}", error.message);
    }
    let error = judging::label_remove(
        engine,
        LabelRemove {
            id: crate::ids::LabelId(5),
        },
    )
    .unwrap_err();
    assert_eq!(error.code, Code::NotFound);
    let error = judging::judge_now(engine, CampaignJudge { id: CampaignId(9) }).unwrap_err();
    assert_eq!(error.code, Code::NotFound);
}

#[test]
fn a_hit_from_the_spool_that_is_older_than_the_first_is_the_first() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.at(3600);
    desk.from(&mail, THUNDERBIRD, "203.0.113.5");
    desk.at(600);
    desk.from(&mail, GMAIL, "66.249.93.55");
    assert_eq!(
        desk.number("SELECT first_open_at FROM message") - 1_775_030_400_000,
        600_000
    );
    desk.verify();
    desk.settle();
}
