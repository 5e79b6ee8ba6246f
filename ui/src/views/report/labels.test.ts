import { beforeEach, describe, expect, it, vi } from "vitest";
import { toasts } from "$lib/toasts.svelte";
import { choicesOf, choiceWords, domainOf, saidWords, say, takeBack } from "./labels";

const call = vi.hoisted(() => vi.fn());
vi.mock("$lib/backend/backend", async (original) => ({
  ...(await original<object>()),
  backend: { call },
}));

beforeEach(() => {
  call.mockReset();
  for (const toast of toasts.all) toasts.dismiss(toast.id);
});

describe("what can be said of a look", () => {
  it("is of itself, of its network, and of its reader's domain", () => {
    const words = choicesOf({ hit: 7, network: "203.0.113.0/24" }, "ana@Example.org").map((group) => group.map(choiceWords));
    expect(words).toEqual([
      ["This was a person", "This was a machine", "This cannot be told"],
      ["All from 203.0.113.0/24 are machines", "All from 203.0.113.0/24 cannot be told"],
      ["All to example.org are machines", "All to example.org cannot be told"],
    ]);
  });

  it("never makes people of a whole domain or network", () => {
    const many = choicesOf({ hit: 7, network: "203.0.113.0/24" }, "ana@example.org").flat();
    expect(many.filter((choice) => choice.kind !== "hit" && choice.says === "person")).toEqual([]);
  });

  it("is only of itself where network and address are gone", () => {
    expect(choicesOf({ hit: 7, network: "" }, "")).toHaveLength(1);
    expect(choicesOf({ hit: null, network: "203.0.113.0/24" }, "ana@example.org")).toEqual([]);
    expect(domainOf('"a@b"@example.org')).toBe("example.org");
  });

  it("is confirmed with what it changed", () => {
    expect(saidWords({ kind: "hit", value: "7", says: "person" }, 1)).toBe("This look counts as a person’s now.");
    expect(saidWords({ kind: "domain", value: "example.org", says: "machine" }, 3)).toBe(
      "All to example.org count as machines’ now. 3 looks changed.",
    );
  });
});

describe("saying it", () => {
  const choice = { kind: "hit", value: "7", says: "machine" } as const;

  it("offers an undo that takes it back", async () => {
    call.mockImplementation((name: string) =>
      Promise.resolve(name === "label_list" ? { labels: [] } : { id: 5, changed: 1 }),
    );
    await say(choice);
    expect(call).toHaveBeenLastCalledWith("label_set", choice);
    await toasts.all.at(-1)?.action?.run();
    expect(call).toHaveBeenLastCalledWith("label_remove", { id: 5 });
    expect(toasts.all.at(-1)?.text).toBe("Taken back.");
  });

  it("undoes to what was said of the same thing before", async () => {
    const before = { id: 4, kind: "hit", value: "7", says: "unknown", at: "2026-04-01T09:00:00Z" };
    call.mockImplementation((name: string) =>
      Promise.resolve(name === "label_list" ? { labels: [before] } : { id: 5, changed: 1 }),
    );
    await say(choice);
    await toasts.all.at(-1)?.action?.run();
    expect(call).toHaveBeenLastCalledWith("label_set", { ...choice, says: "unknown" });
  });

  it("says what went wrong, and offers nothing to undo", async () => {
    call.mockRejectedValue({ code: "invalid", message: "the look is gone" });
    await say(choice);
    expect(toasts.all.at(-1)).toMatchObject({ tone: "danger", action: undefined });
  });

  it("can be taken back later, and said again", async () => {
    call.mockResolvedValue({ changed: 2 });
    await takeBack({ id: 5, kind: "network", value: "203.0.113.0/24", says: "machine" });
    const toast = toasts.all.at(-1);
    expect(toast?.text).toBe("Taken back: the rules judge again. 2 looks changed.");
    await toast?.action?.run();
    expect(call).toHaveBeenLastCalledWith("label_set", { kind: "network", value: "203.0.113.0/24", says: "machine" });
  });
});
