import { describe, expect, it } from "vitest";
import { outagesOf } from "./series";

const at = (hour: number): string => new Date(Date.UTC(2026, 2, 12, hour)).toISOString();
const hours = (gaps: { from: number; until: number }[]): number[][] =>
  gaps.map((gap) => [new Date(gap.from).getUTCHours(), new Date(gap.until).getUTCHours()]);

describe("outages", () => {
  const span = [at(8), at(20)] as [string, string];
  const window = { opens_from: at(9), opens_until: at(18) };

  it("are the gaps between what was up", () => {
    expect(hours(outagesOf({ span, window, up: [[at(9), at(12)], [at(14), at(20)]] }))).toEqual([[12, 14]]);
  });

  it("are the whole window where nothing was up", () => {
    expect(hours(outagesOf({ span, window, up: [] }))).toEqual([[9, 18]]);
  });

  it("do not reach outside the window, where nothing counts anyway", () => {
    expect(hours(outagesOf({ span, window, up: [[at(10), at(16)]] }))).toEqual([[9, 10], [16, 18]]);
  });

  it("take overlapping intervals as one", () => {
    expect(hours(outagesOf({ span, window, up: [[at(9), at(15)], [at(10), at(12)], [at(15), at(18)]] }))).toEqual([]);
  });
});
