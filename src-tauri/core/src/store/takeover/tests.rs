//! Two databases of one line, gone apart.

use super::*;
use crate::clock::Instant;
use crate::store::backup;
use crate::store::check;
use crate::store::db::testing;
use std::path::PathBuf;

struct Two {
    _dir: tempfile::TempDir,
    gone: PathBuf,
    back: PathBuf,
}

fn now() -> Instant {
    "2026-04-01T08:00:00Z".parse().unwrap()
}

impl Two {
    /// A workspace of `sql`, and a backup of it.
    fn of(sql: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (gone, back) = (dir.path().join("casement.db"), dir.path().join("back.db"));
        let conn = testing::file(&gone);
        setting::ensure_workspace_key(&conn, &[7; 32]).unwrap();
        conn.execute_batch(sql).unwrap();
        drop(conn);
        backup::copy(&gone, &back, now(), false).unwrap();
        Self {
            _dir: dir,
            gone,
            back,
        }
    }

    fn run(&self, path: &Path, sql: &str) {
        let conn = Connection::open(path).unwrap();
        conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        conn.execute_batch(sql).unwrap();
    }

    fn ask(&self, sql: &str) -> String {
        let conn = Connection::open(&self.back).unwrap();
        let mut statement = conn.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(rusqlite::Result::unwrap).collect::<Vec<_>>().join(" ")
    }

    fn sound(&self) {
        let conn = Connection::open(&self.back).unwrap();
        assert_eq!(check::check(&conn).unwrap().1, [""; 0]);
    }
}

/// A campaign with a mail to each of `people`, in `state`.
fn campaign(id: i64, state: &str, people: &[i64]) -> String {
    let left = if state == "accepted" { "100" } else { "NULL" };
    let mails: String = people
        .iter()
        .map(|person| {
            format!(
                "INSERT INTO message (campaign_id, contact_id, email, address_hash, state, tracking, not_tracked,
                   preference_token, queued_at, handing_over_at, accepted_at, next_attempt_at)
                 SELECT {id}, id, email, address_hash, '{state}', 'none', 'policy', randomblob(16), 50, {left}, {left},
                   iif('{state}' = 'queued', 50, NULL)
                 FROM contact WHERE id = {person};"
            )
        })
        .collect();
    format!(
        "INSERT INTO campaign (id, name, document, created_at, updated_at, state, launched_at, first_mail_at, begun_at,
           opens_from, opens_until)
         VALUES ({id}, 'C{id}', '{{}}', {id}, {id}, 'running', 50, 50, 50, 50, 99);
         {mails}"
    )
}

const PEOPLE: &str = "INSERT INTO contact (id, email, email_key, address_hash, created_at)
    VALUES (1, 'ana@example.org', 'ana@example.org', x'01', 1), (2, 'bo@example.org', 'bo@example.org', x'02', 1);";

#[test]
fn a_campaign_that_went_on_at_both_places_keeps_what_each_knows_of_its_mails() {
    let two = Two::of(&format!("{PEOPLE}{}", campaign(1, "queued", &[1, 2])));
    two.run(
        &two.gone,
        "UPDATE message SET state = 'accepted', accepted_at = 200, handing_over_at = 199, next_attempt_at = NULL,
           unsubscribed_at = 300 WHERE contact_id = 1",
    );
    two.run(
        &two.back,
        "UPDATE message SET state = 'accepted', accepted_at = 250, handing_over_at = 249, next_attempt_at = NULL
         WHERE contact_id = 2",
    );
    let taken = take_over(&two.back, &two.gone).unwrap().unwrap();
    assert_eq!(taken.campaigns, [], "neither is the whole truth");
    assert_eq!(
        two.ask("SELECT state || ' ' || accepted_at || ' ' || ifnull(unsubscribed_at, '-') FROM message ORDER BY contact_id"),
        "accepted 200 300 accepted 250 -"
    );
    two.sound();
    assert_eq!(take_over(&two.back, &two.gone).unwrap(), None, "it is done once");
}

#[test]
fn another_campaign_of_the_same_number_gets_a_number_of_its_own() {
    let two = Two::of(PEOPLE);
    two.run(&two.gone, &campaign(1, "accepted", &[1]));
    two.run(
        &two.back,
        &campaign(1, "accepted", &[2]).replace("'C1', '{}', 1", "'D1', '{}', 2"),
    );
    let taken = take_over(&two.back, &two.gone).unwrap().unwrap();
    assert_eq!(taken.campaigns, [CampaignId(2)]);
    assert_eq!(
        two.ask("SELECT name || m.email FROM campaign JOIN message m ON m.campaign_id = campaign.id ORDER BY campaign.id"),
        "D1bo@example.org C1ana@example.org"
    );
    two.sound();
}

#[test]
fn who_came_later_and_got_a_mail_is_kept_with_what_they_said() {
    let two = Two::of(PEOPLE);
    two.run(
        &two.gone,
        &format!(
            "INSERT INTO contact (id, email, email_key, address_hash, consent, created_at)
             VALUES (3, 'eve@example.org', 'eve@example.org', x'03', 'refused', 60),
                    (4, 'fay@example.org', 'fay@example.org', x'04', 'unknown', 60);
             INSERT INTO consent_event (contact_id, state, at) VALUES (3, 'refused', 70);
             {}",
            campaign(1, "accepted", &[3])
        ),
    );
    // The number is somebody else's here by now.
    two.run(
        &two.back,
        "INSERT INTO contact (id, email, email_key, address_hash, created_at)
         VALUES (3, 'gus@example.org', 'gus@example.org', x'05', 60)",
    );
    take_over(&two.back, &two.gone).unwrap().unwrap();
    assert_eq!(
        two.ask("SELECT email || ' ' || consent FROM contact ORDER BY id"),
        "ana@example.org unknown bo@example.org unknown gus@example.org unknown eve@example.org refused"
    );
    assert_eq!(
        two.ask("SELECT contact.email FROM message JOIN contact ON contact.id = message.contact_id"),
        "eve@example.org"
    );
    two.sound();
}

#[test]
fn looks_and_what_the_user_said_of_them_go_along() {
    let two = Two::of(PEOPLE);
    two.run(
        &two.gone,
        &format!(
            "{}
             UPDATE message SET tracking = 'personal', not_tracked = NULL, pixel_token = randomblob(16), signal = 'human',
               first_open_at = 120, looks = 1, hits = 1;
             INSERT INTO hit (id, campaign_id, message_id, at, class, reason, rule_version, client_hash, new_look)
             SELECT 41, 1, id, 120, 'human_direct', 'browser', 1, x'01', 1 FROM message;
             INSERT INTO hourly VALUES (1, 0, 'human_direct', 1), (1, 0, 'first_open', 1);
             INSERT INTO label (kind, value, says, at) VALUES ('hit', '41', 'person', 130);
             INSERT INTO activity (id, at, kind, text, campaign_id) VALUES (40, 100, 'campaign', 'launched', 1);",
            campaign(1, "accepted", &[1])
        ),
    );
    two.run(
        &two.back,
        "INSERT INTO activity (id, at, kind, text) VALUES (41, 100, 'contacts', 'somebody came')",
    );
    take_over(&two.back, &two.gone).unwrap().unwrap();
    assert_eq!(
        two.ask(
            "SELECT hit.class || ' ' || label.says FROM hit JOIN label ON label.value = CAST(hit.id AS TEXT)"
        ),
        "human_direct person"
    );
    two.sound();
}

#[test]
fn who_was_erased_stays_so_and_who_came_back_since_stays_too() {
    let two = Two::of(PEOPLE);
    let hash = |name: &str| {
        let hash = address_hash(&[7; 32], &format!("{name}@example.org"));
        data_encoding::HEXLOWER.encode(&hash)
    };
    two.run(
        &two.gone,
        &format!(
            "DELETE FROM contact; INSERT INTO erased VALUES (x'{}', 500), (x'{}', 500);",
            hash("ana"),
            hash("bo")
        ),
    );
    two.run(&two.back, "UPDATE contact SET created_at = 600 WHERE id = 2");
    let taken = take_over(&two.back, &two.gone).unwrap().unwrap();
    assert_eq!(taken.erased, 1);
    assert_eq!(two.ask("SELECT email FROM contact"), "bo@example.org");
    let known = two.ask("SELECT count(*) || '' FROM erased");
    assert_eq!(known, "3", "both, and the hash under which the one was here");
}

#[test]
fn a_newer_word_of_consent_holds_whichever_side_it_is_on() {
    let two = Two::of(PEOPLE);
    let say = |contact: i64, state: &str, at: i64| {
        format!(
            "INSERT INTO consent_event (contact_id, state, at, source, wording) VALUES ({contact}, '{state}', {at}, 's', 'w');
             UPDATE contact SET consent = '{state}' WHERE id = {contact};"
        )
    };
    two.run(
        &two.gone,
        &format!("{}{}", say(1, "granted", 200), say(2, "refused", 200)),
    );
    two.run(
        &two.back,
        &format!("{}{}", say(1, "refused", 300), say(2, "granted", 300)),
    );
    take_over(&two.back, &two.gone).unwrap().unwrap();
    assert_eq!(
        two.ask("SELECT consent FROM contact ORDER BY id"),
        "refused granted"
    );
    assert_eq!(
        two.ask("SELECT group_concat(state, ',') FROM consent_event WHERE contact_id = 2"),
        "granted,refused,granted",
        "the refusal is in the history, and what holds is its end"
    );
    two.sound();
}

#[test]
fn why_a_mail_came_back_is_taken_over() {
    let conn = testing::memory();
    conn.execute_batch(
        "INSERT INTO campaign (id, name, document, created_at, updated_at, launched_at, state)
         VALUES (1, 'Spring', '{}', 0, 0, 5, 'finished');
         INSERT INTO message (id, campaign_id, email, address_hash, state, tracking, preference_token, handing_over_at,
                              accepted_at, bounced_at, address_gone)
         VALUES (1, 1, '', x'01', 'accepted', 'none', x'a1', 6, 7, NULL, 0),
                (2, 1, '', x'02', 'accepted', 'none', x'a2', 6, 7, 8, 0),
                (3, 1, '', x'03', 'accepted', 'none', x'a3', 6, 7, 8, 1);
         ATTACH ':memory:' AS gone;
         CREATE TABLE gone.message AS SELECT * FROM main.message;
         UPDATE gone.message SET bounced_at = 9, address_gone = id < 3;",
    )
    .unwrap();
    marks(&conn).unwrap();
    let found: Vec<(i64, i64)> = conn
        .prepare("SELECT bounced_at, address_gone FROM main.message ORDER BY id")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(rusqlite::Result::unwrap)
        .collect();
    assert_eq!(
        found,
        [(9, 1), (8, 1), (8, 1)],
        "what is known of the address is not lost"
    );
}

#[test]
fn the_time_in_which_an_address_led_elsewhere_is_known_afterwards() {
    let two = Two::of(
        "INSERT INTO route (id, kind, base_url, created_at) VALUES (5, 'public', 'https://news.harbour-club.eu', 0);
         INSERT INTO reach_interval (route_id, good, from_at, until_at, ended) VALUES (5, 1, 10, 20, 1), (5, 0, 30, 40, 0);",
    );
    two.run(
        &two.gone,
        "UPDATE reach_interval SET until_at = 55, ended = 1 WHERE from_at = 30;
         INSERT INTO reach_interval (route_id, good, from_at, until_at) VALUES (5, 1, 55, 90);",
    );
    // Here the address has another number.
    two.run(
        &two.back,
        "PRAGMA foreign_keys = OFF; UPDATE route SET id = 8 WHERE id = 5; UPDATE reach_interval SET route_id = 8;",
    );
    assert!(take_over(&two.back, &two.gone).unwrap().unwrap().is_same);
    assert_eq!(
        two.ask(
            "SELECT route_id || ':' || good || ':' || from_at || '-' || until_at || ':' || ended
             FROM reach_interval ORDER BY id"
        ),
        "8:1:10-20:1 8:0:30-55:1 8:1:55-90:0"
    );
}
