//! All that should be known before a launch: what is wrong with a draft, and what the audit of every mail found.
//!
//! Findings that can change without the campaign (the listener, the address, the account) are told anew each time;
//! those of the audit are kept with the preparation. Start at [`standing`].

mod address;

use super::account::sender;
use super::engine::Engine;
use super::error::sentence;
use super::findings::finding;
use super::{attachments, auditing, reach, routes, settings, tracking};
use crate::api::{AccountKind, Error, Finding, FindingLevel, Preflight, Result, RouteKind, Sample, Settings};
use crate::clock::Instant;
use crate::delivery::letter::{self, Letterhead, Parts};
use crate::delivery::plan::Asking;
use crate::delivery::provider;
use crate::delivery::quota::{self, Sender};
use crate::domain::attachment as rules;
use crate::domain::campaign::{CampaignTracking, Imprint};
use crate::domain::contact::EmailAddress;
use crate::domain::window::Window;
use crate::ids::CampaignId;
use crate::render::document::Block;
use crate::render::mime::{self, Enclosures};
use crate::render::template::Source;
use crate::store::account::Account;
use crate::store::campaign::Campaign;
use crate::store::route::Route;
use crate::store::uptime::Share;
use crate::store::{Conn, account, campaign, message};
use chrono::TimeDelta;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use address::TEMPORARY;
use address::{LENT, ONLY_WHILE_ON};

/// What the headers of files may add to the bytes that their budget counts.
const FRAMES: u64 = rules::MAX_FILES as u64 * 1_000;

/// Everything that the findings about a draft depend on.
pub(crate) struct Facts {
    pub(crate) campaign: Campaign,
    pub(crate) settings: Settings,
    pub(crate) account: Option<Account>,
    /// The accounts beside it.
    pub(crate) also: Vec<Account>,
    /// What a forecast needs to know of them all.
    pub(crate) senders: Vec<Sender>,
    pub(crate) route: Route,
    pub(crate) audience: u32,
    pub(crate) listening: bool,
    /// How much of the last week this computer was on, where that is known.
    pub(crate) on: Option<Share>,
    /// The files of its mails; the error is a sentence.
    pub(crate) enclosures: std::result::Result<Option<Arc<Enclosures>>, String>,
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
    let route = address::route(engine, account.as_ref(), purpose)?;
    let on = routes::running_last_week(engine)?;
    let listening = tracking::status(engine).is_some();
    let enclosures =
        attachments::enclosures(engine, campaign.head.id, &campaign.document).map_err(|error| error.message);
    let now = engine.clock.now();
    engine.read(|conn| {
        let ids: Vec<_> = campaign
            .head
            .account
            .into_iter()
            .chain(campaign.also.iter().copied())
            .collect();
        let mut also = Vec::new();
        for id in &campaign.also {
            also.extend(account::find(conn, *id)?);
        }
        Ok(Facts {
            settings: settings::load(conn, &engine.zone)?,
            senders: super::standing::senders(conn, engine, &ids, None)?,
            also,
            account,
            route,
            audience: message::audience_size(conn, &campaign.audience)?,
            campaign,
            listening,
            on,
            enclosures,
            now,
        })
    })
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

    /// How long sending `mails` takes at the accounts' limits.
    fn takes(&self, mails: u32) -> Option<TimeDelta> {
        let forecast = quota::forecast(mails, self.now, &self.senders, &|_| true)?;
        Some(forecast.finishes_at - self.now)
    }

    /// Compiles the mail as it would be prepared now; the findings say what is wrong with it.
    pub(crate) fn letterhead(&self) -> std::result::Result<Letterhead, Vec<Finding>> {
        let imprint = self.known_imprint();
        let enclosures = match &self.enclosures {
            Ok(enclosures) => enclosures.as_ref(),
            Err(message) => {
                return Err(vec![finding(
                    FindingLevel::Error,
                    "attachment_missing",
                    message.as_str(),
                )]);
            }
        };
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
            enclosures,
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
        self.about_files(mails, &mut found);
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
        self.about_pictures(found);
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

    /// A picture that the mail carries says in words what it shows.
    fn about_pictures(&self, found: &mut Vec<Finding>) {
        let blocks = self.campaign.document.blocks.iter().zip(0..);
        let mute = blocks.filter(|(block, _)| match block {
            Block::Image { src, alt, .. } => mime::picture_digest(src).is_some() && alt.trim().is_empty(),
            _ => false,
        });
        found.extend(mute.map(|(_, index)| Finding {
            block: Some(index),
            ..finding(
                FindingLevel::Warning,
                "picture_without_words",
                "A picture has no description. Many read with pictures off; write what it shows.",
            )
        }));
    }

    /// What every reader gets again and again is worth a thought before it is sent.
    fn about_files(&self, mails: u32, found: &mut Vec<Finding>) {
        let (tail, files) = match &self.enclosures {
            Ok(Some(enclosures)) => (enclosures.tail().len() as u64, enclosures.files().len()),
            Ok(None) => return,
            Err(message) => {
                return found.push(finding(
                    FindingLevel::Error,
                    "attachment_missing",
                    message.as_str(),
                ));
            }
        };
        // Blocks may show more pictures than were there when the files were added.
        if files > rules::MAX_FILES {
            found.push(finding(
                FindingLevel::Error,
                "too_many_files",
                format!(
                    "The mail has {files} files, pictures among them; it can have {}. Take some out, or put several into one zip.",
                    rules::MAX_FILES
                ),
            ));
        }
        if tail > rules::BUDGET + FRAMES {
            found.push(finding(
                FindingLevel::Error,
                "files_too_large",
                format!(
                    "The files take {} of each mail; a mail may have {} of them. Take some out, or link to them.",
                    rules::size_words(tail),
                    rules::size_words(rules::BUDGET)
                ),
            ));
        } else if tail >= rules::HEAVY {
            let people = if mails == 1 {
                "1 person".to_owned()
            } else {
                format!("{mails} people")
            };
            found.push(finding(
                FindingLevel::Warning,
                "heavy_files",
                format!(
                    "The files take {} of each mail. To {people} that is {} to upload from this computer, and some                      mailboxes refuse large mails. Linking to a web page is lighter.",
                    rules::size_words(tail),
                    rules::size_words(tail * u64::from(mails.max(1)))
                ),
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
        for other in &self.also {
            if !other.from_address.eq_ignore_ascii_case(&account.from_address) || other.kind != account.kind {
                found.push(finding(
                    Error,
                    "account_other_sender",
                    format!(
                        "{} sends as {}, but the mails say that they are from {}. Use only accounts of the same sender beside \
                         {}.",
                        other.name, other.from_address, account.from_address, account.name
                    ),
                ));
            }
        }
        let keeps = std::iter::once(account)
            .chain(&self.also)
            .find_map(|account| provider::of(&account.host).filter(|provider| provider.keeps_copy));
        if let Some(provider) = keeps
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

    fn about_window(&self, mails: u32, found: &mut Vec<Finding>) {
        let launched = self.campaign.head.window;
        let resolved = self.campaign.window_spec.resolve(self.now, &self.settings.zone);
        let window = match launched.map_or(resolved, Ok) {
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
        if self.campaign.head.tracking == CampaignTracking::Off {
            return;
        }
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
    "account_other_sender",
    "no_postal_address",
    "no_unsubscribe_way",
    "no_address",
    "question_without_address",
    "local_address_real_account",
    "provider_keeps_copy",
    "listener_not_running",
    TEMPORARY,
    LENT,
    ONLY_WHILE_ON,
    "window_ends_before_sending",
    "attachment_missing",
    "picture_without_words",
    "too_many_files",
    "files_too_large",
    "heavy_files",
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
    pub(crate) samples: Vec<Sample>,
}

impl From<Preflight> for Prepared {
    fn from(kept: Preflight) -> Self {
        Self {
            to_send: kept.to_send,
            skipped: kept.skipped,
            tracking: kept.tracking,
            not_tracked: kept.not_tracked,
            findings: kept.findings,
            size_range: kept.size_range,
            samples: kept.samples,
        }
    }
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
    facts.note_address(&mut findings);
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
        let is_new = |error: &Finding| findings.iter().all(|known| known.message != error.message);
        let errors: Vec<Finding> = errors.into_iter().filter(is_new).collect();
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
        samples: prepared.samples,
        seconds: facts
            .takes(mails)
            .and_then(|takes| u64::try_from(takes.num_seconds()).ok()),
        practice: facts.is_practice(),
        confirm_host: facts.host_to_confirm(facts.window()),
        lasts: facts.lasts(),
        only_while_on: facts.only_while_on(),
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
    let id = facts.campaign.head.id;
    let kept = engine.read(|conn| {
        kept(conn, id)?
            .map(|kept| auditing::named(conn, kept))
            .transpose()
    })?;
    let head = &facts.campaign.head;
    Ok(match kept {
        Some(kept) if head.state.is_launched() => kept,
        Some(kept) if head.prepared_revision == Some(head.revision) => answer(facts, Some(kept.into())),
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
