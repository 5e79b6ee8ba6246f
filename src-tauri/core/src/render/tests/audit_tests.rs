//! What the audit must find in a mail that was changed on its way.

use super::*;

/// What an audit says of a mail that was changed on its way.
fn audited(change: impl Fn(&mut Rendered), expected: impl Fn(&mut Expected)) -> Vec<&'static str> {
    problems(change, expected)
        .iter()
        .map(|problem| problem.id)
        .collect()
}

fn problems(change: impl Fn(&mut Rendered), expected: impl Fn(&mut Expected)) -> Vec<AuditProblem> {
    let someone = Someone::named("Ana", "Li");
    let links = tracked_links();
    let url = links.preferences.clone().expect("there is one");
    let mut rendered = compile("Hello", "Hi")
        .render(&someone.person(), &links)
        .expect("no fields");
    change(&mut rendered);
    let unsubscribe = Unsubscribe::WebAndMailto {
        url: &url,
        mailto: "leave@example.org",
    };
    let ends = format!("{url}#opens");
    let mut wanted = Expected {
        to: "ana@example.org",
        pixel: links.pixel.as_deref(),
        preference_url: Some(&url),
        ends_tracking: Some(&ends),
        question: None,
        unsubscribe: &unsubscribe,
        postal_address: POSTAL,
        files: &[],
    };
    expected(&mut wanted);
    audit(&mail(&rendered, &someone), &wanted)
}

#[test]
fn the_audit_finds_what_must_not_leave() {
    let same = |_: &mut Expected| {};
    let add = |html: &'static str| move |rendered: &mut Rendered| rendered.html.push_str(html);
    let pixel = crate::render::pixel::img_tag(&tracked_links().pixel.expect("it is tracked"));
    let none: &[&str] = &[];
    assert_eq!(audited(|_| {}, same), none);
    assert_eq!(
        audited(|rendered| rendered.html.push_str(&pixel), same),
        ["pixel"],
        "two pixels"
    );
    assert_eq!(
        audited(|rendered| rendered.html = rendered.html.replace(&pixel, ""), same),
        ["pixel"],
        "none where one must be"
    );
    assert_eq!(
        audited(|_| {}, |expected| expected.pixel = None),
        ["foreign_pixel", "pixel"][..1],
        "a person who refused must have none"
    );
    assert_eq!(
        audited(
            |_| {},
            |expected| expected.pixel = Some("https://news.example.org/o/x.gif")
        ),
        ["foreign_pixel", "pixel"],
        "another person's pixel"
    );
    for foreign in [
        "<IMG SRC='https://spy.example/p' width=1 height=1>",
        "<img src=\"https://spy.example/p?x\" alt=\"a > b\" height=\"1px\">",
        "<!-- <img height=0 src=https://spy.example/x> -->",
        "<img src='https://spy.example/o/aaaaaaaaaaaaaaaaaaaaaaaaaa.gif'>",
    ] {
        assert_eq!(audited(add(foreign), same), ["foreign_pixel"], "{foreign}");
        let problem = &problems(add(foreign), same)[0];
        assert!(problem.quote.starts_with("https://spy.example/"), "{problem:?}");
        assert!(!problem.message.contains("spy.example"), "{problem:?}");
    }
    assert_eq!(
        audited(add("<img src='https://example.org/garden.jpg' width=300>"), same),
        none
    );
    assert_eq!(
        audited(add("<p>{{ first_name }}</p>"), same),
        ["unresolved_field"]
    );
    assert_eq!(audited(add("&#123;&#x7b; x"), same), ["unresolved_field"]);
    assert_eq!(
        audited(|rendered| rendered.subject = "Hi {{ name }}".into(), same),
        ["unresolved_field"]
    );
    assert_eq!(
        audited(|rendered| rendered.text = "no address".into(), same),
        ["no_postal_address", "preference_link", "tracking_link"]
    );
    assert_eq!(
        audited(|_| {}, |expected| expected.postal_address = " \n"),
        ["no_postal_address"]
    );
    assert_eq!(
        audited(|_| {}, |expected| expected.to = "eve@example.org"),
        ["recipient"]
    );
    assert_eq!(
        audited(
            |_| {},
            |expected| expected.unsubscribe = &Unsubscribe::Mailto("leave@example.org")
        ),
        ["headers"],
        "the headers of another route"
    );
    let filler = |bytes: usize| move |rendered: &mut Rendered| rendered.html.push_str(&"x".repeat(bytes));
    assert_eq!(audited(filler(90 * 1024), same), ["large"]);
    assert_eq!(audited(filler(103_000), same), ["clipped"]);
}

#[test]
fn the_audit_finds_a_header_that_was_smuggled_in() {
    let someone = Someone::named("Ana", "Li");
    let rendered = compile("Hello", "Hi")
        .render(&someone.person(), &tracked_links())
        .expect("no fields");
    let sound = String::from_utf8(mail(&rendered, &someone)).expect("a mail is ASCII");
    for (from, to, id) in [
        ("Subject: Hi", "Subject: Hi\r\nBcc: eve@example.org", "headers"),
        ("Subject: Hi", "Subject: Hi\r\nSubject: Ho", "headers"),
        ("To: Ana Li <", "To: eve@example.org, Ana Li <", "recipient"),
        ("Subject: Hi\r\n", "Subject: Hi\n", "format"),
        ("Subject: Hi", "Subject: H\u{ef}", "format"),
        ("text/plain", "text/html", "format"),
    ] {
        let bytes = sound.replacen(from, to, 1).into_bytes();
        let problems = check(&bytes, &someone);
        assert!(
            problems
                .iter()
                .any(|problem| problem.id == id && problem.severity == Severity::Error),
            "{to:?} is found: {problems:#?}"
        );
    }
    assert!(!check(b"", &someone).is_empty(), "nothing is no mail");
}

#[test]
fn a_tracked_mail_without_the_link_that_ends_tracking_does_not_leave() {
    let without = |part: fn(&mut Rendered) -> &mut String| {
        move |rendered: &mut Rendered| {
            let text = part(rendered);
            *text = text.replace("#opens", "");
        }
    };
    let same = |_: &mut Expected| {};
    assert_eq!(audited(without(|mail| &mut mail.html), same), ["tracking_link"]);
    assert_eq!(audited(without(|mail| &mut mail.text), same), ["tracking_link"]);
}

#[test]
fn the_audit_finds_a_question_that_is_missing_or_anothers_or_beside_a_pixel() {
    let page = tracked_links().preferences.expect("it is tracked");
    let question = format!("{page}#question");
    let anothers = format!("https://news.example.org/u/{}#question", tokens().pixel);
    let asks = |url: &str, times: usize| {
        let (html, text) = (
            format!("<a href=\"{url}\">Answer</a>"),
            format!("\nAnswer: {url}\n"),
        );
        move |rendered: &mut Rendered| {
            rendered.html = rendered.html.replacen("<img ", "<i ", 1);
            rendered.html.push_str(&html.repeat(times));
            rendered.text.push_str(&text.repeat(times));
        }
    };
    let asked = |expected: &mut Expected| {
        // Lives as long as the test.
        expected.question = Some(Box::leak(question.clone().into_boxed_str()));
        (expected.pixel, expected.ends_tracking) = (None, None);
    };
    let unasked = |expected: &mut Expected| (expected.pixel, expected.ends_tracking) = (None, None);
    let none: &[&str] = &[];
    assert_eq!(audited(asks(&question, 1), asked), none);
    assert_eq!(audited(asks(&question, 0), asked), ["question"], "it must ask");
    assert_eq!(audited(asks(&question, 2), asked), ["question"], "once");
    assert_eq!(
        audited(asks(&anothers, 1), asked),
        ["question"],
        "the reader's own page"
    );
    assert_eq!(
        audited(asks(&question, 1), unasked),
        ["question"],
        "who is not to be asked"
    );
    assert_eq!(audited(asks(&anothers, 1), unasked), ["question"]);
    let beside = |rendered: &mut Rendered| {
        let link = format!("<a href=\"{question}\">Answer</a>");
        rendered.html.push_str(&link);
        rendered.text.push_str(&format!("\n{question}\n"));
    };
    assert_eq!(
        audited(beside, |expected| {
            expected.question = Some(Box::leak(question.clone().into_boxed_str()));
        }),
        ["question"],
        "a pixel beside the question, even this reader's own"
    );
}
