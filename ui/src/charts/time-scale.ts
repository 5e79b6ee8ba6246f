/** Ticks on a time axis: whole hours or days of the report's zone, few enough to be read. */
import { clockTime, offsetAt, shortDay, type Instant } from "$lib/format/time";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const STEPS = [HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY, 364 * DAY];

export interface Tick {
  at: number;
  label: string;
  /** A day's start on an axis of hours, which deserves the date. */
  isDay: boolean;
}

/** Ticks of the zone's own hours and days between two instants, `most` at the most. */
export function ticks(from: number, until: number, zone: string, most: number): Tick[] {
  const step = STEPS.find((each) => (until - from) / each <= most) ?? Math.ceil((until - from) / most / DAY) * DAY;
  const startOffset = offsetAt(from, zone);
  const found: Tick[] = [];
  // Walks local time, so that a day stays a day across a change of clocks.
  for (let local = Math.ceil((from + startOffset) / step) * step; ; local += step) {
    let at = local - startOffset;
    at = local - offsetAt(at, zone);
    if (at > until) return found;
    if (at < from) continue;
    const isDay = local % DAY === 0;
    found.push({ at, isDay, label: step >= DAY || isDay ? dayLabel(at, until, zone) : clockTime(at, zone) });
  }
}

function dayLabel(at: Instant, now: Instant, zone: string): string {
  return shortDay(at, now, zone);
}
