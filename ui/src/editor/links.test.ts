import { describe, expect, it } from "vitest";
import { isPicture, readLink } from "./links";

describe("links", () => {
  it.each([
    ["example.org", "https://example.org"],
    ["example.org:8080/a", "https://example.org:8080/a"],
    [" https://example.org/a ", "https://example.org/a"],
    ["ana@example.org", "mailto:ana@example.org"],
    ["+49 30 123456", "tel:+4930123456"],
    ["https://example.org/?who={{ email }}", "https://example.org/?who={{ email }}"],
    ["javascript:alert(1)", null],
    ["data:text/html,x", null],
    ["file:///etc/passwd", null],
    ["two words", null],
    ["", null],
  ])("reads %j as %j", (typed, link) => expect(readLink(typed)).toBe(link));

  it("takes pictures from the web only", () => {
    expect([isPicture("https://example.org/a.png"), isPicture("mailto:a@b.c"), isPicture("data:image/png,")]).toEqual([
      true, false, false,
    ]);
  });
});
