//! An import end to end: files on disk into contacts in the database.

use super::*;
use crate::api::{ContactGet, ContactList, ContactRow, JobState};
use crate::app::testing::{Bench, bench};
use std::collections::BTreeMap;

fn asking(path: &str) -> ImportRun {
    serde_json::from_value(serde_json::json!({ "path": path })).unwrap()
}

fn import(bench: &Bench, request: ImportRun) -> ImportResult {
    let job = bench.finish(run(&bench.engine, request));
    assert_eq!(job.state, JobState::Done, "{:?}", job.error);
    serde_json::from_value(job.result).unwrap()
}

fn import_text(bench: &Bench, text: impl AsRef<[u8]>) -> ImportResult {
    let path = bench.file("members.csv", text);
    import(bench, asking(&path))
}

fn contacts(bench: &Bench) -> Vec<ContactRow> {
    let request: ContactList = serde_json::from_str("{}").unwrap();
    crate::app::contact::list(&bench.engine, request)
        .unwrap()
        .contacts
}

fn refused(bench: &Bench, request: ImportRun) -> Error {
    let error = run(&bench.engine, request).unwrap_err();
    assert_eq!(error.code, Code::Invalid);
    assert!(error.message.ends_with('.'), "a sentence: {}", error.message);
    error
}

#[test]
fn good_rows_are_kept_and_others_reported_by_line() {
    let bench = bench();
    let result = import_text(
        &bench,
        "E-Mail;Vorname;Name;Ort\n\
         ana@example.org;Ana;Li;Ulm\n\
         bo;Bo;Ek;Bonn\n\
         ANA@example.org;Anna;Li;Ulm\n\
         ;;;\n\
         cy@example.org;Cy\n\
         di@example.org;Di;\"Ek;Bonn\n\
         ed@example.org;Ed;Ek;Bonn;extra\n\
         fi@example.org;Fi;Ek;\"two\nlines\"\n",
    );
    let problems: Vec<(u64, ImportProblemKind, &str, &str)> = result
        .problems
        .iter()
        .map(|problem| (problem.line, problem.kind, &*problem.column, &*problem.message))
        .collect();
    assert_eq!(
        (result.rows, result.added, result.duplicates, result.rejected),
        (7, 3, 1, 3)
    );
    assert_eq!(
        problems,
        [
            (
                3,
                ImportProblemKind::Rejected,
                "E-Mail",
                "\"bo\" is not a mail address."
            ),
            (
                4,
                ImportProblemKind::Duplicate,
                "",
                "This address stands on line 2 already; that row was taken."
            ),
            (
                7,
                ImportProblemKind::Rejected,
                "",
                "A quotation mark is opened and not closed in its row."
            ),
            (
                8,
                ImportProblemKind::Rejected,
                "",
                "The row has 5 columns and the header has 4."
            ),
        ]
    );
}

#[test]
fn every_row_is_accounted_for() {
    let bench = bench();
    let text: String = (0..5_000)
        .map(|n| match n % 5 {
            0 => format!("a{n}@example.org,A\n"),
            1 => format!("a{}@example.org,B\n", n - 1),
            2 => "nobody,C\n".to_owned(),
            3 => format!("d{n}@example.org,{}\n", "x".repeat(201)),
            _ => format!("e{n}@example.org\n"),
        })
        .collect();
    let result = import_text(&bench, format!("email,first name\n{text}"));
    assert_eq!(result.rows, 5_000);
    assert_eq!(
        result.added + result.updated + result.unchanged + result.duplicates + result.rejected,
        result.rows,
        "no row is lost without a word"
    );
    assert_eq!(
        (result.added, result.duplicates, result.rejected),
        (2_000, 1_000, 2_000)
    );
    assert_eq!(
        result.problems.len(),
        PROBLEMS,
        "the list is bounded, the counts are not"
    );
}

#[test]
fn a_second_import_fills_in_and_never_empties() {
    let bench = bench();
    import_text(
        &bench,
        "email,first name,town\nana@example.org,Ana,Ulm\nbo@example.org,Bo,\n",
    );
    let result = import_text(
        &bench,
        "email,first name,club\nANA@example.org,,Chess\nbo@example.org,Bo,\n",
    );
    assert_eq!((result.added, result.updated, result.unchanged), (0, 1, 1));
    let ana = contacts(&bench).remove(0);
    let details = crate::app::contact::get(&bench.engine, ContactGet { id: ana.id }).unwrap();
    assert_eq!(details.contact.first_name, "Ana", "an empty cell is no value");
    let fields: Vec<(&str, &str)> = details.fields.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(fields, [("club", "Chess"), ("town", "Ulm")]);
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let bench = bench();
    import_text(&bench, "email,first name\nana@example.org,Ana\n");
    let path = bench.file(
        "more.csv",
        "email,first name\nana@example.org,Anna\nbo@example.org,Bo\nx,y\n",
    );
    let request = || ImportRun {
        list: Some("Club".into()),
        ..asking(&path)
    };
    let tried = import(
        &bench,
        ImportRun {
            dry_run: true,
            ..request()
        },
    );
    assert_eq!((tried.added, tried.updated, tried.rejected), (1, 1, 1));
    assert_eq!(contacts(&bench).len(), 1, "nothing was changed");
    assert_eq!(contacts(&bench)[0].first_name, "Ana");
    let done = import(&bench, request());
    assert_eq!(
        (done.added, done.updated, done.rejected),
        (tried.added, tried.updated, tried.rejected),
        "the import does what was foretold"
    );
    assert_eq!(contacts(&bench)[1].lists, ["Club"]);
}

#[test]
fn consent_needs_its_proof_and_never_overrides_a_refusal() {
    let bench = bench();
    let path = bench.file("a.csv", "email\nana@example.org\nbo@example.org\n");
    let said = |consent, wording: &str| ImportRun {
        consent: Some(consent),
        consent_source: "form of 2026-03".into(),
        consent_wording: wording.into(),
        ..asking(&path)
    };
    let error = refused(&bench, said(ConsentState::Granted, " "));
    assert_eq!(
        error.field.as_deref(),
        Some("consent_wording"),
        "no grant without its words"
    );
    assert!(contacts(&bench).is_empty());
    import(&bench, asking(&path));
    let ana = contacts(&bench).remove(0);
    let refusal = crate::api::ContactConsentSet {
        id: ana.id,
        state: ConsentState::Refused,
        source: "by phone".into(),
        wording: String::new(),
    };
    crate::app::contact::consent_set(&bench.engine, refusal).unwrap();
    let result = import(&bench, said(ConsentState::Granted, "You may measure opens"));
    assert_eq!((result.updated, result.unchanged), (1, 1));
    let states: Vec<ConsentState> = contacts(&bench).iter().map(|row| row.consent).collect();
    assert_eq!(states, [ConsentState::Refused, ConsentState::Granted]);
    import(&bench, said(ConsentState::Unknown, ""));
    let bo = contacts(&bench).remove(1);
    let details = crate::app::contact::get(&bench.engine, ContactGet { id: bo.id }).unwrap();
    let history: Vec<&str> = details
        .consent_history
        .iter()
        .map(|event| &*event.wording)
        .collect();
    assert_eq!(
        history,
        ["You may measure opens"],
        "who, when, by which way, to which words"
    );
}

#[test]
fn what_is_no_table_is_refused_with_a_sentence() {
    let bench = bench();
    let xlsx = b"PK\x03\x04\x14\x00\x06\x00rest".to_vec();
    let png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR".to_vec();
    let noise: Vec<u8> = (0..4_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let wide: String = (0..200).map(|n| format!("column {n},")).collect();
    let wide = format!("email,{wide}\nana@example.org,{}\n", "x,".repeat(200));
    for (name, bytes, words) in [
        ("empty.csv", Vec::new(), "empty.csv is empty"),
        ("blank.csv", b"\xef\xbb\xbf \r\n\n".to_vec(), "blank.csv is empty"),
        (
            "a.csv",
            b"name,town\nAna,Ulm\n".to_vec(),
            "no column of a.csv holds mail addresses",
        ),
        ("book.csv", xlsx, "a ZIP archive or a spreadsheet"),
        ("face.csv", png, "a picture (PNG)"),
        ("noise.csv", noise, "is not a text file"),
        ("wide.csv", wide.into_bytes(), "leave 100 of them out"),
        ("people.csv", b"ana@example.org,Ana\n".to_vec(), "is a person"),
        (
            "quote.csv",
            b"\"email,name\nana@example.org,Ana\n".to_vec(),
            "quotation mark",
        ),
        ("long.csv", vec![b'x'; 10 << 20], "longer than 1 MB"),
    ] {
        let path = bench.file(name, bytes);
        let error = refused(&bench, asking(&path));
        assert!(
            error.message.to_lowercase().contains(&words.to_lowercase()),
            "{name}: {}",
            error.message
        );
    }
    let folder = bench.dir.path().to_str().unwrap().to_owned();
    assert!(refused(&bench, asking(&folder)).message.contains("is not a file"));
    let missing = format!("{folder}/none.csv");
    assert!(
        refused(&bench, asking(&missing))
            .message
            .contains("here is no file")
    );
    assert!(contacts(&bench).is_empty(), "nothing came in by accident");
}

#[test]
fn a_nul_or_a_huge_value_costs_its_row_alone() {
    let bench = bench();
    let text = format!(
        "email,note\nana@example.org,a\0b\nbo\0@example.org,x\ncy@example.org,{}\ndi@example.org,{}\ned@example.org,fine\n",
        "y".repeat(10 << 20),
        "z".repeat(10_001)
    );
    let result = import_text(&bench, text);
    assert_eq!((result.rows, result.added, result.rejected), (5, 1, 4));
    let said: Vec<(u64, &str)> = result
        .problems
        .iter()
        .map(|problem| (problem.line, &*problem.message))
        .collect();
    assert_eq!(
        said,
        [
            (2, "The value of \"note\" contains a control character."),
            (3, "The address contains a NUL character."),
            (4, "The row is longer than 1 MB."),
            (5, "The value of \"note\" is longer than 10000 characters."),
        ]
    );
    assert!(
        result
            .problems
            .iter()
            .all(|problem| !problem.value.contains('\0'))
    );
}

#[test]
fn encodings_are_recognised_and_said() {
    let bench = bench();
    let text = "email\tVorname\nana@example.org\tJörg Größe\n";
    let utf16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let marked = [vec![0xff, 0xfe], utf16(u16::to_le_bytes)].concat();
    let latin = encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    for (bytes, format) in [
        (text.as_bytes().to_vec(), "tab, UTF-8"),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "tab, UTF-8"),
        (marked, "tab, UTF-16"),
        (utf16(u16::to_be_bytes), "tab, UTF-16"),
        (latin, "tab, Windows-1252 (the file is not UTF-8)"),
    ] {
        let path = bench.file("a.csv", bytes);
        let seen = preview(&bench.engine, ImportPreview { path }).unwrap();
        assert_eq!(seen.format, format);
        assert_eq!(seen.rows, [["ana@example.org", "Jörg Größe"]], "{format}");
        assert_eq!(seen.total, 1);
        assert_eq!(seen.columns[1].field, "first_name", "{format}");
    }
    let path = bench.file("excel.csv", "sep=;\r\nemail;a,b\r\nana@example.org;1\r\n");
    let seen = preview(&bench.engine, ImportPreview { path }).unwrap();
    assert_eq!(
        (seen.format.as_str(), seen.columns.len()),
        ("semicolon, UTF-8", 2)
    );
}

#[test]
fn a_cancelled_import_says_what_is_in() {
    let bench = bench();
    let rows: String = (0..200_000).map(|n| format!("a{n}@example.org\n")).collect();
    let path = bench.file("many.csv", format!("email\n{rows}"));
    let started = run(&bench.engine, asking(&path)).unwrap();
    bench.engine.jobs.cancel(started.job);
    let job = bench.engine.jobs.wait(started.job).unwrap();
    assert_eq!(job.state, JobState::Cancelled);
    let (total, message) = (contacts_total(&bench), job.error.unwrap().message);
    assert_eq!(
        message,
        format!("Cancelled. {total} new and 0 changed contacts are in and stay.")
    );
    assert!(total < 200_000, "it ended at the next safe point");
}

fn contacts_total(bench: &Bench) -> u32 {
    let request: ContactList = serde_json::from_str("{}").unwrap();
    crate::app::contact::list(&bench.engine, request).unwrap().total
}

#[test]
fn the_map_says_where_columns_go() {
    let bench = bench();
    let path = bench.file(
        "a.csv",
        "email,private mail,Town\nana@work.example,ana@home.example,Ulm\n",
    );
    let request = ImportRun {
        map: BTreeMap::from([
            ("private mail".to_owned(), "email".to_owned()),
            ("Town".to_owned(), "Home town".to_owned()),
        ]),
        ..asking(&path)
    };
    import(&bench, request);
    let ana = contacts(&bench).remove(0);
    assert_eq!(ana.email, "ana@home.example");
    let details = crate::app::contact::get(&bench.engine, ContactGet { id: ana.id }).unwrap();
    assert_eq!(details.fields["home_town"], "Ulm");
}
