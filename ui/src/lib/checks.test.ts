import { describe, expect, it } from "vitest";
import type { CheckFinding, CheckSeverity } from "$lib/bindings/api";
import { summary } from "./checks";

const of = (...severities: CheckSeverity[]): CheckFinding[] =>
  severities.map((severity) => ({ topic: "spf", severity, sentence: "", record: "" }));

describe("the summary of a check", () => {
  it.each([
    [of("good", "good"), "All is as it should be."],
    [of("good", "unknown"), "Nothing is wrong as far as could be seen."],
    [of("warn", "unknown"), "Good, and one thing could be better."],
    [of("warn", "warn"), "Good, and 2 things could be better."],
    [of("bad", "warn"), "One thing needs mending."],
    [of("bad", "bad", "good"), "2 things need mending."],
  ])("goes by the worst", (findings, expected) => {
    expect(summary(findings)).toBe(expected);
  });
});
