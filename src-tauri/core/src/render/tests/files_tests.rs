//! Mails with files: structure, names, pictures; one encoding for all; and what the audit finds in them.

use super::*;
use crate::domain::attachment::{Placement, clean_name};
use crate::render::audit::ExpectedFile;
use crate::render::mime::{self, File};
use data_encoding::HEXLOWER;
use mail_parser::MimeHeaders;
use sha2::{Digest, Sha256};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nsome picture";

fn file<'a>(placement: Placement, name: &'a str, media_type: &'a str, bytes: &'a [u8]) -> File<'a> {
    File {
        placement,
        name,
        media_type,
        digest: Sha256::digest(bytes).into(),
        bytes,
    }
}

fn encode(files: &[File<'_>]) -> Enclosures {
    Enclosures::encode(files).expect("there are files")
}

/// A mail's text with a picture of its own in it.
fn with_picture() -> Rendered {
    let digest = HEXLOWER.encode(&Sha256::digest(PNG));
    let document = Document {
        version: 1,
        blocks: vec![Block::Image {
            src: format!("picture:{digest}"),
            alt: "A garden".into(),
            width: None,
            link: String::new(),
        }],
    };
    assert_eq!(document.pictures(), [digest.as_str()]);
    Template::compile(&source(&document, "Hi"))
        .expect("a picture of the campaign's own compiles")
        .render(&Someone::named("Ana", "Li").person(), &tracked_links())
        .expect("no fields")
}

fn plain() -> Rendered {
    compile("Hello", "Hi")
        .render(&Someone::named("Ana", "Li").person(), &tracked_links())
        .expect("no fields")
}

fn whole(rendered: &Rendered, enclosures: &Enclosures) -> Vec<u8> {
    let own = mail_with(rendered, &Someone::named("Ana", "Li"), Some(enclosures));
    [&own, &**enclosures.tail()].concat()
}

/// The kinds of all parts, in their order.
fn kinds(bytes: &[u8]) -> Vec<String> {
    let mail = MessageParser::default().parse(bytes).expect("a mail");
    mail.parts
        .iter()
        .map(|part| {
            let kind = part.content_type().expect("each part says what it is");
            format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default())
        })
        .collect()
}

fn audited(bytes: &[u8], enclosures: &Enclosures, look: bool) -> Vec<&'static str> {
    let ids: Vec<_> = enclosures.files().iter().map(|file| file.content_id()).collect();
    let files: Vec<ExpectedFile> = enclosures
        .files()
        .iter()
        .zip(&ids)
        .map(|(file, id)| ExpectedFile {
            name: &file.name,
            media_type: &file.media_type,
            content_id: id.as_deref(),
            digest: look.then_some(file.digest),
        })
        .collect();
    let links = tracked_links();
    let url = links.preferences.clone().expect("there is one");
    let found = audit(
        bytes,
        &Expected {
            to: "ana@example.org",
            pixel: links.pixel.as_deref(),
            preference_url: links.preferences.as_deref(),
            ends_tracking: Some(&format!("{url}#opens")),
            question: None,
            unsubscribe: &Unsubscribe::WebAndMailto {
                url: &url,
                mailto: "leave@example.org",
            },
            postal_address: POSTAL,
            files: &files,
        },
    );
    found.iter().map(|problem| problem.id).collect()
}

#[test]
fn a_mail_with_files_has_each_part_in_its_place() {
    let pdf: Vec<u8> = (0..=255).cycle().take(4000).collect();
    let picture = file(Placement::Inline, "garden.png", "image/png", PNG);
    let attached = file(Placement::Attached, "plan.pdf", "application/pdf", &pdf);
    let table = [
        (
            vec![attached],
            plain(),
            vec![
                "multipart/mixed",
                "multipart/alternative",
                "text/plain",
                "text/html",
                "application/pdf",
            ],
        ),
        (
            vec![picture],
            with_picture(),
            vec![
                "multipart/alternative",
                "text/plain",
                "multipart/related",
                "text/html",
                "image/png",
            ],
        ),
        (
            vec![picture, attached],
            with_picture(),
            vec![
                "multipart/mixed",
                "multipart/alternative",
                "text/plain",
                "multipart/related",
                "text/html",
                "image/png",
                "application/pdf",
            ],
        ),
    ];
    for (files, rendered, structure) in table {
        let enclosures = encode(&files);
        let bytes = whole(&rendered, &enclosures);
        assert_eq!(kinds(&bytes), structure);
        assert_eq!(audited(&bytes, &enclosures, true), [""; 0], "{structure:?}");
        let outline = [
            mail_with(&rendered, &Someone::named("Ana", "Li"), Some(&enclosures)),
            enclosures.outline().to_vec(),
        ]
        .concat();
        assert_eq!(
            audited(&outline, &enclosures, false),
            [""; 0],
            "an outline passes without its bytes"
        );
        let mail = MessageParser::default().parse(&bytes).expect("a mail");
        for file in &files {
            let found = mail
                .parts
                .iter()
                .find(|part| part.attachment_name() == Some(file.name))
                .expect("each file has a part");
            assert_eq!(found.contents(), file.bytes, "bytes come out as they went in");
        }
    }
    assert!(
        with_picture().html.contains("src=\"cid:"),
        "the HTML shows the picture that the mail carries"
    );
    assert!(
        with_picture().text.contains("[A garden]") && !with_picture().text.contains("cid:"),
        "the text says what it shows: {}",
        with_picture().text
    );
}

#[test]
fn readers_share_one_encoding_and_previews_are_what_leaves() {
    let files = [file(Placement::Attached, "plan.pdf", "application/pdf", b"plan")];
    let (one, two) = (encode(&files), encode(&files));
    assert_eq!(one, two, "the same files make the same bytes");
    let ana = mail_with(&plain(), &Someone::named("Ana", "Li"), Some(&one));
    let bo = mail_with(&plain(), &Someone::named("Bo", "Li"), Some(&one));
    assert_ne!(ana, bo);
    assert!(
        !ana.windows(8).any(|part| part == b"cGxhbg==".as_slice()),
        "no file is in a reader's own part"
    );
    let other = encode(&[file(Placement::Attached, "plan.pdf", "application/pdf", b"other")]);
    assert_ne!(one.tail(), other.tail());
}

#[test]
fn names_of_every_kind_arrive_and_end_no_header() {
    for name in [
        "plan.pdf",
        "Jahresübersicht.pdf",
        "請求書.pdf",
        "קובץ.pdf",
        "a very long name that goes on and on and on, so that it does not fit into one line of a header.pdf",
        "ein sehr langer Name mit Umlauten äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöü.pdf",
        "semi;colon=and 'quotes' (and) %41.pdf",
        "a\"b\\c.pdf",
        "a\r\nBcc: x@example.org",
        "emoji 🎉.pdf",
    ] {
        let clean = clean_name(name);
        let enclosures = encode(&[file(Placement::Attached, &clean, "application/pdf", b"x")]);
        let bytes = whole(&plain(), &enclosures);
        let mail = MessageParser::default().parse(&bytes).expect("a mail");
        let part = mail.attachment(0).expect("there is one file");
        assert_eq!(part.attachment_name(), Some(clean.as_str()), "{name:?}");
        assert_eq!(audited(&bytes, &enclosures, true), [""; 0], "{name:?}");
        assert!(
            !header_names(&bytes).iter().any(|name| name == "Bcc"),
            "no name ends a header"
        );
        let tail = String::from_utf8(enclosures.tail().to_vec()).expect("ASCII");
        assert!(tail.lines().all(|line| line.len() <= 78), "{tail}");
    }
}

#[test]
fn the_audit_finds_files_that_are_not_as_they_were_added() {
    let picture = file(Placement::Inline, "garden.png", "image/png", PNG);
    let attached = file(Placement::Attached, "plan.txt", "text/plain", b"Plan: 3 o'clock");
    let enclosures = encode(&[picture, attached]);
    let bytes = whole(&with_picture(), &enclosures);
    let text = String::from_utf8(bytes.clone()).expect("ASCII");
    assert_eq!(audited(&bytes, &enclosures, true), [""; 0]);
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} stands in it");
        audited(text.replace(from, to).as_bytes(), &enclosures, true)
    };
    assert_eq!(
        changed("UGxhbjog", "UGxhbjot"),
        ["files"],
        "other bytes under the same name"
    );
    assert_eq!(
        changed("filename=\"plan.txt\"", "filename=\"plan.exe\""),
        ["files"]
    );
    assert_eq!(changed("Content-ID: <", "Content-ID: <x"), ["files"]);
    assert_eq!(
        changed("Content-Type: image/png", "Content-Type: image/gif"),
        ["files"]
    );
    assert_eq!(
        changed("src=3D\"cid:", "src=3D\"cid:0"),
        ["files"],
        "a picture that is not there"
    );
    let alone = encode(&[picture]);
    assert_eq!(
        audited(&bytes, &alone, true),
        ["format"],
        "a file that does not belong to it"
    );
    let more = encode(&[
        picture,
        attached,
        file(Placement::Attached, "b.txt", "text/plain", b"b"),
    ]);
    assert_eq!(audited(&bytes, &more, true), ["files"], "one too few");
    assert_eq!(
        audited(&whole(&plain(), &alone), &alone, true),
        ["files"],
        "a picture that nothing shows"
    );
}

#[test]
fn only_a_whole_digest_is_a_picture_of_the_campaigns_own() {
    let digest = "0123456789abcdef".repeat(4);
    assert_eq!(
        mime::picture_digest(&format!("picture:{digest}")),
        Some(digest.as_str())
    );
    for bad in [
        "picture:",
        "picture:0123",
        &format!("picture:{}", digest.to_uppercase()),
        &format!("picture:{digest}0"),
        &format!("cid:{digest}"),
        "file:///etc/passwd",
    ] {
        assert_eq!(mime::picture_digest(bad), None, "{bad}");
        assert!(
            super::super::link::check_source(bad, super::super::link::Kind::Picture).is_err(),
            "{bad} stands in no mail"
        );
    }
}
