//! The sending process is killed at any instant, again and again: nobody is left out, and nobody is sent to twice.
//!
//! After each kill the ledger is read as the kill left it, by a second SQLite: whoever's mail came to its end at the
//! server must not wait in the queue there. What was in hand is uncertain from then on, and nobody else is.

use crate::harness::chance::Chance;
use crate::harness::ctl::run_to_end;
use crate::harness::process::Group;
use crate::harness::sink::{Sink, launched};
use crate::harness::{mime, skip};
use casement_core::ids::CampaignId;
use casement_core::render::mime::message_id;
use casement_core::tracking::token::Token;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often it is killed.
const KILLS: usize = 60;
/// Enough that some are left after the last kill.
const PEOPLE: usize = 3000;
const CONNECTIONS: usize = 4;
/// Every so many kills come at any moment after the start, before the first mail as well.
const EARLY: usize = 4;

/// A row of the ledger.
struct Row {
    state: String,
    token: String,
}

/// Reads the ledger of a copy, so that nothing of what a kill left is mended by looking at it.
fn ledger(workspace: &Path) -> BTreeMap<String, Row> {
    let copy = tempfile::tempdir().expect("a temporary folder can be made");
    for name in ["casement.db", "casement.db-wal"] {
        let from = workspace.join(name);
        if from.exists() {
            fs::copy(from, copy.path().join(name)).expect("the workspace can be read");
        }
    }
    let mut command = Command::new("sqlite3");
    command
        .arg("-batch")
        .arg(copy.path().join("casement.db"))
        .arg("PRAGMA quick_check; SELECT email, state, hex(preference_token) FROM message;");
    let said = run_to_end(command, b"");
    let mut lines = said.stdout.lines();
    assert_eq!(lines.next(), Some("ok"), "a kill damages nothing: {said:?}");
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('|').collect();
        let [email, state, token] = columns[..] else {
            panic!("{line:?} is no row")
        };
        let (state, token) = (state.to_owned(), token.to_owned());
        (email.to_owned(), Row { state, token })
    };
    lines.map(row).collect()
}

fn in_state(ledger: &BTreeMap<String, Row>, state: &str) -> BTreeSet<String> {
    let rows = ledger.iter().filter(|(_, row)| row.state == state);
    rows.map(|(email, _)| email.clone()).collect()
}

/// The Message-ID that each recipient's mail has, by the ledger as it was before anything left.
fn message_ids(before: &BTreeMap<String, Row>, campaign: &str) -> BTreeMap<String, String> {
    let campaign = CampaignId(campaign.parse().expect("a campaign has a number"));
    let id = |row: &Row| {
        let hex = row.token.as_bytes().chunks(2);
        let bytes: Vec<u8> = hex
            .map(|two| u8::from_str_radix(str::from_utf8(two).expect("ASCII"), 16).expect("hex"))
            .collect();
        let token = Token::from_bytes(&bytes).expect("a token");
        format!("<{}>", message_id(campaign, &token, "harbour.test"))
    };
    before
        .iter()
        .map(|(email, row)| (email.clone(), id(row)))
        .collect()
}

/// What was seen so far, over all kills.
#[derive(Default)]
struct Seen {
    /// Whoever's mail was in hand when the process was killed.
    in_hand: BTreeSet<String>,
    /// Kills that met a process at work.
    kills: usize,
}

impl Seen {
    /// Fails unless the ledger that a kill left agrees with what the server saw.
    #[track_caller]
    fn check(&mut self, ledger: &BTreeMap<String, Row>, sink: &Sink) {
        for (email, _) in sink.mails() {
            let state = ledger[&email].state.as_str();
            assert!(
                matches!(state, "accepted" | "handing_over" | "uncertain"),
                "{email} may have the mail, and would get another one: it is {state}"
            );
        }
        let answered: BTreeSet<String> = sink.answered().into_iter().collect();
        let invented: Vec<_> = in_state(ledger, "accepted")
            .difference(&answered)
            .cloned()
            .collect();
        assert!(invented.is_empty(), "no server took these: {invented:?}");
        let unexplained: Vec<_> = in_state(ledger, "uncertain")
            .difference(&self.in_hand)
            .cloned()
            .collect();
        assert!(
            unexplained.is_empty(),
            "only what was in hand at a kill is uncertain: {unexplained:?}"
        );
        let in_hand = in_state(ledger, "handing_over");
        assert!(
            in_hand.len() <= CONNECTIONS,
            "each connection has one mail in hand at most: {in_hand:?}"
        );
        self.in_hand.extend(in_hand);
    }
}

#[test]
fn sixty_kills_while_sending_leave_nobody_out_and_send_to_nobody_twice() {
    let test = "sixty_kills_while_sending_leave_nobody_out_and_send_to_nobody_twice";
    if Command::new("sqlite3").arg("--version").output().is_err() {
        return skip(test, "there is no sqlite3");
    }
    let sink = Sink::start(None);
    let (ctl, id) = launched(&sink, PEOPLE, CONNECTIONS);
    let message_ids = message_ids(&ledger(ctl.workspace()), &id);
    let (mut chance, mut seen) = (Chance::seeded(53), Seen::default());
    for round in 0..KILLS {
        // By both of the ways in which mails leave.
        let mut command = match round % 2 {
            0 => ctl.command(["send", "--campaign", &id]),
            _ => ctl.command(["serve", "--bind", "127.0.0.1:0"]),
        };
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let before = sink.count();
        let mut sending = Group::start("casementctl", &mut command);
        if round % EARLY == EARLY - 1 {
            std::thread::sleep(Duration::from_micros(chance.below(200_000)));
        } else {
            // After some mails, and then at any moment of the next few.
            sink.wait_for_count(before + 1 + chance.below(12) as usize, || false);
            std::thread::sleep(Duration::from_micros(chance.below(4_000)));
        }
        let at_work = matches!(sending.child.try_wait(), Ok(None));
        sending.kill();
        seen.kills += usize::from(at_work);
        sink.wait_until_all_have_hung_up();
        seen.check(&ledger(ctl.workspace()), &sink);
    }
    assert_eq!(seen.kills, KILLS, "every kill met a process at work");
    let left = PEOPLE - sink.count();
    assert!(left > 0, "somebody is left to be sent to after the last kill");

    ctl.ok(["send", "--campaign", &id]);
    let ledger = ledger(ctl.workspace());
    seen.check(&ledger, &sink);
    let taken: Vec<String> = sink.mails().into_iter().map(|(email, _)| email).collect();
    let have: BTreeSet<String> = taken.iter().cloned().collect();
    assert_eq!(have.len(), taken.len(), "nobody is sent to twice");
    let (accepted, uncertain) = (in_state(&ledger, "accepted"), in_state(&ledger, "uncertain"));
    assert_eq!(
        accepted.len() + uncertain.len(),
        PEOPLE,
        "everybody's mail has an end, and a known one or none"
    );
    assert_eq!(
        uncertain, seen.in_hand,
        "what was in hand at a kill is said to be uncertain"
    );
    let left_out: Vec<_> = message_ids
        .keys()
        .filter(|email| !have.contains(*email) && !uncertain.contains(*email))
        .collect();
    assert!(left_out.is_empty(), "nobody is left out: {left_out:?}");
    for (email, mail) in sink.mails() {
        let found = mime::raw_header(&mail, "Message-ID");
        assert_eq!(
            found.as_ref(),
            message_ids.get(&email),
            "a message keeps its Message-ID, whichever process sends it"
        );
    }
    let reached = uncertain.intersection(&have).count();
    eprintln!(
        "{KILLS} kills: {left} of {PEOPLE} were left after the last, {} were in hand at one, {reached} of them had \
         reached the server",
        uncertain.len()
    );
    assert!(
        reached > 0 && reached < uncertain.len(),
        "kills came before and after a mail's end: {reached} of {}",
        uncertain.len()
    );
    let shown = ctl.ok(["campaign", "show", &id]);
    assert_eq!(shown["state"], "finished", "{shown:#}");
    ctl.verify();
}
