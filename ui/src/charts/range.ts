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
  /** The estimate; null where it has no ground to stand on. */
  likely: number | null;
  /** From where to where the estimate may lie; null exactly where the estimate is. */
  likelyWithin: [number, number] | null;
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

/** Lays the parts one after the other, in the order of evidence. Where nothing was measured there are none. */
export function layRange(figures: RangeFigures): RangePart[] {
  const { parts, tracked } = figures;
  if (tracked === 0 || figures.low === null) return [];
  let before = 0;
  return PARTS.map((mark) => {
    const n = parts[mark];
    const part = { mark, count: n, from: before / tracked, share: n / tracked, words: `${count(n)} ${MARKS[mark].part}` };
    before += n;
    return part;
  });
}

/**
 * The range as a headline: `Opened by` and `38 – 52 %`. Null where nothing was measured.
 *
 * Where both ends meet it says "at least", because people with images off are in no part, and where nothing
 * came it says that nothing was seen: 0 % would be read as "nobody opened it".
 */
export function rangeWords(figures: RangeFigures): { lead: string; strong: string } | null {
  const { low, high } = figures;
  if (low === null || high === null) return null;
  if (high === 0) return { lead: "", strong: "No opens seen" };
  const range = percentRange(low, high);
  const meets = !range.includes(" – ") && low < 1;
  return { lead: "Opened by", strong: meets ? `at least ${range}` : range };
}

/** What stands beside every estimate, word for word as in the core. */
export const ASSUMPTION = "Estimate: assumes Apple-privacy readers behave like the others. It cannot be checked.";

/** `likely 41 % (39 – 47 %)`; null where nothing can be estimated. */
export function likelyWords(figures: RangeFigures): string | null {
  const { likely, likelyWithin } = figures;
  if (likely === null || likelyWithin === null) return null;
  return `likely ${roundPercent(likely)} (${percentRange(...likelyWithin)})`;
}

/** The whole range in one sentence, for those who hear it. */
export function rangeSentence(figures: RangeFigures): string {
  const words = rangeWords(figures);
  if (words === null) return "Not measured.";
  const estimate = likelyWords(figures);
  const likely = estimate === null ? "" : `, ${estimate}`;
  const parts = layRange(figures).map((part) => part.words).join(", ");
  return `${`${words.lead} ${words.strong}`.trim()}${likely}: ${parts}; ${coverageWords(figures)}.`;
}

/** `1,079 could be measured of 1,204 accepted · address reachable 97 % of the window` */
export function coverageWords(figures: RangeFigures): string {
  const measured = `${count(figures.tracked)} could be measured of ${count(figures.accepted)} accepted`;
  if (figures.reachableShare === null) return measured;
  return `${measured} · address reachable ${roundPercent(figures.reachableShare)} of the window`;
}
