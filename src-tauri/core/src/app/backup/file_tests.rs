//! The file of a backup: written whole or not at all, and refused where it is none.

use super::archive::Archive;
use super::tests::save_as;
use super::*;
use crate::api::{BackupRestore, JobState};
use crate::app::sending_tests::Stage;
use crate::domain::consent::ConsentState;
use std::io::{Read, Write};

/// Writes an archive of the given files.
fn archive_of(path: &Path, files: &[(&str, &[u8])]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn what_is_no_backup_is_refused_with_a_sentence_and_changes_nothing() {
    let stage = Stage::set();
    stage.person("ana@example.org", ConsentState::Granted);
    let engine = &stage.bench.engine;
    let dir = stage.bench.dir.path();
    let good = dir.join("good.casement");
    save_as(engine, &good, false);
    let mut zip = zip::ZipArchive::new(std::fs::File::open(&good).unwrap()).unwrap();
    let mut read = |name: &str| {
        let mut bytes = Vec::new();
        zip.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    let (page, database) = (read("casement.json"), read("casement.db"));
    let newer = String::from_utf8(page.clone())
        .unwrap()
        .replace("\"format\": 1", "\"format\": 2");
    type Files<'a> = &'a [(&'a str, &'a [u8])];
    let cases: &[(&str, Files<'_>, &str)] = &[
        ("empty", &[], "does not say what it is"),
        (
            "no-database",
            &[("casement.json", &page)],
            "the database is missing",
        ),
        (
            "newer",
            &[("casement.json", newer.as_bytes()), ("casement.db", &database)],
            "newer version",
        ),
        (
            "escapes",
            &[
                ("casement.json", &page),
                ("casement.db", &database),
                ("../evil.eml", b"x"),
            ],
            "does not belong there",
        ),
        (
            "deep",
            &[
                ("casement.json", &page),
                ("casement.db", &database),
                ("outbox/../../x.eml", b"x"),
            ],
            "does not belong there",
        ),
        (
            "absolute",
            &[
                ("casement.json", &page),
                ("casement.db", &database),
                ("/etc/evil", b"x"),
            ],
            "does not belong there",
        ),
        (
            "rubbish",
            &[("casement.json", &page), ("casement.db", b"rubbish")],
            "damaged",
        ),
        (
            "page",
            &[("casement.json", b"[]"), ("casement.db", &database)],
            "no backup",
        ),
    ];
    for (name, files, why) in cases {
        let path = dir.join(name);
        archive_of(&path, files);
        let request = BackupRestore {
            path: path.display().to_string(),
        };
        let error = match restore::start(engine, request) {
            Err(error) => error,
            Ok(started) => engine.jobs.wait(started.job.unwrap()).unwrap().error.unwrap(),
        };
        assert!(error.message.contains(why), "{name}: {error}");
        assert!(
            error.message.contains(&*path.to_string_lossy()),
            "{name} is named: {error}"
        );
        assert!(!engine.workspace.restoring().join("ready").exists(), "{name}");
    }
    std::fs::write(dir.join("text"), "no archive at all").unwrap();
    let strange = Archive::open(&dir.join("text")).unwrap_err();
    assert!(strange.message.contains("is no backup"), "{strange}");
    let mut torn = std::fs::read(&good).unwrap();
    let middle = torn.len() / 2;
    torn[middle..middle + 64].fill(0);
    std::fs::write(dir.join("torn"), torn).unwrap();
    let request = BackupRestore {
        path: dir.join("torn").display().to_string(),
    };
    let job = restore::start(engine, request).unwrap().job.unwrap();
    let job = engine.jobs.wait(job).unwrap();
    assert_eq!(job.state, JobState::Failed);
    assert!(job.error.unwrap().message.contains("damaged"));
    assert!(!engine.workspace.restoring().exists(), "nothing of it stays");
}

#[test]
fn a_backup_is_there_whole_or_not_at_all() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    let dir = stage.bench.dir.path();
    for (path, why) in [("", "whole path"), ("here.casement", "whole path")] {
        let request = BackupSave {
            path: path.into(),
            is_move: false,
        };
        let error = save(engine, request).unwrap_err();
        assert!(error.message.contains(why), "{error}");
    }
    let missing = dir.join("no/such/folder/x.casement");
    let job = save_as(engine, &missing, false);
    let error = job.error.unwrap();
    assert!(error.message.contains("cannot be written"), "{error}");
    let blocked = dir.join("blocked");
    std::fs::create_dir(&blocked).unwrap();
    let request = BackupSave {
        path: blocked.display().to_string(),
        is_move: false,
    };
    assert!(save(engine, request).unwrap_err().message.contains("is a folder"));
    let good = dir.join("good.casement");
    save_as(engine, &good, false);
    let names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !names.iter().any(|name| name.to_string_lossy().contains(".part")),
        "{names:?}"
    );
    let names: Vec<_> = std::fs::read_dir(engine.workspace.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !names.iter().any(|name| name.to_string_lossy().contains(".new")),
        "{names:?}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&good).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else on this computer reads it");
    }
}
