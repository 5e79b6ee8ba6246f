//! `domain_check`: the last check of a sender's domain.

use super::{Conn, Result};
use crate::api::{CheckFinding, DomainChecked};
use crate::clock::{from_millis, to_millis};
use crate::deliverability;
use rusqlite::OptionalExtension;

/// Keeps a result in place of the one before.
pub fn put(conn: &Conn, checked: &DomainChecked) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO domain_check (domain, at, findings) VALUES (?1, ?2, ?3)
         ON CONFLICT (domain) DO UPDATE SET at = excluded.at, findings = excluded.findings",
    )?
    .execute((
        &checked.domain,
        to_millis(checked.at),
        serde_json::to_string(&checked.findings)?,
    ))?;
    Ok(())
}

/// Takes an address out of the results: a policy may name where its reports go (RFC 7489 §6.3, `rua` and `ruf`).
pub fn take_out(conn: &Conn, email: &str) -> Result<()> {
    let email = email.to_ascii_lowercase();
    let rows = conn
        .prepare_cached("SELECT domain, findings FROM domain_check WHERE instr(lower(findings), ?1)")?
        .query_map([&email], |row| Ok((row.get("domain")?, row.get("findings")?)))?
        .collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    for (domain, findings) in rows {
        conn.prepare_cached("UPDATE domain_check SET findings = ?2 WHERE domain = ?1")?
            .execute((domain, without(&findings, &email)))?;
    }
    Ok(())
}

/// Returns a text with `(erased)` in place of an address in lower case. A longer one that holds it is another's.
fn without(text: &str, email: &str) -> String {
    let is_local = |letter: char| letter.is_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(letter);
    let lower = text.to_ascii_lowercase();
    let mut out = String::new();
    let mut from = 0;
    for (at, _) in lower.match_indices(email) {
        let end = at + email.len();
        let mut behind = lower[end..].chars();
        let goes_on = match behind.next() {
            Some('.') => behind.next().is_some_and(char::is_alphanumeric),
            next => next.is_some_and(|letter| letter.is_alphanumeric() || letter == '-'),
        };
        if goes_on || lower[..at].ends_with(is_local) {
            continue;
        }
        out.push_str(&text[from..at]);
        out.push_str("(erased)");
        from = end;
    }
    out + &text[from..]
}

/// Returns the last result for a domain.
pub fn get(conn: &Conn, domain: &str) -> Result<Option<DomainChecked>> {
    let row: Option<(i64, String)> = conn
        .prepare_cached("SELECT at, findings FROM domain_check WHERE domain = ?1")?
        .query_row([domain], |row| Ok((row.get("at")?, row.get("findings")?)))
        .optional()?;
    row.map(|(at, findings)| {
        let findings: Vec<CheckFinding> = serde_json::from_str(&findings)?;
        Ok(DomainChecked {
            domain: domain.to_owned(),
            at: from_millis(at),
            severity: deliverability::worst(&findings),
            findings,
        })
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_out_and_those_that_only_look_like_it_stay() {
        for (text, expected) in [
            (
                "v=DMARC1; rua=mailto:Ana@Example.org,mailto:bo@example.org",
                "v=DMARC1; rua=mailto:(erased),mailto:bo@example.org",
            ),
            (
                "rua=mailto:ana@example.org!10m; p=none",
                "rua=mailto:(erased)!10m; p=none",
            ),
            ("ana@example.org ana@example.org.", "(erased) (erased)."),
            ("diana@example.org", "diana@example.org"),
            ("di.ana@example.org", "di.ana@example.org"),
            ("ana@example.org.uk", "ana@example.org.uk"),
            ("ana@example.org-x.net", "ana@example.org-x.net"),
            ("éana@example.org", "éana@example.org"),
        ] {
            assert_eq!(without(text, "ana@example.org"), expected);
        }
    }
}
