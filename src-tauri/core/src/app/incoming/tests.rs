//! What comes back, over a workspace with a campaign that was sent.

use super::*;
use crate::api::{JobState, TimelineKind};
use crate::app::testing::{Bench, bench};
use crate::app::{contact as contacts, report};
use crate::audience::address::address_hash;
use crate::domain::contact::{Person, SuppressionKind};
use crate::ids::{CampaignId, ContactId, MessageId};
use crate::render::mime::message_id;
use crate::store::contact::{self, Adding};
use crate::store::suppression;
use crate::tracking::token::Token;

/// A workspace whose campaign 1 went to Ana (message 1) and Bo (message 2); Cleo is a contact without a mail.
struct Post {
    bench: Bench,
    tokens: Vec<Token>,
}

const PEOPLE: [&str; 3] = ["ana@example.org", "bo@example.org", "cleo@example.org"];

fn post() -> Post {
    let bench = bench();
    let tokens: Vec<Token> = (0..2).map(|_| Token::generate(&*bench.engine.entropy)).collect();
    let given = tokens.clone();
    let at = bench.engine.clock.now();
    bench
        .engine
        .write(&[], move |conn| {
            let key = setting::workspace_key(conn)?;
            for email in PEOPLE {
                let person = Person::new(email.parse().unwrap(), "", "", Default::default()).unwrap();
                let adding = Adding {
                    key: &key,
                    at,
                    sample: false,
                    consent: None,
                };
                contact::add(conn, &person, &adding)?;
            }
            conn.execute_batch(
                "INSERT INTO campaign (id, name, document, created_at, updated_at, launched_at, state)
                 VALUES (1, 'Spring', '{}', 0, 0, 5, 'finished')",
            )
            .unwrap();
            for (n, token) in given.iter().enumerate() {
                conn.execute(
                    "INSERT INTO message (campaign_id, contact_id, email, address_hash, state, tracking, preference_token,
                                          handing_over_at, accepted_at)
                     VALUES (1, ?1, ?2, ?3, 'accepted', 'personal', ?4, 6, 7)",
                    (
                        n as i64 + 1,
                        PEOPLE[n],
                        address_hash(&key, PEOPLE[n]),
                        token.as_bytes(),
                    ),
                )
                .unwrap();
            }
            Ok(())
        })
        .unwrap();
    Post { bench, tokens }
}

impl Post {
    fn run(&self, request: IncomingRun) -> IncomingResult {
        let job = self.bench.finish(run(&self.bench.engine, request));
        assert_eq!(job.state, JobState::Done, "{:?}", job.error);
        serde_json::from_value(job.result).unwrap()
    }

    fn mails(&self, mails: &[String], dry_run: bool) -> IncomingResult {
        let paths = mails
            .iter()
            .enumerate()
            .map(|(n, mail)| self.bench.file(&format!("{n}.eml"), mail))
            .collect();
        self.run(IncomingRun {
            paths,
            ..asking(dry_run)
        })
    }

    fn pasted(&self, text: &str, text_is: PastedKind) -> IncomingResult {
        self.run(IncomingRun {
            text: text.into(),
            text_is,
            ..asking(false)
        })
    }

    /// Message 3, of campaign 2.
    fn second_mail_to_ana(&self) -> Token {
        let token = Token::generate(&*self.bench.engine.entropy);
        let given = token;
        self.bench
            .engine
            .write(&[], move |conn| {
                conn.execute_batch(
                    "INSERT INTO campaign (id, name, document, created_at, updated_at, launched_at, state)
                     VALUES (2, 'Summer', '{}', 0, 0, 5, 'finished')",
                )
                .unwrap();
                conn.execute(
                    "INSERT INTO message (campaign_id, contact_id, email, address_hash, state, tracking,
                                          preference_token, handing_over_at, accepted_at)
                     SELECT 2, contact_id, email, address_hash, state, tracking, ?1, 8, 9 FROM message WHERE id = 1",
                    [given.as_bytes()],
                )
                .unwrap();
                Ok(())
            })
            .unwrap();
        token
    }

    fn suppression(&self, email: &str) -> Option<SuppressionKind> {
        self.bench
            .engine
            .read(|conn| {
                let hash = address_hash(&setting::workspace_key(conn)?, email);
                Ok(suppression::get(conn, &hash)?)
            })
            .unwrap()
    }

    fn timeline(&self, message: i64) -> Vec<(TimelineKind, String)> {
        let id = crate::api::MessageTimeline {
            id: MessageId(message),
        };
        report::timeline(&self.bench.engine, id)
            .unwrap()
            .entries
            .into_iter()
            .map(|entry| (entry.kind, entry.reply))
            .collect()
    }

    fn id(&self, n: usize) -> String {
        message_id(CampaignId(1), &self.tokens[n], "example.org")
    }

    /// A report about a mail with this Message-ID.
    fn dsn(&self, recipient: &str, status: &str, id: &str) -> String {
        let action = if status.starts_with('4') {
            "delayed"
        } else {
            "failed"
        };
        format!(
            "From: MAILER-DAEMON@example.net\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\nContent-Type: \
             multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: \
             message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\nAction: \
             {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; 550 {status} <{recipient}> no\r\n\r\n--b\r\n\
             Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{id}>\r\n\r\n--b--\r\n"
        )
    }

    /// A report that brings back a mail, as it is or as a part of type `kind`.
    fn returning(&self, recipient: &str, kind: &str, mail: &str) -> String {
        self.dsn(recipient, "5.1.1", "x@y.example")
            .replace("text/rfc822-headers", kind)
            .replace("Message-ID: <x@y.example>\r\n", mail)
    }

    fn complaint(&self, token: &Token) -> String {
        format!(
            "From: fbl@example.net\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; \
             boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n\
             --b\r\nContent-Type: message/rfc822\r\n\r\nFrom: news@example.org\r\nList-Unsubscribe: \
             <https://t.example.org/u/{token}>\r\n\r\nHi\r\n--b--\r\n"
        )
    }

    fn unsubscribe(&self, token: &Token) -> String {
        format!("From: other@example.com\r\nTo: news@example.org\r\nSubject: unsubscribe {token}\r\n\r\n\r\n")
    }
}

fn asking(dry_run: bool) -> IncomingRun {
    IncomingRun {
        paths: Vec::new(),
        text: String::new(),
        text_is: PastedKind::Bounced,
        only_unsubscribes: false,
        dry_run,
    }
}

fn counts(result: &IncomingResult) -> Vec<(IncomingKind, u32)> {
    result.counts.iter().map(|(kind, n)| (*kind, *n)).collect()
}

use IncomingKind::{Bounced, Complained, Delayed, Foreign, Known, NotUnderstood, Refused, Unsubscribed};

#[test]
fn an_answer_that_quotes_a_mail_stops_nothing_for_its_reader() {
    let answer = |post: &Post| {
        format!(
            "Message-ID: <own@mail.example>\r\nReferences: <{}>\r\nTo: ana@example.org\r\nCc: bo@example.org\r\n\r\n\
             Dear Ana\r\n> https://t.example.org/u/{}\r\n",
            post.id(0),
            post.tokens[0]
        )
    };
    for kind in ["message/rfc822", "text/rfc822-headers", "text/plain", "text/html"] {
        let post = post();
        let mail = post.returning("bo@example.org", kind, &answer(&post));
        let result = post.mails(&[mail], false);
        assert_eq!(result.rows[0].address, "bo@example.org", "{kind}");
        assert_eq!(result.rows[0].message, None, "it is no mail of ours: {kind}");
        assert_eq!(post.suppression("ana@example.org"), None, "{kind}");
        assert_eq!(post.timeline(1), [], "{kind}");
        assert_eq!(
            post.suppression("bo@example.org"),
            Some(SuppressionKind::Bounced),
            "{kind}"
        );
    }
    // Without any copy, what a report speaks of counts for whom it names alone.
    for (recipient, stopped) in [
        ("bo@example.org", None),
        ("ANA@example.org", Some(SuppressionKind::Bounced)),
    ] {
        let post = post();
        let mail = post
            .returning(recipient, "text/plain", "Nothing.")
            .replace("Subject: Undelivered", &format!("References: <{}>", post.id(0)));
        post.mails(&[mail], false);
        assert_eq!(post.suppression("ana@example.org"), stopped, "{recipient}");
    }
}

#[test]
fn a_mail_that_was_forwarded_and_came_back_counts_for_whom_it_went_to() {
    let post = post();
    let mail = post.dsn("ana.elsewhere@example.net", "5.1.1", &post.id(0));
    let result = post.mails(&[mail], false);
    assert_eq!(counts(&result), [(Bounced, 1)]);
    assert_eq!(
        post.suppression("ana@example.org"),
        Some(SuppressionKind::Bounced)
    );
}

#[test]
fn the_answers_of_runs_that_have_ended_go_with_the_person() {
    let post = post();
    let request = IncomingRun {
        text: "ana@example.org\nnobody".into(),
        ..asking(true)
    };
    let job = post.bench.finish(run(&post.bench.engine, request)).id;
    let kept = || post.bench.engine.jobs.get(job).unwrap().result;
    assert_eq!(kept()["rows"][0]["address"], "ana@example.org");
    let erase = crate::api::ContactErase {
        ids: vec![ContactId(1)],
    };
    contacts::erase(&post.bench.engine, erase).unwrap();
    assert!(!kept().to_string().contains("ana@"), "{}", kept());
    assert_eq!(kept()["counts"]["bounced"], 1, "the numbers stay");
    let result: IncomingResult = serde_json::from_value(kept()).unwrap();
    assert_eq!(result.rows, []);
}

#[test]
fn a_bounce_of_our_mail_stands_in_its_timeline_and_in_the_report_and_leaves_the_rate_alone() {
    let post = post();
    post.mails(&[post.dsn("ana@example.org", "5.1.1", &post.id(0))], false);
    assert_eq!(
        post.timeline(1),
        [(TimelineKind::Bounced, "550 5.1.1 <ana@example.org> no".to_owned())]
    );
    let report = report::get(&post.bench.engine, crate::api::ReportGet { id: CampaignId(1) }).unwrap();
    assert_eq!((report.bounced_later, report.complained), (1, 0));
    assert_eq!(
        (report.parts.accepted, report.parts.tracked),
        (2, 2),
        "accepted is accepted"
    );
}

#[test]
fn a_lifted_bounce_is_not_brought_back_by_the_same_mail() {
    let post = post();
    let mail = [post.dsn("ana@example.org", "5.1.1", &post.id(0))];
    post.mails(&mail, false);
    let lift = crate::api::ContactSuppress {
        email: "ana@example.org".into(),
        suppress: false,
        reason: String::new(),
    };
    contacts::suppress(&post.bench.engine, lift).unwrap();
    assert_eq!(counts(&post.mails(&mail, false)), [(Known, 1)]);
    assert_eq!(post.suppression("ana@example.org"), None);
}

#[test]
fn a_refused_mail_is_noted_and_its_address_still_gets_mail() {
    let post = post();
    let result = post.mails(&[post.dsn("ana@example.org", "5.7.1", &post.id(0))], false);
    assert_eq!(counts(&result), [(Refused, 1)]);
    assert_eq!(post.suppression("ana@example.org"), None);
    assert_eq!(post.timeline(1).len(), 1);
}

#[test]
fn an_old_mails_token_unsubscribes_its_person_whoever_sends_it() {
    let post = post();
    let result = post.mails(&[post.unsubscribe(&post.tokens[0])], false);
    assert_eq!(result.rows[0].address, "ana@example.org");
    assert_eq!(
        post.suppression("ana@example.org"),
        Some(SuppressionKind::Unsubscribed)
    );
    assert_eq!(
        post.suppression("other@example.com"),
        None,
        "the sender is nobody"
    );
    assert_eq!(post.timeline(1)[0].0, TimelineKind::Unsubscribed);
}

#[test]
fn an_erased_person_can_still_unsubscribe_and_bounce_and_is_named_nowhere() {
    let post = post();
    let erase = crate::api::ContactErase {
        ids: vec![ContactId(1), ContactId(2)],
    };
    contacts::erase(&post.bench.engine, erase).unwrap();
    let mails = [
        post.unsubscribe(&post.tokens[0]),
        post.dsn("bo@example.org", "5.1.1", &post.id(1)),
    ];
    let result = post.mails(&mails, false);
    assert_eq!(counts(&result), [(Bounced, 1), (Unsubscribed, 1)]);
    assert_eq!(
        post.suppression("ana@example.org"),
        Some(SuppressionKind::Unsubscribed)
    );
    assert_eq!(
        post.timeline(2),
        [(TimelineKind::Bounced, String::new())],
        "the server's words name the address"
    );
}

#[test]
fn what_the_server_said_of_a_bounce_goes_with_the_person() {
    let post = post();
    post.mails(&[post.dsn("ana@example.org", "5.1.1", &post.id(0))], false);
    let erase = crate::api::ContactErase {
        ids: vec![ContactId(1)],
    };
    contacts::erase(&post.bench.engine, erase).unwrap();
    assert_eq!(post.timeline(1), [(TimelineKind::Bounced, String::new())]);
    assert_eq!(
        post.suppression("ana@example.org"),
        Some(SuppressionKind::Bounced)
    );
}

#[test]
fn what_is_about_others_changes_nothing() {
    let post = post();
    let stranger = Token::parse("aaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
    let mails = [
        post.unsubscribe(&stranger),
        post.dsn(
            "dora@example.org",
            "5.1.1",
            "1.00000000000000000000000000000000@example.org",
        ),
        post.dsn(
            "dora@example.org",
            "5.1.1",
            "99.00000000000000000000000000000000@example.org",
        ),
        post.dsn("no address", "5.1.1", "x@y"),
    ];
    assert_eq!(counts(&post.mails(&mails, false)), [(Foreign, 4)]);
    assert_eq!(post.suppression("dora@example.org"), None);
}

#[test]
fn a_bounce_of_another_mail_counts_for_a_contact() {
    let post = post();
    let result = post.mails(&[post.dsn("Cleo@example.org", "5.1.1", "x@y.example")], false);
    assert_eq!(counts(&result), [(Bounced, 1)]);
    assert_eq!(
        post.suppression("cleo@example.org"),
        Some(SuppressionKind::Bounced)
    );
}

#[test]
fn a_complaint_stops_mail_for_good() {
    let post = post();
    let mail = post.complaint(&post.tokens[0]);
    assert_eq!(
        counts(&post.mails(std::slice::from_ref(&mail), false)),
        [(Complained, 1)]
    );
    assert_eq!(
        post.suppression("ana@example.org"),
        Some(SuppressionKind::Complained)
    );
    assert_eq!(counts(&post.mails(&[mail], false)), [(Known, 1)]);
    // A later bounce does not make it less.
    post.pasted("ana@example.org", PastedKind::Bounced);
    assert_eq!(
        post.suppression("ana@example.org"),
        Some(SuppressionKind::Complained)
    );
}

#[test]
fn pasted_lines_are_answered_one_by_one() {
    let post = post();
    let text = "Ana <ana@example.org>\nANA@example.org\nnobody\ndora@example.org, Dora\n";
    let result = post.pasted(text, PastedKind::Bounced);
    let rows: Vec<(&str, IncomingKind)> = result
        .rows
        .iter()
        .map(|row| (row.place.as_str(), row.kind))
        .collect();
    assert_eq!(
        rows,
        [
            ("line 1", Bounced),
            ("line 2", Known),
            ("line 3", NotUnderstood),
            ("line 4", Bounced)
        ]
    );
    assert_eq!(
        post.suppression("dora@example.org"),
        Some(SuppressionKind::Bounced)
    );
    // A wish is more than a bounce, and a bounce no more than a wish.
    assert_eq!(
        counts(&post.pasted("ana@example.org", PastedKind::Unsubscribed)),
        [(Unsubscribed, 1)]
    );
    assert_eq!(
        counts(&post.pasted("ana@example.org", PastedKind::Bounced)),
        [(Known, 1)]
    );
    assert_eq!(
        post.suppression("ana@example.org"),
        Some(SuppressionKind::Unsubscribed)
    );
}

#[test]
fn a_mailbox_is_read_mail_by_mail_and_only_what_was_asked_for_is_done() {
    let post = post();
    let unix = |mail: String| mail.replace("\r\n", "\n");
    let mailbox = format!(
        "From x Wed Apr  1 08:00:00 2026\n{}\nFrom y Wed Apr  1 08:00:00 2026\n{}\n",
        unix(post.dsn("ana@example.org", "5.1.1", &post.id(0))),
        unix(post.unsubscribe(&post.tokens[1]))
    );
    let path = post.bench.file("back.mbox", mailbox);
    let only = post.run(IncomingRun {
        paths: vec![path.clone()],
        only_unsubscribes: true,
        ..asking(false)
    });
    assert_eq!(counts(&only), [(Unsubscribed, 1), (NotUnderstood, 1)]);
    assert_eq!(post.suppression("ana@example.org"), None);
    let all = post.run(IncomingRun {
        paths: vec![path],
        ..asking(false)
    });
    assert_eq!(all.rows[0].place, "back.mbox, mail 1");
    assert_eq!(counts(&all), [(Bounced, 1), (Known, 1)]);
}

#[test]
fn a_mailbox_that_apple_mail_exported_as_a_folder_is_read() {
    let post = post();
    let folder = post.bench.dir.path().join("Returned.mbox");
    std::fs::create_dir(&folder).unwrap();
    let mail = post.dsn("ana@example.org", "5.1.1", &post.id(0));
    std::fs::write(
        folder.join("mbox"),
        format!(
            "From x Wed Apr  1 08:00:00 2026\n{}\n",
            mail.replace("\r\n", "\n")
        ),
    )
    .unwrap();
    std::fs::write(folder.join("table_of_contents"), [0; 8]).unwrap();
    let result = post.run(IncomingRun {
        paths: vec![folder.to_str().unwrap().into()],
        ..asking(false)
    });
    assert_eq!(counts(&result), [(Bounced, 1)]);
    assert_eq!(result.rows[0].place, "Returned.mbox, mail 1");
}

#[test]
fn files_and_texts_beyond_their_limits_are_refused_with_a_sentence() {
    let post = post();
    let engine = &post.bench.engine;
    let refused = |request: IncomingRun, field: Option<&str>, part: &str| {
        let error = run(engine, request).unwrap_err();
        assert_eq!(error.field.as_deref(), field, "{error:?}");
        assert!(error.message.contains(part), "{part}: {}", error.message);
    };
    let of = |path: String| IncomingRun {
        paths: vec![path],
        ..asking(true)
    };
    refused(asking(true), None, "Bring a file");
    let gone = post.bench.dir.path().join("gone.eml");
    refused(of(gone.to_str().unwrap().into()), Some("paths"), "Cannot read");
    refused(
        of(post.bench.dir.path().to_str().unwrap().into()),
        Some("paths"),
        "no file",
    );
    let huge = post.bench.dir.path().join("huge.mbox");
    File::create(&huge).unwrap().set_len(MAX_FILE + 1).unwrap();
    refused(
        of(huge.to_str().unwrap().into()),
        Some("paths"),
        "larger than 128 MiB",
    );
    let many = IncomingRun {
        paths: vec![post.bench.file("a.eml", "x"); 101],
        ..asking(true)
    };
    refused(many, Some("paths"), "at most 100");
    let long = IncomingRun {
        text: "x".repeat(pasted::MAX_TEXT + 1),
        ..asking(true)
    };
    refused(long, Some("text"), "larger than 5 MiB");
    let large = post.bench.dir.path().join("large.eml");
    File::create(&large)
        .unwrap()
        .set_len(incoming::MAX_MAIL as u64 + 1)
        .unwrap();
    let result = post.run(of(large.to_str().unwrap().into()));
    assert_eq!(counts(&result), [(NotUnderstood, 1)]);
}

#[test]
fn noise_in_a_mailbox_is_answered_and_nothing_else() {
    let post = post();
    let mut noise = b"From \n".to_vec();
    noise.extend((0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8));
    let paths = vec![
        post.bench.file("noise.mbox", noise),
        post.bench.file("empty.eml", ""),
        post.bench.file("short", "Fr"),
    ];
    let result = post.run(IncomingRun {
        paths,
        ..asking(false)
    });
    assert!(
        result.counts.keys().all(|kind| *kind == NotUnderstood),
        "{:?}",
        result.counts
    );
}

mod dry_run;
