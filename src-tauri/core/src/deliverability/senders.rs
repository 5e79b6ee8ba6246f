//! What is known of providers by the name of their submission server: what a domain's SPF names for them, and what
//! their signing keys are called. Pure.
//!
//! Owns the table `data/senders.csv`; a row names where its facts are from and when they were seen. The row without a
//! provider holds names that are common everywhere.

use serde::Deserialize;
use std::sync::LazyLock;

const TABLE: &str = include_str!("../../data/senders.csv");

/// A provider's submission server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sender {
    /// The provider's name; empty for what is common.
    pub provider: String,
    /// Its server, in lower case; `*` stands for one or more letters.
    host: String,
    /// What a domain's SPF includes for it, any of these, separated by spaces; empty where that is not known.
    spf: String,
    /// What its keys are called, separated by spaces.
    selectors: String,
}

impl Sender {
    /// Returns what SPF includes for it.
    pub fn includes(&self) -> impl Iterator<Item = &str> {
        self.spf.split_ascii_whitespace()
    }
}

static SENDERS: LazyLock<Vec<Sender>> = LazyLock::new(|| {
    csv::Reader::from_reader(TABLE.as_bytes())
        .deserialize()
        .filter_map(|row| row.ok())
        .collect()
});

/// Returns the provider whose submission server is called `host`; `None` where nothing is known of it.
pub fn of(host: &str) -> Option<&'static Sender> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    SENDERS
        .iter()
        .find(|sender| !sender.provider.is_empty() && is_like(&host, &sender.host))
}

fn is_like(host: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => host == pattern,
        Some((head, tail)) => {
            host.len() > head.len() + tail.len() && host.starts_with(head) && host.ends_with(tail)
        }
    }
}

/// Returns the names that keys are likely to have: the provider's first, then the common ones, each once.
pub fn selectors(sender: Option<&Sender>) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    let own = sender.map(|sender| sender.provider.as_str());
    let rows = |wanted: &'static str| SENDERS.iter().filter(move |row| row.provider == wanted);
    let own = SENDERS
        .iter()
        .filter(|row| own.is_some_and(|own| row.provider == own));
    for row in own.chain(rows("")) {
        for selector in row.selectors.split_ascii_whitespace() {
            if !found.contains(&selector) {
                found.push(selector);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_read_and_names_its_source() {
        let mut reader = csv::Reader::from_reader(TABLE.as_bytes());
        assert_eq!(
            reader.headers().unwrap(),
            vec!["provider", "host", "spf", "selectors", "source", "date"]
        );
        let mut lines = 0;
        for row in reader.records() {
            let row = row.unwrap();
            lines += 1;
            assert!(row[4].len() > 10, "{row:?} names a source");
            assert!(row[5].parse::<chrono::NaiveDate>().is_ok(), "{row:?} has a date");
        }
        assert_eq!(SENDERS.len(), lines, "no row is left out");
    }

    #[test]
    fn a_server_is_known_by_its_name_and_by_a_pattern() {
        assert_eq!(of("SMTP.gmail.com.").unwrap().provider, "Google");
        assert_eq!(of("smtp.ionos.co.uk").unwrap().provider, "IONOS");
        assert_eq!(of("smtp.ionos."), None, "something stands for the star");
        assert_eq!(of("mail.example.org"), None);
    }

    #[test]
    fn a_providers_names_of_keys_come_first_and_none_comes_twice() {
        let names = selectors(of("smtp.office365.com"));
        assert_eq!(names[..2], ["selector1", "selector2"]);
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), names.len());
        assert!(selectors(None).contains(&"default"));
    }
}
