//! What is known of mail providers by the name of their submission server. Pure.
//!
//! Owns the table `data/providers.csv`; a row names where its fact is from and when that was seen.

use std::sync::LazyLock;

const TABLE: &str = include_str!("../../data/providers.csv");

/// A mail provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// Its submission server, in lower case.
    pub host: &'static str,
    /// Its name.
    pub name: &'static str,
    /// It files a copy of each mail that is submitted, as it was, with the recipient's pixel in it.
    pub keeps_copy: bool,
}

/// Returns the provider whose submission server is called `host`; `None` where nothing is known of it.
pub fn of(host: &str) -> Option<&'static Provider> {
    static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| rows().collect());
    PROVIDERS
        .iter()
        .find(|provider| provider.host.eq_ignore_ascii_case(host.trim_end_matches('.')))
}

/// The table's rows. One that cannot be read is left out; a test says that there is none.
fn rows() -> impl Iterator<Item = Provider> {
    TABLE.lines().skip(1).filter_map(|line| {
        let mut fields = line.split(',');
        Some(Provider {
            host: fields.next()?,
            name: fields.next()?,
            keeps_copy: match fields.next()? {
                "yes" => true,
                "no" => false,
                _ => return None,
            },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_read_and_names_its_source() {
        assert_eq!(rows().count(), TABLE.lines().count() - 1);
        for line in TABLE.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(fields.len(), 5, "{line}");
            assert!(!fields[3].is_empty(), "{line} names no source");
            assert!(
                fields[4].parse::<chrono::NaiveDate>().is_ok(),
                "{line} has no date"
            );
        }
    }

    #[test]
    fn who_keeps_a_copy_is_known_by_the_servers_whole_name() {
        assert!(of("SMTP.gmail.com").unwrap().keeps_copy);
        assert!(!of("smtp.mail.me.com").unwrap().keeps_copy);
        assert_eq!(of("smtp-relay.gmail.com"), None, "the relay files nothing");
        assert_eq!(of("smtp.gmail.com.example.org"), None);
    }
}
