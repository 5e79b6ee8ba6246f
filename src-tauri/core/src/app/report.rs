//! Reports and timelines.

use super::engine::Engine;
use crate::api::{
    Code, Error, ExportFormat, MessageTimeline, MessageTimelineResponse, Report, ReportExport,
    ReportExportResponse, ReportGet, ReportRecipients, ReportRecipientsResponse, ReportSeries,
    ReportSeriesResponse, Result,
};
use crate::clock::Instant;
use crate::domain::campaign::CampaignTracking;
use crate::ids::CampaignId;
use crate::report::rate::{self, Cohort};
use crate::report::{csv, page, series, timeline};
use crate::store::report::Facts;
use crate::store::{Conn, message, report};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Returns a campaign's report as of now.
pub fn get(engine: &Arc<Engine>, request: ReportGet) -> Result<Report> {
    let now = engine.clock.now();
    engine.read(|conn| whole(conn, request.id, now))
}

fn facts(conn: &Conn, id: CampaignId) -> Result<Facts> {
    report::facts(conn, id)?.ok_or_else(|| Error::not_found("campaign", id))
}

fn whole(conn: &Conn, id: CampaignId, now: Instant) -> Result<Report> {
    let facts = facts(conn, id)?;
    let parts = report::rate_parts(conn, id)?;
    let estimate = match facts.launched_at {
        Some(launched) if Cohort::is_possible(&parts) => {
            report::cohort(conn, id, launched)?.estimate(parts.tracked)
        }
        _ => None,
    };
    let reachable_share = match facts.window {
        Some(window) => {
            let up = report::up(conn, window.opens_from, now)?;
            series::reachable_share(&up, facts.window, now)
        }
        None => None,
    };
    let (unsubscribed, opted_out) = report::withdrawals(conn, id)?;
    // Before launch the ledger is being planned and nobody's business.
    let (counts, skipped) = match facts.launched_at {
        Some(_) => (message::counts(conn, id)?, message::skipped(conn, id)?),
        None => Default::default(),
    };
    Ok(Report {
        id,
        name: facts.name,
        subject: facts.subject,
        early: report::counter(conn, id, "early")?,
        late: report::counter(conn, id, "late")?,
        over_cap: report::counter(conn, id, "over_cap")?,
        estimate,
        interval: rate::wilson(parts.confirmed, parts.tracked),
        reachable_share,
        counts,
        skipped,
        unsubscribed,
        opted_out,
        shared_loads: report::shared_loads(conn, id)?,
        window: facts.window,
        zone: facts.zone,
        launched_at: facts.launched_at,
        practice: facts.practice,
        as_of: now,
        parts,
    })
}

/// Returns looks over time.
pub fn series(engine: &Arc<Engine>, request: ReportSeries) -> Result<ReportSeriesResponse> {
    let now = engine.clock.now();
    engine.read(|conn| chart(conn, request.id, now))
}

fn chart(conn: &Conn, id: CampaignId, now: Instant) -> Result<ReportSeriesResponse> {
    let facts = facts(conn, id)?;
    let begin = [facts.launched_at, facts.window.map(|window| window.opens_from)];
    let up = match begin.into_iter().flatten().min() {
        Some(begin) => report::up(conn, begin, now)?,
        None => Vec::new(),
    };
    let source = series::Source {
        hourly: report::hourly(conn, id)?,
        shows_shared: facts.tracking == CampaignTracking::Aggregate,
        up,
        window: facts.window,
        launched_at: facts.launched_at,
    };
    Ok(series::series(&source, now))
}

/// Returns a page of a campaign's recipients.
pub fn recipients(engine: &Arc<Engine>, request: ReportRecipients) -> Result<ReportRecipientsResponse> {
    engine.read(|conn| {
        facts(conn, request.id)?;
        let (total, recipients) = report::page(conn, &request)?;
        Ok(ReportRecipientsResponse { total, recipients })
    })
}

/// Returns what happened to one message.
pub fn timeline(engine: &Arc<Engine>, request: MessageTimeline) -> Result<MessageTimelineResponse> {
    engine.read(|conn| {
        let (recipient, campaign, campaign_name, source) =
            report::timeline(conn, request.id)?.ok_or_else(|| Error::not_found("message", request.id))?;
        Ok(MessageTimelineResponse {
            recipient,
            campaign,
            campaign_name,
            entries: timeline::entries(&source),
            note: timeline::note(&source),
        })
    })
}

/// Writes a report into a file; whole, or not at all.
pub fn export(engine: &Arc<Engine>, request: ReportExport) -> Result<ReportExportResponse> {
    let now = engine.clock.now();
    let path = PathBuf::from(&request.path);
    let bytes = write_whole(&path, |out| {
        engine.read(|conn| match request.format {
            ExportFormat::Csv => {
                facts(conn, request.id)?;
                write(&path, out, csv::HEADER)?;
                report::each_recipient(conn, request.id, |row| write(&path, out, &csv::line(&row)))
            }
            ExportFormat::Html => {
                let (report, chart) = (whole(conn, request.id, now)?, chart(conn, request.id, now)?);
                write(&path, out, &page::page(&report, &chart))
            }
        })
    })?;
    Ok(ReportExportResponse {
        path: request.path,
        bytes,
    })
}

/// Writes a file beside `path` and puts it there once it is complete; returns its length.
fn write_whole(path: &Path, fill: impl FnOnce(&mut BufWriter<std::fs::File>) -> Result<()>) -> Result<u64> {
    let fail = |error| cannot_write(path, &error);
    let name = path.file_name().filter(|_| !path.is_dir()).ok_or_else(|| {
        Error::field(
            "path",
            format!("{} is a folder; name a file in it.", path.display()),
        )
    })?;
    let mut partial_name = std::ffi::OsString::from(".");
    partial_name.push(name);
    partial_name.push(".partial");
    let partial = path.with_file_name(partial_name);
    let file = std::fs::File::create(&partial).map_err(fail)?;
    let mut out = BufWriter::new(file);
    let written = fill(&mut out).and_then(|()| {
        let file = out.into_inner().map_err(|error| fail(error.into_error()))?;
        file.sync_all().map_err(fail)?;
        let bytes = file.metadata().map_err(fail)?.len();
        std::fs::rename(&partial, path).map_err(fail)?;
        Ok(bytes)
    });
    if written.is_err() {
        // What is half-written is of no use; that it could not be removed changes nothing about the error.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

fn write(path: &Path, out: &mut impl Write, text: &str) -> Result<()> {
    out.write_all(text.as_bytes())
        .map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error {
        code: Code::Storage,
        message: format!("Cannot write {}: {error}. Choose another place.", path.display()),
        field: Some("path".into()),
    }
}
