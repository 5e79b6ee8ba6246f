import { describe, expect, it } from "vitest";
import type { ActivityRow } from "$lib/bindings/api";
import { byDay, joinRows } from "./feed.svelte";

const rows = (...ids: number[]): ActivityRow[] =>
  ids.map((id) => ({
    id,
    at: "2026-03-12T09:00:00Z",
    kind: "look",
    text: "",
    class: null,
    campaign: null,
    campaign_name: "",
    message: null,
    contact: null,
  }));

const ids = (joined: ActivityRow[]): number[] => joined.map((row) => row.id);

describe("the feed", () => {
  it("keeps the older rows that were asked for when new ones come", () => {
    expect(ids(joinRows(rows(9, 8, 7), rows(8, 7, 6, 5)))).toEqual([9, 8, 7, 6, 5]);
  });

  it("shows no row twice", () => {
    expect(ids(joinRows(rows(3, 2, 1), rows(3, 2, 1)))).toEqual([3, 2, 1]);
  });

  it("is empty where nothing happened", () => expect(joinRows([], [])).toEqual([]));
});

describe("the days of the feed", () => {
  it("may come twice, as two, where something waited in the spool", () => {
    const [first, late, last] = rows(3, 2, 1);
    if (first === undefined || late === undefined || last === undefined) throw new Error("three rows");
    late.at = "2026-03-11T22:00:00Z";
    const days = byDay([first, late, last], "UTC");
    expect(days.map((each) => ids(each.rows))).toEqual([[3], [2], [1]]);
    expect(new Set(days.map((each) => each.key)).size, "a list whose keys repeat cannot be drawn").toBe(3);
  });
});
