//! `sign_in`: how an account signs in where it has no password, without tokens and secrets.

use super::{Conn, Result};
use crate::api::SignInService;
use crate::clock::{Instant, from_millis, to_millis};
use crate::ids::AccountId;
use rusqlite::OptionalExtension;

/// A row of `sign_in`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Whose client it is.
    pub service: SignInService,
    /// The user's own.
    pub client_id: String,
    /// Microsoft's tenant; empty of other services.
    pub tenant: String,
    /// Of another service: where the browser goes.
    pub authorize_url: String,
    /// Of another service: where tokens come from.
    pub token_url: String,
    /// Of another service: what is asked for.
    pub scope: String,
    /// The key store has the client's secret.
    pub has_client_secret: bool,
    /// When the permission was given that holds.
    pub signed_in_at: Option<Instant>,
}

impl SignIn {
    /// Tells whether a permission given to `self` is one that `other` can use.
    pub fn is_same_client(&self, other: &Self) -> bool {
        let parts = |row: &Self| {
            [
                row.client_id.clone(),
                row.tenant.clone(),
                row.authorize_url.clone(),
                row.token_url.clone(),
                row.scope.clone(),
            ]
        };
        self.service == other.service && parts(self) == parts(other)
    }
}

fn word(service: SignInService) -> &'static str {
    match service {
        SignInService::Google => "google",
        SignInService::Microsoft => "microsoft",
        SignInService::Other => "other",
    }
}

/// Returns how the account signs in; `None` where it logs in by password.
pub fn find(conn: &Conn, account: AccountId) -> Result<Option<SignIn>> {
    Ok(conn
        .prepare_cached(
            "SELECT service, client_id, tenant, authorize_url, token_url, scope, has_client_secret, signed_in_at
             FROM sign_in WHERE account_id = ?1",
        )?
        .query_row([account.0], |row| {
            // The table's CHECK allows no other words.
            let service = match row.get_ref(0)?.as_str()? {
                "google" => SignInService::Google,
                "microsoft" => SignInService::Microsoft,
                _ => SignInService::Other,
            };
            Ok(SignIn {
                service,
                client_id: row.get(1)?,
                tenant: row.get(2)?,
                authorize_url: row.get(3)?,
                token_url: row.get(4)?,
                scope: row.get(5)?,
                has_client_secret: row.get(6)?,
                signed_in_at: row.get::<_, Option<i64>>(7)?.map(from_millis),
            })
        })
        .optional()?)
}

/// Keeps how the account signs in; `None` means by password from now on.
pub fn save(conn: &Conn, account: AccountId, row: Option<&SignIn>) -> Result<()> {
    let Some(row) = row else {
        conn.prepare_cached("DELETE FROM sign_in WHERE account_id = ?1")?
            .execute([account.0])?;
        return Ok(());
    };
    conn.prepare_cached(
        "INSERT OR REPLACE INTO sign_in (account_id, service, client_id, tenant, authorize_url, token_url, scope,
                                         has_client_secret, signed_in_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(rusqlite::params![
        account.0,
        word(row.service),
        row.client_id,
        row.tenant,
        row.authorize_url,
        row.token_url,
        row.scope,
        row.has_client_secret,
        row.signed_in_at.map(to_millis),
    ])?;
    Ok(())
}

/// Notes since when the account is signed in; `None` where it has to sign in again.
pub fn set_signed_in(conn: &Conn, account: AccountId, at: Option<Instant>) -> Result<()> {
    conn.prepare_cached("UPDATE sign_in SET signed_in_at = ?2 WHERE account_id = ?1")?
        .execute(rusqlite::params![account.0, at.map(to_millis)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{account, db::testing};

    #[test]
    fn a_sign_in_is_kept_whole_and_goes_with_its_account() {
        let conn = testing::memory();
        let id = account::save(&conn, &account::tests::outbox("News"), from_millis(1)).unwrap();
        assert_eq!(find(&conn, id).unwrap(), None, "by password");
        let mut row = SignIn {
            service: SignInService::Other,
            client_id: "casement".into(),
            tenant: String::new(),
            authorize_url: "https://login.example.org/authorize".into(),
            token_url: "https://login.example.org/token".into(),
            scope: "mail".into(),
            has_client_secret: true,
            signed_in_at: None,
        };
        save(&conn, id, Some(&row)).unwrap();
        set_signed_in(&conn, id, Some(from_millis(5))).unwrap();
        row.signed_in_at = Some(from_millis(5));
        assert_eq!(find(&conn, id).unwrap(), Some(row.clone()));
        save(&conn, id, None).unwrap();
        assert_eq!(find(&conn, id).unwrap(), None);
        save(&conn, id, Some(&row)).unwrap();
        account::remove(&conn, id).unwrap();
        assert_eq!(find(&conn, id).unwrap(), None);
    }

    #[test]
    fn a_permission_is_for_one_client() {
        let row = SignIn {
            service: SignInService::Microsoft,
            client_id: "a".into(),
            tenant: "common".into(),
            authorize_url: String::new(),
            token_url: String::new(),
            scope: String::new(),
            has_client_secret: false,
            signed_in_at: None,
        };
        let mut other = row.clone();
        other.has_client_secret = true;
        assert!(row.is_same_client(&other), "a secret makes no other client");
        other.tenant = "club.example.org".into();
        assert!(!row.is_same_client(&other));
    }
}
