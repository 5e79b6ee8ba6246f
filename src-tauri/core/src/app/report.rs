//! Reports and timelines.

use super::engine::Engine;
use super::{judging, tracking};
use crate::api::{
    Code, Error, ExportFormat, MessageDialogue, MessageDialogueResponse, MessageTimeline,
    MessageTimelineResponse, Report, ReportExport, ReportExportResponse, ReportGet, ReportProviders,
    ReportProvidersResponse, ReportRecipients, ReportRecipientsResponse, ReportSeries, ReportSeriesResponse,
    Result,
};
use crate::domain::campaign::CampaignTracking;
use crate::domain::window::Window;
use crate::ids::CampaignId;
use crate::report::rate::{self, Cohort};
use crate::report::{csv, page, provider, series, timeline, words};
use crate::store::report::{Facts, Moment};
use crate::store::{Conn, closing, dialogue, incoming, message, report};
use chrono::TimeDelta;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Returns the moment for which a report holds that is made now.
pub(crate) fn moment(engine: &Engine) -> Moment {
    Moment {
        now: engine.clock.now(),
        is_listening: tracking::status(engine).is_some(),
    }
}

/// Returns a campaign's report as of now.
pub fn get(engine: &Arc<Engine>, request: ReportGet) -> Result<Report> {
    judging::catch_up(engine, request.id)?;
    let moment = moment(engine);
    engine.read(|conn| whole(conn, request.id, moment))
}

fn facts(conn: &Conn, id: CampaignId) -> Result<Facts> {
    report::facts(conn, id)?.ok_or_else(|| Error::not_found("campaign", id))
}

/// When most of what Apple fetches in advance is fetched; observed are minutes to many hours.
const APPLE_FETCHES_WITHIN: TimeDelta = TimeDelta::hours(12);

fn whole(conn: &Conn, id: CampaignId, moment: Moment) -> Result<Report> {
    let facts = facts(conn, id)?;
    let parts = report::rate_parts(conn, id, moment)?;
    let cohort = match facts.launched_at {
        Some(launched) if Cohort::is_possible(&parts) => Some(report::cohort(conn, id, launched)?),
        _ => None,
    };
    let (reachable_share, reached) = match facts.window {
        Some(window) => {
            let up = report::up(conn, id, window.opens_from, moment.running())?;
            let first = Window {
                opens_until: window.opens_from + APPLE_FETCHES_WITHIN,
                ..window
            };
            (
                series::reachable_share(&up, facts.window, moment.now),
                series::reachable_share(&up, Some(first), moment.now),
            )
        }
        None => (None, None),
    };
    let (unsubscribed, opted_out) = report::withdrawals(conn, id)?;
    let (bounced_later, complained) = incoming::counts(conn, id)?;
    let end = closing::end(conn, id)?;
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
        estimate: cohort.and_then(|cohort| cohort.estimate(parts.tracked)),
        interval: cohort.and_then(|cohort| cohort.interval(&parts, reached.unwrap_or(1.0))),
        reachable_share,
        counts,
        skipped,
        unsubscribed,
        opted_out,
        bounced_later,
        complained,
        shared_loads: report::shared_loads(conn, id)?,
        window: facts.window,
        zone: facts.zone,
        launched_at: facts.launched_at,
        practice: facts.practice,
        confirmed_interval: parts
            .confirmed_rate
            .and_then(|_| rate::wilson(parts.confirmed, parts.tracked)),
        as_of: moment.now,
        parts,
        closed_at: end.closed_at,
        closing: end.closing,
        late_counted_until: end.late_counted_until,
    })
}

/// Returns looks over time.
pub fn series(engine: &Arc<Engine>, request: ReportSeries) -> Result<ReportSeriesResponse> {
    let moment = moment(engine);
    engine.read(|conn| chart(conn, request.id, moment))
}

fn chart(conn: &Conn, id: CampaignId, moment: Moment) -> Result<ReportSeriesResponse> {
    let facts = facts(conn, id)?;
    let begin = [facts.launched_at, facts.window.map(|window| window.opens_from)];
    let up = match begin.into_iter().flatten().min() {
        Some(begin) => report::up(conn, id, begin, moment.running())?,
        None => Vec::new(),
    };
    let source = series::Source {
        hourly: report::hourly(conn, id)?,
        shows_shared: facts.tracking == CampaignTracking::Aggregate,
        up,
        window: facts.window,
        launched_at: facts.launched_at,
    };
    Ok(series::series(&source, moment.now))
}

/// Returns a campaign's parts by the providers of its recipients.
pub fn providers(engine: &Arc<Engine>, request: ReportProviders) -> Result<ReportProvidersResponse> {
    engine.read(|conn| {
        facts(conn, request.id)?;
        Ok(ReportProvidersResponse {
            providers: provider::parts(report::by_domain(conn, request.id)?),
        })
    })
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
    let now = engine.clock.now();
    engine.read(|conn| {
        let (recipient, campaign, campaign_name, source) =
            report::timeline(conn, request.id)?.ok_or_else(|| Error::not_found("message", request.id))?;
        Ok(MessageTimelineResponse {
            recipient,
            campaign,
            campaign_name,
            entries: timeline::entries(&source, now),
            note: timeline::note(&source),
            environments: source.environments,
            environments_note: words::environments(source.environments),
        })
    })
}

/// Returns what was said about one message.
pub fn dialogue(engine: &Arc<Engine>, request: MessageDialogue) -> Result<MessageDialogueResponse> {
    engine.read(|conn| {
        if report::timeline(conn, request.id)?.is_none() {
            return Err(Error::not_found("message", request.id));
        }
        let kept = dialogue::get(conn, request.id)?;
        let note = match kept {
            Some(_) => String::new(),
            None => format!(
                "Nothing is kept. What was said to a mail server is kept for {} days: of the last {},000 mails that had \
                 trouble, and of the last {} that had none.",
                dialogue::DAYS,
                dialogue::TROUBLES_KEPT / 1000,
                dialogue::ACCEPTED_KEPT
            ),
        };
        let (at, lines) = kept.unzip();
        Ok(MessageDialogueResponse {
            lines: lines.unwrap_or_default(),
            at,
            note,
        })
    })
}

/// Writes a report into a file; whole, or not at all.
pub fn export(engine: &Arc<Engine>, request: ReportExport) -> Result<ReportExportResponse> {
    judging::catch_up(engine, request.id)?;
    let moment = moment(engine);
    let path = PathBuf::from(&request.path);
    let bytes = write_whole(&path, |out| {
        engine.read(|conn| match request.format {
            ExportFormat::Csv => {
                let coverage = csv::Coverage::of(&whole(conn, request.id, moment)?);
                write(&path, out, csv::HEADER)?;
                report::each_recipient(conn, request.id, |row| {
                    write(&path, out, &csv::line(&row, &coverage))
                })
            }
            ExportFormat::Html => {
                let (report, chart) = (whole(conn, request.id, moment)?, chart(conn, request.id, moment)?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::{Bench, bench};
    use crate::domain::open::Signal;

    /// A launched campaign of 150 tracked mails, of which Apple fetched 30 and people opened 60, and 10 untracked;
    /// the listener was up for the first half of the time since.
    fn launched() -> Bench {
        let bench = bench();
        let now = bench.engine.clock.now().timestamp_millis();
        let hour = 3_600_000;
        bench
            .engine
            .write(&[], move |conn| {
                let sql = format!(
                    "INSERT INTO campaign (id, name, subject, document, created_at, updated_at, launched_at, opens_from,
                       opens_until, state)
                     VALUES (1, 'Spring', '=1+1', '{{}}', 0, 0, {now}, {now}, {now} + 720 * {hour}, 'running');
                     WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 160)
                     INSERT INTO contact (id, email, email_key, first_name, search_key, created_at, mpp_seen_at)
                     SELECT n, 'a' || n || '@example.org', 'a' || n || '@example.org',
                       CASE n WHEN 1 THEN '=cmd()' ELSE '' END, 'a' || n || '@example.org', 0,
                       CASE WHEN n BETWEEN 61 AND 90 THEN {now} END FROM n;
                     INSERT INTO message (campaign_id, contact_id, email, address_hash, state, tracking, not_tracked,
                       signal, hits, looks, machine_hits, first_open_at, accepted_at, preference_token, pixel_token)
                     SELECT 1, id, email, x'00', 'accepted', iif(id <= 150, 'personal', 'none'),
                       iif(id <= 150, NULL, 'refused'),
                       CASE WHEN id <= 60 THEN 'human' WHEN id <= 90 THEN 'machine_only' ELSE 'no_signal' END,
                       id <= 90, id <= 60, id BETWEEN 61 AND 90, iif(id <= 60, {now} + id * 60000, NULL), {now},
                       randomblob(16), randomblob(16)
                     FROM contact;
                     INSERT INTO hit (campaign_id, message_id, at, class, reason, rule_version, client_hash, new_look)
                     SELECT campaign_id, id, {now} + contact_id * 60000, iif(contact_id <= 60, 'human_direct', 'machine_prefetch'),
                       iif(contact_id <= 60, 'browser', 'apple_mpp'), 1, x'01', 1
                     FROM message WHERE contact_id <= 90;
                     INSERT INTO hourly SELECT 1, at / {hour} * {hour}, class, count(*) FROM hit GROUP BY 2, 3;
                     INSERT INTO hourly SELECT 1, first_open_at / {hour} * {hour}, 'first_open', count(*)
                       FROM message WHERE first_open_at IS NOT NULL GROUP BY 2;
                     INSERT INTO campaign_counter VALUES (1, 'not_recorded_at_request', 5);
                     INSERT INTO uptime (started_at, seen_at, ended_at) VALUES ({now}, {now}, {now} + 5 * {hour});"
                );
                conn.execute_batch(&sql).map_err(crate::store::Error::from)?;
                Ok(())
            })
            .unwrap();
        bench.clock.advance(TimeDelta::hours(10));
        bench
    }

    const ID: CampaignId = CampaignId(1);

    #[test]
    fn a_report_adds_up() {
        let bench = launched();
        let report = get(&bench.engine, ReportGet { id: ID }).unwrap();
        let parts = &report.parts;
        assert_eq!(
            (parts.accepted, parts.tracked, parts.not_tracked.total),
            (160, 150, 10)
        );
        assert_eq!(
            parts.confirmed + parts.unknown + parts.machine_only + parts.no_signal,
            parts.tracked
        );
        assert_eq!(parts.confirmed_rate, Some(60.0 / 150.0));
        assert_eq!(
            parts.upper_rate,
            Some(95.0 / 150.0),
            "with the five loads that were not recorded"
        );
        assert_eq!(
            report.estimate,
            Some(60.0 / 120.0),
            "among readers whom Apple does not hide"
        );
        assert_eq!(report.confirmed_interval, rate::wilson(60, 150));
        let [low, high] = report.interval.unwrap();
        assert!(
            low == 0.4 && 0.5 < high && high <= 95.0 / 150.0,
            "no lower than what is certain, no higher than what was counted: {low} {high}"
        );
        assert_eq!(report.reachable_share, Some(0.5));
        assert_eq!(report.counts["accepted"], 160);
        // The address of its mails led elsewhere for the third and fourth of the five hours in which the listener was up.
        bench
            .engine
            .write(&[], |conn| {
                conn.execute_batch(
                    "INSERT INTO route (id, kind, base_url, created_at) VALUES (9, 'public', 'https://news.harbour-club.eu', 0);
                     UPDATE campaign SET route_id = 9;
                     INSERT INTO reach_interval (route_id, good, from_at, until_at, ended)
                     SELECT 9, 0, opens_from + 2 * 3600000, opens_from + 4 * 3600000, 1 FROM campaign;",
                )
                .map_err(crate::store::Error::from)?;
                Ok(())
            })
            .unwrap();
        let later = get(&bench.engine, ReportGet { id: ID }).unwrap();
        assert_eq!(later.reachable_share, Some(0.3), "three of ten hours");
        let chart = series(&bench.engine, ReportSeries { id: ID }).unwrap();
        assert_eq!(chart.up.len(), 2, "and the chart shows which");
        let breaches = bench.engine.read(|conn| Ok(report::invariants(conn)?)).unwrap();
        assert_eq!(breaches, [""; 0], "and every rollup agrees with its rows");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["confirmed"], 60, "the parts stand at the top level");
        assert_eq!(
            json["not_tracked"]["refused"], 10,
            "and each reason beside the total"
        );
        assert_eq!(json["not_tracked"]["total"], 10);
    }

    #[test]
    fn a_look_is_shown_as_checked_for_as_long_as_its_verdict_may_change() {
        assert_eq!(timeline::CHECKING, crate::tracking::ingest::SETTLES_AFTER);
    }

    #[test]
    fn chart_and_table_agree_with_the_rate() {
        let bench = launched();
        let chart = series(&bench.engine, ReportSeries { id: ID }).unwrap();
        let first: u32 = chart.points.iter().map(|point| point.first_opens).sum();
        assert_eq!(first, 60, "each message is opened once");
        assert_eq!(chart.up.len(), 1);
        let by_provider = providers(&bench.engine, ReportProviders { id: ID })
            .unwrap()
            .providers;
        assert_eq!(by_provider.len(), 1);
        assert_eq!(
            (
                by_provider[0].accepted,
                by_provider[0].tracked,
                by_provider[0].confirmed
            ),
            (160, 150, 60)
        );
        let request: ReportRecipients = serde_json::from_str("{\"id\": 1, \"filter\": \"human\"}").unwrap();
        let page = recipients(&bench.engine, request).unwrap();
        assert_eq!((page.total, page.recipients.len()), (60, 60));
        let row = &page.recipients[0];
        assert_eq!(row.signal, Some(Signal::Human));
        let told = timeline(&bench.engine, MessageTimeline { id: row.message }).unwrap();
        assert_eq!(told.entries.len(), 1);
        assert!(
            told.entries[0].text.starts_with("Looked"),
            "{}",
            told.entries[0].text
        );
    }

    #[test]
    fn exports_are_written_whole_and_harmless() {
        let bench = launched();
        let path = bench.dir.path().join("report.csv");
        let export_to = |path: &Path, format| {
            let request = ReportExport {
                id: ID,
                path: path.to_str().unwrap().to_owned(),
                format,
            };
            export(&bench.engine, request)
        };
        let written = export_to(&path, ExportFormat::Csv).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written.bytes as usize, text.len());
        assert_eq!(
            text.lines().count(),
            161,
            "a header and a line for each recipient"
        );
        assert!(text.contains("\"'=cmd()\""), "no cell is run");
        let path = bench.dir.path().join("report.html");
        export_to(&path, ExportFormat::Html).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("Opened by 40 % to 63 %"), "{text}");
        assert!(!text.contains("@example.org"), "the page names no reader");
        let error = export_to(bench.dir.path(), ExportFormat::Html).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("path"));
        let error = export_to(&bench.dir.path().join("no/such/folder.csv"), ExportFormat::Csv).unwrap_err();
        assert_eq!(error.code, Code::Storage);
        let left: Vec<String> = std::fs::read_dir(bench.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".partial"))
            .collect();
        assert_eq!(left, [""; 0], "nothing half-written stays");
    }

    #[test]
    fn what_does_not_exist_is_said() {
        let bench = bench();
        let error = get(&bench.engine, ReportGet { id: ID }).unwrap_err();
        assert_eq!(error.code, Code::NotFound);
        assert_eq!(error.message, "There is no campaign 1.");
    }
}
