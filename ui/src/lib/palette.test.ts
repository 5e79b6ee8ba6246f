import { describe, expect, it } from "vitest";
import { matchScore } from "./palette.svelte";

describe("matchScore", () => {
  it("puts the label's beginning before its words, and those before keywords", () => {
    const beginning = matchScore("spr", ["Spring newsletter", "garden"]);
    const word = matchScore("new", ["Spring newsletter", "garden"]);
    const keyword = matchScore("gar", ["Spring newsletter", "garden"]);
    expect(beginning).toBeGreaterThan(word);
    expect(word).toBeGreaterThan(keyword);
    expect(keyword).toBeGreaterThan(0);
  });

  it("wants every part that was typed", () => {
    expect(matchScore("spring fair", ["Spring newsletter"])).toBe(0);
    expect(matchScore("news spr", ["Spring newsletter"])).toBeGreaterThan(0);
  });

  it("does not match in the middle of words", () => expect(matchScore("etter", ["Spring newsletter"])).toBe(0));

  it("reads over accents and case", () => expect(matchScore("muller", ["Brief an Müller"])).toBeGreaterThan(0));

  it("takes everything while nothing is typed", () => expect(matchScore(" ", ["Home"])).toBe(1));
});
