import { describe, expect, it } from "vitest";
import { certificateWords, lastsWords } from "./routes";

describe("how long an address lasts", () => {
  it("is said where it is somebody else's", () => {
    expect([lastsWords("own"), lastsWords("lent"), lastsWords("temporary"), lastsWords(null)]).toEqual([
      undefined, "Lent", "For a while", undefined,
    ]);
  });
});

describe("a certificate", () => {
  const now = Date.parse("2026-11-27T08:00:00Z");

  it.each([
    ["2026-12-27T09:00:00Z", "Its certificate lasts 30 more days."],
    ["2026-11-28T09:00:00Z", "Its certificate lasts 1 more day."],
    ["2026-11-27T20:00:00Z", "Its certificate ends today."],
    ["2026-11-27T08:00:00Z", "Its certificate has ended."],
    ["2025-11-27T08:00:00Z", "Its certificate has ended."],
  ])("until %s", (until, words) => expect(certificateWords(until, now)).toBe(words));
});
