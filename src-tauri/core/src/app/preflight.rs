//! All that should be known before a launch: what is wrong with a draft, and what the audit of every mail found.
//!
//! Findings that can change without the campaign (the listener, the address, the account) are told anew each time;
//! those of the audit are kept with the preparation. Start at [`standing`].

use super::engine::Engine;
use super::error::sentence;
use super::{reach, settings, tracking};
use crate::api::{AccountKind, Error, Finding, FindingLevel, Preflight, Result, RouteKind, Settings};
use crate::clock::Instant;
use crate::delivery::letter::{self, Addressee, LetterError, Letterhead, Parts};
use crate::delivery::pace::Pace;
use crate::delivery::plan::Asking;
use crate::delivery::provider;
use crate::domain::campaign::{CampaignTracking, Imprint};
use crate::domain::contact::EmailAddress;
use crate::domain::window::Window;
use crate::ids::CampaignId;
use crate::render::audit::{AuditProblem, Severity};
use crate::render::template::{Person, RenderError, Source};
use crate::store::account::Account;
use crate::store::campaign::Campaign;
use crate::store::message::Letter;
use crate::store::route::Route;
use crate::store::{Conn, account, campaign, message, setting};
use chrono::TimeDelta;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Addresses named with a finding.
const EXAMPLES: usize = 5;

/// Everything that the findings about a draft depend on.
pub(crate) struct Facts {
    pub(crate) campaign: Campaign,
    pub(crate) settings: Settings,
    pub(crate) account: Option<Account>,
    pub(crate) route: Route,
    pub(crate) audience: u32,
    pub(crate) listening: bool,
    pub(crate) now: Instant,
}

/// Why facts are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// To look: nothing is started for it.
    Looking,
    /// To prepare or to launch.
    Sending,
}

/// Reads the facts about a campaign.
pub(crate) fn facts(engine: &Arc<Engine>, id: CampaignId, purpose: For) -> Result<Facts> {
    let campaign = engine.read(|conn| super::campaign::find(conn, id))?;
    facts_of(engine, campaign, purpose)
}

/// Reads the facts about a campaign that may not be saved yet.
pub(crate) fn facts_of(engine: &Arc<Engine>, campaign: Campaign, purpose: For) -> Result<Facts> {
    let account = match campaign.head.account {
        Some(id) => engine.read(|conn| account::find(conn, id).map_err(Error::from))?,
        None => None,
    };
    let route = route(engine, account.as_ref(), purpose)?;
    let listening = tracking::status(engine).is_some();
    let now = engine.clock.now();
    engine.read(|conn| {
        Ok(Facts {
            settings: settings::load(conn, &engine.zone)?,
            account,
            route,
            audience: message::audience_size(conn, &campaign.audience)?,
            campaign,
            listening,
            now,
        })
    })
}

/// Returns the address that mails from `account` carry.
///
/// Practice is measured at this computer's own listener, until the user has chosen an address or none.
fn route(engine: &Arc<Engine>, account: Option<&Account>, purpose: For) -> Result<Route> {
    let (route, chosen) = engine.read(|conn| {
        let chosen = setting::get::<serde_json::Value>(conn, "address")?.is_some();
        Ok((reach::current_route(conn)?, chosen))
    })?;
    let practice = account.is_some_and(|account| account.kind == AccountKind::Outbox);
    if chosen || !practice {
        return Ok(route);
    }
    if purpose == For::Sending || tracking::status(engine).is_some() {
        return reach::practice_route(engine);
    }
    Ok(Route {
        kind: RouteKind::Local,
        ..route
    })
}

/// A field that a person has no value for.
pub(crate) fn unresolved(field: &str) -> Finding {
    let message = format!(
        "No value for {field}. Give it a fallback, such as {{{{ {field} | fallback(\"…\") }}}}, or fill it in."
    );
    finding(FindingLevel::Error, "unresolved_field", message)
}

/// What the audit found, as the window knows it.
pub(crate) fn found(problem: &AuditProblem) -> Finding {
    let level = match problem.severity {
        Severity::Error => FindingLevel::Error,
        Severity::Warning => FindingLevel::Warning,
    };
    let id = match problem.id {
        "large" | "clipped" => "large_html",
        "no_postal_address" => "no_postal_address",
        "unresolved_field" => "unresolved_field",
        _ => "audit_mismatch",
    };
    finding(level, id, problem.message.as_str())
}

/// A finding about the mail as a whole.
pub(crate) fn finding(level: FindingLevel, id: &str, message: impl Into<String>) -> Finding {
    Finding {
        level,
        id: id.to_owned(),
        message: message.into(),
        block: None,
        recipients: 0,
        examples: Vec::new(),
    }
}

/// Tells whether a host is this computer: the only one that mails may reach unencrypted.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

impl Facts {
    /// What the campaign's mails say of their sender; `None` without an account.
    pub(crate) fn imprint(&self) -> Option<Imprint> {
        self.account.is_some().then(|| self.known_imprint())
    }

    /// What is known of the sender; without an account nothing of its addresses.
    fn known_imprint(&self) -> Imprint {
        let account = self.account.as_ref();
        let of_account = |part: fn(&Account) -> &String| account.map(part).cloned().unwrap_or_default();
        let own = self.campaign.postal_address.trim();
        Imprint {
            organisation: self.settings.organisation.clone(),
            postal_address: match own {
                "" => self.settings.postal_address.trim().to_owned(),
                own => own.to_owned(),
            },
            from_name: of_account(|account| &account.from_name),
            from_address: of_account(|account| &account.from_address),
            reply_to: of_account(|account| &account.reply_to),
        }
    }

    /// The window, if it were launched now.
    pub(crate) fn window(&self) -> Option<Window> {
        self.campaign.head.window.or_else(|| {
            self.campaign
                .window_spec
                .resolve(self.now, &self.settings.zone)
                .ok()
        })
    }

    pub(crate) fn is_practice(&self) -> bool {
        self.account
            .as_ref()
            .is_some_and(|account| account.kind == AccountKind::Outbox)
    }

    /// How long sending `mails` takes at the account's limit.
    fn takes(&self, mails: u32) -> Option<TimeDelta> {
        Pace::duration_of(self.account.as_ref()?.per_minute, mails)
    }

    /// Compiles the mail as it would be prepared now; the findings say what is wrong with it.
    pub(crate) fn letterhead(&self) -> std::result::Result<Letterhead, Vec<Finding>> {
        let imprint = self.known_imprint();
        Letterhead::compile(&Parts {
            campaign: self.campaign.head.id,
            source: Source {
                document: &self.campaign.document,
                subject: &self.campaign.head.subject,
                preheader: &self.campaign.preheader,
                organisation: "",
                postal_address: "",
            },
            imprint: &imprint,
            route: self.route.kind,
            base_url: &self.route.base_url,
            shared_token: self.campaign.shared_token,
        })
        .map_err(|errors| {
            errors
                .into_iter()
                .map(|error| Finding {
                    block: error.block,
                    ..finding(
                        FindingLevel::Error,
                        "render_failed",
                        format!("In the {}: {}", error.place, sentence(&error.message)),
                    )
                })
                .collect()
        })
    }

    /// Returns what can be told without rendering a single mail. `mails` is how many will leave.
    pub(crate) fn findings(&self, mails: u32) -> Vec<Finding> {
        let mut found = Vec::new();
        self.about_mail(&mut found);
        self.about_account(&mut found);
        self.about_address(&mut found);
        self.about_window(mails, &mut found);
        found
    }

    fn about_mail(&self, found: &mut Vec<Finding>) {
        use FindingLevel::Error;
        if self.campaign.head.subject.trim().is_empty() {
            found.push(finding(
                Error,
                "no_subject",
                "The mail has no subject. Write one.",
            ));
        }
        if self.audience == 0 {
            let message = if self.campaign.audience.include.is_empty() {
                "Nobody would get this mail. Choose a list as its audience."
            } else {
                "Nobody would get this mail: the audience's lists are empty, or all their members are left out."
            };
            found.push(finding(Error, "no_recipients", message));
        }
        let imprint = self.imprint();
        if self.known_imprint().postal_address.is_empty() {
            found.push(finding(
                Error,
                "no_postal_address",
                "The mail has no postal address, which the law of many countries asks for. Write it in Settings.",
            ));
        }
        // The address for replies takes unsubscribing mail; without one, and without a page, nobody can leave.
        let by_mail = imprint.as_ref().is_some_and(|imprint| {
            letter::unsubscribe_address(imprint)
                .parse::<EmailAddress>()
                .is_ok()
        });
        if imprint.is_some() && !by_mail && self.route.kind == RouteKind::None {
            found.push(finding(
                Error,
                "no_unsubscribe_way",
                "Nobody could unsubscribe from this mail. Give the account an address that takes replies.",
            ));
        }
    }

    fn about_account(&self, found: &mut Vec<Finding>) {
        use FindingLevel::{Error, Warning};
        let Some(account) = &self.account else {
            found.push(finding(
                Error,
                "no_account",
                "No account is chosen. Choose the one that the mail is to be sent from.",
            ));
            return;
        };
        if account.kind == AccountKind::Smtp
            && self.route.kind == RouteKind::Local
            && !is_loopback(&account.host)
        {
            found.push(finding(
                Error,
                "local_address_real_account",
                format!(
                    "Mails would carry the address {}, which only this computer can reach, but {} sends to real people. \
                     Set a public address or none, or use the practice outbox.",
                    self.route.base_url, account.name
                ),
            ));
        }
        if let Some(provider) = provider::of(&account.host)
            && provider.keeps_copy
            && self.campaign.head.tracking != CampaignTracking::Off
        {
            found.push(finding(
                Warning,
                "provider_keeps_copy",
                format!(
                    "{} keeps a copy of every mail in your Sent folder, with its pixel. Opening one there looks like a \
                     reader's open; do not look at them with pictures on.",
                    provider.name
                ),
            ));
        }
    }

    fn about_address(&self, found: &mut Vec<Finding>) {
        use FindingLevel::{Error, Warning};
        match Asking::of(&self.campaign.document) {
            _ if self.route.kind != RouteKind::None => {}
            Asking::Nobody => {}
            Asking::WhoCanBe => found.push(finding(
                Warning,
                "question_without_address",
                "The question will be left out: mails carry no address that readers can reach, so nobody could answer.",
            )),
            Asking::OnlyWhoCanBe => found.push(finding(
                Error,
                "question_without_address",
                "Nobody could answer the question: mails carry no address that readers can reach. Set one in Settings.",
            )),
        }
        match self.route.kind {
            RouteKind::None if self.campaign.head.tracking != CampaignTracking::Off => found.push(finding(
                Warning,
                "no_address",
                "Opens will not be measured: mails carry no address that readers can reach, so no pixel. Readers \
                 unsubscribe by mail.",
            )),
            // Practice starts the listener by itself.
            RouteKind::Public | RouteKind::Local if !self.listening && !self.is_practice() => found.push(finding(
                Warning,
                "listener_not_running",
                "The listener does not run, so opens are missed and the links in the mail lead nowhere until it does.",
            )),
            _ => {}
        }
    }

    fn about_window(&self, mails: u32, found: &mut Vec<Finding>) {
        let window = match self.campaign.window_spec.resolve(self.now, &self.settings.zone) {
            Ok(window) => window,
            Err(error) => {
                found.push(finding(
                    FindingLevel::Error,
                    "window_ends_before_sending",
                    sentence(&error.to_string()),
                ));
                return;
            }
        };
        if window.opens_until <= self.now {
            found.push(finding(
                FindingLevel::Error,
                "window_ends_before_sending",
                "The campaign's window is over, so no open would count. Choose a later end.",
            ));
        } else if let Some(takes) = self.takes(mails)
            && self.now + takes > window.opens_until
        {
            found.push(finding(
                FindingLevel::Warning,
                "window_ends_before_sending",
                "At the account's limit sending takes longer than the window lasts, so opens of the last mails would \
                 not count. Choose a later end.",
            ));
        }
    }
}

/// Ids of findings that are told anew each time; all others are kept with the preparation.
const FRESH: &[&str] = &[
    "no_subject",
    "no_recipients",
    "no_account",
    "no_postal_address",
    "no_unsubscribe_way",
    "no_address",
    "question_without_address",
    "local_address_real_account",
    "provider_keeps_copy",
    "listener_not_running",
    "window_ends_before_sending",
];

/// What a preparation found, beside the findings that are told anew.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prepared {
    pub(crate) to_send: u32,
    pub(crate) skipped: BTreeMap<String, u32>,
    pub(crate) tracking: BTreeMap<String, u32>,
    pub(crate) not_tracked: BTreeMap<String, u32>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) size_range: Option<[u32; 2]>,
}

/// Puts an answer together from the facts of now and what a preparation found, if there was one.
pub(crate) fn answer(facts: &Facts, prepared: Option<Prepared>) -> Preflight {
    let is_prepared = prepared.is_some();
    let prepared = prepared.unwrap_or_default();
    let mails = if is_prepared {
        prepared.to_send
    } else {
        facts.audience
    };
    let mut findings = facts.findings(mails);
    if is_prepared && mails == 0 && facts.audience > 0 {
        findings.push(finding(
            FindingLevel::Error,
            "no_recipients",
            match Asking::of(&facts.campaign.document) {
                Asking::OnlyWhoCanBe => {
                    "Nobody would get this mail: everyone in the audience has answered, was asked in the last six \
                     months, or gets no mail."
                }
                _ => "Nobody would get this mail: everyone in the audience has unsubscribed or is suppressed.",
            },
        ));
    }
    if !is_prepared && let Err(errors) = facts.letterhead() {
        findings.extend(errors);
    }
    findings.extend(
        prepared
            .findings
            .into_iter()
            .filter(|found| !FRESH.contains(&found.id.as_str())),
    );
    findings.sort_by_key(|finding| finding.level);
    let account = facts.account.as_ref();
    Preflight {
        id: facts.campaign.head.id,
        prepared: is_prepared,
        ready: is_prepared && findings.iter().all(|found| found.level != FindingLevel::Error),
        to_send: mails,
        skipped: prepared.skipped,
        tracking: prepared.tracking,
        not_tracked: prepared.not_tracked,
        findings,
        from: account.map(sender).unwrap_or_default(),
        account: account.map(|account| account.name.clone()).unwrap_or_default(),
        window: facts.window(),
        address: reach::describe(facts.route.kind, &facts.route.base_url),
        size_range: prepared.size_range,
        seconds: facts
            .takes(mails)
            .and_then(|takes| u64::try_from(takes.num_seconds()).ok()),
        practice: facts.is_practice(),
    }
}

/// Returns `Name <address>` of an account.
pub(crate) fn sender(account: &Account) -> String {
    match account.from_name.as_str() {
        "" => account.from_address.clone(),
        name => format!("{name} <{}>", account.from_address),
    }
}

/// Returns how a campaign stands now.
///
/// Of a launched campaign that is what was known when it was launched.
pub(crate) fn standing(engine: &Arc<Engine>, id: CampaignId) -> Result<Preflight> {
    standing_of(engine, &facts(engine, id, For::Looking)?)
}

/// As [`standing`], of a campaign whose facts are known.
pub(crate) fn standing_of(engine: &Arc<Engine>, facts: &Facts) -> Result<Preflight> {
    let head = &facts.campaign.head;
    let kept = engine.read(|conn| kept(conn, head.id))?;
    Ok(match kept {
        Some(kept) if head.state.is_launched() => kept,
        Some(kept) if head.prepared_revision == Some(head.revision) => answer(
            facts,
            Some(Prepared {
                to_send: kept.to_send,
                skipped: kept.skipped,
                tracking: kept.tracking,
                not_tracked: kept.not_tracked,
                findings: kept.findings,
                size_range: kept.size_range,
            }),
        ),
        _ => answer(facts, None),
    })
}

fn kept(conn: &Conn, id: CampaignId) -> Result<Option<Preflight>> {
    campaign::preflight(conn, id)?
        .map(|text| {
            serde_json::from_str(&text).map_err(|error| {
                Error::new(
                    crate::api::Code::Internal,
                    format!("The campaign's preparation cannot be read: {error}. Prepare it again."),
                )
            })
        })
        .transpose()
}

/// Gathers what the audit finds, mail by mail.
#[derive(Default)]
pub(crate) struct Auditor {
    found: BTreeMap<(FindingLevel, String, String), (u32, Vec<String>)>,
    sizes: Option<[u32; 2]>,
}

impl Auditor {
    /// Makes and checks one mail, as it would leave at `date`.
    pub(crate) fn check(&mut self, letterhead: &Letterhead, letter: &Letter, date: Instant) {
        let Some(person) = &letter.person else { return };
        let fields = letter::fields(&person.fields);
        let to = Addressee {
            person: Person {
                email: &person.email,
                first_name: &person.first_name,
                last_name: &person.last_name,
                fields: &fields,
            },
            tracking: letter.tracking,
            pixel_token: letter.pixel_token,
            preference_token: letter.preference_token,
            asks: letter.asks,
        };
        match letterhead.finish(&to, date) {
            Err(error) => self.unmade(&person.email, error),
            Ok(finished) => {
                let size = u32::try_from(finished.bytes.len()).unwrap_or(u32::MAX);
                let [least, most] = self.sizes.unwrap_or([size, size]);
                self.sizes = Some([least.min(size), most.max(size)]);
                for problem in letterhead.audit(&to, &finished.bytes) {
                    self.add(found(&problem), &person.email);
                }
            }
        }
    }

    fn unmade(&mut self, email: &str, error: LetterError) {
        match error {
            LetterError::Render(RenderError::Unresolved { fields, .. }) => {
                for field in fields {
                    self.add(unresolved(&field), email);
                }
            }
            other => {
                let message = sentence(&other.to_string());
                self.add(finding(FindingLevel::Error, "render_failed", message), email);
            }
        }
    }

    fn add(&mut self, found: Finding, email: &str) {
        let (n, examples) = self
            .found
            .entry((found.level, found.id, found.message))
            .or_default();
        *n += 1;
        if examples.len() < EXAMPLES {
            examples.push(email.to_owned());
        }
    }

    /// Takes over what another one has gathered.
    pub(crate) fn join(&mut self, other: Self) {
        for (key, (n, examples)) in other.found {
            let (all, kept) = self.found.entry(key).or_default();
            *all += n;
            kept.extend(examples);
            // Whoever checked them, and whenever: the same people are named each time.
            kept.sort();
            kept.truncate(EXAMPLES);
        }
        if let Some([least, most]) = other.sizes {
            let [a, b] = self.sizes.unwrap_or([least, most]);
            self.sizes = Some([least.min(a), most.max(b)]);
        }
    }

    /// Returns the findings, and the smallest and the largest mail.
    pub(crate) fn end(self) -> (Vec<Finding>, Option<[u32; 2]>) {
        let findings = self
            .found
            .into_iter()
            .map(|((level, id, message), (recipients, examples))| Finding {
                recipients,
                examples,
                ..finding(level, &id, message)
            })
            .collect();
        (findings, self.sizes)
    }
}
