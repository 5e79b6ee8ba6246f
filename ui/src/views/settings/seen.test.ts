import { expect, it } from "vitest";
import type { Probe, Reach } from "$lib/bindings/api";
import { lookOf, untilNext } from "./seen";

const NOW = Date.parse("2026-04-01T08:00:00Z");

function probe(verdict: Probe["verdict"]): Probe {
  return {
    url: "https://news.harbour-club.eu",
    at: "2026-04-01T07:59:30Z",
    verdict,
    sentence: "A sentence.",
    advice: null,
    latency_ms: 31,
    certificate_until: null,
  };
}

function reach(over: Partial<Reach> = {}): Reach {
  return {
    address: { kind: "public", url: "https://news.harbour-club.eu", meaning: "" },
    listening: true,
    probe: probe("ok"),
    last_good: null,
    misses: 0,
    next_probe_at: "2026-04-01T08:00:30Z",
    opens_last_day: 0,
    ...over,
  };
}

it("calls good only what was seen while the listener runs", () => {
  expect(lookOf(reach())).toMatchObject({ tone: "good", word: "Readers get through" });
  expect(lookOf(reach({ listening: false }))).toMatchObject({ tone: "warn", word: "Readers cannot get through now" });
  expect(lookOf(reach({ probe: null })).word).toBe("Not yet looked");
  expect(lookOf(undefined).tone).toBe("warn");
});

it("calls broken what failed three times, and not before", () => {
  expect(lookOf(reach({ probe: probe("nothing_behind"), misses: 2 })).tone).toBe("warn");
  expect(lookOf(reach({ probe: probe("nothing_behind"), misses: 3 })).tone).toBe("danger");
  expect(lookOf(reach({ probe: probe("cannot_self_test") })).tone).toBe("warn");
});

it("says when it looks again", () => {
  expect(untilNext(reach(), NOW)).toBe("in 30 seconds");
  expect(untilNext(reach({ next_probe_at: "2026-04-01T08:00:02Z" }), NOW)).toBe("in a moment");
  expect(untilNext(reach({ next_probe_at: "2026-04-01T08:01:10Z" }), NOW)).toBe("in about a minute");
  expect(untilNext(reach({ next_probe_at: null }), NOW)).toContain("only when you ask");
  expect(untilNext(reach({ listening: false }), NOW)).toBe("once the listener runs");
});
