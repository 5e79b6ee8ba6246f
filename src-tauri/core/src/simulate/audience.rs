//! Who gets an invented campaign, as a file states it.

use crate::domain::text_enum;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

text_enum! {
    /// A mail client that people read with.
    Client {
        /// Apple Mail with its privacy protection: fetches in advance, through a relay.
        ApplePrivacy = "apple_privacy",
        /// Apple Mail without it.
        Apple = "apple",
        /// Gmail, on the web and in its apps.
        Gmail = "gmail",
        /// Yahoo and AOL.
        Yahoo = "yahoo",
        /// Outlook on a computer or phone.
        Outlook = "outlook",
        /// Webmail in a browser, without an image proxy.
        Webmail = "webmail",
        /// Thunderbird.
        Thunderbird = "thunderbird",
        /// Apps on Android that show mail in the system's web view.
        Android = "android",
    }
}

/// An audience. All shares lie in `[0, 1]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audience {
    /// What it is called.
    pub name: String,
    /// How many people: 1 to 50,000.
    pub people: u32,
    /// The share of them that would read the mail, given for ever.
    pub read: f64,
    /// How many read with which client, in any unit.
    pub clients: BTreeMap<Client, f64>,
    /// Of those with a client that can: whose pictures are never loaded.
    pub images_blocked: f64,
    /// Whose mail goes through a security gateway that opens it.
    pub gateways: f64,
    /// Who refused tracking.
    pub refused: f64,
    /// Of those who read in a browser or in Thunderbird: whose client sends `DNT` or `Sec-GPC`.
    pub do_not_track: f64,
    /// For how many hours the listener cannot be reached, in one or two pieces within the first two days: 0 to 24.
    pub downtime_hours: f64,
    /// The length of the window in days: 1 to 60.
    pub days: u32,
    /// How many hours sending takes: 0 to 48.
    pub sending_hours: f64,
}

impl Default for Audience {
    fn default() -> Self {
        use Client::*;
        Self {
            name: "A newsletter's".into(),
            people: 5000,
            read: 0.35,
            clients: [
                (ApplePrivacy, 46.0),
                (Apple, 2.0),
                (Gmail, 28.0),
                (Yahoo, 4.0),
                (Outlook, 7.0),
                (Webmail, 7.0),
                (Thunderbird, 2.0),
                (Android, 4.0),
            ]
            .into(),
            images_blocked: 0.2,
            gateways: 0.08,
            refused: 0.05,
            do_not_track: 0.1,
            downtime_hours: 0.0,
            days: 7,
            sending_hours: 1.0,
        }
    }
}

/// Why a file states no audience.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AudienceError {
    /// It is no JSON, or has other keys.
    #[error("the audience cannot be read: {0}")]
    Form(String),
    /// A number is outside its range.
    #[error("`{key}` is {found}; it must lie between {least} and {most}")]
    Range {
        /// Which.
        key: &'static str,
        /// What it is.
        found: f64,
        /// The least it may be.
        least: f64,
        /// The most it may be.
        most: f64,
    },
    /// Nobody reads with any client.
    #[error("`clients` needs at least one client with a share above 0")]
    NoClients,
}

impl Audience {
    /// Reads an audience; what the file does not say is as in the default one.
    pub fn parse(text: &str) -> Result<Self, AudienceError> {
        let audience: Self =
            serde_json::from_str(text).map_err(|error| AudienceError::Form(error.to_string()))?;
        audience.checked()
    }

    fn checked(self) -> Result<Self, AudienceError> {
        let range = |key, found: f64, least: f64, most: f64| {
            if (least..=most).contains(&found) {
                Ok(())
            } else {
                Err(AudienceError::Range {
                    key,
                    found,
                    least,
                    most,
                })
            }
        };
        range("people", f64::from(self.people), 1.0, 50_000.0)?;
        range("days", f64::from(self.days), 1.0, 60.0)?;
        range("downtime_hours", self.downtime_hours, 0.0, 24.0)?;
        range("sending_hours", self.sending_hours, 0.0, 48.0)?;
        for (key, share) in [
            ("read", self.read),
            ("images_blocked", self.images_blocked),
            ("gateways", self.gateways),
            ("refused", self.refused),
            ("do_not_track", self.do_not_track),
        ] {
            range(key, share, 0.0, 1.0)?;
        }
        for weight in self.clients.values() {
            range("clients", *weight, 0.0, f64::from(u32::MAX))?;
        }
        if self.clients.values().sum::<f64>() <= 0.0 {
            return Err(AudienceError::NoClients);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audiences_that_come_with_casement_can_be_read() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/data/audiences");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let audience =
                Audience::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            names.push(audience.name);
        }
        assert!(names.len() >= 6, "{names:?}");
    }

    #[test]
    fn what_is_no_audience_is_refused_with_what_is_wrong() {
        for (text, words) in [
            ("[1", "the audience cannot be read"),
            ("{\"reed\": 0.3}", "unknown field `reed`"),
            ("{\"read\": 1.3}", "`read` is 1.3; it must lie between 0 and 1"),
            (
                "{\"people\": 0}",
                "`people` is 0; it must lie between 1 and 50000",
            ),
            ("{\"clients\": {\"gmail\": 0}}", "at least one client"),
            ("{\"clients\": {\"pigeon\": 1}}", "unknown variant `pigeon`"),
            ("{\"downtime_hours\": -1}", "`downtime_hours` is -1"),
        ] {
            let error = Audience::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert_eq!(Audience::parse("{}").unwrap(), Audience::default());
    }
}
