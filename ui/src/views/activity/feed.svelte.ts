/** The live feed: the newest rows come by themselves, older ones when asked, and what one reads stays put. */
import { untrack } from "svelte";
import type { ActivityRow } from "$lib/bindings/api";
import { counted } from "$lib/format/number";
import { day, sameDay } from "$lib/format/time";
import { backend, CallError } from "$lib/backend/backend";
import { useQuery } from "$lib/query.svelte";

const PAGE = 100;
const FRESH_MS = 3_000;

export interface Feed {
  readonly rows: ActivityRow[];
  /** Rows that came while the reader was away from the top. */
  readonly waiting: number;
  readonly hasMore: boolean;
  readonly isLoaded: boolean;
  readonly isFetchingMore: boolean;
  readonly error: CallError | undefined;
  /** For screen readers: what just came. */
  readonly announcement: string;
  isFresh(row: ActivityRow): boolean;
  hold(isAway: boolean): void;
  more(): Promise<void>;
}

/** Joins newest and older rows without repeats, newest first. */
export function joinRows(newest: readonly ActivityRow[], older: readonly ActivityRow[]): ActivityRow[] {
  const oldestNew = newest.at(-1)?.id ?? Number.POSITIVE_INFINITY;
  return [...newest, ...older.filter((row) => row.id < oldestNew)];
}

export interface DayOf {
  /** Tells a day from the same day that came before it in the feed. */
  key: string;
  /** The first row's instant. */
  at: string;
  rows: ActivityRow[];
}

/**
 * Rows under their days, in the order in which they came.
 *
 * A day may stand twice: what waited in the spool comes late, with the time at which it happened.
 */
export function byDay(rows: readonly ActivityRow[], zone?: string): DayOf[] {
  const found: DayOf[] = [];
  const seen = new Map<string, number>();
  let before: string | null = null;
  for (const row of rows) {
    if (before === null || !sameDay(before, row.at, zone)) {
      const name = day(row.at, zone);
      const times = (seen.get(name) ?? 0) + 1;
      seen.set(name, times);
      found.push({ key: `${name} ${times}`, at: row.at, rows: [] });
    }
    found.at(-1)?.rows.push(row);
    before = row.at;
  }
  return found;
}

export function useActivity(): Feed {
  const query = useQuery("activity_list", () => ({ limit: PAGE }));
  let known = $state.raw<ActivityRow[]>([]);
  let isFetchingMore = $state(false);
  let hasMore = $state(false);
  let failure = $state.raw<CallError | undefined>();
  let isHeld = $state(false);
  let heldAt = $state(0);
  let firstSeen = Number.POSITIVE_INFINITY;
  const freshUntil = new Map<number, number>();
  let announcement = $state("");

  $effect(() => {
    const newest = query.data?.rows;
    if (newest === undefined) return;
    if (firstSeen === Number.POSITIVE_INFINITY) {
      hasMore = newest.length === PAGE;
      firstSeen = newest[0]?.id ?? 0;
    } else {
      const before = untrack(() => known[0]?.id ?? 0);
      const came = newest.filter((row) => row.id > before);
      for (const row of came) freshUntil.set(row.id, Date.now() + FRESH_MS);
      const first = came[0];
      if (first !== undefined) announcement = came.length === 1 ? first.text : counted(came.length, "new row");
    }
    known = joinRows(newest, untrack(() => known));
  });

  return {
    get rows() {
      return isHeld ? known.filter((row) => row.id <= heldAt) : known;
    },
    get waiting() {
      return isHeld ? known.filter((row) => row.id > heldAt).length : 0;
    },
    get hasMore() {
      return hasMore;
    },
    get isLoaded() {
      return query.data !== undefined;
    },
    get isFetchingMore() {
      return isFetchingMore;
    },
    get error() {
      return failure ?? query.error;
    },
    get announcement() {
      return announcement;
    },
    isFresh: (row) => (freshUntil.get(row.id) ?? 0) > Date.now(),
    hold(isAway) {
      if (isAway && !isHeld) heldAt = known[0]?.id ?? 0;
      isHeld = isAway;
    },
    async more() {
      const last = known.at(-1);
      if (last === undefined) return;
      isFetchingMore = true;
      try {
        const { rows } = await backend.call("activity_list", { before: last.id, limit: PAGE });
        known = [...known, ...rows];
        hasMore = rows.length === PAGE;
        failure = undefined;
      } catch (thrown) {
        failure = CallError.from(thrown);
      }
      isFetchingMore = false;
    },
  };
}
