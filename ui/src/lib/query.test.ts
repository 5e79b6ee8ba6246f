import { describe, expect, it } from "vitest";
import { CallError } from "./backend/backend";
import { QueryCache } from "./query.svelte";

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

function counting(cache: QueryCache, name: string, request: unknown = {}) {
  let calls = 0;
  const entry = cache.entry(name, request, () => Promise.resolve(++calls));
  return { entry, calls: () => calls };
}

const tagged = (): QueryCache => new QueryCache((name) => [name]);

describe("the query cache", () => {
  it("asks once for all who show the same thing", async () => {
    const cache = tagged();
    const { entry, calls } = counting(cache, "report", { id: 1 });
    entry.acquire();
    expect(cache.entry("report", { id: 1 }, () => Promise.resolve(0))).toBe(entry);
    entry.acquire();
    await settle();
    expect(calls(), "two views of one report are one request").toBe(1);
    expect(entry.data).toBe(1);
  });

  it("keeps different arguments apart", () => {
    const cache = tagged();
    expect(counting(cache, "report", { id: 1 }).entry).not.toBe(counting(cache, "report", { id: 2 }).entry);
  });

  it("refetches what is shown under a changed tag, and only that", async () => {
    const cache = tagged();
    const report = counting(cache, "report");
    const contacts = counting(cache, "contacts");
    report.entry.acquire();
    contacts.entry.acquire();
    await settle();
    cache.invalidate(["report"]);
    await settle();
    expect([report.calls(), contacts.calls()]).toEqual([2, 1]);
  });

  it("fetches what changed while hidden when it is shown again", async () => {
    const cache = tagged();
    const { entry, calls } = counting(cache, "report");
    entry.acquire();
    await settle();
    entry.release();
    cache.invalidate(["report"]);
    await settle();
    expect(calls(), "what nobody shows is not fetched").toBe(1);
    entry.acquire();
    await settle();
    expect(calls(), "what is out of date is fetched when shown").toBe(2);
  });

  it("fetches once more, not twice at a time, when changes come while it fetches", async () => {
    const cache = tagged();
    let running = 0;
    let most = 0;
    let calls = 0;
    const entry = cache.entry("report", {}, async () => {
      calls += 1;
      most = Math.max(most, ++running);
      await settle();
      running -= 1;
      return calls;
    });
    entry.acquire();
    for (let change = 0; change < 5; change += 1) cache.invalidate(["report"]);
    await settle();
    await settle();
    await settle();
    expect(most, "one request of a kind at a time").toBe(1);
    expect(calls, "five changes during one fetch lead to one more").toBe(2);
    expect(entry.data).toBe(2);
  });

  it("keeps what it had when a refetch fails, and says why", async () => {
    const cache = tagged();
    let fails = false;
    const entry = cache.entry("report", {}, () =>
      fails ? Promise.reject(new CallError({ code: "busy", message: "the database is busy" })) : Promise.resolve("kept"),
    );
    entry.acquire();
    await settle();
    fails = true;
    cache.invalidate(["report"]);
    await settle();
    expect(entry.data).toBe("kept");
    expect(entry.error?.code).toBe("busy");
  });
});
