/**
 * What the window has read from the core, keyed by command and arguments.
 *
 * A view names what it shows; the cache fetches it once for all who ask, keeps it while someone shows
 * it, and fetches it again when the core announces that one of its tags changed. Nothing else refetches.
 */
import { untrack } from "svelte";
import { backend, CallError, type CommandName, type RequestOf, type ResponseOf } from "./backend/backend";
import { changedTags, tagsOf } from "./tags";

type TagsOf = (name: string, request: unknown) => readonly string[];

/** Entries that nobody shows are kept this many deep, so that Back is instant. */
const MAX_IDLE_ENTRIES = 40;

export class Entry<T> {
  data = $state.raw<T | undefined>(undefined);
  error = $state.raw<CallError | undefined>(undefined);
  isFetching = $state(false);
  users = 0;
  #isStale = true;
  readonly #fetch: () => Promise<T>;
  readonly tags: readonly string[];

  constructor(fetch: () => Promise<T>, tags: readonly string[]) {
    this.#fetch = fetch;
    this.tags = tags;
  }

  acquire(): void {
    this.users += 1;
    if (this.#isStale) void this.refetch();
  }

  release(): void {
    this.users -= 1;
  }

  /** Marks the entry as out of date; what is shown is fetched again at once. */
  invalidate(): void {
    this.#isStale = true;
    if (this.users > 0) void this.refetch();
  }

  /** Fetches; a change announced meanwhile leads to one more fetch, never to two at a time. */
  async refetch(): Promise<void> {
    if (this.isFetching) return;
    this.isFetching = true;
    do {
      this.#isStale = false;
      try {
        this.data = await this.#fetch();
        this.error = undefined;
      } catch (thrown) {
        this.error = CallError.from(thrown);
      }
    } while (this.#isStale && this.users > 0);
    this.isFetching = false;
  }
}

export class QueryCache {
  readonly #entries = new Map<string, Entry<unknown>>();
  readonly #tagsOf: TagsOf;

  constructor(tagsOf: TagsOf) {
    this.#tagsOf = tagsOf;
  }

  entry<T>(name: string, request: unknown, fetch: () => Promise<T>): Entry<T> {
    const key = `${name} ${JSON.stringify(request)}`;
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known as Entry<T>;
    }
    const made = new Entry<T>(fetch, this.#tagsOf(name, request));
    this.#entries.set(key, made as Entry<unknown>);
    this.#forgetIdle();
    return made;
  }

  /** Refetches what is shown under any of the tags, and marks the rest as out of date. */
  invalidate(tags: Iterable<string>): void {
    const changed = new Set(tags);
    for (const entry of this.#entries.values()) {
      // A read that names no tags could depend on anything.
      if (entry.tags.length === 0 || entry.tags.some((tag) => changed.has(tag))) entry.invalidate();
    }
  }

  #forgetIdle(): void {
    const idle = [...this.#entries].filter(([, entry]) => entry.users === 0 && !entry.isFetching);
    for (const [key] of idle.slice(0, Math.max(0, idle.length - MAX_IDLE_ENTRIES))) this.#entries.delete(key);
  }
}

export interface Query<T> {
  readonly data: T | undefined;
  readonly error: CallError | undefined;
  /** True only until the first answer: refetches happen behind what is shown. */
  readonly isLoading: boolean;
  readonly isFetching: boolean;
  retry(): void;
}

const cache = new QueryCache(tagsOf);

/** Follows the core's announcements from now on. Called once, by the frame. */
export function followChanges(): () => void {
  return backend.onEvent((event) => {
    const tags = changedTags(event);
    if (tags !== null) cache.invalidate(tags);
  });
}

/** Refetches by tag without an announcement, as after an optimistic change that failed. */
export function invalidate(tags: Iterable<string>): void {
  cache.invalidate(tags);
}

/**
 * Reads a command while the component lives. A request of null reads nothing.
 *
 * When the request changes, the last answer stays in `data` until the next one is there, so that a
 * table does not flash while one types into its search.
 */
export function useQuery<K extends CommandName>(name: K, request: () => RequestOf<K> | null): Query<ResponseOf<K>> {
  const wanted = $derived(JSON.stringify(request()));
  const entry = $derived.by(() => {
    const given = JSON.parse(wanted) as RequestOf<K> | null;
    if (given === null) return null;
    return cache.entry<ResponseOf<K>>(name, given, () => backend.call(name, given));
  });
  let last: ResponseOf<K> | undefined;

  $effect(() => {
    const shown = entry;
    if (shown === null) return;
    untrack(() => shown.acquire());
    return () => shown.release();
  });

  return {
    get data() {
      const data = entry?.data;
      if (data !== undefined) last = data;
      return entry === null ? undefined : (data ?? last);
    },
    get error() {
      return entry?.error;
    },
    get isLoading() {
      return entry !== null && entry.data === undefined && entry.error === undefined;
    },
    get isFetching() {
      return entry?.isFetching ?? false;
    },
    retry() {
      void entry?.refetch();
    },
  };
}
