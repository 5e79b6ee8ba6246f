//! `trusted_certificate`: the one certificate that the user trusts for an account's server.

use super::{Conn, Result};
use crate::clock::{Instant, from_millis, to_millis};
use crate::ids::AccountId;
use rusqlite::OptionalExtension;

/// A row of `trusted_certificate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// The server that it is for, as the account names it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// X.509, DER.
    pub certificate: Vec<u8>,
    /// When the user said so.
    pub trusted_at: Instant,
}

/// Returns the certificate that the user trusts for the account's server.
pub fn find(conn: &Conn, account: AccountId) -> Result<Option<Trusted>> {
    Ok(conn
        .prepare_cached(
            "SELECT host, port, certificate, trusted_at FROM trusted_certificate WHERE account_id = ?1",
        )?
        .query_row([account.0], |row| {
            Ok(Trusted {
                host: row.get(0)?,
                port: row.get(1)?,
                certificate: row.get(2)?,
                trusted_at: from_millis(row.get(3)?),
            })
        })
        .optional()?)
}

/// Keeps the certificate in place of the one before; `None` trusts none any more.
pub fn save(conn: &Conn, account: AccountId, row: Option<&Trusted>) -> Result<()> {
    let Some(row) = row else {
        conn.prepare_cached("DELETE FROM trusted_certificate WHERE account_id = ?1")?
            .execute([account.0])?;
        return Ok(());
    };
    conn.prepare_cached(
        "INSERT OR REPLACE INTO trusted_certificate (account_id, host, port, certificate, trusted_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(rusqlite::params![
        account.0,
        row.host,
        row.port,
        row.certificate,
        to_millis(row.trusted_at)
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{account, db::testing};

    #[test]
    fn an_account_trusts_one_certificate_and_takes_it_along_when_it_goes() {
        let conn = testing::memory();
        let id = account::save(&conn, &account::tests::outbox("News"), from_millis(1)).unwrap();
        let row = |port| Trusted {
            host: "mail.example.org".into(),
            port,
            certificate: vec![1, 2, 3],
            trusted_at: from_millis(7),
        };
        save(&conn, id, Some(&row(465))).unwrap();
        save(&conn, id, Some(&row(587))).unwrap();
        assert_eq!(find(&conn, id).unwrap(), Some(row(587)));
        save(&conn, id, None).unwrap();
        assert_eq!(find(&conn, id).unwrap(), None);
        save(&conn, id, Some(&row(465))).unwrap();
        account::remove(&conn, id).unwrap();
        assert_eq!(find(&conn, id).unwrap(), None);
    }
}
