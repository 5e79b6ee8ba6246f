//! What is known of mail providers by the name of their submission server. Pure.
//!
//! Owns the tables `data/providers.csv` (what a server does with mails) and `data/presets.csv` (how to set an account up,
//! and its provider's limits); a row names where its facts are from and when they were seen.

use serde::Deserialize;
use std::sync::LazyLock;

const PRESETS: &str = include_str!("../../data/presets.csv");

/// The id of an account whose provider is none of the table's.
pub const CUSTOM: &str = "custom";

/// How to set up an account of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Preset {
    /// Kept with the account.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The domains of its addresses, with spaces between them; empty where its customers have their own.
    domains: String,
    /// Its submission server.
    pub host: String,
    /// 465 is TLS from the first byte, others STARTTLS.
    pub port: u16,
    /// Connections at once that are wise.
    pub connections: u32,
    /// Mails in any second; 0 where no limit is known.
    pub per_second: u32,
    /// Mails in any minute; 0 where no limit is known.
    pub per_minute: u32,
    /// Mails in any hour; 0 where no limit is known.
    pub per_hour: u32,
    /// Mails in any 24 hours; 0 where no limit is known.
    pub per_day: u32,
    /// What to know before.
    pub note: String,
    /// Where the figures are from.
    pub source: String,
    /// When they were read.
    pub date: String,
}

impl Preset {
    /// Returns the domains of its addresses, in lower case; none where its customers have their own.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.split_ascii_whitespace()
    }
}

/// Returns the presets in the order in which they are offered.
pub fn presets() -> &'static [Preset] {
    static ROWS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
        csv::Reader::from_reader(PRESETS.as_bytes())
            .deserialize()
            .filter_map(|row| row.ok())
            .collect()
    });
    &ROWS
}

/// Returns the preset with an id.
pub fn by_id(id: &str) -> Option<&'static Preset> {
    presets().iter().find(|preset| preset.id == id)
}

const TABLE: &str = include_str!("../../data/providers.csv");

/// A mail provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Provider {
    /// Its submission server, in lower case.
    pub host: String,
    /// Its name.
    #[serde(rename = "provider")]
    pub name: String,
    /// It files a copy of each mail that is submitted, as it was, with the recipient's pixel in it.
    #[serde(deserialize_with = "yes_or_no")]
    pub keeps_copy: bool,
}

/// Returns the provider whose submission server is called `host`; `None` where nothing is known of it.
pub fn of(host: &str) -> Option<&'static Provider> {
    static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(rows);
    PROVIDERS
        .iter()
        .find(|provider| provider.host.eq_ignore_ascii_case(host.trim_end_matches('.')))
}

/// The table's rows. One that cannot be read is left out; a test says that there is none.
fn rows() -> Vec<Provider> {
    csv::Reader::from_reader(TABLE.as_bytes())
        .deserialize()
        .filter_map(|row| row.ok())
        .collect()
}

fn yes_or_no<'de, D: serde::Deserializer<'de>>(field: D) -> Result<bool, D::Error> {
    match String::deserialize(field)?.as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => Err(serde::de::Error::custom(format!(
            "{other:?} is neither yes nor no"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_read_and_names_its_source() {
        let mut reader = csv::Reader::from_reader(TABLE.as_bytes());
        assert_eq!(
            reader.headers().unwrap(),
            vec!["host", "provider", "keeps_copy", "source", "date"]
        );
        let mut lines = 0;
        for row in reader.records() {
            let row = row.unwrap();
            assert!(!row[3].is_empty(), "{row:?} names no source");
            assert!(row[4].parse::<chrono::NaiveDate>().is_ok(), "{row:?} has no date");
            lines += 1;
        }
        assert_eq!(rows().len(), lines, "no row is left out");
    }

    #[test]
    fn every_preset_can_be_read_names_its_source_and_has_its_own_id() {
        let lines = csv::Reader::from_reader(PRESETS.as_bytes()).records().count();
        assert_eq!(presets().len(), lines, "no row is left out");
        for preset in presets() {
            assert!(
                preset.source.starts_with("https://"),
                "{} names no source",
                preset.id
            );
            assert!(
                preset.date.parse::<chrono::NaiveDate>().is_ok(),
                "{} has no date",
                preset.id
            );
            assert!((1..=50).contains(&preset.connections), "{}", preset.id);
            assert!([465, 587].contains(&preset.port), "{}", preset.id);
            assert_eq!(by_id(&preset.id), Some(preset), "an id is there once");
            for domain in preset.domains() {
                assert_eq!(domain, domain.to_lowercase());
                let owners = presets()
                    .iter()
                    .filter(|other| other.domains().any(|other| other == domain));
                assert_eq!(owners.count(), 1, "an address leads to one server: {domain}");
            }
        }
        assert_eq!(by_id(CUSTOM), None);
    }

    #[test]
    fn who_keeps_a_copy_is_known_by_the_servers_whole_name() {
        assert!(of("SMTP.gmail.com").unwrap().keeps_copy);
        assert!(!of("smtp.mail.me.com").unwrap().keeps_copy);
        assert_eq!(of("smtp-relay.gmail.com"), None, "the relay files nothing");
        assert_eq!(of("smtp.gmail.com.example.org"), None);
    }
}
