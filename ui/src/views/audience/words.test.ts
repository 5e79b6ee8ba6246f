import { describe, expect, it } from "vitest";
import { consentTitle, eventTime } from "./words";

describe("a person's word on tracking", () => {
  it("tells who was asked from who was not", () => {
    expect(consentTitle("unknown", null)).toBe("Not asked yet");
    expect(consentTitle("unknown", "2026-04-01T08:00:00Z")).toBe("Asked, no answer yet");
    expect(consentTitle("refused", "2026-04-01T08:00:00Z"), "an answer is an answer").toBe("Refused tracking");
  });

  it("shows the day alone of what a browser sent, whatever the zone", () => {
    const at = "2026-04-02T00:00:00Z";
    expect(eventTime({ at, source: "browser signal" })).toBe("Thu 2 Apr 2026");
    expect(eventTime({ at, source: "consent page" })).toMatch(/ 2026, \d\d:\d\d$/);
  });
});
