/** Numbers, rates and sizes as the window writes them. */

const LOCALE = "en-US";
/** U+202F: keeps a number and its unit on one line. */
const THIN = "\u202f";

const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** `1,079` */
export function count(n: number): string {
  return whole.format(n);
}

/** `1 open`, `3 opens`; the plural is the singular with an s unless given. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A fraction as `38.2 %`; what is not zero is never shown as zero, nor what is not all as all. */
export function percent(fraction: number): string {
  if (fraction > 0 && fraction < 0.0005) return `< 0.1${THIN}%`;
  if (fraction < 1 && fraction >= 0.9995) return `> 99.9${THIN}%`;
  return `${oneDigit.format(fraction * 100)}${THIN}%`;
}

/** A fraction as `38 %`, where a range or a bar already says how exact it is. */
export function roundPercent(fraction: number): string {
  return `${roundedPercent(fraction)}${THIN}%`;
}

function roundedPercent(fraction: number): string {
  if (fraction > 0 && fraction < 0.005) return "< 1";
  if (fraction < 1 && fraction >= 0.995) return "> 99";
  return whole.format(fraction * 100);
}

/** `38 – 52 %`, or `38 %` when both ends read the same. */
export function percentRange(low: number, high: number): string {
  const from = roundedPercent(low);
  const to = roundedPercent(high);
  return from === to ? `${to}${THIN}%` : `${from} – ${to}${THIN}%`;
}

/** `38.2 % (412 of 1,079)`, or `not measured` of nothing. */
export function rate(part: number, of: number): string {
  if (of === 0) return "not measured";
  return `${percent(part / of)} (${count(part)} of ${count(of)})`;
}

/** `18.2 KB`, in steps of 1,000 as mail providers count. */
export function bytes(n: number): string {
  const units = ["B", "KB", "MB", "GB"];
  let value = n;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? whole.format(value) : oneDigit.format(value)}${THIN}${units[unit] ?? ""}`;
}
