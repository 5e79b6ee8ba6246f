//! However the program ends, nothing that it started is left.

use super::reach_up;
use crate::harness::ctl::Ctl;
use crate::harness::sshd::{processes, signal, wait_until_gone};
use crate::harness::{free_port, until};
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::path::Path;

/// A workspace with a way whose program notes itself and its child, and stays.
fn home() -> Ctl {
    let ctl = Ctl::new();
    let at = ctl.home().display().to_string();
    let script = ctl.file(
        "tool",
        format!(
            "#!/bin/sh\nsleep 600 &\necho $! > {at}/new; mv {at}/new {at}/child\necho $$ > {at}/new; mv {at}/new {at}/pid\nwait\n"
        ),
    );
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    ctl.call(
        "tunnel_save",
        json!({
            "way": { "kind": "command", "argv": [script, "{port}"], "url": "https://news.example.org" },
            "port": free_port(),
        }),
    );
    ctl
}

fn noted(home: &Path, name: &str) -> i32 {
    let file = home.join(name);
    let pid = until("the program should note itself", || {
        fs::read_to_string(&file).ok()?.trim().parse().ok()
    });
    fs::remove_file(file).unwrap();
    pid
}

#[test]
fn a_killed_program_leaves_nothing_fifty_times() {
    let ctl = home();
    for _ in 0..50 {
        let (mut group, address) = reach_up(&ctl);
        assert_eq!(address, "https://news.example.org");
        let (pid, child) = (noted(ctl.home(), "pid"), noted(ctl.home(), "child"));
        // The one process alone, as the system does it when memory runs out.
        signal(i32::try_from(group.child.id()).unwrap(), Signal::KILL);
        group.child.wait().unwrap();
        wait_until_gone(pid);
        wait_until_gone(child);
    }
}

#[test]
fn what_the_leash_could_not_end_is_ended_at_the_next_start() {
    let ctl = home();
    let (mut group, _) = reach_up(&ctl);
    let (pid, child) = (noted(ctl.home(), "pid"), noted(ctl.home(), "child"));
    let mark = ctl.home().join("tool").display().to_string();
    let leash = processes(|line| line.contains("--casement-leash") && line.contains(&mark));
    assert_eq!(leash.len(), 1);
    // The leash first, and its owner before it can notice.
    let owner = i32::try_from(group.child.id()).unwrap();
    signal(owner, Signal::STOP);
    signal(leash[0], Signal::KILL);
    signal(owner, Signal::KILL);
    group.child.wait().unwrap();
    assert!(!crate::harness::sshd::is_gone(pid), "now it is an orphan");
    let (mut group, _) = reach_up(&ctl);
    wait_until_gone(pid);
    wait_until_gone(child);
    let (pid, child) = (noted(ctl.home(), "pid"), noted(ctl.home(), "child"));
    group.terminate();
    assert_eq!(group.wait(), Some(0));
    wait_until_gone(pid);
    wait_until_gone(child);
}
