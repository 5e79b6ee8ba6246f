//! Looks over time, and for how much of the window anybody could be seen.

use crate::api::{ReportSeriesResponse, SeriesPoint};
use crate::clock::{Instant, from_millis, to_millis};
use crate::domain::open::{HitClass, Signal};
use crate::domain::window::Window;
use chrono::TimeDelta;
use std::collections::BTreeMap;

const HOUR_MILLIS: i64 = 3_600_000;
/// A chart has no more points than pixels that can be told apart.
const MOST_POINTS: i64 = 500;
/// Lengths of a point, in hours, that people can read off an axis.
const HOURS: [i64; 7] = [1, 2, 3, 6, 12, 24, 48];

/// What the chart of a campaign is made from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Hourly counts: the hour's first instant, its class as `hourly` keeps it, how many.
    pub hourly: Vec<(Instant, String, u32)>,
    /// Where the loads of the shared pixel are the campaign's only ones, they are the chart.
    pub shows_shared: bool,
    /// Intervals in which the listener was up.
    pub up: Vec<[Instant; 2]>,
    /// The window; `None` before launch.
    pub window: Option<Window>,
    /// When it was launched.
    pub launched_at: Option<Instant>,
}

/// Makes the chart as of `now`. Without a launch it has no span and no points.
pub fn series(source: &Source, now: Instant) -> ReportSeriesResponse {
    let Some([from, until]) = span(source, now) else {
        return ReportSeriesResponse {
            minutes: 60,
            points: Vec::new(),
            up: Vec::new(),
            window: source.window,
            span: None,
        };
    };
    let hours = (until - from).num_hours() + 1;
    let step = HOURS
        .into_iter()
        .find(|step| hours / step < MOST_POINTS)
        .unwrap_or(hours / MOST_POINTS + 1);
    let mut points: BTreeMap<i64, SeriesPoint> = BTreeMap::new();
    let begin = to_millis(from) - to_millis(from).rem_euclid(HOUR_MILLIS);
    let step_millis = step * HOUR_MILLIS;
    for (hour, class, n) in &source.hourly {
        let index = (to_millis(*hour) - begin).div_euclid(step_millis);
        let at = begin + index * step_millis;
        let point = points.entry(at).or_insert_with(|| empty(from_millis(at)));
        add(point, class, *n, source.shows_shared);
    }
    let mut points: Vec<SeriesPoint> = points.into_values().collect();
    points
        .retain(|point| point.first_opens + point.human + point.unknown + point.machine + point.outside > 0);
    ReportSeriesResponse {
        minutes: u32::try_from(step * 60).unwrap_or(u32::MAX),
        points,
        up: cut(&source.up, from, until),
        window: source.window,
        span: Some([from, until]),
    }
}

/// From launch or window's beginning to now or its end, and as far as anything happened.
fn span(source: &Source, now: Instant) -> Option<[Instant; 2]> {
    let (launched, window) = (source.launched_at?, source.window?);
    let first = source.hourly.iter().map(|(hour, ..)| *hour).min();
    let last = source
        .hourly
        .iter()
        .map(|(hour, ..)| *hour + TimeDelta::hours(1))
        .max();
    let from = launched.min(window.opens_from).min(first.unwrap_or(launched));
    let until = window.opens_until.min(now.max(launched + TimeDelta::hours(1)));
    Some([from, until.max(last.unwrap_or(until))])
}

fn empty(at: Instant) -> SeriesPoint {
    SeriesPoint {
        at,
        first_opens: 0,
        human: 0,
        unknown: 0,
        machine: 0,
        outside: 0,
    }
}

fn add(point: &mut SeriesPoint, class: &str, n: u32, shows_shared: bool) {
    match class {
        "first_open" => return point.first_opens += n,
        "outside" => return point.outside += n,
        _ => {}
    }
    let class = match class.strip_prefix("shared:") {
        Some(class) if shows_shared => class,
        Some(_) => return,
        None => class,
    };
    // A class of a newer version is in no column that this one has.
    let Ok(class) = class.parse::<HitClass>() else {
        return;
    };
    match Signal::of(class) {
        Signal::Human => point.human += n,
        Signal::Unknown => point.unknown += n,
        Signal::MachineOnly | Signal::None => point.machine += n,
    }
}

/// Cuts intervals to `[from, until]`, in order and without overlaps.
fn cut(intervals: &[[Instant; 2]], from: Instant, until: Instant) -> Vec<[Instant; 2]> {
    let mut sorted: Vec<[Instant; 2]> = intervals
        .iter()
        .map(|[start, end]| [(*start).max(from), (*end).min(until)])
        .filter(|[start, end]| start < end)
        .collect();
    sorted.sort();
    let mut out: Vec<[Instant; 2]> = Vec::new();
    for [start, end] in sorted {
        match out.last_mut() {
            Some(last) if start <= last[1] => last[1] = last[1].max(end),
            _ => out.push([start, end]),
        }
    }
    out
}

/// Returns `intervals` without the parts that lie in `gaps`; neither needs to be in order or without overlaps.
pub fn without(intervals: Vec<[Instant; 2]>, gaps: &[[Instant; 2]]) -> Vec<[Instant; 2]> {
    gaps.iter()
        .filter(|[from, until]| from < until)
        .fold(intervals, |intervals, [from, until]| {
            intervals
                .into_iter()
                .flat_map(|[start, end]| [[start, end.min(*from)], [start.max(*until), end]])
                .filter(|[start, end]| start < end)
                .collect()
        })
}

/// Returns the share of the window up to `now` in which the listener was up; `None` before the window opens.
pub fn reachable_share(up: &[[Instant; 2]], window: Option<Window>, now: Instant) -> Option<f64> {
    let window = window?;
    let until = window.opens_until.min(now);
    let length = (until - window.opens_from).num_milliseconds();
    if length <= 0 {
        return None;
    }
    let covered: i64 = cut(up, window.opens_from, until)
        .iter()
        .map(|[start, end]| (*end - *start).num_milliseconds())
        .sum();
    Some(covered as f64 / length as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        format!("2026-04-{text}:00Z").parse().unwrap()
    }

    fn source() -> Source {
        Source {
            window: Some(Window {
                opens_from: at("01T08:30"),
                opens_until: at("03T08:30"),
            }),
            launched_at: Some(at("01T08:30")),
            ..Source::default()
        }
    }

    #[test]
    fn counts_fall_into_their_hour_and_their_kind() {
        let count = |class: &str, n| (at("01T09:00"), class.to_owned(), n);
        let source = Source {
            hourly: vec![
                count("human_direct", 1),
                count("human_proxy", 2),
                count("unknown", 3),
                count("scanner", 4),
                count("machine_prefetch", 5),
                count("first_open", 2),
                count("outside", 6),
                count("shared:human_direct", 99),
            ],
            ..source()
        };
        let chart = series(&source, at("02T10:00"));
        let point = &chart.points[0];
        assert_eq!(
            (chart.minutes, chart.points.len(), point.at),
            (60, 1, at("01T09:00"))
        );
        assert_eq!(
            (
                point.human,
                point.unknown,
                point.machine,
                point.first_opens,
                point.outside
            ),
            (3, 3, 9, 2, 6),
            "loads of the shared pixel are no looks of a person"
        );
        assert_eq!(chart.span, Some([at("01T08:30"), at("02T10:00")]));
        let shared = Source {
            shows_shared: true,
            ..source.clone()
        };
        assert_eq!(series(&shared, at("02T10:00")).points[0].human, 102);
    }

    #[test]
    fn a_chart_never_has_more_than_five_hundred_points() {
        for days in [1, 20, 30, 90, 400] {
            let until = at("01T08:30") + TimeDelta::days(days);
            let hourly = (0..days * 24)
                .map(|hour| {
                    (
                        at("01T08:00") + TimeDelta::hours(hour),
                        "human_direct".to_owned(),
                        1,
                    )
                })
                .collect();
            let window = Window {
                opens_from: at("01T08:30"),
                opens_until: until,
            };
            let source = Source {
                hourly,
                window: Some(window),
                ..source()
            };
            let chart = series(&source, until);
            assert!(chart.points.len() <= 500, "{days} days: {}", chart.points.len());
            let total: u32 = chart.points.iter().map(|point| point.human).sum();
            assert_eq!(
                i64::from(total),
                days * 24,
                "no look is lost by drawing it coarser"
            );
        }
    }

    #[test]
    fn gaps_are_taken_out_of_intervals() {
        let of = |pairs: &[(i64, i64)]| -> Vec<[Instant; 2]> {
            let hour = |n| at("01T00:00") + TimeDelta::hours(n);
            pairs
                .iter()
                .map(|(start, end)| [hour(*start), hour(*end)])
                .collect()
        };
        for (up, gaps, left) in [
            (&[(0, 10)][..], &[][..], &[(0, 10)][..]),
            (&[(0, 10)], &[(2, 4)], &[(0, 2), (4, 10)]),
            (&[(0, 10)], &[(2, 4), (3, 6)], &[(0, 2), (6, 10)]),
            (&[(0, 10)], &[(0, 3)], &[(3, 10)]),
            (&[(0, 10)], &[(8, 30)], &[(0, 8)]),
            (&[(0, 10)], &[(0, 10)], &[]),
            (&[(0, 10)], &[(20, 30)], &[(0, 10)]),
            (&[(0, 10)], &[(5, 5)], &[(0, 10)]),
            (&[(0, 2), (4, 6), (8, 10)], &[(1, 9)], &[(0, 1), (9, 10)]),
        ] {
            let mut found = without(of(up), &of(gaps));
            found.sort();
            assert_eq!(found, of(left), "{up:?} without {gaps:?}");
        }
    }

    #[test]
    fn before_the_launch_there_is_nothing_to_draw() {
        let chart = series(&Source::default(), at("01T00:00"));
        assert_eq!((chart.span, chart.points.len()), (None, 0));
    }

    #[test]
    fn reachability_is_the_share_of_the_window_so_far() {
        let up = [
            [at("01T00:00"), at("01T20:30")],
            [at("01T10:00"), at("01T12:00")],
            [at("02T08:00"), at("09T00:00")],
        ];
        let window = source().window;
        let share = |now| reachable_share(&up, window, now);
        assert_eq!(share(at("01T08:30")), None, "the window has just opened");
        assert_eq!(share(at("01T12:30")), Some(1.0), "overlaps count once");
        assert_eq!(share(at("02T08:30")), Some(12.5 / 24.0));
        assert_eq!(
            share(at("09T00:00")),
            Some(36.5 / 48.0),
            "what lies behind the window does not count"
        );
        assert_eq!(reachable_share(&[], None, at("01T12:30")), None);
    }
}
