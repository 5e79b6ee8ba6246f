import { cleanup, fireEvent, render, screen } from "@testing-library/svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import RangeBar from "./RangeBar.svelte";
import { layRange, rangeSentence, rangeWords, type RangeFigures } from "./range";
import { ticks } from "./time-scale";

const figures: RangeFigures = {
  parts: { human: 410, unknown: 54, machine: 97, none: 518 },
  tracked: 1079,
  accepted: 1204,
  low: 410 / 1079,
  high: 561 / 1079,
  likely: 0.41,
  likelyWithin: [0.39, 0.47],
  reachableShare: 0.97,
};

const nothing: RangeFigures = {
  ...figures,
  parts: { human: 0, unknown: 0, machine: 0, none: 0 },
  tracked: 0,
  low: null,
  high: null,
  likely: null,
  likelyWithin: null,
};

const plain = (text: string | null): string => (text ?? "").replaceAll("\u202f", " ");

afterEach(cleanup);

describe("the range", () => {
  it("lays its parts end to end over the whole bar", () => {
    const parts = layRange(figures);
    expect(parts.map((part) => part.mark)).toEqual(["human", "unknown", "machine", "none"]);
    parts.reduce((end, part) => {
      expect(part.from, "each part starts where the one before ends").toBeCloseTo(end);
      return part.from + part.share;
    }, 0);
    expect(parts.reduce((sum, part) => sum + part.share, 0)).toBeCloseTo(1);
  });

  it("says both ends and the coverage in one sentence", () => {
    expect(plain(rangeSentence(figures))).toBe(
      "Opened by 38 – 52 %, likely 41 % (39 – 47 %): 410 confirmed, 54 unknown, 97 by machines only, 518 no signal; " +
        "1,079 could be measured of 1,204 accepted · address reachable 97 % of the window.",
    );
  });

  it("says that nothing was seen, not that nobody opened it", () => {
    const silent = { ...figures, parts: { human: 0, unknown: 0, machine: 0, none: 1079 }, low: 0, high: 0, likely: null, likelyWithin: null };
    expect(rangeWords(silent)).toEqual({ lead: "", strong: "No opens seen" });
    expect(rangeSentence(silent)).toMatch(/^No opens seen: 0 confirmed/);
  });

  it("says at least where both ends meet: people with images off are in no part", () => {
    const sure = { ...figures, parts: { human: 410, unknown: 0, machine: 0, none: 669 }, high: 410 / 1079 };
    expect(plain(rangeWords(sure)?.strong ?? null)).toBe("at least 38 %");
  });

  it("is not 0 % where nobody could reach the listener, whatever carried a pixel", () => {
    const deaf = { ...nothing, parts: { human: 0, unknown: 0, machine: 0, none: 1079 }, tracked: 1079, reachableShare: 0 };
    expect(rangeWords(deaf)).toBeNull();
    expect(rangeSentence(deaf)).toBe("Not measured.");
    expect(layRange(deaf), "no part is drawn of what was not measured").toEqual([]);
  });

  it("is not 0 % where nothing was measured", () => {
    expect(rangeWords(nothing)).toBeNull();
    expect(rangeSentence(nothing)).toBe("Not measured.");
    expect(layRange(nothing)).toEqual([]);
  });
});

describe("RangeBar", () => {
  it("filters by a part, and not any more by the same part", async () => {
    const onpick = vi.fn();
    const { rerender } = render(RangeBar, { figures, onpick });
    await fireEvent.click(screen.getByRole("button", { name: "97 by machines only" }));
    expect(onpick).toHaveBeenLastCalledWith("machine");
    await rerender({ figures, onpick, picked: "machine" });
    const button = screen.getByRole("button", { name: "97 by machines only" });
    expect(button.getAttribute("aria-pressed")).toBe("true");
    await fireEvent.click(button);
    expect(onpick).toHaveBeenLastCalledWith(null);
  });

  it("tells how a part was judged when it is focused", async () => {
    render(RangeBar, { figures });
    await fireEvent.focus(screen.getByRole("button", { name: "518 no signal" }));
    expect(screen.getByText(/of those measured\. .*was not fetched/).textContent).toContain("48.0");
  });

  it("says beside an estimate what it assumes, and nothing where there is none", async () => {
    const { rerender } = render(RangeBar, { figures });
    expect(plain(screen.getByText(/^likely/).textContent)).toBe("likely 41 % (39 – 47 %)");
    expect(screen.getByText(/^Estimate: assumes Apple-privacy readers behave like the others/)).toBeTruthy();
    await rerender({ figures: { ...figures, likely: null, likelyWithin: null } });
    expect(screen.queryByText(/^Estimate/)).toBeNull();
  });

  it("tells its parts as a table", () => {
    render(RangeBar, { figures });
    const cells = screen.getAllByRole("row").map((row) => plain(row.textContent).replaceAll(/\s+/g, " ").trim());
    expect(cells[1]).toMatch(/^confirmed ?410 ?38\.0 %/);
    expect(cells).toHaveLength(5);
  });

  it("says not measured, and why", () => {
    render(RangeBar, { figures: nothing, unmeasured: "The mails were sent without a public address." });
    expect(screen.getByText("Not measured")).toBeTruthy();
    expect(screen.getByText("The mails were sent without a public address.")).toBeTruthy();
  });

  it("speaks its whole sentence in a row", () => {
    render(RangeBar, { figures, size: "row" });
    expect(plain(screen.getByRole("img").getAttribute("aria-label"))).toContain("Opened by 38 – 52 %");
  });
});

describe("ticks", () => {
  const at = (text: string): number => Date.parse(text);

  it("stand on the zone's whole hours", () => {
    const found = ticks(at("2026-03-12T07:20:00Z"), at("2026-03-12T13:20:00Z"), "Europe/Berlin", 8);
    expect(found.map((tick) => tick.label)).toEqual(["09:00", "10:00", "11:00", "12:00", "13:00", "14:00"]);
  });

  it("stand on the zone's midnights across a change of clocks", () => {
    const found = ticks(at("2026-03-27T12:00:00Z"), at("2026-03-31T12:00:00Z"), "Europe/Berlin", 6);
    expect(found.map((tick) => new Date(tick.at).toISOString())).toEqual([
      "2026-03-27T23:00:00.000Z",
      "2026-03-28T23:00:00.000Z",
      "2026-03-29T22:00:00.000Z",
      "2026-03-30T22:00:00.000Z",
    ]);
    expect(found.map((tick) => tick.label)).toEqual(["28 Mar", "29 Mar", "30 Mar", "31 Mar"]);
  });

  it.each([1, 3, 30, 200, 900])("are few enough to be read over %d days", (days) => {
    const from = at("2026-01-01T00:00:00Z");
    const found = ticks(from, from + days * 86_400_000, "America/New_York", 8);
    expect(found.length).toBeGreaterThan(0);
    expect(found.length).toBeLessThanOrEqual(9);
  });
});
