import { expect, test } from "vitest";
import { blankWhen, launchOf, problemOf } from "./when";

test("now waits the seconds in which it can be taken back, later does not", () => {
  expect(launchOf(blankWhen(), "Europe/Berlin", 30)).toEqual({ delay_secs: 30 });
  const later = { ...blankWhen(), kind: "later" as const, time: "2026-12-01T09:00" };
  expect(launchOf(later, "Europe/Berlin", 30)).toEqual({
    delay_secs: 0,
    at: { time: "2026-12-01T09:00:00", zone: "Europe/Berlin" },
    when_late: "ask",
  });
});

test("quiet hours that are none are left out", () => {
  expect(launchOf({ ...blankWhen(), hasQuiet: true }, "UTC", 30).quiet).toEqual({ from: "21:00:00", until: "08:00:00" });
  expect(launchOf({ ...blankWhen(), hasQuiet: true, quietUntil: "21:00" }, "UTC", 30).quiet).toBeUndefined();
});

test("a time that has passed or is missing is said", () => {
  const later = { ...blankWhen(), kind: "later" as const };
  expect(problemOf(later, "2026-11-27T10:00")).toBe("Choose a day and a time.");
  expect(problemOf({ ...later, time: "2026-11-27T09:59" }, "2026-11-27T10:00")).toBe("That time has passed.");
  expect(problemOf({ ...later, time: "2026-11-27T10:01" }, "2026-11-27T10:00")).toBeUndefined();
  expect(problemOf(blankWhen(), "2026-11-27T10:00")).toBeUndefined();
});
