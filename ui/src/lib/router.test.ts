import { describe, expect, it } from "vitest";
import { href, matchRoute, parseHash } from "./router.svelte";

const routes = [{ pattern: "/" }, { pattern: "/report" }, { pattern: "/report/:id" }];

describe("the router", () => {
  it.each([
    ["", "/", {}],
    ["#/", "/", {}],
    ["#/report", "/report", {}],
    ["#/report/42?state=human", "/report/:id", { id: "42" }],
    ["#/report/a%2Fb", "/report/:id", { id: "a/b" }],
  ])("leads %s to %s", (hash, pattern, params) => {
    const match = matchRoute(routes, parseHash(hash));
    expect(match?.route.pattern).toBe(pattern);
    expect(match?.params).toEqual(params);
  });

  it("leads nowhere for what it does not know", () => {
    expect(matchRoute(routes, parseHash("#/report/1/2"))).toBeNull();
  });

  it("does not fall over broken escapes", () => expect(parseHash("#/report/%E0%A4").segments).toEqual(["report", "%E0%A4"]));

  it("reads the query", () => expect(parseHash("#/report/1?q=M%C3%BCller").query.get("q")).toBe("Müller"));

  it("escapes what it links to", () => expect(href("report", "a/b")).toBe("#/report/a%2Fb"));
});
