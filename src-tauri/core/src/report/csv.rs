//! A report's recipients as CSV (RFC 4180).

use crate::api::RecipientRow;
use crate::clock::Instant;
use crate::domain::message::NotTrackedReason;
use crate::domain::open::Signal;
use chrono::SecondsFormat;

/// The first line.
pub const HEADER: &str = "email,name,state,signal,not_tracked,first_open_at,looks,accepted_at\r\n";

/// Returns the line of one recipient, with its line end. Times are UTC.
pub fn line(row: &RecipientRow) -> String {
    let time = |at: Option<Instant>| {
        at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
            .unwrap_or_default()
    };
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
        };
        let text = format!("{HEADER}{}", line(&row));
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
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
                ""
            ]
        );
    }
}
