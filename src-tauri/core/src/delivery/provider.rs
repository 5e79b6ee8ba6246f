//! What is known of mail providers by the name of their submission server. Pure.
//!
//! Owns the table `data/providers.csv`; a row names where its fact is from and when that was seen.

use serde::Deserialize;
use std::sync::LazyLock;

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
    fn who_keeps_a_copy_is_known_by_the_servers_whole_name() {
        assert!(of("SMTP.gmail.com").unwrap().keeps_copy);
        assert!(!of("smtp.mail.me.com").unwrap().keeps_copy);
        assert_eq!(of("smtp-relay.gmail.com"), None, "the relay files nothing");
        assert_eq!(of("smtp.gmail.com.example.org"), None);
    }
}
