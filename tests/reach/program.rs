//! Tunnels by the real program: beside a window or a server, without one, and what they leave on the disk.

use super::{Announced, reach_up};
use crate::harness::ctl::Ctl;
use crate::harness::sshd::wait_until_gone;
use crate::harness::{PATIENCE, free_port, until};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A word that must be nowhere but in the key store.
const TOKEN: &str = "eyJhIjoiNThmMmQ2MTEtMjM0NSJ9";

/// Writes a program of /bin/sh into the home.
fn tool(ctl: &Ctl, name: &str, body: &str) -> PathBuf {
    let path = ctl.file(name, format!("#!/bin/sh\n{body}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn number(file: &Path) -> i32 {
    until("the program should note itself", || {
        fs::read_to_string(file).ok()?.trim().parse().ok()
    })
}

/// A program that notes its number, says its address and stays.
fn stays(ctl: &Ctl) -> (PathBuf, PathBuf) {
    let at = ctl.home().display();
    let body = format!(
        "echo $$ > {at}/new; mv {at}/new {at}/pid\necho 'url=https://one.example.org'\nexec sleep 600"
    );
    (tool(ctl, "tool", &body), ctl.home().join("pid"))
}

fn way(program: &Path) -> Value {
    json!({ "kind": "command", "argv": [program, "{port}"], "pattern": "https://*.example.org" })
}

#[test]
fn a_server_takes_the_tunnel_with_it_up_and_down() {
    let ctl = Ctl::new();
    let (program, pid) = stays(&ctl);
    let serving = ctl.serve("serve");
    let port = free_port();
    ctl.call("tunnel_save", json!({ "way": way(&program), "port": port }));
    let first = number(&pid);
    // Another process asks by way of the first, and ends by itself.
    let (mut group, address) = reach_up(&ctl);
    assert_eq!(address, "https://one.example.org");
    assert_eq!(group.wait(), Some(0));
    let status = ctl.call("listener_status", json!({}));
    let entrances = status["entrances"].as_array().unwrap();
    let urls: Vec<&str> = entrances.iter().filter_map(|one| one["url"].as_str()).collect();
    assert_eq!(
        urls,
        [
            format!("http://{}", serving.direct),
            format!("http://{}", serving.proxied),
            format!("http://127.0.0.1:{port}")
        ],
        "the others keep their ports, and the tunnel's is on this computer only"
    );
    let down = ctl.call("tunnel_down", json!({}));
    assert_eq!((&down["state"], &down["url"]), (&json!("stopped"), &Value::Null));
    wait_until_gone(first);
    fs::remove_file(&pid).unwrap();
    let mut serving = serving;
    serving.group.terminate();
    assert_eq!(serving.group.wait(), Some(0));
    // What was taken down stays down; what was taken up comes with the listener.
    let serving = ctl.serve("serve");
    assert_eq!(ctl.call("tunnel_show", json!({}))["state"], "stopped");
    let (mut group, _) = reach_up(&ctl);
    group.wait();
    let second = number(&pid);
    serving.stop();
    wait_until_gone(second);
    fs::remove_file(&pid).unwrap();
    let serving = ctl.serve("serve");
    let third = number(&pid);
    serving.stop();
    wait_until_gone(third);
}

#[test]
fn every_change_is_one_line_of_json() {
    let ctl = Ctl::new();
    let (program, pid) = stays(&ctl);
    ctl.call(
        "tunnel_save",
        json!({ "way": way(&program), "port": free_port() }),
    );
    let mut said = Announced::start(&ctl, &["--json", "reach", "up"]);
    let mut states = Vec::new();
    let live = until("it should be up", || {
        let line: Value = serde_json::from_str(&said.line()).expect("every line is a document");
        states.push(line["state"].as_str().unwrap().to_owned());
        (line["state"] == "live").then_some(line)
    });
    assert_eq!(states.first().map(String::as_str), Some("starting"));
    assert_eq!(live["url"], "https://one.example.org");
    assert_eq!(live["permanence"], "temporary");
    crate::harness::sshd::stop(number(&pid));
    until("its end should be told", || {
        let line: Value = serde_json::from_str(&said.line()).unwrap();
        (line["state"] == "backoff" && line["trouble"] == "ended").then_some(())
    });
    said.group.terminate();
    assert_eq!(said.group.wait(), Some(0));
    wait_until_gone(number(&pid));
}

#[test]
fn a_token_is_in_no_argument_no_output_and_no_file_but_the_key_stores() {
    let ctl = Ctl::new();
    let at = ctl.home().display().to_string();
    // It reads its token as the real one does, says it on both pipes, and is refused.
    let program = tool(
        &ctl,
        "cloudflared",
        &format!(
            "echo \"$*\" > {at}/arguments\nenv > {at}/environment\n\
             while [ \"$1\" != --token-file ]; do shift; done\n\
             stat -c %a \"$2\" \"$(dirname \"$2\")\" > {at}/modes\n\
             [ \"$(cat \"$2\")\" = {TOKEN} ] && echo yes > {at}/read\n\
             echo \"$2\" > {at}/token_file\n\
             echo \"using $(cat \"$2\")\"; echo \"bad $(cat \"$2\")\" >&2\n\
             echo 'ERR Provided Tunnel token is not valid.' >&2\nexit 1"
        ),
    );
    let save = json!({
        "way": { "kind": "cloudflare_named", "url": "https://news.example.org" },
        "program": program, "port": free_port(), "token": TOKEN,
    });
    // By standard input, as the window sends it in a frame.
    let saved = ctl.run_with_input(["call", "tunnel_save", "-"], save.to_string().as_bytes());
    assert_eq!(saved.code, Some(0), "{saved:?}");
    assert!(!saved.stdout.contains(TOKEN), "it is never sent back");
    let outcome = ctl.run(["reach", "up"]);
    assert_eq!(outcome.code, Some(1), "only its owner can help: {outcome:?}");
    assert!(!format!("{outcome:?}").contains(TOKEN), "{outcome:?}");
    let last: Value = serde_json::from_str(outcome.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["state"], &last["trouble"]),
        (&json!("needs_user"), &json!("login"))
    );
    let read = |name: &str| fs::read_to_string(ctl.home().join(name)).unwrap();
    assert_eq!(read("read"), "yes\n", "it was given the token");
    assert_eq!(read("modes"), "600\n700\n");
    assert!(
        !Path::new(read("token_file").trim()).exists(),
        "it is not left there"
    );
    for line in read("environment").lines() {
        let name = line.split('=').next().unwrap();
        // The last four are the shell's own.
        let known = [
            "PATH",
            "HOME",
            "TMPDIR",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "PWD",
            "OLDPWD",
            "SHLVL",
            "_",
        ];
        assert!(known.contains(&name), "{line} is nothing that a tunnel needs");
    }
    let holders = files(ctl.home())
        .into_iter()
        .filter(|file| {
            let bytes = fs::read(file).unwrap_or_default();
            bytes
                .windows(TOKEN.len())
                .any(|window| window == TOKEN.as_bytes())
        })
        .map(|file| file.strip_prefix(ctl.home()).unwrap().display().to_string())
        .filter(|file| file != "cloudflared")
        .collect::<Vec<_>>();
    assert_eq!(holders, ["config/casement/secrets.json"]);
    ctl.call("tunnel_save", json!({ "way": null }));
    assert!(
        !read("config/casement/secrets.json").contains(TOKEN),
        "and it can be forgotten"
    );
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir)
        .unwrap()
        .flatten()
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path()),
            Ok(kind) if kind.is_file() => vec![entry.path()],
            _ => Vec::new(),
        })
        .collect()
}

#[test]
fn a_port_that_somebody_has_is_refused_before_anything_is_kept() {
    let ctl = Ctl::new();
    let (program, _) = stays(&ctl);
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let save = |port: u16| json!({ "way": way(&program), "port": port });
    ctl.try_call("tunnel_save", save(port))
        .refused(&[&port.to_string(), "taken", "another"]);
    assert_eq!(ctl.call("tunnel_show", json!({}))["chosen"], Value::Null);
    // Somebody takes it while nothing runs: the start says which.
    drop(holder);
    ctl.call("tunnel_save", save(port));
    let _holder = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    ctl.run(["reach", "up"]).refused(&[&port.to_string()]);
}

#[test]
fn the_program_ends_with_its_tunnel_by_ctrl_c_in_a_terminal_too() {
    let ctl = Ctl::new();
    let (program, pid) = stays(&ctl);
    ctl.call(
        "tunnel_save",
        json!({ "way": way(&program), "port": free_port() }),
    );
    let mut said = Announced::start(&ctl, &["reach", "up"]);
    assert_eq!(said.line(), "https://one.example.org");
    // A terminal signals the whole group at once.
    let group = rustix::process::Pid::from_child(&said.group.child);
    rustix::process::kill_process_group(group, rustix::process::Signal::INT).unwrap();
    assert_eq!(said.group.wait(), Some(0));
    wait_until_gone(number(&pid));
}

#[test]
fn without_a_way_there_is_nothing_to_start() {
    let ctl = Ctl::new();
    ctl.run(["reach", "up"]).refused(&["no way to this computer"]);
    let mut command = ctl.command(["reach", "up"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut group = crate::harness::process::Group::start("casementctl reach up", &mut command);
    assert_eq!(group.wait(), Some(1), "within {PATIENCE:?}");
}
