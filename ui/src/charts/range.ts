/**
 * The range of an open rate as figures: what the bar draws and what its words say.
 *
 * The core counts and divides; here figures only become shares of the bar and sentences.
 */
import { MARKS, PARTS, type Mark } from "$components/marks";
import { count, percentRange, roundPercent } from "$lib/format/number";

export interface RangeFigures {
  /** Messages by what their pixel told; the four add up to `tracked`. */
  parts: Record<(typeof PARTS)[number], number>;
  tracked: number;
  accepted: number;
  /** Confirmed ÷ tracked; null where nothing was tracked. */
  low: number | null;
  /** Could be up to; null where nothing was tracked. */
  high: number | null;
  likely: number | null;
  /** Share of the window in which the listener could be reached; null where nobody knows. */
  reachableShare: number | null;
}

export interface RangePart {
  mark: Mark;
  count: number;
  /** Start and width on the bar, fractions of it. */
  from: number;
  share: number;
  /** "410 confirmed" */
  words: string;
}

/** Lays the parts one after the other, in the order of evidence. Without measured messages there are none. */
export function layRange(figures: RangeFigures): RangePart[] {
  const { parts, tracked } = figures;
  if (tracked === 0) return [];
  let before = 0;
  return PARTS.map((mark) => {
    const n = parts[mark];
    const part = { mark, count: n, from: before / tracked, share: n / tracked, words: `${count(n)} ${MARKS[mark].part}` };
    before += n;
    return part;
  });
}

/** `38 – 52 %`, or null where nothing was measured. */
export function rangeWords(figures: RangeFigures): string | null {
  const { low, high } = figures;
  return low === null || high === null ? null : percentRange(low, high);
}

/** The whole range in one sentence, for those who hear it. */
export function rangeSentence(figures: RangeFigures): string {
  const words = rangeWords(figures);
  if (words === null) return "Not measured.";
  const likely = figures.likely === null ? "" : `, likely ${roundPercent(figures.likely)}`;
  const parts = layRange(figures).map((part) => part.words).join(", ");
  return `Opened by ${words}${likely}: ${parts}; ${coverageWords(figures)}.`;
}

/** `1,079 could be measured of 1,204 accepted · address reachable 97 % of the window` */
export function coverageWords(figures: RangeFigures): string {
  const measured = `${count(figures.tracked)} could be measured of ${count(figures.accepted)} accepted`;
  if (figures.reachableShare === null) return measured;
  return `${measured} · address reachable ${roundPercent(figures.reachableShare)} of the window`;
}
