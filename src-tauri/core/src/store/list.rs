//! `list` and `list_member`: named sets of contacts.

use super::{Conn, Result};
use crate::api::List;
use crate::clock::{Instant, to_millis};
use crate::ids::{ContactId, ListId};
use rusqlite::OptionalExtension;

/// Returns all lists by name, with their sizes.
pub fn all(conn: &Conn) -> Result<Vec<List>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, name, sample, (SELECT count(*) FROM list_member WHERE list_id = list.id) AS contacts
         FROM list
         ORDER BY name COLLATE NOCASE",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(List {
            id: ListId(row.get("id")?),
            name: row.get("name")?,
            contacts: row.get("contacts")?,
            sample: row.get("sample")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns the list called `name`, in any case.
pub fn by_name(conn: &Conn, name: &str) -> Result<Option<ListId>> {
    Ok(conn
        .prepare_cached("SELECT id FROM list WHERE name = ?1 COLLATE NOCASE")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .map(ListId))
}

/// Returns a list's name.
pub fn name(conn: &Conn, id: ListId) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT name FROM list WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?)
}

/// Adds a list; the name must be free.
pub fn add(conn: &Conn, name: &str, sample: bool, at: Instant) -> Result<ListId> {
    conn.prepare_cached("INSERT INTO list (name, sample, created_at) VALUES (?1, ?2, ?3)")?
        .execute((name, sample, to_millis(at)))?;
    Ok(ListId(conn.last_insert_rowid()))
}

/// Renames a list; tells whether there is one.
pub fn rename(conn: &Conn, id: ListId, name: &str) -> Result<bool> {
    Ok(conn
        .prepare_cached("UPDATE list SET name = ?2 WHERE id = ?1")?
        .execute((id.0, name))?
        > 0)
}

/// Removes a list and its memberships; tells whether there was one.
pub fn remove(conn: &Conn, id: ListId) -> Result<bool> {
    Ok(conn
        .prepare_cached("DELETE FROM list WHERE id = ?1")?
        .execute([id.0])?
        > 0)
}

/// Returns the name of a campaign that is yet to be launched and names this list, for or against.
pub fn used_by(conn: &Conn, id: ListId) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached(
            "SELECT name FROM campaign
             WHERE launched_at IS NULL
               AND (EXISTS (SELECT 1 FROM json_each(audience, '$.include') WHERE value = ?1)
                 OR EXISTS (SELECT 1 FROM json_each(audience, '$.exclude') WHERE value = ?1))
             LIMIT 1",
        )?
        .query_row([id.0], |row| row.get(0))
        .optional()?)
}

/// Puts a contact on a list; tells whether it was not on it before.
pub fn join(conn: &Conn, id: ListId, contact: ContactId) -> Result<bool> {
    Ok(conn
        .prepare_cached("INSERT OR IGNORE INTO list_member (list_id, contact_id) VALUES (?1, ?2)")?
        .execute((id.0, contact.0))?
        > 0)
}

/// Puts a contact on these lists and no others.
pub fn set(conn: &Conn, contact: ContactId, lists: &[ListId]) -> Result<()> {
    conn.prepare_cached("DELETE FROM list_member WHERE contact_id = ?1")?
        .execute([contact.0])?;
    for list in lists {
        join(conn, *list, contact)?;
    }
    Ok(())
}

/// Returns the lists of a contact by name.
pub fn of(conn: &Conn, contact: ContactId) -> Result<Vec<ListId>> {
    let mut statement = conn.prepare_cached(
        "SELECT list.id FROM list_member JOIN list ON list.id = list_id
         WHERE contact_id = ?1
         ORDER BY list.name COLLATE NOCASE",
    )?;
    let rows = statement.query_map([contact.0], |row| row.get(0).map(ListId))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::store::db::testing;

    #[test]
    fn a_list_that_a_draft_excludes_is_known_to_be_in_use() {
        let conn = testing::memory();
        let list = add(&conn, "Left the club", false, from_millis(0)).unwrap();
        assert_eq!(used_by(&conn, list).unwrap(), None);
        conn.execute(
            "INSERT INTO campaign (name, document, audience, created_at, updated_at)
             VALUES ('Spring', '{}', json_object('include', json_array(), 'exclude', json_array(?1)), 0, 0)",
            [list.0],
        )
        .unwrap();
        assert_eq!(
            used_by(&conn, list).unwrap().as_deref(),
            Some("Spring"),
            "without the list, those whom it keeps out would get the mail"
        );
    }

    #[test]
    fn names_differ_by_more_than_case() {
        let conn = testing::memory();
        let list = add(&conn, "Members", false, from_millis(0)).unwrap();
        assert_eq!(by_name(&conn, "members").unwrap(), Some(list));
        assert!(
            add(&conn, "MEMBERS", false, from_millis(0))
                .unwrap_err()
                .is_taken()
        );
    }
}
