import { describe, expect, it } from "vitest";
import { bytes, count, counted, percent, percentRange, rate, roundPercent } from "./number";
import { ago, clockTime, dateTimeZone, day, duration, keepUnits, localInput, recent, shortDay, zoneWords } from "./time";

const plain = (text: string): string => text.replaceAll("\u202f", " ");

describe("numbers", () => {
  it("groups thousands", () => expect(count(1204567)).toBe("1,204,567"));

  it("takes the singular for one only", () => {
    expect([counted(0, "open"), counted(1, "open"), counted(2, "open")]).toEqual(["0 opens", "1 open", "2 opens"]);
    expect(counted(2, "person", "people")).toBe("2 people");
  });

  it.each([
    [0, "0.0 %"],
    [0.0001, "< 0.1 %"],
    [0.382, "38.2 %"],
    [0.9999, "> 99.9 %"],
    [1, "100.0 %"],
  ])("writes %d as %s: what is something never reads as nothing, nor what is not all as all", (fraction, text) => {
    expect(plain(percent(fraction))).toBe(text);
  });

  it("rounds a share without making it none or all", () => {
    expect([0, 0.001, 0.384, 0.998, 1].map((share) => plain(roundPercent(share)))).toEqual([
      "0 %", "< 1 %", "38 %", "> 99 %", "100 %",
    ]);
  });

  it("writes a range once when both ends read the same", () => {
    expect(plain(percentRange(0.381, 0.519))).toBe("38 – 52 %");
    expect(plain(percentRange(0.381, 0.382))).toBe("38 %");
  });

  it("prints the denominator beside every rate", () => expect(plain(rate(412, 1079))).toBe("38.2 % (412 of 1,079)"));

  it("calls a rate of nothing not measured, never 0 %", () => expect(rate(0, 0)).toBe("not measured"));

  it.each([[0, "0 B"], [999, "999 B"], [1000, "1.0 KB"], [18_240, "18.2 KB"], [999_960, "1.0 MB"], [5e12, "5,000.0 GB"]])(
    "writes %d bytes as %s",
    (n, text) => expect(plain(bytes(n))).toBe(text),
  );
});

describe("times", () => {
  const berlin = "Europe/Berlin";
  const at = "2026-03-12T08:02:11Z";

  it("writes clock times in the zone it is given", () => {
    expect(clockTime(at, berlin)).toBe("09:02");
    expect(clockTime(at, berlin, "seconds")).toBe("09:02:11");
    expect(clockTime("2026-03-11T23:00:00Z", berlin)).toBe("00:00");
  });

  it("names day and zone", () => {
    expect(day(at, berlin)).toBe("Thu 12 Mar 2026");
    expect(dateTimeZone(at, berlin)).toBe("12 Mar 2026, 09:02 CET");
  });

  it("leaves the year out within the year", () => {
    expect(shortDay(at, "2026-11-01T00:00:00Z", berlin)).toBe("12 Mar");
    expect(shortDay(at, "2027-01-01T00:00:00Z", berlin)).toBe("12 Mar 2026");
  });

  it("writes the time today, the weekday within the week, then the date", () => {
    expect(recent(at, "2026-03-12T20:00:00Z", berlin)).toBe("09:02");
    expect(recent(at, "2026-03-14T20:00:00Z", berlin)).toBe("Thu 09:02");
    expect(recent(at, "2026-03-30T20:00:00Z", berlin)).toBe("12 Mar");
  });

  it.each([[400, "under 1 s"], [48_000, "48 s"], [9_900_000, "2 h 45 min"], [7_200_000, "2 h"], [273_600_000, "3 d 4 h"]])(
    "writes %d ms as %s",
    (ms, text) => expect(duration(ms)).toBe(text),
  );

  it("says a zone once", () => {
    expect(zoneWords(at, berlin)).toBe("CET, Europe/Berlin");
    expect(zoneWords(at, "America/New_York")).toBe("GMT-4, America/New York");
    expect(zoneWords(at, "Etc/UTC")).toBe("UTC");
  });

  it("writes date fields in the zone it is given, in winter and in summer", () => {
    expect(localInput(at, berlin)).toBe("2026-03-12T09:02");
    expect(localInput("2026-07-12T08:02:11Z", berlin)).toBe("2026-07-12T10:02");
  });

  it("tells before from after", () => {
    expect(ago(0, 240_000)).toBe("4 min ago");
    expect(ago(240_000, 0)).toBe("in 4 min");
    expect(ago(1_000, 2_000)).toBe("just now");
  });
});

describe("keepUnits", () => {
  it("keeps a number and its unit on one line, and nothing else", () => {
    expect(keepUnits("Looked, 2 h 45 min after delivery, second look")).toBe("Looked, 2\u00a0h 45\u00a0min after delivery, second look");
    expect(keepUnits("in 3 environments, 6 days 20 h")).toBe("in 3 environments, 6\u00a0days 20\u00a0h");
  });
});
