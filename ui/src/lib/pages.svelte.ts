/**
 * A long list by pages: the rows in sight are fetched, about twenty pages are kept, the core sorts and filters.
 *
 * When the list changes, pages are fetched again behind what is shown, so that a table does not blink.
 */
import { untrack } from "svelte";
import { backend, CallError, type CommandName, type RequestOf, type ResponseOf } from "./backend/backend";
import { changedTags, tagsOf } from "./tags";

const PAGE = 200;
const MAX_PAGES = 20;

interface PageOf<Row> {
  total: number;
  rows: Row[];
}

export class Pages<Row> {
  total = $state(0);
  /** True until the first page of the first request came. */
  isLoading = $state(true);
  error = $state.raw<CallError | undefined>(undefined);
  #pages = $state.raw<ReadonlyMap<number, Row[]>>(new Map());
  readonly #fetch: (offset: number, limit: number) => Promise<PageOf<Row>>;
  readonly #wanted = new Set<number>();
  #sight: [number, number] = [0, 0];
  #generation = 0;
  #isStale = false;

  constructor(fetch: (offset: number, limit: number) => Promise<PageOf<Row>>) {
    this.#fetch = fetch;
  }

  rowAt = (index: number): Row | undefined => this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE];

  /** Names the rows in sight, so that their pages are fetched. */
  show = (first: number, last: number): void => {
    this.#sight = [Math.floor(first / PAGE), Math.floor(last / PAGE)];
    for (let page = this.#sight[0]; page <= this.#sight[1]; page += 1) {
      if (!untrack(() => this.#pages).has(page)) void this.#load(page);
    }
  };

  /**
   * Fetches the pages in sight again: `keep` shows what there is until the answers come, `anew` is another
   * question. Changes that come while answers are on the way lead to one more fetch after them: dropping the
   * answers instead would leave a table unchanged for as long as changes keep coming.
   */
  refetch(how: "keep" | "anew"): void {
    if (how === "keep" && this.#wanted.size > 0) {
      this.#isStale = true;
      return;
    }
    this.#isStale = false;
    this.#generation += 1;
    this.#wanted.clear();
    const [first, last] = how === "anew" ? [0, 0] : this.#sight;
    if (how === "keep") this.#pages = new Map([...untrack(() => this.#pages)].filter(([page]) => page >= first && page <= last));
    for (let page = first; page <= last; page += 1) void this.#load(page, how === "anew");
  }

  async #load(page: number, isAnew = false): Promise<void> {
    if (this.#wanted.has(page)) return;
    this.#wanted.add(page);
    const generation = this.#generation;
    try {
      const { total, rows } = await this.#fetch(page * PAGE, PAGE);
      if (generation !== this.#generation) return;
      this.#pages = this.#with(page, rows, isAnew ? new Map() : this.#pages);
      this.total = total;
      this.error = undefined;
    } catch (thrown) {
      if (generation === this.#generation) this.error = CallError.from(thrown);
    } finally {
      if (generation === this.#generation) this.#arrived(page);
    }
  }

  #arrived(page: number): void {
    this.#wanted.delete(page);
    this.isLoading = false;
    if (this.#wanted.size === 0 && this.#isStale) this.refetch("keep");
  }

  /** The pages with one more, without the oldest out of sight where there would be too many. */
  #with(page: number, rows: Row[], pages: ReadonlyMap<number, Row[]>): Map<number, Row[]> {
    const next = new Map(pages).set(page, rows);
    for (const old of next.keys()) {
      if (next.size <= MAX_PAGES) break;
      if (old < this.#sight[0] || old > this.#sight[1]) next.delete(old);
    }
    return next;
  }
}

/** Pages of a command while the component lives; a changed request starts anew. */
export function usePages<K extends CommandName, Row>(
  name: K,
  request: (offset: number, limit: number) => RequestOf<K>,
  read: (response: ResponseOf<K>) => PageOf<Row>,
): Pages<Row> {
  const pages = new Pages<Row>(async (offset, limit) => read(await backend.call(name, request(offset, limit))));
  const question = $derived(JSON.stringify(request(0, PAGE)));
  $effect(() => {
    void question;
    untrack(() => pages.refetch("anew"));
  });
  $effect(() =>
    backend.onEvent((event) => {
      const changed = changedTags(event);
      const tags = tagsOf(name, null);
      if (changed?.some((tag) => tags.includes(tag))) pages.refetch("keep");
    }),
  );
  return pages;
}
