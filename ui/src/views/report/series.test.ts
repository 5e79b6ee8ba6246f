import { describe, expect, it } from "vitest";
import { axisOf, outagesOf } from "./series";

const at = (hour: number): string => new Date(Date.UTC(2026, 2, 12, hour)).toISOString();
const hours = (gaps: { from: number; until: number }[]): number[][] =>
  gaps.map((gap) => [new Date(gap.from).getUTCHours(), new Date(gap.until).getUTCHours()]);

describe("outages", () => {
  const span = [at(8), at(20)] as [string, string];
  const minutes = 60;
  const end = Date.parse(at(23));
  const window = { opens_from: at(9), opens_until: at(18) };

  it("are the gaps between what was up", () => {
    expect(hours(outagesOf({ span, window, minutes, up: [[at(9), at(12)], [at(14), at(20)]] }, end))).toEqual([[12, 14]]);
  });

  it("are the whole window where nothing was up", () => {
    expect(hours(outagesOf({ span, window, minutes, up: [] }, end))).toEqual([[9, 18]]);
  });

  it("do not reach outside the window, where nothing counts anyway", () => {
    expect(hours(outagesOf({ span, window, minutes, up: [[at(10), at(16)]] }, end))).toEqual([[9, 10], [16, 18]]);
  });

  it("take overlapping intervals as one", () => {
    expect(hours(outagesOf({ span, window, minutes, up: [[at(9), at(15)], [at(10), at(12)], [at(15), at(18)]] }, end))).toEqual([]);
  });

  it("do not reach into the future", () => {
    expect(hours(outagesOf({ span, window, minutes, up: [[at(9), at(12)]] }, Date.parse(at(12))))).toEqual([]);
  });
});

describe("the axis", () => {
  it("holds its first and last point whole", () => {
    const span = ["2026-03-12T09:20:00Z", "2026-03-12T10:05:00Z"] as [string, string];
    const axis = axisOf({ span, window: null, minutes: 60 });
    expect([axis?.from, axis?.until].map((each) => new Date(each ?? 0).toISOString())).toEqual([
      "2026-03-12T09:00:00.000Z",
      "2026-03-12T11:00:00.000Z",
    ]);
  });
});
