//! Disks as a power cut may leave them while a campaign is sent, made from a log of the sender's own system calls.
//!
//! Whoever's mail may have come to its end at the server before the power went must be in hand, accepted or
//! uncertain in the ledger: whoever waits in the queue is sent another one.

use super::cut::{Disk, Syncs};
use super::power_cut::{ask_sqlite, files, is_possible, moments};
use super::trace::{self, Call, Time, What};
use crate::harness::chance::Chance;
use crate::harness::ctl::Ctl;
use crate::harness::process::Group;
use crate::harness::sink::{Sink, launched};
use crate::harness::until;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;

/// How often the power is cut.
const CUTS: usize = 300;
/// Every so many, the program itself opens what is left.
const OPENED: usize = 50;
const PEOPLE: usize = 250;
const CONNECTIONS: usize = 3;
/// What a database says of its mails.
const KNOWN: &str = "SELECT email, state FROM message;";

/// A run that was written down.
struct Log {
    workspace: PathBuf,
    campaign: String,
    before: Vec<(PathBuf, Vec<u8>)>,
    calls: Vec<Call>,
    /// Whose mail's end may have left, and from when on.
    ended: Vec<(Time, String)>,
    /// Who was answered with 250, and from when on the sender may know it.
    answered: Vec<(Time, String)>,
}

impl Log {
    fn get(test: &str) -> Option<&'static Self> {
        static LOG: OnceLock<Option<Log>> = OnceLock::new();
        LOG.get_or_init(|| is_possible(test).then(Self::write)).as_ref()
    }

    fn write() -> Self {
        let sink = Sink::start(None);
        let (ctl, campaign) = launched(&sink, PEOPLE, CONNECTIONS);
        let workspace = ctl.workspace().to_owned();
        until("a closed workspace should be one file", || {
            ctl.ok(["contacts", "list", "--limit", "1"]);
            (!workspace.join("casement.db-wal").exists()).then_some(())
        });
        let before = files(&workspace);
        let logs = tempfile::tempdir().expect("a temporary folder can be made");
        let prefix = logs.path().join("calls");
        let words = trace::strace(&prefix);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = ctl.wrapped(&words, &ctl.command(["send", "--campaign", &campaign]));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut sending = Group::start("casementctl send", &mut command);
        assert_eq!(sending.wait(), Some(0), "everything is sent");
        // The tracer, too.
        sending.wait_for_all();
        let calls = trace::read(&prefix);
        let (ended, answered) = mails(&calls, sink.port);
        for who in [&ended, &answered] {
            let mut who: Vec<String> = who.iter().map(|(_, email)| email.clone()).collect();
            let mut taken = sink.recipients();
            who.sort();
            taken.sort();
            assert_eq!(who, taken, "the log tells of the same mails that the server got");
        }
        Self {
            workspace,
            campaign,
            before,
            calls,
            ended,
            answered,
        }
    }

    /// Cuts the power `times` times; returns in how many cases somebody would be sent to twice, and how many at worst.
    fn cut(&self, times: usize, syncs: Syncs) -> (usize, usize) {
        let mut chance = Chance::seeded(43);
        let mut disk = Disk::holding(&self.workspace, &self.before);
        let events: Vec<Time> = self.ended.iter().map(|(at, _)| *at).collect();
        let cuts = moments(&events, &self.calls, times, &mut chance);
        let (mut cases, mut worst, mut turn) = (0, 0, 0);
        disk.play(&self.calls, syncs, &cuts, |disk, at| {
            let ctl = Ctl::new();
            fs::create_dir(ctl.workspace()).expect("own folder");
            disk.cut(&mut chance, ctl.workspace());
            let ledger = ledger(&ctl);
            let state = |email: &String| ledger.get(email).map(String::as_str);
            let twice = self
                .ended
                .iter()
                .filter(|(end, email)| {
                    *end < at && !matches!(state(email), Some("handing_over" | "accepted" | "uncertain"))
                })
                .count();
            cases += usize::from(twice > 0);
            worst = worst.max(twice);
            let invented: Vec<&String> = ledger
                .iter()
                .filter(|(_, state)| *state == "accepted")
                .map(|(email, _)| email)
                .filter(|email| {
                    !self
                        .answered
                        .iter()
                        .any(|(heard, whose)| whose == *email && *heard <= at)
                })
                .collect();
            assert!(invented.is_empty(), "nobody has accepted these yet: {invented:?}");
            turn += 1;
            if turn % OPENED == 0 {
                ctl.verify();
                let shown = ctl.ok(["campaign", "show", &self.campaign]);
                assert_eq!(
                    shown["counts"].get("handing_over"),
                    None,
                    "what was in hand is uncertain: {shown:#}"
                );
            }
        });
        assert_eq!(turn, times, "the power was cut so often");
        eprintln!(
            "{times} cuts among {} mails, syncs {syncs:?}: somebody would be sent to twice in {cases}, {worst} at worst",
            self.ended.len()
        );
        (cases, worst)
    }
}

type When = Vec<(Time, String)>;

/// Finds whose mail's end was sent to the server at `port`, and who was answered with 250 after it.
fn mails(calls: &[Call], port: u16) -> (When, When) {
    #[derive(Default)]
    struct Talk {
        to: String,
        has_ended: bool,
    }
    let mut talks: BTreeMap<&str, Talk> = BTreeMap::new();
    let (mut ended, mut answered) = (Vec::new(), Vec::new());
    let server = format!("->127.0.0.1:{port}");
    for call in calls {
        match &call.what {
            What::Said { connection, bytes } if connection.ends_with(&server) => {
                let talk = talks.entry(connection).or_default();
                if let Some(rest) = bytes.strip_prefix(b"RCPT TO:<") {
                    let end = rest
                        .iter()
                        .position(|byte| *byte == b'>')
                        .expect("an address ends");
                    talk.to = String::from_utf8_lossy(&rest[..end]).into_owned();
                } else if bytes.ends_with(b"\r\n.\r\n") {
                    talk.has_ended = true;
                    ended.push((call.start, talk.to.clone()));
                }
            }
            What::Heard { connection, bytes } if connection.ends_with(&server) => {
                let talk = talks.entry(connection).or_default();
                if talk.has_ended && bytes.starts_with(b"250 ") {
                    talk.has_ended = false;
                    answered.push((call.start, talk.to.clone()));
                }
            }
            _ => {}
        }
    }
    (ended, answered)
}

fn ledger(ctl: &Ctl) -> BTreeMap<String, String> {
    ask_sqlite(ctl, KNOWN)
        .iter()
        .filter_map(|line| line.split_once('|'))
        .map(|(email, state)| (email.to_owned(), state.to_owned()))
        .collect()
}

#[test]
fn three_hundred_power_cuts_while_sending_put_nobody_back_into_the_queue_who_may_have_the_mail() {
    let test = "three_hundred_power_cuts_while_sending_put_nobody_back_into_the_queue_who_may_have_the_mail";
    let Some(log) = Log::get(test) else { return };
    let (cases, worst) = log.cut(CUTS, Syncs::All);
    assert_eq!(
        cases, 0,
        "in {cases} of {CUTS} cuts somebody would be sent to twice, {worst} at worst"
    );
}

#[test]
fn the_same_cuts_find_second_mails_where_the_claim_is_not_synced() {
    let test = "the_same_cuts_find_second_mails_where_the_claim_is_not_synced";
    let Some(log) = Log::get(test) else { return };
    let (cases, worst) = log.cut(CUTS, Syncs::AsInNormal);
    assert!(
        cases > CUTS / 2,
        "without a sync at each commit somebody must be sent to twice, or the test sees nothing: {cases} of {CUTS}, \
         {worst} at worst"
    );
}
