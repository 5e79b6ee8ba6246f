//! A rehearsal: the whole loop with invented people, played through the real parts.
//!
//! Contacts go through the importer, mails through planner, audit, dispatcher and practice outbox, looks and
//! opt-outs over HTTP through the listener. Only the clock is played: readers look over days, and the
//! rehearsal sets its clock to each moment in turn. The demo prints what comes of it, the sample data keeps it.

use super::engine::Engine;
use super::readers::{self, Reader};
use super::{account, campaign, control, import, launch, outbox, reach, sending, settings};
use crate::api::{
    AccountSave, AddressSet, CampaignFile, CampaignLaunch, CampaignPrepare, Code, Error, ImportRun, Job,
    JobState, ListenerStatusGet, OutboxGet, OutboxList, ReaderClient, Result, SendingStatusGet,
    SettingsUpdate,
};
use crate::clock::{Clock, Instant, ManualClock};
use crate::domain::consent::{ConsentState, UnknownPolicy};
use crate::domain::window::WindowSpec;
use crate::ids::{CampaignId, Entropy, JobId, SeededEntropy};
use crate::net::http;
use chrono::TimeDelta;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The header in which the rehearsal's readers name their address, as a proxy in front would.
pub const CLIENT_HEADER: &str = "X-Forwarded-For";

/// First names with their ASCII form, from several languages and scripts.
const FIRST: &[(&str, &str)] = &[
    ("Ana", "ana"),
    ("Ben", "ben"),
    ("Chloé", "chloe"),
    ("Dmitri", "dmitri"),
    ("Élodie", "elodie"),
    ("Fatima", "fatima"),
    ("Giulia", "giulia"),
    ("Håkon", "hakon"),
    ("Ines", "ines"),
    ("Jörg", "joerg"),
    ("Kofi", "kofi"),
    ("Lucía", "lucia"),
    ("Mehmet", "mehmet"),
    ("Nora", "nora"),
    ("Olu", "olu"),
    ("Priya", "priya"),
    ("Quentin", "quentin"),
    ("Rosa", "rosa"),
    ("Søren", "soren"),
    ("Tomáš", "tomas"),
    ("Uma", "uma"),
    ("Vera", "vera"),
    ("Wei", "wei"),
    ("Ximena", "ximena"),
    ("Yusuf", "yusuf"),
    ("Zoë", "zoe"),
    ("נועה", "noa"),
    ("Αλέξης", "alexis"),
    ("ليلى", "layla"),
    ("Hans-Christian", "hans-christian"),
];

/// Last names, likewise.
const LAST: &[(&str, &str)] = &[
    ("Li", "li"),
    ("Okafor", "okafor"),
    ("Müller", "mueller"),
    ("García", "garcia"),
    ("O'Brien", "obrien"),
    ("Novák", "novak"),
    ("Rossi", "rossi"),
    ("Schmidt", "schmidt"),
    ("Dubois", "dubois"),
    ("Haddad", "haddad"),
    ("Andersen", "andersen"),
    ("Kowalska", "kowalska"),
    ("Nguyễn", "nguyen"),
    ("Sharma", "sharma"),
    ("Yılmaz", "yilmaz"),
    ("Ferreira", "ferreira"),
    ("Lindqvist", "lindqvist"),
    ("Tanaka", "tanaka"),
    ("Oberstadtrichter-Hohenfels", "oberstadtrichter"),
    ("Ivanova", "ivanova"),
    ("Mensah", "mensah"),
];

const TOWNS: &[&str] = &[
    "Lisbon", "Graz", "Cork", "Aarhus", "Bologna", "Gdańsk", "Utrecht", "Leeds", "Nantes", "",
];

/// The words that the invented people who agreed to tracking agreed to.
pub const WORDING: &str = "Yes, you may record when I open your mails, to learn what is worth writing.";

/// What to play.
#[derive(Debug, Clone)]
pub struct Script {
    /// How many people to invent.
    pub people: u32,
    /// Another seed invents other people.
    pub seed: u64,
    /// Mark what comes in as sample data.
    pub sample: bool,
    /// The list's name.
    pub list: String,
}

/// A mail of the rehearsal.
#[derive(Debug, Clone)]
pub struct Mailing {
    /// The campaign's name.
    pub name: &'static str,
    /// Its subject.
    pub subject: &'static str,
    /// Its preheader.
    pub preheader: &'static str,
    /// Its body.
    pub markdown: &'static str,
}

/// One request that a played reader made, as the rehearsal saw it from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// On the rehearsal's clock.
    pub at: Instant,
    /// GET or POST.
    pub method: &'static str,
    /// The whole address.
    pub url: String,
    /// Who it was.
    pub to: String,
    /// With what: a [`Reader`]'s name.
    pub client: String,
    /// What was sent as user agent.
    pub user_agent: String,
    /// The address that the proxy in front would name.
    pub address: String,
    /// The header fields `DNT` and `Sec-GPC` were `1`.
    pub asks_not_to_be_tracked: bool,
    /// The form that was posted.
    pub body: String,
    /// The HTTP status.
    pub status: u16,
}

/// Random choices that repeat for the same seed.
struct Dice(SeededEntropy);

impl Dice {
    fn below(&self, n: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        // The bias of a remainder is below 2^-40 for the small numbers here.
        u64::from_le_bytes(bytes) % n.max(1)
    }

    fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).expect("an index fits")]
    }

    fn minutes(&self, from: u64, to: u64) -> TimeDelta {
        let seconds = from * 60 + self.below((to - from) * 60);
        TimeDelta::seconds(i64::try_from(seconds).expect("a few days"))
    }
}

/// Waits for a job and returns it, or its error.
pub(crate) fn finish(engine: &Engine, id: JobId) -> Result<Job> {
    let job = engine.jobs.wait(id).ok_or_else(|| Error::not_found("job", id))?;
    match (job.state, job.error.clone()) {
        (JobState::Done, _) => Ok(job),
        (_, Some(error)) => Err(error),
        (_, None) => Err(Error::new(
            Code::Internal,
            format!("{} ended without a result", job.title),
        )),
    }
}

/// A workspace with invented people, a practice outbox, and a listener that answers.
pub struct Rehearsal<'a> {
    engine: &'a Arc<Engine>,
    clock: &'a ManualClock,
    dice: Dice,
    script: Script,
    entrance: String,
    pending: Vec<Act>,
    /// Every request that was made, in order.
    pub requests: Vec<Request>,
}

impl<'a> Rehearsal<'a> {
    /// Sets the scene: settings, account, people, listener, address.
    ///
    /// `engine` must tell the time by `clock`. Files for the importer are written into `scratch`.
    pub fn begin(
        engine: &'a Arc<Engine>,
        clock: &'a ManualClock,
        script: Script,
        scratch: &Path,
    ) -> Result<Self> {
        let dice = Dice(SeededEntropy::new(script.seed));
        settings::update(
            engine,
            SettingsUpdate {
                unknown_policy: Some(UnknownPolicy::None),
                postal_address: Some(POSTAL_ADDRESS.into()),
                organisation: Some("Riverside Rowing Club".into()),
                zone: None,
                theme: None,
                tracked_per_30_days: None,
                signal_is_refusal: None,
                grace_days: None,
                cap_hits: None,
                cap_machine_hits: None,
                verdicts_months: None,
            },
        )?;
        account::save(
            engine,
            AccountSave {
                connections: 1,
                ..AccountSave::outbox(ACCOUNT, "Riverside Rowing Club", "news@riverside.example")
            },
        )?;
        let (direct, entrance) = listen(engine)?;
        reach::address_set(
            engine,
            AddressSet {
                url: Some(direct),
                local: true,
            },
        )?;
        let rehearsal = Self {
            engine,
            clock,
            dice,
            script,
            entrance,
            pending: Vec::new(),
            requests: Vec::new(),
        };
        rehearsal.invite(scratch)?;
        Ok(rehearsal)
    }

    /// Invents people and imports them in three files, by what they said about tracking.
    fn invite(&self, scratch: &Path) -> Result<()> {
        let header = "Email,First name,Last name,Town,Member since\n";
        let mut files: BTreeMap<&str, (ConsentState, String)> = [
            ("agreed", ConsentState::Granted),
            ("refused", ConsentState::Refused),
            ("not-asked", ConsentState::Unknown),
        ]
        .into_iter()
        .map(|(name, state)| (name, (state, header.to_owned())))
        .collect();
        for index in 0..self.script.people {
            let (first, first_ascii) = self.dice.pick(FIRST);
            let (last, last_ascii) = self.dice.pick(LAST);
            let domain = self.dice.pick(&["example.org", "example.com", "example.net"]);
            let (town, year) = (self.dice.pick(TOWNS), 2009 + self.dice.below(17));
            // One in twelve has no first name, as in every real list.
            let first = if self.dice.below(12) == 0 { "" } else { first };
            let file = match self.dice.below(100) {
                0..78 => "agreed",
                78..86 => "refused",
                _ => "not-asked",
            };
            let (_, text) = files.get_mut(file).expect("all three are there");
            text.push_str(&format!(
                "{first_ascii}.{last_ascii}.{index}@{domain},{first},{last},{town},{year}\n"
            ));
        }
        for (name, (state, text)) in files {
            let path = scratch.join(format!("{name}.csv"));
            std::fs::write(&path, text).map_err(|error| {
                Error::new(
                    Code::Storage,
                    format!("Cannot write {}: {error}.", path.display()),
                )
            })?;
            let granted = state == ConsentState::Granted;
            let started = import::run(
                self.engine,
                ImportRun {
                    path: path.display().to_string(),
                    map: BTreeMap::new(),
                    list: Some(self.script.list.clone()),
                    dry_run: false,
                    consent: Some(state),
                    consent_source: if granted {
                        "membership form".into()
                    } else {
                        String::new()
                    },
                    consent_wording: if granted { WORDING.into() } else { String::new() },
                    sample: self.script.sample,
                },
            )?;
            finish(self.engine, started.job)?;
        }
        Ok(())
    }

    /// Writes a campaign as a draft.
    pub fn draft(&self, mailing: &Mailing) -> Result<CampaignId> {
        let saved = campaign::create(
            self.engine,
            CampaignFile {
                name: mailing.name.into(),
                subject: mailing.subject.into(),
                preheader: mailing.preheader.into(),
                account: Some(ACCOUNT.into()),
                audience: crate::api::AudienceNames {
                    include: vec![self.script.list.clone()],
                    exclude: Vec::new(),
                },
                window: Some(WindowSpec::Days { days: 30, zone: None }),
                tracking: None,
                postal_address: POSTAL_ADDRESS.into(),
                markdown: Some(mailing.markdown.into()),
                document: None,
                cap: None,
                grace_days: None,
                attachments: Vec::new(),
            },
        )?;
        Ok(saved.id)
    }

    /// Prepares, audits, launches and sends a campaign; returns once nothing is due.
    pub fn send(&self, mailing: &Mailing) -> Result<CampaignId> {
        let id = self.draft(mailing)?;
        let started = launch::prepare(self.engine, CampaignPrepare { id })?;
        finish(self.engine, started.job)?;
        launch::launch(
            self.engine,
            CampaignLaunch {
                id,
                delay_secs: 0,
                at: None,
                when_late: None,
                quiet: None,
                confirmed: true,
                confirm_host: None,
            },
        )?;
        sending::start(self.engine);
        sending::wait_idle(self.engine);
        sending::stop(self.engine);
        let left = control::status(self.engine, SendingStatusGet {})?;
        if left.due + left.in_hand > 0 {
            return Err(Error::new(
                Code::Internal,
                format!("{} mails were left unsent", left.due + left.in_hand),
            ));
        }
        Ok(id)
    }

    /// Lets everyone who got a mail of `campaign` make up their mind; [`Rehearsal::play`] lets them act.
    pub fn read(&mut self, campaign: CampaignId) -> Result<()> {
        let sent = self.clock.now();
        let mut offset = 0;
        loop {
            let page = outbox::list(
                self.engine,
                OutboxList {
                    campaign: Some(campaign),
                    search: String::new(),
                    offset,
                    limit: 500,
                },
            )?;
            for row in &page.mails {
                let mail = outbox::get(self.engine, OutboxGet { id: row.id })?;
                let field = mail
                    .headers
                    .iter()
                    .find(|[name, _]| name.eq_ignore_ascii_case("List-Unsubscribe"));
                let preference = field.and_then(|[_, value]| web_link(value));
                self.decide(&row.to, mail.pixel.as_deref(), preference.as_deref(), sent);
            }
            offset += u32::try_from(page.mails.len()).unwrap_or(u32::MAX);
            if page.mails.is_empty() || offset >= page.total {
                break;
            }
        }
        self.pending
            .sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.to.cmp(&b.to)));
        Ok(())
    }

    /// Plays on until `until`; `step` hears how many acts are done of how many.
    pub fn play(&mut self, until: Instant, mut step: impl FnMut(u64, u64) -> Result<()>) -> Result<()> {
        let acts = self.due(until);
        let total = acts.len() as u64;
        for (done, act) in acts.into_iter().enumerate() {
            if done % 25 == 0 {
                step(done as u64, total)?;
            }
            self.act(act)?;
        }
        self.clock.set(until);
        Ok(())
    }

    /// Turns the computer off until `until`: whoever looks meanwhile reaches nobody.
    pub fn sleep(&mut self, until: Instant) -> Result<()> {
        super::tracking::stop(self.engine);
        drop(self.due(until));
        self.clock.set(until);
        self.entrance = listen(self.engine)?.1;
        Ok(())
    }

    fn due(&mut self, until: Instant) -> Vec<Act> {
        let later = self
            .pending
            .split_off(self.pending.partition_point(|act| act.at < until));
        std::mem::replace(&mut self.pending, later)
    }

    /// Decides what one person does with a mail.
    fn decide(&mut self, to: &str, pixel: Option<&str>, preference: Option<&str>, sent: Instant) {
        let (dice, acts) = (&self.dice, &mut self.pending);
        let host = 1 + dice.below(250);
        // Most look on the first evening, some days later.
        let when = match dice.below(10) {
            0..5 => dice.minutes(20, 8 * 60),
            5..8 => dice.minutes(8 * 60, 36 * 60),
            _ => dice.minutes(36 * 60, 7 * 24 * 60),
        };
        let mut look = |client: ReaderClient, after: TimeDelta, dnt: bool| {
            if let Some(url) = pixel {
                let reader = readers::reader(client);
                acts.push(Act {
                    at: sent + after,
                    to: to.to_owned(),
                    url: url.to_owned(),
                    reader,
                    host,
                    dnt,
                    body: "",
                });
            }
        };
        match dice.below(100) {
            0..24 => {
                look(ReaderClient::Gmail, when, false);
                if dice.below(3) == 0 {
                    look(ReaderClient::Gmail, when + dice.minutes(2, 20), false);
                }
            }
            24..30 => {
                look(ReaderClient::GmailPrefetch, TimeDelta::seconds(25), false);
                if dice.below(2) == 0 {
                    look(ReaderClient::Gmail, when, false);
                }
            }
            30..42 => {
                look(ReaderClient::Iphone, when, false);
                if dice.below(2) == 0 {
                    look(ReaderClient::Iphone, when + dice.minutes(60, 3 * 24 * 60), false);
                }
            }
            42..62 => look(ReaderClient::ApplePrivacy, dice.minutes(3, 600), false),
            62..72 => look(ReaderClient::Outlook, when, false),
            72..77 => look(ReaderClient::Scanner, TimeDelta::seconds(6), false),
            77..80 => look(ReaderClient::Iphone, when, true),
            // Pictures off, or never opened: nobody can tell, and nobody will say so.
            _ => {}
        }
        if let Some(url) = preference {
            let body = match dice.below(100) {
                0..2 => "action=stop_tracking",
                2..4 => "List-Unsubscribe=One-Click",
                _ => return,
            };
            let reader = readers::reader(ReaderClient::Iphone);
            let at = sent + when + TimeDelta::minutes(4);
            acts.push(Act {
                at,
                to: to.to_owned(),
                url: url.to_owned(),
                reader,
                host,
                dnt: false,
                body,
            });
        }
    }

    fn act(&mut self, act: Act) -> Result<()> {
        if act.at > self.clock.now() {
            self.clock.set(act.at);
        }
        let address = format!("{}.{}", act.reader.network, act.host);
        let path = act.url.splitn(4, '/').nth(3).unwrap_or_default();
        let url = format!("{}/{path}", self.entrance);
        let mut fields = vec![
            ("User-Agent", act.reader.user_agent),
            (CLIENT_HEADER, address.as_str()),
        ];
        if act.dnt {
            fields.extend([("DNT", "1"), ("Sec-GPC", "1")]);
        }
        let body = (!act.body.is_empty()).then_some(act.body);
        let answer = http::request(&url, &fields, body)
            .map_err(|error| Error::new(Code::Unreachable, format!("{error}.")))?;
        self.requests.push(Request {
            at: self.clock.now(),
            method: if body.is_some() { "POST" } else { "GET" },
            url: act.url,
            to: act.to,
            client: act.reader.name.to_owned(),
            user_agent: act.reader.user_agent.to_owned(),
            address,
            asks_not_to_be_tracked: act.dnt,
            body: act.body.to_owned(),
            status: answer.status,
        });
        Ok(())
    }

    /// Stops the listener, and returns every request that was made.
    pub fn end(self) -> Result<Vec<Request>> {
        super::tracking::stop(self.engine);
        reach::listener_status(self.engine, ListenerStatusGet {})?;
        Ok(self.requests)
    }
}

/// Starts the listener on free ports; returns its direct entrance and the one behind a proxy.
fn listen(engine: &Arc<Engine>) -> Result<(String, String)> {
    let status = reach::listener_start(engine, reach::here())?;
    let url = |behind_proxy| {
        let found = status
            .entrances
            .iter()
            .find(|entrance| entrance.behind_proxy == behind_proxy);
        found.map(|entrance| entrance.url.clone())
    };
    url(false)
        .zip(url(true))
        .ok_or_else(|| Error::new(Code::Internal, "the listener answers at no address"))
}

/// What somebody is going to do.
struct Act {
    at: Instant,
    to: String,
    url: String,
    reader: Reader,
    host: u64,
    dnt: bool,
    body: &'static str,
}

/// Stands in every mail, so that a sample draft can be launched in a workspace without an address of its own.
const POSTAL_ADDRESS: &str = "12 Boathouse Lane\nExampleton";

/// The name of the rehearsal's account.
pub const ACCOUNT: &str = "Rowing club, practice";

/// Returns the web link of a `List-Unsubscribe` field (RFC 2369 §3.2).
fn web_link(field: &str) -> Option<String> {
    field
        .split(',')
        .map(|part| part.trim().trim_start_matches('<').trim_end_matches('>'))
        .find(|link| link.starts_with("http"))
        .map(str::to_owned)
}

/// The mail that the demo sends, and the newest one of the sample data.
pub const SPRING: Mailing = Mailing {
    name: "Spring newsletter",
    subject: "Spring on the river, {{ first_name | fallback(\"dear member\") }}",
    preheader: "The new boats are here, and so is the programme",
    markdown: "# The river is open again\n\n\
        Hello {{ first_name | fallback(\"there\") }},\n\n\
        the ice is gone, the jetty is mended, and **two new quads** lie in the boathouse. \
        From the first of the month on we row every *Tuesday and Thursday* at six.\n\n\
        ## What is coming\n\n\
        - Open day for beginners: bring somebody who has never sat in a boat\n\
        - The long row to the weir and back, with soup\n\
        - Members' meeting in the clubhouse\n\n\
        [See the whole programme](https://riverside.example/programme)\n\n\
        See you on the water!\n",
};
