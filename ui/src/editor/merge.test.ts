import { describe, expect, it } from "vitest";
import { mergeLabel, mergeWords, parseMerge, splitMerge, writeMerge } from "./merge";

describe("merge fields", () => {
  it.each(["there", "", 'a "quoted" one', "back\\slash", "two\nlines", "}} {{"])("reads back the fallback %j", (fallback) => {
    const field = { name: "first_name", fallback };
    expect(parseMerge(writeMerge(field))).toEqual(field);
  });

  it.each(["{{ a b }}", "{{ a | upper }}", "{{ 1a }}", "{{}}", "{{ a }} ", "{{ a.b }}"])("leaves %j to the renderer", (source) => {
    expect(parseMerge(source)).toBeNull();
  });

  it("takes names in any script, as the import makes them", () => {
    expect(parseMerge("{{ straße_2 }}")).toEqual({ name: "straße_2", fallback: null });
    expect(parseMerge("{{ שם }}")?.name).toBe("שם");
  });

  it("says the field and its fallback", () => {
    expect(mergeLabel({ name: "first_name", fallback: "there" })).toBe("first name · “there”");
    expect(mergeLabel({ name: "city", fallback: null })).toBe("city");
  });

  it("reads well in a title", () => {
    expect(mergeWords('Hello {{ first_name | fallback("x") }}, {{ a | b }}')).toBe("Hello [first name], {{ a | b }}");
  });

  it("cuts a text so that joined again it is the text", () => {
    const text = 'a {{ b }}{{ c | fallback("d") }} {{ e | f }} g';
    const pieces = splitMerge(text);
    expect(pieces.map((piece) => piece.source).join("")).toBe(text);
    expect(pieces.filter((piece) => piece.isField)).toHaveLength(2);
  });
});
