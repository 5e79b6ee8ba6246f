/** The series as the charts take it: its axis, and when nobody could reach the listener. */
import type { ReportSeriesResponse } from "$lib/bindings/api";

/** The listener is noted as up about once a minute: a shorter gap is no outage. */
const MIN_OUTAGE_MS = 2 * 60_000;

export interface Axis {
  from: number;
  until: number;
  windowFrom: number;
  windowUntil: number;
}

/**
 * The chart's axis in UTC milliseconds, or null where there is nothing to draw on.
 *
 * It holds its points whole: a launch at 9:20 begins an axis at 9:00.
 */
export function axisOf(series: Pick<ReportSeriesResponse, "span" | "window" | "minutes">): Axis | null {
  if (series.span === null) return null;
  const step = series.minutes * 60_000;
  const from = Math.floor(Date.parse(series.span[0]) / step) * step;
  const until = Math.max(from + step, Math.ceil(Date.parse(series.span[1]) / step) * step);
  const { window } = series;
  return {
    from,
    until,
    windowFrom: window === null ? from : Date.parse(window.opens_from),
    windowUntil: window === null ? until : Date.parse(window.opens_until),
  };
}

/** The gaps between the intervals in which the listener was up, within the window and up to now. */
export function outagesOf(
  series: Pick<ReportSeriesResponse, "span" | "window" | "minutes" | "up">,
  now: number,
): { from: number; until: number }[] {
  const axis = axisOf(series);
  if (axis === null) return [];
  const end = Math.min(axis.until, axis.windowUntil, now);
  const gaps: { from: number; until: number }[] = [];
  let reached = Math.max(axis.from, axis.windowFrom);
  const up = series.up.map(([from, until]) => [Date.parse(from), Date.parse(until)] as const).sort(([a], [b]) => a - b);
  for (const [from, until] of up) {
    if (from > reached && reached < end) gaps.push({ from: reached, until: Math.min(from, end) });
    reached = Math.max(reached, until);
  }
  if (reached < end) gaps.push({ from: reached, until: end });
  return gaps.filter((gap) => gap.until - gap.from >= MIN_OUTAGE_MS);
}
