//! The window in which opens count: half-open `[opens_from, opens_until)`.

use crate::clock::Instant;
use chrono::{Days, LocalResult, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A campaign's window as the user states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(untagged, deny_unknown_fields)]
pub enum WindowSpec {
    /// From the launch on, until the same local time `days` calendar days later.
    Days {
        /// At least 1, at most 400.
        days: u32,
        /// IANA zone name; the workspace's where it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        zone: Option<String>,
    },
    /// Between two local times (`2026-04-01T09:00`).
    Dates {
        /// Local time in `zone`, inclusive.
        from: NaiveDateTime,
        /// Local time in `zone`, exclusive.
        until: NaiveDateTime,
        /// IANA zone name.
        zone: String,
    },
}

/// A window in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Window {
    /// The first instant inside.
    pub opens_from: Instant,
    /// The first instant after.
    pub opens_until: Instant,
}

/// Where an instant lies relative to a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Before `opens_from`.
    Early,
    /// In the window.
    Inside,
    /// At or after `opens_until`.
    Late,
}

/// Why a window cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Not in the IANA database.
    #[error("{0:?} is not a time zone; use a name such as Europe/Berlin")]
    Zone(String),
    /// Out of range.
    #[error("the window is {0} days long; choose 1 to 400 days")]
    Length(i64),
    /// Ends before it begins.
    #[error("the window ends before it begins")]
    Reversed,
    /// Outside the calendar.
    #[error("the window's date does not exist")]
    Date,
}

impl Window {
    /// Tells where `at` lies. The end instant is outside.
    pub fn position(&self, at: Instant) -> Position {
        if at < self.opens_from {
            Position::Early
        } else if at < self.opens_until {
            Position::Inside
        } else {
            Position::Late
        }
    }
}

/// Returns the zone called `name`.
pub fn parse_zone(name: &str) -> Result<Tz, WindowError> {
    name.parse().map_err(|_| WindowError::Zone(name.to_owned()))
}

impl WindowSpec {
    /// Returns the window in UTC for a campaign that is launched at `launch`.
    ///
    /// Days are calendar days: the same local time, so a window over a clock change keeps its hour.
    /// In a gap the first valid instant after it counts; in a fold the earlier for the beginning and the
    /// later for the end, so that the window is never cut short.
    pub fn resolve(&self, launch: Instant, default_zone: &str) -> Result<Window, WindowError> {
        let window = match self {
            Self::Days { days, zone } => {
                if !(1..=400).contains(days) {
                    return Err(WindowError::Length(i64::from(*days)));
                }
                let zone = parse_zone(zone.as_deref().unwrap_or(default_zone))?;
                let local = launch.with_timezone(&zone).naive_local();
                let end = local
                    .checked_add_days(Days::new(u64::from(*days)))
                    .ok_or(WindowError::Date)?;
                Window {
                    opens_from: launch,
                    opens_until: instant(zone, end, Edge::Until)?,
                }
            }
            Self::Dates { from, until, zone } => {
                let zone = parse_zone(zone)?;
                Window {
                    opens_from: instant(zone, *from, Edge::From)?,
                    opens_until: instant(zone, *until, Edge::Until)?,
                }
            }
        };
        if window.opens_until <= window.opens_from {
            return Err(WindowError::Reversed);
        }
        let length = (window.opens_until - window.opens_from).num_days();
        if length > 401 {
            return Err(WindowError::Length(length));
        }
        Ok(window)
    }
}

/// Returns the instant of a time on a zone's clock: in a gap the first that exists after, in a fold the earlier one.
pub(super) fn first_valid(zone: Tz, local: NaiveDateTime) -> Result<Instant, WindowError> {
    instant(zone, local, Edge::From)
}

#[derive(Clone, Copy)]
enum Edge {
    From,
    Until,
}

fn instant(zone: Tz, local: NaiveDateTime, edge: Edge) -> Result<Instant, WindowError> {
    match (zone.from_local_datetime(&local), edge) {
        (LocalResult::Single(at), _) => Ok(at.to_utc()),
        (LocalResult::Ambiguous(early, late), edge) => Ok(match edge {
            Edge::From => early.min(late).to_utc(),
            Edge::Until => early.max(late).to_utc(),
        }),
        (LocalResult::None, _) => {
            // No zone's gap is longer than a day (Samoa skipped 2011-12-30); step to its end.
            (1..=24 * 60)
                .find_map(|minutes| {
                    zone.from_local_datetime(&(local + TimeDelta::minutes(minutes)))
                        .earliest()
                })
                .map(|at| at.to_utc())
                .ok_or(WindowError::Date)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn a_hit_on_the_end_instant_is_outside_the_window() {
        let window = Window {
            opens_from: utc("2026-01-01T00:00:00Z"),
            opens_until: utc("2026-01-02T00:00:00Z"),
        };
        assert_eq!(
            window.position(utc("2026-01-01T00:00:00Z")),
            Position::Inside,
            "the first instant counts"
        );
        assert_eq!(
            window.position(utc("2026-01-02T00:00:00Z")),
            Position::Late,
            "the end is not part of it"
        );
        assert_eq!(window.position(utc("2025-12-31T23:59:59Z")), Position::Early);
    }

    #[test]
    fn thirty_days_over_a_clock_change_end_at_the_same_local_time() {
        let spec = WindowSpec::Days {
            days: 30,
            zone: Some("Europe/Berlin".into()),
        };
        let window = spec.resolve(utc("2026-03-15T08:00:00Z"), "UTC").unwrap();
        assert_eq!(
            window.opens_until,
            utc("2026-04-14T07:00:00Z"),
            "09:00 in Berlin on both days"
        );
    }

    #[test]
    fn gaps_and_folds_never_cut_a_window_short() {
        let local = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        let zone = || "Europe/Berlin".to_owned();
        let spec = WindowSpec::Dates {
            from: local("2026-03-29T02:30:00"),
            until: local("2026-10-25T02:30:00"),
            zone: zone(),
        };
        let window = spec.resolve(utc("2026-01-01T00:00:00Z"), "UTC").unwrap();
        assert_eq!(
            window.opens_from,
            utc("2026-03-29T01:00:00Z"),
            "02:30 does not exist: 03:00 is the first valid time"
        );
        assert_eq!(
            window.opens_until,
            utc("2026-10-25T01:30:00Z"),
            "02:30 exists twice: the later one ends it"
        );
    }

    #[test]
    fn a_window_that_cannot_be_is_refused_with_its_reason() {
        let now = utc("2026-01-01T00:00:00Z");
        assert_eq!(
            WindowSpec::Days { days: 0, zone: None }.resolve(now, "UTC"),
            Err(WindowError::Length(0))
        );
        let wrong = WindowSpec::Days {
            days: 3,
            zone: Some("Mars/Olympus".into()),
        };
        assert_eq!(
            wrong.resolve(now, "UTC"),
            Err(WindowError::Zone("Mars/Olympus".into()))
        );
    }
}
