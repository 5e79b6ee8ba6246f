import { describe, expect, it } from "vitest";
import { Pages } from "./pages.svelte";

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** A list of `total` numbers; each answer waits until it is let go. */
function list(total: number) {
  const waiting: (() => void)[] = [];
  const asked: number[] = [];
  let add = 0;
  const pages = new Pages<number>(async (offset, limit) => {
    asked.push(offset);
    await new Promise<void>((resolve) => waiting.push(resolve));
    const rows = Array.from({ length: Math.max(0, Math.min(limit, total - offset)) }, (_, at) => offset + at + add);
    return { total, rows };
  });
  const answer = async (): Promise<void> => {
    for (const resolve of waiting.splice(0)) resolve();
    await settle();
  };
  return { pages, asked, answer, change: () => (add += 1) };
}

describe("pages", () => {
  it("fetches what is in sight, each page once", async () => {
    const { pages, asked, answer } = list(200_000);
    pages.refetch("anew");
    pages.show(190, 230);
    pages.show(195, 235);
    await answer();
    expect(asked).toEqual([0, 200]);
    expect(pages.rowAt(201)).toBe(201);
    expect(pages.rowAt(5_000), "a row out of sight is not there yet").toBeUndefined();
    expect(pages.total).toBe(200_000);
  });

  it("keeps showing what it had while it fetches again", async () => {
    const { pages, answer, change } = list(300);
    pages.refetch("anew");
    await answer();
    change();
    pages.refetch("keep");
    expect(pages.rowAt(7)).toBe(7);
    await answer();
    expect(pages.rowAt(7)).toBe(8);
  });

  it("shows answers even when changes keep coming", async () => {
    const { pages, asked, answer, change } = list(300);
    pages.refetch("anew");
    await answer();
    change();
    pages.refetch("keep");
    pages.refetch("keep");
    pages.refetch("keep");
    await answer();
    expect(pages.rowAt(0), "an answer is not thrown away because of a later change").toBe(1);
    await answer();
    expect(asked.length, "changes during a fetch lead to one more").toBe(3);
  });

  it("forgets the answer to an older question", async () => {
    const { pages, answer, change } = list(300);
    pages.refetch("anew");
    change();
    pages.refetch("anew");
    await answer();
    expect(pages.rowAt(0)).toBe(1);
  });

  it("keeps about twenty pages", async () => {
    const { pages, answer } = list(200_000);
    pages.refetch("anew");
    for (let page = 0; page < 40; page += 1) {
      pages.show(page * 200, page * 200 + 40);
      await answer();
    }
    expect(pages.rowAt(39 * 200)).toBe(7800);
    expect(pages.rowAt(0), "rows far away are forgotten").toBeUndefined();
  });
});
