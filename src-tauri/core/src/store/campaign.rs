//! `campaign`: drafts, their preparation, and the state of what was launched.

use super::{Conn, Error, Result, account, instant, word};
use crate::api::Audience;
use crate::clock::{Instant, to_millis};
use crate::domain::campaign::{CampaignState, CampaignTracking, Imprint};
use crate::domain::limits::{Limits, Own};
use crate::domain::schedule::Plan;
use crate::domain::window::{Window, WindowSpec};
use crate::ids::{AccountId, CampaignId, RouteId};
use crate::render::document::Document;
use crate::tracking::token::Token;
use rusqlite::{OptionalExtension, Row};
use serde::de::DeserializeOwned;

/// A row of `campaign` without its large texts, as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Its id; 0 before it is stored.
    pub id: CampaignId,
    /// Its name.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// From which account.
    pub account: Option<AccountId>,
    /// Where it is in its life.
    pub state: CampaignState,
    /// The last change.
    pub updated_at: Instant,
    /// Rises with every change of what the audit read.
    pub revision: i64,
    /// The revision that was prepared; `None` while it is a draft.
    pub prepared_revision: Option<i64>,
    /// The address that its mails carry, frozen at preparation.
    pub route: Option<RouteId>,
    /// When it was launched.
    pub launched_at: Option<Instant>,
    /// When the first mail may leave.
    pub first_mail_at: Option<Instant>,
    /// When the last mail was done.
    pub finished_at: Option<Instant>,
    /// Its window; `None` before launch.
    pub window: Option<Window>,
    /// How it may look at its readers.
    pub tracking: CampaignTracking,
    /// When its first mail was handed over.
    pub begun_at: Option<Instant>,
    /// Its first mail was to leave at a time that was chosen.
    pub scheduled: bool,
    /// Its plan names quiet hours.
    pub has_quiet: bool,
    /// Why it stands still.
    pub problem: Option<String>,
    /// Sent into the embedded outbox.
    pub practice: bool,
    /// Part of the sample data.
    pub sample: bool,
}

/// A row of `campaign`.
#[derive(Debug, Clone, PartialEq)]
pub struct Campaign {
    /// What lists show.
    pub head: Head,
    /// What the inbox shows behind the subject.
    pub preheader: String,
    /// To whom.
    pub audience: Audience,
    /// The window as the user states it.
    pub window_spec: WindowSpec,
    /// The mail.
    pub document: Document,
    /// Printed at the foot; empty takes the workspace's.
    pub postal_address: String,
    /// The shared pixel's token.
    pub shared_token: Option<Token>,
    /// What its mails say of their sender, frozen at preparation.
    pub imprint: Option<Imprint>,
    /// What its author set of caps and grace.
    pub own: Own,
    /// Accounts that it may use beside its own.
    pub also: Vec<AccountId>,
}

const HEAD: &str = "id, name, subject, account_id, state, updated_at, revision, prepared_revision, route_id,
    launched_at, first_mail_at, finished_at, opens_from, opens_until, tracking, begun_at,
    plan ->> '$.when_late' IS NOT NULL AS scheduled, plan ->> '$.quiet' IS NOT NULL AS has_quiet, problem, practice,
    sample";

fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    let window = match (instant(row, "opens_from")?, instant(row, "opens_until")?) {
        (Some(opens_from), Some(opens_until)) => Some(Window {
            opens_from,
            opens_until,
        }),
        _ => None,
    };
    Ok(Head {
        id: CampaignId(row.get("id")?),
        name: row.get("name")?,
        subject: row.get("subject")?,
        account: row.get::<_, Option<i64>>("account_id")?.map(AccountId),
        state: word(row, "state")?,
        updated_at: instant(row, "updated_at")?.unwrap_or_default(),
        revision: row.get("revision")?,
        prepared_revision: row.get("prepared_revision")?,
        route: row.get::<_, Option<i64>>("route_id")?.map(RouteId),
        launched_at: instant(row, "launched_at")?,
        first_mail_at: instant(row, "first_mail_at")?,
        finished_at: instant(row, "finished_at")?,
        window,
        tracking: word(row, "tracking")?,
        begun_at: instant(row, "begun_at")?,
        scheduled: row.get("scheduled")?,
        has_quiet: row.get("has_quiet")?,
        problem: row.get("problem")?,
        practice: row.get("practice")?,
        sample: row.get("sample")?,
    })
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn whole(row: &Row<'_>) -> rusqlite::Result<Campaign> {
    let imprint = match row.get::<_, Option<String>>("imprint")? {
        Some(_) => Some(json(row, "imprint")?),
        None => None,
    };
    Ok(Campaign {
        head: head(row)?,
        preheader: row.get("preheader")?,
        audience: json(row, "audience")?,
        window_spec: json(row, "window_spec")?,
        document: json(row, "document")?,
        postal_address: row.get("postal_address")?,
        shared_token: row
            .get::<_, Option<Vec<u8>>>("shared_token")?
            .and_then(|bytes| Token::from_bytes(&bytes)),
        imprint,
        own: json(row, "limits")?,
        also: json(row, "also")?,
    })
}

/// Returns all campaigns, newest first.
pub fn list(conn: &Conn) -> Result<Vec<Head>> {
    let mut statement = conn.prepare_cached(&format!("SELECT {HEAD} FROM campaign ORDER BY id DESC"))?;
    let rows = statement.query_map([], head)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns the campaigns in `state`, the one that may send first at the head.
pub fn in_state(conn: &Conn, state: CampaignState) -> Result<Vec<Head>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {HEAD} FROM campaign WHERE state = ?1 ORDER BY first_mail_at, id"
    ))?;
    let rows = statement.query_map([state.as_str()], head)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns what lists show of one campaign.
pub fn find_head(conn: &Conn, id: CampaignId) -> Result<Option<Head>> {
    Ok(conn
        .prepare_cached(&format!("SELECT {HEAD} FROM campaign WHERE id = ?1"))?
        .query_row([id.0], head)
        .optional()?)
}

/// Returns a campaign, or `None` where there is none with this id.
pub fn find(conn: &Conn, id: CampaignId) -> Result<Option<Campaign>> {
    Ok(conn
        .prepare_cached(&format!(
            "SELECT {HEAD}, preheader, audience, window_spec, document, postal_address, shared_token, imprint,
                    limits, (SELECT json_group_array(account_id) FROM campaign_account
                             WHERE campaign_id = campaign.id) AS also
             FROM campaign WHERE id = ?1"
        ))?
        .query_row([id.0], whole)
        .optional()?)
}

/// Adds a campaign as a draft; only what its author wrote is taken from `campaign`.
pub fn insert(conn: &Conn, campaign: &Campaign, now: Instant) -> Result<CampaignId> {
    let id = conn
        .prepare_cached(
            "INSERT INTO campaign (name, subject, preheader, account_id, audience, window_spec, document, tracking,
                                   postal_address, limits, practice, sample, created_at, updated_at)
             VALUES (:name, :subject, :preheader, :account, :audience, :window_spec, :document, :tracking,
                     :postal_address, :limits, :practice, :sample, :now, :now)
             RETURNING id",
        )?
        .query_row(
            rusqlite::named_params! {
                ":name": campaign.head.name, ":subject": campaign.head.subject, ":preheader": campaign.preheader,
                ":account": campaign.head.account.map(|id| id.0),
                ":audience": serde_json::to_string(&campaign.audience)?,
                ":window_spec": serde_json::to_string(&campaign.window_spec)?,
                ":document": serde_json::to_string(&campaign.document)?,
                ":tracking": campaign.head.tracking.as_str(), ":postal_address": campaign.postal_address,
                ":limits": serde_json::to_string(&campaign.own)?,
                ":practice": campaign.head.practice, ":sample": campaign.head.sample, ":now": to_millis(now),
            },
            |row| row.get(0).map(CampaignId),
        )?;
    account::set_beside(conn, id, &campaign.also)?;
    Ok(id)
}

/// Whether a change concerns what the audit read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The mail, its audience or its account: a preparation is void.
    Content,
    /// Only how the campaign is called, or its window.
    Label,
}

/// Stores what the author wrote of an existing campaign.
pub fn update(conn: &Conn, campaign: &Campaign, change: Change, now: Instant) -> Result<()> {
    conn.prepare_cached(
        "UPDATE campaign
         SET name = :name, subject = :subject, preheader = :preheader, account_id = :account,
             audience = :audience, window_spec = :window_spec, document = :document, tracking = :tracking,
             postal_address = :postal_address, limits = :limits, practice = :practice, updated_at = :now,
             revision = revision + :rise
         WHERE id = :id",
    )?
    .execute(rusqlite::named_params! {
        ":name": campaign.head.name, ":subject": campaign.head.subject, ":preheader": campaign.preheader,
        ":account": campaign.head.account.map(|id| id.0),
        ":audience": serde_json::to_string(&campaign.audience)?,
        ":window_spec": serde_json::to_string(&campaign.window_spec)?,
        ":document": serde_json::to_string(&campaign.document)?,
        ":tracking": campaign.head.tracking.as_str(), ":postal_address": campaign.postal_address,
        ":limits": serde_json::to_string(&campaign.own)?,
        ":practice": campaign.head.practice, ":now": to_millis(now),
        ":rise": i64::from(change == Change::Content), ":id": campaign.head.id.0,
    })?;
    account::set_beside(conn, campaign.head.id, &campaign.also)
}

/// Moves a campaign from one of its legal states to `to`; tells whether it was in a state that may.
pub fn advance(conn: &Conn, id: CampaignId, to: CampaignState, now: Instant) -> Result<bool> {
    let Some(head) = find_head(conn, id)? else {
        return Ok(false);
    };
    if !head.state.may_become(to) {
        return Ok(false);
    }
    let finished = matches!(to, CampaignState::Finished | CampaignState::Cancelled);
    conn.prepare_cached(
        "UPDATE campaign
         SET state = ?2, updated_at = ?3, finished_at = CASE WHEN ?4 THEN ?3 ELSE finished_at END
         WHERE id = ?1",
    )?
    .execute((id.0, to.as_str(), to_millis(now), finished))?;
    Ok(true)
}

/// Says why a campaign stands still, or that nothing is wrong any more.
pub fn set_problem(conn: &Conn, id: CampaignId, problem: Option<&str>) -> Result<()> {
    conn.prepare_cached("UPDATE campaign SET problem = ?2 WHERE id = ?1")?
        .execute((id.0, problem))?;
    Ok(())
}

/// What is frozen when preparation begins.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// The address that the mails carry.
    pub route: RouteId,
    /// What they say of their sender.
    pub imprint: Imprint,
    /// The token of the shared pixel, for a campaign that has none yet.
    pub shared_token: Token,
    /// Sent into the embedded outbox.
    pub practice: bool,
    /// Its caps and its grace.
    pub limits: Limits,
}

/// Freezes what preparation works with.
pub fn freeze(conn: &Conn, id: CampaignId, frozen: &Frozen) -> Result<()> {
    conn.prepare_cached(
        "UPDATE campaign
         SET route_id = ?2, imprint = ?3, shared_token = coalesce(shared_token, ?4), practice = ?5,
             grace_days = ?6, cap_hits = ?7, cap_machine_hits = ?8, cap_tracked_mails = ?9,
             preflight = NULL, prepared_revision = NULL, problem = NULL
         WHERE id = ?1",
    )?
    .execute((
        id.0,
        frozen.route.0,
        serde_json::to_string(&frozen.imprint)?,
        frozen.shared_token.as_bytes(),
        frozen.practice,
        frozen.limits.grace_days,
        frozen.limits.hits,
        frozen.limits.machine_hits,
        frozen.limits.tracked_mails,
    ))?;
    Ok(())
}

/// Keeps the result of a preparation of `revision`, as the JSON text that `app::launch` wrote.
pub fn set_preflight(conn: &Conn, id: CampaignId, revision: i64, preflight: &str) -> Result<()> {
    conn.prepare_cached("UPDATE campaign SET preflight = ?2, prepared_revision = ?3 WHERE id = ?1")?
        .execute((id.0, preflight, revision))?;
    Ok(())
}

/// Returns the result of the last preparation.
pub fn preflight(conn: &Conn, id: CampaignId) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT preflight FROM campaign WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .flatten())
}

/// Makes a campaign a draft again: nothing of its preparation or launch is left but its ledger's rows.
pub fn make_draft(conn: &Conn, id: CampaignId, now: Instant) -> Result<()> {
    conn.prepare_cached(
        "UPDATE campaign
         SET state = 'draft', preflight = NULL, prepared_revision = NULL, route_id = NULL, imprint = NULL,
             launched_at = NULL, first_mail_at = NULL, opens_from = NULL, opens_until = NULL, problem = NULL,
             grace_days = NULL, cap_hits = NULL, cap_machine_hits = NULL, cap_tracked_mails = NULL,
             closed_at = NULL, closing = NULL, plan = '{}', begun_at = NULL, updated_at = ?2
         WHERE id = ?1",
    )?
    .execute((id.0, to_millis(now)))?;
    Ok(())
}

/// A launch.
#[derive(Debug, Clone)]
pub struct Launch {
    /// When it was launched.
    pub at: Instant,
    /// When the first mail may leave.
    pub first_mail_at: Instant,
    /// Its window.
    pub window: Window,
    /// The window's IANA zone.
    pub zone: String,
    /// When its mails may leave.
    pub plan: Plan,
}

/// Launches a prepared campaign.
pub fn launch(conn: &Conn, id: CampaignId, launch: &Launch) -> Result<()> {
    let changed = conn
        .prepare_cached(
            "UPDATE campaign
             SET state = 'running', launched_at = ?2, first_mail_at = ?3, opens_from = ?4, opens_until = ?5,
                 zone = ?6, plan = ?7, begun_at = NULL, problem = NULL, updated_at = ?2
             WHERE id = ?1 AND state = 'prepared'",
        )?
        .execute((
            id.0,
            to_millis(launch.at),
            to_millis(launch.first_mail_at),
            to_millis(launch.window.opens_from),
            to_millis(launch.window.opens_until),
            &launch.zone,
            serde_json::to_string(&launch.plan)?,
        ))?;
    if changed == 0 {
        return Err(Error::Value(format!("campaign {id} is not prepared")));
    }
    Ok(())
}

/// Notes that the first mail is being handed over.
pub fn begin(conn: &Conn, id: CampaignId, now: Instant) -> Result<()> {
    conn.prepare_cached("UPDATE campaign SET begun_at = ?2 WHERE id = ?1 AND begun_at IS NULL")?
        .execute((id.0, to_millis(now)))?;
    Ok(())
}

/// Returns when a launched campaign's mails may leave, and the IANA zone whose clock that is.
pub fn plan(conn: &Conn, id: CampaignId) -> Result<(Plan, String)> {
    let (plan, zone): (String, String) = conn
        .prepare_cached("SELECT plan, zone FROM campaign WHERE id = ?1")?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((serde_json::from_str(&plan)?, zone))
}

/// Notes that a campaign's chosen time has come: whatever was planned for a late start is done with.
pub fn start_over(conn: &Conn, id: CampaignId) -> Result<()> {
    conn.prepare_cached("UPDATE campaign SET plan = json_remove(plan, '$.when_late') WHERE id = ?1")?
        .execute([id.0])?;
    Ok(())
}

/// Returns the IANA zone of a launched campaign's window.
pub fn zone(conn: &Conn, id: CampaignId) -> Result<String> {
    Ok(conn
        .prepare_cached("SELECT zone FROM campaign WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))?)
}

/// Changes the grace of a campaign that was prepared or launched, in days.
pub fn set_grace(conn: &Conn, id: CampaignId, days: u32) -> Result<()> {
    conn.prepare_cached("UPDATE campaign SET grace_days = ?2 WHERE id = ?1")?
        .execute((id.0, days))?;
    Ok(())
}

/// Changes the window of a launched campaign.
pub fn set_window(conn: &Conn, id: CampaignId, window: &Window, zone: &str) -> Result<()> {
    conn.prepare_cached("UPDATE campaign SET opens_from = ?2, opens_until = ?3, zone = ?4 WHERE id = ?1")?
        .execute((
            id.0,
            to_millis(window.opens_from),
            to_millis(window.opens_until),
            zone,
        ))?;
    Ok(())
}

/// Removes a campaign with its ledger and hits; tells whether there was one.
pub fn remove(conn: &Conn, id: CampaignId) -> Result<bool> {
    Ok(conn
        .prepare_cached("DELETE FROM campaign WHERE id = ?1")?
        .execute([id.0])?
        > 0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::store::db::testing;

    /// Returns a draft called `name`.
    pub(crate) fn draft(name: &str) -> Campaign {
        Campaign {
            head: Head {
                id: CampaignId(0),
                name: name.into(),
                subject: "Hello".into(),
                account: None,
                state: CampaignState::Draft,
                updated_at: from_millis(0),
                revision: 1,
                prepared_revision: None,
                route: None,
                launched_at: None,
                first_mail_at: None,
                finished_at: None,
                window: None,
                tracking: CampaignTracking::Individual,
                begun_at: None,
                scheduled: false,
                has_quiet: false,
                problem: None,
                practice: false,
                sample: false,
            },
            preheader: String::new(),
            audience: Audience::default(),
            window_spec: WindowSpec::Days { days: 30, zone: None },
            document: Document::default(),
            postal_address: String::new(),
            shared_token: None,
            imprint: None,
            own: Own::default(),
            also: Vec::new(),
        }
    }

    #[test]
    fn only_a_change_of_content_makes_a_preparation_void() {
        let conn = testing::memory();
        let mut campaign = draft("Spring");
        campaign.head.id = insert(&conn, &campaign, from_millis(5)).unwrap();
        let id = campaign.head.id;
        assert_eq!(find(&conn, id).unwrap().unwrap().document, campaign.document);
        update(&conn, &campaign, Change::Label, from_millis(6)).unwrap();
        assert_eq!(find_head(&conn, id).unwrap().unwrap().revision, 1);
        update(&conn, &campaign, Change::Content, from_millis(7)).unwrap();
        assert_eq!(find_head(&conn, id).unwrap().unwrap().revision, 2);
    }

    #[test]
    fn a_campaign_takes_legal_steps_only() {
        let conn = testing::memory();
        let id = insert(&conn, &draft("Spring"), from_millis(0)).unwrap();
        let now = from_millis(1);
        assert!(!advance(&conn, id, CampaignState::Running, now).unwrap());
        assert!(advance(&conn, id, CampaignState::Preparing, now).unwrap());
        assert!(advance(&conn, id, CampaignState::Prepared, now).unwrap());
        let window = Window {
            opens_from: now,
            opens_until: from_millis(10),
        };
        let facts = Launch {
            at: now,
            first_mail_at: now,
            window,
            zone: "UTC".into(),
            plan: Plan::default(),
        };
        launch(&conn, id, &facts).unwrap();
        assert!(
            launch(&conn, id, &facts).is_err(),
            "a campaign is launched at most once"
        );
        assert!(advance(&conn, id, CampaignState::Finished, now).unwrap());
        assert!(!advance(&conn, id, CampaignState::Running, now).unwrap());
    }
}
