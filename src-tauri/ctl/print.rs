//! How results and errors are put on the terminal.

use casement_core::api::{self, Preflight, RateParts, Report};
use casement_core::report::words;
use serde_json::{Value, json};
use std::io::Write;

/// Prints text on standard output; a reader that has gone, such as `head`, ends the program quietly.
pub fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) else {
        return;
    };
    let is_gone = error.kind() == std::io::ErrorKind::BrokenPipe;
    if !is_gone {
        eprintln!("casementctl: cannot write to standard output: {error}");
    }
    // Results are printed last: everything that was to be done is on disk.
    std::process::exit(i32::from(!is_gone));
}

/// Prints one JSON document.
pub fn json_document(value: &Value) {
    out(&format!(
        "{}\n",
        serde_json::to_string_pretty(value).expect("a JSON value is always JSON")
    ));
}

/// Prints why a command failed: a sentence on standard error, and the error's JSON form with `--json`.
pub fn failure(error: &anyhow::Error, json: bool) {
    if json {
        let value = match error.downcast_ref::<api::Error>() {
            Some(error) => json!({ "error": error }),
            None => json!({ "error": { "code": "internal", "message": format!("{error:#}") } }),
        };
        json_document(&value);
    }
    eprintln!("casementctl: {error:#}");
}

/// Returns rows as aligned columns.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut out = line(head.to_vec());
    for row in rows {
        out.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    out
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(
        || "not measured".to_owned(),
        |rate| format!("{:.1} %", rate * 100.0),
    )
}

/// Returns a report in words: the range first, then its parts, then what was not seen.
pub fn report(report: &Report) -> String {
    let RateParts {
        accepted,
        tracked,
        confirmed,
        unknown,
        machine_only,
        no_signal,
        ..
    } = report.parts;
    let mut out = format!("{}\n\n", report.name);
    match report.parts.unmeasured {
        Some(why) => out.push_str(&format!("Opened by   not measured. {}\n", words::unmeasured(why))),
        None => out.push_str(&format!(
            "Opened by   {} – {}\n",
            percent(report.parts.confirmed_rate),
            percent(report.parts.upper_rate)
        )),
    }
    if let (Some(rate), Some([low, high])) = (report.estimate, report.interval) {
        out.push_str(&format!(
            "  likely {} ({} – {})\n  {}\n",
            percent(Some(rate)),
            percent(Some(low)),
            percent(Some(high)),
            words::ASSUMPTION
        ));
    }
    out.push_str(&format!(
        "  ● {confirmed} confirmed   ◐ {unknown} unknown   ◇ {machine_only} by machines only   ○ {no_signal} no signal\n"
    ));
    out.push_str(&format!("  {tracked} could be measured of {accepted} accepted"));
    if let Some(share) = report.reachable_share {
        out.push_str(&format!(
            " · readers could get through {} of the window so far",
            words::percent(share)
        ));
    }
    out.push('\n');
    for (count, words) in [
        (
            report.parts.not_recorded_at_request,
            "loads not recorded at the readers' request (DNT, GPC)",
        ),
        (report.early, "looks before the window, only counted"),
        (report.late, "looks after the window, only counted"),
        (report.over_cap, "looks beyond the cap, only counted"),
        (report.opted_out, "ended tracking"),
        (report.unsubscribed, "unsubscribed"),
    ] {
        if count > 0 {
            out.push_str(&format!("  {count} {words}\n"));
        }
    }
    if let Some(closing) = &report.closing {
        out.push_str(&format!(
            "  Tracking ended on {}: {} pixel addresses were destroyed; what is known of {} loads stays as verdicts\n",
            closing.at.format("%Y-%m-%d %H:%M UTC"),
            closing.tokens,
            closing.hits
        ));
    } else if let Some(until) = report.late_counted_until {
        out.push_str(&format!(
            "  late loads are counted until {}; then the pixels' addresses are destroyed\n",
            until.format("%Y-%m-%d %H:%M UTC")
        ));
    }
    for (reason, count) in &report.parts.not_tracked.by_reason {
        out.push_str(&format!(
            "  {count} not tracked: {}\n",
            words::not_tracked(*reason)
        ));
    }
    out
}

/// Returns a preflight in words.
pub fn preflight(preflight: &Preflight) -> String {
    let mut out = format!(
        "{} mails from {} by {}\n",
        preflight.to_send, preflight.from, preflight.account
    );
    for (reason, count) in &preflight.skipped {
        out.push_str(&format!("  {count} get none: {}\n", reason.replace('_', " ")));
    }
    for (mode, count) in &preflight.tracking {
        out.push_str(&format!("  {count} with tracking {mode}\n"));
    }
    out.push_str(&format!("  {}\n", preflight.address.meaning));
    for finding in &preflight.findings {
        let level = serde_json::to_value(finding.level).expect("a field-less enum is JSON");
        out.push_str(&format!(
            "{}: {}\n",
            level.as_str().unwrap_or_default(),
            finding.message
        ));
        for example in &finding.examples {
            out.push_str(&format!("    {example}\n"));
        }
    }
    if let Some(host) = &preflight.confirm_host {
        out.push_str(&format!(
            "To launch it with that address all the same, say --confirm-host {host}\n"
        ));
    }
    out.push_str(if preflight.ready {
        "Ready to launch.\n"
    } else {
        "Not ready to launch.\n"
    });
    out
}

/// What was said about a mail, a line each; or why nothing is kept.
pub fn dialogue(value: &Value) -> String {
    match value["note"].as_str() {
        Some("") | None => value["lines"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|line| format!("{line}\n"))
            .collect(),
        Some(note) => format!("{note}\n"),
    }
}
