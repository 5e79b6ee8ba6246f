//! A report as one self-contained page: to print, to keep, to send on. No scripts, no names of readers.

use super::words::{self, percent};
use crate::api::{RateParts, Report, ReportSeriesResponse, SeriesPoint};
use crate::clock::Instant;
use crate::domain::open::{HitClass, Signal};
use chrono_tz::Tz;
use std::fmt::Write;

const STYLE: &str = "
:root { --ground: #faf9f6; --surface: #fff; --line: #e5e2db; --ink: #1e2329; --quiet: #5c636e;
  --human: #0b7a75; --unknown: #6b7b8c; --machine: #b7791f; --none: #b9b4a8; }
@media (prefers-color-scheme: dark) { :root { --ground: #15171b; --surface: #1c1f25; --line: #2d323b; --ink: #e9e7e2;
  --quiet: #a2a9b4; --human: #4fc3ba; --unknown: #9fb0c2; --machine: #e3b35a; --none: #4a505a; } }
@media print { :root { --ground: #fff; --surface: #fff; --line: #ccc; --ink: #000; --quiet: #444; } }
body { margin: 40px auto; max-width: 900px; padding: 0 24px; background: var(--ground); color: var(--ink);
  font: 14px/1.5 Inter, system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 20px; margin: 0; } h2 { font-size: 14px; margin: 32px 0 8px; }
p { margin: 4px 0; } .quiet { color: var(--quiet); } .range { font-size: 28px; margin: 24px 0 8px; }
table { border-collapse: collapse; width: 100%; } td, th { padding: 4px 8px; border-bottom: 1px solid var(--line);
  text-align: start; font-weight: normal; } td + td { text-align: end; } svg { display: block; width: 100%; height: auto; }
.human { fill: var(--human); } .unknown { fill: url(#dither); } .none { fill: url(#dots); }
.defs { position: absolute; width: 0; height: 0; } .ink { fill: var(--ink); } .ends { fill: none; stroke: var(--quiet); }
.machine { fill: none; stroke: var(--machine); stroke-width: 2; } .axis { stroke: var(--line); }
text { fill: var(--quiet); font-size: 12px; }";

/// Fills that tell the parts apart without colour, as in the window.
const PATTERNS: &str = "<svg class=\"defs\" aria-hidden=\"true\"><defs>
<pattern id=\"dither\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\"><g style=\"fill: var(--unknown)\">\
<path opacity=\".3\" d=\"M0 0h4v4H0z\"/><path d=\"M0 0h2v2H0zM2 2h2v2H2z\"/></g></pattern>
<pattern id=\"dots\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
<circle cx=\"3\" cy=\"3\" r=\"1\" style=\"fill: var(--none)\"/></pattern>
</defs></svg>\n";

/// Returns the page.
pub fn page(report: &Report, chart: &ReportSeriesResponse) -> String {
    let zone: Tz = report.zone.parse().unwrap_or(Tz::UTC);
    let mut out = String::with_capacity(16_384);
    let title = escape(&report.name);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n{PATTERNS}<h1>{title}</h1>\n<p class=\"quiet\">{}</p>\n",
        escape(&report.subject)
    );
    if report.practice {
        out.push_str(
            "<p class=\"quiet\">Practice: written into the outbox of this workspace, not sent.</p>\n",
        );
    }
    headline(&mut out, report);
    out.push_str(&ends(report));
    out.push_str(&bar(&report.parts));
    if report.estimate.is_some() {
        let _ = writeln!(out, "<p class=\"quiet\">{}</p>", words::ASSUMPTION);
    }
    parts(&mut out, report);
    unseen(&mut out, report);
    over_time(&mut out, chart, zone);
    beside(&mut out, report, zone);
    let _ = write!(
        out,
        "<p class=\"quiet\">As of {}. Made by Casement.</p>\n</body>\n</html>\n",
        time(report.as_of, zone)
    );
    out
}

/// Makes text safe between tags and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter if letter.is_control() && !matches!(letter, '\n' | '\t') => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

fn time(at: Instant, zone: Tz) -> String {
    at.with_timezone(&zone).format("%-d %B %Y, %H:%M %Z").to_string()
}

fn headline(out: &mut String, report: &Report) {
    let parts = &report.parts;
    let line = match (parts.confirmed_rate, parts.upper_rate) {
        (Some(low), Some(high)) => {
            let estimate = match (report.estimate, report.interval) {
                (Some(rate), Some([from, to])) => format!(
                    " <span class=\"quiet\">likely {} ({} to {})</span>",
                    percent(rate),
                    percent(from),
                    percent(to)
                ),
                _ => String::new(),
            };
            format!("Opened by {} to {}{estimate}", percent(low), percent(high))
        }
        _ => "Opens were not measured".to_owned(),
    };
    let _ = writeln!(out, "<p class=\"range\">{line}</p>");
    if let Some(why) = parts.unmeasured {
        let _ = writeln!(out, "<p>{}</p>", escape(words::unmeasured(why)));
    }
}

/// Draws a bracket from the range's low end to its high one, and on it the estimate with its interval. Loads that were
/// not recorded lie in no part of the bar, but within the range.
fn ends(report: &Report) -> String {
    let (Some(low), Some(high)) = (report.parts.confirmed_rate, report.parts.upper_rate) else {
        return String::new();
    };
    let x = |rate: f64| 900.0 * rate;
    let mut out = format!(
        "<svg viewBox=\"0 0 900 12\" aria-hidden=\"true\">\n<path class=\"ends\" d=\"M{0:.1} 11V6H{1:.1}V11\"/>\n",
        x(low),
        x(high)
    );
    if let (Some(rate), Some([from, to])) = (report.estimate, report.interval) {
        let _ = writeln!(
            out,
            "<rect class=\"ink\" opacity=\".5\" x=\"{:.1}\" y=\"4\" width=\"{:.1}\" height=\"4\"/>\n\
             <rect class=\"ink\" x=\"{:.1}\" y=\"1\" width=\"2\" height=\"10\"/>",
            x(from),
            x(to - from),
            x(rate) - 1.0
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Draws the range: confirmed filled, unknown dithered, machines outlined, the rest dotted. Empty where nothing was measured.
pub fn bar(parts: &RateParts) -> String {
    const WIDTH: f64 = 900.0;
    let Some(_) = parts.confirmed_rate else {
        return String::new();
    };
    let mut out = format!(
        "<svg viewBox=\"0 0 900 28\" role=\"img\" aria-label=\"{} confirmed, {} unknown, {} by machines only, {} without a signal\">\n",
        parts.confirmed, parts.unknown, parts.machine_only, parts.no_signal
    );
    let mut x = 0.0;
    for (n, class) in [
        (parts.confirmed, "human"),
        (parts.unknown, "unknown"),
        (parts.machine_only, "machine"),
        (parts.no_signal, "none"),
    ] {
        let width = WIDTH * f64::from(n) / f64::from(parts.tracked);
        if n > 0 {
            // An outline lies inside its share, so that no part looks larger than it is.
            let inset = if class == "machine" {
                width.min(2.0) / 2.0
            } else {
                0.0
            };
            let _ = writeln!(
                out,
                "<rect class=\"{class}\" x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\"/>",
                x + inset,
                4.0 + inset,
                width - 2.0 * inset,
                20.0 - 2.0 * inset
            );
        }
        x += width;
    }
    out.push_str("</svg>\n");
    out
}

fn row(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "<tr><td>{}</td><td>{value}</td></tr>", escape(name));
}

fn parts(out: &mut String, report: &Report) {
    let parts = &report.parts;
    let of = |n: u32| match parts.tracked {
        _ if parts.unmeasured.is_some() => n.to_string(),
        tracked => format!("{n} ({})", percent(f64::from(n) / f64::from(tracked))),
    };
    let _ = writeln!(
        out,
        "<p class=\"quiet\">{} could be measured of {} that were accepted.</p>\n<h2>Parts</h2>\n<table>",
        parts.tracked, parts.accepted
    );
    row(out, "● Confirmed: a person looked", of(parts.confirmed));
    row(out, "◐ Unknown: cannot be told from a person", of(parts.unknown));
    row(out, "◇ Only machines fetched the picture", of(parts.machine_only));
    row(
        out,
        "○ No signal; this does not mean “not opened”",
        of(parts.no_signal),
    );
    if let Some([low, high]) = report.confirmed_interval {
        row(
            out,
            "95 % interval of the confirmed rate",
            format!("{} to {}", percent(low), percent(high)),
        );
    }
    out.push_str("</table>\n");
}

/// Draws people and what may be people over time, with the same figures as a table for those who cannot see it.
fn over_time(out: &mut String, chart: &ReportSeriesResponse, zone: Tz) {
    let Some([from, until]) = chart.span else { return };
    let height = |point: &SeriesPoint| f64::from(point.human + point.unknown);
    let most = chart.points.iter().map(height).fold(0.0, f64::max);
    if most == 0.0 {
        return;
    }
    let millis = |at: Instant| at.timestamp_millis() as f64;
    let length = (millis(until) - millis(from)).max(1.0);
    let width = (900.0 * f64::from(chart.minutes) * 60_000.0 / length).clamp(1.0, 40.0);
    let _ = writeln!(
        out,
        "<h2>Looks over time</h2>\n<svg viewBox=\"0 0 900 140\" role=\"img\" aria-label=\"Looks over time, at most {most} in {} minutes\">",
        chart.minutes
    );
    for point in &chart.points {
        let x = (900.0 * (millis(point.at) - millis(from)) / length).clamp(0.0, 900.0 - width);
        let mut y = 120.0;
        for (n, class) in [(point.human, "human"), (point.unknown, "unknown")] {
            let tall = 110.0 * f64::from(n) / most;
            y -= tall;
            if n > 0 {
                let _ = writeln!(
                    out,
                    "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{tall:.2}\"/>"
                );
            }
        }
    }
    let _ = writeln!(
        out,
        "<line class=\"axis\" x1=\"0\" y1=\"120\" x2=\"900\" y2=\"120\"/>\n<text x=\"0\" y=\"136\">{}</text>\n\
         <text x=\"900\" y=\"136\" text-anchor=\"end\">{}</text>\n</svg>",
        time(from, zone),
        time(until, zone)
    );
    out.push_str("<details><summary class=\"quiet\">As a table</summary>\n<table>\n");
    for point in chart.points.iter().filter(|point| height(point) > 0.0) {
        let looks = format!("{} by people, {} unknown", point.human, point.unknown);
        row(out, &time(point.at, zone), looks);
    }
    out.push_str("</table>\n</details>\n");
}

/// What the range cannot hold, and why.
fn unseen(out: &mut String, report: &Report) {
    out.push_str("<h2>What was not seen</h2>\n<table>\n");
    for (reason, n) in &report.parts.not_tracked.by_reason {
        row(out, &format!("— Not tracked: {}", words::not_tracked(*reason)), n);
    }
    if let Some(share) = report.reachable_share {
        row(
            out,
            "Readers' mail clients could not reach us, of the window so far",
            percent(1.0 - share),
        );
    }
    for (name, n) in [
        (
            "Loads not recorded at readers' request",
            report.parts.not_recorded_at_request,
        ),
        ("Looks before the window, only counted", report.early),
        ("Looks after the window, only counted", report.late),
        (
            "Looks beyond what is kept of one mail, only counted",
            report.over_cap,
        ),
    ] {
        row(out, name, n);
    }
    out.push_str("</table>\n");
}

fn beside(out: &mut String, report: &Report, zone: Tz) {
    out.push_str("<h2>Also</h2>\n<table>\n");
    if let Some(window) = report.window {
        let span = format!(
            "{} until {}",
            time(window.opens_from, zone),
            time(window.opens_until, zone)
        );
        row(out, "Opens count", span);
    }
    for (name, n) in [
        ("Unsubscribed", report.unsubscribed),
        ("Ended tracking", report.opted_out),
        ("Bounced later", report.bounced_later),
        ("Reported as unwanted", report.complained),
    ] {
        if n > 0 {
            row(out, name, n);
        }
    }
    for (state, n) in &report.counts {
        row(out, &format!("Mails {}", state.replace('_', " ")), n);
    }
    for (class, n) in &report.shared_loads {
        let kind = words::signal(Signal::of(*class));
        let detail = if *class == HitClass::Unknown {
            ""
        } else {
            ", not a number of readers"
        };
        row(
            out,
            &format!("Loads of the shared pixel, {kind} ({class}){detail}"),
            n,
        );
    }
    out.push_str("</table>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Unmeasured;
    use crate::ids::CampaignId;
    use crate::report::rate::{Counts, parts};
    use std::collections::BTreeMap;

    fn report(name: &str, tracked: [u32; 4]) -> Report {
        let counts = Counts {
            tracked: Signal::ALL
                .iter()
                .copied()
                .zip(tracked)
                .filter(|(_, n)| *n > 0)
                .collect(),
            ..Counts::default()
        };
        Report {
            id: CampaignId(1),
            name: name.into(),
            subject: "Hello".into(),
            parts: parts(&counts),
            early: 0,
            late: 2,
            over_cap: 0,
            estimate: None,
            interval: None,
            reachable_share: Some(0.97),
            counts: BTreeMap::from([("handing_over".into(), 1)]),
            skipped: BTreeMap::new(),
            unsubscribed: 0,
            opted_out: 0,
            bounced_later: 0,
            complained: 0,
            shared_loads: BTreeMap::new(),
            window: None,
            zone: "Europe/Berlin".into(),
            launched_at: None,
            practice: false,
            confirmed_interval: None,
            as_of: "2026-04-01T08:00:00Z".parse().unwrap(),
            closed_at: None,
            closing: None,
            late_counted_until: None,
        }
    }

    fn chart() -> ReportSeriesResponse {
        ReportSeriesResponse {
            minutes: 60,
            points: vec![SeriesPoint {
                at: "2026-04-01T08:00:00Z".parse().unwrap(),
                first_opens: 1,
                human: 3,
                unknown: 1,
                machine: 9,
                outside: 0,
            }],
            up: Vec::new(),
            window: None,
            span: Some([
                "2026-04-01T08:00:00Z".parse().unwrap(),
                "2026-04-02T08:00:00Z".parse().unwrap(),
            ]),
        }
    }

    #[test]
    fn what_a_user_named_a_campaign_cannot_run() {
        let page = page(
            &report("<script>alert(1)</script>\" onload='x'", [1, 0, 0, 1]),
            &chart(),
        );
        assert!(!page.contains("<script"), "no element comes from a name");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39;"));
        assert!(
            page.contains("default-src 'none'"),
            "and nothing would be loaded if it did"
        );
    }

    #[test]
    fn the_bar_shows_each_part_at_its_share() {
        let bar = bar(&report("a", [518, 97, 54, 410]).parts);
        let widths: Vec<f64> = bar
            .split("width=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(widths.len(), 4);
        assert!((widths[0] - 900.0 * 410.0 / 1079.0).abs() < 0.01, "{widths:?}");
        assert!(
            (widths.iter().sum::<f64>() - 898.0).abs() < 0.05,
            "the outline lies inside its share"
        );
    }

    #[test]
    fn where_nothing_was_measured_there_is_no_rate_and_no_bar() {
        let mut silent = report("a", [6, 0, 0, 0]);
        silent.parts.confirmed_rate = None;
        silent.parts.upper_rate = None;
        silent.parts.unmeasured = Some(Unmeasured::NeverReachable);
        let told = page(&silent, &chart());
        assert!(
            told.contains("could not reach this computer at any time"),
            "and it says why"
        );
        assert!(!told.contains("6 (100 %)"), "no share of what was not measured");
        let page = page(&report("a", [0; 4]), &chart());
        assert!(page.contains("Opens were not measured"));
        assert!(!page.contains("0 % to"), "0 of 0 is not 0 %");
        assert!(!page.contains("viewBox=\"0 0 900 28\""));
    }

    #[test]
    fn an_estimate_has_its_interval_and_its_assumption_beside_it() {
        let mut report = report("a", [60, 30, 10, 50]);
        report.estimate = Some(0.4);
        report.interval = Some([0.35, 0.55]);
        report.confirmed_interval = Some([0.26, 0.41]);
        let page = page(&report, &chart());
        assert!(page.contains("likely 40 % (35 % to 55 %)"), "{page}");
        assert!(page.contains(words::ASSUMPTION));
        assert!(
            page.contains("<path class=\"ends\" d=\"M300.0 11V6H540.0V11\"/>"),
            "the range is drawn as one: {page}"
        );
        assert!(page.contains("95 % interval of the confirmed rate</td><td>26 % to 41 %"));
        assert!(
            page.contains("could not reach us, of the window so far</td><td>3.0 %"),
            "{page}"
        );
        assert!(page.contains("Loads not recorded at readers&#39; request</td><td>0"));
    }

    #[test]
    fn times_are_told_in_the_campaigns_zone() {
        let page = page(&report("a", [1, 0, 0, 1]), &chart());
        assert!(page.contains("As of 1 April 2026, 10:00 CEST"), "{page}");
        assert!(page.contains("Opened by 50 % to 50 %"));
        assert!(page.contains("Mails handing over"));
    }
}
