//! A dry run says what the run then does, of mails and of people.

use super::*;

#[test]
fn a_dry_run_says_what_the_run_then_does_and_a_second_run_does_nothing() {
    let post = post();
    let mails = [
        post.dsn("ana@example.org", "5.1.1", &post.id(0)),
        post.dsn("ana@example.org", "5.1.1", &post.id(0)),
        post.unsubscribe(&post.tokens[1]),
        post.unsubscribe(&post.tokens[1]),
        post.dsn("bo@example.org", "4.2.2", &post.id(1)),
        "From: a@example.org\r\nSubject: Hello\r\n\r\nHi\r\n".to_owned(),
    ];
    let expected = [
        (Bounced, 1),
        (Unsubscribed, 1),
        (Delayed, 1),
        (Known, 2),
        (NotUnderstood, 1),
    ];
    let dry = post.mails(&mails, true);
    assert_eq!(
        (counts(&dry), dry.read, dry.dry_run),
        (expected.to_vec(), 6, true)
    );
    assert_eq!(
        post.suppression("ana@example.org"),
        None,
        "a dry run changes nothing"
    );
    assert_eq!(post.suppression("bo@example.org"), None);
    let done = post.mails(&mails, false);
    assert_eq!(counts(&done), expected);
    assert_eq!(
        post.suppression("ana@example.org"),
        Some(SuppressionKind::Bounced)
    );
    assert_eq!(
        post.suppression("bo@example.org"),
        Some(SuppressionKind::Unsubscribed)
    );
    let again = post.mails(&mails, false);
    assert_eq!(counts(&again), [(Delayed, 1), (Known, 4), (NotUnderstood, 1)]);
}

#[test]
fn a_dry_run_answers_as_the_run_does_in_every_order() {
    use crate::api::IncomingRow;
    let mails = |post: &Post, second: &Token| {
        let second_id = message_id(CampaignId(2), second, "example.org");
        [
            post.dsn("ana@example.org", "5.1.1", &post.id(0)),
            post.dsn("ana@example.org", "5.7.1", &post.id(0)),
            post.dsn("ana@example.org", "5.1.1", &second_id),
            post.dsn("ana@example.org", "5.1.1", "x@y.example"),
            post.unsubscribe(&post.tokens[0]),
            post.unsubscribe(second),
            post.complaint(&post.tokens[0]),
        ]
    };
    let n = 7;
    let pasted = [PastedKind::Bounced, PastedKind::Unsubscribed]
        .into_iter()
        .flat_map(|is| (0..n).map(move |one| ("ana@example.org", is, vec![one])));
    let pairs = (0..n).flat_map(|one| (0..n).map(move |two| ("", PastedKind::Bounced, vec![one, two])));
    for (text, text_is, order) in pasted.chain(pairs) {
        let post = post();
        let second = post.second_mail_to_ana();
        let mails = mails(&post, &second);
        let paths: Vec<String> = order
            .iter()
            .enumerate()
            .map(|(n, index)| post.bench.file(&format!("{n}.eml"), &mails[*index]))
            .collect();
        let run = |dry_run: bool| {
            let result = post.run(IncomingRun {
                paths: paths.clone(),
                text: text.into(),
                text_is,
                only_unsubscribes: false,
                dry_run,
            });
            let rows = result.rows.into_iter();
            let rows: Vec<_> = rows
                .map(|IncomingRow { kind, sentence, .. }| (kind, sentence))
                .collect();
            (rows, result.addresses)
        };
        let case = format!("{text} {text_is:?}, {order:?}");
        let dry = run(true);
        assert_eq!(dry, run(false), "{case}");
        assert_eq!(
            dry.1,
            u32::from(post.suppression("ana@example.org").is_some()),
            "people, not mails: {case}"
        );
        assert_eq!(run(true).1, 0, "{case}");
    }
}

#[test]
fn an_address_counts_once_however_many_mails_came_back() {
    let post = post();
    let second = post.second_mail_to_ana();
    let mails = [
        post.dsn("ana@example.org", "5.1.1", &post.id(0)),
        post.dsn(
            "ana@example.org",
            "5.1.1",
            &message_id(CampaignId(2), &second, "example.org"),
        ),
        post.dsn("bo@example.org", "5.7.1", &post.id(1)),
    ];
    let dry = post.mails(&mails, true);
    assert_eq!(counts(&dry), [(Bounced, 2), (Refused, 1)]);
    assert_eq!(dry.addresses, 1);
    assert_eq!(post.mails(&mails, false).addresses, 1);
}

#[test]
fn an_address_that_is_gone_after_a_refusal_gets_no_more_mail() {
    let post = post();
    let refused = post.dsn("ana@example.org", "5.7.1", &post.id(0));
    let gone = post.dsn("ana@example.org", "5.1.1", &post.id(0));
    assert_eq!(
        counts(&post.mails(std::slice::from_ref(&refused), false)),
        [(Refused, 1)]
    );
    assert_eq!(
        counts(&post.mails(&[gone.clone(), refused.clone()], false)),
        [(Bounced, 1), (Known, 1)]
    );
    assert_eq!(
        post.suppression("ana@example.org"),
        Some(SuppressionKind::Bounced)
    );
    assert_eq!(counts(&post.mails(&[refused, gone], false)), [(Known, 2)]);
    assert_eq!(post.timeline(1).len(), 2);
}
