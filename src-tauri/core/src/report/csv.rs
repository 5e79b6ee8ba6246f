//! A report's recipients as CSV (RFC 4180), a line for each.
//!
//! What holds for the whole campaign stands in every line under `campaign_…`, so that the file stays one table:
//! such columns are read once and never summed.

use crate::api::{RecipientRow, Report};
use crate::clock::Instant;
use crate::domain::message::NotTrackedReason;
use crate::domain::open::Signal;
use chrono::SecondsFormat;

/// The first line.
pub const HEADER: &str = "email,name,state,signal,not_tracked,first_open_at,looks,accepted_at,early,late,over_cap,bounced_at,\
    campaign_accepted,campaign_measured,campaign_reachable_share,campaign_not_recorded_at_request\r\n";

/// For how much of a campaign its lines hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coverage {
    accepted: u32,
    /// None where nothing could be measured, whatever carried a pixel.
    measured: u32,
    reachable_share: Option<f64>,
    not_recorded_at_request: u32,
}

impl Coverage {
    /// Takes it from a report.
    pub fn of(report: &Report) -> Self {
        Self {
            accepted: report.parts.accepted,
            measured: match report.parts.unmeasured {
                Some(_) => 0,
                None => report.parts.tracked,
            },
            reachable_share: report.reachable_share,
            not_recorded_at_request: report.parts.not_recorded_at_request,
        }
    }
}

/// Returns the line of one recipient, with its line end. Times are UTC, shares in `[0, 1]`; what is not known is
/// empty.
pub fn line(row: &RecipientRow, coverage: &Coverage) -> String {
    let time = |at: Option<Instant>| {
        at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
            .unwrap_or_default()
    };
    let share = coverage.reachable_share.map(|share| format!("{share:.4}"));
    let cells = [
        row.email.clone(),
        row.name.clone(),
        row.state.to_string(),
        row.signal.map(Signal::as_str).unwrap_or_default().to_owned(),
        row.not_tracked
            .map(NotTrackedReason::as_str)
            .unwrap_or_default()
            .to_owned(),
        time(row.first_open_at),
        row.looks.to_string(),
        time(row.accepted_at),
        row.early.to_string(),
        row.late.to_string(),
        row.over_cap.to_string(),
        time(row.bounced_at),
        coverage.accepted.to_string(),
        coverage.measured.to_string(),
        share.unwrap_or_default(),
        coverage.not_recorded_at_request.to_string(),
    ];
    let mut line = cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

/// Returns a cell that no spreadsheet runs: OWASP's list of first characters is made harmless by an apostrophe.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let safe = if is_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if safe.contains([',', '"', '\r', '\n', ';', '\t']) || safe.starts_with(' ') || is_formula {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::MessageState;
    use crate::ids::MessageId;

    #[test]
    fn a_name_that_is_a_formula_is_text_in_a_spreadsheet() {
        for (name, written) in [
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("+1", "\"'+1\""),
            ("-2", "\"'-2\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\tx", "\"'\tx\""),
            ("\rx", "\"'\rx\""),
            ("Ana, \"the\" Li", "\"Ana, \"\"the\"\" Li\""),
            ("Ana Li", "Ana Li"),
        ] {
            assert_eq!(cell(name), written);
        }
    }

    #[test]
    fn a_line_is_read_back_as_it_was() {
        let row = RecipientRow {
            message: MessageId(1),
            contact: None,
            email: "ana@example.org".into(),
            name: "Li, Ana".into(),
            state: MessageState::Accepted,
            signal: Some(Signal::Human),
            not_tracked: None,
            first_open_at: Some("2026-04-01T09:00:00Z".parse().unwrap()),
            looks: 2,
            accepted_at: None,
            early: 1,
            late: 2,
            over_cap: 3,
            bounced_at: Some("2026-04-02T09:00:00Z".parse().unwrap()),
        };
        let coverage = Coverage {
            accepted: 1204,
            measured: 1079,
            reachable_share: Some(0.97),
            not_recorded_at_request: 4,
        };
        let text = format!("{HEADER}{}", line(&row, &coverage));
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap().len(), 16);
        let record = reader.records().next().unwrap().unwrap();
        let cells: Vec<&str> = record.iter().collect();
        assert_eq!(
            cells,
            [
                "ana@example.org",
                "Li, Ana",
                "accepted",
                "human",
                "",
                "2026-04-01T09:00:00Z",
                "2",
                "",
                "1",
                "2",
                "3",
                "2026-04-02T09:00:00Z",
                "1204",
                "1079",
                "0.9700",
                "4"
            ]
        );
    }
}
