//! Consent by the reader's page and by their browser: asked, answered, ended, and what was recorded erased.

use super::super::keep;
use super::*;
use crate::app::{contact, settings};
use crate::listener::Wish;
use serde_json::json;

const WORDING: &str = "You may record when I open <these> mails.\nI can end it.";
const HELD: &str = "SELECT consent FROM contact WHERE id = 1";
const TOKENS: &str = "SELECT count(*) FROM message WHERE contact_id = 1 AND pixel_token IS NOT NULL";

impl Desk {
    /// Adds a person who was not asked, and a mail to them that asks.
    fn asking_mail(&self, n: u8) -> Mail {
        let mail = self.mail(n);
        let id = mail.id;
        self.write(move |conn| {
            let document = json!({ "version": 1, "blocks": [
                { "type": "consent", "wording": WORDING, "label": "Answer", "only": true },
            ] });
            conn.execute(
                "INSERT INTO campaign (id, name, account_id, document, state, opens_from, opens_until, created_at, updated_at)
                 VALUES (2, 'May we?', 1, ?1, 'running', 1775030400000, 1777622400000, 0, 0) ON CONFLICT DO NOTHING",
                [document.to_string()],
            )?;
            conn.execute(
                "UPDATE message SET campaign_id = 2, asks = 1, tracking = 'none', not_tracked = 'asks_consent',
                   pixel_token = NULL WHERE id = ?1",
                [id],
            )?;
            conn.execute("DELETE FROM consent_event WHERE contact_id = ?1", [n])?;
            Ok(conn.execute("UPDATE contact SET consent = 'unknown' WHERE id = ?1", [n])?)
        });
        mail
    }

    fn replay(&self, mail: &Mail, wish: Wish, at: &str) {
        let record = keep::wish(&mail.page, wish, at.parse().unwrap());
        let entropy: Arc<dyn crate::ids::Entropy> = Arc::new(SeededEntropy::new(5));
        let replay = keep::replay(&entropy);
        self.write(move |conn| replay(conn, &record));
    }

    fn signal_is_refusal(&self) {
        let request = json!({ "signal_is_refusal": true });
        settings::update(&self.bench.engine, serde_json::from_value(request).unwrap()).unwrap();
    }

    fn history(&self) -> Vec<String> {
        self.texts(
            "SELECT state || ' ' || at || ' ' || source || ' ' || (wording <> '') FROM consent_event
             WHERE contact_id = 1 ORDER BY id",
        )
    }
}

#[test]
fn a_mail_that_asks_is_answered_by_post_alone_and_a_later_answer_wins() {
    let desk = desk();
    let mail = desk.asking_mail(1);
    let page = desk.get(&format!("/u/{}", mail.page), "").text();
    assert!(
        page.contains("You may record when I open &lt;these&gt; mails.<br>I can end it."),
        "word for word: {page}"
    );
    assert!(!page.contains("reader1@"), "the address is masked");
    assert!(page.contains("you have not answered yet"), "{page}");
    for _ in 0..2 {
        desk.get(&format!("/u/{}?action=allow_tracking", mail.page), "");
    }
    assert_eq!(
        (desk.texts(HELD), desk.history()),
        (vec!["unknown".into()], vec![])
    );

    let yes = desk.post(&mail.page, FORM, "action=allow_tracking");
    assert!(
        yes.status == 200 && yes.text().contains("You said yes."),
        "{}",
        yes.text()
    );
    desk.post(&mail.page, FORM, "action=allow_tracking");
    assert_eq!(desk.texts(HELD), ["granted"]);
    assert_eq!(
        desk.history(),
        ["granted 1775030460000 consent page 1"],
        "saying it again changes nothing"
    );
    assert_eq!(desk.texts("SELECT wording FROM consent_event"), [WORDING]);

    desk.bench.clock.advance(TimeDelta::seconds(1));
    let no = desk.post(&mail.page, FORM, "action=refuse_tracking").text();
    assert!(
        no.contains("You said no.") && no.contains("allow_tracking"),
        "{no}"
    );
    assert_eq!(desk.texts(HELD), ["refused"]);
    assert_eq!(desk.history()[1], "refused 1775030461000 consent page 1");
    assert_eq!(
        desk.number("SELECT count(*) FROM message WHERE opted_out_at IS NOT NULL"),
        0,
        "a no to the question ends nothing of a mail without a pixel"
    );
    desk.post(&mail.page, FORM, "action=allow_tracking");
    assert_eq!(
        (desk.texts(HELD), desk.history().len()),
        (vec!["granted".into()], 3)
    );
    assert_eq!(desk.number("SELECT count(*) FROM suppression"), 0);
    desk.verify();
}

#[test]
fn an_answer_is_kept_while_the_database_is_locked() {
    let desk = desk();
    let mail = desk.asking_mail(1);
    let held = store::db::testing::lock(desk.bench.engine.db.path());
    let said = desk.post(&mail.page, FORM, "action=allow_tracking");
    assert!(said.status == 200 && said.text().contains("Your choice was received."));
    drop(held);
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while status(&desk.bench.engine).unwrap().spooled > 0 {
        assert!(std::time::Instant::now() < end, "what was kept should be applied");
        std::thread::yield_now();
    }
    assert_eq!(desk.texts(HELD), ["granted"]);
    assert_eq!(
        desk.history(),
        ["granted 1775030460000 consent page 1"],
        "by its own time"
    );
}

#[test]
fn an_older_answer_from_the_spool_never_undoes_a_later_one() {
    let desk = desk();
    let mail = desk.asking_mail(1);
    desk.post(&mail.page, FORM, "action=refuse_tracking");
    desk.replay(&mail, Wish::AllowRecording, "2026-04-01T07:59:59Z");
    assert_eq!(desk.texts(HELD), ["refused"]);
    desk.replay(&mail, Wish::AllowRecording, "2026-04-01T08:01:01Z");
    assert_eq!(desk.texts(HELD), ["granted"], "a later one holds");
    desk.replay(&mail, Wish::StopRecording, "2026-04-01T08:01:00Z");
    assert_eq!(desk.texts(HELD), ["granted"], "nor does an older refusal");
    desk.replay(&mail, Wish::StopRecording, "2026-04-01T08:01:02Z");
    assert_eq!(desk.texts(HELD), ["refused"]);
    desk.verify();
}

#[test]
fn an_older_refusal_from_the_spool_ends_the_mails_of_before() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.write(|conn| {
        conn.execute("UPDATE message SET handing_over_at = 1775030400000", [])?;
        Ok(conn.execute("UPDATE consent_event SET at = 1775030500000", [])?)
    });
    desk.replay(&mail, Wish::StopRecording, "2026-04-01T08:00:01Z");
    assert_eq!(
        (desk.texts(HELD), desk.number(TOKENS)),
        (vec!["granted".into()], 0)
    );
    assert_eq!(
        desk.history(),
        [
            "granted 1775030500000 a form 1",
            "refused 1775030401000 preference page 0",
            "granted 1775030500000 a form 1",
        ],
        "no word is lost, and the last one holds"
    );
    desk.verify();
}

#[test]
fn a_refusal_by_whatever_way_destroys_the_tokens_of_mail_already_sent() {
    type Refuse = fn(&Desk, &Mail);
    let ways: [(&str, Refuse); 5] = [
        ("the reader's page", |desk, mail| {
            desk.post(&mail.page, FORM, "action=stop_tracking");
        }),
        ("a mail that asks", |desk, _| {
            let mail = desk.asking_mail(4);
            desk.write(move |conn| {
                Ok(conn.execute("UPDATE message SET contact_id = 1 WHERE id = ?1", [mail.id])?)
            });
            desk.post(&mail.page, FORM, "action=refuse_tracking");
        }),
        // The command line calls the same command.
        ("the window", |desk, _| {
            let request = json!({ "id": 1, "state": "refused" });
            contact::consent_set(&desk.bench.engine, serde_json::from_value(request).unwrap()).unwrap();
        }),
        ("an import", |desk, _| {
            let path = desk.bench.file("no.csv", "email\nreader1@example.net\n");
            let request = json!({ "path": path, "consent": "refused" });
            let request = serde_json::from_value(request).unwrap();
            let job = desk
                .bench
                .finish(crate::app::import::run(&desk.bench.engine, request));
            assert_eq!(job.result["updated"], 1, "{job:?}");
        }),
        ("the browser's signal", |desk, mail| {
            desk.signal_is_refusal();
            desk.look(mail, THUNDERBIRD, "DNT: 1\r\n");
        }),
    ];
    for (way, refuse) in ways {
        let desk = desk();
        let (first, second, other) = (desk.mail(1), desk.mail(3), desk.mail(2));
        desk.write(move |conn| {
            conn.execute_batch(
                "INSERT INTO campaign (id, name, document, state, opens_from, opens_until, created_at, updated_at)
                 VALUES (3, 'Summer', '{}', 'running', 1775030400000, 1777622400000, 0, 0);",
            )?;
            Ok(conn.execute(
                "UPDATE message SET contact_id = 1, campaign_id = 3 WHERE id = ?1",
                [second.id],
            )?)
        });
        let known = desk.look(&second, THUNDERBIRD, "");
        refuse(&desk, &first);
        assert_eq!(desk.texts(HELD), ["refused"], "{way}");
        assert_eq!(desk.number(TOKENS), 0, "{way}");
        assert_eq!(
            desk.number("SELECT count(*) FROM message WHERE contact_id = 2 AND pixel_token IS NOT NULL"),
            1,
            "another's stays: {way}"
        );
        let unknown = || desk.number("SELECT coalesce(sum(n), 0) FROM counter WHERE name = 'unknown_token'");
        let before = unknown();
        let gone = desk.look(&second, THUNDERBIRD, "");
        assert_eq!(
            (gone.head, gone.body),
            (known.head, known.body),
            "the same bytes: {way}"
        );
        assert_eq!((desk.number(HITS), unknown()), (1, before + 1), "{way}");
        // Granting later does not bring them back.
        let request = json!({ "id": 1, "state": "granted", "source": "by phone", "wording": "yes" });
        contact::consent_set(&desk.bench.engine, serde_json::from_value(request).unwrap()).unwrap();
        desk.look(&first, THUNDERBIRD, "");
        desk.look(&second, THUNDERBIRD, "");
        assert_eq!((desk.number(HITS), desk.number(TOKENS)), (1, 0), "{way}");
        desk.look(&other, THUNDERBIRD, "");
        assert_eq!(desk.number(HITS), 2, "{way}");
        desk.verify();
    }
}

#[test]
fn a_browsers_signal_is_a_refusal_where_the_workspace_chose_it_and_a_person_looks() {
    const SCANNER: &str = "Mozilla/5.0 (compatible; Barracuda Sentinel)";
    for (chosen, agent, fields, refuses) in [
        (false, THUNDERBIRD, "DNT: 1\r\n", false),
        (true, THUNDERBIRD, "", false),
        (true, THUNDERBIRD, "DNT: 1\r\n", true),
        (true, THUNDERBIRD, "DNT:  1 \r\n", true),
        (true, THUNDERBIRD, "sEc-gPc: 1\r\n", true),
        (true, THUNDERBIRD, "Sec-GPC: 0\r\nSec-GPC: 1\r\n", true),
        (true, THUNDERBIRD, "DNT: 0\r\n", false),
        (true, THUNDERBIRD, "DNT: null\r\n", false),
        (true, THUNDERBIRD, "Sec-GPC: yes\r\n", false),
        (true, GMAIL, "DNT: 1\r\n", true),
        (true, SCANNER, "DNT: 1\r\n", false),
        (true, "", "DNT: 1\r\n", false),
        (true, "curl/8.5.0", "Sec-GPC: 1\r\n", false),
    ] {
        let desk = desk();
        let mail = desk.mail(1);
        if chosen {
            desk.signal_is_refusal();
        }
        // Later than any rule on machines that fetch at once.
        desk.bench.clock.advance(TimeDelta::hours(30));
        let answer = desk.look(&mail, agent, fields);
        assert_eq!((answer.status, answer.body), (200, GIF.to_vec()));
        let held = if refuses { "refused" } else { "granted" };
        assert_eq!(desk.texts(HELD), [held], "{chosen} {agent:?} {fields:?}");
        if refuses {
            assert_eq!(
                desk.history().last().map(String::as_str),
                // 2026-04-02T00:00:00Z: the day and not the time.
                Some("refused 1775088000000 browser signal 0")
            );
            assert_eq!(
                (
                    desk.number(HITS),
                    desk.feed(),
                    desk.texts("SELECT kind FROM message_event")
                ),
                (0, Vec::new(), Vec::new()),
                "nothing of the load itself"
            );
        }
        assert!(
            answer
                .head
                .iter()
                .all(|line| !line.starts_with("Tk:") && !line.starts_with("Set-Cookie")),
            "{:?}",
            answer.head
        );
        desk.verify();
    }
}

#[test]
fn a_signal_of_before_a_consent_does_not_undo_it_and_a_shared_pixel_is_nobodys_word() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.signal_is_refusal();
    desk.write(|conn| Ok(conn.execute("UPDATE consent_event SET at = 1775030500000", [])?));
    desk.look(&mail, THUNDERBIRD, "DNT: 1\r\n");
    assert_eq!(desk.texts(HELD), ["granted"], "the person agreed later");
    let shared = Mail {
        id: 0,
        pixel: Token::from_bytes(b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")
            .unwrap(),
        page: mail.page,
    };
    desk.bench.clock.advance(TimeDelta::days(2));
    desk.look(&shared, THUNDERBIRD, "DNT: 1\r\n");
    assert_eq!(desk.texts(HELD), ["granted"]);
}

#[test]
fn who_ended_recording_has_what_was_recorded_erased_and_every_count_agrees() {
    let desk = desk();
    let (mail, other) = (desk.mail(1), desk.mail(2));
    for each in [&mail, &other] {
        desk.look(each, THUNDERBIRD, "");
    }
    let refused = desk.post(&mail.page, FORM, "action=erase_recorded");
    assert_eq!(refused.status, 200);
    assert_eq!(desk.number(HITS), 2, "only once recording has ended");
    let stopped = desk.post(&mail.page, FORM, "action=stop_tracking").text();
    assert!(stopped.contains("value=\"erase_recorded\""), "{stopped}");
    assert_eq!(desk.number(HITS), 2, "ending it erases nothing by itself");
    desk.verify();
    desk.get(&format!("/u/{}?action=erase_recorded", mail.page), "");
    assert_eq!(desk.number(HITS), 2);
    for _ in 0..2 {
        let said = desk.post(&mail.page, FORM, "action=erase_recorded");
        assert!(
            said.status == 200 && said.text().contains("is erased"),
            "{}",
            said.text()
        );
    }
    desk.verify();
    assert_eq!(desk.number(HITS), 1, "another's stays");
    assert_eq!(
        desk.texts("SELECT tracking || ' ' || not_tracked || ' ' || signal || ' ' || hits FROM message WHERE contact_id = 1"),
        ["none refused no_signal 0"]
    );
    assert_eq!(
        desk.number("SELECT sum(n) FROM hourly"),
        2,
        "the other's look and first open"
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM activity WHERE text LIKE '%recorded of them erased'"),
        1,
        "erasing nothing is no news"
    );
}

#[test]
fn what_was_recorded_is_erased_by_the_window_too() {
    let desk = desk();
    let (mail, _) = (desk.mail(1), desk.mail(2));
    desk.look(&mail, THUNDERBIRD, "");
    let request = json!({ "id": 1 });
    contact::erase_opens(&desk.bench.engine, serde_json::from_value(request).unwrap()).unwrap();
    desk.verify();
    assert_eq!(desk.number(HITS), 0);
    assert_eq!(
        desk.texts("SELECT tracking || ' ' || not_tracked FROM message WHERE contact_id = 1"),
        ["none erased"],
        "who has not refused is not said to have"
    );
    assert_eq!(desk.texts(HELD), ["granted"], "consent is another matter");
    desk.look(&mail, THUNDERBIRD, "");
    assert_eq!(desk.number(HITS), 0, "the old pixel records nothing more");
    let missing = json!({ "id": 99 });
    let error =
        contact::erase_opens(&desk.bench.engine, serde_json::from_value(missing).unwrap()).unwrap_err();
    assert_eq!(error.code, Code::NotFound);
}

#[test]
fn a_test_mail_that_asks_shows_its_page_and_does_nothing() {
    let desk = desk();
    desk.asking_mail(1);
    let token = Token::generate(&SeededEntropy::new(79));
    desk.write(move |conn| test_token::add(conn, Instant::UNIX_EPOCH, &token, CampaignId(2)));
    let page = desk.get(&format!("/u/{token}"), "").text();
    assert!(
        page.contains("test mail") && page.contains("Yes, I agree"),
        "{page}"
    );
    let said = desk.post(&token, FORM, "action=allow_tracking").text();
    assert!(said.contains("nothing was changed"), "{said}");
    assert_eq!(
        (desk.texts(HELD), desk.history()),
        (vec!["unknown".into()], vec![])
    );
}

#[test]
fn an_erasure_that_waited_in_the_spool_is_done_though_the_person_agreed_again() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.look(&mail, THUNDERBIRD, "");
    desk.replay(&mail, Wish::EraseRecorded, "2026-04-01T08:00:00Z");
    assert_eq!(desk.number(HITS), 1, "nobody had ended recording");
    desk.post(&mail.page, FORM, "action=stop_tracking");
    desk.post(&mail.page, FORM, "action=allow_tracking");
    desk.replay(&mail, Wish::EraseRecorded, "2026-04-01T08:00:00Z");
    assert_eq!((desk.number(HITS), desk.texts(HELD)), (0, vec!["granted".into()]));
    desk.verify();
}
