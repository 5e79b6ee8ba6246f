/** Dates, times and durations as the window writes them. Instants come as UTC milliseconds or RFC 3339 text. */

export type Instant = number | string | Date;

/** The zone of this computer, such as `Europe/Berlin`. */
export function localZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function date(at: Instant): Date {
  return at instanceof Date ? at : new Date(at);
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  const known = formats.get(key);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
  formats.set(key, made);
  return made;
}

/** `09:02` or `09:02:11` */
export function clockTime(at: Instant, zone = localZone(), precision: "minutes" | "seconds" = "minutes"): string {
  const second = precision === "seconds" ? ({ second: "2-digit" } as const) : {};
  return format(zone, { hour: "2-digit", minute: "2-digit", ...second }).format(date(at));
}

/** `Thu 12 Mar 2026` */
export function day(at: Instant, zone = localZone()): string {
  return format(zone, { weekday: "short", day: "numeric", month: "short", year: "numeric" })
    .format(date(at))
    .replaceAll(",", "");
}

/** `12 Mar`, with the year when it is not that of `now`. */
export function shortDay(at: Instant, now: Instant, zone = localZone()): string {
  const year = format(zone, { year: "numeric" });
  const options: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };
  if (year.format(date(at)) !== year.format(date(now))) options.year = "numeric";
  return format(zone, options).format(date(at));
}

/** `12 Mar 2026, 09:02` */
export function dateTime(at: Instant, zone = localZone()): string {
  return `${format(zone, { day: "numeric", month: "short", year: "numeric" }).format(date(at))}, ${clockTime(at, zone)}`;
}

/** `12 Mar 2026, 09:02 GMT+1`: where an instant is compared across places. */
export function dateTimeZone(at: Instant, zone = localZone()): string {
  return `${dateTime(at, zone)} ${zoneName(at, zone)}`;
}

/** `GMT+1`, `UTC` */
export function zoneName(at: Instant, zone: string): string {
  const part = format(zone, { timeZoneName: "short" })
    .formatToParts(date(at))
    .find((each) => each.type === "timeZoneName");
  return part?.value ?? zone;
}

/** `CET, Europe/Berlin`; a zone that is its own name is said once. */
export function zoneWords(at: Instant, zone: string): string {
  const name = zoneName(at, zone);
  return zone === name || zone === `Etc/${name}` ? name : `${name}, ${zone.replaceAll("_", " ")}`;
}

/** Today `09:02`, this week `Thu 09:02`, else `12 Mar`. For lists, where the row's title holds the full date. */
export function recent(at: Instant, now: Instant, zone = localZone()): string {
  if (sameDay(at, now, zone)) return clockTime(at, zone);
  const age = date(now).getTime() - date(at).getTime();
  if (age >= 0 && age < 6 * DAY) return `${format(zone, { weekday: "short" }).format(date(at))} ${clockTime(at, zone)}`;
  return shortDay(at, now, zone);
}

export function sameDay(a: Instant, b: Instant, zone = localZone()): boolean {
  const key = format(zone, { year: "numeric", month: "2-digit", day: "2-digit" });
  return key.format(date(a)) === key.format(date(b));
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `48 s`, `25 min`, `2 h 45 min`, `3 d 4 h`: two units at most, rounded down. */
export function duration(ms: number): string {
  const span = Math.max(0, ms);
  if (span < SECOND) return "under 1 s";
  if (span < MINUTE) return `${Math.floor(span / SECOND)} s`;
  if (span < HOUR) return `${Math.floor(span / MINUTE)} min`;
  if (span < DAY) return two(Math.floor(span / HOUR), "h", Math.floor((span % HOUR) / MINUTE), "min");
  return two(Math.floor(span / DAY), "d", Math.floor((span % DAY) / HOUR), "h");
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** `just now`, `4 min ago`, `in 2 h`. */
export function ago(at: Instant, now: Instant): string {
  const age = date(now).getTime() - date(at).getTime();
  if (Math.abs(age) < 10 * SECOND) return "just now";
  return age > 0 ? `${coarse(age)} ago` : `in ${coarse(-age)}`;
}

function coarse(span: number): string {
  if (span < MINUTE) return `${Math.floor(span / SECOND)} s`;
  if (span < HOUR) return `${Math.floor(span / MINUTE)} min`;
  if (span < DAY) return `${Math.floor(span / HOUR)} h`;
  const days = Math.floor(span / DAY);
  return days === 1 ? "1 day" : `${days} days`;
}

/** Offset of the zone at an instant, in milliseconds: local = UTC + offset. */
export function offsetAt(at: number, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(at);
  const part = (type: string): number => Number(parts.find((each) => each.type === type)?.value ?? 0);
  const local = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  return local - Math.floor(at / 1000) * 1000;
}

/** `2026-03-12T09:02`, the local time of the zone, for `<input type="datetime-local">`. */
export function localInput(at: string, zone: string): string {
  const instant = Date.parse(at);
  return new Date(instant + offsetAt(instant, zone)).toISOString().slice(0, 16);
}

/** Keeps numbers and their units on one line: `25 s after delivery`. */
export function keepUnits(text: string): string {
  return text.replaceAll(/(\d) (?=(?:s|min|h|days?|%)\b)/g, "$1\u00a0");
}
