//! How often a campaign looks at one reader, and how long after its window it still counts loads.
//!
//! A campaign sets some of it for itself ([`Own`]) and takes the rest from the workspace ([`Limits`]).

use serde::{Deserialize, Serialize};

/// The longest grace after a window, in days.
pub const MAX_GRACE_DAYS: u32 = 90;
/// The greatest number of hits of one mail, and of tracked mails to one person in 30 days.
pub const MAX_COUNT: u32 = 1000;

/// What holds for a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Days of 24 hours after the window's end in which loads are still counted, as late. 0 to 90.
    pub grace_days: u32,
    /// Stored hits of one mail. 1 to 1,000.
    pub hits: u32,
    /// Of these, of machine classes. 0 to `hits`.
    pub machine_hits: u32,
    /// Tracked mails to one person in 30 days. 1 to 1,000.
    pub tracked_mails: u32,
}

impl Default for Limits {
    /// What holds where nobody chose anything (`docs/decisions.md`).
    fn default() -> Self {
        Self {
            grace_days: 7,
            hits: 20,
            machine_hits: 8,
            tracked_mails: 10,
        }
    }
}

/// What a campaign sets for itself; what is missing takes the workspace's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// See [`Limits::grace_days`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_days: Option<u32>,
    /// See [`Limits::hits`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<u32>,
    /// See [`Limits::machine_hits`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_hits: Option<u32>,
    /// See [`Limits::tracked_mails`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracked_mails: Option<u32>,
}

/// Why a limit cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Out of 0 to 90.
    #[error("the grace after a window is 0 to {MAX_GRACE_DAYS} days")]
    Grace,
    /// Out of 1 to 1,000.
    #[error("choose 1 to 1,000 stored loads of one mail")]
    Hits,
    /// More than all.
    #[error("of the stored loads of one mail, 0 to {0} can be by machines")]
    MachineHits(u32),
    /// Out of 1 to 1,000.
    #[error("choose 1 to 1,000 tracked mails in 30 days")]
    TrackedMails,
}

impl Limits {
    /// Checks every range.
    pub fn check(&self) -> Result<(), LimitError> {
        if self.grace_days > MAX_GRACE_DAYS {
            return Err(LimitError::Grace);
        }
        if !(1..=MAX_COUNT).contains(&self.hits) {
            return Err(LimitError::Hits);
        }
        if self.machine_hits > self.hits {
            return Err(LimitError::MachineHits(self.hits));
        }
        if !(1..=MAX_COUNT).contains(&self.tracked_mails) {
            return Err(LimitError::TrackedMails);
        }
        Ok(())
    }
}

impl Own {
    /// Returns what holds over a workspace with `limits`.
    ///
    /// A campaign that sets fewer hits than the workspace lets machines have, and says nothing of machines, lets
    /// them have them all.
    pub fn over(self, limits: Limits) -> Limits {
        let hits = self.hits.unwrap_or(limits.hits);
        Limits {
            grace_days: self.grace_days.unwrap_or(limits.grace_days),
            hits,
            machine_hits: self.machine_hits.unwrap_or(limits.machine_hits.min(hits)),
            tracked_mails: self.tracked_mails.unwrap_or(limits.tracked_mails),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_out_of_its_range_is_refused_with_a_sentence() {
        let fine = Limits::default();
        let table = [
            (
                Limits {
                    grace_days: 0,
                    ..fine
                },
                None,
            ),
            (
                Limits {
                    grace_days: 90,
                    ..fine
                },
                None,
            ),
            (
                Limits {
                    grace_days: 91,
                    ..fine
                },
                Some("the grace after a window is 0 to 90 days"),
            ),
            (
                Limits {
                    hits: 0,
                    machine_hits: 0,
                    ..fine
                },
                Some("choose 1 to 1,000 stored loads of one mail"),
            ),
            (Limits { hits: 1000, ..fine }, None),
            (
                Limits { hits: 1001, ..fine },
                Some("choose 1 to 1,000 stored loads of one mail"),
            ),
            (
                Limits {
                    machine_hits: 20,
                    ..fine
                },
                None,
            ),
            (
                Limits {
                    machine_hits: 21,
                    ..fine
                },
                Some("of the stored loads of one mail, 0 to 20 can be by machines"),
            ),
            (
                Limits {
                    tracked_mails: 0,
                    ..fine
                },
                Some("choose 1 to 1,000 tracked mails in 30 days"),
            ),
            (
                Limits {
                    tracked_mails: 1001,
                    ..fine
                },
                Some("choose 1 to 1,000 tracked mails in 30 days"),
            ),
        ];
        for (limits, words) in table {
            let said = limits.check().err().map(|error| error.to_string());
            assert_eq!(said.as_deref(), words, "{limits:?}");
        }
    }

    #[test]
    fn a_campaigns_own_limits_go_before_the_workspaces() {
        let workspace = Limits::default();
        assert_eq!(Own::default().over(workspace), workspace);
        let own = Own {
            hits: Some(5),
            ..Own::default()
        };
        let limits = own.over(workspace);
        assert_eq!(
            (limits.hits, limits.machine_hits),
            (5, 5),
            "never more machines than all"
        );
        assert_eq!(limits.check(), Ok(()));
        let all: Own =
            serde_json::from_str("{\"grace_days\": 0, \"machine_hits\": 0, \"tracked_mails\": 3}").unwrap();
        let limits = all.over(workspace);
        assert_eq!(
            (
                limits.grace_days,
                limits.hits,
                limits.machine_hits,
                limits.tracked_mails
            ),
            (0, 20, 0, 3)
        );
    }
}
