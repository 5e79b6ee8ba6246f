//! When a campaign's mails may leave: a first time, quiet hours, and what becomes of a first time that was missed.

use super::text_enum;
use super::window::{WindowError, first_valid, parse_zone};
use crate::clock::Instant;
use chrono::{NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How late a first mail is before that is a question at all: starting up takes a moment.
pub const LATE: TimeDelta = TimeDelta::minutes(30);
/// How far ahead a campaign can be scheduled.
pub const FARTHEST: TimeDelta = TimeDelta::days(366);

text_enum! {
    /// What becomes of a campaign whose time passed while the computer or Casement was off.
    WhenLate {
        /// It is sent as soon as it can be.
        Run = "run",
        /// It waits for the user's word.
        Ask = "ask",
        /// It is taken back and becomes a draft again.
        Skip = "skip",
    }
}

/// A time on the clock of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct LocalTime {
    /// Such as `2026-12-01T09:00:00`.
    pub time: NaiveDateTime,
    /// An IANA zone.
    pub zone: String,
}

impl LocalTime {
    /// Returns the instant: in a gap of the clock the first that exists after, in a fold the earlier one.
    pub fn resolve(&self) -> Result<Instant, WindowError> {
        first_valid(parse_zone(&self.zone)?, self.time)
    }
}

/// Hours in which nothing leaves, on the clock of the campaign's zone; over midnight where `from` is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// From this time on.
    pub from: NaiveTime,
    /// Until before this time. The same as `from` is no quiet at all.
    pub until: NaiveTime,
}

impl Quiet {
    /// Tells whether it is quiet at an instant in a zone.
    pub fn is_quiet(&self, at: Instant, zone: chrono_tz::Tz) -> bool {
        let minute = |time: NaiveTime| time.hour() * 60 + time.minute();
        let now = minute(at.with_timezone(&zone).time());
        let (from, until) = (minute(self.from), minute(self.until));
        if from <= until {
            (from..until).contains(&now)
        } else {
            now >= from || now < until
        }
    }

    /// Returns when the quiet that holds at `at` ends; `None` where none holds.
    ///
    /// Looked for by the minute, so that a clock that is set forward or back within the night is met where it really
    /// stands.
    pub fn ends(&self, at: Instant, zone: chrono_tz::Tz) -> Option<Instant> {
        if !self.is_quiet(at, zone) {
            return None;
        }
        let minute = at
            - TimeDelta::nanoseconds(at.timestamp_subsec_nanos().into())
            - TimeDelta::seconds(at.second().into());
        (1..=48 * 60)
            .map(|minutes| minute + TimeDelta::minutes(minutes))
            .find(|at| !self.is_quiet(*at, zone))
    }
}

/// What a launch says of a campaign's times; kept with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// What becomes of it if its time is missed; `None` where it was launched at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_late: Option<WhenLate>,
    /// Hours in which nothing leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn quiet(from: &str, until: &str) -> Quiet {
        Quiet {
            from: from.parse().unwrap(),
            until: until.parse().unwrap(),
        }
    }

    #[test]
    fn quiet_hours_go_over_midnight_and_end_on_the_zones_clock() {
        let zone = chrono_tz::Europe::Berlin;
        let night = quiet("21:00:00", "08:00:00");
        // Winter: Berlin is an hour ahead of UTC.
        assert!(!night.is_quiet(utc("2026-12-01T19:59:59Z"), zone));
        assert!(night.is_quiet(utc("2026-12-01T20:00:00Z"), zone));
        assert_eq!(
            night.ends(utc("2026-12-01T20:00:31Z"), zone),
            Some(utc("2026-12-02T07:00:00Z"))
        );
        assert_eq!(night.ends(utc("2026-12-01T12:00:00Z"), zone), None);
        let noon = quiet("12:00:00", "13:30:00");
        assert_eq!(
            noon.ends(utc("2026-12-01T11:15:00Z"), zone),
            Some(utc("2026-12-01T12:30:00Z"))
        );
        let never = quiet("08:00:00", "08:00:00");
        assert!(!never.is_quiet(utc("2026-12-01T07:00:00Z"), zone));
    }

    #[test]
    fn a_night_in_which_the_clock_is_set_is_as_long_as_it_is() {
        let zone = chrono_tz::Europe::Berlin;
        let night = quiet("21:00:00", "08:00:00");
        // 2026-03-29: 02:00 becomes 03:00. 2026-10-25: 03:00 becomes 02:00.
        assert_eq!(
            night.ends(utc("2026-03-28T20:00:00Z"), zone),
            Some(utc("2026-03-29T06:00:00Z"))
        );
        assert_eq!(
            night.ends(utc("2026-10-24T19:00:00Z"), zone),
            Some(utc("2026-10-25T07:00:00Z"))
        );
    }

    #[test]
    fn a_time_that_the_clock_skips_is_the_first_after_it() {
        let skipped = LocalTime {
            time: "2026-03-29T02:30:00".parse().unwrap(),
            zone: "Europe/Berlin".into(),
        };
        assert_eq!(skipped.resolve().unwrap(), utc("2026-03-29T01:00:00Z"));
        let nowhere = LocalTime {
            zone: "Europe/Nowhere".into(),
            ..skipped
        };
        assert!(nowhere.resolve().is_err());
    }
}
