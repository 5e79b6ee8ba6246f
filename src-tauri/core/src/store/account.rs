//! `account`: SMTP accounts and the embedded outbox, without their secrets.

use super::{Conn, Error, Result};
use crate::api::{AccountKind, SecretPlace, Tls};
use crate::clock::{Instant, to_millis};
use crate::delivery::quota::Limits;
use crate::ids::{AccountId, CampaignId};
use rusqlite::{OptionalExtension, Row};

/// A row of `account`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id; 0 before it is stored.
    pub id: AccountId,
    /// Unique, whatever its case.
    pub name: String,
    /// SMTP server or outbox.
    pub kind: AccountKind,
    /// Empty for the outbox.
    pub host: String,
    /// 0 for the outbox.
    pub port: u16,
    /// How the connection is secured.
    pub tls: Tls,
    /// Empty where no login is wanted.
    pub user: String,
    /// The sender's name.
    pub from_name: String,
    /// The sender's address.
    pub from_address: String,
    /// Empty means the sender's address.
    pub reply_to: String,
    /// 1 to 50.
    pub connections: u32,
    /// Its provider's id in `data/providers.csv`; `custom` where it is none of them.
    pub provider: String,
    /// Its limits.
    pub limits: Limits,
    /// Mails a minute to one domain of recipients; 0 is no limit.
    pub per_domain: u32,
    /// Where the key store keeps the secret.
    pub secret_place: SecretPlace,
    /// Under which name.
    pub secret_name: String,
    /// Part of the sample data.
    pub sample: bool,
}

const COLUMNS: &str = "id, name, kind, host, port, tls, user, from_name, from_address, reply_to, connections,
                       provider, per_second, per_minute, per_hour, per_day, per_domain, secret_place, secret_name,
                       sample";

fn kind_word(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::Smtp => "smtp",
        AccountKind::Outbox => "outbox",
    }
}

fn tls_word(tls: Tls) -> &'static str {
    match tls {
        Tls::None => "none",
        Tls::Starttls => "starttls",
        Tls::Tls => "tls",
    }
}

fn place_word(place: SecretPlace) -> &'static str {
    match place {
        SecretPlace::None => "none",
        SecretPlace::Keychain => "keychain",
        SecretPlace::File => "file",
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Account> {
    // The table's CHECK allows no other words.
    let kind = match row.get_ref("kind")?.as_str()? {
        "outbox" => AccountKind::Outbox,
        _ => AccountKind::Smtp,
    };
    let tls = match row.get_ref("tls")?.as_str()? {
        "none" => Tls::None,
        "tls" => Tls::Tls,
        _ => Tls::Starttls,
    };
    let secret_place = match row.get_ref("secret_place")?.as_str()? {
        "keychain" => SecretPlace::Keychain,
        "file" => SecretPlace::File,
        _ => SecretPlace::None,
    };
    Ok(Account {
        id: AccountId(row.get("id")?),
        name: row.get("name")?,
        kind,
        host: row.get("host")?,
        port: row.get("port")?,
        tls,
        user: row.get("user")?,
        from_name: row.get("from_name")?,
        from_address: row.get("from_address")?,
        reply_to: row.get("reply_to")?,
        connections: row.get("connections")?,
        provider: row.get("provider")?,
        limits: Limits {
            per_second: row.get("per_second")?,
            per_minute: row.get("per_minute")?,
            per_hour: row.get("per_hour")?,
            per_day: row.get("per_day")?,
        },
        per_domain: row.get("per_domain")?,
        secret_place,
        secret_name: row.get("secret_name")?,
        sample: row.get("sample")?,
    })
}

/// Returns all accounts by name.
pub fn list(conn: &Conn) -> Result<Vec<Account>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM account ORDER BY name COLLATE NOCASE"
    ))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns an account, or `None` where there is none with this id.
pub fn find(conn: &Conn, id: AccountId) -> Result<Option<Account>> {
    Ok(conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE id = ?1"))?
        .query_row([id.0], read)
        .optional()?)
}

/// Returns the account called `name`, whatever its case.
pub fn find_by_name(conn: &Conn, name: &str) -> Result<Option<Account>> {
    Ok(conn
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM account WHERE name = ?1 COLLATE NOCASE"
        ))?
        .query_row([name], read)
        .optional()?)
}

/// Adds an account where its id is 0, changes it otherwise; returns its id.
///
/// A name that is taken is an error of which [`Error::is_taken`] is true.
pub fn save(conn: &Conn, account: &Account, now: Instant) -> Result<AccountId> {
    let values = rusqlite::named_params! {
        ":name": account.name, ":kind": kind_word(account.kind), ":host": account.host, ":port": account.port,
        ":tls": tls_word(account.tls), ":user": account.user, ":from_name": account.from_name,
        ":from_address": account.from_address, ":reply_to": account.reply_to,
        ":connections": account.connections, ":provider": account.provider,
        ":per_second": account.limits.per_second, ":per_minute": account.limits.per_minute,
        ":per_hour": account.limits.per_hour, ":per_day": account.limits.per_day,
        ":per_domain": account.per_domain,
        ":secret_place": place_word(account.secret_place), ":secret_name": account.secret_name,
        ":sample": account.sample, ":id": (account.id.0 != 0).then_some(account.id.0), ":now": to_millis(now),
    };
    Ok(conn
        .prepare_cached(
            "INSERT INTO account (id, name, kind, host, port, tls, user, from_name, from_address, reply_to,
                                  connections, provider, per_second, per_minute, per_hour, per_day, per_domain,
                                  secret_place, secret_name, sample, created_at)
             VALUES (:id, :name, :kind, :host, :port, :tls, :user, :from_name, :from_address, :reply_to,
                     :connections, :provider, :per_second, :per_minute, :per_hour, :per_day, :per_domain,
                     :secret_place, :secret_name, :sample, :now)
             ON CONFLICT (id) DO UPDATE
             SET name = :name, kind = :kind, host = :host, port = :port, tls = :tls, user = :user,
                 from_name = :from_name, from_address = :from_address, reply_to = :reply_to,
                 connections = :connections, provider = :provider, per_second = :per_second,
                 per_minute = :per_minute, per_hour = :per_hour, per_day = :per_day, per_domain = :per_domain,
                 secret_place = :secret_place,
                 secret_name = :secret_name, sample = :sample
             RETURNING id",
        )?
        .query_row(values, |row| row.get(0).map(AccountId))?)
}

/// Notes where the key store keeps the secret now, and under which name.
pub fn set_secret(conn: &Conn, account: &Account) -> Result<()> {
    conn.prepare_cached("UPDATE account SET secret_place = ?2, secret_name = ?3 WHERE id = ?1")?
        .execute(rusqlite::params![
            account.id.0,
            place_word(account.secret_place),
            account.secret_name
        ])?;
    Ok(())
}

/// Removes an account; campaigns that named it have none then. Tells whether there was one.
pub fn remove(conn: &Conn, id: AccountId) -> Result<bool> {
    Ok(conn
        .prepare_cached("DELETE FROM account WHERE id = ?1")?
        .execute([id.0])?
        > 0)
}

/// Returns the name of a campaign that is sending from the account or waits to go on.
pub fn campaign_in_hand(conn: &Conn, id: AccountId) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached(
            "SELECT name FROM campaign
             WHERE (account_id = ?1 OR id IN (SELECT campaign_id FROM campaign_account WHERE account_id = ?1))
               AND state IN ('preparing', 'running', 'paused') LIMIT 1",
        )?
        .query_row([id.0], |row| row.get(0))
        .optional()?)
}

/// Returns the accounts that a campaign may use beside its own, by name.
pub fn beside(conn: &Conn, campaign: CampaignId) -> Result<Vec<Account>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM account
         WHERE id IN (SELECT account_id FROM campaign_account WHERE campaign_id = ?1)
         ORDER BY name COLLATE NOCASE"
    ))?;
    let rows = statement.query_map([campaign.0], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Sets the accounts that a campaign may use beside its own.
pub fn set_beside(conn: &Conn, campaign: CampaignId, accounts: &[AccountId]) -> Result<()> {
    conn.prepare_cached("DELETE FROM campaign_account WHERE campaign_id = ?1")?
        .execute([campaign.0])?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO campaign_account (campaign_id, account_id) SELECT ?1, ?2
         WHERE EXISTS (SELECT 1 FROM account WHERE id = ?2) ON CONFLICT DO NOTHING",
    )?;
    for account in accounts {
        insert.execute((campaign.0, account.0))?;
    }
    Ok(())
}

/// Returns the ids of all accounts that a campaign sends from, its own first.
pub fn of_campaign(conn: &Conn, campaign: CampaignId, own: Option<AccountId>) -> Result<Vec<AccountId>> {
    let mut statement = conn.prepare_cached(
        "SELECT account_id FROM campaign_account WHERE campaign_id = ?1 AND account_id IS NOT ?2 ORDER BY account_id",
    )?;
    let rows = statement.query_map((campaign.0, own.map(|id| id.0)), |row| row.get(0).map(AccountId))?;
    let mut ids: Vec<AccountId> = own.into_iter().collect();
    for id in rows {
        ids.push(id?);
    }
    Ok(ids)
}

/// Returns an account, or an error that names it where there is none.
pub fn get(conn: &Conn, id: AccountId) -> Result<Account> {
    find(conn, id)?.ok_or_else(|| Error::Value(format!("account {id} does not exist")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::store::db::testing;

    /// Returns an outbox account called `name`.
    pub(crate) fn outbox(name: &str) -> Account {
        Account {
            id: AccountId(0),
            name: name.into(),
            kind: AccountKind::Outbox,
            host: String::new(),
            port: 0,
            tls: Tls::None,
            user: String::new(),
            from_name: "Ana".into(),
            from_address: "ana@example.org".into(),
            reply_to: String::new(),
            connections: 2,
            provider: "custom".into(),
            limits: Limits::default(),
            per_domain: 0,
            secret_place: SecretPlace::None,
            secret_name: String::new(),
            sample: false,
        }
    }

    #[test]
    fn an_account_is_kept_whole_and_its_name_is_unique_whatever_its_case() {
        let conn = testing::memory();
        let mut account = outbox("Practice");
        account.id = save(&conn, &account, crate::clock::from_millis(1)).unwrap();
        assert_eq!(find(&conn, account.id).unwrap(), Some(account.clone()));
        account.limits.per_minute = 60;
        account.limits.per_day = 500;
        account.provider = "gmail".into();
        save(&conn, &account, crate::clock::from_millis(2)).unwrap();
        assert_eq!(find_by_name(&conn, "PRACTICE").unwrap(), Some(account));
        let taken = save(&conn, &outbox("practice"), crate::clock::from_millis(3));
        assert!(taken.unwrap_err().is_taken(), "a name is taken whatever its case");
    }
}
