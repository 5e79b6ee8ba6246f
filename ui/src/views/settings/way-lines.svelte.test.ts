import { flushSync } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { TunnelLines } from "$lib/bindings/api";
import { connectTo, type Backend } from "$lib/backend/backend";
import { usePasteLines, type PasteLines } from "./way-lines.svelte";

/** Answers that are given when the test says so. */
const asked: { url: string; answer: () => void; refuse: () => void }[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  asked.length = 0;
  const call = (_name: string, { way }: TunnelLines): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const url = "url" in way ? (way.url ?? "") : "";
      asked.push({
        url,
        answer: () => resolve({ steps: [{ part: "caddy", title: "", place: "", text: url }] }),
        refuse: () => reject({ code: "invalid", message: `${url} is wrong`, field: "url" }),
      });
    });
  connectTo({ call } as unknown as Backend);
});

afterEach(() => {
  vi.useRealTimers();
});

/** Runs with a form in which an address is typed. */
function withForm(work: (form: { type: (url: string) => Promise<void>; lines: PasteLines }) => Promise<void>): Promise<void> {
  let url = $state("");
  let lines: PasteLines | undefined;
  const end = $effect.root(() => {
    lines = usePasteLines(() => (url === "" ? null : { way: { kind: "proxy", url } }));
  });
  const type = async (next: string): Promise<void> => {
    url = next;
    flushSync();
    await vi.advanceTimersByTimeAsync(0);
  };
  if (lines === undefined) throw new Error("the form has no lines");
  return work({ type, lines }).finally(end);
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe("lines to paste", () => {
  it("are not there, and not asked for, before there is what they are made of", () =>
    withForm(async ({ type, lines }) => {
      await type("");
      expect([lines.isWaiting, lines.of("caddy"), asked.length]).toEqual([true, undefined, 0]);
      await type("https://a");
      expect([lines.isWaiting, lines.isStale, asked.length]).toEqual([false, true, 1]);
      asked[0]?.answer();
      await settle();
      expect([lines.isStale, lines.of("caddy")?.text, lines.of("nginx")]).toEqual([false, "https://a", undefined]);
    }));

  it("are stale from the first letter on, and asked for when the typing rests", () =>
    withForm(async ({ type, lines }) => {
      await type("https://a");
      asked[0]?.answer();
      await settle();
      await type("https://ab");
      expect(lines.isStale, "nobody copies what belongs to another address").toBe(true);
      await vi.advanceTimersByTimeAsync(100);
      await type("https://abc");
      expect(asked.length, "not at every letter").toBe(1);
      await vi.advanceTimersByTimeAsync(300);
      expect(asked.map(({ url }) => url)).toEqual(["https://a", "https://abc"]);
      asked[1]?.answer();
      await settle();
      expect([lines.isStale, lines.of("caddy")?.text]).toEqual([false, "https://abc"]);
    }));

  it("come from the last form, whatever is answered last", () =>
    withForm(async ({ type, lines }) => {
      await type("https://a");
      await type("https://b");
      await vi.advanceTimersByTimeAsync(300);
      asked.at(-1)?.answer();
      await settle();
      asked[0]?.answer();
      await settle();
      expect([lines.isStale, lines.of("caddy")?.text]).toEqual([false, "https://b"]);
    }));

  it("say what is wrong until it is mended", () =>
    withForm(async ({ type, lines }) => {
      await type("http://a");
      asked[0]?.refuse();
      await settle();
      expect([lines.error?.field, lines.isStale]).toEqual(["url", true]);
      await type("https://a");
      expect(lines.error, "that was said of something else").toBeUndefined();
    }));
});
