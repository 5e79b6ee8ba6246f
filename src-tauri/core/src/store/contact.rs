//! `contact`: people, as rows to list, to save and to merge an import into.

use super::message::IN_AUDIENCE;
use super::{Conn, Result, consent_event, instant, list, word};
use crate::api::{Audience, ContactDetails, ContactList, ContactMessage, ContactRow, ContactSort};
use crate::audience::address::address_hash;
use crate::clock::{Instant, to_millis};
use crate::domain::consent::{ConsentState, ConsentWord};
use crate::domain::contact::{Person, SuppressionKind};
use crate::domain::message::{MessageState, TrackingMode};
use crate::ids::{CampaignId, ContactId, MessageId};
use rusqlite::{OptionalExtension, Row, ToSql};
use std::collections::BTreeMap;

const ROW: &str = "SELECT c.id, c.email, c.first_name, c.last_name, c.consent, c.created_at, c.sample,
      s.kind AS suppressed, s.reason AS suppressed_reason,
      (SELECT json_group_array(l.name ORDER BY l.name COLLATE NOCASE)
       FROM list_member m JOIN list l ON l.id = m.list_id
       WHERE m.contact_id = c.id) AS lists
    FROM contact c LEFT JOIN suppression s ON s.address_hash = c.address_hash";

/// Returns the form in which a text is searched for.
pub(super) fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

fn search_key(person: &Person) -> String {
    folded(&format!(
        "{} {} {}",
        person.first_name, person.last_name, person.email
    ))
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<ContactRow> {
    let kind: Option<String> = row.get("suppressed")?;
    let suppressed = match kind {
        Some(_) => {
            let reason: String = row.get("suppressed_reason")?;
            Some(word::<SuppressionKind>(row, "suppressed")?.describe(&reason))
        }
        None => None,
    };
    let lists: String = row.get("lists")?;
    Ok(ContactRow {
        id: ContactId(row.get("id")?),
        email: row.get("email")?,
        first_name: row.get("first_name")?,
        last_name: row.get("last_name")?,
        consent: word(row, "consent")?,
        suppressed,
        // SQLite has just made this text; it is always an array of texts.
        lists: serde_json::from_str(&lists).unwrap_or_default(),
        created_at: instant(row, "created_at")?.unwrap_or_default(),
        sample: row.get("sample")?,
    })
}

/// What of a request for a page goes into SQL. Fragments are fixed texts; values are parameters.
struct PageSql {
    filter: String,
    order: &'static str,
}

impl PageSql {
    fn of(request: &ContactList) -> Self {
        let mut conditions = Vec::new();
        if !request.search.trim().is_empty() {
            conditions.push("instr(c.search_key, :search) > 0");
        }
        if request.list.is_some() {
            conditions.push("c.id IN (SELECT contact_id FROM list_member WHERE list_id = :list)");
        }
        if request.consent.is_some() {
            conditions.push("c.consent = :consent");
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        // Each order is that of an index: email_key's own, contact_by_name, contact_by_added.
        let order = match (request.sort, request.descending) {
            (ContactSort::Email, false) => "c.email_key",
            (ContactSort::Email, true) => "c.email_key DESC",
            (ContactSort::Name, false) => "c.last_name COLLATE NOCASE, c.first_name COLLATE NOCASE, c.id",
            (ContactSort::Name, true) => {
                "c.last_name COLLATE NOCASE DESC, c.first_name COLLATE NOCASE DESC, c.id DESC"
            }
            (ContactSort::Added, false) => "c.created_at, c.id",
            (ContactSort::Added, true) => "c.created_at DESC, c.id DESC",
        };
        Self { filter, order }
    }

    fn count(&self) -> String {
        format!("SELECT count(*) FROM contact c{}", self.filter)
    }

    fn page(&self) -> String {
        format!(
            "{ROW}{} ORDER BY {} LIMIT :limit OFFSET :offset",
            self.filter, self.order
        )
    }
}

/// Returns how many contacts match, and the page that was asked for.
pub fn page(conn: &Conn, request: &ContactList) -> Result<(u32, Vec<ContactRow>)> {
    let sql = PageSql::of(request);
    let search = folded(&request.search);
    let list = request.list.map(|id| id.0);
    let consent = request.consent.map(ConsentState::as_str);
    let limit = match request.limit {
        0 => 100,
        n => n.min(500),
    };
    let mut parameters: Vec<(&str, &dyn ToSql)> = Vec::new();
    if !search.is_empty() {
        parameters.push((":search", &search));
    }
    if list.is_some() {
        parameters.push((":list", &list));
    }
    if consent.is_some() {
        parameters.push((":consent", &consent));
    }
    let total = conn
        .prepare_cached(&sql.count())?
        .query_row(&*parameters, |row| row.get(0))?;
    parameters.push((":limit", &limit));
    parameters.push((":offset", &request.offset));
    let mut statement = conn.prepare_cached(&sql.page())?;
    let rows = statement.query_map(&*parameters, read_row)?;
    Ok((total, rows.collect::<rusqlite::Result<_>>()?))
}

/// Returns a contact as it stands in the list.
pub fn row(conn: &Conn, id: ContactId) -> Result<Option<ContactRow>> {
    Ok(conn
        .prepare_cached(&format!("{ROW} WHERE c.id = ?1"))?
        .query_row([id.0], read_row)
        .optional()?)
}

/// Returns the contact with this address, in any case.
pub fn by_email(conn: &Conn, email_key: &str) -> Result<Option<ContactId>> {
    Ok(conn
        .prepare_cached("SELECT id FROM contact WHERE email_key = ?1")?
        .query_row([email_key], |row| row.get(0))
        .optional()?
        .map(ContactId))
}

/// Returns who stands before and behind `contact` in `audience`, by id, whether `contact` is in it or not.
pub fn neighbours(
    conn: &Conn,
    audience: &Audience,
    contact: ContactId,
) -> Result<(Option<ContactId>, Option<ContactId>)> {
    let find = |condition: &str| -> Result<Option<ContactId>> {
        Ok(conn
            .prepare_cached(&format!(
                "SELECT id FROM contact WHERE {IN_AUDIENCE} AND {condition} LIMIT 1"
            ))?
            .query_row(
                (
                    serde_json::to_string(&audience.include)?,
                    serde_json::to_string(&audience.exclude)?,
                    contact.0,
                ),
                |row| row.get(0).map(ContactId),
            )
            .optional()?)
    };
    Ok((find("id < ?3 ORDER BY id DESC")?, find("id > ?3 ORDER BY id")?))
}

/// Returns a contact's own fields.
pub fn fields(conn: &Conn, id: ContactId) -> Result<BTreeMap<String, String>> {
    let text: Option<String> = conn
        .prepare_cached("SELECT fields FROM contact WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    Ok(text
        .map(|text| serde_json::from_str(&text))
        .transpose()?
        .unwrap_or_default())
}

/// Returns the consent that holds for a contact.
pub fn consent(conn: &Conn, id: ContactId) -> Result<Option<ConsentState>> {
    Ok(conn
        .prepare_cached("SELECT consent FROM contact WHERE id = ?1")?
        .query_row([id.0], |row| word(row, "consent"))
        .optional()?)
}

/// Returns everything that the page of a contact shows.
pub fn details(conn: &Conn, id: ContactId) -> Result<Option<ContactDetails>> {
    let Some(contact) = row(conn, id)? else {
        return Ok(None);
    };
    let asked = consent_event::asked(conn, id)?;
    Ok(Some(ContactDetails {
        contact,
        fields: fields(conn, id)?,
        list_ids: list::of(conn, id)?,
        consent_history: consent_event::history(conn, id)?,
        asked_at: asked.last(),
        asked_in_practice: asked.at.is_none() && asked.practice_at.is_some(),
        messages: messages(conn, id)?,
    }))
}

fn messages(conn: &Conn, id: ContactId) -> Result<Vec<ContactMessage>> {
    let mut statement = conn.prepare_cached(
        "SELECT m.id, m.campaign_id, campaign.name, m.state, m.tracking, m.signal, m.accepted_at
         FROM message m JOIN campaign ON campaign.id = m.campaign_id
         WHERE m.contact_id = ?1 AND campaign.launched_at IS NOT NULL
         ORDER BY campaign.launched_at DESC, m.id DESC
         LIMIT 200",
    )?;
    let rows = statement.query_map([id.0], |row| {
        let state: MessageState = word(row, "state")?;
        let is_measured = state == MessageState::Accepted
            && word::<TrackingMode>(row, "tracking")? == TrackingMode::Personal;
        Ok(ContactMessage {
            message: MessageId(row.get("id")?),
            campaign: CampaignId(row.get("campaign_id")?),
            campaign_name: row.get("name")?,
            state,
            signal: if is_measured {
                Some(word(row, "signal")?)
            } else {
                None
            },
            accepted_at: instant(row, "accepted_at")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Counts contacts in all, those that get no mail, and those of each consent.
pub fn counts(conn: &Conn) -> Result<(u32, u32, BTreeMap<String, u32>)> {
    let mut consent: BTreeMap<String, u32> = ConsentState::ALL
        .iter()
        .map(|state| (state.to_string(), 0))
        .collect();
    let mut statement = conn.prepare_cached("SELECT consent, count(*) FROM contact GROUP BY consent")?;
    for row in statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (state, n): (String, u32) = row?;
        consent.insert(state, n);
    }
    let suppressed = conn
        .prepare_cached(
            "SELECT count(*) FROM contact WHERE address_hash IN (SELECT address_hash FROM suppression)",
        )?
        .query_row([], |row| row.get(0))?;
    Ok((consent.values().sum(), suppressed, consent))
}

/// What is the same for every contact of one import.
#[derive(Debug, Clone)]
pub struct Adding<'a> {
    /// See [`super::setting::workspace_key`].
    pub key: &'a [u8; 32],
    /// When they come in.
    pub at: Instant,
    /// Mark new ones as sample data.
    pub sample: bool,
    /// What they said about tracking.
    pub consent: Option<&'a ConsentWord>,
}

/// Adds a contact; `None` where the address is taken, and then nothing is changed.
pub fn add(conn: &Conn, person: &Person, adding: &Adding<'_>) -> Result<Option<ContactId>> {
    let email_key = person.email.key();
    let state = adding.consent.map_or(ConsentState::Unknown, ConsentWord::state);
    let added = conn
        .prepare_cached(
            "INSERT INTO contact (email, email_key, first_name, last_name, fields, consent, sample, created_at,
               search_key, address_hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (email_key) DO NOTHING",
        )?
        .execute((
            person.email.as_str(),
            &email_key,
            &person.first_name,
            &person.last_name,
            serde_json::to_string(&person.fields)?,
            state.as_str(),
            adding.sample,
            to_millis(adding.at),
            search_key(person),
            address_hash(adding.key, &email_key),
        ))?;
    if added == 0 {
        return Ok(None);
    }
    let id = ContactId(conn.last_insert_rowid());
    if let Some(word) = adding.consent
        && word.state() != ConsentState::Unknown
    {
        consent_event::append(conn, id, word, adding.at)?;
    }
    Ok(Some(id))
}

/// Replaces what is known of a contact but consent and lists; tells whether there is such a contact.
///
/// Fails with [`super::Error::is_taken`] where another contact has the address.
pub fn replace(conn: &Conn, key: &[u8; 32], id: ContactId, person: &Person) -> Result<bool> {
    let email_key = person.email.key();
    Ok(conn
        .prepare_cached(
            "UPDATE contact
             SET email = ?2, email_key = ?3, first_name = ?4, last_name = ?5, fields = ?6, search_key = ?7,
                 address_hash = ?8, revision = revision + 1
             WHERE id = ?1",
        )?
        .execute((
            id.0,
            person.email.as_str(),
            &email_key,
            &person.first_name,
            &person.last_name,
            serde_json::to_string(&person.fields)?,
            search_key(person),
            address_hash(key, &email_key),
        ))?
        > 0)
}

/// What an import does to a contact that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// Who.
    pub id: ContactId,
    /// The contact as it will be; `None` where it stays.
    pub person: Option<Person>,
    /// The import's word on tracking changes the one that holds.
    pub changes_consent: bool,
}

/// Decides what an import changes: only values that are not empty replace what is there.
///
/// `None` where nobody has the address. The address itself keeps its spelling.
pub fn merge(conn: &Conn, person: &Person, consent: Option<&ConsentWord>) -> Result<Option<Merge>> {
    let held = conn
        .prepare_cached(
            "SELECT id, email, first_name, last_name, fields, consent FROM contact WHERE email_key = ?1",
        )?
        .query_row([person.email.key()], |row| {
            Ok((
                ContactId(row.get("id")?),
                row.get::<_, String>("first_name")?,
                row.get::<_, String>("last_name")?,
                row.get::<_, String>("fields")?,
                word::<ConsentState>(row, "consent")?,
                row.get::<_, String>("email")?,
            ))
        })
        .optional()?;
    let Some((id, first_name, last_name, fields, state, email)) = held else {
        return Ok(None);
    };
    let pick = |new: &str, old: &str| {
        if new.is_empty() {
            old.to_owned()
        } else {
            new.to_owned()
        }
    };
    let old_fields: BTreeMap<String, String> = serde_json::from_str(&fields)?;
    let mut fields = old_fields.clone();
    fields.extend(person.fields.clone());
    let merged = Person {
        email: email.parse().unwrap_or_else(|_| person.email.clone()),
        first_name: pick(&person.first_name, &first_name),
        last_name: pick(&person.last_name, &last_name),
        fields,
    };
    let is_same =
        merged.first_name == first_name && merged.last_name == last_name && merged.fields == old_fields;
    Ok(Some(Merge {
        id,
        person: (!is_same).then_some(merged),
        changes_consent: consent.is_some_and(|word| word.import_changes(state)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::ids::ListId;
    use crate::store::db::testing;
    use crate::store::suppression::{self, NewSuppression};

    const KEY: [u8; 32] = [7; 32];

    fn person(email: &str, first: &str, last: &str) -> Person {
        Person::new(email.parse().unwrap(), first, last, BTreeMap::new()).unwrap()
    }

    fn adding() -> Adding<'static> {
        Adding {
            key: &KEY,
            at: from_millis(1_000),
            sample: false,
            consent: None,
        }
    }

    fn asking() -> ContactList {
        serde_json::from_str("{}").unwrap()
    }

    fn emails(conn: &Conn, request: &ContactList) -> Vec<String> {
        let (total, rows) = page(conn, request).unwrap();
        assert_eq!(total as usize, rows.len(), "the total is that of the filter");
        rows.into_iter().map(|row| row.email).collect()
    }

    fn three() -> Conn {
        let conn = testing::memory();
        for (email, first, last) in [
            ("zoe@example.org", "Zoë", "Ábel"),
            ("Ana@example.org", "Ana", "Li"),
            ("bo@example.com", "Bo", "Ek"),
        ] {
            add(&conn, &person(email, first, last), &adding())
                .unwrap()
                .unwrap();
        }
        conn
    }

    #[test]
    fn a_search_finds_parts_of_addresses_and_names_in_any_case() {
        let conn = three();
        let search = |text: &str| {
            emails(
                &conn,
                &ContactList {
                    search: text.into(),
                    ..asking()
                },
            )
        };
        assert_eq!(search("EXAMPLE.ORG"), ["Ana@example.org", "zoe@example.org"]);
        assert_eq!(search("zoË á"), ["zoe@example.org"], "beyond ASCII, too");
        assert_eq!(search("%"), [""; 0], "no character is special");
    }

    #[test]
    fn filters_narrow_and_sorts_order_the_page() {
        let conn = three();
        let list = list::add(&conn, "Club", false, from_millis(0)).unwrap();
        let ana = by_email(&conn, "ana@example.org").unwrap().unwrap();
        list::join(&conn, list, ana).unwrap();
        let word = ConsentWord::refusal("preference page");
        consent_event::record(&conn, ana, &word, from_millis(5)).unwrap();
        let on_list = ContactList {
            list: Some(list),
            ..asking()
        };
        assert_eq!(emails(&conn, &on_list), ["Ana@example.org"]);
        let refused = ContactList {
            consent: Some(ConsentState::Refused),
            ..asking()
        };
        assert_eq!(emails(&conn, &refused), ["Ana@example.org"]);
        let by_name = ContactList {
            sort: ContactSort::Name,
            descending: true,
            ..asking()
        };
        assert_eq!(emails(&conn, &by_name)[2], "bo@example.com");
        assert_eq!(
            emails(&conn, &asking()),
            ["Ana@example.org", "bo@example.com", "zoe@example.org"]
        );
        let second = ContactList {
            offset: 1,
            limit: 1,
            ..asking()
        };
        let (total, rows) = page(&conn, &second).unwrap();
        assert_eq!((total, rows[0].email.as_str()), (3, "bo@example.com"));
        assert_eq!(row(&conn, ana).unwrap().unwrap().lists, ["Club"]);
    }

    #[test]
    fn pages_are_read_in_the_order_of_an_index() {
        let conn = testing::memory();
        for sort in [ContactSort::Email, ContactSort::Name, ContactSort::Added] {
            for descending in [false, true] {
                let request = ContactList {
                    sort,
                    descending,
                    ..asking()
                };
                let sql = PageSql::of(&request).page();
                let sql = sql.replace(":limit", "100").replace(":offset", "0");
                let plan = testing::plan(&conn, &sql, &[]);
                let main = plan.lines().next().unwrap_or_default();
                assert!(main.starts_with("SCAN c USING INDEX"), "{sort:?}: {plan}");
                assert!(!plan.contains("B-TREE FOR ORDER BY"), "nothing is sorted: {plan}");
            }
        }
        let request = ContactList {
            consent: Some(ConsentState::Refused),
            ..asking()
        };
        let sql = PageSql::of(&request).count().replace(":consent", "'refused'");
        let plan = testing::plan(&conn, &sql, &[]);
        assert!(plan.contains("COVERING INDEX contact_by_consent"), "{plan}");
    }

    #[test]
    fn a_suppressed_contact_says_why() {
        let conn = three();
        let new = NewSuppression {
            address_hash: &address_hash(&KEY, "ana@example.org"),
            kind: SuppressionKind::Manual,
            reason: "asked by phone",
            message: None,
        };
        suppression::add(&conn, from_millis(0), &new).unwrap();
        let ana = by_email(&conn, "ana@example.org").unwrap().unwrap();
        assert_eq!(
            row(&conn, ana).unwrap().unwrap().suppressed.as_deref(),
            Some("Stopped by hand: asked by phone")
        );
        let (all, suppressed, consent) = counts(&conn).unwrap();
        assert_eq!((all, suppressed, consent["unknown"]), (3, 1, 3));
    }

    #[test]
    fn an_import_fills_in_but_never_empties() {
        let conn = testing::memory();
        let mut ana = person("ana@example.org", "Ana", "Li");
        ana.fields.insert("town".into(), "Ulm".into());
        add(&conn, &ana, &adding()).unwrap();
        assert_eq!(
            add(&conn, &person("ANA@example.org", "", ""), &adding()).unwrap(),
            None,
            "one address, one person"
        );
        let same = merge(&conn, &person("ANA@example.org", "", "Li"), None)
            .unwrap()
            .unwrap();
        assert_eq!(same.person, None, "empty values change nothing");
        let mut new = person("ANA@example.org", "", "Lind");
        new.fields.insert("club".into(), "Chess".into());
        let merged = merge(&conn, &new, None).unwrap().unwrap().person.unwrap();
        assert_eq!((&*merged.first_name, &*merged.last_name), ("Ana", "Lind"));
        assert_eq!(merged.fields.len(), 2, "fields that the file does not have stay");
        assert_eq!(
            merge(&conn, &person("x@example.org", "", ""), None).unwrap(),
            None
        );
    }

    #[test]
    fn a_change_raises_the_revision() {
        let conn = three();
        let ana = by_email(&conn, "ana@example.org").unwrap().unwrap();
        let revision = || -> i64 {
            conn.query_row("SELECT revision FROM contact WHERE id = ?1", [ana.0], |row| {
                row.get(0)
            })
            .unwrap()
        };
        let before = revision();
        replace(&conn, &KEY, ana, &person("ana@example.org", "Anna", "Li")).unwrap();
        assert_eq!(revision(), before + 1, "a mail audited before is audited again");
        let word = ConsentWord::refusal("preference page");
        consent_event::record(&conn, ana, &word, from_millis(5)).unwrap();
        assert_eq!(revision(), before + 2, "its pixel has to go");
        assert!(
            replace(&conn, &KEY, ana, &person("bo@example.com", "", ""))
                .unwrap_err()
                .is_taken(),
            "two contacts never share an address"
        );
        list::set(&conn, ana, &[ListId(99)]).unwrap_err();
    }
}
