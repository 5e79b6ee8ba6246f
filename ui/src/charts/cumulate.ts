/** Sums over time and the hours of the day, for the small charts. */

export interface Sum {
  at: number;
  sum: number;
}

/** The running sum at the end of each point, from `from` on and held until `until`. */
export function cumulate(
  points: readonly { at: number; opens: number }[],
  from: number,
  until: number,
  step: number,
): Sum[] {
  let sum = 0;
  const sums: Sum[] = [{ at: from, sum: 0 }];
  for (const point of points) {
    if (point.opens === 0) continue;
    sum += point.opens;
    sums.push({ at: Math.min(until, point.at + step), sum });
  }
  if (sum > 0) sums.push({ at: until, sum });
  return sums;
}

/** The first instant by which at least half of the last sum had come; null of nothing. */
export function halfway(sums: readonly Sum[]): number | null {
  const total = sums.at(-1)?.sum ?? 0;
  if (total === 0) return null;
  return sums.find((each) => each.sum * 2 >= total)?.at ?? null;
}

/** Opens by hour of the day, 24 of them, given the hour of an instant. */
export function byHour(
  points: readonly { at: number; opens: number }[],
  hourOf: (at: number) => number,
): number[] {
  const hours = new Array<number>(24).fill(0);
  for (const point of points) {
    const hour = hourOf(point.at);
    hours[hour] = (hours[hour] ?? 0) + point.opens;
  }
  return hours;
}
