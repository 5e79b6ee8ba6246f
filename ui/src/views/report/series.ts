/** The series as the charts take it: its axis, and when nobody could reach the listener. */
import type { ReportSeriesResponse } from "$lib/bindings/api";

export interface Axis {
  from: number;
  until: number;
  windowFrom: number;
  windowUntil: number;
}

/** The chart's axis in UTC milliseconds, or null where there is nothing to draw on. */
export function axisOf(series: Pick<ReportSeriesResponse, "span" | "window">): Axis | null {
  if (series.span === null) return null;
  const from = Date.parse(series.span[0]);
  const until = Date.parse(series.span[1]);
  const { window } = series;
  return {
    from,
    until,
    windowFrom: window === null ? from : Date.parse(window.opens_from),
    windowUntil: window === null ? until : Date.parse(window.opens_until),
  };
}

/** The gaps between the intervals in which the listener was up, within the window and up to the chart's end. */
export function outagesOf(series: Pick<ReportSeriesResponse, "span" | "window" | "up">): { from: number; until: number }[] {
  const axis = axisOf(series);
  if (axis === null) return [];
  const end = Math.min(axis.until, axis.windowUntil);
  const gaps: { from: number; until: number }[] = [];
  let reached = Math.max(axis.from, axis.windowFrom);
  const up = series.up.map(([from, until]) => [Date.parse(from), Date.parse(until)] as const).sort(([a], [b]) => a - b);
  for (const [from, until] of up) {
    if (from > reached && reached < end) gaps.push({ from: reached, until: Math.min(from, end) });
    reached = Math.max(reached, until);
  }
  if (reached < end) gaps.push({ from: reached, until: end });
  return gaps;
}
