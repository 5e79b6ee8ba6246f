//! Places that cannot be used get a clear error and lose nothing: ports, addresses, folders, disks, databases.

use crate::bad_input::{club, contacts, furnish, import, nothing_is_lost};
use crate::harness::ctl::{Ctl, run_to_end};
use crate::harness::disk::SmallDisk;
use crate::harness::{readers, until};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_port_in_use_is_named() {
    let ctl = club();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let address = taken.local_addr().expect("it is bound").to_string();
    let port = taken.local_addr().expect("it is bound").port().to_string();
    for verb in ["serve", "listen"] {
        ctl.run([verb, "--bind", &address]).refused(&[&port, "in use"]);
    }
    ctl.run([
        "listen",
        "--bind",
        "127.0.0.1:0",
        "--behind-proxy",
        &address,
        "--client-header",
        readers::CLIENT_HEADER,
    ])
    .refused(&[&port, "in use"]);
    nothing_is_lost(&ctl, 2);
}

#[test]
fn addresses_that_cannot_do_what_is_asked_of_them_are_refused() {
    let ctl = club();
    for bind in ["0.0.0.0:0", "[::]:0", "192.0.2.1:4805"] {
        // Whoever reaches that entrance is believed: it is for a proxy on this computer alone.
        ctl.run(["listen", "--behind-proxy", bind, "--client-header", "X-Client"])
            .refused(&["127.0.0.1", "believed"]);
    }
    ctl.run(["listen", "--bind", "192.0.2.1:4805"])
        .refused(&["192.0.2.1:4805", "cannot listen"]);
    ctl.run(["listen", "--bind", "harbour"]).refused(&["harbour"]);
    ctl.run(["address", "set", "http://harbour.example"])
        .refused(&["https"]);
    ctl.run(["address", "set", "http://harbour.example", "--local"])
        .refused(&["not this computer"]);
    ctl.run(["address", "set", "https://harbour.example/path"])
        .refused(&["behind the host"]);
    nothing_is_lost(&ctl, 2);
}

#[test]
fn a_second_engine_is_refused_and_other_commands_go_through_the_first() {
    let ctl = club();
    let serving = ctl.serve("serve");
    for verb in ["serve", "listen"] {
        ctl.run([verb, "--bind", "127.0.0.1:0"]).refused(&["workspace"]);
    }
    let more = import(&ctl, b"email\ncleo@readers.test\n");
    assert_eq!(
        more.json["added"], 1,
        "an import goes through the engine that runs: {more:?}"
    );
    nothing_is_lost(&ctl, 3);
    serving.stop();
    nothing_is_lost(&ctl, 3);
}

#[test]
fn a_read_only_folder_is_named_and_left_alone() {
    // One that could become a workspace, and one that is.
    let nowhere = Ctl::new();
    let folder = nowhere.home().join("cellar");
    fs::create_dir(&folder).expect("own folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).expect("own folder");
    let nowhere = nowhere.with_workspace(folder.clone()).without_root();
    nowhere
        .run(["contacts", "list"])
        .refused(&["cellar", "read-only"]);
    nowhere
        .run(["serve", "--bind", "127.0.0.1:0"])
        .refused(&["cellar", "read-only"]);
    assert_eq!(
        fs::read_dir(&folder).expect("own folder").count(),
        0,
        "nothing is left behind"
    );
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("own folder");

    let ctl = club();
    let before = tree(ctl.workspace());
    set_modes(ctl.workspace(), 0o555, 0o444);
    let ctl = ctl.without_root();
    let file = ctl.file("more.csv", "email\ncleo@readers.test\n");
    ctl.run(["import", file.to_str().expect("ASCII")])
        .refused(&["workspace", "read-only"]);
    assert_eq!(tree(ctl.workspace()), before, "not a byte of it changes");
    set_modes(ctl.workspace(), 0o777, 0o666);
    nothing_is_lost(&ctl, 2);
}

fn tree(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("the workspace is a folder")
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.path(), fs::read(entry.path()).expect("it can be read")))
        .collect();
    files.sort();
    files
}

fn set_modes(dir: &Path, folder: u32, file: u32) {
    for entry in fs::read_dir(dir).expect("the workspace is a folder").flatten() {
        let mode = if entry.path().is_dir() { folder } else { file };
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).expect("own file");
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(folder)).expect("own folder");
}

/// Twenty thousand people: some megabytes of database.
fn crowd() -> String {
    let mut csv = String::from("email,first_name,note\n");
    for index in 0..20_000 {
        csv.push_str(&format!(
            "reader{index}@readers.test,Reader,{}\n",
            "a note that takes room ".repeat(4)
        ));
    }
    csv
}

#[test]
fn a_full_disk_is_said_and_what_was_kept_stays() {
    let Some(disk) = SmallDisk::mount("8m") else {
        // A container may not mount; the test below fills a file instead of a disk.
        eprintln!("a_full_disk_is_said_and_what_was_kept_stays: this process may not mount a small disk");
        return;
    };
    let ctl = furnish(Ctl::new().with_workspace(disk.path().join("workspace")));
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 4 << 20]).expect("there is room for that");
    let file = ctl.file("crowd.csv", crowd());
    let path = file.to_str().expect("ASCII");
    let failed = ctl.run(["import", path, "--list", "Members"]);
    failed.refused(&["disk is full", "free some space"]);
    fs::remove_file(&ballast).expect("own file");
    ctl.verify();
    let kept = contacts(&ctl);
    assert!(kept >= 2, "who was there before is there still: {kept}");
    assert!(
        failed.sentence().contains(&format!("{} new", kept - 2)),
        "it says how many of the new ones are in ({}): {}",
        kept - 2,
        failed.sentence()
    );
}

#[test]
fn a_database_that_may_not_grow_any_more_loses_nothing() {
    let ctl = club();
    let file = ctl.file("crowd.csv", crowd());
    // A limit instead of a full disk: every write beyond 1 MB of a file fails.
    let mut limited = Command::new("sh");
    ctl.furnish(&mut limited);
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"]);
    limited.args([env!("CARGO_BIN_EXE_casementctl"), "--json", "--workspace"]);
    limited.arg(ctl.workspace()).arg("import").arg(&file);
    let failed = run_to_end(limited, b"");
    failed.refused(&["new and", "contacts are in"]);
    ctl.verify();
    let again = ctl.ok(["import", file.to_str().expect("ASCII")]);
    let known = again["unchanged"].as_u64().expect("a number");
    assert!(
        failed.sentence().contains(&format!("{known} new")),
        "exactly those it named were in ({known}): {}",
        failed.sentence()
    );
    nothing_is_lost(&ctl, 20_002);
}

/// Where SQLite keeps `PRAGMA user_version` (https://sqlite.org/fileformat2.html §1.3), big-endian.
const USER_VERSION: std::ops::Range<usize> = 60..64;

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let ctl = club();
    let path = ctl.workspace().join("casement.db");
    // While there is a log beside it, what stands in the file itself is not read.
    until("a closed workspace should be one file", || {
        ctl.ok(["contacts", "list"]);
        (!path.with_extension("db-wal").exists()).then_some(())
    });
    let before = fs::read(&path).expect("a workspace has a database");
    let mut newer = before.clone();
    newer[USER_VERSION].copy_from_slice(&99u32.to_be_bytes());
    fs::write(&path, &newer).expect("own file");
    for args in [
        &["contacts", "list"][..],
        &["serve", "--bind", "127.0.0.1:0"],
        &["verify"],
    ] {
        let outcome = ctl.run(args);
        outcome.refused(&["newer version", "99", "update"]);
        assert_eq!(outcome.json["error"]["code"], "newer", "{outcome:?}");
    }
    assert!(
        fs::read(&path).expect("it is there") == newer,
        "a refused file is not touched"
    );
    fs::write(&path, &before).expect("own file");
    nothing_is_lost(&ctl, 2);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let ctl = Ctl::new();
    let path = ctl.workspace().join("casement.db");
    fs::create_dir(ctl.workspace()).expect("own folder");
    let letter =
        b"Dear diary, this is no database, and it is longer than one hundred bytes, so that nobody can \
                   take it for an empty one that was just begun.";
    fs::write(&path, letter).expect("own file");
    ctl.run(["contacts", "list"]).refused(&["casement.db"]);
    assert_eq!(
        fs::read(&path).expect("it is there"),
        letter,
        "a refused file is not touched"
    );
}
