import { describe, expect, it } from "vitest";
import type { ActivityRow } from "$lib/bindings/api";
import { joinRows } from "./feed.svelte";

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
