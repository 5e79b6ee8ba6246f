//! The preference pages: reading changes nothing, posting does what it says, once.

use super::*;

#[test]
fn an_opt_out_holds_for_mail_already_sent() {
    let desk = desk();
    let (first, other) = (desk.mail(1), desk.mail(2));
    desk.write(move |conn| {
        conn.execute("UPDATE message SET contact_id = 1 WHERE id = ?1", [other.id])?;
        Ok(())
    });
    assert_eq!(desk.look(&first, THUNDERBIRD, "").status, 200);
    let answer = desk.post(&first.page, FORM, "action=stop_tracking");
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .text()
            .contains("nothing is recorded when you open these mails"),
        "{}",
        answer.text()
    );
    let before = desk.number(HITS);
    desk.look(&first, THUNDERBIRD, "");
    desk.look(&other, THUNDERBIRD, "");
    assert_eq!(
        desk.number(HITS),
        before,
        "neither that mail nor the person's others are recorded"
    );
    assert_eq!(
        desk.number("SELECT n FROM counter WHERE name = 'unknown_token'"),
        2,
        "their tokens are destroyed, and belong to nobody any more"
    );
    assert_eq!(
        desk.texts("SELECT consent FROM contact WHERE id = 1"),
        ["refused"]
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM suppression"),
        0,
        "the subscription stands"
    );
    desk.post(&first.page, FORM, "action=stop_tracking");
    assert_eq!(
        desk.number("SELECT count(*) FROM consent_event WHERE source = 'preference page'"),
        1,
        "saying it again changes nothing"
    );
    assert_eq!(desk.texts("SELECT kind FROM message_event"), ["opted_out"]);
    assert_eq!(
        desk.number("SELECT count(*) FROM activity WHERE kind = 'opted_out'"),
        1
    );
}

#[test]
fn recording_again_needs_the_words_on_the_page() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.post(&mail.page, FORM, "action=allow_tracking");
    assert_eq!(
        desk.number("SELECT count(*) FROM consent_event WHERE source = 'preference page'"),
        0,
        "nobody was shown the words yet"
    );
    desk.post(&mail.page, FORM, "action=stop_tracking");
    let page = desk.get(&format!("/u/{}", mail.page), "").text();
    assert!(page.contains("value=\"allow_tracking\""), "{page}");
    desk.post(&mail.page, FORM, "action=allow_tracking");
    let wording = &desk
        .texts("SELECT wording FROM consent_event WHERE source = 'preference page' AND state = 'granted'")[0];
    assert!(
        page.contains(wording.as_str()),
        "what is kept is what was shown: {wording}"
    );
    assert!(wording.contains("Harbour Club"));
    assert_eq!(desk.texts("SELECT consent FROM contact"), ["granted"]);
    desk.look(&mail, THUNDERBIRD, "");
    assert_eq!(
        desk.number(HITS),
        0,
        "recording is on again for the mails to come; a destroyed token does not come back"
    );
}

#[test]
fn reading_a_page_never_acts() {
    let desk = desk();
    let mail = desk.mail(1);
    let path = format!("/u/{}", mail.page);
    let answer = desk.get(&path, "");
    assert_eq!(answer.status, 200);
    let page = answer.text();
    for wanted in ["Harbour Club", "r…@example.net", "Stop recording", "Unsubscribe"] {
        assert!(page.contains(wanted), "{wanted} is on the page");
    }
    assert!(!page.contains("reader1@"), "the address is masked");
    let policy = answer
        .head
        .iter()
        .find(|line| line.starts_with("Content-Security-Policy:"))
        .unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    for line in ["Referrer-Policy: no-referrer", "X-Robots-Tag: noindex"] {
        assert!(answer.head.contains(&line.to_owned()), "{line}");
    }
    desk.get(
        &format!("{path}?action=unsubscribe&List-Unsubscribe=One-Click&action=send_data"),
        "",
    );
    send(
        &desk.proxied,
        &format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    );
    desk.post(&mail.page, FORM, "something=else");
    desk.post(&mail.page, FORM, "action=erase");
    assert_eq!(desk.number("SELECT count(*) FROM suppression"), 0);
    assert_eq!(desk.number("SELECT count(*) FROM data_request"), 0);
    assert_eq!(desk.number("SELECT count(*) FROM contact"), 1);
    assert_eq!(
        desk.number("SELECT count(*) FROM consent_event WHERE source = 'preference page'"),
        0
    );
    assert_eq!(desk.number("SELECT count(*) FROM message_event"), 0);
}

#[test]
fn one_click_unsubscribes_in_both_encodings() {
    let desk = desk();
    let (first, second) = (desk.mail(1), desk.mail(2));
    let answer = desk.post(&first.page, FORM, "List-Unsubscribe=One-Click");
    assert_eq!(
        (answer.status, answer.body.len()),
        (200, 0),
        "a machine reads the status only"
    );
    let parts =
        "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    assert_eq!(
        desk.post(&second.page, "multipart/form-data; boundary=x", parts)
            .status,
        200
    );
    for _ in 0..2 {
        assert_eq!(
            desk.post(&first.page, FORM, "List-Unsubscribe=One-Click").status,
            200
        );
    }
    assert_eq!(
        desk.number("SELECT count(*) FROM suppression WHERE kind = 'unsubscribed'"),
        2
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM message WHERE unsubscribed_at IS NOT NULL"),
        2
    );
    assert_eq!(
        desk.number("SELECT count(*) FROM message_event WHERE kind = 'unsubscribed'"),
        2
    );
    assert_eq!(
        desk.texts("SELECT consent FROM contact"),
        ["granted", "granted"],
        "tracking is another matter"
    );
}

#[test]
fn a_strange_token_learns_nothing() {
    let desk = desk();
    let token = Token::generate(&SeededEntropy::new(77));
    let shown = desk.get(&format!("/u/{token}"), "");
    assert_eq!(shown.status, 200);
    assert!(
        !shown.text().contains("Harbour Club"),
        "whose computer this is stays untold"
    );
    for body in [
        "action=stop_tracking",
        "action=unsubscribe",
        "action=send_data",
        "List-Unsubscribe=One-Click",
    ] {
        assert_eq!(desk.post(&token, FORM, body).status, 200, "{body}");
    }
    assert_eq!(desk.number("SELECT count(*) FROM suppression"), 0);
    assert_eq!(desk.number("SELECT count(*) FROM data_request"), 0);
    assert_eq!(desk.number("SELECT n FROM counter WHERE name = 'pages'"), 5);
}

#[test]
fn what_is_posted_to_nobodys_page_is_counted_with_its_time() {
    let desk = desk();
    let mail = desk.mail(1);
    let (nobodys, test) = (
        Token::generate(&SeededEntropy::new(77)),
        Token::generate(&SeededEntropy::new(78)),
    );
    desk.write(move |conn| test_token::add(conn, Instant::UNIX_EPOCH, &test, CampaignId(1)));
    desk.get(&format!("/u/{nobodys}"), "");
    for token in [&mail.page, &test] {
        desk.post(token, FORM, "action=stop_tracking");
    }
    let counted = |desk: &Desk| {
        desk.bench
            .engine
            .db
            .read(|conn| counter::last(conn, counter::UNMATCHED_POSTS))
            .unwrap()
    };
    assert_eq!(
        counted(&desk),
        None,
        "reading is no alarm, nor are readers and test mails"
    );
    desk.post(&nobodys, FORM, "action=stop_tracking");
    desk.bench.clock.advance(TimeDelta::hours(1));
    desk.post(&nobodys, FORM, "List-Unsubscribe=One-Click");
    let last = "2026-04-01T09:01:00Z".parse().unwrap();
    assert_eq!(counted(&desk), Some((2, last)));
}

#[test]
fn a_test_mails_links_say_so_and_do_nothing() {
    let desk = desk();
    let token = Token::generate(&SeededEntropy::new(78));
    desk.write(move |conn| test_token::add(conn, Instant::UNIX_EPOCH, &token, CampaignId(1)));
    assert!(desk.get(&format!("/u/{token}"), "").text().contains("test mail"));
    for body in [
        "action=stop_tracking",
        "action=unsubscribe",
        "action=send_data",
        "List-Unsubscribe=One-Click",
    ] {
        let answer = desk.post(&token, FORM, body);
        assert_eq!(answer.status, 200, "{body}");
        let said = answer.text();
        assert!(
            said.is_empty() || said.contains("nothing was changed") || said.contains("nothing was mailed")
        );
    }
    assert_eq!(desk.number("SELECT count(*) FROM suppression"), 0);
    assert_eq!(
        desk.number("SELECT count(*) FROM consent_event WHERE source = 'preference page'"),
        0
    );
}

#[test]
fn an_erased_person_can_still_unsubscribe() {
    let desk = desk();
    let mail = desk.mail(1);
    desk.write(|conn| {
        conn.execute("UPDATE message SET contact_id = NULL, email = '', pixel_token = NULL, tracking = 'none', not_tracked = 'erased'", [])?;
        Ok(conn.execute("DELETE FROM contact", [])?)
    });
    assert_eq!(desk.look(&mail, THUNDERBIRD, "").body, GIF);
    assert_eq!(desk.get(&format!("/u/{}", mail.page), "").status, 200);
    assert_eq!(desk.post(&mail.page, FORM, "action=stop_tracking").status, 200);
    assert_eq!(desk.post(&mail.page, FORM, "action=unsubscribe").status, 200);
    assert_eq!(
        desk.number(
            "SELECT count(*) FROM suppression WHERE address_hash = x'01010101010101010101010101010101'"
        ),
        1,
        "by the hash that is left"
    );
}
